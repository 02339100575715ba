"""The first steps of each role: a short list that is gone when all is done, or put away for good.

What is done is read from what is there; nobody ticks anything. Steps that not everybody needs are
marked as such, and the list does not wait for them.
"""

from __future__ import annotations

from dataclasses import dataclass

from allauth.mfa.models import Authenticator
from django.conf import settings
from django.db.models import Q
from django.urls import reverse
from django.utils.translation import gettext as _

from accounts.context import Place
from accounts.models import (
    Absence,
    AccountEvent,
    ManagerProfile,
    MembershipRole,
    Organization,
)
from accounts.navigation import Role
from catalog.models import Achievement, Demand
from catalog.views.gate import MODELS, WORDS
from catalog.workflow import ListingStatus
from matchmaking.models import Consent, Review
from matchmaking.workflow import ReviewStatus, Side


@dataclass(frozen=True)
class Step:
    """One step. `url` is "" for what is not done in the browser; `hint` says where then."""

    label: str
    done: bool
    url: str = ""
    hint: str = ""
    # Not everybody needs it.
    optional: bool = False


@dataclass(frozen=True)
class Guide:
    role: Role
    steps: tuple[Step, ...]

    @property
    def done(self) -> int:
        return sum(step.done for step in self.steps if not step.optional)

    @property
    def total(self) -> int:
        return sum(not step.optional for step in self.steps)

    @property
    def next(self) -> Step | None:
        return next((step for step in self.steps if not step.done and not step.optional), None)


def guide_of(place: Place) -> Guide | None:
    """Return the first steps of the chosen role; None when they are done, or put away."""
    if place.role is None or place.role.value in place.user.guides_hidden:
        return None
    steps = {
        Role.MEMBER: _member,
        Role.MANAGER: _manager,
        Role.OPERATOR: _operator,
    }[place.role](place)
    guide = Guide(place.role, steps)
    return guide if guide.next is not None else None


def _member(place: Place) -> tuple[Step, ...]:
    """Steps of who writes for an organization, the first of theirs; viewers have none."""
    writing = [
        row
        for row in place.memberships
        if row.role in (MembershipRole.OWNER, MembershipRole.EDITOR)
    ]
    if not writing:
        return ()
    first, own = writing[0], {row.organization_id for row in writing}
    organization, is_owner = first.organization, first.role == MembershipRole.OWNER
    kind = (place.brings or ("demand",))[0]
    handed_in = any(
        MODELS[one].objects.filter(owner__in=own).exclude(status=ListingStatus.DRAFT).exists()
        for one in place.brings
    )
    answered = Consent.objects.filter(
        Q(side=Side.DEMAND, match__demand__owner__in=own)
        | Q(side=Side.ACHIEVEMENT, match__achievement__owner__in=own)
    )
    about = Step(
        _("Say what your organization does"),
        bool(organization.summary),
        reverse("organization_edit", args=[organization.pk]),
        _("The other side reads it once you are introduced."),
    )
    return (
        Step(
            _("Have your organization verified"),
            organization.is_verified,
            reverse("organization_verification", args=[organization.pk])
            if is_owner
            else reverse("organization"),
            _("An operator compares it with its licence, within two working days."),
        ),
        *((about,) if is_owner else ()),
        Step(
            _("Leave a phone number"),
            bool(place.user.phone),
            reverse("settings_profile"),
            _("Managers and partners reach you by it after an introduction."),
        ),
        Step(
            str(WORDS[kind].new),
            handed_in,
            reverse(f"{kind}_new"),
            _("Figures with units are compared one by one."),
        ),
        Step(
            _("Answer your first match"),
            answered.exists(),
            reverse("my_answers"),
            _("You are told when a manager has approved one."),
        ),
    )


def _manager(place: Place) -> tuple[Step, ...]:
    profile = place.profile
    assert profile is not None
    own, user = reverse("manager_own"), place.user
    looked_at = AccountEvent.objects.filter(
        subject=user, actor=user, verb=AccountEvent.Verb.CHANGED, organization=None
    )
    decided = Review.objects.filter(manager=user, status=ReviewStatus.SUBMITTED)
    return (
        Step(_("Have your certificate confirmed"), profile.is_certified, own),
        Step(
            _("Name the industries that you know"),
            bool(profile.classes),
            own,
            _("Matches come to you by them."),
        ),
        Step(
            _("Decide your first review"),
            decided.exists(),
            reverse("workbench"),
            _("Take one on, read both sides, and say yes or no with the reason."),
        ),
        Step(
            _("Say how many reviews you take at once"),
            looked_at.exists(),
            own,
            _("At most %(count)d now.") % {"count": profile.capacity},
            optional=True,
        ),
        Step(
            _("Declare whom you have ties to"),
            profile.interests.exists(),
            reverse("manager_interests"),
            _("Their matches go to others; your stars are not affected."),
            optional=True,
        ),
        Step(
            _("Mark your days off"),
            Absence.objects.filter(profile=profile).exists(),
            reverse("manager_absences"),
            _("No new reviews come on them."),
            optional=True,
        ),
    )


def _operator(place: Place) -> tuple[Step, ...]:
    published = any(
        model.objects.filter(published_at__isnull=False).exists() for model in (Demand, Achievement)
    )
    return (
        Step(
            _("Say who runs the platform"),
            bool(settings.SITE_OPERATOR),
            hint=_("Setting SITE_OPERATOR, on the server; every page shows it."),
        ),
        Step(
            _("Say how you are reached"),
            bool(settings.SITE_CONTACT),
            hint=_("Setting SITE_CONTACT, on the server."),
        ),
        Step(
            _("Protect your own account with a second step"),
            Authenticator.objects.filter(user=place.user).exists(),
            reverse("mfa_index"),
            _("Operators see everything."),
        ),
        Step(
            _("Certify the first technology manager"),
            ManagerProfile.objects.certified().exists(),
            reverse("ops_managers"),
            _("Without one, no match can be reviewed."),
        ),
        Step(
            _("Verify the first organization"),
            Organization.objects.verified().exists(),
            reverse("ops_organizations"),
        ),
        Step(
            _("Publish the first listing"),
            published,
            reverse("listing_queue"),
            _("Or import a list of them."),
        ),
    )
