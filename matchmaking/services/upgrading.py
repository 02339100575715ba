"""Going over from one embedding model to another while the platform works.

Run by `manage.py embedding_models`, step by step; docs/operations.md tells the way. The second
model's vectors are made beside the first's. What is current is one row, so going over takes no
longer for a million listings than for ten, nobody sees half of it, and the way back is the same.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import NamedTuple

import numpy as np
from django.conf import settings
from django.db import connection, transaction
from django.db.models import Count, F, Min, OuterRef, ProtectedError, Subquery
from django.utils import timezone

from catalog.models import Demand
from catalog.workflow import IllegalMove
from matchmaking.evaluation import metrics
from matchmaking.models import (
    Centre,
    DemandIndex,
    EmbeddingModel,
    Match,
    encoding_model,
    index_model,
)
from matchmaking.retrieval import encoders
from matchmaking.retrieval.encoders import BrokenVector, Encoder, EncoderUnavailable, Vectors
from matchmaking.retrieval.vectors import vector_index
from matchmaking.services import indexing
from matchmaking.services.indexing import LISTINGS
from matchmaking.services.matching import rank_all
from matchmaking.services.training import SAID, grade, with_decisions
from matchmaking.workflow import ModelState

# Achievements first: most of the work, and what a demand's neighbours are looked for in.
KINDS = ("achievement", "demand")
# The most that pgvector indexes of a halfvec.
MOST_DIMENSION = 4000
# How far from 1 the length of a unit vector may be.
LENGTH_ERROR = 1e-3
# Nearer to each other than this, texts about steel, batteries and rice are told apart no more.
ALL_THE_SAME = 0.9999
# What the rate of a build is measured over.
LATELY = dt.timedelta(minutes=2)
# Results of a demand that are looked at for what people have decided.
DEPTH = 1000


class UpgradeRefused(Exception):
    """This step cannot be taken now; the text says why, and what to do."""


class Progress(NamedTuple):
    """How much of what is live a model has encoded. `rate`: listings a second lately, or 0."""

    total: int
    done: int
    rate: float

    @property
    def missing(self) -> int:
        return self.total - self.done

    @property
    def seconds_left(self) -> float | None:
        """None where nothing is being done."""
        return self.missing / self.rate if self.rate else None


# --- Adding -------------------------------------------------------------------------------------


def add(source: str) -> EmbeddingModel:
    """Take in the model of a folder, or of a hub's name, and check what it makes.

    Raise `UpgradeRefused` for a model that is no use, or that the platform has already.
    """
    encoder = load(source)
    check_vectors(encoder)
    with transaction.atomic():
        model, is_new = EmbeddingModel.objects.select_for_update(no_key=True).get_or_create(
            name=encoder.name,
            revision=encoder.revision,
            defaults={"dimension": encoder.dimension, "source": source},
        )
        if not is_new and model.state != ModelState.REMOVED:
            raise UpgradeRefused(
                f"{model} is number {model.pk} already ({model.get_state_display()})."
            )
        if not is_new:
            model.move_to(ModelState.BUILDING)
            model.source = source
            model.save(update_fields=["state", "source"])
    return model


def load(source: str) -> Encoder:
    """Load a model that is to be taken in. Raise `UpgradeRefused` with a sentence."""
    try:
        found = encoders.find_model(source)
        if wrong := encoders.damage(found.path):
            raise UpgradeRefused(f"The model {source} is damaged: {wrong}")
        return encoders.load_encoder(source)
    except EncoderUnavailable as error:
        raise UpgradeRefused(str(error)) from error


def check_vectors(encoder: Encoder) -> None:
    """Raise `UpgradeRefused` unless the encoder makes unit vectors that tell texts apart."""
    if not 1 <= encoder.dimension <= MOST_DIMENSION:
        raise UpgradeRefused(
            f"The model {encoder.name} makes vectors of {encoder.dimension} numbers;"
            f" at most {MOST_DIMENSION} can be searched."
        )
    texts = list(encoders.SAMPLES)
    for what, encode in (
        ("questions", encoder.encode_queries),
        ("texts", encoder.encode_passages),
    ):
        try:
            vectors = np.asarray(encode(texts), dtype=np.float32)
        except (BrokenVector, EncoderUnavailable) as error:
            raise UpgradeRefused(str(error)) from error
        if vectors.shape != (len(texts), encoder.dimension):
            raise UpgradeRefused(
                f"The model {encoder.name} says that its vectors have {encoder.dimension} numbers,"
                f" but for {len(texts)} {what} it makes an array of the shape {vectors.shape}."
            )
        lengths = np.linalg.norm(vectors, axis=1)
        # Not with `>`: a comparison with what is not a number is False.
        if not (np.abs(lengths - 1.0) < LENGTH_ERROR).all():
            raise UpgradeRefused(
                f"The model {encoder.name} gives vectors for {what} that are no unit vectors."
            )
        others = (vectors @ vectors.T)[~np.eye(len(texts), dtype=bool)]
        if others.min() > ALL_THE_SAME:
            raise UpgradeRefused(
                f"The model {encoder.name} gives all {what} the same vector: it tells nothing"
                " apart. Are its weights those of its settings?"
            )


# --- Building -----------------------------------------------------------------------------------


def progress(model: EmbeddingModel) -> Progress:
    """Return how far a model's vectors are, from what is stored: whoever makes them."""
    total = sum(LISTINGS[kind].objects.live().count() for kind in KINDS)
    missing = sum(indexing.unencoded(kind, model).count() for kind in KINDS)
    since = timezone.now() - LATELY
    count, first = 0, timezone.now()
    for kind in KINDS:
        lately = encoding_model(kind).objects.filter(model=model, encoded_at__gte=since)
        found = lately.aggregate(count=Count("pk"), first=Min("encoded_at"))
        count += found["count"]
        first = min(first, found["first"] or first)
    seconds = (timezone.now() - first).total_seconds()
    return Progress(total, total - missing, count / max(seconds, 1.0))


def build(model: EmbeddingModel, encoder: Encoder, *, batch: int) -> Iterator[int]:
    """Make what is missing of a model's vectors. Yield the number of listings done at a time.

    Broken off anywhere it goes on where it stopped: what was done is stored with each batch. What
    changes meanwhile is done again at the end. Raise `UpgradeRefused` if another process builds.
    """
    if model.state == ModelState.REMOVED:
        raise UpgradeRefused(f"{model} was removed. Add it again: it gets the same number.")
    with _alone(model):
        indexing.ensure_centres(encoder)
        while missing := progress(model).missing:
            done = 0
            for kind in KINDS:
                for count in _pass(kind, model, encoder, batch):
                    done += count
                    yield count
            if not done:
                raise UpgradeRefused(f"{missing:,} listings change faster than they are encoded.")
        _finish(model)


def _pass(kind: str, model: EmbeddingModel, encoder: Encoder, batch: int) -> Iterator[int]:
    last = 0
    while True:
        rows = indexing.unencoded(kind, model).filter(pk__gt=last).values_list("pk", flat=True)
        ids = list(rows[:batch])
        if not ids:
            return
        last = ids[-1]
        yield len(indexing.prepare(kind=kind, ids=ids, model=model, encoder=encoder))


def _finish(model: EmbeddingModel) -> None:
    for kind in KINDS:
        indexing.renew_centres(kind)
        vector_index(kind, model.pk).prepare()
    # Not over what somebody else has made of it meanwhile.
    EmbeddingModel.objects.filter(
        pk=model.pk, state__in=(ModelState.BUILDING, ModelState.RETIRED)
    ).update(state=ModelState.READY)


@contextmanager
def _alone(model: EmbeddingModel) -> Iterator[None]:
    """Let one process at a time build a model. The lock goes when the connection does."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(hashtext('embedding-model'), %s)", [model.pk])
        if not cursor.fetchone()[0]:
            raise UpgradeRefused(f"{model} is being built by another process.")
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(hashtext('embedding-model'), %s)", [model.pk])


class Paced:
    """An encoder that gives no more than `rate` texts a second in the mean.

    Building takes all cores while it encodes; what it leaves between batches is for the workers.
    """

    def __init__(
        self,
        encoder: Encoder,
        rate: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.name, self.revision = encoder.name, encoder.revision
        self.dimension = encoder.dimension
        self.count_tokens = encoder.count_tokens
        self._encoder, self._rate = encoder, rate
        self._clock, self._sleep = clock, sleep

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        return self._encode(self._encoder.encode_queries, texts)

    def encode_passages(self, texts: Sequence[str]) -> Vectors:
        return self._encode(self._encoder.encode_passages, texts)

    def _encode(self, encode: Callable[[Sequence[str]], Vectors], texts: Sequence[str]) -> Vectors:
        began = self._clock()
        try:
            return encode(texts)
        finally:
            self._sleep(max(0.0, len(texts) / self._rate - (self._clock() - began)))


# --- Going over ---------------------------------------------------------------------------------


def switch(model: EmbeddingModel, *, force: bool = False) -> int:
    """Make a model the current one. Return how many listings it has not encoded.

    From the commit on questions are asked with it and demands are matched again by it, those of the
    sweep in the background. With `force` also if listings are missing: they are found by words
    alone until the workers have encoded them.
    """
    counted = progress(model)
    with transaction.atomic():
        # Not FOR UPDATE: whoever stores a vector or a match refers to these rows.
        rows = EmbeddingModel.objects.select_for_update(no_key=True).order_by("pk")
        models = {row.pk: row for row in rows}
        chosen = models.get(model.pk)
        if chosen is None or chosen.state == ModelState.REMOVED:
            raise UpgradeRefused(f"{model} was removed: its vectors are gone.")
        if chosen.state == ModelState.CURRENT:
            raise UpgradeRefused(f"{model} is the current model already.")
        if not force and counted.missing:
            raise UpgradeRefused(
                f"{model} has not encoded {counted.missing:,} of {counted.total:,} listings yet."
                f" Run: manage.py embedding_models build {model.pk} (it goes on where it stopped)."
                " With --force those would be found by words alone until workers have encoded them."
            )
        if not force and chosen.state == ModelState.BUILDING:
            raise UpgradeRefused(
                f"{model} has not been made ready: its build has not come to its end."
                f" Run: manage.py embedding_models build {model.pk}"
            )
        for before in models.values():
            if before.state == ModelState.CURRENT:
                _move(before, ModelState.RETIRED)
        chosen.switched_at = timezone.now()
        _move(chosen, ModelState.CURRENT)
        for kind in KINDS:
            _judge_anew(kind, chosen)
    return counted.missing


def _move(model: EmbeddingModel, state: ModelState) -> None:
    try:
        model.move_to(state)
    except IllegalMove as error:
        raise UpgradeRefused(str(error)) from error
    model.save(update_fields=["state", "switched_at"])


def _judge_anew(kind: str, model: EmbeddingModel) -> None:
    """Have those few listings indexed again that this model can read and the other cannot."""
    said = encoding_model(kind).objects.filter(model=model, listing=OuterRef("pk"))
    rows = index_model(kind).objects.annotate(now=Subquery(said.values("problem")[:1]))
    rows.filter(now__isnull=False).exclude(now=F("problem")).update(version=0)


def former() -> EmbeddingModel | None:
    """Return the model that was current before the current one and is still there."""
    kept = EmbeddingModel.objects.filter(
        state__in=(ModelState.RETIRED, ModelState.READY), switched_at__isnull=False
    )
    return kept.order_by("-switched_at", "-pk").first()


def rollback() -> tuple[EmbeddingModel, int]:
    """Go back to the former model. Return it, and how many listings it has not encoded.

    At once, whatever it has missed: what was published since is encoded by the workers, and found
    by words until then. Raise `UpgradeRefused` where there is none.
    """
    model = former()
    if model is None:
        raise UpgradeRefused("There is no former model to go back to.")
    return model, switch(model, force=True)


def remove(model: EmbeddingModel) -> int:
    """Drop a model's vectors with their index, and its graph on this machine. Return the number of
    vectors.

    Not inside a transaction. Raise `UpgradeRefused` for the current model.
    """
    with transaction.atomic():
        row = EmbeddingModel.objects.select_for_update(no_key=True).filter(pk=model.pk).first()
        if row is None:
            raise UpgradeRefused(f"{model} is not there any more.")
        if row.state == ModelState.CURRENT:
            raise UpgradeRefused(f"{model} is the current model: switch to another one first.")
        if row.state != ModelState.REMOVED:
            _move(row, ModelState.REMOVED)  # from here on nobody makes vectors for it
    count = 0
    with _alone(model):
        for kind in KINDS:
            index = vector_index(kind, model.pk)
            count += index.count()
            index.drop()
            encoding_model(kind).objects.filter(model=model).delete()
        Centre.objects.filter(model=model).delete()
        DemandIndex.objects.filter(matched_model=model).update(matched_model=None)
    encoders.remove_graph(model.name, model.revision)
    # Unless a match says that it was found by it: that stays true.
    with suppress(ProtectedError):
        EmbeddingModel.objects.filter(pk=model.pk).delete()
    return count


# --- Comparing ----------------------------------------------------------------------------------


def decided() -> dict[int, dict[int, int]]:
    """Return {demand: {achievement: grade}} of what managers and both sides have decided.

    Of live demands whose decisions tell achievements apart; grades as the ranker learns them.
    """
    matches = Match.objects.filter(
        decided_at__isnull=False, demand__in=Demand.objects.live()
    ).order_by("pk")
    rows = with_decisions(matches).values_list("demand", "achievement", *SAID)
    judged: dict[int, dict[int, int]] = {}
    for demand, achievement, *said in rows.iterator(chunk_size=1000):
        value = grade(*said)
        if value is not None:
            judged.setdefault(demand, {})[achievement] = value
    return {demand: grades for demand, grades in judged.items() if len(set(grades.values())) > 1}


def on_decisions(
    model: EmbeddingModel, judged: Mapping[int, Mapping[int, int]], done: Callable[[int], object]
) -> dict[str, float]:
    """Return {demand: nDCG@10} of a model's ranking over what was decided of each demand.

    People decided about what the current model had found for them, which favours it a little.
    """
    found: dict[str, float] = {}
    for index in DemandIndex.objects.filter(pk__in=judged.keys()).select_related("listing"):
        listed = rank_all(
            index.listing, index, pool=DEPTH, keep=DEPTH, with_floor=False, model_id=model.pk
        )
        order = [str(item.candidate.listing_id) for item in listed.ranked]
        grades = {str(pk): value for pk, value in judged[index.pk].items()}
        found[str(index.pk)] = metrics.ndcg(order, grades)
        done(1)
    return found


def setting_differs() -> EmbeddingModel | None:
    """Return the current model if EMBEDDING_MODEL names another source than where it is from."""
    model = EmbeddingModel.objects.current()
    if model is None or model.source in ("", settings.EMBEDDING_MODEL):
        return None
    return model
