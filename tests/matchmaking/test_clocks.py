"""What happens when a deadline passes, and what does not while a match stands still."""

import datetime as dt

import pytest
from django.utils import timezone

from matchmaking.models import Match, MatchEvent, Review
from matchmaking.services import assignment, clocks
from matchmaking.services.consents import answer
from matchmaking.services.reviews import time_out
from matchmaking.workflow import MatchStatus, ReviewStatus, Side
from tests.factories import (
    make_achievement,
    make_demand,
    make_manager,
    make_match,
    make_member,
    make_review,
)

M, R = MatchStatus, ReviewStatus
pytestmark = pytest.mark.django_db
NOTHING = {"expired": 0, "no_response": 0, "lapsed": 0}


def yesterday():
    return timezone.localdate() - dt.timedelta(days=1)


def make_late_review(status=R.ASSIGNED, **fields):
    match = make_match(status=M.IN_REVIEW, **fields)
    return make_review(match=match, status=status, due_on=yesterday())


def verbs(match):
    return list(match.events.order_by("pk").values_list("verb", flat=True))


@pytest.mark.parametrize("status", [R.ASSIGNED, R.ACCEPTED])
def test_a_review_without_an_answer_goes_to_the_next_manager(status):
    review = make_late_review(status)
    match, following = review.match, make_manager()

    assert clocks.run() == {**NOTHING, "no_response": 1}

    review.refresh_from_db()
    match.refresh_from_db()
    assert review.status == R.NO_RESPONSE and review.closed_at is not None
    assert (match.status, match.due_on) == (M.SUGGESTED, None)
    assert verbs(match) == ["no_response"]
    assert not Match.objects.visible_to(review.manager).exists()
    assert assignment.assign_matches() == 1
    assert Review.objects.open().get(match=match).manager == following


def test_a_second_run_finds_nothing_to_do():
    make_late_review()
    make_match(status=M.APPROVED, due_on=yesterday())
    make_demand(valid_until=yesterday())

    assert clocks.run() == {"expired": 1, "no_response": 1, "lapsed": 1}
    assert clocks.run() == NOTHING

    assert MatchEvent.objects.count() == 2


def test_the_last_day_still_counts():
    today = timezone.localdate()
    make_review(match=make_match(status=M.IN_REVIEW), due_on=today)
    make_match(status=M.APPROVED, due_on=today)
    make_demand(valid_until=today)

    assert clocks.run() == NOTHING


def test_a_match_that_a_person_has_touched_goes_back_as_well():
    review = make_late_review(R.ACCEPTED, is_touched=True)

    clocks.run()

    review.match.refresh_from_db()
    assert review.match.status == M.SUGGESTED and review.match.is_touched


@pytest.mark.parametrize("one_has_agreed", [True, False])
def test_an_approved_match_lapses_when_a_side_stays_silent(one_has_agreed):
    match = make_match(status=M.APPROVED, manager=make_manager())
    if one_has_agreed:
        answer(
            match=match,
            side=Side.DEMAND,
            actor=make_member(match.demand.owner),
            agreed=True,
        )
    Match.objects.update(due_on=yesterday())

    assert clocks.run() == {**NOTHING, "lapsed": 1}

    match.refresh_from_db()
    assert (match.status, match.due_on) == (M.LAPSED, None)
    assert verbs(match) == ["agreed", "lapsed"] if one_has_agreed else ["lapsed"]


def test_no_clock_runs_while_a_listing_is_being_changed():
    make_late_review(is_frozen=True)
    make_match(status=M.APPROVED, due_on=yesterday(), is_frozen=True)

    assert clocks.run() == NOTHING

    assert not MatchEvent.objects.exists()


def test_a_match_frozen_since_the_clock_looked_is_left_alone():
    review = make_late_review(is_frozen=True)

    assert not time_out(review_id=review.pk)

    review.refresh_from_db()
    assert review.status == R.ASSIGNED


@pytest.mark.parametrize("status", [R.SUBMITTED, R.DECLINED, R.CANCELLED, R.NO_RESPONSE])
def test_a_closed_review_has_no_clock(status):
    review = make_late_review(status)

    assert clocks.run() == NOTHING
    assert not time_out(review_id=review.pk)


@pytest.mark.parametrize("status", sorted(set(M) - {M.APPROVED}))
def test_only_an_approved_match_lapses(status):
    match = make_match(status=status)
    Match.objects.update(due_on=yesterday())

    assert clocks.run() == NOTHING

    match.refresh_from_db()
    assert match.status == status


def test_overdue_listings_expire_on_both_lists():
    make_demand(valid_until=yesterday())
    make_achievement(valid_until=yesterday())
    make_achievement()

    assert clocks.run() == {**NOTHING, "expired": 2}
