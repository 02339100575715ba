"""How a listing's text is cut for an encoder that reads 512 tokens at once."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from accounts.permissions import Tier
from catalog.units import normalize_unit

# Changing how texts are cut makes every stored vector stale: count this up with it, and have a
# migration set `version` of the index rows to 0.
LAYOUT = 2

# One window: some 360 Chinese characters (about 1.2 a token) or 1,440 Latin ones (about 4).
WINDOW_WIDTH = 1440
CHINESE_WIDTH = 4
# 20,000 Chinese characters make 56 windows; what stands behind them changes no ranking.
MAX_WINDOWS = 64

_LETTERS = re.compile(r"[^\W\d_]+")
_SENTENCE = re.compile(r"[^。！？；!?;\n]*(?:[。！？；!?;\n]+|$)")


class Window(NamedTuple):
    """`tier`: the least that may read all of it. `asks`: speaks for a demand's need."""

    text: str
    tier: Tier
    asks: bool = True


class Stream(NamedTuple):
    """A text that is cut into windows of its own, see `Window`."""

    text: str
    tier: Tier
    asks: bool = True


def speaks(text: str) -> bool:
    """Say whether a text has a word: more than signs, emoji, figures and their units.

    Such a text has a vector like any other, near to this and that by accident.
    """
    return any(normalize_unit(word) is None for word in _LETTERS.findall(text))


def width(text: str) -> int:
    """Return about how much of a window a text takes."""
    return sum(CHINESE_WIDTH if char > "⺀" else 1 for char in text)


def language_of(text: str) -> str:
    """Return "zh" for a text with a fair share of Chinese characters, else "en"."""
    letters = sum(char.isalpha() for char in text)
    chinese = sum("\u3400" <= char <= "\u9fff" for char in text)
    # Chinese says in one character what Latin letters say in four.
    return "zh" if chinese * CHINESE_WIDTH > letters - chinese else "en"


def is_foreign(text: str) -> bool:
    """Say whether most letters are neither Chinese nor plain Latin, but Cyrillic or Hangul, say."""
    letters = [char for char in text if char.isalpha()]
    own = sum(char.isascii() or "\u3400" <= char <= "\u9fff" for char in letters)
    return 2 * own < len(letters)


def split_text(text: str, limit: int = WINDOW_WIDTH) -> list[str]:
    """Cut a text into pieces of at most `limit`, at ends of sentences where possible."""
    pieces: list[str] = []
    piece, used = "", 0
    for sentence in _sentences(text, limit):
        size = width(sentence)
        if piece and used + size > limit:
            pieces.append(piece.strip())
            piece, used = "", 0
        piece += sentence
        used += size
    pieces.append(piece.strip())
    return [piece for piece in pieces if piece]


def _sentences(text: str, limit: int) -> list[str]:
    """Return sentences; one that is longer than a window is cut hard."""
    found: list[str] = []
    # At worst every character is Chinese.
    hard = max(1, limit // CHINESE_WIDTH)
    for sentence in _SENTENCE.findall(text):
        if width(sentence) <= limit:
            found.append(sentence)
        else:
            found.extend(sentence[at : at + hard] for at in range(0, len(sentence), hard))
    return found


def repeats(title: str, body: str) -> bool:
    """Say whether a title is only the beginning of its body, as where none was given."""
    beginning = "".join(title.split())
    return "".join(body[: 2 * len(title) + 20].split()).startswith(beginning)


def listing_windows(
    *, title: str, summary: str, keywords: Sequence[str], streams: Sequence[Stream] = ()
) -> list[Window]:
    """Return a listing's windows: first what is public, then title and each stream in pieces.

    A title that is only the beginning of the first stream leads no piece and asks for nothing of
    its own: it would say it twice. A piece without a word is left out.
    """
    streams = [stream for stream in streams if stream.text.strip()]
    derived = bool(streams) and repeats(title, streams[0].text)
    head = "\n".join(part for part in (title, summary, "，".join(keywords)) if part.strip())
    windows = [
        Window(piece, Tier.PUBLIC, asks=not derived) for piece in split_text(head) if speaks(piece)
    ]
    # The title leads each piece: a paragraph alone often does not say what it is about.
    lead = "" if derived else title.strip()[:200]
    room = max(WINDOW_WIDTH - width(lead), WINDOW_WIDTH // 2)
    for stream in streams:
        windows += [
            Window(f"{lead}\n{piece}" if lead else piece, stream.tier, stream.asks)
            for piece in split_text(stream.text, room)
            if speaks(piece)
        ]
    return windows[:MAX_WINDOWS]
