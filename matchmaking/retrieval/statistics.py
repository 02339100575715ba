"""Word counts of a corpus, as BM25 reads them."""

from __future__ import annotations

from collections.abc import Iterable

from accounts.permissions import Tier
from matchmaking.models import CorpusStatistics, TermFrequency
from matchmaking.retrieval import lexical

_COUNTS = {Tier.PUBLIC: "public_documents", Tier.MEMBERS: "member_documents"}


def load_statistics(
    corpus: str, tokens: Iterable[str] | None = None, *, tier: Tier = Tier.MANAGERS
) -> lexical.Statistics:
    """Return a corpus's counts ("demand" or "achievement"): all, or those of `tokens` alone.

    They are those of the texts that readers of `tier` read. What a word weighs decides what a
    query finds: a visitor could ask with it whether the word stands in a body.
    """
    row = CorpusStatistics.objects.filter(corpus=corpus).first()
    if row is None:
        return lexical.NO_STATISTICS
    frequency = TermFrequency.objects.filter(corpus=row)
    if tokens is not None:
        frequency = frequency.filter(term__in={lexical.term_id(token) for token in tokens})
    return lexical.Statistics(
        documents=row.documents,
        average_length=row.average_length,
        frequency=dict(frequency.values_list("term", counted_as(tier))),
    )


def counted_as(tier: Tier) -> str:
    """Return the field of `TermFrequency` that counts the texts that readers of `tier` read."""
    return _COUNTS.get(tier, "documents")
