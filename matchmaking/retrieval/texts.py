"""What of a listing is compared and searched, piece by piece, each with the tier that reads it.

What its owner keeps for the introduction is not read by the engine at all: even the order of a
list must not tell of it. Patents and experts are left out as well; they name, and explain nothing.
"""

from __future__ import annotations

from typing import NamedTuple

from accounts.permissions import Tier
from catalog.disclosure import tier_of
from catalog.indicators import display
from catalog.models import Listing
from catalog.services.reading_files import joined_texts

# Long texts beside the description, in the order in which they tell what a listing is about.
# What was tried in vain, and with whom one would like to work, is found but asks for nothing.
DETAILS = {
    "demand": ("process",),
    "achievement": ("novelty", "advantages", "scenarios", "trl_evidence"),
}
ASIDES = {"demand": ("tried", "partners"), "achievement": ()}


class Text(NamedTuple):
    """A text of a listing under its key in `catalog.disclosure.RULES`, or of its `files`."""

    key: str
    text: str
    tier: Tier
    asks: bool = True


def listing_texts(listing: Listing) -> list[Text]:
    """Return what a listing says beside its title, summary and keywords, the indicators as text."""
    kind = listing.kind
    rows = "；".join(f"{row.name} {display(row)}" for row in listing.indicator_rows())
    found = [
        *((key, getattr(listing, key), True) for key in ("body", *DETAILS[kind])),
        ("indicators", rows, True),
        *((key, getattr(listing, key), False) for key in ASIDES[kind]),
    ]
    own = [
        Text(key, text, tier, asks)
        for key, text, asks in found
        if text and (tier := tier_of(kind, key, listing.disclosure)) < Tier.INTRODUCED
    ]
    # Last: behind what its owner wrote for this, a document says it again at length.
    files = [Text("files", text, tier) for tier, text in joined_texts(listing)]
    return own + files


def head_text(listing: Listing) -> str:
    """Return what everybody reads first."""
    return "\n".join((listing.title, listing.summary, " ".join(listing.keywords)))


def text_for(listing: Listing, tier: Tier) -> str:
    """Return all that a reader of `tier` may find a listing by."""
    texts = [text.text for text in listing_texts(listing) if text.tier <= tier]
    return "\n".join((head_text(listing), *texts))


def full_text(listing: Listing) -> str:
    """Return all that is compared."""
    return text_for(listing, Tier.MANAGERS)
