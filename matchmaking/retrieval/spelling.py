"""Other ways to write a reader's words: plurals, hyphens, standards' numbers, slips of the pen.

Texts are indexed as they are written. So a question is asked in the forms that texts use: the
variants of a word stand together for one word. Which words there are, and which one was meant,
is read off the texts that the reader may read: a slip is never put right with a word that stands
only where they may not look.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

from rapidfuzz import process
from rapidfuzz.distance import DamerauLevenshtein

from accounts.permissions import Tier
from matchmaking.models import CorpusStatistics, LatinWord
from matchmaking.retrieval.lexical import K1, MAX_QUERY_TERMS, Statistics, term_id
from matchmaking.retrieval.statistics import counted_as

_LATIN = re.compile(r"[a-z][a-z-]{2,38}[a-z]")
_STANDARD = re.compile(r"(iso|iec|gb|din|en|astm|jis|ieee|aisi|uns)(\d[\d.-]*)")
# A slip in a short word makes another word; a long one bears two.
SHORT, LONG = 5, 8
# Slips of one question that are looked into.
SLIPS = 5


class Asked(NamedTuple):
    """A question's words, each with its other forms; and what was put right: (typed, meant)."""

    groups: list[tuple[str, ...]]
    corrected: list[tuple[str, str]]


def variants(tokens: Sequence[str]) -> list[tuple[str, ...]]:
    """Return each word followed by the forms in which a text may have it."""
    groups = [[token, *_alone(token)] for token in tokens]
    for place, (token, following) in enumerate(pairwise(tokens)):
        # What a text may have in one word stands for both of these.
        joined = []
        if _LATIN.fullmatch(token) and _LATIN.fullmatch(following):
            joined = [token + following, f"{token}-{following}"]
        elif _STANDARD.fullmatch(token + following):
            joined = [token + following]
        groups[place] += joined
        groups[place + 1] += joined
    return [tuple(dict.fromkeys(group)) for group in groups]


def _alone(token: str) -> list[str]:
    if _LATIN.fullmatch(token):
        return [*_numbers_of(token), *([token.replace("-", "")] if "-" in token else [])]
    standard = _STANDARD.fullmatch(token)
    return [standard[2]] if standard else []


def _numbers_of(word: str) -> list[str]:
    """Return the singular or plurals of an English word, or what would be one."""
    if word.endswith("ies"):
        return [f"{word[:-3]}y"]
    if word.endswith("ss"):
        return [f"{word}es"]
    if word.endswith("s"):
        return [word[:-1], *([word[:-2]] if word.endswith("es") else [])]
    if word.endswith("y"):
        return [f"{word[:-1]}ies", f"{word}s"]
    return [f"{word}s", f"{word}es"]


def put_right(
    kind: str, groups: Sequence[tuple[str, ...]], statistics: Statistics, tier: Tier
) -> Asked:
    """Add to each Latin word that no text has the nearest one that texts have.

    Not in its place: a text that came in since words were counted may have it after all.
    """
    asked: list[tuple[str, ...]] = []
    corrected: list[tuple[str, str]] = []
    for group in groups:
        word = group[0]
        unknown = _LATIN.fullmatch(word) and not _in_texts(group, statistics)
        if unknown and len(word) >= SHORT and len(corrected) < SLIPS:
            meant = _nearest(word, _vocabulary(kind, tier))
            if meant:
                corrected.append((word, meant))
                group = (*group, meant)
        asked.append(group)
    return Asked(asked, corrected)


def _in_texts(group: Iterable[str], statistics: Statistics) -> bool:
    return any(statistics.frequency.get(term_id(form), 0) for form in group)


def _nearest(word: str, vocabulary: Sequence[str]) -> str:
    """Return the word that was meant, "" if none is near enough: the first of equals."""
    most = 2 if len(word) >= LONG else 1
    # Of words that differ by more letters in length nothing can come.
    fitting = [one for one in vocabulary if abs(len(one) - len(word)) <= most]
    hit = process.extractOne(word, fitting, scorer=DamerauLevenshtein.distance, score_cutoff=most)
    return hit[0] if hit else ""


_lock = threading.Lock()
_known: dict[tuple[str, Tier], tuple[object, list[str]]] = {}


def _vocabulary(kind: str, tier: Tier) -> list[str]:
    """Return the Latin words of the texts that `tier` reads, the commonest first.

    Kept in memory until words are counted anew.
    """
    counted = CorpusStatistics.objects.filter(corpus=kind).values_list("built_at", flat=True)
    built_at = counted.first()
    with _lock:
        known = _known.get((kind, tier))
    if known is not None and known[0] == built_at:
        return known[1]
    column = counted_as(tier)
    found = LatinWord.objects.raw(
        "SELECT w.word FROM matchmaking_latinword w JOIN matchmaking_termfrequency f"
        f" ON f.term = w.term AND f.corpus_id = %s WHERE f.{column} > 0"
        f" ORDER BY f.{column} DESC, w.word",
        [kind],
    )
    vocabulary = [row.word for row in found]
    with _lock:
        _known[kind, tier] = built_at, vocabulary
    return vocabulary


def reader_terms(groups: Sequence[tuple[str, ...]], statistics: Statistics) -> dict[int, float]:
    """Return a question's weights by term id, as `lexical.query_terms`: each group is one word.

    Its forms weigh the same, what the commonest of them does: a form that hardly any text has is
    not worth more than the one that all have.
    """
    weights: dict[int, float] = {}
    bound = 0.0
    for group in list(groups)[:MAX_QUERY_TERMS]:
        terms = {term_id(form) for form in group}
        known = [statistics.idf(term) for term in terms if statistics.frequency.get(term, 0)]
        weight = min(known, default=statistics.idf(term_id(group[0])))
        for term in terms:
            weights[term] = weights.get(term, 0.0) + weight
        bound += weight * (K1 + 1)
    return {term: weight / bound for term, weight in weights.items()} if bound > 0 else {}


def latin_words(tokens: Iterable[str]) -> set[str]:
    """Return the words of a text that a slip may be put right with."""
    return {token for token in tokens if len(token) >= SHORT and _LATIN.fullmatch(token)}
