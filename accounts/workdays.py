"""Working days of the Chinese calendar: what every promise is counted in.

Which days are free is announced by the State Council each November for the year that follows, and
comes with a newer chinesecalendar. What an installation knows before its library does is said by
the settings FREE_DAYS and MAKE_UP_DAYS.
"""

import datetime as dt
from functools import cache

import chinese_calendar
from chinese_calendar.constants import holidays
from django.conf import settings
from django.utils import timezone

# Free every year, whatever is announced: the days of the solar calendar in article 2 of the
# Regulation on Public Holidays for National Festivals (State Council order 795, since 2025).
STATUTORY = frozenset({(1, 1), (5, 1), (5, 2), (10, 1), (10, 2), (10, 3)})


@cache
def announced(year: int) -> bool:
    """Say whether a year's holidays are known: by the library, or by the settings."""
    return any(day.year == year for day in (*holidays, *settings.FREE_DAYS))


def unknown_year(today: dt.date | None = None) -> int | None:
    """Return the year that deadlines reach into though its holidays are not known; None: none."""
    today = today or timezone.localdate()
    # A notice comes in November; a deadline set in December may end in the next year.
    years = (today.year, today.year + 1) if today.month == 12 else (today.year,)
    return next((year for year in years if not announced(year)), None)


@cache
def is_working_day(day: dt.date) -> bool:
    """Say whether offices are open.

    In years that are not announced, and not in the settings either, Monday to Friday count but for
    the days that the law names; the moon's festivals are missing then.

    Source: the State Council's yearly holiday notices, by way of chinesecalendar.
    """
    if day in settings.FREE_DAYS:
        return False
    if day in settings.MAKE_UP_DAYS:
        return True
    try:
        return bool(chinese_calendar.is_workday(day))
    except NotImplementedError:
        return day.weekday() < 5 and (day.month, day.day) not in STATUTORY


def add_working_days(day: dt.date, count: int) -> dt.date:
    """Return the `count`-th working day after `day`; `count` 0 gives `day` itself."""
    while count > 0:
        day += dt.timedelta(days=1)
        count -= is_working_day(day)
    return day


def whole_day_before(day: dt.date) -> dt.date:
    """Return the last day on which somebody told still had a whole working day before `day`.

    Of a Wednesday that is Monday: there is all Tuesday.
    """
    day -= dt.timedelta(days=1)
    while not is_working_day(day):
        day -= dt.timedelta(days=1)
    return day - dt.timedelta(days=1)


def working_days_left(due: dt.date, today: dt.date) -> int:
    """Count working days from `today` to `due`: 0 on the day itself, negative when it is late."""
    step = 1 if due >= today else -1
    day, count = today, 0
    while day != due:
        day += dt.timedelta(days=step)
        counted = day if step > 0 else day + dt.timedelta(days=1)
        count += step * is_working_day(counted)
    return count
