"""All figures of a dashboard at once, kept for five minutes."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from django.utils import timezone
from django.utils.translation import get_language

from matchmaking.figures import cached
from matchmaking.services.insights.clocks import (
    Clock,
    Meeting,
    Week,
    answer_times,
    clock_counts,
    clocks,
    decided_in_two_days,
    first_introduction,
)
from matchmaking.services.insights.cohort import cohort
from matchmaking.services.insights.freshness import Band, freshness
from matchmaking.services.insights.funnel import Funnel, funnel
from matchmaking.services.insights.gaps import Gaps, gaps
from matchmaking.services.insights.headline import Headline, headline
from matchmaking.services.insights.load import Desk, load
from matchmaking.services.insights.outcomes import Outcome, outcomes
from matchmaking.services.insights.rows import Figure
from matchmaking.services.insights.scope import Scope
from matchmaking.services.insights.supply import Matrix, by_region, supply


@dataclass(frozen=True)
class Insights:
    """What an operator sees of a scope; `as_of` is when it was computed."""

    scope: Scope
    as_of: dt.datetime
    headline: tuple[Headline, ...]
    funnel: Funnel
    clocks: tuple[Clock, ...]
    quick: Figure
    meeting: Meeting
    weeks: tuple[Week, ...]
    supply: Matrix
    regions: Matrix
    outcomes: tuple[Outcome, ...]
    gaps: Gaps
    desks: tuple[Desk, ...]
    freshness: tuple[Band, ...]


def insights(scope: Scope) -> Insights:
    """Return all figures of a scope, at most five minutes old, in the reader's language."""
    key = f"insights:{get_language()}:{timezone.localdate()}:{scope.query()}"
    return cached(key, lambda: compute(scope))


def compute(scope: Scope) -> Insights:
    """Return all figures of a scope as they are now."""
    counts, of = clock_counts(scope), cohort(scope)
    return Insights(
        scope=scope,
        as_of=timezone.now(),
        headline=headline(scope, counts, of),
        funnel=funnel(scope, of),
        clocks=clocks(scope, counts),
        quick=decided_in_two_days(scope, counts),
        meeting=first_introduction(scope, of),
        weeks=answer_times(scope),
        supply=supply(scope),
        regions=by_region(scope),
        outcomes=outcomes(scope),
        gaps=gaps(scope),
        desks=load(scope),
        freshness=freshness(scope),
    )
