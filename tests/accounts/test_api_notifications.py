"""Notifications for programs."""

import pytest

from accounts import notices
from accounts.inbox import Notification
from accounts.models import OrganizationStatus, TokenScope
from tests.api import Program
from tests.factories import make_member

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _no_broker(queued):
    """Mails stay in the outbox."""


@pytest.fixture
def program(office):
    return Program(office.owner)


def test_ones_own_are_listed_with_texts(program, office, clock):
    office.tell()
    office.tell(user=make_member(office.organization, role="editor"))

    body = program.get("notifications/", accept_language="en").json()

    assert body["next"] is None
    [row] = body["results"]
    assert row["kind"] == "organization.verified"
    assert row["group"] == "info"
    assert row["title"] == "宁远轴承有限公司 is verified"
    assert row["url"] == "http://testserver/org/"
    assert row["read_at"] is None
    assert set(row) == {"id", "kind", "group", "title", "text", "url", "at", "read_at"}


def test_what_is_no_longer_true_is_left_out(program, office, clock):
    office.tell()
    pk = Notification.objects.get().pk
    office.organization.status = OrganizationStatus.PENDING
    office.organization.save(update_fields=("status",))

    assert program.get(f"notifications/{pk}/").status_code == 404
    assert program.get("notifications/").json()["results"] == []


def test_pages_go_forwards(program, office, clock):
    for _ in range(5):
        office.tell()

    first = program.get("notifications/?page_size=3").json()
    rest = program.get(first["next"].removeprefix("http://testserver")).json()

    ids = [row["id"] for row in first["results"] + rest["results"]]
    assert ids == sorted(ids, reverse=True)
    assert len(set(ids)) == 5
    assert rest["next"] is None


def test_filters_are_read_and_wrong_ones_said(program, office, clock):
    office.tell()
    office.tell()
    notices.mark_read(Notification.objects.filter(pk=Notification.objects.first().pk))

    def count(query):
        return len(program.get(f"notifications/?{query}").json()["results"])

    assert [count("unread=true"), count("unread=false")] == [1, 2]
    assert [count("group=info"), count("group=todo")] == [2, 0]
    assert [count("kind=organization.verified"), count("kind=match.approved")] == [2, 0]
    response = program.get("notifications/?unread=1&group=x&kind=y&page_size=2")
    assert response.status_code == 400
    assert set(response.json()["errors"]) == {"unread", "group", "kind"}


def test_some_or_all_are_marked_as_read(program, office, clock):
    other = make_member(office.organization, role="editor")
    for _ in range(3):
        office.tell()
    office.tell(user=other)
    mine, theirs = (
        Notification.objects.filter(user=user).values_list("pk", flat=True)
        for user in (office.owner, other)
    )

    some = program.post("notifications/read/", {"ids": [mine[0], theirs[0], 10**15]})
    assert some.json() == {"marked": 1, "unread": 2}
    assert program.post("notifications/read/").json() == {"marked": 2, "unread": 0}
    assert program.post("notifications/read/", {"ids": []}).json() == {"marked": 0, "unread": 0}
    assert notices.unread_count(other) == 1


@pytest.mark.parametrize("ids", ["x", [0], [-1], ["x"], [2**63], [1.5], list(range(1, 502))])
def test_ids_that_are_none_are_refused(program, office, clock, ids):
    office.tell()

    response = program.post("notifications/read/", {"ids": ids})

    assert response.status_code == 400
    assert notices.unread_count(office.owner) == 1


def test_only_who_is_known_and_may_write_marks(office, clock):
    office.tell()

    assert Program().get("notifications/").status_code == 401
    reader = Program(office.owner, TokenScope.READ)
    assert reader.get("notifications/").status_code == 200
    assert reader.post("notifications/read/").status_code == 403
    assert notices.unread_count(office.owner) == 1


def test_somebody_elses_is_not_there(office, clock):
    office.tell()
    other = Program(make_member(office.organization, role="editor"))

    assert other.get(f"notifications/{Notification.objects.get().pk}/").status_code == 404


def test_a_page_of_ten_costs_as_much_as_of_one(program, office, clock, django_assert_num_queries):
    office.tell()
    program.get("notifications/")  # the first one notes when the token was used
    # The token with its person; the rows; memberships with organizations.
    with django_assert_num_queries(3):
        program.get("notifications/")
    for _ in range(9):
        office.tell()
    with django_assert_num_queries(3):
        assert len(program.get("notifications/").json()["results"]) == 10
