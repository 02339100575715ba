"""How long everybody waits, against what is promised: in working days of the Chinese calendar."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass

from django.conf import settings
from django.utils.translation import gettext as _

from accounts.services import VERIFY_WITHIN
from matchmaking.figures import PROMISED_DAYS
from matchmaking.services.insights.cohort import Cohort, cohort
from matchmaking.services.insights.rows import COHORT, Figure, Selected, count_of
from matchmaking.services.insights.scope import Scope
from matchmaking.services.insights.sources import CLOCKS, DEMANDS
from matchmaking.services.insights.sql import (
    QUICK_WORKING_DAYS,
    day,
    fetch,
    parameters,
)

QUICK = "quick"

Counts = dict[str, tuple[int, int, int, float | None, float | None]]
_NOTHING = (0, 0, 0, None, None)


@dataclass(frozen=True)
class Clock:
    """One promise: of what began in the period and whose days are over, how many were kept.

    `median` and `p90` are working days over those of the same that have an answer at all; None
    without any. `late_now` is what is late at this moment, whenever it began.
    """

    key: str
    label: str
    promised: int
    median: float | None
    p90: float | None
    in_time: Figure
    late_now: Figure


@dataclass(frozen=True)
class Week:
    """The demands first published in the week that begins on Monday `start`: how many have an
    answer (`answered.n` of `answered.of`), and after how many working days.

    Only those whose days for an answer are over; see `sources`.
    """

    start: dt.date
    answered: Figure
    median: float | None
    p90: float | None

    @property
    def n(self) -> int:
        return self.answered.n


@dataclass(frozen=True)
class Meeting:
    """How many working days from the first publication to the first introduction: the median over
    those demands that have one, `figure.n` of `figure.of`."""

    median: float | None
    figure: Figure


def names() -> dict[str, tuple[str, int]]:
    """Return what each clock is called, and the working days that it promises."""
    return {
        "publication": (_("Check before publication"), settings.PUBLICATION_WORKING_DAYS),
        "answer": (_("First answer to a demand"), PROMISED_DAYS),
        "review": (_("Review of a match"), settings.REVIEW_WORKING_DAYS),
        "sides": (_("Answers of both sides"), settings.CONSENT_WORKING_DAYS),
        "verification": (_("Verification of an organization"), VERIFY_WITHIN),
        "certification": (_("Certification of a manager"), VERIFY_WITHIN),
    }


def clocks(scope: Scope, counts: Counts | None = None) -> tuple[Clock, ...]:
    """Return every clock in the order of `names`; one query where they are not counted yet."""
    found = clock_counts(scope) if counts is None else counts
    return tuple(_clock(key, label, promised, found) for key, (label, promised) in names().items())


def clock_counts(scope: Scope) -> Counts:
    """Count every clock, by its key: how many are over, in time, late now, median and p90."""
    taken = "counted AND ended IS NOT NULL"
    query = f"""
        SELECT clock, count(*) FILTER (WHERE counted), count(*) FILTER (WHERE counted AND in_time),
            count(*) FILTER (WHERE late),
            percentile_cont(0.5) WITHIN GROUP (ORDER BY days) FILTER (WHERE {taken}),
            percentile_cont(0.9) WITHIN GROUP (ORDER BY days) FILTER (WHERE {taken})
        FROM ({CLOCKS}) source GROUP BY clock
    """
    return {clock: tuple(row) for clock, *row in fetch(query, parameters(scope))}


def _clock(key: str, label: str, promised: int, found: Counts) -> Clock:
    counted, in_time, late, median, p90 = found.get(key, _NOTHING)
    return Clock(
        key,
        label,
        promised,
        median,
        p90,
        Figure(in_time, counted, f"{key}-in-time"),
        Figure(late, None, f"{key}-late"),
    )


def decided_in_two_days(scope: Scope, counts: Counts | None = None) -> Figure:
    """Return how many reviews were decided within two working days.

    Of the reviews assigned in the period whose two working days are over. Reviews that were handed
    back, referred, voided or no longer needed are in neither number; while a side was asked the
    days do not count.
    """
    found = clock_counts(scope) if counts is None else counts
    counted, in_time, *_rest = found.get(QUICK, _NOTHING)
    return Figure(in_time, counted, "quick-in-time")


def first_introduction(scope: Scope, of: Cohort | None = None) -> Meeting:
    """Return how long the first introduction took, over the demands of the headline."""
    demands = cohort(scope) if of is None else of
    n, whole = demands.counts["answer-agreed"], demands.counts["answer-all"]
    return Meeting(demands.meeting, Figure(n, whole, "answer-agreed"))


def answer_times(scope: Scope) -> tuple[Week, ...]:
    """Return every week of the period that has begun, also those without a demand; one query."""
    params = parameters(scope)
    query = f"""
        SELECT date_trunc('week', {day("published_at")})::date,
            {count_of({"n": "answered_at IS NOT NULL", "of": "true"})},
            percentile_cont(0.5) WITHIN GROUP (ORDER BY answer_days),
            percentile_cont(0.9) WITHIN GROUP (ORDER BY answer_days)
        FROM ({DEMANDS}) source WHERE {COHORT} GROUP BY 1
    """
    found = {start: row for start, *row in fetch(query, params)}
    monday = scope.since - dt.timedelta(days=scope.since.weekday())
    last = min(scope.until, params["today"])
    weeks = []
    while monday <= last:
        n, of, median, p90 = found.get(monday, (0, 0, None, None))
        weeks.append(Week(monday, Figure(n, of, f"week-{monday:%Y%m%d}"), median, p90))
        monday += dt.timedelta(days=7)
    return tuple(weeks)


# --- The rows behind them -------------------------------------------------------------------------

_CLOCK = "started, ended, days"


def rows(key: str) -> Selected | None:
    """Return the list behind a clock's number, a week's, or “late”; None for another key."""
    if key == "late":
        return Selected(CLOCKS, "late", _("Late now"), _CLOCK)
    if key.startswith("week-"):
        return _week(key)
    clock, _dash, which = key.partition("-")
    where = {
        "all": "counted",
        "in-time": "counted AND in_time",
        "missed": "counted AND NOT in_time",
        "late": "late",
    }.get(which)
    labels = {QUICK: _("Decided within %(days)d working days") % {"days": QUICK_WORKING_DAYS}}
    labels |= {code: name for code, (name, _days) in names().items()}
    if where is None or clock not in labels:
        return None
    label = {
        "all": _("%(clock)s: all whose days are over"),
        "in-time": _("%(clock)s: in time"),
        "missed": _("%(clock)s: not in time"),
        "late": _("%(clock)s: late now"),
    }[which]
    return Selected(
        CLOCKS,
        f"clock = %(clock)s AND {where}",
        label % {"clock": labels[clock]},
        _CLOCK,
        {"clock": clock},
    )


def _week(key: str) -> Selected | None:
    found = re.fullmatch(r"week-(all-)?([0-9]{8})", key)
    try:
        start = dt.datetime.strptime(found[2], "%Y%m%d").date() if found else None
    except ValueError:
        return None
    if found is None or start is None or start.weekday():
        return None
    where = f"{COHORT} AND date_trunc('week', {day('published_at')})::date = %(week)s"
    if found[1]:
        label = _("Demands published in the week of %(day)s")
    else:
        label = _("Demands published in the week of %(day)s that have an answer")
        where += " AND answered_at IS NOT NULL"
    return Selected(
        DEMANDS,
        where,
        label % {"day": start.isoformat()},
        "published_at, answered_at, answer_days",
        {"week": start},
    )
