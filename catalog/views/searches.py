"""A reader's saved searches."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import ValidationError
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import pgettext
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.http import PageRequest, UserRequest
from accounts.views.sure import asked
from accounts.views.unsubscribing import Ending, end_mails, limited
from catalog.facets import Filters
from catalog.links import read_unsubscribe
from catalog.models import NAME_LIMIT, SEARCHES_AT_MOST, Alert, SavedSearch
from catalog.searching import SavedSearchForm
from catalog.services import watching
from catalog.views.gate import MODELS, names


def _get_search(request: UserRequest, pk: int) -> SavedSearch:
    """Return one of the reader's own; every page of a saved search goes through here."""
    return get_object_or_404(SavedSearch.objects.owned_by(request.user), pk=pk)


def _said(filters: Filters) -> list[str]:
    """Return what filters ask for, in words."""
    words = [_("“%(words)s”") % {"words": filters.words}] if filters.words else []
    return words + [chip.label for chip in filters.chips()]


@require_safe
def saved_searches(request: UserRequest) -> HttpResponse:
    """List the reader's searches with how much is new in each."""
    searches = SavedSearch.objects.owned_by(request.user)
    return render(
        request,
        "catalog/searches.html",
        {
            "rows": [
                {"search": search, "said": _said(watching.filters_of(search))}
                for search in searches[:SEARCHES_AT_MOST]
            ],
            "limit": SEARCHES_AT_MOST,
            "counted": watching.COUNTED,
        },
    )


@require_http_methods(["GET", "POST"])
def saved_search_new(request: UserRequest) -> HttpResponse:
    """Keep the filters of a list page under a name. `query` is that page's own."""
    asked = request.POST if request.method == "POST" else request.GET
    kind = asked.get("kind", "")
    if kind not in MODELS:
        raise Http404
    filters = watching.read_query(kind, asked.get("query", ""))
    said = _said(filters)
    all_of_it = (
        pgettext("search", "All demands")
        if kind == "demand"
        else pgettext("search", "All achievements")
    )
    proposed = " · ".join(said) or all_of_it
    form = SavedSearchForm(
        request.POST if request.method == "POST" else None,
        initial={"name": proposed[:NAME_LIMIT], "alert": Alert.WEEKLY},
    )
    if form.is_valid():
        try:
            watching.save_search(
                user=request.user, kind=kind, query=filters.query_string(), **form.cleaned_data
            )
        except ValidationError as exc:
            form.add_error(None, exc.messages)
        else:
            messages.success(request, _("Saved."))
            return redirect("saved_searches")
    context: dict[str, Any] = names(kind) | {
        "form": form,
        "said": said,
        "query": filters.query_string(),
    }
    return render(request, "catalog/search_form.html", context)


@require_http_methods(["GET", "POST"])
def saved_search_edit(request: UserRequest, pk: int) -> HttpResponse:
    """Rename a search, or change how its reader is told."""
    search = _get_search(request, pk)
    form = SavedSearchForm(
        request.POST if request.method == "POST" else None,
        initial={"name": search.name, "alert": search.alert},
    )
    if form.is_valid():
        watching.change_search(search=search, **form.cleaned_data)
        messages.success(request, _("Saved."))
        return redirect("saved_searches")
    context = names(search.kind) | {
        "form": form,
        "search": search,
        "said": _said(watching.filters_of(search)),
    }
    return render(request, "catalog/search_form.html", context)


@require_POST
def saved_search_open(request: UserRequest, pk: int) -> HttpResponse:
    """Go to the list, and count from now on what is new."""
    search = _get_search(request, pk)
    watching.mark_seen(search=search)
    return redirect(search)


@require_POST
def saved_search_delete(request: UserRequest, pk: int) -> HttpResponse:
    search = _get_search(request, pk)
    page = asked(
        request,
        title=_("Delete “%(name)s”?") % {"name": search.name},
        told=_(
            "You are no longer told what is new in it. This cannot be undone; you can save it "
            "again."
        ),
        act=_("Delete the search"),
        keep=_("Keep the search"),
        back=reverse("saved_searches"),
    )
    if page is not None:
        return page
    search.delete()
    messages.success(request, _("“%(name)s” is deleted.") % {"name": search.name})
    return redirect("saved_searches")


@login_not_required
@never_cache
@csrf_exempt  # A mail program posts here by itself (RFC 8058): the token is all that it has.
@require_http_methods(["GET", "HEAD", "POST"])
def saved_searches_unsubscribe(request: PageRequest, token: str) -> HttpResponse:
    """End the mails of saved searches. Opening the link changes nothing."""
    if (refused := limited(request)) is not None:
        return refused
    user = read_unsubscribe(token)
    ending = Ending(
        title=_("Mails of saved searches"),
        question=_("Shall we stop writing to you about what is new in your saved searches?"),
        done=_("No more mails. Your saved searches are kept and counted on their page."),
        void=_("This link is not whole. Log in and change your saved searches instead."),
    )
    return end_mails(request, ending, partial(watching.stop_mails, user=user) if user else None)
