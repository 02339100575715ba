"""Wrong input to the review of a match: a sentence, the right code, and nothing changed."""

import datetime as dt

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import ManagerInterest, ManagerStatus, Membership
from catalog.services.reasons import retire_reason
from matchmaking.models import Match, Review
from matchmaking.workflow import MatchStatus, ReviewStatus
from tests.factories import (
    make_achievement,
    make_demand,
    make_manager,
    make_match,
    make_member,
    make_operator,
    make_organization,
    make_review,
)
from tests.matchmaking.test_reviews import state, submit

M, R = MatchStatus, ReviewStatus
pytestmark = pytest.mark.django_db

GOOD = {
    "action": "decide",
    "decision": "reject",
    "reasons": ["indicator_gap"],
    "comment": "圆度要求差得比较多。",
    "no_interest": "on",
    "criteria_fit": "1",
    "criteria_maturity": "3",
    "criteria_terms": "3",
    "criteria_credibility": "2",
    "remark-indicator:1": "试件只有一个批次。",
}


def make_open(status=R.ACCEPTED):
    match = make_match(
        status=M.IN_REVIEW,
        demand=make_demand(owner=make_organization(name="恒轴轴承有限公司")),
        achievement=make_achievement(
            owner=make_organization(name="华东精工大学", kind="university")
        ),
    )
    return make_review(match=match, status=status)


@pytest.fixture
def review(client):
    found = make_open()
    client.force_login(found.manager)
    return found


def url_of(review, name="match_review"):
    return reverse(name, args=[review.match.number])


def test_what_is_right_is_taken(client, review):
    """Each refusal below is for the one thing that it changes in this."""
    assert client.post(url_of(review), GOOD).status_code == 302

    review.refresh_from_db()
    assert review.status == R.SUBMITTED and review.stated_at is not None
    assert review.criteria == {"fit": 1, "maturity": 3, "terms": 3, "credibility": 2}
    assert review.remarks == {"indicator:1": "试件只有一个批次。"}
    assert review.suggested["fit"] == 5
    assert Match.objects.get().status == M.REJECTED


@pytest.mark.parametrize(
    "change",
    [
        {"decision": ""},
        {"decision": "approve"},  # the reason is one of a rejection
        {"decision": "maybe"},
        {"decision": "approve\x00"},
        {"reasons": []},
        {"reasons": ["nonsense"]},
        {"reasons": ["indicator_gap", "nonsense"]},
        {"reasons": ["vague"]},  # of listings
        {"reasons": ["no_evidence"]},  # retired below
        {"reasons": ["other"], "comment": ""},
        {"reasons": ["other"], "comment": " \u3000\n"},
        {"reasons": ["indicator_gap' OR 1=1"]},
        {"comment": "长" * 2001},
        {"comment": "恒轴轴承的条件合适"},
        {"comment": "华东 精工 大学"},
        {"no_interest": ""},
        {"criteria_fit": ""},
        {"criteria_fit": "-1"},
        {"criteria_fit": "6"},
        {"criteria_fit": "2.5"},
        {"criteria_fit": "five"},
        {"criteria_fit": "9" * 400},
        {"criteria_fit": "NaN"},
        {"criteria_fit": "1e3"},
        {"criteria_credibility": "<b>5</b>"},
        {"remark-indicator:1": "长" * 301},
        {"remark-indicator:1": "恒轴轴承说可以放宽"},
        {"remark-indicator:2": "没有这一行"},
        {"remark-": "没有这一行"},
        {"remark-__proto__": "没有这一行"},
    ],
)
def test_each_wrong_entry_gets_its_sentence_and_nothing_is_half_saved(client, review, change):
    retire_reason(actor=make_operator(), subject="match", code="no_evidence")
    before = state(review.match)

    response = client.post(url_of(review), {**GOOD, **change})

    html = response.content.decode()
    assert response.status_code == 422
    assert 'role="alert"' in html
    assert state(review.match) == before


@pytest.mark.parametrize("missing", [name for name in GOOD if not name.startswith("remark")])
def test_what_is_missing_is_asked_for(client, review, missing):
    posted = {name: value for name, value in GOOD.items() if name != missing}
    before = state(review.match)

    response = client.post(url_of(review), posted)

    if missing in ("comment", "action"):  # a comment is optional; a decision is the only action
        assert response.status_code == 302
    else:
        assert response.status_code == 422
        assert state(review.match) == before


def test_an_empty_form_names_everything(client, review):
    html = client.post(url_of(review), {}).content.decode()

    for text in ("请选择决定", "技术契合", "成熟与可行", "合作条件", "可信与紧迫", "利益关系"):
        assert text in html


def test_what_was_typed_is_kept(client, review):
    html = client.post(url_of(review), {**GOOD, "reasons": []}).content.decode()

    assert GOOD["comment"] in html and GOOD["remark-indicator:1"] in html
    assert 'value="reject"' in html


def test_asking_and_referring_lead_to_their_pages_and_decide_nothing(client, review):
    before = state(review.match)

    for choice, page in (("ask", "match_ask"), ("refer", "match_refer")):
        response = client.post(url_of(review), {**GOOD, "decision": choice})
        assert response.status_code == 302
        assert response.url == url_of(review, page)
        # Within a filter, so that what comes after is the next match of that list.
        response = client.post(
            url_of(review) + "?show=second&nonsense=1", {**GOOD, "decision": choice}
        )
        assert response.url == url_of(review, page) + "?show=second"

    assert state(review.match) == before


# --- Not from this state ------------------------------------------------------------------------


def withdrawn(review):
    type(review.match.demand).objects.update(status="withdrawn")


def expired(review):
    day = timezone.localdate() - dt.timedelta(days=1)
    type(review.match.achievement).objects.update(valid_until=day)


def frozen(review):
    Match.objects.update(is_frozen=True)


def decided(review):
    submit(review)


def timed_out(review):
    Review.objects.update(status=R.NO_RESPONSE)
    Match.objects.update(status=M.SUGGESTED)


def voided(review):
    Review.objects.update(status=R.VOID)
    Match.objects.update(status=M.SUGGESTED)


def elsewhere(review):
    Review.objects.update(status=R.CANCELLED)
    make_review(match=review.match, status=R.ACCEPTED)


def superseded(review):
    Review.objects.update(status=R.CANCELLED)
    Match.objects.update(status=M.SUPERSEDED)


def not_taken_on(review):
    Review.objects.update(status=R.ASSIGNED)


@pytest.mark.parametrize(
    "meanwhile",
    [
        *(withdrawn, expired, frozen, decided, timed_out, voided, elsewhere, superseded),
        not_taken_on,
    ],
)
def test_a_stale_page_gets_a_plain_sentence_and_the_text_back(client, review, meanwhile):
    client.get(url_of(review))
    meanwhile(review)
    before = state(review.match)

    response = client.post(url_of(review), GOOD)

    html = response.content.decode()
    assert response.status_code == 409
    assert 'role="alert"' in html and GOOD["comment"] in html
    assert state(review.match) == before


def test_the_same_click_twice_decides_once(client, review):
    assert client.post(url_of(review), GOOD).status_code == 302
    before = state(review.match)

    assert client.post(url_of(review), GOOD).status_code == 409

    assert state(review.match) == before


def test_the_back_button_after_an_undo_decides_anew_and_says_so_only_once(client, review):
    client.post(url_of(review), GOOD)
    assert client.post(url_of(review, "match_undo")).status_code == 302
    assert client.post(url_of(review, "match_undo")).status_code == 409

    assert client.post(url_of(review), GOOD).status_code == 302
    assert review.match.events.filter(verb="rejected").count() == 2
    assert Review.objects.filter(status=R.SUBMITTED).count() == 1


# --- Not for them -------------------------------------------------------------------------------


def suspended(review):
    review.manager.manager_profile.status = ManagerStatus.SUSPENDED
    review.manager.manager_profile.save()


def member(review):
    Membership.objects.create(
        user=review.manager, organization=review.match.demand.owner, role="viewer", is_active=True
    )


def interested(review):
    ManagerInterest.objects.create(
        profile=review.manager.manager_profile,
        organization=review.match.achievement.owner,
        kind="employment",
    )


def same_domain(review):
    owner = review.match.demand.owner
    owner.contact_email = "office@hengzhou-bearing.example"
    owner.save()
    review.manager.email = "me@hengzhou-bearing.example"
    review.manager.save()


def same_phone(review):
    owner = review.match.achievement.owner
    owner.contact_phone = "+86 571-5551 0001"
    owner.save()
    review.manager.phone = "057155510001"
    review.manager.save()


@pytest.mark.parametrize("why", [suspended, member, interested, same_domain, same_phone])
@pytest.mark.parametrize("posted", [GOOD, {"action": "accept"}, {}])
def test_who_may_judge_it_no_more_is_refused_and_reads_no_name(client, review, why, posted):
    why(review)
    before = state(review.match)

    response = client.post(url_of(review), posted)

    assert response.status_code == 403
    html = response.content.decode()
    assert "恒轴轴承" not in html and "华东精工" not in html
    assert state(review.match) == before


@pytest.mark.parametrize("name", ["match_review", "match_undo"])
def test_a_review_of_somebody_else_is_not_there(client, review, name):
    number = review.match.number
    day, place = number[2:10], number[11:]
    forged = [f"M-{day}-{int(place) + 1:04d}", f"M-19990101-{place}", "M-0", "../etc", "1 OR 1=1"]
    people = {
        make_manager(): 404,
        make_member(): 404,
        make_member(review.match.demand.owner): 403,
        make_operator(): 403,
    }
    before = state(review.match)

    for person, code in people.items():
        other = Client()
        other.force_login(person)
        assert other.post(url_of(review, name), GOOD).status_code == code
    for wrong in forged:
        if "/" in wrong:
            continue
        assert client.post(reverse(name, args=[wrong]), GOOD).status_code == 404

    assert state(review.match) == before


@pytest.mark.parametrize("to", ["oneself", "suspended", "tied", "nobody", "words", "had it"])
def test_a_referral_to_a_forged_manager_is_refused(client, review, to):
    colleague = make_manager()
    profile = colleague.manager_profile
    value = profile.pk
    if to == "oneself":
        value = review.manager.manager_profile.pk
    elif to == "suspended":
        profile.status = ManagerStatus.SUSPENDED
        profile.save()
    elif to == "tied":
        ManagerInterest.objects.create(
            profile=profile, organization=review.match.demand.owner, kind="interest"
        )
    elif to == "nobody":
        value = 99_999_999
    elif to == "words":
        value = "1; DROP TABLE"
    else:
        make_review(match=review.match, manager=colleague, status=R.DECLINED)
    before = state(review.match)

    response = client.post(url_of(review, "match_refer"), {"to": value, "note": "更懂热处理"})

    assert response.status_code in (200, 422)
    assert "<form" in response.content.decode() or "没有" in response.content.decode()
    assert state(review.match) == before
