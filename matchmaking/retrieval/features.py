"""What a learned ranker is told of a pair: numbers by name, the same for every pair.

They are stored with each match, so that a decision of a manager can be learned from years later.
No word of a listing is among them. What is comparable between demands is said as it is; the rest
is said against the best of the demand's own list. Absent means that nothing is known.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from catalog.models import Listing
from matchmaking.retrieval.ranking import FIELD_WEIGHTS, Ranked
from matchmaking.retrieval.windows import language_of

# Raise it when a feature is added, is taken away, or means something else: what was stored under
# another number is learned from no more, and a ranker of another number is not asked.
FEATURES_VERSION = 1

LEGS = ("dense", "best", "lexical", "fixed")
VERDICTS = ("met", "partly", "unmet", "unknown")
FEATURES: tuple[str, ...] = (
    # The legs as `candidates.Candidate` has them, and the score of the fixed weights.
    *LEGS,
    # Less the best of the demand's list (0: it is the best), and the place in the list, from 1.
    *(f"{leg}_margin" for leg in LEGS),
    *(f"{leg}_place" for leg in LEGS),
    # Pairs of characters of both titles: the share of the demand's, and of the achievement's.
    "title_asked",
    "title_offered",
    # The parts of `ranking.field_parts`, 0 to 1.
    *FIELD_WEIGHTS,
    # Rows of the constraint grid by verdict, and the must-haves among the unmet.
    *(f"rows_{verdict}" for verdict in VERDICTS),
    "rows_hard_unmet",
    # Logarithms of numbers of characters; and whether both are written in one language.
    "title_length",
    "demand_length",
    "achievement_length",
    "same_language",
)
_AT = {name: at for at, name in enumerate(FEATURES)}
# What makes a match better, all else equal, where it is larger (1) or smaller (-1).
DIRECTIONS: Mapping[str, int] = {
    **dict.fromkeys((*LEGS, *(f"{leg}_margin" for leg in LEGS)), 1),
    **dict.fromkeys((f"{leg}_place" for leg in LEGS), -1),
    **dict.fromkeys(FIELD_WEIGHTS, 1),
    "rows_hard_unmet": -1,
}


def describe(
    demand: Listing,
    achievements: Mapping[int, Listing],
    ranked: Sequence[Ranked],
    grids: Mapping[int, Sequence[Mapping[str, Any]]],
    *,
    pool: int,
) -> list[dict[str, float]]:
    """Return the features of those of a demand's candidates that have a grid, in their order.

    `ranked` is scored by the fixed weights; one without a grid has at most that score, and less
    than all that are kept. Places and margins are those among the `pool` best by
    text, however many there are: an evaluation that looks deeper measures the same.
    """
    if not ranked:
        return []
    legs = {
        "dense": np.array([item.candidate.dense for item in ranked]),
        "best": np.array([item.candidate.best for item in ranked]),
        "lexical": np.array([item.candidate.lexical for item in ranked]),
        "fixed": np.array([item.score for item in ranked]),
    }
    text = [(-item.candidate.score, item.candidate.listing_id) for item in ranked]
    listed = sorted(range(len(ranked)), key=text.__getitem__)[:pool]
    margins = {leg: values - values[listed].max() for leg, values in legs.items()}
    places = {
        leg: 1 + len(listed) - np.searchsorted(np.sort(values[listed]), values, side="right")
        for leg, values in legs.items()
    }
    asked = _pairs(demand.title)
    language = language_of(demand.title)
    demand_length = _length(demand)
    rows: list[dict[str, float]] = []
    for at, item in enumerate(ranked):
        if item.candidate.listing_id not in grids:
            continue
        achievement = achievements[item.candidate.listing_id]
        offered = _pairs(achievement.title)
        shared = len(asked & offered)
        grid = grids[item.candidate.listing_id]
        tally = [row["verdict"] for row in grid]
        row = {
            **{leg: float(values[at]) for leg, values in legs.items()},
            **{f"{leg}_margin": float(values[at]) for leg, values in margins.items()},
            **{f"{leg}_place": float(values[at]) for leg, values in places.items()},
            "title_asked": shared / max(len(asked), 1),
            "title_offered": shared / max(len(offered), 1),
            **{name: item.parts[name] for name in FIELD_WEIGHTS if name in item.parts},
            **{f"rows_{verdict}": float(tally.count(verdict)) for verdict in VERDICTS},
            "rows_hard_unmet": float(
                sum(row["verdict"] == "unmet" and bool(row.get("hard")) for row in grid)
            ),
            "title_length": math.log1p(len(achievement.title)),
            "demand_length": demand_length,
            "achievement_length": _length(achievement),
            "same_language": float(language_of(achievement.title) == language),
        }
        rows.append({name: round(value, 5) for name, value in row.items()})
    return rows


def matrix(rows: Sequence[Mapping[str, float]]) -> NDArray[np.float64]:
    """Return features as (n, len(FEATURES)), NaN where one is absent."""
    table = np.full((len(rows), len(FEATURES)), np.nan)
    for at, row in enumerate(rows):
        for name, value in row.items():
            if name in _AT:
                table[at, _AT[name]] = value
    return table


def _length(listing: Listing) -> float:
    return math.log1p(len(listing.title) + len(listing.summary) + len(listing.body))


@lru_cache(maxsize=4096)
def _pairs(title: str) -> frozenset[str]:
    """Return the pairs of neighbouring characters of a title, white space and case aside."""
    text = "".join(title.casefold().split())
    return frozenset(text[at : at + 2] for at in range(len(text) - 1))
