"""Questions about people, roles and organizations alone."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

from django.db.models import QuerySet

from accounts.conflicts import has_tie as has_tie
from accounts.models import (
    ManagerProfile,
    Membership,
    MembershipRole,
    Organization,
    OrganizationStatus,
    User,
)

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser


class Tier(IntEnum):
    """Disclosure tiers, each including those before it."""

    PUBLIC = 0
    MEMBERS = 1
    MANAGERS = 2
    INTRODUCED = 3


def manager_profile(user: User | AnonymousUser) -> ManagerProfile | None:
    """Return the profile of a certified technology manager, None for everybody else."""
    if not user.is_authenticated:
        return None
    profile: ManagerProfile | None = getattr(user, "manager_profile", None)
    return profile if profile is not None and profile.is_certified else None


def is_certified_manager(user: User | AnonymousUser) -> bool:
    return manager_profile(user) is not None


def is_operator(user: User | AnonymousUser) -> bool:
    return user.is_authenticated and user.is_operator


def reader_tier(user: User | AnonymousUser) -> Tier:
    """Return what `user` may read of listings in general.

    Members are active in a verified organization. Tier `INTRODUCED` belongs to a match, and
    tier `MANAGERS` here does not show names: those follow from an accepted review.
    """
    if not user.is_authenticated:
        return Tier.PUBLIC
    if user.is_operator or is_certified_manager(user):
        return Tier.MANAGERS
    member = Membership.objects.active().filter(
        user=user, organization__status=OrganizationStatus.VERIFIED
    )
    return Tier.MEMBERS if member.exists() else Tier.PUBLIC


def active_organizations(user: User) -> QuerySet[Organization]:
    return Organization.objects.filter(memberships__user=user, memberships__is_active=True)


def writable_organizations(user: User) -> QuerySet[Organization]:
    """Return the organizations in whose name `user` may write listings and answer."""
    return Organization.objects.filter(
        memberships__user=user,
        memberships__is_active=True,
        memberships__role__in=(MembershipRole.OWNER, MembershipRole.EDITOR),
    )


def can_write_for(user: User, organization_id: int) -> bool:
    return writable_organizations(user).filter(pk=organization_id).exists()


def owns(user: User, organization_id: int) -> bool:
    return (
        Membership.objects.active()
        .filter(user=user, organization=organization_id, role=MembershipRole.OWNER)
        .exists()
    )


def certified_managers() -> QuerySet[ManagerProfile]:
    return ManagerProfile.objects.certified().select_related("user")
