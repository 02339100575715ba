"""Maintenance: one file says that the site is closed, and every web process that sees it obeys.

The file lies in `VAR_DIR`, so that neither the database nor the cache is asked: either may be what
is being worked on. `manage.py maintenance on` writes it, `off` removes it.
"""

from __future__ import annotations

import datetime as dt
import json
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.utils import timezone
from django.utils.dateparse import parse_datetime

FILE_NAME = "maintenance"
# A message is a sentence or two, not a page.
MESSAGE_LIMIT = 500
# Seconds after which a program may ask again, where nobody has said until when.
RETRY_SECONDS = 600


@dataclass(frozen=True)
class Closure:
    """That the site is closed: why, in both languages, and until when; both may be missing."""

    message: str = ""
    message_en: str = ""
    until: dt.datetime | None = None

    def message_in(self, language: str) -> str:
        """Return the operators' own words in this language, or nothing."""
        return self.message_en if language.startswith("en") else self.message

    @property
    def expected(self) -> dt.datetime | None:
        """When it should be over. A time that has passed is told to nobody."""
        return self.until if self.until is not None and self.until > timezone.now() else None

    @property
    def retry_after(self) -> int:
        """Seconds from now after which it is worth asking again."""
        if self.expected is None:
            return RETRY_SECONDS
        return max(1, round((self.expected - timezone.now()).total_seconds()))


def _file() -> Path:
    return Path(settings.VAR_DIR) / FILE_NAME


def closure() -> Closure | None:
    """Return why the site is closed, None while it is open.

    A file that cannot be understood, such as an empty one made by `touch`, closes it as well.
    """
    if settings.MAINTENANCE:
        return Closure()
    try:
        text = _file().read_text(encoding="utf8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError):
        return Closure()
    try:
        told = json.loads(text)
        until = parse_datetime(str(told.get("until") or ""))
        if until is not None and timezone.is_naive(until):
            until = timezone.make_aware(until)
        return Closure(
            message=str(told.get("message") or "")[:MESSAGE_LIMIT],
            message_en=str(told.get("message_en") or "")[:MESSAGE_LIMIT],
            until=until,
        )
    except (ValueError, AttributeError):
        return Closure()


def close(closed: Closure) -> Path:
    """Close the site. Nobody reads half a file: it is written beside and moved into place."""
    path = _file()
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(f".{os.getpid()}")
    told = {
        "message": closed.message,
        "message_en": closed.message_en,
        "until": closed.until.isoformat() if closed.until else "",
    }
    draft.write_text(json.dumps(told, ensure_ascii=False), encoding="utf8")
    draft.replace(path)
    return path


def reopen() -> bool:
    """Open the site again; say whether it was closed by the file."""
    with suppress(FileNotFoundError):
        _file().unlink()
        return True
    return False
