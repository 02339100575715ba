"""Comparing many demands at once: one pass over the list instead of a question each.

After an import, new word counts, another model or engine, every demand is behind. A run over a
thousand of them reads the whole list once; the result is that of a thousand runs of
`matching.match_demand`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence

from django.db import connection, transaction

from catalog.models import Achievement, Demand
from matchmaking.models import AchievementIndex, DemandIndex, EmbeddingModel
from matchmaking.retrieval.blocks import best_achievements, reached_demands
from matchmaking.retrieval.candidates import Candidate
from matchmaking.services import matching
from matchmaking.services.matching import Run

# Demands whose results are stored in one transaction: others wait for their rows that long.
AT_ONCE = 50


def match_many(demand_ids: Sequence[int]) -> list[int]:
    """Compare demands with all achievements in one pass. Return those whose matches are stored.

    No row is held while we compare, some 20 seconds. What was marked, changed or offered in the
    meantime is left as it was: not matched, for the next run.
    """
    began = _now()
    model = EmbeddingModel.objects.current()
    marks = dict(
        DemandIndex.objects.filter(pk__in=demand_ids, listing__in=Demand.objects.live())
        .order_by("pk")
        .values_list("pk", "marks")
    )
    if model is None or not marks:
        return []
    found = best_achievements(list(marks), model.pk, limit=matching.POOL)
    stored: list[int] = []
    for part in _parts(list(marks), AT_ONCE):
        runs = list(_ranked(part, found, model))
        stored += _store(runs, marks, model, began)
    return stored


def _ranked(
    demand_ids: Sequence[int], found: dict[int, list[Candidate]], model: EmbeddingModel
) -> Iterator[Run]:
    """Compare candidates field by field, outside of any transaction."""
    wanted = {one.listing_id for pk in demand_ids for one in found.get(pk, ())}
    achievements = Achievement.objects.in_bulk(wanted)
    demands = Demand.objects.in_bulk(demand_ids)
    for pk in demand_ids:
        if pk in demands and pk in found:
            listed = matching.rank_pool(demands[pk], found[pk], achievements, model_id=model.pk)
            yield Run(demands[pk], listed)


def _store(
    runs: Sequence[Run], marks: dict[int, int], model: EmbeddingModel, began: dt.datetime
) -> list[int]:
    """Store what still holds. Return the demands it was stored for."""
    compared = matching.count_compared()
    with transaction.atomic():
        matching.begin_run()
        pks = [run.demand.pk for run in runs]
        demands = {
            row.pk: row
            for row in Demand.objects.select_for_update(no_key=True)
            .filter(pk__in=pks)
            .order_by("pk")
        }
        indexes = {
            row.pk: row
            for row in DemandIndex.objects.select_for_update().filter(pk__in=pks).order_by("pk")
        }
        if EmbeddingModel.objects.current() != model:
            return []
        ready = []
        for run in runs:
            now, index = demands.get(run.demand.pk), indexes.get(run.demand.pk)
            if now is None or index is None or index.marks != marks[now.pk]:
                continue
            same = (now.version, now.disclosure, now.owner_id) == (
                run.demand.version,
                run.demand.disclosure,
                run.demand.owner_id,
            )
            if same and matching.is_ready(now, index, model):
                ready.append(Run(now, run.listed))
        # Stored first, so that pools can be asked.
        matching.store(ready, model)
        matching.note_matched(ready, model, compared=compared)
        again = _missed(ready, model, began)
        matching.mark_unmatched(sorted(again))
    return [run.demand.pk for run in ready]


def _missed(runs: Sequence[Run], model: EmbeddingModel, began: dt.datetime) -> set[int]:
    """Return the demands whose pool would be another one by now.

    Achievements that were offered since we began asked the pools of earlier runs. Those that
    left did as well.
    """
    pools = {run.demand.pk: run.listed.pool for run in runs}
    members = {pk for pool in pools.values() for pk in pool}
    live = set(Achievement.objects.live().filter(pk__in=members).values_list("pk", flat=True))
    late = list(
        AchievementIndex.objects.filter(
            offered_at__gte=began, listing__in=Achievement.objects.live()
        )
        .order_by("pk")
        .values_list("pk", flat=True)
    )
    changed = set(late)
    again = {
        pk for pk, pool in pools.items() if any(one in changed or one not in live for one in pool)
    }
    if late:
        again |= reached_demands(late, model.pk) & pools.keys()
    return again


def _now() -> dt.datetime:
    """Return the database's time, by which `offered_at` is noted."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        found: dt.datetime = cursor.fetchone()[0]
    return found


def _parts(ids: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    for at in range(0, len(ids), size):
        yield ids[at : at + size]
