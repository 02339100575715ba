"""Days on which a manager takes no new reviews."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from accounts.models import Absence, AccountEvent, ManagerProfile, User
from accounts.services import Refused, record
from accounts.signals import managers_changed, tell

Verb = AccountEvent.Verb
# Not over yet. More than this is a mistake.
ABSENCES_AT_MOST = 30


def _whole(day: dt.date) -> str:
    return date_format(day, "DATE_FORMAT")


def said(absence: Absence, write: Callable[[dt.date], str] = _whole) -> str:
    """Return the days in words: “12 Jan – 14 Jan”, “from 12 Jan on”. `write` writes one day."""
    first = write(absence.first)
    if absence.last is None:
        return _("from %(day)s on") % {"day": first}
    if absence.last == absence.first:
        return first
    return f"{first} – {write(absence.last)}"


@transaction.atomic
def add_absence(
    *, profile: ManagerProfile, first: dt.date, last: dt.date | None, note: str = ""
) -> Absence:
    """Mark days on which nothing new is assigned; without `last` until it is taken back.

    Raises `Refused` for days that are over, in the wrong order, or marked already.
    """
    profile = ManagerProfile.objects.select_for_update().get(pk=profile.pk)
    today = timezone.localdate()
    if last is not None and last < first:
        raise Refused(_("The last day is before the first one."))
    if last is not None and last < today:
        raise Refused(_("These days are over already."))
    open_ones = profile.absences.from_day(today)
    if open_ones.count() >= ABSENCES_AT_MOST:
        raise Refused(
            _("You have marked %(limit)d periods; take one back first.")
            % {"limit": ABSENCES_AT_MOST}
        )
    meets = Q(last=None) | Q(last__gte=first)
    if last is not None:
        meets &= Q(first__lte=last)
    other = open_ones.filter(meets).first()
    if other is not None:
        raise Refused(
            _("You have marked %(days)s already; take that back first.") % {"days": said(other)}
        )
    absence: Absence = profile.absences.create(first=first, last=last, note=note)
    record(Verb.AWAY, actor=profile.user, subject=profile.user, note=said(absence))
    tell(managers_changed, [profile.user_id])
    return absence


@transaction.atomic
def end_absence(*, absence: Absence, actor: User) -> None:
    """Take days back: those that are to come go, one that is under way ended yesterday.

    What is over stays as it was.
    """
    profile = ManagerProfile.objects.select_for_update().get(pk=absence.profile_id)
    if profile.user_id != actor.pk:
        raise Refused(_("Only the technology manager does this."))
    today = timezone.localdate()
    found = profile.absences.from_day(today).filter(pk=absence.pk).first()
    if found is None:
        raise Refused(_("These days are over, or you have taken them back already."))
    record(Verb.BACK, actor=actor, subject=actor, note=said(found))
    if found.first >= today:
        found.delete()
    else:
        found.last = today - dt.timedelta(days=1)
        found.save(update_fields=("last",))
    tell(managers_changed, [profile.user_id])
