"""Fields of the forms of listings: texts with limits, money, keywords, days, classes."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext_lazy

from accounts.fields import LineField, TextField
from accounts.text import clean_line
from catalog.classes import Scheme, clean_classes, is_known, search_classes
from catalog.ip import clean_orcid

KEYWORD_LIMIT = 10
KEYWORD_LENGTH = 40
# Whole yuan; a figure above a hundred billion has lost its unit.
MONEY_LIMIT = 100_000_000_000
# Days. Nobody knows today what is true later than that.
VALID_AT_MOST = 3 * 366

_TOO_LONG = ngettext_lazy(
    "Please shorten it to %(limit_value)d character; it has %(show_value)d now.",
    "Please shorten it to %(limit_value)d characters; it has %(show_value)d now.",
    "limit_value",
)
_TOO_LONG_MESSAGES = {"max_length": _TOO_LONG}


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

    def __init__(self, *, error_messages: Mapping[str, Any] | None = None, **kwargs: Any) -> None:
        super().__init__(error_messages={**_TOO_LONG_MESSAGES, **(error_messages or {})}, **kwargs)


class LongText(_Unlimited, TextField):
    """Many lines with a limit that is said in a sentence."""

    def __init__(
        self, *, rows: int, error_messages: Mapping[str, Any] | None = None, **kwargs: Any
    ) -> None:
        super().__init__(
            error_messages={**_TOO_LONG_MESSAGES, **(error_messages or {})},
            widget=forms.Textarea(attrs={"rows": rows}),
            **kwargs,
        )


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


class FactDayField(forms.DateField):
    """A day that may have passed: of a publicity period, or by which something was needed."""

    FIRST, LAST = dt.date(1990, 1, 1), dt.date(2100, 1, 1)

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            required=False,
            widget=DateInput(),
            input_formats=["%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d"],
            error_messages={
                "invalid": gettext_lazy("Please write a date such as 2027-05-31."),
            },
            **kwargs,
        )

    def validate(self, value: dt.date | None) -> None:
        super().validate(value)
        if value is not None and not self.FIRST <= value < self.LAST:
            raise ValidationError(self.error_messages["invalid"], code="invalid")


class OrcidField(ShortText):
    """The number of a researcher, in its one spelling."""

    def clean(self, value: Any) -> str:
        return clean_orcid(super().clean(value))


def _in_box(data: Mapping[str, Any], name: str, scheme: str) -> list[str]:
    """Return the codes that were written into the search of a scheme, by code or whole name."""
    found = []
    for text in re.split(r"[,，、;；]", str(data.get(f"find_{name}", ""))[:500]):
        for entry in search_classes(scheme, text, limit=1):
            if text.strip().casefold() in (entry.code.casefold(), entry.zh, entry.en.casefold()):
                found.append(entry.code)
    return found


class _Ticks(forms.CheckboxSelectMultiple):
    """The chosen classes are ticks; a code that was left in the search counts as chosen."""

    scheme = ""

    def value_from_datadict(self, data: Any, files: Any, name: str) -> list[str]:
        ticked = data.getlist(name) if hasattr(data, "getlist") else list(data.get(name, []))
        return [*ticked, *_in_box(data, name, self.scheme)]

    def id_for_label(self, id_: str, index: str | None = None) -> str:
        # The search is where a link of the error summary leads.
        return id_


class ClassesField(forms.Field):
    """Classes of one scheme, chosen by searching; a list of codes."""

    def __init__(self, scheme: str, **kwargs: Any) -> None:
        widget = _Ticks()
        widget.scheme = scheme
        super().__init__(required=False, widget=widget, **kwargs)
        self.scheme = scheme

    def clean(self, value: Any) -> list[str]:
        return clean_classes(self.scheme, value or [])

    def prepare_value(self, value: Any) -> Any:
        return value or []


class IndustryField(forms.ChoiceField):
    """A class of GB/T 4754: the list offers the divisions, the search any."""

    def valid_value(self, value: Any) -> bool:
        return is_known(Scheme.INDUSTRY, str(value))


class TierField(forms.ChoiceField):
    """Who may read something. One that did not arrive keeps what is stored."""

    def clean(self, value: Any) -> str:
        return str(super().clean(value)) if value else ""
