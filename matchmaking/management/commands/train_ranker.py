"""`manage.py train_ranker`: learn the order of matches from decisions; use it if it wins."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import translation

from matchmaking.evaluation.dataset import BrokenSet, read_judgements, read_texts
from matchmaking.evaluation.metrics import Interval
from matchmaking.evaluation.scratch import scratch_database
from matchmaking.management.running import bar, stoppable
from matchmaking.retrieval.encoders import EncoderUnavailable, load_encoder
from matchmaking.retrieval.learning import RankerUnavailable, library
from matchmaking.services import evaluating, halves, training


class Command(BaseCommand):
    help = (
        "Learn a ranker from the decisions on matches, compare it with the fixed weights on"
        " demands that were held back, and let it rank if it is better. With --set, learn from"
        " half of a judged set's demands instead and compare on the other half; nothing is stored."
    )

    # With --set the configured database may be away.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--dry-run", action="store_true", help="compare and print; store and change nothing"
        )
        parser.add_argument(
            "--set",
            type=Path,
            help="folder with demands.tsv, achievements.tsv and qrels.tsv (grades 0 to 3)",
        )
        parser.add_argument(
            "--halves", type=int, default=5, help="with --set: how often the demands are halved"
        )
        parser.add_argument("--seed", type=int, default=1, help="with --set: the first halving")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            library()
            with translation.override("en"):
                if options["set"] is not None:
                    self._on_a_set(options["set"], options["halves"], options["seed"])
                else:
                    self._on_decisions(dry_run=options["dry_run"])
        except (BrokenSet, EncoderUnavailable, RankerUnavailable, training.CannotTrain) as error:
            raise CommandError(str(error)) from error

    def _on_decisions(self, *, dry_run: bool) -> None:
        with bar("training", training.FOLDS * training.REPEATS) as shown:
            trained = training.train(dry_run=dry_run, progress=shown.update)
        comparison = trained.comparison
        judged, grades = trained.decisions, trained.report["grades"]
        self._say(
            f"{len(judged.judged)} decisions on {comparison.demands} demands with good and less"
            f" good matches; grades {', '.join(f'{grade}: {n}' for grade, n in grades.items())};"
            f" {judged.left_out} decisions say nothing of the fit."
        )
        self._table(comparison)
        shares = list(trained.report["gains"].items())[:6]
        self._say("It looks at " + ", ".join(f"{name} {share:.0%}" for name, share in shares) + ".")
        if dry_run:
            self._say("Nothing was stored (--dry-run).")
        elif trained.promoted:
            self._say(
                f"Version {trained.version} ranks from now on; all demands are compared again."
                " `manage.py rankers --fixed` takes it back."
            )
        else:
            self._say(
                f"Version {trained.version} is kept as a report only: it is not surely better."
                " What ranked before goes on."
            )

    def _table(self, comparison: training.Comparison) -> None:
        self._say(f"{'ndcg10, held-back demands':28} {'mean':>8}  95 % interval")
        self._row("fixed weights", comparison.fixed)
        self._row("learned", comparison.learned)
        self._row("difference, paired", comparison.difference)

    def _row(self, name: str, figure: Interval) -> None:
        sign = "+" if name.startswith("difference") else ""
        mean, low, high = (f"{value:{sign}.4f}" for value in figure[:3])
        self._say(f"{name:28} {mean:>8}  {low} to {high}")

    def _on_a_set(self, folder: Path, count: int, seed: int) -> None:
        if count < 1:
            raise CommandError("--halves must be at least 1.")
        judgements = read_judgements(folder)
        texts = read_texts(folder)
        encoder = load_encoder(settings.EMBEDDING_MODEL)
        with stoppable(), scratch_database():
            evaluating.load_and_index(texts, encoder, bar)
            with bar("matching", len(texts["demand"])) as shown:
                pairs = halves.collect(judgements, shown.update)
        self._say(
            f"{'half':>4}  {'within the half learned from':32}  {'learned, on the other half':32}"
            f"  {'promoted':8}  other half: fixed, then"
        )
        for number in range(seed, seed + count):
            half = halves.run(pairs, seed=number)
            self._say(
                f"{number:>4}  {_signed(half.inner.difference):32}"
                f"  {_signed(half.learned.difference):32}"
                f"  {'yes' if half.inner.won else 'no':8}"
                f"  {half.outer.fixed.mean:.4f}, {half.outer.learned.mean:.4f}"
                f" of {half.outer.demands} demands"
            )

    def _say(self, sentence: str) -> None:
        self.stdout.write(sentence)


def _signed(figure: Interval) -> str:
    return f"{figure.mean:+.4f} ({figure.low:+.4f} to {figure.high:+.4f})"
