"""How far the search for partners is with a listing, for its owner and for operators.

catalog knows no matches: matchmaking puts its own source in place at start-up. Without one nothing
is known of any listing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

State = Literal["pending", "problem", "unmet", "found"]


@dataclass(frozen=True)
class Standing:
    """`label` says it in a few words, `text` in a sentence or two; `icon` and `tone` go with it."""

    state: State
    icon: str
    tone: str
    label: str
    text: str


Source = Callable[[str, Sequence[int]], dict[int, Standing]]


def _nothing(kind: str, ids: Sequence[int]) -> dict[int, Standing]:
    return {}


_source: Source = _nothing


def set_source(source: Source) -> None:
    """Let the engine say how far it is: of live listings of a list, by id, in three queries."""
    global _source
    _source = source


def standings(kind: str, ids: Sequence[int]) -> dict[int, Standing]:
    """Return how far the search is with these listings; those that are not live are left out."""
    return _source(kind, ids) if ids else {}
