"""Many demands at once: the same scores and the same lists as one question each to the index."""

import math

import numpy as np
import pytest
from scipy import sparse

from matchmaking.models import (
    TERM_DIMENSIONS,
    AchievementIndex,
    DemandIndex,
    encoding_model,
)
from matchmaking.retrieval import blocks
from matchmaking.retrieval.blocks import Asking, Best, Layers, Texts, best_achievements
from matchmaking.retrieval.candidates import BEST_WEIGHT, LEXICAL_WEIGHT, Filters, find_candidates
from matchmaking.retrieval.centring import CHANCE
from matchmaking.services import indexing, matching
from tests.factories import make_achievement, make_demand, make_organization

WORDS = 40


def texts(chance, count, *, first=1, most=4, owners=5):
    """Return `count` listings of up to `most` windows (some of none), with words."""
    counts = chance.integers(0, most + 1, count)
    vectors = chance.standard_normal((counts.sum(), 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    few = sparse.random_array((count, WORDS), density=0.3, dtype=np.float32, rng=chance).tocsr()
    wide = sparse.csr_array((few.data, few.indices, few.indptr), shape=(count, TERM_DIMENSIONS))
    return Texts(
        np.arange(first, first + count),
        chance.integers(0, owners, count),
        np.concatenate(([0], np.cumsum(counts))),
        vectors,
        wide,
    )


def plainly(asking, stored, limit):
    """Score every pair one by one, as docs/retrieval.md says, and sort."""
    found = {}
    shares = asking.terms[:, :WORDS].toarray() @ stored.terms[:, :WORDS].toarray().T
    for d in range(len(asking.listings)):
        ours = asking.vectors[asking.starts[d] : asking.starts[d + 1]]
        scored = []
        for a in range(len(stored.listings)):
            theirs = stored.vectors[stored.starts[a] : stored.starts[a + 1]]
            words = float(shares[d, a])
            if asking.owners[d] == stored.owners[a]:
                continue
            dense = 0.0
            if len(ours) and len(theirs):
                best = (ours @ theirs.T).max(axis=1) - CHANCE * math.log(len(theirs))
                dense = (1 - BEST_WEIGHT) * best.mean() + BEST_WEIGHT * best.max()
            elif words <= 0:
                continue
            scored.append((-(dense + LEXICAL_WEIGHT * words), stored.listings[a]))
        found[asking.listings[d]] = sorted(scored)[:limit]
    return found


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("frequent", [0, 7, 512])
def test_all_pairs_are_scored_as_one_by_one(monkeypatch, seed, frequent):
    monkeypatch.setattr(blocks, "FREQUENT", frequent)
    chance = np.random.default_rng(seed)
    ours = texts(chance, 9)
    listed = [texts(chance, 30, first=1 + 30 * part) for part in range(4)]
    best = Best(Asking(ours), 6)
    for block in listed:
        best.add(block)
    whole = Texts(
        np.concatenate([part.listings for part in listed]),
        np.concatenate([part.owners for part in listed]),
        np.concatenate(
            [
                [0],
                *[
                    part.starts[1:] + sum(len(p.vectors) for p in listed[:number])
                    for number, part in enumerate(listed)
                ],
            ]
        ),
        np.concatenate([part.vectors for part in listed]),
        sparse.csr_array(sparse.vstack([part.terms for part in listed])),
    )

    found = best.found()

    for pk, expected in plainly(ours, whole, 6).items():
        assert [one.listing_id for one in found[pk]] == [listing for _, listing in expected]
        assert [one.score for one in found[pk]] == pytest.approx(
            [-score for score, _ in expected], abs=2e-5
        )


def test_layers_hold_each_window_once_in_its_place():
    layers = Layers.of(np.array([0, 2, 2, 5, 6]))

    assert layers.order.tolist() == [2, 0, 3, 1]
    assert [rows.tolist() for rows in layers.rows] == [[2, 0, 5], [3, 1], [4]]


def test_equal_scores_are_ordered_by_listing_whatever_block_they_are_in():
    chance = np.random.default_rng(1)
    ours = texts(chance, 1, most=0)._replace(starts=np.array([0, 0]))
    same = [
        Texts(
            np.array([pk]),
            np.array([99]),
            np.array([0, 0]),
            np.empty((0, 0), np.float32),
            ours.terms,
        )
        for pk in (1, 2, 3, 4)
    ]
    best = Best(Asking(ours), 2)
    for block in same:
        best.add(block)

    assert [one.listing_id for one in best.found()[1]] == [1, 2]


@pytest.fixture
def town(db, encoder):
    """A few listings of which some share words, one owner has both sides, one has no window."""
    owner = make_organization()
    fields = ["淬火 变形", "齿轮 渗碳", "水稻 育种", "电池 隔膜", "激光 熔覆", "膜 分离 废水"]
    for number, words in enumerate(fields):
        make_demand(title=f"求{words}的工艺{number}", summary=words, body=f"{words}。" * number)
        for other in range(3):
            make_achievement(
                title=f"{words}成套技术{other}",
                summary=f"用于{words}与{fields[(number + other) % 6]}",
                body=f"{words}试验。" * (1 + 40 * other),
                **({"owner": owner} if other == 1 else {}),
            )
    make_demand(owner=owner)
    for kind in ("achievement", "demand"):
        list(indexing.index_all(kind=kind, encoder=encoder))
    return DemandIndex.objects.select_related("listing").order_by("pk")


@pytest.mark.parametrize("cells", [1, 8_000_000])
def test_both_ways_find_the_same(monkeypatch, town, cells):
    monkeypatch.setattr(blocks, "CELLS", cells)
    monkeypatch.setattr(blocks, "LEAST_LISTINGS", 4)
    model = matching.current_id()

    found = best_achievements([index.pk for index in town], model, limit=10)

    assert len(found) == 7
    for index in town:
        alone = find_candidates(
            "achievement",
            matching.demand_query(index, model),
            Filters(model_id=model, exclude_owner=index.listing.owner_id),
            limit=10,
        )
        together = found[index.pk]
        assert [one.listing_id for one in together] == [one.listing_id for one in alone]
        for ours, theirs in zip(together, alone, strict=True):
            assert (ours.dense, ours.best, ours.lexical, ours.score) == pytest.approx(
                (theirs.dense, theirs.best, theirs.lexical, theirs.score), abs=2e-5
            )


def test_a_listing_of_other_tiers_than_indexed_is_not_found(town):
    closed = AchievementIndex.objects.order_by("pk")[0]
    type(closed.listing).objects.filter(pk=closed.pk).update(disclosure={"body": "introduced"})

    found = best_achievements([town[0].pk], matching.current_id(), limit=60)

    listed = {one.listing_id for one in found[town[0].pk]}
    assert closed.pk not in listed and len(listed) == 17


def test_windows_cut_by_other_tiers_than_those_in_force_are_not_looked_at(town):
    encoding = encoding_model("achievement").objects.order_by("pk")[0]
    index = DemandIndex.objects.order_by("pk")[0]
    before = best_achievements([index.pk], encoding.model_id, limit=60)[index.pk]
    encoding_model("achievement").objects.filter(pk=encoding.pk).update(disclosure={"body": "?"})

    after = best_achievements([index.pk], encoding.model_id, limit=60)[index.pk]

    one = encoding.listing_id
    assert {found.listing_id: found for found in before}[one].dense != 0
    assert {found.listing_id: found for found in after}[one].dense == 0
