"""`manage.py demo_data`: fill an empty database with something to try."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.models import User
from matchmaking.retrieval.encoders import EncoderUnavailable, get_encoder
from matchmaking.services.demonstration import DOMAIN, LOGINS, PASSWORD, build


class Command(BaseCommand):
    help = "Fill an empty database with demo organizations, listings and matches."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--logins", action="store_true", help="only print the demo's log-ins, if it is there"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        present = User.objects.filter(email__endswith=f"@{DOMAIN}").exists()
        if options["logins"]:
            if present:
                self._print_logins()
            return
        if present:
            self.stdout.write("The demo data is there already; nothing was done.")
            return
        if User.objects.exists():
            raise CommandError("There are people in this database; the demo wants an empty one.")
        try:
            build(get_encoder(), lambda step: self.stdout.write(f"demo: {step}"))
        except EncoderUnavailable as error:
            raise CommandError(str(error)) from error
        self._print_logins()

    def _print_logins(self) -> None:
        width = max(len(login.email) for login in LOGINS)
        self.stdout.write(f"Demo log-ins, all with the password {PASSWORD}:")
        for login in LOGINS:
            self.stdout.write(f"  {login.email:{width}}  {login.who}")
