"""The vector index: one small interface, pgvector behind it, and nothing else knows the tables.

Vectors are stored as the encoder made them (unit length), as halfvec: a window of a listing's text
is one row of one model. Two models lie side by side, each with an HNSW index of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
from django.db import connection, transaction
from numpy.typing import NDArray
from pgvector import HalfVector

from accounts.permissions import Tier
from matchmaking.models import EmbeddingModel, vector_model

# Below this many windows an exact scan is as fast as the index (20,000 in 13 ms), and exact.
EXACT_BELOW = 30_000
# What HNSW is asked for: at least so many rows, one in so many of the list, no more than the last.
# It keeps as many in sight, up to pgvector's own limit. A centred query is none of the vectors' own
# kind, and with less some never find their way to the right corner: docs/retrieval.md.
WIDTH, WIDTH_ONE_IN, WIDTH_AT_MOST = 400, 700, 2000
IN_SIGHT_AT_MOST = 1000
MOST_STEPS = 2**31 - 1
# A listing has several windows, and the best of them counts: ask for more rows than listings. Of
# what everybody may read there is mostly one.
ROWS_A_LISTING, ROWS_OF_PUBLIC = 3, 1.25
# Microseconds a row, on one core: read in the table's order, by another index, and one that HNSW
# passes on its way. Only their ratios matter. docs/retrieval.md has the measurements.
READ, LOOKED_UP, PASSED = 0.6, 1.6, 24.0
# Up to here an exact scan is taken even where HNSW would be quicker: nobody feels the difference.
UNFELT = 20_000.0
HNSW = {"m": 16, "ef_construction": 64}
# Bytes that a build may take, and what a row of its graph takes beside the vector.
BUILD_MEMORY = 2_000_000_000
BUILD_ROW = 700

Vectors = NDArray[np.float32]


class Row(NamedTuple):
    """One window: `vector` (d,) of unit length; `tier`: the least that may read all of it.

    `asks`: speaks for a demand's need. `language`: "zh" or "en".
    """

    window: int
    tier: Tier
    asks: bool
    language: str
    vector: Vectors


class Windows(NamedTuple):
    """Rows as parallel arrays (n,), ordered by listing and window; `vectors` (n, d), unit rows."""

    listings: NDArray[np.int64]
    windows: NDArray[np.int16]
    tiers: NDArray[np.int16]
    asks: NDArray[np.bool_]
    languages: NDArray[np.str_]
    vectors: Vectors

    def starts(self) -> NDArray[np.intp]:
        """Return where each listing begins, for `numpy.ufunc.reduceat`."""
        if not len(self.listings):
            return np.empty(0, np.intp)
        return np.flatnonzero(np.r_[True, self.listings[1:] != self.listings[:-1]])


class Hit(NamedTuple):
    """A listing's best window, and its inner product with what was asked."""

    listing_id: int
    similarity: float


@dataclass(frozen=True)
class Where:
    """What may be found. Nothing set: every row of the model.

    `tier`: that of the reader. `sections`: letters of GB/T 4754; `provinces`: two digits each.
    """

    tier: Tier | None = None
    asks: bool | None = None
    language: str = ""
    sections: Sequence[str] = ()
    provinces: Sequence[str] = ()
    listings: Sequence[int] | None = None


class Plan(NamedTuple):
    """How a search goes about it. Of a walk through HNSW, `width`: how many rows it asks for,
    at least; `steps`: after how many rows it gives up.
    """

    exact: bool
    width: int = WIDTH
    steps: int = 20_000


class VectorIndex(Protocol):
    """The windows of one list under one model."""

    model_id: int

    def upsert(self, listing_id: int, rows: Sequence[Row], *, section: str, province: str) -> None:
        """Replace a listing's windows. Raise `ValueError` for a vector that is not finite."""

    def remove(self, listing_ids: Sequence[int]) -> None:
        """Forget listings; those unknown are passed over."""

    def search(
        self, vector: Vectors, limit: int, where: Where = Where(), *, exact: bool | None = None
    ) -> list[Hit]:
        """Return the `limit` listings with the greatest inner product, best first.

        `exact`: compare with every row, or not; without it the cheaper way is taken.
        """

    def fetch(self, listing_ids: Sequence[int], where: Where = Where()) -> Windows:
        """Return the windows of some listings."""

    def scan(self, where: Where = Where(), listings_at_once: int = 10_000) -> Iterator[Windows]:
        """Yield the windows of all listings, in blocks of whole listings, in order of id."""

    def count(self, where: Where = Where()) -> int:
        """Return the number of windows."""

    def means(self) -> dict[str, tuple[int, Vectors]]:
        """Return the number of windows and their mean vector, by language."""

    def prepare(self) -> bool:
        """Make the list fast to search, if it is long enough. Return whether there was work.

        Takes a while, and must not be called inside a transaction.
        """

    def drop(self) -> None:
        """Forget the model's windows altogether, with what `prepare` made."""


def vector_index(kind: str, model_id: int) -> VectorIndex:
    """Return the index of a list ("demand" or "achievement") under a model."""
    return PgVectorIndex(kind, model_id)


class PgVectorIndex:
    """One table a list; a partial HNSW index for each model that has enough rows."""

    def __init__(self, kind: str, model_id: int) -> None:
        self.kind, self.model_id = kind, int(model_id)
        self._rows = vector_model(kind).objects
        self._table = f"matchmaking_{kind}vector"
        self._hnsw = f"{kind}vector_hnsw_{self.model_id}"

    def upsert(self, listing_id: int, rows: Sequence[Row], *, section: str, province: str) -> None:
        for row in rows:
            if not np.isfinite(row.vector).all():
                raise ValueError(f"Window {row.window} of listing {listing_id} is not finite.")
        self.remove([listing_id])
        self._rows.bulk_create(
            self._rows.model(
                listing_id=listing_id,
                model_id=self.model_id,
                window=row.window,
                tier=row.tier,
                asks=row.asks,
                language=row.language,
                section=section,
                province=province,
                vector=HalfVector(row.vector),
            )
            for row in rows
        )

    def remove(self, listing_ids: Sequence[int]) -> None:
        self._rows.filter(model=self.model_id, listing__in=listing_ids).delete()

    def search(
        self, vector: Vectors, limit: int, where: Where = Where(), *, exact: bool | None = None
    ) -> list[Hit]:
        rows = rows_for(limit, where)
        plan = self.plan(rows, where) if exact is None else Plan(exact)
        if not plan.exact:
            hits = self._by_hnsw(vector, limit, max(rows, plan.width), where, plan)
            if hits is not None:
                return hits
        return self._by_scan(vector, limit, where)

    def plan(self, rows: int, where: Where = Where()) -> Plan:
        """Return how to find the nearest `rows` windows.

        HNSW walks from near to far and throws away what the filters refuse: it passes
        rows / share of them, each many times as dear as one that is simply read. Where the
        filters leave little, reading all of that is cheaper, and finds everything.
        """
        if where.listings is not None:
            # Whoever names them has few in mind: a walk would pass nearly everything.
            return Plan(exact=True)
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT t.reltuples, h.reltuples FROM pg_class t"
                " LEFT JOIN pg_index i ON i.indrelid = t.oid AND i.indisvalid"
                " AND i.indexrelid = to_regclass(%s)"
                " LEFT JOIN pg_class h ON h.oid = i.indexrelid WHERE t.oid = %s::regclass",
                [self._hnsw, self._table],
            )
            in_table, in_hnsw = cursor.fetchone()
            # -1 and 0: nobody has looked at the table yet.
            if in_hnsw is None or in_table < EXACT_BELOW or in_hnsw < EXACT_BELOW:
                return Plan(exact=True)
            left = self._estimate(cursor, where, in_hnsw)
        scanned = in_table * READ
        if where.language or where.sections or where.provinces:
            scanned = min(scanned, left * LOOKED_UP)
        width = min(WIDTH_AT_MOST, max(WIDTH, int(in_hnsw / WIDTH_ONE_IN)))
        walked = max(rows, width) * in_hnsw / left * PASSED
        if scanned <= max(walked, UNFELT):
            return Plan(exact=True)
        # Where what is near is refused more often than elsewhere it has to walk further, but not
        # so far that the scan would have been cheaper.
        steps = min(MOST_STEPS, int(max(2 * walked, scanned) / PASSED))
        return Plan(exact=False, width=width, steps=steps)

    def _estimate(self, cursor: Any, where: Where, of: float) -> float:
        """Return about how many rows `where` leaves, as PostgreSQL's own statistics have it."""
        if where == Where():
            return of
        condition, values = self._condition(where)
        cursor.execute(
            f"EXPLAIN (FORMAT JSON) SELECT FROM {self._table} r WHERE {condition}", values
        )
        [plan] = cursor.fetchone()[0]
        return max(1.0, float(plan["Plan"]["Plan Rows"]))

    def _by_scan(self, vector: Vectors, limit: int, where: Where) -> list[Hit]:
        """Compare with every row that `where` leaves."""
        condition, values = self._condition(where)
        query = HalfVector(vector).to_text()
        rows = rows_for(limit, where)
        with connection.cursor() as cursor:
            while True:
                # HNSW indexes the product of the column with a width, and has no part in this.
                cursor.execute(
                    "SELECT r.listing_id, r.vector <#> %s::halfvec AS distance"
                    f" FROM {self._table} r WHERE {condition}"
                    " ORDER BY distance, r.listing_id LIMIT %s",
                    [query, *values, rows],
                )
                found = cursor.fetchall()
                hits = _best(found, limit)
                if len(hits) == limit or len(found) < rows:
                    return hits
                rows *= 4

    def _by_hnsw(
        self, vector: Vectors, limit: int, rows: int, where: Where, plan: Plan
    ) -> list[Hit] | None:
        """Walk the index. Return None where it gave up before there were enough."""
        condition, values = self._condition(where)
        query = HalfVector(vector).to_text()
        dimension = len(vector)
        # Taken back at the end, so that the settings hold for this search alone.
        with transaction.atomic(), connection.cursor() as cursor:
            while True:
                settings = {
                    # Nothing but the index: PostgreSQL knows little of what it costs.
                    "enable_seqscan": "off",
                    "enable_bitmapscan": "off",
                    "enable_sort": "off",
                    # Filtered, the index alone finds 6 % of what is there; walking on, 96 %.
                    "hnsw.iterative_scan": "relaxed_order",
                    "hnsw.ef_search": min(IN_SIGHT_AT_MOST, rows),
                    "hnsw.max_scan_tuples": max(plan.steps, 2 * rows),
                    "hnsw.scan_mem_multiplier": 8,
                }
                cursor.execute(
                    f"SELECT {', '.join('set_config(%s, %s, true)' for _ in settings)}",
                    [str(part) for setting in settings.items() for part in setting],
                )
                cursor.execute(
                    f"SELECT r.listing_id, r.vector::halfvec({dimension})"
                    f" <#> %s::halfvec({dimension}) AS distance FROM {self._table} r"
                    f" WHERE {condition} ORDER BY distance LIMIT %s",
                    [query, *values, rows],
                )
                found = cursor.fetchall()
                hits = _best(found, limit)
                if len(found) < rows or len(hits) == limit:
                    break
                rows *= 4
            transaction.set_rollback(True)
        return hits if len(found) == rows else None

    def fetch(self, listing_ids: Sequence[int], where: Where = Where()) -> Windows:
        condition, values = self._condition(where)
        return self._read(
            f"{condition} AND r.listing_id = ANY(%s)", [*values, list(map(int, listing_ids))]
        )

    def scan(self, where: Where = Where(), listings_at_once: int = 10_000) -> Iterator[Windows]:
        condition, values = self._condition(where)
        last = 0
        while True:
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT max(listing_id) FROM (SELECT DISTINCT r.listing_id"
                    f" FROM {self._table} r WHERE {condition} AND r.listing_id > %s"
                    " ORDER BY r.listing_id LIMIT %s) AS block",
                    [*values, last, listings_at_once],
                )
                (end,) = cursor.fetchone()
            if end is None:
                return
            yield self._read(
                f"{condition} AND r.listing_id > %s AND r.listing_id <= %s", [*values, last, end]
            )
            last = end

    def count(self, where: Where = Where()) -> int:
        condition, values = self._condition(where)
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT count(*) FROM {self._table} r WHERE {condition}", values)
            return int(cursor.fetchone()[0])

    def means(self) -> dict[str, tuple[int, Vectors]]:
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT language, count(*), avg(vector::vector)::text FROM {self._table}"
                " WHERE model_id = %s GROUP BY language",
                [self.model_id],
            )
            return {
                language: (count, np.array(mean[1:-1].split(","), dtype=np.float32))
                for language, count, mean in cursor.fetchall()
            }

    def prepare(self) -> bool:
        windows = self.count()
        if windows < EXACT_BELOW or self._has_hnsw():
            return False
        with connection.cursor() as cursor:
            # Two builds of one index would take each other's away; it may be under way elsewhere.
            cursor.execute("SELECT pg_try_advisory_lock(hashtext(%s))", [self._hnsw])
            if not cursor.fetchone()[0]:
                return False
            try:
                self._build(cursor, windows)
            finally:
                cursor.execute("SELECT pg_advisory_unlock(hashtext(%s))", [self._hnsw])
        return True

    def _build(self, cursor: Any, windows: int) -> None:
        dimension = EmbeddingModel.objects.get(pk=self.model_id).dimension
        options = ", ".join(f"{name} = {value}" for name, value in HNSW.items())
        # In memory a build takes a third of the time.
        cursor.execute("SELECT pg_size_bytes(current_setting('maintenance_work_mem'))")
        (usual,) = cursor.fetchone()
        wanted = min(BUILD_MEMORY, windows * (2 * dimension + BUILD_ROW))
        cursor.execute(f"SET maintenance_work_mem = '{max(usual, wanted) // 1024}kB'")
        # Left behind by a build that was broken off.
        cursor.execute(f"DROP INDEX IF EXISTS {self._hnsw}")
        cursor.execute(
            f"CREATE INDEX CONCURRENTLY {self._hnsw} ON {self._table}"
            f" USING hnsw ((vector::halfvec({dimension})) halfvec_ip_ops)"
            f" WITH ({options}) WHERE model_id = {self.model_id}"
        )
        cursor.execute("RESET maintenance_work_mem")

    def drop(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute(f"DROP INDEX IF EXISTS {self._hnsw}")
        self._rows.filter(model=self.model_id).delete()

    def _has_hnsw(self) -> bool:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT EXISTS (SELECT FROM pg_index WHERE indisvalid"
                " AND indexrelid = to_regclass(%s))",
                [self._hnsw],
            )
            return bool(cursor.fetchone()[0])

    def _condition(self, where: Where) -> tuple[str, list[Any]]:
        """Return the WHERE clause; rows are called `r`.

        The model stands in it as a number: the planner uses a partial index for nothing less.
        """
        parts, values = [f"r.model_id = {self.model_id}"], list[Any]()
        if where.tier is not None:
            parts.append("r.tier <= %s")
            values.append(int(where.tier))
        if where.asks is not None:
            parts.append("r.asks" if where.asks else "NOT r.asks")
        if where.language:
            parts.append("r.language = %s")
            values.append(where.language)
        if where.sections:
            parts.append("r.section = ANY(%s)")
            values.append(list(where.sections))
        if where.provinces:
            parts.append("r.province = ANY(%s)")
            values.append(list(where.provinces))
        if where.listings is not None:
            parts.append("r.listing_id = ANY(%s)")
            values.append(list(map(int, where.listings)))
        return " AND ".join(parts), values

    def _read(self, condition: str, values: list[Any]) -> Windows:
        """Read rows in PostgreSQL's binary format: a tenth of the time that texts take."""
        query = (
            f'SELECT r.listing_id, r."window", r.tier, r.asks, r.language, r.vector'
            f" FROM {self._table} r WHERE {condition} ORDER BY r.listing_id, r.window"
        )
        command = f"COPY ({query}) TO STDOUT (FORMAT BINARY)"
        with connection.cursor() as cursor, cursor.cursor.copy(command, values) as copy:
            data = b"".join(map(bytes, copy))
        return _parsed(data)


def rows_for(limit: int, where: Where) -> int:
    """Return how many windows have to be looked at for so many listings, at first."""
    each = ROWS_OF_PUBLIC if where.tier == Tier.PUBLIC else ROWS_A_LISTING
    return int(limit * each) + 1


def _best(found: list[tuple[int, float]], limit: int) -> list[Hit]:
    """Return the nearest window of each listing, of rows (listing, distance) in any order."""
    best: dict[int, float] = {}
    for pk, distance in found:
        if pk not in best or -distance > best[pk]:
            best[pk] = -distance
    hits = [Hit(pk, similarity) for pk, similarity in best.items()]
    return sorted(hits, key=lambda hit: (-hit.similarity, hit.listing_id))[:limit]


# PostgreSQL's binary COPY: a head of 19 bytes, then for each row the number of its columns and
# each column behind its length, then -1 (https://www.postgresql.org/docs/current/sql-copy.html).
_HEAD, _TAIL = 19, 2


def _parsed(data: bytes) -> Windows:
    first = np.dtype(
        [
            ("columns", ">i2"),
            *[("listing_size", ">i4"), ("listing", ">i8")],
            *[("window_size", ">i4"), ("window", ">i2")],
            *[("tier_size", ">i4"), ("tier", ">i2")],
            *[("asks_size", ">i4"), ("asks", "?")],
            *[("language_size", ">i4"), ("language", "S2")],
            *[("vector_size", ">i4"), ("dimension", ">i2"), ("unused", ">i2")],
        ]
    )
    body = memoryview(data)[_HEAD : len(data) - _TAIL]
    if not len(body):
        nothing = np.empty(0, np.int16)
        return Windows(
            np.empty(0, np.int64),
            nothing,
            nothing,
            np.empty(0, np.bool_),
            np.empty(0, "U2"),
            np.empty((0, 0), np.float32),
        )
    dimension = int(np.frombuffer(body[: first.itemsize], first)["dimension"][0])
    rows = np.frombuffer(body, np.dtype([*first.descr, ("vector", ">f2", (dimension,))]))
    return Windows(
        rows["listing"].astype(np.int64),
        rows["window"].astype(np.int16),
        rows["tier"].astype(np.int16),
        rows["asks"].copy(),
        rows["language"].astype("U2"),
        rows["vector"].astype(np.float32),
    )
