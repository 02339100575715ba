"""A mail server that is away, and the first operator of a new platform."""

import pytest
from allauth.account.models import EmailAddress
from django.urls import reverse

from accounts.models import User
from tests.factories import PASSWORD, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def _no_mail_server(monkeypatch):
    def refused(*_: object, **__: object) -> int:
        raise ConnectionRefusedError("nobody listens")

    monkeypatch.setattr("django.core.mail.backends.locmem.EmailBackend.send_messages", refused)


@pytest.mark.usefixtures("_no_mail_server")
def test_a_mail_that_cannot_be_sent_is_said_on_the_page(client, settings):
    settings.ACCOUNT_EMAIL_VERIFICATION = "mandatory"
    user = make_user(email="new@example.org")

    response = client.post(
        reverse("account_login"), {"login": user.email, "password": PASSWORD}, follow=True
    )

    assert response.status_code == 200
    assert "邮件暂时没有发出" in response.content.decode()


def test_the_first_operator_logs_in_without_a_mail(client, settings, mailoutbox):
    settings.ACCOUNT_EMAIL_VERIFICATION = "mandatory"
    User.objects.create_superuser("chief@example.org", PASSWORD, name="何平")

    client.post(reverse("account_login"), {"login": "chief@example.org", "password": PASSWORD})

    assert client.get(reverse("ops_home")).status_code == 200
    assert not mailoutbox
    assert EmailAddress.objects.get().verified
