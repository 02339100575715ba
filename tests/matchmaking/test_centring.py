"""What all texts of a kind have in common is taken out of their vectors."""

import math

import numpy as np
import pytest

from matchmaking.retrieval.centring import CHANCE, by_chance, centred, pair_scores


def rows(chance, count):
    made = chance.standard_normal((count, 6)).astype(np.float32)
    return made / np.linalg.norm(made, axis=1, keepdims=True)


def test_what_a_language_has_in_common_is_gone_from_each_of_its_rows():
    chance = np.random.default_rng(0)
    centre = rows(chance, 1)[0]
    vectors = rows(chance, 5) * 0.2 + centre

    found = centred(vectors, ["zh"] * 4 + ["en"], {"zh": centre})

    assert np.linalg.norm(found, axis=1) == pytest.approx(np.ones(5), abs=1e-5)
    assert abs(float((found[:4] @ centre).mean())) < float(found[4] @ centre)


def test_a_text_that_says_only_what_all_say_is_near_to_nothing():
    centre = np.array([1, 0, 0], np.float32)

    assert centred(centre[None], ["zh"], {"zh": centre}).tolist() == [[0, 0, 0]]


def test_the_best_of_many_windows_must_be_better_than_one_alone():
    assert by_chance(np.array([1, 2, 64])).tolist() == pytest.approx(
        [0, CHANCE * math.log(2), CHANCE * math.log(64)], abs=1e-6
    )
    asked = np.array([[1, 0]], np.float32)
    same = np.array([[0.6, 0.8], [0.6, 0.8], [0.6, 0.8]], np.float32)

    mean, _best = pair_scores(asked, same, np.array([0, 1]))

    assert mean[0] == pytest.approx(0.6) and mean[1] < mean[0]
