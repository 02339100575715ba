"""The two lists: searched, filtered, ordered, a page at a time."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.cache import patch_vary_headers
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_safe
from django_htmx.http import push_url

from accounts.http import PageRequest
from accounts.permissions import reader_tier
from accounts.views.limits import refuse, too_often
from catalog.disclosure import shown
from catalog.facets import FIRST, QUERY_LIMIT, SHORT_FACET, Filters, sort_label, sorts
from catalog.listing_pages import PAGE_SIZE, Catalogue
from catalog.search import SearchResult
from catalog.views.gate import names


@login_not_required
@require_safe
def listing_list(request: PageRequest, kind: str) -> HttpResponse:
    """Search and filter what is published. htmx gets the results with the facets beside them."""
    filters = Filters.read(kind, request.GET)
    if filters.words and _asks_too_often(request):
        return refuse(request)
    tier = reader_tier(request.user)
    catalogue = Catalogue(filters, tier)
    if "page" in request.GET:
        # Addresses from before pages had cursors.
        return redirect(_address(request, filters, after=_old_page(request, catalogue)))
    page = catalogue.page(
        after=request.GET.get("after") or "", before=request.GET.get("before") or ""
    )
    facets = [facet for facet in catalogue.facets if facet.name in FIRST]
    more_facets = [facet for facet in catalogue.facets if facet.name not in FIRST]
    context = names(kind) | {
        "filters": filters,
        "chips": filters.chips(),
        "facets": facets,
        "more_facets": more_facets,
        "more_open": any(facet.chosen for facet in more_facets),
        "short_facet": SHORT_FACET,
        "page": page,
        "listings": [shown(listing, tier) for listing in page.rows],
        "sorts": [(sort, sort_label(kind, sort)) for sort in sorts(bool(filters.words))],
        "previous": filters.query_string(before=page.before) if page.before else "",
        "next": filters.query_string(after=page.after) if page.after else "",
        "start": filters.query_string() if page.first > PAGE_SIZE + 1 else "",
        "span": _("%(first)s to %(last)s of %(total)s")
        % {"first": f"{page.first:,}", "last": f"{page.last:,}", "total": f"{page.count:,}"},
        "sentence": _sentence(filters, page.count, catalogue.found),
        "cut_at": QUERY_LIMIT if filters.was_cut else 0,
        "found": catalogue.found,
        "ways_out": [] if page.count else catalogue.ways_out(),
    }
    template = "catalog/list.html"
    fragment = bool(request.htmx) and not request.htmx.history_restore_request
    if fragment:
        template += "#results"
    response = render(request, template, context | {"fragment": fragment})
    # The same address has two bodies; a cache must not give one for the other.
    patch_vary_headers(response, ["HX-Request"])
    if fragment:
        cursor = {name: request.GET[name] for name in ("after", "before") if request.GET.get(name)}
        push_url(response, _address(request, filters, **cursor))
    return response


def _asks_too_often(request: PageRequest) -> bool:
    """Each search has a worker encode the words: a script must not keep everybody else waiting."""
    allowed = settings.SEARCHES_PER_MINUTE
    return too_often(request, "search", visitor=allowed, person=3 * allowed)


def _address(request: PageRequest, filters: Filters, **cursor: str) -> str:
    query = filters.query_string(**{name: value for name, value in cursor.items() if value})
    return f"{request.path}?{query}" if query else request.path


def _old_page(request: PageRequest, catalogue: Catalogue) -> str:
    """Return the cursor of a page asked for by number; of the first for what is no number."""
    asked = request.GET["page"]
    if not (asked.isascii() and asked.isdigit()):
        return ""
    return catalogue.cursor_of_page(max(1, int(asked[:9])))


def _sentence(filters: Filters, count: int, found: SearchResult | None) -> str:
    """Say how many there are, for eyes and for screen readers."""
    if found is not None and found.is_cut and count:
        # The search stops there; what it left behind was not counted.
        text = (
            ngettext(
                "The %(count)s closest demand to “%(words)s”",
                "The %(count)s closest demands to “%(words)s”",
                count,
            )
            if filters.kind == "demand"
            else ngettext(
                "The %(count)s closest achievement to “%(words)s”",
                "The %(count)s closest achievements to “%(words)s”",
                count,
            )
        )
    elif found is not None:
        text = (
            ngettext(
                "%(count)s demand found for “%(words)s”",
                "%(count)s demands found for “%(words)s”",
                count,
            )
            if filters.kind == "demand"
            else ngettext(
                "%(count)s achievement found for “%(words)s”",
                "%(count)s achievements found for “%(words)s”",
                count,
            )
        )
    else:
        text = (
            ngettext("%(count)s demand", "%(count)s demands", count)
            if filters.kind == "demand"
            else ngettext("%(count)s achievement", "%(count)s achievements", count)
        )
    words = filters.words if len(filters.words) <= 60 else filters.words[:60] + "…"
    return text % {"count": f"{count:,}", "words": words}
