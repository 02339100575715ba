"""Words of Chinese and Latin texts, cut and folded in one way for every search there is."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import cache
from itertools import pairwise

import rjieba
from opencc import OpenCC

# A document longer than this says what it is about before its end (20,000 characters are
# about 9,000 words).
MAX_CHARACTERS = 40_000

_WORD = re.compile(r"\w", re.UNICODE)
# Letters that jieba knows nothing of and gives back one by one: Latin ones with marks, Greek,
# Cyrillic, Arabic and all others up to the ideographs, kana and Hangul.
_OTHER = "\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u1fff\u3041-\u3096\u30a1-\u30ff\uac00-\ud7a3"
_OTHERS = re.compile(f"[{_OTHER}]")
# A word with such a letter. "5μm" is a figure and a word.
_OTHER_WORD = re.compile(f"[a-z]*[{_OTHER}][a-z{_OTHER}]*")
# What is written without spaces between words, or with endings that change: Thai, Lao, Burmese,
# Khmer, kana, Hangul. Two texts about one thing share pairs of characters, seldom whole runs.
_RUNNING = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3041-\u30ff\uac00-\ud7a3]+")
# Words that say nothing about a technology. Function words and the furniture of listings.
STOP_WORDS = frozenset(  # one text: a list of 90 strings is unreadable
    """的 了 和 与 及 或 在 是 为 对 从 由 到 以 于 将 被 把 并 而 且 也 都 就 等 中 上 下 内 其
    该 此 这 那 各 有 可 能 会 要 应 需 我 你 他 我们 我司 本 个 一 一种 一个 一项 进行 通过
    采用 使用 利用 基于 实现 具有 可以 能够 需要 以及 相关 主要 目前 现有 问题 要求 提供 达到
    不 无 a an the of and or in on for to with by from is are be as at that this it its we our
    """.split()  # noqa: SIM905
)


@cache
def _to_simplified() -> OpenCC:
    return OpenCC("t2s")


def folded(text: str) -> str:
    """Return a text in the one form that is searched: half width, Simplified, lower case."""
    whole = text.encode(errors="replace").decode()  # half a surrogate pair, which JSON can carry
    simplified: str = _to_simplified().convert(unicodedata.normalize("NFKC", whole))
    return simplified.lower()


def words(text: str) -> list[str]:
    """Return the words of a text in order, Traditional folded to Simplified, lower case.

    Long Chinese words come with the shorter ones inside them, as jieba's search mode cuts.
    """
    return [
        word
        for word in _cut(folded(text[:MAX_CHARACTERS]))
        if _WORD.search(word) and word not in STOP_WORDS and len(word) <= 40
    ]


def _cut(text: str) -> Iterator[str]:
    """Yield the words of a folded text; those of other scripts are cut here, not by jieba."""
    at = 0
    for other in _OTHER_WORD.finditer(text) if _OTHERS.search(text) else ():
        yield from rjieba.cut_for_search(text[at : other.start()])
        at = other.end()
        if _RUNNING.fullmatch(other[0]) and len(other[0]) > 2:
            yield from map("".join, pairwise(other[0]))
        else:
            yield other[0]
    yield from rjieba.cut_for_search(text[at:])
