"""How a process without a model gets a text's vector: it asks a worker, and does not wait long."""

from __future__ import annotations

import base64
import hashlib
import logging
from contextlib import suppress
from typing import NamedTuple

import numpy as np
from celery import current_app
from celery.exceptions import CeleryError
from celery.exceptions import TimeoutError as NoAnswer
from celery.result import AsyncResult
from django.conf import settings
from django.core.cache import cache
from kombu.exceptions import OperationalError
from numpy.typing import NDArray
from redis.exceptions import RedisError

from matchmaking.models import EmbeddingModel

logger = logging.getLogger(__name__)

# The same words are searched again and again: pages of one result, popular examples.
REMEMBER_SECONDS = 3600
# After a worker did not answer, the next readers do not wait for it again so soon.
GIVE_UP_SECONDS = 10
# Longer questions say nothing more; one window of the encoder.
QUESTION_LIMIT = 500

# How far from 1 the length of a unit vector may be, after rounding.
LENGTH_ERROR = 1e-3

# What the way to a worker raises when it is broken.
_AWAY = (CeleryError, OperationalError, RedisError, OSError)
_NOT_ASKED = "The encode worker could not be asked: %s"


class Answer(NamedTuple):
    """A query's unit vector, and the id of the `EmbeddingModel` that made it."""

    model_id: int
    vector: NDArray[np.float32]


class Question:
    """A text on its way to a worker and back. Made, it is sent; `answer` waits for the rest.

    What goes wrong on the way is logged and is no answer: a page goes on with words alone.
    """

    def __init__(self, text: str) -> None:
        self._known: Answer | None = None
        self._result: AsyncResult[str] | None = None
        text = text[:QUESTION_LIMIT].strip()
        if not any(char.isalnum() for char in text):
            # Signs and emoji: they have a vector, near to this and that by accident.
            return
        self._digest = hashlib.sha256(text.encode(errors="replace")).hexdigest()
        model = EmbeddingModel.objects.current()
        try:
            known = None if model is None else cache.get(_key(model.pk, self._digest))
            self._known = None if known is None else unpack(known)
            if self._known is None and not cache.get("query:no-answer"):
                self._result = current_app.send_task(
                    "matchmaking.tasks.encode_query",
                    args=[text],
                    expires=settings.QUERY_ENCODE_TIMEOUT,
                    retry=False,
                )
        except _AWAY as error:
            logger.warning(_NOT_ASKED, error)

    def answer(self) -> Answer | None:
        """Return the vector, or None when no worker answers within the time set."""
        if self._known is not None:
            return self._known
        if self._result is None:
            return None
        limit = settings.QUERY_ENCODE_TIMEOUT
        try:
            # What went wrong in the worker is its own to report.
            packed = self._result.get(timeout=limit, propagate=False)
            if not self._result.successful():
                logger.warning("The encode worker failed: %s", packed)
                return None
        except NoAnswer:
            logger.warning("No encode worker answered within %s s.", limit)
            _remember("query:no-answer", True, GIVE_UP_SECONDS)
            return None
        except _AWAY as error:
            logger.warning(_NOT_ASKED, error)
            return None
        answer = unpack(packed)
        if answer is None:
            logger.warning("The encode worker gave an answer that is no vector.")
        else:
            # Under the model that answered: while the platform goes over to another, a worker may
            # still have the former one, whose vectors are of no use to those who ask next.
            _remember(_key(answer.model_id, self._digest), packed, REMEMBER_SECONDS)
        return answer


def _key(model_id: int, digest: str) -> str:
    return f"query:{model_id}:{digest}"


def encode_in_worker(text: str) -> Answer | None:
    """Return the vector of a query, or None when no worker answers within the time set."""
    return Question(text).answer()


def _remember(key: str, value: object, seconds: int) -> None:
    """Keep it for the next reader; a cache that has gone meanwhile is no reason to fail."""
    with suppress(RedisError, OSError):
        cache.set(key, value, seconds)


def pack(model_id: int, vector: NDArray[np.float32]) -> str:
    return f"{model_id}:{base64.b64encode(vector.astype('<f4').tobytes()).decode('ascii')}"


def unpack(packed: object) -> Answer | None:
    """Return what `pack` made; None for anything else, and for a vector that is not of length 1.

    A cache and a broker outlive versions of this program, and others may write to them.
    """
    if not isinstance(packed, str):
        return None
    model_id, _, numbers = packed.partition(":")
    try:
        vector = np.frombuffer(base64.b64decode(numbers, validate=True), dtype="<f4")
        answer = Answer(int(model_id), vector.astype(np.float32))
    except ValueError:
        return None
    # Not with `>`: a comparison with what is not a number is False.
    return answer if abs(float(np.linalg.norm(answer.vector)) - 1.0) < LENGTH_ERROR else None
