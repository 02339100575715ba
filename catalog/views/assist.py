"""Small answers beside the form of a listing: classes, quality, figures in the text."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from django.http import Http404, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils.cache import patch_cache_control, patch_vary_headers
from django.utils.translation import get_language
from django.views.decorators.http import require_POST, require_safe

from accounts.http import PageRequest, UserRequest
from accounts.views.limits import refuse, too_often
from catalog.classes import (
    QUERY_LIMIT,
    RESULT_LIMIT,
    Entry,
    Scheme,
    class_path,
    search_classes,
)
from catalog.models import Listing
from catalog.steps import STEPS, WHOLE
from catalog.views.form import typed_listing
from catalog.views.gate import MODELS, names
from catalog.views.panels import found_in, quality_panel

# Requests of one person in a minute: a fast writer's keystrokes, not a script's.
SEARCHES = 240
# The panel waits 0.8 s after the last keystroke.
PANELS = 90
FINDS = 30
# Seconds. The lists change with a release.
KEPT = 600


def _choices(scheme: str, entries: list[Entry]) -> list[dict[str, str]]:
    language = get_language() or "zh"
    return [
        {
            "code": entry.code,
            "name": entry.name(language),
            "path": class_path(scheme, entry.code, language),
        }
        for entry in entries
    ]


@require_safe
def class_search(request: PageRequest, scheme: str) -> HttpResponse:
    """Find classes by code or words: JSON for the chooser, the hits for htmx, else a page."""
    if scheme not in Scheme.values:
        raise Http404
    if too_often(request, "classes", visitor=0, person=SEARCHES):
        return refuse(request)
    query = request.GET.get("q", "")[: QUERY_LIMIT + 1]
    found = _choices(scheme, search_classes(scheme, query, RESULT_LIMIT))
    response: HttpResponse
    if request.accepts("application/json") and not request.accepts("text/html"):
        response = JsonResponse({"items": found})
    else:
        context: dict[str, Any] = {
            "scheme": Scheme(scheme),
            "schemes": Scheme,
            "query": query,
            "classes": found,
        }
        template = "catalog/classes.html" + ("#hits" if request.htmx else "")
        response = render(request, template, context)
    patch_cache_control(response, private=True, max_age=KEPT)
    patch_vary_headers(response, ["Accept", "Accept-Language", "Cookie", "HX-Request"])
    return response


def _typed(request: UserRequest, kind: str, step: str) -> Listing:
    if kind not in MODELS or step not in (*STEPS, WHOLE):
        raise Http404
    return typed_listing(request, kind, step)


@require_POST
def listing_quality(request: UserRequest, kind: str, step: str) -> HttpResponse:
    """Judge what is being typed. Nothing is stored."""
    if too_often(request, "quality", visitor=0, person=PANELS):
        return HttpResponse(status=HTTPStatus.NO_CONTENT)  # what is shown stays
    listing = _typed(request, kind, step)
    context = names(kind) | {
        "panel": quality_panel(listing, request.user, step),
        "listing": listing if listing.pk else None,
    }
    return render(request, "catalog/_quality.html", context)


@require_POST
def find_indicators(request: UserRequest, kind: str, step: str) -> HttpResponse:
    """Show the figures in what is being typed, to tick and accept. Nothing is stored."""
    if too_often(request, "find", visitor=0, person=FINDS):
        return refuse(request)
    listing = _typed(request, kind, step)
    return render(request, "catalog/_found.html", names(kind) | found_in(listing))
