"""What of matches and listings waits for a person, for the top bar."""

from __future__ import annotations

from typing import Any

from django.db.models import Q, QuerySet

from accounts.models import MembershipRole, User
from accounts.permissions import manager_profile
from catalog.models import Achievement, Demand
from catalog.workflow import ListingStatus
from matchmaking.models import Inquiry, Match, MatchQuerySet, Review
from matchmaking.workflow import InquiryStatus, MatchStatus, Side


def asked_of(side: str) -> QuerySet[Inquiry, Any]:
    """Return, as a subquery of matches, those of which a manager asks this side something."""
    waiting = Inquiry.objects.filter(side=side, status=InquiryStatus.OPEN)
    return waiting.values("review__match")


def awaiting_answer(user: User) -> MatchQuerySet:
    """Return what waits for a side of `user`: approved matches, and questions of a manager."""
    own = user.memberships.filter(
        is_active=True, role__in=(MembershipRole.OWNER, MembershipRole.EDITOR)
    ).values("organization")
    approved = Match.objects.filter(status=MatchStatus.APPROVED)
    demand_side = approved.filter(demand__owner__in=own).exclude(consents__side=Side.DEMAND)
    other_side = approved.filter(achievement__owner__in=own).exclude(
        consents__side=Side.ACHIEVEMENT
    )
    return Match.objects.filter(
        Q(pk__in=demand_side.values("pk"))
        | Q(pk__in=other_side.values("pk"))
        | Q(demand__owner__in=own, pk__in=asked_of(Side.DEMAND))
        | Q(achievement__owner__in=own, pk__in=asked_of(Side.ACHIEVEMENT))
    )


def counts(user: User) -> dict[str, int]:
    """Return the numbers by the keys of `accounts.navigation`; four queries for anybody."""
    found = {"answers": awaiting_answer(user).count()}
    is_manager = manager_profile(user) is not None
    if is_manager:
        found["reviews"] = Review.objects.open().filter(manager=user).count()
    if is_manager or user.is_operator:
        found["listings"] = sum(
            model.objects.filter(status=ListingStatus.SUBMITTED).count()
            for model in (Demand, Achievement)
        )
    return found
