"""What operators have changed in the list of reasons; see `catalog.reasons`."""

from __future__ import annotations

import pgtrigger
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from accounts.models import User

CODE_LIMIT = 24
LABEL_LIMIT = 80
ANSWER_LIMIT = 300


class ReasonSubject(models.TextChoices):
    LISTING = "listing", _("Checks of listings")
    MATCH = "match", _("Reviews of matches")


class Reason(models.Model):
    """A reason that operators added, or what they changed of a built-in one.

    A text that is "" is the built-in one's. Rows are never deleted: old decisions name the code.
    """

    subject = models.CharField(max_length=7, choices=ReasonSubject)
    code = models.CharField(max_length=CODE_LIMIT)
    # Which decisions it goes with; of a built-in reason that is fixed and this is empty.
    decisions = ArrayField(models.CharField(max_length=10), default=list, blank=True)
    label_zh = models.CharField(max_length=LABEL_LIMIT, blank=True)
    label_en = models.CharField(max_length=LABEL_LIMIT, blank=True)
    # What the owner reads: a courteous sentence that tells nothing of the other side.
    answer_zh = models.CharField(max_length=ANSWER_LIMIT, blank=True)
    answer_en = models.CharField(max_length=ANSWER_LIMIT, blank=True)
    needs_comment = models.BooleanField(default=False)
    # Since when nobody can choose it any more.
    retired_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ("subject", "created_at", "pk")
        constraints = [
            # Two operators add or change the same one at once.
            models.UniqueConstraint(fields=("subject", "code"), name="reason_code_once"),
        ]

    def __str__(self) -> str:
        return f"{self.subject} {self.code}"


class ReasonChange(models.Model):
    """Who changed the list of reasons, when, and what it said before. Never changed."""

    class Verb(models.TextChoices):
        ADDED = "added", pgettext_lazy("reason", "added")
        REWORDED = "reworded", pgettext_lazy("reason", "reworded")
        RETIRED = "retired", pgettext_lazy("reason", "retired")
        RESTORED = "restored", pgettext_lazy("reason", "brought back")

    reason = models.ForeignKey(Reason, models.PROTECT, related_name="changes")
    actor = models.ForeignKey(User, models.PROTECT, related_name="+")
    verb = models.CharField(max_length=8, choices=Verb)
    # The texts that were replaced, by field.
    before = models.JSONField(default=dict)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ("-created_at", "-pk")
        triggers = [
            pgtrigger.Protect(
                name="reason_change_append_only", operation=pgtrigger.Update | pgtrigger.Delete
            )
        ]

    def __str__(self) -> str:
        return f"{self.reason_id} {self.verb}"
