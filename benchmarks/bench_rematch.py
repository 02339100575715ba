"""Comparing many demands anew: one pass over the list, against one index query for each.

    make bench-rematch
    python -m benchmarks.bench_rematch [--demands 1000] [--achievements 100000] [--keep FOLDER]

Makes a seeded catalogue with its vectors (two windows a listing) in a PostgreSQL of its own, and
lets fresh processes, such as a worker is, do the work that `tasks.match_many` does:

- the pass: `blocks.best_achievements` for all demands, from the vectors and words in the database
  to the exact 60 best of each: `seconds`. Then the fields of these are compared and the best 20
  stored as matches, each with its evidence: `fields_seconds`, and `stored_seconds` for all of it.
- one index query for each demand (`candidates.find_candidates`, warm), to the same 60 candidates:
  measured on a seeded sample of the demands and extrapolated to all of them, as the table says.
  `speedup` compares this with the pass up to the same point.
- the truth: every pair of a sample of the demands scored one by one, words by PostgreSQL, vectors
  by NumPy without any block. `top20_equal`: in what share of them the best 20 by text are the same
  (of two whose exact scores differ by less than 0.00002 either may come first).

`peak_mb` is the most memory that the process of the pass had.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.report import Cell, report
from benchmarks.services import own_folder, start

TOP = 20
SAMPLE, CHECKED = 30, 25
# Two sums of the same numbers in another order.
TIE = 2e-5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--demands", type=int, default=50)
    parser.add_argument("--achievements", type=int, default=2_000)
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--phase", choices=PHASES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.phase:
        import django

        django.setup()
        print(json.dumps(PHASES[options.phase]()))
        return

    with ExitStack() as stack:
        folder = own_folder(stack, "rematch", options.keep)
        start(stack, folder)
        _write(folder, options.demands, options.achievements)
        load = os.getloadavg()[0]
        index, one_pass, truth = (_run(phase) for phase in ("index", "pass", "truth"))

    alone = index["seconds"] / index["demands"] * options.demands
    equal = _equal(truth, one_pass["top"])
    seconds = one_pass["candidates"]
    speedup = alone / one_pass["candidates"]
    print(
        f"{options.demands:,} demands x {options.achievements:,} achievements, vectors present;"
        f" {os.cpu_count()} cores, load beside it before: {load:.1f}\n"
    )
    sampled = f"{index['demands']} demands, times {options.demands / index['demands']:.4g}"
    rows: list[tuple[Cell, ...]] = [
        ("one pass: the 60 candidates of each", "all demands", round(one_pass["candidates"], 2)),
        ("… ranked by fields, with evidence", "all demands", round(one_pass["fields"], 2)),
        ("… stored", "all demands", round(one_pass["store"], 2)),
        ("one index query each: 60 candidates", sampled, round(alone, 2)),
    ]
    report(
        "rematch",
        ("what", "of", "seconds"),
        rows,
        {
            "seconds": round(seconds, 2),
            "peak_mb": round(one_pass["peak_mb"], 1),
            "speedup": round(speedup, 1),
            "top20_equal": equal,
            "stored_seconds": round(seconds + one_pass["fields"] + one_pass["store"], 2),
            "fields_seconds": round(one_pass["fields"], 2),
            "index_seconds": round(alone, 2),
            "index_sample": index["demands"],
            "checked": len(truth),
            "matches": one_pass["matches"],
            "demands": options.demands,
            "achievements": options.achievements,
            "load_before": round(load, 2),
        },
    )
    print(
        f"peak memory of the pass: {one_pass['peak_mb']:.0f} MB; {speedup:.1f} times faster; of"
        f" {len(truth)} demands checked, {equal:.0%} have the best 20 that all pairs give"
    )


def _equal(truth: dict[str, list[tuple[int, float]]], top: dict[str, list[int]]) -> float:
    """Return the share of demands whose best are the same, equal scores aside."""
    same = 0
    for pk, scored in truth.items():
        exact = dict(scored)
        found = [exact.get(one, -np.inf) for one in top[pk]]
        wanted = [score for _, score in scored[:TOP]]
        same += len(found) == len(wanted) and all(
            abs(ours - theirs) <= TIE for ours, theirs in zip(found, wanted, strict=True)
        )
    return round(same / len(truth), 4) if truth else 1.0


# --- What is measured, each in a process of its own ----------------------------------------------


def _sample(count: int) -> list[Any]:
    from matchmaking.models import DemandIndex

    rows = list(DemandIndex.objects.select_related("listing").order_by("pk"))
    chosen = np.random.default_rng(1).permutation(len(rows))[:count]
    return [rows[place] for place in sorted(chosen.tolist())]


def one_pass() -> dict[str, Any]:
    """Do what `tasks.match_many` does, and note how long each part takes."""
    from matchmaking.models import DemandIndex, Match
    from matchmaking.retrieval import blocks
    from matchmaking.services import rematching

    times = dict.fromkeys(("candidates", "fields", "store"), 0.0)
    top: dict[int, list[int]] = {}

    def timed(name: str, function: Any) -> Any:
        def call(*arguments: Any, **named: Any) -> Any:
            began = time.perf_counter()
            found = function(*arguments, **named)
            times[name] += time.perf_counter() - began
            if name == "candidates":
                top.update({pk: [one.listing_id for one in best] for pk, best in found.items()})
            return found

        return call

    ranked = rematching._ranked
    changes = {
        "best_achievements": timed("candidates", blocks.best_achievements),
        "_ranked": timed("fields", lambda *given: list(ranked(*given))),
        "_store": timed("store", rematching._store),
    }
    for name, function in changes.items():
        setattr(rematching, name, function)
    ids = list(DemandIndex.objects.order_by("pk").values_list("pk", flat=True))
    stored = rematching.match_many(ids)
    if len(stored) != len(ids):
        raise SystemExit(f"Only {len(stored)} of {len(ids)} demands were matched.")
    return times | {
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "matches": Match.objects.count(),
        "top": {pk: best[:TOP] for pk, best in top.items()},
    }


def index_queries() -> dict[str, Any]:
    """Ask the index for a sample of the demands, one by one."""
    from matchmaking.models import EmbeddingModel
    from matchmaking.retrieval.candidates import Filters, find_candidates
    from matchmaking.services import matching

    model = EmbeddingModel.objects.get().pk
    indexes = _sample(SAMPLE)

    def ask(index: Any) -> None:
        find_candidates(
            "achievement",
            matching.demand_query(index, model),
            Filters(model_id=model, exclude_owner=index.listing.owner_id),
            limit=matching.POOL,
        )

    for index in indexes[:5]:
        ask(index)
    began = time.perf_counter()
    for index in indexes:
        ask(index)
    return {"seconds": time.perf_counter() - began, "demands": len(indexes)}


def every_pair() -> dict[int, list[tuple[int, float]]]:
    """Score a sample of the demands with every achievement. Return their best, with scores."""
    from django.db import connection
    from django.utils import timezone

    from catalog.models import Achievement
    from matchmaking.models import EmbeddingModel
    from matchmaking.retrieval.candidates import BEST_WEIGHT, LEXICAL_WEIGHT
    from matchmaking.retrieval.centring import centred, load_centres, pair_scores
    from matchmaking.retrieval.vectors import vector_index
    from matchmaking.services import matching

    model = EmbeddingModel.objects.get().pk
    indexes = _sample(CHECKED)
    centres = load_centres("demand", model)
    asked = []
    for index in indexes:
        query = matching.demand_query(index, model)
        asked.append(centred(query.vectors, query.languages, centres))
    dense: list[dict[int, float]] = [{} for _ in indexes]
    centres = load_centres("achievement", model)
    for windows in vector_index("achievement", model).scan():
        stored = centred(windows.vectors, windows.languages, centres)
        starts = windows.starts()
        listings = windows.listings[starts].tolist()
        for found, vectors in zip(dense, asked, strict=True):
            mean, best = pair_scores(vectors, stored, starts)
            together = (1 - BEST_WEIGHT) * mean.astype(np.float64) + BEST_WEIGHT * best
            found.update(zip(listings, together.tolist(), strict=True))
    owners = dict(Achievement.objects.live(timezone.localdate()).values_list("pk", "owner"))
    result = {}
    for index, found in zip(indexes, dense, strict=True):
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT r.listing_id, -(r.terms <#> q.query_terms)"
                " FROM matchmaking_achievementindex r, matchmaking_demandindex q"
                " WHERE q.listing_id = %s",
                [index.pk],
            )
            lexical = dict(cursor.fetchall())
        scored = [
            (pk, found.get(pk, 0.0) + LEXICAL_WEIGHT * lexical.get(pk, 0.0))
            for pk, owner in owners.items()
            if owner != index.listing.owner_id
        ]
        scored.sort(key=lambda item: (-item[1], item[0]))
        result[index.pk] = scored[: 2 * TOP]
    return result


PHASES = {"pass": one_pass, "index": index_queries, "truth": every_pair}


def _run(phase: str) -> Any:
    """Run one phase in a process of its own, on the database that the environment names."""
    command = [sys.executable, "-m", "benchmarks.bench_rematch", "--phase", phase]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def _write(folder: Path, demands: int, achievements: int) -> None:
    """Write the catalogue, unless the folder has it from an earlier run; matches go."""
    from django.db import connection

    from benchmarks.catalogue import Catalogue
    from benchmarks.demands import write_demands

    note = folder / "rematch.json"
    made = {"demands": demands, "achievements": achievements}
    if note.exists():
        if json.loads(note.read_text()) != made:
            raise SystemExit(f"{folder} holds another catalogue: {note.read_text()}")
        with connection.cursor() as cursor:
            cursor.execute("TRUNCATE matchmaking_match CASCADE")
            cursor.execute("UPDATE matchmaking_demandindex SET matched_version = 0")
            cursor.execute("VACUUM ANALYZE matchmaking_match")
        return
    began = time.monotonic()
    catalogue = Catalogue(achievements, lambda text: print(text, flush=True))
    write_demands(catalogue, demands, catalogue.write())
    print(f"catalogue written in {time.monotonic() - began:.0f} s", flush=True)
    note.write_text(json.dumps(made))


if __name__ == "__main__":
    main()
