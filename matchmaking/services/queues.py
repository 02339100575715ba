"""A manager's open reviews: in what order, under which filter, and how many there are of each kind.

A manager may have thousands of them. The order is of keys alone, rows are loaded for one page, and
all counts of a page come from one query that groups the reviews by what can be filtered.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple
from urllib.parse import urlencode

from django.conf import settings
from django.db.models import (
    BooleanField,
    Case,
    CharField,
    Count,
    DateTimeField,
    Exists,
    ExpressionWrapper,
    F,
    OuterRef,
    Q,
    Subquery,
    TextChoices,
    Value,
    When,
)
from django.db.models.fields.json import KT
from django.db.models.functions import Cast, Coalesce, Substr
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from accounts.models import User
from accounts.workdays import add_working_days
from catalog.industries import section_choices
from matchmaking.models import Appeal, Consent, Inquiry, Review, ReviewQuerySet
from matchmaking.retrieval.ranking import GRADES
from matchmaking.services.overturning import DECIDED
from matchmaking.workflow import AppealStatus, InquiryStatus, MatchStatus, ReviewStatus

# Rows of a page, and of the queue beside a review.
PAGE_ROWS = 40
SOON_DAYS = 3


class Due(TextChoices):
    """How the queue is grouped: what is late or due today, what is due soon, the rest, and what
    waits for one of the sides while its clock stands still."""

    NOW = "now", _("Late or due today")
    SOON = "soon", _("Within 3 working days")
    LATER = "later", _("In more than 3 working days")
    HELD = "held", _("Waiting for a side; the clock stands still")


class Show(TextChoices):
    """What of the queue is shown."""

    ALL = "", pgettext_lazy("reviews", "All")
    DUE = "due", _("Due today or late")
    NEW = "new", _("Not taken on yet")
    SECOND = "second", _("Needs two approvals")
    CHANGED = "changed", _("Changed since my last look")
    HELD = "held", _("Waiting for an answer")
    APPEAL = "appeal", _("After an objection")


@dataclass(frozen=True)
class Filters:
    """Which reviews are shown. Each value is one that exists, or "" for all."""

    show: str = ""
    industry: str = ""
    grade: str = ""

    @classmethod
    def read(cls, query: Mapping[str, Any]) -> Filters:
        """Read an address. A value that does not exist counts as none."""
        show, industry, grade = (
            str(query.get(name) or "") for name in ("show", "industry", "grade")
        )
        return cls(
            show=show if show in Show.values else "",
            industry=industry if industry in _sections() else "",
            grade=grade if grade in dict(GRADES) else "",
        )

    def with_(self, **changes: str) -> Filters:
        return replace(self, **changes)

    @property
    def query(self) -> str:
        """Return the address's query, always in the same order; "" without any filter."""
        values = {"show": self.show, "industry": self.industry, "grade": self.grade}
        return urlencode({key: value for key, value in values.items() if value})

    @property
    def suffix(self) -> str:
        """Return what an address ends with to be within the filter; "" without any."""
        return f"?{self.query}" if self.query else ""

    def of(self, reviews: ReviewQuerySet) -> ReviewQuerySet:
        """Narrow annotated reviews; see `queue_of`."""
        if self.show:
            reviews = reviews.filter(_SHOWN[self.show])
        if self.industry:
            reviews = reviews.filter(Q(section=self.industry))
        if self.grade:
            reviews = reviews.filter(Q(band=self.grade))
        return reviews


def _sections() -> dict[str, str]:
    return dict(section_choices())


# --- The queue ----------------------------------------------------------------------------------


def _flag(condition: Q) -> ExpressionWrapper[Any]:
    return ExpressionWrapper(condition, output_field=BooleanField())


def worth() -> Coalesce:
    """Return what a review's match is worth, in CNY: the demand's budget, else what the achievement
    costs; 0 where neither says."""
    return Coalesce(
        "match__demand_revision__money_max",
        "match__demand_revision__money_min",
        "match__achievement_revision__money_max",
        "match__achievement_revision__money_min",
        Value(0),
    )


def due_bounds(today: dt.date) -> tuple[dt.date, dt.date]:
    """Return the first day that is not due now, and the first that is not due soon."""
    return add_working_days(today, 1), add_working_days(today, SOON_DAYS + 1)


def due_group(review: Review, today: dt.date) -> Due:
    """Return the group of a review whose match is loaded; the same as `queue_of` sorts by."""
    if is_held(review):
        return Due.HELD
    now, soon = due_bounds(today)
    if review.due_on < now:
        return Due.NOW
    return Due.SOON if review.due_on < soon else Due.LATER


def is_held(review: Review) -> bool:
    return review.paused_on is not None or review.match.is_frozen


def _changed() -> Q:
    """Return what tells that a match is another one than when its manager looked last.

    `Review.seen` is written by `services.changes`; a review that was never opened is not changed.
    """
    return ~Q(seen={}) & (
        ~Q(seen_demand=Cast("match__demand_revision", CharField()))
        | ~Q(seen_achievement=Cast("match__achievement_revision", CharField()))
        | ~Q(seen_engine=F("match__engine"))
        | Q(answered_at__gt=Cast("seen_at", DateTimeField()))
    )


def queue_of(user: User) -> ReviewQuerySet:
    """Return a manager's open reviews in the order of the workbench, with all that is filtered by.

    What a side has to answer comes last. Of the rest the earliest deadline comes first, and of one
    day the match that is worth most.
    """
    now, _soon = due_bounds(timezone.localdate())
    appeals = Appeal.objects.filter(match=OuterRef("match"), status=AppealStatus.OPEN)
    answers = Inquiry.objects.filter(review=OuterRef("pk"), status=InquiryStatus.ANSWERED)
    reviews = (
        Review.objects.open()
        .filter(manager=user)
        .alias(
            answered_at=Subquery(answers.order_by("-closed_at").values("closed_at")[:1]),
            seen_demand=KT("seen__demand"),
            seen_achievement=KT("seen__achievement"),
            seen_engine=KT("seen__engine"),
            seen_at=KT("seen__at"),
        )
        .annotate(
            worth=worth(),
            held=_flag(Q(paused_on__isnull=False) | Q(match__is_frozen=True)),
        )
        .alias(
            due_now=_flag(Q(due_on__lt=now, held=False)),
            second=_flag(Q(worth__gt=settings.SECOND_REVIEW_ABOVE)),
            is_new=_flag(Q(status=ReviewStatus.ASSIGNED)),
            section=Substr("match__demand_revision__industry", 1, 1),
            band=Case(
                When(match__confidence=0, then=Value("")),
                *(When(match__confidence__gte=least, then=Value(name)) for name, least in GRADES),
                default=Value(""),
            ),
            changed=_flag(_changed()),
            appealed=Exists(appeals),
        )
        .order_by("held", "due_on", "-worth", "pk")
    )
    return reviews


_SHOWN: dict[str, Q] = {
    Show.DUE: Q(due_now=True),
    Show.NEW: Q(is_new=True),
    Show.SECOND: Q(second=True),
    Show.CHANGED: Q(changed=True),
    Show.HELD: Q(held=True),
    Show.APPEAL: Q(appealed=True),
}


def keys_of(user: User, filters: Filters) -> list[int]:
    """Return the keys of all reviews that are shown, in order."""
    return list(filters.of(queue_of(user)).values_list("pk", flat=True))


SIDES = ("demand", "achievement")
# What titles are searched for before they are shown to one who may not see names.
_NAMING = (
    *("name", "name_en", "field", "credit_code"),
    *("contact_phone", "contact_name", "contact_email"),
)


def open_count(user: User) -> int:
    return Review.objects.open().filter(manager=user).count()


def load(user: User, keys: Iterable[int]) -> list[Review]:
    """Return these open reviews in this order, with what a row of the queue tells.

    One that was closed a moment ago is left out. Evidence and texts stay in the database.
    """
    found = (
        queue_of(user)
        .annotate(is_second=F("second"), is_changed=F("changed"), is_appealed=F("appealed"))
        .filter(pk__in=list(keys))
        .select_related(
            "match__demand__owner",
            "match__achievement__owner",
            "match__demand_revision",
            "match__achievement_revision",
        )
        .only(
            *("manager", "status", "due_on", "paused_on", "days_left", "assigned_at"),
            *(f"match__{name}" for name in ("status", "is_frozen", "confidence", "created_at")),
            *(f"match__{side}__owner__{name}" for side in SIDES for name in _NAMING),
            *(f"match__{side}_revision__title" for side in SIDES),
        )
    )
    return list(found)


# --- Counts -------------------------------------------------------------------------------------


class Kind(NamedTuple):
    """A kind of review, as the filters know it."""

    section: str
    band: str
    held: bool
    due_now: bool
    due_soon: bool
    is_new: bool
    second: bool
    changed: bool
    appealed: bool

    @property
    def group(self) -> Due:
        if self.held:
            return Due.HELD
        return Due.NOW if self.due_now else Due.SOON if self.due_soon else Due.LATER


_MEANS: dict[str, Callable[[Kind], bool]] = {
    Show.ALL: lambda kind: True,
    Show.DUE: lambda kind: kind.due_now,
    Show.NEW: lambda kind: kind.is_new,
    Show.SECOND: lambda kind: kind.second,
    Show.CHANGED: lambda kind: kind.changed,
    Show.HELD: lambda kind: kind.held,
    Show.APPEAL: lambda kind: kind.appealed,
}


@dataclass(frozen=True)
class Tally:
    """How many reviews there are of each kind, and under `filters`."""

    kinds: Mapping[Kind, int]
    filters: Filters

    def count(self, filters: Filters) -> int:
        """Return how many reviews a filter shows."""
        means = _MEANS[filters.show]
        return sum(
            count
            for kind, count in self.kinds.items()
            if means(kind)
            and filters.industry in ("", kind.section)
            and filters.grade in ("", kind.band)
        )

    @cached_property
    def open(self) -> int:
        return sum(self.kinds.values())

    @cached_property
    def due(self) -> int:
        return self.count(Filters(show=Show.DUE))

    @cached_property
    def shown(self) -> int:
        return self.count(self.filters)

    @cached_property
    def groups(self) -> dict[Due, int]:
        """Return how many of the shown reviews are in each group."""
        found = dict.fromkeys(Due, 0)
        for group in Due:
            kinds = {kind: n for kind, n in self.kinds.items() if kind.group == group}
            found[group] = Tally(kinds, self.filters).shown
        return found

    def shows(self) -> list[tuple[Filters, str, int]]:
        """Return the kinds to choose from, each counted under the other filters."""
        return [
            (chosen, str(show.label), self.count(chosen))
            for show in Show
            for chosen in [self.filters.with_(show=show.value)]
        ]

    def industries(self) -> list[tuple[Filters, str, int]]:
        names = _sections()
        sections = {kind.section for kind in self.kinds} | {self.filters.industry}
        return [
            (chosen, names[section], self.count(chosen))
            for section in sorted(sections & names.keys())
            for chosen in [self.filters.with_(industry=section)]
        ]

    def grades(self) -> list[tuple[Filters, str, int]]:
        """Return the grades, the best first."""
        bands = {kind.band for kind in self.kinds} | {self.filters.grade}
        return [
            (chosen, name, self.count(chosen))
            for name, _least in GRADES
            if name in bands
            for chosen in [self.filters.with_(grade=name)]
        ]


def tally(user: User, filters: Filters) -> Tally:
    """Count a manager's open reviews by all that they can be filtered by, in one query."""
    _now, soon = due_bounds(timezone.localdate())
    rows = (
        queue_of(user)
        .annotate(
            due_soon=_flag(Q(due_on__lt=soon)),
            **{name: F(name) for name in Kind._fields if name not in ("held", "due_soon")},
        )
        .order_by()
        .values_list(*Kind._fields)
        .annotate(Count("pk"))
    )
    return Tally({Kind(*row[:-1]): row[-1] for row in rows}, filters)


# --- What was decided ---------------------------------------------------------------------------


def decisions(user: User) -> ReviewQuerySet:
    """Return what a manager has decided, the latest first; `can_undo` where it can be taken back.

    The same as `overturning.undo_problem` asks, but for what became of the listings.
    """
    answered = Consent.objects.filter(match=OuterRef("match"))
    second = (
        Review.objects.filter(match=OuterRef("match"), assigned_at__gte=OuterRef("closed_at"))
        .exclude(pk=OuterRef("pk"))
        .exclude(status__in=(ReviewStatus.ASSIGNED, ReviewStatus.CANCELLED))
    )
    since = timezone.now() - dt.timedelta(minutes=settings.UNDO_MINUTES)
    return (
        Review.objects.filter(manager=user, status=ReviewStatus.SUBMITTED)
        .annotate(
            can_undo=_flag(
                Q(closed_at__gt=since, match__is_frozen=False)
                & Q(match__status__in=(*DECIDED, MatchStatus.IN_REVIEW))
                & ~Exists(answered)
                & ~Exists(second)
            )
        )
        .select_related(
            "match__demand__owner",
            "match__achievement__owner",
            "match__demand_revision",
            "match__achievement_revision",
        )
        .defer("match__grid", "match__pairs", "match__features")
        .order_by("-closed_at", "-pk")
    )
