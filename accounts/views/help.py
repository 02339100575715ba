"""Help: what a match is, who sees what, how figures are counted, accessibility."""

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from accounts.http import PageRequest
from accounts.stars import published

# Who reads what its owner cannot change: everybody, members, the assigned manager, the other side
# once introduced. The rest of the table is catalog's, from its rules.
VISIBILITY = (
    (_("Title, public summary, keywords"), (True, True, True, True)),
    (_("Industry, region, cooperation modes"), (True, True, True, True)),
    (_("Kind, part of the country and field of the organization"), (True, True, True, True)),
    (_("Name of the organization"), (False, False, True, True)),
    (_("Contact person, phone, e-mail"), (False, False, False, True)),
)


@login_not_required
@require_safe
def help_page(request: PageRequest, template: str) -> HttpResponse:
    return render(
        request,
        template,
        {
            "top_k": settings.MATCH_TOP_K,
            "floor": round(100 * settings.MATCH_FLOOR),
            "engine_version": settings.ENGINE_VERSION,
            "review_days": settings.REVIEW_WORKING_DAYS,
            "table": [{"part": part, "cells": cells} for part, cells in VISIBILITY],
            "consent_days": settings.CONSENT_WORKING_DAYS,
            "stars": published(),
        },
    )
