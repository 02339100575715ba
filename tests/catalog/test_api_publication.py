"""The checks of listings over the API: the same rules, answered as programs expect."""

import datetime as dt

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import ManagerInterest, ManagerStatus
from catalog.models import PublicationReview
from catalog.services import deciding, publication
from catalog.workflow import ListingStatus
from tests.factories import (
    make_achievement,
    make_demand,
    make_manager,
    make_member,
    make_operator,
    make_organization,
)

S = ListingStatus
BASE = "/api/v1/publication-reviews/"
pytestmark = pytest.mark.django_db


@pytest.fixture
def manager(client):
    user = make_manager()
    client.force_login(user)
    return user


def check_of(listing):
    return PublicationReview.objects.of(listing).latest("pk")


def post(client, address, body):
    return client.post(address, body, content_type="application/json")


def decide(client, listing, **body):
    said = {"decision": "publish", "no_interest": True, "version": listing.version, **body}
    return post(client, f"{BASE}{check_of(listing).pk}/decide/", said)


def numbers(client, query=""):
    return [row["number"] for row in client.get(f"{BASE}{query}").json()["results"]]


def test_the_desk_is_listed_by_clock_and_filtered(client, manager):
    later, first = make_demand(status=S.SUBMITTED), make_achievement(status=S.SUBMITTED)
    PublicationReview.objects.filter(achievement=first).update(
        due_on=timezone.localdate() - dt.timedelta(days=1)
    )
    publication.assign_publication(check_of(later).pk, manager.manager_profile, {})

    assert numbers(client) == [first.number, later.number]
    assert numbers(client, "?show=mine") == [later.number]
    assert numbers(client, "?show=late") == [first.number]
    assert numbers(client, "?kind=demand") == [later.number]
    assert numbers(client, "?show=decided") == []
    [row, _] = client.get(BASE).json()["results"]
    assert row["title"] == first.title and row["mine"] is False and row["undo_until"] is None


def test_pages_follow_each_other_without_a_gap(client, manager):
    listings = [make_demand(status=S.SUBMITTED) for _number in range(5)]

    found, address = [], f"{BASE}?page_size=2"
    while address:
        page = client.get(address).json()
        found += [row["number"] for row in page["results"]]
        address = page["next"]

    assert found == [listing.number for listing in listings]


@pytest.mark.parametrize(
    "query", ["?show=nothing", "?kind=expert", "?after=1", "?after=2026-99-99.1", "?page_size=0"]
)
def test_a_question_that_makes_no_sense_is_said(client, manager, query):
    assert client.get(f"{BASE}{query}").status_code == 400


def test_the_list_costs_the_same_for_one_and_for_ten(client, manager):
    def cost():
        with CaptureQueriesContext(connection) as queries:
            assert client.get(BASE).status_code == 200
        return len(queries)

    make_demand(status=S.SUBMITTED)
    once = cost()
    for _number in range(5):
        make_demand(status=S.SUBMITTED)
        make_achievement(status=S.SUBMITTED)

    assert cost() == once


def test_a_check_is_decided_with_questions_and_points_and_undone(client, manager):
    demand = make_demand(status=S.SUBMITTED)
    said = {"questions": {"title": "哪种套圈？"}, "criteria": {"terms": 4}}

    body = decide(client, demand, decision="needs_info", reason="vague", **said).json()

    assert (body["status"], body["decision"], body["reason"]) == (
        "submitted",
        "needs_info",
        "vague",
    )
    assert body["questions"] == said["questions"] and body["criteria"] == said["criteria"]
    assert body["undo_until"] and body["title"] is None
    assert numbers(client, "?show=decided") == [demand.number]

    undone = post(client, f"{BASE}{body['id']}/undo/", {}).json()
    assert undone["status"] == "assigned"
    demand.refresh_from_db()
    assert demand.status == S.SUBMITTED
    assert post(client, f"{BASE}{body['id']}/undo/", {}).status_code == 409


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"decision": "perhaps"}, "decision"),
        ({"decision": "reject"}, "reason"),
        ({"decision": "reject", "reason": "because"}, "reason"),
        ({"decision": "needs_info", "reason": "vague"}, "note"),
        ({"questions": {"owner": "谁？"}}, "questions"),
        ({"questions": ["title"]}, "questions"),
        ({"criteria": {"maturity": 9}}, "criteria"),
        ({"criteria": {"maturity": "viel"}}, "criteria"),
        ({"no_interest": False}, "no_interest"),
        ({"version": -1}, "version"),
    ],
)
def test_wrong_input_is_answered_by_field_and_changes_nothing(client, manager, body, field):
    demand = make_demand(status=S.SUBMITTED)

    response = decide(client, demand, **body)

    assert response.status_code == 400
    assert any(name.split(".")[0] == field for name in response.json()["errors"])
    demand.refresh_from_db()
    assert demand.status == S.SUBMITTED


def test_a_stale_version_or_a_second_decision_is_a_conflict(client, manager):
    demand = make_demand(status=S.SUBMITTED, version=2)

    assert decide(client, demand, version=1).status_code == 409
    assert decide(client, demand).status_code == 200
    assert decide(client, demand).status_code == 409


def test_the_own_side_and_strangers_are_kept_out(client):
    demand = make_demand(status=S.SUBMITTED)
    pk = check_of(demand).pk
    tied = make_manager()
    ManagerInterest.objects.create(
        profile=tied.manager_profile, organization=demand.owner, kind="employment"
    )
    suspended = make_manager()
    suspended.manager_profile.status = ManagerStatus.SUSPENDED
    suspended.manager_profile.save()

    for user, code in ((tied, 404), (suspended, 403), (make_member(demand.owner), 403)):
        client.force_login(user)
        assert client.get(f"{BASE}{pk}/").status_code == code
        assert decide(client, demand).status_code == code
        assert post(client, f"{BASE}{pk}/undo/", {}).status_code == code
    client.force_login(make_manager())
    assert client.get(f"{BASE}999999/").status_code == 404
    demand.refresh_from_db()
    assert demand.status == S.SUBMITTED


def test_an_operator_of_the_own_side_reads_and_may_not_decide(client):
    operator = make_operator()
    owner = make_organization()
    owner.memberships.create(user=operator, role="viewer", is_active=True)
    demand = make_demand(status=S.SUBMITTED, owner=owner)
    client.force_login(operator)

    assert client.get(f"{BASE}{check_of(demand).pk}/").status_code == 200
    assert decide(client, demand).status_code == 403


def test_what_others_decided_is_for_operators(client):
    demand = make_demand(status=S.SUBMITTED)
    deciding.decide(listing=demand, actor=make_manager(), decision="publish", no_interest=True)
    pk = check_of(demand).pk

    client.force_login(make_manager())
    assert client.get(f"{BASE}{pk}/").status_code == 404
    client.force_login(make_operator())
    assert client.get(f"{BASE}{pk}/").json()["undo_until"] is None


def test_who_answered_for_a_check_does_not_read_what_a_colleague_decided(client, manager):
    demand = make_demand(status=S.SUBMITTED)
    PublicationReview.objects.filter(demand=demand).update(manager=manager)
    deciding.decide(
        listing=demand,
        actor=make_manager(),
        decision="needs_info",
        reason="vague",
        note="第二段缺单位",
        questions={"body": "硬度的单位？"},
        criteria={"maturity": 2},
        no_interest=True,
    )
    pk = PublicationReview.objects.get(demand=demand).pk

    read = client.get(f"{BASE}{pk}/").json()
    assert (read["decision"], read["note"], read["questions"], read["criteria"]) == ("", "", {}, {})
    client.force_login(make_operator())
    assert client.get(f"{BASE}{pk}/").json()["note"] == "第二段缺单位"


def test_an_owner_objects_once_over_the_api(client):
    demand = make_demand(status=S.SUBMITTED)
    deciding.decide(
        listing=demand, actor=make_manager(), decision="reject", reason="vague", no_interest=True
    )
    client.force_login(make_member(demand.owner))
    address = f"/api/v1/demands/{demand.number}/appeal/"

    assert post(client, address, {"text": "短"}).status_code == 400
    assert post(client, address, {"text": "指标在第二段写明了，请再看一遍。"}).status_code == 200
    assert post(client, address, {"text": "指标在第二段写明了，请再看一遍。"}).status_code == 409


def test_an_owner_reads_the_questions_by_field_and_what_comes_next(client):
    demand = make_demand(status=S.SUBMITTED)
    deciding.decide(
        listing=demand,
        actor=make_manager(),
        decision="needs_info",
        reason="no_figures",
        questions={"indicators": "单位是什么？"},
        no_interest=True,
    )
    client.force_login(make_member(demand.owner))

    outcome = client.get(f"/api/v1/demands/{demand.number}/events/").json()["outcome"]

    [question] = outcome["questions"]
    assert (question["name"], question["text"]) == ("indicators", "单位是什么？")
    assert outcome["what"] and outcome["next_step"] and outcome["reasons"]
