"""Judged sets: folders with demands.tsv and achievements.tsv (id, title, text), and qrels.tsv
(demand_id, achievement_id, relevance) where a run is judged here."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

# A text without a title is known by its beginning, as a person would list it.
TITLE_CHARACTERS = 120
# Gains grow as 2^grade; sets have 0 to 1, 0 to 3 or 0 to 4.
MOST_GRADE = 10


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


def read_judgements(folder: Path) -> dict[str, dict[str, int]]:
    """Return {demand: {achievement: grade}} of a set. Raises `BrokenSet`."""
    path = folder / "qrels.tsv"
    judged: dict[str, dict[str, int]] = {}
    try:
        for number, row in _rows(path, ("demand_id", "achievement_id", "relevance")):
            demand, achievement, grade = row
            if not (grade.isascii() and grade.isdecimal()) or int(grade) > MOST_GRADE:
                raise BrokenSet(
                    f"{path}, row {number}: relevance is a whole number from 0 to {MOST_GRADE}."
                )
            judged.setdefault(demand, {})[achievement] = int(grade)
    except FileNotFoundError as error:
        raise BrokenSet(f"{path} does not exist.") from error
    except UnicodeDecodeError as error:
        raise BrokenSet(f"{path} is not in UTF-8.") from error
    if not any(grade > 0 for grades in judged.values() for grade in grades.values()):
        raise BrokenSet(f"{path} judges nothing to be fitting.")
    return judged


def read_texts(folder: Path) -> dict[str, list[Text]]:
    """Return a set's texts by kind, in the order in which they are indexed. Raises `BrokenSet`."""
    return {
        "achievement": read_set(folder, "achievements"),
        "demand": read_set(folder, "demands"),
    }


def _read(path: Path) -> Iterator[Text]:
    for _, (key, title, body) in _rows(path, ("id", "title", "text")):
        title = title.replace("\\n", " ").strip()
        body = body.replace("\\n", "\n").strip()
        if not title:
            title = " ".join(body[:TITLE_CHARACTERS].split())
        yield Text(key, title, body)


def _rows(path: Path, names: tuple[str, str, str]) -> Iterator[tuple[int, tuple[str, str, str]]]:
    """Yield each row's number in the file and three of its columns."""
    with path.open(encoding="utf8", newline="\n") as lines:
        rows = csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
        columns = {name: at for at, name in enumerate(next(rows, []))}
        if not set(names) <= set(columns):
            raise BrokenSet(f"{path} needs the columns {names[0]}, {names[1]} and {names[2]}.")
        for number, row in enumerate(rows, start=2):
            if len(row) < len(columns):
                raise BrokenSet(f"{path}, row {number}: {len(columns)} columns are needed.")
            yield number, (row[columns[names[0]]], row[columns[names[1]]], row[columns[names[2]]])
