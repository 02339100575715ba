"""Whatever a program sends: a status, a stable code and a sentence, and nothing half-saved."""

import json

import pytest
from redis.exceptions import ConnectionError as NoRedis

from catalog import search
from catalog.models import Demand
from catalog.search import SearchResult
from tests.api import Program
from tests.factories import make_demand, make_member

pytestmark = pytest.mark.django_db

JSON = "application/json"


def send(program, body, address="/api/v1/demands/", kind=JSON, **headers):
    data = body if isinstance(body, bytes) else body.encode()
    return program.client.generic(
        "POST", address, data, content_type=kind, headers=program.headers | headers
    )


def is_problem(answer, status, code=""):
    body = answer.json()
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.status_code == body["status"] == status, body
    assert body["type"] == f"urn:keqiao:problem:{body['code']}"
    assert body["title"] and body["detail"]
    assert not code or body["code"] == code
    return body


@pytest.fixture
def program():
    return Program(make_member())


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"x"',
        b"\xff\xfe{\x00}\x00",
        b'{"title": "\x00"}',
        b'{"title": "\\u0000"}',
        b'{"title": "\\ud800"}',
        b'{"\\ud800": 1}',
        b'{"title": NaN}',
        b'{"trl": ' + b"9" * 5000 + b"}",
        b'{"title": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"disclosure": ' + b'{"a":' * 500 + b"1" + b"}" * 500 + b"}",
        '{"title": "题"}'.encode("gb18030"),
    ],
)
def test_what_is_no_json_object_is_a_sentence(program, body):
    is_problem(send(program, body), 400)
    assert not Demand.objects.exists()


def test_a_body_of_ten_megabytes_is_not_read(program):
    is_problem(send(program, b'{"body": "' + b"a" * 10_000_000 + b'"}'), 413, "too_large")


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/xml", "multipart/form-data; boundary=x"]
)
def test_other_formats_are_refused(program, kind):
    is_problem(send(program, b"title=x", kind=kind), 415, "unsupported_media_type")


@pytest.mark.parametrize("kind", ["application/json; charset=bz2", "application/json; charset=x"])
def test_a_charset_that_is_none_is_refused(program, kind):
    assert send(program, b"{}", kind=kind).status_code == 400


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("title", ""),
        ("title", None),
        ("title", ["a"]),
        ("title", "长" * 201),
        ("title", "a\u202eb"),
        ("body", "长" * 20_001),
        ("indicators", "x"),
        ("indicators", [{"name": "a"}]),
        ("indicators", [[1]]),
        ("indicators", {"a": 1}),
        ("indicators", [{"name": "a", "op": "ge", "value": "1", "unit": "furlongs"}]),
        ("indicators", [{"name": "a", "op": "ge", "value": "1"}] * 51),
        ("industry", "Z99"),
        ("industry", {"a": 1}),
        ("region", "000000"),
        ("keywords", "a,b"),
        ("keywords", ["长" * 41]),
        ("keywords", [1.5, None]),
        ("keywords", ["a"] * 500),
        ("modes", ["steal"]),
        ("trl", 0),
        ("trl", 10),
        ("trl", "x"),
        ("trl", 1e400),
        ("trl", True),
        ("money_min", -1),
        ("money_max", 10**18),
        ("valid_until", "2999-01-01"),
        ("valid_until", "31.12.2026"),
        ("valid_until", 5),
        ("language", "fr"),
        ("ipc", ["Z99Z"]),
        ("ipc", "C21D"),
        ("emerging", ["99"]),
        ("disclosure", {"body": "nobody"}),
        ("disclosure", {"partners": "public"}),
        ("disclosure", {"title": "managers"}),
        ("disclosure", []),
        ("exclusivity", "always"),
        ("funded", "perhaps"),
        ("deadline", "0001-01-01"),
        ("external_id", "a/b"),
        ("external_id", "form:1"),
        ("external_id", "长" * 101),
        ("organization", "x"),
        ("organization", 10**30),
        ("status", "published"),
        ("owner", 1),
        ("quality", 100),
    ],
)
def test_a_wrong_entry_is_named_by_its_field(program, field, value):
    answer = send(program, json.dumps({"title": "一个题目", field: value}))

    body = is_problem(answer, 400, "invalid" if value != 1e400 else "")
    if value != 1e400:
        assert any(name.split(".")[0] == field for name in body["errors"]), body
    assert not Demand.objects.exists()


def test_every_wrong_entry_is_said_at_once(program):
    body = is_problem(send(program, json.dumps({"trl": 12, "modes": ["x"]})), 400)

    assert set(body["errors"]) == {"title", "trl", "modes.0"}


@pytest.mark.parametrize(
    ("language", "words"), [("zh-hans", "没有"), ("en", "no such"), ("fr", "没有"), ("", "没有")]
)
def test_sentences_come_in_the_reader_s_language(language, words):
    answer = Program().get("demands/XQ-2026-9999/", Accept_Language=language)

    assert words in is_problem(answer, 404, "not_found")["title"]


@pytest.mark.parametrize(
    "address",
    [
        "demands/XQ-2026-9999/",
        "demands/%00/",
        "demands/XQ-2026-%EF%BC%91%EF%BC%91%EF%BC%91%EF%BC%91/",
        "demands/CG-2026-0001/",
        "demands/XQ-2026-" + "9" * 30 + "/",
        "nothing/here/",
        "demands",
        "..%2f",
    ],
)
def test_what_is_not_there_is_not_found(address):
    is_problem(Program().get(address), 404, "not_found")


def test_an_id_of_another_system_holds_no_nul(program):
    answer = program.put("demands/by-external-id/a%00b/", {"title": "一个题目"})

    assert answer.status_code == 400
    assert program.get("demands/by-external-id/a%00b/").status_code in (400, 404)


@pytest.mark.parametrize(
    ("method", "address", "status"),
    [
        ("DELETE", "demands/", 405),
        ("POST", "me/", 405),
        ("OPTIONS", "demands/", 405),
        ("TRACE", "demands/", 405),
        ("QUIRK", "demands/", 405),
    ],
)
def test_a_method_that_the_address_has_not(program, method, address, status):
    is_problem(program.ask(method, address), status)


def test_a_format_that_nobody_writes():
    is_problem(Program().get("demands/", Accept="text/csv"), 406, "not_acceptable")


@pytest.mark.parametrize(
    "query", ["q=%00", "q=%ff", "after=x", "after=-1--1", "before=99999999999999999999-1", "trl=x",
              "industry=%00", "sort=worst", "&".join(f"region={n}" for n in range(900))]
)  # fmt: skip
def test_strange_filters_are_dropped_as_on_the_page(query):
    make_demand()

    assert Program().get(f"demands/?{query}").status_code == 200


def test_a_query_of_thousands_of_parameters_is_a_sentence():
    query = "&".join(f"a{number}=1" for number in range(2000))

    is_problem(Program().get(f"demands/?{query}"), 400)


def test_a_key_of_a_kilometre_is_a_sentence(program):
    answer = program.post("demands/", {"title": "一个题目"}, Idempotency_Key="x" * 201)

    is_problem(answer, 400)


def test_what_nobody_foresaw_is_said_as_json_as_well(program, monkeypatch):
    monkeypatch.setattr("catalog.api.listings.Catalogue", lambda *_args: 1 / 0)
    program.client.raise_request_exception = False

    answer = program.get("demands/")

    assert (answer.status_code, answer["Content-Type"]) == (500, "application/problem+json")
    assert json.loads(answer.content)["code"] == "failure"
    assert b"division" not in answer.content


# --- How often ----------------------------------------------------------------------------------


def test_a_program_that_asks_without_end_is_told_when_to_go_on(settings):
    settings.API_READS_PER_MINUTE = 2
    visitor, member = Program(), Program(make_member())

    answers = [visitor.get("demands/") for _number in range(3)]

    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert is_problem(answers[-1], 429, "throttled")
    assert answers[-1]["Retry-After"] == "60"
    assert member.get("demands/").status_code == 200


def test_changes_are_counted_apart(settings, program):
    settings.API_WRITES_PER_MINUTE = 1

    answers = [program.post("demands/", {"title": "一个题目"}) for _number in range(2)]

    assert [answer.status_code for answer in answers] == [201, 429]
    assert program.get("demands/").status_code == 200
    assert Demand.objects.count() == 1


def test_searches_count_together_with_those_of_the_pages(settings, client, monkeypatch):
    settings.SEARCHES_PER_MINUTE = 2
    monkeypatch.setattr(search, "_backend", lambda *_args: SearchResult([], True, False))

    client.get("/demands/", {"q": "淬火"})
    answers = [Program().get("demands/?q=x").status_code for _number in range(2)]

    assert answers == [200, 429]


def test_without_a_cache_nobody_is_refused(monkeypatch):
    def away(*_args, **_kwargs):
        raise NoRedis

    monkeypatch.setattr("accounts.views.limits.cache.add", away)

    assert Program().get("demands/").status_code == 200
