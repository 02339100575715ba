"""Close the site for maintenance, open it again, or say which it is.

manage.py maintenance on --until "2026-11-22 18:00" --message 正在升级数据库
manage.py maintenance off
manage.py maintenance status
"""

from __future__ import annotations

import datetime as dt
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from accounts.maintenance import MESSAGE_LIMIT, Closure, close, closure, reopen


class Command(BaseCommand):
    help = "Closes the site for maintenance (503 on every page), and opens it again."
    # It has to work while the database is away.
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("state", choices=("on", "off", "status"))
        parser.add_argument("--message", default="", help="Why, in Chinese; one or two sentences.")
        parser.add_argument("--message-en", default="", help="The same in English.")
        parser.add_argument(
            "--until",
            default="",
            help=f"When it should be over, such as “2026-11-22 18:00” ({settings.TIME_ZONE}).",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["state"] == "on":
            self._close(options)
        elif options["state"] == "off":
            was_closed = reopen()
            if settings.MAINTENANCE:
                raise CommandError("MAINTENANCE=1 is set: unset it and restart the web processes.")
            self.stdout.write("The site is open." if was_closed else "The site was open.")
        else:
            closed = closure()
            until = f" until {closed.until:%Y-%m-%d %H:%M %Z}" if closed and closed.until else ""
            self.stdout.write(f"The site is closed{until}." if closed else "The site is open.")

    def _close(self, options: dict[str, Any]) -> None:
        for name in ("message", "message_en"):
            if len(options[name]) > MESSAGE_LIMIT:
                raise CommandError(f"A message has at most {MESSAGE_LIMIT} characters.")
        path = close(
            Closure(options["message"], options["message_en"], _read_until(options["until"]))
        )
        self.stdout.write(f"The site is closed; the file is {path}.")


def _read_until(text: str) -> dt.datetime | None:
    """Return the time that was given. Raises `CommandError` for none that lies ahead."""
    if not text:
        return None
    try:
        until = parse_datetime(text)
    except ValueError:
        until = None
    if until is None:
        raise CommandError(f"“{text}” is no time such as “2026-11-22 18:00”.")
    if timezone.is_naive(until):
        until = timezone.make_aware(until)
    if until <= timezone.now():
        raise CommandError(f"“{text}” has passed.")
    return until
