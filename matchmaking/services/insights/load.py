"""What lies on the desks of technology managers."""

from __future__ import annotations

import re
from dataclasses import dataclass

from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import ManagerProfile, User
from matchmaking.services.insights.rows import Figure, Selected, count_of
from matchmaking.services.insights.scope import Scope
from matchmaking.services.insights.sources import DESKS
from matchmaking.services.insights.sql import fetch, parameters

_CONDITIONS = {
    "open": "open",
    "late": "late",
    "settled": "settled",
    "in-time": "settled AND in_time",
}


@dataclass(frozen=True)
class Desk:
    """A certified manager: `open.n` reviews of `open.of` that they take at once, `late` of those.

    `in_time`: of what they decided or let go by in the period, how much was decided in time.
    Region and industry do not narrow it: a desk is one desk.
    """

    user: int
    name: str
    is_away: bool
    open: Figure
    late: Figure
    in_time: Figure


def load(scope: Scope) -> tuple[Desk, ...]:
    """Return all desks, those with the most that is late first; three queries."""
    query = f"SELECT manager_id, {count_of(_CONDITIONS)} FROM ({DESKS}) source GROUP BY 1"
    found = {user: counts for user, *counts in fetch(query, parameters(scope))}
    profiles = ManagerProfile.objects.certified().order_by("user__name", "pk")
    present = set(
        ManagerProfile.objects.available_on(timezone.localdate()).values_list("user", flat=True)
    )
    desks = []
    for user, name, email, capacity in profiles.values_list(
        "user", "user__name", "user__email", "capacity"
    ):
        lying, late, settled, in_time = found.get(user, (0, 0, 0, 0))
        desks.append(
            Desk(
                user,
                name or email,
                user not in present,
                Figure(lying, capacity, f"desk-{user}-open"),
                Figure(late, lying, f"desk-{user}-late"),
                Figure(in_time, settled, f"desk-{user}-in-time"),
            )
        )
    return tuple(sorted(desks, key=lambda desk: (-desk.late.n, -desk.open.n)))


def rows(key: str) -> Selected | None:
    """Return what lies on a manager's desk, or lay there; None for another key or nobody's."""
    found = re.fullmatch(r"desk-([1-9][0-9]{0,17})-(open|late|settled|in-time)", key)
    person = User.objects.filter(pk=found[1]).first() if found else None
    if found is None or person is None:
        return None
    label = {
        "open": _("On the desk of %(name)s"),
        "late": _("Late on the desk of %(name)s"),
        "settled": _("Decided or let go by: %(name)s"),
        "in-time": _("Decided in time: %(name)s"),
    }[found[2]]
    return Selected(
        DESKS,
        f"manager_id = %(manager)s AND {_CONDITIONS[found[2]]}",
        label % {"name": person},
        "started, ended, days",
        {"manager": person.pk},
    )
