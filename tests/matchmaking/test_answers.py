"""No status without a plain sentence and a next step, for either side, and no name in it."""

import datetime as dt
import re
from itertools import product

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone, translation

from accounts.workdays import add_working_days
from catalog import answers as listing_answers
from catalog.workflow import ListingStatus
from matchmaking.answers import status_text
from matchmaking.models import Appeal, Feedback, Inquiry, Match, Review
from matchmaking.workflow import AppealStatus, MatchStatus, ReviewStatus, Side
from tests.factories import (
    make_achievement,
    make_demand,
    make_manager,
    make_match,
    make_member,
    make_organization,
    make_review,
)

pytestmark = pytest.mark.django_db

SIDES = [Side.DEMAND, Side.ACHIEVEMENT]
M = MatchStatus


def other(side):
    return SIDES[1 - SIDES.index(side)]


def pair(status, *, manager=True, **fields):
    match = make_match(status=status, manager=make_manager() if manager else None, **fields)
    return match


def consents(match, **answers):
    for side, agreed in answers.items():
        match.consents.create(
            side=side,
            agreed=agreed,
            reason="" if agreed else "price",
            user=make_member(match.listing(side).owner),
        )
    return match


def asked(side):
    match = pair(M.IN_REVIEW)
    review = Review.objects.get(match=match)
    Review.objects.update(status=ReviewStatus.ACCEPTED)
    Inquiry.objects.create(
        review=review,
        side=side,
        questions=[{"field": "trl", "name": "成熟度", "text": "到哪一级了？"}],
        due_on=add_working_days(timezone.localdate(), 3),
    )
    return match


def objected(status, side=Side.DEMAND, outcome=AppealStatus.OPEN):
    match = pair(status)
    Appeal.objects.create(
        match=match,
        side=side,
        text="请重新核对",
        status=outcome,
        user=make_member(match.listing(side).owner),
    )
    return match


def frozen(status, side, listing):
    match = pair(status, is_frozen=True)
    type(match.listing(side)).objects.update(status=listing)
    match.listing(side).refresh_from_db()
    return match


def late(match, days):
    Match.objects.filter(pk=match.pk).update(
        decided_at=timezone.now() - dt.timedelta(days=days),
        introduced_at=timezone.now() - dt.timedelta(days=days),
    )
    match.refresh_from_db()
    return match


def ended(match, status):
    type(match.achievement).objects.update(status=status)
    match.achievement.refresh_from_db()
    return match


def told(match, side=Side.DEMAND):
    Feedback.objects.create(
        match=match,
        side=side,
        rating=4,
        contract="signed",
        user=make_member(match.listing(side).owner),
    )
    return match


CASES = {
    "suggested": lambda: pair(M.SUGGESTED, manager=False),
    "escalated": lambda: pair(
        M.SUGGESTED, manager=False, escalated_at=timezone.now(), escalation="nobody"
    ),
    "in review": lambda: pair(M.IN_REVIEW),
    "between two managers": lambda: pair(M.IN_REVIEW, manager=False),
    "demand asked": lambda: asked(Side.DEMAND),
    "achievement asked": lambda: asked(Side.ACHIEVEMENT),
    "objected": lambda: objected(M.SUGGESTED),
    "objected, in review": lambda: objected(M.IN_REVIEW),
    "objected in vain": lambda: objected(M.REJECTED, outcome=AppealStatus.UPHELD),
    "objected, cancelled": lambda: objected(M.REJECTED, outcome=AppealStatus.CANCELLED),
    "approved": lambda: pair(M.APPROVED),
    "demand agreed": lambda: consents(pair(M.APPROVED), demand=True),
    "achievement agreed": lambda: consents(pair(M.APPROVED), achievement=True),
    "introduced": lambda: pair(M.INTRODUCED),
    "introduced long ago": lambda: late(pair(M.INTRODUCED), 60),
    "introduced and told": lambda: told(pair(M.INTRODUCED)),
    "rejected": lambda: pair(M.REJECTED),
    "rejected long ago": lambda: late(pair(M.REJECTED), 60),
    "rejected, then closed": lambda: ended(pair(M.REJECTED), "closed"),
    "declined by the demand": lambda: consents(pair(M.DECLINED), demand=False),
    "declined by the achievement": lambda: consents(pair(M.DECLINED), achievement=False),
    "lapsed, nobody answered": lambda: pair(M.LAPSED),
    "lapsed, the demand agreed": lambda: consents(pair(M.LAPSED), demand=True),
    "lapsed, a listing closed": lambda: ended(pair(M.LAPSED), "closed"),
    "superseded": lambda: pair(M.SUPERSEDED, is_touched=True),
    "gone": lambda: ended(pair(M.REJECTED), "withdrawn"),
    **{
        f"frozen, {status}, {side}, {listing}": lambda a=status, b=side, c=listing: frozen(a, b, c)
        for status in (M.IN_REVIEW, M.APPROVED)
        for side in SIDES
        for listing in ("submitted", "needs_info")
    },
}


@pytest.mark.parametrize("case", CASES)
def test_every_status_has_a_sentence_and_a_next_step_and_no_name(case):
    match = CASES[case]()
    match = Match.objects.with_listings().get(pk=match.pk)
    managers = [review.manager for review in match.reviews.all()]
    for side, language in product(SIDES, ("zh-hans", "en")):
        with translation.override(language):
            answer = status_text(match, side)
            texts = [
                answer.what,
                answer.next_step,
                *answer.reasons,
                *(w.label for w in answer.ways),
            ]
        ends = "。" if language == "zh-hans" else "."
        assert answer.what.endswith(ends) and answer.next_step.endswith(ends)
        if language == "en":
            assert not re.search("[\u4e00-\u9fff]", " ".join(texts))
        theirs = match.listing(other(side)).owner
        for secret in (theirs.name, theirs.contact_name, theirs.contact_email, *map(str, managers)):
            assert secret not in " ".join(texts)


def test_every_status_is_among_the_cases():
    assert {CASES[case]().status for case in CASES} == set(MatchStatus.values)


def answer_of(case, side):
    match = CASES[case]()
    return status_text(Match.objects.with_listings().get(pk=match.pk), side), match


@pytest.mark.parametrize("case", ["in review", "approved", "demand agreed", "objected, in review"])
def test_where_a_clock_runs_its_date_is_told(case):
    answer, match = answer_of(case, Side.DEMAND)
    match.refresh_from_db()
    assert answer.by == match.due_on is not None


def test_a_side_that_is_asked_gets_the_deadline_and_the_page():
    answer, match = answer_of("demand asked", Side.DEMAND)
    assert answer.by == Inquiry.objects.get().due_on
    assert answer.way.url == reverse("match_questions", args=[match.number])
    waiting = status_text(match, Side.ACHIEVEMENT)
    assert waiting.by == answer.by and not waiting.ways


def test_a_rejection_tells_the_courteous_reason_and_the_last_day_to_object():
    answer, match = answer_of("rejected", Side.ACHIEVEMENT)
    assert answer.reasons and all(len(reason) > 5 for reason in answer.reasons)
    assert answer.by == add_working_days(timezone.localdate(match.decided_at), 10)
    assert [way.url for way in answer.ways] == [reverse("match_appeal", args=[match.number])]


@pytest.mark.parametrize("case", ["rejected long ago", "rejected, then closed", "objected in vain"])
def test_where_no_objection_is_possible_none_is_offered(case):
    answer, _match = answer_of(case, Side.DEMAND)
    assert not answer.ways and answer.by is None and answer.reasons


def test_the_other_side_does_not_learn_who_objected():
    mine, match = answer_of("objected", Side.DEMAND)
    theirs = status_text(match, Side.ACHIEVEMENT)
    assert "异议" in mine.what and "异议" not in theirs.what + theirs.next_step


def test_after_the_introduction_one_meets_then_tells():
    soon, match = answer_of("introduced", Side.DEMAND)
    assert soon.by == add_working_days(timezone.localdate(match.introduced_at), 10)
    later, _match = answer_of("introduced long ago", Side.DEMAND)
    assert later.by is None and later.way.url.endswith("/feedback/")
    done, _match = answer_of("introduced and told", Side.DEMAND)
    assert done.way is None and len(done.ways) == 1


# --- Listings -----------------------------------------------------------------------------------


@pytest.mark.parametrize("status", ListingStatus)
def test_every_status_of_a_listing_has_a_sentence_and_a_next_step(status):
    for make, language in product((make_demand, make_achievement), ("zh-hans", "en")):
        listing = make(status=status)
        with translation.override(language):
            answer = listing_answers.status_text(listing)
        ends = "。" if language == "zh-hans" else "."
        assert answer.what.endswith(ends) and answer.next_step.endswith(ends)


def test_a_listing_near_its_last_day_says_which():
    until = timezone.localdate() + dt.timedelta(days=3)
    answer = listing_answers.status_text(make_demand(valid_until=until))
    assert answer.by == until and answer.way.url.endswith("/confirm/")


def test_my_listings_say_what_comes_next():
    organization = make_organization()
    for status in ListingStatus:
        make_demand(owner=organization, status=status)
    client = Client()
    client.force_login(make_member(organization))
    text = client.get(reverse("my_demands")).content.decode()
    for listing in organization.demands.all():
        assert listing_answers.status_text(listing).next_step in text


# --- Pages --------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", CASES)
def test_the_page_of_a_match_says_it(case):
    match = CASES[case]()
    for side in SIDES:
        client = Client()
        client.force_login(make_member(match.listing(side).owner))
        text = client.get(reverse("match_detail", args=[match.number])).content.decode()
        if case == "gone":
            assert "其中一方" in text
            continue
        answer = status_text(Match.objects.with_listings().get(pk=match.pk), side)
        assert answer.what in text and answer.next_step in text
        if match.status != M.INTRODUCED:
            assert match.listing(other(side)).owner.name not in text


def test_the_list_says_it_in_as_many_queries_for_one_as_for_ten():
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    organization = make_organization()
    demand = make_demand(owner=organization)
    client = Client()
    client.force_login(make_member(organization))
    url = reverse("demand_matches", args=[demand.number])
    counts = []
    for many in (1, 9):
        for _ in range(many):
            match = make_match(status=M.REJECTED, demand=demand, manager=make_manager())
            make_review(match=match, manager=make_manager(), status=ReviewStatus.DECLINED)
        client.get(url)
        with CaptureQueriesContext(connection) as seen:
            assert client.get(url).content.decode().count("提出异议") == len(
                Match.objects.filter(demand=demand)
            )
        counts.append(len(seen))
    assert counts[0] == counts[1]
