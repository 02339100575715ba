"""Forms of people, organizations and technology managers."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

from allauth.account import forms as allauth_forms
from django import forms
from django.contrib.auth.models import AbstractBaseUser
from django.core.validators import RegexValidator
from django.db import transaction
from django.http import HttpRequest
from django.utils.text import format_lazy
from django.utils.translation import get_language, ngettext
from django.utils.translation import gettext_lazy as _

from accounts.codes import clean_credit_code
from accounts.fields import LineField, TextField
from accounts.files.inspecting import ACCEPT
from accounts.models import (
    CheckPoint,
    EvidenceKind,
    Language,
    MembershipRole,
    Organization,
    TokenScope,
    User,
)
from accounts.regions import region_choices
from accounts.services import ORGANIZATION_FIELDS, REQUIRED_POINTS
from accounts.tokens import LIFETIMES

_phone = RegexValidator(
    r"^\+?[\d\s()-]{5,24}$",
    _("A phone number has digits, spaces, hyphens and brackets only, such as 0512-6288 0000."),
)
# A number to call, an address, or a chat account: a field of work has none of them.
_contact = re.compile(
    r"@|://|www\.|\.(?:com|cn|net|org)\b|\d(?:[\s-]?\d){6}|微信|weixin|wechat|\b(?:vx|qq)\b",
    re.IGNORECASE,
)


class SignupForm(allauth_forms.SignupForm):  # type: ignore[misc]
    """A person signs up; their organization follows on the next page."""

    name = LineField(
        label=_("Your name"),
        max_length=80,
        widget=forms.TextInput(attrs={"autocomplete": "name"}),
    )
    phone = LineField(
        label=_("Phone"),
        required=False,
        max_length=30,
        validators=[_phone],
        widget=forms.TextInput(attrs={"type": "tel", "autocomplete": "tel"}),
    )

    field_order = ("name", "email", "phone", "password1", "password2")

    @transaction.atomic
    def save(self, request: HttpRequest) -> User:
        """Save the account with its name; allauth itself writes only what it knows."""
        user: User = super().save(request)
        return user

    def custom_signup(self, request: HttpRequest, user: AbstractBaseUser) -> None:
        assert isinstance(user, User)
        user.name = self.cleaned_data["name"]
        user.phone = self.cleaned_data["phone"]
        english = (get_language() or "").startswith("en")
        user.language = Language.EN if english else Language.ZH
        user.save(update_fields=("name", "phone", "language"))


class CreditCodeField(LineField):
    """A unified social credit code. Spaces and small letters are put right silently."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("label", _("Unified social credit code"))
        kwargs.setdefault("help_text", _("18 characters, as on the business licence."))
        kwargs.setdefault("widget", forms.TextInput(attrs={"autocomplete": "off"}))
        super().__init__(max_length=40, **kwargs)

    def clean(self, value: Any) -> str:
        typed: str = super().clean(value)
        return clean_credit_code(typed) if typed else ""


class OrganizationForm(forms.ModelForm[Organization]):
    name = LineField(
        label=_("Name"),
        max_length=120,
        help_text=_("The full name, as on the business licence."),
        widget=forms.TextInput(attrs={"autocomplete": "organization"}),
    )
    credit_code = CreditCodeField(
        error_messages={
            "unique": _(
                "An organization with this credit code is registered already. "
                "Ask to join it instead."
            )
        }
    )
    name_en = LineField(label=_("English name"), max_length=160, required=False)
    field = LineField(
        label=_("Field of work"),
        max_length=40,
        help_text=_(
            "Such as “machine building” or “marine biology”. The other side reads this instead of "
            "your name until both have agreed to meet, so do not name yourselves here."
        ),
    )
    field_en = LineField(label=_("Field of work in English"), max_length=80, required=False)
    summary = TextField(
        label=_("About"), max_length=1000, required=False, widget=forms.Textarea(attrs={"rows": 4})
    )
    contact_name = LineField(
        label=_("Contact person"),
        max_length=80,
        help_text=_("Shown to the other side only after an introduction."),
    )
    contact_phone = LineField(
        label=_("Contact phone"),
        max_length=30,
        validators=[_phone],
        widget=forms.TextInput(attrs={"type": "tel"}),
    )

    class Meta:
        model = Organization
        fields = ORGANIZATION_FIELDS

    field_order = (
        "name",
        "credit_code",
        "kind",
        "size",
        "region",
        "name_en",
        "field",
        "field_en",
        "summary",
        "contact_name",
        "contact_phone",
        "contact_email",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["region"] = forms.ChoiceField(
            label=_("Region"),
            choices=[("", "---------"), *region_choices()],
            help_text=_("Province or city of the registered address."),
            widget=forms.Select(attrs={"data-choose": ""}),
        )
        if self.instance.pk and self.instance.is_verified:
            self.fields["credit_code"].disabled = True
            self.fields["credit_code"].help_text = _(
                "A verified code is changed in two steps, on the page of the verification."
            )
        self.order_fields(self.field_order)

    def clean(self) -> dict[str, Any]:
        """Refuse a blind description that names the organization: it would not be blind."""
        cleaned: dict[str, Any] = super().clean() or {}
        for key, name_key in (("field", "name"), ("field_en", "name_en")):
            text, name = cleaned.get(key, ""), cleaned.get(name_key, "")
            if text and name and name.casefold() in text.casefold():
                self.add_error(
                    key,
                    _("This contains your organization's name, which nobody may read yet."),
                )
            person = cleaned.get("contact_name", "")
            if _contact.search(unicodedata.normalize("NFKC", text)) or (
                len(person) > 2 and person in text
            ):
                self.add_error(
                    key,
                    _("This contains a contact; others get it after an introduction, not before."),
                )
        return cleaned


class JoinForm(forms.Form):
    credit_code = CreditCodeField(
        help_text=_("18 characters, as on the business licence. Its owners will be asked.")
    )


class AnswerJoinForm(forms.Form):
    role = forms.ChoiceField(label=_("Role"), choices=MembershipRole.choices, required=False)
    accept = forms.BooleanField(required=False)


class RoleForm(forms.Form):
    role = forms.ChoiceField(label=_("Role"), choices=MembershipRole.choices)


class ProfileForm(forms.ModelForm[User]):
    name = LineField(
        label=_("Your name"), max_length=80, widget=forms.TextInput(attrs={"autocomplete": "name"})
    )
    phone = LineField(
        label=_("Phone"),
        required=False,
        max_length=30,
        validators=[_phone],
        widget=forms.TextInput(attrs={"type": "tel", "autocomplete": "tel"}),
    )

    class Meta:
        model = User
        fields = ("name", "phone", "language")
        labels = {"language": _("Language of pages and e-mails")}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Who sends a form without it keeps the language that is stored.
        self.fields["language"].required = False

    def clean_language(self) -> str:
        return self.cleaned_data["language"] or self.instance.language


class ChecksForm(forms.Form):
    """The points that an operator compares, each with a note. What is required is checked when the
    organization is verified: ticks may be saved one by one."""

    seen = forms.CharField(max_length=40, widget=forms.HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for point in CheckPoint:
            label = point.label
            if point not in REQUIRED_POINTS:
                label = format_lazy("{} {}", point.label, _("(not required)"))
            self.fields[f"point_{point}"] = forms.BooleanField(label=label, required=False)
            self.fields[f"note_{point}"] = LineField(
                label=format_lazy("{}{}", _("Note: "), point.label),
                max_length=200,
                required=False,
                widget=forms.TextInput(attrs={"autocomplete": "off"}),
            )

    def rows(self) -> list[tuple[forms.BoundField, forms.BoundField]]:
        return [(self[f"point_{point}"], self[f"note_{point}"]) for point in CheckPoint]

    def points(self) -> dict[str, str]:
        data = self.cleaned_data
        return {
            point.value: data[f"note_{point}"] for point in CheckPoint if data[f"point_{point}"]
        }


class EvidenceForm(forms.Form):
    purpose = forms.ChoiceField(
        label=_("What it shows"),
        # The proof of another code comes with the request for it.
        choices=[(kind.value, kind.label) for kind in EvidenceKind if kind != EvidenceKind.CODE],
    )
    file = forms.FileField(
        label=_("File"),
        allow_empty_file=True,  # a sentence of ours says so
        widget=forms.FileInput(attrs={"accept": ACCEPT}),
        error_messages={"required": _("Please choose a file.")},
    )


class CodeChangeForm(forms.Form):
    credit_code = CreditCodeField(label=_("New credit code"))
    reason = LineField(
        label=_("Reason"),
        max_length=300,
        help_text=_("Such as a merger or a new registration. Operators read this."),
    )
    file = forms.FileField(
        label=_("Proof"),
        help_text=_("The new licence or certificate, or the notice of the change."),
        allow_empty_file=True,
        widget=forms.FileInput(attrs={"accept": ACCEPT}),
        error_messages={"required": _("Please choose a file.")},
    )


class ConfirmCodeForm(forms.Form):
    note = LineField(
        label=_("Where you have compared it"),
        max_length=200,
        help_text=_("Such as the public register, with the day of the entry."),
    )


class RefuseCodeForm(forms.Form):
    reason = LineField(
        label=_("What has to be changed"),
        max_length=300,
        help_text=_("The organization's owners read this."),
        widget=forms.Textarea(attrs={"rows": 2}),
    )


class ReturnForm(forms.Form):
    seen = forms.CharField(max_length=40, widget=forms.HiddenInput)
    reason = LineField(
        label=_("What has to be changed"),
        max_length=300,
        help_text=_("The organization's owners read this."),
        widget=forms.Textarea(attrs={"rows": 3}),
    )


class TokenForm(forms.Form):
    """A new token for the API. `mark` makes a form that is sent twice one token."""

    name = LineField(
        label=_("What is it for?"),
        max_length=60,
        help_text=_("The program or the machine that uses it, so that you know it again."),
    )
    scope = forms.ChoiceField(
        label=_("What may it do?"),
        choices=TokenScope.choices,
        initial=TokenScope.READ,
        widget=forms.RadioSelect,
    )
    days = forms.TypedChoiceField(
        label=_("How long is it valid?"),
        coerce=int,
        initial=LIFETIMES[1],
        choices=lambda: [
            (days, ngettext("%(count)d day", "%(count)d days", days) % {"count": days})
            for days in LIFETIMES
        ],
    )
    mark = forms.UUIDField(widget=forms.HiddenInput)
