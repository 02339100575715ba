"""Questions about people and matches."""

from __future__ import annotations

from django.utils.translation import gettext as _

from accounts.conflicts import TieKind, sentence, tie_kinds
from accounts.models import Organization, User
from accounts.permissions import Tier, can_write_for, has_tie, is_certified_manager
from catalog.models import Listing
from matchmaking.models import Match, Review
from matchmaking.workflow import MatchStatus, ReviewStatus, Side


class ConflictOfInterest(Exception):
    """A manager with a tie to one side may not review or decide its match."""


def side_of(user: User, match: Match) -> Side | None:
    """Return the side that `user` belongs to, None for everybody else.

    One who belongs to both sides reads as the demand's; such a pair is never suggested.
    """
    own = set(
        user.memberships.filter(
            is_active=True,
            organization__in=(match.demand.owner_id, match.achievement.owner_id),
        ).values_list("organization", flat=True)
    )
    if match.demand.owner_id in own:
        return Side.DEMAND
    return Side.ACHIEVEMENT if match.achievement.owner_id in own else None


def owner_of(match: Match, side: str) -> int:
    return match.listing(side).owner_id


def can_answer(user: User, match: Match) -> bool:
    """Say whether `user` may agree or decline for the side they belong to."""
    side = side_of(user, match)
    return side is not None and can_write_for(user, owner_of(match, side))


def has_conflict(user: User, match: Match) -> bool:
    """Say whether `user` has or had a tie to either side."""
    return has_tie(user, [match.demand.owner_id, match.achievement.owner_id])


def tie_sentences(user: User, review: Review) -> list[str]:
    """Return what ties `user` to each side, in words; nothing before they know both names.

    The kind of a tie alone would tell a manager who is behind a blind description: which of the
    houses that they have to do with.
    """
    if review.manager_id != user.pk or review.accepted_at is None:
        return []
    match = review.match
    owners = {side: owner_of(match, side) for side in Side}
    kinds = tie_kinds(user, list(owners.values()))
    names = {Side.DEMAND: _("the demand side"), Side.ACHIEVEMENT: _("the achievement side")}
    return [
        sentence(kind, names[side])
        for side, owner in owners.items()
        for kind in TieKind
        if kind in kinds.get(owner, ())
    ]


def is_reviewer(user: User, match: Match) -> bool:
    """Say whether `user` has taken on the review of this match, or has decided it."""
    return (
        is_certified_manager(user)
        and Review.objects.filter(
            match=match,
            manager=user,
            status__in=(ReviewStatus.ACCEPTED, ReviewStatus.SUBMITTED),
        ).exists()
    )


def names_visible(user: User, match: Match) -> bool:
    """Say whether `user` may read both organizations' names.

    Both sides once they are introduced; the manager who took on the review; operators.
    """
    if user.is_operator or is_reviewer(user, match):
        return True
    return match.status == MatchStatus.INTRODUCED and side_of(user, match) is not None


def contacts_visible(user: User, match: Match) -> bool:
    """Say whether `user` may read both sides' contacts: after the introduction only."""
    if match.status != MatchStatus.INTRODUCED:
        return False
    return user.is_operator or is_reviewer(user, match) or side_of(user, match) is not None


def tier_through_matches(user: User, listing: Listing) -> Tier:
    """Return how far a match has brought `user` to a listing; see `catalog.acquaintance`."""
    other = Side.ACHIEVEMENT if listing.kind == Side.DEMAND else Side.DEMAND
    matches = Match.objects.filter(**{listing.kind: listing})
    met = Organization.objects.verified().filter(
        memberships__user=user, memberships__is_active=True
    )
    introduced = matches.filter(status=MatchStatus.INTRODUCED)
    if introduced.filter(**{f"{other}__owner__in": met}).exists():
        return Tier.INTRODUCED
    if not is_certified_manager(user):
        return Tier.PUBLIC
    status = (
        matches.filter(
            status__in=(MatchStatus.IN_REVIEW, MatchStatus.APPROVED, MatchStatus.INTRODUCED),
            reviews__manager=user,
            reviews__status__in=(ReviewStatus.ACCEPTED, ReviewStatus.SUBMITTED),
        )
        .values_list("status", flat=True)
        .distinct()
    )
    found = set(status)
    if not found or has_tie(user, [listing.owner_id]):
        return Tier.PUBLIC
    return Tier.INTRODUCED if MatchStatus.INTRODUCED in found else Tier.MANAGERS
