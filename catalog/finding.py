"""Proposes indicators from a listing's description, for its writer to accept or leave.

The quantities are those of `catalog.indicators`; what is added here is which clause of which
sentence names each, and which of them are meant as requirements or results: a figure of how it
is done today stands in the same text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from catalog.indicators import (
    MAX_INDICATORS,
    Indicator,
    Quantity,
    find_quantities,
    fold,
    name_quantity,
    plain,
)
from catalog.units import COUNT_UNITS, normalize_unit

# Characters that are read; a body has at most 20,000.
TEXT_LIMIT = 24_000
NAME_LIMIT = 40
QUANTITIES = 300  # figures that are looked at in one text
SENTENCE_LIMIT = 400

_SENTENCE_END = re.compile(r"[。！？!?\n；;]|\.(?=\s|$)")
_CLAUSE_END = re.compile(r"[，、：]|[,:](?!\d)| [-–—] |[（(](?=[^）)]{0,40}$)")
# Where a change starts from: "由 62 % 提高到 85 %", "from 62 % to 85 %".
_STARTS_AT = re.compile(
    r"(?:[由从自][^，,。；;\d]{0,8}|\bfrom (?:about |around )?)$", re.IGNORECASE
)
# How it is, was or was tried; what is wanted or was reached is said otherwise.
_TODAY = re.compile(
    "目前|现有|现用|现在|现状|当前|原来|原先|以往|此前|试过|尝试|曾|传统|常规|同类|竞品|市售"
    "|at present|current(?:ly)?|today|existing|so far|tried|used to|conventional|previous",
    re.IGNORECASE,
)
# What is wanted, from here to the end of the paragraph.
_WANTED = re.compile(
    "要求|希望|期望|想要|想找|寻求|求|需求是|需要|目标|力争|考核|指标|交付|验收"
    r"|\b(?:must|should|shall|need|needs|want|wanted|target|require[sd]?|aim|expect|looking for)\b",
    re.IGNORECASE,
)
# What a Chinese name does not start with: the clause told something else first.
_NAME_STARTS = re.compile(
    r"^.{0,30}?(?:使得?|让|把|将|确保|保证|做到|要求|希望|并且?|同时|其中|而且|以及|方案的|条件下[，的]?)"
    r"(?=[^\d，,]{2,24}$)"
)
_LATIN_NAME_STARTS = re.compile(
    r"^.*\b(?:that|which|where|while|with|and|but|so|then|whose|keep(?:s|ing)?|giv(?:es|ing)"
    r"|deliver(?:s|ing)?|achiev(?:es|ed|ing)|show(?:s|ed|ing)?|reach(?:es|ing)?|hold(?:s|ing)?"
    r"|had|has|have|we|it|by)\s+(?=\S)",
    re.IGNORECASE,
)
_EMPTY_NAME = re.compile(
    r"(?:平均|一般|通常|大约|约|最多|最少|最高|最低|最大|最小|至少|全部|共|每件|每次|每天|每年|其|它|该"
    r"|且|并|也|仍|还|均|都|就|只|仅|各|后|时|内|前|用时|用|完成|运行|放置|试验|覆盖|寿命期|希望|可识别|提前"
    r"|average|only|it|this|they|each|every|total|and|but|or|runs?|leaves?|weighs?|needs?|stayed|was|were"
    r"|after|with|at|on|in|we|\s)*+",
    re.IGNORECASE,
)
_LETTER = re.compile(r"[^\W\d_]")


@dataclass(frozen=True)
class Found:
    """One proposal: the row, where its figure stands in the text, and the sentence around it.

    `likely`: it reads as a requirement or a result, not as how things are today.
    """

    indicator: Indicator
    start: int
    end: int
    sentence: str
    likely: bool


def find_indicators(
    text: str, known: Iterable[dict[str, Any]] = (), limit: int = MAX_INDICATORS
) -> list[Found]:
    """Return what the text states with a name and a figure, in the order of the text.

    What `known` rows say already is left out.
    """
    seen = {_key(Indicator.from_json(row)) for row in known}
    found: list[Found] = []
    text = text[:TEXT_LIMIT]
    # A text that never says what is wanted tells what was reached.
    always = _WANTED.search(text) is None
    wanted, last, left = always, 0, QUANTITIES
    for start, sentence in _sentences(text):
        wanted = always or (wanted and "\n" not in text[last:start])
        wanted = wanted or _WANTED.search(sentence) is not None
        last = start
        flat = fold(sentence)
        quantities = find_quantities(flat, limit=left)
        left -= len(quantities)
        for proposal in _of_sentence(flat, quantities, start, wanted):
            key = _key(proposal.indicator)
            if key not in seen:
                seen.add(key)
                found.append(proposal)
                if len(found) == limit:
                    return found
    return found


def _key(indicator: Indicator) -> tuple[str, ...]:
    high = "" if indicator.high is None else plain(indicator.high.normalize())
    return indicator.op, plain(indicator.value.normalize()), high, indicator.unit


def _sentences(text: str) -> Iterator[tuple[int, str]]:
    """Yield each sentence with its place. What has no end is cut, so that time stays bounded."""
    at = 0
    ends = [end.start() for end in _SENTENCE_END.finditer(text)]
    for end in (*ends, len(text)):
        for start in range(at, end, SENTENCE_LIMIT):
            yield start, text[start : min(start + SENTENCE_LIMIT, end)]
        at = end + 1


def _of_sentence(
    flat: str, quantities: Sequence[Quantity], offset: int, wanted: bool
) -> Iterator[Found]:
    shown = " ".join(flat.split())
    bound = 0
    for number, quantity in enumerate(quantities):
        following = quantities[number + 1] if number + 1 < len(quantities) else None
        if _is_start(flat, quantity, following) or _is_moment(flat, quantity):
            continue
        begin = max(bound, _clause_start(flat, quantity.words))
        indicator = _proposed(flat, quantity, begin, bound)
        if quantity.said or quantity.unit:
            bound = quantity.end
        if indicator is not None:
            likely = wanted and quantity.said and not _TODAY.search(flat[begin : quantity.end])
            start, end = offset + quantity.words, offset + quantity.end
            yield Found(indicator, start, end, shown, likely)


def _is_moment(text: str, quantity: Quantity) -> bool:
    """Say whether a figure only tells when: "六个月后煮破率不高于 4%"."""
    return not quantity.said and text[quantity.end : quantity.end + 1] in ("后", "内", "时", "前")


def _is_start(text: str, quantity: Quantity, following: Quantity | None) -> bool:
    """Say whether a figure is only where a change starts from."""
    return (
        following is not None
        and following.said
        and following.words - quantity.end <= 12
        and _STARTS_AT.search(text, max(0, quantity.words - 20), quantity.words) is not None
    )


def _clause_start(text: str, before: int) -> int:
    start = 0
    for sign in _CLAUSE_END.finditer(text, max(0, before - 200), before):
        start = sign.end()
    return start


def _proposed(text: str, quantity: Quantity, begin: int, bound: int) -> Indicator | None:
    counts = not quantity.unit or quantity.unit in COUNT_UNITS
    if counts and not quantity.said:
        return None
    if not quantity.unit and text[quantity.end : quantity.end + 1].isalnum():
        return None  # of a unit that nobody knows here
    indicator = name_quantity(text, quantity, hard=False, begin=begin)
    name = _trimmed(indicator.name) if indicator else ""
    if not name and begin > bound and quantity.said:
        # "圆度偏差要小，不超过 0.3 mm": the clause before says of what
        earlier = max(bound, _clause_start(text, begin - 1))
        indicator = name_quantity(text, replace(quantity, words=begin - 1), False, earlier)
        name = _trimmed(indicator.name) if indicator else ""
    if indicator is None or not name:
        return None
    return _by_each(replace(indicator, name=name))


_EACH = re.compile(
    "每(小时|分钟|秒|天|日|周|月|年|吨|公斤|千克|克|立方米|升|平方米|亩|公顷|公里|千米|米|件|台|批|套)"
)


def _by_each(indicator: Indicator) -> Indicator:
    """Return "每公斤成本 0.25 元" as "成本 0.25 元/公斤": so it compares with what others write."""
    each = _EACH.search(indicator.name)
    if each is None or not indicator.unit or "/" in indicator.unit or indicator.unit in _SHARES:
        return indicator
    name = (indicator.name[: each.start()] + indicator.name[each.end() :]).strip(" 的")
    unit = normalize_unit(f"{indicator.unit}/{each[1]}")
    if unit is None or not _is_name(name):
        return indicator
    return replace(indicator, name=name, unit=unit)


_SHARES = frozenset(("%", "‰", "ppm", "ppb", "倍"))


def _trimmed(name: str) -> str:
    """Return the part of a clause that names something, "" where nothing does."""
    name = _NAME_STARTS.sub("", name)
    if name.isascii() and len(name) > 30:
        name = _LATIN_NAME_STARTS.sub("", name)
    name = name.strip(" 的了其")
    if not _is_name(name) or _EMPTY_NAME.fullmatch(name):
        return ""
    return name


def _is_name(name: str) -> bool:
    return 2 <= len(name) <= NAME_LIMIT and len(_LETTER.findall(name)) >= 2


def rows(found: Sequence[Found]) -> list[dict[str, Any]]:
    """Return the proposals as rows of a form."""
    return [proposal.indicator.to_json() for proposal in found]
