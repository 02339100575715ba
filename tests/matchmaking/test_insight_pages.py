"""The rows behind the numbers of the dashboard, and its tables as files."""

from __future__ import annotations

import csv
import io

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils.translation import override

from accounts.models import AccessEvent, Organization
from catalog.models import Demand
from matchmaking.services.insights import Scope
from matchmaking.services.insights.tables import TABLES
from tests.factories import make_member, make_operator
from tests.insight_world import NOW, World

pytestmark = pytest.mark.django_db


@pytest.fixture
def operator(client, clock):
    clock.at(NOW)
    user = make_operator()
    client.force_login(user)
    return user


def speak(user, language: str) -> None:
    user.language = language
    user.save(update_fields=["language"])


def lines(response) -> list[list[str]]:
    text = b"".join(response.streaming_content).decode("utf-8-sig")
    return list(csv.reader(io.StringIO(text)))


def test_a_number_opens_exactly_its_rows_under_the_scope_of_its_page(client, operator):
    World(share=2)
    address = reverse("insight_rows", args=["answer-in-time"])

    page = client.get(f"{address}?{Scope.of(industry='I').query()}")

    html = page.content.decode()
    assert page.status_code == 200
    # Two that were rejected in time, and two whose sides are late.
    assert page.context["page"].paginator.count == 4
    for demand in Demand.objects.filter(industry="I6510"):
        assert demand.get_absolute_url() in html
    assert Demand.objects.filter(industry="C2611").first().title not in html
    assert f"{reverse('dashboard')}?period=90&amp;industry=I" in html


@pytest.mark.parametrize(
    "key", ["late", "review-all", "publication-all", "sides-all", "verification-late", "orphans"]
)
def test_rows_of_every_kind_say_what_they_are_in_as_many_queries_for_one_as_for_ten(
    client, operator, key
):
    address = reverse("insight_rows", args=[key])
    World(share=1)
    client.get(address)
    with CaptureQueriesContext(connection) as few:
        first = client.get(address)
    World(share=4)
    with CaptureQueriesContext(connection) as many:
        second = client.get(address)

    assert first.status_code == second.status_code == 200
    assert second.context["page"].paginator.count > first.context["page"].paginator.count
    assert len(many) == len(few)


@pytest.mark.parametrize("key", ["nothing", "desk-1-open", "posted%27--", "lost-signed-a.b.c"])
def test_a_key_of_no_figure_is_not_found(client, operator, key):
    assert client.get(f"/dashboard/rows/{key}/").status_code == 404
    assert client.get(f"/dashboard/rows/{key}/", {"format": "csv"}).status_code == 404
    assert client.get(f"/dashboard/{key}.csv").status_code == 404
    assert not AccessEvent.objects.exists()


def test_a_page_beyond_the_last_is_the_last_and_nonsense_in_the_address_is_as_if_it_was_not_there(
    client, operator
):
    World(share=2)
    address = reverse("insight_rows", args=["posted"])
    query = {"page": "99", "period": "x", "region": "99'", "industry": "\x00", "from": "2026-13-40"}

    page = client.get(address, query)

    assert page.status_code == 200
    assert page.context["scope"] == Scope.of()
    assert page.context["page"].number == 1
    assert client.get(reverse("insight_rows", args=["signed"]), {"region": "11"}).status_code == 200


def test_rows_go_out_as_a_file_that_computes_nothing_and_leaves_a_trace(client, operator):
    world = World(share=1)
    Organization.objects.filter(pk=world.owner.pk).update(name="=1+1")
    Demand.objects.filter(industry="A0111").update(title='@SUM(A1)"; x')
    address = reverse("insight_rows", args=["unmet"])

    answer = client.get(address, {"format": "csv", "industry": "A"})

    head, row = lines(answer)
    assert len(head) == len(row) == 7
    assert row[1] == "'@SUM(A1)\"; x"
    assert row[2] == "'=1+1"
    event = AccessEvent.objects.get()
    assert (event.kind, event.subject, event.actor) == ("export", "figures", operator)
    assert event.note == "unmet?period=90&industry=A"
    assert "attachment" in answer["Content-Disposition"]
    assert answer["Cache-Control"] == "private, no-store"


@pytest.mark.parametrize(("language", "head"), [("zh-hans", "编号"), ("en", "Number")])
def test_a_file_speaks_the_language_of_its_reader_to_its_end(client, operator, language, head):
    World(share=1)
    speak(operator, language)
    answer = client.get(reverse("insight_rows", args=["posted"]), {"format": "csv"})

    # The file is written while it is sent: somebody else's page may have been made meanwhile.
    with override("en" if language == "zh-hans" else "zh-hans"):
        first, row, *_rest = lines(answer)

    assert first[0] == head
    assert row[3] in (("已发布", "审核中") if language == "zh-hans" else ("Published", "Submitted"))


@pytest.mark.parametrize("language", ["zh-hans", "en"])
def test_every_table_goes_out_as_the_page_shows_it(client, operator, settings, language):
    settings.EXPORTS_PER_MINUTE = 100
    World(share=1)
    speak(operator, language)

    for name in TABLES:
        head, *rows = lines(client.get(reverse("insight_table", args=[name])))
        assert rows, name
        assert {len(row) for row in rows} == {len(head)}, name
    assert AccessEvent.objects.filter(kind="export", subject="figures").count() == len(TABLES)


def test_only_operators_read_rows_and_tables(client, clock):
    clock.at(NOW)
    World(share=1)
    addresses = [
        reverse("insight_rows", args=["posted"]),
        reverse("insight_rows", args=["nothing"]),
        reverse("insight_table", args=["gaps"]),
    ]
    assert {client.get(address).status_code for address in addresses} == {302}
    client.force_login(make_member())
    assert {client.get(address).status_code for address in addresses} == {403}
    assert not AccessEvent.objects.exists()


def test_files_are_not_taken_out_without_end(client, operator, settings):
    settings.EXPORTS_PER_MINUTE = 2
    address = reverse("insight_table", args=["funnel"])

    answers = [client.get(address).status_code for _number in range(3)]

    assert answers == [200, 200, 429]
    assert AccessEvent.objects.count() == 2
