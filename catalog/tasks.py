"""What catalog does in the background, on the queue “default”. The beat schedule is in settings.

Tasks are safe to run twice, and may be lost: the next beat finds what was missed.
"""

from __future__ import annotations

from celery import shared_task
from django.db import OperationalError

from accounts.broker import send
from catalog import duplicates
from catalog.services import import_runs, reading_files, reminding, typed, watching


@shared_task(ignore_result=True)
def remind_owners() -> None:
    """Ask owners whether what runs out soon, or has just run out, is still true."""
    reminding.remind()


@shared_task(ignore_result=True)
def look_again() -> None:
    """Count what is new in saved searches, and write to those who want mails."""
    watching.write_news()
    watching.count_new()


@shared_task(ignore_result=True)
def read_attachment(attachment_id: int) -> None:
    """Read the text of a listing's document."""
    reading_files.read(attachment_id=attachment_id)


@shared_task(ignore_result=True)
def scan_attachment(attachment_id: int) -> None:
    """Scan a file that was held back."""
    reading_files.rescan(attachment_id=attachment_id)


@shared_task(ignore_result=True)
def sweep_attachments() -> None:
    """Find files whose text nobody has read, and those that wait for the virus scan."""
    for pk in reading_files.unread():
        if not send(read_attachment, pk):
            return
    for pk in reading_files.held():
        if not send(scan_attachment, pk):
            return


@shared_task(ignore_result=True)
def sign_listings() -> None:
    """Take the fingerprints of listings whose text is new, at most 2,000 of each list."""
    for kind in duplicates.MODELS:
        for _round in range(4):
            ids = duplicates.stale(kind)
            if not ids:
                break
            duplicates.sign(kind, ids)


@shared_task(ignore_result=True)
def forget_typed() -> None:
    """Drop what people had typed when their session was over, and did not come back for."""
    typed.forget_old()


@shared_task(ignore_result=True)
def tidy_attachments() -> None:
    """Delete stored files that belong to no attachment."""
    reading_files.tidy_up()


@shared_task(
    ignore_result=True,
    autoretry_for=(OperationalError,),  # the database restarts, a dead-lock: from the cursor on
    retry_backoff=True,
    max_retries=6,
)
def run_import(job_id: int) -> None:
    """Check an import's file or store its rows, then let the next job of its organization begin."""
    if import_runs.run(job_id=job_id):
        for pk in import_runs.waiting_behind(job_id=job_id):
            send(run_import, pk)


@shared_task(ignore_result=True)
def sweep_imports() -> None:
    """Find imports that nobody works on: the message was lost, or the worker was killed."""
    for pk in import_runs.stalled():
        if not send(run_import, pk):
            return


@shared_task(ignore_result=True)
def remove_old_imports() -> None:
    """Delete the files and rows of imports that ended long ago."""
    import_runs.remove_old()
