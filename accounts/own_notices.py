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
    Renewal,
    RenewalStatus,
    User,
)
from accounts.navigation import Role
from accounts.notices import Kind, Notice, register
from accounts.templatetags.kq import day


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
    renewals: dict[int, Renewal]
    # Who waits to be let in: the request by organization and person.
    waiting: dict[tuple[int, int], Membership]
    # Organizations that the reader has asked to join.
    applied_to: dict[int, Organization]


def load(user: User, notifications: Sequence[Notification]) -> Known:
    """Read it with one query a table, each only if a notification asks for it."""

    def named(key: str) -> set[int]:
        return {row.payload[key] for row in notifications if key in row.payload}

    changes = CodeChange.objects.in_bulk(named("change")) if named("change") else {}
    evidence = Evidence.objects.in_bulk(named("evidence")) if named("evidence") else {}
    renewals = Renewal.objects.in_bulk(named("renewal")) if named("renewal") else {}
    wanted = named("organization") | named("applied_to")
    wanted |= {change.organization_id for change in changes.values()}
    wanted |= {file.organization_id for file in evidence.values() if file.organization_id}
    members = Membership.objects.active().filter(user=user, organization__in=wanted)
    memberships = list(members.select_related("organization")) if wanted else []
    certified = bool(named("profile")) or any(file.profile_id for file in evidence.values())
    profile = ManagerProfile.objects.filter(user=user).first() if certified else None
    people, applied_to = named("person"), named("applied_to")
    requests = Membership.objects.filter(
        is_active=False, user__in=people, organization__in=named("organization")
    )
    asking = list(requests.select_related("user")) if people else []
    return Known(
        organizations={row.organization_id: row.organization for row in memberships},
        owned={row.organization_id for row in memberships if row.role == MembershipRole.OWNER},
        changes=changes,
        evidence=evidence,
        profile=profile,
        renewals=renewals,
        waiting={(row.organization_id, row.user_id): row for row in asking},
        applied_to=Organization.objects.in_bulk(applied_to) if applied_to else {},
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


def asked_to_join(notification: Notification, known: Known) -> Notice | None:
    organization = known.organizations.get(notification.payload["organization"])
    if organization is None or organization.pk not in known.owned:
        return None
    request = known.waiting.get((organization.pk, notification.payload["person"]))
    if request is None:
        return None
    return Notice(
        _("%(person)s asks to join %(organization)s")
        % {"person": request.user, "organization": organization.name},
        _("An owner lets them in or not; until then they see nothing of it."),
        reverse("organization_members", args=[organization.pk]),
    )


def join_answered(notification: Notification, known: Known) -> Notice | None:
    pk = notification.payload["applied_to"]
    is_member = pk in known.organizations
    if pk not in known.applied_to or is_member != notification.payload["accepted"]:
        return None
    organization = known.applied_to[pk]
    if is_member:
        return Notice(
            _("Now a member of %(organization)s") % {"organization": organization.name},
            _("Its demands, achievements and matches are open from now on."),
            reverse("organization"),
        )
    return Notice(
        # Who was not let in learns no more of it than the code that they typed.
        _("%(organization)s has not taken up the request to join")
        % {"organization": organization.credit_code},
        _("Whoever thinks that this is a mistake had better ask its owners."),
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
    if file is None or file.removed_at is None:
        return None
    if file.organization_id in known.owned:
        url = reverse("organization_verification", args=[file.organization_id])
    elif known.profile is not None and file.profile_id == known.profile.pk:
        url = reverse("manager_apply")
    else:
        return None
    return Notice(
        _("A virus was found in “%(file)s”") % {"file": file.name},
        _("The file was deleted. Upload a clean one, so that the check can go on."),
        url,
    )


# --- To technology managers -----------------------------------------------------------------------


def _profile(
    notification: Notification, known: Known, *status: ManagerStatus
) -> ManagerProfile | None:
    profile = known.profile
    if profile is None or profile.pk != notification.payload["profile"]:
        return None
    return profile if profile.status in status else None


def certified(notification: Notification, known: Known) -> Notice | None:
    profile = _profile(notification, known, ManagerStatus.CERTIFIED)
    if profile is None:
        return None
    return Notice(
        _("Certified as technology manager: %(grade)s") % {"grade": profile.get_grade_display()},
        _("Valid until %(day)s. Matches to review come to the workbench.")
        % {"day": day(profile.valid_until)}
        if profile.valid_until
        else _("Matches to review come to the workbench."),
        reverse("workbench"),
    )


def suspended(notification: Notification, known: Known) -> Notice | None:
    profile = _profile(notification, known, ManagerStatus.SUSPENDED)
    if profile is None:
        return None
    reason = {"reason": profile.status_reason}
    if profile.certified_at is None:
        return Notice(
            _("The application as technology manager was turned down"),
            _("Reason: %(reason)s") % reason,
            reverse("manager_apply"),
        )
    return Notice(
        _("The certification as technology manager is suspended"),
        _("Open reviews go to colleagues. Reason: %(reason)s") % reason,
        reverse("manager_apply"),
    )


def expiring(notification: Notification, known: Known) -> Notice | None:
    profile = _profile(notification, known, ManagerStatus.CERTIFIED, ManagerStatus.EXPIRED)
    if profile is None or str(profile.valid_until) != notification.payload["valid_until"]:
        return None
    until = {"day": day(profile.valid_until)}
    if profile.status == ManagerStatus.EXPIRED:
        return Notice(
            _("The technology manager's certificate ran out on %(day)s") % until,
            _("Open reviews went to colleagues. They come again once a newer one is checked."),
            reverse("manager_renewal"),
        )
    return Notice(
        _("The technology manager's certificate runs out on %(day)s") % until,
        _("Without a newer one, open reviews go to colleagues after that day."),
        reverse("manager_renewal"),
    )


def renewed(notification: Notification, known: Known) -> Notice | None:
    profile = known.profile
    renewal = known.renewals.get(notification.payload["renewal"])
    if profile is None or renewal is None or renewal.profile_id != profile.pk:
        return None
    if renewal.status == RenewalStatus.CONFIRMED:
        return Notice(
            _("The newer certificate is confirmed"),
            _("It holds until %(day)s.") % {"day": day(renewal.valid_until)},
            reverse("manager_own"),
        )
    if renewal.status == RenewalStatus.REFUSED:
        return Notice(
            _("The newer certificate was not confirmed"),
            _("The one so far still counts. Reason: %(reason)s") % {"reason": renewal.answer},
            reverse("manager_own"),
        )
    return None


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
        ("member.asked", gettext_lazy("Requests to join"), member, todo, now, asked_to_join),
        ("member.answered", gettext_lazy("Own requests to join"), member, info, now, join_answered),
        ("manager.certified", gettext_lazy("Certified"), manager, info, now, certified),
        ("manager.suspended", gettext_lazy("Suspended"), manager, info, now, suspended),
        ("manager.expiring", gettext_lazy("Certificate runs out"), manager, todo, now, expiring),
        ("manager.renewal", gettext_lazy("Newer certificate checked"), manager, info, now, renewed),
    ):
        register(Kind(code, label, role, group, mail, load, write))
