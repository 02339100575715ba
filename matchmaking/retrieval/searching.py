"""What a reader finds by words or meaning. Runs in the web process, which has no model."""

from __future__ import annotations

import numpy as np

from accounts.permissions import Tier
from catalog.search import SearchResult
from catalog.words import words
from matchmaking.retrieval.asking import Answer, encode_in_worker
from matchmaking.retrieval.candidates import (
    Candidate,
    Filters,
    Query,
    find_candidates,
    language_means,
)
from matchmaking.retrieval.lexical import query_terms
from matchmaking.retrieval.statistics import load_statistics

# A listing is about a question when its cosine stands out from the mean of all by this much.
# On the demo: 0.04 to 0.06 for what fits, under 0.03 for a question nobody here can answer.
ABOVE_MEAN = 0.035
# And when it is not much further from the question than the nearest one.
NEAR_BEST = 0.03
# A hit on words alone must hold this share of what was asked.
WORDS_RELEVANT = 0.2
# Before there are enough texts for a mean: cosines of e5 with strangers reach this.
RELEVANT = 0.80


def search(kind: str, text: str, tier: Tier, limit: int) -> SearchResult:
    """Return live listings for a reader's words, best first.

    Asks an encode worker for the meaning; falls back to words alone when none answers in time.
    Everybody searches only what they may read.
    """
    answer = encode_in_worker(text)
    tokens = words(text)
    tier = min(tier, Tier.MANAGERS)
    terms = query_terms(tokens, load_statistics(kind, tokens, tier=tier))
    vectors = np.empty((0, 0), np.float32) if answer is None else answer.vector.reshape(1, -1)
    if answer is None and not terms:
        return SearchResult([], by_meaning=False, fallback=True)
    found = find_candidates(
        kind,
        Query(vectors=vectors, terms=terms),
        Filters(model_id=None if answer is None else answer.model_id, reader=tier),
        limit=limit,
    )
    enough = 1.0 if answer is None else _enough(kind, answer, found)
    kept = [
        candidate.listing_id
        for candidate in found
        if candidate.lexical >= WORDS_RELEVANT or candidate.dense >= enough
    ]
    return SearchResult(kept, by_meaning=answer is not None, fallback=answer is None)


def _enough(kind: str, answer: Answer, found: list[Candidate]) -> float:
    """Return the cosine from which on a listing is about the question."""
    means = language_means(kind, answer.model_id)
    usual = max((float(answer.vector @ mean) for mean in means.values()), default=0.0)
    best = max((candidate.dense for candidate in found), default=1.0)
    return max(usual + ABOVE_MEAN if means else RELEVANT, best - NEAR_BEST)
