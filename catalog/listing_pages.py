"""A page of a list: its rows, how many there are in all, and the way to the next and the last.

    page = listing_page(Filters.read("demand", request.GET), tier, after=request.GET.get("after"))

This is what the lists, the API and saved searches share. Which rows a page has, and every count,
come from `catalog.snapshot`; the rows themselves are read from the database through `live()` and
held against the filters once more, so that nothing withdrawn a moment ago, and nothing whose
tiers have become narrower, is ever given out.

A page begins behind a row, not at a number: `after` is the key of the row before it, as in
"1763776512123456-4821" (what the list is ordered by, and the row's own key). A reader who follows
“next” misses nothing and sees nothing twice when listings come in meanwhile, and page 5,000
costs what page 1 costs. `before` goes back. A cursor that cannot be read gives the first page.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from django.utils import timezone

from accounts.permissions import Tier
from catalog import facets, search, snapshot
from catalog.columns import NOTHING, Columns, Numbers, may_know, microseconds, read_columns
from catalog.facets import Chip, Facet, Filters, Selection, Sort
from catalog.snapshot import MODELS

PAGE_SIZE = 20
# Rows that have just left are replaced by the next ones, this many times.
ATTEMPTS = 3
BEHIND_ALL = -(10**17)
_CURSOR = re.compile(r"(-?[0-9]{1,18})-([0-9]{1,18})")
# Bodies are long, and no row of a list shows them.
LONG_FIELDS = {
    "demand": ("body", "process", "tried", "partners"),
    "achievement": (
        *("body", "novelty", "advantages", "scenarios", "trl_evidence", "encumbrances"),
        "ip_items",
    ),
}


def long_fields(prefix: str = "") -> tuple[str, ...]:
    """Return them as they are called from a row that points at a listing of either kind."""
    return tuple(f"{prefix}{kind}__{name}" for kind, names in LONG_FIELDS.items() for name in names)


@dataclass(frozen=True)
class ListingPage:
    """`first` counts from 1. `after` and `before` are cursors, "" where the list ends."""

    rows: list[Any]
    count: int
    first: int
    after: str
    before: str

    @property
    def last(self) -> int:
        return self.first + len(self.rows) - 1


class Catalogue:
    """One list under filters, for a reader of `tier`: its pages, its facets, what a search found.

    Raises nothing for what a reader may type. Two queries a page, one more after a change.
    """

    def __init__(self, filters: Filters, tier: Tier) -> None:
        self.filters, self.tier = filters, tier
        self._live = snapshot.live(filters.kind)
        self.found: search.SearchResult | None = None
        # Without the filters there would be more than what was looked at.
        self._widely_cut = False
        if filters.words:
            self.found = self._find()

    def _find(self) -> search.SearchResult:
        """Return what the words find under the filters, and behind it what they find without.

        The latter is what the other values of the facets in use are counted over.
        """
        kind, words, state = self.filters.kind, self.filters.words, self._live.state
        found = search.find(kind, words, tier=self.tier, state=state)
        ids, is_cut = self._with_class(found.ids)
        is_cut = self._widely_cut = is_cut or found.is_cut
        if is_cut and self.filters.used():
            scope = self._scope(found.nearness)
            inside = search.find(kind, words, tier=self.tier, state=state, within=scope)
            first, is_cut = self._with_class(inside.ids, scope.ids)
            ids = list(dict.fromkeys([*first, *ids]))
            is_cut = is_cut or inside.is_cut
        return found._replace(ids=ids, is_cut=is_cut)

    def _scope(self, nearness: float) -> search.Scope:
        """Return what the filters leave of the list, for a search among that alone."""
        filters, columns = self.filters, self._live.columns
        sections = tuple(sorted({code[0] for code in filters.narrowest("industry")}))
        wider = Filters(kind=filters.kind, industry=sections, region=filters.region)
        around = np.count_nonzero(Selection(columns, wider, self.tier).all)
        ids = np.sort(columns["pk"][Selection(columns, filters, self.tier).all])
        return search.Scope(
            name=filters.without_words().query_string(),
            ids=ids,
            sections=sections,
            provinces=tuple(sorted(code[:2] for code in filters.region)),
            share=len(ids) / max(1, int(around)),
            nearness=nearness,
        )

    def _with_class(self, ids: list[int], scope: Numbers | None = None) -> tuple[list[int], bool]:
        """Return what was found, behind the listings of a class whose code was asked for, and
        whether there are more of these."""
        code = self.filters.words.upper()
        columns = self._live.columns
        held = np.zeros(len(columns), dtype=np.bool_)
        for facet in ("industry", "ipc", "emerging"):
            if facets.is_class(facet, code):
                chosen: dict[str, Any] = {facet: (code,)}
                of_class = Filters(kind=self.filters.kind, **chosen)
                held |= Selection(columns, of_class, self.tier).all
        if not held.any():
            return ids, False
        if scope is not None:
            held &= np.isin(columns["pk"], scope, kind="sort")
        places = np.flatnonzero(held)
        first = columns["pk"][places[: search.SEARCH_LIMIT]].tolist()
        return list(dict.fromkeys([*first, *ids])), len(places) > search.SEARCH_LIMIT

    @cached_property
    def _selection(self) -> Selection:
        columns = self._live.columns
        if self.found is not None:
            columns = columns.take(columns.places(self.found.ids))
        return Selection(columns, self.filters, self.tier)

    @cached_property
    def count(self) -> int:
        return int(np.count_nonzero(self._selection.all))

    @cached_property
    def facets(self) -> list[Facet]:
        """Return every facet with the number of rows behind each value."""
        if self.found is not None:
            counts = facets.count(self._selection)
        else:
            # “Published in the last 7 days” changes by the hour though nothing is written.
            hour = int(timezone.now().timestamp() // 3600)
            key = (replace(self.filters, sort="", was_cut=False), self.tier, hour)
            counts = self._live.remembered(key, lambda: facets.count(self._selection))
        is_cut = self.found is not None and self.found.is_cut
        return facets.facets(self.filters, counts, is_cut=is_cut, widely_cut=self._widely_cut)

    def ways_out(self) -> list[tuple[Chip, int]]:
        """For an empty list: what could be dropped, and how many rows that would bring."""
        return list(facets.ways_out(self._selection))

    def cursor_of_page(self, number: int, size: int = PAGE_SIZE) -> str:
        """Return the cursor of a page by its number, as old addresses have it; the last at most."""
        keys, pks = self._ordered
        number = min(number, max(1, -(-len(pks) // size)))
        return _cursor(keys, pks, (number - 1) * size - 1)

    def page(
        self, *, after: str = "", before: str = "", size: int = PAGE_SIZE, rows: Any = None
    ) -> ListingPage:
        """Return the page behind `after`, or the one that ends before `before`.

        `rows` is the query to read from, where a page needs other fields or relations.
        """
        keys, pks = self._ordered
        start = self._start(after, before, size)
        found: list[Any] = []
        gone: list[int] = []
        end = start
        for _attempt in range(ATTEMPTS):
            wanted: list[int] = pks[end : end + size - len(found)].tolist()
            if not wanted:
                break
            fresh = self._read(wanted, rows)
            found += [fresh[pk] for pk in wanted if pk in fresh]
            gone += [pk for pk in wanted if pk not in fresh]
            end += len(wanted)
        if gone:
            snapshot.forget(self.filters.kind, self._not_live(gone))
        return ListingPage(
            rows=found,
            count=self.count - len(gone),
            first=start + 1,
            after=_cursor(keys, pks, end - 1) if end < len(pks) else "",
            before=_cursor(keys, pks, start) if start else "",
        )

    def _start(self, after: str, before: str, size: int) -> int:
        """Return the place of the page's first row."""
        _keys, pks = self._ordered
        if (cursor := _read_cursor(after)) is not None:
            place = self._place(cursor, or_same=True)
            # Behind the last row there is nothing to show: the last page is.
            return place if place < len(pks) else max(0, len(pks) - 1) // size * size
        if (cursor := _read_cursor(before)) is not None:
            return max(0, self._place(cursor, or_same=False) - size)
        return 0

    def _place(self, cursor: tuple[int, int], *, or_same: bool) -> int:
        """Return how many rows come before the cursor's, with `or_same` that one among them."""
        keys, pks = self._ordered
        key, pk = cursor
        if self.filters.order == Sort.BEST:
            # The answer to a search may have changed a little: where that row stands now.
            same = np.flatnonzero(pks == pk)
            if len(same):
                return int(same[0]) + or_same
        tie = pks >= pk if or_same else pks > pk
        return int(np.count_nonzero((keys > key) | ((keys == key) & tie)))

    @cached_property
    def _ordered(self) -> tuple[Numbers, Numbers]:
        """Return what the selected rows are ordered by, the highest first, and their keys."""
        columns, chosen = self._selection.columns, self._selection.all
        sort = self.filters.order
        if sort == Sort.BEST:
            places = np.flatnonzero(chosen)
            return -places, columns["pk"][places]
        if self.found is not None:
            keys, order = _order(columns, sort, self.tier)
        else:
            keys, order = self._live.remembered(
                ("order", sort, self.tier), lambda: _order(columns, sort, self.tier)
            )
        places = order[chosen[order]]
        return keys[places], columns["pk"][places]

    def _read(self, pks: list[int], rows: Any) -> dict[int, Any]:
        """Read these rows, and leave out those that do not belong here any more."""
        kind = self.filters.kind
        if rows is None:
            rows = MODELS[kind].objects.select_related("owner").defer(*LONG_FIELDS[kind])
        fresh: dict[int, Any] = {row.pk: row for row in rows.live().filter(pk__in=pks)}
        columns = self._live.columns.take(self._live.columns.places(fresh))
        known = dict(zip(columns["pk"].tolist(), columns["updated"].tolist(), strict=True))
        moved = [pk for pk, row in fresh.items() if microseconds(row.updated_at) != known[pk]]
        if moved:
            # Changed since the snapshot was made: do the filters still let it through?
            now = read_columns(MODELS[kind].objects.filter(pk__in=moved))
            kept = now["pk"][Selection(now, self.filters, self.tier).all]
            for pk in set(moved) - set(kept.tolist()):
                del fresh[pk]
        return fresh

    def _not_live(self, pks: list[int]) -> list[int]:
        live = MODELS[self.filters.kind].objects.live().filter(pk__in=pks)
        return sorted(set(pks) - set(live.values_list("pk", flat=True)))


def listing_page(
    filters: Filters, tier: Tier, *, after: str = "", before: str = "", size: int = PAGE_SIZE
) -> ListingPage:
    """Return one page of a list; see `Catalogue` for its facets as well."""
    return Catalogue(filters, tier).page(after=after, before=before, size=size)


def _order(columns: Columns, sort: str, tier: Tier) -> tuple[Numbers, Numbers]:
    """Return what rows are ordered by, and their places in that order, the highest first."""
    keys = _sort_keys(columns, sort, tier)
    return keys, np.lexsort((-columns["pk"], -keys))


def _sort_keys(columns: Columns, sort: str, tier: Tier) -> Numbers:
    if sort == Sort.ENDING:
        return -columns["until"].astype(np.int64)
    if sort == Sort.CONFIRMED:
        latest: Numbers = np.maximum(columns["confirmed"], columns["published"])
        return latest
    if sort == Sort.MONEY:
        money = columns["money"]
        # What the reader may not know stands with what nobody has said, behind all others.
        known = (money != NOTHING) & may_know(columns, "money", tier)
        if columns.kind == "demand":
            return np.where(known, money, NOTHING)
        return np.where(known, -money, BEHIND_ALL)
    newest: Numbers = columns["published"]
    return newest


def _cursor(keys: Numbers, pks: Numbers, place: int) -> str:
    return f"{keys[place]}-{pks[place]}" if 0 <= place < len(pks) else ""


def _read_cursor(text: str) -> tuple[int, int] | None:
    match = _CURSOR.fullmatch(text)
    return (int(match[1]), int(match[2])) if match else None
