"""Who may read which field of a listing: four tiers, safe defaults, and what can't be opened.

Title, summary, keywords, classes, region, cooperation modes and the last day are what a listing
is found by: everybody reads them, so they must not name anybody (`catalog.leaks` checks that).
Every other field has a tier that its owner may change. What a number or a name would give away at
once (patents, the leading expert) cannot be opened to members at all, and a manager reads it where
the owner's name is open to them as well.

Whatever shows a listing to somebody goes through `shown`.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Any, TypeVar

from django.core.exceptions import ValidationError
from django.db.models import Model
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy
from django_stubs_ext import StrOrPromise

from accounts.permissions import Tier

TIER_NAMES: dict[str, Tier] = {tier.name.lower(): tier for tier in Tier}
TIER_LABELS: dict[Tier, StrOrPromise] = {
    Tier.PUBLIC: pgettext_lazy("tier", "Everybody"),
    Tier.MEMBERS: pgettext_lazy("tier", "Members of verified organizations"),
    Tier.MANAGERS: pgettext_lazy("tier", "Technology managers"),
    Tier.INTRODUCED: pgettext_lazy("tier", "The other side, once introduced"),
}


@dataclass(frozen=True)
class Rule:
    """What may be said of one thing: its label, model fields, usual tier and widest audience.

    `names`: it says who the owner is, as a patent's number does to whoever looks it up.
    """

    label: StrOrPromise
    fields: tuple[str, ...]
    default: Tier
    widest: Tier = Tier.PUBLIC
    names: bool = False

    def choices(self) -> list[Tier]:
        return [tier for tier in Tier if tier >= self.widest]


def _rule(
    label: StrOrPromise,
    fields: str,
    default: Tier,
    widest: Tier = Tier.PUBLIC,
    *,
    names: bool = False,
) -> Rule:
    return Rule(label, tuple(fields.split()), default, widest, names)


_COMMON = {
    "body": _rule(gettext_lazy("Description"), "body", Tier.MEMBERS),
    "indicators": _rule(pgettext_lazy("listing", "Indicators"), "indicators", Tier.PUBLIC),
    "trl": _rule(gettext_lazy("Technology readiness level"), "trl", Tier.PUBLIC),
    "money": _rule(gettext_lazy("Budget or price"), "money_min money_max", Tier.PUBLIC),
}
RULES: dict[str, dict[str, Rule]] = {
    "demand": {
        **_COMMON,
        "process": _rule(gettext_lazy("Current process"), "process", Tier.MEMBERS),
        "tried": _rule(gettext_lazy("What was tried"), "tried", Tier.MEMBERS),
        "deadline": _rule(gettext_lazy("Needed by"), "deadline", Tier.PUBLIC),
        "funded": _rule(gettext_lazy("Funding"), "funded", Tier.MEMBERS),
        "exclusivity": _rule(gettext_lazy("Exclusivity"), "exclusivity", Tier.MEMBERS),
        "ip_expectation": _rule(
            gettext_lazy("Intellectual property expected"), "ip_expectation", Tier.MEMBERS
        ),
        "partners": _rule(
            gettext_lazy("Wished partners or experts"), "partners", Tier.MANAGERS, Tier.MEMBERS
        ),
    },
    "achievement": {
        **_COMMON,
        "novelty": _rule(
            gettext_lazy("What is new over the best alternative"), "novelty", Tier.MEMBERS
        ),
        "advantages": _rule(gettext_lazy("Advantages in figures"), "advantages", Tier.MEMBERS),
        "scenarios": _rule(gettext_lazy("Where it is used"), "scenarios", Tier.MEMBERS),
        "trl_evidence": _rule(
            gettext_lazy("Evidence of the readiness level"), "trl_evidence", Tier.MEMBERS
        ),
        "ip_items": _rule(
            gettext_lazy("Intellectual property"),
            "ip_items",
            Tier.MANAGERS,
            Tier.MANAGERS,
            names=True,
        ),
        "ownership": _rule(
            gettext_lazy("Ownership and publicity period"),
            "ownership publicity_from publicity_until",
            Tier.MEMBERS,
        ),
        "encumbrances": _rule(gettext_lazy("Encumbrances"), "encumbrances", Tier.MANAGERS),
        "needs": _rule(gettext_lazy("What it still needs"), "needs", Tier.PUBLIC),
        "expert": _rule(
            gettext_lazy("Lead expert"),
            "lead_expert orcid",
            Tier.INTRODUCED,
            Tier.MANAGERS,
            names=True,
        ),
    },
}


M = TypeVar("M", bound=Model)


@dataclass(frozen=True)
class Hidden:
    """Something that its owner has stated and a reader does not get."""

    key: str
    label: StrOrPromise
    tier: Tier
    names: bool

    @property
    def is_told(self) -> bool:
        """Whether its label may be said: of what is for the introduction only that it exists."""
        return self.tier < Tier.INTRODUCED

    @property
    def who(self) -> str:
        if self.tier == Tier.MEMBERS:
            return _("open to members of verified organizations")
        if self.names:
            return _("open to the technology manager of a match")
        return _("open to technology managers")


def tier_of(kind: str, key: str, disclosure: Mapping[str, str]) -> Tier:
    """Return who may read what `key` names, under the owner's choices."""
    rule = RULES[kind][key]
    chosen = TIER_NAMES.get(disclosure.get(key, ""), rule.default)
    # A rule that became stricter after the choice was stored holds at once.
    return max(chosen, rule.widest)


def closed(
    kind: str, disclosure: Mapping[str, str], tier: Tier, *, names: bool = False
) -> frozenset[str]:
    """Return the keys of what a reader of `tier` must not learn; `names`: who knows the owner."""
    return _closed(kind, tuple(sorted(disclosure.items())), tier, names)


# Listings by the thousand are compared, most of them under the usual tiers.
@lru_cache(maxsize=4096)
def _closed(
    kind: str, disclosure: tuple[tuple[str, str], ...], tier: Tier, names: bool
) -> frozenset[str]:
    chosen = dict(disclosure)
    return frozenset(
        key
        for key, rule in RULES[kind].items()
        if tier_of(kind, key, chosen) > tier
        or (rule.names and not names and tier < Tier.INTRODUCED)
    )


def withheld(
    kind: str, disclosure: Mapping[str, str], tier: Tier, *, names: bool = False
) -> frozenset[str]:
    """Return the names of the model fields that a reader of `tier` must not learn."""
    keys = closed(kind, disclosure, tier, names=names)
    return frozenset(name for key in keys for name in RULES[kind][key].fields)


def kind_of(row: Model) -> str:
    """Return the list that a listing or one of its revisions belongs to."""
    return (row._meta.model_name or "").removesuffix("revision")


def shown(row: M, tier: Tier, *, names: bool = False, under: Mapping[str, str] | None = None) -> M:
    """Return a copy of a listing or revision without what a reader of `tier` must not learn.

    `under` are the tiers to go by, where its own are not the ones; see `stricter`. What was taken
    out and holds something stands in the copy's `hidden`, by key. The copy cannot be saved.
    """
    kind = kind_of(row)
    tiers: Mapping[str, str] = row.disclosure if under is None else under  # type: ignore[attr-defined]
    hidden: dict[str, Hidden] = {}
    result = copy.copy(row)
    taken: set[str] = set()
    for key in sorted(closed(kind, tiers, tier, names=names)):
        rule = RULES[kind][key]
        for name in rule.fields:
            taken.add(name)
            field: Any = row._meta.get_field(name)
            empty = field.get_default()
            # What was not loaded is not loaded to find out: it is long, so there is something.
            if name not in row.__dict__ or getattr(row, name) != empty:
                hidden[key] = Hidden(key, rule.label, tier_of(kind, key, tiers), rule.names)
            setattr(result, name, empty)

    def load(using: Any = None, fields: Any = None, **options: Any) -> None:
        if fields is None or taken & set(fields):
            raise TypeError("what a reader may not learn cannot be loaded into their copy")
        type(row).refresh_from_db(result, using=using, fields=fields, **options)

    def refuse(*_args: Any, **_options: Any) -> None:
        raise TypeError("a reader's copy cannot be stored: it lacks what they may not read")

    result.__dict__ |= {
        "hidden": MappingProxyType(hidden),
        "refresh_from_db": load,
        "save": refuse,
        "delete": refuse,
    }
    return result


def stricter(kind: str, first: Mapping[str, str], second: Mapping[str, str]) -> dict[str, str]:
    """Return for each thing the narrower audience of two: of a revision and of the listing now."""
    return {
        key: max(tier_of(kind, key, first), tier_of(kind, key, second)).name.lower()
        for key in RULES[kind]
    }


def clean_disclosure(kind: str, value: Any) -> dict[str, str]:
    """Return the choices that differ from the defaults. Raises `ValidationError`."""
    if not isinstance(value, Mapping):
        raise ValidationError(_("Who may read which field has not arrived whole. Try again."))
    chosen = {}
    for key, name in value.items():
        rule = RULES[kind].get(str(key))
        tier = TIER_NAMES.get(str(name))
        if rule is None or tier is None:
            raise ValidationError(
                _("“%(field)s: %(tier)s” is not a field and a tier of this list.")
                % {"field": str(key)[:40], "tier": str(name)[:40]}
            )
        if tier < rule.widest:
            raise ValidationError(
                _("“%(field)s” would give you away: it can be opened to “%(tier)s” at most.")
                % {"field": rule.label, "tier": TIER_LABELS[rule.widest]}
            )
        if tier != rule.default:
            chosen[str(key)] = tier.name.lower()
    return chosen
