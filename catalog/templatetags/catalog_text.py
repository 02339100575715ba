"""How templates write what a listing holds."""

from __future__ import annotations

from django import template

from catalog.indicators import Indicator, display

register = template.Library()


@register.filter
def indicator_value(indicator: Indicator) -> str:
    """Show what is asked or reached: “≥ 6 mm”, “58–62 HRC”."""
    return display(indicator)


@register.filter
def indicator(indicator: Indicator) -> str:
    """Show an indicator on one line of a list: “圆度变形 ≤ 0.35 mm”."""
    return f"{indicator.name} {display(indicator)}"
