"""`manage.py rankers`: the versions of the ranker, and which one is in use."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone, translation

from matchmaking.models import RankerVersion
from matchmaking.services import rankers
from matchmaking.services.indexing import current_model


class Command(BaseCommand):
    help = "List the versions of the ranker; use one of them, or the fixed weights."

    def add_arguments(self, parser: ArgumentParser) -> None:
        choice = parser.add_mutually_exclusive_group()
        choice.add_argument("--use", type=int, metavar="NUMBER", help="let this version rank")
        choice.add_argument("--fixed", action="store_true", help="let the fixed weights rank")

    def handle(self, *args: Any, **options: Any) -> None:
        with translation.override("en"):
            if options["fixed"]:
                self._use(None)
            elif options["use"] is not None:
                version = RankerVersion.objects.filter(number=options["use"]).first()
                if version is None:
                    raise CommandError(f"There is no version {options['use']}.")
                self._use(version)
            else:
                self._list()

    def _use(self, version: RankerVersion | None) -> None:
        name = "The fixed weights" if version is None else f"Version {version}"
        verb = "rank" if version is None else "ranks"
        try:
            if version is not None:
                rankers.check(version)
            changed = rankers.use(version=version, actor=None)
        except rankers.RankerRefused as error:
            raise CommandError(f"{name} cannot be used: {error}") from error
        again = "from now on; all demands are compared again" if changed else "already"
        self.stdout.write(f"{name} {verb} {again}.")

    def _list(self) -> None:
        versions = list(RankerVersion.objects.defer("trees"))
        model = current_model()
        if not any(version.is_active for version in versions):
            self.stdout.write("The fixed weights rank.")
        for version in versions:
            difference = version.report["difference"]
            state = "in use" if version.is_active else rankers.refusal(version, model)
            self.stdout.write(
                f"{version.number:>4}  {timezone.localtime(version.trained_at):%Y-%m-%d}"
                f"  {version.decisions:>6} decisions  {version.demands:>5} demands"
                f"  {difference['mean']:+.4f} ({difference['low']:+.4f} to"
                f" {difference['high']:+.4f})  {state or 'can be used'}"
            )
