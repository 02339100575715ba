"""Where pages ask for listings by words or meaning.

catalog does not know the engine: matchmaking puts its own in place at start-up. Without one,
words are looked for in titles and summaries.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from django.db.models import Q

from accounts.permissions import Tier
from catalog.models import Achievement, Demand

# What a page looks through at most: 20 pages of 20, and more than anybody reads.
SEARCH_LIMIT = 400


class SearchResult(NamedTuple):
    """`ids` of live listings, best first. `fallback`: the encoder did not answer in time."""

    ids: list[int]
    by_meaning: bool
    fallback: bool


Backend = Callable[[str, str, Tier, int], SearchResult]


def _by_words(kind: str, words: str, tier: Tier, limit: int) -> SearchResult:
    model = Demand if kind == "demand" else Achievement
    found = model.objects.live()
    for word in words.split()[:10]:
        found = found.filter(Q(title__icontains=word) | Q(summary__icontains=word))
    return SearchResult(list(found.values_list("pk", flat=True)[:limit]), False, False)


_backend: Backend = _by_words


def set_backend(backend: Backend) -> None:
    global _backend
    _backend = backend


def find(kind: str, words: str, *, tier: Tier, limit: int = SEARCH_LIMIT) -> SearchResult:
    """Return live listings of `kind` ("demand" or "achievement") that `words` are about.

    Only text that `tier` may read is searched, so that a hit gives nothing away.
    """
    return _backend(kind, words, tier, limit)
