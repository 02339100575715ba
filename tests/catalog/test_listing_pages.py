"""Pages of a list: what a cursor leads to, what a facet counts for whom, what memory holds."""

import datetime as dt
from urllib.parse import parse_qsl

import pytest
from django.http import QueryDict
from django.utils import timezone

from accounts.permissions import Tier
from catalog import search, snapshot
from catalog.facets import FACETS, VALUES_LIMIT, Filters
from catalog.listing_pages import Catalogue, listing_page
from catalog.models import Achievement, Demand
from catalog.search import SearchResult
from catalog.services.publishing import withdraw
from tests.factories import (
    make_achievement,
    make_demand,
    make_manager,
    make_member,
    make_operator,
    make_organization,
)

pytestmark = pytest.mark.django_db


def read(kind="demand", **query):
    return Filters.read(kind, QueryDict("&".join(f"{k}={v}" for k, v in query.items())))


def pks(page):
    return [row.pk for row in page.rows]


def walk(filters, tier=Tier.PUBLIC, size=3):
    """Follow “next” to the end, then “previous” back; return both walks."""
    pages, page = [], listing_page(filters, tier, size=size)
    while True:
        pages.append(page)
        if not page.after:
            break
        page = listing_page(filters, tier, after=page.after, size=size)
    back = [page]
    while page.before:
        page = listing_page(filters, tier, before=page.before, size=size)
        back.append(page)
    return pages, back


def option_counts(kind, facet, tier=Tier.PUBLIC, **query):
    facets = Catalogue(read(kind, **query), tier).facets
    return {
        option.value: option.count
        for one in facets
        if one.name == facet
        for option in (*one.options, *(finer for top in one.options for finer in top.finer))
        if option.count
    }


# --- Cursors ------------------------------------------------------------------------------------


@pytest.mark.parametrize("sort", ["", "ending", "confirmed", "money"])
def test_equal_values_are_neither_skipped_nor_shown_twice(sort):
    now = timezone.now()
    day = timezone.localdate() + dt.timedelta(days=9)
    rows = [
        make_demand(published_at=now, confirmed_at=now, valid_until=day, money_max=500_000)
        for _ in range(8)
    ]

    pages, back = walk(read(sort=sort))

    seen = [pk for page in pages for pk in pks(page)]
    assert seen == sorted((row.pk for row in rows), reverse=True)
    assert [page.first for page in pages] == [1, 4, 7]
    assert {page.count for page in pages} == {8}
    # Backwards a page may begin earlier, for the first one is full.
    assert pks(back[-1]) == pks(pages[0])
    assert back[-1].before == ""


def test_what_comes_in_meanwhile_moves_no_page():
    now = timezone.now()
    rows = [make_demand(published_at=now - dt.timedelta(hours=n)) for n in range(6)]
    first = listing_page(read(), Tier.PUBLIC, size=3)
    for _ in range(4):
        make_demand(published_at=now + dt.timedelta(minutes=1))

    second = listing_page(read(), Tier.PUBLIC, after=first.after, size=3)

    assert pks(second) == [row.pk for row in rows[3:]]
    assert second.first == 8


@pytest.mark.parametrize(
    "cursor",
    [
        "x",
        "1",
        "-",
        "1-",
        "-1-",
        "1-2-3",
        "9" * 50 + "-1",
        "1-" + "9" * 50,
        "1e3-5",
        "\x00",
        "１-２",
    ],
)
def test_a_broken_cursor_gives_the_first_page(cursor):
    rows = [make_demand() for _ in range(4)]
    for name in ("after", "before"):
        page = listing_page(read(), Tier.PUBLIC, size=3, **{name: cursor})
        assert page.first == 1 and len(page.rows) == 3
        assert pks(page)[0] == rows[-1].pk


def test_behind_the_last_row_stands_the_last_page():
    for _ in range(4):
        make_demand()
    page = listing_page(read(), Tier.PUBLIC, after="0-1", size=3)
    assert (page.first, len(page.rows), page.after) == (4, 1, "")


def test_the_cursor_of_a_row_that_has_left_still_works():
    rows = [make_demand() for _ in range(5)]
    first = listing_page(read(), Tier.PUBLIC, size=2)
    withdraw(listing=rows[3], actor=make_member(rows[3].owner))

    assert pks(listing_page(read(), Tier.PUBLIC, after=first.after, size=2)) == [
        rows[2].pk,
        rows[1].pk,
    ]


def test_an_answer_to_a_search_is_paged_in_its_own_order(monkeypatch):
    rows = [make_demand() for _ in range(7)]
    order = [rows[n].pk for n in (3, 0, 6, 2, 5, 1, 4)]
    monkeypatch.setattr(search, "_backend", lambda *_: SearchResult(order, True, False))

    pages, back = walk(read(q="淬火"))

    assert [pk for page in pages for pk in pks(page)] == order
    assert pks(back[-1]) == order[:3]
    assert pks(listing_page(read(q="淬火", sort="newest"), Tier.PUBLIC, size=3)) == [
        rows[6].pk,
        rows[5].pk,
        rows[4].pk,
    ]


# --- Order --------------------------------------------------------------------------------------


def test_each_order_is_what_it_says():
    now, today = timezone.now(), timezone.localdate()
    old = make_achievement(
        published_at=now - dt.timedelta(days=9), confirmed_at=now, money_min=10_000_000,
        valid_until=today + dt.timedelta(days=50),
    )  # fmt: skip
    cheap = make_achievement(money_min=10_000, valid_until=None)
    open_price = make_achievement(money_min=None, valid_until=today)

    def order(sort):
        return pks(listing_page(read("achievement", sort=sort), Tier.PUBLIC))

    assert order("newest") == [open_price.pk, cheap.pk, old.pk]
    assert order("ending") == [open_price.pk, old.pk, cheap.pk]
    assert order("money") == [cheap.pk, old.pk, open_price.pk]
    assert order("confirmed")[-1] in {cheap.pk, old.pk}
    assert order("best") == order("") == order("newest")


# --- Tiers --------------------------------------------------------------------------------------


@pytest.mark.parametrize("tier", list(Tier)[:3])
@pytest.mark.parametrize("closed_to", ["members", "managers", "introduced"])
def test_what_is_withheld_is_not_filtered_counted_or_ordered_by(tier, closed_to):
    names = {"members": Tier.MEMBERS, "managers": Tier.MANAGERS, "introduced": Tier.INTRODUCED}
    may = tier >= names[closed_to]
    hidden = make_achievement(
        trl=8, money_min=70_000, disclosure={"trl": closed_to, "money": closed_to}
    )
    shown = make_achievement(trl=2, money_min=90_000)

    def found(**query):
        return set(pks(listing_page(read("achievement", **query), tier)))

    assert found(trl="8") == ({hidden.pk} if may else set())
    assert found(trl="1") == {shown.pk, *([hidden.pk] if may else [])}
    assert found(money="0-100000") == {shown.pk, *([hidden.pk] if may else [])}
    # Not even as one that says nothing.
    assert found(money="open") == set()
    assert option_counts("achievement", "trl", tier)["1"] == (2 if may else 1)
    assert option_counts("achievement", "trl", tier).get("8", 0) == (1 if may else 0)
    assert option_counts("achievement", "money", tier) == {"0-100000": 2 if may else 1}
    order = pks(listing_page(read("achievement", sort="money"), tier))
    assert order == ([hidden.pk, shown.pk] if may else [shown.pk, hidden.pk])


def test_a_demand_that_withholds_its_level_is_under_none():
    make_demand(trl=None, disclosure={"trl": "managers"})
    make_demand(trl=None)
    assert option_counts("demand", "trl", Tier.PUBLIC) == {str(n): 1 for n in range(1, 10)}
    assert option_counts("demand", "trl", Tier.MANAGERS) == {str(n): 2 for n in range(1, 10)}


def test_a_narrower_tier_holds_at_once_though_memory_is_older(settings):
    listing = make_achievement(trl=8)
    assert pks(listing_page(read("achievement", trl="8"), Tier.PUBLIC)) == [listing.pk]

    settings.LISTINGS_REFRESH_SECONDS = 3600
    Achievement.objects.update(disclosure={"trl": "managers"}, updated_at=timezone.now())

    assert pks(listing_page(read("achievement", trl="8"), Tier.PUBLIC)) == []
    assert pks(listing_page(read("achievement", trl="8"), Tier.MANAGERS)) == [listing.pk]


def test_pages_go_by_the_tier_of_their_reader(client):
    make_achievement(trl=8, disclosure={"trl": "members"})
    visitor = client.get("/achievements/", {"trl": "8"})
    assert visitor.context["page"].count == 0
    for user in (make_member(), make_manager(), make_operator()):
        client.force_login(user)
        assert client.get("/achievements/", {"trl": "8"}).context["page"].count == 1


# --- Facets -------------------------------------------------------------------------------------


def test_every_facet_counts_and_filters_alike():
    university = make_organization(kind="university")
    institute = make_organization(kind="institute")
    old = timezone.now() - dt.timedelta(days=40)
    make_achievement(
        owner=university, ipc=["C21D", "C21C"], emerging=["3.1"], language="zh",
        money_min=200_000, industry="C3451",
    )  # fmt: skip
    make_achievement(
        owner=institute, ipc=["C21D", "H01M"], emerging=["3.1", "5.2"], language="en",
        money_min=None, industry="C26", published_at=old,
    )  # fmt: skip
    expected = {
        "owner": {"university": 1, "institute": 1},
        "ipc": {"C": 2, "H": 1},
        "emerging": {"3": 2, "5": 1},
        "language": {"zh": 1, "en": 1},
        "money": {"100000-500000": 1, "open": 1},
        "fresh": {"7": 1, "30": 1, "90": 2},
        "industry": {"C": 2},
    }
    for facet, counts in expected.items():
        assert option_counts("achievement", facet) == counts, facet
        for value, count in counts.items():
            assert listing_page(read("achievement", **{facet: value}), Tier.PUBLIC).count == count
    # A chosen class opens the finer ones; a listing with two of them counts once in each.
    assert option_counts("achievement", "ipc", ipc="C") == {"C": 2, "C21": 2, "H": 1}
    assert option_counts("achievement", "ipc", ipc="C21D")["C21D"] == 2
    assert option_counts("achievement", "emerging", emerging="5") == {"3": 2, "5": 1, "5.2": 1}
    assert option_counts("achievement", "industry", industry="C3451") == {
        "C": 2, "C34": 1, "C26": 1, "C3451": 1,
    }  # fmt: skip


def test_a_query_is_written_as_it_is_read():
    query = (
        "q=%E6%B7%AC%E7%81%AB&industry=C&industry=C34&region=330000&money=open&trl=7&mode=license"
        "&fresh=30&owner=university&emerging=3.1&ipc=C21D&language=en&sort=ending"
    )
    filters = Filters.read("achievement", QueryDict(query))
    assert sorted(parse_qsl(filters.query_string())) == sorted(parse_qsl(query))
    assert {chip.facet for chip in filters.chips()} == set(FACETS)
    assert Filters.read("achievement", QueryDict(filters.query_string())) == filters


def test_a_thousand_values_are_cut():
    many = "&".join(f"region={n:06d}&industry=X{n}&junk{n}=1" for n in range(300))
    assert Filters.read("demand", QueryDict(many)).used() == []
    assert len(Filters.read("demand", QueryDict("industry=C&" * 900)).industry) == 1
    assert VALUES_LIMIT < 100


def test_more_parameters_than_a_form_has_are_refused(client):
    response = client.get("/demands/?" + "industry=C&" * 3000)
    assert response.status_code == 400


# --- Numbers and codes --------------------------------------------------------------------------


@pytest.mark.parametrize("spelled", ["{0}", "  {1} ", "{2}"])
def test_a_number_leads_to_its_listing(client, spelled):
    wanted, _other = make_demand(title="要找的"), make_demand()
    number = wanted.number
    text = spelled.format(number, number.lower(), number.replace("-", " "))
    response = client.get("/demands/", {"q": text})
    assert [row.pk for row in response.context["page"].rows] == [wanted.pk]


def test_a_number_of_the_other_list_is_pointed_at(client):
    achievement = make_achievement(title="另一边的成果")
    page = client.get("/demands/", {"q": achievement.number}).content.decode()
    assert "这是一项成果的编号" in page
    assert achievement.get_absolute_url() in page


@pytest.mark.parametrize("status", ["draft", "submitted", "withdrawn", "suspended", "expired"])
def test_a_number_of_what_is_hidden_finds_nothing(client, status):
    hidden = make_demand(title="藏着的标题", status=status)
    for path in ("/demands/", "/achievements/"):
        page = client.get(path, {"q": hidden.number}).content.decode()
        assert "藏着的标题" not in page
        assert "编号：" not in page


@pytest.mark.parametrize("code", ["C21D", "c21d", "C34", "C3451", "3.1"])
def test_the_code_of_a_class_finds_its_listings_first(code, monkeypatch):
    monkeypatch.setattr(search, "_backend", lambda *_: SearchResult([], True, False))
    wanted = make_demand(industry="C3451", ipc=["C21D"], emerging=["3.1"])
    make_demand(industry="I65", ipc=["H01M"], emerging=["5.2"])
    assert pks(listing_page(read(q=code), Tier.PUBLIC)) == [wanted.pk]


# --- Memory -------------------------------------------------------------------------------------


def test_memory_follows_what_is_published_changed_and_withdrawn():
    first = make_demand()
    assert listing_page(read(), Tier.PUBLIC).count == 1
    second = make_demand(region="110100")
    assert listing_page(read(), Tier.PUBLIC).count == 2
    withdraw(listing=first, actor=make_member(first.owner))
    assert pks(listing_page(read(), Tier.PUBLIC)) == [second.pk]
    assert option_counts("demand", "region") == {"110000": 1}


def test_a_row_that_is_live_no_more_is_never_shown_though_memory_has_it(settings):
    rows = [make_demand() for _ in range(4)]
    listing_page(read(), Tier.PUBLIC)
    settings.LISTINGS_REFRESH_SECONDS = 3600
    Demand.objects.filter(pk=rows[3].pk).update(status="withdrawn")

    page = listing_page(read(), Tier.PUBLIC, size=2)

    assert pks(page) == [rows[2].pk, rows[1].pk]
    assert page.count == 3
    # And memory has learned it.
    assert len(snapshot.live("demand").columns) == 3


def test_what_ends_today_is_live_and_what_ended_yesterday_is_not():
    today = timezone.localdate()
    last = make_demand(valid_until=today)
    make_demand(valid_until=today - dt.timedelta(days=1))
    assert pks(listing_page(read(), Tier.PUBLIC)) == [last.pk]
    assert option_counts("demand", "language") == {"zh": 1}


def test_memory_is_read_anew_now_and_then(monkeypatch):
    make_demand()
    listing_page(read(), Tier.PUBLIC)
    started = []
    keeper = snapshot._keepers["demand"]
    monkeypatch.setattr(keeper, "_renew_behind", lambda: started.append(1))
    monkeypatch.setattr(keeper, "_renewed", keeper._renewed - snapshot.RENEW_SECONDS - 1)
    listing_page(read(), Tier.PUBLIC)
    assert started == [1]


def test_an_empty_list_names_the_way_out_even_where_no_single_filter_helps(client):
    make_demand(industry="C34", region="330100", trl=7, modes=["license"])
    page = client.get("/demands/", {"industry": "I", "region": "110000", "mode": "transfer"})
    assert "去掉“所有条件”有 1 项" in page.content.decode()
