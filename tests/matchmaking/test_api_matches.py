"""The API of one's own matches: how each stands, what a side says, and what it never learns."""

import datetime as dt

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import AccessEvent, OrganizationStatus
from matchmaking.models import Appeal, Consent, Feedback, Inquiry, Match, MatchEvent
from matchmaking.workflow import MatchStatus, ReviewStatus, Side
from tests.api import Program
from tests.factories import (
    make_achievement,
    make_demand,
    make_manager,
    make_match,
    make_member,
    make_operator,
    make_review,
    make_user,
)

M = MatchStatus
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _no_broker(monkeypatch):
    monkeypatch.setattr("accounts.mail.send", lambda *_args: True)
    monkeypatch.setattr("matchmaking.tasks.send", lambda *_args: True)


def make_approved(**fields):
    return make_match(status=M.APPROVED, manager=make_manager(name="张评审"), **fields)


def program_of(match, side="demand", role="owner"):
    return Program(make_member(match.listing(side).owner, role=role))


def address(match, step=""):
    return f"matches/{match.number}/{step}"


def names(owner):
    return (owner.name, owner.contact_name, owner.contact_phone, owner.contact_email)


def waiting_member(owner):
    """Somebody who has asked to join, and is not let in yet."""
    user = make_member(owner)
    user.memberships.update(is_active=False)
    return user


def make_asked(**fields):
    match = make_match(status=M.IN_REVIEW)
    review = make_review(
        match=match,
        status=ReviewStatus.ACCEPTED,
        paused_on=timezone.localdate(),
        days_left=2,
    )
    values = {
        "review": review,
        "side": Side.DEMAND,
        "questions": [{"field": "indicator:1", "name": "圆度变形", "text": "可否放宽到 0.4 mm？"}],
        "due_on": timezone.localdate() + dt.timedelta(days=5),
    }
    return match, Inquiry.objects.create(**{**values, **fields})


# --- Reading --------------------------------------------------------------------------------------


def test_the_list_says_how_each_match_stands_and_what_comes_next():
    match = make_approved()
    make_match()

    [row] = program_of(match).get("matches/").json()["results"]

    assert row["number"] == match.number and row["side"] == "demand"
    assert row["listing"] == match.demand.number
    assert row["status"]["code"] == "approved" and row["status"]["label"]
    assert row["answer"]["what"] and row["answer"]["next_step"]
    assert row["answer"]["by"] == row["clock"]["due_on"] == match.due_on.isoformat()
    assert row["waits_for_me"]


@pytest.mark.parametrize("side", ["demand", "achievement"])
@pytest.mark.parametrize(
    "status", [M.SUGGESTED, M.IN_REVIEW, M.APPROVED, M.REJECTED, M.DECLINED, M.LAPSED]
)
def test_before_the_introduction_the_other_side_is_nowhere_named(side, status):
    match = make_match(status=status, manager=make_manager() if status != M.SUGGESTED else None)
    other = match.listing("achievement" if side == "demand" else "demand").owner
    program = program_of(match, side)

    for page in (program.get("matches/"), program.get(address(match))):
        assert page.status_code == 200
        assert not [one for one in names(other) if one in page.content.decode()]
    body = program.get(address(match)).json()
    sides = {one["side"]: one for one in body["evidence"]["sides"]}
    theirs = sides["achievement" if side == "demand" else "demand"]
    assert theirs["organization"] is None and theirs["contact"] is None
    assert sides[side]["organization"]["name"] == match.listing(side).owner.name
    assert not AccessEvent.objects.exists()


def test_names_and_contacts_come_with_the_introduction_and_are_noted():
    match = make_match(status=M.INTRODUCED, manager=make_manager())

    body = program_of(match).get(address(match)).json()

    theirs = body["evidence"]["sides"][1]
    owner = match.achievement.owner
    assert theirs["organization"]["name"] == owner.name
    assert theirs["contact"] == {
        "name": owner.contact_name,
        "phone": owner.contact_phone,
        "email": owner.contact_email,
    }
    assert AccessEvent.objects.get().kind == AccessEvent.Kind.CONTACTS


def test_what_is_for_managers_is_not_for_the_other_side():
    secret = "铼含量百分之三的配方"
    closed = make_achievement(body=secret, disclosure={"body": "managers"})
    match = make_approved(achievement=closed)

    assert secret not in program_of(match).get(address(match)).content.decode()
    assert secret in program_of(match, "achievement").get(address(match)).content.decode()


def test_a_match_whose_listing_was_withdrawn_shows_no_text_of_it():
    match = make_match(status=M.LAPSED, manager=make_manager())
    match.achievement.status = "withdrawn"
    match.achievement.save(update_fields=("status",))
    program = program_of(match)

    body = program.get(address(match)).json()
    [row] = program.get("matches/").json()["results"]

    assert body["evidence"] is None and body["events"] == []
    assert row["title"] == "" and row["gap"] == ""
    assert match.achievement.title not in program.get(address(match)).content.decode()


@pytest.mark.parametrize(
    ("tab", "expected"),
    [
        ("answer", {"approved", "asked"}),
        ("review", {"suggested"}),
        ("waiting", {"agreed"}),
        ("introduced", {"introduced"}),
        ("ended", {"rejected"}),
    ],
)
def test_the_list_has_the_tabs_of_the_page(tab, expected):
    demand = make_demand()
    user = make_member(demand.owner)
    matches = {
        "approved": make_approved(demand=demand),
        "agreed": make_approved(demand=demand),
        "suggested": make_match(demand=demand),
        "introduced": make_match(demand=demand, status=M.INTRODUCED),
        "rejected": make_match(demand=demand, status=M.REJECTED),
        "asked": make_match(demand=demand, status=M.IN_REVIEW),
    }
    make_match(demand=demand, status=M.SUPERSEDED)
    Consent.objects.create(match=matches["agreed"], side="demand", agreed=True, user=user)
    Inquiry.objects.create(
        review=make_review(match=matches["asked"], status=ReviewStatus.ACCEPTED),
        side="demand",
        due_on=timezone.localdate(),
    )
    program = Program(user)

    rows = program.get(f"matches/?tab={tab}").json()["results"]

    assert {row["number"] for row in rows} == {matches[name].number for name in expected}
    every = program.get("matches/").json()["results"]
    assert {row["number"] for row in every} == {one.number for one in matches.values()}


def test_the_list_is_narrowed_to_a_listing_and_read_page_by_page():
    owner = make_demand().owner
    first, second = make_demand(owner=owner), make_demand(owner=owner)
    matches = [make_match(demand=first) for _ in range(3)]
    make_match(demand=second)
    program = Program(make_member(owner))

    page = program.get(f"matches/?listing={first.number}&page_size=2").json()
    rest = program.get(page["next"].removeprefix("http://testserver")).json()

    found = [row["number"] for row in (*page["results"], *rest["results"])]
    assert found == [match.number for match in reversed(matches)] and rest["next"] is None
    assert program.get("matches/?listing=XQ-2026-9999").json()["results"] == []
    for wrong in ("tab=mine", "after=x", "page_size=1000"):
        assert program.get(f"matches/?{wrong}").status_code == 400


def test_the_list_costs_the_same_for_one_match_and_for_ten():
    demand = make_demand()
    program = Program(make_member(demand.owner))

    def queries():
        with CaptureQueriesContext(connection) as found:
            assert program.get("matches/").status_code == 200
        return len(found)

    make_approved(demand=demand)
    queries()
    one = queries()
    for _ in range(9):
        make_approved(demand=demand)

    assert queries() == one


# --- Answering ------------------------------------------------------------------------------------


def test_the_second_yes_introduces_both():
    match = make_approved()
    first, second = program_of(match), program_of(match, "achievement")

    one = first.post(address(match, "answer/"), {"agree": True})
    assert one.status_code == 200 and one.json()["my_answer"] is True
    assert one.json()["status"]["code"] == "approved"
    again = first.post(address(match, "answer/"), {"agree": False, "reason": "price"})
    assert (again.status_code, again.json()["code"]) == (409, "wrong_state")
    two = second.post(address(match, "answer/"), {"agree": True})

    assert two.json()["status"]["code"] == "introduced"
    assert two.json()["evidence"]["sides"][0]["contact"]["phone"] == (
        match.demand.owner.contact_phone
    )


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "agree"),
        ({"agree": "perhaps"}, "agree"),
        ({"agree": False}, "reason"),
        ({"agree": False, "reason": "bored"}, "reason"),
        ({"agree": False, "reason": "other"}, "note"),
        ({"agree": False, "reason": "price", "note": "x" * 1001}, "note"),
    ],
)
def test_a_wrong_answer_is_refused_by_field_and_changes_nothing(body, field):
    match = make_approved()

    answer = program_of(match).post(address(match, "answer/"), body)

    assert answer.status_code == 400 and field in answer.json()["errors"]
    assert not Consent.objects.exists() and not MatchEvent.objects.exists()


def test_a_note_that_names_a_side_is_refused():
    match = make_approved()
    note = f"我们是{match.demand.owner.name}"

    answer = program_of(match).post(
        address(match, "answer/"), {"agree": False, "reason": "price", "note": note}
    )

    assert set(answer.json()["errors"]) == {"note"} and not Consent.objects.exists()


def test_who_is_being_verified_cannot_agree_yet():
    match = make_approved()
    owner = match.demand.owner
    owner.status = OrganizationStatus.PENDING
    owner.save(update_fields=("status",))

    answer = program_of(match).post(address(match, "answer/"), {"agree": True})

    assert answer.status_code == 409 and not Consent.objects.exists()


def test_questions_are_read_and_answered_by_the_side_that_is_asked():
    match, inquiry = make_asked()
    program, other = program_of(match), program_of(match, "achievement")

    asked = program.get(address(match, "questions/")).json()
    assert asked["inquiry"] == inquiry.pk and asked["due_on"] == inquiry.due_on.isoformat()
    [question] = asked["questions"]
    assert question["text"] == "可否放宽到 0.4 mm？" and question["answer"] == ""
    # The other side knows of no questions.
    assert other.get(address(match, "questions/")).status_code == 404
    body = {"inquiry": inquiry.pk, "answers": ["可以放宽到 0.38 mm。"]}
    assert other.post(address(match, "questions/"), body).status_code == 404

    done = program.post(address(match, "questions/"), body)

    assert done.status_code == 200 and done.json()["status"] == "answered"
    assert done.json()["questions"][0]["answer"] == "可以放宽到 0.38 mm。"
    inquiry.review.refresh_from_db()
    assert inquiry.review.paused_on is None
    assert program.post(address(match, "questions/"), body).status_code == 409


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"answers": ["x"]}, 400),
        ({"inquiry": 0, "answers": ["x"]}, 400),
        ({"inquiry": 999_999, "answers": ["x"]}, 409),
        ({"answers": []}, 400),
        ({"answers": [""]}, 400),
        ({"answers": ["x", "y"]}, 400),
        ({"answers": ["x" * 2001]}, 400),
        ({"answers": "x"}, 400),
    ],
)
def test_wrong_answers_to_questions_change_nothing(body, status):
    match, inquiry = make_asked()
    if len(body) == 1 and body != {"answers": ["x"]}:
        body = {"inquiry": inquiry.pk, **body}

    answer = program_of(match).post(address(match, "questions/"), body)

    assert answer.status_code == status, answer.json()
    inquiry.refresh_from_db()
    assert inquiry.status == "open" and not MatchEvent.objects.exists()


def test_a_side_objects_once():
    match = make_match(status=M.REJECTED, manager=make_manager())
    program = program_of(match)
    text = "指标已有第三方检测报告，请再看附件里的数据。"

    short = program.post(address(match, "appeal/"), {"text": "不对"})
    assert set(short.json()["errors"]) == {"text"} and not Appeal.objects.exists()
    done = program.post(address(match, "appeal/"), {"text": text})

    assert done.status_code == 200 and done.json()["status"]["code"] == "suggested"
    assert program.post(address(match, "appeal/"), {"text": text}).status_code == 409
    assert Appeal.objects.count() == 1


def test_a_side_says_what_came_of_an_introduction():
    match = make_match(status=M.INTRODUCED, manager=make_manager())
    program = program_of(match)

    for wrong, field in (
        ({"rating": 6, "contract": "signed"}, "rating"),
        ({"rating": 0, "contract": "signed"}, "rating"),
        ({"rating": 5, "contract": "maybe"}, "contract"),
        ({"rating": 5}, "contract"),
    ):
        answer = program.post(address(match, "feedback/"), wrong)
        assert answer.status_code == 400 and field in answer.json()["errors"]
    assert not Feedback.objects.exists()
    body = {"rating": 5, "contract": "talking"}
    assert program.post(address(match, "feedback/"), body).status_code == 204
    assert (
        program.post(address(match, "feedback/"), body | {"contract": "signed"}).status_code == 204
    )

    assert Feedback.objects.get().contract == "signed"


@pytest.mark.parametrize("step", ["answer/", "appeal/", "feedback/"])
def test_what_is_not_possible_from_a_status_is_a_409_with_a_sentence(step):
    match = make_match(status=M.SUGGESTED)
    body = {
        "answer/": {"agree": True},
        "appeal/": {"text": "指标已有第三方检测报告，请再看附件里的数据。"},
        "feedback/": {"rating": 5, "contract": "signed"},
    }[step]

    answer = program_of(match).post(address(match, step), body)

    assert (answer.status_code, answer.json()["code"]) == (409, "wrong_state")
    assert answer.json()["detail"] and not MatchEvent.objects.exists()


# --- Who may --------------------------------------------------------------------------------------

STEPS = {
    "answer/": {"agree": True},
    "appeal/": {"text": "指标已有第三方检测报告，请再看附件里的数据。"},
    "feedback/": {"rating": 5, "contract": "signed"},
}


@pytest.mark.parametrize(
    ("who", "read", "write"),
    [
        ("visitor", 401, 401),
        ("plain", 404, 404),
        ("stranger", 404, 404),
        ("waiting", 404, 404),
        ("manager", 403, 403),
        ("operator", 403, 403),
        ("viewer", 200, 403),
        ("editor", 200, 200),
        ("token", 200, 403),
    ],
)
def test_who_reads_and_answers(who, read, write):
    match = make_approved()
    owner = match.demand.owner
    users = {
        "visitor": lambda: None,
        "plain": make_user,
        "stranger": make_member,
        "waiting": lambda: waiting_member(owner),
        "manager": lambda: match.reviews.get().manager,
        "operator": make_operator,
        "viewer": lambda: make_member(owner, role="viewer"),
        "editor": lambda: make_member(owner, role="editor"),
        "token": lambda: make_member(owner),
    }
    program = Program(users[who](), "read" if who == "token" else "write")

    assert program.get(address(match)).status_code == read
    for step, body in STEPS.items():
        answer = program.post(address(match, step), body)
        if step != "answer/" and write == 200:
            assert answer.status_code == 409
            continue
        assert answer.status_code == write, (step, answer.json())
    assert Consent.objects.exists() == (write == 200)
    assert Match.objects.get().status == M.APPROVED


@pytest.mark.parametrize("number", ["M-20260101-0001", "M-20261122-99999", "x", "%E0%A4%A"])
def test_a_number_that_is_none_is_not_found(number):
    program = Program(make_member())

    assert program.get(f"matches/{number}/").status_code == 404
    assert program.post(f"matches/{number}/answer/", {"agree": True}).status_code == 404


def test_people_without_an_organization_have_an_empty_list():
    for user in (make_user(), make_manager(), make_operator()):
        assert Program(user).get("matches/").json() == {"next": None, "results": []}
    assert Program().get("matches/").status_code == 401
