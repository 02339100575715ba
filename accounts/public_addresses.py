"""The addresses under which a public page is known: one for each language, and one for all."""

from __future__ import annotations

from collections.abc import Mapping

from django.conf import settings

# In an address: the language that this one answer shall have. `config.middleware` honours it.
LANGUAGE_PARAMETER = "lang"
# What search engines call our languages.
TAGS = {"zh-hans": "zh-Hans", "en": "en"}


def asked_language(query: Mapping[str, str]) -> str:
    """Return the language that an address asks for, "" for none of ours."""
    asked = query.get(LANGUAGE_PARAMETER, "").lower()
    return asked if asked in TAGS else ""


def public_address(path: str, language: str = "") -> str:
    """Return the one address of a public page; with `language`, of the page in that language."""
    query = f"?{LANGUAGE_PARAMETER}={language}" if language else ""
    return f"{settings.SITE_URL.rstrip('/')}{path}{query}"


def alternates(path: str) -> list[tuple[str, str]]:
    """Return the page's address in each language, and the one that goes by the visitor's own."""
    named = [(tag, public_address(path, code)) for code, tag in TAGS.items()]
    return [*named, ("x-default", public_address(path))]
