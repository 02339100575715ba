"""What a worker does with an import job: check its file, store its rows, take over what stalled.

The job's row is the truth. A run claims it by writing a token of its own; every transaction that
gets the job further ends with an update that asks for this token and the same state. A run that
was killed leaves the job where its last commit left it, the sweep has it taken over, and a run
that was only thought dead finds another token there and rolls back what it was doing.
"""

from __future__ import annotations

import logging
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import OperationalError, connections, transaction
from django.db.models import Count, DateField, F, Q
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import override

from accounts.files.storage import private_storage
from accounts.notices import notify
from catalog.models import (
    RUNNING,
    Achievement,
    Demand,
    ImportJob,
    ImportRow,
    ImportScope,
    ImportState,
    Listing,
    RowOutcome,
)
from catalog.services.importing import (
    Doubles,
    Parsed,
    RowError,
    Settled,
    Terms,
    hold,
    parse_all,
    settle,
    write,
)
from catalog.services.reading import Table, open_table
from catalog.services.sheet import headers
from catalog.services.unreadable import UnreadableFile

logger = logging.getLogger(__name__)

MODELS: dict[str, type[Listing]] = {"demand": Demand, "achievement": Achievement}
# Rows of one transaction: a second of work, after which others get their turn.
CHUNK = 200
# Seconds without a sign of life after which a run counts as dead. A chunk takes a few.
STALLED_SECONDS = 60
# Starts without getting any further: the file itself kills the worker.
MAX_ATTEMPTS = 3
# Of one row's errors, and of the sentence that a job fails with.
ERRORS_OF_A_ROW = 60
PROBLEM_LIMIT = 500
# Who still looks at the page of a checked file after so long has left it.
STAYED_FOR = timedelta(minutes=5)


class Superseded(Exception):
    """Another run has taken the job over, or somebody has cancelled it."""


def run(*, job_id: int) -> bool:
    """Get a job as far as it goes. Safe to call twice, at once or after each other.

    Return False where it has to wait: another job of the organization is being worked on.
    """
    job = _claim(job_id)
    if job is None:
        return not ImportJob.objects.filter(pk=job_id, state__in=RUNNING).exists()
    with override(job.language):
        try:
            if job.state == ImportState.CHECKING:
                _check(job)
            else:
                _store(job)
        except Superseded:
            logger.info("import %s: another run goes on, or it was cancelled", job.pk)
        except UnreadableFile as error:
            _fail(job, str(error))
        except OperationalError:
            # The database restarts, or a dead-lock: the task is tried again, from the cursor.
            _let_go(job)
            raise
        except Exception:
            logger.exception("import %s failed", job.pk)
            _let_go(job)
            raise
    return True


def waiting_behind(*, job_id: int) -> list[int]:
    """Return the next job of the same organization, which had to wait for this one."""
    owner = ImportJob.objects.filter(pk=job_id).values("organization")
    waiting = ImportJob.objects.filter(organization__in=owner, state__in=RUNNING, token="")
    return list(waiting.exclude(pk=job_id).order_by("pk").values_list("pk", flat=True)[:1])


def stalled() -> list[int]:
    """Return jobs that should be worked on and are not, oldest first."""
    before = timezone.now() - timedelta(seconds=STALLED_SECONDS)
    waiting = Q(heartbeat_at__isnull=True) | Q(heartbeat_at__lt=before)
    jobs = ImportJob.objects.filter(waiting, state__in=RUNNING).order_by("pk")
    return list(jobs.values_list("pk", flat=True)[:100])


def remove_old(*, limit: int = 200) -> int:
    """Delete the files and rows of jobs that ended long ago; close those nobody confirmed.

    The job itself stays, with its figures. Return how many were cleared.
    """
    before = timezone.now() - timedelta(days=settings.IMPORT_KEEP_DAYS)
    old = (
        ImportJob.objects.exclude(file="").filter(created_at__lt=before).exclude(state__in=RUNNING)
    )
    cleared = 0
    for job in old.order_by("pk")[:limit]:
        if job.state == ImportState.CHECKED:
            moved = ImportJob.objects.filter(pk=job.pk, state=ImportState.CHECKED).update(
                state=ImportState.CANCELLED, finished_at=timezone.now()
            )
            if not moved:
                continue
        private_storage().delete(job.file)
        ImportRow.objects.filter(job=job).delete()
        ImportJob.objects.filter(pk=job.pk).update(file="")
        cleared += 1
    return cleared


# --- Claiming -----------------------------------------------------------------------------------


@transaction.atomic
def _claim(job_id: int) -> ImportJob | None:
    """Make a job ours, unless somebody works on it or on another one of its organization."""
    found = ImportJob.objects.filter(pk=job_id).values_list("organization_id", flat=True).first()
    if found is None:
        return None
    # All jobs of an organization first, in order: two claims at once must not both see none.
    jobs = {
        job.pk: job
        for job in ImportJob.objects.select_for_update(of=("self",))
        .filter(organization=found, state__in=RUNNING)
        .select_related("organization", "created_by")
        .order_by("pk")
    }
    job, now = jobs.get(job_id), timezone.now()
    if job is None or not job.is_stalled(now, STALLED_SECONDS):
        return None
    if any(
        other.token and not other.is_stalled(now, STALLED_SECONDS)
        for other in jobs.values()
        if other.pk != job.pk
    ):
        return None
    job.token, job.heartbeat_at = secrets.token_hex(16), now
    job.attempts += 1
    fields = ["token", "heartbeat_at", "attempts"]
    if job.attempts > MAX_ATTEMPTS:
        with override(job.language):
            job.problem = _(
                "The import was interrupted %(count)d times at the same place and was given up. "
                "Please send the file in parts, or write to us."
            ) % {"count": MAX_ATTEMPTS}
        job.state, job.finished_at = ImportState.FAILED, now
        fields += ["problem", "state", "finished_at"]
    job.save(update_fields=fields)
    if job.state == ImportState.FAILED:
        _tell(job)
        return None
    return job


def _advance(job: ImportJob, **values: Any) -> None:
    """Write how far a job is. Raises `Superseded`, and so undoes the transaction around it."""
    values["heartbeat_at"] = timezone.now()
    if "cursor" in values:
        values["attempts"] = 0
    ours = ImportJob.objects.filter(pk=job.pk, token=job.token, state=job.state)
    if not ours.update(**values):
        raise Superseded
    for name, value in values.items():
        if not hasattr(value, "resolve_expression"):
            setattr(job, name, value)


def _let_go(job: ImportJob) -> None:
    """Leave a job to whoever comes next, at once."""
    ImportJob.objects.filter(pk=job.pk, token=job.token).update(token="", heartbeat_at=None)


def _fail(job: ImportJob, problem: str) -> None:
    with transaction.atomic():
        try:
            _advance(
                job,
                state=ImportState.FAILED,
                problem=problem[:PROBLEM_LIMIT],
                finished_at=timezone.now(),
            )
        except Superseded:
            return
        # What was read of a file that turned out to be unreadable is not to be stored.
        ImportRow.objects.filter(job=job).delete()
        _tell(job)


def _tell(job: ImportJob) -> None:
    """Tell who sent the file how far it is: it may take minutes, and its page may be left.

    What waits for a word of theirs is told only if they do not stay for it.
    """
    if job.created_by is None:
        return
    notify(
        kind="import.finished",
        user=job.created_by,
        key=f"import.finished:{job.pk}:{job.state}",
        payload={"job": job.pk, "state": str(job.state)},
        at=timezone.now() + STAYED_FOR if job.state == ImportState.CHECKED else None,
    )


# --- Checking -----------------------------------------------------------------------------------


def _check(job: ImportJob) -> None:
    """Read the file and keep every row with what it would do."""
    with _file_of(job) as path:
        table = open_table(path, headers(job.kind), max_rows=settings.IMPORT_MAX_ROWS)
        if not table.findings.rows:
            raise UnreadableFile(_("Below the header the file has no rows."))
        _advance(
            job,
            total=_total(table),
            unknown_columns=table.unknown[:100],
            columns=list(table.columns.values()),
        )
        terms, doubles = _terms(job), _doubles(job, table)
        parsed = (row for row in parse_all(table, job.kind) if row.number > job.cursor)
        while chunk := list(islice(parsed, CHUNK)):
            with transaction.atomic():
                settled = settle(chunk, terms, table.columns, doubles)
                ImportRow.objects.bulk_create([_row(job, one) for one in settled])
                _advance(job, cursor=chunk[-1].number, done=F("done") + len(chunk))
    with transaction.atomic():
        figures = _figures(job)
        if not sum(figures[name] for name in ("new", "changed", "same", "wrong")):
            raise UnreadableFile(_("Below the header the file has only the template's example."))
        _advance(job, **figures, state=ImportState.CHECKED, cursor=0, done=0, total=_rows_of(job))
        _tell(job)


def _total(table: Table) -> int:
    """Return how many rows there are to come, as far as it is known beforehand."""
    counted = table.findings.rows
    return max(0, counted - table.header_row) if table.path.suffix == ".xlsx" else counted


def _rows_of(job: ImportJob) -> int:
    return ImportRow.objects.filter(job=job).count()


def _row(job: ImportJob, one: Settled) -> ImportRow:
    good = one.outcome != RowOutcome.WRONG
    title = str(one.row.content.get("title") or "")
    return ImportRow(
        job=job,
        number=one.row.number,
        external_id=one.row.external_id,
        title=title[:200],
        content=one.row.content if good else {},
        problems=_kept(one.problems),
        notes=_kept(one.notes),
        outcome=one.outcome,
        listing=one.listing.pk if one.listing is not None else None,
    )


def _kept(errors: list[RowError]) -> list[list[str]]:
    return [[error.column, error.value, error.problem] for error in errors[:ERRORS_OF_A_ROW]]


def _doubles(job: ImportJob, table: Table) -> Doubles:
    """Return which ids and listings the rows had that an earlier run of the check has kept."""
    doubles = Doubles(table.columns)
    kept = ImportRow.objects.filter(job=job).exclude(external_id="").order_by("number")
    for number, external_id, listing in kept.values_list("number", "external_id", "listing"):
        doubles.ids.setdefault(external_id, number)
        if listing is not None:
            doubles.listings.setdefault(listing, number)
    return doubles


def _figures(job: ImportJob) -> dict[str, int]:
    rows = ImportRow.objects.filter(job=job)
    figures: dict[str, int] = rows.aggregate(
        **{outcome.value: Count("pk", filter=Q(outcome=outcome.value)) for outcome in RowOutcome},
        noted=Count("pk", filter=~Q(notes=[])),
    )
    return figures


def _terms(job: ImportJob) -> Terms:
    return Terms(
        MODELS[job.kind], job.organization, job.created_by, submit=job.submit, publish=job.publish
    )


@contextmanager
def _file_of(job: ImportJob) -> Iterator[Path]:
    """Have the file as one of this machine; the storage may be elsewhere."""
    suffix = Path(job.file_name).suffix.lower()
    with tempfile.NamedTemporaryFile(prefix="keqiao-import-", suffix=suffix) as local:
        with private_storage().open(job.file, "rb") as kept:
            while block := kept.read(1 << 20):
                local.write(block)
        local.flush()
        yield Path(local.name)


# --- Storing ------------------------------------------------------------------------------------


def _store(job: ImportJob) -> None:
    """Store the good rows: in pieces, or all in one transaction that any wrong row undoes."""
    if job.scope == ImportScope.ALL:
        _store_all(job)
        return
    while _store_chunk(job):
        pass
    with transaction.atomic():
        _finish(job)


def _store_chunk(job: ImportJob) -> bool:
    """Store the next rows behind the cursor, and the cursor with them. Return if there were any."""
    with transaction.atomic():
        hold(job.organization)
        rows = _next_rows(job, job.cursor)
        if not rows:
            return False
        _write_rows(job, rows)
        _advance(job, cursor=rows[-1].number, done=F("done") + len(rows))
    return True


def _store_all(job: ImportJob) -> None:
    """Store every row or none. What is done shows by another connection: ours tells nobody yet."""
    cursor = done = 0
    other = connections.create_connection("default")
    try:
        with transaction.atomic():
            hold(job.organization)
            while rows := _next_rows(job, cursor):
                wrong = _write_rows(job, rows)
                if wrong:
                    raise _Undone(wrong)
                cursor, done = rows[-1].number, done + len(rows)
                _show_life(other, job, done)
            _finish(job)
    except _Undone as undone:
        # Settled otherwise than at the check: somebody has changed a listing meanwhile.
        with transaction.atomic():
            for row in undone.rows:
                row.save(update_fields=("outcome", "problems"))
            _advance(
                job,
                **_figures(job),
                state=ImportState.FAILED,
                finished_at=timezone.now(),
                problem=_(
                    "Row %(row)d cannot be stored any more, so nothing was: %(problem)s Please "
                    "send the file again."
                )
                % {"row": undone.rows[0].number, "problem": undone.rows[0].problems[0][2]},
            )
            _tell(job)
    finally:
        other.close()


class _Undone(Exception):
    def __init__(self, rows: list[ImportRow]) -> None:
        super().__init__(len(rows))
        self.rows = rows


def _show_life(other: Any, job: ImportJob, done: int) -> None:
    with other.cursor() as cursor:
        cursor.execute(
            f"UPDATE {ImportJob._meta.db_table} SET heartbeat_at = %s, done = %s"
            " WHERE id = %s AND token = %s AND state = %s",
            [timezone.now(), done, job.pk, job.token, job.state],
        )


def _next_rows(job: ImportJob, cursor: int) -> list[ImportRow]:
    rows = ImportRow.objects.filter(job=job, number__gt=cursor).exclude(outcome=RowOutcome.WRONG)
    return list(rows.order_by("number")[:CHUNK])


def _write_rows(job: ImportJob, rows: list[ImportRow]) -> list[ImportRow]:
    """Settle rows anew, store those that are good, and note what became of each.

    Return those that were good at the check and are not now.
    """
    terms = _terms(job)
    parsed = [Parsed(row.number, row.external_id, _revived(terms, row.content), []) for row in rows]
    # The check has refused doubles, and settled rows carry field names where a header would stand.
    settled = settle(parsed, terms, {}, Doubles({}), lock=True)
    write(settled, terms)
    wrong, noted = [], []
    for row, one in zip(rows, settled, strict=True):
        row.outcome, row.is_stored = one.outcome, one.outcome != RowOutcome.WRONG
        row.listing = one.listing.pk if row.is_stored else None
        row.problems, before = _kept(one.problems), row.notes
        row.notes = _kept(one.notes)
        if not row.is_stored:
            wrong.append(row)
        if row.problems or row.notes != before:
            noted.append(row)
    ImportRow.objects.bulk_update(rows, ("outcome", "is_stored", "listing"))
    ImportRow.objects.bulk_update(noted, ("problems", "notes"))
    return wrong


def _revived(terms: Terms, content: dict[str, Any]) -> dict[str, Any]:
    """Return content as it was before it went through JSON, which knows no days."""
    revived = dict(content)
    for name in content:
        field = terms.model._meta.get_field(name)
        if isinstance(field, DateField):
            revived[name] = field.to_python(content[name])
    return revived


def _finish(job: ImportJob) -> None:
    _advance(job, **_figures(job), state=ImportState.DONE, finished_at=timezone.now())
    _tell(job)
