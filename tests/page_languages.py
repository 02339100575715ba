"""What stands on a page in a language that is not the page's: the finder of mixed pages.

On an English page no Chinese character may stand in what a person reads or hears, outside an
element whose `lang` is Chinese. On a Chinese page no English of ours may stand outside one whose
`lang` is English: a text that a catalogue translates, two words in a row of such a text, or a run
of words that has English grammar. Latin names, units and codes belong to Chinese texts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from html.parser import HTMLParser
from itertools import pairwise

from tests.messages import all_translations

CHINESE = re.compile(r"[\u2e80-\u2fdf\u3001-\u3020\u3400-\u4dbf\u4e00-\u9fff\uff01-\uff60]")
# Words on one line with nothing but spaces between them. Addresses and codes are no words.
_RUN = re.compile(r"(?<![\w@./_-])[A-Za-z][a-z’']*(?:[ \u00a0]+[A-Za-z][a-z’']*)+(?![\w@/_])")
_WORD = re.compile(r"[A-Za-z’']+")
_PLACE = re.compile(r"%\(\w+\)[sd]|\{\w*\}|<[^>]*>")
# Whoever writes three words in a row with one of these among them writes English.
_GRAMMAR = set(
    _WORD.findall(
        "a an and are as at be been before but by can cannot for from had has have if in is it its "
        "may more must no not of on or our so than that the their then there these they this to "
        "until was were what when which who will with without you your"
    )
)
_VOID = set(_WORD.findall("area base br col embed hr img input link meta source track wbr"))
# No reader's text: programs, styles, what is typed into a form, and marks of a typist.
_SILENT = {"script", "style", "textarea", "noscript", "template"}
_VERBATIM = {"code", "kbd", "pre", "samp"}
_READ = {"alt", "aria-description", "aria-label", "aria-roledescription", "aria-valuetext"}
_READ |= {"label", "placeholder", "summary", "title"}
_METAS = re.compile(r"description|^(og|twitter):(title|description|site_name|image:alt)$")


@dataclass(frozen=True)
class Stray:
    """A text of the wrong language, and the element or attribute that holds it."""

    text: str
    where: str

    def __str__(self) -> str:
        return f"{self.where}: {self.text}"


@dataclass(frozen=True)
class _Open:
    tag: str
    language: str
    silent: bool
    verbatim: bool


class _Page(HTMLParser):
    """Collects every text with its language: (text, language, where, verbatim)."""

    def __init__(self, language: str) -> None:
        super().__init__(convert_charrefs=True)
        self.texts: list[tuple[str, str, str, bool]] = []
        self._root = _Open("", language, False, False)
        self._open: list[_Open] = []

    @property
    def _here(self) -> _Open:
        return self._open[-1] if self._open else self._root

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        above = self._here
        verbatim = above.verbatim or tag in _VERBATIM or given.get("translate") == "no"
        silent = above.silent or tag in _SILENT
        here = _Open(tag, given.get("lang", above.language), silent, verbatim)
        for name, value in _read_attributes(tag, given):
            self.texts.append((value, here.language, f"{name} of {tag}", verbatim))
        if tag not in _VOID:
            self._open.append(here)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in _VOID:
            self._open.pop()

    def handle_endtag(self, tag: str) -> None:
        for at in range(len(self._open) - 1, -1, -1):
            if self._open[at].tag == tag:
                del self._open[at:]
                return

    def handle_data(self, data: str) -> None:
        here = self._here
        if not here.silent and (text := data.strip()):
            self.texts.append((text, here.language, here.tag, here.verbatim))


def _read_attributes(tag: str, given: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Yield the attributes that a person reads or hears, or that a script puts on the page."""
    for name, value in given.items():
        # What a script may put on the page; a single word there is a name for the script.
        data = name.startswith("data-") and (" " in value or not value.isascii())
        if name in _READ or (data and not value.startswith(("/", "{", "["))):
            yield name, value
        elif tag == "input" and name == "value":
            if given.get("type") in ("submit", "button", "reset"):
                yield name, value
        elif tag == "meta" and name == "content":
            subject = given.get("name", given.get("property", ""))
            if _METAS.search(subject):
                yield f"content of {subject}", value


def _tidy(text: str) -> str:
    return " ".join(text.split())


def _pairs(words: Iterable[str]) -> Iterator[tuple[str, str]]:
    return pairwise(word.casefold() for word in words)


@cache
def _ours() -> tuple[frozenset[str], frozenset[tuple[str, str]]]:
    """Return the texts that have a Chinese form of their own, and their pairs of words."""
    whole: set[str] = set()
    english: set[tuple[str, str]] = set()
    chinese: set[tuple[str, str]] = set()
    for (_context, text), given in all_translations().items():
        forms = (given,) if isinstance(given, str) else given
        if _WORD.search(text) and not any(text.strip() in form for form in forms):
            whole.add(_tidy(text))
        for piece in _PLACE.split(text):
            for part in re.split(r"[^A-Za-z’' \u00a0]+", piece):
                english |= set(_pairs(_WORD.findall(part)))
        for form in forms:
            for run in _RUN.findall(form):
                chinese |= set(_pairs(_WORD.findall(run)))
    return frozenset(whole), frozenset(english - chinese)


def _english_in(text: str) -> str:
    """Return the English of ours in a Chinese text, "" where there is none."""
    whole, pairs = _ours()
    if _tidy(text) in whole:
        return text
    for run in _RUN.findall(text):
        words = _WORD.findall(run)
        if any(pair in pairs for pair in _pairs(words)):
            return str(run)
        if len(words) > 2 and _GRAMMAR & {word.casefold() for word in words}:
            return str(run)
    return ""


def strays_in_text(text: str, language: str, names: Iterable[str] = ()) -> list[Stray]:
    """Find the other language in a plain text, a letter's for instance, which has no `lang`.

    `names` are what people wrote and the text may repeat.
    """
    for name in sorted(names, key=len, reverse=True):
        text = text.replace(name, "")
    if language.startswith("zh"):
        found = [_english_in(line) for line in text.splitlines()]
        return [Stray(one, "text") for one in found if one]
    return [Stray(_tidy(line), "text") for line in text.splitlines() if CHINESE.search(line)]


def strays(page: str, language: str) -> list[Stray]:
    """Find the other language on an HTML page, or a part of one, which is in `language`.

    The page's own `<html lang>` has to agree: a page that says nothing is taken at its word.
    """
    parser = _Page(language)
    parser.feed(page)
    parser.close()
    found = []
    declared = re.search(r"<html[^>]*\blang=\"([^\"]*)\"", page)
    if declared and declared[1].lower()[:2] != language[:2]:
        found.append(Stray(declared[1], "lang of html"))
    for text, own, where, verbatim in parser.texts:
        own = own.lower()
        if language.startswith("zh"):
            if own.startswith("zh") and not verbatim and (english := _english_in(text)):
                found.append(Stray(english, where))
        elif not own.startswith("zh") and CHINESE.search(text):
            found.append(Stray(_tidy(text)[:120], where))
    return list(dict.fromkeys(found))
