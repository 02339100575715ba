"""The page that asks before what cannot be undone."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import render

from accounts.http import UserRequest


def asked(
    request: UserRequest, *, title: str, told: str, act: str, keep: str, back: str
) -> HttpResponse | None:
    """Return the page that asks whether to go on; None once its button was pressed.

    `told`: what follows from it, in a sentence. `act` and `keep` name the two ways, `back` is where
    the second one leads. What can be taken back is not asked about at all.
    """
    if request.POST.get("sure") == "1":
        return None
    context = {"title": title, "told": told, "act": act, "keep": keep, "back": back}
    return render(request, "sure.html", context)
