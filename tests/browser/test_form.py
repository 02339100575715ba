"""The form of a listing as scripts make it: it saves itself, and says when it cannot."""

import re

import pytest
from playwright.sync_api import expect

from catalog.models import Demand, TypedPost
from tests.browser.steps import DEMAND, go_on
from tests.factories import PASSWORD, make_member, make_organization

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.xdist_group("browser")]


def test_a_draft_saves_itself_finds_classes_and_survives_the_session(visit):
    writer = make_member(make_organization())
    page = visit(writer)

    # The draft exists as soon as it has a title, and a reload shows it.
    page.goto("/demands/new/")
    page.get_by_role("textbox", name="公开摘要").fill(DEMAND["公开摘要"])
    page.get_by_role("textbox", name="标题").fill(DEMAND["标题"])
    expect(page.get_by_role("status")).to_have_text(re.compile(r"^已保存 \d\d:\d\d$"))
    demand = Demand.objects.get()
    expect(page).to_have_url(re.compile(f"{demand.number}/edit/what/$"))
    assert demand.summary == DEMAND["公开摘要"]

    # What is typed while it saves is not taken for somebody else's.
    page.get_by_role("textbox", name="详细说明").fill(DEMAND["详细说明"])
    go_on(page, "指标与成熟度")
    demand.refresh_from_db()
    assert demand.body == DEMAND["详细说明"]

    # Classes are found while one types.
    patents = page.get_by_role("group", name="国际专利分类")
    patents.get_by_role("textbox").fill("C21D")
    tick = patents.get_by_role("checkbox", name=re.compile("^C21D "))
    tick.check()
    expect(page.get_by_role("status")).to_have_text(re.compile("^已保存"))
    assert Demand.objects.get().ipc == ["C21D"]
    expect(tick).to_be_checked()

    # The session ends; the form goes on after the log-in, with what was typed.
    go_on(page, "条件")
    page.request.post("/account/logout/", headers=protection(page))
    partners = page.get_by_role("textbox", name="期望的合作方或专家")
    partners.fill("有中试线的高校团队")
    page.get_by_role("button", name="保存草稿").click()
    page.get_by_label("邮箱").fill(writer.email)
    page.get_by_label("密码").fill(PASSWORD)
    page.get_by_role("main").get_by_role("button", name="登录").click()
    expect(page.get_by_role("textbox", name="期望的合作方或专家")).to_have_value(
        "有中试线的高校团队"
    )
    page.get_by_role("button", name="保存草稿").click()
    expect(page.get_by_role("status").filter(has_text="草稿已保存")).to_be_visible()
    demand.refresh_from_db()
    assert demand.partners == "有中试线的高校团队"
    assert not TypedPost.objects.exists()


def protection(page):
    """Return the headers of a form of this page's session."""
    token = page.locator("#kq-listing [name=csrfmiddlewaretoken]").input_value()
    return {"X-CSRFToken": token, "Referer": page.url}
