"""The public results: what a visitor reads of the figures, and what they must not."""

import re

import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from matchmaking.services.insights import Scope
from matchmaking.services.insights.public import public_insights
from tests.factories import make_achievement, make_demand, make_match, make_operator
from tests.matchmaking.test_pages_dashboard import Seen, add_demands

pytestmark = pytest.mark.django_db
URL = "/results/"


def text_of(client: Client, query: str = "") -> str:
    response = client.get(f"{URL}{query}")
    assert response.status_code == 200
    return response.content.decode()


def main_of(html: str) -> str:
    return html[html.index("<main") : html.index("</main>")]


def test_visitors_read_the_figures_with_their_wholes(client):
    add_demands(12)

    html = main_of(text_of(client))

    assert re.search(r"100%\s*</b>\s*<span[^>]*>12 / 12", html)
    assert "从需求到签约" in html
    assert Seen(html).charts[0]["file"] == "first-answer"


def test_nothing_leads_to_rows_or_files_and_nobody_is_named(client):
    demands = add_demands(12)
    client.force_login(make_operator())  # not for operators either: the page is one for all

    html = main_of(text_of(client))

    links = [url for url, _words in Seen(html).links]
    assert not [url for url in links if "/dashboard/" in url or ".csv" in url]
    for demand in demands:
        assert demand.owner.name not in html
        assert demand.number not in html
    assert demands[0].title not in html


def test_small_numbers_are_not_told(client):
    add_demands(12)
    for _number in range(3):
        make_match(demand=make_demand(), achievement=make_achievement(industry="I65"))
    cache.clear()
    matrix = public_insights(Scope.of()).supply
    small = [cell for row in matrix.cells for cell in row if cell.hidden]
    assert small

    html = main_of(text_of(client))

    assert html.count("&lt; 5") >= len(small)
    assert "“&lt; 5”表示一至四" in html
    assert not re.search(r'class="kq-lv\d">\s*[1-4]\s*<', html)


def test_few_demands_are_too_few_to_tell_of(client):
    add_demands(3)

    html = main_of(text_of(client))

    assert "数量太少，不予公布" in html
    assert "kq-funnel" not in html
    assert not Seen(html).charts


def test_a_new_platform_shows_no_zeros_but_what_to_do(client):
    html = main_of(text_of(client))

    assert "平台刚开通" in html
    assert reverse("demand_new") in html
    assert not re.search(r">\s*0%?\s*<", html)


@pytest.mark.parametrize(
    "query", ["?region=33&industry=C", "?from=2026-11-01&to=2026-11-02", "?period=x&by=%00"]
)
def test_visitors_choose_among_whole_spans_alone(client, query):
    """Whoever could subtract one day, or one place, would read what is hidden."""
    add_demands(12)

    assert client.get(f"{URL}{query}").context["scope"] == Scope.of()
    assert 'value="custom"' not in text_of(client, query)
    assert 'name="region"' not in text_of(client, query)


def test_the_results_cost_the_same_for_few_and_for_many(client):
    add_demands(6)

    def cost() -> int:
        cache.clear()
        with CaptureQueriesContext(connection) as queries:
            text_of(client)
        return len(queries)

    cost()
    one = cost()
    add_demands(8, region="440100")

    assert cost() == one


def test_home_and_every_foot_lead_to_the_results(client):
    assert URL in [url for url, _words in Seen(client.get("/").content.decode()).links]
    html = client.get("/help/figures/").content.decode()
    assert URL in [url for url, _words in Seen(html[html.index("<footer") :]).links]


def test_search_engines_are_told_of_the_page(client):
    html = text_of(client)

    assert '<meta name="description"' in html
    assert 'content="noindex"' not in html
