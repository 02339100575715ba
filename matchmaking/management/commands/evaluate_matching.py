"""`manage.py evaluate_matching SET --run FILE`: what the engine finds in a judged set."""

from __future__ import annotations

import os
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from matchmaking.evaluation.dataset import BrokenSet, read_texts
from matchmaking.evaluation.scratch import scratch_database
from matchmaking.management.running import bar, stoppable
from matchmaking.retrieval.encoders import EncoderUnavailable, load_encoder
from matchmaking.services import evaluating


class Command(BaseCommand):
    help = (
        "Load a judged set into a scratch database, run the engine over it and write a run file"
        " (demand, achievement, score; tab separated, best first, to depth 1000)."
    )
    # The scratch database is checked by its migrations; the configured one may be away.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("set", type=Path, help="folder with demands.tsv and achievements.tsv")
        parser.add_argument("--run", type=Path, required=True, help="the file to write")
        parser.add_argument(
            "--model",
            default=settings.EMBEDDING_MODEL,
            help="folder or hub's name of a model, EMBEDDING_MODEL by default",
        )

    @stoppable()
    def handle(self, *args: Any, **options: Any) -> None:
        try:
            texts = read_texts(options["set"])
            encoder = load_encoder(options["model"])
        except (BrokenSet, EncoderUnavailable) as error:
            raise CommandError(str(error)) from error
        target: Path = options["run"]
        draft = target.with_name(f"{target.name}.{os.getpid()}.part")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with draft.open("w", encoding="utf8") as lines, scratch_database():
                evaluating.load_and_index(texts, encoder, bar)
                with bar("matching", len(texts["demand"])) as shown:
                    for demand, achievement, score in evaluating.run(shown.update):
                        lines.write(f"{demand}\t{achievement}\t{score:.6f}\n")
            draft.replace(target)
        except OSError as error:
            raise CommandError(f"{target} cannot be written: {error.strerror}.") from error
        finally:
            draft.unlink(missing_ok=True)
        self.stdout.write(f"{len(texts['demand'])} demands, run written to {target}")
