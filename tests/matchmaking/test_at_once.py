"""Two who act on one match at the same moment: one of them is first, the other is told so.

With real transactions and threads; after each the history still leads to what is stored.
"""

import threading

import pytest
from django.core.exceptions import ValidationError
from django.db import connection

from catalog.models import ReasonChange, ReasonSubject
from catalog.services.reasons import retire_reason
from matchmaking.models import Consent, Match, MatchEvent, Review
from matchmaking.permissions import ConflictOfInterest
from matchmaking.services import assignment, reviews
from matchmaking.services.appeals import appeal
from matchmaking.services.consents import answer
from matchmaking.workflow import IllegalMove, MatchStatus, ReviewStatus
from tests.factories import make_manager, make_member, make_operator
from tests.matchmaking.test_reviews import make_open, submit, tie
from tests.matchmaking.test_second_review import make_large

M, R = MatchStatus, ReviewStatus
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _no_broker(monkeypatch):
    """What is sent after the commit would act as well."""
    monkeypatch.setattr("matchmaking.tasks.send", lambda *_args: True)


def at_once(*steps):
    """Make all steps at the same moment. Return "done" or the refusal's name for each."""
    start = threading.Barrier(len(steps))
    outcomes = [""] * len(steps)

    def attempt(place, step):
        start.wait()
        try:
            step()
            outcomes[place] = "done"
        except (IllegalMove, ConflictOfInterest, ValidationError) as refused:
            outcomes[place] = type(refused).__name__
        finally:
            connection.close()

    threads = [
        threading.Thread(target=attempt, args=(place, step)) for place, step in enumerate(steps)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes


def history_is_whole(match):
    status = M.IN_REVIEW
    for event in MatchEvent.objects.filter(match=match).order_by("pk"):
        assert event.before == status
        status = event.after
    assert status == Match.objects.get(pk=match.pk).status


def test_a_manager_undoes_while_a_side_answers():
    review = make_open()
    match = submit(review)
    side = make_member(match.demand.owner)

    outcomes = at_once(
        lambda: reviews.undo_review(review=review, actor=review.manager),
        lambda: answer(match=match, side="demand", actor=side, agreed=True),
    )

    assert sorted(outcomes) == ["IllegalMove", "done"]
    assert Consent.objects.exists() == (Match.objects.get().status == M.APPROVED)
    history_is_whole(match)


def test_a_manager_undoes_while_a_side_objects():
    review = make_open()
    match = submit(review, decision="reject")
    side = make_member(match.demand.owner)
    text = "报告第三页给出了同样条件下的实测数据，请再看一遍。"

    outcomes = at_once(
        lambda: reviews.undo_review(review=review, actor=review.manager),
        lambda: appeal(match=match, side="demand", actor=side, text=text),
    )

    assert sorted(outcomes) == ["IllegalMove", "done"]
    history_is_whole(match)


def test_two_operators_reopen_one_decision():
    review = make_open()
    match = submit(review)
    operators = [make_operator(), make_operator()]

    outcomes = at_once(
        *(
            lambda actor=actor: reviews.reopen_review(review=review, actor=actor, note="看漏了")
            for actor in operators
        )
    )

    assert sorted(outcomes) == ["IllegalMove", "done"]
    assert MatchEvent.objects.filter(verb="reopened").count() == 1
    history_is_whole(match)


def test_a_tie_comes_to_light_while_its_manager_decides():
    review = make_open()
    tie(review.manager, review.match.demand.owner, "interest")

    outcomes = at_once(
        lambda: submit(review),
        lambda: reviews.void_conflicted([review.manager_id]),
    )

    assert outcomes[1] == "done" and outcomes[0] in ("ConflictOfInterest", "IllegalMove")
    assert Review.objects.get().status == R.VOID
    assert Match.objects.get().status == M.SUGGESTED
    history_is_whole(review.match)


def test_the_first_of_two_is_undone_while_the_second_takes_it_on():
    first = make_large()
    match = submit(first)
    make_manager()
    assignment.assign_matches()
    second = Review.objects.open().get()

    outcomes = at_once(
        lambda: reviews.undo_review(review=first, actor=first.manager),
        lambda: reviews.accept_review(review=second, actor=second.manager),
    )

    assert sorted(outcomes) == ["IllegalMove", "done"]
    assert Review.objects.open().count() == 1
    history_is_whole(match)


def test_a_double_click_on_undo_undoes_once():
    review = make_open()
    match = submit(review)

    outcomes = at_once(
        *[lambda: reviews.undo_review(review=review, actor=review.manager)] * 2,
    )

    assert sorted(outcomes) == ["IllegalMove", "done"]
    assert MatchEvent.objects.filter(verb="undone").count() == 1
    history_is_whole(match)


def test_one_runs_out_of_time_while_deciding():
    review = make_open()
    Review.objects.update(due_on=review.due_on.replace(year=2020))
    timed_out = []

    outcomes = at_once(
        lambda: submit(review),
        lambda: timed_out.append(reviews.time_out(review_id=review.pk)),
    )

    assert outcomes[1] == "done"
    assert (outcomes[0] == "done") != timed_out[0]
    history_is_whole(review.match)


def test_two_operators_retire_one_reason():
    operators = [make_operator(), make_operator()]

    outcomes = at_once(
        *(
            lambda actor=actor: retire_reason(
                actor=actor, subject=ReasonSubject.MATCH, code="price"
            )
            for actor in operators
        )
    )

    assert sorted(outcomes) == ["IllegalMove", "done"]
    assert ReasonChange.objects.count() == 1
