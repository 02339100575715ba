"""Bringing what the engine knows of a listing up to date. Run by tasks; schedules nothing."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import numpy as np
from django.conf import settings
from django.db import IntegrityError, connection, transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.utils import timezone
from numpy.typing import NDArray
from pgvector import SparseVector

from accounts.permissions import Tier
from catalog.models import Achievement, Attachment, Demand, Listing
from catalog.words import words
from catalog.workflow import ListingStatus
from matchmaking.models import (
    TERM_DIMENSIONS,
    Centre,
    CorpusStatistics,
    EmbeddingModel,
    LatinWord,
    TermFrequency,
    Unmatchable,
    encoding_model,
    index_model,
)
from matchmaking.retrieval import lexical
from matchmaking.retrieval.centring import PRIOR_WINDOWS
from matchmaking.retrieval.encoders import BrokenVector, Encoder, EncoderUnavailable
from matchmaking.retrieval.samples import sample_texts
from matchmaking.retrieval.spelling import latin_words
from matchmaking.retrieval.statistics import load_statistics
from matchmaking.retrieval.texts import full_text, head_text, listing_texts, text_for
from matchmaking.retrieval.vectors import Row, vector_index
from matchmaking.retrieval.windows import (
    LAYOUT,
    Stream,
    Window,
    language_of,
    listing_windows,
    repeats,
)
from matchmaking.services import matching
from matchmaking.workflow import ModelState

logger = logging.getLogger(__name__)

LISTINGS: dict[str, type[Listing]] = {"demand": Demand, "achievement": Achievement}
# Counts of words are made again when a corpus has grown or shrunk by this share.
STATISTICS_DRIFT = 0.1
# Weights follow when the average length of a corpus has moved by this share.
LENGTH_DRIFT = 0.1


class Work(NamedTuple):
    """One listing as it is now, and what of it is to be encoded."""

    listing: Any
    digest: str
    windows: list[Window]


def register_model(encoder: Encoder) -> EmbeddingModel:
    """Return the row of the encoder's model. A platform without a current model adopts it.

    Raises `ValueError` if its dimension changed.
    """
    model, _ = EmbeddingModel.objects.get_or_create(
        name=encoder.name,
        revision=encoder.revision,
        defaults={"dimension": encoder.dimension},
    )
    if model.dimension != encoder.dimension:
        raise ValueError(f"{model} had {model.dimension} dimensions, now {encoder.dimension}.")
    if model.state != ModelState.CURRENT and current_model() is None:
        adopt = {
            "state": ModelState.CURRENT,
            "switched_at": timezone.now(),
            "source": model.source or settings.EMBEDDING_MODEL,
        }
        # Of two workers that start together the second finds that it has been done.
        with suppress(IntegrityError), transaction.atomic():
            EmbeddingModel.objects.filter(pk=model.pk).update(**adopt)
        model.refresh_from_db()
    return model


def current_model() -> EmbeddingModel | None:
    """Return the model that questions are asked with and partners found by."""
    return EmbeddingModel.objects.current()


def _as_it_is(kind: str, model: EmbeddingModel | None) -> QuerySet[Any]:
    """Return, inside a query over listings, what a model has encoded of a listing as it is."""
    rows: QuerySet[Any] = encoding_model(kind).objects.filter(
        listing=OuterRef("pk"),
        model=model,
        version=OuterRef("version"),
        disclosure=OuterRef("disclosure"),
    )
    return rows


def unencoded(kind: str, model: EmbeddingModel | None) -> QuerySet[Any]:
    """Return live listings whose current version this model has not encoded, or not with the
    text of its files as they are now."""
    files = Attachment.objects.filter(
        **{
            f"{kind}__encodings__model": model,
            f"{kind}__encodings__encoded_at__lt": F("text_changed_at"),
        }
    ).values(kind)
    behind = ~Exists(_as_it_is(kind, model)) | Q(pk__in=files)
    return LISTINGS[kind].objects.live().filter(behind).order_by("pk")


def stale(kind: str, model: EmbeddingModel | None) -> QuerySet[Any]:
    """Return live listings of which this, the current model's, vectors or the words are behind."""
    indexed = index_model(kind).objects.filter(
        listing=OuterRef("pk"), version=OuterRef("version"), disclosure=OuterRef("disclosure")
    )
    files = Attachment.objects.filter(
        **{f"{kind}__search_index__indexed_at__lt": F("text_changed_at")}
    ).values(kind)
    behind = ~Exists(indexed) | Q(pk__in=files) | Q(pk__in=unencoded(kind, model).values("pk"))
    return LISTINGS[kind].objects.live().filter(behind).order_by("pk")


def unmatched(kind: str, engine: str) -> QuerySet[Any]:
    """Return live listings that are indexed, but not matched in their current version.

    One that came back unchanged (confirmed, let back) is to be matched again as well: runs have
    left it out meanwhile. Demands are matched again when another model has become the current
    one; achievements are not offered again, as every demand is on its way to them.
    """
    model = current_model()
    found = {
        "matched_version": F("version"),
        "matched_engine": engine,
        "matched_at__gte": OuterRef("updated_at"),
    }
    if kind == "demand":
        found["matched_model"] = model
    waiting = (
        index_model(kind)
        .objects.filter(
            listing=OuterRef("pk"), version=OuterRef("version"), disclosure=OuterRef("disclosure")
        )
        .exclude(**found)
    )
    ready = Exists(waiting) & Exists(_as_it_is(kind, model))
    return LISTINGS[kind].objects.live().filter(ready).order_by("pk")


def refresh(*, kind: str, ids: Sequence[int], encoder: Encoder) -> list[int]:
    """Index the listings whose text changed, and have the current model encode them. Return those
    now ready to be matched.

    Safe to run twice at once: whoever comes second finds the same vectors and writes nothing. An
    encoder that is the current model's no more, in a process that has not noticed yet, writes
    nothing either.
    """
    model = register_model(encoder)
    if model.state != ModelState.CURRENT:
        return []
    return _bring(kind, ids, model, encoder, with_words=True)


def prepare(*, kind: str, ids: Sequence[int], model: EmbeddingModel, encoder: Encoder) -> list[int]:
    """Have a model that is not the current one encode listings beside it. Return those done."""
    return _bring(kind, ids, model, encoder, with_words=False)


def _bring(
    kind: str, ids: Sequence[int], model: EmbeddingModel, encoder: Encoder, *, with_words: bool
) -> list[int]:
    # What changes from here on may be missing in what is stored below.
    began = timezone.now()
    listings = LISTINGS[kind].objects.filter(pk__in=ids, status=ListingStatus.PUBLISHED)
    encodings = encoding_model(kind).objects.filter(model=model)
    known = {row.listing_id: row for row in encodings.filter(listing__in=ids)}
    indexes = index_model(kind).objects
    indexed = {row.pk: row for row in indexes.filter(pk__in=ids).only("digest", "problem")}
    todo: list[Work] = []
    words_alone: list[Work] = []
    ready: list[int] = []
    for listing in listings:
        windows = _windows(listing)
        digest = _digest(windows, listing)
        encoding, index = known.get(listing.pk), indexed.get(listing.pk)
        if encoding is None or encoding.digest != digest:
            todo.append(Work(listing, digest, windows))
        elif with_words and (
            index is None or (index.digest, index.problem) != (digest, encoding.problem)
        ):
            words_alone.append(Work(listing, digest, windows))
        else:
            now = {"version": listing.version, "disclosure": listing.disclosure}
            encodings.filter(pk=encoding.pk, digest=digest).update(**now, encoded_at=began)
            if with_words:
                indexes.filter(pk=listing.pk, digest=digest).update(**now, indexed_at=began)
            ready.append(listing.pk)
    if not (todo or words_alone):
        return ready

    # Slow, so no transaction is open here.
    vectors, broken = _encoded(kind, todo, encoder)
    statistics = load_statistics("achievement")
    own_statistics = statistics if kind == "achievement" else load_statistics("demand")
    new = {work.listing.pk for work in todo}
    at = 0
    with transaction.atomic():
        # In one order, so that two batches with the same listings wait instead of dead-locking.
        current = {
            pk: (version, disclosure)
            for pk, version, disclosure in LISTINGS[kind]
            .objects.select_for_update(of=("self",))
            .filter(pk__in=[work.listing.pk for work in (*todo, *words_alone)])
            .order_by("pk")
            .values_list("pk", "version", "disclosure")
        }
        for work in (*todo, *words_alone):
            places: Sequence[int] = ()
            if is_new := work.listing.pk in new:
                places, at = range(at, at + len(work.windows)), at + len(work.windows)
            listing = work.listing
            if current.get(listing.pk) != (listing.version, listing.disclosure):
                continue  # changed while we encoded; its own task is on the way
            if is_new:
                rows = [
                    Row(number, window.tier, window.asks, language_of(window.text), vectors[place])
                    for number, (window, place) in enumerate(zip(work.windows, places, strict=True))
                    if place not in broken
                ]
                problem = _problem(work.windows, rows)
                _store_vectors(kind, work, rows, problem, model, began)
            else:
                problem = known[listing.pk].problem
            if with_words:
                _store_words(kind, work, problem, statistics, own_statistics, began)
            ready.append(listing.pk)
        if with_words:
            _note_words(work.listing for work in (*todo, *words_alone))
    return ready


def _encoded(
    kind: str, todo: Sequence[Work], encoder: Encoder
) -> tuple[NDArray[np.float32], set[int]]:
    """Return the vectors of all windows, and the places of those for which there is none."""
    texts = [window.text for work in todo for window in work.windows]
    encode = encoder.encode_queries if kind == "demand" else encoder.encode_passages
    if not texts:
        return np.empty((0, encoder.dimension), np.float32), set()
    try:
        return encode(texts), set()
    except BrokenVector as error:
        broken = set(error.numbers)
        owners = [work.listing for work in todo for _window in work.windows]
        for place in sorted(broken):
            logger.error(
                "The model has no usable vector for a text of %s; it is left out.",
                owners[place].number,
            )
        return error.vectors, broken


def _problem(windows: Sequence[Window], rows: Sequence[Row]) -> str:
    if rows:
        return ""
    return Unmatchable.UNREADABLE if windows else Unmatchable.WORDLESS


def _note_words(listings: Iterable[Listing]) -> None:
    """Note how the Latin words of these texts are written, for questions with a slip."""
    found = {word for listing in listings for word in latin_words(words(full_text(listing)))}
    # In one order, so that two batches wait for each other instead of dead-locking.
    LatinWord.objects.bulk_create(
        (LatinWord(word=word, term=lexical.term_id(word)) for word in sorted(found)),
        ignore_conflicts=True,
    )


def index_all(*, kind: str, encoder: Encoder, size: int = 64) -> Iterator[int]:
    """Index every live listing of a list at once, and count its words; for bulk loads.

    Yields the number of listings done with each batch. Achievements come before demands: what a
    demand's words weigh is counted over the achievements.
    """
    ensure_centres(encoder)
    ids = list(LISTINGS[kind].objects.live().order_by("pk").values_list("pk", flat=True))
    for at in range(0, len(ids), size):
        refresh(kind=kind, ids=ids[at : at + size], encoder=encoder)
        yield len(ids[at : at + size])
    rebuild_statistics(kind)


def _windows(listing: Listing) -> list[Window]:
    return listing_windows(
        title=listing.title,
        summary=listing.summary,
        keywords=listing.keywords,
        streams=_streams(listing),
    )


def _streams(listing: Listing) -> list[Stream]:
    """Join texts that the same readers may read; each window is of one such stream.

    Indicators go with the description, if that is for fewer: alone they say little.
    """
    texts = listing_texts(listing)
    body = next((text.tier for text in texts if text.key == "body"), Tier.PUBLIC)
    parts: dict[tuple[bool, Tier], list[str]] = {}
    for text in texts:
        tier = max(text.tier, body) if text.key == "indicators" else text.tier
        parts.setdefault((text.asks, tier), []).append(text.text)
    return [Stream("\n".join(of), tier, asks) for (asks, tier), of in parts.items()]


def _digest(windows: list[Window], listing: Listing) -> str:
    """Digest what vectors and words are made of; a long text reads on behind its last window."""
    texts = [text_for(listing, tier) for tier in (Tier.PUBLIC, Tier.MEMBERS, Tier.MANAGERS)]
    parts = [LAYOUT, windows, texts, _section(listing), _province(listing)]
    return hashlib.sha256(json.dumps(parts, ensure_ascii=False).encode()).hexdigest()


def _section(listing: Listing) -> str:
    return listing.industry[:1]


def _province(listing: Listing) -> str:
    return listing.region[:2]


def _store_vectors(
    kind: str,
    work: Work,
    rows: Sequence[Row],
    problem: str,
    model: EmbeddingModel,
    began: dt.datetime,
) -> None:
    listing = work.listing
    vector_index(kind, model.pk).upsert(
        listing.pk, rows, section=_section(listing), province=_province(listing)
    )
    encoding_model(kind).objects.update_or_create(
        listing=listing,
        model=model,
        defaults={
            "version": listing.version,
            "disclosure": listing.disclosure,
            "digest": work.digest,
            "problem": problem,
            "encoded_at": began,
        },
    )


def _store_words(
    kind: str,
    work: Work,
    problem: str,
    statistics: lexical.Statistics,
    own_statistics: lexical.Statistics,
    began: dt.datetime,
) -> None:
    listing = work.listing
    fields: dict[str, Any] = {
        "version": listing.version,
        "disclosure": listing.disclosure,
        "digest": work.digest,
        "indexed_at": began,
        "problem": problem,
        **_term_fields(listing, own_statistics.average_length),
    }
    if kind == "demand":
        # One that cannot be compared asks for nothing, or its words alone would.
        fields["query_terms"] = _sparse({}) if problem else _query_terms(listing, statistics)
    index_model(kind).objects.update_or_create(listing=listing, defaults=fields)


def _term_fields(listing: Listing, average_length: float) -> dict[str, Any]:
    def terms(tokens: list[str]) -> SparseVector:
        return _sparse(lexical.document_terms(tokens, average_length))

    text, of_members = full_text(listing), text_for(listing, Tier.MEMBERS)
    tokens = words(text)
    all_terms = terms(tokens)
    of_fewer = all_terms if of_members == text else terms(words(of_members))
    public = terms(words(text_for(listing, Tier.PUBLIC)))
    return {
        "terms": all_terms,
        "member_terms": of_fewer,
        "public_terms": public,
        "term_ids": sorted({*all_terms.indices(), *of_fewer.indices(), *public.indices()}),
        "length": len(tokens),
    }


def _query_terms(demand: Listing, statistics: lexical.Statistics) -> SparseVector:
    """Return a demand as a query. Its title counts twice: it says what the rest is about.

    One that is only the beginning of the body does not count on its own.
    """
    asked = [text.text for text in listing_texts(demand) if text.asks]
    if not (asked and repeats(demand.title, asked[0])):
        asked = [demand.title, head_text(demand), *asked]
    return _sparse(lexical.query_terms(words("\n".join(asked)), statistics))


def _sparse(terms: dict[int, float]) -> SparseVector:
    return SparseVector(terms, TERM_DIMENSIONS)


def statistics_are_old(corpus: str) -> bool:
    """Say whether a corpus has changed so much that its words must be counted again."""
    row = CorpusStatistics.objects.filter(corpus=corpus).first()
    counted = 0 if row is None else row.documents
    now = LISTINGS[corpus].objects.live().filter(search_index__isnull=False).count()
    return abs(now - counted) > STATISTICS_DRIFT * max(counted, 1)


def rebuild_statistics(corpus: str) -> int:
    """Count in how many live documents each word stands. Return the number of documents.

    Weights that were made with counts now outdated are made again: the demands' as queries, and
    a corpus's own where its average length has moved.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        # One at a time; a second one waits and counts the same.
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", [f"statistics:{corpus}"])
        live = LISTINGS[corpus].objects.live().values("pk")
        frequency: Counter[int] = Counter()
        members: Counter[int] = Counter()
        public: Counter[int] = Counter()
        documents, total = 0, 0
        rows = (
            index_model(corpus)
            .objects.filter(pk__in=live)
            .values_list("terms", "member_terms", "public_terms", "length")
        )
        for terms, member_terms, public_terms, length in rows.iterator(chunk_size=500):
            documents += 1
            total += length
            frequency.update(terms.indices())
            members.update(member_terms.indices())
            public.update(public_terms.indices())
        before = load_statistics(corpus, ()).average_length
        average = total / documents if documents else lexical.NO_STATISTICS.average_length
        row, _ = CorpusStatistics.objects.update_or_create(
            corpus=corpus,
            defaults={
                "documents": documents,
                "average_length": average,
                "built_at": timezone.now(),
            },
        )
        TermFrequency.objects.filter(corpus=row).delete()
        TermFrequency.objects.bulk_create(
            (
                TermFrequency(
                    corpus=row,
                    term=term,
                    documents=count,
                    member_documents=members[term],
                    public_documents=public[term],
                )
                for term, count in frequency.items()
            ),
            batch_size=5000,
        )
        renew_centres(corpus)
        # All scores move with these figures. Here, so that they cannot change without it; and
        # below, when the words weigh what they are to weigh.
        matching.mark_unmatched()
    if abs(average - before) > LENGTH_DRIFT * before:
        _renew_terms(corpus, average)
    if corpus == "achievement":
        _renew_query_terms()
    matching.mark_unmatched()
    return documents


def ended(kind: str) -> QuerySet[Any]:
    """Return listings that have ended and still stand in the index."""
    kept = (ListingStatus.PUBLISHED, *matching.MAY_RETURN)
    indexed = Q(pk__in=index_model(kind).objects.values("pk"))
    return LISTINGS[kind].objects.filter(indexed).exclude(status__in=kept).order_by("pk")


def forget(*, kind: str, ids: Sequence[int]) -> None:
    """Take listings that have ended out of the index. One that comes back is indexed anew."""
    with transaction.atomic():
        # Held, so that none is published again meanwhile.
        rows = ended(kind).filter(pk__in=ids).select_for_update(of=("self",), no_key=True)
        gone = list(rows.values_list("pk", flat=True))
        for model in EmbeddingModel.objects.exclude(state=ModelState.REMOVED):
            vector_index(kind, model.pk).remove(gone)
        encoding_model(kind).objects.filter(listing__in=gone).delete()
        index_model(kind).objects.filter(pk__in=gone).delete()


def ensure_centres(encoder: Encoder) -> None:
    """Give a model that has none its centres, those of our samples to begin with.

    Slow the first time: some 100 short texts are encoded.
    """
    model = register_model(encoder)
    if model.centres.exists():
        return
    rows = []
    for corpus, languages in sample_texts().items():
        encode = encoder.encode_queries if corpus == "demand" else encoder.encode_passages
        for language, texts in languages.items():
            try:
                prior = np.asarray(encode(texts), dtype=np.float32).mean(axis=0)
            except BrokenVector as error:
                # Plain sentences: a model that cannot read them is of no use for listings.
                raise EncoderUnavailable(str(error)) from error
            rows.append(
                Centre(model=model, corpus=corpus, language=language, prior=prior, vector=prior)
            )
    Centre.objects.bulk_create(rows, ignore_conflicts=True)
    for corpus in LISTINGS:
        renew_centres(corpus)


def renew_centres(corpus: str) -> None:
    """Store what the windows of each language have in common, under each model."""
    for model in EmbeddingModel.objects.exclude(state=ModelState.REMOVED):
        means = vector_index(corpus, model.pk).means()
        for centre in Centre.objects.filter(model=model, corpus=corpus):
            prior = np.array(centre.prior, dtype=np.float32)
            count, mean = means.get(centre.language, (0, prior))
            vector = (count * mean + PRIOR_WINDOWS * prior) / (count + PRIOR_WINDOWS)
            Centre.objects.filter(pk=centre.pk).update(windows=count, vector=vector)


def _renew_terms(corpus: str, average: float) -> None:
    indexed = LISTINGS[corpus].objects.live().filter(search_index__isnull=False)
    for listing in indexed.iterator(chunk_size=200):
        # Not if other tiers have come into force meanwhile.
        rows = index_model(corpus).objects.filter(pk=listing.pk, disclosure=listing.disclosure)
        rows.update(**_term_fields(listing, average))


def _renew_query_terms() -> None:
    statistics = load_statistics("achievement")
    demands = Demand.objects.live().filter(search_index__problem="")
    for demand in demands.iterator(chunk_size=200):
        terms = _query_terms(demand, statistics)
        index_model("demand").objects.filter(pk=demand.pk).update(query_terms=terms)
