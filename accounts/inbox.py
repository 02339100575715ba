"""What people are told inside the platform, and how each of them wants to be told by mail.

A notification keeps no text: like a mail of the outbox it is written when it is read, so that
nobody is told what they may no longer know. See `accounts.notices`.
"""

from __future__ import annotations

from django.conf import settings
from django.core.validators import MaxValueValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy


class Group(models.TextChoices):
    """What a notification wants of its receiver."""

    TODO = "todo", pgettext_lazy("notifications", "To do")
    INFO = "info", pgettext_lazy("notifications", "For your information")


class Choice(models.TextChoices):
    """How somebody wants to be told of one kind."""

    NOW = "now", pgettext_lazy("notifications", "By mail at once")
    DIGEST = "digest", pgettext_lazy("notifications", "In the daily mail")
    OFF = "off", pgettext_lazy("notifications", "Only here")
    # It arrives as read: nothing rings, nothing is mailed. Not for what somebody waits for.
    MUTED = "muted", pgettext_lazy("notifications", "Not at all")


class Mailing(models.TextChoices):
    """What a notification has to do with mails."""

    NONE = "none", pgettext_lazy("notifications", "No mail")
    NOW = "now", pgettext_lazy("notifications", "A mail of its own is promised")
    DIGEST = "digest", pgettext_lazy("notifications", "Waits for the next daily mail")
    DIGESTED = "digested", pgettext_lazy("notifications", "Put into a daily mail")


class Notification(models.Model):
    """One thing that one person is told of once."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    kind = models.CharField(max_length=30)
    # What this one is the only one about: a clock that runs twice must not tell twice.
    key = models.CharField(max_length=200, unique=True)
    payload = models.JSONField(default=dict)
    # Before this moment it is neither shown nor mailed: its reason may still be undone.
    visible_from = models.DateTimeField(default=timezone.now)
    created_at = models.DateTimeField(default=timezone.now)
    read_at = models.DateTimeField(null=True)
    # Found to be no longer true, or no longer the reader's business: never shown again.
    is_gone = models.BooleanField(default=False)
    mailing = models.CharField(max_length=8, choices=Mailing, default=Mailing.NONE)

    class Meta:
        ordering = ("-visible_from", "-pk")
        indexes = [
            models.Index(
                fields=("user", "-visible_from", "-id"),
                condition=Q(is_gone=False),
                name="notification_page",
            ),
            # The number beside the bell, on every page.
            models.Index(
                fields=("user", "visible_from"),
                condition=Q(read_at__isnull=True),
                name="notification_unread",
            ),
            models.Index(
                fields=("visible_from", "user"),
                condition=Q(mailing="digest", read_at__isnull=True),
                name="notification_digest",
            ),
            models.Index(fields=("created_at",), name="notification_age"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} → {self.user_id}"


class NotificationPreference(models.Model):
    """What somebody chose for one kind, where it is not the kind's own default."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    kind = models.CharField(max_length=30)
    choice = models.CharField(max_length=6, choices=Choice)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=("user", "kind"), name="preference_once_a_kind"),
        ]

    def __str__(self) -> str:
        return f"{self.kind}: {self.choice}"


class MailHours(models.Model):
    """At which hours somebody wants mails, in the platform's own time zone."""

    DAILY_AT, QUIET_FROM, QUIET_UNTIL = 8, 21, 8

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="mail_hours", primary_key=True
    )
    # Full hours, 0 to 23. Both the same: no quiet hours.
    quiet_from = models.PositiveSmallIntegerField(
        _("quiet from"), default=QUIET_FROM, validators=[MaxValueValidator(23)]
    )
    quiet_until = models.PositiveSmallIntegerField(
        _("quiet until"), default=QUIET_UNTIL, validators=[MaxValueValidator(23)]
    )
    daily_at = models.PositiveSmallIntegerField(
        _("daily mail at"), default=DAILY_AT, validators=[MaxValueValidator(23)]
    )

    class Meta:
        constraints = [
            # An hour that no day has would hold mails back for ever.
            models.CheckConstraint(
                condition=Q(quiet_from__lt=24, quiet_until__lt=24, daily_at__lt=24),
                name="mail_hours_of_a_day",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user_id}: {self.quiet_from}–{self.quiet_until}, {self.daily_at}"
