"""What happens when a deadline passes. Run by a task; schedules nothing itself.

A run may come late by days, twice, or beside another one: what a step finds under the lock decides,
and what was told is told once. Nobody loses a review, and no side its match, who was not reminded
in time: they get one working day more (docs/managers.md, “Clocks”).
"""

from __future__ import annotations

import datetime as dt
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from accounts.workdays import add_working_days
from catalog.models import PublicationReview
from catalog.services.publication import prolong_publication, time_out_publication
from catalog.services.publishing import expire_overdue
from matchmaking.models import Inquiry, Match, MatchEvent, Review
from matchmaking.services import reminders
from matchmaking.services.consents import lapse
from matchmaking.services.feedback import feedback_due
from matchmaking.services.inquiries import expire_inquiry
from matchmaking.services.reminders import BATCH
from matchmaking.services.review_steps import filling_once
from matchmaking.services.reviews import time_out

logger = logging.getLogger(__name__)

# A run stops after so many seconds; the next one, ten minutes after, takes the rest.
SECONDS = 300.0


def run(*, seconds: float = SECONDS) -> dict[str, int]:
    """Act on every deadline that has passed, then remind. Return what was done, by kind.

    One row that fails is logged, and holds up nobody else.
    """
    end = time.monotonic() + seconds

    def over() -> bool:
        return time.monotonic() > end

    today = timezone.localdate()
    done: Counter[str] = Counter(
        {name: 0 for name in ("expired", "unanswered", "no_response", "lapsed", "publications")}
    )
    done["prolonged"] = done["reminded"] = done["asked"] = 0
    while not over() and (expired := expire_overdue(limit=BATCH)):
        done["expired"] += expired
    # Questions first: what they gave back of a review's days counts before the review is looked at.
    steps: tuple[tuple[QuerySet[Any], Callable[[int], str]], ...] = (
        (reminders.open_inquiries(), _inquiry),
        (reminders.running_reviews(), _review),
        (reminders.awaited_answers(), _answers),
        (PublicationReview.objects.open(), _publication),
    )
    with filling_once():
        for rows, step in steps:
            for pk in _overdue(rows, today, over):
                try:
                    done[step(pk)] += 1
                except Exception:
                    logger.exception("The clock of %s %d stands still.", rows.model.__name__, pk)
    done["reminded"] = reminders.remind(until=over)
    if not over():
        done["asked"] = feedback_due(BATCH)
    del done[NOTHING]
    return dict(done)


NOTHING = ""


def _overdue(rows: QuerySet[Any], today: dt.date, over: Callable[[], bool]) -> Iterator[int]:
    """Yield the keys of what is late, in batches, each once: also those that nothing is done to."""
    late = rows.filter(due_on__lt=today).order_by("pk")
    last = 0
    while True:
        keys = list(late.filter(pk__gt=last).values_list("pk", flat=True)[:BATCH])
        for pk in keys:
            if over():
                return
            yield pk
        if len(keys) < BATCH:
            return
        last = keys[-1]


# --- One deadline that has passed -----------------------------------------------------------------
# Each returns the name under which it is counted, or NOTHING.


@transaction.atomic
def _review(pk: int) -> str:
    """Give a review to the next manager, or its manager the day that they were not told of."""
    held = _hold(Review.objects.get(pk=pk).match_id)
    review = reminders.running_reviews().filter(pk=pk).first()
    if review is None or review.due_on >= timezone.localdate():
        return NOTHING
    [deadline] = reminders.reviews([review])
    if deadline.was_told(timezone.localdate()):
        return "no_response" if time_out(review_id=pk) else NOTHING
    review.due_on = held.due_on = _one_day_more()
    review.save(update_fields=("due_on",))
    _prolonged(held)
    [deadline] = reminders.reviews([review])
    deadline.tell_late()
    return "prolonged"


@transaction.atomic
def _answers(pk: int) -> str:
    """Let an approved match lapse, or give silent sides the day they were not told of."""
    held = _hold(pk)
    match = reminders.awaited_answers().filter(pk=pk).first()
    today = timezone.localdate()
    if match is None or match.due_on is None or match.due_on >= today:
        return NOTHING
    if all(deadline.was_told(today) for deadline in reminders.answers([match])):
        return "lapsed" if lapse(match_id=pk) else NOTHING
    match.due_on = held.due_on = _one_day_more()
    _prolonged(held)
    for deadline in reminders.answers([match]):
        deadline.tell_late()
    return "prolonged"


@transaction.atomic
def _inquiry(pk: int) -> str:
    """Let the manager decide without the answer, or give the side the day it was not told of."""
    held = _hold(Inquiry.objects.values_list("review__match", flat=True).get(pk=pk))
    inquiry = reminders.open_inquiries().filter(pk=pk).first()
    today = timezone.localdate()
    if inquiry is None or inquiry.due_on >= today:
        return NOTHING
    [deadline] = reminders.inquiries([inquiry])
    if deadline.was_told(today):
        return "unanswered" if expire_inquiry(inquiry_id=pk) else NOTHING
    inquiry.due_on = held.due_on = _one_day_more()
    inquiry.save(update_fields=("due_on",))
    _prolonged(held)
    [deadline] = reminders.inquiries([inquiry])
    deadline.tell_late()
    return "prolonged"


@transaction.atomic
def _publication(pk: int) -> str:
    """The same for the check of a listing; see `catalog.services.publication`."""
    row = PublicationReview.objects.open().filter(pk=pk).first()
    if row is None:
        return NOTHING
    [deadline] = reminders.publications([row])
    if deadline.was_told(timezone.localdate()):
        return "publications" if time_out_publication(pk) else NOTHING
    row = prolong_publication(pk, _one_day_more())
    if row is None:
        return NOTHING
    [deadline] = reminders.publications([row])
    deadline.tell_late()
    return "prolonged"


def _hold(match_id: int) -> Match:
    return Match.objects.select_for_update().get(pk=match_id)


def _one_day_more() -> dt.date:
    return add_working_days(timezone.localdate(), 1)


def _prolonged(match: Match) -> None:
    match.updated_at = timezone.now()
    match.save(update_fields=("due_on", "updated_at"))
    MatchEvent.objects.create(
        match=match,
        actor=None,
        verb=MatchEvent.Verb.PROLONGED,
        before=match.status,
        after=match.status,
    )
