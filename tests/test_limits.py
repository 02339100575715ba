"""One visitor cannot keep the workers busy for everybody; who looks around is not stopped."""

import pytest
from django.core.cache import cache
from redis.exceptions import ConnectionError as NoRedis

from catalog import search
from catalog.search import SearchResult
from tests.factories import make_member

pytestmark = pytest.mark.django_db


@pytest.fixture
def asked(monkeypatch, settings):
    """Every search that reached the engine; two a minute are allowed."""
    settings.SEARCHES_PER_MINUTE = 2
    found = []

    def backend(kind, words, tier, limit):
        found.append(words)
        return SearchResult([], by_meaning=True, fallback=False)

    monkeypatch.setattr(search, "_backend", backend)
    return found


def test_a_visitor_who_searches_without_end_is_asked_to_wait(client, asked):
    answers = [client.get("/demands/", {"q": f"淬火{number}"}) for number in range(4)]

    assert [one.status_code for one in answers] == [200, 200, 429, 429]
    assert asked == ["淬火0", "淬火1"]
    assert "尝试太频繁" in answers[-1].content.decode()
    assert answers[-1]["Retry-After"] == "60"


def test_both_lists_count_together_and_so_does_the_search_of_the_front_page(client, asked):
    for path in ("/demands/", "/achievements/"):
        client.get(path, {"q": "淬火"})

    assert client.get("/", {"q": "淬火"}, follow=True).status_code == 429


def test_browsing_without_words_is_not_counted(client, asked):
    for _ in range(5):
        assert client.get("/demands/", {"industry": "C"}).status_code == 200


def test_visitors_of_other_addresses_are_not_stopped(client, asked):
    for _ in range(3):
        client.get("/demands/", {"q": "淬火"}, REMOTE_ADDR="203.0.113.1")

    there = client.get("/demands/", {"q": "淬火"}, REMOTE_ADDR="203.0.113.2")
    assert there.status_code == 200


def test_one_network_of_ipv6_is_one_visitor(client, asked):
    for number in range(3):
        answer = client.get("/demands/", {"q": "淬火"}, REMOTE_ADDR=f"2001:db8::{number + 1}")
    assert answer.status_code == 429

    other = client.get("/demands/", {"q": "淬火"}, REMOTE_ADDR="2001:db8:0:1::1")
    assert other.status_code == 200


def test_an_address_that_the_visitor_writes_into_a_header_is_not_believed(client, asked):
    for number in range(3):
        answer = client.get(
            "/demands/", {"q": "淬火"}, headers={"X-Forwarded-For": f"203.0.113.{number}"}
        )
    assert answer.status_code == 429


def test_a_person_has_more_and_a_count_of_their_own(client, asked):
    for number in range(3):
        client.get("/demands/", {"q": f"淬火{number}"})
    client.force_login(make_member())
    answers = [client.get("/demands/", {"q": "淬火"}).status_code for _ in range(7)]

    assert answers == [200] * 6 + [429]


def test_the_script_is_sent_to_the_page_that_says_so(client, asked):
    for _ in range(3):
        answer = client.get("/demands/", {"q": "淬火"}, headers={"HX-Request": "true"})

    assert answer.status_code == 429
    assert answer["HX-Redirect"] == "/demands/?q=%E6%B7%AC%E7%81%AB"


def test_without_a_cache_nobody_is_refused(client, asked, monkeypatch):
    def away(*args, **kwargs):
        raise NoRedis

    monkeypatch.setattr(cache, "add", away)
    assert [client.get("/demands/", {"q": "淬火"}).status_code for _ in range(4)] == [200] * 4
