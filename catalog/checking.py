"""The queue of listings to check, as one reviewer sees it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import BooleanField, Case, Count, Exists, OuterRef, Q, QuerySet, When
from django.db.models.functions import Coalesce
from django.utils import timezone
from django.utils.translation import gettext_lazy, pgettext_lazy
from django_stubs_ext import StrOrPromise

from accounts.conflicts import has_tie, tie_kinds, ties
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
    return (
        _without_owners(_not_judged_by(PublicationReview.objects.open(), user), tied)
        .annotate(
            quality=Coalesce("demand__quality", "achievement__quality"),
            mine=Case(When(manager=user, then=True), default=False, output_field=BooleanField()),
        )
        .order_by("-mine", "due_on", "-quality", "opened_at", "pk")
    )


def _not_judged_by(rows: QuerySet[PublicationReview], user: User) -> QuerySet[PublicationReview]:
    """Leave out the objections to what `user` rejected."""
    rejected = ListingEvent.objects.filter(
        Q(demand=OuterRef("demand")) | Q(achievement=OuterRef("achievement")),
        after=ListingStatus.REJECTED,
        actor=user,
    )
    return rows.exclude(~Q(appeal="") & Exists(rejected))


def _without_owners(
    rows: QuerySet[PublicationReview], owners: Collection[int]
) -> QuerySet[PublicationReview]:
    if not owners:
        return rows
    return rows.exclude(Q(demand__owner__in=owners) | Q(achievement__owner__in=owners))


def desk(user: User) -> QuerySet[PublicationReview]:
    """Return the open checks that `user` answers for; none of them is of an own side."""
    return PublicationReview.objects.open().filter(manager=user)


def nobodys(user: User) -> QuerySet[PublicationReview]:
    """Return the open checks that no manager answers for and that `user` may decide.

    The top bar counts them on every page, so ties are looked up for the owners of these alone.
    """
    rows = _not_judged_by(PublicationReview.objects.open().filter(manager=None), user)
    owners = {
        demand_owner or achievement_owner
        for demand_owner, achievement_owner in rows.values_list(
            "demand__owner", "achievement__owner"
        )
    }
    tied = tie_kinds(user, owners) if has_tie(user, owners) else {}
    return _without_owners(rows, list(tied))


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
