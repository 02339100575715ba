"""The reasons that decisions are given with: those that are built in, and what operators made of
them.

A decision keeps codes. What a code is called, and the sentence in which the owner of a listing is
told, is looked up here in the reader's language. Operators add reasons, word built-in ones anew and
retire them (`catalog.services.reasons`); a retired one can be chosen no more, and old decisions
stay readable.

Built-in ones are registered by the app whose decisions they are: catalog knows no matches.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from django.conf import settings
from django.utils.translation import get_language, gettext_lazy
from django.utils.translation import gettext as _

from catalog.models import Reason, ReasonSubject
from catalog.workflow import ListingDecision, ListingReason

if TYPE_CHECKING:
    import datetime as dt

    from django_stubs_ext import StrOrPromise

OTHER = "other"


@dataclass(frozen=True)
class BuiltIn:
    """A reason that the code knows. `answer`: what the owner reads; see `Reason.answer_zh`."""

    code: str
    decisions: tuple[str, ...]
    label: StrOrPromise
    answer: StrOrPromise
    needs_comment: bool = False


@dataclass(frozen=True)
class ReasonEntry:
    """One reason of the list, in the reader's language."""

    code: str
    label: str
    answer: str
    needs_comment: bool
    decisions: tuple[str, ...] = ()
    is_built_in: bool = False
    retired_at: dt.datetime | None = None

    @property
    def is_retired(self) -> bool:
        return self.retired_at is not None


_built_in: dict[str, dict[str, BuiltIn]] = {}
_decisions: dict[str, list[tuple[str, StrOrPromise]]] = {}


def register(
    subject: str, reasons: Iterable[BuiltIn], decisions: Iterable[tuple[str, StrOrPromise]]
) -> None:
    """Make the built-in reasons of a subject known, and the decisions that need one.

    Called at start-up by the app whose decisions they are.
    """
    _built_in[subject] = {reason.code: reason for reason in reasons}
    _decisions[subject] = list(decisions)


def built_in(subject: str) -> dict[str, BuiltIn]:
    """Return the built-in reasons of a subject by code, in the order in which they are offered."""
    return _built_in.get(subject, {})


def decisions(subject: str) -> list[tuple[str, StrOrPromise]]:
    """Return the decisions of a subject that need a reason, as (code, label)."""
    return _decisions.get(subject, [])


# --- Rows of operators, read once in some seconds ---------------------------------------------

_rows: list[Reason] = []
_read_at = float("-inf")


def remember(rows: list[Reason]) -> None:
    """Take these for what is stored, until they are old."""
    global _rows, _read_at
    _rows, _read_at = rows, time.monotonic()


def forget() -> None:
    """Read the rows again when they are needed next."""
    global _read_at
    _read_at = float("-inf")


def _stored(subject: str) -> dict[str, Reason]:
    if time.monotonic() - _read_at > settings.REASONS_REFRESH_SECONDS:
        remember(list(Reason.objects.all()))
    return {row.code: row for row in _rows if row.subject == subject}


# --- Asking -----------------------------------------------------------------------------------


def entries(subject: str) -> list[ReasonEntry]:
    """Return every reason of a subject, retired ones too; "other" stands last."""
    stored = _stored(subject)
    found = [_entry(reason, stored.get(code)) for code, reason in built_in(subject).items()]
    found += [_own_entry(row) for code, row in stored.items() if code not in built_in(subject)]
    return sorted(found, key=lambda entry: entry.code == OTHER)


def reasons_for(subject: str, decision: str) -> list[ReasonEntry]:
    """Return the reasons that a decision can be given now."""
    return [
        entry for entry in entries(subject) if decision in entry.decisions and not entry.is_retired
    ]


def find(subject: str, code: str) -> ReasonEntry | None:
    """Return a reason by its code, retired or not; None where nobody knows it."""
    row, known = _stored(subject).get(code), built_in(subject).get(code)
    if known is not None:
        return _entry(known, row)
    return None if row is None else _own_entry(row)


def label(subject: str, code: str) -> str:
    """Say a reason in words. A code that nobody knows, of another installation's, says itself."""
    entry = find(subject, code)
    return code if entry is None else entry.label


def answer(subject: str, code: str) -> str:
    """Return the courteous sentence for the owner of a listing; it tells nothing of others."""
    entry = find(subject, code)
    if entry is not None and entry.answer:
        return entry.answer
    return _("The technology manager has looked at it closely and could not approve it.")


def _is_chinese() -> bool:
    return (get_language() or settings.LANGUAGE_CODE).startswith("zh")


def _entry(reason: BuiltIn, row: Reason | None) -> ReasonEntry:
    entry = ReasonEntry(
        code=reason.code,
        label=str(reason.label),
        answer=str(reason.answer),
        needs_comment=reason.needs_comment,
        decisions=reason.decisions,
        is_built_in=True,
    )
    if row is None:
        return entry
    chinese = _is_chinese()
    return replace(
        entry,
        label=(row.label_zh if chinese else row.label_en) or entry.label,
        answer=(row.answer_zh if chinese else row.answer_en) or entry.answer,
        retired_at=row.retired_at,
    )


def _own_entry(row: Reason) -> ReasonEntry:
    chinese = _is_chinese()
    return ReasonEntry(
        code=row.code,
        label=row.label_zh if chinese else row.label_en,
        answer=row.answer_zh if chinese else row.answer_en,
        needs_comment=row.needs_comment,
        decisions=tuple(row.decisions),
        retired_at=row.retired_at,
    )


# --- Built-in reasons of listings -------------------------------------------------------------

_BOTH = (str(ListingDecision.NEEDS_INFO), str(ListingDecision.REJECT))
_LISTING_ANSWERS: dict[ListingReason, StrOrPromise] = {
    ListingReason.VAGUE: gettext_lazy(
        "Say in a few sentences what the problem or the result is; then others can judge it."
    ),
    ListingReason.NO_FIGURES: gettext_lazy(
        "Please add the figures that matter, each with its unit."
    ),
    ListingReason.OUT_OF_SCOPE: gettext_lazy(
        "This platform brings technical demands and achievements together; this text is about "
        "something else."
    ),
    ListingReason.DUPLICATE: gettext_lazy(
        "The same is listed already; please keep the one that is more complete."
    ),
    ListingReason.CONFIDENTIAL: gettext_lazy(
        "The public part says something that should stay confidential; please take it out."
    ),
    ListingReason.DOUBTFUL: gettext_lazy(
        "Please add what shows the stated results, such as a test report or a reference."
    ),
    ListingReason.OTHER: gettext_lazy("The note says what it is about."),
}

register(
    ReasonSubject.LISTING,
    [
        BuiltIn(
            code=str(reason),
            decisions=_BOTH,
            label=reason.label,
            answer=_LISTING_ANSWERS[reason],
            needs_comment=reason == ListingReason.OTHER,
        )
        for reason in ListingReason
    ],
    [
        (str(decision), decision.label)
        for decision in (ListingDecision.NEEDS_INFO, ListingDecision.REJECT)
    ],
)
