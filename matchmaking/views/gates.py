"""The ways in: every page about a match or a review gets its row here.

Not allowed to know is 404; may see but not act is 403, with a sentence.
"""

from __future__ import annotations

from django.core.exceptions import PermissionDenied
from django.db.models import Prefetch, QuerySet
from django.http import QueryDict
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _

from accounts.http import UserRequest
from accounts.models import AccessEvent, ManagerProfile, User
from accounts.permissions import is_operator, manager_profile
from accounts.trace import record_access
from catalog.models import Achievement, Demand, Listing
from catalog.permissions import belongs_to_owner
from matchmaking import permissions, presenting
from matchmaking.models import Match, MatchQuerySet, Review
from matchmaking.workflow import Side

PAGE_SIZE = 20
# What `matchmaking.answers` reads of a match, beside the match itself.
ANSWER_PARTS = (
    "consents",
    Prefetch("reviews", Review.objects.select_related("manager__manager_profile")),
    "reviews__inquiries",
    "appeals",
    "feedback",
)


def for_lists(matches: QuerySet[Match]) -> MatchQuerySet:
    """Load what `answers.card_of` reads, in a fixed number of queries."""
    assert isinstance(matches, MatchQuerySet)
    return matches.with_listings().prefetch_related(*ANSWER_PARTS)


def get_match(user: User, number: str) -> Match:
    """Return a match that `user` may know of."""
    matches = Match.objects.visible_to(user).by_number(number).with_listings()
    # Which model and ranker found it; not the trees themselves.
    return get_object_or_404(matches.select_related("model", "ranker").defer("ranker__trees"))


def get_evidence(user: User, number: str) -> tuple[Match, presenting.Reader]:
    """Return a match whose evidence `user` may read, and what they may see of it."""
    match = get_match(user, number)
    reader = presenting.reader_of(user, match)
    if reader.is_manager and permissions.has_conflict(user, match) and not reader.side:
        raise PermissionDenied(
            _(
                "You belong to one side of this match or have declared an interest in it, so "
                "another manager will review it. Your record is not affected."
            )
        )
    if reader.is_manager and not reader.side and not reader.is_operator:
        # Whose certificate is suspended reads no descriptions any more.
        require_manager(user)
    return match, reader


def get_own_side(user: User, number: str) -> tuple[Match, Side]:
    """Return a match and the side that `user` speaks for."""
    match = get_match(user, number)
    side = permissions.side_of(user, match)
    if side is None:
        raise PermissionDenied(_("Only the two sides of a match answer it."))
    return match, side


def get_review(user: User, number: str) -> Review:
    """Return this manager's review of a match, unless it was handed back or taken away."""
    match = get_match(user, number)
    review = Review.objects.open_to(user).filter(match=match).order_by("-assigned_at").first()
    if review is None:
        raise PermissionDenied(_("Only the assigned manager can open this page."))
    review.match = match
    return review


def last_review(user: User, number: str) -> Review | None:
    """Return a review that `user` once held, also when it has been taken away meanwhile."""
    match = Match.objects.by_number(number).with_listings().first()
    if match is None:
        return None
    review = Review.objects.filter(match=match, manager=user).order_by("-assigned_at").first()
    if review is not None:
        review.match = match
    return review


def get_own_listing(user: User, kind: str, number: str) -> Listing:
    """Return a listing whose matches `user` may read: their own side's, or any for an operator."""
    model: type[Listing] = Demand if kind == Side.DEMAND else Achievement
    listing: Listing = get_object_or_404(
        model.objects.visible_to(user).by_number(number).select_related("owner")
    )
    if not (user.is_operator or belongs_to_owner(user, listing)):
        raise PermissionDenied(_("Only its owner can read the matches of a listing."))
    return listing


def require_operator(user: User) -> None:
    if not is_operator(user):
        raise PermissionDenied(_("This page is for operators only."))


def require_manager(user: User) -> ManagerProfile:
    profile = manager_profile(user)
    if profile is None:
        raise PermissionDenied(_("This page is for certified technology managers only."))
    return profile


def note_names(user: User, match: Match, *, contacts: bool) -> None:
    """Leave a row before both names, or contacts too, are shown to `user`."""
    kind = AccessEvent.Kind.CONTACTS if contacts else AccessEvent.Kind.NAMES
    record_access(actor=user, kind=kind, subject=AccessEvent.Subject.MATCH, number=match.number)


def posted(request: UserRequest) -> QueryDict | None:
    """Return what was sent, also when it is empty: an empty form was sent too."""
    return request.POST if request.method == "POST" else None
