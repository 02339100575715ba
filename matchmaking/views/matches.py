"""Matches as the two sides read them: of a listing, one by one, and what waits for an answer."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import Count, Min, Q, QuerySet, prefetch_related_objects
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_safe

from accounts.http import UserRequest
from accounts.permissions import Tier
from accounts.templatetags.kq import day
from accounts.workdays import add_working_days, working_days_left
from catalog.disclosure import closed, stricter
from catalog.models import Listing
from catalog.permissions import can_edit
from matchmaking import permissions, presenting, questions
from matchmaking.answers import card_of, status_text
from matchmaking.figures import PROMISED_DAYS
from matchmaking.forms import ConsentForm
from matchmaking.models import Consent, Match, MatchEvent, RankerVersion, index_model
from matchmaking.navigation import asked_of, awaiting_answer
from matchmaking.services.consents import answer
from matchmaking.services.overturning import REOPENABLE
from matchmaking.services.unmet import Progress, problem_text, unmet_text
from matchmaking.views.gates import (
    ANSWER_PARTS,
    PAGE_SIZE,
    for_lists,
    get_evidence,
    get_match,
    get_own_listing,
    get_own_side,
    note_names,
    posted,
)
from matchmaking.workflow import IllegalMove, MatchStatus, Side

REVIEWING = (MatchStatus.SUGGESTED, MatchStatus.IN_REVIEW)
TABS = {
    "answer": gettext_lazy("Waiting for me"),
    "review": gettext_lazy("In review"),
    "waiting": gettext_lazy("Waiting for the other side"),
    "introduced": gettext_lazy("Introduced"),
    "ended": gettext_lazy("Ended"),
}


# --- Matches of a listing ---------------------------------------------------------------------


def of_tab(matches: QuerySet[Match], tab: str, side: str) -> QuerySet[Match]:
    answered = Consent.objects.filter(side=side).values("match")
    asked = asked_of(side)
    if tab == "answer":
        return matches.filter(
            Q(status=MatchStatus.APPROVED) & ~Q(pk__in=answered) | Q(pk__in=asked)
        )
    if tab == "waiting":
        return matches.filter(status=MatchStatus.APPROVED, pk__in=answered)
    if tab == "review":
        return matches.filter(status__in=REVIEWING).exclude(pk__in=asked)
    if tab == "introduced":
        return matches.filter(status=MatchStatus.INTRODUCED)
    return matches.filter(
        Q(status__in=(MatchStatus.REJECTED, MatchStatus.DECLINED, MatchStatus.LAPSED))
        # What a run replaced before anybody looked at it is no news to the owner.
        | Q(status=MatchStatus.SUPERSEDED, is_touched=True)
    )


def tab_counts(matches: QuerySet[Match], side: str) -> dict[str, int]:
    counts: dict[str, int] = dict.fromkeys(TABS, 0)
    rows = (
        matches.order_by()
        .values("status", "is_touched")
        .annotate(
            total=Count("pk", distinct=True),
            answered=Count("pk", filter=Q(consents__side=side), distinct=True),
            asked=Count("pk", filter=Q(pk__in=asked_of(side)), distinct=True),
        )
        .values_list("status", "is_touched", "total", "answered", "asked")
    )
    for status, touched, count, with_answer, asked in rows:
        if status in REVIEWING:
            counts["review"] += count - asked
            counts["answer"] += asked
        elif status == MatchStatus.APPROVED:
            counts["waiting"] += with_answer
            counts["answer"] += count - with_answer
        elif status == MatchStatus.INTRODUCED:
            counts["introduced"] += count
        elif status != MatchStatus.SUPERSEDED or touched:
            counts["ended"] += count
    return counts


@dataclass(frozen=True)
class EngineState:
    """How far the engine is with a listing. `pending`: the page asks again every second."""

    pending: bool
    problem: str
    compared: int
    matched_at: dt.datetime | None
    # Said where the present version was compared and nothing open or introduced came of it.
    unmet: str = ""


def engine_state(listing: Listing, counts: dict[str, int]) -> EngineState:
    index = index_model(listing.kind).objects.filter(pk=listing.pk).first()
    if index is None:
        return EngineState(listing.is_live, "", 0, None)
    fresh = index.version == listing.version
    done = fresh and index.matched_version == listing.version
    problem = index.problem if fresh else ""
    ended = counts["ended"]
    useful = sum(counts.values()) - ended
    unmet = ""
    if listing.is_live and done and not problem and not useful:
        found = Progress("unmet", 0, ended, index.compared, index.matched_at, "")
        unmet = unmet_text(listing.kind, found)
    return EngineState(
        pending=listing.is_live and not done and not problem,
        problem=problem_text(problem),
        compared=index.compared,
        matched_at=index.matched_at if index.matched_version else None,
        unmet=unmet,
    )


def _ways_on(listing: Listing) -> list[str]:
    """Say what the owner of an unmet demand can do, what helps most first.

    A text decides what is near; figures only order what is. So words come before indicators.
    """
    ways = []
    if len(listing.body) < 200:
        ways.append(_("Say more of the problem: the part, the material, the process, the figures."))
    if not getattr(listing, "process", ""):
        ways.append(_("Describe how it is done today; others solve the same step elsewhere."))
    if len(listing.keywords) < 3:
        ways.append(_("Add keywords as the trade and as research call it."))
    if len(listing.indicators) < 3:
        ways.append(_("State indicators with units; each is compared by itself."))
    ways.append(_("Post a part of the problem as a demand of its own, if it can be parted."))
    return ways


@dataclass(frozen=True)
class Step:
    """One line of the listing's progress: done, the present one, or still to come."""

    state: str
    what: str
    detail: str = ""


def progress_steps(listing: Listing, engine: EngineState, counts: dict[str, int]) -> list[Step]:
    """Tell what has happened to a listing and what comes next, with promised and used days."""
    when = {
        row["verb"]: row
        for row in MatchEvent.objects.filter(**{f"match__{listing.kind}": listing})
        .filter(
            verb__in=(
                MatchEvent.Verb.ACCEPTED,
                MatchEvent.Verb.APPROVED,
                MatchEvent.Verb.INTRODUCED,
            )
        )
        .order_by()
        .values("verb")
        .annotate(first=Min("created_at"), matches=Count("match", distinct=True))
    }
    steps = []
    if listing.published_at is None:
        return [Step("now", _("Not published yet"))]
    steps.append(Step("done", _("Publication"), day(listing.published_at)))
    total = sum(counts.values())
    if engine.problem:
        steps.append(Step("now", _("Cannot be compared"), engine.problem))
    elif engine.matched_at is not None:
        found = _("Compared; %(count)d matches so far") % {"count": total}
        detail = _("%(day)s, with %(count)d listings of the other list") % {
            "day": day(engine.matched_at),
            "count": engine.compared,
        }
        steps.append(Step("done", found, detail))
    elif engine.pending:
        steps.append(Step("now", _("Being compared")))
    if row := when.get(MatchEvent.Verb.ACCEPTED):
        used = max(
            working_days_left(
                timezone.localdate(row["first"]), timezone.localdate(listing.published_at)
            ),
            0,
        )
        detail = _("%(day)s, after %(used)d working days (promised: %(promised)d)") % {
            "day": day(row["first"]),
            "used": used,
            "promised": PROMISED_DAYS,
        }
        steps.append(Step("done", _("A manager has taken it on"), detail))
    elif counts["review"] and listing.is_live:
        due = add_working_days(timezone.localdate(listing.published_at), PROMISED_DAYS)
        steps.append(
            Step("now", _("A manager looks at it"), _("promised by %(day)s") % {"day": day(due)})
        )
    if row := when.get(MatchEvent.Verb.APPROVED):
        approved = _("%(count)d matches approved") % {"count": row["matches"]}
        steps.append(Step("done", approved, day(row["first"])))
    if row := when.get(MatchEvent.Verb.INTRODUCED):
        introduced = _("%(count)d introductions made") % {"count": row["matches"]}
        steps.append(Step("done", introduced, day(row["first"])))
    if counts["answer"]:
        todo = _("%(count)d matches wait for your answer") % {"count": counts["answer"]}
        steps.append(Step("now", todo, _("without an answer in time they lapse")))
    elif counts["waiting"]:
        steps.append(Step("now", _("Waiting for the other side")))
    if MatchEvent.Verb.INTRODUCED not in when:
        steps.append(Step("todo", _("Introduction, with names and contacts")))
    return steps


@dataclass
class Narrow:
    """How many of a demand's matches meet one of its requirements."""

    name: str
    requirement: str
    hard: bool | None
    met: int = 0
    stated: int = 0
    total: int = 0


@dataclass
class Narrowing:
    rows: list[Narrow] = field(default_factory=list)
    total: int = 0

    def tightest(self) -> Narrow | None:
        """Return the must-have that the fewest matches meet, if it is a narrow one at all."""
        hard = [row for row in self.rows if row.hard and row.stated]
        worst = min(hard, key=lambda row: row.met, default=None)
        return worst if worst is not None and worst.met * 2 <= self.total else None

    def unsaid(self) -> Narrow | None:
        """Return the requirement that most matches say nothing about."""
        worst = min(self.rows, key=lambda row: row.stated, default=None)
        return worst if worst is not None and worst.stated * 2 < self.total else None


def narrowing_of(matches: QuerySet[Match], *, verified: bool) -> Narrowing:
    """Count, over the present matches of a demand, which requirement is the narrow one.

    What an achievement keeps closed counts as not stated: of one match alone, the count is the
    verdict.
    """
    stored = list(
        matches.exclude(status=MatchStatus.SUPERSEDED)
        .order_by("rank")
        .values_list(
            "grid", "status", "achievement_revision__disclosure", "achievement__disclosure"
        )
    )
    result = Narrowing(total=len(stored))
    by_key: dict[tuple[str, str], Narrow] = {}
    for grid, status, then, today in stored:
        tier = Tier.INTRODUCED if status == MatchStatus.INTRODUCED else Tier.MEMBERS
        tiers = stricter(Side.ACHIEVEMENT, then, today)
        closed_there = closed(Side.ACHIEVEMENT, tiers, tier if verified else Tier.PUBLIC)
        for row in grid:
            name = presenting.constraint_name(row)
            requirement = presenting.requirement_text(row)
            entry = by_key.setdefault(
                (name, requirement), Narrow(name, requirement, row.get("hard"))
            )
            entry.total += 1
            if presenting.closed_by(row, frozenset(), closed_there):
                continue
            entry.met += row["verdict"] == "met"
            entry.stated += row["verdict"] != "unknown"
    result.rows = list(by_key.values())
    return result


def _listing_matches(request: UserRequest, kind: str, number: str) -> HttpResponse:
    """Show the matches of one listing to its own side. htmx gets the changing part back."""
    listing = get_own_listing(request.user, kind, number)
    matches = Match.objects.filter(**{kind: listing})
    counts = tab_counts(matches, kind)
    tab = request.GET.get("tab", "")
    if tab not in TABS:
        tab = next((key for key, count in counts.items() if count), "review")
    order = ("due_on", "rank", "pk") if tab in ("answer", "waiting") else ("rank", "-score", "pk")
    if tab in ("introduced", "ended"):
        order = ("-updated_at", "-pk", "rank")
    page = Paginator(for_lists(of_tab(matches, tab, kind).order_by(*order)), PAGE_SIZE).get_page(
        request.GET.get("page")
    )
    engine = engine_state(listing, counts)
    narrowing = Narrowing()
    if kind == Side.DEMAND and not engine.pending:
        narrowing = narrowing_of(matches, verified=listing.owner.is_verified)
    context: dict[str, Any] = {
        "listing": listing,
        "kind": kind,
        "is_demand": kind == Side.DEMAND,
        "tabs": [(key, label, counts[key]) for key, label in TABS.items()],
        "tab": tab,
        "counts": counts,
        "total": sum(counts.values()),
        "page": page,
        "cards": [card_of(match, kind) for match in page],
        "engine": engine,
        "ways_on": _ways_on(listing) if engine.unmet and kind == Side.DEMAND else [],
        "steps": progress_steps(listing, engine, counts),
        "narrowing": narrowing,
        "answer_by": add_working_days(
            timezone.localdate(listing.published_at or timezone.now()), PROMISED_DAYS
        ),
        "may_edit": can_edit(request.user, listing) and listing.is_editable,
        "may_answer": can_edit(request.user, listing),
        "edit_url": reverse(f"{kind}_edit", args=[listing.number]),
        "report_url": reverse(f"{kind}_report", args=[listing.number]),
        "mine_url": reverse(f"my_{kind}s"),
    }
    part = request.htmx and request.htmx.target == "matches"
    template = "matchmaking/_matches_body.html" if part else "matchmaking/matches.html"
    return render(request, template, context)


@require_safe
def demand_matches(request: UserRequest, number: str) -> HttpResponse:
    """Show what was found for a demand, to the enterprise that posted it."""
    return _listing_matches(request, Side.DEMAND, number)


@require_safe
def achievement_matches(request: UserRequest, number: str) -> HttpResponse:
    """Show which demands an achievement was found for, to its owner."""
    return _listing_matches(request, Side.ACHIEVEMENT, number)


# --- One match --------------------------------------------------------------------------------


def _ranker_of(match: Match) -> RankerVersion | None:
    """Return the version that gave the score, without its trees; None for the fixed weights."""
    if match.ranker_id is None:
        return None
    return RankerVersion.objects.defer("trees").get(pk=match.ranker_id)


def evidence(match: Match, reader: presenting.Reader) -> dict[str, Any]:
    """Return what the templates of a match share: sides, grid, advice, pairs, terms, parts."""
    if match.decided_at is not None:
        prefetch_related_objects([match], "reviews__manager__manager_profile")
    rows = presenting.grid_rows(match, reader)
    panel = None if reader.side else questions.panel(match, reader, (row.key for row in rows))
    demand, achievement = presenting.both_sides(match, reader)
    parts = presenting.score_parts(match, reader)
    return {
        "match": match,
        "reader": reader,
        "demand": demand,
        "achievement": achievement,
        "sides": [demand, achievement],
        "grid": presenting.with_remarks(match, rows if panel is None else panel.rows(rows), reader),
        "asked": panel,
        "tally": presenting.tally(rows),
        "gap": presenting.worst_gap(rows),
        "advice": presenting.advice_lines(match, reader),
        "pairs": presenting.sentence_pairs(match, reader),
        "terms": presenting.shared_terms(match, reader),
        "grade": presenting.grade_for(match, reader),
        "parts": parts,
        "total_points": sum(part.points or 0 for part in parts),
        "ranker": _ranker_of(match),
    }


@require_safe
def match_detail(request: UserRequest, number: str) -> HttpResponse:
    """Show one match with its evidence and history, each reader's own share of it."""
    match, reader = get_evidence(request.user, number)
    consents = {consent.side: consent for consent in match.consents.all()}
    events = match.events.select_related("actor", "subject")
    # A withdrawn text is not shown to the other side any more.
    gone = presenting.is_gone(match) and bool(reader.side)
    context: dict[str, Any] = {"match": match, "reader": reader, "is_gone": gone}
    if reader.side:
        prefetch_related_objects([match], *ANSWER_PARTS)
        context |= {
            "answer": status_text(match, reader.side),
            "has_questions": any(
                one.side == reader.side
                for review in match.reviews.all()
                for one in review.inquiries.all()
            ),
        }
    if not gone:
        if reader.names:
            note_names(request.user, match, contacts=reader.contacts)
        context |= evidence(match, reader)
        context |= {
            "opinion": presenting.opinion_of(match, reader),
            "can_reopen": reader.is_operator and not reader.side and match.status in REOPENABLE,
            "events": presenting.event_lines(match, reader, events),
            "my_consent": consents.get(reader.side),
            "may_answer": bool(reader.side) and permissions.can_answer(request.user, match),
            "side_files": presenting.side_files(request.user, match, reader),
        }
    return render(request, "matchmaking/match_detail.html", context)


# --- Answers ----------------------------------------------------------------------------------


@require_http_methods(["GET", "HEAD", "POST"])
def match_consent(request: UserRequest, number: str) -> HttpResponse:
    """Ask one side the one question, and record its answer."""
    match, side = get_own_side(request.user, number)
    allowed = permissions.can_answer(request.user, match)
    not_yours = _("Only owners and editors of an organization answer for it.")
    if request.method == "POST" and not allowed:
        raise PermissionDenied(not_yours)
    given = {"answer": request.GET.get("answer", "")} if "answer" in request.GET else None
    form = ConsentForm(posted(request), match=match, initial=given)
    problem, status = "", 200
    if request.method == "POST" and form.is_valid():
        agreed = form.cleaned_data["answer"] == ConsentForm.AGREE
        try:
            match = answer(
                match=match,
                side=side,
                actor=request.user,
                agreed=agreed,
                reason=form.cleaned_data["reason"],
                note=form.cleaned_data["note"],
            )
        except IllegalMove as exc:
            problem, status = str(exc), 409
            match = get_match(request.user, number)
        except permissions.ConflictOfInterest:  # the role was taken away meanwhile
            raise PermissionDenied(not_yours) from None
        else:
            _tell_outcome(request, match, agreed)
            return redirect(match)
    reader = presenting.side_reader(side, match)
    consents = {consent.side: consent for consent in match.consents.all()}
    context: dict[str, Any] = {
        "match": match,
        "form": form,
        "problem": problem,
        "may_answer": allowed,
        "my_consent": consents.get(side),
        "is_open": match.status == MatchStatus.APPROVED
        and side not in consents
        and not match.is_frozen,
        "typed": form.data.get("note", "") if status == 409 else "",
        "is_gone": presenting.is_gone(match),
    }
    if not context["is_gone"]:
        if reader.names:
            note_names(request.user, match, contacts=reader.contacts)
        context |= evidence(match, reader) | {"opinion": presenting.opinion_of(match, reader)}
        own, other = context["demand"], context["achievement"]
        if side == Side.ACHIEVEMENT:
            own, other = other, own
        context |= {"own": own, "other": other}
    return render(request, "matchmaking/match_consent.html", context, status=status)


def _tell_outcome(request: UserRequest, match: Match, agreed: bool) -> None:
    if not agreed:
        messages.success(request, _("Recorded. The other side learns your reason, not your name."))
    elif match.status == MatchStatus.INTRODUCED:
        messages.success(
            request,
            _(
                "Both agreed. Names and contacts are on this page; please meet within 10 "
                "working days."
            ),
        )
    else:
        messages.success(
            request,
            _("Recorded. The other side has until %(day)s.") % {"day": day(match.due_on)},
        )


@require_safe
def my_answers(request: UserRequest) -> HttpResponse:
    """List what waits for an answer of the reader's organizations, the earliest deadline first."""
    matches = for_lists(awaiting_answer(request.user)).order_by("due_on", "pk")
    page = Paginator(matches, PAGE_SIZE).get_page(request.GET.get("page"))
    own = set(
        request.user.memberships.filter(is_active=True).values_list("organization", flat=True)
    )
    cards = [
        card_of(match, Side.DEMAND if match.demand.owner_id in own else Side.ACHIEVEMENT)
        for match in page
    ]
    sides = Counter(card.side for card in cards)
    return render(
        request,
        "matchmaking/my_answers.html",
        {"page": page, "cards": cards, "both_kinds": len(sides) > 1, "may_answer": True},
    )
