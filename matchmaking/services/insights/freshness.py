"""How long ago the owners of live listings last said that they are true."""

from __future__ import annotations

import re
from dataclasses import dataclass

from django.utils.translation import gettext as _

from matchmaking.services.insights.rows import Figure, Selected
from matchmaking.services.insights.scope import Scope
from matchmaking.services.insights.sources import FRESHNESS
from matchmaking.services.insights.sql import fetch, parameters

KINDS = ("demand", "achievement")
# By the last day of each; `sources` cuts them.
BANDS = ("30", "90", "180", "older", "never")


@dataclass(frozen=True)
class Band:
    """Live listings that were confirmed so long ago, of all live ones of the kind."""

    key: str
    label: str
    demands: Figure
    achievements: Figure


def freshness(scope: Scope) -> tuple[Band, ...]:
    """Return the bands from the youngest to those never confirmed; one query."""
    query = f"SELECT kind, band, count(*) FROM ({FRESHNESS}) source GROUP BY 1, 2"
    counts = {(kind, band): n for kind, band, n in fetch(query, parameters(scope))}
    totals = {kind: sum(counts.get((kind, band), 0) for band in BANDS) for kind in KINDS}
    labels = _labels()
    return tuple(
        Band(
            band,
            labels[band],
            *(
                Figure(counts.get((kind, band), 0), totals[kind], f"fresh-{kind}-{band}")
                for kind in KINDS
            ),
        )
        for band in BANDS
    )


def _labels() -> dict[str, str]:
    return {
        "30": _("Confirmed in the last 30 days"),
        "90": _("31 to 90 days ago"),
        "180": _("91 to 180 days ago"),
        "older": _("Longer ago"),
        "never": _("Never confirmed"),
    }


def rows(key: str) -> Selected | None:
    """Return the listings of a band; None for another key."""
    found = re.fullmatch(rf"fresh-({'|'.join(KINDS)})-({'|'.join(BANDS)})", key)
    if found is None:
        return None
    name = _("Live demands") if found[1] == "demand" else _("Live achievements")
    return Selected(
        FRESHNESS,
        "kind = %(kind)s AND band = %(band)s",
        f"{name}: {_labels()[found[2]]}",
        params={"kind": found[1], "band": found[2]},
    )
