"""The life of a listing, through the services that every page and command calls."""

import datetime as dt
import threading

import pytest
from django.core.exceptions import ValidationError
from django.db import DatabaseError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import ManagerInterest, Membership, OrganizationStatus
from catalog.models import Achievement, Demand, ListingEvent, revision_model
from catalog.services import deciding, publishing
from catalog.signals import listings_left, listings_published
from catalog.workflow import EDITABLE, MOVES, IllegalMove, ListingStatus
from tests.factories import (
    make_achievement,
    make_demand,
    make_manager,
    make_member,
    make_operator,
    make_organization,
)

S = ListingStatus
pytestmark = pytest.mark.django_db


def content(**fields):
    return {
        "title": "大型轴承套圈淬火变形控制",
        "summary": "直径 2 m 以上套圈整圈淬火后变形大，求减小圆度偏差的工艺。",
        "body": "现用分段中频淬火，接头处存在软带，淬火后圆度偏差超过 1.2 mm，磨削余量大，成本高。",
        "industry": "C3451",
        "region": "330100",
        "modes": ["license"],
        "valid_until": timezone.localdate() + dt.timedelta(days=90),
        **fields,
    }


def make_draft(**fields):
    organization = make_organization()
    actor = make_member(organization)
    draft = publishing.create_draft(
        model=Demand, owner=organization, actor=actor, content=content(**fields)
    )
    return draft, actor


def make_in(status):
    """A demand that stands in `status` with the event rows of nobody."""
    return make_demand(status=status)


def state(listing):
    """Everything that a refused step must leave as it was."""
    listing = type(listing).objects.get(pk=listing.pk)
    fields = {field.attname: getattr(listing, field.attname) for field in listing._meta.fields}
    events = ListingEvent.objects.filter(**{listing.kind: listing}).count()
    revisions = revision_model(listing.kind).objects.filter(pgh_obj=listing.pk).count()
    return fields, events, revisions


@pytest.fixture
def announced():
    """What catalog says after commit, as (signal, ids)."""
    heard = []

    def published(ids, **_):
        heard.append(("published", ids))

    def left(ids, **_):
        heard.append(("left", ids))

    listings_published.connect(published)
    listings_left.connect(left)
    yield heard
    listings_published.disconnect(published)
    listings_left.disconnect(left)


# --- Drafts -------------------------------------------------------------------------------------


def test_a_draft_may_be_saved_without_anything_in_it():
    organization = make_organization()

    draft = publishing.create_draft(
        model=Demand, owner=organization, actor=make_member(organization), content={}
    )

    assert (draft.status, draft.version) == (S.DRAFT, 0)
    assert ListingEvent.objects.get(demand=draft).after == S.DRAFT


def test_a_draft_keeps_what_was_written_and_makes_no_version():
    draft, actor = make_draft()

    publishing.save_draft(listing=draft, actor=actor, content={"title": "另一个题目"})

    draft.refresh_from_db()
    assert (draft.title, draft.status, draft.version) == ("另一个题目", S.DRAFT, 0)


@pytest.mark.parametrize("status", sorted(set(S) - {S.DRAFT, S.NEEDS_INFO}))
def test_only_drafts_and_returned_ones_are_saved_as_drafts(status):
    listing = make_in(status)
    before = state(listing)

    with pytest.raises(IllegalMove):
        publishing.save_draft(
            listing=listing, actor=make_operator(), content={"title": "改过的题目"}
        )

    assert state(listing) == before


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("title", "题" * 201),
        ("summary", "摘" * 601),
        ("body", "文" * 20_001),
        ("body", "文" * 200_000),
        ("trl", 10),
        ("trl", 0),
        ("money_min", -1),
        ("modes", ["barter"]),
        ("industry", "C34511"),
        ("language", "fr"),
        ("keywords", ["词" * 41]),
    ],
)
def test_a_field_out_of_bounds_is_refused_by_name(field, value):
    draft, actor = make_draft()
    before = state(draft)

    with pytest.raises(ValidationError) as refused:
        publishing.save_draft(listing=draft, actor=actor, content={field: value})

    assert field in refused.value.message_dict
    assert state(draft) == before


def test_a_price_range_upside_down_is_refused():
    draft, actor = make_draft()
    before = state(draft)

    with pytest.raises(ValidationError) as refused:
        publishing.save_draft(
            listing=draft, actor=actor, content={"money_min": 200, "money_max": 100}
        )

    assert "money_max" in refused.value.message_dict
    assert state(draft) == before


def test_only_content_can_be_written():
    draft, actor = make_draft()

    with pytest.raises(TypeError):
        publishing.save_draft(listing=draft, actor=actor, content={"status": S.PUBLISHED})

    assert state(draft)[0]["status"] == S.DRAFT


# --- Submitting ---------------------------------------------------------------------------------


def test_a_submitted_draft_is_version_1_with_its_revision():
    draft, actor = make_draft()

    submitted = publishing.submit(listing=draft, actor=actor)

    assert (submitted.status, submitted.version) == (S.SUBMITTED, 1)
    revision = revision_model("demand").objects.get(pgh_obj=draft.pk)
    assert (revision.version, revision.title) == (1, draft.title)
    event = ListingEvent.objects.filter(demand=draft).latest("pk")
    assert (event.actor, event.before, event.after) == (actor, S.DRAFT, S.SUBMITTED)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("title", "短"),
        ("summary", "太短"),
        ("body", "说不清"),
        ("industry", ""),
        ("region", ""),
        ("modes", []),
        ("valid_until", None),
        ("valid_until", dt.date(2020, 1, 1)),
    ],
)
def test_an_incomplete_listing_is_not_submitted(field, value):
    draft, actor = make_draft()
    before = state(draft)

    with pytest.raises(ValidationError) as refused:
        publishing.submit(listing=draft, actor=actor, content={field: value})

    assert list(refused.value.message_dict) == [field]
    assert state(draft) == before


@pytest.mark.parametrize("status", [OrganizationStatus.PENDING, OrganizationStatus.REJECTED])
def test_an_organization_that_is_not_verified_keeps_its_draft(status):
    draft, actor = make_draft()
    draft.owner.status = status
    draft.owner.save()
    before = state(draft)

    with pytest.raises(ValidationError):
        publishing.submit(listing=draft, actor=actor)

    assert state(draft) == before


@pytest.mark.parametrize("status", sorted(set(S) - set(EDITABLE)))
def test_what_cannot_be_edited_cannot_be_submitted(status):
    listing = make_in(status)
    before = state(listing)

    with pytest.raises(IllegalMove):
        publishing.submit(
            listing=listing, actor=make_operator(), content=content(title="又改了一次")
        )

    assert state(listing) == before


def test_a_returned_listing_is_submitted_again_as_a_new_version():
    listing = make_in(S.NEEDS_INFO)

    publishing.submit(listing=listing, actor=make_operator(), content=content(title="补充后的题目"))

    listing.refresh_from_db()
    assert (listing.status, listing.version) == (S.SUBMITTED, 2)


def test_an_expired_listing_that_is_changed_is_reviewed_again():
    listing = make_in(S.EXPIRED)

    publishing.submit(listing=listing, actor=make_operator(), content=content(title="更新后的题目"))

    listing.refresh_from_db()
    assert (listing.status, listing.version) == (S.SUBMITTED, 2)


def test_an_edit_of_a_published_listing_is_reviewed_again(
    announced, django_capture_on_commit_callbacks
):
    listing = make_in(S.PUBLISHED)

    with django_capture_on_commit_callbacks(execute=True):
        publishing.submit(
            listing=listing,
            actor=make_operator(),
            content={"body": content()["body"] + "另有补充。"},
        )

    listing.refresh_from_db()
    assert (listing.status, listing.version) == (S.SUBMITTED, 2)
    revisions = revision_model("demand").objects.filter(pgh_obj=listing.pk).order_by("version")
    assert [row.version for row in revisions] == [1, 2]
    assert revisions[0].body != revisions[1].body
    assert announced == [("left", [listing.pk])]


def test_another_last_day_alone_takes_effect_at_once(announced, django_capture_on_commit_callbacks):
    listing = make_in(S.PUBLISHED)
    later = timezone.localdate() + dt.timedelta(days=300)

    with django_capture_on_commit_callbacks(execute=True):
        publishing.submit(listing=listing, actor=make_operator(), content={"valid_until": later})

    listing.refresh_from_db()
    assert (listing.status, listing.version, listing.valid_until) == (S.PUBLISHED, 1, later)
    assert announced == []
    assert ListingEvent.objects.get(demand=listing).before == S.PUBLISHED


def test_submitting_a_published_listing_unchanged_changes_nothing():
    listing = make_in(S.PUBLISHED)
    before = state(listing)

    publishing.submit(listing=listing, actor=make_operator(), content={"title": listing.title})

    assert state(listing) == before


# --- Deciding -----------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [make_demand, make_achievement])
@pytest.mark.parametrize("decider", [make_manager, make_operator])
def test_a_manager_or_an_operator_publishes(
    make, decider, announced, django_capture_on_commit_callbacks
):
    listing, actor = make(status=S.SUBMITTED), decider()

    with django_capture_on_commit_callbacks(execute=True):
        deciding.decide(no_interest=True, listing=listing, actor=actor, decision="publish")

    listing.refresh_from_db()
    assert listing.is_live and listing.published_at is not None
    event = ListingEvent.objects.get(**{listing.kind: listing})
    assert (event.actor, event.before, event.after) == (actor, S.SUBMITTED, S.PUBLISHED)
    assert announced == [("published", [listing.pk])]


@pytest.mark.parametrize(
    ("decision", "after"), [("needs_info", S.NEEDS_INFO), ("reject", S.REJECTED)]
)
def test_a_refusal_keeps_its_reason(decision, after):
    listing = make_in(S.SUBMITTED)

    deciding.decide(
        no_interest=True,
        listing=listing,
        actor=make_manager(),
        decision=decision,
        reason="vague",
        note="请写清指标",
    )

    listing.refresh_from_db()
    event = ListingEvent.objects.get(demand=listing)
    assert listing.status == event.after == after
    assert (event.reason, event.note) == ("vague", "请写清指标")


@pytest.mark.parametrize(
    ("decision", "reason", "note"),
    [
        ("reject", "", ""),
        ("reject", "because", ""),
        ("needs_info", "other", "  "),
        ("burn", "vague", ""),
        ("", "vague", ""),
    ],
)
def test_a_decision_that_says_nothing_is_refused(decision, reason, note):
    listing = make_in(S.SUBMITTED)
    before = state(listing)

    with pytest.raises(ValidationError):
        deciding.decide(
            no_interest=True,
            listing=listing,
            actor=make_manager(),
            decision=decision,
            reason=reason,
            note=note,
        )

    assert state(listing) == before


@pytest.mark.parametrize("tie", ["member", "waiting", "interest"])
@pytest.mark.parametrize("decision", ["publish", "reject"])
def test_nobody_decides_for_their_own_side(tie, decision):
    listing, manager = make_in(S.SUBMITTED), make_manager()
    if tie == "interest":
        ManagerInterest.objects.create(
            profile=manager.manager_profile, organization=listing.owner, kind="employment"
        )
    else:
        Membership.objects.create(
            user=manager, organization=listing.owner, role="viewer", is_active=tie == "member"
        )
    before = state(listing)

    with pytest.raises(publishing.OwnSide):
        deciding.decide(
            no_interest=True, listing=listing, actor=manager, decision=decision, reason="vague"
        )

    assert state(listing) == before


def test_an_operator_decides_nothing_for_their_own_side():
    listing, operator = make_in(S.SUBMITTED), make_operator()
    Membership.objects.create(
        user=operator, organization=listing.owner, role="owner", is_active=True
    )

    with pytest.raises(publishing.OwnSide):
        deciding.decide(no_interest=True, listing=listing, actor=operator, decision="publish")

    listing.refresh_from_db()
    assert listing.status == S.SUBMITTED


@pytest.mark.parametrize("status", sorted(set(S) - {S.SUBMITTED}))
def test_only_what_is_submitted_is_decided(status):
    listing = make_in(status)
    before = state(listing)

    with pytest.raises(IllegalMove):
        deciding.decide(no_interest=True, listing=listing, actor=make_manager(), decision="publish")

    assert state(listing) == before


def test_the_second_of_two_decisions_is_told_so():
    listing = make_in(S.SUBMITTED)
    deciding.decide(
        no_interest=True, listing=listing, actor=make_manager(), decision="reject", reason="vague"
    )
    before = state(listing)

    with pytest.raises(IllegalMove):
        deciding.decide(no_interest=True, listing=listing, actor=make_manager(), decision="publish")

    assert state(listing) == before


def test_what_is_past_its_last_day_is_not_published():
    listing = make_demand(status=S.SUBMITTED, valid_until=timezone.localdate() - dt.timedelta(1))
    before = state(listing)

    with pytest.raises(ValidationError):
        deciding.decide(no_interest=True, listing=listing, actor=make_manager(), decision="publish")

    assert state(listing) == before


@pytest.mark.parametrize(
    "step",
    [
        lambda demand, actor: publishing.submit(
            listing=demand, actor=actor, content={"title": "改过的题目"}
        ),
        lambda demand, actor: publishing.withdraw(listing=demand, actor=actor),
        lambda demand, actor: publishing.close(listing=demand, actor=actor, status="fulfilled"),
        lambda demand, actor: publishing.suspend(listing=demand, actor=actor, note="核实中"),
        lambda demand, actor: publishing.confirm_valid(
            listing=demand, actor=actor, valid_until=timezone.localdate() + dt.timedelta(99)
        ),
    ],
)
def test_every_step_locks_the_listing_before_it_writes(step):
    listing, actor = make_in(S.PUBLISHED), make_operator()

    with CaptureQueriesContext(connection) as queries:
        step(listing, actor)

    sql = [query["sql"] for query in queries]
    lock = next(at for at, text in enumerate(sql) if "FOR UPDATE" in text)
    assert '"catalog_demand"' in sql[lock]
    assert not any(text.startswith(("UPDATE", "INSERT")) for text in sql[:lock])


@pytest.mark.django_db(transaction=True)
def test_of_two_managers_at_once_one_decides():
    listing = make_in(S.SUBMITTED)
    outcomes, start = [], threading.Barrier(2)

    def decide(actor, decision):
        start.wait()
        try:
            deciding.decide(
                no_interest=True, listing=listing, actor=actor, decision=decision, reason="vague"
            )
            outcomes.append(decision)
        except IllegalMove:
            outcomes.append("late")
        finally:
            connection.close()

    threads = [
        threading.Thread(target=decide, args=(make_manager(), decision))
        for decision in ("publish", "reject")
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(outcomes) in (["late", "publish"], ["late", "reject"])
    assert ListingEvent.objects.filter(demand=listing).count() == 1


# --- Leaving ------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", sorted(S))
def test_the_owner_withdraws_whatever_has_not_ended(status):
    listing, actor = make_in(status), make_operator()
    before = state(listing)

    if S.WITHDRAWN in MOVES.get(status, set()):
        publishing.withdraw(listing=listing, actor=actor, note="不再需要")
        listing.refresh_from_db()
        assert listing.status == S.WITHDRAWN
        assert ListingEvent.objects.get(demand=listing).note == "不再需要"
    else:
        with pytest.raises(IllegalMove):
            publishing.withdraw(listing=listing, actor=actor)
        assert state(listing) == before


def reason_for(status):
    return "no_partner" if status == S.CLOSED else ""


@pytest.mark.parametrize(
    ("make", "status"),
    [
        (make_demand, S.FULFILLED),
        (make_demand, S.CLOSED),
        (make_achievement, S.TRANSFERRED),
        (make_achievement, S.CLOSED),
    ],
)
def test_a_published_listing_ends_in_the_ways_of_its_kind(
    make, status, announced, django_capture_on_commit_callbacks
):
    listing = make()

    with django_capture_on_commit_callbacks(execute=True):
        publishing.close(
            listing=listing, actor=make_operator(), status=status, reason=reason_for(status)
        )

    listing.refresh_from_db()
    assert listing.status == status
    assert announced == [("left", [listing.pk])]


@pytest.mark.parametrize(
    ("make", "status"),
    [
        (make_demand, S.TRANSFERRED),
        (make_achievement, S.FULFILLED),
        (make_demand, S.PUBLISHED),
        (make_demand, "lost"),
    ],
)
def test_a_listing_ends_in_no_other_way(make, status):
    listing = make()
    before = state(listing)

    with pytest.raises(ValidationError):
        publishing.close(listing=listing, actor=make_operator(), status=status)

    assert state(listing) == before


def test_a_suspended_listing_comes_back_when_it_is_let(
    announced, django_capture_on_commit_callbacks
):
    listing, operator = make_in(S.PUBLISHED), make_operator()

    with django_capture_on_commit_callbacks(execute=True):
        publishing.suspend(listing=listing, actor=operator, note="有人举报，核实中")
    assert not Demand.objects.live().exists()
    with django_capture_on_commit_callbacks(execute=True):
        publishing.resume(listing=listing, actor=operator)

    assert Demand.objects.live().get() == listing
    assert announced == [("left", [listing.pk]), ("published", [listing.pk])]


@pytest.mark.parametrize("status", sorted(set(S) - {S.SUSPENDED}))
def test_only_a_suspended_listing_is_let_back(status):
    listing = make_in(status)
    before = state(listing)

    with pytest.raises(IllegalMove):
        publishing.resume(listing=listing, actor=make_operator())

    assert state(listing) == before


# --- Days ---------------------------------------------------------------------------------------


def test_a_listing_expires_the_day_after_its_last(announced, django_capture_on_commit_callbacks):
    today = timezone.localdate()
    last_day = make_demand(valid_until=today)
    over = make_achievement(valid_until=today - dt.timedelta(days=1))

    with django_capture_on_commit_callbacks(execute=True):
        assert publishing.expire_overdue() == 1
        assert publishing.expire_overdue() == 0

    assert Demand.objects.live().get() == last_day
    over.refresh_from_db()
    assert over.status == S.EXPIRED
    assert ListingEvent.objects.get(achievement=over).actor is None
    assert announced == [("left", [over.pk])]


def test_an_expired_listing_that_is_confirmed_is_live_again_unchanged(
    announced, django_capture_on_commit_callbacks
):
    listing = make_in(S.EXPIRED)
    published_at = listing.published_at
    until = timezone.localdate() + dt.timedelta(days=30)

    with django_capture_on_commit_callbacks(execute=True):
        publishing.confirm_valid(listing=listing, actor=make_operator(), valid_until=until)

    listing.refresh_from_db()
    assert (listing.status, listing.version, listing.valid_until) == (S.PUBLISHED, 1, until)
    assert listing.published_at == published_at
    assert announced == [("published", [listing.pk])]


@pytest.mark.parametrize("step", ["confirm", "edit"])
def test_a_day_prolonged_after_it_passed_makes_it_live_again(
    step, announced, django_capture_on_commit_callbacks
):
    """The clock has not come round: the row still says published, but runs leave it out."""
    listing = make_demand(valid_until=timezone.localdate() - dt.timedelta(days=1))
    until = timezone.localdate() + dt.timedelta(days=30)

    with django_capture_on_commit_callbacks(execute=True):
        if step == "confirm":
            publishing.confirm_valid(listing=listing, actor=make_operator(), valid_until=until)
        else:
            publishing.submit(
                listing=listing, actor=make_operator(), content={"valid_until": until}
            )

    assert Demand.objects.live().get().valid_until == until
    assert announced == [("published", [listing.pk])]


@pytest.mark.parametrize("status", sorted(set(S) - {S.PUBLISHED, S.EXPIRED}))
def test_only_what_is_or_was_published_is_confirmed(status):
    listing = make_in(status)
    before = state(listing)

    with pytest.raises(IllegalMove):
        publishing.confirm_valid(
            listing=listing,
            actor=make_operator(),
            valid_until=timezone.localdate() + dt.timedelta(days=30),
        )

    assert state(listing) == before


def test_a_listing_is_not_confirmed_until_a_day_that_has_passed():
    listing = make_in(S.EXPIRED)
    before = state(listing)

    with pytest.raises(ValidationError):
        publishing.confirm_valid(
            listing=listing, actor=make_operator(), valid_until=timezone.localdate()
        )

    assert state(listing) == before


# --- History ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["event", "revision"])
@pytest.mark.parametrize("action", ["update", "delete"])
def test_the_database_refuses_to_change_history(kind, action):
    listing = make_in(S.SUBMITTED)
    deciding.decide(no_interest=True, listing=listing, actor=make_manager(), decision="publish")
    rows = (
        ListingEvent.objects.filter(demand=listing)
        if kind == "event"
        else revision_model("demand").objects.filter(pgh_obj=listing.pk)
    )
    before = list(rows.values())

    with pytest.raises(DatabaseError), transaction.atomic():
        if action == "delete":
            rows.delete()
        else:
            rows.update(version=7)

    assert list(rows.values()) == before


def test_an_event_belongs_to_exactly_one_listing():
    for listings in ({}, {"demand": make_demand(), "achievement": make_achievement()}):
        with pytest.raises(DatabaseError), transaction.atomic():
            ListingEvent.objects.create(after=S.DRAFT, version=0, **listings)

    assert not ListingEvent.objects.exists()


def test_nothing_is_published_without_a_version():
    with pytest.raises(DatabaseError), transaction.atomic():
        Achievement.objects.create(
            owner=make_organization(), title="没有版本", status=S.PUBLISHED, version=0
        )

    assert not Achievement.objects.exists()
