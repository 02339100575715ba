"""The order of candidates: text first, then what the fields say. All weights stand here.

No weight was fitted to a judged set: those have no fields. The text's weights come from the
figures in docs/retrieval.md; the fields' are small enough to order neighbours (the scores of a
demand's first twenty differ by some 0.3), never to lift a stranger.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from catalog.industries import division
from catalog.models import Listing
from matchmaking.retrieval.candidates import LEXICAL_WEIGHT, PLACES, Candidate
from matchmaking.retrieval.explanation import grid_score
from matchmaking.retrieval.windows import language_of

# How much a part of 1 adds over a part of 0. A part that is unknown adds nothing either way.
FIELD_WEIGHTS = {
    "indicators": 0.15,
    "industry": 0.10,
    "trl": 0.075,
    "money": 0.05,
    "modes": 0.05,
    "region": 0.025,
}

# Parts that are known without the constraint grid.
_WITHOUT_GRID = ("industry", "region")

# Between two languages shared words are a few names and figures, and the lexical leg has next to
# nothing to say. What it adds to a pair of one language is this share of what meaning adds (on the
# demo's pairs whose meaning is near, 0.5 to 0.9), and so much is taken as said.
FOREIGN = 0.6

# Scores are made a confidence by a logistic curve: at MIDDLE one pair in two is worth a meeting,
# and one WIDTH above it three in four. Where they come from: docs/retrieval.md.
MIDDLE, WIDTH = 0.8, 0.2
# From which confidence on a grade is given, best first.
GRADES = (("strong", 0.75), ("likely", 0.5), ("possible", 0.0))


@dataclass(frozen=True)
class Ranked:
    """`score` orders the matches of one demand; `confidence` (0 to 1) can be compared between
    demands; `parts` are 0 to 1, for people. `features`: what a learned ranker is told; `ranker`:
    the id of the version that gave the score, None for the weights below. `unheard`: what is
    taken as said by the words of another language, see `FOREIGN`."""

    candidate: Candidate
    score: float
    confidence: float
    parts: dict[str, float]
    features: Mapping[str, float] = field(default_factory=dict)
    ranker: int | None = None
    unheard: float = 0.0


def rank(
    *, demand: Listing, achievement: Listing, candidate: Candidate, grid: list[dict[str, Any]]
) -> Ranked:
    """Add what the fields say to a candidate's score."""
    fields = field_parts(demand, achievement, grid)
    bonus = sum(FIELD_WEIGHTS[name] * (part - 0.5) for name, part in fields.items())
    parts = {
        "meaning": round(min(1.0, max(0.0, candidate.dense)), 4),
        "words": round(min(1.0, candidate.lexical), 4),
        **{name: round(part, 4) for name, part in fields.items()},
    }
    unheard = _unheard(demand, achievement, candidate)
    score = round(candidate.score + unheard + bonus, PLACES)
    return Ranked(candidate, score, confidence(score), parts, unheard=unheard)


def _unheard(demand: Listing, achievement: Listing, candidate: Candidate) -> float:
    if _language(demand.title) == _language(achievement.title):
        return 0.0
    return round(FOREIGN * max(candidate.dense, 0.0), 5)


def at_most(*, demand: Listing, achievement: Listing, candidate: Candidate) -> float:
    """Return what the score of `rank` does not exceed, whatever the grid says."""
    known = field_parts(demand, achievement, [])
    fields = sum(
        weight * (known.get(name, 0.5 if name in _WITHOUT_GRID else 1.0) - 0.5)
        for name, weight in FIELD_WEIGHTS.items()
    )
    # Rounded, a score may be this much more.
    return candidate.score + _unheard(demand, achievement, candidate) + fields + 2e-5


@lru_cache(maxsize=20_000)
def _language(title: str) -> str:
    """Return the language of a title; popular achievements stand in many lists."""
    return language_of(title)


def added(item: Ranked) -> dict[str, float]:
    """Return what each part added to a score; together they are the score.

    `meaning` and `words` are the two legs of the text, "decisions" what a learned ranker adds.
    """
    words = LEXICAL_WEIGHT * item.candidate.lexical
    found = {"meaning": item.candidate.score - words + item.unheard, "words": words}
    for name, weight in FIELD_WEIGHTS.items():
        if name in item.parts:
            found[name] = weight * (item.parts[name] - 0.5)
    if item.ranker is not None:
        found["decisions"] = item.score - sum(found.values())
    return {name: round(value, 5) for name, value in found.items()}


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


def confidence(score: float) -> float:
    """Return how likely a pair of this score is worth a meeting, 0 to 1 (a logistic curve)."""
    return 1 / (1 + math.exp((MIDDLE - score) / WIDTH * math.log(3)))


def least_score(confidence: float) -> float:
    """Return the score that has this confidence: the other way round."""
    if not 0 < confidence < 1:
        return -math.inf if confidence <= 0 else math.inf
    return MIDDLE - WIDTH / math.log(3) * math.log(1 / confidence - 1)


def grade(confidence: float) -> str:
    """Return a confidence in a word: "strong", "likely" or "possible"."""
    return next(name for name, least in GRADES if confidence >= least)
