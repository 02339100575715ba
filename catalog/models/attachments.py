"""Files that belong to a listing, and what was done with them."""

from __future__ import annotations

from typing import Any, Self

import pgtrigger
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from accounts.files.inspecting import ABOUT_AT_MOST, FileKind
from accounts.files.scanning import ScanState
from accounts.models import User
from accounts.permissions import Tier
from catalog.models.listings import Achievement, Demand, Listing

FILE_TITLE_LIMIT = 100


class TextState(models.TextChoices):
    """How far the reading of a document's text is. A picture has none."""

    NONE = "none", _("no text")
    WAITING = "waiting", _("text is being read")
    READY = "ready", _("text read")
    EMPTY = "empty", _("no text in it, perhaps scanned pages")
    FAILED = "failed", _("text cannot be read")


class AttachmentQuerySet(models.QuerySet["Attachment"]):
    def of(self, listing: Listing) -> Self:
        return self.filter(**{listing.kind: listing})

    def present(self) -> Self:
        return self.filter(removed_at=None)

    def served(self) -> Self:
        """Return what may be handed out at all: there, and not waiting for the virus scan."""
        return self.present().filter(scan__in=(ScanState.CLEAN, ScanState.UNSCANNED))

    def open_to(self, tier: Tier) -> Self:
        """Return what readers of `tier` get.

        What everybody or members read has been seen by a reviewer first, as any other content.
        """
        return (
            self.served()
            .filter(tier__lte=tier)
            .filter(Q(tier__gte=Tier.MANAGERS) | Q(checked_at__isnull=False))
        )

    def joining(self) -> Self:
        """Return those whose text joins what is compared."""
        return self.served().filter(joins_text=True, text_state=TextState.READY).order_by("number")


class Attachment(models.Model):
    """A file of a listing. What it holds never changes: another content is another attachment.

    A removed one leaves its row, which says what a reviewer or a manager had before them; the
    file itself is deleted.
    """

    demand = models.ForeignKey(Demand, models.PROTECT, null=True, related_name="attachments")
    achievement = models.ForeignKey(
        Achievement, models.PROTECT, null=True, related_name="attachments"
    )
    # Counts the files a listing ever had: “attachment 2” stays what it was.
    number = models.PositiveSmallIntegerField()
    title = models.CharField(_("title"), max_length=FILE_TITLE_LIMIT)
    tier = models.PositiveSmallIntegerField(
        choices=[
            (Tier.PUBLIC.value, pgettext_lazy("tier", "Everybody")),
            (Tier.MEMBERS.value, pgettext_lazy("tier", "Members of verified organizations")),
            (Tier.MANAGERS.value, pgettext_lazy("tier", "Technology managers")),
            (Tier.INTRODUCED.value, pgettext_lazy("tier", "The other side, once introduced")),
        ],
        default=Tier.MANAGERS.value,
    )
    # Its owner wants the text to be compared, with what the tier lets be read.
    joins_text = models.BooleanField(default=False)
    # The key in the private storage, and the name it came with, which may name its owner.
    file = models.CharField(max_length=200, unique=True)
    name = models.CharField(max_length=200)
    kind = models.CharField(max_length=4, choices=FileKind)
    size = models.PositiveIntegerField()
    sha256 = models.CharField(max_length=64)
    scan = models.CharField(max_length=9, choices=ScanState)
    text_state = models.CharField(max_length=7, choices=TextState)
    text = models.TextField(blank=True)
    # What the document's properties say of who made it.
    about = models.CharField(max_length=ABOUT_AT_MOST, blank=True)
    # When a reviewer published the listing with it, under this title and for these readers.
    checked_at = models.DateTimeField(null=True)
    # When the text that is compared last became another one because of this file.
    text_changed_at = models.DateTimeField(null=True)
    added_by = models.ForeignKey(User, models.PROTECT, related_name="+")
    added_at = models.DateTimeField(default=timezone.now)
    removed_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    removed_at = models.DateTimeField(null=True)

    objects = AttachmentQuerySet.as_manager()

    class Meta:
        ordering = ("number",)
        constraints = [
            models.CheckConstraint(
                condition=Q(demand__isnull=True) ^ Q(achievement__isnull=True),
                name="attachment_of_one_listing",
            ),
            models.UniqueConstraint(fields=("demand", "number"), name="attachment_of_demand_once"),
            models.UniqueConstraint(
                fields=("achievement", "number"), name="attachment_of_achievement_once"
            ),
            # An upload that is sent twice by a double click is one file.
            models.UniqueConstraint(
                fields=("demand", "sha256"),
                condition=Q(removed_at__isnull=True),
                name="attachment_of_demand_same_file",
            ),
            models.UniqueConstraint(
                fields=("achievement", "sha256"),
                condition=Q(removed_at__isnull=True),
                name="attachment_of_achievement_same_file",
            ),
            models.CheckConstraint(
                condition=Q(tier__lte=Tier.INTRODUCED.value), name="attachment_tier_known"
            ),
        ]
        indexes = [
            # What the sweep looks for.
            models.Index(
                fields=("id",),
                condition=Q(text_state="waiting") | Q(scan="held"),
                name="attachment_unfinished",
            ),
        ]
        triggers = [
            pgtrigger.ReadOnly(
                name="attachment_content_stays",
                fields=["file", "name", "kind", "size", "sha256", "number", "added_at"],
            ),
            pgtrigger.Protect(name="attachment_kept", operation=pgtrigger.Delete),
        ]

    def __str__(self) -> str:
        return self.title

    @property
    def listing(self) -> Listing:
        listing = self.demand if self.demand_id is not None else self.achievement
        assert listing is not None
        return listing

    @property
    def audience(self) -> Tier:
        return Tier(self.tier)

    @property
    def is_held(self) -> bool:
        return self.scan == ScanState.HELD

    @property
    def waits_for_check(self) -> bool:
        """Say whether its readers get it only after the listing has been checked again."""
        return self.tier < Tier.MANAGERS and self.checked_at is None


class AttachmentEvent(models.Model):
    """What was done with the files of a listing: who, when, what. Never changed."""

    class Verb(models.TextChoices):
        ADDED = "added", _("file added")
        CHANGED = "changed", _("file changed")
        REMOVED = "removed", _("file removed")
        OPENED = "opened", _("file opened")
        INFECTED = "infected", _("file refused: a virus")
        SCANNED = "scanned", _("file scanned")

    demand = models.ForeignKey(Demand, models.PROTECT, null=True, related_name="file_events")
    achievement = models.ForeignKey(
        Achievement, models.PROTECT, null=True, related_name="file_events"
    )
    # None where the file was refused.
    attachment = models.ForeignKey(Attachment, models.PROTECT, null=True, related_name="events")
    actor = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    verb = models.CharField(max_length=8, choices=Verb)
    note = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ("created_at", "pk")
        constraints = [
            models.CheckConstraint(
                condition=Q(demand__isnull=True) ^ Q(achievement__isnull=True),
                name="attachment_event_of_one_listing",
            ),
        ]
        triggers = [
            pgtrigger.Protect(
                name="attachment_event_append_only", operation=pgtrigger.Update | pgtrigger.Delete
            )
        ]

    def __str__(self) -> str:
        return f"{self.verb} {self.attachment_id}"


def listing_field(listing: Listing) -> dict[str, Any]:
    """Return the one field of an attachment or event that points to this listing."""
    return {listing.kind: listing}
