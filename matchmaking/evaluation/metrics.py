"""How good a ranking is against judgements, and how sure that is.

nDCG with gain 2^grade - 1: Burges et al. 2005, "Learning to Rank using Gradient Descent". Intervals
are percentile bootstraps over demands (Efron 1979); to compare two engines the difference of each
demand is resampled, so that a hard demand is hard for both (Sakai 2006, "Evaluating Evaluation
Metrics based on the Bootstrap").
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

# achievement -> grade, 0: does not fit
Grades = Mapping[str, int]

RESAMPLES = 2000
# A pool of fewer judgements orders itself.
LEAST_POOL = 5
# From this grade on a partner is a good one, where judgements are graded.
GOOD = 2


class Interval(NamedTuple):
    """A mean over `n` demands and the ends of its 95 % interval."""

    mean: float
    low: float
    high: float
    n: int


def ndcg(ranked: Sequence[str], grades: Grades, k: int = 10) -> float:
    """Return nDCG@k over what was judged alone; what was not returned ranks last.

    0 where nothing judged fits.
    """
    place = {key: at for at, key in enumerate(ranked)}
    order = sorted(grades, key=lambda key: (place.get(key, len(ranked)), key))
    ideal = _dcg(sorted(grades.values(), reverse=True)[:k])
    return _dcg([grades[key] for key in order[:k]]) / ideal if ideal else 0.0


def recall(ranked: Sequence[str], good: set[str], k: int = 50) -> float:
    """Return the share of `good` among the first k: of as many as fit there."""
    return len(good.intersection(ranked[:k])) / min(k, len(good)) if good else 0.0


def reciprocal_rank(ranked: Sequence[str], right: set[str], k: int = 10) -> float:
    """Return 1 / the place of the first right one, 0 behind place k."""
    return next((1 / at for at, key in enumerate(ranked[:k], start=1) if key in right), 0.0)


def measure(
    run: Mapping[str, Sequence[str]], judged: Mapping[str, Grades]
) -> dict[str, dict[str, float]]:
    """Return {measure: {demand: value}} of a run, which ranks achievements for each demand.

    Where some demand has grades above 1, each has a pool of its own: `ndcg10` and `recall50`; else
    there is a right answer: `hit1`, `hit10` and `mrr10`. A demand whose judgements tell nothing
    apart is left out, one that the run does not have counts 0.
    """
    found: dict[str, dict[str, float]] = {}
    is_graded = any(grade > 1 for grades in judged.values() for grade in grades.values())
    for demand, grades in sorted(judged.items()):
        ranked = run.get(demand, ())
        fitting = {key for key, grade in grades.items() if grade > 0}
        if is_graded:
            if not fitting or len(grades) < LEAST_POOL:
                continue
            good = {key for key, grade in grades.items() if grade >= GOOD}
            found.setdefault("ndcg10", {})[demand] = ndcg(ranked, grades)
            if good:
                found.setdefault("recall50", {})[demand] = recall(ranked, good)
        elif fitting:
            for name, k in (("hit1", 1), ("hit10", 10)):
                hit = not fitting.isdisjoint(ranked[:k])
                found.setdefault(name, {})[demand] = float(hit)
            found.setdefault("mrr10", {})[demand] = reciprocal_rank(ranked, fitting)
    return found


def interval(values: Sequence[float], *, seed: int = 0) -> Interval:
    """Return the mean of at least one value, and its 95 % bootstrap interval."""
    array = np.asarray(values, dtype=np.float64)
    chance = np.random.default_rng(seed)
    picks = chance.integers(0, len(array), (RESAMPLES, len(array)))
    low, high = np.quantile(array[picks].mean(axis=1), (0.025, 0.975))
    return Interval(float(array.mean()), float(low), float(high), len(array))


def gain(before: Mapping[str, float], after: Mapping[str, float], *, seed: int = 0) -> Interval:
    """Return by how much `after` is better, over the demands that both have, with its interval.

    Raise `ValueError` where they share none.
    """
    shared = sorted(before.keys() & after.keys())
    if not shared:
        raise ValueError("The two runs share no demand.")
    return interval([after[demand] - before[demand] for demand in shared], seed=seed)


def _dcg(grades: Sequence[int]) -> float:
    return sum((2.0**grade - 1) / math.log2(at + 1) for at, grade in enumerate(grades, start=1))
