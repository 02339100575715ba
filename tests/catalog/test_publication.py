"""The checks of submitted listings: whose desk, until when, who may not, what is refused."""

import datetime as dt

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.inbox import Notification
from accounts.models import ManagerInterest, ManagerStatus
from accounts.workdays import add_working_days
from catalog import remarks
from catalog.models import ListingEvent, PublicationReview
from catalog.services import deciding, publication, publishing
from catalog.services.moving import OwnSide
from catalog.touched import set_check, touched_since
from catalog.workflow import IllegalMove, ListingStatus, PublicationStatus
from tests.factories import (
    make_achievement,
    make_demand,
    make_manager,
    make_match,
    make_member,
    make_operator,
    make_review,
)

S, P = ListingStatus, PublicationStatus
pytestmark = pytest.mark.django_db


def submitted(**fields):
    return make_demand(status=S.SUBMITTED, **fields)


def check_of(listing):
    return PublicationReview.objects.open().of(listing).get()


def assign(listing, manager=None):
    manager = manager or make_manager()
    row = check_of(listing)
    return publication.assign_publication(row.pk, manager.manager_profile, {"load": 0})


def decide(listing, actor=None, decision="publish", **said):
    return deciding.decide(
        listing=listing,
        actor=actor or make_manager(),
        decision=decision,
        **{"no_interest": True, **said},
    )


def late(row):
    """Let the last day of a check pass."""
    PublicationReview.objects.filter(pk=row.pk).update(
        due_on=timezone.localdate() - dt.timedelta(days=1)
    )


def told(kind, user=None):
    rows = Notification.objects.filter(kind=kind)
    return rows.filter(user=user) if user else rows


# --- One open check ---------------------------------------------------------------------------


def test_what_is_handed_in_gets_a_check_with_a_last_day():
    demand = make_demand(status=S.DRAFT)
    publishing.submit(listing=demand, actor=make_member(demand.owner))

    row = PublicationReview.objects.get()

    assert (row.listing, row.version, row.status) == (demand, 1, P.ASSIGNED)
    assert row.manager is None
    assert row.due_on == add_working_days(timezone.localdate(), 2)
    assert not row.again and not row.appeal


def test_a_listing_never_has_two_open_checks():
    demand = submitted()

    with pytest.raises(IntegrityError), transaction.atomic():
        publication.open_check(demand)


def test_a_decision_closes_the_check_and_says_who_made_it():
    demand, manager, other = submitted(), make_manager(), make_manager()
    assign(demand, manager)

    decide(demand, other, "needs_info", reason="vague", note="请写清", criteria={"maturity": 2})

    row = PublicationReview.objects.get()
    assert (row.status, row.manager, row.decided_by) == (P.SUBMITTED, manager, other)
    assert row.stated_at is not None and row.closed_at is not None
    assert (row.decision, row.reason, row.note) == ("needs_info", "vague", "请写清")
    assert row.criteria == {"maturity": 2}
    assert not publication.waiting_publications().exists()


def test_a_withdrawn_listing_leaves_the_desk():
    demand = submitted()

    publishing.withdraw(listing=demand, actor=make_member(demand.owner))

    assert PublicationReview.objects.get().status == P.CANCELLED
    with pytest.raises(IllegalMove):
        decide(demand)


def test_a_listing_without_a_check_can_be_decided_all_the_same():
    demand = submitted()
    PublicationReview.objects.all().delete()

    assert decide(demand).is_live
    assert PublicationReview.objects.get().status == P.SUBMITTED


def test_what_comes_back_with_answers_says_so():
    demand = submitted()
    demand = decide(demand, decision="needs_info", reason="vague", questions={"body": "哪种钢？"})

    publishing.submit(listing=demand, actor=make_member(demand.owner))

    assert check_of(demand).again
    assert check_of(demand).version == 2
    assert deciding.asked_before(type(demand).objects.get()).questions == {"body": "哪种钢？"}


# --- Whose desk -------------------------------------------------------------------------------


def test_what_waits_is_put_on_a_desk_and_its_manager_told_once():
    demand, manager = submitted(), make_manager()
    [waiting] = publication.waiting_publications()

    row = assign(demand, manager)

    assert waiting.owner_id == demand.owner_id
    assert row.manager == manager and row.assigned_because == {"load": 0}
    assert not publication.waiting_publications().exists()
    assert told("listing.to_review", manager).count() == 1
    with pytest.raises(IllegalMove):
        assign(demand)


def test_whoever_gets_it_late_has_a_whole_working_day():
    demand = submitted()
    late(check_of(demand))

    assert assign(demand).due_on == add_working_days(timezone.localdate(), 1)


@pytest.mark.parametrize("why", ["tie", "suspended", "silent"])
def test_who_may_not_have_it_is_refused(why):
    demand, manager = submitted(), make_manager()
    profile = manager.manager_profile
    if why == "tie":
        ManagerInterest.objects.create(
            profile=profile, organization=demand.owner, kind="employment"
        )
    if why == "suspended":
        profile.status = ManagerStatus.SUSPENDED
        profile.save()
    if why == "silent":
        late(assign(demand, manager))
        publication.time_out_publication(check_of(demand).pk)

    with pytest.raises(OwnSide if why == "tie" else IllegalMove):
        assign(demand, manager)

    assert check_of(demand).manager is None


def test_who_had_it_before_is_named_in_bulk_by_few_queries():
    first, second = submitted(), make_achievement(status=S.SUBMITTED)
    silent = make_manager()
    for listing in (first, second):
        late(assign(listing, silent))
        publication.time_out_publication(check_of(listing).pk)
    rows = list(publication.waiting_publications())

    with CaptureQueriesContext(connection) as queries:
        barred = publication.barred_from(rows)

    assert barred == {row.pk: {silent.pk} for row in rows}
    assert len(queries) == 2


# --- Clocks -----------------------------------------------------------------------------------


def test_a_silent_manager_loses_it_and_after_two_the_operators_are_told():
    demand, operator = submitted(), make_operator()
    late(assign(demand))

    assert publication.time_out_publication(check_of(demand).pk)
    following = check_of(demand)
    assert following.escalated_at is None
    assert following in publication.waiting_publications()
    assert not publication.time_out_publication(following.pk)

    late(assign(demand))
    publication.time_out_publication(check_of(demand).pk)

    last = check_of(demand)
    assert last.escalation == "no_response"
    assert last not in publication.waiting_publications()
    assert told("escalation.listing", operator).count() == 1
    assert PublicationReview.objects.filter(status=P.NO_RESPONSE).count() == 2


def test_what_nobody_takes_is_told_to_the_operators_once():
    demand, operator = submitted(), make_operator()
    row = check_of(demand)
    late(row)

    assert publication.time_out_publication(row.pk)
    assert not publication.time_out_publication(row.pk)

    row.refresh_from_db()
    assert (row.status, row.escalation) == (P.ASSIGNED, "nobody")
    assert row in publication.waiting_publications()
    assert told("escalation.listing", operator).count() == 1


def test_a_check_that_is_not_late_or_is_over_is_left_alone():
    demand = submitted()
    row = assign(demand)

    assert not publication.time_out_publication(row.pk)
    assert publication.prolong_publication(row.pk, timezone.localdate()) is None
    late(row)
    decide(demand)
    assert not publication.time_out_publication(row.pk)


def test_an_overdue_check_is_prolonged_once():
    row = assign(submitted())
    late(row)
    until = add_working_days(timezone.localdate(), 1)

    assert publication.prolong_publication(row.pk, until).due_on == until
    assert publication.prolong_publication(row.pk, until) is None


# --- Managers who may not ---------------------------------------------------------------------


def interest(user, listing):
    return ManagerInterest.objects.create(
        profile=user.manager_profile, organization=listing.owner, kind="interest"
    )


def test_an_open_check_of_a_tied_manager_is_void_and_goes_on():
    demand, manager = submitted(), make_manager()
    row = assign(demand, manager)
    assert publication.void_publications([manager.pk]) == 0
    interest(manager, demand)

    assert publication.void_publications([manager.pk]) == 1
    assert publication.void_publications([manager.pk]) == 0

    row.refresh_from_db()
    assert (row.status, row.manager) == (P.VOID, manager)
    assert check_of(demand).manager is None


def test_a_rejection_by_somebody_with_a_tie_is_void_and_checked_again():
    demand, manager = submitted(), make_manager()
    owner = make_member(demand.owner)
    decide(demand, manager, "reject", reason="vague")
    interest(manager, demand)
    long_ago = timezone.now() - dt.timedelta(days=9)
    type(demand).objects.filter(pk=demand.pk).update(submitted_at=long_ago)

    assert publication.void_publications([manager.pk]) == 1

    demand.refresh_from_db()
    assert demand.status == S.SUBMITTED
    assert check_of(demand).version == demand.version
    # The clock of the next check begins today, not when the listing was handed in.
    assert check_of(demand).due_on > timezone.localdate()
    assert ListingEvent.objects.latest("pk").verb == "voided"
    assert not told("listing.rejected", owner).exists()


def test_a_publication_that_others_acted_on_stays_and_operators_are_told():
    manager, operator = make_manager(), make_operator()
    demand = decide(submitted(), manager)
    interest(manager, demand)
    set_check(lambda kind, pk, since: True)
    try:
        publication.void_publications([manager.pk])
    finally:
        from matchmaking.services.touched import touched_since as real

        set_check(real)

    demand.refresh_from_db()
    row = PublicationReview.objects.get()
    assert demand.status == S.PUBLISHED
    assert (row.status, row.escalation) == (P.VOID, "conflict")
    assert told("escalation.listing", operator).count() == 1


def test_an_old_decision_stands():
    manager = make_manager()
    demand = decide(submitted(), manager)
    PublicationReview.objects.update(closed_at=timezone.now() - dt.timedelta(days=90))
    interest(manager, demand)

    assert publication.void_publications([manager.pk]) == 0
    assert PublicationReview.objects.get().status == P.SUBMITTED


def test_a_suspended_manager_is_released():
    demand, manager = submitted(), make_manager()
    assign(demand, manager)
    assert publication.release_publications([manager.pk]) == 0
    manager.manager_profile.status = ManagerStatus.SUSPENDED
    manager.manager_profile.save()

    assert publication.release_publications([manager.pk]) == 1

    assert check_of(demand).manager is None
    assert PublicationReview.objects.filter(status=P.CANCELLED, manager=manager).exists()


def test_matchmaking_says_whether_people_acted_on_a_listing():
    demand = make_demand()
    since = timezone.now() - dt.timedelta(minutes=5)
    match = make_match(status="in_review", demand=demand)
    assert not touched_since("demand", demand.pk, since)

    make_review(match=match, status="accepted", accepted_at=timezone.now())

    assert touched_since("demand", demand.pk, since)
    assert touched_since("achievement", match.achievement_id, since)
    assert not touched_since("demand", demand.pk, timezone.now())


# --- Wrong input ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "said"),
    [
        ("decision", {"decision": "maybe"}),
        ("reason", {"decision": "reject"}),
        ("reason", {"decision": "reject", "reason": "because"}),
        ("note", {"decision": "reject", "reason": "other", "note": "  "}),
        ("note", {"decision": "needs_info", "reason": "vague"}),
        ("note", {"decision": "needs_info", "reason": "vague", "questions": {"title": " "}}),
        ("questions", {"questions": {"owner": "谁？"}}),
        ("questions", {"questions": {"novelty": "不是需求的栏目"}}),
        ("questions", {"questions": {"title": "字" * 301}}),
        ("criteria", {"criteria": {"maturity": 6}}),
        ("criteria", {"criteria": {"maturity": -1}}),
        ("criteria", {"criteria": {"maturity": True}}),
        ("criteria", {"criteria": {"fit": 3}}),
        ("no_interest", {"no_interest": False}),
    ],
)
def test_what_is_said_wrongly_is_refused_at_its_field(field, said):
    demand = submitted()

    with pytest.raises(ValidationError) as error:
        decide(demand, **{"decision": "publish", **said})

    assert field in error.value.message_dict
    demand.refresh_from_db()
    assert demand.status == S.SUBMITTED
    assert check_of(demand).decided_by is None
    assert not ListingEvent.objects.exists() and not Notification.objects.exists()


def test_a_stale_version_is_refused():
    demand = submitted(version=3)

    with pytest.raises(IllegalMove):
        decide(demand, version=2)

    assert check_of(demand).is_open


@pytest.mark.parametrize("make", [make_demand, make_achievement])
def test_every_field_of_the_form_has_a_place_a_label_and_a_step(make):
    kind = make(status=S.DRAFT).kind
    placed = [name for names in remarks.parts(kind).values() for name in names]

    assert sorted(placed) == sorted(remarks.fields_of(kind))
    for name in remarks.fields_of(kind):
        [remark] = remarks.remarks(kind, {name: "?"})
        assert remark.label and remark.step and remark.target


def test_the_owner_is_told_once_when_the_minutes_are_over():
    demand = submitted()
    writers = [make_member(demand.owner), make_member(demand.owner, role="editor")]
    make_member(demand.owner, role="viewer")

    decide(demand, decision="reject", reason="vague")

    rows = told("listing.rejected")
    assert {row.user for row in rows} == set(writers) and len(rows) == 2
    closed_at = PublicationReview.objects.get().closed_at
    assert {row.visible_from for row in rows} == {closed_at + dt.timedelta(minutes=10)}
