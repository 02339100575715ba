"""A match's evidence: advice by fixed rules, what it rests on, and the same made again."""

import datetime as dt
import json

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from accounts.permissions import Tier
from catalog.disclosure import RULES
from catalog.indicators import parse_indicators
from catalog.models import Achievement, Demand
from matchmaking.models import Match
from matchmaking.retrieval.candidates import Candidate
from matchmaking.retrieval.explanation import (
    TRL_STEPS,
    Side,
    advice,
    constraint_grid,
    shared_terms,
    term_weights,
)
from matchmaking.retrieval.ranking import FIELD_WEIGHTS, Ranked, added, rank
from matchmaking.services import evidence, indexing, matching
from tests.factories import make_achievement, make_demand, make_match
from tests.fakes import FakeEncoder

START = dt.date(2027, 1, 1)


def side(body="", indicators="", **fields):
    rows = tuple(parse_indicators(indicators)) if indicators else ()
    return Side(title="", summary="", body=body, indicators=rows, **fields)


def advise(demand, achievement):
    return advice(constraint_grid(demand, achievement, start=START))


def remedy(demand, achievement):
    [found] = advise(demand, achievement)
    assert found.pop("row") == 0
    return found


# --- What would make it fit -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("has", "asked", "steps"),
    [
        (5, 7, ["pilot", "field"]),
        (5, 6, ["pilot"]),
        (2, 4, ["proof", "laboratory"]),
        (4, 6, ["laboratory", "pilot"]),
        (7, 9, ["qualified", "series"]),
        (1, 9, ["proof", "laboratory", "pilot", "field", "qualified", "series"]),
    ],
)
def test_levels_that_are_missing_are_named_by_the_steps_that_reach_them(has, asked, steps):
    assert remedy(side(trl=asked), side(trl=has)) == {
        "code": "mature",
        "kind": "trl",
        "hard": True,
        "trl": has,
        "target": asked,
        "steps": steps,
    }


def test_every_readiness_level_has_its_step():
    assert set(TRL_STEPS) == set(range(1, 10))


@pytest.mark.parametrize(
    ("demand", "achievement", "expected"),
    [
        (
            side(indicators="厚度 ≥ 10 mm（硬）"),
            side(indicators="厚度 0.5 cm"),
            {"code": "reach", "hard": True, "by": 5, "unit": "mm", "percent": 50.0},
        ),
        (
            side(indicators="厚度 ≤ 10 mm"),
            side(indicators="厚度 ≥ 5 mm"),
            {"code": "confirm", "hard": False},
        ),
        (
            side(indicators="硬度 ≥ 60 HRC"),
            side(indicators="硬度 700 HV"),
            {"code": "restate", "hard": False, "unit": "HRC", "stated": "HV"},
        ),
        (side(indicators="厚度 ≥ 10 mm"), side(), {"code": "ask", "hard": False}),
        (side(trl=7), side(), {"code": "ask", "hard": True}),
        (
            side(money_max=1_000_000),
            side(money_min=1_500_000, money_max=2_000_000),
            {"code": "fund", "hard": True, "short": 500_000, "percent": 50.0},
        ),
        (
            side(money_max=1_000_000),
            side(money_min=500_000),
            {"code": "fix_price", "hard": True, "ceiling": 1_000_000},
        ),
        (side(money_max=1_000_000), side(), {"code": "ask", "hard": True}),
        (
            side(modes=("license",)),
            side(modes=("transfer", "equity")),
            {
                "code": "mode",
                "hard": True,
                "asked": ["license"],
                "offered": ["transfer", "equity"],
            },
        ),
        (
            side(deadline=dt.date(2027, 9, 30)),
            side("交付周期 2 年。"),
            {"code": "hurry", "hard": False, "days": 458, "percent": 168.4},
        ),
        (side(deadline=dt.date(2027, 9, 30)), side(), {"code": "ask", "hard": False}),
        (
            side(exclusivity="full"),
            side(encumbrances="已独家许可给一家企业。"),
            {"code": "clear", "hard": False},
        ),
        (
            side(ip_expectation="own"),
            side(modes=("license",)),
            {"code": "own", "hard": False, "asked": "own", "offered": ["license"]},
        ),
    ],
)
def test_each_shortfall_has_its_remedy_in_codes_and_figures(demand, achievement, expected):
    found = remedy(demand, achievement)
    assert found.pop("kind")
    assert found == expected
    assert json.loads(json.dumps(found)) == found


def test_what_is_met_and_another_region_need_no_advice():
    demand = side(trl=6, region="330100", indicators="厚度 ≥ 10 mm")
    assert advise(demand, side(trl=7, region="110000", indicators="厚度 12 mm")) == []
    assert advice([]) == []


def test_what_matters_most_comes_first():
    demand = side(
        indicators="厚度 ≥ 10 mm; 硬度 ≥ 60 HRC（硬）; 粗糙度 ≤ 1 μm（硬）; 重量 ≤ 10 kg（硬）",
        money_max=1_000_000,
    )
    achievement = side(
        indicators="厚度 8.5 mm; 硬度 40 HRC; 重量 12 kg", money_min=500_000, money_max=1_050_000
    )
    grid = constraint_grid(demand, achievement, start=START)
    found = advice(grid)

    assert [(row["code"], grid[row["row"]]["name"] or row["kind"]) for row in found] == [
        ("reach", "硬度"),  # a must that is missed, by a third
        ("reach", "重量"),  # a must that is missed, by a fifth
        ("ask", "粗糙度"),  # a must that nobody speaks of
        ("fund", "budget"),  # a must that is nearly met
        ("reach", "厚度"),  # a wish that is nearly met
    ]
    assert advice(grid) == found


# --- What each part added -------------------------------------------------------------------------


def ranked(score, ranker=None, **parts):
    candidate = Candidate(listing_id=1, dense=0.4, best=0.5, lexical=0.2, score=0.9)
    return Ranked(candidate, score, 0.5, {"meaning": 0.4, "words": 0.2, **parts}, ranker=ranker)


def test_what_the_parts_added_is_the_score():
    item = ranked(0.9 + 0.15 * 0.5 - 0.10 * 0.5, indicators=1.0, industry=0.0)
    found = added(item)

    assert found == {"meaning": 0.4, "words": 0.5, "indicators": 0.075, "industry": -0.05}
    assert sum(found.values()) == pytest.approx(item.score)
    assert "decisions" not in found


def test_what_a_learned_ranker_adds_is_a_part_of_its_own():
    found = added(ranked(1.2, ranker=3))
    assert found["decisions"] == pytest.approx(0.3)
    assert sum(found.values()) == pytest.approx(1.2)


@pytest.mark.django_db
def test_a_ranked_pair_adds_up():
    demand, achievement = make_demand(), make_achievement()
    grid = constraint_grid(evidence.listing_side(demand), evidence.listing_side(achievement))
    candidate = Candidate(listing_id=1, dense=0.3, best=0.3, lexical=0.1, score=0.55)
    item = rank(demand=demand, achievement=achievement, candidate=candidate, grid=grid)
    assert sum(added(item).values()) == pytest.approx(item.score, abs=1e-4)
    assert set(added(item)) <= {"meaning", "words", *FIELD_WEIGHTS}


# --- Words ----------------------------------------------------------------------------------------


def test_kept_weights_give_the_same_terms_again():
    ours = [f"词语{number}" for number in range(80)] * 2
    theirs = [f"词语{number}" for number in range(10, 90)]
    rarity = {word: 1.0 + int(word[2:]) % 7 for word in ours}
    weights = term_weights(ours, theirs, rarity.__getitem__)

    again = shared_terms(ours, theirs, lambda word: weights.get(word, 0.0))

    assert again == shared_terms(ours, theirs, rarity.__getitem__)
    assert len(weights) == 48
    assert json.loads(json.dumps(weights)) == weights


# --- The same again -------------------------------------------------------------------------------


@pytest.fixture
def found(db, settings):
    """A match as a run stores it, of listings with everything that evidence can rest on."""
    settings.MATCH_FLOOR = 0.0
    encoder = FakeEncoder()
    indexing.ensure_centres(encoder)
    demand = make_demand(
        trl=7,
        deadline=dt.date(2031, 3, 1),
        exclusivity="full",
        ip_expectation="own",
        modes=["license"],
        process="分段中频淬火，接头处存在软带。淬火后圆度变形大，磨削余量多。",
    )
    achievement = make_achievement(
        trl=6,
        body="双感应器相向扫描，终了处无软带，淬火变形小。交付周期 8 个月。圆度偏差 0.30 mm。",
        advantages="淬火后圆度变形小，磨削余量少。原来淬火后圆度变形大，磨削余量多。",
        encumbrances="已独家许可给一家企业。",
    )
    for kind, listing in (("achievement", achievement), ("demand", demand)):
        indexing.refresh(kind=kind, ids=[listing.pk], encoder=encoder)
        indexing.rebuild_statistics(kind)
    indexing.refresh(kind="demand", ids=[demand.pk], encoder=encoder)
    matching.match_demand(demand_id=demand.pk)
    matching.explain(demand_id=demand.pk, encoder=encoder)
    return Match.objects.with_listings().select_related("model").get()


def states(match, encoder=None):
    match = Match.objects.with_listings().select_related("model").get(pk=match.pk)
    return {check.name: check.equal for check in evidence.reproduce(match, encoder).checks}


ALL = {"grid", "advice", "terms", "parts", "score", "confidence", "pairs"}


def test_a_run_keeps_the_whole_evidence(found):
    assert found.grid and found.advice and found.terms and found.pairs
    assert 0 < found.confidence < 1
    assert sum(found.added.values()) == pytest.approx(found.score, abs=1e-4)
    assert set(found.basis["tiers"]) == {"demand", "achievement"}
    assert set(found.terms) <= set(found.basis["weights"])
    [row] = [row for row in found.grid if row["kind"] == "deadline"]
    assert evidence.start_of(found.grid).isoformat() == row["stated"]["start"]


def test_the_evidence_is_made_again_from_both_revisions(found):
    assert states(found, FakeEncoder()) == dict.fromkeys(ALL, True)


def test_it_is_the_same_after_the_listings_and_the_corpus_have_changed(found):
    Demand.objects.update(title="别的题目", body="别的内容", indicators=[], trl=1, process="")
    Achievement.objects.update(
        title="别的成果", body="圆度偏差 9 mm。", trl=1, money_min=None, encumbrances=""
    )
    for _ in range(3):
        make_achievement(title="淬火轴承套圈软带", body="淬火后圆度偏差 5 mm，软带 3 mm。")
    indexing.rebuild_statistics("achievement")

    assert states(found, FakeEncoder()) == dict.fromkeys(ALL, True)


def test_it_is_the_same_on_another_day(found, monkeypatch):
    monkeypatch.setattr("django.utils.timezone.localdate", lambda *_: dt.date(2040, 1, 1))
    assert states(found)["grid"] is True


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("grid", lambda match: match.grid[0].update(verdict="unmet", quote="假的")),
        ("advice", lambda match: match.advice.pop()),
        ("terms", lambda match: match.terms.append("量子")),
        ("parts", lambda match: match.parts.update(indicators=0.123)),
        ("added", lambda match: match.added.update(meaning=9)),
        ("pairs", lambda match: match.pairs[0].update(achievement="没有说过的话")),
    ],
)
def test_what_was_tampered_with_is_told(found, field, change):
    change(found)
    Match.objects.filter(pk=found.pk).update(**{field: getattr(found, field)})
    name = {"added": "score"}.get(field, field)
    assert states(found, FakeEncoder())[name] is False


def test_without_an_encoder_or_with_another_the_pairs_are_not_looked_at(found):
    assert states(found)["pairs"] is None
    assert states(found, FakeEncoder(revision="2"))["pairs"] is None


@pytest.mark.parametrize("key", ["body", "indicators", "encumbrances", "trl", "advantages"])
def test_what_is_for_the_introduction_by_now_is_not_read(found, key):
    Achievement.objects.update(disclosure={key: "introduced"})
    match = Match.objects.with_listings().select_related("model").get(pk=found.pk)

    _demand, offered = evidence.sides_of(match)
    result = evidence.reproduce(match, FakeEncoder())

    values = {"body": offered.body, "trl": offered.trl, "encumbrances": offered.encumbrances}
    values |= {"indicators": offered.indicators, "advantages": dict(offered.texts).get(key)}
    assert not values[key]
    assert result.closed == [f"achievement.{key}"]
    whole = json.dumps([check.found for check in result.checks], ensure_ascii=False)
    if key == "body":
        assert "双感应器" not in whole and not result.is_equal
    if key == "encumbrances":
        assert "独家" not in whole


def test_what_was_for_the_introduction_then_is_not_read_either(db):
    closed = dict.fromkeys(RULES["achievement"], "introduced")
    match = make_match(achievement=make_achievement(disclosure=closed), grid=[])
    _demand, offered = evidence.sides_of(match)
    assert (offered.body, offered.indicators, offered.trl, offered.money_min) == (
        "",
        (),
        None,
        None,
    )
    assert offered.title and Tier.MANAGERS < Tier.INTRODUCED


def test_a_match_of_an_earlier_engine_is_told_what_was_not_kept(db):
    match = make_match(engine="2", terms=["淬火"])
    result = evidence.reproduce(match)
    checks = {check.name: check for check in result.checks}
    assert (checks["terms"].equal, checks["terms"].found) == (None, None)
    assert not result.same_engine


def test_pairs_go_when_what_they_quote_was_closed(found):
    Achievement.objects.update(disclosure={"body": "introduced"})
    indexing.refresh(kind="achievement", ids=[found.achievement_id], encoder=FakeEncoder())
    matching.match_demand(demand_id=found.demand_id)
    found.refresh_from_db()
    assert (found.pairs, found.explained_at) == ([], None)
    assert found.basis["tiers"]["achievement"] == {"body": "introduced"}
    assert "双感应器" not in json.dumps(found.grid, ensure_ascii=False)


# --- The command ----------------------------------------------------------------------------------


def test_the_command_says_that_all_is_equal(found, capsys, monkeypatch):
    monkeypatch.setattr(
        "matchmaking.management.commands.explain_match.get_encoder", lambda: FakeEncoder()
    )
    call_command("explain_match", found.number)
    out = capsys.readouterr().out
    assert "The evidence is what both revisions say." in out
    assert out.count("equal") == len(ALL) and "DIFFERENT" not in out

    call_command("explain_match", found.number, "--json")
    told = json.loads(capsys.readouterr().out)
    assert told["equal"] is True and set(told["checks"]) == ALL


def test_the_command_ends_with_one_where_it_is_not(found, capsys):
    Match.objects.update(terms=["量子"])
    with pytest.raises(SystemExit) as ended:
        call_command("explain_match", found.number, "--without-pairs")
    assert ended.value.code == 1
    out = capsys.readouterr().out
    assert "DIFFERENT" in out and '["量子"]' in out and "no encoder was asked" in out


@pytest.mark.parametrize("number", ["M-20261109-9999", "nonsense", "M-99999999-0001"])
def test_the_command_refuses_what_is_no_match(db, number):
    with pytest.raises(CommandError, match="no match"):
        call_command("explain_match", number, "--without-pairs")
