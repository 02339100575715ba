"""Each side says what came of an introduction, and rates the manager; the last answer counts."""

import datetime as dt

import pytest
from django.core.exceptions import ValidationError
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.inbox import Notification
from accounts.models import MembershipRole
from accounts.workdays import add_working_days
from matchmaking.models import Feedback, Match
from matchmaking.permissions import ConflictOfInterest
from matchmaking.services.feedback import feedback_due, give_feedback
from matchmaking.workflow import IllegalMove, MatchStatus, Side
from tests.factories import make_manager, make_match, make_member, make_operator

pytestmark = pytest.mark.django_db


@pytest.fixture
def manager():
    return make_manager()


@pytest.fixture
def match(manager):
    return make_match(status=MatchStatus.INTRODUCED, manager=manager)


def give(match, side=Side.DEMAND, actor=None, **fields):
    values = {"rating": 4, "contract": "talking", "note": "", **fields}
    actor = actor or make_member(match.listing(side).owner)
    return give_feedback(match=match, side=side, actor=actor, **values)


def refuses(error, call):
    before = list(Feedback.objects.values())
    with pytest.raises(error) as caught:
        call()
    assert list(Feedback.objects.values()) == before
    return caught.value


def test_each_side_speaks_for_itself_and_the_last_answer_counts(match):
    give(match, note="还在谈价格")
    give(match, Side.ACHIEVEMENT, rating=5)
    colleague = make_member(match.demand.owner, MembershipRole.EDITOR)
    given = give(match, actor=colleague, rating=2, contract="signed")
    assert Feedback.objects.count() == 2
    given.refresh_from_db()
    assert (given.rating, given.contract, given.note, given.user) == (2, "signed", "", colleague)
    assert given.updated_at > given.created_at


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"rating": 0}, "rating"),
        ({"rating": 6}, "rating"),
        ({"rating": True}, "rating"),
        ({"contract": "married"}, "contract"),
        ({"contract": ""}, "contract"),
        ({"note": "为" * 1001}, "note"),
    ],
)
def test_stars_are_one_to_five_and_the_outcome_one_of_three(match, fields, field):
    assert field in refuses(ValidationError, lambda: give(match, **fields)).message_dict


@pytest.mark.parametrize("status", [one for one in MatchStatus if one != MatchStatus.INTRODUCED])
def test_only_after_the_introduction(status):
    refuses(IllegalMove, lambda: give(make_match(status=status)))


def test_only_who_writes_for_the_side(match, manager):
    for person in (
        manager,
        make_operator(),
        make_member(),
        make_member(match.achievement.owner),
        make_member(match.demand.owner, MembershipRole.VIEWER),
    ):
        refuses(ConflictOfInterest, lambda person=person: give(match, actor=person))


# --- Being asked --------------------------------------------------------------------------------


def introduced(match, day):
    Match.objects.filter(pk=match.pk).update(
        introduced_at=timezone.make_aware(dt.datetime.combine(day, dt.time(12)))
    )


def days_ago(count):
    """Return the latest day whose `count`-th following working day has come."""
    day = timezone.localdate()
    while add_working_days(day, count) > timezone.localdate():
        day -= dt.timedelta(days=1)
    return day


def test_both_sides_are_asked_after_twenty_working_days_and_once(match):
    people = {make_member(match.demand.owner).pk, make_member(match.achievement.owner).pk}
    make_member(match.demand.owner, MembershipRole.VIEWER)
    introduced(match, days_ago(20) + dt.timedelta(days=1))
    assert feedback_due(100) == 0
    introduced(match, days_ago(20))
    assert feedback_due(100) == 2
    assert feedback_due(100) == 0
    asked = Notification.objects.filter(kind="feedback.asked")
    assert set(asked.values_list("user", flat=True)) == people


def test_who_has_said_so_already_is_not_asked(match):
    give(match)
    make_member(match.achievement.owner)
    introduced(match, days_ago(20))
    assert feedback_due(100) == 1


def test_a_limit_leaves_the_rest_to_the_next_run(manager):
    for _ in range(3):
        match = make_match(status=MatchStatus.INTRODUCED, manager=manager)
        make_member(match.demand.owner)
        introduced(match, days_ago(20))
    assert [feedback_due(2), feedback_due(2), feedback_due(2)] == [2, 1, 0]


def test_nobody_is_asked_about_last_year(match):
    make_member(match.demand.owner)
    introduced(match, days_ago(20) - dt.timedelta(days=30))
    assert feedback_due(100) == 0


# --- Pages --------------------------------------------------------------------------------------


def client_of(person):
    client = Client()
    client.force_login(person)
    return client


def page(match, name="match_feedback"):
    return reverse(name, args=[match.number])


def test_a_link_leads_to_the_page_and_what_was_said_can_be_changed(match):
    mine = client_of(make_member(match.demand.owner))
    assert page(match) in mine.get(page(match, "match_detail")).content.decode()
    form = {"rating": "5", "contract": "talking", "note": "沟通很顺"}
    assert mine.post(page(match), form).status_code == 302
    shown = mine.get(page(match)).content.decode()
    assert "沟通很顺" in shown
    assert mine.post(page(match), form | {"contract": "signed"}).status_code == 302
    assert Feedback.objects.get().contract == "signed"


def test_neither_the_manager_nor_the_other_side_reads_one_rating(match, manager):
    give(match, note="这一句只给运营人员", rating=1)
    for person in (manager, make_member(match.achievement.owner)):
        client = client_of(person)
        for name in ("match_detail", "match_review", "match_feedback"):
            assert "这一句只给运营人员" not in client.get(page(match, name)).content.decode()


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"rating": "9", "contract": "signed"},
        {"rating": "five", "contract": "signed"},
        {"rating": "5"},
        {"rating": "5", "contract": "signed", "note": "为" * 10_000},
        {"rating": "5", "contract": "<script>"},
    ],
)
def test_a_wrong_form_comes_back(match, form):
    answer = client_of(make_member(match.demand.owner)).post(page(match), form)
    assert answer.status_code == 200 and "kq-errors" in answer.content.decode()
    assert not Feedback.objects.exists()


def test_before_the_introduction_there_is_nothing_to_say():
    match = make_match(status=MatchStatus.APPROVED)
    mine = client_of(make_member(match.demand.owner))
    assert 'name="rating"' not in mine.get(page(match)).content.decode()
    assert mine.post(page(match), {"rating": "5", "contract": "signed"}).status_code == 409
    text = mine.get(page(match)).content.decode()
    assert match.achievement.owner.name not in text


def test_who_opens_the_page(match, manager):
    viewer = client_of(make_member(match.demand.owner, MembershipRole.VIEWER))
    assert 'name="rating"' not in viewer.get(page(match)).content.decode()
    form = {"rating": "5", "contract": "signed"}
    assert viewer.post(page(match), form).status_code == 403
    for person, code in ((manager, 403), (make_operator(), 403), (make_member(), 404)):
        assert client_of(person).get(page(match)).status_code == code
        assert client_of(person).post(page(match), form).status_code == code
    assert not Feedback.objects.exists()
