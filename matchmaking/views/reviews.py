"""One match and its manager: reading, taking on, deciding, undoing, handing back, referring."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import Max
from django.http import Http404, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from accounts.http import UserRequest
from accounts.models import User
from accounts.permissions import is_certified_manager
from matchmaking import permissions, presenting
from matchmaking.forms import DecisionForm, HandBackForm, ReferForm, managers_for
from matchmaking.models import MatchEvent, Review
from matchmaking.services import changes, queues
from matchmaking.services.queues import Filters
from matchmaking.services.reviews import (
    accept_review,
    hand_back,
    refer,
    submit_review,
    undo_review,
)
from matchmaking.views.gates import get_review, last_review, note_names, posted
from matchmaking.views.matches import evidence
from matchmaking.views.workbench import (
    Row,
    grouped_rows,
    last_undoable,
    review_url,
    rows_of,
    workbench_url,
)
from matchmaking.workflow import IllegalMove, ReviewStatus

# Rows of the queue above the present one, beside a review.
ROWS_BEFORE = 8
# What a page sends that is fetched before it is shown: the number of the match that is decided
# first. Its names are traced as on any page; that it was seen is noted once it is shown.
AHEAD = "X-KQ-Ahead"
# What a decision sends from a page that has the next one in hand: its number and its stamp.
IN_HAND = "X-KQ-In-Hand"


# --- Where one is in the queue ------------------------------------------------------------------


@dataclass(frozen=True)
class Place:
    """A review's place among those that are shown, with its neighbours."""

    rows: list[Row]
    number: int  # from 1; 0: it is not among them
    total: int
    previous: Row | None
    next: Row | None


def _place(user: User, review: Review, filters: Filters, decided: int | None = None) -> Place:
    """Find a review in the queue. `decided`: the key of one that counts as gone already."""
    keys = [key for key in queues.keys_of(user, filters) if key != decided]
    here = keys.index(review.pk) if review.pk in keys else None
    first = max(0, min((here or 0) - ROWS_BEFORE, len(keys) - queues.PAGE_ROWS))
    window = keys[first : first + queues.PAGE_ROWS]
    following = _following(keys, here)
    # The queue starts anew after its last.
    extra = [following] if following is not None and following not in window else []
    rows = {row.review.pk: row for row in rows_of(user, [*window, *extra], filters, review)}
    return Place(
        rows=[rows[key] for key in window if key in rows],
        number=0 if here is None else here + 1,
        total=len(keys),
        previous=rows.get(keys[here - 1]) if here else None,
        next=rows.get(following) if following is not None else None,
    )


def _following(keys: list[int], here: int | None) -> int | None:
    """Return the key after this place, the first one after the last, None where it is alone."""
    if here is None:
        return keys[0] if keys else None
    following = keys[here + 1] if here + 1 < len(keys) else keys[0]
    return following if following != keys[here] else None


def _next_of(user: User, done: Review, filters: Filters, keys: list[int]) -> Review | None:
    """Return the review that comes after one that was closed; `keys`: the queue before that."""
    here = keys.index(done.pk) if done.pk in keys else None
    following = _following(keys, here)
    if following is None:
        return None
    return (
        Review.objects.open()
        .filter(manager=user, pk=following)
        .select_related("match__demand", "match__achievement")
        .defer("match__grid", "match__pairs", "match__features")
        .first()
    )


def _next_page(user: User, done: Review, filters: Filters, keys: list[int]) -> str:
    """Return the address of the next review, or of the workbench when nothing is left."""
    following = _next_of(user, done, filters, keys)
    return review_url(following, filters) if following else workbench_url(filters)


def _stamp(review: Review) -> str:
    """Return what is another one as soon as the page of an open review is another one."""
    match = review.match
    last = MatchEvent.objects.filter(match=match).aggregate(last=Max("pk"))["last"]
    told = (
        *(review.pk, review.status, review.due_on, review.paused_on, last, get_language()),
        *(match.demand_revision_id, match.achievement_revision_id, match.engine),
        *(match.explained_at, match.is_frozen, match.status, match.updated_at),
    )
    return hashlib.sha256(repr(told).encode()).hexdigest()[:20]


# --- One review -------------------------------------------------------------------------------


def _conflicted(request: UserRequest, review: Review) -> HttpResponse:
    """Refuse a manager with a tie, and show the way to hand the match back."""
    context = {"review": review, "ties": permissions.tie_sentences(request.user, review)}
    return render(request, "matchmaking/conflicted.html", context, status=403)


def _is_barred(user: User, review: Review) -> bool:
    return permissions.has_conflict(user, review.match) or not is_certified_manager(user)


def _review_context(
    request: UserRequest, review: Review, filters: Filters, *, first: Review | None = None
) -> dict[str, Any]:
    match = review.match
    accepted = review.status in (ReviewStatus.ACCEPTED, ReviewStatus.SUBMITTED)
    reader = presenting.review_reader(review)
    if reader.names:
        note_names(request.user, match, contacts=reader.contacts)
    place = _place(request.user, review, filters, decided=first.pk if first else None)
    events = list(match.events.select_related("actor", "subject"))
    shown = evidence(match, reader)
    news = None
    if review.is_open:
        news = changes.changes_since(review, shown["grid"], events)
        if first is None and request.method == "GET":
            changes.remember(review, shown["grid"], events)
    return shown | {
        "review": review,
        "side_files": presenting.side_files(request.user, match, reader),
        "is_accepted": accepted,
        "is_decided": review.status == ReviewStatus.SUBMITTED,
        "because": presenting.assigned_because(review),
        "here": review_url(review, filters),
        "within": filters.suffix,
        "place": place,
        "groups": grouped_rows(place.rows),
        "previous": place.previous,
        "next": place.next,
        "changes": news,
        "changed_events": presenting.event_lines(match, reader, news.events) if news else [],
        "events": presenting.event_lines(match, reader, events),
        "decided_reasons": presenting.reason_labels(review.reasons),
        "undo": None if first else last_undoable(request.user),
        "stamp": _stamp(review),
    }


def _decided_first(request: UserRequest, review: Review) -> Review | None:
    """Return the other open review of the user's that a page fetched ahead is to come after.

    Whatever else the header says counts as none: the page is shown now, and noted as seen.
    """
    number = request.headers.get(AHEAD, "") if request.method == "GET" else ""
    first = last_review(request.user, number) if number else None
    return first if first is not None and first.is_open and first.pk != review.pk else None


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
    following = (
        queues.queue_of(request.user)
        .exclude(match=review.match)
        .select_related("match")
        .defer("match__grid", "match__pairs", "match__features")
        .first()
    )
    return render(
        request,
        "matchmaking/too_late.html",
        {
            "number": review.match.number,
            "match": review.match if open_to else None,
            "problem": sentence,
            "typed": typed,
            "next": following,
        },
        status=409,
    )


@require_http_methods(["GET", "HEAD", "POST"])
def match_review(request: UserRequest, number: str) -> HttpResponse:
    """Show one match to its manager: blind until it is taken on, then with the decision form."""
    filters = Filters.read(request.GET)
    try:
        review = get_review(request.user, number)
    except (Http404, PermissionDenied):
        return _lost_review(request, number)
    accepts = request.method == "POST" and request.POST.get("action") == "accept"
    form = DecisionForm(None if accepts else posted(request), match=review.match, review=review)
    if review.status == ReviewStatus.ACCEPTED and form.is_valid():
        # Who may not is refused by the service, which asks for itself.
        answer = _decide(request, review, filters, form)
        if answer is not None:
            return answer
    if _is_barred(request.user, review):
        return _conflicted(request, review)
    if accepts:
        return _accept(request, review, number, filters)
    if request.method == "POST":
        if review.status != ReviewStatus.ACCEPTED:
            sentence = (
                _("Please take the review on before you decide.")
                if review.status == ReviewStatus.ASSIGNED
                else _("You have already decided this match; nothing was changed.")
            )
            return _too_late(request, number, sentence, form.data.get("comment", ""))
        if elsewhere := DecisionForm.elsewhere(request.POST, review.match):
            return redirect(elsewhere + filters.suffix)
    first = _decided_first(request, review)
    context = _review_context(request, review, filters, first=first) | {"form": form}
    template = "matchmaking/_review.html" if first else "matchmaking/match_review.html"
    response = render(request, template, context, status=422 if form.errors else 200)
    response["Vary"] = AHEAD
    return response


def _decide(
    request: UserRequest, review: Review, filters: Filters, form: DecisionForm
) -> HttpResponse | None:
    """Submit a complete form and lead on. None: the service found a fault, which the form tells."""
    in_hand = request.headers.get(IN_HAND, "")
    keys = [] if in_hand else queues.keys_of(request.user, filters)
    try:
        submit_review(review=review, actor=request.user, **form.cleaned_data)
    except IllegalMove as exc:
        typed = form.cleaned_data["comment"]
        return _too_late(request, review.match.number, str(exc), typed)
    except permissions.ConflictOfInterest:
        return _conflicted(request, review)
    except ValidationError as exc:
        form.add_error(None, exc)
        return None
    if not in_hand:
        return redirect(_next_page(request.user, review, filters, keys))
    return _show_in_hand(request, review, filters, in_hand)


def _show_in_hand(
    request: UserRequest, done: Review, filters: Filters, in_hand: str
) -> HttpResponse:
    """Tell a page whether the next match, which it has in hand, is still what it was.

    It is shown without being asked for again, so this is where it is noted as seen.
    """
    number, _space, stamp = in_hand.partition(" ")
    following: Review | None = None
    with suppress(Http404, PermissionDenied):
        following = get_review(request.user, number)
    ready = (
        following is not None
        and following.is_open
        and stamp == _stamp(following)
        and not _is_barred(request.user, following)
    )
    if ready and following is not None:
        _note_shown(request.user, following)
        url = review_url(following, filters)
    else:
        url = _next_page(request.user, done, filters, queues.keys_of(request.user, filters))
    undo = last_undoable(request.user)
    return JsonResponse(
        {
            "url": url,
            "ready": ready,
            "undo": render_to_string("matchmaking/_undo.html", {"undo": undo}, request),
            "workbench": reverse("workbench"),
            "open": queues.open_count(request.user),
        }
    )


def _note_shown(user: User, review: Review) -> None:
    """Leave the traces of a page that was fetched ahead and is shown now."""
    match = review.match
    accepted = review.status == ReviewStatus.ACCEPTED
    if accepted:
        note_names(user, match, contacts=False)
    reader = presenting.Reader(side="", names=accepted, contacts=False, is_manager=True)
    changes.remember(review, presenting.grid_rows(match, reader), list(match.events.only("pk")))


@require_POST
def match_undo(request: UserRequest, number: str) -> HttpResponse:
    """Take back one's own decision of the last minutes, where nobody has acted on it."""
    review = get_review(request.user, number)
    if _is_barred(request.user, review):
        return _conflicted(request, review)
    try:
        undo_review(review=review, actor=request.user)
    except IllegalMove as exc:
        return _too_late(request, number, str(exc), "")
    messages.success(
        request, _("Taken back. The match is yours again, as it was before you decided.")
    )
    return redirect(review)


def _lost_review(request: UserRequest, number: str) -> HttpResponse:
    """Answer a manager who held this review once: what was typed is not lost with it."""
    review = last_review(request.user, number)
    if request.method == "POST" and review is not None:
        sentence = _("This match has been given to another manager. Your text was not saved.")
        return _too_late(request, number, sentence, request.POST.get("comment", ""))
    get_review(request.user, number)  # raises what it raised before
    raise Http404


def _accept(request: UserRequest, review: Review, number: str, filters: Filters) -> HttpResponse:
    try:
        accept_review(review=review, actor=request.user)
    except IllegalMove as exc:
        return _too_late(request, number, str(exc), "")
    except permissions.ConflictOfInterest:
        return _conflicted(request, review)
    messages.success(
        request, _("The review is yours. You now see both names; the log notes that you do.")
    )
    return redirect(review_url(review, filters))


# --- Giving a match away ----------------------------------------------------------------------


@require_http_methods(["GET", "HEAD", "POST"])
def match_conflict(request: UserRequest, number: str) -> HttpResponse:
    """Hand a match back, for a conflict of interest or want of time. Costs the manager nothing."""
    review = get_review(request.user, number)
    if not review.is_open:
        return _too_late(request, number, _("This review is closed already."), "")
    # One who has a tie already must be able to hand back, blind.
    accepted = review.status == ReviewStatus.ACCEPTED and not _is_barred(request.user, review)
    filters = Filters.read(request.GET)
    form = HandBackForm(posted(request))
    if request.method == "POST" and form.is_valid():
        keys = queues.keys_of(request.user, filters)
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
        return redirect(_next_page(request.user, review, filters, keys))
    reader = presenting.Reader(side="", names=accepted, contacts=False, is_manager=True)
    if reader.names:
        note_names(request.user, review.match, contacts=False)
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
    filters = Filters.read(request.GET)
    form = ReferForm(posted(request), match=review.match, actor=request.user)
    if request.method == "POST" and form.is_valid():
        note = form.cleaned_data["note"]
        keys = queues.keys_of(request.user, filters)
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
            return redirect(_next_page(request.user, review, filters, keys))
    accepted = review.status == ReviewStatus.ACCEPTED
    reader = presenting.review_reader(review)
    if reader.names:
        note_names(request.user, review.match, contacts=False)
    context = {
        "review": review,
        "match": review.match,
        "sides": presenting.both_sides(review.match, reader),
        "form": form,
        "is_accepted": accepted,
        "has_choice": managers_for(review.match, besides=request.user).exists(),
    }
    return render(request, "matchmaking/match_refer.html", context)
