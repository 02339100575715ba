"""Files that prove something to an operator: of an organization, or of a technology manager.

What is common to both: keeping them, reading them, removing them, and the virus scan that comes
late. Who may add or remove them say `accounts.verification` and `accounts.certification`.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.files.inspecting import FileKind, read_text
from accounts.files.scanning import ScanState, scan
from accounts.files.storage import discard, private_storage, remove_orphans
from accounts.files.taking import Kept, VirusFound
from accounts.models import (
    AccountEvent,
    CodeChange,
    Evidence,
    EvidenceKind,
    ManagerProfile,
    Organization,
    Renewal,
    User,
)
from accounts.notices import notify, owners_of
from accounts.services import record

Verb = AccountEvent.Verb
Owner = Organization | ManagerProfile
FOLDER = "evidence"
# Of one owner: more than anybody looks through.
EVIDENCE_AT_MOST = 20
# Characters of a document that are shown beside the entries: a certificate has fewer.
TEXT_AT_MOST = 4000


def store(
    owner: Owner,
    kept: Kept,
    *,
    actor: User,
    purpose: str,
    change: CodeChange | None = None,
    renewal: Renewal | None = None,
) -> Evidence:
    """Write the row of a file that is kept. The caller holds the lock of the owner's row.

    Raises `ValidationError` when there are too many, or the very file is here.
    """
    present = owner.evidence.present()
    if present.count() >= EVIDENCE_AT_MOST:
        if isinstance(owner, Organization):
            sentence = _(
                "An organization has at most %(limit)d files of evidence. Remove one first."
            )
        else:
            sentence = _("You have at most %(limit)d files of evidence. Remove one first.")
        raise ValidationError(sentence % {"limit": EVIDENCE_AT_MOST}, code="count")
    if present.filter(sha256=kept.sha256).exists():
        raise ValidationError(_("This very file is here already."), code="same_file")
    evidence = Evidence.objects.create(
        organization=owner if isinstance(owner, Organization) else None,
        profile=owner if isinstance(owner, ManagerProfile) else None,
        code_change=change,
        renewal=renewal,
        purpose=EvidenceKind(purpose),
        file=kept.file,
        name=kept.name,
        kind=kept.kind,
        size=kept.size,
        sha256=kept.sha256,
        scan=kept.scan,
        added_by=actor,
    )
    record(Verb.FILE_ADDED, actor=actor, note=_said(evidence), **_about(owner))
    return evidence


def _about(owner: Owner) -> dict[str, Any]:
    if isinstance(owner, ManagerProfile):
        return {"subject": owner.user}
    return {"organization": owner}


def _owner(evidence: Evidence) -> Owner:
    owner = evidence.profile or evidence.organization
    assert owner is not None  # `evidence_of_one`
    return owner


def _said(evidence: Evidence) -> str:
    return f"{evidence.get_purpose_display()}: {evidence.name}"


def note_virus(owner: Owner, actor: User | None, found: VirusFound, name: str) -> None:
    record(Verb.FILE_REFUSED, actor=actor, note=f"{found.virus}: {name}", **_about(owner))


def remove(evidence: Evidence, *, actor: User) -> None:
    """Delete a file; its row stays. The caller holds the lock of the owner's row."""
    evidence.removed_at, evidence.removed_by = timezone.now(), actor
    evidence.save(update_fields=("removed_at", "removed_by"))
    record(Verb.FILE_REMOVED, actor=actor, note=_said(evidence), **_about(_owner(evidence)))
    transaction.on_commit(partial(discard, evidence.file))


def note_read(*, evidence: Evidence, actor: User) -> None:
    """Remember that somebody has opened a file of evidence."""
    record(Verb.FILE_READ, actor=actor, note=_said(evidence), **_about(_owner(evidence)))


def text_of(evidence: Evidence) -> str:
    """Return the beginning of a document's text, to be read beside the entries.

    "" of a picture, of a scan without words, and of what cannot be read.
    """
    if evidence.kind not in (FileKind.PDF, FileKind.DOCX) or evidence.is_held:
        return ""
    try:
        with private_storage().open(evidence.file) as file:
            found = read_text(file, kind=evidence.kind)
    except FileNotFoundError:
        return ""
    return found.text[:TEXT_AT_MOST].strip() if found is not None else ""


# --- Run by tasks ---------------------------------------------------------------------------------


def rescan_held(*, limit: int = 100) -> None:
    """Scan evidence that was held back, as no scanner had answered."""
    held = Evidence.objects.present().filter(scan=ScanState.HELD)
    held = held.select_related("organization", "profile__user")
    for evidence in held.order_by("pk")[:limit]:
        try:
            with private_storage().open(evidence.file) as file:
                finding = scan(file)
        except FileNotFoundError:
            continue
        if finding.state == ScanState.HELD:
            return  # it does not answer for the others either
        rows = Evidence.objects.present().filter(pk=evidence.pk, scan=ScanState.HELD)
        if finding.state != ScanState.INFECTED:
            rows.update(scan=finding.state)
            continue
        with transaction.atomic():
            if rows.update(scan=finding.state, removed_at=timezone.now()):
                found = VirusFound(finding.virus)
                note_virus(_owner(evidence), None, found, evidence.name)
                _tell_virus(evidence)
                transaction.on_commit(partial(discard, evidence.file))


def _tell_virus(evidence: Evidence) -> None:
    """Tell whose evidence it was, long after they uploaded it."""
    owner = _owner(evidence)
    people = [owner.user] if isinstance(owner, ManagerProfile) else owners_of(owner)
    for user in people:
        notify(
            kind="evidence.refused",
            user=user,
            key=f"evidence.refused:{evidence.pk}:{user.pk}",
            payload={"evidence": evidence.pk},
        )


def tidy_up() -> int:
    """Delete stored files that belong to no evidence. Return how many."""
    return remove_orphans(FOLDER, _known)


def _known(names: list[str]) -> set[str]:
    rows = Evidence.objects.present().filter(file__in=names)
    return set(rows.values_list("file", flat=True))
