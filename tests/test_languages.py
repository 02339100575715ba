"""Every page of the site, as each role, in both languages: none mixes them.

The world, the addresses and the readers are those of the disclosure walk; of the listings and
matches that are alike there, one of each kind.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from matchmaking.workflow import MatchStatus
from tests.api import Program
from tests.factories import PASSWORD, make_user
from tests.page_languages import strays, strays_in_text
from tests.speaking import speak
from tests.test_disclosure_walk import Reading, World, addresses, world

__all__ = ["world"]  # the fixture

pytestmark = pytest.mark.django_db

LANGUAGES = ("zh-hans", "en")
# Those of the walk whose pages are not another's: a viewer has an owner's without its forms.
READERS = (
    *("visitor", "newcomer", "member", "demand owner"),
    *("achievement owner", "assigned", "accepted", "operator"),
)
# Pages of the package for accounts, which have templates of ours.
ACCOUNT = {
    "visitor": ("account_login", "account_signup", "account_reset_password"),
    "newcomer": ("account_email", "account_change_password", "mfa_index", "mfa_activate_totp"),
}


def small(world: World) -> World:
    """Return the pair that was introduced, with its match and the one that waits for a review."""
    planted = [one for one in world.planted if one.introduced]
    kept = {one.listing.pk for one in planted if one.listing.kind == "demand"}
    matches = {
        number: match
        for number, match in world.matches.items()
        if match.demand_id in kept or match.status == MatchStatus.IN_REVIEW
    }
    return replace(world, planted=planted, matches=matches)


def mixed(path: str, response: Any, language: str) -> list[str]:
    if not response.get("Content-Type", "").startswith("text/html"):
        return []
    return [f"{path}: {stray}" for stray in strays(response.content.decode(), language)]


@pytest.mark.parametrize("reader", READERS)
def test_no_page_mixes_languages(world, reader, settings, monkeypatch):
    settings.SEARCHES_PER_MINUTE = settings.EXPORTS_PER_MINUTE = 100_000
    monkeypatch.setattr("accounts.paper.pdf", lambda html, *, address: b"%PDF-")
    reading = Reading(world, reader)
    paths = [path for path in addresses(small(world)) if not path.startswith("/api/")]
    paths += [reverse(name) for name in ACCOUNT.get(reader, ())]
    wrong: list[str] = []
    seen = 0
    for language in LANGUAGES:
        speak(reading.browser, language)
        for path in dict.fromkeys(paths):
            response = reading.browser.get(path)
            seen += response.status_code == 200
            wrong += mixed(path, response, language)
    assert not wrong, f"{len(wrong)} texts:\n" + "\n".join(wrong)
    # A walk that opens nothing finds nothing either.
    assert seen > 40


# What is sent to a form, beside nothing at all, so that it is refused for other reasons too.
NONSENSE = {
    "title": "x" * 500,
    "name": "\u200b",
    "email": "nobody",
    "login": "nobody",
    "password": "x",
    "password1": "1",
    "password2": "2",
    "phone": "nonsense",
    "credit_code": "91330100MA0000001I",
    "trl": "99",
    "money_min": "many",
    "money_max": "-1",
    "industry": "ZZ",
    "region": "000000",
    "deadline": "2001-01-01",
    "file": "",
    "days": "0",
}
FORMS = {
    "visitor": ("account_login", "account_signup", "account_reset_password"),
    "newcomer": ("organization_new", "organization_join", "manager_apply", "account_email"),
    "demand owner": ("demand_new_whole", "import_new", "settings_tokens", "settings_profile"),
    "achievement owner": ("achievement_new_whole",),
    "accepted": ("manager_absences", "manager_interests"),
}


@pytest.mark.parametrize("reader", list(FORMS))
def test_no_form_refuses_in_another_language(world, reader):
    reading = Reading(world, reader)
    wrong: list[str] = []
    for language in LANGUAGES:
        speak(reading.browser, language)
        for name in FORMS[reader]:
            path = reverse(name)
            for sent in ({}, NONSENSE):
                wrong += mixed(path, reading.browser.post(path, sent), language)
    assert not wrong, "\n".join(wrong)


def sentences(answer: Any) -> str:
    """Return what a refusal of the API says to people, a line each; codes are no texts."""
    said: list[str] = []

    def walk(value: Any) -> None:
        if isinstance(value, dict):
            for item in value.values():
                walk(item)
        elif isinstance(value, list):
            for item in value:
                walk(item)
        elif isinstance(value, str):
            said.append(value)

    if "problem+json" in answer.get("Content-Type", ""):
        body = answer.json()
        walk([body.get("title"), body.get("detail"), body.get("errors")])
    return "\n".join(said)


@pytest.mark.parametrize("reader", ["visitor", "newcomer", "demand owner", "operator"])
def test_a_program_is_refused_in_the_language_that_it_asks_for(world, reader, settings):
    settings.SEARCHES_PER_MINUTE = settings.EXPORTS_PER_MINUTE = 100_000
    program = Program(world.readers[reader])
    names = ["套圈淬火变形控制", "恒轴精密轴承有限公司", "云州理工大学", "受派经理"]
    wrong: list[str] = []
    told = 0
    for path in dict.fromkeys(addresses(small(world))):
        if not path.startswith("/api/"):
            continue
        for language in LANGUAGES:
            for answer in (
                program.get(path, accept_language=language),
                program.post(path, {"title": 1, "email": "x"}, accept_language=language),
            ):
                text = sentences(answer)
                told += bool(text)
                found = strays_in_text(text, language, names)
                wrong += [f"{path} in {language}: {stray}" for stray in found]
    assert not wrong, "\n".join(dict.fromkeys(wrong))
    assert told > 20


PASSWORDS = ("password1", "password2")


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_letters_about_an_account_are_in_its_language(client, mailoutbox, language):
    user = make_user(language=language, name="Lin" if language == "en" else "林")
    speak(client, language)
    client.post(reverse("account_reset_password"), {"email": user.email})
    client.post(
        reverse("account_signup"),
        {
            "name": user.name,
            "email": "new@example.org",
            "password1": PASSWORD,
            "password2": PASSWORD,
        },
    )
    other = Client()
    speak(other, language)
    other.post(reverse("account_reset_password"), {"email": "nobody@example.org"})

    assert len(mailoutbox) >= 3
    for letter in mailoutbox:
        text = re.sub(r"\S+@\S+|https?://\S+", "", f"{letter.subject}\n{letter.body}")
        assert not strays_in_text(text, language), text
        for part, kind in getattr(letter, "alternatives", []):
            assert kind != "text/html" or not strays(part, language)
