"""The checks of submitted listings: whose desk each lies on, and until when.

matchmaking assigns them (`waiting_publications`, `assign_publication`) and drives their clocks
(`time_out_publication`, `prolong_publication`). What is decided is in `catalog.services.deciding`.
The order of locks is listing, then check.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import ManagerProfile
from accounts.notices import notify, operators, take_back
from accounts.permissions import has_tie
from accounts.workdays import add_working_days
from catalog.models import Attachment, Listing, ListingEvent, PublicationReview
from catalog.services.moving import OwnSide, lock, move
from catalog.touched import touched_since
from catalog.workflow import (
    EventVerb,
    IllegalMove,
    ListingDecision,
    ListingStatus,
    PublicationEscalation,
    PublicationStatus,
)

# Managers who may let the clock of one listing run out before the operators are asked.
SILENT_AT_MOST = 2

TARGETS = {
    ListingDecision.PUBLISH: ListingStatus.PUBLISHED,
    ListingDecision.NEEDS_INFO: ListingStatus.NEEDS_INFO,
    ListingDecision.REJECT: ListingStatus.REJECTED,
}


# --- Opening and closing --------------------------------------------------------------------------


def due_from(day: dt.date) -> dt.date:
    """Return until when a check that begins on `day` is to be decided."""
    return add_working_days(day, settings.PUBLICATION_WORKING_DAYS)


def open_check(listing: Listing, *, appeal: str = "") -> PublicationReview:
    """Open the check of a locked listing that was just handed in. Nobody answers for it yet."""
    return PublicationReview.objects.create(
        **{listing.kind: listing},
        version=listing.version,
        due_on=due_from(timezone.localdate(listing.submitted_at)),
        again=not appeal and _was_asked(listing),
        appeal=appeal,
    )


def open_checks(kind: str, listings: Collection[Listing], *, asked: Collection[int] = ()) -> None:
    """Open the checks of many new versions at once, in one statement; `asked`: ids among them
    that had been sent back with questions."""
    due_on = due_from(timezone.localdate())
    PublicationReview.objects.bulk_create(
        PublicationReview(
            **{kind: listing},
            version=listing.version,
            due_on=due_on,
            again=listing.pk in asked,
        )
        for listing in listings
    )


def cancel_check(listing: Listing) -> None:
    """Close the open check of a locked listing that leaves without a decision."""
    cancel_checks(listing.kind, [listing.pk])


def cancel_checks(kind: str, ids: Collection[int]) -> None:
    PublicationReview.objects.open().filter(**{f"{kind}__in": ids}).update(
        status=PublicationStatus.CANCELLED, closed_at=timezone.now()
    )


def current_check(listing: Listing) -> PublicationReview:
    """Return the open check of a locked, submitted listing, locked as well.

    One that somehow has none gets it now: nothing that was handed in may be impossible to decide.
    """
    rows = PublicationReview.objects.open().of(listing)
    row = rows.select_for_update(of=("self",)).first()
    return row if row is not None else open_check(listing)


def _was_asked(listing: Listing) -> bool:
    last = last_decided(listing)
    return last is not None and last.decision == ListingDecision.NEEDS_INFO


def last_decided(listing: Listing) -> PublicationReview | None:
    """Return the latest check of a listing, of any version, that was decided and still counts."""
    rows = PublicationReview.objects.of(listing).filter(status=PublicationStatus.SUBMITTED)
    return rows.order_by("-closed_at", "-pk").first()


def _of(pk: int) -> tuple[Listing, PublicationReview]:
    """Lock a check, its listing first, and return both."""
    row = PublicationReview.objects.with_listing().get(pk=pk)
    listing = lock(row.listing)
    row = PublicationReview.objects.select_for_update(of=("self",)).get(pk=pk)
    setattr(row, row.kind, listing)
    return listing, row


# --- Whose desk -----------------------------------------------------------------------------------


def waiting_publications() -> QuerySet[PublicationReview]:
    """Return the open checks that nobody answers for, the most urgent first.

    Without those that the operators have been asked to take after two managers stayed silent.
    """
    return PublicationReview.objects.waiting().with_listing().with_owner().order_by("due_on", "pk")


def barred_from(publications: Iterable[PublicationReview]) -> dict[int, set[int]]:
    """Return by check the users who do not get it: had it before, or rejected what is objected to.

    Ties are not among them, see `accounts.conflicts`. One query of each list.
    """
    rows = list(publications)
    barred: dict[int, set[int]] = defaultdict(set)
    for kind in ("demand", "achievement"):
        mine = {getattr(row, f"{kind}_id"): row for row in rows if row.kind == kind}
        if not mine:
            continue
        held = PublicationReview.objects.filter(**{f"{kind}__in": mine}).filter(
            status__in=(PublicationStatus.NO_RESPONSE, PublicationStatus.VOID)
        )
        for pk, version, manager in held.values_list(f"{kind}_id", "version", "manager"):
            if version == mine[pk].version and manager is not None:
                barred[mine[pk].pk].add(manager)
        objected = [pk for pk, row in mine.items() if row.appeal]
        rejections = ListingEvent.objects.filter(
            **{f"{kind}__in": objected}, after=ListingStatus.REJECTED, actor__isnull=False
        )
        for pk, actor in rejections.values_list(f"{kind}_id", "actor") if objected else ():
            barred[mine[pk].pk].add(actor)
    return dict(barred)


@transaction.atomic
def assign_publication(
    pk: int, profile: ManagerProfile, because: Mapping[str, Any]
) -> PublicationReview:
    """Put a waiting check on a manager's desk, and tell them.

    `because`: as in matchmaking's `Review.assigned_because`. Raises `IllegalMove` when it does not
    wait any more or this manager may not get it, `OwnSide` for a manager with a tie to the owner.
    """
    listing, row = _of(pk)
    if listing.status != ListingStatus.SUBMITTED or not row.is_open or row.manager_id is not None:
        raise IllegalMove(_("This check does not wait for a manager any more."))
    if not profile.is_certified or profile.user_id in barred_from([row]).get(row.pk, ()):
        raise IllegalMove(_("This manager cannot be given this check."))
    if has_tie(profile.user, [listing.owner_id]):
        raise OwnSide
    row.manager, row.assigned_because = profile.user, dict(because)
    row.assigned_at = timezone.now()
    # However long it has waited: whoever gets it has a whole working day.
    row.due_on = max(row.due_on, add_working_days(timezone.localdate(), 1))
    row.escalated_at, row.escalation = None, ""
    row.save(
        update_fields=(
            *("manager", "assigned_because", "assigned_at", "due_on"),
            *("escalated_at", "escalation"),
        )
    )
    notify(
        kind="listing.to_review",
        user=profile.user,
        key=f"listing.to_review:{row.pk}:{row.assigned_at:%Y%m%d%H%M%S%f}",
        payload={"publication": row.pk},
    )
    return row


def _next_desk(
    row: PublicationReview, status: PublicationStatus, *, escalate: bool = False
) -> PublicationReview:
    """Close a locked, open check that its manager keeps no longer; open the next one.

    What was handed in is the same, and so is what its owner objects; the clock begins anew.
    """
    row.move_to(status)
    row.closed_at = timezone.now()
    row.save(update_fields=("status", "closed_at"))
    following = _check_anew(row)
    if escalate:
        escalate_check(following, PublicationEscalation.NO_RESPONSE)
    return following


def _check_anew(row: PublicationReview) -> PublicationReview:
    """Open the next check of what a closed one was about; its clock begins today."""
    return PublicationReview.objects.create(
        demand=row.demand,
        achievement=row.achievement,
        version=row.version,
        due_on=due_from(timezone.localdate()),
        again=row.again,
        appeal=row.appeal,
    )


# --- Clocks ---------------------------------------------------------------------------------------


@transaction.atomic
def prolong_publication(pk: int, due_on: dt.date) -> PublicationReview | None:
    """Give the manager of an overdue check until `due_on`, as they were not reminded in time.

    Returns the check; None where there is nothing to prolong any more.
    """
    listing, row = _of(pk)
    if row.manager_id is None or not _is_overdue(listing, row):
        return None
    row.due_on = due_on
    row.save(update_fields=("due_on",))
    return row


def _is_overdue(listing: Listing, row: PublicationReview) -> bool:
    return (
        listing.status == ListingStatus.SUBMITTED
        and row.is_open
        and row.due_on < timezone.localdate()
    )


@transaction.atomic
def time_out_publication(pk: int) -> bool:
    """Take a check whose last day is over from its manager, or ask the operators.

    The next manager gets it; after two who stayed silent, or where none could be found, the
    operators are told. Safe to call twice. Returns whether anything was done.
    """
    listing, row = _of(pk)
    if not _is_overdue(listing, row):
        return False
    if row.manager_id is None:
        if row.escalated_at is not None:
            return False
        escalate_check(row, PublicationEscalation.NOBODY)
        return True
    silent = PublicationReview.objects.of(listing).filter(
        version=row.version, status=PublicationStatus.NO_RESPONSE, appeal=row.appeal
    )
    _next_desk(row, PublicationStatus.NO_RESPONSE, escalate=silent.count() + 1 >= SILENT_AT_MOST)
    return True


def escalate_check(row: PublicationReview, why: PublicationEscalation) -> None:
    """Say that a locked check waits for an operator, and tell them all."""
    row.escalated_at, row.escalation = timezone.now(), why
    row.save(update_fields=("escalated_at", "escalation"))
    for operator in operators():
        notify(
            kind="escalation.listing",
            user=operator,
            key=f"escalation.listing:{row.pk}:{row.escalated_at.isoformat()}:{operator.pk}",
            payload={"publication": row.pk},
        )


# --- Managers who may not -------------------------------------------------------------------------


def release_publications(user_ids: Collection[int]) -> int:
    """Take the open checks of managers who are suspended or expired. Return how many."""
    return sum(
        _release(pk)
        for pk in PublicationReview.objects.open()
        .filter(manager__in=user_ids)
        .values_list("pk", flat=True)
    )


@transaction.atomic
def _release(pk: int) -> bool:
    _listing, row = _of(pk)
    if not row.is_open or row.manager is None:
        return False
    profile = ManagerProfile.objects.filter(user=row.manager_id).first()
    if profile is not None and profile.is_certified:
        return False
    _next_desk(row, PublicationStatus.CANCELLED)
    return True


def void_publications(user_ids: Collection[int]) -> int:
    """Void the checks of people who turn out to have a tie to the owner. Return how many.

    Open ones go to the next manager. A decision that an owner can still object to is void too: the
    listing is checked again by somebody else; one that was published and that others have acted on
    since stays published, and the operators are told. The rows stay as a trace.
    """
    # Three calendar days for a working day: with any holidays between them.
    recent = timezone.now() - dt.timedelta(days=3 * settings.APPEAL_DAYS)
    rows = PublicationReview.objects.filter(
        Q(status=PublicationStatus.ASSIGNED, manager__in=user_ids)
        | Q(
            status=PublicationStatus.SUBMITTED,
            decided_by__in=user_ids,
            closed_at__gte=recent,
        )
    )
    return sum(_void(pk) for pk in rows.order_by("pk").values_list("pk", flat=True))


@transaction.atomic
def _void(pk: int) -> bool:
    listing, row = _of(pk)
    person = row.manager if row.is_open else row.decided_by
    if person is None or not has_tie(person, [listing.owner_id]):
        return False
    if row.is_open:
        _next_desk(row, PublicationStatus.VOID)
        return True
    if row.status != PublicationStatus.SUBMITTED or appeal_until(row) < timezone.localdate():
        return False
    decided = row.closed_at
    assert decided is not None  # a constraint of the table
    row.move_to(PublicationStatus.VOID)
    row.save(update_fields=("status",))
    take_back_notices(row)
    stands = (
        listing.version == row.version
        and listing.status == TARGETS[ListingDecision(row.decision)]
        and last_decided_any(listing) == row.pk
    )
    if not stands:
        return True
    if row.decision == ListingDecision.PUBLISH and touched_since(listing.kind, listing.pk, decided):
        escalate_check(row, PublicationEscalation.CONFLICT)
        return True
    back_to_check(listing, actor=None, verb=EventVerb.VOIDED)
    _check_anew(row)
    return True


def last_decided_any(listing: Listing) -> int | None:
    """Return the key of the latest check that was ever decided, void ones too."""
    rows = PublicationReview.objects.of(listing).exclude(decided_by=None)
    return rows.order_by("-closed_at", "-pk").values_list("pk", flat=True).first()


def appeal_until(row: PublicationReview) -> dt.date:
    """Return the last day on which the owner may object to a decision."""
    assert row.closed_at is not None
    decided = timezone.localtime(row.closed_at).date()
    return add_working_days(decided, settings.APPEAL_DAYS)


def notice_key(row: PublicationReview) -> str:
    """Return what the keys of the notifications about a decision begin with."""
    return f"listing.decided:{row.pk}:"


def take_back_notices(row: PublicationReview) -> None:
    take_back(prefix=notice_key(row))


def back_to_check(listing: Listing, *, actor: Any, verb: EventVerb, note: str = "") -> None:
    """Move a locked listing that was decided back to where it waits for a decision."""
    if listing.status == ListingStatus.PUBLISHED:
        # What was served for the first time by that decision waits for the next one.
        Attachment.objects.of(listing).filter(checked_at=listing.published_at).update(
            checked_at=None
        )
    move(listing, ListingStatus.SUBMITTED, actor=actor, verb=verb, note=note)
