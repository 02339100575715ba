"""The four criteria of a match review, and the points that the evidence alone would give.

The rule, so that everybody can do the sum again. Each criterion looks at some lines of the grid of
constraints (`explanation.constraint_grid`):

fit          the indicators
maturity     readiness level (TRL) and deadline
terms        budget, cooperation modes, exclusivity and intellectual property
credibility  every line

Of the lines that the achievement says something about, met counts 1, partly met 1/2, not met 0, and
a must-have twice a nice-to-have; their weighted mean m gives 1 + 4·m points, rounded half up: 1 to
5. A must-have indicator that is not met leaves at most 2 points for fit. Where no indicator is
stated, fit is 4, 3 or 2 by the grade of the score (strong, likely, possible). Credibility counts a
line 1 where the achievement's own words are quoted for it, 1/2 where a field states it, and 0 where
nothing is said, each once. A criterion that nothing is known of gets 3, the middle.

0 points are for a person to give: no text proves that something is out of the question.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.translation import gettext as _

from matchmaking.models import Match
from matchmaking.retrieval.explanation import HARD_WEIGHT
from matchmaking.retrieval.ranking import grade
from matchmaking.workflow import HIGHEST, LOWEST, Criterion

UNKNOWN_POINTS = 3
UNMET_MUST_AT_MOST = 2
_BY_GRADE = {"strong": 4, "likely": 3, "possible": 2}
_SHARES = {"met": 1.0, "partly": 0.5, "unmet": 0.0}
_LINES = {
    Criterion.FIT: ("indicator",),
    Criterion.MATURITY: ("trl", "deadline"),
    Criterion.TERMS: ("budget", "modes", "exclusivity", "ip"),
}


def suggest_criteria(match: Match) -> dict[str, int]:
    """Return the points that the evidence of a match alone would give, by criterion."""
    points = {
        str(criterion): _points(_mean([row for row in match.grid if row.get("kind") in kinds]))
        for criterion, kinds in _LINES.items()
    }
    indicators = [row for row in match.grid if row.get("kind") == "indicator"]
    if not any(row.get("verdict") in _SHARES for row in indicators) and match.confidence:
        points[Criterion.FIT] = _BY_GRADE[grade(match.confidence)]
    if any(row.get("hard") and row.get("verdict") == "unmet" for row in indicators):
        points[Criterion.FIT] = min(points[Criterion.FIT], UNMET_MUST_AT_MOST)
    points[Criterion.CREDIBILITY] = _points(_shown(match.grid))
    return points


def _mean(rows: Sequence[Mapping[str, Any]]) -> float | None:
    """Return the weighted mean of the lines that something is stated to, None without any."""
    known = [
        (HARD_WEIGHT if row.get("hard") else 1.0, _SHARES[row["verdict"]])
        for row in rows
        if row.get("verdict") in _SHARES
    ]
    total = sum(weight for weight, _share in known)
    return sum(weight * share for weight, share in known) / total if total else None


def _shown(rows: Sequence[Mapping[str, Any]]) -> float | None:
    """Return how much of what is asked the achievement answers, in its own words or in a field."""
    if not rows:
        return None
    told = [1.0 if row.get("quote") else 0.5 if row.get("stated") else 0.0 for row in rows]
    return sum(told) / len(told)


def _points(share: float | None) -> int:
    return UNKNOWN_POINTS if share is None else math.floor(1 + 4 * share + 0.5)


def problem_of(criteria: Mapping[str, object]) -> dict[str, str]:
    """Return what is wrong with a manager's points, as a sentence for each criterion."""
    problems = {}
    for criterion in Criterion:
        value = criteria.get(criterion)
        if value is None or value == "":
            problems[str(criterion)] = _("Please give %(criterion)s 0 to 5 points.") % {
                "criterion": criterion.label
            }
        elif (
            not isinstance(value, int) or isinstance(value, bool) or not LOWEST <= value <= HIGHEST
        ):
            problems[str(criterion)] = _("%(criterion)s: points are whole numbers from 0 to 5.") % {
                "criterion": criterion.label
            }
    if set(criteria) - set(Criterion.values):
        problems["criteria"] = _("One of the criteria does not exist.")
    return problems
