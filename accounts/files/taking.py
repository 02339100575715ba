"""Taking a file in: checked, scanned, kept; or nothing of it is left."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO

from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from accounts.files.inspecting import inspected
from accounts.files.scanning import ScanState, scan
from accounts.files.storage import discard, keep

NAME_LIMIT = 200


class VirusFound(ValidationError):
    """The file is refused; whoever takes it in leaves a row of that."""

    def __init__(self, virus: str) -> None:
        self.virus = virus
        super().__init__(
            _("A virus was found in this file (%(virus)s). It was not kept.") % {"virus": virus},
            code="virus",
        )


@dataclass(frozen=True)
class Kept:
    """A file in the private storage; the row that points to it is still to be written."""

    file: str
    name: str
    kind: str
    size: int
    sha256: str
    scan: ScanState


@contextmanager
def taken_in(upload: IO[bytes], *, name: str, folder: str) -> Iterator[Kept]:
    """Check, scan and keep a file while the block writes its row.

    When the block fails the file is deleted again. Raises `VirusFound`, or `ValidationError` with
    one sentence for the person.
    """
    with inspected(upload, name=name, limit=settings.ATTACHMENT_BYTES) as found:
        with found.path.open("rb") as file:
            finding = scan(file)
        if finding.state == ScanState.INFECTED:
            raise VirusFound(finding.virus)
        stored = keep(found.path, folder=folder)
        try:
            yield Kept(
                stored, plain_name(name), found.kind, found.size, found.sha256, finding.state
            )
        except BaseException:
            discard(stored)
            raise


def plain_name(name: str) -> str:
    """Return a file's own name without folders and without what cannot be seen."""
    name = name.replace("\\", "/").rpartition("/")[2]
    visible = "".join(char for char in name if char.isprintable())
    return visible[-NAME_LIMIT:]
