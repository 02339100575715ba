"""What matchmaking does when catalog says that a listing came or went."""

from __future__ import annotations

from typing import Any

from catalog.models import Listing
from catalog.search import set_backend
from catalog.signals import listing_left, listing_published


def connect() -> None:
    """Listen to catalog, and answer its searches. Called once, at start-up."""
    from matchmaking.retrieval.searching import search

    listing_published.connect(_published, dispatch_uid="matchmaking")
    listing_left.connect(_left, dispatch_uid="matchmaking")
    set_backend(search)


def _published(*, listing: Listing, **_: Any) -> None:
    from matchmaking.tasks import embed_listings, send

    send(embed_listings, listing.kind, [listing.pk])


def _left(*, listing: Listing, **_: Any) -> None:
    from matchmaking.tasks import send, take_back

    send(take_back, listing.kind, listing.pk)
