"""What the stars of technology managers rest on, counted every night. Run by a task.

`accounts.stars` has the formula and why it is this one; here is what it is fed with:

- time: reviews of matches and of submitted listings that a manager decided or let go by. On time is
  who decided on or before the day that was due; while a side was asked, that day was moved.
- stood: decisions of matches. Overturned is what an operator reopened, and a rejection that another
  manager turned into an approval after an objection. What one undid oneself was no decision.
- contracts: introductions of which a side has said how they ended; each the mean of what the sides
  say. Who is still talking says nothing yet.
- ratings: what each side gave the manager.

Declined, referred, cancelled and void reviews are in none: declining for a conflict of interest
costs nothing. An introduction belongs to the manager who gave the last approval.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable

from django.db import transaction
from django.db.models import Avg, Case, Count, F, FloatField, Q, QuerySet, Sum, Value, When
from django.db.models.functions import TruncDate
from django.utils import timezone

from accounts.models import ManagerProfile, ManagerStars
from accounts.stars import FORMULA, VERSION, WINDOW_DAYS, Result, rate
from accounts.stars import Count as Counted
from catalog.models import PublicationReview
from catalog.workflow import PublicationStatus
from matchmaking.models import Feedback, Review
from matchmaking.workflow import (
    AppealStatus,
    ContractState,
    Decision,
    MatchStatus,
    ReviewStatus,
)

Counts = dict[int, dict[str, Counted]]
DECIDED = (ReviewStatus.SUBMITTED, ReviewStatus.REOPENED)


def compute_stars(*, now: dt.datetime | None = None) -> int:
    """Compute all managers' stars; return how many results changed.

    A result that is as before leaves no row, so that running twice adds nothing. The number of
    queries that count does not depend on the number of managers.
    """
    now = now or timezone.now()
    profiles = dict(ManagerProfile.objects.exclude(certified_at=None).values_list("user", "pk"))
    counted = count_all(list(profiles), since=now - dt.timedelta(days=WINDOW_DAYS))
    results = {profiles[user]: rate(counted.get(user, {})) for user in profiles}
    return _keep(results, now)


@transaction.atomic
def _keep(results: dict[int, Result], now: dt.datetime) -> int:
    # Two runs at once must not both add what they both found changed.
    locked = ManagerProfile.objects.select_for_update(no_key=True).filter(pk__in=results)
    list(locked.order_by("pk").values_list("pk", flat=True))
    rows = ManagerStars.objects.filter(profile__in=results)
    latest = {
        row.profile_id: row
        for row in rows.order_by("profile_id", "-computed_at", "-pk").distinct("profile_id")
    }
    fresh = [
        ManagerStars(
            profile_id=profile,
            version=VERSION,
            stars=result.stars,
            score=result.score,
            n=result.n,
            parts=result.parts,
            computed_at=now,
        )
        for profile, result in results.items()
        if _differs(result, latest.get(profile))
    ]
    ManagerStars.objects.bulk_create(fresh, batch_size=500)
    return len(fresh)


def _differs(result: Result, row: ManagerStars | None) -> bool:
    if row is None:
        return bool(result.parts)
    before = (row.version, row.stars, row.n, row.parts)
    return before != (VERSION, result.stars, result.n, result.parts)


def count_all(users: list[int], *, since: dt.datetime) -> Counts:
    """Count every part of the given users from `since` on: user, part, cases and good ones."""
    found: Counts = defaultdict(dict)
    for part, counts in (
        ("time", _on_time(users, since)),
        ("stood", _stood(users, since)),
        *_introductions(users, since),
    ):
        for user, (n, good) in counts.items():
            found[user][part] = Counted(n, good)
    assert {part for parts in found.values() for part in parts} <= {p.code for p in FORMULA}
    return dict(found)


Tally = dict[int, tuple[int, float]]


def _on_time(users: list[int], since: dt.datetime) -> Tally:
    reviews = Review.objects.filter(
        manager__in=users, closed_at__gte=since, status__in=(*DECIDED, ReviewStatus.NO_RESPONSE)
    )
    # A listing may be checked by anybody; whom it was assigned to answers for it, unless another
    # was faster.
    listings = PublicationReview.objects.filter(manager__in=users, closed_at__gte=since).filter(
        Q(status=PublicationStatus.NO_RESPONSE)
        | Q(status=PublicationStatus.SUBMITTED, decided_by=F("manager"))
    )
    total: dict[int, tuple[int, float]] = {}
    for rows in (_timed(reviews), _timed(listings)):
        for user, n, good in rows:
            before_n, before_good = total.get(user, (0, 0.0))
            total[user] = (before_n + n, before_good + good)
    return total


def _timed(rows: QuerySet[Review] | QuerySet[PublicationReview]) -> Iterable[tuple[int, int, int]]:
    in_time = Q(day__lte=F("due_on")) & ~Q(status="no_response")
    found: Iterable[tuple[int, int, int]] = (
        rows.annotate(day=TruncDate("closed_at"))
        .order_by()
        .values("manager")
        .annotate(n=Count("pk"), good=Count("pk", filter=in_time))
        .values_list("manager", "n", "good")
    )
    return found


def _stood(users: list[int], since: dt.datetime) -> Tally:
    decided = Review.objects.filter(manager__in=users, closed_at__gte=since, status__in=DECIDED)
    n = dict(
        decided.order_by().values("manager").annotate(n=Count("pk")).values_list("manager", "n")
    )
    objected = Q(
        decision=Decision.REJECT,
        match__appeals__status=AppealStatus.OVERTURNED,
        match__appeals__created_at__gte=F("closed_at"),
    )
    fallen = dict(
        decided.filter(Q(status=ReviewStatus.REOPENED) | objected)
        .order_by()
        .values("manager")
        .annotate(n=Count("pk", distinct=True))
        .values_list("manager", "n")
    )
    return {user: (count, float(count - fallen.get(user, 0))) for user, count in n.items()}


def _introductions(users: list[int], since: dt.datetime) -> list[tuple[str, Tally]]:
    """Return the tallies of contracts and of ratings."""
    said = Feedback.objects.filter(match__status=MatchStatus.INTRODUCED, updated_at__gte=since)
    final = Q(contract__in=(ContractState.SIGNED, ContractState.ENDED))
    signed = Case(
        When(contract=ContractState.SIGNED, then=Value(1.0)),
        default=Value(0.0),
        output_field=FloatField(),
    )
    by_match = (
        said.order_by()
        .values("match")
        .annotate(ended=Avg(signed, filter=final), n=Count("pk"), rated=Sum("rating"))
        .values_list("match", "ended", "n", "rated")
    )
    rows = list(by_match)
    brought = dict(
        Review.objects.filter(
            match__in=[match for match, *_rest in rows],
            status=ReviewStatus.SUBMITTED,
            decision=Decision.APPROVE,
        )
        .order_by("match_id", "-closed_at", "-pk")
        .distinct("match_id")
        .values_list("match", "manager")
    )
    contracts: Tally = {}
    ratings: Tally = {}
    wanted = set(users)
    for match, ended, n, rated in rows:
        user = brought.get(match)
        if user not in wanted:
            continue
        if ended is not None:
            cases, good = contracts.get(user, (0, 0.0))
            contracts[user] = (cases + 1, good + ended)
        cases, good = ratings.get(user, (0, 0.0))
        ratings[user] = (cases + n, good + rated)
    return [("contracts", contracts), ("ratings", ratings)]
