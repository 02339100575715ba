"""Which language a text is written in, beside the language of the page that shows it.

What people type stands on pages of either language. A browser, a screen reader and a search
engine have to be told (WCAG 2.2, 3.1.2), or they read Chinese with an English voice. Two scripts
are told apart, by their letters: nothing is guessed about words.
"""

import re
from collections.abc import Iterator

from django.utils.translation import get_language

CHINESE, ENGLISH = "zh-Hans", "en"

_HAN = "\u2e80-\u2fdf\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af"
# Full-width marks and forms belong to a Chinese text as much as its characters.
_MARKS = "\u3000-\u303f\uff01-\uff60\uffe0-\uffe6"
HAN = re.compile(f"[{_HAN}]")
# A Chinese stretch of an English sentence, with the figures and marks inside it.
_RUN = re.compile(rf"[{_HAN}{_MARKS}](?:[{_HAN}{_MARKS}\d·—…“”‘’]*[{_HAN}{_MARKS}])?")
# Three Latin words in a row in a Chinese sentence are somebody's English; two may be a name.
_ENGLISH_RUN = re.compile(r"[A-Za-z][A-Za-z’'-]*(?:,? [A-Za-z][A-Za-z’'-]*){2,}")
_LATIN_WORD = re.compile(r"[A-Za-z]{2,}")
# With no more characters for each Latin word than this a text may be English that names something
# Chinese. An organization's name has about ten.
_CHARACTERS_PER_WORD = 8


def in_english() -> bool:
    """Say whether the page, file or letter that is being written is in English."""
    return (get_language() or "").startswith("en")


def page_language() -> str:
    return ENGLISH if in_english() else CHINESE


def language_of(text: str) -> str:
    """Return the language of a whole text, "" for one of figures, codes and single names.

    A text with any Chinese in it is Chinese: technical Chinese is full of Latin words, and an
    English voice leaves characters out.
    """
    if HAN.search(text):
        return CHINESE
    return ENGLISH if len(_LATIN_WORD.findall(text[:400])) > 1 else ""


def parts(text: str) -> Iterator[tuple[str, str]]:
    """Yield the pieces of a text, each with its language where that is not the page's.

    On an English page a Chinese text is one piece, and of an English sentence with Chinese names
    in it the names are. On a Chinese page a text without any Chinese is foreign, and so is a row
    of English words.
    """
    if not in_english():
        if language_of(text) == ENGLISH:
            yield text, ENGLISH
        else:
            yield from _cut(text, _ENGLISH_RUN, ENGLISH)
        return
    characters = len(HAN.findall(text))
    if characters > _CHARACTERS_PER_WORD * len(_LATIN_WORD.findall(text)):
        yield text, CHINESE
        return
    yield from _cut(text, _RUN, CHINESE)


def _cut(text: str, foreign: re.Pattern[str], language: str) -> Iterator[tuple[str, str]]:
    end = 0
    for run in foreign.finditer(text):
        yield text[end : run.start()], ""
        yield run[0], language
        end = run.end()
    yield text[end:], ""
