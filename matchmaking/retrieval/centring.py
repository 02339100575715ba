"""Taking out of every vector what all texts of its kind have in common.

Vectors of a sentence encoder crowd in a narrow cone (Ethayarajh 2019, "How Contextual are
Contextualized Word Representations?"), one for each language: two texts of one language are near
whatever they say. So the mean vector of a text's language and side (demands are encoded as
queries, achievements as passages) is subtracted, and what is left is made a unit vector again
(Mu and Viswanath 2018, "All-but-the-Top", their first step). Cosines of what is left tell strangers
(about 0) from partners, and languages are evened out in the same step. Figures: docs/retrieval.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from matchmaking.models import Centre

Vectors = NDArray[np.float32]

# A centre is the mean of a list's windows and of as many as these of the samples: a young list
# has a handful of texts, which say more of themselves than of their language.
PRIOR_WINDOWS = 16
# The best of many windows is high by chance alone, and higher the more there are: so much is taken
# off for each factor e of their number.
CHANCE = 0.04


def load_centres(kind: str, model_id: int | None) -> dict[str, Vectors]:
    """Return the centre of each language of a list under a model."""
    rows = Centre.objects.filter(corpus=kind, model=model_id).values_list("language", "vector")
    return {language: np.array(vector, dtype=np.float32) for language, vector in rows}


def centred(
    vectors: Vectors, languages: Sequence[str] | NDArray[np.str_], centres: Mapping[str, Vectors]
) -> Vectors:
    """Return unit rows (n, d) without what their languages have in common.

    A language without a centre is left as it is. A vector that is its centre says nothing, and
    becomes zero: near to nothing.
    """
    rows = np.array(vectors, dtype=np.float32)
    written = np.asarray(languages)
    for language, centre in centres.items():
        rows[written == language] -= centre
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    np.divide(rows, lengths, out=rows, where=lengths > 1e-4)
    rows[lengths[:, 0] <= 1e-4] = 0.0
    return rows


def pair_scores(
    asked: Vectors, stored: Vectors, starts: NDArray[np.intp]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return (mean, best) for each of the m listings that begin at `starts`.

    `asked` (q, d): the windows of one demand; `stored` (n, d): those of m achievements. For each
    of the demand's windows the best of an achievement's counts, less what `by_chance` says; their
    mean and the best of them.
    """
    best = np.maximum.reduceat(asked @ stored.T, starts, axis=1)
    best -= by_chance(np.diff(np.r_[starts, len(stored)]))
    return best.mean(axis=0), best.max(axis=0)


def by_chance(windows: NDArray[np.intp]) -> NDArray[np.float32]:
    """Return what is taken off the best of so many of an achievement's windows (m,)."""
    return np.asarray(CHANCE * np.log(windows), dtype=np.float32)
