"""A ranker learned from decisions: fitting one, and asking the one that is in use.

LightGBM's LambdaMART (Burges 2010, "From RankNet to LambdaRank to LambdaMART") starts from the
score of the fixed weights, as log odds, and adds small trees to it. So little data changes little,
and the sum is a score on the fixed weights' own scale: the same logistic curve makes it a
confidence, order and confidence agree, and the floor means what it meant.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from catalog.models import Listing
from matchmaking.models import RankerVersion
from matchmaking.retrieval.candidates import PLACES
from matchmaking.retrieval.features import (
    DIRECTIONS,
    FEATURES,
    FEATURES_VERSION,
    describe,
    matrix,
)
from matchmaking.retrieval.ranking import WIDTH, Ranked, confidence

logger = logging.getLogger(__name__)

# Log odds in one unit of score; see `ranking.confidence`.
LOG_ODDS = math.log(3) / WIDTH
# The highest grade of a judged pair; see `services.training`.
BEST_GRADE = 3
ROUNDS = 60
PARAMETERS: dict[str, Any] = {
    "objective": "lambdarank",
    # Few data: shallow trees, large leaves, small steps.
    "learning_rate": 0.05,
    "num_leaves": 6,
    "min_data_in_leaf": 20,
    "lambda_l2": 5.0,
    "lambdarank_truncation_level": 10,
    "label_gain": [2**grade - 1 for grade in range(BEST_GRADE + 1)],
    # A better text or field never makes a match worse.
    "monotone_constraints": [DIRECTIONS.get(name, 0) for name in FEATURES],
    # The same data give the same ranker.
    "seed": 20261122,
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 1,
    "verbosity": -1,
}


class RankerUnavailable(Exception):
    """LightGBM cannot be loaded here; the text says why."""


@dataclass(frozen=True)
class Judged:
    """Judged pairs, those of one demand together.

    `features` (n, len(FEATURES)); `fixed` (n): scores of the fixed weights; `grades` (n): 0 to
    BEST_GRADE; `demands` (n): ids.
    """

    features: NDArray[np.float64]
    fixed: NDArray[np.float64]
    grades: NDArray[np.int64]
    demands: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.grades)

    def groups(self) -> list[slice]:
        """Return where each demand's pairs stand."""
        if not len(self):
            return []
        starts = np.flatnonzero(np.diff(self.demands)) + 1
        edges = [0, *starts.tolist(), len(self)]
        return [slice(low, high) for low, high in pairwise(edges)]

    def only(self, rows: NDArray[Any]) -> Judged:
        """Return some of the rows, by mask or by place."""
        return Judged(self.features[rows], self.fixed[rows], self.grades[rows], self.demands[rows])


class Ranker:
    """Trees, and what they add on average to a judged pair, which is taken off again."""

    def __init__(self, booster: Any, offset: float) -> None:
        self._booster = booster
        self.offset = offset

    @property
    def text(self) -> str:
        """The trees as LightGBM writes them."""
        return str(self._booster.model_to_string())

    def order(
        self, features: NDArray[np.float64], fixed: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return scores (n) on the scale of the fixed weights' scores `fixed` (n)."""
        if not len(fixed):
            return fixed
        trees = self._trees(features)
        return np.round(fixed + (trees - self.offset) / LOG_ODDS, PLACES)

    def gains(self) -> dict[str, float]:
        """Return each feature's share of what the trees gain, the largest first."""
        gains = self._booster.feature_importance("gain")
        total = float(gains.sum()) or 1.0
        shares = {name: float(gain) / total for name, gain in zip(FEATURES, gains, strict=True)}
        return dict(sorted(shares.items(), key=lambda item: (-item[1], item[0])))

    def _trees(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(
            self._booster.predict(features, raw_score=True, num_threads=1), dtype=np.float64
        )


def library() -> Any:
    """Return LightGBM. Raises `RankerUnavailable` with a sentence.

    Only workers and commands come here: loading it takes a second and 60 MB.
    """
    try:
        import lightgbm
    except ImportError as error:
        raise RankerUnavailable(
            "LightGBM is not installed. Run: pip install -r requirements/base.txt"
        ) from error
    except OSError as error:
        raise RankerUnavailable(
            f"LightGBM cannot be loaded ({error}). It needs the system's libgomp.so.1; on Debian"
            " and Ubuntu: apt-get install libgomp1"
        ) from error
    return lightgbm


def fit(judged: Judged) -> Ranker:
    """Learn a ranker; the same data give the same. Raises `RankerUnavailable`."""
    lightgbm = library()
    sizes = [group.stop - group.start for group in judged.groups()]
    data = lightgbm.Dataset(
        judged.features,
        judged.grades,
        group=sizes,
        init_score=judged.fixed * LOG_ODDS,
        feature_name=list(FEATURES),
        params={"verbosity": -1},
        free_raw_data=True,
    )
    booster = lightgbm.train(PARAMETERS, data, num_boost_round=ROUNDS)
    ranker = Ranker(booster, 0.0)
    # Trees tell pairs of one demand apart; what they add to all alike means nothing.
    trees = ranker._trees(judged.features)
    ranker.offset = float(np.mean([trees[group].mean() for group in judged.groups()]))
    return ranker


def load(version: RankerVersion) -> Ranker:
    """Return a stored ranker. Raises `RankerUnavailable` where it cannot be asked here."""
    lightgbm = library()
    try:
        booster = lightgbm.Booster(model_str=version.trees)
    except lightgbm.basic.LightGBMError as error:
        raise RankerUnavailable(f"Ranker {version.number} cannot be read: {error}") from error
    if booster.feature_name() != list(FEATURES):
        raise RankerUnavailable(f"Ranker {version.number} knows other features.")
    return Ranker(booster, version.offset)


@dataclass(frozen=True)
class InUse:
    """The version that ranks; without a ranker it cannot be asked here."""

    version_id: int
    ranker: Ranker | None


_in_use: InUse | None = None
_lock = Lock()


def active(model_id: int | None) -> tuple[int, Ranker] | None:
    """Return the id and the ranker of the version in use, None for the fixed weights.

    One query; the trees are read when the version has changed. A version that cannot be asked
    (other features, vectors of another model, no library) is said once, and is passed over.
    """
    global _in_use
    row = (
        RankerVersion.objects.filter(is_active=True)
        .values_list("pk", "number", "features_version", "model")
        .first()
    )
    if row is None:
        return None
    pk, number, features_version, of_model = row
    if features_version != FEATURES_VERSION or of_model != model_id:
        logger.warning(
            "Ranker %d is passed over: it was learned from other features or of another model's"
            " vectors. The fixed weights rank.",
            number,
        )
        return None
    with _lock:
        if _in_use is None or _in_use.version_id != pk:
            try:
                ranker = load(RankerVersion.objects.get(pk=pk))
            except RankerUnavailable as error:
                logger.error("%s The fixed weights rank.", error)
                ranker = None
            _in_use = InUse(pk, ranker)
        ranker = _in_use.ranker
    return None if ranker is None else (pk, ranker)


def rerank(
    demand: Listing,
    achievements: Mapping[int, Listing],
    ranked: Sequence[Ranked],
    grids: Mapping[int, Sequence[Mapping[str, Any]]],
    *,
    in_use: tuple[int, Ranker] | None,
    pool: int,
) -> list[Ranked]:
    """Return a demand's candidates with their features, in the order of the version in use.

    Those without a grid are left out. `ranked` comes from the fixed weights, best first, and stays
    as it is where they rank. `in_use`: what `active` says. `pool`: see `features.describe`.
    """
    rows = describe(demand, achievements, ranked, grids, pool=pool)
    ranked = [item for item in ranked if item.candidate.listing_id in grids]
    ranked = [replace(item, features=row) for item, row in zip(ranked, rows, strict=True)]
    if in_use is None or not ranked:
        return ranked
    pk, ranker = in_use
    fixed = np.array([item.score for item in ranked])
    scores = ranker.order(matrix(rows), fixed).tolist()
    ordered = [
        replace(item, score=score, confidence=confidence(score), ranker=pk)
        for item, score in zip(ranked, scores, strict=True)
    ]
    ordered.sort(key=lambda item: (-item.score, item.candidate.listing_id))
    return ordered


def forget() -> None:
    """Have the version in use read again: for tests, which make other rows of the same id."""
    global _in_use
    _in_use = None
