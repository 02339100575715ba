"""Technology managers: application, certification, days off, ties."""

import datetime as dt

import pytest
from django.urls import reverse

from accounts.certification import (
    apply_as_manager,
    certify_manager,
    fingerprint,
    lift_suspension,
    suspend_manager,
)
from accounts.interests import declare_interest, strike_interest
from accounts.models import AccountEvent, ManagerProfile, ManagerStatus
from accounts.services import Refused, answer_join, ask_to_join, remove_member
from tests.factories import (
    make_manager,
    make_member,
    make_operator,
    make_organization,
    make_user,
)

pytestmark = pytest.mark.django_db
FORM = {
    "grade": "senior",
    "certificate_no": "JL-2026-001",
    "issuer": "省技术转移协会",
    "valid_from": "2026-01-01",
    "valid_until": "2029-12-31",
    "classes": ["C34", "I"],
    "regions": ["320000"],
    "capacity": 15,
}
DAYS = {"valid_from": dt.date(2026, 1, 1), "valid_until": dt.date(2029, 12, 31)}
CONTENT = FORM | DAYS


def certifying(profile, **other):
    """Return what an operator sends who certifies as the application says."""
    fields = ("grade", "certificate_no", "issuer", "valid_from", "valid_until")
    form = {name: FORM[name] for name in fields}
    sent = {"answer": "certify", "seen": fingerprint(profile), "certificate_checked": "on"}
    return form | sent | {"grade": "junior", "capacity": 5} | other


def test_an_application_waits_for_an_operator(client):
    user = make_user()
    client.force_login(user)
    response = client.post(reverse("manager_apply"), FORM)

    assert response.status_code == 302
    profile = user.manager_profile
    assert profile.status == ManagerStatus.PENDING
    assert profile.classes == ["C34", "I"]
    assert AccountEvent.objects.get().verb == AccountEvent.Verb.APPLIED
    assert "认定中" in client.get(reverse("manager_apply")).content.decode()


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("grade", "grand master", "grand master"),
        ("certificate_no", "", "必填"),
        ("certificate_no", "JL<script>", "证书编号只能有"),
        ("certificate_no", "JL\u202e1", "U+202E"),
        ("certificate_no", "9" * 200_000, "40"),
        ("issuer", "", "必填"),
        ("valid_from", "", "必填"),
        ("valid_until", "2026-02-30", "日期"),
        ("valid_until", "2025-12-31", "早于"),
        ("valid_from", "0001-01-01", "年份"),
        ("classes", ["Z99"], "Z99"),
        ("classes", [], "必填"),
        ("classes", [f"C{n}" for n in range(13, 30)], "最多选 12 个"),
        ("regions", ["999999"], "999999"),
        ("capacity", "0", "1"),
        ("capacity", "many", "整数"),
        ("capacity", "100000000000000000000", "200"),
    ],
)
def test_wrong_entries_get_a_sentence_and_nothing_is_saved(client, field, value, words):
    client.force_login(make_user())
    response = client.post(reverse("manager_apply"), FORM | {field: value})

    assert response.status_code == 200
    assert words in response.content.decode()
    assert not ManagerProfile.objects.exists()


def test_a_certificate_belongs_to_one_person(client):
    taken = make_manager().manager_profile.certificate_no
    client.force_login(make_user())
    response = client.post(reverse("manager_apply"), FORM | {"certificate_no": taken})
    assert "已属于平台上另一位" in response.content.decode()
    assert ManagerProfile.objects.count() == 1


def test_nobody_certifies_themselves_through_the_form(client):
    user = make_user()
    client.force_login(user)
    client.post(
        reverse("manager_apply"),
        FORM | {"status": "certified", "certified_at": "2026-01-01", "is_operator": "on"},
    )
    assert user.manager_profile.status == ManagerStatus.PENDING


def test_a_certified_manager_cannot_rewrite_the_certificate(client):
    manager = make_manager()
    client.force_login(manager)
    response = client.post(reverse("manager_apply"), FORM | {"grade": "junior"})
    assert response.status_code == 409
    manager.manager_profile.refresh_from_db()
    assert manager.manager_profile.grade == "senior"


def test_former_organizations_become_past_employers():
    organization = make_organization()
    make_member(organization)
    person = make_member(organization, role="editor")
    AccountEvent.objects.create(
        verb=AccountEvent.Verb.JOINED, actor=person, subject=person, organization=organization
    )
    remove_member(membership=person.memberships.get(), actor=person)

    profile = apply_as_manager(actor=person, content=CONTENT)

    assert [one.organization for one in profile.interests.all()] == [organization]


# --- Operators ------------------------------------------------------------------------------------


@pytest.fixture
def applicant():
    user = make_user(name="吴越")
    apply_as_manager(actor=user, content=CONTENT)
    return user


def test_an_operator_certifies_with_the_grade_of_the_certificate(client, applicant):
    client.force_login(make_operator())
    response = client.post(
        reverse("ops_manager", args=[applicant.manager_profile.pk]),
        certifying(applicant.manager_profile),
    )
    assert response.status_code == 302
    profile = ManagerProfile.objects.get()
    assert (profile.status, profile.grade, profile.capacity) == ("certified", "junior", 5)
    assert profile.certified_at is not None


def test_certifying_needs_the_tick(client, applicant):
    client.force_login(make_operator())
    response = client.post(
        reverse("ops_manager", args=[applicant.manager_profile.pk]),
        certifying(applicant.manager_profile, certificate_checked=""),
    )
    assert response.status_code == 200
    assert ManagerProfile.objects.get().status == ManagerStatus.PENDING


def test_turning_down_needs_a_reason_which_the_person_reads_and_may_answer(client, applicant):
    client.force_login(make_operator())
    address = reverse("ops_manager", args=[applicant.manager_profile.pk])
    client.post(address, {"answer": "suspend", "reason": ""})
    assert ManagerProfile.objects.get().status == ManagerStatus.PENDING
    client.post(address, {"answer": "suspend", "reason": "编号查不到"})
    assert ManagerProfile.objects.get().status == ManagerStatus.SUSPENDED

    client.force_login(applicant)
    assert "编号查不到" in client.get(reverse("manager_apply")).content.decode()
    client.post(reverse("manager_apply"), FORM | {"certificate_no": "JL-2026-002"})
    assert ManagerProfile.objects.get().status == ManagerStatus.PENDING


def test_a_suspended_manager_cannot_come_back_alone(client):
    manager = make_manager()
    suspend_manager(profile=manager.manager_profile, actor=make_operator(), reason="投诉核实")
    client.force_login(manager)
    response = client.post(reverse("manager_apply"), FORM)
    assert response.status_code == 409
    assert ManagerProfile.objects.get().status == ManagerStatus.SUSPENDED


def test_of_two_operators_the_second_is_told(client, applicant):
    profile = applicant.manager_profile
    sent = certifying(profile)
    certify_manager(
        profile=profile, actor=make_operator(), seen=fingerprint(profile), content=CONTENT
    )
    client.force_login(make_operator())
    response = client.post(reverse("ops_manager", args=[profile.pk]), sent)
    assert response.status_code == 409
    assert ManagerProfile.objects.get().grade == "senior"


def test_nobody_certifies_themselves():
    operator = make_operator()
    profile = apply_as_manager(actor=operator, content=CONTENT)
    for actor in (operator, make_user()):
        with pytest.raises(Refused):
            certify_manager(
                profile=profile, actor=actor, seen=fingerprint(profile), content=CONTENT
            )
    profile.refresh_from_db()
    assert profile.status == ManagerStatus.PENDING


# --- The public list ------------------------------------------------------------------------------


def test_the_list_shows_certified_managers_to_everybody(client, applicant):
    manager = make_manager(name="陈立", classes=["C34"], phone="0571-1234567")
    page = client.get(reverse("manager_list")).content.decode()
    assert "陈立" in page
    assert "通用设备制造业" in page
    assert "吴越" not in page  # not certified yet
    assert manager.email not in page
    assert "0571-1234567" not in page


# --- Settings -------------------------------------------------------------------------------------


def test_a_profile_is_changed_and_no_more_than_that(client):
    person = make_user(name="旧名")
    client.force_login(person)
    client.post(
        reverse("settings_profile"),
        {
            "form_name": "person",
            "name": "新名",
            "is_operator": "on",
            "email": "a@b.cn",
        },
    )
    before = person.email
    person.refresh_from_db()
    assert (person.name, person.is_operator, person.email) == ("新名", False, before)


def test_a_manager_learns_nothing_of_organizations_and_operators_from_their_own_pages(client):
    manager, operator = make_manager(), make_operator(name="运营甲")
    organization = make_organization(name="保密轴承厂")
    owner = make_member(organization, name="业主乙")
    membership = ask_to_join(actor=manager, credit_code=organization.credit_code)
    client.force_login(manager)
    ties = client.get(reverse("manager_interests")).content.decode()
    assert organization.credit_code in ties
    answer_join(membership=membership, actor=owner, accepted=False)
    tie = declare_interest(
        profile=manager.manager_profile, kind="interest", credit_code=organization.credit_code
    )
    strike_interest(interest=tie, actor=operator, reason="核对笔记")
    suspend_manager(profile=manager.manager_profile, actor=operator, reason="投诉核实")
    lift_suspension(profile=manager.manager_profile, actor=operator, note="内部笔记")

    own = client.get(reverse("manager_own")).content.decode()
    assert "投诉核实" in own
    for hidden in ("保密轴承厂", "业主乙", "运营甲", "内部笔记", "核对笔记"):
        assert hidden not in own
    assert "保密轴承厂" not in ties


def test_the_keys_are_asked_of_managers_alone(client):
    client.force_login(make_user())
    assert (
        'name="form_name" value="person"'
        in client.get(reverse("settings_profile")).content.decode()
    )
    assert "shortcuts" not in client.get(reverse("settings_profile")).content.decode()
    client.force_login(make_manager())
    assert 'name="shortcuts"' in client.get(reverse("settings_profile")).content.decode()


def test_a_wrong_name_keeps_the_old_one_in_the_top_bar(client):
    person = make_user(name="旧名")
    client.force_login(person)
    response = client.post(
        reverse("settings_profile"), {"form_name": "person", "name": "\u202e新名", "phone": ""}
    )
    page = response.content.decode()
    assert "U+202E" in page
    assert "旧名" in page
    person.refresh_from_db()
    assert person.name == "旧名"
