"""Rows of listings out of TSV, CSV and xlsx files, one at a time."""

from __future__ import annotations

import csv
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import IO, Any, BinaryIO

from django.utils.translation import gettext as _
from openpyxl import load_workbook

# A field longer than this is no listing's text but a damaged file.
FIELD_LIMIT = 1_000_000
# No text of a listing has lines that long; read whole, such a file would fill the memory.
LINE_LIMIT = 2_000_000
# An xlsx is a zip: unpacked it may be larger than its size by this much and no more.
XLSX_RATIO, XLSX_LIMIT = 200, 1_000_000_000

# What a column may be called. The first is the template's name.
HEADERS: dict[str, tuple[str, ...]] = {
    "external_id": ("id", "external_id", "编号", "外部编号", "序号", "no", "number"),
    "title": ("title", "标题", "名称", "需求名称", "成果名称", "name"),
    "summary": ("summary", "公开摘要", "摘要", "简介", "abstract"),
    "body": (
        "body",
        "text",
        "正文",
        "描述",
        "详细描述",
        "内容",
        "description",
        "需求描述",
        "成果描述",
    ),
    "indicators": ("indicators", "指标", "技术指标", "主要指标"),
    "industry": ("industry", "行业", "所属行业", "国民经济行业"),
    "keywords": ("keywords", "关键词", "关键字"),
    "region": ("region", "地区", "所在地区", "所在地"),
    "modes": ("modes", "合作方式", "cooperation"),
    "trl": ("trl", "成熟度", "技术成熟度", "要求成熟度", "成熟度等级"),
    "money_min": ("budget_min", "price_min", "预算下限（元）", "报价下限（元）", "价格下限（元）"),
    "money_max": ("budget_max", "price_max", "预算上限（元）", "报价上限（元）", "价格上限（元）"),
    "money_min_wan": ("预算下限（万元）", "报价下限（万元）", "价格下限（万元）"),
    "money_max_wan": ("预算上限（万元）", "报价上限（万元）", "价格上限（万元）", "预算（万元）"),
    "valid_until": ("valid_until", "有效期至", "截止日期", "有效期"),
    "language": ("language", "lang", "语言"),
}
_FIELD_OF = {
    "".join(name.split()).replace("（", "(").replace("）", ")").casefold(): field
    for field, names in HEADERS.items()
    for name in names
}


class UnreadableFile(Exception):
    """The file cannot be read as a table; the text says why, for people."""


Row = dict[str, Any]


def read_rows(path: Path) -> Iterator[tuple[int, Row]]:
    """Yield (row number as a spreadsheet counts it, values by field) without loading the file.

    Cells are text, or what xlsx stores (numbers, dates). Unknown columns are left out; see
    `read_header`. Raises `UnreadableFile`.
    """
    table = _table(path)
    columns = _columns(next(table, None))
    for number, cells in enumerate(table, start=2):
        row = {field: cells[at] for field, at in columns.items() if at < len(cells)}
        if any(value not in (None, "") for value in row.values()):
            yield number, row


def read_header(path: Path) -> tuple[dict[str, str], list[str]]:
    """Return the headers as written by the field they stand for, and those not understood."""
    header = next(_table(path), None)
    columns = _columns(header)
    names = [str(cell or "").strip() for cell in header or ()]
    known = {field: names[at] for field, at in columns.items()}
    return known, [name for name in names if name and name not in known.values()]


def _columns(header: Sequence[Any] | None) -> dict[str, int]:
    if header is None or not any(header):
        raise UnreadableFile(_("The file is empty: the first row must name the columns."))
    columns: dict[str, int] = {}
    for at, cell in enumerate(header):
        name = "".join(str(cell or "").split()).replace("（", "(").replace("）", ")").casefold()
        field = _FIELD_OF.get(name)
        if field is not None and field in columns:
            raise UnreadableFile(
                _("Two columns mean the same: “%(first)s” and “%(second)s”.")
                % {"first": header[columns[field]], "second": cell}
            )
        if field is not None:
            columns[field] = at
    for field in ("external_id", "title"):
        if field not in columns:
            raise UnreadableFile(
                _("The column “%(name)s” is missing. It may be called: %(names)s.")
                % {"name": HEADERS[field][0], "names": ", ".join(HEADERS[field])}
            )
    return columns


def _table(path: Path) -> Iterator[Sequence[Any]]:
    suffix = path.suffix.lower()
    if suffix == ".xlsx":
        return _xlsx(path)
    if suffix in (".tsv", ".txt"):
        return _tsv(path)
    if suffix == ".csv":
        return _csv(path)
    raise UnreadableFile(
        _("Files of the kind “%(suffix)s” are not read. Please use .xlsx, .csv or .tsv.")
        % {"suffix": path.suffix}
    )


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
    # utf-8-sig: Excel marks its CSV files with a byte order mark.
    return TextIOWrapper(_open_bytes(path), encoding="utf-8-sig", newline="")


def _open_bytes(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise UnreadableFile(
            _("The file cannot be opened: %(error)s.") % {"error": error.strerror}
        ) from error


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
            _("The file is not in UTF-8 (byte %(position)d). Please save it as UTF-8 or .xlsx.")
            % {"position": error.start}
        ) from error


def _xlsx(path: Path) -> Iterator[tuple[Any, ...]]:
    with _open_bytes(path) as file, _readable_xlsx():
        _check_archive(file)
        book = load_workbook(file, read_only=True, data_only=True)
        try:
            sheet = book.worksheets[0] if book.worksheets else None
            if sheet is None:
                raise UnreadableFile(_("The workbook has no sheet."))
            # What a damaged file claims of its size would make every row that long.
            sheet.reset_dimensions()
            yield from sheet.iter_rows(values_only=True)
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
        raise UnreadableFile(_("This is not a readable .xlsx file.")) from error


def _check_archive(file: IO[bytes]) -> None:
    """Refuse a zip that unpacks to far more than it is.

    The sizes are what the archive says of itself; zipfile never unpacks more than that.
    """
    with zipfile.ZipFile(file) as archive:
        unpacked = sum(member.file_size for member in archive.infolist())
        packed = max(1, sum(member.compress_size for member in archive.infolist()))
        if unpacked > XLSX_LIMIT or (unpacked > 50_000_000 and unpacked / packed > XLSX_RATIO):
            raise UnreadableFile(_("The .xlsx file unpacks to far more than it should."))
