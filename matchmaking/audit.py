"""The trace: who did what, who read what is not for everybody, and who took a file out.

Eight tables hold it, each of which the database refuses to change. Here they are one list, the
latest first, under the filters of the page.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.db.models import CharField, F, Q, QuerySet, Value
from django.urls import reverse
from django.utils.dateparse import parse_date
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django_stubs_ext import StrOrPromise

from accounts.models import AccessEvent, AccountEvent
from catalog.listing_pages import long_fields
from catalog.models import (
    Achievement,
    AttachmentEvent,
    Demand,
    Listing,
    ListingEvent,
    ListingExport,
    PublicationReview,
)
from catalog.models.publication import step_model
from catalog.models.reasons import ReasonChange
from catalog.timeline import reason_label
from catalog.workflow import PublicationStatus
from matchmaking import presenting
from matchmaking.models import Match, MatchEvent

_OPERATOR = presenting.Reader(side="", names=True, contacts=True, is_operator=True)
# One block of lines costs at most one query for each kind.
BLOCK = 500

Place = tuple[dt.datetime, str, int]


@dataclass(frozen=True)
class Line:
    """One row of the trace, ready to be read."""

    when: dt.datetime
    kind: StrOrPromise
    who: str
    what: str
    about: str
    url: str
    detail: str


@dataclass(frozen=True)
class Filters:
    """What the page was asked for. Nonsense finds nothing, or counts as not asked."""

    kind: str = ""
    person: str = ""
    number: str = ""
    words: str = ""
    since: dt.date | None = None
    until: dt.date | None = None

    @classmethod
    def read(cls, query: Mapping[str, str]) -> Filters:
        def text(name: str, limit: int) -> str:
            return query.get(name, "").replace("\x00", "").strip()[:limit]

        kind = text("kind", 10)
        return cls(
            kind=kind if kind in SOURCES else "",
            person=text("person", 80),
            number=text("number", 40).upper(),
            words=text("words", 80),
            since=_day(text("since", 10)),
            until=_day(text("until", 10)),
        )

    def query(self) -> str:
        """Return the filters in use as a query string."""
        values = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return urlencode({name: str(value) for name, value in values.items() if value})


def _day(text: str) -> dt.date | None:
    try:
        return parse_date(text)
    except ValueError:  # the 31st of February
        return None


@dataclass(frozen=True)
class Source:
    """One of the tables. `about` finds a number, `lines` makes what is read of some rows."""

    label: StrOrPromise
    rows: Callable[[], QuerySet[Any]]
    # Where a person's or organization's name is looked for, and where words are.
    people: tuple[str, ...]
    words: tuple[str, ...]
    about: Callable[[str], Q]
    lines: Callable[[QuerySet[Any]], Iterable[tuple[int, Line]]]
    load: tuple[str, ...] = ("actor",)
    # The column that says when.
    when: str = "created_at"
    # Long columns of what is loaded, that no line shows.
    skip: tuple[str, ...] = ()


_NOTHING = Q(pk__in=())
_ACTOR = ("actor__name", "actor__email")


def _of_match(number: str) -> Q:
    return (
        Q(match__in=Match.objects.by_number(number).values("pk"))
        | Q(match__demand__in=Demand.objects.by_number(number).values("pk"))
        | Q(match__achievement__in=Achievement.objects.by_number(number).values("pk"))
    )


def _of_listing(number: str) -> Q:
    return Q(demand__in=Demand.objects.by_number(number).values("pk")) | Q(
        achievement__in=Achievement.objects.by_number(number).values("pk")
    )


def _match_lines(rows: QuerySet[Any]) -> Iterator[tuple[int, Line]]:
    for event in rows:
        reasons = presenting.event_reasons(event, _OPERATOR) or (
            [event.reason] if event.reason else []
        )
        yield (
            event.pk,
            Line(
                event.created_at,
                _("Match"),
                _name(event.actor),
                event.get_verb_display(),
                event.match.number,
                event.match.get_absolute_url(),
                _detail(event.subject or "", _move(event), *reasons, event.note),
            ),
        )


def _listing_lines(rows: QuerySet[Any]) -> Iterator[tuple[int, Line]]:
    for event in rows:
        listing: Listing = event.demand or event.achievement
        yield (
            event.pk,
            Line(
                event.created_at,
                _("Listing"),
                _name(event.actor),
                event.get_after_display(),
                listing.number,
                listing.get_absolute_url(),
                _detail(
                    _move(event),
                    _("version %(number)d") % {"number": event.version} if event.version else "",
                    reason_label(event),
                    event.note,
                ),
            ),
        )


def _account_lines(rows: QuerySet[Any]) -> Iterator[tuple[int, Line]]:
    for event in rows:
        url = ""
        if event.organization_id:
            url = reverse("ops_organization", args=[event.organization_id])
        yield (
            event.pk,
            Line(
                event.created_at,
                _("Account"),
                _name(event.actor),
                event.get_verb_display(),
                " · ".join(str(one) for one in (event.organization, event.subject) if one),
                url,
                event.note,
            ),
        )


def _access_lines(rows: QuerySet[Any]) -> Iterator[tuple[int, Line]]:
    for event in rows:
        yield (
            event.pk,
            Line(
                event.created_at,
                _("Reading"),
                _name(event.actor),
                event.get_kind_display(),
                event.number or event.get_subject_display(),
                _address(event),
                event.note,
            ),
        )


def _file_lines(rows: QuerySet[Any]) -> Iterator[tuple[int, Line]]:
    for event in rows:
        listing: Listing = event.demand or event.achievement
        yield (
            event.pk,
            Line(
                event.created_at,
                _("File"),
                _name(event.actor),
                event.get_verb_display(),
                listing.number,
                listing.get_absolute_url(),
                _detail(event.attachment.name if event.attachment else "", event.note),
            ),
        )


def _export_lines(rows: QuerySet[Any]) -> Iterator[tuple[int, Line]]:
    for export in rows:
        yield (
            export.pk,
            Line(
                export.created_at,
                _("Export"),
                _name(export.actor),
                _("took a list out"),
                export.get_kind_display(),
                "",
                _detail(
                    _("%(count)d rows") % {"count": export.rows},
                    export.file_format.upper(),
                    _("of one's own organizations") if export.own else "",
                    export.query,
                ),
            ),
        )


def _check_lines(rows: QuerySet[Any]) -> Iterator[tuple[int, Line]]:
    for row in rows:
        listing: Listing = row.pgh_obj.listing
        waits = row.status == PublicationStatus.ASSIGNED and row.manager is None
        yield (
            row.pk,
            Line(
                row.pgh_created_at,
                _("Check"),
                _name(row.decided_by),
                _("waits for a manager") if waits else row.get_status_display(),
                listing.number,
                listing.get_absolute_url(),
                _detail(
                    row.manager or "",
                    _("due on %(day)s") % {"day": row.due_on},
                    row.get_escalation_display() if row.escalation else "",
                    row.get_decision_display() if row.decision else "",
                ),
            ),
        )


def _reason_lines(rows: QuerySet[Any]) -> Iterator[tuple[int, Line]]:
    for change in rows:
        yield (
            change.pk,
            Line(
                change.created_at,
                _("Reasons"),
                _name(change.actor),
                change.get_verb_display(),
                f"{change.reason.get_subject_display()} · {change.reason.code}",
                reverse("ops_reasons"),
                "",
            ),
        )


SOURCES: dict[str, Source] = {
    "match": Source(
        gettext_lazy("Matches"),
        MatchEvent.objects.all,
        (*_ACTOR, "subject__name", "subject__email"),
        ("note", "reason"),
        _of_match,
        _match_lines,
        ("actor", "subject", "match"),
        skip=("match__grid", "match__pairs", "match__terms", "match__parts", "match__features"),
    ),
    "listing": Source(
        gettext_lazy("Listings"),
        ListingEvent.objects.all,
        _ACTOR,
        ("note", "reason"),
        _of_listing,
        _listing_lines,
        ("actor", "demand", "achievement"),
        skip=long_fields(),
    ),
    "check": Source(
        gettext_lazy("Checks of listings"),
        step_model().objects.all,
        ("manager__name", "manager__email", "decided_by__name", "decided_by__email"),
        ("pgh_obj__note", "pgh_obj__reason"),
        lambda number: Q(
            pgh_obj__in=PublicationReview.objects.filter(_of_listing(number)).values("pk")
        ),
        _check_lines,
        ("manager", "decided_by", "pgh_obj__demand", "pgh_obj__achievement"),
        "pgh_created_at",
        skip=long_fields("pgh_obj__"),
    ),
    "account": Source(
        gettext_lazy("People and organizations"),
        AccountEvent.objects.all,
        (*_ACTOR, "subject__name", "subject__email", "organization__name"),
        ("note",),
        lambda number: _NOTHING,
        _account_lines,
        ("actor", "organization", "subject"),
    ),
    "access": Source(
        gettext_lazy("What was read"),
        AccessEvent.objects.all,
        _ACTOR,
        ("note",),
        lambda number: Q(number__iexact=number),
        _access_lines,
    ),
    "file": Source(
        gettext_lazy("Files"),
        AttachmentEvent.objects.all,
        _ACTOR,
        ("note", "attachment__name"),
        _of_listing,
        _file_lines,
        ("actor", "demand", "achievement", "attachment"),
        skip=(*long_fields(), "attachment__text"),
    ),
    "reason": Source(
        gettext_lazy("Reasons"),
        ReasonChange.objects.all,
        _ACTOR,
        ("reason__code",),
        lambda number: _NOTHING,
        _reason_lines,
        ("actor", "reason"),
    ),
    "export": Source(
        gettext_lazy("Exports"),
        ListingExport.objects.all,
        _ACTOR,
        ("query",),
        lambda number: _NOTHING,
        _export_lines,
    ),
}


def places(filters: Filters) -> Any:
    """Return what is asked for as one ordered query of (when, kind, key), the latest first."""
    wanted = {filters.kind: SOURCES[filters.kind]} if filters.kind else SOURCES
    found = [
        _rows(source, filters)
        .order_by()
        .annotate(at=F(source.when), kind_of=Value(kind, output_field=CharField()))
        .values_list("at", "kind_of", "pk")
        for kind, source in wanted.items()
    ]
    return found[0].union(*found[1:], all=True).order_by("-at", "kind_of", "-pk")


def _rows(source: Source, filters: Filters) -> QuerySet[Any]:
    rows = source.rows()
    if filters.person:
        rows = rows.filter(_any(source.people, filters.person))
    if filters.words:
        rows = rows.filter(_any(source.words, filters.words))
    if filters.number:
        rows = rows.filter(source.about(filters.number))
    if filters.since:
        rows = rows.filter(**{f"{source.when}__date__gte": filters.since})
    if filters.until:
        rows = rows.filter(**{f"{source.when}__date__lte": filters.until})
    return rows


def _any(names: tuple[str, ...], text: str) -> Q:
    found = Q()
    for name in names:
        found |= Q(**{f"{name}__icontains": text})
    return found


def lines(found: list[Place]) -> list[Line]:
    """Load one block of `places`: at most one query for each kind."""
    made: dict[tuple[str, int], Line] = {}
    for kind, source in SOURCES.items():
        keys = [pk for _when, of, pk in found if of == kind]
        if keys:
            rows = source.rows().filter(pk__in=keys).order_by()
            rows = rows.select_related(*source.load).defer(*source.skip)
            made |= {(kind, pk): line for pk, line in source.lines(rows)}
    return [made[kind, pk] for _when, kind, pk in found]


def table(filters: Filters, limit: int) -> Iterator[list[Any]]:
    """Yield the head and at most `limit` lines for a file, read in blocks."""
    yield [_("When"), _("About what"), _("Who"), _("What"), _("Number"), _("Details")]
    block: list[Place] = []
    for place in places(filters)[:limit].iterator(chunk_size=BLOCK):
        block.append(place)
        if len(block) == BLOCK:
            yield from map(_cells, lines(block))
            block = []
    yield from map(_cells, lines(block))


WIDTHS = (20, 12, 28, 20, 22, 60)


def _cells(line: Line) -> list[Any]:
    return [line.when, str(line.kind), line.who, str(line.what), line.about, str(line.detail)]


def _name(actor: Any) -> str:
    return f"{actor} <{actor.email}>" if actor else _("KeQiao")


def _address(event: AccessEvent) -> str:
    if event.subject == AccessEvent.Subject.MATCH:
        return reverse("match_detail", args=[event.number])
    if event.subject == AccessEvent.Subject.LISTING:
        kind = "demand" if event.number.startswith(Demand.NUMBER_PREFIX) else "achievement"
        return reverse(f"{kind}_detail", args=[event.number])
    return ""


def _move(event: MatchEvent | ListingEvent) -> str:
    if not event.before or event.before == event.after:
        return ""
    return f"{event.get_before_display()} → {event.get_after_display()}"


def _detail(*parts: Any) -> str:
    return _("; ").join(str(part) for part in parts if part)
