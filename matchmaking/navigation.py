"""What of matches and listings waits for a person, for the top bar."""

from __future__ import annotations

from typing import Any

from django.db.models import Q, QuerySet

from accounts.models import MembershipRole, User
from accounts.permissions import manager_profile
from catalog import checking
from matchmaking.models import Inquiry, Match, MatchQuerySet, Review
from matchmaking.workflow import OPEN, InquiryStatus, MatchStatus, Side


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


def escalated() -> MatchQuerySet:
    """Return the open matches that the operators have been asked to see to."""
    return Match.objects.filter(status__in=OPEN).exclude(escalation="")


def counts(user: User) -> dict[str, int]:
    """Return the numbers by the keys of `accounts.navigation`: a query for each of them."""
    found = {"answers": awaiting_answer(user).count()}
    if manager_profile(user) is not None:
        found["reviews"] = Review.objects.open().filter(manager=user).count()
        found["listings"] = checking.desk(user).count()
    if user.is_operator:
        found["nobodys"] = checking.nobodys(user).count()
        found["escalated"] = escalated().count()
    return found
