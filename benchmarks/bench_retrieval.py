"""Finding the right ones among many, under filters: how long it takes, and what is missed.

    make bench-retrieval N=100000
    python -m benchmarks.bench_retrieval [--listings N] [--queries 30] [--keep FOLDER]

Makes a seeded catalogue in a PostgreSQL of its own (30 regions, 20 industries that go with the
vectors' clusters, a tenth in English) and asks it through the code that pages use. Up to 200,000
listings (two windows each) a question is a reader's search, from the words to the ranked list,
both legs; the encoder is left out, `bench-encode` is about it, and its vector is at hand. The
truth is every live listing scored in full. Above that the N are vectors, and the vector index
alone is asked; its own exact scan is the truth. Each filter alone and each two together: the
table has the time, and which share of the best 50 was found. `p95_ms` and `recall50_min` are
those of the worst filter. With `--keep` the catalogue stays in FOLDER for the next run.
"""

import argparse
import json
import os
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

import numpy as np
import psutil
from numpy.typing import NDArray

from benchmarks.report import Cell, report, share_of
from benchmarks.services import own_folder, start

BEST = 50
SEARCHES_UP_TO = 200_000
# What a reader of the list may choose, one value of each facet.
FACETS = {
    "region": ("region", "330000"),
    "section": ("industry", "C"),
    "division": ("industry", ""),
    "mode": ("mode", "license"),
    "TRL": ("trl", "7"),
    "price": ("money", "1000000-5000000"),
    "English": ("language", "en"),
}


class Figures(NamedTuple):
    """Of one filter: how many listings or vectors it leaves, the plan, and of each question its
    seconds, those of them that a processor worked on it, and the recall.
    """

    left: int
    seconds: list[float]
    worked: list[float]
    recalls: list[float]
    plan: str


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    # `make bench-retrieval N=100000` hands it on in the environment.
    parser.add_argument("--listings", type=int, default=int(os.environ.get("N") or 2_000))
    parser.add_argument("--queries", type=int, default=30)
    parser.add_argument("--keep", type=Path)
    options = parser.parse_args()
    searches = options.listings <= SEARCHES_UP_TO

    with ExitStack() as stack:
        folder = own_folder(stack, "retrieval", options.keep)
        start(stack, folder)
        catalogue, made = _catalogue(folder, options.listings, searches)
        load = os.getloadavg()[0]
        asked = _searches if searches else _vectors
        found = {
            name: figures for name, figures in asked(catalogue, made["model"], options.queries)
        }
        sizes = _sizes(made["model"])
        memory = _memory()

    rows: list[tuple[Cell, ...]] = [
        (
            name,
            one.left,
            one.plan,
            *(1000 * share_of(one.seconds, part) for part in (0.5, 0.95)),
            1000 * share_of(one.worked, 0.95),
            statistics.mean(one.recalls),
            min(one.recalls),
        )
        for name, one in found.items()
    ]
    p95 = {name: 1000 * share_of(one.seconds, 0.95) for name, one in found.items()}
    recall = {name: statistics.mean(one.recalls) for name, one in found.items()}
    what = "listings, readers' searches" if searches else "vectors, index alone"
    print(
        f"{options.listings:,} {what}; {options.queries} questions a filter, {os.cpu_count()}"
        f" cores, load beside it before: {load:.1f}; written in {made['write_seconds']:.0f} s, HNSW"
        f" built in {made['build_seconds']:.0f} s; vectors {sizes['table_mb']:.0f} MB, HNSW"
        f" {sizes['hnsw_mb']:.0f} MB, other indexes {sizes['indexes_mb']:.0f} MB; PostgreSQL"
        f" {memory:.0f} MB in memory, of which shared_buffers {sizes['buffers']}\n"
    )
    report(
        "retrieval",
        ("filter", "left", "plan", "p50, ms", "p95, ms", "worked, ms", f"recall@{BEST}", "lowest"),
        rows,
        {
            "p95_ms": round(max(p95.values()), 1),
            "recall50_min": round(min(recall.values()), 4),
            "p95_worked_ms": round(max(1000 * share_of(f.worked, 0.95) for f in found.values()), 1),
            "p95_worst": max(p95, key=lambda name: p95[name]),
            "recall50_worst": min(recall, key=lambda name: recall[name]),
            "p95_none_ms": round(p95["none"], 1),
            "recall50_none": round(recall["none"], 4),
            "listings": options.listings,
            "searches": searches,
            "queries": options.queries,
            "load_before": round(load, 2),
            "write_seconds": round(made["write_seconds"], 1),
            "build_seconds": round(made["build_seconds"], 1),
            "table_mb": round(sizes["table_mb"], 1),
            "hnsw_mb": round(sizes["hnsw_mb"], 1),
            "indexes_mb": round(sizes["indexes_mb"], 1),
            "postgres_mb": round(memory, 1),
            "shared_buffers": sizes["buffers"],
            **{f"p95_ms {name}": round(value, 1) for name, value in p95.items()},
            **{f"recall50 {name}": round(value, 4) for name, value in recall.items()},
        },
    )


# --- The catalogue ------------------------------------------------------------------------------


def _catalogue(folder: Path, count: int, searches: bool) -> tuple[Any, dict[str, Any]]:
    """Return the catalogue and how it was made: model, seconds. Made before, it is not again."""
    from benchmarks.catalogue import WINDOWS, Catalogue

    def say(text: str) -> None:
        print(text, flush=True)

    listings = count if searches else count // WINDOWS
    catalogue = Catalogue(listings, say, words=searches)
    note = folder / "made.json"
    if note.exists():
        made: dict[str, Any] = json.loads(note.read_text())
        if made["count"] != count:
            raise SystemExit(f"{folder} holds a catalogue of {made['count']:,}.")
        return catalogue, made
    began = time.monotonic()
    model = catalogue.write() if searches else catalogue.write_vectors()
    made = {
        "count": count,
        "model": model,
        "build_seconds": catalogue.built_in,
        "write_seconds": time.monotonic() - began - catalogue.built_in,
    }
    note.write_text(json.dumps(made))
    return catalogue, made


def _worked() -> float:
    """Return the seconds that a processor has worked for this process and its PostgreSQL session.

    What else runs on the machine makes a search slower, but hardly changes this.
    """
    from django.db import connection

    connection.ensure_connection()
    session = connection.connection.info.backend_pid
    of_session = int(Path(f"/proc/{session}/schedstat").read_text().split()[0]) / 1e9
    return time.process_time() + of_session


def _sizes(model: int) -> dict[str, Any]:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_table_size('matchmaking_achievementvector') / 1e6,"
            " coalesce(pg_relation_size(to_regclass(%s)), 0) / 1e6,"
            " pg_indexes_size('matchmaking_achievementvector') / 1e6,"
            " current_setting('shared_buffers')",
            [f"achievementvector_hnsw_{model}"],
        )
        table, hnsw, indexes, buffers = cursor.fetchone()
    return {
        "table_mb": float(table),
        "hnsw_mb": float(hnsw),
        "indexes_mb": float(indexes - hnsw),
        "buffers": buffers,
    }


def _memory() -> float:
    """Return what PostgreSQL's processes hold together in MB, shared pages counted once."""
    total = 0
    for process in psutil.Process().children(recursive=True):
        if process.name() == "postgres":
            total += process.memory_full_info().pss
    return total / 2**20


# --- Readers' searches --------------------------------------------------------------------------


def _searches(catalogue: Any, model: int, queries: int) -> Iterator[tuple[str, Figures]]:
    """Yield the figures of each filter: `searching.search` against every listing scored."""
    from django.utils.datastructures import MultiValueDict

    from accounts.permissions import Tier
    from catalog.facets import Filters, Selection
    from catalog.listing_pages import Catalogue as Pages
    from catalog.search import SEARCH_LIMIT
    from matchmaking.retrieval import searching
    from matchmaking.retrieval.asking import Answer

    facets = FACETS | {"division": ("industry", str(catalogue.codes[0]))}
    chosen: list[tuple[str, Tier, list[tuple[str, str]]]] = [
        ("none", Tier.PUBLIC, []),
        ("none, members", Tier.MEMBERS, []),
        *((name, Tier.PUBLIC, [facet]) for name, facet in facets.items()),
        ("region, members", Tier.MEMBERS, [facets["region"]]),
    ]
    for (one, first), (other, second) in combinations(facets.items(), 2):
        if first[0] != second[0]:
            chosen.append((f"{one} + {other}", Tier.PUBLIC, [first, second]))

    class Known:
        """Stands for a worker's answer, which is there at once."""

        vector: NDArray[np.float32]

        def __init__(self, _text: str) -> None: ...

        def answer(self) -> Answer:
            return Answer(model, self.vector)

    truths: dict[tuple[Tier, int], Truth] = {}
    every = Everything(catalogue, model)
    with patch.object(searching, "Question", Known):
        for name, tier, pairs in chosen:
            query = MultiValueDict({facet: [value] for facet, value in pairs})
            filters = Filters.read("achievement", query)
            pages = Pages(filters, tier)
            columns = pages._live.columns
            inside = np.sort(columns["pk"][Selection(columns, filters, tier).all])
            figures = Figures(len(inside), [], [], [], "")
            for number in range(queries):
                text = catalogue.question(number)
                Known.vector = catalogue.vector(number)
                wide = searching.search("achievement", text, tier, SEARCH_LIMIT)
                began, worked = time.perf_counter(), _worked()
                scope = pages._scope(wide.nearness) if pairs else None
                found = searching.search("achievement", text, tier, SEARCH_LIMIT, within=scope)
                figures.seconds.append(time.perf_counter() - began)
                figures.worked.append(_worked() - worked)
                if (tier, number) not in truths:
                    truths[tier, number] = every.scored(text, Known.vector, tier)
                best = truths[tier, number].best(inside, wide.nearness)
                if len(best):
                    figures.recalls.append(
                        len(np.intersect1d(best, found.ids[: len(best)])) / len(best)
                    )
            if not figures.recalls:
                continue  # at small sizes nothing is left
            print(f"{name}: {1000 * share_of(figures.seconds, 0.95):.0f} ms", flush=True)
            yield name, figures._replace(plan=_plan(model, pages, tier, bool(pairs)))


def _plan(model: int, pages: Any, tier: Any, filtered: bool) -> str:
    """Return how the index goes about such a search, by language."""
    from matchmaking.retrieval import candidates
    from matchmaking.retrieval.searching import READER_DEPTH
    from matchmaking.retrieval.vectors import PgVectorIndex, Where, rows_for

    scope = pages._scope(0.0) if filtered else None
    filters = candidates.Filters(model, reader=tier, within=scope)
    plans = []
    for language in candidates.LANGUAGES:
        where = Where(
            tier=tier,
            language=language,
            sections=scope.sections if scope else (),
            provinces=scope.provinces if scope else (),
            listings=filters.named,
        )
        rows = rows_for(int(READER_DEPTH * filters.deeper), where)
        exact = PgVectorIndex("achievement", model).plan(rows, where).exact
        plans.append(f"{language}: {'scan' if exact else 'HNSW'}")
    return ", ".join(plans)


class Truth(NamedTuple):
    """Every listing scored for one question: parallel arrays."""

    listings: NDArray[np.int64]
    scores: NDArray[np.float64]
    dense: NDArray[np.float64]
    lexical: NDArray[np.float64]

    def best(self, inside: NDArray[np.int64], nearness: float) -> NDArray[np.int64]:
        """Return the best of those that a search may show, of the listings `inside`."""
        from matchmaking.retrieval.searching import WORDS_RELEVANT

        shown = (self.lexical >= WORDS_RELEVANT) | (self.dense >= nearness)
        shown &= np.isin(self.listings, inside)
        order = np.lexsort((self.listings[shown], -self.scores[shown]))
        best: NDArray[np.int64] = self.listings[shown][order[:BEST]]
        return best


class Everything:
    """All windows in memory, centred, to score every listing for a question."""

    def __init__(self, catalogue: Any, model: int) -> None:
        from matchmaking.retrieval.centring import centred, load_centres
        from matchmaking.retrieval.vectors import vector_index

        centres = load_centres("achievement", model)
        self.asking = load_centres("demand", model)
        self.count = catalogue.count
        # (listings, tiers, vectors) of each block; halves are enough to tell ranks by.
        self.blocks = [
            (
                windows.listings,
                windows.tiers,
                centred(windows.vectors, windows.languages, centres).astype(np.float16),
            )
            for windows in vector_index("achievement", model).scan()
        ]

    def scored(self, text: str, vector: NDArray[np.float32], tier: Any) -> Truth:
        from django.db import connection

        from catalog.words import words
        from matchmaking.retrieval.candidates import LEXICAL_WEIGHT, sparse_vector
        from matchmaking.retrieval.centring import centred, pair_scores
        from matchmaking.retrieval.spelling import put_right, reader_terms, variants
        from matchmaking.retrieval.statistics import load_statistics
        from matchmaking.retrieval.windows import language_of

        asked = centred(vector.reshape(1, -1), [language_of(text)], self.asking)
        dense = np.full(self.count + 1, -1.0)
        for listings, tiers, vectors in self.blocks:
            readable = tiers <= tier
            first = np.flatnonzero(np.diff(listings[readable], prepend=-1))
            mean, _best = pair_scores(asked, vectors[readable].astype(np.float32), first)
            dense[listings[readable][first]] = mean

        groups = variants(words(text))
        forms = {form for group in groups for form in group}
        statistics_ = load_statistics("achievement", forms, tier=tier)
        asked_words = put_right("achievement", groups, statistics_, tier)
        terms = reader_terms(asked_words.groups, statistics_)
        lexical = np.zeros(self.count + 1)
        if terms:
            column = {0: "public_terms", 1: "member_terms"}[int(tier)]
            with connection.cursor() as cursor:
                cursor.execute(
                    f"SELECT listing_id, -({column} <#> %s::sparsevec)"
                    " FROM matchmaking_achievementindex",
                    [sparse_vector(terms)],
                )
                pks, shares = zip(*cursor.fetchall(), strict=True)
            lexical[np.array(pks)] = np.array(shares)
        every = np.arange(1, self.count + 1)
        scores = np.round(dense + LEXICAL_WEIGHT * lexical, 5)
        return Truth(every, scores[1:], dense[1:], lexical[1:])


# --- The vector index alone ---------------------------------------------------------------------


def _vectors(catalogue: Any, model: int, queries: int) -> Iterator[tuple[str, Figures]]:
    """Yield the figures of each filter: `VectorIndex.search` against its exact scan."""
    from accounts.permissions import Tier
    from matchmaking.retrieval.centring import centred, load_centres
    from matchmaking.retrieval.vectors import PgVectorIndex, Where, rows_for

    provinces: Sequence[str] = np.unique(catalogue.provinces).astype(str).tolist()
    several = np.random.default_rng(1).choice(catalogue.count, 5_000, replace=False) + 1
    single: dict[str, dict[str, Any]] = {
        "tier": {"tier": Tier.PUBLIC},
        "Chinese": {"language": "zh"},
        "English": {"language": "en"},
        "region": {"provinces": (provinces[3],)},
        "5 regions": {"provinces": tuple(provinces[5:10])},
        "section": {"sections": ("C",)},
        "small section": {"sections": (sorted(catalogue.sections.astype(str))[0],)},
        "5,000 listings": {"listings": several.tolist()},
    }
    chosen: dict[str, dict[str, Any]] = {"none": {}, **single}
    for (one, first), (other, second) in combinations(single.items(), 2):
        if not set(first) & set(second):
            chosen[f"{one} + {other}"] = first | second

    index = PgVectorIndex("achievement", model)
    centres = load_centres("demand", model)
    asked = centred(
        np.stack([catalogue.vector(number) for number in range(queries)]), ["zh"] * queries, centres
    )
    index.search(asked[0], BEST)  # what a first search has to load
    for name, conditions in chosen.items():
        where = Where(**conditions)
        figures = Figures(
            index.count(where),
            [],
            [],
            [],
            "scan" if index.plan(rows_for(BEST, where), where).exact else "HNSW",
        )
        for vector in asked:
            began, worked = time.perf_counter(), _worked()
            found = index.search(vector, BEST, where)
            figures.seconds.append(time.perf_counter() - began)
            figures.worked.append(_worked() - worked)
            truth = {hit.listing_id for hit in index.search(vector, BEST, where, exact=True)}
            figures.recalls.append(len(truth & {hit.listing_id for hit in found}) / len(truth))
        print(f"{name}: {1000 * share_of(figures.seconds, 0.95):.0f} ms", flush=True)
        yield name, figures


if __name__ == "__main__":
    main()
