"""What is asked for against what is offered: by industry, and by province.

A cell counts the live demands of its row that have a useful match with a live achievement of its
column. A demand may count in several columns, so a row does not add up to its total, which is how
many live demands there are. A match is useful that may still bring two together, or has.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from django.utils.translation import gettext as _

from accounts.regions import province_choices, province_name
from catalog.industries import industry_name, section_choices
from matchmaking.services.insights.rows import Figure, Selected
from matchmaking.services.insights.scope import Scope
from matchmaking.services.insights.sources import LIVE, PAIRS
from matchmaking.services.insights.sql import fetch, parameters

# The least number of each level of the heat map after 0.
LEVELS = (1, 4, 9, 16, 28)
# The code of listings that name no industry or region.
NOWHERE = "0"


@dataclass(frozen=True)
class Place:
    """A row or a column: a section of the economy or a province."""

    code: str
    label: str


@dataclass(frozen=True)
class Matrix:
    """`cells[r][c]` are demands of `rows[r]` met by achievements of `columns[c]`, of `totals[r]`.

    `totals[r]`: of the live demands of a row, those with any useful match. `grand`: the same of all
    rows. `offers[c]`: how many live achievements there are, of the whole platform. Rows and columns
    without a listing are left out; they stand in the order of the standard.
    """

    rows: tuple[Place, ...]
    columns: tuple[Place, ...]
    cells: tuple[tuple[Figure, ...], ...]
    totals: tuple[Figure, ...]
    offers: tuple[int, ...]
    grand: Figure

    def level(self, n: int) -> int:
        """Return 0 to 5: how dark the cell of a number is."""
        return sum(n >= least for least in LEVELS)


@dataclass(frozen=True)
class _Axis:
    """By what the table is made: its columns in SQL, and what a code is called."""

    key: str
    demand: str
    achievement: str
    choices: Callable[[], list[tuple[str, str]]]
    name: Callable[[str], str]
    letters: int
    unnamed: Callable[[], str]


INDUSTRY = _Axis(
    "supply", "industry", "by_industry", section_choices, industry_name, 1,
    lambda: _("No industry named"),
)  # fmt: skip
REGION = _Axis(
    "places", "region", "by_region", province_choices, province_name, 2,
    lambda: _("No region named"),
)  # fmt: skip


def supply(scope: Scope) -> Matrix:
    """Return live demands by section against the achievements that meet them; two queries."""
    return _matrix(scope, INDUSTRY)


def by_region(scope: Scope) -> Matrix:
    """Return the same by province; two queries."""
    return _matrix(scope, REGION)


def _matrix(scope: Scope, axis: _Axis) -> Matrix:
    params = parameters(scope)
    pairs = fetch(
        f"SELECT {axis.demand}, {axis.achievement}, count(DISTINCT id) FROM ({PAIRS}) source "
        f"GROUP BY GROUPING SETS (({axis.demand}, {axis.achievement}), ({axis.demand}), ())",
        params,
    )
    live = fetch(f"SELECT kind, {axis.demand}, count(*) FROM ({LIVE}) source GROUP BY 1, 2", params)
    of = {code: n for kind, code, n in live if kind == "demand"}
    offered = {code: n for kind, code, n in live if kind == "achievement"}
    cells = {(demand, achievement): n for demand, achievement, n in pairs}
    order = [code[: axis.letters] for code, _label in axis.choices()]
    rows = _places(list(of), order, axis)
    columns = _places(list(offered), order, axis)
    return Matrix(
        rows,
        columns,
        tuple(
            tuple(
                Figure(
                    cells.get((_code(row), _code(column)), 0),
                    of[_code(row)],
                    f"{axis.key}-{row.code}-{column.code}",
                )
                for column in columns
            )
            for row in rows
        ),
        tuple(
            Figure(cells.get((_code(row), None), 0), of[_code(row)], f"{axis.key}-{row.code}")
            for row in rows
        ),
        tuple(offered[_code(column)] for column in columns),
        Figure(cells.get((None, None), 0), sum(of.values()), axis.key),
    )


def _code(place: Place) -> str:
    return "" if place.code == NOWHERE else place.code


def _places(codes: list[str], order: list[str], axis: _Axis) -> tuple[Place, ...]:
    known = {code: at for at, code in enumerate(order)}
    ordered = sorted(set(codes), key=lambda code: (known.get(code, len(known)), code))
    return tuple(
        Place(code or NOWHERE, axis.name(_full(code, axis)) or axis.unnamed()) for code in ordered
    )


def _full(code: str, axis: _Axis) -> str:
    return f"{code}0000" if axis is REGION and code else code


def rows(key: str) -> Selected | None:
    """Return the demands of a cell, of a row's total, or of the whole; None for another key."""
    for axis in (INDUSTRY, REGION):
        letters = "[A-Z0]" if axis is INDUSTRY else "[0-9]{2}|0"
        found = re.fullmatch(rf"{axis.key}(?:-({letters})(?:-({letters}))?)?", key)
        if found is None:
            continue
        row, column = found[1], found[2]
        label = _("Live demands with a useful match")
        if row is not None:
            label += f": {_name(row, axis)}"
        if column is not None:
            label += f" × {_name(column, axis)}"
        # A region and an industry are looked at under their own names already.
        wanted = {"row": (axis.demand, row), "column": (axis.achievement, column)}
        where = [f"{name} = %({at})s" for at, (name, code) in wanted.items() if code is not None]
        return Selected(
            PAIRS,
            " AND ".join(where) or "true",
            label,
            params={
                at: "" if code == NOWHERE else code
                for at, (_column, code) in wanted.items()
                if code is not None
            },
        )
    return None


def _name(code: str, axis: _Axis) -> str:
    plain = "" if code == NOWHERE else code
    return axis.name(_full(plain, axis)) or axis.unnamed()
