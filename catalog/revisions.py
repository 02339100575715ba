"""What changed between two versions of a listing, in words and rows that people read.

Works on readers' copies (`catalog.disclosure.shown`): what a reader may not learn is in neither.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import rjieba
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy
from django_stubs_ext import StrOrPromise
from rapidfuzz.distance import LCSseq

from accounts.permissions import Tier
from accounts.regions import region_name
from accounts.templatetags.kq import wan_range
from catalog.classes import class_name
from catalog.details import detail_groups
from catalog.disclosure import RULES, TIER_LABELS, kind_of, tier_of
from catalog.indicators import Indicator, display
from catalog.industries import industry_name
from catalog.models import CooperationMode, ListingLanguage

T = TypeVar("T")

# Pairs of words that are compared one by one; beyond it a passage was written anew. The table for
# so many takes 2 MB and some milliseconds.
PAIRS_AT_MOST = 16_000_000
# Of what stayed the same, so many characters are shown on each side of a change.
AROUND = 60
# Unchanged pieces as short as this between two changes are noise: “的”, a comma.
NOISE = 1

_SENTENCE = re.compile(r".+?(?:[。！？；!?;\n]+|\.\s+|$)", re.DOTALL)


@dataclass(frozen=True)
class Piece:
    """A stretch of text that is `same`, `ins`erted, `del`eted, or left `out` because it is long."""

    op: str
    text: str
    # Characters left out.
    count: int = 0


@dataclass(frozen=True)
class Row:
    """One row of a table in both versions; "" where there is none."""

    op: str
    name: str
    before: str
    after: str


@dataclass(frozen=True)
class Change:
    """One thing that differs: a text with marks, or rows."""

    key: str
    label: StrOrPromise
    pieces: list[Piece] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    # Rows have names of their own, as indicators and tiers do.
    named: bool = False


_LABELS: dict[str, StrOrPromise] = {
    "title": gettext_lazy("Title"),
    "summary": gettext_lazy("Public summary"),
    "keywords": gettext_lazy("Keywords"),
    "industry": gettext_lazy("Industry"),
    "region": gettext_lazy("Region"),
    "modes": gettext_lazy("Cooperation modes"),
    "ipc": gettext_lazy("Patent classes"),
    "emerging": gettext_lazy("Strategic emerging industries"),
    "language": gettext_lazy("Language"),
    "disclosure": pgettext_lazy("tier", "Who may read it"),
}

# What is short, as lines, each of which is there or not.
_LINES: dict[str, Callable[[Any], list[str]]] = {
    "keywords": lambda row: list(row.keywords),
    "industry": lambda row: _one(industry_name(row.industry)),
    "region": lambda row: _one(region_name(row.region)),
    "modes": lambda row: [str(CooperationMode(mode).label) for mode in row.modes],
    "ipc": lambda row: [f"{code} {class_name('ipc', code)}" for code in row.ipc],
    "emerging": lambda row: [class_name("emerging", code) for code in row.emerging],
    "trl": lambda row: _one(f"TRL {row.trl}" if row.trl else ""),
    "money": lambda row: _one(
        wan_range(row.money_min, row.money_max)
        if row.money_min is not None or row.money_max is not None
        else ""
    ),
    "language": lambda row: _one(str(ListingLanguage(row.language).label)),
}
# The order of the page. What a kind has beside it follows in the order of its rules.
_FIRST = ("title", "summary", "indicators", "body")
_LAST = ("trl", "money", *_LABELS)


def compare(old: Any, new: Any, *, tier: Tier) -> list[Change]:
    """Return what differs between two copies of versions; `old` None: all of `new` is new.

    `tier` is the reader's: of who may read what they learn as much as of the contents.
    """
    kind = kind_of(new)
    told = {
        which: {one.key: one for group in detail_groups(row) for one in group.details}
        for which, row in (("old", old), ("new", new))
        if row is not None
    }
    changes = []
    keys = [*_FIRST, *(key for key in RULES[kind] if key not in (*_FIRST, *_LAST)), *_LAST]
    for key in dict.fromkeys(keys):
        label = RULES[kind][key].label if key in RULES[kind] else _LABELS[key]
        if any(row is not None and key in row.hidden for row in (old, new)):
            continue
        if key in ("title", "summary"):
            change = _of_text(key, label, getattr(old, key, ""), getattr(new, key))
        elif key == "indicators":
            rows = indicator_rows(getattr(old, key, []), new.indicators)
            change = Change(key, label, rows=rows, named=True) if rows else None
        elif key == "disclosure":
            rows = _tier_rows(kind, getattr(old, key, {}), new.disclosure, tier)
            change = Change(key, label, rows=rows, named=True) if rows else None
        elif key in _LINES:
            change = _of_lines(key, label, _LINES[key](old) if old else [], _LINES[key](new))
        else:
            before, after = told.get("old", {}).get(key), told["new"].get(key)
            if (before and before.text) or (after and after.text):
                texts = (one.text if one else "" for one in (before, after))
                change = _of_text(key, label, *texts)
            else:
                lines = (list(one.lines) if one else [] for one in (before, after))
                change = _of_lines(key, label, *lines)
        if change is not None:
            changes.append(change)
    return changes


def _one(text: str) -> list[str]:
    return [text] if text else []


def _of_text(key: str, label: StrOrPromise, old: str, new: str) -> Change | None:
    return None if old == new else Change(key, label, pieces=shortened(text_pieces(old, new)))


def _of_lines(
    key: str, label: StrOrPromise, old: Sequence[str], new: Sequence[str]
) -> Change | None:
    if list(old) == list(new):
        return None
    if len(old) == len(new) == 1:
        return Change(key, label, rows=[Row("changed", "", old[0], new[0])])
    rows = []
    for op, some_old, some_new in _opcodes(old, new):
        if op == "same":
            rows += [Row("same", "", line, line) for line in some_new]
        else:
            rows += [Row("gone", "", line, "") for line in some_old]
            rows += [Row("new", "", "", line) for line in some_new]
    return Change(key, label, rows=rows)


# --- Rows ---------------------------------------------------------------------------------------


def indicator_rows(old: Iterable[Mapping[str, Any]], new: Iterable[Mapping[str, Any]]) -> list[Row]:
    """Put indicators of the same name side by side. Nothing when they are all the same."""
    left: dict[str, list[Indicator]] = {}
    for stored in old:
        row = Indicator.from_json(dict(stored))
        left.setdefault(row.name, []).append(row)
    rows = []
    for stored in new:
        row = Indicator.from_json(dict(stored))
        before = left[row.name].pop(0) if left.get(row.name) else None
        op = "new" if before is None else "same" if before == row else "changed"
        rows.append(Row(op, row.name, _indicator(before), _indicator(row)))
    rows += [Row("gone", row.name, _indicator(row), "") for rest in left.values() for row in rest]
    return [] if all(row.op == "same" for row in rows) else rows


def _indicator(row: Indicator | None) -> str:
    if row is None:
        return ""
    return f"{display(row)} ({_('Must have') if row.hard else _('Nice to have')})"


def _tier_rows(
    kind: str, old: Mapping[str, str], new: Mapping[str, str], reader: Tier
) -> list[Row]:
    rows = []
    for key, rule in RULES[kind].items():
        before, after = tier_of(kind, key, old), tier_of(kind, key, new)
        # That there is something for the introduction is said, what it is, is not.
        closed = rule.names or max(before, after) == Tier.INTRODUCED
        if before != after and (reader == Tier.INTRODUCED or not closed):
            labels = str(TIER_LABELS[before]), str(TIER_LABELS[after])
            rows.append(Row("changed", str(rule.label), *labels))
    return rows


# --- Text ---------------------------------------------------------------------------------------


def text_pieces(old: str, new: str) -> list[Piece]:
    """Mark what was inserted and deleted: sentence by sentence, then word by word where it differs.

    Sentences first, or words of one would be found again in another, and nobody could read it.
    """
    pieces: list[Piece] = []
    for op, some_old, some_new in _opcodes(_sentences(old), _sentences(new)):
        before, after = "".join(some_old), "".join(some_new)
        if op == "same":
            pieces.append(Piece("same", after))
        else:
            pieces += _word_pieces(before, after)
    return _merged(pieces)


def _sentences(text: str) -> list[str]:
    return [match[0] for match in _SENTENCE.finditer(text) if match[0]]


def _word_pieces(old: str, new: str) -> list[Piece]:
    words = [rjieba.cut(text) for text in (old, new)]
    if not old or not new or len(words[0]) * len(words[1]) > PAIRS_AT_MOST:
        return _replaced(old, new)
    pieces: list[Piece] = []
    for op, some_old, some_new in _opcodes(*words):
        before, after = "".join(some_old), "".join(some_new)
        pieces += [Piece("same", after)] if op == "same" else _replaced(before, after)
    kept = sum(len(piece.text) for piece in pieces if piece.op == "same")
    # Less than a fifth in common: another sentence, not the same one with changes.
    return pieces if 5 * kept >= min(len(old), len(new)) else _replaced(old, new)


def _replaced(old: str, new: str) -> list[Piece]:
    return [Piece(op, text) for op, text in (("del", old), ("ins", new)) if text]


def _opcodes(old: Sequence[T], new: Sequence[T]) -> Iterable[tuple[str, Sequence[T], Sequence[T]]]:
    """Yield stretches that are the same and that differ, in order."""
    waiting_old: list[T] = []
    waiting_new: list[T] = []
    for op in LCSseq.opcodes(old, new):
        some_old, some_new = old[op.src_start : op.src_end], new[op.dest_start : op.dest_end]
        if op.tag == "equal":
            if waiting_old or waiting_new:
                yield "changed", waiting_old, waiting_new
                waiting_old, waiting_new = [], []
            yield "same", some_old, some_new
        else:
            waiting_old += some_old
            waiting_new += some_new
    if waiting_old or waiting_new:
        yield "changed", waiting_old, waiting_new


def _merged(pieces: list[Piece]) -> list[Piece]:
    """Join what is adjacent, and what a change has left standing of a word or two."""
    result: list[Piece] = []
    before = after = ""
    for at, piece in enumerate(pieces):
        changed_next = at + 1 < len(pieces) and pieces[at + 1].op != "same"
        noise = len(piece.text.strip()) <= NOISE and (before or after) and changed_next
        if piece.op == "same" and not noise:
            result += _replaced(before, after)
            before = after = ""
            result.append(piece)
            continue
        before += piece.text if piece.op != "ins" else ""
        after += piece.text if piece.op != "del" else ""
    return result + _replaced(before, after)


def shortened(pieces: list[Piece]) -> list[Piece]:
    """Leave out the middle of long stretches that stayed the same."""
    result: list[Piece] = []
    for at, piece in enumerate(pieces):
        head = AROUND if at else 0
        tail = AROUND if at + 1 < len(pieces) else 0
        if piece.op != "same" or len(piece.text) <= head + tail + AROUND:
            result.append(piece)
            continue
        parts = (
            Piece("same", piece.text[:head]),
            Piece("out", "…", len(piece.text) - head - tail),
            Piece("same", piece.text[len(piece.text) - tail :] if tail else ""),
        )
        result += [part for part in parts if part.text]
    return result
