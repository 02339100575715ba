"""What a side can say after a decision: an objection to a rejection, and feedback once they met."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from accounts.http import UserRequest
from matchmaking import permissions, presenting
from matchmaking.answers import rejection_reasons
from matchmaking.services.appeals import appeal, last_day, refusal_of
from matchmaking.services.feedback import give_feedback
from matchmaking.side_forms import AppealForm, FeedbackForm
from matchmaking.views.gates import get_own_side, note_names, posted
from matchmaking.workflow import IllegalMove, MatchStatus


def _not_yours() -> str:
    return _("Only owners and editors of an organization answer for it.")


@require_http_methods(["GET", "HEAD", "POST"])
def match_appeal(request: UserRequest, number: str) -> HttpResponse:
    """Take one side's objection to a rejection."""
    match, side = get_own_side(request.user, number)
    allowed = permissions.can_answer(request.user, match)
    if request.method == "POST" and not allowed:
        raise PermissionDenied(_not_yours())
    form = AppealForm(posted(request))
    problem = ""
    if request.method == "POST" and (refusal := refusal_of(match, side)):
        problem = refusal
    elif request.method == "POST" and form.is_valid():
        try:
            appeal(match=match, side=side, actor=request.user, text=form.cleaned_data["text"])
        except IllegalMove as exc:
            problem = str(exc)
            match.refresh_from_db()
        except permissions.ConflictOfInterest:  # the role was taken away meanwhile
            raise PermissionDenied(_not_yours()) from None
        except ValidationError as exc:
            form.add_error(None if not hasattr(exc, "error_dict") else "text", _flat(exc))
        else:
            messages.success(
                request, _("Your objection is recorded; another manager looks at the match.")
            )
            return redirect(match)
    gone = presenting.is_gone(match)
    reader = presenting.side_reader(side, match)
    context: dict[str, Any] = {
        "match": match,
        "form": form,
        "problem": problem,
        "refusal": refusal_of(match, side),
        "until": last_day(match),
        "may_answer": allowed,
        "is_gone": gone,
        "own": presenting.side_view(match, side, reader),
        "reasons": rejection_reasons(match),
        "opinion": None if gone else presenting.opinion_of(match, reader),
        "mine": next((one for one in match.appeals.all() if one.side == side), None),
        "typed": form.data.get("text", "") if problem else "",
    }
    return render(request, "matchmaking/match_appeal.html", context, status=409 if problem else 200)


def _flat(refusal: ValidationError) -> list[str]:
    return [str(text) for text in refusal.messages]


@require_http_methods(["GET", "HEAD", "POST"])
def match_feedback(request: UserRequest, number: str) -> HttpResponse:
    """Take what one side says of an introduction; it may be changed at any time."""
    match, side = get_own_side(request.user, number)
    allowed = permissions.can_answer(request.user, match)
    if request.method == "POST" and not allowed:
        raise PermissionDenied(_not_yours())
    given = match.feedback.filter(side=side).select_related("user").first()
    initial = (
        {"rating": given.rating, "contract": given.contract, "note": given.note} if given else None
    )
    form = FeedbackForm(posted(request), initial=initial)
    problem = ""
    if request.method == "POST" and match.status != MatchStatus.INTRODUCED:
        problem = _("You can say what came of it once both sides are introduced.")
    elif request.method == "POST" and form.is_valid():
        try:
            give_feedback(match=match, side=side, actor=request.user, **form.cleaned_data)
        except IllegalMove as exc:
            problem = str(exc)
        except permissions.ConflictOfInterest:  # the role was taken away meanwhile
            raise PermissionDenied(_not_yours()) from None
        else:
            messages.success(request, _("Thank you. You can change this at any time."))
            return redirect(match)
    reader = presenting.side_reader(side, match)
    if reader.names:
        note_names(request.user, match, contacts=False)
    opinion = presenting.opinion_of(match, reader)
    context: dict[str, Any] = {
        "match": match,
        "form": form,
        "problem": problem,
        "given": given,
        "may_answer": allowed,
        "is_open": match.status == MatchStatus.INTRODUCED,
        "other": presenting.side_view(match, presenting.other_side(side), reader),
        "manager": opinion.manager if opinion else None,
    }
    return render(
        request, "matchmaking/match_feedback.html", context, status=409 if problem else 200
    )
