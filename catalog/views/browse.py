"""Finding and reading listings, and one's own."""

from __future__ import annotations

from typing import Any, cast

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.core.paginator import Page, Paginator
from django.db.models import Count, Q
from django.http import HttpResponse
from django.shortcuts import render
from django.utils.cache import patch_vary_headers
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_safe
from django_htmx.http import push_url

from accounts.http import PageRequest, UserRequest
from accounts.permissions import Tier, is_operator, reader_tier, writable_organizations
from accounts.views.limits import refuse, too_often
from catalog.details import audiences, detail_groups, has_more
from catalog.disclosure import shown
from catalog.facets import QUERY_LIMIT, SHORT_FACET, Filters, apply, count_facets, way_out
from catalog.models import Listing, ListingEvent, ListingQuerySet
from catalog.permissions import (
    belongs_to_owner,
    can_decide,
    can_edit,
    listing_tier,
    may_see_owner,
)
from catalog.search import SEARCH_LIMIT, SearchResult, find
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
def listing_list(request: PageRequest, kind: str) -> HttpResponse:
    """Search and filter what is published. htmx gets the results with the facets beside them."""
    filters = Filters.read(kind, request.GET)
    if filters.words and _asks_too_often(request):
        return refuse(request)
    found = _search(request, filters)
    live: ListingQuerySet = MODELS[kind].objects.live()
    if found is not None:
        live = live.filter(pk__in=found.ids)

    page = _page(request, apply(live, filters.conditions()), found)
    tier = reader_tier(request.user)
    page.object_list = [shown(listing, tier) for listing in page.object_list]
    context = names(kind) | {
        "filters": filters,
        "chips": filters.chips(),
        "facets": count_facets(live, filters),
        "short_facet": SHORT_FACET,
        "page": page,
        "sentence": _sentence(filters, page.paginator.count, found),
        "cut_at": QUERY_LIMIT if filters.was_cut else 0,
        "fallback": found is not None and found.fallback,
        "ways_out": [] if page.paginator.count else list(way_out(live, filters)),
    }
    template = "catalog/list.html"
    fragment = bool(request.htmx) and not request.htmx.history_restore_request
    if fragment:
        template += "#results"
    response = render(request, template, context | {"fragment": fragment})
    # The same address has two bodies; a cache must not give one for the other.
    patch_vary_headers(response, ["HX-Request"])
    if fragment:
        query = filters.query_string()
        push_url(response, f"{request.path}?{query}" if query else request.path)
    return response


def _asks_too_often(request: PageRequest) -> bool:
    """Each search has a worker encode the words: a script must not keep everybody else waiting."""
    allowed = settings.SEARCHES_PER_MINUTE
    return too_often(request, "search", visitor=allowed, person=3 * allowed)


def _search(request: PageRequest, filters: Filters) -> SearchResult | None:
    if not filters.words:
        return None
    return find(filters.kind, filters.words, tier=reader_tier(request.user))


def _page(request: PageRequest, rows: ListingQuerySet, found: SearchResult | None) -> Page[Listing]:
    asked = request.GET.get("page", "1")
    # Bodies are long, and no row shows them.
    shown = rows.select_related("owner").defer("body")
    if found is None:
        return page_of(shown, asked)
    matching = set(rows.order_by().values_list("pk", flat=True))
    page = page_of([pk for pk in found.ids if pk in matching], asked)
    by_pk = shown.in_bulk(list(page.object_list))
    # One may have been withdrawn between the two queries.
    page.object_list = [by_pk[pk] for pk in page.object_list if pk in by_pk]
    return cast("Page[Listing]", page)


def _sentence(filters: Filters, count: int, found: SearchResult | None) -> str:
    """Say how many there are and in what order, for eyes and for screen readers."""
    if found is not None and len(found.ids) >= SEARCH_LIMIT and count:
        # The search stops there; what it left behind was not counted.
        text = (
            ngettext(
                "The %(count)s closest demand to “%(words)s”",
                "The %(count)s closest demands to “%(words)s”, best first",
                count,
            )
            if filters.kind == "demand"
            else ngettext(
                "The %(count)s closest achievement to “%(words)s”",
                "The %(count)s closest achievements to “%(words)s”, best first",
                count,
            )
        )
    elif found is not None:
        text = (
            ngettext(
                "%(count)s demand found for “%(words)s”",
                "%(count)s demands found for “%(words)s”, best first",
                count,
            )
            if filters.kind == "demand"
            else ngettext(
                "%(count)s achievement found for “%(words)s”",
                "%(count)s achievements found for “%(words)s”, best first",
                count,
            )
        )
    else:
        text = (
            ngettext("%(count)s demand", "%(count)s demands, newest first", count)
            if filters.kind == "demand"
            else ngettext("%(count)s achievement", "%(count)s achievements, newest first", count)
        )
    words = filters.words if len(filters.words) <= 60 else filters.words[:60] + "…"
    return text % {"count": f"{count:,}", "words": words}


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
