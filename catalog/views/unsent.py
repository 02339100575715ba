"""Any form that says whose it is outlives its session: see `accounts.unsent` and ADR 9."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseBase, QueryDict
from django.utils.translation import gettext as _

from accounts.templatetags.kq import moment
from accounts.unsent import BACK, WRITER
from catalog.services import typed
from catalog.views.typed import keep, way_back


class OutlivesSession:
    """Keep what is sent without a session for its writer, and give it back when they return.

    Stands before `LoginRequiredMiddleware`, which would drop it. The form of a listing does all
    this by itself (`catalog.views.typed`) and is not touched: its views are open to everybody.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        if (
            request.method == "POST"
            and BACK in request.POST
            and request.user.is_authenticated
            and response.status_code in (302, 303)
        ):
            typed.forget(user=request.user, path=request.path, nonce="")
        return response

    def process_view(
        self, request: HttpRequest, view: Callable[..., Any], args: Any, kwargs: Any
    ) -> HttpResponse | None:
        if not getattr(view, "login_required", True):
            return None
        if request.method == "POST" and not request.user.is_authenticated:
            if WRITER not in request.POST or keep(request) is None:
                return None
            return redirect_to_login(way_back(request))
        if request.method == "GET" and request.user.is_authenticated and "typed" in request.GET:
            kept = typed.kept_for(user=request.user, path=request.path)
            if kept is not None:
                data = QueryDict(mutable=True)
                for name, texts in kept.data.items():
                    data.setlist(name, texts)
                request.typed = data  # type: ignore[attr-defined]
                messages.info(
                    request,
                    _(
                        "This is what you had typed when your session ended (%(at)s). It is not "
                        "saved yet: look at it, then save."
                    )
                    % {"at": moment(kept.created_at)},
                )
        return None
