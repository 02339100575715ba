"""The dashboard in a browser: charts, pictures, filters; without scripts, and on a phone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.factories import make_operator
from tests.matchmaking.test_pages_dashboard import add_demands

pytestmark = pytest.mark.django_db(transaction=True)
PNG = b"\x89PNG\r\n\x1a\n"

# Every chart: is there ink on its canvas, and is the server's drawing out of sight?
INK = """
charts => charts.map(chart => {
  const canvas = chart.querySelector("canvas");
  const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  const drawing = getComputedStyle(chart.querySelector("svg")).visibility;
  return pixels.some(value => value) && drawing === "hidden";
})
"""


def test_an_operator_reads_the_dashboard(visit: Callable[..., Page], tmp_path: Path) -> None:
    add_demands(4)
    add_demands(2, region="440100", days_ago=34)
    operator = make_operator()

    page = visit(operator)
    page.goto("/dashboard/")

    expect(page.locator(".kq-chart canvas")).to_have_count(3)
    assert page.locator(".kq-chart").evaluate_all(INK) == [True, True, True]
    page.locator(".kq-chart").first.hover()  # the tooltip must not break the policy
    expect(page.locator("details.kq-chart-table[open]")).to_have_count(0)

    # A picture to take along.
    with page.expect_download() as download:
        page.get_by_role("button", name="PNG").first.click()
    assert download.value.suggested_filename == "first-answer.png"
    download.value.save_as(tmp_path / "chart.png")
    assert (tmp_path / "chart.png").read_bytes().startswith(PNG)

    # A filter changes the figures and the address, and the focus stays where it was.
    page.get_by_text("以表格查看").first.click()
    region = page.get_by_label("地区")
    region.focus()
    region.select_option(label="广东省")
    expect(page.get_by_text("同一批 2 项需求")).to_be_visible()
    expect(region).to_be_focused()
    assert page.url.endswith("/dashboard/?period=90&region=44")
    expect(page.locator(".kq-chart canvas")).to_have_count(3)
    expect(page.locator("details.kq-chart-table[open]")).to_have_count(1)
    page.reload()
    expect(page.get_by_text("同一批 2 项需求")).to_be_visible()

    # On a phone nothing but the named table moves sideways.
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto("/dashboard/")
    expect(page.locator(".kq-chart canvas").first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    matrix = page.get_by_role("region", name="供需矩阵，可以左右滚动")
    assert matrix.evaluate("element => element.scrollWidth > element.clientWidth")
    fits = (
        "charts => charts.every(one => one.querySelector('canvas').offsetWidth <= one.offsetWidth)"
    )
    assert page.locator(".kq-chart").evaluate_all(fits)


def test_without_scripts_the_drawings_and_the_tables_are_there(visit: Callable[..., Page]) -> None:
    add_demands(6)

    page = visit(make_operator(), javascript=False, width=390)
    page.goto("/dashboard/")

    expect(page.locator(".kq-drawing")).to_have_count(3)
    expect(page.locator(".kq-drawing").first).to_be_visible()
    expect(page.locator("details.kq-chart-table[open] table").first).to_be_visible()
    expect(page.get_by_role("button", name="PNG")).to_have_count(0)
    page.get_by_label("地区").select_option(label="浙江省")
    page.get_by_role("button", name="显示").click()
    expect(page.get_by_text("同一批 6 项需求")).to_be_visible()
    assert "region=33" in page.url
