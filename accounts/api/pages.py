"""Pages of lists: bounded, and found again behind a row, not at a number."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.db.models import QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from drf_spectacular.types import OpenApiTypes
from rest_framework import serializers
from rest_framework.request import Request

from accounts.api.schema import query

PAGE_SIZE = 20
PAGE_SIZE_AT_MOST = 100

SIZE = query(
    "page_size",
    gettext_lazy("Rows of a page, 100 at most."),
    OpenApiTypes.INT,
    default=PAGE_SIZE,
)
AFTER = query("after", gettext_lazy("The cursor in the address “next” of the page before."))
BEFORE = query("before", gettext_lazy("The cursor in the address “previous” of a page."))


def page_size(request: Request) -> int:
    """Return how many rows the reader wants. What is no such number is said."""
    text = request.query_params.get("page_size", "")
    if not text:
        return PAGE_SIZE
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:4]) <= PAGE_SIZE_AT_MOST):
        raise serializers.ValidationError(
            {
                "page_size": [
                    _("Please write a number from 1 to %(limit)d.") % {"limit": PAGE_SIZE_AT_MOST}
                ]
            }
        )
    return int(text)


def address(request: Request, **cursor: str) -> str | None:
    """Return this address with another cursor, nothing where there is none."""
    if not any(cursor.values()):
        return None
    pairs = [
        (name, value)
        for name, values in request.query_params.lists()
        if name not in ("after", "before")
        for value in values
    ]
    return request.build_absolute_uri(f"{request.path}?{urlencode([*pairs, *cursor.items()])}")


def newest_first(request: Request, rows: QuerySet[Any]) -> tuple[list[Any], str | None]:
    """Return a page of rows, the last made first, and the address of the next."""
    size = page_size(request)
    after = request.query_params.get("after", "")
    if after:
        if not (after.isascii() and after.isdigit() and len(after) < 19):
            raise serializers.ValidationError({"after": [_("This cursor is none of ours.")]})
        rows = rows.filter(pk__lt=int(after))
    found = list(rows.order_by("-pk")[: size + 1])
    shown = found[:size]
    return shown, address(request, after=str(shown[-1].pk)) if len(found) > size else None


class NextSerializer(serializers.Serializer[Any]):
    """A page of a list that only goes forwards."""

    next = serializers.CharField(
        allow_null=True, help_text=gettext_lazy("The address of the next page.")
    )


def page_of(row: type[serializers.Serializer[Any]], base: type[Any] = NextSerializer) -> type[Any]:
    """Return the serializer of a page of such rows."""
    begin = "Found" if base is not NextSerializer else ""
    name = begin + row.__name__.removesuffix("Serializer")
    return type(
        f"{name}PageSerializer",
        (base,),
        {
            "results": row(many=True),
            "__doc__": f"A page of a list ({name}).",
            "__module__": __name__,
        },
    )
