"""Pages of a list in an order of its own, found again behind a row and not at a number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _
from rest_framework import serializers
from rest_framework.request import Request

from accounts.api.pages import address, page_size


def page_in_order(
    request: Request, rows: QuerySet[Any], order: Sequence[str], *, among: QuerySet[Any]
) -> tuple[list[int], str | None]:
    """Return the keys of a page and the address of the next.

    `order` are columns or annotations that are never null, "-" before one that falls; the last one
    tells rows apart. A cursor is the key of the row before, which is looked for `among` more rows
    than are listed: it may have left the list. It holds no values: a budget, by which the queue is
    ordered, may be closed to the reader.
    """
    size = page_size(request)
    after = request.query_params.get("after", "")
    if after:
        rows = rows.filter(_behind(order, _values(after, order, among)))
    keys = list(rows.order_by(*order).values_list("pk", flat=True)[: size + 1])
    following = address(request, after=str(keys[size - 1])) if len(keys) > size else None
    return keys[:size], following


def _values(after: str, order: Sequence[str], among: QuerySet[Any]) -> Sequence[Any]:
    names = [name.removeprefix("-") for name in order]
    found: Sequence[Any] | None = None
    if after.isascii() and after.isdigit() and len(after) < 19:
        found = among.filter(pk=int(after)).values_list(*names).first()
    if found is None:
        raise serializers.ValidationError({"after": [_("This cursor is none of ours.")]})
    return found


def _behind(order: Sequence[str], values: Sequence[Any]) -> Q:
    """Return what comes behind a row: later in one column, the same in all before it."""
    behind, same = Q(), Q()
    for name, value in zip(order, values, strict=True):
        column = name.removeprefix("-")
        behind |= same & Q(**{f"{column}__{'lt' if name != column else 'gt'}": value})
        same &= Q(**{column: value})
    return behind
