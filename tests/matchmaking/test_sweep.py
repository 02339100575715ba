"""The broker may lose everything: the database is the truth, and a sweep finds what was missed."""

import datetime as dt
import socket

import pytest
from django.conf import settings as project
from django.core.cache import cache
from django.utils import timezone

from catalog.models import Achievement, Demand
from catalog.services import deciding, publishing
from matchmaking import tasks
from matchmaking.models import (
    AchievementIndex,
    CorpusStatistics,
    DemandEncoding,
    DemandIndex,
    EmbeddingModel,
    Match,
    Review,
)
from matchmaking.services import indexing, matching
from matchmaking.workflow import MatchStatus
from tests.factories import (
    make_achievement,
    make_demand,
    make_manager,
    make_match,
    make_operator,
)
from tests.fakes import FakeEncoder

M = MatchStatus
pytestmark = pytest.mark.django_db


@pytest.fixture
def lost(monkeypatch):
    """Names of the tasks whose messages are lost on their way, the first time each."""
    names = set()
    send = tasks.send

    def send_or_lose(task, *arguments):
        name = task.name.rpartition(".")[2]
        if name in names:
            names.discard(name)
            return True
        return send(task, *arguments)

    monkeypatch.setattr(tasks, "send", send_or_lose)
    return names


def sweep():
    """Sweep as the next beat would, without what an earlier one has claimed for a minute."""
    cache.clear()
    tasks.sweep()


def suggested(demand):
    matches = Match.objects.filter(demand=demand, status=M.SUGGESTED)
    return [match.achievement for match in matches]


def nothing_is_behind():
    engine, model = project.ENGINE_VERSION, indexing.current_model()
    return not (
        indexing.stale("demand", model).exists()
        or indexing.stale("achievement", model).exists()
        or indexing.unmatched("demand", engine).exists()
        or indexing.unmatched("achievement", engine).exists()
        or matching.left_behind()
        or matching.unexplained(limit=9)
    )


@pytest.fixture
def publish(django_capture_on_commit_callbacks):
    def run_step(step, **arguments):
        with django_capture_on_commit_callbacks(execute=True):
            return step(**arguments)

    return run_step


# --- Each message lost --------------------------------------------------------------------------


def test_one_sweep_brings_up_everything_from_nothing(eager):
    demand, achievement = make_demand(), make_achievement()

    sweep()

    assert suggested(demand) == [achievement]
    assert Match.objects.get().explained_at is not None
    assert DemandIndex.objects.count() == AchievementIndex.objects.count() == 1
    sweep()
    assert nothing_is_behind()
    assert CorpusStatistics.objects.count() == 2


def test_the_model_is_noted_though_the_first_message_is_lost(eager, lost):
    lost.add("note_model")

    for _ in range(2):
        sweep()

    assert lost == set()
    assert indexing.current_model() is not None


@pytest.mark.parametrize(
    "name",
    [
        "embed_listings",
        "match_demands",
        "match_achievements",
        "explain_demand",
        "assign",
        "rebuild_statistics",
    ],
)
def test_any_message_may_be_lost_once(eager, lost, publish, name):
    make_manager()
    demand = make_demand(status="submitted")
    achievement = make_achievement(status="submitted")
    lost.add(name)
    for listing in (demand, achievement):
        publish(
            deciding.decide,
            no_interest=True,
            listing=listing,
            actor=make_operator(),
            decision="publish",
        )

    for _ in range(2):
        sweep()

    assert lost == set()
    match = Match.objects.get()
    assert (match.demand, match.achievement) == (demand, achievement)
    assert match.explained_at is not None
    assert Review.objects.open().get().match == match
    assert nothing_is_behind()


def test_a_published_listing_is_found_when_nobody_heard(eager, deaf, publish):
    demand = make_demand(status="submitted")
    make_achievement()
    publish(
        deciding.decide, no_interest=True, listing=demand, actor=make_operator(), decision="publish"
    )
    assert not DemandIndex.objects.exists()

    sweep()

    assert len(suggested(demand)) == 1


@pytest.mark.parametrize("model", [Demand, Achievement])
@pytest.mark.parametrize(
    ("leave", "status"),
    [
        (lambda row: publishing.withdraw(listing=row, actor=make_operator()), M.SUPERSEDED),
        (
            lambda row: publishing.close(
                listing=row, actor=make_operator(), status="closed", reason="no_partner"
            ),
            M.SUPERSEDED,
        ),
    ],
)
def test_a_listing_that_left_unheard_is_taken_back(eager, deaf, publish, model, leave, status):
    demand = make_demand()
    make_achievement()
    sweep()

    publish(lambda: leave(model.objects.get()))
    assert len(suggested(demand)) == 1

    sweep()

    assert Match.objects.get().status == status
    assert matching.left_behind() == []


@pytest.mark.parametrize("kind", ["demand", "achievement"])
@pytest.mark.parametrize("status", ["submitted", "needs_info", "suspended"])
@pytest.mark.parametrize("match_status", [M.SUGGESTED, M.IN_REVIEW, M.APPROVED])
def test_a_change_that_nobody_heard_of_freezes_the_match(eager, kind, status, match_status):
    match = make_match(status=match_status)
    type(match.listing(kind)).objects.update(status=status)
    assert matching.left_behind() == [(kind, match.listing(kind).pk)]

    sweep()

    match.refresh_from_db()
    assert match.is_frozen and match.status == match_status
    assert matching.left_behind() == []


@pytest.mark.parametrize("kind", ["demand", "achievement"])
@pytest.mark.parametrize(
    ("match_status", "after"), [(M.IN_REVIEW, M.SUPERSEDED), (M.APPROVED, M.LAPSED)]
)
def test_a_frozen_match_whose_listing_ended_unheard_ends(eager, kind, match_status, after):
    match = make_match(status=match_status, is_frozen=True)
    type(match.listing(kind)).objects.update(status="rejected")

    sweep()

    match.refresh_from_db()
    assert (match.status, match.is_frozen) == (after, False)


@pytest.mark.parametrize("kind", ["demand", "achievement"])
def test_a_listing_that_came_back_unheard_is_matched_again(eager, deaf, publish, kind):
    demand, achievement = make_demand(), make_achievement()
    sweep()
    listing = demand if kind == "demand" else achievement
    type(listing).objects.update(valid_until=timezone.localdate() - dt.timedelta(days=1))
    publish(publishing.expire_overdue)
    sweep()
    assert suggested(demand) == []

    publish(
        publishing.confirm_valid,
        listing=listing,
        actor=make_operator(),
        valid_until=timezone.localdate() + dt.timedelta(days=30),
    )
    for _ in range(2):
        sweep()

    assert suggested(demand) == [achievement]
    assert nothing_is_behind()


def test_a_suspended_listing_let_back_unheard_thaws(eager, deaf, publish):
    demand, achievement = make_demand(), make_achievement()
    sweep()
    publish(publishing.suspend, listing=achievement, actor=make_operator(), note="核实中")
    sweep()
    assert Match.objects.get().is_frozen

    publish(publishing.resume, listing=achievement, actor=make_operator())
    for _ in range(2):
        sweep()

    assert not Match.objects.get().is_frozen
    assert suggested(demand) == [achievement]


def test_many_new_achievements_are_offered_by_one_run_of_each_demand(eager):
    demand = make_demand()
    sweep()
    for number in range(40):
        make_achievement(title=f"感应淬火工艺 {number} 型")

    for _ in range(3):
        sweep()

    assert Match.objects.filter(demand=demand, status=M.SUGGESTED).count() == project.MATCH_TOP_K
    assert nothing_is_behind()


# --- The model ----------------------------------------------------------------------------------


def test_a_worker_that_still_has_another_model_changes_nothing(eager, monkeypatch):
    make_demand(), make_achievement()
    sweep()
    monkeypatch.setattr("matchmaking.tasks.get_encoder", lambda: FakeEncoder(revision="2"))
    edited = make_demand()

    sweep()

    assert indexing.current_model().revision == "1"
    assert not DemandEncoding.objects.filter(listing=edited).exists()
    assert indexing.stale("demand", indexing.current_model()).get() == edited


def test_a_new_engine_compares_everything_again(eager, settings):
    make_demand(), make_achievement()
    sweep()
    settings.ENGINE_VERSION = "next"
    assert not nothing_is_behind()

    for _ in range(2):
        sweep()

    assert Match.objects.get().engine == "next"
    assert nothing_is_behind()


# --- What a sweep does not do -------------------------------------------------------------------


def test_two_sweeps_in_a_minute_hand_out_the_same_work_once(encoder, monkeypatch):
    make_demand(), make_achievement()
    sent = []
    monkeypatch.setattr(tasks, "send", lambda task, *args: sent.append((task.name, args)))

    tasks.sweep()
    first = len(sent)
    tasks.sweep()

    embedding = [args for name, args in sent if name.endswith("embed_listings")]
    assert first >= 3
    assert len(embedding) == 2


def test_without_a_cache_everybody_sweeps(encoder, monkeypatch):
    def away(*_, **__):
        raise ConnectionRefusedError

    monkeypatch.setattr(cache, "add", away)
    make_demand()
    sent = []
    monkeypatch.setattr(tasks, "send", lambda task, *args: sent.append(task.name))

    tasks.sweep()

    assert any(name.endswith("embed_listings") for name in sent)


def test_a_long_queue_is_handed_out_in_batches(encoder, monkeypatch):
    monkeypatch.setattr(tasks, "BATCH", 2)
    monkeypatch.setattr(tasks, "SWEEP_BATCHES", 2)
    for _ in range(7):
        make_demand()
    sent = []
    monkeypatch.setattr(tasks, "send", lambda task, *args: sent.append(args))

    tasks.sweep()

    batches = [args[1] for args in sent if args and args[0] == "demand"]
    assert [len(batch) for batch in batches] == [2, 2]


# --- The broker is away -------------------------------------------------------------------------


@pytest.fixture
def away():
    """A broker that refuses every connection."""
    from config.celery import app

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    before = app.conf.broker_url, app.conf.result_backend
    nowhere = f"redis://127.0.0.1:{port}/0"

    def point_to(broker, backend):
        app.conf.broker_url, app.conf.result_backend = broker, backend
        app.set_current()
        for name in ("amqp", "_pool"):
            app.__dict__.pop(name, None)
        app._pool = None
        app._local.__dict__.pop("backend", None)
        app.__dict__.pop("backend", None)

    point_to(nowhere, nowhere)
    yield
    point_to(*before)


def test_publishing_succeeds_while_the_broker_is_away(away, publish, encoder):
    demand = make_demand(status="submitted")
    began = timezone.now()

    publish(
        deciding.decide, no_interest=True, listing=demand, actor=make_operator(), decision="publish"
    )

    demand.refresh_from_db()
    assert demand.is_live
    assert (timezone.now() - began).total_seconds() < 2
    assert indexing.stale("demand", None).get() == demand


def test_withdrawing_succeeds_while_the_broker_is_away(away, publish, encoder):
    match = make_match()

    publish(publishing.withdraw, listing=match.demand, actor=make_operator())

    assert Demand.objects.get().status == "withdrawn"
    assert matching.left_behind() == [("demand", match.demand_id)]


def test_after_the_broker_is_back_the_sweep_finds_what_was_missed(away, publish, encoder):
    demand = make_demand(status="submitted")
    achievement = make_achievement()
    publish(
        deciding.decide, no_interest=True, listing=demand, actor=make_operator(), decision="publish"
    )

    # Back: the tasks run where they are sent.
    from config.celery import app

    app.conf.task_always_eager = True
    try:
        sweep()
    finally:
        app.conf.task_always_eager = False

    assert suggested(demand) == [achievement]
    assert EmbeddingModel.objects.count() == 1
