"""The dashboard of operators: its filters, its numbers with their rows, and what it costs."""

import datetime as dt
import json
import re
from html.parser import HTMLParser

import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from catalog.models import Demand
from matchmaking.models import Match, MatchEvent
from matchmaking.services.insights import Scope
from matchmaking.services.insights.overview import insights
from matchmaking.workflow import MatchStatus
from tests.factories import (
    make_achievement,
    make_demand,
    make_manager,
    make_match,
    make_member,
    make_operator,
    make_review,
)

pytestmark = pytest.mark.django_db
URL = "/dashboard/"


@pytest.fixture
def operator() -> Client:
    client = Client()
    client.force_login(make_operator())
    return client


def add_demands(count: int = 1, *, days_ago: int = 20, region: str = "330100") -> list[Demand]:
    """Make demands that were published some days ago, each introduced to somebody."""
    at = timezone.now() - dt.timedelta(days=days_ago)
    demands = []
    for _number in range(count):
        demand = make_demand(region=region)
        match = make_match(
            demand=demand,
            achievement=make_achievement(region=region),
            status=MatchStatus.INTRODUCED,
            manager=make_manager(),
        )
        MatchEvent.objects.create(
            match=match,
            verb="approved",
            before="in_review",
            after="approved",
            created_at=at + dt.timedelta(hours=1),
        )
        Demand.objects.filter(pk=demand.pk).update(published_at=at, submitted_at=at)
        Match.objects.filter(pk=match.pk).update(
            decided_at=at + dt.timedelta(hours=1), introduced_at=at + dt.timedelta(hours=2)
        )
        demands.append(demand)
    cache.clear()
    return demands


class Seen(HTMLParser):
    """What a page has: its links, the numbers given to its charts, and the texts of its tables."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.links: list[tuple[str, str]] = []
        self.charts: list[dict] = []
        self.ids: set[str] = set()
        self._open = ("", {})
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        self._open = (tag, attributes)
        self.ids |= {attributes["id"]} if "id" in attributes else set()
        if tag == "a":
            self.links.append((attributes.get("href") or "", ""))

    def handle_data(self, data):
        tag, attributes = self._open
        if tag == "a" and self.links and not self.links[-1][1]:
            self.links[-1] = (self.links[-1][0], data.strip())
        if tag == "script" and attributes.get("type") == "application/json":
            self.charts.append(json.loads(data))

    def handle_endtag(self, tag):
        self._open = ("", {})

    def rows(self) -> list[tuple[str, int]]:
        """The links to lists of rows with the numbers they stand under."""
        found = [one for one in self.links if one[0].startswith("/dashboard/rows/")]
        return [(url, int(words)) for url, words in found if words.isdigit()]


def see(client: Client, query: str = "", **headers) -> Seen:
    response = client.get(f"{URL}{query}", **headers)
    assert response.status_code == 200
    return Seen(response.content.decode())


@pytest.mark.parametrize(("who", "code"), [(make_manager, 403), (make_member, 403), (None, 302)])
def test_the_dashboard_is_for_operators(client, who, code):
    if who:
        client.force_login(who())

    assert client.get(URL).status_code == code


def test_every_number_leads_to_as_many_rows(operator):
    add_demands(2)
    add_demands(1, region="440100")
    make_review(match=make_match(status=MatchStatus.IN_REVIEW), manager=make_manager())
    cache.clear()

    found = see(operator, "?by=region").rows() + see(operator).rows()

    assert len(found) > 15
    for url, number in dict(found).items():
        listed = operator.get(url).context["page"].paginator.count
        assert listed == number, url


def test_the_charts_are_given_the_figures(operator):
    add_demands(3)
    weeks = insights(Scope.of("90")).weeks

    answers, posted, provinces = see(operator).charts

    known = [week for week in weeks if week.answered.of]
    assert answers["series"][0]["values"][0] == known[0].median
    assert answers["promise"]["value"] == 3
    assert sum(posted["series"][0]["values"]) == sum(week.answered.n for week in weeks) == 3
    assert sum(posted["series"][1]["values"]) == sum(week.answered.of for week in weeks) == 3
    assert provinces["labels"] == ["浙江省"]
    assert [one["values"] for one in provinces["series"]] == [[3], [3]]


def test_a_filter_narrows_all_and_stays_in_every_address(operator):
    add_demands(2)
    add_demands(1, region="440100")

    page = operator.get(URL, {"period": "30", "region": "44", "industry": "C"})
    seen = Seen(page.content.decode())

    assert page.context["found"].funnel.cohort == 1
    assert seen.rows()
    assert all("period=30&region=44&industry=C" in url for url, _number in seen.rows())
    for url, words in seen.links:
        if words in ("CSV", "按地区查看"):
            assert "region=44" in url
    html = page.content.decode()
    assert re.search(r'value="30"\s+checked', html)
    assert re.search(r'<option value="44"\s+selected>', html)


@pytest.mark.parametrize(
    "query",
    [
        "?period=9999&region=xx&industry=%00",
        "?period=custom&from=2026-13-45&to=0001-01-01",
        "?from=9999-12-31&to=2000-01-01",
        "?region=33&region=44&period[]=30",
        "?industry='%3B%20drop%20table--&by=%3Cscript%3E",
        "?period=" + "9" * 4000,
    ],
)
def test_a_filter_that_makes_no_sense_is_as_if_it_was_not_there(operator, query):
    html = operator.get(f"{URL}{query}").content.decode()

    assert "<script>" not in html
    assert "drop table" not in html


def test_an_empty_span_says_so_and_draws_nothing(operator):
    add_demands(1)

    page = operator.get(URL, {"from": "2020-01-01", "to": "2020-02-01"})
    html = page.content.decode()

    assert "这段时间没有提交或发布的需求" in html
    assert not Seen(html).charts
    assert "kq-kpis" not in html
    # What is of this moment is still told.
    assert "kq-heat" in html


def test_a_new_platform_shows_no_zeros(operator):
    html = operator.get(URL).content.decode()

    main = html[html.index("<main") : html.index("</main>")]
    assert not re.search(r">\s*0%?\s*<", main)
    assert not Seen(html).charts


def test_a_changed_filter_swaps_the_figures_alone_and_names_them_in_the_address(operator):
    add_demands(1)

    whole = operator.get(URL, {"period": "30"})
    part = operator.get(
        URL, {"period": "30", "region": "", "from": ""}, headers={"HX-Request": "true"}
    )

    html = part.content.decode()
    assert "<html" not in html
    assert "<form" not in html
    assert part["HX-Push-Url"] == f"{URL}?period=30"
    assert "HX-Request" in part["Vary"]
    assert (
        html.strip() in whole.content.decode()
        or Seen(html).charts == Seen(whole.content.decode()).charts
    )


def test_without_javascript_tables_are_open_and_charts_are_drawn(operator):
    add_demands(2)
    html = operator.get(URL).content.decode()

    assert html.count("<details") >= 2
    assert html.count('<svg class="kq-drawing"') == 3
    assert re.search(r'<details class="kq-chart-table" id="table-first-answer" open>', html)
    assert " style=" not in html


def test_the_dashboard_costs_the_same_for_few_and_for_many(operator):
    add_demands(1)

    def cost() -> int:
        cache.clear()
        with CaptureQueriesContext(connection) as queries:
            operator.get(URL)
        return len(queries)

    cost()
    one = cost()
    add_demands(6)
    add_demands(2, region="440100")

    assert cost() == one


def test_what_was_computed_is_kept_for_five_minutes(operator):
    add_demands(1)
    operator.get(URL)

    with CaptureQueriesContext(connection) as queries:
        operator.get(URL)

    # Who asks, and what waits for them in the top bar; no figure.
    assert not [one for one in queries if "first_published" in one["sql"]]


def test_the_dashboard_and_the_work_list_lead_to_each_other(operator):
    assert reverse("ops_home") in [url for url, _words in see(operator).links]
    work = Seen(operator.get(reverse("ops_home")).content.decode())
    assert reverse("dashboard") in [url for url, _words in work.links]


def test_the_largest_loss_is_told_in_words_with_its_reasons(operator):
    add_demands(1)
    for _number in range(2):
        make_match(demand=make_demand(), status=MatchStatus.IN_REVIEW)
    cache.clear()

    html = operator.get(URL).content.decode()
    foot = html[html.index("流失最多的一步") :]
    foot = foot[: foot.index("</footer>")]

    assert "2 项需求没有走到“经理人通过”" in foot
    assert re.search(
        r'主要原因：[^<]+<a href="/dashboard/rows/lost-approved-', " ".join(foot.split())
    )
