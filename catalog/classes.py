"""Three classifications of one thing: where it is used, what it is technically, what is promoted.

`industry` is GB/T 4754-2017, `ipc` the International Patent Classification down to its subclasses,
`emerging` the strategic emerging industries of 2018 (nine fields, forty kinds). All three are
chosen by searching, and proposed from what a listing says: by shared words, not by a model, so
that the web process does it in milliseconds and does it the same every time.

Sources: the national standard and the statistics bureau's classification by way of public
repositories, WIPO's scheme with its Chinese and English titles. English names of industries and
the trade words (`data/trade_words.tsv`) are our own.
"""

from __future__ import annotations

import csv
import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from pathlib import Path

from django.core.exceptions import ValidationError
from django.db.models import TextChoices
from django.utils.translation import get_language, gettext_lazy
from django.utils.translation import gettext as _
from rapidfuzz import fuzz, process

from catalog.industries import english_names, industries
from catalog.words import folded, words

_DATA = Path(__file__).parent / "data"

# Characters of a search; a class's name has at most 40, a code 8.
QUERY_LIMIT = 60
RESULT_LIMIT = 20
# How many classes of one scheme a listing may name: as many as `CLASS_LIMIT` of the models.
MANY = 8
# Characters of a listing that suggestions are made from: what it is about stands in front.
TEXT_LIMIT = 6_000


class Scheme(TextChoices):
    INDUSTRY = "industry", gettext_lazy("industry")
    IPC = "ipc", gettext_lazy("patent class")
    EMERGING = "emerging", gettext_lazy("strategic emerging industry")


@dataclass(frozen=True, slots=True)
class Entry:
    """One class. `parent` is the code of the class that holds it, "" at the top."""

    code: str
    zh: str
    en: str
    parent: str

    def name(self, language: str) -> str:
        return (self.en if language.startswith("en") else self.zh) or self.zh


def _rows(name: str) -> Iterator[dict[str, str]]:
    with (_DATA / name).open(encoding="utf8", newline="") as lines:
        yield from csv.DictReader(lines, delimiter="\t")


def _parent(scheme: Scheme, code: str) -> str:
    if scheme == Scheme.EMERGING:
        return code.rpartition(".")[0]
    if scheme == Scheme.IPC:
        return {4: code[:3], 3: code[:1]}.get(len(code), "")
    return {5: code[:4], 4: code[:3], 3: code[:1]}.get(len(code), "")


class _Classes:
    """One scheme with what is needed to search it, made once per process."""

    def __init__(self, scheme: Scheme) -> None:
        self.scheme = scheme
        self.entries = {entry.code: entry for entry in self._load()}
        # What may be chosen: of patents the subclasses, of the rest any class.
        self.choices = {
            code: entry
            for code, entry in self.entries.items()
            if scheme != Scheme.IPC or len(code) == 4
        }

    def _load(self) -> Iterator[Entry]:
        if self.scheme == Scheme.INDUSTRY:
            english = english_names()
            for code, name in industries().items():
                yield Entry(code, name, english.get(code, ""), _parent(self.scheme, code))
            return
        name = "ipc.tsv" if self.scheme == Scheme.IPC else "sei_2018.tsv"
        for row in _rows(name):
            parent = _parent(self.scheme, row["code"])
            yield Entry(row["code"], row["zh"], row["en"], parent)

    def line(self, code: str) -> Iterator[Entry]:
        """Yield a class and those that hold it, the nearest first."""
        while entry := self.entries.get(code):
            yield entry
            code = entry.parent

    @cached_property
    def names(self) -> dict[str, tuple[str, str]]:
        """Both names of what may be chosen, folded, by code."""
        return {code: (folded(e.zh), e.en.lower()) for code, e in self.choices.items()}

    @cached_property
    def own_words(self) -> dict[str, frozenset[str]]:
        return {
            code: frozenset(_stems([*words(entry.zh), *words(entry.en)])) - _EMPTY
            for code, entry in self.entries.items()
        }

    @cached_property
    def weights(self) -> dict[str, float]:
        """How much a word tells about a class: the fewer classes name it, the more."""
        counts = Counter(word for found in self.own_words.values() for word in found)
        total = len(self.own_words)
        return {word: math.log(1 + total / count) for word, count in counts.items()}

    @cached_property
    def by_word(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = defaultdict(list)
        for code, own in self.own_words.items():
            for word in own:
                found[word].append(code)
        return dict(found)

    @cached_property
    def trade(self) -> dict[str, list[str]]:
        """The codes that each trade word speaks for."""
        found: dict[str, list[str]] = defaultdict(list)
        for row in _rows("trade_words.tsv"):
            for word in map(folded, row["words"].split()):
                found[word] += row[self.scheme].split()
        return {word: list(dict.fromkeys(codes)) for word, codes in found.items() if codes}


# Words that stand in too many classes to tell one from the other.
_EMPTY = frozenset(  # one text: a list of 70 strings is unreadable
    """制造 业 其他 加工 产品 制品 服务 活动 设备 及其 不 类目 包括 包含 一般 用于 例如 方法 装置
    专用 专业 辅助 辅助性 相关 类 类似 未列明 未 列明 material product process processes other
    others provided otherwise apparatus method therefor thereof such like general not e.g i.e any
    their use using used device having covered manufacture manufacturing""".split()  # noqa: SIM905
)


def _stems(found: Iterable[str]) -> Iterator[str]:
    """Yield words with English plurals as their singular."""
    for word in found:
        if len(word) > 3 and word.isascii() and word.endswith("s") and not word.endswith("ss"):
            yield word[:-1]
        else:
            yield word


@cache
def _classes(scheme: str) -> _Classes:
    return _Classes(Scheme(scheme))


def is_known(scheme: str, code: str) -> bool:
    """Say whether a listing may name this class."""
    return code in _classes(scheme).choices


def class_name(scheme: str, code: str, language: str | None = None) -> str:
    """Return the name in the reader's language (or `language`), "" for a code that is none."""
    entry = _classes(scheme).entries.get(code)
    return entry.name(language or get_language() or "zh") if entry else ""


def class_path(scheme: str, code: str, language: str | None = None) -> str:
    """Return the names of what holds a class, the widest first: what tells namesakes apart."""
    chosen = language or get_language() or "zh"
    _own, *above = _classes(scheme).line(code) if is_known(scheme, code) else (None,)
    return " › ".join(entry.name(chosen) for entry in reversed(above) if entry)


def clean_classes(scheme: str, value: object) -> list[str]:
    """Return the codes of a listing as they are stored, from a list or a text with commas.

    A patent's full symbol ("C21D 1/10") counts as its subclass. Raises `ValidationError`.
    """
    if isinstance(value, str):
        value = re.split(r"[,，、;；\n]", value[:500])
    if not isinstance(value, list | tuple) or not all(isinstance(item, str) for item in value):
        raise ValidationError(_("Classes must be a list of codes."))
    known = _classes(scheme).choices
    codes: list[str] = []
    for text in value:
        code = _code(scheme, text)
        if not code:
            continue
        if code not in known:
            raise ValidationError(_unknown(scheme, " ".join(text.split())[:20]))
        codes.append(code)
    codes = list(dict.fromkeys(codes))
    if len(codes) > MANY:
        raise ValidationError(
            _("Please keep to %(limit)d classes; there are %(count)d.")
            % {"limit": MANY, "count": len(codes)}
        )
    return codes


def _code(scheme: str, text: str) -> str:
    code = folded(text[:40]).strip().upper()
    if scheme == Scheme.IPC and (symbol := re.match(r"[A-H]\d\d[A-Z](?=$|[\s\d])", code)):
        return symbol[0]
    return code


def _unknown(scheme: str, code: str) -> str:
    sentence = {
        Scheme.INDUSTRY: _("“%(code)s” is no class of GB/T 4754. One is C3451."),
        Scheme.IPC: _("“%(code)s” is no subclass of the patent classification. One is C21D."),
        Scheme.EMERGING: _("“%(code)s” is no strategic emerging industry. One is 2.1."),
    }[Scheme(scheme)]
    return sentence % {"code": code}


# --- Searching ------------------------------------------------------------------------------


def search_classes(scheme: str, query: str, limit: int = RESULT_LIMIT) -> list[Entry]:
    """Return the classes that a code or words in Chinese or English name, best first.

    Traditional characters count as Simplified. Where no Latin word is known, one that is spelled
    nearly so is taken for it.
    """
    asked = " ".join(folded(query[:QUERY_LIMIT]).split())
    return list(_search(scheme, asked, limit)) if asked else []


@lru_cache(maxsize=2048)
def _search(scheme: str, asked: str, limit: int) -> tuple[Entry, ...]:
    classes = _classes(scheme)
    ranked: dict[str, float] = {}
    code = _code(scheme, asked)
    digits = code if scheme == Scheme.INDUSTRY and code.isdigit() else ""
    parts = asked.split() if asked.isascii() else [*asked.split(), *words(asked)]
    trade = _trade_scores(classes, ((asked, 1.0),), Counter(_stems(words(asked))))
    for known, (zh, en) in classes.names.items():
        score = 0.0
        if known == code or (digits and known[1:] == digits):
            score = 100
        elif known.startswith(code) or (digits and known[1:].startswith(digits)):
            score = 60 - len(known)
        if asked in (zh, en):
            score = max(score, 90)
        elif zh.startswith(asked) or en.startswith(asked):
            score = max(score, 70)
        elif asked in zh or f" {asked}" in en:
            score = max(score, 50)
        elif held := sum(1 for part in parts if part in zh or f" {part}" in f" {en}"):
            score = max(score, 40 * held / len(parts) - 8)
        # No class's name holds 淬火, but everybody in the trade knows where it belongs.
        score += min(20.0, 12 * trade.get(known, 0.0))
        if score > 0:
            # Of equals the wider class, then the shorter name.
            ranked[known] = score - len(known) / 10 - min(len(zh), 60) / 1000
    if not ranked and asked.isascii() and (near := _spelled_nearly(classes, asked)):
        return _search(scheme, near, limit)
    best = sorted(ranked, key=lambda known: (-ranked[known], known))[:limit]
    return tuple(classes.choices[known] for known in best)


def _spelled_nearly(classes: _Classes, asked: str) -> str:
    """Return the known Latin words nearest to what was typed, "" where nothing is near."""
    vocabulary = _latin_words(classes.scheme)
    near = []
    for word in asked.split()[:5]:
        if len(word) < 4:
            continue
        hit = process.extractOne(word, vocabulary, scorer=fuzz.ratio, score_cutoff=80)
        if hit:
            near.append(hit[0])
    again = " ".join(near)
    return again if again != asked else ""


@cache
def _latin_words(scheme: str) -> tuple[str, ...]:
    classes = _classes(scheme)
    found = {word for own in classes.own_words.values() for word in own}
    found |= set(classes.trade)
    return tuple(sorted(word for word in found if word.isascii() and len(word) > 3))


# --- Suggesting -----------------------------------------------------------------------------

# What a word counts for in the title, in what follows it (the summary), and further down.
_PLACES = (3.0, 1.5, 0.5)
_LEAD = 300  # characters that follow the title
# A trade word was put beside its classes by a person, so it counts for more than a name's word.
_TRADE, _NAME = 3.0, 0.35
# Of what speaks for a class, what it counts for in those that it holds.
_INHERITED = (1.0, 0.9, 0.8, 0.5)
# Where technology is traded: hardly a listing is about a bank or a hotel.
_LIKELY = {"A": 0.9, "B": 0.9, "C": 1.0, "D": 0.9, "E": 0.8, "G": 0.7, "I": 0.9, "M": 0.5, "N": 0.9}
_UNLIKELY = 0.3
_LEAST = 1.0


def suggest_classes(text: str, scheme: str, limit: int = 5) -> list[Entry]:
    """Return the classes that a listing's text speaks of, best first; of related ones, one.

    The first line is its title, the second its summary; what stands in front counts for more.
    """
    title, _newline, rest = folded(text[:TEXT_LIMIT]).partition("\n")
    parts = tuple(zip((title, rest[:_LEAD], rest[_LEAD:]), _PLACES, strict=True))
    counts: dict[str, float] = defaultdict(float)
    for part, weight in parts:
        for word in _stems(words(part)):
            if len(word) > 1:
                counts[word] += weight
    classes = _classes(scheme)
    by_trade, by_name = _trade_scores(classes, parts, counts), _name_scores(classes, counts)
    scores: dict[str, float] = {}
    for code in classes.choices:
        score = _NAME * by_name.get(code, 0.0)
        if not score and code not in by_trade:
            continue  # nothing but what speaks for a wider class, and that one is there itself
        for share, entry in zip(_INHERITED, classes.line(code), strict=False):
            score += share * by_trade.get(entry.code, 0.0)
        if scheme == Scheme.INDUSTRY:
            score *= _LIKELY.get(code[0], _UNLIKELY)
        if score >= _LEAST:
            scores[code] = score
    chosen: list[str] = []
    for code in sorted(scores, key=lambda known: (-scores[known], known)):
        if len(chosen) == limit or scores[code] < 0.25 * scores[chosen[0] if chosen else code]:
            break
        if not any(_related(scheme, code, known) for known in chosen):
            siblings = [known for known in chosen if known[:-1] == code[:-1]]
            if len(siblings) < 2:
                chosen.append(code)
    return [classes.choices[code] for code in chosen]


def _related(scheme: str, one: str, other: str) -> bool:
    """Say whether one class holds the other."""
    short, long = sorted((one, other), key=len)
    return any(entry.code == short for entry in _classes(scheme).line(long))


def _trade_scores(
    classes: _Classes, parts: Iterable[tuple[str, float]], counts: Mapping[str, float]
) -> dict[str, float]:
    """Score the classes that the trade's words speak for, in parts of a text with their weights.

    `counts` holds the words of the same parts.
    """
    scores: dict[str, float] = defaultdict(float)
    for word, codes in classes.trade.items():
        if word.isascii():
            said = counts.get(next(_stems([word])), 0.0)
        else:
            # Found by its characters: it may have been cut in two as words.
            said = sum(part.count(word) * weight for part, weight in parts)
        if said:
            for code in codes:
                scores[code] += _TRADE * math.sqrt(min(said, 9) / len(codes))
    return scores


def _name_scores(classes: _Classes, counts: Mapping[str, float]) -> dict[str, float]:
    """Score the classes whose names share words: the rarer the word and the shorter the name."""
    scores: dict[str, float] = defaultdict(float)
    for word, said in counts.items():
        for code in classes.by_word.get(word, ()):
            length = len(classes.own_words[code])
            scores[code] += classes.weights[word] * math.sqrt(min(said, 9) / (3 + length))
    return scores
