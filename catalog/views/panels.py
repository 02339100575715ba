"""What stands beside the text of a listing: how good it is, what it is like, figures in it."""

from __future__ import annotations

import json
from typing import Any

from accounts.models import User
from catalog.duplicates import find_alike
from catalog.finding import find_indicators
from catalog.forms import finding
from catalog.indicators import display
from catalog.models import Listing
from catalog.quality import assess
from catalog.views.gate import WORDS

# The fields that figures are looked for in. How it is done today is no requirement.
_READ = {
    "demand": ("summary", "body"),
    "achievement": ("summary", "body", "advantages", "scenarios", "trl_evidence"),
}


def quality_panel(listing: Listing, reader: User, step: str) -> dict[str, Any]:
    """Return what the panel of a listing's quality shows; nothing for an empty form."""
    if not (listing.title or listing.summary or listing.body):
        return {}
    alike = find_alike(listing, reader) if listing.owner_id else []
    quality = assess(
        listing,
        copies=sum(1 for one in alike if one.is_own),
        lookalikes=sum(1 for one in alike if not one.is_own),
    )
    advice = [(finding(listing, one.field, one.text, step), one.gain) for one in quality.next_best]
    return {"quality": quality, "advice": advice, "alike": alike, "words": WORDS[listing.kind]}


def found_in(listing: Listing) -> dict[str, Any]:
    """Return the figures in a listing's text that are no rows yet, to tick and accept."""
    text = "\n".join(str(getattr(listing, name) or "") for name in _READ[listing.kind])
    found = find_indicators(text, listing.indicators)
    return {
        "proposals": [
            {
                "row": json.dumps(one.indicator.to_json(), ensure_ascii=False),
                "name": one.indicator.name,
                "shown": display(one.indicator),
                "sentence": one.sentence,
                "likely": one.likely,
            }
            for one in found
        ],
        "searched": True,
    }
