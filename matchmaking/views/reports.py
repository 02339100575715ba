"""Reports as documents: the brief of a match and the progress of a listing, as page and as PDF.

Both are what their reader's own pages say, on paper: the same functions prepare them, so a field
that is closed on a page is closed in its document. A PDF is passed on, so it says for whom it was
made, its name and its metadata carry the number alone, and each copy leaves a row in the trace.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db.models import prefetch_related_objects
from django.http import HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext
from django.views.decorators.http import require_safe
from django_stubs_ext import StrOrPromise

from accounts import paper
from accounts.http import UserRequest
from accounts.models import AccessEvent, User
from accounts.permissions import Tier
from accounts.site import site_name
from accounts.trace import record_access, record_looks
from accounts.views.limits import refuse, too_often
from catalog.disclosure import shown
from catalog.models import Listing
from catalog.outcome import outcome_of
from catalog.views.gate import answer_due, names
from matchmaking import presenting
from matchmaking.answers import card_of, status_text
from matchmaking.models import Match
from matchmaking.views.gates import (
    ANSWER_PARTS,
    for_lists,
    get_evidence,
    get_own_listing,
    note_names,
)
from matchmaking.views.matches import (
    TABS,
    Narrowing,
    engine_state,
    evidence,
    narrowing_of,
    of_tab,
    progress_steps,
    tab_counts,
)
from matchmaking.workflow import MatchStatus, Side

# Matches of one state that a report tells one by one; the page of matches has the rest.
TOLD_AT_MOST = 20

_LACKS: dict[str, StrOrPromise] = {
    "libraries": gettext_lazy(
        "This server cannot make PDFs, as system libraries for them are missing. Print this page "
        "from your browser instead."
    ),
    "font": gettext_lazy(
        "This server cannot make PDFs, as it has no Chinese font. Print this page from your "
        "browser instead."
    ),
}


@dataclass(frozen=True)
class Document:
    """One report: its number, its name for people, the template of its contents."""

    number: str
    stem: str  # of the file's name
    title: str
    template: str
    back: str
    context: dict[str, Any]


def _page(request: UserRequest, document: Document, pdf_url: str) -> HttpResponse:
    lack = paper.lacking()
    return render(
        request,
        "matchmaking/report.html",
        _frame(request.user, document)
        | {"pdf_url": pdf_url, "problem": _LACKS[lack] if lack else ""},
    )


def _pdf(request: UserRequest, document: Document, *, subject: str, page_url: str) -> HttpResponse:
    """Hand out a report as a file; where this machine cannot make one, the page says why."""
    context = _frame(request.user, document)
    if lack := paper.lacking():
        context |= {"pdf_url": "", "problem": _LACKS[lack]}
        return render(request, "matchmaking/report.html", context, status=503)
    html = render_to_string("matchmaking/report_paper.html", context)
    content = paper.pdf(html, address=request.build_absolute_uri(page_url))
    record_access(
        actor=request.user,
        kind=AccessEvent.Kind.EXPORT,
        subject=subject,
        number=document.number,
        note="PDF",
    )
    name = f"keqiao-{document.stem}-{document.number}-{timezone.localdate():%Y%m%d}.pdf"
    response = HttpResponse(content, content_type="application/pdf")
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response["X-Content-Type-Options"] = "nosniff"
    response["Cache-Control"] = "private, no-store"
    return response


def _frame(user: User, document: Document) -> dict[str, Any]:
    return {
        "document": document,
        "made_at": timezone.now(),
        "reader_name": user.name,
        "SITE_NAME": site_name(),
    } | document.context


def _asks_too_often(request: UserRequest) -> bool:
    allowed = settings.EXPORTS_PER_MINUTE
    return too_often(request, "export", visitor=allowed, person=allowed)


# --- The brief of a match ---------------------------------------------------------------------


def prepared_for(reader: presenting.Reader) -> str:
    """Say in whose place somebody reads a match, and what that tells them."""
    if reader.side:
        side = str(Side(reader.side).label)
        if reader.names:
            told = _("introduced: names and contacts of both sides")
        elif reader.descriptions:
            told = _("not introduced yet: the other side is not named")
        else:
            told = _("not verified yet: the other side's description is not shown")
        return _("%(who)s; %(told)s") % {"who": side, "told": told}
    who = pgettext("role", "operator") if reader.is_operator else _("technology manager")
    if reader.contacts:
        told = _("names and contacts of both sides")
    elif reader.names:
        told = _("names of both sides")
    else:
        told = _("neither side is named before the review is taken on")
    return _("%(who)s; %(told)s") % {"who": who, "told": told}


def _brief(request: UserRequest, number: str) -> Document:
    match, reader = get_evidence(request.user, number)
    # A withdrawn text is not shown to the other side any more.
    gone = presenting.is_gone(match) and bool(reader.side)
    context: dict[str, Any] = {
        "match": match,
        "reader": reader,
        "is_gone": gone,
        "prepared_for": prepared_for(reader),
    }
    if reader.side:
        prefetch_related_objects([match], *ANSWER_PARTS)
        context["answer"] = status_text(match, reader.side)
    if not gone:
        if reader.names:
            note_names(request.user, match, contacts=reader.contacts)
        context |= evidence(match, reader)
        context["opinion"] = presenting.opinion_of(match, reader)
    return Document(
        number=match.number,
        stem="match-brief",
        title=_("Match brief %(number)s") % {"number": match.number},
        template="matchmaking/_brief.html",
        back=match.get_absolute_url(),
        context=context,
    )


@require_safe
def match_brief(request: UserRequest, number: str) -> HttpResponse:
    """Show one match as a document: what a reader takes into a meeting."""
    document = _brief(request, number)
    return _page(request, document, reverse("match_brief_pdf", args=[document.number]))


@require_safe
def match_brief_pdf(request: UserRequest, number: str) -> HttpResponse:
    """Hand out the brief of a match as a PDF."""
    if _asks_too_often(request):
        return refuse(request)
    document = _brief(request, number)
    return _pdf(
        request,
        document,
        subject=AccessEvent.Subject.MATCH,
        page_url=reverse("match_brief", args=[document.number]),
    )


# --- How a listing gets on ----------------------------------------------------------------------


@dataclass(frozen=True)
class State:
    """The matches of a listing in one state: how many, of how many, and the first of them."""

    label: StrOrPromise
    count: int
    cards: list[presenting.MatchCard]

    @property
    def more(self) -> int:
        return self.count - len(self.cards)


def _states(listing: Listing, counts: dict[str, int]) -> list[State]:
    """Return the matches of a listing by state, with what each means and what comes next."""
    kind = listing.kind
    matches = Match.objects.filter(**{kind: listing})
    keys = {
        tab: list(
            of_tab(matches, tab, kind)
            .order_by("due_on", "rank", "pk")
            .values_list("pk", flat=True)[:TOLD_AT_MOST]
        )
        for tab in TABS
    }
    found = {
        match.pk: match
        for match in for_lists(
            Match.objects.filter(pk__in=[pk for pks in keys.values() for pk in pks])
        )
    }
    return [
        State(label, counts[tab], [card_of(found[pk], kind) for pk in keys[tab]])
        for tab, label in TABS.items()
    ]


def _report(request: UserRequest, kind: str, number: str) -> Document:
    listing = get_own_listing(request.user, kind, number)
    matches = Match.objects.filter(**{kind: listing})
    counts = tab_counts(matches, kind)
    engine = engine_state(listing, counts)
    narrowing = Narrowing()
    if kind == Side.DEMAND and not engine.pending:
        narrowing = narrowing_of(matches, verified=listing.owner.is_verified)
    states = _states(listing, counts)
    # The other sides of what was introduced stand in it by name.
    record_looks(
        actor=request.user,
        kind=AccessEvent.Kind.NAMES,
        subject=AccessEvent.Subject.MATCH,
        numbers=[
            card.match.number
            for state in states
            for card in state.cards
            if card.match.status == MatchStatus.INTRODUCED
        ],
    )
    if request.user.is_operator:
        reader = pgettext("role", "operator")
    else:
        reader = _("the owner, %(name)s") % {"name": listing.owner.name}
    return Document(
        number=listing.number,
        stem="progress",
        title=_("Progress report %(number)s") % {"number": listing.number},
        template="matchmaking/_report.html",
        back=reverse(f"{kind}_matches", args=[listing.number]),
        context=names(kind)
        | {
            "listing": shown(listing, Tier.INTRODUCED, names=True),
            "owner": listing.owner,
            "outcome": outcome_of(listing, due_on=answer_due(listing)),
            "prepared_for": _("%(who)s; other sides are named once introduced") % {"who": reader},
            "total": sum(counts.values()),
            "states": states,
            "engine": engine,
            "steps": progress_steps(listing, engine, counts),
            "narrowing": narrowing,
        },
    )


def _report_page(request: UserRequest, kind: str, number: str) -> HttpResponse:
    document = _report(request, kind, number)
    return _page(request, document, reverse(f"{kind}_report_pdf", args=[document.number]))


def _report_pdf(request: UserRequest, kind: str, number: str) -> HttpResponse:
    if _asks_too_often(request):
        return refuse(request)
    document = _report(request, kind, number)
    return _pdf(
        request,
        document,
        subject=AccessEvent.Subject.LISTING,
        page_url=reverse(f"{kind}_report", args=[document.number]),
    )


@require_safe
def demand_report(request: UserRequest, number: str) -> HttpResponse:
    """Show how a demand gets on, for its owner to hand to whoever asks."""
    return _report_page(request, Side.DEMAND, number)


@require_safe
def demand_report_pdf(request: UserRequest, number: str) -> HttpResponse:
    """Hand out the progress of a demand as a PDF."""
    return _report_pdf(request, Side.DEMAND, number)


@require_safe
def achievement_report(request: UserRequest, number: str) -> HttpResponse:
    """Show how an achievement gets on."""
    return _report_page(request, Side.ACHIEVEMENT, number)


@require_safe
def achievement_report_pdf(request: UserRequest, number: str) -> HttpResponse:
    """Hand out the progress of an achievement as a PDF."""
    return _report_pdf(request, Side.ACHIEVEMENT, number)
