"""What a manager with a tie is told of it: the kind and the side, once they know both names."""

import pytest
from django.urls import reverse
from django.utils import timezone

from matchmaking.permissions import tie_sentences
from matchmaking.workflow import MatchStatus, ReviewStatus
from tests.factories import (
    make_demand,
    make_manager,
    make_match,
    make_organization,
    make_review,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def review():
    owner = make_organization(contact_email="a@hengzhou.test", contact_phone="0571-88880000")
    match = make_match(status=MatchStatus.IN_REVIEW, demand=make_demand(owner=owner))
    manager = make_manager(email="li@hengzhou.test", phone="+86 571 8888 0000")
    manager.manager_profile.interests.create(
        organization=match.achievement.owner, kind="employment"
    )
    return make_review(
        match=match, manager=manager, status=ReviewStatus.ACCEPTED, accepted_at=timezone.now()
    )


def test_each_tie_is_said_with_its_side(client, review):
    client.force_login(review.manager)
    response = client.get(reverse("match_review", args=[review.match.number]))
    page = response.content.decode()
    assert response.status_code == 403
    for sentence in (
        "你与需求方使用同一个邮箱域名。",
        "你与需求方使用同一个电话号码。",
        "你曾在成果方任职。",
    ):
        assert sentence in page


def test_before_the_names_are_known_the_kind_is_not_told(client, review):
    review.status, review.accepted_at = ReviewStatus.ASSIGNED, None
    review.save(update_fields=("status", "accepted_at"))
    client.force_login(review.manager)
    page = client.get(reverse("match_review", args=[review.match.number])).content.decode()
    assert "域名" not in page
    assert "任职" not in page
    assert tie_sentences(review.manager, review) == []


def test_nobody_else_is_told(review):
    assert tie_sentences(make_manager(), review) == []
