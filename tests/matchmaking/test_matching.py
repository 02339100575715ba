"""Who is suggested to whom, how suggestions follow the listings, and what no run touches."""

import datetime as dt
import threading

import pytest
from django.conf import settings as project
from django.db import connection
from django.utils import timezone

from accounts.workdays import add_working_days
from catalog.models import Achievement, Demand
from catalog.services import deciding, publishing
from matchmaking import tasks
from matchmaking.models import AchievementIndex, DemandIndex, Match, MatchEvent, Review
from matchmaking.retrieval.blocks import best_achievements, reached_demands
from matchmaking.retrieval.candidates import Filters, find_candidates
from matchmaking.retrieval.ranking import confidence
from matchmaking.retrieval.searching import search
from matchmaking.services import indexing, matching
from matchmaking.workflow import MatchStatus, ReviewStatus
from tests.factories import (
    make_achievement,
    make_demand,
    make_manager,
    make_match,
    make_operator,
    make_organization,
    make_review,
)
from tests.fakes import Unanswered

M = MatchStatus
pytestmark = pytest.mark.django_db
ENGINE = project.ENGINE_VERSION


def index_all(encoder):
    for kind, model in indexing.LISTINGS.items():
        ids = list(model.objects.values_list("pk", flat=True))
        indexing.refresh(kind=kind, ids=ids, encoder=encoder)


@pytest.fixture
def run(encoder):
    """Index everything, and compare one demand with all of it."""

    def index_and_match(demand):
        index_all(encoder)
        return matching.match_demand(demand_id=demand.pk)

    return index_and_match


def suggested(demand):
    matches = Match.objects.filter(demand=demand, status=M.SUGGESTED).order_by("rank")
    return [match.achievement for match in matches]


def verbs(match):
    return list(match.events.order_by("pk").values_list("verb", flat=True))


@pytest.fixture
def publish(django_capture_on_commit_callbacks):
    """Run a step of a listing's life with everything that follows its commit."""

    def run_step(step, **arguments):
        with django_capture_on_commit_callbacks(execute=True):
            return step(**arguments)

    return run_step


def edit(listing, publish, **content):
    """Change a published listing and have it published again."""
    publish(publishing.submit, listing=listing, actor=make_operator(), content=content)
    publish(
        deciding.decide,
        no_interest=True,
        listing=listing,
        actor=make_operator(),
        decision="publish",
    )
    listing.refresh_from_db()


# --- A run --------------------------------------------------------------------------------------


def test_the_nearest_achievement_is_first_with_its_evidence(run):
    demand, near = make_demand(), make_achievement()
    make_achievement(
        title="水稻育种", summary="抗倒伏水稻新品种。", body="亩产六百公斤。", keywords=[]
    )

    assert run(demand) == matching.Outcome(new=2, kept=0, replaced=0)

    first, second = Match.objects.filter(demand=demand).order_by("rank")
    assert first.achievement == near
    assert (first.rank, second.rank) == (1, 2) and first.score > second.score
    assert (first.demand_revision.version, first.achievement_revision.version) == (1, 1)
    assert first.grid and first.terms and first.parts["words"] > second.parts["words"]
    assert (first.engine, first.model.name) == (ENGINE, "fake")
    assert verbs(first) == ["suggested"]
    index = DemandIndex.objects.get()
    assert (index.matched_version, index.matched_engine, index.compared) == (1, ENGINE, 2)
    assert not indexing.unmatched("demand", ENGINE).exists()


def test_a_second_run_changes_nothing(run):
    demand = make_demand()
    for _ in range(3):
        make_achievement()
    run(demand)
    before = list(Match.objects.order_by("pk").values_list("pk", "status", "score", "rank"))

    assert run(demand) == matching.Outcome(new=0, kept=3, replaced=0)

    assert list(Match.objects.order_by("pk").values_list("pk", "status", "score", "rank")) == before
    assert MatchEvent.objects.count() == 3


def test_ones_own_achievement_is_not_suggested(run):
    demand = make_demand()
    make_achievement(owner=demand.owner)

    assert run(demand) == matching.Outcome(0, 0, 0)


@pytest.mark.parametrize("status", ["draft", "submitted", "withdrawn", "suspended"])
def test_what_is_not_published_is_not_suggested(encoder, run, status):
    demand, achievement = make_demand(), make_achievement()
    index_all(encoder)
    Achievement.objects.filter(pk=achievement.pk).update(status=status)

    assert run(demand) == matching.Outcome(0, 0, 0)


@pytest.mark.parametrize("status", ["withdrawn", "rejected", "closed", "expired"])
def test_what_has_ended_is_suggested_no_more(run, status):
    demand = make_demand()
    make_achievement()
    run(demand)
    Achievement.objects.update(status=status)

    assert matching.match_demand(demand_id=demand.pk) == matching.Outcome(0, 0, 1)

    assert Match.objects.get().status == M.SUPERSEDED


@pytest.mark.parametrize("status", ["submitted", "needs_info", "suspended"])
def test_what_may_come_back_keeps_its_match(run, status):
    demand = make_demand()
    make_achievement()
    run(demand)
    Achievement.objects.update(status=status)

    assert matching.match_demand(demand_id=demand.pk) == matching.Outcome(0, 0, 0)

    assert Match.objects.get().status == M.SUGGESTED


def test_what_is_past_its_last_day_is_not_suggested(run):
    demand = make_demand()
    make_achievement(valid_until=timezone.localdate() - dt.timedelta(days=1))

    assert run(demand) == matching.Outcome(0, 0, 0)


@pytest.mark.parametrize("status", ["submitted", "withdrawn", "expired"])
def test_a_demand_that_is_not_live_is_not_matched(run, status):
    demand = make_demand()
    make_achievement()
    assert run(demand).new == 1
    Demand.objects.update(status=status)

    assert matching.match_demand(demand_id=demand.pk) is None
    assert matching.match_demand(demand_id=404) is None


def test_a_demand_whose_new_version_is_not_indexed_yet_waits(run):
    demand = make_demand()
    make_achievement()
    run(demand)
    Demand.objects.update(version=2)

    assert matching.match_demand(demand_id=demand.pk) is None


def test_only_the_best_are_kept(run, settings):
    settings.MATCH_TOP_K = 3
    demand = make_demand()
    for _ in range(5):
        make_achievement()

    assert run(demand).new == 3

    assert list(Match.objects.order_by("rank").values_list("rank", flat=True)) == [1, 2, 3]
    assert len(DemandIndex.objects.get().pool) == 5


def test_what_is_below_the_floor_is_nobody_s_business(run, settings):
    demand, near = make_demand(), make_achievement()
    make_achievement(
        title="水稻育种", summary="抗倒伏水稻。", body="亩产六百公斤。", keywords=["水稻"]
    )
    run(demand)
    near_score, far_score = Match.objects.order_by("rank").values_list("score", flat=True)
    settings.MATCH_FLOOR = confidence((near_score + far_score) / 2)

    assert matching.match_demand(demand_id=demand.pk) == matching.Outcome(0, 1, 1)

    assert suggested(demand) == [near]
    assert DemandIndex.objects.get().pool_score is None


@pytest.mark.django_db(transaction=True)
def test_two_runs_at_once_leave_one_set_of_suggestions(encoder):
    demand = make_demand()
    for _ in range(4):
        make_achievement()
    index_all(encoder)
    start, outcomes = threading.Barrier(2), []

    def match():
        start.wait()
        try:
            outcomes.append(matching.match_demand(demand_id=demand.pk))
        except Exception as error:
            outcomes.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=match) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(outcomes) == [matching.Outcome(0, 4, 0), matching.Outcome(4, 0, 0)]
    assert Match.objects.count() == MatchEvent.objects.count() == 4


@pytest.mark.django_db(transaction=True)
def test_a_run_that_began_earlier_does_not_undo_a_later_one(encoder, monkeypatch):
    """While one run compares, an achievement arrives and has this demand compared again."""
    demand = make_demand()
    make_achievement()
    index_all(encoder)
    comparing, arrived = threading.Event(), threading.Event()
    rank_all = matching.rank_all
    late = []

    def slowly(*arguments, **options):
        found = rank_all(*arguments, **options)
        if not comparing.is_set():
            comparing.set()
            arrived.wait(0.5)  # the other run waits for us, so this runs out
        return found

    def arrive():
        comparing.wait()
        try:
            late.append(make_achievement())
            indexing.refresh(kind="achievement", ids=[late[0].pk], encoder=encoder)
            matching.match_demand(demand_id=demand.pk)
            arrived.set()
        finally:
            connection.close()

    monkeypatch.setattr(matching, "rank_all", slowly)
    other = threading.Thread(target=arrive)
    other.start()
    matching.match_demand(demand_id=demand.pk)
    other.join()

    assert late[0] in suggested(demand)


# --- After an edit ------------------------------------------------------------------------------


def test_a_run_after_an_edit_refers_to_the_new_texts(eager, publish, run):
    demand, achievement = make_demand(), make_achievement()
    run(demand)
    Match.objects.update(pairs=[{"old": True}], explained_at=timezone.now())

    edit(
        achievement, publish, body="双感应器相向扫描，终了处无软带。圆度偏差 0.20 mm，已批量应用。"
    )

    match = Match.objects.get()
    assert match.achievement_revision.version == 2
    assert match.demand_revision.version == 1
    assert match.pairs != [{"old": True}]
    assert match.status == M.SUGGESTED and not match.is_frozen


def test_matches_are_frozen_while_a_listing_is_changed(eager, publish, run):
    demand = make_demand()
    make_achievement()
    run(demand)

    publish(
        publishing.submit,
        listing=demand,
        actor=make_operator(),
        content={"title": "改过的淬火变形控制"},
    )

    match = Match.objects.get()
    assert match.is_frozen and match.status == M.SUGGESTED
    publish(
        deciding.decide, no_interest=True, listing=demand, actor=make_operator(), decision="publish"
    )
    match.refresh_from_db()
    assert not match.is_frozen and match.demand_revision.version == 2
    assert verbs(match) == ["suggested", "frozen", "unfrozen"]


def test_a_listing_sent_back_keeps_its_matches_frozen(eager, publish, run):
    demand = make_demand()
    make_achievement()
    run(demand)

    publish(
        publishing.submit, listing=demand, actor=make_operator(), content={"title": "改过的题目"}
    )
    publish(
        deciding.decide,
        no_interest=True,
        listing=demand,
        actor=make_operator(),
        decision="needs_info",
        reason="vague",
        note="请写清指标。",
    )

    assert Match.objects.get().is_frozen
    assert verbs(Match.objects.get()) == ["suggested", "frozen"]


@pytest.mark.parametrize("status", [M.IN_REVIEW, M.APPROVED])
def test_what_stood_still_gets_its_days_back(eager, publish, run, settings, status):
    manager = make_manager()
    match = make_match(status=status, manager=manager, is_touched=True)
    yesterday = timezone.localdate() - dt.timedelta(days=1)
    Match.objects.update(is_frozen=True, due_on=yesterday)
    Review.objects.update(due_on=yesterday)

    run(match.demand)

    match.refresh_from_db()
    days = settings.CONSENT_WORKING_DAYS if status == M.APPROVED else settings.REVIEW_WORKING_DAYS
    assert match.due_on == add_working_days(timezone.localdate(), days)
    if status == M.IN_REVIEW:
        assert match.reviews.get().due_on == match.due_on
    assert verbs(match) == ["unfrozen"]


# --- What people have touched -------------------------------------------------------------------


def test_a_match_that_a_person_has_touched_is_never_taken_away(run):
    match = make_match(status=M.IN_REVIEW, is_touched=True)
    make_review(match=match)
    Achievement.objects.update(valid_until=timezone.localdate() - dt.timedelta(days=1))
    near = make_achievement()

    outcome = run(match.demand)

    match.refresh_from_db()
    assert match.status == M.IN_REVIEW and outcome.replaced == 0
    assert suggested(match.demand) == [near]


def test_a_match_that_nobody_has_touched_is_replaced_with_its_review(run):
    match = make_match(status=M.IN_REVIEW)
    review = make_review(match=match)
    Achievement.objects.update(valid_until=timezone.localdate() - dt.timedelta(days=1))

    run(match.demand)

    match.refresh_from_db()
    review.refresh_from_db()
    assert (match.status, match.due_on) == (M.SUPERSEDED, None)
    assert review.status == ReviewStatus.CANCELLED
    assert verbs(match) == ["superseded"]


@pytest.mark.parametrize("status", [M.REJECTED, M.DECLINED, M.LAPSED, M.INTRODUCED])
def test_what_was_decided_stays_as_it_was_decided(run, status):
    match = make_match(status=status)
    before = Match.objects.filter(pk=match.pk).values().get()

    run(match.demand)

    assert Match.objects.filter(pk=match.pk).values().get() == before
    assert verbs(match) == []


def test_a_replaced_pair_can_be_found_again(run):
    match = make_match(status=M.SUPERSEDED)

    run(match.demand)

    match.refresh_from_db()
    assert match.status == M.SUGGESTED
    assert verbs(match) == ["suggested"]


# --- The other direction ------------------------------------------------------------------------


def test_a_new_achievement_enters_the_demands_list(eager, publish, run):
    demand = make_demand()
    run(demand)
    achievement = make_achievement(status="submitted")

    publish(
        deciding.decide,
        no_interest=True,
        listing=achievement,
        actor=make_operator(),
        decision="publish",
    )

    match = Match.objects.get(achievement=achievement)
    assert match.demand == demand and match.explained_at is not None
    assert AchievementIndex.objects.get(listing=achievement).matched_version == 1
    assert not indexing.unmatched("achievement", ENGINE).exists()


def test_a_new_achievement_enters_a_full_list_only_if_it_is_better(encoder, run, monkeypatch):
    monkeypatch.setattr(matching, "POOL", 2)
    demand = make_demand()
    for _ in range(2):
        make_achievement()
    run(demand)
    better = make_achievement(title=demand.title, summary=demand.summary, body=demand.body)
    worse = make_achievement(
        title="水稻育种", summary="抗倒伏。", body="亩产六百公斤。", keywords=[]
    )
    index_all(encoder)

    assert matching.demands_to_match([better.pk]) == [demand.pk]
    assert matching.demands_to_match([worse.pk]) == []


def test_an_achievement_with_a_long_text_is_weighed_by_its_best_part(encoder, run, settings):
    settings.MATCH_TOP_K = 1
    demand = make_demand()
    make_achievement(title="水稻育种", summary="抗倒伏。", body="亩产六百公斤。", keywords=[])
    run(demand)
    filler = "亩产六百公斤，抗倒伏，适合南方稻区种植推广。" * 120
    long = make_achievement(
        title=demand.title, summary=demand.summary, body=f"{demand.body}\n{filler}"
    )
    index_all(encoder)

    assert matching.demands_to_match([long.pk]) == [demand.pk]
    matching.match_demand(demand_id=demand.pk)
    assert suggested(demand) == [long]


def test_ones_own_demands_are_not_asked(encoder):
    owner = make_organization()
    make_demand(owner=owner)
    achievement = make_achievement(owner=owner)
    index_all(encoder)

    assert matching.demands_to_match([achievement.pk]) == []


def test_many_achievements_at_once_mark_the_demands_for_one_run(encoder, run):
    demand = make_demand()
    run(demand)
    achievements = [make_achievement() for _ in range(3)]
    index_all(encoder)

    tasks.match_achievements([achievement.pk for achievement in achievements])

    assert indexing.unmatched("demand", ENGINE).get() == demand
    assert not indexing.unmatched("achievement", ENGINE).exists()


# --- Leaving ------------------------------------------------------------------------------------


@pytest.mark.parametrize("side", ["demand", "achievement"])
def test_a_withdrawn_listing_vanishes_from_suggestions_and_search(
    eager, publish, run, side, monkeypatch
):
    monkeypatch.setattr("matchmaking.retrieval.searching.Question", Unanswered)
    demand, achievement = make_demand(), make_achievement()
    run(demand)
    listing = demand if side == "demand" else achievement
    assert search(side, "淬火", 1, 20).ids == [listing.pk]

    publish(publishing.withdraw, listing=listing, actor=make_operator())

    assert Match.objects.get().status == M.SUPERSEDED
    assert search(side, "淬火", 1, 20).ids == []


def test_a_withdrawn_achievement_makes_room_for_the_next(eager, publish, run, settings):
    settings.MATCH_TOP_K = 1
    demand, near = make_demand(), make_achievement(title="轴承套圈淬火变形控制")
    next_best = make_achievement(title="套圈")
    run(demand)
    assert suggested(demand) == [near]

    publish(publishing.withdraw, listing=near, actor=make_operator())

    assert suggested(demand) == [next_best]


def test_an_approved_match_lapses_when_its_listing_ends(eager, publish):
    match = make_match(status=M.APPROVED, manager=make_manager())

    publish(publishing.withdraw, listing=match.demand, actor=make_operator())

    match.refresh_from_db()
    assert (match.status, match.due_on) == (M.LAPSED, None)
    assert verbs(match) == ["lapsed"]


def test_introduced_people_stay_introduced_when_a_listing_ends(eager, publish):
    match = make_match(status=M.INTRODUCED)

    publish(publishing.close, listing=match.demand, actor=make_operator(), status="fulfilled")

    match.refresh_from_db()
    assert match.status == M.INTRODUCED


def test_a_review_in_progress_ends_with_the_listing(eager, publish):
    match = make_match(status=M.IN_REVIEW, is_touched=True)
    review = make_review(match=match, status=ReviewStatus.ACCEPTED)

    publish(publishing.withdraw, listing=match.achievement, actor=make_operator())

    match.refresh_from_db()
    review.refresh_from_db()
    assert (match.status, review.status) == (M.SUPERSEDED, ReviewStatus.CANCELLED)


def test_a_suspended_listings_matches_wait_until_it_is_let_back(eager, publish, run):
    match = make_match(status=M.APPROVED, manager=make_manager())
    publish(publishing.suspend, listing=match.achievement, actor=make_operator(), note="有人举报")
    match.refresh_from_db()
    assert match.is_frozen and match.status == M.APPROVED
    index_all(tasks.get_encoder())

    publish(publishing.resume, listing=match.achievement, actor=make_operator())

    match.refresh_from_db()
    assert not match.is_frozen and match.status == M.APPROVED
    assert verbs(match) == ["frozen", "unfrozen"]


def test_an_expired_demand_that_is_confirmed_gets_its_suggestions_back(eager, publish, run):
    demand = make_demand()
    achievement = make_achievement()
    run(demand)
    Demand.objects.update(valid_until=timezone.localdate() - dt.timedelta(days=1))
    publish(publishing.expire_overdue)
    assert suggested(demand) == []

    publish(
        publishing.confirm_valid,
        listing=demand,
        actor=make_operator(),
        valid_until=timezone.localdate() + dt.timedelta(days=30),
    )

    assert suggested(demand) == [achievement]


def test_a_message_that_comes_late_takes_nothing_back(run):
    demand = make_demand()
    make_achievement()
    run(demand)

    assert matching.listing_left(kind="demand", listing_id=demand.pk) == []

    assert Match.objects.get().status == M.SUGGESTED


# --- Evidence -----------------------------------------------------------------------------------


def test_sentence_pairs_are_found_once(encoder, run):
    demand = make_demand()
    make_achievement()
    run(demand)

    assert matching.explain(demand_id=demand.pk, encoder=encoder) == 1
    assert matching.explain(demand_id=demand.pk, encoder=encoder) == 0

    assert Match.objects.get().explained_at is not None


def test_a_text_that_is_not_published_yet_is_not_quoted(encoder, run):
    demand = make_demand()
    make_achievement()
    run(demand)
    publishing.submit(
        listing=demand,
        actor=make_operator(),
        content={"body": "还没有人审过的新正文，里面写着软带和磨削余量，不应出现在证据里。"},
    )

    assert matching.explain(demand_id=demand.pk, encoder=encoder) == 0
    assert matching.unexplained(limit=9) == []

    assert Match.objects.get().pairs == []


def test_a_pair_has_the_same_score_from_either_end(encoder):
    """In two languages: what evens them out must not depend on who asks."""
    demands = [make_demand(), make_demand(title="Quenching distortion of bearing rings")]
    for number in range(5):
        make_achievement(
            title=f"感应淬火工艺 {number} 型", body="圆度偏差 0.30 mm，无软带。" * (number * 20 + 1)
        )
        make_achievement(
            title=f"Induction hardening process {number}",
            summary="Hardening of large bearing rings without soft zones.",
            body="The distortion of the ring stays below 0.30 mm after quenching. "
            * (number * 20 + 1),
            keywords=["hardening"],
            indicators=[],
        )
    index_all(encoder)
    for corpus in ("achievement", "demand"):
        indexing.rebuild_statistics(corpus)
    model = indexing.current_model()

    forward = {
        (demand.pk, found.listing_id): found.score
        for demand in demands
        for found in find_candidates(
            "achievement",
            matching.demand_query(DemandIndex.objects.get(listing=demand), model.pk),
            Filters(model_id=model.pk, exclude_owner=demand.owner_id),
        )
    }
    together = best_achievements([demand.pk for demand in demands], model.pk, limit=60)
    many = {(pk, one.listing_id): one.score for pk, found in together.items() for one in found}
    backward = {}
    for score in sorted({*forward.values()}):
        # What reaches a score and what does not: a pool's last one, just below and just above.
        for step in (-1e-4, 1e-4):
            DemandIndex.objects.update(pool_score=score + step)
            for achievement in Achievement.objects.all():
                for pk in reached_demands([achievement.pk], model.pk):
                    backward[pk, achievement.pk] = score + step

    assert many == pytest.approx(forward, abs=1e-4)
    assert len(forward) == len(backward) == 20
    assert backward == pytest.approx(forward, abs=2e-4)
