"""How it is proved who an organization is: points, evidence, another credit code, the mark."""

import pytest
from django.core.exceptions import ValidationError
from django.test import Client
from django.urls import reverse

from accounts import evidence as evidence_files
from accounts import verification
from accounts.files.scanning import Finding, ScannerDown, ScanState
from accounts.files.storage import names_in
from accounts.models import AccountEvent, CodeChange, Evidence, Organization, OrganizationStatus
from accounts.services import REQUIRED_POINTS, Refused, fingerprint
from tests.factories import (
    make_credit_code,
    make_demand,
    make_manager,
    make_member,
    make_operator,
    make_organization,
    make_user,
)
from tests.files import make_docx, make_pdf, upload

pytestmark = pytest.mark.django_db
Verb = AccountEvent.Verb


@pytest.fixture(autouse=True)
def kept(settings, tmp_path):
    settings.STORAGES = settings.STORAGES | {
        "private": {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": tmp_path},
        }
    }
    return tmp_path


@pytest.fixture
def waiting():
    return make_organization(status="pending", verified_at=None)


@pytest.fixture
def verified():
    return make_organization()


def client_of(person):
    client = Client()
    client.force_login(person)
    return client


def at(organization, name="organization_verification", *more):
    return reverse(name, args=[organization.pk, *more])


def add(organization, purpose="licence", data=None, name="执照.pdf", actor=None):
    data = data or make_pdf()
    return verification.add_evidence(
        organization=organization,
        actor=actor or make_member(organization),
        purpose=purpose,
        upload=upload(data, name),
        name=name,
    )


def ask(organization, code=None, actor=None, data=None):
    return verification.ask_for_code(
        organization=organization,
        actor=actor or make_member(organization),
        new_code=code or make_credit_code(700_100),
        reason="合并后换证",
        upload=upload(data or make_pdf(), "新证.pdf"),
        name="新证.pdf",
    )


def verbs(organization):
    return list(organization.events.order_by("pk").values_list("verb", flat=True))


# --- Points ---------------------------------------------------------------------------------------


def test_ticks_are_kept_one_by_one_with_their_notes(waiting):
    operator = make_operator()
    client = client_of(operator)
    form = {"answer": "check", "seen": fingerprint(waiting)}

    client.post(
        at(waiting, "ops_organization"),
        form | {"point_code": "on", "note_code": "公示系统 11 月 2 日", "point_contact": "on"},
    )
    client.post(
        at(waiting, "ops_organization"),
        form | {"point_code": "on", "note_code": "公示系统 11 月 2 日"},
    )

    check = waiting.checks.get()
    assert (check.point, check.note, check.checked_by) == ("code", "公示系统 11 月 2 日", operator)
    assert verbs(waiting) == [Verb.CHECKED, Verb.CHECKED, Verb.UNCHECKED]
    assert "公示系统 11 月 2 日" in client.get(at(waiting, "ops_organization")).content.decode()


@pytest.mark.parametrize("point", ["licence", "letter"])
def test_without_an_uploaded_file_a_note_says_where_it_was_seen(waiting, point):
    values = {"organization": waiting, "actor": make_operator(), "seen": fingerprint(waiting)}

    with pytest.raises(Refused, match="没有上传"):
        verification.tick(**values, points={point: ""})
    assert not waiting.checks.exists()

    add(waiting, purpose=point)
    verification.tick(**values, points={point: ""})
    assert waiting.checks.get().point == point


def test_nobody_ticks_for_their_own_organization(waiting):
    mine = make_member(waiting, is_operator=True)

    for actor in (mine, make_user()):
        with pytest.raises(Refused):
            verification.tick(
                organization=waiting, actor=actor, seen=fingerprint(waiting), points={"code": ""}
            )
    assert not waiting.checks.exists()


def test_what_has_changed_meanwhile_is_not_ticked(waiting):
    seen = fingerprint(waiting)
    Organization.objects.filter(pk=waiting.pk).update(name="换成别的名称有限公司")

    with pytest.raises(Refused):
        verification.tick(
            organization=waiting, actor=make_operator(), seen=seen, points={"code": ""}
        )


def test_the_owner_reads_what_was_compared_but_not_the_notes(waiting):
    owner = make_member(waiting)
    waiting.checks.create(point="code", note="只给运营人员看", checked_by=make_operator())

    page = client_of(owner).get(at(waiting)).content.decode()

    assert "只给运营人员看" not in page
    assert page.count("已核对") == 1 and page.count("尚未核对") == 4


# --- Evidence -------------------------------------------------------------------------------------


def test_an_owner_uploads_evidence_and_an_operator_opens_it(waiting):
    owner, operator = make_member(waiting), make_operator()

    response = client_of(owner).post(
        at(waiting), {"purpose": "licence", "file": upload(make_pdf(), "营业执照.pdf")}, follow=True
    )
    assert "营业执照.pdf" in response.content.decode()
    evidence = Evidence.objects.get()
    page = client_of(operator).get(at(waiting, "ops_organization")).content.decode()
    assert at(waiting, "evidence_download", evidence.pk) in page

    response = client_of(operator).get(at(waiting, "evidence_download", evidence.pk))
    assert b"".join(response.streaming_content).startswith(b"%PDF-")
    assert response["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert response["Cache-Control"] == "private, no-store"
    assert verbs(waiting) == [Verb.FILE_ADDED, Verb.FILE_READ]
    assert waiting.events.last().actor == operator


@pytest.mark.parametrize(
    ("who", "code"),
    [
        ("owner", 200),
        ("operator", 200),
        ("editor", 403),
        ("viewer", 403),
        ("asking", 404),
        ("manager", 404),
        ("stranger", 404),
    ],
)
def test_evidence_is_for_own_owners_and_operators(waiting, who, code):
    evidence = add(waiting)
    person = {
        "owner": lambda: make_member(waiting),
        "editor": lambda: make_member(waiting, role="editor"),
        "viewer": lambda: make_member(waiting, role="viewer"),
        "operator": make_operator,
        "manager": make_manager,
        "stranger": make_member,
        "asking": make_user,
    }[who]()
    if who == "asking":
        person.memberships.create(organization=waiting, role="owner", is_active=False)

    client = client_of(person)

    assert client.get(at(waiting, "evidence_download", evidence.pk)).status_code == code
    assert client.get(at(waiting)).status_code == code
    assert waiting.events.filter(verb=Verb.FILE_READ).count() == (1 if code == 200 else 0)


def test_evidence_is_found_under_its_own_organization_only(waiting, verified):
    evidence = add(waiting)

    response = client_of(make_operator()).get(at(verified, "evidence_download", evidence.pk))

    assert response.status_code == 404


@pytest.mark.parametrize(
    ("data", "name", "words"),
    [
        (b"<svg xmlns='x'><script/></svg>", "a.svg", "SVG"),
        (make_pdf(), "a.docx", "PDF"),
        (b"", "a.pdf", "空"),
    ],
)
def test_evidence_passes_the_same_checks_as_attachments(waiting, data, name, words):
    client = client_of(make_member(waiting))

    response = client.post(at(waiting), {"purpose": "licence", "file": upload(data, name)})

    assert response.status_code == 422
    assert words in response.content.decode()
    assert not Evidence.objects.exists() and not list(names_in("evidence"))


@pytest.mark.parametrize(
    "form", [{}, {"purpose": "licence"}, {"purpose": "code"}, {"purpose": "x"}]
)
def test_a_form_without_its_parts_says_so(waiting, form):
    response = client_of(make_member(waiting)).post(at(waiting), form)

    assert response.status_code == 422
    assert not Evidence.objects.exists()


def test_the_number_of_files_is_bounded_and_none_comes_twice(waiting, monkeypatch):
    add(waiting)
    with pytest.raises(ValidationError):
        add(waiting)
    monkeypatch.setattr(evidence_files, "EVIDENCE_AT_MOST", 1)
    with pytest.raises(ValidationError):
        add(waiting, data=make_docx(), name="a.docx")
    assert len(list(names_in("evidence"))) == 1


def test_removing_evidence_deletes_the_file_and_keeps_the_row(
    waiting, django_capture_on_commit_callbacks
):
    owner = make_member(waiting)
    evidence = add(waiting, actor=owner)
    url = at(waiting, "evidence_remove", evidence.pk)

    assert "不能恢复" in client_of(owner).post(url).content.decode()
    assert list(names_in("evidence"))
    with django_capture_on_commit_callbacks(execute=True):
        assert client_of(owner).post(url, {"sure": "1"}).status_code == 302

    evidence.refresh_from_db()
    assert evidence.removed_by == owner and not list(names_in("evidence"))
    assert verbs(waiting) == [Verb.FILE_ADDED, Verb.FILE_REMOVED]
    assert client_of(owner).post(url).status_code == 404


def infected(file):
    return Finding(ScanState.INFECTED, "Eicar-Test")


def away(file):
    raise ScannerDown


def clean(file):
    return Finding(ScanState.CLEAN)


def test_a_virus_in_evidence_is_refused_and_noted(waiting, settings):
    settings.VIRUS_SCANNER = f"{__name__}.infected"

    with pytest.raises(ValidationError, match="Eicar-Test"):
        add(waiting)

    assert verbs(waiting) == [Verb.FILE_REFUSED]
    assert not Evidence.objects.exists() and not list(names_in("evidence"))


@pytest.mark.parametrize(("answer", "code"), [("clean", 200), ("infected", 404), ("away", 403)])
def test_evidence_is_held_back_until_it_is_scanned(
    waiting, settings, answer, code, django_capture_on_commit_callbacks
):
    settings.VIRUS_SCANNER = f"{__name__}.away"
    owner = make_member(waiting)
    evidence = add(waiting, actor=owner)
    url = at(waiting, "evidence_download", evidence.pk)
    assert client_of(owner).get(url).status_code == 403

    settings.VIRUS_SCANNER = f"{__name__}.{answer}"
    with django_capture_on_commit_callbacks(execute=True):
        evidence_files.rescan_held()

    assert client_of(owner).get(url).status_code == code


# --- Another credit code --------------------------------------------------------------------------


def test_a_verified_code_is_not_changed_with_the_other_entries(verified):
    owner = make_member(verified)
    names = (
        "name",
        "kind",
        "region",
        "size",
        "field",
        "contact_name",
        "contact_phone",
        "contact_email",
    )
    form = {name: getattr(verified, name) for name in names}  # fmt: skip

    client_of(owner).post(
        at(verified, "organization_edit"), form | {"credit_code": make_credit_code(700_100)}
    )

    before = verified.credit_code
    verified.refresh_from_db()
    assert verified.credit_code == before and verified.is_verified


def test_until_an_operator_confirms_the_old_code_holds_and_the_mark_stays(verified):
    owner, operator = make_member(verified), make_operator()
    old, new = verified.credit_code, make_credit_code(700_100)

    response = client_of(owner).post(
        at(verified, "organization_code"),
        {"credit_code": new.lower(), "reason": "合并后换证", "file": upload(make_pdf(), "证.pdf")},
        follow=True,
    )

    verified.refresh_from_db()
    assert verified.credit_code == old and verified.is_verified
    assert "等待确认" in response.content.decode()
    change = CodeChange.objects.get()
    assert change.evidence.get().purpose == "code"
    assert new in client_of(operator).get(reverse("ops_organizations")).content.decode()

    response = client_of(operator).post(
        at(verified, "ops_organization"),
        {"answer": "code_confirm", "change": change.pk, "note": "公示系统"},
    )

    assert response.status_code == 302
    verified.refresh_from_db()
    change.refresh_from_db()
    assert verified.credit_code == new and verified.is_verified
    assert (change.status, change.decided_by) == ("confirmed", operator)
    assert verified.checks.get(point="code").note == "公示系统"
    assert verbs(verified) == [Verb.FILE_ADDED, Verb.CODE_ASKED, Verb.CODE_CHANGED]
    assert f"{old} → {new}" in verified.events.last().note


def test_an_operator_refuses_with_a_reason_that_the_owner_reads(verified):
    owner = make_member(verified)
    change = ask(verified, actor=owner)
    client = client_of(make_operator())
    form = {"answer": "code_refuse", "change": change.pk}

    assert client.post(at(verified, "ops_organization"), form | {"reason": " "}).status_code == 200
    client.post(at(verified, "ops_organization"), form | {"reason": "证件<b>看不清"})

    change.refresh_from_db()
    assert change.status == "refused"
    assert "证件&lt;b&gt;看不清" in client_of(owner).get(at(verified)).content.decode()
    # A better scan starts another round.
    assert ask(verified, actor=owner, data=make_pdf("clear")).status == "open"


def test_an_owner_withdraws_a_request(verified):
    owner = make_member(verified)
    ask(verified, actor=owner)

    client_of(owner).post(at(verified, "organization_code_recall"))

    assert CodeChange.objects.get().status == "recalled"
    assert client_of(owner).post(at(verified, "organization_code_recall")).status_code == 409
    assert verbs(verified)[-1] == Verb.CODE_RECALLED


def test_two_organizations_never_have_one_code(verified):
    other = make_organization()
    with pytest.raises(Refused, match="已经登记过"):
        ask(verified, code=other.credit_code)
    change = ask(verified)
    # Somebody registers with it before the operator answers.
    make_organization(credit_code=change.new_code)

    response = client_of(make_operator()).post(
        at(verified, "ops_organization"),
        {"answer": "code_confirm", "change": change.pk, "note": "公示系统"},
    )

    assert response.status_code == 409
    change.refresh_from_db()
    verified.refresh_from_db()
    assert change.status == "open" and verified.credit_code == change.old_code


@pytest.mark.parametrize("case", ["same", "open", "pending"])
def test_a_request_that_makes_no_sense_is_refused(verified, case):
    owner = make_member(verified)
    code = make_credit_code(700_101)
    if case == "same":
        code = verified.credit_code
    if case == "open":
        ask(verified, actor=owner)
    if case == "pending":
        Organization.objects.filter(pk=verified.pk).update(status=OrganizationStatus.PENDING)
    count = CodeChange.objects.count()

    response = client_of(owner).post(
        at(verified, "organization_code"),
        {"credit_code": code, "reason": "x", "file": upload(make_docx(), "a.docx")},
    )

    assert response.status_code == 409
    assert CodeChange.objects.count() == count


@pytest.mark.parametrize("missing", ["credit_code", "reason", "file"])
def test_a_request_needs_code_reason_and_proof(verified, missing):
    form = {
        "credit_code": make_credit_code(700_101),
        "reason": "x",
        "file": upload(make_docx(), "a.docx"),
    }
    del form[missing]

    response = client_of(make_member(verified)).post(at(verified, "organization_code"), form)

    assert response.status_code == 422
    assert not CodeChange.objects.exists()


def test_who_decides_on_a_code_is_an_operator_of_another_organization(verified):
    change = ask(verified)
    mine = make_member(verified, is_operator=True)

    for actor in (mine, make_user()):
        with pytest.raises(Refused):
            verification.confirm_code(change=change, actor=actor, note="x")
        with pytest.raises(Refused):
            verification.refuse_code(change=change, actor=actor, reason="x")
    change.refresh_from_db()
    assert change.status == "open"


def test_of_two_operators_the_second_is_told(verified):
    change = ask(verified)
    verification.refuse_code(change=change, actor=make_operator(), reason="x")

    with pytest.raises(Refused, match="已有答复或已撤回"):
        verification.confirm_code(change=change, actor=make_operator(), note="x")


@pytest.mark.parametrize("change", ["", "x", "0", "99999999999999999999", "-1"])
def test_a_forged_request_is_answered_with_a_sentence(verified, change):
    response = client_of(make_operator()).post(
        at(verified, "ops_organization"),
        {"answer": "code_confirm", "change": change, "note": "x"},
    )

    assert response.status_code == 409


# --- What others see ------------------------------------------------------------------------------


def test_the_mark_stands_where_the_owner_is_blind(client, verified):
    demand = make_demand(owner=verified)

    for url in (demand.get_absolute_url(), reverse("demand_list"), reverse("home")):
        page = client.get(url).content.decode()
        assert "kq-verified" in page
        assert verified.name not in page

    Organization.objects.filter(pk=verified.pk).update(status="pending", verified_at=None)
    assert "kq-verified" not in client.get(demand.get_absolute_url()).content.decode()


def test_the_notes_of_a_check_are_on_no_public_page(client, verified):
    for point in REQUIRED_POINTS:
        verified.checks.create(point=point, note="电话核实", checked_by=make_operator())
    demand = make_demand(owner=verified)

    assert "电话核实" not in client.get(demand.get_absolute_url()).content.decode()
