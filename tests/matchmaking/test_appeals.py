"""A side objects once to a rejection; a manager who has not held the match decides anew."""

import datetime as dt

import pytest
from django.core.exceptions import ValidationError
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.inbox import Notification
from accounts.models import MembershipRole
from accounts.workdays import add_working_days
from matchmaking.models import Appeal, Match, MatchEvent, Review
from matchmaking.permissions import ConflictOfInterest
from matchmaking.services.appeals import appeal, last_day, settle_appeals, unsettle_appeals
from matchmaking.services.assignment import assign_matches
from matchmaking.services.matching import listing_left
from matchmaking.services.reviews import submit_review
from matchmaking.workflow import AppealStatus, IllegalMove, MatchStatus, ReviewStatus, Side
from tests.factories import make_manager, make_match, make_member, make_operator, make_review

pytestmark = pytest.mark.django_db

SIDES = [Side.DEMAND, Side.ACHIEVEMENT]
TEXT = "正文第 2 段给出了 12 件试件的实测数据，比对时没有引用，请重新核对这一项。"
POINTS = {"fit": 4, "maturity": 4, "terms": 3, "credibility": 4}


@pytest.fixture
def first():
    return make_manager()


@pytest.fixture
def match(first):
    return make_match(status=MatchStatus.REJECTED, manager=first)


def speaker(match, side, role=MembershipRole.OWNER):
    return make_member(match.listing(side).owner, role)


def objects(match, side, actor=None, text=TEXT):
    return appeal(match=match, side=side, actor=actor or speaker(match, side), text=text)


def state():
    return (
        list(Appeal.objects.order_by("pk").values()),
        list(Match.objects.order_by("pk").values()),
        list(Review.objects.order_by("pk").values()),
        MatchEvent.objects.count(),
    )


def refuses(error, call):
    before = state()
    with pytest.raises(error) as caught:
        call()
    assert state() == before
    return caught.value


def decide(match, decision, *, manager=None):
    review = make_review(
        match=match, manager=manager or make_manager(), status=ReviewStatus.ACCEPTED
    )
    Match.objects.filter(pk=match.pk).update(status=MatchStatus.IN_REVIEW)
    return submit_review(
        review=review,
        actor=review.manager,
        decision=decision,
        reasons=["measured" if decision == "approve" else "immature"],
        comment="",
        no_interest=True,
        criteria=POINTS,
    )


@pytest.mark.parametrize("side", SIDES)
def test_an_objection_gives_the_match_to_somebody_else(match, first, side):
    person = speaker(match, side)
    made = objects(match, side, person)

    match.refresh_from_db()
    assert made.status == AppealStatus.OPEN
    assert match.status == MatchStatus.SUGGESTED and match.due_on is None
    assert Review.objects.get(manager=first).status == ReviewStatus.REOPENED
    event = match.events.get(verb="appealed")
    assert (event.actor, event.side, event.before, event.after) == (
        person,
        side,
        "rejected",
        "suggested",
    )

    second = make_manager()
    assign_matches()
    assert list(Review.objects.open().values_list("manager", flat=True)) == [second.pk]


def test_nobody_gets_it_who_has_held_it(match):
    handed_back = make_manager()
    make_review(match=match, manager=handed_back, status=ReviewStatus.DECLINED)
    objects(match, Side.DEMAND)
    assign_matches()
    assert not Review.objects.open().exists()


@pytest.mark.parametrize(
    ("decision", "outcome"),
    [("approve", AppealStatus.OVERTURNED), ("reject", AppealStatus.UPHELD)],
)
def test_the_new_decision_settles_it_and_the_side_is_told_once(match, decision, outcome):
    person = speaker(match, Side.DEMAND)
    made = objects(match, Side.DEMAND, person)
    decided = decide(match, decision)
    made.refresh_from_db()
    assert made.status == outcome and made.closed_at is not None
    told = Notification.objects.filter(kind="appeal.decided")
    assert [one.user for one in told] == [person]
    assert told[0].visible_from > timezone.now() + dt.timedelta(minutes=9)
    settle_appeals(decided)
    assert told.count() == 1


def test_a_decision_that_is_taken_back_opens_it_again(match):
    made = objects(match, Side.DEMAND)
    decided = decide(match, "reject")
    unsettle_appeals(decided, since=decided.decided_at)
    made.refresh_from_db()
    assert made.status == AppealStatus.OPEN and made.closed_at is None
    assert not Notification.objects.filter(kind="appeal.decided").exists()


def test_taking_back_a_later_decision_leaves_earlier_objections_settled(match):
    mine = objects(match, Side.DEMAND)
    decide(match, "reject")
    match.refresh_from_db()
    theirs = objects(match, Side.ACHIEVEMENT)
    decided = decide(match, "reject")
    unsettle_appeals(decided, since=decided.decided_at)
    mine.refresh_from_db()
    theirs.refresh_from_db()
    assert (mine.status, theirs.status) == (AppealStatus.UPHELD, AppealStatus.OPEN)


def test_a_side_objects_once_whatever_came_of_it(match):
    objects(match, Side.DEMAND)
    refuses(IllegalMove, lambda: objects(match, Side.DEMAND))
    decide(match, "reject")
    error = refuses(IllegalMove, lambda: objects(match, Side.DEMAND))
    assert "一次异议" in str(error)
    assert objects(match, Side.ACHIEVEMENT).status == AppealStatus.OPEN


def test_the_last_day_is_the_tenth_working_day(match):
    decided = timezone.localdate(match.decided_at)
    until = add_working_days(decided, 10)
    assert last_day(match) == until
    late = timezone.now() - dt.timedelta(days=40)
    Match.objects.update(decided_at=late)
    error = refuses(IllegalMove, lambda: objects(match, Side.DEMAND))
    assert "期限已过" in str(error)


def test_it_is_possible_on_the_last_day_and_not_on_the_next(match, monkeypatch):
    until = last_day(match)
    person = speaker(match, Side.DEMAND)
    real = timezone.localdate

    def on(day):
        monkeypatch.setattr(
            timezone, "localdate", lambda value=None, *args: day if value is None else real(value)
        )

    on(until + dt.timedelta(days=1))
    refuses(IllegalMove, lambda: objects(match, Side.DEMAND, person))
    on(until)
    assert objects(match, Side.DEMAND, person).status == AppealStatus.OPEN


@pytest.mark.parametrize("status", [one for one in MatchStatus if one != MatchStatus.REJECTED])
def test_only_a_rejection_is_objected_to(status):
    match = make_match(status=status)
    refuses(IllegalMove, lambda: objects(match, Side.DEMAND))


def test_both_listings_have_to_be_there(match):
    type(match.achievement).objects.update(status="withdrawn")
    refuses(IllegalMove, lambda: objects(match, Side.DEMAND))


def test_only_who_writes_for_the_side_objects(match, first):
    for person in (
        first,
        make_operator(),
        make_member(),
        speaker(match, Side.ACHIEVEMENT),
        speaker(match, Side.DEMAND, MembershipRole.VIEWER),
    ):
        refuses(ConflictOfInterest, lambda person=person: objects(match, Side.DEMAND, person))
    refuses(ConflictOfInterest, lambda: objects(match, "both", speaker(match, Side.DEMAND)))


@pytest.mark.parametrize(
    "text", ["", "太短了", " " * 40, "为" * 1001, "为" * 10_000, "\u200b" * 30]
)
def test_the_text_says_something_and_not_too_much(match, text):
    person = speaker(match, Side.DEMAND)
    error = refuses(ValidationError, lambda: objects(match, Side.DEMAND, person, text))
    assert "text" in error.message_dict


@pytest.mark.parametrize("named", SIDES)
def test_a_text_that_names_a_side_is_refused(match, named):
    person = speaker(match, Side.DEMAND)
    text = f"{match.listing(named).owner.name} 的数据在正文第 2 段，请重新核对这一项指标。"
    refuses(ValidationError, lambda: objects(match, Side.DEMAND, person, text))


def test_a_listing_that_leaves_ends_the_objection(match):
    made = objects(match, Side.DEMAND)
    type(match.achievement).objects.update(status="withdrawn")
    listing_left(kind="achievement", listing_id=match.achievement_id)
    made.refresh_from_db()
    assert made.status == AppealStatus.CANCELLED


# --- Pages --------------------------------------------------------------------------------------


def client_of(person):
    client = Client()
    client.force_login(person)
    return client


def page(name, match):
    return reverse(name, args=[match.number])


def test_the_match_leads_to_the_objection_and_the_page_takes_it(match):
    mine = client_of(speaker(match, Side.DEMAND))
    shown = mine.get(page("match_detail", match)).content.decode()
    assert page("match_appeal", match) in shown
    form = mine.get(page("match_appeal", match)).content.decode()
    assert 'name="text"' in form

    answer = mine.post(page("match_appeal", match), {"text": TEXT})

    assert answer.status_code == 302 and Appeal.objects.get().text == TEXT
    after = mine.get(page("match_detail", match)).content.decode()
    assert "异议已记录" in after and page("match_appeal", match) not in after


def test_the_other_side_does_not_learn_of_it(match):
    objects(match, Side.DEMAND)
    other = client_of(speaker(match, Side.ACHIEVEMENT))
    for name in ("match_detail", "match_appeal"):
        assert TEXT not in other.get(page(name, match)).content.decode()
    assert "异议" not in other.get(page("match_detail", match)).content.decode()


def test_the_next_manager_reads_the_text_and_no_name(match):
    objects(match, Side.DEMAND)
    second = make_manager()
    Match.objects.update(status=MatchStatus.IN_REVIEW)
    make_review(match=match, manager=second)
    text = client_of(second).get(page("match_review", match)).content.decode()
    assert TEXT in text
    assert match.demand.owner.name not in text and match.achievement.owner.name not in text


@pytest.mark.parametrize("text", ["", "太短", "为" * 10_000, "\x00"])
def test_a_wrong_text_comes_back(match, text):
    before = state()
    answer = client_of(speaker(match, Side.DEMAND)).post(
        page("match_appeal", match), {"text": text}
    )
    assert answer.status_code == 200 and "kq-errors" in answer.content.decode()
    assert state() == before


def test_an_objection_sent_twice_counts_once_and_keeps_the_second_text(match):
    mine = client_of(speaker(match, Side.DEMAND))
    assert mine.post(page("match_appeal", match), {"text": TEXT}).status_code == 302
    again = mine.post(page("match_appeal", match), {"text": TEXT + "再补充一句。"})
    assert again.status_code == 409 and "再补充一句" in again.content.decode()
    assert Appeal.objects.count() == 1


def test_who_opens_the_page(match, first):
    viewer = client_of(speaker(match, Side.DEMAND, MembershipRole.VIEWER))
    assert 'name="text"' not in viewer.get(page("match_appeal", match)).content.decode()
    assert viewer.post(page("match_appeal", match), {"text": TEXT}).status_code == 403
    for person, code in (
        (first, 403),
        (make_operator(), 403),
        (make_member(), 404),
        (make_manager(), 404),
    ):
        for answer in (
            client_of(person).get(page("match_appeal", match)),
            client_of(person).post(page("match_appeal", match), {"text": TEXT}),
        ):
            assert answer.status_code == code
    assert not Appeal.objects.exists()
