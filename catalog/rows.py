"""The rows of a listing's form: indicators, and intellectual property."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, ClassVar, cast

from django import forms
from django.core.exceptions import ValidationError
from django.utils.datastructures import MultiValueDict
from django.utils.translation import gettext_lazy, ngettext_lazy, pgettext_lazy
from django_stubs_ext import StrOrPromise

from catalog.fields import ShortText
from catalog.indicators import (
    MAX_INDICATORS,
    MAX_NAME,
    OP_CHOICES,
    Indicator,
    clean_indicators,
    display,
)
from catalog.ip import MAX_FAMILY, MAX_ITEMS, MAX_NUMBER, IpKind, IpStatus, clean_ip_item
from catalog.models import Achievement, Listing

MORE_ROWS = 3

HARDNESS = (
    ("hard", pgettext_lazy("tag", "Must have")),
    ("soft", pgettext_lazy("tag", "Nice to have")),
)


class RowForm(forms.Form):
    """One row. One in which nothing is written is no row; `row` is what is stored of it."""

    use_required_attribute = False
    # Where a sentence goes that names no field.
    FIRST: ClassVar[str]
    # A row with nothing in any of these is blank.
    WRITTEN: ClassVar[tuple[str, ...]]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.row: dict[str, Any] | None = None
        for field in self.fields.values():
            chooses = isinstance(field.widget, forms.Select)
            field.widget.attrs["class"] = "form-select" if chooses else "form-control"

    def clean(self) -> dict[str, Any]:
        data = self.cleaned_data
        if self.errors or self.is_blank() or data.get("DELETE"):
            return data
        try:
            self.row = self.read()
        except ValidationError as exc:
            for error in exc.error_list:
                # It was checked alone; on the page it has a number.
                error.params = {**(error.params or {}), "row": self.place()}
                self.add_error(error.code if error.code in self.fields else self.FIRST, error)
        return data

    def read(self) -> dict[str, Any]:
        """Return the row as it is stored. Raises `ValidationError`."""
        raise NotImplementedError

    def place(self) -> int:
        """Return the row's number as a person counts it."""
        return int(str(self.prefix).rpartition("-")[2]) + 1

    def is_blank(self) -> bool:
        return not any(self.cleaned_data.get(key) for key in self.WRITTEN)


class IndicatorForm(RowForm):
    """One indicator."""

    FIRST = "name"
    WRITTEN = ("name", "value", "high", "unit")

    name = ShortText(label=gettext_lazy("Indicator"), required=False, max_length=MAX_NAME)
    op = forms.ChoiceField(label=gettext_lazy("Relation"), required=False, choices=OP_CHOICES)
    value = ShortText(label=gettext_lazy("Value"), required=False, max_length=40)
    high = ShortText(label=gettext_lazy("Up to"), required=False, max_length=40)
    unit = ShortText(label=gettext_lazy("Unit"), required=False, max_length=40)
    kind = forms.ChoiceField(label=gettext_lazy("Importance"), required=False, choices=HARDNESS)

    def read(self) -> dict[str, Any]:
        data = self.cleaned_data
        given = {key: data[key] for key in self.WRITTEN}
        given |= {"op": data["op"] or "ge", "hard": data["kind"] == "hard"}
        [row] = clean_indicators([given])
        return row

    def understood(self) -> str:
        """Say how a row was read, in words of the platform."""
        return display(Indicator.from_json(self.row)) if self.row else ""


class IpItemForm(RowForm):
    """One patent, copyright or secret."""

    FIRST = "number"
    WRITTEN = ("kind", "number", "family")

    kind = forms.ChoiceField(label=gettext_lazy("Kind"), required=False, choices=IpKind.choices)
    number = ShortText(label=gettext_lazy("Number"), required=False, max_length=MAX_NUMBER)
    status = forms.ChoiceField(
        label=gettext_lazy("Status"), required=False, choices=IpStatus.choices
    )
    family = ShortText(
        label=gettext_lazy("Family (same invention elsewhere)"),
        required=False,
        max_length=MAX_FAMILY,
    )

    def read(self) -> dict[str, Any]:
        return clean_ip_item(self.cleaned_data) or {}


_NOT_WHOLE = {
    "indicators": gettext_lazy("The rows of indicators have not arrived whole. Try again."),
    "ip": gettext_lazy("The rows of intellectual property have not arrived whole."),
}


if TYPE_CHECKING:
    _RowsBase = forms.BaseFormSet[RowForm]
else:
    _RowsBase = forms.BaseFormSet


class RowSet(_RowsBase):
    """Rows of one kind, with a few empty ones to write in."""

    # What the page calls one of them, and the anchor of all.
    one: ClassVar[StrOrPromise]
    blank: ClassVar[int]
    anchor: ClassVar[str]

    def clean(self) -> None:
        if int(self.management_form.cleaned_data["TOTAL_FORMS"] or 0) < 0:
            # Reading it as “no rows” would delete what is stored.
            raise ValidationError(str(_NOT_WHOLE[self.anchor]))

    def rows(self) -> list[dict[str, Any]]:
        """Return the rows as they are stored, without wrong, blank and deleted ones."""
        return [form.row for form in self.forms if form.row]

    @property
    def is_full(self) -> bool:
        return self.total_form_count() >= self.max_num


class IndicatorRows(RowSet):
    default_error_messages: ClassVar = {
        **forms.BaseFormSet.default_error_messages,
        "too_many_forms": ngettext_lazy(
            "Please keep to %(num)d indicator.", "Please keep to %(num)d indicators.", "num"
        ),
        "missing_management_form": _NOT_WHOLE["indicators"],
    }
    one = gettext_lazy("Indicator %(number)d")
    blank = 5
    anchor = "indicators"


class IpRows(RowSet):
    default_error_messages: ClassVar = {
        **forms.BaseFormSet.default_error_messages,
        "too_many_forms": ngettext_lazy(
            "Please keep to %(num)d item of intellectual property.",
            "Please keep to %(num)d items of intellectual property.",
            "num",
        ),
        "missing_management_form": _NOT_WHOLE["ip"],
    }
    one = gettext_lazy("Intellectual property, row %(number)d")
    blank = 2
    anchor = "ip"


def _formset(form: type[RowForm], rows: type[RowSet], most: int) -> type[RowSet]:
    made = forms.formset_factory(
        form,
        formset=rows,
        extra=0,
        max_num=most,
        # Rows beyond it are not even read, however many a forged request announces.
        absolute_max=most,
        validate_max=True,
        can_delete=True,
    )
    return cast("type[RowSet]", made)


# By the prefix of their fields on the page.
ROW_SETS: dict[str, type[RowSet]] = {
    "indicators": _formset(IndicatorForm, IndicatorRows, MAX_INDICATORS),
    "ip": _formset(IpItemForm, IpRows, MAX_ITEMS),
}
# The model field that each is stored in.
ROW_FIELDS = {"indicators": "indicators", "ip": "ip_items"}


def stored_rows(prefix: str, listing: Listing | None) -> list[dict[str, Any]]:
    """Return the stored rows as the formset shows them."""
    if prefix == "ip":
        return list(listing.ip_items) if isinstance(listing, Achievement) else []
    return [
        {**row, "kind": "hard" if row.get("hard") else "soft"}
        for row in (listing.indicators if listing is not None else [])
    ]


def with_blank_rows(prefix: str, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows with empty ones after them, to write in."""
    kind = ROW_SETS[prefix]
    return (rows + [{} for _row in range(max(kind.blank - len(rows), 1))])[: kind.max_num]


def typed_rows(prefix: str, data: MultiValueDict[str, str]) -> list[dict[str, Any]]:
    """Return the rows as they were typed, not judged yet."""
    kind = ROW_SETS[prefix]
    total = data.get(f"{prefix}-TOTAL_FORMS", "")
    count = min(int(total), kind.max_num) if re.fullmatch(r"\d{1,4}", total) else 0
    keys = [*kind.form.base_fields, "DELETE"]
    return [
        {key: data.get(f"{prefix}-{number}-{key}", "") for key in keys} for number in range(count)
    ]


def accepted_rows(values: list[str]) -> list[dict[str, Any]]:
    """Return the proposals that were ticked, as the formset shows them, without forged ones."""
    accepted: list[dict[str, Any]] = []
    for value in values[:MAX_INDICATORS]:
        try:
            [row] = clean_indicators([json.loads(value[:2000])])
        except (ValueError, RecursionError, ValidationError):
            continue
        accepted.append({**row, "kind": "hard" if row["hard"] else "soft"})
    return accepted


def with_accepted_rows(
    rows: list[dict[str, Any]], accepted: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Return the rows that were written, followed by what was accepted."""
    written = [row for row in rows if any(row.get(key) for key in IndicatorForm.WRITTEN)]
    return with_blank_rows("indicators", (written + accepted)[:MAX_INDICATORS])


def with_more_rows(prefix: str, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return (rows + [{} for _row in range(MORE_ROWS)])[: ROW_SETS[prefix].max_num]
