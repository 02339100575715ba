"""Where no manager may take a match the operators are asked, once, and the page says why."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone, translation

from accounts.inbox import Notification
from matchmaking.models import Match, MatchEvent, Review
from matchmaking.services import assignment
from matchmaking.services.assignment import assign_matches
from matchmaking.workflow import Escalation, MatchStatus, ReviewStatus
from tests.factories import (
    make_demand,
    make_manager,
    make_match,
    make_operator,
    make_organization,
    make_review,
)

pytestmark = pytest.mark.django_db


def tie(manager, organization):
    manager.manager_profile.interests.create(organization=organization, kind="employment")


@pytest.fixture
def hopeless():
    """A match whose demand every manager has a tie to."""
    owner = make_organization()
    tie(make_manager(), owner)
    return make_match(demand=make_demand(owner=owner))


def test_the_operators_are_asked_once(hopeless):
    operators = [make_operator(), make_operator()]

    assert assign_matches() == 0
    assert assign_matches() == 0

    hopeless.refresh_from_db()
    assert (hopeless.status, hopeless.escalation) == (MatchStatus.SUGGESTED, Escalation.NOBODY)
    event = MatchEvent.objects.get(match=hopeless)
    assert (event.verb, event.reason) == ("escalated", "nobody")
    told = Notification.objects.filter(kind="escalation.match")
    assert {one.user for one in told} == set(operators) and len(told) == 2


def test_it_is_over_when_somebody_takes_it(hopeless):
    make_operator()
    assign_matches()
    manager = make_manager()

    assert assign_matches() == 1

    hopeless.refresh_from_db()
    assert (hopeless.escalation, hopeless.escalated_at) == ("", None)
    assert hopeless.reviews.get().manager == manager


def test_it_is_told_again_when_it_happens_again(hopeless):
    make_operator()
    assign_matches()
    manager = make_manager()
    assign_matches()
    Review.objects.filter(manager=manager).update(status=ReviewStatus.DECLINED)
    Match.objects.update(status=MatchStatus.SUGGESTED)

    assign_matches()

    assert Notification.objects.filter(kind="escalation.match").count() == 2


def test_a_full_desk_is_waited_for():
    manager = make_manager(capacity=1)
    make_review(manager=manager)
    match = make_match()

    assert assign_matches() == 0

    match.refresh_from_db()
    assert match.escalation == ""


def test_who_is_away_is_not_waited_for(hopeless):
    away = make_manager()
    away.manager_profile.absences.create(first=timezone.localdate())

    assign_matches()

    hopeless.refresh_from_db()
    assert hopeless.escalation == Escalation.NOBODY


def test_a_match_that_everybody_gave_back_is_the_operators():
    match = make_match()
    for status in (ReviewStatus.DECLINED, ReviewStatus.NO_RESPONSE):
        make_review(match=match, manager=make_manager(), status=status)

    assign_matches()

    match.refresh_from_db()
    assert match.escalation == Escalation.NOBODY


def test_a_second_approval_that_nobody_can_give_is_the_operators():
    match = make_match(status=MatchStatus.IN_REVIEW)
    make_review(match=match, status=ReviewStatus.SUBMITTED, closed_at=timezone.now())

    assign_matches()

    match.refresh_from_db()
    assert (match.status, match.escalation) == (MatchStatus.IN_REVIEW, Escalation.NOBODY)


def test_only_matches_whose_turn_it_is_are_escalated(settings):
    settings.REVIEWS_PER_DEMAND = 1
    owner = make_organization()
    tie(make_manager(), owner)
    demand = make_demand(owner=owner)
    for rank in (1, 2, 3):
        make_match(demand=demand, rank=rank)

    assign_matches()

    assert list(Match.objects.exclude(escalation="").values_list("rank", flat=True)) == [1]


def test_without_any_manager_nothing_is_escalated():
    """A new platform has a thousand matches and no manager: one sentence says that."""
    make_operator()
    for _ in range(3):
        make_match()

    assert assign_matches() == 0

    assert not Match.objects.exclude(escalation="").exists()
    assert not Notification.objects.exists()


def test_a_run_asks_about_a_limited_number(monkeypatch):
    monkeypatch.setattr(assignment, "ESCALATED_AT_ONCE", 2)
    owner = make_organization()
    tie(make_manager(), owner)
    for _ in range(5):
        make_match(demand=make_demand(owner=owner))

    assign_matches()
    assert Match.objects.exclude(escalation="").count() == 2
    assign_matches()
    assert Match.objects.exclude(escalation="").count() == 4


def test_hopeless_matches_do_not_stand_before_the_others(hopeless, monkeypatch):
    monkeypatch.setattr(assignment, "LEAST", 1)
    monkeypatch.setattr(assignment, "AT_ONCE", 1)
    monkeypatch.setattr(assignment, "BATCHES", 1)
    match = make_match()
    Match.objects.filter(pk=hopeless.pk).update(
        escalation=Escalation.NOBODY, escalated_at=timezone.now()
    )

    assert assign_matches() == 1

    assert match.reviews.exists()


# --- The operators' page ------------------------------------------------------------------------


def listed(client, operator, **query):
    client.force_login(operator)
    with translation.override("zh-hans"):
        return client.get(reverse("ops_assignments"), query).content.decode()


def test_the_page_says_why_nobody_has_a_match(client, hopeless):
    operator = make_operator()
    assign_matches()
    other = make_match()

    html = listed(client, operator, state="escalated")

    assert hopeless.number in html and other.number not in html
    assert "没有经理人可以接：1 位有利益关联。" in html


def test_the_page_counts_each_manager_once(client):
    owner = make_organization()
    match = make_match(demand=make_demand(owner=owner))
    tied = make_manager()
    tie(tied, owner)
    make_review(match=match, manager=tied, status=ReviewStatus.DECLINED)
    make_review(match=match, manager=make_manager(), status=ReviewStatus.DECLINED)
    full = make_manager(capacity=1)
    make_review(manager=full)
    make_manager().manager_profile.absences.create(first=timezone.localdate())

    html = listed(client, make_operator(), state="unassigned")

    assert "等经理人腾出位置：1 位有利益关联、1 位曾经手、1 位不接单、1 位已满。" in html


def test_the_page_says_that_nobody_is_on_duty(client):
    make_match()

    assert "今天没有在岗的认定经理人。" in listed(client, make_operator())


def test_the_page_says_how_many_could_take_it(client):
    make_match()
    make_manager()
    make_manager()

    assert "还没有轮到；有 2 位经理人可以接。" in listed(client, make_operator())


def test_the_page_asks_as_much_for_one_row_as_for_ten(client):
    operator = make_operator()
    client.force_login(operator)

    def add():
        owner = make_organization()
        match = make_match(demand=make_demand(owner=owner))
        tie(make_manager(), owner)
        make_review(match=match, manager=make_manager(), status=ReviewStatus.DECLINED)
        held = make_review()
        held.assigned_because = {"reassigned_by": make_operator().pk, "classes": ["C"]}
        held.save()

    add()
    client.get(reverse("ops_assignments"))
    with CaptureQueriesContext(connection) as one:
        client.get(reverse("ops_assignments"))
    for _ in range(5):
        add()
    client.get(reverse("ops_assignments"))  # leaves the trace of the new ones
    with CaptureQueriesContext(connection) as many:
        client.get(reverse("ops_assignments"))

    assert len(one) == len(many)


def test_an_operator_sees_who_knows_a_match_how_well(client):
    match = make_match()
    make_manager(classes=["A"], name="Stranger")
    make_manager(classes=["C34"], name="Expert")
    client.force_login(make_operator())

    html = client.get(reverse("ops_reassign", args=[match.number])).content.decode()

    assert html.index("Expert") < html.index("Stranger")
    assert "熟悉度 88 / 100 · 在手 0 / 20" in html
