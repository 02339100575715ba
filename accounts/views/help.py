"""Help: what a match is, who sees what, how figures are counted, accessibility."""

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from accounts.http import PageRequest


@login_not_required
@require_safe
def help_page(request: PageRequest, template: str) -> HttpResponse:
    return render(
        request,
        template,
        {"top_k": settings.MATCH_TOP_K, "engine_version": settings.ENGINE_VERSION},
    )
