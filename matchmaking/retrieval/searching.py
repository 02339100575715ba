"""What a reader finds by words or meaning. Runs in the web process, which has no model."""

from __future__ import annotations

import numpy as np

from accounts.permissions import Tier
from catalog.search import SearchResult
from matchmaking.retrieval.asking import encode_in_worker
from matchmaking.retrieval.candidates import Filters, Query, find_candidates
from matchmaking.retrieval.lexical import query_terms, words
from matchmaking.retrieval.statistics import load_statistics

# What a search for "轴承" leaves: cosines of e5 with strangers reach 0.80.
RELEVANT = 0.80
# A hit on words alone must hold this share of what was asked.
WORDS_RELEVANT = 0.15
# Of the best hit's score: what is much worse than the best is no answer.
NEAR_BEST = 0.06


def search(kind: str, text: str, tier: Tier, limit: int) -> SearchResult:
    """Return live listings for a reader's words, best first.

    Asks an encode worker for the meaning; falls back to words alone when none answers in time.
    Visitors search only what visitors may read.
    """
    answer = encode_in_worker(text)
    tokens = words(text)
    terms = query_terms(tokens, load_statistics(kind, tokens))
    vectors = np.empty((0, 0), np.float32) if answer is None else answer.vector.reshape(1, -1)
    if answer is None and not terms:
        return SearchResult([], by_meaning=False, fallback=True)
    found = find_candidates(
        kind,
        Query(vectors=vectors, terms=terms),
        Filters(
            model_id=None if answer is None else answer.model_id,
            public_only=tier < Tier.MEMBERS,
        ),
        limit=limit,
    )
    best = max((candidate.score for candidate in found), default=0.0)
    kept = [
        candidate.listing_id
        for candidate in found
        if candidate.lexical >= WORDS_RELEVANT
        or (candidate.dense >= RELEVANT and candidate.score >= best - NEAR_BEST)
    ]
    return SearchResult(kept, by_meaning=answer is not None, fallback=answer is None)
