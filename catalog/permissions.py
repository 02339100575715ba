"""Questions about people and listings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from accounts.permissions import (
    Tier,
    can_write_for,
    has_tie,
    is_certified_manager,
    is_operator,
    reader_tier,
)
from catalog.acquaintance import tier_by_match
from catalog.models import Listing
from catalog.workflow import ListingStatus

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser

    from accounts.models import User


def belongs_to_owner(user: User | AnonymousUser, listing: Listing) -> bool:
    """Say whether `user` is an active member of the organization that owns the listing."""
    return (
        user.is_authenticated
        and user.memberships.filter(organization=listing.owner_id, is_active=True).exists()
    )


def can_edit(user: User | AnonymousUser, listing: Listing) -> bool:
    """Say whether `user` may write this listing in some status; the workflow says in which."""
    return user.is_authenticated and can_write_for(user, listing.owner_id)


def may_review_listings(user: User | AnonymousUser) -> bool:
    return user.is_authenticated and (user.is_operator or is_certified_manager(user))


def can_decide(user: User | AnonymousUser, listing: Listing) -> bool:
    """Say whether `user` may publish or refuse this listing: a manager or operator of no side."""
    return (
        user.is_authenticated
        and may_review_listings(user)
        and not has_tie(user, [listing.owner_id])
    )


def listing_tier(user: User | AnonymousUser, listing: Listing) -> Tier:
    """Return what `user` may read of this listing outside a match: its own side reads all of it."""
    if is_operator(user) or belongs_to_owner(user, listing):
        return Tier.INTRODUCED
    return reader_tier(user)


def may_see_owner(user: User | AnonymousUser, listing: Listing) -> bool:
    """Say whether the owner's name may be shown outside a match: to its own side and operators.

    A manager who checks a submitted listing sees it too, or could not tell an own side.
    """
    if not user.is_authenticated:
        return False
    if user.is_operator or belongs_to_owner(user, listing):
        return True
    return listing.status == ListingStatus.SUBMITTED and is_certified_manager(user)


def may_read_history(user: User | AnonymousUser, listing: Listing) -> bool:
    """Say whether `user` may read its versions: its own side, operators, and who checks it now."""
    return (
        is_operator(user)
        or belongs_to_owner(user, listing)
        or (listing.status == ListingStatus.SUBMITTED and can_decide(user, listing))
    )


def file_tier(user: User | AnonymousUser, listing: Listing) -> Tier:
    """Return which of a listing's files `user` gets: those up to this tier.

    What is in a file cannot be masked, and a letterhead names its owner: files for managers go to
    the manager who has taken a match of the listing on or who checks it, to no other.
    """
    tier = listing_tier(user, listing)
    if tier == Tier.INTRODUCED or not user.is_authenticated:
        return tier
    if listing.status == ListingStatus.SUSPENDED:
        return Tier.PUBLIC
    if listing.status == ListingStatus.SUBMITTED and can_decide(user, listing):
        return Tier.MANAGERS
    return max(min(tier, Tier.MEMBERS), tier_by_match(user, listing))
