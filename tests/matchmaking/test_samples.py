from itertools import product

from matchmaking.retrieval.samples import sample_texts
from matchmaking.retrieval.windows import language_of


def test_each_side_has_as_many_texts_of_each_language():
    texts = sample_texts()

    counts = {
        (side, written): len(set(texts[side][written]))
        for side, written in product(("demand", "achievement"), ("zh", "en"))
    }

    assert set(counts.values()) == {24}


def test_each_text_is_taken_for_its_language_and_is_read_whole():
    for by_language in sample_texts().values():
        for written, texts in by_language.items():
            assert {language_of(text) for text in texts} == {written}
            assert all(60 <= len(text) <= (150 if written == "zh" else 500) for text in texts)
