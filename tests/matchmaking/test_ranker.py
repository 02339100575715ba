"""Learning from decisions: what counts, what wins, what ranks, and the way back."""

import builtins
import json
import logging

import numpy as np
import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from catalog.models import Achievement, Demand
from matchmaking import tasks
from matchmaking.management.commands import train_ranker
from matchmaking.models import DemandIndex, Match, RankerChange, RankerVersion, Review
from matchmaking.retrieval import learning
from matchmaking.retrieval.features import FEATURES, FEATURES_VERSION, matrix
from matchmaking.retrieval.learning import Judged, RankerUnavailable, fit
from matchmaking.retrieval.ranking import confidence
from matchmaking.services import halves, indexing, matching, rankers, rematching, training
from matchmaking.services.training import CannotTrain, grade, read_decisions, train
from matchmaking.workflow import DeclineReason, MatchStatus, ReviewReason, ReviewStatus
from tests.factories import (
    make_achievement,
    make_demand,
    make_manager,
    make_match,
    make_operator,
    make_organization,
    make_ranker_version,
    make_review,
    revision_of,
)
from tests.fakes import FakeEncoder

pytestmark = pytest.mark.django_db
M = MatchStatus


@pytest.fixture(autouse=True)
def _no_ranker_from_before(monkeypatch):
    """Every test counts its versions from the same ids; and one round of folds is enough."""
    learning.forget()
    monkeypatch.setattr(training, "REPEATS", 1)
    yield
    learning.forget()


@pytest.fixture
def model():
    return indexing.register_model(FakeEncoder())


@pytest.fixture
def without_library(monkeypatch):
    """A machine without OpenMP's runtime library: the import fails as it does there."""
    imported = builtins.__import__

    def refuse(name, *rest):
        if name == "lightgbm":
            raise OSError("libgomp.so.1: cannot open shared object file")
        return imported(name, *rest)

    monkeypatch.setattr(builtins, "__import__", refuse)


def made(demands=36, each=8, *, telling=True, seed=1):
    """Return features, fixed scores and grades: maturity decides, or nothing does."""
    dice = np.random.default_rng(seed)
    rows, fixed, grades, of = [], [], [], []
    for demand in range(demands):
        for _ in range(each):
            dense, trl = float(dice.normal(0.3, 0.1)), float(dice.integers(0, 2))
            score = round(dense + 0.5, 5)
            rows.append({"dense": dense, "fixed": score, "trl": trl})
            fixed.append(score)
            best = 3 * trl if telling else 3 * dice.random()
            grades.append(round(min(3, max(0, best + dice.normal(0, 0.4)))))
            of.append(demand)
    return rows, np.array(fixed), np.array(grades), np.array(of)


def judged(**options):
    rows, fixed, grades, of = made(**options)
    return Judged(matrix(rows), fixed, grades, of)


# A status, a decision and reasons for each grade.
DECIDED = {
    3: (M.INTRODUCED, "approve", ["measured"]),
    2: (M.APPROVED, "approve", ["negotiable"]),
    1: (M.REJECTED, "reject", ["immature"]),
    0: (M.REJECTED, "reject", ["off_topic"]),
}


@pytest.fixture
def decide(model):
    """Return a function that stores made decisions as matches with reviews."""

    def store(**options):
        rows, _fixed, grades, of = made(**options)
        owner, other = make_organization(), make_organization(kind="university")
        manager = make_manager()
        demands = [make_demand(owner=owner) for _ in range(of.max() + 1)]
        achievements = [make_achievement(owner=other) for _ in range((of == 0).sum())]
        revisions = {id(one): revision_of(one) for one in (*demands, *achievements)}
        matches = []
        for at, (row, value, demand) in enumerate(zip(rows, grades, of, strict=True)):
            achievement = achievements[at % len(achievements)]
            matches.append(
                Match(
                    demand=demands[demand],
                    achievement=achievement,
                    demand_revision=revisions[id(demands[demand])],
                    achievement_revision=revisions[id(achievement)],
                    engine="test",
                    model=model,
                    score=row["fixed"],
                    rank=1,
                    confidence=0.5,
                    status=DECIDED[int(value)][0],
                    features={"version": FEATURES_VERSION, **row},
                    decided_at=timezone.now(),
                )
            )
        Match.objects.bulk_create(matches)
        Review.objects.bulk_create(
            Review(
                match=match,
                manager=manager,
                status=ReviewStatus.SUBMITTED,
                decision=DECIDED[int(value)][1],
                reasons=DECIDED[int(value)][2],
                due_on=timezone.localdate(),
                closed_at=timezone.now(),
            )
            for match, value in zip(matches, grades, strict=True)
        )

    return store


# --- What a decision says -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "decision", "reasons", "declined_for", "expected"),
    [
        (M.INTRODUCED, "approve", ["measured"], None, 3),
        (M.APPROVED, "approve", ["experience"], None, 2),
        (M.LAPSED, "approve", ["complement"], None, 2),
        (M.DECLINED, "approve", ["measured"], "indicators", 1),
        (M.DECLINED, "approve", ["measured"], "price", 1),
        (M.DECLINED, "approve", ["measured"], "partner", 2),
        (M.DECLINED, "approve", ["measured"], "direction", 2),
        (M.REJECTED, "reject", ["off_topic"], None, 0),
        (M.REJECTED, "reject", ["indicator_gap"], None, 1),
        (M.REJECTED, "reject", ["price"], None, 1),
        # The worst reason that speaks of the fit counts.
        (M.REJECTED, "reject", ["price", "off_topic"], None, 0),
        (M.REJECTED, "reject", ["other", "immature"], None, 1),
        # Nothing is said of the fit.
        (M.REJECTED, "reject", ["no_evidence"], None, None),
        (M.REJECTED, "reject", ["other"], None, None),
        (M.REJECTED, "reject", [], None, None),
        (M.REJECTED, None, None, None, None),
        (M.APPROVED, None, None, None, None),
        # Taken back: nobody stands by it at present.
        (M.IN_REVIEW, "approve", ["measured"], None, None),
        (M.SUPERSEDED, "reject", ["off_topic"], None, None),
        (M.SUGGESTED, None, None, None, None),
    ],
)
def test_a_decision_is_a_grade_or_says_nothing(status, decision, reasons, declined_for, expected):
    assert grade(status, decision, reasons, declined_for) == expected


def test_every_reason_code_is_decided_on():
    rejections = set(ReviewReason) - {"measured", "experience", "negotiable", "complement"}

    assert set(training.REJECTED) == rejections
    assert set(training.DECLINED) == set(DeclineReason)


def settled(model, **fields):
    fields = {"features": {"version": FEATURES_VERSION, "fixed": 0.9, "trl": 1.0}, **fields}
    return make_match(model=model, manager=make_manager(), **fields)


def test_only_decisions_with_todays_features_and_vectors_are_read(model):
    settled(model, status=M.INTRODUCED)
    settled(model, status=M.INTRODUCED, features={})
    settled(model, status=M.INTRODUCED, features={"version": FEATURES_VERSION - 1, "fixed": 1.0})
    settled(indexing.register_model(FakeEncoder("2")), status=M.INTRODUCED)
    settled(model, status=M.SUGGESTED)

    decisions = read_decisions(model)

    assert len(decisions.judged) == 1
    assert decisions.by_grade == {3: 1}
    [row] = decisions.judged.features
    assert row[FEATURES.index("trl")] == 1.0
    assert np.isnan(row[FEATURES.index("dense")])


def test_a_decision_that_was_taken_back_counts_by_its_last_state(model):
    match = settled(model, status=M.REJECTED)
    first = match.reviews.get()
    Review.objects.filter(pk=first.pk).update(
        decision="approve", closed_at=timezone.now() - timezone.timedelta(days=3)
    )
    make_review(match=match, settled=True, reasons=["off_topic"])
    make_review(match=match, status=ReviewStatus.DECLINED)

    assert read_decisions(model).by_grade == {0: 1}


def test_no_text_of_a_listing_is_read(model, django_assert_num_queries):
    for _ in range(3):
        settled(model, status=M.APPROVED)

    with django_assert_num_queries(1) as queries:
        read_decisions(model)

    sql = queries.captured_queries[0]["sql"]
    assert "title" not in sql and "body" not in sql and "comment" not in sql
    assert f"LIMIT {training.DECISIONS_AT_MOST}" in sql


# --- Training -----------------------------------------------------------------------------------


def test_a_winner_ranks_from_now_on_and_all_demands_are_compared_again(decide):
    decide()
    index = Demand.objects.first()
    indexing.refresh(kind="demand", ids=[index.pk], encoder=FakeEncoder())
    DemandIndex.objects.update(matched_version=1)

    trained = train(actor=make_operator())

    assert trained.promoted and trained.comparison.won
    version = RankerVersion.objects.get()
    assert version.is_active and version.won and version.trees
    assert (version.number, version.decisions, version.demands) == (1, 288, 36)
    assert version.report["difference"]["low"] > version.report["least_gain"] > 0
    assert next(iter(version.report["gains"])) == "trl"
    assert RankerChange.objects.get().version == version
    assert DemandIndex.objects.get().matched_version == 0


def test_a_loser_is_kept_as_a_report_only(decide):
    decide(telling=False, seed=3)

    trained = train()

    assert not trained.promoted and not trained.comparison.won
    version = RankerVersion.objects.get()
    assert not version.won and not version.is_active and version.trees == ""
    assert version.report["difference"]["low"] <= version.report["least_gain"]
    assert not RankerChange.objects.exists()
    with pytest.raises(rankers.RankerRefused, match="固定权重"):
        rankers.use(version=version, actor=None)


def test_a_loser_leaves_the_version_in_use_alone(decide, model):
    before = make_ranker_version(model=model, is_active=True)
    decide(telling=False, seed=3)

    train()

    assert RankerVersion.objects.get(is_active=True) == before


def test_too_few_decisions_get_a_sentence_and_change_nothing(decide):
    decide(demands=4)

    with pytest.raises(CannotTrain, match=r"现有评审 32 条.*继续使用固定权重"):
        train()

    assert not RankerVersion.objects.exists()


def test_demands_whose_matches_are_all_alike_do_not_count(decide, settings):
    settings.RANKER_MIN_DECISIONS = 20
    decide(demands=12)
    Match.objects.update(status=M.INTRODUCED)
    Review.objects.update(decision="approve")

    with pytest.raises(CannotTrain, match="有好有差的需求 0 项"):
        train()


def test_nothing_indexed_is_nothing_to_learn_from():
    with pytest.raises(CannotTrain, match="还没有"):
        train()


def test_a_dry_run_writes_nothing(decide):
    decide()

    trained = train(dry_run=True)

    assert trained.comparison.won and trained.version is None
    assert not RankerVersion.objects.exists()


def test_the_same_decisions_give_the_same_ranker():
    data = judged(demands=12)

    first, second = fit(data), fit(data)

    assert first.text == second.text
    assert training.cross_validate(data) == training.cross_validate(data)


def test_noise_changes_little_and_on_average_nothing():
    data = judged(telling=False)
    ranker = fit(data)

    moved = ranker.order(data.features, data.fixed) - data.fixed

    by_demand = [moved[group].mean() for group in data.groups()]
    assert np.mean(by_demand) == pytest.approx(0.0, abs=1e-4)
    assert np.abs(moved).max() < 0.25


def test_a_better_text_never_makes_a_match_worse():
    data = judged(telling=False)
    ranker = fit(data)
    better = data.features.copy()
    better[:, FEATURES.index("dense")] += 0.2

    assert (ranker.order(better, data.fixed) >= ranker.order(data.features, data.fixed)).all()


def test_held_back_demands_are_held_back_whole(monkeypatch):
    data = judged(demands=11, each=4)
    seen = []

    class Nobody:
        def order(self, features, fixed):
            return fixed

    def note(part):
        seen.append(set(part.demands.tolist()))
        return Nobody()

    monkeypatch.setattr(training, "fit", note)
    comparison = training.cross_validate(data)

    held = [set(range(11)) - part for part in seen]
    assert len(held) == training.FOLDS
    assert sorted(one for fold in held for one in fold) == list(range(11))
    assert comparison.difference[:3] == (0.0, 0.0, 0.0)


# --- Ranking ------------------------------------------------------------------------------------


@pytest.fixture
def version(model):
    """A version that was really learned, not yet in use."""
    return rankers.store(
        model=model,
        report=make_ranker_version(number=99).report,
        demands=36,
        decisions=288,
        ranker=fit(judged()),
    )


@pytest.fixture
def compared(encoder):
    """A demand that has been compared with two achievements by the fixed weights."""
    demand = make_demand()
    make_achievement(trl=3)
    make_achievement(title="轴承套圈整圈淬火", trl=8)
    for kind, listings in indexing.LISTINGS.items():
        ids = list(listings.objects.values_list("pk", flat=True))
        indexing.refresh(kind=kind, ids=ids, encoder=encoder)
    matching.match_demand(demand_id=demand.pk)
    return demand


def test_features_are_stored_with_every_match_and_hold_no_word(compared):
    for match in Match.objects.all():
        assert match.ranker is None
        assert match.features.pop("version") == FEATURES_VERSION
        assert match.features["fixed"] == match.score
        assert set(match.features) <= set(FEATURES)
        assert all(isinstance(value, float) for value in match.features.values())
    assert len(json.dumps(match.features)) < 1500


def test_the_version_in_use_gives_score_confidence_and_order(compared, version):
    rankers.use(version=version, actor=None)

    matching.match_demand(demand_id=compared.pk)

    matches = list(Match.objects.order_by("rank"))
    assert [match.ranker for match in matches] == [version, version]
    assert matches[0].score >= matches[1].score
    for match in matches:
        assert match.score != match.features["fixed"]
        assert match.confidence == pytest.approx(confidence(match.score))

    rankers.use(version=None, actor=None)
    matching.match_demand(demand_id=compared.pk)

    for match in Match.objects.all():
        assert match.ranker is None
        assert match.score == match.features["fixed"]


def test_a_run_over_many_demands_asks_the_same_version(compared, version):
    rankers.use(version=version, actor=None)
    matching.match_demand(demand_id=compared.pk)
    alone = list(Match.objects.order_by("pk").values("score", "rank", "ranker", "features"))
    matching.mark_unmatched([compared.pk])

    assert rematching.match_many([compared.pk]) == [compared.pk]

    together = list(Match.objects.order_by("pk").values("score", "rank", "ranker", "features"))
    assert together == alone and together[0]["ranker"] == version.pk


def test_the_version_in_use_is_read_once(compared, version, django_assert_num_queries):
    rankers.use(version=version, actor=None)
    assert learning.active(version.model_id)[0] == version.pk

    with django_assert_num_queries(1):
        assert learning.active(version.model_id)[0] == version.pk


@pytest.mark.parametrize("change", ["features", "model", "trees"])
def test_a_version_that_cannot_be_asked_is_passed_over(compared, version, caplog, change):
    rankers.use(version=version, actor=None)
    fields = {
        "features": {"features_version": FEATURES_VERSION + 1},
        "model": {"model": make_ranker_version(number=98).model, "features_version": 0},
        "trees": {"trees": "tree\nnot really"},
    }[change]
    RankerVersion.objects.filter(pk=version.pk).update(**fields)
    caplog.set_level(logging.WARNING)

    matching.match_demand(demand_id=compared.pk)

    assert not Match.objects.filter(ranker__isnull=False).exists()
    assert "fixed weights rank" in caplog.text


def test_without_the_library_the_fixed_weights_rank(compared, version, without_library, caplog):
    rankers.use(version=version, actor=None)
    caplog.set_level(logging.ERROR)

    matching.match_demand(demand_id=compared.pk)
    matching.match_demand(demand_id=compared.pk)

    assert not Match.objects.filter(ranker__isnull=False).exists()
    assert caplog.text.count("libgomp1") == 1


# --- Choosing -----------------------------------------------------------------------------------


def test_an_older_version_and_the_fixed_weights_come_back(version, model):
    newer = make_ranker_version(number=200, model=model)
    rankers.use(version=newer, actor=None)

    assert rankers.use(version=version, actor=None)
    assert RankerVersion.objects.get(is_active=True) == version
    assert not rankers.use(version=version, actor=None)
    assert rankers.use(version=None, actor=None)

    assert not RankerVersion.objects.filter(is_active=True).exists()
    chosen = [change.version for change in RankerChange.objects.order_by("pk")]
    assert chosen == [newer, version, None]


def test_the_command_lists_uses_and_goes_back(version, capsys):
    call_command("rankers", use=version.number)
    assert "ranks from now on" in capsys.readouterr().out
    call_command("rankers")
    assert "in use" in capsys.readouterr().out
    call_command("rankers", fixed=True)
    call_command("rankers")
    out = capsys.readouterr().out
    assert "The fixed weights rank." in out and "can be used" in out


@pytest.mark.parametrize(
    ("number", "sentence"), [(5, "There is no version 5"), (99, "cannot be used")]
)
def test_the_command_refuses_with_a_sentence(version, number, sentence):
    with pytest.raises(CommandError, match=sentence):
        call_command("rankers", use=number)


def test_the_command_does_not_use_what_it_cannot_read(version, without_library):
    with pytest.raises(CommandError, match="apt-get install libgomp1"):
        call_command("rankers", use=version.number)

    assert not RankerVersion.objects.filter(is_active=True).exists()


# --- The command and the week -------------------------------------------------------------------


def test_the_command_prints_the_comparison(decide, capsys):
    decide()

    call_command("train_ranker", dry_run=True)

    out = capsys.readouterr().out
    assert "288 decisions on 36 demands" in out
    assert "difference, paired" in out and "Nothing was stored" in out


def test_the_command_says_what_is_missing(without_library):
    with pytest.raises(CommandError, match="apt-get install libgomp1"):
        call_command("train_ranker")


def test_a_new_platform_is_told_so_by_the_command():
    with pytest.raises(CommandError, match="nothing to learn from"):
        call_command("train_ranker")


def test_a_week_trains_only_where_that_is_wanted_and_there_is_more(decide, settings):
    decide()
    tasks.train_ranker()
    assert not RankerVersion.objects.exists()

    settings.RANKER_WEEKLY = True
    tasks.train_ranker()
    tasks.train_ranker()

    assert RankerVersion.objects.count() == 1


def test_a_week_with_too_little_passes(model, settings):
    settings.RANKER_WEEKLY = True

    tasks.train_ranker()

    assert not RankerVersion.objects.exists()


# --- Half of a judged set -----------------------------------------------------------------------


def test_the_other_half_is_ranked_by_what_the_first_taught():
    data = judged(demands=40)

    half = halves.run(halves.Pairs(data, np.ones(len(data), dtype=bool)), seed=1)

    assert half.demands == 20
    assert half.inner.won and half.outer.difference.low > 0


def test_where_the_first_half_teaches_nothing_the_other_is_unchanged():
    data = judged(demands=40, telling=False)

    half = halves.run(halves.Pairs(data, np.ones(len(data), dtype=bool)), seed=1)

    assert not half.inner.won
    assert half.learned.difference.mean != 0.0
    assert half.outer.difference[:3] == (0.0, 0.0, 0.0)


SET = {
    "demands": "id\ttitle\ttext\n"
    + "".join(f"d{at}\t轴承套圈淬火变形{at}\t圆度偏差大\n" for at in range(8)),
    "achievements": "id\ttitle\ttext\n"
    + "".join(f"a{at}\t套圈感应淬火工艺{at}\t磨削余量少\n" for at in range(6)),
    "qrels": "demand_id\tachievement_id\trelevance\n"
    + "".join(f"d{d}\ta{a}\t{(a + d) % 4}\n" for d in range(8) for a in range(6)),
}


@pytest.mark.django_db(transaction=True)
def test_a_judged_set_is_halved_in_a_database_of_its_own(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(train_ranker, "load_encoder", lambda *_: FakeEncoder())
    for name, text in SET.items():
        (tmp_path / f"{name}.tsv").write_text(text, encoding="utf8")

    call_command("train_ranker", set=tmp_path, halves=2)

    out = capsys.readouterr().out
    assert out.count("of 4 demands") == 2 and "promoted" in out
    assert not Demand.objects.exists() and not Achievement.objects.exists()
    assert not RankerVersion.objects.exists()


def test_a_folder_that_is_no_set_gets_a_sentence(tmp_path):
    with pytest.raises(CommandError, match="does not exist"):
        call_command("train_ranker", set=tmp_path)


def test_what_cannot_be_loaded_is_said_where_a_ranker_is_fitted(without_library):
    with pytest.raises(RankerUnavailable):
        fit(judged(demands=3))
