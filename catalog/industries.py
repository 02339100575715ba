"""Industry classes (GB/T 4754-2017): sections ("C"), divisions ("C34"), groups, classes ("C3451").

Source of the list: the national standard, by way of public repositories.
"""

import csv
from functools import cache
from pathlib import Path

from accounts.languages import in_english

_FILE = Path(__file__).parent / "data" / "gbt4754_2017.tsv"
_ENGLISH = Path(__file__).parent / "data" / "gbt4754_en.tsv"


@cache
def industries() -> dict[str, str]:
    """Return every code with its Chinese name, in the order of the standard."""
    with _FILE.open(encoding="utf8", newline="") as lines:
        return {row["code"]: row["name"] for row in csv.DictReader(lines, delimiter="\t")}


@cache
def english_names() -> dict[str, str]:
    """Return every code with its English name, which is our own: the standard has none."""
    with _ENGLISH.open(encoding="utf8", newline="") as lines:
        return {row["code"]: row["en"] for row in csv.DictReader(lines, delimiter="\t")}


@cache
def _codes_by_name() -> dict[str, str]:
    known: dict[str, str] = {}
    for code, name in industries().items():
        known.setdefault(name, code)
    for code, name in english_names().items():
        known.setdefault(name.casefold(), code)
    return known


def industry_name(code: str) -> str:
    """Return the class's name in the reader's language, "" for a code that is none."""
    return (english_names() if in_english() else industries()).get(code, "")


def find_industry(text: str) -> str:
    """Return the code for a code ("C3451", "3451") or a name, "" where there is none."""
    text = text.strip()
    known = industries()
    if text.upper() in known:
        return text.upper()
    if text.isdigit():
        return next((code for code in known if code[1:] == text), "")
    by_name = _codes_by_name()
    return by_name.get(text) or by_name.get(text.casefold(), "")


def division(code: str) -> str:
    """Return the division of a finer class: "C34" for "C3451", "C" for "C"."""
    return code[:3]


def section_choices() -> list[tuple[str, str]]:
    return [(code, industry_name(code)) for code in industries() if len(code) == 1]


def division_choices() -> list[tuple[str, list[tuple[str, str]]]]:
    """Return the divisions as choices grouped by section, what a form offers."""
    groups: dict[str, list[tuple[str, str]]] = {}
    for code in industries():
        if len(code) == 3:
            groups.setdefault(code[0], []).append((code, f"{code} {industry_name(code)}"))
    return [(industry_name(section), choices) for section, choices in groups.items()]
