"""What happens when a deadline passes, who is reminded before, and what stands still meanwhile."""

import datetime as dt
import threading

import pytest
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.inbox import Notification
from accounts.models import OutboxMail
from accounts.workdays import add_working_days
from catalog.models import PublicationReview
from catalog.workflow import ListingStatus
from matchmaking.models import Inquiry, Match, MatchEvent, Review
from matchmaking.services import assignment, clocks, reminders
from matchmaking.services.consents import answer
from matchmaking.services.inquiries import answer_inquiry, ask
from matchmaking.services.review_steps import open_review
from matchmaking.services.reviews import time_out
from matchmaking.workflow import Escalation, InquiryStatus, MatchStatus, ReviewStatus, Side
from tests.factories import (
    make_achievement,
    make_demand,
    make_manager,
    make_match,
    make_member,
    make_operator,
    make_review,
)

M, R = MatchStatus, ReviewStatus
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock", "no_broker")]
NOTHING = {
    "expired": 0,
    "unanswered": 0,
    "no_response": 0,
    "lapsed": 0,
    "publications": 0,
    "prolonged": 0,
    "reminded": 0,
    "asked": 0,
}


@pytest.fixture
def no_broker(monkeypatch):
    monkeypatch.setattr("accounts.mail.send", lambda *_args: True)
    monkeypatch.setattr("matchmaking.tasks.send", lambda *_args: True)


def today():
    return timezone.localdate()


def yesterday():
    return today() - dt.timedelta(days=1)


def day(text):
    return dt.date.fromisoformat(text)


def make_open_review(status=R.ASSIGNED, *, due_on=None, match=None, manager=None, **fields):
    """A review that was given long enough ago to be no news any more."""
    due_on = due_on or today()
    match = match or make_match(status=M.IN_REVIEW, due_on=due_on, **fields)
    return make_review(
        match=match,
        status=status,
        due_on=due_on,
        assigned_at=timezone.now() - dt.timedelta(days=30),
        **({"manager": manager} if manager else {}),
    )


def make_late_review(status=R.ASSIGNED, **fields):
    """A review whose last day was yesterday, and whose manager was reminded in time."""
    review = make_open_review(status, due_on=yesterday(), **fields)
    reminded(f"review.due:{review.pk}", review.due_on, review.manager)
    return review


def make_awaited(due_on=None, **fields):
    """An approved match: both sides have somebody who can answer, and a manager approved it."""
    match = make_match(
        status=M.APPROVED,
        manager=make_manager(),
        due_on=due_on or today(),
        decided_at=timezone.now() - dt.timedelta(days=30),
        **fields,
    )
    for side in Side:
        make_member(match.listing(side).owner)
    return match


def make_late_answers(**fields):
    match = make_awaited(due_on=yesterday(), **fields)
    for side in Side:
        user = match.listing(side).owner.users.get()
        reminded(f"match.answer_due:{match.pk}:{side.value}", match.due_on, user)
    return match


def reminded(subject, due_on, user, days=7):
    Notification.objects.create(
        user=user,
        kind=subject.partition(":")[0],
        key=f"{subject}:{due_on}:soon",
        visible_from=timezone.now() - dt.timedelta(days=days),
    )


def told(kind="review.due"):
    """Return the stages that were told, in order."""
    rows = Notification.objects.filter(kind=kind).order_by("pk")
    return [row.payload.get("stage", "earlier") for row in rows]


def verbs(match):
    return list(match.events.order_by("pk").values_list("verb", flat=True))


# --- Deadlines that pass --------------------------------------------------------------------------


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
    [taken] = Notification.objects.filter(kind="review.taken")
    assert (taken.user, taken.payload["why"]) == (review.manager, "no_response")
    assert assignment.assign_matches() == 1
    assert Review.objects.open().get(match=match).manager == following


def test_a_second_run_finds_nothing_to_do():
    make_late_review()
    make_late_answers()
    make_demand(valid_until=yesterday())

    assert clocks.run() == {**NOTHING, "expired": 1, "no_response": 1, "lapsed": 1}
    assert clocks.run() == NOTHING

    assert MatchEvent.objects.count() == 2


def test_the_last_day_still_counts():
    make_open_review()
    make_awaited()
    make_demand(valid_until=today())

    assert clocks.run() == {**NOTHING, "reminded": 3}


def test_a_match_that_a_person_has_touched_goes_back_as_well():
    review = make_late_review(R.ACCEPTED, is_touched=True)

    clocks.run()

    review.match.refresh_from_db()
    assert review.match.status == M.SUGGESTED and review.match.is_touched


@pytest.mark.parametrize("one_has_agreed", [True, False])
def test_an_approved_match_lapses_when_a_side_stays_silent(one_has_agreed):
    match = make_late_answers()
    if one_has_agreed:
        actor = match.demand.owner.users.get()
        answer(match=match, side=Side.DEMAND, actor=actor, agreed=True)

    assert clocks.run() == {**NOTHING, "lapsed": 1}

    match.refresh_from_db()
    assert (match.status, match.due_on) == (M.LAPSED, None)
    assert verbs(match) == (["agreed", "lapsed"] if one_has_agreed else ["lapsed"])
    rows = Notification.objects.filter(kind="match.lapsed")
    assert {row.user for row in rows} == {
        match.demand.owner.users.get(),
        match.achievement.owner.users.get(),
        match.reviews.get().manager,
    }


def test_no_clock_runs_while_a_listing_is_being_changed():
    make_late_review(is_frozen=True)
    make_late_answers(is_frozen=True)
    make_open_review(is_frozen=True)
    make_awaited(is_frozen=True)

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


def test_a_row_that_fails_holds_up_nobody_else(monkeypatch, caplog):
    first, second = make_late_review(), make_late_review()

    def fails_once(*, review_id):
        if review_id == first.pk:
            raise RuntimeError("broken row")
        return time_out(review_id=review_id)

    monkeypatch.setattr(clocks, "time_out", fails_once)

    assert clocks.run() == {**NOTHING, "no_response": 1}

    second.refresh_from_db()
    assert second.status == R.NO_RESPONSE
    assert f"Review {first.pk}" in caplog.text


def test_more_than_a_batch_is_worked_off_by_keys_and_none_twice(monkeypatch):
    monkeypatch.setattr(clocks, "BATCH", 2)
    monkeypatch.setattr(reminders, "BATCH", 2)
    for _ in range(3):
        make_late_review()
    # Nothing is done to these: they stay late and must not be found for ever.
    unwarned = [make_open_review(due_on=yesterday()) for _ in range(2)]

    assert clocks.run() == {**NOTHING, "no_response": 3, "prolonged": 2}
    assert clocks.run() == NOTHING

    assert len(unwarned) == Review.objects.open().count()


def test_desks_are_filled_once_after_many_reviews(monkeypatch, django_capture_on_commit_callbacks):
    sent = []
    monkeypatch.setattr("matchmaking.tasks.send", lambda task, *_args: sent.append(task.name))
    for _ in range(3):
        make_late_review()

    def commit(pk, step=clocks._review):
        with django_capture_on_commit_callbacks(execute=True):
            return step(pk)

    monkeypatch.setattr(clocks, "_review", commit)
    clocks.run()

    assert sent == ["matchmaking.tasks.assign"]


def test_a_run_that_takes_too_long_leaves_the_rest_to_the_next():
    for _ in range(2):
        make_late_review()

    assert clocks.run(seconds=-1) == NOTHING
    assert clocks.run()["no_response"] == 2


# --- Reminders ------------------------------------------------------------------------------------


def test_a_manager_is_reminded_a_working_day_ahead_and_on_the_day_each_once(clock):
    clock.on("2026-11-23")
    review = make_open_review(due_on=day("2026-11-25"))
    seen = []
    for date in ("2026-11-23", "2026-11-24", "2026-11-25"):
        for hour in (1, 10, 23):
            clock.on(date, hour)
            clocks.run()
        seen.append(told())

    assert seen == [[], ["soon"], ["soon", "today"]]
    assert {row.user for row in Notification.objects.all()} == {review.manager}
    clock.on("2026-11-26")
    assert clocks.run() == {**NOTHING, "no_response": 1}
    assert told() == ["soon", "today"]


def test_a_weekend_lies_between_the_first_reminder_and_the_last_day(clock):
    make_open_review(due_on=day("2026-11-30"))
    clock.on("2026-11-26")
    assert clocks.run() == NOTHING
    for date in ("2026-11-27", "2026-11-28", "2026-11-29"):
        clock.on(date)
        clocks.run()

    assert told() == ["soon"]


def test_who_was_given_a_day_today_is_not_reminded_of_it_at_once(clock):
    clock.on("2026-11-23")
    review = make_review(
        match=make_match(status=M.IN_REVIEW), due_on=day("2026-11-24"), assigned_at=timezone.now()
    )

    assert clocks.run() == NOTHING
    clock.on("2026-11-24")
    assert clocks.run() == {**NOTHING, "reminded": 1}
    # Being given it on Monday was the reminder: there was all of Tuesday.
    clock.on("2026-11-25")
    assert clocks.run() == {**NOTHING, "no_response": 1}
    review.refresh_from_db()
    assert review.status == R.NO_RESPONSE


def test_everybody_who_may_answer_for_a_silent_side_is_reminded(clock):
    match = make_awaited(due_on=add_working_days(today(), 1))
    colleague = make_member(match.demand.owner, role="editor")
    make_member(match.demand.owner, role="viewer")
    actor = match.achievement.owner.users.get()
    answer(match=match, side=Side.ACHIEVEMENT, actor=actor, agreed=True)

    assert clocks.run() == {**NOTHING, "reminded": 2}
    assert clocks.run() == NOTHING

    rows = Notification.objects.filter(kind="match.answer_due")
    assert colleague in {row.user for row in rows} and actor not in {row.user for row in rows}
    assert {row.payload["side"] for row in rows} == {"demand"}


def test_a_changed_deadline_is_a_new_one_to_be_reminded_of(clock):
    review = make_open_review(due_on=today())
    clocks.run()
    review.due_on = add_working_days(today(), 1)
    review.save(update_fields=("due_on",))

    assert clocks.run() == {**NOTHING, "reminded": 1}
    assert told() == ["today", "soon"]


def test_the_check_of_a_listing_is_reminded_of_and_goes_on(clock):
    demand = make_demand(status=ListingStatus.SUBMITTED)
    manager = make_manager()
    PublicationReview.objects.filter(demand=demand).delete()
    row = PublicationReview.objects.create(
        demand=demand,
        version=demand.version,
        manager=manager,
        due_on=add_working_days(today(), 1),
        assigned_at=timezone.now() - dt.timedelta(days=7),
    )
    assert clocks.run() == {**NOTHING, "reminded": 1}
    clock.on(row.due_on)
    assert clocks.run() == {**NOTHING, "reminded": 1}
    clock.on(row.due_on + dt.timedelta(days=1))
    assert clocks.run() == {**NOTHING, "publications": 1}

    assert told("listing.review_due") == ["soon", "today"]
    row.refresh_from_db()
    assert row.status == "no_response"
    assert PublicationReview.objects.open().get(demand=demand).manager is None


def test_reminders_cost_the_same_queries_however_many_were_told_before():
    def queries():
        with CaptureQueriesContext(connection) as found:
            clocks.run()
        return len(found)

    make_open_review()
    clocks.run()
    one = queries()
    for _ in range(5):
        make_open_review()
    clocks.run()

    assert queries() == one


# --- The clock stood still ------------------------------------------------------------------------


def test_who_was_never_reminded_gets_one_working_day_more(clock):
    clock.on("2026-11-25")
    review = make_open_review(due_on=day("2026-11-24"))

    assert clocks.run() == {**NOTHING, "prolonged": 1}
    assert clocks.run() == NOTHING

    review.refresh_from_db()
    review.match.refresh_from_db()
    assert review.status == R.ASSIGNED and review.due_on == day("2026-11-26")
    assert review.match.due_on == review.due_on
    assert verbs(review.match) == ["prolonged"]
    assert told() == ["late"]
    clock.on("2026-11-26")
    assert clocks.run() == {**NOTHING, "reminded": 1}
    clock.on("2026-11-27")
    assert clocks.run() == {**NOTHING, "no_response": 1}
    assert told() == ["late", "today"]


def test_who_was_reminded_on_the_last_day_only_had_no_whole_day(clock):
    clock.on("2026-11-24")
    review = make_open_review(due_on=day("2026-11-24"))
    clocks.run()
    clock.on("2026-11-25")

    assert clocks.run() == {**NOTHING, "prolonged": 1}
    review.refresh_from_db()
    assert review.due_on == day("2026-11-26")


def test_a_beat_that_stood_still_for_three_days_over_a_holiday_tells_only_what_is_true(clock):
    """National Day of 2026: 1 to 7 October are free, 10 October, a Saturday, is worked."""
    clock.on("2026-09-29")
    ends_before = make_open_review(due_on=day("2026-09-30"))
    clocks.run()
    assert told() == ["soon"]
    ends_behind = make_open_review(due_on=day("2026-10-08"))
    ends_later = make_open_review(due_on=day("2026-10-10"))
    # It stands still from 30 September to 8 October.
    clock.on("2026-10-09")

    assert clocks.run() == {**NOTHING, "no_response": 1, "prolonged": 1, "reminded": 1}
    assert clocks.run() == NOTHING

    for review in (ends_before, ends_behind, ends_later):
        review.refresh_from_db()
    # Reminded before it stopped, and every working day of the rest was there to answer.
    assert ends_before.status == R.NO_RESPONSE
    # Never reminded: one working day more, a Saturday that is worked.
    assert (ends_behind.status, ends_behind.due_on) == (R.ASSIGNED, day("2026-10-10"))
    assert ends_later.status == R.ASSIGNED
    rows = Notification.objects.filter(kind="review.due").order_by("pk")
    assert [(row.payload["review"], row.payload["stage"]) for row in rows] == [
        (ends_before.pk, "soon"),
        (ends_behind.pk, "late"),
        (ends_later.pk, "soon"),
    ]
    assert OutboxMail.objects.count() == OutboxMail.objects.values("key").distinct().count()


def test_sides_that_were_not_reminded_get_a_working_day_more_too(clock):
    clock.on("2026-11-25")
    match = make_awaited(due_on=day("2026-11-24"))

    assert clocks.run() == {**NOTHING, "prolonged": 1}

    match.refresh_from_db()
    assert (match.status, match.due_on) == (M.APPROVED, day("2026-11-26"))
    assert told("match.answer_due") == ["late", "late"]
    clock.on("2026-11-26")
    assert clocks.run() == {**NOTHING, "reminded": 2}
    clock.on("2026-11-27")
    assert clocks.run() == {**NOTHING, "lapsed": 1}


def test_a_side_reads_of_its_own_day_more_and_not_of_the_managers(clock):
    from matchmaking import presenting

    clock.on("2026-11-25")
    review, match = make_open_review(due_on=day("2026-11-24")), make_awaited(day("2026-11-24"))
    clocks.run()

    def lines(of):
        reader = presenting.side_reader(Side.DEMAND, of)
        return presenting.event_lines(of, reader, of.events.select_related("actor", "subject"))

    review.match.refresh_from_db()
    assert [str(line.what) for line in lines(match)] == ["多给一个工作日"]
    assert lines(review.match) == []


def test_a_side_without_anybody_who_may_answer_is_not_waited_for():
    match = make_match(status=M.APPROVED, due_on=yesterday())

    assert clocks.run() == {**NOTHING, "lapsed": 1}

    match.refresh_from_db()
    assert match.status == M.LAPSED


def test_a_check_that_nobody_was_reminded_of_gets_a_working_day_more():
    demand = make_demand(status=ListingStatus.SUBMITTED)
    PublicationReview.objects.filter(demand=demand).delete()
    row = PublicationReview.objects.create(
        demand=demand,
        version=demand.version,
        manager=make_manager(),
        due_on=yesterday(),
        assigned_at=timezone.now() - dt.timedelta(days=7),
    )

    assert clocks.run() == {**NOTHING, "prolonged": 1}

    row.refresh_from_db()
    assert (row.status, row.due_on) == ("assigned", add_working_days(today(), 1))


# --- Spring Festival ------------------------------------------------------------------------------


def test_spring_festival_is_not_counted_and_the_worked_saturdays_are(clock, settings):
    """2026: 15 to 23 February are free, the Saturdays 14 and 28 February are worked."""
    settings.REVIEW_WORKING_DAYS = 3
    clock.on("2026-02-12")
    match = make_match()
    review = open_review(match=match, profile=make_manager().manager_profile, because={})
    # Friday 13, Saturday 14, and then the Tuesday behind nine free days.
    assert review.due_on == match.due_on == day("2026-02-24")
    at, happened = day("2026-02-12"), {}
    while at <= day("2026-02-25"):
        clock.on(at, hour=0)
        done = {name: count for name, count in clocks.run().items() if count}
        if done:
            happened[at.isoformat()] = done
        at += dt.timedelta(days=1)

    assert happened == {
        "2026-02-14": {"reminded": 1},
        "2026-02-24": {"reminded": 1},
        "2026-02-25": {"no_response": 1},
    }
    assert told() == ["soon", "today"]


def test_a_deadline_may_be_a_saturday_that_is_worked(clock, settings):
    settings.REVIEW_WORKING_DAYS = 1
    clock.on("2026-02-27")
    review = open_review(match=make_match(), profile=make_manager().manager_profile, because={})

    assert review.due_on == day("2026-02-28") and review.due_on.weekday() == 5
    clock.on("2026-02-28", hour=23)
    assert clocks.run() == {**NOTHING, "reminded": 1}
    clock.on("2026-03-01")
    assert clocks.run() == {**NOTHING, "no_response": 1}


def test_what_stood_still_before_the_festival_and_is_found_behind_it(clock):
    clock.on("2026-02-13")
    review = make_open_review(due_on=day("2026-02-14"))
    clock.on("2026-02-20")

    assert clocks.run() == {**NOTHING, "prolonged": 1}

    review.refresh_from_db()
    assert review.due_on == day("2026-02-24")


# --- Waiting for a side ---------------------------------------------------------------------------


def asked(review):
    return ask(
        review=review,
        actor=review.manager,
        side=Side.DEMAND,
        questions=[{"field": "budget", "text": "预算里是否包含现场调试的费用？"}],
    )


@pytest.fixture
def any_line(monkeypatch):
    """Questions may be about one line, whatever the grid of the match has."""
    from types import SimpleNamespace

    from matchmaking import questions

    line = SimpleNamespace(key="budget", name="预算")
    monkeypatch.setattr(questions, "lines", lambda *_args: [line])


def test_while_a_side_is_asked_the_managers_clock_stands_still(clock, any_line):
    clock.on("2026-11-23")
    review = make_open_review(R.ACCEPTED, due_on=day("2026-11-25"))
    member = make_member(review.match.demand.owner)
    inquiry = asked(review)
    for date in ("2026-11-24", "2026-11-25", "2026-11-26"):
        clock.on(date)
        assert clocks.run()["no_response"] == 0
    assert told() == []
    assert not time_out(review_id=review.pk)

    clock.on("2026-11-26")
    answer_inquiry(inquiry=inquiry, actor=member, answers=["包含。"])

    review.refresh_from_db()
    assert review.due_on == day("2026-11-30")  # the two working days that were left
    clock.on("2026-11-27")
    clocks.run()
    assert told() == ["soon"]


def test_a_side_that_does_not_answer_is_reminded_and_then_decided_without(clock, any_line):
    clock.on("2026-11-23")
    review = make_open_review(R.ACCEPTED, due_on=day("2026-11-26"))
    make_member(review.match.demand.owner)
    inquiry = asked(review)
    last = inquiry.due_on
    at = day("2026-11-24")
    while at <= last:
        clock.on(at)
        clocks.run()
        at += dt.timedelta(days=1)
    assert told("inquiry.due") == ["soon", "today"]

    clock.on(last + dt.timedelta(days=1))
    assert clocks.run()["unanswered"] == 1

    inquiry.refresh_from_db()
    review.refresh_from_db()
    assert inquiry.status == InquiryStatus.EXPIRED
    assert review.paused_on is None
    assert review.due_on == add_working_days(today(), 3)
    assert clocks.run()["unanswered"] == 0


def test_a_side_that_was_not_reminded_of_questions_gets_a_working_day_more(clock, any_line):
    clock.on("2026-11-23")
    review = make_open_review(R.ACCEPTED, due_on=day("2026-11-26"))
    make_member(review.match.demand.owner)
    inquiry = asked(review)
    clock.on(inquiry.due_on + dt.timedelta(days=1))

    assert clocks.run() == {**NOTHING, "prolonged": 1}

    inquiry.refresh_from_db()
    assert inquiry.status == InquiryStatus.OPEN
    assert inquiry.due_on == add_working_days(today(), 1)
    assert told("inquiry.due") == ["late"]


def test_questions_of_a_frozen_match_wait_as_well(clock, any_line):
    review = make_open_review(R.ACCEPTED, due_on=add_working_days(today(), 2))
    make_member(review.match.demand.owner)
    inquiry = asked(review)
    Match.objects.update(is_frozen=True)
    clock.on(inquiry.due_on + dt.timedelta(days=30))

    assert clocks.run() == NOTHING
    assert Inquiry.objects.get().status == InquiryStatus.OPEN


# --- Escalation -----------------------------------------------------------------------------------


def test_after_two_managers_without_an_answer_the_operators_are_asked(clock, settings):
    settings.REVIEW_WORKING_DAYS = 3
    operator, colleague = make_operator(), make_operator()
    match = make_match()
    managers = [make_manager(), make_manager(), make_manager()]
    for count, manager in enumerate(managers[:2]):
        review = open_review(match=match, profile=manager.manager_profile, because={})
        while today() <= review.due_on:
            clocks.run()
            clock.move(days=1)
        assert clocks.run()["no_response"] == 1
        match.refresh_from_db()
        assert bool(match.escalation) == bool(count)

    assert match.escalation == Escalation.NO_RESPONSE and match.escalated_at is not None
    assert match.status == M.SUGGESTED
    assert verbs(match)[-1] == "escalated"
    rows = Notification.objects.filter(kind="escalation.match")
    assert {row.user for row in rows} == {operator, colleague} and rows.count() == 2
    clocks.run()
    assert Notification.objects.filter(kind="escalation.match").count() == 2

    assignment.reassign(match=match, to=managers[2].manager_profile, actor=operator)

    match.refresh_from_db()
    assert (match.status, match.escalation, match.escalated_at) == (M.IN_REVIEW, "", None)


def test_what_the_operators_were_asked_to_give_away_is_not_given_to_a_third_by_itself():
    match = make_match(escalation=Escalation.NO_RESPONSE, escalated_at=timezone.now())
    make_manager()

    assert assignment.assign_matches() == 0

    match.refresh_from_db()
    assert match.status == M.SUGGESTED


# --- Left alone -----------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [ListingStatus.WITHDRAWN, ListingStatus.CLOSED])
def test_a_withdrawn_listing_has_no_clock_once_its_matches_are_taken_back(status):
    from matchmaking.services.matching import listing_left

    review = make_open_review()
    match = make_awaited(demand=review.match.demand)
    review.match.demand.status = status
    review.match.demand.save(update_fields=("status",))
    listing_left(kind="demand", listing_id=review.match.demand_id)

    assert clocks.run() == NOTHING

    match.refresh_from_db()
    assert match.status == M.LAPSED and not Notification.objects.filter(kind="review.due").exists()


# --- Two at once ----------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_two_runs_at_once_do_each_thing_once():
    late = [make_late_review() for _ in range(3)]
    prolonged = [make_open_review(due_on=yesterday()) for _ in range(2)]
    lapsing = [make_late_answers() for _ in range(2)]
    due = [make_open_review() for _ in range(3)]
    start, done = threading.Barrier(2), []

    def run():
        try:
            start.wait(10)
            done.append(clocks.run())
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    total = {name: sum(one[name] for one in done) for name in NOTHING}
    assert total == {
        **NOTHING,
        "no_response": len(late),
        "prolonged": len(prolonged),
        "lapsed": len(lapsing),
        "reminded": len(due),
    }
    assert MatchEvent.objects.count() == len(late) + len(prolonged) + len(lapsing)
    keys = Notification.objects.filter(kind="review.due").values_list("key", flat=True)
    assert len(keys) == len(set(keys)) == len(late) + len(prolonged) + len(due)
