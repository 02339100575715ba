"""The visitors' front page: what it says of the platform, with what stands behind each figure."""

import datetime as dt
import re

import pytest
from django.core.cache import cache
from django.urls import reverse
from django.utils import timezone

from accounts.templatetags.kq import day
from accounts.workdays import add_working_days
from matchmaking.models import MatchEvent
from tests.factories import make_demand, make_match, make_member
from tests.matchmaking.test_pages_matches import page

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def nothing_kept():
    cache.clear()


def _answered(count, *, silent=0):
    """Make demands of a month ago, so many answered two working days later."""
    old = timezone.now() - dt.timedelta(days=30)
    soon = add_working_days(timezone.localdate(old), 2)
    moment = timezone.make_aware(dt.datetime.combine(soon, dt.time(12)))
    for number in range(count + silent):
        demand = make_demand(published_at=old)
        if number < count:
            MatchEvent.objects.create(
                match=make_match(demand=demand),
                verb="accepted",
                after="in_review",
                created_at=moment,
            )


def _panel(html):
    return re.search(r'<aside class="kq-promise".*?</aside>', html, re.S)[0]


def test_each_share_has_its_denominator_and_its_dates(client):
    _answered(6, silent=2)
    make_demand()  # posted today: neither answered nor late

    panel = _panel(page(client, reverse("home")))

    assert "75%" in panel
    assert "8 项需求中的 6 项" in panel
    today = timezone.localdate()
    assert f"{day(today - dt.timedelta(days=89))}至 {day(today)}发布的需求" in panel
    assert "统计于" in panel
    assert reverse("help_figures") in panel


def test_all_results_are_one_press_away(client):
    _answered(6)
    panel = _panel(page(client, reverse("home")))
    assert f'href="{reverse("results")}"' in panel


def test_a_small_count_is_told_to_nobody(client):
    _answered(3, silent=4)
    panel = _panel(page(client, reverse("home")))
    assert "7 项需求中不足 5 项" in panel
    assert "43%" not in panel
    assert "3 项" not in panel


def test_too_few_demands_for_a_share_are_said_in_words(client):
    _answered(4)
    panel = _panel(page(client, reverse("home")))
    assert "不足以用数字说明" in panel
    assert "%" not in panel


@pytest.mark.parametrize("language", ["zh-hans", "en"])
def test_each_of_the_three_users_finds_one_thing_to_do(client, language):
    html = page(client, f"{reverse('home')}?lang={language}")
    users = re.search(r'<section class="kq-for".*?</section>', html, re.S)[0]
    for name in ("demand_new", "achievement_new", "manager_apply"):
        assert users.count(f'href="{reverse(name)}"') == 1


def test_people_with_a_home_of_their_own_still_reach_it(client):
    client.force_login(make_member())
    html = page(client, reverse("welcome"))
    assert '<section class="kq-hero"' in html
    # It is the front page again, under another address.
    assert '<meta name="robots" content="noindex' in html


def test_a_search_in_one_language_stays_in_it(client):
    html = page(client, f"{reverse('home')}?lang=en")
    assert '<input type="hidden" name="lang" value="en">' in html
    response = client.get(reverse("home"), {"q": "burner", "lang": "en"})
    assert response.url == f"{reverse('achievement_list')}?q=burner&lang=en"


def test_a_language_that_is_none_is_not_repeated(client):
    html = page(client, f"{reverse('home')}?lang=%22%3E%3Cscript%3E")
    assert "<script>" not in html
    assert 'name="lang"' not in html
