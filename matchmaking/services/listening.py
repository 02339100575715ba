"""What matchmaking does when a listing came or went, or a manager may do less, or more."""

from __future__ import annotations

from typing import Any

from accounts.signals import managers_changed, ties_changed
from catalog import touched
from catalog.acquaintance import set_check
from catalog.duplicates import set_by_meaning
from catalog.partners import set_source
from catalog.search import set_backend
from catalog.signals import listings_left, listings_published


def connect() -> None:
    """Listen to catalog and accounts, and answer searches. Called once, at start-up."""
    from matchmaking.permissions import tier_through_matches
    from matchmaking.retrieval.neighbours import same_meaning
    from matchmaking.retrieval.searching import search
    from matchmaking.services.touched import touched_since
    from matchmaking.services.unmet import standings

    set_check(tier_through_matches)
    touched.set_check(touched_since)
    listings_published.connect(_published, dispatch_uid="matchmaking")
    listings_left.connect(_left, dispatch_uid="matchmaking")
    ties_changed.connect(_desks_changed, dispatch_uid="matchmaking ties")
    managers_changed.connect(_desks_changed, dispatch_uid="matchmaking managers")
    set_backend(search)
    set_by_meaning(same_meaning)
    set_source(standings)


def _published(*, kind: str, ids: list[int], **_: Any) -> None:
    from matchmaking.tasks import BATCH, embed_listings, send

    for at in range(0, len(ids), BATCH):
        if not send(embed_listings, kind, ids[at : at + BATCH]):
            return  # the broker is away; the sweep finds the rest


def _left(*, kind: str, ids: list[int], **_: Any) -> None:
    from matchmaking.tasks import send, take_back

    for pk in ids:
        if not send(take_back, kind, pk):
            return


def _desks_changed(*, user_ids: list[int], **_: Any) -> None:
    """Have a task take back what these managers may not hold, and fill the desks that have room."""
    from matchmaking.tasks import send, tidy_desks

    send(tidy_desks, user_ids)  # while the broker is away nothing is lost: beat does it for all
