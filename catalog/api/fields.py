"""Fields of the API, which tidy and refuse what people's programs send as the forms do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from accounts.text import clean_line, clean_text
from catalog.indicators import MAX_INDICATORS, MAX_NAME, OP_CHOICES, clean_indicators
from catalog.ip import MAX_FAMILY, MAX_ITEMS, MAX_NUMBER, IpKind, IpStatus

Value = TypeVar("Value")


def told(clean: Callable[[Any], Value], value: Any) -> Value:
    """Clean a value as the forms do; what is wrong with it is said in the same words."""
    try:
        return clean(value)
    except ValidationError as error:
        raise serializers.ValidationError(error.messages) from None


class Line(serializers.CharField):
    """One line of text."""

    def to_internal_value(self, data: Any) -> str:
        return told(clean_line, super().to_internal_value(data))


class Text(serializers.CharField):
    """Many lines of text."""

    def to_internal_value(self, data: Any) -> str:
        return told(clean_text, super().to_internal_value(data))


class Code(serializers.CharField):
    """A code of a list, also by its name, as in the import; stored and answered as the code."""

    default_error_messages = {"unknown": _("“%(value)s” is not known.")}

    def __init__(self, *, find: Callable[[str], str], **kwargs: Any) -> None:
        self.find = find
        super().__init__(max_length=100, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        text = told(clean_line, super().to_internal_value(data))
        code = self.find(text) if text else ""
        if text and not code:
            raise serializers.ValidationError(
                str(self.error_messages["unknown"]) % {"value": text[:100]}
            )
        return code


class Day(serializers.DateField):
    """A date as the form's own field for it takes it."""

    def __init__(self, *, form_field: Callable[[], Any], **kwargs: Any) -> None:
        self.form_field = form_field
        super().__init__(**kwargs)

    def to_internal_value(self, data: Any) -> Any:
        day = super().to_internal_value(data)
        return told(self.form_field().clean, day)


class IndicatorSerializer(serializers.Serializer[Any]):
    """One technical requirement or result. `high` belongs to a range."""

    name = serializers.CharField(max_length=MAX_NAME)
    op = serializers.ChoiceField(choices=[key for key, _label in OP_CHOICES])
    value = serializers.CharField(help_text=_("A number as text, so that no digit is lost."))
    high = serializers.CharField(allow_blank=True, required=False)
    unit = serializers.CharField(
        allow_blank=True, required=False, help_text=_("Such as “mm” or “g/cm3”.")
    )
    hard = serializers.BooleanField(
        required=False, help_text=_("Must have, rather than nice to have.")
    )


class IpItemSerializer(serializers.Serializer[Any]):
    """A patent, a copyright, a plant variety or a secret."""

    kind = serializers.ChoiceField(choices=IpKind.values)
    number = serializers.CharField(max_length=MAX_NUMBER, allow_blank=True)
    status = serializers.ChoiceField(choices=IpStatus.values, required=False)
    family = serializers.CharField(max_length=MAX_FAMILY, allow_blank=True, required=False)


class _Rows(serializers.Field[Any, Any, Any, Any]):
    def to_representation(self, value: Any) -> Any:
        return value


@extend_schema_field(
    serializers.ListSerializer(child=IndicatorSerializer(), max_length=MAX_INDICATORS)
)
class Indicators(_Rows):
    """Rows of indicators; the sentences about a wrong one name its row."""

    def to_internal_value(self, data: Any) -> list[dict[str, Any]]:
        return told(clean_indicators, data)


@extend_schema_field(serializers.ListSerializer(child=IpItemSerializer(), max_length=MAX_ITEMS))
class IpItems(_Rows):
    """Rows of intellectual property; the service reads them, as those of the form."""

    def to_internal_value(self, data: Any) -> Any:
        return data
