"""Who gets which match: field, region, room; every demand its turn; an operator's word."""

import datetime as dt
import threading

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.inbox import Notification
from accounts.models import ManagerStatus
from accounts.workdays import add_working_days
from matchmaking.models import Match, MatchEvent, Review
from matchmaking.permissions import ConflictOfInterest
from matchmaking.services import assignment
from matchmaking.services.assignment import assign_matches, reassign
from matchmaking.services.desks import all_desks
from matchmaking.workflow import Escalation, IllegalMove, MatchStatus, ReviewStatus
from tests.factories import (
    make_achievement,
    make_demand,
    make_manager,
    make_match,
    make_operator,
    make_organization,
    make_review,
)

M = MatchStatus
pytestmark = pytest.mark.django_db


def manager_of(match):
    return Review.objects.open().get(match=match).manager


def state(match):
    return (
        Match.objects.filter(pk=match.pk).values().get(),
        list(Review.objects.filter(match=match).order_by("pk").values()),
        MatchEvent.objects.count(),
    )


def test_a_suggestion_is_put_on_a_desk_with_the_reason(settings):
    manager, match = make_manager(classes=["C34"]), make_match()

    assert assign_matches() == 1

    match.refresh_from_db()
    review = match.reviews.get()
    due_on = add_working_days(timezone.localdate(), settings.REVIEW_WORKING_DAYS)
    assert (review.manager, review.status) == (manager, ReviewStatus.ASSIGNED)
    assert match.status == M.IN_REVIEW and match.due_on == review.due_on == due_on
    assert not match.is_touched
    assert review.assigned_because == {
        "classes": ["C34"],
        "region": True,
        "load": 0,
        "capacity": 20,
        "decided": 0,
        "similar": 0,
        "expertise": 88,
        "others": {},
    }
    event = match.events.get()
    assert (event.verb, event.before, event.after) == ("assigned", M.SUGGESTED, M.IN_REVIEW)


def test_a_second_run_assigns_nothing():
    make_manager()
    make_match()
    assign_matches()

    assert assign_matches() == 0

    assert Review.objects.count() == 1


def test_who_knows_the_industry_comes_first():
    make_manager(classes=["A"])
    expert = make_manager(classes=["C", "C34"])
    make_manager(classes=["C"])
    match = make_match()

    assign_matches()

    assert manager_of(match) == expert


def test_among_equals_the_region_decides_then_the_lightest_desk():
    far = make_manager()
    far.manager_profile.regions = ["440000"]
    far.manager_profile.save()
    near = make_manager()
    first = make_match()
    assign_matches()
    assert manager_of(first) == near

    make_manager()
    second = make_match()
    assign_matches()

    assert manager_of(second) not in (near, far)


def test_a_full_desk_gets_nothing():
    manager = make_manager(capacity=1)
    matches = [make_match() for _ in range(3)]

    assert assign_matches() == 1

    assert Review.objects.open().filter(manager=manager).count() == 1
    assert Match.objects.filter(status=M.SUGGESTED).count() == len(matches) - 1


@pytest.mark.parametrize("away", ["now", "for good", "suspended", "inactive"])
def test_who_is_away_gets_nothing(away):
    manager = make_manager()
    profile, today = manager.manager_profile, timezone.localdate()
    if away in ("now", "for good"):
        profile.absences.create(first=today, last=today if away == "now" else None)
    if away == "suspended":
        profile.status = ManagerStatus.SUSPENDED
    profile.save()
    if away == "inactive":
        manager.is_active = False
        manager.save()
    make_match()

    assert assign_matches() == 0

    assert not Review.objects.exists()


def test_who_is_back_gets_matches_again():
    today = timezone.localdate()
    make_manager().manager_profile.absences.create(
        first=today - dt.timedelta(days=9), last=today - dt.timedelta(days=1)
    )
    make_match()

    assert assign_matches() == 1


def test_a_frozen_match_waits():
    make_manager()
    make_match(is_frozen=True)

    assert assign_matches() == 0


@pytest.mark.parametrize(
    "status", [ReviewStatus.DECLINED, ReviewStatus.REFERRED, ReviewStatus.NO_RESPONSE]
)
def test_who_gave_a_match_back_is_not_asked_again(status):
    manager, match = make_manager(), make_match()
    make_review(match=match, manager=manager, status=status)

    assert assign_matches() == 0
    other = make_manager()
    assert assign_matches() == 1

    assert manager_of(match) == other


def test_whose_review_was_only_cancelled_is_asked_again():
    """The listing left and came back; that was no decision of the manager's."""
    manager, match = make_manager(), make_match()
    make_review(match=match, manager=manager, status=ReviewStatus.CANCELLED)

    assert assign_matches() == 1

    assert manager_of(match) == manager


def test_a_demand_has_no_more_reviews_than_its_share(settings):
    settings.REVIEWS_PER_DEMAND = 2
    make_manager()
    demand = make_demand()
    matches = [make_match(demand=demand, rank=rank) for rank in range(1, 5)]

    assert assign_matches() == 2
    assert assign_matches() == 0

    open_ones = set(Review.objects.open().values_list("match", flat=True))
    assert open_ones == {matches[0].pk, matches[1].pk}


def test_every_demand_has_its_turn_before_one_has_two():
    make_manager(capacity=3)
    greedy = make_demand()
    for rank in range(1, 4):
        make_match(demand=greedy, rank=rank, score=0.99)
    others = [make_match(rank=1, score=0.5), make_match(rank=1, score=0.4)]

    assert assign_matches() == 3

    assert all(Review.objects.open().filter(match=match).exists() for match in others)


def test_matches_that_nobody_may_review_do_not_hold_up_the_rest(settings):
    settings.REVIEWS_PER_DEMAND = 1
    demand, manager = make_demand(), make_manager()
    blocked = [make_match(demand=demand, rank=rank) for rank in (1, 2)]
    for match in blocked:
        make_review(match=match, manager=manager, status=ReviewStatus.DECLINED)
    free = make_match(demand=demand, rank=3)

    assert assign_matches() == 1

    assert manager_of(free) == manager


@pytest.mark.django_db(transaction=True)
def test_two_runs_at_once_fill_no_desk_beyond_its_room():
    manager = make_manager(capacity=3)
    for _ in range(8):
        make_match()
    start, problems = threading.Barrier(2), []

    def run():
        start.wait()
        try:
            assign_matches()
        except Exception as error:
            problems.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert problems == []
    assert Review.objects.open().filter(manager=manager).count() == 3
    assert Match.objects.filter(status=M.IN_REVIEW).count() == 3
    assert MatchEvent.objects.count() == 3


def test_nothing_waits_or_nobody_is_there():
    assert assign_matches() == 0
    make_match()
    assert assign_matches() == 0
    Match.objects.all().delete()
    make_manager()
    assert assign_matches() == 0


def test_the_manager_is_told_once():
    manager, match = make_manager(), make_match()

    assign_matches()
    assign_matches()

    told = Notification.objects.get(user=manager, kind="review.assigned")
    assert told.payload == {"review": match.reviews.get().pk}


def test_a_specialist_is_kept_for_what_only_they_know():
    """Giving the first match to whoever knows it best would leave the second to a stranger."""
    both = make_manager(classes=["C34", "C26"], capacity=1)
    one = make_manager(classes=["C34"], capacity=1)
    first = make_match(rank=1)
    second = make_match(
        demand=make_demand(industry="C2614"),
        achievement=make_achievement(industry="C2614"),
        rank=2,
    )

    assign_matches()

    assert (manager_of(first), manager_of(second)) == (one, both)


def test_it_goes_through_more_than_one_batch(monkeypatch):
    monkeypatch.setattr(assignment, "LEAST", 2)
    monkeypatch.setattr(assignment, "AT_ONCE", 2)
    make_manager()
    make_manager()
    for _ in range(7):
        make_match()

    assert assign_matches() == 7


def test_a_table_of_costs_stays_small(monkeypatch):
    monkeypatch.setattr(assignment, "LEAST", 1)
    monkeypatch.setattr(assignment, "CELLS", 60)
    desks = [make_manager(capacity=20) for _ in range(2)]
    for _ in range(5):
        make_match()

    assert assignment._at_once(all_desks()) == 1
    assert assign_matches() == 5
    assert {review.manager for review in Review.objects.all()} <= set(desks)


def test_the_number_of_queries_does_not_grow_with_the_matches():
    for _ in range(3):
        make_manager()
    for _ in range(10):
        make_match()

    with CaptureQueriesContext(connection) as ten:
        assert assign_matches() == 10
    for _ in range(40):
        make_match()
    with CaptureQueriesContext(connection) as forty:
        assert assign_matches() == 40

    assert len(ten) == len(forty)


def test_matches_are_locked_before_managers_and_both_before_anything_is_written():
    make_manager()
    make_match()

    with CaptureQueriesContext(connection) as queries:
        assign_matches()

    sql = [query["sql"] for query in queries]
    locks = [i for i, text in enumerate(sql) if "FOR UPDATE" in text or "FOR NO KEY" in text]
    assert '"matchmaking_match"' in sql[locks[0]] and '"accounts_managerprofile"' in sql[locks[1]]
    assert not any(text.startswith(("UPDATE", "INSERT")) for text in sql[: locks[1]])


# --- The order of the queue ---------------------------------------------------------------------


def first_yes(manager):
    """A match that one manager has approved, and that needs another approval."""
    match = make_match(status=M.IN_REVIEW, is_touched=True)
    make_review(
        match=match,
        manager=manager,
        status=ReviewStatus.SUBMITTED,
        decision="approve",
        closed_at=timezone.now(),
    )
    return match


def test_a_second_approval_goes_to_another_manager_before_anything_else():
    first, second = make_manager(capacity=9), make_manager(capacity=1)
    match = first_yes(first)
    for _ in range(3):
        make_match()
    first.manager_profile.absences.create(first=timezone.localdate())

    assert assign_matches() == 1

    match.refresh_from_db()
    assert (match.status, manager_of(match)) == (M.IN_REVIEW, second)
    assert match.due_on == manager_of_review(match).due_on
    event = match.events.get(verb="assigned")
    assert (event.before, event.after, event.subject) == (M.IN_REVIEW, M.IN_REVIEW, second)


def manager_of_review(match):
    return Review.objects.open().get(match=match)


def test_a_second_approval_never_goes_to_who_gave_the_first():
    manager = make_manager()
    match = first_yes(manager)

    assert assign_matches() == 0

    assert not Review.objects.open().filter(match=match).exists()


@pytest.mark.parametrize("status", [ReviewStatus.REOPENED, ReviewStatus.VOID])
def test_what_is_looked_at_again_comes_before_new_matches(status):
    former, manager = make_manager(capacity=1), make_manager(capacity=1)
    make_review(manager=former)  # full
    new = make_match()
    again = make_match()
    make_review(match=again, manager=former, status=status, closed_at=timezone.now())

    assert assign_matches() == 1

    assert manager_of(again) == manager
    assert not new.reviews.exists()


def test_what_the_operators_were_asked_to_take_is_left_to_them():
    make_manager()
    make_match(escalation=Escalation.NO_RESPONSE, escalated_at=timezone.now())

    assert assign_matches() == 0


def test_the_demand_that_waits_longest_is_served_first():
    make_manager(capacity=1)
    now = timezone.now()
    make_match(demand=make_demand(published_at=now), score=0.99)
    old = make_match(demand=make_demand(published_at=now - dt.timedelta(days=9)), score=0.5)

    assign_matches()

    assert manager_of(old)


# --- Listings to check --------------------------------------------------------------------------


def waiting_check(**fields):
    return make_demand(status="submitted", **fields).publications.get()


def test_a_listing_to_check_is_put_on_a_desk():
    make_manager(classes=["A"])
    expert = make_manager(classes=["C34"])
    check = waiting_check()

    assert assign_matches() == 1

    check.refresh_from_db()
    assert check.manager == expert
    assert check.assigned_because["classes"] == ["C34"]


def test_nobody_checks_a_listing_of_their_own():
    organization = make_organization()
    manager = make_manager()
    manager.memberships.create(organization=organization, role="viewer", is_active=True)
    check = waiting_check(owner=organization)

    assert assign_matches() == 0

    check.refresh_from_db()
    assert check.manager is None


def test_checks_take_room_on_a_desk():
    manager = make_manager(capacity=1)
    check = waiting_check()
    make_match()

    assert assign_matches() == 1
    assert assign_matches() == 0

    check.refresh_from_db()
    assert check.manager == manager


# --- By an operator -----------------------------------------------------------------------------


def test_an_operator_moves_a_match_to_another_desk(settings):
    review = make_review()
    match, other, operator = review.match, make_manager(), make_operator()

    given = reassign(match=match, to=other.manager_profile, actor=operator)

    review.refresh_from_db()
    assert review.status == ReviewStatus.CANCELLED and review.closed_at is not None
    assert given.manager == manager_of(match) == other
    assert not Match.objects.visible_to(review.manager).exists()
    events = match.events.order_by("pk")
    assert [(event.verb, event.actor) for event in events] == [
        ("referred", operator),
        ("assigned", None),
    ]


def test_an_operator_gives_a_waiting_match_to_a_manager():
    match, manager = make_match(), make_manager()

    reassign(match=match, to=manager.manager_profile, actor=make_operator())

    match.refresh_from_db()
    assert (match.status, manager_of(match)) == (M.IN_REVIEW, manager)


@pytest.mark.parametrize("status", sorted(set(M) - {M.SUGGESTED, M.IN_REVIEW}))
def test_what_is_decided_is_not_reassigned(status):
    match = make_match(status=status, manager=make_manager())
    before = state(match)

    with pytest.raises(IllegalMove):
        reassign(match=match, to=make_manager().manager_profile, actor=make_operator())

    assert state(match) == before


def test_a_match_is_not_reassigned_to_who_has_it():
    review = make_review()
    before = state(review.match)

    with pytest.raises(IllegalMove):
        reassign(match=review.match, to=review.manager.manager_profile, actor=make_operator())

    assert state(review.match) == before


def test_a_match_is_not_reassigned_to_who_is_not_certified():
    match, profile = make_match(), make_manager().manager_profile
    profile.status = ManagerStatus.PENDING
    profile.save()
    before = state(match)

    with pytest.raises(ConflictOfInterest):
        reassign(match=match, to=profile, actor=make_operator())

    assert state(match) == before


def test_a_manager_without_regions_or_classes_still_gets_matches():
    profile = make_manager(classes=[]).manager_profile
    profile.regions = []
    profile.save()
    match = make_match(demand=make_demand(owner=make_organization(), industry="", region=""))

    assert assign_matches() == 1

    assert manager_of(match) == profile.user
