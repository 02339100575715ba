"""What a reader finds by words or meaning. Runs in the web process, which has no model."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np

from accounts.permissions import Tier
from catalog.search import Scope, SearchResult
from catalog.words import words
from matchmaking.retrieval.asking import Question
from matchmaking.retrieval.candidates import (
    Candidate,
    Filters,
    Query,
    find_by_words,
    find_candidates,
)
from matchmaking.retrieval.lexical import MAX_QUERY_TERMS
from matchmaking.retrieval.spelling import put_right, reader_terms, variants
from matchmaking.retrieval.statistics import load_statistics
from matchmaking.retrieval.windows import is_foreign, language_of

# A listing is about a question from this centred cosine on.
RELEVANT = 0.2
# To a question in a script that has no centre of its own: there what is right has 0.12 to 0.39 and
# what means nothing at all up to 0.15 (docs/retrieval.md, a reader's search).
RELEVANT_FOREIGN = 0.15
# And when it is not much further from the question than the nearest one.
NEAR_BEST = 0.2
# A hit on words alone must hold this share of what was asked.
WORDS_RELEVANT = 0.2


# So many each leg proposes to a reader. What both legs find middling is best in the sum: with 200
# one in fifteen of the best fifty among 100,000 was proposed by neither; see docs/retrieval.md.
READER_DEPTH = 400
# From this many relevant ones on a leg had perhaps more to propose.
MORE_FROM = READER_DEPTH * 3 // 4


def search(
    kind: str, text: str, tier: Tier, limit: int, /, within: Scope | None = None
) -> SearchResult:
    """Return live listings for a reader's words, best first; `within`: of these alone.

    Asks an encode worker for the meaning; falls back to words alone when none answers in time.
    Everybody searches only what they may read.
    """
    tier = min(tier, Tier.MANAGERS)
    groups = variants(words(text)[:MAX_QUERY_TERMS])
    statistics = load_statistics(kind, {form for group in groups for form in group}, tier=tier)
    asked = put_right(kind, groups, statistics, tier)
    if asked.corrected:
        meant = {form for group in asked.groups for form in group}
        statistics = load_statistics(kind, meant, tier=tier)
    terms = reader_terms(asked.groups, statistics)
    question = Question(_meant(text, asked.corrected))
    filters = Filters(model_id=None, reader=tier, within=within)
    # The words are looked up while a worker encodes: both take some 20 ms.
    by_words = find_by_words(kind, terms, filters, depth=READER_DEPTH)
    answer = question.answer()
    vectors = np.empty((0, 0), np.float32) if answer is None else answer.vector.reshape(1, -1)
    if answer is None and not terms:
        return SearchResult([], by_meaning=False, fallback=True)
    found = find_candidates(
        kind,
        Query(vectors=vectors, terms=terms, languages=[language_of(text)]),
        filters if answer is None else replace(filters, model_id=answer.model_id),
        depth=READER_DEPTH,
        limit=limit,
        by_words=by_words,
    )
    relevant = RELEVANT_FOREIGN if is_foreign(text) else RELEVANT
    enough = 1.0 if answer is None else _enough(found, relevant)
    if within is not None and answer is not None:
        # As near as the same words wanted it without filters: these narrow, they do not widen.
        enough = max(enough, within.nearness)
    by_word = sum(candidate.lexical >= WORDS_RELEVANT for candidate in found)
    near = sum(candidate.dense >= enough for candidate in found)
    kept = [
        candidate.listing_id
        for candidate in found
        if candidate.lexical >= WORDS_RELEVANT or candidate.dense >= enough
    ]
    return SearchResult(
        kept,
        by_meaning=answer is not None,
        fallback=answer is None,
        corrected=tuple(asked.corrected),
        is_cut=max(by_word, near) >= MORE_FROM,
        nearness=0.0 if answer is None else enough,
    )


def _meant(text: str, corrected: list[tuple[str, str]]) -> str:
    """Return the text with its slips put right, for the encoder."""
    for typed, meant in corrected:
        text = re.sub(re.escape(typed), meant, text, flags=re.IGNORECASE)
    return text


def _enough(found: list[Candidate], relevant: float) -> float:
    """Return the centred cosine from which on a listing is about the question."""
    best = max((candidate.dense for candidate in found), default=1.0)
    return max(relevant, best - NEAR_BEST)
