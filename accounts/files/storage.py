"""Where files of people are kept: never where a web server looks, under names that say nothing."""

from __future__ import annotations

import datetime as dt
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import structlog
from django.core.files import File
from django.core.files.storage import Storage, storages
from django.utils import timezone

logger = structlog.get_logger(__name__)

# An upload that is going on has its file before it has its row.
ORPHAN_AFTER = dt.timedelta(days=1)


def private_storage() -> Storage:
    """Return the storage of private files; a callable, so that no migration names a folder."""
    return storages["private"]


def keep(path: Path, *, folder: str) -> str:
    """Store a file under a random name and return that name."""
    token = secrets.token_hex(16)
    with path.open("rb") as file:
        return private_storage().save(f"{folder}/{token[:2]}/{token}", File(file))


def names_in(folder: str) -> Iterator[str]:
    """Return the names of every file kept in a folder."""
    storage = private_storage()
    try:
        drawers, files = storage.listdir(folder)
    except FileNotFoundError:
        return
    yield from (f"{folder}/{name}" for name in files)
    for drawer in sorted(drawers):
        if drawer:
            yield from names_in(f"{folder}/{drawer}")


def remove_orphans(
    folder: str, known: Callable[[list[str]], set[str]], *, limit: int = 10_000
) -> int:
    """Delete files that no row knows: of an upload that was cut off, or of a removed file.

    `known` returns which of the names given it have a row. Return how many were deleted.
    """
    storage, before = private_storage(), timezone.now() - ORPHAN_AFTER
    removed, batch = 0, list[str]()
    for name in names_in(folder):
        if removed >= limit:
            break
        batch.append(name)
        if len(batch) == 500:
            removed += _remove_unknown(storage, batch, known, before)
            batch = []
    return removed + _remove_unknown(storage, batch, known, before)


def _remove_unknown(
    storage: Storage, names: list[str], known: Callable[[list[str]], set[str]], before: dt.datetime
) -> int:
    found = known(names) if names else set()
    removed = 0
    for name in names:
        if name in found or storage.get_modified_time(name) > before:
            continue
        storage.delete(name)
        removed += 1
    return removed


def discard(name: str) -> None:
    """Delete a file that no row needs. One that cannot be deleted now is found as an orphan."""
    try:
        private_storage().delete(name)
    except Exception:
        logger.exception("file_not_deleted", name=name)
