"""How templates write what a listing holds."""

from __future__ import annotations

from django import template
from django.utils.translation import gettext_lazy as _

from catalog.indicators import Indicator, display
from catalog.models import ListingEvent

register = template.Library()

# A step that is over, where a status says how things are.
STEPS = {
    "draft": _("Draft written"),
    "submitted": _("Handed in for the check"),
    "needs_info": _("More was asked for"),
    "rejected": _("Not accepted"),
    "expired": _("Validity ran out"),
}


@register.filter
def indicator_value(indicator: Indicator) -> str:
    """Show what is asked or reached: “≥ 6 mm”, “58–62 HRC”."""
    return display(indicator)


@register.filter
def indicator(indicator: Indicator) -> str:
    """Show an indicator on one line of a list: “圆度变形 ≤ 0.35 mm”."""
    return f"{indicator.name} {display(indicator)}"


@register.filter
def step(event: ListingEvent) -> str:
    """Say what happened in a step of a listing's life."""
    return str(STEPS.get(event.after) or event.get_after_display())
