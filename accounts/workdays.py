"""Working days of the Chinese calendar: what every promise is counted in."""

import datetime as dt
from functools import cache

import chinese_calendar


@cache
def is_working_day(day: dt.date) -> bool:
    """Say whether offices are open. Years that are not announced yet count Monday to Friday.

    Source: the State Council's yearly holiday notices, by way of chinesecalendar.
    """
    try:
        return bool(chinese_calendar.is_workday(day))
    except NotImplementedError:
        return day.weekday() < 5


def add_working_days(day: dt.date, count: int) -> dt.date:
    """Return the `count`-th working day after `day`; `count` 0 gives `day` itself."""
    while count > 0:
        day += dt.timedelta(days=1)
        count -= is_working_day(day)
    return day


def working_days_left(due: dt.date, today: dt.date) -> int:
    """Count working days from `today` to `due`: 0 on the day itself, negative when it is late."""
    step = 1 if due >= today else -1
    day, count = today, 0
    while day != due:
        day += dt.timedelta(days=step)
        counted = day if step > 0 else day + dt.timedelta(days=1)
        count += step * is_working_day(counted)
    return count
