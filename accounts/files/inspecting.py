"""What a file really is, whatever its name says, and whether it may be kept.

The first bytes tell the kind; a child process with bounded memory and time then opens the file
(`accounts.files.child`), so that no library of ours runs in a web process over a hostile file.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import filetype
import structlog
from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django_stubs_ext import StrOrPromise

from accounts.files import child

logger = structlog.get_logger(__name__)

CHILD = Path(child.__file__)
# A little more than the processor time it may use: a machine that is busy takes longer.
WALL_SECONDS = 40
TEXT_AT_MOST = child.TEXT_AT_MOST
ABOUT_AT_MOST = child.ABOUT_AT_MOST


class FileKind(models.TextChoices):
    PDF = "pdf", "PDF"
    DOCX = "docx", "DOCX"
    PNG = "png", "PNG"
    JPEG = "jpeg", "JPEG"
    WEBP = "webp", "WebP"


CONTENT_TYPES: dict[str, str] = {
    FileKind.PDF: "application/pdf",
    FileKind.DOCX: "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    FileKind.PNG: "image/png",
    FileKind.JPEG: "image/jpeg",
    FileKind.WEBP: "image/webp",
}
# The first is what a file is called when it is sent.
ENDINGS: dict[str, tuple[str, ...]] = {
    FileKind.PDF: ("pdf",),
    FileKind.DOCX: ("docx",),
    FileKind.PNG: ("png",),
    FileKind.JPEG: ("jpg", "jpeg", "jpe"),
    FileKind.WEBP: ("webp",),
}
IMAGES = (FileKind.PNG, FileKind.JPEG, FileKind.WEBP)
WITH_TEXT = (FileKind.PDF, FileKind.DOCX)
ACCEPT = ",".join(f".{ending}" for endings in ENDINGS.values() for ending in endings)

_PROBLEMS: dict[str, StrOrPromise] = {
    "not_pdf": gettext_lazy("This is not a PDF inside, whatever its name says."),
    "broken_pdf": gettext_lazy(
        "This PDF is damaged and cannot be opened. Save or print it as PDF anew."
    ),
    "pages": gettext_lazy("This PDF has no page, or more than 2,000. Upload the part that counts."),
    "active_pdf": gettext_lazy(
        "This PDF contains a program or other files. Print it as PDF anew; the pages stay as "
        "they are."
    ),
    "encrypted": gettext_lazy(
        "This file is protected by a password, so nobody could check it. Save it without one."
    ),
    "two_things": gettext_lazy(
        "Something else is hidden before or behind this document. Save it anew and upload that."
    ),
    "not_docx": gettext_lazy(
        "This is a ZIP archive, not a Word document. Upload its documents one by one."
    ),
    "broken_docx": gettext_lazy(
        "This Word document is damaged and cannot be opened. Save it as .docx anew."
    ),
    "macros": gettext_lazy(
        "This Word document contains macros or controls. Save it as .docx without them."
    ),
    "embedded": gettext_lazy(
        "Other files are embedded in this Word document. Take them out, or save it as PDF."
    ),
    "external": gettext_lazy(
        "This Word document loads something from elsewhere when it is opened (a picture, a "
        "template). Insert it into the document, or save it as PDF."
    ),
    "bomb": gettext_lazy("This file unpacks to far more than its size; it is not opened."),
    "pixels": gettext_lazy(
        "This picture has more than 40 million pixels. Make it smaller, such as 4,000 × 3,000."
    ),
    "broken_image": gettext_lazy("This picture is damaged and cannot be opened."),
    "too_much": gettext_lazy("This file needs far too much memory to be opened; it is not taken."),
    "too_long": gettext_lazy("Checking this file took too long; it is not taken."),
    "unreadable": gettext_lazy(
        "This file cannot be read as what it says it is. Save it anew and upload that."
    ),
}


def sentence(problem: str) -> str:
    return str(_PROBLEMS.get(problem, _PROBLEMS["unreadable"]))


@dataclass(frozen=True)
class Inspected:
    """A file that may be kept, as it is kept: of a picture, the one made anew."""

    path: Path
    kind: str
    size: int
    sha256: str


@contextmanager
def inspected(upload: IO[bytes], *, name: str, limit: int) -> Iterator[Inspected]:
    """Check an uploaded file; the result lives in a temporary folder until the block ends.

    Raises `ValidationError` with one sentence for the person.
    """
    with tempfile.TemporaryDirectory(prefix="keqiao-file-") as folder:
        source, target = Path(folder) / "in", Path(folder) / "out"
        _copy(upload, source, limit)
        with source.open("rb") as file:
            kind = kind_of(file.read(8192))
        _check_ending(name, kind)
        answer = run("check", kind, source, target)
        if not answer["ok"]:
            raise ValidationError(sentence(answer["problem"]), code=answer["problem"])
        kept = target if target.exists() else source
        size = kept.stat().st_size
        if size > limit:
            raise ValidationError(too_large(limit), code="too_large")
        with kept.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        yield Inspected(kept, kind, size, digest)


def _copy(upload: IO[bytes], path: Path, limit: int) -> None:
    """Write the upload to a file of ours, counting what really comes."""
    total = 0
    with path.open("wb") as file:
        while piece := upload.read(256 * 1024):
            total += len(piece)
            if total > limit:
                raise ValidationError(too_large(limit), code="too_large")
            file.write(piece)
    if total == 0:
        raise ValidationError(_("This file is empty."), code="empty")


def too_large(limit: int) -> str:
    return _("This file is larger than %(limit)d MB. Upload a smaller one, or a part of it.") % {
        "limit": limit // 1024**2
    }


def kind_of(head: bytes) -> str:
    """Return the kind that the first bytes tell. Raises `ValidationError` for all others."""
    if head.startswith(b"%PDF-"):
        return FileKind.PDF
    if head.startswith(b"PK\x03\x04"):
        return FileKind.DOCX
    if head.startswith(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"):
        raise ValidationError(
            _(
                "This is an Office file of the old kind, or one with a password. Save it as .docx "
                "without a password, or as PDF."
            ),
            code="old_office",
        )
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")[:2048].lower()
    if b"<svg" in start:
        raise ValidationError(
            _("SVG pictures can carry programs, so they are not taken. Save it as PNG."), code="svg"
        )
    found = filetype.guess(head)
    for kind in IMAGES:
        if found is not None and found.mime == CONTENT_TYPES[kind]:
            return kind
    if found is not None:
        raise ValidationError(
            _("By its content this is “%(kind)s”. %(taken)s")
            % {"kind": found.extension.upper(), "taken": taken()},
            code="kind",
        )
    raise ValidationError(taken(), code="kind")


def taken() -> str:
    return _("Taken are PDF, Word (.docx) and pictures as PNG, JPEG or WebP.")


def _check_ending(name: str, kind: str) -> None:
    """Refuse a PDF that is called .docx: who opens it would be told that it is damaged."""
    ending = name.rpartition(".")[2].lower() if "." in name else ""
    if ending not in ENDINGS[kind]:
        # A ZIP archive may be anything; what it lacks for a Word document is said later.
        if kind == FileKind.DOCX and ending == "zip":
            raise ValidationError(sentence("not_docx"), code="not_docx")
        raise ValidationError(
            _(
                "The name ends in “%(ending)s”, but the content is %(kind)s. Give it the ending "
                "“.%(right)s”, or choose the right file."
            )
            % {
                "ending": f".{ending[:12]}" if ending else _("no ending"),
                "kind": FileKind(kind).label,
                "right": ENDINGS[kind][0],
            },
            code="ending",
        )


def run(mode: str, kind: str, source: Path, target: Path) -> dict[str, Any]:
    """Have the child open a file. A child that is killed or too slow is an answer as well."""
    command = [sys.executable, "-I", str(CHILD), mode, kind, str(source), str(target)]
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=WALL_SECONDS,
            check=False,
            # Nothing of our environment, which holds secrets, is for it.
            env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"},
            cwd=source.parent,
        )
    except subprocess.TimeoutExpired:
        return {"ok": False, "problem": "too_long"}
    try:
        answer: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        # Killed by a limit, or it crashed.
        logger.warning("file_child_died", mode=mode, kind=kind, code=done.returncode)
        killed = done.returncode in (-9, -24)  # SIGKILL, SIGXCPU
        return {"ok": False, "problem": "too_long" if killed else "unreadable"}
    return answer


@dataclass(frozen=True)
class Text:
    """The text of a document, and what its properties say of who made it."""

    text: str
    about: str


def read_text(file: IO[bytes], *, kind: str) -> Text | None:
    """Return the text of a stored PDF or DOCX; None where it cannot be read."""
    with tempfile.TemporaryDirectory(prefix="keqiao-text-") as folder:
        source = Path(folder) / "in"
        _copy(file, source, settings.UPLOAD_BYTES_AT_MOST)
        answer = run("text", kind, source, Path(folder) / "out")
    if not answer["ok"]:
        logger.info("file_text_unread", kind=kind, problem=answer["problem"])
        return None
    return Text(answer["text"], answer["about"])
