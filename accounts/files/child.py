"""Opens a file that somebody uploaded, in a process of its own with bounded memory and time.

Run by `accounts.files.inspecting` as a script: python -I child.py MODE KIND SOURCE TARGET.
It knows nothing of Django, the database or the network, and answers with one JSON object on
standard output: {"ok": true, ...} or {"ok": false, "problem": code}. A library that loops, eats
memory or crashes over a hostile file takes this process with it, and nothing else.
"""

from __future__ import annotations

import json
import resource
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

CPU_SECONDS = 20
MEMORY_BYTES = 1024**3
# What the process may write: a picture made anew.
WRITE_BYTES = 64 * 1024**2

# 40 million pixels: an A3 page scanned at 400 dpi has 31 million.
PIXELS_AT_MOST = 40_000_000
PAGES_AT_MOST = 2_000
PARTS_AT_MOST = 5_000
UNPACKED_AT_MOST = 200 * 1024**2
# One part of a DOCX that is XML: document.xml of a 500-page book has some 20 MB.
XML_AT_MOST = 60 * 1024**2
TEXT_AT_MOST = 60_000
ABOUT_AT_MOST = 500

IMAGE_FORMATS = {"png": "PNG", "jpeg": "JPEG", "webp": "WEBP"}
_WORD = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"


class Problem(Exception):
    """The file is not taken; the text is a code that `inspecting` knows a sentence for."""


# --- PDF --------------------------------------------------------------------------------------


def _open_pdf(path: Path) -> Any:
    from pypdf import PdfReader
    from pypdf.errors import PyPdfError

    raw = path.read_bytes()
    # Readers tolerate much around a PDF; a file that is two things at once hides there.
    if not raw.startswith(b"%PDF-"):
        raise Problem("not_pdf")
    end = raw.rfind(b"%%EOF")
    if end < 0:
        raise Problem("broken_pdf")
    if len(raw) - end > 1024 or b"PK\x05\x06" in raw[-70_000:]:
        raise Problem("two_things")
    try:
        reader = PdfReader(path)
        if reader.is_encrypted:
            raise Problem("encrypted")
        if not 1 <= len(reader.pages) <= PAGES_AT_MOST:
            raise Problem("pages")
    except (PyPdfError, ValueError, KeyError, TypeError, AttributeError, IndexError, OSError):
        raise Problem("broken_pdf") from None
    return reader


def _active_pdf(reader: Any) -> bool:
    """Say whether a PDF runs something, or carries other files."""
    root = reader.trailer["/Root"].get_object()
    names = root.get("/Names")
    names = names.get_object() if names is not None else {}
    if "/JavaScript" in names or "/EmbeddedFiles" in names or "/AA" in root:
        return True
    action = root.get("/OpenAction")
    action = action.get_object() if action is not None else None
    # An array is a place in the document to begin at.
    if isinstance(action, dict) and action.get("/S") in ("/JavaScript", "/Launch", "/URI"):
        return True
    for number, page in enumerate(reader.pages):
        if number >= 200:
            break
        for annotation in page.get("/Annots") or []:
            found = annotation.get_object()
            step = found.get("/A")
            step = step.get_object() if step is not None else {}
            if found.get("/Subtype") in ("/FileAttachment", "/RichMedia") or step.get("/S") in (
                "/JavaScript",
                "/Launch",
            ):
                return True
    return False


def check_pdf(path: Path) -> dict[str, Any]:
    reader = _open_pdf(path)
    if _active_pdf(reader):
        raise Problem("active_pdf")
    return {"pages": len(reader.pages)}


def text_of_pdf(path: Path) -> dict[str, Any]:
    reader = _open_pdf(path)
    parts: list[str] = []
    length = 0
    for page in reader.pages:
        piece = page.extract_text() or ""
        parts.append(piece)
        length += len(piece)
        if length >= TEXT_AT_MOST:
            break
    about = reader.metadata or {}
    keys = ("/Author", "/Title", "/Subject", "/Company")
    return {
        "text": "\n".join(parts)[:TEXT_AT_MOST],
        "about": "\n".join(str(about[key]) for key in keys if about.get(key))[:ABOUT_AT_MOST],
    }


# --- DOCX -------------------------------------------------------------------------------------


def _open_docx(path: Path) -> zipfile.ZipFile:
    size = path.stat().st_size
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        raise Problem("broken_docx") from None
    parts = archive.infolist()
    if not parts or len(parts) > PARTS_AT_MOST:
        raise Problem("bomb" if parts else "broken_docx")
    # The archive begins at the first byte and ends at the last: nothing is before or behind it.
    with path.open("rb") as file:
        file.seek(max(0, size - 22))
        tail = file.read()
    if min(part.header_offset for part in parts) != 0 or not tail.startswith(b"PK\x05\x06"):
        raise Problem("two_things")
    return archive


def _read(archive: zipfile.ZipFile, name: str, limit: int = XML_AT_MOST) -> bytes:
    with archive.open(name) as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise Problem("bomb")
    return data


def _parse(data: bytes) -> Any:
    from defusedxml import DefusedXmlException
    from defusedxml.ElementTree import ParseError, fromstring

    try:
        return fromstring(data, forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError):
        raise Problem("broken_docx") from None


def check_docx(path: Path) -> dict[str, Any]:
    with _open_docx(path) as archive:
        names = [part.filename for part in archive.infolist()]
        known = set(names)
        if "[Content_Types].xml" not in known or "word/document.xml" not in known:
            raise Problem("not_docx")
        if len(known) != len(names) or any(
            name.startswith(("/", "\\")) or ".." in name.split("/") for name in names
        ):
            raise Problem("broken_docx")
        if any(part.flag_bits & 0x1 for part in archive.infolist()):
            raise Problem("encrypted")
        lowered = [name.lower() for name in names]
        if any("vbaproject" in name or "vbadata" in name or "/activex" in name for name in lowered):
            raise Problem("macros")
        if any("/embeddings/" in name and not name.endswith(".xlsx") for name in lowered):
            raise Problem("embedded")
        _unpack(archive)
        if b"macroenabled" in _read(archive, "[Content_Types].xml").lower():
            raise Problem("macros")
        for name in names:
            if name.endswith(".rels"):
                _check_relations(_read(archive, name))
        _parse(_read(archive, "word/document.xml"))
    return {"pages": 0}


def _unpack(archive: zipfile.ZipFile) -> None:
    """Unpack everything to nowhere: what the parts say of their own size may be a lie."""
    total = 0
    try:
        for part in archive.infolist():
            with archive.open(part) as file:
                while piece := file.read(1024 * 1024):
                    total += len(piece)
                    if total > UNPACKED_AT_MOST:
                        raise Problem("bomb")
    except (zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError, OSError, EOFError):
        raise Problem("broken_docx") from None
    except Exception as error:
        # zlib.error has no common base; an encrypted part raises RuntimeError.
        if isinstance(error, Problem):
            raise
        raise Problem("broken_docx") from None


def _check_relations(data: bytes) -> None:
    """Refuse what a word processor fetches by itself when it opens the file. Links may stay."""
    for relation in _parse(data).iter():
        if str(relation.get("TargetMode", "")).lower() != "external":
            continue
        if not str(relation.get("Type", "")).endswith("/hyperlink"):
            raise Problem("external")


def text_of_docx(path: Path) -> dict[str, Any]:
    with _open_docx(path) as archive:
        body = _parse(_read(archive, "word/document.xml"))
        about = ""
        for name in ("docProps/core.xml", "docProps/app.xml"):
            if name in archive.namelist():
                about += "\n".join(_about(_parse(_read(archive, name, 1024 * 1024)))) + "\n"
    pieces: list[str] = []
    length = 0
    for line in _lines(body):
        pieces.append(line)
        length += len(line) + 1
        if length >= TEXT_AT_MOST:
            break
    return {"text": "\n".join(pieces)[:TEXT_AT_MOST], "about": about.strip()[:ABOUT_AT_MOST]}


def _lines(body: Any) -> Iterator[str]:
    """Return the text of each paragraph, in tables too. What was deleted is not read."""
    for paragraph in body.iter(f"{_WORD}p"):
        words = []
        for node in paragraph.iter():
            if node.tag == f"{_WORD}t":
                words.append(node.text or "")
            elif node.tag in (f"{_WORD}tab", f"{_WORD}br"):
                words.append(" ")
        if line := "".join(words).strip():
            yield line


def _about(root: Any) -> Iterator[str]:
    wanted = ("creator", "lastModifiedBy", "title", "subject", "Company", "Manager")
    for node in root.iter():
        if str(node.tag).rpartition("}")[2] in wanted and node.text and node.text.strip():
            yield node.text.strip()


# --- Pictures ---------------------------------------------------------------------------------


def make_image_anew(kind: str, path: Path, target: Path) -> dict[str, Any]:
    """Write the pixels and nothing else: no place, no camera, no text, no second file behind."""
    from PIL import Image, ImageOps

    Image.MAX_IMAGE_PIXELS = PIXELS_AT_MOST
    name = IMAGE_FORMATS[kind]
    try:
        with Image.open(path, formats=[name]) as image:
            image.verify()
        with Image.open(path, formats=[name]) as image:
            if image.width * image.height > PIXELS_AT_MOST:
                raise Problem("pixels")
            image.load()
            turned = ImageOps.exif_transpose(image)
            plain = turned.convert("RGBA" if _has_alpha(turned) and kind != "jpeg" else "RGB")
    except Image.DecompressionBombError:
        raise Problem("pixels") from None
    except (OSError, SyntaxError, ValueError, EOFError):
        raise Problem("broken_image") from None
    # Through the bare pixels, so that nothing hangs on from the file that was read.
    clean = Image.frombytes(plain.mode, plain.size, plain.tobytes())
    options: dict[str, Any] = {} if kind == "png" else {"quality": 90}
    clean.save(target, format=name, **options)
    return {"pages": 0}


def _has_alpha(image: Any) -> bool:
    return image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info


# --- The process ------------------------------------------------------------------------------


def _limit() -> None:
    for what, most in (
        (resource.RLIMIT_CPU, CPU_SECONDS),
        (resource.RLIMIT_AS, MEMORY_BYTES),
        (resource.RLIMIT_FSIZE, WRITE_BYTES),
        (resource.RLIMIT_CORE, 0),
    ):
        _soft, hard = resource.getrlimit(what)
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(what, (most, most))
    # Deeply nested objects must end in an error, not in a crash of the interpreter.
    sys.setrecursionlimit(1_000)


def _work(mode: str, kind: str, source: Path, target: Path) -> dict[str, Any]:
    if mode == "text":
        read = text_of_pdf(source) if kind == "pdf" else text_of_docx(source)
        # Half of a surrogate pair, as a broken font table gives it, is no text.
        return {name: text.encode("utf-8", "ignore").decode() for name, text in read.items()}
    if kind == "pdf":
        return check_pdf(source)
    if kind == "docx":
        return check_docx(source)
    return make_image_anew(kind, source, target)


def main(arguments: list[str]) -> None:
    mode, kind, source, target = arguments
    _limit()
    try:
        answer = {"ok": True, **_work(mode, kind, Path(source), Path(target))}
    except Problem as problem:
        answer = {"ok": False, "problem": str(problem)}
    except (MemoryError, RecursionError):
        answer = {"ok": False, "problem": "too_much"}
    except Exception as error:  # whatever a library makes of a file that lies
        answer = {"ok": False, "problem": "unreadable", "detail": type(error).__name__}
    sys.stdout.write(json.dumps(answer))


if __name__ == "__main__":
    main(sys.argv[1:])
