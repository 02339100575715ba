"""What notifications say of matches: true, in both languages, and nothing of the other side."""

import datetime as dt
import unicodedata
from itertools import count
from types import SimpleNamespace

import pytest
from django.core import mail as django_mail
from django.utils import timezone, translation

from accounts import delivery, notices
from accounts.inbox import Choice, Notification
from accounts.models import ManagerStatus, Membership
from accounts.tasks import deliver_mail
from matchmaking.models import Appeal, Feedback, Inquiry, Review
from matchmaking.workflow import MatchStatus, ReviewStatus, Side
from tests.factories import (
    make_achievement,
    make_demand,
    make_manager,
    make_match,
    make_member,
    make_operator,
    make_organization,
)

pytestmark = pytest.mark.django_db

DEMAND_MARKS = ("宁远轴承", "Ningyuan", "宁致远", "0512-62880000", "ning@example.org")
ACHIEVEMENT_MARKS = (
    "江临大学",
    "Jianglin University",
    "江教授",
    "0571-88881234",
    "jiang@example.org",
)
MANAGER_MARKS = ("林柏舟", "lin@example.org")
MARKS = {Side.DEMAND: DEMAND_MARKS, Side.ACHIEVEMENT: ACHIEVEMENT_MARKS}
LANGUAGES = ("zh-hans", "en")


@pytest.fixture(autouse=True)
def _no_broker(monkeypatch):
    monkeypatch.setattr("accounts.mail.send", lambda *_args: True)


@pytest.fixture
def world(clock):
    """A pair whose titles give their owners away, and everybody around it."""
    enterprise = make_organization(
        name="宁远轴承有限公司",
        name_en="Ningyuan Bearing Co., Ltd.",
        contact_name="宁致远",
        contact_phone="0512-62880000",
        contact_email="ning@example.org",
    )
    university = make_organization(
        kind="university",
        name="江临大学",
        name_en="Jianglin University",
        contact_name="江教授",
        contact_phone="0571-88881234",
        contact_email="jiang@example.org",
    )
    manager = make_manager(name="林柏舟", email="lin@example.org")
    pair = make_match(
        status=MatchStatus.IN_REVIEW,
        manager=manager,
        demand=make_demand(owner=enterprise, title="宁远轴承<b>套圈</b>淬火 %(x)s {0}"),
        achievement=make_achievement(
            owner=university, title="江临大学的Ｊｉａｎｇｌｉｎ Ｕｎｉｖｅｒｓｉｔｙ感应淬火"
        ),
        due_on=dt.date(2026, 12, 1),
    )
    review = Review.objects.get()
    review.due_on = dt.date(2026, 12, 1)
    review.save()
    numbers = count(1)

    def tell(kind, user, /, **payload):
        notices.notify(kind=kind, user=user, key=f"test:{next(numbers)}", payload=payload)
        return Notification.objects.latest("pk")

    return SimpleNamespace(
        match=pair,
        review=review,
        manager=manager,
        operator=make_operator(),
        sides={
            Side.DEMAND: make_member(enterprise, role="editor"),
            Side.ACHIEVEMENT: make_member(university, role="editor"),
        },
        tell=tell,
    )


def become(world, match_status, review_status="", **fields):
    for name, value in {"status": match_status, **fields}.items():
        setattr(world.match, name, value)
    world.match.save()
    if review_status:
        world.review.status = review_status
        world.review.save()


def decide(world, match_status, decision):
    become(world, match_status, due_on=dt.date(2026, 12, 1))
    world.review.status, world.review.decision = ReviewStatus.SUBMITTED, decision
    world.review.closed_at = timezone.now()
    world.review.save()


def ask(world, side, status="open"):
    return Inquiry.objects.create(
        review=world.review,
        side=side,
        questions=[{"field": "body", "text": "?"}],
        status=status,
        due_on=dt.date(2026, 11, 30),
    )


def text_of(user, row):
    written = notices.write_all(user, [row]).get(row.pk)
    return f"{written.title}\n{written.text}" if written else None


# --- To a side ----------------------------------------------------------------------------------


def asked(world, side):
    return {"inquiry": ask(world, side).pk, "side": side}


def inquiry_due(world, side):
    return asked(world, side) | {"stage": "soon", "due_on": "2026-11-30"}


def taken(world, side):
    become(world, MatchStatus.IN_REVIEW, ReviewStatus.ACCEPTED)
    return {"match": world.match.pk, "side": side}


def approved(world, side):
    decide(world, MatchStatus.APPROVED, "approve")
    return {"match": world.match.pk, "side": side, "review": world.review.pk}


def rejected(world, side):
    decide(world, MatchStatus.REJECTED, "reject")
    return {"match": world.match.pk, "side": side, "review": world.review.pk}


def answer_due(world, side):
    decide(world, MatchStatus.APPROVED, "approve")
    return {"match": world.match.pk, "side": side, "stage": "soon", "due_on": "2026-12-01"}


def ended(status):
    def make(world, side):
        decide(world, status, "approve")
        return {"match": world.match.pk, "side": side}

    return make


def appeal(status):
    def make(world, side):
        decide(world, MatchStatus.REJECTED, "reject")
        row = Appeal.objects.create(
            match=world.match, side=side, text="…", status=status, user=world.sides[side]
        )
        return {"appeal": row.pk}

    return make


TO_SIDES = {
    "match.asked": asked,
    "inquiry.due": inquiry_due,
    "match.taken": taken,
    "match.approved": approved,
    "match.rejected": rejected,
    "match.answer_due": answer_due,
    "match.introduced": ended(MatchStatus.INTRODUCED),
    "match.declined": ended(MatchStatus.DECLINED),
    "match.lapsed": ended(MatchStatus.LAPSED),
    "appeal.decided": appeal("upheld"),
    "feedback.asked": ended(MatchStatus.INTRODUCED),
}


@pytest.mark.parametrize("side", Side)
@pytest.mark.parametrize("kind", TO_SIDES)
def test_a_side_reads_of_its_own_listing_and_nothing_of_the_other(world, kind, side):
    user = world.sides[side]
    row = world.tell(kind, user, **TO_SIDES[kind](world, side))

    texts = {}
    for language in LANGUAGES:
        with translation.override(language):
            texts[language] = text_of(user, row)
    other = Side.ACHIEVEMENT if side == Side.DEMAND else Side.DEMAND
    for text in texts.values():
        assert world.match.listing(side).title in text
        assert world.match.number in text or kind == "match.taken"
        for mark in (*MARKS[other], *MANAGER_MARKS, "Ｊ" if side == Side.DEMAND else "套圈"):
            assert mark not in text
        assert world.match.listing(other).number not in text
    assert texts["en"] != texts["zh-hans"]


@pytest.mark.parametrize("kind", TO_SIDES)
def test_who_has_left_the_side_reads_nothing(world, kind):
    user = world.sides[Side.DEMAND]
    row = world.tell(kind, user, **TO_SIDES[kind](world, Side.DEMAND))
    assert text_of(user, row)

    for change in ({"role": "viewer"}, {"role": "editor", "is_active": False}):
        Membership.objects.filter(user=user).update(**change)
        assert text_of(user, row) is None
    Membership.objects.filter(user=user).delete()
    assert text_of(user, row) is None


@pytest.mark.parametrize("kind", TO_SIDES)
def test_the_mail_says_no_more_than_the_page(world, kind):
    user = world.sides[Side.DEMAND]
    notices.choose(user=user, choices={kind: Choice.NOW})
    world.tell(kind, user, **TO_SIDES[kind](world, Side.DEMAND))
    for pk in delivery.waiting():
        deliver_mail(pk)

    [message] = django_mail.outbox
    whole = str(message.message()) + message.subject + message.body + message.alternatives[0][0]
    for mark in (*ACHIEVEMENT_MARKS, *MANAGER_MARKS):
        assert mark not in whole
    assert "<b>套圈</b>" not in message.alternatives[0][0]
    assert "List-Unsubscribe-Post" in message.message()


NO_LONGER = {
    "match.asked": lambda world: Inquiry.objects.update(status="answered"),
    "inquiry.due": lambda world: Inquiry.objects.update(due_on=dt.date(2026, 12, 9)),
    "match.approved": lambda world: become(world, MatchStatus.IN_REVIEW, ReviewStatus.ACCEPTED),
    "match.rejected": lambda world: become(world, MatchStatus.SUGGESTED, ReviewStatus.VOID),
    "match.answer_due": lambda world: become(
        world, MatchStatus.APPROVED, due_on=dt.date(2026, 12, 9)
    ),
    "match.introduced": lambda world: become(world, MatchStatus.SUPERSEDED),
    "match.declined": lambda world: become(world, MatchStatus.SUPERSEDED),
    "match.lapsed": lambda world: become(world, MatchStatus.SUPERSEDED),
    "appeal.decided": lambda world: Appeal.objects.update(status="open"),
    "feedback.asked": lambda world: Feedback.objects.create(
        match=world.match,
        side=Side.DEMAND,
        rating=4,
        contract="talking",
        user=world.sides[Side.DEMAND],
    ),
}


@pytest.mark.parametrize("kind", NO_LONGER)
def test_a_side_is_not_told_what_is_no_longer_so(world, kind):
    user = world.sides[Side.DEMAND]
    row = world.tell(kind, user, **TO_SIDES[kind](world, Side.DEMAND))
    assert text_of(user, row)

    NO_LONGER[kind](world)

    assert text_of(user, row) is None


def test_a_side_that_has_answered_is_asked_no_more(world):
    user = world.sides[Side.DEMAND]
    rows = [
        world.tell(kind, user, **TO_SIDES[kind](world, Side.DEMAND))
        for kind in ("match.approved", "match.answer_due")
    ]
    world.match.consents.create(side=Side.ACHIEVEMENT, agreed=True, user=user)
    assert all(text_of(user, row) for row in rows)

    world.match.consents.create(side=Side.DEMAND, agreed=True, user=user)

    assert [text_of(user, row) for row in rows] == [None, None]


@pytest.mark.parametrize(
    ("stage", "today", "says"),
    [
        ("soon", "2026-11-30", "快到期"),
        ("soon", "2026-12-01", None),
        ("today", "2026-12-01", "今天到期"),
        ("today", "2026-12-02", None),
        ("late", "2026-12-01", "已超时"),
        ("late", "2026-12-02", None),
    ],
)
def test_a_reminder_holds_until_its_day_is_over(world, clock, stage, today, says):
    become(world, MatchStatus.IN_REVIEW, ReviewStatus.ACCEPTED)
    row = world.tell(
        "review.due", world.manager, review=world.review.pk, stage=stage, due_on="2026-12-01"
    )
    clock.on(today)
    text = text_of(world.manager, row)

    assert text is None if says is None else text.startswith(says)


def test_an_undone_decision_is_told_to_nobody(world, clock):
    user = world.sides[Side.DEMAND]
    payload = approved(world, Side.DEMAND)
    at = timezone.now() + dt.timedelta(minutes=10)
    notices.notify(kind="match.approved", user=user, key="m:1:1", payload=payload, at=at)
    clock.move(minutes=5)
    become(world, MatchStatus.IN_REVIEW, ReviewStatus.ACCEPTED)
    notices.take_back(prefix="m:1:")
    clock.move(minutes=30)
    for pk in delivery.waiting():
        deliver_mail(pk)

    assert django_mail.outbox == []
    assert notices.unread_count(user) == 0


# --- To managers and operators ------------------------------------------------------------------


def review_open(world):
    become(world, MatchStatus.IN_REVIEW, ReviewStatus.ASSIGNED)
    return {"review": world.review.pk}


def review_due(world):
    return review_open(world) | {"stage": "soon", "due_on": "2026-12-01"}


def review_gone(world):
    become(world, MatchStatus.SUGGESTED, ReviewStatus.NO_RESPONSE)
    return {"review": world.review.pk, "why": "no_response"}


def answered(status):
    def make(world):
        become(world, MatchStatus.IN_REVIEW, ReviewStatus.ACCEPTED)
        return {"inquiry": ask(world, Side.DEMAND, status).pk}

    return make


def of_manager(status):
    def make(world):
        decide(world, status, "approve")
        return {"match": world.match.pk, "review": world.review.pk}

    return make


TO_MANAGERS = [
    ("review.assigned", review_open),
    ("review.due", review_due),
    ("review.taken", review_gone),
    ("review.answered", answered("answered")),
    ("review.answered", answered("expired")),
    ("match.introduced", of_manager(MatchStatus.INTRODUCED)),
    ("match.declined", of_manager(MatchStatus.DECLINED)),
    ("match.lapsed", of_manager(MatchStatus.LAPSED)),
]


def escalated(world):
    become(world, MatchStatus.SUGGESTED, escalated_at=timezone.now(), escalation="no_response")
    return {"match": world.match.pk, "why": "no_response"}


def tied(world):
    decide(world, MatchStatus.INTRODUCED, "approve")
    return {"review": world.review.pk}


TO_OPERATORS = [("escalation.match", escalated), ("conflict.introduced", tied)]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(("kind", "make"), [*TO_MANAGERS, *TO_OPERATORS])
def test_managers_and_operators_read_no_names(world, kind, make, language):
    user = world.operator if (kind, make) in TO_OPERATORS else world.manager
    row = world.tell(kind, user, **make(world))

    with translation.override(language):
        text = text_of(user, row)

    assert world.match.number in text
    folded = unicodedata.normalize("NFKC", text)
    for mark in (*DEMAND_MARKS, *ACHIEVEMENT_MARKS):
        assert mark not in folded


@pytest.mark.parametrize(("kind", "make"), TO_MANAGERS)
def test_a_review_of_somebody_elses_is_not_told(world, kind, make):
    other = make_manager()
    row = world.tell(kind, other, **make(world))

    assert text_of(other, row) is None


@pytest.mark.parametrize(
    ("kind", "make"), [case for case in TO_MANAGERS if case[0] != "review.taken"]
)
def test_a_suspended_manager_is_told_nothing_of_matches(world, kind, make):
    row = world.tell(kind, world.manager, **make(world))
    profile = world.manager.manager_profile
    profile.status = ManagerStatus.SUSPENDED
    profile.save()

    assert text_of(type(world.manager).objects.get(pk=world.manager.pk), row) is None


@pytest.mark.parametrize(("kind", "make"), TO_OPERATORS)
def test_who_is_no_operator_any_more_is_told_nothing(world, kind, make):
    row = world.tell(kind, world.operator, **make(world))
    world.operator.is_operator = False

    assert text_of(world.operator, row) is None


def test_a_submitted_review_waits_for_nobody(world):
    row = world.tell("review.assigned", world.manager, **review_open(world))
    become(world, MatchStatus.APPROVED, ReviewStatus.SUBMITTED)

    assert text_of(world.manager, row) is None


def test_a_paused_review_is_not_due(world):
    row = world.tell("review.due", world.manager, **review_due(world))
    world.review.paused_on = dt.date(2026, 11, 25)
    world.review.save()

    assert text_of(world.manager, row) is None


@pytest.mark.parametrize("why", ["no_response", "conflict", "suspended", "reassigned", "reopened"])
def test_a_manager_reads_why_a_review_left_their_desk(world, why):
    row = world.tell("review.taken", world.manager, **(review_gone(world) | {"why": why}))

    texts = set()
    for language in LANGUAGES:
        with translation.override(language):
            texts.add(text_of(world.manager, row))
    assert len(texts) == 2


@pytest.mark.parametrize("status", ["upheld", "overturned"])
def test_both_outcomes_of_an_objection_are_told(world, status):
    row = world.tell(
        "appeal.decided", world.sides[Side.DEMAND], **appeal(status)(world, Side.DEMAND)
    )

    text = text_of(world.sides[Side.DEMAND], row)
    assert ("维持" in text) == (status == "upheld")


@pytest.mark.parametrize("kind", [kind.code for kind in notices.kinds()])
def test_what_is_about_something_deleted_is_left_out(world, kind):
    keys = ("match", "review", "inquiry", "appeal", "profile", "renewal", "organization")
    keys += ("change", "evidence", "publication", "listing", "attachment", "job", "event")
    keys += ("applied_to",)
    payload = dict.fromkeys(keys, 10**9) | {"kind": "demand", "side": "demand", "state": "done"}
    payload |= {"why": "conflict", "stage": "soon", "due_on": "2026-12-01"}
    payload |= {"valid_until": "2026-12-01", "accepted": True}
    row = world.tell(kind, world.manager, **payload)

    assert text_of(world.manager, row) is None


def test_ten_pairs_are_written_with_as_few_questions_as_one(world, django_assert_num_queries):
    user = world.sides[Side.DEMAND]
    rows = [world.tell("match.approved", user, **approved(world, Side.DEMAND))]
    # Reviews, matches with both sides, the reader's organizations, whether they are a manager,
    # answers.
    with django_assert_num_queries(5):
        assert len(notices.write_all(user, rows)) == 1
    for _ in range(9):
        pair = make_match(
            status=MatchStatus.APPROVED,
            manager=make_manager(),
            demand=world.match.demand,
            achievement=make_achievement(),
        )
        rows.append(
            world.tell(
                "match.approved",
                user,
                match=pair.pk,
                side="demand",
                review=pair.reviews.get().pk,
            )
        )
    fresh = type(user).objects.get(pk=user.pk)
    with django_assert_num_queries(5):
        assert len(notices.write_all(fresh, rows)) == 10
