"""The switch of languages: it stays, on every device and in letters, and leads nowhere else."""

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse

from accounts.delivery import deliver
from accounts.models import OutboxMail, User
from tests.factories import make_member, make_user

pytestmark = pytest.mark.django_db

COOKIE = settings.LANGUAGE_COOKIE_NAME


def switch(client, language, next="/demands/", **headers):
    sent = {"language": language, "next": next}
    return client.post(reverse("set_language"), sent, headers=headers)


def language_of_page(response):
    return response.content.decode().split('<html lang="')[1].split('"')[0]


def shown(client, path="/demands/", **headers):
    return language_of_page(client.get(path, headers=headers))


def test_pages_are_chinese_until_somebody_asks_for_something_else(client):
    assert shown(client) == "zh-hans"
    assert shown(client, **{"Accept-Language": "fr"}) == "zh-hans"
    assert shown(client, **{"Accept-Language": "en-GB,en;q=0.9"}) == "en"


def test_a_visitor_s_choice_stays_for_a_year_on_their_device(client):
    switch(client, "en")

    assert shown(client, **{"Accept-Language": "zh-CN"}) == "en"
    assert client.cookies[COOKIE]["max-age"] == 365 * 24 * 3600
    assert client.cookies[COOKIE]["httponly"] and client.cookies[COOKIE]["samesite"] == "Lax"


def test_a_choice_holds_on_another_device_that_is_signed_in_already():
    user = make_member()
    here, there = Client(), Client()
    for device in (here, there):
        device.force_login(user)
        assert shown(device) == "zh-hans"

    switch(here, "en")

    assert shown(here) == shown(there) == "en"
    assert shown(there, **{"Accept-Language": "zh-CN"}) == "en"
    assert User.objects.get(pk=user.pk).language == "en"


def test_a_device_keeps_the_language_of_who_signed_out_of_it(client):
    user = make_user(language="en")
    client.force_login(user)
    shown(client)
    client.post(reverse("account_logout"))

    assert shown(client, reverse("account_login")) == "en"


def test_who_signs_in_has_their_own_language_whatever_the_device_had(client):
    client.cookies[COOKIE] = "en"
    client.force_login(make_user())

    assert shown(client) == "zh-hans"


def test_letters_follow_the_switch(client, mailoutbox):
    user = make_user()
    client.force_login(user)
    switch(client, "en")
    client.post(reverse("account_reset_password"), {"email": user.email})
    for row in OutboxMail.objects.all():
        deliver(mail_id=row.pk)

    assert mailoutbox and "password" in mailoutbox[-1].body


@pytest.mark.parametrize(
    ("back", "target"),
    [
        ("/demands/?q=轴承&page=2", "/demands/?q=轴承&page=2"),
        ("/demands/?q=a%26b&lang=zh-hans&sort=money", "/demands/?q=a%26b&sort=money"),
        ("/demands/?lang=en", "/demands/"),
        ("/help/figures/#share", "/help/figures/#share"),
        ("", "/"),
        ("https://evil.example/", "/"),
        ("//evil.example/demands/", "/"),
        ("/\\evil.example", "/"),
        ("http://[", "/"),
        ("javascript:alert(1)", "/"),
    ],
)
def test_the_switch_leads_back_to_the_same_question_and_to_no_other_site(client, back, target):
    response = switch(client, "en", next=back)

    assert response.status_code == 302
    assert response["Location"] == target.replace("轴承", "%E8%BD%B4%E6%89%BF")


def test_without_an_address_the_page_before_is_the_way_back(client):
    assert switch(client, "en", next="", Referer="http://testserver/demands/?q=1")["Location"] == (
        "http://testserver/demands/?q=1"
    )
    assert switch(client, "en", next="", Referer="https://evil.example/")["Location"] == "/"


@pytest.mark.parametrize("language", ["", "fr", "en-GB", "zh", "EN'; --", "x" * 10_000])
def test_a_language_that_there_is_not_changes_nothing(client, language):
    user = make_user()
    client.force_login(user)
    shown(client)

    assert switch(client, language).status_code == 302
    assert shown(client) == "zh-hans"
    assert User.objects.get(pk=user.pk).language == "zh-hans"


def test_looking_changes_no_language(client):
    client.get(reverse("set_language"), {"language": "en", "next": "/demands/"})

    assert shown(client) == "zh-hans"


def test_every_page_offers_the_other_language_by_its_own_name(client):
    page = client.get("/demands/?q=x").content.decode()

    assert '<button name="language" value="en" lang="en">' in page
    assert 'name="next" value="/demands/?q=x"' in page


def test_a_program_is_answered_in_the_language_that_it_asks_for(client):
    client.force_login(make_user(language="en"))
    answer = client.get("/api/v1/demands/nothing/", headers={"Accept-Language": "zh-hans"})

    assert answer.status_code in (401, 404)


def test_what_a_visitor_gets_is_not_private(client):
    answer = client.get("/api/v1/demands/")

    assert "Cookie" not in answer.get("Vary", "").split(", ") or COOKIE not in answer.cookies
