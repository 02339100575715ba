"""The lexical leg: words, and BM25 as an inner product.

BM25 (Robertson and Zaragoza 2009, "The Probabilistic Relevance Framework") of a query q and a
document d is a sum over shared words of idf(word) x saturated frequency(word, d). So a document
is stored as a sparse vector of saturated frequencies and a query is one of idf; PostgreSQL
computes their inner product (pgvector's sparsevec). Divided by the sum of the query's idf times
the largest possible saturation, a score lies between 0 and 1 and says which share of what the
query asks for is there: that makes scores comparable with a cosine, and a leg that finds
nothing (words across languages) adds nothing.
"""

from __future__ import annotations

import math
import zlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from catalog.units import normalize_unit
from matchmaking.models import TERM_DIMENSIONS

K1 = 1.2
B = 0.75
# Sparsevec takes at most 16,000.
MAX_TERMS = 8_000
# A query's cost grows with its words; those behind the first few hundred weigh nothing.
MAX_QUERY_TERMS = 400


def says_something(word: str) -> bool:
    """Say whether a shared word is worth showing: no figure, no unit."""
    return not word[0].isdigit() and normalize_unit(word) is None


def term_id(word: str) -> int:
    """Return the dimension of a word, stable across processes and machines."""
    return zlib.crc32(word.encode()) % TERM_DIMENSIONS


@dataclass(frozen=True)
class Statistics:
    """What BM25 knows of a corpus. `frequency` holds term ids; absent means in no document."""

    documents: int
    average_length: float
    frequency: Mapping[int, int]

    def idf(self, term: int) -> float:
        """Inverse document frequency, never negative (Lucene's form)."""
        df = self.frequency.get(term, 0)
        return math.log(1 + (max(self.documents, df) - df + 0.5) / (df + 0.5))


# Before a corpus has been counted every word weighs the same.
NO_STATISTICS = Statistics(documents=0, average_length=100.0, frequency={})


def document_terms(tokens: Iterable[str], average_length: float) -> dict[int, float]:
    """Return a document's saturated word frequencies by term id, each between 0 and K1 + 1."""
    counts = Counter(term_id(token) for token in tokens)
    length = sum(counts.values())
    norm = K1 * (1 - B + B * length / max(average_length, 1.0))
    kept = counts.most_common(MAX_TERMS)
    return {term: count * (K1 + 1) / (count + norm) for term, count in kept}


def query_terms(tokens: Iterable[str], statistics: Statistics) -> dict[int, float]:
    """Return a query's weights by term id: idf times how often the query says the word.

    The inner product with `document_terms` is then between 0 and 1. Words that stand in no
    document count in the bound: a question whose words are all strange here gets nothing.
    """
    counts = Counter(term_id(token) for token in tokens)
    weights = {term: count * statistics.idf(term) for term, count in counts.items()}
    heaviest = sorted(weights.items(), key=lambda item: (-item[1], item[0]))[:MAX_QUERY_TERMS]
    bound = sum(weight for _, weight in heaviest) * (K1 + 1)
    if bound <= 0:
        return {}
    return {term: weight / bound for term, weight in heaviest}
