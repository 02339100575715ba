"""Telling people that their answer is due: a working day ahead, and on the last day, each once.

Only what is true on the day is told: after a pause of the clock nobody gets yesterday's reminder
as well as today's. What was told is read from the notifications themselves, so that two clocks at
once, or one that is started again, tell nobody twice.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection, transaction
from django.db.models import Q, QuerySet, TextChoices
from django.utils import timezone

from accounts.inbox import Notification
from accounts.models import Membership, MembershipRole, User
from accounts.notices import notify, notify_many
from accounts.workdays import add_working_days, whole_day_before
from catalog.models import PublicationReview
from matchmaking.models import Consent, Inquiry, Match, Review
from matchmaking.workflow import InquiryStatus, MatchStatus, Side

# Rows that are looked at together.
BATCH = 500


class Stage(TextChoices):
    SOON = "soon"
    TODAY = "today"
    # The day has passed and nobody had said so: there is one working day more.
    LATE = "late"


@dataclass(frozen=True)
class Deadline:
    """What one person, or any of several colleagues, is to do until a day.

    `subject` is what the keys of its reminders begin with: the kind, the row, the side.
    """

    kind: str
    subject: str
    due_on: dt.date
    # When it was first told, with its last day: whoever gets one day needs no reminder of it.
    begun_at: dt.datetime
    payload: Mapping[str, Any]
    users: Sequence[User]
    # Where colleagues are reminded each by a row of their own.
    shared: bool = True

    def key(self, stage: Stage, user: User) -> str:
        key = f"{self.subject}:{self.due_on}:{stage.value}"
        return f"{key}:{user.pk}" if self.shared else key

    def tell_late(self) -> None:
        """Tell of the day that they were given, in the transaction that gives it."""
        for user in self.users:
            notify(
                kind=self.kind,
                user=user,
                key=self.key(Stage.LATE, user),
                payload={**self.payload, "stage": Stage.LATE.value},
            )

    def was_told(self, today: dt.date) -> bool:
        """Say whether somebody was told early enough to answer before `today`.

        Early enough: a whole working day lay between. Where nobody is there to be told, nobody is
        waited for.
        """
        early = whole_day_before(today)
        begun_on = timezone.localdate(self.begun_at)
        # With a day to go from the first, being given it was the reminder.
        if not self.users or (begun_on <= early and add_working_days(begun_on, 1) >= self.due_on):
            return True
        told = Notification.objects.filter(
            key__startswith=f"{self.subject}:{self.due_on}:", visible_from__date__lte=early
        )
        return told.exists()


def stage_of(deadline: Deadline, today: dt.date) -> Stage | None:
    """Return what is to be told of a deadline today; nothing while there is time, or behind it."""
    if deadline.due_on == today:
        return Stage.TODAY
    if today < deadline.due_on <= add_working_days(today, 1):
        # What was given today with one day to go has just been told.
        return Stage.SOON if timezone.localdate(deadline.begun_at) < today else None
    return None


def remind(*, until: Callable[[], bool]) -> int:
    """Send the reminders of today, batch by batch while `until` is not over. Return how many."""
    today = timezone.localdate()
    window = Q(due_on__gte=today, due_on__lte=add_working_days(today, 1))
    told = 0
    for rows, deadlines in SOURCES:
        for batch in _batches(rows().filter(window), until):
            told += _tell(deadlines(batch), today)
    return told


def _tell(deadlines: Iterable[Deadline], today: dt.date) -> int:
    due = [
        (deadline, stage)
        for deadline in deadlines
        if (stage := stage_of(deadline, today)) is not None
    ]
    keys = {
        deadline.key(at, user)
        for deadline, stage in due
        for user in deadline.users
        for at in (stage, Stage.LATE)
    }
    with transaction.atomic():
        # One clock at a time: so it may tell many in a few statements, and knows what is told.
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(hashtext('matchmaking.reminders'))")
        known = set(Notification.objects.filter(key__in=keys).values_list("key", flat=True))
        new: dict[str, list[tuple[User, str, dict[str, Any]]]] = defaultdict(list)
        for deadline, stage in due:
            for user in deadline.users:
                key = deadline.key(stage, user)
                # Who was given this day because nobody had reminded them knows it is the next.
                is_known = stage == Stage.SOON and deadline.key(Stage.LATE, user) in known
                if key not in known and not is_known:
                    payload = {**deadline.payload, "stage": stage.value}
                    new[deadline.kind].append((user, key, payload))
        for kind, told in new.items():
            notify_many(kind, told)
    return sum(map(len, new.values()))


def _batches(rows: QuerySet[Any], until: Callable[[], bool]) -> Iterator[list[Any]]:
    last = 0
    while not until():
        batch = list(rows.filter(pk__gt=last).order_by("pk")[:BATCH])
        if batch:
            yield batch
        if len(batch) < BATCH:
            return
        last = batch[-1].pk


# --- What has a deadline ------------------------------------------------------------------------


def running_reviews() -> QuerySet[Review]:
    """Return the open reviews whose clock runs: no side is asked, no listing is being changed."""
    return Review.objects.open().filter(
        paused_on__isnull=True, match__is_frozen=False, match__status=MatchStatus.IN_REVIEW
    )


def reviews(batch: Sequence[Review]) -> list[Deadline]:
    users = User.objects.in_bulk({review.manager_id for review in batch})
    return [
        Deadline(
            kind="review.due",
            subject=f"review.due:{review.pk}",
            due_on=review.due_on,
            begun_at=review.assigned_at,
            payload={"review": review.pk, "due_on": review.due_on.isoformat()},
            users=[users[review.manager_id]],
            shared=False,
        )
        for review in batch
    ]


def awaited_answers() -> QuerySet[Match]:
    """Return the approved matches that wait for an answer of one side or both."""
    rows = Match.objects.filter(status=MatchStatus.APPROVED, is_frozen=False, due_on__isnull=False)
    return rows.select_related("demand", "achievement").defer("grid", "pairs", "terms", "features")


def answers(batch: Sequence[Match]) -> list[Deadline]:
    """Return a deadline for each side that has not answered."""
    given = set(Consent.objects.filter(match__in=batch).values_list("match", "side"))
    waiting = [
        (match, side) for match in batch for side in Side if (match.pk, side.value) not in given
    ]
    writers = _writers({match.listing(side).owner_id for match, side in waiting})
    return [
        Deadline(
            kind="match.answer_due",
            subject=f"match.answer_due:{match.pk}:{side.value}",
            due_on=match.due_on,
            begun_at=match.decided_at or match.updated_at,
            payload={"match": match.pk, "side": side.value, "due_on": match.due_on.isoformat()},
            users=writers[match.listing(side).owner_id],
        )
        for match, side in waiting
        if match.due_on is not None
    ]


def open_inquiries() -> QuerySet[Inquiry]:
    rows = Inquiry.objects.filter(status=InquiryStatus.OPEN, review__match__is_frozen=False)
    return rows.select_related("review__match__demand", "review__match__achievement").defer(
        "review__match__grid", "review__match__pairs", "review__match__features"
    )


def inquiries(batch: Sequence[Inquiry]) -> list[Deadline]:
    owners = {one.pk: one.review.match.listing(one.side).owner_id for one in batch}
    writers = _writers(owners.values())
    return [
        Deadline(
            kind="inquiry.due",
            subject=f"inquiry.due:{inquiry.pk}",
            due_on=inquiry.due_on,
            begun_at=inquiry.asked_at,
            payload={
                "inquiry": inquiry.pk,
                "side": inquiry.side,
                "due_on": inquiry.due_on.isoformat(),
            },
            users=writers[owners[inquiry.pk]],
        )
        for inquiry in batch
    ]


def open_publications() -> QuerySet[PublicationReview]:
    return PublicationReview.objects.open().filter(manager__isnull=False)


def publications(batch: Sequence[PublicationReview]) -> list[Deadline]:
    users = User.objects.in_bulk({row.manager_id for row in batch if row.manager_id})
    return [
        Deadline(
            kind="listing.review_due",
            subject=f"listing.review_due:{row.pk}",
            due_on=row.due_on,
            begun_at=row.assigned_at or row.opened_at,
            payload={"publication": row.pk, "due_on": row.due_on.isoformat()},
            users=[users[row.manager_id]] if row.manager_id else [],
            shared=False,
        )
        for row in batch
    ]


def _writers(organizations: Iterable[int]) -> Mapping[int, list[User]]:
    """Return who may answer for each organization, with one query for all."""
    members = Membership.objects.active().filter(
        organization__in=set(organizations),
        role__in=(MembershipRole.OWNER, MembershipRole.EDITOR),
        user__is_active=True,
    )
    found: dict[int, list[User]] = defaultdict(list)
    for member in members.select_related("user").order_by("pk"):
        found[member.organization_id].append(member.user)
    return found


Rows = Callable[[], QuerySet[Any]]
SOURCES: tuple[tuple[Rows, Callable[[Sequence[Any]], list[Deadline]]], ...] = (
    (running_reviews, reviews),
    (awaited_answers, answers),
    (open_inquiries, inquiries),
    (open_publications, publications),
)
