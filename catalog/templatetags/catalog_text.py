"""How templates write what a listing holds."""

from __future__ import annotations

from typing import Any

from django import template
from django.utils import timezone
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from accounts.permissions import Tier
from catalog.classes import class_name
from catalog.disclosure import RULES, TIER_LABELS
from catalog.indicators import Indicator, display
from catalog.models import Listing, ListingEvent

register = template.Library()


@register.simple_tag
def disclosure_rows() -> list[dict[str, Any]]:
    """Return who reads which field of either list unless its owner chooses otherwise."""
    rows: dict[str, dict[str, Any]] = {}
    for rules in RULES.values():
        for rule in rules.values():
            rows[str(rule.label)] = {
                "part": rule.label,
                "cells": [rule.default <= tier for tier in Tier],
                "widest": TIER_LABELS[rule.widest] if rule.widest > Tier.PUBLIC else "",
            }
    return list(rows.values())


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
def named_class(code: str, scheme: str) -> str:
    """Show a class as its code and name: “C21D …”."""
    return f"{code} {class_name(scheme, code)}".strip()


@register.filter
def step(event: ListingEvent) -> str:
    """Say what happened in a step of a listing's life."""
    return str(STEPS.get(event.after) or event.get_after_display())


@register.filter
def confirmed(listing: Listing) -> str:
    """Say how long ago the owner called a published listing true; nothing if only at the start."""
    if listing.confirmed_at is None or listing.published_at is None:
        return ""
    if listing.confirmed_at <= listing.published_at:
        return ""
    days = (timezone.localdate() - timezone.localtime(listing.confirmed_at).date()).days
    if days < 1:
        return gettext("confirmed today")
    return ngettext("confirmed %(days)d day ago", "confirmed %(days)d days ago", days) % {
        "days": days
    }


@register.filter
def ending(listing: Listing) -> str:
    """Say that a listing's last day is near."""
    if listing.valid_until is None:
        return ""
    days = (listing.valid_until - timezone.localdate()).days
    if not 0 <= days <= 14:
        return ""
    if days == 0:
        return gettext("ends today")
    return ngettext("%(days)d day left", "%(days)d days left", days) % {"days": days}
