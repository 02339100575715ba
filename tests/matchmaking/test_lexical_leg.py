"""A long list is searched by an index of words: it must find what the scan of all rows finds."""

import numpy as np
import pytest
from django.db import connection

from accounts.permissions import Tier
from benchmarks.catalogue import Catalogue
from matchmaking.retrieval import candidates
from matchmaking.retrieval.candidates import Filters, Query, find_candidates
from matchmaking.retrieval.lexical import query_terms, term_id
from matchmaking.retrieval.statistics import load_statistics

pytestmark = pytest.mark.django_db

ROWS = 400


@pytest.fixture
def catalogue(monkeypatch):
    made = Catalogue(ROWS, lambda text: None)
    monkeypatch.setattr(made, "_vectors", lambda *_: None)
    made.write(vacuum=False)
    return made


def found(words, *, tier=Tier.PUBLIC, depth=40):
    terms = query_terms(words, load_statistics("achievement", words, tier=tier))
    none = np.empty((0, 0), np.float32)
    return [
        (one.listing_id, round(one.lexical, 6))
        for one in find_candidates(
            "achievement", Query(none, terms), Filters(None, reader=tier), depth=depth
        )
    ]


@pytest.mark.parametrize("tier", [Tier.PUBLIC, Tier.MEMBERS])
def test_the_index_finds_what_the_scan_finds(catalogue, monkeypatch, tier):
    recalls = []
    for number in range(25):
        words = catalogue.question(number).split()
        monkeypatch.setattr(candidates, "EXACT_BELOW_ROWS", ROWS + 1)
        exact = found(words, tier=tier)
        monkeypatch.setattr(candidates, "EXACT_BELOW_ROWS", 0)
        # As scarce here as 8,000 are among 100,000.
        monkeypatch.setattr(candidates, "POSTINGS", ROWS // 12)
        quick = dict(found(words, tier=tier))
        best = exact[:20]
        recalls.append(sum(pk in quick for pk, _ in best) / len(best))
        # What is found has its exact score.
        assert all(quick.get(pk, score) == score for pk, score in exact)
    assert np.mean(recalls) >= 0.97
    assert min(recalls) >= 0.8


def test_with_room_for_all_words_nothing_is_missed(catalogue, monkeypatch):
    monkeypatch.setattr(candidates, "POSTINGS", 10 * ROWS)
    for number in range(10):
        words = catalogue.question(number).split()
        monkeypatch.setattr(candidates, "EXACT_BELOW_ROWS", ROWS + 1)
        exact = found(words)
        monkeypatch.setattr(candidates, "EXACT_BELOW_ROWS", 0)
        assert found(words) == exact


def test_a_word_of_nearly_all_texts_is_answered_by_the_newest(catalogue, monkeypatch):
    statistics = load_statistics("achievement")
    common = max(catalogue.words, key=lambda word: statistics.frequency.get(term_id(word), 0))
    monkeypatch.setattr(candidates, "EXACT_BELOW_ROWS", 0)
    monkeypatch.setattr(candidates, "POSTINGS", 30)
    answer = found([common], tier=Tier.MEMBERS)
    assert 0 < len(answer) <= 30
    assert all(score > 0 for _, score in answer)


def test_a_comparison_finds_the_best_by_its_rarest_words(catalogue, monkeypatch):
    none = np.empty((0, 0), np.float32)
    recalls = []
    for number in range(15):
        tokens = " ".join(catalogue.question(number + step) for step in range(8)).split()
        query = Query(none, query_terms(tokens, load_statistics("achievement")))
        monkeypatch.setattr(candidates, "EXACT_BELOW_ROWS", ROWS + 1)
        exact = find_candidates("achievement", query, Filters(None), depth=40)[:20]
        monkeypatch.setattr(candidates, "EXACT_BELOW_ROWS", 0)
        monkeypatch.setattr(candidates, "POSTINGS_COMPARED", ROWS // 5)
        quick = {
            one.listing_id: one.score
            for one in find_candidates("achievement", query, Filters(None), depth=40)
        }
        recalls.append(sum(one.listing_id in quick for one in exact) / len(exact))
        assert all(quick.get(one.listing_id, one.score) == one.score for one in exact)
    assert np.mean(recalls) >= 0.9


def test_the_words_of_a_row_are_those_of_its_vector(catalogue):
    with connection.cursor() as cursor:
        cursor.execute("SELECT terms::text, term_ids FROM matchmaking_achievementindex LIMIT 20")
        for terms, ids in cursor.fetchall():
            entries = terms.partition("/")[0].strip("{}").split(",")
            assert sorted(int(entry.partition(":")[0]) - 1 for entry in entries) == sorted(ids)
