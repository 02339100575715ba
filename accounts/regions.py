"""Administrative regions (GB/T 2260, provinces and cities of 2023) and the parts of the country.

Codes have six digits: "320000" is a province, "320500" a city of it.
Source of the list: Administrative-divisions-of-China (WTFPL).
"""

import csv
from functools import cache
from pathlib import Path

from django.utils.translation import get_language, gettext

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

_PROVINCES_EN = {
    "11": "Beijing", "12": "Tianjin", "13": "Hebei", "14": "Shanxi", "15": "Inner Mongolia",
    "21": "Liaoning", "22": "Jilin", "23": "Heilongjiang", "31": "Shanghai", "32": "Jiangsu",
    "33": "Zhejiang", "34": "Anhui", "35": "Fujian", "36": "Jiangxi", "37": "Shandong",
    "41": "Henan", "42": "Hubei", "43": "Hunan", "44": "Guangdong", "45": "Guangxi",
    "46": "Hainan", "50": "Chongqing", "51": "Sichuan", "52": "Guizhou", "53": "Yunnan",
    "54": "Tibet", "61": "Shaanxi", "62": "Gansu", "63": "Qinghai", "64": "Ningxia",
    "65": "Xinjiang", "71": "Taiwan", "81": "Hong Kong", "82": "Macao",
}  # fmt: skip


@cache
def regions() -> dict[str, str]:
    """Return all codes with their Chinese names, provinces and cities, in code order."""
    with _FILE.open(encoding="utf8", newline="") as lines:
        rows = csv.DictReader(lines, delimiter="\t")
        return {row["code"]: row["name"] for row in rows if row["name"] not in _NAMELESS}


@cache
def _codes_by_name() -> dict[str, str]:
    known: dict[str, str] = {}
    for code, name in regions().items():
        for form in (name, name.removesuffix("市").removesuffix("省")):
            known.setdefault(form, code)
    for prefix, name in _PROVINCES_EN.items():
        known.setdefault(name.casefold(), prefix + "0000")
    return known


def province_code(code: str) -> str:
    return code[:2] + "0000" if code else ""


def province_name(code: str) -> str:
    """Return the province of a code in the reader's language, "" where it is unknown."""
    if (get_language() or "").startswith("en"):
        return _PROVINCES_EN.get(code[:2], "")
    return regions().get(province_code(code), "")


def region_name(code: str) -> str:
    """Return province and city: “江苏省苏州市”, or “Jiangsu 苏州市” for an English reader."""
    province = province_name(code)
    city = regions().get(code, "") if code[2:] != "0000" else ""
    separator = " " if (get_language() or "").startswith("en") and city else ""
    return f"{province}{separator}{city}"


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


def province_choices() -> list[tuple[str, str]]:
    return [(code, province_name(code)) for code in regions() if code.endswith("0000")]


def region_choices() -> list[tuple[str, list[tuple[str, str]]]]:
    """Return every region as choices grouped by province; the province itself comes first."""
    groups: dict[str, list[tuple[str, str]]] = {}
    for code in regions():
        groups.setdefault(province_code(code), []).append((code, region_name(code)))
    return [(province_name(code), choices) for code, choices in groups.items()]


def find_region(text: str) -> str:
    """Return the code for a code or a name in Chinese or English, "" where there is none."""
    text = text.strip()
    if text.isdigit():
        padded = text.ljust(6, "0")[:6]
        return padded if padded in regions() else ""
    known = _codes_by_name()
    if code := known.get(text) or known.get(text.casefold()):
        return code
    # “江苏省苏州市”: the longest known name at its end.
    for start in range(1, len(text)):
        if code := known.get(text[start:]):
            return code
    return ""
