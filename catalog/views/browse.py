"""Reading one listing, and one's own."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.core.paginator import Page, Paginator
from django.db.models import Count, Q
from django.http import HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from accounts.http import PageRequest, UserRequest
from accounts.permissions import Tier, is_operator, writable_organizations
from catalog.details import audiences, detail_groups, has_more
from catalog.disclosure import shown
from catalog.models import Listing, ListingEvent
from catalog.permissions import (
    belongs_to_owner,
    can_decide,
    can_edit,
    listing_tier,
    may_see_owner,
)
from catalog.views.gate import MODELS, answer_due, get_listing, names
from catalog.workflow import MOVES, ListingStatus

PAGE_SIZE = 20


def page_of(rows: Any, asked: str) -> Page[Any]:
    """Return the page asked for; the first for what is no number, the last for one too high."""
    paginator = Paginator(rows, PAGE_SIZE)
    number = int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 10 else 1
    if asked.isascii() and asked.isdigit() and len(asked) >= 10:
        number = paginator.num_pages
    return paginator.page(min(max(number, 1), paginator.num_pages))


@login_not_required
@require_safe
def listing_detail(request: PageRequest, kind: str, number: str) -> HttpResponse:
    """Show one listing, blind, as far as the reader's tier goes."""
    listing = get_listing(request.user, kind, number)
    own = belongs_to_owner(request.user, listing)
    inside = own or is_operator(request.user)
    sees_owner = may_see_owner(request.user, listing)
    tier = listing_tier(request.user, listing)
    reading = shown(listing, tier, names=sees_owner)
    return render(
        request,
        "catalog/detail.html",
        names(kind)
        | {
            "listing": reading,
            "groups": detail_groups(reading),
            "has_more": has_more(reading),
            "reads_members": tier >= Tier.MEMBERS,
            "own": own,
            "audiences": audiences(listing) if own else [],
            "sees_owner": sees_owner,
            "actions": _actions(request, listing),
            "events": _events(listing) if inside else [],
            "last": _last_event(listing) if inside else None,
            "due": answer_due(listing),
        },
    )


def _actions(request: PageRequest, listing: Listing) -> set[str]:
    """Return what this reader can do with the listing now."""
    user, allowed = request.user, set[str]()
    moves = MOVES.get(listing.status, set())
    if can_edit(user, listing):
        if listing.is_editable:
            allowed.add("edit")
        if ListingStatus.CLOSED in moves:
            allowed.add("close")
        if listing.status in (ListingStatus.PUBLISHED, ListingStatus.EXPIRED):
            allowed.add("confirm")
        if ListingStatus.WITHDRAWN in moves:
            allowed.add("withdraw")
    if listing.status == ListingStatus.SUBMITTED and can_decide(user, listing):
        allowed.add("review")
    return allowed


def _events(listing: Listing) -> list[ListingEvent]:
    return list(ListingEvent.objects.filter(**{listing.kind: listing}).order_by("pk"))


def _last_event(listing: Listing) -> ListingEvent | None:
    """Return the step that explains the present status, for the note above the title."""
    explained = (ListingStatus.NEEDS_INFO, ListingStatus.REJECTED, ListingStatus.SUSPENDED)
    if listing.status not in explained:
        return None
    events = ListingEvent.objects.filter(**{listing.kind: listing}, after=listing.status)
    return events.order_by("-pk").first()


# What belongs together for an owner who asks “what have I to do?”.
_GROUPS: dict[str, tuple[str, ...]] = {
    "todo": (ListingStatus.DRAFT, ListingStatus.NEEDS_INFO, ListingStatus.EXPIRED),
    "waiting": (ListingStatus.SUBMITTED,),
    "published": (ListingStatus.PUBLISHED,),
    "ended": (
        ListingStatus.FULFILLED,
        ListingStatus.TRANSFERRED,
        ListingStatus.CLOSED,
        ListingStatus.REJECTED,
        ListingStatus.SUSPENDED,
        ListingStatus.WITHDRAWN,
    ),
}


@require_safe
def my_listings(request: UserRequest, kind: str) -> HttpResponse:
    """List what the reader's organizations have written, in every status."""
    rows = MODELS[kind].objects.owned_by(request.user)
    counts = rows.order_by().aggregate(
        **{group: Count("pk", filter=Q(status__in=of)) for group, of in _GROUPS.items()}
    )
    chosen = request.GET.get("show", "")
    if chosen in _GROUPS:
        rows = rows.filter(status__in=_GROUPS[chosen])
    else:
        chosen = ""
    shown = rows.select_related("owner").defer("body", "indicators").order_by("-updated_at", "-pk")
    page = page_of(shown, request.GET.get("page", "1"))
    labels = {
        "todo": _("For you to do"),
        "waiting": _("Waiting for the check"),
        "published": _("Published"),
        "ended": _("Ended"),
    }
    tabs = [("", _("All"), sum(counts.values()))]
    tabs += [(group, label, counts[group]) for group, label in labels.items()]
    return render(
        request,
        "catalog/mine.html",
        names(kind)
        | {
            "page": page,
            "rows": [(listing, answer_due(listing)) for listing in page.object_list],
            "tabs": tabs,
            "chosen": chosen,
            "writes": writable_organizations(request.user).exists(),
        },
    )
