"""Forms that outlive their session: what was typed is kept for its writer, whatever ended it."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import resolve
from django.utils.translation import gettext as _
from django.views.csrf import csrf_failure as default_csrf_failure

from accounts.http import PageRequest
from accounts.models import User
from accounts.unsent import BACK, WRITER, writer_of
from catalog.forms import read_nonce
from catalog.services import typed

# What need not come back: the marks of the page that was left.
PASSING = {"csrfmiddlewaretoken", WRITER, BACK, "action"}


def keep(request: HttpRequest) -> User | None:
    """Keep what was typed for its writer. Return them, or None if nothing could be kept."""
    writer = writer_of(request.POST.get(WRITER, ""), request.path)
    if writer is None:
        return None
    data = {
        name: [str(text) for text in request.POST.getlist(name)]
        for name in request.POST
        if name not in PASSING
    }
    given = request.POST.get("nonce", "")
    nonce = read_nonce(given) if given else ""
    kept = typed.keep(user=writer, path=request.path, nonce=nonce, data=data)
    return writer if kept else None


def way_back(request: HttpRequest) -> str:
    """Return the address at which what was kept comes back.

    The form of a listing always looks; of any other page it is asked for.
    """
    looks = not getattr(resolve(request.path_info).func, "login_required", True)
    return request.path if looks else f"{request.path}?typed=1"


View = Callable[..., HttpResponse]


def keeps_what_was_typed(view: View) -> View:
    """Open a form to those who are logged in; of others' posts, keep the text over the log-in.

    Stands in for `LoginRequiredMiddleware`, which would drop what was typed.
    """

    @login_not_required
    @wraps(view)
    def guarded(request: PageRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if request.user.is_authenticated:
            return view(request, *args, **kwargs)
        if request.method == "POST":
            kept = keep(request) is not None
            if is_autosave(request):
                return _ended(kept)
            return redirect_to_login(request.path)
        return redirect_to_login(request.get_full_path())

    return guarded


def is_autosave(request: HttpRequest) -> bool:
    return request.POST.get("action") == "autosave"


def _ended(kept: bool) -> HttpResponse:
    sentence = (
        _("You are no longer logged in. Press “Save”, log in, and go on: your text is kept.")
        if kept
        else _("You are no longer logged in. Log in on another page, then press “Save” here.")
    )
    return JsonResponse({"problem": sentence}, status=401)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Answer a form whose protection has run out, such as after a log-in in another window.

    A listing's form comes back with what was typed; of any other form a page says what to do.
    """
    writer = keep(request) if request.method == "POST" else None
    if writer is None:
        return default_csrf_failure(request, reason)
    if is_autosave(request):
        return _ended(kept=True)
    if not request.user.is_authenticated:
        return redirect_to_login(way_back(request))
    if request.user.pk == writer.pk:
        return redirect(way_back(request))
    return render(request, "403_csrf.html", {"kept": True}, status=403)
