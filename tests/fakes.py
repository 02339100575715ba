"""What stands in for the model where a test is not about the quality of matches."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

import numpy as np
from django.conf import settings

from catalog.words import words
from matchmaking.retrieval.encoders import Vectors


class FakeEncoder:
    """Turns a text into the sum of its words' directions: texts that share words are near.

    `encoded` holds every text it was given; `meanwhile` is called once, while it encodes.
    """

    name = "fake"

    def __init__(
        self,
        revision: str = "1",
        *,
        dimension: int = settings.EMBEDDING_DIMENSION,
        meanwhile: Callable[[], object] | None = None,
    ) -> None:
        self.revision = revision
        self.dimension = dimension
        self.encoded: list[str] = []
        self._meanwhile = meanwhile

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        return self._encode(texts)

    def encode_passages(self, texts: Sequence[str]) -> Vectors:
        return self._encode(texts)

    def count_tokens(self, text: str) -> int:
        return len(words(text))

    def _encode(self, texts: Sequence[str]) -> Vectors:
        if any(not text.strip() for text in texts):
            raise ValueError("An empty text has no vector.")
        self.encoded.extend(texts)
        if self._meanwhile is not None:
            meanwhile, self._meanwhile = self._meanwhile, None
            meanwhile()
        rows = [
            sum((self._direction(word) for word in words(text)), self._direction(""))
            for text in texts
        ]
        return np.array([row / np.linalg.norm(row) for row in rows], dtype=np.float32)

    def _direction(self, word: str) -> Vectors:
        """Return the same unit vector for the same word, at right angles to most others."""
        seed = int.from_bytes(hashlib.sha256(word.encode()).digest()[:8], "big")
        row = np.random.default_rng(seed).standard_normal(self.dimension)
        return (row / np.linalg.norm(row)).astype(np.float32)


class Unanswered:
    """A question that no worker answers: the page goes on with words alone."""

    def __init__(self, text: str) -> None:
        self.text = text

    def answer(self) -> None:
        return None
