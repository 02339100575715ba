"""What one query tells of the demands of a scope: every step, every count of the headline."""

from __future__ import annotations

from dataclasses import dataclass

from matchmaking.services.insights.rows import DEMAND_ROWS, count_of
from matchmaking.services.insights.scope import Scope
from matchmaking.services.insights.sources import DEMANDS
from matchmaking.services.insights.sql import fetch, parameters


@dataclass(frozen=True)
class Cohort:
    """`counts` by the keys of `DEMAND_ROWS`; `budgets` of the demands with a contract, in CNY, None
    where none names one; `meeting`: working days to the first introduction, the median."""

    counts: dict[str, int]
    budgets: int | None
    meeting: float | None


def cohort(scope: Scope) -> Cohort:
    """Count the demands of a scope; one query."""
    query = f"""
        SELECT sum(budget) FILTER (WHERE {DEMAND_ROWS["answer-signed"]}),
            percentile_cont(0.5) WITHIN GROUP (ORDER BY meeting_days)
                FILTER (WHERE {DEMAND_ROWS["answer-agreed"]}),
            {count_of(DEMAND_ROWS)}
        FROM ({DEMANDS}) source
    """
    budgets, meeting, *counts = fetch(query, parameters(scope))[0]
    return Cohort(
        dict(zip(DEMAND_ROWS, counts, strict=True)),
        None if budgets is None else int(budgets),
        meeting,
    )
