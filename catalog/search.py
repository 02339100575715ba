"""Where pages ask for listings by words or meaning.

catalog does not know the engine: matchmaking puts its own in place at start-up. Without one,
words are looked for in titles and summaries. A listing's number, which people quote, leads to
that listing before the engine is asked.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from django.core.cache import cache
from django.db.models import Q
from numpy.typing import NDArray
from redis.exceptions import RedisError

from accounts.permissions import Tier
from catalog.models import Achievement, Demand, Listing

# What a page looks through at most: 20 pages of 20, and more than anybody reads.
SEARCH_LIMIT = 400
# Seconds. Turning pages and trying filters asks for the same words again.
REMEMBER_SECONDS = 60

_MODELS: dict[str, type[Listing]] = {"demand": Demand, "achievement": Achievement}
# “XQ-2026-0417”, also as people type it: “xq2026 0417”.
_NUMBER = re.compile(r"\b(XQ|CG)[-\s]?(\d{4})[-\s]?(\d{4,18})\b", re.IGNORECASE)


class SearchResult(NamedTuple):
    """`ids` of live listings, best first. `fallback`: the encoder did not answer in time.

    `corrected` are words that no text has, each with the one that was searched for as well.
    `elsewhere` is the live listing of the other list whose number was asked for. `is_cut`: there
    are more about these words than were looked at, so a filter may find others; `nearness` is how
    near the engine wanted them, and goes back to it with the filter.
    """

    ids: list[int]
    by_meaning: bool
    fallback: bool
    corrected: tuple[tuple[str, str], ...] = ()
    elsewhere: Listing | None = None
    is_cut: bool = False
    nearness: float = 0.0


@dataclass(frozen=True, eq=False)
class Scope:
    """What a reader's filters leave of a list: `ids`, sorted. `name` tells one set of filters from
    another. `sections` and `provinces`: letters of GB/T 4754 and two digits each, where the
    filters name some; all of `ids` are in them. `share`: which part of the live listings that are
    in these sections and provinces `ids` is.
    """

    name: str
    ids: NDArray[np.int64]
    sections: tuple[str, ...] = ()
    provinces: tuple[str, ...] = ()
    share: float = 1.0
    nearness: float = 0.0


class Backend(Protocol):
    def __call__(
        self, kind: str, words: str, tier: Tier, limit: int, /, within: Scope | None = None
    ) -> SearchResult: ...


def _by_words(
    kind: str, words: str, tier: Tier, limit: int, /, within: Scope | None = None
) -> SearchResult:
    found = _MODELS[kind].objects.live()
    for word in words.split()[:10]:
        found = found.filter(Q(title__icontains=word) | Q(summary__icontains=word))
    if within is not None:
        found = found.filter(pk__in=within.ids.tolist())
    ids = list(found.values_list("pk", flat=True)[: limit + 1])
    return SearchResult(ids[:limit], False, False, is_cut=len(ids) > limit)


_backend: Backend = _by_words


def set_backend(backend: Backend) -> None:
    global _backend
    _backend = backend


def find(
    kind: str,
    words: str,
    *,
    tier: Tier,
    limit: int = SEARCH_LIMIT,
    state: str = "",
    within: Scope | None = None,
) -> SearchResult:
    """Return live listings of `kind` ("demand" or "achievement") that `words` are about.

    Only text that `tier` may read is searched, so that a hit gives nothing away. With `state`,
    which names what the lists hold now, the answer is remembered for a minute. `within`: only of
    these listings.
    """
    number = _NUMBER.search(unicodedata.normalize("NFKC", words))
    if number is not None:
        listing = _by_number(number)
        if number[0] == unicodedata.normalize("NFKC", words).strip():
            # Nothing but a number: whoever quotes one wants that listing, or to know it is gone.
            own = listing is not None and listing.kind == kind
            ids = [listing.pk] if listing is not None and own else []
            return SearchResult(ids, True, False, elsewhere=None if own else listing)
    result = _remembered(kind, words, tier, limit, state, within)
    if number is not None and listing is not None:
        if listing.kind != kind:
            return result._replace(elsewhere=listing)
        return result._replace(ids=list(dict.fromkeys([listing.pk, *result.ids])))
    return result


def _by_number(number: re.Match[str]) -> Listing | None:
    for model in _MODELS.values():
        if number[1].upper() == model.NUMBER_PREFIX:
            spelled = f"{model.NUMBER_PREFIX}-{number[2]}-{number[3]}"
            return model.objects.by_number(spelled).live().first()
    return None


def _remembered(
    kind: str, words: str, tier: Tier, limit: int, state: str, within: Scope | None
) -> SearchResult:
    if not state:
        return _asked(kind, words, tier, limit, within)
    filters = within.name if within is not None else ""
    asked = "\n".join((kind, str(int(tier)), str(limit), state, filters, words))
    key = f"found:{hashlib.sha256(asked.encode()).hexdigest()}"
    with suppress(RedisError, OSError):
        if (known := cache.get(key)) is not None:
            return SearchResult(*known)
    result = _asked(kind, words, tier, limit, within)
    if not result.fallback:
        with suppress(RedisError, OSError):
            cache.set(key, tuple(result), REMEMBER_SECONDS)
    return result


def _asked(kind: str, words: str, tier: Tier, limit: int, within: Scope | None) -> SearchResult:
    if within is None:
        return _backend(kind, words, tier, limit)
    return _backend(kind, words, tier, limit, within=within)
