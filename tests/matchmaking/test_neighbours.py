"""Listings that mean the same are found by stored vectors, of public text alone."""

import numpy as np
import pytest
from django.conf import settings
from pgvector import SparseVector

from accounts.permissions import Tier
from matchmaking.models import TERM_DIMENSIONS, DemandIndex, EmbeddingModel
from matchmaking.retrieval.neighbours import same_meaning
from matchmaking.retrieval.vectors import Row, vector_index
from tests.factories import make_demand

pytestmark = pytest.mark.django_db


def direction(angle):
    vector = np.zeros(settings.EMBEDDING_DIMENSION, dtype=np.float32)
    vector[0], vector[1] = np.cos(angle), np.sin(angle)
    return vector


def put(model, demand, angle, *, tier=Tier.PUBLIC):
    row = Row(0, tier, False, "zh", direction(angle))
    vector_index("demand", model.pk).upsert(demand.pk, [row], section="", province="")
    nothing = SparseVector({}, TERM_DIMENSIONS)
    DemandIndex.objects.update_or_create(
        listing=demand,
        defaults={
            "version": 1,
            "digest": "-",
            "terms": nothing,
            "member_terms": nothing,
            "public_terms": nothing,
            "query_terms": nothing,
        },
    )


def test_the_near_ones_are_named_and_hidden_or_far_ones_are_not():
    model = EmbeddingModel.objects.create(
        name="test", revision="1", dimension=settings.EMBEDDING_DIMENSION, state="current"
    )
    other_model = EmbeddingModel.objects.create(
        name="test", revision="0", dimension=settings.EMBEDDING_DIMENSION
    )
    own, near, far, hidden, old = (make_demand() for _listing in range(5))
    put(model, own, 0)
    put(model, near, 0.1)
    put(model, far, 0.6)
    put(model, hidden, 0.05, tier=Tier.MEMBERS)
    put(other_model, old, 0)

    [(pk, share)] = same_meaning(own, 5)

    assert pk == near.pk
    assert share == pytest.approx(np.cos(0.1), abs=1e-2)
    assert same_meaning(make_demand(), 5) == []
