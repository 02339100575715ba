"""What owners were told of a listing's last day."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from catalog.models.listings import Achievement, Demand, Listing


class ReminderStage(models.TextChoices):
    AHEAD = "ahead", _("14 days before")
    SOON = "soon", _("3 days before")
    EXPIRED = "expired", _("Expired")


class ListingReminder(models.Model):
    """One reminder of one last day of a listing. The links in its mails are good for it alone."""

    demand = models.ForeignKey(Demand, models.CASCADE, null=True, related_name="reminders")
    achievement = models.ForeignKey(
        Achievement, models.CASCADE, null=True, related_name="reminders"
    )
    valid_until = models.DateField()
    stage = models.CharField(max_length=7, choices=ReminderStage)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(demand__isnull=True) ^ Q(achievement__isnull=True),
                name="reminder_of_one_listing",
            ),
            # Two clocks, or one that was restarted, must not remind twice.
            models.UniqueConstraint(
                fields=("demand", "valid_until", "stage"), name="demand_reminded_once"
            ),
            models.UniqueConstraint(
                fields=("achievement", "valid_until", "stage"), name="achievement_reminded_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.listing} {self.stage}"

    @property
    def listing(self) -> Listing:
        listing = self.demand or self.achievement
        assert listing is not None  # see the constraint
        return listing
