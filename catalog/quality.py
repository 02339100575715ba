"""How good a listing is as a listing, from 0 to 100, and in words what would make it better.

It judges the text, never the technology: whether somebody who reads it can tell what is meant,
compare it by figures, and believe that it still holds. The same function answers while somebody
types, asks again before a thin listing is handed in, and orders the queue of those who check.
It is cheap (under a millisecond a listing), so that an import can call it for every row.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.utils import timezone
from django.utils.translation import gettext as _

if TYPE_CHECKING:
    from catalog.models import Listing

# Under this a listing is handed in only if its writer says so once more.
ENOUGH = 50
# Months without the owner's word after which a listing is doubted.
_DOUBTED = dt.timedelta(days=365)
_SOON = dt.timedelta(days=30)

# What each part can bring; together 100.
PARTS = {"completeness": 34, "specificity": 32, "length": 14, "freshness": 10, "uniqueness": 10}

# A figure with a unit: what a reader can compare. Read roughly; `catalog.indicators` reads well.
_FIGURE = re.compile(
    r"\d[\d.,]{0,12} ?(?:[%‰℃°Ω]|[A-Za-zμ]{1,6}(?![A-Za-z])"
    r"|[万亿]?[吨克米秒分时天年月元次倍件台度升瓦伏安帕])"
)
_AGAINST = re.compile(
    "比|较|相比|对比|对照|优于|高于|低于|替代|传统|常规|现有|目前|由.{1,20}(?:降|提|升|减|缩)"
    r"|\b(?:than|versus|vs|compared|against|instead|replac|conventional|from .{1,20} to)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Advice:
    """One thing that would help: the field it is about, the sentence, and what it would bring."""

    field: str
    text: str
    gain: int


@dataclass(frozen=True)
class Quality:
    score: int
    # What each of PARTS has brought.
    parts: dict[str, int]
    advice: list[Advice]

    @property
    def is_enough(self) -> bool:
        return self.score >= ENOUGH

    @property
    def next_best(self) -> list[Advice]:
        return self.advice[:3]


@dataclass(frozen=True)
class _Point:
    """Something that a listing has in part or whole."""

    part: str
    weight: float
    has: float  # 0 to 1
    field: str
    text: str


def assess(
    listing: Listing, *, today: dt.date | None = None, copies: int = 0, lookalikes: int = 0
) -> Quality:
    """Return the quality of a listing, saved or not.

    `copies` are the owner's own listings that say nearly the same, `lookalikes` those of others.
    The sentences are in the reader's language.
    """
    day = today or timezone.localdate()
    points = [
        *_completeness(listing),
        *_specificity(listing),
        *_length(listing),
        *_freshness(listing, day),
        *_uniqueness(copies, lookalikes),
    ]
    totals: dict[str, float] = dict.fromkeys(PARTS, 0.0)
    for point in points:
        totals[point.part] += point.weight
    scale = {part: PARTS[part] / totals[part] for part in PARTS}
    brought = dict.fromkeys(PARTS, 0.0)
    advice = []
    for point in points:
        brought[point.part] += scale[point.part] * point.weight * point.has
        gain = round(scale[point.part] * point.weight * (1 - point.has))
        if gain >= 1:
            advice.append(Advice(point.field, point.text, gain))
    advice.sort(key=lambda one: -one.gain)
    score = round(sum(brought.values()))
    return Quality(score, {part: round(value) for part, value in brought.items()}, advice)


def _said(value: Any) -> float:
    return 1.0 if value not in (None, "", [], {}) else 0.0


def _completeness(listing: Listing) -> Iterator[_Point]:
    def point(field: str, weight: float, text: str, has: float | None = None) -> _Point:
        given = _said(getattr(listing, field)) if has is None else has
        return _Point("completeness", weight, given, field, text)

    yield point("summary", 3, _("Write the public summary: it is what strangers read first."))
    yield point("body", 3, _("Write the description."))
    yield point("industry", 2, _("Choose the industry: managers are found by it."))
    yield point("region", 1, _("Choose the region."))
    yield point("modes", 1, _("Say which ways of cooperation you can think of."))
    yield point(
        "keywords",
        1.5,
        _("Name at least three keywords that a specialist would search for."),
        min(len(listing.keywords or ()), 3) / 3,
    )
    yield point("ipc", 1.5, _("Choose a patent class: it finds what other words miss."))
    yield point("emerging", 0.5, _("Choose the strategic emerging industry, if there is one."))
    money = listing.money_min is not None or listing.money_max is not None
    if listing.kind == "demand":
        yield from (
            point("process", 2.5, _("Say how it is done today: equipment, steps, figures.")),
            point("tried", 2, _("Say what was tried and why it was not enough.")),
            point("trl", 1.5, _("Say how mature a solution has to be.")),
            point("deadline", 1, _("Say by when you need it.")),
            point("money_max", 2, _("Give a budget range: offers can be measured by it."), money),
            point("funded", 1, _("Say whether the money is approved.")),
            point("ip_expectation", 0.5, _("Say who is to own what comes out of it.")),
            point("exclusivity", 0.5, _("Say whether you need to be the only user.")),
        )
        return
    yield from (
        point("trl", 2, _("Say which readiness level you can prove.")),
        point("trl_evidence", 2, _("Name the evidence for the readiness level.")),
        point("novelty", 2, _("Say what is new over the best alternative.")),
        point("scenarios", 1.5, _("Say where it is used: products, processes, conditions.")),
        point("ip_items", 1.5, _("List the patents or other rights, with their status.")),
        point("ownership", 1, _("Say who owns it.")),
        point("money_max", 1.5, _("Give a price range, or say what it depends on."), money),
        point("needs", 0.5, _("Say what it still needs: proof, pilot or money.")),
    )


def _specificity(listing: Listing) -> Iterator[_Point]:
    rows = [row for row in listing.indicators or [] if isinstance(row, dict)]

    def point(weight: float, has: float, field: str, text: str) -> _Point:
        return _Point("specificity", weight, min(has, 1.0), field, text)

    yield point(
        5,
        len(rows) / 3,
        "indicators",
        _("State at least three indicators with figures: each is compared by itself."),
    )
    yield point(
        2,
        sum(1 for row in rows if row.get("unit")) / max(len(rows), 1),
        "indicators",
        _("Give each indicator its unit."),
    )
    if listing.kind == "demand":
        yield point(
            1.5,
            1.0 if any(row.get("hard") for row in rows) else 0.0,
            "indicators",
            _("Mark what it is no use without as “must have”."),
        )
        text = "\n".join((listing.body, _text(listing, "process"), _text(listing, "tried")))
        yield point(
            2.5,
            len(_FIGURE.findall(text)) / 4,
            "body",
            _("Give the figures of today: sizes, quantities, losses, costs."),
        )
        yield point(
            2,
            1.0 if _AGAINST.search(text) else 0.0,
            "process",
            _("Say what would be better than today, and by how much."),
        )
        return
    text = "\n".join((listing.body, _text(listing, "advantages"), _text(listing, "trl_evidence")))
    against = "\n".join((_text(listing, "advantages"), _text(listing, "novelty"), listing.body))
    yield point(
        3,
        len(_FIGURE.findall(text)) / 5,
        "advantages",
        _("Give measured figures with units, and where they were measured."),
    )
    yield point(
        3,
        1.0 if _AGAINST.search(against) and _FIGURE.search(against) else 0.0,
        "advantages",
        _("Put your figures beside those of the best alternative."),
    )


def _length(listing: Listing) -> Iterator[_Point]:
    def point(field: str, weight: float, least: int, text: str) -> _Point:
        return _Point(
            "length", weight, min(_measure(_text(listing, field)) / least, 1.0), field, text
        )

    yield point("title", 2, 10, _("Say in the title what it is and what it is for."))
    yield point(
        "summary", 3, 50, _("Make the summary two or three sentences: problem or result, figures.")
    )
    yield point(
        "body", 5, 300, _("Describe it in more detail: conditions, method, what was measured.")
    )


def _text(listing: Listing, field: str) -> str:
    return str(getattr(listing, field, "") or "")


def _measure(text: str) -> float:
    """Return the length in Chinese characters: a Latin word says about as much as two."""
    latin = len(re.findall(r"[A-Za-z]+", text))
    other = sum(1 for char in text if not char.isascii())
    return other + 2 * latin


def _freshness(listing: Listing, today: dt.date) -> Iterator[_Point]:
    until = listing.valid_until
    left = 0.0 if until is None or until < today else 1.0 if until >= today + _SOON else 0.5
    yield _Point(
        "freshness",
        1,
        left,
        "valid_until",
        _("Set a day until which it holds, a month off or more."),
    )
    word = listing.confirmed_at
    # Never handed in: its writer is at it now.
    fresh = word is None or timezone.localtime(word).date() >= today - _DOUBTED
    yield _Point("freshness", 1, float(fresh), "valid_until", _("Confirm that it is still true."))


def _uniqueness(copies: int, lookalikes: int) -> Iterator[_Point]:
    yield _Point(
        "uniqueness",
        2,
        0.0 if copies else 1.0,
        "title",
        _("You have another listing that says nearly the same. Keep one of them."),
    )
    yield _Point(
        "uniqueness",
        1,
        0.0 if lookalikes else 1.0,
        "summary",
        _("Others have listed nearly the same. Say what sets yours apart."),
    )
