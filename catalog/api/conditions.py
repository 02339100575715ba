"""Changes that say what they are a change of: ETag and If-Match (RFC 9110, 13.1.1)."""

from __future__ import annotations

import re

from django.utils.translation import gettext as _
from rest_framework.exceptions import ParseError
from rest_framework.request import Request

from accounts.api.exceptions import ConditionMissing, Stale
from catalog.models import Listing

_TAG = re.compile(r'(W/)?"[\x21\x23-\x7e]*"')


def etag(listing: Listing) -> str:
    """Return what changes with every change of the listing."""
    return f'"{listing.version}-{int(listing.updated_at.timestamp() * 1_000_000)}"'


def check_unchanged(request: Request, listing: Listing, *, required: bool = True) -> None:
    """Raise 428 where nothing says what was read, 412 where it is something else by now.

    The caller holds the listing's row lock, or somebody could still come in between.
    """
    header = request.headers.get("If-Match", "").strip()
    if not header:
        if required:
            raise ConditionMissing
        return
    if header == "*":
        return
    tags = [tag.strip() for tag in header.split(",")]
    if not all(_TAG.fullmatch(tag) for tag in tags):
        raise ParseError(_("The header If-Match is no list of ETags."))
    # A weak tag matches nothing here: it says “much the same”.
    if etag(listing) not in tags:
        raise Stale
