"""The page of a failure, with a reference that finds its lines in the log."""

from __future__ import annotations

import structlog
from django.http import HttpRequest, HttpResponse, HttpResponseServerError, JsonResponse
from django.template import loader
from django.utils.translation import gettext as _

# Enough of the request's id to find it among a day's failures, short enough to read out.
REFERENCE_LENGTH = 8
API = "/api/"


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer a failure. Neither the database nor the person is asked: either may be the reason."""
    request_id = str(structlog.contextvars.get_contextvars().get("request_id", ""))
    reference = request_id[:REFERENCE_LENGTH]
    if request.path.startswith(API):
        problem = {
            "type": "urn:keqiao:problem:failure",
            "title": _("Something failed here"),
            "status": 500,
            "code": "failure",
            "detail": _("This is our failure, not yours. Its reference: %(reference)s")
            % {"reference": reference},
        }
        return JsonResponse(problem, status=500, content_type="application/problem+json")
    template = loader.get_template("500.html")
    return HttpResponseServerError(template.render({"reference": reference}))
