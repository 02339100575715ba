"""Taking a decision on a listing back, while nobody has acted on it."""

import datetime as dt
import threading

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from accounts.inbox import Notification
from accounts.models import ManagerInterest
from catalog.models import Attachment, ListingEvent, PublicationReview
from catalog.services import deciding, publishing
from catalog.services.moving import OwnSide
from catalog.workflow import IllegalMove, ListingStatus, PublicationStatus
from tests.factories import make_demand, make_manager, make_match, make_member, make_review

S = ListingStatus
pytestmark = pytest.mark.django_db


def decided(decision="reject", manager=None, **said):
    demand = make_demand(status=S.SUBMITTED)
    if decision != "publish":
        said = {"reason": "vague", "note": "请写清指标", **said}
    demand = deciding.decide(
        listing=demand,
        actor=manager or make_manager(),
        decision=decision,
        no_interest=True,
        **said,
    )
    return demand, PublicationReview.objects.get(demand=demand)


@pytest.mark.parametrize("decision", ["publish", "needs_info", "reject"])
def test_within_minutes_it_is_as_if_nothing_was_decided(decision):
    owner_told = ("listing.published", "listing.needs_info", "listing.rejected")
    manager = make_manager()
    demand, row = decided(decision, manager, questions={"title": "太短"})
    make_member(demand.owner)

    deciding.undo(publication=row, actor=manager)

    demand.refresh_from_db()
    row.refresh_from_db()
    assert demand.status == S.SUBMITTED
    assert row.status == PublicationStatus.ASSIGNED and row.decided_by is None
    # The form begins from what was written.
    assert row.questions == {"title": "太短"}
    assert not Notification.objects.filter(kind__in=owner_told).exists()
    event = ListingEvent.objects.latest("pk")
    assert (event.verb, event.actor, event.after) == ("undone", manager, S.SUBMITTED)


def test_what_is_decided_again_is_told_again():
    manager = make_manager()
    demand, row = decided("reject", manager)
    member = make_member(demand.owner)
    deciding.undo(publication=row, actor=manager)

    deciding.decide(listing=demand, actor=manager, decision="publish", no_interest=True)

    [notification] = Notification.objects.filter(user=member)
    assert notification.kind == "listing.published"


def test_after_the_minutes_it_is_final():
    manager = make_manager()
    demand, row = decided("reject", manager)
    PublicationReview.objects.update(closed_at=timezone.now() - dt.timedelta(minutes=11))

    with pytest.raises(IllegalMove, match="10"):
        deciding.undo(publication=row, actor=manager)

    demand.refresh_from_db()
    assert demand.status == S.REJECTED


def test_nobody_undoes_somebody_elses_decision():
    demand, row = decided("reject")

    with pytest.raises(IllegalMove):
        deciding.undo(publication=row, actor=make_manager())

    demand.refresh_from_db()
    assert demand.status == S.REJECTED


@pytest.mark.parametrize("act", ["edit", "submit", "appeal", "withdraw"])
def test_what_the_owner_acted_on_stays(act):
    manager = make_manager()
    demand, row = decided("reject" if act == "appeal" else "needs_info", manager)
    owner = make_member(demand.owner)
    if act == "edit":
        publishing.save_draft(listing=demand, actor=owner, content={"title": "改过的标题"})
    elif act == "submit":
        publishing.submit(listing=demand, actor=owner)
    elif act == "appeal":
        deciding.appeal(listing=demand, actor=owner, text="指标在第二段写明了，请再看一遍。")
    else:
        publishing.withdraw(listing=demand, actor=owner)
    before = type(demand).objects.get().status

    with pytest.raises(IllegalMove):
        deciding.undo(publication=row, actor=manager)

    assert type(demand).objects.get().status == before


@pytest.mark.parametrize("act", ["confirm", "match"])
def test_a_publication_that_somebody_acted_on_stays(act):
    manager = make_manager()
    demand, row = decided("publish", manager)
    if act == "confirm":
        publishing.confirm_valid(
            listing=demand,
            actor=make_member(demand.owner),
            valid_until=timezone.localdate() + dt.timedelta(days=300),
        )
    else:
        match = make_match(status="in_review", demand=demand)
        make_review(match=match, status="accepted", accepted_at=timezone.now())

    with pytest.raises(IllegalMove):
        deciding.undo(publication=row, actor=manager)

    demand.refresh_from_db()
    assert demand.is_live


def test_a_tie_that_came_up_meanwhile_bars_the_undo():
    manager = make_manager()
    demand, row = decided("reject", manager)
    ManagerInterest.objects.create(
        profile=manager.manager_profile, organization=demand.owner, kind="interest"
    )

    with pytest.raises(OwnSide):
        deciding.undo(publication=row, actor=manager)


def test_files_that_were_let_through_wait_again():
    demand = make_demand(status=S.SUBMITTED)
    file = Attachment.objects.create(
        demand=demand,
        number=1,
        added_by=make_member(demand.owner),
        file="gone",
        title="检测报告",
        name="report.pdf",
        text_state="ready",
        kind="pdf",
        size=1,
        sha256="0" * 64,
        scan="clean",
    )
    manager = make_manager()
    deciding.decide(listing=demand, actor=manager, decision="publish", no_interest=True)
    file.refresh_from_db()
    was_checked = file.checked_at is not None

    deciding.undo(publication=PublicationReview.objects.get(), actor=manager)

    file.refresh_from_db()
    assert was_checked and file.checked_at is None


def test_the_owner_does_not_learn_who_undid_it(client):
    manager = make_manager(name="陈立人")
    demand, row = decided("reject", manager)
    deciding.undo(publication=row, actor=manager)
    client.force_login(make_member(demand.owner))

    page = client.get(demand.get_absolute_url()).content.decode()

    assert "撤销了决定" in page and "陈立人" not in page


def test_what_was_undone_is_read_by_nobody_but_its_author_and_operators(client):
    manager = make_manager()
    demand, row = decided("reject", manager, note="预算一段像是抄来的")
    deciding.undo(publication=row, actor=manager)

    client.force_login(make_member(demand.owner))
    assert "像是抄来的" not in client.get(demand.get_absolute_url()).content.decode()
    review = f"/workbench/listings/{demand.number}/"
    client.force_login(make_manager())
    assert "像是抄来的" not in client.get(review).content.decode()
    client.force_login(manager)
    assert "像是抄来的" in client.get(review).content.decode()


@pytest.mark.django_db(transaction=True)
def test_of_an_undo_and_an_objection_at_once_one_counts():
    manager = make_manager()
    demand, row = decided("reject", manager)
    owner = make_member(demand.owner)
    start, outcomes = threading.Barrier(2), []

    def run(act):
        start.wait()
        try:
            act()
            outcomes.append("done")
        except IllegalMove:
            outcomes.append("refused")
        finally:
            connection.close()

    text = "指标在第二段写明了，请再看一遍。"
    threads = [
        threading.Thread(target=run, args=(act,))
        for act in (
            lambda: deciding.undo(publication=row, actor=manager),
            lambda: deciding.appeal(listing=demand, actor=owner, text=text),
        )
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(outcomes) == ["done", "refused"]
    assert PublicationReview.objects.open().count() == 1


# --- The pages --------------------------------------------------------------------------------


def test_the_next_page_offers_the_undo_and_the_button_does_it(client):
    manager = make_manager()
    client.force_login(manager)
    demand, row = decided("needs_info", manager)
    until = timezone.localtime(row.closed_at + dt.timedelta(minutes=10))

    page = client.get("/workbench/listings/").content.decode()
    assert f"{until:%H:%M} 前可以撤销" in page
    response = client.post(f"/workbench/listings/{demand.number}/undo/")

    assert response.status_code == 302
    demand.refresh_from_db()
    assert demand.status == S.SUBMITTED
    # Pressed twice: a plain sentence, and nothing more happens.
    assert client.post(f"/workbench/listings/{demand.number}/undo/").status_code == 404


def test_an_undo_that_comes_too_late_is_told_so(client):
    manager = make_manager()
    client.force_login(manager)
    demand, _row = decided("needs_info", manager)
    PublicationReview.objects.update(closed_at=timezone.now() - dt.timedelta(hours=1))

    response = client.post(f"/workbench/listings/{demand.number}/undo/")

    assert response.status_code == 409
    assert "现已超过" in response.content.decode()
    assert client.get("/workbench/listings/").context["undoable"] == []


def test_others_have_nothing_to_undo():
    demand, _row = decided("needs_info")
    client = Client()
    client.force_login(make_manager())

    for number in (demand.number, "XQ-2026-999999", "nothing"):
        assert client.post(f"/workbench/listings/{number}/undo/").status_code == 404
