"""A tie that comes to light late makes a review void; the match goes on with another manager."""

import datetime as dt

import pytest
from django.utils import timezone

from accounts.inbox import Notification
from accounts.models import ManagerStatus
from matchmaking import presenting
from matchmaking.models import Consent, Match, Review
from matchmaking.services import assignment, reviews
from matchmaking.services.consents import answer
from matchmaking.services.overturning import VOID_DAYS
from matchmaking.services.training import with_decisions
from matchmaking.workflow import MatchStatus, ReviewStatus
from tests.factories import make_manager, make_match, make_member, make_operator, make_review
from tests.matchmaking.test_reviews import make_open, state, submit, tie, verbs
from tests.matchmaking.test_second_review import make_large, second_of

M, R = MatchStatus, ReviewStatus
pytestmark = pytest.mark.django_db


def void_of(review):
    return reviews.void_conflicted([review.manager_id])


@pytest.mark.parametrize("status", [R.ASSIGNED, R.ACCEPTED])
@pytest.mark.parametrize("side", ["demand", "achievement"])
def test_an_open_review_is_void_and_another_manager_gets_the_match(status, side):
    review, other = make_open(status), make_manager()
    match = review.match
    tie(review.manager, match.listing(side).owner, "interest")

    assert void_of(review) == 1

    review.refresh_from_db()
    match.refresh_from_db()
    assert review.status == R.VOID and review.closed_at is not None
    assert match.status == M.SUGGESTED
    event = match.events.last()
    assert (event.verb, event.subject, event.actor) == ("voided", review.manager, None)
    assert (event.before, event.after) == (M.IN_REVIEW, M.SUGGESTED)
    assert event.reason == "interest"
    assert assignment.assign_matches() == 1
    assert Review.objects.open().get().manager == other


@pytest.mark.parametrize("decision", ["approve", "reject"])
def test_a_decision_is_void_and_taken_anew(decision):
    review = make_open()
    match = submit(review, decision=decision)
    if decision == "approve":
        actor = make_member(match.demand.owner)
        answer(match=match, side="demand", actor=actor, agreed=True)
    tie(review.manager, match.achievement.owner, "member")

    assert void_of(review) == 1

    review.refresh_from_db()
    match.refresh_from_db()
    assert (review.status, match.status, match.decided_at) == (R.VOID, M.SUGGESTED, None)
    assert review.decision == decision  # the trace stays
    assert not Consent.objects.exists()
    assert with_decisions(Match.objects.all()).get().decision is None
    told = Notification.objects.get(kind="review.taken")
    assert (told.user, told.payload["why"]) == (review.manager, "conflict")


def test_nothing_is_void_twice():
    review = make_open()
    match = review.match
    tie(review.manager, match.demand.owner, "interest")
    void_of(review)
    before = state(match)

    assert void_of(review) == 0

    assert state(match) == before


def test_without_a_tie_nothing_is_void():
    review, other = make_open(), make_open()
    tie(other.manager, other.match.demand.owner, "member")
    before = state(review.match)

    assert reviews.void_conflicted([review.manager_id]) == 0
    assert reviews.void_conflicted([]) == 0

    assert state(review.match) == before


def test_once_the_sides_have_met_the_operators_are_told_and_nothing_is_taken_back():
    operator, manager = make_operator(), make_manager()
    match = make_match(status=M.INTRODUCED, manager=manager)
    tie(manager, match.demand.owner, "member")
    before = state(match)

    assert reviews.void_conflicted([manager.pk]) == 0
    assert reviews.void_conflicted([manager.pk]) == 0

    assert state(match) == before
    told = Notification.objects.get(kind="conflict.introduced")
    assert told.user == operator


@pytest.mark.parametrize("status", [M.DECLINED, M.LAPSED, M.SUPERSEDED])
def test_what_is_over_stays_over(status):
    manager = make_manager()
    match = make_match(status=status)
    make_review(match=match, manager=manager, settled=True)
    tie(manager, match.demand.owner, "member")
    before = state(match)

    assert reviews.void_conflicted([manager.pk]) == 0

    assert state(match) == before


def test_an_old_rejection_stands_and_an_old_approval_that_waits_does_not():
    manager = make_manager()
    long_ago = timezone.now() - dt.timedelta(days=VOID_DAYS + 1)
    rejected = make_match(status=M.REJECTED, manager=manager)
    approved = make_match(status=M.APPROVED, manager=manager)
    Review.objects.update(closed_at=long_ago)
    for match in (rejected, approved):
        tie(manager, match.demand.owner, "member")

    assert reviews.void_conflicted([manager.pk]) == 1

    rejected.refresh_from_db()
    approved.refresh_from_db()
    assert (rejected.status, approved.status) == (M.REJECTED, M.SUGGESTED)


def test_the_first_of_two_approvals_is_void_while_the_second_manager_works():
    first = make_large()
    match = submit(first)
    second = second_of(match)
    tie(first.manager, match.demand.owner, "member")

    assert void_of(first) == 1

    match.refresh_from_db()
    assert match.status == M.IN_REVIEW and Review.objects.open().get() == second


def test_both_decisions_void_leave_nothing_in_force():
    first = make_large()
    match = submit(first)
    second = second_of(match)
    submit(second)
    for review in (first, second):
        tie(review.manager, match.demand.owner, "member")

    assert reviews.void_conflicted([first.manager_id, second.manager_id]) == 2

    match.refresh_from_db()
    assert match.status == M.SUGGESTED
    assert not Review.objects.filter(status=R.SUBMITTED).exists()


def test_what_tie_it_was_is_for_operators_alone():
    review = make_open()
    match = submit(review)
    tie(review.manager, match.achievement.owner, "member")
    void_of(review)
    match.refresh_from_db()

    def told(user):
        reader = presenting.reader_of(user, match)
        events = match.events.select_related("actor", "subject")
        return presenting.event_lines(match, reader, events)[-1]

    side = told(make_member(match.demand.owner))
    assert not side.reasons and not side.about
    assert "利益" not in str(side.what)
    operator = told(make_operator())
    assert operator.reasons and operator.about == str(review.manager)


def test_the_number_of_queries_does_not_grow_with_reviews_that_are_not_concerned():
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    review = make_open()
    tie(review.manager, make_open().match.demand.owner, "member")

    def cost():
        with CaptureQueriesContext(connection) as queries:
            void_of(review)
        return len(queries)

    one = cost()
    for _ in range(5):
        make_review(match=make_match(status=M.IN_REVIEW), manager=review.manager)
    assert cost() == one


# --- Managers who may decide no more ------------------------------------------------------------


@pytest.mark.parametrize("status", [R.ASSIGNED, R.ACCEPTED])
def test_a_suspended_managers_reviews_go_to_others(status):
    review = make_open(status)
    match, manager = review.match, review.manager
    manager.manager_profile.status = ManagerStatus.SUSPENDED
    manager.manager_profile.save()

    assert reviews.release_reviews([manager.pk]) == 1
    assert reviews.release_reviews([manager.pk]) == 0

    review.refresh_from_db()
    match.refresh_from_db()
    assert (review.status, match.status) == (R.CANCELLED, M.SUGGESTED)
    event = match.events.last()
    assert (event.verb, event.reason, event.subject) == ("handed_back", "suspended", manager)
    told = Notification.objects.get(kind="review.taken")
    assert told.payload["why"] == "suspended"


def test_a_certified_managers_reviews_stay_and_so_do_decisions_of_a_suspended_one():
    review, decided = make_open(), make_open()
    submit(decided)
    decided.manager.manager_profile.status = ManagerStatus.SUSPENDED
    decided.manager.manager_profile.save()

    assert reviews.release_reviews([review.manager_id, decided.manager_id]) == 0

    assert verbs(review.match) == []
    assert Match.objects.get(pk=decided.match_id).status == M.APPROVED
