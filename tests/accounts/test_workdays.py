"""Working days as the State Council announced them, and what is done where it has not yet."""

import datetime as dt

import pytest

from accounts import workdays
from accounts.checks import check_calendar
from accounts.workdays import (
    add_working_days,
    announced,
    is_working_day,
    unknown_year,
    whole_day_before,
    working_days_left,
)
from tests.factories import make_operator


def day(text: str) -> dt.date:
    return dt.date.fromisoformat(text)


@pytest.fixture
def other_days(settings):
    """Days of the settings; what was answered before is forgotten, then and afterwards."""

    def name(free=(), made_up=()):
        settings.FREE_DAYS = frozenset(map(day, free))
        settings.MAKE_UP_DAYS = frozenset(map(day, made_up))
        forget()

    def forget():
        is_working_day.cache_clear()
        announced.cache_clear()

    yield name
    forget()


# General Office of the State Council, notice on some holidays of 2026: first and last free day,
# and the weekends that are worked.
HOLIDAYS_OF_2026 = [
    ("2026-01-01", "2026-01-03", ["2026-01-04"]),
    ("2026-02-15", "2026-02-23", ["2026-02-14", "2026-02-28"]),
    ("2026-04-04", "2026-04-06", []),
    ("2026-05-01", "2026-05-05", ["2026-05-09"]),
    ("2026-06-19", "2026-06-21", []),
    ("2026-09-25", "2026-09-27", []),
    ("2026-10-01", "2026-10-07", ["2026-09-20", "2026-10-10"]),
]


@pytest.mark.parametrize(("first", "last", "worked"), HOLIDAYS_OF_2026)
def test_the_holidays_of_2026_are_those_of_the_notice(first, last, worked):
    free = [day(first) + dt.timedelta(days=n) for n in range((day(last) - day(first)).days + 1)]

    assert not any(map(is_working_day, free))
    assert all(map(is_working_day, map(day, worked)))


def test_every_other_day_of_2026_is_a_working_day_from_monday_to_friday():
    noted = {day(text) for _first, _last, worked in HOLIDAYS_OF_2026 for text in worked}
    for first, last, _worked in HOLIDAYS_OF_2026:
        at = day(first)
        while at <= day(last):
            noted.add(at)
            at += dt.timedelta(days=1)
    plain = [day("2026-01-01") + dt.timedelta(days=n) for n in range(365)]

    assert all(is_working_day(one) == (one.weekday() < 5) for one in plain if one not in noted)


def test_a_worked_saturday_is_counted_and_the_holiday_behind_it_is_not():
    # Friday, then the worked Saturday, then nine free days.
    assert add_working_days(day("2026-02-13"), 1) == day("2026-02-14")
    assert add_working_days(day("2026-02-13"), 2) == day("2026-02-24")
    assert working_days_left(day("2026-02-24"), day("2026-02-14")) == 1
    assert working_days_left(day("2026-02-14"), day("2026-02-24")) == -1


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        ("2026-11-25", "2026-11-23"),  # Wednesday: told on Monday, there is all Tuesday
        ("2026-11-28", "2026-11-26"),  # Saturday: Friday is whole
        ("2026-11-30", "2026-11-26"),  # Monday: so it is for a Monday
        ("2026-02-24", "2026-02-13"),  # behind Spring Festival: the worked Saturday
    ],
)
def test_a_whole_working_day_lies_between_being_told_and_being_late(at, expected):
    assert whole_day_before(day(at)) == day(expected)


def test_a_year_that_is_not_announced_counts_weekdays_and_the_days_that_the_law_names(other_days):
    other_days()

    assert not announced(2099)
    assert not is_working_day(day("2099-01-01")) and not is_working_day(day("2099-10-02"))
    assert is_working_day(day("2099-10-05")) and not is_working_day(day("2099-10-04"))


def test_days_of_the_settings_go_before_the_library(other_days):
    other_days(free=["2099-02-05", "2026-11-25"], made_up=["2099-02-07"])

    assert announced(2099) and not announced(2098)
    assert not is_working_day(day("2099-02-05"))
    assert day("2099-02-07").weekday() == 5 and is_working_day(day("2099-02-07"))
    assert not is_working_day(day("2026-11-25"))


@pytest.mark.parametrize(
    ("today", "year"),
    [("2026-11-30", None), ("2026-12-01", 2027), ("2027-01-04", 2027), ("2025-12-31", None)],
)
def test_an_unknown_year_is_said_as_soon_as_deadlines_reach_into_it(monkeypatch, today, year):
    monkeypatch.setattr(workdays, "announced", lambda asked: asked <= 2026)

    assert unknown_year(day(today)) == year


def test_the_system_check_names_the_year_and_the_way_out(monkeypatch):
    monkeypatch.setattr("accounts.checks.unknown_year", lambda: None)
    assert check_calendar(None) == []
    monkeypatch.setattr("accounts.checks.unknown_year", lambda: 2027)

    [warning] = check_calendar(None)

    assert warning.id == "accounts.W001" and "2027" in warning.msg
    assert "FREE_DAYS" in warning.hint


@pytest.mark.django_db
def test_operators_read_that_a_year_is_not_known(client, monkeypatch):
    client.force_login(make_operator())
    monkeypatch.setattr("matchmaking.views.operations.unknown_year", lambda: None)
    known = client.get("/ops/").content.decode()
    monkeypatch.setattr("matchmaking.views.operations.unknown_year", lambda: 2031)

    page = client.get("/ops/").content.decode()

    assert "2031 年的节假日安排尚未收录" in page and "节假日安排尚未收录" not in known
