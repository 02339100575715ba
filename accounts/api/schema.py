"""How the addresses are described: each view's table of operations, and what all have in common."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext_lazy as _
from django_stubs_ext import StrOrPromise
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import is_list_serializer
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse
from rest_framework.permissions import SAFE_METHODS

from accounts.api.permissions import AnybodyReads
from accounts.api.problems import MEDIA_TYPE, ProblemSerializer


@dataclass(frozen=True)
class Operation:
    """What the documentation says of one operation.

    `request` and the answers are serializers, or one for each list by its kind.
    """

    summary: StrOrPromise
    description: StrOrPromise
    answers: Mapping[int, Any]
    request: Any = None
    parameters: tuple[OpenApiParameter, ...] = ()
    problems: tuple[int, ...] = ()
    media_types: tuple[str, ...] = ()


def header(name: str, description: StrOrPromise) -> OpenApiParameter:
    return OpenApiParameter(
        name, OpenApiTypes.STR, OpenApiParameter.HEADER, description=str_lazy(description)
    )


def query(
    name: str, description: StrOrPromise, kind: Any = OpenApiTypes.STR, **kwargs: Any
) -> OpenApiParameter:
    return OpenApiParameter(name, kind, description=str_lazy(description), **kwargs)


def str_lazy(text: StrOrPromise) -> Any:
    # The library types texts as str, and turns promises into text when it writes the schema.
    return text


IF_MATCH = header(
    "If-Match", _("The ETag of what you read. Without it the change is refused (428).")
)
IF_MATCH_OPTIONAL = header(
    "If-Match", _("The ETag of what you read: refused (412) if it has changed since.")
)
IDEMPOTENCY_KEY = header(
    "Idempotency-Key", _("Any text of yours up to 200 characters: the same one creates one.")
)

_EXAMPLES: dict[int, tuple[str, dict[str, Any]]] = {
    400: ("invalid", {"errors": {"title": ["Please write a title."]}}),
    401: ("not_authenticated", {}),
    403: ("permission_denied", {}),
    404: ("not_found", {}),
    405: ("method_not_allowed", {}),
    406: ("not_acceptable", {}),
    409: ("wrong_state", {}),
    412: ("stale", {}),
    413: ("too_large", {}),
    415: ("unsupported_media_type", {}),
    428: ("if_match_required", {}),
    429: ("throttled", {}),
    503: ("unavailable", {}),
}
_MEANINGS: dict[int, StrOrPromise] = {
    400: _("It cannot be read, or entries are not right."),
    401: _("Nobody knows who asks, or the token is not valid."),
    403: _("You may see it but not do this."),
    404: _("There is no such thing, or you may not know of it."),
    405: _("The address has no such method."),
    406: _("The address does not answer in this format."),
    409: _("Not from this state."),
    412: _("Somebody changed it meanwhile."),
    413: _("It is larger than the platform takes."),
    415: _("The body is in another format than the address reads."),
    428: _("The header If-Match is missing."),
    429: _("Too many requests; Retry-After says when to go on."),
    503: _("A service that this needs is away; try again later."),
}


class Schema(AutoSchema):
    """Describes an operation by the entry of its view's table."""

    view: Any

    @property
    def operation(self) -> Operation:
        found: Operation = self.view.operations[self.view.action]
        return found

    def get_operation_id(self) -> str:
        return f"{self.view.tag}_{self.view.action}"

    def get_tags(self) -> list[str]:
        return [self.view.tag]

    def get_summary(self) -> Any:
        return self.operation.summary

    def get_description(self) -> Any:  # type: ignore[override]
        return self.operation.description

    def get_override_parameters(self) -> list[Any]:
        return list(self.operation.parameters)

    def get_request_serializer(self) -> Any:
        return self._of_kind(self.operation.request)

    def get_response_serializers(self) -> Any:
        answers: dict[Any, Any] = {}
        for code, answer in self.operation.answers.items():
            types = self.operation.media_types
            answers[(code, *types) if types else code] = self._of_kind(answer)
        for code in self._problems():
            word, more = _EXAMPLES[code]
            example = {
                "type": f"urn:keqiao:problem:{word}",
                "title": str(_MEANINGS[code]),
                "status": code,
                "code": word,
                "detail": str(_MEANINGS[code]),
                **more,
            }
            answers[code, MEDIA_TYPE] = OpenApiResponse(
                ProblemSerializer,
                description=str_lazy(_MEANINGS[code]),
                examples=[OpenApiExample(word, example)],
            )
        return answers

    def _problems(self) -> list[int]:
        common = {400, 401, 403, 406, 429, *self.operation.problems}
        if "{" in self.path:
            common.add(404)
        if self.operation.request is not None:
            common |= {413, 415}
        return sorted(common)

    def _of_kind(self, serializer: Any) -> Any:
        return serializer[self.view.kind] if isinstance(serializer, dict) else serializer

    def _is_list_view(self, serializer: Any = None) -> bool:
        # A page of a list is an object of its own; nothing is a list because its view is one.
        return is_list_serializer(serializer) if serializer is not None else False

    def get_auth(self) -> list[Any]:
        auth = super().get_auth()
        open_to_all = any(isinstance(one, AnybodyReads) for one in self.view.get_permissions())
        if open_to_all and self.method in SAFE_METHODS:
            auth.append({})
        return auth


class BearerTokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """Says in the schema what `BearerToken` reads."""

    target_class = "accounts.api.authentication.BearerToken"
    name = "token"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "bearerFormat": "kq_…"}
