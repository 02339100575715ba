"""The switch of languages, on every page."""

from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.utils import translation
from django.utils.http import url_has_allowed_host_and_scheme

from accounts.models import Language, User


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


@login_not_required
def set_language(request: HttpRequest) -> HttpResponse:
    """Remember a language, and go back to the page that was open, its question kept.

    Somebody who is signed in has it on every device from now on, and in letters. A language that
    the site does not have, and an address of another site, change nothing and lead home.
    """
    back = HttpResponseRedirect(_way_back(request))
    language = request.POST.get("language", "")
    if request.method != "POST" or language not in Language.values:
        return back
    if isinstance(request.user, User):
        User.objects.filter(pk=request.user.pk).update(language=language)
    translation.activate(language)
    remember(back, language)
    return back


def _way_back(request: HttpRequest) -> str:
    for address in (request.POST.get("next", ""), request.headers.get("Referer", "")):
        if url_has_allowed_host_and_scheme(
            address, allowed_hosts={request.get_host()}, require_https=request.is_secure()
        ):
            return _without_language(address)
    return "/"


def _without_language(address: str) -> str:
    """Drop `lang` from an address: it would overrule what was just chosen."""
    parts = urlsplit(address)
    asked = parse_qsl(parts.query, keep_blank_values=True)
    kept = [(key, value) for key, value in asked if key != "lang"]
    query = parts.query if len(kept) == len(asked) else urlencode(kept)
    return urlunsplit(parts._replace(query=query))
