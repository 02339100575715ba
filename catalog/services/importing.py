"""Rows of a file into listings: read, settled against what is stored, written in bulk.

`parse` reads one row, `settle` says what it would do, `write` does it. A check settles and does
not write; so what a person was told before they confirmed is what happens, or is said anew.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.db import connection, transaction
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from accounts.models import Organization, User
from catalog.leaks import find_leaks
from catalog.models import (
    CONTENT_FIELDS,
    Listing,
    ListingEvent,
    RowOutcome,
    revision_model,
)
from catalog.services.moving import announce
from catalog.services.publication import cancel_checks, open_checks
from catalog.services.publishing import IMMATERIAL, check_complete, write_content
from catalog.services.reading import EXAMPLE_IDS, Row, Table, open_table
from catalog.services.sheet import columns as columns_of
from catalog.services.sheet import external_id as read_external_id
from catalog.services.sheet import headers, shown
from catalog.signals import listings_left, listings_published
from catalog.workflow import ListingStatus

# Rows that go to the database in one statement.
CHUNK = 500
# A file that is wrong throughout is not explained line by line on a terminal.
ERROR_LIMIT = 200
# How long a listing of a bulk load is held to be true when the file does not say.
VALID_DAYS = 365
# Where the numbers of our advisory locks begin; an organization's follows.
_LOCKS = 0x1A9057 << 40
# Characters of a wrong cell that are shown.
VALUE_LIMIT = 80


class RowError(NamedTuple):
    """`row` as a spreadsheet counts it, `column` as the file calls it, `problem` a sentence."""

    row: int
    column: str
    problem: str
    value: str = ""


@dataclass
class Report:
    """What an import did, or would do in a dry run."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    errors: list[RowError] = field(default_factory=list)
    more_errors: int = 0
    unknown_columns: list[str] = field(default_factory=list)

    @property
    def rows(self) -> int:
        return self.created + self.updated + self.unchanged

    def add_error(self, error: RowError) -> None:
        if len(self.errors) < ERROR_LIMIT:
            self.errors.append(error)
        else:
            self.more_errors += 1


class ImportFailed(Exception):
    """Rows are wrong, so nothing was stored. `report` says which."""

    def __init__(self, report: Report) -> None:
        super().__init__(len(report.errors) + report.more_errors)
        self.report = report


@dataclass(frozen=True)
class Terms:
    """In whose name rows are stored, and what becomes of the good ones.

    `submit`: they are handed in for review. `publish`: the source is trusted, they become live
    without one. Neither: drafts, and what is published is not touched.
    """

    model: type[Listing]
    owner: Organization
    actor: User | None
    submit: bool = False
    publish: bool = False

    @property
    def kind(self) -> str:
        return self.model._meta.model_name or ""


class Parsed(NamedTuple):
    number: int
    external_id: str
    content: dict[str, Any]
    errors: list[RowError]


@dataclass
class Settled:
    """What a row does: `listing` carries the new content, `before` is the status it has now."""

    row: Parsed
    outcome: str
    listing: Any = None
    before: str = ""
    # A new version that somebody has to read, or that is live.
    is_version: bool = False
    was_live: bool = False
    changed: list[str] = field(default_factory=list)
    problems: list[RowError] = field(default_factory=list)
    notes: list[RowError] = field(default_factory=list)


def import_listings(
    *,
    model: type[Listing],
    path: Path,
    owner: Organization,
    actor: User | None = None,
    submit: bool = False,
    publish: bool = False,
    dry_run: bool = False,
    progress: Callable[[int], None] = lambda done: None,
) -> Report:
    """Load a file for `owner` in one transaction. The same file twice changes nothing.

    Rows are known by their external id. With `publish` the source is trusted: rows become live
    without a review, and changed ones get a new version. Without it they become drafts.

    Raises `reading.UnreadableFile`, or `ImportFailed` with every wrong row and nothing stored.
    """
    terms = Terms(model, owner, actor, submit, publish)
    table = open_table(path, headers(terms.kind))
    report = Report(unknown_columns=table.unknown)
    doubles = Doubles(table.columns)
    done = 0
    with transaction.atomic():
        hold(owner)
        parsed = parse_all(table, terms.kind)
        while chunk := list(islice(parsed, CHUNK)):
            settled = settle(chunk, terms, table.columns, doubles, lock=True)
            for one in settled:
                for error in one.problems:
                    report.add_error(error)
            # After the first error nothing will be stored: then only look for more of them.
            if dry_run or not report.errors:
                write(settled, terms)
            _count(settled, report)
            done += len(chunk)
            progress(done)
        if dry_run or report.errors:
            transaction.set_rollback(True)
    if report.errors and not dry_run:
        raise ImportFailed(report)
    return report


def hold(owner: Organization) -> None:
    """Make other imports for this owner wait until the transaction ends, and nobody else.

    A lock on the organization's row would keep its people from changing their address meanwhile.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCKS + owner.pk])


def _count(settled: Iterable[Settled], report: Report) -> None:
    for one in settled:
        report.created += one.outcome == RowOutcome.NEW
        report.updated += one.outcome == RowOutcome.CHANGED
        report.unchanged += one.outcome == RowOutcome.SAME


# --- Reading rows -------------------------------------------------------------------------------


def parse_all(table: Table, kind: str) -> Iterator[Parsed]:
    """Yield every row of a file with what is wrong with it, but for a template's example."""
    faults = table.faults()
    for number, row in table.rows():
        if shown(row.get("external_id")).strip().casefold() in EXAMPLE_IDS:
            continue
        parsed = parse(number, row, kind, table.columns)
        for column, sentence in faults.get(number, ()):
            parsed.errors.append(RowError(number, column, sentence))
        yield parsed


def parse(number: int, row: Row, kind: str, named: dict[str, str]) -> Parsed:
    """Read the cells of one row."""
    known = columns_of(kind)
    content: dict[str, Any] = {}
    errors: list[RowError] = []
    external_id = ""

    def wrong(name: str, value: Any, messages: Iterable[str]) -> None:
        column = named.get(name, known[name].zh)
        errors.extend(
            RowError(number, column, message, shown(value)[:VALUE_LIMIT]) for message in messages
        )

    for name, value in row.items():
        try:
            if name == "external_id":
                external_id = read_external_id(value)
                continue
            for field_name, found in known[name].read(value).items():
                if content.get(field_name, found) != found:
                    raise ValidationError(_("Another column of this row gives another amount."))
                content[field_name] = found
        except ValidationError as error:
            wrong(name, value, error.messages)
    for name in ("money_min", "money_max"):
        # Where neither column of the pair says anything, the file says that there is no amount.
        if name in named or f"{name}_wan" in named:
            content.setdefault(name, None)
    for name in ("external_id", "title"):
        if name not in row:  # a line with fewer cells than the header
            wrong(name, "", [_("This cell is empty.")])
    return Parsed(number, external_id, content, errors)


class Doubles:
    """Which ids and which listings a file has named so far, and in which row."""

    def __init__(self, named: dict[str, str]) -> None:
        self.column = named.get("external_id", "")
        self.ids: dict[str, int] = {}
        self.listings: dict[int, int] = {}

    def check(self, row: Parsed, listing: Listing | None) -> RowError | None:
        """Note a row; return what is wrong where another one has its id or its listing."""
        before = self.ids.setdefault(row.external_id, row.number)
        if before == row.number and listing is not None:
            before = self.listings.setdefault(listing.pk, row.number)
        if before == row.number:
            return None
        return RowError(
            row.number,
            self.column,
            _("The id “%(id)s” stands in row %(row)d already.")
            % {"id": row.external_id, "row": before},
            row.external_id,
        )


# --- What a row does ----------------------------------------------------------------------------


def settle(
    rows: Iterable[Parsed],
    terms: Terms,
    named: dict[str, str],
    doubles: Doubles,
    *,
    lock: bool = False,
) -> list[Settled]:
    """Compare rows with what is stored. Nothing is written; with `lock` it may be right after.

    `named` are the file's headers by column, to say where something is wrong.
    """
    rows = list(rows)
    known = _known(rows, terms, lock=lock)
    now, today = timezone.now(), timezone.localdate()
    settled = []
    for row in rows:
        listing = known.get(row.external_id) if row.external_id else None
        one = Settled(row, RowOutcome.WRONG, listing, problems=list(row.errors))
        if row.external_id and (double := doubles.check(row, listing)):
            one.problems.append(double)
        if not one.problems:
            _settle(one, terms, now, today)
            for error in (*one.problems, *one.notes):
                _place(error, one, terms.kind, named)
        if one.problems:
            one.outcome = RowOutcome.WRONG
        settled.append(one)
    return settled


def _place(error: RowError, one: Settled, kind: str, named: dict[str, str]) -> None:
    """Put the file's own header in the place of a model field's name."""
    held = {
        name: column for name, column in columns_of(kind).items() if error.column in column.fields
    }
    # A file without the column: what the template calls it.
    usual = [known.header(get_language() or "") for known in held.values() if known.only != "en"]
    column = next((named[name] for name in held if name in named), (usual or [""])[0])
    for errors in (one.problems, one.notes):
        if error in errors:
            errors[errors.index(error)] = error._replace(column=column)


def _known(rows: list[Parsed], terms: Terms, *, lock: bool) -> dict[str, Any]:
    """Return the listings that rows name: by the owner's number, or by the platform's."""
    ids = [row.external_id for row in rows if row.external_id]
    own = terms.model.objects.filter(owner=terms.owner).order_by("pk")
    if lock:
        own = own.select_for_update(of=("self",), no_key=True)
    found = {listing.external_id: listing for listing in own.filter(external_id__in=ids)}
    pattern = re.compile(rf"{terms.model.NUMBER_PREFIX}-\d{{4}}-(\d{{4,18}})")
    numbers = {one: int(match[1]) for one in ids if (match := pattern.fullmatch(one))}
    if numbers:
        for listing in own.filter(pk__in=numbers.values()):
            if numbers.get(listing.number) == listing.pk:
                found.setdefault(listing.number, listing)
    for listing in found.values():
        listing.owner = terms.owner
    return found


def _settle(one: Settled, terms: Terms, now: dt.datetime, today: dt.date) -> None:
    """Fill in what a row without errors does. What is wrong names model fields as columns."""
    row, listing = one.row, one.listing
    is_new = listing is None
    content = row.content
    if is_new:
        content = {"valid_until": today + dt.timedelta(days=VALID_DAYS), **content}
        listing = one.listing = terms.model(
            owner=terms.owner, created_by=terms.actor, external_id=row.external_id
        )
    one.before, one.was_live = ("" if is_new else listing.status), not is_new and listing.is_live
    try:
        one.changed = write_content(listing, content)
    except ValidationError as error:
        one.problems = _errors_of(row.number, error)
        return
    if is_new:
        one.outcome = RowOutcome.NEW
        listing.created_at = listing.updated_at = now
        _go_on(one, terms, now, today)
        return
    goes_on = _goes_on(one, terms, today)
    # A listing that was withdrawn here meanwhile is no reason to refuse a file that says
    # nothing new about it.
    if not one.changed and not goes_on:
        one.outcome = RowOutcome.SAME
        return
    if listing.status not in _writable(terms):
        one.problems.append(RowError(row.number, "", _refusal(listing, terms)))
        return
    one.outcome = RowOutcome.CHANGED
    listing.updated_at = now
    _go_on(one, terms, now, today)


def _writable(terms: Terms) -> set[str]:
    writable: set[str] = {ListingStatus.DRAFT, ListingStatus.NEEDS_INFO}
    if terms.submit or terms.publish:
        writable |= {ListingStatus.PUBLISHED, ListingStatus.EXPIRED}
    if terms.publish:
        writable.add(ListingStatus.SUBMITTED)
    return writable


def _refusal(listing: Listing, terms: Terms) -> str:
    if listing.status in (ListingStatus.PUBLISHED, ListingStatus.EXPIRED):
        return _(
            "This listing is “%(status)s”. To change it, send the file again and hand the rows in "
            "for review."
        ) % {"status": listing.get_status_display()}
    return _("This listing is “%(status)s” and cannot be overwritten.") % {
        "status": listing.get_status_display()
    }


def _goes_on(one: Settled, terms: Terms, today: dt.date) -> bool:
    """Say whether an unchanged listing moves all the same: a draft handed in, one made live."""
    listing = one.listing
    if terms.publish:
        last_day = one.row.content.get("valid_until")
        return (
            listing.status in _writable(terms)
            and listing.status != ListingStatus.PUBLISHED
            # What the file itself dates into the past stays expired, however often it is sent.
            and (last_day is None or last_day >= today)
        )
    return (
        terms.submit
        and listing.status == ListingStatus.DRAFT
        and not _shortcomings(one, terms.owner)
    )


def _go_on(one: Settled, terms: Terms, now: dt.datetime, today: dt.date) -> None:
    """Move a new or changed listing to where the terms want it."""
    listing = one.listing
    if terms.publish:
        if one.row.content.get("valid_until") is None and not _lasts(listing, today):
            listing.valid_until = today + dt.timedelta(days=VALID_DAYS)
            one.changed.append("valid_until")
        if not _lasts(listing, today):
            sentence = _("It is valid until a day that has passed; it cannot be published.")
            one.problems.append(_error(one, "valid_until", sentence))
            return
        listing.status = ListingStatus.PUBLISHED
        listing.version += 1
        listing.submitted_at = listing.published_at = listing.confirmed_at = now
        one.is_version = True
    elif terms.submit:
        _hand_in(one, terms, now, today)


def _hand_in(one: Settled, terms: Terms, now: dt.datetime, today: dt.date) -> None:
    listing = one.listing
    live = listing.status in (ListingStatus.PUBLISHED, ListingStatus.EXPIRED)
    if live and not set(one.changed) - IMMATERIAL:
        # A later last day or other tiers: its owner's word that the rest is still true.
        if _lasts(listing, today):
            listing.status, listing.confirmed_at = ListingStatus.PUBLISHED, now
        return
    shortcomings = _shortcomings(one, terms.owner)
    if shortcomings and live:
        one.problems += shortcomings
        return
    if shortcomings:
        one.notes += [
            error._replace(problem=_("Stays a draft: %(reason)s") % {"reason": error.problem})
            for error in shortcomings
        ]
        return
    listing.move_to(ListingStatus.SUBMITTED)
    listing.version += 1
    listing.submitted_at = listing.confirmed_at = now
    one.is_version = True


def _shortcomings(one: Settled, owner: Organization) -> list[RowError]:
    """Return what keeps a listing from being handed in."""
    listing = one.listing
    errors: list[RowError] = []
    try:
        check_complete(listing)
    except ValidationError as error:
        errors = _errors_of(one.row.number, error)
    for leak in find_leaks(listing, owner):
        errors.append(RowError(one.row.number, leak.field, leak.sentence(), leak.snippet))
    return errors


def _errors_of(number: int, error: ValidationError) -> list[RowError]:
    if not hasattr(error, "error_dict"):
        return [RowError(number, "", message) for message in error.messages]
    return [
        RowError(number, "" if name == NON_FIELD_ERRORS else name, message)
        for name, messages in error.message_dict.items()
        for message in messages
    ]


def _error(one: Settled, name: str, sentence: str) -> RowError:
    return RowError(one.row.number, name, sentence, str(getattr(one.listing, name) or ""))


def _lasts(listing: Listing, today: dt.date) -> bool:
    return listing.valid_until is not None and listing.valid_until >= today


# --- Writing ------------------------------------------------------------------------------------

# What a row may change of a listing that is there, beside its content.
_STATE_FIELDS = (
    *("valid_until", "status", "version", "submitted_at", "published_at"),
    *("confirmed_at", "updated_at", "quality"),
)


def write(settled: Iterable[Settled], terms: Terms) -> None:
    """Store settled rows: listings, revisions, events. The caller holds the transaction."""
    fresh = [one for one in settled if one.outcome == RowOutcome.NEW]
    changed = [one for one in settled if one.outcome == RowOutcome.CHANGED]
    rows: Any = terms.model.objects
    rows.bulk_create([one.listing for one in fresh])
    # One statement with as many rows; an UPDATE of forty columns by CASE takes ten times longer.
    rows.bulk_create(
        [one.listing for one in changed],
        update_conflicts=True,
        unique_fields=["pk"],
        update_fields=[*CONTENT_FIELDS[terms.kind], *_STATE_FIELDS],
    )
    _record([*fresh, *changed], terms)
    _check([*fresh, *changed], terms)
    _announce([*fresh, *changed], terms.kind)


def _record(settled: list[Settled], terms: Terms) -> None:
    """Write a revision of every new version, and an event row for every listing."""
    now = timezone.now()
    revisions = revision_model(terms.kind)
    revisions.objects.bulk_create(
        revisions(
            pgh_obj=one.listing,
            pgh_label="revision",
            version=one.listing.version,
            **{name: getattr(one.listing, name) for name in CONTENT_FIELDS[terms.kind]},
        )
        for one in settled
        if one.is_version
    )
    ListingEvent.objects.bulk_create(
        ListingEvent(
            **{terms.kind: one.listing},
            actor=terms.actor,
            before=one.before,
            after=one.listing.status,
            version=one.listing.version,
            valid_until=one.listing.valid_until if _is_prolonged(one) else None,
            created_at=now,
        )
        for one in settled
        # As with a draft that is saved in the form: only the first time is a step in its life.
        if one.before != one.listing.status or one.is_version or _is_prolonged(one)
    )


def _check(settled: list[Settled], terms: Terms) -> None:
    """Open the check of what was handed in; one that a trusted import made live needs none."""
    cancel_checks(
        terms.kind,
        [one.listing.pk for one in settled if one.before == ListingStatus.SUBMITTED],
    )
    handed_in = [one for one in settled if one.listing.status == ListingStatus.SUBMITTED]
    open_checks(
        terms.kind,
        [one.listing for one in handed_in],
        asked=[one.listing.pk for one in handed_in if one.before == ListingStatus.NEEDS_INFO],
    )


def _is_prolonged(one: Settled) -> bool:
    return (
        bool(one.before)
        and not one.is_version
        and "valid_until" in one.changed
        and one.listing.status == ListingStatus.PUBLISHED
    )


def _announce(settled: list[Settled], kind: str) -> None:
    came = [
        one.listing.pk
        for one in settled
        if one.listing.status == ListingStatus.PUBLISHED
        and (one.is_version or not one.was_live or "disclosure" in one.changed)
    ]
    left = [
        one.listing.pk
        for one in settled
        if one.before == ListingStatus.PUBLISHED and one.listing.status != ListingStatus.PUBLISHED
    ]
    if came:
        announce(listings_published, kind, came)
    if left:
        announce(listings_left, kind, left)
