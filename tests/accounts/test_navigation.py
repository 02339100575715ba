"""The top bar: what each role finds there, and what it costs."""

import re

import pytest
from django.urls import reverse

from accounts.models import Membership
from accounts.navigation import register, waiting_for
from tests.factories import (
    make_demand,
    make_manager,
    make_member,
    make_operator,
    make_organization,
    make_user,
)

pytestmark = pytest.mark.django_db


def entries(page):
    bar = page[page.index('<ul class="kq-nav">') : page.index('<div class="kq-tools">')]
    return [text.strip() for text in re.findall(r'<a href="[^"]*"[^>]*>([^<]+)', bar)]


def shown(client, user=None, address=None):
    if user is not None:
        client.force_login(user)
    return client.get(address or reverse("help_matching")).content.decode()


def test_each_role_finds_its_own_entries(client):
    assert entries(shown(client))[:3] == ["需求清单", "成果清单", "技术经理人"]
    assert entries(shown(client, make_user()))[:2] == ["首页", "我的机构"]
    assert entries(shown(client, make_member()))[:3] == ["首页", "我的需求", "待我答复"]
    university = make_organization(kind="university")
    assert entries(shown(client, make_member(university)))[:4] == [
        *("首页", "我的成果", "待我答复", "导入"),
    ]
    assert entries(shown(client, make_manager()))[:3] == ["首页", "工作台", "清单审核"]
    assert entries(shown(client, make_operator())) == [
        *("首页", "总览", "清单", "机构与经理人", "指派", "审计"),
    ]


def test_no_role_has_more_than_six_entries(client):
    agency = make_organization(kind="agency")
    for user in (make_user(), make_member(agency), make_manager(), make_operator()):
        assert len(entries(shown(client, user))) <= 6


def test_a_person_with_several_roles_switches_between_them(client):
    person = make_manager()
    Membership.objects.create(
        user=person, organization=make_organization(), role="owner", is_active=True
    )
    assert "切换到：机构" in shown(client, person)
    response = client.post(reverse("switch_role"), {"role": "member"})
    assert response.status_code == 302
    page = shown(client)
    assert entries(page)[1] == "我的需求"
    assert "切换到：技术经理人" in page


@pytest.mark.parametrize("role", ["operator", "manager", "emperor", ""])
def test_a_role_that_one_does_not_have_opens_nothing(client, role):
    client.force_login(make_member())
    client.post(reverse("switch_role"), {"role": role})
    assert entries(shown(client))[1] == "我的需求"
    assert client.get(reverse("ops_organizations")).status_code == 403


def test_switching_does_not_lead_to_other_sites(client):
    client.force_login(make_member())
    response = client.post(
        reverse("switch_role"), {"role": "member", "next": "https://evil.example/"}
    )
    assert "evil" not in response["Location"]


def test_the_language_is_switched_by_a_form_that_returns_to_the_same_page(client):
    page = shown(client, address=reverse("manager_list") + "?page=1")
    assert '<input type="hidden" name="next" value="/managers/?page=1">' in page
    response = client.post(reverse("set_language"), {"language": "en", "next": "/managers/?page=1"})
    assert response["Location"] == "/managers/?page=1"
    assert '<html lang="en"' in client.get("/managers/").content.decode()


def test_the_present_page_is_marked(client):
    page = shown(client, address=reverse("manager_list"))
    assert re.search(r'href="/managers/" aria-current="page"', page)


def test_a_provider_that_registers_twice_counts_once(monkeypatch):
    monkeypatch.setattr("accounts.navigation._providers", [])
    provider = register(lambda user: {"answers": 3})
    register(provider)
    assert waiting_for(make_user()) == {"answers": 3}


def test_counts_stand_beside_their_entry(client):
    make_organization(status="pending")
    page = shown(client, make_operator())
    assert re.search(r"机构与经理人<span class=\"kq-n\">1<", page)


def test_the_count_of_checks_is_of_those_on_ones_own_desk(client):
    manager, colleague = make_manager(), make_manager()
    own_side = make_organization()
    Membership.objects.create(user=manager, organization=own_side, role="owner", is_active=True)
    mine, others, unassigned = (make_demand(status="submitted") for _number in range(3))
    of_own_side = make_demand(status="submitted", owner=own_side)
    mine.publications.update(manager=manager)
    others.publications.update(manager=colleague)
    of_own_side.publications.update(manager=colleague)

    assert unassigned.publications.filter(manager=None).exists()
    assert waiting_for(manager)["listings"] == 1
    client.post(reverse("switch_role"), {"role": "manager"})
    assert re.search(r"清单审核<span class=\"kq-n\">1<", shown(client, manager))


def test_an_operator_is_called_to_checks_that_nobody_answers_for_but_their_own_sides():
    operator, own_side = make_operator(), make_organization()
    Membership.objects.create(user=operator, organization=own_side, role="editor", is_active=True)
    make_demand(status="submitted")
    make_demand(status="submitted", owner=own_side)
    make_demand(status="submitted").publications.update(manager=make_manager())

    assert waiting_for(operator)["nobodys"] == 1


@pytest.mark.parametrize(
    ("make", "number"),
    [
        (None, 0),
        # session, user, what is unread, memberships, manager profile, answers
        (make_user, 5),
        (make_member, 6),
        # and reviews, checks
        (make_manager, 8),
        # unread, memberships, profile, organizations, managers, answers, matches handed over,
        # owners of checks that nobody has, how many of these there are
        (make_operator, 11),
    ],
    ids=["visitor", "newcomer", "member", "manager", "operator"],
)
def test_the_top_bar_costs_a_fixed_number_of_queries(
    client, make, number, django_assert_num_queries
):
    if make is not None:
        client.force_login(make())
    with django_assert_num_queries(number):
        client.get(reverse("help_matching"))
