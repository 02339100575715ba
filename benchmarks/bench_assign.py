"""Open matches to managers: the optimal assignment against the greedy one.

    make bench-assign
    python -m benchmarks.bench_assign [--matches 1000] [--managers 50] [--seeds 3]

Makes a seeded catalogue with its vectors in a PostgreSQL of its own: demands of twenty industries
in thirty provinces, two or three open matches of each; managers who know one or two of these
industries, not those that most is asked of, with desks of 8 to 36 and places for about a tenth more
than there is; each has ties to some organizations, and most have decided matches of their field.

`seconds` is `assign_matches`, the whole service as the task runs it, on the database: from reading
what waits, through the means of the managers' past decisions, to reviews, events and notices
written; the longest of all seeds. Greedy assignment, in the same run, is given the same matches,
managers, expertise and limits: the best of each demand in turn goes to whoever knows it best and
has room. Figures are read back from the reviews in the database.

Of several seeds the worst counts: `expertise_over_greedy` of all reviews together, and
`worst_over_greedy` of the worst-served demand, the one whose least expert reviewer knows it least.
"""

import argparse
import os
import time
from contextlib import ExitStack
from typing import Any

import numpy as np

from benchmarks.report import Cell, report
from benchmarks.services import own_folder, start

ACHIEVEMENTS = 2_000
DECIDED = 12
TIES = 6
HEAD = (
    "seed",
    "assignment",
    "reviews",
    "expertise, mean",
    "worst-served demand",
    "demands below 50",
    "conflicts",
    "over capacity",
    "load, fullest - emptiest desk",
    "seconds",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--matches", type=int, default=1_000)
    parser.add_argument("--managers", type=int, default=50)
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()

    with ExitStack() as stack:
        folder = own_folder(stack, "assign")
        start(stack, folder)
        _catalogue(options.matches)
        load = os.getloadavg()[0]
        runs = [_run(seed, options.matches, options.managers) for seed in range(options.seeds)]

    print(
        f"{options.matches:,} open matches x {options.managers} managers, {options.seeds} seeds;"
        f" {os.cpu_count()} cores, load beside it before: {load:.1f}\n"
    )
    rows: list[tuple[Cell, ...]] = []
    for seed, run in enumerate(runs):
        for name in ("greedy", "optimal"):
            one = run[name]
            rows.append(
                (
                    str(seed),
                    name,
                    one["assigned"],
                    f"{one['mean']:.1f}",
                    one["worst"],
                    one["poor"],
                    one["conflicts"],
                    one["overloads"],
                    f"{one['spread']:.0%}",
                    f"{one['seconds']:.2f}",
                )
            )
    best, plain = [run["optimal"] for run in runs], [run["greedy"] for run in runs]
    pairs = list(zip(best, plain, strict=True))
    report(
        "assign",
        HEAD,
        rows,
        {
            "seconds": round(max(one["seconds"] for one in best), 3),
            "expertise_over_greedy": round(min(a["total"] / b["total"] for a, b in pairs), 4),
            "worst_over_greedy": round(min(a["worst"] / max(b["worst"], 1) for a, b in pairs), 4),
            "conflicts": sum(one["conflicts"] for one in best),
            "overloads": sum(one["overloads"] for one in best),
            "assigned": min(one["assigned"] for one in best),
            "assigned_by_greedy": min(one["assigned"] for one in plain),
            "spread_of_load": round(max(one["spread"] for one in best), 4),
            "spread_of_load_greedy": round(max(one["spread"] for one in plain), 4),
            "solver_seconds": round(max(one["solver"] for one in best), 3),
            "matches": options.matches,
            "managers": options.managers,
            "seeds": options.seeds,
            "load_before": round(load, 2),
        },
    )


def _catalogue(matches: int) -> None:
    from benchmarks.catalogue import Catalogue
    from benchmarks.demands import write_demands

    catalogue = Catalogue(ACHIEVEMENTS, lambda text: print(text, flush=True))
    # Half of the demands have three matches, half two; and some that were decided before.
    write_demands(catalogue, matches * 2 // 5 + 40, catalogue.write())


def _run(seed: int, matches: int, managers: int) -> dict[str, dict[str, Any]]:
    """Write one seed's matches and managers; assign; return the figures of both ways."""
    from matchmaking.models import Match, Review
    from matchmaking.services.assignment import assign_matches, waiting_cases
    from matchmaking.services.desks import Board, all_desks
    from matchmaking.workflow import MatchStatus, ReviewStatus

    chance = np.random.default_rng([20261122, seed])
    _clear()
    _write_managers(chance, managers, matches)
    _write_matches(chance, matches)
    cases, desks = waiting_cases(matches), all_desks()
    board = Board(cases, desks)
    assert len(cases) == matches == Match.objects.filter(status=MatchStatus.SUGGESTED).count()

    began = time.perf_counter()
    assigned = assign_matches()
    seconds = time.perf_counter() - began

    given = dict(
        Review.objects.filter(status=ReviewStatus.ASSIGNED).values_list("match", "manager")
    )
    assert assigned == len(given)
    place = {desk.user_id: column for column, desk in enumerate(desks)}
    manager = np.array([place.get(given.get(case.pk, 0), -1) for case in cases])
    # The means of past decisions are there by now, for both.
    from matchmaking.allocation import allocate, greedy

    question = board.question()
    began = time.perf_counter()
    plain = greedy(question)
    greedy_seconds = time.perf_counter() - began
    began = time.perf_counter()
    allocate(question)
    solver = time.perf_counter() - began
    return {
        "optimal": _figures(board, question, manager) | {"seconds": seconds, "solver": solver},
        "greedy": _figures(board, question, plain.manager) | {"seconds": greedy_seconds},
    }


def _figures(board: Any, question: Any, manager: Any) -> dict[str, Any]:
    rows = np.flatnonzero(manager >= 0)
    points = question.points[rows, manager[rows]]
    worst: dict[int, int] = {}
    for row, value in zip(rows.tolist(), points.tolist(), strict=True):
        demand = int(question.demand[row])
        worst[demand] = min(value, worst.get(demand, 100))
    load = question.load + np.bincount(manager[rows], minlength=len(question.load))
    filled = load / question.capacity
    return {
        "assigned": len(rows),
        "total": int(points.sum()),
        "mean": float(points.mean()),
        "worst": min(worst.values()),
        "poor": sum(value < 50 for value in worst.values()),
        "conflicts": int(board.tied[rows, manager[rows]].sum()),
        "overloads": int((load > question.capacity).sum()),
        "spread": float(filled.max() - filled.min()),
    }


def _clear() -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            "TRUNCATE matchmaking_match, matchmaking_managervector, accounts_managerprofile,"
            " accounts_notification, accounts_outboxmail CASCADE"
        )
        cursor.execute("VACUUM ANALYZE")


def _write_managers(chance: np.random.Generator, count: int, matches: int) -> None:
    from django.db.models import Count

    from accounts.models import ManagerInterest, ManagerProfile, Organization, User
    from catalog.models import Demand

    asked = Demand.objects.order_by().values_list("industry").annotate(count=Count("pk"))
    codes = [code for code, _count in asked.order_by("industry")]
    provinces = sorted({region[:2] for region in Demand.objects.values_list("region", flat=True)})
    # Some fields have many managers, some hardly one.
    weight = chance.permutation(1 / (np.arange(len(codes)) + 3.0))
    weight /= weight.sum()
    owners = list(Organization.objects.order_by("pk").values_list("pk", flat=True))
    room = chance.integers(8, 37, count).astype(float)
    room = np.maximum(1, np.rint(room * matches * 1.1 / room.sum())).astype(int)
    users = User.objects.bulk_create(
        User(email=f"manager{number}-{chance.integers(1 << 40)}@example.org", name=f"{number}")
        for number in range(count)
    )
    profiles = ManagerProfile.objects.bulk_create(
        ManagerProfile(
            user=user,
            grade=str(chance.choice(["junior", "intermediate", "senior"])),
            certificate_no=f"B-{user.pk}",
            classes=_classes(chance, codes, weight),
            regions=[f"{code}0000" for code in chance.choice(provinces, 3, replace=False)],
            capacity=int(room[number]),
            status="certified",
        )
        for number, user in enumerate(users)
    )
    ManagerInterest.objects.bulk_create(
        ManagerInterest(profile=profile, organization_id=int(owner), kind="interest")
        for profile in profiles
        for owner in chance.choice(owners, TIES, replace=False)
    )


def _classes(chance: np.random.Generator, codes: list[str], weight: Any) -> list[str]:
    known = chance.choice(codes, int(chance.integers(1, 3)), replace=False, p=weight)
    # One in four says no more than the section.
    return sorted({str(code)[:1] if chance.random() < 0.25 else str(code) for code in known})


def _write_matches(chance: np.random.Generator, count: int) -> None:
    """Write `count` open matches, and what the managers have decided before."""
    from django.utils import timezone

    from accounts.models import ManagerProfile
    from catalog.models import Achievement, Demand, revision_model
    from matchmaking.models import EmbeddingModel, Match, Review

    model = EmbeddingModel.objects.get()
    EmbeddingModel.objects.update(state="current")
    versions = {
        kind: dict(revision_model(kind).objects.values_list("pgh_obj", "pk"))
        for kind in ("demand", "achievement")
    }
    of_industry: dict[str, list[int]] = {}
    for pk, industry in Achievement.objects.order_by("pk").values_list("pk", "industry"):
        of_industry.setdefault(industry, []).append(pk)
    everything = [pk for pks in of_industry.values() for pk in pks]
    demands = list(Demand.objects.order_by("pk").values_list("pk", "industry"))
    # The last forty were decided before.
    new, old = demands[:-40], demands[-40:]

    def pairs(demand: tuple[int, str], many: int) -> list[tuple[int, int]]:
        pk, industry = demand
        near = of_industry.get(industry, everything)
        found: set[int] = set()
        while len(found) < many:
            # One in five comes from another field.
            pool = everything if chance.random() < 0.2 else near
            found.add(int(chance.choice(pool)))
        return [(pk, other) for other in sorted(found)]

    def match(pair: tuple[int, int], rank: int, **fields: Any) -> Match:
        demand, achievement = pair
        return Match(
            demand_id=demand,
            achievement_id=achievement,
            demand_revision_id=versions["demand"][demand],
            achievement_revision_id=versions["achievement"][achievement],
            engine="bench",
            model=model,
            score=1 - rank / 100,
            rank=rank,
            **fields,
        )

    rows = [
        match(pair, rank)
        for at, demand in enumerate(new)
        for rank, pair in enumerate(pairs(demand, 3 if at % 2 == 0 else 2), 1)
    ]
    Match.objects.bulk_create(rows[:count], batch_size=500)

    now = timezone.now()
    profiles = list(ManagerProfile.objects.order_by("pk"))
    done, reviews = [], []
    taken: set[tuple[int, int]] = set()
    for profile in profiles[: len(profiles) * 4 // 5]:
        mine = [one for one in old if any(one[1].startswith(code) for code in profile.classes)]
        for number in range(DECIDED):
            demand = (mine or old)[number % len(mine or old)]
            pair = pairs(demand, 1)[0]
            if pair in taken:
                continue
            taken.add(pair)
            done.append(match(pair, 1, status="rejected", is_touched=True, decided_at=now))
            reviews.append(
                Review(
                    match=done[-1],
                    manager_id=profile.user_id,
                    status="submitted",
                    decision="reject",
                    due_on=now.date(),
                    closed_at=now,
                )
            )
    Match.objects.bulk_create(done, batch_size=500)
    Review.objects.bulk_create(reviews, batch_size=500)


if __name__ == "__main__":
    main()
