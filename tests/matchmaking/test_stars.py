"""Stars of technology managers: what is counted, the formula, and who sees them."""

import datetime as dt
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone, translation

from accounts.models import ManagerStars
from accounts.stars import FORMULA, MINIMUM, VERSION, Count, rate
from catalog.models import PublicationReview
from catalog.workflow import PublicationStatus
from matchmaking.models import Appeal, Feedback
from matchmaking.services.stars import compute_stars, count_all
from matchmaking.workflow import MatchStatus, ReviewStatus
from tests.factories import make_demand, make_manager, make_match, make_review, make_user

SINCE = dt.timedelta(days=730)


# --- The formula ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("counts", "stars"),
    [
        ({}, None),
        ({"time": Count(MINIMUM - 1, MINIMUM - 1)}, None),
        ({"contracts": Count(50, 50), "ratings": Count(50, 250)}, None),
        # All as managers are on average.
        (
            {
                "time": Count(100, 85),
                "stood": Count(100, 95),
                "contracts": Count(100, 20),
                "ratings": Count(100, 380),
            },
            Decimal("3.5"),
        ),
        ({"time": Count(2000, 2000), "stood": Count(2000, 2000)}, Decimal("5.0")),
        ({"time": Count(500, 0), "stood": Count(500, 0)}, Decimal("1.0")),
    ],
)
def test_the_formula(counts, stars):
    assert rate(counts).stars == stars


def test_one_of_one_is_no_five_stars():
    lucky = {"time": Count(MINIMUM, MINIMUM), "contracts": Count(1, 1), "ratings": Count(1, 5)}
    steady = {"time": Count(100, 99), "contracts": Count(40, 24), "ratings": Count(40, 190)}
    assert rate(lucky).stars <= 4
    assert rate(steady).stars > rate(lucky).stars


def test_more_of_the_same_never_makes_a_good_share_worse():
    scores = [rate({"time": Count(n, n)}).score for n in range(MINIMUM, 200)]
    assert scores == sorted(scores)


def test_a_part_without_data_is_left_out_and_changes_nothing():
    counts = {"time": Count(40, 36)}
    assert rate(counts) == rate({**counts, "ratings": Count(0, 0.0)})
    assert set(rate(counts).parts) == {"time"}


def test_halves_are_rounded_up():
    stars = {rate({"time": Count(n, n)}).stars for n in range(MINIMUM, 400)}
    assert all(2 * one == int(2 * one) for one in stars)


# --- What is counted ------------------------------------------------------------------------------

pytestmark = pytest.mark.django_db


def counted(manager, part):
    found = count_all([manager.pk], since=timezone.now() - SINCE).get(manager.pk, {}).get(part)
    return (found.n, found.good) if found else None


def close(manager, *, status=ReviewStatus.SUBMITTED, late=False, match=None, **fields):
    now = timezone.now()
    due = timezone.localdate() + dt.timedelta(days=-1 if late else 1)
    values = {"due_on": due, "closed_at": now, "decision": "approve", **fields}
    return make_review(match=match or make_match(), manager=manager, status=status, **values)


def test_answers_before_the_deadline_are_on_time_and_silence_is_not():
    manager = make_manager()
    close(manager)
    close(manager, due_on=timezone.localdate())
    close(manager, late=True)
    close(manager, status=ReviewStatus.NO_RESPONSE)
    assert counted(manager, "time") == (4, 2)


@pytest.mark.parametrize(
    "status",
    [
        ReviewStatus.DECLINED,
        ReviewStatus.REFERRED,
        ReviewStatus.CANCELLED,
        ReviewStatus.VOID,
        ReviewStatus.ASSIGNED,
        ReviewStatus.ACCEPTED,
    ],
)
def test_declining_for_a_conflict_never_lowers_the_stars(status):
    manager = make_manager()
    for _n in range(MINIMUM):
        close(manager)
    compute_stars()
    before = ManagerStars.objects.get()
    for late in (False, True):
        close(manager, status=status, late=late)
    assert compute_stars() == 0
    assert ManagerStars.objects.get() == before


def test_checks_of_listings_count_for_whom_they_were_assigned_to():
    manager, other = make_manager(), make_manager()

    def check(**fields):
        demand = make_demand()
        PublicationReview.objects.create(
            demand=demand,
            version=1,
            due_on=timezone.localdate(),
            closed_at=timezone.now(),
            **fields,
        )

    done = {"status": PublicationStatus.SUBMITTED, "decision": "publish"}
    check(manager=manager, decided_by=manager, **done)
    check(manager=manager, decided_by=other, **done)
    check(manager=manager, status=PublicationStatus.NO_RESPONSE)
    check(manager=manager, status=PublicationStatus.VOID)
    assert counted(manager, "time") == (2, 1)
    assert counted(other, "time") is None


def test_what_an_operator_reopened_did_not_stand_and_what_one_undid_oneself_was_no_decision():
    manager = make_manager()
    close(manager)
    close(manager, status=ReviewStatus.REOPENED)
    close(manager, status=ReviewStatus.ACCEPTED, closed_at=None)
    assert counted(manager, "stood") == (2, 1)


@pytest.mark.parametrize(("status", "good"), [("overturned", 0), ("upheld", 1), ("open", 1)])
def test_a_rejection_that_was_overturned_after_an_objection_did_not_stand(status, good):
    first, second = make_manager(), make_manager()
    match = make_match(status=MatchStatus.APPROVED)
    close(first, match=match, decision="reject")
    for side in ("demand", "achievement"):
        Appeal.objects.create(
            match=match, side=side, text="有实测数据", status=status, user=make_user()
        )
    close(second, match=match, decision="approve")
    assert counted(first, "stood") == (1, good)
    assert counted(second, "stood") == (1, 1)


def tell(match, side, *, contract="talking", rating=4):
    Feedback.objects.create(
        match=match, side=side, contract=contract, rating=rating, user=make_user()
    )


@pytest.mark.parametrize(
    ("one", "two", "expected"),
    [
        ("signed", "signed", (1, 1.0)),
        ("signed", "talking", (1, 1.0)),
        ("signed", "ended", (1, 0.5)),
        ("ended", "talking", (1, 0.0)),
        ("talking", "talking", None),
    ],
)
def test_an_introduction_counts_by_what_the_sides_say_of_its_end(one, two, expected):
    manager = make_manager()
    match = make_match(status=MatchStatus.INTRODUCED, manager=manager)
    tell(match, "demand", contract=one)
    tell(match, "achievement", contract=two)
    assert counted(manager, "contracts") == expected
    assert counted(manager, "ratings") == (2, 8)


def test_an_introduction_belongs_to_who_gave_the_last_approval():
    first, second = make_manager(), make_manager()
    match = make_match(status=MatchStatus.INTRODUCED)
    close(first, match=match, closed_at=timezone.now() - dt.timedelta(days=2))
    close(second, match=match)
    tell(match, "demand", contract="signed", rating=5)
    assert counted(first, "contracts") is None
    assert counted(second, "contracts") == (1, 1.0)
    assert counted(second, "ratings") == (1, 5)


def test_what_is_long_ago_is_not_counted():
    manager = make_manager()
    close(manager, closed_at=timezone.now() - dt.timedelta(days=731))
    assert counted(manager, "time") is None


# --- The computation ------------------------------------------------------------------------------


def test_only_a_changed_result_leaves_a_row_and_older_ones_stay():
    manager = make_manager()
    for _n in range(MINIMUM):
        close(manager)
    assert compute_stars() == 1
    assert compute_stars() == 0
    first = ManagerStars.objects.get()
    assert first.stars is not None
    assert (first.version, first.n) == (VERSION, MINIMUM)
    close(manager, status=ReviewStatus.NO_RESPONSE)
    assert compute_stars() == 1
    assert ManagerStars.objects.first().n == MINIMUM + 1
    assert ManagerStars.objects.count() == 2


def test_below_the_minimum_there_are_figures_and_no_stars():
    manager = make_manager()
    close(manager)
    compute_stars()
    row = ManagerStars.objects.get()
    assert (row.stars, row.score, row.n) == (None, None, 1)
    assert row.parts["time"]["n"] == 1


def test_a_manager_without_any_review_has_no_row():
    make_manager()
    assert compute_stars() == 0
    assert not ManagerStars.objects.exists()


def test_the_queries_are_as_many_for_one_manager_as_for_six():
    counts = []
    for more in (1, 5):
        for _n in range(more):
            manager = make_manager()
            close(manager)
            tell(make_match(status=MatchStatus.INTRODUCED, manager=manager), "demand")
        with CaptureQueriesContext(connection) as queries:
            compute_stars()
        counts.append(len(queries))
    # Profiles; reviews and checks in time; decisions, overturned; feedback, who introduced;
    # savepoint, lock, latest rows, new rows, release.
    assert counts == [12, 12]


# --- What is shown --------------------------------------------------------------------------------


@pytest.fixture
def rated():
    manager = make_manager(name="陈立")
    for _n in range(MINIMUM):
        close(manager)
    match = make_match(status=MatchStatus.INTRODUCED, manager=manager)
    tell(match, "demand", rating=5)
    compute_stars()
    return manager


def test_everybody_sees_the_stars_with_their_numbers(client, rated):
    page = client.get(reverse("manager_list")).content.decode()
    stars = ManagerStars.objects.get().stars.normalize()
    assert f"{stars} 星" in page
    assert "按时 100%" in page
    assert f"({MINIMUM + 1})" in page
    assert "评价 5.0" in page


def test_the_manager_sees_every_part_and_what_is_missing(client, rated):
    client.force_login(rated)
    page = client.get(reverse("manager_own")).content.decode()
    assert "按时答复的评审" in page
    assert "促成合同的引荐" in page
    assert "暂无数据，不计入" in page
    assert "公式第 1 版" in page


def test_of_too_few_reviews_the_manager_reads_how_many_are_needed(client):
    manager = make_manager()
    close(manager)
    compute_stars()
    client.force_login(manager)
    page = client.get(reverse("manager_own")).content.decode()
    assert f"已答复或超期的评审 1 件，满 {MINIMUM} 件后显示" in page
    assert "暂无星级" in client.get(reverse("manager_list")).content.decode()


@pytest.mark.parametrize("language", ["zh-hans", "en"])
def test_the_formula_is_published_with_every_figure_of_it(client, language):
    with translation.override(language):
        page = client.get(reverse("help_stars"), headers={"accept-language": language})
        text = page.content.decode()
        for part in FORMULA:
            assert str(part.label) in text
            assert part.say(part.prior) in text
    assert str(MINIMUM) in text
