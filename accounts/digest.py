"""Promising the daily mails. Run by a task.

A mail of a day holds what was told before that day's hour. A clock that stood still for days
writes one when it goes again, with all that has gathered, and two clocks write one.
"""

from __future__ import annotations

import datetime as dt

from django.db import transaction
from django.db.models import F, IntegerField, Q, QuerySet, Value
from django.db.models.functions import Coalesce
from django.utils import timezone

from accounts.inbox import MailHours, Mailing, Notification
from accounts.mail import promise
from accounts.models import OutboxMail, User
from accounts.quiet import at_hour, may_come_now

# Of one mail; what lies behind is counted.
GATHERED = 200


def digest_key(user_id: int, day: dt.date) -> str:
    return f"digest:{user_id}:{day.isoformat()}"


def write_digests(*, limit: int = 500) -> int:
    """Promise today's mail to those whose hour has come. Return how many."""
    now = timezone.localtime()
    people: dict[int, MailHours] = {}
    hours = ("user", "quiet_from", "quiet_until", "daily_at")
    rows = _due(now).order_by("user").distinct()
    for user, quiet_from, quiet_until, daily_at in rows.values_list(*hours):
        people[user] = MailHours(
            user_id=user, quiet_from=quiet_from, quiet_until=quiet_until, daily_at=daily_at
        )
    written = set(
        OutboxMail.objects.filter(
            kind="digest", user__in=people, key__endswith=f":{now.date().isoformat()}"
        ).values_list("user", flat=True)
    )
    waiting = [
        user for user, theirs in people.items() if user not in written and may_come_now(now, theirs)
    ]
    return sum(_write_to(user, now) for user in waiting[:limit])


def _due(now: dt.datetime) -> QuerySet[Notification]:
    """Return what waits for a daily mail whose hour of today has come."""
    today = now.date()
    passed = Q()
    for hour in range(now.hour + 1):
        passed |= Q(daily_at=hour, visible_from__lt=at_hour(today, hour))

    def chosen(name: str, default: int) -> Coalesce:
        return Coalesce(F(f"user__mail_hours__{name}"), Value(default), output_field=_HOUR)

    return (
        Notification.objects.filter(
            mailing=Mailing.DIGEST, read_at=None, visible_from__lte=now, user__is_active=True
        )
        .annotate(
            daily_at=chosen("daily_at", MailHours.DAILY_AT),
            quiet_from=chosen("quiet_from", MailHours.QUIET_FROM),
            quiet_until=chosen("quiet_until", MailHours.QUIET_UNTIL),
        )
        .filter(passed)
    )


_HOUR = IntegerField()


@transaction.atomic
def _write_to(user_id: int, now: dt.datetime) -> bool:
    # Another clock that is at this person now does the same.
    user = (
        User.objects.select_for_update(skip_locked=True, no_key=True)
        .filter(pk=user_id, is_active=True)
        .first()
    )
    if user is None:
        return False
    ids = list(
        _due(now).filter(user=user).order_by("-visible_from", "-pk").values_list("pk", flat=True)
    )
    if not ids or not promise(
        kind="digest",
        user=user,
        key=digest_key(user_id, now.date()),
        payload={"notifications": ids[:GATHERED], "more": len(ids[GATHERED:])},
    ):
        return False
    Notification.objects.filter(pk__in=ids).update(mailing=Mailing.DIGESTED)
    return True
