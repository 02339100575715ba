"""Certificates of technology managers: files, days, renewal, suspension, expiry."""

import datetime as dt
import io

import pytest
from django.core.exceptions import ValidationError
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts import certification
from accounts.certification import fingerprint, watch_certificates
from accounts.inbox import Notification
from accounts.models import (
    AccountEvent,
    Evidence,
    ManagerProfile,
    ManagerStatus,
    Renewal,
    RenewalStatus,
)
from accounts.permissions import is_certified_manager
from accounts.services import Refused
from accounts.signals import managers_changed
from tests.factories import make_manager, make_operator, make_user
from tests.files import make_image, make_pdf, upload

pytestmark = pytest.mark.django_db
Verb = AccountEvent.Verb
DAY = dt.timedelta(days=1)


@pytest.fixture(autouse=True)
def kept(settings, tmp_path):
    settings.STORAGES = settings.STORAGES | {
        "private": {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": tmp_path},
        }
    }


@pytest.fixture
def told():
    """Return the lists of users whom `managers_changed` named."""
    calls = []

    def listen(sender, user_ids, **kwargs):
        calls.append(user_ids)

    managers_changed.connect(listen)
    yield calls
    managers_changed.disconnect(listen)


@pytest.fixture
def operator():
    return make_operator()


def client_of(person):
    client = Client()
    client.force_login(person)
    return client


def content(**other):
    today = timezone.localdate()
    values = {
        "grade": "senior",
        "certificate_no": "JL-2026-001",
        "issuer": "省技术转移协会",
        "valid_from": today - 10 * DAY,
        "valid_until": today + 700 * DAY,
        "classes": ["C34"],
        "regions": ["330000"],
        "capacity": 15,
    }
    return values | other


def dated(first, last, **fields):
    """Return a certified manager whose certificate is valid between two days, counted from now."""
    manager, today = make_manager(**fields), timezone.localdate()
    ManagerProfile.objects.filter(user=manager).update(
        valid_from=today + first * DAY, valid_until=today + last * DAY
    )
    return ManagerProfile.objects.select_related("user").get(user=manager)


def applicant():
    return certification.apply_as_manager(actor=make_user(), content=content())


def add_file(profile, data=None, name="证书.pdf"):
    return certification.add_certificate_file(
        profile=profile,
        actor=profile.user,
        purpose="cert",
        upload=upload(data or make_pdf(), name),
        name=name,
    )


def ask(profile, data=None, **other):
    values = content(certificate_no=f"JL-N-{profile.pk}") | other
    return certification.ask_renewal(
        profile=profile,
        actor=profile.user,
        content=values,
        upload=upload(data or make_pdf("newer"), "新证书.pdf"),
        name="新证书.pdf",
    )


def notified(profile, kind):
    return Notification.objects.filter(user=profile.user, kind=kind).count()


# --- Days -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "last", "valid"),
    [(-9, 9, True), (0, 0, True), (-9, -1, False), (1, 9, False)],
)
def test_a_certificate_counts_on_its_days_and_on_no_other(first, last, valid):
    profile = dated(first, last)
    assert profile.is_certified == valid
    assert is_certified_manager(profile.user) == valid
    assert ManagerProfile.objects.certified().exists() == valid
    assert ManagerProfile.objects.available_on(timezone.localdate()).exists() == valid


def test_without_days_it_is_one_from_before_days_were_kept():
    assert make_manager().manager_profile.is_certified


# --- Certification --------------------------------------------------------------------------------


def certify(profile, operator, **other):
    values = {name: content()[name] for name in (*certification.CERTIFICATE_FIELDS, "capacity")}
    return certification.certify_manager(
        profile=profile, actor=operator, seen=fingerprint(profile), content=values | other
    )


def test_an_operator_certifies_what_the_certificate_says(
    operator, told, django_capture_on_commit_callbacks
):
    profile = applicant()
    with django_capture_on_commit_callbacks(execute=True):
        certify(profile, operator, grade="junior", issuer="市科技局")
    profile.refresh_from_db()
    assert (profile.status, profile.grade, profile.issuer) == ("certified", "junior", "市科技局")
    assert profile.is_certified
    assert told == [[profile.user_id]]
    assert notified(profile, "manager.certified") == 1


def test_an_expired_certificate_is_not_certified(operator):
    profile = applicant()
    today = timezone.localdate()
    for days in ((today - 9 * DAY, today - DAY), (today + 9 * DAY, today + DAY)):
        with pytest.raises(Refused):
            certify(profile, operator, valid_from=days[0], valid_until=days[1])
    profile.refresh_from_db()
    assert profile.status == ManagerStatus.PENDING


def test_what_changed_since_it_was_opened_is_not_decided(operator):
    profile = applicant()
    client = client_of(operator)
    seen = fingerprint(profile)
    add_file(profile)
    sent = {name: content()[name] for name in (*certification.CERTIFICATE_FIELDS, "capacity")}
    sent |= {"answer": "certify", "seen": seen, "certificate_checked": "on"}
    response = client.post(reverse("ops_manager", args=[profile.pk]), sent)
    assert response.status_code == 409
    profile.refresh_from_db()
    assert profile.status == ManagerStatus.PENDING


def test_another_managers_number_is_refused(operator):
    taken, profile = make_manager().manager_profile, applicant()
    with pytest.raises(Refused):
        certify(profile, operator, certificate_no=taken.certificate_no)
    profile.refresh_from_db()
    assert profile.status == ManagerStatus.PENDING


# --- Files ----------------------------------------------------------------------------------------


def test_the_manager_uploads_and_operators_read_each_reading_is_noted(operator):
    profile = applicant()
    client = client_of(profile.user)
    response = client.post(
        reverse("manager_file_add"), {"purpose": "cert", "file": upload(make_pdf(), "证书.pdf")}
    )
    assert response.status_code == 302
    [file] = Evidence.objects.all()
    assert (file.profile, file.organization, file.purpose) == (profile, None, "cert")

    address = reverse("manager_file", args=[profile.pk, file.pk])
    for reader in (operator, profile.user):
        response = client_of(reader).get(address)
        assert response.status_code == 200
        assert b"".join(response.streaming_content).startswith(b"%PDF")
    read = AccountEvent.objects.filter(verb=Verb.FILE_READ, subject=profile.user)
    assert [event.actor for event in read] == [operator, profile.user]
    for other in (make_user(), make_manager()):
        assert client_of(other).get(address).status_code == 404
    assert read.count() == 2


def test_what_is_no_document_is_refused_with_a_sentence():
    profile = applicant()
    response = client_of(profile.user).post(
        reverse("manager_file_add"), {"purpose": "cert", "file": upload(b"MZ\x90", "证书.pdf")}
    )
    assert response.status_code == 422
    assert "PDF" in response.content.decode()
    assert not Evidence.objects.exists()


def test_the_same_file_twice_is_refused():
    profile, data = applicant(), make_pdf()
    add_file(profile, data)
    with pytest.raises(ValidationError):
        add_file(profile, data)
    assert Evidence.objects.count() == 1


def test_a_file_that_was_certified_by_stays(operator):
    profile = applicant()
    file, other = add_file(profile), add_file(profile, make_pdf("other"))
    client = client_of(profile.user)
    client.post(reverse("manager_file_remove", args=[profile.pk, other.pk]), {"sure": "1"})
    certify(profile, operator)
    client.post(reverse("manager_file_remove", args=[profile.pk, file.pk]), {"sure": "1"})
    file.refresh_from_db()
    other.refresh_from_db()
    assert (file.removed_at, other.removed_at is not None) == (None, True)


def test_the_operator_has_the_document_beside_the_fields(operator):
    profile = applicant()
    address = reverse("ops_manager", args=[profile.pk])
    client = client_of(operator)
    add_file(profile, make_pdf("Certificate JL-2026-001 senior"))
    assert "Certificate JL-2026-001 senior" in client.get(address).content.decode()
    picture = add_file(profile, make_image("PNG"), "证书.png")
    shown = reverse("manager_file", args=[profile.pk, picture.pk]) + "?show"
    assert shown in client.get(address).content.decode()
    response = client.get(shown)
    assert response["Content-Disposition"] == "inline"
    assert "sandbox" in response["Content-Security-Policy"]


# --- Renewal --------------------------------------------------------------------------------------


def test_a_renewal_holds_once_an_operator_has_confirmed_it(
    operator, told, django_capture_on_commit_callbacks
):
    profile = dated(-300, 20)
    before = profile.certificate_no
    renewal = ask(profile, grade="senior", classes=["C35"])
    profile.refresh_from_db()
    assert profile.certificate_no == before
    assert renewal.evidence.count() == 1
    with django_capture_on_commit_callbacks(execute=True):
        response = client_of(operator).post(
            reverse("ops_manager", args=[profile.pk]),
            {"answer": "renew", "seen": fingerprint(profile), "certificate_checked": "on"},
        )
    assert response.status_code == 302
    profile.refresh_from_db()
    renewal.refresh_from_db()
    assert (renewal.status, renewal.decided_by) == (RenewalStatus.CONFIRMED, operator)
    assert profile.certificate_no == f"JL-N-{profile.pk}"
    assert profile.valid_until == timezone.localdate() + 700 * DAY
    assert profile.classes == ["C35"]
    assert told == [[profile.user_id]]
    assert notified(profile, "manager.renewal") == 1


@pytest.mark.parametrize(
    ("old", "begins", "first"),
    [((-300, 20), 21, -300), ((-300, 20), 1, -300), ((-300, 20), 22, 22), ((-300, -3), 5, 5)],
)
def test_who_renews_before_the_old_one_ends_stays_certified(operator, old, begins, first):
    profile, today = dated(*old), timezone.localdate()
    renewal = ask(profile, valid_from=today + begins * DAY)
    certification.confirm_renewal(renewal=renewal, actor=operator, seen=fingerprint(profile))
    profile.refresh_from_db()
    assert profile.valid_from == today + first * DAY
    assert profile.is_certified == (first < 0)


def test_an_open_certificate_that_is_renewed_stays_open_at_its_beginning(operator):
    profile = make_manager().manager_profile
    renewal = ask(profile, valid_from=timezone.localdate() + 5 * DAY)
    certification.confirm_renewal(renewal=renewal, actor=operator, seen=fingerprint(profile))
    profile.refresh_from_db()
    assert profile.is_certified
    assert profile.valid_until == renewal.valid_until


def test_a_refused_renewal_leaves_the_old_certificate_and_says_why(operator):
    profile = dated(-300, 20)
    renewal = ask(profile)
    address = reverse("ops_manager", args=[profile.pk])
    client = client_of(operator)
    client.post(address, {"answer": "refuse", "reason": ""})
    assert Renewal.objects.get().status == RenewalStatus.OPEN
    client.post(address, {"answer": "refuse", "reason": "印章看不清"})
    renewal.refresh_from_db()
    assert renewal.status == RenewalStatus.REFUSED
    profile.refresh_from_db()
    assert profile.valid_until == timezone.localdate() + 20 * DAY
    assert "印章看不清" in client_of(profile.user).get(reverse("manager_own")).content.decode()
    assert client.post(address, {"answer": "refuse", "reason": "又一次"}).status_code == 409


def test_of_two_requests_the_second_is_refused_and_a_withdrawn_one_makes_room():
    profile = dated(-300, 20)
    renewal = ask(profile)
    with pytest.raises(Refused):
        ask(profile, make_pdf("second"))
    client_of(profile.user).post(reverse("manager_renewal_recall"))
    renewal.refresh_from_db()
    assert renewal.status == RenewalStatus.RECALLED
    assert ask(profile, make_pdf("third")).status == RenewalStatus.OPEN
    assert Evidence.objects.count() == 2


def test_a_file_of_a_withdrawn_or_refused_renewal_can_be_handed_in_again(operator):
    profile, data = dated(-300, 20), make_pdf("newer")
    client = client_of(profile.user)
    ask(profile, data)
    client.post(reverse("manager_renewal_recall"))
    assert not profile.evidence.present().exists()

    renewal = ask(profile, data)
    [file] = profile.evidence.present()
    address = reverse("manager_file_remove", args=[profile.pk, file.pk])
    assert address not in client.get(reverse("manager_own")).content.decode()
    certification.refuse_renewal(renewal=renewal, actor=operator, reason="印章看不清")
    assert address in client.get(reverse("manager_own")).content.decode()
    client.post(address, {"sure": "1"})
    assert not profile.evidence.present().exists()

    renewal = ask(profile, data)
    certification.confirm_renewal(renewal=renewal, actor=operator, seen=fingerprint(profile))
    [file] = profile.evidence.present()
    address = reverse("manager_file_remove", args=[profile.pk, file.pk])
    assert address not in client.get(reverse("manager_own")).content.decode()
    client.post(address, {"sure": "1"})
    assert profile.evidence.present().exists()


def test_nobody_renews_their_own_and_no_stranger_does(operator):
    profile = dated(-300, 20)
    renewal = ask(profile)
    for actor in (profile.user, make_user()):
        with pytest.raises(Refused):
            certification.confirm_renewal(renewal=renewal, actor=actor, seen=fingerprint(profile))
    renewal.refresh_from_db()
    assert renewal.status == RenewalStatus.OPEN


def test_an_applicant_and_a_suspended_manager_have_nothing_to_renew(operator):
    profile = dated(-300, 20)
    certification.suspend_manager(profile=profile, actor=operator, reason="投诉核实")
    profile.refresh_from_db()
    for one in (applicant(), profile):
        with pytest.raises(Refused):
            ask(one)
    assert not Renewal.objects.exists()


def test_the_page_takes_a_renewal_with_its_file(operator):
    profile = dated(-300, 20)
    client = client_of(profile.user)
    form = content(certificate_no="JL-2027-7")
    response = client.post(reverse("manager_renewal"), form)
    assert response.status_code == 422
    assert "请选择" in response.content.decode()
    form["file"] = upload(make_pdf(), "新证.pdf")
    assert client.post(reverse("manager_renewal"), form).status_code == 302
    assert Renewal.objects.get().certificate_no == "JL-2027-7"


# --- Suspension -----------------------------------------------------------------------------------


def test_a_suspended_manager_reads_why_and_an_operator_lifts_it(
    operator, told, django_capture_on_commit_callbacks
):
    profile = dated(-300, 300)
    address = reverse("ops_manager", args=[profile.pk])
    client = client_of(operator)
    with django_capture_on_commit_callbacks(execute=True):
        client.post(address, {"answer": "suspend", "reason": "投诉核实中"})
    profile.refresh_from_db()
    assert not profile.is_certified
    assert notified(profile, "manager.suspended") == 1
    for name in ("manager_own", "manager_apply"):
        assert "投诉核实中" in client_of(profile.user).get(reverse(name)).content.decode()

    client.post(address, {"answer": "lift", "note": ""})
    assert ManagerProfile.objects.get(pk=profile.pk).status == ManagerStatus.SUSPENDED
    with django_capture_on_commit_callbacks(execute=True):
        client.post(address, {"answer": "lift", "note": "投诉不成立"})
    profile.refresh_from_db()
    assert profile.is_certified
    assert profile.status_reason == ""
    assert told == [[profile.user_id], [profile.user_id]]
    assert client.post(address, {"answer": "lift", "note": "再来"}).status_code == 409


def test_a_lifted_suspension_does_not_bring_an_expired_certificate_back(operator):
    profile = dated(-300, -1)
    certification.suspend_manager(profile=profile, actor=operator, reason="投诉核实")
    certification.lift_suspension(profile=profile, actor=operator, note="不成立")
    profile.refresh_from_db()
    assert profile.status == ManagerStatus.EXPIRED
    assert not profile.is_certified


# --- Expiry ---------------------------------------------------------------------------------------


def test_thirty_days_ahead_the_manager_is_reminded_once():
    soon, later, asked = dated(-300, 30), dated(-300, 31), dated(-300, 5)
    ask(asked)
    for _n in range(3):
        watch_certificates()
    assert [notified(one, "manager.expiring") for one in (soon, later, asked)] == [1, 0, 0]
    assert "有效期至" in client_of(soon.user).get(reverse("manager_own")).content.decode()


def test_an_expired_certificate_is_closed_once_also_after_days_of_standstill(
    told, django_capture_on_commit_callbacks
):
    over, valid = dated(-300, -3), dated(-300, 300)
    with django_capture_on_commit_callbacks(execute=True):
        assert watch_certificates() == 1
        assert watch_certificates() == 0
    over.refresh_from_db()
    valid.refresh_from_db()
    assert (over.status, valid.status) == (ManagerStatus.EXPIRED, ManagerStatus.CERTIFIED)
    assert told == [[over.user_id]]
    assert notified(over, "manager.expiring") == 1
    assert AccountEvent.objects.filter(verb=Verb.EXPIRED, subject=over.user).count() == 1
    assert "到期" in client_of(over.user).get(reverse("manager_own")).content.decode()


def test_an_expired_manager_renews_and_works_again(operator):
    profile = dated(-300, -3)
    watch_certificates()
    profile.refresh_from_db()
    renewal = ask(profile)
    certification.confirm_renewal(renewal=renewal, actor=operator, seen=fingerprint(profile))
    profile.refresh_from_db()
    assert profile.is_certified


# --- Capacity -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "stored"), [("7", 7), ("0", 20), ("201", 20), ("", 20), ("many", 20)]
)
def test_a_manager_says_how_many_reviews_they_take(typed, stored):
    manager = make_manager()
    client_of(manager).post(reverse("manager_own"), {"capacity": typed})
    assert ManagerProfile.objects.get().capacity == stored


def test_the_operators_page_costs_the_same_for_one_file_and_for_five(
    operator, django_assert_max_num_queries
):
    profile = applicant()
    client = client_of(operator)
    client.get(reverse("ops_manager", args=[profile.pk]))  # whatever a first page reads once
    counts = []
    for number in (1, 4):
        for each in range(number):
            add_file(profile, make_pdf(f"{number} {each}"), f"{number}-{each}.pdf")
        with django_assert_max_num_queries(40) as queries:
            client.get(reverse("ops_manager", args=[profile.pk]))
        counts.append(len(queries))
    # The session, the user and the top bar; the profile, its files, renewal, ties, days off, stars,
    # history; the fingerprint of what is shown; and the note, in a transaction, that the newest
    # file's text was read.
    assert counts == [24, 24]


def test_a_file_that_is_cut_off_leaves_nothing(monkeypatch):
    profile = applicant()
    monkeypatch.setattr(certification, "store", lambda *args, **kwargs: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        certification.add_certificate_file(
            profile=profile,
            actor=profile.user,
            purpose="cert",
            upload=io.BytesIO(make_pdf()),
            name="证书.pdf",
        )
    assert not Evidence.objects.exists()
