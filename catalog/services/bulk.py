"""One act on many listings, each in a transaction of its own: one refusal stops no other."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from accounts.models import User
from accounts.permissions import writable_organizations
from catalog.leaks import find_leaks
from catalog.models import Listing
from catalog.services import publishing
from catalog.workflow import IllegalMove

# What one request may take: about two seconds.
AT_MOST = 200


@dataclass
class Outcome:
    """What was done, and what was not, with the reason of each."""

    done: list[Listing] = field(default_factory=list)
    refused: list[tuple[Listing, str]] = field(default_factory=list)


def apply(*, listings: Iterable[Listing], actor: User, act: Callable[[Listing], object]) -> Outcome:
    """Do `act` to each listing that `actor` may write, in order."""
    own = set(writable_organizations(actor).values_list("pk", flat=True))
    outcome = Outcome()
    for listing in listings:
        if listing.owner_id not in own:
            text = _("Only the owner and the editors of this listing can do that.")
            outcome.refused.append((listing, text))
            continue
        try:
            act(listing)
        except IllegalMove as error:
            outcome.refused.append((listing, str(error)))
        except ValidationError as error:
            outcome.refused.append((listing, " ".join(error.messages)))
        else:
            outcome.done.append(listing)
    return outcome


def submit(listing: Listing, actor: User) -> None:
    """Hand a listing in as its form would: nothing that gives its owner away.

    Raises `ValidationError` or `IllegalMove`.
    """
    leak = next(iter(find_leaks(listing, listing.owner)), None)
    if leak is not None:
        raise ValidationError(
            _("“%(snippet)s” looks like %(kind)s. Open the listing and change it.")
            % {"snippet": leak.snippet, "kind": leak.kind.label}
        )
    publishing.submit(listing=listing, actor=actor)
