"""Looking for viruses: a hook, and a small client of ClamAV's daemon.

`VIRUS_SCANNER` names a function that takes an open file and returns a `Finding`, or raises
`ScannerDown`. Without one, files are marked as not scanned; with one that is away, a file is held
back and nobody gets it until it has been scanned.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, cast
from urllib.parse import urlsplit

from django.conf import settings
from django.db import models
from django.utils.module_loading import import_string
from django.utils.translation import gettext_lazy as _

CHUNK = 64 * 1024


class ScanState(models.TextChoices):
    CLEAN = "clean", _("no virus found")
    UNSCANNED = "unscanned", _("not scanned for viruses")
    HELD = "held", _("waits for the virus scan")
    INFECTED = "infected", _("a virus was found")


class ScannerDown(Exception):
    """Nothing is known of this file yet."""


@dataclass(frozen=True)
class Finding:
    state: ScanState
    virus: str = ""


Scanner = Callable[[IO[bytes]], Finding]


def scan(file: IO[bytes]) -> Finding:
    """Return what the configured scanner says of a file; held back when it does not answer."""
    scanner = cast("Scanner", import_string(settings.VIRUS_SCANNER))
    try:
        return scanner(file)
    except ScannerDown:
        return Finding(ScanState.HELD)


def no_scanner(file: IO[bytes]) -> Finding:
    """Say that nothing was looked for: the default, where no scanner is installed."""
    return Finding(ScanState.UNSCANNED)


def clamd(file: IO[bytes]) -> Finding:
    """Ask ClamAV's daemon at `CLAMD_ADDRESS`, tcp://host:port or unix:///path, with INSTREAM."""
    try:
        with _connect(settings.CLAMD_ADDRESS) as connection:
            connection.sendall(b"zINSTREAM\0")
            while piece := file.read(CHUNK):
                connection.sendall(struct.pack("!L", len(piece)) + piece)
            connection.sendall(struct.pack("!L", 0))
            answer = _answer(connection)
    except OSError as error:
        raise ScannerDown from error
    if answer == "stream: OK":
        return Finding(ScanState.CLEAN)
    if answer.startswith("stream: ") and answer.endswith(" FOUND"):
        return Finding(ScanState.INFECTED, answer[len("stream: ") : -len(" FOUND")][:100])
    # “INSTREAM size limit exceeded”, or no ClamAV at all: nothing is known.
    raise ScannerDown(answer[:100])


def _connect(address: str) -> socket.socket:
    parts = urlsplit(address)
    if parts.scheme == "unix":
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(settings.SCAN_SECONDS)
        connection.connect(parts.path)
        return connection
    return socket.create_connection(
        (parts.hostname or "localhost", parts.port or 3310), timeout=settings.SCAN_SECONDS
    )


def _answer(connection: socket.socket) -> str:
    read = b""
    while len(read) < 4096 and b"\0" not in read:
        piece = connection.recv(4096)
        if not piece:
            break
        read += piece
    return read.partition(b"\0")[0].decode(errors="replace").strip()
