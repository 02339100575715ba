"""`manage.py import_listings demands FILE --organization CODE`: load a spreadsheet."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from accounts.models import Organization
from catalog.models import Achievement, Demand
from catalog.services.importing import ImportFailed, Report, import_listings
from catalog.services.unreadable import UnreadableFile


class Command(BaseCommand):
    help = "Load demands or achievements from a TSV, CSV or xlsx file, idempotent by id."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("kind", choices=("demands", "achievements"))
        parser.add_argument("file", type=Path)
        parser.add_argument(
            "--organization",
            required=True,
            metavar="CODE",
            help="the owner's unified social credit code or exact name",
        )
        parser.add_argument(
            "--publish",
            action="store_true",
            help="the source is trusted: rows go live at once, without a review",
        )
        parser.add_argument("--dry-run", action="store_true", help="check only, store nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        owner = _organization(options["organization"])
        if options["publish"] and not owner.is_verified:
            raise CommandError(f"{owner} is not verified; it cannot publish.")
        with tqdm(unit=" rows", disable=not sys.stderr.isatty()) as bar:
            try:
                report = import_listings(
                    model=Demand if options["kind"] == "demands" else Achievement,
                    path=options["file"],
                    owner=owner,
                    publish=options["publish"],
                    dry_run=options["dry_run"],
                    progress=lambda done: bar.update(done - bar.n),
                )
            except UnreadableFile as error:
                raise CommandError(str(error)) from error
            except ImportFailed as error:
                self._print_errors(error.report)
                count = len(error.report.errors) + error.report.more_errors
                raise CommandError(f"{count} errors; nothing was stored.") from error
        self._print_errors(report)
        if report.unknown_columns:
            self.stdout.write(f"Columns not read: {', '.join(report.unknown_columns)}")
        verb = "would be" if options["dry_run"] else "were"
        self.stdout.write(
            f"{report.rows} rows: {report.created} {verb} created, {report.updated} {verb}"
            f" updated, {report.unchanged} are unchanged."
        )
        if options["dry_run"] and report.errors:
            raise CommandError(f"{len(report.errors) + report.more_errors} errors.")

    def _print_errors(self, report: Report) -> None:
        for row, column, problem, _value in report.errors:
            where = f"row {row}, column {column}" if column else f"row {row}"
            self.stderr.write(f"{where}: {problem}")
        if report.more_errors:
            self.stderr.write(f"and {report.more_errors} more errors")


def _organization(named: str) -> Organization:
    """Return the one with this code or name. Names are not unique; then the code must be given."""
    if coded := Organization.objects.filter(credit_code=named.strip().upper()).first():
        return coded
    found = Organization.objects.filter(name=named.strip())[:2]
    if len(found) > 1:
        raise CommandError(f"Several organizations are called {named!r}; please give the code.")
    if not found:
        raise CommandError(f"No organization has the code or name {named!r}.")
    return found[0]
