"""What is worth much needs two approvals: of different managers, one after the other, blind."""

import pytest
from django.urls import reverse
from django.utils import timezone

from accounts.inbox import Notification
from matchmaking import presenting
from matchmaking.models import Match, Review
from matchmaking.permissions import ConflictOfInterest
from matchmaking.services import assignment, reviews
from matchmaking.workflow import IllegalMove, MatchStatus, ReviewStatus
from tests.factories import (
    make_achievement,
    make_demand,
    make_manager,
    make_match,
    make_member,
    make_operator,
    make_review,
)
from tests.matchmaking.test_reviews import submit, verbs

M, R = MatchStatus, ReviewStatus
pytestmark = pytest.mark.django_db

SECRET = "只有第一位经理人写过这句话"


def make_large(**fields):
    """Return an accepted review of a match that is worth eight million."""
    match = make_match(status=M.IN_REVIEW, demand=make_demand(money_max=8_000_000), **fields)
    return make_review(match=match, status=R.ACCEPTED)


def second_of(match):
    """Have the match assigned to another manager, who takes it on."""
    make_manager()
    assert assignment.assign_matches() == 1
    review = Review.objects.open().get(match=match)
    return reviews.accept_review(review=review, actor=review.manager)


@pytest.mark.parametrize(
    ("demand", "achievement", "worth"),
    [
        ({"money_min": 100, "money_max": 900}, {"money_min": 5, "money_max": 7}, 900),
        ({"money_min": 100, "money_max": None}, {"money_min": 5, "money_max": 7}, 100),
        ({"money_min": None, "money_max": None}, {"money_min": 5, "money_max": 7}, 7),
        ({"money_min": None, "money_max": None}, {"money_min": 5, "money_max": None}, 5),
        ({"money_min": None, "money_max": None}, {"money_min": None, "money_max": None}, None),
        ({"money_min": None, "money_max": 0}, {"money_min": 5, "money_max": 7}, 0),
    ],
)
def test_what_a_match_is_worth_is_the_same_in_python_and_in_the_database(
    demand, achievement, worth, settings
):
    settings.SECOND_REVIEW_ABOVE = 6
    match = make_match(demand=make_demand(**demand), achievement=make_achievement(**achievement))

    assert match.worth == worth
    assert Match.objects.with_worth().get().worth_cny == worth
    assert match.needs_second == ((worth or 0) > 6)


def test_exactly_the_threshold_needs_one():
    match = make_match(status=M.IN_REVIEW, demand=make_demand(money_max=5_000_000))

    assert submit(make_review(match=match, status=R.ACCEPTED)).status == M.APPROVED


def test_the_first_approval_keeps_the_match_in_review_and_the_second_approves_it(settings):
    review = make_large()

    match = submit(review, comment=SECRET)

    match.refresh_from_db()
    assert (match.status, match.decided_at, match.due_on) == (M.IN_REVIEW, None, None)
    assert verbs(match) == ["first_yes"]
    assert list(Match.objects.awaiting_second()) == [match]
    assert not Notification.objects.filter(kind__in=("match.approved", "match.rejected")).exists()

    second = second_of(match)
    assert second.manager != review.manager
    submit(second)

    match.refresh_from_db()
    assert match.status == M.APPROVED and match.decided_at is not None
    assert verbs(match)[-1] == "approved"
    approvals = Review.objects.filter(match=match, status=R.SUBMITTED)
    assert approvals.values("manager").distinct().count() == 2


def test_one_rejection_is_enough_first_or_second():
    first = make_large()
    assert submit(first, decision="reject").status == M.REJECTED

    match = submit(make_large())
    assert submit(second_of(match), decision="reject").status == M.REJECTED


def test_the_first_manager_cannot_give_the_second_approval():
    review = make_large()
    match = submit(review)
    profile = review.manager.manager_profile

    assert assignment.assign_matches() == 0
    with pytest.raises(ConflictOfInterest):
        reviews.open_review(match=match, profile=profile, because={})
    with pytest.raises((ConflictOfInterest, IllegalMove)):
        assignment.reassign(match=match, to=profile, actor=make_operator())
    second = second_of(match)
    with pytest.raises(ConflictOfInterest):
        reviews.refer(review=second, actor=second.manager, to=profile, note="请再看一眼")
    with pytest.raises(IllegalMove, match="你已经"):
        submit(review)

    assert Match.objects.get(pk=match.pk).status == M.IN_REVIEW
    assert Review.objects.open().get() == second


@pytest.mark.parametrize("how", ["hand back", "time out"])
def test_a_second_manager_who_does_not_decide_leaves_the_first_approval_as_it_is(how):
    match = submit(make_large())
    second = second_of(match)

    if how == "hand back":
        reviews.hand_back(review=second, actor=second.manager, note="没时间")
    else:
        Review.objects.filter(pk=second.pk).update(due_on=timezone.localdate().replace(year=2020))
        assert reviews.time_out(review_id=second.pk)

    match.refresh_from_db()
    assert match.status == M.IN_REVIEW
    assert list(Match.objects.awaiting_second()) == [match]
    third = second_of(match)
    assert submit(third).status == M.APPROVED


# --- Blind --------------------------------------------------------------------------------------


def pages(client, match, *, sides=False):
    names = ["match_detail"] if sides else ["match_detail", "match_review", "match_refer"]
    return [client.get(reverse(name, args=[match.number])).content.decode() for name in names] + (
        [] if sides else [client.get(reverse("workbench")).content.decode()]
    )


def test_the_second_manager_reads_the_first_ones_opinion_only_after_deciding(client):
    first = make_large()
    match = submit(first, comment=SECRET, remarks={"indicator:1": SECRET})
    second = second_of(match)
    client.force_login(second.manager)

    for html in pages(client, match):
        assert SECRET not in html
        assert first.manager.name not in html
        assert "第一位已通过" not in html

    submit(second, comment="第二位的意见")
    html = client.get(reverse("match_detail", args=[match.number])).content.decode()
    assert SECRET in html and "第二位的意见" in html


def test_the_first_manager_reads_the_own_opinion_and_not_the_second_ones(client):
    first = make_large()
    match = submit(first, comment=SECRET)
    second_of(match)
    client.force_login(first.manager)

    html = client.get(reverse("match_review", args=[match.number])).content.decode()

    assert SECRET in html


@pytest.mark.parametrize("side", ["demand", "achievement"])
def test_the_sides_read_that_two_managers_look_and_no_opinion_before_both_are_in(client, side):
    match = submit(make_large(), comment=SECRET)
    client.force_login(make_member(match.listing(side).owner))
    listing = match.listing(side)
    matches = reverse(f"{side}_matches", args=[listing.number])

    [html] = pages(client, match, sides=True)
    assert "两位技术经理人" in html
    for text in (html, client.get(matches).content.decode()):
        assert SECRET not in text and "第一位已通过" not in text

    submit(second_of(match), comment="第二位的意见")
    [html] = pages(client, match, sides=True)
    assert SECRET in html and "第二位的意见" in html


@pytest.mark.parametrize("side", ["demand", "achievement"])
def test_a_rejection_by_the_second_tells_the_sides_nothing_of_the_first(client, side):
    match = submit(make_large(), comment=SECRET)
    submit(second_of(match), decision="reject", comment="第二位的意见")
    client.force_login(make_member(match.listing(side).owner))

    [html] = pages(client, match, sides=True)

    assert SECRET not in html and "第二位的意见" in html


def test_an_operator_reads_both(client):
    match = submit(make_large(), comment=SECRET)
    client.force_login(make_operator())

    assert SECRET in client.get(reverse("match_detail", args=[match.number])).content.decode()


def test_the_lines_of_the_history_follow_the_same_rule():
    first = make_large()
    match = submit(first, comment=SECRET)
    second = second_of(match)

    def told(user):
        reader = presenting.reader_of(user, match)
        lines = presenting.event_lines(match, reader, match.events.select_related("actor"))
        return any(line.note == SECRET for line in lines)

    assert told(first.manager) and told(make_operator())
    assert not told(second.manager)
    assert not told(make_member(match.demand.owner))
    submit(second)
    match.refresh_from_db()
    assert told(second.manager) and told(make_member(match.demand.owner))
