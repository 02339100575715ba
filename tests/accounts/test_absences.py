"""Days off of technology managers, and the ties that they declare."""

import datetime as dt

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.absences import add_absence, end_absence
from accounts.conflicts import has_tie
from accounts.interests import declare_interest, strike_interest
from accounts.models import Absence, AccountEvent, ManagerInterest, ManagerProfile
from accounts.services import (
    ORGANIZATION_FIELDS,
    Refused,
    answer_join,
    ask_to_join,
    change_organization,
    change_person,
    register_organization,
)
from accounts.signals import managers_changed, ties_changed
from tests.factories import (
    make_credit_code,
    make_manager,
    make_member,
    make_operator,
    make_organization,
    make_user,
)

pytestmark = pytest.mark.django_db
DAY = dt.timedelta(days=1)


@pytest.fixture
def profile():
    return make_manager().manager_profile


def client_of(person):
    client = Client()
    client.force_login(person)
    return client


def catching(signal):
    calls = []

    def listen(sender, user_ids, **kwargs):
        calls.append(user_ids)

    signal.connect(listen)
    yield calls
    signal.disconnect(listen)


@pytest.fixture
def changed():
    yield from catching(managers_changed)


@pytest.fixture
def tied():
    yield from catching(ties_changed)


# --- Days off -------------------------------------------------------------------------------------


def test_several_periods_each_with_its_days(profile):
    today = timezone.localdate()
    first = add_absence(profile=profile, first=today - DAY, last=today + DAY, note="出差")
    second = add_absence(profile=profile, first=today + 5 * DAY, last=None)
    away = {-2: None, -1: first, 0: first, 1: first, 2: None, 4: None, 5: second, 500: second}
    for offset, absence in away.items():
        day = today + offset * DAY
        assert profile.absence_on(day) == absence
        assert ManagerProfile.objects.available_on(day).exists() == (absence is None)


@pytest.mark.parametrize(
    ("first", "last"),
    [(3, 2), (-9, -1), (4, 6), (5, 5), (6, 9), (3, 12), (3, None), (7, None)],
)
def test_days_that_are_over_reversed_or_marked_already_are_refused(profile, first, last):
    today = timezone.localdate()
    add_absence(profile=profile, first=today + 5 * DAY, last=today + 7 * DAY)
    with pytest.raises(Refused):
        add_absence(
            profile=profile,
            first=today + first * DAY,
            last=None if last is None else today + last * DAY,
        )
    assert Absence.objects.count() == 1


def test_days_to_come_go_and_those_under_way_end_yesterday(
    profile, changed, django_capture_on_commit_callbacks
):
    today = timezone.localdate()
    with django_capture_on_commit_callbacks(execute=True):
        now = add_absence(profile=profile, first=today - 3 * DAY, last=None)
        end_absence(absence=now, actor=profile.user)
        later = add_absence(profile=profile, first=today + 3 * DAY, last=today + 4 * DAY)
        end_absence(absence=later, actor=profile.user)
    assert [absence.last for absence in profile.absences.all()] == [today - DAY]
    assert profile.absence_on(today) is None
    assert changed == [[profile.user_id]] * 4
    with pytest.raises(Refused):
        end_absence(absence=now, actor=profile.user)


def test_nobody_ends_anothers_days_off(profile):
    absence = add_absence(profile=profile, first=timezone.localdate(), last=None)
    other = make_manager()
    with pytest.raises(Refused):
        end_absence(absence=absence, actor=other)
    address = reverse("manager_absence_end", args=[absence.pk])
    assert client_of(other).post(address).status_code == 404
    assert client_of(profile.user).post(address).status_code == 302


@pytest.mark.parametrize(
    ("first", "last", "words"),
    [
        ("2099-12-10", "2099-12-01", "结束日期早于开始日期"),
        ("", "2099-12-01", "必填"),
        ("yesterday", "", "日期"),
        ("2099-02-30", "", "日期"),
        ("2020-01-01", "2020-01-02", "已经过去"),
        ("9999-12-31", "", "年份"),
        ("0001-01-01", "", "年份"),
    ],
)
def test_wrong_days_get_a_sentence(profile, first, last, words):
    response = client_of(profile.user).post(
        reverse("manager_absences"), {"first": first, "last": last}
    )
    assert words in response.content.decode()
    assert not Absence.objects.exists()


def test_operators_see_the_days_off(profile):
    add_absence(profile=profile, first=timezone.localdate(), last=None, note="产假")
    page = client_of(make_operator()).get(reverse("ops_manager", args=[profile.pk]))
    assert "产假" in page.content.decode()
    assert "产假" not in Client().get(reverse("manager_list")).content.decode()


# --- Declared ties --------------------------------------------------------------------------------


def test_a_tie_is_declared_by_code_with_its_days(profile):
    organization = make_organization()
    form = {
        "kind": "employment",
        "credit_code": organization.credit_code,
        "since": "2015-03-01",
        "until": "2019-12-31",
        "note": "工艺部",
    }
    client = client_of(profile.user)
    assert client.post(reverse("manager_interests"), form).status_code == 302
    [interest] = profile.interests.all()
    assert (interest.organization, interest.until) == (organization, dt.date(2019, 12, 31))
    assert has_tie(profile.user, [organization.pk])
    assert "已经申报过" in client.post(reverse("manager_interests"), form).content.decode()
    page = client_of(make_operator()).get(reverse("ops_manager", args=[profile.pk]))
    assert "工艺部" in page.content.decode()
    assert profile.interests.count() == 1


def test_employment_and_an_interest_in_one_organization_are_two_ties(profile):
    code = make_organization().credit_code
    for kind in ("employment", "interest"):
        declare_interest(profile=profile, kind=kind, credit_code=code)
    assert profile.interests.count() == 2


@pytest.mark.parametrize(
    "form",
    [
        {"kind": "interest"},
        {"kind": "friendship", "name": "恒轴"},
        {"kind": "interest", "credit_code": "91330100MA00000"},
        {"kind": "interest", "name": "恒轴", "since": "2020-01-02", "until": "2020-01-01"},
        {"kind": "interest", "name": "恒\u202e轴"},
        {"kind": "interest", "name": "恒" * 121},
    ],
)
def test_a_wrong_declaration_is_refused_and_nothing_is_saved(profile, form):
    response = client_of(profile.user).post(reverse("manager_interests"), form)
    assert response.status_code == 200
    assert not ManagerInterest.objects.exists()


def organization_content(**fields):
    made = make_organization()
    values = {name: getattr(made, name) for name in ORGANIZATION_FIELDS}
    made.delete()
    return values | fields


@pytest.mark.parametrize("by", ["code", "name"])
def test_a_tie_to_an_unregistered_organization_is_linked_when_it_registers(
    profile, by, tied, django_capture_on_commit_callbacks
):
    code = make_credit_code(900_100)
    given = {"credit_code": code} if by == "code" else {"name": "恒轴轴承股份"}
    declare_interest(profile=profile, kind="employment", **given)
    assert not profile.interests.get().organization_id
    owner = make_user()
    with django_capture_on_commit_callbacks(execute=True):
        organization = register_organization(
            actor=owner, content=organization_content(name="恒轴轴承股份", credit_code=code)
        )
    assert profile.interests.get().organization == organization
    assert [profile.user_id] in tied
    with django_capture_on_commit_callbacks(execute=True):
        values = organization_content(name="改了名的公司", credit_code=code)
        change_organization(organization=organization, actor=owner, content=values)
    assert has_tie(profile.user, [organization.pk])


def test_an_operator_strikes_out_a_mistake_and_the_row_stays(profile):
    organization = make_organization()
    interest = declare_interest(
        profile=profile, kind="interest", credit_code=organization.credit_code
    )
    with pytest.raises(Refused):
        strike_interest(interest=interest, actor=profile.user, reason="填错了")
    client = client_of(make_operator())
    address = reverse("ops_manager", args=[profile.pk])
    client.post(address, {"answer": "strike", "interest": interest.pk, "reason": ""})
    assert has_tie(profile.user, [organization.pk])
    client.post(address, {"answer": "strike", "interest": interest.pk, "reason": "代码填错"})
    assert not has_tie(profile.user, [organization.pk])
    interest.refresh_from_db()
    assert interest.struck_at is not None
    assert AccountEvent.objects.filter(verb="struck", note__contains="代码填错").exists()
    declare_interest(profile=profile, kind="interest", credit_code=organization.credit_code)
    assert has_tie(profile.user, [organization.pk])


# --- Who is told ----------------------------------------------------------------------------------


def test_whoever_makes_or_changes_a_tie_tells_of_it(tied, django_capture_on_commit_callbacks):
    manager = make_manager(phone="13912340000")
    owner = make_member()
    organization = owner.organizations.get()

    def step(function, **values):
        tied.clear()
        with django_capture_on_commit_callbacks(execute=True):
            function(**values)
        return tied

    me = [[manager.pk]]
    assert step(ask_to_join, actor=manager, credit_code=organization.credit_code) == me
    membership = manager.memberships.get()
    assert step(answer_join, membership=membership, actor=owner, accepted=False) == me
    person = {"name": "甲", "phone": "13912340001", "language": "zh-hans"}
    assert step(change_person, person=manager, content=person) == me
    assert step(change_person, person=manager, content=person) == []

    content = {name: getattr(organization, name) for name in ORGANIZATION_FIELDS}
    content["contact_phone"] = "+86 139 1234 0001"
    assert step(change_organization, organization=organization, actor=owner, content=content) == me
    assert has_tie(manager, [organization.pk])
    content["contact_phone"] = "0000-1234567"
    change_organization(organization=organization, actor=owner, content=content)
    assert not has_tie(manager, [organization.pk])
    # A member takes the manager's number: then the manager is tied to the member's organization.
    person["phone"] = "139 1234 0001"
    assert step(change_person, person=owner, content=person) == me
    assert has_tie(manager, [organization.pk])


def test_a_listener_that_fails_leaves_the_change_as_it_is(
    profile, django_capture_on_commit_callbacks
):
    def listen(sender, **kwargs):
        raise RuntimeError("listener")

    managers_changed.connect(listen)
    try:
        with django_capture_on_commit_callbacks(execute=True):
            add_absence(profile=profile, first=timezone.localdate(), last=None)
    finally:
        managers_changed.disconnect(listen)
    assert Absence.objects.count() == 1
