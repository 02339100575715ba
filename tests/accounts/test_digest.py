"""The daily mail: one a day, with what is still true and unread, also after an outage."""

import re
from threading import Barrier, Thread

import pytest
from django.core import mail as django_mail
from django.db import connections
from django.utils import translation

from accounts import delivery, notices
from accounts.digest import write_digests
from accounts.inbox import Choice, MailHours, Mailing, Notification
from accounts.letters import NAMED
from accounts.models import Membership, OrganizationStatus, OutboxMail
from accounts.tasks import deliver_mail
from accounts.tasks import write_digests as task
from tests.factories import make_member

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def daily(office, queued):
    """The office's owner wants it all in the daily mail."""
    notices.choose(
        user=office.owner,
        choices={"organization.verified": Choice.DIGEST, "organization.returned": Choice.DIGEST},
    )


def run():
    """Let the clock tick; return the mails that went out."""
    before = len(django_mail.outbox)
    task()
    for pk in delivery.waiting():
        deliver_mail(pk)
    return django_mail.outbox[before:]


def test_what_was_told_during_a_day_comes_in_one_mail_the_next_morning(office, clock):
    clock.on("2026-11-25", 9)
    office.tell()
    clock.on("2026-11-25", 17)
    office.tell()
    assert run() == []

    clock.at("2026-11-26 07:55")
    assert run() == []
    clock.on("2026-11-26", 8)
    [message] = run()

    assert message.subject.startswith("2 条通知")
    assert message.body.count("宁远轴承有限公司 已通过核验") == 2
    assert "尊敬的宁致远" in message.body or "宁致远" in message.body


def test_there_is_one_mail_a_day(office, clock):
    clock.on("2026-11-25", 9)
    office.tell()
    clock.on("2026-11-26", 8)
    assert len(run()) == 1

    office.tell()
    for hour in range(8, 24):
        clock.on("2026-11-26", hour)
        assert run() == []
    clock.on("2026-11-27", 8)
    assert len(run()) == 1
    assert run() == []


def test_a_clock_that_stood_still_for_three_days_writes_one_mail(office, clock):
    for day in (22, 23, 24):
        clock.on(f"2026-11-{day}", 9)
        office.tell()

    clock.on("2026-11-25", 15)
    [message] = run()

    assert message.body.count("已通过核验") == 3
    assert run() == []
    clock.on("2026-11-26", 8)
    assert run() == []


def test_after_an_outage_no_mail_comes_at_night(office, clock):
    clock.on("2026-11-24", 9)
    office.tell()

    clock.on("2026-11-25", 22)
    assert run() == []
    clock.on("2026-11-26", 5)
    assert run() == []
    clock.on("2026-11-26", 8)
    assert len(run()) == 1


def test_an_hour_of_ones_own_counts_though_it_be_quiet(office, clock):
    notices.keep_hours(user=office.owner, quiet_from=21, quiet_until=8, daily_at=6)
    clock.on("2026-11-25", 9)
    office.tell()

    clock.at("2026-11-26 06:05")
    assert len(run()) == 1


@pytest.mark.parametrize("hour", [0, 23])
def test_the_first_and_the_last_hour_of_a_day_are_hours_too(office, clock, hour):
    notices.keep_hours(user=office.owner, quiet_from=0, quiet_until=0, daily_at=hour)
    clock.on("2026-11-25", 9)
    office.tell()

    clock.on("2026-11-26" if hour == 0 else "2026-11-25", hour)
    assert len(run()) == 1


def test_what_was_read_or_settled_meanwhile_is_left_out(office, clock):
    clock.on("2026-11-25", 9)
    office.tell(key="read")
    office.tell(key="stays")
    office.tell(key="settled", kind="organization.returned")
    notices.mark_read(Notification.objects.filter(key="read"))

    clock.on("2026-11-26", 8)
    [message] = run()

    assert message.subject.startswith("1 条通知")


def test_no_mail_is_sent_when_nothing_of_it_is_true_any_more(office, clock):
    clock.on("2026-11-25", 9)
    office.tell()
    office.organization.status = OrganizationStatus.PENDING
    office.organization.save(update_fields=("status",))

    clock.on("2026-11-26", 8)
    assert run() == []


def test_nothing_of_an_organization_that_somebody_has_left(office, clock):
    clock.on("2026-11-25", 9)
    office.tell()
    Membership.objects.filter(user=office.owner).delete()

    clock.on("2026-11-26", 8)
    assert run() == []


def test_who_may_not_log_in_gets_none(office, clock):
    clock.on("2026-11-25", 9)
    office.tell()
    office.owner.is_active = False
    office.owner.save(update_fields=("is_active",))

    clock.on("2026-11-26", 8)
    assert run() == []
    assert not OutboxMail.objects.exists()


def test_what_waits_for_somebody_stands_first_and_in_the_subject(office, clock):
    clock.on("2026-11-25", 9)
    office.tell()
    office.tell(kind="organization.returned")
    office.organization.status = OrganizationStatus.REJECTED
    office.organization.status_reason = "执照看不清"
    office.organization.save(update_fields=("status", "status_reason"))
    office.owner.language = "en"
    office.owner.save(update_fields=("language",))

    clock.on("2026-11-26", 8)
    with translation.override("zh-hans"):
        [message] = run()

    assert message.subject.startswith("1 thing waits for you")
    assert "== To do" in message.body
    assert "执照看不清" in message.body


def test_a_mail_names_some_and_counts_the_rest(office, clock):
    clock.on("2026-11-25", 9)
    for _ in range(NAMED + 7):
        office.tell()

    clock.on("2026-11-26", 8)
    [message] = run()

    assert message.body.count("已通过核验") == NAMED
    assert "7" in re.search(r"(?m)^.*http://localhost:8000/notifications/$", message.body)[0]
    assert Notification.objects.filter(mailing=Mailing.DIGESTED).count() == NAMED + 7


def test_everybody_gets_their_own(office, clock):
    other = make_member(office.organization, role="editor")
    notices.choose(user=other, choices={"organization.verified": Choice.DIGEST})
    clock.on("2026-11-25", 9)
    office.tell()
    office.tell(user=other)
    office.tell(user=other)

    clock.on("2026-11-26", 8)
    messages = {message.to[0]: message.subject for message in run()}

    assert messages[office.owner.email].startswith("1 条")
    assert messages[other.email].startswith("2 条")


def test_muting_the_kind_takes_it_out_of_the_mail_on_its_way(office, clock):
    clock.on("2026-11-25", 9)
    office.tell()
    clock.on("2026-11-26", 8)
    write_digests()
    notices.choose(user=office.owner, choices={"organization.verified": Choice.OFF})

    for pk in delivery.waiting():
        deliver_mail(pk)

    assert django_mail.outbox == []


def test_what_may_still_be_undone_waits_for_the_next_mail(office, clock):
    clock.at("2026-11-26 07:55")
    office.tell(at=notices.timezone.now() + notices.dt.timedelta(minutes=10))
    clock.on("2026-11-26", 8)
    assert run() == []

    clock.on("2026-11-27", 8)
    assert len(run()) == 1


def test_few_people_first_nobody_left_out(office, clock):
    for _ in range(3):
        user = make_member(office.organization, role="editor")
        notices.choose(user=user, choices={"organization.verified": Choice.DIGEST})
        clock.on("2026-11-25", 9)
        office.tell(user=user)
    clock.on("2026-11-26", 8)

    assert [write_digests(limit=2), write_digests(limit=2), write_digests(limit=2)] == [2, 1, 0]


@pytest.mark.django_db(transaction=True)
def test_two_clocks_at_once_write_one(office, clock):
    MailHours.objects.create(user=office.owner, quiet_from=0, quiet_until=0)
    clock.on("2026-11-25", 7)
    office.tell()
    clock.on("2026-11-26", 9)
    start, written = Barrier(3), []

    def work():
        try:
            start.wait()
            written.append(write_digests())
        finally:
            connections.close_all()

    threads = [Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sum(written) == 1
    assert OutboxMail.objects.filter(kind="digest").count() == 1


def test_the_clock_asks_as_often_for_ten_as_for_one(office, clock, django_assert_num_queries):
    clock.on("2026-11-25", 9)
    office.tell()
    clock.on("2026-11-26", 8)
    # Who is due, what was written today; savepoint, the person, their rows, the mail (looked for,
    # savepoint, stored, released), the rows marked, released.
    with django_assert_num_queries(11):
        write_digests()
    clock.on("2026-11-26", 9)
    for _ in range(10):
        office.tell()
    clock.on("2026-11-27", 8)
    with django_assert_num_queries(11):
        write_digests()
