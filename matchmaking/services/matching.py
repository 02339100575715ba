"""Finding partners and keeping the suggestions true. Run by tasks; schedules nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from accounts.workdays import add_working_days
from catalog.models import Achievement, Demand, Listing, revision_model
from catalog.workflow import ListingStatus
from matchmaking.models import (
    AchievementIndex,
    DemandIndex,
    EmbeddingModel,
    ListingIndex,
    Match,
    MatchEvent,
    MatchQuerySet,
    Review,
    encoding_model,
)
from matchmaking.retrieval.blocks import reached_demands
from matchmaking.retrieval.candidates import (
    DEPTH,
    Candidate,
    Filters,
    Query,
    find_candidates,
)
from matchmaking.retrieval.encoders import Encoder
from matchmaking.retrieval.explanation import constraint_grid
from matchmaking.retrieval.features import FEATURES_VERSION
from matchmaking.retrieval.learning import rerank
from matchmaking.retrieval.lexical import term_id
from matchmaking.retrieval.ranking import MAX_BONUS, Ranked, added, confidence, rank
from matchmaking.retrieval.statistics import load_statistics
from matchmaking.retrieval.vectors import Where, vector_index
from matchmaking.services.evidence import (
    cached_encode,
    evidence,
    find_pairs,
    listing_side,
    telling_words,
)
from matchmaking.workflow import OPEN, MatchStatus, ReviewStatus

# Candidates that are compared field by field: three times what is kept.
POOL = 60
# In these a listing has left and may come back: its open matches wait.
MAY_RETURN = (ListingStatus.SUBMITTED, ListingStatus.NEEDS_INFO, ListingStatus.SUSPENDED)


class Listed(NamedTuple):
    """A demand's best, best first, with their constraint grids.

    `pool`: all that were compared field by field. `pool_score`: the least score of their texts,
    None where there were fewer than a pool takes.
    """

    ranked: list[Ranked]
    grids: dict[int, list[dict[str, Any]]]
    pool: list[int]
    pool_score: float | None


class Outcome(NamedTuple):
    """What a run changed: numbers of suggestions that are new, kept, and replaced."""

    new: int
    kept: int
    replaced: int


def demand_query(index: DemandIndex, model_id: int) -> Query:
    """Return a stored demand as a query, by one model's vectors."""
    return _query("demand", index, index.query_terms, Where(asks=True), model_id)


def _query(kind: str, index: ListingIndex, terms: Any, where: Where, model_id: int) -> Query:
    windows = vector_index(kind, model_id).fetch([index.pk], where)
    return Query(
        vectors=windows.vectors,
        terms=dict(zip(terms.indices(), terms.values(), strict=True)),
        languages=windows.languages.tolist(),
    )


def match_demand(*, demand_id: int) -> Outcome | None:
    """Compare one demand with all achievements and store its best. None: not ready for it.

    Safe to run twice at once: runs of one demand wait for each other, and the second finds
    everything as it should be. A match that a person has touched is never taken away.
    """
    with transaction.atomic():
        # Both rows are held while we compare, a tenth of a second. Otherwise a slower run could
        # write an older result over a newer one, or undo what `mark_unmatched` notes meanwhile.
        demand = Demand.objects.select_for_update(no_key=True).filter(pk=demand_id).first()
        index = DemandIndex.objects.select_for_update().filter(listing=demand_id).first()
        if demand is None or index is None:
            return None
        if not demand.is_live or index.version != demand.version:
            return None
        if index.disclosure != demand.disclosure:
            return None
        # Asked once: another model may become the current one while we compare.
        model = EmbeddingModel.objects.current()
        if model is None or not _is_encoded(demand, model):
            return None
        listed = rank_all(demand, index, model_id=model.pk)
        compared = AchievementIndex.objects.filter(listing__status=ListingStatus.PUBLISHED).count()
        outcome = _store(demand, model.pk, listed.ranked, listed.grids)
        DemandIndex.objects.filter(pk=index.pk).update(
            matched_version=demand.version,
            matched_at=timezone.now(),
            matched_engine=settings.ENGINE_VERSION,
            matched_model=model,
            compared=compared,
            pool=listed.pool,
            pool_score=listed.pool_score,
        )
    return outcome


def _is_encoded(listing: Listing, model: EmbeddingModel) -> bool:
    """Say whether a model's vectors are those of the listing as it is."""
    encodings = encoding_model(listing.kind).objects
    return bool(
        encodings.filter(
            listing=listing.pk,
            model=model,
            version=listing.version,
            disclosure=listing.disclosure,
        ).exists()
    )


def current_id() -> int:
    """Return the current model's id, 0 before there is one: no vector is of that."""
    model = EmbeddingModel.objects.current()
    return 0 if model is None else model.pk


def rank_all(
    demand: Demand,
    index: DemandIndex,
    *,
    pool: int = POOL,
    keep: int | None = None,
    with_floor: bool = True,
    model_id: int | None = None,
) -> Listed:
    """Return the best of a demand's candidates, best first, and their constraint grids.

    `pool` of them are compared field by field; `keep` of them (MATCH_TOP_K) above MATCH_FLOOR are
    returned. An evaluation asks for all, without the floor. `model_id`: whose vectors; by default
    those of the current model.
    """
    model_id = model_id or current_id()
    candidates = find_candidates(
        "achievement",
        demand_query(index, model_id),
        Filters(model_id=model_id, exclude_owner=demand.owner_id),
        depth=max(DEPTH, pool),
        limit=pool,
    )
    achievements = Achievement.objects.in_bulk([candidate.listing_id for candidate in candidates])
    wanted = listing_side(demand)
    grids: dict[int, list[dict[str, Any]]] = {}
    ranked: list[Ranked] = []
    for candidate in candidates:
        achievement = achievements.get(candidate.listing_id)
        if achievement is None:
            continue
        grid = constraint_grid(wanted, listing_side(achievement), start=timezone.localdate())
        grids[achievement.pk] = grid
        ranked.append(rank(demand=demand, achievement=achievement, candidate=candidate, grid=grid))
    ranked.sort(key=lambda item: (-item.score, item.candidate.listing_id))
    ranked = rerank(demand, achievements, ranked, grids, model_id=model_id, pool=POOL)
    if with_floor:
        ranked = [item for item in ranked if item.confidence >= settings.MATCH_FLOOR]
    return Listed(
        ranked[: keep or settings.MATCH_TOP_K],
        grids,
        [candidate.listing_id for candidate in candidates],
        candidates[-1].score if len(candidates) == pool else None,
    )


def _store(
    demand: Demand,
    model_id: int,
    ranked: Sequence[Ranked],
    grids: dict[int, list[dict[str, Any]]],
) -> Outcome:
    """Make the stored matches of a locked demand equal to `ranked`."""
    ids = [item.candidate.listing_id for item in ranked]
    # Only what is still live and still what was compared.
    achievements = {
        row.pk: row for row in Achievement.objects.live().filter(pk__in=ids).order_by("pk")
    }
    versions = dict(AchievementIndex.objects.filter(pk__in=ids).values_list("listing", "version"))
    revisions = {
        row.pgh_obj_id: row.pk
        for row in revision_model("achievement").objects.filter(pgh_obj__in=ids)
        if achievements.get(row.pgh_obj_id) and row.version == achievements[row.pgh_obj_id].version
    }
    demand_revision = revision_model("demand").objects.get(
        pgh_obj=demand.pk, version=demand.version
    )
    rows = Match.objects.select_for_update(of=("self",)).select_related("achievement")
    known = {match.achievement_id: match for match in rows.filter(demand=demand).order_by("pk")}
    tokens = telling_words(listing_side(demand))
    statistics = load_statistics("achievement", tokens)
    new = kept = 0
    wanted: set[int] = set()
    for place, item in enumerate(ranked, start=1):
        achievement = achievements.get(item.candidate.listing_id)
        if achievement is None or versions.get(achievement.pk) != achievement.version:
            continue
        wanted.add(achievement.pk)
        match = known.get(achievement.pk)
        if match is not None and match.status not in (
            MatchStatus.SUGGESTED,
            MatchStatus.IN_REVIEW,
            MatchStatus.SUPERSEDED,
            MatchStatus.APPROVED,
        ):
            continue  # ended: what was decided stays as it was decided
        fields = {
            "demand_revision_id": demand_revision.pk,
            "achievement_revision_id": revisions[achievement.pk],
            "engine": settings.ENGINE_VERSION,
            "model_id": model_id,
            "score": item.score,
            "rank": place,
            "confidence": item.confidence,
            "parts": item.parts,
            "added": added(item),
            "features": {"version": FEATURES_VERSION, **item.features},
            "ranker_id": item.ranker,
            **evidence(
                demand=demand,
                achievement=achievement,
                asked=tokens,
                grid=grids[achievement.pk],
                weight=lambda word: statistics.idf(term_id(word)),
            ),
            "is_frozen": False,
        }
        if match is None:
            match = Match.objects.create(demand=demand, achievement=achievement, **fields)
            _log(match, MatchEvent.Verb.SUGGESTED, before="")
            new += 1
            continue
        kept += 1
        _update(match, fields)
    replaced = sum(_supersede(match) for pk, match in known.items() if pk not in wanted)
    return Outcome(new, kept, replaced)


def _update(match: Match, fields: dict[str, Any]) -> None:
    """Write a run's result over an open match; log what people must know."""
    before, was_frozen = match.status, match.is_frozen
    changed_texts = (
        match.demand_revision_id != fields["demand_revision_id"]
        or match.achievement_revision_id != fields["achievement_revision_id"]
        # What was closed since is read no more.
        or match.basis.get("tiers") != fields["basis"]["tiers"]
    )
    if changed_texts:
        # Sentence pairs of other texts would be quotes that stand nowhere.
        fields = {**fields, "pairs": [], "explained_at": None}
    for name, value in fields.items():
        setattr(match, name, value)
    names = [name.removesuffix("_id") for name in fields]
    if match.status == MatchStatus.SUPERSEDED:
        match.move_to(MatchStatus.SUGGESTED)
        names.append("status")
    elif was_frozen:
        names += _thaw(match)
    match.updated_at = timezone.now()
    match.save(update_fields=[*names, "updated_at"])
    if match.status != before:
        _log(match, MatchEvent.Verb.SUGGESTED, before=before)
    elif was_frozen:
        _log(match, MatchEvent.Verb.UNFROZEN, before=before)


def _thaw(match: Match) -> list[str]:
    """Let a locked match go on; what it stood still is nobody's delay. Return what to save."""
    match.is_frozen = False
    if match.due_on is None:
        return ["is_frozen"]
    approved = match.status == MatchStatus.APPROVED
    days = settings.CONSENT_WORKING_DAYS if approved else settings.REVIEW_WORKING_DAYS
    match.due_on = max(match.due_on, add_working_days(timezone.localdate(), days))
    Review.objects.open().filter(match=match).update(due_on=match.due_on)
    return ["is_frozen", "due_on"]


def _supersede(match: Match) -> bool:
    """Replace a locked match that no person has touched. Return whether it was.

    One whose achievement is being changed waits, frozen, until that is published again.
    """
    if match.achievement.status in MAY_RETURN:
        return False
    if match.is_touched:
        if match.is_frozen and match.demand.is_live and match.achievement.is_live:
            match.save(update_fields=_thaw(match))
            _log(match, MatchEvent.Verb.UNFROZEN, before=match.status)
        return False
    if match.status not in (MatchStatus.SUGGESTED, MatchStatus.IN_REVIEW):
        return False
    before = match.status
    match.move_to(MatchStatus.SUPERSEDED)
    match.is_frozen, match.due_on, match.updated_at = False, None, timezone.now()
    match.save(update_fields=["status", "is_frozen", "due_on", "updated_at"])
    _cancel_reviews(match)
    _log(match, MatchEvent.Verb.SUPERSEDED, before=before)
    return True


def _cancel_reviews(match: Match) -> None:
    Review.objects.open().filter(match=match).update(
        status=ReviewStatus.CANCELLED, closed_at=timezone.now()
    )


def demands_to_match(achievement_ids: Sequence[int]) -> list[int]:
    """Return the live demands whose lists a new or changed achievement may change; no others.

    A list is the best of a pool, and the pool is the best by text: it changes if the achievement's
    text reaches the last of the pool, or if it was among the pool before. Also where a person
    has a match open, so that it shows the text as it is now.
    """
    ready = AchievementIndex.objects.filter(
        pk__in=achievement_ids,
        listing__in=Achievement.objects.live(),
        version=F("listing__version"),
        disclosure=F("listing__disclosure"),
    )
    model = EmbeddingModel.objects.current()
    ids = list(ready.order_by("pk").values_list("pk", flat=True))
    if model is None or not ids:
        return []
    found = reached_demands(ids, model.pk) | pools_with(ids)
    standing = Match.objects.open().filter(achievement__in=ids)
    found.update(standing.values_list("demand", flat=True))
    return sorted(found)


def pools_with(achievement_ids: Sequence[int]) -> set[int]:
    """Return the live demands that compared one of these achievements field by field."""
    pools = DemandIndex.objects.filter(
        pool__overlap=list(achievement_ids), listing__in=Demand.objects.live()
    )
    return set(pools.values_list("pk", flat=True))


def mark_unmatched(demand_ids: Sequence[int]) -> None:
    """Have the next sweep compare these demands again."""
    with transaction.atomic():
        # In one order, so that two that mark the same demands do not dead-lock.
        rows = DemandIndex.objects.select_for_update().filter(pk__in=demand_ids).order_by("pk")
        marked = list(rows.values_list("pk", flat=True))
        DemandIndex.objects.filter(pk__in=marked).update(matched_version=0)


def mark_offered(achievement_ids: Sequence[int]) -> None:
    """Note that the indexed versions of achievements have been offered to the demands."""
    AchievementIndex.objects.filter(pk__in=achievement_ids).update(
        matched_version=F("version"),
        matched_at=timezone.now(),
        matched_engine=settings.ENGINE_VERSION,
    )


def explain(*, demand_id: int, encoder: Encoder) -> int:
    """Find the closest sentence pairs of a demand's open matches. Return how many were done."""
    todo = list(_unexplained().filter(demand=demand_id).with_listings().order_by("rank"))
    if not todo:
        return 0
    encode = cached_encode(encoder)
    for match in todo:
        pairs = find_pairs(match, encode)
        # Not if another run has brought other texts meanwhile.
        Match.objects.filter(
            pk=match.pk,
            demand_revision=match.demand_revision_id,
            achievement_revision=match.achievement_revision_id,
        ).update(pairs=pairs, explained_at=timezone.now())
    return len(todo)


def _unexplained() -> MatchQuerySet:
    """Return open matches without sentence pairs whose listings read as they were compared.

    While a listing is being changed its new text is nobody's to quote.
    """
    return Match.objects.open().filter(
        explained_at__isnull=True,
        demand_revision__version=F("demand__version"),
        achievement_revision__version=F("achievement__version"),
    )


@transaction.atomic
def listing_left(*, kind: str, listing_id: int) -> list[int]:
    """Take a listing's matches back after it left publication.

    While it is being changed they are frozen; after it ended, what no person has touched and
    what still waits is replaced. Return the demands that lost a suggestion and have room again.
    """
    # The listing first, as runs do; held, so that it does not come back while we freeze.
    rows = (Demand if kind == "demand" else Achievement).objects.select_for_update(no_key=True)
    listing = rows.get(pk=listing_id)
    if listing.is_live:
        return []  # published again before we came
    matches = Match.objects.select_for_update().filter(**{kind: listing_id}).order_by("pk")
    demands: set[int] = set()
    for match in matches.filter(status__in=OPEN):
        if listing.status in MAY_RETURN:
            if not match.is_frozen:
                match.is_frozen = True
                match.save(update_fields=["is_frozen"])
                _log(match, MatchEvent.Verb.FROZEN, before=match.status)
        elif match.status == MatchStatus.APPROVED:
            before = match.status
            match.move_to(MatchStatus.LAPSED)
            match.is_frozen, match.due_on, match.updated_at = False, None, timezone.now()
            match.save(update_fields=["status", "is_frozen", "due_on", "updated_at"])
            _log(match, MatchEvent.Verb.LAPSED, before=before)
        else:
            before = match.status
            match.move_to(MatchStatus.SUPERSEDED)
            match.is_frozen, match.due_on, match.updated_at = False, None, timezone.now()
            match.save(update_fields=["status", "is_frozen", "due_on", "updated_at"])
            _cancel_reviews(match)
            _log(match, MatchEvent.Verb.SUPERSEDED, before=before)
            demands.add(match.demand_id)
    return sorted(demands) if kind == "achievement" else []


def _log(match: Match, verb: str, *, before: str) -> None:
    MatchEvent.objects.create(match=match, actor=None, verb=verb, before=before, after=match.status)


def left_behind(*, limit: int = 200) -> list[tuple[str, int]]:
    """Return listings that are live no more but whose matches go on: a message was lost."""
    found: list[tuple[str, int]] = []
    for kind in ("demand", "achievement"):
        status = f"{kind}__status"
        waiting = (
            Match.objects.open()
            .exclude(**{status: ListingStatus.PUBLISHED})
            # These wait, as they should, for their listing to come back.
            .exclude(**{f"{status}__in": MAY_RETURN, "is_frozen": True})
        )
        pks = waiting.order_by(kind).values_list(kind, flat=True).distinct()[:limit]
        found += [(kind, pk) for pk in pks]
    return found


def unexplained(*, limit: int) -> list[int]:
    """Return demands with open matches whose sentence pairs have not been found yet."""
    return list(
        _unexplained().order_by("demand").values_list("demand", flat=True).distinct()[:limit]
    )
