"""Notifications: told once, in the transaction that is their reason; written when they are read."""

import datetime as dt
from io import BytesIO
from threading import Barrier, Thread
from types import SimpleNamespace

import pytest
from django.core import mail as django_mail
from django.db import IntegrityError, connections, transaction
from django.utils import timezone, translation

from accounts import delivery, notices
from accounts.inbox import Choice, MailHours, Mailing, Notification, NotificationPreference
from accounts.models import (
    CodeChange,
    CodeChangeStatus,
    Evidence,
    MailState,
    ManagerStatus,
    Membership,
    OrganizationStatus,
    OutboxMail,
)
from accounts.services import (
    answer_join,
    ask_to_join,
    fingerprint,
    remove_member,
    return_organization,
    verify_organization,
)
from accounts.tasks import deliver_mail, forget_notifications, sweep_mails
from accounts.verification import confirm_code, refuse_code
from tests.factories import (
    make_credit_code,
    make_manager,
    make_member,
    make_operator,
    make_organization,
    make_user,
    tick_all,
)

pytestmark = pytest.mark.django_db


def sent():
    """Deliver what the outbox holds; return the mails that went out."""
    before = len(django_mail.outbox)
    for pk in delivery.waiting():
        deliver_mail(pk)
    return django_mail.outbox[before:]


def only():
    return Notification.objects.get()


def shown(user):
    """Return the titles that somebody reads."""
    return [one.notice.title for one in notices.read(user, lambda: list(notices.visible_to(user)))]


# --- Telling ------------------------------------------------------------------------------------


def test_what_is_told_rings_and_is_mailed_once(office, clock, queued):
    assert office.tell(key="verified:1")

    assert notices.unread_count(office.owner) == 1
    [message] = sent()
    assert message.to == [office.owner.email]
    assert "宁远轴承有限公司 已通过核验" in message.subject
    assert sent() == []


def test_nobody_is_told_twice_of_one_thing(office, clock, queued):
    assert office.tell(key="verified:1")
    assert not office.tell(key="verified:1")
    assert not office.tell(key="verified:1", at=timezone.now() + dt.timedelta(days=1))

    assert Notification.objects.count() == 1
    assert OutboxMail.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_transaction_that_fails_tells_nobody(office, queued):
    with pytest.raises(RuntimeError), transaction.atomic():
        office.tell()
        raise RuntimeError

    assert not Notification.objects.exists()
    assert not OutboxMail.objects.exists()
    assert queued == []


@pytest.mark.django_db(transaction=True)
def test_two_workers_that_tell_the_same_at_once_tell_it_once(office, queued):
    start = Barrier(4)
    answers = []

    def work():
        try:
            start.wait()
            with transaction.atomic():
                answers.append(office.tell(key="verified:1"))
        finally:
            connections.close_all()

    threads = [Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(answers) == [False, False, False, True]
    assert Notification.objects.count() == 1
    assert OutboxMail.objects.count() == 1


def test_the_database_itself_refuses_a_second_one(office):
    office.tell(key="verified:1")

    with pytest.raises(IntegrityError), transaction.atomic():
        Notification.objects.create(user=office.owner, kind="any", key="verified:1")


def test_a_kind_that_nobody_registered_is_a_mistake_of_ours(office):
    with pytest.raises(KeyError):
        office.tell(kind="nonsense")


def test_a_mail_whose_message_was_lost_is_found_by_the_sweep(
    office, clock, monkeypatch, django_capture_on_commit_callbacks
):
    lost = []
    monkeypatch.setattr("accounts.mail.send", lambda *args: lost.append(args) and False)
    with django_capture_on_commit_callbacks(execute=True):
        office.tell()
    assert len(lost) == 1
    found = []
    monkeypatch.setattr("accounts.tasks.send", lambda _task, pk: found.append(pk) or True)

    sweep_mails()

    assert found == [OutboxMail.objects.get().pk]
    assert len(sent()) == 1


@pytest.mark.django_db(transaction=True)
def test_two_workers_that_take_up_one_mail_send_it_once(office, queued):
    MailHours.objects.create(user=office.owner, quiet_from=0, quiet_until=0)
    office.tell()
    [pk] = OutboxMail.objects.values_list("pk", flat=True)
    start = Barrier(3)

    def work():
        try:
            start.wait()
            deliver_mail(pk)
        finally:
            connections.close_all()

    threads = [Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(django_mail.outbox) == 1


def test_what_may_be_undone_is_neither_shown_nor_mailed_before(office, clock, queued):
    office.tell(at=timezone.now() + dt.timedelta(minutes=10))

    assert notices.unread_count(office.owner) == 0
    assert shown(office.owner) == []
    assert sent() == []
    clock.move(minutes=10)
    assert notices.unread_count(office.owner) == 1
    assert len(shown(office.owner)) == 1
    assert len(sent()) == 1


def test_what_was_undone_can_be_told_again(office, clock, queued):
    later = timezone.now() + dt.timedelta(minutes=10)
    office.tell(key="decided:1:5", at=later)
    office.tell(key="decided:10:5", at=later)

    assert notices.take_back(prefix="decided:1:") == 1

    assert [row.key for row in Notification.objects.all()] == ["decided:10:5"]
    assert OutboxMail.objects.count() == 1
    assert office.tell(key="decided:1:5", at=later)


def test_what_was_seen_already_is_not_taken_back(office, clock, queued):
    office.tell(key="decided:1:5")
    clock.move(minutes=1)

    assert notices.take_back(prefix="decided:1:") == 0
    assert notices.unread_count(office.owner) == 1


# --- Reading ------------------------------------------------------------------------------------


def test_everybody_reads_their_own_language(office, clock, queued):
    office.tell()
    with translation.override("en"):
        assert shown(office.owner) == ["宁远轴承有限公司 is verified"]
    with translation.override("zh-hans"):
        assert shown(office.owner) == ["宁远轴承有限公司 已通过核验"]


def test_a_mail_is_in_the_language_of_its_receiver(office, clock, queued):
    office.owner.language = "en"
    office.owner.save(update_fields=("language",))
    office.tell()
    with translation.override("zh-hans"):
        [message] = sent()

    assert message.subject.startswith("宁远轴承有限公司 is verified")
    assert "Dear 宁致远" in message.body


@pytest.mark.parametrize("lost", ["status", "membership", "deactivated"])
def test_what_is_no_longer_true_or_theirs_is_not_listed_and_not_mailed(office, clock, queued, lost):
    office.tell()
    if lost == "status":
        office.organization.status = OrganizationStatus.PENDING
        office.organization.save(update_fields=("status",))
    elif lost == "membership":
        Membership.objects.filter(user=office.owner).delete()
    else:
        office.owner.is_active = False
        office.owner.save(update_fields=("is_active",))

    assert sent() == []
    assert OutboxMail.objects.get().state == MailState.DROPPED
    if lost != "deactivated":
        assert shown(office.owner) == []
        assert notices.unread_count(office.owner) == 0


def test_what_was_put_away_stays_away(office, clock, queued):
    office.tell()
    office.organization.status = OrganizationStatus.PENDING
    office.organization.save(update_fields=("status",))
    assert shown(office.owner) == []

    office.organization.status = OrganizationStatus.VERIFIED
    office.organization.save(update_fields=("status",))

    assert shown(office.owner) == []


def test_what_was_read_here_is_not_mailed_any_more(office, clock, queued):
    office.tell()
    notices.mark_read(notices.visible_to(office.owner))

    assert sent() == []
    assert OutboxMail.objects.get().state == MailState.DROPPED


def test_reading_asks_as_often_for_ten_as_for_one(office, clock, queued, django_assert_num_queries):
    office.tell()
    with django_assert_num_queries(2):  # the rows, the memberships with organizations
        shown(office.owner)
    for _ in range(9):
        office.tell()
    with django_assert_num_queries(2):
        assert len(shown(office.owner)) == 10


def test_old_ones_are_forgotten_read_ones_first(office, clock, queued):
    clock.on("2025-01-10")
    office.tell(key="read")
    notices.mark_read(notices.visible_to(office.owner))
    office.tell(key="unread")
    clock.on("2025-07-01")
    forget_notifications()
    assert Notification.objects.count() == 2

    clock.on("2025-07-12")
    forget_notifications()
    assert [row.key for row in Notification.objects.all()] == ["unread"]

    clock.on("2026-01-12")
    forget_notifications()
    assert not Notification.objects.exists()


# --- What somebody chose ------------------------------------------------------------------------


def test_a_kind_that_is_only_for_the_page_is_not_mailed(office, clock, queued):
    notices.choose(user=office.owner, choices={"organization.verified": Choice.OFF})
    office.tell()

    assert notices.unread_count(office.owner) == 1
    assert not OutboxMail.objects.exists()


def test_a_muted_kind_arrives_as_read(office, clock, queued):
    notices.choose(user=office.owner, choices={"organization.verified": Choice.MUTED})
    office.tell()

    assert notices.unread_count(office.owner) == 0
    assert len(shown(office.owner)) == 1
    assert not OutboxMail.objects.exists()


def test_what_somebody_waits_for_cannot_be_muted(office):
    with pytest.raises(ValueError, match=r"organization\.returned"):
        notices.choose(user=office.owner, choices={"organization.returned": Choice.MUTED})

    assert not NotificationPreference.objects.exists()


def test_a_kind_that_became_a_task_since_it_was_muted_is_shown(office, clock, queued):
    NotificationPreference.objects.create(
        user=office.owner, kind="organization.returned", choice=Choice.MUTED
    )
    office.organization.status = OrganizationStatus.REJECTED
    office.organization.save(update_fields=("status",))
    office.tell(kind="organization.returned")

    assert notices.unread_count(office.owner) == 1
    assert not OutboxMail.objects.exists()


@pytest.mark.parametrize(
    ("choice", "mailing"), [(Choice.DIGEST, Mailing.DIGEST), (Choice.OFF, Mailing.NONE)]
)
def test_another_choice_holds_for_a_mail_that_still_waits(office, clock, queued, choice, mailing):
    clock.on("2026-11-25", 22)
    office.tell()

    notices.choose(user=office.owner, choices={"organization.verified": choice})

    assert only().mailing == mailing
    clock.on("2026-11-26", 9)
    assert sent() == []


def test_a_mail_that_is_being_sent_is_not_put_into_the_daily_one_as_well(office, clock, queued):
    office.tell()
    OutboxMail.objects.update(attempts=1)  # a worker holds it

    notices.choose(user=office.owner, choices={"organization.verified": Choice.DIGEST})

    assert only().mailing == Mailing.NOW
    assert len(sent()) == 1


def test_a_mail_that_failed_once_is_not_tried_again_when_it_is_wanted_no_more(
    office, clock, queued
):
    office.tell()
    OutboxMail.objects.update(attempts=1, error="SMTPServerDisconnected")

    notices.choose(user=office.owner, choices={"organization.verified": Choice.OFF})

    assert sent() == []


def test_the_same_choice_again_changes_nothing(office):
    notices.choose(user=office.owner, choices={"organization.verified": Choice.NOW})

    assert not NotificationPreference.objects.exists()


# --- Who is told --------------------------------------------------------------------------------


def test_writers_are_owners_and_editors_who_may_act(office):
    editor = make_member(office.organization, role="editor")
    make_member(office.organization, role="viewer")
    make_member(office.organization, role="editor", is_active=False)
    Membership.objects.create(
        user=make_user(), organization=office.organization, role="owner", is_active=False
    )

    assert notices.writers_of(office.organization) == [office.owner, editor]
    assert notices.owners_of(office.organization.pk) == [office.owner]


def test_operators_are_those_who_may_log_in():
    active = make_operator()
    make_operator(is_active=False)

    assert notices.operators() == [active]


# --- Organizations, evidence, certificates --------------------------------------------------------


def decided(organization, how):
    operator = make_operator()
    seen = fingerprint(organization)
    if how == "verified":
        organization.checks.all().delete()
        tick_all(organization)
        verify_organization(organization=organization, actor=operator, seen=seen)
    else:
        return_organization(
            organization=organization, actor=operator, seen=seen, reason="执照看不清"
        )


@pytest.mark.parametrize("how", ["verified", "returned"])
def test_an_organization_learns_what_an_operator_decided(clock, queued, how):
    organization = make_organization(status=OrganizationStatus.PENDING)
    owner, editor = make_member(organization), make_member(organization, role="editor")
    make_member(organization, role="viewer")
    decided(organization, how)

    rows = Notification.objects.filter(kind=f"organization.{how}")
    assert {row.user for row in rows} == {owner, editor}
    messages = sent()
    assert len(messages) == 2
    if how == "returned":
        assert "执照看不清" in messages[0].body


def test_an_organization_is_told_each_time(clock, queued):
    organization = make_organization(status=OrganizationStatus.PENDING)
    owner = make_member(organization)
    decided(organization, "verified")
    clock.move(days=1)
    organization.refresh_from_db()
    decided(organization, "returned")
    clock.move(days=1)
    organization.refresh_from_db()
    organization.status = OrganizationStatus.PENDING
    organization.save(update_fields=("status",))
    decided(organization, "verified")

    assert Notification.objects.filter(user=owner, kind="organization.verified").count() == 2


@pytest.mark.parametrize("confirmed", [True, False])
def test_owners_learn_what_became_of_another_credit_code(office, clock, queued, confirmed):
    make_member(office.organization, role="editor")
    code = make_credit_code(777)
    change = CodeChange.objects.create(
        organization=office.organization,
        old_code=office.organization.credit_code,
        new_code=code,
        reason="换了执照",
        asked_by=office.owner,
    )
    if confirmed:
        confirm_code(change=change, actor=make_operator(), note="公示系统已核对")
    else:
        refuse_code(change=change, actor=make_operator(), reason="与公示不符")

    assert only().user == office.owner
    [message] = sent()
    assert ("已确认" in message.subject) == confirmed
    assert (code if confirmed else "与公示不符") in message.body
    change.refresh_from_db()
    assert change.status == (CodeChangeStatus.CONFIRMED if confirmed else CodeChangeStatus.REFUSED)


def test_owners_learn_who_asks_to_join_and_the_person_what_became_of_it(office, clock, queued):
    make_member(office.organization, role="editor")
    person = make_user(name="新人")
    membership = ask_to_join(actor=person, credit_code=office.organization.credit_code)

    [row] = Notification.objects.all()
    assert row.user == office.owner
    assert shown(office.owner) == ["新人 申请加入 宁远轴承有限公司"]
    answer_join(membership=membership, actor=office.owner, accepted=True, role="editor")

    assert shown(office.owner) == []
    assert shown(person) == ["已加入 宁远轴承有限公司"]
    Membership.objects.filter(user=person).delete()
    assert shown(person) == []


def test_a_request_that_was_refused_is_answered_too(office, clock, queued):
    person = make_user()
    membership = ask_to_join(actor=person, credit_code=office.organization.credit_code)
    answer_join(membership=membership, actor=office.owner, accepted=False)

    assert shown(person) == [f"{office.organization.credit_code} 没有通过加入申请"]


def test_who_asks_again_and_again_rings_once_a_day(office, clock, queued):
    person = make_user()
    for _ in range(3):
        membership = ask_to_join(actor=person, credit_code=office.organization.credit_code)
        remove_member(membership=membership, actor=person)

    assert Notification.objects.filter(kind="member.asked").count() == 1


def evidence(**fields):
    return Evidence.objects.create(
        purpose="licence",
        file="evidence/a.pdf",
        name="执照 <b>.pdf",
        kind="pdf",
        size=10,
        sha256="0" * 64,
        scan="held",
        **fields,
    )


@pytest.mark.parametrize("whose", ["organization", "manager"])
def test_a_virus_found_later_is_told_to_whose_file_it_is(
    office, clock, queued, monkeypatch, tmp_path, whose
):
    from accounts import evidence as files
    from accounts.files.scanning import Finding, ScanState

    if whose == "organization":
        receiver = office.owner
        row = evidence(organization=office.organization, added_by=receiver)
    else:
        receiver = make_manager()
        row = evidence(profile=receiver.manager_profile, added_by=receiver)
    store = SimpleNamespace(open=lambda _name: BytesIO(b"a file"))
    monkeypatch.setattr(files, "private_storage", lambda: store)
    monkeypatch.setattr(files, "scan", lambda _file: Finding(ScanState.INFECTED, "Eicar"))
    monkeypatch.setattr(files, "discard", lambda _name: None)

    files.rescan_held()
    files.rescan_held()

    told = only()
    assert (told.user, told.payload) == (receiver, {"evidence": row.pk})
    [message] = sent()
    assert "执照 <b>.pdf" in message.subject
    html = message.alternatives[0][0]
    assert "执照 &lt;b&gt;.pdf" in html
    assert "<b>.pdf" not in html


MANAGER_CASES = [
    ("manager.certified", ManagerStatus.CERTIFIED, "已认定为技术经理人：高级"),
    ("manager.suspended", ManagerStatus.SUSPENDED, "技术经理人资格已暂停"),
    ("manager.expiring", ManagerStatus.CERTIFIED, "技术经理人证书将于 12 月 1 日 到期"),
    ("manager.expiring", ManagerStatus.EXPIRED, "技术经理人证书已于 12 月 1 日 到期"),
]


@pytest.mark.parametrize(("kind", "status", "title"), MANAGER_CASES)
def test_a_manager_reads_how_their_certificate_stands(clock, queued, kind, status, title):
    manager = make_manager()
    profile = manager.manager_profile
    profile.status, profile.valid_until = status, dt.date(2026, 12, 1)
    profile.status_reason = "资料待核"
    profile.save()
    payload = {"profile": profile.pk, "valid_until": "2026-12-01"}
    notices.notify(kind=kind, user=manager, key="manager:1", payload=payload)

    assert [text.replace("\xa0", " ") for text in shown(manager)] == [title]


def test_a_manager_is_not_told_of_another_ones_certificate(clock, queued):
    manager, other = make_manager(), make_manager()
    notices.notify(
        kind="manager.certified",
        user=manager,
        key="manager:1",
        payload={"profile": other.manager_profile.pk},
    )

    assert shown(manager) == []
