"""The optimal assignment, compared with every possible one on small questions."""

from collections import Counter
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matchmaking.allocation import NOBODY, STEPS, Question, allocate, greedy


def ask(points, *, demand=None, room=None, share=None, turn=None, allowed=None, **more):
    """Return a question with hundredths of expertise, whose matches are of a demand each."""
    table = np.array(points, np.float32).reshape(len(points), -1) / STEPS
    n, m = table.shape
    demand = np.array(demand if demand is not None else range(n), np.int64)
    groups = int(demand.max()) + 1 if n else 0
    return Question(
        expertise=table,
        allowed=np.array(allowed, np.bool_) if allowed is not None else np.ones((n, m), np.bool_),
        capacity=np.array(room if room is not None else [n] * m, np.int64),
        load=np.array(more.pop("load", [0] * m), np.int64),
        demand=demand,
        share=np.array(share if share is not None else [n] * groups, np.int64),
        turn=np.array(turn if turn is not None else [1] * groups, np.int64),
        **{key: np.array(value) if key == "keep" else value for key, value in more.items()},
    )


@st.composite
def questions(draw):
    n, m = draw(st.integers(0, 5)), draw(st.integers(0, 3))
    groups = draw(st.integers(1, 3))
    load = draw(st.lists(st.integers(0, 2), min_size=m, max_size=m))
    return Question(
        expertise=np.array(
            draw(
                st.lists(
                    st.lists(st.integers(0, 100), min_size=m, max_size=m), min_size=n, max_size=n
                )
            ),
            np.float32,
        ).reshape(n, m)
        / STEPS,
        allowed=np.array(
            draw(st.lists(st.lists(st.booleans(), min_size=m, max_size=m), min_size=n, max_size=n)),
            np.bool_,
        ).reshape(n, m),
        capacity=np.array(draw(st.lists(st.integers(0, 4), min_size=m, max_size=m)), np.int64),
        load=np.array(load, np.int64),
        demand=np.array(
            draw(st.lists(st.integers(0, groups - 1), min_size=n, max_size=n)), np.int64
        ),
        share=np.array(
            draw(st.lists(st.integers(0, 3), min_size=groups, max_size=groups)), np.int64
        ),
        turn=np.array(
            draw(st.lists(st.integers(-1, 2), min_size=groups, max_size=groups)), np.int64
        ),
    )


def every_answer(question):
    """Yield every assignment that keeps the hard limits."""
    n, m = question.expertise.shape
    for chosen in product(range(-1, m), repeat=n):
        given_to = Counter(j for j in chosen if j >= 0)
        of_demand = Counter(int(question.demand[i]) for i, j in enumerate(chosen) if j >= 0)
        if (
            all(question.allowed[i, j] for i, j in enumerate(chosen) if j >= 0)
            and all(count <= question.room[j] for j, count in given_to.items())
            and all(count <= question.share[d] for d, count in of_demand.items())
        ):
            yield chosen


def turns_of(question, chosen):
    """Return how many reviews there are of each turn, the first turn first."""
    seen, turns = Counter(), Counter()
    for row, column in enumerate(chosen):
        if column >= 0:
            demand = int(question.demand[row])
            turns[int(question.turn[demand]) + seen[demand]] += 1
            seen[demand] += 1
    return [turns[turn] for turn in range(-1, 8)]


def points_of(question, chosen):
    return [int(question.points[i, j]) for i, j in enumerate(chosen) if j >= 0]


def places_of(question, chosen):
    places = question.places
    return (
        sum(int(places[i]) for i, j in enumerate(chosen) if j >= 0),
        sum(i for i, j in enumerate(chosen) if j >= 0),
    )


@settings(max_examples=300, deadline=None)
@given(questions())
def test_it_is_the_best_of_all_assignments(question):
    found = allocate(question)
    chosen = tuple(found.manager.tolist())
    everything = list(every_answer(question))

    assert chosen in everything  # no conflict, nobody over their room, no demand over its share
    assert turns_of(question, chosen) == max(turns_of(question, one) for one in everything)
    plain = tuple(greedy(question).manager.tolist())
    if turns_of(question, plain) == turns_of(question, chosen):
        assert found.total >= sum(points_of(question, plain))
    same = [one for one in everything if [j >= 0 for j in one] == [j >= 0 for j in chosen]]
    best_total = max(sum(points_of(question, one)) for one in same)
    floor = min(sum(points_of(question, plain)), best_total)
    worst = max(
        min(points_of(question, one), default=0)
        for one in same
        if sum(points_of(question, one)) >= floor
    )
    assert found.worst == worst
    assert found.total == max(
        sum(points_of(question, one))
        for one in same
        if min(points_of(question, one), default=0) >= worst
    )


@settings(max_examples=200, deadline=None)
@given(questions())
def test_better_matches_of_a_demand_come_first_then_the_queue(question):
    found = allocate(question)
    chosen = tuple(found.manager.tolist())
    most = turns_of(question, chosen)
    as_many = [one for one in every_answer(question) if turns_of(question, one) == most]
    served = [j >= 0 for j in chosen]
    if served == [j >= 0 for j in greedy(question).manager.tolist()]:
        return  # that set may have been taken for the sake of its expertise

    assert places_of(question, chosen) == min(places_of(question, one) for one in as_many)


@settings(max_examples=100, deadline=None)
@given(questions())
def test_the_same_question_has_the_same_answer(question):
    assert allocate(question).manager.tolist() == allocate(question).manager.tolist()


@settings(max_examples=100, deadline=None)
@given(questions())
def test_greedy_keeps_the_limits_too(question):
    assert tuple(greedy(question).manager.tolist()) in set(every_answer(question))


@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (3, 0)])
def test_nothing_to_assign_or_nobody_to_take_it(shape):
    n, m = shape
    question = Question(
        expertise=np.zeros(shape, np.float32),
        allowed=np.ones(shape, np.bool_),
        capacity=np.full(m, 5),
        load=np.zeros(m, np.int64),
        demand=np.arange(n),
        share=np.ones(n, np.int64),
        turn=np.ones(n, np.int64),
    )

    found = allocate(question)

    assert found.manager.tolist() == [NOBODY] * n
    assert (found.total, found.worst, found.count) == (0, 0, 0)


def test_the_worst_served_is_helped_where_greedy_takes_its_manager_away():
    question = ask([[90, 80], [85, 10]], room=[1, 1])

    assert greedy(question).worst == 10
    assert allocate(question).manager.tolist() == [1, 0]
    assert allocate(question).worst == 80


def test_the_worst_served_is_not_helped_at_the_price_of_less_than_greedy_in_all():
    """Helping the second would cost the first one 90 for a gain of 1."""
    question = ask([[100, 10], [11, 10]], room=[1, 1])

    found = allocate(question)

    assert found.manager.tolist() == [0, 1]
    assert found.total >= greedy(question).total


def test_a_demands_first_review_comes_before_another_ones_third():
    question = ask([[99], [99], [99], [1]], demand=[0, 0, 0, 1], room=[3], share=[3, 3])

    assert allocate(question).manager.tolist() == [0, 0, NOBODY, 0]


def test_a_second_approval_comes_before_every_first_review():
    question = ask([[99], [1]], room=[1], turn=[1, -1])

    assert allocate(question).manager.tolist() == [NOBODY, 0]


def test_a_match_that_nobody_may_have_leaves_its_turn_to_the_next_one():
    question = ask(
        [[50], [50], [50]],
        demand=[0, 0, 0],
        share=[1],
        allowed=[[False], [True], [True]],
    )

    assert allocate(question).manager.tolist() == [NOBODY, 0, NOBODY]


def test_another_match_of_a_demand_is_served_so_that_another_demand_is_served_at_all():
    """Only the first manager may have the first and the last match; she has room for one."""
    question = ask(
        [[90, 90], [50, 50], [90, 90]],
        demand=[0, 0, 1],
        share=[1, 1],
        room=[1, 1],
        allowed=[[True, False], [False, True], [True, False]],
    )

    assert allocate(question).manager.tolist() == [NOBODY, 1, 0]


def test_with_too_little_room_who_waits_longest_is_served():
    question = ask([[10], [99], [99]], room=[1])

    assert allocate(question).manager.tolist() == [0, NOBODY, NOBODY]


def test_equal_managers_share_the_work_by_the_size_of_their_desks():
    question = ask([[70, 70, 70]] * 12, room=[4, 8, 12])

    load = np.bincount(allocate(question).manager, minlength=3)

    assert load.tolist() == [2, 4, 6]


def test_a_desk_that_is_fuller_gets_less():
    question = ask([[70, 70]] * 4, room=[8, 8], load=[4, 0])

    assert allocate(question).manager.tolist() == [1, 1, 1, 1]


def test_who_has_a_match_keeps_it_unless_somebody_knows_it_enough_better():
    table = [[70, 72], [70, 90]]

    freely = allocate(ask(table, keep=[0, 0]))
    slowly = allocate(ask(table, keep=[0, 0], inertia=5))

    assert freely.manager.tolist() == [1, 1]
    assert slowly.manager.tolist() == [0, 1]


def test_among_equals_nothing_moves():
    question = ask([[70, 70]] * 4, room=[4, 4], keep=[1, 1, 1, 1])

    assert allocate(question).manager.tolist() == [1, 1, 1, 1]


def test_differences_under_a_hundredth_are_none():
    question = ask([[70.4, 69.6]] * 2, room=[2, 2])

    assert sorted(allocate(question).manager.tolist()) == [0, 1]


def test_a_capacity_that_was_lowered_below_the_load_gives_nothing_more():
    question = ask([[70, 10]], room=[2, 9], load=[5, 0])

    assert allocate(question).manager.tolist() == [1]


@pytest.mark.parametrize(
    "wrong",
    [
        {"allowed": np.ones((2, 2), np.bool_)},
        {"load": np.zeros(3, np.int64)},
        {"demand": np.zeros(2, np.int64)},
        {"share": np.zeros(2, np.int64)},
        {"keep": np.zeros(2, np.int64)},
        {"expertise": np.full((1, 1), np.nan, np.float32)},
        {"expertise": np.full((1, 1), np.inf, np.float32)},
    ],
)
def test_parts_that_do_not_fit_are_refused(wrong):
    parts = {
        "expertise": np.zeros((1, 1), np.float32),
        "allowed": np.ones((1, 1), np.bool_),
        "capacity": np.ones(1, np.int64),
        "load": np.zeros(1, np.int64),
        "demand": np.zeros(1, np.int64),
        "share": np.ones(1, np.int64),
        "turn": np.ones(1, np.int64),
    }

    with pytest.raises(ValueError):
        Question(**{**parts, **wrong})


def test_a_full_thousand_keeps_every_limit():
    chance = np.random.default_rng(7)
    n, m = 1000, 50
    question = Question(
        expertise=chance.random((n, m), np.float32),
        allowed=chance.random((n, m)) > 0.1,
        capacity=chance.integers(5, 25, m),
        load=chance.integers(0, 5, m),
        demand=np.sort(chance.integers(0, 300, n)),
        share=chance.integers(1, 4, 300),
        turn=chance.integers(1, 3, 300),
    )

    found = allocate(question)

    rows = np.flatnonzero(found.manager != NOBODY)
    assert question.allowed[rows, found.manager[rows]].all()
    assert (np.bincount(found.manager[rows], minlength=m) <= question.room).all()
    assert (np.bincount(question.demand[rows], minlength=300) <= question.share).all()
    assert found.total >= greedy(question).total
    assert found.worst > greedy(question).worst
