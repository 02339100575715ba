"""All figures of the dashboard over a large catalogue, computed anew.

    make bench-figures ARGS="--listings 100000"
    python -m benchmarks.bench_figures [--listings 10000] [--runs 5]

Makes listings in a PostgreSQL of its own, three demands to seven achievements, spread evenly over a
year, thirty provinces and all sections of the economy: each with the steps of its life, five
matches a demand, a review and an answer for one of them, every fifth introduced. Then it computes
what `services.insights.overview.compute` does for a dashboard of 90 and of 365 days, without
the cache that keeps it for five minutes. The plain way of doing the same is one query for each
figure: what the lists behind the numbers count (`services.insights.lists`).
"""

import argparse
import os
import time
from contextlib import ExitStack
from typing import Any

from benchmarks.report import Cell, report, share_of
from benchmarks.services import own_folder, start

HEAD = ("days", "figures", "seconds, median", "seconds, longest", "one query each, seconds")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--listings", type=int, default=10_000)
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()

    with ExitStack() as stack:
        folder = own_folder(stack, "figures")
        start(stack, folder)
        _fill(options.listings)
        load = os.getloadavg()[0]
        rows: list[tuple[Cell, ...]] = []
        figures: dict[str, Any] = {}
        for period in ("90", "365"):
            seconds, alone, keys = _measure(period, options.runs)
            median, longest = share_of(seconds, 0.5), max(seconds)
            rows.append((period, keys, median, longest, alone))
            figures |= {f"seconds_{period}": round(median, 3), f"alone_{period}": round(alone, 3)}
    print(f"{options.listings:,} listings, load beside it before: {load:.1f}\n")
    report("figures", HEAD, rows, {"listings": options.listings, **figures})


def _measure(period: str, runs: int) -> tuple[list[float], float, int]:
    """Return the seconds of each run, those of every figure by its own query, and how many."""
    from matchmaking.services.insights import Scope
    from matchmaking.services.insights.lists import find
    from matchmaking.services.insights.overview import compute

    scope = Scope.of(period)
    seconds = []
    for _run in range(runs):
        begun = time.perf_counter()
        found = compute(scope)
        seconds.append(time.perf_counter() - begun)
    keys = {
        *(one.figure.rows for one in found.headline),
        *(step.figure.rows for step in found.funnel.steps),
        *(one.in_time.rows for one in found.clocks),
        *(week.answered.rows for week in found.weeks),
        *(total.rows for total in found.supply.totals),
    }
    begun = time.perf_counter()
    for key in keys:
        rows = find(key)
        assert rows is not None
        rows.count(scope)
    return seconds, time.perf_counter() - begun, len(keys)


def _fill(listings: int) -> None:
    """Write everything by statements that make their own rows: nothing is read in Python."""
    from django.db import connection

    from accounts.models import Organization
    from catalog.models.listings import CONTENT_FIELDS
    from matchmaking.models import EmbeddingModel

    organization = Organization.objects.create(
        name="Bench",
        kind="enterprise",
        credit_code="91330100MA0000001N",
        region="330100",
        size="large",
        field="bench",
        contact_name="-",
        contact_phone="-",
        contact_email="bench@example.org",
        status="verified",
    )
    model = EmbeddingModel.objects.create(name="bench", revision="1", dimension=384)
    demands = listings * 3 // 10
    values: dict[str, Any] = {
        "owner": organization.pk,
        "model": model.pk,
        "demand_count": demands,
        "achievement_count": listings - demands,
    }
    with connection.cursor() as cursor:
        for kind in ("demand", "achievement"):
            cursor.execute(_listings(kind), values)
            kept = ", ".join(CONTENT_FIELDS[kind])
            cursor.execute(
                f"INSERT INTO catalog_{kind}revision (pgh_created_at, pgh_label, pgh_obj_id,"
                f" version, {kept}) SELECT now(), 'revision', id, 1, {kept} FROM catalog_{kind}"
            )
            for before, after, moment in (
                ("draft", "submitted", "submitted_at"),
                ("submitted", "published", "published_at"),
            ):
                cursor.execute(
                    f"INSERT INTO catalog_listingevent ({kind}_id, before, after, version, verb,"
                    f" reason, note, created_at) SELECT id, '{before}', '{after}', 1, '', '', '',"
                    f" {moment} FROM catalog_{kind}"
                )
        for statement in _MATCHES:
            cursor.execute(statement, values)
        cursor.execute("ANALYZE")


def _listings(kind: str) -> str:
    from django.db import models

    from catalog.models import Achievement, Demand

    model = Demand if kind == "demand" else Achievement
    plain: dict[str, str] = {
        "owner_id": "%(owner)s",
        "title": "'Bench ' || n",
        "industry": "chr(65 + n %% 20) || (10 + n %% 30)",
        "region": "(11 + n %% 30)::text || '0100'",
        "status": "'published'",
        "version": "1",
        "submitted_at": "now() - (n %% 365 + 1) * interval '1 day'",
        "published_at": "now() - (n %% 365) * interval '1 day'",
        "confirmed_at": "now() - (n %% 300) * interval '1 day'",
    }
    names: list[str] = []
    values: list[str] = []
    for column in model._meta.concrete_fields:
        name = str(column.column)
        if column.primary_key:
            continue
        if name in plain:
            value = plain[name]
        elif column.null:
            continue
        elif isinstance(column, models.JSONField):
            value = "'{}'" if name == "disclosure" else "'[]'"
        elif isinstance(column, models.DateTimeField):
            value = "now()"
        elif isinstance(column, models.IntegerField):
            value = "0"
        elif column.get_internal_type() == "ArrayField":
            value = "'{}'"
        elif name == "language":
            value = "'zh'"
        else:
            value = "''"
        names.append(name)
        values.append(value)
    return (
        f"INSERT INTO catalog_{kind} ({', '.join(names)})"
        f" SELECT {', '.join(values)} FROM generate_series(1, %({kind}_count)s) n"
    )


_MATCHES = (
    # Five matches of each demand; the first of them is decided, every fifth introduced.
    """
    INSERT INTO matchmaking_match (demand_id, achievement_id, demand_revision_id,
        achievement_revision_id, engine, model_id, score, confidence, rank, parts, added, alike,
        features, grid, advice, pairs, terms, basis, status, is_touched, is_frozen, escalation,
        decided_at, introduced_at, created_at, updated_at)
    SELECT d.id, a.id, dr.pgh_id, ar.pgh_id, 'bench', %(model)s, 0.9, 0, k, '{}', '{}', '{}', '{}',
        '[]', '[]', '[]', '[]', '{}',
        CASE WHEN k > 1 THEN 'suggested' WHEN d.id %% 5 = 0 THEN 'introduced' ELSE 'rejected' END,
        k = 1, false, '', CASE WHEN k = 1 THEN d.published_at + interval '2 days' END,
        CASE WHEN k = 1 AND d.id %% 5 = 0 THEN d.published_at + interval '9 days' END,
        d.published_at, d.published_at
    FROM catalog_demand d CROSS JOIN generate_series(1, 5) k
    JOIN catalog_achievement a ON a.id = 1 + (d.id * 7 + k * 13) %% %(achievement_count)s
    JOIN catalog_demandrevision dr ON dr.pgh_obj_id = d.id
    JOIN catalog_achievementrevision ar ON ar.pgh_obj_id = a.id
    """,
    """
    INSERT INTO matchmaking_matchevent (match_id, verb, before, after, side, reason, note,
        created_at)
    SELECT id, 'suggested', '', 'suggested', '', '', '', created_at FROM matchmaking_match
    UNION ALL
    SELECT id, verb, 'in_review', status, '', '', '', decided_at
    FROM matchmaking_match, unnest('{assigned,accepted,approved}'::text[]) verb WHERE rank = 1
    """,
)


if __name__ == "__main__":
    main()
