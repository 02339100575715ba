"""From a demand that is handed in to a contract: one cohort, step by step."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from matchmaking.services.insights import losses
from matchmaking.services.insights.cohort import Cohort, cohort
from matchmaking.services.insights.rows import STEPS, Figure
from matchmaking.services.insights.scope import Scope


@dataclass(frozen=True)
class Step:
    """`figure.of` is the step before; `of_label` says so in words (“of those published”)."""

    key: str
    label: str
    figure: Figure
    of_label: str


@dataclass(frozen=True)
class Funnel:
    """The demands first handed in in the period, and how far each has come until now.

    Every step counts among those of the step before. `worst`: the step at which most were lost, ""
    while none was; `why`: why those were, the commonest first.
    """

    cohort: int
    steps: tuple[Step, ...]
    worst: str
    why: tuple[losses.Why, ...]


def funnel(scope: Scope, of: Cohort | None = None) -> Funnel:
    """Count the funnel of a period; one query why most were lost, and one more where the demands
    of the scope (`of`) are not counted already."""
    counts = (cohort(scope) if of is None else of).counts
    lost = {step: counts[before] - counts[step] for before, step in pairwise(STEPS)}
    worst = max(lost, key=lambda step: lost[step])
    if not lost[worst]:
        worst = ""
    labels, of_labels = step_labels(), _of_labels()
    return Funnel(
        cohort=counts[STEPS[0]],
        steps=tuple(
            Step(
                step,
                labels[step],
                Figure(counts[step], counts[STEPS[at - 1]] if at else None, step),
                of_labels[step],
            )
            for at, step in enumerate(STEPS)
        ),
        worst=worst,
        why=losses.why(scope, worst) if worst else (),
    )


def step_labels() -> dict[str, str]:
    return {
        "posted": pgettext("funnel", "Handed in"),
        "published": pgettext("funnel", "Published"),
        "suggested": pgettext("funnel", "With a match"),
        "approved": pgettext("funnel", "Approved by a manager"),
        "introduced": pgettext("funnel", "Both sides agreed"),
        "signed": pgettext("funnel", "Contract signed"),
    }


def _of_labels() -> dict[str, str]:
    return {
        "posted": "",
        "published": _("of those handed in"),
        "suggested": _("of those published"),
        "approved": _("of those with a match"),
        "introduced": _("of those approved"),
        "signed": _("of those introduced"),
    }
