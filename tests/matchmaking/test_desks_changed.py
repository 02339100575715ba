"""When a tie comes up or a manager may do no more, desks are tidied and filled."""

import pytest
from django.utils import timezone

from accounts.models import ManagerStatus
from accounts.signals import managers_changed, tell, ties_changed
from matchmaking import tasks
from matchmaking.models import Review
from matchmaking.workflow import MatchStatus, ReviewStatus
from tests.factories import make_demand, make_manager, make_match, make_review

pytestmark = pytest.mark.django_db


@pytest.fixture
def sent(monkeypatch):
    messages = []
    monkeypatch.setattr(tasks, "send", lambda task, *args: messages.append((task.name, args)))
    return messages


@pytest.mark.parametrize("signal", [ties_changed, managers_changed])
def test_a_change_of_a_manager_sends_one_message(sent, signal, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        tell(signal, [7, 3, 7])

    assert sent == [("matchmaking.tasks.tidy_desks", ([3, 7],))]


@pytest.mark.parametrize("named", [True, False])
def test_a_tie_takes_the_match_away_and_another_manager_gets_it(named):
    review = make_review()
    tied, other = review.manager, make_manager()
    tied.manager_profile.interests.create(organization=review.match.demand.owner, kind="interest")

    tasks.tidy_desks([tied.pk] if named else None)

    review.refresh_from_db()
    assert review.status == ReviewStatus.VOID
    assert Review.objects.open().get(match=review.match).manager == other


def test_a_suspended_managers_matches_and_checks_go_to_others():
    review = make_review()
    gone = review.manager
    check = make_demand(status="submitted").publications.get()
    check.manager, check.assigned_at = gone, timezone.now()
    check.save()
    gone.manager_profile.status = ManagerStatus.SUSPENDED
    gone.manager_profile.save()
    other = make_manager()

    tasks.tidy_desks([gone.pk])

    assert Review.objects.open().get(match=review.match).manager == other
    assert check.demand.publications.open().get().manager == other


def test_who_has_just_been_certified_gets_what_waits():
    match = make_match()
    manager = make_manager()

    tasks.tidy_desks([manager.pk])

    match.refresh_from_db()
    assert match.status == MatchStatus.IN_REVIEW


def test_tidying_twice_changes_nothing_more():
    review = make_review()
    make_manager()

    tasks.tidy_desks(None)
    tasks.tidy_desks(None)

    review.refresh_from_db()
    assert review.status == ReviewStatus.ASSIGNED and Review.objects.count() == 1
