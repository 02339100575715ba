"""What search engines may find, and what they are told of it."""

import datetime as dt
import json
import re
import xml.etree.ElementTree as ET
from urllib.parse import urlsplit
from urllib.robotparser import RobotFileParser

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from catalog import sitemaps
from catalog.disclosure import RULES
from tests.factories import make_achievement, make_demand, make_member
from tests.test_access import ROLES, TABLE

pytestmark = pytest.mark.django_db
SITE = "https://keqiao.example.org"
SPACES = {
    "s": "http://www.sitemaps.org/schemas/sitemap/0.9",
    "x": "http://www.w3.org/1999/xhtml",
}
HOSTILE = '</script><script>alert(1)</script> "引号" \'& <!-- \u2028 😀 {{ 7 }}'


@pytest.fixture(autouse=True)
def public_site(settings):
    settings.SITE_URL = SITE


def head(client, address, **ask):
    page = client.get(address, **ask).content.decode()
    return page[page.index("<head>") : page.index("</head>")]


def linked(page):
    return [
        json.loads(text)
        for text in re.findall(r'<script type="application/ld\+json">(.*?)</script>', page, re.S)
    ]


def entries(client, section, **query):
    response = client.get(reverse("sitemap_section", args=[section]), query)
    assert response.status_code == 200
    return ET.fromstring(response.content).findall("s:url", SPACES)


def addresses(client, section, **query):
    return [one.findtext("s:loc", None, SPACES) for one in entries(client, section, **query)]


# --- The head of a page ---------------------------------------------------------------------------

PUBLIC = [
    name
    for (name, argument), (codes, _post) in TABLE.items()
    if not argument
    and name.startswith(
        ("home", "help_", "manager_list", "demand_list", "achievement_list", "results")
    )
    and set(codes) == {"2"}
]


@pytest.mark.parametrize("name", PUBLIC)
def test_a_public_page_has_one_address_in_each_language(client, name):
    path = reverse(name)
    for asked, canonical in (("", path), ("en", f"{path}?lang=en")):
        found = head(client, canonical)
        assert f'<link rel="canonical" href="{SITE}{canonical}">' in found
        others = dict(re.findall(r'hreflang="([^"]+)" href="([^"]+)"', found))
        assert others == {
            "zh-Hans": f"{SITE}{path}?lang=zh-hans",
            "en": f"{SITE}{path}?lang=en",
            "x-default": f"{SITE}{path}",
        }
        assert "noindex" not in found
        [description] = re.findall(r'<meta name="description" content="([^"]+)">', found)
        assert 20 < len(description) <= 160
        assert f'<meta property="og:url" content="{SITE}{canonical}">' in found
        assert f'<meta property="og:image" content="{SITE}/static/brand/card' in found
        if asked == "en":
            assert not re.search(r"[\u4e00-\u9fff]", description)


def test_no_two_public_pages_are_called_or_described_the_same(client):
    found = [head(client, reverse(name)) for name in PUBLIC]
    for pattern in (r"<title>([^<]+)</title>", r'name="description" content="([^"]+)"'):
        texts = [re.search(pattern, one)[1] for one in found]
        assert len(set(texts)) == len(texts)


@pytest.mark.parametrize(
    "address",
    [
        "/demands/?industry=C",
        "/demands/?q=x&lang=en",
        "/managers/?page=2",
        "/achievements/?after=x",
    ],
)
def test_a_search_a_filter_and_a_later_page_are_not_listed(client, address):
    found = head(client, address)
    assert '<meta name="robots" content="noindex, follow">' in found
    assert "canonical" not in found


@pytest.mark.parametrize(
    "name", ["my_demands", "organization", "settings_profile", "account_login"]
)
def test_what_is_not_public_is_not_listed(client, name):
    if name != "account_login":
        client.force_login(make_member())
    found = head(client, reverse(name))
    assert '<meta name="robots" content="noindex">' in found
    assert "canonical" not in found


# --- A language for one page ----------------------------------------------------------------------


def test_an_address_asks_for_a_language_once(client):
    client.cookies["django_language"] = "zh-hans"
    response = client.get("/demands/?lang=en")
    assert response["Content-Language"] == "en"
    assert '<html lang="en"' in response.content.decode()
    assert "django_language" not in response.cookies
    assert client.get("/demands/")["Content-Language"] == "zh-hans"


@pytest.mark.parametrize("asked", ["xx", "", "en-us;q=1", "EN\x00", "../en", "zh"])
def test_a_language_that_is_none_of_ours_changes_nothing(client, asked):
    assert client.get("/demands/", {"lang": asked})["Content-Language"] == "zh-hans"


def test_what_a_page_fetches_comes_in_its_own_language(client):
    ask = {"headers": {"hx-request": "true", "x-page-language": "en"}}
    response = client.get("/demands/?industry=C", **ask)
    assert response["Content-Language"] == "en"
    assert "X-Page-Language" in response["Vary"]
    assert '"X-Page-Language": "en"' in client.get("/demands/?lang=en").content.decode()


def test_the_switch_leads_away_from_the_language_of_the_address(client):
    page = client.get("/demands/?lang=en&industry=C").content.decode()
    assert '<input type="hidden" name="next" value="/demands/?industry=C">' in page


# --- What a listing says of itself ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "kind", "word"),
    [(make_demand, "demand", "Demand"), (make_achievement, "achievement", "Offer")],
)
def test_a_listing_says_what_everybody_reads_and_no_more(client, make, kind, word):
    listing = make(body="只给成员看的工艺细节", money_min=1_000_000, money_max=2_000_000)
    page = client.get(listing.get_absolute_url()).content.decode()
    [data] = linked(page)

    assert (data["@context"], data["@type"]) == ("https://schema.org", word)
    assert data["url"] == SITE + listing.get_absolute_url()
    assert (data["name"], data["identifier"]) == (listing.title, listing.number)
    assert data["priceSpecification"] == {
        "@type": "PriceSpecification",
        "priceCurrency": "CNY",
        "minPrice": 1_000_000,
        "maxPrice": 2_000_000,
    }
    text = json.dumps(data, ensure_ascii=False)
    assert "工艺细节" not in text
    assert listing.owner.name not in page


@pytest.mark.parametrize("make", [make_demand, make_achievement])
def test_what_its_owner_closed_is_not_in_it_for_anybody(client, make):
    listing = make(money_min=7_654_321, money_max=7_654_321)
    kind = listing.kind
    closed = {key: "members" for key, rule in RULES[kind].items() if rule.default == 0}
    type(listing).objects.filter(pk=listing.pk).update(disclosure=closed)
    for user in (None, make_member(), make_member(listing.owner)):
        if user:
            client.force_login(user)
        [data] = linked(client.get(listing.get_absolute_url()).content.decode())
        assert "priceSpecification" not in data
        assert "additionalProperty" not in data
        assert listing.owner.name not in json.dumps(data, ensure_ascii=False)


@pytest.mark.parametrize("make", [make_demand, make_achievement])
def test_a_hostile_title_stays_a_title(client, make):
    listing = make(title=HOSTILE, summary=HOSTILE, keywords=["</script>"])
    page = client.get(listing.get_absolute_url()).content.decode()
    assert "<script>alert" not in page
    [data] = linked(page)
    assert data["name"] == HOSTILE
    assert data["description"] == HOSTILE
    # In attributes as well.
    assert re.search(r'<meta property="og:title" content="[^"<>]*">', page)
    assert re.search(r'<meta name="description" content="[^"<>]*">', page)


@pytest.mark.parametrize("status", ["draft", "submitted", "withdrawn", "suspended"])
def test_what_is_not_published_says_nothing_of_itself(client, status):
    listing = make_demand(status=status)
    client.force_login(make_member(listing.owner))
    page = client.get(listing.get_absolute_url()).content.decode()
    assert not linked(page)
    assert '<meta name="robots" content="noindex">' in page


# --- sitemap.xml ----------------------------------------------------------------------------------


def test_each_live_listing_is_in_the_map_in_each_language(client):
    demand = make_demand()
    make_demand(status="draft")
    make_demand(status="suspended")
    make_demand(status="withdrawn")
    make_demand(valid_until=timezone.localdate() - dt.timedelta(days=1))

    found = entries(client, "demands")

    path = SITE + demand.get_absolute_url()
    assert [one.findtext("s:loc", None, SPACES) for one in found] == [
        path,
        f"{path}?lang=zh-hans",
        f"{path}?lang=en",
    ]
    for one in found:
        links = {link.get("hreflang"): link.get("href") for link in one.findall("x:link", SPACES)}
        assert links == {
            "zh-Hans": f"{path}?lang=zh-hans",
            "en": f"{path}?lang=en",
            "x-default": path,
        }
        assert (
            one.findtext("s:lastmod", None, SPACES)
            == f"{timezone.localtime(demand.published_at):%Y-%m-%d}"
        )
    assert not entries(client, "achievements")


def test_the_map_comes_in_files_that_the_index_names(client, monkeypatch):
    monkeypatch.setattr(sitemaps.PublicSitemap, "limit", 2)
    listings = [make_achievement() for _number in range(5)]

    index = ET.fromstring(client.get(reverse("sitemap")).content)
    named = [one.text for one in index.findall("s:sitemap/s:loc", SPACES)]
    files = [one for one in named if "achievements" in one]
    found = []
    for address in files:
        parts = urlsplit(address)
        answer = client.get(f"{parts.path}?{parts.query}")
        found += [
            one.findtext("s:loc", None, SPACES)
            for one in ET.fromstring(answer.content).findall("s:url", SPACES)
        ]

    assert len(files) == 3
    assert {SITE + one.get_absolute_url() for one in listings} <= set(found)
    assert len(found) == len(set(found)) == 15


@pytest.mark.parametrize("rows", [1, 10])
def test_the_map_costs_the_same_for_one_and_for_ten(client, rows):
    for _number in range(rows):
        make_demand()
    with CaptureQueriesContext(connection) as index:
        client.get(reverse("sitemap"))
    with CaptureQueriesContext(connection) as section:
        entries(client, "demands")
    # Of each list a count and the latest day; of one file a count and its rows.
    assert len(index) == 4
    assert len(section) == 2


@pytest.mark.parametrize(
    "address", ["/sitemap-nothing.xml", "/sitemap-demands.xml?p=99", "/sitemap-demands.xml?p=x"]
)
def test_a_map_that_is_not_there_is_not_found(client, address):
    assert client.get(address).status_code == 404


def test_every_page_of_the_map_is_there_and_listed(client):
    for address in addresses(client, "pages"):
        path = address.removeprefix(SITE)
        assert "noindex" not in head(client, path), path


# --- robots.txt -----------------------------------------------------------------------------------


def _rules(client):
    response = client.get("/robots.txt")
    assert response["Content-Type"].startswith("text/plain")
    return response.content.decode()


def test_crawlers_are_kept_off_what_asks_for_a_log_in(client):
    """Except the pages of one listing, which a wildcard closes that not every crawler knows."""
    parser = RobotFileParser()
    parser.parse(_rules(client).splitlines())
    visitor = ROLES.index("visitor")
    open_ones = []
    for (name, argument), (codes, _post) in TABLE.items():
        if argument or codes[visitor] not in "L1":
            continue
        path = reverse(name)
        if parser.can_fetch("Baiduspider", SITE + path):
            open_ones.append(path)
    assert not open_ones


def test_crawlers_are_let_to_what_is_public_and_shown_the_map(client):
    demand = make_demand()
    text = _rules(client)
    parser = RobotFileParser()
    parser.parse(text.splitlines())
    for path in (*(reverse(name) for name in PUBLIC), demand.get_absolute_url()):
        assert parser.can_fetch("Baiduspider", SITE + path)
        assert parser.can_fetch("Baiduspider", f"{SITE}{path}?lang=en")
    assert f"Sitemap: {SITE}/sitemap.xml" in text
    # A listing's own page has nothing below it that this would close.
    assert "Disallow: /demands/*/*/" in text
