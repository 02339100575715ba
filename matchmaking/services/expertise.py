"""How well a manager knows what is to be reviewed, 0 to 1: the weights and their reasons.

Four parts, each 0 to 1, weighed by `WEIGHTS`:

- `industry`: the mean over both sides of 1 where the manager names the side's division of GB/T 4754
  (C34), `SECTION` where they name its section alone (C). Whoever names all of manufacturing knows
  less of bearings. A side that names no industry is left out.
- `past`: the cosine of the pair's centred vector with the mean of those that the manager has
  decided, over `NEAR`: centred cosines of texts of one field are seldom higher (docs/retrieval.md).
  With k decisions it counts k / (k + `PRIOR`), the rest is `UNKNOWN`: who is new stands in the
  middle, neither preferred nor shut out.
- `region`: 1 where the manager works in the demand's province, `NEIGHBOUR` where in another of the
  same part of the country, or in the achievement's province. Visits are a part of brokering.
- `grade`: for a match worth more than what needs a second approval, the manager's grade; below,
  everybody's is enough.

What nothing is known of is `UNKNOWN` for every manager alike, and decides nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from django.conf import settings
from django.db.models import F
from django.utils import timezone
from numpy.typing import NDArray
from pgvector import HalfVector

from accounts.models import ManagerGrade
from accounts.regions import same_part
from matchmaking.models import EmbeddingModel, ManagerVector, Review
from matchmaking.retrieval.centring import Vectors, centred, load_centres
from matchmaking.retrieval.vectors import vector_index
from matchmaking.workflow import ReviewStatus

if TYPE_CHECKING:
    from matchmaking.services.desks import Case, Desk

WEIGHTS = {"industry": 0.5, "past": 0.25, "region": 0.15, "grade": 0.1}
UNKNOWN = 0.5
SECTION = 0.6
NEIGHBOUR = 0.5
NEAR = 0.5
PRIOR = 4
GRADES = {ManagerGrade.SENIOR: 1.0, ManagerGrade.INTERMEDIATE: 0.6, ManagerGrade.JUNIOR: 0.2}
# The last so many decisions say where a manager works now. A run looks at so many managers anew.
DECISIONS, MANAGERS = 100, 25

Matrix = NDArray[np.float32]


def expertise(cases: Sequence[Case], desks: Sequence[Desk]) -> Matrix:
    """Return how well each of m managers knows each of n cases (n, m), in whole hundredths."""
    parts = {
        "industry": _industry(cases, desks),
        "past": _past(cases, desks),
        "region": _region(cases, desks),
        "grade": _grade(cases, desks),
    }
    whole = sum(WEIGHTS[name] * part for name, part in parts.items())
    return np.asarray(np.round(whole, 2), dtype=np.float32)


# --- The parts ------------------------------------------------------------------------------------


def known_classes(classes: Iterable[str], industries: Iterable[str]) -> list[str]:
    """Return those of a manager's classes that cover one of the industries."""
    found = [code for code in industries if code]
    return [known for known in classes if any(code.startswith(known) for code in found)]


def _industry(cases: Sequence[Case], desks: Sequence[Desk]) -> Matrix:
    codes = sorted({code for case in cases for code in case.industries if code})
    place = {code: at for at, code in enumerate(codes)}
    known = np.zeros((len(codes), len(desks)), np.float32)
    for column, desk in enumerate(desks):
        for at, code in enumerate(codes):
            lengths = [len(one) for one in known_classes(desk.profile.classes, [code])]
            known[at, column] = (1.0 if max(lengths) > 1 else SECTION) if lengths else 0.0
    result = np.full((len(cases), len(desks)), UNKNOWN, np.float32)
    for row, case in enumerate(cases):
        sides = [place[code] for code in case.industries if code]
        if sides:
            result[row] = known[sides].mean(axis=0)
    return result


def knows_region(desk: Desk, case: Case) -> bool:
    """Say whether a manager works in the province of the first side that names one."""
    regions = [region for region in case.regions if region]
    return bool(regions) and any(one[:2] == regions[0][:2] for one in desk.profile.regions)


def _region(cases: Sequence[Case], desks: Sequence[Desk]) -> Matrix:
    """Work out each pair of places once: cases of a whole country name some hundreds."""
    known: dict[tuple[str, ...], NDArray[np.float32]] = {}
    result = np.empty((len(cases), len(desks)), np.float32)
    for row, case in enumerate(cases):
        places = tuple(region[:2] for region in case.regions if region)
        if places not in known:
            known[places] = np.array([_near(places, desk) for desk in desks], np.float32)
        result[row] = known[places]
    return result


def _near(places: tuple[str, ...], desk: Desk) -> float:
    if not places:
        return UNKNOWN
    own = {one[:2] for one in desk.profile.regions}
    if places[0] in own:
        return 1.0
    near = own & set(places) or any(same_part(places[0], one) for one in own)
    return NEIGHBOUR if near else 0.0


def _grade(cases: Sequence[Case], desks: Sequence[Desk]) -> Matrix:
    grades = np.array([GRADES[ManagerGrade(desk.profile.grade)] for desk in desks], np.float32)
    dear = np.array([case.worth > settings.SECOND_REVIEW_ABOVE for case in cases], np.bool_)
    return np.where(dear[:, None], grades[None, :], np.float32(1.0)).astype(np.float32)


def _past(cases: Sequence[Case], desks: Sequence[Desk]) -> Matrix:
    result = np.full((len(cases), len(desks)), UNKNOWN, np.float32)
    model = EmbeddingModel.objects.current()
    if model is None:
        return result
    rows = {
        row.user_id: row
        for row in ManagerVector.objects.filter(
            user__in=[desk.profile.user_id for desk in desks], model=model
        )
    }
    columns = [column for column, desk in enumerate(desks) if desk.profile.user_id in rows]
    if not columns:
        return result
    stored = [rows[desks[column].profile.user_id] for column in columns]
    means = np.array([row.vector for row in stored], np.float32)
    asked = pair_vectors([case.listings for case in cases], model.pk)
    close = np.clip(asked @ means.T / NEAR, 0, 1)
    used = np.array([row.used for row in stored], np.float32)
    trust = used / (used + PRIOR)
    result[:, columns] = trust * close + (1 - trust) * UNKNOWN
    # A pair without vectors is as near to the one as to the other.
    result[~asked.any(axis=1)] = UNKNOWN
    return result


# --- Vectors --------------------------------------------------------------------------------------


def pair_vectors(listings: Sequence[tuple[int | None, int | None]], model_id: int) -> Vectors:
    """Return a unit row for each pair (demand, achievement), zero where neither has vectors.

    Each side is the mean of its windows, without what all texts of its language have in common;
    of a pair the two are added.
    """
    dimension = EmbeddingModel.objects.values_list("dimension", flat=True).get(pk=model_id)
    result = np.zeros((len(listings), dimension), np.float32)
    for side, kind in enumerate(("demand", "achievement")):
        ids = sorted({pk for pair in listings if (pk := pair[side]) is not None})
        if not ids:
            continue
        windows = vector_index(kind, model_id).fetch(ids)
        if not len(windows.listings):
            continue
        rows = centred(windows.vectors, windows.languages, load_centres(kind, model_id))
        starts = windows.starts()
        sums = _unit(np.add.reduceat(rows, starts, axis=0))
        place = {int(pk): at for at, pk in enumerate(windows.listings[starts])}
        for row, pair in enumerate(listings):
            at = place.get(pair[side] or 0)
            if at is not None:
                result[row] += sums[at]
    return _unit(result)


def _unit(rows: Vectors) -> Vectors:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    result: Vectors = np.divide(rows, lengths, out=np.zeros_like(rows), where=lengths > 1e-6)
    return result


def refresh_vectors(desks: Sequence[Desk]) -> int:
    """Bring the means of managers who have decided more up to date. Return how many.

    No more than `MANAGERS` at a time, the others with the next run: 100 decisions each are some
    8 MB to read for 25 managers.
    """
    model = EmbeddingModel.objects.current()
    if model is None:
        return 0
    known = {
        user: (of_model, decided)
        for user, of_model, decided in ManagerVector.objects.filter(
            user__in=[desk.profile.user_id for desk in desks]
        ).values_list("user", "model", "decided")
    }
    stale = [
        desk
        for desk in desks
        if desk.decided and known.get(desk.profile.user_id) != (model.pk, desk.decided)
    ][:MANAGERS]
    pairs: list[tuple[int, int]] = []
    parts: list[slice] = []
    for desk in stale:
        decided = Review.objects.filter(
            manager=desk.profile.user_id, status=ReviewStatus.SUBMITTED
        ).order_by(F("closed_at").desc(nulls_last=True), "-pk")
        said = decided.values_list("match__demand", "match__achievement")[:DECISIONS]
        parts.append(slice(len(pairs), len(pairs) + len(said)))
        pairs += said
    rows = pair_vectors(pairs, model.pk)
    now = timezone.now()
    ManagerVector.objects.bulk_create(
        (
            ManagerVector(
                user=desk.profile.user,
                model=model,
                vector=HalfVector(_unit(rows[part].sum(axis=0, keepdims=True))[0]),
                decided=desk.decided,
                used=int(rows[part].any(axis=1).sum()),
                updated_at=now,
            )
            for desk, part in zip(stale, parts, strict=True)
        ),
        update_conflicts=True,
        unique_fields=["user"],
        update_fields=["model", "vector", "decided", "used", "updated_at"],
    )
    return len(stale)
