"""The four figures at the top of the dashboard, and the clocks of first answers."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.translation import gettext as _

from matchmaking.services.insights.clocks import Counts, clock_counts
from matchmaking.services.insights.cohort import Cohort, cohort
from matchmaking.services.insights.rows import Figure
from matchmaking.services.insights.scope import Scope


@dataclass(frozen=True)
class Headline:
    """One of the four. `before` is the same of the span before, None for what is of this moment.

    `money`: for contracts, the budgets that the demands name, in CNY (nobody tells the platform the
    sum of a contract); None where none names one.
    """

    key: str
    label: str
    figure: Figure
    before: Figure | None = None
    money: int | None = None

    @property
    def points(self) -> int | None:
        """By how many percentage points the share differs from the span before; None where one of
        both has no whole."""
        share, before = self.figure.share, self.before.share if self.before else None
        if share is None or before is None:
            return None
        return round(100 * share) - round(100 * before)

    @property
    def more(self) -> int | None:
        """By how many rows the number differs from the span before."""
        if self.before is None or self.figure.hidden or self.before.hidden:
            return None
        return self.figure.n - self.before.n


def headline(
    scope: Scope, counts: Counts | None = None, of: Cohort | None = None
) -> tuple[Headline, ...]:
    """Count answered in time, both sides agreed, contracts, and what is late now by any clock.

    `counts` and `of`: the clocks and the demands of the scope where they are counted already.
    """
    demands = cohort(scope) if of is None else of
    now, before = demands.counts, cohort(scope.before()).counts
    found = clock_counts(scope) if counts is None else counts
    late = sum(late for _counted, _in_time, late, *_rest in found.values())
    labels = {
        "answer-in-time": _("Answered in time"),
        "answer-agreed": _("Both sides agreed to meet"),
        "answer-signed": _("Contract signed"),
    }
    return (
        *(
            Headline(
                key,
                label,
                Figure(now[key], now["answer-all"], key),
                # The rows of the span before are under its own address.
                Figure(before[key], before["answer-all"], ""),
                demands.budgets if key == "answer-signed" else None,
            )
            for key, label in labels.items()
        ),
        Headline("late", _("Late now"), Figure(late, None, "late")),
    )
