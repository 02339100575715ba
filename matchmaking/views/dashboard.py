"""The dashboards: all figures for operators, and those that everybody may see.

Both show the same parts of one set of figures. What a visitor gets has no lists behind the numbers
and no small counts; `insights.public_insights` sees to that, not the templates.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import dropwhile, pairwise
from types import MappingProxyType
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.cache import patch_vary_headers
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_safe
from django_htmx.http import push_url

from accounts.http import PageRequest, UserRequest
from accounts.regions import province_choices
from accounts.templatetags.kq import day, wan
from catalog.industries import section_choices
from matchmaking.charts import Chart, Number, Promise, Series, written
from matchmaking.services.insights import (
    Clock,
    Figure,
    Funnel,
    Headline,
    Matrix,
    Meeting,
    Scope,
    Week,
)
from matchmaking.services.insights.clocks import names
from matchmaking.services.insights.outcomes import Outcome
from matchmaking.services.insights.overview import Insights, insights
from matchmaking.services.insights.public import public_insights
from matchmaking.services.insights.supply import LEVELS
from matchmaking.views.gates import require_operator

# What visitors read in the place of one to four, and of a number that would give such a one away.
SMALL, HIDDEN = "< 5", "*"
# In percent of those in time: from here on a promise is kept, and from there on nearly.
KEPT, NEARLY = 90, 75


@require_safe
def dashboard(request: UserRequest) -> HttpResponse:
    """Show operators where demands are lost, what is late and what is missing."""
    require_operator(request.user)
    scope = Scope.read(request.GET.dict())
    return _answer(request, "matchmaking/dashboard.html", insights(scope), linked=True)


@login_not_required
@require_safe
def results(request: PageRequest) -> HttpResponse:
    """Show everybody how demands fare here."""
    found = public_insights(Scope.read(request.GET.dict()))
    places = [(_("By province"), found.by_province), (_("By industry"), found.by_section)]
    told_of = {label: [row for row in rows if not row.demands.hidden] for label, rows in places}
    more = {
        "places": [
            (label, told_of[label], len(rows) - len(told_of[label]))
            for label, rows in places
            if told_of[label]
        ],
        "post_url": reverse("demand_new"),
    }
    return _answer(request, "matchmaking/results.html", found, linked=False, more=more)


def _answer(
    request: UserRequest | PageRequest,
    template: str,
    found: Insights,
    *,
    linked: bool,
    more: Mapping[str, Any] = MappingProxyType({}),
) -> HttpResponse:
    """Answer with the page, or with what a changed filter replaces of it."""
    scope = found.scope
    by = "region" if request.GET.get("by") == "region" else ""
    matrix = found.regions if by else found.supply
    weeks = WeekCharts(scope, since_the_first(found.weeks), linked)
    context = {
        "found": found,
        "scope": scope,
        "linked": linked,
        "span": span(scope),
        "headline": [told(one) for one in found.headline],
        "loss": loss(found.funnel, linked=linked),
        "clocks": clocks(found.clocks, linked=linked),
        "answer_chart": weeks.answers(),
        "week_chart": weeks.posted(),
        "outcome_chart": outcome_chart(scope, found.outcomes),
        "periods": periods() if linked else periods()[:-1],
        "provinces": [(code[:2], name) for code, name in province_choices()],
        "sections": section_choices(),
        "by": by,
        "gaps": [
            (
                "unmet",
                _("Demands that nobody can solve yet"),
                _("of all live demands"),
                found.gaps.unmet,
                found.gaps.demands,
            ),
            (
                "orphans",
                _("Achievements that nobody asks for"),
                _("of all live achievements"),
                found.gaps.orphans,
                found.gaps.achievements,
            ),
        ],
        "views": [
            (f"?{scope.query(by=value)}#heat", label, value == by)
            for value, label in (("", _("By industry")), ("region", _("By region")))
        ],
        "quick": quick(found.quick),
        "meeting": meeting(found.meeting),
        "first_meeting": _("%(days)s days")
        % {"days": written(round(found.meeting.median or 0, 1))},
        "some": bool(found.funnel.cohort or any(week.answered.of for week in found.weeks)),
        "matrix": matrix,
        "matrix_table": "regions" if by else "supply",
        "small": SMALL,
        "heat": heat(matrix),
        # Rows of which a visitor would read nothing.
        "few": sum(total.hidden and total.of is None for total in matrix.totals),
        "key": key(),
        **more,
    }
    response = render(request, f"{template}#figures" if request.htmx else template, context)
    # A browser that goes back must not show the part for the whole.
    patch_vary_headers(response, ["HX-Request"])
    return push_url(response, f"{request.path}?{scope.query(by=by)}") if request.htmx else response


# --- In words -----------------------------------------------------------------------------------


def periods() -> list[tuple[str, str]]:
    return [
        ("30", _("30 days")),
        ("90", _("90 days")),
        ("365", _("365 days")),
        ("year", _("This year")),
        ("custom", _("From … to …")),
    ]


def span(scope: Scope) -> str:
    """Say from when until when: “8 月 24 日–11 月 21 日”."""
    return f"{day(scope.since)}\u2013{day(scope.until)}"


@dataclass(frozen=True)
class Told:
    """One of the figures at the top, with what is said below it."""

    label: str
    figure: Figure
    note: str
    is_late: bool


def told(one: Headline) -> Told:
    if one.figure.hidden:
        return Told(one.label, one.figure, "", False)
    if one.before is None:
        return Told(one.label, one.figure, _("at this moment, whenever they began"), True)
    notes = [_compared(one)]
    if one.money is not None:
        notes.insert(0, _("budgets of %(money)s in all") % {"money": wan(one.money)})
    return Told(one.label, one.figure, " · ".join(notes), False)


def _compared(one: Headline) -> str:
    """Compare a share with that of the span before, or say that there is nothing to compare."""
    if one.points is None or (one.before and one.before.hidden):
        return _("nothing to compare with in the period before")
    if one.points == 0:
        return _("as in the period before")
    points = f"{one.points:+d}".replace("-", "\u2212")
    return _("%(points)s percentage points on the period before") % {"points": points}


def loss(funnel: Funnel, *, linked: bool) -> str:
    """Say in words where most of the cohort were lost; "" where that would tell of a few."""
    step = next((one for one in funnel.steps if one.key == funnel.worst), None)
    if step is None or step.figure.of is None:
        return _("None has been lost on the way.") if linked else ""
    lost = step.figure.of - step.figure.n
    return ngettext(
        "Most are lost before “%(step)s”: %(count)d demand did not get there.",
        "Most are lost before “%(step)s”: %(count)d demands did not get there.",
        lost,
    ) % {"step": step.label, "count": lost}


def clocks(
    found: Sequence[Clock], *, linked: bool
) -> list[tuple[Clock, tuple[str, str, str] | None]]:
    """Return the promises with their results; to visitors those alone that have one."""
    counted = [one for one in found if one.in_time.of or (linked and one.late_now.n)]
    shown = found if linked and counted else [one for one in counted if not one.in_time.hidden]
    return [(one, result(one.in_time)) for one in shown]


def result(in_time: Figure) -> tuple[str, str, str] | None:
    """Return icon, tone and word for a promise; None where nothing is counted yet."""
    share = in_time.share
    if share is None or in_time.hidden:
        return None
    if round(100 * share) >= KEPT:
        return "circle-check", "met", _("Kept")
    if round(100 * share) >= NEARLY:
        return "circle-half-2", "part", _("Nearly")
    return "circle-x", "unmet", _("Not kept")


def quick(figure: Figure) -> str:
    if not figure.of or figure.hidden:
        return ""
    return _("%(percent)d%% of reviews were decided within 2 working days (%(n)d of %(of)d).") % {
        "percent": round(100 * (figure.share or 0)),
        "n": figure.n,
        "of": figure.of,
    }


def meeting(found: Meeting) -> str:
    if found.median is None:
        return ""
    return _(
        "From publication to the first introduction it took %(days)s working days (median of "
        "%(n)d demands)."
    ) % {"days": written(round(found.median, 1)), "n": found.figure.n}


# --- Charts -------------------------------------------------------------------------------------


def since_the_first(weeks: tuple[Week, ...]) -> tuple[Week, ...]:
    """Leave out the weeks before the first with a demand: nobody had asked here yet."""
    return tuple(dropwhile(lambda week: not (week.answered.of or week.answered.hidden), weeks))


def _rounded(value: float | None) -> Number:
    return None if value is None else round(value, 1)


@dataclass(frozen=True)
class WeekCharts:
    """What weeks show: how fast answers came, and how many demands had one."""

    scope: Scope
    weeks: tuple[Week, ...]
    linked: bool

    def answers(self) -> Chart | None:
        """Return the chart of the days until the first answer, None where no week has any."""
        known = [week for week in self.weeks if week.median is not None]
        if not known:
            return None
        promised = names()["answer"][1]
        first, last = known[0], known[-1]
        summary = _(
            "From %(first)s to %(last)s the median went from %(median)s to %(median_now)s working "
            "days, nine of ten demands were answered within %(p90)s, at last within %(p90_now)s. "
            "Promised are %(promised)d."
        ) % {
            "first": day(first.start),
            "last": day(last.start),
            "median": written(round(first.median or 0, 1)),
            "median_now": written(round(last.median or 0, 1)),
            "p90": written(round(first.p90 or 0, 1)),
            "p90_now": written(round(last.p90 or 0, 1)),
            "promised": promised,
        }
        return self._chart(
            key="first-answer",
            kind="line",
            title=_("Working days until the first answer"),
            summary=summary,
            series=(
                Series(
                    _("Median"),
                    tuple(_rounded(week.median) for week in self.weeks),
                    end=_("half"),
                    urls=self._urls("week"),
                ),
                Series(
                    _("Nine of ten within"),
                    tuple(_rounded(week.p90) for week in self.weeks),
                    end=_("nine of ten"),
                    secondary=True,
                    urls=self._urls("week"),
                ),
            ),
            unit=_("{value} days"),
            promise=Promise(promised, _("promised %(days)d") % {"days": promised}),
        )

    def posted(self) -> Chart | None:
        """Return the chart of demands by week and those that were answered, None without any."""
        shown = [week.answered for week in self.weeks if not week.answered.hidden]
        posted = sum(one.of or 0 for one in shown)
        if not posted:
            return None
        answered = sum(one.n for one in shown)
        return self._chart(
            key="demands-by-week",
            kind="columns",
            title=_("Demands published each week, and answered"),
            summary=_("%(answered)d of %(posted)d demands have an answer.")
            % {"answered": answered, "posted": posted},
            series=(
                Series(
                    _("Answered"),
                    tuple(_number(week.answered) for week in self.weeks),
                    urls=self._urls("week"),
                ),
                Series(
                    _("Published"),
                    tuple(
                        None if week.answered.hidden else week.answered.of for week in self.weeks
                    ),
                    secondary=True,
                    urls=self._urls("week-all"),
                ),
            ),
            nothing=HIDDEN,
        )

    def _chart(self, **parts: Any) -> Chart:
        return Chart(
            period=span(self.scope),
            labels=tuple(day(week.start) for week in self.weeks),
            over=_("Week from"),
            **parts,
        )

    def _urls(self, rows: str) -> tuple[str, ...]:
        """Return the addresses of the demands of each week; `rows`: answered ones, or all."""
        if not self.linked:
            return ()
        counts = [
            week.answered.n if rows == "week" else week.answered.of or 0 for week in self.weeks
        ]
        return tuple(
            rows_of(self.scope, Figure(n, None, f"{rows}-{week.start:%Y%m%d}"))
            for week, n in zip(self.weeks, counts, strict=True)
        )


def rows_of(scope: Scope, figure: Figure) -> str:
    """Return the address of the rows that a figure counts, "" where there are none."""
    if not figure.n or not figure.rows:
        return ""
    return f"{reverse('insight_rows', args=[figure.rows])}?{scope.query()}"


def _number(figure: Figure) -> Number:
    return None if figure.hidden else figure.n


def outcome_chart(scope: Scope, outcomes: Sequence[Outcome]) -> Chart | None:
    """Return the chart of provinces, None where there is none."""
    if not outcomes:
        return None
    return Chart(
        key="by-province",
        kind="rows",
        title=_("Demands of each province, and those with both yeses"),
        period=span(scope),
        summary=_("%(first)s has most: %(n)d demands, %(agreed)d of them with both yeses.")
        % {
            "first": outcomes[0].place.label,
            "n": outcomes[0].demands.n,
            "agreed": outcomes[0].agreed.n,
        },
        labels=tuple(one.place.label for one in outcomes),
        series=(
            Series(
                _("Both sides agreed"),
                tuple(one.agreed.n for one in outcomes),
                urls=tuple(rows_of(scope, one.agreed) for one in outcomes),
            ),
            Series(
                _("Demands"),
                tuple(one.demands.n for one in outcomes),
                secondary=True,
                urls=tuple(rows_of(scope, one.demands) for one in outcomes),
            ),
        ),
        over=_("Province"),
    )


# --- Supply and demand --------------------------------------------------------------------------


def heat(matrix: Matrix) -> list[tuple[str, list[tuple[Figure, int]], Figure]]:
    """Return each row: its name, its cells with their levels, and its total.

    A cell that is hidden is small. A row of few demands is hidden whole, and left out here.
    """
    rows = []
    for place, cells, total in zip(matrix.rows, matrix.cells, matrix.totals, strict=True):
        if total.hidden and total.of is None:
            continue
        shown = [(cell, 1 if cell.hidden else matrix.level(cell.n)) for cell in cells]
        rows.append((place.label, shown, total))
    return rows


def key() -> list[tuple[int, str]]:
    """Return the levels of the heat map with the numbers that each stands for."""
    ends = [f"{first}\u2013{after - 1}" for first, after in pairwise(LEVELS)]
    last = _("%(n)d and more") % {"n": LEVELS[-1]}
    return list(enumerate([_("0, a gap"), *ends, last]))
