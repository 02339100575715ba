"""How well a manager knows a match: industry, past decisions, region, grade."""

import numpy as np
import pytest
from django.utils import timezone

from accounts.permissions import Tier
from matchmaking.models import EmbeddingModel, ManagerVector, Match
from matchmaking.retrieval.vectors import Row, vector_index
from matchmaking.services import expertise as rules
from matchmaking.services.assignment import match_cases
from matchmaking.services.desks import all_desks
from matchmaking.services.expertise import WEIGHTS, expertise, pair_vectors, refresh_vectors
from matchmaking.workflow import MatchStatus, ModelState
from tests.factories import (
    make_achievement,
    make_demand,
    make_embedding_model,
    make_manager,
    make_match,
    make_review,
)

pytestmark = pytest.mark.django_db


def known(match, *managers):
    """Return how well managers know a match, in hundredths, in their order."""
    cases = list(match_cases(Match.objects.filter(pk=match.pk)))
    desks = all_desks([manager.pk for manager in managers])
    points = dict(
        zip([desk.user_id for desk in desks], expertise(cases, desks)[0].tolist(), strict=True)
    )
    return [round(100 * points[manager.pk]) for manager in managers]


def manager_with(**fields):
    manager = make_manager()
    for name, value in fields.items():
        setattr(manager.manager_profile, name, value)
    manager.manager_profile.save()
    return manager


def test_the_weights_make_a_whole():
    assert sum(WEIGHTS.values()) == pytest.approx(1)


def test_who_knows_all_about_a_match_has_all_but_what_is_unknown():
    [points] = known(make_match(), make_manager(classes=["C34"]))

    assert points == 88  # half of the quarter that past decisions count for


def test_a_division_counts_more_than_its_section_and_that_more_than_another():
    exact, section, other = (make_manager(classes=[code]) for code in ("C34", "C", "A"))

    points = known(make_match(), exact, section, other)

    assert points == sorted(points, reverse=True) and len(set(points)) == 3


def test_both_sides_industries_count():
    match = make_match(achievement=make_achievement(industry="C2614"))
    both, one = make_manager(classes=["C34", "C26"]), make_manager(classes=["C34"])

    points = known(match, both, one)

    assert 25 <= points[0] - points[1] <= 26


def test_a_side_that_names_no_industry_is_left_out():
    match = make_match(achievement=make_achievement(industry=""))

    assert known(match, make_manager(classes=["C34"])) == [88]


def test_what_nobody_says_anything_of_decides_nothing():
    match = make_match(
        demand=make_demand(industry="", region=""),
        achievement=make_achievement(industry="", region=""),
    )
    some, other = make_manager(classes=["C34"]), make_manager(classes=[])

    points = known(match, some, other)

    assert points[0] == points[1]


def test_the_province_counts_more_than_a_neighbour_and_that_more_than_far_away():
    own, near, far, none = (
        manager_with(regions=regions) for regions in (["330000"], ["320000"], ["440000"], [])
    )

    points = known(make_match(), own, near, far, none)

    assert points[0] > points[1] > points[2] == points[3]


def test_a_grade_counts_for_what_is_worth_a_second_approval(settings):
    senior, junior = manager_with(grade="senior"), manager_with(grade="junior")
    cheap = make_match()
    settings.SECOND_REVIEW_ABOVE = 1_000_000

    dear = known(make_match(), senior, junior)
    settings.SECOND_REVIEW_ABOVE = 5_000_000

    assert dear[0] > dear[1]
    assert known(cheap, senior, junior)[0] == known(cheap, senior, junior)[1]


# --- Past decisions -----------------------------------------------------------------------------


@pytest.fixture
def model():
    made = make_embedding_model()
    EmbeddingModel.objects.filter(pk=made.pk).update(state=ModelState.CURRENT)
    made.refresh_from_db()
    return made


def write(model, listing, direction):
    """Give a listing one window that points into a direction."""
    vector = np.zeros(model.dimension, np.float32)
    vector[direction] = 1
    vector_index(listing.kind, model.pk).upsert(
        listing.pk, [Row(0, Tier.PUBLIC, True, "zh", vector)], section="C", province="33"
    )


def pair(model, direction, **fields):
    match = make_match(**fields)
    write(model, match.demand, direction)
    write(model, match.achievement, direction)
    return match


def decide(manager, match):
    Match.objects.filter(pk=match.pk).update(status=MatchStatus.REJECTED)
    make_review(
        match=match,
        manager=manager,
        status="submitted",
        decision="reject",
        closed_at=timezone.now(),
    )


def test_who_has_decided_alike_matches_knows_more(model):
    metal, chips, new = make_manager(), make_manager(), make_manager()
    for _ in range(8):
        decide(metal, pair(model, 1))
        decide(chips, pair(model, 2))
    refresh_vectors(all_desks())

    points = known(pair(model, 1), metal, new, chips)

    assert points[0] > points[1] > points[2]


def test_more_decisions_count_more(model):
    many, few = make_manager(), make_manager()
    for _ in range(8):
        decide(many, pair(model, 1))
    decide(few, pair(model, 1))
    refresh_vectors(all_desks())

    points = known(pair(model, 1), many, few)

    assert points[0] > points[1]


def test_a_match_without_vectors_prefers_nobody(model):
    metal, chips = make_manager(), make_manager()
    decide(metal, pair(model, 1))
    decide(chips, pair(model, 2))
    refresh_vectors(all_desks())

    points = known(make_match(), metal, chips)

    assert points[0] == points[1]


def test_a_mean_is_computed_again_when_there_is_another_decision(model):
    manager = make_manager()
    decide(manager, pair(model, 1))

    assert refresh_vectors(all_desks()) == 1
    assert refresh_vectors(all_desks()) == 0
    decide(manager, pair(model, 2))
    assert refresh_vectors(all_desks()) == 1

    mean = ManagerVector.objects.get(user=manager)
    assert (mean.decided, mean.used, mean.model) == (2, 2, model)


def test_a_mean_is_computed_again_under_another_model(model):
    manager = make_manager()
    decide(manager, pair(model, 1))
    refresh_vectors(all_desks())
    EmbeddingModel.objects.update(state=ModelState.RETIRED)
    other = make_embedding_model(revision="2")
    EmbeddingModel.objects.filter(pk=other.pk).update(state=ModelState.CURRENT)

    assert refresh_vectors(all_desks()) == 1

    mean = ManagerVector.objects.get(user=manager)
    assert (mean.model, mean.used) == (other, 0)


def test_a_run_computes_a_limited_number_of_means(model, monkeypatch):
    monkeypatch.setattr(rules, "MANAGERS", 2)
    for _ in range(3):
        decide(make_manager(), pair(model, 1))

    assert [refresh_vectors(all_desks()) for _ in range(3)] == [2, 1, 0]


def test_only_the_last_decisions_are_read(model, monkeypatch):
    monkeypatch.setattr(rules, "DECISIONS", 3)
    manager = make_manager()
    for _ in range(5):
        decide(manager, pair(model, 1))

    refresh_vectors(all_desks())

    mean = ManagerVector.objects.get()
    assert (mean.decided, mean.used) == (5, 3)


def test_without_a_model_nothing_is_known_of_the_past():
    manager = make_manager()
    decide(manager, make_match())

    assert refresh_vectors(all_desks()) == 0
    assert known(make_match(), manager) == [known(make_match(), make_manager())[0]]


def test_pairs_without_vectors_are_zero(model):
    with_both, none = pair(model, 1), make_match()
    only_demand = make_match()
    write(model, only_demand.demand, 2)

    rows = pair_vectors(
        [(match.demand_id, match.achievement_id) for match in (with_both, none, only_demand)]
        + [(None, None)],
        model.pk,
    )

    assert np.linalg.norm(rows, axis=1).round(4).tolist() == [1, 0, 1, 0]


def test_the_sentence_counts_decisions_of_the_same_industry():
    manager = make_manager()
    decide(manager, make_match())
    decide(manager, make_match(achievement=make_achievement(industry="C2614")))
    decide(
        manager,
        make_match(
            demand=make_demand(industry="A01"), achievement=make_achievement(industry="A01")
        ),
    )
    [desk] = all_desks()
    [case] = match_cases(Match.objects.filter(pk=make_match().pk))

    assert (desk.decided, desk.similar(case)) == (3, 2)
