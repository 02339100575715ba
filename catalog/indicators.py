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


# What holds digits and measures nothing: dates, years, standards, ratios, list numbers, phones.
_NO_QUANTITY = re.compile(
    r"""
    (?:19|20)\d\d\ ?[-/.年]\ ?\d{1,2}(?:\ ?[-/.月]\ ?\d{1,2})?+\ ?[月日号]?(?![\d.])
    | (?<!\d)(?:19|20)\d\d\ ?(?:[-~–至]\ ?(?:19|20)\d\d\ ?)?年(?!/)
    | (?:GB|ISO|ASTM|JB|HG|QB|YB|YY|IEC|EN|DIN|DB|TSG|NB|SY|CJ|JT|HJ)(?:/T|/Z)?\ ?\d[\d.-]{0,15}
    | 第\ ?\d{1,4}
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
# Behind a letter a number is part of a name: Q345, PM2.5, CO2, ABC-12.
_FIRST = re.compile(
    r"(?P<mark>HRC|HRB|HRA|HBW|HV|HB|pH|￥|¥|\$)? {0,2}(?<![\d.])(?P<pm>± ?)?"
    rf"(?P<sign>(?<![A-Za-z0-9℃%°)])[-+])?(?P<number>{_NUMBER})"
)
_LINK = re.compile(
    rf" {{0,2}}(?P<link>~|–|—{{1,2}}|-{{1,2}}|至|到|to\b|and\b|±) {{0,2}}(?P<sign>[-+])?"
    rf"(?P<number>{_NUMBER})"
)
_SUPERSCRIPT = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")
_UNIT_CHARACTERS = re.escape("".join(sorted(UNIT_CHARACTERS)))
_RUN = re.compile(
    rf" {{0,2}}[余多]?(?P<run>(?:(?:million|billion|thousand) )?"
    rf"[A-Za-zμΩΩÅ°℃℉%‰′″$￥¥㎜㎝㎞㎡㎥㎏㎎㎖㏕{_UNIT_CHARACTERS}(]"
    rf"[A-Za-z0-9μΩΩÅ°℃℉%‰′″²³⁰¹⁴⁵⁶⁻·⋅•*/^.()㎜㎝㎞㎡㎥㎏㎎㎖㏕{_UNIT_CHARACTERS}-]{{0,23}}"
    rf"(?: / ?[A-Za-z0-9{_UNIT_CHARACTERS}]{{1,12}}| Celsius)?)"
)
_MINUS_POWER = re.compile(r"-(?![1-3](?![\d.]|\s?[A-Za-z℃%μ°]))")

_NOT = "不(?:得|能|应|可|宜|会)?"
_GE = (
    rf"≥|>=|=>|>|{_NOT}(?:低|小|少|短|弱)于|不亚于|大于(?:或?等于)?|高于|多于|长于|超过|至少为?|最少|最低为?"
    "|最小为?|可?高?达到|可达到?|高达|(?<![雷马发])达|(?:提高|提升|增加|增)[到至]"
    r"|(?:no|not) (?:less|lower|smaller|fewer) than|at least|minimum(?: of)?|\bmin\.?"
    r"|(?:more|greater|higher|larger) than|\bover|above|exceed(?:s|ing)?|reach(?:es|ing)?"
)
_LE = (
    rf"≤|<=|=<|<|{_NOT}(?:高|大|多|长)于|{_NOT}超过?|小于(?:或?等于)?|低于|少于|短于|至多为?|最多为?|最大为?"
    "|最高为?|(?:控制|保持|限制)在|(?:降低|下降|降|减少|减|缩短|压缩)[到至]"
    r"|(?:no|not) (?:more|greater|higher|larger|longer) than|at most|maximum(?: of)?|\bmax\.?"
    r"|(?:less|lower|smaller|fewer|shorter) than|below|\bunder|within|\bup to"
    r"|(?:not|never) (?:to )?exceed(?:ing)?"
)
_EQ = r"=|≈|~|大约|约为?|等于|about|approximately|approx\.?|around|equals?(?: to)?"
# The negated forms hold the plain ones ("不低于" holds "低于"), so all is one expression, and
# the match that starts first and ends at the number wins.
_BEFORE = re.compile(
    rf"(?:(?P<le>{_LE})|(?P<ge>{_GE})|(?P<better>优于|better than)|(?P<eq>{_EQ})) {{0,2}}"
    "(?:约|about )?(?:为|到|of )? {0,2}$",
    re.IGNORECASE,
)
# Better than 10 μm is less of these, and more of anything else.
_LESS_IS_BETTER = re.compile(
    "精度|误差|偏差|变形|粗糙|波动|漂移|噪声|不确定|分辨|抖动|accuracy|precision|error|deviation"
    "|roughness|noise|drift|uncertainty|resolution|repeatability",
    re.IGNORECASE,
)
_AFTER = re.compile(
    r" {0,2}(?:(?P<ge>(?:\(含\)|及其?|或|和)?以上|或更高|起(?![动升重])"
    r"|(?:or|and) (?:more|above|higher|greater|better|over))"
    r"|(?P<le>(?:\(含\)|及其?|或|和)?以下|以内|之内|内(?![部径外壁腔表])"
    r"|(?:or|and) (?:less|below|lower|under|fewer))"
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
    return _sane(-number if sign == "-" else number)


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
        return "", at
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


def find_quantities(text: str, limit: int = 200) -> list[Quantity]:
    """Return the quantities of a text in order, with places in the text as it was given."""
    text = _NO_QUANTITY.sub(lambda m: "\ufffc" * len(m.group()), fold(text))
    found: list[Quantity] = []
    at = 0
    while len(found) < limit and (match := _FIRST.search(text, at)):
        at = match.end()
        quantity = _quantity(text, match)
        if quantity is not None:
            found.append(quantity)
            at = max(at, quantity.end)
    return found


def _quantity(text: str, match: re.Match[str]) -> Quantity | None:
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
    end = match.end()
    unit, end = _unit_at(text, end)
    high: Decimal | None = None
    op: Op = "eq"
    said = False
    if match["pm"]:
        # "±0.05 mm" allows a deviation of so much
        op, said = "le", True
    elif link := _LINK.match(text, end):
        second = _decimal(link["number"], link["sign"])
        far, far_end = _unit_at(text, link.end())
        low = value
        if second is not None and unit and far and unit != far:
            moved = convert(value, unit, far)
            low = Decimal(str(moved)) if moved is not None else value
            second = second if moved is not None else None
        if second is not None and (far or not unit or link["link"] != "and"):
            if link["link"] == "±":
                low, second = low - second, low + second
            value, high = min(low, second), max(low, second)
            op, unit, end = "range", far or unit, far_end if far else link.end()
    if mark and not unit:
        unit = {"￥": "元", "¥": "元", "$": "USD", "HBW": "HB"}.get(mark, mark)
    words = start
    before = _BEFORE.search(text, max(0, start - 24), start)
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
    r"(?:[\s:,，、=(\[|]|要求|应当?|须|必须|需要?|为|是|的|在|介于|保持|控制|\b(?:of|is|are|be|should|must|shall"
    r"|will|to|at|from|between|with|a|an|the|has|have|not)\b)+$",
    re.IGNORECASE,
)
_BRACKETED_UNIT = re.compile(r"[(\[/] {0,2}([^()\[\]]{1,20}?) {0,2}[)\]]?$")
_NAME_BEHIND = re.compile(r"[\s的,，]*(?:(?:of|in|for) )?([^,，。;；(（]{1,100})")
_HEAT = re.compile("[温热冷凝沸熔冰融]")
_POWER_USE = re.compile("[电]")


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
            if indicator := _named(flat, quantity, hard):
                return indicator
    return None


def _named(text: str, quantity: Quantity, hard: bool) -> Indicator | None:
    before = text[: quantity.words]
    name = _LINKING.sub("", before) or before
    unit = quantity.unit
    if not unit:
        bracket = _BRACKETED_UNIT.search(text[: quantity.words].rstrip(" :,="))
        inside = normalize_unit(bracket[1]) if bracket else None
        if bracket and inside:
            unit, name = inside, text[: bracket.start()]
    name = tidy_name(_BULLET.sub("", name))
    if not name:
        behind = _NAME_BEHIND.match(text, quantity.end)
        name = tidy_name(_LINKING.sub("", behind[1])) if behind else ""
    if not name or len(name) > MAX_NAME or not any(char.isalpha() for char in name):
        return None
    if unit == "°" and "度" in text[quantity.start : quantity.end]:
        # people say 度 for degrees of heat and for kilowatt-hours as well
        unit = "℃" if _HEAT.search(name) else "kWh" if _POWER_USE.search(name) else unit
    return Indicator(name, quantity.op, quantity.value, quantity.high, unit, hard)


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
