"""While the site is closed everybody is told so, by whatever they came for."""

import datetime as dt
import io
import re

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse
from django.utils import timezone

from accounts.maintenance import RETRY_SECONDS, closure


@pytest.fixture(autouse=True)
def own_folder(settings, tmp_path):
    settings.VAR_DIR = tmp_path
    return tmp_path


def run(*arguments):
    out = io.StringIO()
    call_command("maintenance", *arguments, stdout=out)
    return out.getvalue()


def later(hours):
    moment = timezone.localtime() + dt.timedelta(hours=hours)
    return f"{moment:%Y-%m-%d %H:%M}"


# Without the mark for the database: none of these pages may ask it.
@pytest.mark.parametrize("address", ["/", "/demands/", "/my/demands/", "/account/login/", "/no/"])
def test_every_page_says_that_the_site_is_closed(client, address):
    run("on")
    response = client.get(address)

    assert response.status_code == 503
    assert response["Retry-After"] == str(RETRY_SECONDS)
    assert response["Cache-Control"] == "no-store"
    assert "系统维护中" in response.content.decode()
    assert "default-src 'none'" in response["Content-Security-Policy"]
    assert not response.cookies


def test_what_is_posted_is_refused_as_well(client):
    run("on")
    assert client.post(reverse("account_login"), {"login": "a"}).status_code == 503


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        ({}, "正在升级数据库"),
        ({"headers": {"accept-language": "en"}}, "The database is upgraded"),
        ({"query_params": {"lang": "en"}}, "The database is upgraded"),
    ],
)
def test_the_operators_words_come_in_the_readers_language(client, ask, words):
    run("on", "--message", "正在升级数据库 <b>", "--message-en", "The database is upgraded <b>")
    page = client.get("/", **ask).content.decode()
    assert words in page
    assert "<b>" not in page.split(words)[1][:20]


def test_until_when_is_told_to_people_and_to_programs(client):
    run("on", "--until", later(2))
    response = client.get("/")

    assert 6_900 < int(response["Retry-After"]) <= 7_200
    assert re.search(r"预计 .*\d\d:\d\d 前恢复", response.content.decode())


def test_a_time_that_has_passed_is_not_told(client, own_folder):
    run("on")
    (own_folder / "maintenance").write_text('{"until": "2020-01-01T10:00+08:00"}')
    response = client.get("/")
    assert response["Retry-After"] == str(RETRY_SECONDS)
    assert "2020" not in response.content.decode()


def test_a_program_gets_a_problem(client):
    run("on", "--message", "正在升级")
    response = client.get("/api/v1/demands/")
    assert response.status_code == 503
    assert response["Content-Type"] == "application/problem+json"
    assert response.json()["code"] == "maintenance"
    assert response.json()["detail"] == "正在升级"


@pytest.mark.django_db
def test_the_health_check_and_style_sheets_go_on(client):
    run("on")
    assert "components" in client.get(reverse("healthz")).json()
    assert client.get("/static/kq/app.css").status_code == 200


@pytest.mark.django_db
def test_off_opens_it_again(client):
    run("on")
    assert "open" in run("off")
    assert client.get("/").status_code == 200
    assert "was open" in run("off")


@pytest.mark.parametrize("text", ["", "{", "[]", '"closed"', '{"until": "soon"}', "\ud83d"])
def test_a_file_that_says_nothing_closes_it_too(own_folder, text):
    (own_folder / "maintenance").write_bytes(text.encode("utf8", "surrogatepass"))
    assert closure() is not None


@pytest.mark.parametrize(
    "arguments",
    [
        ["on", "--until", "tomorrow"],
        ["on", "--until", "2026-02-31 10:00"],
        ["on", "--until", "2020-01-01 10:00"],
        ["on", "--message", "长" * 501],
    ],
)
def test_what_makes_no_sense_closes_nothing(arguments):
    with pytest.raises(CommandError):
        run(*arguments)
    assert closure() is None


def test_a_setting_closes_it_for_hosts_that_share_no_files(client, settings):
    settings.MAINTENANCE = True
    assert client.get("/").status_code == 503
    with pytest.raises(CommandError, match="MAINTENANCE"):
        run("off")
    assert "closed" in run("status")
