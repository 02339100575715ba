"""Re-assignment at an operator's word: worked out first and shown, then done exactly as shown.

A plan is a row of its own. A worker fills it in; whoever confirms it moves what can still be moved,
and is told what has changed meanwhile.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.conflicts import ties
from accounts.models import ManagerProfile, User
from accounts.notices import notify_many
from matchmaking.models import AssignmentPlan, Match, MatchEvent, Review
from matchmaking.services.assignment import (
    AT_ONCE,
    had,
    hold_matches,
    hold_profiles,
    in_review_by_demand,
    match_cases,
    waiting_cases,
    waiting_matches,
)
from matchmaking.services.desks import Board, Case, all_desks, loads
from matchmaking.services.opening import Opening, open_reviews
from matchmaking.workflow import IllegalMove, MatchStatus, ReviewStatus

Scope, State = AssignmentPlan.Scope, AssignmentPlan.State

# What a change has to bring, in hundredths of expertise: nobody likes to lose a match for nothing.
INERTIA = 5
# A plan that nobody worked out within a day was for a day that is over.
FORGOTTEN_DAYS = 1


@transaction.atomic
def ask_for_plan(*, scope: str, manager: User | None, actor: User) -> AssignmentPlan:
    """Have a re-assignment worked out. Nothing is changed by it."""
    plan = AssignmentPlan.objects.create(scope=Scope(scope), manager=manager, asked_by=actor)
    transaction.on_commit(partial(_send, plan.pk))
    return plan


def _send(pk: int) -> None:
    from matchmaking.tasks import plan_assignment, send

    send(plan_assignment, pk)


def unfinished() -> list[int]:
    """Return the plans that are still to be worked out: their message may be lost."""
    since = timezone.now() - dt.timedelta(days=FORGOTTEN_DAYS)
    rows = AssignmentPlan.objects.filter(state=State.RUNNING, asked_at__gte=since)
    return list(rows.order_by("pk").values_list("pk", flat=True)[:10])


# --- Working it out -------------------------------------------------------------------------------


def work_out(pk: int) -> bool:
    """Fill a plan in. Return whether it was still to be. Safe to run twice."""
    plan = AssignmentPlan.objects.filter(pk=pk, state=State.RUNNING).first()
    if plan is None:
        return False
    desks = all_desks()
    cases, total = _cases(plan)
    before = {desk.user_id: desk.load for desk in desks}
    for desk in desks:
        desk.load -= sum(case.holder == desk.user_id for case in cases)
    board = Board(cases, desks)
    manager = board.solve(INERTIA).manager.tolist() if cases and desks else [-1] * len(cases)
    place = {desk.user_id: column for column, desk in enumerate(desks)}
    held = [place.get(case.holder or 0, -1) for case in cases]
    for row, case in enumerate(cases):  # who is found nowhere else stays where they are
        after = manager[row] if manager[row] >= 0 else held[row]
        if after >= 0 and case.holder is not None and after == held[row]:
            desks[after].load += 1
    moves, stuck = _moves(board, manager, held)
    after_load = {desk.user_id: desk.load for desk in desks}
    filled = AssignmentPlan.objects.filter(pk=pk, state=State.RUNNING).update(
        state=State.READY,
        ready_at=timezone.now(),
        moves=moves,
        stuck=stuck,
        figures={
            "cases": len(cases),
            "left_out": max(0, total - len(cases)),
            "kept": len(cases) - len(moves) - len(stuck),
            "present": sum(desk.is_present for desk in desks),
            "before": _served(board, held),
            "after": _served(
                board, [new if new >= 0 else old for new, old in zip(manager, held, strict=True)]
            ),
            "loads": [
                [
                    desk.user_id,
                    before[desk.user_id],
                    after_load[desk.user_id],
                    desk.profile.capacity,
                ]
                for desk in desks
                if before[desk.user_id] != after_load[desk.user_id]
            ],
        },
    )
    return bool(filled)


def _cases(plan: AssignmentPlan) -> tuple[list[Case], int]:
    """Return what a plan is about, a thousand at most, and how many there are in all."""
    if plan.scope == Scope.WAITING:
        found = [case for case in waiting_cases(AT_ONCE) if not case.is_publication]
        return found, max(len(found), waiting_matches().count())
    reviews = _assigned(plan)
    held = {
        match: (review, manager)
        for review, match, manager in reviews.order_by("due_on", "pk").values_list(
            "pk", "match", "manager"
        )[:AT_ONCE]
    }
    order = {pk: at for at, pk in enumerate(held)}
    cases = sorted(
        match_cases(Match.objects.filter(pk__in=held), turn=0), key=lambda case: order[case.pk]
    )
    leaving = frozenset({plan.manager_id} if plan.manager_id is not None else ())
    return [
        replace(
            case,
            review=held[case.pk][0],
            holder=held[case.pk][1],
            tried=case.tried | leaving,
        )
        for case in cases
    ], reviews.count()


def _assigned(plan: AssignmentPlan) -> QuerySet[Review]:
    rows = Review.objects.filter(status=ReviewStatus.ASSIGNED, match__is_frozen=False)
    return rows.filter(manager=plan.manager_id) if plan.scope == Scope.MANAGER else rows


def _moves(
    board: Board, manager: Sequence[int], held: Sequence[int]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return what would be moved and what nobody can take; loads of desks are counted up."""
    moves: list[dict[str, Any]] = []
    stuck: list[dict[str, Any]] = []
    for row, case in enumerate(board.cases):
        after = manager[row]
        if after < 0:
            stuck.append({"match": case.pk, "from": case.holder, "others": board.hindered(row)})
            continue
        if after == held[row]:
            continue
        desk = board.desks[after]
        moves.append(
            {
                "match": case.pk,
                "review": case.review,
                "from": case.holder,
                "to": desk.user_id,
                "before": _hundredths(board, row, held[row]),
                "after": _hundredths(board, row, after),
                "because": board.because(row, after),
            }
        )
        desk.load += 1
    return moves, stuck


def _hundredths(board: Board, row: int, column: int) -> int | None:
    return None if column < 0 else round(100 * float(board.expertise[row, column]))


def _served(board: Board, manager: Sequence[int]) -> dict[str, Any]:
    """Return how well the cases are served: how many, the mean, and the worst with its match."""
    points = [
        (_hundredths(board, row, column) or 0, board.cases[row].pk)
        for row, column in enumerate(manager)
        if column >= 0
    ]
    if not points:
        return {"served": 0}
    worst, match = min(points)
    mean = sum(value for value, _match in points) / len(points)
    return {"served": len(points), "mean": round(mean, 1), "worst": worst, "match": match}


# --- Doing it -------------------------------------------------------------------------------------


@transaction.atomic
def apply_plan(*, plan: AssignmentPlan, actor: User) -> AssignmentPlan:
    """Make the moves of a plan, all that still can be made. The others are named with the reason.

    Raises `IllegalMove` for a plan that moves nothing or was closed before.
    """
    plan = _hold(plan)
    if not plan.moves:
        raise IllegalMove(_("This plan moves nothing."))
    moves = {move["match"]: move for move in plan.moves}
    matches = hold_matches(moves)
    reviews = {
        review.match_id: review
        for review in Review.objects.open().filter(match__in=matches).select_related("manager")
    }
    targets = {move["to"] for move in moves.values()}
    keys = ManagerProfile.objects.filter(user__in=targets).values_list("pk", flat=True)
    profiles = {profile.user_id: profile for profile in hold_profiles(keys).values()}
    tied, barred = ties(targets), had(matches)
    owners = dict(
        (pk, {demand, achievement})
        for pk, demand, achievement in Match.objects.filter(pk__in=matches).values_list(
            "pk", "demand__owner", "achievement__owner"
        )
    )
    skipped: dict[int, str] = {}
    for pk, move in moves.items():
        review = reviews.get(pk)
        if pk not in matches or (review.pk if review is not None else None) != move["review"]:
            skipped[pk] = "changed"
        elif review is not None and review.status != ReviewStatus.ASSIGNED:
            skipped[pk] = "accepted"
        elif move["to"] not in profiles:
            skipped[pk] = "away"
        elif owners[pk] & tied.get(move["to"], {}).keys():
            skipped[pk] = "tie"
        elif move["to"] in barred[pk]:
            skipped[pk] = "tried"
    made = [move for pk, move in moves.items() if pk not in skipped]
    for move in _beyond_share(made, matches):
        skipped[move["match"]] = "share"
    made = [move for move in made if move["match"] not in skipped]
    for move in _over(made, profiles):
        skipped[move["match"]] = "full"
    made = [move for move in made if move["match"] not in skipped]
    _take_away(
        [(reviews[move["match"]], profiles[move["to"]].user) for move in made if move["review"]],
        matches,
        actor,
    )
    open_reviews(
        [
            Opening(
                matches[move["match"]],
                profiles[move["to"]],
                {**move["because"], "reassigned_by": actor.pk},
            )
            for move in made
        ]
    )
    plan.result = {"moved": len(made), "skipped": [[pk, why] for pk, why in skipped.items()]}
    return _close(plan, State.APPLIED, actor)


def drop_plan(*, plan: AssignmentPlan, actor: User) -> AssignmentPlan:
    """Put a plan away. Raises `IllegalMove` when it was closed before."""
    with transaction.atomic():
        return _close(_hold(plan), State.DROPPED, actor)


def _hold(plan: AssignmentPlan) -> AssignmentPlan:
    plan = AssignmentPlan.objects.select_for_update(of=("self",)).get(pk=plan.pk)
    if plan.state == State.RUNNING:
        raise IllegalMove(_("This plan is still being worked out."))
    if plan.state != State.READY:
        raise IllegalMove(
            _("This plan is “%(state)s” already.") % {"state": plan.get_state_display()}
        )
    return plan


def _close(plan: AssignmentPlan, state: AssignmentPlan.State, actor: User) -> AssignmentPlan:
    plan.state, plan.closed_by, plan.closed_at = state, actor, timezone.now()
    plan.save(update_fields=("state", "closed_by", "closed_at", "result"))
    return plan


def _beyond_share(
    moves: Sequence[dict[str, Any]], matches: dict[int, Match]
) -> list[dict[str, Any]]:
    """Return the moves that would put more of a demand's matches in review than it may have."""
    opened = [move for move in moves if matches[move["match"]].status == MatchStatus.SUGGESTED]
    busy = in_review_by_demand(matches[move["match"]].demand_id for move in opened)
    beyond = []
    for move in opened:
        demand = matches[move["match"]].demand_id
        if busy[demand] >= settings.REVIEWS_PER_DEMAND:
            beyond.append(move)
        busy[demand] += 1
    return beyond


def _over(
    moves: Sequence[dict[str, Any]], profiles: dict[int, ManagerProfile]
) -> list[dict[str, Any]]:
    """Return the moves that would fill a desk beyond its room.

    One that is not made leaves its review where it is, which may fill that desk in turn: so until
    nothing changes.
    """
    wanted, over = list(moves), list[dict[str, Any]]()
    users = {user for move in moves for user in (move["from"], move["to"]) if user is not None}
    now = loads(users)
    while True:
        load = now.copy()
        load.update(Counter(move["to"] for move in wanted))
        load.subtract(Counter(move["from"] for move in wanted if move["from"] is not None))
        last = next(
            (move for move in reversed(wanted) if load[move["to"]] > profiles[move["to"]].capacity),
            None,
        )
        if last is None:
            return over
        wanted.remove(last)
        over.append(last)


def _take_away(
    taken: Sequence[tuple[Review, User]], matches: dict[int, Match], actor: User
) -> None:
    """Cancel reviews that nobody has taken on yet, and tell their managers: (review, who gets it).

    Nothing is asked of a side in them: only who has taken one on asks.
    """
    for review, _to in taken:
        review.move_to(ReviewStatus.CANCELLED)
    Review.objects.filter(pk__in=[review.pk for review, _to in taken]).update(
        status=ReviewStatus.CANCELLED, closed_at=timezone.now()
    )
    MatchEvent.objects.bulk_create(
        MatchEvent(
            match=matches[review.match_id],
            actor=actor,
            verb=MatchEvent.Verb.REFERRED,
            before=matches[review.match_id].status,
            after=matches[review.match_id].status,
            subject=to,
        )
        for review, to in taken
    )
    notify_many(
        "review.taken",
        [
            (
                review.manager,
                f"review.taken:{review.pk}",
                {"review": review.pk, "why": "reassigned"},
            )
            for review, _to in taken
        ],
    )
