"""The figures of the home page, each with its denominator, computed from the database.

How they are counted stands in words on the page “How figures are counted”.
"""

from __future__ import annotations

import datetime as dt
import statistics
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from django.core.cache import cache
from django.db.models import Count, F, Func, Min
from django.db.models.functions import Coalesce, Left
from django.utils import timezone
from redis.exceptions import RedisError

from accounts.workdays import add_working_days, working_days_left
from catalog.industries import section_choices
from catalog.models import Achievement, Demand
from catalog.workflow import ListingStatus
from matchmaking.models import Match, MatchEvent

T = TypeVar("T")

WINDOW_DAYS = 90
PROMISED_DAYS = 3
CACHE_SECONDS = 300


def cached(key: str, compute: Callable[[], T]) -> T:
    """Return what was computed in the last five minutes; without a cache, compute it now."""
    try:
        found: T | None = cache.get(key)
    except (RedisError, OSError):
        return compute()
    if found is None:
        found = compute()
        with suppress(RedisError, OSError):
            cache.set(key, found, CACHE_SECONDS)
    return found


@dataclass(frozen=True)
class AnswerFigures:
    """Of the demands first published in the window whose first clock has run out."""

    demands: int
    answered_in_time: int
    both_agreed: int
    # Median of working days from publication to the first introduction; None without any.
    median_days: float | None

    @property
    def answered_percent(self) -> int:
        return round(100 * self.answered_in_time / self.demands) if self.demands else 0

    @property
    def agreed_percent(self) -> int:
        return round(100 * self.both_agreed / self.demands) if self.demands else 0


def answer_figures() -> AnswerFigures:
    """Count how demands of the last 90 days were answered.

    A demand counts once its 3 working days are over, so that one posted this morning is neither a
    success nor a failure. An answer is a manager taking on or deciding one of its matches.
    """
    today = timezone.localdate()
    since = timezone.now() - dt.timedelta(days=WINDOW_DAYS)
    published = dict(
        Demand.objects.filter(published_at__isnull=False)
        .annotate(
            first=Coalesce(Min("events__created_at", filter=_published_event()), F("published_at"))
        )
        .filter(first__gte=since)
        .values_list("pk", "first")
    )
    cohort = {
        pk: timezone.localdate(first)
        for pk, first in published.items()
        if add_working_days(timezone.localdate(first), PROMISED_DAYS) < today
    }
    answered = _first_by_demand(
        MatchEvent.objects.filter(
            verb__in=(
                MatchEvent.Verb.ACCEPTED,
                MatchEvent.Verb.APPROVED,
                MatchEvent.Verb.REJECTED,
            )
        ),
        "match__demand",
        "created_at",
        since,
    )
    introduced = _first_by_demand(
        Match.objects.filter(introduced_at__isnull=False), "demand", "introduced_at", since
    )
    days = [
        working_days_left(introduced[pk], first) for pk, first in cohort.items() if pk in introduced
    ]
    return AnswerFigures(
        demands=len(cohort),
        answered_in_time=sum(
            pk in answered and working_days_left(answered[pk], first) <= PROMISED_DAYS
            for pk, first in cohort.items()
        ),
        both_agreed=len(days),
        median_days=statistics.median(days) if days else None,
    )


def _published_event() -> Any:
    from django.db.models import Q

    return Q(events__after=ListingStatus.PUBLISHED)


def _first_by_demand(rows: Any, demand: str, moment: str, since: dt.datetime) -> dict[int, dt.date]:
    found = (
        rows.filter(**{f"{moment}__gte": since})
        .order_by()
        .values(demand)
        .annotate(first=Min(moment))
        .values_list(demand, "first")
    )
    return {pk: timezone.localdate(first) for pk, first in found}


@dataclass(frozen=True)
class SectionCount:
    code: str
    demands: int
    achievements: int


@dataclass(frozen=True)
class ListFigures:
    demands: int
    achievements: int
    sections: list[SectionCount]
    keywords: list[str]


def list_figures() -> ListFigures:
    """Count the live listings by section of the economy, and find their commonest keywords."""
    counts = {
        model: dict(
            model.objects.live()
            .order_by()
            .annotate(section=Left("industry", 1))
            .values_list("section")
            .annotate(count=Count("pk"))
        )
        for model in (Demand, Achievement)
    }
    sections = [
        SectionCount(code, counts[Demand].get(code, 0), counts[Achievement].get(code, 0))
        for code, _name in section_choices()
    ]
    used = [one for one in sections if one.demands or one.achievements]
    used.sort(key=lambda one: -(one.demands + one.achievements))
    keywords = (
        Demand.objects.live()
        .order_by()
        .annotate(word=Func(F("keywords"), function="unnest", set_returning=True))
        .values_list("word")
        .annotate(count=Count("pk"))
        .order_by("-count", "word")[:5]
    )
    return ListFigures(
        demands=sum(counts[Demand].values()),
        achievements=sum(counts[Achievement].values()),
        sections=used,
        keywords=[word for word, _count in keywords],
    )
