"""Both sides answer an approved match: two yes introduce them, one no ends it."""

import threading

import pytest
from django.core.exceptions import ValidationError
from django.db import DatabaseError, connection, transaction
from django.test.utils import CaptureQueriesContext

from accounts.inbox import Notification
from accounts.models import MembershipRole, Organization, OrganizationStatus
from accounts.notices import visible_to, write_all
from matchmaking import permissions
from matchmaking.models import Consent, Match, MatchEvent
from matchmaking.permissions import ConflictOfInterest
from matchmaking.services.consents import answer
from matchmaking.workflow import IllegalMove, MatchStatus, Side
from tests.factories import (
    make_manager,
    make_match,
    make_member,
    make_operator,
    make_review,
    make_user,
)

M = MatchStatus
SIDES = [Side.DEMAND, Side.ACHIEVEMENT]
pytestmark = pytest.mark.django_db


@pytest.fixture
def match():
    return make_match(status=M.APPROVED, manager=make_manager())


def speaker(match, side, role=MembershipRole.OWNER):
    return make_member(match.listing(side).owner, role)


def agree(match, side, actor=None):
    return answer(match=match, side=side, actor=actor or speaker(match, side), agreed=True)


def state(match):
    return (
        Match.objects.filter(pk=match.pk).values().get(),
        list(Consent.objects.values()),
        MatchEvent.objects.count(),
    )


def verbs(match):
    return list(match.events.order_by("pk").values_list("verb", flat=True))


@pytest.mark.parametrize("first", SIDES)
def test_the_second_yes_introduces_them(match, first):
    second = SIDES[1 - SIDES.index(first)]
    people = {side: speaker(match, side) for side in SIDES}

    after_one = agree(match, first, people[first])
    assert after_one.status == M.APPROVED and after_one.introduced_at is None
    assert not permissions.names_visible(people[first], after_one)
    assert not permissions.contacts_visible(people[second], after_one)

    agree(match, second, people[second])

    match.refresh_from_db()
    assert match.status == M.INTRODUCED and match.introduced_at is not None
    assert match.due_on is None
    assert all(permissions.names_visible(person, match) for person in people.values())
    assert all(permissions.contacts_visible(person, match) for person in people.values())
    assert verbs(match) == ["agreed", "agreed", "introduced"]
    asked = match.events.filter(verb="agreed").order_by("pk")
    assert [(event.side, event.actor) for event in asked] == [
        (first, people[first]),
        (second, people[second]),
    ]


@pytest.mark.parametrize("side", SIDES)
def test_one_no_ends_the_match_and_names_stay_hidden(match, side):
    other = SIDES[1 - SIDES.index(side)]
    agree(match, other)

    answer(
        match=match,
        side=side,
        actor=speaker(match, side),
        agreed=False,
        reason="price",
        note=" 预算不足 ",
    )

    match.refresh_from_db()
    assert (match.status, match.due_on, match.introduced_at) == (M.DECLINED, None, None)
    consent = Consent.objects.get(side=side)
    assert (consent.agreed, consent.reason, consent.note) == (False, "price", "预算不足")
    assert verbs(match) == ["agreed", "declined"]
    assert not permissions.names_visible(speaker(match, other), match)


def test_a_yes_needs_no_reason_and_keeps_none(match):
    answer(
        match=match,
        side=Side.DEMAND,
        actor=speaker(match, Side.DEMAND),
        agreed=True,
        reason="price",
    )

    assert Consent.objects.get().reason == ""


def test_an_editor_answers_as_well(match):
    agree(match, Side.DEMAND, speaker(match, Side.DEMAND, MembershipRole.EDITOR))

    assert Consent.objects.get().agreed


# --- Refusals -----------------------------------------------------------------------------------


@pytest.mark.parametrize("side", SIDES)
def test_each_side_answers_once(match, side):
    agree(match, side)
    before = state(match)

    for agreed in (True, False):
        with pytest.raises(IllegalMove):
            answer(
                match=match,
                side=side,
                actor=speaker(match, side),
                agreed=agreed,
                reason="price",
            )

    assert state(match) == before


@pytest.mark.parametrize(
    "who", ["viewer", "other side", "stranger", "manager", "operator", "left", "waiting"]
)
@pytest.mark.parametrize("agreed", [True, False])
def test_only_owners_and_editors_of_the_side_answer_for_it(match, who, agreed):
    actor = {
        "viewer": lambda: speaker(match, Side.DEMAND, MembershipRole.VIEWER),
        "other side": lambda: speaker(match, Side.ACHIEVEMENT),
        "stranger": make_user,
        "manager": lambda: match.reviews.get().manager,
        "operator": make_operator,
        "left": lambda: speaker(match, Side.DEMAND),
        "waiting": lambda: speaker(match, Side.DEMAND),
    }[who]()
    if who == "left":
        actor.memberships.all().delete()
    if who == "waiting":
        actor.memberships.update(is_active=False)
    before = state(match)

    with pytest.raises(ConflictOfInterest):
        answer(match=match, side=Side.DEMAND, actor=actor, agreed=agreed, reason="price")

    assert state(match) == before


@pytest.mark.parametrize("status", sorted(set(M) - {M.APPROVED}))
def test_only_an_approved_match_takes_answers(status):
    match = make_match(status=status)
    before = state(match)

    with pytest.raises(IllegalMove):
        agree(match, Side.DEMAND)

    assert state(match) == before


@pytest.mark.parametrize(
    ("reason", "note"), [("", ""), ("because", ""), ("other", "  "), ("measured", "不行")]
)
def test_a_no_needs_a_reason(match, reason, note):
    before = state(match)

    with pytest.raises(ValidationError):
        answer(
            match=match,
            side=Side.DEMAND,
            actor=speaker(match, Side.DEMAND),
            agreed=False,
            reason=reason,
            note=note,
        )

    assert state(match) == before


def test_nobody_answers_while_a_listing_is_being_changed(match):
    Match.objects.update(is_frozen=True)
    before = state(match)

    with pytest.raises(IllegalMove):
        agree(match, Side.DEMAND)

    assert state(match) == before


@pytest.mark.parametrize("status", ["withdrawn", "suspended", "expired", "submitted"])
@pytest.mark.parametrize("side", SIDES)
def test_nobody_is_introduced_to_a_listing_that_has_left(match, side, status):
    """The message that freezes or ends the match is still on its way."""
    agree(match, Side.DEMAND)
    listing = match.listing(side)
    type(listing).objects.update(status=status)
    before = state(match)

    with pytest.raises(IllegalMove):
        agree(match, Side.ACHIEVEMENT)

    assert state(match) == before


# --- Two at once --------------------------------------------------------------------------------


@pytest.mark.parametrize("under_check", SIDES)
@pytest.mark.parametrize("side", SIDES)
def test_nobody_is_introduced_to_an_organization_under_check(match, side, under_check):
    """Who has changed its name may be anybody; contacts wait until an operator has looked."""
    actor = speaker(match, side)
    Organization.objects.filter(pk=match.listing(under_check).owner_id).update(
        status=OrganizationStatus.PENDING
    )
    before = state(match)

    with pytest.raises(IllegalMove, match="你的机构" if side == under_check else "对方机构"):
        agree(match, side, actor)

    assert state(match) == before
    declined = answer(match=match, side=side, actor=actor, agreed=False, reason="timing")
    assert declined.status == M.DECLINED


def test_an_answer_locks_the_match_before_it_writes(match):
    actor = speaker(match, Side.DEMAND)

    with CaptureQueriesContext(connection) as queries:
        agree(match, Side.DEMAND, actor)

    sql = [query["sql"] for query in queries]
    [lock] = [at for at, text in enumerate(sql) if "FOR UPDATE" in text]
    assert '"matchmaking_match"' in sql[lock]
    assert not any(text.startswith(("UPDATE", "INSERT")) for text in sql[:lock])


def race(steps):
    start, outcomes = threading.Barrier(len(steps)), []

    def attempt(name, step):
        start.wait()
        try:
            step()
            outcomes.append(name)
        except IllegalMove:
            outcomes.append("late")
        finally:
            connection.close()

    threads = [threading.Thread(target=attempt, args=item) for item in steps.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted(outcomes)


@pytest.mark.django_db(transaction=True)
def test_of_two_colleagues_at_once_the_first_counts(match):
    first, second = (speaker(match, Side.DEMAND) for _ in range(2))

    outcomes = race(
        {
            "yes": lambda: agree(match, Side.DEMAND, first),
            "no": lambda: answer(
                match=match, side=Side.DEMAND, actor=second, agreed=False, reason="price"
            ),
        }
    )

    assert outcomes in (["late", "yes"], ["late", "no"])
    assert Consent.objects.count() == 1
    assert Match.objects.get().status == (M.APPROVED if "yes" in outcomes else M.DECLINED)


@pytest.mark.django_db(transaction=True)
def test_both_sides_at_once_are_introduced_once(match):
    people = {side: speaker(match, side) for side in SIDES}

    outcomes = race({side: lambda side=side: agree(match, side, people[side]) for side in SIDES})

    assert outcomes == sorted(SIDES)
    assert Match.objects.get().status == M.INTRODUCED
    assert MatchEvent.objects.filter(verb="introduced").count() == 1


def test_the_database_keeps_one_answer_a_side(match):
    agree(match, Side.DEMAND)

    with pytest.raises(DatabaseError), transaction.atomic():
        Consent.objects.create(match=match, side=Side.DEMAND, agreed=True, user=make_user())
    with pytest.raises(DatabaseError), transaction.atomic():
        Consent.objects.create(match=match, side=Side.ACHIEVEMENT, agreed=False, user=make_user())

    assert Consent.objects.count() == 1


# --- Who is told ----------------------------------------------------------------------------------


def told(kind):
    return {row.user: row.payload for row in Notification.objects.filter(kind=kind)}


def titles_of(user):
    return [notice.title for notice in write_all(user, visible_to(user)).values()]


def test_both_sides_and_the_manager_are_told_of_an_introduction(match):
    people = {side: speaker(match, side) for side in SIDES}
    colleague = speaker(match, Side.DEMAND, MembershipRole.EDITOR)
    speaker(match, Side.DEMAND, MembershipRole.VIEWER)
    manager = match.reviews.get().manager

    agree(match, Side.DEMAND, people[Side.DEMAND])
    assert not told("match.introduced")
    agree(match, Side.ACHIEVEMENT, people[Side.ACHIEVEMENT])

    assert set(told("match.introduced")) == {*people.values(), colleague, manager}
    for user in (*people.values(), colleague, manager):
        assert len(titles_of(user)) == 1
    assert match.achievement.owner.name not in titles_of(people[Side.DEMAND])[0]


@pytest.mark.parametrize("side", SIDES)
def test_the_other_side_and_the_manager_are_told_of_a_no(match, side):
    people = {each: speaker(match, each) for each in SIDES}
    other = people[SIDES[1 - SIDES.index(side)]]
    manager = match.reviews.get().manager

    answer(match=match, side=side, actor=people[side], agreed=False, reason="price")

    assert set(told("match.declined")) == {other, manager}
    for user in (other, manager):
        [title] = titles_of(user)
        assert match.demand.owner.name not in title and match.achievement.owner.name not in title


def test_both_managers_who_approved_are_told(match):
    second = make_review(match=match, manager=make_manager(), settled=True).manager
    for side in SIDES:
        agree(match, side)

    assert {second, match.reviews.first().manager} <= set(told("match.introduced"))
    assert len(titles_of(second)) == 1
