"""Live listings as columns of numbers: what the lists filter, count and order by.

A page of a list needs some ten counts over everything that is live. As GROUP BY queries they
cost a second at 100,000 listings; over columns in memory, a few milliseconds. Nothing here is
shown: the rows of a page are read from the database, by `catalog.listing_pages`.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import numpy as np
from django.db.models import BigIntegerField, Func
from django.db.models.fields.json import KeyTextTransform
from django.utils import timezone
from numpy.typing import NDArray

from accounts.models import OrganizationKind
from accounts.permissions import Tier
from catalog.disclosure import tier_of
from catalog.models import CLASS_LIMIT, CooperationMode, ListingLanguage, ListingQuerySet

Mask = NDArray[np.bool_]
Numbers = NDArray[np.int64]

MODES = tuple(CooperationMode.values)
LANGUAGES = tuple(ListingLanguage.values)
OWNERS = tuple(OrganizationKind.values)
IPC_TOPS, EMERGING_TOPS = "ABCDEFGH", "123456789"
# What stands where a listing says nothing.
NOTHING = -1
NO_LAST_DAY = dt.date.max.toordinal()

_ROW = np.dtype(
    [
        ("pk", "i8"),
        # Microseconds since 1970: what cursors are made of must not be rounded.
        ("published", "i8"),
        ("updated", "i8"),
        ("confirmed", "i8"),
        # The day's ordinal.
        ("until", "i4"),
        ("industry", "i2"),
        ("province", "i2"),
        ("trl", "i1"),
        # From which tier on a reader may know it.
        ("trl_tier", "i1"),
        # What the listing offers or asks at most, in yuan.
        ("money", "i8"),
        ("money_tier", "i1"),
        ("modes", "u1"),
        ("language", "i1"),
        ("owner", "i1"),
        ("ipc", "i2", (CLASS_LIMIT,)),
        ("emerging", "i2", (CLASS_LIMIT,)),
        # The same by their widest classes, a bit each.
        ("ipc_tops", "u2"),
        ("emerging_tops", "u2"),
    ]
)


class Codes:
    """Numbers for the codes of a classification, given out as codes turn up."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self._numbers: dict[str, int] = {"": NOTHING}

    def number(self, code: str) -> int:
        known = self._numbers.get(code)
        if known is None:
            # Two threads may both come here: the list is written first, and a code that stands
            # there twice is counted by its name all the same.
            self.names.append(code)
            known = self._numbers[code] = len(self.names) - 1
        return known

    def beginning_with(self, prefixes: Iterable[str]) -> NDArray[np.int16]:
        wanted = tuple(prefixes)
        found = [number for number, name in enumerate(self.names) if name.startswith(wanted)]
        return np.array(found, dtype=np.int16)


INDUSTRIES, IPC, EMERGING = Codes(), Codes(), Codes()


@dataclass(frozen=True)
class Columns:
    """Listings of one kind, newest first where they are all, else in the order they were taken."""

    kind: str
    values: Mapping[str, NDArray[Any]]

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self.values[name]

    def __len__(self) -> int:
        return len(self.values["pk"])

    def take(self, rows: NDArray[Any]) -> Columns:
        """Return some of the rows: by their places, or by a mask."""
        return Columns(self.kind, {name: column[rows] for name, column in self.values.items()})

    def merged(self, others: Columns, without: NDArray[np.int64]) -> Columns:
        """Return these rows without some keys, with others added, newest first."""
        kept = self.take(~np.isin(self["pk"], without))
        joined = Columns(
            self.kind,
            {name: np.concatenate([kept[name], others[name]]) for name in self.values},
        )
        return joined.take(np.lexsort((-joined["pk"], -joined["published"])))

    @cached_property
    def _by_pk(self) -> NDArray[np.int64]:
        return np.argsort(self["pk"], kind="stable")

    def places(self, pks: Iterable[int]) -> NDArray[np.int64]:
        """Return where these keys stand, in their order, without those that are not here."""
        wanted = np.fromiter(pks, dtype=np.int64)
        if not len(self) or not len(wanted):
            return np.empty(0, dtype=np.int64)
        ordered = self["pk"][self._by_pk]
        at = np.minimum(np.searchsorted(ordered, wanted), len(ordered) - 1)
        places: NDArray[np.int64] = self._by_pk[at[ordered[at] == wanted]]
        return places


def read_columns(rows: ListingQuerySet) -> Columns:
    """Read rows of one kind in one query, in the order of `rows`: some 15 µs a row."""
    kind = str(rows.model._meta.model_name)

    # The same few values stand in most rows, and are looked up once.
    @cache
    def mode_bits(modes: tuple[str, ...]) -> int:
        return sum(1 << MODES.index(mode) for mode in set(modes) if mode in MODES)

    @cache
    def province(region: str) -> int:
        return int(region[:2]) if re.match(r"[0-9]{2}", region) else NOTHING

    @cache
    def tier(key: str, chosen: str | None) -> int:
        return int(tier_of(kind, key, {key: chosen} if chosen else {}))

    @cache
    def classes(codes: Codes, given: tuple[str, ...]) -> tuple[int, ...]:
        numbers = [codes.number(code) for code in dict.fromkeys(given)][:CLASS_LIMIT]
        return (*numbers, *(NOTHING for _ in range(CLASS_LIMIT - len(numbers))))

    @cache
    def top_bits(tops: str, given: tuple[str, ...]) -> int:
        held = {code[:1] for code in given} - {""}
        return sum(1 << tops.index(top) for top in held if top in tops)

    def packed(row: tuple[Any, ...]) -> tuple[Any, ...]:
        pk, published, updated, confirmed, until, industry, region, trl, low, high = row[:10]
        modes, language, owner, ipc, emerging, trl_choice, money_choice = row[10:]
        ipc, emerging = tuple(ipc), tuple(emerging)
        return (
            pk,
            published or 0,
            updated,
            confirmed or 0,
            NO_LAST_DAY if until is None else until.toordinal(),
            INDUSTRIES.number(industry),
            province(region),
            NOTHING if trl is None else trl,
            tier("trl", trl_choice),
            high if high is not None else NOTHING if low is None else low,
            tier("money", money_choice),
            mode_bits(tuple(modes)),
            _LANGUAGE.get(language, NOTHING),
            _OWNER.get(owner, NOTHING),
            classes(IPC, ipc),
            classes(EMERGING, emerging),
            top_bits(IPC_TOPS, ipc),
            top_bits(EMERGING_TOPS, emerging),
        )

    found = rows.annotate(
        **{f"{name}_number": _Microseconds(f"{name}_at") for name in _MOMENTS},
        trl_choice=KeyTextTransform("trl", "disclosure"),
        money_choice=KeyTextTransform("money", "disclosure"),
    ).values_list(
        *("pk", *(f"{name}_number" for name in _MOMENTS), "valid_until", "industry", "region"),
        *("trl", "money_min", "money_max", "modes", "language", "owner__kind", "ipc", "emerging"),
        *("trl_choice", "money_choice"),
    )
    # In pieces: a million tuples of Python objects at once would take a gigabyte.
    pieces: list[NDArray[Any]] = []
    piece: list[tuple[Any, ...]] = []
    for row in found.iterator(chunk_size=5000):
        piece.append(packed(row))
        if len(piece) == 20_000:
            pieces.append(np.array(piece, dtype=_ROW))
            piece = []
    table = np.concatenate([*pieces, np.array(piece, dtype=_ROW)])
    return Columns(
        kind, {name: np.ascontiguousarray(table[name]) for name in table.dtype.names or ()}
    )


_MOMENTS = ("published", "updated", "confirmed")
_LANGUAGE = {language: number for number, language in enumerate(LANGUAGES)}
_OWNER = {kind: number for number, kind in enumerate(OWNERS)}


class _Microseconds(Func):
    """A moment as a whole number, made by the database: exact, and ten times faster than here."""

    template = "(EXTRACT(EPOCH FROM %(expressions)s) * 1000000)::bigint"
    output_field = BigIntegerField()


def microseconds(moment: dt.datetime | None) -> int:
    """Return a moment as a whole number; one that is missing is before all others."""
    if moment is None:
        return 0
    since = moment - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def still_valid(columns: Columns, day: dt.date | None = None) -> Mask:
    """Return which of the published listings are not past their last day."""
    valid: Mask = columns["until"] >= (day or timezone.localdate()).toordinal()
    return valid


def may_know(columns: Columns, key: str, tier: Tier) -> Mask:
    """Return of which listings a reader of `tier` may know the TRL or the money."""
    may: Mask = columns[f"{key}_tier"] <= tier
    return may
