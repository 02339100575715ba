"""Finds listings that say nearly the same: one's own by the whole text, others' by what is public.

Texts are compared by the runs of characters they share (Jaccard's index of shingles). So that one
is not compared with 100,000, each has a fingerprint (MinHash, in bands): two texts that share most
of their runs share a band almost surely, and an index finds those that do. What a reader may not
know of is not looked at, and of other organizations nothing but the public text is compared, or
typing a guess would tell whether a hidden text says so.

The engine may add listings that mean the same in other words: `set_by_meaning`, as in
`catalog.search`. Without one, words alone decide.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from django.db.models import Exists, OuterRef
from numpy.typing import NDArray

from accounts.models import User
from catalog.models import Achievement, Demand, Listing, ListingSignature
from catalog.quality import assess
from catalog.words import folded
from catalog.workflow import ListingStatus

MODELS: dict[str, type[Listing]] = {"demand": Demand, "achievement": Achievement}

# Of two texts that share this part of their runs, one was made from the other.
ALIKE = 0.6
# 20 bands of 3: at 0.6 a pair is found with 99 %, at 0.3 looked at in vain with 42 %.
BANDS, ROWS = 20, 3
# Candidates that are compared in full.
COMPARED = 30
SHOWN = 5
TEXT_LIMIT = 12_000
# What is over does not compete with anything.
_OVER = (
    ListingStatus.WITHDRAWN,
    ListingStatus.REJECTED,
    ListingStatus.FULFILLED,
    ListingStatus.TRANSFERRED,
    ListingStatus.CLOSED,
)


@dataclass(frozen=True)
class Alike:
    """Another listing that says nearly the same. `share` is 0 to 1, by words or by meaning."""

    listing: Listing
    share: float
    is_own: bool
    by_meaning: bool = False

    @property
    def percent(self) -> int:
        return round(100 * self.share)


ByMeaning = Callable[[Listing, int], list[tuple[int, float]]]


def _nothing(listing: Listing, limit: int) -> list[tuple[int, float]]:
    return []


_by_meaning: ByMeaning = _nothing


def set_by_meaning(backend: ByMeaning) -> None:
    """Let the engine name live listings of the same list whose public text means the same."""
    global _by_meaning
    _by_meaning = backend


# --- Fingerprints ---------------------------------------------------------------------------


def public_text(listing: Listing) -> str:
    return f"{listing.title}\n{listing.summary}"


def whole_text(listing: Listing) -> str:
    return f"{public_text(listing)}\n{listing.body}"


def shingles(text: str) -> set[int]:
    """Return the runs of characters of a text as hashes. Spaces and signs do not count."""
    plain = re.sub(r"[\W_]+", "", folded(text[:TEXT_LIMIT]))
    latin = sum(1 for char in plain if char.isascii())
    # A Chinese character says about as much as three letters.
    length = 3 if latin < 0.7 * len(plain) else 8
    if not plain:
        return set()
    return {
        zlib.crc32(plain[at : at + length].encode())
        for at in range(max(len(plain) - length + 1, 1))
    }


@cache
def _factors() -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    # Fixed for ever: stored fingerprints are compared with new ones.
    numbers = np.random.RandomState(20261122).randint(1, 2**31, size=(2, BANDS * ROWS))
    return numbers[0].astype(np.uint64) * np.uint64(2) + np.uint64(1), numbers[1].astype(np.uint64)


def bands(text: str) -> list[int]:
    """Return the fingerprint of a text: texts that share most of it share a number."""
    found = shingles(text)
    if not found:
        return []
    factors, offsets = _factors()
    hashes = np.fromiter(found, dtype=np.uint64)
    with np.errstate(over="ignore"):
        mixed = (hashes[:, None] * factors[None, :] * np.uint64(0x9E3779B97F4A7C15)) + offsets
    least = (mixed >> np.uint64(32)).min(axis=0).astype(np.uint32)
    # The band's number is mixed in: equal hashes in two bands are no match.
    return [
        zlib.crc32(bytes([band]) + least[band * ROWS : (band + 1) * ROWS].tobytes()) - 2**31
        for band in range(BANDS)
    ]


# --- Looking --------------------------------------------------------------------------------


def find_alike(listing: Listing, reader: User, *, limit: int = SHOWN) -> list[Alike]:
    """Return the listings nearest to this one (stored or being typed) that `reader` may know of.

    The owner's own are compared whole if the reader is of the owner's side. Best first.
    """
    own_side = _of_own_side(listing, reader)
    known = type(listing).objects.visible_to(reader).exclude(status__in=_OVER)
    found: dict[int, Alike] = {}
    if own_side:
        mine = known.filter(owner_id=listing.owner_id).exclude(pk=listing.pk)
        found |= _compare(listing, mine, whole_text, "bands", is_own=True)
    others = type(listing).objects.live().visible_to(reader).exclude(pk=listing.pk)
    if own_side:
        others = others.exclude(owner_id=listing.owner_id)
    found |= _compare(listing, others, public_text, "public_bands", is_own=False)
    if listing.pk is not None:
        found |= _meant(listing, others, found)
    return sorted(found.values(), key=lambda one: (-one.share, one.listing.pk))[:limit]


def _of_own_side(listing: Listing, reader: User) -> bool:
    return reader.memberships.filter(organization_id=listing.owner_id, is_active=True).exists()


def _compare(
    listing: Listing, rows: Any, text_of: Callable[[Listing], str], field: str, *, is_own: bool
) -> dict[int, Alike]:
    text = text_of(listing)
    fingerprint, own = bands(text), shingles(text)
    if len(own) < 8:
        return {}  # a few words are like many things
    overlap = {f"signature__{field}__overlap": fingerprint}
    candidates = rows.filter(**overlap).values_list("pk", f"signature__{field}")
    wanted = set(fingerprint)
    shared = {pk: len(wanted.intersection(theirs)) for pk, theirs in candidates[:2000]}
    best = sorted(shared, key=lambda pk: (-shared[pk], pk))[:COMPARED]
    found = {}
    for other in rows.filter(pk__in=best).select_related("owner"):
        theirs = shingles(text_of(other))
        share = len(own & theirs) / max(len(own | theirs), 1)
        if share >= ALIKE:
            found[other.pk] = Alike(other, share, is_own)
    return found


def _meant(listing: Listing, rows: Any, found: dict[int, Alike]) -> dict[int, Alike]:
    near = {pk: share for pk, share in _by_meaning(listing, SHOWN) if pk not in found}
    return {
        other.pk: Alike(other, near[other.pk], is_own=False, by_meaning=True)
        for other in rows.filter(pk__in=near).select_related("owner")
    }


# --- Keeping fingerprints -------------------------------------------------------------------


def stale(kind: str, limit: int = 500) -> list[int]:
    """Return listings whose text has changed since their fingerprint was taken."""
    fresh = ListingSignature.objects.filter(
        **{kind: OuterRef("pk")}, text_at__gte=OuterRef("updated_at")
    )
    rows = MODELS[kind].objects.exclude(status__in=_OVER).filter(~Exists(fresh))
    return list(rows.order_by("-updated_at").values_list("pk", flat=True)[:limit])


def sign(kind: str, ids: Sequence[int]) -> int:
    """Take the fingerprints of listings, then say in their quality what they are like.

    Safe to run twice. Returns how many were signed.
    """
    listings = list(MODELS[kind].objects.filter(pk__in=ids).select_related("owner"))
    rows = [
        ListingSignature(
            **{kind: listing},
            public_bands=bands(public_text(listing)),
            bands=bands(whole_text(listing)),
            text_at=listing.updated_at,
        )
        for listing in listings
    ]
    ListingSignature.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=[kind],
        update_fields=["public_bands", "bands", "text_at"],
    )
    for listing in listings:
        _score(kind, listing)
    return len(rows)


def _score(kind: str, listing: Listing) -> None:
    """Store the quality of a listing, now that it is known what it is like."""
    copies, lookalikes = counts(listing)
    score = assess(listing, copies=copies, lookalikes=lookalikes).score
    # Only if nobody has written it meanwhile: their score is of a newer text.
    unchanged = MODELS[kind].objects.filter(pk=listing.pk, updated_at=listing.updated_at)
    unchanged.exclude(quality=score).update(quality=score)


def counts(listing: Listing) -> tuple[int, int]:
    """Return how many listings of its owner, and how many live ones of others, are like it."""
    rows = type(listing).objects.exclude(pk=listing.pk).exclude(status__in=_OVER)
    own = rows.filter(owner_id=listing.owner_id)
    others = type(listing).objects.live().exclude(pk=listing.pk).exclude(owner_id=listing.owner_id)
    return (
        len(_compare(listing, own, whole_text, "bands", is_own=True)),
        len(_compare(listing, others, public_text, "public_bands", is_own=False)),
    )
