"""A person signs up; their organization comes on the next page."""

import pytest
from django.core import mail
from django.urls import reverse

from accounts.models import User
from tests.factories import make_user

pytestmark = pytest.mark.django_db
FORM = {
    "name": "周敏",
    "email": "Zhou@Example.org",
    "phone": "0512-6288 0000",
    "password1": "a-long-passphrase-71",
    "password2": "a-long-passphrase-71",
}


def sign_up(client, **changes):
    return client.post(reverse("account_signup"), FORM | {"next": "/org/"} | changes)


def test_signing_up_keeps_name_and_phone_and_leads_to_the_organization(client):
    response = sign_up(client)

    assert response.status_code == 302
    assert response["Location"] == "/org/"
    user = User.objects.get()
    assert (user.name, user.email, user.phone) == ("周敏", "zhou@example.org", "0512-6288 0000")
    assert not user.is_operator
    page = client.get("/org/").content.decode()
    assert reverse("organization_new") in page
    assert reverse("organization_join") in page
    assert reverse("manager_apply") in page


def test_the_page_itself_sends_people_on_to_the_organization(client):
    page = client.get(reverse("account_signup")).content.decode()
    assert '<input type="hidden" name="next" value="/org/">' in page


@pytest.mark.parametrize("field", ["is_operator", "is_staff", "is_superuser", "is_active"])
def test_nobody_makes_themselves_more_than_a_user(client, field):
    sign_up(client, **{field: "1"})
    user = User.objects.get()
    assert not user.is_operator
    assert not user.is_superuser


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("name", "", "该字段是必填项"),
        ("name", "周\u202e敏", "U+202E"),
        ("name", "周\x00敏", ""),
        ("name", "敏" * 81, "80"),
        ("name", "敏" * 200_000, "80"),
        ("email", "no address", "合法的邮件地址"),
        ("email", "zhou\u200b@example.org", "合法的邮件地址"),
        ("phone", "call me", "0512-6288 0000"),
        ("password2", "another", "两次输入的密码不一样"),
        ("password1", "12345678", "密码"),
    ],
)
def test_wrong_entries_get_a_sentence_and_nothing_is_saved(client, field, value, words):
    response = sign_up(client, **{field: value})

    page = response.content.decode()
    assert response.status_code == 200
    assert "<title>错误：" in page
    assert "处需要修改" in page
    assert words in page
    assert not User.objects.exists()


def test_a_name_with_markup_is_shown_as_text(client):
    sign_up(client, name="<script>alert(1)</script>")
    page = client.get("/org/").content.decode()
    assert "<script>alert(1)" not in page
    assert "&lt;script&gt;alert(1)" in page


@pytest.mark.parametrize("spelling", ["taken@example.org", "TAKEN@Example.ORG"])
def test_an_address_that_is_taken_makes_no_second_account(client, spelling):
    make_user(email="taken@example.org")
    response = sign_up(client, email=spelling)

    assert response.status_code in (200, 302)
    assert User.objects.count() == 1


def test_the_letter_names_nobody_and_is_in_the_readers_language(client, settings):
    settings.ACCOUNT_EMAIL_VERIFICATION = "mandatory"
    sign_up(client, name="点这里领奖 evil.example")

    [letter] = mail.outbox
    assert "evil.example" not in letter.body
    assert "请确认您的邮箱" in letter.subject
    assert "/account/confirm-email/" in letter.body

    mail.outbox.clear()
    client.logout()
    client.cookies["django_language"] = "en"
    sign_up(client, email="other@example.org")
    [letter] = mail.outbox
    assert "Please confirm your e-mail address" in letter.subject


def test_trying_passwords_is_slowed_down(client, settings):
    settings.ACCOUNT_RATE_LIMITS = {"login_failed": "3/5m/ip"}
    make_user(email="target@example.org")
    for number in range(5):
        response = client.post(
            reverse("account_login"), {"login": "target@example.org", "password": f"no{number}"}
        )
    assert "登录失败次数太多" in response.content.decode()


def test_signing_up_in_bulk_is_slowed_down(client, settings):
    settings.ACCOUNT_RATE_LIMITS = {"signup": "2/m/ip"}
    for number in range(3):
        response = sign_up(client, email=f"bulk{number}@example.org")
        client.logout()
    assert response.status_code == 429
    assert "尝试太频繁" in response.content.decode()
    assert User.objects.count() == 2


@pytest.mark.parametrize(
    "name",
    [
        "account_login",
        "account_signup",
        "account_reset_password",
        "account_reset_password_done",
        "account_email_verification_sent",
        "account_inactive",
    ],
)
@pytest.mark.parametrize("language", ["zh-hans", "en"])
def test_visitors_pages_are_in_our_frame(client, name, language):
    client.cookies["django_language"] = language
    response = client.get(reverse(name))
    page = response.content.decode()
    assert response.status_code == 200
    assert f'<html lang="{language}"' in page
    assert 'class="kq-head"' in page
    assert " style=" not in page
    assert page.count("<h1") == 1


@pytest.mark.parametrize(
    "name",
    [
        "account_email",
        "account_change_password",
        "account_logout",
        "mfa_index",
        "mfa_activate_totp",
        "account_reauthenticate",
    ],
)
def test_pages_of_ones_own_account_are_in_our_frame(client, name):
    client.post(
        reverse("account_login"),
        {"login": make_user().email, "password": "only-for-tests-9137"},
    )
    response = client.get(reverse(name), follow=True)
    page = response.content.decode()
    assert response.status_code == 200
    assert 'class="kq-head"' in page
    assert " style=" not in page
    assert "<script data-allauth" not in page
