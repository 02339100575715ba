"""Mails at once wait until somebody's quiet hours are over."""

import datetime as dt

import pytest
from django.core import mail as django_mail
from django.db import IntegrityError, transaction
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from accounts import delivery, notices
from accounts.inbox import MailHours
from accounts.models import OutboxMail
from accounts.quiet import at_hour, awake, is_quiet
from accounts.tasks import deliver_mail, sweep_mails

HOURS = st.integers(0, 23)


def moment(text):
    return timezone.make_aware(dt.datetime.fromisoformat(text))


@pytest.mark.parametrize(
    ("quiet_from", "quiet_until", "now", "then"),
    [
        (21, 8, "2026-11-25 12:00", "2026-11-25 12:00"),
        (21, 8, "2026-11-25 20:59", "2026-11-25 20:59"),
        (21, 8, "2026-11-25 21:00", "2026-11-26 08:00"),
        (21, 8, "2026-11-25 23:59", "2026-11-26 08:00"),
        (21, 8, "2026-11-26 00:00", "2026-11-26 08:00"),
        (21, 8, "2026-11-26 07:59", "2026-11-26 08:00"),
        (21, 8, "2026-11-26 08:00", "2026-11-26 08:00"),
        (21, 8, "2026-12-31 22:10", "2027-01-01 08:00"),
        (12, 14, "2026-11-25 13:30", "2026-11-25 14:00"),
        (12, 14, "2026-11-25 14:00", "2026-11-25 14:00"),
        (0, 23, "2026-11-25 00:00", "2026-11-25 23:00"),
        (22, 0, "2026-11-25 22:30", "2026-11-26 00:00"),
        (8, 8, "2026-11-25 03:00", "2026-11-25 03:00"),
        (9, 8, "2026-11-25 08:30", "2026-11-25 08:30"),
        (9, 8, "2026-11-25 09:00", "2026-11-26 08:00"),
    ],
)
def test_what_falls_into_quiet_hours_waits_for_their_end(quiet_from, quiet_until, now, then):
    hours = MailHours(quiet_from=quiet_from, quiet_until=quiet_until)

    assert awake(moment(now), hours) == moment(then)


@given(minutes=st.integers(0, 8_000_000), quiet_from=HOURS, quiet_until=HOURS)
def test_a_mail_never_goes_back_waits_a_day_at_most_and_never_arrives_in_quiet_hours(
    minutes, quiet_from, quiet_until
):
    hours = MailHours(quiet_from=quiet_from, quiet_until=quiet_until)
    now = moment("2020-01-01") + dt.timedelta(minutes=minutes)

    then = awake(now, hours)

    assert now <= then < now + dt.timedelta(days=1)
    assert not is_quiet(then, hours)
    assert awake(then, hours) == then


def test_a_country_that_moves_its_clocks_keeps_its_hours(settings):
    settings.TIME_ZONE = "Europe/Berlin"
    timezone.get_default_timezone.cache_clear()
    try:
        hours = MailHours(quiet_from=21, quiet_until=8)
        # The night in which an hour is left out, and the one in which one comes twice.
        for night, utc in (("2026-03-28", 6), ("2026-10-24", 7)):
            then = awake(moment(f"{night} 22:00"), hours).astimezone(dt.UTC)
            assert (then.hour, then.day) == (utc, int(night[-2:]) + 1)
    finally:
        settings.TIME_ZONE = "Asia/Shanghai"
        timezone.get_default_timezone.cache_clear()


def test_an_hour_is_one_of_the_platforms_own_zone():
    assert at_hour(dt.date(2026, 11, 25), 8) == dt.datetime(2026, 11, 25, 0, tzinfo=dt.UTC)


@pytest.mark.django_db
@pytest.mark.parametrize("field", ["quiet_from", "quiet_until", "daily_at"])
def test_the_database_refuses_an_hour_that_no_day_has(office, field):
    with pytest.raises(IntegrityError), transaction.atomic():
        MailHours.objects.create(user=office.owner, **{field: 24})


@pytest.mark.django_db
def test_a_mail_of_the_night_comes_in_the_morning(
    office, clock, queued, django_capture_on_commit_callbacks
):
    clock.on("2026-11-25", 23)
    with django_capture_on_commit_callbacks(execute=True):
        office.tell()
    assert queued == []
    assert notices.unread_count(office.owner) == 1  # the page does not sleep

    clock.at("2026-11-26 07:59")
    sweep_mails()
    assert queued == []

    clock.at("2026-11-26 08:00")
    sweep_mails()
    [pk] = queued
    deliver_mail(pk)
    assert len(django_mail.outbox) == 1


@pytest.mark.django_db
def test_quiet_hours_of_ones_own_are_kept(office, clock, queued):
    notices.keep_hours(user=office.owner, quiet_from=12, quiet_until=14, daily_at=8)
    clock.on("2026-11-25", 13)
    office.tell()

    assert timezone.localtime(OutboxMail.objects.get().try_at).hour == 14
    notices.keep_hours(user=office.owner, quiet_from=0, quiet_until=0, daily_at=8)
    office.tell()
    assert len(delivery.waiting()) == 1


@pytest.mark.django_db
def test_what_may_be_undone_until_the_evening_is_mailed_in_the_morning(office, clock, queued):
    clock.at("2026-11-25 20:55")
    office.tell(at=timezone.now() + dt.timedelta(minutes=10))

    mail = OutboxMail.objects.get()
    assert timezone.localtime(mail.try_at) == moment("2026-11-26 08:00")
