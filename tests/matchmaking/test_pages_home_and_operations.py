"""The front page with its figures, and the operator's pages."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.models import AccountEvent, Membership
from catalog.models import Demand, ListingEvent
from matchmaking.models import Match, MatchEvent, Review
from matchmaking.navigation import counts
from matchmaking.workflow import MatchStatus, ReviewStatus
from tests.factories import (
    make_achievement,
    make_demand,
    make_manager,
    make_match,
    make_member,
    make_operator,
    make_organization,
    make_review,
)
from tests.matchmaking.test_pages_matches import page
from tests.speaking import speak

pytestmark = pytest.mark.django_db


# --- Home ---------------------------------------------------------------------------------------


def test_a_new_site_shows_no_zeros(client):
    html = page(client, reverse("home"))

    assert "平台刚开通" in html
    assert "0%" not in html
    assert "还没有需求" in html


@pytest.mark.parametrize("language", ["zh-hans", "en"])
def test_the_front_page_shows_listings_and_names_no_owner(client, language):
    demand, achievement = make_demand(), make_achievement()
    speak(client, language)

    html = page(client, reverse("home"))

    for listing in (demand, achievement):
        assert listing.title in html
        assert listing.get_absolute_url() in html
        assert listing.owner.name not in html
    assert f"{reverse('demand_list')}?industry=C" in html


def test_hidden_listings_are_not_on_the_front_page(client):
    make_demand(title="草稿里的题目", status="draft")
    make_demand(title="过期的题目", valid_until=timezone.localdate() - dt.timedelta(days=1))

    html = page(client, reverse("home"))

    assert "草稿里的题目" not in html
    assert "过期的题目" not in html


@pytest.mark.parametrize("kind", ["demand", "achievement"])
def test_a_search_goes_to_the_chosen_list(client, kind):
    response = client.get(reverse("home"), {"kind": kind, "q": " 淬火 变形 & <b> "})

    assert response.status_code == 302
    assert response.url.startswith(reverse(f"{kind}_list") + "?q=%E6%B7%AC")
    assert "<b>" not in response.url


def test_the_front_page_stands_without_a_cache(client, monkeypatch):
    from redis.exceptions import ConnectionError as NoCache

    def broken(*_args, **_kwargs):
        raise NoCache

    monkeypatch.setattr(cache, "get", broken)
    monkeypatch.setattr(cache, "set", broken)
    make_demand()

    assert client.get(reverse("home")).status_code == 200


def test_the_front_page_costs_little_once_its_figures_are_cached(client):
    for _number in range(6):
        make_match(demand=make_demand(), status=MatchStatus.IN_REVIEW)
    with CaptureQueriesContext(connection) as cold:
        page(client, reverse("home"))
    with CaptureQueriesContext(connection) as warm:
        page(client, reverse("home"))

    assert len(cold) <= 12
    # Newest demands, their matches, who took them on, newest achievements.
    assert len(warm) == 4


def test_a_person_finds_what_waits_for_them(client):
    user = make_member()
    make_match(status=MatchStatus.APPROVED, demand=make_demand(owner=user.organizations.get()))
    client.force_login(user)

    assert counts(user)["answers"] == 1
    assert reverse("my_answers") in page(client, reverse("home"))


def test_the_numbers_of_the_top_bar_are_those_of_the_pages(client):
    manager = make_manager()
    make_review(manager=manager)
    make_review(manager=manager, status="declined")
    make_demand(status="submitted")
    make_demand(status="submitted").publications.update(manager=manager)

    assert counts(manager) == {"answers": 0, "reviews": 1, "listings": 1}
    assert counts(make_operator()) == {"answers": 0, "nobodys": 1, "escalated": 0}
    assert counts(make_member()) == {"answers": 0}


# --- The operator -------------------------------------------------------------------------------

OPERATOR_PAGES = ["ops_home", "ops_listings", "ops_assignments", "ops_audit"]


@pytest.mark.parametrize("name", OPERATOR_PAGES)
@pytest.mark.parametrize(
    ("who", "code"), [("operator", 200), ("manager", 403), ("member", 403), ("visitor", 302)]
)
@pytest.mark.parametrize("language", ["zh-hans", "en"])
def test_operator_pages_are_for_operators(client, name, who, code, language):
    make_match(status=MatchStatus.IN_REVIEW, manager=make_manager())
    people: dict[str, Any] = {
        "operator": make_operator,
        "manager": make_manager,
        "member": make_member,
    }
    if who in people:
        client.force_login(people[who]())
    speak(client, language)

    assert client.get(reverse(name)).status_code == code


def test_every_number_of_the_overview_links_to_exactly_its_rows(client):
    today = timezone.localdate()
    manager = make_manager()
    make_match(status=MatchStatus.SUGGESTED)
    late = make_match(status=MatchStatus.IN_REVIEW, due_on=today - dt.timedelta(days=1))
    make_review(match=late, manager=manager, due_on=late.due_on)
    make_match(status=MatchStatus.APPROVED)
    make_demand(status="draft")
    client.force_login(make_operator())

    context = client.get(reverse("ops_home")).context

    figures = [*context["urgent"], *context["matches"]]
    figures += [figure for _label, row in context["listing_rows"] for figure in row]
    assert any(figure.count for figure in context["urgent"])
    for figure in figures:
        assert client.get(figure.url).context["page"].paginator.count == figure.count, figure


def test_assignments_show_who_has_what_and_why(client):
    manager = make_manager(name="陈立")
    match = make_match(status=MatchStatus.IN_REVIEW, manager=manager)
    client.force_login(make_operator())

    html = page(client, reverse("ops_assignments"))

    assert "陈立" in html
    assert "熟悉制造业" in html
    assert match.demand.owner.name in html
    assert reverse("ops_reassign", args=[match.number]) in html
    mine = client.get(reverse("ops_assignments"), {"manager": manager.pk})
    assert mine.context["page"].paginator.count == 1
    other = client.get(reverse("ops_assignments"), {"manager": "1e9", "status": "x", "state": "y"})
    assert other.status_code == 200


def test_an_operator_gives_a_match_to_another_manager(client):
    first, second = make_manager(), make_manager(name="王芳")
    match = make_match(status=MatchStatus.IN_REVIEW, manager=first)
    client.force_login(make_operator())
    url = reverse("ops_reassign", args=[match.number])

    response = client.post(url, {"to": second.manager_profile.pk}, follow=True)

    assert "王芳" in response.content.decode()
    assert Review.objects.open().get(match=match).manager == second
    assert Review.objects.get(manager=first).status == ReviewStatus.CANCELLED


def test_a_match_is_not_given_to_a_manager_with_a_tie(client):
    tied = make_manager()
    match = make_match(status=MatchStatus.IN_REVIEW, manager=make_manager())
    Membership.objects.create(
        user=tied, organization=match.demand.owner, role="viewer", is_active=True
    )
    client.force_login(make_operator())
    url = reverse("ops_reassign", args=[match.number])

    for to in (tied.manager_profile.pk, 99999, "", "x"):
        assert client.post(url, {"to": to}).status_code == 200
    assert Review.objects.get().status == ReviewStatus.ASSIGNED


def test_a_decided_match_is_not_reassigned(client):
    match = make_match(status=MatchStatus.APPROVED, manager=make_manager())
    other = make_manager()
    client.force_login(make_operator())

    response = client.post(
        reverse("ops_reassign", args=[match.number]), {"to": other.manager_profile.pk}
    )

    assert response.status_code == 409
    assert not Review.objects.open().exists()


@pytest.mark.parametrize("who", ["manager", "member"])
def test_only_operators_reassign(client, who):
    match = make_match(status=MatchStatus.IN_REVIEW, manager=make_manager())
    user = make_manager() if who == "manager" else make_member()
    client.force_login(user)
    url = reverse("ops_reassign", args=[match.number])

    assert client.post(url, {"to": make_manager().manager_profile.pk}).status_code == 403
    assert Review.objects.count() == 1


def make_history() -> Match:
    operator = make_operator(name="何静")
    match = make_match(status=MatchStatus.APPROVED)
    MatchEvent.objects.create(
        match=match,
        actor=make_manager(name="陈立"),
        verb="approved",
        before="in_review",
        after="approved",
        reason="measured,negotiable",
        note="可以见面",
    )
    ListingEvent.objects.create(
        demand=match.demand, actor=operator, before="submitted", after="published", version=1
    )
    AccountEvent.objects.create(
        actor=operator, organization=make_organization(name="待核验的公司"), verb="verified"
    )
    return match


def test_the_audit_shows_all_three_histories_and_filters(client):
    match = make_history()
    client.force_login(make_operator())
    url = reverse("ops_audit")

    def found(**query: str) -> list[str]:
        return [line.about for line in client.get(url, query).context["lines"]]

    assert set(found()) == {match.number, match.demand.number, "待核验的公司"}
    assert found(kind="listing") == [match.demand.number]
    assert found(kind="account") == ["待核验的公司"]
    assert found(person="陈立") == [match.number]
    assert found(person="待核验") == ["待核验的公司"]
    assert set(found(number=match.demand.number.lower())) == {match.number, match.demand.number}
    assert found(number=match.number) == [match.number]
    for nonsense in ("XQ-2026-999999", "'; drop table", "\x00", "M-99999999-1"):
        assert client.get(url, {"number": nonsense, "kind": "?", "page": "x"}).status_code == 200
    html = page(client, url)
    assert "核心硬指标有实测数据" in html
    assert "可以见面" in html


@pytest.mark.parametrize("name", OPERATOR_PAGES)
def test_operator_pages_cost_the_same_for_one_and_for_twenty(client, name):
    client.force_login(make_operator())

    def add() -> None:
        match = make_history()
        Match.objects.filter(pk=match.pk).update(status=MatchStatus.IN_REVIEW)
        make_review(match=match)

    def cost() -> int:
        with CaptureQueriesContext(connection) as queries:
            page(client, reverse(name))
        return len(queries)

    add()
    page(client, reverse(name))
    one = cost()
    for _number in range(12):
        add()
    page(client, reverse(name))  # the first look at a match's names leaves a row

    assert cost() == one <= 26


def test_listings_of_every_status_can_be_found_by_the_operator(client):
    make_demand(status="draft")
    make_achievement()
    client.force_login(make_operator())

    def count(**query: str):
        return client.get(reverse("ops_listings"), query).context["page"].paginator.count

    assert count() == 2
    assert count(kind="demand", status="draft") == 1
    assert count(state="stale") == 1
    assert count(state="unmatched") == 0
    assert count(kind="x", status="y", state="z") == 2
    assert Demand.objects.count() == 1
