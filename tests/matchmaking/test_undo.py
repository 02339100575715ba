"""A decision can be taken back for ten minutes by who made it, while nobody has acted on it."""

import datetime as dt

import pytest
from django.core.exceptions import ValidationError
from django.urls import reverse
from django.utils import timezone

from accounts.inbox import Notification
from matchmaking.models import Consent, Inquiry, Match, Review
from matchmaking.permissions import ConflictOfInterest
from matchmaking.services import assignment, reviews
from matchmaking.services.appeals import appeal
from matchmaking.services.consents import answer
from matchmaking.services.inquiries import ask
from matchmaking.services.overturning import undo_until
from matchmaking.services.training import with_decisions
from matchmaking.workflow import IllegalMove, MatchStatus, ReviewStatus
from tests.factories import make_manager, make_member, make_operator
from tests.matchmaking.test_reviews import POINTS, make_open, state, submit, tie, verbs
from tests.matchmaking.test_second_review import make_large, second_of

M, R = MatchStatus, ReviewStatus
pytestmark = pytest.mark.django_db


def undo(review, **fields):
    return reviews.undo_review(review=review, **{"actor": review.manager, **fields})


def age(review, **ago):
    Review.objects.filter(pk=review.pk).update(closed_at=timezone.now() - dt.timedelta(**ago))
    review.refresh_from_db()


def decision_notices():
    return Notification.objects.filter(kind__in=("match.approved", "match.rejected"))


# --- Undo ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("decision", ["approve", "reject"])
def test_an_undone_decision_is_open_again_with_what_was_written(decision):
    review = make_open()
    due_on, match = review.due_on, review.match
    submit(review, decision=decision, remarks={"indicator:1": "有报告"})

    undo(review)

    review.refresh_from_db()
    match.refresh_from_db()
    assert (review.status, review.closed_at, review.stated_at) == (R.ACCEPTED, None, None)
    assert (match.status, match.decided_at, match.due_on) == (M.IN_REVIEW, None, due_on)
    assert review.criteria == POINTS and review.remarks == {"indicator:1": "有报告"}
    assert verbs(match)[-1] == "undone"
    event = match.events.last()
    assert (event.before, event.after, event.actor) == (
        "approved" if decision == "approve" else "rejected",
        M.IN_REVIEW,
        review.manager,
    )
    submit(review, decision="reject")
    match.refresh_from_db()
    assert match.status == M.REJECTED


def test_nobody_is_told_of_a_decision_that_was_undone_and_once_of_the_next():
    review = make_open()
    for side in ("demand", "achievement"):
        make_member(review.match.listing(side).owner)
    submit(review)
    told = list(decision_notices())
    assert len(told) == 2
    assert all(one.visible_from > timezone.now() + dt.timedelta(minutes=9) for one in told)

    undo(review)
    assert not decision_notices().exists()
    submit(review)

    assert sorted(decision_notices().values_list("kind", flat=True)) == ["match.approved"] * 2


def test_after_ten_minutes_it_stands(settings):
    review = make_open()
    match = submit(review)
    age(review, minutes=settings.UNDO_MINUTES, seconds=1)
    before = state(match)

    assert undo_until(review) is None
    with pytest.raises(IllegalMove, match="10"):
        undo(review)

    assert state(match) == before


def test_until_when_is_told(settings):
    review = make_open()
    submit(review)
    review.refresh_from_db()

    assert undo_until(review) == review.closed_at + dt.timedelta(minutes=settings.UNDO_MINUTES)


def answered(match, review):
    actor = make_member(match.demand.owner)
    answer(match=match, side="demand", actor=actor, agreed=True)


def withdrawn(match, review):
    type(match.demand).objects.update(status="withdrawn")


def frozen(match, review):
    Match.objects.update(is_frozen=True)


def reopened(match, review):
    reviews.reopen_review(review=review, actor=make_operator(), note="看错了")


def lapsed(match, review):
    Match.objects.update(status=M.LAPSED)


@pytest.mark.parametrize("meanwhile", [answered, withdrawn, frozen, reopened, lapsed])
def test_what_somebody_has_acted_on_stands(meanwhile):
    review = make_open()
    match = submit(review)
    meanwhile(match, review)
    before = state(match)

    with pytest.raises(IllegalMove) as refused:
        undo(review)

    assert str(refused.value)
    assert state(match) == before


def test_a_rejection_that_was_objected_to_stands():
    review = make_open()
    match = submit(review, decision="reject")
    actor = make_member(match.demand.owner)
    appeal(
        match=match,
        side="demand",
        actor=actor,
        text="报告第三页给出了同样条件下的实测数据，请再看一遍。",
    )
    before = state(match)

    with pytest.raises(IllegalMove):
        undo(review)

    assert state(match) == before


def test_only_who_decided_undoes():
    review = make_open()
    match = submit(review)
    before = state(match)

    for actor in (make_manager(), make_operator(), make_member(match.demand.owner)):
        with pytest.raises(IllegalMove):
            undo(review, actor=actor)

    assert state(match) == before


def test_a_manager_with_a_tie_or_without_a_certificate_undoes_nothing():
    review = make_open()
    match = submit(review)
    tie(review.manager, match.demand.owner, "interest")
    before = state(match)

    with pytest.raises(ConflictOfInterest):
        undo(review)

    assert state(match) == before


def test_undoing_twice_is_refused():
    review = make_open()
    match = submit(review)
    undo(review)
    before = state(match)

    with pytest.raises(IllegalMove):
        undo(review)

    assert state(match) == before


def test_of_two_approvals_the_first_is_undone_while_nobody_has_taken_the_second_on():
    first = make_large()
    match = submit(first)
    make_manager()
    assignment.assign_matches()
    second = Review.objects.open().get(match=match)

    undo(first)

    second.refresh_from_db()
    match.refresh_from_db()
    assert (second.status, match.status) == (R.CANCELLED, M.IN_REVIEW)
    assert Review.objects.open().get(match=match) == first
    taken = Notification.objects.get(kind="review.taken")
    assert (taken.user, taken.payload["why"]) == (second.manager, "reopened")


def test_of_two_approvals_the_first_stands_once_the_second_is_being_looked_at():
    first = make_large()
    match = submit(first)
    second_of(match)
    before = state(match)

    with pytest.raises(IllegalMove):
        undo(first)

    assert state(match) == before


def test_the_second_of_two_approvals_is_undone_and_the_first_stands():
    match = submit(make_large())
    second = second_of(match)
    submit(second)

    undo(second)

    match.refresh_from_db()
    assert match.status == M.IN_REVIEW
    assert Review.objects.filter(match=match, status=R.SUBMITTED).count() == 1
    assert submit(second).status == M.APPROVED


def test_a_review_that_was_paused_goes_on_with_the_days_that_were_left():
    review = make_open()
    match = review.match
    ask(
        review=review,
        actor=review.manager,
        side="achievement",
        questions=[{"field": "indicator:1", "text": "检测报告能否提供？"}],
    )
    submit(review, decision="reject")
    assert Inquiry.objects.get().status == "cancelled"

    undo(review)

    review.refresh_from_db()
    match.refresh_from_db()
    assert review.paused_on is None and review.days_left is None
    assert match.due_on == review.due_on >= timezone.localdate()


def test_nothing_is_learned_from_what_was_taken_back():
    review = make_open()
    match = submit(review)
    undo(review)

    assert with_decisions(Match.objects.filter(pk=match.pk)).get().decision is None


# --- Reopened by an operator --------------------------------------------------------------------


def test_an_operator_reopens_a_decision_and_another_manager_gets_the_match():
    review, other = make_open(), make_manager()
    match = submit(review)
    answered(match, review)

    reviews.reopen_review(review=review, actor=make_operator(), note="第二项指标看漏了")

    review.refresh_from_db()
    match.refresh_from_db()
    assert (review.status, match.status, match.decided_at) == (R.REOPENED, M.SUGGESTED, None)
    assert review.closed_at is not None and review.decision == "approve"
    assert not Consent.objects.exists()
    event = match.events.last()
    assert (event.verb, event.before, event.after) == ("reopened", M.APPROVED, M.SUGGESTED)
    assert event.note == "第二项指标看漏了"
    assert assignment.assign_matches() == 1
    assert Review.objects.open().get().manager == other
    assert with_decisions(Match.objects.all()).get().decision is None


def test_an_objection_that_a_reopened_decision_settled_waits_for_the_next():
    review = make_open()
    match = submit(review, decision="reject")
    actor = make_member(match.demand.owner)
    text = "报告第三页给出了同样条件下的实测数据，请再看一遍。"
    appeal(match=match, side="demand", actor=actor, text=text)
    again = second_of(match)
    submit(again, decision="reject")
    assert match.appeals.get().status == "upheld"

    reviews.reopen_review(review=again, actor=make_operator(), note="看漏了")

    assert match.appeals.get().status == "open"
    submit(second_of(match))
    assert match.appeals.get().status == "overturned"


def test_of_two_approvals_one_is_reopened_and_a_third_manager_completes_it():
    first = make_large()
    match = submit(first)
    second = second_of(match)
    submit(second)

    reviews.reopen_review(review=first, actor=make_operator(), note="第一位漏看")

    match.refresh_from_db()
    assert match.status == M.SUGGESTED
    third = second_of(match)
    assert third.manager not in (first.manager, second.manager)
    assert submit(third).status == M.APPROVED


def test_the_first_approval_is_reopened_while_the_second_manager_works():
    first = make_large()
    match = submit(first)
    second = second_of(match)

    reviews.reopen_review(review=first, actor=make_operator(), note="第一位漏看")

    match.refresh_from_db()
    assert match.status == M.IN_REVIEW and Review.objects.open().get() == second
    # Now theirs is the first of two.
    assert submit(second).status == M.IN_REVIEW


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ("manager", ConflictOfInterest),
        ("tied", ConflictOfInterest),
        ("no note", ValidationError),
        ("long note", ValidationError),
        ("open", IllegalMove),
        ("introduced", IllegalMove),
        ("declined", IllegalMove),
        ("twice", IllegalMove),
    ],
)
def test_a_decision_is_reopened_by_an_operator_with_a_note_or_not_at_all(wrong, error):
    review, operator, note = make_open(), make_operator(), "看错了"
    match = review.match
    if wrong != "open":
        submit(review)
    if wrong == "manager":
        operator = review.manager
    elif wrong == "tied":
        tie(operator, match.demand.owner, "member")
    elif wrong in ("introduced", "declined"):
        Match.objects.update(status=wrong)
    elif wrong == "twice":
        reviews.reopen_review(review=review, actor=operator, note=note)
    note = {"no note": " ", "long note": "长" * 1001}.get(wrong, note)
    before = state(match)

    with pytest.raises(error):
        reviews.reopen_review(review=review, actor=operator, note=note)

    assert state(match) == before


def test_an_operator_reopens_on_the_page_and_the_sides_do_not_read_the_note(client):
    review = make_open()
    match = submit(review)
    url = reverse("ops_reopen", args=[match.number])
    client.force_login(make_operator())
    assert url in client.get(match.get_absolute_url()).content.decode()
    assert str(review.manager) in client.get(url).content.decode()

    assert client.post(url, {"review": review.pk, "note": ""}).status_code == 422
    other = make_open()
    submit(other)
    assert client.post(url, {"review": other.pk, "note": "看错了"}).status_code == 422
    response = client.post(url, {"review": review.pk, "note": "这句只给内部看"})

    assert response.status_code == 302
    match.refresh_from_db()
    assert match.status == M.SUGGESTED
    assert "这句只给内部看" in client.get(match.get_absolute_url()).content.decode()
    assert client.post(url, {"review": review.pk, "note": "再来一次"}).status_code == 422
    client.force_login(make_member(match.demand.owner))
    assert "这句只给内部看" not in client.get(match.get_absolute_url()).content.decode()
