"""Bodies as they arrive: bounded, and without what no text can hold."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import IO, Any

from django.conf import settings
from django.utils.translation import gettext as _
from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser

from accounts.api.exceptions import TooLarge

# No resource is nested deeper than a list of rows; Python's own limit is near a thousand.
DEPTH = 20


class BoundedJSON(JSONParser):
    """JSON of at most `DATA_UPLOAD_MAX_MEMORY_SIZE` bytes, an object at the top."""

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE or 0
        raw = stream.read(limit + 1)
        if len(raw) > limit:
            raise TooLarge
        try:
            data = super().parse(io.BytesIO(raw), media_type, parser_context)
        except RecursionError:
            raise ParseError(_("This JSON is nested too deeply.")) from None
        except UnicodeError:
            raise ParseError(_("This JSON is not in UTF-8.")) from None
        if not isinstance(data, dict):
            raise ParseError(_("Please send a JSON object."))
        _check(data, DEPTH)
        return data


def _check(value: Any, depth: int) -> None:
    """Refuse NUL and half a surrogate pair wherever they stand: no database takes them."""
    if depth < 0:
        raise ParseError(_("This JSON is nested too deeply."))
    if isinstance(value, dict):
        for key, item in value.items():
            _check(key, depth)
            _check(item, depth - 1)
    elif isinstance(value, list):
        for item in value:
            _check(item, depth - 1)
    elif isinstance(value, str) and any(
        char == "\0" or "\ud800" <= char <= "\udfff" for char in value
    ):
        raise ParseError(_("A text holds a character that cannot be stored."))
