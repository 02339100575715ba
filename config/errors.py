"""The pages of what went wrong, with a reference that finds its lines in the log.

Those of 400, 500 and 503 are drawn without the request: the database, the session or the request
itself may be the reason. Programs get a problem (RFC 9457) in the place of a page.
"""

from __future__ import annotations

import secrets
from typing import Any

import structlog
from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template import loader
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from accounts.maintenance import Closure
from accounts.site import site_name, site_operator

# Enough of the request's id to find it among a day's failures, short enough to read out.
REFERENCE_LENGTH = 8
API = "/api/"
# Settings of the installation that pages show as they are.
SHOWN = ("SITE_CONTACT", "SITE_ICP")

logger = structlog.get_logger(__name__)


def about_site() -> dict[str, str]:
    """Return what every page may say of the site itself."""
    return {
        "SITE_NAME": site_name(),
        "SITE_OPERATOR": site_operator(),
        **{name: getattr(settings, name) for name in SHOWN},
    }


def reference() -> str:
    """Return the start of this request's id in the log, "" where it has none yet."""
    request_id = str(structlog.contextvars.get_contextvars().get("request_id") or "")
    return request_id[:REFERENCE_LENGTH]


def _problem(status: int, code: str, title: str, detail: str) -> JsonResponse:
    problem = {
        "type": f"urn:keqiao:problem:{code}",
        "title": title,
        "status": status,
        "code": code,
        "detail": detail,
    }
    return JsonResponse(problem, status=status, content_type="application/problem+json")


def _page(status: int, context: dict[str, Any]) -> HttpResponse:
    template = loader.get_template(f"{status}.html")
    context = about_site() | {"frame": "_plain.html"} | context
    return HttpResponse(template.render(context), status=status)


def _found_in_log(status: int, path: str) -> str:
    """Return the reference. A request that failed before it had an id gets a line of its own."""
    found = reference()
    if not found:
        found = secrets.token_hex(REFERENCE_LENGTH // 2)
        logger.error("failed_early", reference=found, status=status, path=path)
    return found


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer a failure. Neither the database nor the person is asked: either may be the reason."""
    found = _found_in_log(500, request.path)
    if request.path.startswith(API):
        return _problem(
            500,
            "failure",
            _("Something failed here"),
            _("This is our failure, not yours. Its reference: %(reference)s")
            % {"reference": found},
        )
    return _page(500, {"reference": found})


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer what cannot be read: too large, cut off, or nothing that a browser sends."""
    found = _found_in_log(400, request.path)
    if request.path.startswith(API):
        return _problem(
            400, "parse_error", _("This cannot be read"), _("This request cannot be read.")
        )
    return _page(400, {"reference": found})


def closed_page(request: HttpRequest, closed: Closure) -> HttpResponse:
    """Answer while the site is closed, with the operators' words and when to come back."""
    message = closed.message_in(get_language() or "")
    if request.path.startswith(API):
        response: HttpResponse = _problem(
            503,
            "maintenance",
            _("Closed for maintenance"),
            message or _("The site is being worked on. Nothing is lost; try again later."),
        )
    else:
        response = _page(503, {"message": message, "until": closed.expected})
    response["Retry-After"] = str(closed.retry_after)
    response["Cache-Control"] = "no-store"
    # A 503 is the message here, not a failure of ours: every visitor would fill the log with it.
    response._has_been_logged = True  # type: ignore[attr-defined]
    return response
