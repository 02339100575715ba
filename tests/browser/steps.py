"""What people do on the pages, in the words that they read there. With and without scripts."""

from __future__ import annotations

import re

from playwright.sync_api import Locator, Page, expect

from accounts.models import User
from tests.factories import PASSWORD

DEMAND = {
    "标题": "风电轴承大直径套圈淬火变形控制",
    "公开摘要": "直径 2 至 4 m 的轴承套圈整圈淬火后变形大，求把圆度偏差控制在 0.35 mm 以内的工艺。",
    "详细说明": (
        "现用分段中频感应淬火，接头处存在软带，淬火后圆度偏差超过 1.2 mm，磨削余量大、效率低。"
        "试过柔性支撑和二次校形，效果不明显。希望采用双感应器同步扫描淬火，整圈无软带，变形小。"
    ),
    "关键词": "感应淬火，轴承套圈，变形控制",
}


def log_in(page: Page, user: User) -> None:
    """Come in through the front page, as a person does."""
    page.goto("/")
    page.get_by_role("banner").get_by_role("link", name="登录").click()
    page.get_by_label("邮箱").fill(user.email)
    page.get_by_label("密码").fill(PASSWORD)
    page.get_by_role("main").get_by_role("button", name="登录").click()
    expect(page.get_by_role("banner").get_by_text(user.name).first).to_be_visible()


def choose(page: Page, label: str, words: str) -> None:
    """Choose from a long list: by typing where a script makes it a search, else in the list."""
    control = page.get_by_label(label, exact=False).and_(page.locator("select, input")).last
    if control.evaluate("element => element.tagName") == "SELECT":
        option = control.locator("option", has_text=words).first
        control.select_option(value=option.get_attribute("value"))
        return
    control.click()
    control.fill(words)
    page.get_by_role("listbox", name=label).get_by_role("option", name=words).first.click()


def write_demand(page: Page) -> None:
    """Write a demand with a must-have, step by step, and submit it."""
    page.goto("/my/demands/")
    page.get_by_role("main").get_by_role("link", name="发布需求").first.click()
    for label, text in DEMAND.items():
        page.get_by_role("textbox", name=label).fill(text)
    go_on(page, "指标与成熟度")
    row = page.get_by_role("group", name="指标 1", exact=True)
    row.get_by_label("指标", exact=True).fill("圆度变形")
    row.get_by_label("关系").select_option("le")
    row.get_by_label("数值").fill("0.35")
    row.get_by_label("单位").fill("mm")
    row.get_by_label("性质").select_option("hard")
    page.get_by_label("技术成熟度").select_option("7")
    choose(page, "行业分类", "通用设备制造业")
    go_on(page, "条件")
    page.get_by_role("checkbox", name="技术许可").check()
    page.get_by_role("checkbox", name="合作开发").check()
    page.get_by_role("textbox", name="到", exact=True).fill("380")
    go_on(page, "谁能看见与检查")
    page.get_by_role("button", name="提交审核").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(DEMAND["标题"])
    expect(status(page)).to_have_text("审核中")


def go_on(page: Page, step: str) -> None:
    """Save a step of the form and go on to the one of this name."""
    page.get_by_role("button", name="保存并继续").click()
    here = page.get_by_role("navigation", name="填写步骤").locator("[aria-current=step]")
    expect(here).to_contain_text(step)


def status(page: Page) -> Locator:
    """The word of state under the title."""
    return page.locator(".kq-ph .kq-st").first


def publish(page: Page, title: str) -> None:
    """Read the first listing that waits, and publish it."""
    page.get_by_role("banner").locator("a[href='/workbench/listings/']").first.click()
    page.get_by_role("main").get_by_role("link", name=title).first.click()
    page.get_by_role("radio", name="发布").check()
    page.get_by_role("button", name="提交并看下一条").click()
    expect(page.get_by_role("status").filter(has_text="已发布")).to_be_visible()


def take_on(page: Page, title: str) -> None:
    """Open a match in the workbench and take its review on."""
    page.goto("/workbench/")
    page.get_by_role("main").get_by_role("link", name=re.compile(re.escape(title))).first.click()
    page.get_by_role("button", name="接单并显示双方名称").click()
    expect(page.get_by_role("heading", name="你的决定")).to_be_visible()


def approve(page: Page, comment: str) -> None:
    page.get_by_role("radio", name="通过，请双方答复").check()
    page.get_by_role("checkbox", name="核心硬指标有实测数据").check()
    page.get_by_role("textbox", name="给双方看的意见").fill(comment)
    page.get_by_role("button", name="提交并看下一条").click()
    expect(page.get_by_role("status").filter(has_text="正在请双方答复")).to_be_visible()


def agree(page: Page, title: str) -> None:
    """Answer the match whose other side is called `title` with a yes."""
    page.goto("/my/answers/")
    page.get_by_role("link", name=f"同意引荐 {title}").click()
    expect(page.get_by_role("radio", name="同意引荐")).to_be_checked()
    page.get_by_role("button", name="提交答复").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("M-")
