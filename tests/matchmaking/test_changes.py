"""What has changed in a match since its manager looked at it last."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import User
from matchmaking.models import Match, MatchEvent, Review
from matchmaking.workflow import ReviewStatus
from tests.factories import make_demand, make_manager, make_member, make_review, revision_of
from tests.matchmaking.test_pages_matches import page

pytestmark = pytest.mark.django_db

SAID = "你上次查看"


@pytest.fixture
def review(client: Client) -> Review:
    manager: User = make_manager()
    client.force_login(manager)
    return make_review(manager=manager, status=ReviewStatus.ACCEPTED)


def look(client: Client, review: Review) -> str:
    return page(client, review.get_absolute_url())


def yesterday(review: Review) -> None:
    """Let the last look be a day ago."""
    review.refresh_from_db()
    seen = review.seen | {"at": (timezone.now() - dt.timedelta(days=1)).isoformat()}
    Review.objects.filter(pk=review.pk).update(seen=seen)


def change(review: Review, **fields: Any) -> None:
    Match.objects.filter(pk=review.match_id).update(**fields)


def test_the_first_look_is_kept_and_has_nothing_to_compare_with(client, review):
    assert SAID not in look(client, review)

    review.refresh_from_db()
    assert review.seen["lines"] == {"indicator:1": "met"}
    assert review.seen["versions"] == {"demand": 1, "achievement": 1}


def test_nothing_new_says_nothing(client, review):
    look(client, review)
    yesterday(review)

    assert SAID not in look(client, review)


def test_versions_lines_and_answers_are_told(client, review):
    look(client, review)
    yesterday(review)
    match = review.match
    later = revision_of(make_demand(owner=match.demand.owner, version=3, status="published"))
    trl = match.grid[0] | {"kind": "trl", "requirement": {"trl": 7}, "stated": {"trl": 7}}
    grid = [match.grid[0] | {"verdict": "unmet"}, trl]
    change(review, demand_revision=later, grid=grid, confidence=0.8)
    MatchEvent.objects.create(
        match=match, actor=make_member(), verb="answered", side="achievement", after=match.status
    )

    html = look(client, review)

    assert SAID in html
    assert "现在比对的是需求第 3 版，你上次看的是第 1 版" in html
    assert "1 条由“满足”变为“不满足”" in html
    assert "新增 1 条要求" in html
    assert "成果方" in html


def test_a_reload_tells_the_same_and_the_next_sitting_does_not(client, review):
    look(client, review)
    yesterday(review)
    change(review, grid=[review.match.grid[0] | {"verdict": "unmet"}])

    assert SAID in look(client, review)
    assert SAID in look(client, review)
    yesterday(review)
    assert SAID not in look(client, review)


def test_what_the_manager_did_is_no_news(client, review):
    look(client, review)
    yesterday(review)
    MatchEvent.objects.create(
        match=review.match, actor=review.manager, verb="appealed", after=review.match.status
    )

    assert SAID not in look(client, review)


def test_a_line_that_is_closed_to_managers_is_not_kept(client, review):
    demand = review.match.demand
    type(demand).objects.filter(pk=demand.pk).update(disclosure={"indicators": "introduced"})

    look(client, review)

    review.refresh_from_db()
    assert review.seen["lines"] == {}


def test_a_look_is_one_write_and_a_second_one_none(client, review, django_assert_num_queries):
    look(client, review)
    review.refresh_from_db()
    first = review.seen

    look(client, review)

    review.refresh_from_db()
    assert review.seen == first


def test_a_decided_review_is_not_compared_any_more(client, review):
    look(client, review)
    Review.objects.update(status=ReviewStatus.SUBMITTED, closed_at=timezone.now())
    review.refresh_from_db()
    seen = review.seen
    change(review, engine="another")

    assert SAID not in look(client, review)
    review.refresh_from_db()
    assert review.seen == seen
