"""The figures of the dashboards where there is little, nothing or something odd to count."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from catalog.models import Demand
from matchmaking.services.insights import Scope, insights
from matchmaking.services.insights.overview import compute
from tests.factories import make_demand
from tests.insight_world import NOW, World, at
from tests.matchmaking.test_insights import figures_of, pair

pytestmark = pytest.mark.django_db


def test_an_empty_platform_shows_zeros(clock):
    clock.at(NOW)

    found = compute(Scope.of())

    assert all(figure.n == 0 for figure in figures_of(found))
    assert found.supply.rows == found.supply.columns == ()


def test_an_answer_that_the_clock_of_a_machine_put_before_the_question_took_no_time(clock):
    clock.at(NOW)
    world = World(share=1)
    [demand] = world.demands(1, "published", "B0610", posted="03-09", published="03-10")
    world.matches(
        [demand],
        world.x,
        "introduced",
        steps={"accepted": "03-06"},
        decided="03-06",
        introduced="03-06",
    )

    found = compute(Scope.of(industry="B"))

    assert found.meeting.median == 0
    [answer] = [one for one in found.clocks if one.key == "answer"]
    assert (answer.median, pair(answer.in_time)) == (0, (1, 1))


def test_a_listing_from_before_steps_were_kept_has_the_dates_of_its_row(clock):
    clock.at(NOW)
    make_demand(submitted_at=at("03-09"), published_at=at("03-10"))

    found = compute(Scope.of())

    assert [step.figure.n for step in found.funnel.steps[:3]] == [1, 1, 0]
    assert pair(found.headline[0].figure) == (0, 1)
    assert Demand.objects.get().events.count() == 0


# --- Cost ---------------------------------------------------------------------------------------


def test_as_many_queries_for_hundreds_of_demands_as_for_one_of_each_story(clock):
    clock.at(NOW)
    World(share=1)
    with CaptureQueriesContext(connection) as few:
        compute(Scope.of())
    World()
    with CaptureQueriesContext(connection) as many:
        compute(Scope.of())

    assert len(few) == len(many) == 32


def test_figures_are_kept_for_five_minutes_by_what_is_looked_at(clock, django_assert_num_queries):
    clock.at(NOW)
    World(share=1)
    first = insights(Scope.of())

    with django_assert_num_queries(0):
        assert insights(Scope.of()) == first
    assert insights(Scope.of("30")).scope.period == "30"
