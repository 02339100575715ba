"""The versions of a listing, and what changed between any two of them."""

from __future__ import annotations

from functools import reduce
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from accounts.http import UserRequest
from accounts.models import User
from accounts.permissions import Tier
from catalog.disclosure import shown, stricter
from catalog.models import Listing, revision_model
from catalog.permissions import listing_tier, may_read_history, may_see_owner
from catalog.revisions import Change, compare
from catalog.timeline import versions
from catalog.views.browse import page_of
from catalog.views.gate import get_listing, names
from catalog.workflow import ListingStatus


@require_safe
def listing_revisions(request: UserRequest, kind: str, number: str) -> HttpResponse:
    """List who handed in what and when; compare two versions, the last two unless asked."""
    listing = get_listing(request.user, kind, number)
    if not may_read_history(request.user, listing):
        raise PermissionDenied(_("Its versions are for its own side and for those who check it."))
    rows = revision_model(kind).objects.filter(pgh_obj=listing).order_by("-version")
    page = page_of(rows.only("pk", "version", "pgh_created_at"), request.GET.get("page", "1"))
    new = _asked(request, "to") or listing.version
    old = _asked(request, "from")
    if old is None:
        old = new - 1
    old, new = sorted((old, new))
    found = changes_between(listing, request.user, old, new)
    return render(
        request,
        "catalog/revisions.html",
        names(kind)
        | {
            "listing": listing,
            "page": page,
            "versions": versions(listing, request.user, page.object_list),
            "old": old,
            "new": new,
            "changes": found,
            "problem": _("There is no such version of this listing.")
            if found is None and listing.version
            else "",
            "withholds": listing_tier(request.user, listing) < Tier.INTRODUCED,
            "status_labels": dict(ListingStatus.choices),
        },
        status=404 if found is None and listing.version else 200,
    )


def _asked(request: UserRequest, name: str) -> int | None:
    text = request.GET.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


def changes_between(listing: Listing, reader: User, old: int, new: int) -> list[Change] | None:
    """Return what changed from one version to another as `reader` may learn it.

    `old` 0 is “nothing yet”. None: there is no such version. The tiers are the strictest of both
    versions and of the listing now: what was open once may be closed since.
    """
    kind = listing.kind
    rows = revision_model(kind).objects.filter(pgh_obj=listing, version__in=(old, new))
    by_version: dict[int, Any] = {row.version: row for row in rows}
    if new not in by_version or (old and old not in by_version):
        return None
    choices = [row.disclosure for row in by_version.values()]
    tiers = reduce(lambda first, second: stricter(kind, first, second), choices, listing.disclosure)
    tier, sees_names = listing_tier(reader, listing), may_see_owner(reader, listing)
    copies = {
        version: shown(row, tier, names=sees_names, under=tiers)
        for version, row in by_version.items()
    }
    return compare(copies.get(old), copies[new], tier=tier)
