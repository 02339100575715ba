"""The one objection of an owner to a rejection."""

import datetime as dt

import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone

from catalog.models import ListingEvent, PublicationReview
from catalog.services import deciding, publication
from catalog.workflow import IllegalMove, ListingStatus
from tests.factories import make_demand, make_manager, make_member

S = ListingStatus
TEXT = "指标在第二段写明了，请再看一遍。"
pytestmark = pytest.mark.django_db


def reject(demand, manager):
    return deciding.decide(
        listing=demand, actor=manager, decision="reject", reason="vague", no_interest=True
    )


@pytest.fixture
def manager():
    return make_manager(name="陈立人")


@pytest.fixture
def demand(manager):
    return reject(make_demand(status=S.SUBMITTED), manager)


@pytest.fixture
def owner(demand):
    return make_member(demand.owner)


def address(demand):
    return f"/demands/{demand.number}/appeal/"


def test_the_same_version_is_looked_at_again(demand, owner):
    deciding.appeal(listing=demand, actor=owner, text=f"  {TEXT} ")

    demand.refresh_from_db()
    row = PublicationReview.objects.open().get()
    assert (demand.status, demand.version) == (S.SUBMITTED, 1)
    assert (row.version, row.appeal, row.again) == (1, TEXT, False)
    event = ListingEvent.objects.latest("pk")
    assert (event.verb, event.actor, event.note) == ("appealed", owner, TEXT)


def test_who_rejected_it_does_not_decide_again(demand, owner, manager, client):
    deciding.appeal(listing=demand, actor=owner, text=TEXT)
    row = PublicationReview.objects.open().get()

    with pytest.raises(deciding.JudgedBefore):
        reject(demand, manager)
    with pytest.raises(IllegalMove):
        publication.assign_publication(row.pk, manager.manager_profile, {})
    client.force_login(manager)
    assert client.get("/workbench/listings/").context["rows"] == []
    page = client.get(f"/workbench/listings/{demand.number}/")
    assert page.status_code == 200 and 'id="kq-decide"' not in page.content.decode()
    sent = {"decision": "publish", "version": 1, "no_interest": "on"}
    assert client.post(f"/workbench/listings/{demand.number}/", sent).status_code == 403
    demand.refresh_from_db()
    assert demand.status == S.SUBMITTED


def test_another_manager_reads_the_objection_and_decides(demand, owner, client):
    deciding.appeal(listing=demand, actor=owner, text=TEXT)
    client.force_login(make_manager())
    [row] = client.get("/workbench/listings/?show=appeals").context["rows"]
    assert row["listing"] == demand
    assert TEXT in client.get(f"/workbench/listings/{demand.number}/").content.decode()

    sent = {"decision": "publish", "version": 1, "no_interest": "on"}
    client.post(f"/workbench/listings/{demand.number}/", sent)

    demand.refresh_from_db()
    assert demand.is_live


def test_a_second_rejection_is_final(demand, owner, client):
    deciding.appeal(listing=demand, actor=owner, text=TEXT)
    reject(demand, make_manager())

    with pytest.raises(IllegalMove):
        deciding.appeal(listing=demand, actor=owner, text=TEXT)

    client.force_login(owner)
    page = client.get(demand.get_absolute_url()).content.decode()
    assert "这个决定是最终的" in page and address(demand) not in page
    assert client.get(address(demand)).status_code == 302
    assert client.post(address(demand), {"text": TEXT}).status_code == 409


def test_the_time_runs_out(demand, owner):
    PublicationReview.objects.update(closed_at=timezone.now() - dt.timedelta(days=40))

    with pytest.raises(IllegalMove):
        deciding.appeal(listing=demand, actor=owner, text=TEXT)

    demand.refresh_from_db()
    assert demand.status == S.REJECTED


@pytest.mark.parametrize("text", ["", "太短", " " * 40, "字" * 1001])
def test_a_text_that_is_too_short_or_too_long_is_refused(demand, owner, client, text):
    with pytest.raises(ValidationError):
        deciding.appeal(listing=demand, actor=owner, text=text)
    client.force_login(owner)

    response = client.post(address(demand), {"text": text})

    assert response.status_code == 200
    assert response.context["form"].errors["text"]
    demand.refresh_from_db()
    assert demand.status == S.REJECTED


@pytest.mark.parametrize("status", ["draft", "submitted", "needs_info", "published", "withdrawn"])
def test_only_a_rejection_can_be_objected_to(status, client):
    demand = make_demand(status=status)
    owner = make_member(demand.owner)

    with pytest.raises(IllegalMove):
        deciding.appeal(listing=demand, actor=owner, text=TEXT)

    client.force_login(owner)
    assert client.post(address(demand), {"text": TEXT}).status_code == 409
    demand.refresh_from_db()
    assert demand.status == status


def test_the_owner_reads_why_until_when_and_objects_on_a_page(demand, owner, client):
    client.force_login(owner)
    page = client.get(demand.get_absolute_url()).content.decode()
    assert "问题或成果没有说清楚" in page or "说清" in page
    assert address(demand) in page and "kq-clock" in page
    assert "陈立人" not in page

    assert client.get(address(demand)).status_code == 200
    response = client.post(address(demand), {"text": TEXT})

    assert response.url == demand.get_absolute_url()
    demand.refresh_from_db()
    assert demand.status == S.SUBMITTED
    # A double click, or the back button.
    assert client.post(address(demand), {"text": TEXT}).status_code == 409


@pytest.mark.parametrize(("role", "code"), [("viewer", 403), ("stranger", 404)])
def test_others_do_not_object(demand, client, role, code):
    client.force_login(make_member(demand.owner, role=role) if role == "viewer" else make_member())

    assert client.post(address(demand), {"text": TEXT}).status_code == code
    demand.refresh_from_db()
    assert demand.status == S.REJECTED
