"""The workbench: the queue in order, under filters, by pages; the next match ahead of its time."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.models import AccessEvent, Membership, User
from catalog.models import revision_model
from matchmaking.models import Appeal, Inquiry, Match, MatchEvent, Review
from matchmaking.services import queues
from matchmaking.services.queues import Due, Filters, Show
from matchmaking.views import reviews
from matchmaking.workflow import MatchStatus, ReviewStatus
from tests.factories import (
    make_achievement,
    make_demand,
    make_manager,
    make_match,
    make_member,
    make_organization,
    make_review,
)
from tests.matchmaking.test_pages_matches import page

pytestmark = pytest.mark.django_db

DECISION = {
    "action": "decide",
    "decision": "approve",
    "reasons": ["measured"],
    "no_interest": "on",
    "criteria_fit": "4",
    "criteria_maturity": "3",
    "criteria_terms": "3",
    "criteria_credibility": "3",
}


@pytest.fixture
def manager(client: Client) -> User:
    user = make_manager()
    client.force_login(user)
    return user


def add(manager: User, days: int = 5, *, worth: int = 0, **fields: Any) -> Review:
    """Put a review on a manager's desk that is due in some days and worth some money."""
    named = {name: fields.pop(name) for name in ("industry", "demand") if name in fields}
    of_match = {name: fields.pop(name) for name in ("confidence", "is_frozen") if name in fields}
    demand = named.pop("demand", None) or make_demand(money_max=worth or None, **named)
    achievement = make_achievement(money_min=None)
    match = make_match(
        status=MatchStatus.IN_REVIEW, demand=demand, achievement=achievement, **of_match
    )
    due_on = timezone.localdate() + dt.timedelta(days=days)
    return make_review(match=match, manager=manager, due_on=due_on, **fields)


def shown(client: Client, query: str = "") -> list[Review]:
    response = client.get(f"{reverse('workbench')}{query}")
    assert response.status_code == 200
    return [row.review for _group, _count, rows in response.context["groups"] for row in rows]


# --- Order --------------------------------------------------------------------------------------


def test_the_queue_goes_by_deadline_then_by_worth_and_what_waits_for_a_side_is_last(
    client, manager
):
    late = add(manager, -2)
    cheap, dear = add(manager, 40, worth=100_000), add(manager, 40, worth=4_000_000)
    unknown = add(manager, 40)
    asked = add(manager, -5, paused_on=timezone.localdate(), days_left=2)
    frozen = add(manager, -9, is_frozen=True)
    today = add(manager, 0)

    assert shown(client) == [late, today, dear, cheap, unknown, frozen, asked]


def test_each_group_says_how_many_it_has_in_the_whole_queue(client, manager):
    for days in (-3, 0, 40, 41):
        add(manager, days)
    add(manager, 1, is_frozen=True)

    groups = client.get(reverse("workbench")).context["groups"]

    assert [(group, count) for group, count, _rows in groups] == [
        (Due.NOW, 2),
        (Due.LATER, 2),
        (Due.HELD, 1),
    ]


@pytest.mark.parametrize("days", range(-3, 15))
def test_rows_and_counts_group_alike_on_every_day(manager, days):
    review = add(manager, days)

    tally = queues.tally(manager, Filters())

    assert tally.groups[queues.due_group(review, timezone.localdate())] == 1


# --- Filters ------------------------------------------------------------------------------------


def test_each_filter_shows_what_it_says_and_counts_it(client, manager):
    plain = add(manager, 40, status=ReviewStatus.ACCEPTED)
    due = add(manager, 0, status=ReviewStatus.ACCEPTED)
    new = add(manager, 41)
    second = add(manager, 42, worth=9_000_000, status=ReviewStatus.ACCEPTED)
    held = add(manager, 43, paused_on=timezone.localdate(), status=ReviewStatus.ACCEPTED)
    objected = add(manager, 44, status=ReviewStatus.ACCEPTED)
    Appeal.objects.create(match=objected.match, side="demand", text="…", user=make_member())
    changed = add(manager, 45, status=ReviewStatus.ACCEPTED)
    page(client, changed.get_absolute_url())
    Match.objects.filter(pk=changed.match_id).update(engine="another")

    assert plain in shown(client)
    for show, review in {
        Show.DUE: due,
        Show.NEW: new,
        Show.SECOND: second,
        Show.HELD: held,
        Show.APPEAL: objected,
        Show.CHANGED: changed,
    }.items():
        assert shown(client, f"?show={show}") == [review], show
        assert queues.tally(manager, Filters()).count(Filters(show=show)) == 1, show


def test_industry_and_grade_narrow_down_and_keep_each_other(client, manager):
    wanted = add(manager, industry="C3451", confidence=0.9)
    add(manager, industry="C3451", confidence=0.6)
    add(manager, industry="A0111", confidence=0.9)

    response = client.get(f"{reverse('workbench')}?industry=C&grade=strong")

    assert shown(client, "?industry=C&grade=strong") == [wanted]
    links = [chosen.query for chosen, _grade, _count in response.context["grades"]]
    assert links == ["industry=C&grade=strong", "industry=C&grade=likely"]


@pytest.mark.parametrize(
    "query", ["?show=nonsense", "?industry=ZZ", "?grade=1", "?show=%00", "?page=nonsense"]
)
def test_a_filter_that_does_not_exist_shows_everything(client, manager, query):
    review = add(manager)

    assert shown(client, query) == [review]


def test_an_empty_filter_says_so_and_leads_back(client, manager):
    add(manager)

    html = page(client, f"{reverse('workbench')}?show=appeal")

    assert "队列里没有符合条件的匹配" in html
    assert "显示全部 1 项" in html


def test_what_others_have_is_neither_shown_nor_counted(client, manager):
    add(make_manager())

    assert shown(client) == []
    assert queues.tally(manager, Filters()).open == 0


# --- Pages and cost -----------------------------------------------------------------------------


def many(manager: User, count: int) -> None:
    demand, owner = make_demand(), make_organization(kind="university")
    for _number in range(count):
        match = make_match(
            status=MatchStatus.IN_REVIEW, demand=demand, achievement=make_achievement(owner=owner)
        )
        make_review(match=match, manager=manager, status=ReviewStatus.ACCEPTED)


def test_every_page_of_the_queue_can_be_worked_on(client, manager, monkeypatch):
    monkeypatch.setattr(queues, "PAGE_ROWS", 4)
    monkeypatch.setattr(reviews, "ROWS_BEFORE", 1)
    many(manager, 10)
    keys = queues.keys_of(manager, Filters())

    pages = [[one.pk for one in shown(client, f"?page={number}")] for number in (1, 2, 3, 99)]

    assert pages == [keys[:4], keys[4:8], keys[8:], keys[8:]]
    review = Review.objects.get(pk=keys[8])
    response = client.get(review.get_absolute_url())
    assert response.context["place"].number == 9
    assert response.context["previous"].review.pk == keys[7]
    assert response.context["next"].review.pk == keys[9]
    # Beside it stands the part of the queue that it is in.
    beside = [row.review.pk for _group, rows in response.context["groups"] for row in rows]
    assert review.pk in beside and len(beside) == 4


def cost(client: Client, url: str) -> int:
    with CaptureQueriesContext(connection) as queries:
        page(client, url)
    return len(queries)


@pytest.mark.parametrize("filters", ["", "?show=changed", "?industry=C&grade=strong"])
def test_the_queue_costs_the_same_for_one_for_ten_and_for_sixty(client, manager, filters):
    url = reverse("workbench") + filters
    many(manager, 1)
    page(client, url)
    one = cost(client, url)
    many(manager, 9)
    ten = cost(client, url)
    many(manager, 50)

    # Session, user; profile, absence; counts; keys, rows; record; last decisions; listings to
    # check; saved views; and what the top bar counts.
    assert one == ten == cost(client, url) <= 24


def test_all_counts_come_from_one_query(manager):
    many(manager, 3)

    with CaptureQueriesContext(connection) as queries:
        tally = queues.tally(manager, Filters(show=Show.NEW, grade="strong"))
        tally.shows(), tally.industries(), tally.grades(), tally.groups

    assert len(queries) == 1


# --- Next and previous --------------------------------------------------------------------------


def test_the_next_stays_within_the_filter_and_starts_anew_after_the_last(client, manager):
    first, other, last = add(manager, 1), add(manager, 2, is_frozen=True), add(manager, 3)
    query = "?show=new&industry=C"

    response = client.get(f"{last.get_absolute_url()}{query}")

    assert response.context["next"].url == f"{other.get_absolute_url()}{query}"
    response = client.get(f"{other.get_absolute_url()}{query}")
    assert response.context["next"].url == f"{first.get_absolute_url()}{query}"


def test_a_decision_leads_to_what_comes_after_it_not_back_to_the_top(client, manager):
    skipped, decided, following = (
        add(manager, days, status=ReviewStatus.ACCEPTED) for days in (1, 2, 3)
    )

    response = client.post(f"{decided.get_absolute_url()}?industry=C", DECISION)

    assert response.url == f"{following.get_absolute_url()}?industry=C"
    assert client.post(following.get_absolute_url(), DECISION).url == skipped.get_absolute_url()


def test_the_last_decision_leads_back_to_the_workbench_with_its_undo(client, manager):
    review = add(manager, status=ReviewStatus.ACCEPTED)

    response = client.post(review.get_absolute_url(), DECISION, follow=True)

    html = response.content.decode()
    assert response.redirect_chain[-1][0] == reverse("workbench")
    assert "已通过，正在请双方答复" in html
    assert reverse("match_undo", args=[review.match.number]) in html


# --- The next match ahead of its time -------------------------------------------------------------


def ahead(client: Client, review: Review, following: Review) -> Any:
    return client.get(following.get_absolute_url(), headers={"X-KQ-Ahead": review.match.number})


def test_what_is_fetched_ahead_leaves_the_trace_of_its_names_and_is_no_page(client, manager):
    review = add(manager, 1, status=ReviewStatus.ACCEPTED)
    following = add(manager, 2, status=ReviewStatus.ACCEPTED)

    response = ahead(client, review, following)

    html = response.content.decode()
    assert response.status_code == 200
    assert "<html" not in html and 'id="review"' in html
    # As if the first one were decided already.
    assert review.match.number not in html
    following.refresh_from_db()
    assert following.seen == {}
    row = AccessEvent.objects.get()
    assert (row.actor, row.kind, row.number) == (manager, "names", following.match.number)
    assert not MatchEvent.objects.exists()


@pytest.mark.parametrize("named", ["nonsense", "itself", "decided", "another's"])
def test_a_page_is_fetched_ahead_of_an_open_review_of_ones_own_only(client, manager, named):
    review = add(manager, 1, status=ReviewStatus.ACCEPTED)
    other = make_review(status=ReviewStatus.ACCEPTED)
    done = add(manager, 2, status=ReviewStatus.SUBMITTED)
    number = {"itself": review, "decided": done, "another's": other}.get(named)
    sent = number.match.number if number else "x"

    response = client.get(review.get_absolute_url(), headers={"X-KQ-Ahead": sent})

    assert "<html" in response.content.decode()
    review.refresh_from_db()
    assert review.seen != {}
    assert AccessEvent.objects.filter(number=review.match.number).count() == 1


def test_a_review_that_is_not_taken_on_is_fetched_ahead_blind(client, manager):
    review, following = add(manager, 1, status=ReviewStatus.ACCEPTED), add(manager, 2)

    html = ahead(client, review, following).content.decode()

    assert following.match.demand.owner.name not in html
    assert following.match.achievement.owner.name not in html


@pytest.mark.parametrize("who", ["stranger", "tied"])
def test_nothing_is_fetched_ahead_that_may_not_be_read(client, manager, who):
    review = add(manager, 1, status=ReviewStatus.ACCEPTED)
    following = add(manager, 2, status=ReviewStatus.ACCEPTED)
    if who == "stranger":
        client.force_login(make_manager())
    else:
        owner = following.match.demand.owner
        Membership.objects.create(user=manager, organization=owner, role="viewer", is_active=True)

    assert ahead(client, review, following).status_code == (404 if who == "stranger" else 403)


def test_a_page_with_the_next_in_hand_is_told_to_show_it_and_that_is_noted(client, manager):
    review = add(manager, 1, status=ReviewStatus.ACCEPTED)
    following = add(manager, 2, status=ReviewStatus.ACCEPTED)
    stamp = ahead(client, review, following).context["stamp"]

    answer = client.post(
        review.get_absolute_url(),
        DECISION,
        headers={"X-KQ-In-Hand": f"{following.match.number} {stamp}"},
    ).json()

    assert answer["ready"] is True
    assert answer["url"] == following.get_absolute_url()
    assert answer["open"] == 1
    assert reverse("match_undo", args=[review.match.number]) in answer["undo"]
    following.refresh_from_db()
    assert following.seen["demand"] == following.match.demand_revision_id
    assert AccessEvent.objects.filter(number=following.match.number).count() == 1


@pytest.mark.parametrize("change", ["event", "taken away", "revision", "tie", "nonsense"])
def test_a_page_whose_next_has_changed_meanwhile_asks_again(client, manager, change):
    review = add(manager, 1, status=ReviewStatus.ACCEPTED)
    following = add(manager, 2, status=ReviewStatus.ACCEPTED)
    stamp = ahead(client, review, following).context["stamp"]
    match = following.match
    if change == "event":
        MatchEvent.objects.create(match=match, verb="answered", after=match.status)
    elif change == "taken away":
        Review.objects.filter(pk=following.pk).update(status=ReviewStatus.CANCELLED)
    elif change == "revision":
        revisions = revision_model("demand").objects
        other = revisions.exclude(pk=match.demand_revision_id).first()
        Match.objects.filter(pk=match.pk).update(demand_revision=other)
    elif change == "tie":
        owner = match.demand.owner
        Membership.objects.create(user=manager, organization=owner, role="viewer", is_active=True)
    else:
        stamp = "x"

    answer = client.post(
        review.get_absolute_url(),
        DECISION,
        headers={"X-KQ-In-Hand": f"{match.number} {stamp}"},
    ).json()

    assert answer["ready"] is False
    following.refresh_from_db()
    assert following.seen == {}
    # Of the page that was fetched ahead; that it was asked for again is not noted here.
    assert AccessEvent.objects.filter(number=match.number).count() == 1


def test_a_refused_decision_comes_back_as_a_page_with_its_faults(client, manager):
    review = add(manager, 1, status=ReviewStatus.ACCEPTED)

    response = client.post(
        review.get_absolute_url(),
        {**DECISION, "reasons": []},
        headers={"X-KQ-In-Hand": "M-1 x"},
    )

    assert response.status_code == 422
    assert response["Content-Type"].startswith("text/html")
    review.refresh_from_db()
    assert review.status == ReviewStatus.ACCEPTED


# --- Undo ---------------------------------------------------------------------------------------


def test_a_decision_is_taken_back_from_the_next_page(client, manager):
    review = add(manager, 1, status=ReviewStatus.ACCEPTED)
    following = add(manager, 2)
    client.post(review.get_absolute_url(), DECISION)

    html = page(client, following.get_absolute_url())
    undo = reverse("match_undo", args=[review.match.number])
    assert undo in html and "前可以撤销" in html
    response = client.post(undo)

    assert response.url == review.get_absolute_url()
    review.refresh_from_db()
    assert review.status == ReviewStatus.ACCEPTED
    assert undo not in page(client, following.get_absolute_url())


def test_a_decision_of_some_time_ago_is_offered_no_undo_and_refused_one(client, manager):
    review = add(manager, 1, status=ReviewStatus.ACCEPTED)
    client.post(review.get_absolute_url(), DECISION)
    Review.objects.update(closed_at=timezone.now() - dt.timedelta(minutes=11))
    undo = reverse("match_undo", args=[review.match.number])

    assert undo not in page(client, reverse("workbench"))
    assert client.post(undo).status_code == 409
    assert Match.objects.get().status == MatchStatus.APPROVED


def test_what_a_side_has_answered_is_offered_no_undo(client, manager):
    review = add(manager, 1, status=ReviewStatus.ACCEPTED)
    client.post(review.get_absolute_url(), DECISION)
    review.match.consents.create(side="demand", agreed=True, user=make_member())

    undo = reverse("match_undo", args=[review.match.number])
    assert undo not in page(client, reverse("workbench"))
    assert client.post(undo).status_code == 409


# --- Smaller things -----------------------------------------------------------------------------


def test_a_match_is_found_by_its_number_among_ones_own(client, manager):
    own, other = add(manager), add(make_manager())
    url = reverse("workbench")

    found = client.get(url, {"number": f" {own.match.number.lower()} "})
    assert found.url == own.get_absolute_url()
    for number in (other.match.number, "M-20260230-0001", "'; --", "x" * 300):
        response = client.get(url, {"number": number}, follow=True)
        assert "你手上没有编号为" in response.content.decode()


def test_an_answer_of_a_side_marks_the_match_as_changed(client, manager):
    review = add(manager, status=ReviewStatus.ACCEPTED)
    page(client, review.get_absolute_url())
    assert shown(client, "?show=changed") == []

    Inquiry.objects.create(
        review=review,
        side="demand",
        status="answered",
        due_on=timezone.localdate(),
        closed_at=timezone.now() + dt.timedelta(seconds=1),
    )

    assert shown(client, "?show=changed") == [review]


def test_the_keys_can_be_switched_off(client, manager):
    review = add(manager, status=ReviewStatus.ACCEPTED)
    assert 'data-keys="off"' not in page(client, review.get_absolute_url())

    client.post(reverse("settings_profile"), {"form_name": "shortcuts"})

    manager.refresh_from_db()
    assert manager.shortcuts is False
    assert 'data-keys="off"' in page(client, review.get_absolute_url())
    assert "关闭快捷键" not in page(client, review.get_absolute_url())


def test_on_the_phone_two_choices_stand_at_the_bottom_then_the_way_to_send(client, manager):
    html = page(client, add(manager, status=ReviewStatus.ACCEPTED).get_absolute_url())

    assert 'data-choose="reject"' in html and 'data-choose="approve"' in html
    assert 'form="decision"' in html
