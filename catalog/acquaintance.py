"""How far a match has brought somebody to a listing.

catalog knows no matches: matchmaking puts its own check in place at start-up. Without one nobody
is brought to anything.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from accounts.permissions import Tier

if TYPE_CHECKING:
    from accounts.models import User
    from catalog.models import Listing

Check = Callable[["User", "Listing"], Tier]


def _nobody(user: User, listing: Listing) -> Tier:
    return Tier.PUBLIC


_check: Check = _nobody


def set_check(check: Check) -> None:
    global _check
    _check = check


def tier_by_match(user: User, listing: Listing) -> Tier:
    """Return `INTRODUCED` for the other side of an introduced match and its manager, `MANAGERS`
    for the manager who has taken a match of this listing on, else `PUBLIC`."""
    return _check(user, listing)
