"""Listings from a file: checked row by row, stored all together or not at all."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import Organization, User
from accounts.regions import find_region
from accounts.text import clean_line, clean_text
from catalog.indicators import clean_indicators, parse_indicators
from catalog.industries import find_industry
from catalog.models import (
    CONTENT_FIELDS,
    CooperationMode,
    Listing,
    ListingEvent,
    ListingLanguage,
    revision_model,
)
from catalog.services.publishing import announce
from catalog.services.reading import HEADERS, Row, read_header, read_rows
from catalog.signals import listings_published
from catalog.workflow import ListingStatus

# Rows that go to the database in one statement.
CHUNK = 500
# A file that is wrong throughout is not explained line by line.
ERROR_LIMIT = 200
# How long a listing of a bulk load is held to be true when the file does not say.
VALID_DAYS = 365

_MODES = {
    word.casefold(): mode.value
    for mode, names in {
        CooperationMode.DEVELOPMENT: ("development", "技术开发", "合作开发", "委托开发"),
        CooperationMode.TRANSFER: ("transfer", "技术转让", "转让"),
        CooperationMode.LICENSE: ("license", "licence", "技术许可", "许可"),
        CooperationMode.CONSULTING: ("consulting", "技术咨询", "咨询"),
        CooperationMode.SERVICE: ("service", "技术服务", "服务"),
        CooperationMode.EQUITY: ("equity", "作价入股", "技术入股", "作价投资"),
        CooperationMode.JOINT: ("joint", "共建", "联合实验室", "共建平台"),
    }.items()
    for word in names
}
_LANGUAGES = {"zh": "zh", "中文": "zh", "chinese": "zh", "en": "en", "英文": "en", "english": "en"}


class RowError(NamedTuple):
    """`row` as a spreadsheet counts it, `column` as the file calls it, `problem` a sentence."""

    row: int
    column: str
    problem: str


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


def import_listings(
    *,
    model: type[Listing],
    path: Path,
    owner: Organization,
    actor: User | None = None,
    publish: bool = False,
    dry_run: bool = False,
    progress: Callable[[int], None] = lambda done: None,
) -> Report:
    """Load a file for `owner`. The same file twice changes nothing the second time.

    Rows are known by their external id. With `publish` the source is trusted: rows become live
    without a review, and changed ones get a new version. Without it they become drafts.

    Raises `reading.UnreadableFile`, or `ImportFailed` with every wrong row and nothing stored.
    """
    columns, unknown = read_header(path)
    report = Report(unknown_columns=unknown)
    with transaction.atomic():
        # Two imports for one owner at once: the second waits, and finds the rows of the first.
        Organization.objects.select_for_update(no_key=True).get(pk=owner.pk)
        seen: dict[str, int] = {}
        parsed = _parse_all(path, columns, seen, report, check_all=dry_run)
        while chunk := list(islice(parsed, CHUNK)):
            _store(model, owner, actor, chunk, report, columns, publish=publish)
            progress(len(seen))
        if dry_run or report.errors:
            transaction.set_rollback(True)
    if report.errors and not dry_run:
        raise ImportFailed(report)
    return report


class Parsed(NamedTuple):
    number: int
    external_id: str
    content: dict[str, Any]


def _parse_all(
    path: Path,
    columns: dict[str, str],
    seen: dict[str, int],
    report: Report,
    *,
    check_all: bool,
) -> Iterator[Parsed]:
    """Yield the rows that are right; put the others' errors into the report."""
    for number, row in read_rows(path):
        parsed, errors = _parse(number, row, columns)
        for error in errors:
            report.add_error(error)
        if not parsed.external_id:
            continue
        if parsed.external_id in seen:
            report.add_error(
                RowError(
                    number,
                    columns["external_id"],
                    _("The id “%(id)s” stands in row %(row)d already.")
                    % {"id": parsed.external_id, "row": seen[parsed.external_id]},
                )
            )
            continue
        seen[parsed.external_id] = number
        # After the first error nothing will be stored: then only look for more of them.
        if not errors and (check_all or not report.errors):
            yield parsed


def _parse(number: int, row: Row, columns: dict[str, str]) -> tuple[Parsed, list[RowError]]:
    content: dict[str, Any] = {}
    errors: list[RowError] = []
    external_id = ""
    for name, value in row.items():
        try:
            if name == "external_id":
                external_id = _line(value, 100, required=True)
                continue
            for field_name, found in _PARSERS[name](value).items():
                if content.get(field_name, found) != found:
                    raise ValidationError(_("Another column of this row gives another amount."))
                content[field_name] = found
        except ValidationError as error:
            errors += [
                RowError(number, columns.get(name, HEADERS[name][0]), message)
                for message in error.messages
            ]
    for name in ("money_min", "money_max"):
        # Where neither column of the pair says anything, the file says that there is no amount.
        if name in columns or f"{name}_wan" in columns:
            content.setdefault(name, None)
    low, high = content.get("money_min"), content.get("money_max")
    if low is not None and high is not None and low > high:
        errors.append(_crossed(number, columns))
    for name in ("external_id", "title"):
        if name not in row:  # a line with fewer cells than the header
            errors.append(RowError(number, columns[name], _("This cell is empty.")))
    return Parsed(number, external_id, content), errors


def _crossed(number: int, columns: dict[str, str]) -> RowError:
    column = columns.get("money_max") or columns.get("money_max_wan", "")
    return RowError(number, column, _("The upper amount is below the lower one."))


def _text(value: Any) -> str:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return "" if value is None else str(value)


def _line(value: Any, limit: int, *, required: bool = False) -> str:
    text = clean_line(_text(value))
    if required and not text:
        raise ValidationError(_("This cell is empty."))
    if len(text) > limit:
        raise ValidationError(
            _("At most %(limit)d characters; this has %(count)d.")
            % {"limit": limit, "count": len(text)}
        )
    return text


def _paragraphs(value: Any, limit: int) -> str:
    text = clean_text(_text(value))
    if len(text) > limit:
        raise ValidationError(
            _("At most %(limit)d characters; this has %(count)d.")
            % {"limit": limit, "count": len(text)}
        )
    return text


def _list(value: Any) -> list[str]:
    text = clean_line(_text(value))
    for separator in "；;，,、|":
        text = text.replace(separator, "\n")
    return list(dict.fromkeys(part.strip() for part in text.split("\n") if part.strip()))


def _keywords(value: Any) -> list[str]:
    words = _list(value)
    if len(words) > 20 or any(len(word) > 40 for word in words):
        raise ValidationError(_("At most 20 keywords of at most 40 characters."))
    return words


def _found(value: Any, find: Callable[[str], str]) -> str:
    text = _line(value, 100)
    code = find(text) if text else ""
    if text and not code:
        raise ValidationError(_("“%(value)s” is not known.") % {"value": text})
    return code


def _modes(value: Any) -> list[str]:
    modes: list[str] = []
    for word in _list(value):
        if word.casefold() not in _MODES:
            raise ValidationError(_("“%(value)s” is not known.") % {"value": word})
        modes.append(_MODES[word.casefold()])
    return list(dict.fromkeys(modes))


def _trl(value: Any) -> int | None:
    text = _line(value, 20).upper().removeprefix("TRL").strip(" -级")
    if not text:
        return None
    if text not in set("123456789"):
        raise ValidationError(_("A readiness level is a number from 1 to 9."))
    return int(text)


def _money(value: Any, times: int = 1) -> int | None:
    text = _line(value, 40).replace(",", "").replace("，", "")
    if not text:
        return None
    try:
        amount = Decimal(text) * times
    except ArithmeticError:  # no number, or 1e999999
        raise ValidationError(_("“%(value)s” is not an amount.") % {"value": text}) from None
    if not amount.is_finite() or not 0 <= amount <= 10**13:
        raise ValidationError(_("“%(value)s” is not an amount.") % {"value": text})
    return int(amount)


def _date(value: Any) -> dt.date | None:
    if isinstance(value, dt.datetime):
        return value.date()
    if isinstance(value, dt.date):
        return value
    text = _line(value, 40)
    if not text:
        return None
    for form in ("%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%Y年%m月%d日", "%Y%m%d"):
        try:
            return dt.datetime.strptime(text.replace(" ", ""), form).date()
        except ValueError:
            continue
    raise ValidationError(
        _("“%(value)s” is not a date. Please write it like 2027-05-09.") % {"value": text}
    )


def _language(value: Any) -> str:
    text = _line(value, 20).casefold()
    if text and text not in _LANGUAGES:
        raise ValidationError(_("“%(value)s” is not known.") % {"value": text})
    return _LANGUAGES.get(text, ListingLanguage.ZH)


def _indicators(value: Any) -> list[dict[str, Any]]:
    text = clean_text(_text(value))
    if not text:
        return []
    return clean_indicators([row.to_json() for row in parse_indicators(text)])


def _field(name: str, parse: Callable[[Any], Any]) -> Callable[[Any], dict[str, Any]]:
    return lambda value: {name: parse(value)}


def _optional(name: str, parse: Callable[[Any], Any]) -> Callable[[Any], dict[str, Any]]:
    """Like `_field`, but an empty cell says nothing: another column may, or there is a default."""

    def read(value: Any) -> dict[str, Any]:
        parsed = parse(value)
        return {} if parsed is None else {name: parsed}

    return read


_PARSERS: dict[str, Callable[[Any], dict[str, Any]]] = {
    "title": _field("title", lambda value: _line(value, 200, required=True)),
    "summary": _field("summary", lambda value: _paragraphs(value, 600)),
    "body": _field("body", lambda value: _paragraphs(value, 20_000)),
    "indicators": _field("indicators", _indicators),
    "industry": _field("industry", lambda value: _found(value, find_industry)),
    "keywords": _field("keywords", _keywords),
    "region": _field("region", lambda value: _found(value, find_region)),
    "modes": _field("modes", _modes),
    "trl": _field("trl", _trl),
    "money_min": _optional("money_min", _money),
    "money_max": _optional("money_max", _money),
    "money_min_wan": _optional("money_min", lambda value: _money(value, 10_000)),
    "money_max_wan": _optional("money_max", lambda value: _money(value, 10_000)),
    "valid_until": _optional("valid_until", _date),
    "language": _field("language", _language),
}


def _store(
    model: type[Listing],
    owner: Organization,
    actor: User | None,
    rows: Iterable[Parsed],
    report: Report,
    columns: dict[str, str],
    *,
    publish: bool,
) -> None:
    """Create or update a chunk of right rows."""
    rows = list(rows)
    known = {
        listing.external_id: listing
        for listing in model.objects.select_for_update()
        .filter(owner=owner, external_id__in=[row.external_id for row in rows])
        .order_by("pk")
    }
    now, today = timezone.now(), timezone.localdate()
    valid_until = today + dt.timedelta(days=VALID_DAYS)
    fresh: list[Any] = []
    changed: list[tuple[Any, str]] = []
    for row in rows:
        listing = known.get(row.external_id)
        if listing is None:
            content = {"valid_until": valid_until, **row.content}
            listing = model(owner=owner, created_by=actor, external_id=row.external_id, **content)
            if publish:
                if not _lasts(listing, today):
                    report.add_error(_past(row, columns))
                    continue
                _make_live(listing, now)
            fresh.append(listing)
            continue
        differs = [name for name, value in row.content.items() if getattr(listing, name) != value]
        writable = {ListingStatus.DRAFT, ListingStatus.NEEDS_INFO}
        if publish:
            writable |= {ListingStatus.SUBMITTED, ListingStatus.PUBLISHED, ListingStatus.EXPIRED}
        last_day = row.content.get("valid_until")
        goes_live = (
            publish
            and listing.status in writable
            and listing.status != ListingStatus.PUBLISHED
            # What the file itself dates into the past stays expired, however often it is sent.
            and (last_day is None or last_day >= today)
        )
        # A listing that was withdrawn here meanwhile is no reason to refuse a file that says
        # nothing new about it.
        if not differs and not goes_live:
            report.unchanged += 1
            continue
        if listing.status not in writable:
            report.add_error(
                RowError(
                    row.number,
                    "",
                    _("This listing is “%(status)s” and cannot be overwritten.")
                    % {"status": listing.get_status_display()},
                )
            )
            continue
        before = listing.status
        for name in differs:
            setattr(listing, name, row.content[name])
        low, high = listing.money_min, listing.money_max
        if low is not None and high is not None and low > high:
            report.add_error(_crossed(row.number, columns))
            continue
        if publish:
            if last_day is None and not _lasts(listing, today):
                listing.valid_until = valid_until
            if not _lasts(listing, today):
                report.add_error(_past(row, columns))
                continue
            _make_live(listing, now)
        listing.updated_at = now
        changed.append((listing, before))
    model.objects.bulk_create(fresh)
    kind = model._meta.model_name or ""
    fields = (*CONTENT_FIELDS[kind], "valid_until", "status", "version", "submitted_at")
    model.objects.bulk_update(
        [listing for listing, _before in changed],
        (*fields, "published_at", "confirmed_at", "updated_at"),
    )
    _record([*((listing, "") for listing in fresh), *changed], actor, now)
    report.created += len(fresh)
    report.updated += len(changed)
    if publish:
        live = [listing.pk for listing in [*fresh, *(row for row, _ in changed)]]
        if live:
            announce(listings_published, kind, live)


def _lasts(listing: Listing, today: dt.date) -> bool:
    return listing.valid_until is not None and listing.valid_until >= today


def _past(row: Parsed, columns: dict[str, str]) -> RowError:
    return RowError(
        row.number,
        columns.get("valid_until", ""),
        _("It is valid until a day that has passed; it cannot be published."),
    )


def _make_live(listing: Listing, now: dt.datetime) -> None:
    listing.status = ListingStatus.PUBLISHED
    listing.version += 1
    listing.submitted_at = listing.published_at = listing.confirmed_at = now


def _record(listings: list[tuple[Any, str]], actor: User | None, now: dt.datetime) -> None:
    """Write revisions of what went live, and an event row for every listing."""
    live = [listing for listing, _before in listings if listing.status == ListingStatus.PUBLISHED]
    if live:
        revisions = revision_model(live[0].kind)
        revisions.objects.bulk_create(
            revisions(
                pgh_obj=listing,
                pgh_label="revision",
                version=listing.version,
                **{name: getattr(listing, name) for name in CONTENT_FIELDS[listing.kind]},
            )
            for listing in live
        )
    ListingEvent.objects.bulk_create(
        ListingEvent(
            **{listing.kind: listing},
            actor=actor,
            before=before,
            after=listing.status,
            version=listing.version,
            created_at=now,
        )
        for listing, before in listings
    )
