"""How good a ranking is: the measures of judged sets, and how sure they are."""

import math

import pytest

from matchmaking.evaluation import metrics
from matchmaking.evaluation.dataset import BrokenSet, read_judgements

GRADES = {"a": 3, "b": 2, "c": 0, "d": 1, "e": 0}


def test_the_ideal_order_has_an_ndcg_of_one():
    assert metrics.ndcg(["a", "b", "d", "c", "e"], GRADES) == pytest.approx(1)


def test_gains_fall_with_the_place_and_grow_with_the_grade():
    ideal = 7 + 3 / math.log2(3) + 1 / 2

    found = metrics.ndcg(["b", "a", "d"], GRADES)

    assert found == pytest.approx((3 + 7 / math.log2(3) + 1 / 2) / ideal)


def test_what_was_not_judged_takes_no_place():
    assert metrics.ndcg(["x", "a", "y", "b", "d"], GRADES) == pytest.approx(1)


def test_what_was_not_returned_ranks_last():
    assert metrics.ndcg(["c", "e"], {"a": 1, "c": 0, "e": 0}) == pytest.approx(1 / 2)


def test_where_nothing_fits_nothing_is_gained():
    assert metrics.ndcg(["a"], {"a": 0}) == 0
    assert metrics.recall(["a"], set()) == 0


def test_recall_counts_no_more_than_have_room():
    assert metrics.recall(["a", "b"], {"a", "b", "c", "d"}, k=2) == 1
    assert metrics.recall(["a", "x"], {"a", "b", "c", "d"}, k=2) == 1 / 2


def test_the_first_right_answer_counts():
    assert metrics.reciprocal_rank(["x", "a", "b"], {"a", "b"}) == 1 / 2
    assert metrics.reciprocal_rank(["x"] * 10 + ["a"], {"a"}) == 0


def test_graded_pools_and_single_answers_are_measured_each_in_its_way():
    graded = metrics.measure({"1": ["a", "b"]}, {"1": GRADES, "2": {"a": 2}})
    single = metrics.measure({"1": ["x", "a"]}, {"1": {"a": 1}, "2": {"b": 1}})

    assert graded.keys() == {"ndcg10", "recall50"}
    assert graded["recall50"] == {"1": 1.0}  # a pool of one orders itself
    assert single == {
        "hit1": {"1": 0.0, "2": 0.0},
        "hit10": {"1": 1.0, "2": 0.0},
        "mrr10": {"1": 0.5, "2": 0.0},
    }


def test_an_interval_holds_the_mean_and_is_the_same_twice():
    found = metrics.interval([0.0, 1.0] * 50)

    assert found == metrics.interval([0.0, 1.0] * 50)
    assert found.mean == 0.5 and found.n == 100
    assert 0.39 < found.low < 0.42 and 0.58 < found.high < 0.61


def test_a_gain_that_every_demand_has_is_sure_though_demands_differ():
    before = {str(n): n / 100 for n in range(50)}
    after = {key: value + 0.01 for key, value in before.items()}

    found = metrics.gain(before, after)

    assert found.low == pytest.approx(0.01) and found.high == pytest.approx(0.01)


def test_a_gain_is_over_what_both_have():
    assert metrics.gain({"a": 0.0, "b": 1.0}, {"a": 1.0, "c": 0.0}).n == 1
    with pytest.raises(ValueError, match="share no demand"):
        metrics.gain({"a": 1.0}, {"b": 1.0})


def test_judgements_are_read_by_demand(tmp_path):
    (tmp_path / "qrels.tsv").write_text(
        "demand_id\tachievement_id\trelevance\nd\ta\t3\nd\tb\t0\ne\ta\t1\n", encoding="utf8"
    )

    assert read_judgements(tmp_path) == {"d": {"a": 3, "b": 0}, "e": {"a": 1}}


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "does not exist"),
        (b"demand_id\trelevance\n", "needs the columns demand_id, achievement_id and relevance"),
        (b"demand_id\tachievement_id\trelevance\nd\ta\thigh\n", "row 2: relevance is a whole"),
        (b"demand_id\tachievement_id\trelevance\nd\ta\t-1\n", "row 2: relevance is a whole"),
        (b"demand_id\tachievement_id\trelevance\nd\ta\t9999\n", "row 2: relevance is a whole"),
        (b"demand_id\tachievement_id\trelevance\nd\ta\n", "row 2: 3 columns are needed"),
        (b"demand_id\tachievement_id\trelevance\nd\ta\t0\n", "judges nothing to be fitting"),
        (b"demand_id\tachievement_id\trelevance\nd\t\xff\t1\n", "is not in UTF-8"),
    ],
)
def test_broken_judgements_get_a_sentence(tmp_path, content, sentence):
    if content is not None:
        (tmp_path / "qrels.tsv").write_bytes(content)

    with pytest.raises(BrokenSet, match=sentence):
        read_judgements(tmp_path)
