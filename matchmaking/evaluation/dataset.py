"""Judged sets: folders with demands.tsv and achievements.tsv (id, title, text)."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

# A text without a title is known by its beginning, as a person would list it.
TITLE_CHARACTERS = 120


class BrokenSet(Exception):
    """The folder is no judged set; the text says why."""


class Text(NamedTuple):
    """One demand or achievement of a set."""

    key: str
    title: str
    body: str


def read_set(folder: Path, name: str) -> list[Text]:
    """Return the texts of `name` ("demands" or "achievements"). Raises `BrokenSet`."""
    path = folder / f"{name}.tsv"
    try:
        texts = list(_read(path))
    except FileNotFoundError as error:
        raise BrokenSet(f"{path} does not exist.") from error
    except UnicodeDecodeError as error:
        raise BrokenSet(f"{path} is not in UTF-8.") from error
    if not texts:
        raise BrokenSet(f"{path} has no rows.")
    if len({text.key for text in texts}) != len(texts):
        raise BrokenSet(f"{path} names an id twice.")
    return texts


def _read(path: Path) -> Iterator[Text]:
    with path.open(encoding="utf8", newline="\n") as lines:
        rows = csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
        columns = {name: at for at, name in enumerate(next(rows, []))}
        if not {"id", "title", "text"} <= set(columns):
            raise BrokenSet(f"{path} needs the columns id, title and text.")
        for number, row in enumerate(rows, start=2):
            if len(row) < len(columns):
                raise BrokenSet(f"{path}, row {number}: {len(columns)} columns are needed.")
            title = row[columns["title"]].replace("\\n", " ").strip()
            body = row[columns["text"]].replace("\\n", "\n").strip()
            if not title:
                title = " ".join(body[:TITLE_CHARACTERS].split())
            yield Text(row[columns["id"]], title, body)
