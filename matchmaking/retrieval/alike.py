"""One achievement that is listed several times takes one place in a list.

The same result is listed by a university, its institute and a broker, or by one owner ten times: a
list of twenty would hold two or three achievements. Those that say the same as one further up
stand behind it. Two listings say the same when their titles nearly do, with the same figures in
them, and every window of either has a window in the other that means the same.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from catalog.words import folded
from matchmaking.retrieval.centring import centred, load_centres
from matchmaking.retrieval.vectors import vector_index

# Centred cosine from which two windows mean the same. Of 4.5 million pairs of titles hardly any lie
# between 0.93 and 0.97: above are the same ones in other words, below are other things of the
# same kind (a red tea and a green one). See docs/retrieval.md.
SAME = 0.95
# Titles that share so much of their letters may be two of one achievement. Only of those the
# vectors are looked at: most lists have none.
TITLES_ALIKE = 0.6
_FIGURES = re.compile(r"[0-9]+(?:\.[0-9]+)?")


def gather(titles: Mapping[int, str], model_id: int) -> dict[int, list[int]]:
    """Return what stands behind which achievement.

    `titles`: of achievements by id, in the order of a list. Only the first of those that say the
    same has an entry, with the ids of the others in their order.
    """
    pairs = _titles_alike(titles)
    if not pairs:
        return {}
    windows = _windows({pk for pair in pairs for pk in pair}, model_id)
    behind: dict[int, list[int]] = {}
    hidden: set[int] = set()
    for first, other in pairs:
        if first in hidden or other in hidden:
            continue
        if first in windows and other in windows and same(windows[first], windows[other]):
            behind.setdefault(first, []).append(other)
            hidden.add(other)
    return behind


def with_twins(titles: Mapping[int, str]) -> set[int]:
    """Return the achievements that another one may stand behind, or be in front of."""
    return {pk for pair in _titles_alike(titles) for pk in pair}


def same(ours: NDArray[np.float32], theirs: NDArray[np.float32]) -> bool:
    """Say whether two texts mean the same, by their centred windows (n, d) and (m, d)."""
    cosines = ours @ theirs.T
    return float(min(cosines.max(axis=0).min(), cosines.max(axis=1).min())) >= SAME


def _titles_alike(titles: Mapping[int, str]) -> list[tuple[int, int]]:
    """Return pairs of similar titles, in the order of the list."""
    letters = [_letters(title) for title in titles.values()]
    places = {pair: place for place, pair in enumerate(sorted(set().union(*letters)))}
    holds = np.zeros((len(letters), len(places)), np.float32)
    for row, pairs in zip(holds, letters, strict=True):
        row[[places[pair] for pair in pairs]] = 1
    shared = holds @ holds.T
    sizes = holds.sum(axis=1)
    near = np.triu(shared >= TITLES_ALIKE * (sizes[:, None] + sizes[None, :] - shared), k=1)
    ids = list(titles)
    return [
        (ids[one], ids[other])
        for one, other in np.argwhere(near).tolist()
        if _FIGURES.findall(titles[ids[one]]) == _FIGURES.findall(titles[ids[other]])
    ]


@lru_cache(maxsize=20_000)
def _letters(title: str) -> frozenset[str]:
    """Return the pairs of neighbouring letters; popular achievements stand in many lists."""
    text = "".join(char for char in folded(title) if char.isalnum())
    return frozenset(text[at : at + 2] for at in range(max(1, len(text) - 1)))


def _windows(ids: set[int], model_id: int) -> dict[int, NDArray[np.float32]]:
    """Return the centred windows of each listing that has any."""
    stored = vector_index("achievement", model_id).fetch(sorted(ids))
    if not len(stored.listings):
        return {}
    vectors = centred(stored.vectors, stored.languages, load_centres("achievement", model_id))
    starts: Sequence[int] = stored.starts().tolist()
    parts = np.split(vectors, starts[1:])
    return dict(zip(stored.listings[starts].tolist(), parts, strict=True))
