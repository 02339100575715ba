"""The manager's pages: taking on, deciding, handing back and referring, through the addresses."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.models import InterestKind, ManagerInterest, ManagerProfile, ManagerStatus, Membership
from matchmaking.models import Match, MatchEvent, Review
from matchmaking.workflow import MatchStatus, ReviewStatus
from tests.factories import (
    make_achievement,
    make_demand,
    make_manager,
    make_match,
    make_member,
    make_operator,
    make_organization,
    make_review,
)
from tests.matchmaking.test_pages_matches import NAMES, make_pair, page
from tests.speaking import speak

pytestmark = pytest.mark.django_db

APPROVE = {
    "action": "decide",
    "decision": "approve",
    "reasons": ["measured", "negotiable"],
    "comment": "两项硬指标已有试件数据。",
    "no_interest": "on",
    "criteria_fit": "4",
    "criteria_maturity": "3",
    "criteria_terms": "3",
    "criteria_credibility": "5",
}
REJECT = {**APPROVE, "decision": "reject", "reasons": ["indicator_gap"]}


def make_open(status: str = ReviewStatus.ACCEPTED, **fields) -> Review:
    """Return an open review of the named pair."""
    match = make_pair(MatchStatus.IN_REVIEW, **fields)
    review = match.reviews.get()
    Review.objects.filter(pk=review.pk).update(status=status)
    review.refresh_from_db()
    return review


def manager_of(client: Client, review: Review) -> str:
    client.force_login(review.manager)
    return reverse("match_review", args=[review.match.number])


def unchanged(review: Review) -> bool:
    status, match = review.status, Match.objects.get(pk=review.match_id)
    review.refresh_from_db()
    return review.status == status and match.status == MatchStatus.IN_REVIEW


# --- Taking on ----------------------------------------------------------------------------------


@pytest.mark.parametrize("language", ["zh-hans", "en"])
def test_both_names_are_hidden_until_the_review_is_taken_on(client, language):
    review = make_open(ReviewStatus.ASSIGNED)
    url = manager_of(client, review)
    speak(client, language)
    number = review.match.number

    for address in (
        url,
        reverse("match_detail", args=[number]),
        reverse("match_conflict", args=[number]),
        reverse("match_refer", args=[number]),
        reverse("workbench"),
    ):
        html = page(client, address)
        for name in (*NAMES["demand"], *NAMES["achievement"]):
            assert name not in html, (address, name)
    assert 'name="decision"' not in page(client, url)


def test_taking_it_on_shows_both_names_and_is_logged(client):
    review = make_open(ReviewStatus.ASSIGNED)
    url = manager_of(client, review)

    response = client.post(url, {"action": "accept"}, follow=True)

    html = response.content.decode()
    assert review.match.demand.owner.name in html
    assert review.match.achievement.owner.name in html
    assert 'name="decision"' in html
    # Contacts come with the introduction, not before.
    assert "office@ecpu.example" not in html.replace("联系 office@ecpu.example", "")
    verbs = list(MatchEvent.objects.values_list("verb", flat=True))
    assert verbs == ["accepted", "viewed"]


def test_a_decision_before_taking_it_on_is_refused(client):
    review = make_open(ReviewStatus.ASSIGNED)
    url = manager_of(client, review)

    response = client.post(url, APPROVE)

    assert response.status_code == 409
    assert APPROVE["comment"] in response.content.decode()
    assert unchanged(review)


# --- Deciding -----------------------------------------------------------------------------------


def test_an_approval_asks_both_sides_and_opens_the_next(client):
    review = make_open()
    url = manager_of(client, review)
    following = make_review(manager=review.manager, due_on=timezone.localdate())

    response = client.post(url, APPROVE)

    assert response.status_code == 302
    assert response.url == following.get_absolute_url()
    match = Match.objects.get(pk=review.match_id)
    review.refresh_from_db()
    assert match.status == MatchStatus.APPROVED
    assert match.due_on is not None and match.due_on > timezone.localdate()
    assert (review.status, review.decision) == (ReviewStatus.SUBMITTED, "approve")
    assert review.reasons == ["measured", "negotiable"]
    event = MatchEvent.objects.get(verb="approved")
    assert event.actor == review.manager


def test_a_rejection_ends_the_match_with_its_reasons(client):
    review = make_open()
    url = manager_of(client, review)

    response = client.post(url, REJECT, follow=True)

    assert "没有待审了。今天已评 1 项" in response.content.decode()
    assert Match.objects.get().status == MatchStatus.REJECTED
    owner = Client()
    owner.force_login(make_member(review.match.demand.owner))
    html = page(owner, reverse("match_detail", args=[review.match.number]))
    assert "有硬指标不满足" in html
    assert "两项硬指标已有试件数据" in html


def test_ticks_in_the_hidden_list_of_the_other_decision_are_not_meant(client):
    review = make_open()
    url = manager_of(client, review)

    client.post(url, {**APPROVE, "reasons": ["measured", "immature"]})

    review.refresh_from_db()
    assert review.reasons == ["measured"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"decision": ""}, "错误"),
        ({"decision": "maybe"}, "错误"),
        ({"reasons": []}, "请为这个决定至少选一项理由"),
        ({"reasons": ["immature"]}, "请为这个决定至少选一项理由"),
        ({"reasons": ["nonsense"]}, "错误"),
        ({"reasons": ["other"], "comment": " "}, "请用一句话写明理由"),
        ({"no_interest": ""}, "请确认你与双方没有利益关系"),
        ({"comment": "长" * 2001}, "错误"),
        ({"comment": "华东精工大学做得好"}, "意见里出现了其中一方的名称"),
        ({"comment": "请联系 恒 轴 轴 承"}, "意见里出现了其中一方的名称"),
    ],
)
def test_an_incomplete_decision_is_refused_and_kept(client, change, said):
    review = make_open()
    url = manager_of(client, review)

    response = client.post(url, {**APPROVE, **change})

    html = response.content.decode()
    assert response.status_code == 422
    assert said in html
    if change.get("comment", "").strip() and len(change["comment"]) < 100:
        assert change["comment"] in html
    assert unchanged(review)
    assert not MatchEvent.objects.exists()


def test_two_managers_who_decide_at_once_decide_once(client):
    review = make_open()
    url = manager_of(client, review)
    page(client, url)
    # Meanwhile it went to a colleague, who decided it.
    Review.objects.filter(pk=review.pk).update(status=ReviewStatus.NO_RESPONSE)
    colleague = make_review(match=review.match, status=ReviewStatus.ACCEPTED)
    other = Client()
    other.force_login(colleague.manager)
    assert other.post(url, REJECT).status_code == 302

    response = client.post(url, APPROVE)

    html = response.content.decode()
    assert response.status_code == 409
    assert 'role="alert"' in html
    assert APPROVE["comment"] in html
    assert "恒轴轴承" not in html
    assert Match.objects.get().status == MatchStatus.REJECTED
    assert MatchEvent.objects.filter(verb__in=("approved", "rejected")).count() == 1


def test_a_second_submission_changes_nothing(client):
    review = make_open()
    url = manager_of(client, review)
    client.post(url, APPROVE)

    response = client.post(url, REJECT)

    assert response.status_code == 409
    assert Match.objects.get().status == MatchStatus.APPROVED
    assert MatchEvent.objects.filter(verb__in=("approved", "rejected")).count() == 1


def test_a_frozen_match_is_explained_and_not_decided(client):
    review = make_open(is_frozen=True)
    url = manager_of(client, review)

    assert "这项匹配已暂停" in page(client, url)
    response = client.post(url, APPROVE)
    assert response.status_code == 409
    assert APPROVE["comment"] in response.content.decode()
    assert unchanged(review)


def test_a_match_whose_listing_was_withdrawn_is_not_decided(client):
    review = make_open()
    url = manager_of(client, review)
    type(review.match.demand).objects.update(status="withdrawn")

    assert client.post(url, APPROVE).status_code == 409
    assert unchanged(review)


# --- Who may -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("who", "code"),
    [
        ("other manager", 404),
        ("stranger", 404),
        ("demand side", 403),
        ("operator", 403),
        ("visitor", 302),
    ],
)
@pytest.mark.parametrize("name", ["match_review", "match_conflict", "match_refer"])
def test_only_the_assigned_manager_opens_a_review(client, who, code, name):
    review = make_open()
    people: dict[str, Any] = {
        "other manager": make_manager,
        "stranger": make_member,
        "demand side": lambda: make_member(review.match.demand.owner),
        "operator": make_operator,
    }
    if who in people:
        client.force_login(people[who]())
    url = reverse(name, args=[review.match.number])

    assert client.get(url).status_code == code
    assert client.post(url, {**APPROVE, "action": "accept"}).status_code == code
    assert unchanged(review)


@pytest.mark.parametrize("tie", ["membership", "interest", "waiting membership"])
@pytest.mark.parametrize("status", [ReviewStatus.ASSIGNED, ReviewStatus.ACCEPTED])
def test_a_manager_with_a_tie_cannot_open_decide_or_take_on(client, tie, status):
    review = make_open(status)
    owner = review.match.achievement.owner
    if tie == "interest":
        ManagerInterest.objects.create(
            profile=review.manager.manager_profile,
            organization=owner,
            kind=InterestKind.EMPLOYMENT,
        )
    else:
        Membership.objects.create(
            user=review.manager, organization=owner, role="viewer", is_active=tie == "membership"
        )
    url = manager_of(client, review)

    for data in (APPROVE, {"action": "accept"}):
        assert client.post(url, data).status_code == 403
    response = client.get(url)
    assert response.status_code == 403
    # The way out stays open.
    assert reverse("match_conflict", args=[review.match.number]) in response.content.decode()
    assert unchanged(review)
    assert not MatchEvent.objects.exists()


def test_a_suspended_manager_cannot_decide(client):
    review = make_open()
    url = manager_of(client, review)
    ManagerProfile.objects.update(status=ManagerStatus.SUSPENDED)

    assert client.post(url, APPROVE).status_code == 403
    assert unchanged(review)


# --- Giving away -------------------------------------------------------------------------------


def test_a_declared_interest_hands_the_match_back_and_is_kept(client):
    review = make_open()
    manager_of(client, review)
    url = reverse("match_conflict", args=[review.match.number])

    response = client.post(
        url, {"why": "interest", "sides": ["achievement"], "note": "配偶在那里任职"}, follow=True
    )

    assert "已交回" in response.content.decode()
    review.refresh_from_db()
    assert review.status == ReviewStatus.DECLINED
    interest = ManagerInterest.objects.get()
    assert interest.organization == review.match.achievement.owner
    assert Match.objects.get().status in (MatchStatus.SUGGESTED, MatchStatus.IN_REVIEW)
    # Neither the page nor the evidence is theirs any more.
    assert client.get(reverse("match_detail", args=[review.match.number])).status_code == 404
    assert client.get(review.get_absolute_url()).status_code == 404


def test_an_interest_declared_before_the_names_are_known_does_not_tell_them(client):
    review = make_open(ReviewStatus.ASSIGNED)
    manager_of(client, review)
    owner = review.match.achievement.owner

    client.post(
        reverse("match_conflict", args=[review.match.number]),
        {"why": "interest", "sides": ["achievement"], "note": "像是校友的团队"},
    )

    assert ManagerInterest.objects.get().organization == owner
    for name in ("manager_interests", "manager_own"):
        html = client.get(reverse(name)).content.decode()
        assert owner.name not in html
        assert owner.credit_code not in html
    client.force_login(make_operator())
    page_of = reverse("ops_manager", args=[review.manager.manager_profile.pk])
    assert owner.name in client.get(page_of).content.decode()


def test_want_of_time_hands_back_without_an_interest(client):
    review = make_open(ReviewStatus.ASSIGNED)
    manager_of(client, review)

    client.post(
        reverse("match_conflict", args=[review.match.number]),
        {"why": "capacity", "sides": ["demand"], "note": "月底前很忙"},
    )

    review.refresh_from_db()
    assert review.status == ReviewStatus.DECLINED
    assert not ManagerInterest.objects.exists()


@pytest.mark.parametrize("data", [{}, {"why": "interest"}, {"why": "interest", "sides": ["both"]}])
def test_an_incomplete_hand_back_is_refused(client, data):
    review = make_open()
    manager_of(client, review)

    response = client.post(reverse("match_conflict", args=[review.match.number]), data)

    assert response.status_code == 200
    assert "错误" in response.content.decode()
    assert unchanged(review)


def test_the_hand_back_note_is_not_for_the_sides(client):
    review = make_open()
    MatchEvent.objects.create(
        match=review.match,
        actor=review.manager,
        verb="handed_back",
        after="suggested",
        note="曾在华东精工大学任职",
    )
    client.force_login(make_member(review.match.demand.owner))

    html = page(client, reverse("match_detail", args=[review.match.number]))

    assert "曾在" not in html
    assert "交回" not in html


def test_a_referral_goes_to_a_colleague_without_a_tie(client):
    review = make_open()
    manager_of(client, review)
    url = reverse("match_refer", args=[review.match.number])
    free, tied = make_manager(name="王芳"), make_manager(name="有关系")
    Membership.objects.create(
        user=tied, organization=review.match.demand.owner, role="viewer", is_active=True
    )
    html = page(client, url)
    assert "王芳" in html
    assert "有关系 ·" not in html

    for data in (
        {"to": tied.manager_profile.pk, "note": "看看"},
        {"to": review.manager.manager_profile.pk, "note": "看看"},
        {"to": 999999, "note": "看看"},
        {"to": free.manager_profile.pk, "note": ""},
    ):
        assert client.post(url, data).status_code == 200
        assert unchanged(review)

    client.post(url, {"to": free.manager_profile.pk, "note": "请看恒轴轴承的工况"})
    review.refresh_from_db()
    assert review.status == ReviewStatus.REFERRED
    assert Review.objects.open().get().manager == free
    # The note may name a side; the colleague reads it blind like the rest.
    other = Client()
    other.force_login(free)
    html = page(other, review.get_absolute_url())
    assert "转来" in html
    assert "恒轴" not in html


def test_what_is_not_taken_on_is_not_referred(client):
    review = make_open(ReviewStatus.ASSIGNED)
    manager_of(client, review)
    colleague = make_manager()

    response = client.post(
        reverse("match_refer", args=[review.match.number]),
        {"to": colleague.manager_profile.pk, "note": "看看"},
    )

    assert response.status_code == 409
    assert unchanged(review)


# --- Workbench and log --------------------------------------------------------------------------


def test_the_queue_is_grouped_by_what_is_due(client):
    manager = make_manager()
    client.force_login(manager)
    today = timezone.localdate()
    for days in (-3, 0, 1, 40):
        make_review(manager=manager, due_on=today + dt.timedelta(days=days))
    make_review()

    response = client.get(reverse("workbench"))

    groups = {group.value: len(rows) for group, _count, rows in response.context["groups"]}
    assert groups["now"] >= 2
    assert groups["later"] == 1
    assert sum(groups.values()) == 4
    assert "在手 4 / 上限 20" in response.content.decode()


def test_the_own_record_has_its_denominator(client):
    manager = make_manager()
    client.force_login(manager)
    now = timezone.now()
    for status, due in (("submitted", 1), ("submitted", -2), ("no_response", -1)):
        make_review(
            manager=manager,
            status=status,
            due_on=timezone.localdate() + dt.timedelta(days=due),
            closed_at=now,
            decision="reject" if status == "submitted" else "",
        )

    html = page(client, reverse("workbench"))

    assert "近 30 天按时 33%（3 项中的 1 项）" in html


def test_an_empty_queue_says_what_was_done(client):
    client.force_login(make_manager())

    assert "没有待审了。今天已评 0 项" in page(client, reverse("workbench"))


@pytest.mark.parametrize("name", ["workbench", "review_log"])
@pytest.mark.parametrize("who", ["member", "operator"])
def test_the_workbench_is_for_managers(client, name, who):
    client.force_login(make_member() if who == "member" else make_operator())

    assert client.get(reverse(name)).status_code == 403


def test_the_log_shows_what_was_closed_and_filters(client):
    manager = make_manager()
    client.force_login(manager)
    approved = make_match(status=MatchStatus.APPROVED, manager=manager)
    rejected = make_match(status=MatchStatus.REJECTED, manager=manager)
    given = make_review(manager=manager, status="declined", closed_at=timezone.now()).match
    make_review(manager=manager)

    def shown(key: str) -> set[Match]:
        response = client.get(reverse("review_log"), {"shown": key})
        return {row["review"].match for row in response.context["rows"]}

    assert shown("") == {approved, rejected, given}
    assert shown("approve") == {approved}
    assert shown("reject") == {rejected}
    assert shown("given_back") == {given}
    assert shown("nonsense") == {approved, rejected, given}


@pytest.mark.parametrize("name", ["workbench", "review_log", "match_review"])
def test_a_managers_pages_cost_the_same_for_one_and_for_twenty(client, name):
    manager = make_manager()
    client.force_login(manager)
    demand, achievement = make_demand(), make_organization(kind="university")

    def add() -> Review:
        match = make_match(
            status=MatchStatus.IN_REVIEW,
            demand=demand,
            achievement=make_achievement(owner=achievement),
        )
        make_match(
            status=MatchStatus.APPROVED,
            manager=manager,
            achievement=make_achievement(owner=achievement),
        )
        return make_review(match=match, manager=manager, status=ReviewStatus.ACCEPTED)

    first = add()
    url = first.get_absolute_url() if name == "match_review" else reverse(name)

    def cost() -> int:
        with CaptureQueriesContext(connection) as queries:
            page(client, url)
        return len(queries)

    page(client, url)
    one = cost()
    for _number in range(19):
        add()

    assert cost() == one <= 22


def test_the_next_and_the_previous_of_the_queue_are_links(client):
    manager = make_manager()
    client.force_login(manager)
    today = timezone.localdate()
    reviews = [
        make_review(manager=manager, due_on=today + dt.timedelta(days=days)) for days in (1, 2, 3)
    ]

    html = " ".join(page(client, reviews[1].get_absolute_url()).split())

    assert f'data-key="KeyK" href="{reviews[0].get_absolute_url()}"' in html
    assert f'data-key="KeyJ" href="{reviews[2].get_absolute_url()}"' in html
