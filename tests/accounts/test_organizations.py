"""Registering, changing and verifying organizations."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import (
    AccountEvent,
    Membership,
    Organization,
    OrganizationQuerySet,
    OrganizationStatus,
)
from accounts.services import (
    REQUIRED_POINTS,
    Refused,
    change_organization,
    fingerprint,
    register_organization,
    return_organization,
    verify_organization,
)
from tests.factories import (
    make_credit_code,
    make_member,
    make_operator,
    make_organization,
    make_user,
    tick_all,
)

pytestmark = pytest.mark.django_db
Verb = AccountEvent.Verb


def content(**changes):
    return {
        "name": "恒轴轴承股份有限公司",
        "name_en": "",
        "kind": "enterprise",
        "credit_code": make_credit_code(700_001),
        "region": "320500",
        "size": "medium",
        "field": "装备制造",
        "field_en": "",
        "summary": "",
        "contact_name": "周敏",
        "contact_phone": "0512-6288 0000",
        "contact_email": "zhou@example.org",
    } | changes


@pytest.fixture
def person(client):
    user = make_user()
    client.force_login(user)
    return user


# --- Register -------------------------------------------------------------------------------------


def test_registering_makes_an_owner_and_waits_for_an_operator(client, person):
    response = client.post(reverse("organization_new"), content())

    assert response.status_code == 302
    organization = Organization.objects.get()
    assert organization.status == OrganizationStatus.PENDING
    membership = Membership.objects.get()
    assert (membership.user, membership.role, membership.is_active) == (person, "owner", True)
    assert AccountEvent.objects.get().verb == Verb.REGISTERED
    page = client.get(reverse("organization")).content.decode()
    assert "承诺 2 个工作日" in page
    assert "核验中" in page


def test_spaces_and_small_letters_in_a_code_are_put_right(client, person):
    code = make_credit_code(700_001)
    typed = f" {code[:8].lower()} {code[8:].lower()} "
    client.post(reverse("organization_new"), content(credit_code=typed))
    assert Organization.objects.get().credit_code == code


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("credit_code", make_credit_code(700_001)[:17], "应为 18 位，现在是 17 位"),
        ("credit_code", make_credit_code(700_001)[:17] + "!", "只含数字和大写字母"),
        ("credit_code", make_credit_code(700_001)[:17] + "Z", "只含数字和大写字母"),
        ("credit_code", "x" * 200_000, "40"),
        ("credit_code", "91330100MA\u202e0000901J", "U+202E"),
        ("name", "", "必填"),
        ("name", "恒轴\u2066轴承", "U+2066"),
        ("name", "轴" * 200_000, "120"),
        ("kind", "bank", "bank"),
        ("region", "999999", "999999"),
        ("size", "", "必填"),
        ("field", "恒轴轴承股份有限公司的热处理", "单位名称"),
        ("field", "热处理 微信 hengzhou88", "联系方式"),
        ("field", "热处理，电话 0512 6288 0000", "联系方式"),
        ("field", "热处理 hengzhou.com", "联系方式"),
        ("field_en", "heat treatment, zhou@example.org", "联系方式"),
        ("contact_phone", "'; DROP TABLE accounts_user; --", "0512-6288 0000"),
        ("contact_email", "nobody", "地址"),
        ("summary", "长" * 1001, "1000"),
    ],
)
def test_wrong_entries_get_a_sentence_and_nothing_is_saved(client, person, field, value, words):
    response = client.post(reverse("organization_new"), content(**{field: value}))

    page = response.content.decode()
    assert response.status_code == 200
    assert "<title>错误：" in page
    assert words in page
    assert f'id="id_{field}_error"' in page
    assert not Organization.objects.exists()
    assert not AccountEvent.objects.exists()


def test_a_wrong_check_character_is_named(client, person):
    code = make_credit_code(700_001)
    wrong = code[:17] + ("1" if code[17] != "1" else "2")
    page = client.post(reverse("organization_new"), content(credit_code=wrong)).content.decode()
    assert "校验位不对，请核对第 18 位" in page


def test_a_code_is_registered_once(client, person):
    make_organization(credit_code=make_credit_code(700_001), name="别人的名字")
    page = client.post(reverse("organization_new"), content()).content.decode()

    assert "已经登记过，请改为申请加入" in page
    assert "别人的名字" not in page
    assert Organization.objects.count() == 1


def test_who_is_a_moment_later_with_the_same_code_gets_the_same_sentence(monkeypatch):
    register_organization(actor=make_user(), content=content())
    # The first look finds nothing: the other one commits right after it.
    monkeypatch.setattr(OrganizationQuerySet, "exists", lambda self: False)

    with pytest.raises(Refused, match="已经登记过"):
        register_organization(actor=make_user(), content=content())

    assert Organization.objects.count() == 1
    assert Membership.objects.count() == 1
    assert AccountEvent.objects.count() == 1


# --- Change ---------------------------------------------------------------------------------------


def test_another_name_has_to_be_verified_again(client):
    owner = make_member()
    organization = owner.organizations.get()
    client.force_login(owner)
    tick_all(organization)
    new = {"name": "另一个名称有限公司"}
    form = {name: getattr(organization, name) for name in content()} | new

    response = client.post(reverse("organization_edit", args=[organization.pk]), form)

    assert response.status_code == 302
    organization.refresh_from_db()
    assert organization.status == OrganizationStatus.PENDING
    assert organization.verified_at is None
    assert not organization.checks.exists()
    assert AccountEvent.objects.get().verb == Verb.CHANGED


def test_another_phone_leaves_it_verified(client):
    owner = make_member()
    organization = owner.organizations.get()
    client.force_login(owner)
    form = {name: getattr(organization, name) for name in content()}

    client.post(
        reverse("organization_edit", args=[organization.pk]), form | {"contact_phone": "010-12345"}
    )

    organization.refresh_from_db()
    assert organization.is_verified
    assert organization.contact_phone == "010-12345"


def test_correcting_what_was_returned_submits_it_again():
    owner, operator = make_member(make_organization(status="pending")), make_operator()
    organization = owner.organizations.get()
    return_organization(
        organization=organization, actor=operator, seen=fingerprint(organization), reason="全称"
    )
    organization.refresh_from_db()
    form = {name: getattr(organization, name) for name in content()}

    change_organization(organization=organization, actor=owner, content=form)

    organization.refresh_from_db()
    assert organization.status == OrganizationStatus.PENDING
    assert organization.status_reason == ""


@pytest.mark.parametrize(("who", "code"), [("editor", 403), ("viewer", 403), ("stranger", 404)])
def test_only_owners_change_the_entries(client, who, code):
    organization = make_organization()
    user = make_user() if who == "stranger" else make_member(organization, role=who)
    client.force_login(user)
    address = reverse("organization_edit", args=[organization.pk])

    assert client.get(address).status_code == code
    assert client.post(address, content()).status_code == code
    with pytest.raises(Refused):
        change_organization(organization=organization, actor=user, content=content())
    organization.refresh_from_db()
    assert organization.name != content()["name"]


def test_who_only_asked_to_join_sees_nothing_of_it(client):
    organization = make_organization(name="保密的名称有限公司")
    user = make_user()
    Membership.objects.create(user=user, organization=organization, role="editor")
    client.force_login(user)

    page = client.get(reverse("organization")).content.decode()
    assert "保密的名称" not in page
    assert organization.credit_code in page  # which they typed themselves
    assert client.get(reverse("organization_members", args=[organization.pk])).status_code == 404
    removal = client.get(
        reverse("member_remove", args=[organization.pk, user.memberships.get().pk])
    )
    assert "保密的名称" not in removal.content.decode()


# --- Verify ---------------------------------------------------------------------------------------


@pytest.fixture
def operator(client):
    user = make_operator()
    client.force_login(user)
    return user


TICKS = {f"point_{point}": "on" for point in REQUIRED_POINTS} | {
    f"note_{point}": "原件已核对" for point in REQUIRED_POINTS
}


def test_an_operator_verifies_what_they_have_compared(client, operator):
    organization = make_organization(status="pending", verified_at=None)
    response = client.post(
        reverse("ops_organization", args=[organization.pk]),
        TICKS | {"answer": "verify", "seen": fingerprint(organization)},
    )

    assert response.status_code == 302
    organization.refresh_from_db()
    assert organization.is_verified
    assert organization.verified_at is not None
    event = AccountEvent.objects.get(verb=Verb.VERIFIED)
    assert event.actor == operator
    assert AccountEvent.objects.filter(verb=Verb.CHECKED).count() == len(REQUIRED_POINTS)


@pytest.mark.parametrize("missing", REQUIRED_POINTS)
def test_a_forgotten_tick_is_not_a_yes(client, operator, missing):
    organization = make_organization(status="pending", verified_at=None)
    ticks = {name: value for name, value in TICKS.items() if name != f"point_{missing}"}
    response = client.post(
        reverse("ops_organization", args=[organization.pk]),
        ticks | {"answer": "verify", "seen": fingerprint(organization)},
    )

    assert response.status_code == 409
    assert str(missing.label) in response.content.decode()
    organization.refresh_from_db()
    assert organization.status == OrganizationStatus.PENDING
    assert not organization.checks.exists() and not AccountEvent.objects.exists()


def test_an_operator_returns_with_a_reason_that_the_owner_reads(client, operator):
    organization = make_organization(status="pending", verified_at=None)
    owner = make_member(organization)
    address = reverse("ops_organization", args=[organization.pk])
    seen = fingerprint(organization)

    empty = client.post(address, {"answer": "return", "seen": seen, "reason": " "})
    assert empty.status_code == 200
    assert not AccountEvent.objects.exists()

    client.post(address, {"answer": "return", "seen": seen, "reason": "请写<b>全称</b>"})
    organization.refresh_from_db()
    assert organization.status == OrganizationStatus.REJECTED
    client.force_login(owner)
    page = client.get(reverse("organization")).content.decode()
    assert "请写&lt;b&gt;全称&lt;/b&gt;" in page


def test_entries_that_changed_meanwhile_are_not_verified(client, operator):
    organization = make_organization(status="pending", verified_at=None)
    seen = fingerprint(organization)
    Organization.objects.filter(pk=organization.pk).update(name="换成别的名称有限公司")

    response = client.post(
        reverse("ops_organization", args=[organization.pk]),
        TICKS | {"answer": "verify", "seen": seen},
    )

    assert response.status_code == 409
    page = response.content.decode()
    assert "请重新核对" in page
    assert "换成别的名称有限公司" in page
    organization.refresh_from_db()
    assert organization.status == OrganizationStatus.PENDING
    assert not AccountEvent.objects.exists()


def test_of_two_operators_the_second_is_told():
    organization = make_organization(status="pending", verified_at=None)
    tick_all(organization)
    seen = fingerprint(organization)
    verify_organization(organization=organization, actor=make_operator(), seen=seen)

    with pytest.raises(Refused):
        return_organization(
            organization=organization, actor=make_operator(), seen=seen, reason="no"
        )
    organization.refresh_from_db()
    assert organization.is_verified


def test_nobody_verifies_their_own_organization():
    organization = make_organization(status="pending", verified_at=None)
    operator = make_member(organization, is_operator=True)
    with pytest.raises(Refused):
        verify_organization(
            organization=organization, actor=operator, seen=fingerprint(organization)
        )


def test_only_operators_verify():
    organization = make_organization(status="pending", verified_at=None)
    with pytest.raises(Refused):
        verify_organization(
            organization=organization, actor=make_user(), seen=fingerprint(organization)
        )
    organization.refresh_from_db()
    assert organization.status == OrganizationStatus.PENDING


def test_it_locks_the_organization_before_it_writes():
    organization = make_organization(status="pending", verified_at=None)
    operator = make_operator()
    tick_all(organization)
    with CaptureQueriesContext(connection) as queries:
        verify_organization(
            organization=organization, actor=operator, seen=fingerprint(organization)
        )
    sql = [query["sql"] for query in queries]
    [lock] = [i for i, text in enumerate(sql) if "FOR UPDATE" in text]
    assert '"accounts_organization"' in sql[lock]
    assert not any(text.startswith(("UPDATE", "INSERT")) for text in sql[:lock])


def test_an_operator_sees_possible_duplicates(client, operator):
    organization = make_organization(name="恒轴轴承（苏州）有限公司", status="pending")
    make_organization(name="恒轴轴承股份有限公司")
    make_organization(name="毫不相干研究所", contact_phone=organization.contact_phone)
    make_organization(name="另一家研究所")

    page = client.get(reverse("ops_organization", args=[organization.pk])).content.decode()
    assert "恒轴轴承股份有限公司" in page
    assert "毫不相干研究所" in page
    assert "另一家研究所" not in page


def test_the_queue_shows_who_waits_longest_first_and_finds_by_name(client, operator):
    first = make_organization(name="甲方机械厂", status="pending")
    make_organization(name="乙方化工厂", status="pending")
    make_organization(name="丙方电子厂", status="verified")
    AccountEvent.objects.create(verb=Verb.REGISTERED, organization=first, actor=operator)

    page = client.get(reverse("ops_organizations")).content.decode()
    assert page.index("乙方化工厂") < page.index("甲方机械厂")
    assert "丙方电子厂" not in page
    page = client.get(reverse("ops_organizations"), {"q": "化工"}).content.decode()
    assert "乙方化工厂" in page
    assert "甲方机械厂" not in page
    for odd in ("\x00", "%", "'; --", "x" * 5000):
        assert client.get(reverse("ops_organizations"), {"q": odd}).status_code == 200


@pytest.mark.parametrize("page", ["abc", "0", "-1", "999999999999999999999"])
def test_odd_page_numbers_show_a_page(client, operator, page):
    assert client.get(reverse("ops_organizations"), {"page": page}).status_code == 200


@pytest.mark.parametrize("rows", [1, 10])
def test_the_queue_costs_the_same_for_one_and_for_ten(
    client, operator, rows, django_assert_num_queries
):
    for _ in range(rows):
        make_organization(status="pending")
    # session, user, counts by status, page count, page, requests for another code; for the top
    # bar: what is unread, memberships, manager profile, organizations, managers, answers, demands,
    # achievements, matches handed to the operators.
    with django_assert_num_queries(15):
        client.get(reverse("ops_organizations"))
