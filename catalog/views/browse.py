"""Reading one listing, and one's own."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.core.paginator import Page, Paginator
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from accounts.http import PageRequest
from accounts.permissions import Tier, is_operator
from catalog.details import audiences, detail_groups, has_more
from catalog.disclosure import shown
from catalog.files import files_for
from catalog.forms import read_nonce
from catalog.looking import note_look
from catalog.models import Listing, PublicationReview
from catalog.outcome import outcome_of
from catalog.owner_facts import owner_facts
from catalog.partners import standings
from catalog.permissions import (
    belongs_to_owner,
    can_decide,
    can_edit,
    listing_tier,
    may_read_history,
    may_see_owner,
)
from catalog.structured_data import structured_data
from catalog.timeline import STEPS_AT_MOST, timeline
from catalog.views.gate import answer_due, get_listing, names, previews
from catalog.workflow import MOVES, ListingStatus

PAGE_SIZE = 20


def page_of(rows: Any, asked: str, *, size: int = PAGE_SIZE) -> Page[Any]:
    """Return the page asked for; the first for what is no number, the last for one too high."""
    paginator = Paginator(rows, size)
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
    note_look(request.user, listing, tier, names=sees_owner)
    return render(
        request,
        "catalog/detail.html",
        names(kind)
        | {
            "listing": reading,
            "structured": structured_data(listing),
            "groups": detail_groups(reading),
            "has_more": has_more(reading),
            "reads_members": tier >= Tier.MEMBERS,
            "own": own,
            "audiences": audiences(listing) if own else [],
            "sees_owner": sees_owner,
            "actions": (actions := _actions(request, listing)),
            "nonce": read_nonce("") if "clone" in actions else "",
            "previews": previews() if own else [],
            "events": timeline(listing, request.user) if inside else [],
            "due": answer_due(listing),
            "files": files_for(request.user, listing),
            "show_tiers": inside,
            "facts": owner_facts(listing),
            "standing": standings(kind, [listing.pk]).get(listing.pk) if inside else None,
            "files_url": f"{kind}_files" if can_edit(request.user, listing) else "",
        }
        | (_how_it_stands(request, listing) if inside else {}),
    )


def _how_it_stands(request: PageRequest, listing: Listing) -> dict[str, Any]:
    """Return what came of the last check and what comes next, for its own side and operators."""
    outcome = outcome_of(listing, due_on=answer_due(listing))
    return {
        "outcome": outcome,
        "answer": outcome.answer,
        "last": outcome.last,
        "writes": can_edit(request.user, listing),
        "checks": PublicationReview.objects.of(listing)
        .select_related("manager", "decided_by")
        .order_by("-pk")[:STEPS_AT_MOST]
        if is_operator(request.user)
        else [],
    }


def _actions(request: PageRequest, listing: Listing) -> set[str]:
    """Return what this reader can do with the listing now."""
    user, allowed = request.user, set[str]()
    moves = MOVES.get(listing.status, set())
    if can_edit(user, listing):
        allowed.add("clone")
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
    if may_read_history(user, listing) and listing.version:
        allowed.add("history")
    if is_operator(user) and ListingStatus.SUSPENDED in moves:
        allowed.add("suspend")
    if is_operator(user) and listing.status == ListingStatus.SUSPENDED:
        allowed.add("resume")
    return allowed
