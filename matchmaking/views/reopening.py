"""The operator's page on which a decision about a match is taken back."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from accounts.http import UserRequest
from matchmaking import permissions, presenting
from matchmaking.forms import NoteField
from matchmaking.models import Match, Review
from matchmaking.services.overturning import NOTE_LIMIT, REOPENABLE, reopen_review
from matchmaking.views.gates import get_match, note_names, posted, require_operator
from matchmaking.workflow import IllegalMove, ReviewStatus


class DecisionChoice(forms.ModelChoiceField[Review]):
    def label_from_instance(self, obj: Review) -> str:
        return _("%(manager)s: %(decision)s") % {
            "manager": obj.manager,
            "decision": obj.get_decision_display(),
        }


class ReopenForm(forms.Form):
    """Which decision is taken back, and why."""

    review = DecisionChoice(
        label=gettext_lazy("Which decision?"),
        queryset=Review.objects.none(),
        widget=forms.RadioSelect,
        empty_label=None,
        error_messages={
            "invalid_choice": gettext_lazy("There is no decision to reopen; nothing was changed.")
        },
    )
    note = NoteField(
        label=gettext_lazy("Why it is reopened"),
        help_text=gettext_lazy("Managers and operators read this, the sides do not."),
        max_length=NOTE_LIMIT,
        widget=forms.Textarea(attrs={"rows": 4}),
    )

    def __init__(self, *args: Any, match: Match, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["review"]
        assert isinstance(field, DecisionChoice)
        standing = Review.objects.filter(match=match, status=ReviewStatus.SUBMITTED)
        field.queryset = standing.select_related("manager").order_by("-closed_at", "-pk")
        field.initial = field.queryset.first()
        self.has_choice = field.initial is not None


@require_http_methods(["GET", "HEAD", "POST"])
def ops_reopen(request: UserRequest, number: str) -> HttpResponse:
    """Take a decision back, with a note; the match goes to a manager who has not held it."""
    match = get_match(request.user, number)
    require_operator(request.user)
    form = ReopenForm(posted(request), match=match)
    problem, status = "", 200
    if request.method == "POST":
        status = 422
        if form.is_valid():
            try:
                reopen_review(
                    review=form.cleaned_data["review"],
                    actor=request.user,
                    note=form.cleaned_data["note"],
                )
            except IllegalMove as exc:
                problem, status = str(exc), 409
            except permissions.ConflictOfInterest:
                problem = _("You have a tie to one of the sides; please ask another operator.")
                status = 403
            except ValidationError as exc:
                form.add_error(None, exc)
            else:
                messages.success(request, _("Reopened. Another manager decides it anew."))
                return redirect(match)
    reader = presenting.reader_of(request.user, match)
    if reader.names:
        note_names(request.user, match, contacts=False)
    context = {
        "match": match,
        "form": form,
        "problem": problem,
        "can_reopen": match.status in REOPENABLE and form.has_choice,
        "opinion": presenting.opinion_of(match, reader),
        "sides": presenting.both_sides(match, reader),
    }
    return render(request, "matchmaking/ops_reopen.html", context, status=status)
