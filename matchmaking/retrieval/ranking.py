"""The order of candidates: text first, then what the fields say. All weights stand here.

No weight was fitted to a judged set: those have no fields. The text's weights come from the
figures in docs/retrieval.md; the fields' are small enough to order neighbours (cosines of a
demand's first twenty differ by some 0.05), never to lift a stranger.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from catalog.industries import division
from catalog.models import Listing
from matchmaking.retrieval.candidates import LEXICAL_WEIGHT, Candidate
from matchmaking.retrieval.explanation import grid_score

# How much a part of 1 adds over a part of 0. A part that is unknown adds nothing either way.
FIELD_WEIGHTS = {
    "indicators": 0.03,
    "industry": 0.02,
    "trl": 0.015,
    "money": 0.01,
    "modes": 0.01,
    "region": 0.005,
}
MAX_BONUS = sum(FIELD_WEIGHTS.values()) / 2

# Cosines of multilingual-e5-small live in a narrow band: strangers at 0.74, twins at 0.95.
# They are stretched to 0..100 for people; the order comes from the score itself.
STRANGER, TWIN = 0.74, 0.95


@dataclass(frozen=True)
class Ranked:
    """`score` orders the matches of one demand; `parts` are 0 to 1, for people."""

    candidate: Candidate
    score: float
    parts: dict[str, float]


def rank(
    *, demand: Listing, achievement: Listing, candidate: Candidate, grid: list[dict[str, Any]]
) -> Ranked:
    """Add what the fields say to a candidate's score."""
    fields = field_parts(demand, achievement, grid)
    bonus = sum(FIELD_WEIGHTS[name] * (part - 0.5) for name, part in fields.items())
    parts = {
        "meaning": round(min(1.0, max(0.0, (candidate.dense - STRANGER) / (TWIN - STRANGER))), 4),
        "words": round(min(1.0, candidate.lexical), 4),
        **{name: round(part, 4) for name, part in fields.items()},
    }
    return Ranked(candidate, candidate.score + bonus, parts)


def field_parts(
    demand: Listing, achievement: Listing, grid: list[dict[str, Any]]
) -> dict[str, float]:
    """Return 0 to 1 for each thing that both sides say something about."""
    parts: dict[str, float] = {}
    stated = [row for row in grid if row["verdict"] != "unknown"]
    if indicators := [row for row in stated if row["kind"] == "indicator"]:
        parts["indicators"] = grid_score(indicators)
    for kind, name in (("trl", "trl"), ("budget", "money"), ("modes", "modes")):
        if rows := [row for row in stated if row["kind"] == kind]:
            parts[name] = grid_score(rows)
    if demand.industry and achievement.industry:
        same = division(demand.industry) == division(achievement.industry)
        near = demand.industry[0] == achievement.industry[0]
        parts["industry"] = 1.0 if same else 0.5 if near else 0.0
    if demand.region and achievement.region:
        parts["region"] = 1.0 if demand.region[:2] == achievement.region[:2] else 0.0
    return parts


def percent(score: float) -> int:
    """Return a match's score as people read it, 0 to 100. It orders; it is no probability."""
    low, high = STRANGER, TWIN + LEXICAL_WEIGHT * 0.4
    return round(100 * min(1.0, max(0.0, (score - low) / (high - low))))
