"""The points that the evidence alone gives a match: the rule of criteria.py, done by hand."""

import pytest

from matchmaking.criteria import problem_of, suggest_criteria
from matchmaking.models import Match
from matchmaking.workflow import Criterion

ALL = {"fit": 3, "maturity": 3, "terms": 3, "credibility": 3}


def line(kind, verdict, *, hard=True, quote="", stated=None):
    return {"kind": kind, "verdict": verdict, "hard": hard, "quote": quote, "stated": stated}


def points(*grid, confidence=0.0):
    return suggest_criteria(Match(grid=list(grid), confidence=confidence))


def test_nothing_known_is_the_middle():
    assert points() == ALL


@pytest.mark.parametrize(
    ("verdicts", "fit"),
    [
        (["met"], 5),
        (["partly"], 3),
        (["unmet"], 1),
        (["unknown"], 3),
        (["met", "unknown"], 5),
        (["met", "partly"], 4),
        # 1 + 4 x 2/3 = 3.7, but a must-have that is not met leaves 2 at most.
        (["met", "met", "unmet"], 2),
    ],
)
def test_fit_comes_from_the_indicators(verdicts, fit):
    assert points(*(line("indicator", one) for one in verdicts))["fit"] == fit


def test_a_must_have_counts_twice():
    # (2 x 1 + 1 x 0) / 3, 1 + 4 x 2/3 = 3.67
    grid = [line("indicator", "met"), line("indicator", "unmet", hard=False)]

    assert points(*grid)["fit"] == 4


@pytest.mark.parametrize(("confidence", "fit"), [(0.8, 4), (0.6, 3), (0.2, 2), (0.0, 3)])
def test_without_stated_indicators_fit_is_the_grade_of_the_score(confidence, fit):
    assert points(confidence=confidence)["fit"] == fit
    assert points(line("indicator", "unknown"), confidence=confidence)["fit"] == fit


@pytest.mark.parametrize(
    ("kind", "criterion"),
    [
        ("trl", "maturity"),
        ("deadline", "maturity"),
        ("budget", "terms"),
        ("modes", "terms"),
        ("exclusivity", "terms"),
        ("ip", "terms"),
    ],
)
def test_each_other_line_speaks_for_one_criterion(kind, criterion):
    found = points(line(kind, "unmet"))

    assert found[criterion] == 1
    assert {key: found[key] for key in ("fit", "maturity", "terms") if key != criterion} == {
        key: 3 for key in ("fit", "maturity", "terms") if key != criterion
    }


def test_the_region_is_no_term():
    assert points(line("region", "unmet"))["terms"] == 3


@pytest.mark.parametrize(
    ("lines", "credibility"),
    [
        ([{"quote": "实测"}], 5),
        ([{"stated": {"trl": 7}}], 3),
        ([{}], 1),
        ([{"quote": "实测"}, {}], 3),
        ([{"quote": "实测", "stated": {"trl": 7}}, {"stated": {"trl": 7}}], 4),
    ],
)
def test_credibility_is_how_much_the_achievement_answers_in_its_own_words(lines, credibility):
    grid = [line("indicator", "unknown", **one) for one in lines]

    assert points(*grid)["credibility"] == credibility


def test_every_suggestion_could_be_given():
    verdicts = ("met", "partly", "unmet", "unknown", "something of an earlier engine")
    kinds = ("indicator", "trl", "budget", "region", "nothing")
    for verdict in verdicts:
        for kind in kinds:
            found = points(line(kind, verdict), confidence=0.5)
            assert set(found) == set(Criterion.values)
            assert not problem_of(found)


@pytest.mark.parametrize("value", [-1, 6, 2.5, "3", None, "", True, [3], "3; DROP TABLE"])
def test_points_that_cannot_be_given_are_named(value):
    problems = problem_of({**ALL, "terms": value})

    assert set(problems) == {"terms"}
    assert "合作条件" in problems["terms"]


def test_every_criterion_needs_its_points_and_no_other_exists():
    assert set(problem_of({})) == set(Criterion.values)
    assert set(problem_of({**ALL, "beauty": 5})) == {"criteria"}
