"""Who reviews what: whatever waits finds the manager who suits it best, all of it at once.

`allocation` says which assignment is the best one, `expertise` how well a manager knows a match;
docs/managers.md has both in words. Run by a task, on events and by the sweep; schedules nothing.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
from django.conf import settings
from django.db import connection, transaction
from django.db.models import (
    Case as Choose,
)
from django.db.models import (
    Count,
    Exists,
    F,
    IntegerField,
    OuterRef,
    Subquery,
    Value,
    When,
    Window,
)
from django.db.models.functions import Coalesce, RowNumber
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.conflicts import ties
from accounts.models import ManagerProfile, User
from catalog.models import PublicationReview
from catalog.services.moving import OwnSide
from catalog.services.publication import (
    assign_publication,
    barred_from,
    waiting_publications,
)
from matchmaking.models import Match, MatchEvent, MatchQuerySet, Review
from matchmaking.permissions import ConflictOfInterest, has_conflict
from matchmaking.services.desks import Board, Case, Desk, all_desks, loads
from matchmaking.services.escalation import escalate
from matchmaking.services.expertise import refresh_vectors
from matchmaking.services.opening import Opening, open_reviews
from matchmaking.services.review_steps import already_decided, close, open_review
from matchmaking.services.telling import taken
from matchmaking.workflow import Escalation, IllegalMove, MatchStatus, ReviewStatus

# How many of a demand's matches are tried beyond those it may have in review.
SPARE = 5
# What is assigned at once: the best of so many cases is found together. Less where the managers
# have room for so much that the table of costs would have more cells than that (32 MB).
AT_ONCE, LEAST, CELLS = 1_000, 50, 4_000_000
# A run ends after so many batches; the next one takes the rest.
BATCHES = 20
# So many matches are locked at a time: people who decide one of them wait no longer.
LOCKED = 250
# Nobody reads a thousand notices: operators are asked about so many matches in one run.
ESCALATED_AT_ONCE = 50
# The order of the queue; a demand's next review is turn 1, 2 and so on.
SECOND_TURN, ANEW_TURN = -1, 0


def assign_matches() -> int:
    """Give what waits to managers who have room. Return how much was given.

    Second approvals first, then what was reopened or objected to and listings to check, then every
    demand's best match before anybody's second. Where nobody may take a match the operators are
    asked. Safe to run twice at once: what was found is looked at again under the locks.
    """
    given = 0
    seen: set[tuple[bool, int]] = set()
    escalated = 0
    for batch in range(BATCHES):
        desks = all_desks()
        if not any(desk.is_present for desk in desks):
            break  # the operators' page says so; a thousand escalations would not say more
        cases = waiting_cases(_at_once(desks), seen)
        if not cases:
            break
        if batch == 0:
            refresh_vectors(desks)
        board = Board(cases, desks)
        escalated += _escalate_hopeless(board, ESCALATED_AT_ONCE - escalated)
        if not any(desk.room for desk in desks):
            break
        given += _give_all(board)
        seen |= {(case.is_publication, case.pk) for case in cases}
    return given


def _at_once(desks: Sequence[Desk]) -> int:
    places = sum(min(desk.room, AT_ONCE) for desk in desks)
    return max(LEAST, min(AT_ONCE, CELLS // max(places, 1)))


# --- What waits -----------------------------------------------------------------------------------


def waiting_matches() -> MatchQuerySet:
    """Return the matches that wait for a manager to be found.

    Without those that the operators were asked to take after two managers stayed silent.
    """
    rows = Match.objects.filter(status=MatchStatus.SUGGESTED) | Match.objects.awaiting_second()
    return rows.filter(is_frozen=False).exclude(escalation=Escalation.NO_RESPONSE)


def waiting_cases(limit: int, without: Collection[tuple[bool, int]] = ()) -> list[Case]:
    """Return what waits, in the order of the queue, `limit` at most. A dozen queries.

    `without`: (is publication, key) of those to leave out.
    """
    passed = [pk for is_publication, pk in without if not is_publication]
    matches = waiting_matches().exclude(pk__in=passed)
    judged = Review.objects.filter(
        match=OuterRef("pk"),
        status__in=(ReviewStatus.SUBMITTED, ReviewStatus.REOPENED, ReviewStatus.VOID),
    )
    by_age = ("updated_at", "pk")
    second = matches.filter(status=MatchStatus.IN_REVIEW).order_by(*by_age)
    anew = matches.filter(Exists(judged), status=MatchStatus.SUGGESTED).order_by(*by_age)
    cases = [
        *match_cases(second[:limit], turn=SECOND_TURN),
        *match_cases(anew[:limit], turn=ANEW_TURN),
    ]
    cases += _publication_cases(
        waiting_publications().exclude(pk__in=[pk for is_one, pk in without if is_one])[:limit]
    )
    fresh = matches.filter(~Exists(judged), status=MatchStatus.SUGGESTED)
    cases += _demands_best(fresh, max(0, limit - len(cases)))
    return cases[:limit]


def _demands_best(matches: MatchQuerySet, limit: int) -> list[Case]:
    """Return every demand's next matches, its best first, the demands that wait longest first.

    A demand has more of them in the list than it may have in review: nobody may be free for the
    first ones, and then it must not wait for ever. What is escalated stands behind the rest.
    """
    share = settings.REVIEWS_PER_DEMAND
    busy = (
        Match.objects.filter(demand=OuterRef("demand"), status=MatchStatus.IN_REVIEW)
        .order_by()
        .values("demand")
        .annotate(count=Count("pk"))
        .values("count")
    )
    known = Choose(When(escalation="", then=Value(0)), default=Value(1))
    rows = (
        matches.annotate(
            busy=Coalesce(Subquery(busy, output_field=IntegerField()), 0),
            place=Window(
                RowNumber(),
                partition_by=F("demand"),
                order_by=[known, F("rank").asc(), F("score").desc(), F("pk").asc()],
            ),
        )
        .filter(busy__lt=share, place__lte=share + SPARE)
        .annotate(known=known, turn=F("busy") + F("place"))
        .order_by("turn", "known", F("demand__published_at").asc(nulls_last=True), "rank", "pk")
    )
    return list(match_cases(rows[:limit], share=share))


FIELDS = (
    "pk",
    "status",
    "escalation",
    "demand",
    "achievement",
    "demand__owner",
    "achievement__owner",
    "demand__industry",
    "achievement__industry",
    "demand__region",
    "achievement__region",
    "worth_cny",
)


def match_cases(
    matches: MatchQuerySet, *, turn: int | None = None, share: int | None = None
) -> Iterator[Case]:
    """Yield the cases of matches, in their order, with who has had them: two queries.

    With `turn` each is a case of its own; with `share` those of a demand share that, less what it
    has in review: the rows have to have `busy`.
    """
    names = FIELDS if share is None else (*FIELDS, "busy")
    rows = list(matches.with_worth().values(*names))
    tried = had([row["pk"] for row in rows])
    for row in rows:
        left = 1 if share is None else share - row["busy"]
        yield Case(
            pk=row["pk"],
            owners=(row["demand__owner"], row["achievement__owner"]),
            industries=(row["demand__industry"], row["achievement__industry"]),
            regions=(row["demand__region"], row["achievement__region"]),
            listings=(row["demand"], row["achievement"]),
            worth=int(row["worth_cny"] or 0),
            group=("match", row["pk"]) if share is None else ("demand", row["demand"]),
            share=left,
            turn=turn if turn is not None else row.get("busy", 0) + 1,
            is_escalated=bool(row["escalation"]),
            tried=frozenset(tried[row["pk"]]),
        )


def _publication_cases(publications: Iterable[PublicationReview]) -> Iterator[Case]:
    rows = list(publications)
    barred = barred_from(rows)
    for row in rows:
        listing = row.listing
        is_demand = row.kind == "demand"
        yield Case(
            pk=row.pk,
            owners=(listing.owner_id,),
            industries=(listing.industry,),
            regions=(listing.region,),
            # What is not published has no vectors.
            listings=(None, None),
            group=("demand check" if is_demand else "achievement check", row.pk),
            turn=ANEW_TURN,
            is_publication=True,
            tried=frozenset(barred.get(row.pk, ())),
        )


# --- Giving it away -------------------------------------------------------------------------------


def _give_all(board: Board) -> int:
    """Write the best assignment of a board down. Return how much was given."""
    manager = board.solve().manager.tolist()
    rows = [row for row, column in enumerate(manager) if column >= 0]
    given = 0
    for row in rows:
        if board.cases[row].is_publication:
            given += _give_publication(board, row, manager[row])
    matches = [row for row in rows if not board.cases[row].is_publication]
    for at in range(0, len(matches), LOCKED):
        chunk = matches[at : at + LOCKED]
        given += _give_matches(board, [(row, manager[row]) for row in chunk])
    return given


def _give_publication(board: Board, row: int, column: int) -> bool:
    desk = board.desks[column]
    # Somebody was faster, or something has changed.
    with suppress(IllegalMove, OwnSide), transaction.atomic():
        _one_at_a_time()
        desk.load = loads([desk.user_id])[desk.user_id]
        if desk.load < desk.profile.capacity:
            assign_publication(board.cases[row].pk, desk.profile, board.because(row, column))
            desk.load += 1
            return True
    return False


@transaction.atomic
def _give_matches(board: Board, pairs: Sequence[tuple[int, int]]) -> int:
    """Open the reviews that still can be opened. Return how many.

    A match that somebody holds is passed over, the next run comes to it.
    """
    keys = {board.cases[row].pk: (row, column) for row, column in pairs}
    held = hold_waiting(keys)
    profiles = hold_profiles({board.desks[column].profile.pk for _row, column in pairs})
    users = [profile.user_id for profile in profiles.values()]
    load, tied = loads(users), ties(users)
    barred = had(held)
    busy = in_review_by_demand(board.cases[row].listings[0] for row, _column in pairs)
    openings = []
    for pk, (row, column) in keys.items():
        case, desk = board.cases[row], board.desks[column]
        match, profile = held.get(pk), profiles.get(desk.profile.pk)
        if match is None or profile is None or profile.user_id in barred[pk]:
            continue
        if load[profile.user_id] >= profile.capacity:
            continue
        if set(case.owners) & tied.get(profile.user_id, {}).keys():
            continue
        if case.group[0] == "demand":
            if busy[match.demand_id] >= settings.REVIEWS_PER_DEMAND:
                continue
            busy[match.demand_id] += 1
        because = board.because(row, column) | {"load": load[profile.user_id]}
        load[profile.user_id] += 1
        desk.load = load[profile.user_id]
        openings.append(Opening(match, profile, because))
    return len(open_reviews(openings))


def _one_at_a_time() -> None:
    """Wait until no other run writes, and keep others waiting until the transaction ends.

    Two together could give one demand twice its share and one desk more than it has room for, or
    wait for each other's desks.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('matchmaking.assignment'))")


def hold_matches(keys: Iterable[int]) -> dict[int, Match]:
    """Lock those of some matches that can be with a manager, by key; without what others hold."""
    _one_at_a_time()
    rows = (
        Match.objects.select_for_update(of=("self",), skip_locked=True)
        .filter(
            pk__in=list(keys),
            status__in=(MatchStatus.SUGGESTED, MatchStatus.IN_REVIEW),
            is_frozen=False,
        )
        .only("status", "demand", "achievement", "due_on", "escalation", "escalated_at")
        .order_by("pk")
    )
    return {match.pk: match for match in rows}


def hold_waiting(keys: Iterable[int]) -> dict[int, Match]:
    """Lock those of some matches that still wait for a manager, by their key."""
    held = hold_matches(keys)
    # Read after the lock: a review may have been opened while we waited for it.
    open_ones = Review.objects.open().filter(match__in=held).values_list("match", flat=True)
    for pk in set(open_ones):
        del held[pk]
    return held


def hold_profiles(keys: Iterable[int]) -> dict[int, ManagerProfile]:
    """Lock managers who can take something today, by key: after the matches, never before."""
    rows = (
        ManagerProfile.objects.available_on(timezone.localdate())
        .filter(pk__in=list(keys))
        .select_for_update(of=("self",), no_key=True)
        .select_related("user")
        .order_by("pk")
    )
    return {profile.pk: profile for profile in rows}


def had(matches: Iterable[int]) -> dict[int, set[int]]:
    """Return by match who has handed it back, referred, decided or not answered.

    A review that was cancelled was no word of its manager's.
    """
    found: dict[int, set[int]] = defaultdict(set)
    rows = Review.objects.filter(match__in=list(matches)).exclude(
        status__in=(ReviewStatus.CANCELLED, ReviewStatus.ASSIGNED, ReviewStatus.ACCEPTED)
    )
    for match, manager in rows.values_list("match", "manager"):
        found[match].add(manager)
    return found


def in_review_by_demand(demands: Iterable[int | None]) -> Counter[int]:
    """Return how many matches of each demand are in review; `REVIEWS_PER_DEMAND` is its share."""
    rows = Match.objects.filter(demand__in=set(demands), status=MatchStatus.IN_REVIEW).order_by()
    return Counter(dict(rows.values_list("demand").annotate(Count("pk"))))


# --- Nobody may take it ---------------------------------------------------------------------------


def _escalate_hopeless(board: Board, limit: int) -> int:
    """Ask the operators about matches whose turn it is and that nobody may take.

    Managers who are merely full are waited for. Returns how many matches that were.
    """
    turns: Counter[tuple[str, int]] = Counter()
    asked = 0
    may = list(np.any(board.allowed, axis=1))
    for row, case in enumerate(board.cases):
        turns[case.group] += 1
        if may[row] or case.is_publication or case.is_escalated:
            continue
        if turns[case.group] > case.share or asked >= limit:
            continue
        with transaction.atomic():
            match = hold_waiting([case.pk]).get(case.pk)
            if match is not None:
                asked += escalate(match, Escalation.NOBODY)
    return asked


# --- By an operator -------------------------------------------------------------------------------


def reassign(*, match: Match, to: ManagerProfile, actor: User) -> Review:
    """Move a match to another manager's desk at an operator's word.

    Raises `ConflictOfInterest` for a manager with a tie, `IllegalMove` when nothing is open.
    """
    with transaction.atomic():
        match = (
            Match.objects.select_for_update(of=("self",))
            .select_related("demand", "achievement")
            .get(pk=match.pk)
        )
        if match.status not in (MatchStatus.SUGGESTED, MatchStatus.IN_REVIEW):
            raise IllegalMove(already_decided(match))
        if not to.is_certified or has_conflict(to.user, match):
            raise ConflictOfInterest
        for review in Review.objects.open().filter(match=match).select_related("manager"):
            if review.manager_id == to.user_id:
                raise IllegalMove(_("This manager has the match already."))
            close(review, ReviewStatus.CANCELLED)
            taken(review, "reassigned")
        MatchEvent.objects.create(
            match=match,
            actor=actor,
            verb=MatchEvent.Verb.REFERRED,
            before=match.status,
            after=match.status,
            subject=to.user,
        )
        because: dict[str, Any] = {"reassigned_by": actor.pk}
        return open_review(match=match, profile=to, because=because)
