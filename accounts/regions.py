"""Administrative regions (GB/T 2260, provinces and cities of 2023) and the parts of the country.

Codes have six digits: "320000" is a province, "320500" a city of it.
Source of the list: Administrative-divisions-of-China (WTFPL); scripts/romanize_regions.py wrote
the English names.
"""

import csv
import re
import unicodedata
from collections import Counter
from functools import cache
from pathlib import Path

from django.utils.translation import gettext

from accounts.languages import in_english

_FILE = Path(__file__).parent / "data" / "gbt2260_2023.tsv"
# Cities of a municipality are called like this in the list; the province's name says more.
_NAMELESS = {"市辖区", "县", "省直辖县级行政区划", "自治区直辖县级行政区划"}

_MACRO = {
    "north": ("11", "12", "13", "14", "15"),
    "northeast": ("21", "22", "23"),
    "east": ("31", "32", "33", "34", "35", "36", "37"),
    "central": ("41", "42", "43"),
    "south": ("44", "45", "46"),
    "southwest": ("50", "51", "52", "53", "54"),
    "northwest": ("61", "62", "63", "64", "65"),
    "hmt": ("71", "81", "82"),
}
_MACRO_OF = {prefix: key for key, prefixes in _MACRO.items() for prefix in prefixes}


@cache
def _rows() -> tuple[tuple[str, str, str], ...]:
    """Return codes with their Chinese and English names, provinces and cities, in code order."""
    with _FILE.open(encoding="utf8", newline="") as lines:
        rows = csv.DictReader(lines, delimiter="\t")
        return tuple(
            (row["code"], row["name"], row["en"]) for row in rows if row["name"] not in _NAMELESS
        )


@cache
def regions() -> dict[str, str]:
    """Return all codes with their Chinese names, provinces and cities, in code order."""
    return {code: name for code, name, _english in _rows()}


@cache
def english_regions() -> dict[str, str]:
    """Return all codes with their English names, in the same order."""
    return {code: english for code, _name, english in _rows()}


def _plain(name: str) -> str:
    """Return an English name as people type it: “urumqi”, “xian”, “suzhou jiangsu”."""
    letters = unicodedata.normalize("NFKD", name.casefold()).replace("'", "").replace("’", "")
    ascii_only = letters.encode("ascii", "ignore").decode() if name.strip() else ""
    return " ".join(re.sub(r"[,/]", " ", ascii_only).split())


@cache
def _codes_by_name() -> dict[str, str]:
    """Return codes by every name that says which place is meant.

    Ten cities share five English names (Suzhou, for one); those need their province.
    """
    known: dict[str, str] = {}
    for code, name in regions().items():
        for form in (name, name.removesuffix("市").removesuffix("省")):
            known.setdefault(form, code)
    english = english_regions()
    cities = Counter(name for code, name in english.items() if code[2:] != "0000")
    for code, name in english.items():
        if code[2:] == "0000":
            known.setdefault(_plain(name), code)
    for code, name in english.items():
        province = english[province_code(code)]
        if code[2:] != "0000":
            known.setdefault(_plain(f"{name} {province}"), code)
            known.setdefault(_plain(f"{province} {name}"), code)
            if cities[name] == 1:
                known.setdefault(_plain(name), code)
    return known


def province_code(code: str) -> str:
    return code[:2] + "0000" if code else ""


def province_name(code: str) -> str:
    """Return the province of a code in the reader's language, "" where it is unknown."""
    names = english_regions() if in_english() else regions()
    return names.get(province_code(code), "")


def region_name(code: str) -> str:
    """Return province and city: “江苏省苏州市”, or “Suzhou, Jiangsu” for an English reader."""
    province = province_name(code)
    if code[2:] == "0000":
        return province
    if in_english():
        return ", ".join(filter(None, [english_regions().get(code, ""), province]))
    return province + regions().get(code, "")


def same_part(code: str, other: str) -> bool:
    """Say whether two places lie in the same part of the country, both being known."""
    part = _MACRO_OF.get(code[:2])
    return part is not None and part == _MACRO_OF.get(other[:2])


def macro_region(code: str) -> str:
    """Return the part of the country, the finest place that a blind description names."""
    names = {
        "north": gettext("North China"),
        "northeast": gettext("Northeast China"),
        "east": gettext("East China"),
        "central": gettext("Central China"),
        "south": gettext("South China"),
        "southwest": gettext("Southwest China"),
        "northwest": gettext("Northwest China"),
        "hmt": gettext("Hong Kong, Macao and Taiwan"),
    }
    return names.get(_MACRO_OF.get(code[:2], ""), "")


def _sorted(choices: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return regions in the order of the reader's language: of the codes, or of the alphabet."""
    return sorted(choices, key=lambda choice: _plain(choice[1])) if in_english() else choices


def province_choices() -> list[tuple[str, str]]:
    return _sorted([(code, province_name(code)) for code in regions() if code.endswith("0000")])


def region_choices() -> list[tuple[str, list[tuple[str, str]]]]:
    """Return every region as choices grouped by province; the province itself comes first."""
    groups: dict[str, list[tuple[str, str]]] = {}
    for code in regions():
        if code[2:] != "0000":
            groups.setdefault(province_code(code), []).append((code, region_name(code)))
    return [
        (name, [(code, name), *_sorted(groups.get(code, []))]) for code, name in province_choices()
    ]


def find_region(text: str) -> str:
    """Return the code for a code or a name in Chinese or English, "" where there is none."""
    text = text.strip()
    if not text:
        return ""
    if text.isdigit():
        padded = text.ljust(6, "0")[:6]
        return padded if padded in regions() else ""
    known = _codes_by_name()
    if code := known.get(text) or known.get(_plain(text)):
        return code
    # “江苏省苏州市”: the longest known name at its end.
    for start in range(1, len(text)):
        if code := known.get(text[start:]):
            return code
    return ""
