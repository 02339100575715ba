"""What tasks do with the files of listings: read their text, scan what was held, tidy up.

Schedules no task itself.
"""

from __future__ import annotations

import datetime as dt
from functools import partial

import structlog
from django.db import transaction
from django.utils import timezone

from accounts.files.inspecting import ABOUT_AT_MOST, read_text
from accounts.files.scanning import ScanState, scan
from accounts.files.storage import discard, private_storage, remove_orphans
from accounts.notices import notify, writers_of
from accounts.permissions import Tier
from accounts.text import clean_text
from catalog.leaks import without_names
from catalog.models import Attachment, AttachmentEvent, Listing, TextState
from catalog.services.moving import announce
from catalog.signals import listings_published

logger = structlog.get_logger(__name__)

FOLDER = "attachments"
# Of all files of one listing together: beyond this no window and hardly a word is new.
JOINED_AT_MOST = 60_000
# What has waited longer than this has lost its message.
LOST_AFTER = dt.timedelta(minutes=2)


def read(*, attachment_id: int) -> None:
    """Read the text of a document. Safe to run twice; whoever comes second writes nothing."""
    rows = Attachment.objects.served().filter(pk=attachment_id, text_state=TextState.WAITING)
    attachment = rows.first()
    if attachment is None:
        return
    try:
        with private_storage().open(attachment.file) as file:
            found = read_text(file, kind=attachment.kind)
    except FileNotFoundError:
        found = None
    # Slow until here, so no transaction is open.
    text = clean_text(found.text) if found is not None else ""
    state = TextState.FAILED if found is None else TextState.READY if text else TextState.EMPTY
    with transaction.atomic():
        locked = rows.select_for_update(of=("self",)).first()
        if locked is None:
            return
        locked.text, locked.text_state = text, state
        locked.about = clean_text(found.about)[:ABOUT_AT_MOST] if found is not None else ""
        if text and locked.joins_text:
            locked.text_changed_at = timezone.now()
            announce_text(locked.listing)
        locked.save(update_fields=("text", "text_state", "about", "text_changed_at"))


def rescan(*, attachment_id: int) -> None:
    """Scan a file that was held back, as no scanner had answered."""
    rows = Attachment.objects.present().filter(pk=attachment_id, scan=ScanState.HELD)
    attachment = rows.first()
    if attachment is None:
        return
    try:
        with private_storage().open(attachment.file) as file:
            finding = scan(file)
    except FileNotFoundError:
        logger.error("attachment_missing", attachment=attachment.pk)
        return
    if finding.state == ScanState.HELD:
        return
    with transaction.atomic():
        locked = rows.select_for_update(of=("self",)).first()
        if locked is None:
            return
        locked.scan = finding.state
        event = AttachmentEvent(attachment=locked, verb=AttachmentEvent.Verb.SCANNED)
        if finding.state == ScanState.INFECTED:
            locked.removed_at = timezone.now()
            event.verb, event.note = AttachmentEvent.Verb.INFECTED, finding.virus
            transaction.on_commit(partial(discard, locked.file))
        setattr(event, locked.listing.kind, locked.listing)
        locked.save(update_fields=("scan", "removed_at"))
        event.save()
        if finding.state == ScanState.INFECTED:
            _tell_virus(locked)


def _tell_virus(attachment: Attachment) -> None:
    """Tell the owner's side, long after the upload."""
    for user in writers_of(attachment.listing.owner_id):
        notify(
            kind="file.virus",
            user=user,
            key=f"file.virus:{attachment.pk}:{user.pk}",
            payload={"attachment": attachment.pk},
        )


def unread(*, limit: int = 200) -> list[int]:
    """Return the documents whose message was lost."""
    rows = Attachment.objects.served().filter(
        text_state=TextState.WAITING, added_at__lt=timezone.now() - LOST_AFTER
    )
    return list(rows.order_by("pk").values_list("pk", flat=True)[:limit])


def held(*, limit: int = 200) -> list[int]:
    rows = Attachment.objects.present().filter(scan=ScanState.HELD)
    return list(rows.order_by("pk").values_list("pk", flat=True)[:limit])


def tidy_up() -> int:
    """Delete stored files that belong to no attachment. Return how many."""
    return remove_orphans(FOLDER, _known)


def _known(names: list[str]) -> set[str]:
    rows = Attachment.objects.present().filter(file__in=names)
    return set(rows.values_list("file", flat=True))


def announce_text(listing: Listing) -> None:
    """Tell whoever compares listings that the text of a live one has changed."""
    if listing.is_live:
        announce(listings_published, listing.kind, [listing.pk])


def joined_texts(listing: Listing) -> list[tuple[Tier, str]]:
    """Return the texts of files that are to be compared, each with those who may read it.

    What waits for a reviewer does not speak yet to those it waits for, and what is kept for the
    introduction to nobody. Documents have letterheads: nobody finds a listing by its owner's name.
    """
    found: list[tuple[Tier, str]] = []
    room = JOINED_AT_MOST
    for attachment in Attachment.objects.of(listing).joining():
        tier = Tier.MANAGERS if attachment.waits_for_check else attachment.audience
        if room <= 0 or tier == Tier.INTRODUCED:
            continue
        found.append((tier, without_names(attachment.text[:room], listing.owner)))
        room -= len(attachment.text)
    return found
