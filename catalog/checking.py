"""The queue of listings to check, as one reviewer sees it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import BooleanField, Case, Count, Exists, OuterRef, Q, QuerySet, When
from django.db.models.functions import Coalesce
from django.utils import timezone
from django.utils.translation import gettext_lazy, pgettext_lazy
from django_stubs_ext import StrOrPromise

from accounts.conflicts import ties
from accounts.models import User
from catalog.listing_pages import long_fields
from catalog.models import ListingEvent, PublicationReview
from catalog.workflow import ListingStatus

LABELS: dict[str, StrOrPromise] = {
    "all": pgettext_lazy("checks", "All"),
    "mine": gettext_lazy("Mine"),
    "late": pgettext_lazy("checks", "Overdue"),
    "appeals": gettext_lazy("Objections"),
    "again": gettext_lazy("Answered questions"),
    "escalated": gettext_lazy("Nobody checks them"),
}


def waiting(user: User) -> QuerySet[PublicationReview]:
    """Return the open checks that `user` may decide, one's own first, then by clock.

    Of one day's, those first that are good enough to publish. Left out are listings of
    organizations one has a tie to, and objections to one's own rejections. Each row has
    `quality` and `mine`.
    """
    tied = list(ties([user.pk]).get(user.pk, {}))
    rejected = ListingEvent.objects.filter(
        Q(demand=OuterRef("demand")) | Q(achievement=OuterRef("achievement")),
        after=ListingStatus.REJECTED,
        actor=user,
    )
    rows = PublicationReview.objects.open()
    if tied:
        rows = rows.exclude(Q(demand__owner__in=tied) | Q(achievement__owner__in=tied))
    return (
        rows.exclude(~Q(appeal="") & Exists(rejected))
        .annotate(
            quality=Coalesce("demand__quality", "achievement__quality"),
            mine=Case(When(manager=user, then=True), default=False, output_field=BooleanField()),
        )
        .order_by("-mine", "due_on", "-quality", "opened_at", "pk")
    )


def load(rows: QuerySet[PublicationReview]) -> list[PublicationReview]:
    """Read a page of the queue with listings, owners and managers, by one query."""
    people = rows.select_related("demand__owner", "achievement__owner", "manager")
    return list(people.defer(*long_fields()))


def _conditions(user: User) -> dict[str, Q]:
    return {
        "all": Q(),
        "mine": Q(manager=user),
        "late": Q(due_on__lt=timezone.localdate()),
        "appeals": ~Q(appeal=""),
        "again": Q(again=True),
        "escalated": Q(escalated_at__isnull=False),
    }


@dataclass(frozen=True)
class Filters:
    """What of the queue is shown. Whatever is asked wrongly shows everything."""

    show: str = "all"
    kind: str = ""

    @classmethod
    def read(cls, parameters: Mapping[str, Any]) -> Filters:
        show, kind = parameters.get("show", ""), parameters.get("kind", "")
        return cls(
            show if show in LABELS else "all", kind if kind in ("demand", "achievement") else ""
        )

    def of_kind(self, rows: QuerySet[PublicationReview]) -> QuerySet[PublicationReview]:
        return rows.filter(**{f"{self.kind}__isnull": False}) if self.kind else rows

    def apply(self, rows: QuerySet[PublicationReview], user: User) -> QuerySet[PublicationReview]:
        return self.of_kind(rows).filter(_conditions(user)[self.show])

    def counts(self, rows: QuerySet[PublicationReview], user: User) -> dict[str, int]:
        """Count what each filter would show, in one query."""
        conditions = _conditions(user)
        counted: dict[str, int] = (
            self.of_kind(rows)
            .order_by()
            .aggregate(
                **{
                    name: Count("pk", filter=condition) if condition else Count("pk")
                    for name, condition in conditions.items()
                }
            )
        )
        return counted
