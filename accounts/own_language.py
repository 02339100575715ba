"""The language that a person has chosen: their account keeps it, so it holds on every device.

For visitors Django's cookie does. Programs go by Accept-Language: their requests have no session.
"""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase
from django.utils import translation

from accounts.models import User

GetResponse = Callable[[HttpRequest], HttpResponseBase]


def remember(response: HttpResponseBase, language: str) -> None:
    """Keep a language on this device, for when nobody is signed in."""
    response.set_cookie(
        settings.LANGUAGE_COOKIE_NAME,
        language,
        max_age=settings.LANGUAGE_COOKIE_AGE,
        secure=settings.LANGUAGE_COOKIE_SECURE,
        httponly=settings.LANGUAGE_COOKIE_HTTPONLY,
        samesite="Lax",
    )


class OwnLanguage:
    """Answer somebody who is signed in in the language of their account.

    Stands after `AuthenticationMiddleware`. The device learns the language too, so that its
    log-in page speaks it next time.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        # Without a session nobody is signed in, and asking would make every answer private.
        user = request.user if settings.SESSION_COOKIE_NAME in request.COOKIES else None
        if not isinstance(user, User):
            # A lazy object: `isinstance` has looked at who it is.
            return self.get_response(request)
        language = user.language
        translation.activate(language)
        request.LANGUAGE_CODE = translation.get_language()
        response = self.get_response(request)
        name = settings.LANGUAGE_COOKIE_NAME
        if request.COOKIES.get(name) != language and name not in response.cookies:
            remember(response, language)
        return response
