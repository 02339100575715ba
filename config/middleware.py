"""What happens to every request before a view sees it: maintenance, and a language for one page."""

from __future__ import annotations

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import translation
from django.utils.cache import patch_vary_headers

from accounts.maintenance import closure
from accounts.models import User
from accounts.public_addresses import TAGS, asked_language
from accounts.views.language import remember
from config.errors import closed_page

GetResponse = Callable[[HttpRequest], HttpResponse]

# What a page sends with the fragments that it asks for, so that they come in its own language.
HEADER = "X-Page-Language"


def _asked(request: HttpRequest) -> str:
    """Return the language that the address or the asking page names, "" for none of ours."""
    given = request.headers.get(HEADER, "").lower()
    return asked_language(request.GET) or (given if given in TAGS else "")


class PageLanguage:
    """Answer `?lang=en` and `?lang=zh-hans` in that language, this once: no cookie is set.

    Search engines keep no cookies, so each language of a public page needs an address. People
    choose theirs with the switch. Stands after `LocaleMiddleware`, whose choice this overrules.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        language = _asked(request)
        if language:
            translation.activate(language)
            request.LANGUAGE_CODE = translation.get_language()
        response = self.get_response(request)
        if HEADER in request.headers:
            patch_vary_headers(response, [HEADER])
        return response


class OwnLanguage:
    """Answer somebody who is signed in in the language of their account, on every device.

    Stands after `AuthenticationMiddleware`. The device learns the language too, so that its
    log-in page speaks it next time. Visitors have Django's cookie; programs, whose requests have
    no session, go by Accept-Language.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        # Without a session nobody is signed in, and asking would make every answer private.
        user = request.user if settings.SESSION_COOKIE_NAME in request.COOKIES else None
        if not isinstance(user, User):
            return self.get_response(request)
        language = user.language
        translation.activate(language)
        request.LANGUAGE_CODE = translation.get_language()
        response = self.get_response(request)
        name = settings.LANGUAGE_COOKIE_NAME
        if request.COOKIES.get(name) != language and name not in response.cookies:
            remember(response, language)
        return response


class Maintenance:
    """Answer 503 while the site is closed. Stands before whatever needs the database or the cache.

    Static files come from before it, and the health check goes on: whoever watches the site wants
    to know how its parts are while they are worked on.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response
        self.health = reverse("healthz")

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path == self.health:
            return self.get_response(request)
        closed = closure()
        if closed is None:
            return self.get_response(request)
        language = _asked(request) or translation.get_language_from_request(request)
        with translation.override(language):
            return closed_page(request, closed)
