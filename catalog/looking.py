"""Leaving a trace of who reads what is not for members: see `accounts.trace`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from accounts.models import AccessEvent
from accounts.permissions import Tier
from accounts.trace import record_access
from catalog.disclosure import RULES, closed, tier_of
from catalog.models import Listing
from catalog.permissions import belongs_to_owner

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser

    from accounts.models import User


def restricted(listing: Listing, tier: Tier, *, names: bool) -> list[str]:
    """Return the keys of what is filled, that a reader of `tier` gets and a member does not."""
    kind = listing.kind
    hidden = closed(kind, listing.disclosure, tier, names=names)
    return [
        key
        for key, rule in RULES[kind].items()
        if key not in hidden
        and tier_of(kind, key, listing.disclosure) > Tier.MEMBERS
        and any(
            getattr(listing, name) != listing._meta.get_field(name).get_default()  # type: ignore[union-attr]
            for name in rule.fields
        )
    ]


def note_look(user: User | AnonymousUser, listing: Listing, tier: Tier, *, names: bool) -> None:
    """Leave a row when somebody of another side reads the owner's name or restricted fields."""
    if not user.is_authenticated or belongs_to_owner(user, listing):
        return
    subject, number = AccessEvent.Subject.LISTING, listing.number
    if names:
        record_access(actor=user, kind=AccessEvent.Kind.NAMES, subject=subject, number=number)
    if keys := restricted(listing, tier, names=names):
        record_access(
            actor=user,
            kind=AccessEvent.Kind.RESTRICTED,
            subject=subject,
            number=number,
            note=", ".join(keys),
        )
