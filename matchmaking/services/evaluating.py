"""Running the engine over a judged set."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from itertools import islice
from typing import Any

from django.db import transaction
from django.utils import timezone

from accounts.models import Organization, OrganizationStatus
from catalog.models import CONTENT_FIELDS, Achievement, revision_model
from catalog.workflow import ListingStatus
from matchmaking.evaluation.dataset import Text
from matchmaking.models import DemandIndex
from matchmaking.retrieval.encoders import Encoder
from matchmaking.services import indexing
from matchmaking.services.indexing import LISTINGS
from matchmaking.services.matching import rank_all

# Results of one demand that a run file holds.
DEPTH = 1000
Progress = Callable[[int], None]
# Shows how far something is: (what, how many) -> a context whose `update` is a `Progress`.
Bar = Callable[[str, int], AbstractContextManager[Any]]


def load(texts: list[Text], kind: str) -> None:
    """Store a set's texts as published listings of one organization."""
    model: type[Any] = LISTINGS[kind]
    now = timezone.now()
    owner = Organization.objects.create(
        name=f"Evaluation, {kind}s",
        kind="enterprise" if kind == "demand" else "university",
        credit_code=f"evaluation-{kind[:6]}",
        region="",
        size="large",
        field="",
        status=OrganizationStatus.VERIFIED,
    )
    rows = iter(texts)
    while chunk := list(islice(rows, 1000)):
        with transaction.atomic():
            listings = model.objects.bulk_create(
                model(
                    owner=owner,
                    external_id=text.key,
                    title=text.title,
                    body=text.body,
                    status=ListingStatus.PUBLISHED,
                    version=1,
                    submitted_at=now,
                    published_at=now,
                )
                for text in chunk
            )
            revisions = revision_model(kind)
            revisions.objects.bulk_create(
                revisions(
                    pgh_obj=listing,
                    pgh_label="revision",
                    version=1,
                    **{name: getattr(listing, name) for name in CONTENT_FIELDS[kind]},
                )
                for listing in listings
            )


def index(kind: str, encoder: Encoder, progress: Progress) -> None:
    """Index what was loaded, as the encode task does."""
    for done in indexing.index_all(kind=kind, encoder=encoder):
        progress(done)


def load_and_index(texts: Mapping[str, list[Text]], encoder: Encoder, bar: Bar) -> None:
    """Store and index a set, list by list, as `dataset.read_texts` gives it."""
    for kind, rows in texts.items():
        load(rows, kind)
        with bar(f"{kind}s", len(rows)) as shown:
            index(kind, encoder, shown.update)


def run(progress: Progress, *, model_id: int | None = None) -> Iterator[tuple[str, str, float]]:
    """Yield (demand, achievement, score) for every demand, best first, to `DEPTH`.

    By the vectors of a model that has encoded everything, the current one by default.
    """
    keys = dict(Achievement.objects.values_list("pk", "external_id"))
    for row in DemandIndex.objects.select_related("listing").order_by("pk"):
        listed = rank_all(
            row.listing, row, pool=DEPTH, keep=DEPTH, with_floor=False, model_id=model_id
        )
        for item in listed.ranked:
            yield row.listing.external_id, keys[item.candidate.listing_id], item.score
        progress(1)


def rankings(progress: Progress, *, model_id: int) -> dict[str, list[str]]:
    """Return {demand: achievements, best first} of everything that was loaded; see `run`."""
    found: dict[str, list[str]] = {}
    for demand, achievement, _score in run(progress, model_id=model_id):
        found.setdefault(demand, []).append(achievement)
    return found
