"""When mails may arrive: outside somebody's quiet hours, and once a day at an hour of their own.

Hours are those of the platform's time zone (`settings.TIME_ZONE`). Touches no database.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from django.utils import timezone

if TYPE_CHECKING:
    from accounts.inbox import MailHours


def is_quiet(moment: dt.datetime, hours: MailHours) -> bool:
    """Say whether no mail should arrive now. Quiet hours may pass midnight; equal ends: none."""
    hour = timezone.localtime(moment).hour
    first, last = hours.quiet_from, hours.quiet_until
    if first <= last:
        return first <= hour < last
    return hour >= first or hour < last


def awake(moment: dt.datetime, hours: MailHours) -> dt.datetime:
    """Return the first moment from this one on that is not quiet."""
    if not is_quiet(moment, hours):
        return moment
    local = timezone.localtime(moment)
    day = local.date()
    if local.hour >= hours.quiet_until:
        day += dt.timedelta(days=1)
    return at_hour(day, hours.quiet_until)


def at_hour(day: dt.date, hour: int) -> dt.datetime:
    """Return the moment at which an hour of a day begins."""
    return timezone.make_aware(dt.datetime.combine(day, dt.time(hour)))


def may_come_now(moment: dt.datetime, hours: MailHours) -> bool:
    """Say whether the daily mail may arrive now.

    Its own hour is fine though it be quiet; after a stop of the clock it does not come at night.
    """
    return timezone.localtime(moment).hour == hours.daily_at or not is_quiet(moment, hours)
