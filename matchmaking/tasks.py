"""Every Celery task, a few lines each. The beat schedule is in settings.

Tasks take ids, are safe to run twice, and may be lost: `sweep` finds what was missed.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from celery import Task, shared_task
from django.conf import settings
from django.core.cache import cache
from django.db import OperationalError
from django.db.models import QuerySet
from redis.exceptions import RedisError

from accounts.broker import send as send  # also the name by which services find it
from accounts.models import ManagerProfile
from catalog.services import publication
from matchmaking.models import EmbeddingModel
from matchmaking.retrieval.asking import pack
from matchmaking.retrieval.encoders import Encoder, EncoderUnavailable, get_encoder
from matchmaking.retrieval.vectors import vector_index
from matchmaking.services import (
    assignment,
    clocks,
    indexing,
    matching,
    overturning,
    planning,
    rematching,
    review_steps,
    stars,
    training,
)
from matchmaking.workflow import ModelState

logger = logging.getLogger(__name__)

# One message: about a second of work, so that a question from a page waits no longer.
BATCH = 32
# Comparing a demand takes a tenth of a second.
MATCH_BATCH = 8
# From so many on, one pass over the list costs less than a question each; and so many in a pass:
# half a minute and some 500 MB.
MANY, MOST = 60, 1000
# When the current model was looked up last, its key and its encoder.
_asked: tuple[float, int, Encoder] | None = None
# Within these seconds a pass is over, or its worker has died; the next is no sooner than a while
# after: an import marks the same demands again and again.
MANY_SECONDS, PAUSE = 600, 30
# Achievements that are offered to all demands at once.
OFFERED = 256
# What one sweep hands out at most; the next comes 15 seconds later.
SWEEP_BATCHES = 40


class Retrying(Task[Any, Any]):
    """A task that is tried again after errors that may pass, and gives up at once on others."""

    # The model is being prepared, a database restarts, a dead-lock.
    autoretry_for = (EncoderUnavailable, OperationalError)
    retry_backoff = True
    max_retries = 6
    # Nobody reads them; and who sends a task whose result may be read subscribes to it, for good.
    ignore_result = True


@shared_task(base=Retrying)
def embed_listings(kind: str, ids: list[int]) -> None:
    """Bring listings' vectors up to date, then have them matched."""
    encoder = get_encoder()
    indexing.ensure_centres(encoder)
    try:
        ready = indexing.refresh(kind=kind, ids=ids, encoder=encoder)
    except Retrying.autoretry_for:
        raise
    except Exception:
        if len(ids) == 1:
            raise
        # One of them is to blame, and the others shall not wait for its sake.
        logger.exception("A batch of %d listings (%s) is indexed one by one.", len(ids), kind)
        for pk in ids:
            send(embed_listings, kind, [pk])
        return
    if ready:
        send(match_demands if kind == "demand" else match_achievements, ready)


@shared_task(base=Retrying)
def prepare_listings(model_id: int, kind: str, ids: list[int]) -> None:
    """Keep a model that is ready, and not the current one yet, as up to date as that one."""
    model = EmbeddingModel.objects.filter(pk=model_id, state=ModelState.READY).first()
    if model is not None:
        indexing.prepare(kind=kind, ids=ids, model=model, encoder=get_encoder(model))


@shared_task(base=Retrying)
def match_demands(ids: list[int]) -> None:
    """Compare demands with all achievements, and have the evidence and managers follow."""
    for pk in ids:
        if matching.match_demand(demand_id=pk) is not None:
            send(explain_demand, pk)
    send(assign)


@shared_task(base=Retrying)
def match_many() -> None:
    """Compare the demands that wait in one pass over the list; as long as there are many."""
    try:
        waiting = indexing.unmatched("demand", settings.ENGINE_VERSION)
        stored = rematching.match_many(list(waiting.values_list("pk", flat=True)[:MOST]))
    finally:
        _release("match:many", PAUSE)
    for pk in matching.unexplained(limit=MOST, among=stored):
        send(explain_demand, pk)
    send(assign)
    if len(stored) == MOST and waiting[MANY:].exists():
        _release("match:many", MANY_SECONDS)
        send(match_many)


@shared_task(base=Retrying)
def match_achievements(ids: list[int]) -> None:
    """Compare anew the demands whose lists these achievements enter.

    One alone at once. Many at once mostly enter the same lists: those demands are marked, and
    the next sweep compares each of them once.
    """
    demands = matching.demands_to_match(ids)
    if len(ids) > 1:
        matching.mark_unmatched(demands)
    elif demands:
        match_demands(demands)
    matching.mark_offered(ids)


@shared_task(base=Retrying)
def explain_demand(pk: int) -> None:
    """Find the closest sentences of a demand's matches."""
    matching.explain(demand_id=pk, encoder=get_encoder())


@shared_task(base=Retrying)
def take_back(kind: str, pk: int) -> None:
    """Freeze or replace the matches of a listing that is live no more."""
    demands = matching.listing_left(kind=kind, listing_id=pk)
    if kind == "achievement":
        demands = sorted({*demands, *matching.pools_left(pk)})
    indexing.forget(kind=kind, ids=[pk])
    if len(demands) > MATCH_BATCH:
        matching.mark_unmatched(demands)
    else:
        for demand_id in demands:
            send(match_demands, [demand_id])


@shared_task(base=Retrying)
def forget(kind: str, ids: list[int]) -> None:
    """Take listings that have ended out of the index."""
    indexing.forget(kind=kind, ids=ids)


@shared_task(base=Retrying)
def assign() -> None:
    """Give whatever waits to managers who have room."""
    assignment.assign_matches()


@shared_task(base=Retrying)
def compute_stars() -> None:
    """Compute the managers' stars from what happened up to now."""
    stars.compute_stars()


@shared_task(base=Retrying)
def tidy_desks(user_ids: list[int] | None = None) -> None:
    """Take from managers, or from all of them, what they may not hold: because of a tie, or as
    they are certified no more. Then fill the desks."""
    users = user_ids
    if users is None:
        users = list(ManagerProfile.objects.values_list("user", flat=True))
    with review_steps.filling_once():
        overturning.void_conflicted(users)
        overturning.release_reviews(users)
        publication.void_publications(users)
        publication.release_publications(users)
    assignment.assign_matches()


@shared_task(base=Retrying)
def plan_assignment(pk: int) -> None:
    """Work out what a re-assignment would do."""
    planning.work_out(pk)


@shared_task
def encode_query(text: str) -> str:
    """Return a question's vector, packed. Asked by pages, see `retrieval.asking`."""
    model_id, encoder = _asked_model()
    return pack(model_id, encoder.encode_queries([text])[0])


def _asked_model() -> tuple[int, Encoder]:
    """Return the current model's key and encoder, looked up anew every few seconds.

    Celery closes the connection to the database with each task; making one takes longer than
    encoding a question. An answer names the model that made it, whichever is current by then.
    """
    global _asked
    known = _asked
    if known is not None and time.monotonic() - known[0] < settings.MODEL_REFRESH_SECONDS:
        return known[1], known[2]
    encoder = get_encoder()
    model_id = indexing.register_model(encoder).pk
    _asked = (time.monotonic(), model_id, encoder)
    return model_id, encoder


@shared_task(base=Retrying)
def note_model() -> None:
    """Have a new platform adopt the model that the workers have."""
    indexing.register_model(get_encoder())


@shared_task(ignore_result=True)
def train_ranker() -> None:
    """Learn a ranker once a week, where that is wanted and there is more to learn from."""
    if settings.RANKER_WEEKLY:
        training.train_again()


@shared_task(ignore_result=True)
def run_clocks() -> None:
    """Act on every deadline that has passed."""
    clocks.run()


@shared_task(ignore_result=True)
def sweep() -> None:
    """Find whatever is behind and queue it again. The database is the truth."""
    model = indexing.current_model()
    if model is None and _claim("model", 60):
        send(note_model)
    for kind in ("achievement", "demand"):
        for batch in _batches(f"embed:{kind}", indexing.stale(kind, model), BATCH):
            send(embed_listings, kind, batch)
    for other in EmbeddingModel.objects.filter(state=ModelState.READY):
        for kind in ("achievement", "demand"):
            rows = indexing.unencoded(kind, other)
            for batch in _batches(f"prepare:{other.pk}:{kind}", rows, BATCH):
                send(prepare_listings, other.pk, kind, batch)
    for corpus in ("achievement", "demand"):
        if indexing.statistics_are_old(corpus) and _claim(f"statistics:{corpus}", 300):
            send(rebuild_statistics, corpus)
    engine = settings.ENGINE_VERSION
    for batch in _batches("match:achievement", indexing.unmatched("achievement", engine), OFFERED):
        send(match_achievements, batch)
    waiting = indexing.unmatched("demand", engine)
    if waiting[MANY:].exists():
        if _claim("match:many", MANY_SECONDS):
            send(match_many)
    else:
        for batch in _batches("match:demand", waiting, MATCH_BATCH, 10):
            send(match_demands, batch)
    for kind, pk in matching.left_behind():
        send(take_back, kind, pk)
    for kind in ("achievement", "demand"):
        for batch in _batches(f"forget:{kind}", indexing.ended(kind), BATCH):
            send(forget, kind, batch)
    for pk in matching.unexplained(limit=SWEEP_BATCHES):
        if _claim(f"explain:{pk}", 60):
            send(explain_demand, pk)
    for pk in planning.unfinished():
        if _claim(f"plan:{pk}", 60):
            send(plan_assignment, pk)
    send(assign)


@shared_task(ignore_result=True)
def rebuild_statistics(corpus: str) -> None:
    """Count a corpus's words again. A list that has grown long gets its index for vectors too."""
    indexing.rebuild_statistics(corpus)
    model = indexing.current_model()
    if model is not None:
        vector_index(corpus, model.pk).prepare()


def _batches(name: str, rows: QuerySet[Any], size: int, seconds: int = 60) -> Iterator[list[int]]:
    """Cut what is behind into batches, without those handed out in the last `seconds`."""
    ids = list(rows.values_list("pk", flat=True)[: SWEEP_BATCHES * size])
    for at in range(0, len(ids), size):
        batch = ids[at : at + size]
        if _claim(f"{name}:{batch[0]}:{batch[-1]}", seconds):
            yield batch


def _claim(name: str, seconds: int) -> bool:
    """Return True for the first who asks within `seconds`. Without a cache: everybody."""
    try:
        return bool(cache.add(f"sweep:{name}", True, seconds))
    except (RedisError, OSError):
        return True


def _release(name: str, seconds: int) -> None:
    """Give a claim back, `seconds` from now."""
    with suppress(RedisError, OSError):
        cache.set(f"sweep:{name}", True, seconds)
