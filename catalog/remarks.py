"""What a reviewer says of single fields of a listing: which there are, and what they are called.

Remarks are kept by the name of the form's field (`PublicationReview.questions`), so that each can
stand where its owner will write.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy
from django_stubs_ext import StrOrPromise

from catalog import steps
from catalog.disclosure import RULES

REMARK_LIMIT = 300
TIERS = "disclosure_"

# Where the remarks stand on the page of who checks a listing, beside what they are about.
_PARTS: dict[str, dict[str, tuple[str, ...]]] = {
    "demand": {
        "facts": (
            *("title", "industry", "ipc", "emerging", "region", "modes", "trl"),
            *("money_min", "money_max", "valid_until", "language"),
        ),
        "indicators": ("indicators",),
        "summary": ("summary", "keywords"),
        "problem": ("body", "process", "tried"),
        "terms": ("deadline", "funded", "exclusivity", "ip_expectation", "partners"),
    },
    "achievement": {
        "facts": (
            *("title", "industry", "ipc", "emerging", "region", "modes", "trl"),
            *("money_min", "money_max", "valid_until", "language"),
        ),
        "indicators": ("indicators",),
        "summary": ("summary", "keywords"),
        "solution": ("body", "novelty", "advantages", "scenarios"),
        "maturity": ("trl_evidence", "needs"),
        "rights": (
            *("ip", "ownership", "publicity_from", "publicity_until", "encumbrances"),
            *("lead_expert", "orcid"),
        ),
    },
}

_LABELS: dict[str, StrOrPromise] = {
    "indicators": pgettext_lazy("listing", "Indicators"),
    "ip": gettext_lazy("Intellectual property"),
}


@cache
def fields_of(kind: str) -> tuple[str, ...]:
    """Return the fields of a list's form that a reviewer can say something of, in its order."""
    names: list[str] = []
    for step in steps.STEPS:
        names += [name for name in steps.fields_of(kind, step) if name != "owner"]
        names += steps.rows_of(kind, step)
    return tuple(names)


@cache
def parts(kind: str) -> dict[str, tuple[str, ...]]:
    """Return the fields by where they stand on the reviewer's page; the tiers come last."""
    return {**_PARTS[kind], "seen": tuple(f"{TIERS}{key}" for key in RULES[kind])}


def label(kind: str, name: str) -> str:
    """Return what the page calls a field of the form."""
    from catalog.forms import ListingForm  # it is made of what is in here

    if name in _LABELS:
        return str(_LABELS[name])
    if name.startswith(TIERS):
        about = RULES[kind][name.removeprefix(TIERS)].label
        return _("Who may read: %(what)s") % {"what": about}
    of_field = str(ListingForm.base_fields[name].label)
    if name in ("money_min", "money_max"):
        money = _("Budget") if kind == "demand" else _("Price")
        return _("%(what)s, %(part)s") % {"what": money, "part": of_field.lower()}
    return of_field


def step_of(kind: str, name: str) -> str:
    """Return the step of the form on which a field stands."""
    return next(
        step
        for step in steps.STEPS
        if name in steps.fields_of(kind, step) or name in steps.rows_of(kind, step)
    )


def target_of(kind: str, name: str) -> str:
    """Return the anchor of a field on its page of the form."""
    if name in steps.rows_of(kind, step_of(kind, name)):
        return name
    return f"id_{name}_0" if name in ("modes", "needs") else f"id_{name}"


@dataclass(frozen=True)
class Remark:
    """One remark as a page shows it; `step` and `target` say where it can be answered."""

    name: str
    label: str
    text: str
    step: str
    target: str


def remarks(kind: str, given: Mapping[str, str]) -> list[Remark]:
    """Return what was said, in the order of the form. What is no field any more is left out."""
    return [
        Remark(name, label(kind, name), given[name], step_of(kind, name), target_of(kind, name))
        for name in fields_of(kind)
        if given.get(name)
    ]
