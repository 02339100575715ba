"""The forms by which a listing leaves the list: its owner's word, or an operator's."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from catalog.fields import LongText
from catalog.workflow import END_REASONS, EndReason, ListingStatus

NOTE_LIMIT = 1000
_PLEASE_CHOOSE = gettext_lazy("Please choose a reason.")


class _EndForm(forms.Form):
    """A reason that fits the end, and a note where no reason on the list fits."""

    reason = forms.ChoiceField(label=gettext_lazy("Reason"), required=False)
    note = LongText(
        label=gettext_lazy("Note"),
        required=False,
        max_length=NOTE_LIMIT,
        rows=3,
        help_text=gettext_lazy("Your side and the operators read it."),
    )

    def __init__(self, *args: Any, kind: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.kind = kind

    def _offer(self, *groups: tuple[str, list[EndReason]]) -> None:
        """Offer reasons, in groups where there are several; “other” comes once, at the end."""
        reason = self.fields["reason"]
        assert isinstance(reason, forms.ChoiceField)
        named = [
            (title, [(one.value, one.label) for one in reasons if one != EndReason.OTHER])
            for title, reasons in groups
        ]
        choices: list[Any] = named if len(named) > 1 else named[0][1]
        other = (EndReason.OTHER.value, EndReason.OTHER.label)
        reason.choices = [("", _("Choose a reason")), *choices, other]

    def _check(self, status: str, *, needed: bool) -> None:
        reason = self.cleaned_data.get("reason")
        if "reason" in self.errors or (not reason and not needed):
            return
        if not reason:
            self.add_error("reason", _PLEASE_CHOOSE)
        elif reason not in END_REASONS[self.kind][status]:
            self.add_error("reason", _("This reason does not fit how it ended."))
        elif reason == EndReason.OTHER and not self.cleaned_data.get("note"):
            self.add_error("note", _("Please say the reason in a sentence."))


class WithdrawForm(_EndForm):
    """Why a listing is taken back. A draft that nobody has seen needs no reason."""

    def __init__(self, *args: Any, kind: str, reason_needed: bool = True, **kwargs: Any) -> None:
        super().__init__(*args, kind=kind, **kwargs)
        self.fields["reason"].required = reason_needed
        self.fields["reason"].error_messages["required"] = _PLEASE_CHOOSE
        self._offer(("", list(END_REASONS[kind][ListingStatus.WITHDRAWN])))

    def clean(self) -> dict[str, Any]:
        self._check(ListingStatus.WITHDRAWN, needed=False)
        return self.cleaned_data


class CloseForm(_EndForm):
    """How a published listing ended, and why."""

    status = forms.ChoiceField(
        label=gettext_lazy("How did it end?"),
        widget=forms.RadioSelect,
        error_messages={"required": gettext_lazy("Please choose how it ended.")},
    )
    field_order = ("status", "reason", "note")

    def __init__(self, *args: Any, kind: str, **kwargs: Any) -> None:
        super().__init__(*args, kind=kind, **kwargs)
        status = self.fields["status"]
        assert isinstance(status, forms.ChoiceField)
        done, text = (
            (ListingStatus.FULFILLED, _("Solved: the problem is off the table"))
            if kind == "demand"
            else (ListingStatus.TRANSFERRED, _("Transferred: it has found its user"))
        )
        status.choices = [
            (done.value, text),
            (ListingStatus.CLOSED.value, _("Ended without a result")),
        ]
        reasons = END_REASONS[kind]
        self._offer(
            (_("With a result"), list(reasons[done])),
            (_("Without a result"), list(reasons[ListingStatus.CLOSED])),
        )
        self.fields["reason"].help_text = _("Needed where it ended without a result.")

    def clean(self) -> dict[str, Any]:
        status = self.cleaned_data.get("status")
        if status:
            self._check(status, needed=status == ListingStatus.CLOSED)
        return self.cleaned_data


class SuspendForm(forms.Form):
    """Why an operator takes a listing out of circulation."""

    note = LongText(
        label=gettext_lazy("Reason"),
        max_length=NOTE_LIMIT,
        rows=3,
        help_text=gettext_lazy("The owner reads it."),
        error_messages={"required": gettext_lazy("Please say the reason in a sentence.")},
    )


class ResumeForm(forms.Form):
    """A word to the owner of a listing that is let back."""

    note = LongText(
        label=gettext_lazy("Note"),
        required=False,
        max_length=NOTE_LIMIT,
        rows=3,
        help_text=gettext_lazy("The owner reads it."),
    )
