"""A manager's part: taking a match on, deciding it, handing it on. Who may not, and too late."""

import datetime as dt
import threading

import pytest
from django.core.exceptions import ValidationError
from django.db import DatabaseError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.inbox import Notification
from accounts.models import ManagerInterest, ManagerStatus, Membership
from accounts.workdays import add_working_days
from matchmaking import permissions
from matchmaking.models import Match, MatchEvent, Review
from matchmaking.permissions import ConflictOfInterest
from matchmaking.services import assignment, reviews
from matchmaking.workflow import (
    MOVES,
    REASONS_FOR,
    REVIEW_MOVES,
    IllegalMove,
    MatchStatus,
    ReviewStatus,
)
from tests.factories import (
    make_demand,
    make_manager,
    make_match,
    make_member,
    make_operator,
    make_organization,
    make_review,
)

M, R = MatchStatus, ReviewStatus
POINTS = {"fit": 4, "maturity": 3, "terms": 3, "credibility": 5}
pytestmark = pytest.mark.django_db


def make_open(status=R.ACCEPTED, **fields):
    return make_review(match=make_match(status=M.IN_REVIEW), status=status, **fields)


def state(match):
    """Everything that a refused step must leave as it was."""
    return (
        Match.objects.filter(pk=match.pk).values().get(),
        list(Review.objects.filter(match=match).order_by("pk").values()),
        list(MatchEvent.objects.filter(match=match).values_list("pk", flat=True)),
        ManagerInterest.objects.count(),
    )


def verbs(match):
    return list(match.events.order_by("pk").values_list("verb", flat=True))


def submit(review, *, decision="approve", **fields):
    values = {
        "actor": review.manager,
        "reasons": ["measured"] if decision == "approve" else ["immature"],
        "comment": "硬指标已有试件数据。",
        "no_interest": True,
        "criteria": POINTS,
        **fields,
    }
    return reviews.submit_review(review=review, decision=decision, **values)


def tie(manager, organization, how):
    if how == "interest":
        ManagerInterest.objects.create(
            profile=manager.manager_profile, organization=organization, kind="interest"
        )
    else:
        Membership.objects.create(
            user=manager, organization=organization, role="viewer", is_active=how == "member"
        )


TIES = [
    (side, how) for side in ("demand", "achievement") for how in ("member", "waiting", "interest")
]

# Every step that a manager can take with a review, as (name, step).
STEPS = {
    "accept": lambda review, actor: reviews.accept_review(review=review, actor=actor),
    "approve": lambda review, actor: submit(review, actor=actor),
    "reject": lambda review, actor: submit(review, actor=actor, decision="reject"),
    "hand back": lambda review, actor: reviews.hand_back(review=review, actor=actor, note="没时间"),
    "refer": lambda review, actor: reviews.refer(
        review=review, actor=actor, to=make_manager().manager_profile, note="更懂热处理"
    ),
}


# --- Taking it on -------------------------------------------------------------------------------


def test_who_accepts_a_review_reads_both_names_and_the_log_says_so():
    review = make_open(R.ASSIGNED)
    manager, match = review.manager, review.match
    assert not permissions.names_visible(manager, match)

    reviews.accept_review(review=review, actor=manager)

    review.refresh_from_db()
    match.refresh_from_db()
    assert review.status == R.ACCEPTED and review.accepted_at is not None
    assert match.status == M.IN_REVIEW and match.is_touched
    assert permissions.names_visible(manager, match)
    assert not permissions.contacts_visible(manager, match)
    events = match.events.order_by("pk")
    assert [(event.verb, event.actor) for event in events] == [
        ("accepted", manager),
        ("viewed", manager),
    ]


def test_accepting_twice_changes_nothing():
    review = make_open(R.ASSIGNED)
    reviews.accept_review(review=review, actor=review.manager)
    before = state(review.match)

    reviews.accept_review(review=review, actor=review.manager)

    assert state(review.match) == before


# --- Deciding -----------------------------------------------------------------------------------


def test_an_approval_asks_both_sides(settings):
    review = make_open()

    match = submit(review, reasons=["measured", "negotiable"])

    review.refresh_from_db()
    match.refresh_from_db()
    assert (review.status, review.decision) == (R.SUBMITTED, "approve")
    assert review.reasons == ["measured", "negotiable"] and review.closed_at is not None
    assert match.status == M.APPROVED and match.is_touched and match.decided_at is not None
    assert match.due_on == add_working_days(timezone.localdate(), settings.CONSENT_WORKING_DAYS)
    event = match.events.get()
    assert (event.verb, event.actor) == ("approved", review.manager)
    assert (event.before, event.after) == (M.IN_REVIEW, M.APPROVED)
    assert (event.reason, event.note) == ("measured,negotiable", review.comment)


def test_a_rejection_ends_the_match_with_its_reason():
    review = make_open()

    match = submit(review, decision="reject", reasons=["price"])

    match.refresh_from_db()
    assert (match.status, match.due_on) == (M.REJECTED, None)
    assert match.events.get().reason == "price"


def test_every_reason_fits_its_column():
    for decision, allowed in REASONS_FOR.items():
        review = make_open()
        submit(review, decision=decision, reasons=list(allowed), comment="说明")
        review.refresh_from_db()
        assert review.reasons == list(allowed)


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("decision", {"decision": "maybe"}),
        ("decision", {"decision": ""}),
        ("reasons", {"reasons": []}),
        ("reasons", {"reasons": ["price"]}),
        ("reasons", {"reasons": ["measured", "<script>"]}),
        ("comment", {"reasons": ["other"], "comment": " "}),
        ("comment", {"comment": "长" * 2001}),
        ("no_interest", {"no_interest": False}),
        ("criteria", {"criteria": {}}),
        ("criteria", {"criteria": {**POINTS, "fit": 6}}),
        ("criteria", {"criteria": {**POINTS, "fit": "4"}}),
        ("criteria", {"criteria": {**POINTS, "beauty": 4}}),
        ("remarks", {"remarks": {"indicator:9": "没有这一行"}}),
        ("remarks", {"remarks": {"indicator:1": "长" * 301}}),
    ],
)
def test_an_incomplete_decision_is_refused_by_field(field, values):
    review = make_open()
    before = state(review.match)

    with pytest.raises(ValidationError) as refused:
        submit(review, **values)

    assert field in refused.value.message_dict
    assert state(review.match) == before


def test_one_decides_only_after_taking_it_on():
    review = make_open(R.ASSIGNED)
    before = state(review.match)

    with pytest.raises(IllegalMove):
        submit(review)

    assert state(review.match) == before


def test_nobody_decides_while_a_listing_is_being_changed():
    review = make_open()
    Match.objects.update(is_frozen=True)
    before = state(review.match)

    with pytest.raises(IllegalMove):
        submit(review)

    assert state(review.match) == before


@pytest.mark.parametrize("side", ["demand", "achievement"])
def test_nobody_decides_on_a_listing_that_has_left(side):
    """The message that ends the match is still on its way."""
    review = make_open()
    listing = review.match.listing(side)
    type(listing).objects.update(status="withdrawn")
    before = state(review.match)

    with pytest.raises(IllegalMove):
        submit(review)

    assert state(review.match) == before


def test_a_decision_keeps_its_points_its_remarks_and_when_it_was_stated():
    review = make_open()

    submit(review, remarks={"indicator:1": " 试件只有一批。 "})

    review.refresh_from_db()
    assert review.criteria == POINTS and set(review.suggested) == set(POINTS)
    assert review.remarks == {"indicator:1": "试件只有一批。"}
    assert review.stated_at == review.closed_at is not None


def test_a_name_in_a_comment_or_remark_is_refused_by_the_service_as_well():
    review = make_open()
    before = state(review.match)

    for text in ({"comment": review.match.demand.owner.name},):
        with pytest.raises(ValidationError):
            submit(review, **text)
    with pytest.raises(ValidationError):
        submit(review, remarks={"indicator:1": review.match.achievement.owner.contact_email})

    assert state(review.match) == before


def test_both_sides_are_told_once_that_a_manager_works_on_it_and_later_of_the_decision():
    review = make_open(R.ASSIGNED)
    people = [make_member(review.match.listing(side).owner) for side in ("demand", "achievement")]

    reviews.accept_review(review=review, actor=review.manager)
    reviews.accept_review(review=review, actor=review.manager)
    submit(review)

    told = Notification.objects.exclude(kind="review.assigned").order_by("pk")
    assert [(one.kind, one.user) for one in told] == [
        *(("match.taken", person) for person in people),
        *(("match.approved", person) for person in people),
    ]


# --- Who may not --------------------------------------------------------------------------------


@pytest.mark.parametrize(("side", "how"), TIES)
@pytest.mark.parametrize(
    ("status", "step"),
    [
        (R.ASSIGNED, "accept"),
        (R.ASSIGNED, "approve"),
        (R.ACCEPTED, "approve"),
        (R.ACCEPTED, "reject"),
    ],
)
def test_a_manager_with_a_tie_neither_opens_nor_decides(side, how, status, step):
    review = make_open(status)
    tie(review.manager, review.match.listing(side).owner, how)
    before = state(review.match)

    with pytest.raises(ConflictOfInterest):
        STEPS[step](review, review.manager)

    assert state(review.match) == before


@pytest.mark.parametrize(("side", "how"), TIES)
def test_a_match_is_not_referred_to_a_colleague_with_a_tie(side, how):
    review, colleague = make_open(), make_manager()
    tie(colleague, review.match.listing(side).owner, how)
    before = state(review.match)

    with pytest.raises(ConflictOfInterest):
        reviews.refer(
            review=review, actor=review.manager, to=colleague.manager_profile, note="更懂"
        )

    assert state(review.match) == before


@pytest.mark.parametrize(("side", "how"), TIES)
def test_an_operator_does_not_give_a_match_to_a_manager_with_a_tie(side, how):
    review, manager = make_open(), make_manager()
    tie(manager, review.match.listing(side).owner, how)
    before = state(review.match)

    with pytest.raises(ConflictOfInterest):
        assignment.reassign(match=review.match, to=manager.manager_profile, actor=make_operator())

    assert state(review.match) == before


@pytest.mark.parametrize(("side", "how"), TIES)
def test_a_manager_with_a_tie_is_not_assigned(side, how):
    match, manager = make_match(), make_manager()
    tie(manager, match.listing(side).owner, how)

    assert assignment.assign_matches() == 0

    match.refresh_from_db()
    assert (match.status, match.escalation) == (M.SUGGESTED, "nobody")
    assert not Review.objects.exists()


@pytest.mark.parametrize("status", [ManagerStatus.PENDING, ManagerStatus.SUSPENDED])
@pytest.mark.parametrize("step", ["accept", "approve"])
def test_a_manager_who_is_certified_no_more_decides_nothing(status, step):
    review = make_open(R.ASSIGNED if step == "accept" else R.ACCEPTED)
    review.manager.manager_profile.status = status
    review.manager.manager_profile.save()
    before = state(review.match)

    with pytest.raises(ConflictOfInterest):
        STEPS[step](review, review.manager)

    assert state(review.match) == before


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("who", ["another manager", "an operator", "the owner"])
def test_a_review_is_nobody_else_s(step, who):
    review = make_open()
    actor = {
        "another manager": make_manager,
        "an operator": make_operator,
        "the owner": lambda: make_member(review.match.demand.owner),
    }[who]()
    before = state(review.match)

    with pytest.raises(IllegalMove):
        STEPS[step](review, actor)

    assert state(review.match) == before


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize(
    "status",
    [
        *(R.SUBMITTED, R.DECLINED, R.REFERRED, R.NO_RESPONSE, R.CANCELLED),
        *(R.REOPENED, R.VOID),
    ],
)
def test_a_closed_review_takes_no_more_steps(step, status):
    review = make_open(status)
    before = state(review.match)

    with pytest.raises(IllegalMove) as refused:
        STEPS[step](review, review.manager)

    assert str(refused.value)
    assert state(review.match) == before


def test_who_comes_too_late_reads_what_happened():
    for status, decided in ((M.SUPERSEDED, None), (M.REJECTED, timezone.now())):
        match = make_match(status=status, decided_at=decided)
        sentence = reviews.already_decided(match)
        assert str(match.get_status_display()) in sentence
        assert "(," not in sentence and "（，" not in sentence


# --- Handing on ---------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [R.ASSIGNED, R.ACCEPTED])
def test_a_review_handed_back_goes_to_another_manager(status):
    review = make_open(status)
    match, other = review.match, make_manager()

    reviews.hand_back(review=review, actor=review.manager, note="没时间")

    review.refresh_from_db()
    match.refresh_from_db()
    assert review.status == R.DECLINED and review.closed_at is not None
    assert (match.status, match.due_on) == (M.SUGGESTED, None)
    event = match.events.get()
    assert (event.verb, event.reason, event.note) == ("handed_back", "capacity", "没时间")
    assert not Match.objects.visible_to(review.manager).exists()
    assert assignment.assign_matches() == 1
    assert Review.objects.open().get(match=match).manager == other


@pytest.mark.parametrize("sides", [["demand"], ["achievement"], ["demand", "achievement"]])
def test_a_declared_interest_is_kept(sides):
    review = make_open()
    match = review.match

    reviews.hand_back(review=review, actor=review.manager, note="曾任职", interested_in=sides)

    for side in ("demand", "achievement"):
        declared = permissions.has_tie(review.manager, [match.listing(side).owner_id])
        assert declared == (side in sides)
    assert permissions.has_conflict(review.manager, match)
    assert match.events.get().reason == "interest"


def test_one_with_a_tie_can_hand_back():
    review = make_open(R.ASSIGNED)
    tie(review.manager, review.match.demand.owner, "member")

    reviews.hand_back(review=review, actor=review.manager, note="本单位", interested_in=["demand"])

    review.refresh_from_db()
    assert review.status == R.DECLINED


def test_a_forged_side_changes_nothing():
    review = make_open()
    before = state(review.match)

    with pytest.raises(ValueError, match="neither"):
        reviews.hand_back(
            review=review, actor=review.manager, note="", interested_in=["demand", "neither"]
        )

    assert state(review.match) == before


def test_a_referral_opens_the_colleague_s_review(settings):
    review, colleague = make_open(), make_manager()

    referred = reviews.refer(
        review=review, actor=review.manager, to=colleague.manager_profile, note="更懂热处理"
    )

    review.refresh_from_db()
    match = review.match
    match.refresh_from_db()
    assert (review.status, referred.status) == (R.REFERRED, R.ASSIGNED)
    assert referred.manager == colleague
    assert referred.due_on == match.due_on
    assert match.due_on == add_working_days(timezone.localdate(), settings.REVIEW_WORKING_DAYS)
    assert match.status == M.IN_REVIEW
    assert verbs(match) == ["referred", "assigned"]


@pytest.mark.parametrize("wrong", ["oneself", "no note", "not certified", "not accepted"])
def test_a_referral_needs_a_colleague_and_a_reason(wrong):
    review, colleague = make_open(), make_manager()
    profile, note = colleague.manager_profile, "更懂热处理"
    if wrong == "oneself":
        profile = review.manager.manager_profile
    elif wrong == "no note":
        note = "  "
    elif wrong == "not certified":
        profile.status = ManagerStatus.SUSPENDED
        profile.save()
    else:
        Review.objects.update(status=R.ASSIGNED)
    before = state(review.match)

    with pytest.raises((ValidationError, ConflictOfInterest, IllegalMove)):
        reviews.refer(review=review, actor=review.manager, to=profile, note=note)

    assert state(review.match) == before


# --- Two at once --------------------------------------------------------------------------------


@pytest.mark.parametrize("step", STEPS)
def test_every_step_locks_the_match_before_it_writes(step):
    review = make_open(R.ASSIGNED if step == "accept" else R.ACCEPTED)
    actor = review.manager

    with CaptureQueriesContext(connection) as queries:
        STEPS[step](review, actor)

    sql = [query["sql"] for query in queries]
    lock = next(at for at, text in enumerate(sql) if "FOR UPDATE" in text)
    assert '"matchmaking_match"' in sql[lock]
    written = ('UPDATE "matchmaking_', 'INSERT INTO "matchmaking_')
    assert not any(text.startswith(written) for text in sql[:lock])


@pytest.mark.django_db(transaction=True)
def test_of_two_clicks_at_once_one_decides():
    review = make_open()
    start, outcomes = threading.Barrier(2), []

    def decide(decision):
        start.wait()
        try:
            submit(review, decision=decision)
            outcomes.append(decision)
        except IllegalMove:
            outcomes.append("late")
        finally:
            connection.close()

    threads = [threading.Thread(target=decide, args=(each,)) for each in ("approve", "reject")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(outcomes) in (["approve", "late"], ["late", "reject"])
    assert MatchEvent.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_manager_who_decides_while_an_operator_reassigns():
    """One of them is first; the other is told so, and there is one open review at most."""
    review, other, operator = make_open(), make_manager(), make_operator()
    start, outcomes = threading.Barrier(2), []

    def attempt(step):
        start.wait()
        try:
            step()
            outcomes.append("done")
        except IllegalMove:
            outcomes.append("late")
        finally:
            connection.close()

    steps = (
        lambda: submit(review),
        lambda: assignment.reassign(match=review.match, to=other.manager_profile, actor=operator),
    )
    threads = [threading.Thread(target=attempt, args=(step,)) for step in steps]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(outcomes) == ["done", "late"]
    approved = Match.objects.get().status == M.APPROVED
    assert Review.objects.open().count() == (0 if approved else 1)


# --- What the database itself keeps -------------------------------------------------------------


@pytest.mark.parametrize("action", ["update", "delete"])
def test_the_database_refuses_to_change_what_happened(action):
    match = submit(make_open())
    before = list(match.events.values())

    with pytest.raises(DatabaseError), transaction.atomic():
        if action == "delete":
            match.events.all().delete()
        else:
            match.events.update(verb="rejected")

    assert list(match.events.values()) == before


def test_a_match_has_one_open_review():
    review = make_open()

    with pytest.raises(DatabaseError), transaction.atomic():
        make_review(match=review.match)

    assert Review.objects.count() == 1


def test_a_pair_is_one_match():
    match = make_match()

    with pytest.raises(DatabaseError), transaction.atomic():
        make_match(demand=match.demand, achievement=match.achievement)

    assert Match.objects.count() == 1


def test_every_status_is_reached_or_is_the_beginning():
    for moves, first in ((MOVES, M.SUGGESTED), (REVIEW_MOVES, R.ASSIGNED)):
        reached = {first}.union(*moves.values())
        assert reached == set(type(first))


@pytest.mark.parametrize(
    "number",
    [
        "",
        "M-20261109-31",
        "M-20261399-0001",
        "M-20261109-00031",
        "XQ-2026-0001",
        "M-0001",
        "١",
        "0",
    ],
)
def test_a_malformed_number_is_no_match(number):
    make_match()

    assert not Match.objects.by_number(number).exists()


def test_the_number_of_another_day_is_no_match():
    match = make_match()
    assert Match.objects.by_number(match.number).get() == match

    Match.objects.update(created_at=timezone.now() - dt.timedelta(days=3))

    assert not Match.objects.by_number(match.number).exists()


def test_a_number_in_other_digits_is_another_address():
    match = make_match()
    day = match.number[2:10]
    wide = match.number.replace(
        day, day.translate(str.maketrans("0123456789", "０１２３４５６７８９"))
    )

    assert not Match.objects.by_number(wide).exists()
    demand = make_demand(owner=make_organization())
    wide = demand.number.translate(str.maketrans("0123456789", "０１２３４５６７８９"))
    assert not type(demand).objects.by_number(wide).exists()
