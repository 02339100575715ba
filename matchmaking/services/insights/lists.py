"""Which list belongs to a key, and its rows with what a page says of each."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from django.urls import reverse
from django.utils.translation import gettext as _

from accounts.models import ManagerProfile, Organization
from catalog.models import Achievement, Demand, Listing, PublicationReview
from matchmaking.models import Match, Review
from matchmaking.services.insights.clocks import rows as clock_rows
from matchmaking.services.insights.freshness import rows as fresh_rows
from matchmaking.services.insights.funnel import step_labels
from matchmaking.services.insights.gaps import rows as gap_rows
from matchmaking.services.insights.load import rows as desk_rows
from matchmaking.services.insights.losses import rows as lost_rows
from matchmaking.services.insights.outcomes import rows as outcome_rows
from matchmaking.services.insights.rows import (
    DEMAND_ROWS,
    STEPS,
    Line,
    RowList,
    Selected,
)
from matchmaking.services.insights.scope import Scope
from matchmaking.services.insights.sources import DEMANDS
from matchmaking.services.insights.supply import rows as pair_rows

# A key is the end of an address; ours are shorter.
LONGEST_KEY = 80
_BLOCK = 500


@dataclass(frozen=True)
class Row:
    """What a list says of one row: where it is, whose, how it stands, and its clock if it has one.

    `title` is as somebody wrote it, in `language` ("zh", "en" or "" where it is nobody's text).
    """

    kind: str
    number: str
    title: str
    language: str
    url: str
    party: str
    status: str
    status_label: str
    started: dt.datetime | None
    ended: dt.datetime | None
    days: int | None

    def get_status_display(self) -> str:
        """Return the status in words, as every row with a status does."""
        return self.status_label


def find(key: str) -> RowList | None:
    """Return the list that a figure's `rows` names; None for what no figure names."""
    if len(key) > LONGEST_KEY:
        return None
    if key in DEMAND_ROWS:
        return _demands(key)
    return (
        clock_rows(key)
        or pair_rows(key)
        or gap_rows(key)
        or desk_rows(key)
        or fresh_rows(key)
        or lost_rows(key)
        or outcome_rows(key)
    )


def _demands(key: str) -> Selected:
    label = {
        **{step: _("Demands: %(step)s") % {"step": step_labels()[step]} for step in STEPS},
        "answer-all": _("Demands whose days for a first answer are over"),
        "answer-in-time": _("Demands with a first answer in time"),
        "answer-agreed": _("Demands whose owner and another side agreed to meet"),
        "answer-signed": _("Demands with a contract"),
    }[key]
    clock = {
        "answer-all": "published_at, answered_at, answer_days",
        "answer-in-time": "published_at, answered_at, answer_days",
        "answer-agreed": "published_at, introduced_at, meeting_days",
        "answer-signed": "published_at, introduced_at, meeting_days",
    }.get(key, "posted_at, NULL::timestamptz, NULL::integer")
    return Selected(DEMANDS, DEMAND_ROWS[key], label, clock)


class LazyList(Sequence[Row]):
    """A list of rows that a paginator counts and cuts; nothing beyond a page is read."""

    def __init__(self, rows: RowList, scope: Scope) -> None:
        self.rows, self.scope = rows, scope
        self._count: int | None = None

    def __len__(self) -> int:
        if self._count is None:
            self._count = self.rows.count(self.scope)
        return self._count

    def in_blocks(self, limit: int) -> Iterator[Row]:
        """Yield at most `limit` rows, for a file: which they are is asked once, and what is said of
        them in blocks."""
        lines = iter(self.rows.page(self.scope, 0, limit))
        while block := list(islice(lines, _BLOCK)):
            yield from told(block)

    def __getitem__(self, wanted: Any) -> Any:
        if not isinstance(wanted, slice):
            return told(self.rows.page(self.scope, int(wanted), 1))[0]
        start, stop, _step = wanted.indices(len(self))
        return told(self.rows.page(self.scope, start, max(0, stop - start)))


def told(lines: Iterable[Line]) -> list[Row]:
    """Say what each row is; one or two queries for each kind that is among them."""
    wanted = list(lines)
    keys: dict[str, list[int]] = defaultdict(list)
    for line in wanted:
        keys[line.kind].append(line.pk)
    things = {(kind, one.pk): one for kind, pks in keys.items() for one in _QUERIES[kind](pks)}
    return [
        _row(line, things[line.kind, line.pk]) for line in wanted if (line.kind, line.pk) in things
    ]


_QUERIES: dict[str, Any] = {
    "demand": lambda pks: Demand.objects.select_related("owner").defer("body").filter(pk__in=pks),
    "achievement": lambda pks: (
        Achievement.objects.select_related("owner").defer("body").filter(pk__in=pks)
    ),
    "match": lambda pks: Match.objects.select_related("demand__owner").filter(pk__in=pks),
    "review": lambda pks: Review.objects.select_related("manager", "match__demand").filter(
        pk__in=pks
    ),
    "publication": lambda pks: PublicationReview.objects.with_listing().filter(pk__in=pks),
    "organization": lambda pks: Organization.objects.filter(pk__in=pks),
    "manager": lambda pks: ManagerProfile.objects.select_related("user").filter(pk__in=pks),
}


def _row(line: Line, thing: Any) -> Row:
    """Say what a row is, to an operator, who may read every name."""
    listing: Listing | None = None
    number, party, title, language, url = "", "", "", "", ""
    match line.kind:
        case "demand" | "achievement":
            listing, number, party = thing, thing.number, str(thing.owner)
            url = thing.get_absolute_url()
        case "match":
            listing, number, party = thing.demand, thing.number, str(thing.demand.owner)
            url = thing.get_absolute_url()
        case "review":
            listing, number, party = thing.match.demand, thing.match.number, str(thing.manager)
            url = thing.match.get_absolute_url()
        case "publication":
            listing, number, party = thing.listing, thing.listing.number, str(thing.listing.owner)
            url = thing.listing.get_absolute_url()
        case "organization":
            title, party = str(thing), thing.province()
            url = reverse("ops_organization", args=[thing.pk])
        case "manager":
            title, party = str(thing), thing.get_grade_display()
            url = reverse("ops_manager", args=[thing.pk])
    if listing is not None:
        title, language = listing.title, listing.language
    return Row(
        line.kind,
        number,
        title,
        language,
        url,
        party,
        thing.status,
        str(thing.get_status_display()),
        line.started,
        line.ended,
        line.days,
    )
