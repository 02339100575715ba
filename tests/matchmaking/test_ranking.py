"""How text and fields become a score, a score a confidence, and a confidence a word."""

import pytest
from django.conf import settings

from catalog.models import Achievement, Demand
from matchmaking.retrieval.candidates import LEXICAL_WEIGHT, Candidate
from matchmaking.retrieval.ranking import FOREIGN, added, confidence, grade, rank

CHINESE, ENGLISH = "盾构刀盘磨损监测", "Monitoring the wear of cutter heads"


def ranked(demand, achievement, *, dense=0.4, lexical=0.0):
    score = round(dense + LEXICAL_WEIGHT * lexical, 5)
    return rank(
        demand=Demand(title=demand),
        achievement=Achievement(title=achievement),
        candidate=Candidate(1, dense, dense, lexical, score),
        grid=[],
    )


@pytest.mark.parametrize(("demand", "achievement"), [(CHINESE, ENGLISH), (ENGLISH, CHINESE)])
def test_what_words_of_another_language_cannot_say_is_taken_as_said(demand, achievement):
    item = ranked(demand, achievement)

    assert item.score == pytest.approx(0.4 * (1 + FOREIGN))
    assert sum(added(item).values()) == pytest.approx(item.score)


@pytest.mark.parametrize("title", [CHINESE, ENGLISH])
def test_words_of_one_language_speak_for_themselves(title):
    item = ranked(title, title, lexical=0.1)

    assert item.score == pytest.approx(0.4 + LEXICAL_WEIGHT * 0.1)
    assert item.unheard == 0


def test_a_stranger_in_another_language_stays_one():
    assert ranked(CHINESE, ENGLISH, dense=-0.2).score == pytest.approx(-0.2)


def test_confidence_grows_with_the_score_and_stays_between_0_and_1():
    found = [confidence(score / 10) for score in range(-20, 50)]

    assert found == sorted(found) and 0 < found[0] < found[-1] < 1


@pytest.mark.parametrize(
    ("score", "word"), [(1.2, "strong"), (0.9, "likely"), (0.6, "possible"), (-1.0, "possible")]
)
def test_a_confidence_has_a_word(score, word):
    assert grade(confidence(score)) == word


def test_strangers_are_below_the_floor_and_likely_partners_above_it():
    assert confidence(0.25) < settings.MATCH_FLOOR < confidence(0.5) < confidence(0.8)
