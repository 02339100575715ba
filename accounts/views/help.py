"""Help: how it works, who sees what, who runs it, how figures are counted."""

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe
from django_stubs_ext import StrOrPromise

from accounts.http import PageRequest
from accounts.services import VERIFY_WITHIN
from accounts.stars import published
from accounts.templatetags.kq import wan

# What each page is called, and what it tells; search engines read both.
PAGES: dict[str, tuple[StrOrPromise, StrOrPromise]] = {
    "how": (
        _("How it works"),
        _(
            "What an enterprise, a university or institute, a technology manager and a bureau do "
            "here, step by step, and how long each answer may take."
        ),
    ),
    "matching": (
        _("How a match is found"),
        _(
            "How the platform finds achievements for a demand, what evidence it shows, how sure "
            "it is, what it gets wrong, and who decides."
        ),
    ),
    "visibility": (
        _("Who sees what"),
        _(
            "What each side and the technology manager see at each step. Until both sides agree "
            "to meet, neither sees the other's name."
        ),
    ),
    "people": (
        _("Who runs this"),
        _(
            "Who operates the platform, who the technology managers are and how they are "
            "certified, and what happens to an objection or a complaint."
        ),
    ),
    "stars": (
        _("How stars are computed"),
        _(
            "The published formula behind the stars of technology managers: what counts, how much "
            "each part weighs, and worked examples."
        ),
    ),
    "figures": (
        _("How figures are counted"),
        _("Every rate with its denominator: what is counted, from when to when, and by whom."),
    ),
    "accessibility": (
        _("Accessibility"),
        _("What these pages promise to people with disabilities, and what is not good yet."),
    ),
}

# Who reads what its owner cannot change: everybody, members, the assigned manager, the other side
# once introduced. The rest of the table is catalog's, from its rules.
VISIBILITY = (
    (_("Title, public summary, keywords"), (True, True, True, True)),
    (_("Industry, region, cooperation modes"), (True, True, True, True)),
    (_("Kind, part of the country and field of the organization"), (True, True, True, True)),
    (_("Name of the organization"), (False, False, True, True)),
    (_("Contact person, phone, e-mail"), (False, False, False, True)),
)


@login_not_required
@require_safe
def help_page(request: PageRequest, page: str) -> HttpResponse:
    """Show one page of the help, the others beside it."""
    title, description = PAGES[page]
    return render(
        request,
        f"help/{page}.html",
        {
            "title": title,
            "description": description,
            "pages": [
                (reverse(f"help_{name}"), label, name == page)
                for name, (label, _lead) in PAGES.items()
            ],
            "top_k": settings.MATCH_TOP_K,
            "floor": round(100 * settings.MATCH_FLOOR),
            "engine_version": settings.ENGINE_VERSION,
            "review_days": settings.REVIEW_WORKING_DAYS,
            "table": [{"part": part, "cells": cells} for part, cells in VISIBILITY],
            "consent_days": settings.CONSENT_WORKING_DAYS,
            "publication_days": settings.PUBLICATION_WORKING_DAYS,
            "verify_days": VERIFY_WITHIN,
            "appeal_days": settings.APPEAL_DAYS,
            "second_above": wan(settings.SECOND_REVIEW_ABOVE),
            "stars": published(),
        },
    )
