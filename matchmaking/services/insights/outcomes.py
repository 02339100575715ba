"""What became of the demands of each province: how many were answered in time, and introduced."""

from __future__ import annotations

import re
from dataclasses import dataclass

from django.utils.translation import gettext as _

from accounts.regions import province_name
from matchmaking.services.insights.rows import DEMAND_ROWS, Figure, Selected, count_of
from matchmaking.services.insights.scope import Scope
from matchmaking.services.insights.sources import DEMANDS
from matchmaking.services.insights.sql import fetch, parameters
from matchmaking.services.insights.supply import NOWHERE, Place

_COLUMNS = ("answer-all", "answer-in-time", "answer-agreed")


@dataclass(frozen=True)
class Outcome:
    """The demands of one province that the headline counts, and those of them with both yeses."""

    place: Place
    demands: Figure
    answered: Figure
    agreed: Figure


def outcomes(scope: Scope) -> tuple[Outcome, ...]:
    """Return every province that has such a demand, the one with most first; one query."""
    conditions = {key: DEMAND_ROWS[key] for key in _COLUMNS}
    query = (
        f"SELECT left(region, 2), {count_of(conditions)} FROM ({DEMANDS}) source "
        "GROUP BY 1 ORDER BY 2 DESC, 1"
    )
    found = []
    for code, demands, answered, agreed in fetch(query, parameters(scope)):
        if not demands:
            continue
        place = Place(code or NOWHERE, _name(code))
        found.append(
            Outcome(
                place,
                Figure(demands, None, f"place-{place.code}-all"),
                Figure(answered, demands, f"place-{place.code}-in-time"),
                Figure(agreed, demands, f"place-{place.code}-agreed"),
            )
        )
    return tuple(found)


def rows(key: str) -> Selected | None:
    """Return the demands behind a number of one province; None for another key."""
    found = re.fullmatch(r"place-([0-9]{2}|0)-(all|in-time|agreed)", key)
    if found is None:
        return None
    code = "" if found[1] == NOWHERE else found[1]
    label = {
        "all": _("Demands whose days for a first answer are over"),
        "in-time": _("Demands with a first answer in time"),
        "agreed": _("Demands whose owner and another side agreed to meet"),
    }[found[2]]
    return Selected(
        DEMANDS,
        f"{DEMAND_ROWS[f'answer-{found[2]}']} AND left(region, 2) = %(province)s",
        f"{label}: {_name(code)}",
        "published_at, answered_at, answer_days",
        {"province": code},
    )


def _name(code: str) -> str:
    return (province_name(f"{code}0000") if code else "") or _("No region named")
