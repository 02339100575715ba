"""The description of the API: for programs as OpenAPI, for people as a page to try it on."""

from __future__ import annotations

from typing import Any, cast

from django.contrib.auth.decorators import login_not_required
from django.http import HttpResponse
from django.shortcuts import render
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_safe
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.renderers import OpenApiJsonRenderer

from accounts.http import PageRequest


@login_not_required
@require_safe
def schema(request: PageRequest) -> HttpResponse:
    """Return the OpenAPI description, in the reader's language."""
    generator = cast(Any, SchemaGenerator)(api_version="v1")
    found = generator.get_schema(request=None, public=True)
    body = OpenApiJsonRenderer().render(found, renderer_context={})
    response = HttpResponse(body, content_type="application/vnd.oai.openapi+json")
    patch_vary_headers(response, ["Accept-Language", "Cookie"])
    return response


@login_not_required
@require_safe
def docs(request: PageRequest) -> HttpResponse:
    """Show the description with forms to try it; they use the reader's session."""
    return render(request, "accounts/api_docs.html")
