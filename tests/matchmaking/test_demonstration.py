"""The demo's hundred days: all of it happened in order, and every page has something to show."""

from __future__ import annotations

import datetime as dt
from itertools import pairwise

import pytest
from django.utils import timezone

from accounts.inbox import Notification
from accounts.models import User
from catalog.models import Demand, PublicationReview
from matchmaking.models import Appeal, Feedback, Inquiry, Match, Review
from matchmaking.services.demonstration import DOMAIN, build
from matchmaking.services.demonstration_days import DAYS
from matchmaking.workflow import ContractState, MatchStatus, Side
from tests.fakes import FakeEncoder

pytestmark = pytest.mark.django_db


def test_the_days_of_the_demo_agree_with_each_other_and_leave_something_for_every_page():
    began = timezone.now()
    build(FakeEncoder())
    ended = timezone.now()

    # The clock is everybody's again.
    assert began < ended < began + dt.timedelta(hours=1)
    matches = list(Match.objects.prefetch_related("events", "reviews", "consents"))
    for match in matches:
        steps = list(match.events.all())
        assert steps[0].created_at >= match.demand.published_at, match
        for one, other in pairwise(steps):
            assert other.before in ("", one.after), (match, one, other)
        assert steps[-1].after == match.status and steps[-1].created_at <= ended, match
        for review in match.reviews.all():
            times = (review.assigned_at, review.accepted_at, review.closed_at)
            known = [when for when in times if when is not None]
            assert known == sorted(known), review
        if match.status == MatchStatus.INTRODUCED:
            assert {consent.side for consent in match.consents.all()} == set(Side)

    found = {match.status for match in matches}
    assert found >= set(MatchStatus) - {MatchStatus.SUGGESTED, MatchStatus.SUPERSEDED}
    weeks = {when.isocalendar()[:2] for when in Demand.objects.values_list("created_at", flat=True)}
    assert len(weeks) > DAYS // 7 - 3
    assert set(Demand.objects.values_list("status", flat=True)) >= {
        *("draft", "submitted", "needs_info", "rejected", "published", "fulfilled", "closed")
    }
    assert Feedback.objects.filter(contract=ContractState.SIGNED).exists()
    assert Review.objects.filter(status="no_response").exists()
    assert PublicationReview.objects.filter(status="no_response").exists()
    assert {one.status for one in Appeal.objects.all()} >= {"upheld", "overturned"}
    assert Inquiry.objects.filter(status="answered").exists()

    # Whoever logs in as the README says has something to do.
    for name in ("e01", "u01", "manager1"):
        user = User.objects.get(email=f"{name}@{DOMAIN}")
        assert Notification.objects.filter(user=user).exists(), name
    assert Review.objects.open().filter(manager__email=f"manager1@{DOMAIN}").exists()
    read = {when is None for when in Notification.objects.values_list("read_at", flat=True)}
    assert read == {True, False}
