"""Finding partners and keeping the suggestions true. Run by tasks; schedules nothing."""

from __future__ import annotations

import heapq
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

from django.conf import settings
from django.db import connection, transaction
from django.db.models import F
from django.db.models.functions import Now
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
from matchmaking.retrieval.alike import gather, with_twins
from matchmaking.retrieval.blocks import reached_demands
from matchmaking.retrieval.candidates import (
    DEPTH,
    Candidate,
    Filters,
    Query,
    find_candidates,
)
from matchmaking.retrieval.encoders import Encoder
from matchmaking.retrieval.explanation import Side, constraint_grid, verdicts
from matchmaking.retrieval.features import FEATURES_VERSION
from matchmaking.retrieval.learning import active, rerank
from matchmaking.retrieval.lexical import term_id
from matchmaking.retrieval.ranking import (
    Ranked,
    added,
    at_most,
    confidence,
    least_score,
    rank,
)
from matchmaking.retrieval.statistics import load_statistics
from matchmaking.retrieval.vectors import Where, vector_index
from matchmaking.services.evidence import (
    cached_encode,
    evidence,
    find_pairs,
    listing_side,
    telling_words,
)
from matchmaking.services.inquiries import cancel_inquiries, prolong_inquiries
from matchmaking.workflow import OPEN, AppealStatus, MatchStatus, ReviewStatus

# Candidates that are compared field by field: three times what is kept.
POOL = 60
# In these a listing has left and may come back: its open matches wait.
MAY_RETURN = (ListingStatus.SUBMITTED, ListingStatus.NEEDS_INFO, ListingStatus.SUSPENDED)


class Listed(NamedTuple):
    """A demand's best, best first, with their constraint grids.

    `alike`: achievements that say the same as one of them, and stand behind it. `pool`: all that
    were compared field by field. `pool_score`: the least score of their texts,
    None where there were fewer than a pool takes.
    """

    ranked: list[Ranked]
    grids: dict[int, list[dict[str, Any]]]
    alike: dict[int, list[int]]
    pool: list[int]
    pool_score: float | None


class Run(NamedTuple):
    """A demand and what was found for it."""

    demand: Demand
    listed: Listed


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
        begin_run()
        # Both rows are held while we compare, a tenth of a second. Otherwise a slower run could
        # write an older result over a newer one, or undo what `mark_unmatched` notes meanwhile.
        demand = Demand.objects.select_for_update(no_key=True).filter(pk=demand_id).first()
        index = DemandIndex.objects.select_for_update().filter(listing=demand_id).first()
        # Asked once: another model may become the current one while we compare.
        model = EmbeddingModel.objects.current()
        if demand is None or index is None or model is None or not is_ready(demand, index, model):
            return None
        listed = rank_all(demand, index, model_id=model.pk)
        [outcome] = store([Run(demand, listed)], model)
        note_matched([Run(demand, listed)], model, compared=count_compared())
    return outcome


def is_ready(demand: Demand, index: DemandIndex, model: EmbeddingModel) -> bool:
    """Say whether words and vectors are those of the demand as it is."""
    return (
        demand.is_live
        and index.version == demand.version
        and index.disclosure == demand.disclosure
        and _is_encoded(demand, model)
    )


def count_compared() -> int:
    """Return how many achievements a run compares with."""
    return AchievementIndex.objects.filter(listing__status=ListingStatus.PUBLISHED).count()


def note_matched(runs: Sequence[Run], model: EmbeddingModel, *, compared: int) -> None:
    """Note what locked demands were compared with, and what would change their lists."""
    rows = [
        DemandIndex(
            pk=run.demand.pk,
            matched_version=run.demand.version,
            matched_at=timezone.now(),
            matched_engine=settings.ENGINE_VERSION,
            matched_model=model,
            compared=compared,
            pool=run.listed.pool,
            pool_score=run.listed.pool_score,
        )
        for run in runs
    ]
    names = ("version", "at", "engine", "model")
    DemandIndex.objects.bulk_update(
        rows, [*(f"matched_{name}" for name in names), "compared", "pool", "pool_score"]
    )


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
    pool: int | None = None,
    keep: int | None = None,
    with_floor: bool = True,
    model_id: int | None = None,
) -> Listed:
    """Return the best of a demand's candidates, best first, and their constraint grids.

    `pool` of them (POOL) are compared field by field; `keep` (MATCH_TOP_K) above MATCH_FLOOR are
    returned, of those that say the same only the first. An evaluation asks for all, without the
    floor. `model_id`: whose vectors; by default those of the current model.
    """
    model_id = model_id or current_id()
    pool = pool or POOL
    candidates = find_candidates(
        "achievement",
        demand_query(index, model_id),
        Filters(model_id=model_id, exclude_owner=demand.owner_id),
        depth=max(DEPTH, pool),
        limit=pool,
    )
    achievements = Achievement.objects.in_bulk([candidate.listing_id for candidate in candidates])
    return rank_pool(
        demand,
        candidates,
        achievements,
        model_id=model_id,
        pool=pool,
        keep=keep,
        with_floor=with_floor,
    )


def rank_pool(
    demand: Demand,
    candidates: Sequence[Candidate],
    achievements: Mapping[int, Achievement],
    *,
    model_id: int,
    pool: int | None = None,
    keep: int | None = None,
    with_floor: bool = True,
) -> Listed:
    """Compare a demand's candidates field by field; see `rank_all`.

    Best texts come first. What cannot enter the list any more, whatever its fields say, is not
    looked at, and only what is kept gets its grid. A learned ranker is told of all of them.
    """
    wanted = listing_side(demand)
    keep = keep or settings.MATCH_TOP_K
    # Asked once: another version may be put in use while we compare.
    in_use = active(model_id)
    is_fixed = in_use is None
    floor = least_score(settings.MATCH_FLOOR) if with_floor else -math.inf
    there = [one for one in candidates if one.listing_id in achievements]
    # These may stand behind one another, and leave a place to the next.
    twins = with_twins({one.listing_id: achievements[one.listing_id].title for one in there})
    # Scores that would be kept so far, the least first.
    best: list[float] = []
    grids: dict[int, list[dict[str, Any]]] = {}
    ranked: list[Ranked] = []
    alike: dict[int, list[int]] = {}

    @cache
    def offered(pk: int) -> Side:
        return listing_side(achievements[pk])

    def look_at(items: Sequence[Ranked]) -> None:
        for item in items:
            pk = item.candidate.listing_id
            grids[pk] = constraint_grid(wanted, offered(pk), start=timezone.localdate())

    for candidate in there:
        achievement = achievements[candidate.listing_id]
        most = at_most(demand=demand, achievement=achievement, candidate=candidate)
        is_full = len(best) >= keep + len(twins) and candidate.listing_id not in twins
        if is_fixed and (most < floor or (is_full and most < best[0])):
            ranked.append(Ranked(candidate, most, confidence(most), {}))
            continue
        rows = verdicts(wanted, offered(achievement.pk))
        item = rank(demand=demand, achievement=achievement, candidate=candidate, grid=rows)
        ranked.append(item)
        heapq.heappush(best, item.score)
        if len(best) > keep + len(twins):
            heapq.heappop(best)
    ranked.sort(key=lambda item: (-item.score, item.candidate.listing_id))
    if not is_fixed:
        look_at(ranked)
        ranked = rerank(demand, achievements, ranked, grids, in_use=in_use, pool=POOL)
    kept = ranked
    if with_floor:
        kept = [item for item in kept if item.confidence >= settings.MATCH_FLOOR]
        places = [item.candidate.listing_id for item in kept]
        alike = gather({pk: achievements[pk].title for pk in places}, model_id)
        behind = {pk for others in alike.values() for pk in others}
        kept = [item for item in kept if item.candidate.listing_id not in behind]
    kept = kept[:keep]
    if is_fixed:
        look_at(kept)
        # Those alone have a grid; their places are told among all.
        kept = rerank(demand, achievements, ranked, grids, in_use=in_use, pool=POOL)
    return Listed(
        kept,
        grids,
        alike,
        [candidate.listing_id for candidate in candidates],
        candidates[-1].score if len(candidates) == (pool or POOL) else None,
    )


def store(runs: Sequence[Run], model: EmbeddingModel) -> list[Outcome]:
    """Make the stored matches of locked demands equal to what runs found for them."""
    rows = Match.objects.select_for_update(of=("self",)).select_related("achievement")
    known: dict[int, dict[int, Match]] = {run.demand.pk: {} for run in runs}
    for match in rows.filter(demand__in=list(known)).order_by("pk"):
        known[match.demand_id][match.achievement_id] = match
    ids = {item.candidate.listing_id for run in runs for item in run.listed.ranked}
    # Only what is still live and still what was compared.
    achievements = Achievement.objects.live().in_bulk(ids)
    live = achievements | {
        pk: match.achievement
        for matches in known.values()
        for pk, match in matches.items()
        if match.achievement.is_live
    }
    indexed = AchievementIndex.objects.filter(pk__in=list(live)).values_list(
        "listing", "version", "disclosure"
    )
    compared = {
        pk
        for pk, version, disclosure in indexed
        if (version, disclosure) == (live[pk].version, live[pk].disclosure)
    }
    revisions = _revisions("achievement", achievements.values())
    demand_revisions = _revisions("demand", [run.demand for run in runs])
    asked = {run.demand.pk: telling_words(listing_side(run.demand)) for run in runs}
    statistics = load_statistics("achievement", set().union(*asked.values()))
    outcomes = []
    fresh: list[Match] = []
    for demand, listed in runs:
        new = kept = 0
        wanted: set[int] = set()
        for place, item in enumerate(listed.ranked, start=1):
            pk = item.candidate.listing_id
            stored = known[demand.pk].get(pk)
            achievement = achievements.get(pk)
            if achievement is None or pk not in compared:
                continue
            wanted.add(pk)
            if stored is not None and stored.status not in (
                MatchStatus.SUGGESTED,
                MatchStatus.IN_REVIEW,
                MatchStatus.SUPERSEDED,
                MatchStatus.APPROVED,
            ):
                continue  # ended: what was decided stays as it was decided
            fields = {
                "demand_revision_id": demand_revisions[demand.pk],
                "achievement_revision_id": revisions[pk],
                "engine": settings.ENGINE_VERSION,
                "model_id": model.pk,
                "score": item.score,
                "rank": place,
                "confidence": item.confidence,
                "parts": item.parts,
                "added": added(item),
                "alike": listed.alike.get(pk, []),
                "features": {"version": FEATURES_VERSION, **item.features},
                "ranker_id": item.ranker,
                **evidence(
                    demand=demand,
                    achievement=achievement,
                    asked=asked[demand.pk],
                    grid=listed.grids[pk],
                    weight=lambda word: statistics.idf(term_id(word)),
                ),
                "is_frozen": False,
            }
            if stored is None:
                fresh.append(Match(demand=demand, achievement=achievement, **fields))
                new += 1
                continue
            kept += 1
            _update(stored, fields)
        # What is live but not indexed as it is now waits for a run of its own.
        gone = [
            match
            for pk, match in known[demand.pk].items()
            if pk not in wanted and (pk in compared or pk not in live)
        ]
        outcomes.append(Outcome(new, kept, sum(map(_supersede, gone))))
    Match.objects.bulk_create(fresh, batch_size=500)
    MatchEvent.objects.bulk_create(
        MatchEvent(match=match, verb=MatchEvent.Verb.SUGGESTED, after=match.status)
        for match in fresh
    )
    return outcomes


def _revisions(kind: str, listings: Iterable[Listing]) -> dict[int, int]:
    """Return the key of the revision that has each listing's present text."""
    versions = {listing.pk: listing.version for listing in listings}
    rows = revision_model(kind).objects.filter(pgh_obj__in=list(versions))
    return {
        listing: pk
        for pk, listing, version in rows.values_list("pk", "pgh_obj", "version")
        if versions[listing] == version
    }


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
    is_superseded = match.status == MatchStatus.SUPERSEDED
    if not (is_superseded or was_frozen) and all(
        _same(getattr(match, name), value) for name, value in fields.items()
    ):
        return
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


def _same(stored: Any, found: Any) -> bool:
    """Say whether a value is as it is stored; JSON has lists for tuples, and words for keys."""
    if isinstance(found, dict | list):
        return bool(stored == json.loads(json.dumps(found)))
    return bool(stored == found)


def _thaw(match: Match) -> list[str]:
    """Let a locked match go on; what it stood still is nobody's delay. Return what to save."""
    match.is_frozen = False
    if match.due_on is None:
        return ["is_frozen"]
    approved = match.status == MatchStatus.APPROVED
    days = settings.CONSENT_WORKING_DAYS if approved else settings.REVIEW_WORKING_DAYS
    match.due_on = max(match.due_on, add_working_days(timezone.localdate(), days))
    for review in Review.objects.open().filter(match=match):
        review.match = match
        if review.paused_on is not None:
            prolong_inquiries(review)
            continue
        review.due_on = match.due_on
        review.save(update_fields=("due_on",))
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
    """Close what somebody was to do with a match that is over: reviews, questions, objections."""
    now = timezone.now()
    for review in Review.objects.open().filter(match=match):
        review.match = match
        review.move_to(ReviewStatus.CANCELLED)
        review.closed_at = now
        review.save(update_fields=("status", "closed_at"))
        cancel_inquiries(review)
    match.appeals.filter(status=AppealStatus.OPEN).update(
        status=AppealStatus.CANCELLED, closed_at=now
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
    AchievementIndex.objects.filter(pk__in=ids).update(offered_at=Now())
    let_runs_end()
    found = reached_demands(ids, model.pk) | pools_with(ids)
    standing = Match.objects.open().filter(achievement__in=ids)
    found.update(standing.values_list("demand", flat=True))
    return sorted(found)


def pools_left(achievement_id: int) -> list[int]:
    """Return the live demands that compared an achievement which has left since."""
    let_runs_end()
    return sorted(pools_with([achievement_id]))


def pools_with(achievement_ids: Sequence[int]) -> set[int]:
    """Return the live demands that compared one of these achievements field by field."""
    pools = DemandIndex.objects.filter(
        pool__overlap=list(achievement_ids), listing__in=Demand.objects.live()
    )
    return set(pools.values_list("pk", flat=True))


def mark_unmatched(demand_ids: Sequence[int] | None = None) -> None:
    """Have the next sweep compare these demands again; without ids all of them."""
    rows = DemandIndex.objects.select_for_update().order_by("pk")
    if demand_ids is not None:
        rows = rows.filter(pk__in=demand_ids)
    with transaction.atomic():
        # In one order, so that two that mark the same demands do not dead-lock.
        marked = list(rows.values_list("pk", flat=True))
        DemandIndex.objects.filter(pk__in=marked).update(matched_version=0, marks=F("marks") + 1)


# --- Who has changed what runs see --------------------------------------------------------------

_RUNS = "matchmaking.runs"


def begin_run() -> None:
    """Note, until the transaction ends, that a run reads the lists and will store what it found.

    Whoever has changed a list asks the stored pools which demands it matters to. A run that began
    before has not seen the change, and its pool is not stored yet: `let_runs_end` waits for it.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock_shared(hashtext(%s))", [_RUNS])


def let_runs_end() -> None:
    """Wait for the runs that may not have seen what was committed just now."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", [_RUNS])


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
    what still waits is replaced. Return the demands that lost a suggestion; those that merely
    compared it are told by `pools_with`.
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
                # Who was asked about this listing answers by its new version.
                for review in Review.objects.open().filter(match=match):
                    review.match = match
                    cancel_inquiries(review, side=kind)
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


def unexplained(*, limit: int, among: Sequence[int] | None = None) -> list[int]:
    """Return demands with open matches whose sentence pairs have not been found yet."""
    rows = _unexplained() if among is None else _unexplained().filter(demand__in=among)
    return list(rows.order_by("demand").values_list("demand", flat=True).distinct()[:limit])
