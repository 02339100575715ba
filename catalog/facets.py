"""What the lists filter by: the query string read, applied, and counted.

Values of one facet widen each other, facets narrow each other. Each facet is counted under all
the others, so that a number says what a click would show.

`Filters` is what a page, the API and a saved search have in common: `read` makes it of a query
string and drops what it does not know, `query_string` writes it down again. What may be filtered,
counted or ordered by is only what the reader's tier may read: a listing whose TRL is withheld is
under no TRL, one whose money is withheld in no band. `catalog.listing_pages` gives the rows.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, reduce
from operator import and_
from typing import Any
from urllib.parse import urlencode

import numpy as np
from django.utils import timezone
from django.utils.datastructures import MultiValueDict
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy
from django_stubs_ext import StrOrPromise

from accounts.models import OrganizationKind
from accounts.permissions import Tier
from accounts.regions import province_choices, province_name
from accounts.templatetags.kq import wan_range
from accounts.text import clean_text
from catalog.classes import class_name
from catalog.columns import (
    EMERGING,
    EMERGING_TOPS,
    INDUSTRIES,
    IPC,
    IPC_TOPS,
    LANGUAGES,
    MODES,
    NOTHING,
    OWNERS,
    Codes,
    Columns,
    Mask,
    may_know,
)
from catalog.industries import industries, industry_name
from catalog.models import CooperationMode, ListingLanguage

# Characters; what the encoder reads of a question, and more than anybody types.
QUERY_LIMIT = 500
# A facet offers its values in full only when it has no more than this many.
SHORT_FACET = 7
# At most so many values of one facet; a query string of thousands is nobody's choice.
VALUES_LIMIT = 50

# Upper ends of the money bands in yuan; the last has none.
BANDS: dict[str, tuple[int, int | None]] = {
    "0-100000": (0, 100_000),
    "100000-500000": (100_000, 500_000),
    "500000-1000000": (500_000, 1_000_000),
    "1000000-5000000": (1_000_000, 5_000_000),
    "5000000-": (5_000_000, None),
}
NEGOTIABLE = "open"
# What most readers need; the other facets stand behind “more filters”.
FIRST = ("industry", "region", "money", "trl", "mode")
# Days since publication.
FRESH = (7, 30, 90)


class Sort:
    """What a list may be ordered by. The first is what a reader gets who asked for nothing."""

    BEST = "best"
    NEWEST = "newest"
    ENDING = "ending"
    CONFIRMED = "confirmed"
    MONEY = "money"


@dataclass(frozen=True)
class Filters:
    """What a reader asks a list for. Values that no facet knows are dropped, not answered."""

    kind: str
    words: str = ""
    was_cut: bool = False
    industry: tuple[str, ...] = ()
    region: tuple[str, ...] = ()
    trl: int | None = None
    mode: tuple[str, ...] = ()
    money: tuple[str, ...] = ()
    ipc: tuple[str, ...] = ()
    emerging: tuple[str, ...] = ()
    owner: tuple[str, ...] = ()
    language: tuple[str, ...] = ()
    fresh: int | None = None
    # "" is the usual order: the best first where words are asked for, else the newest.
    sort: str = ""

    @classmethod
    def read(cls, kind: str, query: MultiValueDict[str, str]) -> Filters:
        raw = query.get("q") or ""
        words = " ".join(clean_text(raw[:QUERY_LIMIT]).split())
        trl, fresh, sort = (query.get(name) or "" for name in ("trl", "fresh", "sort"))
        values: dict[str, Any] = {
            facet: _known(query.getlist(facet), is_known) for facet, is_known in _KNOWN.items()
        }
        return cls(
            kind=kind,
            words=words,
            was_cut=len(raw) > QUERY_LIMIT,
            trl=int(trl) if trl in set("123456789") else None,
            fresh=int(fresh) if fresh in {str(days) for days in FRESH} else None,
            sort=sort if sort in sorts(bool(words))[1:] else "",
            **values,
        )

    @property
    def order(self) -> str:
        return self.sort or sorts(bool(self.words))[0]

    def narrowest(self, facet: str) -> list[str]:
        """Return the chosen classes without those that a finer choice has narrowed."""
        chosen: tuple[str, ...] = getattr(self, facet)
        return [
            code
            for code in chosen
            if not any(other != code and other.startswith(code) for other in chosen)
        ]

    def pairs(self) -> list[tuple[str, str]]:
        pairs: list[tuple[str, str]] = []
        if self.words:
            pairs.append(("q", self.words))
        for facet in FACETS:
            value = getattr(self, facet)
            if isinstance(value, tuple):
                pairs += [(facet, one) for one in value]
            elif value:
                pairs.append((facet, str(value)))
        if self.sort:
            pairs.append(("sort", self.sort))
        return pairs

    def query_string(self, **more: str) -> str:
        """Return the canonical query of these filters, with `more` behind, such as a cursor."""
        return urlencode([*self.pairs(), *more.items()])

    def without(self, facet: str) -> Filters:
        empty = Filters(kind=self.kind)
        return replace(self, **{facet: getattr(empty, facet)})

    def cleared(self) -> Filters:
        """Return the words and the order alone."""
        return Filters(kind=self.kind, words=self.words, was_cut=self.was_cut, sort=self.sort)

    def without_words(self) -> Filters:
        """Return the facets alone."""
        return replace(self, words="", was_cut=False, sort="")

    def used(self) -> list[str]:
        """Return the facets that narrow the list."""
        return [facet for facet in FACETS if getattr(self, facet)]

    def chips(self) -> list[Chip]:
        """Return the filters in use, each with the query that is left without it."""
        chips = []
        for facet in self.used():
            value = getattr(self, facet)
            if not isinstance(value, tuple):
                chips.append(Chip(facet, label(self.kind, facet, str(value)), self.without(facet)))
                continue
            for one in self.narrowest(facet) if facet in _TREES else value:
                rest = tuple(other for other in value if other != one)
                left: dict[str, Any] = {facet: rest}
                chips.append(Chip(facet, label(self.kind, facet, one), replace(self, **left)))
        return chips


@dataclass(frozen=True)
class Chip:
    facet: str
    label: str
    rest: Filters

    @property
    def query(self) -> str:
        return self.rest.query_string()


@dataclass(frozen=True)
class Option:
    """`at_least`: a search did not look at all there is, and the value may have more."""

    value: str
    label: str
    count: int
    chosen: bool
    # The finer classes of a chosen one.
    finer: list[Option] = field(default_factory=list)
    at_least: bool = False

    @property
    def number(self) -> str:
        return f"{self.count}+" if self.at_least and self.count else str(self.count)


@dataclass(frozen=True)
class Facet:
    """One block of the filters. `single`: at most one value can be chosen."""

    name: str
    legend: StrOrPromise
    options: list[Option]
    single: bool = False

    @property
    def chosen(self) -> bool:
        return _any_chosen(self.options)

    @property
    def rest(self) -> list[Option]:
        """Return what stands behind “more”."""
        return self.options[SHORT_FACET:]

    @property
    def rest_chosen(self) -> bool:
        return _any_chosen(self.rest)


def _any_chosen(options: list[Option]) -> bool:
    return any(option.chosen or _any_chosen(option.finer) for option in options)


_LEGENDS: dict[str, StrOrPromise] = {
    "industry": gettext_lazy("Industry"),
    "region": gettext_lazy("Region"),
    "money": gettext_lazy("Budget or price"),
    "trl": gettext_lazy("Technology readiness"),
    "mode": gettext_lazy("Cooperation mode"),
    "fresh": pgettext_lazy("facet", "Published"),
    "owner": pgettext_lazy("facet", "Offered or asked by"),
    "emerging": gettext_lazy("Strategic emerging industry"),
    "ipc": gettext_lazy("Patent class"),
    "language": pgettext_lazy("facet", "Language"),
}
# In the order of the page.
FACETS = tuple(_LEGENDS)
_SINGLE = {"trl", "fresh"}
# Facets whose values stand one above the other: a class, and the finer ones in it.
_TREES: dict[str, Codes] = {"industry": INDUSTRIES, "ipc": IPC, "emerging": EMERGING}

_TOPS = {"ipc": IPC_TOPS, "emerging": EMERGING_TOPS}
# Whether a value of a query string is one of the facet.
_KNOWN: dict[str, Callable[[str], bool]] = {
    "industry": lambda code: code in industries(),
    "region": lambda code: code in dict(province_choices()),
    "mode": lambda mode: mode in CooperationMode.values,
    "money": lambda band: band in BANDS or band == NEGOTIABLE,
    "ipc": lambda code: bool(class_name("ipc", code, "zh")),
    "emerging": lambda code: bool(class_name("emerging", code, "zh")),
    "owner": lambda kind: kind in OrganizationKind.values,
    "language": lambda language: language in ListingLanguage.values,
}


def sorts(with_words: bool) -> tuple[str, ...]:
    """Return what a list can be ordered by, the usual one first."""
    rest = (Sort.NEWEST, Sort.ENDING, Sort.CONFIRMED, Sort.MONEY)
    return (Sort.BEST, *rest) if with_words else rest


def sort_label(kind: str, sort: str) -> str:
    return {
        Sort.BEST: _("Best match"),
        Sort.NEWEST: _("Newest"),
        Sort.ENDING: _("Ending soon"),
        Sort.CONFIRMED: _("Recently confirmed"),
        Sort.MONEY: _("Highest budget") if kind == "demand" else _("Lowest price"),
    }[sort]


def is_class(facet: str, code: str) -> bool:
    """Say whether a text is the code of a class, wider than a letter."""
    return len(code) > 1 and _KNOWN[facet](code)


def trl_label(kind: str, level: int) -> str:
    if kind == "demand":
        return _("requires at most TRL %(level)d") % {"level": level}
    return _("TRL %(level)d or higher") % {"level": level}


def label(kind: str, facet: str, value: str) -> str:
    """Return what a value of a facet is called in the reader's language."""
    if facet == "industry":
        return industry_name(value)
    if facet == "region":
        return province_name(value)
    if facet == "trl":
        return trl_label(kind, int(value))
    if facet == "mode":
        return str(CooperationMode(value).label)
    if facet == "money":
        low, high = (None, None) if value == NEGOTIABLE else BANDS[value]
        shown = wan_range(low or None, high)
        return shown[:1].upper() + shown[1:]
    if facet == "ipc":
        return f"{value} {class_name('ipc', value)}"
    if facet == "emerging":
        return class_name("emerging", value)
    if facet == "owner":
        return str(OrganizationKind(value).label)
    if facet == "language":
        return str(ListingLanguage(value).label)
    return _("Last %(days)d days") % {"days": int(value)}


class Selection:
    """Listings under filters, as far as a reader of `tier` may filter them."""

    def __init__(self, columns: Columns, filters: Filters, tier: Tier) -> None:
        self.columns, self.filters, self.tier = columns, filters, tier
        self._asked: dict[str, Mask] = {facet: _CONDITIONS[facet](self) for facet in filters.used()}

    def rows(self, *, but: str = "") -> Mask:
        """Return which rows all the filters leave, or all but one facet's."""
        asked = [mask for facet, mask in self._asked.items() if facet != but]
        return reduce(and_, asked, np.ones(len(self.columns), dtype=np.bool_))

    @cached_property
    def all(self) -> Mask:
        return self.rows()

    def under(self, facet: str) -> Mask:
        """Return the rows that a facet's values are counted over."""
        return self.rows(but=facet) if facet in self._asked else self.all

    # --- Conditions -----------------------------------------------------------------------------

    def _industry(self) -> Mask:
        wanted = INDUSTRIES.beginning_with(self.filters.narrowest("industry"))
        return np.isin(self.columns["industry"], wanted)

    def _class(self, facet: str) -> Mask:
        wanted = _TREES[facet].beginning_with(self.filters.narrowest(facet))
        found: Mask = np.logical_or.reduce(np.isin(self.columns[facet], wanted), axis=1)
        return found

    def _region(self) -> Mask:
        return np.isin(self.columns["province"], [int(code[:2]) for code in self.filters.region])

    def _trl(self) -> Mask:
        level = self.filters.trl or 0
        trl = self.columns["trl"]
        # A demand that names no level takes any.
        fits = trl <= level if self.filters.kind == "demand" else trl >= level
        known: Mask = np.logical_and(fits, may_know(self.columns, "trl", self.tier))
        return known

    def _mode(self) -> Mask:
        bits = sum(1 << MODES.index(mode) for mode in self.filters.mode)
        found: Mask = (self.columns["modes"] & bits) != 0
        return found

    def _money(self) -> Mask:
        return np.isin(self._bands(), [_BAND_NAMES.index(band) for band in self.filters.money])

    def _bands(self) -> Any:
        """Return each row's number in `_BAND_NAMES`; `NOTHING` where the reader may not know."""
        money = self.columns["money"]
        bands = np.searchsorted(_BAND_ENDS, money, side="left")
        bands = np.where(money == NOTHING, _BAND_NAMES.index(NEGOTIABLE), bands)
        return np.where(may_know(self.columns, "money", self.tier), bands, NOTHING)

    def _owner(self) -> Mask:
        return np.isin(self.columns["owner"], [OWNERS.index(kind) for kind in self.filters.owner])

    def _language(self) -> Mask:
        wanted = [LANGUAGES.index(language) for language in self.filters.language]
        return np.isin(self.columns["language"], wanted)

    def _fresh(self) -> Mask:
        return _published_within(self.columns, self.filters.fresh or 0)


_CONDITIONS = {
    "industry": Selection._industry,
    "region": Selection._region,
    "trl": Selection._trl,
    "mode": Selection._mode,
    "money": Selection._money,
    "ipc": lambda selection: selection._class("ipc"),
    "emerging": lambda selection: selection._class("emerging"),
    "owner": Selection._owner,
    "language": Selection._language,
    "fresh": Selection._fresh,
}
_BAND_NAMES = (*BANDS, NEGOTIABLE)
_BAND_ENDS = np.array([high for _low, high in BANDS.values() if high is not None])

# Facet to value to number of rows.
Counts = Mapping[str, Mapping[str, int]]


def count(selection: Selection) -> Counts:
    """Count every value of each facet under the other facets."""
    filters, columns = selection.filters, selection.columns
    counts: dict[str, Mapping[str, int]] = {}
    for facet in FACETS:
        rows = selection.under(facet)
        if facet == "industry":
            counts[facet] = _by_division(columns["industry"][rows], filters)
        elif facet == "region":
            counts[facet] = {
                f"{province:02d}0000": number
                for province, number in _tally(columns["province"][rows]).items()
            }
        elif facet == "trl":
            counts[facet] = _by_level(columns, rows, filters.kind, selection.tier)
        elif facet == "mode":
            of_rows = columns["modes"][rows]
            counts[facet] = {
                mode: int(np.count_nonzero(of_rows & (1 << bit))) for bit, mode in enumerate(MODES)
            }
        elif facet == "money":
            tally = _tally(selection._bands()[rows])
            counts[facet] = {_BAND_NAMES[band]: number for band, number in tally.items()}
        elif facet == "owner":
            tally = _tally(columns["owner"][rows])
            counts[facet] = {OWNERS[kind]: number for kind, number in tally.items()}
        elif facet == "language":
            tally = _tally(columns["language"][rows])
            counts[facet] = {LANGUAGES[language]: number for language, number in tally.items()}
        elif facet == "fresh":
            counts[facet] = {
                str(days): int(np.count_nonzero(rows & _published_within(columns, days)))
                for days in FRESH
            }
        else:
            counts[facet] = _by_class(facet, columns, rows, filters)
    return counts


def _published_within(columns: Columns, days: int) -> Mask:
    start = timezone.localtime() - dt.timedelta(days=days)
    found: Mask = columns["published"] >= int(start.timestamp() * 1_000_000)
    return found


def _tally(values: Any) -> dict[int, int]:
    """Count small numbers; what is `NOTHING` is not counted."""
    counted = np.bincount(values.astype(np.int64) + 1)
    return {int(value) - 1: int(counted[value]) for value in np.flatnonzero(counted) if value}


def _by_division(numbers: Any, filters: Filters) -> Counter[str]:
    """Count rows by section and division, and by those finer classes that are chosen."""
    counts: Counter[str] = Counter()
    chosen = {code for code in filters.industry if len(code) > 3}
    for number, found in _tally(numbers).items():
        code = INDUSTRIES.names[number]
        for part in {code[:1], code[:3], *(one for one in chosen if code.startswith(one))}:
            counts[part] += found
    return counts


def _by_level(columns: Columns, rows: Mask, kind: str, tier: Tier) -> dict[str, int]:
    levels = columns["trl"][rows & may_know(columns, "trl", tier)].astype(np.int64)
    # One place further on: `NOTHING` is first, as a demand without a level takes any.
    counted = np.bincount(levels + 1, minlength=11)
    if kind == "demand":
        return {str(level): int(counted[: level + 2].sum()) for level in range(1, 10)}
    return {str(level): int(counted[level + 1 :].sum()) for level in range(1, 10)}


def _by_class(facet: str, columns: Columns, rows: Mask, filters: Filters) -> Counter[str]:
    """Count rows by their widest classes, and by the next finer ones of those that are chosen."""
    tops = _TOPS[facet]
    of_rows = columns[f"{facet}_tops"][rows]
    counts = Counter(
        {top: int(np.count_nonzero(of_rows & (1 << bit))) for bit, top in enumerate(tops)}
    )
    chosen: tuple[str, ...] = getattr(filters, facet)
    opened = {code[:1] for code in chosen}
    if opened:
        bits = sum(1 << tops.index(top) for top in opened)
        numbers = columns[facet][rows & ((columns[f"{facet}_tops"] & bits) != 0)]
        names = _TREES[facet].names
        finer = sorted({_second(facet, name) for name in names if name[:1] in opened})
        place = {name: number for number, name in enumerate(finer)}
        table = np.array([place.get(_second(facet, name), NOTHING) for name in names] + [NOTHING])
        # A listing with two classes in one counts once there.
        held = np.sort(table[numbers], axis=1)
        held[:, 1:][held[:, 1:] == held[:, :-1]] = NOTHING
        for number, found in _tally(held.ravel()).items():
            counts[finer[number]] += found
    for code in set(chosen) - set(counts):
        wanted = _TREES[facet].beginning_with([code])
        counts[code] = int(np.count_nonzero(np.isin(columns[facet][rows], wanted).any(axis=1)))
    return counts


def _second(facet: str, code: str) -> str:
    return code if facet == "emerging" else code[:3]


def facets(
    filters: Filters, counts: Counts, *, is_cut: bool = False, widely_cut: bool = False
) -> list[Facet]:
    """Return the filters as a page offers them, without those that nothing is in.

    `is_cut`: the rows counted are not all that a search would find under the filters;
    `widely_cut`: nor under all filters but one, which is what other values of that one count.
    """
    shown = []
    for name, legend in _LEGENDS.items():
        others = is_cut or (widely_cut and bool(getattr(filters, name)))
        options = _options(name, filters, counts[name], chosen_cut=is_cut, others_cut=others)
        if options:
            shown.append(Facet(name, legend, options, name in _SINGLE))
    return shown


def _options(
    facet: str,
    filters: Filters,
    counts: Mapping[str, int],
    *,
    chosen_cut: bool,
    others_cut: bool,
) -> list[Option]:
    value = getattr(filters, facet)
    chosen = set(value) if isinstance(value, tuple) else {str(value)} if value else set()

    def option(code: str, finer: list[Option] | None = None) -> Option:
        name = label(filters.kind, facet, code)
        is_chosen = code in chosen
        cut = chosen_cut if is_chosen else others_cut
        return Option(code, name, counts.get(code, 0), is_chosen, finer or [], at_least=cut)

    if facet not in _TREES:
        codes = [code for code in _VALUES[facet]() if counts.get(code) or code in chosen]
        options = [option(code) for code in codes]
        if facet in ("region", "owner"):
            options.sort(key=lambda one: -one.count)
        return options

    opened = {code[:1] for code in chosen}
    known = dict.fromkeys((*counts, *chosen))
    options = []
    for code in sorted({one[:1] for one in known if counts.get(one) or one in chosen}):
        finer = []
        if code in opened:
            below = [one for one in known if one != code and one[:1] == code]
            # A class finer than those that are counted comes from a link.
            finer = [option(one) for one in below]
            finer.sort(key=lambda one: (-one.count, one.value))
        options.append(option(code, finer))
    return options if facet == "ipc" else sorted(options, key=lambda one: -one.count)


_VALUES: dict[str, Callable[[], Iterable[str]]] = {
    "region": lambda: (code for code, _name in province_choices()),
    "trl": lambda: (str(level) for level in range(1, 10)),
    "mode": lambda: CooperationMode.values,
    "money": lambda: (*BANDS, NEGOTIABLE),
    "fresh": lambda: (str(days) for days in FRESH),
    "owner": lambda: OrganizationKind.values,
    "language": lambda: ListingLanguage.values,
}


def ways_out(selection: Selection) -> Iterator[tuple[Chip, int]]:
    """For an empty list: yield what could be dropped, and how many rows that would bring."""
    filters = selection.filters
    chips: dict[str, list[Chip]] = {}
    for chip in filters.chips():
        chips.setdefault(chip.facet, []).append(chip)
    helps = False
    for facet, of_facet in chips.items():
        found = int(np.count_nonzero(selection.rows(but=facet)))
        if found:
            joined = _(", ").join(chip.label for chip in of_facet)
            yield Chip(facet, joined, filters.without(facet)), found
            helps = True
    if len(chips) > 1 and not helps and len(selection.columns):
        yield Chip("", _("all of these filters"), filters.cleared()), len(selection.columns)


def _known(values: list[str], is_known: Callable[[str], bool]) -> tuple[str, ...]:
    # No facet has more values than one can look through; a thousand come from no page of ours.
    few = dict.fromkeys(values[: 4 * VALUES_LIMIT])
    return tuple(value for value in few if is_known(value))[:VALUES_LIMIT]
