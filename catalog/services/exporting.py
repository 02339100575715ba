"""Listings out of the platform: templates to fill in, exports, and the report of an import.

What is written here is read back by `catalog.services.importing` as what it was. Everything that
a person typed goes through `guarded`: a spreadsheet must not compute it.
"""

from __future__ import annotations

import csv
import io
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import IO, Any

from django.db.models import QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import override, pgettext
from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.styles import Alignment, Font, PatternFill
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.datavalidation import DataValidation

from accounts.models import User
from accounts.permissions import Tier
from catalog.disclosure import shown
from catalog.models import ImportJob, ImportRow, Listing, ListingExport, RowOutcome
from catalog.services.sheet import STATE_HEADERS, Column, guarded, template_columns

FORMATS = ("xlsx", "csv")
LANGUAGES = {"zh": "zh-hans", "en": "en"}
# Excel takes a CSV file for UTF-8 only if it begins with this.
BOM = b"\xef\xbb\xbf"
_BLOCK = 500
_HEAD = PatternFill("solid", fgColor="E9F2F9")
_WRAP = Alignment(vertical="top", wrap_text=True)
_MIME = {
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "csv": "text/csv; charset=utf-8",
}

Line = Sequence[Any]


def mime(file_format: str) -> str:
    return _MIME[file_format]


# --- Templates ----------------------------------------------------------------------------------


def template(kind: str, language: str, file_format: str) -> bytes:
    """Return the file to fill in: headers and one example, drop-downs and explanations in xlsx."""
    with override(language):
        columns = template_columns(kind, language)
        example = [_example(column, language) for column in columns]
        head = [column.header(language) for column in columns]
        if file_format == "csv":
            return b"".join(csv_blocks([head, example]))
        return _template_book(columns, head, example, language)


def _example(column: Column, language: str) -> Any:
    return column.example[1 if language.startswith("en") else 0]


def _template_book(columns: list[Column], head: list[str], example: Line, language: str) -> bytes:
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.title = _("Listings")
    sheet.append([_excel(value) for value in head])
    sheet.append([_excel(guarded(value)) for value in example])
    for at, column in enumerate(columns, start=1):
        letter = get_column_letter(at)
        sheet.column_dimensions[letter].width = column.width
        cell = sheet.cell(1, at)
        cell.font, cell.fill = Font(bold=True), _HEAD
        sheet.cell(2, at).font = Font(color="5F6C7A", italic=True)
        sheet.cell(2, at).alignment = _WRAP
        if column.name == "external_id":
            # An id of more than 15 digits is rounded in a cell that is a number.
            sheet.column_dimensions[letter].number_format = "@"
    sheet.freeze_panes = "C2"
    explained = book.create_sheet(_("How to fill it in"))
    lists = book.create_sheet(_("Choices"))
    _offer_choices(sheet, lists, columns, language)
    _explain(explained, columns, language)
    return _saved(book)


def _offer_choices(sheet: Any, lists: Any, columns: list[Column], language: str) -> None:
    for at, column in enumerate(columns, start=1):
        if column.choices is None:
            continue
        place = lists.max_column + 1 if lists.cell(1, 1).value else 1
        lists.cell(1, place, column.header(language)).font = Font(bold=True)
        lists.column_dimensions[get_column_letter(place)].width = 28
        offered = column.choices()
        for row, choice in enumerate(offered, start=2):
            lists.cell(row, place, choice)
        letter = get_column_letter(place)
        rule = DataValidation(
            type="list",
            formula1=f"'{lists.title}'!${letter}$2:${letter}${len(offered) + 1}",
            allow_blank=True,
            # Finer classes and several choices in one cell are right as well.
            showErrorMessage=False,
        )
        rule.promptTitle = column.header(language)[:32]
        rule.prompt = str(column.help)[:250]
        rule.showInputMessage = True
        sheet.add_data_validation(rule)
        rule.add(f"{get_column_letter(at)}2:{get_column_letter(at)}20001")


def _explain(sheet: Any, columns: list[Column], language: str) -> None:
    sheet.append([_("Column"), _("Needed"), _("What goes into it"), _("Example")])
    for column in columns:
        sheet.append(
            [
                column.header(language),
                _("yes") if column.required else "",
                str(column.help),
                _excel(guarded(_example(column, language))),
            ]
        )
    sheet.append([])
    for sentence in (
        _("The example row is passed over when the file is imported; you may leave it in."),
        _("Handed in for review are rows that also have a summary, a description, an industry, a "
          "region, a cooperation mode and a last day. The others are kept as drafts."),
        _("Rows are known by their id: a row with the id of a listing that is there changes it."),
    ):  # fmt: skip
        sheet.append([sentence])
    for cell in sheet[1]:
        cell.font, cell.fill = Font(bold=True), _HEAD
    for letter, width in zip("ABCD", (22, 8, 80, 44), strict=True):
        sheet.column_dimensions[letter].width = width
    for row in sheet.iter_rows(min_row=2, max_row=len(columns) + 1):
        for cell in row:
            cell.alignment = _WRAP


def _saved(book: Workbook) -> bytes:
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


def _excel(value: Any) -> Any:
    """Return a value as openpyxl writes it: its own types, and no character XML cannot hold."""
    if isinstance(value, str):
        return "".join(char for char in value if char >= " " or char in "\t\n\r")[:32_767]
    if value is None or isinstance(value, int | float) or hasattr(value, "isoformat"):
        return value
    return float(value)


# --- Lines to files -----------------------------------------------------------------------------


def csv_blocks(lines: Iterable[Line]) -> Iterator[bytes]:
    """Yield a CSV file in blocks of lines, with the mark that Excel needs."""
    yield BOM
    lines = iter(lines)
    while block := list(islice(lines, _BLOCK)):
        buffer = io.StringIO(newline="")
        writer = csv.writer(buffer)
        writer.writerows([[_plain(value) for value in line] for line in block])
        yield buffer.getvalue().encode()


def in_language(lines: Iterator[Line], language: str) -> Iterator[Line]:
    """Yield lines that are made while the answer is on its way, in the reader's language."""
    while True:
        with override(language):
            line = next(lines, None)
        if line is None:
            return
        yield line


def _plain(value: Any) -> Any:
    return value.isoformat() if hasattr(value, "isoformat") else guarded(value)


def xlsx_file(lines: Iterable[Line], widths: Sequence[int], title: str) -> IO[bytes]:
    """Return a temporary file with a workbook of one sheet; its rows are not kept in memory."""
    book = Workbook(write_only=True)
    sheet = book.create_sheet(title)
    for at, width in enumerate(widths, start=1):
        sheet.column_dimensions[get_column_letter(at)].width = width
    sheet.freeze_panes = "B2"
    for number, line in enumerate(lines):
        cells: list[Any] = [_excel(guarded(value)) for value in line]
        if not number:
            cells = [_bold(sheet, value) for value in cells]
        sheet.append(cells)
    file = tempfile.TemporaryFile(prefix="keqiao-export-")  # noqa: SIM115, the answer closes it
    book.save(file)
    file.seek(0)
    return file


def _bold(sheet: Any, value: Any) -> Any:
    cell = WriteOnlyCell(sheet, value=value)
    cell.font, cell.fill = Font(bold=True), _HEAD
    return cell


# --- Exports ------------------------------------------------------------------------------------


def export_columns(kind: str, language: str, *, own: bool) -> list[Column]:
    """Return what is exported. Of others' listings: nothing that only their owner writes."""
    private = () if own else ("disclosure",)
    return [column for column in template_columns(kind, language) if column.name not in private]


def own_lines(listings: Iterable[Listing], kind: str, language: str) -> Iterator[Line]:
    """Yield header and rows of one's own listings, as the import reads them."""
    columns = export_columns(kind, language, own=True)
    with override(language):
        head = [
            *(column.header(language) for column in columns),
            *STATE_HEADERS[language.startswith("en")],
        ]
    yield head
    for listing in listings:
        with override(language):
            line = [
                *(column.write(listing) for column in columns),
                listing.number,
                str(listing.get_status_display()),
            ]
        yield line


def list_lines(listings: Iterable[Listing], kind: str, language: str, tier: Tier) -> Iterator[Line]:
    """Yield header and rows of what a reader of `tier` may read, blind."""
    columns = export_columns(kind, language, own=False)
    with override(language):
        head = [*(column.header(language) for column in columns), pgettext("export", "From")]
    yield head
    for listing in listings:
        with override(language):
            copy = shown(listing, tier)
            line = [
                # The owner's own number may be a name; the platform's is everybody's.
                *(
                    listing.number if column.name == "external_id" else column.write(copy)
                    for column in columns
                ),
                listing.owner.blind(),
            ]
        yield line


def note_export(
    *, actor: User, kind: str, own: bool, file_format: str, query: str, rows: int
) -> ListingExport:
    """Leave a row that says who took what out."""
    return ListingExport.objects.create(
        actor=actor,
        kind=kind,
        own=own,
        file_format=file_format,
        query=query[:2000],
        rows=rows,
    )


def in_blocks(rows: QuerySet[Any], limit: int) -> Iterator[Any]:
    """Yield at most `limit` rows, read in blocks by key: no cursor stays open, none is kept."""
    last, left = 0, limit
    while left > 0:
        block = list(rows.filter(pk__gt=last).order_by("pk")[: min(_BLOCK, left)])
        if not block:
            return
        yield from block
        last, left = block[-1].pk, left - len(block)


# --- The report of an import --------------------------------------------------------------------


def report_lines(job: ImportJob, number_of: Callable[[int], str]) -> Iterator[Line]:
    """Yield one line for every row of the file: what happened to it, its number, what is wrong."""
    yield [
        *(_("Row"), _("ID"), _("Title"), _("Result"), _("Platform number")),
        *(_("Column"), _("Value now"), _("What to do")),
    ]
    rows = ImportRow.objects.filter(job=job).defer("content")
    for row in in_blocks(rows, 200_000):
        errors = [*row.problems, *row.notes]
        yield [
            row.number,
            row.external_id,
            row.title,
            result_of(row),
            number_of(row.listing) if row.listing and row.is_stored else "",
            "\n".join(column for column, _value, _problem in errors),
            "\n".join(value for _column, value, _problem in errors),
            "\n".join(problem for _column, _value, problem in errors),
        ]


REPORT_WIDTHS = (8, 20, 40, 14, 16, 18, 30, 60)


def result_of(row: ImportRow) -> str:
    """Say what became of a row, or would."""
    if row.outcome == RowOutcome.WRONG:
        return _("not stored")
    if row.is_stored:
        return {
            RowOutcome.NEW: _("created"),
            RowOutcome.CHANGED: _("updated"),
            RowOutcome.SAME: _("unchanged"),
        }[RowOutcome(row.outcome)]
    return {
        RowOutcome.NEW: _("would be created"),
        RowOutcome.CHANGED: _("would be updated"),
        RowOutcome.SAME: _("unchanged"),
    }[RowOutcome(row.outcome)]
