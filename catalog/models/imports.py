"""Files that come in and go out: import jobs with their rows, and a note of each export."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, ClassVar, Self

import pgtrigger
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from accounts.models import Organization, User

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise


class ImportState(models.TextChoices):
    CHECKING = "checking", pgettext_lazy("import", "Being checked")
    CHECKED = "checked", pgettext_lazy("import", "Checked, waiting for you")
    STORING = "storing", pgettext_lazy("import", "Being stored")
    DONE = "done", pgettext_lazy("import", "Stored")
    FAILED = "failed", pgettext_lazy("import", "Not possible")
    CANCELLED = "cancelled", pgettext_lazy("import", "Cancelled")


# A worker has something to do, or should have.
RUNNING = (ImportState.CHECKING, ImportState.STORING)
OPEN = (*RUNNING, ImportState.CHECKED)


class ImportScope(models.TextChoices):
    ALL = "all", _("All rows or none")
    GOOD = "good", _("The good rows only")


class RowOutcome(models.TextChoices):
    """What became of a row, or will."""

    NEW = "new", pgettext_lazy("import row", "New")
    CHANGED = "changed", pgettext_lazy("import row", "Changed")
    SAME = "same", pgettext_lazy("import row", "Unchanged")
    WRONG = "wrong", pgettext_lazy("import row", "To fix")


class ListKind(models.TextChoices):
    DEMAND = "demand", pgettext_lazy("list", "Demands")
    ACHIEVEMENT = "achievement", pgettext_lazy("list", "Achievements")


class ImportJobQuerySet(models.QuerySet["ImportJob"]):
    def visible_to(self, user: User) -> Self:
        """Return the jobs of the organizations `user` is active in; all for an operator."""
        if user.is_operator:
            return self
        return self.filter(
            organization__in=Organization.objects.filter(
                memberships__user=user, memberships__is_active=True
            )
        )


class ImportJob(models.Model):
    """One uploaded file on its way into a list: checked first, stored when somebody says so.

    `cursor` is the last row of the file that was dealt with in the present state, written in the
    same transaction as what became of that row: a run that is killed goes on behind it. `token`
    names the run that works; another one takes over by writing its own, and what the first still
    does after that is rolled back.
    """

    organization = models.ForeignKey(Organization, models.CASCADE, related_name="imports")
    created_by = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")
    kind = models.CharField(_("list"), max_length=11, choices=ListKind)
    file_name = models.CharField(max_length=120)
    # The key in the private storage; empty once the file was removed.
    file = models.CharField(max_length=200, blank=True)
    size = models.PositiveIntegerField()
    # Sentences about rows are stored, so they are written in the language of who sent the file.
    language = models.CharField(max_length=10)
    # Good rows are handed in for review, or live at once where an operator vouches for them.
    submit = models.BooleanField(default=False)
    publish = models.BooleanField(default=False)
    scope = models.CharField(max_length=4, choices=ImportScope, blank=True)
    state = models.CharField(max_length=9, choices=ImportState, default=ImportState.CHECKING)
    problem = models.CharField(max_length=500, blank=True)
    unknown_columns = models.JSONField(default=list)
    columns = models.JSONField(default=list)
    total = models.PositiveIntegerField(default=0)
    cursor = models.PositiveIntegerField(default=0)
    done = models.PositiveIntegerField(default=0)
    new = models.PositiveIntegerField(default=0)
    changed = models.PositiveIntegerField(default=0)
    same = models.PositiveIntegerField(default=0)
    wrong = models.PositiveIntegerField(default=0)
    noted = models.PositiveIntegerField(default=0)
    token = models.CharField(max_length=32, blank=True)
    # Starts of a run without any row dealt with since: after some the job is given up.
    attempts = models.PositiveSmallIntegerField(default=0)
    heartbeat_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(default=timezone.now)
    confirmed_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    objects = ImportJobQuerySet.as_manager()

    class Meta:
        ordering = ("-pk",)
        indexes = [
            models.Index(fields=("organization", "-id"), name="import_of_organization"),
            models.Index(
                fields=("heartbeat_at",),
                condition=Q(state__in=("checking", "storing")),
                name="import_running",
            ),
        ]

    def __str__(self) -> str:
        return self.file_name

    def get_absolute_url(self) -> str:
        return reverse("import_job", args=[self.pk])

    @property
    def is_running(self) -> bool:
        return self.state in RUNNING

    @property
    def is_open(self) -> bool:
        return self.state in OPEN

    @property
    def good(self) -> int:
        return self.new + self.changed + self.same

    @property
    def list_name(self) -> StrOrPromise:
        return ListKind(self.kind).label

    def is_stalled(self, now: dt.datetime, seconds: int) -> bool:
        """Say whether nobody seems to work on it."""
        return self.heartbeat_at is None or (now - self.heartbeat_at).total_seconds() > seconds


class ImportRow(models.Model):
    """One row of a file: what was read, what is wrong with it, and what became of it."""

    job = models.ForeignKey(ImportJob, models.CASCADE, related_name="rows")
    # As a spreadsheet counts.
    number = models.PositiveIntegerField()
    external_id = models.CharField(max_length=100, blank=True)
    title = models.CharField(max_length=200, blank=True)
    content = models.JSONField(default=dict, encoder=DjangoJSONEncoder)
    # Lists of [column, value, sentence]. What is noted does not stop the row.
    problems = models.JSONField(default=list)
    notes = models.JSONField(default=list)
    outcome = models.CharField(max_length=7, choices=RowOutcome)
    # The listing that it is, or was made.
    listing = models.PositiveBigIntegerField(null=True)
    is_stored = models.BooleanField(default=False)

    objects: ClassVar[models.Manager[ImportRow]] = models.Manager()

    class Meta:
        ordering = ("number",)
        constraints = [
            # Two runs of one job at once must not keep a row twice.
            models.UniqueConstraint(fields=("job", "number"), name="import_row_once"),
        ]
        indexes = [
            models.Index(
                fields=("job", "number"),
                condition=Q(outcome="wrong"),
                name="import_row_wrong",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.job_id}:{self.number}"


class ListingExport(models.Model):
    """Who took a list out, how much of it and under which filters. Never changed."""

    actor = models.ForeignKey(User, models.PROTECT, related_name="+")
    kind = models.CharField(max_length=11, choices=ListKind)
    # Whether it was the list of the actor's own organizations, or what everybody finds.
    own = models.BooleanField()
    file_format = models.CharField(max_length=4)
    query = models.CharField(max_length=2000, blank=True)
    rows = models.PositiveIntegerField()
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ("-pk",)
        triggers = [
            pgtrigger.Protect(
                name="listing_export_append_only", operation=pgtrigger.Update | pgtrigger.Delete
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} ({self.rows})"
