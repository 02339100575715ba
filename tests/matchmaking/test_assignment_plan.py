"""A re-assignment is shown before it is done; confirmed, exactly that is done."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.inbox import Notification
from accounts.models import ManagerStatus
from matchmaking.models import AssignmentPlan, Match, MatchEvent, Review
from matchmaking.services import planning
from matchmaking.services.planning import apply_plan, ask_for_plan, drop_plan, unfinished, work_out
from matchmaking.services.reviews import accept_review
from matchmaking.workflow import IllegalMove, MatchStatus, ReviewStatus
from tests.factories import (
    make_achievement,
    make_demand,
    make_manager,
    make_match,
    make_operator,
    make_organization,
    make_review,
)

pytestmark = pytest.mark.django_db
Scope, State = AssignmentPlan.Scope, AssignmentPlan.State


@pytest.fixture
def operator():
    return make_operator()


def planned(operator, scope=Scope.ASSIGNED, manager=None):
    plan = ask_for_plan(scope=scope, manager=manager, actor=operator)
    assert work_out(plan.pk)
    plan.refresh_from_db()
    return plan


@pytest.fixture
def crossed():
    """Two reviews that lie on the wrong desks: each manager knows the other one's match."""
    metal, chips = make_manager(classes=["C34"]), make_manager(classes=["C26"])
    of_metal = make_match(status=MatchStatus.IN_REVIEW)
    of_chips = make_match(
        status=MatchStatus.IN_REVIEW,
        demand=make_demand(industry="C2614"),
        achievement=make_achievement(industry="C2614"),
    )
    make_review(match=of_metal, manager=chips)
    make_review(match=of_chips, manager=metal)
    return metal, chips, of_metal, of_chips


def holder(match):
    return Review.objects.open().get(match=match).manager


def everything():
    return (
        list(Match.objects.order_by("pk").values()),
        list(Review.objects.order_by("pk").values()),
        MatchEvent.objects.count(),
        Notification.objects.count(),
    )


# --- Worked out ---------------------------------------------------------------------------------


def test_a_plan_changes_nothing(operator, crossed):
    before = everything()

    plan = planned(operator)

    assert everything() == before
    assert plan.state == State.READY and plan.ready_at is not None


def test_a_plan_says_who_would_have_what_and_how_much_better(operator, crossed):
    metal, chips, of_metal, of_chips = crossed

    plan = planned(operator)

    moves = {move["match"]: move for move in plan.moves}
    assert (moves[of_metal.pk]["from"], moves[of_metal.pk]["to"]) == (chips.pk, metal.pk)
    assert (moves[of_chips.pk]["from"], moves[of_chips.pk]["to"]) == (metal.pk, chips.pk)
    assert (moves[of_metal.pk]["before"], moves[of_metal.pk]["after"]) == (38, 88)
    assert moves[of_metal.pk]["because"]["classes"] == ["C34"]
    assert (plan.figures["before"]["served"], plan.figures["before"]["worst"]) == (2, 38)
    assert plan.figures["after"]["worst"] == 88
    assert plan.figures["loads"] == []  # one each, before and after


def test_what_gains_too_little_stays(operator):
    former = make_manager(classes=["C34"])
    other = make_manager(classes=["C34"])
    other.manager_profile.regions = ["330000"]
    other.manager_profile.save()
    review = make_review(manager=former)

    plan = planned(operator)

    assert plan.moves == [] and plan.figures["kept"] == 1
    assert holder(review.match) == former


def test_what_somebody_has_taken_on_is_no_part_of_a_plan(operator, crossed):
    review = Review.objects.get(match=crossed[2])
    accept_review(review=review, actor=review.manager)

    plan = planned(operator)

    assert crossed[2].pk not in {move["match"] for move in plan.moves}
    assert plan.figures["cases"] == 1


def test_one_managers_reviews_go_to_others(operator):
    leaving, staying = make_manager(), make_manager()
    mine = [make_review(manager=leaving) for _ in range(3)]
    make_review(manager=staying)

    plan = planned(operator, Scope.MANAGER, leaving)

    assert {move["match"] for move in plan.moves} == {review.match_id for review in mine}
    assert {move["to"] for move in plan.moves} == {staying.pk}
    assert sorted(plan.figures["loads"]) == sorted([[leaving.pk, 3, 0, 20], [staying.pk, 1, 4, 20]])


def test_waiting_matches_are_planned_as_they_would_be_assigned(operator):
    manager, match = make_manager(), make_match()

    plan = planned(operator, Scope.WAITING)

    [move] = plan.moves
    assert (move["match"], move["from"], move["to"]) == (match.pk, None, manager.pk)
    assert (move["review"], move["before"]) == (None, None)
    assert plan.figures["before"] == {"served": 0}


def test_a_plan_keeps_ties_and_room(operator):
    leaving = make_manager()
    owner = make_organization()
    tied, full = make_manager(), make_manager(capacity=1)
    tied.manager_profile.interests.create(organization=owner, kind="interest")
    make_review(manager=full)
    match = make_match(status=MatchStatus.IN_REVIEW, demand=make_demand(owner=owner))
    make_review(match=match, manager=leaving)

    plan = planned(operator, Scope.MANAGER, leaving)

    assert plan.moves == []
    [stuck] = plan.stuck
    assert (stuck["match"], stuck["from"]) == (match.pk, leaving.pk)
    assert stuck["others"] == {"tie": 1, "tried": 1, "full": 1}


@pytest.mark.parametrize("scope", [Scope.WAITING, Scope.ASSIGNED])
def test_an_empty_platform_has_an_empty_plan(operator, scope):
    plan = planned(operator, scope)

    assert (plan.moves, plan.stuck, plan.figures["cases"]) == ([], [], 0)


def test_without_managers_everything_is_stuck(operator):
    make_match()

    plan = planned(operator, Scope.WAITING)

    assert plan.moves == [] and len(plan.stuck) == 1
    assert plan.figures["present"] == 0


def test_a_plan_is_worked_out_once(operator, crossed):
    plan = planned(operator)

    assert not work_out(plan.pk)
    assert not work_out(plan.pk + 1)


def test_a_plan_whose_message_was_lost_is_found(operator):
    plan = ask_for_plan(scope=Scope.ASSIGNED, manager=None, actor=operator)

    assert unfinished() == [plan.pk]
    work_out(plan.pk)
    assert unfinished() == []


def test_a_plan_of_more_than_a_thousand_says_how_many_are_left_out(operator, monkeypatch):
    monkeypatch.setattr(planning, "AT_ONCE", 2)
    make_manager()
    for _ in range(3):
        make_review(manager=make_manager())

    plan = planned(operator)

    assert (plan.figures["cases"], plan.figures["left_out"]) == (2, 1)


# --- Done ---------------------------------------------------------------------------------------


def test_confirmed_it_does_exactly_what_was_shown(operator, crossed):
    metal, chips, of_metal, of_chips = crossed
    plan = planned(operator)

    plan = apply_plan(plan=plan, actor=operator)

    assert (holder(of_metal), holder(of_chips)) == (metal, chips)
    assert plan.result == {"moved": 2, "skipped": []}
    assert (plan.state, plan.closed_by) == (State.APPLIED, operator)
    former = Review.objects.get(match=of_metal, manager=chips)
    assert former.status == ReviewStatus.CANCELLED and former.closed_at is not None
    verbs = list(of_metal.events.order_by("pk").values_list("verb", "actor"))
    assert verbs == [("referred", operator.pk), ("assigned", None)]
    kinds = Notification.objects.filter(user=metal).values_list("kind", flat=True)
    assert sorted(kinds) == ["review.assigned", "review.taken"]
    because = Review.objects.open().get(match=of_metal).assigned_because
    assert because["reassigned_by"] == operator.pk and because["classes"] == ["C34"]


def test_it_is_done_once(operator, crossed):
    plan = apply_plan(plan=planned(operator), actor=operator)
    before = everything()

    with pytest.raises(IllegalMove):
        apply_plan(plan=plan, actor=operator)
    with pytest.raises(IllegalMove):
        drop_plan(plan=plan, actor=operator)

    assert everything() == before


def test_a_plan_that_is_still_worked_out_is_not_done(operator, crossed):
    plan = ask_for_plan(scope=Scope.ASSIGNED, manager=None, actor=operator)

    with pytest.raises(IllegalMove):
        apply_plan(plan=plan, actor=operator)


def test_a_dropped_plan_changes_nothing_and_stays_dropped(operator, crossed):
    before = everything()
    plan = drop_plan(plan=planned(operator), actor=operator)

    with pytest.raises(IllegalMove):
        apply_plan(plan=plan, actor=operator)

    assert everything() == before and plan.state == State.DROPPED


def accepted(metal, chips, match):
    review = Review.objects.open().get(match=match)
    accept_review(review=review, actor=review.manager)


def away(metal, chips, match):
    metal.manager_profile.absences.create(first=timezone.localdate())


def suspended(metal, chips, match):
    metal.manager_profile.status = ManagerStatus.SUSPENDED
    metal.manager_profile.save()


def tied(metal, chips, match):
    metal.manager_profile.interests.create(organization=match.demand.owner, kind="interest")


def handed_back(metal, chips, match):
    Review.objects.open().filter(match=match).update(status=ReviewStatus.DECLINED)
    Match.objects.filter(pk=match.pk).update(status=MatchStatus.SUGGESTED)


def decided(metal, chips, match):
    Review.objects.open().filter(match=match).update(status=ReviewStatus.SUBMITTED)
    Match.objects.filter(pk=match.pk).update(status=MatchStatus.REJECTED)


def frozen(metal, chips, match):
    Match.objects.filter(pk=match.pk).update(is_frozen=True)


def had_before(metal, chips, match):
    make_review(match=match, manager=metal, status=ReviewStatus.DECLINED)


def filled(metal, chips, match):
    for _ in range(20):
        make_review(manager=metal)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (accepted, "accepted"),
        (away, "away"),
        (suspended, "away"),
        (tied, "tie"),
        (handed_back, "changed"),
        (decided, "changed"),
        (frozen, "changed"),
        (had_before, "tried"),
        (filled, "full"),
    ],
)
def test_what_has_changed_meanwhile_is_left_and_named(operator, crossed, change, why):
    metal, chips, of_metal, of_chips = crossed
    plan = planned(operator)
    change(metal, chips, of_metal)
    before = list(Review.objects.filter(match=of_metal).order_by("pk").values())

    plan = apply_plan(plan=plan, actor=operator)

    assert [of_metal.pk, why] in plan.result["skipped"]
    assert list(Review.objects.filter(match=of_metal).order_by("pk").values()) == before
    if why in ("changed", "accepted", "tried", "tie"):
        assert holder(of_chips) == chips  # the other move was still possible


def test_a_move_that_is_not_made_leaves_no_desk_overfull(operator):
    """Each desk has one place; the first move fails, so the second has no room either."""
    metal, chips = (
        make_manager(classes=["C34"], capacity=1),
        make_manager(classes=["C26"], capacity=1),
    )
    of_metal = make_match(status=MatchStatus.IN_REVIEW)
    of_chips = make_match(
        status=MatchStatus.IN_REVIEW,
        demand=make_demand(industry="C2614"),
        achievement=make_achievement(industry="C2614"),
    )
    first = make_review(match=of_metal, manager=chips)
    make_review(match=of_chips, manager=metal)
    plan = planned(operator)
    assert len(plan.moves) == 2
    accept_review(review=first, actor=chips)

    plan = apply_plan(plan=plan, actor=operator)

    assert plan.result["moved"] == 0
    assert dict(map(tuple, plan.result["skipped"])) == {
        of_metal.pk: "accepted",
        of_chips.pk: "full",
    }
    assert (holder(of_metal), holder(of_chips)) == (chips, metal)


def test_a_demand_gets_no_more_than_its_share_of_reviews_by_a_plan(operator, settings):
    settings.REVIEWS_PER_DEMAND = 1
    make_manager(classes=["C33"])
    match = make_match()
    plan = planned(operator, Scope.WAITING)
    assert [move["match"] for move in plan.moves] == [match.pk]
    make_match(demand=match.demand, status=MatchStatus.IN_REVIEW)

    apply_plan(plan=plan, actor=operator)

    assert AssignmentPlan.objects.get(pk=plan.pk).result == {
        "moved": 0,
        "skipped": [[match.pk, "share"]],
    }
    assert not Review.objects.exists()


def test_it_takes_as_many_statements_for_one_as_for_ten(operator):
    def run(count):
        leaving = make_manager()
        for _ in range(count):
            make_review(manager=leaving)
        plan = planned(operator, Scope.MANAGER, leaving)
        assert len(plan.moves) == count
        with CaptureQueriesContext(connection) as queries:
            apply_plan(plan=plan, actor=operator)
        return len(queries)

    make_manager(capacity=100)

    assert run(1) == run(10)


# --- The pages ----------------------------------------------------------------------------------


def test_an_operator_asks_looks_and_confirms(client, operator, crossed):
    client.force_login(operator)

    response = client.post(reverse("ops_plans"), {"scope": "assigned"})
    plan = AssignmentPlan.objects.get()
    assert response.url == plan.get_absolute_url()
    assert "正在计算" in client.get(response.url).content.decode()

    work_out(plan.pk)
    html = client.get(response.url).content.decode()
    assert "还没有任何改动" in html and "有 2 项匹配会转给其他经理人" in html
    assert crossed[2].number in html

    after = client.post(response.url, {"action": "apply"}, follow=True).content.decode()
    assert "已改派 2 项匹配" in after
    assert holder(crossed[2]) == crossed[0]


def test_the_page_of_a_plan_swaps_itself_until_it_is_ready(client, operator):
    client.force_login(operator)
    plan = ask_for_plan(scope=Scope.ASSIGNED, manager=None, actor=operator)
    url = plan.get_absolute_url()

    waiting = client.get(url, headers={"HX-Request": "true"}).content.decode()
    work_out(plan.pk)
    ready = client.get(url, headers={"HX-Request": "true"}).content.decode()

    assert "<html" not in waiting and 'hx-trigger="every 2s"' in waiting
    assert "hx-trigger" not in ready and "没有需要指派的匹配" in ready


@pytest.mark.parametrize(
    "sent",
    [
        {},
        {"scope": "everything"},
        {"scope": "manager"},
        {"scope": "manager", "manager": "999999"},
        {"scope": "manager", "manager": "x'; --"},
    ],
)
def test_a_plan_of_nothing_is_not_asked_for(client, operator, sent):
    client.force_login(operator)

    response = client.post(reverse("ops_plans"), sent)

    assert response.status_code == 200 and "error" in response.content.decode()
    assert not AssignmentPlan.objects.exists()


def test_a_plan_that_moves_nothing_offers_nothing_to_confirm(client, operator):
    client.force_login(operator)
    make_match()
    plan = planned(operator, Scope.WAITING)

    html = client.get(plan.get_absolute_url()).content.decode()
    refused = client.post(plan.get_absolute_url(), {"action": "apply"})

    assert "今天没有在岗的认定经理人" in html and 'value="apply"' not in html
    assert refused.status_code == 409 and "这份方案没有要改派的匹配" in refused.content.decode()


def test_a_plan_is_refused_with_the_reasons_when_nobody_is_eligible(client, operator):
    client.force_login(operator)
    owner = make_organization()
    make_manager().manager_profile.interests.create(organization=owner, kind="interest")
    make_match(demand=make_demand(owner=owner))
    plan = planned(operator, Scope.WAITING)

    html = client.get(plan.get_absolute_url()).content.decode()

    assert "这些匹配没有经理人可以接，原因见下" in html
    assert "1 位有利益关联" in html


def test_a_stale_tab_is_told_that_it_is_done(client, operator, crossed):
    client.force_login(operator)
    plan = planned(operator)
    client.post(plan.get_absolute_url(), {"action": "apply"})
    before = everything()

    again = client.post(plan.get_absolute_url(), {"action": "apply"})

    assert again.status_code == 409 and "已执行" in again.content.decode()
    assert everything() == before


def test_leaving_everything_as_it_is(client, operator, crossed):
    client.force_login(operator)
    plan = planned(operator)
    before = everything()

    html = client.post(plan.get_absolute_url(), {"action": "drop"}, follow=True).content.decode()

    assert "未执行，没有任何改动" in html and everything() == before


def test_the_page_names_what_was_left(client, operator, crossed):
    client.force_login(operator)
    plan = planned(operator)
    accepted(*crossed[:2], crossed[2])

    html = client.post(plan.get_absolute_url(), {"action": "apply"}, follow=True).content.decode()

    assert "原经理人期间已接手" in html and "已改派 1 项匹配" in html


@pytest.mark.parametrize("path", ["/ops/assignments/plan/999999/", "/ops/assignments/plan/x/"])
def test_an_unknown_plan_is_not_found(client, operator, path):
    client.force_login(operator)

    assert client.get(path).status_code == 404


def test_others_do_not_see_plans(client, operator, crossed):
    plan = planned(operator)
    client.force_login(crossed[0])

    assert client.get(plan.get_absolute_url()).status_code == 403
    assert client.post(plan.get_absolute_url(), {"action": "apply"}).status_code == 403
    assert client.post(reverse("ops_plans"), {"scope": "assigned"}).status_code == 403
    assert AssignmentPlan.objects.get().state == State.READY


def test_the_page_asks_as_much_for_two_moves_as_for_ten(client, operator):
    client.force_login(operator)

    def queries(count):
        leaving = make_manager()
        for _ in range(count):
            make_review(manager=leaving)
        plan = planned(operator, Scope.MANAGER, leaving)
        client.get(plan.get_absolute_url())
        with CaptureQueriesContext(connection) as found:
            client.get(plan.get_absolute_url())
        return len(found)

    make_manager(capacity=100)

    assert queries(2) == queries(10)
