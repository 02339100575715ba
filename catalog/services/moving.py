"""What every step in the life of a listing has in common: lock, move, event, announcement."""

from __future__ import annotations

import datetime as dt
from functools import partial
from typing import TypeVar

from django.db import transaction
from django.dispatch import Signal
from django.utils import timezone

from accounts.models import User
from catalog.models import Listing, ListingEvent
from catalog.signals import listings_left, listings_published
from catalog.workflow import ListingStatus

L = TypeVar("L", bound=Listing)


class OwnSide(Exception):
    """Nobody decides on a listing of an organization they have a tie to."""


def lock(listing: L) -> L:
    """Read the row again and hold it until the transaction ends."""
    rows = type(listing).objects.select_for_update(of=("self",)).select_related("owner")
    locked: L = rows.get(pk=listing.pk)
    return locked


def move(
    listing: L,
    status: ListingStatus,
    *,
    actor: User | None,
    reason: str = "",
    note: str = "",
    verb: str = "",
    save: tuple[str, ...] = (),
    valid_until: dt.date | None = None,
) -> L:
    """Change a locked listing's status, log it, and announce what others must know.

    Raises `IllegalMove` for a move that is not in the table.
    """
    before = listing.status
    listing.move_to(status)
    listing.updated_at = timezone.now()
    listing.save(update_fields=(*save, "status", "updated_at"))
    log(
        listing,
        actor=actor,
        before=before,
        reason=reason,
        note=note,
        verb=verb,
        valid_until=valid_until,
    )
    if status == ListingStatus.PUBLISHED:
        announce(listings_published, listing.kind, [listing.pk])
    elif before in (ListingStatus.PUBLISHED, ListingStatus.SUBMITTED):
        announce(listings_left, listing.kind, [listing.pk])
    return listing


def log(
    listing: Listing,
    *,
    actor: User | None,
    before: str,
    reason: str = "",
    note: str = "",
    verb: str = "",
    valid_until: dt.date | None = None,
) -> ListingEvent:
    return ListingEvent.objects.create(
        **{listing.kind: listing},
        actor=actor,
        before=before,
        after=listing.status,
        version=listing.version,
        verb=verb,
        reason=reason,
        note=note[:1000],
        valid_until=valid_until,
    )


def announce(signal: Signal, kind: str, ids: list[int]) -> None:
    """Send one of catalog's signals once the transaction is committed."""
    transaction.on_commit(partial(signal.send, sender=None, kind=kind, ids=ids))
