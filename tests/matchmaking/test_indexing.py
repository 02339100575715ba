"""Bringing vectors and words up to date: once for each text, whatever happens meanwhile."""

import threading

import pytest
from django.conf import settings as project
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from catalog.models import Achievement, Demand
from matchmaking.models import (
    AchievementIndex,
    AchievementVector,
    CorpusStatistics,
    DemandIndex,
    DemandVector,
    EmbeddingModel,
    TermFrequency,
)
from matchmaking.retrieval.lexical import term_id
from matchmaking.services import indexing
from tests.factories import make_achievement, make_demand
from tests.fakes import FakeEncoder

pytestmark = pytest.mark.django_db
ENGINE = project.ENGINE_VERSION


def refresh(encoder, listing):
    return indexing.refresh(kind=listing.kind, ids=[listing.pk], encoder=encoder)


def edit(listing, **fields):
    """Publish a new version, as a review would."""
    type(listing).objects.filter(pk=listing.pk).update(
        version=listing.version + 1, updated_at=timezone.now(), **fields
    )
    listing.refresh_from_db()


def stale(listing, model=None):
    return indexing.stale(listing.kind, model or indexing.current_model())


def test_a_published_listing_gets_vectors_and_words(encoder):
    demand = make_demand()
    assert stale(demand).get() == demand

    assert refresh(encoder, demand) == [demand.pk]

    index = DemandIndex.objects.get(listing=demand)
    assert (index.version, index.problem, index.matched_version) == (1, "", 0)
    assert index.length > 10
    assert term_id("淬火") in index.terms.indices()
    assert term_id("磨削") in index.terms.indices()  # of the body
    assert term_id("磨削") not in index.public_terms.indices()
    windows = DemandVector.objects.filter(listing=demand).order_by("window")
    assert [(row.tier, row.language) for row in windows] == [(0, "zh"), (1, "zh")]
    assert not stale(demand).exists()


def test_the_same_text_is_not_encoded_twice(encoder):
    demand = make_demand()
    refresh(encoder, demand)
    rows = list(DemandVector.objects.values())

    assert refresh(encoder, demand) == [demand.pk]

    assert len(encoder.encoded) == 2
    assert list(DemandVector.objects.values()) == rows


def test_a_new_version_with_the_same_text_is_not_encoded_either(encoder):
    demand = make_demand()
    refresh(encoder, demand)
    edit(demand, trl=5)
    assert stale(demand).get() == demand

    assert refresh(encoder, demand) == [demand.pk]

    assert len(encoder.encoded) == 2
    assert DemandIndex.objects.get().version == 2
    assert not stale(demand).exists()
    assert indexing.unmatched("demand", ENGINE).get() == demand


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("title", "齿轮渗碳层深控制"),
        ("summary", "求渗碳层深的在线检测。"),
        ("body", "齿面渗碳层深不均。"),
        ("keywords", ["渗碳"]),
        ("indicators", []),
    ],
)
def test_a_changed_text_is_encoded_again(encoder, field, value):
    demand = make_demand()
    refresh(encoder, demand)
    before = DemandIndex.objects.get()
    edit(demand, **{field: value})

    refresh(encoder, demand)

    after = DemandIndex.objects.get()
    assert after.version == 2 and after.digest != before.digest
    assert after.terms != before.terms
    assert len(encoder.encoded) == 4
    assert DemandVector.objects.count() == 2


def test_a_text_that_became_shorter_leaves_no_windows_behind(encoder):
    demand = make_demand(body="圆度偏差超过标准，磨削余量大。" * 100)
    refresh(encoder, demand)
    assert DemandVector.objects.count() > 3
    edit(demand, body="圆度偏差超过标准。")

    refresh(encoder, demand)

    assert list(DemandVector.objects.order_by("window").values_list("window", flat=True)) == [0, 1]


def test_a_new_platform_adopts_the_first_model_and_no_other(encoder, settings):
    first = indexing.register_model(encoder)
    second = indexing.register_model(FakeEncoder(revision="2"))

    assert (first.state, first.source) == ("current", settings.EMBEDDING_MODEL)
    assert first.switched_at is not None
    assert second.state == "building"
    assert indexing.current_model() == first


def test_an_encoder_that_is_not_the_current_model_s_writes_nothing(encoder):
    demand = make_demand()
    indexing.register_model(encoder)
    other = FakeEncoder(revision="2")

    assert refresh(other, demand) == []

    assert other.encoded == []
    assert not DemandIndex.objects.exists() and not DemandVector.objects.exists()


def test_a_second_model_s_vectors_lie_beside_the_first_s(encoder):
    demand = make_demand()
    refresh(encoder, demand)
    before = list(DemandVector.objects.order_by("pk").values())
    other = FakeEncoder(revision="2", dimension=48)
    second = indexing.register_model(other)
    assert indexing.unencoded("demand", second).get() == demand

    done = indexing.prepare(kind="demand", ids=[demand.pk], model=second, encoder=other)

    assert done == [demand.pk]
    assert not indexing.unencoded("demand", second).exists()
    assert list(DemandVector.objects.exclude(model=second).order_by("pk").values()) == before
    added = DemandVector.objects.filter(model=second)
    assert {len(row.vector) for row in added} == {48}
    assert not stale(demand).exists()
    indexing.prepare(kind="demand", ids=[demand.pk], model=second, encoder=other)
    assert len(other.encoded) == 2


def test_two_workers_of_a_new_platform_adopt_one_model():
    EmbeddingModel.objects.create(name="first", revision="1", dimension=384, state="current")

    with pytest.raises(IntegrityError), transaction.atomic():
        EmbeddingModel.objects.create(name="second", revision="1", dimension=384, state="current")


def test_a_model_does_not_change_its_dimension(encoder):
    indexing.register_model(encoder)
    encoder.dimension = 7

    with pytest.raises(ValueError, match="384"):
        indexing.register_model(encoder)

    assert EmbeddingModel.objects.get().dimension == 384


@pytest.mark.parametrize("status", ["draft", "submitted", "withdrawn", "expired"])
def test_only_what_is_published_is_indexed(encoder, status):
    demand = make_demand(status=status)

    assert refresh(encoder, demand) == []

    assert not stale(demand).exists()
    assert encoder.encoded == [] and not DemandIndex.objects.exists()


def test_what_is_gone_since_it_was_queued_is_passed_over(encoder):
    assert indexing.refresh(kind="demand", ids=[404], encoder=encoder) == []


def test_a_listing_without_text_is_noted_and_not_asked_again(encoder):
    demand = make_demand(title="", summary="", body="", keywords=[], indicators=[])

    assert refresh(encoder, demand) == [demand.pk]

    assert DemandIndex.objects.get().problem == "empty"
    assert not stale(demand).exists()


def test_a_listing_that_changes_while_it_is_encoded_stays_stale():
    demand, other = make_demand(), make_demand()
    encoder = FakeEncoder(meanwhile=lambda: edit(demand, title="改过的题目"))

    ready = indexing.refresh(kind="demand", ids=[demand.pk, other.pk], encoder=encoder)

    assert ready == [other.pk]
    assert DemandIndex.objects.get().listing == other
    assert stale(demand).get() == demand
    refresh(encoder, demand)
    assert not stale(demand).exists()


@pytest.mark.django_db(transaction=True)
def test_two_runs_at_once_leave_one_set_of_rows():
    achievements = [make_achievement(title=f"感应淬火工艺 {number} 型") for number in range(6)]
    ids = [achievement.pk for achievement in achievements]
    both_encoded = threading.Barrier(2)
    problems = []

    def run(order):
        try:
            # Both have encoded everything before either writes.
            encoder = FakeEncoder(meanwhile=both_encoded.wait)
            assert sorted(indexing.refresh(kind="achievement", ids=order, encoder=encoder)) == ids
        except Exception as error:
            problems.append(error)
        finally:
            connection.close()

    indexing.register_model(FakeEncoder())
    threads = [threading.Thread(target=run, args=(order,)) for order in (ids, ids[::-1])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert problems == []
    assert AchievementIndex.objects.count() == 6
    assert AchievementVector.objects.count() == 12
    assert not indexing.stale("achievement", indexing.current_model()).exists()


# --- Counting words -----------------------------------------------------------------------------


def test_words_are_counted_over_what_is_live(encoder):
    for title in ("轴承淬火", "齿轮淬火", "水稻育种"):
        refresh(encoder, make_achievement(title=title, summary="", body="", keywords=[]))
    Achievement.objects.filter(title="水稻育种").update(status="withdrawn")

    assert indexing.rebuild_statistics("achievement") == 2

    row = CorpusStatistics.objects.get()
    assert (row.corpus, row.documents) == ("achievement", 2)
    counts = dict(TermFrequency.objects.values_list("term", "documents"))
    assert counts[term_id("淬火")] == 2
    assert counts[term_id("轴承")] == 1
    assert term_id("水稻") not in counts


def test_counting_again_replaces_the_counts(encoder):
    refresh(encoder, make_achievement())
    indexing.rebuild_statistics("achievement")
    before = sorted(TermFrequency.objects.values_list("term", "documents"))

    indexing.rebuild_statistics("achievement")

    assert sorted(TermFrequency.objects.values_list("term", "documents")) == before


def test_counts_are_old_once_the_list_has_grown_by_a_tenth(encoder):
    assert not indexing.statistics_are_old("achievement")
    for number in range(10):
        refresh(encoder, make_achievement(title=f"淬火工艺 {number}"))
    assert indexing.statistics_are_old("achievement")
    indexing.rebuild_statistics("achievement")
    assert not indexing.statistics_are_old("achievement")
    refresh(encoder, make_achievement())
    assert not indexing.statistics_are_old("achievement")
    refresh(encoder, make_achievement())
    assert indexing.statistics_are_old("achievement")


def test_demands_follow_the_counts_of_achievements(encoder):
    demand = make_demand()
    refresh(encoder, demand)
    before = DemandIndex.objects.get().query_terms
    for number in range(5):
        refresh(encoder, make_achievement(title=f"淬火工艺 {number}"))

    indexing.rebuild_statistics("achievement")

    assert DemandIndex.objects.get().query_terms != before


def test_a_bulk_load_is_indexed_in_one_go(encoder):
    for _ in range(5):
        make_achievement()
    make_achievement(status="draft")

    done = list(indexing.index_all(kind="achievement", encoder=encoder, size=2))

    assert done == [2, 2, 1]
    assert AchievementIndex.objects.count() == 5
    assert CorpusStatistics.objects.get().documents == 5
    assert Demand.objects.count() == 0
