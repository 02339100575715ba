"""Whether anybody has acted on what came of a listing since it was published.

catalog knows no matches: matchmaking puts its own check in place at start-up. Without one nobody
has.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

# Kind, key of the listing, since when.
Check = Callable[[str, int, dt.datetime], bool]


def _never(kind: str, pk: int, since: dt.datetime) -> bool:
    return False


_check: Check = _never


def set_check(check: Check) -> None:
    global _check
    _check = check


def touched_since(kind: str, pk: int, since: dt.datetime) -> bool:
    """Say whether a person has taken on, decided or answered a match of this listing since then."""
    return _check(kind, pk, since)
