"""The front page: what KeQiao is, that somebody answers, and search."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.contrib.auth.decorators import login_not_required
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_safe

from accounts.http import PageRequest
from accounts.models import User
from accounts.navigation import waiting_for
from accounts.permissions import Tier, manager_profile
from catalog.disclosure import shown
from catalog.industries import industry_name
from catalog.models import Achievement, Demand
from matchmaking.figures import PROMISED_DAYS, WINDOW_DAYS, answer_figures, cached, list_figures
from matchmaking.models import Match
from matchmaking.workflow import MatchStatus, ReviewStatus

NEWEST = 4
SECTIONS = 8


@dataclass(frozen=True)
class Progress:
    """How far a demand has come, for everybody: no side is named."""

    icon: str
    text: str


@login_not_required
@require_safe
def home(request: PageRequest) -> HttpResponse:
    """Show the front page, or pass a search on to the list that was chosen."""
    if "q" in request.GET:
        kind = "demand" if request.GET.get("kind") == "demand" else "achievement"
        words = request.GET.get("q", "").strip()
        query = f"?{urlencode({'q': words})}" if words else ""
        return redirect(reverse(f"{kind}_list") + query)

    lists = cached("home-lists", list_figures)
    # The front page is one for all.
    demands = [
        shown(one, Tier.PUBLIC) for one in Demand.objects.live().select_related("owner")[:NEWEST]
    ]
    context: dict[str, Any] = {
        "answers": cached("home-answers", answer_figures),
        "lists": lists,
        "sections": [(one, industry_name(one.code)) for one in lists.sections[:SECTIONS]],
        "demands": [(demand, progress) for demand, progress in _with_progress(demands)],
        "achievements": [
            shown(one, Tier.PUBLIC)
            for one in Achievement.objects.live().select_related("owner")[:NEWEST]
        ],
        "window": WINDOW_DAYS,
        "promised": PROMISED_DAYS,
        "tasks": _tasks(request.user) if request.user.is_authenticated else [],
        "today": timezone.localdate(),
    }
    return render(request, "matchmaking/home.html", context)


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


def _tasks(user: User) -> list[tuple[str, str]]:
    """Return what waits for the reader, each with its address."""
    counts = waiting_for(user)
    tasks = []
    if reviews := counts.get("reviews"):
        text = ngettext("%(count)d match to review", "%(count)d matches to review", reviews) % {
            "count": reviews
        }
        tasks.append((reverse("workbench"), text))
    if answers := counts.get("answers"):
        text = ngettext(
            "%(count)d match waits for your answer",
            "%(count)d matches wait for your answer",
            answers,
        ) % {"count": answers}
        tasks.append((reverse("my_answers"), text))
    if (listings := counts.get("listings")) and (user.is_operator or manager_profile(user)):
        text = ngettext("%(count)d listing to check", "%(count)d listings to check", listings) % {
            "count": listings
        }
        tasks.append((reverse("listing_queue"), text))
    return tasks
