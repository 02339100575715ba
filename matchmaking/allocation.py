"""Who reviews what, as an optimal assignment. Pure arithmetic: no database, no clock, no chance.

**The question.** n matches of several demands wait for managers. Manager j has room for
room_j = capacity_j - load_j more reviews. Demand d may have share_d more of its matches in review
at once, and turn_d says which of its reviews the next one would be: the first reviews of all
demands come before anybody's second. e_ij (0 to 1, counted in hundredths) is how well manager j
knows match i. Some pairs (i, j) are forbidden.

**The answer**, each step among what the steps before leave:

1. No forbidden pair, nobody over their room, no demand over its share.
2. As many first reviews as possible, then as many second ones, and so on. In all there are as many
   as there can be at all: the numbers of reviews that demands can have form a polymatroid, in
   which what is best turn by turn is also the most (Schrijver 2003, "Combinatorial Optimization",
   chapter 44). Then the better matches of each demand, then those that stand first in the queue.
3. The worst-served review is by the best manager that it can be: the bottleneck assignment problem
   (Burkard, Dell'Amico, Martello 2012, "Assignment Problems", chapter 6), by bisection over the
   values of e. Never at the price of less expertise in all than greedy assignment has, which gives
   each match in turn to whoever knows it best (`greedy`).
4. The most expertise in all, less `inertia` for each change of manager where matches are given
   anew; then as few changes as possible (`keep`); then the least
   sum over managers of a convex cost, so that reviews go where the desk is emptiest for its size:
   the k-th review of a desk costs k / capacity.

**How.** A manager with room for r is r columns of a linear assignment problem, the k-th dearer than
the one before; scipy's `linear_sum_assignment` solves it (Crouse 2016, "On implementing 2D
rectangular assignment algorithms"). The order of goals is in the costs: integers, each goal's unit
larger than all that the next could add up to, and their sums below 2**53, so that nothing is lost
to rounding. Where not every demand can have its share, which matches are served (2) is one more
such problem, of three layers: a turn of a demand takes a match, a match takes a place at a desk.

**What is guaranteed.** 1, 2 and 4 exactly. 3 for the chosen set of matches: another set of the same
demands might have a better worst one. Expertise in all is at least greedy's wherever greedy serves
as many reviews, turn by turn; where it serves fewer, it may have left out just those that are hard
to place. The same question has the same answer.

**Cost.** O(n² c) at worst for n matches and c columns, in practice far less; about a dozen such
problems. With 1,000 matches and 1,100 columns each takes a tenth of a second: `make bench-assign`.
Memory is 8 n c bytes, three times that where there is too little room.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

NOBODY = -1
# Expertise is counted in steps of this: a smaller difference is none.
STEPS = 100
# Of the load of a desk, from 0 to full.
LOAD_STEPS = 100


@dataclass(frozen=True)
class Question:
    """n matches in the order of the queue, m managers, g demands.

    Matches of one demand stand in the order in which it would have them, best first.
    """

    # (n, m), 0 to 1; and who may not have what: a tie, or has had it.
    expertise: NDArray[np.float32]
    allowed: Flags
    # (m,)
    capacity: Ints
    load: Ints
    # (n,), 0 to g - 1.
    demand: Ints
    # (g,): how many more reviews a demand may have, and which one the next would be.
    share: Ints
    turn: Ints
    # (n,): who has a match now, or `NOBODY`.
    keep: Ints = field(default_factory=lambda: np.empty(0, np.int64))
    # How many hundredths a change of manager has to bring: to the worst-served, or in all.
    inertia: int = 0

    def __post_init__(self) -> None:
        n, m = self.expertise.shape
        shapes = [self.allowed.shape == (n, m), self.capacity.shape == self.load.shape == (m,)]
        shapes += [self.demand.shape == (n,), self.share.shape == self.turn.shape]
        shapes += [self.keep.shape in ((0,), (n,))]
        if not all(shapes):
            raise ValueError("The parts of a question do not fit each other.")
        if not np.isfinite(self.expertise).all():
            raise ValueError("Expertise is a number from 0 to 1.")

    @property
    def points(self) -> Ints:
        """Return the expertise in hundredths (n, m)."""
        return np.asarray(np.rint(np.clip(self.expertise, 0, 1) * STEPS), np.int64)

    @property
    def room(self) -> Ints:
        return np.asarray(np.maximum(self.capacity - self.load, 0), np.int64)

    @property
    def places(self) -> Ints:
        """Return the place of each match among those of its demand, from 0."""
        return _places(self.demand)


@dataclass(frozen=True)
class Answer:
    """Which manager has each match (n,), `NOBODY` for those that wait on."""

    manager: Ints
    # In hundredths: of all reviews together, and of the worst-served one (0 where there is none).
    total: int
    worst: int

    @property
    def count(self) -> int:
        return int((self.manager != NOBODY).sum())


def allocate(question: Question) -> Answer:
    """Return the best assignment in the order of goals above.

    Raises `ValueError` for parts that do not fit each other.
    """
    plain = greedy(question)
    served = _served(question)
    best = _assigned(question, served)
    if plain.total > best.total and _turns(question, plain.manager) == _turns(
        question, best.manager
    ):
        # As many reviews, and of matches that more is known of: nobody waits longer for it.
        served = plain.manager != NOBODY
        best = _assigned(question, served)
    return _raised(question, served, best, floor=min(plain.total, best.total))


def greedy(question: Question) -> Answer:
    """Return what is had by giving each match in its turn to the best manager who has room.

    In the order of turns, then of the queue; of managers who know it equally well the one with the
    emptiest desk. It looks at no later match, which is what `allocate` is measured against.
    """
    manager = np.full(len(question.demand), NOBODY, np.int64)
    load, left = question.load.copy(), question.share.copy()
    points = question.points
    turns = question.turn[question.demand] + question.places
    size = np.maximum(question.capacity, 1)
    for row in np.lexsort((np.arange(len(turns)), turns)).tolist():
        demand = int(question.demand[row])
        free = np.flatnonzero(question.allowed[row] & (load < question.capacity))
        if not len(free) or left[demand] <= 0:
            continue
        first = np.lexsort((free, load[free] / size[free], -points[row, free]))[0]
        manager[row] = free[first]
        load[manager[row]] += 1
        left[demand] -= 1
    return _answer(question, manager)


# --- Which matches are served -------------------------------------------------------------------


def _served(question: Question) -> Flags:
    """Return which matches are served (n,): step 2 of the module's text."""
    may = question.allowed & (question.room > 0)
    able = np.flatnonzero(may.any(axis=1))
    served = np.zeros(len(may), np.bool_)
    if not len(able):
        return served
    share = question.share[question.demand[able]]
    first = able[_places(question.demand[able]) < share]
    if _all_fit(may[first], question.room):
        served[first] = True
        return served
    served[able[_by_turns(question, able)]] = True
    return served


def _all_fit(may: Flags, room: Ints) -> bool:
    """Say whether every row (k, m) finds a place with somebody."""
    if not len(may):
        return True
    column, _step = _columns(room, len(may))
    if len(column) < len(may):
        return False
    try:
        linear_sum_assignment(np.where(may[:, column], 0.0, np.inf))
    except ValueError:  # "cost matrix is infeasible"
        return False
    return True


def _by_turns(question: Question, able: Ints) -> Ints:
    """Return which of the `able` rows are served where there is not room for all.

    Rows of the problem are the turns of the demands, and each match once more: a turn takes a match
    or stays idle; a match that was taken needs a place at a desk, one that was not takes itself.
    """
    n, demand = len(able), question.demand[able]
    places = _places(demand)
    turn_of = np.repeat(
        np.arange(len(question.share)),
        np.minimum(question.share, np.bincount(demand, minlength=len(question.share))).clip(0),
    )
    turns = question.turn[turn_of] + _places(turn_of)
    levels = np.unique(turns)
    k = len(turns)
    column, _step = _columns(question.room, n)

    # The later the turn the less it is worth, a worse match costs a place, and a later one in the
    # queue less than that.
    one_place = n * n + 1
    one_turn = n * int(places.max() + 1) * one_place + one_place
    worth = (len(levels) - np.searchsorted(levels, turns)) * one_turn
    cost = np.full((k + n, n + len(column) + k), np.inf)
    takes = places * one_place + np.arange(n)
    cost[:k, :n] = np.where(
        turn_of[:, None] == demand[None, :], takes[None, :] - worth[:, None], np.inf
    )
    cost[np.arange(k), n + len(column) + np.arange(k)] = 0
    cost[k + np.arange(n), np.arange(n)] = 0
    cost[k:, n : n + len(column)] = np.where(question.allowed[able][:, column], 0.0, np.inf)
    _rows, found = linear_sum_assignment(cost)
    return np.sort(found[:k][found[:k] < n])


# --- Who serves them ----------------------------------------------------------------------------


def _assigned(question: Question, served: Flags, least: int = 0) -> Answer:
    """Return the assignment of `served` with the most expertise, none below `least` hundredths.

    Raises `ValueError` where there is none.
    """
    manager = np.full(len(served), NOBODY, np.int64)
    rows = np.flatnonzero(served)
    if not len(rows):
        return _answer(question, manager)
    points = question.points[rows]
    column, step = _columns(question.room, len(rows))
    # The share of the desk that is full once this place is taken.
    filled = (question.load[column] + step + 1) * LOAD_STEPS // question.capacity[column]
    one_change = len(rows) * (int(filled.max()) + 1)
    one_point = (len(rows) + 1) * one_change
    change = np.ones_like(points)
    if len(question.keep):
        kept = question.keep[rows]
        has = np.flatnonzero(kept != NOBODY)
        change[has, kept[has]] = 0
    by_manager = (STEPS - points + question.inertia * change) * one_point + change * one_change
    may = question.allowed[rows] & (points >= least)
    cost = np.where(may[:, column], (by_manager[:, column] + filled).astype(np.float64), np.inf)
    found_rows, found = linear_sum_assignment(cost)
    if len(found_rows) < len(rows):
        raise ValueError("There is not room for all.")
    manager[rows[found_rows]] = column[found]
    return _answer(question, manager)


def _raised(question: Question, served: Flags, best: Answer, floor: int) -> Answer:
    """Return the assignment whose worst review is best, with at least `floor` in all."""
    rows = np.flatnonzero(served)
    if not len(rows):
        return best
    points = np.where(question.allowed[rows] & (question.room > 0), question.points[rows], -1)
    # The worst can be no better than what the least known match has in its best manager.
    top = int(points.max(axis=1).min())
    values = np.unique(points)
    values = values[(values > best.worst) & (values >= best.worst + question.inertia)]
    values = values[values <= top]
    low, high = 0, len(values)
    while low < high:
        middle = (low + high) // 2
        try:
            found = _assigned(question, served, int(values[middle]))
        except ValueError:
            high = middle
            continue
        if found.total < floor:
            high = middle
        else:
            best, low = found, middle + 1
    return best


# --- Small things -------------------------------------------------------------------------------


def _columns(room: Ints, most: int) -> tuple[Ints, Ints]:
    """Return, for each place at a desk, whose it is and which one, from 0: no desk needs more
    places than there are matches."""
    column = np.repeat(np.arange(len(room)), np.minimum(room, most))
    return column, _places(column)


def _places(groups: Ints | Sequence[int]) -> Ints:
    """Return the place of each element among those of its group, from 0."""
    groups = np.asarray(groups, np.int64)
    order = np.argsort(groups, kind="stable")
    held = groups[order]
    starts = np.flatnonzero(np.r_[True, held[1:] != held[:-1]]) if len(held) else held
    sizes = np.diff(np.r_[starts, len(held)])
    places = np.empty(len(groups), np.int64)
    places[order] = np.arange(len(groups)) - np.repeat(starts, sizes)
    return places


def _turns(question: Question, manager: Ints) -> list[int]:
    """Return how many reviews there are of each turn."""
    demand = question.demand[manager != NOBODY]
    turns = question.turn[demand] + _places(demand)
    return sorted(turns.tolist())


def _answer(question: Question, manager: Ints) -> Answer:
    rows = np.flatnonzero(manager != NOBODY)
    points = question.points[rows, manager[rows]]
    return Answer(manager, int(points.sum()), int(points.min()) if len(rows) else 0)
