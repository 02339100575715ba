"""Industry classes of technology managers. accounts keeps codes; the catalog knows their names.

accounts cannot import the catalog, which lies above it, so the catalog registers its list once,
from its `ready()`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

Names = Callable[[], Mapping[str, str]]
NameOf = Callable[[str], str]

_names: Names = dict
_name_of: NameOf = str


def register(names: Names, name_of: NameOf) -> None:
    """Say where the codes (in order) and a code's name in the reader's language come from."""
    global _names, _name_of
    _names, _name_of = names, name_of


def class_name(code: str) -> str:
    return _name_of(code) or code


def class_choices() -> list[tuple[str, list[tuple[str, str]]]]:
    """Return sections and divisions, grouped by section; the section itself comes first."""
    groups: dict[str, list[tuple[str, str]]] = {}
    for code in _names():
        if len(code) in (1, 3):
            label = class_name(code)
            groups.setdefault(code[0], []).append((code, f"{code} {label}"))
    return [(choices[0][1], choices) for choices in groups.values()]
