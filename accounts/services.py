"""What people do with organizations, memberships and manager profiles.

Every function locks what it decides on, checks, saves, and leaves an `AccountEvent`. It raises
`Refused` with a sentence for the person when the step is not possible now.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.conflicts import announce, link_interests
from accounts.models import (
    AccountEvent,
    CheckPoint,
    InterestKind,
    ManagerInterest,
    ManagerProfile,
    Membership,
    MembershipRole,
    Organization,
    OrganizationStatus,
    User,
)
from accounts.notices import notify, owners_of, writers_of

Verb = AccountEvent.Verb

# A change of these makes it another organization as far as anybody can tell.
IDENTITY_FIELDS = ("name", "credit_code")
ORGANIZATION_FIELDS = (
    "name",
    "name_en",
    "kind",
    "credit_code",
    "region",
    "size",
    "field",
    "field_en",
    "summary",
    "contact_name",
    "contact_phone",
    "contact_email",
)
PERSON_FIELDS = ("name", "phone", "language")
# More open requests than this are not one person's; somebody is trying codes.
JOIN_REQUESTS_AT_MOST = 5
# Without these nobody is verified. A website is not everybody's.
REQUIRED_POINTS = (
    CheckPoint.CODE,
    CheckPoint.LICENCE,
    CheckPoint.CONTACT,
    CheckPoint.LETTER,
)
# Working days in which an operator answers.
VERIFY_WITHIN = 2


class Refused(Exception):
    """Not possible as things stand. The text is a sentence for the person."""


def record(
    verb: AccountEvent.Verb,
    *,
    actor: User | None,
    organization: Organization | None = None,
    subject: User | None = None,
    note: str = "",
) -> None:
    AccountEvent.objects.create(
        verb=verb, actor=actor, organization=organization, subject=subject, note=note[:300]
    )


# --- Organizations ------------------------------------------------------------------------------


def code_taken() -> Refused:
    return Refused(
        _("An organization with this credit code is registered already. Ask to join it instead.")
    )


@transaction.atomic
def register_organization(*, actor: User, content: Mapping[str, Any]) -> Organization:
    """Register an organization that awaits verification; `actor` becomes its first owner."""
    organization = Organization(**{name: content[name] for name in ORGANIZATION_FIELDS})
    if Organization.objects.filter(credit_code=organization.credit_code).exists():
        raise code_taken()
    try:
        with transaction.atomic():
            organization.save()
    except IntegrityError:  # somebody else registered it in this moment
        raise code_taken() from None
    Membership.objects.create(
        user=actor, organization=organization, role=MembershipRole.OWNER, is_active=True
    )
    record(Verb.REGISTERED, actor=actor, organization=organization, subject=actor)
    link_interests(organization)
    announce(users=[actor.pk], organizations=[organization.pk])
    return organization


@transaction.atomic
def change_organization(
    *, organization: Organization, actor: User, content: Mapping[str, Any]
) -> Organization:
    """Save an owner's changes.

    Another name or credit code has to be verified again, and so has whatever was returned.
    """
    organization = Organization.objects.select_for_update().get(pk=organization.pk)
    check_rules_members(actor, organization.pk)
    if organization.is_verified and content["credit_code"] != organization.credit_code:
        raise Refused(
            _(
                "A verified credit code is changed in two steps: ask for the new one on the page "
                "of the verification, and an operator confirms it."
            )
        )
    changed = [name for name in ORGANIZATION_FIELDS if getattr(organization, name) != content[name]]
    resubmitted = organization.status == OrganizationStatus.REJECTED
    if not changed and not resubmitted:
        return organization
    for name in changed:
        setattr(organization, name, content[name])
    if resubmitted or any(name in IDENTITY_FIELDS for name in changed):
        organization.status = OrganizationStatus.PENDING
        organization.status_reason = ""
        organization.verified_at = None
        # What was ticked was ticked for the entries before.
        organization.checks.all().delete()
    try:
        with transaction.atomic():
            organization.save(update_fields=[*changed, "status", "status_reason", "verified_at"])
    except IntegrityError:
        raise code_taken() from None
    labels = [str(Organization._meta.get_field(name).verbose_name) for name in changed]  # type: ignore[union-attr]
    record(Verb.CHANGED, actor=actor, organization=organization, note=", ".join(labels))
    link_interests(organization)
    announce(organizations=[organization.pk])
    return organization


def fingerprint(organization: Organization) -> str:
    """Say in a few characters what an operator has seen of an organization."""
    seen = "\x1f".join(str(getattr(organization, name)) for name in ORGANIZATION_FIELDS)
    return hashlib.sha256(f"{organization.status}\x1f{seen}".encode()).hexdigest()[:20]


def decidable(organization: Organization, actor: User, seen: str) -> Organization:
    """Lock the organization and make sure that `actor` may decide on what they have seen."""
    organization = Organization.objects.select_for_update().get(pk=organization.pk)
    if not actor.is_operator:
        raise Refused(_("Only operators verify organizations."))
    if Membership.objects.filter(user=actor, organization=organization).exists():
        raise Refused(_("You belong to this organization, so another operator has to check it."))
    if seen != fingerprint(organization):
        raise Refused(
            _(
                "This organization has changed since you opened the page: its entries, or "
                "another operator has answered. Nothing was saved; please look again."
            )
        )
    return organization


@transaction.atomic
def verify_organization(*, organization: Organization, actor: User, seen: str) -> Organization:
    """Confirm who an organization is; `seen` is the `fingerprint` of what was shown.

    Every point that is required must have been ticked (`accounts.verification.tick`).
    """
    organization = decidable(organization, actor, seen)
    if organization.status != OrganizationStatus.PENDING:
        raise Refused(_("This organization is not waiting for verification."))
    ticked = set(organization.checks.values_list("point", flat=True))
    missing = [point.label for point in REQUIRED_POINTS if point not in ticked]
    if missing:
        raise Refused(
            _("Not ticked yet: %(points)s.") % {"points": _("; ").join(map(str, missing))}
        )
    organization.status = OrganizationStatus.VERIFIED
    organization.status_reason = ""
    organization.verified_at = timezone.now()
    organization.save(update_fields=("status", "status_reason", "verified_at"))
    record(Verb.VERIFIED, actor=actor, organization=organization)
    _tell_writers("organization.verified", organization)
    return organization


@transaction.atomic
def return_organization(
    *, organization: Organization, actor: User, seen: str, reason: str
) -> Organization:
    """Return an organization with a reason, also one that was verified by mistake."""
    organization = decidable(organization, actor, seen)
    if organization.status == OrganizationStatus.REJECTED:
        raise Refused(_("This organization has been returned already."))
    if not reason:
        raise Refused(_("Please write what has to be changed; the organization reads it."))
    organization.status = OrganizationStatus.REJECTED
    organization.status_reason = reason
    organization.verified_at = None
    organization.save(update_fields=("status", "status_reason", "verified_at"))
    record(Verb.RETURNED, actor=actor, organization=organization, note=reason)
    _tell_writers("organization.returned", organization)
    return organization


def _tell_writers(kind: str, organization: Organization) -> None:
    """Tell who may write for an organization what an operator has just decided about it."""
    decided = timezone.now().isoformat()
    for user in writers_of(organization):
        notify(
            kind=kind,
            user=user,
            key=f"{kind}:{organization.pk}:{decided}:{user.pk}",
            payload={"organization": organization.pk},
        )


# --- One's own data -----------------------------------------------------------------------------


@transaction.atomic
def change_person(*, person: User, content: Mapping[str, Any]) -> User:
    """Save a person's name, phone and language. Another phone may tie them to somebody."""
    stored = User.objects.select_for_update().get(pk=person.pk)
    changed = [name for name in PERSON_FIELDS if getattr(stored, name) != content[name]]
    for name in changed:
        setattr(stored, name, content[name])
    if changed:
        stored.save(update_fields=changed)
    if "phone" in changed:
        announce_contact(stored)
    return stored


def announce_contact(person: User) -> None:
    """Tell that a person's phone or e-mail has changed: theirs ties them, and their colleagues'
    managers with the same one to the organization."""
    organizations = Membership.objects.active().filter(user=person)
    announce(
        users=[person.pk], organizations=list(organizations.values_list("organization", flat=True))
    )


# --- Members ------------------------------------------------------------------------------------


@transaction.atomic
def ask_to_join(*, actor: User, credit_code: str) -> Membership:
    """Ask the owners of an organization to let `actor` in."""
    # The person is locked: five windows at once must not make more requests than allowed.
    User.objects.select_for_update().get(pk=actor.pk)
    organization = Organization.objects.filter(credit_code=credit_code).first()
    if organization is None:
        raise Refused(
            _("No organization with this credit code is registered yet. You can register it.")
        )
    mine = Membership.objects.filter(user=actor)
    existing = mine.filter(organization=organization).first()
    if existing is not None:
        if existing.is_active:
            raise Refused(_("You are a member of this organization already."))
        raise Refused(_("You have asked already; its owners have not answered yet."))
    if mine.filter(is_active=False).count() >= JOIN_REQUESTS_AT_MOST:
        raise Refused(
            _("You have %(count)d open requests. Please wait until they are answered.")
            % {"count": JOIN_REQUESTS_AT_MOST}
        )
    membership = Membership.objects.create(
        user=actor, organization=organization, role=MembershipRole.EDITOR, is_active=False
    )
    record(Verb.JOIN_ASKED, actor=actor, organization=organization, subject=actor)
    for owner in owners_of(organization):
        notify(
            kind="member.asked",
            user=owner,
            # Who asks, withdraws and asks again rings once a day.
            key=f"member.asked:{organization.pk}:{actor.pk}:{timezone.localdate()}:{owner.pk}",
            payload={"organization": organization.pk, "person": actor.pk},
        )
    announce(users=[actor.pk])
    return membership


def _lock_members(organization_id: int) -> None:
    """Take the one lock under which the members of an organization change."""
    Organization.objects.select_for_update().get(pk=organization_id)


def check_rules_members(actor: User, organization_id: int) -> None:
    if actor.is_operator:
        return
    owner = Membership.objects.active().filter(
        user=actor, organization=organization_id, role=MembershipRole.OWNER
    )
    if not owner.exists():
        raise Refused(_("Only owners of the organization, or an operator, can do this."))


def _current(membership: Membership) -> Membership:
    found = (
        Membership.objects.select_related("organization", "user").filter(pk=membership.pk).first()
    )
    if found is None:
        raise Refused(_("This person is no longer on the list; somebody else was faster."))
    return found


@transaction.atomic
def answer_join(
    *, membership: Membership, actor: User, accepted: bool, role: str = MembershipRole.EDITOR
) -> None:
    """Let a person in with a role, or refuse. An owner's or an operator's act."""
    _lock_members(membership.organization_id)
    check_rules_members(actor, membership.organization_id)
    membership = _current(membership)
    if membership.is_active:
        raise Refused(_("This request has been answered already."))
    if accepted:
        membership.role = MembershipRole(role)
        membership.is_active = True
        membership.save(update_fields=("role", "is_active"))
        note = str(MembershipRole(role).label)
    else:
        membership.delete()
        note = ""
    record(
        Verb.JOINED if accepted else Verb.REFUSED,
        actor=actor,
        organization=membership.organization,
        subject=membership.user,
        note=note,
    )
    notify(
        kind="member.answered",
        user=membership.user,
        key=f"member.answered:{membership.organization_id}:{timezone.now().isoformat()}"
        f":{membership.user_id}",
        payload={"applied_to": membership.organization_id, "accepted": accepted},
    )
    announce(users=[membership.user_id], organizations=[membership.organization_id])


def _keep_an_owner(membership: Membership) -> None:
    """Refuse to take away the last owner. The caller holds the organization's lock."""
    if membership.role != MembershipRole.OWNER or not membership.is_active:
        return
    others = (
        Membership.objects.active()
        .filter(
            organization=membership.organization_id,
            role=MembershipRole.OWNER,
            user__is_active=True,
        )
        .exclude(pk=membership.pk)
    )
    if not others.exists():
        raise Refused(_("This is the last owner. Make somebody else an owner first."))


@transaction.atomic
def set_role(*, membership: Membership, actor: User, role: str) -> None:
    """Give a member another role. The last owner stays one."""
    _lock_members(membership.organization_id)
    check_rules_members(actor, membership.organization_id)
    membership = _current(membership)
    if not membership.is_active:
        raise Refused(_("This person is not a member yet; answer the request first."))
    if membership.role == role:
        return
    if role != MembershipRole.OWNER:
        _keep_an_owner(membership)
    before, membership.role = membership.get_role_display(), MembershipRole(role)
    membership.save(update_fields=("role",))
    record(
        Verb.CHANGED,
        actor=actor,
        organization=membership.organization,
        subject=membership.user,
        note=f"{before} → {membership.get_role_display()}",
    )


@transaction.atomic
def remove_member(*, membership: Membership, actor: User) -> None:
    """Take a member out; people may also leave, or withdraw their own request.

    A technology manager who leaves keeps the tie: the organization becomes a past employer.
    """
    _lock_members(membership.organization_id)
    if membership.user_id != actor.pk:
        check_rules_members(actor, membership.organization_id)
    membership = _current(membership)
    _keep_an_owner(membership)
    was_active = membership.is_active
    membership.delete()
    profile = ManagerProfile.objects.filter(user=membership.user_id).first()
    if was_active and profile is not None:
        add_past_employment(profile, membership.organization)
    record(
        Verb.CHANGED if was_active else Verb.REFUSED,
        actor=actor,
        organization=membership.organization,
        subject=membership.user,
        note=_("left the organization") if was_active else _("request withdrawn"),
    )
    announce(users=[membership.user_id])


def add_past_employment(profile: ManagerProfile, organization: Organization) -> None:
    """Make an organization that somebody has left a past employer. The tie stays."""
    ManagerInterest.objects.standing().get_or_create(
        profile=profile, organization=organization, kind=InterestKind.EMPLOYMENT
    )
