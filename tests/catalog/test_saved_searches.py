"""Saved searches: kept, counted, told of by mail, and ended by one click."""

import datetime as dt
import re
from types import SimpleNamespace
from urllib.parse import quote

import pytest
from django.core.exceptions import ValidationError
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.delivery import deliver
from accounts.models import Membership, OutboxMail
from catalog.links import unsubscribe_link
from catalog.models import SEARCHES_AT_MOST, Demand, ListingEvent, SavedSearch
from catalog.search import SearchResult
from catalog.services import publishing, watching
from catalog.tasks import look_again
from tests.factories import (
    make_achievement,
    make_demand,
    make_manager,
    make_member,
    make_operator,
    make_organization,
    make_user,
)

pytestmark = pytest.mark.django_db

SECRET = "铼含量百分之三的配方"


@pytest.fixture(autouse=True)
def _no_broker(monkeypatch):
    monkeypatch.setattr("accounts.mail.send", lambda *_args: True)


@pytest.fixture
def clock(monkeypatch):
    """The time, which a test moves by itself."""
    # Nine in the morning, after whatever the database or a model stamps by its own clock.
    morning = timezone.localtime().replace(hour=9, minute=0, second=0) + dt.timedelta(days=2)
    now = SimpleNamespace(time=morning)

    def move(**by):
        now.time += dt.timedelta(**by)

    monkeypatch.setattr("django.utils.timezone.now", lambda: now.time)
    return SimpleNamespace(move=move)


@pytest.fixture
def reader(client):
    user = make_member(name="周恒之")
    client.force_login(user)
    return user


def save(user, query="", kind="demand", alert="daily", name="淬火"):
    return watching.save_search(user=user, kind=kind, query=query, name=name, alert=alert)


def publish(clock, **fields):
    """Publish a demand now, as people do: with an event; then let it settle."""
    demand = make_demand(
        valid_until=timezone.localdate() + dt.timedelta(days=300),
        published_at=timezone.now(),
        **fields,
    )
    ListingEvent.objects.create(
        demand=demand, before="submitted", after="published", version=1, created_at=timezone.now()
    )
    clock.move(minutes=11)
    return demand


def mails(mailoutbox):
    """Send what waits; return what has been sent in all."""
    for pk in OutboxMail.objects.filter(state="waiting").values_list("pk", flat=True):
        deliver(mail_id=pk)
    return mailoutbox


def count_of(search):
    watching.count_new()
    search.refresh_from_db()
    return search.new_count


# --- Kept ---------------------------------------------------------------------------------------


def test_the_filters_of_a_list_are_kept_under_a_name_and_lead_back(client, reader):
    query = "q=%E6%B7%AC%E7%81%AB&industry=C34&region=330000&mode=license"
    make_demand()
    page = client.get(f"/demands/?{query}").content.decode()
    [address] = re.findall(r'href="(/my/searches/new/[^"]+)"', page)

    form = client.get(address.replace("&amp;", "&"))
    assert "淬火" in form.content.decode()
    response = client.post(
        "/my/searches/new/",
        {"kind": "demand", "query": query, "name": "我的淬火需求", "alert": "weekly"},
    )

    assert response.status_code == 302
    search = SavedSearch.objects.get()
    assert (search.user, search.kind, search.name) == (reader, "demand", "我的淬火需求")
    assert search.mail_on == timezone.localdate() + dt.timedelta(days=7)
    page = client.get("/my/searches/").content.decode()
    assert "我的淬火需求" in page and "浙江" in page
    assert client.get(search.get_absolute_url()).status_code == 200


def test_a_query_is_kept_in_its_canonical_form_and_once(reader):
    first = save(reader, "region=330000&industry=C34&page=7&utm=x&industry=C34&trl=99")
    second = save(reader, "industry=C34&region=330000", name="另一个名字", alert="page")

    assert first.pk == second.pk
    search = SavedSearch.objects.get()
    assert search.query == "industry=C34&region=330000"
    assert (search.name, search.alert, search.mail_on) == ("另一个名字", "page", None)


def test_there_is_a_bound(client, reader):
    SavedSearch.objects.bulk_create(
        SavedSearch(user=reader, kind="demand", name=f"{n}", query=f"q={n}", mail_on=None)
        for n in range(SEARCHES_AT_MOST)
    )

    with pytest.raises(ValidationError):
        save(reader, "q=one-more")
    response = client.post(
        "/my/searches/new/", {"kind": "demand", "query": "q=x", "name": "x", "alert": "off"}
    )
    assert "已保存 50 个" in response.content.decode()
    save(make_member(), "q=one-more")
    assert SavedSearch.objects.count() == SEARCHES_AT_MOST + 1


@pytest.mark.parametrize(
    "data",
    [
        {"name": "", "alert": "daily"},
        {"name": "长" * 81, "alert": "daily"},
        {"name": "x", "alert": "hourly"},
        {"name": "x"},
    ],
)
def test_a_wrong_form_saves_nothing(client, reader, data):
    response = client.post("/my/searches/new/", {"kind": "demand", "query": "q=x", **data})

    assert response.status_code == 200
    assert not SavedSearch.objects.exists()


@pytest.mark.parametrize("kind", ["", "x", "demand'--", "user"])
def test_there_is_no_other_list(client, reader, kind):
    assert client.get("/my/searches/new/", {"kind": kind}).status_code == 404


@pytest.mark.parametrize(
    "query", ["%00", "&" * 5000, "q=" + "淬" * 5000, "=====", "industry=" + "x" * 9000, "q=%FF%FE"]
)
def test_a_hostile_query_is_kept_as_what_it_means(client, reader, query):
    for address in ("/my/searches/new/", "/my/searches/"):
        assert client.get(address, {"kind": "demand", "query": query}).status_code == 200
    response = client.post(
        "/my/searches/new/", {"kind": "demand", "query": query, "name": "x", "alert": "off"}
    )

    assert response.status_code in (200, 302)
    for search in SavedSearch.objects.all():
        assert len(search.query) < 8000
        assert client.get(search.get_absolute_url()).status_code == 200


def test_a_search_is_renamed_its_alert_changed_and_deleted(client, reader):
    search = save(reader, "industry=C34")
    address = reverse("saved_search_edit", args=[search.pk])

    client.post(address, {"name": "新名字", "alert": "off"})
    search.refresh_from_db()
    assert (search.name, search.alert, search.mail_on) == ("新名字", "off", None)
    assert client.get(reverse("saved_search_delete", args=[search.pk])).status_code == 405
    client.post(reverse("saved_search_delete", args=[search.pk]))
    assert type(search).objects.filter(pk=search.pk).exists()  # it asks first
    client.post(reverse("saved_search_delete", args=[search.pk]), {"sure": "1"})
    assert not SavedSearch.objects.exists()


@pytest.mark.parametrize("who", [make_user, make_manager, make_operator])
def test_nobody_elses_search_is_there(client, who):
    search = save(make_member(), "industry=C34")
    client.force_login(who())

    for name in ("saved_search_edit", "saved_search_open", "saved_search_delete"):
        address = reverse(name, args=[search.pk])
        assert client.post(address, {"name": "x", "alert": "off"}).status_code == 404
    assert "淬火" not in client.get("/my/searches/").content.decode()
    assert SavedSearch.objects.get().name == "淬火"


def test_the_query_count_is_the_same_for_one_search_and_for_ten(
    client, reader, django_assert_num_queries
):
    save(reader, "industry=C34")
    client.get("/my/searches/")
    # Session, user, the searches; the bar: unread, memberships, profile, matches to answer.
    with django_assert_num_queries(7):
        client.get("/my/searches/")
    for trl in range(1, 10):
        save(reader, f"trl={trl}")
    with django_assert_num_queries(7):
        client.get("/my/searches/")


# --- Counted on the page ------------------------------------------------------------------------


def test_what_was_published_since_is_counted_until_the_list_is_opened(client, reader, clock):
    publish(clock, industry="C3451")
    search = save(reader, "industry=C34", alert="page")
    clock.move(hours=1)
    assert count_of(search) == 0
    publish(clock, industry="C3451")
    publish(clock, industry="A0111")
    clock.move(hours=1)

    assert count_of(search) == 1
    assert "查看 1 条新信息" in client.get("/my/searches/").content.decode()
    response = client.post(reverse("saved_search_open", args=[search.pk]))
    assert response.url == "/demands/?industry=C34"
    search.refresh_from_db()
    assert search.new_count == 0
    clock.move(hours=1)
    assert count_of(search) == 0


def test_what_is_being_published_at_this_moment_is_counted_the_next_time(reader, clock):
    """An import's rows bear the time of its beginning and are seen at its end."""
    search = save(reader, "", alert="page")
    clock.move(minutes=1)
    demand = make_demand(published_at=timezone.now())
    assert watching.fresh(search, since=search.seen_until, until=timezone.now()) == [demand.pk]
    assert count_of(search) == 0
    clock.move(minutes=41)
    assert count_of(search) == 1


def test_own_listings_are_no_news(reader, clock):
    search = save(reader, "", alert="page")
    clock.move(minutes=1)
    publish(clock, owner=reader.organizations.get())
    clock.move(hours=1)

    assert count_of(search) == 0


def test_a_listing_that_is_published_again_is_no_news(reader, clock):
    old = publish(clock)
    search = save(reader, "", alert="page")
    clock.move(hours=1)
    Demand.objects.filter(pk=old.pk).update(published_at=timezone.now())
    clock.move(hours=1)

    assert count_of(search) == 0


def test_what_is_off_is_not_counted(reader, clock):
    search = save(reader, "", alert="off")
    clock.move(minutes=1)
    publish(clock)
    clock.move(hours=1)

    assert count_of(search) == 0


def test_of_a_search_by_words_what_is_found_for_the_readers_tier_counts(reader, clock, monkeypatch):
    asked = []

    def find(kind, words, *, tier, limit):
        asked.append((kind, words, tier.name))
        return SearchResult([demand.pk], True, False)

    monkeypatch.setattr("catalog.services.watching.find", find)
    search = save(reader, "q=" + quote("淬火变形"), alert="page")
    clock.move(minutes=1)
    demand = publish(clock)
    publish(clock)
    clock.move(hours=1)

    assert count_of(search) == 1
    assert asked == [("demand", "淬火变形", "MEMBERS")]


# --- By mail ------------------------------------------------------------------------------------


def test_news_come_in_one_mail_and_never_twice(reader, clock, mailoutbox):
    save(reader, "industry=C34")
    save(reader, "region=330000", name="浙江的需求")
    clock.move(minutes=1)
    publish(clock, title="大型套圈淬火", body=f"{SECRET}，淬火后变形，求工艺。")
    look_again()
    assert mails(mailoutbox) == []  # tomorrow

    clock.move(days=1)
    for _strike in range(3):
        look_again()
    [message] = mails(mailoutbox)
    assert message.to == [reader.email]
    assert "2 个检索有 2 条新信息" in message.subject
    for text in (message.body, message.alternatives[0][0]):
        assert "大型套圈淬火" in text and "浙江的需求" in text
        assert SECRET not in text and Demand.objects.get().owner.name not in text
    clock.move(days=1)
    look_again()
    assert len(mails(mailoutbox)) == 1


def test_no_news_no_mail(reader, clock, mailoutbox):
    save(reader, "industry=C34")
    for _day in range(3):
        clock.move(days=1)
        look_again()

    assert mails(mailoutbox) == []


def test_nobody_is_written_to_at_night(reader, clock, mailoutbox):
    save(reader, "")
    clock.move(minutes=1)
    publish(clock)
    clock.move(hours=16)  # one in the morning
    look_again()
    assert mails(mailoutbox) == []
    clock.move(hours=8)
    look_again()
    assert len(mails(mailoutbox)) == 1


def test_weekly_is_weekly(reader, clock, mailoutbox):
    save(reader, "", alert="weekly")
    clock.move(minutes=1)
    for _day in range(15):
        publish(clock)
        look_again()
        mails(mailoutbox)
        clock.move(days=1)

    assert len(mailoutbox) == 2
    told = [int(re.search(r"\((\d+)\)", message.body)[1]) for message in mailoutbox]
    assert told == [8, 7]


def test_a_clock_that_stood_still_tells_everything_once(reader, clock, mailoutbox):
    save(reader, "")
    clock.move(minutes=1)
    for _day in range(3):
        publish(clock)
        clock.move(days=1)
    look_again()

    [message] = mails(mailoutbox)
    assert "3 条新信息" in message.subject


def test_a_mail_names_ten_and_says_how_many_more(reader, clock, mailoutbox):
    save(reader, "")
    clock.move(minutes=1)
    for _n in range(13):
        make_demand(published_at=timezone.now())
    clock.move(days=1)
    look_again()

    [message] = mails(mailoutbox)
    assert message.body.count("/demands/XQ-") == 10
    assert "另有 3 条" in message.body


def test_two_clocks_at_once_write_one_mail(reader, clock, mailoutbox, monkeypatch):
    save(reader, "")
    clock.move(minutes=1)
    publish(clock)
    clock.move(days=1)
    once = watching.fresh

    def meanwhile(search, **times):
        """While the first looks, the second does all of it."""
        monkeypatch.setattr("catalog.services.watching.fresh", once)
        watching.write_news()
        return once(search, **times)

    monkeypatch.setattr("catalog.services.watching.fresh", meanwhile)
    watching.write_news()

    assert len(mails(mailoutbox)) == 1


def test_what_has_left_before_the_mail_goes_is_not_in_it(reader, clock, mailoutbox):
    save(reader, "")
    clock.move(minutes=1)
    gone, stays = publish(clock, title="已撤回的需求"), publish(clock, title="还在的需求")
    clock.move(days=1)
    look_again()
    publishing.withdraw(listing=gone, actor=make_operator())

    [message] = mails(mailoutbox)
    assert "还在的需求" in message.body and "已撤回的需求" not in message.body
    assert stays.number in message.body
    assert "1 条新信息" in message.subject


ENDED = {
    "switched off": lambda reader, search: watching.change_search(
        search=search, name="x", alert="off"
    ),
    "deleted": lambda reader, search: search.delete(),
    "account closed": lambda reader, search: type(reader).objects.update(is_active=False),
    "left the organization": lambda reader, search: Membership.objects.filter(user=reader).update(
        is_active=False
    ),
    "organization not verified": lambda reader, search: reader.organizations.update(
        status="pending"
    ),
}


@pytest.mark.parametrize("ended", ENDED)
def test_who_lost_access_or_interest_gets_nothing(reader, clock, mailoutbox, ended):
    search = save(reader, "")
    clock.move(minutes=1)
    publish(clock)
    clock.move(days=1)
    watching.write_news()
    assert OutboxMail.objects.count() == 1
    ENDED[ended](reader, search)

    assert mails(mailoutbox) == []


def test_a_closed_account_is_not_looked_for(reader, clock):
    save(reader, "")
    type(reader).objects.filter(pk=reader.pk).update(is_active=False)
    clock.move(minutes=1)
    publish(clock)
    clock.move(days=1)

    assert watching.write_news() == watching.count_new() == 0


def test_mails_that_begin_tell_nothing_from_before(reader, clock, mailoutbox):
    search = save(reader, "", alert="page")
    clock.move(minutes=1)
    publish(clock)
    watching.change_search(search=search, name="x", alert="daily")
    clock.move(days=1)
    look_again()

    assert mails(mailoutbox) == []


def test_achievements_have_the_same(reader, clock, mailoutbox):
    save(reader, "", kind="achievement")
    clock.move(minutes=1)
    make_achievement(published_at=timezone.now(), title="双感应器同步淬火")
    clock.move(days=1)
    look_again()

    assert "双感应器同步淬火" in mails(mailoutbox)[0].body


# --- One click ----------------------------------------------------------------------------------


def test_one_click_ends_the_mails_and_opening_the_link_does_not(reader, clock, mailoutbox):
    search = save(reader, "")
    clock.move(minutes=1)
    publish(clock)
    clock.move(days=1)
    look_again()
    [message] = mails(mailoutbox)
    address = message.extra_headers["List-Unsubscribe"].strip("<>")
    path = "/" + address.split("/", 3)[3]
    stranger = Client(enforce_csrf_checks=True)

    assert stranger.get(path).status_code == 200
    search.refresh_from_db()
    assert search.alert == "daily"
    # What a mail program sends by itself.
    response = stranger.post(path, {"List-Unsubscribe": "One-Click"})
    assert response.status_code == 200
    search.refresh_from_db()
    assert (search.alert, search.mail_on) == ("page", None)


@pytest.mark.parametrize("token", ["x", "MQ:1:x"])
def test_a_forged_unsubscription_ends_nothing(client, reader, token):
    search = save(reader, "")

    assert client.post(reverse("saved_searches_unsubscribe", args=[token])).status_code == 410
    search.refresh_from_db()
    assert search.alert == "daily"


def test_the_page_behind_the_link_says_nothing_of_whom_it_is_for(client, reader):
    save(reader, "")
    path = "/" + unsubscribe_link(reader).split("/", 3)[3]

    page = Client().get(path).content.decode()
    assert reader.name not in page and reader.email not in page


def test_what_readers_may_not_know_is_found_by_no_filter(reader, clock):
    """The level is for managers: a member's search for it must not tell it."""
    owner = make_organization()
    member, manager = save(reader, "trl=3", alert="page"), make_manager()
    of_manager = save(manager, "trl=3", alert="page")
    clock.move(minutes=1)
    publish(clock, owner=owner, trl=2, disclosure={"trl": "managers"})
    clock.move(hours=1)

    assert (count_of(member), count_of(of_manager)) == (0, 1)
