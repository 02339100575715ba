"""What people are told of their organization, its evidence, and their certification."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.inbox import Choice, Group, Notification
from accounts.models import (
    CodeChange,
    CodeChangeStatus,
    Evidence,
    ManagerProfile,
    ManagerStatus,
    Membership,
    MembershipRole,
    Organization,
    OrganizationStatus,
    User,
)
from accounts.navigation import Role
from accounts.notices import Kind, Notice, register


@dataclass(frozen=True)
class Known:
    """What one reader's notifications are about, as far as it is theirs."""

    organizations: dict[int, Organization]
    # Of which of them the reader is an owner.
    owned: set[int]
    changes: dict[int, CodeChange]
    evidence: dict[int, Evidence]
    # The reader's own, whatever a payload names.
    profile: ManagerProfile | None


def load(user: User, notifications: Sequence[Notification]) -> Known:
    """Read it in five queries at most, each only if a notification asks for it."""

    def named(key: str) -> set[int]:
        return {row.payload[key] for row in notifications if key in row.payload}

    changes = CodeChange.objects.in_bulk(named("change")) if named("change") else {}
    evidence = Evidence.objects.in_bulk(named("evidence")) if named("evidence") else {}
    wanted = named("organization")
    wanted |= {change.organization_id for change in changes.values()}
    wanted |= {file.organization_id for file in evidence.values()}
    members = Membership.objects.active().filter(user=user, organization__in=wanted)
    memberships = list(members.select_related("organization")) if wanted else []
    profile = None
    if named("profile"):
        profile = ManagerProfile.objects.filter(user=user).first()
    return Known(
        organizations={row.organization_id: row.organization for row in memberships},
        owned={row.organization_id for row in memberships if row.role == MembershipRole.OWNER},
        changes=changes,
        evidence=evidence,
        profile=profile,
    )


def _organization(
    notification: Notification, known: Known, status: OrganizationStatus
) -> Organization | None:
    organization = known.organizations.get(notification.payload["organization"])
    return organization if organization and organization.status == status else None


def verified(notification: Notification, known: Known) -> Notice | None:
    organization = _organization(notification, known, OrganizationStatus.VERIFIED)
    if organization is None:
        return None
    return Notice(
        _("%(organization)s is verified") % {"organization": organization.name},
        _("From now on its demands and achievements can be handed in for publication."),
        reverse("organization"),
    )


def returned(notification: Notification, known: Known) -> Notice | None:
    organization = _organization(notification, known, OrganizationStatus.REJECTED)
    if organization is None:
        return None
    return Notice(
        _("%(organization)s could not be verified yet") % {"organization": organization.name},
        _("To be changed: %(reason)s. Correct the entries, and they are checked again.")
        % {"reason": organization.status_reason.rstrip(".。")},
        reverse("organization"),
    )


def code_decided(notification: Notification, known: Known) -> Notice | None:
    change = known.changes.get(notification.payload["change"])
    if change is None or change.organization_id not in known.owned:
        return None
    organization = known.organizations[change.organization_id]
    url = reverse("organization_code", args=[change.organization_id])
    if change.status == CodeChangeStatus.CONFIRMED:
        return Notice(
            _("The new credit code of %(organization)s is confirmed")
            % {"organization": organization.name},
            _("It holds from now on: %(code)s.") % {"code": change.new_code},
            url,
        )
    if change.status == CodeChangeStatus.REFUSED:
        return Notice(
            _("The new credit code of %(organization)s was not confirmed")
            % {"organization": organization.name},
            _("The code so far still holds. Reason: %(reason)s") % {"reason": change.answer},
            url,
        )
    return None


def evidence_refused(notification: Notification, known: Known) -> Notice | None:
    file = known.evidence.get(notification.payload["evidence"])
    if file is None or file.organization_id not in known.owned or file.removed_at is None:
        return None
    return Notice(
        _("A virus was found in “%(file)s”") % {"file": file.name},
        _("The file was deleted. Upload a clean one, so that the verification can go on."),
        reverse("organization_verification", args=[file.organization_id]),
    )


def _profile(
    notification: Notification, known: Known, status: ManagerStatus
) -> ManagerProfile | None:
    profile = known.profile
    if profile is None or profile.pk != notification.payload["profile"]:
        return None
    return profile if profile.status == status else None


def certified(notification: Notification, known: Known) -> Notice | None:
    profile = _profile(notification, known, ManagerStatus.CERTIFIED)
    if profile is None:
        return None
    return Notice(
        _("Certified as %(grade)s technology manager") % {"grade": profile.get_grade_display()},
        _("Matches to review now come to the workbench."),
        reverse("workbench"),
    )


def suspended(notification: Notification, known: Known) -> Notice | None:
    profile = _profile(notification, known, ManagerStatus.SUSPENDED)
    if profile is None:
        return None
    return Notice(
        _("The certification as technology manager is suspended"),
        _("No new matches come, and open reviews have gone to colleagues."),
        reverse("manager_apply"),
    )


def expiring(notification: Notification, known: Known) -> Notice | None:
    profile = _profile(notification, known, ManagerStatus.CERTIFIED)
    if profile is None:
        return None
    return Notice(
        _("The certification as technology manager runs out soon"),
        _("Hand in the renewal in time, or no more matches come after that day."),
        reverse("settings_profile"),
    )


def connect() -> None:
    """Make the kinds known. Called from `ready()`."""
    todo, info = Group.TODO, Group.INFO
    manager, member = Role.MANAGER, Role.MEMBER
    now = Choice.NOW
    for code, label, role, group, mail, write in (
        (
            "organization.verified",
            gettext_lazy("Organization verified"),
            member,
            info,
            now,
            verified,
        ),
        (
            "organization.returned",
            gettext_lazy("Organization returned"),
            member,
            todo,
            now,
            returned,
        ),
        (
            "code_change.decided",
            gettext_lazy("Credit code decided"),
            member,
            info,
            now,
            code_decided,
        ),
        (
            "evidence.refused",
            gettext_lazy("Evidence with a virus"),
            member,
            todo,
            now,
            evidence_refused,
        ),
        ("manager.certified", gettext_lazy("Certified as manager"), manager, info, now, certified),
        (
            "manager.suspended",
            gettext_lazy("Certification suspended"),
            manager,
            info,
            now,
            suspended,
        ),
        ("manager.expiring", gettext_lazy("Certification runs out"), manager, todo, now, expiring),
    ):
        register(Kind(code, label, role, group, mail, load, write))
