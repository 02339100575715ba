"""Checking what was submitted: the queue, the decision, and who is kept out."""

import datetime as dt
import threading

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import ManagerInterest
from catalog.models import Demand, ListingEvent
from catalog.services import deciding
from catalog.workflow import ListingStatus
from tests.factories import (
    make_achievement,
    make_demand,
    make_manager,
    make_member,
    make_operator,
    make_organization,
    make_user,
)
from tests.speaking import speak

pytestmark = pytest.mark.django_db

SUBMITTED = ListingStatus.SUBMITTED


def text_of(response):
    return response.content.decode()


def review(client, listing, decision="publish", **data):
    data = {
        "decision": decision,
        "version": listing.version,
        "reason": "",
        "note": "",
        "no_interest": "on",
        **data,
    }
    return client.post(f"/workbench/listings/{listing.number}/", data)


@pytest.fixture
def manager(client):
    user = make_manager()
    client.force_login(user)
    return user


# --- The queue ------------------------------------------------------------------------------------


def test_the_oldest_comes_first_from_both_lists(client, manager):
    now = timezone.now()
    make_demand(status=SUBMITTED, title="昨天的", submitted_at=now - dt.timedelta(days=1))
    make_achievement(status=SUBMITTED, title="上周的", submitted_at=now - dt.timedelta(days=9))
    make_demand(status=SUBMITTED, title="今天的", submitted_at=now)
    make_demand(title="已发布的")
    make_demand(title="草稿", status=ListingStatus.DRAFT)

    rows = client.get("/workbench/listings/").context["rows"]

    assert [row["listing"].title for row in rows] == ["上周的", "昨天的", "今天的"]
    assert rows[0]["waited"] >= 5
    assert rows[2]["waited"] == 0


def test_the_queue_is_blind_and_without_the_own_side(client, manager):
    employer, friend = make_organization(), make_organization()
    make_demand(status=SUBMITTED, title="本单位的", owner=employer)
    make_demand(status=SUBMITTED, title="有利益关系的", owner=friend)
    other = make_demand(status=SUBMITTED, title="别人的")
    employer.memberships.create(user=manager, role="viewer", is_active=False)
    ManagerInterest.objects.create(
        profile=manager.manager_profile, organization=friend, kind="interest"
    )

    page = client.get("/workbench/listings/")

    assert [row["listing"].title for row in page.context["rows"]] == ["别人的"]
    assert other.owner.name not in text_of(page)


@pytest.mark.parametrize(("who", "code"), [("visitor", 302), ("member", 403), ("stranger", 403)])
def test_the_queue_is_for_reviewers(client, who, code):
    demand = make_demand(status=SUBMITTED)
    users = {"member": lambda: make_member(demand.owner), "stranger": make_user}
    if who in users:
        client.force_login(users[who]())
    assert client.get("/workbench/listings/").status_code == code
    assert client.get(f"/workbench/listings/{demand.number}/").status_code == code
    assert review(client, demand).status_code == code
    demand.refresh_from_db()
    assert demand.status == SUBMITTED


def test_a_manager_who_is_not_certified_is_no_reviewer(client):
    user = make_manager()
    user.manager_profile.status = "suspended"
    user.manager_profile.save(update_fields=("status",))
    client.force_login(user)
    assert client.get("/workbench/listings/").status_code == 403


def test_the_queue_costs_the_same_for_one_row_and_for_twenty(client, manager):
    def cost():
        with CaptureQueriesContext(connection) as queries:
            client.get("/workbench/listings/")
        return len(queries)

    make_demand(status=SUBMITTED)
    make_achievement(status=SUBMITTED)
    once = cost()
    for _number in range(9):
        make_demand(status=SUBMITTED)
        make_achievement(status=SUBMITTED)
    assert once == cost()


def test_an_empty_queue_says_so(client, manager):
    assert "没有待审了" in text_of(client.get("/workbench/listings/"))


# --- The decision ---------------------------------------------------------------------------------


@pytest.mark.parametrize("who", [make_manager, make_operator])
def test_a_reviewer_reads_all_and_publishes(client, who):
    client.force_login(who())
    demand = make_demand(status=SUBMITTED, body="现用分段中频淬火，接头处存在软带，磨削余量大。")

    page = text_of(client.get(f"/workbench/listings/{demand.number}/"))
    assert "接头处存在软带" in page
    assert demand.summary in page

    assert review(client, demand).status_code == 302
    demand.refresh_from_db()
    assert demand.is_live


def test_the_next_one_is_ready(client, manager):
    now = timezone.now()
    first = make_demand(status=SUBMITTED, submitted_at=now - dt.timedelta(days=2))
    second = make_achievement(status=SUBMITTED, submitted_at=now - dt.timedelta(days=1))
    assert review(client, first)["Location"] == f"/workbench/listings/{second.number}/"
    assert review(client, second)["Location"] == "/workbench/listings/"


@pytest.mark.parametrize(
    ("decision", "after"),
    [("needs_info", ListingStatus.NEEDS_INFO), ("reject", ListingStatus.REJECTED)],
)
def test_a_no_has_a_reason_that_the_owner_reads(client, manager, decision, after):
    demand = make_demand(status=SUBMITTED)
    review(client, demand, decision, reason="no_figures", note="硬度没有单位。")
    demand.refresh_from_db()
    assert demand.status == after
    event = ListingEvent.objects.get()
    assert (event.reason, event.note, event.actor) == ("no_figures", "硬度没有单位。", manager)


@pytest.mark.parametrize(
    ("decision", "data"),
    [
        ("", {}),
        ("needs_info", {}),
        ("reject", {"reason": ""}),
        ("reject", {"reason": "because"}),
        ("reject", {"reason": "other"}),
        ("reject", {"reason": "vague", "note": "长" * 200_000}),
        ("publish", {"version": ""}),
        ("publish", {"version": "x" * 100}),
        ("publish", {"version": "9" * 100}),
        ("delete", {}),
        ("\x00", {}),
    ],
)
def test_half_a_decision_is_none(client, manager, decision, data):
    demand = make_demand(status=SUBMITTED)
    response = review(client, demand, decision, **data)
    assert response.status_code == 200
    assert 'role="alert"' in text_of(response)
    demand.refresh_from_db()
    assert demand.status == SUBMITTED
    assert ListingEvent.objects.count() == 0


def test_nobody_decides_on_their_own_side(client):
    owner = make_organization()
    demand = make_demand(status=SUBMITTED, owner=owner)
    member = make_manager()
    owner.memberships.create(user=member, role="viewer", is_active=True)
    former = make_manager()
    ManagerInterest.objects.create(
        profile=former.manager_profile, organization=owner, kind="employment"
    )
    operator = make_operator()
    owner.memberships.create(user=operator, role="owner", is_active=True)

    for user in (member, former, operator):
        client.force_login(user)
        page = client.get(f"/workbench/listings/{demand.number}/")
        assert page.status_code == 403
        assert "你是这条清单一方的成员" in text_of(page)
        assert review(client, demand).status_code == 403
    demand.refresh_from_db()
    assert demand.status == SUBMITTED
    assert ListingEvent.objects.count() == 0


@pytest.mark.parametrize("faster", ["publish", "reject"])
def test_the_slower_of_two_is_told(client, manager, faster):
    demand = make_demand(status=SUBMITTED)
    deciding.decide(
        no_interest=True,
        listing=demand,
        actor=make_manager(),
        decision=faster,
        reason="vague" * (faster == "reject"),
    )
    response = review(client, demand, "needs_info", reason="vague", note="这句话不能丢")
    assert response.status_code == 409
    assert 'role="alert"' in text_of(response)
    assert "这句话不能丢" in text_of(response)
    demand.refresh_from_db()
    assert demand.status != ListingStatus.NEEDS_INFO
    assert ListingEvent.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_two_who_decide_at_once_make_one_decision():
    demand = make_demand(status=SUBMITTED)
    reviewers = [make_manager(), make_manager()]
    ready = threading.Barrier(2)
    answers = []

    def decide(user, decision):
        browser = Client()
        browser.force_login(user)
        ready.wait()
        try:
            answers.append(review(browser, demand, decision, reason="vague").status_code)
        finally:
            connection.close()

    threads = [
        threading.Thread(target=decide, args=pair)
        for pair in zip(reviewers, ("publish", "reject"), strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(answers) == [302, 409]
    assert ListingEvent.objects.count() == 1


def test_what_was_not_read_is_not_published(client, manager):
    demand = make_demand(status=SUBMITTED)
    Demand.objects.update(version=2)
    response = review(client, demand, version=1)
    assert response.status_code == 409
    demand.refresh_from_db()
    assert demand.status == SUBMITTED


@pytest.mark.parametrize(
    "number", ["XQ-2026-9999999", "CG-2026-1", "M-20261109-0031", "x", "%00", "'--", "XQ-2026-"]
)
def test_a_forged_number_is_not_found(client, manager, number):
    assert client.get(f"/workbench/listings/{number}/").status_code == 404
    data = {"decision": "publish", "version": 1}
    assert client.post(f"/workbench/listings/{number}/", data).status_code == 404


def test_a_draft_does_not_exist_for_a_reviewer(client, manager):
    demand = make_demand(status=ListingStatus.DRAFT)
    assert client.get(f"/workbench/listings/{demand.number}/").status_code == 404
    assert review(client, demand).status_code == 404
    demand.refresh_from_db()
    assert demand.status == ListingStatus.DRAFT


def test_an_expired_validity_is_not_published(client, manager):
    demand = make_demand(status=SUBMITTED, valid_until=timezone.localdate() - dt.timedelta(days=1))
    response = review(client, demand)
    assert response.status_code == 200
    assert 'role="alert"' in text_of(response)
    demand.refresh_from_db()
    assert demand.status == SUBMITTED


def test_the_reviewer_is_warned_of_names(client, manager):
    demand = make_demand(
        status=SUBMITTED, body="请联系 13800138000，现用分段中频淬火，接头处存在软带。"
    )
    page = text_of(client.get(f"/workbench/listings/{demand.number}/"))
    assert "“13800138000”像是电话号码" in page


@pytest.mark.parametrize(("language", "word"), [("zh-hans", "你的决定"), ("en", "Your decision")])
def test_both_languages(client, manager, language, word):
    demand = make_demand(status=SUBMITTED)
    speak(client, language)
    assert word in text_of(client.get(f"/workbench/listings/{demand.number}/"))
    assert client.get("/workbench/listings/").status_code == 200
