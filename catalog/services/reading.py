"""Rows of listings out of TSV, CSV and xlsx files, one at a time."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import TextIOWrapper
from pathlib import Path
from typing import IO, Any

from django.utils.translation import gettext as _
from openpyxl import load_workbook
from openpyxl.utils import coordinate_to_tuple

from catalog.services.encodings import encoding_of
from catalog.services.unreadable import UnreadableFile
from catalog.services.workbook import (
    Findings,
    check_workbook,
    inspect,
    kind_of,
    too_many_rows,
)

# A field longer than this is no listing's text but a damaged file.
FIELD_LIMIT = 1_000_000
# No text of a listing has lines that long; read whole, such a file would fill the memory.
LINE_LIMIT = 2_000_000
# Cells of a row that are looked at: far more than there are columns.
WIDTH = 200
# Titles, notes and empty lines may stand above the header.
HEADER_WITHIN = 20
SUFFIXES = (".xlsx", ".csv", ".tsv", ".txt")
# What a spreadsheet shows where a formula has failed.
ERROR_VALUES = frozenset(
    {"#REF!", "#VALUE!", "#DIV/0!", "#N/A", "#NAME?", "#NUM!", "#NULL!", "#SPILL!", "#CALC!"}
)
# Ids and titles that the templates' example rows have. They are passed over.
EXAMPLE_IDS = frozenset({"示例", "example"})

# Headers that an export adds, for people: the platform's number and the status.
PASSED_OVER = frozenset({"平台编号", "状态", "platformnumber", "status"})

Row = dict[str, Any]
# What a column may be called, by the field it stands for. The first is the template's name.
Headers = Mapping[str, Sequence[str]]
REQUIRED = ("external_id", "title")


def fold_header(name: Any) -> str:
    """Return a header as it is compared: without spaces, case, width of brackets and marks."""
    text = "".join(str(name if name is not None else "").split()).casefold()
    text = text.replace("（", "(").replace("）", ")").replace("＊", "*").replace("：", ":")
    for mark in ("(必填)", "(选填)", "(required)", "(optional)"):
        text = text.removesuffix(mark)
    return text.strip("*:'\ufeff")


@dataclass
class Table:
    """A file whose header has been understood."""

    path: Path
    # Header as written, and place in the row, by field.
    columns: dict[str, str]
    places: dict[str, int]
    unknown: list[str]
    header_row: int
    findings: Findings = field(default_factory=Findings)

    def rows(self) -> Iterator[tuple[int, Row]]:
        """Yield (row number as a spreadsheet counts it, values by field), never the whole file.

        Cells are text, or what xlsx stores (numbers, dates). Raises `UnreadableFile`.
        """
        for number, cells in enumerate(_cells(self.path), start=1):
            if number <= self.header_row:
                continue
            row = {name: cells[at] for name, at in self.places.items() if at < len(cells)}
            if any(value is not None and value != "" for value in row.values()):
                yield number, row

    def faults(self) -> dict[int, list[tuple[str, str]]]:
        """Return what makes rows misleading, by row: (column, sentence)."""
        faults: dict[int, list[tuple[str, str]]] = {}
        names = {at: name for name, at in self.places.items()}
        for merged in self.findings.merged:
            if merged.bottom <= self.header_row:
                continue
            column = self.columns.get(names.get(merged.left - 1, ""), "")
            sentence = _(
                "The cells %(ref)s are merged. Unmerge them and fill in every row by itself."
            ) % {"ref": merged.ref}
            for number in range(max(merged.top, self.header_row + 1), merged.bottom + 1)[:1000]:
                faults.setdefault(number, []).append((column, sentence))
        for ref in self.findings.uncomputed:
            number, place = coordinate_to_tuple(ref)
            name = names.get(place - 1)
            if name is not None and number > self.header_row:
                sentence = _(
                    "The formula in %(ref)s has no stored result. Open the file in Excel or WPS, "
                    "save it, and send it again."
                ) % {"ref": ref}
                faults.setdefault(number, []).append((self.columns[name], sentence))
        return faults


def open_table(path: Path, headers: Headers, *, max_rows: int | None = None) -> Table:
    """Find the header of a file, within its first rows, and what its columns mean.

    With `max_rows` a larger file is refused before its rows are read. Raises `UnreadableFile`.
    """
    findings = Findings()
    if path.suffix.lower() == ".xlsx":
        _open_check(path)
        check_workbook(path)
        findings = inspect(path, max_rows=max_rows, above=HEADER_WITHIN)
    known = {fold_header(name): key for key, names in headers.items() for name in names}
    best: dict[str, int] = {}
    cells: Sequence[Any] = ()
    header: Sequence[Any] = ()
    for number, cells in enumerate(_cells(path), start=1):
        if number > HEADER_WITHIN:
            break
        found = _columns(cells, known)
        if all(key in found for key in REQUIRED):
            table = _table(path, number, cells, found, findings)
            # A csv is counted by reading it once more, which takes no time; an xlsx is counted.
            count = max(0, findings.rows - number) or _count(table, max_rows)
            if max_rows is not None and count > max_rows:
                raise too_many_rows(max_rows)
            return table
        if len(found) > len(best) or not any(header):
            best, header = found, cells
    if not any(cell is not None and str(cell).strip() for cell in header):
        raise UnreadableFile(_("The file is empty: the first row must name the columns."))
    missing = next(key for key in REQUIRED if key not in best)
    raise UnreadableFile(
        _("The column “%(name)s” is missing. It may be called: %(names)s.")
        % {"name": headers[missing][0], "names": ", ".join(headers[missing])}
    )


def _count(table: Table, limit: int | None) -> int:
    """Count the rows of a text file, at most one more than `limit`."""
    count = 0
    if limit is not None and table.path.suffix.lower() != ".xlsx":
        for _row in table.rows():
            count += 1
            if count > limit:
                break
    table.findings.rows = count
    return count


def _columns(cells: Sequence[Any], known: Mapping[str, str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for at, cell in enumerate(cells):
        key = known.get(fold_header(cell))
        if key is None:
            continue
        found.setdefault(key, at)
    if all(name in found for name in REQUIRED):
        _refuse_doubles(cells, known)
    return found


def _refuse_doubles(cells: Sequence[Any], known: Mapping[str, str]) -> None:
    seen: dict[str, Any] = {}
    for cell in cells:
        key = known.get(fold_header(cell))
        if key is not None and key in seen:
            raise UnreadableFile(
                _("Two columns mean the same: “%(first)s” and “%(second)s”.")
                % {"first": seen[key], "second": cell}
            )
        if key is not None:
            seen[key] = cell


def _table(
    path: Path, number: int, cells: Sequence[Any], places: dict[str, int], findings: Findings
) -> Table:
    names = ["" if cell is None else str(cell).strip() for cell in cells]
    used = set(places.values())
    return Table(
        path=path,
        columns={key: names[at] for key, at in places.items()},
        places=places,
        unknown=[
            name[:80]
            for at, name in enumerate(names)
            if name and at not in used and fold_header(name) not in PASSED_OVER
        ],
        header_row=number,
        findings=findings,
    )


def check_kind(path: Path, suffix: str) -> None:
    """Refuse a file that is not what it is called, by its first bytes. Reads no rows.

    Raises `UnreadableFile`.
    """
    suffix = suffix.lower()
    if suffix == ".xlsm" or suffix == ".xltm":
        raise UnreadableFile(
            _("The workbook holds macros. Please save it as .xlsx, without macros.")
        )
    if suffix == ".xls":
        raise UnreadableFile(
            _("This is a file of the old Excel format (.xls). Please save it as .xlsx.")
        )
    if suffix not in SUFFIXES:
        raise UnreadableFile(
            _("Files of the kind “%(suffix)s” are not read. Please use .xlsx, .csv or .tsv.")
            % {"suffix": suffix[:10]}
        )
    if suffix == ".xlsx":
        check_workbook(path)
        return
    with path.open("rb") as file:
        kind = kind_of(file.read(4096))
    if kind:
        what = {
            "zip": _("an .xlsx or another zip archive"),
            "old": _("a file of the old Office formats"),
            "pdf": "PDF",
            "image": _("a picture"),
        }[kind]
        raise UnreadableFile(
            _("This is %(kind)s that is called %(suffix)s. Please save the table anew.")
            % {"kind": what, "suffix": suffix}
        )


def _cells(path: Path) -> Iterator[Sequence[Any]]:
    _open_check(path)
    suffix = path.suffix.lower()
    check_kind(path, suffix)
    if suffix == ".xlsx":
        return _xlsx(path)
    return _csv(path) if suffix == ".csv" else _tsv(path)


def _open_check(path: Path) -> None:
    try:
        with path.open("rb"):
            pass
    except OSError as error:
        raise UnreadableFile(
            _("The file cannot be opened: %(error)s.") % {"error": error.strerror}
        ) from error


def _tsv(path: Path) -> Iterator[list[str]]:
    """Tab separated, no quoting; a line break inside a field is written \\n."""
    with _open(path) as lines:
        for line in _decoded(lines):
            yield [cell.replace("\\n", "\n") for cell in line.rstrip("\r\n").split("\t")]


def _csv(path: Path) -> Iterator[list[str]]:
    csv.field_size_limit(FIELD_LIMIT)
    with _open(path) as lines:
        try:
            yield from csv.reader(_decoded(lines), strict=True)
        except csv.Error as error:
            raise UnreadableFile(
                _("This is not a proper CSV file: %(error)s.") % {"error": error}
            ) from error


def _open(path: Path) -> IO[str]:
    return TextIOWrapper(path.open("rb"), encoding=encoding_of(path), newline="")


def _decoded(lines: IO[str]) -> Iterator[str]:
    try:
        while line := lines.readline(LINE_LIMIT + 1):
            if "\x00" in line:
                raise UnreadableFile(_("This is not a text file: it holds NUL bytes."))
            if len(line) > LINE_LIMIT:
                raise UnreadableFile(
                    _("A line is longer than %(limit)d characters.") % {"limit": LINE_LIMIT}
                )
            yield line
    except UnicodeDecodeError as error:
        raise UnreadableFile(
            _("The file is damaged near byte %(position)d: that is no text in %(encoding)s.")
            % {"position": error.start, "encoding": error.encoding.upper()}
        ) from error


def _xlsx(path: Path) -> Iterator[tuple[Any, ...]]:
    with path.open("rb") as file, _readable_xlsx():
        # Links to other workbooks are not followed: what a formula last gave is its value.
        book = load_workbook(file, read_only=True, data_only=True, keep_links=False)
        try:
            sheet = book.worksheets[0] if book.worksheets else None
            if sheet is None:
                raise UnreadableFile(_("The workbook has no sheet."))
            # What a damaged file claims of its size would make every row that long.
            sheet.reset_dimensions()
            yield from sheet.iter_rows(max_col=WIDTH, values_only=True)
        finally:
            book.close()


@contextmanager
def _readable_xlsx() -> Iterator[None]:
    """Say in a sentence that an .xlsx is damaged, wherever in it the damage stands."""
    try:
        yield
    except UnreadableFile:
        raise
    except Exception as error:
        # openpyxl raises what its parsers raise: zip, zlib, XML, key and value errors and more.
        raise UnreadableFile(
            _("This is not a readable .xlsx file. Open it in Excel or WPS and save it as .xlsx.")
        ) from error
