"""Settings from the environment are understood or refused, never guessed."""

import datetime as dt
import os

import pytest
from django.core.exceptions import ImproperlyConfigured

from config import env


@pytest.mark.parametrize(
    ("value", "expected"), [("1", True), ("Yes", True), ("off", False), ("0", False), ("", True)]
)
def test_a_flag_is_yes_or_no(monkeypatch, value, expected):
    monkeypatch.setenv("KQ_FLAG", value)

    assert env.flag("KQ_FLAG", True) is expected


def test_a_misspelt_flag_is_refused(monkeypatch):
    monkeypatch.setenv("KQ_FLAG", "ture")

    with pytest.raises(ImproperlyConfigured, match=r"KQ_FLAG must be 1 or 0.*'ture'"):
        env.flag("KQ_FLAG", True)


def test_a_missing_text_names_its_variable(monkeypatch):
    monkeypatch.setenv("KQ_TEXT", "  ")

    with pytest.raises(ImproperlyConfigured, match="KQ_TEXT is not set"):
        env.text("KQ_TEXT")


@pytest.mark.parametrize("value", ["ten", "1.5", "-1", "101"])
def test_a_number_outside_its_bounds_is_refused(monkeypatch, value):
    monkeypatch.setenv("KQ_NUMBER", value)

    with pytest.raises(ImproperlyConfigured, match="KQ_NUMBER"):
        env.integer("KQ_NUMBER", 5, maximum=100)


def test_a_decimal_that_is_none_is_refused(monkeypatch):
    monkeypatch.setenv("KQ_DECIMAL", "0,5")

    with pytest.raises(ImproperlyConfigured, match="KQ_DECIMAL must be a number"):
        env.decimal("KQ_DECIMAL", 0.5)


def test_a_list_drops_empty_parts(monkeypatch):
    monkeypatch.setenv("KQ_LIST", " a.example ,, b.example,")

    assert env.listing("KQ_LIST", []) == ["a.example", "b.example"]


def test_days_are_read_as_dates(monkeypatch):
    monkeypatch.setenv("KQ_DAYS", "2027-02-05, 2027-02-06")

    assert env.days("KQ_DAYS") == {dt.date(2027, 2, 5), dt.date(2027, 2, 6)}
    assert env.days("KQ_NO_DAYS") == frozenset()


@pytest.mark.parametrize("value", ["2027-02-30", "5 Feb", "2027-02-05;2027-02-06"])
def test_what_is_no_day_is_refused(monkeypatch, value):
    monkeypatch.setenv("KQ_DAYS", value)

    with pytest.raises(ImproperlyConfigured, match="KQ_DAYS"):
        env.days("KQ_DAYS")


def test_a_database_address_may_name_a_socket():
    settings = env.database("postgres://keqiao@%2Ftmp%2Fkeqiao-a1/keqiao")

    assert (settings["HOST"], settings["NAME"]) == ("/tmp/keqiao-a1", "keqiao")
    assert settings["CONN_HEALTH_CHECKS"] is True


@pytest.mark.parametrize(
    "url", ["nonsense", "oracle://secret@host/name", "postgres://a:b@c:port/d"]
)
def test_a_broken_database_address_is_refused_without_being_shown(url):
    with pytest.raises(ImproperlyConfigured) as refusal:
        env.database(url)

    assert "DATABASE_URL must read" in str(refusal.value)
    assert "secret" not in str(refusal.value)


def test_a_file_fills_in_what_the_environment_lacks(monkeypatch, tmp_path):
    monkeypatch.setenv("KQ_SET", "from the environment")
    monkeypatch.setenv("KQ_NEW", "")
    monkeypatch.delenv("KQ_NEW")
    file = tmp_path / ".env"
    file.write_text("# a comment\n\nKQ_SET=from the file\nKQ_NEW='quoted = value'\n")

    env.read_file(file)

    assert os.environ["KQ_SET"] == "from the environment"
    assert os.environ["KQ_NEW"] == "quoted = value"


def test_a_broken_file_is_refused_by_line(tmp_path):
    file = tmp_path / ".env"
    file.write_text("A=1\nnonsense\n")

    with pytest.raises(ImproperlyConfigured, match=r"\.env, line 2"):
        env.read_file(file)
