"""The built-in reasons of match reviews, with what a side is told: see `catalog.reasons`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils.translation import gettext_lazy as _

from catalog.models import ReasonSubject
from catalog.reasons import BuiltIn, ReasonEntry, find, reasons_for, register
from matchmaking.workflow import REASONS_FOR, Decision, ReviewReason

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django_stubs_ext import StrOrPromise

R = ReviewReason

# What both sides may read: about the pair as it was compared, never about who the other is.
_ANSWERS: dict[ReviewReason, StrOrPromise] = {
    R.MEASURED: _("The requirements that matter most are backed by measurements."),
    R.EXPERIENCE: _("Similar projects have been done before; that makes a meeting worthwhile."),
    R.NEGOTIABLE: _("What does not fit yet can be settled when you meet."),
    R.COMPLEMENT: _("It solves the same problem in another way; a talk will show which is better."),
    R.INDICATOR_GAP: _(
        "One of the must-haves is not reached in this pair. Your listing stays in the search; if "
        "the figure can be relaxed or improved, change it and it is compared again."
    ),
    R.IMMATURE: _(
        "The stage of development and the stage that is needed are too far apart for now. Your "
        "listing stays in the search."
    ),
    R.PRICE: _(
        "The ideas of price and budget are too far apart in this pair. Your listing stays in the "
        "search."
    ),
    R.OFF_TOPIC: _(
        "On a closer look the two texts are about different problems. Your listing stays in the "
        "search."
    ),
    R.NO_EVIDENCE: _(
        "There is not enough evidence in this pair to ask for a meeting yet. Evidence that you add "
        "to your listing helps the next comparison."
    ),
    R.OTHER: _("The technology manager has given the reason in words."),
}


def install() -> None:
    """Make the reasons known. Called once, at start-up."""
    register(
        ReasonSubject.MATCH,
        [
            BuiltIn(
                code=str(reason),
                decisions=tuple(
                    str(decision) for decision, known in REASONS_FOR.items() if reason in known
                ),
                label=reason.label,
                answer=_ANSWERS[reason],
                needs_comment=reason == R.OTHER,
            )
            for reason in ReviewReason
        ],
        [(str(decision), decision.label) for decision in Decision],
    )


def choices(decision: str) -> list[ReasonEntry]:
    """Return the reasons that a decision on a match can be given now."""
    return reasons_for(ReasonSubject.MATCH, decision)


def labels(codes: Iterable[str]) -> list[str]:
    """Say a review's reasons in words. What is none is left out: events keep other codes there."""
    found = (find(ReasonSubject.MATCH, code) for code in codes)
    return [entry.label for entry in found if entry is not None]
