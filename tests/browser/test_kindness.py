"""Forms and files as scripts make them: nothing typed is lost, nothing is sent twice."""

import re

import pytest
from playwright.sync_api import Route, expect

from accounts.notices import notify
from matchmaking.models import Feedback
from matchmaking.workflow import MatchStatus
from tests.factories import make_match, make_member, make_organization

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.xdist_group("browser")]


def test_what_is_typed_is_kept_and_what_is_pressed_twice_is_sent_once(visit):
    match = make_match(status=MatchStatus.INTRODUCED)
    page = visit(make_member(match.demand.owner))
    page.goto(f"/matches/{match.number}/feedback/")
    asked: list[str] = []
    page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.dismiss()))

    # With nothing typed one may leave; with something typed the browser asks.
    page.get_by_role("link", name=match.number).first.click()
    expect(page).to_have_url(re.compile(f"{match.number}/$"))
    page.go_back()
    note = page.get_by_role("textbox")
    note.fill("下周在车间试装。")
    page.get_by_role("link", name=match.number).first.click(no_wait_after=True)
    page.wait_for_function("() => true")
    expect(note).to_have_value("下周在车间试装。")
    assert asked == ["beforeunload"]

    # Sent twice in a row it is sent once, and sending it is not leaving it.
    for name in ("contract", "rating"):
        page.locator(f"[name={name}]").first.check()
    posts: list[str] = []
    page.on("request", lambda one: posts.append(one.url) if one.method == "POST" else None)
    page.get_by_role("button", name="保存").dblclick()
    expect(page).to_have_url(re.compile(f"{match.number}/$"))
    assert len(posts) == 1 and asked == ["beforeunload"]
    assert Feedback.objects.get().note == "下周在车间试装。"

    # Who comes back by the browser's own button finds a form that can be used.
    page.goto(f"/matches/{match.number}/feedback/")
    page.go_back()
    page.go_forward()
    expect(page.get_by_role("button", name="保存")).to_be_enabled()


def test_a_pdf_says_that_it_is_being_made_and_comes_as_a_file(visit):
    match = make_match(status=MatchStatus.APPROVED)
    page = visit(make_member(match.demand.owner))
    page.goto(f"/matches/{match.number}/brief/")
    link = page.get_by_role("link", name="下载 PDF")
    with page.expect_download() as taken:
        link.click()
    assert taken.value.suggested_filename.startswith(f"keqiao-match-brief-{match.number}-")
    expect(link).not_to_have_attribute("aria-busy", "true")
    expect(page.get_by_role("button", name="打印")).to_be_visible()


def test_notices_are_shown_as_read_before_the_server_has_answered(visit):
    organization = make_organization()
    reader = make_member(organization)
    told = {"organization": organization.pk}
    notify(kind="organization.verified", user=reader, key="1", payload=told)
    page = visit(reader)
    held: list[Route] = []
    page.goto("/notifications/?group=info")
    page.route("**/notifications/read/", lambda route: held.append(route))
    title = page.locator(".kq-notices .unread .kq-noticetext > a")
    expect(title).to_have_css("font-weight", "700")
    page.get_by_role("button", name="全部标为已读").click()
    expect(title).to_have_css("font-weight", "400")
    held[0].continue_()
    expect(page.locator(".kq-note").filter(has_text="已全部标为已读")).to_be_focused()
    expect(page.locator(".kq-bell .kq-n")).to_have_count(0)
