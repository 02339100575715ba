"""From one language model to another: built beside, switched at once, and back as fast."""

import threading
from contextlib import contextmanager

import numpy as np
import pghistory
import pytest
from django.core.cache import cache
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.urls import reverse

from accounts.permissions import Tier
from catalog.models import Achievement, Demand
from matchmaking import tasks
from matchmaking.management.commands import embedding_models
from matchmaking.models import (
    AchievementEncoding,
    Centre,
    DemandEncoding,
    DemandIndex,
    EmbeddingModel,
    Match,
)
from matchmaking.retrieval import encoders, vectors
from matchmaking.retrieval.asking import encode_in_worker
from matchmaking.retrieval.candidates import Filters, Query, find_candidates
from matchmaking.retrieval.encoders import BrokenVector, EncoderUnavailable
from matchmaking.retrieval.vectors import vector_index
from matchmaking.services import indexing, matching, upgrading
from matchmaking.services.upgrading import Paced, UpgradeRefused
from tests.factories import make_achievement, make_demand, make_operator, make_review
from tests.fakes import FakeEncoder

pytestmark = pytest.mark.django_db
QUERIES = 26


class Models:
    """The encoders of a machine by revision, as its workers load them."""

    def __init__(self):
        self.by_revision = {"1": FakeEncoder(), "2": FakeEncoder(revision="2", dimension=48)}

    def encoder(self, model=None):
        model = model or EmbeddingModel.objects.current()
        return self.by_revision["1" if model is None else model.revision]


@pytest.fixture
def machine(monkeypatch, settings):
    settings.MATCH_FLOOR = 0.0
    models = Models()
    monkeypatch.setattr("matchmaking.tasks.get_encoder", models.encoder)
    monkeypatch.setattr(embedding_models, "get_encoder", models.encoder)
    monkeypatch.setattr(upgrading, "load", lambda source: models.by_revision[source])
    return models


@pytest.fixture
def eager(machine):
    from config.celery import app

    before = app.conf.task_always_eager, app.conf.task_eager_propagates
    app.conf.task_always_eager, app.conf.task_eager_propagates = True, True
    yield
    app.conf.task_always_eager, app.conf.task_eager_propagates = before


@pytest.fixture
def town(eager):
    """A platform that works with its first model: two demands, three achievements, matched."""
    for number in range(3):
        make_achievement(title=f"套圈感应淬火工艺 {number} 型")
    make_demand(), make_demand(title="齿轮渗碳层深控制")
    sweep()
    return EmbeddingModel.objects.get(state="current")


def sweep():
    for _ in range(2):
        cache.clear()
        tasks.sweep()


def run(*arguments, capsys=None, **options):
    if capsys is not None:
        capsys.readouterr()  # what earlier steps said
    call_command("embedding_models", *map(str, arguments), **options)
    return "" if capsys is None else capsys.readouterr().out


def built():
    """Add the second model and build it."""
    run("add", "2")
    model = EmbeddingModel.objects.get(revision="2")
    run("build", model.pk)
    model.refresh_from_db()
    return model


def edit(listing, **fields):
    """Publish a new version, as a review would."""
    type(listing).objects.filter(pk=listing.pk).update(version=listing.version + 1, **fields)
    listing.refresh_from_db()
    pghistory.create_event(listing, label="revision")


def models_of_vectors():
    return {
        kind: set(vectors.vector_model(kind).objects.values_list("model__revision", flat=True))
        for kind in ("demand", "achievement")
    }


# --- Adding -------------------------------------------------------------------------------------


def test_a_model_is_added_under_a_number_and_changes_nothing_yet(town, capsys):
    said = run("add", "2", capsys=capsys)

    model = EmbeddingModel.objects.get(revision="2")
    assert (model.state, model.dimension, model.source) == ("building", 48, "2")
    assert f"number {model.pk}: vectors of 48 numbers" in said
    assert indexing.current_model() == town
    assert not indexing.stale("demand", town).exists()


def test_a_model_that_is_there_is_not_added_again(town):
    with pytest.raises(CommandError, match=f"number {town.pk} already"):
        run("add", "1")

    assert EmbeddingModel.objects.count() == 1


class Odd(FakeEncoder):
    """An encoder whose vectors are made otherwise."""

    def __init__(self, change, **options):
        super().__init__(revision="2", **options)
        self._change = change

    def _encode(self, texts):
        return self._change(super()._encode(texts))


def broken(rows):
    raise BrokenVector("The model fake gave no usable vector for text number 3.", [2], rows)


def lost(rows):
    raise EncoderUnavailable("The model fake gives no usable vectors.")


@pytest.mark.parametrize(
    ("encoder", "sentence"),
    [
        (Odd(lambda rows: rows * np.nan), "no unit vectors"),
        (Odd(lambda rows: rows * 3), "no unit vectors"),
        (Odd(lambda rows: rows * 0), "no unit vectors"),
        (Odd(lambda rows: np.repeat(rows[:1], len(rows), axis=0)), "all questions the same"),
        (Odd(lambda rows: rows[:, :7]), r"384 numbers, but for 8 questions .* \(8, 7\)"),
        (Odd(lambda rows: rows[:3]), r"an array of the shape \(3, 384\)"),
        (Odd(broken), "no usable vector for text number 3"),
        (Odd(lost), "gives no usable vectors"),
        (FakeEncoder(revision="2", dimension=4001), "at most 4000 can be searched"),
    ],
)
def test_a_model_whose_vectors_are_no_use_gets_a_sentence(town, machine, encoder, sentence):
    machine.by_revision["2"] = encoder

    with pytest.raises(CommandError, match=sentence):
        run("add", "2")

    assert EmbeddingModel.objects.count() == 1


def test_a_folder_that_is_not_there_gets_a_sentence(tmp_path):
    with pytest.raises(CommandError, match="does not exist"):
        run("add", tmp_path / "nothing")


def test_a_folder_without_a_model_gets_a_sentence(tmp_path):
    with pytest.raises(CommandError, match="holds no model"):
        run("add", tmp_path)


def test_weights_that_were_not_copied_whole_get_a_sentence(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "model.safetensors").write_bytes(b"cut off")

    with pytest.raises(CommandError, match=r"is damaged: model\.safetensors"):
        run("add", tmp_path)


def test_settings_that_are_no_json_get_a_sentence(tmp_path):
    (tmp_path / "config.json").write_text("{")

    with pytest.raises(CommandError, match=r"is damaged: config\.json is no JSON"):
        run("add", tmp_path)


# --- Building -----------------------------------------------------------------------------------


def test_a_second_model_is_built_beside_the_first(town):
    model = built()

    assert model.state == "ready"
    assert models_of_vectors() == {"demand": {"1", "2"}, "achievement": {"1", "2"}}
    assert set(Centre.objects.filter(model=model).values_list("corpus", flat=True)) == {
        "demand",
        "achievement",
    }
    assert indexing.current_model() == town
    assert not indexing.stale("demand", town).exists()
    assert not indexing.unmatched("demand", "3").filter(pk__lt=0).exists()


def test_a_build_that_was_broken_off_goes_on_where_it_stopped(town, machine):
    run("add", "2")
    model = EmbeddingModel.objects.get(revision="2")
    encoder = machine.by_revision["2"]
    going = upgrading.build(model, encoder, batch=2)
    assert next(going) == 2
    going.close()
    assert upgrading.progress(model).done == 2
    first = list(encoder.encoded)
    encoder.encoded.clear()

    assert list(upgrading.build(model, encoder, batch=2)) == [1, 2]

    assert not set(encoder.encoded) & {text for text in first if "型" in text}
    assert upgrading.progress(model).missing == 0


def test_what_changes_while_it_is_built_is_done_again(town, machine):
    run("add", "2")
    model = EmbeddingModel.objects.get(revision="2")
    first = Achievement.objects.earliest("pk")
    going = upgrading.build(model, machine.by_revision["2"], batch=1)
    next(going)
    edit(first, title="另一种工艺")
    added = make_achievement()

    assert sum(going) == 6  # two more achievements, two demands, and what is new since

    assert upgrading.progress(model) == (6, 6, pytest.approx(upgrading.progress(model).rate, 9))
    assert AchievementEncoding.objects.filter(model=model, listing=added).exists()
    assert AchievementEncoding.objects.get(model=model, listing=first).version == 2


def test_a_build_with_nothing_to_do_makes_the_model_ready(town, machine):
    model = built()
    machine.by_revision["2"].encoded.clear()

    run("build", model.pk)

    assert machine.by_revision["2"].encoded == []
    assert upgrading.progress(model).missing == 0


def test_a_build_says_how_far_it_is(town, machine):
    run("add", "2")
    model = EmbeddingModel.objects.get(revision="2")
    assert upgrading.progress(model) == (5, 0, 0.0)
    assert upgrading.progress(model).seconds_left is None
    next(upgrading.build(model, machine.by_revision["2"], batch=3))

    seen = upgrading.progress(model)

    assert (seen.total, seen.done) == (5, 3)
    assert seen.rate > 0 and seen.seconds_left == pytest.approx(2 / seen.rate)


def test_a_rate_leaves_time_to_others():
    time, slept = [0.0], []
    paced = Paced(FakeEncoder(), 10, clock=lambda: time[0], sleep=slept.append)

    assert paced.encode_passages(["淬火", "渗碳", "磨削"]).shape == (3, 384)
    assert paced.encode_queries(["淬火"]).shape == (1, 384)

    assert slept == pytest.approx([0.3, 0.1])
    assert paced.count_tokens("淬火") == 1


def test_what_took_longer_than_its_share_waits_no_more():
    clock = iter([0.0, 9.0])
    slept = []
    paced = Paced(FakeEncoder(), 10, clock=lambda: next(clock), sleep=slept.append)

    paced.encode_passages(["淬火"])

    assert slept == [0.0]


@pytest.mark.parametrize("rate", ["0", "-1", "nan", "inf", "fast"])
def test_a_rate_that_is_none_is_refused(town, rate):
    with pytest.raises(CommandError, match="is no number above 0"):
        run("build", "1", "--rate", rate)


@pytest.mark.parametrize("number", ["0", "-1", "x", "99999999999999"])
def test_a_number_that_is_none_is_refused(town, number):
    with pytest.raises(CommandError):
        run("build", number)


def test_an_unknown_number_gets_a_sentence(town):
    with pytest.raises(CommandError, match="no model number 4711"):
        run("switch", "4711")


@pytest.mark.django_db(transaction=True)
def test_two_do_not_build_the_same_model_at_once(machine):
    make_achievement()
    indexing.register_model(machine.by_revision["1"])
    run("add", "2")
    model = EmbeddingModel.objects.get(revision="2")
    refused = []

    def second():
        try:
            list(upgrading.build(model, FakeEncoder(revision="2", dimension=48), batch=1))
        except UpgradeRefused as error:
            refused.append(str(error))
        finally:
            connection.close()

    going = upgrading.build(model, machine.by_revision["2"], batch=1)
    next(going)
    thread = threading.Thread(target=second)
    thread.start()
    thread.join()
    list(going)

    assert refused == [f"{model} is being built by another process."]
    assert upgrading.progress(model).missing == 0


@pytest.mark.django_db(transaction=True)
def test_a_built_model_has_an_index_of_its_own_and_a_removed_one_has_none(machine, monkeypatch):
    monkeypatch.setattr(vectors, "EXACT_BELOW", 1)
    make_achievement()
    indexing.register_model(machine.by_revision["1"])

    model = built()

    assert vector_index("achievement", model.pk)._has_hnsw()
    run("remove", model.pk)
    assert not vector_index("achievement", model.pk)._has_hnsw()
    assert not EmbeddingModel.objects.filter(pk=model.pk).exists()


def test_the_sweep_keeps_a_ready_model_up_to_date(town):
    model = built()
    edit(Demand.objects.earliest("pk"), title="改过的题目")
    make_achievement()
    assert upgrading.progress(model).missing == 2

    sweep()

    assert upgrading.progress(model).missing == 0
    assert indexing.current_model() == town
    assert not indexing.stale("demand", town).exists()


def test_the_sweep_leaves_a_model_alone_that_is_being_built(town):
    run("add", "2")

    sweep()

    assert models_of_vectors() == {"demand": {"1"}, "achievement": {"1"}}


def test_workers_hold_what_is_current_or_ready_and_let_go_of_the_rest(monkeypatch, town):
    loaded = []

    def load(source, *, name, revision):
        loaded.append(revision)
        return FakeEncoder(revision=revision, dimension=48 if revision == "2" else 384)

    for name in ("_held", "_adopted", "_failures"):
        monkeypatch.setattr(encoders, name, {})
    monkeypatch.setattr(encoders, "load_encoder", load)
    encoders.keep_encoders()
    assert set(encoders._held) == {("fake", "1")}
    model = built()

    encoders.keep_encoders()
    assert set(encoders._held) == {("fake", "1"), ("fake", "2")}
    run("switch", model.pk)
    assert encoders.get_encoder().revision == "2"
    encoders.keep_encoders()

    assert set(encoders._held) == {("fake", "2")}
    assert loaded == ["1", "2"]


def test_a_ready_model_that_a_machine_does_not_have_is_no_reason_to_stop(monkeypatch, town):
    def load(source, *, name, revision):
        if revision == "2":
            raise EncoderUnavailable("The folder is not on this machine.")
        return FakeEncoder(revision=revision)

    for name in ("_held", "_adopted", "_failures"):
        monkeypatch.setattr(encoders, name, {})
    model = built()
    monkeypatch.setattr(encoders, "load_encoder", load)

    encoders.keep_encoders()

    assert set(encoders._held) == {("fake", "1")}
    run("switch", model.pk)
    with pytest.raises(EncoderUnavailable, match="not on this machine"):
        encoders.keep_encoders()
    # What it has is the former model, which is nobody's to ask any more.
    with pytest.raises(EncoderUnavailable, match="not on this machine"):
        encoders.get_encoder()


def test_a_model_of_another_dimension_than_it_had_is_not_used(monkeypatch, town):
    for name in ("_held", "_adopted", "_failures"):
        monkeypatch.setattr(encoders, name, {})
    monkeypatch.setattr(encoders, "load_encoder", lambda *_, **__: FakeEncoder(dimension=48))

    with pytest.raises(EncoderUnavailable, match="48 numbers, but the platform has it with 384"):
        encoders.get_encoder()


# --- Going over ---------------------------------------------------------------------------------


def test_a_switch_makes_the_other_model_current_at_once(town, capsys):
    model = built()

    said = run("switch", model.pk, capsys=capsys)

    town.refresh_from_db()
    assert indexing.current_model() == model
    assert (town.state, EmbeddingModel.objects.get(pk=model.pk).switched_at is None) == (
        "retired",
        False,
    )
    assert "is the current model" in said and "by words alone" not in said
    assert not indexing.stale("demand", indexing.current_model()).exists()
    assert not indexing.stale("achievement", indexing.current_model()).exists()


def test_after_a_switch_demands_are_matched_again_and_nothing_is_encoded(town, machine):
    model = built()
    before = dict(Match.objects.values_list("pk", "score"))
    for encoder in machine.by_revision.values():
        encoder.encoded.clear()
    run("switch", model.pk)
    assert indexing.unmatched("demand", DemandIndex.objects.first().matched_engine).count() == 2
    assert not indexing.unmatched(
        "achievement", DemandIndex.objects.first().matched_engine
    ).exists()

    sweep()

    assert set(Match.objects.values_list("model__revision", flat=True)) == {"2"}
    assert set(DemandIndex.objects.values_list("matched_model__revision", flat=True)) == {"2"}
    assert dict(Match.objects.values_list("pk", "score")) != before
    assert machine.by_revision["1"].encoded == []


def test_questions_are_asked_with_the_new_model_at_once(town, monkeypatch):
    from matchmaking.retrieval import asking

    class Answer:
        def __init__(self, text):
            self._packed = tasks.encode_query(text)

        def get(self, timeout, propagate):
            return self._packed

        def successful(self):
            return True

    monkeypatch.setattr(
        asking.current_app, "send_task", lambda name, args, **_: Answer(*args), raising=False
    )
    model = built()
    assert encode_in_worker("轴承淬火").model_id == town.pk
    run("switch", model.pk)

    answer = encode_in_worker("轴承淬火")

    assert answer.model_id == model.pk and len(answer.vector) == 48


def test_a_switch_is_refused_while_listings_are_missing(town):
    model = built()
    make_achievement(), make_demand()

    with pytest.raises(CommandError, match=rf"2 of 7 listings .* build {model.pk}"):
        run("switch", model.pk)

    assert indexing.current_model() == town


def test_a_forced_switch_says_what_is_missing_and_workers_make_up_for_it(town, capsys):
    model = built()
    late = make_achievement()

    said = run("switch", model.pk, "--force", capsys=capsys)

    assert "1 listings are found by words alone" in said
    assert indexing.stale("achievement", indexing.current_model()).get() == late
    sweep()
    assert not indexing.stale("achievement", indexing.current_model()).exists()
    assert Match.objects.filter(achievement=late, model=model).exists()


def test_a_demand_that_the_new_model_has_not_encoded_waits(town):
    model = built()
    late = make_demand()
    indexing.refresh(kind="demand", ids=[late.pk], encoder=FakeEncoder())
    run("switch", model.pk, "--force")

    assert matching.match_demand(demand_id=late.pk) is None

    assert late not in indexing.unmatched("demand", "")


def test_a_build_that_has_not_come_to_its_end_is_not_switched_to(town, machine):
    run("add", "2")
    model = EmbeddingModel.objects.get(revision="2")
    for kind in ("achievement", "demand"):
        ids = list(indexing.LISTINGS[kind].objects.values_list("pk", flat=True))
        indexing.prepare(kind=kind, ids=ids, model=model, encoder=machine.by_revision["2"])

    with pytest.raises(CommandError, match="has not come to its end"):
        run("switch", model.pk)


def test_the_current_model_is_not_switched_to(town):
    with pytest.raises(CommandError, match="is the current model already"):
        run("switch", town.pk)


def test_a_worker_that_still_has_the_former_model_writes_nothing(town, machine):
    model = built()
    run("switch", model.pk)
    edited = Demand.objects.earliest("pk")
    edit(edited, title="改过的题目")
    former = machine.by_revision["1"]
    former.encoded.clear()

    assert indexing.refresh(kind="demand", ids=[edited.pk], encoder=former) == []

    assert former.encoded == []
    assert DemandEncoding.objects.get(listing=edited, model=town).version == 1
    assert indexing.stale("demand", indexing.current_model()).get() == edited


def test_a_worker_whose_model_is_retired_while_it_encodes_spoils_nothing(town, machine):
    model = built()
    edited = Demand.objects.earliest("pk")
    edit(edited, title="改过的题目")
    slow = FakeEncoder(meanwhile=lambda: upgrading.switch(model, force=True))

    indexing.refresh(kind="demand", ids=[edited.pk], encoder=slow)

    # Its rows are of the former model, and the listing is still to be encoded by the new one.
    assert DemandEncoding.objects.get(listing=edited, model=model).version == 1
    assert indexing.stale("demand", indexing.current_model()).get() == edited


@pytest.mark.django_db(transaction=True)
def test_nobody_sees_half_of_a_switch(machine):
    make_achievement(), make_demand()
    first = indexing.register_model(machine.by_revision["1"])
    for kind in ("achievement", "demand"):
        list(indexing.index_all(kind=kind, encoder=machine.by_revision["1"]))
    model = built()
    demand = Demand.objects.get()
    moved, looked = threading.Event(), threading.Event()
    problems = []

    def switch():
        try:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(upgrading, "_judge_anew", lambda *_: moved.set() or looked.wait(30))
                upgrading.switch(model)
        except Exception as error:
            problems.append(error)
        finally:
            moved.set()
            connection.close()

    def seen():
        matching.match_demand(demand_id=demand.pk)
        current = indexing.current_model()
        vector = machine.encoder().encode_queries(["轴承套圈淬火"])
        found = find_candidates(
            "achievement", Query(vector, {}, ["zh"]), Filters(model_id=current.pk)
        )
        return current, Match.objects.get().model, len(found)

    thread = threading.Thread(target=switch)
    thread.start()
    assert moved.wait(30)
    during = seen()  # both rows are written, and nothing is committed
    looked.set()
    thread.join()
    after = seen()

    assert problems == []
    assert during == (first, first, 1)
    assert after == (model, model, 1)


def test_a_rollback_goes_back_at_once(town, machine, capsys):
    model = built()
    run("switch", model.pk)
    sweep()
    late = make_achievement()
    sweep()
    machine.by_revision["1"].encoded.clear()

    said = run("rollback", capsys=capsys)

    assert indexing.current_model() == town
    assert EmbeddingModel.objects.get(pk=model.pk).state == "retired"
    assert "1 listings are found by words alone" in said
    sweep()
    assert Match.objects.filter(achievement=late).first().model == town
    assert all("淬火" in text for text in machine.by_revision["1"].encoded)
    run("rollback")
    assert indexing.current_model() == model


def test_without_a_former_model_there_is_no_way_back(town):
    with pytest.raises(CommandError, match="no former model"):
        run("rollback")


def test_the_current_model_is_not_removed(town):
    with pytest.raises(CommandError, match="is the current model: switch"):
        run("remove", town.pk)

    assert models_of_vectors() == {"demand": {"1"}, "achievement": {"1"}}


def test_a_removed_model_leaves_its_name_where_matches_speak_of_it(town, monkeypatch, capsys):
    graphs = []
    monkeypatch.setattr(encoders, "remove_graph", lambda *key: graphs.append(key) or 0)
    model = built()
    run("switch", model.pk)

    said = run("remove", town.pk, capsys=capsys)

    assert "10 vectors of fake@1 are removed" in said
    assert models_of_vectors() == {"demand": {"2"}, "achievement": {"2"}}
    assert not DemandEncoding.objects.filter(model=town).exists()
    assert not Centre.objects.filter(model=town).exists()
    assert EmbeddingModel.objects.get(pk=town.pk).state == "removed"
    assert set(Match.objects.values_list("model", flat=True)) == {town.pk}
    assert graphs == [("fake", "1")]
    with pytest.raises(CommandError, match="was removed"):
        run("switch", town.pk)
    with pytest.raises(CommandError, match="was removed"):
        run("build", town.pk)


def test_a_removed_model_can_be_added_again(town):
    model = built()
    run("switch", model.pk)
    run("remove", town.pk)

    run("add", "1")
    run("build", town.pk)

    town.refresh_from_db()
    assert town.state == "ready"
    assert upgrading.progress(town).missing == 0


def test_what_was_closed_since_a_model_read_it_is_not_found_by_its_vectors(town, machine):
    model = built()
    edited = Achievement.objects.earliest("pk")
    Achievement.objects.filter(pk=edited.pk).update(disclosure={"body": int(Tier.MANAGERS)})
    indexing.refresh(kind="achievement", ids=[edited.pk], encoder=machine.by_revision["1"])
    vector = machine.by_revision["2"].encode_queries(["套圈感应淬火工艺"])

    found = find_candidates(
        "achievement",
        Query(vector, {}, ["zh"]),
        Filters(model_id=model.pk, reader=Tier.MEMBERS),
    )

    assert len(found) == 2 and edited.pk not in {one.listing_id for one in found}


def test_a_text_that_only_the_new_model_can_read_is_indexed_again(town):
    model = built()
    demand = Demand.objects.earliest("pk")
    DemandIndex.objects.filter(pk=demand.pk).update(problem="unreadable")
    DemandEncoding.objects.filter(listing=demand, model=town).update(problem="unreadable")
    run("switch", model.pk)
    assert indexing.stale("demand", indexing.current_model()).get() == demand

    sweep()

    assert DemandIndex.objects.get(pk=demand.pk).problem == ""


# --- What is said -------------------------------------------------------------------------------


def test_the_list_tells_states_and_how_far_each_is(town, capsys):
    built()
    make_demand()

    lines = run("list", capsys=capsys).splitlines()

    assert "fake@1" in lines[0] and "In use since" in lines[0] and "5 of 6 listings" in lines[0]
    assert "fake@2" in lines[1] and "Ready" in lines[1] and "48 numbers" in lines[1]


def test_a_setting_that_names_another_model_is_told_how_to_upgrade(town, settings, capsys):
    settings.EMBEDDING_MODEL = "someone/better-model"

    said = run("list", capsys=capsys)

    assert "changes nothing" in said
    assert "manage.py embedding_models add someone/better-model" in said


def test_a_platform_without_a_model_says_so(capsys):
    assert "There is no current model yet" in run("list", capsys=capsys)


# --- Comparing ----------------------------------------------------------------------------------

JUDGED = {
    "demands.tsv": "id\ttitle\ttext\nd1\t轴承套圈淬火变形\t圆度偏差大\nd2\t高盐废水分盐\t杂盐\n",
    "achievements.tsv": (
        "id\ttitle\ttext\na1\t套圈感应淬火成套工艺\t圆度偏差小\na2\t高盐废水分盐结晶\t杂盐率低\n"
        "a3\t相变蓄冷材料\t冷链\n"
    ),
    "qrels.tsv": "demand_id\tachievement_id\trelevance\nd1\ta1\t1\nd2\ta2\t1\n",
}


@contextmanager
def scratch():
    """An empty database for the time of the block; the real one: test_evaluation.py."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def test_two_models_are_compared_on_a_judged_set(machine, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(embedding_models, "scratch_database", scratch)
    for name, content in JUDGED.items():
        (tmp_path / name).write_text(content, encoding="utf8")
    indexing.register_model(machine.by_revision["1"])
    run("add", "2")
    model = EmbeddingModel.objects.get(revision="2")

    said = run("compare", model.pk, "--set", tmp_path, capsys=capsys)

    rows = [line.split() for line in said.splitlines() if "mrr10" in line]
    assert rows[0][1:5] == ["mrr10", "2", "1.0000", "1.0000"]
    assert rows[0][5:] == ["+0.0000", "(+0.0000", "to", "+0.0000)"]
    assert "none yet that tell achievements apart" in said
    assert not Demand.objects.exists()


def test_two_models_are_compared_on_what_managers_have_decided(town, machine, capsys):
    model = built()
    demand = Demand.objects.earliest("pk")
    fits, other = Match.objects.filter(demand=demand).order_by("rank")[:2]
    for match, status, decision, reasons in (
        (fits, "approved", "approve", ["measured"]),
        (other, "rejected", "reject", ["off_topic"]),
    ):
        make_review(match=match, status="submitted", decision=decision, reasons=reasons)
        Match.objects.filter(pk=match.pk).update(status=status, decided_at=match.created_at)

    said = run("compare", model.pk, capsys=capsys)

    [row] = [line for line in said.splitlines() if "own decisions" in line]
    assert row.split()[2:4] == ["ndcg10", "1"]
    assert upgrading.decided() == {demand.pk: {fits.achievement_id: 2, other.achievement_id: 0}}


def test_decisions_wait_for_the_build(town, capsys):
    run("add", "2")
    model = EmbeddingModel.objects.get(revision="2")
    demand = Demand.objects.earliest("pk")
    for match, status, decision in zip(
        Match.objects.filter(demand=demand)[:2],
        ("approved", "rejected"),
        (("approve", ["measured"]), ("reject", ["off_topic"])),
        strict=True,
    ):
        make_review(match=match, status="submitted", decision=decision[0], reasons=decision[1])
        Match.objects.filter(pk=match.pk).update(status=status, decided_at=match.created_at)

    assert "not until it is built (5 listings are missing)" in run(
        "compare", model.pk, capsys=capsys
    )


def test_a_broken_set_is_told_before_anything_is_encoded(town, machine, tmp_path):
    model = built()

    with pytest.raises(CommandError, match=r"qrels\.tsv does not exist"):
        run("compare", model.pk, "--set", tmp_path)


def test_a_model_is_not_compared_with_itself(town):
    with pytest.raises(CommandError, match="must be another"):
        run("compare", town.pk)


# --- The operator's page ------------------------------------------------------------------------


@pytest.fixture
def operator(client):
    client.force_login(make_operator())
    return client


def test_the_page_says_what_is_in_use_and_how_far_another_is(town, machine, operator):
    run("add", "2")
    model = EmbeddingModel.objects.get(revision="2")
    next(upgrading.build(model, machine.by_revision["2"], batch=3))

    page = operator.get(reverse("ops_models")).content.decode()

    assert "fake@1" in page and "5" in page
    assert "3 / 5" in page and 'value="3"' in page
    assert f"manage.py embedding_models build {model.pk}" in page
    assert "每秒" in page


def test_the_page_tells_how_to_upgrade_and_how_to_go_back(town, operator, settings):
    settings.EMBEDDING_MODEL = "someone/better-<model>"
    model = built()
    run("switch", model.pk)

    page = operator.get(reverse("ops_models")).content.decode()

    assert "manage.py embedding_models add someone/better-&lt;model&gt;" in page
    assert "manage.py embedding_models rollback" in page
    assert f"manage.py embedding_models remove {town.pk}" in page


def test_the_page_of_a_new_platform_has_no_model(operator):
    page = operator.get(reverse("ops_models")).content.decode()

    assert "第一个加载好模型的进程" in page


def test_the_page_costs_the_same_for_any_number_of_listings(
    town, operator, django_assert_num_queries
):
    built()
    # Session, user, the menu, what waits, the bell (9), models, for each of two what is live,
    # missing and lately done of two lists (12), the former one, the setting's.
    with django_assert_num_queries(QUERIES):
        operator.get(reverse("ops_models"))
    for _ in range(5):
        make_achievement()

    with django_assert_num_queries(QUERIES):
        operator.get(reverse("ops_models"))
