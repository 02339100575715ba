"""A Celery app that answers questions with seeded vectors, where the model is not installed."""

import os
import zlib

import numpy as np
from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.dev")

app = Celery("stub")
app.config_from_object("django.conf:settings", namespace="CELERY")


@app.task(name="matchmaking.tasks.encode_query")
def encode_query(text: str) -> str:
    """Return a vector made of the text's checksum, packed as the real worker packs it."""
    import django

    django.setup()
    from django.conf import settings

    from matchmaking.retrieval.asking import pack
    from matchmaking.services.indexing import current_model

    model = current_model()
    assert model is not None
    chance = np.random.default_rng(zlib.crc32(text.encode()))
    vector = chance.standard_normal(settings.EMBEDDING_DIMENSION).astype(np.float32)
    return pack(model.pk, vector / np.linalg.norm(vector))
