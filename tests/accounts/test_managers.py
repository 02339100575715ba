"""Technology managers: application, certification, days off, ties."""

import datetime as dt

import pytest
from django.urls import reverse

from accounts.models import AccountEvent, ManagerProfile, ManagerStatus
from accounts.services import (
    Refused,
    apply_as_manager,
    certify_manager,
    declare_interest,
    remove_member,
    suspend_manager,
)
from tests.factories import (
    make_credit_code,
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
    "classes": ["C34", "I"],
    "regions": ["320000"],
    "capacity": 15,
}


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

    profile = apply_as_manager(actor=person, content=FORM)

    assert [one.organization for one in profile.interests.all()] == [organization]


# --- Operators ------------------------------------------------------------------------------------


@pytest.fixture
def applicant():
    user = make_user(name="吴越")
    apply_as_manager(actor=user, content=FORM)
    return user


def test_an_operator_certifies_with_the_grade_of_the_certificate(client, applicant):
    client.force_login(make_operator())
    response = client.post(
        reverse("ops_manager", args=[applicant.manager_profile.pk]),
        {"answer": "certify", "grade": "junior", "capacity": 5, "certificate_checked": "on"},
    )
    assert response.status_code == 302
    profile = ManagerProfile.objects.get()
    assert (profile.status, profile.grade, profile.capacity) == ("certified", "junior", 5)
    assert profile.certified_at is not None


def test_certifying_needs_the_tick(client, applicant):
    client.force_login(make_operator())
    response = client.post(
        reverse("ops_manager", args=[applicant.manager_profile.pk]),
        {"answer": "certify", "grade": "junior", "capacity": 5},
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
    certify_manager(profile=profile, actor=make_operator(), grade="senior", capacity=20)
    client.force_login(make_operator())
    response = client.post(
        reverse("ops_manager", args=[profile.pk]),
        {"answer": "certify", "grade": "junior", "capacity": 5, "certificate_checked": "on"},
    )
    assert response.status_code == 409
    assert ManagerProfile.objects.get().grade == "senior"


def test_nobody_certifies_themselves():
    operator = make_operator()
    profile = apply_as_manager(actor=operator, content=FORM)
    with pytest.raises(Refused):
        certify_manager(profile=profile, actor=operator, grade="senior", capacity=20)
    with pytest.raises(Refused):
        certify_manager(profile=profile, actor=make_user(), grade="senior", capacity=20)
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


def test_days_off_are_saved_and_emptied(client):
    manager = make_manager()
    client.force_login(manager)
    address = reverse("settings_profile")
    client.post(
        address, {"form_name": "away", "away-first": "2026-12-01", "away-last": "2026-12-10"}
    )
    profile = ManagerProfile.objects.get()
    assert (profile.unavailable_from, profile.unavailable_until) == (
        dt.date(2026, 12, 1),
        dt.date(2026, 12, 10),
    )
    client.post(address, {"form_name": "away", "away-first": "", "away-last": ""})
    assert ManagerProfile.objects.get().unavailable_from is None


@pytest.mark.parametrize(
    ("first", "last", "words"),
    [
        ("2026-12-10", "2026-12-01", "结束日期早于开始日期"),
        ("", "2026-12-01", "请填写从哪一天开始"),
        ("yesterday", "", "日期"),
        ("2026-02-30", "", "日期"),
    ],
)
def test_wrong_days_get_a_sentence(client, first, last, words):
    manager = make_manager()
    client.force_login(manager)
    response = client.post(
        reverse("settings_profile"),
        {"form_name": "away", "away-first": first, "away-last": last},
    )
    assert words in response.content.decode()
    assert ManagerProfile.objects.get().unavailable_from is None


def test_a_tie_is_declared_by_credit_code(client):
    manager, organization = make_manager(), make_organization()
    client.force_login(manager)
    form = {
        "form_name": "interest",
        "interest-credit_code": organization.credit_code,
        "interest-kind": "interest",
        "interest-note": "配偶持股",
    }
    assert client.post(reverse("settings_profile"), form).status_code == 302
    [interest] = manager.manager_profile.interests.all()
    assert (interest.organization, interest.kind) == (organization, "interest")
    assert "已经申报过" in client.post(reverse("settings_profile"), form).content.decode()
    form["interest-credit_code"] = make_credit_code(800_001)
    assert (
        "没有用这个信用代码登记" in client.post(reverse("settings_profile"), form).content.decode()
    )
    assert manager.manager_profile.interests.count() == 1


def test_others_have_no_such_forms(client):
    person = make_user()
    client.force_login(person)
    page = client.get(reverse("settings_profile")).content.decode()
    assert "不接单日期" not in page
    response = client.post(
        reverse("settings_profile"), {"form_name": "away", "away-first": "2026-12-01"}
    )
    assert response.status_code == 200
    assert not ManagerProfile.objects.exists()


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


def test_declaring_for_an_organization_without_profile_is_not_possible():
    manager = make_manager()
    with pytest.raises(Refused):
        declare_interest(
            profile=manager.manager_profile, credit_code=make_credit_code(1), kind="interest"
        )
