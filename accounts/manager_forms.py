"""Forms of technology managers: the application, the certificate, days off, declared ties."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.validators import RegexValidator
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.classes import class_choices
from accounts.fields import LineField
from accounts.files.inspecting import ACCEPT
from accounts.forms import CreditCodeField
from accounts.models import (
    EvidenceKind,
    InterestKind,
    ManagerGrade,
    ManagerProfile,
    Renewal,
)
from accounts.regions import province_choices

_certificate = RegexValidator(
    r"^[A-Za-z0-9\u4e00-\u9fff()（）〔〕\[\]/-]+$",
    _("A certificate number has letters, digits, hyphens and brackets only."),
)
CAPACITY_AT_MOST = 200


class DayField(forms.DateField):
    """A day of our time: nobody was certified under the first emperor."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("widget", forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"))
        super().__init__(**kwargs)

    def clean(self, value: Any) -> Any:
        day = super().clean(value)
        if day is not None and not 1900 <= day.year <= 2200:
            raise forms.ValidationError(_("Please check the year."), code="year")
        return day


class _DaysInOrder(forms.BaseForm):
    """A form with a first and a last day."""

    first_name, last_name = "first", "last"

    def check_days(self, cleaned: dict[str, Any]) -> None:
        first, last = cleaned.get(self.first_name), cleaned.get(self.last_name)
        if first and last and last < first:
            self.add_error(self.last_name, _("The last day is before the first one."))


class AbsenceForm(_DaysInOrder, forms.Form):
    first = DayField(label=_("First day"))
    last = DayField(
        label=_("Last day"),
        required=False,
        help_text=_("Leave it empty if you do not know yet."),
    )
    note = LineField(
        label=_("Note"),
        max_length=120,
        required=False,
        help_text=_("Operators read it, nobody else."),
    )

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        self.check_days(cleaned)
        last = cleaned.get("last")
        if last and last < timezone.localdate():
            self.add_error("last", _("These days are over already."))
        return cleaned


class InterestForm(_DaysInOrder, forms.Form):
    first_name, last_name = "since", "until"

    kind = forms.ChoiceField(label=_("Kind of tie"), choices=InterestKind.choices)
    name = LineField(
        label=_("Organization"),
        max_length=120,
        required=False,
        help_text=_("The full name, as on the business licence. It need not be registered here."),
    )
    credit_code = CreditCodeField(
        required=False, help_text=_("If you know it; it says more than a name.")
    )
    since = DayField(label=_("Since"), required=False)
    until = DayField(
        label=_("Until"), required=False, help_text=_("A tie that has ended still counts.")
    )
    note = LineField(label=_("Note"), max_length=300, required=False)

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        self.check_days(cleaned)
        typed = cleaned.get("name") or cleaned.get("credit_code")
        if not typed and not {"name", "credit_code"} & set(self.errors):
            self.add_error(
                "name", _("Please give the organization's credit code, or its full name.")
            )
        return cleaned


def _certificate_no() -> LineField:
    return LineField(
        label=_("Certificate number"),
        max_length=40,
        validators=[_certificate],
        help_text=_("Of your technology manager's certificate."),
        error_messages={
            "unique": _("This certificate number belongs to another technology manager here.")
        },
    )


def _issuer() -> LineField:
    return LineField(
        label=_("Issued by"),
        max_length=120,
        help_text=_("The office or association whose seal is on it."),
    )


class _ScopeForm(_DaysInOrder, forms.ModelForm):  # type: ignore[type-arg]
    """What stands on a certificate, and where its holder works."""

    first_name, last_name = "valid_from", "valid_until"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["classes"] = forms.MultipleChoiceField(
            label=_("Industries"),
            choices=class_choices(),
            help_text=_("In which you can judge a technical match. At most 12."),
            widget=forms.SelectMultiple(attrs={"data-choose": "", "size": 8}),
        )
        self.fields["regions"] = forms.MultipleChoiceField(
            label=_("Regions"),
            choices=province_choices(),
            required=False,
            help_text=_("Provinces that you work in. None means all."),
            widget=forms.SelectMultiple(attrs={"data-choose": "", "size": 8}),
        )

    def clean_classes(self) -> list[str]:
        classes: list[str] = self.cleaned_data["classes"]
        if len(classes) > 12:
            raise forms.ValidationError(
                _("Please choose at most 12 industries; you have chosen %(count)d."),
                params={"count": len(classes)},
            )
        return classes

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        self.check_days(cleaned)
        last = cleaned.get("valid_until")
        if last and last < timezone.localdate() and "valid_until" not in self.errors:
            self.add_error("valid_until", _("This certificate has expired already."))
        return cleaned


class ManagerForm(_ScopeForm):
    certificate_no = _certificate_no()
    issuer = _issuer()
    valid_from = DayField(label=_("Valid from"))
    valid_until = DayField(label=_("Valid until"))

    class Meta:
        model = ManagerProfile
        fields = (
            *("grade", "certificate_no", "issuer", "valid_from", "valid_until"),
            *("classes", "regions", "capacity"),
        )
        help_texts = {
            "capacity": _("How many matches you want to have in hand at once."),
        }


class RenewalForm(_ScopeForm):
    certificate_no = _certificate_no()
    issuer = _issuer()
    valid_from = DayField(label=_("Valid from"))
    valid_until = DayField(label=_("Valid until"))
    file = forms.FileField(
        label=_("The newer certificate"),
        allow_empty_file=True,  # a sentence of ours says so
        widget=forms.FileInput(attrs={"accept": ACCEPT}),
        error_messages={"required": _("Please choose a file.")},
    )

    class Meta:
        model = Renewal
        fields = (
            *("grade", "certificate_no", "issuer", "valid_from", "valid_until"),
            *("classes", "regions"),
        )

    field_order = (*Meta.fields, "file")


class CertificateFileForm(forms.Form):
    purpose = forms.ChoiceField(
        label=_("What it shows"),
        choices=[
            (kind.value, kind.label) for kind in (EvidenceKind.CERTIFICATE, EvidenceKind.OTHER)
        ],
    )
    file = forms.FileField(
        label=_("File"),
        allow_empty_file=True,
        widget=forms.FileInput(attrs={"accept": ACCEPT}),
        error_messages={"required": _("Please choose a file.")},
    )


class CapacityForm(forms.Form):
    capacity = forms.IntegerField(
        label=_("Open reviews at most"), min_value=1, max_value=CAPACITY_AT_MOST
    )


class CertifyForm(_DaysInOrder, forms.Form):
    """What the operator has read on the certificate."""

    first_name, last_name = "valid_from", "valid_until"

    seen = forms.CharField(max_length=40, widget=forms.HiddenInput)
    grade = forms.ChoiceField(label=_("Grade"), choices=ManagerGrade.choices)
    certificate_no = LineField(
        label=_("Certificate number"), max_length=40, validators=[_certificate]
    )
    issuer = LineField(label=_("Issued by"), max_length=120)
    valid_from = DayField(label=_("Valid from"))
    valid_until = DayField(label=_("Valid until"))
    capacity = forms.IntegerField(
        label=_("Open reviews at most"), min_value=1, max_value=CAPACITY_AT_MOST
    )
    certificate_checked = forms.BooleanField(
        label=_("Certificate number, name and grade agree with the register")
    )

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        self.check_days(cleaned)
        return cleaned


class ConfirmRenewalForm(forms.Form):
    seen = forms.CharField(max_length=40, widget=forms.HiddenInput)
    certificate_checked = forms.BooleanField(
        label=_("Certificate number, name and grade agree with the register")
    )


class SuspendForm(forms.Form):
    reason = LineField(
        label=_("Reason"),
        max_length=300,
        help_text=_("The technology manager reads this."),
        widget=forms.Textarea(attrs={"rows": 3}),
    )


class LiftForm(forms.Form):
    note = LineField(
        label=_("Why it is lifted"),
        max_length=300,
        help_text=_("It stays in the history; operators read it."),
        widget=forms.Textarea(attrs={"rows": 2}),
    )


class StrikeForm(forms.Form):
    interest = forms.IntegerField(min_value=1, widget=forms.HiddenInput)
    reason = LineField(
        label=_("Why it is struck out"),
        max_length=300,
        help_text=_("Such as another organization's code. It stays in the history."),
    )
