"""Learning from what managers and both sides decided: a ranker, and whether it is any better.

What a decision says of the fit of a pair, as a grade (`GRADES`, `REJECTED`, `DECLINED`):

3  both sides agreed to meet
2  approved: waiting for answers, lapsed, or declined for reasons of one side's own (timing, a
   partner it has, plans that changed, others): the manager's approval stands
1  the right problem, and not enough: rejected for want of an indicator, maturity or money, or
   declined by a side because indicators or the price do not do
0  another problem under similar words

A rejection with several reasons counts by the worst of them that speaks of the fit. One that speaks
of other things alone is left out: "not backed by evidence" is about a listing, not about the pair,
and “other”, or a reason that operators added, may be anything. Suggestions that nobody has decided
say nothing and are left out as well, and so are decisions that were undone, reopened or made void.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from django.conf import settings
from django.db.models import OuterRef, QuerySet, Subquery
from django.utils.translation import gettext as _
from numpy.typing import NDArray

from accounts.models import User
from matchmaking.evaluation.metrics import Interval, interval, ndcg
from matchmaking.models import Consent, EmbeddingModel, Match, RankerVersion, Review
from matchmaking.retrieval.features import FEATURES, FEATURES_VERSION, matrix
from matchmaking.retrieval.learning import (
    PARAMETERS,
    ROUNDS,
    Judged,
    Ranker,
    RankerUnavailable,
    fit,
)
from matchmaking.services import rankers
from matchmaking.services.indexing import current_model
from matchmaking.workflow import Decision, DeclineReason, MatchStatus, ReviewReason, ReviewStatus

logger = logging.getLogger(__name__)

# Decisions that are learned from at most, the latest: 10 MB of features.
DECISIONS_AT_MOST = 50_000
# Each demand is held back once in each round of folds.
FOLDS, REPEATS = 5, 3
SEED = 20261122
# The places of a list that a person looks at.
DEPTH = 10
# A ranker wins where the interval of its gain lies above this. At 0, one of ten halves of a judged
# set promoted a ranker that did nothing for the other half: the interval knows of the demands that
# were drawn, not of the folds and the trees. See docs/retrieval.md.
LEAST_GAIN = 0.005
# The weekly training waits until there are so many times the decisions of the last one.
GROWN = 1.1

GRADES: dict[str, int] = {
    MatchStatus.INTRODUCED: 3,
    MatchStatus.APPROVED: 2,
    MatchStatus.LAPSED: 2,
}
REJECTED: dict[str, int | None] = {
    ReviewReason.OFF_TOPIC: 0,
    ReviewReason.INDICATOR_GAP: 1,
    ReviewReason.IMMATURE: 1,
    ReviewReason.PRICE: 1,
    ReviewReason.NO_EVIDENCE: None,
    ReviewReason.OTHER: None,
}
DECLINED: dict[str, int] = {
    DeclineReason.INDICATORS: 1,
    DeclineReason.PRICE: 1,
    DeclineReason.TIMING: 2,
    DeclineReason.PARTNER: 2,
    DeclineReason.DIRECTION: 2,
    DeclineReason.OTHER: 2,
}


class CannotTrain(Exception):
    """There is nothing to learn from yet; the text says what is missing."""


def grade(
    status: str, decision: str | None, reasons: Iterable[str] | None, declined_for: str | None
) -> int | None:
    """Return 0 to 3 for a decided match, None where the decision says nothing of the fit.

    `decision` and `reasons` are those of the last review, `declined_for` is the reason of the side
    that said no.
    """
    if status == MatchStatus.REJECTED:
        if decision != Decision.REJECT:
            return None
        known = [REJECTED.get(reason) for reason in reasons or ()]
        return min((one for one in known if one is not None), default=None)
    if decision != Decision.APPROVE:
        return None
    if status == MatchStatus.DECLINED:
        return DECLINED.get(declined_for or "")
    return GRADES.get(status)


@dataclass(frozen=True)
class Decisions:
    """What was read: judged pairs, how many of each grade, and how many say nothing of the fit."""

    judged: Judged
    by_grade: dict[int, int]
    left_out: int

    @property
    def telling(self) -> int:
        """The number of demands whose judgements tell pairs apart."""
        grades = self.judged.grades
        return sum(
            bool(grades[group].min() < grades[group].max()) for group in self.judged.groups()
        )


# What `grade` asks for, by the names that `with_decisions` gives.
SAID = ("status", "decision", "reasons", "declined_for")


def with_decisions(matches: QuerySet[Match]) -> QuerySet[Match]:
    """Say with each match what was decided about it: see `SAID` and `grade`."""
    last = Review.objects.filter(match=OuterRef("pk"), status=ReviewStatus.SUBMITTED).order_by(
        "-closed_at", "-pk"
    )
    no = Consent.objects.filter(match=OuterRef("pk"), agreed=False).order_by("-created_at")
    return matches.annotate(
        decision=Subquery(last.values("decision")[:1]),
        reasons=Subquery(last.values("reasons")[:1]),
        declined_for=Subquery(no.values("reason")[:1]),
    )


def read_decisions(model: EmbeddingModel) -> Decisions:
    """Read the latest decisions on matches whose features are those of today.

    Row by row, numbers only. Features of the vectors of another model mean something else.
    """
    matches = Match.objects.filter(
        status__in=(*GRADES, MatchStatus.REJECTED, MatchStatus.DECLINED),
        features__version=FEATURES_VERSION,
        model=model,
    ).order_by("-decided_at", "-pk")
    rows = with_decisions(matches).values_list("demand", "features", *SAID)[:DECISIONS_AT_MOST]
    demands: list[int] = []
    grades: list[int] = []
    fixed: list[float] = []
    tables: list[NDArray[np.float64]] = []
    left_out = 0
    for demand, features, *decided in rows.iterator(chunk_size=1000):
        value = grade(*decided)
        if value is None or "fixed" not in features:
            left_out += 1
            continue
        demands.append(demand)
        grades.append(value)
        fixed.append(float(features["fixed"]))
        tables.append(matrix([features]).astype(np.float32))
    judged = Judged(
        np.concatenate(tables).astype(np.float64) if tables else np.empty((0, len(FEATURES))),
        np.array(fixed),
        np.array(grades, dtype=np.int64),
        np.array(demands, dtype=np.int64),
    )
    # Those of one demand together, the newest demands last.
    judged = judged.only(np.argsort(judged.demands, kind="stable"))
    return Decisions(judged, dict(sorted(Counter(grades).items())), left_out)


@dataclass(frozen=True)
class Comparison:
    """nDCG@10 of both orders on held-back demands, and what the difference is sure to be."""

    demands: int
    fixed: Interval
    learned: Interval
    difference: Interval

    @property
    def won(self) -> bool:
        return self.difference.low > LEAST_GAIN


def by_demand(judged: Judged, scores: NDArray[np.float64]) -> dict[int, float]:
    """Return nDCG@10 of each demand whose judgements tell pairs apart."""
    found: dict[int, float] = {}
    for group in judged.groups():
        grades = judged.grades[group].tolist()
        if min(grades) == max(grades):
            continue
        order = np.argsort(-scores[group], kind="stable").tolist()
        found[int(judged.demands[group.start])] = ndcg(
            [str(at) for at in order],
            {str(at): value for at, value in enumerate(grades)},
            DEPTH,
        )
    return found


def compare(fixed: dict[int, float], learned: dict[int, float]) -> Comparison:
    """Compare two orders of the same demands, pair by pair."""
    before = [fixed[demand] for demand in fixed]
    after = [learned[demand] for demand in fixed]
    return Comparison(
        len(fixed),
        interval(before),
        interval(after),
        interval([late - early for early, late in zip(before, after, strict=True)]),
    )


def cross_validate(judged: Judged, progress: Callable[[int], object] | None = None) -> Comparison:
    """Compare learned rankers with the fixed weights on demands that they have not seen.

    All pairs of a demand are held back together. A demand's figure is the mean over the rounds,
    each of which deals the demands into other folds. Raises `RankerUnavailable`.
    """
    dice = np.random.default_rng(SEED)
    ids = np.unique(judged.demands)
    sums: Counter[int] = Counter()
    for _round in range(REPEATS):
        fold_of = dice.permutation(len(ids)) % FOLDS
        fold = fold_of[np.searchsorted(ids, judged.demands)]
        scores = np.empty(len(judged))
        for one in range(FOLDS):
            held = fold == one
            ranker = fit(judged.only(~held))
            scores[held] = ranker.order(judged.features[held], judged.fixed[held])
            if progress is not None:
                progress(1)
        sums.update(by_demand(judged, scores))
    fixed = by_demand(judged, judged.fixed)
    return compare(fixed, {demand: sums[demand] / REPEATS for demand in fixed})


def report_of(comparison: Comparison, ranker: Ranker, decisions: Decisions) -> dict[str, Any]:
    """Return a training run as it is stored and shown."""
    return {
        "measure": f"ndcg{DEPTH}",
        "folds": FOLDS,
        "repeats": REPEATS,
        "least_gain": LEAST_GAIN,
        "demands": comparison.demands,
        "fixed": _figures(comparison.fixed),
        "learned": _figures(comparison.learned),
        "difference": _figures(comparison.difference),
        "grades": {str(value): count for value, count in decisions.by_grade.items()},
        "left_out": decisions.left_out,
        "gains": {
            name: round(share, 3) for name, share in ranker.gains().items() if share >= 0.0005
        },
        "rounds": ROUNDS,
        "parameters": {
            name: value for name, value in PARAMETERS.items() if not isinstance(value, list)
        },
    }


def _figures(figure: Interval) -> dict[str, float]:
    return {name: round(float(getattr(figure, name)), 4) for name in ("mean", "low", "high")}


def enough(decisions: Decisions) -> None:
    """Raise `CannotTrain` with a sentence where there is too little to learn from."""
    least, telling = settings.RANKER_MIN_DECISIONS, settings.RANKER_MIN_DEMANDS
    if len(decisions.judged) < least or decisions.telling < telling:
        raise CannotTrain(
            _(
                "There are %(decisions)d decisions on %(telling)d demands that have good and less "
                "good matches. At least %(least)d decisions and %(least_telling)d such demands are "
                "needed; the fixed weights stay."
            )
            % {
                "decisions": len(decisions.judged),
                "telling": decisions.telling,
                "least": least,
                "least_telling": telling,
            }
        )


@dataclass(frozen=True)
class Trained:
    """A training run. `version` is None where nothing was stored."""

    comparison: Comparison
    decisions: Decisions
    report: dict[str, Any]
    version: RankerVersion | None
    promoted: bool


def train(
    *,
    actor: User | None = None,
    dry_run: bool = False,
    progress: Callable[[int], object] | None = None,
) -> Trained:
    """Learn a ranker from all decisions, and let it rank if it beats the fixed weights.

    It wins where the lower end of the interval of the difference is above `LEAST_GAIN`. A loser
    is stored too, with its report and without its trees. Raises `CannotTrain` and
    `RankerUnavailable`.
    """
    model = current_model()
    if model is None:
        raise CannotTrain(_("No listing has been indexed yet; there is nothing to learn from."))
    decisions = read_decisions(model)
    enough(decisions)
    comparison = cross_validate(decisions.judged, progress)
    ranker = fit(decisions.judged)
    report = report_of(comparison, ranker, decisions)
    if dry_run:
        return Trained(comparison, decisions, report, None, False)
    version = rankers.store(
        model=model,
        report=report,
        demands=len(np.unique(decisions.judged.demands)),
        decisions=len(decisions.judged),
        ranker=ranker if comparison.won else None,
    )
    promoted = comparison.won and rankers.use(version=version, actor=actor)
    return Trained(comparison, decisions, report, version, promoted)


def train_again() -> Trained | None:
    """Train if there are enough more decisions than the last training had. None: nothing to do."""
    last = RankerVersion.objects.order_by("-number").first()
    model = current_model()
    if model is None:
        return None
    decisions = len(read_decisions(model).judged)
    if last is not None and last.model_id == model.pk and decisions < GROWN * last.decisions:
        return None
    try:
        return train()
    except (CannotTrain, RankerUnavailable) as error:
        logger.info("No ranker was trained: %s", error)
        return None
