"""The manager's pages: workbench, the review of one match, handing back, referring, the log."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.core.paginator import Paginator
from django.db.models import Q, QuerySet
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from accounts.http import UserRequest
from accounts.models import User
from accounts.permissions import is_certified_manager
from catalog.models import Achievement, Demand
from catalog.workflow import ListingStatus
from matchmaking import permissions, presenting
from matchmaking.forms import DecisionForm, HandBackForm, ReferForm, managers_for
from matchmaking.models import Match, Review
from matchmaking.services.reviews import accept_review, hand_back, refer, submit_review
from matchmaking.views.gates import (
    PAGE_SIZE,
    get_review,
    last_review,
    note_names,
    posted,
    require_manager,
)
from matchmaking.views.matches import evidence
from matchmaking.workflow import Decision, IllegalMove, MatchStatus, ReviewStatus

# The queue beside a review. Who has more open than this works from the top anyway.
QUEUE_LENGTH = 40
RECENT = 5
MONTH_DAYS = 30


@dataclass(frozen=True)
class QueueRow:
    review: Review
    title: str
    grade: presenting.Grade | None
    group: presenting.Due
    is_current: bool


def _queue(user: User, current: Review | None = None) -> list[QueueRow]:
    """Return the user's open reviews, the earliest deadline first. Names nobody."""
    today = timezone.localdate()
    reviews = (
        Review.objects.open()
        .filter(manager=user)
        .select_related(
            "match__demand__owner",
            "match__achievement__owner",
            "match__demand_revision",
            "match__achievement_revision",
        )
        .defer(
            "match__grid",
            "match__pairs",
            "match__demand__body",
            "match__achievement__body",
            "match__demand_revision__body",
            "match__achievement_revision__body",
        )
        .order_by("due_on", "pk")[:QUEUE_LENGTH]
    )
    return [
        QueueRow(
            review=review,
            title=presenting.blind_title(review.match),
            grade=presenting.grade_of(review.match),
            group=presenting.due_group(review.due_on, today),
            is_current=current is not None and review.pk == current.pk,
        )
        for review in reviews
    ]


def _grouped(rows: list[QueueRow]) -> list[tuple[presenting.Due, list[QueueRow]]]:
    return [(key, list(group)) for key, group in groupby(rows, key=lambda row: row.group)]


def _decided_on(user: User, day: dt.date) -> int:
    return Review.objects.filter(
        manager=user, status=ReviewStatus.SUBMITTED, closed_at__date=day
    ).count()


# --- Workbench --------------------------------------------------------------------------------


@require_safe
def workbench(request: UserRequest) -> HttpResponse:
    """Show a manager's own numbers and queue, grouped by what is due when."""
    profile = require_manager(request.user)
    today = timezone.localdate()
    rows = _queue(request.user)
    own = Review.objects.filter(manager=request.user)
    since = timezone.now() - dt.timedelta(days=MONTH_DAYS)
    # On time: decided by the deadline. Late: decided after it, or taken away for want of an answer.
    closed = own.filter(
        status__in=(ReviewStatus.SUBMITTED, ReviewStatus.NO_RESPONSE), closed_at__gte=since
    ).values_list("status", "closed_at", "due_on")
    in_time = [
        status == ReviewStatus.SUBMITTED and timezone.localdate(closed_at) <= due_on
        for status, closed_at, due_on in closed
    ]
    open_count = Review.objects.open().filter(manager=request.user).count()
    recent = (
        own.filter(status=ReviewStatus.SUBMITTED)
        .select_related(
            "match__demand__owner",
            "match__achievement__owner",
            "match__demand_revision",
            "match__achievement_revision",
        )
        .order_by("-closed_at")[:RECENT]
    )
    context: dict[str, Any] = {
        "profile": profile,
        "groups": _grouped(rows),
        "open_count": open_count,
        "shown": len(rows),
        "due_today": sum(row.group == presenting.Due.NOW for row in rows),
        "closed_count": len(in_time),
        "in_time_count": sum(in_time),
        "in_time_percent": round(100 * sum(in_time) / len(in_time)) if in_time else None,
        "done_today": _decided_on(request.user, today),
        "listings_waiting": sum(
            model.objects.filter(status=ListingStatus.SUBMITTED).count()
            for model in (Demand, Achievement)
        ),
        "recent": [(review, presenting.blind_title(review.match)) for review in recent],
        "absence": profile.absence_on(today),
        "month": MONTH_DAYS,
    }
    return render(request, "matchmaking/workbench.html", context)


# --- One review -------------------------------------------------------------------------------


def _conflicted(request: UserRequest, review: Review) -> HttpResponse:
    """Refuse a manager with a tie, and show the way to hand the match back."""
    return render(request, "matchmaking/conflicted.html", {"review": review}, status=403)


def _is_barred(user: User, review: Review) -> bool:
    return permissions.has_conflict(user, review.match) or not is_certified_manager(user)


def _review_context(request: UserRequest, review: Review) -> dict[str, Any]:
    match = review.match
    accepted = review.status in (ReviewStatus.ACCEPTED, ReviewStatus.SUBMITTED)
    reader = presenting.Reader(
        side="",
        names=accepted,
        contacts=accepted and match.status == MatchStatus.INTRODUCED,
        is_manager=True,
    )
    if reader.names:
        note_names(request.user, match, contacts=reader.contacts)
    rows = _queue(request.user, review)
    place = next((i for i, row in enumerate(rows) if row.is_current), None)
    before = rows[place - 1] if place else None
    after = rows[place + 1] if place is not None and place + 1 < len(rows) else None
    if place is None and rows:
        after = rows[0]
    return evidence(match, reader) | {
        "review": review,
        "side_files": presenting.side_files(request.user, match, reader),
        "is_accepted": accepted,
        "is_decided": review.status == ReviewStatus.SUBMITTED,
        "because": presenting.assigned_because(review),
        "groups": _grouped(rows),
        "queue_count": len(rows),
        "previous": before,
        "next": after,
        "events": presenting.event_lines(match, reader, match.events.select_related("actor", "subject")),
        "decided_reasons": presenting.reason_labels(review.reasons),
    }


def _too_late(request: UserRequest, number: str, sentence: str, typed: str) -> HttpResponse:
    """Tell that the match was handled meanwhile, with what was typed, to be copied."""
    review = last_review(request.user, number)
    if review is None:
        raise Http404
    # What became of it is told only to those who may still read it.
    open_to = review.status in (
        ReviewStatus.ASSIGNED,
        ReviewStatus.ACCEPTED,
        ReviewStatus.SUBMITTED,
    )
    rows = _queue(request.user)
    return render(
        request,
        "matchmaking/too_late.html",
        {
            "number": review.match.number,
            "match": review.match if open_to else None,
            "problem": sentence,
            "typed": typed,
            "next": next((row for row in rows if row.review.match_id != review.match_id), None),
        },
        status=409,
    )


def _next_page(user: User, done: Review) -> str:
    """Return the next open review of the queue, or the workbench when nothing is left."""
    upcoming = (
        Review.objects.open()
        .filter(manager=user)
        .exclude(pk=done.pk)
        .select_related("match")
        .order_by("due_on", "pk")
        .first()
    )
    return upcoming.get_absolute_url() if upcoming else reverse("workbench")


@require_http_methods(["GET", "HEAD", "POST"])
def match_review(request: UserRequest, number: str) -> HttpResponse:
    """Show one match to its manager: blind until it is taken on, then with the decision form."""
    try:
        review = get_review(request.user, number)
    except (Http404, PermissionDenied):
        return _lost_review(request, number)
    if _is_barred(request.user, review):
        return _conflicted(request, review)
    if request.method == "POST" and request.POST.get("action") == "accept":
        return _accept(request, review, number)

    form = DecisionForm(posted(request), match=review.match)
    if request.method == "POST":
        if review.status != ReviewStatus.ACCEPTED:
            sentence = (
                _("Please take the review on before you decide.")
                if review.status == ReviewStatus.ASSIGNED
                else _("You have already decided this match; nothing was changed.")
            )
            return _too_late(request, number, sentence, form.data.get("comment", ""))
        if form.is_valid():
            try:
                match = submit_review(review=review, actor=request.user, **form.cleaned_data)
            except IllegalMove as exc:
                return _too_late(request, number, str(exc), form.data.get("comment", ""))
            except permissions.ConflictOfInterest:
                return _conflicted(request, review)
            except ValidationError as exc:
                form.add_error(None, exc)
            else:
                _tell_decision(request, match)
                return redirect(_next_page(request.user, review))
    context = _review_context(request, review) | {"form": form}
    return render(request, "matchmaking/match_review.html", context)


def _lost_review(request: UserRequest, number: str) -> HttpResponse:
    """Answer a manager who held this review once: what was typed is not lost with it."""
    review = last_review(request.user, number)
    if request.method == "POST" and review is not None:
        sentence = _("This match has been given to another manager. Your text was not saved.")
        return _too_late(request, number, sentence, request.POST.get("comment", ""))
    get_review(request.user, number)  # raises what it raised before
    raise Http404


def _accept(request: UserRequest, review: Review, number: str) -> HttpResponse:
    try:
        accept_review(review=review, actor=request.user)
    except IllegalMove as exc:
        return _too_late(request, number, str(exc), "")
    except permissions.ConflictOfInterest:
        return _conflicted(request, review)
    messages.success(
        request, _("The review is yours. You now see both names; the log notes that you do.")
    )
    return redirect(review)


def _tell_decision(request: UserRequest, match: Match) -> None:
    if match.status == MatchStatus.APPROVED:
        text = _("%(number)s approved; both sides are being asked.")
    elif match.status == MatchStatus.REJECTED:
        text = _("%(number)s not approved; the reasons are on record.")
    else:
        text = _("Your review of %(number)s is recorded.")
    messages.success(request, text % {"number": match.number})


# --- Giving a match away ----------------------------------------------------------------------


@require_http_methods(["GET", "HEAD", "POST"])
def match_conflict(request: UserRequest, number: str) -> HttpResponse:
    """Hand a match back, for a conflict of interest or want of time. Costs the manager nothing."""
    review = get_review(request.user, number)
    if not review.is_open:
        return _too_late(request, number, _("This review is closed already."), "")
    # One who has a tie already must be able to hand back, blind.
    accepted = review.status == ReviewStatus.ACCEPTED and not _is_barred(request.user, review)
    form = HandBackForm(posted(request))
    if request.method == "POST" and form.is_valid():
        try:
            hand_back(
                review=review,
                actor=request.user,
                note=form.cleaned_data["note"],
                interested_in=form.cleaned_data["sides"],
            )
        except IllegalMove as exc:
            return _too_late(request, number, str(exc), form.cleaned_data["note"])
        messages.success(
            request,
            _("Handed back; another manager gets it. Your record is not affected."),
        )
        return redirect(_next_page(request.user, review))
    reader = presenting.Reader(side="", names=accepted, contacts=False, is_manager=True)
    context = {
        "review": review,
        "match": review.match,
        "sides": presenting.both_sides(review.match, reader),
        "form": form,
        "is_accepted": accepted,
    }
    return render(request, "matchmaking/match_conflict.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
def match_refer(request: UserRequest, number: str) -> HttpResponse:
    """Pass a match to a colleague who knows the field better."""
    review = get_review(request.user, number)
    if _is_barred(request.user, review):
        return _conflicted(request, review)
    if not review.is_open:
        return _too_late(request, number, _("This review is closed already."), "")
    form = ReferForm(posted(request), match=review.match, actor=request.user)
    if request.method == "POST" and form.is_valid():
        note = form.cleaned_data["note"]
        try:
            refer(review=review, actor=request.user, to=form.cleaned_data["to"], note=note)
        except IllegalMove as exc:
            return _too_late(request, number, str(exc), note)
        except permissions.ConflictOfInterest:
            form.add_error("to", _("This manager has a tie to one of the sides."))
        except ValidationError as exc:
            form.add_error(None, exc)
        else:
            messages.success(
                request,
                _("Referred to %(manager)s.") % {"manager": form.cleaned_data["to"]},
            )
            return redirect(_next_page(request.user, review))
    accepted = review.status == ReviewStatus.ACCEPTED
    reader = presenting.Reader(side="", names=accepted, contacts=False, is_manager=True)
    context = {
        "review": review,
        "match": review.match,
        "sides": presenting.both_sides(review.match, reader),
        "form": form,
        "is_accepted": accepted,
        "has_choice": managers_for(review.match, besides=request.user).exists(),
    }
    return render(request, "matchmaking/match_refer.html", context)


# --- The log ----------------------------------------------------------------------------------


def _log_filter(reviews: QuerySet[Review], shown: str) -> QuerySet[Review]:
    if shown in Decision.values:
        return reviews.filter(status=ReviewStatus.SUBMITTED, decision=shown)
    if shown == "given_back":
        return reviews.filter(status__in=(ReviewStatus.DECLINED, ReviewStatus.REFERRED))
    if shown == "missed":
        return reviews.filter(status__in=(ReviewStatus.NO_RESPONSE, ReviewStatus.CANCELLED))
    return reviews


@require_safe
def review_log(request: UserRequest) -> HttpResponse:
    """List what a manager has closed: decisions, hand-backs, missed deadlines."""
    require_manager(request.user)
    closed = Review.objects.filter(manager=request.user).exclude(
        Q(status=ReviewStatus.ASSIGNED) | Q(status=ReviewStatus.ACCEPTED)
    )
    tabs = [
        ("", _("All")),
        (str(Decision.APPROVE), _("Approved")),
        (str(Decision.REJECT), _("Not approved")),
        ("given_back", _("Handed back or referred")),
        ("missed", _("Missed or no longer needed")),
    ]
    shown = request.GET.get("shown", "")
    if shown not in {key for key, _label in tabs}:
        shown = ""
    reviews = (
        _log_filter(closed, shown)
        .select_related(
            "match__demand__owner",
            "match__achievement__owner",
            "match__demand_revision",
            "match__achievement_revision",
        )
        .order_by("-closed_at", "-pk")
    )
    page = Paginator(reviews, PAGE_SIZE).get_page(request.GET.get("page"))
    rows = [
        {
            "review": review,
            "title": presenting.blind_title(review.match),
            "reasons": presenting.reason_labels(review.reasons),
            # A review that was given away shows no more than that it was.
            "is_open": review.status == ReviewStatus.SUBMITTED,
        }
        for review in page
    ]
    return render(
        request,
        "matchmaking/review_log.html",
        {"page": page, "rows": rows, "tabs": tabs, "shown": shown},
    )
