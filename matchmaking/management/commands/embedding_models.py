"""`manage.py embedding_models`: go over to another language model while the platform works."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone, translation

from matchmaking.evaluation import metrics
from matchmaking.evaluation.dataset import BrokenSet, Text, read_judgements, read_texts
from matchmaking.evaluation.scratch import scratch_database
from matchmaking.management.running import bar, stoppable
from matchmaking.models import EmbeddingModel
from matchmaking.retrieval.encoders import Encoder, EncoderUnavailable, get_encoder
from matchmaking.services import evaluating, indexing, upgrading
from matchmaking.services.upgrading import Paced, UpgradeRefused
from matchmaking.workflow import ModelState

# Listings at a time: some seconds of work on two cores, which is what breaking off loses.
BATCH = 64


class Command(BaseCommand):
    help = (
        "Go over from one language model to another while the platform works: add it, build its"
        " vectors beside those of the current one, compare both, switch, and roll back if need be."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        steps = parser.add_subparsers(dest="step", required=True, metavar="STEP")
        steps.add_parser("list", help="the models, and how much of what is live each has encoded")
        step = steps.add_parser("add", help="take in a model and check what it makes")
        step.add_argument("source", help="a sentence-transformers folder, or a name on the hub")
        step = steps.add_parser("build", help="make what is missing of a model's vectors")
        _number(step)
        step.add_argument(
            "--rate", type=_positive, metavar="TEXTS", help="at most so many texts a second"
        )
        step.add_argument("--batch", type=_whole, default=BATCH, help="listings at a time")
        step = steps.add_parser("compare", help="compare a model with the current one")
        _number(step)
        step.add_argument(
            "--set",
            type=Path,
            nargs="+",
            default=[],
            metavar="FOLDER",
            help="judged sets: demands.tsv, achievements.tsv and qrels.tsv in each",
        )
        step = steps.add_parser("switch", help="make a model the current one")
        _number(step)
        step.add_argument(
            "--force", action="store_true", help="even if it has not encoded every listing"
        )
        steps.add_parser("rollback", help="go back to the model that was current before")
        step = steps.add_parser("remove", help="drop a model's vectors and their index")
        _number(step)

    def handle(self, *, step: str, **options: Any) -> None:
        with translation.override("en"):
            try:
                if "number" in options:
                    options["model"] = self._model(options["number"])
                getattr(self, f"_{step}")(**options)
            except (UpgradeRefused, EncoderUnavailable, BrokenSet) as error:
                raise CommandError(str(error)) from error

    def _model(self, number: int) -> EmbeddingModel:
        model = EmbeddingModel.objects.filter(pk=number).first()
        if model is None:
            raise CommandError(
                f"There is no model number {number}. Run: manage.py embedding_models list"
            )
        return model

    # --- The steps ------------------------------------------------------------------------------

    def _list(self, **_: Any) -> None:
        for model in EmbeddingModel.objects.order_by("pk"):
            state = str(model.get_state_display())
            if model.state == ModelState.CURRENT and model.switched_at:
                state += f" since {timezone.localtime(model.switched_at):%Y-%m-%d %H:%M}"
            encoded = ""
            if model.state != ModelState.REMOVED:
                seen = upgrading.progress(model)
                encoded = f"{seen.done:,} of {seen.total:,} listings"
            self.stdout.write(
                f"{model.pk:>3}  {model!s:<40}  {model.dimension:>4} numbers  {encoded:<28}"
                f"  {state}  {model.source}"
            )
        current = EmbeddingModel.objects.current()
        if current is None:
            self.stdout.write(
                "There is no current model yet: the first worker that has loaded the one of"
                f" EMBEDDING_MODEL ({settings.EMBEDDING_MODEL}) makes it that."
            )
        elif upgrading.setting_differs():
            self.stdout.write(
                f"EMBEDDING_MODEL names {settings.EMBEDDING_MODEL}, which changes nothing: the"
                f" platform works with {current} from {current.source}. To go over to the other"
                f" one: manage.py embedding_models add {settings.EMBEDDING_MODEL}"
            )

    def _add(self, *, source: str, **_: Any) -> None:
        model = upgrading.add(source)
        self.stdout.write(
            f"{model} is number {model.pk}: vectors of {model.dimension} numbers, checked."
            f" Next: manage.py embedding_models build {model.pk}"
        )

    def _build(self, *, model: EmbeddingModel, rate: float | None, batch: int, **_: Any) -> None:
        encoder = get_encoder(model)
        if rate:
            encoder = Paced(encoder, rate)
        seen = upgrading.progress(model)
        with stoppable(), bar(f"{model}", seen.total, seen.done) as shown:
            for done in upgrading.build(model, encoder, batch=batch):
                shown.update(done)
        model.refresh_from_db()
        self.stdout.write(
            f"{model} has encoded all {upgrading.progress(model).total:,} listings"
            f" ({model.get_state_display()})."
            f" Next: manage.py embedding_models compare {model.pk}, then switch {model.pk}"
        )

    def _compare(self, *, model: EmbeddingModel, set: list[Path], **_: Any) -> None:
        current = EmbeddingModel.objects.current()
        if current is None or current.pk == model.pk:
            raise UpgradeRefused("Compare a model with the current one, which must be another.")
        sets = [(folder, read_judgements(folder), read_texts(folder)) for folder in set]
        both = [get_encoder(one) for one in (current, model) if sets]
        self.stdout.write(
            f"{'':<24}{'measure':<10}{'demands':>8}  {'now':>7}  {'then':>7}  difference (95 %)"
        )
        self._on_decisions(current, model)
        for folder, judged, texts in sets:
            with stoppable():
                ranked = _ranked(texts, both, folder.name)
            before, after = (metrics.measure(one, judged) for one in ranked)
            for name in before:
                self._row(folder.name, name, before[name], after[name])

    def _on_decisions(self, current: EmbeddingModel, model: EmbeddingModel) -> None:
        judged = upgrading.decided()
        if not judged:
            self.stdout.write("own decisions           none yet that tell achievements apart")
            return
        if missing := upgrading.progress(model).missing:
            self.stdout.write(
                f"own decisions           not until it is built ({missing:,} listings are missing)"
            )
            return
        with bar("own decisions", 2 * len(judged)) as shown:
            before, after = (
                upgrading.on_decisions(one, judged, shown.update) for one in (current, model)
            )
        self._row("own decisions", "ndcg10", before, after)

    def _row(
        self, name: str, measure: str, before: Mapping[str, float], after: Mapping[str, float]
    ) -> None:
        gain = metrics.gain(before, after)
        means = [sum(one.values()) / len(one) for one in (before, after)]
        self.stdout.write(
            f"{name[:23]:<24}{measure:<10}{gain.n:>8}  {means[0]:>7.4f}  {means[1]:>7.4f}"
            f"  {gain.mean:+.4f} ({gain.low:+.4f} to {gain.high:+.4f})"
        )

    def _switch(self, *, model: EmbeddingModel, force: bool, **_: Any) -> None:
        self._now(model, upgrading.switch(model, force=force))

    def _rollback(self, **_: Any) -> None:
        self._now(*upgrading.rollback())

    def _now(self, model: EmbeddingModel, missing: int) -> None:
        self.stdout.write(
            f"{model} is the current model. Questions are asked with it from now on; demands are"
            " matched again in the background."
        )
        if missing:
            self.stdout.write(
                f"{missing:,} listings are found by words alone until the workers have encoded"
                " them, which they begin with now."
            )
        if upgrading.setting_differs():
            self.stdout.write(
                f"Set EMBEDDING_MODEL to {model.source}, for what is begun anew: the setting still"
                f" names {settings.EMBEDDING_MODEL}."
            )

    def _remove(self, *, model: EmbeddingModel, **_: Any) -> None:
        name, count = str(model), upgrading.remove(model)
        self.stdout.write(f"{count:,} vectors of {name} are removed, with their index.")


def _ranked(
    texts: Mapping[str, list[Text]], both: Sequence[Encoder], name: str
) -> list[dict[str, list[str]]]:
    """Run the engine over a set with each of two models, in a database of its own."""
    first, second = both
    with scratch_database():
        evaluating.load_and_index(
            texts, first, lambda what, total: bar(f"{name}: {what}, {first.name}", total)
        )
        model = indexing.register_model(second)
        with bar(f"{name}: {second.name}", upgrading.progress(model).total) as shown:
            for done in upgrading.build(model, second, batch=BATCH):
                shown.update(done)
        found = []
        for one in (indexing.register_model(first), model):
            with bar(f"{name}: matching, {one.name}", len(texts["demand"])) as shown:
                found.append(evaluating.rankings(shown.update, model_id=one.pk))
        return found


def _number(parser: ArgumentParser) -> None:
    parser.add_argument("number", type=_whole, help="of the model, as the list shows it")


def _whole(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and 0 < int(text) < 2**31):
        raise ArgumentTypeError(f"{text} is no whole number above 0")
    return int(text)


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise ArgumentTypeError(f"{text} is no number above 0")
    return value
