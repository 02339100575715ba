"""Which ranker is in use: a learned version, or the fixed weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Max
from django.utils.translation import gettext as _

from accounts.models import User
from matchmaking.models import EmbeddingModel, RankerChange, RankerVersion
from matchmaking.retrieval.features import FEATURES_VERSION
from matchmaking.retrieval.learning import Ranker, RankerUnavailable, load
from matchmaking.services import matching
from matchmaking.services.indexing import current_model


class RankerRefused(Exception):
    """This version may not rank; the text says why."""


def refusal(version: RankerVersion, model: EmbeddingModel | None) -> str:
    """Return why a version cannot be used with the vectors of `model`, "" if it can."""
    if not version.won:
        return _("It was not surely better than the fixed weights.")
    if version.features_version != FEATURES_VERSION:
        return _("The engine describes matches in another way since it was trained.")
    if model is None or version.model_id != model.pk:
        return _("It was trained on the vectors of another language model.")
    return ""


@transaction.atomic
def store(
    *,
    model: EmbeddingModel,
    report: Mapping[str, Any],
    demands: int,
    decisions: int,
    ranker: Ranker | None,
) -> RankerVersion:
    """Keep a training run under the next number. `ranker`: None where it did not win."""
    _one_at_a_time()
    last = RankerVersion.objects.aggregate(Max("number"))["number__max"] or 0
    return RankerVersion.objects.create(
        number=last + 1,
        features_version=FEATURES_VERSION,
        engine=settings.ENGINE_VERSION,
        model=model,
        demands=demands,
        decisions=decisions,
        report=dict(report),
        won=ranker is not None,
        trees="" if ranker is None else ranker.text,
        offset=0.0 if ranker is None else ranker.offset,
    )


@transaction.atomic
def use(*, version: RankerVersion | None, actor: User | None) -> bool:
    """Let a version rank from now on, or with None the fixed weights. Return whether it changed.

    All demands are compared again: the next sweeps find them marked. Raises `RankerRefused` with
    a sentence.
    """
    _one_at_a_time()
    before = RankerVersion.objects.filter(is_active=True).first()
    if before == version:
        return False
    if version is not None and (problem := refusal(version, current_model())):
        raise RankerRefused(problem)
    if before is not None:
        before.is_active = False
        before.save(update_fields=["is_active"])
    if version is not None:
        version.is_active = True
        version.save(update_fields=["is_active"])
    RankerChange.objects.create(version=version, actor=actor)
    # A run that holds its demand ends first and is marked after; one that waits for its row reads
    # the new version.
    matching.mark_unmatched()
    return True


def check(version: RankerVersion) -> None:
    """Try to read a version's trees here. Raises `RankerRefused` with a sentence.

    For commands: the web process does not load LightGBM, and the workers fall back.
    """
    try:
        load(version)
    except RankerUnavailable as error:
        raise RankerRefused(str(error)) from error


def _one_at_a_time() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('rankers'))")
