"""Refusals as RFC 9457 says them: a stable code for programs, a sentence for people."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.core.exceptions import (
    NON_FIELD_ERRORS,
    PermissionDenied,
    RequestDataTooBig,
    SuspiciousOperation,
    ValidationError,
)
from django.http import Http404
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from rest_framework import exceptions, serializers
from rest_framework.exceptions import APIException
from rest_framework.response import Response
from rest_framework.settings import api_settings
from rest_framework.views import exception_handler

from accounts.api.exceptions import TooLarge

MEDIA_TYPE = "application/problem+json"


Translated = Callable[[Exception], APIException]
_known: dict[type[Exception], Translated] = {}


def explain(kind: type[Exception], by: Translated) -> None:
    """Have an app's own exception answered as one of these."""
    _known[kind] = by


def problem(error: Exception, context: dict[str, Any]) -> Response | None:
    """Answer what a view raised. An error that nobody foresaw is not explained away."""
    error = _as_api_error(error)
    response = exception_handler(error, context)
    if response is None:
        return None
    assert isinstance(error, APIException)
    response.data = _body(error, response.status_code)
    response.content_type = MEDIA_TYPE
    return response


def _as_api_error(error: Exception) -> Exception:
    for kind, translate in _known.items():
        if isinstance(error, kind):
            return translate(error)
    if isinstance(error, ValidationError):
        return exceptions.ValidationError(by_field(error))
    if isinstance(error, Http404):
        return exceptions.NotFound()
    if isinstance(error, PermissionDenied):
        return exceptions.PermissionDenied(*(str(arg) for arg in error.args[:1]))
    if isinstance(error, RequestDataTooBig):
        return TooLarge()
    if isinstance(error, SuspiciousOperation):
        return exceptions.ParseError(_("This request cannot be read."))
    return error


def by_field(error: ValidationError) -> dict[str, list[str]]:
    """Return Django's sentences by the field they are about."""
    if not hasattr(error, "error_dict"):
        return {api_settings.NON_FIELD_ERRORS_KEY: error.messages}
    return {
        api_settings.NON_FIELD_ERRORS_KEY if name == NON_FIELD_ERRORS else name: [
            str(message) for message in messages
        ]
        for name, messages in error.message_dict.items()
    }


def _body(error: APIException, status: int) -> dict[str, Any]:
    if isinstance(error, exceptions.ValidationError):
        code, detail = "invalid", _("Some entries are not right; nothing was stored.")
    else:
        code = getattr(error.detail, "code", "") or error.default_code
        detail = str(error.detail)
    body: dict[str, Any] = {
        "type": f"urn:keqiao:problem:{code}",
        "title": str(_titles().get(status, detail)),
        "status": status,
        "code": code,
        "detail": detail,
    }
    if isinstance(error, exceptions.ValidationError):
        body["errors"] = _flat(error.detail)
    return body


def _titles() -> dict[int, str]:
    return {
        400: _("This cannot be read"),
        401: _("Please sign in"),
        403: _("You may not do this"),
        404: _("There is no such thing"),
        405: _("Not with this method"),
        406: _("Not in this format"),
        409: _("Not from this state"),
        412: _("Changed meanwhile"),
        413: _("Too large"),
        415: _("Not in this format"),
        428: _("If-Match is missing"),
        429: _("Too many requests"),
    }


def _flat(detail: Any, name: str = "") -> dict[str, list[str]]:
    """Return sentences by dotted place: {"ip_items.0.kind": ["…"]}."""
    if isinstance(detail, dict):
        found: dict[str, list[str]] = {}
        for key, value in detail.items():
            found |= _flat(value, f"{name}.{key}" if name else str(key))
        return found
    if isinstance(detail, list) and any(isinstance(item, dict | list) for item in detail):
        found = {}
        for at, value in enumerate(detail):
            if value:
                found |= _flat(value, f"{name}.{at}" if name else str(at))
        return found
    texts = detail if isinstance(detail, list) else [detail]
    return {name or api_settings.NON_FIELD_ERRORS_KEY: [str(text) for text in texts]}


class ProblemSerializer(serializers.Serializer[Any]):
    """What every refusal looks like (RFC 9457)."""

    type = serializers.CharField(help_text=gettext_lazy("A name of the problem, as a URN."))
    title = serializers.CharField(help_text=gettext_lazy("The kind of problem in a few words."))
    status = serializers.IntegerField(help_text=gettext_lazy("The HTTP status again."))
    code = serializers.CharField(help_text=gettext_lazy("A stable word for programs."))
    detail = serializers.CharField(help_text=gettext_lazy("A sentence for people."))
    errors = serializers.DictField(  # type: ignore[assignment]
        child=serializers.ListField(child=serializers.CharField()),
        required=False,
        help_text=gettext_lazy("Sentences by field, where entries are not right."),
    )
