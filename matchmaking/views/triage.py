"""Several matches turned down at once, from the ticks of the workbench."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_http_methods

from accounts.conflicts import tie_kinds
from accounts.http import UserRequest
from accounts.models import AccessEvent, User
from accounts.trace import record_looks
from matchmaking import presenting, reasons
from matchmaking.forms import COMMENT_LIMIT, NoteField
from matchmaking.models import Match, Review
from matchmaking.services import triage as service
from matchmaking.services.queues import Filters
from matchmaking.views.gates import posted, require_manager
from matchmaking.views.workbench import workbench_url
from matchmaking.workflow import Decision, ReviewStatus


class TriageForm(forms.Form):
    """One reason and one comment for all of them."""

    reason = forms.ChoiceField(
        label=gettext_lazy("Reason for all of them"), widget=forms.RadioSelect
    )
    comment = NoteField(
        label=gettext_lazy("Comment for both sides"),
        help_text=gettext_lazy("Every side of these matches reads it."),
        required=False,
        max_length=COMMENT_LIMIT,
        widget=forms.Textarea(attrs={"rows": 3}),
    )

    def __init__(self, *args: Any, matches: list[Match], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.matches = matches
        self.entries = {entry.code: entry for entry in reasons.choices(Decision.REJECT)}
        field = self.fields["reason"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = [(entry.code, entry.label) for entry in self.entries.values()]

    def clean_comment(self) -> str:
        """Refuse a comment that names any of the sides: all of them read it."""
        comment: str = self.cleaned_data["comment"]
        owners = [
            owner
            for match in self.matches
            for owner in (match.demand.owner, match.achievement.owner)
        ]
        if any(presenting.names_any(comment, [owner]) for owner in owners):
            raise forms.ValidationError(
                _("The comment names one of the sides or its contacts; please leave that out.")
            )
        return comment

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        entry = self.entries.get(cleaned.get("reason", ""))
        if entry and entry.needs_comment and not self.errors and not cleaned.get("comment"):
            self.add_error("comment", _("Please write the other reason in a sentence."))
        return cleaned


def _picked(request: UserRequest) -> list[int]:
    """Return the keys that were ticked, each once; what is no key is left out."""
    sent = request.POST if request.method == "POST" else request.GET
    keys = (one for one in sent.getlist("pick") if one.isascii() and one.isdigit())
    return list(dict.fromkeys(int(one) for one in keys if len(one) < 19))


def _own(user: User, keys: list[int]) -> list[Review]:
    """Return the user's open reviews among these, in the order of their deadlines."""
    return list(
        Review.objects.open()
        .filter(manager=user, pk__in=keys)
        .select_related(
            "match__demand__owner",
            "match__achievement__owner",
            "match__demand_revision",
            "match__achievement_revision",
        )
        .order_by("due_on", "pk")
    )


def _untied(user: User, reviews: list[Review]) -> list[Review]:
    """Leave out what has come to be a conflict: its names are not shown."""
    owners = {
        owner
        for review in reviews
        for owner in (review.match.demand.owner_id, review.match.achievement.owner_id)
    }
    tied = {organization for organization, kinds in tie_kinds(user, owners).items() if kinds}
    return [
        review
        for review in reviews
        if not tied & {review.match.demand.owner_id, review.match.achievement.owner_id}
    ]


@require_http_methods(["GET", "HEAD", "POST"])
def triage(request: UserRequest) -> HttpResponse:
    """Turn down several matches with one reason: take them on, show both names, then decide."""
    require_manager(request.user)
    back = workbench_url(Filters.read(request.GET))
    keys = _picked(request)
    if not keys or len(keys) > service.AT_MOST:
        messages.error(
            request,
            _("Tick at most %(count)d matches; nothing was changed.") % {"count": service.AT_MOST}
            if keys
            else _("Tick the matches first."),
        )
        return redirect(back)
    reviews = _own(request.user, keys)
    if request.method == "POST" and request.POST.get("action") == "take":
        return _take(request, reviews, len(keys) - len(reviews))

    reviews = [
        review
        for review in _untied(request.user, reviews)
        if review.status == ReviewStatus.ACCEPTED and not review.match.is_frozen
    ]
    if not reviews:
        messages.error(request, _("These matches are no longer yours to decide."))
        return redirect(back)
    form = TriageForm(posted(request), matches=[review.match for review in reviews])
    if request.method == "POST" and form.is_valid():
        outcome = service.reject(
            reviews=reviews,
            actor=request.user,
            no_interest=request.POST.get("no_interest") == "on",
            **form.cleaned_data,
        )
        return _done(request, outcome, back)
    record_looks(
        actor=request.user,
        kind=AccessEvent.Kind.NAMES,
        subject=AccessEvent.Subject.MATCH,
        numbers=[review.match.number for review in reviews],
    )
    context = {
        "form": form,
        "reviews": reviews,
        "back": back,
    }
    return render(request, "matchmaking/triage.html", context)


def _take(request: UserRequest, reviews: list[Review], gone: int) -> HttpResponse:
    """Take the ticked ones on and go to the page that shows their names."""
    outcome = service.take_on(reviews=reviews, actor=request.user)
    for review, sentence in outcome.refused:
        messages.warning(request, f"{review.match.number}{_(': ')}{sentence}")
    if gone:
        messages.warning(
            request,
            ngettext(
                "%(count)d of the ticked is no longer in your queue.",
                "%(count)d of the ticked are no longer in your queue.",
                gone,
            )
            % {"count": gone},
        )
    filters = Filters.read(request.GET)
    if not outcome.done:
        return redirect(workbench_url(filters))
    query = urlencode([("pick", review.pk) for review in outcome.done])
    if filters.query:
        query += f"&{filters.query}"
    return redirect(f"{reverse('triage')}?{query}")


def _done(request: UserRequest, outcome: service.Outcome, back: str) -> HttpResponse:
    if outcome.done:
        messages.success(
            request,
            ngettext(
                "%(count)d match not approved; the reason is on record.",
                "%(count)d matches not approved; the reason is on record.",
                len(outcome.done),
            )
            % {"count": len(outcome.done)},
        )
    for review, sentence in outcome.refused:
        messages.warning(request, f"{review.match.number}{_(': ')}{sentence}")
    return redirect(back)
