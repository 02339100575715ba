"""Deciding by keyboard, with the next match at once; and on the phone with three taps."""

from __future__ import annotations

import datetime as dt
import re

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from accounts.models import AccessEvent, User
from matchmaking.models import Match, Review
from matchmaking.workflow import MatchStatus, ReviewStatus
from tests.factories import make_achievement, make_demand, make_manager, make_match, make_review

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.xdist_group("browser")]


@pytest.fixture
def manager() -> User:
    return make_manager(name="陈立")


def desk(manager: User, count: int) -> list[Review]:
    """Put reviews on the manager's desk, taken on, in this order."""
    reviews = []
    for number in range(count):
        match = make_match(
            status=MatchStatus.IN_REVIEW,
            demand=make_demand(title=f"第{number}项需求", money_max=100_000),
            achievement=make_achievement(title=f"第{number}项成果"),
        )
        due_on = timezone.localdate() + dt.timedelta(days=number + 1)
        reviews.append(
            make_review(match=match, manager=manager, status=ReviewStatus.ACCEPTED, due_on=due_on)
        )
    return reviews


def statuses() -> list[str]:
    return list(Match.objects.order_by("pk").values_list("status", flat=True))


def here(page: Page, review: Review) -> None:
    """Expect to be on the page of this review, with its decision still open."""
    expect(page).to_have_url(re.compile(re.escape(review.get_absolute_url())))
    expect(page.get_by_role("heading", level=1)).to_contain_text(review.match.number)
    expect(page.get_by_role("heading", name="你的决定")).to_be_visible()


def test_two_decisions_by_keyboard_and_the_last_one_taken_back(visit, manager):
    first, second, third = desk(manager, 3)
    page = visit(manager)

    page.goto("/workbench/")
    page.keyboard.press("j")
    with page.expect_response(lambda one: "x-kq-ahead" in one.request.headers):
        page.keyboard.press("Enter")
    here(page, first)
    # Letters in a field are letters.
    page.keyboard.press("c")
    page.keyboard.type("arm1")
    page.keyboard.press("Escape")
    expect(page.get_by_role("textbox", name="给双方看的意见")).to_have_value("arm1")
    page.keyboard.press("r")
    page.keyboard.press("a")
    page.keyboard.press("1")
    expect(page.get_by_role("radio", name="通过，请双方答复")).to_be_checked()
    loaded = page.evaluate("performance.timeOrigin")
    page.wait_for_timeout(200)
    with page.expect_response(lambda one: "x-kq-ahead" in one.request.headers):
        page.keyboard.press("Control+Enter")
    here(page, second)
    # It was there already: no page was loaded. What it shows is on record all the same.
    assert page.evaluate("performance.timeOrigin") == loaded
    assert AccessEvent.objects.filter(number=second.match.number).exists()
    note = page.get_by_role("status").filter(has_text="正在请双方答复")
    expect(note).to_contain_text(first.match.number)

    page.keyboard.press("r")
    page.keyboard.press("2")
    page.wait_for_timeout(200)
    page.keyboard.press("Control+Enter")
    here(page, third)
    assert statuses() == [MatchStatus.APPROVED, MatchStatus.REJECTED, MatchStatus.IN_REVIEW]

    page.keyboard.press("u")
    here(page, second)
    expect(page.get_by_role("status").filter(has_text="已撤销")).to_be_visible()
    assert statuses() == [MatchStatus.APPROVED, MatchStatus.IN_REVIEW, MatchStatus.IN_REVIEW]


def test_the_keys_go_between_matches_texts_rows_and_pages(visit, manager):
    first, second = desk(manager, 2)
    page = visit(manager)
    page.goto(first.get_absolute_url())

    page.keyboard.press("e")
    assert page.evaluate("document.activeElement.id") == "first-row"
    page.keyboard.press("o")
    expect(page.locator("#texts")).to_have_attribute("open", "")
    page.keyboard.press("Shift+Slash")
    expect(page.locator(".kq-keys")).to_be_visible()
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox").first).to_be_focused()
    page.keyboard.press("Escape")
    page.keyboard.press("j")
    here(page, second)
    page.keyboard.press("k")
    here(page, first)
    page.keyboard.press("t")
    expect(page.get_by_role("radio", name="转给其他经理人")).to_be_checked()
    page.keyboard.press("Control+Enter")
    expect(page).to_have_url(re.compile("/refer/"))
    assert statuses() == [MatchStatus.IN_REVIEW] * 2


def test_who_has_switched_the_keys_off_presses_nothing(visit, manager):
    [review] = desk(manager, 1)
    manager.shortcuts = False
    manager.save(update_fields=["shortcuts"])
    page = visit(manager)
    page.goto(review.get_absolute_url())

    for key in ("a", "1", "Control+Enter"):
        page.keyboard.press(key)

    expect(page.get_by_role("radio", name="通过，请双方答复")).not_to_be_checked()
    assert statuses() == [MatchStatus.IN_REVIEW]


def test_what_is_refused_stays_on_the_page_with_what_was_written(visit, manager):
    first, _second = desk(manager, 2)
    page = visit(manager)
    with page.expect_response(lambda one: "x-kq-ahead" in one.request.headers):
        page.goto(first.get_absolute_url())
    page.wait_for_timeout(200)

    page.keyboard.press("a")
    page.get_by_role("textbox", name="给双方看的意见").fill("先谈磨削余量。")
    page.keyboard.press("Control+Enter")

    expect(page.get_by_role("alert").first).to_contain_text("需要修改")
    expect(page.get_by_role("textbox", name="给双方看的意见")).to_have_value("先谈磨削余量。")
    assert statuses() == [MatchStatus.IN_REVIEW] * 2


@pytest.mark.parametrize("decision", ["不通过", "通过"])
def test_a_phone_decides_with_three_taps(visit, manager, decision):
    first, second = desk(manager, 2)
    page = visit(manager, width=390)
    page.goto(first.get_absolute_url())
    bar = page.locator(".kq-mobbar:visible")

    bar.get_by_role("link", name=decision, exact=True).click()
    reason = page.locator("#id_reasons label:visible").first
    expect(reason).to_be_in_viewport()
    reason.click()
    page.locator(".kq-mobbar:visible").get_by_role("button").click()

    here(page, second)
    expected = MatchStatus.APPROVED if decision == "通过" else MatchStatus.REJECTED
    assert statuses() == [expected, MatchStatus.IN_REVIEW]
    first.refresh_from_db()
    assert first.stated_at is not None


def test_a_phone_without_scripts_finds_the_same_way(visit, manager):
    first, second = desk(manager, 2)
    page = visit(manager, width=390, javascript=False)
    page.goto(first.get_absolute_url())

    page.locator(".kq-mobbar:visible").get_by_role("link", name="不通过", exact=True).click()
    page.locator("#id_decision label").filter(has_text="不通过").click()
    page.locator("#id_reasons label:visible").first.click()
    page.locator(".kq-mobbar:visible").get_by_role("button").click()

    here(page, second)
    assert statuses() == [MatchStatus.REJECTED, MatchStatus.IN_REVIEW]


def test_several_are_ticked_and_turned_down_together(visit, manager):
    first, second, _third = desk(manager, 3)
    page = visit(manager)
    page.goto("/workbench/")
    page.get_by_role("checkbox", name="勾选本页全部").check()
    page.get_by_role("checkbox", name=re.compile("第2项需求")).uncheck()
    page.get_by_role("button", name="勾选的都不通过").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("2")
    expect(page.get_by_text(first.match.achievement.owner.name)).to_be_visible()
    page.get_by_role("radio").first.check()
    page.get_by_role("button", name="全部不通过").click()

    expect(page.get_by_role("status").filter(has_text="2 项匹配未通过")).to_be_visible()
    assert statuses() == [MatchStatus.REJECTED, MatchStatus.REJECTED, MatchStatus.IN_REVIEW]
    assert second.match.number in page.content()
