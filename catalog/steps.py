"""The steps of a listing's form: which field stands where, and what is still to do in each."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from catalog.disclosure import RULES
from catalog.leaks import find_leaks
from catalog.models import Listing
from catalog.rows import ROW_FIELDS
from catalog.services.publishing import check_complete

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

WHAT, INDICATORS, TERMS, CHECK = STEPS = ("what", "indicators", "terms", "check")
# Everything on one page: for what is published, where a change counts as a whole, and for those
# who like it better.
WHOLE = "all"

LABELS: dict[str, dict[str, StrOrPromise]] = {
    "demand": {
        WHAT: _("The problem"),
        INDICATORS: _("Indicators and maturity"),
        TERMS: _("Conditions"),
        CHECK: _("Who sees what, and check"),
    },
    "achievement": {
        WHAT: _("The result"),
        INDICATORS: _("Indicators and maturity"),
        TERMS: _("Rights and conditions"),
        CHECK: _("Who sees what, and check"),
    },
}

# The fields of the form, step by step, in the order of the page.
_FIELDS: dict[str, dict[str, tuple[str, ...]]] = {
    "demand": {
        WHAT: ("owner", "title", "summary", "body", "process", "tried", "keywords", "language"),
        INDICATORS: ("trl", "industry", "ipc", "emerging"),
        TERMS: (
            *("region", "modes", "money_min", "money_max", "funded", "deadline", "exclusivity"),
            *("ip_expectation", "partners", "valid_until"),
        ),
        CHECK: (),
    },
    "achievement": {
        WHAT: (
            *("owner", "title", "summary", "body", "novelty", "advantages", "scenarios"),
            *("keywords", "language"),
        ),
        INDICATORS: ("trl", "trl_evidence", "industry", "ipc", "emerging"),
        TERMS: (
            *("ownership", "publicity_from", "publicity_until", "encumbrances", "lead_expert"),
            *("orcid", "region", "modes", "money_min", "money_max", "needs", "valid_until"),
        ),
        CHECK: (),
    },
}
_ROWS: dict[str, dict[str, tuple[str, ...]]] = {
    "demand": {INDICATORS: ("indicators",)},
    "achievement": {INDICATORS: ("indicators",), TERMS: ("ip",)},
}


def _parts(step: str) -> tuple[str, ...]:
    return STEPS if step == WHOLE else (step,)


def fields_of(kind: str, step: str) -> tuple[str, ...]:
    """Return the names of the form's fields on a page."""
    tiers = tuple(f"disclosure_{key}" for key in RULES[kind]) if CHECK in _parts(step) else ()
    return (*(name for part in _parts(step) for name in _FIELDS[kind][part]), *tiers)


def rows_of(kind: str, step: str) -> tuple[str, ...]:
    """Return the prefixes of the rows on a page."""
    return tuple(prefix for part in _parts(step) for prefix in _ROWS[kind].get(part, ()))


def content_of(kind: str, step: str) -> tuple[str, ...]:
    """Return the names of the model's fields that a page writes."""
    names = [name for part in _parts(step) for name in _FIELDS[kind][part] if name != "owner"]
    names += [ROW_FIELDS[prefix] for prefix in rows_of(kind, step)]
    return (*names, "disclosure") if CHECK in _parts(step) else tuple(names)


def step_of(kind: str, name: str) -> str:
    """Return the step on which a field of the model is written."""
    return next((step for step in STEPS if name in content_of(kind, step)), CHECK)


def after(step: str) -> str:
    """Return the step that follows, the last one after itself."""
    return STEPS[min(STEPS.index(step) + 1, len(STEPS) - 1)]


def mark_of(listing: Listing, names: Iterable[str]) -> str:
    """Return a mark of what is stored in these fields. Another value, another mark.

    A form carries the mark of what it was filled in from. Two people on different steps do not
    disturb each other; two on the same one are told.
    """
    values = [getattr(listing, name) for name in names]
    text = json.dumps(values, default=str, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def missing(listing: Listing) -> dict[str, list[str]]:
    """Return by field what a reviewer could not work without."""
    try:
        check_complete(listing)
    except ValidationError as exc:
        return exc.message_dict
    return {}


@dataclass(frozen=True)
class StepState:
    """One step in the bar."""

    name: str
    label: StrOrPromise
    number: int
    # How many things are to be done there before it can be submitted.
    todo: int
    is_here: bool
    is_done: bool
    # How many questions of a reviewer stand there.
    asked: int = 0


def states(
    kind: str, listing: Listing | None, here: str, *, asked: Mapping[str, int] | None = None
) -> list[StepState]:
    """Return the bar of steps: where one is, what is done, what is missing and what is `asked`."""
    todo: Counter[str] = Counter()
    if listing is not None:
        todo.update(step_of(kind, name) for name in missing(listing))
        todo.update(step_of(kind, leak.field) for leak in find_leaks(listing, listing.owner))
    return [
        StepState(
            name=step,
            label=LABELS[kind][step],
            number=number,
            todo=todo[step],
            is_here=step == here,
            is_done=listing is not None and step != CHECK and not todo[step],
            asked=(asked or {}).get(step, 0),
        )
        for number, step in enumerate(STEPS, 1)
    ]
