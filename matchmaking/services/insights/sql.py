"""How a dashboard asks the database: spans of days and working days in SQL, and one way to run it.

Every figure and the list of rows behind it come from the same query over the same condition, so
that they cannot differ. Days are those of the platform's time zone.

Working days are counted by an array that stands in each query once: its n-th number says how many
working days there were up to that day. The difference of two of them is what
`accounts.workdays.working_days_left` counts one by one.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from functools import lru_cache
from itertools import accumulate
from typing import Any

from django.conf import settings
from django.db import connection
from django.utils import timezone

from accounts.services import VERIFY_WITHIN
from accounts.workdays import is_working_day
from matchmaking.figures import PROMISED_DAYS
from matchmaking.services.insights.scope import Scope

# How far before a period working days are counted one by one. What began earlier is late by any
# promise, and is in no median of the period.
BACK = dt.timedelta(days=400)
# The share that is shown beside the promise: decided within two working days.
QUICK_WORKING_DAYS = 2

CALENDAR = "cal AS MATERIALIZED (SELECT %(days)s::int[] AS days)"


def day(moment: str) -> str:
    """Return SQL for the local day of a moment."""
    return f"({moment} AT TIME ZONE %(zone)s)::date"


def worked(date: str) -> str:
    """Return SQL for the number of working days up to a date, the date included.

    Up to one that is not known it is not known: `greatest` and `least` would pass over it.
    """
    place = f"greatest(1, least(%(last)s, {date} - %(first)s::date + 1))"
    return f"CASE WHEN {date} IS NOT NULL THEN (SELECT days FROM cal)[{place}] END"


def elapsed(start: str, end: str) -> str:
    """Return SQL for the working days from one moment to another: 0 on the same day, and not known
    without an end."""
    days = f"({worked(day(end))}) - ({worked(day(start))})"
    return f"CASE WHEN {end} IS NOT NULL THEN greatest(0, {days}) END"


def over_on(date: str, start: str, promised: str) -> str:
    """Return SQL that says whether so many working days after a moment were over on a date.

    They are over on the day after the last of them: as `due_on < today` everywhere else.
    """
    return f"(({worked(f'({date} - 1)')}) - ({worked(day(start))}) >= {promised})"


def within(moment: str) -> str:
    """Return SQL that says whether a moment lies in the period."""
    return f"({moment} >= %(since)s AND {moment} < %(until)s)"


def here(region: str, industry: str = "") -> str:
    """Return SQL that says whether a row belongs to the place and the industry looked at."""
    place = f"(%(region)s = '' OR left({region}, 2) = %(region)s)"
    if not industry:
        return place
    return f"({place} AND (%(industry)s = '' OR starts_with({industry}, %(industry)s)))"


def parameters(scope: Scope) -> dict[str, Any]:
    """Return what the fragments above and the sources name."""
    today = timezone.localdate()
    first = min(scope.since, today) - BACK
    days = _working_days(first, today)
    return {
        "zone": timezone.get_default_timezone_name(),
        "since": _midnight(scope.since),
        "until": _midnight(scope.until + dt.timedelta(days=1)),
        "today": today,
        "now": timezone.now(),
        "region": scope.region,
        "industry": scope.industry,
        "days": days,
        "first": first,
        "last": len(days),
        "answer_days": PROMISED_DAYS,
        "quick_days": QUICK_WORKING_DAYS,
        "publication_days": settings.PUBLICATION_WORKING_DAYS,
        "consent_days": settings.CONSENT_WORKING_DAYS,
        "verify_days": VERIFY_WITHIN,
    }


def _midnight(date: dt.date) -> dt.datetime:
    return timezone.make_aware(
        dt.datetime.combine(date, dt.time()), timezone.get_default_timezone()
    )


@lru_cache(maxsize=64)
def _working_days(first: dt.date, last: dt.date) -> list[int]:
    """Return the number of working days from `first` on, up to each day until `last`."""
    count = (last - first).days + 1
    days = (first + dt.timedelta(days=n) for n in range(count))
    return list(accumulate(int(is_working_day(one)) for one in days))


def fetch(query: str, params: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """Return all rows of a query that we wrote ourselves; values come as parameters only."""
    with connection.cursor() as cursor:
        cursor.execute(query, params)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows
