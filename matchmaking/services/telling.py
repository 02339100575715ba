"""Whom the steps of a review are told to. The texts are written in `matchmaking.notices`.

Each is called in the transaction of its step, and nobody is told twice.
"""

from __future__ import annotations

import datetime as dt

from django.conf import settings
from django.utils import timezone

from accounts.notices import notify, operators, take_back, writers_of
from matchmaking.models import Match, Review
from matchmaking.workflow import Decision, Side


def taken(review: Review, why: str) -> None:
    """Tell a manager that a match is on their desk no more, and why: "no_response", "conflict",
    "suspended", "reassigned" or "reopened"."""
    notify(
        kind="review.taken",
        user=review.manager,
        key=f"review.taken:{review.pk}",
        payload={"review": review.pk, "why": why},
    )


def taken_on(match: Match) -> None:
    """Tell both sides, once for each listing, that a manager works on the first of its matches."""
    for side in Side:
        listing = match.listing(side)
        for user in writers_of(listing.owner):
            notify(
                kind="match.taken",
                user=user,
                key=f"match.taken:{listing.kind}:{listing.pk}:{user.pk}",
                payload={"match": match.pk, "side": str(side)},
            )


def decided(match: Match, review: Review) -> None:
    """Tell both sides of a decision as soon as it can be undone no more."""
    kind = "match.approved" if review.decision == Decision.APPROVE else "match.rejected"
    at = timezone.now() + dt.timedelta(minutes=settings.UNDO_MINUTES)
    for side in Side:
        for user in writers_of(match.listing(side).owner):
            notify(
                kind=kind,
                user=user,
                key=f"{kind}:{review.pk}:{user.pk}",
                payload={"match": match.pk, "side": str(side), "review": review.pk},
                at=at,
            )


def undone(review: Review) -> None:
    """Forget what was to be told of a decision that is undone."""
    for kind in ("match.approved", "match.rejected"):
        take_back(prefix=f"{kind}:{review.pk}:")


def introduced_by_a_tied_manager(review: Review) -> None:
    """Tell the operators of a tie that came to light after the sides had met."""
    for user in operators():
        notify(
            kind="conflict.introduced",
            user=user,
            key=f"conflict.introduced:{review.pk}:{user.pk}",
            payload={"review": review.pk},
        )
