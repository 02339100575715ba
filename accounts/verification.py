"""How it is proved who an organization is: points that are ticked, evidence, another credit code.

Every function locks the organization, checks, saves, and leaves an `AccountEvent`. It raises
`Refused` with a sentence for the person when the step is not possible now.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import IO

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.conflicts import announce, link_interests
from accounts.evidence import FOLDER, note_virus, remove, store
from accounts.files.taking import VirusFound, taken_in
from accounts.models import (
    AccountEvent,
    CheckPoint,
    CodeChange,
    CodeChangeStatus,
    Evidence,
    EvidenceKind,
    Membership,
    Organization,
    OrganizationStatus,
    User,
    VerificationCheck,
)
from accounts.notices import notify, owners_of
from accounts.services import (
    Refused,
    check_rules_members,
    code_taken,
    decidable,
    record,
)

Verb = AccountEvent.Verb
# A tick without a file of this kind needs a note that says where it was seen.
SHOWN_BY = {CheckPoint.LICENCE: EvidenceKind.LICENCE, CheckPoint.LETTER: EvidenceKind.LETTER}


# --- Points ---------------------------------------------------------------------------------------


@transaction.atomic
def tick(
    *, organization: Organization, actor: User, seen: str, points: Mapping[str, str]
) -> list[VerificationCheck]:
    """Make the ticks of an organization equal to `points`, each with its note.

    `seen` is the `fingerprint` of what was shown. Also while it is verified: a point may be looked
    at again. What is required for the verification stays ticked then.
    """
    organization = decidable(organization, actor, seen)
    stored = {check.point: check for check in organization.checks.all()}
    purposes = set(organization.evidence.present().values_list("purpose", flat=True))
    for point, note in points.items():
        _check_shown(CheckPoint(point), note, purposes)
    for point, check in stored.items():
        if point not in points:
            check.delete()
            record(Verb.UNCHECKED, actor=actor, organization=organization, note=_label(check.point))
    for point, note in points.items():
        known = stored.get(point)
        if known is not None and known.note == note:
            continue
        VerificationCheck.objects.update_or_create(
            organization=organization,
            point=point,
            defaults={"note": note, "checked_by": actor, "checked_at": timezone.now()},
        )
        said = f"{_label(point)}: {note}" if note else _label(point)
        record(Verb.CHECKED, actor=actor, organization=organization, note=said)
    return list(organization.checks.all())


def _label(point: str) -> str:
    return str(CheckPoint(point).label)


def _check_shown(point: CheckPoint, note: str, purposes: set[str]) -> None:
    if point in SHOWN_BY and SHOWN_BY[point] not in purposes and not note:
        raise Refused(
            _("“%(point)s”: nothing was uploaded for it, so write where you have seen it.")
            % {"point": point.label}
        )


# --- Evidence -------------------------------------------------------------------------------------


def add_evidence(
    *, organization: Organization, actor: User, purpose: str, upload: IO[bytes], name: str
) -> Evidence:
    """Check a file and keep it for the operators. Raises `ValidationError` with one sentence."""
    try:
        with taken_in(upload, name=name, folder=FOLDER) as kept, transaction.atomic():
            organization = _lock_as_owner(organization, actor)
            return store(organization, kept, actor=actor, purpose=purpose)
    except VirusFound as found:
        note_virus(organization, actor, found, name)
        raise


def _lock_as_owner(organization: Organization, actor: User) -> Organization:
    organization = Organization.objects.select_for_update().get(pk=organization.pk)
    check_rules_members(actor, organization.pk)
    return organization


@transaction.atomic
def remove_evidence(*, evidence: Evidence, actor: User) -> None:
    """Delete a file of evidence; its row stays. What was ticked because of it stays ticked."""
    assert evidence.organization is not None  # the caller found it through its organization
    organization = _lock_as_owner(evidence.organization, actor)
    found = organization.evidence.present().filter(pk=evidence.pk).first()
    if found is None:
        raise Refused(_("This file has just been removed."))
    change = found.code_change
    if change is not None and change.status == CodeChangeStatus.OPEN:
        raise Refused(_("This file belongs to an open request. Withdraw the request first."))
    remove(found, actor=actor)


# --- Another credit code --------------------------------------------------------------------------


def ask_for_code(
    *,
    organization: Organization,
    actor: User,
    new_code: str,
    reason: str,
    upload: IO[bytes],
    name: str,
) -> CodeChange:
    """Ask for another credit code, with a file that proves it. Until then the old one holds.

    The organization stays verified meanwhile: who it is was proved under the old code, and
    nothing under the new one counts before an operator has confirmed it.
    """
    _check_code(organization, new_code)
    try:
        with taken_in(upload, name=name, folder=FOLDER) as kept, transaction.atomic():
            organization = _lock_as_owner(organization, actor)
            _check_code(organization, new_code)
            change = CodeChange.objects.create(
                organization=organization,
                old_code=organization.credit_code,
                new_code=new_code,
                reason=reason,
                asked_by=actor,
            )
            store(organization, kept, actor=actor, purpose=EvidenceKind.CODE, change=change)
            record(
                Verb.CODE_ASKED,
                actor=actor,
                organization=organization,
                note=f"{change}: {reason}",
            )
            return change
    except VirusFound as found:
        note_virus(organization, actor, found, name)
        raise


def _check_code(organization: Organization, new_code: str) -> None:
    if organization.status != OrganizationStatus.VERIFIED:
        raise Refused(
            _("While your organization is being checked, correct the credit code in its entries.")
        )
    if new_code == organization.credit_code:
        raise Refused(_("This is the credit code you have now."))
    if organization.code_changes.filter(status=CodeChangeStatus.OPEN).exists():
        raise Refused(_("You have asked for another code already; it is being checked."))
    if Organization.objects.filter(credit_code=new_code).exists():
        raise code_taken()


@transaction.atomic
def recall_code(*, change: CodeChange, actor: User) -> CodeChange:
    """Withdraw one's request. An owner's act."""
    organization = _lock_as_owner(change.organization, actor)
    change = _open(change)
    _settle(change, CodeChangeStatus.RECALLED, actor=actor, answer="")
    record(Verb.CODE_RECALLED, actor=actor, organization=organization, note=str(change))
    return change


@transaction.atomic
def confirm_code(*, change: CodeChange, actor: User, note: str) -> CodeChange:
    """Give the organization its new code. An operator's act, not of the same organization.

    The point of the code is ticked anew with `note`: where the operator has compared it.
    """
    organization, change = _lock_change(change, actor)
    if not note:
        raise Refused(_("Please write where you have compared the new code."))
    if organization.credit_code != change.old_code:
        raise Refused(_("The code has changed since the request; refuse it, so that it is new."))
    organization.credit_code = change.new_code
    organization.verified_at = timezone.now() if organization.is_verified else None
    try:
        with transaction.atomic():
            organization.save(update_fields=("credit_code", "verified_at"))
    except IntegrityError:
        raise Refused(
            _("Another organization has registered with this code meanwhile. Nothing was changed.")
        ) from None
    VerificationCheck.objects.update_or_create(
        organization=organization,
        point=CheckPoint.CODE,
        defaults={"note": note[:200], "checked_by": actor, "checked_at": timezone.now()},
    )
    _settle(change, CodeChangeStatus.CONFIRMED, actor=actor, answer="")
    record(Verb.CODE_CHANGED, actor=actor, organization=organization, note=f"{change}: {note}")
    _tell_owners(change)
    link_interests(organization)
    announce(organizations=[organization.pk])
    return change


@transaction.atomic
def refuse_code(*, change: CodeChange, actor: User, reason: str) -> CodeChange:
    """Keep the old code, with a reason that the owners read."""
    organization, change = _lock_change(change, actor)
    if not reason:
        raise Refused(_("Please write what has to be changed; the organization reads it."))
    _settle(change, CodeChangeStatus.REFUSED, actor=actor, answer=reason)
    record(Verb.CODE_REFUSED, actor=actor, organization=organization, note=f"{change}: {reason}")
    _tell_owners(change)
    return change


def _tell_owners(change: CodeChange) -> None:
    for user in owners_of(change.organization_id):
        notify(
            kind="code_change.decided",
            user=user,
            key=f"code_change.decided:{change.pk}:{user.pk}",
            payload={"change": change.pk},
        )


def _lock_change(change: CodeChange, actor: User) -> tuple[Organization, CodeChange]:
    organization = Organization.objects.select_for_update().get(pk=change.organization_id)
    if not actor.is_operator:
        raise Refused(_("Only operators verify organizations."))
    if Membership.objects.filter(user=actor, organization=organization).exists():
        raise Refused(_("You belong to this organization, so another operator has to check it."))
    return organization, _open(change)


def _open(change: CodeChange) -> CodeChange:
    """Read the request again. The caller holds its organization."""
    found = CodeChange.objects.filter(pk=change.pk, status=CodeChangeStatus.OPEN).first()
    if found is None:
        raise Refused(_("This request has been answered or withdrawn meanwhile."))
    return found


def _settle(change: CodeChange, status: CodeChangeStatus, *, actor: User, answer: str) -> None:
    change.status, change.decided_by, change.answer = status, actor, answer
    change.decided_at = timezone.now()
    change.save(update_fields=("status", "decided_by", "decided_at", "answer"))
