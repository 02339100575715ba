"""What a reader finds, by whom it is asked, and what nobody finds who may not read it."""

import numpy as np
import pytest
from django.conf import settings as project
from django.core.cache import cache
from redis.exceptions import RedisError

from accounts.permissions import Tier
from catalog import search as catalog_search
from catalog.models import Achievement, Demand
from matchmaking.models import EmbeddingModel
from matchmaking.retrieval import asking
from matchmaking.retrieval.asking import encode_in_worker
from matchmaking.retrieval.searching import search
from matchmaking.services import indexing
from matchmaking.tasks import encode_query
from tests.factories import make_achievement, make_demand, make_organization
from tests.fakes import FakeEncoder, Unanswered

pytestmark = pytest.mark.django_db


def index(encoder, *listings):
    for listing in listings:
        indexing.refresh(kind=listing.kind, ids=[listing.pk], encoder=encoder)


@pytest.fixture
def silent(settings):
    """No worker answers, and nobody waits for one."""
    settings.QUERY_ENCODE_TIMEOUT = 0.05


@pytest.fixture
def answering(encoder, monkeypatch):
    """A worker answers at once; returns the list of what it was asked."""
    asked = []

    class Answer:
        def __init__(self, text):
            asked.append(text)
            self._packed = encode_query(text)

        def get(self, timeout, propagate):
            return self._packed

        def successful(self):
            return True

    monkeypatch.setattr(
        asking.current_app, "send_task", lambda name, args, **_: Answer(*args), raising=False
    )
    return asked


def found(words, tier=Tier.MEMBERS, kind="demand"):
    return search(kind, words, tier, 50).ids


# --- What is found ------------------------------------------------------------------------------


def test_listings_are_found_by_meaning_and_words(encoder, answering):
    near = make_demand()
    far = make_demand(
        title="水稻育种", summary="抗倒伏水稻。", body="亩产六百公斤。", keywords=["水稻"]
    )
    index(encoder, near, far)

    result = search("demand", "轴承套圈淬火", Tier.MEMBERS, 50)

    assert result.ids == [near.pk]
    assert (result.by_meaning, result.fallback) == (True, False)


@pytest.mark.parametrize("tier", [Tier.PUBLIC, Tier.MEMBERS, Tier.MANAGERS])
@pytest.mark.parametrize("answers", [True, False])
def test_a_visitor_does_not_find_words_that_stand_only_in_a_body(
    encoder, answering, monkeypatch, tier, answers
):
    if not answers:
        monkeypatch.setattr("matchmaking.retrieval.searching.Question", Unanswered)
    demand = make_demand(body="机密配方含铼百分之三，焊接时开裂。", indicators=[])
    index(encoder, demand)

    secret, public = found("铼 焊接 开裂", tier), found("轴承套圈淬火", tier)

    assert secret == ([] if tier == Tier.PUBLIC else [demand.pk])
    assert public == [demand.pk]


# (tier that the owner chose, who finds by it)
@pytest.mark.parametrize(
    ("chosen", "finders"),
    [
        ("public", [Tier.PUBLIC, Tier.MEMBERS, Tier.MANAGERS]),
        ("members", [Tier.MEMBERS, Tier.MANAGERS]),
        ("managers", [Tier.MANAGERS]),
        ("introduced", []),
    ],
)
@pytest.mark.parametrize("key", ["body", "indicators", "process", "tried"])
@pytest.mark.parametrize("answers", [True, False], ids=["meaning", "words"])
def test_a_field_is_found_by_those_alone_who_may_read_it(
    encoder, answering, monkeypatch, answers, key, chosen, finders
):
    if not answers:
        monkeypatch.setattr("matchmaking.retrieval.searching.Question", Unanswered)
    row = {"name": "铼含量", "op": "ge", "value": "3", "high": "", "unit": "%", "hard": True}
    content = [row] if key == "indicators" else "配方的铼含量是百分之三。"
    demand = make_demand(**{"indicators": [], key: content, "disclosure": {key: chosen}})
    index(encoder, demand)

    assert [tier for tier in list(Tier)[:3] if found("铼含量", tier)] == finders


def test_a_text_that_was_closed_is_found_by_nobody_from_that_moment_on(encoder, answering):
    """The index is made anew some seconds later: until then it is not asked."""
    demand = make_demand(body="机密配方含铼百分之三，焊接时开裂。")
    index(encoder, demand)
    assert found("铼 焊接 开裂", Tier.MEMBERS) == [demand.pk]

    Demand.objects.update(disclosure={"body": "managers"})

    assert found("铼 焊接 开裂", Tier.MEMBERS) == []
    assert indexing.stale("demand", indexing.current_model()).get() == demand
    demand.refresh_from_db()
    index(encoder, demand)
    assert found("铼 焊接 开裂", Tier.MEMBERS) == []
    assert found("铼 焊接 开裂", Tier.MANAGERS) == [demand.pk]
    assert found("轴承套圈淬火", Tier.PUBLIC) == [demand.pk]


@pytest.mark.parametrize("status", ["submitted", "withdrawn", "suspended", "expired"])
def test_what_has_left_is_not_found(encoder, answering, status):
    demand = make_demand()
    index(encoder, demand)
    Demand.objects.update(status=status)

    assert found("轴承套圈淬火") == []


def test_what_is_past_its_last_day_is_not_found(encoder, answering):
    demand = make_demand()
    index(encoder, demand)
    Demand.objects.update(valid_until="2020-01-01")

    assert found("轴承套圈淬火") == []


def test_the_other_list_is_not_searched(encoder, answering):
    index(encoder, make_achievement())

    assert found("淬火", kind="demand") == []
    assert found("淬火", kind="achievement") == [Achievement.objects.get().pk]


def test_words_of_a_new_model_find_what_the_old_one_indexed(encoder, answering, monkeypatch):
    """While 100,000 listings are encoded again, search must not be empty."""
    demand = make_demand()
    index(encoder, demand)
    monkeypatch.setattr("matchmaking.tasks.get_encoder", lambda: FakeEncoder(revision="2"))

    result = search("demand", "轴承套圈淬火", Tier.MEMBERS, 50)

    assert result.by_meaning and result.ids == [demand.pk]


@pytest.mark.parametrize(
    "words",
    [
        "",
        "   ",
        "，。",
        "的",
        "%",
        "'; DROP TABLE catalog_demand; --",
        "🧪",
        "淬" * 5000,
        "a\u202eb",
    ],
)
def test_no_question_breaks_the_search(encoder, answering, words):
    index(encoder, make_demand())

    result = search("demand", words, Tier.PUBLIC, 50)

    assert set(result.ids) <= {Demand.objects.get().pk}


# --- Asking a worker ----------------------------------------------------------------------------


def test_without_a_worker_words_are_found_and_the_page_knows(encoder, silent):
    demand = make_demand()
    index(encoder, demand)

    result = search("demand", "轴承套圈淬火", Tier.MEMBERS, 50)

    assert result.ids == [demand.pk]
    assert (result.by_meaning, result.fallback) == (False, True)


def test_after_no_answer_the_next_reader_does_not_wait(silent, monkeypatch):
    assert encode_in_worker("淬火") is None

    monkeypatch.setattr(asking.current_app, "send_task", None, raising=False)
    assert encode_in_worker("渗碳") is None


def test_the_same_question_is_asked_once(encoder, answering):
    first, again = encode_in_worker("  轴承淬火 "), encode_in_worker("轴承淬火")

    assert answering == ["轴承淬火"]
    assert first.model_id == again.model_id == indexing.current_model().pk
    assert np.array_equal(first.vector, again.vector)
    assert np.isclose(np.linalg.norm(first.vector), 1.0)
    assert len(first.vector) == project.EMBEDDING_DIMENSION


def test_another_current_model_is_asked_anew(encoder, answering, monkeypatch):
    first = encode_in_worker("轴承淬火")
    second = indexing.register_model(FakeEncoder(revision="2"))
    EmbeddingModel.objects.filter(pk=first.model_id).update(state="retired")
    EmbeddingModel.objects.filter(pk=second.pk).update(state="current")
    monkeypatch.setattr("matchmaking.tasks.get_encoder", lambda: FakeEncoder(revision="2"))

    again = encode_in_worker("轴承淬火")

    assert len(answering) == 2
    assert again.model_id == second.pk


def test_what_a_worker_answers_late_is_remembered_under_its_own_model(encoder, answering):
    first = indexing.register_model(encoder)
    second = indexing.register_model(FakeEncoder(revision="2"))
    EmbeddingModel.objects.filter(pk=first.pk).update(state="retired")
    EmbeddingModel.objects.filter(pk=second.pk).update(state="current")

    late = [encode_in_worker("轴承淬火") for _ in range(2)]

    # This worker has not noticed yet: its vectors find what its model has encoded, and wait in
    # the cache for nobody.
    assert {answer.model_id for answer in late} == {first.pk}
    assert len(answering) == 2


def test_a_worker_that_fails_is_no_page_s_failure(encoder, monkeypatch):
    class Failed:
        def get(self, timeout, propagate):
            assert not propagate
            return RuntimeError("the model is gone")

        def successful(self):
            return False

    monkeypatch.setattr(asking.current_app, "send_task", lambda *_, **__: Failed(), raising=False)

    assert encode_in_worker("轴承淬火") is None


def test_a_broker_that_is_away_is_no_page_s_failure(encoder, monkeypatch):
    def away(*_, **__):
        raise ConnectionRefusedError

    monkeypatch.setattr(cache, "get", away)
    demand = make_demand()
    index(encoder, demand)

    assert found("轴承套圈淬火") == [demand.pk]


def test_an_empty_question_is_asked_of_nobody(answering):
    assert encode_in_worker("   ") is None
    assert answering == []


@pytest.mark.django_db(transaction=True)
def test_a_real_worker_answers_with_its_model(encoder):
    """A worker in a thread of this process, over the real broker."""
    from celery.contrib.testing.worker import start_worker

    from config.celery import app

    demand = make_demand(owner=make_organization())
    index(encoder, demand)
    with start_worker(app, perform_ping_check=False, queues=["query"], pool="solo"):
        answer = encode_in_worker("轴承套圈淬火")
        result = search("demand", "轴承套圈淬火", Tier.PUBLIC, 50)

    assert answer is not None and answer.model_id == indexing.current_model().pk
    assert result.by_meaning and result.ids == [demand.pk]


# --- The door that catalog knows ----------------------------------------------------------------


def test_catalog_asks_this_engine(encoder, answering):
    demand = make_demand()
    index(encoder, demand)

    result = catalog_search.find("demand", "轴承套圈淬火", tier=Tier.PUBLIC)

    assert result.ids == [demand.pk] and result.by_meaning


def test_an_answer_counts_though_the_cache_goes_away_meanwhile(encoder, answering, monkeypatch):
    demand = make_demand()
    index(encoder, demand)

    def away(*args, **kwargs):
        raise RedisError

    monkeypatch.setattr(cache, "set", away)
    assert search("demand", "轴承套圈淬火", Tier.MEMBERS, 50).by_meaning


def test_a_cache_that_goes_away_while_a_worker_is_awaited_is_no_failure(
    encoder, silent, monkeypatch
):
    def away(*args, **kwargs):
        raise RedisError

    monkeypatch.setattr(cache, "set", away)
    assert encode_in_worker("淬火") is None
