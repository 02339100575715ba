"""One achievement that is listed several times takes one place in a list of suggestions."""

import numpy as np
import pytest

from matchmaking.models import DemandIndex, Match
from matchmaking.retrieval import alike
from matchmaking.retrieval.alike import gather, same
from matchmaking.services import indexing, matching
from matchmaking.workflow import MatchStatus
from tests.factories import make_achievement, make_demand

pytestmark = pytest.mark.django_db
SAME = alike.SAME


@pytest.fixture(autouse=True)
def told_apart(encoder, monkeypatch):
    """What other tests switch off."""
    monkeypatch.setattr(alike, "SAME", SAME)


def index_all(encoder):
    for kind, model in indexing.LISTINGS.items():
        ids = list(model.objects.values_list("pk", flat=True))
        indexing.refresh(kind=kind, ids=ids, encoder=encoder)
    return matching.current_id()


def behind(encoder, *achievements):
    model_id = index_all(encoder)
    return gather({one.pk: one.title for one in achievements}, model_id)


def test_what_is_listed_again_stands_behind_the_first_of_the_list(encoder):
    first, again, third = (make_achievement() for _ in range(3))
    other = make_achievement(title="秸秆制备绿化基材", summary="边坡绿化。", body="喷播。")

    assert behind(encoder, first, again, other, third) == {first.pk: [again.pk, third.pk]}
    assert behind(encoder, third, other, first) == {third.pk: [first.pk]}


@pytest.mark.parametrize(
    "change",
    [
        {"title": "双感应器同步淬火成套工艺 2"},
        {"body": "叶片涂层在盐雾中保持附着力。"},
        {"title": "盾构刀盘修复"},
    ],
)
def test_other_figures_another_body_or_another_title_are_another_achievement(encoder, change):
    assert behind(encoder, make_achievement(), make_achievement(**change)) == {}


def test_traditional_characters_and_signs_do_not_make_a_title_another_one(encoder):
    first = make_achievement(title="同步淬火成套工艺的产业化", indicators=[])
    again = make_achievement(title="同步淬火成套工藝的產業化。", indicators=[])

    assert behind(encoder, first, again) == {first.pk: [again.pk]}


def test_a_part_of_a_text_is_not_the_text():
    short = np.eye(3, dtype=np.float32)[:1]
    long = np.eye(3, dtype=np.float32)[:2]

    assert same(short, short) and same(long, long)
    assert not same(short, long) and not same(long, short)


@pytest.mark.parametrize("title", ["", "。", "🙂", "A", "1"])
def test_titles_without_letters_hide_nothing_that_has_no_vectors(title):
    assert gather({1: title, 2: title}, 0) == {}


def test_a_list_holds_each_achievement_once_and_keeps_what_stands_behind_it(encoder, settings):
    settings.MATCH_TOP_K = 2
    copies = [make_achievement() for _ in range(3)]
    other = make_achievement(
        title="轴承套圈感应加热装置", summary="套圈加热。", body="整圈加热，温差小。"
    )
    demand = make_demand()
    index_all(encoder)

    matching.match_demand(demand_id=demand.pk)

    found = {match.achievement_id: match.alike for match in Match.objects.order_by("rank")}
    assert found == {copies[0].pk: [copies[1].pk, copies[2].pk], other.pk: []}


def test_the_next_of_them_takes_the_place_of_one_that_left(encoder):
    first, second = make_achievement(), make_achievement()
    demand = make_demand()
    index_all(encoder)
    matching.match_demand(demand_id=demand.pk)
    first.status = "withdrawn"
    first.save()

    matching.match_demand(demand_id=demand.pk)

    left, stays = Match.objects.order_by("pk")
    assert (left.achievement, left.status) == (first, MatchStatus.SUPERSEDED)
    assert (stays.achievement, stays.status, stays.alike) == (second, MatchStatus.SUGGESTED, [])


def test_an_evaluation_sees_every_listing(encoder):
    make_achievement(), make_achievement()
    demand = make_demand()
    index_all(encoder)
    index = DemandIndex.objects.get(pk=demand.pk)

    assert len(matching.rank_all(demand, index, with_floor=False).ranked) == 2
    assert len(matching.rank_all(demand, index).ranked) == 1
