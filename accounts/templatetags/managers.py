"""What pages about technology managers share: their stars, their days off."""

from __future__ import annotations

from decimal import Decimal

from django import template
from django.utils.formats import number_format

from accounts.absences import said
from accounts.models import Absence, ManagerStars
from accounts.stars import MINIMUM, Shown, missing_parts, shown_parts
from accounts.templatetags.kq import day

register = template.Library()


@register.filter
def stars_number(value: Decimal) -> str:
    """Show “4” and “4.5”, never “4.0”."""
    return str(number_format(value, 0 if value == value.to_integral_value() else 1))


@register.filter
def star_parts(stars: ManagerStars) -> list[Shown]:
    return shown_parts(stars)


@register.filter
def star_gaps(stars: ManagerStars) -> list[str]:
    return missing_parts(stars)


@register.simple_tag
def stars_minimum() -> int:
    return MINIMUM


@register.filter
def days_off(absence: Absence) -> str:
    return said(absence, day)
