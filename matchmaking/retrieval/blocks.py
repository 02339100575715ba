"""Many texts against a whole list at once: exact scores in one pass, with bounded memory.

The index answers one question in milliseconds. Where hundreds of demands are compared anew, it
would be asked thousands of times for what one pass over the list tells: cosines of all pairs are a
product of two matrices (BLAS), their words' shares a product of two sparse ones. The list comes in
blocks, as whole listings in order of id, so that memory does not grow with it.

Windows are laid in layers: the first windows of all listings, then the second ones of those that
have two, and so on. The best window of each listing is then a maximum of whole matrices, which
costs a tenth of taking it listing by listing (`numpy.ufunc.reduceat`).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from django.db import connection
from numpy.typing import NDArray

from matchmaking.models import TERM_DIMENSIONS, DemandIndex
from matchmaking.retrieval.candidates import (
    BEST_WEIGHT,
    LEXICAL_WEIGHT,
    PLACES,
    Candidate,
    Filters,
    live_condition,
)
from matchmaking.retrieval.centring import by_chance, centred, load_centres
from matchmaking.retrieval.vectors import Where, Windows, vector_index

if TYPE_CHECKING:
    # Half a second and 30 MB: only workers load it, when there is work.
    from scipy import sparse

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]

# Cells of one product of matrices: 32 MB of float32.
CELLS = 8_000_000
# Words that are multiplied as a full matrix: a few hundred make nine in ten of all products.
FREQUENT = 512
# Listings in a block.
LEAST_LISTINGS, MOST_LISTINGS = 256, 10_000
# By how much a score may change when it is rounded to `PLACES`, and by another order of sums.
_SLACK = 2e-5


class Texts(NamedTuple):
    """`m` listings and what is compared of them. Rows belong together by place.

    `starts` (m + 1,): the windows of listing i are `vectors[starts[i]:starts[i + 1]]`, unit rows
    (n, d), centred. `terms` (m, words): of an achievement what it says, of a demand what it asks.
    """

    listings: Integers
    owners: Integers
    starts: Integers
    vectors: Floats
    terms: sparse.csr_array


class Scores(NamedTuple):
    """What each of m stored listings (rows) is to each of q asking ones (columns)."""

    dense: Floats
    best: Floats
    lexical: Floats


class Layers(NamedTuple):
    """Listings by their number of windows, most first.

    `order` (m,): places of the listings. `rows[k]`: the windows that are their listing's k-th, of
    the first `len(rows[k])` listings in that order.
    """

    order: Integers
    rows: list[Integers]

    @classmethod
    def of(cls, starts: Integers) -> Layers:
        counts = np.diff(starts)
        order = np.argsort(-counts, kind="stable")
        first, counts = starts[:-1][order], counts[order]
        most = int(counts[0]) if len(counts) else 0
        # Counts fall, so those with more than k windows stand in front.
        return cls(order, [first[: np.searchsorted(-counts, -k)] + k for k in range(most)])


class Asking:
    """Texts that ask, made ready once to be held against any number of blocks."""

    def __init__(self, texts: Texts) -> None:
        from scipy import sparse

        layers = Layers.of(texts.starts)
        self.order = layers.order
        self.listings = texts.listings[self.order]
        self.owners = texts.owners[self.order]
        self.counts = np.diff(texts.starts)[self.order].astype(np.float32)
        self._sizes = [len(rows) for rows in layers.rows]
        together = np.concatenate(layers.rows) if layers.rows else np.empty(0, np.int64)
        # (d, windows): as the product wants it.
        self._windows = np.ascontiguousarray(texts.vectors[together].T)
        # Only words that somebody asks for are ever looked at.
        asked = texts.terms[self.order]
        self._words, columns = np.unique(asked.indices, return_inverse=True)
        self._asked = sparse.csr_array(
            (asked.data, columns.astype(np.int32), asked.indptr),
            shape=(len(self.order), len(self._words)),
        )
        self._times = np.bincount(columns, minlength=len(self._words))

    def __len__(self) -> int:
        return len(self.order)

    @property
    def listings_at_once(self) -> int:
        """Return how many listings a block may have, for scores to fit into memory."""
        widest = max(int(self._windows.shape[1]), len(self), 1)
        return max(LEAST_LISTINGS, min(MOST_LISTINGS, CELLS // widest))

    def scores(self, texts: Texts, layers: Layers) -> Scores:
        """Return the scores of texts as they lie in `layers`, with this object's columns."""
        dense, best = self._cosines(texts.vectors, layers)
        return Scores(dense, best, self._shares(texts.terms[layers.order]))

    def _cosines(self, vectors: Floats, layers: Layers) -> tuple[Floats, Floats]:
        """Return mean and best of the asking windows together, and the best; see `centring`."""
        shape = (len(layers.order), len(self))
        if not self._sizes or not layers.rows:
            return np.zeros(shape, np.float32), np.zeros(shape, np.float32)
        best = np.zeros((shape[0], self._windows.shape[1]), np.float32)
        for number, rows in enumerate(layers.rows):
            if number == 0:
                np.matmul(vectors[rows], self._windows, out=best[: len(rows)])
            else:
                part = best[: len(rows)]
                np.maximum(part, vectors[rows] @ self._windows, out=part)
        # Those with more than one window stand in front, and only of them something is taken off.
        for number, rows in enumerate(layers.rows[1:], start=1):
            following = layers.rows[number + 1] if number + 1 < len(layers.rows) else ()
            best[len(following) : len(rows)] -= by_chance(np.array([number + 1]))
        # The same along the other side: each asking text's windows, layer by layer.
        top = best[:, : shape[1]].copy() if self._sizes[0] == shape[1] else self._padded(best)
        total = top.copy()
        at = self._sizes[0]
        for size in self._sizes[1:]:
            part = best[:, at : at + size]
            np.maximum(top[:, :size], part, out=top[:, :size])
            total[:, :size] += part
            at += size
        total *= np.float32(1 - BEST_WEIGHT) / np.maximum(self.counts, 1.0)
        total += np.float32(BEST_WEIGHT) * top
        return total, top

    def _padded(self, best: Floats) -> Floats:
        padded = np.zeros((best.shape[0], len(self)), np.float32)
        padded[:, : self._sizes[0]] = best[:, : self._sizes[0]]
        return padded

    def _shares(self, terms: sparse.csr_array) -> Floats:
        """Return the inner products of words: frequent ones as full matrices, the rest sparse."""
        from scipy import sparse

        if not len(self._words):
            return np.zeros((terms.shape[0], len(self)), np.float32)
        place = np.searchsorted(self._words, terms.indices)
        place[place == len(self._words)] = 0
        known = self._words[place] == terms.indices
        ends = np.concatenate(([0], np.cumsum(known)))[terms.indptr]
        stored = sparse.csr_array(
            (terms.data[known], place[known].astype(np.int32), ends),
            shape=(terms.shape[0], len(self._words)),
        )
        # By how many products a word makes.
        weight = np.bincount(stored.indices, minlength=len(self._words)) * self._times
        frequent = np.argsort(-weight, kind="stable")[:FREQUENT]
        is_rare = np.ones(len(self._words), np.bool_)
        is_rare[frequent] = False
        found: Floats = stored[:, frequent].toarray() @ self._asked[:, frequent].toarray().T
        if is_rare.any():
            found += (stored[:, is_rare] @ self._asked[:, is_rare].T.tocsr()).toarray()
        return found


class Best:
    """The best `limit` listings of each asking one, while blocks come by."""

    def __init__(self, asking: Asking, limit: int) -> None:
        self._asking, self._limit = asking, limit
        count = len(asking)
        # What a score must reach to be among the best so far, less what rounding may add.
        self._least = np.full(count, -np.inf)
        self._column = np.empty(0, np.int64)
        self._listing = np.empty(0, np.int64)
        # dense, best, lexical, score
        self._values = np.empty((4, 0), np.float64)
        self._waiting: list[tuple[Integers, Integers, NDArray[np.float64]]] = []

    def add(self, texts: Texts) -> None:
        """Score a block, and keep what is better than what was there."""
        layers = Layers.of(texts.starts)
        dense, best, lexical = self._asking.scores(texts, layers)
        together = dense + np.float32(LEXICAL_WEIGHT) * lexical
        # Nobody is a partner of their own.
        together[texts.owners[layers.order][:, None] == self._asking.owners[None, :]] = -np.inf
        # Without a window on either side only words can say anything.
        mute = np.zeros(together.shape, np.bool_)
        mute[len(layers.rows[0]) if layers.rows else 0 :] = True
        mute[:, self._asking.counts == 0] = True
        together[mute & (lexical <= 0)] = -np.inf
        passing = together >= self._least[None, :]
        passing &= together > -np.inf
        if passing.sum() > 4 * self._limit * len(self._asking) and len(together) > self._limit:
            # Mostly the first block: all of it is better than nothing.
            least = np.partition(together, -self._limit, axis=0)[-self._limit]
            passing &= together >= least - _SLACK
        row, column = np.nonzero(passing)
        values = np.array([part[row, column] for part in (dense, best, lexical)], dtype=np.float64)
        score = np.round(values[0] + LEXICAL_WEIGHT * values[2], PLACES)
        self._waiting.append(
            (column, texts.listings[layers.order][row], np.vstack([values, score]))
        )
        if sum(len(column) for column, *_ in self._waiting) > self._limit * len(self._asking):
            self._settle()

    def _settle(self) -> None:
        parts = [(self._column, self._listing, self._values), *self._waiting]
        column = np.concatenate([part[0] for part in parts])
        listing = np.concatenate([part[1] for part in parts])
        values = np.concatenate([part[2] for part in parts], axis=1)
        self._waiting = []
        order = np.lexsort((listing, -values[3], column))
        column = column[order]
        place = np.arange(len(column)) - np.searchsorted(column, column)
        order, kept = order[place < self._limit], place < self._limit
        self._column, self._listing, self._values = column[kept], listing[order], values[:, order]
        last = np.flatnonzero(place[kept] == self._limit - 1)
        self._least[self._column[last]] = self._values[3, last] - _SLACK

    def found(self) -> dict[int, list[Candidate]]:
        """Return the candidates of each asking listing, best first."""
        self._settle()
        found: dict[int, list[Candidate]] = {int(pk): [] for pk in self._asking.listings}
        asked = self._asking.listings[self._column].tolist()
        for pk, listing, values in zip(
            asked, self._listing.tolist(), self._values.T.tolist(), strict=True
        ):
            found[pk].append(Candidate(listing, *values))
        return found


# --- From the database --------------------------------------------------------------------------


def best_achievements(
    demand_ids: Sequence[int], model_id: int, *, limit: int
) -> dict[int, list[Candidate]]:
    """Return what `find_candidates` would return for each of the demands, from one pass."""
    asked = _stored("demand", "query_terms", demand_ids, model_id, Where(asks=True))
    asking = Asking(asked)
    best = Best(asking, limit)
    for texts in _blocks("achievement", "terms", model_id, Where(), asking.listings_at_once):
        best.add(texts)
    return best.found()


def reached_demands(achievement_ids: Sequence[int], model_id: int) -> set[int]:
    """Return the live demands whose pool one of the achievements enters, or could change.

    A pool that is not full takes everybody. The score that has to be reached is
    `DemandIndex.pool_score`, of the demand's last run.
    """
    offered = _stored("achievement", "terms", achievement_ids, model_id, Where())
    layers = Layers.of(offered.starts)
    silent = np.diff(offered.starts)[layers.order] == 0
    reached: set[int] = set()
    at_once = max(LEAST_LISTINGS, min(MOST_LISTINGS, CELLS // max(len(offered.listings), 1)))
    for texts in _blocks("demand", "query_terms", model_id, Where(asks=True), at_once):
        asking = Asking(texts)
        dense, _best, lexical = asking.scores(offered, layers)
        together = dense + np.float32(LEXICAL_WEIGHT) * lexical
        together[offered.owners[layers.order][:, None] == asking.owners[None, :]] = -np.inf
        mute = silent[:, None] | (asking.counts == 0)[None, :]
        together[mute & (lexical <= 0)] = -np.inf
        least = dict(
            DemandIndex.objects.filter(pk__in=texts.listings.tolist()).values_list(
                "pk", "pool_score"
            )
        )
        asked = asking.listings.tolist()
        needed = np.array(
            [-np.inf if (score := least.get(pk)) is None else score - _SLACK for pk in asked]
        )
        top = together.max(axis=0, initial=-np.inf)
        reached.update(asking.listings[(top >= needed) & (top > -np.inf)].tolist())
    return reached


def _stored(
    kind: str, column: str, listing_ids: Sequence[int], model_id: int, where: Where
) -> Texts:
    windows = vector_index(kind, model_id).fetch(sorted(listing_ids), where)
    words = _words(kind, column, model_id, "r.listing_id = ANY(%s)", [list(listing_ids)])
    return _texts(windows, words, load_centres(kind, model_id))


def _blocks(
    kind: str, column: str, model_id: int, where: Where, listings_at_once: int
) -> Iterator[Texts]:
    """Yield what may be found of a list, as the filters of `candidates` have it.

    Listings without a window are among them: words alone find them.
    """
    centres = load_centres(kind, model_id)
    last = 0
    for windows in vector_index(kind, model_id).scan(where, listings_at_once):
        end = int(windows.listings[-1])
        inside = "r.listing_id > %s AND r.listing_id <= %s"
        words = _words(kind, column, model_id, inside, [last, end])
        yield _texts(windows, words, centres)
        last = end
    words = _words(kind, column, model_id, "r.listing_id > %s", [last])
    if len(words.listings):
        yield _texts(None, words, centres)


class _Words(NamedTuple):
    """`encoded`: whether the model's windows are cut by the tiers that hold; others are closed."""

    listings: Integers
    owners: Integers
    encoded: NDArray[np.bool_]
    terms: sparse.csr_array


def _texts(windows: Windows | None, words: _Words, centres: Mapping[str, Floats]) -> Texts:
    """Join what belongs together; windows of listings that may not be found are left out."""
    if windows is None or not len(windows.listings):
        starts = np.zeros(len(words.listings) + 1, np.int64)
        return Texts(
            words.listings, words.owners, starts, np.empty((0, 0), np.float32), words.terms
        )
    kept = np.isin(windows.listings, words.listings[words.encoded])
    starts = np.searchsorted(windows.listings[kept], words.listings)
    vectors = centred(windows.vectors[kept], windows.languages[kept], centres)
    starts = np.append(starts, len(vectors)).astype(np.int64)
    return Texts(words.listings, words.owners, starts, vectors, words.terms)


# A row of PostgreSQL's binary COPY up to the numbers of a sparsevec: the number of columns, each
# column behind its length, and of the vector its dimension, its number of entries, and nothing.
_ROW = struct.Struct(">hiqiqi?iiii")
_HEAD, _TO_VECTOR = 19, struct.calcsize(">hiqiqi?i")


def _words(kind: str, column: str, model_id: int, condition: str, values: Sequence[Any]) -> _Words:
    """Read the word weights of listings that may be found, in order of id."""
    from scipy import sparse

    where, first = live_condition(kind, Filters(model_id=None))
    query = (
        "SELECT r.listing_id, l.owner_id, COALESCE(e.disclosure = l.disclosure, FALSE),"
        f" r.{column} FROM matchmaking_{kind}index r LEFT JOIN matchmaking_{kind}encoding e"
        f" ON e.listing_id = r.listing_id AND e.model_id = {int(model_id)}"
        f" {where} AND {condition} ORDER BY r.listing_id"
    )
    command = f"COPY ({query}) TO STDOUT (FORMAT BINARY)"
    with connection.cursor() as cursor, cursor.cursor.copy(command, [*first, *values]) as copy:
        data = b"".join(map(bytes, copy))
    listings, owners, encoded, lengths = list[int](), list[int](), list[bool](), [0]
    places, weights = list[bytes](), list[bytes]()
    at = _HEAD
    while at + _ROW.size <= len(data):
        _, _, listing, _, owner, _, is_encoded, size, _, entries, _ = _ROW.unpack_from(data, at)
        start = at + _ROW.size
        listings.append(listing)
        owners.append(owner)
        encoded.append(is_encoded)
        lengths.append(entries)
        places.append(data[start : start + 4 * entries])
        weights.append(data[start + 4 * entries : start + 8 * entries])
        at += _TO_VECTOR + size
    terms = sparse.csr_array(
        (
            np.frombuffer(b"".join(weights), ">f4").astype(np.float32),
            np.frombuffer(b"".join(places), ">i4").astype(np.int32),
            np.cumsum(lengths, dtype=np.int64),
        ),
        shape=(len(listings), TERM_DIMENSIONS),
    )
    return _Words(
        np.array(listings, np.int64), np.array(owners, np.int64), np.array(encoded, np.bool_), terms
    )
