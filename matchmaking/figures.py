"""The figures of the home page, each with its denominator, computed from the database.

How they are counted stands in words on the page “How figures are counted”.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

from django.core.cache import cache
from django.db.models import Count, F, Func
from django.db.models.functions import Left
from redis.exceptions import RedisError

from catalog.industries import section_choices
from catalog.models import Achievement, Demand

T = TypeVar("T")

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
