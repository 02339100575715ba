"""The page behind “no more mails of this kind”, for whoever holds such a link. See RFC 8058."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from django.http import HttpResponse
from django.shortcuts import render

from accounts.http import PageRequest
from accounts.views.limits import refuse, too_often

LINKS_PER_MINUTE = 30


@dataclass(frozen=True)
class Ending:
    """The sentences about one kind of mails."""

    title: str
    question: str
    done: str
    # Where the link is not whole.
    void: str


def limited(request: PageRequest) -> HttpResponse | None:
    """Return the answer for somebody who tries links."""
    if too_often(request, "unsubscribe", visitor=LINKS_PER_MINUTE, person=LINKS_PER_MINUTE):
        return refuse(request)
    return None


def end_mails(
    request: PageRequest, ending: Ending, stop: Callable[[], object] | None
) -> HttpResponse:
    """Ask, or stop on a POST: opening the link changes nothing. No `stop`: the link is void.

    A mail program posts here by itself and has no more than the link, so the view that calls this
    asks for neither a log-in nor a CSRF token.
    """
    context: dict[str, object] = {"ending": ending}
    if stop is None:
        return render(request, "accounts/unsubscribe.html", context | {"void": True}, status=410)
    if request.method == "POST":
        stop()
        context["done"] = True
    return render(request, "accounts/unsubscribe.html", context)
