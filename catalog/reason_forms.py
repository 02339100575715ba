"""How operators write a reason for decisions."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from accounts.fields import LineField
from catalog import reasons
from catalog.models.reasons import ANSWER_LIMIT, CODE_LIMIT, LABEL_LIMIT


class ReasonTextsForm(forms.Form):
    """What a reason is called, and what the owner of a listing reads, in both languages."""

    label_zh = LineField(label=_("Name in Chinese"), max_length=LABEL_LIMIT)
    label_en = LineField(label=_("Name in English"), max_length=LABEL_LIMIT)
    answer_zh = LineField(
        label=_("Sentence for the owner in Chinese"),
        help_text=_("Courteous, with what they can do. It must fit whoever the other side is."),
        max_length=ANSWER_LIMIT,
        widget=forms.Textarea(attrs={"rows": 3}),
    )
    answer_en = LineField(
        label=_("Sentence for the owner in English"),
        max_length=ANSWER_LIMIT,
        widget=forms.Textarea(attrs={"rows": 3}),
    )

    @property
    def texts(self) -> dict[str, str]:
        """Return the valid texts by name."""
        return {
            name: self.cleaned_data[name]
            for name in ("label_zh", "label_en", "answer_zh", "answer_en")
        }


class NewReasonForm(ReasonTextsForm):
    """A reason that is not built in."""

    code = forms.CharField(
        label=pgettext_lazy("reason", "Code"),
        help_text=_("Small letters, digits and underlines; exports have it, and it never changes."),
        max_length=CODE_LIMIT,
    )
    decisions = forms.MultipleChoiceField(label=_("Goes with"), widget=forms.CheckboxSelectMultiple)
    needs_comment = forms.BooleanField(
        label=_("Needs a sentence of the manager's as well"), required=False
    )

    field_order = ("code", "decisions")

    def __init__(self, *args: Any, subject: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["decisions"]
        assert isinstance(field, forms.MultipleChoiceField)
        field.choices = reasons.decisions(subject)
