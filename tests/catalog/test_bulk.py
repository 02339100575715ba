"""My listings: filtered, ordered, and several at once; ends with reasons; operators' suspension."""

import datetime as dt

import pytest
from django.utils import timezone

from catalog.models import Achievement, Demand, ListingEvent
from catalog.services import bulk, publishing
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


def in_days(days):
    return timezone.localdate() + dt.timedelta(days=days)


@pytest.fixture
def owner():
    return make_organization()


@pytest.fixture
def writer(client, owner):
    user = make_member(owner, role="editor")
    client.force_login(user)
    return user


def post(client, action, listings, **data):
    picked = [getattr(listing, "pk", listing) for listing in listings]
    return client.post("/my/demands/bulk/", {"action": action, "pick": picked, **data})


def page_after(client, response):
    assert response.status_code == 302
    return client.get(response.url).content.decode()


def statuses():
    return dict(Demand.objects.values_list("pk", "status"))


# --- Several at once ----------------------------------------------------------------------------


def test_several_are_confirmed_and_the_rest_is_told_why_not(client, owner, writer):
    live = [make_demand(owner=owner, valid_until=in_days(3)) for _n in range(3)]
    expired = make_demand(owner=owner, status="expired", valid_until=in_days(-3))
    drafts = [make_demand(owner=owner, status="draft") for _n in range(2)]

    page = page_after(client, post(client, "confirm", [*live, expired, *drafts]))

    assert "4 条已确认" in page
    assert "2 条没有处理" in page and drafts[0].number in page
    for demand in [*live, expired]:
        demand.refresh_from_db()
        assert (demand.status, demand.valid_until) == ("published", in_days(180))
    assert set(statuses().values()) == {"published", "draft"}
    # Said once.
    assert "没有处理" not in client.get("/my/demands/").content.decode()


def test_drafts_are_handed_in_and_incomplete_ones_say_what_is_missing(client, owner, writer):
    good = make_demand(owner=owner, status="draft")
    bare = make_demand(owner=owner, status="draft", summary="", region="")

    page = page_after(client, post(client, "submit", [good, bare]))

    assert "1 条已提交审核" in page
    assert "1 条没有处理" in page and "地区" in page
    assert statuses() == {good.pk: "submitted", bare.pk: "draft"}


def test_a_draft_that_gives_its_owner_away_is_not_handed_in(client, writer):
    owner = make_organization(name="恒轴精密轴承有限公司")
    writer.memberships.create(organization=owner, role="owner", is_active=True)
    naming = make_demand(
        owner=owner, status="draft", summary="恒轴精密轴承有限公司求套圈整圈淬火变形控制工艺。"
    )

    page = page_after(client, post(client, "submit", [naming]))

    assert "恒轴精密轴承" in page and "1 条没有处理" in page
    assert statuses() == {naming.pk: "draft"}


@pytest.mark.parametrize(
    ("action", "content"),
    [
        ("withdraw", {"reason": "mistake", "note": ""}),
        ("close", {"status": "closed", "reason": "no_budget", "note": ""}),
    ],
)
def test_what_cannot_be_undone_asks_first(client, owner, writer, action, content):
    demands = [make_demand(owner=owner) for _n in range(2)]

    asked = post(client, action, demands)
    assert asked.status_code == 200
    page = asked.content.decode()
    assert "无法恢复" in page and all(demand.title in page for demand in demands)
    assert set(statuses().values()) == {"published"}

    page = page_after(client, post(client, action, demands, sure="1", **content))
    assert "2 条已" in page
    assert set(statuses().values()) == {{"withdraw": "withdrawn", "close": "closed"}[action]}
    assert set(ListingEvent.objects.values_list("reason", flat=True)) == {content["reason"]}


def test_a_reason_that_is_missing_is_asked_for_and_nothing_is_done(client, owner, writer):
    demand = make_demand(owner=owner)

    for data in ({}, {"reason": "here"}, {"reason": "other", "note": " "}, {"reason": "x"}):
        response = post(client, "withdraw", [demand], sure="1", **data)
        assert response.status_code == 200
    assert statuses() == {demand.pk: "published"}


def test_foreign_listings_are_not_touched_and_not_told_of(client, owner, writer):
    own, foreign = make_demand(owner=owner), make_demand(title="别家的需求")

    response = post(client, "withdraw", [own, foreign], sure="1", reason="mistake")

    assert "别家的需求" not in page_after(client, response)
    assert statuses() == {own.pk: "withdrawn", foreign.pk: "published"}


def test_who_only_reads_for_an_organization_changes_nothing_of_it(client, writer):
    read = make_organization()
    writer.memberships.create(organization=read, role="viewer", is_active=True)
    demand = make_demand(owner=read)

    page = page_after(client, post(client, "confirm", [demand]))

    assert "1 条没有处理" in page
    assert not ListingEvent.objects.exists()


def test_one_refusal_stops_no_other(client, owner, writer):
    """The one in the middle was withdrawn in another window meanwhile."""
    demands = [make_demand(owner=owner) for _n in range(3)]
    publishing.withdraw(listing=demands[1], actor=writer)

    page = page_after(client, post(client, "confirm", demands))

    assert "2 条已确认" in page and "1 条没有处理" in page
    assert demands[1].number in page


def test_the_ticked_are_exported_and_no_others(client, owner, writer):
    demands = [make_demand(owner=owner, title=f"需求第 {n} 号") for n in range(3)]
    foreign = make_demand(title="别家的需求")

    response = post(client, "export", [*demands[:2], foreign])
    assert response.status_code == 302
    answer = client.get(response.url + "&format=csv")
    text = b"".join(answer.streaming_content).decode("utf-8-sig")
    assert "需求第 0 号" in text and "需求第 1 号" in text
    assert "需求第 2 号" not in text and "别家的需求" not in text
    assert not ListingEvent.objects.exists()


def test_more_than_can_be_done_at_once_is_refused_whole(client, owner, writer):
    demand = make_demand(owner=owner)

    page = page_after(client, post(client, "confirm", range(demand.pk, demand.pk + 201)))

    assert f"一次最多 {bulk.AT_MOST} 条" in page
    assert not ListingEvent.objects.exists()


@pytest.mark.parametrize(
    ("action", "picked"),
    [
        ("confirm", []),
        ("confirm", ["x", "-1", "9" * 40, "1; drop", "²"]),
        ("", [1]),
        ("delete", [1]),
        ("confirm", [999_999]),
    ],
)
def test_nonsense_gets_a_sentence(client, owner, writer, action, picked):
    response = post(client, action, picked)

    assert "kq-note bad" in page_after(client, response)
    assert not ListingEvent.objects.exists()


def test_one_returns_to_the_same_part_of_the_list_and_nowhere_else(client, owner, writer):
    demand = make_demand(owner=owner)

    response = post(client, "confirm", [demand], back="show=published&sort=ends&page=2")
    assert response.url == "/my/demands/?show=published&sort=ends"
    response = post(client, "confirm", [demand], back="//evil.example/")
    assert response.url == "/my/demands/"


def test_a_bulk_act_is_no_link(client, writer):
    assert client.get("/my/demands/bulk/").status_code == 405


def test_two_hundred_take_a_bounded_number_of_queries_each(
    client, owner, writer, django_assert_max_num_queries
):
    few = [make_demand(owner=owner) for _n in range(10)]

    with django_assert_max_num_queries(12 + 10 * 8):
        post(client, "confirm", few)


# --- Filters and order --------------------------------------------------------------------------


def titles(client, query):
    page = client.get(f"/my/demands/?{query}")
    assert page.status_code == 200
    return [row["listing"].title for row in page.context["rows"]]


def test_my_listings_are_filtered_by_status_and_ordered(client, owner, writer):
    make_demand(owner=owner, title="乙", valid_until=in_days(90))
    make_demand(owner=owner, title="甲", valid_until=in_days(30))
    make_demand(owner=owner, title="丙", status="draft", valid_until=None)

    assert titles(client, "status=published&sort=ends") == ["甲", "乙"]
    assert titles(client, "status=draft") == ["丙"]
    assert titles(client, "sort=ends") == ["甲", "乙", "丙"]
    assert titles(client, "sort=changed") == titles(client, "") == ["丙", "甲", "乙"]
    assert titles(client, "show=todo") == ["丙"]


@pytest.mark.parametrize("query", ["status=x", "sort=pk", "show=%00", "per=100000", "page=-1"])
def test_nonsense_in_the_address_shows_everything(client, owner, writer, query):
    make_demand(owner=owner)

    assert len(titles(client, query)) == 1


def test_a_page_holds_as_many_rows_as_one_act_takes(client, owner, writer):
    for _n in range(25):
        make_demand(owner=owner)

    assert len(titles(client, "")) == 20
    assert len(titles(client, "per=200")) == 25


def test_the_query_count_is_the_same_for_one_row_and_for_ten(
    client, owner, writer, django_assert_num_queries
):
    make_demand(owner=owner)
    client.get("/my/demands/")
    # Session, user; counts by group; rows counted, rows; may write; the bar: what is unread,
    # memberships, profile, organizations to answer for, what is on the desks.
    # nine of the list, and three for how far the search for partners is (`catalog.partners`)
    with django_assert_num_queries(14):
        client.get("/my/demands/")
    for _n in range(9):
        make_demand(owner=owner)
    with django_assert_num_queries(14):
        client.get("/my/demands/?status=published&sort=ends")


# --- Reasons for an end -------------------------------------------------------------------------


def end(client, listing, act, **data):
    response = client.post(f"{listing.get_absolute_url()}{act}/", data)
    listing.refresh_from_db()
    return response


@pytest.mark.parametrize(
    ("make", "status", "reason", "note", "allowed"),
    [
        (make_demand, "fulfilled", "", "", True),
        (make_demand, "fulfilled", "here", "", True),
        (make_demand, "fulfilled", "no_budget", "", False),
        (make_demand, "closed", "", "", False),
        (make_demand, "closed", "no_budget", "", True),
        (make_demand, "closed", "here", "", False),
        (make_demand, "closed", "other", "", False),
        (make_demand, "closed", "other", "工厂已搬迁", True),
        (make_demand, "closed", "vague", "", False),
        (make_achievement, "transferred", "elsewhere", "", True),
        (make_achievement, "transferred", "alone", "", False),
        (make_achievement, "closed", "obsolete", "", True),
        (make_achievement, "closed", "no_budget", "", False),
    ],
)
def test_a_listing_ends_with_a_reason_that_fits(
    client, owner, writer, make, status, reason, note, allowed
):
    listing = make(owner=owner)

    response = end(client, listing, "close", status=status, reason=reason, note=note)

    assert response.status_code == (302 if allowed else 200)
    assert listing.status == (status if allowed else "published")
    if allowed:
        assert ListingEvent.objects.get().reason == reason
        assert reason == "" or "kq-tl" in client.get(listing.get_absolute_url()).content.decode()


def test_a_published_listing_is_withdrawn_with_a_reason_and_a_draft_without(client, owner, writer):
    live, draft = make_demand(owner=owner), make_demand(owner=owner, status="draft")

    assert end(client, live, "withdraw").status_code == 200
    assert live.status == "published"
    assert end(client, live, "withdraw", reason="kept_back").status_code == 302
    assert end(client, draft, "withdraw").status_code == 302
    assert (live.status, draft.status) == ("withdrawn", "withdrawn")
    page = client.get(live.get_absolute_url()).content.decode()
    assert "暂时需要保密" in page


# --- Suspension ---------------------------------------------------------------------------------


def test_an_operator_suspends_with_a_reason_and_lets_back(client, owner):
    demand, operator = make_demand(owner=owner), make_operator(name="运营甲")
    client.force_login(operator)
    page = client.get(demand.get_absolute_url()).content.decode()
    assert f"{demand.get_absolute_url()}suspend/" in page

    assert end(client, demand, "suspend", note=" ").status_code == 200
    assert demand.status == "published"
    assert end(client, demand, "suspend", note="有人举报，核实中").status_code == 302
    assert demand.status == "suspended"
    assert end(client, demand, "suspend", note="再来一次").status_code == 409
    assert end(client, demand, "resume").status_code == 302
    assert demand.status == "published"
    assert end(client, demand, "resume").status_code == 409

    rows = ListingEvent.objects.order_by("pk").values_list("actor", "before", "after", "note")
    assert list(rows) == [
        (operator.pk, "published", "suspended", "有人举报，核实中"),
        (operator.pk, "suspended", "published", ""),
    ]


def test_the_owner_reads_why_it_is_suspended_but_not_by_whom(client, owner, writer):
    demand = make_demand(owner=owner)
    publishing.suspend(listing=demand, actor=make_operator(name="运营甲"), note="有人举报，核实中")

    page = client.get(demand.get_absolute_url()).content.decode()
    assert "有人举报，核实中" in page and "运营甲" not in page and "运营人员" in page


def test_an_operator_of_the_side_neither_suspends_nor_lets_back(client, owner):
    operator = make_operator()
    operator.memberships.create(organization=owner, role="viewer", is_active=True)
    client.force_login(operator)
    demand = make_demand(owner=owner)

    assert end(client, demand, "suspend", note="自家的").status_code == 403
    publishing.suspend(listing=demand, actor=make_operator(), note="核实中")
    assert end(client, demand, "resume").status_code == 403
    assert demand.status == "suspended"


@pytest.mark.parametrize("make", [make_user, make_manager, make_member])
def test_nobody_else_suspends(client, make):
    demand = make_demand()
    client.force_login(make())

    assert end(client, demand, "suspend", note="不行").status_code == 403
    assert not ListingEvent.objects.exists()
    assert Achievement.objects.count() == 0
