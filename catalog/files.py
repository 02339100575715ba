"""How the files of a listing are told to one reader.

A file's own name often names its owner: others read a number, the kind, the size and the title
that its owner wrote.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.template.defaultfilters import filesizeformat
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.files.inspecting import ENDINGS
from accounts.permissions import Tier
from catalog.acquaintance import tier_by_match
from catalog.disclosure import TIER_LABELS
from catalog.leaks import Leak, find_leaks
from catalog.models import Attachment, Listing
from catalog.permissions import can_decide, file_tier, listing_tier
from catalog.workflow import ListingStatus

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser

    from accounts.models import User


def label_of(attachment: Attachment) -> str:
    """Return what a file is called for those who must not read its name."""
    return _("attachment %(number)d (%(kind)s, %(size)s)") % {
        "number": attachment.number,
        "kind": attachment.get_kind_display(),
        "size": filesizeformat(attachment.size),
    }


def plain_name(attachment: Attachment) -> str:
    """Return the name under which others save it: the listing's number, and which file."""
    listing = attachment.listing
    return f"{listing.number}-{attachment.number}.{ENDINGS[attachment.kind][0]}"


@dataclass(frozen=True)
class FileLine:
    attachment: Attachment
    label: str
    # Added, renamed or opened to more readers since a reviewer last published the listing.
    is_new: bool


@dataclass(frozen=True)
class FileList:
    """What one reader gets of a listing's files, and to whom the rest is open."""

    lines: list[FileLine]
    closed: list[str]

    def __bool__(self) -> bool:
        return bool(self.lines or self.closed)


def files_for(user: User | AnonymousUser, listing: Listing) -> FileList:
    present = list(Attachment.objects.of(listing).present())
    if not present:
        return FileList([], [])
    return _read(present, file_tier(user, listing), early=_sees_early(user, listing))


def files_at(listing: Listing, tier: Tier) -> FileList:
    """Return the files as readers of `tier` will get them once they have been checked."""
    return _read(list(Attachment.objects.of(listing).present()), tier, early=True)


def _read(present: list[Attachment], tier: Tier, *, early: bool) -> FileList:
    lines, closed = [], Counter[Tier]()
    for attachment in present:
        if may_get(attachment, tier, early=early):
            lines.append(FileLine(attachment, label_of(attachment), attachment.checked_at is None))
        elif not attachment.is_held and not attachment.waits_for_check:
            closed[attachment.audience] += 1
    return FileList(lines, [_closed_sentence(tier, count) for tier, count in closed.items()])


def may_get(attachment: Attachment, tier: Tier, *, early: bool) -> bool:
    """Say whether a reader of `tier` gets this file; `early`: also before it has been checked."""
    return (
        attachment.removed_at is None
        and not attachment.is_held
        and attachment.audience <= tier
        and (early or not attachment.waits_for_check)
    )


def may_open(user: User | AnonymousUser, attachment: Attachment, *, sees_listing: bool) -> bool:
    """Say whether `user` gets this file; `sees_listing`: they may know of the listing at all.

    Whom a match has brought here gets it after the listing has left as well: they have met.
    """
    listing = attachment.listing
    if not sees_listing:
        brought = user.is_authenticated and listing.status != ListingStatus.SUSPENDED
        if not brought or tier_by_match(user, listing) == Tier.PUBLIC:  # type: ignore[arg-type]
            return False
    return may_get(attachment, file_tier(user, listing), early=_sees_early(user, listing))


def _sees_early(user: User | AnonymousUser, listing: Listing) -> bool:
    """Say whether `user` sees what waits for the check: its own side, and who checks it."""
    return listing_tier(user, listing) == Tier.INTRODUCED or (
        listing.status == ListingStatus.SUBMITTED and can_decide(user, listing)
    )


def _closed_sentence(tier: Tier, count: int) -> str:
    text = ngettext(
        "%(count)d more file is open to: %(who)s",
        "%(count)d more files are open to: %(who)s",
        count,
    )
    return text % {"count": count, "who": TIER_LABELS[tier]}


def removed_since_check(listing: Listing) -> list[Attachment]:
    """Return what was taken off since the listing was last published, for who checks it."""
    rows = Attachment.objects.of(listing).filter(removed_at__isnull=False)
    if listing.published_at is not None:
        rows = rows.filter(removed_at__gte=listing.published_at)
    return list(rows.filter(checked_at__isnull=False))


def leaks_in(attachment: Attachment, listing: Listing) -> list[Leak]:
    """Return what in a document's text and properties gives its owner away."""
    if not (attachment.text or attachment.about):
        return []
    return find_leaks({"body": f"{attachment.text}\n{attachment.about}"}, listing.owner)


def file_leaks(listing: Listing) -> list[tuple[str, Leak]]:
    """Return what gives the owner away in documents that others get, for who checks the listing."""
    rows = Attachment.objects.of(listing).served().filter(tier__lte=Tier.MANAGERS)
    return [(label_of(row), leak) for row in rows for leak in leaks_in(row, listing)]
