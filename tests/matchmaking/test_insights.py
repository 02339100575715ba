"""Every figure of the dashboards, against known answers and against plain SQL of its own."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection, transaction
from hypothesis import given, settings
from hypothesis import strategies as st

from accounts.workdays import add_working_days, is_working_day, working_days_left
from matchmaking.services.insights import Figure, Scope, public_insights, sql
from matchmaking.services.insights.lists import LazyList, find
from matchmaking.services.insights.overview import Insights, compute
from matchmaking.services.insights.suppression import LEAST, hidden_of
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


# --- Plain SQL ----------------------------------------------------------------------------------
# Written anew, over the tables alone: days are counted one by one in a list of working days.

DAYS = "(SELECT count(*) FROM work_days w WHERE w.day > ({})::date AND w.day <= ({})::date)"
PUBLISHED = """
    SELECT d.*, e.at AS first_at, d2.at AS handed_in_at FROM catalog_demand d
    JOIN LATERAL (SELECT min(created_at) AT TIME ZONE 'Asia/Shanghai' AS at
        FROM catalog_listingevent WHERE demand_id = d.id AND after = 'published'
        AND id < coalesce((SELECT max(id) FROM catalog_listingevent
            WHERE demand_id = d.id AND verb = 'undone'), 0) IS FALSE) e ON true
    JOIN LATERAL (SELECT min(created_at) AT TIME ZONE 'Asia/Shanghai' AS at
        FROM catalog_listingevent WHERE demand_id = d.id AND after = 'submitted') d2 ON true
"""
# The last day of the promise, one day at a time.
DUE = "(SELECT w.day FROM work_days w WHERE w.day > ({})::date ORDER BY w.day OFFSET {} LIMIT 1)"
ANSWERS = """
    SELECT m.demand_id, min(e.created_at) AT TIME ZONE 'Asia/Shanghai' AS at
    FROM matchmaking_matchevent e, matchmaking_match m
    WHERE m.id = e.match_id AND e.verb IN ('accepted', 'approved', 'rejected') GROUP BY 1
"""
SPAN = "'2026-01-16' AND '2026-04-16'"
TODAY_SQL = "date '2026-04-15'"
USEFUL = "('suggested', 'in_review', 'approved', 'introduced')"


def plain(query: str) -> list[tuple[Any, ...]]:
    """Run SQL beside a table of the working days of three years."""
    with connection.cursor() as cursor:
        cursor.execute("CREATE TEMP TABLE IF NOT EXISTS work_days (day date) ON COMMIT DROP")
        cursor.execute("TRUNCATE work_days")
        start = dt.date(2025, 1, 1)
        days = (start + dt.timedelta(days=n) for n in range(3 * 365))
        cursor.execute(
            "INSERT INTO work_days SELECT unnest(%s::date[])",
            [[day for day in days if is_working_day(day)]],
        )
        cursor.execute(query)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows


def test_plain_sql_finds_the_same_funnel(found):
    [counts] = plain(
        f"""
        WITH cohort AS (SELECT * FROM ({PUBLISHED}) p WHERE handed_in_at BETWEEN {SPAN}),
        published AS (SELECT * FROM cohort WHERE first_at IS NOT NULL),
        suggested AS (SELECT * FROM published
            WHERE id IN (SELECT demand_id FROM matchmaking_match)),
        approved AS (SELECT * FROM suggested WHERE id IN (
            SELECT demand_id FROM matchmaking_match
            WHERE status IN ('approved', 'introduced', 'declined', 'lapsed'))),
        introduced AS (SELECT * FROM approved WHERE id IN (
            SELECT demand_id FROM matchmaking_match WHERE introduced_at IS NOT NULL)),
        signed AS (SELECT * FROM introduced WHERE id IN (
            SELECT m.demand_id FROM matchmaking_match m, matchmaking_feedback f
            WHERE f.match_id = m.id AND f.contract = 'signed'))
        SELECT (SELECT count(*) FROM cohort), (SELECT count(*) FROM published),
            (SELECT count(*) FROM suggested), (SELECT count(*) FROM approved),
            (SELECT count(*) FROM introduced), (SELECT count(*) FROM signed)
        """
    )

    assert counts == tuple(step.figure.n for step in found.funnel.steps)


def test_plain_sql_finds_the_same_answers_and_meetings(found):
    cohort = f"""
        SELECT p.*, a.at AS answer_at, {DAYS.format("p.first_at", "a.at")} AS days,
            {DUE.format("p.first_at", 2)} AS due
        FROM ({PUBLISHED}) p LEFT JOIN ({ANSWERS}) a ON a.demand_id = p.id
        WHERE p.first_at BETWEEN {SPAN} AND {DUE.format("p.first_at", 2)} < {TODAY_SQL}
    """
    [(of, in_time, agreed, meeting)] = plain(
        f"""
        SELECT count(*), count(*) FILTER (WHERE answer_at::date <= due),
            count(i.at), percentile_cont(0.5) WITHIN GROUP (
                ORDER BY {DAYS.format("first_at", "i.at")}) FILTER (WHERE i.at IS NOT NULL)
        FROM ({cohort}) c LEFT JOIN (
            SELECT demand_id, min(introduced_at) AT TIME ZONE 'Asia/Shanghai' AS at
            FROM matchmaking_match GROUP BY 1) i ON i.demand_id = c.id
        """
    )
    assert (in_time, of) == pair(found.headline[0].figure)
    assert (agreed, of) == pair(found.headline[1].figure)
    assert (meeting, agreed, of) == (found.meeting.median, *pair(found.meeting.figure))
    answer = next(one for one in found.clocks if one.key == "answer")
    half = "percentile_cont({}) WITHIN GROUP (ORDER BY days) FILTER (WHERE answer_at IS NOT NULL)"
    assert plain(f"SELECT {half.format(0.5)}, {half.format(0.9)} FROM ({cohort}) c") == [
        (answer.median, answer.p90)
    ]
    weeks = plain(
        f"""
        SELECT date_trunc('week', first_at)::date, count(answer_at), count(*), {half.format(0.5)},
            {half.format(0.9)}
        FROM ({cohort}) c GROUP BY 1 ORDER BY 1
        """
    )
    assert weeks == [
        (week.start, *pair(week.answered), week.median, week.p90)
        for week in found.weeks
        if week.answered.of
    ]


def test_plain_sql_finds_the_same_reviews_and_desks(found):
    days = f"""
        {DAYS.format("r.assigned_at", "r.closed_at")} - coalesce((
            SELECT sum({DAYS.format("i.asked_at", "i.closed_at")}) FROM matchmaking_inquiry i
            WHERE i.review_id = r.id), 0)
    """
    [row] = plain(
        f"""
        SELECT count(*), count(*) FILTER (
            WHERE r.status = 'submitted' AND r.closed_at::date <= r.due_on),
            percentile_cont(0.5) WITHIN GROUP (ORDER BY {days}) FILTER (
                WHERE r.status = 'submitted'),
            percentile_cont(0.9) WITHIN GROUP (ORDER BY {days}) FILTER (
                WHERE r.status = 'submitted')
        FROM matchmaking_review r WHERE r.assigned_at BETWEEN {SPAN} AND r.due_on < {TODAY_SQL}
        """
    )
    review = next(one for one in found.clocks if one.key == "review")
    assert row == (review.in_time.of, review.in_time.n, review.median, review.p90)
    desks = plain(
        f"""
        SELECT manager_id, sum(open), sum(settled), sum(good) FROM (
            SELECT manager_id, (status = 'accepted')::int AS open,
                (closed_at BETWEEN {SPAN})::int AS settled,
                (status = 'submitted' AND closed_at::date <= due_on)::int AS good
            FROM matchmaking_review
            UNION ALL
            SELECT manager_id, 0, 1, (status = 'submitted' AND closed_at::date <= due_on)::int
            FROM catalog_publicationreview WHERE manager_id IS NOT NULL
        ) desk GROUP BY 1 ORDER BY 1
        """
    )
    assert [(user, open_, settled, good) for user, open_, settled, good in desks] == sorted(
        (desk.user, desk.open.n, desk.in_time.of, desk.in_time.n) for desk in found.desks
    )


def test_plain_sql_finds_the_same_supply_gaps_and_freshness(found):
    cells = plain(
        f"""
        SELECT left(d.industry, 1), left(a.industry, 1), count(DISTINCT d.id)
        FROM catalog_demand d, catalog_achievement a, matchmaking_match m
        WHERE m.demand_id = d.id AND m.achievement_id = a.id AND m.status IN {USEFUL}
        AND d.status = 'published' AND a.status = 'published' GROUP BY 1, 2 ORDER BY 1, 2
        """
    )
    matrix = found.supply
    assert cells == [
        (row.code, column.code, cell.n)
        for row, line in zip(matrix.rows, matrix.cells, strict=True)
        for column, cell in zip(matrix.columns, line, strict=True)
        if cell.n
    ]
    [(unmet, live, orphans)] = plain(
        f"""
        SELECT count(*) FILTER (WHERE NOT EXISTS (SELECT 1 FROM matchmaking_match m
            WHERE m.demand_id = d.id AND m.status IN {USEFUL})), count(*),
            (SELECT count(*) FROM catalog_achievement a WHERE NOT EXISTS (
                SELECT 1 FROM matchmaking_match m
                WHERE m.achievement_id = a.id AND m.status IN {USEFUL}))
        FROM catalog_demand d WHERE d.status = 'published'
        """
    )
    assert (unmet, live) == pair(found.gaps.unmet)
    assert orphans == found.gaps.orphans.n
    [bands] = plain(
        f"""
        SELECT count(*) FILTER (WHERE age <= 30), count(*) FILTER (WHERE age BETWEEN 31 AND 90),
            count(*) FILTER (WHERE age BETWEEN 91 AND 180), count(*) FILTER (WHERE age > 180),
            count(*) FILTER (WHERE age IS NULL)
        FROM (SELECT {TODAY_SQL} - confirmed_at::date AS age FROM catalog_demand
            WHERE status = 'published') d
        """
    )
    assert bands == tuple(band.demands.n for band in found.freshness)


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


# --- For everybody ------------------------------------------------------------------------------


def test_everybody_reads_no_list_no_name_and_no_small_number(world):
    shown = public_insights(Scope.read({"region": "33", "from": "2026-03-01", "to": "2026-04-01"}))

    # Of a place or of days of one's choice there is no page: their difference would tell.
    assert (shown.scope.region, shown.scope.period) == ("", "90")
    for figure in figures_of(shown):
        assert not figure.rows
        assert figure.n == 0 or figure.n >= LEAST
        assert not (figure.hidden and figure.n)
    assert not shown.desks and not shown.outcomes
    assert not shown.gaps.demands and not shown.gaps.achievements
    assert all(one.late_now.hidden for one in shown.clocks)
    assert {one.key for one in shown.headline} == {
        "answer-in-time",
        "answer-agreed",
        "answer-signed",
    }
    week = next(week for week in shown.weeks if week.start == dt.date(2026, 3, 30))
    assert week.answered.hidden and week.median is None
    cells = {
        (row.code, column.code): cell
        for row, line in zip(shown.supply.rows, shown.supply.cells, strict=True)
        for column, cell in zip(shown.supply.columns, line, strict=True)
    }
    assert cells["C", "C"].n == 50
    # 3 is hidden, and so are the total of its row and the sum of all.
    assert cells["I", "C"].hidden
    totals = {
        row.code: total for row, total in zip(shown.supply.rows, shown.supply.totals, strict=True)
    }
    assert totals["I"].hidden and shown.supply.grand.hidden


def solutions(counts: list[int], hidden: set[int]) -> Iterator[tuple[int, ...]]:
    """Every way in which hidden counts of a line with a known sum can be: none is a 0 that would
    have been shown, unless the whole line is hidden."""
    least = 0 if len(hidden) == len(counts) else 1
    total = sum(counts[at] for at in hidden)

    def ways(left: int, places: int) -> Iterator[tuple[int, ...]]:
        if places == 1:
            if left >= least:
                yield (left,)
            return
        for n in range(least, left + 1):
            for rest in ways(left - n, places - 1):
                yield (n, *rest)

    if hidden:
        yield from ways(total, len(hidden))


@given(st.lists(st.integers(0, 9), min_size=2, max_size=6))
@settings(max_examples=300, deadline=None)
def test_no_hidden_number_can_be_worked_out_of_those_that_are_shown(counts):
    hidden = hidden_of(counts)

    assert all(at in hidden for at, n in enumerate(counts) if 0 < n < LEAST)
    if not any(0 < n < LEAST for n in counts):
        assert not hidden
        return
    possible = list(solutions(counts, hidden))
    for place in range(len(hidden)):
        assert len({one[place] for one in possible}) >= 2


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
