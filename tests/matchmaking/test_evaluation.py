"""`manage.py evaluate_matching`: the real pipeline over a judged set, in a database of its own."""

from collections.abc import Callable
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils.crypto import get_random_string

from catalog.models import Demand
from matchmaking.management.commands import evaluate_matching
from tests.fakes import FakeEncoder

pytestmark = pytest.mark.django_db(transaction=True)

DEMANDS = (
    "id\ttitle\ttext\n"
    "d1\t轴承套圈淬火变形\t整圈淬火后圆度偏差大\\n磨削余量多\n"
    "d2\t\t高盐废水蒸发结晶得到的杂盐不能利用，求分盐工艺\n"
)
ACHIEVEMENTS = (
    "id\ttitle\ttext\n"
    "a1\t套圈感应淬火成套工艺\t淬火后圆度偏差小，磨削余量少\n"
    "a2\t高盐废水分盐结晶技术\t杂盐率低于 5 %\n"
    "a3\t相变蓄冷材料\t\n"
)


@pytest.fixture
def judged(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.setattr(evaluate_matching, "load_encoder", lambda source: FakeEncoder())
    (tmp_path / "demands.tsv").write_text(DEMANDS, encoding="utf8")
    (tmp_path / "achievements.tsv").write_text(ACHIEVEMENTS, encoding="utf8")
    return tmp_path


@pytest.fixture
def left(monkeypatch) -> Callable[[], set[str]]:
    """Those scratch databases of this test that are there; others evaluate at the same time."""
    made: list[str] = []

    def name(*_: object) -> str:
        made.append(get_random_string(8, "abcdefghijklmnopqrstuvwxyz"))
        return made[-1]

    monkeypatch.setattr("matchmaking.evaluation.scratch.get_random_string", name)

    def left() -> set[str]:
        assert made, "no scratch database was made"
        with connection.cursor() as cursor:
            cursor.execute("SELECT datname FROM pg_database")
            names = {name for (name,) in cursor.fetchall()}
        return names & {f"keqiao_evaluation_{one}" for one in made}

    return left


def test_it_ranks_every_achievement_for_every_demand_and_leaves_nothing_behind(judged, left):
    name = connection.settings_dict["NAME"]
    run = judged / "run.tsv"

    call_command("evaluate_matching", judged, run=run)

    rows = [line.split("\t") for line in run.read_text(encoding="utf8").splitlines()]
    found = {demand: [a for d, a, _ in rows if d == demand] for demand in ("d1", "d2")}
    assert found["d1"][0] == "a1"
    assert found["d2"][0] == "a2"
    assert all(sorted(ranked) == ["a1", "a2", "a3"] for ranked in found.values())
    scores = [float(score) for demand, _, score in rows if demand == "d1"]
    assert scores == sorted(scores, reverse=True)
    assert left() == set()
    assert connection.settings_dict["NAME"] == name
    assert not Demand.objects.exists()
    assert sorted(path.name for path in judged.iterdir()) == [
        "achievements.tsv",
        "demands.tsv",
        "run.tsv",
    ]


def test_a_failure_half_way_leaves_nothing_behind_either(judged, left, monkeypatch):
    def broken(*_: object) -> None:
        raise RuntimeError("the index broke")

    monkeypatch.setattr(evaluate_matching.evaluating, "index", broken)
    with pytest.raises(RuntimeError, match="the index broke"):
        call_command("evaluate_matching", judged, run=judged / "run.tsv")

    assert left() == set()
    assert not (judged / "run.tsv").exists()
    assert not list(judged.glob("*.part"))


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("demands.tsv", None, "does not exist"),
        ("demands.tsv", "id\ttitle\n1\tx\n", "needs the columns id, title and text"),
        ("demands.tsv", "id\ttitle\ttext\n", "has no rows"),
        ("achievements.tsv", "id\ttitle\ttext\na\tx\ty\na\tx\ty\n", "names an id twice"),
        ("achievements.tsv", "id\ttitle\ttext\na\tx\n", "row 2"),
    ],
)
def test_a_broken_set_gets_a_sentence(judged, name, content, sentence):
    (judged / name).unlink()
    if content is not None:
        (judged / name).write_text(content, encoding="utf8")

    with pytest.raises(CommandError, match=sentence):
        call_command("evaluate_matching", judged, run=judged / "run.tsv")

    assert not (judged / "run.tsv").exists()
