"""What a public page tells search engines and whoever shares its address.

A page is found by nobody unless it says `{% public_page %}` in the block `found_by`: the frame
itself says `noindex`. An address with a query (a search, a filter, a later page) is followed and
not listed, as the same rows stand under addresses without one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from django import template
from django.conf import settings
from django.template.context import Context
from django.templatetags.static import static
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.text import Truncator
from django.utils.translation import get_language

from accounts.public_addresses import (
    LANGUAGE_PARAMETER,
    alternates,
    asked_language,
    public_address,
)
from accounts.site import site_name

register = template.Library()

# Search engines show about so many Latin letters, and half as many Chinese characters.
DESCRIPTION_LIMIT = 160
LOCALES = {"zh-hans": "zh_CN", "en": "en_US"}


@register.inclusion_tag("_found_by.html", takes_context=True)
def public_page(context: Context, title: str, description: str, kind: str = "website") -> Any:
    """Tell a public page's title, description, address and languages; `kind` is Open Graph's."""
    request = context["request"]
    language = get_language() or settings.LANGUAGE_CODE
    return {
        "listed": not set(request.GET) - {LANGUAGE_PARAMETER},
        "title": title,
        "description": Truncator(" ".join(str(description).split())).chars(DESCRIPTION_LIMIT),
        "kind": kind,
        # Each of the three addresses names itself: the one without a language is the visitor's own.
        "address": public_address(request.path, asked_language(request.GET)),
        "picture": public_address(static("brand/card.png")),
        "alternates": alternates(request.path),
        "locale": LOCALES.get(language, ""),
        "other_locales": [name for code, name in LOCALES.items() if code != language],
        "SITE_NAME": site_name(),
    }


# What ends a script element, or opens a comment in one, is written as JSON's own escapes.
_ESCAPES = {ord(mark): f"\\u{ord(mark):04X}" for mark in "<>&\u2028\u2029"}


@register.filter
def linked_data(data: Mapping[str, Any] | None) -> SafeString | str:
    """Show schema.org data as a block that no browser runs. Nothing for None."""
    if not data:
        return ""
    text = json.dumps({"@context": "https://schema.org", **data}, ensure_ascii=False)
    return format_html(
        '<script type="application/ld+json">{}</script>', mark_safe(text.translate(_ESCAPES))
    )
