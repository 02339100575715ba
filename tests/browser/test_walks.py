"""The main jobs of each role, walked in the browser: on a desk in Chinese, in a hand in English.

Each page on the way is examined and kept as a picture, and one job of each role is done without a
mouse. Nothing may be said on the console meanwhile: `visit` listens.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import expect

from accounts.models import ManagerProfile
from catalog.models import Achievement, Demand
from catalog.workflow import ListingStatus
from matchmaking.models import Consent, Match, Review
from matchmaking.services import indexing
from matchmaking.workflow import MatchStatus, ReviewStatus
from tests.browser.looking import NARROW, WIDE, Walk
from tests.fakes import FakeEncoder, Unanswered
from tests.world import World, make_world

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.xdist_group("browser"),
    pytest.mark.usefixtures("screenshots"),
]

WAYS = [("zh-hans", WIDE), ("en", NARROW)]


@pytest.fixture
def world(monkeypatch) -> World:
    # No worker is there to encode a question: words alone are searched, and at once.
    monkeypatch.setattr("matchmaking.retrieval.searching.Question", Unanswered)
    made = make_world()
    indexing.refresh(kind="achievement", ids=[made.achievement.pk], encoder=FakeEncoder())
    return made


@pytest.fixture(params=WAYS, ids=[f"{language}-{width}" for language, width in WAYS])
def walk(request: Any, visit: Any, world: World) -> Callable[[str], Walk]:
    """Return a function that begins the walk of a role, in both ways one after the other."""
    language, width = request.param

    def begin(role: str) -> Walk:
        page = visit(getattr(world, role, None), language=language, width=width)
        return Walk(page, role, language, width)

    return begin


def test_a_visitor_searches_reads_and_finds_out_who_runs_it(walk, world):
    way = walk("visitor")
    page, main = way.page, way.page.get_by_role("main")
    way.go("/", "home")

    # Without a mouse: words into the search box, then the first thing that is found.
    box = main.get_by_role("searchbox").first
    way.tab_to(box)
    page.keyboard.type("淬火")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"/achievements/\?"))
    found = main.locator(f'a[href="{world.achievement.get_absolute_url()}"]').first
    way.look("results")
    way.tab_to(found)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text(world.achievement.title)
    way.look("achievement")
    assert world.achievement.owner.name not in page.content()

    way.menu("/demands/")
    way.look("demands")
    main.locator(f'a[href="{world.demand.get_absolute_url()}"]').first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text(world.demand.title)
    way.look("demand")
    way.menu("/managers/")
    way.look("managers")
    for path in ("/results/", "/help/visibility/", "/account/login/"):
        way.go(path, path.strip("/").rpartition("/")[2])
    way.finish()


def test_a_newcomer_sees_what_to_do_first_and_changes_their_name(walk, world):
    way = walk("newcomer")
    page, main = way.page, way.page.get_by_role("main")
    way.go("/", "home")
    main.locator('a[href="/org/new/"]').first.click()
    page.wait_for_url("**/org/new/")
    way.look("organization")
    way.go("/org/join/", "join")
    way.go("/manager/apply/", "apply")

    # Without a mouse.
    way.go("/settings/profile/", "settings")
    name = page.locator("input[name$=name]:visible").first
    way.tab_to(name)
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type("Zhou Qiming")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status").first).to_be_visible()
    world.newcomer.refresh_from_db()
    assert world.newcomer.name == "Zhou Qiming"
    way.look("saved")
    way.finish()


def test_an_enterprise_answers_a_match_and_posts_a_demand(walk, world):
    way = walk("owner")
    page, main = way.page, way.page.get_by_role("main")
    way.go("/", "home")
    way.menu("/my/answers/")
    way.look("answers")

    # Without a mouse: yes to an introduction.
    way.go(f"{world.asked.get_absolute_url()}consent/", "consent")
    agree = main.get_by_role("radio").first
    way.tab_to(agree)
    page.keyboard.press("Space")
    expect(agree).to_be_checked()
    way.tab_to(main.locator("form[method=post] button.btn-primary").first)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text(world.asked.number)
    consent = Consent.objects.get(match=world.asked)
    assert consent.agreed and consent.user == world.owner
    way.look("answered")

    way.menu("/my/demands/")
    way.look("demands")
    main.locator('a[href="/demands/new/"]').first.click()
    page.locator("#id_title").fill("轴承保持架注塑件翘曲控制")
    way.look("new-demand")
    page.get_by_role("button", name=way.say("Save and continue")).click()
    page.wait_for_url("**/edit/indicators/")
    way.look("indicators")
    assert Demand.objects.filter(title="轴承保持架注塑件翘曲控制", owner=world.enterprise).exists()
    for path in (
        f"{world.demand.get_absolute_url()}matches/",
        world.introduced.get_absolute_url(),
        "/notifications/",
    ):
        way.go(path, path.strip("/").rpartition("/")[2])
    way.finish()


def test_a_university_lists_an_achievement_and_reads_its_matches(walk, world):
    way = walk("professor")
    page, main = way.page, way.page.get_by_role("main")
    way.go("/", "home")
    way.menu("/my/achievements/")
    way.look("achievements")
    way.go(f"{world.achievement.get_absolute_url()}matches/", "matches")
    main.locator(f'a[href^="{world.asked.get_absolute_url()}"]').first.click()
    way.look("match")

    # Without a mouse: a title, and the draft is there.
    way.go("/achievements/new/", "new")
    way.tab_to(page.locator("#id_title"))
    page.keyboard.type("Graphene coating for bipolar plates")
    way.tab_to(page.get_by_role("button", name=way.say("Save and continue")))
    page.keyboard.press("Enter")
    page.wait_for_url("**/edit/indicators/")
    way.look("indicators")
    draft = Achievement.objects.get(title="Graphene coating for bipolar plates")
    assert draft.status == ListingStatus.DRAFT and draft.created_by == world.professor
    way.go("/my/imports/new/", "import")
    way.finish()


def test_a_manager_takes_a_match_on_decides_and_checks_a_listing(walk, world):
    way = walk("manager")
    page, main = way.page, way.page.get_by_role("main")
    way.go("/", "home")
    way.menu("/workbench/")
    way.look("workbench")
    way.go(f"{world.offered.get_absolute_url()}review/", "offered")
    page.get_by_role("button", name=way.say("Take it on, show both names")).click()
    expect(page.locator("#id_no_interest")).to_be_visible()
    way.look("review")
    if way.width == WIDE:
        # Without a mouse, by the keys that the page names.
        page.keyboard.press("r")
        page.keyboard.press("1")
        page.keyboard.press("c")
        page.keyboard.type("一项硬指标差距较大，短期内补不上。")
        page.keyboard.press("Escape")
        page.keyboard.press("Control+Enter")
    else:
        bar = page.locator(".kq-mobbar:visible")
        bar.get_by_role("link", name=way.say("Reject")).click()
        page.locator("#id_reasons label:visible").first.click()
        main.locator("textarea[name=comment]").fill("一项硬指标差距较大，短期内补不上。")
        bar.get_by_role("button").click()
    expect(page.get_by_role("status").first).to_be_visible()
    way.look("decided")
    review = Review.objects.get(match=world.offered)
    assert (review.status, review.decision) == (ReviewStatus.SUBMITTED, "reject")
    assert Match.objects.get(pk=world.offered.pk).status == MatchStatus.REJECTED

    # Without a mouse, whatever the width: a listing is published.
    way.go(f"/workbench/listings/{world.submitted.number}/", "listing")
    way.tab_to(main.locator("input[type=radio][value=publish]"))
    page.keyboard.press("Space")
    way.tab_to(main.locator("button[name=no_interest]"))
    page.keyboard.press("Enter")
    expect(page.get_by_role("status").first).to_be_visible()
    assert Demand.objects.get(pk=world.submitted.pk).status == ListingStatus.PUBLISHED
    for path in ("/workbench/reviews/", "/manager/", "/manager/absences/"):
        way.go(path, path.strip("/").rpartition("/")[2])
    way.finish()


def test_an_operator_reads_the_figures_and_what_lies_behind_them(walk, world):
    way = walk("operator")
    page, main = way.page, way.page.get_by_role("main")
    way.go("/", "home")
    way.go("/dashboard/", "dashboard")

    # Without a mouse: another period, and the figures are those of it.
    way.tab_to(main.locator("input[name=period]:checked"))
    page.keyboard.press("ArrowLeft")
    page.wait_for_url(re.compile("period=30"))
    way.look("dashboard-30")

    way.go("/ops/", "ops")
    way.go(f"/ops/organizations/{world.enterprise.pk}/", "organization")
    profile = world.applicant.manager_profile
    way.go(f"/ops/managers/{profile.pk}/", "manager")
    assert ManagerProfile.objects.get(pk=profile.pk).status == "pending"
    for path in ("/ops/assignments/", "/ops/unmet/", "/ops/audit/", "/ops/rankers/"):
        way.go(path, path.strip("/").rpartition("/")[2])
    way.finish()
