"""The home of who is logged in: what waits, what has changed, the first steps; for each role."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.models import (
    AccountEvent,
    ManagerProfile,
    ManagerStatus,
    Membership,
    Organization,
    OrganizationStatus,
    User,
)
from accounts.notices import notify
from accounts.workdays import add_working_days
from catalog.models import Demand, ListingEvent
from matchmaking.models import Consent, Inquiry, Review
from matchmaking.workflow import MatchStatus, ReviewStatus, Side
from tests.factories import (
    make_achievement,
    make_demand,
    make_manager,
    make_match,
    make_member,
    make_operator,
    make_organization,
    make_review,
    make_user,
)

pytestmark = pytest.mark.django_db

HOME = "/"


@pytest.fixture(autouse=True)
def _a_wednesday(clock: SimpleNamespace) -> None:
    """Deadlines are counted in working days: a test that runs on a Sunday must find the same."""
    cache.clear()


def opened(client: Client, user: User) -> Any:
    client.force_login(user)
    response = client.get(HOME)
    assert response.status_code == 200
    return response


def acts(response: Any) -> dict[str, list[tuple[str, str]]]:
    """Return what the page says is to do: by group, title and address."""
    return {
        str(turn): [(item.title, item.url) for item in items]
        for turn, items in response.context["agenda"].groups
    }


def enterprise(**fields: Any) -> tuple[User, Organization]:
    owner = make_organization(name="恒轴轴承有限公司", summary="轴承", **fields)
    return make_member(owner, phone="0000-55510000"), owner


# --- A member -------------------------------------------------------------------------------------


def test_each_line_of_a_member_leads_to_its_act_the_most_urgent_first(client):
    user, owner = enterprise()
    today = timezone.localdate()
    approved = make_match(
        status=MatchStatus.APPROVED,
        demand=make_demand(owner=owner, title="我的需求"),
        due_on=today,
    )
    asked = make_match(status=MatchStatus.IN_REVIEW, demand=make_demand(owner=owner))
    review = make_review(match=asked, status=ReviewStatus.ACCEPTED)
    Inquiry.objects.create(
        review=review,
        side=Side.DEMAND,
        questions=[{"field": "indicator:1", "text": "圆度要求能否放宽？"}],
        due_on=add_working_days(today, 2),
    )
    ending = make_demand(owner=owner, title="快到期", valid_until=today + dt.timedelta(days=14))
    draft = make_demand(owner=owner, title="草稿", status="draft")
    returned = make_demand(owner=owner, title="待补充", status="needs_info")
    submitted = make_demand(owner=owner, title="在审", status="submitted")

    found = acts(opened(client, user))

    assert found["now"] == [(approved.achievement.title, url("match_consent", approved))]
    assert found["soon"] == [(asked.achievement.title, url("match_questions", asked))]
    assert found["later"] == [(ending.title, url("demand_confirm", ending))]
    assert found["any"] == [
        (returned.title, url("demand_edit", returned)),
        (draft.title, url("demand_edit", draft)),
    ]
    assert found["others"] == [(submitted.title, submitted.get_absolute_url())]


def url(name: str, thing: Any) -> str:
    return reverse(name, args=[thing.number])


def test_a_line_says_the_date_and_the_working_days_left(client):
    user, owner = enterprise()
    due = add_working_days(timezone.localdate(), 3)
    make_match(status=MatchStatus.APPROVED, demand=make_demand(owner=owner), due_on=due)

    html = opened(client, user).content.decode()

    assert "有 1 件事等你处理" in html
    assert f"还剩 3 个工作日（{due.month} 月 {due.day} 日前）" in html.replace("\u00a0", " ")


def test_what_one_side_has_answered_waits_for_the_other(client):
    user, owner = enterprise()
    match = make_match(status=MatchStatus.APPROVED, demand=make_demand(owner=owner))
    Consent.objects.create(match=match, side=Side.DEMAND, agreed=True, user=user)

    response = opened(client, user)

    assert acts(response) == {"others": [(match.demand.title, match.get_absolute_url())]}
    assert "现在没有事等你处理" in response.content.decode()


def test_a_home_names_no_other_side_before_the_introduction(client):
    user, owner = enterprise()
    university = make_organization(kind="university", name="华东精工大学")
    match = make_match(
        status=MatchStatus.APPROVED,
        demand=make_demand(owner=owner),
        achievement=make_achievement(owner=university, title="华东精工大学淬火工艺"),
        manager=make_manager(name="陈立"),
    )

    html = opened(client, user).content.decode()

    assert "淬火工艺" in html
    assert reverse("match_consent", args=[match.number]) in html
    assert university.name not in html
    assert "陈立" not in html


def test_objections_that_can_still_be_made_are_one_line_for_each_listing(client):
    user, owner = enterprise()
    demand = make_demand(owner=owner, title="被拒的需求")
    for _number in range(3):
        make_match(status=MatchStatus.REJECTED, demand=demand, manager=make_manager())
    long_ago = timezone.now() - dt.timedelta(days=60)
    make_match(status=MatchStatus.REJECTED, demand=make_demand(owner=owner), decided_at=long_ago)

    response = opened(client, user)

    [(title, address)] = [line for lines in acts(response).values() for line in lines]
    assert (title, address) == ("被拒的需求", url("demand_matches", demand) + "?tab=ended")
    assert "3 项匹配未通过" in response.content.decode()


def test_an_introduction_is_asked_about_once_the_meeting_should_have_been(client):
    user, owner = enterprise()
    old = timezone.now() - dt.timedelta(days=30)
    match = make_match(
        status=MatchStatus.INTRODUCED, demand=make_demand(owner=owner), introduced_at=old
    )
    make_match(status=MatchStatus.INTRODUCED, demand=make_demand(owner=owner))

    response = opened(client, user)

    assert acts(response)["any"] == [(match.demand.title, url("match_feedback", match))]
    assert response.context["news"].count == 2


def test_a_viewer_is_asked_for_nothing_and_offered_nothing_to_write(client):
    owner = make_organization()
    make_match(status=MatchStatus.APPROVED, demand=make_demand(owner=owner))
    make_demand(owner=owner, status="draft")

    response = opened(client, make_member(owner, role="viewer"))

    assert acts(response) == {}
    assert response.context["action"] is None
    assert response.context["guide"] is None


@pytest.mark.parametrize(
    ("kind", "first", "others"),
    [
        ("enterprise", "demand_new", []),
        ("university", "achievement_new", []),
        ("agency", "demand_new", ["achievement_new"]),
    ],
)
def test_one_primary_action_by_what_the_organization_brings(client, kind, first, others):
    context = opened(client, make_member(make_organization(kind=kind))).context

    assert context["action"].url == reverse(first)
    assert [one.url for one in context["other_actions"]] == [reverse(one) for one in others]


# --- A manager ------------------------------------------------------------------------------------


def test_a_manager_finds_reviews_checks_and_a_certificate_that_runs_out_by_clock(client):
    manager = make_manager()
    today = timezone.localdate()
    ManagerProfile.objects.filter(user=manager).update(
        valid_from=today, valid_until=today + dt.timedelta(days=20)
    )
    late = make_review(manager=manager, due_on=today - dt.timedelta(days=1))
    held = make_review(manager=manager, paused_on=today, days_left=2)
    check = make_demand(status="submitted")
    check.publications.update(manager=manager, due_on=add_working_days(today, 2))

    response = opened(client, manager)

    found = acts(response)
    assert found["now"][0][1] == late.get_absolute_url()
    assert found["soon"] == [(f"{check.number} · 滚动轴承制造", url("listing_review", check))]
    assert found["later"] == [("你的证书快到期", reverse("manager_renewal"))]
    assert [address for _title, address in found["others"]] == [held.get_absolute_url()]
    assert response.context["action"].url == late.get_absolute_url()
    assert "暂停" in response.content.decode()


def test_a_managers_home_names_no_side(client):
    manager = make_manager()
    demand = make_demand(owner=make_organization(name="恒轴轴承有限公司"), title="恒轴轴承的淬火")
    make_review(match=make_match(status=MatchStatus.IN_REVIEW, demand=demand), manager=manager)
    check = make_demand(status="submitted", title="云州重工的题目")
    Organization.objects.filter(pk=check.owner_id).update(name="云州重工有限公司")
    check.publications.update(manager=manager)

    html = opened(client, manager).content.decode()

    assert "恒轴轴承" not in html
    assert "云州重工" not in html


# --- An operator ----------------------------------------------------------------------------------


def test_an_operator_finds_what_is_late_handed_over_and_promised(client):
    today = timezone.localdate()
    yesterday = today - dt.timedelta(days=1)
    late = make_match(status=MatchStatus.IN_REVIEW, due_on=yesterday)
    make_review(match=late, due_on=yesterday)
    handed = make_match(
        status=MatchStatus.SUGGESTED, escalation="nobody", escalated_at=timezone.now()
    )
    make_match(status=MatchStatus.SUGGESTED)
    pending = make_organization(status=OrganizationStatus.PENDING, verified_at=None)
    applied = make_manager()
    ManagerProfile.objects.filter(user=applied).update(status=ManagerStatus.PENDING)
    check = make_demand(status="submitted")

    response = opened(client, make_operator())

    addresses = [address for lines in acts(response).values() for _title, address in lines]
    assert addresses[:2] == [url("ops_reassign", late), url("ops_reassign", handed)]
    assert set(addresses[2:]) == {
        reverse("ops_organization", args=[pending.pk]),
        reverse("ops_manager", args=[applied.manager_profile.pk]),
        url("listing_review", check),
        reverse("ops_assignments") + "?state=unassigned",
    }
    assert response.context["action"].url == url("ops_reassign", late)


# --- Several roles, and none ----------------------------------------------------------------------


def test_what_waits_in_another_role_is_one_line_with_a_switch(client):
    person = make_manager()
    owner = make_organization()
    Membership.objects.create(user=person, organization=owner, role="owner", is_active=True)
    make_match(status=MatchStatus.APPROVED, demand=make_demand(owner=owner))

    html = opened(client, person).content.decode()

    assert "你以“机构”身份还有 1 件事要处理" in html
    client.post(reverse("switch_role"), {"role": "member", "next": HOME})
    assert client.get(HOME).context["place"].role == "member"
    assert "你以“" not in client.get(HOME).content.decode()


def _nothing() -> User:
    return make_user()


def _asked() -> User:
    user = make_user()
    Membership.objects.create(user=user, organization=make_organization(), role="editor")
    return user


def _pending() -> User:
    return make_member(make_organization(status=OrganizationStatus.PENDING, verified_at=None))


def _returned() -> User:
    return make_member(
        make_organization(
            status=OrganizationStatus.REJECTED, status_reason="请补传执照", verified_at=None
        )
    )


def _applied() -> User:
    user = make_manager()
    ManagerProfile.objects.filter(user=user).update(status=ManagerStatus.PENDING)
    return user


@pytest.mark.parametrize(
    ("make", "state", "words", "page"),
    [
        (_nothing, "start", "先选一种开始方式", "organization_new"),
        (_asked, "asked", "等机构负责人同意", "organization"),
        (_pending, "pending", "机构正在核验", "demand_new"),
        (_returned, "returned", "请补传执照", "organization_edit"),
        (_applied, "applied", "证书正在核对", "manager_own"),
    ],
)
def test_a_newcomer_is_shown_the_one_next_step(
    client, make: Callable[[], User], state, words, page
):
    user = make()
    response = opened(client, user)

    html = response.content.decode()
    assert response.context["state"] == state
    assert words in html
    own = user.organizations.first()
    address = reverse(page, args=[own.pk]) if page == "organization_edit" else reverse(page)
    assert f'href="{address}"' in html


def test_an_organization_that_lost_its_verification_keeps_its_home(client):
    user, owner = enterprise()
    make_demand(owner=owner)
    Organization.objects.filter(pk=owner.pk).update(status=OrganizationStatus.PENDING)

    response = opened(client, user)

    assert [title for title, _url in acts(response)["others"]] == [owner.name]
    assert response.context["shelves"]


# --- What has changed -----------------------------------------------------------------------------


def test_what_came_after_the_last_visit_is_marked_as_new(client, clock):
    user, owner = enterprise()
    review = make_review(
        match=make_match(status=MatchStatus.IN_REVIEW, demand=make_demand(owner=owner))
    )
    Review.objects.filter(pk=review.pk).update(status=ReviewStatus.ACCEPTED)
    payload = {"match": review.match_id, "side": "demand"}
    notify(kind="match.taken", user=user, key="first", payload=payload)

    first = opened(client, user)
    assert first.context["since"] is None
    assert 'class="unread"' not in first.content.decode()

    clock.move(hours=3)
    notify(kind="match.taken", user=user, key="second", payload=payload)
    html = client.get(HOME).content.decode()
    assert html.count('class="unread"') == 1
    # Opened again within the visit: still new. In the next visit: no more.
    clock.move(minutes=10)
    assert client.get(HOME).content.decode().count('class="unread"') == 1
    clock.move(hours=3)
    assert 'class="unread"' not in client.get(HOME).content.decode()


def test_an_operator_reads_what_others_did_last_and_not_their_own_acts(client):
    operator, person = make_operator(), make_member(name="陆启衡")
    event = {"demand": make_demand(), "before": "submitted", "after": "published", "version": 1}
    ListingEvent.objects.create(actor=person, **event)
    ListingEvent.objects.create(actor=operator, **event)
    AccountEvent.objects.create(actor=person, subject=person, verb="token_made")

    [(_day, [change])] = opened(client, operator).context["changes"]

    assert change.title == f"已发布：{event['demand'].number}"
    assert change.who == "陆启衡"


def test_a_manager_reads_what_became_of_what_they_approved(client):
    manager = make_manager()
    named = make_organization(name="恒轴轴承有限公司")
    for status in (MatchStatus.INTRODUCED, MatchStatus.REJECTED, MatchStatus.APPROVED):
        demand = make_demand(owner=named, title="恒轴轴承的淬火")
        make_match(status=status, demand=demand, manager=manager)

    response = opened(client, manager)

    [(match, title)] = response.context["outcomes"]
    assert match.status == MatchStatus.INTRODUCED
    assert "恒轴轴承" not in title
    assert match.get_absolute_url() in response.content.decode()


# --- First steps ----------------------------------------------------------------------------------


def test_first_steps_are_ticked_by_facts_and_gone_when_all_are_done(client):
    user, owner = enterprise()
    guide = opened(client, user).context["guide"]
    assert [step.done for step in guide.steps] == [True, True, True, False, False]
    assert guide.next.url == reverse("demand_new")

    match = make_match(status=MatchStatus.APPROVED, demand=make_demand(owner=owner))
    assert client.get(HOME).context["guide"].done == 4
    Consent.objects.create(match=match, side=Side.DEMAND, agreed=True, user=user)
    response = client.get(HOME)
    assert response.context["guide"] is None
    assert "入门步骤" not in re.sub(r"aria-label=\"[^\"]*\"", "", response.content.decode())


def test_first_steps_are_put_away_for_good_and_come_back_from_the_settings(client):
    manager = make_manager()
    assert opened(client, manager).context["guide"] is not None

    client.post(reverse("first_steps"), {"role": "manager"})
    client.logout()
    assert opened(client, manager).context["guide"] is None
    settings = client.get(reverse("settings_profile")).content.decode()
    assert 'name="role" value="manager"' in settings

    client.post(reverse("first_steps"), {"role": "manager", "show": "1"})
    assert client.get(HOME).context["guide"] is not None
    assert (
        'name="role" value="manager"'
        not in client.get(reverse("settings_profile")).content.decode()
    )


@pytest.mark.parametrize("role", ["", "emperor", "manager'--", "member" * 50])
def test_no_other_word_is_kept_as_a_role(client, role):
    member = make_member()
    client.force_login(member)

    assert client.post(reverse("first_steps"), {"role": role}).status_code == 302
    member.refresh_from_db()
    assert member.guides_hidden == []


def test_first_steps_of_an_operator_follow_the_settings(client, settings):
    settings.SITE_OPERATOR = settings.SITE_CONTACT = ""
    operator = make_operator()
    steps = opened(client, operator).context["guide"].steps
    assert not any(step.done for step in steps)

    settings.SITE_OPERATOR, settings.SITE_CONTACT = "云州市科学技术局", "0000-12345"
    make_manager()
    make_demand()
    guide = client.get(HOME).context["guide"]
    assert guide.done == guide.total - 1  # the second step of signing in


# --- What it costs --------------------------------------------------------------------------------


def a_members_row(owner: Organization) -> None:
    today = timezone.localdate()
    make_match(status=MatchStatus.APPROVED, demand=make_demand(owner=owner), due_on=today)
    make_match(
        status=MatchStatus.INTRODUCED,
        demand=make_demand(owner=owner, status="needs_info"),
        introduced_at=timezone.now() - dt.timedelta(days=30),
    )
    make_match(status=MatchStatus.REJECTED, demand=make_demand(owner=owner), manager=make_manager())
    make_demand(owner=owner, status="submitted")
    make_demand(owner=owner, status="rejected")


def a_managers_row(manager: User) -> None:
    make_review(manager=manager)
    make_demand(status="submitted").publications.update(manager=manager)


def an_operators_row() -> None:
    yesterday = timezone.localdate() - dt.timedelta(days=1)
    make_review(match=make_match(status=MatchStatus.IN_REVIEW, due_on=yesterday), due_on=yesterday)
    make_match(status=MatchStatus.SUGGESTED, escalation="nobody", escalated_at=timezone.now())
    make_organization(status=OrganizationStatus.PENDING, verified_at=None)
    ManagerProfile.objects.filter(user=make_manager()).update(status=ManagerStatus.PENDING)
    make_demand(status="submitted")


@pytest.mark.parametrize("role", ["member", "manager", "operator"])
def test_a_home_costs_the_same_for_one_row_and_for_ten(client, role):
    user, owner = enterprise()
    manager, operator = make_manager(), make_operator()
    reader, add = {
        "member": (user, lambda: a_members_row(owner)),
        "manager": (manager, lambda: a_managers_row(manager)),
        "operator": (operator, an_operators_row),
    }[role]

    def cost() -> int:
        with CaptureQueriesContext(connection) as queries:
            client.get(HOME)
        return len(queries)

    add()
    opened(client, reader)
    one = cost()
    for _number in range(9):
        add()

    assert cost() == one
    # Of a member's, half are for what waits (eleven sources, most with rows and how many there
    # are), nine for the top bar, the rest for one's listings, notifications and first steps.
    assert one == {"member": 43, "manager": 23, "operator": 33}[role]
    assert Demand.objects.exists()
