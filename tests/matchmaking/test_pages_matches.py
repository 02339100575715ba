"""Matches as the two sides read and answer them, through the pages."""

from __future__ import annotations

import datetime as dt
import re

import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from pgvector import SparseVector

from accounts.models import Organization, User
from catalog.models import Demand
from matchmaking.models import (
    TERM_DIMENSIONS,
    Consent,
    DemandIndex,
    Match,
    MatchEvent,
)
from matchmaking.workflow import MatchStatus
from tests.factories import (
    make_achievement,
    make_demand,
    make_manager,
    make_match,
    make_member,
    make_operator,
    make_organization,
    make_review,
    make_user,
)
from tests.speaking import speak

pytestmark = pytest.mark.django_db

ENTERPRISE, UNIVERSITY = "恒轴轴承有限公司", "华东精工大学"


@pytest.fixture(autouse=True)
def _fresh_figures():
    cache.clear()


def enterprise() -> Organization:
    return make_organization(
        name=ENTERPRISE, name_en="Hengzhou Bearing Co., Ltd.", contact_name="周敏敏"
    )


def university() -> Organization:
    return make_organization(
        kind="university",
        name=UNIVERSITY,
        name_en="East Precision University",
        region="310000",
        contact_name="李岩岩",
        contact_phone="021-55520002",
        contact_email="office@ecpu.example",
    )


def make_pair(status: str = MatchStatus.APPROVED, **fields) -> Match:
    """Return a match between the two named organizations; its quote names the university."""
    manager = make_manager(name="陈立")
    text = f"{UNIVERSITY}研制，套圈淬火后圆度偏差 0.30 mm，联系 office@ecpu.example。"
    achievement = make_achievement(owner=university(), title=f"{UNIVERSITY}淬火工艺", body=text)
    demand = make_demand(owner=enterprise(), title="恒轴轴承的淬火变形")
    evidence = {
        "kind": "indicator",
        "name": "圆度变形",
        "requirement": {"op": "le", "value": "0.35", "high": "", "unit": "mm"},
        "stated": {"op": "eq", "value": "0.30", "high": "", "unit": "mm"},
        "hard": True,
        "verdict": "met",
        "quote": text,
        "marks": [[2, 8], [14, 26]],
        "source": {"kind": "body", "paragraph": 1},
        "gap": None,
    }
    pair = {
        "demand": "恒轴轴承需要小变形",
        "achievement": f"{UNIVERSITY}的变形小",
        "score": 0.9,
        "demand_marks": [[6, 8]],
        "achievement_marks": [],
    }
    return make_match(
        status=status,
        demand=demand,
        achievement=achievement,
        manager=manager if status != MatchStatus.SUGGESTED else None,
        **{"grid": [evidence], "pairs": [pair], "terms": ["淬火", UNIVERSITY], **fields},
    )


def log_in(client: Client, user: User) -> User:
    client.force_login(user)
    return user


def demand_side(match: Match, role: str = "owner") -> User:
    return make_member(match.demand.owner, role=role)


def achievement_side(match: Match, role: str = "owner") -> User:
    return make_member(match.achievement.owner, role=role)


def page(client: Client, url: str, status: int = 200) -> str:
    response = client.get(url)
    assert response.status_code == status
    return response.content.decode()


def consent_url(match: Match) -> str:
    return reverse("match_consent", args=[match.number])


# --- Blindness ----------------------------------------------------------------------------------

NAMES = {
    "demand": ("恒轴轴承", "Hengzhou", "周敏敏"),
    "achievement": (UNIVERSITY, "East Precision", "李岩岩", "office@ecpu.example", "55520002"),
}


@pytest.mark.parametrize("side", ["demand", "achievement"])
@pytest.mark.parametrize("language", ["zh-hans", "en"])
@pytest.mark.parametrize(
    "status",
    [MatchStatus.SUGGESTED, MatchStatus.IN_REVIEW, MatchStatus.APPROVED, MatchStatus.REJECTED],
)
def test_no_page_names_the_other_side_before_the_introduction(client, side, language, status):
    match = make_pair(status)
    for name in ("suggested", "approved"):
        MatchEvent.objects.create(
            match=match, verb=name, after=status, note=f"{UNIVERSITY} {ENTERPRISE}"
        )
    log_in(client, demand_side(match) if side == "demand" else achievement_side(match))
    speak(client, language)
    own = match.listing(side).number
    other = "achievement" if side == "demand" else "demand"

    for url in (
        reverse(f"{side}_matches", args=[own]),
        reverse("match_detail", args=[match.number]),
        consent_url(match),
        reverse("my_answers"),
        reverse("home"),
    ):
        html = page(client, url)
        # The listing's own title is its owner's affair; catalog checks it before publication.
        if url != reverse("home"):
            for name in NAMES[other]:
                assert name not in html, (url, name)


@pytest.mark.parametrize("side", ["demand", "achievement"])
def test_both_sides_are_named_with_contacts_once_they_are_introduced(client, side):
    match = make_pair(MatchStatus.INTRODUCED)
    log_in(client, demand_side(match) if side == "demand" else achievement_side(match))
    other = match.achievement.owner if side == "demand" else match.demand.owner

    html = page(client, reverse("match_detail", args=[match.number]))

    for known in (other.name, other.contact_name, other.contact_phone, other.contact_email):
        assert known in html


def test_marks_stay_on_their_words_when_a_name_before_them_is_hidden(client):
    match = make_pair()
    log_in(client, demand_side(match))

    html = page(client, reverse("match_detail", args=[match.number]))

    assert "［名称已隐去］研制，套圈" in re.sub(r"</?mark>", "", html)
    assert "<mark>圆度偏差 0.30 mm</mark>" in html


def test_hostile_texts_are_shown_as_text(client):
    match = make_pair()
    grid = match.grid
    grid[0]["quote"] = "<script>alert(1)</script> & 0.30 mm"
    grid[0]["marks"] = [[0, 8], [500, 900], [-5, 3]]
    Match.objects.filter(pk=match.pk).update(grid=grid)
    log_in(client, demand_side(match))

    html = page(client, reverse("match_detail", args=[match.number]))

    assert "<script>alert" not in html
    assert "&lt;script&gt;</mark>" in html


# --- Who may open what --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("who", "code"),
    [
        ("demand side", 200),
        ("achievement side", 200),
        ("viewer", 200),
        ("manager", 200),
        ("operator", 200),
        ("stranger", 404),
        ("other manager", 404),
        ("waiting member", 404),
        ("visitor", 302),
    ],
)
def test_a_match_is_open_to_its_sides_its_manager_and_operators(client, who, code):
    match = make_pair()
    review = match.reviews.get()
    waiting = make_user()
    waiting.memberships.create(organization=match.demand.owner, role="viewer", is_active=False)
    people = {
        "demand side": lambda: demand_side(match),
        "achievement side": lambda: achievement_side(match),
        "viewer": lambda: demand_side(match, "viewer"),
        "manager": lambda: review.manager,
        "operator": make_operator,
        "stranger": make_member,
        "other manager": make_manager,
        "waiting member": lambda: waiting,
    }
    if who in people:
        log_in(client, people[who]())

    assert client.get(reverse("match_detail", args=[match.number])).status_code == code


@pytest.mark.parametrize(
    "number", ["M-20261109-9999", "M-1-1", "XQ-2026-0001", "M-20261399-0001", "M-00000000-0000"]
)
@pytest.mark.parametrize(
    "name", ["match_detail", "match_consent", "match_review", "match_conflict", "match_refer"]
)
def test_a_forged_number_is_not_found(client, name, number):
    log_in(client, make_manager())

    assert client.get(reverse(name, args=[number])).status_code == 404


def test_a_number_with_another_day_is_not_found(client):
    match = make_pair()
    log_in(client, demand_side(match))
    forged = match.number.replace("M-2", "M-1")

    assert client.get(reverse("match_detail", args=[forged])).status_code == 404


@pytest.mark.parametrize(
    ("who", "code"),
    [("owner", 200), ("viewer", 200), ("operator", 200), ("other side", 403), ("manager", 403)],
)
def test_the_matches_of_a_listing_are_its_own_sides(client, who, code):
    match = make_pair()
    people = {
        "owner": lambda: demand_side(match),
        "viewer": lambda: demand_side(match, "viewer"),
        "operator": make_operator,
        "other side": lambda: achievement_side(match),
        "manager": make_manager,
    }
    log_in(client, people[who]())

    response = client.get(reverse("demand_matches", args=[match.demand.number]))

    assert response.status_code == code


def test_the_matches_of_a_hidden_listing_are_not_found(client):
    demand = make_demand(status="draft")
    log_in(client, make_member())

    assert client.get(reverse("demand_matches", args=[demand.number])).status_code == 404


def test_a_withdrawn_listing_is_no_longer_shown_to_the_other_side(client):
    match = make_pair(MatchStatus.SUPERSEDED, is_touched=True)
    type(match.achievement).objects.filter(pk=match.achievement_id).update(status="withdrawn")
    log_in(client, demand_side(match))

    for url in (
        reverse("match_detail", args=[match.number]),
        reverse("demand_matches", args=[match.demand.number]) + "?tab=ended",
        consent_url(match),
    ):
        html = page(client, url)
        assert "淬火工艺" not in html
        assert "圆度偏差 0.30" not in html


# --- Matches of a listing -----------------------------------------------------------------------


def index_of(demand: Demand, **fields) -> DemandIndex:
    words = SparseVector({1: 1.0}, TERM_DIMENSIONS)
    values = {
        "version": demand.version,
        "digest": "x",
        "terms": words,
        "member_terms": words,
        "public_terms": words,
        "query_terms": words,
        "matched_version": demand.version,
        "matched_at": timezone.now(),
        "compared": 1344,
        **fields,
    }
    return DemandIndex.objects.create(listing=demand, **values)


def test_the_page_asks_again_until_the_engine_is_done(client):
    demand = make_demand()
    log_in(client, make_member(demand.owner))
    url = reverse("demand_matches", args=[demand.number])

    waiting = page(client, url)
    assert 'hx-trigger="every 1s"' in waiting
    assert f'href="{url}"' in waiting  # for those without JavaScript

    index = index_of(demand, matched_version=0, matched_at=None)
    part = client.get(url, headers={"HX-Request": "true", "HX-Target": "matches"})
    assert part.status_code == 200
    assert "<html" not in part.content.decode()
    assert 'hx-trigger="every 1s"' in part.content.decode()

    DemandIndex.objects.filter(pk=index.pk).update(
        matched_version=demand.version, matched_at=timezone.now()
    )
    make_match(demand=demand)
    done = client.get(url, headers={"HX-Request": "true", "HX-Target": "matches"})
    assert "hx-trigger" not in done.content.decode()
    assert "双感应器同步淬火成套工艺" in done.content.decode()


def test_an_empty_list_says_with_how_many_it_was_compared(client):
    demand = make_demand()
    index_of(demand)
    log_in(client, make_member(demand.owner))

    html = page(client, reverse("demand_matches", args=[demand.number]))

    assert "比对了 1344 项成果，没有足够接近的" in html
    assert "hx-trigger" not in html


def test_a_text_that_cannot_be_compared_says_why(client):
    demand = make_demand()
    index_of(demand, problem="没有可比对的文字", matched_version=0)
    log_in(client, make_member(demand.owner))

    html = page(client, reverse("demand_matches", args=[demand.number]))

    assert "没有可比对的文字" in html
    assert "hx-trigger" not in html


def test_only_approved_matches_have_buttons(client):
    match = make_pair(MatchStatus.IN_REVIEW)
    log_in(client, demand_side(match))
    url = reverse("demand_matches", args=[match.demand.number])

    html = page(client, url)
    assert "某高校" in html
    assert "满足 1" in html
    assert consent_url(match) not in html

    Match.objects.filter(pk=match.pk).update(status=MatchStatus.APPROVED)
    assert consent_url(match) in page(client, url)


def test_a_viewer_reads_but_is_not_offered_an_answer(client):
    match = make_pair()
    log_in(client, demand_side(match, "viewer"))

    assert consent_url(match) not in page(
        client, reverse("demand_matches", args=[match.demand.number])
    )


def test_the_tabs_hold_what_they_count(client):
    demand = make_demand()
    index_of(demand)
    user = log_in(client, make_member(demand.owner))
    made = {
        status: make_match(status=status, demand=demand, manager=None)
        for status in MatchStatus.values
    }
    answered = make_match(status=MatchStatus.APPROVED, demand=demand)
    Consent.objects.create(match=answered, side="demand", agreed=True, user=user)
    url = reverse("demand_matches", args=[demand.number])

    expected = {
        "answer": {made["approved"]},
        "waiting": {answered},
        "review": {made["suggested"], made["in_review"]},
        "introduced": {made["introduced"]},
        # What was replaced before anybody looked at it is no news.
        "ended": {made["rejected"], made["declined"], made["lapsed"]},
    }
    for tab, matches in expected.items():
        response = client.get(url, {"tab": tab})
        assert {card.match for card in response.context["cards"]} == matches
        assert response.context["counts"][tab] == len(matches)


def test_the_narrow_requirement_is_named(client):
    demand = make_demand()
    index_of(demand)
    log_in(client, make_member(demand.owner))
    row = make_match(demand=demand, status=MatchStatus.SUGGESTED).grid[0]
    for _number in range(2):
        make_match(
            demand=demand,
            status=MatchStatus.SUGGESTED,
            grid=[{**row, "verdict": "unmet", "gap": {"value": 0.06, "unit": "mm", "percent": 17}}],
        )

    html = page(client, reverse("demand_matches", args=[demand.number]))

    assert "1 / 3" in html
    assert "“圆度变形”最窄：3 项里只有 1 项满足" in html
    assert "差在：圆度变形" in html
    assert "0.06\xa0mm" in html


@pytest.mark.parametrize("name", ["demand_matches", "my_answers"])
def test_a_list_of_matches_costs_the_same_for_one_and_for_twenty(client, name):
    demand = make_demand()
    index_of(demand)
    manager = make_manager()
    log_in(client, make_member(demand.owner))
    url = reverse(name, args=[demand.number] if name == "demand_matches" else [])

    def cost() -> int:
        with CaptureQueriesContext(
            connection,
        ) as queries:
            page(client, url)
        return len(queries)

    make_match(status=MatchStatus.APPROVED, demand=demand, manager=manager)
    page(client, url)
    one = cost()
    for _number in range(19):
        make_match(status=MatchStatus.APPROVED, demand=demand, manager=manager)

    assert cost() == one
    # Session, user, then of the list: listing, side, tabs, page, consents, reviews, index,
    # progress, narrowing, may edit; of the top bar: memberships, manager, counts.
    assert one <= 24


def test_a_match_costs_the_same_whatever_its_grid_holds(client):
    match = make_pair()
    log_in(client, demand_side(match))
    url = reverse("match_detail", args=[match.number])
    page(client, url)
    with CaptureQueriesContext(connection) as few:
        page(client, url)
    Match.objects.filter(pk=match.pk).update(grid=match.grid * 20, pairs=match.pairs * 3)
    with CaptureQueriesContext(connection) as many:
        page(client, url)

    assert len(many) == len(few) <= 26


# --- Answers ------------------------------------------------------------------------------------


def test_the_second_yes_introduces_both(client):
    match = make_pair()
    log_in(client, demand_side(match))
    response = client.post(consent_url(match), {"answer": "agree"}, follow=True)
    assert "已记录" in response.content.decode()
    match.refresh_from_db()
    assert match.status == MatchStatus.APPROVED
    assert UNIVERSITY not in response.content.decode()

    other = Client()
    log_in(other, achievement_side(match))
    response = other.post(consent_url(match), {"answer": "agree"}, follow=True)

    match.refresh_from_db()
    assert match.status == MatchStatus.INTRODUCED
    html = response.content.decode()
    assert "双方都已同意" in html
    assert ENTERPRISE in html
    assert match.demand.owner.contact_phone in html


def test_a_no_with_a_reason_ends_the_match_and_tells_the_other_side_why(client):
    match = make_pair()
    log_in(client, demand_side(match))
    client.post(
        consent_url(match), {"answer": "decline", "reason": "price", "note": "超出今年的预算"}
    )

    match.refresh_from_db()
    assert match.status == MatchStatus.DECLINED
    other = Client()
    log_in(other, achievement_side(match))
    html = page(other, reverse("match_detail", args=[match.number]))
    assert "价格" in html
    assert "恒轴" not in html


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({}, "错误"),
        ({"answer": "perhaps"}, "错误"),
        ({"answer": "decline"}, "请写明原因"),
        ({"answer": "decline", "reason": "bribe"}, "错误"),
        ({"answer": "decline", "reason": "other"}, "请用一句话写明理由"),
        ({"answer": "agree", "note": "我们是恒轴轴承"}, "请删去"),
        ({"answer": "agree", "note": "打 021-55520002"}, "请删去"),
        ({"answer": "agree", "note": "长" * 1001}, "错误"),
    ],
)
def test_an_incomplete_answer_is_refused_with_a_sentence(client, data, said):
    match = make_pair()
    log_in(client, demand_side(match))

    response = client.post(consent_url(match), data)

    assert response.status_code == 200
    assert said in response.content.decode()
    match.refresh_from_db()
    assert match.status == MatchStatus.APPROVED
    assert not Consent.objects.exists()


@pytest.mark.parametrize(
    ("who", "code"), [("viewer", 403), ("manager", 403), ("operator", 403), ("stranger", 404)]
)
def test_nobody_else_answers_for_a_side(client, who, code):
    match = make_pair()
    people = {
        "viewer": lambda: demand_side(match, "viewer"),
        "manager": lambda: match.reviews.get().manager,
        "operator": make_operator,
        "stranger": make_member,
    }
    log_in(client, people[who]())

    assert client.post(consent_url(match), {"answer": "agree"}).status_code == code
    assert not Consent.objects.exists()
    match.refresh_from_db()
    assert match.status == MatchStatus.APPROVED


def test_a_second_answer_of_the_same_side_is_refused(client):
    match = make_pair()
    user = log_in(client, demand_side(match))
    Consent.objects.create(match=match, side="demand", agreed=True, user=user)

    response = client.post(consent_url(match), {"answer": "decline", "reason": "price"})

    assert response.status_code == 409
    assert 'role="alert"' in response.content.decode()
    match.refresh_from_db()
    assert match.status == MatchStatus.APPROVED
    assert Consent.objects.get().agreed


@pytest.mark.parametrize(
    "status", [MatchStatus.SUGGESTED, MatchStatus.IN_REVIEW, MatchStatus.LAPSED]
)
def test_a_match_that_is_not_approved_takes_no_answer(client, status):
    match = make_pair(status)
    log_in(client, demand_side(match))

    response = client.post(consent_url(match), {"answer": "agree", "note": "很好"})

    assert response.status_code == 409
    assert "很好" in response.content.decode()
    assert not Consent.objects.exists()
    match.refresh_from_db()
    assert match.status == status


def test_a_frozen_match_takes_no_answer(client):
    match = make_pair(is_frozen=True)
    log_in(client, demand_side(match))

    assert client.post(consent_url(match), {"answer": "agree"}).status_code == 409
    assert not Consent.objects.exists()


def test_the_consent_page_shows_one_question_and_what_is_disclosed(client):
    match = make_pair()
    log_in(client, achievement_side(match))

    html = page(client, consent_url(match) + "?answer=agree")

    assert "同意与“某企业" in html
    assert match.achievement.owner.contact_phone in html  # one's own, which they would learn
    assert re.search(r'value="agree"\s+required\s+checked', html)


def test_my_answers_lists_what_waits_by_deadline(client):
    user = log_in(client, make_member())
    owner = user.organizations.get()
    today = timezone.localdate()
    later = make_match(
        status=MatchStatus.APPROVED,
        demand=make_demand(owner=owner),
        due_on=today + dt.timedelta(days=9),
    )
    sooner = make_match(
        status=MatchStatus.APPROVED,
        achievement=make_achievement(owner=owner),
        due_on=today + dt.timedelta(days=2),
    )
    answered = make_match(status=MatchStatus.APPROVED, demand=make_demand(owner=owner))
    Consent.objects.create(match=answered, side="demand", agreed=True, user=user)
    make_match(status=MatchStatus.APPROVED)

    response = client.get(reverse("my_answers"))

    assert [card.match for card in response.context["cards"]] == [sooner, later]
    assert [card.side for card in response.context["cards"]] == ["achievement", "demand"]


def test_an_empty_list_of_answers_says_what_will_come(client):
    log_in(client, make_member())

    assert "没有等你答复的事" in page(client, reverse("my_answers"))


def test_the_review_by_a_manager_is_shown_with_the_managers_name(client):
    match = make_pair()
    make_review(match=match, status="declined")
    log_in(client, demand_side(match))

    html = page(client, reverse("match_detail", args=[match.number]))

    assert "硬指标已有试件数据" in html
    assert "陈立（高级技术经理人）" in html
