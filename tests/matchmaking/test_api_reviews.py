"""The API of reviews: the queue, the evidence, every step, and what is refused."""

import datetime as dt

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import AccessEvent, ManagerInterest, ManagerStatus
from accounts.workdays import add_working_days
from matchmaking.models import Inquiry, Match, MatchEvent, Review
from matchmaking.workflow import Decision, MatchStatus, ReviewStatus
from tests.api import Program
from tests.factories import (
    make_achievement,
    make_demand,
    make_manager,
    make_match,
    make_member,
    make_operator,
    make_organization,
    make_review,
    make_user,
)

M, R = MatchStatus, ReviewStatus
pytestmark = pytest.mark.django_db
GOOD = {
    "decision": "approve",
    "reasons": ["measured"],
    "criteria": {"fit": 4, "maturity": 4, "terms": 3, "credibility": 5},
    "no_interest": True,
}


@pytest.fixture(autouse=True)
def _no_broker(monkeypatch):
    monkeypatch.setattr("accounts.mail.send", lambda *_args: True)
    monkeypatch.setattr("matchmaking.tasks.send", lambda *_args: True)


@pytest.fixture
def manager():
    return make_manager()


@pytest.fixture
def program(manager):
    return Program(manager)


def make_own(manager, status=R.ACCEPTED, **fields):
    match = fields.pop("match", None) or make_match(status=M.IN_REVIEW)
    return make_review(match=match, manager=manager, status=status, **fields)


def address(review, step=""):
    return f"reviews/{review.match.number}/{step}"


def following(program, page):
    return program.get(page["next"].removeprefix("http://testserver")).json()


def tie_to(manager, organization):
    ManagerInterest.objects.create(
        profile=manager.manager_profile, organization=organization, kind="interest"
    )


def unchanged(review):
    before = (review.status, review.match.status, MatchEvent.objects.count())
    review.refresh_from_db()
    review.match.refresh_from_db()
    return before == (review.status, review.match.status, MatchEvent.objects.count())


# --- The queue ------------------------------------------------------------------------------------


def worth(amount):
    return make_match(status=M.IN_REVIEW, demand=make_demand(money_max=amount))


def test_the_queue_is_ordered_by_clock_and_then_by_worth(program, manager):
    soon, later = (add_working_days(timezone.localdate(), days) for days in (1, 3))
    small = make_own(manager, match=worth(1_000_000), due_on=soon)
    large = make_own(manager, match=worth(9_000_000), due_on=soon)
    last = make_own(manager, due_on=later)
    held = make_own(manager, due_on=soon, paused_on=timezone.localdate(), days_left=2)
    make_own(make_manager())
    make_own(manager, R.DECLINED)

    rows = program.get("reviews/").json()["results"]

    assert [row["match"] for row in rows] == [
        one.match.number for one in (large, small, last, held)
    ]
    assert rows[0]["needs_second"] and not rows[1]["needs_second"]
    assert rows[0]["clock"] == {
        "due_on": soon.isoformat(),
        "days_left": 1,
        "is_paused": False,
        "paused_on": None,
    }
    paused = {"due_on": None, "days_left": 2, "is_paused": True}
    assert rows[3]["clock"] == paused | {"paused_on": timezone.localdate().isoformat()}
    by_worth = program.get("reviews/?order=worth").json()["results"]
    assert by_worth[0]["match"] == large.match.number


def test_the_queue_is_read_page_by_page_and_goes_on_behind_a_decided_row(program, manager):
    due = add_working_days(timezone.localdate(), 2)
    reviews = [make_own(manager, due_on=due) for _ in range(5)]

    first = program.get("reviews/?page_size=2").json()
    assert [row["match"] for row in first["results"]] == [one.match.number for one in reviews[:2]]
    # The last row of the page is decided meanwhile.
    Review.objects.filter(pk=reviews[1].pk).update(status=R.SUBMITTED, decision="reject")
    second = following(program, first)
    third = following(program, second)

    assert [row["match"] for row in second["results"]] == [one.match.number for one in reviews[2:4]]
    assert [row["match"] for row in third["results"]] == [reviews[4].match.number]
    assert third["next"] is None


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("status=assigned", {"new"}),
        ("status=accepted", {"late", "held", "second"}),
        ("due=now", {"late"}),
        ("due=soon", {"new"}),
        ("due=later", {"second"}),
        ("needs_second=true", {"second"}),
        ("needs_second=false", {"late", "new", "held"}),
        ("waiting=true", {"held"}),
        ("waiting=false", {"late", "new", "second"}),
        ("status=accepted&waiting=false&due=later", {"second"}),
    ],
)
def test_the_queue_is_filtered(program, manager, query, expected):
    today = timezone.localdate()
    reviews = {
        "late": make_own(manager, due_on=today),
        "new": make_own(manager, R.ASSIGNED, due_on=add_working_days(today, 2)),
        "held": make_own(manager, due_on=today, paused_on=today),
        "second": make_own(manager, match=worth(9_000_000), due_on=add_working_days(today, 9)),
    }

    rows = program.get(f"reviews/?{query}").json()["results"]

    assert {row["match"] for row in rows} == {reviews[name].match.number for name in expected}


@pytest.mark.parametrize(
    "query",
    [
        *("status=submitted", "due=yesterday", "needs_second=1", "waiting=maybe", "order=random"),
        *("after=x", "after=-1", "after=99999", "page_size=0", "page_size=101", "after=٣"),
    ],
)
def test_a_filter_that_is_none_is_refused(program, manager, query):
    make_own(manager)

    answer = program.get(f"reviews/?{query}")

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")
    assert set(answer.json()["errors"]) == {query.partition("=")[0]}


def test_a_cursor_of_somebody_elses_queue_is_refused(program, manager):
    other = make_own(make_manager())
    make_own(manager)

    assert program.get(f"reviews/?after={other.pk}").status_code == 400


def test_the_queue_costs_the_same_for_one_row_and_for_ten(program, manager):
    def queries():
        with CaptureQueriesContext(connection) as found:
            assert program.get("reviews/").status_code == 200
        return len(found)

    make_own(manager)
    queries()
    one = queries()
    for _ in range(9):
        make_own(manager)

    assert queries() == one <= 6


# --- One review -----------------------------------------------------------------------------------


def test_a_review_has_all_that_the_decision_rests_on(program, manager):
    review = make_own(manager)

    body = program.get(address(review)).json()

    assert body["match"] == review.match.number and body["decided"] is None
    [row] = body["evidence"]["grid"]
    assert row["name"] == "圆度变形" and row["verdict"]["code"] == "met"
    assert row["quote"] == "直径 3.2 m 套圈试件淬火后圆度偏差 0.30 mm。"  # no marks in it
    assert row["key"] == "indicator:1"
    [pair] = body["evidence"]["pairs"]
    assert (pair["demand"], pair["achievement"]) == ("接头处存在软带", "终了处无软带")
    assert body["evidence"]["parts"]
    assert set(body["suggested"]) == {"fit", "maturity", "terms", "credibility"}
    assert {entry["code"] for entry in body["reasons"]["reject"]} >= {"immature", "other"}
    assert [side["side"] for side in body["evidence"]["sides"]] == ["demand", "achievement"]


def secrets(match):
    return [
        value
        for owner in (match.demand.owner, match.achievement.owner)
        for value in (owner.name, owner.contact_name, owner.contact_phone, owner.contact_email)
    ]


def test_names_are_read_only_once_the_review_is_taken_on_and_that_is_noted(program, manager):
    review = make_own(manager, R.ASSIGNED)
    match = review.match
    for step in ("", "colleagues/", "ask/"):
        page = program.get(address(review, step)).content.decode()
        assert not [one for one in secrets(match) if one in page], step
    assert not AccessEvent.objects.exists()

    taken = program.post(address(review, "accept/"))

    assert taken.status_code == 200
    names = {side["organization"]["name"] for side in taken.json()["evidence"]["sides"]}
    assert names == {match.demand.owner.name, match.achievement.owner.name}
    # Contacts wait for the introduction.
    assert all(side["contact"] is None for side in taken.json()["evidence"]["sides"])
    assert match.demand.owner.contact_phone not in taken.content.decode()
    assert AccessEvent.objects.get().number == match.number


def test_what_is_closed_to_managers_stays_closed(program, manager):
    secret = "铼含量百分之三的配方"
    closed = make_achievement(body=secret, disclosure={"body": "introduced"})
    review = make_own(manager, match=make_match(status=M.IN_REVIEW, achievement=closed))

    page = program.get(address(review)).content.decode()

    assert secret not in page


def test_the_second_manager_does_not_read_what_the_first_one_said(manager):
    match = worth(9_000_000)
    first = make_manager(name="先评的经理")
    make_review(
        match=match,
        manager=first,
        status=R.SUBMITTED,
        decision=Decision.APPROVE,
        reasons=["measured"],
        comment="第一位的意见写在这里。",
        remarks={"indicator:1": "第一位的批注。"},
        criteria={"fit": 5, "maturity": 5, "terms": 5, "credibility": 5},
        closed_at=timezone.now(),
    )
    MatchEvent.objects.create(
        match=match,
        actor=first,
        verb=MatchEvent.Verb.FIRST_YES,
        before=M.IN_REVIEW,
        after=M.IN_REVIEW,
        note="第一位的意见写在这里。",
    )
    review = make_own(manager, match=match)
    program = Program(manager)

    for page in (program.get(address(review)), program.get("reviews/")):
        text = page.content.decode()
        for told in ("第一位的意见", "第一位的批注", "先评的经理"):
            assert told not in text
    assert program.get(address(review)).json()["needs_second"]


def test_reading_a_review_costs_a_fixed_number_of_queries(program, manager):
    review = make_own(manager)

    def queries():
        with CaptureQueriesContext(connection) as found:
            assert program.get(address(review)).status_code == 200
        return len(found)

    queries()
    before = queries()
    for _ in range(10):
        MatchEvent.objects.create(
            match=review.match,
            actor=manager,
            verb=MatchEvent.Verb.VIEWED,
            before=M.IN_REVIEW,
            after=M.IN_REVIEW,
        )
    queries()  # notes what is new

    assert queries() == before


# --- Steps ----------------------------------------------------------------------------------------


def test_a_decision_is_made_and_undone(program, manager):
    review = make_own(manager)

    done = program.post(
        address(review, "decide/"),
        GOOD | {"comment": "建议见面。", "remarks": {"indicator:1": "好"}},
    )

    assert done.status_code == 200
    decided = done.json()["decided"]
    assert decided["decision"] == "approve" and decided["undo_until"] is not None
    assert decided["remarks"] == {"indicator:1": "好"}
    assert Match.objects.get().status == M.APPROVED
    assert done.json()["clock"]["due_on"] is None

    undone = program.post(address(review, "undo/"))
    assert undone.json()["decided"] is None
    assert Match.objects.get().status == M.IN_REVIEW
    assert program.post(address(review, "undo/")).status_code == 409


def test_a_review_is_decided_once(program, manager):
    review = make_own(manager)
    assert program.post(address(review, "decide/"), GOOD).status_code == 200

    again = program.post(address(review, "decide/"), GOOD | {"decision": "reject"})

    assert (again.status_code, again.json()["code"]) == (409, "wrong_state")
    assert Match.objects.get().status == M.APPROVED


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"decision": "perhaps"}, "decision"),
        ({"decision": None}, "decision"),
        ({"reasons": []}, "reasons"),
        ({"reasons": ["immature"]}, "reasons"),
        ({"reasons": ["no such code"]}, "reasons"),
        ({"reasons": "measured"}, "reasons"),
        ({"reasons": ["other"]}, "comment"),
        ({"comment": "x" * 2001}, "comment"),
        ({"comment": "\0"}, None),
        ({"criteria": {"fit": 4}}, "criteria.maturity"),
        ({"criteria": GOOD["criteria"] | {"fit": 6}}, "criteria.fit"),
        ({"criteria": GOOD["criteria"] | {"fit": -1}}, "criteria.fit"),
        ({"criteria": GOOD["criteria"] | {"fit": "many"}}, "criteria.fit"),
        ({"criteria": None}, "criteria"),
        ({"remarks": {"indicator:99": "gone"}}, "remarks"),
        ({"remarks": {"indicator:1": "x" * 301}}, "remarks.indicator:1"),
        ({"no_interest": False}, "no_interest"),
        ({"no_interest": None}, "no_interest"),
    ],
)
def test_a_wrong_decision_is_refused_by_field_and_changes_nothing(program, manager, change, field):
    review = make_own(manager)

    answer = program.post(address(review, "decide/"), GOOD | change)

    assert answer.status_code == 400
    body = answer.json()
    assert body["detail"] and (field is None or field in body["errors"]), body
    assert unchanged(review)


def test_a_comment_that_names_a_side_is_refused(program, manager):
    review = make_own(manager)
    name = review.match.demand.owner.name

    for body in (GOOD | {"comment": f"{name}很好"}, GOOD | {"remarks": {"indicator:1": name}}):
        assert program.post(address(review, "decide/"), body).status_code == 400
    assert unchanged(review)


def test_a_review_that_is_not_taken_on_is_not_decided(program, manager):
    review = make_own(manager, R.ASSIGNED)

    answer = program.post(address(review, "decide/"), GOOD)

    assert answer.status_code == 409 and unchanged(review)


@pytest.mark.parametrize("state", ["frozen", "withdrawn"])
def test_a_match_whose_listing_has_left_is_not_decided(program, manager, state):
    review = make_own(manager)
    if state == "frozen":
        Match.objects.update(is_frozen=True)
    else:
        review.match.demand.status = "withdrawn"
        review.match.demand.save(update_fields=("status",))

    answer = program.post(address(review, "decide/"), GOOD)

    assert (answer.status_code, answer.json()["code"]) == (409, "wrong_state")
    assert unchanged(review)


def test_a_review_is_referred_to_a_colleague_of_the_list(program, manager):
    review = make_own(manager)
    colleague = make_manager(name="同行")
    tied = make_manager()
    tie_to(tied, review.match.demand.owner)

    offered = program.get(address(review, "colleagues/")).json()["results"]
    assert [one["name"] for one in offered] == ["同行"]
    for wrong in (tied.manager_profile.pk, manager.manager_profile.pk, 987654):
        body = {"to": wrong, "note": "更懂热处理。"}
        answer = program.post(address(review, "refer/"), body)
        assert (answer.status_code, set(answer.json()["errors"])) == (400, {"to"})
    empty = program.post(address(review, "refer/"), {"to": offered[0]["id"], "note": ""})
    assert empty.status_code == 400 and unchanged(review)

    done = program.post(address(review, "refer/"), {"to": offered[0]["id"], "note": "更懂热处理。"})

    assert done.status_code == 204
    assert Review.objects.open().get().manager == colleague
    # Who gave it away may not know of it any more.
    assert program.get(address(review)).status_code == 404


def test_a_review_is_handed_back_with_the_interest_that_is_declared(program, manager):
    review = make_own(manager)

    wrong = program.post(address(review, "hand-back/"), {"why": "interest"})
    assert set(wrong.json()["errors"]) == {"sides"} and unchanged(review)
    done = program.post(
        address(review, "hand-back/"),
        {"why": "interest", "sides": ["demand"], "note": "在那里工作过。"},
    )

    assert done.status_code == 204
    review.refresh_from_db()
    assert review.status == R.DECLINED
    assert ManagerInterest.objects.get().organization == review.match.demand.owner


def test_a_side_is_asked_and_the_questions_are_taken_back(program, manager):
    review = make_own(manager, due_on=add_working_days(timezone.localdate(), 2))
    lines = program.get(address(review, "ask/")).json()
    key = lines["achievement"][0]["field"]
    body = {"side": "achievement", "questions": [{"field": key, "text": "哪份报告给出这个值？"}]}

    asked = program.post(address(review, "ask/"), body)

    assert asked.status_code == 200
    assert asked.json()["clock"]["is_paused"] and asked.json()["clock"]["days_left"] == 2
    assert [one["text"] for one in program.get(address(review, "ask/")).json()["waiting"]] == [
        "哪份报告给出这个值？"
    ]
    assert program.post(address(review, "ask/"), body).status_code == 409
    back = program.ask("DELETE", f"/api/v1/{address(review, 'ask/')}")
    assert back.status_code == 200 and not back.json()["clock"]["is_paused"]
    assert program.ask("DELETE", f"/api/v1/{address(review, 'ask/')}").status_code == 409


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "side"),
        ({"side": "both", "questions": []}, "side"),
        ({"side": "demand", "questions": []}, "questions"),
        (
            {"side": "demand", "questions": [{"field": "nothing", "text": "什么时候？"}]},
            "questions",
        ),
        ({"side": "demand", "questions": [{"field": "indicator:1", "text": "？"}]}, "indicator:1"),
        (
            {"side": "demand", "questions": [{"field": "indicator:1", "text": "几号？？"}] * 9},
            "questions",
        ),
    ],
)
def test_wrong_questions_are_refused_by_field(program, manager, body, field):
    review = make_own(manager)

    answer = program.post(address(review, "ask/"), body)

    assert answer.status_code == 400
    assert any(name.startswith(field) for name in answer.json()["errors"]), answer.json()
    assert not Inquiry.objects.exists() and unchanged(review)


# --- Who may --------------------------------------------------------------------------------------

STEPS = {
    "accept/": {},
    "decide/": GOOD,
    "undo/": {},
    "refer/": {"to": 1, "note": "x"},
    "hand-back/": {"why": "capacity"},
    "ask/": {"side": "demand", "questions": [{"field": "indicator:1", "text": "几号可以？"}]},
}


@pytest.mark.parametrize(
    ("who", "status"),
    [
        ("visitor", 401),
        ("plain", 404),
        ("side", 403),
        ("colleague", 404),
        ("once", 404),
        ("operator", 403),
        ("suspended", 403),
        ("tied", 403),
        ("reader", 403),
    ],
)
def test_nobody_else_reads_or_moves_a_review(manager, who, status):
    review = make_own(manager)
    people = {
        "visitor": lambda: None,
        "plain": make_user,
        "side": lambda: make_member(review.match.demand.owner),
        "colleague": make_manager,
        "once": make_manager,
        "operator": make_operator,
    }
    user = people.get(who, lambda: manager)()
    if who == "once":
        make_review(match=review.match, manager=user, status=R.DECLINED)
    if who == "suspended":
        manager.manager_profile.status = ManagerStatus.SUSPENDED
        manager.manager_profile.save(update_fields=("status",))
    if who == "tied":
        tie_to(manager, review.match.achievement.owner)
    program = Program(user, "read" if who == "reader" else "write")

    if who != "reader":
        answer = program.get(address(review))
        assert answer.status_code == status, answer.json()
        assert not [one for one in secrets(review.match) if one in answer.content.decode()]
    for step, body in STEPS.items():
        if who in ("tied", "suspended") and step == "hand-back/":
            continue  # whoever has a tie by now must be able to hand back
        answer = program.post(address(review, step), body)
        assert answer.status_code == status, (step, answer.json())
        assert answer.json()["detail"]
    assert unchanged(review)


def test_one_with_a_tie_hands_back_without_reading(manager):
    review = make_own(manager)
    tie_to(manager, review.match.achievement.owner)
    program = Program(manager)

    refused = program.get(address(review))
    assert refused.json()["code"] == "conflict_of_interest"
    body = {"why": "interest", "sides": ["achievement"]}
    assert program.post(address(review, "hand-back/"), body).status_code == 204


@pytest.mark.parametrize("number", ["M-20260101-0001", "M-x", "XQ-2026-0001", "%00", "0"])
def test_a_number_that_is_none_is_not_found(program, number):
    assert program.get(f"reviews/{number}/").status_code == 404
    assert program.post(f"reviews/{number}/accept/").status_code == 404


def test_only_certified_managers_have_a_queue():
    for user in (make_user(), make_member(), make_operator()):
        assert Program(user).get("reviews/").status_code == 403
    assert Program().get("reviews/").status_code == 401


# --- Operators ------------------------------------------------------------------------------------


def test_operators_see_what_waits_and_give_it_to_somebody():
    operator, chosen = make_operator(), make_manager(name="被选中的")
    waiting = make_match(escalation="no_response", escalated_at=timezone.now())
    held = make_own(make_manager(name="在手的")).match
    late = make_match(status=M.IN_REVIEW, due_on=timezone.localdate() - dt.timedelta(days=9))
    program = Program(operator)

    def numbers(query=""):
        return [row["match"] for row in program.get(f"assignments/{query}").json()["results"]]

    assert numbers() == [late.number, held.number, waiting.number]
    assert numbers("?state=escalated") == [waiting.number]
    assert late.number in numbers("?state=late") and waiting.number not in numbers("?state=late")
    assert waiting.number in numbers("?state=unassigned")
    first = program.get("assignments/?page_size=1").json()
    assert [row["match"] for row in following(program, first)["results"]] == [held.number]

    one = program.get(f"assignments/{waiting.number}/").json()
    assert one["escalation"]["code"] == "no_response" and one["manager"] is None
    assert {"被选中的", "在手的"} == {each["name"] for each in one["candidates"]}
    profile = chosen.manager_profile.pk
    done = program.post(f"assignments/{waiting.number}/reassign/", {"to": profile})
    assert done.status_code == 200
    assert done.json()["manager"]["name"] == "被选中的" and done.json()["escalation"] is None
    assert Review.objects.open().get(match=waiting).manager == chosen


def test_a_match_is_not_given_to_one_with_a_tie_nor_when_it_is_decided():
    tied, free = make_manager(), make_manager()
    match, decided = make_match(), make_match(status=M.REJECTED, manager=make_manager())
    tie_to(tied, match.demand.owner)
    program = Program(make_operator())

    wrong = program.post(f"assignments/{match.number}/reassign/", {"to": tied.manager_profile.pk})
    assert (wrong.status_code, set(wrong.json()["errors"])) == (400, {"to"})
    late = program.post(f"assignments/{decided.number}/reassign/", {"to": free.manager_profile.pk})
    assert (late.status_code, late.json()["code"]) == (409, "wrong_state")
    for body in ({}, {"to": "x"}, {"to": 0}, {"to": 2**63}):
        assert program.post(f"assignments/{match.number}/reassign/", body).status_code == 400
    assert not Review.objects.open().exists()


def test_assignments_are_for_operators_and_cost_the_same_for_any_number():
    match = make_own(make_manager()).match
    for user in (make_user(), make_manager(), make_member(match.demand.owner)):
        program = Program(user)
        assert program.get("assignments/").status_code == 403
        assert program.get(f"assignments/{match.number}/").status_code == 403
        assert program.post(f"assignments/{match.number}/reassign/", {"to": 1}).status_code == 403
    program = Program(make_operator())

    def queries():
        with CaptureQueriesContext(connection) as found:
            assert program.get("assignments/").status_code == 200
        return len(found)

    queries()
    one = queries()
    for _ in range(9):
        review = make_own(make_manager())
        review.assigned_because = {"reassigned_by": make_operator().pk}
        review.save(update_fields=("assigned_because",))

    # The names of those who moved them are asked for together.
    assert queries() == one + 1
    assert make_organization().name not in program.get("assignments/").content.decode()
