"""Which numbers everybody may read: none under five, and none that the others give away.

A count of one to four could be somebody's whose neighbours know them. Where the sum of a line of
counts is known, more of them are hidden, until no hidden one can be worked out: whoever knows the
sum and all that is shown, and that none that is hidden is 0, is left with two values at least for
each. That is so when two or more are hidden and they add up to more than their number.
(Cox, L. H.: Suppression methodology and statistical disclosure control. JASA 75, 1980, 377-385.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from matchmaking.services.insights.rows import Figure

LEAST = 5


def is_small(n: int) -> bool:
    """Say whether a count is hidden by itself. A 0 is nobody's."""
    return 0 < n < LEAST


def hidden_of(counts: Sequence[int]) -> set[int]:
    """Return the places of a line that must be hidden where its sum is known.

    Hidden beside the small ones are the smallest that do, so that the most is shown; where all
    others are 0, the whole line, so that nobody knows which they are.
    """
    hidden = {at for at, n in enumerate(counts) if is_small(n)}
    others = sorted(
        (at for at, n in enumerate(counts) if n >= LEAST), key=lambda at: (counts[at], at)
    )
    while hidden and not _holds(counts, hidden):
        if not others:
            return set(range(len(counts)))
        hidden.add(others.pop(0))
    return hidden


def _holds(counts: Sequence[int], hidden: set[int]) -> bool:
    return len(hidden) >= 2 and sum(counts[at] for at in hidden) > len(hidden)


def closed(figure: Figure) -> Figure:
    """Return a figure that is hidden: neither its number nor its rows; its whole only if large."""
    whole = None if figure.of is not None and is_small(figure.of) else figure.of
    return replace(figure, n=0, of=whole, rows="", hidden=True)


def opened(figure: Figure) -> Figure:
    """Return a figure as everybody may read it where nothing else gives it away."""
    if is_small(figure.n) or (figure.of is not None and is_small(figure.of)):
        return closed(figure)
    return replace(figure, rows="")
