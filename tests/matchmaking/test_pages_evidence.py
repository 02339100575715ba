"""How sure the engine is, what would make it fit, and what nothing answers, as pages tell it."""

import datetime as dt
import html
import re

import pytest
from django.core.cache import cache
from django.urls import reverse
from django.utils import timezone, translation
from pgvector import SparseVector

from catalog import partners
from catalog.indicators import parse_indicators
from catalog.models import Demand
from matchmaking import presenting
from matchmaking.models import TERM_DIMENSIONS, AchievementIndex, DemandIndex, Match
from matchmaking.retrieval.explanation import Side, advice, constraint_grid
from matchmaking.services import unmet
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
from tests.speaking import speak

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _fresh_figures():
    cache.clear()


def page(client, url, language="en"):
    speak(client, language)
    response = client.get(url)
    assert response.status_code == 200
    text = re.sub(r"<[^>]+>", " ", response.content.decode())
    return " ".join(html.unescape(text).split())


def side(body="", indicators="", **fields):
    rows = tuple(parse_indicators(indicators)) if indicators else ()
    return Side(title="", summary="", body=body, indicators=rows, **fields)


def match_of(asked, offered, **fields):
    """Return a match in review with the evidence of two sides."""
    grid = constraint_grid(asked, offered, start=dt.date(2027, 1, 1))
    values = {
        "status": MatchStatus.IN_REVIEW,
        "grid": grid,
        "advice": advice(grid),
        "confidence": 0.62,
        "added": {"meaning": 0.48, "words": 0.36, "indicators": 0.075, "money": -0.025},
        "parts": {"meaning": 0.48, "words": 0.14, "indicators": 1.0, "money": 0.0},
    }
    return make_match(**{**values, **fields})


ASKED = side(
    indicators="厚度 ≥ 10 mm（硬）; 硬度 ≥ 60 HRC; 粗糙度 ≤ 1 μm",
    trl=7,
    money_max=1_000_000,
    modes=("license",),
    deadline=dt.date(2027, 9, 30),
    exclusivity="full",
    ip_expectation="own",
)
OFFERED = side(
    "交付周期 2 年。",
    "厚度 0.5 cm; 硬度 700 HV",
    trl=5,
    money_min=1_500_000,
    money_max=1_500_000,
    modes=("license",),
    needs=("pilot",),
    encumbrances="已独家许可给一家企业。",
)


# --- What would make it fit -----------------------------------------------------------------------


def test_each_remedy_is_put_into_words_in_both_languages(client):
    match = match_of(ASKED, OFFERED)
    client.force_login(make_operator())

    english = page(client, match.get_absolute_url())
    chinese = page(client, match.get_absolute_url(), "zh-hans")

    for words in (
        "What would make it fit",
        "Has to rise by 5 mm (50%): now 0.5 cm, asked ≥ 10 mm",
        "HV cannot be converted into HRC; ask for the figure in the unit that is asked for",
        "TRL 5, the demand asks for 7: still needs pilot scale, then a trial in real operation",
        "its owner looks for: Pilot scale-up",
        "above the most that the demand pays",
        "Ready 458 days (168.4%) too late",
        "Somebody holds rights already",
        "Nothing is stated; ask the other side before a decision",
        "Other unit 1",
    ):
        assert words in english.replace("\xa0", " "), words
    for words in (
        "怎样才合适",
        "还要提高 5 mm（50%）：现在 0.5 cm，要求 ≥ 10 mm",
        "HV 无法换算成 HRC",
        "目前 TRL 5，要求 7：还要做中试、再做现场试运行",
        "成果方正在找：中试",
        "价格比需求方的上限高 50 万元（50%）",
        "要晚 458 天（168.4%）",
        "已有他人持有权利",
        "单位不同 1",
    ):
        assert words in chinese.replace("\xa0", " "), words


def lines(match, reader):
    with translation.override("en"):
        return presenting.advice_lines(match, reader)


def test_what_nobody_states_is_one_line_where_the_first_of_it_stands():
    asked = side(indicators="厚度 ≥ 10 mm（硬）; 硬度 ≥ 60 HRC（硬）; 重量 ≤ 9 kg", trl=7)
    match = match_of(asked, side(indicators="厚度 5 mm"))
    found = lines(match, presenting.Reader("demand", names=False, contacts=False))
    assert [(line.name, line.hard) for line in found] == [
        ("厚度", True),
        ("硬度, Maturity, 重量", True),
    ]


@pytest.mark.parametrize(
    ("key", "gone"),
    [
        ("indicators", {"厚度", "硬度"}),
        ("trl", {"Maturity"}),
        ("money", {"Budget"}),
        ("encumbrances", {"Exclusivity"}),
        ("body", {"Deadline"}),
    ],
)
def test_a_remedy_that_rests_on_a_closed_field_is_not_told(key, gone):
    open_match, closed_match = (
        match_of(ASKED, OFFERED, achievement=make_achievement(disclosure=disclosure))
        for disclosure in (
            {"encumbrances": "members"},
            {"encumbrances": "members", key: "managers"},
        )
    )
    member = [presenting.side_reader("demand", match) for match in (open_match, closed_match)]
    names = [
        {line.name for line in lines(match, reader)}
        for match, reader in zip((open_match, closed_match), member, strict=True)
    ]
    assert names[0] - names[1] == gone
    manager = presenting.Reader("", names=False, contacts=False, is_manager=True)
    assert gone <= {line.name for line in lines(closed_match, manager)}


def test_needs_that_are_closed_are_not_told_beside_an_open_level():
    achievement = make_achievement(disclosure={"needs": "managers"})
    match = match_of(side(trl=7), side(trl=5, needs=("pilot",)), achievement=achievement)
    [line] = lines(match, presenting.side_reader("demand", match))
    assert "still needs pilot scale" in line.text and "looks for" not in line.text


def test_advice_names_nobody(client):
    achievement = make_achievement(owner=make_organization(name="云州理工大学", kind="university"))
    match = match_of(
        side(indicators="云州理工大学厚度 ≥ 10 mm"),
        side(indicators="云州理工大学厚度 5 mm"),
        achievement=achievement,
    )
    client.force_login(make_member(match.demand.owner))
    assert "云州理工大学" not in page(client, match.get_absolute_url(), "zh-hans")


# --- How sure the engine is -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("confidence", "key", "english", "chinese"),
    [
        (0.82, "strong", "Strong fit", "很可能合适"),
        (0.75, "strong", "Strong fit", "很可能合适"),
        (0.62, "likely", "Likely fit", "较可能合适"),
        (0.31, "possible", "Possible fit", "有可能合适"),
    ],
)
def test_a_confidence_is_a_word_with_its_figure(client, confidence, key, english, chinese):
    match = match_of(side(), side(), confidence=confidence)
    owner = make_member(match.demand.owner)
    manager = make_manager()
    make_review(match=match, manager=manager)
    figure = f"{round(100 * confidence)}%"
    urls = {
        owner: (match.get_absolute_url(), reverse("demand_matches", args=[match.demand.number])),
        manager: (reverse("workbench"), reverse("match_review", args=[match.number])),
    }
    for reader, pages in urls.items():
        client.force_login(reader)
        for url in pages:
            assert f"{english} {figure}" in page(client, url), url
            assert f"{chinese} {figure}" in page(client, url, "zh-hans"), url
    assert presenting.grade_of(match).key == key


def test_an_engine_that_did_not_say_how_sure_it_was_gets_no_word(client):
    match = match_of(side(), side(), confidence=0.0)
    assert presenting.grade_of(match) is None
    client.force_login(make_member(match.demand.owner))
    text = page(client, match.get_absolute_url())
    assert "Possible fit" not in text and "Engine test" in text


def test_the_page_tells_what_each_part_added_and_by_what_it_was_ranked(client):
    match = match_of(ASKED, OFFERED)
    client.force_login(make_operator())
    text = page(client, match.get_absolute_url())
    for words in (
        "Meaning 100 +48",
        "Words 75 +36",
        "Indicators 16 +8",
        "Budget 5 −2",
        "90 in all",
        "Engine test, place 1 for this demand.",
        "Order: fixed weights.",
        "Language model fake@1.",
    ):
        assert words in text, words


def test_from_what_is_open_nobody_works_out_what_a_closed_part_added(client):
    achievement = make_achievement(disclosure={"indicators": "managers"})
    match = match_of(ASKED, OFFERED, achievement=achievement)
    client.force_login(make_member(match.demand.owner))
    for url in (match.get_absolute_url(), reverse("demand_matches", args=[match.demand.number])):
        text = page(client, url)
        assert "Likely fit" in text and "62%" not in text
    assert "What each added is not shown" in page(client, match.get_absolute_url())
    reader = presenting.side_reader("demand", match)
    parts = presenting.score_parts(match, reader)
    assert [part.points for part in parts] == [None] * len(parts)
    assert "Indicators" not in [str(part.label) for part in parts]


# --- What nothing answers -------------------------------------------------------------------------


def index_of(listing, *, problem="", version=None, compared=1344, matched=True):
    model = DemandIndex if listing.kind == "demand" else AchievementIndex
    empty = SparseVector({}, TERM_DIMENSIONS)
    fields = {
        "version": listing.version if version is None else version,
        "terms": empty,
        "member_terms": empty,
        "public_terms": empty,
        "problem": problem,
        "compared": compared,
        "matched_version": listing.version if matched else 0,
        "matched_at": timezone.now() if matched else None,
    }
    if listing.kind == "demand":
        fields["query_terms"] = empty
    return model.objects.create(listing=listing, **fields)


def lonely(**fields):
    demand = make_demand(**fields)
    index_of(demand)
    return demand


def test_an_unmet_demand_says_so_on_all_its_owners_pages(client):
    demand = lonely(keywords=[])
    client.force_login(make_member(demand.owner))
    said = "Compared with 1344 achievements on"
    for url in (
        reverse("my_demands"),
        demand.get_absolute_url(),
        reverse("demand_matches", args=[demand.number]),
    ):
        text = page(client, url)
        assert said in text and "none is near enough" in text, url
        assert "没有足够接近的" in page(client, url, "zh-hans"), url
    own = page(client, reverse("demand_matches", args=[demand.number]))
    for words in ("What you can do:", "Add keywords", "Search the achievements", "Edit the demand"):
        assert words in own
    assert "No partner yet" in page(client, reverse("my_demands"))


def test_others_do_not_learn_that_a_demand_is_unmet(client):
    demand = lonely()
    for reader in (None, make_member(), make_manager()):
        if reader is not None:
            client.force_login(reader)
        text = page(client, demand.get_absolute_url())
        assert "near enough" not in text and "No partner yet" not in text


def test_a_demand_whose_matches_all_ended_says_that(client):
    demand = lonely()
    make_match(demand=demand, status=MatchStatus.REJECTED)
    client.force_login(make_member(demand.owner))
    for url in (reverse("my_demands"), reverse("demand_matches", args=[demand.number])):
        assert "What was found has ended" in page(client, url)


def test_what_was_replaced_before_anybody_saw_it_is_no_ended_match():
    demand = lonely()
    make_match(demand=demand, status=MatchStatus.SUPERSEDED)
    assert unmet.progress("demand", [demand.pk])[demand.pk].ended == 0


@pytest.mark.parametrize("status", unmet.USEFUL)
def test_a_demand_with_an_open_or_introduced_match_is_not_unmet(client, status):
    demand = lonely()
    make_match(demand=demand, status=status)
    standing = partners.standings("demand", [demand.pk])[demand.pk]
    assert (standing.state, standing.text) == ("found", "")
    assert not unmet.unmatched_listings("demand").exists()
    client.force_login(make_member(demand.owner))
    assert "near enough" not in page(client, reverse("demand_matches", args=[demand.number]))


def test_how_far_the_engine_is_with_a_listing():
    fresh, stale, broken, draft = make_demand(), make_demand(), make_demand(), None
    draft = make_demand(status="draft")
    index_of(stale, version=0, matched=False)
    index_of(broken, problem="empty", matched=False)
    ids = [one.pk for one in (fresh, stale, broken, draft)]
    found = {pk: one.state for pk, one in unmet.progress("demand", ids).items()}
    assert found == {fresh.pk: "pending", stale.pk: "pending", broken.pk: "problem"}
    assert partners.standings("demand", []) == {}


def test_a_text_that_cannot_be_compared_says_that_instead_and_what_to_do(client):
    demand = make_demand()
    index_of(demand, problem="empty")
    assert not unmet.unmatched_listings("demand").exists()
    client.force_login(make_member(demand.owner))
    for url in (
        reverse("my_demands"),
        demand.get_absolute_url(),
        reverse("demand_matches", args=[demand.number]),
    ):
        text = page(client, url)
        assert "Say in a sentence what is needed or offered" in text, url
        assert "near enough" not in text
    client.force_login(make_operator())
    listed = page(client, reverse("ops_listings") + "?state=problem")
    assert demand.title in listed
    assert "Texts that cannot be compared 1" in page(client, reverse("ops_home"))


def test_an_achievement_that_nobody_asks_for_says_so(client):
    achievement = make_achievement()
    index_of(achievement)
    client.force_login(make_member(achievement.owner))
    assert "No demand for it yet" in page(client, reverse("my_achievements"))
    assert "No demand asks for this yet" in page(
        client, reverse("achievement_matches", args=[achievement.number])
    )


def test_operators_see_what_the_region_lacks_by_industry_and_region(client):
    steel = lonely(title="轧钢除鳞", industry="C3130", region="130200")
    bearing = lonely(title="套圈淬火", industry="C3451", region="320500")
    crop = lonely(title="水稻插秧", industry="A0111", region="")
    met = lonely(title="有人能做")
    make_match(demand=met)
    client.force_login(make_operator())
    url = reverse("ops_unmet")

    everything = page(client, url)
    assert all(one.title in everything for one in (steel, bearing, crop))
    assert met.title not in everything and "Unmet demands 3 / 4" in everything
    assert "Manufacturing 2" in everything and "No region named 1" in everything
    assert "none is near enough" in everything
    only = page(client, f"{url}?industry=C&region=320000")
    assert bearing.title in only and steel.title not in only and crop.title not in only
    assert "None of the unmet demands is in this industry and region." in page(
        client, f"{url}?industry=A&region=320000"
    )
    for odd in ("?industry=%27&region=x", "?page=999", "?industry=" + "A" * 500):
        page(client, url + odd)
    assert "Unmet demands 3" in page(client, reverse("ops_home"))


def test_the_list_of_unmet_demands_takes_the_same_queries_for_one_and_for_ten(
    client, django_assert_num_queries
):
    client.force_login(make_operator())
    lonely()
    url = reverse("ops_unmet")
    page(client, url)
    # Session, user, three counts by code and in all, live demands, page count and rows, and three
    # of their progress, besides what every page asks for.
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    with CaptureQueriesContext(connection) as one:
        client.get(url)
    for _ in range(9):
        lonely()
    with django_assert_num_queries(len(one)):
        client.get(url)
    assert len(one) <= 20


def test_ones_own_list_asks_the_engine_in_three_queries(django_assert_num_queries):
    demands = [lonely() for _ in range(5)]
    with django_assert_num_queries(3):
        assert len(partners.standings("demand", [one.pk for one in demands])) == 5


def test_a_review_shows_the_advice_to_its_manager(client):
    match = match_of(ASKED, OFFERED)
    manager = make_manager()
    make_review(match=match, manager=manager, status=ReviewStatus.ACCEPTED)
    client.force_login(manager)
    text = page(client, reverse("match_review", args=[match.number]))
    assert "What would make it fit" in text and "pilot scale" in text
    assert Demand.objects.count() == Match.objects.count() == 1
