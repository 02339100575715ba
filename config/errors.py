"""The page of a failure, with a reference that finds its lines in the log."""

from __future__ import annotations

import structlog
from django.http import HttpRequest, HttpResponseServerError
from django.template import loader

# Enough of the request's id to find it among a day's failures, short enough to read out.
REFERENCE_LENGTH = 8


def server_error(request: HttpRequest) -> HttpResponseServerError:
    """Answer a failure. Neither the database nor the person is asked: either may be the reason."""
    request_id = str(structlog.contextvars.get_contextvars().get("request_id", ""))
    template = loader.get_template("500.html")
    return HttpResponseServerError(template.render({"reference": request_id[:REFERENCE_LENGTH]}))
