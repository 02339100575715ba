"""No form is lost: what is sent after a session has ended is there again after the log-in."""

from __future__ import annotations

import html
import re

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import Organization
from catalog.models import TypedPost
from matchmaking.models import Appeal, Review
from matchmaking.workflow import MatchStatus, ReviewStatus
from tests.factories import make_match, make_member, make_organization, make_review, make_user

pytestmark = pytest.mark.django_db


def writer_in(page: str) -> str:
    return html.unescape(re.search(r'name="writer" value="([^"]+)"', page)[1])


def send_without_session(user, path: str, data: dict) -> tuple[Client, str]:
    """Open a form, lose the session, send it; return a new session and where it leads after the
    log-in."""
    client = Client()
    client.force_login(user)
    token = writer_in(client.get(path).content.decode())
    client.logout()
    response = client.post(path, data | {"writer": token})
    assert response.status_code == 302
    assert response["Location"] == f"/account/login/?next={path}%3Ftyped%3D1"
    client.force_login(user)
    return client, f"{path}?typed=1"


def review_of(match) -> Review:
    return make_review(match=match, status=ReviewStatus.ACCEPTED)


def _appeal():
    match = make_match(status=MatchStatus.REJECTED)
    review = match.reviews.filter(status=ReviewStatus.SUBMITTED).first()
    if review is None:
        make_review(match=match, settled=True)
    return make_member(match.demand.owner), reverse("match_appeal", args=[match.number])


def _decision():
    match = make_match(status=MatchStatus.IN_REVIEW)
    return review_of(match).manager, reverse("match_review", args=[match.number])


def _questions():
    match = make_match(status=MatchStatus.IN_REVIEW)
    review_of(match).inquiries.create(
        side="demand",
        questions=[{"field": "trl", "name": "成熟度", "text": "可以低一级吗？"}],
        due_on=match.demand.published_at.date(),
    )
    return make_member(match.demand.owner), reverse("match_questions", args=[match.number])


def _organization():
    return make_user(), reverse("organization_new")


FORMS = {
    "decision": (
        _decision,
        {"decision": "reject", "reasons": ["price"], "comment": "预算差太远"},
    ),
    "questions": (_questions, {"answer_1": "可以低一级"}),
    "appeal": (_appeal, {"text": "热处理车间三个月的变形数据在附件里，上次评审没有看到这一份"}),
    "organization": (_organization, {"name": "恒轴精密轴承有限公司", "kind": "enterprise"}),
}


@pytest.mark.parametrize("form", FORMS)
def test_what_was_typed_is_there_again_after_the_log_in(form):
    make, data = FORMS[form]
    user, path = make()
    client, back = send_without_session(user, path, data)

    page = client.get(back).content.decode()
    for text in data.values():
        for one in text if isinstance(text, list) else [text]:
            assert one in page
    assert "还没有保存" in page
    if form == "decision":
        assert re.search(r'value="reject"[^>]*checked', page)
        assert re.search(r'value="price"[^>]*checked', page)
    assert not Appeal.objects.exists()
    assert not Organization.objects.filter(name=data.get("name", "-")).exists()


def test_once_it_is_sent_nothing_waits_any_more():
    user, path = _appeal()
    client, back = send_without_session(
        user, path, {"text": "热处理车间三个月的变形数据在附件里，上次评审没有看到这一份"}
    )
    page = client.get(back).content.decode()
    assert 'name="typed_back" value="1"' in page

    response = client.post(
        back,
        {"text": "热处理车间三个月的变形数据在附件里，上次评审没有看到这一份", "typed_back": "1"},
    )
    assert response.status_code == 302
    assert Appeal.objects.get().text == "热处理车间三个月的变形数据在附件里，上次评审没有看到这一份"
    assert not TypedPost.objects.exists()


def test_nobody_else_gets_it_and_without_the_mark_nothing_is_kept():
    user, path = _appeal()
    send_without_session(
        user, path, {"text": "热处理车间三个月的变形数据在附件里，上次评审没有看到这一份"}
    )
    other = Client()
    other.force_login(make_member(user.memberships.get().organization))
    assert "三个月的变形数据" not in other.get(f"{path}?typed=1").content.decode()

    TypedPost.objects.all().delete()
    for token in ("", "forged", "x" * 5000):
        response = Client().post(path, {"text": "甲", "writer": token})
        assert response["Location"] == f"/account/login/?next={path}"
    assert not TypedPost.objects.exists()


def test_a_form_whose_protection_ran_out_comes_back_too():
    user, path = _appeal()
    client = Client(enforce_csrf_checks=True)
    client.force_login(user)
    token = writer_in(client.get(path).content.decode())
    response = client.post(
        path,
        {"text": "热处理车间三个月的变形数据在附件里，上次评审没有看到这一份", "writer": token},
    )
    assert (response.status_code, response["Location"]) == (302, f"{path}?typed=1")
    assert (
        "热处理车间三个月的变形数据在附件里，上次评审没有看到这一份"
        in client.get(response["Location"]).content.decode()
    )


def test_an_organization_of_nobody_is_made_from_no_session():
    user = make_user()
    before = Organization.objects.count()
    send_without_session(user, reverse("organization_new"), {"name": make_organization().name})
    assert Organization.objects.count() == before + 1
