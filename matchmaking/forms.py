"""What people write about a match: decisions, hand-backs, referrals, answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django import forms
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.conflicts import untied
from accounts.models import ManagerProfile, User
from accounts.text import clean_text
from matchmaking import presenting, reasons
from matchmaking.criteria import suggest_criteria
from matchmaking.models import AssignmentPlan, Match, Review
from matchmaking.workflow import (
    HIGHEST,
    LOWEST,
    Criterion,
    Decision,
    DeclineReason,
    ReviewStatus,
    Side,
)

COMMENT_LIMIT = 2000
REMARK_LIMIT = 300
NOTE_LIMIT = 1000


class NoteField(forms.CharField):
    """A text that others read: line ends kept, control and direction characters dropped."""

    widget = forms.Textarea

    def to_python(self, value: Any) -> str:
        return clean_text(super().to_python(value) or "")


@dataclass(frozen=True)
class Points:
    """One criterion as the form shows it: 0 to 5, each with whether it is chosen."""

    field: forms.BoundField
    criterion: Criterion
    suggested: int
    scale: list[tuple[int, bool]]


@dataclass(frozen=True)
class Remark:
    """A line of the grid that can be remarked on."""

    field: forms.BoundField
    row: presenting.GridRow


class DecisionForm(forms.Form):
    """A manager's decision on a match, with the reasons that belong to it.

    The points begin with what the evidence gives, or with what was written before a decision was
    undone. What is valid comes out as `submit_review` takes it: "criteria" and "remarks" by key.
    """

    # Ways out of the form that are pages of their own; see `elsewhere`.
    ELSEWHERE = {"ask": "match_ask", "refer": "match_refer"}

    decision = forms.ChoiceField(
        label=gettext_lazy("Decision"),
        choices=Decision.choices,
        widget=forms.RadioSelect,
        error_messages={"required": gettext_lazy("Please choose a decision.")},
    )
    reasons = forms.MultipleChoiceField(
        label=gettext_lazy("Reasons"), required=False, widget=forms.CheckboxSelectMultiple
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

    def __init__(
        self, *args: Any, match: Match, review: Review | None = None, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.match = match
        self.suggested = suggest_criteria(match)
        if review is not None and review.decision:
            self.initial.update(
                decision=review.decision, reasons=review.reasons, comment=review.comment
            )
        known = {entry.code: entry.label for value in Decision for entry in reasons.choices(value)}
        field = self.fields["reasons"]
        assert isinstance(field, forms.MultipleChoiceField)
        field.choices = list(known.items())
        written = review.criteria if review is not None else {}
        for criterion in Criterion:
            self.fields[f"criteria_{criterion}"] = forms.IntegerField(
                label=criterion.label,
                min_value=LOWEST,
                max_value=HIGHEST,
                initial=written.get(criterion, self.suggested[criterion]),
                error_messages=dict.fromkeys(
                    ("required", "invalid", "min_value", "max_value"),
                    _("%(criterion)s: please give 0 to 5 points.") % {"criterion": criterion.label},
                ),
            )
        # What a manager may not read they cannot remark on.
        reader = presenting.Reader(side="", names=True, contacts=False, is_manager=True)
        self._lines = [
            row for row in presenting.grid_rows(match, reader) if row.key and not row.closed
        ]
        remarks = review.remarks if review is not None else {}
        for row in self._lines:
            self.fields[f"remark-{row.key}"] = NoteField(
                label=row.name,
                required=False,
                max_length=REMARK_LIMIT,
                initial=remarks.get(row.key, ""),
                widget=forms.TextInput(attrs={"class": "form-control", "maxlength": REMARK_LIMIT}),
            )

    @classmethod
    def elsewhere(cls, data: Mapping[str, Any], match: Match) -> str:
        """Return the address that a posted choice leads to, "" where it is a decision."""
        name = cls.ELSEWHERE.get(str(data.get("decision", "")))
        return "" if name is None else reverse(name, args=[match.number])

    def add_error(self, field: str | None, error: Any) -> None:
        """Take a service's errors too, whose "criteria" and "remarks" are several fields here."""
        if field is None and hasattr(error, "error_dict"):
            for name, problems in error.error_dict.items():
                super().add_error(name if name in self.fields else None, problems)
            return
        super().add_error(field, error)

    def clean_comment(self) -> str:
        """Refuse a comment that would name a side: both read it before they are introduced."""
        comment: str = self.cleaned_data["comment"]
        if self._names(comment):
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
        if decision:
            # Ticks in the other decision's list, which the page hides, are not meant.
            known = {entry.code: entry for entry in reasons.choices(decision)}
            chosen = [code for code in cleaned.get("reasons", ()) if code in known]
            cleaned["reasons"] = chosen
            if not chosen and "reasons" not in self.errors:
                self.add_error("reasons", _("Please choose at least one reason for this decision."))
            if (
                any(known[code].needs_comment for code in chosen)
                and "comment" not in self.errors
                and not cleaned.get("comment")
            ):
                self.add_error("comment", _("Please write the other reason in a sentence."))
        remarks = self._clean_remarks(cleaned)
        return {
            **{name: cleaned.get(name) for name in ("decision", "reasons", "comment")},
            "no_interest": cleaned.get("no_interest", False),
            "criteria": {
                str(one): cleaned[name]
                for one in Criterion
                if (name := f"criteria_{one}") in cleaned
            },
            "remarks": remarks,
        }

    def _clean_remarks(self, cleaned: dict[str, Any]) -> dict[str, str]:
        remarks = {}
        for row in self._lines:
            name = f"remark-{row.key}"
            text = cleaned.get(name, "")
            if text and self._names(text):
                self.add_error(
                    name,
                    _(
                        "The remark names one of the sides or its contacts. Both sides read it "
                        "before they are introduced; please leave that out."
                    ),
                )
            elif text:
                remarks[row.key] = text
        lost = {
            name
            for name, value in self.data.items()
            if name.startswith("remark-") and name not in self.fields and str(value).strip()
        }
        if lost:
            self.add_error(
                None,
                _(
                    "A line that you remarked on has changed meanwhile. Please look at the "
                    "comparison again, and put the remark into your comment if it still holds."
                ),
            )
        return remarks

    def _names(self, text: str) -> bool:
        return presenting.names_any(text, (self.match.demand.owner, self.match.achievement.owner))

    def reason_groups(self) -> list[tuple[str, str, list[tuple[str, str, bool]]]]:
        """Return decision, its label, and its reasons as (code, label, ticked)."""
        ticked = self["reasons"].value() or []
        return [
            (
                str(decision),
                str(decision.label),
                [
                    (entry.code, entry.label, entry.code in ticked)
                    for entry in reasons.choices(decision)
                ],
            )
            for decision in Decision
        ]

    def points(self) -> list[Points]:
        """Return the criteria with what is chosen of each."""
        found = []
        for criterion in Criterion:
            bound = self[f"criteria_{criterion}"]
            scale = [
                (value, str(bound.value()) == str(value)) for value in range(LOWEST, HIGHEST + 1)
            ]
            found.append(Points(bound, criterion, self.suggested[criterion], scale))
        return found

    @property
    def is_suggested(self) -> bool:
        """Say whether all points are still those that the evidence gives."""
        return all(str(one.field.value()) == str(one.suggested) for one in self.points())

    @property
    def has_wrong_points(self) -> bool:
        return any(one.field.errors for one in self.points())

    def remarks(self) -> list[Remark]:
        """Return the lines of the grid with the field for a remark on each."""
        return [Remark(self[f"remark-{row.key}"], row) for row in self._lines]

    @property
    def has_remarks(self) -> bool:
        return any(one.field.value() or one.field.errors for one in self.remarks())


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


class PlanForm(forms.Form):
    """What a re-assignment is worked out for."""

    scope = forms.ChoiceField(
        label=gettext_lazy("What should be assigned anew?"),
        choices=AssignmentPlan.Scope.choices,
        widget=forms.RadioSelect,
    )
    manager = ManagerChoice(
        label=gettext_lazy("Whose reviews?"),
        queryset=ManagerProfile.objects.none(),
        required=False,
        empty_label="—",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["manager"]
        assert isinstance(field, forms.ModelChoiceField)
        assigned = Review.objects.filter(status=ReviewStatus.ASSIGNED).values("manager")
        field.queryset = (
            ManagerProfile.objects.filter(user__in=assigned)
            .select_related("user")
            .order_by("user__name", "pk")
        )

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if cleaned.get("scope") != AssignmentPlan.Scope.MANAGER:
            cleaned["manager"] = None
        elif not cleaned.get("manager") and "manager" not in self.errors:
            self.add_error("manager", _("Please choose the manager."))
        return cleaned
