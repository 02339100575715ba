"""What owners do with the files of a listing. Reading their text is `reading_files`."""

from __future__ import annotations

from functools import partial
from typing import IO, TypeVar

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import Max, Q, Sum
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.broker import send
from accounts.files.inspecting import WITH_TEXT
from accounts.files.storage import discard
from accounts.files.taking import Kept, VirusFound, taken_in
from accounts.models import Organization, User
from accounts.permissions import Tier
from accounts.text import clean_line
from catalog.leaks import find_leaks
from catalog.models import (
    FILE_TITLE_LIMIT,
    Attachment,
    AttachmentEvent,
    Listing,
    TextState,
)
from catalog.services.reading_files import FOLDER, announce_text
from catalog.tasks import read_attachment
from catalog.workflow import EDITABLE, IllegalMove

Verb = AttachmentEvent.Verb
L = TypeVar("L", bound=Listing)


def attach(
    *,
    listing: Listing,
    actor: User,
    upload: IO[bytes],
    name: str,
    title: str,
    tier: Tier = Tier.MANAGERS,
    joins_text: bool = False,
) -> Attachment:
    """Check a file and add it to a listing.

    Raises `ValidationError` with one sentence when the file or its title is not taken, and
    `IllegalMove` when the listing cannot be changed now. Nothing is left behind then.
    """
    # The lasting checks are made under a lock below; these spare the work of opening the file.
    _check_editable(listing)
    _check_room(listing, 0)
    title = clean_title(listing, title)
    try:
        with taken_in(upload, name=name, folder=FOLDER) as kept:
            row = Attachment(title=title, tier=tier, joins_text=joins_text, added_by=actor)
            return _add(listing, kept, row)
    except VirusFound as found:
        _log(listing, Verb.INFECTED, actor=actor, note=f"{found.virus}: {name}")
        raise


@transaction.atomic
def _add(listing: Listing, kept: Kept, attachment: Attachment) -> Attachment:
    listing = _lock(listing)
    _check_editable(listing)
    _check_room(listing, kept.size)
    rows = Attachment.objects.of(listing)
    setattr(attachment, listing.kind, listing)
    attachment.number = (rows.aggregate(last=Max("number"))["last"] or 0) + 1
    attachment.file, attachment.name = kept.file, kept.name
    attachment.kind, attachment.size, attachment.sha256 = kept.kind, kept.size, kept.sha256
    attachment.scan = kept.scan
    attachment.text_state = TextState.WAITING if kept.kind in WITH_TEXT else TextState.NONE
    if attachment.kind not in WITH_TEXT:
        attachment.joins_text = False
    try:
        with transaction.atomic():
            attachment.save()
    except IntegrityError:
        if rows.present().filter(sha256=kept.sha256).exists():
            raise ValidationError(
                _("This very file is attached already."), code="same_file"
            ) from None
        raise
    _log(
        listing, Verb.ADDED, actor=attachment.added_by, attachment=attachment, note=attachment.title
    )
    if attachment.text_state == TextState.WAITING:
        transaction.on_commit(partial(send, read_attachment, attachment.pk))
    return attachment


@transaction.atomic
def change(
    *, attachment: Attachment, actor: User, title: str, tier: Tier, joins_text: bool
) -> Attachment:
    """Save another title, other readers, or whether the text joins what is compared.

    For more readers than before, or another title, a reviewer sees the file again before
    everybody or members get it. Fewer readers take effect at once, in every status. Raises
    `ValidationError`, or `IllegalMove` when the listing cannot be changed now.
    """
    listing = _lock(attachment.listing)
    attachment = _lock_file(attachment)
    title = clean_title(listing, title)
    joins_text = joins_text and attachment.kind in WITH_TEXT
    changed: list[str] = []
    note = []
    if title != attachment.title:
        changed.append("title")
        note.append(f"{attachment.title} → {title}")
    if tier != attachment.audience:
        changed.append("tier")
        note.append(f"{attachment.audience.name.lower()} → {tier.name.lower()}")
    if joins_text != attachment.joins_text:
        changed.append("joins_text")
        note.append("text joins" if joins_text else "text stays out")
    if not changed:
        return attachment
    opens = tier < attachment.audience or "title" in changed
    if opens or (joins_text and "joins_text" in changed):
        _check_editable(listing)
    joined = attachment.joins_text or joins_text
    attachment.title, attachment.tier, attachment.joins_text = title, tier, joins_text
    if opens:
        attachment.checked_at = None
    if joined and changed != ["title"]:
        attachment.text_changed_at = timezone.now()
        announce_text(listing)
    attachment.save(update_fields=("title", "tier", "joins_text", "checked_at", "text_changed_at"))
    _log(listing, Verb.CHANGED, actor=actor, attachment=attachment, note="; ".join(note))
    return attachment


@transaction.atomic
def remove(*, attachment: Attachment, actor: User) -> None:
    """Take a file off its listing, in every status. Its row stays, the file itself is deleted.

    Raises `IllegalMove` when somebody was faster.
    """
    listing = _lock(attachment.listing)
    attachment = _lock_file(attachment)
    attachment.removed_at, attachment.removed_by = timezone.now(), actor
    attachment.text, attachment.about = "", ""
    if attachment.joins_text:
        attachment.text_changed_at = timezone.now()
        announce_text(listing)
    attachment.save(update_fields=("removed_at", "removed_by", "text", "about", "text_changed_at"))
    _log(listing, Verb.REMOVED, actor=actor, attachment=attachment, note=attachment.title)
    transaction.on_commit(partial(discard, attachment.file))


def note_opened(*, attachment: Attachment, actor: User | None) -> None:
    """Remember that somebody of another side has got a file that is not for everybody."""
    _log(attachment.listing, Verb.OPENED, actor=actor, attachment=attachment)


def clean_title(listing: Listing, title: str) -> str:
    """Return the title as others may read it. Raises `ValidationError` when it names the owner."""
    title = clean_line(title)
    if not title:
        raise ValidationError({"title": _("Please write a title: others read it.")})
    if len(title) > FILE_TITLE_LIMIT:
        raise ValidationError(
            {
                "title": _("At most %(limit)d characters; this has %(count)d.")
                % {"limit": FILE_TITLE_LIMIT, "count": len(title)}
            }
        )
    for leak in find_leaks({"title": title}, listing.owner):
        raise ValidationError(
            {
                "title": _("“%(snippet)s” gives you away: it is %(kind)s.")
                % {"snippet": leak.snippet, "kind": leak.kind.label}
            }
        )
    return title


def used_bytes(organization_id: int) -> int:
    """Return what the files of an organization's listings take together."""
    rows = Attachment.objects.present().filter(
        Q(demand__owner=organization_id) | Q(achievement__owner=organization_id)
    )
    return rows.aggregate(sum=Sum("size"))["sum"] or 0


def _check_room(listing: Listing, size: int) -> None:
    """Raise `ValidationError` when there is no room. Under a lock where `size` is known."""
    if size:
        # Two uploads to two listings must not both take the last megabyte.
        Organization.objects.select_for_update(no_key=True).get(pk=listing.owner_id)
    limit = settings.ATTACHMENTS_PER_LISTING
    if Attachment.objects.of(listing).present().count() >= limit:
        raise ValidationError(
            _("A listing has at most %(limit)d files. Remove one first.") % {"limit": limit},
            code="count",
        )
    quota = settings.ORGANIZATION_QUOTA_BYTES
    if used_bytes(listing.owner_id) + size > quota:
        raise ValidationError(
            _(
                "The files of your organization's listings may take %(quota)s MB together; this "
                "one does not fit any more. Remove some that are no longer needed."
            )
            % {"quota": f"{quota // 1024**2:,}"},
            code="quota",
        )


def _check_editable(listing: Listing) -> None:
    if listing.status not in EDITABLE:
        raise IllegalMove(
            _("This listing is “%(status)s”; its files cannot be changed now.")
            % {"status": listing.get_status_display()}
        )


def _lock(listing: L) -> L:
    rows = type(listing).objects.select_for_update(of=("self",)).select_related("owner")
    locked: L = rows.get(pk=listing.pk)
    return locked


def _lock_file(attachment: Attachment) -> Attachment:
    """Read the file's row again. The caller holds its listing."""
    found = Attachment.objects.present().filter(pk=attachment.pk).first()
    if found is None:
        raise IllegalMove(_("This file has just been removed."))
    return found


def _log(
    listing: Listing,
    verb: AttachmentEvent.Verb,
    *,
    actor: User | None,
    attachment: Attachment | None = None,
    note: str = "",
) -> None:
    AttachmentEvent.objects.create(
        **{listing.kind: listing}, attachment=attachment, actor=actor, verb=verb, note=note[:300]
    )
