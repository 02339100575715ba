"""A listing's quality is judged in words, and what says nearly the same is found."""

import datetime as dt

import pytest
from django.urls import reverse
from django.utils import timezone, translation

from catalog import duplicates
from catalog.models import Achievement, Demand, ListingSignature
from catalog.quality import ENOUGH, PARTS, assess
from catalog.services import publishing
from catalog.tasks import sign_listings
from tests.factories import make_achievement, make_demand, make_manager, make_member, make_user

TEXT = {
    "title": "大型轴承套圈淬火变形控制",
    "summary": "直径 2 m 以上的套圈整圈淬火后变形大，求减小圆度偏差的工艺，节拍不能变长。",
    "body": "现用分段中频淬火，接头处存在软带，淬火后圆度偏差超过 1.2 mm，磨削余量大。" * 5,
}
TODAY = dt.date(2026, 11, 22)


def row(name, unit="mm", hard=False):
    return {"name": name, "op": "le", "value": "1", "high": "", "unit": unit, "hard": hard}


def fields(advice):
    return [one.field for one in advice]


def test_the_parts_make_a_hundred():
    assert sum(PARTS.values()) == 100
    for listing in (Demand(), Achievement()):
        empty = assess(listing, today=TODAY)
        assert empty.score <= 20
        assert set(empty.parts) == set(PARTS)
        assert sum(empty.parts.values()) == pytest.approx(empty.score, abs=2)


def test_more_of_what_helps_is_never_worse():
    demand = Demand(valid_until=dt.date(2027, 5, 1))
    last = assess(demand, today=TODAY).score
    for name, value in {
        **TEXT,
        "industry": "C3451",
        "keywords": ["淬火", "轴承", "变形"],
        "indicators": [row("a"), row("b"), row("c", hard=True)],
        "process": "8 kHz 分段淬火，每圈 14 段，比传统工艺慢 20 %。",
        "tried": "柔性支撑，变形只少了 0.1 mm。",
        "money_max": 3_800_000,
        "trl": 7,
        "ipc": ["C21D"],
    }.items():
        setattr(demand, name, value)
        score = assess(demand, today=TODAY).score
        assert score >= last, name
        last = score
    assert last >= 80


def test_advice_names_the_field_and_what_it_brings():
    quality = assess(Demand(**TEXT, valid_until=dt.date(2027, 5, 1)), today=TODAY)
    assert quality.advice[0].field == "indicators"
    assert [one.gain for one in quality.advice] == sorted(
        (one.gain for one in quality.advice), reverse=True
    )
    for one in quality.advice:
        assert Demand._meta.get_field(one.field)
    with translation.override("en"):
        english = assess(Demand(**TEXT), today=TODAY).advice[0].text
    with translation.override("zh-hans"):
        chinese = assess(Demand(**TEXT), today=TODAY).advice[0].text
    assert english.isascii() is True or "“" in english
    assert not chinese.isascii()


def test_what_is_old_or_copied_is_worth_less():
    demand = Demand(**TEXT, valid_until=dt.date(2027, 5, 1))
    fresh = assess(demand, today=TODAY)
    assert assess(demand, today=dt.date(2027, 6, 1)).score < fresh.score
    assert assess(demand, today=TODAY, copies=1).score < fresh.score
    assert "title" in fields(assess(demand, today=TODAY, copies=1).advice)
    demand.confirmed_at = timezone.make_aware(dt.datetime(2024, 1, 1))
    assert assess(demand, today=TODAY).score < fresh.score


@pytest.mark.django_db
def test_the_score_is_stored_with_the_text():
    demand = make_demand(status="draft", title="旧", indicators=[], body="")
    publishing.save_draft(listing=demand, actor=make_user(), content=TEXT)
    demand.refresh_from_db()
    assert demand.quality == assess(demand).score > 0


# --- The panel and the second question ------------------------------------------------------


@pytest.fixture
def member(client, db):
    person = make_member()
    client.force_login(person)
    return person


@pytest.fixture
def owner(member):
    return member.memberships.get().organization


def test_the_panel_judges_what_is_typed_and_stores_nothing(client, owner):
    demand = make_demand(owner=owner, status="draft", body="")
    url = reverse("listing_quality", args=["demand", "what"]) + f"?listing={demand.number}"
    thin = client.post(url, {**TEXT, "body": "", "language": "zh"}).content.decode()
    full = client.post(url, {**TEXT, "language": "zh"}).content.decode()

    def score(page):
        return int(page.split('value="')[1].split('"')[0])

    assert score(full) > score(thin)
    assert "<html" not in full
    demand.refresh_from_db()
    assert demand.body == ""


def test_the_panel_of_an_empty_form_says_what_it_is_for(client, owner):
    page = client.post(reverse("listing_quality", args=["achievement", "what"]), {})
    assert page.status_code == 200
    assert "<progress" not in page.content.decode()


def test_the_panel_is_asked_a_bounded_number_of_times(client, owner, monkeypatch):
    monkeypatch.setattr("catalog.views.assist.PANELS", 1)
    url = reverse("listing_quality", args=["demand", "what"])
    codes = [client.post(url, TEXT).status_code for _time in range(3)]
    assert codes == [200, 204, 204]


def test_a_thin_listing_is_handed_in_on_the_second_word(client, owner):
    demand = make_demand(
        owner=owner,
        status="draft",
        **(TEXT | {"body": "现用分段中频淬火，接头处存在软带，淬火后变形大，磨削余量大。"}),
        indicators=[],
        trl=None,
        money_max=None,
    )
    assert assess(demand).score < ENOUGH
    url = reverse("demand_step", args=[demand.number, "check"])
    seen = client.get(url).content.decode().split('name="seen" value="')[1].split('"')[0]

    page = client.post(url, {"action": "submit", "seen": seen})
    demand.refresh_from_db()
    assert page.status_code == 200
    assert demand.status == "draft"
    assert "submit-anyway" in page.content.decode()

    client.post(url, {"action": "submit-anyway", "seen": seen})
    demand.refresh_from_db()
    assert demand.status == "submitted"


# --- Duplicates -----------------------------------------------------------------------------


def changed(text):
    return text.replace("大型", "大").replace("整圈", "整体")


def test_a_changed_text_shares_a_band_and_another_does_not():
    same = set(duplicates.bands(TEXT["body"])) & set(duplicates.bands(changed(TEXT["body"])))
    other = "印染废水中染料与盐的分离回用，采用纳滤与电渗析，回用率高。" * 5
    assert same
    assert not set(duplicates.bands(TEXT["body"])) & set(duplicates.bands(other))
    assert duplicates.bands("") == []
    assert len(duplicates.bands("x" * 100_000)) == duplicates.BANDS


@pytest.mark.django_db
def test_own_and_others_are_found_and_hidden_ones_are_not(member, owner):
    twin = {name: changed(text) for name, text in TEXT.items()}
    mine = make_demand(owner=owner, status="draft", **twin)
    theirs = make_demand(**twin)
    make_demand(status="draft", **twin)
    make_demand(owner=owner, status="withdrawn", **twin)
    make_demand(
        title="印染废水脱盐回用", summary="盐与染料分开，各自回用。", body="另一件事。" * 30
    )
    listing = make_demand(owner=owner, status="draft", **TEXT)
    sign_listings()

    found = duplicates.find_alike(listing, member)
    assert {(one.listing.pk, one.is_own) for one in found} == {(mine.pk, True), (theirs.pk, False)}
    assert duplicates.counts(listing) == (1, 1)
    listing.refresh_from_db()
    assert listing.quality == assess(listing, copies=1, lookalikes=1).score


@pytest.mark.django_db
def test_anothers_hidden_body_is_never_compared(member, owner):
    secret = TEXT["body"]
    make_demand(
        title="完全不同的题目一", summary="这里说的是另外一件事情，与淬火无关。", body=secret
    )
    guess = Demand(
        owner=owner, title="我的题目", summary="猜猜看别人的正文里写了什么。", body=secret
    )
    sign_listings()
    assert duplicates.find_alike(guess, member) == []


@pytest.mark.django_db
def test_a_fingerprint_follows_the_text():
    demand = make_demand(**TEXT)
    sign_listings()
    before = ListingSignature.objects.get(demand=demand).bands
    assert duplicates.stale("demand") == []
    Demand.objects.filter(pk=demand.pk).update(body="全新的正文。" * 50, updated_at=timezone.now())
    assert duplicates.stale("demand") == [demand.pk]
    sign_listings()
    sign_listings()
    assert ListingSignature.objects.get(demand=demand).bands != before


@pytest.mark.django_db
def test_meaning_adds_live_listings_only(member, owner, monkeypatch):
    live, draft = make_achievement(), make_achievement(status="draft")
    listing = make_achievement(
        owner=owner, status="draft", title="另一种说法", summary="意思相同。"
    )
    monkeypatch.setattr(
        duplicates, "_by_meaning", lambda _listing, _limit: [(live.pk, 0.97), (draft.pk, 0.99)]
    )
    found = duplicates.find_alike(listing, member)
    assert [(one.listing.pk, one.by_meaning) for one in found] == [(live.pk, True)]


@pytest.mark.django_db
def test_a_reviewer_sees_the_twin_without_its_owner(client):
    twin = make_demand(**TEXT)
    demand = make_demand(status="submitted", **TEXT)
    sign_listings()
    client.force_login(make_manager())
    page = client.get(reverse("listing_review", args=[demand.number])).content.decode()
    assert twin.number in page
    assert twin.owner.name not in page
