"""In which encoding a text file is written: UTF-8 and GB18030 are read, others are named.

GB18030 decodes nearly every pair of bytes to some character, so that a file in Big5 becomes
rare characters rather than an error. What tells them apart is how common the characters are.
"""

from __future__ import annotations

import codecs
from pathlib import Path

from django.utils.translation import gettext as _

from catalog.services.unreadable import UnreadableFile

_BLOCK = 1 << 20
# Bytes of lines that are not plain ASCII; enough to judge by, and quick.
_SAMPLE = 1 << 18

_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    # Before UTF-16, whose mark it begins with.
    codecs.BOM_UTF32_LE: "UTF-32",
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}
# Candidates with the first bytes of their frequent characters: level 1 of GB 2312, of Big5, of
# JIS X 0208 with its kana, and the syllables of KS X 1001.
_CANDIDATES: dict[str, tuple[str, str, set[int]]] = {
    "GB18030": ("gb18030", "gb2312", {0xA1, 0xA2, 0xA3, *range(0xB0, 0xD8)}),
    "Big5": ("big5hkscs", "big5", {0xA1, 0xA2, 0xA3, *range(0xA4, 0xC7)}),
    "Shift-JIS": ("cp932", "shift_jis", {0x81, 0x82, 0x83, *range(0x88, 0x99)}),
    "EUC-KR": ("cp949", "euc_kr", {0xA1, 0xA3, *range(0xB0, 0xC9)}),
}
# The most frequent syllables of Korean, some 40 of a hundred written.
_SYLLABLES = frozenset("이다의는을를가에하고로한지도은기사리대시서자정인어제")
# The share of frequent characters below which a guess is none.
_CREDIBLE = 0.75


def encoding_of(path: Path) -> str:
    """Return "utf-8-sig" or "gb18030". Raises `UnreadableFile`, which names any other."""
    with path.open("rb") as file:
        head = file.read(4096)
        marked = next((name for mark, name in _MARKS.items() if head.startswith(mark)), "")
        if marked in ("UTF-16", "UTF-32"):
            raise _other(marked)
        if marked or _is_utf8(path):
            return "utf-8-sig"
    if b"\x00" in head:
        if _is_utf16(head):
            raise _other("UTF-16")
        raise UnreadableFile(_("This is not a text file: it holds NUL bytes."))
    sample = _sample(path)
    scores = {name: _score(sample, *of) for name, of in _CANDIDATES.items()}
    if scores["EUC-KR"] >= _CREDIBLE and _is_korean(sample):
        raise _other("EUC-KR")
    best = max(scores, key=lambda name: scores[name])
    if scores[best] < _CREDIBLE:
        raise UnreadableFile(
            _(
                "The encoding of the file is not known; it is neither UTF-8 nor GB18030. Please "
                "save it as “CSV UTF-8” or as .xlsx."
            )
        )
    if best != "GB18030":
        raise _other(best)
    return "gb18030"


def _other(name: str) -> UnreadableFile:
    return UnreadableFile(
        _(
            "The file looks like %(encoding)s, which is not read. Please save it as “CSV UTF-8” "
            "or as .xlsx."
        )
        % {"encoding": name}
    )


def _is_utf16(head: bytes) -> bool:
    """Say whether bytes with zeros in them are UTF-16 without a mark: letters, no controls."""
    for codec in ("utf-16-le", "utf-16-be"):
        try:
            text = head[: len(head) // 2 * 2].decode(codec)
        except UnicodeDecodeError:
            continue
        plain = sum(char.isalnum() or char in " ,\t\r\n.;，。；、（）()" for char in text)
        if plain > 0.9 * len(text) and ("," in text or "\t" in text):
            return True
    return False


def _is_korean(sample: bytes) -> bool:
    """Tell Korean from Chinese, whose frequent characters have the same bytes."""
    text = codecs.getincrementaldecoder("cp949")().decode(sample)
    letters = [char for char in text if not char.isascii()]
    return sum(char in _SYLLABLES for char in letters) > 0.15 * len(letters)


def _is_utf8(path: Path) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    with path.open("rb") as file:
        try:
            while block := file.read(_BLOCK):
                decoder.decode(block)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return False
    return True


def _sample(path: Path) -> bytes:
    """Return lines that are not plain ASCII. No character of these encodings holds a line end."""
    lines: list[bytes] = []
    size = 0
    with path.open("rb") as file:
        while size < _SAMPLE and (line := file.readline(_SAMPLE)):
            if not line.isascii():
                lines.append(line)
                size += len(line)
    return b"".join(lines)


def _score(sample: bytes, codec: str, narrow: str, frequent: set[int]) -> float:
    """Return which share of the characters beyond ASCII is frequent, 0 where it is not text."""
    try:
        text = codecs.getincrementaldecoder(codec)().decode(sample)
    except UnicodeDecodeError:
        return 0.0
    characters = [char for char in text if not char.isascii()]
    if not characters:
        return 0.0
    known = 0
    for char in characters:
        code = char.encode(narrow, "ignore")
        known += len(code) == 2 and code[0] in frequent
    return known / len(characters)
