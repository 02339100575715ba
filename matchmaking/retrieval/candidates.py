"""From a query to ranked listings: two legs behind the same hard filters, and their fusion."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from django.db import connection
from django.utils import timezone
from numpy.typing import NDArray
from pgvector import SparseVector

from accounts.permissions import Tier
from catalog.search import Scope
from matchmaking.models import TERM_DIMENSIONS
from matchmaking.retrieval.centring import centred, load_centres, pair_scores
from matchmaking.retrieval.vectors import VectorIndex, Where, vector_index

# Score of a pair: centred cosine + LEXICAL_WEIGHT x share of the query's words that are there
# (0 to 1, seldom above 0.4). Sums, not ranks: where a leg is blind it adds nothing instead of
# noise. See docs/retrieval.md.
LEXICAL_WEIGHT = 2.5
# What counts of the best of a demand's windows; the rest is their mean.
BEST_WEIGHT = 0.5
# What `windows.language_of` tells apart.
LANGUAGES = ("zh", "en")
# Below this many listings all of them are scored for words: 10,000 in some 10 ms.
EXACT_BELOW_ROWS = 10_000
# Rows of a longer list that a reader's words are scored on, at some 3 µs each.
POSTINGS = 4_000
# The same for a comparison: a fifth of a list of 100,000.
POSTINGS_COMPARED = 20_000
# The same where a reader's filters leave a part of these rows alone to be scored.
POSTINGS_WITHIN = 10_000
# Candidates of each leg that are scored in full.
DEPTH = 200
# So many listings of a reader's filters are named to the database; what more are left is taken
# out of what was found, of which there is enough then.
NAMED = 10_000
# Scores are rounded: sums of the same numbers in another order differ in the seventh place, and two
# ways to the same list must agree on it.
PLACES = 5
# The words that a searching reader's question is held against.
_COLUMNS = {Tier.PUBLIC: "public_terms", Tier.MEMBERS: "member_terms"}


@dataclass(frozen=True)
class Query:
    """`vectors`: unit rows as the encoder made them, one a window, each of one of `languages`;
    none where no encoder answered. `terms`: see lexical.
    """

    vectors: NDArray[np.float32]
    terms: Mapping[int, float]
    languages: Sequence[str] = ()


@dataclass(frozen=True)
class Filters:
    """What may be found at all. Both legs apply them before ranking.

    `reader` is the tier of somebody who searches; without one the engine compares. `within`: what
    a reader's filters leave.
    """

    model_id: int | None
    exclude_owner: int | None = None
    reader: Tier | None = None
    day: dt.date | None = None
    within: Scope | None = None

    @cached_property
    def named(self) -> list[int] | None:
        """Return the listings to name to the database, if they are few enough."""
        if self.within is None or len(self.within.ids) > NAMED:
            return None
        named: list[int] = self.within.ids.tolist()
        return named

    @property
    def deeper(self) -> float:
        """Return how many must be found for one that the filters leave where none are named."""
        if self.within is None or self.named is not None:
            return 1.0
        return min(10.0, max(1.0, 0.6 / max(self.within.share, 0.01)))

    def left(self, listing_ids: Sequence[int]) -> list[int]:
        """Return those that the reader's filters leave, in their order."""
        if self.within is None or not len(listing_ids):
            return list(listing_ids)
        ids = np.array(listing_ids, dtype=np.int64)
        left: list[int] = ids[np.isin(ids, self.within.ids)].tolist()
        return left


@dataclass(frozen=True)
class Candidate:
    """`dense`: centred cosine, -1 to 1, mean and best of the demand's windows together; `best`:
    that of the best window alone; `lexical`: 0 to 1; `score`: the weighted sum of both legs.
    """

    listing_id: int
    dense: float
    best: float
    lexical: float
    score: float


def find_candidates(
    kind: str,
    query: Query,
    filters: Filters,
    *,
    depth: int = DEPTH,
    limit: int | None = None,
    by_words: dict[int, float] | None = None,
) -> list[Candidate]:
    """Return listings of `kind` ("demand" or "achievement") for a query, best first.

    Each leg proposes `depth`; all they propose is scored in full by both. `by_words`: what
    `find_by_words` has found for the same query already.
    """
    column = _column(filters.reader)
    dense: dict[int, tuple[float, float]] = {}
    lexical: dict[int, float] = dict(by_words or {})
    if query.terms and by_words is None:
        with connection.cursor() as cursor:
            lexical = _lexical_leg(cursor, kind, column, query.terms, filters, depth)
    found = set(lexical)
    if len(query.vectors) and filters.model_id is not None:
        index = vector_index(kind, filters.model_id)
        asked = centred(
            query.vectors,
            query.languages,
            load_centres("demand", filters.model_id),
        )
        near = _dense_leg(index, kind, asked, filters, depth)
        # By the words of a listing no more of its windows may be seen than by its windows.
        near |= _admitted(kind, sorted(found - near), filters)
        found |= near
        dense = _dense_scores(index, kind, asked, filters, near)
    if query.terms:
        with connection.cursor() as cursor:
            lexical |= _lexical_scores(cursor, kind, column, query.terms, found - set(lexical))
    ranked = [_scored(pk, dense.get(pk), lexical.get(pk, 0.0)) for pk in found]
    ranked.sort(key=lambda candidate: (-candidate.score, candidate.listing_id))
    return ranked[:limit]


def _scored(pk: int, dense: tuple[float, float] | None, lexical: float) -> Candidate:
    mean, best = dense or (0.0, 0.0)
    together = (1 - BEST_WEIGHT) * mean + BEST_WEIGHT * best
    score = round(together + LEXICAL_WEIGHT * lexical, PLACES)
    return Candidate(pk, together, best, lexical, score)


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


def sparse_vector(terms: Mapping[int, float]) -> str:
    return SparseVector(dict(terms), TERM_DIMENSIONS).to_text()


def live_condition(kind: str, filters: Filters) -> tuple[str, list[Any]]:
    """Return the join and the conditions that every search shares; rows are called `r`.

    What was indexed under other tiers than those in force is nobody's to find until it is indexed
    again: see `ListingIndex.disclosure`.
    """
    sql = (
        f"JOIN catalog_{kind} l ON l.id = r.listing_id WHERE l.status = 'published'"
        " AND (l.valid_until IS NULL OR l.valid_until >= %s) AND r.disclosure = l.disclosure"
    )
    values: list[Any] = [filters.day or timezone.localdate()]
    if filters.exclude_owner is not None:
        sql += " AND l.owner_id <> %s"
        values.append(filters.exclude_owner)
    return sql, values


def _dense_leg(
    index: VectorIndex,
    kind: str,
    asked: NDArray[np.float32],
    filters: Filters,
    depth: int,
) -> set[int]:
    """Return what may be found of the listings nearest to any of the windows asked for.

    Each language proposes its own: searched together, on vectors that are not centred, the
    foreign ones would rank far behind.
    """
    within = filters.within
    limit = int(depth * filters.deeper)
    waiting = [
        (
            vector,
            Where(
                tier=filters.reader,
                language=language,
                sections=within.sections if within else (),
                provinces=within.provinces if within else (),
                listings=filters.named,
            ),
        )
        for language in LANGUAGES
        for vector in asked
    ]
    found: set[int] = set()
    while waiting:
        nearest = []
        for vector, where in waiting:
            hits = index.search(vector, limit, where)
            nearest.append((len(hits), set(filters.left([hit.listing_id for hit in hits]))))
        # All at once: each look at the listings costs as much as a search among few.
        admitted = _admitted(
            kind, sorted(set[int]().union(*(near for _, near in nearest))), filters
        )
        found |= admitted
        if limit > 8 * depth:
            break
        # Where few of them are live and of others it looks further.
        waiting = [
            one
            for one, (hits, near) in zip(waiting, nearest, strict=True)
            if hits >= limit and len(near & admitted) < depth // 2
        ]
        limit *= 4
    return found


def _admitted(kind: str, listing_ids: Sequence[int], filters: Filters) -> set[int]:
    """Return those of the listings that may be found at all by a model's vectors.

    Windows were cut by the tiers that held when that model encoded them; what was closed since
    must not be found by them, whichever model is the current one.
    """
    if not listing_ids:
        return set()
    where, values = live_condition(kind, filters)
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT r.listing_id FROM matchmaking_{kind}index r {where} AND r.listing_id = ANY(%s)"
            f" AND EXISTS (SELECT FROM matchmaking_{kind}encoding e WHERE e.model_id = %s"
            # OFFSET keeps the planner from joining instead: it would read the whole table.
            " AND e.listing_id = r.listing_id AND e.disclosure = l.disclosure OFFSET 0)",
            [*values, list(listing_ids), filters.model_id],
        )
        return {pk for (pk,) in cursor.fetchall()}


def _dense_scores(
    index: VectorIndex,
    kind: str,
    asked: NDArray[np.float32],
    filters: Filters,
    found: Iterable[int],
) -> dict[int, tuple[float, float]]:
    """Return (mean, best) over the demand's windows of the best centred cosine to a listing.

    The best of an achievement's windows answers for a long text; the mean keeps a demand's title,
    which is a window of its own, from being drowned by its body.
    """
    windows = index.fetch(sorted(found), Where(tier=filters.reader))
    if not len(windows.listings):
        return {}
    stored = centred(windows.vectors, windows.languages, load_centres(kind, index.model_id))
    starts = windows.starts()
    mean, best = pair_scores(asked, stored, starts)
    pks = windows.listings[starts].tolist()
    return dict(zip(pks, zip(mean.tolist(), best.tolist(), strict=True), strict=True))


def _lexical_leg(
    cursor: Any,
    kind: str,
    column: str,
    terms: Mapping[int, float],
    filters: Filters,
    depth: int,
) -> dict[int, float]:
    """Return the listings that hold most of the words, with their scores.

    Where the list is long, only rows that hold one of the words that weigh most are scored; see
    `_heaviest`. A comparison looks at more of them than a reader waits for.
    """
    # Of any model: words are the same, and while all is encoded anew they are what can be found.
    where, values = live_condition(kind, filters)
    rows = f"matchmaking_{kind}index"
    named, within = filters.named, filters.within
    if named is not None:
        where += " AND r.listing_id = ANY(%s)"
        values.append(named)
    elif within is not None:
        if within.sections:
            where += " AND left(l.industry, 1) = ANY(%s)"
            values.append(list(within.sections))
        if within.provinces:
            where += " AND left(l.region, 2) = ANY(%s)"
            values.append(list(within.provinces))
    if filters.reader is not None:
        postings = POSTINGS if within is None else POSTINGS_WITHIN
        words, newest = _heaviest(cursor, kind, terms, postings)
        if newest:
            # A word in a third of all texts: the newest of them answer as well as any.
            inside = "" if named is None else " AND listing_id = ANY(%s)"
            rows = (
                f"(SELECT * FROM {rows} WHERE term_ids @> %s::int[]{inside}"
                " ORDER BY listing_id DESC LIMIT %s)"
            )
            values = [words, *([] if named is None else [named]), postings, *values]
        elif words:
            where += " AND r.term_ids && %s::int[]"
            values.append(words)
    else:
        words, too_common = _heaviest(cursor, kind, terms, POSTINGS_COMPARED)
        if words and not too_common:
            where += " AND r.term_ids && %s::int[]"
            values.append(words)
    query = sparse_vector(terms)
    cursor.execute(
        f"SELECT r.listing_id, -(r.{column} <#> %s::sparsevec) FROM {rows} r"
        f" {where} ORDER BY r.{column} <#> %s::sparsevec, r.listing_id LIMIT %s",
        [query, *values, query, int(depth * filters.deeper)],
    )
    found = {pk: score for pk, score in cursor.fetchall() if score > 0}
    return {pk: found[pk] for pk in filters.left(list(found))[:depth]}


def _heaviest(
    cursor: Any, kind: str, terms: Mapping[int, float], postings: int
) -> tuple[list[int], bool]:
    """Return the words by which an index finds the rows worth scoring; none for a short list.

    The rarest come first, as long as they stand in no more than `postings` rows together. What
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
        if total > postings and any(documents.get(one) for one in chosen):
            break
        chosen.append(term)
    rarest = max((documents.get(term, 0) for term in chosen), default=0)
    if rarest > 2 * postings:
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
