"""The description of the API: complete, valid, and true of what the addresses answer."""

import json
from contextlib import suppress

import pytest
import schemathesis
from django.core.management import call_command
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections
from hypothesis import HealthCheck, Phase, given, seed
from hypothesis import settings as hypothesis_settings
from hypothesis.errors import Unsatisfiable
from schemathesis.generation import GenerationMode
from schemathesis.openapi import from_wsgi
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.api import make_token
from tests.factories import make_achievement, make_demand, make_member

CHECKS = (
    schemathesis.checks.not_a_server_error,
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
# Of each operation, and of each kind: what the description allows, and what it does not.
EXAMPLES = 3
MODES = {
    "visitor": (GenerationMode.POSITIVE,),
    "member": (GenerationMode.POSITIVE, GenerationMode.NEGATIVE),
}
# The two lists have the same addresses; of the second one, what has fields of its own.
TWIN = "/achievements/"
TWINS = ("/achievements/", "/achievements/{number}/")


def described(client, language="zh-hans"):
    answer = client.get("/api/v1/schema/", headers={"Accept-Language": language})
    assert answer.status_code == 200
    return json.loads(answer.content)


def operations(schema):
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def test_the_description_is_valid_and_without_a_warning(tmp_path):
    call_command("spectacular", "--validate", "--fail-on-warn", "--file", tmp_path / "schema.yml")


@pytest.mark.parametrize("language", ["zh-hans", "en"])
def test_every_operation_says_what_it_does_and_how_it_refuses(client, language):
    schema = described(client, language)
    chinese = language.startswith("zh")

    for name, operation in operations(schema):
        for text in (operation["summary"], operation["description"]):
            assert any("\u4e00" <= char <= "\u9fff" for char in text) == chinese, (name, text)
        refusals = {code for code in operation["responses"] if code[0] == "4"}
        assert {"400", "401", "403", "429"} <= refusals, name
        for code in refusals:
            problem = operation["responses"][code]["content"]["application/problem+json"]
            assert problem["examples"], (name, code)
        if "requestBody" in operation:
            assert {"413", "415"} <= refusals, name


def test_operations_have_names_of_their_own(client):
    names = [operation["operationId"] for _name, operation in operations(described(client))]

    assert len(names) == len(set(names)) > 50


def test_what_creates_or_changes_a_listing_has_an_example(client):
    components = described(client)["components"]

    for name, operation in operations(described(client)):
        body = operation.get("requestBody", {}).get("content", {}).get("application/json")
        if body is None or operation["operationId"].endswith(("_create", "_update")):
            assert body is None or body.get("examples") or name.startswith("POST /api/v1/searches")
    assert components["securitySchemes"]["token"]["scheme"] == "bearer"


def test_changes_of_content_ask_for_if_match(client):
    for name, operation in operations(described(client)):
        headers = {one["name"] for one in operation.get("parameters", ()) if one["in"] == "header"}
        if operation["operationId"].endswith(("_update", "_partial_update")):
            assert "If-Match" in headers, name
            assert {"412", "428"} <= set(operation["responses"]), name


@pytest.fixture
def kept_connection():
    """Keep the test's transaction through requests, as Django's own test client does."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@pytest.mark.django_db
@pytest.mark.parametrize("who", ["visitor", "member"])
def test_whatever_is_sent_the_answer_is_as_described(who, settings, kept_connection):
    """Some of what the description allows and forbids, sent to every operation, seeded."""
    settings.API_READS_PER_MINUTE = settings.API_WRITES_PER_MINUTE = 1_000_000
    settings.SEARCHES_PER_MINUTE = settings.EXPORTS_PER_MINUTE = 1_000_000
    member = make_member()
    owner = member.organizations.get()
    headers, numbers = {}, {}
    if who == "member":
        headers["Authorization"] = f"Bearer {make_token(member)}"
        numbers = {
            "demands": make_demand(owner=owner, status="draft").number,
            "achievements": make_achievement(owner=owner).number,
        }
    schema = from_wsgi("/api/v1/schema/", get_wsgi_application())

    for result in schema.get_all_operations():
        operation = result.ok()
        if TWIN in operation.path and not operation.path.endswith(TWINS):
            continue
        number = next(
            (found for plural, found in numbers.items() if f"/{plural}/" in operation.path), ""
        )
        for mode in MODES[who]:
            send_some(operation, mode, headers, number)


def send_some(operation, mode, headers, number):
    @seed(20261122)
    @hypothesis_settings(
        max_examples=EXAMPLES,
        phases=[Phase.explicit, Phase.generate],
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def send(case):
        if number and "number" in case.path_parameters:
            # One that is there: what is made up is nearly always a 404.
            case.path_parameters["number"] = number
        case.validate_response(case.call(headers=headers), checks=CHECKS)

    with suppress(Unsatisfiable):  # an address takes any text: there is no wrong one
        send()
