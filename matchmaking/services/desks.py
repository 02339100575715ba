"""Managers' desks, and what waits to be put on them: what the assignment knows of both."""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from django.db.models import Count
from django.db.models.functions import Left
from django.utils import timezone
from numpy.typing import NDArray

from accounts.conflicts import ties
from accounts.models import ManagerProfile
from catalog.models import PublicationReview
from matchmaking.models import Review
from matchmaking.services.expertise import Matrix, expertise, known_classes, knows_region
from matchmaking.workflow import ReviewStatus

if TYPE_CHECKING:
    from matchmaking.allocation import Answer, Question

Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Case:
    """A match, or a check of a submitted listing, that a manager is looked for.

    The demand's industry and region come before the achievement's.
    """

    pk: int
    owners: tuple[int, ...]
    industries: tuple[str, ...]
    regions: tuple[str, ...]
    # Demand and achievement.
    listings: tuple[int | None, int | None]
    # In CNY; 0 where neither side names a sum.
    worth: int = 0
    # Cases of one group share what a demand may have in review at a time.
    group: tuple[str, int] = ("", 0)
    share: int = 1
    turn: int = 1
    since: dt.datetime | None = None
    is_publication: bool = False
    is_escalated: bool = False
    # Users who have had it before, and who has it now.
    tried: frozenset[int] = frozenset()
    holder: int | None = None
    review: int | None = None


@dataclass
class Desk:
    """A certified manager, with what is on their desk."""

    profile: ManagerProfile
    # Away today: gets nothing, but is counted where it is told why nobody took a match.
    is_present: bool = True
    load: int = 0
    decided: int = 0
    # Decided matches by division of GB/T 4754, of either side.
    divisions: Counter[str] = field(default_factory=Counter)
    # Organizations.
    ties: frozenset[int] = frozenset()

    @property
    def user_id(self) -> int:
        return self.profile.user_id

    @property
    def room(self) -> int:
        return max(0, self.profile.capacity - self.load) if self.is_present else 0

    def similar(self, case: Case) -> int:
        """Return how many decided matches had one of the case's divisions on either side."""
        return sum(self.divisions[code] for code in {code[:3] for code in case.industries if code})


def loads(users: Iterable[int]) -> Counter[int]:
    """Return how many reviews lie on each desk: of matches and of submitted listings."""
    found: Counter[int] = Counter()
    for rows in (Review.objects.open(), PublicationReview.objects.open()):
        mine = rows.filter(manager__in=list(users)).order_by().values_list("manager")
        found.update(dict(mine.annotate(Count("pk"))))
    return found


def all_desks(only: Iterable[int] | None = None) -> list[Desk]:
    """Return the desks of all certified managers, or of the users `only`.

    As many queries for one as for all.
    """
    profiles = ManagerProfile.objects.certified().select_related("user").order_by("pk")
    if only is not None:
        profiles = profiles.filter(user__in=list(only))
    found = list(profiles)
    users = [profile.user_id for profile in found]
    present = set(
        ManagerProfile.objects.available_on(timezone.localdate())
        .filter(user__in=users)
        .values_list("user", flat=True)
    )
    load, tied = loads(users), ties(users)
    decided: Counter[int] = Counter()
    divisions: dict[int, Counter[str]] = defaultdict(Counter)
    rows = (
        Review.objects.filter(manager__in=users, status=ReviewStatus.SUBMITTED)
        .order_by()
        .values_list(
            "manager", Left("match__demand__industry", 3), Left("match__achievement__industry", 3)
        )
        .annotate(Count("pk"))
    )
    for user, demand, achievement, count in rows:
        decided[user] += count
        for code in {demand, achievement} - {""}:
            divisions[user][code] += count
    return [
        Desk(
            profile,
            is_present=profile.user_id in present,
            load=load[profile.user_id],
            decided=decided[profile.user_id],
            divisions=divisions[profile.user_id],
            ties=frozenset(tied.get(profile.user_id, ())),
        )
        for profile in found
    ]


class Board:
    """n cases and m desks side by side."""

    def __init__(self, cases: Sequence[Case], desks: Sequence[Desk]) -> None:
        self.cases, self.desks = cases, desks
        shape = (len(cases), len(desks))
        self.tied: Flags = np.zeros(shape, np.bool_)
        self.tried: Flags = np.zeros(shape, np.bool_)
        place = {desk.user_id: column for column, desk in enumerate(desks)}
        tied_to: dict[int, list[int]] = defaultdict(list)
        for column, desk in enumerate(desks):
            for organization in desk.ties:
                tied_to[organization].append(column)
        for row, case in enumerate(cases):
            for owner in case.owners:
                self.tied[row, tied_to.get(owner, [])] = True
            self.tried[row, [place[user] for user in case.tried if user in place]] = True
        self.present: Flags = np.array([desk.is_present for desk in desks], np.bool_)

    @cached_property
    def expertise(self) -> Matrix:
        return expertise(self.cases, self.desks)

    @property
    def allowed(self) -> Flags:
        free: Flags = ~self.tied & ~self.tried & self.present
        return free

    def hindered(self, row: int) -> dict[str, int]:
        """Return how many managers cannot take a case, by reason; each is counted once."""
        tied, tried = self.tied[row], self.tried[row] & ~self.tied[row]
        away = ~self.present & ~tied & ~tried
        room = np.array([desk.room for desk in self.desks], np.int64)
        full = (room <= 0) & self.present & ~tied & ~tried
        counts = {"tie": tied, "tried": tried, "away": away, "full": full}
        return {why: int(flags.sum()) for why, flags in counts.items() if flags.any()}

    def question(self, inertia: int = 0) -> Question:
        """Return the assignment problem of the board, in the order of its cases."""
        from matchmaking.allocation import NOBODY, Question

        groups = list(dict.fromkeys(case.group for case in self.cases))
        number = {group: at for at, group in enumerate(groups)}
        first = {case.group: case for case in reversed(self.cases)}
        place = {desk.user_id: column for column, desk in enumerate(self.desks)}
        holders = [place.get(case.holder or 0, NOBODY) for case in self.cases]
        # Whoever is away has no room, whatever is taken from them.
        capacity = [desk.load + desk.room for desk in self.desks]
        return Question(
            expertise=self.expertise,
            allowed=self.allowed,
            capacity=np.array(capacity, np.int64),
            load=np.array([desk.load for desk in self.desks], np.int64),
            demand=np.array([number[case.group] for case in self.cases], np.int64),
            share=np.array([first[group].share for group in groups], np.int64),
            turn=np.array([first[group].turn for group in groups], np.int64),
            keep=np.array(holders, np.int64),
            inertia=inertia,
        )

    def solve(self, inertia: int = 0) -> Answer:
        """Return who gets what. Loads scipy: for workers, not for processes that serve pages."""
        from matchmaking.allocation import allocate

        return allocate(self.question(inertia))

    def because(self, row: int, column: int) -> dict[str, Any]:
        """Return why this manager gets this case, to be stored and told later."""
        case, desk = self.cases[row], self.desks[column]
        return {
            "classes": known_classes(desk.profile.classes, case.industries),
            "region": knows_region(desk, case),
            "load": desk.load,
            "capacity": desk.profile.capacity,
            "decided": desk.decided,
            "similar": desk.similar(case),
            "expertise": round(100 * float(self.expertise[row, column])),
            "others": self.hindered(row),
        }
