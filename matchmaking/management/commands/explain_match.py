"""`manage.py explain_match M-…`: make the evidence of a match again, and compare."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from matchmaking.models import Match
from matchmaking.retrieval.encoders import EncoderUnavailable, get_encoder
from matchmaking.services.evidence import Reproduction, reproduce

WORDS = {True: "equal", False: "DIFFERENT", None: "not compared"}


class Command(BaseCommand):
    help = (
        "Make the evidence of a match again from the two revisions that were compared, and say"
        " whether it is what is stored. Ends with 1 where it is not."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("number", help="the number of the match, M-20261109-0031")
        parser.add_argument(
            "--without-pairs",
            action="store_true",
            help="leave the closest sentences out: they need the model",
        )
        parser.add_argument("--json", action="store_true", help="print all of it as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        match = (
            Match.objects.by_number(options["number"])
            .with_listings()
            .select_related("model")
            .first()
        )
        if match is None:
            raise CommandError(f"There is no match {options['number']}.")
        try:
            encoder = None if options["without_pairs"] else get_encoder()
        except EncoderUnavailable as error:
            raise CommandError(f"{error} Or leave the sentences out: --without-pairs") from error
        found = reproduce(match, encoder)
        self.stdout.write(_as_json(match, found) if options["json"] else _as_text(match, found))
        if not found.is_equal:
            raise SystemExit(1)


def _as_text(match: Match, found: Reproduction) -> str:
    lines = [
        f"{match.number}: demand {match.demand.number} version {match.demand_revision.version},"
        f" achievement {match.achievement.number} version {match.achievement_revision.version}",
        f"engine {found.engine}, vectors of {match.model}, score {match.score:.4f},"
        f" confidence {match.confidence:.3f}",
    ]
    if not found.same_engine:
        lines.append(
            f"This engine is {settings.ENGINE_VERSION}: what differs may be what it does better."
        )
    if found.closed:
        lines.append(f"Closed by an owner since, and not read: {', '.join(found.closed)}")
    for check in found.checks:
        lines.append(f"  {check.name:<12}{WORDS[check.equal]}{f': {check.why}' * bool(check.why)}")
        if check.equal is False:
            lines.append(f"    stored  {json.dumps(check.stored, ensure_ascii=False)}")
            lines.append(f"    again   {json.dumps(check.found, ensure_ascii=False)}")
    lines.append("The evidence is what both revisions say." if found.is_equal else "Not the same.")
    return "\n".join(lines)


def _as_json(match: Match, found: Reproduction) -> str:
    return json.dumps(
        {
            "match": match.number,
            "engine": found.engine,
            "same_engine": found.same_engine,
            "equal": found.is_equal,
            "closed_since": found.closed,
            "checks": {
                check.name: {
                    "equal": check.equal,
                    "why": check.why,
                    "stored": check.stored,
                    "again": check.found,
                }
                for check in found.checks
            },
        },
        ensure_ascii=False,
        indent=2,
    )
