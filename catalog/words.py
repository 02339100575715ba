"""Words of Chinese and Latin texts, cut and folded in one way for every search there is."""

from __future__ import annotations

import re
import unicodedata
from functools import cache

import rjieba
from opencc import OpenCC

# A document longer than this says what it is about before its end (20,000 characters are
# about 9,000 words).
MAX_CHARACTERS = 40_000

_WORD = re.compile(r"\w", re.UNICODE)
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
    simplified: str = _to_simplified().convert(unicodedata.normalize("NFKC", text))
    return simplified.lower()


def words(text: str) -> list[str]:
    """Return the words of a text in order, Traditional folded to Simplified, lower case.

    Long Chinese words come with the shorter ones inside them, as jieba's search mode cuts.
    """
    return [
        word
        for word in rjieba.cut_for_search(folded(text[:MAX_CHARACTERS]))
        if _WORD.search(word) and word not in STOP_WORDS and len(word) <= 40
    ]
