"""Finding and reading listings: what each reader sees, and what hostile addresses get."""

import datetime as dt
import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.permissions import Tier
from catalog import search
from catalog.facets import FACETS, QUERY_LIMIT
from catalog.search import SearchResult
from catalog.workflow import ListingStatus
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

HIDDEN_NAME = "云州恒轴轴承有限公司"


def hidden_owner(**fields):
    return make_organization(
        name=HIDDEN_NAME,
        contact_name="周敏明",
        contact_phone="0571-88886666",
        contact_email="zhou@hengzhou.example",
        **fields,
    )


def text_of(response):
    return response.content.decode()


def titles(response):
    return re.findall(r'<span class="kq-tt"[^>]*>(.*?)</span>', text_of(response))


def counts(response, name):
    """What a facet of a list offers, and how many rows stand behind it."""
    for facet in (*response.context["facets"], *response.context["more_facets"]):
        if facet.name == name:
            return {option.value: option.count for option in facet.options}
    return {}


# --- Lists ------------------------------------------------------------------------------------


def test_a_visitor_finds_what_is_published_and_nothing_else(client):
    make_demand(title="公开的需求")
    for status in ListingStatus.values:
        if status != ListingStatus.PUBLISHED:
            make_demand(status=status, title=f"藏着的 {status}")
    make_demand(title="昨天到期的", valid_until=timezone.localdate() - dt.timedelta(days=1))

    response = client.get("/demands/")

    assert titles(response) == ["公开的需求"]
    assert "共 1 项需求" in text_of(response)


@pytest.mark.parametrize("path", ["/demands/", "/achievements/"])
def test_no_list_names_an_owner(client, path):
    make_demand(owner=hidden_owner())
    make_achievement(owner=make_organization(kind="university", name="云州理工大学"))

    page = text_of(client.get(path))

    assert HIDDEN_NAME not in page
    assert "云州理工大学" not in page
    assert "zhou@hengzhou.example" not in page
    assert "装备制造" in page


def test_words_are_answered_in_the_order_of_the_search(client, monkeypatch):
    first, second = make_demand(title="第一"), make_demand(title="第二")
    make_demand(title="无关")
    asked = []

    def backend(kind, words, tier, limit):
        asked.append((kind, words, tier))
        return SearchResult([second.pk, first.pk], by_meaning=True, fallback=False)

    monkeypatch.setattr(search, "_backend", backend)
    response = client.get("/demands/", {"q": "  淬火   变形 "})

    assert titles(response) == ["第二", "第一"]
    assert asked == [("demand", "淬火 变形", Tier.PUBLIC)]
    assert "“淬火 变形”找到 2 项需求" in text_of(response)


@pytest.mark.parametrize(
    ("who", "tier"),
    [("member", Tier.MEMBERS), ("stranger", Tier.PUBLIC), ("manager", Tier.MANAGERS)],
)
def test_the_search_knows_how_far_the_reader_may_read(client, monkeypatch, who, tier):
    asked = []

    def backend(kind, words, tier, limit):
        asked.append(tier)
        return SearchResult([], by_meaning=False, fallback=False)

    monkeypatch.setattr(search, "_backend", backend)
    users = {"member": make_member, "stranger": make_user, "manager": make_manager}
    client.force_login(users[who]())

    client.get("/demands/", {"q": "淬火"})

    assert asked == [tier]


def test_a_visitor_finds_nothing_by_words_of_a_description(client):
    make_demand(body="只有正文里才提到超声喷丸工艺，其他地方都没有写。")
    assert titles(client.get("/demands/", {"q": "超声喷丸"})) == []


def test_it_says_so_when_the_meaning_could_not_be_searched(client, monkeypatch):
    demand = make_demand()
    monkeypatch.setattr(
        search, "_backend", lambda *args: SearchResult([demand.pk], by_meaning=False, fallback=True)
    )
    assert "智能检索暂时不可用，先按词语查找。" in text_of(client.get("/demands/", {"q": "淬火"}))


def test_a_hit_that_has_just_been_withdrawn_is_not_shown(client, monkeypatch):
    gone = make_demand(status=ListingStatus.WITHDRAWN)
    monkeypatch.setattr(search, "_backend", lambda *args: SearchResult([gone.pk], True, False))
    assert titles(client.get("/demands/", {"q": "淬火"})) == []


def test_filters_narrow_each_other_and_values_widen(client):
    make_demand(title="甲", industry="C3451", region="330100", trl=5, modes=["license"])
    make_demand(title="乙", industry="C26", region="320500", trl=8, modes=["transfer"])
    make_demand(title="丙", industry="I65", region="330200", trl=None, modes=["license", "service"])

    def found(**query):
        return set(titles(client.get("/demands/", query)))

    assert found(industry=["C"]) == {"甲", "乙"}
    assert found(industry=["C", "C34"]) == {"甲"}
    assert found(industry=["C34", "I"]) == {"甲", "丙"}
    assert found(region=["330000"]) == {"甲", "丙"}
    assert found(region=["330000", "320000"]) == {"甲", "乙", "丙"}
    assert found(mode=["license"]) == {"甲", "丙"}
    # A demand without a level takes any.
    assert found(trl="6") == {"甲", "丙"}
    assert found(industry=["C"], region=["330000"], trl="9", mode=["license"]) == {"甲"}


def test_achievements_are_filtered_by_the_level_reached(client):
    make_achievement(title="早", trl=3)
    make_achievement(title="熟", trl=8)
    make_achievement(title="未写", trl=None)
    assert titles(client.get("/achievements/", {"trl": "6"})) == ["熟"]


def test_counts_stand_under_the_other_filters(client):
    make_demand(industry="C3451", region="330100")
    make_demand(industry="C26", region="320500")
    make_demand(industry="I65", region="330100")

    page = client.get("/demands/", {"region": "330000"})
    assert counts(page, "industry") == {"C": 1, "I": 1}
    assert counts(page, "region") == {"330000": 2, "320000": 1}


def test_a_chosen_value_stays_though_nothing_is_left_of_it(client):
    make_demand(region="330100", industry="C34")
    page = client.get("/demands/", {"region": "330000", "industry": "I"})
    [industry] = [facet for facet in page.context["facets"] if facet.name == "industry"]
    assert [(o.value, o.count) for o in industry.options if o.chosen] == [("I", 0)]
    # It names the filter that empties the list.
    assert "去掉“信息传输、软件和信息技术服务业”有 1 项" in text_of(page)


def test_a_filter_can_be_taken_off_alone(client):
    make_demand()
    page = text_of(client.get("/demands/", {"industry": "C", "region": "330000", "trl": "9"}))
    assert "?region=330000&amp;trl=9" in page
    assert "?industry=C&amp;trl=9" in page
    assert "?industry=C&amp;region=330000" in page


@pytest.mark.parametrize(
    ("asked", "first"),
    [
        ("2", 21),
        ("abc", 1),
        ("", 1),
        ("0", 1),
        ("-3", 1),
        ("999", 21),
        ("9" * 5000, 21),
        ("1e3", 1),
        ("٢", 1),
        ("2\x00", 1),
        ("1 OR 1=1", 1),
    ],
)
def test_an_old_address_with_a_page_number_leads_to_that_page(client, asked, first):
    for _number in range(21):
        make_demand()
    response = client.get("/demands/", {"page": asked, "industry": "C"}, follow=True)
    [(address, code)] = response.redirect_chain
    assert code == 302
    assert address.startswith("/demands/?industry=C")
    assert response.context["page"].first == first


HOSTILE = [
    "<script>alert(1)</script>",
    "'; DROP TABLE catalog_demand; --",
    "%' OR '1'='1",
    "\x00\x01\x1b[31m",
    "\u202eevil\u2066\u200b",
    "💣" * 300,
    "\\" * 100 + "%_" * 100,
    "a" * 10_000,
    "(" * 3000,
]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_queries_get_a_page(client, text):
    make_demand()
    names = (*FACETS, "q", "sort", "after", "before")
    response = client.get("/demands/", dict.fromkeys(names, text))
    assert response.status_code == 200
    assert "<script>alert" not in text_of(response)
    assert "\u202e" not in text_of(response)


def test_a_long_query_is_cut_with_a_sentence(client):
    response = client.get("/demands/", {"q": "长" * 10_000})
    assert response.context["filters"].words == "长" * QUERY_LIMIT
    assert f"只用前 {QUERY_LIMIT} 个字" in text_of(response)


def test_the_script_gets_the_results_alone_and_a_clean_address(client):
    make_demand()
    response = client.get("/demands/?q=&industry=C&trl=", headers={"HX-Request": "true"})
    page = text_of(response)
    assert "<html" not in page
    assert 'hx-swap-oob="innerHTML:#facets"' in page
    assert response.headers["HX-Push-Url"] == "/demands/?industry=C"
    assert "HX-Request" in response.headers["Vary"]


def test_going_back_gets_the_whole_page(client):
    headers = {"HX-Request": "true", "HX-History-Restore-Request": "true"}
    assert "<html" in text_of(client.get("/demands/", headers=headers))


def test_lists_are_read_only(client):
    assert client.post("/demands/").status_code == 405


def test_an_empty_list_says_so(client):
    assert "这里还没有发布的内容" in text_of(client.get("/achievements/"))


def test_both_languages(client):
    make_demand(money_max=3_800_000)
    chinese = text_of(client.get("/demands/", headers={"Accept-Language": "zh-CN"}))
    english = text_of(client.get("/demands/", headers={"Accept-Language": "en"}))
    assert "共 1 项需求" in chinese
    assert "1 demand" in english
    assert "CNY" in english


@pytest.mark.parametrize(
    ("query", "queries"),
    [
        ({}, 3),
        ({"industry": "C", "trl": "9", "mode": "license", "money": "1000000-5000000"}, 3),
        ({"sort": "ending", "fresh": "7"}, 3),
        # A search asks for the model in use, counts its words and asks both legs besides.
        ({"q": "淬火"}, 7),
        ({"q": "淬火", "region": "330000"}, 7),
    ],
)
def test_a_list_costs_the_same_for_one_row_and_for_thirty(client, query, queries):
    def cost():
        with CaptureQueriesContext(connection) as queries:
            assert client.get("/demands/", query).status_code == 200
        return len(queries)

    make_demand(title="淬火")
    client.get("/demands/", query)
    make_demand(title="淬火")
    once = cost()
    for _number in range(28):
        make_demand(title="淬火")

    # Counts, order and number of the page come from memory: what has changed lately (two, for
    # rows have come in), and the rows with their owners.
    assert once == cost() == queries


# --- One listing ----------------------------------------------------------------------------------


def test_a_visitor_reads_the_public_part_alone(client):
    demand = make_demand(owner=hidden_owner(), body="正文只给会员看，讲现场条件和试过的办法。" * 2)
    page = text_of(client.get(demand.get_absolute_url()))
    assert demand.title in page
    assert demand.summary in page
    assert "圆度变形" in page
    assert "≤\xa00.35\xa0mm" in page
    assert "正文只给会员看" not in page
    assert HIDDEN_NAME not in page
    assert "周敏明" not in page
    assert "登录后阅读" in page


@pytest.mark.parametrize(
    ("who", "body", "name"),
    [
        ("stranger", False, False),
        ("member of an unverified organization", False, False),
        ("member", True, False),
        ("manager", True, False),
        ("own viewer", True, True),
        ("operator", True, True),
    ],
)
def test_each_tier_reads_as_far_as_it_goes(client, who, body, name):
    owner = hidden_owner()
    demand = make_demand(owner=owner, body="正文只给会员看，讲现场条件和试过的办法。" * 2)
    user = {
        "stranger": make_user,
        "member of an unverified organization": lambda: make_member(
            make_organization(status="pending")
        ),
        "member": make_member,
        "manager": make_manager,
        "own viewer": lambda: make_member(owner, role="viewer"),
        "operator": make_operator,
    }[who]()
    client.force_login(user)

    page = text_of(client.get(demand.get_absolute_url()))

    assert ("正文只给会员看" in page) == body
    # The top bar names one's own organization; the page itself must too, or not at all.
    assert (HIDDEN_NAME in page.partition("<main")[2]) == name
    assert "zhou@hengzhou.example" not in page


@pytest.mark.parametrize(
    "number",
    ["XQ-2026-99999999", "XQ-1999-0001", "CG-2026-0001", "x", "%00", "XQ-2026-1", "../etc"],
)
def test_an_unknown_number_is_not_found(client, number):
    make_demand()
    assert client.get(f"/demands/{number}/").status_code == 404


def test_what_is_hidden_is_not_found(client):
    owner = hidden_owner()
    demands = [
        make_demand(owner=owner, status=status)
        for status in ListingStatus.values
        if status != ListingStatus.PUBLISHED
    ]
    own = make_member(owner)
    for demand in demands:
        client.logout()
        assert client.get(demand.get_absolute_url()).status_code == 404
        client.force_login(make_member())
        assert client.get(demand.get_absolute_url()).status_code == 404
        client.force_login(own)
        assert client.get(demand.get_absolute_url()).status_code == 200


def test_a_demand_is_not_found_among_the_achievements(client):
    demand = make_demand()
    assert client.get(f"/achievements/{demand.number}/").status_code == 404


def test_hostile_contents_are_shown_as_text(client):
    demand = make_demand(
        title="<script>alert('t')</script>",
        summary="<img src=x onerror=alert(1)> 摘要摘要摘要",
        body="第一段\n</div><script>alert('b')</script>\n\n第二段",
        keywords=["<b>k</b>"],
        indicators=[
            {"name": "<i>n</i>", "op": "ge", "value": "1", "high": "", "unit": "mm", "hard": True}
        ],
    )
    client.force_login(make_member())
    page = text_of(client.get(demand.get_absolute_url()))
    listed = text_of(client.get("/demands/"))
    for hostile in ("<script>alert", "<img src=x", "<b>k</b>", "<i>n</i>"):
        assert hostile not in page
        assert hostile not in listed
    assert "&lt;script&gt;alert(&#x27;t&#x27;)" in page


def test_the_owner_reads_why_more_is_needed(client):
    from catalog.services.deciding import decide

    demand = make_demand(status=ListingStatus.SUBMITTED)
    decide(
        listing=demand,
        actor=make_manager(name="陈立"),
        no_interest=True,
        decision="needs_info",
        reason="no_figures",
        note="硬度没有单位。",
    )
    client.force_login(make_member(demand.owner))
    page = text_of(client.get(demand.get_absolute_url()))
    assert "缺少数值或单位" in page
    assert "硬度没有单位。" in page
    assert "陈立" not in page


def test_only_the_own_side_gets_actions(client):
    demand = make_demand()
    pages = {}
    for who, user in {
        "owner": make_member(demand.owner),
        "viewer": make_member(demand.owner, role="viewer"),
        "member": make_member(),
    }.items():
        client.force_login(user)
        pages[who] = text_of(client.get(demand.get_absolute_url()))
    for action in ("edit", "withdraw", "close", "confirm"):
        address = f"/demands/{demand.number}/{action}/"
        assert address in pages["owner"]
        assert address not in pages["viewer"]
        assert address not in pages["member"]
    assert f"/demands/{demand.number}/matches/" in pages["viewer"]
    assert f"/demands/{demand.number}/matches/" not in pages["member"]


# --- One's own ------------------------------------------------------------------------------------


def test_my_listings_are_those_of_my_organizations(client):
    owner = make_organization()
    make_demand(owner=owner, title="我的草稿", status=ListingStatus.DRAFT)
    make_demand(owner=owner, title="审核中的", status=ListingStatus.SUBMITTED)
    make_demand(title="别人的")
    client.force_login(make_member(owner))

    page = text_of(client.get("/my/demands/"))

    assert "我的草稿" in page
    assert "审核中的" in page
    assert "别人的" not in page
    assert "个工作日" in page


@pytest.mark.parametrize(
    ("show", "count"), [("", 3), ("todo", 1), ("waiting", 1), ("published", 1), ("'--", 3)]
)
def test_my_listings_can_be_narrowed(client, show, count):
    owner = make_organization()
    for status in (ListingStatus.DRAFT, ListingStatus.SUBMITTED, ListingStatus.PUBLISHED):
        make_demand(owner=owner, status=status)
    client.force_login(make_member(owner))
    assert len(client.get("/my/demands/", {"show": show}).context["rows"]) == count


def test_my_listings_need_a_log_in(client):
    response = client.get("/my/achievements/")
    assert response.status_code == 302
    assert "/account/login/" in response["Location"]


def test_my_listings_cost_the_same_for_one_row_and_for_twenty(client):
    owner = make_organization()
    client.force_login(make_member(owner))

    def cost():
        with CaptureQueriesContext(connection) as queries:
            client.get("/my/demands/")
        return len(queries)

    make_demand(owner=owner)
    once = cost()
    for _number in range(19):
        make_demand(owner=owner)
    assert once == cost()
