"""The columns of both lists in a spreadsheet: what they are called, how a cell is read and written.

One table for templates, import and export, so that what is exported is what can be imported:
a cell that was written here is read back as the very same value.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal
from functools import cache, lru_cache, partial
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ValidationError
from django.db.models import Choices
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, override, pgettext
from openpyxl.utils.datetime import from_excel

from accounts.regions import find_region, region_name, regions
from accounts.text import clean_line, clean_text
from catalog.classes import Scheme, class_name, is_known, search_classes
from catalog.disclosure import RULES, TIER_LABELS, TIER_NAMES, clean_disclosure
from catalog.indicators import (
    NBSP,
    SIGNS,
    Indicator,
    clean_indicators,
    display,
    parse_indicators,
    plain,
)
from catalog.industries import find_industry, industries, industry_name
from catalog.ip import IpKind, IpStatus, clean_ip_items, clean_orcid
from catalog.models import (
    BODY_LIMIT,
    CLASS_LIMIT,
    DETAIL_LIMIT,
    SUMMARY_LIMIT,
    TITLE_LIMIT,
    AchievementNeed,
    CooperationMode,
    Exclusivity,
    IpExpectation,
    Listing,
    ListingLanguage,
    OwnershipMode,
)
from catalog.services.reading import ERROR_VALUES

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

Content = dict[str, Any]
Reader = Callable[[Any], Content]
Writer = Callable[[Listing], Any]

LANGUAGES = ("zh-hans", "en")
# Excel keeps 15 digits of a number; an id beyond was changed before it came here.
SAFE_INTEGER = 10**15
# Days since 1899-12-30 that are taken for a date: 1954 to 2119.
_SERIALS = range(20_000, 80_000)


@dataclass(frozen=True)
class Column:
    """One column. `fields` are the model fields it holds, `also` other names it may have."""

    name: str
    zh: str
    en: str
    help: StrOrPromise
    read: Reader
    write: Writer
    fields: tuple[str, ...]
    also: tuple[str, ...] = ()
    # An example of its content for the template, by language.
    example: tuple[Any, Any] = ("", "")
    # What a drop-down offers. `several`: the cell may hold more than one of them.
    choices: Callable[[], list[str]] | None = None
    several: bool = False
    required: bool = False
    # Amounts stand in two columns, one for each unit; a template has the one people count in.
    only: str = ""
    width: int = 16

    def header(self, language: str) -> str:
        return self.en if language.startswith("en") else self.zh

    def names(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((self.zh, self.en, *self.also)))


# --- Reading cells ------------------------------------------------------------------------------


def shown(value: Any) -> str:
    """Return a cell as a person would see it, whatever the file stored."""
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, dt.datetime) and value.time() == dt.time():
        value = value.date()
    return "" if value is None else unguarded(str(value))


# What a spreadsheet would compute instead of showing. An apostrophe in front makes it a text; one
# that was there already gets another, so that taking one away always gives back what was written.
_COMPUTED = re.compile(r"'*[=+\-@\t\r\n＝＋－＠]")


def guarded(value: Any) -> Any:
    """Return a cell that no spreadsheet program will take for a formula."""
    return f"'{value}" if isinstance(value, str) and _COMPUTED.match(value) else value


def unguarded(text: str) -> str:
    """Take back what `guarded` did."""
    return text[1:] if text.startswith("'") and _COMPUTED.match(text) else text


def line(value: Any, limit: int, *, required: bool = False) -> str:
    raw = shown(value).strip()
    if raw.upper() in ERROR_VALUES:
        raise ValidationError(
            _("The cell shows %(value)s, an error of the spreadsheet. Correct it there.")
            % {"value": raw}
        )
    text = clean_line(raw)
    if required and not text:
        raise ValidationError(_("This cell is empty."))
    return _within(text, limit)


def paragraphs(value: Any, limit: int) -> str:
    raw = shown(value)
    if raw.strip().upper() in ERROR_VALUES:
        return line(value, limit)
    return _within(clean_text(raw), limit)


def _within(text: str, limit: int) -> str:
    if len(text) > limit:
        raise ValidationError(
            _("At most %(limit)d characters; this has %(count)d.")
            % {"limit": limit, "count": len(text)}
        )
    return text


def external_id(value: Any) -> str:
    """Read an id. Raises `ValidationError` where a spreadsheet has rounded it."""
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) > SAFE_INTEGER:
        raise ValidationError(
            _("Excel keeps 15 digits of a number. Format the column as text and write it again.")
        )
    text = line(value, 100, required=True)
    if re.fullmatch(r"\d(?:\.\d+)?E\+\d\d+", text):
        raise ValidationError(
            _("Excel keeps 15 digits of a number. Format the column as text and write it again.")
        )
    return text


_PART = re.compile(r'"((?:[^"]|"")*)"|([^；;，,、|\n"]+)|(")')


def _parts(value: Any, limit: int = 4000) -> list[str]:
    """Read a cell with several words. One that holds a separator stands in straight quotes."""
    text = _within(clean_line(shown(value).replace("\n", "；")), limit)
    line(text, limit)
    words = []
    for match in _PART.finditer(text):
        word = match[1].replace('""', '"') if match[1] is not None else (match[2] or match[3])
        if word.strip():
            words.append(word.strip())
    return list(dict.fromkeys(words))


def _joined(words: Iterable[str]) -> str:
    quoted = (
        '"{}"'.format(word.replace('"', '""')) if re.search(r'[；;，,、|"]', word) else word
        for word in words
    )
    return "；".join(quoted)


def _keywords(value: Any) -> list[str]:
    words = _parts(value)
    if len(words) > 20 or any(len(word) > 40 for word in words):
        raise ValidationError(_("At most 20 keywords of at most 40 characters."))
    return words


def _unknown(value: str) -> ValidationError:
    return ValidationError(_("“%(value)s” is not known.") % {"value": value[:60]})


def _coded(find: Callable[[str], str], value: Any) -> str:
    """Read "C3451", "C3451 滚动轴承制造" or the name alone."""
    text = line(value, 100)
    if not text:
        return ""
    code = find(text) or find(text.split(" ", 1)[0])
    if not code:
        raise _unknown(text)
    return code


def _classes(find: Callable[[str], str], value: Any) -> list[str]:
    codes = []
    # The names of classes hold commas and semicolons: lines and full-width bars part them too.
    text = line(shown(value).replace("\n", "|"), 4000)
    whole = find(text) if text else ""
    for part in [whole] if whole else re.split(r"[|｜]", text):
        codes += _several_classes(find, part.strip())
    codes = list(dict.fromkeys(codes))
    if len(codes) > CLASS_LIMIT:
        raise ValidationError(
            _("At most %(limit)d classes; there are %(count)d.")
            % {"limit": CLASS_LIMIT, "count": len(codes)}
        )
    return codes


def _several_classes(find: Callable[[str], str], text: str) -> list[str]:
    if not text:
        return []
    if code := find(text) or find(text.split(" ", 1)[0]):
        rest = text.split(" ", 1)[1] if " " in text else ""
        # “C21D 热处理” is one class, “C21D F16C” are two.
        first = find(text) or code
        if not rest or find(text) or not find(rest.split(" ", 1)[0].strip("；;，,、")):
            return [first]
        return [first, *_several_classes(find, rest)]
    parts = [part.strip() for part in re.split(r"[；;，,、]", text) if part.strip()]
    if len(parts) < 2:
        raise _unknown(text)
    return [code for part in parts for code in _several_classes(find, part)]


@cache
def _words_of(choices: type[Choices]) -> dict[str, str]:
    """Return the stored value for every way to write a choice, in both languages."""
    words: dict[str, str] = {}
    for member in choices:
        value = str(member.value)
        words[value.casefold()] = value
        for label in _in_both(member.label):
            words.setdefault(label, value)
    return words


def _in_both(label: StrOrPromise) -> set[str]:
    found = {str(label).casefold()}
    if isinstance(label, Promise):
        for language in LANGUAGES:
            with override(language):
                found.add(str(label).casefold())
    return found


def _choice(choices: type[Choices], more: dict[str, str], value: Any) -> str:
    text = line(value, 100)
    known = _words_of(choices).get(text.casefold()) or more.get(text.casefold())
    if text and known is None:
        raise _unknown(text)
    return known or ""


def _choices(choices: type[Choices], more: dict[str, str], value: Any) -> list[str]:
    found = []
    for word in _parts(value):
        known = _words_of(choices).get(word.casefold()) or more.get(word.casefold())
        if known is None:
            raise _unknown(word)
        found.append(known)
    return list(dict.fromkeys(found))


_MODES = {
    word.casefold(): mode.value
    for mode, names in {
        CooperationMode.DEVELOPMENT: ("技术开发", "合作开发", "委托开发", "development"),
        CooperationMode.TRANSFER: ("技术转让", "转让"),
        CooperationMode.LICENSE: ("技术许可", "许可", "license", "licence"),
        CooperationMode.CONSULTING: ("技术咨询", "咨询"),
        CooperationMode.SERVICE: ("技术服务", "服务", "service"),
        CooperationMode.EQUITY: ("作价入股", "技术入股", "作价投资", "equity"),
        CooperationMode.JOINT: ("共建", "联合实验室", "共建平台", "joint"),
    }.items()
    for word in names
}
_OWNERSHIP = {"单位": "unit", "单位所有": "unit", "赋权": "empowered", "单列": "separate"}
_NEEDS = {"概念验证": "proof", "中试": "pilot", "融资": "finance"}
_LANGUAGES = {
    "中文": "zh",
    "汉语": "zh",
    "chinese": "zh",
    "英文": "en",
    "英语": "en",
    "english": "en",
}
_YES = frozenset(("是", "已落实", "有", "yes", "y", "true", "1", "✓", "√"))
_NO = frozenset(("否", "未落实", "无", "no", "n", "false", "0", "×"))


def _yes_or_no(value: Any) -> bool | None:
    text = line(value, 20).casefold()
    if not text:
        return None
    if text in _YES or text in _NO:
        return text in _YES
    raise ValidationError(_("“%(value)s” is neither yes nor no.") % {"value": text})


def _trl(value: Any) -> int | None:
    text = line(value, 40).upper().removeprefix("TRL").strip(" -级")
    # “7 系统样机…”, as a drop-down may say.
    text = text.split(" ")[0]
    if not text:
        return None
    if text not in set("123456789"):
        raise ValidationError(_("A readiness level is a number from 1 to 9."))
    return int(text)


_AMOUNT = re.compile(r"(?:CNY|RMB|￥|¥)?\s*(.{1,30}?)\s*(亿元?|万元?|元)?", re.IGNORECASE)
_TIMES = {"亿": 10**8, "万": 10**4, "元": 1}


def _money(value: Any, times: int) -> int | None:
    """Read an amount of yuan, in units of `times`; a unit in the cell itself goes before."""
    text = line(value, 40).replace(",", "").replace("，", "")
    if not text:
        return None
    match = _AMOUNT.fullmatch(text)
    try:
        if match is None:
            raise ArithmeticError
        amount = Decimal(match[1]) * (_TIMES[match[2][0]] if match[2] else times)
    except ArithmeticError:  # no number, or 1e999999
        raise ValidationError(_("“%(value)s” is not an amount.") % {"value": text}) from None
    if not amount.is_finite() or not 0 <= amount <= 10**13:
        raise ValidationError(_("“%(value)s” is not an amount.") % {"value": text})
    return int(amount)


def _date(value: Any) -> dt.date | None:
    if isinstance(value, dt.datetime):
        return value.date()
    if isinstance(value, dt.date):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool) and int(value) in _SERIALS:
        return _serial(float(value))
    text = line(value, 40)
    if not text:
        return None
    # The time of a day that Excel has written out as well says nothing.
    bare = re.sub(r"[T\s]\d{1,2}[:：时]\d{1,2}.{0,12}$", "", text).replace(" ", "")
    for form in ("%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%Y年%m月%d日", "%Y%m%d"):
        try:
            return dt.datetime.strptime(bare, form).date()
        except ValueError:
            continue
    if re.fullmatch(r"\d{5}(?:\.\d+)?", text) and int(float(text)) in _SERIALS:
        return _serial(float(text))
    raise ValidationError(
        _("“%(value)s” is not a date. Please write it like 2027-05-09.") % {"value": text}
    )


def _serial(number: float) -> dt.date:
    day = from_excel(number)
    assert isinstance(day, dt.datetime)
    return day.date()


def _indicators(value: Any) -> list[dict[str, Any]]:
    text = paragraphs(value, BODY_LIMIT)
    if not text:
        return []
    if any(len(_columns_of(part)) >= 4 for part in text.split("\n")):
        return clean_indicators([_indicator_row(part) for part in text.split("\n") if part.strip()])
    return clean_indicators([row.to_json() for row in parse_indicators(text)])


def _columns_of(text: str) -> list[str]:
    """Cut “name | ≥ | 6 | mm | hard” at its bars; one that belongs to a text has \\ before it."""
    parts = re.split(r"(?<!\\)[|｜]", text)
    return [part.replace("\\|", "|").strip() for part in parts]


def _bar(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _indicator_row(text: str) -> dict[str, Any]:
    name, op, value, unit, *rest = [*_columns_of(text), "", "", ""]
    low, *high = re.split(r"\s*(?:~|～|至|\.\.)\s*", value)
    return {
        "name": name,
        "op": op,
        "value": low,
        "high": high[0] if high else "",
        "unit": unit,
        "hard": rest[0],
    }


def indicators_text(rows: list[dict[str, Any]]) -> str:
    """Write indicators one a line, as a person would; in columns where that could be misread."""
    try:
        items = [Indicator.from_json(row) for row in rows]
    except ValueError:
        return ""
    hard = f" ({pgettext('indicator', 'hard')})"
    plainly = "\n".join(
        f"{item.name} {display(item)}".replace(NBSP, " ") + (hard if item.hard else "")
        for item in items
    )
    try:
        if "|" not in plainly and _indicators(plainly) == rows:
            return plainly
    except ValidationError:
        pass
    return "\n".join(
        " | ".join(
            (
                _bar(item.name),
                SIGNS[item.op] or "range",
                plain(item.value) + (f"~{plain(item.high)}" if item.high is not None else ""),
                item.unit,
                pgettext("indicator", "hard") if item.hard else "",
            )
        )
        for item in items
    )


def _ip_items(value: Any) -> list[dict[str, str]]:
    text = paragraphs(value, DETAIL_LIMIT * 2)
    return clean_ip_items([_ip_row(part) for part in text.split("\n") if part.strip()])


def _ip_row(text: str) -> dict[str, str]:
    """Read “发明专利 | ZL2023… | 已授权 | 同族”, or the same with spaces or commas between."""
    parts = _columns_of(text)
    if len(parts) == 1:
        parts = [part for part in re.split(r"[\s,，、:：;；]+", text) if part]
    kinds, statuses = _words_of(IpKind) | _IP_KINDS, _words_of(IpStatus) | _IP_STATUSES
    row = dict.fromkeys(("kind", "number", "status", "family"), "")
    for part in parts:
        word = part.casefold()
        if not row["kind"] and word in kinds:
            row["kind"] = kinds[word]
        elif not row["status"] and word in statuses:
            row["status"] = statuses[word]
        elif not row["number"]:
            row["number"] = part
        elif not row["family"]:
            row["family"] = part
        else:
            row["family"] += f" {part}"
    return row


_IP_KINDS = {
    "发明": "invention",
    "发明专利": "invention",
    "实用新型": "utility",
    "实用新型专利": "utility",
    "外观设计": "design",
    "外观设计专利": "design",
    "软著": "software",
    "软件著作权": "software",
    "集成电路布图设计": "layout",
    "植物新品种": "variety",
    "技术秘密": "secret",
}
_IP_STATUSES = {"申请中": "filed", "已申请": "filed", "已授权": "granted", "授权": "granted"}
_IP_STATUSES |= {"有效": "granted", "失效": "lapsed", "已失效": "lapsed"}


def ip_text(items: list[dict[str, str]]) -> str:
    kinds, statuses = dict(IpKind.choices), dict(IpStatus.choices)
    return "\n".join(
        " | ".join(
            _bar(part)
            for part in (
                str(kinds.get(item["kind"], item["kind"])),
                # Never empty: what follows a secret's missing number must not pass as one.
                item["number"] or "—",
                str(statuses.get(item["status"], item["status"])),
                item["family"],
            )
            if part
        )
        for item in items
    )


def _disclosure(kind: str, value: Any) -> dict[str, str] | None:
    """Read “描述：技术经理人；预算：所有人”. Nothing written says nothing of what was chosen."""
    text = paragraphs(value, DETAIL_LIMIT)
    if not text:
        return None
    if text.casefold() in ("默认", "default"):
        return {}
    chosen: dict[str, str] = {}
    for part in re.split(r"[；;\n]", text):
        if not part.strip():
            continue
        name, colon, tier = re.sub("：", ":", part).rpartition(":")
        key = _rule_words(kind).get(name.strip().casefold())
        level = _tier_words().get(tier.strip().casefold())
        if not colon or key is None or level is None:
            raise ValidationError(
                _("“%(text)s” is not a field and who may read it, such as “%(example)s”.")
                % {"text": part.strip()[:60], "example": _example_tier(kind)}
            )
        chosen[key] = level
    return clean_disclosure(kind, chosen)


def _example_tier(kind: str) -> str:
    rule = RULES[kind]["body"]
    return f"{rule.label}: {TIER_LABELS[TIER_NAMES['managers']]}"


@cache
def _rule_words(kind: str) -> dict[str, str]:
    return {
        word: key
        for key, rule in RULES[kind].items()
        for word in (*_in_both(rule.label), key.casefold(), *(name for name in rule.fields))
    }


@cache
def _tier_words() -> dict[str, str]:
    words = {name: name for name in TIER_NAMES}
    for name, tier in TIER_NAMES.items():
        for label in _in_both(TIER_LABELS[tier]):
            words[label] = name
    return words | {
        "公开": "public",
        "会员": "members",
        "经理人": "managers",
        "引荐后": "introduced",
    }


def disclosure_text(kind: str, disclosure: dict[str, str]) -> str:
    if not disclosure:
        return pgettext("disclosure", "default")
    return "；".join(
        f"{RULES[kind][key].label}: {TIER_LABELS[TIER_NAMES[name]]}"
        for key, name in disclosure.items()
        if key in RULES[kind] and name in TIER_NAMES
    )


# --- Columns ------------------------------------------------------------------------------------


def _one(name: str, parse: Callable[[Any], Any]) -> Reader:
    return lambda value: {name: parse(value)}


def _said(name: str, parse: Callable[[Any], Any]) -> Reader:
    """Like `_one`, but an empty cell says nothing: another column may, or what is stored stays."""

    def read(value: Any) -> Content:
        parsed = parse(value)
        return {} if parsed is None else {name: parsed}

    return read


def _get(name: str) -> Writer:
    return lambda listing: getattr(listing, name)


def _labels(choices: type[Choices]) -> Callable[[], list[str]]:
    return lambda: [str(label) for _value, label in choices.choices]


def _label(choices: type[Choices], name: str) -> Writer:
    def write(listing: Listing) -> str:
        labels = dict(choices.choices)
        value = getattr(listing, name)
        values = value if isinstance(value, list) else [value] if value else []
        return _joined(str(labels.get(one, one)) for one in values)

    return write


def _region_text(code: str) -> str:
    """Return the name where it leads back to the code, else the code."""
    name = region_name(code)
    return name if name and find_region(name) == code else code


def _industry_text(code: str) -> str:
    return f"{code} {industry_name(code)}".strip()


def _no_longer(limit: int) -> Callable[[Any], str]:
    return partial(paragraphs, limit=limit)


def _text(
    name: str, zh: str, en: str, explained: StrOrPromise, limit: int = DETAIL_LIMIT, **more: Any
) -> Column:
    return Column(
        name,
        zh,
        en,
        explained,
        _one(name, _no_longer(limit)),
        _get(name),
        (name,),
        **{"width": 36, **more},
    )


def _day(name: str, zh: str, en: str, explained: StrOrPromise, **more: Any) -> Column:
    return Column(
        name, zh, en, explained, _one(name, _date), _get(name), (name,), **{"width": 14, **more}
    )


def _amount(name: str, zh: str, en: str, also: tuple[str, ...], *, wan: bool) -> Column:
    times = 10_000 if wan else 1

    def write(listing: Listing) -> Any:
        amount = getattr(listing, name)
        if amount is None:
            return None
        exact = Decimal(amount) / times
        return int(exact) if exact == int(exact) else exact

    return Column(
        f"{name}_wan" if wan else name,
        zh,
        en,
        gettext_lazy("A number; leave it empty when it is negotiable."),
        _said(name, lambda value: _money(value, times)),
        write,
        (name,),
        also=also,
        only="zh" if wan else "en",
        example=(300 if name == "money_min" else 500, 3_000_000 if name == "money_min" else 5e6),
    )


def _common_head(kind: str) -> list[Column]:
    demand = kind == "demand"
    return [
        Column(
            "external_id",
            "编号",
            "ID",
            gettext_lazy(
                "Your own number. A row with the same one changes that listing the next time; the "
                "platform's number works as well."
            ),
            lambda value: {},
            _id_text,
            ("external_id",),
            also=("external_id", "外部编号", "序号", "no", "number"),
            required=True,
            example=("示例", "EXAMPLE"),
        ),
        Column(
            "title",
            "标题",
            "Title",
            gettext_lazy("One line that says what it is about. Everybody can read it."),
            _one("title", lambda value: line(value, TITLE_LIMIT, required=True)),
            _get("title"),
            ("title",),
            also=("名称", "需求名称" if demand else "成果名称", "name"),
            required=True,
            width=36,
            example=(
                ("大型轴承套圈淬火变形控制", "Distortion control in hardening large bearing rings")
                if demand
                else ("双感应器同步淬火成套工艺", "Synchronous double-inductor hardening process")
            ),
        ),
        _text(
            "summary",
            "公开摘要",
            "Public summary",
            gettext_lazy("Two or three sentences without names or contacts. Everybody reads them."),
            SUMMARY_LIMIT,
            also=("summary", "摘要", "简介", "abstract"),
            example=(
                (
                    "直径 2–4 m 的套圈淬火变形达 0.6 mm，求控制在 0.35 mm 以内的工艺。",
                    "Rings of 2-4 m distort by 0.6 mm; a process is wanted that keeps to 0.35 mm.",
                )
                if demand
                else (
                    "双感应器相向扫描，终了处无软带，3.2 m 套圈圆度偏差 0.30 mm。",
                    "Two inductors meet without a soft zone; 0.30 mm roundness at 3.2 m diameter.",
                )
            ),
        ),
        _text(
            "body",
            "正文",
            "Description",
            gettext_lazy("What it is in full, at least 30 characters. Members can read it."),
            BODY_LIMIT,
            also=(
                *("body", "text", "描述", "详细描述", "内容"),
                "需求描述" if demand else "成果描述",
            ),
            example=(
                (
                    "现用分段中频淬火，接头处存在软带，淬火后圆度偏差超过 1.2 mm，磨削余量大。",
                    "Hardened in segments; the joint stays soft, and 1.2 mm is ground off.",
                )
                if demand
                else (
                    "两个感应器从起点相向移动，在终点叠加加热，整圈硬度差不超过 2 HRC。",
                    "Two inductors start together and meet at the far side, then quench.",
                )
            ),
        ),
        Column(
            "indicators",
            "技术指标",
            "Indicators",
            gettext_lazy(
                "One a line: name, relation, number, unit. Write “(hard)” behind one that must be "
                "met. Example: case depth ≥ 6 mm (hard)"
            ),
            _one("indicators", _indicators),
            lambda listing: indicators_text(listing.indicators),
            ("indicators",),
            also=("indicators", "指标", "主要指标"),
            example=(
                "圆度变形 ≤ 0.35 mm（硬）\n淬硬层深度 ≥ 6 mm",
                "roundness deviation ≤ 0.35 mm (hard)\ncase depth ≥ 6 mm",
            ),
            width=30,
        ),
        Column(
            "industry",
            "所属行业",
            "Industry",
            gettext_lazy("GB/T 4754-2017, code or name: a division of the list or a finer class."),
            _one("industry", partial(_coded, find_industry)),
            lambda listing: _industry_text(listing.industry),
            ("industry",),
            also=("industry", "行业", "国民经济行业"),
            choices=lambda: [_industry_text(code) for code in industries() if len(code) == 3],
            example=("C3451 滚动轴承制造", "C3451"),
            width=24,
        ),
        _class_column(
            Scheme.IPC,
            "专利分类",
            "Patent classes",
            ("ipc", "IPC", "IPC分类", "专利分类（IPC）"),
            gettext_lazy("IPC subclasses, code or name, at most 8. Example: C21D F16C"),
            ("C21D", "C21D"),
        ),
        _class_column(
            Scheme.EMERGING,
            "战略性新兴产业",
            "Emerging industries",
            ("emerging", "战新产业"),
            gettext_lazy("Classes of 2018, code or name, at most 8. Example: 2.1"),
            ("2.1", "2.1"),
        ),
        Column(
            "keywords",
            "关键词",
            "Keywords",
            gettext_lazy("Divided by semicolons. One that holds a separator stands in quotes."),
            _one("keywords", _keywords),
            lambda listing: _joined(listing.keywords),
            ("keywords",),
            also=("keywords", "关键字"),
            example=("感应淬火；轴承套圈；变形", "induction hardening; bearing ring"),
        ),
        Column(
            "region",
            "所在地区",
            "Region",
            gettext_lazy("Province or city, name or code (GB/T 2260)."),
            _one("region", partial(_coded, find_region)),
            lambda listing: _region_text(listing.region),
            ("region",),
            also=("region", "地区", "所在地"),
            choices=lambda: [_region_text(code) for code in regions()],
            example=("浙江省杭州市", "Zhejiang"),
        ),
        Column(
            "modes",
            "合作方式",
            "Cooperation modes",
            gettext_lazy("One or more of the list, divided by semicolons."),
            _one("modes", partial(_choices, CooperationMode, _MODES)),
            _label(CooperationMode, "modes"),
            ("modes",),
            also=("modes", "cooperation"),
            choices=_labels(CooperationMode),
            several=True,
            example=("技术许可；技术开发", "Licence; Joint development"),
        ),
        Column(
            "trl",
            "成熟度",
            "TRL",
            gettext_lazy("Technology readiness level (GB/T 22900), 1 to 9: the least that helps.")
            if demand
            else gettext_lazy("Technology readiness level (GB/T 22900), 1 to 9: what is proved."),
            _one("trl", _trl),
            _get("trl"),
            ("trl",),
            also=("技术成熟度", "要求成熟度", "成熟度等级"),
            choices=lambda: [str(level) for level in range(1, 10)],
            example=(7, 7),
            width=9,
        ),
        *_amounts("预算" if demand else "价格", "Budget" if demand else "Price"),
    ]


def _amounts(zh: str, en: str) -> list[Column]:
    old = "budget" if en == "Budget" else "price"
    names = (zh,) if zh == "预算" else (zh, "报价")
    columns = []
    for name, word, which in (("money_min", "下限", "from"), ("money_max", "上限", "to")):
        short = f"{old}_{name[-3:]}"
        both = {f"{one}{word}（万元）" for one in (*names, "预算", "报价", "价格")}
        yuan = {f"{one}{word}（元）" for one in (*names, "预算", "报价", "价格")}
        others = ("budget_" + name[-3:], "price_" + name[-3:])
        whole = ("预算（万元）",) if name == "money_max" else ()
        head = f"{zh}{word}"
        columns += [
            _amount(
                name,
                f"{head}（万元）",
                f"{en} {which} (10,000 CNY)",
                (*sorted(both), *whole),
                wan=True,
            ),
            _amount(
                name,
                f"{head}（元）",
                f"{en} {which} (CNY)",
                (short, *others, *sorted(yuan)),
                wan=False,
            ),
        ]
    return columns


def _class_column(
    scheme: Scheme,
    zh: str,
    en: str,
    also: tuple[str, ...],
    explained: StrOrPromise,
    example: tuple[str, str],
) -> Column:
    name = str(scheme)
    return Column(
        name,
        zh,
        en,
        explained,
        _one(name, partial(_classes, partial(find_class, scheme))),
        lambda listing: "\n".join(
            f"{code} {class_name(scheme, code)}".strip() for code in getattr(listing, name)
        ),
        (name,),
        also=also,
        example=example,
    )


@lru_cache(maxsize=4096)
def find_class(scheme: str, text: str) -> str:
    """Return the code for a code or a name in Chinese or English, "" where there is none."""
    text = text.strip()
    code = text.upper()
    if is_known(scheme, code):
        return code
    wanted = text.casefold()
    for entry in search_classes(scheme, text, 5) if len(text) > 1 else ():
        if wanted in (entry.zh.casefold(), entry.en.casefold()):
            return entry.code
    return ""


def _id_text(listing: Listing) -> str:
    """Return the owner's own number; what was written here has only the platform's."""
    own = listing.external_id
    return own if own and not own.startswith(WRITTEN_HERE) else listing.number


# What the form and the API put in front of marks of their own.
WRITTEN_HERE = ("form:", "api:", "clone:")


def _of_demand() -> list[Column]:
    return [
        _text(
            "process",
            "现有工艺",
            "Current process",
            gettext_lazy("How it is done today."),
            also=("process", "现状"),
            example=("分段中频淬火后磨削", "Hardened in segments, then ground"),
        ),
        _text(
            "tried",
            "已尝试的办法",
            "What was tried",
            gettext_lazy("What you have tried and why it was not enough."),
            also=("tried",),
            example=("柔性支撑：变形没有减小", "Flexible supports: no less distortion"),
        ),
        _day(
            "deadline",
            "期望完成日期",
            "Needed by",
            gettext_lazy("A date such as 2027-05-09."),
            also=("deadline", "完成期限"),
            example=(_next_year(9), _next_year(9)),
        ),
        Column(
            "funded",
            "资金已落实",
            "Funding secured",
            gettext_lazy("Yes or no; leave it empty when it is open."),
            _one("funded", _yes_or_no),
            lambda listing: _FUNDED[listing.funded](),  # type: ignore[attr-defined]
            ("funded",),
            also=("funded",),
            choices=lambda: [_("yes"), _("no")],
            example=("是", "yes"),
            width=9,
        ),
        Column(
            "exclusivity",
            "独占要求",
            "Exclusivity",
            gettext_lazy("One of the list."),
            _one("exclusivity", partial(_choice, Exclusivity, {})),
            _label(Exclusivity, "exclusivity"),
            ("exclusivity",),
            also=("exclusivity",),
            choices=_labels(Exclusivity),
        ),
        Column(
            "ip_expectation",
            "知识产权归属期望",
            "Intellectual property expected",
            gettext_lazy("One of the list."),
            _one("ip_expectation", partial(_choice, IpExpectation, {})),
            _label(IpExpectation, "ip_expectation"),
            ("ip_expectation",),
            also=("ip_expectation",),
            choices=_labels(IpExpectation),
        ),
        _text(
            "partners",
            "期望的合作方",
            "Wished partners",
            gettext_lazy("Kinds of teams or experts; only technology managers read names."),
            1000,
            also=("partners", "期望的合作方或专家"),
        ),
    ]


_FUNDED: dict[bool | None, Callable[[], str]] = {
    True: lambda: _("yes"),
    False: lambda: _("no"),
    None: lambda: "",
}


def _of_achievement() -> list[Column]:
    return [
        _text(
            "novelty",
            "创新点",
            "Novelty",
            gettext_lazy("What is new over the best alternative."),
            also=("novelty",),
            example=("取消接头软带，一次成形", "No soft joint, one pass"),
        ),
        _text(
            "advantages",
            "技术优势",
            "Advantages",
            gettext_lazy("In figures, against the best alternative."),
            also=("advantages", "优势"),
            example=("圆度偏差由 0.6 mm 降到 0.30 mm", "Roundness from 0.6 to 0.30 mm"),
        ),
        _text(
            "scenarios",
            "应用场景",
            "Where it is used",
            gettext_lazy("Products, equipment, conditions."),
            also=("scenarios", "应用领域"),
            example=("风电主轴轴承、盾构轴承", "Wind and tunnelling bearings"),
        ),
        _text(
            "trl_evidence",
            "成熟度依据",
            "Evidence of the TRL",
            gettext_lazy("Report, test or use that proves the level."),
            also=("trl_evidence",),
            example=("中试报告，三批 24 件", "Pilot report, three lots of 24"),
        ),
        Column(
            "ip_items",
            "知识产权",
            "Intellectual property",
            gettext_lazy("One a line: kind | number | status | family. At most 20."),
            _one("ip_items", _ip_items),
            lambda listing: ip_text(listing.ip_items),  # type: ignore[attr-defined]
            ("ip_items",),
            also=("ip_items", "专利"),
            example=(
                "发明专利 | ZL202310000000.1 | 已授权",
                "Invention patent | ZL202310000000.1 | Granted",
            ),
            width=30,
        ),
        Column(
            "ownership",
            "权属方式",
            "Ownership",
            gettext_lazy("One of the list."),
            _one("ownership", partial(_choice, OwnershipMode, _OWNERSHIP)),
            _label(OwnershipMode, "ownership"),
            ("ownership",),
            also=("ownership", "权属"),
            choices=_labels(OwnershipMode),
        ),
        _day(
            "publicity_from",
            "公示开始",
            "Publicity from",
            gettext_lazy("First day of the publicity period."),
            also=("publicity_from",),
        ),
        _day(
            "publicity_until",
            "公示结束",
            "Publicity until",
            gettext_lazy("Last day of the publicity period."),
            also=("publicity_until",),
        ),
        _text(
            "encumbrances",
            "权利限制",
            "Encumbrances",
            gettext_lazy("Pledges, licences given, joint owners."),
            also=("encumbrances",),
        ),
        Column(
            "needs",
            "转化所需",
            "Still needs",
            gettext_lazy("One or more of the list, divided by semicolons."),
            _one("needs", partial(_choices, AchievementNeed, _NEEDS)),
            _label(AchievementNeed, "needs"),
            ("needs",),
            also=("needs",),
            choices=_labels(AchievementNeed),
            several=True,
            example=("中试", "Pilot scale-up"),
        ),
        Column(
            "lead_expert",
            "负责人",
            "Lead expert",
            gettext_lazy("Only shown to the other side after the introduction."),
            _one("lead_expert", lambda value: line(value, 80)),
            _get("lead_expert"),
            ("lead_expert",),
            also=("lead_expert", "专家"),
        ),
        Column(
            "orcid",
            "ORCID",
            "ORCID",
            gettext_lazy("16 digits, such as 0000-0002-1825-0097."),
            _one("orcid", lambda value: clean_orcid(line(value, 100))),
            _get("orcid"),
            ("orcid",),
            width=22,
        ),
    ]


def _common_tail(kind: str) -> list[Column]:
    return [
        _said_day(),
        Column(
            "language",
            "语言",
            "Language",
            gettext_lazy("Of the texts in this row: Chinese or English."),
            _one("language", _language),
            _label(ListingLanguage, "language"),
            ("language",),
            also=("lang",),
            choices=_labels(ListingLanguage),
            example=("中文", "English"),
            width=9,
        ),
        Column(
            "disclosure",
            "公开范围",
            "Disclosure",
            gettext_lazy(
                "Only what differs from the usual, as “field: who may read it”, divided by "
                "semicolons. Empty: stays as it is. “default”: the usual."
            ),
            _said("disclosure", partial(_disclosure, kind)),
            lambda listing: disclosure_text(kind, listing.disclosure),
            ("disclosure",),
            also=("disclosure",),
            width=30,
        ),
    ]


def _said_day() -> Column:
    return Column(
        "valid_until",
        "有效期至",
        "Valid until",
        gettext_lazy("A date such as 2027-05-09; empty: a year from now, or as it is."),
        _said("valid_until", _date),
        _get("valid_until"),
        ("valid_until",),
        also=("valid_until", "截止日期", "有效期"),
        example=(_next_year(6), _next_year(6)),
        width=14,
    )


def _next_year(month: int) -> dt.date:
    return dt.date(dt.date.today().year + 1, month, 1)


def _language(value: Any) -> str:
    return _choice(ListingLanguage, _LANGUAGES, value) or ListingLanguage.ZH.value


@cache
def columns(kind: str) -> dict[str, Column]:
    """Return the columns of one list by name, in the order of the template."""
    own = _of_demand() if kind == "demand" else _of_achievement()
    return {column.name: column for column in (*_common_head(kind), *own, *_common_tail(kind))}


# Columns of an export that an import passes over: Chinese, English.
STATE_HEADERS = (("平台编号", "状态"), ("Platform number", "Status"))


@cache
def headers(kind: str) -> dict[str, tuple[str, ...]]:
    """Return every name that a column may have, by column."""
    return {name: column.names() for name, column in columns(kind).items()}


def template_columns(kind: str, language: str) -> list[Column]:
    """Return the columns of a template or an export in one language."""
    spoken = "en" if language.startswith("en") else "zh"
    return [column for column in columns(kind).values() if column.only in ("", spoken)]
