"""Questions to one side: the manager asks, the owner answers."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from accounts.http import UserRequest
from accounts.permissions import is_certified_manager
from accounts.templatetags.kq import day
from catalog.permissions import can_edit
from matchmaking import permissions, presenting, questions
from matchmaking.models import Inquiry, Match, Review
from matchmaking.services.inquiries import answer_inquiry, ask, closed_text, take_back
from matchmaking.side_forms import AnswersForm, QuestionsForm
from matchmaking.views.gates import get_match, get_review, note_names, posted
from matchmaking.workflow import IllegalMove, InquiryStatus, MatchStatus, ReviewStatus, Side

# --- The manager --------------------------------------------------------------------------------


@require_http_methods(["GET", "HEAD", "POST"])
def match_ask(request: UserRequest, number: str) -> HttpResponse:
    """Let the manager of a match ask one side about lines of the grid, or take it back."""
    review = get_review(request.user, number)
    if permissions.has_conflict(request.user, review.match) or not is_certified_manager(
        request.user
    ):
        raise PermissionDenied(
            _("You have a tie to one side of this match, so another manager decides it.")
        )
    side = _chosen_side(request)
    if request.method == "POST" and request.POST.get("action") == "take_back":
        return _take_back(request, review, side)
    form = QuestionsForm(posted(request), offered=questions.lines(review.match, side))
    problem = ""
    if request.method == "POST" and form.is_valid():
        try:
            inquiry = ask(review=review, actor=request.user, side=side, questions=form.questions())
        except IllegalMove as exc:
            problem = str(exc)
        except permissions.ConflictOfInterest:
            raise PermissionDenied(
                _("You have a tie to one side of this match, so another manager decides it.")
            ) from None
        except ValidationError as exc:
            form.add_refusals(exc)
        else:
            messages.success(
                request,
                _("Asked. The clock waits; the side has until %(day)s.")
                % {"day": day(inquiry.due_on)},
            )
            return redirect(review)
    return _ask_page(request, review, side, form, problem)


def _chosen_side(request: UserRequest) -> Side:
    given = request.POST if request.method == "POST" else request.GET
    side = given.get("side", Side.ACHIEVEMENT)
    return Side(side) if side in Side.values else Side.ACHIEVEMENT


def _ask_page(
    request: UserRequest, review: Review, side: Side, form: QuestionsForm, problem: str
) -> HttpResponse:
    match = review.match
    accepted = review.status == ReviewStatus.ACCEPTED
    reader = presenting.Reader(side="", names=accepted, contacts=False, is_manager=True)
    if reader.names:
        note_names(request.user, match, contacts=False)
    earlier = list(review.inquiries.all())
    waiting = next((one for one in earlier if one.status == InquiryStatus.OPEN), None)
    context: dict[str, Any] = {
        "review": review,
        "match": match,
        "side": side,
        "sides": presenting.both_sides(match, reader),
        "tabs": [(one, one.label, one == side) for one in Side],
        "form": form,
        "rows": form.rows(),
        "problem": problem,
        "waiting": waiting,
        "asked": questions.asked(match, waiting) if waiting else [],
        "left": questions.MOST_INQUIRIES - len(earlier),
        "term": settings.INQUIRY_WORKING_DAYS,
        "is_accepted": accepted,
        "is_open": accepted and match.status == MatchStatus.IN_REVIEW,
    }
    status = 409 if problem else 200
    return render(request, "matchmaking/match_ask.html", context, status=status)


def _take_back(request: UserRequest, review: Review, side: Side) -> HttpResponse:
    waiting = review.inquiries.filter(status=InquiryStatus.OPEN).first()
    problem = _("Nothing is being asked at present; nothing was changed.")
    if waiting is not None:
        try:
            take_back(inquiry=waiting, actor=request.user)
        except IllegalMove as exc:
            problem = str(exc)
        else:
            messages.success(request, _("Taken back. Your clock goes on."))
            return redirect(review)
    form = QuestionsForm(offered=questions.lines(review.match, side))
    return _ask_page(request, review, side, form, problem)


# --- The side that is asked ---------------------------------------------------------------------


def _asked_side(request: UserRequest, number: str) -> tuple[Match, Side, Inquiry]:
    """Return what the reader's side is asked, the latest first. Others know of no questions."""
    match = get_match(request.user, number)
    side = permissions.side_of(request.user, match)
    inquiries = Inquiry.objects.filter(review__match=match, side=side or "")
    # What waits comes first, whatever was asked after it.
    found = list(inquiries.select_related("review", "answered_by").order_by("-asked_at", "-pk"))
    if side is None or not found:
        raise Http404
    waiting = [one for one in found if one.status == InquiryStatus.OPEN]
    return match, side, (waiting or found)[0]


@require_http_methods(["GET", "HEAD", "POST"])
def match_questions(request: UserRequest, number: str) -> HttpResponse:
    """Show one side what the manager asks it, and take its answers."""
    match, side, inquiry = _asked_side(request, number)
    allowed = permissions.can_answer(request.user, match)
    not_yours = _("Only owners and editors of an organization answer for it.")
    if request.method == "POST" and not allowed:
        raise PermissionDenied(not_yours)
    form = AnswersForm(posted(request), questions=inquiry.questions)
    problem = ""
    if request.method == "POST" and (
        inquiry.status != InquiryStatus.OPEN or _is_stale(request, inquiry)
    ):
        problem = closed_text(inquiry)
    elif request.method == "POST" and form.is_valid():
        try:
            answer_inquiry(inquiry=inquiry, actor=request.user, answers=form.answers())
        except IllegalMove as exc:
            problem = str(exc)
            inquiry.refresh_from_db()
        except permissions.ConflictOfInterest:  # the role was taken away meanwhile
            raise PermissionDenied(not_yours) from None
        else:
            messages.success(
                request, _("Your answers are with the manager, who decides with them.")
            )
            return redirect(match)
    return _questions_page(request, match, side, inquiry, form, problem, allowed=allowed)


def _is_stale(request: UserRequest, inquiry: Inquiry) -> bool:
    """Say whether the answers were written to questions that were taken back meanwhile."""
    return request.POST.get("inquiry", "") != str(inquiry.pk)


def _typed(form: AnswersForm) -> str:
    """Return what somebody wrote, so that it is not lost with the questions."""
    texts = [str(text).strip() for name, text in form.data.items() if name.startswith("answer-")]
    return "\n\n".join(text for text in texts if text)


def _questions_page(
    request: UserRequest,
    match: Match,
    side: Side,
    inquiry: Inquiry,
    form: AnswersForm,
    problem: str,
    *,
    allowed: bool,
) -> HttpResponse:
    reader = presenting.side_reader(side, match)
    # A withdrawn text is not shown to the other side any more, nor what was compared with it.
    compared = [] if presenting.is_gone(match) else presenting.grid_rows(match, reader)
    rows = {row.key: row for row in compared if row.key}
    is_open = inquiry.status == InquiryStatus.OPEN
    listing = match.listing(side)
    asked = questions.asked(match, inquiry)
    edit_url = ""
    if can_edit(request.user, listing) and listing.is_editable:
        edit_url = reverse(f"{listing.kind}_edit", args=[listing.number])
    context: dict[str, Any] = {
        "match": match,
        "side": presenting.side_view(match, side, reader),
        "inquiry": inquiry,
        "form": form,
        "problem": problem,
        "is_open": is_open,
        "may_answer": allowed and is_open,
        "edit_url": edit_url,
        "items": [
            {
                "asked": one,
                "row": rows.get(one.key),
                "field": form[f"answer-{place}"],
                "edit_url": f"{edit_url}#{questions.anchor(side, one.key)}" if edit_url else "",
            }
            for place, one in enumerate(asked)
        ],
        "closed_text": "" if is_open or problem else closed_text(inquiry),
        "typed": _typed(form) if problem else "",
    }
    status = 409 if problem else 200
    return render(request, "matchmaking/match_questions.html", context, status=status)
