"""In which language a test's browser reads the site."""

from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.test import Client

from accounts.models import User


def speak(client: Client, language: str) -> None:
    """Choose a language as the switch does: on this device, and for who is signed in."""
    client.cookies[settings.LANGUAGE_COOKIE_NAME] = language
    if settings.SESSION_COOKIE_NAME in client.cookies:
        User.objects.filter(pk=client.session.get(SESSION_KEY)).update(language=language)
