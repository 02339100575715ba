"""Choosing classes in a form: what is chosen, what a search finds, what the text suggests."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from catalog.classes import (
    QUERY_LIMIT,
    Entry,
    class_name,
    class_path,
    is_known,
    search_classes,
    suggest_classes,
)

# More would be a list to read, not a choice.
FOUND_LIMIT = 10
SUGGESTED_LIMIT = 4


@dataclass(frozen=True)
class Choice:
    code: str
    name: str
    path: str


@dataclass(frozen=True)
class Picker:
    """One scheme on the page of the form."""

    scheme: str
    chosen: list[Choice]
    found: list[Choice]
    suggested: list[Choice]
    query: str
    searched: bool


def picker(
    scheme: str, *, chosen: Any, query: str, searched: bool, text: str, language: str
) -> Picker:
    """Return what to choose from. A class stands in one list only."""
    codes = [chosen] if isinstance(chosen, str) else list(chosen or [])
    codes = [code for code in codes if is_known(scheme, code)]
    taken = set(codes)
    query = query[:QUERY_LIMIT]
    found = search_classes(scheme, query, FOUND_LIMIT) if searched else []
    suggested = suggest_classes(text, scheme, SUGGESTED_LIMIT) if text.strip() else []

    def rest(entries: Iterable[Entry]) -> list[Choice]:
        left = [entry.code for entry in entries if entry.code not in taken]
        taken.update(left)
        return [_choice(scheme, code, language) for code in left]

    return Picker(
        scheme=scheme,
        chosen=[_choice(scheme, code, language) for code in codes],
        found=rest(found),
        suggested=rest(suggested),
        query=query,
        searched=searched,
    )


def _choice(scheme: str, code: str, language: str) -> Choice:
    return Choice(code, class_name(scheme, code, language), class_path(scheme, code, language))
