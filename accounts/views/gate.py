"""Who may open which page: checks that views share."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec

from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.utils.translation import gettext as _

from accounts.http import UserRequest
from accounts.models import ManagerProfile

P = ParamSpec("P")
View = Callable[Concatenate[UserRequest, P], HttpResponse]


def operator_only(view: View[P]) -> View[P]:
    """Open a page to operators; others who are logged in read why not (403).

    That the pages exist is no secret, so it is not a 404.
    """

    @wraps(view)
    def gated(request: UserRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        if not request.user.is_operator:
            raise PermissionDenied(_("This page is open to the platform's operators only."))
        return view(request, *args, **kwargs)

    return gated


def own_profile(request: UserRequest) -> ManagerProfile:
    """Return the reader's own manager profile, certified or not; others read why not (403)."""
    profile = ManagerProfile.objects.filter(user=request.user).select_related("user").first()
    if profile is None:
        raise PermissionDenied(
            _("This page is open to technology managers, and to those who have applied.")
        )
    return profile
