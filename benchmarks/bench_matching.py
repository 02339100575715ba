"""From the moment a demand is published to its matches in the database.

    make bench-matching
    python -m benchmarks.bench_matching [--achievements 100000] [--demands 40] [--keep FOLDER]

Makes a seeded catalogue (see `bench-rematch`) in a PostgreSQL and a Valkey of its own, starts the
two workers of the Procfile, and has an operator publish demands, one after the other, through the
service that pages use. The clock runs from the call until `DemandIndex` says that the demand was
matched and its rows are there: message, encoding, comparison and storing are in it. The first few
are to warm up. Where the model is not prepared there is nothing to measure, and it says so.

`recall20`: which share of the best 20 by text of all pairs is among the candidates of a demand's
own run, which asks two indexes, of vectors and of words. Of the catalogue's own demands: those that
are published have real vectors, and lie nowhere near the seeded ones.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks.bench_rematch import _write
from benchmarks.report import Cell, report, share_of
from benchmarks.services import own_folder, start

ROOT = Path(__file__).resolve().parent.parent
WARM_UP = 5
PATIENCE = 120.0
TOP = 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--achievements", type=int, default=2_000)
    parser.add_argument("--demands", type=int, default=10)
    parser.add_argument("--keep", type=Path)
    options = parser.parse_args()
    folder_of_model = os.environ.get("EMBEDDING_MODEL") or str(
        Path(os.environ.get("KEQIAO_VAR", ROOT / "var")) / "models" / "multilingual-e5-small"
    )
    if not Path(folder_of_model).exists():
        raise SystemExit("The model is not prepared: make setup")
    os.environ["EMBEDDING_MODEL"] = folder_of_model

    with ExitStack() as stack:
        folder = own_folder(stack, "matching", options.keep)
        start(stack, folder)
        _write(folder, 20, options.achievements)
        _adopt_model(folder_of_model)
        _settle()
        for line in (ROOT / "Procfile").read_text().splitlines():
            name, _, command = line.partition(": ")
            if name.startswith("worker"):
                _worker(stack, command)
        load = os.getloadavg()[0]
        times = [_publish(number) for number in range(options.demands + WARM_UP)][WARM_UP:]
        recall = _recall(options.demands)

    p50, p95 = (share_of(times, part) for part in (0.5, 0.95))
    print(
        f"{options.achievements:,} achievements, {len(times)} demands; {os.cpu_count()} cores, load"
        f" beside it before: {load:.1f}\n"
    )
    rows: list[tuple[Cell, ...]] = [
        ("published to matches stored", len(times), *(round(one, 3) for one in (p50, p95)))
    ]
    report(
        "matching",
        ("what", "demands", "p50, s", "p95, s"),
        rows,
        {
            "p95_seconds": round(p95, 3),
            "p50_seconds": round(p50, 3),
            "longest_seconds": round(max(times), 3),
            "recall20": round(recall, 4),
            "demands": len(times),
            "achievements": options.achievements,
            "load_before": round(load, 2),
        },
    )
    print(f"of the best {TOP} of all pairs, {recall:.1%} are among a run's candidates")


def _adopt_model(folder: str) -> None:
    """Have the catalogue's vectors count as the real model's, so that a worker goes on."""
    from matchmaking.models import EmbeddingModel
    from matchmaking.retrieval.encoders import get_encoder

    EmbeddingModel.objects.update(state="ready")
    encoder = get_encoder()
    EmbeddingModel.objects.update(
        name=encoder.name,
        revision=encoder.revision,
        source=folder,
        dimension=encoder.dimension,
        state="current",
    )


def _settle() -> None:
    """Leave nothing to be done beside what is measured."""
    from django.conf import settings
    from django.utils import timezone

    from matchmaking.models import AchievementIndex, DemandIndex, EmbeddingModel

    now = timezone.now()
    AchievementIndex.objects.update(matched_engine=settings.ENGINE_VERSION, matched_at=now)
    DemandIndex.objects.update(
        matched_version=1,
        matched_engine=settings.ENGINE_VERSION,
        matched_at=now,
        matched_model=EmbeddingModel.objects.get(),
    )


def _worker(stack: ExitStack, command: str) -> None:
    beside = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    process = subprocess.Popen(
        ["/bin/sh", "-c", command],
        cwd=ROOT,
        env=os.environ | {"PATH": beside},
        start_new_session=True,
    )

    def stop() -> None:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    stack.callback(stop)


def _publish(number: int) -> float:
    """Publish a demand; return the seconds until it was matched."""
    from accounts.models import Organization, User
    from catalog.services import deciding
    from matchmaking.models import DemandIndex

    operator, _ = User.objects.get_or_create(
        email="bench@example.org", defaults={"name": "-", "is_operator": True}
    )
    owner = Organization.objects.order_by("pk")[number % 100]
    demand = _submitted(owner, number)
    began = time.perf_counter()
    deciding.decide(no_interest=True, listing=demand, actor=operator, decision="publish")
    while time.perf_counter() - began < PATIENCE:
        if DemandIndex.objects.filter(pk=demand.pk, matched_version=demand.version).exists():
            return time.perf_counter() - began
        time.sleep(0.005)
    raise SystemExit(f"Demand {demand.pk} was not matched within {PATIENCE:.0f} s.")


def _submitted(owner: Any, number: int) -> Any:
    import datetime as dt

    import pghistory
    from django.utils import timezone

    from catalog.models import Demand
    from matchmaking.services.demonstration import demo_listings

    demands, _ = demo_listings()
    names = {field.name for field in Demand._meta.concrete_fields} - {"owner", "deadline"}
    content = {key: value for key, value in demands[number % len(demands)].items() if key in names}
    demand = Demand.objects.create(
        **content | {"external_id": f"bench-{number}"},
        owner=owner,
        status="submitted",
        version=1,
        submitted_at=timezone.now(),
        valid_until=timezone.localdate() + dt.timedelta(days=90),
    )
    pghistory.create_event(demand, label="revision")
    return demand


def _recall(count: int) -> float:
    """Compare a run's candidates with the pass over all pairs, which is exact."""
    from matchmaking.models import DemandIndex, EmbeddingModel
    from matchmaking.retrieval.blocks import best_achievements
    from matchmaking.retrieval.candidates import Filters, find_candidates
    from matchmaking.services import matching

    model = EmbeddingModel.objects.get().pk
    indexes = list(DemandIndex.objects.select_related("listing").order_by("pk")[:count])
    exact = best_achievements([index.pk for index in indexes], model, limit=TOP)
    shares = []
    for index in indexes:
        found = find_candidates(
            "achievement",
            matching.demand_query(index, model),
            Filters(model_id=model, exclude_owner=index.listing.owner_id),
            limit=matching.POOL,
        )
        ids = {one.listing_id for one in found}
        best = exact[index.pk]
        shares.append(sum(one.listing_id in ids for one in best) / max(len(best), 1))
    return statistics.mean(shares)


if __name__ == "__main__":
    main()
