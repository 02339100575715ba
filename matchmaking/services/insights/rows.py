"""The rows behind each number: which condition a figure counts under, and the rows that meet it.

A number and its list are the same query over the same condition; a figure is never counted in any
other way. A key stands in the address of the list, so it is checked as any input is.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from django.db.models import QuerySet

from matchmaking.services.insights.scope import Scope
from matchmaking.services.insights.sql import fetch, parameters


@dataclass(frozen=True)
class Figure:
    """How many of how many; `of` is None where there is no whole. Rates are made of both, never
    kept. `rows`: the key of the list behind `n`, "" where there is none.

    `hidden`: too few for everybody to read; `n` is 0 then and means nothing. See `suppression`.
    """

    n: int
    of: int | None
    rows: str
    hidden: bool = False

    @property
    def share(self) -> float | None:
        """Return n/of, 0 to 1; None without a whole, of an empty one, or where it is hidden."""
        return self.n / self.of if self.of and not self.hidden else None


@dataclass(frozen=True)
class Line:
    """One row of a list: what it is about, and its clock where the list is about one.

    `kind` is "demand", "achievement", "match", "review", "publication" (the check of a listing),
    "organization" or "manager", `pk` the key of its table.
    """

    kind: str
    pk: int
    started: dt.datetime | None = None
    ended: dt.datetime | None = None
    days: int | None = None


class RowList(Protocol):
    """What belongs to one number: how much it is, and the rows themselves."""

    @property
    def label(self) -> str: ...

    def count(self, scope: Scope) -> int: ...

    def page(self, scope: Scope, start: int, size: int) -> list[Line]: ...


@dataclass(frozen=True)
class Selected:
    """The rows of a source that meet a condition; `clock`: its columns of start, end and days."""

    source: str
    where: str
    label: str
    clock: str = "NULL::timestamptz, NULL::timestamptz, NULL::integer"
    # What the condition names beside what every source does.
    params: Mapping[str, Any] = field(default_factory=dict)

    def _query(self) -> str:
        return (
            f"SELECT DISTINCT kind, id, {self.clock} FROM ({self.source}) source WHERE {self.where}"
        )

    def count(self, scope: Scope) -> int:
        query = f"SELECT count(*) FROM ({self._query()}) found"
        return int(fetch(query, {**parameters(scope), **self.params})[0][0])

    def page(self, scope: Scope, start: int, size: int) -> list[Line]:
        order = "ORDER BY 3 DESC NULLS LAST, 1, 2 DESC LIMIT %(size)s OFFSET %(start)s"
        params = {**parameters(scope), **self.params, "size": size, "start": start}
        return [Line(*row) for row in fetch(f"{self._query()} {order}", params)]


@dataclass(frozen=True)
class Queried:
    """The rows of a query set of one model."""

    kind: str
    query: Callable[[Scope], QuerySet[Any]]
    label: str

    def count(self, scope: Scope) -> int:
        return self.query(scope).count()

    def page(self, scope: Scope, start: int, size: int) -> list[Line]:
        keys = self.query(scope).values_list("pk", flat=True)[start : start + size]
        return [Line(self.kind, pk) for pk in keys]


# Steps of the funnel, each of those before it.
STEPS = ("posted", "published", "suggested", "approved", "introduced", "signed")
REACHED = {
    "posted": "in_posted",
    "published": "published_at IS NOT NULL",
    "suggested": "matched",
    "approved": "approved",
    "introduced": "introduced_at IS NOT NULL",
    "signed": "signed",
}
# The demands first published in the period whose days for an answer are over.
COHORT = "in_published AND over"


def up_to(step: str) -> str:
    """Return the condition of a step of the funnel: that one, and all before it."""
    reached = STEPS[: STEPS.index(step) + 1]
    return " AND ".join(f"({REACHED[one]})" for one in reached)


DEMAND_ROWS: dict[str, str] = {
    **{step: up_to(step) for step in STEPS},
    "answer-all": COHORT,
    "answer-in-time": f"{COHORT} AND in_time",
    "answer-agreed": f"{COHORT} AND introduced_at IS NOT NULL",
    "answer-signed": f"{COHORT} AND introduced_at IS NOT NULL AND signed",
}


def count_of(conditions: Mapping[str, str]) -> str:
    """Return SQL for one count for each condition, in their order."""
    return ", ".join(f"count(*) FILTER (WHERE {where})" for where in conditions.values())
