"""From a query to ranked listings: two legs behind the same hard filters, and their fusion."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from django.db import connection, transaction
from django.utils import timezone
from numpy.typing import NDArray
from pgvector import HalfVector, SparseVector

from accounts.permissions import Tier
from matchmaking.models import TERM_DIMENSIONS, LanguageMean, vector_model

# Score of a pair: cosine + LEXICAL_WEIGHT x share of the query's words that are there (both 0 to
# 1). Sums, not ranks: where a leg is blind it adds nothing instead of noise. See docs/retrieval.md.
LEXICAL_WEIGHT = 0.4
# Below this many windows an exact scan is as fast as the index (20,000 in 13 ms), and exact.
EXACT_BELOW = 30_000
# A language with fewer windows than this has no mean to speak of.
LANGUAGE_AT_LEAST = 8
# Below this many listings all of them are scored for words: 10,000 in some 10 ms.
EXACT_BELOW_ROWS = 10_000
# Rows of a longer list that a reader's words are scored on, at some 3 µs each.
POSTINGS = 4_000
# Candidates of each leg that are scored in full.
DEPTH = 200
# The words that a searching reader's question is held against.
_COLUMNS = {Tier.PUBLIC: "public_terms", Tier.MEMBERS: "member_terms"}


@dataclass(frozen=True)
class Query:
    """`vectors`: unit rows, one a window; none where no encoder answered. `terms`: see lexical.

    `languages`: those of the rows, where the stored side asks.
    """

    vectors: NDArray[np.float32]
    terms: Mapping[int, float]
    languages: Sequence[str] = ()


@dataclass(frozen=True)
class Filters:
    """What may be found at all. Both legs apply them in the database, before ranking.

    `reader` is the tier of somebody who searches; without one the engine compares.
    """

    model_id: int | None
    exclude_owner: int | None = None
    reader: Tier | None = None
    day: dt.date | None = None


@dataclass(frozen=True)
class Candidate:
    """`dense`: cosine, languages evened out; `lexical`: 0 to 1; `score`: their weighted sum."""

    listing_id: int
    dense: float
    lexical: float
    score: float


def find_candidates(
    kind: str,
    query: Query,
    filters: Filters,
    *,
    depth: int = DEPTH,
    limit: int | None = None,
    asking: bool = False,
    by_words: dict[int, float] | None = None,
) -> list[Candidate]:
    """Return listings of `kind` ("demand" or "achievement") for a query, best first.

    Each leg proposes `depth`; all they propose is scored in full by both. With `asking` the
    roles are turned round: the stored demands ask, and `query` is an achievement's own text with
    its document weights. The score of a pair is the same from either end. `by_words`: what
    `find_by_words` has found for the same query already.
    """
    column = "query_terms" if asking else _column(filters.reader)
    means = language_means(kind, filters.model_id) if len(query.vectors) else {}
    with transaction.atomic(), connection.cursor() as cursor:
        _plan(cursor, kind, filters)
        dense: dict[int, float] = {}
        found: set[int] = set()
        for vector in query.vectors:
            # Each language proposes its own: the foreign ones rank far behind before the
            # languages are evened out.
            for language in means if len(means) > 1 else ("",):
                found.update(_dense_leg(cursor, kind, vector, filters, depth, language))
        lexical: dict[int, float] = dict(by_words or {})
        if query.terms and by_words is None:
            lexical = _lexical_leg(cursor, kind, column, query.terms, filters, depth)
        found.update(lexical)
        if len(query.vectors) and asking:
            dense = _asking_scores(kind, query, filters, found)
        elif len(query.vectors):
            dense = _dense_scores(cursor, kind, query.vectors, filters, found, means)
        if query.terms:
            lexical |= _lexical_scores(cursor, kind, column, query.terms, found - set(lexical))
    ranked = [
        Candidate(
            pk,
            dense.get(pk, 0.0),
            lexical.get(pk, 0.0),
            dense.get(pk, 0.0) + LEXICAL_WEIGHT * lexical.get(pk, 0.0),
        )
        for pk in found
    ]
    ranked.sort(key=lambda candidate: (-candidate.score, candidate.listing_id))
    return ranked[:limit]


def find_by_words(
    kind: str, terms: Mapping[int, float], filters: Filters, *, depth: int = DEPTH
) -> dict[int, float]:
    """Return what the lexical leg alone finds, with its scores: while the encoder is at work."""
    if not terms:
        return {}
    with connection.cursor() as cursor:
        return _lexical_leg(cursor, kind, _column(filters.reader), terms, filters, depth)


def _column(reader: Tier | None) -> str:
    return "terms" if reader is None else _COLUMNS.get(reader, "terms")


def half_vector(vector: NDArray[np.float32]) -> str:
    return HalfVector(vector).to_text()


def sparse_vector(terms: Mapping[int, float]) -> str:
    return SparseVector(dict(terms), TERM_DIMENSIONS).to_text()


def _plan(cursor: Any, kind: str, filters: Filters) -> None:
    """Choose between the exact scan and the index, for this transaction."""
    cursor.execute(
        "SELECT reltuples FROM pg_class WHERE oid = %s::regclass", [f"matchmaking_{kind}vector"]
    )
    (windows,) = cursor.fetchone()
    if windows < EXACT_BELOW:
        cursor.execute("SET LOCAL enable_indexscan = off")
    else:
        # Filtered, the index alone finds 6 % of what is there; scanning on finds 96 %.
        cursor.execute("SET LOCAL hnsw.iterative_scan = relaxed_order")
        # A reader waits, and looks at a few pages; a comparison wants all it can get.
        width = 200 if filters.reader is None else 120
        cursor.execute(f"SET LOCAL hnsw.ef_search = {width}")


def _where(kind: str, filters: Filters) -> tuple[str, list[Any]]:
    """Return the join and the conditions that every search shares; rows are called `r`."""
    sql = (
        f"JOIN catalog_{kind} l ON l.id = r.listing_id WHERE l.status = 'published'"
        " AND (l.valid_until IS NULL OR l.valid_until >= %s)"
    )
    values: list[Any] = [filters.day or timezone.localdate()]
    if filters.exclude_owner is not None:
        sql += " AND l.owner_id <> %s"
        values.append(filters.exclude_owner)
    return sql, values


def language_means(kind: str, model_id: int | None) -> dict[str, NDArray[np.float32]]:
    """Return the mean vectors of a corpus's languages, without those seen too seldom to judge."""
    means = LanguageMean.objects.filter(corpus=kind, model=model_id, windows__gte=LANGUAGE_AT_LEAST)
    return {mean.language: np.array(mean.vector, dtype=np.float32) for mean in means}


def head_starts(
    vector: NDArray[np.float32], means: Mapping[str, NDArray[np.float32]]
) -> dict[str, float]:
    """Return by how much a query's cosine with each language falls behind its own language's."""
    common = {language: float(vector @ mean) for language, mean in means.items()}
    most = max(common.values(), default=0.0)
    return {language: most - value for language, value in common.items()}


def _dense_leg(
    cursor: Any,
    kind: str,
    vector: NDArray[np.float32],
    filters: Filters,
    depth: int,
    language: str,
) -> list[int]:
    """Return the listings with the nearest windows, of one language where one is given."""
    where, values = _where(kind, filters)
    where += " AND r.model_id = %s"
    values.append(filters.model_id)
    if filters.reader is not None:
        where += " AND r.tier <= %s"
        values.append(filters.reader)
        # See `ListingIndex.disclosure`; a window has none of its own.
        where += (
            f" AND EXISTS (SELECT FROM matchmaking_{kind}index i"
            " WHERE i.listing_id = r.listing_id AND i.disclosure = l.disclosure)"
        )
    if language:
        where += " AND r.language = %s"
        values.append(language)
    # A listing has several windows, and the best of them counts: ask for more rows than listings.
    # Of what everybody may read there is mostly one.
    if filters.reader == Tier.PUBLIC:
        rows = depth * 5 // 4
    else:
        rows = depth * (3 if filters.reader is None else 2)
    cursor.execute(
        f"SELECT r.listing_id FROM matchmaking_{kind}vector r {where}"
        " ORDER BY r.vector <#> %s::halfvec LIMIT %s",
        [*values, half_vector(vector), rows],
    )
    unique = dict.fromkeys(pk for (pk,) in cursor.fetchall())
    return list(unique)[:depth]


def _dense_scores(
    cursor: Any,
    kind: str,
    vectors: NDArray[np.float32],
    filters: Filters,
    found: Iterable[int],
    means: Mapping[str, NDArray[np.float32]],
) -> dict[int, float]:
    """Return for each listing the mean over the query's windows of the best cosine to it.

    The best window answers for a long text; the mean keeps a demand's title, which is a window
    of its own, from being drowned by its body. Both measured: docs/retrieval.md.
    """
    total: dict[int, float] = {}
    tier = Tier.MANAGERS if filters.reader is None else filters.reader
    for vector in vectors:
        behind = head_starts(vector, means)
        best: dict[int, float] = {}
        cursor.execute(
            "SELECT r.listing_id, r.language, max(-(r.vector <#> %s::halfvec))"
            f" FROM matchmaking_{kind}vector r WHERE r.listing_id = ANY(%s) AND r.model_id = %s"
            " AND r.tier <= %s GROUP BY r.listing_id, r.language",
            [half_vector(vector), list(found), filters.model_id, tier],
        )
        for pk, language, cosine in cursor.fetchall():
            best[pk] = max(best.get(pk, -1.0), cosine + behind.get(language, 0.0))
        for pk, cosine in best.items():
            total[pk] = total.get(pk, 0.0) + cosine
    return {pk: cosine / len(vectors) for pk, cosine in total.items()}


def _asking_scores(
    kind: str, query: Query, filters: Filters, found: Iterable[int]
) -> dict[int, float]:
    """Return what each stored listing's own run would find in `query`; see `_dense_scores`.

    A mean over the windows of `query` instead would undervalue every long text, and its owner
    would wait for ever for a list that it belongs on.
    """
    means = language_means("achievement" if kind == "demand" else "demand", filters.model_id)
    rows = vector_model(kind).objects.filter(
        listing__in=list(found), model=filters.model_id, asks=True
    )
    best: dict[int, list[float]] = {}
    for pk, stored in rows.values_list("listing", "vector"):
        [asked] = stack([stored])
        behind = head_starts(asked, means)
        cosines = zip(query.vectors @ asked, query.languages, strict=True)
        best.setdefault(pk, []).append(
            max(float(cosine) + behind.get(language, 0.0) for cosine, language in cosines)
        )
    return {pk: sum(cosines) / len(cosines) for pk, cosines in best.items()}


def _lexical_leg(
    cursor: Any,
    kind: str,
    column: str,
    terms: Mapping[int, float],
    filters: Filters,
    depth: int,
) -> dict[int, float]:
    """Return the listings that hold most of the words, with their scores.

    For a comparison every row is scored. A reader's search looks, where the list is long, at
    those rows alone that hold one of the words that weigh most; see `_heaviest`.
    """
    # Of any model: words are the same, and while all is encoded anew they are what can be found.
    where, values = _where(kind, filters)
    rows = f"matchmaking_{kind}index"
    if filters.reader is not None:
        where += " AND r.disclosure = l.disclosure"
        words, newest = _heaviest(cursor, kind, terms)
        if newest:
            # A word in a third of all texts: the newest of them answer as well as any.
            rows = (
                f"(SELECT * FROM {rows} WHERE term_ids @> %s::int[]"
                " ORDER BY listing_id DESC LIMIT %s)"
            )
            values = [words, POSTINGS, *values]
        elif words:
            where += " AND r.term_ids && %s::int[]"
            values.append(words)
    query = sparse_vector(terms)
    cursor.execute(
        f"SELECT r.listing_id, -(r.{column} <#> %s::sparsevec) FROM {rows} r"
        f" {where} ORDER BY r.{column} <#> %s::sparsevec, r.listing_id LIMIT %s",
        [query, *values, query, depth],
    )
    return {pk: score for pk, score in cursor.fetchall() if score > 0}


def _heaviest(cursor: Any, kind: str, terms: Mapping[int, float]) -> tuple[list[int], bool]:
    """Return the words by which an index finds the rows worth scoring; none for a short list.

    The rarest come first, as long as they stand in no more than `POSTINGS` rows together. What
    holds only the rest scores less than what holds these: a row's share of a question is the sum
    of its words' weights, and those left out are its lightest. True: even the rarest is so
    common that not all of its rows can be scored.
    """
    cursor.execute("SELECT documents FROM matchmaking_corpusstatistics WHERE corpus = %s", [kind])
    counted = cursor.fetchone()
    if counted is None or counted[0] < EXACT_BELOW_ROWS:
        return [], False
    cursor.execute(
        "SELECT term, documents FROM matchmaking_termfrequency"
        " WHERE corpus_id = %s AND term = ANY(%s)",
        [kind, list(terms)],
    )
    documents = dict(cursor.fetchall())
    chosen: list[int] = []
    total = 0
    for term in sorted(terms, key=lambda term: (documents.get(term, 0), term)):
        total += documents.get(term, 0)
        if total > POSTINGS and any(documents.get(one) for one in chosen):
            break
        chosen.append(term)
    rarest = max((documents.get(term, 0) for term in chosen), default=0)
    if rarest > 2 * POSTINGS:
        return [term for term in chosen if documents.get(term)], True
    return chosen, False


def _lexical_scores(
    cursor: Any, kind: str, column: str, terms: Mapping[int, float], ids: Iterable[int]
) -> dict[int, float]:
    cursor.execute(
        f"SELECT r.listing_id, -(r.{column} <#> %s::sparsevec) FROM matchmaking_{kind}index r"
        " WHERE r.listing_id = ANY(%s)",
        [sparse_vector(terms), list(ids)],
    )
    return dict(cursor.fetchall())


def stack(rows: Sequence[Sequence[float]]) -> NDArray[np.float32]:
    """Return stored vectors as one matrix (n, dimension) of float32."""
    return np.array(rows, dtype=np.float32)
