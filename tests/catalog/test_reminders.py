"""Reminders before the last day, and the link that says “still true”."""

import datetime as dt
import re
from types import SimpleNamespace

import pytest
from django.core import signing
from django.utils import timezone, translation

from accounts.delivery import deliver
from accounts.models import MailState, OutboxMail
from catalog.links import STILL_TRUE_AGE, still_true_link
from catalog.models import Demand, ListingEvent, ListingReminder
from catalog.services import publishing, reminding
from catalog.services.publishing import expire_overdue
from catalog.tasks import remind_owners
from tests.factories import (
    make_achievement,
    make_demand,
    make_manager,
    make_member,
    make_organization,
    make_user,
)

pytestmark = pytest.mark.django_db

SECRET = "铼含量百分之三的配方"


def in_days(days):
    return timezone.localdate() + dt.timedelta(days=days)


@pytest.fixture(autouse=True)
def _no_broker(monkeypatch):
    monkeypatch.setattr("accounts.mail.send", lambda *_args: True)


@pytest.fixture
def owner():
    return make_organization(name="恒轴精密轴承有限公司")


@pytest.fixture
def writer(owner):
    return make_member(owner, name="周恒之")


def deliver_all():
    return [
        deliver(mail_id=pk) for pk in OutboxMail.objects.order_by("pk").values_list("pk", flat=True)
    ]


def stages():
    return sorted(ListingReminder.objects.values_list("stage", flat=True))


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        (15, []),
        (14, ["ahead"]),
        (4, ["ahead"]),
        (3, ["soon"]),
        (0, ["soon"]),
    ],
)
def test_an_owner_is_asked_14_and_3_days_before(owner, writer, days, expected):
    make_demand(owner=owner, created_by=writer, valid_until=in_days(days))

    reminding.remind()

    assert stages() == expected
    assert OutboxMail.objects.count() == len(expected)


def test_nobody_is_asked_twice_however_often_the_clock_strikes(owner, writer):
    make_demand(owner=owner, created_by=writer, valid_until=in_days(10))
    for _strike in range(3):
        remind_owners()

    assert OutboxMail.objects.count() == ListingReminder.objects.count() == 1


def test_a_clock_that_stood_still_asks_once_when_it_goes_again(owner, writer):
    """It was down from 15 days before to 2 days before: one question, not both."""
    make_demand(owner=owner, created_by=writer, valid_until=in_days(2))

    reminding.remind()

    assert stages() == ["soon"]
    assert OutboxMail.objects.count() == 1


def test_a_new_last_day_is_asked_about_anew(owner, writer):
    demand = make_demand(owner=owner, created_by=writer, valid_until=in_days(10))
    reminding.remind()
    Demand.objects.filter(pk=demand.pk).update(valid_until=in_days(12))

    reminding.remind()

    assert ListingReminder.objects.count() == OutboxMail.objects.count() == 2


def test_who_has_just_spoken_of_it_is_not_asked(owner, writer):
    make_demand(
        owner=owner, created_by=writer, valid_until=in_days(10), confirmed_at=timezone.now()
    )

    reminding.remind()

    assert not ListingReminder.objects.exists()


@pytest.mark.parametrize("status", ["draft", "submitted", "withdrawn", "suspended", "fulfilled"])
def test_what_is_not_published_is_not_asked_about(owner, writer, status):
    make_demand(owner=owner, created_by=writer, valid_until=in_days(3), status=status)

    reminding.remind()

    assert not OutboxMail.objects.exists()


def test_an_owner_is_told_once_that_it_has_left_the_list(owner, writer, mailoutbox):
    make_demand(owner=owner, created_by=writer, valid_until=in_days(-1))
    expire_overdue()
    for _strike in range(2):
        reminding.remind()
    deliver_all()

    [message] = mailoutbox
    assert "已到期下架" in message.subject
    assert stages() == ["expired"]


def test_what_ran_out_long_ago_is_not_dug_up(owner, writer):
    make_demand(owner=owner, created_by=writer, valid_until=in_days(-31), status="expired")

    reminding.remind()

    assert not OutboxMail.objects.exists()


def test_an_office_gets_one_mail_for_all_that_runs_out(owner, writer, mailoutbox):
    for number in range(25):
        make_demand(
            owner=owner, created_by=writer, valid_until=in_days(10), title=f"需求第 {number} 号"
        )
    reminding.remind()
    deliver_all()

    [message] = mailoutbox
    assert message.subject.startswith("25 条信息即将到期")
    assert message.body.count("/still-true/") == 20
    assert "另有 5 条" in message.body
    assert ListingReminder.objects.count() == 25


def test_the_query_count_is_the_same_for_one_listing_and_for_ten(
    owner, writer, django_assert_num_queries
):
    make_demand(owner=owner, created_by=writer, valid_until=in_days(10))
    # Six to see who is due; then savepoint, organization, two lists, reminders, members, and of
    # the one mail: look, savepoint, insert, release; release.
    with django_assert_num_queries(17):
        reminding.remind()
    for _number in range(10):
        make_demand(owner=owner, created_by=writer, valid_until=in_days(11))
    with django_assert_num_queries(17):
        reminding.remind()


class TestWhoIsAsked:
    def receivers(self):
        return set(OutboxMail.objects.values_list("user__name", flat=True))

    def test_whoever_wrote_it(self, owner, writer):
        make_member(owner, name="另一位负责人")
        make_demand(owner=owner, created_by=writer, valid_until=in_days(10))
        reminding.remind()
        assert self.receivers() == {"周恒之"}

    @pytest.mark.parametrize("change", [{"is_active": False}, {"role": "viewer"}])
    def test_the_owners_where_the_writer_may_write_no_more(self, owner, writer, change):
        make_member(owner, name="另一位负责人")
        make_member(owner, role="editor", name="一位编辑")
        writer.memberships.update(**change)
        make_demand(owner=owner, created_by=writer, valid_until=in_days(10))
        reminding.remind()
        assert self.receivers() == {"另一位负责人"}

    def test_the_owners_where_an_import_wrote_it(self, owner, writer):
        make_demand(owner=owner, created_by=None, valid_until=in_days(10))
        reminding.remind()
        assert self.receivers() == {"周恒之"}

    def test_nobody_where_there_is_nobody(self, owner):
        make_demand(owner=owner, valid_until=in_days(10))
        reminding.remind()
        assert self.receivers() == set()

    def test_nobody_of_another_organization(self, owner, writer):
        make_member(name="别家的人")
        make_demand(owner=owner, created_by=writer, valid_until=in_days(10))
        reminding.remind()
        assert self.receivers() == {"周恒之"}


def test_a_mail_holds_what_everybody_may_read_and_nothing_else(owner, writer, mailoutbox):
    make_demand(
        owner=owner, created_by=writer, valid_until=in_days(10), body=f"{SECRET}，淬火后变形。"
    )
    reminding.remind()
    deliver_all()

    [message] = mailoutbox
    for text in (message.subject, message.body, message.alternatives[0][0]):
        assert SECRET not in text and owner.name not in text
    assert "大型轴承套圈淬火变形控制" in message.body


@pytest.mark.parametrize(
    ("language", "words"), [("en", "is it still true?"), ("zh-hans", "仍然有效吗")]
)
def test_a_mail_is_in_its_receivers_language(owner, writer, mailoutbox, language, words):
    writer.language = language
    writer.save()
    make_demand(owner=owner, created_by=writer, valid_until=in_days(10))
    translation.activate("en" if language == "zh-hans" else "zh-hans")
    reminding.remind()
    deliver_all()

    assert words in mailoutbox[0].subject


def test_a_mail_that_waited_asks_only_what_is_still_open(owner, writer, mailoutbox):
    answered = make_demand(
        owner=owner, created_by=writer, valid_until=in_days(10), title="已确认的那条"
    )
    make_demand(owner=owner, created_by=writer, valid_until=in_days(10), title="还没确认的那条")
    reminding.remind()
    publishing.confirm_valid(listing=answered, actor=writer, valid_until=in_days(100))
    deliver_all()

    assert "还没确认的那条" in mailoutbox[0].body
    assert "已确认的那条" not in mailoutbox[0].body


def test_a_mail_to_somebody_who_has_left_is_dropped(owner, writer, mailoutbox):
    make_demand(owner=owner, created_by=writer, valid_until=in_days(10))
    reminding.remind()
    writer.memberships.update(is_active=False)

    assert deliver_all() == [MailState.DROPPED]
    assert not mailoutbox


# --- The link -----------------------------------------------------------------------------------


@pytest.fixture
def asked(owner, writer):
    """A listing that its writer was asked about, and the path of the link."""
    demand = make_demand(
        owner=owner, created_by=writer, valid_until=in_days(10), body=f"{SECRET}，淬火后变形。"
    )
    reminding.remind()
    reminder = ListingReminder.objects.get()
    path = "/" + still_true_link(reminder, writer).split("/", 3)[3]
    return SimpleNamespace(demand=demand, reminder=reminder, path=path)


def events(demand):
    return ListingEvent.objects.filter(demand=demand).count()


def test_the_mails_link_is_the_one_that_works(asked, client, mailoutbox):
    deliver_all()
    [address] = re.findall(r"http://localhost:8000(/still-true/\S+)", mailoutbox[0].body)

    assert client.get(address).status_code == 200


def test_opening_the_link_changes_nothing(asked, client):
    """Programs that scan mails open every link, some of them twice."""
    for _time in range(3):
        response = client.get(asked.path)
        client.head(asked.path)

    assert response.status_code == 200
    assert "大型轴承套圈淬火变形控制" in response.content.decode()
    asked.demand.refresh_from_db()
    assert asked.demand.valid_until == in_days(10)
    assert events(asked.demand) == 0
    assert "no-store" in response["Cache-Control"]


def test_one_press_without_a_log_in_keeps_it_for_180_days(asked, client, writer):
    response = client.post(asked.path)

    assert response.status_code == 200
    asked.demand.refresh_from_db()
    assert asked.demand.valid_until == in_days(180)
    event = ListingEvent.objects.get(demand=asked.demand)
    assert (event.actor, event.valid_until) == (writer, in_days(180))
    # Nobody is logged in by it.
    assert client.get("/my/demands/").status_code == 302


def test_an_expired_listing_comes_back_by_its_link(asked, client):
    Demand.objects.filter(pk=asked.demand.pk).update(status="expired")

    client.post(asked.path)

    asked.demand.refresh_from_db()
    assert asked.demand.status == "published"


def test_the_page_needs_the_forms_token(asked):
    from django.test import Client

    assert Client(enforce_csrf_checks=True).post(asked.path).status_code == 403
    assert events(asked.demand) == 0


def signed(content, salt="catalog.still-true"):
    return f"/still-true/{signing.dumps(content, salt=salt)}/"


def void(client, path):
    """Say that a link shows nothing and does nothing."""
    got, posted = client.get(path), client.post(path)
    shown = got.content.decode() + posted.content.decode()
    return (got.status_code, posted.status_code) == (410, 410) and "套圈" not in shown


def test_a_link_is_good_once(asked, client):
    client.post(asked.path)
    before = events(asked.demand)

    assert void(client, asked.path)
    assert events(asked.demand) == before


CHANGES = {
    "another last day": lambda asked, writer: Demand.objects.update(valid_until=in_days(50)),
    "confirmed on the page": lambda asked, writer: publishing.confirm_valid(
        listing=asked.demand, actor=writer, valid_until=asked.demand.valid_until
    ),
    "withdrawn": lambda asked, writer: publishing.withdraw(listing=asked.demand, actor=writer),
    "suspended": lambda asked, writer: Demand.objects.update(status="suspended"),
    "left the organization": lambda asked, writer: writer.memberships.update(is_active=False),
    "may only read": lambda asked, writer: writer.memberships.update(role="viewer"),
    "account closed": lambda asked, writer: type(writer).objects.update(is_active=False),
    "account deleted": lambda asked, writer: (
        writer.memberships.all().delete(),
        OutboxMail.objects.all().delete(),
        type(writer).objects.filter(pk=writer.pk).delete(),
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_link_is_void_once_things_have_changed(asked, client, writer, change):
    CHANGES[change](asked, writer)
    before = list(Demand.objects.values()), events(asked.demand)

    assert void(client, asked.path)
    assert (list(Demand.objects.values()), events(asked.demand)) == before


def test_a_link_runs_out(asked, client, monkeypatch):
    import time

    later = time.time() + STILL_TRUE_AGE.total_seconds() + 60
    monkeypatch.setattr("django.core.signing.time.time", lambda: later)

    assert void(client, asked.path)


@pytest.mark.parametrize(
    "forge",
    [
        lambda path, user: path[:-4] + "AAA/",
        lambda path, user: "/still-true/x/",
        lambda path, user: f"/still-true/{signing.dumps([1, user.pk], salt='other')}/",
        lambda path, user: f"/still-true/{signing.dumps('x', salt='catalog.still-true')}/",
        lambda path, user: (
            f"/still-true/{signing.dumps([10**30, user.pk], salt='catalog.still-true')}/"
        ),
    ],
)
def test_a_forged_link_is_void(asked, client, writer, forge):
    assert void(client, forge(asked.path, writer))
    assert events(asked.demand) == 0


def test_the_link_shows_its_holder_the_title_and_nothing_else(asked, client, owner):
    page = client.get(asked.path).content.decode()

    assert SECRET not in page and owner.name not in page and "周恒之" not in page
    assert asked.demand.summary not in page


def test_who_tries_links_is_slowed_down(asked, client):
    for _try in range(30):
        client.get("/still-true/x/")

    assert client.get(asked.path).status_code == 429


def test_two_presses_at_once_confirm_once(asked, writer):
    from catalog.services.reminding import confirm_by_link

    stale = ListingReminder.objects.select_related("demand").get()
    assert confirm_by_link(reminder=asked.reminder, user=writer) == in_days(180)
    # The second had read the reminder before the first was done.
    assert confirm_by_link(reminder=stale, user=writer) is None
    assert events(asked.demand) == 1


def test_an_achievement_has_the_same_link(writer, owner, client):
    achievement = make_achievement(owner=owner, created_by=writer, valid_until=in_days(2))
    reminding.remind()
    path = signed([ListingReminder.objects.get().pk, writer.pk])

    assert client.post(path).status_code == 200
    achievement.refresh_from_db()
    assert achievement.valid_until == in_days(180)


# --- On the page --------------------------------------------------------------------------------


def test_my_listings_say_what_runs_out(client, owner, writer):
    make_demand(owner=owner, valid_until=in_days(5), title="五天后到期的需求")
    make_demand(owner=owner, valid_until=in_days(0), title="今天到期的需求")
    make_demand(owner=owner, valid_until=in_days(90))
    client.force_login(writer)

    page = client.get("/my/demands/").content.decode()
    assert "2 条信息将在 14 天内到期" in page
    assert "还剩 5 天" in page and "今天到期" in page

    page = client.get("/my/demands/?status=ending&sort=ends").content.decode()
    assert page.index("今天到期的需求") < page.index("五天后到期的需求")


def test_strangers_and_managers_are_not_asked(owner, writer):
    make_user(), make_manager()
    make_demand(owner=owner, created_by=writer, valid_until=in_days(10))
    reminding.remind()

    assert list(OutboxMail.objects.values_list("user", flat=True)) == [writer.pk]
