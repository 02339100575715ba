"""A person's tokens for the API."""

from __future__ import annotations

import uuid

from allauth.account.decorators import reauthentication_required
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from accounts.forms import TokenForm
from accounts.http import UserRequest
from accounts.models import ApiToken
from accounts.services import Refused
from accounts.tokens import TOKENS_AT_MOST, create_token, revoke_token
from accounts.views.sure import asked


# A page left open must not be enough to make a key that lasts a year.
@reauthentication_required(allow_get=True)  # type: ignore[untyped-decorator]
@never_cache
@require_http_methods(["GET", "POST"])
def settings_tokens(request: UserRequest) -> HttpResponse:
    """List one's tokens and make one. The answer to the form is the only page that shows it."""
    form = TokenForm(request.POST or None, initial={"mark": uuid.uuid4()})
    made, text = None, ""
    if form.is_valid():
        data = form.cleaned_data
        try:
            made, text = create_token(
                user=request.user,
                name=data["name"],
                scope=data["scope"],
                days=data["days"],
                public_id=data["mark"],
            )
        except Refused as exc:
            form.add_error(None, str(exc))
        else:
            form = TokenForm(initial={"mark": uuid.uuid4()})
    tokens = list(ApiToken.objects.filter(user=request.user))
    return render(
        request,
        "accounts/settings_tokens.html",
        {
            "form": form,
            "made": made,
            "text": text,
            "tokens": tokens,
            "full": len(tokens) >= TOKENS_AT_MOST,
        },
    )


@require_POST
def token_revoke(request: UserRequest, token: uuid.UUID) -> HttpResponse:
    """End a token of one's own at once."""
    found = get_object_or_404(ApiToken, user=request.user, public_id=token)
    page = asked(
        request,
        title=_("Revoke “%(name)s”?") % {"name": found.name},
        told=_(
            "Programs that use it are refused at once. This cannot be undone; you can make a new "
            "one."
        ),
        act=_("Revoke the token"),
        keep=_("Keep the token"),
        back=reverse("settings_tokens"),
    )
    if page is not None:
        return page
    revoke_token(token=found)
    messages.success(
        request,
        _("“%(name)s” is revoked. Programs that use it are refused from now on.")
        % {"name": found.name},
    )
    return redirect("settings_tokens")
