"""Wrong and hostile input through every form, address and file: an answer, never a failure.

Each refusal leaves every table as it was, and what is stored is shown as text.
"""

from __future__ import annotations

import datetime as dt
import io
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from lxml import html
from openpyxl import Workbook

from accounts.certification import fingerprint as seen_of_manager
from accounts.models import (
    ManagerInterest,
    ManagerProfile,
    Membership,
    Organization,
    OrganizationStatus,
)
from accounts.services import REQUIRED_POINTS, fingerprint
from catalog import steps
from catalog.models import Demand, ListingEvent
from catalog.services.deciding import decide
from catalog.workflow import ListingStatus
from matchmaking.models import Consent, Match, MatchEvent
from matchmaking.workflow import Criterion, MatchStatus, ReviewStatus
from tests.factories import (
    PASSWORD,
    make_credit_code,
    make_demand,
    make_manager,
    make_match,
    make_member,
    make_operator,
    make_organization,
    make_user,
)

SCRIPT = '<script>alert("kq")</script><img src=x onerror=alert(1)>'
HOSTILE = {
    "nothing": "",
    "nul": "a\x00b",
    "control": "\x01\x07\x1b[31mred\x7f\x85 \t\u3000\n ",
    "script": SCRIPT,
    "sql": "'; DROP TABLE catalog_demand; -- {{ request.user }} {% debug %} %(user)s {0}",
    "right to left": "\u202egnp.exe \u2066x\u2069 \u061c",
    "zero width": "\u200b\ufeff\u2060",
    "lone surrogate": b"\xed\xa0\x80\xff\xfe",
    "emoji": "👩‍🔬𠮷" * 30,
    "long": "长" * 200_000,
    "digits": "9" * 5_000,
    "negative": "-1",
    "not a number": "NaN",
    "huge power": "1e999",
    "other digits": "٣٤",
    "no day": "2026-02-31",
    "far day": "9999-12-31",
    "header": "a\r\nSet-Cookie: kq=1",
}


# --- The forms ----------------------------------------------------------------------------------


@dataclass
class Form:
    """One form as its person would fill it in; `texts` are the fields one can type into."""

    who: Any
    path: str
    filled: dict[str, Any]


@pytest.fixture
def owner() -> Organization:
    return make_organization(name="恒轴精密轴承有限公司", contact_name="周恒之")


def listing_data(owner: Organization, **changes: Any) -> dict[str, Any]:
    return {
        "owner": owner.pk,
        "title": "大型轴承套圈淬火变形控制",
        "summary": "直径 2 m 以上套圈整圈淬火后变形大，求减小圆度偏差的工艺。",
        "body": "现用分段中频淬火，接头处存在软带，淬火后圆度偏差超过 1.2 mm，磨削余量大。",
        "keywords": "淬火，轴承",
        "language": "zh",
        "industry": "C34",
        "region": "330100",
        "modes": "license",
        "trl": "7",
        "money_min": "",
        "money_max": "380",
        "valid_until": (timezone.localdate() + dt.timedelta(days=90)).isoformat(),
        "nonce": "0" * 31 + "a",
        "action": "submit",
        "indicators-TOTAL_FORMS": "1",
        "indicators-INITIAL_FORMS": "0",
        "indicators-0-name": "圆度变形",
        "indicators-0-op": "le",
        "indicators-0-value": "0.35",
        "indicators-0-high": "",
        "indicators-0-unit": "mm",
        "indicators-0-kind": "hard",
        "process": "分段中频淬火，每圈 14 段。",
        "ipc": "C21D",
        "funded": "yes",
        "deadline": (timezone.localdate() + dt.timedelta(days=120)).isoformat(),
        "partners": "有中试线的高校团队",
        "ip-TOTAL_FORMS": "1",
        "ip-INITIAL_FORMS": "0",
        "ip-0-kind": "invention",
        "ip-0-number": "ZL202410123456.7",
        "ip-0-status": "granted",
        "ip-0-family": "",
        "lead_expert": "陆知远",
        "orcid": "",
        "disclosure_money": "members",
        **changes,
    }


def organization_data(**changes: Any) -> dict[str, Any]:
    return {
        "name": "云州数控机床有限公司",
        "name_en": "Yunzhou Machine Tools",
        "kind": "enterprise",
        "credit_code": make_credit_code(7_000_001),
        "region": "330100",
        "size": "small",
        "field": "数控机床",
        "field_en": "machine tools",
        "summary": "",
        "contact_name": "赵钱孙",
        "contact_phone": "0000-5550000",
        "contact_email": "contact@example.org",
        **changes,
    }


def make_forms(owner: Organization) -> dict[str, Form]:
    writer = make_member(owner)
    manager, operator = make_manager(), make_operator()
    demand = make_demand(owner=owner)
    submitted = make_demand(status=ListingStatus.SUBMITTED)
    rejected = decide(
        listing=make_demand(owner=owner, status=ListingStatus.SUBMITTED),
        actor=make_manager(),
        decision="reject",
        reason="vague",
        no_interest=True,
    )
    reviewed = make_match(status=MatchStatus.IN_REVIEW, manager=manager)
    reviewed.reviews.update(status=ReviewStatus.ACCEPTED)
    approved = make_match(status=MatchStatus.APPROVED, demand=demand, manager=make_manager())
    colleague = ManagerProfile.objects.get(user=make_manager())
    pending = make_organization(status=OrganizationStatus.PENDING)
    applicant = make_manager()
    ManagerProfile.objects.filter(user=applicant).update(status="pending")
    asking = Membership.objects.create(user=make_user(), organization=owner, role="viewer")

    def at(name: str, *args: Any) -> str:
        return reverse(name, args=args)

    day = (timezone.localdate() + dt.timedelta(days=60)).isoformat()
    checked = {f"point_{point}": "on" for point in REQUIRED_POINTS}
    seen_at = {f"note_{point}": "原件已核对" for point in REQUIRED_POINTS}
    return {
        "log in": Form(None, at("account_login"), {"login": "a@example.org", "password": "x"}),
        "sign up": Form(
            None,
            at("account_signup"),
            {
                "name": "新人",
                "email": "new@example.org",
                "phone": "",
                "password1": PASSWORD,
                "password2": PASSWORD,
            },
        ),
        "reset": Form(None, at("account_reset_password"), {"email": "a@example.org"}),
        "profile": Form(
            writer,
            at("settings_profile"),
            {"form_name": "person", "name": "周恒之", "phone": "0000-5550001"},
        ),
        "days off": Form(
            manager,
            at("manager_absences"),
            {"first": day, "last": day, "note": "出差"},
        ),
        "interest": Form(
            manager,
            at("manager_interests"),
            {
                "name": owner.name,
                "credit_code": owner.credit_code,
                "kind": "interest",
                "since": "2020-01-01",
                "until": "2021-01-01",
                "note": "配偶在那里任职",
            },
        ),
        "role": Form(operator, at("switch_role"), {"role": "operator", "next": "/"}),
        "register": Form(make_user(), at("organization_new"), organization_data()),
        "join": Form(make_user(), at("organization_join"), {"credit_code": owner.credit_code}),
        "organization": Form(
            writer,
            at("organization_edit", owner.pk),
            organization_data(name=owner.name, credit_code=owner.credit_code),
        ),
        "let in": Form(
            writer, at("member_answer", owner.pk, asking.pk), {"accept": "on", "role": "viewer"}
        ),
        "member's role": Form(
            writer,
            at("member_role", owner.pk, make_member(owner).memberships.get().pk),
            {"role": "viewer"},
        ),
        "apply": Form(
            make_user(),
            at("manager_apply"),
            {
                "grade": "senior",
                "certificate_no": "JL-2026-001",
                "issuer": "省技术转移协会",
                "valid_from": "2026-01-01",
                "valid_until": day,
                "classes": "C",
                "regions": "330000",
                "capacity": "5",
            },
        ),
        "verify": Form(
            operator,
            at("ops_organization", pending.pk),
            {"answer": "verify", "seen": fingerprint(pending), **checked, **seen_at},
        ),
        "return": Form(
            operator,
            at("ops_organization", pending.pk),
            {"answer": "return", "seen": fingerprint(pending), "reason": "名称与登记不符"},
        ),
        "certify": Form(
            operator,
            at("ops_manager", applicant.manager_profile.pk),
            {
                "answer": "certify",
                "seen": seen_of_manager(ManagerProfile.objects.get(user=applicant)),
                "grade": "junior",
                "certificate_no": "JL-2026-009",
                "issuer": "省技术转移协会",
                "valid_from": "2026-01-01",
                "valid_until": day,
                "capacity": "9",
                "certificate_checked": "on",
            },
        ),
        "suspend": Form(
            operator,
            at("ops_manager", colleague.pk),
            {"answer": "suspend", "reason": "证书已过期"},
        ),
        "reassign": Form(operator, at("ops_reassign", reviewed.number), {"to": colleague.pk}),
        "demand": Form(writer, at("demand_new_whole"), listing_data(owner)),
        "draft": Form(writer, at("demand_new_whole"), listing_data(owner, action="draft")),
        "achievement": Form(writer, at("achievement_new_whole"), listing_data(owner)),
        "edit": Form(
            writer,
            at("demand_edit", demand.number),
            listing_data(
                owner,
                body="改" * 40,
                seen=steps.mark_of(demand, steps.content_of("demand", steps.WHOLE)),
            ),
        ),
        "withdraw": Form(
            writer,
            at("demand_withdraw", demand.number),
            {"reason": "mistake", "note": "已解决"},
        ),
        "close": Form(
            writer,
            at("demand_close", demand.number),
            {"status": "closed", "reason": "no_partner", "note": "没有结果"},
        ),
        "confirm": Form(writer, at("demand_confirm", demand.number), {"valid_until": day}),
        "object": Form(
            writer,
            at("demand_appeal", rejected.number),
            {"text": "指标在第二段写明了，请再看一遍。"},
        ),
        "check": Form(
            manager,
            at("listing_review", submitted.number),
            {
                "decision": "reject",
                "reason": "other",
                "note": "请补充指标",
                "question_body": "哪种钢？",
                "criterion_terms": "3",
                "version": 1,
                "no_interest": "on",
            },
        ),
        "decide": Form(
            manager,
            at("match_review", reviewed.number),
            {
                "action": "decide",
                "decision": "approve",
                "reasons": "measured",
                "comment": "指标已有试件数据。",
                **POINTS,
                "no_interest": "on",
            },
        ),
        "hand back": Form(
            manager,
            at("match_conflict", reviewed.number),
            {"why": "interest", "sides": "demand", "note": "曾任顾问"},
        ),
        "refer": Form(
            manager,
            at("match_refer", reviewed.number),
            {"to": colleague.pk, "note": "请看热处理部分"},
        ),
        "answer": Form(
            writer,
            at("match_consent", approved.number),
            {"answer": "decline", "reason": "other", "note": "今年没有预算"},
        ),
    }


# A manager's points for each criterion of a decision.
POINTS = {f"criteria_{one}": "4" for one in Criterion}

FORMS = [
    *("log in", "sign up", "reset", "profile", "days off", "interest", "role", "register", "join"),
    *("organization", "let in", "member's role", "apply", "verify", "return", "certify"),
    *("suspend", "reassign", "demand", "draft", "achievement", "edit", "withdraw", "close"),
    *("confirm", "object", "check", "decide", "hand back", "refer", "answer"),
]
# The same class as another one in the list; once is enough for what takes seconds.
ALIKE = {"draft", "achievement", "edit", "organization"}
# Log-ins and messages to the person; nothing that anybody decides on.
# A page that is shown again leaves a trace of who has read it.
PASSING = {"sessions.Session", "contenttypes.ContentType", "accounts.AccessEvent"}


def everything() -> dict[str, Any]:
    """Return a digest of each table: equal means that nothing was saved."""
    found = {}
    with connection.cursor() as cursor:
        for model in apps.get_models():
            if model._meta.label in PASSING or model._meta.proxy or not model._meta.managed:
                continue
            cursor.execute(
                "SELECT count(*), md5(string_agg(row::text, '|' ORDER BY row::text)) FROM"
                # Neither logging in nor looking at a page is what is tested.
                " (SELECT to_jsonb(x) - 'last_login' - 'seen' AS row"
                f" FROM {model._meta.db_table} x) rows"
            )
            found[model._meta.label] = cursor.fetchone()
    return found


@contextmanager
def taken_back() -> Iterator[None]:
    """Undo what is done inside, so that the next try starts from the same state."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def browser(who: Any) -> Client:
    client = Client()
    if who is not None:
        client.force_login(who)
    return client


def send(client: Client, path: str, data: dict[str, Any]) -> HttpResponse:
    """Post as a browser does, except that bytes may be no text."""
    pairs = "&".join(
        f"{quote(name)}={quote(value if isinstance(value, bytes) else str(value))}"
        for name, value in data.items()
    )
    return client.post(path, pairs, content_type="application/x-www-form-urlencoded")


def check_answer(client: Client, before: dict[str, Any], response: HttpResponse, what: str) -> None:
    """A step was taken, or refused on a page that shows it as text, with nothing saved."""
    # 400: what is larger than any text that could be taken.
    assert response.status_code in (200, 302, 400, 403, 404, 409, 422), what
    assert "kq=1" not in str(response.cookies), what
    if response.status_code == 302:
        address = response["Location"]
        assert not re.match(r"https?:|//", address), what
        response = client.get(address, follow=True)
    elif response.status_code != 200 or "text/html" in response.get("Content-Type", ""):
        assert everything() == before, what
    page = response.content.decode()
    assert "<script>alert" not in page and "<img src=x" not in page, what


@pytest.mark.django_db
@pytest.mark.parametrize("name", FORMS)
def test_a_form_filled_in_sensibly_is_taken(owner, name):
    """Or the tests below would pass for the wrong reason."""
    form = make_forms(owner)[name]
    before = everything()
    response = send(browser(form.who), form.path, form.filled)

    if name == "log in":
        assert response.status_code == 200
    else:
        assert response.status_code == 302
        assert name in ("reset", "role") or everything() != before


@pytest.mark.django_db
@pytest.mark.parametrize("name", [name for name in FORMS if name not in ALIKE])
def test_hostile_texts_in_all_fields_at_once(owner, name):
    form = make_forms(owner)[name]
    client = browser(form.who)
    before = everything()
    for what, text in HOSTILE.items():
        with taken_back():
            data = {key: text for key in form.filled}
            check_answer(client, before, send(client, form.path, data), f"{name}: {what}")
    with taken_back():
        check_answer(client, before, send(client, form.path, {}), f"{name}: no fields")


@pytest.mark.django_db
@pytest.mark.parametrize("name", [name for name in FORMS if name not in ALIKE])
def test_a_hostile_text_in_one_field_of_a_sensible_form(owner, name):
    form = make_forms(owner)[name]
    client = browser(form.who)
    before = everything()
    for field in form.filled:
        for what in ("nul", "lone surrogate"):
            with taken_back():
                data = {**form.filled, field: HOSTILE[what]}
                response = send(client, form.path, data)
                check_answer(client, before, response, f"{name}, {field}: {what}")


class Errors:
    """The list of errors of a page: where its links lead, and what of them cannot be reached."""

    REACHED = {"input", "select", "textarea", "a", "button", "summary"}

    def __init__(self, page: str) -> None:
        self.document = html.fromstring(page)
        self.box = next(iter(self.document.xpath("//*[@data-focus]")), None)
        self.links = [] if self.box is None else self.box.xpath(".//a/@href")

    def has_focus(self) -> bool:
        return self.box is not None and self.box.get("tabindex") == "-1"

    def lost(self) -> list[str]:
        """Return the links to what is not there, or cannot take the focus."""
        lost = []
        for link in self.links:
            found = self.document.xpath("//*[@id=$id]", id=link.removeprefix("#"))
            if not found or (found[0].tag not in self.REACHED and not found[0].get("tabindex")):
                lost.append(link)
        return lost


# Forms that choose among buttons: nothing is typed, so there is no field to be led to.
CHOSEN = {"role", "let in", "member's role", "log in"}


@pytest.mark.django_db
@pytest.mark.parametrize("name", [name for name in FORMS if name not in ALIKE | CHOSEN])
def test_a_refused_form_leads_to_its_fields_and_keeps_what_was_typed(owner, name):
    form = make_forms(owner)[name]
    client = browser(form.who)
    shown = html.fromstring(client.get(form.path).content)
    open_to_people = set(shown.xpath("//input[@type!='hidden']/@name | //select/@name"))
    open_to_people |= set(shown.xpath("//textarea/@name"))
    refused = 0
    for field in open_to_people & set(form.filled):
        with taken_back():
            response = send(client, form.path, {**form.filled, field: ""})
            if response.status_code in (302, 403, 404):
                continue
            page = response.content.decode()
            errors = Errors(page)
            assert errors.has_focus(), f"{name}, {field}: nothing says what is wrong"
            if response.status_code != 409:  # a sentence about the whole, not about a field
                assert errors.links and not errors.lost(), f"{name}, {field}: {errors.lost()}"
            typed = [
                str(text)
                for key, text in form.filled.items()
                if key in open_to_people - {field} and re.search(r"[\u4e00-\u9fff]{4}", str(text))
            ]
            assert all(text in page for text in typed), f"{name}, {field}: a text is lost"
            refused += 1
    assert refused or name in NOTHING_REQUIRED


# Whatever is left out of these is taken as left out.
NOTHING_REQUIRED: set[str] = set()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("demand", "title"),
        ("demand", "summary"),
        ("demand", "body"),
        ("demand", "keywords"),
        ("draft", "body"),
        ("achievement", "body"),
        ("edit", "body"),
    ],
)
def test_a_listing_of_200000_characters_is_refused_with_its_length(owner, name, field):
    form = make_forms(owner)[name]
    before = everything()
    client = browser(form.who)

    page = send(client, form.path, {**form.filled, field: "长" * 200_000}).content.decode()

    assert "<title>错误：" in page
    assert re.search(r"200,?000", page)
    assert everything() == before


@pytest.mark.django_db
def test_a_request_of_many_megabytes_is_refused(owner):
    form = make_forms(owner)["demand"]
    before = everything()
    client = browser(form.who)

    response = send(client, form.path, {**form.filled, "body": "a" * (9 * 1024 * 1024)})

    assert response.status_code == 400
    assert "没有保存" in response.content.decode()
    assert everything() == before


@pytest.mark.django_db
def test_what_is_stored_is_shown_as_text(owner):
    form = make_forms(owner)["demand"]
    texts = {"title": SCRIPT, "summary": SCRIPT * 2, "body": SCRIPT * 3, "keywords": "<b>x</b>"}
    response = send(browser(form.who), form.path, {**form.filled, **texts})
    demand = Demand.objects.order_by("-pk").first()
    assert response.status_code == 302 and demand.title == SCRIPT

    for who, path in (
        (form.who, response["Location"]),
        (form.who, reverse("demand_withdraw", args=[demand.number])),
        (form.who, reverse("my_demands")),
        (make_manager(), reverse("listing_review", args=[demand.number])),
        (make_manager(), reverse("listing_queue")),
    ):
        page = browser(who).get(path).content.decode()
        assert "&lt;script&gt;" in page, path
        assert "<script>alert" not in page and "<img src=x" not in page, path


# --- Addresses ----------------------------------------------------------------------------------

IN_ADDRESSES = ("nul", "script", "sql", "lone surrogate", "digits", "negative", "other digits")
PAGES: dict[str, tuple[str, tuple[str, ...]]] = {
    "/": ("visitor", ("q", "kind")),
    "/demands/": ("visitor", ("q", "industry", "region", "trl", "mode", "page")),
    "/achievements/": ("visitor", ("q", "industry", "region", "trl", "mode", "page")),
    "/managers/": ("visitor", ("page",)),
    "/account/login/": ("visitor", ("next",)),
    "/my/demands/": ("writer", ("show", "page")),
    "/my/answers/": ("writer", ("page",)),
    "/demands/{demand}/matches/": ("writer", ("tab", "page")),
    "/matches/{match}/consent/": ("writer", ("answer",)),
    "/workbench/reviews/": ("manager", ("shown", "page")),
    "/workbench/listings/": ("manager", ("page",)),
    "/ops/organizations/": ("operator", ("q", "status", "page")),
    "/ops/managers/": ("operator", ("status", "page")),
    "/ops/listings/": ("operator", ("kind", "status", "state", "page")),
    "/ops/assignments/": ("operator", ("status", "state", "manager", "page")),
    "/ops/audit/": ("operator", ("kind", "person", "number", "page")),
}


@pytest.mark.django_db
@pytest.mark.parametrize("path", PAGES)
def test_hostile_parameters_get_a_page(owner, path):
    who, names = PAGES[path]
    demand = make_demand(owner=owner)
    match = make_match(status=MatchStatus.APPROVED, demand=demand, manager=make_manager())
    people: dict[str, Callable[[], Any]] = {
        "visitor": lambda: None,
        "writer": lambda: make_member(owner),
        "manager": make_manager,
        "operator": make_operator,
    }
    client = browser(people[who]())
    path = path.format(demand=demand.number, match=match.number)
    before = everything()
    for name in names:
        for what in IN_ADDRESSES:
            text = HOSTILE[what]
            # Longer addresses do not pass a web server.
            raw = (text if isinstance(text, bytes) else text.encode())[:3000]
            response = client.get(f"{path}?{name}={quote(raw)}", follow=True)
            assert response.status_code in (200, 429), f"{path} {name}: {what}"
            page = response.content.decode()
            assert "<script>alert" not in page and "<img src=x" not in page, f"{name}: {what}"
    assert everything() == before


NUMBERS = [
    "0",
    "-1",
    "XQ-2026-0000",
    "XQ-2026-9999",
    "XQ-0000-0001",
    "XQ-2026-00001",
    "XQ-2026-" + "9" * 18,
    "XQ-2026-" + "9" * 400,
    "M-20261122-9999",
    "M-99999999-0001",
    "M-00010101-0001",
    "CG-٢٠٢٦-0001",
    "%00",
    "%ED%A0%80",
    "..%2f..%2fetc%2fpasswd",
    "%3Cscript%3E",
    "1%27%20OR%201=1--",
]
ADDRESSES = [
    *(f"/{kind}/%s/{act}" for kind in ("demands", "achievements")
      for act in ("", "edit/", "withdraw/", "close/", "confirm/", "matches/")),
    *(f"/matches/%s/{act}" for act in ("", "consent/", "review/", "conflict/", "refer/")),
    "/workbench/listings/%s/",
    "/ops/assignments/%s/",
    "/org/%s/edit/",
    "/org/%s/members/",
    "/org/1/members/%s/remove/",
    "/ops/organizations/%s/",
    "/ops/managers/%s/",
]  # fmt: skip


@pytest.mark.django_db
@pytest.mark.parametrize("number", NUMBERS)
def test_a_number_that_is_none_is_not_found(number):
    operator = make_operator()
    ManagerProfile.objects.create(
        user=operator, grade="senior", certificate_no="X", classes=["C"], status="certified"
    )
    client = browser(operator)
    for address in ADDRESSES:
        response = client.get(address % number)
        assert response.status_code == 404, address % number
        assert "<script>" not in response.content.decode()


@pytest.mark.django_db
def test_ids_of_others_in_a_form_are_refused(owner):
    forms = make_forms(owner)
    stranger = make_organization()
    tied = make_manager()
    reviewed = Match.objects.get(status=MatchStatus.IN_REVIEW)
    ManagerInterest.objects.create(
        profile=tied.manager_profile, organization=reviewed.demand.owner, kind="interest"
    )
    their_member = make_member(stranger).memberships.get()
    before = everything()
    for name, changes, codes in (
        ("demand", {"owner": stranger.pk}, (200,)),
        ("refer", {"to": tied.manager_profile.pk}, (200,)),
        ("refer", {"to": 10**12}, (200,)),
        ("reassign", {"to": tied.manager_profile.pk}, (200,)),
        ("check", {"version": 2}, (409,)),
        ("edit", {"seen": "2000-01-01T00:00:00+00:00"}, (409,)),
        ("verify", {"seen": "0" * 40}, (409,)),
    ):
        form = forms[name]
        response = send(browser(form.who), form.path, {**form.filled, **changes})
        assert response.status_code in codes, (name, changes, response.status_code)
    writer = browser(forms["demand"].who)
    for act in ("answer", "role", "remove"):
        # A member of another organization, under the address of one's own and of theirs.
        for pk in (owner.pk, stranger.pk):
            path = reverse(f"member_{act}", args=[pk, their_member.pk])
            assert send(writer, path, {"role": "owner", "accept": "on"}).status_code == 404
    assert everything() == before


@pytest.mark.django_db
@pytest.mark.parametrize(
    "target",
    ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)"],
)
def test_nobody_is_led_to_another_site(client, target):
    user = make_member()
    log_in = {"login": user.email, "password": PASSWORD, "next": target}
    answers = [
        client.post(f"{reverse('account_login')}?next={quote(target)}", log_in),
        client.post(reverse("switch_role"), {"role": "member", "next": target}),
        client.post(reverse("set_language"), {"language": "en", "next": target}),
        client.post(reverse("account_logout"), {"next": target}),
    ]
    for answer in answers:
        assert answer.status_code == 302
        assert "evil" not in answer["Location"] and "javascript" not in answer["Location"]


# --- Wrong codes --------------------------------------------------------------------------------

CODES = {
    "91330100MA000000": "18",
    "91330100MA0000001I": "I、O",
    "91330100MA00000019": "校验",
    "９１３３０１００ＭＡ": "18",
    "' OR 1=1 --": "18",
}


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("register", "credit_code"),
        ("join", "credit_code"),
        ("interest", "credit_code"),
    ],
)
def test_a_wrong_credit_code_gets_a_sentence(owner, name, field):
    form = make_forms(owner)[name]
    client = browser(form.who)
    before = everything()
    for code, sentence in CODES.items():
        response = send(client, form.path, {**form.filled, field: code})

        page = response.content.decode()
        assert response.status_code == 200
        assert "<title>错误：" in page
        assert sentence in page
    assert everything() == before


# --- Files --------------------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize(("header", "missing"), [(["id", "summary"], "标题"), (["标题"], "id")])
@pytest.mark.parametrize("options", [(), ("--dry-run",), ("--publish",)])
def test_an_xlsx_with_a_missing_column_is_refused_by_name(
    tmp_path, owner, header, missing, options
):
    book = Workbook()
    book.active.append(header)
    book.active.append(["x"] * len(header))
    book.save(tmp_path / "list.xlsx")
    before = everything()

    with pytest.raises(CommandError, match=missing):
        call_command(
            "import_listings",
            *("demands", str(tmp_path / "list.xlsx"), "--organization", owner.name, *options),
            stdout=io.StringIO(),
            stderr=io.StringIO(),
        )

    assert everything() == before


@pytest.mark.django_db
def test_one_wrong_row_keeps_the_whole_file_out(tmp_path, owner):
    book = Workbook()
    book.active.append(["id", "title", "trl"])
    for number in range(20):
        book.active.append([f"R-{number}", f"需求 {number}", 7])
    book.active.append(["R-20", "需求 20", "七十七"])
    book.save(tmp_path / "list.xlsx")
    before, errors = everything(), io.StringIO()

    with pytest.raises(CommandError):
        call_command(
            "import_listings",
            *("demands", str(tmp_path / "list.xlsx"), "--organization", owner.name),
            stdout=io.StringIO(),
            stderr=errors,
        )

    assert "row 22, column trl" in errors.getvalue()
    assert everything() == before


# --- Two at once, through the pages -------------------------------------------------------------


def at_once(*steps: tuple[Any, str, dict[str, Any]]) -> list[int]:
    """Send each form at the same moment from a browser of its own; return the sorted codes."""
    clients = [(browser(who), path, data) for who, path, data in steps]
    ready, codes = threading.Barrier(len(clients)), []

    def click(client: Client, path: str, data: dict[str, Any]) -> None:
        ready.wait()
        try:
            codes.append(send(client, path, data).status_code)
        finally:
            connection.close()

    threads = [threading.Thread(target=click, args=one) for one in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted(codes)


@pytest.mark.django_db(transaction=True)
def test_of_two_people_who_publish_and_refuse_a_listing_at_once_one_decides(owner):
    demand = make_demand(owner=owner, status=ListingStatus.SUBMITTED)
    path = reverse("listing_review", args=[demand.number])
    stated = {"version": 1, "no_interest": "on"}
    publish = {"decision": "publish", "reason": "", "note": "", **stated}
    refuse = {"decision": "reject", "reason": "vague", "note": "请补充", **stated}

    codes = at_once((make_manager(), path, publish), (make_manager(), path, refuse))

    assert codes == [302, 409]
    demand.refresh_from_db()
    assert demand.status in (ListingStatus.PUBLISHED, ListingStatus.REJECTED)
    assert ListingEvent.objects.filter(demand=demand).count() == 1


@pytest.mark.django_db(transaction=True)
def test_of_two_approvals_of_a_match_at_once_one_counts(owner):
    manager = make_manager()
    match = make_match(status=MatchStatus.IN_REVIEW, manager=manager)
    match.reviews.update(status=ReviewStatus.ACCEPTED)
    path = reverse("match_review", args=[match.number])
    approve = {
        "action": "decide",
        "decision": "approve",
        "reasons": "measured",
        "comment": "",
        **POINTS,
        "no_interest": "on",
    }
    reject = {**approve, "decision": "reject", "reasons": "indicator_gap"}

    codes = at_once((manager, path, approve), (manager, path, reject), (manager, path, approve))

    assert codes == [302, 409, 409]
    match.refresh_from_db()
    assert match.status in (MatchStatus.APPROVED, MatchStatus.REJECTED)
    assert MatchEvent.objects.filter(verb__in=("approved", "rejected")).count() == 1


@pytest.mark.django_db(transaction=True)
def test_of_two_colleagues_who_answer_at_once_the_first_counts(owner):
    match = make_match(
        status=MatchStatus.APPROVED, demand=make_demand(owner=owner), manager=make_manager()
    )
    path = reverse("match_consent", args=[match.number])

    codes = at_once(
        (make_member(owner), path, {"answer": "agree"}),
        (make_member(owner), path, {"answer": "decline", "reason": "price"}),
    )

    assert codes == [302, 409]
    assert Consent.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_review_that_is_decided_and_handed_back_at_once_has_one_end(owner):
    manager, operator = make_manager(), make_operator()
    match = make_match(status=MatchStatus.IN_REVIEW, manager=manager)
    match.reviews.update(status=ReviewStatus.ACCEPTED)
    colleague = ManagerProfile.objects.get(user=make_manager())
    decide = {
        "action": "decide",
        "decision": "approve",
        "reasons": "measured",
        **POINTS,
        "comment": "",
        "no_interest": "on",
    }

    codes = at_once(
        (manager, reverse("match_review", args=[match.number]), decide),
        (operator, reverse("ops_reassign", args=[match.number]), {"to": colleague.pk}),
    )

    assert codes == [302, 409]
    match.refresh_from_db()
    assert match.status in (MatchStatus.APPROVED, MatchStatus.IN_REVIEW)
    is_approved = match.status == MatchStatus.APPROVED
    assert match.reviews.filter(status=ReviewStatus.SUBMITTED).exists() == is_approved


@pytest.mark.django_db(transaction=True)
def test_a_form_that_is_sent_twice_at_once_makes_one_demand(owner):
    writer = make_member(owner)
    form = (writer, reverse("demand_new_whole"), listing_data(owner))

    assert at_once(form, form, form) == [302, 302, 302]
    assert Demand.objects.count() == 1
    assert ListingEvent.objects.filter(after=ListingStatus.SUBMITTED).count() == 1


# --- Who loses a role meanwhile -----------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize("status", sorted(set(MatchStatus) - {MatchStatus.SUPERSEDED}))
def test_a_viewer_who_answers_is_refused_whatever_became_of_the_match(owner, status):
    match = make_match(status=status, demand=make_demand(owner=owner), manager=make_manager())
    client = browser(make_member(owner, "viewer"))
    before = everything()

    response = send(client, reverse("match_consent", args=[match.number]), {"answer": "agree"})

    assert response.status_code == 403
    assert everything() == before
