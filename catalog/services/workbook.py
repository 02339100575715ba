"""An .xlsx looked at before it is opened: what it really is, how large, and what would be misread.

An .xlsx is a zip of XML. The parts are streamed once and searched with plain expressions, so that
a file that would fill the memory, or a million rows, is refused in a second.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, NamedTuple

from defusedxml.ElementTree import fromstring
from django.utils.translation import gettext as _
from openpyxl.utils import range_boundaries

from catalog.services.unreadable import UnreadableFile

# Unpacked, together and of one part; beyond 50 MB also not more than 200 times what is packed.
TOTAL_LIMIT, PART_LIMIT, RATIO = 400_000_000, 250_000_000, 200
# Strings are kept in memory, two bytes a Chinese character of three.
STRINGS_LIMIT = 100_000_000
# Bytes of one row or one string as XML. Excel's own limit is 32,767 characters a cell.
PIECE_LIMIT = 4_000_000
PARTS = 2_000
# Row elements, also empty ones: sheets that were formatted to the very end have a million.
ROW_ELEMENTS = 1_100_000
# What is found of each kind at most; one is enough to say what is wrong.
FINDINGS = 1_000

_BLOCK = 1 << 18
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ROW_END = re.compile(rb"</(?:\w+:)?row>|<(?:\w+:)?row\b[^>]{0,400}/>")
_VALUE = re.compile(rb"<(?:\w+:)?(?:v|t)(?: [^>]{0,200})?>[^<]")
_MERGE = re.compile(
    rb"<(?:\w+:)?mergeCell\b[^>]{0,60}ref=\"([A-Z]{1,3}\d{1,7}:[A-Z]{1,3}\d{1,7})\""
)
# A formula without the value it had when the file was last saved.
_UNCOMPUTED = re.compile(
    rb"<(?:\w+:)?c\b[^>]{0,200}?\br=\"([A-Z]{1,3}\d{1,7})\"[^>]{0,200}>\s*"
    rb"<(?:\w+:)?f\b(?:[^>]{0,400}/>|[^<]{0,9000}</(?:\w+:)?f>)\s*"
    rb"(?:<(?:\w+:)?v\s*/>|<(?:\w+:)?v></(?:\w+:)?v>)?\s*</(?:\w+:)?c>"
)


class Range(NamedTuple):
    """Merged cells, rows and columns counted from 1."""

    ref: str
    left: int
    top: int
    right: int
    bottom: int


@dataclass
class Findings:
    """What is to be known of the first sheet before its values are read."""

    # Rows with a value in them, the header and what stands above it included.
    rows: int = 0
    merged: list[Range] = field(default_factory=list)
    uncomputed: list[str] = field(default_factory=list)


def kind_of(head: bytes) -> str:
    """Return what the first bytes of a file say that it is: "zip", "old", "pdf", "image", ""."""
    if head.startswith(b"PK\x03\x04") or head.startswith(b"PK\x05\x06"):
        return "zip"
    if head.startswith(_OLE):
        return "old"
    if head.lstrip()[:5] == b"%PDF-":
        return "pdf"
    if head.startswith((b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"RIFF")):
        return "image"
    return ""


def check_workbook(path: Path) -> None:
    """Refuse whatever is no plain .xlsx, and what unpacks to too much. Reads the directory only.

    Raises `UnreadableFile`.
    """
    with path.open("rb") as file:
        head = file.read(4096)
        kind = kind_of(head)
        if kind == "old":
            raise _old(file)
    if kind == "pdf":
        raise UnreadableFile(_("This is a PDF that is called .xlsx. Please save the table itself."))
    if kind == "image":
        raise UnreadableFile(_("This is a picture that is called .xlsx. Please save the table."))
    if kind != "zip":
        raise UnreadableFile(
            _("This is not a readable .xlsx file. Open it in Excel or WPS and save it as .xlsx.")
        )
    try:
        with zipfile.ZipFile(path) as archive:
            _check_archive(archive)
    except (zipfile.BadZipFile, NotImplementedError, OSError, ValueError, KeyError) as error:
        raise _damaged() from error


def inspect(path: Path, *, max_rows: int | None, above: int = 0) -> Findings:
    """Stream the parts of a workbook that `check_workbook` has passed.

    Stops and raises `UnreadableFile` as soon as there are more than `max_rows` rows, `above` of
    which may be header and titles.
    """
    findings = Findings()
    try:
        with zipfile.ZipFile(path) as archive:
            names = {member.filename for member in archive.infolist()}
            for name in sorted(names):
                if name.endswith((".xml", ".rels")) and b"<!DOCTYPE" in _head(archive, name):
                    raise UnreadableFile(
                        _(
                            "The .xlsx file declares a document type (%(part)s), which no "
                            "spreadsheet program writes. It is not read."
                        )
                        % {"part": name[:80]}
                    )
            if "xl/sharedStrings.xml" in names:
                for _piece in _pieces(archive, "xl/sharedStrings.xml", b"</si>"):
                    pass
            sheet = first_sheet(archive)
            if sheet in names:
                _read_sheet(archive, sheet, findings, max_rows, above)
    except UnreadableFile:
        raise
    except Exception as error:
        # zip, zlib, XML: a damaged file fails in whatever it is damaged in.
        raise _damaged() from error
    return findings


def first_sheet(archive: zipfile.ZipFile) -> str:
    """Return the part that holds the first sheet, as the workbook and its relations name it."""
    book = fromstring(archive.read("xl/workbook.xml"))
    relations = fromstring(archive.read("xl/_rels/workbook.xml.rels"))
    targets = {relation.get("Id"): relation.get("Target", "") for relation in relations}
    for element in book.iter():
        if element.tag.endswith("}sheet"):
            key = next((value for name, value in element.items() if name.endswith("}id")), "")
            target: str = targets.get(key, "")
            return target.lstrip("/") if target.startswith("/") else f"xl/{target}"
    raise UnreadableFile(_("The workbook has no sheet."))


def _read_sheet(
    archive: zipfile.ZipFile, name: str, findings: Findings, max_rows: int | None, above: int
) -> None:
    for elements, piece in enumerate(_pieces(archive, name, _ROW_END), start=1):
        if _VALUE.search(piece):
            findings.rows += 1
        if max_rows is not None and (findings.rows > max_rows + above or elements > ROW_ELEMENTS):
            raise too_many_rows(max_rows)
        if (len(findings.uncomputed) < FINDINGS and b"<f" in piece) or b":f" in piece:
            findings.uncomputed += [ref.decode() for ref in _UNCOMPUTED.findall(piece)]
        # They follow the last row.
        if len(findings.merged) < FINDINGS and b"mergeCell" in piece:
            for ref in _MERGE.findall(piece):
                left, top, right, bottom = (side or 0 for side in range_boundaries(ref.decode()))
                findings.merged.append(Range(ref.decode(), left, top, right, bottom))


def too_many_rows(limit: int) -> UnreadableFile:
    return UnreadableFile(
        _("The file has more than %(limit)s rows. Please divide it into several files.")
        % {"limit": f"{limit:,}"}
    )


def _pieces(archive: zipfile.ZipFile, name: str, end: bytes | re.Pattern[bytes]) -> Iterator[bytes]:
    """Yield a part of the archive in pieces that end with `end`; the rest comes last."""
    pattern = re.compile(re.escape(end)) if isinstance(end, bytes) else end
    rest = b""
    with archive.open(name) as part:
        while block := part.read(_BLOCK):
            rest += block
            at = 0
            for match in pattern.finditer(rest):
                yield rest[at : match.end()]
                at = match.end()
            rest = rest[at:]
            if len(rest) > PIECE_LIMIT:
                raise UnreadableFile(
                    _("A cell or a row of the .xlsx file is larger than any listing's text.")
                )
    yield rest


def _head(archive: zipfile.ZipFile, name: str) -> bytes:
    with archive.open(name) as part:
        return part.read(1024)


def _check_archive(archive: zipfile.ZipFile) -> None:
    """Refuse what is no workbook, and a zip that unpacks to far more than it is.

    The sizes are what the archive says of itself; zipfile never unpacks more than that.
    """
    members = archive.infolist()
    names = {member.filename for member in members}
    if any(member.flag_bits & 1 for member in members):
        raise UnreadableFile(
            _("The file is protected by a password. Please save it without one and send it again.")
        )
    if any(name.endswith("vbaProject.bin") for name in names):
        raise UnreadableFile(
            _("The workbook holds macros. Please save it as .xlsx, without macros.")
        )
    if "xl/workbook.xml" not in names:
        raise _other_archive(names)
    unpacked = sum(member.file_size for member in members)
    packed = max(1, sum(member.compress_size for member in members))
    sizes = {member.filename: member.file_size for member in members}
    if (
        len(members) > PARTS
        or unpacked > TOTAL_LIMIT
        or max(sizes.values()) > PART_LIMIT
        or (unpacked > 50_000_000 and unpacked / packed > RATIO)
        or sizes.get("xl/sharedStrings.xml", 0) > STRINGS_LIMIT
    ):
        raise UnreadableFile(_("The .xlsx file unpacks to far more than it should."))
    with archive.open("[Content_Types].xml") as part:
        if b"macroEnabled" in part.read(100_000):
            raise UnreadableFile(
                _("The workbook holds macros. Please save it as .xlsx, without macros.")
            )


def _other_archive(names: set[str]) -> UnreadableFile:
    if "xl/workbook.bin" in names:
        what = _("an Excel binary workbook (.xlsb)")
    elif "word/document.xml" in names:
        what = _("a Word document")
    elif "content.xml" in names:
        what = _("an OpenDocument file")
    else:
        what = _("a zip archive")
    return UnreadableFile(
        _("This is %(kind)s, not a readable .xlsx file. Please save the table as .xlsx.")
        % {"kind": what}
    )


def _old(file: IO[bytes]) -> UnreadableFile:
    """Tell a workbook under a password, which Office wraps in its old format, from an old one."""
    file.seek(0)
    while block := file.read(1 << 20):
        if "EncryptedPackage".encode("utf-16-le") in block:
            return UnreadableFile(
                _(
                    "The file is protected by a password. Please save it without one and send it "
                    "again."
                )
            )
    return UnreadableFile(
        _("This is a file of the old Excel format (.xls). Please save it as .xlsx.")
    )


def _damaged() -> UnreadableFile:
    return UnreadableFile(
        _("This is not a readable .xlsx file. Open it in Excel or WPS and save it as .xlsx.")
    )
