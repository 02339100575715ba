"""What a listing says beside its title and summary, in the order in which people read it.

Made from a reader's copy (`catalog.disclosure.shown`): what that lacks is told by name and tier;
of what is for the introduction, only that there is more.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext
from django_stubs_ext import StrOrPromise

from accounts.permissions import Tier
from accounts.templatetags.kq import day
from catalog.disclosure import RULES, TIER_LABELS, Hidden, kind_of, tier_of
from catalog.ip import IpKind, IpStatus
from catalog.models import (
    AchievementNeed,
    Exclusivity,
    IpExpectation,
    Listing,
    OwnershipMode,
)

Mask = Callable[[str], str]

# Groups of a page, and what stands in each. Facts of one line stand in a list of their own.
_GROUPS: dict[str, tuple[tuple[str, StrOrPromise, tuple[str, ...]], ...]] = {
    "demand": (
        ("problem", gettext_lazy("The problem"), ("body", "process", "tried")),
        (
            "terms",
            gettext_lazy("Conditions"),
            ("deadline", "funded", "exclusivity", "ip_expectation", "partners"),
        ),
    ),
    "achievement": (
        (
            "solution",
            gettext_lazy("The solution"),
            ("body", "novelty", "advantages", "scenarios"),
        ),
        ("maturity", gettext_lazy("Maturity and next steps"), ("trl_evidence", "needs")),
        (
            "rights",
            gettext_lazy("Rights"),
            ("ip_items", "ownership", "encumbrances", "expert"),
        ),
    ),
}


@dataclass(frozen=True)
class Detail:
    """One thing a listing says: a text, short lines, or the note that it is closed."""

    key: str
    label: StrOrPromise
    text: str = ""
    lines: tuple[str, ...] = ()
    hidden: Hidden | None = None


@dataclass(frozen=True)
class Group:
    key: str
    title: StrOrPromise
    details: list[Detail] = field(default_factory=list)

    @property
    def is_short(self) -> bool:
        """Whether it reads as a table of keys and values."""
        return not any(detail.text for detail in self.details)


def detail_groups(row: Any, mask: Mask = str) -> list[Group]:
    """Return what a reader's copy of a listing or revision says; `mask` goes over every text."""
    kind = kind_of(row)
    groups = []
    for key, title, keys in _GROUPS[kind]:
        details = [detail for one in keys if (detail := _detail(row, kind, one, mask))]
        if details:
            groups.append(Group(key, title, details))
    return groups


def has_more(row: Any) -> bool:
    """Say whether there is something that only an introduction shows."""
    return any(not one.is_told for one in row.hidden.values())


def _detail(row: Any, kind: str, key: str, mask: Mask) -> Detail | None:
    label = RULES[kind][key].label
    if hidden := row.hidden.get(key):
        return Detail(key, label, hidden=hidden) if hidden.is_told else None
    if key in _LINES:
        lines = tuple(mask(line) for line in _LINES[key](row))
        return Detail(key, label, lines=lines) if lines else None
    text = mask(getattr(row, key))
    return Detail(key, label, text=text) if text else None


def _choice(choices: Any, value: str) -> list[str]:
    return [str(choices(value).label)] if value else []


def _deadline(row: Any) -> list[str]:
    return [day(row.deadline)] if row.deadline else []


def _funded(row: Any) -> list[str]:
    if row.funded is None:
        return []
    return [_("Funding is secured") if row.funded else _("Funding is not secured yet")]


def _partners(row: Any) -> list[str]:
    return [line for line in row.partners.splitlines() if line.strip()]


def _needs(row: Any) -> list[str]:
    return [str(AchievementNeed(need).label) for need in row.needs]


def _ip_items(row: Any) -> list[str]:
    lines = []
    for item in row.ip_items:
        parts = [
            *_choice(IpKind, item.get("kind", "")),
            item.get("number", ""),
            *_choice(IpStatus, item.get("status", "")),
            item.get("family", ""),
        ]
        lines.append(" · ".join(part for part in parts if part))
    return lines


def _ownership(row: Any) -> list[str]:
    lines = _choice(OwnershipMode, row.ownership)
    start, end = row.publicity_from, row.publicity_until
    if start or end:
        lines.append(_("Publicity period: %(days)s") % {"days": _days(start, end)})
    return lines


def _days(start: dt.date | None, end: dt.date | None) -> str:
    if start and end:
        return f"{day(start)} – {day(end)}"
    if start:
        return _("from %(day)s") % {"day": day(start)}
    return _("until %(day)s") % {"day": day(end)}


def _expert(row: Any) -> list[str]:
    return [
        *([row.lead_expert] if row.lead_expert else []),
        *([f"ORCID {row.orcid}"] if row.orcid else []),
    ]


_LINES: dict[str, Callable[[Any], list[str]]] = {
    "deadline": _deadline,
    "funded": _funded,
    "exclusivity": lambda row: _choice(Exclusivity, row.exclusivity),
    "ip_expectation": lambda row: _choice(IpExpectation, row.ip_expectation),
    "partners": _partners,
    "needs": _needs,
    "ip_items": _ip_items,
    "ownership": _ownership,
    "expert": _expert,
}


def audiences(listing: Listing) -> list[tuple[StrOrPromise, list[StrOrPromise]]]:
    """Return for its owner who may read what of a listing: of what is filled in, by tier."""
    by_tier: dict[Tier, list[StrOrPromise]] = {tier: [] for tier in Tier}
    by_tier[Tier.PUBLIC].append(pgettext("parts of a listing", "Title, summary, keywords, classes"))
    for key, rule in RULES[listing.kind].items():
        if any(getattr(listing, name) not in ("", None, []) for name in rule.fields):
            by_tier[tier_of(listing.kind, key, listing.disclosure)].append(rule.label)
    by_tier[Tier.INTRODUCED].append(_("Your organization's name and contacts"))
    return [(TIER_LABELS[tier], labels) for tier, labels in by_tier.items() if labels]
