"""What people do with an import job: send a file, confirm what the check says, cancel."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from accounts.broker import send
from accounts.files.storage import keep
from accounts.models import Organization, OrganizationStatus, User
from accounts.text import clean_line
from catalog.models import OPEN, ImportJob, ImportScope, ImportState
from catalog.services.reading import check_kind
from catalog.tasks import run_import
from catalog.workflow import IllegalMove

FOLDER = "imports"
# Jobs of one organization that are not finished: each keeps a file and its rows.
OPEN_AT_MOST = 5


def start_import(
    *,
    organization: Organization,
    actor: User,
    kind: str,
    path: Path,
    file_name: str,
    submit: bool = False,
    publish: bool = False,
) -> ImportJob:
    """Keep a file and have it checked.

    Raises `UnreadableFile` where it is not what it is called, `ValidationError` where the
    organization may not.
    """
    if organization.status == OrganizationStatus.REJECTED:
        raise ValidationError(
            _("Your organization was returned by the check. Correct its entry first.")
        )
    if (submit or publish) and not organization.is_verified:
        raise ValidationError(
            _("Your organization has not been verified yet. Import the rows as drafts.")
        )
    size = path.stat().st_size
    if not size:
        raise ValidationError(_("The file is empty."))
    if size > settings.IMPORT_BYTES:
        raise ValidationError(
            _("The file has %(size)d MB; at most %(limit)d MB are read. Please divide it.")
            % {"size": size // 2**20, "limit": settings.IMPORT_BYTES // 2**20}
        )
    check_kind(path, path.suffix)
    if ImportJob.objects.filter(organization=organization, state__in=OPEN).count() >= OPEN_AT_MOST:
        raise ValidationError(
            _("%(count)d imports are open already. Confirm or cancel one of them first.")
            % {"count": OPEN_AT_MOST}
        )
    kept = keep(path, folder=FOLDER)
    with transaction.atomic():
        job = ImportJob.objects.create(
            organization=organization,
            created_by=actor,
            kind=kind,
            file_name=_tidy_name(file_name),
            file=kept,
            size=size,
            language=get_language() or settings.LANGUAGE_CODE,
            submit=submit,
            publish=publish,
        )
        transaction.on_commit(partial(send, run_import, job.pk))
    return job


def _tidy_name(name: str) -> str:
    """Return a file name that can be shown: no path, nothing invisible, its ending kept."""
    path = Path(name.replace("\\", "/"))
    try:
        stem = clean_line(path.stem)
    except ValidationError:
        stem = _("table")
    return f"{stem[:100] or _('table')}{path.suffix.lower()[:10]}"


@transaction.atomic
def confirm_import(*, job: ImportJob, scope: str) -> ImportJob:
    """Have what the check found stored. Raises `IllegalMove`, or `ValidationError`."""
    job = _lock(job)
    if job.state != ImportState.CHECKED:
        raise IllegalMove(
            _("This import is “%(state)s”; there is nothing to confirm.")
            % {"state": job.get_state_display()}
        )
    if scope not in ImportScope.values:
        raise ValidationError(_("Please choose which rows are to be stored."))
    if scope == ImportScope.ALL and job.wrong:
        raise ValidationError(
            _("Some rows are wrong. Correct the file and send it again, or store the good rows.")
        )
    if not job.good:
        raise ValidationError(_("No row of this file can be stored."))
    if (job.submit or job.publish) and not job.organization.is_verified:
        raise ValidationError(
            _("Your organization has not been verified yet. Import the rows as drafts.")
        )
    job.state, job.scope, job.confirmed_at = ImportState.STORING, scope, timezone.now()
    job.token, job.heartbeat_at, job.attempts, job.done, job.cursor = "", None, 0, 0, 0
    job.total = job.good
    job.save(
        update_fields=(
            *("state", "scope", "confirmed_at", "token", "heartbeat_at", "attempts"),
            *("done", "cursor", "total"),
        )
    )
    transaction.on_commit(partial(send, run_import, job.pk))
    return job


@transaction.atomic
def cancel_import(*, job: ImportJob) -> ImportJob:
    """Stop a job. What it has stored so far stays. Raises `IllegalMove` when it has ended."""
    job = _lock(job)
    if not job.is_open:
        raise IllegalMove(
            _("This import is “%(state)s”; it cannot be cancelled.")
            % {"state": job.get_state_display()}
        )
    job.state, job.finished_at, job.token = ImportState.CANCELLED, timezone.now(), ""
    job.save(update_fields=("state", "finished_at", "token"))
    return job


def _lock(job: ImportJob) -> ImportJob:
    rows = ImportJob.objects.select_for_update(of=("self",)).select_related("organization")
    return rows.get(pk=job.pk)
