"""Half of a judged set's demands as if their judgements were reviews, the other half to compare."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from catalog.models import Achievement
from matchmaking.evaluation.metrics import LEAST_POOL
from matchmaking.models import DemandIndex
from matchmaking.retrieval.features import matrix
from matchmaking.retrieval.learning import BEST_GRADE, Judged, fit
from matchmaking.services.evaluating import DEPTH
from matchmaking.services.matching import rank_all
from matchmaking.services.training import Comparison, by_demand, compare, cross_validate

# What a run does not return ranks last.
NOWHERE = -1e3


@dataclass(frozen=True)
class Pairs:
    """All judged pairs of a set. `found` (n): whether the run to DEPTH returned the pair; only
    those would have been in front of a manager."""

    judged: Judged
    found: np.ndarray


@dataclass(frozen=True)
class Half:
    """What came of one halving.

    `inner`: the cross validation on the half that was learned from, by which the ranker would be
    promoted. `learned`: the ranker on the other half, promoted or not; `outer`: what readers of
    the other half would see, which is the fixed weights' order where it was not promoted.
    """

    demands: int
    inner: Comparison
    learned: Comparison
    outer: Comparison


def collect(
    judgements: Mapping[str, Mapping[str, int]], progress: Callable[[int], object]
) -> Pairs:
    """Return the judged pairs of the loaded set with their features, by the fixed weights."""
    keys = dict(Achievement.objects.values_list("pk", "external_id"))
    rows: list[dict[str, float]] = []
    fixed: list[float] = []
    grades: list[int] = []
    demands: list[int] = []
    found: list[bool] = []
    for index in DemandIndex.objects.select_related("listing").order_by("pk"):
        pool = judgements.get(index.listing.external_id or "", {})
        progress(1)
        if len(pool) < LEAST_POOL:
            continue
        listed = rank_all(index.listing, index, pool=DEPTH, keep=DEPTH, with_floor=False)
        by_key = {keys[item.candidate.listing_id]: item for item in listed.ranked}
        for key, grade in sorted(pool.items()):
            item = by_key.get(key)
            rows.append({} if item is None else dict(item.features))
            fixed.append(NOWHERE if item is None else item.features["fixed"])
            grades.append(min(grade, BEST_GRADE))
            demands.append(index.pk)
            found.append(item is not None)
    judged = Judged(
        matrix(rows), np.array(fixed), np.array(grades, dtype=np.int64), np.array(demands)
    )
    return Pairs(judged, np.array(found, dtype=bool))


def run(pairs: Pairs, *, seed: int) -> Half:
    """Learn from a random half of the demands and compare on the other.

    The half that is learned from holds only what the run returned, as reviews would. The other is
    ranked as ever: what the run did not return stays last. Raises `RankerUnavailable`.
    """
    judged = pairs.judged
    ids = np.unique(judged.demands)
    chosen = np.random.default_rng(seed).permutation(ids)[: len(ids) // 2]
    mine = np.isin(judged.demands, chosen)
    learned_from = judged.only(mine & pairs.found)
    inner = cross_validate(learned_from)
    other = judged.only(~mine)
    fixed = by_demand(other, other.fixed)
    ranker = fit(learned_from)
    scores = other.fixed.copy()
    seen = pairs.found[~mine]
    scores[seen] = ranker.order(other.features[seen], other.fixed[seen])
    learned = compare(fixed, by_demand(other, scores))
    return Half(len(chosen), inner, learned, learned if inner.won else compare(fixed, fixed))
