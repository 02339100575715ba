"""What notifications say of listings, their files and imports."""

import datetime as dt
from itertools import count
from types import SimpleNamespace

import pytest
from django.core import mail as django_mail
from django.utils import timezone, translation

from accounts import delivery, notices
from accounts.files.scanning import Finding, ScanState
from accounts.inbox import Choice, Notification
from accounts.models import ManagerStatus, Membership
from accounts.tasks import deliver_mail
from catalog.models import Attachment, Demand, ImportJob, PublicationReview
from catalog.models.imports import ImportState
from catalog.services import import_runs, reading_files
from catalog.workflow import ListingStatus
from tests.factories import (
    make_demand,
    make_manager,
    make_member,
    make_operator,
    make_organization,
)

pytestmark = pytest.mark.django_db

LANGUAGES = ("zh-hans", "en")
MARKS = ("宁远轴承", "Ningyuan Bearing", "周恒之", "0512-62880000", "ning@example.org")


@pytest.fixture(autouse=True)
def _no_broker(monkeypatch):
    monkeypatch.setattr("accounts.mail.send", lambda *_args: True)


@pytest.fixture
def world(clock):
    """A listing whose title gives its owner away, a check of it, and everybody around."""
    owner = make_organization(
        name="宁远轴承有限公司",
        name_en="Ningyuan Bearing Co., Ltd.",
        contact_name="周恒之",
        contact_phone="0512-62880000",
        contact_email="ning@example.org",
    )
    demand = make_demand(
        owner=owner, status="submitted", title="宁远轴承<i>套圈</i>淬火 %(x)s", industry="C34"
    )
    manager = make_manager(name="林柏舟", email="lin@example.org")
    check = PublicationReview.objects.filter(demand=demand).first() or PublicationReview(
        demand=demand, version=demand.version
    )
    check.manager, check.due_on, check.status = manager, dt.date(2026, 11, 30), "assigned"
    check.save()
    numbers = count(1)

    def tell(kind, user, /, **payload):
        notices.notify(kind=kind, user=user, key=f"test:{next(numbers)}", payload=payload)
        return Notification.objects.latest("pk")

    return SimpleNamespace(
        owner=owner,
        demand=demand,
        check=check,
        writer=make_member(owner, role="editor"),
        manager=manager,
        operator=make_operator(),
        tell=tell,
    )


def text_of(user, row):
    written = notices.write_all(user, [row]).get(row.pk)
    return f"{written.title}\n{written.text}" if written else None


def become(world, status):
    Demand.objects.filter(pk=world.demand.pk).update(
        status=status, published_at=timezone.now() if status == "published" else None
    )


def both(user, row):
    texts = []
    for language in LANGUAGES:
        with translation.override(language):
            texts.append(text_of(user, row))
    return texts


# --- To the owner -------------------------------------------------------------------------------

DECIDED = {
    "listing.published": ListingStatus.PUBLISHED,
    "listing.needs_info": ListingStatus.NEEDS_INFO,
    "listing.rejected": ListingStatus.REJECTED,
}


def listing_of(world):
    return {"kind": "demand", "listing": world.demand.pk, "event": 1}


@pytest.mark.parametrize("kind", DECIDED)
def test_the_owner_reads_what_was_decided_and_not_by_whom(world, kind):
    become(world, DECIDED[kind])
    row = world.tell(kind, world.writer, **listing_of(world))

    texts = both(world.writer, row)

    assert len(set(texts)) == 2
    for text in texts:
        assert world.demand.title in text
        assert world.demand.number in text
        assert "林柏舟" not in text


@pytest.mark.parametrize("kind", DECIDED)
def test_what_was_decided_otherwise_since_is_not_told(world, kind):
    row = world.tell(kind, world.writer, **listing_of(world))

    assert text_of(world.writer, row) is None  # submitted again


@pytest.mark.parametrize("kind", DECIDED)
def test_who_writes_for_the_owner_no_more_reads_nothing(world, kind):
    become(world, DECIDED[kind])
    row = world.tell(kind, world.writer, **listing_of(world))
    Membership.objects.filter(user=world.writer).update(role="viewer")
    assert text_of(world.writer, row) is None
    Membership.objects.filter(user=world.writer).delete()
    assert text_of(world.writer, row) is None


# --- To who checks, and to operators --------------------------------------------------------------


def check_of(world):
    return {"publication": world.check.pk}


def due_of(world):
    return check_of(world) | {"stage": "soon", "due_on": "2026-11-30"}


@pytest.mark.parametrize(
    ("kind", "make"), [("listing.to_review", check_of), ("listing.review_due", due_of)]
)
def test_who_checks_reads_a_number_and_a_class_and_no_name(world, kind, make):
    row = world.tell(kind, world.manager, **make(world))

    for text in both(world.manager, row):
        assert world.demand.number in text
        for mark in (*MARKS, "套圈"):
            assert mark not in text


@pytest.mark.parametrize("why", ["other", "closed", "member", "suspended"])
def test_a_check_is_told_to_who_may_do_it_now(world, why):
    row = world.tell("listing.to_review", world.manager, **check_of(world))
    assert text_of(world.manager, row)
    if why == "other":
        PublicationReview.objects.update(manager=make_manager())
    elif why == "closed":
        PublicationReview.objects.update(status="cancelled")
    elif why == "member":
        Membership.objects.create(
            user=world.manager, organization=world.owner, role="viewer", is_active=False
        )
    else:
        world.manager.manager_profile.status = ManagerStatus.SUSPENDED
        world.manager.manager_profile.save()

    assert text_of(type(world.manager).objects.get(pk=world.manager.pk), row) is None


def test_a_check_that_is_not_due_any_more_is_not_reminded_of(world, clock):
    row = world.tell("listing.review_due", world.manager, **due_of(world))
    clock.on("2026-12-01")

    assert text_of(world.manager, row) is None


def test_operators_read_what_nobody_checks(world):
    PublicationReview.objects.update(escalated_at=timezone.now(), escalation="no_response")
    row = world.tell("escalation.listing", world.operator, **check_of(world))

    for text in both(world.operator, row):
        assert world.demand.number in text
        assert not [mark for mark in MARKS if mark in text]
    assert text_of(world.manager, row) is None
    PublicationReview.objects.update(escalated_at=None, escalation="")
    assert text_of(world.operator, row) is None


# --- Files and imports ----------------------------------------------------------------------------


def test_a_virus_that_is_found_later_is_told_once_to_each_writer(
    world, monkeypatch, django_capture_on_commit_callbacks
):
    from io import BytesIO

    other = make_member(world.owner)
    make_member(world.owner, role="viewer")
    make_member()
    attachment = Attachment.objects.create(
        demand=world.demand,
        number=1,
        title="试验报告",
        file="attachments/a.pdf",
        name="a.pdf",
        kind="pdf",
        size=10,
        sha256="0" * 64,
        scan="held",
        text_state="none",
        added_by=world.writer,
    )
    store = SimpleNamespace(open=lambda _name: BytesIO(b"a file"))
    monkeypatch.setattr(reading_files, "private_storage", lambda: store)
    monkeypatch.setattr(reading_files, "scan", lambda _file: Finding(ScanState.INFECTED, "Eicar"))

    for _ in range(2):
        reading_files.rescan(attachment_id=attachment.pk)

    rows = Notification.objects.filter(kind="file.virus")
    assert {row.user for row in rows} == {world.writer, other}
    for row in rows:
        assert "试验报告" in text_of(row.user, row)
        assert world.demand.number in text_of(row.user, row)


@pytest.fixture
def job(world):
    return ImportJob.objects.create(
        organization=world.owner,
        created_by=world.writer,
        kind="demand",
        file_name="<b>表</b>.csv",
        size=1,
        language="zh-hans",
        state=ImportState.CHECKING,
        token="t",
    )


def test_a_checked_file_is_told_to_who_left_its_page(world, job, clock):
    job.state = ImportState.CHECKED
    job.save()
    import_runs._tell(job)

    assert notices.unread_count(world.writer) == 0
    clock.move(minutes=6)
    assert notices.unread_count(world.writer) == 1
    [row] = Notification.objects.all()
    assert "“<b>表</b>.csv”已核对" in text_of(world.writer, row)


def test_a_file_that_was_confirmed_meanwhile_is_not_waiting(world, job, clock):
    job.state = ImportState.CHECKED
    job.save()
    import_runs._tell(job)
    ImportJob.objects.update(state=ImportState.STORING)
    clock.move(minutes=6)
    for pk in delivery.waiting():
        deliver_mail(pk)

    assert django_mail.outbox == []


@pytest.mark.parametrize(
    ("state", "says"), [(ImportState.DONE, "已导入"), (ImportState.FAILED, "无法导入")]
)
def test_the_end_of_an_import_is_told_at_once_and_once(world, job, state, says):
    job.state = state
    job.save()
    import_runs._tell(job)
    import_runs._tell(job)
    for pk in delivery.waiting():
        deliver_mail(pk)

    [message] = django_mail.outbox
    assert says in message.subject
    assert "&lt;b&gt;表" in message.alternatives[0][0]


def test_an_import_of_an_organization_that_one_has_left_is_not_told(world, job):
    job.state = ImportState.DONE
    job.save()
    import_runs._tell(job)
    Membership.objects.filter(user=world.writer).delete()

    [row] = Notification.objects.all()
    assert text_of(world.writer, row) is None


def test_ten_checks_are_written_with_as_few_questions_as_one(world, django_assert_num_queries):
    rows = [world.tell("listing.to_review", world.manager, **check_of(world))]
    fresh = type(world.manager).objects.get(pk=world.manager.pk)
    # The checks with listings and owners; the manager's ties by membership, interest, domain and
    # phone; the organizations they write for; their profile.
    with django_assert_num_queries(7):
        notices.write_all(fresh, rows)
    for _ in range(9):
        check = make_demand(status="submitted").publications.get()
        check.manager = world.manager
        check.save(update_fields=("manager",))
        rows.append(world.tell("listing.to_review", world.manager, publication=check.pk))
    fresh = type(world.manager).objects.get(pk=world.manager.pk)
    with django_assert_num_queries(7):
        assert len(notices.write_all(fresh, rows)) == 10


def test_a_mail_about_a_check_says_no_more_than_the_page(world):
    notices.choose(user=world.manager, choices={"listing.to_review": Choice.NOW})
    world.tell("listing.to_review", world.manager, **check_of(world))
    for pk in delivery.waiting():
        deliver_mail(pk)

    [message] = django_mail.outbox
    whole = str(message.message()) + message.subject + message.body + message.alternatives[0][0]
    assert world.demand.number in message.subject
    assert not [mark for mark in (*MARKS, "套圈") if mark in whole]
