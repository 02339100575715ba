"""A match's evidence: made from what was compared, and made again to see that it is still so.

Everything here is a function of both revisions and of `Match.basis`, which keeps what else it
rests on: the tiers of that day and the weights of the words. The day from which a stated duration
counts stands in the row of the deadline. What an owner keeps for the introduction is never read,
neither then nor now.
"""

from __future__ import annotations

import datetime as dt
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from django.conf import settings

from accounts.permissions import Tier
from catalog.disclosure import closed, kind_of, shown, stricter
from catalog.indicators import Indicator
from catalog.models import Listing
from catalog.words import words
from matchmaking.models import Match
from matchmaking.retrieval.encoders import BrokenVector, Encoder
from matchmaking.retrieval.explanation import (
    Encode,
    Row,
    Side,
    advice,
    constraint_grid,
    sentence_pairs,
    shared_terms,
    term_weights,
)
from matchmaking.retrieval.lexical import says_something
from matchmaking.retrieval.ranking import confidence, field_parts
from matchmaking.retrieval.texts import DETAILS

logger = logging.getLogger(__name__)

# Sentence pairs that are kept of a match: the first few that a reader may read are shown.
PAIRS = 8
# Encoders with integer weights round a sentence by what else is in the batch.
PAIR_TOLERANCE = 0.01
KINDS = ("demand", "achievement")


def listing_side(row: Listing | Any, under: Mapping[str, str] | None = None) -> Side:
    """Return a listing or a revision as the explanation reads it.

    Without what is for the introduction; `under`: the tiers to go by, instead of its own.
    """
    kind = kind_of(row)
    row = shown(row, Tier.MANAGERS, under=under)
    return Side(
        title=row.title,
        summary=row.summary,
        body=row.body,
        indicators=tuple(Indicator.from_json(indicator) for indicator in row.indicators),
        trl=row.trl,
        money_min=row.money_min,
        money_max=row.money_max,
        modes=tuple(row.modes),
        region=row.region,
        keywords=tuple(row.keywords),
        texts=tuple((name, text) for name in DETAILS[kind] if (text := getattr(row, name))),
        deadline=getattr(row, "deadline", None),
        exclusivity=getattr(row, "exclusivity", ""),
        ip_expectation=getattr(row, "ip_expectation", ""),
        needs=tuple(getattr(row, "needs", ())),
        encumbrances=getattr(row, "encumbrances", ""),
    )


def side_words(side: Side) -> list[str]:
    """Return the words of a side. Files are not among them: nobody finds their words on a page."""
    texts = [side.title, side.summary, " ".join(side.keywords), side.body]
    texts += [text for _name, text in side.texts]
    texts += [row.name for row in side.indicators]
    return words("\n".join(texts))


def telling_words(side: Side) -> list[str]:
    """Return the words of a demand that may be told as shared."""
    return [word for word in side_words(side) if says_something(word)]


def evidence(
    *,
    demand: Listing,
    achievement: Listing,
    asked: Sequence[str],
    grid: list[Row],
    weight: Callable[[str], float],
) -> dict[str, Any]:
    """Return what a match stores beside its score: the fields of `Match` by name.

    `asked`: the demand's `telling_words`. `weight` says how rare a word is among achievements.
    """
    offered = side_words(listing_side(achievement))
    weights = term_weights(asked, offered, weight)
    return {
        "grid": grid,
        "advice": advice(grid),
        "terms": shared_terms(asked, offered, lambda word: weights.get(word, 0.0)),
        "basis": {
            "tiers": {"demand": demand.disclosure, "achievement": achievement.disclosure},
            "weights": weights,
        },
    }


def sides_of(match: Match) -> tuple[Side, Side]:
    """Return both sides as they were compared, without what was closed since."""
    return (
        listing_side(match.demand_revision, _tiers(match, "demand")),
        listing_side(match.achievement_revision, _tiers(match, "achievement")),
    )


def _revision(match: Match, kind: str) -> Any:
    return match.demand_revision if kind == "demand" else match.achievement_revision


def _tiers_then(match: Match, kind: str) -> Mapping[str, str]:
    # An earlier engine did not note them; the revision has those of its own day.
    found: Mapping[str, str] | None = match.basis.get("tiers", {}).get(kind)
    return _revision(match, kind).disclosure if found is None else found


def _tiers(match: Match, kind: str) -> dict[str, str]:
    return stricter(kind, _tiers_then(match, kind), match.listing(kind).disclosure)


def closed_since(match: Match) -> list[str]:
    """Return what of either side was compared and is for the introduction only by now."""
    found = []
    for kind in KINDS:
        before = closed(kind, _tiers_then(match, kind), Tier.MANAGERS)
        now = closed(kind, _tiers(match, kind), Tier.MANAGERS)
        found += [f"{kind}.{key}" for key in sorted(now - before)]
    return found


def start_of(grid: Sequence[Row]) -> dt.date | None:
    """Return the day from which a stated duration counted. Where none did, no day matters."""
    for row in grid:
        if start := (row.get("stated") or {}).get("start"):
            return dt.date.fromisoformat(start)
    return None


def find_pairs(match: Match, encode: Encode) -> list[Row]:
    """Return the closest sentences of what was compared; `encode` returns rows of vectors."""
    demand, achievement = sides_of(match)
    return sentence_pairs(demand, achievement, encode, words, k=PAIRS)


def cached_encode(encoder: Encoder) -> Encode:
    """Return `encoder` for sentences, each of which is encoded once.

    A sentence that the model fails on is like no other, see `sentence_pairs`.
    """
    cache: dict[str, Any] = {}

    def encode(texts: Sequence[str]) -> Any:
        fresh = [text for text in dict.fromkeys(texts) if text not in cache]
        if fresh:
            try:
                vectors = encoder.encode_queries(fresh)
            except BrokenVector as error:
                logger.error("The model has no usable vector for %d sentences.", len(error.numbers))
                vectors = error.vectors
            cache.update(zip(fresh, vectors, strict=True))
        return np.array([cache[text] for text in texts], dtype=np.float32)

    return encode


# --- The same again -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Check:
    """One part of the evidence: whether it comes out as it is stored. None: not looked at."""

    name: str
    equal: bool | None
    stored: Any
    found: Any
    why: str = ""


@dataclass(frozen=True)
class Reproduction:
    """What came of making a match's evidence again.

    `closed`: what an owner has closed since, which is not read. `engine`: the one that made the
    evidence; another one may judge otherwise, and does not have to agree.
    """

    engine: str
    same_engine: bool
    closed: list[str]
    checks: list[Check]

    @property
    def is_equal(self) -> bool:
        """Whether all that was looked at is as it is stored."""
        return all(check.equal is not False for check in self.checks)


def reproduce(match: Match, encoder: Encoder | None = None) -> Reproduction:
    """Make the evidence of a match again from its two revisions, and compare.

    The listings as they are today are asked for their tiers only. Sentence pairs need an
    `encoder`, that of the vectors which the match was found by.
    """
    demand, achievement = sides_of(match)
    grid = _plain(constraint_grid(demand, achievement, start=start_of(match.grid)))
    weights = match.basis.get("weights")
    checks = [
        _check("grid", match.grid, grid),
        _check("advice", match.advice, _plain(advice(grid))),
    ]
    if weights is None:
        why = "the weights of the words were not kept"
        checks.append(Check("terms", None, match.terms, None, why))
    else:
        terms = shared_terms(
            telling_words(demand), side_words(achievement), lambda word: weights.get(word, 0.0)
        )
        checks.append(_check("terms", match.terms, terms))
    fields = field_parts(match.demand_revision, match.achievement_revision, grid)
    text = ("meaning", "words")
    checks.append(
        _check(
            "parts",
            {name: part for name, part in match.parts.items() if name not in text},
            {name: round(part, 4) for name, part in fields.items()},
        )
    )
    score = round(sum(match.added.values()), 4)
    checks += [
        _check("score", round(match.score, 4), score),
        _check("confidence", round(match.confidence, 6), round(confidence(match.score), 6)),
    ]
    checks.append(_check_pairs(match, encoder))
    return Reproduction(
        engine=match.engine,
        same_engine=match.engine == settings.ENGINE_VERSION,
        closed=closed_since(match),
        checks=checks,
    )


def _plain(rows: Any) -> Any:
    """Return rows as they come back from the database."""
    return json.loads(json.dumps(rows))


def _check(name: str, stored: Any, found: Any) -> Check:
    return Check(name, stored == found, stored, found)


def _check_pairs(match: Match, encoder: Encoder | None) -> Check:
    if match.explained_at is None:
        return Check("pairs", None, match.pairs, None, "they have not been looked for yet")
    if encoder is None:
        return Check("pairs", None, match.pairs, None, "no encoder was asked")
    if (encoder.name, encoder.revision) != (match.model.name, match.model.revision):
        why = f"found by {match.model}, and this is {encoder.name}@{encoder.revision[:12]}"
        return Check("pairs", None, match.pairs, None, why)
    found = _plain(find_pairs(match, cached_encode(encoder)))
    equal = [_without_score(pair) for pair in found] == [
        _without_score(pair) for pair in match.pairs
    ] and all(
        abs(pair["score"] - stored["score"]) <= PAIR_TOLERANCE
        for pair, stored in zip(found, match.pairs, strict=True)
    )
    return Check("pairs", equal, match.pairs, found)


def _without_score(pair: Row) -> Row:
    return {name: value for name, value in pair.items() if name != "score"}
