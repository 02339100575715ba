"""How the vector index goes about a search: by HNSW or by a scan, and what it finds either way."""

from itertools import combinations

import numpy as np
import pytest
from django.db import connection

from accounts.permissions import Tier
from benchmarks.catalogue import Catalogue
from matchmaking import tasks
from matchmaking.retrieval import vectors
from matchmaking.retrieval.centring import centred, load_centres
from matchmaking.retrieval.vectors import PgVectorIndex, Where

pytestmark = pytest.mark.django_db

LISTINGS, QUESTIONS, BEST = 1200, 8, 20
FILTERS = {
    "tier": {"tier": Tier.PUBLIC},
    "Chinese": {"language": "zh"},
    "English": {"language": "en"},
    "section": {"sections": ("C",)},
    "sections": {"sections": ("A", "C", "H")},
    "province": {"provinces": ("33",)},
    "provinces": {"provinces": ("11", "31", "33", "44")},
    "listings": {"listings": list(range(3, LISTINGS, 7))},
    "asks": {"asks": True},
}
PAIRS = {
    f"{one} and {other}": first | second
    for (one, first), (other, second) in combinations(FILTERS.items(), 2)
    if not set(first) & set(second)
}
EVERY = {"none": {}} | FILTERS | PAIRS


@pytest.fixture
def catalogue():
    made = Catalogue(LISTINGS, lambda text: None, words=False)
    made.model = made._model("bench", "1")
    with connection.cursor() as cursor:
        # Windows without listings: only the index is asked.
        cursor.execute("SET LOCAL session_replication_role = replica")
        made._vectors(cursor, made.model)
        made._centres(made.model)
    return made


@pytest.fixture
def index(catalogue):
    """The index with its HNSW, as `prepare` makes it; that needs a transaction of its own."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"CREATE INDEX achievementvector_hnsw_{catalogue.model}"
            " ON matchmaking_achievementvector USING hnsw"
            f" ((vector::halfvec({catalogue.dimension})) halfvec_ip_ops)"
            f" WHERE model_id = {catalogue.model}"
        )
        cursor.execute("ANALYZE matchmaking_achievementvector")
    return PgVectorIndex("achievement", catalogue.model)


@pytest.fixture
def asked(catalogue):
    rows = np.stack([catalogue.vector(number) for number in range(QUESTIONS)])
    return centred(rows, ["zh"] * QUESTIONS, load_centres("demand", catalogue.model))


@pytest.fixture
def long_list(monkeypatch):
    """What holds for hundreds of thousands of rows, for the few of a test."""
    monkeypatch.setattr(vectors, "EXACT_BELOW", 0)
    monkeypatch.setattr(vectors, "UNFELT", 0.0)
    monkeypatch.setattr(vectors, "WIDTH", 20)


def truth(index, vector, conditions):
    """The best listings, found without the database's help."""
    windows = index.fetch(range(1, LISTINGS + 1))
    kept = np.ones(len(windows.listings), dtype=bool)
    where = Where(**conditions)
    if where.tier is not None:
        kept &= windows.tiers <= where.tier
    if where.language:
        kept &= windows.languages == where.language
    if where.listings is not None:
        kept &= np.isin(windows.listings, where.listings)
    similarity = windows.vectors @ vector.astype(np.float16).astype(np.float32)
    best = {}
    for place in np.flatnonzero(kept):
        pk = int(windows.listings[place])
        best[pk] = max(best.get(pk, -1.0), float(similarity[place]))
    return best


def inside(catalogue, best, conditions):
    where = Where(**conditions)
    return {
        pk: similarity
        for pk, similarity in best.items()
        if (not where.sections or catalogue.sections[pk - 1].decode() in where.sections)
        and (not where.provinces or catalogue.provinces[pk - 1].decode() in where.provinces)
    }


def top(best):
    return sorted(best, key=lambda pk: (-best[pk], pk))[:BEST]


@pytest.mark.parametrize("name", list(EVERY))
def test_the_scan_finds_exactly_the_best_under_every_filter(catalogue, index, asked, name):
    expected = inside(catalogue, truth(index, asked[0], EVERY[name]), EVERY[name])

    hits = index.search(asked[0], BEST, Where(**EVERY[name]), exact=True)

    assert len(hits) == min(BEST, len(expected))
    assert [hit.similarity for hit in hits] == sorted((h.similarity for h in hits), reverse=True)
    # Two listings nearer to each other than a half number tells may change places.
    assert len({hit.listing_id for hit in hits} & set(top(expected))) >= len(hits) - 1
    for hit in hits:
        assert hit.similarity == pytest.approx(expected[hit.listing_id], abs=1e-3)


# Listings that are named are always read.
@pytest.mark.parametrize("name", [name for name in EVERY if "listings" not in EVERY[name]])
def test_hnsw_finds_nearly_all_of_them_under_every_filter(
    index, asked, long_list, monkeypatch, name
):
    # However dear, the walk is what is asked here.
    monkeypatch.setattr(vectors, "READ", 1e6)
    monkeypatch.setattr(vectors, "LOOKED_UP", 1e6)
    monkeypatch.setattr(vectors, "WIDTH", 400)
    where = Where(**EVERY[name])
    assert not index.plan(3 * BEST, where).exact
    recalls = []
    for vector in asked:
        exact = {hit.listing_id for hit in index.search(vector, BEST, where, exact=True)}
        found = {hit.listing_id for hit in index.search(vector, BEST, where)}
        recalls.append(len(found & exact) / max(1, len(exact)))
    assert np.mean(recalls) >= 0.97


@pytest.mark.parametrize(
    "conditions",
    [
        {"sections": ("C",), "provinces": ("33",)},
        {"provinces": ("33",)},
        {"listings": [5, 7, 11]},
        {"language": "en", "provinces": ("33",)},
        # Nothing in it at all: HNSW would walk through everything.
        {"language": "de"},
    ],
)
def test_where_the_filters_leave_little_all_of_that_is_read(index, long_list, conditions):
    assert index.plan(5, Where(**conditions)).exact


@pytest.mark.parametrize("conditions", [{}, {"tier": Tier.PUBLIC}, {"language": "zh"}])
def test_where_they_leave_most_the_index_is_walked(index, long_list, conditions):
    assert not index.plan(5, Where(**conditions)).exact


def test_a_short_list_is_read_through(index):
    assert index.plan(5).exact


def test_without_a_finished_index_the_list_is_read_through(catalogue, long_list, asked):
    index = PgVectorIndex("achievement", catalogue.model)
    assert index.plan(5).exact
    assert len(index.search(asked[0], BEST)) == BEST


def test_a_list_that_nobody_has_counted_is_read_through(index, long_list):
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE pg_class SET reltuples = -1 WHERE relname = 'matchmaking_achievementvector'"
        )
    assert index.plan(5).exact


def test_a_walk_that_finds_too_little_is_followed_by_a_scan(index, asked, long_list, monkeypatch):
    """Statistics are a guess, and what is near may be of another kind than what is asked for."""
    monkeypatch.setattr(PgVectorIndex, "_estimate", lambda *_: 2.0 * LISTINGS)
    where = Where(language="en", provinces=("33",), sections=("C",))
    assert not index.plan(50, where).exact

    hits = index.search(asked[0], 50, where)

    assert hits == index.search(asked[0], 50, where, exact=True)
    assert 0 < len(hits) < 50


def test_what_a_walk_sets_holds_for_that_search_alone(index, asked, long_list):
    index.search(asked[0], BEST)
    with connection.cursor() as cursor:
        for setting in ("enable_seqscan", "enable_bitmapscan", "enable_sort"):
            cursor.execute(f"SHOW {setting}")
            assert cursor.fetchone() == ("on",)


def test_one_listing_with_many_windows_takes_one_place(index, asked, long_list):
    hits = index.search(asked[0], 200)
    assert len(hits) == len({hit.listing_id for hit in hits}) == 200


def test_more_than_there_is_gives_all_there_is(index, asked, long_list):
    assert len(index.search(asked[0], 10 * LISTINGS)) == LISTINGS
    assert index.search(asked[0], 5, Where(listings=[])) == []


@pytest.mark.django_db(transaction=True)
def test_a_long_list_gets_its_index_once_and_loses_it_with_the_model(monkeypatch):
    monkeypatch.setattr(vectors, "EXACT_BELOW", 100)
    made = Catalogue(100, lambda text: None, words=False)
    made.model = made._model("bench", "1")
    index = PgVectorIndex("achievement", made.model)
    assert not index.prepare()  # there is nothing yet
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        made._vectors(cursor, made.model)
        cursor.execute("RESET session_replication_role")

    assert index.prepare()
    assert not index.prepare()
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE matchmaking_achievementvector")
    monkeypatch.setattr(vectors, "UNFELT", 0.0)
    monkeypatch.setattr(vectors, "READ", 1e6)
    assert not index.plan(5).exact

    index.drop()
    assert index.plan(5).exact
    assert index.count() == 0


def test_a_list_that_has_grown_is_prepared_when_its_words_are_counted(monkeypatch):
    prepared = []
    monkeypatch.setattr(
        PgVectorIndex, "prepare", lambda index: prepared.append((index.kind, index.model_id))
    )
    model = Catalogue(2, lambda text: None, words=False)._model("bench", "1")

    tasks.rebuild_statistics("achievement")

    assert prepared == [("achievement", model)]
