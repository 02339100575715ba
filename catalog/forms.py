"""The form of a listing with its rows of indicators, and the small forms of its life."""

from __future__ import annotations

import datetime as dt
import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, ClassVar, cast

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import QueryDict
from django.utils import timezone
from django.utils.translation import (
    get_language,
    gettext_lazy,
    ngettext_lazy,
    pgettext,
    pgettext_lazy,
)
from django.utils.translation import gettext as _

from accounts.fields import LineField, TextField
from accounts.models import Organization
from accounts.regions import region_choices
from accounts.text import clean_line
from catalog.indicators import (
    MAX_INDICATORS,
    MAX_NAME,
    OP_CHOICES,
    Indicator,
    clean_indicators,
    display,
)
from catalog.industries import division_choices, industry_name
from catalog.leaks import find_leaks
from catalog.models import (
    BODY_LIMIT,
    SUMMARY_LIMIT,
    TITLE_LIMIT,
    CooperationMode,
    Listing,
    ListingLanguage,
)
from catalog.services.publishing import check_complete
from catalog.workflow import ListingDecision, ListingReason, ListingStatus

if TYPE_CHECKING:
    pass

KEYWORD_LIMIT = 10
KEYWORD_LENGTH = 40
BLANK_ROWS = 5
MORE_ROWS = 3
NOTE_LIMIT = 1000
# Whole yuan; a figure above a hundred billion has lost its unit.
MONEY_LIMIT = 100_000_000_000
# Days. Nobody knows today what is true later than that.
VALID_AT_MOST = 3 * 366
VALID_AS_PROPOSED = 180

TRL_WORDS = {
    1: gettext_lazy("basic principles observed and reported"),
    2: gettext_lazy("concept and application formulated"),
    3: gettext_lazy("key function proved by experiment"),
    4: gettext_lazy("prototype validated in the laboratory"),
    5: gettext_lazy("prototype validated in a simulated environment"),
    6: gettext_lazy("pilot line or prototype demonstrated in a simulated environment"),
    7: gettext_lazy("prototype demonstrated in real operation"),
    8: gettext_lazy("complete system tested and qualified"),
    9: gettext_lazy("in stable production or use"),
}

_TOO_LONG = ngettext_lazy(
    "Please shorten it to %(limit_value)d character; it has %(show_value)d now.",
    "Please shorten it to %(limit_value)d characters; it has %(show_value)d now.",
    "limit_value",
)
_TOO_LONG_MESSAGES = {"max_length": _TOO_LONG}


def trl_choices() -> list[tuple[str, str]]:
    return [(str(level), f"TRL {level}　{words}") for level, words in TRL_WORDS.items()]


class _Unlimited:
    """Keeps `maxlength` off the page: a browser would cut a pasted text without a word."""

    def widget_attrs(self, widget: forms.Widget) -> dict[str, Any]:
        attrs: dict[str, Any] = super().widget_attrs(widget)  # type: ignore[misc]
        limit = attrs.pop("maxlength", None)
        if limit:
            attrs["data-kq-limit"] = limit
        return attrs


class ShortText(_Unlimited, LineField):
    """One line with a limit that is said in a sentence."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(error_messages=_TOO_LONG_MESSAGES, **kwargs)


class LongText(_Unlimited, TextField):
    """Many lines with a limit that is said in a sentence."""

    def __init__(self, *, rows: int, **kwargs: Any) -> None:
        widget = forms.Textarea(attrs={"rows": rows})
        super().__init__(error_messages=_TOO_LONG_MESSAGES, widget=widget, **kwargs)


class WanField(forms.DecimalField):
    """Money as people write it (万元), kept as whole yuan."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            min_value=0,
            max_value=MONEY_LIMIT // 10_000,
            decimal_places=4,
            widget=forms.TextInput(
                attrs={"class": "form-control", "inputmode": "decimal", "autocomplete": "off"}
            ),
            error_messages={
                "invalid": gettext_lazy("Please write a figure, such as 380 or 12.5."),
                "min_value": gettext_lazy("Please write an amount of 0 or more."),
                "max_value": gettext_lazy(
                    "This is more than 100 billion yuan. The unit is ten thousand yuan."
                ),
                "max_decimal_places": gettext_lazy(
                    "At most four decimals: an amount is kept in whole yuan."
                ),
            },
            **kwargs,
        )

    def to_python(self, value: Any) -> Any:
        text = clean_line(str(value or ""))
        text = re.sub(r"[,，\s]|万元?$", "", text)
        # A long or scientific figure costs time to compare, and is none.
        if len(text) > 20 or "e" in text.lower():
            raise ValidationError(self.error_messages["invalid"], code="invalid")
        return super().to_python(text)

    def clean(self, value: Any) -> int | None:
        amount = super().clean(value)
        return None if amount is None else int(amount * 10_000)

    def prepare_value(self, value: Any) -> Any:
        if isinstance(value, int):
            return format((Decimal(value) / 10_000).normalize(), "f")
        return value


class KeywordsField(ShortText):
    """Words divided by commas of either kind, kept as a list."""

    def clean(self, value: Any) -> list[str]:
        text = super().clean(value)
        words = [word.strip() for word in re.split(r"[,，、;；]", text)]
        words = list(dict.fromkeys(word for word in words if word))
        if len(words) > KEYWORD_LIMIT:
            raise ValidationError(
                _("Please keep to %(limit)d keywords; there are %(count)d.")
                % {"limit": KEYWORD_LIMIT, "count": len(words)}
            )
        for word in words:
            if len(word) > KEYWORD_LENGTH:
                raise ValidationError(
                    _("“%(word)s…” is longer than %(limit)d characters. Commas divide keywords.")
                    % {"word": word[:12], "limit": KEYWORD_LENGTH}
                )
        return words

    def prepare_value(self, value: Any) -> Any:
        return _(", ").join(value) if isinstance(value, list) else value


class DateInput(forms.DateInput):
    """The browser's own date picker, which wants ISO whatever the language."""

    input_type = "date"

    def __init__(self, **attrs: Any) -> None:
        super().__init__(attrs=attrs, format="%Y-%m-%d")


class DayField(forms.DateField):
    """A day from tomorrow to three years from now."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            widget=DateInput(),
            input_formats=["%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d"],
            error_messages={
                "invalid": gettext_lazy("Please write a date such as 2027-05-31."),
                "required": gettext_lazy("Please choose a day in the future."),
            },
            **kwargs,
        )

    def validate(self, value: dt.date | None) -> None:
        super().validate(value)
        latest = timezone.localdate() + dt.timedelta(days=VALID_AT_MOST)
        if value is not None and value > latest:
            raise ValidationError(
                _("Please choose a day not later than %(day)s; you can extend it any time.")
                % {"day": latest.isoformat()}
            )


class _NeededInTheEnd(forms.Form):
    """Fields that the page does not call optional, though not every way through needs them."""

    NEEDED: ClassVar[tuple[str, ...]] = ()
    use_required_attribute = False

    def full_clean(self) -> None:
        for name in self.NEEDED:
            self.fields[name].required = False
        super().full_clean()
        for name in self.NEEDED:
            self.fields[name].required = True


class ListingForm(_NeededInTheEnd):
    """What both lists ask for. `submitting` decides whether it must be complete.

    A draft may be saved half written; only its title is needed, to find it again.
    """

    owner = forms.ModelChoiceField(
        label=gettext_lazy("Organization"),
        queryset=Organization.objects.none(),
        empty_label=None,
    )
    title = ShortText(label=gettext_lazy("Title"), max_length=TITLE_LIMIT)
    summary = LongText(label=gettext_lazy("Public summary"), max_length=SUMMARY_LIMIT, rows=3)
    body = LongText(label=gettext_lazy("Description"), max_length=BODY_LIMIT, rows=12)
    keywords = KeywordsField(label=gettext_lazy("Keywords"), required=False, max_length=500)
    industry = forms.ChoiceField(label=gettext_lazy("Industry"))
    region = forms.ChoiceField(label=gettext_lazy("Region"))
    modes = forms.MultipleChoiceField(
        label=gettext_lazy("Cooperation modes"),
        choices=CooperationMode.choices,
        widget=forms.CheckboxSelectMultiple,
    )
    trl = forms.TypedChoiceField(
        label=gettext_lazy("Technology readiness level"),
        coerce=int,
        empty_value=None,
        required=False,
    )
    money_min = WanField(label=gettext_lazy("From"), required=False)
    money_max = WanField(label=gettext_lazy("To"), required=False)
    valid_until = DayField(label=gettext_lazy("Valid until"))
    language = forms.ChoiceField(
        label=gettext_lazy("Language of this text"), choices=ListingLanguage.choices
    )

    # Asked for at submission, by `check_complete`, in its own words.
    NEEDED = ("summary", "body", "industry", "region", "modes", "valid_until")

    def __init__(
        self,
        *args: Any,
        model: type[Listing],
        owners: QuerySet[Organization],
        listing: Listing | None = None,
        submitting: bool = False,
        **kwargs: Any,
    ) -> None:
        self.model, self.listing, self.submitting = model, listing, submitting
        self.kind = model._meta.model_name or ""
        super().__init__(*args, **kwargs)
        self._say_what_is_asked()
        self._offer_choices(owners)

    def _say_what_is_asked(self) -> None:
        self.fields["title"].error_messages["required"] = _("Please write a title.")
        hints = _hints(self.kind)
        for name, hint in hints.items():
            self.fields[name].help_text = hint

    def _offer_choices(self, owners: QuerySet[Organization]) -> None:
        owner = self.fields["owner"]
        assert isinstance(owner, forms.ModelChoiceField)
        owner.queryset = owners
        if self.listing is not None:
            del self.fields["owner"]
        elif len(owners) == 1:
            owner.widget = forms.HiddenInput()
            self.initial.setdefault("owner", owners[0].pk)

        blank = [("", _("Please choose"))]
        industry, region, trl = (self.fields[name] for name in ("industry", "region", "trl"))
        assert isinstance(industry, forms.ChoiceField)
        assert isinstance(region, forms.ChoiceField)
        assert isinstance(trl, forms.ChoiceField)
        industry.choices = [*blank, *self._kept_industry(), *division_choices()]
        region.choices = [*blank, *region_choices()]
        for field in (industry, region):
            field.widget.attrs["data-choose"] = _("Nothing found")
        unset = _("No requirement") if self.kind == "demand" else _("Not stated")
        trl.choices = [("", unset), *trl_choices()]

    def _kept_industry(self) -> list[tuple[str, str]]:
        """Return a class that an import set and the list of divisions does not hold."""
        code = self.listing.industry if self.listing is not None else ""
        return [(code, f"{code} {industry_name(code)}")] if code and len(code) != 3 else []

    def clean_valid_until(self) -> dt.date | None:
        day: dt.date | None = self.cleaned_data["valid_until"]
        if day is not None and day <= timezone.localdate():
            raise ValidationError(_("Please choose a day in the future."))
        return day

    def clean(self) -> dict[str, Any]:
        low, high = self.cleaned_data.get("money_min"), self.cleaned_data.get("money_max")
        if low is not None and high is not None and low > high:
            self.add_error("money_max", _("The upper amount is below the lower one."))
        return self.cleaned_data

    def organization(self) -> Organization:
        organization: Organization = (
            self.listing.owner if self.listing is not None else self.cleaned_data["owner"]
        )
        return organization

    def content(self, indicators: list[dict[str, Any]]) -> dict[str, Any]:
        """Return what the services store: of a form with errors, the fields that have none."""
        content = {name: value for name, value in self.cleaned_data.items() if name != "owner"}
        return content | {"indicators": indicators}

    def check_submission(self, indicators: list[dict[str, Any]]) -> None:
        """Add what forbids to submit: what is missing, what gives the owner away, who asks."""
        if self.listing is None and "owner" not in self.cleaned_data:
            return
        owner = self.organization()
        content = self.content(indicators)
        try:
            check_complete(self.model(owner=owner, **content))
        except ValidationError as exc:
            for field, errors in exc.error_dict.items():
                if field not in self.errors:
                    self.add_error(field, errors)
        for leak in find_leaks(content, owner):
            place = leak.field if leak.field in self.fields else None
            self.add_error(place, leak_sentence(leak.snippet, str(leak.kind.label)))
        if not owner.is_verified:
            self.add_error(
                None,
                _(
                    "Your organization has not been verified yet. Save it as a draft; you can "
                    "submit it after the verification."
                ),
            )


def leak_sentence(snippet: str, kind: str) -> str:
    return _(
        "“%(snippet)s” looks like %(kind)s. Others must not see it before the introduction."
    ) % {
        "snippet": snippet,
        "kind": kind,
    }


def _hints(kind: str) -> dict[str, str]:
    common = {
        "keywords": _("Up to 10, divided by commas. Example: %(example)s")
        % {"example": _("induction hardening, slewing bearing, distortion")},
        "valid_until": _("After this day it leaves the list unless you confirm that it is true."),
        "industry": _("Where it is used. Type to search, or choose from the list."),
    }
    if kind == "demand":
        return common | {
            "title": _("What is to be solved, in one line. Example: %(example)s")
            % {"example": _("Distortion control in hardening large wind-power bearing rings")},
            "summary": _(
                "Everybody can read it. Two or three sentences, without names or contacts. "
                "Example: %(example)s"
            )
            % {
                "example": _(
                    "Bearing rings of 2–4 m distort by up to 0.6 mm in hardening; we look for a "
                    "process that keeps it below 0.35 mm."
                )
            },
            "body": _(
                "Members of verified organizations can read it. How it is done today, what you "
                "tried and why that failed, conditions on site. Example: %(example)s"
            )
            % {
                "example": _(
                    "We harden in segments at medium frequency; the joint stays soft, and grinding "
                    "takes off more than 1.2 mm. Flexible supports did not help."
                )
            },
            "region": _("Where it is to be used."),
            "trl": _("The least level you can work with."),
            "money_min": _("Leave both empty when it is negotiable."),
        }
    return common | {
        "title": _("What it is, in one line. Example: %(example)s")
        % {"example": _("Synchronous double-inductor hardening without a soft zone")},
        "summary": _(
            "Everybody can read it. Two or three sentences, without names or contacts. "
            "Example: %(example)s"
        )
        % {
            "example": _(
                "Two inductors meet without a soft zone; a ring of 3.2 m kept its roundness "
                "within 0.41 mm."
            )
        },
        "body": _(
            "Members of verified organizations can read it. How it works, what was measured and "
            "where, what is still missing. Example: %(example)s"
        )
        % {
            "example": _(
                "Tested on 46 rings on a pilot line, report of a third party; rings above 4 m have "
                "not been tried."
            )
        },
        "region": _("Where the team is."),
        "trl": _("The level that you can prove."),
        "money_min": _("Leave both empty when it is negotiable."),
    }


HARDNESS = (
    ("hard", pgettext_lazy("tag", "Must have")),
    ("soft", pgettext_lazy("tag", "Nice to have")),
)


class IndicatorForm(forms.Form):
    """One indicator. A row without a name and a value is no row."""

    use_required_attribute = False

    name = ShortText(label=gettext_lazy("Indicator"), required=False, max_length=MAX_NAME)
    op = forms.ChoiceField(label=gettext_lazy("Relation"), required=False, choices=OP_CHOICES)
    value = ShortText(label=gettext_lazy("Value"), required=False, max_length=40)
    high = ShortText(label=gettext_lazy("Up to"), required=False, max_length=40)
    unit = ShortText(label=gettext_lazy("Unit"), required=False, max_length=40)
    kind = forms.ChoiceField(label=gettext_lazy("Importance"), required=False, choices=HARDNESS)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.indicator: dict[str, Any] | None = None
        for field in self.fields.values():
            chooses = isinstance(field.widget, forms.Select)
            field.widget.attrs["class"] = "form-select" if chooses else "form-control"

    def clean(self) -> dict[str, Any]:
        data = self.cleaned_data
        if self.errors or self.is_blank() or data.get("DELETE"):
            return data
        row = {key: data[key] for key in ("name", "value", "high", "unit")}
        row |= {"op": data["op"] or "ge", "hard": data["kind"] == "hard"}
        try:
            [self.indicator] = clean_indicators([row])
        except ValidationError as exc:
            for error in exc.error_list:
                # It was checked alone; on the page it has a number.
                error.params = {**(error.params or {}), "row": self.number()}
                self.add_error(error.code if error.code in row else "name", error)
        return data

    def number(self) -> int:
        """Return the row's number as a person counts it."""
        return int(str(self.prefix).rpartition("-")[2]) + 1

    def is_blank(self) -> bool:
        return not any(self.cleaned_data.get(key) for key in ("name", "value", "high", "unit"))

    def understood(self) -> str:
        """Say how a row was read, in words of the platform."""
        indicator = self.indicator
        return display(Indicator.from_json(indicator)) if indicator else ""


_TOO_MANY_ROWS = ngettext_lazy(
    "Please keep to %(num)d indicator.", "Please keep to %(num)d indicators.", "num"
)


if TYPE_CHECKING:
    _RowsBase = forms.BaseFormSet[IndicatorForm]
else:
    _RowsBase = forms.BaseFormSet


class _IndicatorFormSet(_RowsBase):
    default_error_messages = {
        **forms.BaseFormSet.default_error_messages,
        "too_many_forms": _TOO_MANY_ROWS,
        "missing_management_form": gettext_lazy(
            "The rows of indicators have not arrived whole. Try again."
        ),
    }

    def clean(self) -> None:
        if int(self.management_form.cleaned_data["TOTAL_FORMS"] or 0) < 0:
            # Reading it as “no rows” would delete what is stored.
            raise ValidationError(_("The rows of indicators have not arrived whole. Try again."))

    def rows(self) -> list[dict[str, Any]]:
        """Return the indicators as they are stored, without wrong, blank and deleted rows."""
        return [form.indicator for form in self.forms if form.indicator]


_made = forms.formset_factory(
    IndicatorForm,
    formset=_IndicatorFormSet,
    extra=0,
    max_num=MAX_INDICATORS,
    # Rows beyond it are not even read, however many a forged request announces.
    absolute_max=MAX_INDICATORS,
    validate_max=True,
    can_delete=True,
)
IndicatorFormSet = cast("type[_IndicatorFormSet]", _made)


def initial_rows(listing: Listing | None) -> list[dict[str, Any]]:
    """Return the stored indicators as the formset shows them, then empty rows to write in."""
    rows = [
        {**row, "kind": "hard" if row.get("hard") else "soft"}
        for row in (listing.indicators if listing is not None else [])
    ]
    blank = max(BLANK_ROWS - len(rows), 1)
    return (rows + [{} for _row in range(blank)])[:MAX_INDICATORS]


def with_more_rows(data: QueryDict) -> list[dict[str, Any]]:
    """Return the rows as they were typed, not judged yet, with a few empty ones after them."""
    total = data.get("indicators-TOTAL_FORMS", "")
    count = min(int(total), MAX_INDICATORS) if re.fullmatch(r"\d{1,4}", total) else 0
    keys = [*IndicatorForm.base_fields, "DELETE"]
    rows: list[dict[str, Any]] = [
        {key: data.get(f"indicators-{number}-{key}", "") for key in keys} for number in range(count)
    ]
    return (rows + [{} for _row in range(MORE_ROWS)])[:MAX_INDICATORS]


def as_typed(data: QueryDict) -> dict[str, Any]:
    """Return what was typed into the listing's own fields, not judged yet."""
    names = [*ListingForm.base_fields]
    return {name: data.getlist(name) if name == "modes" else data.get(name, "") for name in names}


def initial_listing(listing: Listing | None, organization: Organization | None) -> dict[str, Any]:
    """Return what a form starts with: a listing's content, or what can be guessed for a new one."""
    if listing is not None:
        names = [name for name in ListingForm.base_fields if name != "owner"]
        return {name: getattr(listing, name) for name in names}
    return {
        "region": organization.region if organization else "",
        "language": "en" if (get_language() or "").startswith("en") else "zh",
        "valid_until": timezone.localdate() + dt.timedelta(days=VALID_AS_PROPOSED),
    }


def read_nonce(text: str) -> str:
    """Return the hidden mark of a form, or a new one. The same mark creates one listing only."""
    return text if re.fullmatch(r"[0-9a-f]{32}", text) else uuid.uuid4().hex


@dataclass(frozen=True)
class Problem:
    """One line of the error summary."""

    target: str
    label: str
    text: str


def problems(form: ListingForm, rows: _IndicatorFormSet) -> Iterator[Problem]:
    """Yield everything to be changed, in the order of the page."""
    for text in form.non_field_errors():
        yield Problem("", "", str(text))
    for text in rows.non_form_errors():
        yield Problem("indicators", pgettext("listing", "Indicators"), str(text))
    before_rows = ("owner", "title", "summary", "body", "keywords")
    names = list(form.fields)
    for name in (name for name in names if name in before_rows):
        yield from _of_field(form, name)
    for number, row in enumerate(rows.forms, 1):
        if row in rows.deleted_forms:
            continue
        for name, errors in row.errors.as_data().items():
            target = row[name].id_for_label if name in row.fields else "indicators"
            for error in errors:
                # The sentences of `clean_indicators` begin with the row themselves.
                named = "row" in (error.params or {})
                label = "" if named else _("Indicator %(number)d") % {"number": number}
                yield Problem(target, label, " ".join(error.messages))
    for name in (name for name in names if name not in before_rows):
        yield from _of_field(form, name)


def _of_field(form: ListingForm, name: str) -> Iterator[Problem]:
    bound = form[name]
    # A group of ticks has no id of its own: its first one is the place to go.
    target = bound.id_for_label or f"{bound.auto_id}_0"
    for text in bound.errors:
        yield Problem(target, str(bound.label), str(text))


class NoteForm(forms.Form):
    """A word to those who look back later."""

    note = LongText(label=gettext_lazy("Note"), required=False, max_length=NOTE_LIMIT, rows=3)


class CloseForm(NoteForm):
    """How a published listing ended."""

    status = forms.ChoiceField(
        label=gettext_lazy("How did it end?"),
        widget=forms.RadioSelect,
        error_messages={"required": gettext_lazy("Please choose how it ended.")},
    )
    field_order = ("status", "note")

    def __init__(self, *args: Any, kind: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        status = self.fields["status"]
        assert isinstance(status, forms.ChoiceField)
        done = (
            (ListingStatus.FULFILLED.value, _("Solved: the problem is off the table"))
            if kind == "demand"
            else (ListingStatus.TRANSFERRED.value, _("Transferred: it has found its user"))
        )
        status.choices = [done, (ListingStatus.CLOSED.value, _("Ended without a result"))]


class ConfirmForm(forms.Form):
    """Until when a listing stays true."""

    valid_until = DayField(label=gettext_lazy("Valid until"))

    def clean_valid_until(self) -> dt.date:
        day: dt.date = self.cleaned_data["valid_until"]
        if day <= timezone.localdate():
            raise ValidationError(_("Please choose a day in the future."))
        return day


class DecisionForm(_NeededInTheEnd):
    """What a reviewer says of a submitted listing."""

    NEEDED = ("reason",)

    decision = forms.ChoiceField(
        label=gettext_lazy("Your decision"),
        choices=ListingDecision.choices,
        widget=forms.RadioSelect,
        error_messages={"required": gettext_lazy("Please choose a decision.")},
    )
    reason = forms.ChoiceField(
        label=gettext_lazy("Reason"),
        required=False,
        choices=[("", gettext_lazy("No reason needed")), *ListingReason.choices],
        help_text=gettext_lazy("Needed unless you publish. The owner reads it."),
    )
    note = LongText(
        label=gettext_lazy("Note to the owner"),
        required=False,
        max_length=NOTE_LIMIT,
        rows=4,
        help_text=gettext_lazy(
            "Say which sentence, and what would do. Example: the hardness has no unit."
        ),
    )
    # The version that was read: another one must not be published unseen.
    version = forms.IntegerField(widget=forms.HiddenInput(), min_value=0, max_value=2**31 - 1)

    def clean(self) -> dict[str, Any]:
        decision, reason = self.cleaned_data.get("decision"), self.cleaned_data.get("reason")
        if decision == ListingDecision.PUBLISH:
            self.cleaned_data["reason"] = ""
        elif decision and not reason and "reason" not in self.errors:
            self.add_error("reason", _("Please choose a reason."))
        elif reason == ListingReason.OTHER and not self.cleaned_data.get("note"):
            self.add_error("note", _("Please say the reason in a sentence."))
        return self.cleaned_data
