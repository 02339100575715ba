"""Every figure of the dashboards, against known answers and against plain SQL of its own."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import transaction

from accounts.workdays import add_working_days, is_working_day, working_days_left
from matchmaking.services.insights import Figure, Scope, sql
from matchmaking.services.insights.lists import LazyList, find
from matchmaking.services.insights.overview import Insights, compute
from tests.insight_world import KNOWN, NOW, TODAY, World

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def made(django_db_setup, django_db_blocker) -> Iterator[World]:
    """The world, made once for all that only look at it."""
    with django_db_blocker.unblock(), transaction.atomic():
        yield World()
        transaction.set_rollback(True)


@pytest.fixture
def world(made, clock) -> World:
    clock.at(NOW)
    return made


@pytest.fixture
def found(world) -> Insights:
    return compute(Scope.of())


def pair(figure: Figure) -> tuple[int, int | None]:
    return figure.n, figure.of


def figures_of(thing: Any) -> Iterator[Figure]:
    """Every figure that is anywhere in what was computed."""
    if isinstance(thing, Figure):
        yield thing
    elif dataclasses.is_dataclass(thing):
        for field in dataclasses.fields(thing):
            yield from figures_of(getattr(thing, field.name))
    elif isinstance(thing, tuple):
        for one in thing:
            yield from figures_of(one)


# --- Known answers ------------------------------------------------------------------------------


def test_the_funnel_counts_one_cohort_each_step_among_those_before(found):
    steps = {step.key: step.figure for step in found.funnel.steps}

    assert {key: figure.n for key, figure in steps.items()} == KNOWN["funnel"]
    numbers = list(KNOWN["funnel"].values())
    assert [figure.of for figure in steps.values()] == [None, *numbers[:-1]]
    assert found.funnel.cohort == numbers[0]
    assert found.funnel.worst == KNOWN["worst"]
    assert {
        one.figure.rows.removeprefix("lost-introduced-"): one.figure.n for one in found.funnel.why
    } == KNOWN["why"]


def test_the_headline_has_the_same_cohort_throughout_and_the_span_before(found):
    assert {one.key: pair(one.figure) for one in found.headline} == KNOWN["headline"]
    in_time, agreed, signed, late = found.headline
    assert pair(in_time.before) == KNOWN["before"]
    assert in_time.points == round(100 * 73 / 127) - 100
    assert (agreed.more, signed.more) == (40, 10)
    assert signed.money == KNOWN["money"]
    assert late.before is None and late.points is None


def test_each_clock_counts_what_is_over_over_the_spring_festival(found):
    assert {
        one.key: (one.in_time.of, one.in_time.n, one.late_now.n, one.median, one.p90)
        for one in found.clocks
    } == KNOWN["clocks"]
    assert pair(found.quick) == KNOWN["quick"]
    assert (found.meeting.median, *pair(found.meeting.figure)) == KNOWN["meeting"]


def test_every_week_of_the_span_is_there_and_those_with_demands_have_their_median(found):
    assert [week.start for week in found.weeks] == [
        dt.date(2026, 1, 12) + dt.timedelta(weeks=n) for n in range(14)
    ]
    assert {
        week.start.isoformat(): (*pair(week.answered), week.median)
        for week in found.weeks
        if week.answered.of
    } == KNOWN["weeks"]


def test_the_matrices_count_a_demand_once_in_each_column_that_meets_it(found):
    for matrix, cells, totals in (
        (found.supply, "supply", "supply_totals"),
        (found.regions, "regions", "region_totals"),
    ):
        assert {
            (row.code, column.code): cell.n
            for row, line in zip(matrix.rows, matrix.cells, strict=True)
            for column, cell in zip(matrix.columns, line, strict=True)
            if cell.n
        } == KNOWN[cells]
        assert {
            row.code: pair(total) for row, total in zip(matrix.rows, matrix.totals, strict=True)
        } == KNOWN[totals]
        assert pair(matrix.grand) == KNOWN["grand"]
    offers = zip(found.supply.columns, found.supply.offers, strict=True)
    assert {column.code: n for column, n in offers} == KNOWN["offers"]
    assert [found.supply.level(n) for n in (0, 1, 3, 4, 9, 16, 28)] == [0, 1, 1, 2, 3, 4, 5]


def test_gaps_say_why_and_since_when_and_what_next(found):
    assert pair(found.gaps.unmet) == KNOWN["unmet"]
    assert pair(found.gaps.orphans) == KNOWN["orphans"]
    oldest = found.gaps.demands[0]
    # Changed in March, but public since December.
    assert oldest.days == (TODAY - dt.date(2025, 12, 2)).days
    assert "1" in oldest.cause and oldest.step_url.endswith("/matches/")
    assert len(found.gaps.demands) == 10
    [alone, *_rest] = compute(Scope.of(industry="A")).gaps.demands
    assert "4" in alone.cause
    assert alone.step_url.startswith("/achievements/?q=")


def test_desks_and_freshness(found, world):
    desks = {desk.user: desk for desk in found.desks}
    for name, user in (("busy", world.busy), ("other", world.other)):
        desk = desks.pop(user.pk)
        assert (desk.open.n, desk.late.n, *pair(desk.in_time)) == KNOWN["desks"][name]
        assert desk.open.of == 30
    assert not desks
    assert {band.key: band.demands.n for band in found.freshness} == KNOWN["freshness"]["demand"]
    assert {band.key: band.achievements.n for band in found.freshness} == (
        KNOWN["freshness"]["achievement"]
    )


# --- The rows behind --------------------------------------------------------------------------


def test_every_number_has_exactly_its_rows(found):
    scope = Scope.of()
    keys = {figure.rows: figure.n for figure in figures_of(found) if figure.rows}

    assert len(keys) > 80
    for key, n in keys.items():
        rows = find(key)
        assert rows is not None, key
        assert rows.label
        assert (key, rows.count(scope)) == (key, n)
    for key in ("posted", "late", "supply", "places-33-11", "unmet", "review-in-time"):
        listed = LazyList(find(key), scope)
        assert len(listed[:500]) == len(listed) == keys[key]


def test_a_page_of_rows_is_a_part_of_all_of_them_in_one_order(world):
    listed = LazyList(find("posted"), Scope.of())

    whole = [row.number for row in listed[:150]]
    assert [row.number for row in listed[40:60]] == whole[40:60]
    assert len(set(whole)) == 150


@pytest.mark.parametrize(
    "key",
    [
        *("", "nonsense", "posted'", "supply-c-C", "supply-C-C-C", "week-20260210", "week-2026021"),
        *("desk-0-open", "desk-99999999-open", "desk-1-all", "fresh-demand-31", "lost-posted"),
        *("lost-approved-x", "lost-approved-a.b'--", "answer-gone", "late-late", "x" * 500),
        *("places-1-1", "week-99999999", "desk-" + "9" * 40 + "-open", "publication"),
    ],
)
def test_a_key_that_no_figure_has_is_nobodys_list(key):
    assert find(key) is None


def test_a_reason_that_nobody_gave_is_a_list_without_rows(world):
    assert find("lost-approved-match.never_heard").count(Scope.of()) == 0


# --- Narrowed and empty -------------------------------------------------------------------------


def test_a_place_and_an_industry_narrow_every_figure(world):
    found = compute(Scope.of(region="32", industry="C26"))

    assert [step.figure.n for step in found.funnel.steps] == [30, 30, 30, 30, 0, 0]
    answer = next(one for one in found.clocks if one.key == "answer")
    assert pair(answer.in_time) == (0, 30)
    assert pair(found.supply.grand) == (0, 30)
    assert pair(found.gaps.unmet) == (30, 30)
    # An organization has a place, but no industry; these are all elsewhere.
    verification = next(one for one in found.clocks if one.key == "verification")
    assert pair(verification.in_time) == (0, 0)


@pytest.mark.parametrize(
    "query",
    [
        {"from": "2026-01-20", "to": "2026-01-25"},
        {"from": "2027-01-01", "to": "2027-12-31"},
        {"from": "2004-01-01", "to": "2004-01-01"},
    ],
)
def test_a_span_without_demands_is_empty_and_divides_by_nothing(world, query):
    found = compute(Scope.read(query))

    assert all(step.figure.n == 0 for step in found.funnel.steps)
    assert found.funnel.worst == "" and found.funnel.why == ()
    assert [one.figure.share for one in found.headline[:3]] == [None] * 3
    assert all(clock.median is None and clock.in_time.of == 0 for clock in found.clocks)
    # What is late is late now, whatever the span.
    assert found.headline[3].figure.n == KNOWN["headline"]["late"][0]
    assert found.meeting.median is None


# --- Working days in SQL ------------------------------------------------------------------------


def test_sql_counts_working_days_as_everything_else_does(world):
    params = sql.parameters(Scope.of())
    start = dt.date(2026, 2, 6)
    days = [start + dt.timedelta(days=n) for n in range(24)]
    query = f"""
        WITH {sql.CALENDAR}
        SELECT a, b, {sql.worked("b")} - {sql.worked("a")},
            {sql.over_on("b", "(a + time '09:00') AT TIME ZONE %(zone)s", "3")}
        FROM unnest(%(some)s::date[]) a, unnest(%(some)s::date[]) b WHERE a <= b
    """

    rows = sql.fetch(query, {**params, "some": days})

    assert len(rows) == 300
    for a, b, elapsed, over in rows:
        assert elapsed == working_days_left(b, a)
        assert over == (add_working_days(a, 3) < b)
    assert not is_working_day(dt.date(2026, 2, 16))
