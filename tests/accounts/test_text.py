"""What of a typed text is tidied, dropped or refused."""

import pytest
from django.core.exceptions import ValidationError

from accounts.text import clean_line, clean_text


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("  恒轴轴承  ", "恒轴轴承"),
        ("Ada\tLovelace", "Ada Lovelace"),
        ("first\r\nsecond", "first second"),
        ("全角\u3000空格", "全角 空格"),
        ("e\u0301", "\u00e9"),  # composed, so that the same name is the same text
        ("张三·李四", "张三·李四"),
        ("<script>alert(1)</script>", "<script>alert(1)</script>"),  # escaped where it is shown
    ],
)
def test_a_line_is_tidied(typed, kept):
    assert clean_line(typed) == kept


@pytest.mark.parametrize(
    "hidden", ["\u202e", "\u200f", "\u2066", "\u200b", "\ufeff", "\x00", "\x07", "\x85", "\u2028"]
)
def test_a_line_with_an_invisible_character_is_refused_with_its_place(hidden):
    with pytest.raises(ValidationError, match=f"{ord(hidden):04X}.*4|4.*{ord(hidden):04X}"):
        clean_line(f"abc{hidden}def")


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("one\r\ntwo\rthree", "one\ntwo\nthree"),
        ("a\n\n\n\n\nb", "a\n\nb"),
        ("trailing   \nspaces\t", "trailing\nspaces"),
        ("nul\x00 bell\x07", "nul bell"),
        ("right\u202eto left\u2069", "rightto left"),
        ("zero\u200bwidth\ufeff", "zerowidth"),
        ("page\x0cbreak", "page\nbreak"),
        ("tabs\tstay", "tabs\tstay"),
    ],
)
def test_a_text_loses_what_cannot_be_seen(typed, kept):
    assert clean_text(typed) == kept


def test_a_very_long_text_is_cleaned_in_time():
    # 2,000,000 characters in some 100 ms; a pattern that backtracks would take hours.
    assert len(clean_text("淬火 \n" * 500_000)) < 2_000_000
    assert clean_line(" " * 200_000 + "x") == "x"
