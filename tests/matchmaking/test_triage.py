"""Several matches turned down at once: taken on, both names shown, each answered for itself."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.models import AccessEvent, Membership, User
from matchmaking.models import Match, MatchEvent, Review
from matchmaking.services import triage
from matchmaking.workflow import MatchStatus, ReviewStatus
from tests.factories import make_manager, make_member, make_review

pytestmark = pytest.mark.django_db


@pytest.fixture
def manager(client: Client) -> User:
    user = make_manager()
    client.force_login(user)
    return user


def take(client: Client, *reviews: Review, **data: Any) -> Any:
    keys = [review.pk for review in reviews]
    return client.post(reverse("triage"), {"action": "take", "pick": keys, **data}, follow=True)


def reject(client: Client, *reviews: Review, **data: Any) -> Any:
    values = {
        "action": "reject",
        "pick": [review.pk for review in reviews],
        "reason": "off_topic",
        "comment": "",
        "no_interest": "on",
        **data,
    }
    return client.post(reverse("triage"), values, follow=True)


def statuses() -> set[str]:
    return set(Match.objects.values_list("status", flat=True))


def test_the_ticked_are_taken_on_and_only_then_named(client, manager):
    reviews = [make_review(manager=manager) for _number in range(2)]
    names = [review.match.achievement.owner.name for review in reviews]
    html = client.get(reverse("workbench")).content.decode()
    assert not any(name in html for name in names)

    response = take(client, *reviews)

    html = response.content.decode()
    assert all(name in html for name in names)
    assert set(Review.objects.values_list("status", flat=True)) == {ReviewStatus.ACCEPTED}
    assert MatchEvent.objects.filter(verb="viewed").count() == 2
    assert AccessEvent.objects.filter(kind=AccessEvent.Kind.NAMES).count() == 2
    # Nothing is decided yet.
    assert statuses() == {MatchStatus.IN_REVIEW}


def test_one_reason_ends_all_of_them_each_on_record(client, manager):
    reviews = [make_review(manager=manager) for _number in range(3)]
    take(client, *reviews)

    response = reject(client, *reviews)

    assert "3 项匹配未通过，理由已记录" in response.content.decode()
    assert statuses() == {MatchStatus.REJECTED}
    for review in Review.objects.all():
        assert (review.decision, review.reasons) == ("reject", ["off_topic"])
        assert review.stated_at is not None
        assert review.criteria == review.suggested != {}


def test_what_is_unticked_on_the_second_page_stays_in_the_queue(client, manager):
    first, kept = make_review(manager=manager), make_review(manager=manager)
    take(client, first, kept)

    reject(client, first)

    kept.refresh_from_db()
    assert kept.status == ReviewStatus.ACCEPTED
    assert kept.match.status == MatchStatus.IN_REVIEW


def test_each_is_answered_for_itself(client, manager):
    good, tied, frozen, gone = (make_review(manager=manager) for _number in range(4))
    owner = tied.match.demand.owner
    Membership.objects.create(user=manager, organization=owner, role="viewer", is_active=True)
    Match.objects.filter(pk=frozen.match_id).update(is_frozen=True)
    Review.objects.filter(pk=gone.pk).update(status=ReviewStatus.CANCELLED)

    html = take(client, good, tied, frozen, gone).content.decode()

    assert "你与其中一方有关系" in html
    assert "一方正在修改清单" in html
    assert "1 项已不在你的队列里" in html
    assert good.match.demand.owner.name in html
    assert tied.match.demand.owner.name not in html
    tied.refresh_from_db()
    assert tied.status == ReviewStatus.ASSIGNED


def test_a_match_that_was_decided_meanwhile_leaves_the_others_alone(client, manager):
    first, second = make_review(manager=manager), make_review(manager=manager)
    take(client, first, second)
    Match.objects.filter(pk=second.match_id).update(status=MatchStatus.SUPERSEDED)

    html = reject(client, first, second).content.decode()

    assert "1 项匹配未通过" in html
    assert second.match.number in html
    second.refresh_from_db()
    assert second.status == ReviewStatus.ACCEPTED


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"reason": ""}, "错误"),
        ({"reason": "measured"}, "错误"),
        ({"reason": "nonsense"}, "错误"),
        ({"reason": "other"}, "请用一句话写明理由"),
        ({"no_interest": ""}, "请确认与双方没有利益关系"),
    ],
)
def test_an_incomplete_form_changes_nothing(client, manager, change, said):
    review = make_review(manager=manager)
    take(client, review)

    html = reject(client, review, **change).content.decode()

    assert said in html
    assert statuses() == {MatchStatus.IN_REVIEW}


def test_a_comment_may_name_none_of_the_sides(client, manager):
    first, second = make_review(manager=manager), make_review(manager=manager)
    take(client, first, second)

    name = second.match.achievement.owner.name
    html = reject(client, first, second, comment=f"和{name}谈过").content.decode()

    assert "意见里出现了其中一方的名称" in html
    assert statuses() == {MatchStatus.IN_REVIEW}


@pytest.mark.parametrize("action", ["take", "reject"])
def test_the_reviews_of_others_cannot_be_ticked(client, manager, action):
    other = make_review(status=ReviewStatus.ACCEPTED)

    response = (take if action == "take" else reject)(client, other)

    assert other.match.demand.owner.name not in response.content.decode()
    other.refresh_from_db()
    assert other.status == ReviewStatus.ACCEPTED
    assert statuses() == {MatchStatus.IN_REVIEW}


def test_what_was_not_taken_on_is_not_decided_by_a_forged_form(client, manager):
    review = make_review(manager=manager)

    response = reject(client, review)

    assert "已不由你决定" in response.content.decode()
    review.refresh_from_db()
    assert review.status == ReviewStatus.ASSIGNED


@pytest.mark.parametrize(
    "picks", [[], ["x"], ["-1"], ["1" * 30], ["²"], [str(n) for n in range(51)]]
)
def test_too_few_too_many_and_nonsense_are_refused(client, manager, picks):
    review = make_review(manager=manager)

    response = client.post(reverse("triage"), {"action": "take", "pick": picks}, follow=True)

    html = response.content.decode()
    assert 'role="alert"' in html or 'role="status"' in html
    review.refresh_from_db()
    assert review.status == ReviewStatus.ASSIGNED


def test_a_suspended_manager_and_others_are_kept_out(client, manager):
    client.force_login(make_member())

    assert client.get(reverse("triage")).status_code == 403
    assert client.post(reverse("triage"), {"action": "take"}).status_code == 403


def test_the_page_costs_the_same_for_one_and_for_ten(client, manager):
    def cost(count: int) -> int:
        reviews = [
            make_review(manager=manager, status=ReviewStatus.ACCEPTED, accepted_at=timezone.now())
            for _number in range(count)
        ]
        query = "&".join(f"pick={review.pk}" for review in reviews)
        with CaptureQueriesContext(connection) as queries:
            assert client.get(f"{reverse('triage')}?{query}").status_code == 200
        return len(queries)

    cost(1)
    assert cost(1) == cost(10)


def test_the_limit_is_one_for_page_and_service():
    assert triage.AT_MOST == 50
