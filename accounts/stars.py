"""Stars of technology managers: the published formula, and how a result is shown.

Four parts, each a share of something that others decide: reviews answered before their deadline,
decisions that stood, introductions that led to a contract, and what both sides say. A share of few
cases says little, so each is drawn towards what managers have on average, by as many cases as
`Part.prior_n`: the mean of the posterior of a beta-binomial model,

    shrunk = (good + prior_n · prior) / (n + prior_n)

(Gelman, Carlin, Stern, Dunson, Vehtari, Rubin: Bayesian Data Analysis, 3rd edition, section 2.4;
widely used for ratings as the “Bayesian average”). So one success of one case is no five stars, and
nobody falls by one bad day. Each share then counts from 0 (`zero`) to 1 (`full`), parts without
data are left out, and the weighted mean of the rest is rounded to half stars, 1 to 5. Under
`MINIMUM` reviews that were answered or missed there are none.

A review that was declined, for a conflict of interest or for lack of time, is in no part.
`matchmaking.services.stars` counts; the help page shows this table. Whoever changes a figure here
raises `VERSION`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db.models import QuerySet
from django.utils.formats import number_format
from django.utils.translation import pgettext_lazy
from django_stubs_ext import StrOrPromise

from accounts.models import ManagerProfile, ManagerStars

VERSION = 1
# Reviews that were answered, or not in time: fewer show a manager's luck, not their work.
MINIMUM = 10
# What counts is what happened in this many days: people learn, and grow tired.
WINDOW_DAYS = 730
RATING_LOW, RATING_HIGH = 1, 5


@dataclass(frozen=True)
class Part:
    """One part of the formula. `prior`, `zero` and `full` are shares, of ratings the mean (1-5)."""

    code: str
    label: StrOrPromise
    short: StrOrPromise
    weight: int
    prior: float
    prior_n: int
    zero: float
    full: float

    @property
    def is_rating(self) -> bool:
        return self.code == "ratings"

    def say(self, value: float) -> str:
        """Return a share or a mean in words: “96%”, “4.6”."""
        if self.is_rating:
            return str(number_format(value, 1))
        return f"{math.floor(100 * value + 0.5)}%"

    def points(self, good: float, n: int) -> float:
        """Return what the part counts, 0 to 1; `n` cases, `good` of them (or their sum)."""
        shrunk = (good + self.prior_n * self.prior) / (n + self.prior_n)
        return min(1.0, max(0.0, (shrunk - self.zero) / (self.full - self.zero)))


FORMULA = (
    Part(
        "time",
        pgettext_lazy("stars", "Reviews answered before their deadline"),
        pgettext_lazy("stars", "on time"),
        weight=3,
        prior=0.85,
        prior_n=10,
        zero=0.5,
        full=1.0,
    ),
    Part(
        "stood",
        pgettext_lazy("stars", "Decisions that were not overturned"),
        pgettext_lazy("stars", "decisions stood"),
        weight=2,
        prior=0.95,
        prior_n=10,
        zero=0.8,
        full=1.0,
    ),
    Part(
        "contracts",
        pgettext_lazy("stars", "Introductions that led to a contract"),
        pgettext_lazy("stars", "contracts"),
        weight=3,
        prior=0.2,
        prior_n=8,
        zero=0.0,
        full=0.5,
    ),
    Part(
        "ratings",
        pgettext_lazy("stars", "Ratings by both sides"),
        pgettext_lazy("stars", "rated"),
        weight=2,
        prior=3.8,
        prior_n=6,
        zero=2.0,
        full=5.0,
    ),
)


@dataclass(frozen=True)
class Count:
    """What was counted for one part: cases, and how many were good (of ratings: their sum)."""

    n: int
    good: float


@dataclass(frozen=True)
class Result:
    """What the formula gives. Without stars `score` is None as well."""

    stars: Decimal | None
    score: float | None
    n: int
    parts: dict[str, dict[str, float]]


def rate(counts: Mapping[str, Count]) -> Result:
    """Apply the formula to what was counted; a part that is missing or of no case is left out."""
    parts: dict[str, dict[str, float]] = {}
    total = weights = 0.0
    for part in FORMULA:
        count = counts.get(part.code)
        if count is None or count.n == 0:
            continue
        points = round(part.points(count.good, count.n), 4)
        parts[part.code] = {"n": count.n, "good": round(count.good, 4), "points": points}
        total += part.weight * points
        weights += part.weight
    reviews = counts.get("time", Count(0, 0.0)).n
    if reviews < MINIMUM:
        return Result(None, None, reviews, parts)
    score = round(total / weights, 4)
    # Halves upwards: 3.25 is 3.5. `round` would take every other one down.
    halves = math.floor(2 * (1 + 4 * score) + 0.5)
    return Result(Decimal(halves) / 2, score, reviews, parts)


# --- Publishing -----------------------------------------------------------------------------------

# What the help page works out before the reader's eyes: cases and good ones by part.
EXAMPLES: tuple[dict[str, Count], ...] = (
    {
        "time": Count(60, 58),
        "stood": Count(55, 54),
        "contracts": Count(20, 9),
        "ratings": Count(18, 83),
    },
    {"time": Count(60, 42), "stood": Count(40, 36), "contracts": Count(10, 1)},
    {"time": Count(12, 12), "contracts": Count(1, 1), "ratings": Count(1, 5)},
    {"time": Count(6, 6), "stood": Count(6, 6)},
)


def published() -> dict[str, Any]:
    """Return the formula and its examples as the help page shows them."""
    rows = [
        {
            "label": part.label,
            "short": part.short,
            "weight": part.weight,
            "zero": part.say(part.zero),
            "full": part.say(part.full),
            "prior": part.say(part.prior),
            "prior_n": part.prior_n,
        }
        for part in FORMULA
    ]
    examples = [
        {
            "cells": [
                {"short": part.short, "text": _example(part, counts.get(part.code))}
                for part in FORMULA
            ],
            "score": "–" if result.score is None else number_format(result.score, 2),
            "stars": "–" if result.stars is None else number_format(result.stars, 1),
        }
        for counts in EXAMPLES
        for result in (rate(counts),)
    ]
    return {
        "version": VERSION,
        "minimum": MINIMUM,
        "days": WINDOW_DAYS,
        "rows": rows,
        "examples": examples,
    }


def _example(part: Part, count: Count | None) -> str:
    if count is None:
        return "–"
    return f"{part.say(count.good / count.n)} ({count.n})"


# --- Showing ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Shown:
    """One part of a result in words, such as “on time 96%”, with what it rests on."""

    code: str
    label: str
    short: str
    value: str
    n: int
    points: str
    weight: int


def shown_parts(stars: ManagerStars) -> list[Shown]:
    """Return the parts that are known. Of an older formula's row those that there still are."""
    found = []
    for part in FORMULA:
        known = stars.parts.get(part.code)
        if known is not None:
            value = part.say(known["good"] / known["n"])
            points = str(number_format(known["points"], 2))
            label, short = str(part.label), str(part.short)
            found.append(Shown(part.code, label, short, value, known["n"], points, part.weight))
    return found


def missing_parts(stars: ManagerStars) -> list[str]:
    """Return the names of the parts that there is no data for."""
    return [str(part.label) for part in FORMULA if part.code not in stars.parts]


def all_of(profile: ManagerProfile) -> QuerySet[ManagerStars]:
    """Return every result that a manager's stars had, the present one first."""
    return ManagerStars.objects.filter(profile=profile)


def latest_of(profile: ManagerProfile) -> ManagerStars | None:
    return ManagerStars.objects.filter(profile=profile).first()


def with_stars(profiles: Iterable[ManagerProfile]) -> list[ManagerProfile]:
    """Give each profile its present result as `current_stars` (None before the first), in a query.

    The template `accounts/_stars.html` shows it.
    """
    found = list(profiles)
    rows = (
        ManagerStars.objects.filter(profile__in=[profile.pk for profile in found])
        .order_by("profile_id", "-computed_at", "-pk")
        .distinct("profile_id")
    )
    by_profile = {row.profile_id: row for row in rows}
    for profile in found:
        profile.current_stars = by_profile.get(profile.pk)
    return found
