"""The figures that everybody may read: of the whole platform, without names, lists or small counts.

Places and industries have tables of their own, of one span alone: whoever could subtract the table
of one span, or of one region, from another's would read what each of them hides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from accounts.regions import province_name
from catalog.industries import industry_name
from matchmaking.figures import cached
from matchmaking.services.insights.clocks import Clock, Week
from matchmaking.services.insights.freshness import Band
from matchmaking.services.insights.funnel import Funnel
from matchmaking.services.insights.gaps import Gaps
from matchmaking.services.insights.headline import Headline
from matchmaking.services.insights.overview import Insights, insights
from matchmaking.services.insights.rows import DEMAND_ROWS, Figure, count_of
from matchmaking.services.insights.scope import CUSTOM, Scope
from matchmaking.services.insights.sources import DEMANDS
from matchmaking.services.insights.sql import fetch, parameters
from matchmaking.services.insights.supply import Matrix, Place
from matchmaking.services.insights.suppression import (
    closed,
    hidden_of,
    is_small,
    opened,
)

# The span of the tables by place and industry.
YEAR = "365"
_COLUMNS = ("answer-all", "answer-in-time", "answer-agreed")


@dataclass(frozen=True)
class PlaceRow:
    """How it went with the demands of a province or an industry in the last 365 days."""

    place: Place
    demands: Figure
    answered: Figure
    agreed: Figure


@dataclass(frozen=True)
class PublicInsights(Insights):
    """As `Insights`, without desks, without listings and without what is late now.

    Hidden figures are marked so (`Figure.hidden`): under five, or such that another hidden one
    could be worked out of them.
    """

    by_section: tuple[PlaceRow, ...]
    by_province: tuple[PlaceRow, ...]


def public_scope(scope: Scope) -> Scope:
    """Return the span that is shown instead: a named one, of the whole platform."""
    return Scope.of() if scope.period == CUSTOM else Scope.of(scope.period)


def public_insights(scope: Scope) -> PublicInsights:
    """Return the public figures of a span, at most five minutes old, in the reader's language."""
    shown = public_scope(scope)
    key = f"insights-public:{get_language()}:{timezone.localdate()}:{shown.query()}"
    return cached(key, lambda: _public(shown))


def _public(scope: Scope) -> PublicInsights:
    found = insights(scope)
    unmet = opened(found.gaps.unmet)
    kept = {one.name: getattr(found, one.name) for one in fields(found)}
    kept |= {
        "headline": tuple(_headline(one) for one in found.headline if one.before is not None),
        "funnel": _funnel(found.funnel),
        "clocks": tuple(_clock(one) for one in found.clocks),
        "quick": opened(found.quick),
        "meeting": replace(
            found.meeting,
            median=None if is_small(found.meeting.figure.n) else found.meeting.median,
            figure=opened(found.meeting.figure),
        ),
        "weeks": _weeks(found.weeks),
        "supply": _matrix(found.supply, unmet),
        "regions": _matrix(found.regions, unmet),
        # Their own, of the last 365 days, are `by_province`.
        "outcomes": (),
        "gaps": Gaps(unmet, (), opened(found.gaps.orphans), ()),
        "desks": (),
        "freshness": _freshness(found.freshness),
    }
    year = Scope.of(YEAR)
    return PublicInsights(
        **kept,
        by_section=_places(year, "section"),
        by_province=_places(year, "province"),
    )


def _headline(one: Headline) -> Headline:
    figure, before = opened(one.figure), opened(one.before) if one.before else None
    return replace(one, figure=figure, before=before, money=None if figure.hidden else one.money)


def _funnel(funnel: Funnel) -> Funnel:
    steps = tuple(replace(step, figure=opened(step.figure)) for step in funnel.steps)
    is_told = all(not step.figure.hidden for step in steps if step.key == funnel.worst)
    why = [replace(one, figure=opened(one.figure)) for one in funnel.why]
    return replace(
        funnel,
        cohort=0 if is_small(funnel.cohort) else funnel.cohort,
        steps=steps,
        worst=funnel.worst if is_told else "",
        why=tuple(one for one in why if is_told and not one.figure.hidden),
    )


def _clock(clock: Clock) -> Clock:
    in_time = opened(clock.in_time)
    return replace(
        clock,
        in_time=in_time,
        median=None if in_time.hidden else clock.median,
        p90=None if in_time.hidden else clock.p90,
        late_now=closed(clock.late_now),
    )


def _weeks(weeks: tuple[Week, ...]) -> tuple[Week, ...]:
    """Hide weeks with few demands or few answers; the sum of all weeks is in the headline."""
    wholes = [week.answered.of or 0 for week in weeks]
    hidden = hidden_of(wholes) | hidden_of([week.answered.n for week in weeks])
    return tuple(
        replace(week, answered=replace(closed(week.answered), of=None), median=None, p90=None)
        if at in hidden
        else replace(week, answered=replace(week.answered, rows=""))
        for at, week in enumerate(weeks)
    )


def _matrix(matrix: Matrix, unmet: Figure) -> Matrix:
    """Hide small cells, and the totals of their rows.

    A demand may count in several columns, so cells do not add up; but a total of few columns says
    much of the one that is hidden, and all totals together say the one that is missing. What has no
    useful match is unmet, but for the few that are being compared.
    """
    cells = tuple(tuple(opened(cell) for cell in row) for row in matrix.cells)
    live = [total.of or 0 for total in matrix.totals]
    few = hidden_of(live)
    cells = tuple(
        tuple(replace(closed(cell), of=None) for cell in row) if at in few else row
        for at, row in enumerate(cells)
    )
    totals = tuple(
        replace(closed(total), of=None if at in few else total.of)
        if at in few or any(cell.hidden for cell in row)
        else opened(total)
        for at, (total, row) in enumerate(zip(matrix.totals, cells, strict=True))
    )
    grand = opened(matrix.grand)
    if unmet.hidden or any(total.hidden for total in totals):
        grand = closed(matrix.grand)
    return replace(matrix, cells=cells, totals=totals, grand=grand)


def _freshness(bands: tuple[Band, ...]) -> tuple[Band, ...]:
    demands = _line([band.demands for band in bands])
    achievements = _line([band.achievements for band in bands])
    return tuple(
        replace(band, demands=one, achievements=other)
        for band, one, other in zip(bands, demands, achievements, strict=True)
    )


def _line(figures: Sequence[Figure]) -> list[Figure]:
    """Return figures that add up to their whole as everybody may read them."""
    counts = [figure.n for figure in figures]
    hidden = hidden_of(counts)
    return [
        closed(figure) if at in hidden else replace(figure, rows="")
        for at, figure in enumerate(figures)
    ]


def _places(scope: Scope, by: str) -> tuple[PlaceRow, ...]:
    """Return the table by section or province; one query."""
    code = {"section": "left(industry, 1)", "province": "left(region, 2)"}[by]
    conditions = {key: DEMAND_ROWS[key] for key in _COLUMNS}
    query = f"SELECT {code}, {count_of(conditions)} FROM ({DEMANDS}) source GROUP BY 1 ORDER BY 1"
    found = [row for row in fetch(query, parameters(scope)) if row[1]]
    columns = [[row[at] for row in found] for at in (1, 2, 3)]
    hidden = [hidden_of(column) for column in columns]
    rows = []
    for at, (place, *counts) in enumerate(found):
        few = at in hidden[0]
        figures = [
            Figure(0 if few or at in hidden[column] else n, None, "", few or at in hidden[column])
            for column, n in enumerate(counts)
        ]
        rows.append(PlaceRow(_place(place, by), *figures))
    return tuple(rows)


def _place(code: str, by: str) -> Place:
    if by == "section":
        return Place(code or "0", industry_name(code) or _("No industry named"))
    name = province_name(f"{code}0000") if code else ""
    return Place(code or "0", name or _("No region named"))
