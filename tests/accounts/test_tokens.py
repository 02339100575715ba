"""Tokens for the API: made after the password was asked for, shown once, revoked at once."""

import datetime as dt
import re

import pytest
from django.urls import reverse
from django.utils import timezone

from accounts.models import AccountEvent, ApiToken
from accounts.tokens import TOKENS_AT_MOST
from tests.api import Program, make_token
from tests.factories import PASSWORD, make_member, make_user

pytestmark = pytest.mark.django_db

PAGE = "/settings/tokens/"


def fill_in(client, **fields):
    mark = re.search(r'name="mark" value="([0-9a-f-]{36})"', client.get(PAGE).content.decode())
    return {"name": "教务系统", "scope": "write", "days": "90", "mark": mark[1], **fields}


def confirm_password(client):
    return client.post(
        f"{reverse('account_reauthenticate')}?next={PAGE}", {"password": PASSWORD}, follow=True
    )


@pytest.fixture
def person(client):
    user = make_member()
    client.force_login(user)
    return user


def test_who_makes_a_token_is_asked_for_the_password_and_then_reads_it_once(client, person):
    form = fill_in(client)

    asked = client.post(PAGE, form)
    assert asked.url.startswith(reverse("account_reauthenticate"))
    assert not ApiToken.objects.exists()
    made = confirm_password(client)

    text = re.search(r'value="(kq_[0-9a-f]{64})"', made.content.decode())[1]
    token = ApiToken.objects.get()
    assert (token.user, token.name, token.scope) == (person, "教务系统", "write")
    assert text not in str(ApiToken.objects.values().get())
    assert text not in client.get(PAGE).content.decode()
    days = token.expiry - timezone.now()
    assert dt.timedelta(days=89) < days <= dt.timedelta(days=90)
    event = AccountEvent.objects.get(verb="token_made")
    assert (event.actor, event.subject) == (person, person)
    assert text not in event.note
    answer = client.get("/api/v1/me/", headers={"Authorization": f"Bearer {text}"})
    assert answer.json()["email"] == person.email


def test_a_form_sent_twice_makes_one_token(client, person):
    confirm_password(client)
    form = fill_in(client)

    client.post(PAGE, form)
    again = client.post(PAGE, form)

    assert ApiToken.objects.count() == 1
    assert "kq_" in again.content.decode()  # its first characters, in the list
    assert not re.search(r"kq_[0-9a-f]{64}", again.content.decode())


@pytest.mark.parametrize(
    "fields",
    [
        {"name": ""},
        {"name": "a" * 61},
        {"name": "a\u202eb"},
        {"scope": "all"},
        {"days": "100000"},
        {"days": "x"},
        {"mark": "1"},
    ],
)
def test_wrong_entries_make_no_token(client, person, fields):
    confirm_password(client)

    answer = client.post(PAGE, fill_in(client) | fields)

    assert answer.status_code == 200
    assert not ApiToken.objects.exists()


def test_nobody_has_more_than_a_few(client, person):
    for _number in range(TOKENS_AT_MOST):
        make_token(person)
    confirm_password(client)

    page = client.get(PAGE).content.decode()
    assert 'name="mark"' not in page
    form = {"name": "x", "scope": "read", "days": "30", "mark": "0" * 32}
    client.post(PAGE, form)

    assert ApiToken.objects.count() == TOKENS_AT_MOST


def test_a_revoked_token_is_refused_at_once(client, person):
    program = Program(person)
    assert program.get("me/").status_code == 200

    address = f"{PAGE}{ApiToken.objects.get().public_id}/revoke/"
    assert "不能恢复" in client.post(address).content.decode() and ApiToken.objects.exists()
    client.post(address, {"sure": "1"})

    answer = program.get("me/")
    assert (answer.status_code, answer.json()["code"]) == (401, "authentication_failed")
    assert AccountEvent.objects.filter(verb="token_gone", actor=person).exists()


def test_nobody_revokes_the_token_of_another(client, person):
    make_token(make_user())

    answer = client.post(f"{PAGE}{ApiToken.objects.get().public_id}/revoke/")

    assert answer.status_code == 404
    assert ApiToken.objects.exists()


def test_the_page_says_when_a_token_was_used_last(client, person):
    program = Program(person)
    assert "从未使用" in client.get(PAGE).content.decode()

    program.get("me/")

    assert "从未使用" not in client.get(PAGE).content.decode()
    token = ApiToken.objects.get()
    program.get("me/")
    # Not with every request: that would be a write each.
    assert ApiToken.objects.get().last_used_at == token.last_used_at


@pytest.mark.parametrize(
    "header",
    [
        "Bearer",
        "Bearer ",
        "Bearer x",
        "Bearer kq_" + "0" * 64,
        "Bearer kq_ 1",
        "Bearer " + "k" * 5000,
        "Bearer k\u00e9",
        "Bearer kq_\x00",
    ],
)
def test_what_is_no_token_is_refused(client, header):
    answer = client.get("/api/v1/demands/", headers={"Authorization": header})

    assert answer.status_code == 401
    assert answer["Content-Type"] == "application/problem+json"
    assert answer["WWW-Authenticate"] == "Bearer"


def test_an_expired_token_and_a_closed_account_are_refused(client):
    user = make_user()
    program = Program(user)
    ApiToken.objects.update(expiry=timezone.now() - dt.timedelta(seconds=1))
    expired = program.get("me/")
    ApiToken.objects.update(expiry=timezone.now() + dt.timedelta(days=1))
    user.is_active = False
    user.save(update_fields=["is_active"])

    assert expired.status_code == program.get("me/").status_code == 401
    assert "过期" in expired.json()["detail"]
    assert ApiToken.objects.exists()  # its owner still sees that it has expired


def test_an_address_that_was_never_confirmed_opens_nothing(settings):
    program = Program(make_user())
    settings.ACCOUNT_EMAIL_VERIFICATION = "mandatory"

    assert program.get("me/").status_code == 401


def test_who_tries_tokens_is_asked_to_wait(client):
    answers = [
        client.get("/api/v1/me/", headers={"Authorization": f"Bearer kq_{number:064}"}).status_code
        for number in range(32)
    ]

    assert answers[0] == 401
    assert answers[-1] == 429


def test_a_session_changes_nothing_without_its_csrf_token():
    from django.test import Client

    user = make_member()
    client = Client(enforce_csrf_checks=True)
    client.force_login(user)

    assert client.get("/api/v1/me/").status_code == 200
    answer = client.post("/api/v1/demands/", {"title": "题目题目"}, content_type="application/json")
    assert answer.status_code == 403
    page = client.get("/api/v1/docs/")
    csrf = re.search(r'data-csrf="([^"]+)"', page.content.decode())[1]
    answer = client.post(
        "/api/v1/demands/",
        {"title": "题目题目"},
        content_type="application/json",
        headers={"X-CSRFToken": csrf},
    )
    assert answer.status_code == 201
