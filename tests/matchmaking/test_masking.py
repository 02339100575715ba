"""Names are found in a text however they are written; looking quickly first misses none."""

from __future__ import annotations

import _sre
import sys
from collections import defaultdict
from re import _casefix

import pytest

from accounts.models import Organization
from matchmaking import presenting


def folded(code: int) -> str:
    return chr(code).translate(presenting._FOLDING)


def test_what_a_pattern_takes_for_one_letter_is_one_when_folded():
    alike: dict[int, set[int]] = defaultdict(set)
    for code in range(sys.maxunicode + 1):
        if not 0xD800 <= code < 0xE000:
            alike[_sre.unicode_tolower(code)].add(code)
    for code, others in _casefix._EXTRA_CASES.items():
        alike[code] |= set(others)
    for code in range(0x21, 0x7F):
        alike[code].add(code + 0xFEE0)

    different = [
        (chr(code), chr(other))
        for code, others in alike.items()
        for other in others
        if folded(other) != folded(code)
    ]

    assert not different


@pytest.mark.parametrize(
    "text",
    [
        "恒轴精密机械有限公司",
        "请找恒 轴 精 密 机 械 有 限 公 司谈",
        "恒·轴·精·密·机·械·有·限·公·司",
        "HENGZHOU precision",
        "ＨｅｎｇＺｈｏｕ Ｐｒｅｃｉｓｉｏｎ",
        "hengzhou\u200bprecision",
        "hengzhou preci\u017fion",
        "hengzhou prec\u0131s\u0130on",
        "contact@hengzhou.example",
    ],
)
def test_a_name_is_found_however_it_is_written(text):
    owner = Organization(
        name="恒轴精密机械有限公司",
        name_en="Hengzhou Precision",
        field="轴承",
        contact_email="contact@hengzhou.example",
    )

    assert presenting.names_any(text, [owner])
    assert "[" in presenting.mask_names(text, owner) or "［" in presenting.mask_names(text, owner)


def test_a_text_without_names_needs_no_pattern(monkeypatch):
    def fail(_names: tuple[str, ...]) -> None:
        raise AssertionError("a pattern was made")

    monkeypatch.setattr(presenting, "_pattern", fail)
    owner = Organization(name="恒轴精密机械有限公司", field="轴承", contact_email="a@b.example")

    assert presenting.mask_names("大型轴承套圈淬火变形控制", owner) == "大型轴承套圈淬火变形控制"
