"""The tables of the dashboard as lines of a file: what the page shows, number for number."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _

from matchmaking.services.insights.lists import Row
from matchmaking.services.insights.overview import Insights
from matchmaking.services.insights.rows import Figure
from matchmaking.services.insights.supply import Matrix

Line = list[Any]


def table(name: str, found: Insights) -> Iterator[Line]:
    """Yield head and lines of one of `TABLES`. Raises `KeyError` for another name."""
    yield from TABLES[name](found)


def _headline(found: Insights) -> Iterator[Line]:
    yield [_("Figure"), _("Number"), _("Of"), _("Percent"), _("Before"), _("Of")]
    for one in found.headline:
        before = _pair(one.before) if one.before else ["", ""]
        yield [one.label, *_whole(one.figure), *before]


def _funnel(found: Insights) -> Iterator[Line]:
    yield [_("Step"), _("Number"), _("Of"), _("Percent")]
    for step in found.funnel.steps:
        yield [step.label, *_whole(step.figure)]


def _clocks(found: Insights) -> Iterator[Line]:
    yield [
        *(_("Clock"), _("Promised working days"), _("Median"), _("Nine of ten within")),
        *(_("In time"), _("Of"), _("Percent"), _("Late now")),
    ]
    for one in found.clocks:
        days = [one.promised, _rounded(one.median), _rounded(one.p90)]
        yield [one.label, *days, *_whole(one.in_time), one.late_now.n]


def _weeks(found: Insights) -> Iterator[Line]:
    yield [_("Week from"), _("Answered"), _("Of"), _("Median"), _("Nine of ten within")]
    for week in found.weeks:
        yield [week.start, *_pair(week.answered), _rounded(week.median), _rounded(week.p90)]


def _matrix(of: Callable[[Insights], Matrix]) -> Callable[[Insights], Iterator[Line]]:
    def lines(found: Insights) -> Iterator[Line]:
        matrix = of(found)
        columns = [place.label for place in matrix.columns]
        yield [_("Demand"), *columns, _("With a useful match"), _("Live demands")]
        for place, cells, total in zip(matrix.rows, matrix.cells, matrix.totals, strict=True):
            yield [place.label, *(_number(cell) for cell in cells), *_pair(total)]
        yield [_("Live achievements"), *matrix.offers, "", ""]

    return lines


def _outcomes(found: Insights) -> Iterator[Line]:
    yield [_("Province"), _("Demands"), _("Answered in time"), _("Both sides agreed to meet")]
    for one in found.outcomes:
        figures = (one.demands, one.answered, one.agreed)
        yield [one.place.label, *(_number(figure) for figure in figures)]


def _gaps(found: Insights) -> Iterator[Line]:
    yield [_("Number"), _("Title"), _("Industry"), _("Why"), _("Days"), _("Next step")]
    for gap in (*found.gaps.demands, *found.gaps.achievements):
        yield [gap.number, gap.title, gap.industry, gap.cause, gap.days, gap.step]


def _desks(found: Insights) -> Iterator[Line]:
    yield [
        *(_("Technology manager"), _("Away"), _("Open reviews"), _("At most"), _("Late")),
        *(_("Decided in time"), _("Of"), _("Percent")),
    ]
    for desk in found.desks:
        away = _("yes") if desk.is_away else ""
        yield [desk.name, away, *_pair(desk.open), desk.late.n, *_whole(desk.in_time)]


def _freshness(found: Insights) -> Iterator[Line]:
    yield [_("Confirmed"), _("Demands"), _("Of"), _("Achievements"), _("Of")]
    for band in found.freshness:
        yield [band.label, *_pair(band.demands), *_pair(band.achievements)]


TABLES: dict[str, Callable[[Insights], Iterator[Line]]] = {
    "headline": _headline,
    "funnel": _funnel,
    "clocks": _clocks,
    "weeks": _weeks,
    "supply": _matrix(lambda found: found.supply),
    "regions": _matrix(lambda found: found.regions),
    "outcomes": _outcomes,
    "gaps": _gaps,
    "load": _desks,
    "freshness": _freshness,
}


def lines_of(rows: Iterable[Row]) -> Iterator[Line]:
    """Yield head and lines of the rows behind a number."""
    yield [
        *(_("Number"), _("Title"), _("Of whom"), _("Status")),
        *(_("Begun"), _("Ended"), _("Working days")),
    ]
    for row in rows:
        yield [
            *(row.number, row.title, row.party, row.status_label),
            *(_local(row.started), _local(row.ended), "" if row.days is None else row.days),
        ]


def _local(moment: Any) -> Any:
    return "" if moment is None else timezone.localtime(moment).replace(microsecond=0, tzinfo=None)


def _number(figure: Figure) -> Any:
    return "<5" if figure.hidden else figure.n


def _pair(figure: Figure) -> list[Any]:
    return [_number(figure), "" if figure.of is None else figure.of]


def _whole(figure: Figure) -> list[Any]:
    share = figure.share
    return [*_pair(figure), "" if share is None else round(100 * share)]


def _rounded(value: float | None) -> Any:
    return "" if value is None else round(value, 1)
