"""What people write about a match: decisions, hand-backs, referrals, answers."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.conflicts import untied
from accounts.models import ManagerProfile, User
from accounts.text import clean_text
from matchmaking import presenting
from matchmaking.models import Match, Review
from matchmaking.workflow import REASONS_FOR, Decision, DeclineReason, ReviewReason, Side

COMMENT_LIMIT = 2000
NOTE_LIMIT = 1000


class NoteField(forms.CharField):
    """A text that others read: line ends kept, control and direction characters dropped."""

    widget = forms.Textarea

    def to_python(self, value: Any) -> str:
        return clean_text(super().to_python(value) or "")


class DecisionForm(forms.Form):
    """A manager's decision on a match, with the reasons that belong to it."""

    decision = forms.ChoiceField(
        label=gettext_lazy("Decision"), choices=Decision.choices, widget=forms.RadioSelect
    )
    reasons = forms.MultipleChoiceField(
        label=gettext_lazy("Reasons"),
        choices=ReviewReason.choices,
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )
    comment = NoteField(
        label=gettext_lazy("Comment for both sides"),
        required=False,
        max_length=COMMENT_LIMIT,
        widget=forms.Textarea(attrs={"rows": 4, "class": "form-control"}),
    )
    no_interest = forms.BooleanField(
        label=gettext_lazy("I have no interest in either side"),
        error_messages={
            "required": gettext_lazy(
                "Please confirm that you have no interest in either side, or declare a conflict."
            )
        },
    )

    def __init__(self, *args: Any, match: Match, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.match = match

    def clean_comment(self) -> str:
        """Refuse a comment that would name a side: both read it before they are introduced."""
        comment: str = self.cleaned_data["comment"]
        owners = (self.match.demand.owner, self.match.achievement.owner)
        if presenting.names_any(comment, owners):
            raise forms.ValidationError(
                _(
                    "The comment names one of the sides or its contacts. Both sides read it "
                    "before they are introduced; please leave that out."
                )
            )
        return comment

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        decision = cleaned.get("decision")
        if not decision:
            return cleaned
        # Ticks in the other decision's list, which the page hides, are not meant.
        reasons = [code for code in cleaned.get("reasons", ()) if code in REASONS_FOR[decision]]
        cleaned["reasons"] = reasons
        if not reasons:
            self.add_error("reasons", _("Please choose at least one reason for this decision."))
        if (
            ReviewReason.OTHER in reasons
            and "comment" not in self.errors
            and not cleaned.get("comment")
        ):
            self.add_error("comment", _("Please write the other reason in a sentence."))
        return cleaned

    def reason_groups(self) -> list[tuple[str, str, list[tuple[str, str, bool]]]]:
        """Return decision, its label, and its reasons as (code, label, ticked)."""
        ticked = self["reasons"].value() or []
        return [
            (
                decision,
                str(Decision(decision).label),
                [(code.value, str(code.label), code.value in ticked) for code in codes],
            )
            for decision, codes in REASONS_FOR.items()
        ]


class HandBackForm(forms.Form):
    """A manager gives a match back: an interest in a side, or no time for it."""

    INTEREST, CAPACITY = "interest", "capacity"

    why = forms.ChoiceField(
        label=gettext_lazy("Why do you hand this match back?"),
        choices=[
            (INTEREST, gettext_lazy("I have an interest in one of the sides")),
            (CAPACITY, gettext_lazy("I have no time for it at present")),
        ],
        widget=forms.RadioSelect,
    )
    sides = forms.MultipleChoiceField(
        label=gettext_lazy("In which side?"),
        help_text=gettext_lazy("You will not be asked about matches of that organization again."),
        choices=Side.choices,
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )
    note = NoteField(
        label=gettext_lazy("What kind of tie, or until when you are busy"),
        help_text=gettext_lazy("Only operators read this."),
        required=False,
        max_length=300,
        widget=forms.Textarea(attrs={"rows": 3}),
    )

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if cleaned.get("why") == self.CAPACITY:
            cleaned["sides"] = []
        elif cleaned.get("why") == self.INTEREST and not cleaned.get("sides"):
            self.add_error("sides", _("Please say in which side you have an interest."))
        return cleaned


class ManagerChoice(forms.ModelChoiceField[ManagerProfile]):
    def label_from_instance(self, obj: ManagerProfile) -> str:
        from catalog.industries import industry_name

        classes = _(", ").join(name for code in obj.classes[:4] if (name := industry_name(code)))
        return f"{obj.user} · {obj.get_grade_display()} · {classes}"


def managers_for(match: Match, *, besides: User | None = None) -> Any:
    """Return certified managers who may take this match: available today, without a tie, and
    not those who have held it before."""
    owners = [match.demand.owner_id, match.achievement.owner_id]
    available = ManagerProfile.objects.available_on(timezone.localdate())
    found = (
        untied(available, owners)
        .exclude(user__in=Review.objects.filter(match=match).values("manager"))
        .select_related("user")
        .order_by("user__name", "pk")
    )
    return found.exclude(user=besides) if besides is not None else found


class ReferForm(forms.Form):
    """A manager passes a match on to one who knows the field better."""

    to = ManagerChoice(
        label=gettext_lazy("Refer to"), queryset=ManagerProfile.objects.none(), empty_label="—"
    )
    note = NoteField(
        label=gettext_lazy("What the next manager should look at"),
        help_text=gettext_lazy("Managers and operators read this, the sides do not."),
        max_length=NOTE_LIMIT,
        widget=forms.Textarea(attrs={"rows": 4}),
    )

    def __init__(self, *args: Any, match: Match, actor: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["to"]
        assert isinstance(field, forms.ModelChoiceField)
        field.queryset = managers_for(match, besides=actor)


class ConsentForm(forms.Form):
    """A side's answer to the one question: meet or not."""

    AGREE, DECLINE = "agree", "decline"

    answer = forms.ChoiceField(
        label=gettext_lazy("Your answer"),
        choices=[
            (AGREE, gettext_lazy("Agree to meet")),
            (DECLINE, gettext_lazy("Not suitable")),
        ],
        widget=forms.RadioSelect,
    )
    reason = forms.ChoiceField(
        label=gettext_lazy("Why is it not suitable?"),
        choices=DeclineReason.choices,
        required=False,
        widget=forms.RadioSelect,
    )
    note = NoteField(
        label=gettext_lazy("A sentence to go with it"),
        help_text=gettext_lazy("The manager reads it, and the other side without your name."),
        required=False,
        max_length=NOTE_LIMIT,
        widget=forms.Textarea(attrs={"rows": 3}),
    )

    def __init__(self, *args: Any, match: Match, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.match = match

    def clean_note(self) -> str:
        note: str = self.cleaned_data["note"]
        owners = (self.match.demand.owner, self.match.achievement.owner)
        if presenting.names_any(note, owners):
            raise forms.ValidationError(
                _("The sentence gives away a name or a contact; please leave that out.")
            )
        return note

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if cleaned.get("answer") == self.AGREE:
            cleaned["reason"] = ""
        elif cleaned.get("answer") == self.DECLINE:
            if not cleaned.get("reason"):
                self.add_error("reason", _("Please say why; the other side learns the reason."))
            elif (
                cleaned["reason"] == DeclineReason.OTHER
                and "note" not in self.errors
                and not cleaned.get("note")
            ):
                self.add_error("note", _("Please write the other reason in a sentence."))
        return cleaned


class ReassignForm(forms.Form):
    """An operator gives a match to another manager."""

    to = forms.ModelChoiceField(
        label=gettext_lazy("Give it to"),
        queryset=ManagerProfile.objects.none(),
        widget=forms.RadioSelect,
        empty_label=None,
    )

    def __init__(self, *args: Any, match: Match, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["to"]
        assert isinstance(field, forms.ModelChoiceField)
        field.queryset = managers_for(match)
