"""What the list pages filter by: the query string read, applied, and counted.

Values of one facet widen each other, facets narrow each other. Each facet is counted under all
the others, so that a number says what a click would show.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import reduce
from operator import or_
from urllib.parse import urlencode

from django.db.models import Count, Q
from django.db.models.functions import Substr
from django.utils.datastructures import MultiValueDict
from django.utils.translation import gettext as _

from accounts.regions import province_choices, province_name
from accounts.text import clean_text
from catalog.industries import industries, industry_name
from catalog.models import CooperationMode, ListingQuerySet

# Characters; what the encoder reads of a question, and more than anybody types.
QUERY_LIMIT = 500
# A facet offers its values in full only when it has no more than this many.
SHORT_FACET = 7


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

    @classmethod
    def read(cls, kind: str, query: MultiValueDict[str, str]) -> Filters:
        raw = query.get("q") or ""
        provinces = dict(province_choices())
        trl = query.get("trl") or ""
        return cls(
            kind=kind,
            words=" ".join(clean_text(raw[:QUERY_LIMIT]).split()),
            was_cut=len(raw) > QUERY_LIMIT,
            industry=_known(query.getlist("industry"), industries()),
            region=_known(query.getlist("region"), provinces),
            trl=int(trl) if trl in set("123456789") else None,
            mode=_known(query.getlist("mode"), CooperationMode.values),
        )

    def conditions(self) -> dict[str, Q]:
        """Return what each facet in use asks of a row."""
        asked: dict[str, Q] = {}
        if self.industry:
            asked["industry"] = _any(Q(industry__startswith=code) for code in self.narrowest())
        if self.region:
            asked["region"] = _any(Q(region__startswith=code[:2]) for code in self.region)
        if self.trl and self.kind == "demand":
            # A demand that names no level takes any.
            asked["trl"] = Q(trl__lte=self.trl) | Q(trl__isnull=True)
        elif self.trl:
            asked["trl"] = Q(trl__gte=self.trl)
        if self.mode:
            asked["mode"] = Q(modes__overlap=list(self.mode))
        return asked

    def narrowest(self) -> list[str]:
        """Return the chosen industries without those that a finer choice has narrowed."""
        return [
            code
            for code in self.industry
            if not any(other != code and other.startswith(code) for other in self.industry)
        ]

    def query_string(self) -> str:
        """Return the canonical query of these filters, without a page."""
        pairs: list[tuple[str, str]] = []
        if self.words:
            pairs.append(("q", self.words))
        pairs += [("industry", code) for code in self.industry]
        pairs += [("region", code) for code in self.region]
        if self.trl:
            pairs.append(("trl", str(self.trl)))
        pairs += [("mode", code) for code in self.mode]
        return urlencode(pairs)

    def without(self, facet: str) -> Filters:
        empty = Filters(kind=self.kind)
        return replace(self, **{facet: getattr(empty, facet)})

    def chips(self) -> list[Chip]:
        """Return the filters in use, each with the query that is left without it."""
        chips = []
        for code in self.narrowest():
            rest = tuple(other for other in self.industry if other != code)
            chips.append(Chip("industry", industry_name(code), replace(self, industry=rest)))
        for code in self.region:
            rest = tuple(other for other in self.region if other != code)
            chips.append(Chip("region", province_name(code), replace(self, region=rest)))
        if self.trl:
            chips.append(Chip("trl", trl_label(self.kind, self.trl), replace(self, trl=None)))
        for code in self.mode:
            rest = tuple(other for other in self.mode if other != code)
            label = str(CooperationMode(code).label)
            chips.append(Chip("mode", label, replace(self, mode=rest)))
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
    value: str
    label: str
    count: int
    chosen: bool
    # The finer classes of a chosen industry.
    finer: list[Option] = field(default_factory=list)


@dataclass(frozen=True)
class Facets:
    industry: list[Option]
    region: list[Option]
    trl: list[Option]
    mode: list[Option]


def trl_label(kind: str, level: int) -> str:
    if kind == "demand":
        return _("requires at most TRL %(level)d") % {"level": level}
    return _("TRL %(level)d or higher") % {"level": level}


def apply(rows: ListingQuerySet, conditions: dict[str, Q], *, but: str = "") -> ListingQuerySet:
    """Filter `rows` by all the conditions, or by all but one facet's."""
    for facet, condition in conditions.items():
        if facet != but:
            rows = rows.filter(condition)
    return rows


def count_facets(rows: ListingQuerySet, filters: Filters) -> Facets:
    """Count every value of each facet under the other facets. Four queries."""
    conditions = filters.conditions()
    return Facets(
        industry=_industries(apply(rows, conditions, but="industry"), filters),
        region=_regions(apply(rows, conditions, but="region"), filters),
        trl=_levels(apply(rows, conditions, but="trl"), filters),
        mode=_modes(apply(rows, conditions, but="mode"), filters),
    )


def _grouped(rows: ListingQuerySet, **key: Substr) -> Counter[str]:
    [name] = key
    groups = rows.order_by().annotate(**key).values_list(name).annotate(Count("pk"))
    return Counter({value: count for value, count in groups if value})


def _industries(rows: ListingQuerySet, filters: Filters) -> list[Option]:
    divisions = _grouped(rows, division=Substr("industry", 1, 3))
    sections: Counter[str] = Counter()
    for code, count in divisions.items():
        sections[code[0]] += count
    chosen = set(filters.industry)
    opened = {code[0] for code in chosen}
    options = []
    for code in industries():
        if len(code) != 1 or not (sections[code] or code in opened):
            continue
        finer = []
        if code in opened:
            known = {key for key in (*divisions, *chosen) if key[0] == code and len(key) > 1}
            finer = [
                # A class finer than a division comes from a link; it is counted by its division.
                Option(key, industry_name(key), divisions[key[:3]], key in chosen)
                for key in sorted(known, key=lambda key: (-divisions[key[:3]], key))
            ]
        options.append(Option(code, industry_name(code), sections[code], code in chosen, finer))
    return sorted(options, key=lambda option: -option.count)


def _regions(rows: ListingQuerySet, filters: Filters) -> list[Option]:
    counts = _grouped(rows, province=Substr("region", 1, 2))
    options = [
        Option(code, name, counts[code[:2]], code in filters.region)
        for code, name in province_choices()
        if counts[code[:2]] or code in filters.region
    ]
    return sorted(options, key=lambda option: -option.count)


def _levels(rows: ListingQuerySet, filters: Filters) -> list[Option]:
    counts: Counter[int | None] = Counter(
        dict(rows.order_by().values_list("trl").annotate(Count("pk")))
    )
    options = []
    for level in range(1, 10):
        if filters.kind == "demand":
            count = counts[None] + sum(counts[n] for n in range(1, level + 1))
        else:
            count = sum(counts[n] for n in range(level, 10))
        label = trl_label(filters.kind, level)
        options.append(Option(str(level), label, count, filters.trl == level))
    return options


def _modes(rows: ListingQuerySet, filters: Filters) -> list[Option]:
    counts = rows.order_by().aggregate(
        **{mode: Count("pk", filter=Q(modes__contains=[mode])) for mode in CooperationMode.values}
    )
    return [
        Option(mode.value, str(mode.label), counts[mode.value], mode.value in filters.mode)
        for mode in CooperationMode
        if counts[mode.value] or mode.value in filters.mode
    ]


def way_out(rows: ListingQuerySet, filters: Filters) -> Iterator[tuple[Chip, int]]:
    """For an empty list: yield what could be dropped, and how many rows that would bring."""
    conditions = filters.conditions()
    chips: dict[str, list[Chip]] = {}
    for chip in filters.chips():
        chips.setdefault(chip.facet, []).append(chip)
    for facet, of_facet in chips.items():
        count = apply(rows, conditions, but=facet).count()
        if count:
            label = _(", ").join(chip.label for chip in of_facet)
            yield Chip(facet, label, filters.without(facet)), count


def _known(values: Iterable[str], known: Iterable[str]) -> tuple[str, ...]:
    allowed = set(known)
    return tuple(dict.fromkeys(value for value in values if value in allowed))


def _any(conditions: Iterable[Q]) -> Q:
    return reduce(or_, conditions)
