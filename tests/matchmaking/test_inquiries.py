"""A manager asks one side: the clock waits, the side answers or lets its own deadline pass."""

import datetime as dt

import pytest
from django.core.exceptions import ValidationError
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.inbox import Notification
from accounts.models import MembershipRole
from accounts.workdays import add_working_days, working_days_left
from catalog.services.publishing import withdraw
from matchmaking import presenting, questions
from matchmaking.models import Inquiry, Match, MatchEvent
from matchmaking.permissions import ConflictOfInterest
from matchmaking.services.inquiries import answer_inquiry, ask, expire_inquiry, take_back
from matchmaking.services.matching import listing_left
from matchmaking.services.reviews import hand_back, submit_review, time_out
from matchmaking.workflow import IllegalMove, InquiryStatus, MatchStatus, ReviewStatus, Side
from tests.factories import (
    make_achievement,
    make_demand,
    make_manager,
    make_match,
    make_member,
    make_operator,
    make_review,
)

pytestmark = pytest.mark.django_db

LINE = "indicator:1"
QUESTION = {"field": LINE, "text": "试件直径多大，测了几件？"}


@pytest.fixture
def review():
    match = make_match(status=MatchStatus.IN_REVIEW)
    return make_review(match=match, manager=make_manager(), status=ReviewStatus.ACCEPTED)


@pytest.fixture
def owner(review):
    return make_member(review.match.achievement.owner)


def put(review, side=Side.ACHIEVEMENT, asked=(QUESTION,)):
    return ask(review=review, actor=review.manager, side=side, questions=asked)


def state(review):
    return (
        list(Inquiry.objects.order_by("pk").values()),
        Match.objects.filter(pk=review.match_id).values().get(),
        type(review).objects.filter(pk=review.pk).values().get(),
        MatchEvent.objects.count(),
        Notification.objects.count(),
    )


def refuses(review, error, call):
    before = state(review)
    with pytest.raises(error) as caught:
        call()
    assert state(review) == before
    return caught.value


# --- Asking -------------------------------------------------------------------------------------


def test_a_question_stops_the_clock_and_tells_the_side(review, owner):
    editor = make_member(review.match.achievement.owner, MembershipRole.EDITOR)
    make_member(review.match.achievement.owner, MembershipRole.VIEWER)
    other = make_member(review.match.demand.owner)

    inquiry = put(review)

    today = timezone.localdate()
    review.refresh_from_db()
    review.match.refresh_from_db()
    assert inquiry.questions == [{**QUESTION, "name": "圆度变形"}]
    assert inquiry.due_on == add_working_days(today, 3)
    assert review.paused_on == today
    assert review.days_left == working_days_left(review.due_on, today)
    assert review.match.due_on == inquiry.due_on
    assert review.match.status == MatchStatus.IN_REVIEW
    event = review.match.events.get(verb="asked")
    assert (event.actor, event.side) == (review.manager, "achievement")
    told = Notification.objects.filter(kind="match.asked")
    assert set(told.values_list("user", flat=True)) == {owner.pk, editor.pk}
    assert not Notification.objects.filter(user=other).exists()


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ([], "questions"),
        ([{"field": LINE, "text": "？"}], LINE),
        ([{"field": LINE, "text": "为" * 301}], LINE),
        ([{"field": LINE, "text": " \u200b\u200b\u200b\u200b\u200b "}], LINE),
        ([{"field": "indicator:9", "text": "这一行不存在吧？"}], "questions"),
        ([{"field": "field:process", "text": "那是需求方的字段？"}], "questions"),
        ([{"field": "", "text": "没有说是哪一项？"}], "questions"),
        ([{}], "questions"),
        ([QUESTION, QUESTION], "questions"),
        ([QUESTION] * 9, "questions"),
    ],
)
def test_a_question_needs_words_and_a_line_of_this_side(review, asked, field):
    error = refuses(review, ValidationError, lambda: put(review, asked=asked))
    assert field in error.message_dict


@pytest.mark.parametrize("side", ["", "both", "demand' OR 1=1"])
def test_only_one_of_the_two_sides_can_be_asked(review, side):
    error = refuses(review, ValidationError, lambda: put(review, side=side))
    assert "side" in error.message_dict


def test_a_question_that_names_a_side_is_refused(review):
    for organization in (review.match.demand.owner, review.match.achievement.owner):
        for name in (organization.name, organization.contact_email, organization.contact_phone):
            asked = [{"field": LINE, "text": f"请向 {name} 了解一下？"}]
            error = refuses(review, ValidationError, lambda asked=asked: put(review, asked=asked))
            assert LINE in error.message_dict


def test_eight_questions_are_the_most(review):
    lines = [line.key for line in questions.lines(review.match, Side.ACHIEVEMENT)]
    asked = [{"field": key, "text": f"请补充第 {n} 项"} for n, key in enumerate(lines)]
    refuses(review, ValidationError, lambda: put(review, asked=asked[:9]))
    assert len(put(review, asked=asked[:8]).questions) == 8


def test_what_is_closed_to_a_side_cannot_be_asked_about():
    demand = make_demand(disclosure={"indicators": "managers"})
    match = make_match(status=MatchStatus.IN_REVIEW, demand=demand)
    review = make_review(match=match, manager=make_manager(), status=ReviewStatus.ACCEPTED)

    assert LINE in [line.key for line in questions.lines(match, Side.DEMAND)]
    assert LINE not in [line.key for line in questions.lines(match, Side.ACHIEVEMENT)]
    refuses(review, ValidationError, lambda: put(review))
    assert put(review, side=Side.DEMAND).status == InquiryStatus.OPEN


def test_one_question_at_a_time_and_three_a_review(review, owner):
    first = put(review)
    refuses(review, IllegalMove, lambda: put(review, side=Side.DEMAND))
    take_back(inquiry=first, actor=review.manager)
    answer_inquiry(inquiry=put(review), actor=owner, answers=["直径 3.2 m，共 12 件"])
    take_back(inquiry=put(review), actor=review.manager)
    error = refuses(review, IllegalMove, lambda: put(review))
    assert "三次" in str(error)


@pytest.mark.parametrize(
    "change",
    [
        lambda review: review.__class__.objects.update(status=ReviewStatus.ASSIGNED),
        lambda review: review.__class__.objects.update(status=ReviewStatus.CANCELLED),
        lambda review: Match.objects.update(is_frozen=True),
        lambda review: Match.objects.update(status=MatchStatus.APPROVED),
        lambda review: review.match.demand.__class__.objects.update(status="withdrawn"),
    ],
    ids=["not accepted", "cancelled", "frozen", "decided", "withdrawn"],
)
def test_nobody_is_asked_when_the_review_cannot_go_on(review, change):
    change(review)
    refuses(review, IllegalMove, lambda: put(review))


def test_only_the_manager_of_the_review_asks(review):
    for other in (make_manager(), make_operator(), make_member(review.match.demand.owner)):
        refuses(
            review,
            IllegalMove,
            lambda other=other: ask(
                review=review, actor=other, side=Side.DEMAND, questions=[QUESTION]
            ),
        )


def test_a_manager_with_a_tie_or_a_suspension_does_not_ask(review):
    profile = review.manager.manager_profile
    tie = profile.interests.create(organization=review.match.demand.owner, kind="employment")
    refuses(review, ConflictOfInterest, lambda: put(review))
    tie.delete()
    type(profile).objects.filter(pk=profile.pk).update(status="suspended")
    review.manager.refresh_from_db()
    refuses(review, ConflictOfInterest, lambda: put(review))


# --- Answering ----------------------------------------------------------------------------------


def test_an_answer_lets_the_clock_go_on_with_the_days_that_were_left(review, owner, monkeypatch):
    days = working_days_left(review.due_on, timezone.localdate())
    inquiry = put(review)
    later = add_working_days(timezone.localdate(), 2)
    monkeypatch.setattr(timezone, "localdate", lambda *_args: later)

    answer_inquiry(inquiry=inquiry, actor=owner, answers=["直径 3.2 m，共 12 件"])

    review.refresh_from_db()
    review.match.refresh_from_db()
    inquiry.refresh_from_db()
    assert (inquiry.status, inquiry.answers) == ("answered", ["直径 3.2 m，共 12 件"])
    assert inquiry.answered_by == owner
    assert review.paused_on is None and review.days_left is None
    assert review.due_on == add_working_days(later, days) == review.match.due_on
    assert Notification.objects.filter(kind="review.answered", user=review.manager).count() == 1
    assert review.match.events.get(verb="answered").actor == owner


def test_a_review_that_was_due_gets_one_day_after_the_answer(review, owner):
    type(review).objects.update(due_on=timezone.localdate())
    answer_inquiry(inquiry=put(review), actor=owner, answers=["有的"])
    review.refresh_from_db()
    assert review.due_on == add_working_days(timezone.localdate(), 1)


@pytest.mark.parametrize("answers", [[], [""], ["  \n "], ["为" * 2001], ["一", "二"]])
def test_each_question_is_answered_in_so_many_words(review, owner, answers):
    inquiry = put(review)
    refuses(
        review,
        ValidationError,
        lambda: answer_inquiry(inquiry=inquiry, actor=owner, answers=answers),
    )


def test_only_who_writes_for_the_side_that_is_asked_answers(review):
    inquiry = put(review)
    for person in (
        review.manager,
        make_member(review.match.demand.owner),
        make_member(review.match.achievement.owner, MembershipRole.VIEWER),
        make_operator(),
    ):
        refuses(
            review,
            ConflictOfInterest,
            lambda person=person: answer_inquiry(inquiry=inquiry, actor=person, answers=["有"]),
        )


def test_the_second_answer_is_refused_with_a_sentence(review, owner):
    inquiry = put(review)
    answer_inquiry(inquiry=inquiry, actor=owner, answers=["直径 3.2 m"])
    error = refuses(
        review,
        IllegalMove,
        lambda: answer_inquiry(inquiry=inquiry, actor=owner, answers=["直径 9 m"]),
    )
    assert "同事" in str(error)


# --- How it ends otherwise ----------------------------------------------------------------------


def test_questions_that_were_taken_back_take_no_answers(review, owner):
    inquiry = put(review)
    take_back(inquiry=inquiry, actor=review.manager)
    review.refresh_from_db()
    assert review.paused_on is None
    refuses(
        review,
        IllegalMove,
        lambda: answer_inquiry(inquiry=inquiry, actor=owner, answers=["有"]),
    )
    refuses(review, IllegalMove, lambda: take_back(inquiry=inquiry, actor=review.manager))


def test_nobody_else_takes_questions_back(review):
    inquiry = put(review)
    refuses(review, IllegalMove, lambda: take_back(inquiry=inquiry, actor=make_manager()))


def test_a_deadline_that_passed_gives_the_decision_to_the_manager(review):
    inquiry = put(review)
    assert not expire_inquiry(inquiry_id=inquiry.pk)
    Inquiry.objects.update(due_on=timezone.localdate() - dt.timedelta(days=1))

    assert expire_inquiry(inquiry_id=inquiry.pk)
    assert not expire_inquiry(inquiry_id=inquiry.pk)

    review.refresh_from_db()
    inquiry.refresh_from_db()
    assert inquiry.status == InquiryStatus.EXPIRED
    assert review.paused_on is None and review.due_on > timezone.localdate()
    assert review.match.events.filter(verb="unanswered").count() == 1
    assert Notification.objects.filter(kind="review.answered").count() == 1


def test_nothing_expires_while_a_listing_is_being_changed(review):
    inquiry = put(review)
    Inquiry.objects.update(due_on=timezone.localdate() - dt.timedelta(days=1))
    Match.objects.update(is_frozen=True)
    assert not expire_inquiry(inquiry_id=inquiry.pk)


def test_a_review_whose_side_is_asked_does_not_run_out(review):
    put(review)
    type(review).objects.update(due_on=timezone.localdate() - dt.timedelta(days=9))
    assert not time_out(review_id=review.pk)


def test_a_review_that_is_handed_back_asks_no_more(review):
    inquiry = put(review)
    hand_back(review=review, actor=review.manager, note="")
    inquiry.refresh_from_db()
    assert inquiry.status == InquiryStatus.CANCELLED


def test_a_manager_may_decide_without_the_answer(review):
    inquiry = put(review)
    submit_review(
        review=review,
        actor=review.manager,
        decision="reject",
        reasons=["immature"],
        comment="",
        no_interest=True,
        criteria={"fit": 1, "maturity": 1, "terms": 2, "credibility": 3},
    )
    inquiry.refresh_from_db()
    review.refresh_from_db()
    assert inquiry.status == InquiryStatus.CANCELLED
    assert review.status == ReviewStatus.SUBMITTED and review.paused_on is None


@pytest.mark.parametrize("side", [Side.DEMAND, Side.ACHIEVEMENT])
def test_who_changes_the_listing_instead_need_not_answer(review, side):
    """The other side's change leaves the question open, and its clock stands still."""
    inquiry = put(review)
    listing = review.match.listing(side)
    type(listing).objects.filter(pk=listing.pk).update(status="submitted")
    listing_left(kind=side, listing_id=listing.pk)
    inquiry.refresh_from_db()
    asked = side == Side.ACHIEVEMENT
    assert inquiry.status == (InquiryStatus.CANCELLED if asked else InquiryStatus.OPEN)
    review.refresh_from_db()
    assert (review.paused_on is None) == asked


def test_a_withdrawn_listing_ends_the_questions(review, owner):
    inquiry = put(review)
    withdraw(listing=review.match.achievement, actor=owner, reason="obsolete", note="")
    listing_left(kind="achievement", listing_id=review.match.achievement_id)
    inquiry.refresh_from_db()
    assert inquiry.status == InquiryStatus.CANCELLED


# --- Pages --------------------------------------------------------------------------------------


def client_of(person):
    client = Client()
    client.force_login(person)
    return client


def page(name, review):
    return reverse(name, args=[review.match.number])


def sent(side="achievement", **extra):
    return {
        "action": "ask",
        "side": side,
        "lines": [LINE],
        "about-indicator-1": QUESTION["text"],
        **extra,
    }


def test_the_manager_asks_and_the_owner_answers_on_their_pages(review, owner):
    manager = client_of(review.manager)
    shown = manager.get(page("match_ask", review)).content.decode()
    assert "圆度变形" in shown and 'name="about-indicator-1"' in shown

    answer = manager.post(page("match_ask", review), sent())
    assert answer.status_code == 302
    inquiry = Inquiry.objects.get()

    mine = client_of(owner)
    asked = mine.get(page("match_questions", review))
    assert asked.status_code == 200 and QUESTION["text"] in asked.content.decode()
    assert reverse("achievement_edit", args=[review.match.achievement.number]) in (
        asked.content.decode()
    )
    assert (
        QUESTION["text"]
        not in mine.get(reverse("match_detail", args=[review.match.number])).content.decode()
    )
    done = mine.post(
        page("match_questions", review), {"inquiry": inquiry.pk, "answer-0": "直径 3.2 m，12 件"}
    )
    assert done.status_code == 302

    read = manager.get(page("match_review", review)).content.decode()
    assert "直径 3.2 m，12 件" in read and QUESTION["text"] in read
    assert "直径 3.2 m，12 件" in mine.get(page("match_questions", review)).content.decode()


def test_the_other_side_learns_nothing_of_questions_and_answers(review, owner):
    answer_inquiry(inquiry=put(review), actor=owner, answers=["直径 3.2 m，12 件"])
    other = client_of(make_member(review.match.demand.owner))
    assert other.get(page("match_questions", review)).status_code == 404
    for name in ("match_detail", "match_consent"):
        text = other.get(page(name, review)).content.decode()
        assert QUESTION["text"] not in text and "直径 3.2 m，12 件" not in text
        assert owner.name not in text


def test_a_manager_who_has_not_taken_it_on_reads_answers_without_names(review, owner):
    secret = review.match.achievement.owner.name
    answer_inquiry(inquiry=put(review), actor=owner, answers=[f"见 {secret} 的报告"])
    hand_back(review=review, actor=review.manager, note="")
    next_one = make_manager()
    Match.objects.filter(pk=review.match_id).update(status=MatchStatus.IN_REVIEW)
    make_review(match=review.match, manager=next_one)
    text = client_of(next_one).get(page("match_review", review)).content.decode()
    assert "的报告" in text and secret not in text


def test_the_page_of_questions_is_for_the_side_that_is_asked(review):
    put(review)
    for person in (review.manager, make_operator(), make_member(), make_manager()):
        assert client_of(person).get(page("match_questions", review)).status_code == 404


def test_a_viewer_reads_the_questions_and_cannot_answer(review):
    inquiry = put(review)
    viewer = client_of(make_member(review.match.achievement.owner, MembershipRole.VIEWER))
    shown = viewer.get(page("match_questions", review))
    assert shown.status_code == 200 and 'name="answer-0"' not in shown.content.decode()
    before = state(review)
    sent = {"inquiry": inquiry.pk, "answer-0": "有"}
    assert viewer.post(page("match_questions", review), sent).status_code == 403
    assert state(review) == before


def test_an_answer_to_questions_that_were_replaced_is_kept_for_copying(review, owner):
    first = put(review)
    take_back(inquiry=first, actor=review.manager)
    put(review, asked=[{"field": LINE, "text": "换一个问题：测了几次？"}])
    before = state(review)
    page_after = client_of(owner).post(
        page("match_questions", review), {"inquiry": first.pk, "answer-0": "写了很久的答复"}
    )
    assert page_after.status_code == 409 and "写了很久的答复" in page_after.content.decode()
    assert state(review) == before


@pytest.mark.parametrize(
    "data",
    [
        {"lines": []},
        {"lines": ["indicator:99"]},
        {"lines": ["<script>"]},
        {"about-indicator-1": ""},
        {"about-indicator-1": "为" * 10_000},
        {"about-indicator-1": "\x00\x00"},
        {"side": "demand", "lines": ["field:advantages"]},
    ],
)
def test_a_wrong_form_comes_back_with_what_was_written(review, data):
    before = state(review)
    answer = client_of(review.manager).post(page("match_ask", review), sent(**data))
    assert answer.status_code == 200 and "kq-errors" in answer.content.decode()
    assert state(review) == before


def test_a_question_without_its_tick_is_not_lost_silently(review):
    text = "没有打勾的一行，会不会丢？"
    answer = client_of(review.manager).post(
        page("match_ask", review),
        sent(**{"about-field-body": text}),
    )
    assert answer.status_code == 200 and text in answer.content.decode()
    assert not Inquiry.objects.exists()


def test_a_question_sent_twice_is_asked_once(review):
    manager = client_of(review.manager)
    assert manager.post(page("match_ask", review), sent()).status_code == 302
    assert manager.post(page("match_ask", review), sent()).status_code == 409
    assert Inquiry.objects.count() == 1


def test_an_answer_sent_twice_counts_once(review, owner):
    inquiry = put(review)
    data = {"inquiry": inquiry.pk, "answer-0": "直径 3.2 m"}
    mine = client_of(owner)
    assert mine.post(page("match_questions", review), data).status_code == 302
    assert mine.post(page("match_questions", review), data).status_code == 409
    assert review.match.events.filter(verb="answered").count() == 1


def test_questions_are_taken_back_on_the_page(review):
    put(review)
    manager = client_of(review.manager)
    assert "about-indicator-1" not in manager.get(page("match_ask", review)).content.decode()
    assert manager.post(page("match_ask", review), {"action": "take_back"}).status_code == 302
    assert manager.post(page("match_ask", review), {"action": "take_back"}).status_code == 409


def test_the_questions_about_a_withdrawn_listing_tell_no_more_of_it(review, owner):
    answer_inquiry(inquiry=put(review), actor=owner, answers=["直径 3.2 m，12 件"])
    demand = review.match.demand
    asked = client_of(owner).get(page("match_questions", review)).context["items"][0]["row"]
    assert asked is not None
    actor = make_member(demand.owner)
    withdraw(listing=demand, actor=actor, reason="obsolete", note="")

    shown = client_of(owner).get(page("match_questions", review))

    assert shown.status_code == 200
    assert shown.context["items"][0]["row"] is None
    assert f"要求：{asked.requirement}" not in shown.content.decode()


def test_questions_stand_among_what_waits_for_the_side(review, owner):
    mine = client_of(owner)
    assert page("match_questions", review) not in mine.get(reverse("my_answers")).content.decode()
    put(review)
    waiting = mine.get(reverse("my_answers")).content.decode()
    assert page("match_questions", review) in waiting and "1 个问题" in waiting
    listing = mine.get(
        reverse("achievement_matches", args=[review.match.achievement.number]), {"tab": "answer"}
    )
    assert page("match_questions", review) in listing.content.decode()


def test_the_pages_ask_the_database_as_often_for_one_question_as_for_eight(review, owner):
    lines = [line.key for line in questions.lines(review.match, Side.ACHIEVEMENT)]
    counts = []
    for asked in (lines[:1], lines[:8]):
        inquiry = put(review, asked=[{"field": key, "text": f"请补充 {key}"} for key in asked])
        mine = client_of(owner)
        manager = client_of(review.manager)
        for client, name in ((mine, "match_questions"), (manager, "match_ask")):
            client.get(page(name, review))
            with CaptureQueriesContext(connection) as seen:
                client.get(page(name, review))
            counts.append(len(seen))
        take_back(inquiry=inquiry, actor=review.manager)
    assert counts[:2] == counts[2:]


def test_lines_keep_their_keys_when_a_run_judges_them_otherwise():
    rows = [
        {"name": "精度", "op": "le", "value": "1", "high": "", "unit": "mm", "hard": True},
        {"name": "节拍", "op": "le", "value": "60", "high": "", "unit": "s", "hard": False},
        {"name": "精度", "op": "le", "value": "2", "high": "", "unit": "mm", "hard": False},
    ]
    grid = [
        {"kind": "trl", "verdict": "unmet"},
        *(
            {
                "kind": "indicator",
                "name": row["name"],
                "requirement": {key: row[key] for key in ("op", "value", "high", "unit")},
                "verdict": "met",
            }
            for row in (rows[2], rows[0], rows[1])
        ),
    ]
    match = make_match(demand=make_demand(indicators=rows), achievement=make_achievement())
    match.grid = grid
    assert presenting.row_keys(match) == ["trl", "indicator:3", "indicator:1", "indicator:2"]
    match.grid = grid[::-1]
    assert presenting.row_keys(match) == ["indicator:2", "indicator:1", "indicator:3", "trl"]
