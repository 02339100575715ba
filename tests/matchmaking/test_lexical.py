"""Words and their weights: what BM25 becomes as an inner product of two sparse vectors."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.words import words
from matchmaking.models import TERM_DIMENSIONS
from matchmaking.retrieval.lexical import (
    K1,
    MAX_QUERY_TERMS,
    MAX_TERMS,
    NO_STATISTICS,
    Statistics,
    document_terms,
    query_terms,
    term_id,
)


def score(query, document, statistics=NO_STATISTICS):
    asked = query_terms(words(query), statistics)
    found = document_terms(words(document), statistics.average_length)
    return sum(weight * found.get(term, 0.0) for term, weight in asked.items())


def test_chinese_and_latin_words_are_cut_and_folded():
    assert words("双感应器同步淬火 Induction HARDENING") == words(
        "雙感應器同步淬火 induction hardening"
    )
    assert "淬火" in words("同步淬火工艺")
    assert {"induction", "hardening"} <= set(words("Induction HARDENING"))


def test_wide_letters_and_digits_are_the_narrow_ones():
    assert words("ＰＬＣ　３８０Ｖ") == words("PLC 380V")


@pytest.mark.parametrize("text", ["", "   ", "，。！？", "的 了 和 the of", "🧪🧪", "\x00\x01"])
def test_a_text_that_says_nothing_has_no_words(text):
    assert words(text) == []
    assert document_terms(words(text), 100.0) == query_terms(words(text), NO_STATISTICS) == {}


def test_a_word_is_the_same_number_everywhere():
    assert term_id("淬火") == 28589770
    assert 0 <= term_id("quenching") < TERM_DIMENSIONS


def test_a_rare_word_weighs_more_than_a_common_one():
    counts = {term_id("淬火"): 90, term_id("软带"): 2}
    statistics = Statistics(documents=100, average_length=10.0, frequency=counts)

    weights = query_terms(["淬火", "软带"], statistics)

    assert weights[term_id("软带")] > 5 * weights[term_id("淬火")]


def test_idf_is_never_negative_even_where_counts_are_behind():
    statistics = Statistics(documents=3, average_length=10.0, frequency={1: 50})

    assert statistics.idf(1) > 0
    assert math.isfinite(statistics.idf(2))


def test_the_more_of_a_question_stands_in_a_text_the_higher_it_scores():
    question = "轴承套圈淬火变形"

    assert (
        score(question, "轴承套圈淬火变形控制工艺")
        > score(question, "齿轮淬火")
        > score(question, "水稻育种")
        == 0
    )


def test_a_short_text_scores_higher_than_a_long_one_that_says_it_once():
    filler = "、".join(f"第{number}种设备" for number in range(300))

    assert score("淬火", "淬火工艺") > score("淬火", f"淬火工艺{filler}")


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=300), st.text(max_size=300))
def test_a_score_lies_between_nothing_and_one(query, document):
    assert 0.0 <= score(query, document) <= 1.0 + 1e-9


def test_a_huge_text_is_bounded():
    tokens = [f"w{number}" for number in range(MAX_TERMS * 2)]

    assert len(document_terms(tokens, 100.0)) <= MAX_TERMS
    assert len(query_terms(tokens, NO_STATISTICS)) <= MAX_QUERY_TERMS
    assert len(words("淬火工艺" * 50_000)) < 40_000


def test_saturation_stays_below_its_bound():
    [weight] = document_terms(["淬火"] * 10_000, 100.0).values()

    assert 0 < weight < K1 + 1
