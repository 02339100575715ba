"""Listings that mean the same are found by stored vectors, of public text alone."""

import numpy as np
import pytest
from django.conf import settings
from pgvector import HalfVector

from accounts.permissions import Tier
from matchmaking.models import EmbeddingModel, vector_model
from matchmaking.retrieval.neighbours import same_meaning
from tests.factories import make_demand

pytestmark = pytest.mark.django_db


def direction(angle):
    vector = np.zeros(settings.EMBEDDING_DIMENSION, dtype=np.float32)
    vector[0], vector[1] = np.cos(angle), np.sin(angle)
    return HalfVector(vector)


def put(model, demand, angle, *, tier=Tier.PUBLIC):
    vector_model("demand").objects.create(
        listing=demand,
        model=model,
        window=0,
        tier=tier,
        asks=False,
        language="zh",
        vector=direction(angle),
    )


def test_the_near_ones_are_named_and_hidden_or_far_ones_are_not():
    model = EmbeddingModel.objects.create(
        name="test", revision="1", dimension=settings.EMBEDDING_DIMENSION
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
