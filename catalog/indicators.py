"""Indicators: one technical requirement or result each, read from people, kept as JSON.

The same scanner finds quantities in a cell of a spreadsheet and in a listing's body, so that a
requirement and what answers it are read by one set of rules. Every expression here is bounded
or possessive: time grows with the length of the text, whatever stands in it.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any, Literal, cast

from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from catalog.units import COMMON_UNITS, UNIT_CHARACTERS, convert, normalize_unit

Op = Literal["ge", "le", "eq", "range"]

MAX_INDICATORS = 50
MAX_NAME = 100
MAX_CELL = 20_000  # characters of one cell with several indicators
MAX_ITEM = 400  # characters of one indicator as text
MAX_VALUE = Decimal(10) ** 15
MAX_PLACES = 12

OP_CHOICES = (("ge", "≥"), ("le", "≤"), ("eq", "="), ("range", _("range")))
SIGNS: dict[Op, str] = {"ge": "≥", "le": "≤", "eq": "=", "range": ""}
NBSP = "\N{NO-BREAK SPACE}"


@dataclass(frozen=True)
class Indicator:
    """One requirement or result. `high` is set for a range, and only there."""

    name: str
    op: Op
    value: Decimal
    high: Decimal | None = None
    unit: str = ""
    hard: bool = False

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "op": self.op,
            "value": plain(self.value),
            "high": "" if self.high is None else plain(self.high),
            "unit": self.unit,
            "hard": self.hard,
        }

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> "Indicator":
        """Read a stored row. Raises ValueError for what `clean_indicators` never wrote."""
        op, high = row.get("op"), row.get("high")
        value = read_number(row.get("value"))
        upper = read_number(high) if high not in (None, "") else None
        if op not in SIGNS or value is None or (op == "range") != (upper is not None):
            raise ValueError("This is no indicator.")
        name, unit = str(row.get("name", "")), str(row.get("unit", "") or "")
        return cls(name, cast(Op, op), value, upper, unit, bool(row.get("hard")))


def plain(number: Decimal) -> str:
    """Return the digits as they were written, never 1E+3."""
    return f"{number:f}"


def display(indicator: Indicator) -> str:
    """Return "≥ 6 mm" or "58–62 HRC", which no line break tears apart."""
    value = plain(indicator.value).replace("-", "−")
    if indicator.op == "range" and indicator.high is not None:
        parts = [f"{value}–{plain(indicator.high).replace('-', '−')}", indicator.unit]
    else:
        parts = [SIGNS[indicator.op], value, indicator.unit]
    return NBSP.join(part for part in parts if part)


# --- Text -----------------------------------------------------------------------------------

_FOLD = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)}
# Not the comma: "1，200" are two numbers in a Chinese list, "1,200" is one.
del _FOLD[0xFF0C]
_FOLD |= dict.fromkeys([*range(0x2000, 0x200B), 0xA0, 0x202F, 0x205F, 0x3000], ord(" "))
_FOLD |= dict.fromkeys([*range(9), 11, 12, *range(13, 32), *range(127, 160), 9], ord(" "))
_FOLD |= dict.fromkeys([*range(0x200B, 0x2010), *range(0x202A, 0x202F)], ord(" "))
_FOLD |= dict.fromkeys([*range(0x2060, 0x2070), 0xFEFF, 0x061C, 0xAD], ord(" "))
for _signs, _sign in (("−－﹣", "-"), ("～〜∼˜", "~"), ("≧⩾", "≥"), ("≦⩽", "≤"), ("µ", "μ")):
    _FOLD |= dict.fromkeys(map(ord, _signs), ord(_sign))


def fold(text: str) -> str:
    """Return the text with one form for each sign and space, every character in its place."""
    return text.translate(_FOLD)


# The Traditional characters that relations and units are written with. One for one, so that
# every character stays in its place; what a thing is called stays as it was written.
_PLAIN_HAN = str.maketrans(
    "於內間與範圍達過點億萬噸個輛臺電時鐘約為優長縮減應須從將標樣條張塊顆層級續萊錢週兩貳參陸"
    "納釐開爾溫導勝負攝華氏畝雙護種項頭棟據確實現儲產線傳輸單價轉環處載馬門歐單赫茲電伏焦壓強",
    "于内间与范围达过点亿万吨个辆台电时钟约为优长缩减应须从将标样条张块颗层级续莱钱周两二三六"
    "纳厘开尔温导胜负摄华氏亩双护种项头栋据确实现储产线传输单价转环处载马门欧单赫兹电伏焦压强",
)

# What holds digits and measures nothing: dates, years, standards, ratios, list numbers, phones.
_NO_QUANTITY = re.compile(
    r"""
    (?:19|20)\d\d\ ?[-/.年]\ ?\d{1,2}(?:\ ?[-/.月]\ ?\d{1,2})?+\ ?[月日号]?(?![\d.])
    | (?<!\d)(?:19|20)\d\d\ ?(?:[-~–至]\ ?(?:19|20)\d\d\ ?)?年(?!/)
    | (?:GB|ISO|ASTM|JB|HG|QB|YB|YY|IEC|EN|DIN|DB|TSG|NB|SY|CJ|JT|HJ)(?:/T|/Z)?\ ?\d[\d.-]{0,15}
    | 第\ ?(?:\d{1,4}|[一二三四五六七八九十百]{1,4})
    | (?<![\d.])\d{1,4}\ ?[:∶]\ ?\d{1,4}(?![\d.])
    | (?<!\d)1[3-9]\d{9}(?!\d)
    | (?:^|(?<=[\n。；;]))\ {0,4}[(（]?\d{1,2}(?:[、)）]|\.(?!\d))
    """,
    re.VERBOSE | re.MULTILINE,
)
_NUMBER = (
    r"(?:10(?:\^[-+]?\d{1,2}+|[⁰¹²³⁴⁵⁶⁷⁸⁹⁻]{1,3}+)"
    r"|(?:\d{1,3}(?:,\d{3})++(?!\d)|\d{1,15}+)(?:\.\d{1,12}+)?+(?!\d)"
    r"(?:[eE][-+]?\d{1,2}(?![A-Za-z\d])"
    r"| ?[x×*·] ?10(?:\^[-+]?\d{1,2}+|[-+]\d{1,2}+|[⁰¹²³⁴⁵⁶⁷⁸⁹⁻]{1,3}+))?+)"
)
# 三, 二十五, 九十九点五; 万 and 亿 belong to the unit, as in 3 万次. 半 is half of some units.
# Between figures they are figures: 三万五千 is one number, 一亿两千万 as well.
_BELOW_TEN_THOUSAND = (
    "(?:[零〇][一二两三四五六七八九十]|[一二两三四五六七八九][十百千])"
    "[零〇一二两三四五六七八九十百千]{0,6}+"
)
_HAN = (
    "(?:[一二两三四五六七八九十](?:[零〇一二两三四五六七八九十百千]{0,7}+)"
    f"(?:亿{_BELOW_TEN_THOUSAND}(?:万(?:{_BELOW_TEN_THOUSAND})?+)?+|万{_BELOW_TEN_THOUSAND})?+"
    "(?:点[零〇一二三四五六七八九]{1,4}+)?+|半(?=年|个月|小时|天))"
)
_WORDS = {
    word: Decimal(number)
    for number, word in enumerate(
        "two three four five six seven eight nine ten eleven twelve".split(),  # noqa: SIM905
        start=2,
    )
} | {
    "fifteen": Decimal(15),
    "twenty": Decimal(20),
    "thirty": Decimal(30),
    "forty": Decimal(40),
    "fifty": Decimal(50),
    "sixty": Decimal(60),
    "ninety": Decimal(90),
}
# 零下 45 ℃, 负 20 ℃, minus 20 °C.
_BELOW = r"(?:零下|负|\bminus) {0,2}"
# Behind a letter a number is part of a name: Q345, PM2.5, CO2, ABC-12.
_FIRST = re.compile(
    r"(?P<mark>(?-i:HRC|HRB|HRA|HBW|HV|HB|pH|CNY|RMB|USD|EUR)|人民币|[￥¥$€])? {0,2}"
    r"(?<![\d.])(?P<pm>(?:±|\+/-|正负|plus or minus) ?)?"
    rf"(?P<sign>(?<![A-Za-z0-9℃%°)])[-+]|{_BELOW})?(?P<number>{_NUMBER})"
    rf"|(?P<part>百分之|千分之|百?万分之) {{0,2}}(?P<share>{_NUMBER}|{_HAN})"
    rf"|(?P<below>{_BELOW})?(?<![一二两三四五六七八九十百千零〇])(?P<han>{_HAN})"
    rf"|\b(?P<word>{'|'.join(_WORDS)})\b(?=[ -][a-z])",
    re.IGNORECASE,
)
_LINK = re.compile(
    rf" {{0,2}}(?P<link>~|–|—{{1,2}}|-{{1,2}}|至|到"
    rf"|[与和及](?=[^，。；,;]{{1,24}}(?:之间|范围|区间))|to\b|and\b|±) {{0,2}}"
    rf"(?P<sign>[-+]|{_BELOW})?(?P<number>{_NUMBER}|{_HAN})"
)
# 3万5千吨, 3 万 500 件: what stands behind 万 belongs to the number.
_MORE = re.compile(r" ?万 ?(?:(?P<thousands>[1-9]) ?千|(?P<rest>\d{3,4})(?![\d.,]))")
_SUPERSCRIPT = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")
_UNIT_CHARACTERS = re.escape("".join(sorted(UNIT_CHARACTERS)))
_RUN = re.compile(
    rf" {{0,2}}[余多]?(?P<run>(?:(?:million|billion|thousand) )?(?:(?:square|cubic) )?"
    rf"[A-Za-zμΩΩÅ°℃℉%‰′″$￥¥㎜㎝㎞㎡㎥㎏㎎㎖㏕{_UNIT_CHARACTERS}(]"
    rf"[A-Za-z0-9μΩΩÅ°℃℉%‰′″²³⁰¹⁴⁵⁶⁻·⋅•*/^.()㎜㎝㎞㎡㎥㎏㎎㎖㏕{_UNIT_CHARACTERS}-]{{0,23}}"
    rf"(?: / ?[A-Za-z0-9{_UNIT_CHARACTERS}]{{1,12}}"
    r"| Celsius| points?| (?:square|cubic) [a-z]{3,12})?"
    rf"(?: per (?:(?:square|cubic) )?[A-Za-zμ]{{1,12}})?)"
)
# 5×10⁻⁶/K has no unit above the stroke.
_INVERSE = re.compile(r" {0,2}(?P<run>/ ?[A-Za-zμ℃°][A-Za-z℃0-9²³^·*]{0,11})")
_TIMES = re.compile(r" {0,2}[x×*] {0,2}\d")
_OVER = re.compile(r" ?/ ?\d")
_TIMED = re.compile(r"\d[^\d，。；,;/]{0,6}[x×*] {0,2}$|\d ?/ ?$")
_MINUS_POWER = re.compile(r"-(?![1-3](?![\d.]|\s?[A-Za-z℃%μ°]))")

_NOT = "不(?:得|能|应|可|宜|会)?"
_GE = (
    rf"≥|>=|=>|>|{_NOT}(?:低|小|少|短|弱)于|[不未]亚于|未低于|[大高多长]于(?:或?等于)?|超[过出]|突破|逾"
    "|至少为?|最少|最低为?|最小为?|(?:最[高大多长])?可?高?达到|(?:最[高大多长])?可[达到]到?|高达|(?<![雷马发])达"
    "|(?:提高|提升|提|增加|增长|增|上升|升|延长|扩大)[到至为]"
    r"|(?:no|not) (?:less|lower|smaller|fewer|shorter) than|not (?:below|under)|at least"
    r"|minimum(?: of)?|\bmin\.?|(?:more|greater|higher|larger|longer|better) than or equal to"
    r"|(?:more|greater|higher|larger|longer|thicker|heavier|wider|hotter|stronger|deeper) than"
    r"|in excess of|\bover|above|exceed(?:s|ing)?|reach(?:es|ing|ed)?"
    r"|(?:raised?|increas(?:e|es|ed|ing)|improv(?:e|es|ed|ing)|extend(?:ed)?) to"
    r"|as (?:high|long|much|many) as"
)
_LE = (
    rf"≤|<=|=<|<|{_NOT}(?:高|大|多|长)于|{_NOT}超[过出]?|未超[过出]|不[到足]|[小低少短]于(?:或?等于)?"
    "|至多为?|最多为?|最大为?|最高为?|最[低小少短]可[达至到]|(?:控制|保持|限制)[在到]"
    "|(?:降低|下降|降|减少|减小|减|缩短|缩小|压缩|压降)[到至为]"
    r"|(?:no|not) (?:more|greater|higher|larger|longer) than|not (?:above|over)|at most"
    r"|maximum(?: of)?|\bmax\.?|(?:less|lower|smaller|fewer|shorter) than or equal to"
    r"|(?:less|lower|smaller|fewer|shorter|thinner|lighter|cheaper|narrower|cooler) than"
    r"|below|\bunder|within|\bup to|\bdown to"
    r"|(?:not|never|cannot|must not) (?:to )?exceed(?:ing)?|as (?:low|little|short|small|few) as"
    r"|(?:reduc(?:e|es|ed|ing)|lower(?:s|ed|ing)?|cut|decreas(?:e|es|ed|ing)|shorten(?:ed)?) to"
)
_EQ = (
    r"=|≈|~|大约|约为?|等于|接近|近|仅为?|只有|about|approximately|approx\.?|around|nearly|almost"
    r"|roughly|only|equals?(?: to)?"
)
# The negated forms hold the plain ones ("不低于" holds "低于"), so all is one expression, and
# the match that starts first and ends at the number wins.
_BEFORE = re.compile(
    rf"(?:(?P<le>{_LE})|(?P<ge>{_GE})|(?P<better>[优好]于|better than)|(?P<eq>{_EQ})) {{0,2}}"
    "(?:了|约|about )?(?:为|到|of )?[:(]? {0,2}$",
    re.IGNORECASE,
)
# Better than 10 μm is less of these, and more of anything else.
_LESS_IS_BETTER = re.compile(
    "精度|误差|偏差|变形|粗糙|波动|漂移|噪声|不确定|分辨|抖动|accuracy|precision|error|deviation"
    "|roughness|noise|drift|uncertainty|resolution|repeatability",
    re.IGNORECASE,
)
_AFTER = re.compile(
    r" {0,2}(?:(?P<ge>(?:\(含\)|及其?|或|和)?以上|或更[高多长]|\+(?![\d ]{0,2}\d)|起(?![动升重])"
    r"|(?:or|and) (?:more|above|higher|greater|better|over|longer)|minimum\b|at (?:a )?minimum)"
    r"|(?P<le>(?:\(含\)|及其?|或|和)?以下|以内|之内|或更[低少短]|内(?![部径外壁腔表])"
    r"|(?:or|and) (?:less|below|lower|under|fewer|shorter)|maximum\b|at (?:the )?most\b)"
    r"|(?P<eq>左右|上下))",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Quantity:
    """A number with its unit, found in a text at [start, end)."""

    start: int
    end: int
    op: Op
    value: Decimal
    high: Decimal | None
    unit: str
    said: bool  # the relation was written, not assumed
    words: int  # where the words of the relation start; `start` if there are none


_PLAIN_NUMBER = re.compile(
    r"[-+]?(?:[0-9]{1,20}(?:\.[0-9]{0,20})?|\.[0-9]{1,20})(?:[eE][-+]?[0-9]{1,2})?"
)


def read_number(value: object) -> Decimal | None:
    """Return a finite number of sane size from what a form, JSON or a cell gave, or None."""
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
        return None
    text = fold(str(value)[:60]).strip()
    if re.fullmatch(r"[-+]?\d{1,3}(?:,\d{3})+(?:\.\d+)?", text):
        text = text.replace(",", "")
    if not _PLAIN_NUMBER.fullmatch(text):
        return None
    try:
        return _sane(Decimal(text))
    except InvalidOperation:
        return None


def _sane(number: Decimal) -> Decimal | None:
    if not number.is_finite() or abs(number) > MAX_VALUE:
        return None
    exponent = cast(int, number.as_tuple().exponent)
    if exponent < -MAX_PLACES:
        return None
    return Decimal(0) if number == 0 else number  # no -0, no 0E+5


def _decimal(text: str, sign: str | None) -> Decimal | None:
    """Read what `_NUMBER` matched: 1,200 and 1.2×10⁵ and 10^6."""
    text = re.sub(r" ?[x×*·] ?10", "@", text.replace(",", ""))
    if text.startswith("10") and len(text) > 2 and text[2] in "^⁰¹²³⁴⁵⁶⁷⁸⁹⁻":
        text = "1@" + text[2:]
    mantissa, _at, power = text.partition("@")
    power = power.lstrip("^").translate(_SUPERSCRIPT)
    try:
        number = Decimal(f"{mantissa}e{power}" if power else mantissa)
    except InvalidOperation:
        return None
    return _sane(-number if sign and sign != "+" else number)


@lru_cache(maxsize=4096)
def _longest_unit(run: str) -> tuple[str, int]:
    """Return the unit a run of characters starts with, and how long it is."""
    if minus := _MINUS_POWER.search(run):
        run = run[: minus.start()]
    for length in range(len(run), 0, -1):
        head = run[:length]
        if head[-1] in "/·⋅•*^.( -" or (head[0] == "(" and length < 4):
            continue
        behind = run[length : length + 1]
        if behind and behind.isascii() and behind.isalnum() and head[-1].isascii():
            # "min" is not "m" and "in"; "316Lx" has no unit
            if head[-1].isalpha() and behind.isalpha():
                continue
            if head[-1].isdigit() and behind.isdigit():
                continue
        if head[0] == "(":
            continue
        unit = normalize_unit(head)
        if unit:
            return unit, length
    return "", 0


def _unit_at(text: str, at: int) -> tuple[str, int]:
    match = _RUN.match(text, at)
    if match is None:
        inverse = _INVERSE.match(text, at)
        unit = normalize_unit(f"1{inverse['run']}") if inverse else None
        return (unit, inverse.end()) if unit and inverse else ("", at)
    unit, length = _longest_unit(match["run"])
    start = match.start("run")
    end = start + length
    if not unit or (
        text[end - 1].isascii() and text[end - 1].isalpha() and _latin(text[end : end + 1])
    ):
        return "", at
    return unit, end


def _latin(char: str) -> bool:
    return char.isascii() and char.isalpha()


# Where none of these stands there is no quantity: most sentences.
_ANY_NUMBER = re.compile(rf"[\d一二两三四五六七八九十半]|{'|'.join(_WORDS)}", re.IGNORECASE)


def find_quantities(text: str, limit: int = 200) -> list[Quantity]:
    """Return the quantities of a text in order, with places in the text as it was given."""
    text = fold(text).translate(_PLAIN_HAN)
    if not _ANY_NUMBER.search(text):
        return []
    text = _NO_QUANTITY.sub(lambda m: "\ufffc" * len(m.group()), text)
    found: list[Quantity] = []
    at = 0
    while len(found) < limit and (match := _FIRST.search(text, at)):
        at = match.end()
        quantity = _quantity(text, match)
        if quantity is not None:
            found.append(quantity)
            at = max(at, quantity.end)
    return found


# Signs that stand before a number and are its unit, with what they are called.
_MARKS = {"￥": "元", "¥": "元", "人民币": "元", "RMB": "CNY", "$": "USD", "€": "EUR", "HBW": "HB"}
_SCALES_ALONE = frozenset({"", "万", "亿", "million ", "billion ", "thousand "})
_HAN_DIGITS = {char: digit for digit, char in enumerate("〇一二三四五六七八九")}
_HAN_DIGITS |= {"零": 0, "两": 2}
_HAN_POWERS = {"十": 10, "百": 100, "千": 1000}
# Units that Chinese figures stand before in earnest; 一次性, 三元 and 六安 are words.
_HAN_UNITS = re.compile(
    "[万亿倍]|年|个月|天|周|小时|分钟|秒|(?:[微毫厘分千]|平方|立方)?米|公里|公斤|千克|吨|℃|摄氏度|%"
)
_HAN_COUNTS = frozenset("个次种项件类台条家名位组批点")
_TENTHS = re.compile("成(?![本功分果套型员立为品熟像就长都份交])")
_PARTS: dict[str, tuple[str, Decimal]] = {
    "百分之": ("%", Decimal(1)),
    "千分之": ("‰", Decimal(1)),
    "万分之": ("%", Decimal("0.01")),
    "百万分之": ("ppm", Decimal(1)),
}


def _read_han(text: str) -> Decimal | None:
    """Read 二十五, 三万五千 and 九十九点五. None where digits stand side by side, as in 一二."""
    if text == "半":
        return Decimal("0.5")
    for sign, scale in (("亿", 10**8), ("万", 10**4)):
        if sign in text:
            above, _sign, below = text.partition(sign)
            below = below.lstrip("零〇")
            parts = _read_han(above), _read_han(below) if below else Decimal(0)
            return None if parts[0] is None or parts[1] is None else parts[0] * scale + parts[1]
    whole, _point, decimals = text.partition("点")
    total, digit, last = 0, None, 10_000
    for char in whole:
        if char in _HAN_DIGITS:
            if digit:
                return None
            digit = _HAN_DIGITS[char]
        else:
            power = _HAN_POWERS[char]
            if power >= last:
                return None
            total += (1 if digit is None else digit) * power
            digit, last = None, power
    places = "".join(str(_HAN_DIGITS[char]) for char in decimals)
    return Decimal(f"{total + (digit or 0)}.{places}")


def _timed(text: str, start: int) -> bool:
    return _TIMED.search(text, max(0, start - 12), start) is not None


def _value(text: str, sign: str | None) -> Decimal | None:
    if text[0].isascii():
        return _decimal(text, sign)
    value = _read_han(text)
    return -value if value is not None and sign and sign != "+" else value


def _changes(text: str, start: int) -> bool:
    """Say whether "from 62 % to 85 %" at `start` is a change and not a range."""
    before = text[max(0, start - 60) : start]
    return bool(_FROM.search(before) and _CHANGE.search(before))


_FROM = re.compile(r"\bfrom(?: about| around| approximately)? {0,2}$", re.IGNORECASE)
_CHANGE = re.compile(
    r"\b(?:rais|increas|improv|grow|grew|rose|rise|rising|lift|boost|enhanc|extend|reduc|lower|decreas"
    r"|cut|drop|fall|fell|shorten|bring|brought|going?|went|up|down)",
    re.IGNORECASE,
)


def _quantity(text: str, match: re.Match[str]) -> Quantity | None:
    if match["number"] is None:
        return _han_quantity(text, match)
    mark = match["mark"] or ""
    after_letter = mark == "pH"  # the one name that may stick to its number
    if after_letter:
        mark = ""
    start = match.start() if mark else match.start("pm" if match["pm"] else "number")
    if match["sign"] and not mark and not match["pm"]:
        start = match.start("sign")
    if (
        not mark
        and not after_letter
        and start
        and (_latin(text[start - 1]) or text[start - 1] in "_#")
    ):
        return None
    if mark and match.start() and _latin(text[match.start() - 1]):
        return None
    value = _decimal(match["number"], match["sign"])
    if value is None:
        return None
    if (more := _MORE.match(text, match.end())) and value == int(value):
        value = abs(value) * 10_000 + int(more["rest"] or 0) + 1000 * int(more["thousands"] or 0)
        unit, end = _unit_at(text, more.end())
        return _related(text, start, value, unit, end, pm=bool(match["pm"]))
    unit, end = _unit_at(text, match.end())
    if _TIMES.match(text, end) or _OVER.match(text, match.end()) or _timed(text, start):
        return None  # 100 × 50 mm, 30/30 μm: no one number
    if not unit and (tenths := _TENTHS.match(text, end)):
        value, unit, end = value * 10, "%", tenths.end()
    if mark and unit in _SCALES_ALONE:
        sign = _MARKS.get(mark, mark)
        sign = "CNY" if unit.endswith(" ") and sign == "元" else sign
        unit = normalize_unit(f"{unit}{sign}") or sign
    return _related(text, start, value, unit, end, pm=bool(match["pm"]), marked=bool(mark))


def _han_quantity(text: str, match: re.Match[str]) -> Quantity | None:
    """Return 三万次, 百分之九十 or 九成 as a quantity. Most of what looks like it is just words."""
    if match["part"]:
        unit, scale = _PARTS[match["part"]]
        value = _value(match["share"], None)
        if value is None:
            return None
        return _related(text, match.start(), value * scale, unit, match.end())
    start, end, written = match.start(), match.end(), match["han"] or match["word"]
    value = _WORDS.get(written.lower()) or _read_han(written)
    if value is None:
        return None
    if match["below"]:
        value = -value
    if tenths := _TENTHS.match(text, end):
        found = _related(text, start, value * 10, "%", tenths.end())
        sure = found.said or not text[found.end : found.end + 1].isalnum()
        return found if sure else None
    unit, unit_end = _unit_at(text, end)
    if unit and text[unit_end : unit_end + 1] == "半":
        value, unit_end = value + Decimal("0.5"), unit_end + 1
    if not unit and not _LINK.match(text, unit_end):
        return None
    found = _related(text, start, value, unit, unit_end)
    if not found.unit:
        return None
    vague = not found.said or found.unit in _HAN_COUNTS
    if written == "一" and found.high is None and found.unit != "倍" and vague:
        return None  # 一个新高度, 一年四季
    measures = _HAN_UNITS.match(text, end) is not None or found.high is not None
    # 零下四十度, 一亿两千万元: no word looks like that
    measures = measures or (match["below"] is not None and found.unit == "°")
    measures = measures or "万" in written or "亿" in written
    return found if found.said or measures else None


def _related(
    text: str,
    start: int,
    value: Decimal,
    unit: str,
    end: int,
    *,
    pm: bool = False,
    marked: bool = False,
) -> Quantity:
    """Return the number with the words around it: a range's other end, the relation."""
    high: Decimal | None = None
    op: Op = "eq"
    said = False
    if pm:
        # "±0.05 mm" allows a deviation of so much
        op, said = "le", True
    elif link := _LINK.match(text, end):
        second = _value(link["number"], link["sign"])
        far, far_end = _unit_at(text, link.end())
        if not far and (tenths := _TENTHS.match(text, link.end())) and unit in ("", "%"):
            # 八到九成
            value = value if unit else value * 10
            second = None if second is None else second * 10
            far, far_end = "%", tenths.end()
        if second is not None and link["link"] == "to" and _changes(text, start):
            op = "ge" if second > value else "le"
            words = start - len("from ") if text[start - 5 : start].lower() == "from " else start
            after = _AFTER.match(text, far_end)
            ends = after.end() if after else far_end
            return Quantity(link.end("link"), ends, op, second, None, far or unit, True, words)
        low = value
        if second is not None and unit and far and unit != far and not marked:
            moved = convert(value, unit, far)
            low = Decimal(str(moved)) if moved is not None else value
            second = second if moved is not None else None
        if second is not None and (far or not unit or link["link"] != "and"):
            if link["link"] == "±":
                low, second = low - second, low + second
            value, high = min(low, second), max(low, second)
            op, unit, end = "range", far or unit, far_end if far else link.end()
    words = start
    before = _BEFORE.search(text, max(0, start - 32), start)
    after = _AFTER.match(text, end)
    if before:
        words = before.start()
    if op != "range":
        for side in (before, after):
            if side and not said:
                said = side.lastgroup != "eq"
                if side.lastgroup == "better":
                    op = "le" if _LESS_IS_BETTER.search(text, max(0, words - 24), words) else "ge"
                else:
                    op = cast(Op, side.lastgroup)
        if after:
            end = after.end()
    return Quantity(start, end, op, value, high, unit, said or high is not None, words)


# --- One cell -------------------------------------------------------------------------------

_HARDNESS = re.compile(
    r"[(\[【] {0,2}(?:(?P<hard>硬(?:性|指标)?|必须|必备|hard|must(?: have)?|required)"
    r"|(?P<soft>软(?:性|指标)?|可选|最好|soft|nice to have|optional|preferred)) {0,2}[)\]】]",
    re.IGNORECASE,
)
_BULLET = re.compile(r"^(?:[\s•·●◆■*-]|[①-⑳]|[(（]?\d{1,2}(?:[、)）]|\.(?!\d)))+")
_LINKING = re.compile(
    r"(?:[\s:,，、=(\[|ΦφØ]|要求|应当?|须|必须|需要?|(?<!平)均|都|为|是|的|在|介于|保持|控制|处于|了|要|能够|可以?"
    r"|(?<![产功性效节储])能|仅"
    r"|\b(?:of|is|are|be|being|was|were|should|must|shall|will|can|may|to|at|for|from|between"
    r"|ranging|ranges|ranged|with|a|an|the|has|have|having|not|by|stays?"
    r"|kept|keep|remains?|stand(?:s|ing)?|in the range)\b)++$",
    re.IGNORECASE,
)
# "转化率由 62% 提高到 …": where it started from is no part of the name.
_BASELINE = re.compile(
    r"[\s,，]*(?:[由从自][^，,。；;\d]{0,8}|\bfrom (?:about |around )?)"
    r"[-+±]?\s?[\d.,]{1,16}[^，,。；;]{0,16}$"
)
_LEADING = re.compile(
    r"^(?:[\s,，、]|(?:且|并且|并(?![发联网行])|同时|其中|以及|另外|此外|而且|但|则|即(?!时)|将|把|使得|使(?!用)|让"
    r"|要求|希望|期望(?!值)|需要|需(?!求)|须|要(?!素)|应(?![用变力答急])|做到|实现|达到|满足(?![率度])|确保"
    r"|保证(?![期率金])|力争|争取)(?=[^\s,，、])"
    r"|(?:with|and|or|but|while|where|that|which|so|has|have|having|offers?|achieves?|delivers?|provides?"
    r"|requires?|needs?|our|its|their|this|these|a|an|the|we (?:need|want|require)|looking for|to"
    r"|ensure|maintain(?:ing|s)?|it|raise|raising|increase(?= )|increasing|improve|improving|reduce"
    r"|reducing|decrease(?= )|decreasing|shorten(?:ing)?|keep(?:ing|s)?|bring(?:ing)?"
    r"|(?:cut|lower|boost|lift)(?:ting|ing)?(?= (?:the|its|our|their)\b))\b)++",
    re.IGNORECASE,
)
# Verbs that are nobody's name: what is meant stands behind the number.
_VERBS_ALONE = re.compile(
    r"(?:能够?|可以?|需要?)?(?:支持|具备|拥有|提供|配备|容纳|处理|承受|耐受?|实现|达到|满足)|能|可|约|共|总计"
    r"|supports?|handles?|contains?|holds?|uses?|offers?",
    re.IGNORECASE,
)
_ENDURES = re.compile(
    r"\b(?:withstand|survive|resist|endure|sustain|last|handle|process|produce|treat|deliver)s?$",
    re.IGNORECASE,
)
_OF_BEHIND = re.compile(r" {0,2}of ([A-Za-z][^,，。;；.(（]{1,60})")
_UP_OR_DOWN = {
    **dict.fromkeys(("reduc", "cut", "lower", "decreas", "shorten"), "reduction"),
    **dict.fromkeys(("fall", "fell", "drop", "declin"), "reduction"),
    **dict.fromkeys(("increas", "rais", "boost", "rise", "rose", "grow", "grew"), "increase"),
    "improv": "improvement",
}
_MOVES = "|".join(_UP_OR_DOWN)
_ENDING = "(?:e|es|ed|s|ing|ting|ping|ped|n)?"
_BEING = "(?: (?:is|are|was|were|be|been|has been|have been|can|must|should|shall|will|to)){0,3}"
# "reduce energy use by 30 %", "energy use is reduced by 30 %": the reduction is 30 %.
_MOVED = re.compile(
    rf"^(?:[^,]{{0,80}}\b)?(?P<verb>{_MOVES}){_ENDING} (?P<what>[^,]{{2,60}}) by$"
    rf"|^(?P<what2>[^,]{{2,60}}?){_BEING} (?P<verb2>{_MOVES}){_ENDING} by$",
    re.IGNORECASE,
)
# "the cycle time was cut from 90 s to 45 s"
_MOVING = re.compile(rf"{_BEING} (?:{_MOVES}|go|went){_ENDING}$", re.IGNORECASE)
# "raise the hit rate to 95 %", "降低成本至 15 元"
_TARGET = re.compile(
    rf"^(?:[^,]{{0,80}}\b)?(?P<verb>{_MOVES}){_ENDING} (?:the |its |our |their )?"
    r"(?P<what>[^,]{2,60}) to$"
    r"|(?:(?P<more>提高|提升|增加|增强|延长|扩大)|(?:降低|减少|减小|缩短|压缩))"
    r"(?P<thing>[^，,、；;\d]{2,20}?)[到至为]$",
    re.IGNORECASE,
)
_EXTREME = re.compile(
    r"^(?P<side>max(?:imum|\.)?|min(?:imum|\.)?) (?P<what>[A-Za-z].*)$", re.IGNORECASE
)
_A_MAXIMUM = re.compile(r"\b(?:a|the) max[a-z.]* .{1,60}\bof {0,2}$", re.IGNORECASE)
_LIMIT_BEHIND = re.compile(
    r" ?[(\[] ?(?:(?P<ge>min\.?|minimum|最低|最小|下限)|max\.?|maximum|最高|最大|上限) ?[)\]]$",
    re.IGNORECASE,
)
_BRACKETED_UNIT = re.compile(
    r"(?:[(\[] {0,2}((?:[^()\[\]]|\([^()]{1,12}\)){1,24}?) {0,2}[)\]]"
    r"|[(\[/] {0,2}([^()\[\]]{1,20}?) {0,2})$"
)
_NAME_BEHIND = re.compile(
    r"[\s的]*(?:by (?:weight|volume|mass) )?(?:(?:of|in|for) )?([^,，。;；(（]{1,100})"
)
_EACH = re.compile("(?:平均)?每(?:个)?(小时|分钟|秒|天|日|周|月|年)$")
_HEAT = re.compile("[温热冷凝沸熔冰融]")
_POWER_USE = re.compile("电|能耗|耗能|用能")


def _items(text: str) -> Iterator[str]:
    for item in re.split(r"[;；\r\n]", text):
        if item.strip():
            yield item.strip()


def parse_indicator(text: str) -> Indicator | None:
    """Read "圆度变形 ≤ 0.35 mm（硬）" and its many cousins, or return None.

    Where no relation is written it is "="; without （硬） it is a wish, for a word forgotten must
    not rule anybody out.
    """
    if not 0 < len(text) <= MAX_ITEM:
        return None
    flat = fold(text)
    hard = False
    if mark := _HARDNESS.search(flat):
        hard = mark.lastgroup == "hard"
        flat = flat[: mark.start()] + " " * len(mark.group()) + flat[mark.end() :]
    quantities = find_quantities(flat)
    outside = [q for q in quantities if flat.count("(", 0, q.start) <= flat.count(")", 0, q.start)]
    for wanted in (outside, quantities):
        # what was said counts more than a number in passing; the last, as names come first
        for quantity in sorted(wanted, key=lambda q: (q.said, q.start), reverse=True):
            if indicator := name_quantity(
                flat, quantity, hard, _behind_others(flat, quantity, quantities)
            ):
                return indicator
    return None


def _behind_others(text: str, quantity: Quantity, others: Sequence[Quantity]) -> int:
    """Return where the clause of a quantity starts, if clauses before it state others."""
    before = [other.end for other in others if other.end <= quantity.words]
    if not before:
        return 0
    return max(text.rfind(sign, before[-1], quantity.words) for sign in "，,；;、") + 1


def name_quantity(text: str, quantity: Quantity, hard: bool, begin: int = 0) -> Indicator | None:
    """Return the quantity as an indicator: what stands before it names it, or else behind it.

    The name does not start before `begin`.
    """
    plain_text = text.translate(_PLAIN_HAN)
    said = plain_text[: quantity.words]
    kept = _without_links(said)
    unit, op = quantity.unit, quantity.op
    if baseline := _BASELINE.search(kept):
        kept = _without_links(kept[: baseline.start()])
    from_here = plain_text[quantity.words : quantity.words + 5].lower() == "from "
    if (baseline or from_here) and (moving := _MOVING.search(kept)):
        kept = kept[: moving.start()]
    if each := _EACH.search(kept):
        # "处理能力为每小时 200 吨"
        rate = normalize_unit(f"{unit}/{each[1]}") if unit else None
        if rate:
            unit, kept = rate, _without_links(kept[: each.start()])
    name = text[begin : len(kept)]
    if not unit:
        bracket = _BRACKETED_UNIT.search(text[begin : quantity.words].rstrip(" :,="))
        inside = normalize_unit(bracket[1] or bracket[2]) if bracket else None
        if bracket and inside:
            unit, name = inside, text[begin : begin + bracket.start()]
    name = _BULLET.sub("", name)
    name = tidy_name(_LEADING.sub("", name)) or tidy_name(name)
    if (moved := _MOVED.match(said[begin:].strip())) and op != "range":
        what = tidy_name(_LEADING.sub("", moved["what"] or moved["what2"]))
        name = f"{what} {_UP_OR_DOWN[(moved['verb'] or moved['verb2']).lower()]}"
    elif op == "eq" and (target := _TARGET.search(said[begin:].strip())):
        verb = _UP_OR_DOWN.get((target["verb"] or "").lower(), "")
        op = "le" if verb == "reduction" or not (verb or target["more"]) else "ge"
        name = tidy_name(target["what"] or target["thing"])
    elif op == "eq" and (limit := _LIMIT_BEHIND.search(name)):
        op, name = ("ge" if limit["ge"] else "le"), name[: limit.start()]
    elif op == "eq" and (extreme := _EXTREME.match(name)):
        # "a maximum weight of 25 kg"; "maximum load: 20 t" is what it can bear, and no bound
        least = extreme["side"][:3].lower() == "min"
        if least or _A_MAXIMUM.search(said):
            op, name = ("ge" if least else "le"), extreme["what"]
    of_what = _OF_BEHIND.match(text, quantity.end)
    if of_what and (_ENDURES.search(name) or not name):
        name = tidy_name(of_what[1])
    elif not name or _VERBS_ALONE.fullmatch(name):
        behind = _NAME_BEHIND.match(text, quantity.end)
        found = tidy_name(_without_links(behind[1])) if behind else ""
        name = found or name or tidy_name(text[begin : quantity.words])
    if not name or len(name) > MAX_NAME or not any(char.isalpha() for char in name):
        return None
    if unit == "°" and "度" in text[quantity.start : quantity.end]:
        # people say 度 for degrees of heat and for kilowatt-hours as well
        unit = "℃" if _HEAT.search(name) else "kWh" if _POWER_USE.search(name) else unit
    return Indicator(name, op, quantity.value, quantity.high, unit, hard)


def _without_links(text: str) -> str:
    return _LINKING.sub("", text)


def tidy_name(text: str) -> str:
    """Return a name on one line, without controls and the marks that turn text around."""
    return " ".join(fold(text).replace("\ufffc", " ").split()).strip(" :,，、。;；|=-")


def parse_indicators(text: str) -> list[Indicator]:
    """Read a cell with several indicators, parted by semicolons or line breaks.

    Raises ValidationError with a sentence for each part that states no name with a number.
    """
    if len(text) > MAX_CELL:
        raise ValidationError(
            _("The cell has %(length)s characters; at most %(limit)s are read."),
            code="length",
            params={"length": len(text), "limit": MAX_CELL},
        )
    found: list[Indicator] = []
    errors: list[ValidationError] = []
    for item in _items(text):
        several = _by_commas(item)
        found += several
        if several:
            continue
        indicator = parse_indicator(item)
        if indicator is not None:
            found.append(indicator)
        elif len(errors) < MAX_INDICATORS:
            errors.append(
                ValidationError(
                    _("“%(text)s” names no indicator with a number, e.g. “depth ≥ 6 mm”."),
                    code="indicator",
                    params={"text": tidy_name(item[:60])},
                )
            )
    if len(found) > MAX_INDICATORS:
        errors.append(_too_many(len(found)))
    if errors:
        raise ValidationError(errors)
    return found


def _by_commas(item: str) -> list[Indicator]:
    """Return the indicators of a list by commas, if every part is whole by itself."""
    parts = [part for part in re.split(r"[，、]|,(?!\d{3})", item) if part.strip()]
    if not 1 < len(parts) <= MAX_INDICATORS:
        return []
    found: list[Indicator] = []
    for part in parts:
        indicator = parse_indicator(part)
        if indicator is None or not any(q.said for q in find_quantities(part)):
            return []
        found.append(indicator)
    return found


# --- Rows of a form or of JSON --------------------------------------------------------------

_OPS: dict[str, Op] = {
    **{text: "ge" for text in ("ge", "≥", ">=", ">", "不低于", "不小于", "大于", "至少")},
    **{text: "le" for text in ("le", "≤", "<=", "<", "不高于", "不大于", "小于", "不超过")},
    **{text: "eq" for text in ("eq", "=", "==", "等于", "约")},
    **{text: "range" for text in ("range", "区间", "范围", "~", "至")},
}
_TRUE = frozenset({"1", "on", "true", "yes", "y", "hard", "硬", "是", "必须"})


def _too_many(count: int) -> ValidationError:
    return ValidationError(
        _("There are %(count)s indicators; at most %(limit)s can be kept."),
        code="count",
        params={"count": count, "limit": MAX_INDICATORS},
    )


class _Bad(Exception):
    """A field of a row is wrong; carries the field, the sentence and what it names."""

    def __init__(self, field: str, sentence: Any, **params: object) -> None:
        super().__init__(field)
        self.field, self.sentence, self.params_ = field, sentence, params


def clean_indicators(rows: object) -> list[dict[str, Any]]:
    """Return rows as they are stored, from whatever a form or JSON brought.

    Rows in which nothing was filled in are dropped. Raises ValidationError with one sentence for
    each bad row; `code` is the field, and `params` hold the row as a person counts it.
    """
    if not isinstance(rows, Sequence) or isinstance(rows, str | bytes):
        raise ValidationError(_("Indicators must be a list of rows."), code="rows")
    if len(rows) > MAX_INDICATORS * 4:  # blank rows of a form are free, within reason
        raise _too_many(len(rows))
    cleaned: list[dict[str, Any]] = []
    errors: list[ValidationError] = []
    for number, row in enumerate(rows, start=1):
        if isinstance(row, Mapping) and _blank(row):
            continue
        try:
            cleaned.append(_clean_row(row).to_json())
        except _Bad as bad:
            params = {"row": number, "field": bad.field, **bad.params_}
            errors.append(ValidationError(bad.sentence, code=bad.field, params=params))
    if len(cleaned) + len(errors) > MAX_INDICATORS:
        errors.append(_too_many(len(cleaned) + len(errors)))
    if errors:
        raise ValidationError(errors)
    return cleaned


def _blank(row: Mapping[str, Any]) -> bool:
    return not any(str(row.get(key, "") or "").strip() for key in ("name", "high", "unit")) and (
        row.get("value") is None or str(row["value"]).strip() == ""
    )


def _clean_row(row: object) -> Indicator:
    if not isinstance(row, Mapping):
        raise _Bad("row", _("Row %(row)s is no indicator."))
    raw = row.get("name")
    name = tidy_name(raw[: MAX_NAME * 4]) if isinstance(raw, str) else ""
    if not name:
        raise _Bad("name", _("Row %(row)s: give the indicator a name."))
    if len(name) > MAX_NAME or (isinstance(raw, str) and len(raw) > MAX_NAME * 4):
        sentence = _("Row %(row)s: the name has more than %(limit)s characters.")
        raise _Bad("name", sentence, limit=MAX_NAME)
    op = _OPS.get(str(row.get("op", "") or "").strip()[:10].lower())
    if op is None:
        raise _Bad("op", _("Row %(row)s: choose ≥, ≤, = or a range for “%(name)s”."), name=name)
    value = _number(row, "value", name)
    high = _number(row, "high", name) if op == "range" else None
    if high is not None and high < value:
        sentence = _("Row %(row)s: the range of “%(name)s” runs from %(low)s down to %(high)s.")
        raise _Bad("high", sentence, name=name, low=plain(value), high=plain(high))
    written = row.get("unit")
    text = "" if written is None else str(written)
    unit = normalize_unit(text)
    if unit is None:
        sentence = _(
            "Row %(row)s: unit “%(unit)s” of “%(name)s” is not known. Pick one, e.g. %(examples)s."
        )
        raise _Bad("unit", sentence, unit=tidy_name(text[:40]), name=name, examples="mm, μm")
    hard = row.get("hard")
    if not isinstance(hard, bool):
        hard = str(hard or "").strip().lower() in _TRUE
    return Indicator(name, op, value, high, unit, hard)


def _number(row: Mapping[str, Any], field: str, name: str) -> Decimal:
    raw = row.get(field)
    if raw is None or str(raw).strip() == "":
        sentence = (
            _("Row %(row)s: “%(name)s” needs a number.")
            if field == "value"
            else _("Row %(row)s: the range of “%(name)s” needs an upper number.")
        )
        raise _Bad(field, sentence, name=name)
    number = read_number(raw)
    if number is None:
        sentence = _("Row %(row)s: “%(text)s” of “%(name)s” is not a number we can compare.")
        raise _Bad(field, sentence, name=name, text=tidy_name(str(raw)[:40]))
    return number


__all__ = [
    "COMMON_UNITS",
    "MAX_INDICATORS",
    "OP_CHOICES",
    "Indicator",
    "Quantity",
    "clean_indicators",
    "display",
    "find_quantities",
    "fold",
    "parse_indicator",
    "parse_indicators",
    "read_number",
]
