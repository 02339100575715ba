"""Forms of the import pages: send a file, confirm what the check says."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.codes import validate_credit_code
from accounts.fields import LineField
from accounts.models import Organization, OrganizationStatus, User
from accounts.permissions import writable_organizations
from catalog.models import ImportJob, ImportScope, ListKind
from catalog.services.reading import SUFFIXES

ACCEPT = ",".join(SUFFIXES)


class ImportForm(forms.Form):
    """A file for one organization and one list. An operator names any organization by its code."""

    organization = forms.ModelChoiceField(
        label=gettext_lazy("Organization"), queryset=Organization.objects.none(), empty_label=None
    )
    credit_code = LineField(
        label=gettext_lazy("Unified social credit code of the organization"), max_length=18
    )
    kind = forms.ChoiceField(label=gettext_lazy("List"), choices=ListKind.choices)
    file = forms.FileField(
        label=gettext_lazy("File"),
        allow_empty_file=True,  # a sentence of ours says so
        widget=forms.FileInput(attrs={"accept": ACCEPT}),
        error_messages={"required": gettext_lazy("Please choose a file.")},
    )
    then = forms.ChoiceField(
        label=gettext_lazy("What becomes of the good rows"),
        widget=forms.RadioSelect,
        initial="draft",
    )

    def __init__(self, *args: Any, user: User, limits: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.user = user
        self.fields["file"].help_text = limits
        then = [
            ("draft", _("Drafts, for us to read again")),
            ("submit", _("Hand them in for review where nothing is missing")),
        ]
        owners = writable_organizations(user).exclude(status=OrganizationStatus.REJECTED)
        if user.is_operator:
            del self.fields["organization"]
            then.append(("publish", _("Publish them at once: the source is trusted")))
        else:
            del self.fields["credit_code"]
            organization = self.fields["organization"]
            assert isinstance(organization, forms.ModelChoiceField)
            organization.queryset = owners.order_by("name", "pk")
            if len(organization.queryset) == 1:
                organization.widget = forms.HiddenInput()
                self.initial.setdefault("organization", organization.queryset[0].pk)
        field = self.fields["then"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = then

    def clean_credit_code(self) -> str:
        code = str(self.cleaned_data["credit_code"]).upper()
        validate_credit_code(code)
        found = Organization.objects.filter(credit_code=code).first()
        if found is None:
            raise ValidationError(_("No organization has this code."))
        self.cleaned_data["organization"] = found
        return code


class ConfirmImportForm(forms.Form):
    """Which rows of a checked file are stored."""

    scope = forms.ChoiceField(
        label=gettext_lazy("What is to be stored"),
        choices=ImportScope.choices,
        widget=forms.RadioSelect,
        error_messages={"required": gettext_lazy("Please choose which rows are to be stored.")},
    )

    def __init__(self, *args: Any, job: ImportJob, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["scope"]
        assert isinstance(field, forms.ChoiceField)
        if job.wrong:
            field.choices = [(ImportScope.GOOD.value, ImportScope.GOOD.label)]
            self.initial.setdefault("scope", ImportScope.GOOD.value)
            field.help_text = _(
                "“All rows or none” needs a file without errors: correct it and send it again."
            )
        else:
            self.initial.setdefault("scope", ImportScope.ALL.value)
