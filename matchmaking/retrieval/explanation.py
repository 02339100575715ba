"""Why a demand and an achievement fit, and where they do not: computed from their texts.

Everything here is a pure function of the two listings, so that a match can be explained again
from its revisions. Rows carry codes and figures and never a sentence; pages put them into words.
Every row and every sentence says which field it comes from: not every reader may read it.
A quote stands in the achievement's text letter by letter, or it is an indicator row as it is
shown on the achievement's page; nothing is said to be unmet unless a stated figure says so.
"""

import math
import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from catalog.indicators import Indicator, Quantity, display, find_quantities, fold, plain
from catalog.units import comparable, convert, normalize_unit

Verdict = Literal["met", "partly", "unmet", "unknown"]
Row = dict[str, Any]
Marks = list[list[int]]
Words = Callable[[str], list[str]]
Encode = Callable[[Sequence[str]], NDArray[Any]]

# --- How much is near -------------------------------------------------------------------------
# All tolerances stand here. They are what a manager would still put on the table: a wish may
# be missed by a fifth, a must by a tenth, and both are then shown as partly met, with the gap.
SOFT_TOLERANCE = 0.20
HARD_TOLERANCE = 0.10
# From this share on, what remains to 100 % is what counts: 99 % pure is ten times as dirty as
# 99.9 %. Such a bound is partly met up to twice the remainder it allows.
HIGH_PERCENT = 80.0
REMAINDER_FACTOR = 2.0
# Decibels and pH count by powers: a share of 65 dB says nothing. (must, wish) in their own steps;
# 3 dB is twice the power.
STEP_TOLERANCES = {"dB": (1.0, 3.0), "dB(A)": (1.0, 3.0), "dBm": (1.0, 3.0), "dBi": (1.0, 3.0)}
STEP_TOLERANCES |= {"pH": (0.2, 0.5), "log": (0.3, 1.0)}
# "= 5 mm" is met by what nobody would call another value.
EQUAL_TOLERANCE = 0.02
# A readiness level less can be made up for by a pilot line; two cannot.
TRL_NEAR = 1
MONEY_TOLERANCE = 0.10

# Names of indicators: from here on two names are taken for the same thing.
NAME_FLOOR = 0.52
# The same for names without a word of their own, such as 处理时间 or "efficiency".
GENERIC_NAME_FLOOR = 0.65
# A figure further behind its name than this belongs to something else.
REACH = 40

# What each verdict adds to `grid_score`; what is not stated may still turn out well.
SCORES: dict[str, float] = {"met": 1.0, "partly": 0.5, "unknown": 0.4, "unmet": 0.0}
HARD_WEIGHT = 2.0
ORDER: dict[str, int] = {"unmet": 0, "partly": 1, "unknown": 2, "met": 3}

# Cosine of multilingual-e5-small between sentences of different subjects: about 0.8.
PAIR_FLOOR = 0.82

# Bounds on work. A listing's body is at most 20,000 characters; more only comes from attacks.
MAX_SCAN = 50_000
MAX_SENTENCES = 600
MAX_SENTENCE = 400
MAX_QUOTE = 120
MAX_KEYWORD = 40


@dataclass(frozen=True)
class Side:
    """A listing as it is compared, without its owner. Money is in whole yuan."""

    title: str
    summary: str
    body: str
    indicators: tuple[Indicator, ...] = ()
    trl: int | None = None
    money_min: int | None = None
    money_max: int | None = None
    modes: tuple[str, ...] = ()
    region: str = ""
    keywords: tuple[str, ...] = ()
    # The texts beside the description, each with the name of its field.
    texts: tuple[tuple[str, str], ...] = ()
    deadline: date | None = None
    exclusivity: str = ""
    ip_expectation: str = ""
    needs: tuple[str, ...] = ()
    encumbrances: str = ""


# --- Sentences --------------------------------------------------------------------------------

_SENTENCE_END = re.compile(r"[。！？!?；;\r\n\u2028\u2029]|\.(?=\s|$)")
_CLAUSE_END = re.compile(r"[，,、：:]")


def _sentence_spans(text: str) -> Iterator[tuple[int, int]]:
    """Yield the places of sentences, trimmed, none longer than MAX_SENTENCE."""
    start = 0
    for match in _SENTENCE_END.finditer(text):
        yield from _trimmed(text, start, match.end())
        start = match.end()
    yield from _trimmed(text, start, len(text))


def _trimmed(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    while end - start > MAX_SENTENCE:
        cuts = [m.end() for m in _CLAUSE_END.finditer(text, start + 1, start + MAX_SENTENCE)]
        cut = cuts[-1] if cuts else start + MAX_SENTENCE
        yield from _trimmed(text, start, cut)
        start = cut
    while start < end and (text[start].isspace() or not text[start].isprintable()):
        start += 1
    while start < end and (text[end - 1].isspace() or not text[end - 1].isprintable()):
        end -= 1
    if start < end:
        yield start, end


def split_sentences(text: str, limit: int = 40) -> list[str]:
    """Return the first sentences of a Chinese or English text that hold any letter."""
    found: list[str] = []
    text = text[:MAX_SCAN]
    for start, end in _sentence_spans(text):
        if len(found) == limit:
            break
        sentence = text[start:end]
        if any(char.isalpha() for char in sentence):
            found.append(sentence)
    return found


class _Passage(NamedTuple):
    """A sentence that can be quoted, with where it stands and the figures it holds."""

    text: str
    folded: str
    kind: str  # "summary", "body" or the field of another text
    paragraph: int  # as a reader counts them; 0 in the summary
    quantities: tuple[Quantity, ...]

    @property
    def source(self) -> Row:
        if self.kind == "summary":
            return {"kind": "summary"}
        if self.kind == "body":
            return {"kind": "body", "paragraph": self.paragraph}
        return {"kind": "text", "field": self.kind, "paragraph": self.paragraph}


@lru_cache(maxsize=4096)
def _passages(
    summary: str, body: str, texts: tuple[tuple[str, str], ...] = ()
) -> tuple[_Passage, ...]:
    """Return the sentences of an achievement. Cached: one achievement meets many demands."""
    found: list[_Passage] = []
    paragraphs = [("summary", 0, summary[:MAX_SCAN])]
    for field, text in (("body", body), *texts):
        # Paragraphs are lines that hold anything, as the page shows them.
        lines = [line for line in text[:MAX_SCAN].splitlines() if line.strip()]
        paragraphs += [(field, number, line) for number, line in enumerate(lines, start=1)]
    for kind, number, paragraph in paragraphs:
        for start, end in _sentence_spans(paragraph):
            if len(found) == MAX_SENTENCES:
                return tuple(found)
            sentence = paragraph[start:end]
            quantities = tuple(find_quantities(sentence, limit=40))
            found.append(_Passage(sentence, fold(sentence).lower(), kind, number, quantities))
    return tuple(p if len(p.folded) == len(p.text) else _unlowered(p) for p in found)


def _unlowered(passage: _Passage) -> _Passage:
    # A few letters (İ) grow when lowered, and every place behind them would be wrong.
    return passage._replace(folded=fold(passage.text))


# --- Names ------------------------------------------------------------------------------------

# Words that say what sort of figure it is. Alone they tell little: 表面硬度 is not 心部硬度.
_GENERIC_TEXT = """
    深度 宽度 厚度 高度 长度 直径 外径 内径 半径 尺寸 面积 体积 容积 重量 质量 密度 浓度 含量
    温度 湿度 压力 强度 硬度 粗糙度 精度 误差 偏差 变形 波动 公差 速度 速率 转速 频率 效率
    功率 能耗 电耗 时间 周期 节拍 寿命 成本 价格 费用 产量 产能 流量 水平 数量 次数 比例 范围
    指标 要求 性能 能力 参数 数值 有效 最大 最小 平均 单位 总 率 度 量 值 比 数
    回收 去除 检出 保留 处理 可用 使用 工作 操作 加工 改造 测量 定位 分析 损失 损耗 消耗 等级 间隔
    单件 单次 单台 单套 综合 上限 下限 准确 识别 提升 降低 下降 减少 提前量 稳定 整机
    depth width thickness height length diameter radius size area volume weight mass density
    concentration content temperature humidity pressure strength hardness roughness accuracy
    precision error deviation tolerance speed rate frequency efficiency power consumption time
    cycle lifetime life cost price output capacity flow level number ratio range value
    performance index total average maximum minimum max min unit of the a an and in for at on
    per after by with to from
"""
_GENERIC_WORDS = frozenset(_GENERIC_TEXT.split())
_GENERIC_WEIGHT = 0.4
_GENERIC = re.compile(
    "|".join(sorted((w for w in _GENERIC_WORDS if not w.isascii()), key=len, reverse=True))
)
# What may stand right before a figure and claim it: "圆度偏差在直径 3.2 m 的件上" is no deviation.
_OWNER = re.compile(
    "(?:深度|宽度|厚度|高度|长度|直径|外径|内径|半径|尺寸|面积|体积|容积|重量|密度|浓度|含量"
    "|温度|湿度|压力|强度|硬度|粗糙度|精度|误差|偏差|波动|公差|速度|速率|转速|频率|效率|功率"
    "|能耗|电耗|时间|周期|节拍|寿命|成本|价格|费用|产量|产能|流量|[一-鿿]率|投资"
    "|长|宽|高|厚|深|重)$"
)
_LATIN_WORD = re.compile(r"[a-z][a-z0-9]*|[0-9]+(?:\.[0-9]+)?")


# Different words for one sort of figure. The first stands for all.
_SYNONYMS = (
    ("时间", "用时", "时长", "耗时", "节拍"),
    ("周期", "间隔"),
    ("成本", "费用", "价格", "花费", "投入"),
    ("率", "效率", "比例", "占比", "比率", "正确率"),
    ("误差", "偏差", "变形", "波动", "公差", "精度"),
    ("产能", "产量", "处理量", "处理能力", "能力"),
    ("能耗", "电耗", "耗电", "用电"),
    ("损失", "损耗"),
    ("含量", "浓度"),
    ("速度", "速率"),
    ("厚度", "深度"),
)
_CANONICAL = {word: words[0] for words in _SYNONYMS for word in words[1:]}
_SYNONYM = re.compile("|".join(sorted(_CANONICAL, key=len, reverse=True)))
# What sort of figure a name ends with. Two that differ never mean the same: 清洗时间, 清洗周期.
_HEAD = re.compile(
    "(?:时间|周期|寿命|提前量|温度|压力|强度|硬度|成本|率|误差|产能|能耗|功率|损失|含量|速度|厚度|宽度"
    "|高度|长度|直径|面积|重量|密度|距离|等级)$"
)
_NUMBERS = re.compile(r"[0-9]+(?:\.[0-9]+)?")


_NAME_END = re.compile("[\ufffc在由从为是约:= ]")


def _head(text: str) -> re.Match[str] | None:
    return _HEAD.search(_canonical(text).rstrip(" :=为是约达在由从\ufffc"))


@lru_cache(maxsize=16_384)
def _canonical(name: str) -> str:
    return _SYNONYM.sub(lambda m: _CANONICAL[m.group()], fold(name).lower().strip()[:200])


class _Piece(NamedTuple):
    """A Chinese character or a Latin word of a name, with how much it tells."""

    text: str
    weight: float
    at: int


@lru_cache(maxsize=4096)
def _pieces(name: str) -> tuple[_Piece, ...]:
    name = fold(name).lower()[:200]
    generic = [False] * len(name)
    for match in _GENERIC.finditer(name):
        for place in range(*match.span()):
            generic[place] = True
    found: list[_Piece] = []
    at = 0
    while at < len(name):
        if word := _LATIN_WORD.match(name, at):
            text = word.group()
            plural = len(text) > 3 and text.endswith("s") and not text.endswith("ss")
            text = text[:-1] if plural else text
            # A Latin word tells as much as the two characters that would translate it.
            generic_word = text in _GENERIC_WORDS or text[0].isdigit()
            weight = 2 * (_GENERIC_WEIGHT if generic_word else 1.0)
            found.append(_Piece(text, weight, at))
            at = word.end()
            continue
        if name[at].isalnum():
            found.append(_Piece(name[at], _GENERIC_WEIGHT if generic[at] else 1.0, at))
        at += 1
    return tuple(found)


# One character apart and another thing: 抗拉强度 and 抗压强度, 入口温度 and 出口温度.
_OPPOSITES = (
    *("拉压", "高低", "上下", "内外", "正负", "横纵", "进出", "入出", "前后", "左右", "冷热"),
    *(
        "干湿",
        "大小",
        "静动",
        "长短",
        "轴径",
        "升降",
        "充放",
        "吸放",
        "先后",
        "宽窄",
        "厚薄",
        "一二",
    ),
)


def _opposed(left: str, right: str) -> bool:
    """Say whether one name has the opposite of what the other has in its place."""
    ours, theirs = set(left) - set(right), set(right) - set(left)
    return any(
        (pair[0] in ours and pair[1] in theirs) or (pair[1] in ours and pair[0] in theirs)
        for pair in _OPPOSITES
    )


# Thousands of demands are compared with the same names again and again.
@lru_cache(maxsize=65_536)
def name_similarity(left: str, right: str) -> float:
    """Return 0 to 1: do two names of indicators mean the same?

    Shared characters and words count, words such as 硬度 and "rate" less than the rest; a name
    that stands whole in the other is nearly the same. Names of different sorts of figures, and
    names with opposites in them, are never the same, however much they share.
    """
    left, right = _canonical(left), _canonical(right)
    ours, theirs = _pieces(left), _pieces(right)
    if not ours or not theirs:
        return 0.0
    if [p.text for p in ours] == [p.text for p in theirs]:
        return 1.0
    weights = {piece.text: piece.weight for piece in (*ours, *theirs)}
    a, b = Counter(p.text for p in ours), Counter(p.text for p in theirs)
    shared = sum(weights[text] * count for text, count in (a & b).items())
    total = sum(weights[text] * count for text, count in (a + b).items())
    score = round(2 * shared / total, 6)
    heads = [match.group() for name in (left, right) if (match := _head(name))]
    sorts = {bool(_SPREAD.search(name)) for name in (left, right)}
    if _opposed(left, right) or len(set(heads)) > 1 or len(sorts) > 1:
        return min(score, NAME_FLOOR / 2)
    short, long = sorted((left, right), key=len)
    own = all(any(piece.weight in (1.0, 2.0) for piece in name) for name in (ours, theirs))
    if len(short) > 1 and short in long:
        score = max(score, 0.9 if own else 0.7)
    if not own and score < GENERIC_NAME_FLOOR:
        return min(score, NAME_FLOOR / 2)
    return min(score, 0.99)


def _other_conditions(left: str, right: str) -> bool:
    """Say whether names give different conditions: strength after 3 d and after 28 d."""
    ours, theirs = _NUMBERS.findall(fold(left)), _NUMBERS.findall(fold(right))
    return bool(ours) and bool(theirs) and not set(ours) & set(theirs)


class _Mention(NamedTuple):
    """Where a sentence speaks of an indicator, and how much of its name is there."""

    start: int
    end: int
    coverage: float
    from_start: bool  # its first words are there, so that nothing else can stand for them


def _mentions(name: str, folded: str) -> list[_Mention]:
    """Return the places that share enough of a name with it, at most a few dozen.

    A place is a run of neighbouring pieces of the name (圆度 of 圆度变形); single Chinese
    characters say nothing unless the name has no more.
    """
    pieces = _pieces(name)
    total = sum(piece.weight for piece in pieces)
    if not total:
        return []
    flat = fold(name).lower()
    places: dict[tuple[int, int], tuple[float, bool]] = {}
    first = 0
    while first < len(pieces):
        longest = 0
        for last in range(len(pieces), first, -1):
            begin, end = pieces[first].at, pieces[last - 1].at + len(pieces[last - 1].text)
            text = flat[begin:end]
            if len(text) < min(2, len(flat)) or text not in folded:
                continue
            longest = last - first
            weight = sum(piece.weight for piece in pieces[first:last])
            at = folded.find(text)
            while at >= 0 and len(places) < 60:
                if _whole(folded, at, at + len(text)):
                    key = (at, at + len(text))
                    known = places.get(key, (0.0, False))
                    places[key] = max(known, (weight / total, first == 0))
                at = folded.find(text, at + len(text))
            break
        first += max(longest, 1)
    return _joined(places)


def _whole(text: str, start: int, end: int) -> bool:
    """Say whether Latin words at the edges of a place are whole: "rate" is not in "accurate"."""
    before, after = text[start - 1 : start], text[end : end + 2]
    if text[start].isascii() and text[start].isalpha() and before.isascii() and before.isalpha():
        return False
    if text[end - 1].isascii() and text[end - 1].isalpha():
        tail = after[1:] if after[:1] == "s" else after
        return not (tail[:1].isascii() and tail[:1].isalpha())
    return True


def _joined(places: dict[tuple[int, int], tuple[float, bool]]) -> list[_Mention]:
    """Join parts of a name that stand close: "hardness of the surface", 硬度（表面）."""
    found: list[_Mention] = []
    for (start, end), (coverage, from_start) in sorted(places.items()):
        if found and start - found[-1].end <= 8:
            last = found[-1]
            whole = _Mention(
                last.start,
                max(end, last.end),
                last.coverage + coverage,
                last.from_start or from_start,
            )
            found.append(whole)
        found.append(_Mention(start, end, coverage, from_start))
    return [mention._replace(coverage=min(1.0, mention.coverage)) for mention in found]


# --- Figures ----------------------------------------------------------------------------------

# A change is no level: "废品率降低 30 %" says nothing about the rate itself.
_CHANGE = re.compile(
    r"(?:提高|提升|增加|增长|上升|降低|下降|减少|缩短|节约|节省|节能|压缩|改善|增幅|降幅)"
    r"了?(?:约|超过|近|达)?\s*$"
    r"|(?:increased?|decreased?|reduced?|improved?|raised|lowered|cut|saved?)"
    r"(?: by)?(?: about)?\s*$",
    re.IGNORECASE,
)
_CHANGE_IN_NAME = re.compile(
    "提高|提升|增加|增长|上升|降低|下降|减少|缩短|节约|节省|节能|增幅|降幅"
    "|increase|decrease|reduc|improve|saving",
    re.IGNORECASE,
)
# The state before, or somebody else's: not what this achievement reaches.
_BASELINE = re.compile(
    r"传统|常规|原有|原来|原先|原为|现有|以往|改造前|改进前|优化前|国外同类|市售|对比例|对照"
    r"|相比于?|比较例|由\s*$|从\s*$|\bfrom\s*$|conventional|traditional|previous"
    r"|compared (?:with|to)|baseline",
    re.IGNORECASE,
)
_CLAUSE_START = re.compile(r"[，,；;。（(]")
_DIFFERENCE = re.compile(
    "差|精度|波动|偏差|误差|温升|均匀|变化|公差|±|accuracy|deviation|difference|uniformity|rise",
    re.IGNORECASE,
)
_NEGATION = r"(?:无|没有|不留|未见|不出现|不存在|消除了?|零|no |without |zero |free of )"
_DOUBT = re.compile(
    r"(?:不能|难以|无法|不是|并非|未能|尚未|能否|是否|cannot|not)[^，。,;；]{0,6}$", re.IGNORECASE
)
_NOT_THE_THING = re.compile(
    r"\s*(?:检测|检验|控制|问题|风险|识别|要求|test|detect|control)", re.IGNORECASE
)


class Interval(NamedTuple):
    """What a requirement allows or a claim states, in the requirement's unit."""

    low: float
    high: float


def _interval(op: str, value: float, high: float | None) -> Interval:
    if op == "ge":
        return Interval(value, math.inf)
    if op == "le":
        return Interval(-math.inf, value)
    if op == "range" and high is not None:
        return Interval(min(value, high), max(value, high))
    return Interval(value, value)


class Judgement(NamedTuple):
    verdict: Verdict
    gap: float | None  # in the requirement's unit; None where nothing is missing
    percent: float | None  # of the bound that is missed; None where shares mean nothing


def judge(
    required: Indicator, op: str, value: float, high: float | None, *, hard: bool | None = None
) -> Judgement:
    """Compare a claim, given in the requirement's unit, with the requirement.

    A claim inside what is asked is met; one that overlaps it, or misses the bound by no more
    than the tolerance, is partly met; any other is unmet. "≥ 90" against "≥ 92" misses by 2:
    who could state more would.
    """
    hard = required.hard if hard is None else hard
    bound = float(required.value)
    upper = float(required.high) if required.high is not None else None
    asked = _interval(required.op, bound, upper)
    if required.op == "eq":
        slack = EQUAL_TOLERANCE * abs(bound)
        asked = Interval(bound - slack, bound + slack)
    claim = _interval(op, value, high)
    edge = 1e-9 * max(1.0, abs(bound))
    if claim.low >= asked.low - edge and claim.high <= asked.high + edge:
        return Judgement("met", None, None)
    # What falls short is the end that was stated; an end left open is no statement.
    below = asked.low - max(claim.low, -1e300) if math.isfinite(claim.low) else -math.inf
    above = min(claim.high, 1e300) - asked.high if math.isfinite(claim.high) else -math.inf
    if not math.isfinite(claim.low) and math.isfinite(asked.low):
        below = asked.low - claim.high  # "≤ 50" where at least 92 is asked
    if not math.isfinite(claim.high) and math.isfinite(asked.high):
        above = claim.low - asked.high
    missed, edge_of = max((below, asked.low), (above, asked.high))
    if missed <= 0:
        return Judgement("partly", None, None)  # an open end over what is asked
    gap = float(f"{missed:.6g}")
    by_share = edge_of and required.unit not in STEP_TOLERANCES
    percent = round(100 * missed / abs(edge_of), 1) if by_share else None
    both_ends = op == "range" and claim.low <= asked.high + edge and claim.high >= asked.low - edge
    if both_ends or _near(missed, edge_of, claim, required.unit, hard):
        return Judgement("partly", gap, percent)
    return Judgement("unmet", gap, percent)


def _near(missed: float, bound: float, claim: Interval, unit: str, hard: bool) -> bool:
    if steps := STEP_TOLERANCES.get(unit):
        return missed <= steps[not hard] * (1 + 1e-9)
    if not bound:
        return False  # nothing is near to "none at all"
    tolerance = HARD_TOLERANCE if hard else SOFT_TOLERANCE
    if missed > tolerance * abs(bound) * (1 + 1e-9):
        return False
    if unit == "%" and HIGH_PERCENT <= bound <= 100 and claim.low < bound:
        return 100 - claim.low <= REMAINDER_FACTOR * (100 - bound) * (1 + 1e-9)
    return True


class _Claim(NamedTuple):
    """What the achievement says to one requirement, and where."""

    judgement: Judgement
    stated: Row
    quote: str
    marks: Marks
    source: Row


def _stated(op: str, value: Decimal, high: Decimal | None, unit: str) -> Row:
    return {
        "op": op,
        "value": plain(value),
        "high": "" if high is None else plain(high),
        "unit": unit,
    }


_ONE_END = re.compile("(?P<low>下限|最低|minimum|lowest)|(?P<high>上限|最高|maximum|highest)", re.I)


# A bare number beside one of these may be a share of one or their own figure: 0.97, 97, 97 %.
_SHARES = {"%": Decimal(100), "‰": Decimal(1000)}


def _may_compare(unit: str, to: str) -> bool:
    """Say whether figures in two units can be judged; bare numbers and per cent often can."""
    return comparable(unit, to) or {unit, to} in ({"", "%"}, {"", "‰"})


def _judge_in_units(
    required: Indicator, op: str, value: Decimal, high: Decimal | None, unit: str
) -> Judgement | None:
    if not comparable(unit, required.unit):
        return _judge_bare(required, op, value, high, unit)
    difference = bool(_DIFFERENCE.search(required.name))
    if comparable(required.unit, "℃") and not difference:
        return _judge_temperature(required, op, value, high, unit)
    low = convert(value, unit, required.unit, difference=difference)
    top = convert(high, unit, required.unit, difference=difference) if high is not None else None
    if low is None or (high is not None and top is None):
        return None
    return _judge_end(required, op, low, top)


def _judge_temperature(
    required: Indicator, op: str, value: Decimal, high: Decimal | None, unit: str
) -> Judgement | None:
    """Judge temperatures in degrees Celsius, so that 300 ℃ and 573.15 K ask for the same.

    No share is told: 20 ℃ are not twice 10 ℃. The tolerances are shares of the Celsius figure.
    """

    def celsius(number: Decimal | None, written: str) -> Decimal | None:
        moved = None if number is None else convert(number, written, "℃")
        return None if moved is None else Decimal(repr(moved))

    bound, upper = celsius(required.value, required.unit), celsius(required.high, required.unit)
    low, top = celsius(value, unit), celsius(high, unit)
    if bound is None or low is None:
        return None
    asked = replace(required, value=bound, high=upper, unit="℃")
    found = _judge_end(asked, op, float(low), None if top is None else float(top))
    if found.gap is None:
        return found
    gap = convert(found.gap, "℃", required.unit, difference=True)
    return found._replace(gap=None if gap is None else float(f"{gap:.6g}"), percent=None)


def _judge_bare(
    required: Indicator, op: str, value: Decimal, high: Decimal | None, unit: str
) -> Judgement | None:
    """Judge a bare number against per cent, where it can be meant in one way only.

    Above 1 it is the figure before the sign (97 for 97 %). At most 1 it may be a share as well;
    then both readings are judged, and where they differ nothing is said.
    """
    sign = unit or required.unit
    bare = (required.value, required.high) if unit else (value, high)
    if sign not in _SHARES or not _may_compare(unit, required.unit):
        return None
    whole = any(abs(number) > 1 for number in bare if number is not None)
    found: list[Judgement] = []
    for factor in (Decimal(1),) if whole else (Decimal(1), _SHARES[sign]):
        first = bare[0] * factor
        second = None if bare[1] is None else bare[1] * factor
        if unit:
            asked = replace(required, value=first, high=second, unit=sign)
            top = None if high is None else float(high)
            found.append(_judge_end(asked, op, float(value), top))
        else:
            top = None if second is None else float(second)
            found.append(_judge_end(required, op, float(first), top))
    if len({one.verdict for one in found}) > 1:
        return None
    # By how much depends on the reading.
    return found[0] if whole else found[0]._replace(gap=None, percent=None)


def _judge_end(required: Indicator, op: str, low: float, top: float | None) -> Judgement:
    """Judge a claim; of a range, what is asked of a lower limit is answered by the lower end."""
    end = _ONE_END.search(required.name) if op == "range" and required.op != "range" else None
    if end and top is not None:
        return judge(required, "eq", low if end.lastgroup == "low" else top, None)
    return judge(required, op, low, top)


# 年产量 5 万吨, 日处理量, 每小时 120 件: the period stands in the name and belongs to the unit.
_PERIOD = re.compile(
    "(?:(?P<word>[年月日周时]|小时)(?:均|平均)?"
    "(?=产|处理|加工|生产|消耗|耗|用[电水气量]|排|运行费|检测|供|发电|节)"
    "|每(?:个)?(?P<each>年|月|天|日|周|小时|分钟|秒))"
)
_TIME_UNITS = {"时": "小时"}


def _per_period(unit: str, said: str) -> str:
    """Return a unit by the period that its name gives: 万件 of 年产量 are 万件/年."""
    periods = list(_PERIOD.finditer(said)) if unit and "/" not in unit else []
    if not periods:
        return unit
    word = periods[-1]["word"] or periods[-1]["each"]
    return normalize_unit(f"{unit}/{_TIME_UNITS.get(word, word)}") or unit


def _as_rate(required: Indicator) -> Indicator:
    """Return a requirement on 年产量 in 万件 as one on 产量 in 万件/年."""
    unit = _per_period(required.unit, required.name)
    period = _PERIOD.match(required.name)
    name = required.name[period.end() :] if period and unit != required.unit else required.name
    return replace(required, name=name or required.name, unit=unit)


def _row_unit(row: Indicator, required: Indicator) -> str:
    """Return the unit of a row, by the period of its name where a rate is asked for."""
    return row.unit if comparable(row.unit, required.unit) else _per_period(row.unit, row.name)


def _from_rows(required: Indicator, achievement: Side) -> _Claim | None:
    """Return the best-named of the achievement's own indicators that can be compared."""
    best: tuple[float, int] | None = None
    for number, row in enumerate(achievement.indicators):
        likeness = name_similarity(required.name, row.name)
        unit = _row_unit(row, required)
        if likeness < NAME_FLOOR or not _may_compare(unit, required.unit):
            continue
        if best is None or likeness > best[0]:
            best = (likeness, number)
    if best is None:
        return None
    row = achievement.indicators[best[1]]
    unit = _row_unit(row, required)
    judgement = _judge_in_units(required, row.op, row.value, row.high, unit)
    if judgement is None:
        return None
    if judgement.verdict == "met" and _other_conditions(required.name, row.name):
        judgement = Judgement("partly", None, None)
    return _row_claim(judgement, row, best[1] + 1)


def _row_claim(judgement: Judgement, row: Indicator, number: int) -> _Claim:
    figures = display(row)
    quote = f"{row.name} {figures}"
    return _Claim(
        judgement,
        _stated(row.op, row.value, row.high, row.unit),
        quote,
        [[len(quote) - len(figures), len(quote)]],
        {"kind": "indicators", "row": number},
    )


def _fitting(required: Indicator, passage: _Passage) -> list[Quantity]:
    """Return the figures of a sentence that can be compared, in the units that are meant.

    A bare number in a sentence may count anything, so it answers only where no unit is asked.
    """
    found = []
    for quantity in passage.quantities:
        unit = quantity.unit
        if unit == "°" and "度" in passage.text[quantity.start : quantity.end]:
            # people say 度 for degrees of heat and for kilowatt-hours as well
            unit = next((one for one in ("℃", "kWh") if comparable(one, required.unit)), unit)
        if unit and "/" in required.unit and not comparable(unit, required.unit):
            before = passage.folded[max(0, quantity.words - 16) : quantity.words]
            clause = [m.end() for m in _CLAUSE_START.finditer(before)]
            unit = _per_period(unit, before[clause[-1] if clause else 0 :])
        if _may_compare(unit, required.unit) and (unit or not required.unit):
            found.append(replace(quantity, unit=unit) if unit != quantity.unit else quantity)
    return found


def _from_texts(
    required: Indicator,
    passages: Sequence[_Passage],
    fitting_in: Callable[[Indicator, _Passage], list[Quantity]] = _fitting,
) -> _Claim | None:
    """Return the figure that stands nearest behind the indicator's name, in any sentence."""
    best: tuple[tuple[float, int, int], _Passage, _Mention, Quantity] | None = None
    one_end = _ONE_END.search(required.name)
    for order, passage in enumerate(passages):
        fitting = fitting_in(required, passage)
        if not fitting:
            continue
        # 工作温度下限 is found at 工作温度 −40～65 ℃; a wrong end is sorted out below
        mentions = _mentions(_ONE_END.sub("", required.name) or required.name, passage.folded)
        for mention in mentions:
            if not _speaks_of(required.name, passage.folded, mention):
                continue
            quantity = _belonging(required, passage, mention, fitting)
            if quantity is None:
                continue
            if one_end and not _of_end(one_end, passage, mention, quantity):
                continue
            distance = abs(quantity.start - mention.end)
            key = (-round(mention.coverage, 3), distance, order)
            if best is None or key < best[0]:
                best = (key, passage, mention, quantity)
    if best is None:
        return None
    _key, passage, mention, quantity = best
    judgement = (
        _judge_in_units(required, quantity.op, quantity.value, quantity.high, quantity.unit)
        if fitting_in is _fitting
        else _NOT_JUDGED
    )
    if judgement is None:
        return None
    start, end = min(mention.start, quantity.words), max(mention.end, quantity.end)
    spans = [(start, end)] if end - start <= 30 else [mention[:2], (quantity.words, quantity.end)]
    quote, marks = _quote(passage.text, spans)
    stated = _stated(quantity.op, quantity.value, quantity.high, quantity.unit)
    return _Claim(judgement, stated, quote, marks, passage.source)


def _of_end(end: re.Match[str], passage: _Passage, mention: _Mention, quantity: Quantity) -> bool:
    """Say whether a figure is of the end of a range that is asked about.

    A range has both ends, "at least" the lower one; any other figure must be called so.
    """
    low = end.lastgroup == "low"
    if quantity.op == "range" or quantity.op == ("ge" if low else "le"):
        return True
    around = passage.folded[max(0, mention.start - 4) : quantity.words]
    named = {match.lastgroup for match in _ONE_END.finditer(around)}
    return (end.lastgroup in named) and len(named) == 1


# --- Figures in units that cannot be converted --------------------------------------------------

_NOT_JUDGED = Judgement("unknown", None, None)
# Units of one sort of thing between which there is no fixed factor. Of a unit that is in none of
# these a figure behind the same name is taken for another thing.
_FAMILIES = (
    ("元", "USD", "EUR"),
    ("HRC", "HRB", "HRA", "HV", "HB", "HL", "HA", "HD"),
    ("dB", "dB(A)", "dBm", "dBi"),
    ("%", "mg/L", "mol/L", "%RH"),
    ("r/min", "Hz"),
)
# From here on the name of a row is the same, so that its unit is the only difference.
SAME_NAME = 0.8


@lru_cache(maxsize=4096)
def _family(unit: str) -> int | None:
    return next(
        (place for place, units in enumerate(_FAMILIES) if any(comparable(unit, u) for u in units)),
        None,
    )


def _kindred(required: Indicator, passage: _Passage) -> list[Quantity]:
    """Return figures of the sort that is asked for, in units that cannot be compared with it."""
    family = _family(required.unit) if required.unit else None
    return [
        quantity
        for quantity in passage.quantities
        if quantity.unit
        and not comparable(quantity.unit, required.unit)
        and (not required.unit or (family is not None and _family(quantity.unit) == family))
    ]


def _in_other_units(
    required: Indicator, achievement: Side, passages: Sequence[_Passage]
) -> _Claim | None:
    """Return what is stated to a requirement in a unit that has no fixed factor to the asked one.

    HV against HRC, US dollars against yuan, mg/L against ppm: quoted, never judged.
    """
    for number, row in enumerate(achievement.indicators, start=1):
        if name_similarity(required.name, row.name) >= SAME_NAME and row.unit != required.unit:
            return _row_claim(_NOT_JUDGED, row, number)
    return _from_texts(required, passages, _kindred)


def _belonging(
    required: Indicator, passage: _Passage, mention: _Mention, fitting: Sequence[Quantity]
) -> Quantity | None:
    """Return the figure that a mention is about: the nearest behind it, else right before it."""
    for quantity in fitting:
        if quantity.start < mention.end or quantity.words - mention.end > REACH:
            continue
        if not _is_level(required, passage.folded, quantity):
            continue
        between = _without_figures(passage, mention.end, quantity.words)
        if _claimed(required.name, between, mention):
            continue
        said = passage.folded[mention.start : mention.end] + between
        if not _same_sort(required.name, said + passage.folded[quantity.start : quantity.end]):
            continue
        # 清洗周期由 12 d 延长到 75 d: what the sentence names is a 周期, no 清洗时间
        heads = [_head(required.name), _head(_NAME_END.split(said)[0])]
        if heads[0] and heads[1] and heads[0].group() != heads[1].group():
            continue
        return quantity
    for quantity in reversed(fitting):  # "6 mm hardened depth", "0.41 mm 的圆度偏差"
        gap = passage.folded[quantity.end : mention.start]
        if not _same_sort(required.name, passage.folded[quantity.start : mention.end + 8]):
            continue
        if quantity.end > mention.start or len(gap) > 6 or _CLAUSE_START.search(gap):
            continue
        if not mention.from_start and mention.coverage < 0.7:
            continue
        before = passage.folded[max(0, quantity.words - 12) : quantity.words]
        # the figure may close what was said before it: "硬度 60 HRC 表面…"
        if _OWNER.search(before.rstrip(" :=为是约达")):
            continue
        if _is_level(required, passage.folded, quantity):
            return quantity
    return None


def _without_figures(passage: _Passage, start: int, end: int) -> str:
    """Return a part of a sentence, its figures blotted out: 在直径 3.2 m 的试件上."""
    text = passage.folded[start:end]
    for quantity in passage.quantities:
        if start <= quantity.start and quantity.end <= end:
            length = quantity.end - quantity.start
            at = quantity.start - start
            text = text[:at] + "\ufffc" * length + text[at + length :]
    return text


def _speaks_of(name: str, folded: str, mention: _Mention) -> bool:
    """Say whether a mention is of this indicator, and not of a neighbour with a like name."""
    if mention.coverage < NAME_FLOOR:
        return False
    if _opposed(name, folded[max(0, mention.start - 3) : mention.end + 2]):
        return False
    said = {piece.text for piece in _pieces(folded[mention.start : mention.end])}
    pieces = _pieces(_ONE_END.sub("", name) or name)  # which end it is of, `_of_end` asks
    specific = [p.text for p in pieces if p.weight in (1.0, 2.0)]
    if not specific and mention.coverage < 0.95:
        return False
    if specific and not any(text in said for text in specific):
        return False
    # 铝回收率 is not 氨回收率: the word before takes the place of the one that is missing.
    before = folded[mention.start - 1 : mention.start]
    return mention.from_start or not ("一" <= before <= "鿿") or before in _FUNCTION_CHARACTERS


_FUNCTION_CHARACTERS = frozenset("的后其下时为在达中该和与及均则且将使内上件")
# What may stand between a name and its figure without being another name.
_FILLER = re.compile(
    "经|检测|检验|实测|测试|测得|平均|最大|最小|最高|最低|可达|可|仅为?|均|已|稳定|保持|控制|结果"
    "|指标|分别|大约|不超过|一般|通常|目前|数据|显示|[为是约达在到值的 :=]"
)


def _claimed(name: str, between: str, mention: _Mention) -> bool:
    """Say whether the words between a name and a figure give the figure to something else."""
    owner = _OWNER.search(between.rstrip(" :=为是约达在"))
    if owner and owner.start() > 0 and owner.group() not in name:
        return True  # another figure's name, and not as part of ours
    last = re.split("[，,、；;]", between)
    own = {piece.text for piece in _pieces(name)}
    pieces = _pieces(_FILLER.sub("", last[-1]))
    rest = {piece.text for piece in pieces if piece.weight >= 1.0}
    shared = own & {piece.text for piece in pieces}
    if len(last) > 1 and (rest or "\ufffc" in between) and len(shared) < 2:
        return True  # "适用于各种幅宽，像素分辨 0.12 mm", "操作时间 48 h，−40 ℃"
    latin = {text for text in rest if text.isascii()}
    return mention.coverage < 0.99 and bool(latin) and not latin & own  # "氯化钠 TOC 14 ppm"


# A spread is no level: 掺量波动 is not answered by 掺量, nor 温差 by 温度.
_SPREAD = re.compile(
    "波动|误差|偏差|变形|温差|色差|衰减|变化|不均|变动|翘曲|漂移|公差|差值|差异|[度间长径]差|精度|差$"
    r"|(?<![\d℃])(?<![\d℃] )±"
    "|圆度|平面度|直线度|同轴度|垂直度|平行度|跳动|重复性"
    "|error|deviation|variation|drift|tolerance|accuracy|precision"
)


def _same_sort(name: str, said: str) -> bool:
    return bool(_SPREAD.search(fold(name).lower())) == bool(_SPREAD.search(said))


def _is_level(required: Indicator, folded: str, quantity: Quantity) -> bool:
    """Say whether a figure is a level this achievement reaches, no change and no state before."""
    before = folded[max(0, quantity.words - 24) : quantity.words]
    if _CHANGE.search(before) and not _CHANGE_IN_NAME.search(required.name):
        return False
    clause = [m.end() for m in _CLAUSE_START.finditer(before)]
    return not _BASELINE.search(before, clause[-1] if clause else 0)


def _from_absence(required: Indicator, passages: Sequence[_Passage]) -> _Claim | None:
    """Return "无软带" as an answer to a width of soft zones of 0 mm."""
    if required.op not in ("eq", "le") or (required.op == "eq" and required.value != 0):
        return None
    core = "".join(p.text for p in _pieces(required.name) if p.weight == 1.0)
    if len(core) < 2 or core not in fold(required.name).lower() or required.value < 0:
        return None
    pattern = re.compile(_NEGATION + re.escape(core))
    for passage in passages:
        for match in pattern.finditer(passage.folded):
            if _DOUBT.search(passage.folded, max(0, match.start() - 12), match.start()):
                continue
            if _NOT_THE_THING.match(passage.folded, match.end()):
                continue
            quote, marks = _quote(passage.text, [match.span()])
            stated = _stated("eq", Decimal(0), None, required.unit)
            return _Claim(Judgement("met", None, None), stated, quote, marks, passage.source)
    return None


def _quote(text: str, spans: Iterable[tuple[int, int]]) -> tuple[str, Marks]:
    """Return the sentence, or the part of it around the marks, and the marks inside it."""
    spans = sorted(spans)
    begin, end = 0, len(text)
    if end > MAX_QUOTE:
        first, last = spans[0][0], max(end for _, end in spans)
        room = max(0, MAX_QUOTE - (last - first))
        cuts = [0] + [m.end() for m in _CLAUSE_END.finditer(text)] + [len(text)]
        # from the first clause that starts within reach, to the last that ends there
        index = bisect_left(cuts, first - room // 2)
        begin = cuts[index] if index < len(cuts) and cuts[index] <= first else first
        end = min(len(text), max(last, begin + MAX_QUOTE))
        ends = [cut for cut in cuts if last <= cut <= end]
        end = ends[-1] if ends else end
    quote = text[begin:end]
    lead = len(quote) - len(quote.lstrip())
    quote = quote.strip()
    begin += lead
    return quote, _clip([(s - begin, e - begin) for s, e in spans], len(quote))


def _clip(spans: Iterable[tuple[int, int]], length: int) -> Marks:
    """Return spans inside a text of this length, in order, none touching another."""
    marks: Marks = []
    for start, end in sorted((max(0, s), min(length, e)) for s, e in spans):
        if start >= end:
            continue
        if marks and start <= marks[-1][1]:
            marks[-1][1] = max(marks[-1][1], end)
        else:
            marks.append([start, end])
    return marks


# --- The grid ---------------------------------------------------------------------------------


# The note of a row whose verdict is unknown although something is stated.
UNITS = "units"


def constraint_grid(demand: Side, achievement: Side, *, start: date | None = None) -> list[Row]:
    """Return what the demand asks for and what the achievement says to it, worst first.

    Only what the demand states makes a row. `start` is the day from which a stated duration
    counts; without it a duration is quoted and not judged.

    A row: kind, name (of an indicator, as its owner wrote it), requirement and stated (raw
    parts, `stated` None where nothing is), hard, verdict, quote with marks, source, gap;
    `quoted`, where the quote is from another field than what is stated; and a `note`, UNITS where
    something is stated that cannot be converted into what is asked.
    """
    passages = _passages(achievement.summary, achievement.body, achievement.texts)
    rows = [_indicator_row(required, achievement, passages) for required in demand.indicators]
    for row in (
        _trl_row(demand, achievement, passages),
        _budget_row(demand, achievement, passages),
        _modes_row(demand, achievement),
        _region_row(demand, achievement),
        _deadline_row(demand, passages, start),
        _exclusivity_row(demand, achievement),
        _ip_row(demand, achievement),
    ):
        if row is not None:
            rows.append(row)
    rows.sort(key=lambda row: (ORDER[row["verdict"]], not row["hard"]))  # stable: as asked
    return rows


class _Unread(Sequence[_Passage]):
    """An achievement's sentences, read when somebody asks for them."""

    def __init__(self, side: Side) -> None:
        self._side = side

    def _read(self) -> tuple[_Passage, ...]:
        return _passages(self._side.summary, self._side.body, self._side.texts)

    def __len__(self) -> int:
        return len(self._read())

    def __iter__(self) -> Iterator[_Passage]:
        return iter(self._read())

    def __getitem__(self, place: Any) -> Any:
        return self._read()[place]


def verdicts(demand: Side, achievement: Side) -> list[Row]:
    """Return the rows of `constraint_grid` that a score depends on, without their quotes.

    Texts are read only where no field answers: a tenth of the work.
    """
    passages = _Unread(achievement)
    rows = [_indicator_row(required, achievement, passages) for required in demand.indicators]
    stated: Sequence[_Passage] = passages if achievement.trl is None else ()
    for row in (
        _trl_row(demand, achievement, stated),
        _budget_row(demand, achievement, ()),
        _modes_row(demand, achievement),
    ):
        if row is not None:
            rows.append(row)
    rows.sort(key=lambda row: (ORDER[row["verdict"]], not row["hard"]))
    return rows


def _row(
    kind: str,
    requirement: Row,
    *,
    hard: bool,
    verdict: Verdict,
    name: str = "",
    stated: Row | None = None,
    quote: str = "",
    marks: Marks | None = None,
    source: Row | None = None,
    quoted: Row | None = None,
    gap: Row | None = None,
    note: str = "",
) -> Row:
    return {
        "kind": kind,
        "name": name,
        "requirement": requirement,
        "hard": hard,
        "verdict": verdict,
        "stated": stated,
        "quote": quote,
        "marks": marks or [],
        "source": source or {"kind": "none"},
        "quoted": quoted,
        "gap": gap,
        "note": note,
    }


def _gap(value: float, unit: str, percent: float | None) -> Row:
    # whole numbers as such: 800000 and not 800000.0
    shown = int(value) if float(value).is_integer() and abs(value) < 1e15 else value
    return {"value": shown, "unit": unit, "percent": percent}


def _indicator_row(required: Indicator, achievement: Side, passages: Sequence[_Passage]) -> Row:
    requirement = _stated(required.op, required.value, required.high, required.unit)
    unit = normalize_unit(required.unit)
    claim, note = None, ""
    if unit is not None:  # rows older than a change of the tables may hold what is unknown now
        required = _as_rate(required)
        claim = (
            _from_rows(required, achievement)
            or _from_texts(required, passages)
            or _from_absence(required, passages)
        )
        if claim is None and (claim := _in_other_units(required, achievement, passages)):
            note = UNITS
    if claim is None:
        return _row(
            "indicator", requirement, name=required.name, hard=required.hard, verdict="unknown"
        )
    missed, percent = claim.judgement.gap, claim.judgement.percent
    return _row(
        "indicator",
        requirement,
        name=required.name,
        hard=required.hard,
        verdict=claim.judgement.verdict,
        stated=claim.stated,
        quote=claim.quote,
        marks=claim.marks,
        source=claim.source,
        gap=None if missed is None else _gap(missed, required.unit, percent),
        note=note,
    )


_TRL = re.compile(
    r"(?:trl|技术成熟度|技术就绪度|成熟度)(?:等级)?\s{0,2}(?:为|达到?|处于|是|:|-|=|第)?\s{0,2}"
    r"([1-9])(?![0-9.])"
)
_STAGE = re.compile(
    r"(?:已完成|已经|已通过|已在|已实现|已有|完成了|通过了|建成|实现了|completed|passed"
    r"|demonstrated|in production)[^，。,;；]{0,16}?"
    r"(?:小试|中试|样机|试制|示范|应用|产业化|量产|规模化|工业化|投产|验证|试验线"
    r"|prototype|pilot|production|demonstration)[线验证应用运行]{0,4}"
)


# What an achievement needs before it is of use; money it needs in any case.
_STEPS = ("proof", "pilot")


def _trl_row(demand: Side, achievement: Side, passages: Sequence[_Passage]) -> Row | None:
    if demand.trl is None:
        return None
    level = achievement.trl
    source: Row = {"kind": "field", "field": "trl"}
    quoted: Row | None = None
    quote, marks = "", list[list[int]]()
    for pattern in (_TRL, _STAGE):
        found = next(
            ((p, m) for p in passages if (m := pattern.search(p.folded)) is not None), None
        )
        if found is None:
            continue
        passage, match = found
        if pattern is _TRL:
            said = int(match[1])
            if level is None:
                level, source = said, passage.source
            elif said != level:
                continue  # the field is the owner's word; a text may speak of a part or a plan
        elif level is None:
            continue
        quote, marks = _quote(passage.text, [match.span()])
        quoted = passage.source
        break
    # What it needs says how it gets there: a pilot line, a proof.
    needs = [need for need in achievement.needs if need in _STEPS]
    if level is None:
        return _row(
            "trl",
            {"trl": demand.trl},
            hard=True,
            verdict="unknown",
            stated={"needs": needs} if needs else None,
            source={"kind": "field", "field": "needs"} if needs else None,
        )
    short = demand.trl - level
    verdict: Verdict = "met" if short <= 0 else "partly" if short <= TRL_NEAR else "unmet"
    return _row(
        "trl",
        {"trl": demand.trl},
        hard=True,
        verdict=verdict,
        stated={"trl": level, "needs": needs} if needs else {"trl": level},
        quote=quote,
        marks=marks,
        source=source,
        quoted=quoted,
        gap=_gap(short, "TRL", None) if short > 0 else None,
    )


def _budget_row(demand: Side, achievement: Side, passages: Sequence[_Passage]) -> Row | None:
    """Compare the most that the demand pays with what is asked for. No ceiling, no row."""
    ceiling = demand.money_max
    if ceiling is None:
        return None
    requirement = {"money_min": demand.money_min, "money_max": ceiling}
    low, high = achievement.money_min, achievement.money_max
    if low is None and high is None:
        return _row("budget", requirement, hard=True, verdict="unknown")
    gap = None
    verdict: Verdict
    if high is not None and high <= ceiling:
        verdict = "met"
    elif low is None or low <= ceiling:
        verdict = "partly"  # "from 3 million": it may cost more than there is
        if high is not None and low is not None:
            gap = _money_gap(high - ceiling, ceiling)
    else:
        missed = low - ceiling
        verdict = "partly" if missed <= MONEY_TOLERANCE * ceiling else "unmet"
        gap = _money_gap(missed, ceiling)
    quote, marks, quoted = _money_quote(passages, {low, high} - {None})
    return _row(
        "budget",
        requirement,
        hard=True,
        verdict=verdict,
        stated={"money_min": low, "money_max": high},
        quote=quote,
        marks=marks,
        source={"kind": "field", "field": "money"},
        quoted=quoted,
        gap=gap,
    )


def _money_quote(
    passages: Sequence[_Passage], sums: set[int | None]
) -> tuple[str, Marks, Row | None]:
    """Return the sentence that names the very sum that stands in the price field."""
    for passage in passages:
        for quantity in passage.quantities:
            stated = {convert(quantity.value, quantity.unit, "元")}
            if quantity.high is not None:
                stated.add(convert(quantity.high, quantity.unit, "元"))
            if quantity.unit and stated & sums:
                return *_quote(passage.text, [(quantity.words, quantity.end)]), passage.source
    return "", [], None


def _money_gap(missed: int, ceiling: int) -> Row:
    return _gap(missed, "CNY", round(100 * missed / ceiling, 1) if ceiling > 0 else None)


def _modes_row(demand: Side, achievement: Side) -> Row | None:
    if not demand.modes:
        return None
    requirement = {"modes": list(demand.modes)}
    if not achievement.modes:
        return _row("modes", requirement, hard=True, verdict="unknown")
    common = [mode for mode in demand.modes if mode in achievement.modes]
    return _row(
        "modes",
        requirement,
        hard=True,
        verdict="met" if common else "unmet",
        stated={"modes": list(achievement.modes), "common": common},
        source={"kind": "field", "field": "modes"},
    )


def _region_row(demand: Side, achievement: Side) -> Row | None:
    """A neighbour is a help and a stranger no obstacle: never unmet, and never hard."""
    if not demand.region or not achievement.region:
        return None
    return _row(
        "region",
        {"region": demand.region},
        hard=False,
        verdict="met" if demand.region[:2] == achievement.region[:2] else "partly",
        stated={"region": achievement.region},
        source={"kind": "field", "field": "region"},
    )


# Not hours and minutes: those are how long the process takes, not the project.
_CALENDAR_UNITS = frozenset(
    ("天", "日", "d", "day", "周", "星期", "个星期", "week", "月", "个月", "month", "年", "year")
)
_DELIVERY = re.compile(
    "交付|交货|工期|开发周期|研发周期|实施周期|建设周期|项目周期|固化|调试|上线|投产|见效|研制"
    "|改造|定制|落地|实施|完成开发"
    "|deliver|lead time|implement|commission|install|development takes|roll-?out",
    re.IGNORECASE,
)
_NO_DELIVERY = re.compile(
    "质保|寿命|保质|有效期|运行|稳定|累计|经验|使用|回收期|保修|历时|以来|跟踪|随访|贮存|储存"
    "|warranty|lifetime|shelf|experience|payback",
    re.IGNORECASE,
)


def _deadline_row(demand: Side, passages: Sequence[_Passage], start: date | None) -> Row | None:
    if demand.deadline is None:
        return None
    for passage in passages:
        delivery = _DELIVERY.search(passage.folded)
        if delivery is None:
            continue
        for quantity in passage.quantities:
            if quantity.unit not in _CALENDAR_UNITS or quantity.op == "ge":
                continue
            days = convert(quantity.high or quantity.value, quantity.unit, "天")
            if days is None or not 1 <= days <= 3660:
                continue
            around = _clause(passage.folded, quantity.words, quantity.end)
            far = min(abs(quantity.start - delivery.end()), abs(delivery.start() - quantity.end))
            if far > REACH or _NO_DELIVERY.search(around):
                continue
            return _deadline_verdict(demand.deadline, days, passage, quantity, start)
    # How mature it is does not tell how long it takes.
    requirement = {"deadline": demand.deadline.isoformat()}
    return _row("deadline", requirement, hard=False, verdict="unknown")


# Rights that somebody has already.
_GRANTED = re.compile(
    "独占|独家|排他|已许可|已授权|许可给|许可予|授权给|质押|共有|exclusive|licen[sc]ed|pledged|co-?owned"
)
_NOT_GRANTED = re.compile(r"无|没有|未|不存在|\bno\b|\bnot\b|\bnone\b|without")


def _exclusivity_row(demand: Side, achievement: Side) -> Row | None:
    """Compare a wish to be the only user with what others hold, and with what is offered.

    A transfer leaves no other; a licence may be exclusive or not, and is asked about.
    """
    if demand.exclusivity not in ("field", "full"):
        return None
    requirement = {"exclusivity": demand.exclusivity}
    modes: Row = {"modes": list(achievement.modes)}
    for passage in _passages("", "", (("encumbrances", achievement.encumbrances),)):
        granted = _GRANTED.search(passage.folded)
        if granted is None or _NOT_GRANTED.search(passage.folded, 0, granted.end()):
            continue
        quote, marks = _quote(passage.text, [granted.span()])
        return _row(
            "exclusivity",
            requirement,
            hard=False,
            verdict="partly",
            quote=quote,
            marks=marks,
            source=passage.source,
        )
    return _row(
        "exclusivity",
        requirement,
        hard=False,
        verdict="met" if "transfer" in achievement.modes else "unknown",
        stated=modes if achievement.modes else None,
        source={"kind": "field", "field": "modes"} if achievement.modes else None,
    )


def _ip_row(demand: Side, achievement: Side) -> Row | None:
    """Compare who is to own the result with what is offered; mostly the contract decides."""
    wish = demand.ip_expectation
    if wish not in ("own", "shared", "licensed"):
        return None
    modes = achievement.modes
    verdict: Verdict = "unknown"
    if (wish == "own" and "transfer" in modes) or (wish == "licensed" and "license" in modes):
        verdict = "met"
    elif wish == "own" and modes == ("license",):
        verdict = "partly"  # a licence is for use, not for owning
    return _row(
        "ip",
        {"ip_expectation": wish},
        hard=False,
        verdict=verdict,
        stated={"modes": list(modes)} if modes else None,
        source={"kind": "field", "field": "modes"} if modes else None,
    )


def _clause(text: str, start: int, end: int, reach: int = 16) -> str:
    """Return the part of a clause around a place."""
    before, after = text[max(0, start - reach) : start], text[end : end + reach]
    cuts = [m.end() for m in _CLAUSE_START.finditer(before)]
    cut = _CLAUSE_START.search(after)
    return (
        before[cuts[-1] if cuts else 0 :] + text[start:end] + after[: cut.start() if cut else None]
    )


def _deadline_verdict(
    deadline: date, days: float, passage: _Passage, quantity: Quantity, start: date | None
) -> Row:
    quote, marks = _quote(passage.text, [(quantity.start, quantity.end)])
    stated: Row = {"days": round(days)}
    verdict: Verdict = "unknown"
    gap = None
    if start is not None:
        try:
            done = start + timedelta(days=round(days))
        except OverflowError:
            done = date.max
        late, allowed = (done - deadline).days, (deadline - start).days
        stated |= {"start": start.isoformat(), "finish": done.isoformat()}
        if late <= 0:
            verdict = "met"
        else:
            verdict = "partly" if late <= SOFT_TOLERANCE * max(allowed, 0) else "unmet"
            gap = _gap(late, "d", round(100 * late / allowed, 1) if allowed > 0 else None)
    return _row(
        "deadline",
        {"deadline": deadline.isoformat()},
        hard=False,
        verdict=verdict,
        stated=stated,
        quote=quote,
        marks=marks,
        source=passage.source,
        gap=gap,
    )


def tally(grid: Iterable[Row]) -> dict[str, int]:
    """Return how many rows have each verdict, in the order of the grid; all four are there."""
    counts = Counter(row["verdict"] for row in grid)
    return {verdict: counts[verdict] for verdict in ORDER}


def grid_score(grid: Sequence[Row]) -> float:
    """Return 0 to 1, a must counting twice. A grid without rows knows nothing: as "unknown"."""
    weights = [HARD_WEIGHT if row["hard"] else 1.0 for row in grid]
    if not weights:
        return SCORES["unknown"]
    points = [SCORES[row["verdict"]] for row in grid]
    return sum(w * p for w, p in zip(weights, points, strict=True)) / sum(weights)


def worst_gap(grid: Sequence[Row]) -> Row | None:
    """Return the row that stands most in the way, or None where nothing is missing."""
    missed = [row for row in grid if row["verdict"] in ("unmet", "partly")]
    return min(
        missed,
        key=lambda row: (ORDER[row["verdict"]], not row["hard"], -_percent(row)),
        default=None,
    )


def _percent(row: Row) -> float:
    gap = row["gap"] or {}
    return float(gap.get("percent") or 0.0)


# --- What would make it fit ---------------------------------------------------------------------

# The step that reaches each readiness level, by the levels as the form of a listing describes them.
# Those below 4 are for a proof of concept, that from 6 on for a pilot line (中试).
TRL_STEPS = {
    **dict.fromkeys((1, 2, 3), "proof"),
    **dict.fromkeys((4, 5), "laboratory"),
    6: "pilot",
    7: "field",
    8: "qualified",
    9: "series",
}


def advice(grid: Sequence[Row]) -> list[Row]:
    """Return what would make the pair fit, what matters most first: codes and figures, no prose.

    One row for each row of the grid that is not met and can be changed; another region cannot.
    A row: code, kind, `row` (its place in `grid`, which says how it is called, what it asks and
    which fields it rests on), hard, and the figures of its code:

    reach     by, unit, percent: an indicator falls short of (or exceeds) its bound
    confirm   a stated range or condition covers a part of what is asked
    restate   unit, stated: a figure in a unit that cannot be converted into `unit`
    mature    trl, target, steps (of TRL_STEPS): levels that are missing
    fund      short (yuan), percent: the price is above the most that the demand pays
    fix_price ceiling (yuan): the price has no upper end
    mode      asked, offered: no common mode of cooperation
    hurry     days, percent: it would be ready so much too late
    clear     rights that somebody has stand against an exclusive use
    own       asked, offered: who is to own it, and a licence only
    ask       nothing is stated

    What would add most to `grid_score` comes first, then what is missed by the larger share.
    """
    found: list[tuple[float, float, int, Row]] = []
    for place, row in enumerate(grid):
        if row["verdict"] == "met" or row["kind"] == "region":
            continue
        lost = (HARD_WEIGHT if row["hard"] else 1.0) * (1.0 - SCORES[row["verdict"]])
        entry = {"kind": row["kind"], "row": place, "hard": row["hard"], **_remedy(row)}
        found.append((-lost, -_percent(row), place, entry))
    return [entry for *_order, entry in sorted(found, key=lambda item: item[:3])]


def _remedy(row: Row) -> Row:
    """Return the code and the figures of what would settle one row of the grid."""
    stated, gap = row["stated"] or {}, row["gap"]
    asked = row["requirement"]
    if row["verdict"] == "unknown":
        if row.get("note") == UNITS:
            return {"code": "restate", "unit": asked["unit"], "stated": stated["unit"]}
        return {"code": "ask"}
    match row["kind"]:
        case "trl":
            level = int(stated["trl"])
            steps = dict.fromkeys(TRL_STEPS[to] for to in range(level + 1, int(asked["trl"]) + 1))
            return {"code": "mature", "trl": level, "target": asked["trl"], "steps": list(steps)}
        case "budget":
            if gap is None:
                return {"code": "fix_price", "ceiling": asked["money_max"]}
            return {"code": "fund", "short": gap["value"], "percent": gap["percent"]}
        case "modes":
            return {"code": "mode", "asked": asked["modes"], "offered": stated.get("modes", [])}
        case "deadline":
            return {"code": "hurry", "days": gap["value"], "percent": gap["percent"]}
        case "exclusivity":
            return {"code": "clear"}
        case "ip":
            offered = stated.get("modes", [])
            return {"code": "own", "asked": asked["ip_expectation"], "offered": offered}
    if gap is None:
        return {"code": "confirm"}
    return {"code": "reach", "by": gap["value"], "unit": gap["unit"], "percent": gap["percent"]}


# --- Words and sentences ----------------------------------------------------------------------


def _lower(text: str) -> str:
    """Lower-case a text, keeping every character in its place."""
    lowered = text.lower()
    if len(lowered) == len(text):
        return lowered
    return "".join(low if len(low := char.lower()) == 1 else char for char in text)


def _word_marks(sentence: str, terms: Iterable[str]) -> Marks:
    """Return where words stand in a sentence, those apart by a space or nothing as one."""
    low = _lower(fold(sentence))
    spans: list[tuple[int, int]] = []
    for term in terms:
        at = low.find(term)
        while at >= 0 and len(spans) < 200:
            if _whole(low, at, at + len(term)):
                spans.append((at, at + len(term)))
            at = low.find(term, at + len(term))
    marks = _clip(spans, len(sentence))
    joined: Marks = []
    for start, end in marks:
        if joined and sentence[joined[-1][1] : start].isspace():
            joined[-1][1] = end
        else:
            joined.append([start, end])
    return joined


def _telling(word: str) -> bool:
    """Say whether a word is worth a mark: no single character, no bare number."""
    return 2 <= len(word) <= MAX_KEYWORD and any(char.isalpha() for char in word)


def _own_sentences(side: Side, limit: int) -> list[tuple[str, str]]:
    """Return a listing's sentences, each once, with the first field that holds it.

    The title is one of them where there is hardly a text.
    """
    found: dict[str, str] = {}
    for field, text in (("summary", side.summary), ("body", side.body), *side.texts):
        for sentence in split_sentences(text, limit):
            if sum(map(str.isalnum, sentence)) >= 6:
                found.setdefault(sentence, field)
    if len(found) < 2:
        found = {**dict.fromkeys(split_sentences(side.title, 1), "title"), **found}
    return list(found.items())[:limit]


def sentence_pairs(
    demand: Side,
    achievement: Side,
    encode: Encode,
    words: Words,
    k: int = 3,
    *,
    floor: float = PAIR_FLOOR,
    limit: int = 40,
) -> list[Row]:
    """Return the k closest pairs of sentences, each sentence in one pair only.

    `encode` is called once with the sentences of both sides; `words` finds what is marked. A pair
    names the field of either sentence.
    Pairs under `floor`, a cosine, are left out: no evidence is better than a strained one.
    """
    ours, theirs = _own_sentences(demand, limit), _own_sentences(achievement, limit)
    if not ours or not theirs or k < 1:
        return []
    sentences = [sentence for sentence, _field in (*ours, *theirs)]
    vectors = np.asarray(encode(sentences), dtype=np.float64)
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        vectors = vectors / norms
    # A vector that is zero or broken is like nothing.
    vectors[~np.isfinite(vectors).all(axis=1)] = 0.0
    cosines = vectors[: len(ours)] @ vectors[len(ours) :].T
    pairs: list[Row] = []
    while len(pairs) < k:
        best = int(np.argmax(cosines))
        left, right = divmod(best, len(theirs))
        score = float(cosines[left, right])
        if not score >= floor or score <= 0:
            break
        cosines[left, :] = -1.0
        cosines[:, right] = -1.0
        pair = _pair(ours[left][0], theirs[right][0], score, words)
        pairs.append(pair | {"fields": {"demand": ours[left][1], "achievement": theirs[right][1]}})
    return pairs


def _pair(ours: str, theirs: str, score: float, words: Words) -> Row:
    shared = {word for word in words(ours) if _telling(word)} & set(words(theirs))
    ordered = sorted(map(_lower, shared), key=lambda word: (-len(word), word))
    return {
        "demand": ours,
        "achievement": theirs,
        "score": round(min(score, 1.0), 4),
        "demand_marks": _word_marks(ours, ordered),
        "achievement_marks": _word_marks(theirs, ordered),
    }


def term_weights(
    demand_words: Iterable[str],
    achievement_words: Iterable[str],
    weight: Callable[[str], float],
    k: int = 12,
) -> dict[str, float]:
    """Return the weights of the shared words among which `shared_terms` finds its k.

    They change with the corpus; kept with a match, its terms can be found again.
    """
    scored = _scored_terms(Counter(demand_words), Counter(achievement_words), weight)
    return {word: round(weight(word), 4) for _score, word in scored[: 4 * k]}


def _scored_terms(
    ours: Mapping[str, int], theirs: Mapping[str, int], weight: Callable[[str], float]
) -> list[tuple[float, str]]:
    """Return shared words with what they tell, the most telling first."""
    scored: list[tuple[float, str]] = []
    for word in ours.keys() & theirs.keys():
        value = round(weight(word), 4) if _telling(word) else 0.0
        if value > 0 and math.isfinite(value):
            scored.append((value * (1 + math.log(min(ours[word], theirs[word]))), word))
    return sorted(scored, key=lambda item: (-item[0], item[1]))


def shared_terms(
    demand_words: Iterable[str],
    achievement_words: Iterable[str],
    weight: Callable[[str], float],
    k: int = 12,
) -> list[str]:
    """Return the words both sides use, the most telling first.

    `weight` says how rare a word is. A word that is part of another one in the list is left
    out: 淬火 where 感应淬火 is shared.
    """
    scored = _scored_terms(Counter(demand_words), Counter(achievement_words), weight)
    candidates = [word for _, word in scored[: 4 * k]]
    kept = [w for w in candidates if not any(w != other and w in other for other in candidates)]
    return kept[:k]
