"""Demands for a seeded catalogue, and what storing a match needs of both sides."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np

from benchmarks.catalogue import OWNERS, SEED, Catalogue

# Words of a demand; the first of them are its title.
ASKED, TITLE = 40, 4


def content(catalogue: Catalogue, number: int) -> dict[str, Any]:
    """Return what demand `number` says: words of one achievement's field, some of them its own."""
    chance = np.random.default_rng([SEED, 7, number])
    near = catalogue.terms[chance.integers(0, catalogue.count)]
    ranks = np.arange(1, len(catalogue.words) + 1)
    common = np.searchsorted(np.cumsum(1 / (ranks + 8.0)), chance.random(ASKED) * 8)
    places = np.where(chance.random(ASKED) < 0.4, chance.choice(near, ASKED), common)
    said = [catalogue.words[place % len(catalogue.words)] for place in places.tolist()]
    low = int(chance.integers(100, 900)) * 10_000
    return {
        "title": " ".join(said[:TITLE]),
        "summary": "，".join(said[:16]) + "。",
        "body": "。".join(said) + f"。要求圆度偏差不大于 0.{chance.integers(2, 9)} mm。",
        "keywords": said[:3],
        "industry": str(catalogue.codes[int(chance.integers(0, catalogue.count))]),
        "region": f"{catalogue.provinces[number % catalogue.count].decode()}0100",
        "modes": ["license", "development"],
        "trl": int(chance.integers(4, 9)),
        "money_max": low,
        "indicators": [
            {
                "name": "圆度变形",
                "op": "le",
                "value": f"0.{chance.integers(2, 9)}",
                "high": "",
                "unit": "mm",
                "hard": True,
            },
            {
                "name": "表面硬度",
                "op": "ge",
                "value": str(chance.integers(45, 62)),
                "high": "",
                "unit": "HRC",
                "hard": False,
            },
        ],
    }


def write_demands(catalogue: Catalogue, count: int, model: int) -> None:
    """Write published demands with their words, two windows each, and no matches yet.

    Revisions of both lists are written as well: a match refers to them.
    """
    from accounts.models import Organization
    from accounts.permissions import Tier
    from catalog.models import Demand
    from matchmaking.models import DemandEncoding, DemandIndex
    from matchmaking.retrieval.statistics import load_statistics
    from matchmaking.retrieval.vectors import Row, vector_index
    from matchmaking.services import indexing

    now = dt.datetime.now(dt.UTC)
    owners = list(Organization.objects.order_by("pk").values_list("pk", flat=True))
    demands = Demand.objects.bulk_create(
        Demand(
            owner_id=owners[(number * 31) % OWNERS],
            status="published",
            version=1,
            submitted_at=now,
            published_at=now,
            valid_until=now.date() + dt.timedelta(days=180),
            **content(catalogue, number),
        )
        for number in range(count)
    )
    statistics = load_statistics("achievement")
    index = vector_index("demand", model)
    for number, demand in enumerate(demands):
        DemandIndex.objects.create(
            listing=demand,
            version=1,
            digest="bench",
            **indexing._term_fields(demand, statistics.average_length),
            query_terms=indexing._query_terms(demand, statistics),
        )
        DemandEncoding.objects.create(listing=demand, model_id=model, version=1, digest="bench")
        chance = np.random.default_rng([SEED, 8, number])
        field = catalogue.fields[[int(chance.integers(0, catalogue.count))] * 2]
        language = np.zeros(2, dtype=np.int64)
        vectors = catalogue.shape.vectors(field, language, catalogue.shape.noise(chance, 2))
        index.upsert(
            demand.pk,
            [Row(place, Tier(place), True, "zh", vector) for place, vector in enumerate(vectors)],
            section=demand.industry[:1],
            province=demand.region[:2],
        )
    for kind in ("achievement", "demand"):
        _write_revisions(kind)


def _write_revisions(kind: str) -> None:
    from django.db import connection

    from catalog.models import revision_model

    model = revision_model(kind)
    copied = [
        field.column for field in model._meta.concrete_fields if not field.name.startswith("pgh_")
    ]
    names = ", ".join(f'"{name}"' for name in copied)
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {model._meta.db_table} (pgh_created_at, pgh_label, pgh_obj_id, {names})"
            f" SELECT now(), 'revision', id, {names} FROM catalog_{kind}"
        )
        cursor.execute("VACUUM ANALYZE")
