"""What a manager can ask one side about: lines of the grid, and fields of that side's listing.

A question says what it is about, and the side that gets it must not learn from that what is
closed to it; nor may who asks learn what is closed to managers. So only lines that both may read
are offered.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from django.utils.translation import gettext as _

from catalog.disclosure import RULES
from matchmaking import presenting
from matchmaking.models import Inquiry, Match
from matchmaking.workflow import InquiryStatus, Side

if TYPE_CHECKING:
    from accounts.models import Organization

MOST_QUESTIONS = 8
SHORTEST, LONGEST = 5, 300
# An answer to one question.
LONGEST_ANSWER = 2000
# How often one review may ask, whatever became of it: three rounds, then a decision.
MOST_INQUIRIES = 3

_FIELD = "field:"
# Fields of a listing that a kind of line is about already, where they are called otherwise.
_COMPARED = {"indicator": "indicators", "budget": "money", "ip": "ip_expectation"}


@dataclass(frozen=True)
class Line:
    """Something that can be asked about, with the words a question could start with."""

    key: str
    name: str
    requirement: str = ""
    stated: str = ""
    verdict: presenting.Verdict | None = None
    suggestion: str = ""

    @property
    def is_field(self) -> bool:
        return self.key.startswith(_FIELD)


def lines(match: Match, side: str) -> list[Line]:
    """Return what `side` can be asked about: first the lines of the grid, then its own fields.

    A line is offered that both may read: the side, which is told what is asked, and a manager, who
    is told what there is to ask. Nobody is named.
    """
    told = presenting.grid_rows(match, presenting.side_reader(side, match))
    known = {row.key for row in told if row.key and not row.closed}
    manager = presenting.Reader(side="", names=False, contacts=False, is_manager=True)
    rows = [
        row for row in presenting.grid_rows(match, manager) if row.key in known and not row.closed
    ]
    compared = {_COMPARED.get(row.kind, row.kind) for row in rows}
    return [
        *(
            Line(
                key=row.key,
                name=row.name,
                requirement=row.requirement,
                stated=row.stated,
                verdict=row.verdict,
                suggestion=_suggestion(row, side),
            )
            for row in rows
        ),
        *(
            Line(key=f"{_FIELD}{key}", name=str(rule.label))
            for key, rule in RULES[side].items()
            if key not in compared
        ),
    ]


def _suggestion(row: presenting.GridRow, side: str) -> str:
    """Word the question that a line's verdict raises; the manager changes it at will."""
    about = {"name": row.name, "asked": row.requirement}
    if side == Side.DEMAND:
        if row.verdict.key == "met":
            return _("%(name)s: is %(asked)s still what you need?") % about
        return _("%(name)s: would less than %(asked)s do, and how much less?") % about
    match row.verdict.key:
        case "unmet" | "partly":
            return _("%(name)s: %(asked)s is asked for; can you reach it, and by what?") % about
        case "met":
            return _("%(name)s: which measurement or report shows it?") % about
        case "units":
            return _("%(name)s: what is it in the unit of %(asked)s?") % about
    return _("%(name)s: %(asked)s is asked for; what do you have?") % about


def _names(match: Match, side: str) -> dict[str, str]:
    """Return what lines and fields are called to their own side, by key, in its language."""
    fields = {f"{_FIELD}{key}": str(rule.label) for key, rule in RULES[side].items()}
    return fields | {line.key: line.name for line in lines(match, side)}


# Where the form of a listing has what a line of the grid is about.
_ANCHORS: dict[str, dict[str, str]] = {
    Side.DEMAND: {
        "indicator": "indicators",
        "budget": "id_money_max",
        "ip": "id_ip_expectation",
    },
    Side.ACHIEVEMENT: {
        "indicator": "indicators",
        "budget": "id_money_min",
        "deadline": "id_body",
        "exclusivity": "id_modes",
        "ip": "id_modes",
    },
}


def anchor(side: str, key: str) -> str:
    """Return the element of the listing's form that a question is about."""
    if key.startswith(_FIELD):
        key = key.removeprefix(_FIELD)
        rule = RULES[side].get(key)
        name = "body" if rule is None else rule.fields[0]
        return {"indicators": "indicators", "ip_items": "ip"}.get(name, f"id_{name}")
    kind = key.partition(":")[0]
    return _ANCHORS[side].get(kind, f"id_{kind}")


@dataclass(frozen=True)
class Asked:
    """One question with its answer, as one reader gets it."""

    key: str
    name: str
    text: str
    answer: str
    side: str
    status: str

    @property
    def is_open(self) -> bool:
        return self.status == InquiryStatus.OPEN

    @property
    def to(self) -> str:
        return str(Side(self.side).label)


def asked(match: Match, inquiry: Inquiry, hidden: Sequence[Organization] = ()) -> list[Asked]:
    """Return the questions of an inquiry with their answers; `hidden` are not to be named."""
    answers = [*inquiry.answers, *[""] * len(inquiry.questions)]
    names = _names(match, inquiry.side)
    return [
        Asked(
            key=question["field"],
            # A later comparison may not have the line any more.
            name=names.get(question["field"]) or question.get("name", ""),
            text=presenting.mask_names(question["text"], *hidden),
            answer=presenting.mask_names(answer, *hidden),
            side=inquiry.side,
            status=inquiry.status,
        )
        for question, answer in zip(inquiry.questions, answers, strict=False)
    ]


@dataclass(frozen=True)
class Objection:
    """What a side said against an earlier rejection, for who decides anew."""

    side: str
    text: str
    when: dt.datetime
    status: str

    @property
    def of(self) -> str:
        return str(Side(self.side).label)


@dataclass(frozen=True)
class Panel:
    """What the sides were asked and said, for who decides a match."""

    waiting: Inquiry | None
    by_line: Mapping[str, Sequence[Asked]]
    # About fields, and about lines that the present comparison has no more.
    others: Sequence[Asked]
    objections: Sequence[Objection]

    def rows(self, rows: Iterable[presenting.GridRow]) -> list[presenting.GridRow]:
        """Put the questions of each line beside it."""
        return [replace(row, asked=tuple(self.by_line.get(row.key, ()))) for row in rows]


def panel(match: Match, reader: presenting.Reader, keys: Iterable[str]) -> Panel:
    """Return the questions and objections of a match for a manager or an operator; two queries.

    `keys`: of the rows that the reader sees. All managers of a match read the answers, so that no
    side is asked the same twice; who asked is not said.
    """
    hidden = reader.hidden(match)
    inquiries = list(
        Inquiry.objects.filter(review__match=match)
        .exclude(status=InquiryStatus.CANCELLED)
        .order_by("asked_at", "pk")
    )
    by_line: dict[str, list[Asked]] = {}
    for inquiry in inquiries:
        for one in asked(match, inquiry, hidden):
            by_line.setdefault(one.key, []).append(one)
    seen = set(keys)
    return Panel(
        waiting=next((one for one in inquiries if one.status == InquiryStatus.OPEN), None),
        by_line=by_line,
        others=[one for key, found in by_line.items() if key not in seen for one in found],
        objections=[
            Objection(
                made.side,
                presenting.mask_names(made.text, match.demand.owner, match.achievement.owner),
                made.created_at,
                made.status,
            )
            for made in match.appeals.all()
        ],
    )
