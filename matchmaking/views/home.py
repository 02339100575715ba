"""The front page: what KeQiao does for whom, that somebody answers, and search."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from dataclasses import dataclass, replace
from typing import Any, cast
from urllib.parse import urlencode

from django.contrib.auth.decorators import login_not_required
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_safe

from accounts.http import PageRequest, UserRequest
from accounts.permissions import Tier
from accounts.public_addresses import (
    LANGUAGE_PARAMETER,
    TAGS,
    asked_language,
    public_address,
)
from accounts.site import site_name
from catalog.disclosure import shown
from catalog.industries import industry_name
from catalog.models import Achievement, Demand
from matchmaking.figures import PROMISED_DAYS, cached, list_figures
from matchmaking.models import Match
from matchmaking.services.insights import Figure, Meeting, Scope, first_introduction, headline
from matchmaking.services.insights.suppression import LEAST, opened
from matchmaking.views.homes import home_of
from matchmaking.workflow import MatchStatus, ReviewStatus

NEWEST = 4
SECTIONS = 8


@dataclass(frozen=True)
class Progress:
    """How far a demand has come, for everybody: no side is named."""

    icon: str
    text: str


@dataclass(frozen=True)
class Answers:
    """What became of the demands first published from `since` to `until` whose first clock is over.

    They are the first of the public results, counted by the same queries and hidden by the same
    rule; without a cache they cost three queries, where all results cost many.
    """

    since: dt.date
    until: dt.date
    as_of: dt.datetime
    in_time: Figure
    agreed: Figure
    meeting: Meeting

    @property
    def enough(self) -> bool:
        return (self.in_time.of or 0) >= LEAST


@login_not_required
@require_safe
def home(request: PageRequest) -> HttpResponse:
    """Pass a search on to its list; show people what waits for them, visitors the front page."""
    if "q" in request.GET:
        return redirect(_search(request))
    if request.user.is_authenticated:
        return home_of(cast("UserRequest", request))
    return _front_page(request)


@login_not_required
@require_safe
def welcome(request: PageRequest) -> HttpResponse:
    """Show the visitors' front page to those as well who have a home of their own."""
    return _front_page(request)


def _search(request: PageRequest) -> str:
    """Return the address of the list that was chosen, searched for the words that were typed."""
    kind = "demand" if request.GET.get("kind") == "demand" else "achievement"
    asked = {"q": request.GET["q"].strip(), LANGUAGE_PARAMETER: asked_language(request.GET)}
    query = urlencode({name: value for name, value in asked.items() if value})
    return reverse(f"{kind}_list") + (f"?{query}" if query else "")


def _front_page(request: PageRequest) -> HttpResponse:
    lists = cached("home-lists", list_figures)
    # One page for all, whoever looks.
    demands = [
        shown(one, Tier.PUBLIC) for one in Demand.objects.live().select_related("owner")[:NEWEST]
    ]
    answers = cached(f"home-answers:{timezone.localdate()}", _answers)
    context: dict[str, Any] = {
        "answers": answers,
        "figures": _told(answers),
        "answer_days": PROMISED_DAYS,
        "lists": lists,
        "sections": [(one, industry_name(one.code)) for one in lists.sections[:SECTIONS]],
        "demands": [(demand, progress) for demand, progress in _with_progress(demands)],
        "achievements": [
            shown(one, Tier.PUBLIC)
            for one in Achievement.objects.live().select_related("owner")[:NEWEST]
        ],
        "asked_language": asked_language(request.GET),
        # The same page at /welcome/ is found by nobody.
        "found": request.path == reverse("home"),
        "site_data": _site_data(),
    }
    return render(request, "matchmaking/home.html", context)


def _answers() -> Answers:
    scope = Scope.of()
    # What is late now, by any clock, is not shown here: its query is spared.
    figures = {one.key: opened(one.figure) for one in headline(scope, {})}
    meeting = first_introduction(scope)
    return Answers(
        scope.since,
        scope.until,
        timezone.now(),
        figures["answer-in-time"],
        figures["answer-agreed"],
        replace(meeting, figure=opened(meeting.figure)),
    )


def _told(answers: Answers) -> list[tuple[str, str, str]]:
    """Return each figure with what it says and of how many: "95%", "…", "203 of 214 demands"."""
    if not answers.enough:
        return []
    words = {
        _("had a manager's answer within %(days)d working days")
        % {"days": PROMISED_DAYS}: answers.in_time,
        _("led to both sides agreeing to meet"): answers.agreed,
    }
    rows = []
    for text, figure in words.items():
        whole = {"of": f"{figure.of:,}", "few": LEAST}
        if figure.hidden:
            few = _("fewer than %(few)d of %(of)s demands") % whole
            rows.append((f"<\u00a0{LEAST}", text, few))
        else:
            of = _("%(n)s of %(of)s demands") % (whole | {"n": f"{figure.n:,}"})
            rows.append((f"{round(100 * (figure.share or 0))}%", text, of))
    meeting = answers.meeting
    if meeting.median is not None and not meeting.figure.hidden:
        days = ngettext(
            "%(days)s working day", "%(days)s working days", 1 if meeting.median == 1 else 2
        ) % {"days": f"{meeting.median:g}"}
        of = _("median of %(n)s introductions") % {"n": f"{meeting.figure.n:,}"}
        rows.append((days, _("from publication to the first introduction"), of))
    return rows


def _site_data() -> dict[str, Any]:
    """Return the site as schema.org says it."""
    return {
        "@type": "WebSite",
        "name": site_name(),
        "url": public_address("/"),
        "inLanguage": list(TAGS.values()),
    }


def _with_progress(demands: list[Demand]) -> list[tuple[Demand, Progress | None]]:
    rows = Match.objects.filter(demand__in=demands).order_by().values_list("demand", "status")
    counts = Counter((pk, status) for pk, status in rows)
    taken = set(
        Match.objects.filter(
            demand__in=demands, reviews__status__in=(ReviewStatus.ACCEPTED, ReviewStatus.SUBMITTED)
        ).values_list("demand", flat=True)
    )
    told: list[tuple[Demand, Progress | None]] = []
    for demand in demands:
        introduced = counts[demand.pk, MatchStatus.INTRODUCED]
        reviewing = counts[demand.pk, MatchStatus.IN_REVIEW]
        found = counts[demand.pk, MatchStatus.SUGGESTED]
        if introduced:
            text = ngettext(
                "%(count)d introduction made", "%(count)d introductions made", introduced
            ) % {"count": introduced}
            told.append((demand, Progress("users", text)))
        elif counts[demand.pk, MatchStatus.APPROVED]:
            told.append((demand, Progress("clock", _("Awaiting both sides"))))
        elif demand.pk in taken:
            told.append((demand, Progress("clock", _("A manager has taken it on"))))
        elif reviewing:
            text = ngettext(
                "%(count)d match in review", "%(count)d matches in review", reviewing
            ) % {"count": reviewing}
            told.append((demand, Progress("clock", text)))
        elif found:
            text = ngettext("%(count)d match found", "%(count)d matches found", found) % {
                "count": found
            }
            told.append((demand, Progress("sparkles", text)))
        else:
            told.append((demand, None))
    return told
