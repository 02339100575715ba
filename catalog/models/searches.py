"""What readers want to hear of: the filters of a list, kept under a name."""

from __future__ import annotations

from typing import Self

from django.db import models
from django.db.models import Q
from django.db.models.functions import MD5
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from accounts.models import User

# Characters; a query of the list page is shorter: its words are bounded, and so are its facets.
QUERY_STRING_LIMIT = 8000
NAME_LIMIT = 80
SEARCHES_AT_MOST = 50


class Alert(models.TextChoices):
    OFF = "off", pgettext_lazy("alert", "Off")
    PAGE = "page", pgettext_lazy("alert", "On this page only")
    DAILY = "daily", pgettext_lazy("alert", "By e-mail, daily")
    WEEKLY = "weekly", pgettext_lazy("alert", "By e-mail, weekly")


class SavedSearchQuerySet(models.QuerySet["SavedSearch"]):
    def owned_by(self, user: User) -> Self:
        return self.filter(user=user)


class SavedSearch(models.Model):
    """The canonical query of a list page, and how far its reader has seen the answers.

    Both marks are times of publication: what was published after one is new.
    """

    class Kind(models.TextChoices):
        DEMAND = "demand", pgettext_lazy("list", "Demands")
        ACHIEVEMENT = "achievement", pgettext_lazy("list", "Achievements")

    user = models.ForeignKey(User, models.CASCADE, related_name="saved_searches")
    kind = models.CharField(max_length=11, choices=Kind)
    name = models.CharField(_("name"), max_length=NAME_LIMIT)
    query = models.TextField(max_length=QUERY_STRING_LIMIT, blank=True)
    alert = models.CharField(_("alert"), max_length=6, choices=Alert, default=Alert.PAGE)
    created_at = models.DateTimeField(default=timezone.now)
    # Opened on the page, and told of by mail, up to here.
    seen_until = models.DateTimeField(default=timezone.now)
    mailed_until = models.DateTimeField(default=timezone.now)
    # The day of the next mail, if there is something to tell.
    mail_on = models.DateField(null=True)
    # What a task counted last, and when.
    new_count = models.PositiveSmallIntegerField(default=0)
    looked_at = models.DateTimeField(null=True)

    objects = SavedSearchQuerySet.as_manager()

    class Meta:
        ordering = ("name", "pk")
        constraints = [
            # A second click on “save” must not have everything told twice.
            models.UniqueConstraint(
                # By its digest: an index takes no 8,000 characters.
                "user",
                "kind",
                MD5("query"),
                name="search_saved_once",
            ),
            models.CheckConstraint(
                condition=Q(alert__in=("daily", "weekly"), mail_on__isnull=False)
                | (~Q(alert__in=("daily", "weekly")) & Q(mail_on__isnull=True)),
                name="search_mail_has_a_day",
            ),
        ]
        indexes = [
            models.Index(fields=("looked_at",), name="search_looked_at"),
            models.Index(
                fields=("mail_on",), condition=Q(mail_on__isnull=False), name="search_mail_on"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        """Return the address of the list under these filters."""
        address = reverse(f"{self.kind}_list")
        return f"{address}?{self.query}" if self.query else address
