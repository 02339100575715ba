"""Who did, read and took out what: kept by the database, readable, searchable."""

from __future__ import annotations

import csv
import io

import pytest
from django.db import DatabaseError, connection, transaction
from django.urls import reverse
from django.utils import timezone

from accounts.models import AccessEvent, AccountEvent
from accounts.trace import SAME_LOOK, record_access
from catalog.models import AttachmentEvent, ListingEvent, ListingExport, PublicationReview
from catalog.models.publication import step_model
from catalog.models.reasons import Reason, ReasonChange
from catalog.workflow import ListingStatus
from matchmaking.audit import SOURCES
from matchmaking.models import MatchEvent
from matchmaking.workflow import MatchStatus, ReviewStatus
from tests.factories import (
    make_achievement,
    make_demand,
    make_manager,
    make_match,
    make_member,
    make_operator,
    make_organization,
    make_review,
)

pytestmark = pytest.mark.django_db

HISTORIES = (
    MatchEvent,
    ListingEvent,
    AccountEvent,
    AccessEvent,
    AttachmentEvent,
    ListingExport,
    ReasonChange,
    step_model(),
)


def one_row(model: type) -> int:
    """Write one row of a history and return its key."""
    actor = make_operator()
    if model is MatchEvent:
        row = model.objects.create(match=make_match(), verb="suggested", after="suggested")
    elif model is ListingEvent:
        row = model.objects.create(demand=make_demand(), after="draft", version=1)
    elif model is AccountEvent:
        row = model.objects.create(actor=actor, verb="registered")
    elif model is AccessEvent:
        row = model.objects.create(actor=actor, kind="names", subject="match", number="M-1")
    elif model is AttachmentEvent:
        row = model.objects.create(demand=make_demand(), actor=actor, verb="added")
    elif model is step_model():
        listing = make_demand(status=ListingStatus.DRAFT)
        row = PublicationReview.objects.create(
            demand=listing, version=1, due_on=timezone.localdate()
        ).history.get()
    elif model is ReasonChange:
        reason = Reason.objects.create(subject="match", code="price")
        row = model.objects.create(actor=actor, reason=reason, verb="retired")
    else:
        row = model.objects.create(actor=actor, kind="demand", own=False, file_format="csv", rows=1)
    return row.pk


@pytest.mark.parametrize("model", HISTORIES, ids=lambda model: model.__name__)
@pytest.mark.parametrize("statement", ["UPDATE {} SET {key} = {key}", "DELETE FROM {}"])
def test_the_database_refuses_to_change_history_in_plain_sql(model, statement):
    key = one_row(model)
    before = model.objects.count()

    with (
        pytest.raises(DatabaseError, match="Cannot update or delete"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        column = model._meta.pk.column
        sql = statement.format(model._meta.db_table, key=column)
        cursor.execute(f"{sql} WHERE {column} = {key}")

    assert model.objects.count() == before
    assert model.objects.get(pk=key)


def test_the_same_look_leaves_one_row_and_a_later_one_another(monkeypatch):
    reader = make_operator()
    look = {"actor": reader, "kind": "names", "subject": "match", "number": "M-20261101-0007"}

    assert record_access(**look)
    assert not record_access(**look)
    assert record_access(**look | {"number": "M-20261101-0008"})
    assert record_access(**look | {"kind": "contacts"})
    monkeypatch.setattr("accounts.trace.SAME_LOOK", -SAME_LOOK)
    assert record_access(**look)

    assert AccessEvent.objects.count() == 4


def test_every_file_that_is_taken_out_leaves_a_row():
    reader = make_operator()
    for _copy in range(2):
        assert record_access(actor=reader, kind="export", subject="trace")
    assert AccessEvent.objects.count() == 2


@pytest.mark.parametrize(("kind", "subject"), [("peek", "match"), ("names", "cupboard")])
def test_words_that_are_not_of_the_trace_are_refused(kind, subject):
    with pytest.raises(ValueError, match=r"peek|cupboard"):
        record_access(actor=make_operator(), kind=kind, subject=subject)
    assert not AccessEvent.objects.exists()


# --- What is traced -----------------------------------------------------------------------------


def kinds_of(reader) -> list[tuple[str, str]]:
    return list(AccessEvent.objects.filter(actor=reader).values_list("kind", "number"))


def test_the_names_of_an_introduced_match_are_traced_and_a_blind_one_is_not(client):
    match = make_match(status=MatchStatus.APPROVED)
    reader = make_member(match.demand.owner)
    client.force_login(reader)
    client.get(reverse("match_detail", args=[match.number]))
    assert kinds_of(reader) == []

    type(match).objects.filter(pk=match.pk).update(
        status=MatchStatus.INTRODUCED, introduced_at=timezone.now()
    )
    client.get(reverse("match_detail", args=[match.number]))
    assert kinds_of(reader) == [("contacts", match.number)]


def test_a_manager_who_reads_both_names_is_traced(client):
    match = make_match(status=MatchStatus.IN_REVIEW)
    manager = make_manager()
    make_review(match=match, manager=manager, status=ReviewStatus.ACCEPTED)
    client.force_login(manager)
    client.get(reverse("match_review", args=[match.number]))
    assert ("names", match.number) in kinds_of(manager)


@pytest.mark.parametrize("name", ["match_refer", "match_conflict", "match_ask"])
@pytest.mark.parametrize("status", [ReviewStatus.ASSIGNED, ReviewStatus.ACCEPTED])
def test_what_a_manager_does_with_a_match_is_traced_where_it_shows_names(client, name, status):
    match = make_match(status=MatchStatus.IN_REVIEW)
    manager = make_manager()
    make_review(match=match, manager=manager, status=status)
    client.force_login(manager)
    page = client.get(reverse(name, args=[match.number])).content.decode()
    accepted = status == ReviewStatus.ACCEPTED
    assert (match.demand.owner.name in page) is accepted
    assert kinds_of(manager) == ([("names", match.number)] if accepted else [])


def test_an_operator_who_takes_a_decision_back_is_traced(client):
    match = make_match(status=MatchStatus.APPROVED)
    operator = make_operator()
    client.force_login(operator)
    page = client.get(reverse("ops_reopen", args=[match.number])).content.decode()
    assert match.demand.owner.name in page
    assert kinds_of(operator) == [("names", match.number)]


def test_the_list_of_assignments_is_traced_for_each_match_on_it(client):
    matches = [make_match(), make_match()]
    operator = make_operator()
    client.force_login(operator)
    for _look in range(2):
        client.get(reverse("ops_assignments"))
    assert sorted(kinds_of(operator)) == sorted(("names", match.number) for match in matches)


def test_a_side_that_is_asked_what_came_of_it_is_traced_once_it_reads_the_name(client):
    match = make_match(status=MatchStatus.APPROVED)
    reader = make_member(match.demand.owner)
    client.force_login(reader)
    url = reverse("match_feedback", args=[match.number])
    client.get(url)
    assert kinds_of(reader) == []

    type(match).objects.filter(pk=match.pk).update(
        status=MatchStatus.INTRODUCED, introduced_at=timezone.now()
    )
    assert match.achievement.owner.name in client.get(url).content.decode()
    assert kinds_of(reader) == [("names", match.number)]


def test_what_is_not_for_members_is_traced_when_a_manager_reads_it(client):
    listing = make_achievement(encumbrances="已质押给银行")
    manager, member = make_manager(), make_member()
    for reader in (manager, member, make_member(listing.owner)):
        client.force_login(reader)
        client.get(listing.get_absolute_url())

    assert kinds_of(manager) == [("restricted", listing.number)]
    assert AccessEvent.objects.exclude(actor=manager).count() == 0
    assert AccessEvent.objects.get().note == "encumbrances"


def test_the_api_traces_like_the_page(client):
    listing = make_achievement(encumbrances="已质押给银行")
    manager = make_manager()
    client.force_login(manager)
    answer = client.get(f"/api/v1/achievements/{listing.number}/")
    assert answer.json()["encumbrances"] == "已质押给银行"
    assert kinds_of(manager) == [("restricted", listing.number)]


# --- Searching and taking out ---------------------------------------------------------------------


def fill() -> dict[str, object]:
    person = make_operator(name="陆文")
    organization = make_organization(name="临港泵业")
    match = make_match()
    AccountEvent.objects.create(
        actor=person, organization=organization, verb="verified", note="执照原件"
    )
    MatchEvent.objects.create(
        match=match, actor=make_manager(name="顾平"), verb="approved", after="approved", note="可谈"
    )
    record_access(actor=person, kind="names", subject="match", number=match.number)
    ListingExport.objects.create(
        actor=person, kind="demand", own=False, file_format="csv", query="q=泵", rows=12
    )
    return {"match": match, "person": person}


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"kind": "access"}, {"access"}),
        ({"kind": "export"}, {"export"}),
        ({"kind": "nonsense"}, {"account", "match", "access", "export"}),
        ({"person": "陆文"}, {"account", "access", "export"}),
        ({"person": "顾平"}, {"match"}),
        ({"person": "临港"}, {"account"}),
        ({"words": "执照"}, {"account"}),
        ({"words": "可谈"}, {"match"}),
        ({"until": "2001-01-01"}, set()),
        ({"since": "2001-01-01"}, {"account", "match", "access", "export"}),
        ({"since": "2026-02-31", "until": "soon"}, {"account", "match", "access", "export"}),
        ({"words": "%_\x00'"}, set()),
    ],
)
def test_the_trace_is_searched(client, query, found):
    fill()
    client.force_login(make_operator())
    page = client.get(reverse("ops_audit"), query).context["page"]
    assert {kind for _when, kind, _key in page} == found


def test_every_history_is_told_on_the_page_and_in_the_file(client):
    keys = {model: one_row(model) for model in HISTORIES}
    ListingEvent.objects.create(
        demand=make_demand(), before="submitted", after="rejected", version=1, reason="vague"
    )
    client.force_login(make_operator())
    words = "没有说清楚"
    for kind in SOURCES:
        page = client.get(reverse("ops_audit"), {"kind": kind})
        assert page.status_code == 200
        assert page.context["lines"]
    assert words in client.get(reverse("ops_audit")).content.decode()
    text = b"".join(client.get(reverse("ops_audit_export")).streaming_content).decode("utf-8-sig")
    assert len(list(csv.reader(io.StringIO(text)))) > len(keys)


@pytest.mark.parametrize(
    ("verb", "reason", "words"),
    [("declined", "timing", "时间"), ("escalated", "nobody", "没有经理人")],
)
def test_a_reason_is_said_in_the_words_of_its_step(client, verb, reason, words):
    MatchEvent.objects.create(match=make_match(), verb=verb, after="approved", reason=reason)
    client.force_login(make_operator())
    [line] = [one for one in client.get(reverse("ops_audit")).context["lines"] if one.detail]
    assert words in line.detail
    assert reason not in line.detail


def test_a_number_finds_what_was_done_and_what_was_read(client):
    match = fill()["match"]
    client.force_login(make_operator())
    page = client.get(reverse("ops_audit"), {"number": match.number.lower()}).context["page"]
    assert {kind for _when, kind, _key in page} == {"match", "access"}


def test_the_trace_goes_out_as_it_is_searched_and_that_is_traced(client):
    fill()
    operator = make_operator()
    client.force_login(operator)
    answer = client.get(reverse("ops_audit_export"), {"words": "执照"})
    text = b"".join(answer.streaming_content).decode("utf-8-sig")
    rows = list(csv.reader(io.StringIO(text)))

    assert len(rows) == 2
    assert "临港泵业" in rows[1]
    assert "执照原件" in rows[1]
    row = AccessEvent.objects.get(actor=operator)
    assert (row.kind, row.subject) == ("export", "trace")
    assert "words=" in row.note


def test_a_note_that_looks_like_a_formula_stays_text(client):
    AccountEvent.objects.create(
        actor=make_operator(), organization=make_organization(), verb="changed", note="=1+1"
    )
    client.force_login(make_operator())
    answer = client.get(reverse("ops_audit_export"))
    text = b"".join(answer.streaming_content).decode("utf-8-sig")
    assert "=1+1" not in [cell for row in csv.reader(io.StringIO(text)) for cell in row]


def test_only_operators_search_the_trace_or_take_it_out(client):
    for reader in (make_manager(), make_member()):
        client.force_login(reader)
        for name in ("ops_audit", "ops_audit_export"):
            assert client.get(reverse(name)).status_code == 403
    assert not AccessEvent.objects.exists()
