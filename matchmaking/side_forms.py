"""What passes between a manager and one side: questions, answers, an objection, a verdict after."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from matchmaking.forms import NoteField
from matchmaking.questions import LONGEST, LONGEST_ANSWER, MOST_QUESTIONS, Line
from matchmaking.services import appeals, feedback
from matchmaking.workflow import ContractState

if TYPE_CHECKING:
    from django.forms.boundfield import BoundField


def _name(key: str) -> str:
    """Return the name of the field that holds the question about a line."""
    return f"about-{key.replace(':', '-')}"


@dataclass(frozen=True)
class AskedLine:
    """A line of the page with its tick and the field for its question."""

    line: Line
    ticked: bool
    field: BoundField


class QuestionsForm(forms.Form):
    """A manager ticks lines and asks about each."""

    lines = forms.MultipleChoiceField(
        label=gettext_lazy("What do you ask about?"),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        error_messages={
            "invalid_choice": gettext_lazy(
                "One of the lines does not belong to this match any more."
            )
        },
    )

    def __init__(self, *args: Any, offered: Sequence[Line], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.offered = offered
        lines = self.fields["lines"]
        assert isinstance(lines, forms.MultipleChoiceField)
        lines.choices = [(line.key, line.name) for line in offered]
        for line in offered:
            self.fields[_name(line.key)] = NoteField(
                label=_("Question about: %(name)s") % {"name": line.name},
                required=False,
                initial=line.suggestion,
                widget=forms.Textarea(
                    attrs={"rows": 2, "maxlength": LONGEST, "class": "form-control"}
                ),
            )

    def rows(self) -> list[AskedLine]:
        ticked = set(self["lines"].value() or ())
        return [AskedLine(line, line.key in ticked, self[_name(line.key)]) for line in self.offered]

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        ticked = cleaned.get("lines", [])
        for line in self.offered:
            text = cleaned.get(_name(line.key), "")
            # Else what somebody wrote would be lost without a word.
            if line.key not in ticked and text and text != line.suggestion:
                self.add_error(_name(line.key), _("Tick this line to ask, or empty the question."))
        if "lines" not in self.errors and not ticked:
            self.add_error("lines", _("Please tick at least one line and ask about it."))
        elif len(ticked) > MOST_QUESTIONS:
            most = {"most": MOST_QUESTIONS}
            self.add_error("lines", _("Please ask at most %(most)d questions at once.") % most)
        return cleaned

    def questions(self) -> list[dict[str, str]]:
        """Return what is asked, for `inquiries.ask`."""
        return [
            {"field": key, "text": self.cleaned_data.get(_name(key), "")}
            for key in self.cleaned_data["lines"]
        ]

    def add_refusals(self, refusal: ValidationError) -> None:
        """Put what the service refuses beside the lines that it is about."""
        known = {line.key for line in self.offered}
        for key, texts in refusal.message_dict.items():
            for text in texts:
                self.add_error(_name(key) if key in known else "lines", text)


class AnswersForm(forms.Form):
    """A side answers the questions of a manager, each in its own field."""

    def __init__(self, *args: Any, questions: Sequence[Mapping[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for place, question in enumerate(questions):
            self.fields[f"answer-{place}"] = NoteField(
                label=question["text"],
                max_length=LONGEST_ANSWER,
                error_messages={
                    "required": _("Please answer this question; a short sentence will do."),
                },
                widget=forms.Textarea(attrs={"rows": 3, "class": "form-control"}),
            )

    def answers(self) -> list[str]:
        return [self.cleaned_data[name] for name in self.fields]


class AppealForm(forms.Form):
    """Why a side thinks that a rejection should be looked at again."""

    text = NoteField(
        label=gettext_lazy("What should another manager look at?"),
        help_text=gettext_lazy(
            "Say what was overlooked, or what your listing shows. The new manager reads it before "
            "they know who you are, so please name nobody."
        ),
        min_length=appeals.SHORTEST,
        max_length=appeals.LONGEST,
        widget=forms.Textarea(attrs={"rows": 6}),
    )


class FeedbackForm(forms.Form):
    """What one side says of the manager, and of what came of an introduction."""

    rating = forms.TypedChoiceField(
        label=gettext_lazy("How do you rate the technology manager?"),
        choices=[
            (5, gettext_lazy("5 stars: very good")),
            (4, gettext_lazy("4 stars: good")),
            (3, gettext_lazy("3 stars: fair")),
            (2, gettext_lazy("2 stars: poor")),
            (1, gettext_lazy("1 star: very poor")),
        ],
        coerce=int,
        widget=forms.RadioSelect,
    )
    contract = forms.ChoiceField(
        label=gettext_lazy("What came of it?"),
        choices=ContractState.choices,
        widget=forms.RadioSelect,
    )
    note = NoteField(
        label=gettext_lazy("What went well, or what was missing"),
        help_text=gettext_lazy("Only operators read this."),
        required=False,
        max_length=feedback.LONGEST_NOTE,
        widget=forms.Textarea(attrs={"rows": 4}),
    )
