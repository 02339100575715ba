"""Many demands at once, or one at a time: whatever happened, lists are those of a full run."""

import datetime as dt
import random
import threading

import pytest
from django.db import connection
from django.utils import timezone

from catalog.models import Achievement, Demand
from catalog.services import deciding, publishing
from matchmaking import tasks
from matchmaking.models import AchievementIndex, DemandIndex, Match, MatchEvent, vector_model
from matchmaking.services import indexing, matching, rematching
from matchmaking.workflow import MatchStatus
from tests.factories import (
    make_achievement,
    make_demand,
    make_operator,
    make_organization,
)

M = MatchStatus
pytestmark = pytest.mark.django_db
WORDS = """淬火 渗碳 齿轮 轴承 变形 硬度 水稻 育种 电池 隔膜 激光 熔覆 废水 分离 膜 催化 传感 图像
    识别 焊接 机器人 涂层""".split()  # noqa: SIM905


@pytest.fixture(autouse=True)
def small(settings, monkeypatch):
    """Lists and pools so short that something is always pushed out."""
    settings.MATCH_TOP_K = 3
    monkeypatch.setattr(matching, "POOL", 5)


@pytest.fixture
def publish(django_capture_on_commit_callbacks):
    def run_step(step, **arguments):
        with django_capture_on_commit_callbacks(execute=True):
            return step(**arguments)

    return run_step


def content(chance):
    said = chance.sample(WORDS, 5)
    return {
        "title": f"{said[0]}{said[1]}技术",
        "summary": f"用于{said[0]}、{said[2]}与{said[3]}。",
        "body": "".join(f"{word}试验达到要求。" for word in said),
        "keywords": said[:2],
        "trl": chance.randint(3, 9),
        "indicators": [],
    }


def index_all(encoder):
    for kind in ("achievement", "demand"):
        list(indexing.index_all(kind=kind, encoder=encoder))


def lists():
    """Return each live demand's suggestions: achievement, place and score."""
    found = {pk: [] for pk in Demand.objects.live().values_list("pk", flat=True)}
    rows = Match.objects.filter(status=M.SUGGESTED, is_frozen=False, demand__in=list(found))
    for match in rows.order_by("demand", "rank"):
        found[match.demand_id].append((match.achievement_id, match.rank, round(match.score, 3)))
    return found


def full_run():
    """Return what every live demand's list would be, compared alone and all together."""
    alone = {}
    for index in DemandIndex.objects.filter(listing__in=Demand.objects.live()).order_by("pk"):
        ranked = matching.rank_all(index.listing, index).ranked
        alone[index.pk] = [
            (item.candidate.listing_id, place, round(item.score, 3))
            for place, item in enumerate(ranked, start=1)
        ]
    Match.objects.filter(status=M.SUGGESTED).update(rank=99)
    rematching.match_many(list(alone))
    return alone, lists()


# --- The same lists ------------------------------------------------------------------------------


def happen(chance, publish, what):
    """Have one thing happen to a random listing, through the services that pages use."""
    live = list(Achievement.objects.live().order_by("pk"))
    one = chance.choice(live)
    operator = make_operator()
    if what == "publish":
        new = make_achievement(status="submitted", **content(chance))
        publish(deciding.decide, no_interest=True, listing=new, actor=operator, decision="publish")
    elif what == "publish a demand":
        new = make_demand(status="submitted", **content(chance))
        publish(deciding.decide, no_interest=True, listing=new, actor=operator, decision="publish")
    elif what == "edit":
        publish(publishing.submit, listing=one, actor=operator, content=content(chance))
        one.refresh_from_db()
        publish(deciding.decide, no_interest=True, listing=one, actor=operator, decision="publish")
    elif what == "submit":
        publish(publishing.submit, listing=one, actor=operator, content=content(chance))
    elif what == "withdraw":
        publish(publishing.withdraw, listing=one, actor=operator)
    elif what == "suspend":
        publish(publishing.suspend, listing=one, actor=operator, note="-")
    elif what == "resume":
        if gone := Achievement.objects.filter(status="suspended").order_by("pk").first():
            publish(publishing.resume, listing=gone, actor=operator)
    elif what == "expire":
        Achievement.objects.filter(pk=one.pk).update(
            valid_until=timezone.localdate() - dt.timedelta(days=1)
        )
        publish(publishing.expire_overdue)
    elif what == "come back":
        if gone := Achievement.objects.filter(status="expired").order_by("pk").first():
            day = timezone.localdate() + dt.timedelta(days=90)
            publish(publishing.confirm_valid, listing=gone, actor=operator, valid_until=day)
    elif what == "close a field":
        Achievement.objects.filter(pk=one.pk).update(
            disclosure={"body": chance.choice(["introduced", "public"])},
            updated_at=timezone.now(),
        )
    elif what == "import":
        for _ in range(4):
            make_achievement(**content(chance))
    tasks.cache.clear()
    tasks.sweep()


THINGS = (
    *("publish", "publish a demand", "edit", "submit", "withdraw", "suspend", "resume"),
    *("expire", "come back", "close a field", "import"),
)


@pytest.mark.parametrize("seed", range(2))
def test_whatever_happens_the_lists_are_those_of_a_full_run(
    eager, encoder, publish, monkeypatch, seed
):
    # Figures that all scores rest on stay as they are: their renewal has tests of its own.
    monkeypatch.setattr(indexing, "STATISTICS_DRIFT", 99)
    chance = random.Random(seed)
    for _ in range(12):
        make_achievement(**content(chance))
    for _ in range(5):
        make_demand(**content(chance))
    index_all(encoder)
    tasks.sweep()
    things = [*THINGS, *chance.choices(THINGS, k=5)]
    chance.shuffle(things)

    for what in things:
        happen(chance, publish, what)
    tasks.cache.clear()
    tasks.sweep()

    stored = lists()
    alone, together = full_run()
    assert stored == alone
    assert together == alone


def test_new_word_counts_have_every_demand_compared_again(eager, encoder):
    chance = random.Random(9)
    for _ in range(10):
        make_achievement(**content(chance))
    for _ in range(4):
        make_demand(**content(chance))
    index_all(encoder)
    tasks.sweep()
    for _ in range(10):
        make_achievement(**content(chance))

    for _ in range(3):
        tasks.cache.clear()
        tasks.sweep()

    assert indexing.statistics_are_old("achievement") is False
    stored = lists()
    alone, together = full_run()
    assert stored == alone == together


def test_many_that_wait_are_compared_in_one_pass(eager, encoder, monkeypatch):
    monkeypatch.setattr(tasks, "MANY", 3)
    monkeypatch.setattr(matching, "match_demand", None)
    chance = random.Random(2)
    for _ in range(8):
        make_achievement(**content(chance))
    for _ in range(5):
        make_demand(**content(chance))
    index_all(encoder)

    tasks.sweep()

    assert all(len(found) == 3 for found in lists().values())
    assert not indexing.unmatched("demand", tasks.settings.ENGINE_VERSION).exists()
    assert not Match.objects.filter(explained_at=None).exists()


# --- What a pass must not do --------------------------------------------------------------------


@pytest.fixture
def town(encoder):
    chance = random.Random(5)
    achievements = [make_achievement(**content(chance)) for _ in range(8)]
    demands = [make_demand(**content(chance)) for _ in range(3)]
    index_all(encoder)
    return demands, achievements


def ids(rows):
    return [row.pk for row in rows]


def test_a_second_pass_writes_nothing(town):
    demands, _ = town
    assert rematching.match_many(ids(demands)) == ids(demands)
    before = list(Match.objects.order_by("pk").values_list("pk", "rank", "updated_at"))

    rematching.match_many(ids(demands))

    assert list(Match.objects.order_by("pk").values_list("pk", "rank", "updated_at")) == before
    assert MatchEvent.objects.count() == len(before) == 9


def meanwhile(monkeypatch, act):
    """Have something happen after the list was read, before anything is stored."""
    read = rematching.best_achievements

    def read_and_act(*arguments, **options):
        found = read(*arguments, **options)
        act()
        return found

    monkeypatch.setattr(rematching, "best_achievements", read_and_act)


def waiting():
    return set(
        indexing.unmatched("demand", tasks.settings.ENGINE_VERSION).values_list("pk", flat=True)
    )


def test_what_was_marked_meanwhile_is_left_for_the_next_pass(town, monkeypatch):
    demands, _ = town
    meanwhile(monkeypatch, lambda: matching.mark_unmatched([demands[0].pk]))

    assert rematching.match_many(ids(demands)) == ids(demands[1:])

    assert waiting() == {demands[0].pk}
    assert not Match.objects.filter(demand=demands[0]).exists()


def test_a_demand_that_changed_meanwhile_is_left_alone(town, monkeypatch):
    demands, _ = town
    meanwhile(monkeypatch, lambda: Demand.objects.filter(pk=demands[1].pk).update(version=2))

    assert rematching.match_many(ids(demands)) == [demands[0].pk, demands[2].pk]


def test_an_achievement_that_left_meanwhile_has_its_demands_compared_again(town, monkeypatch):
    demands, achievements = town
    gone = achievements[0]
    meanwhile(
        monkeypatch, lambda: Achievement.objects.filter(pk=gone.pk).update(status="withdrawn")
    )

    rematching.match_many(ids(demands))

    assert not Match.objects.filter(achievement=gone).exists()
    assert waiting() == set(matching.pools_with([gone.pk]))


def test_an_achievement_that_came_meanwhile_is_not_missed(town, monkeypatch, encoder):
    demands, _ = town

    def come():
        new = make_achievement(
            title=demands[0].title, summary=demands[0].summary, body=demands[0].body
        )
        indexing.refresh(kind="achievement", ids=[new.pk], encoder=encoder)
        tasks.match_achievements([new.pk, new.pk])

    rematching.match_many(ids(demands))
    meanwhile(monkeypatch, come)
    rematching.match_many(ids(demands))
    assert demands[0].pk in waiting()
    monkeypatch.undo()

    rematching.match_many(ids(demands))

    best = Match.objects.get(demand=demands[0], rank=1)
    assert best.achievement.title == demands[0].title


@pytest.mark.django_db(transaction=True)
def test_who_asks_the_pools_waits_for_a_run_that_has_not_stored_its_own(encoder):
    order = []
    inside, go_on = threading.Event(), threading.Event()

    def run():
        try:
            with matching.transaction.atomic():
                matching.begin_run()
                inside.set()
                go_on.wait(10)
                order.append("stored")
        finally:
            connection.close()

    def ask():
        try:
            inside.wait(10)
            go_on.set()
            matching.let_runs_end()
            order.append("asked")
        finally:
            connection.close()

    threads = [threading.Thread(target=step) for step in (run, ask)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)

    assert order == ["stored", "asked"]


# --- Listings that have ended -------------------------------------------------------------------


def test_what_has_ended_leaves_the_index_and_comes_back_whole(eager, encoder, publish, town):
    demands, achievements = town
    rematching.match_many(ids(demands))
    gone = achievements[0]
    windows = vector_model("achievement").objects.filter(listing=gone)
    day = timezone.localdate() - dt.timedelta(days=1)
    Achievement.objects.filter(pk=gone.pk).update(valid_until=day)

    publish(publishing.expire_overdue)

    assert not AchievementIndex.objects.filter(pk=gone.pk).exists()
    assert not windows.exists()
    gone.refresh_from_db()
    day += dt.timedelta(days=60)
    publish(publishing.confirm_valid, listing=gone, actor=make_operator(), valid_until=day)
    assert AchievementIndex.objects.filter(pk=gone.pk).exists()
    assert windows.exists()


@pytest.mark.parametrize("status", ["submitted", "suspended", "needs_info"])
def test_what_may_come_back_stays_in_the_index(town, status):
    _, achievements = town
    Achievement.objects.filter(pk=achievements[0].pk).update(status=status)

    indexing.forget(kind="achievement", ids=ids(achievements))

    assert AchievementIndex.objects.count() == 8


def test_a_lost_message_leaves_nothing_in_the_index(eager, town):
    _, achievements = town
    Achievement.objects.filter(pk__in=ids(achievements[:2])).update(status="closed")

    tasks.sweep()

    assert AchievementIndex.objects.count() == 6
    assert set(vector_model("achievement").objects.values_list("listing", flat=True)) == set(
        ids(achievements[2:])
    )


def test_own_achievements_are_not_found_in_a_pass(encoder):
    owner = make_organization()
    demand = make_demand(owner=owner)
    make_achievement(owner=owner)
    other = make_achievement()
    index_all(encoder)

    rematching.match_many([demand.pk])

    assert Match.objects.get().achievement == other


@pytest.mark.parametrize("floor", [0.0, 0.05, 0.3])
def test_what_need_not_be_looked_at_would_not_have_been_kept(town, settings, monkeypatch, floor):
    settings.MATCH_FLOOR = floor
    monkeypatch.setattr(matching, "POOL", 8)
    index = DemandIndex.objects.order_by("pk")[0]
    looked = matching.rank_all(index.listing, index)
    monkeypatch.setattr(matching, "at_most", lambda **_: 9.0)

    everything = matching.rank_all(index.listing, index)

    assert {pk: looked.grids[pk] for pk in everything.grids} == everything.grids
    assert looked.ranked == everything.ranked
    assert looked.pool == everything.pool
