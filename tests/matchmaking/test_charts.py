"""A chart's numbers for the script, its drawing and its table say the same."""

import json
import math
import xml.etree.ElementTree as ET
from html.parser import HTMLParser

import pytest
from django.template.loader import render_to_string

from matchmaking.charts import ABOVE, PLOT, ROW_LEFT, ROW_RIGHT, Chart, Promise, Series

SVG = "{http://www.w3.org/2000/svg}"


def line(*values, **fields) -> Chart:
    labels = tuple(f"第 {number} 周" for number in range(len(values)))
    return Chart(
        **{
            "key": "first-answer",
            "kind": "line",
            "title": "首次答复用时",
            "period": "8 月 24 日至 11 月 21 日",
            "summary": "中位数从 2.6 天降到 1.4 天",
            "labels": labels,
            "series": (Series("中位数", tuple(values), end="中位"),),
            "unit": "{value} 天",
            **fields,
        }
    )


def svg_of(chart: Chart) -> ET.Element:
    text = render_to_string("matchmaking/dashboard/_drawing.html", {"drawing": chart.drawing()})
    return ET.fromstring(text.replace("<svg ", f'<svg xmlns="{SVG[1:-1]}" ', 1))


class Page(HTMLParser):
    """Collects what a chart on a page gives its script, and the cells of its table."""

    def __init__(self, chart: Chart) -> None:
        super().__init__()
        self.json, self.cells, self.tags = "", [[]], [("", {})]
        self.feed(render_to_string("matchmaking/dashboard/_chart.html", {"chart": chart}))
        self.data = json.loads(self.json)
        self.rows = [row for row in self.cells if row]

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag == "tr":
            self.cells.append([])

    def handle_data(self, data):
        tag = self.tags[-1][0]
        if tag == "script":
            self.json += data
        if tag in ("th", "td", "a") and data.strip():
            self.cells[-1].append(data.strip())


@pytest.mark.parametrize(
    ("most", "top", "step"),
    [
        (0, 1, 1),
        (0.4, 1, 1),
        (1, 1, 1),
        (2.6, 3, 1),
        (4, 4, 1),
        (4.1, 6, 2),
        (12, 15, 5),
        (20, 20, 5),
        (41, 60, 20),
        (214, 300, 100),
        (1_000_000, 1_000_000, 500_000),
    ],
)
def test_the_axis_ends_at_a_whole_step_above_the_largest_value(most, top, step):
    chart = line(0, most)

    assert (chart.top, chart.step) == (top, step)


def test_an_axis_reaches_what_was_promised_also_when_all_is_faster():
    assert line(0.5, promise=Promise(3, "承诺 3 天")).top == 3


def test_the_drawing_stands_where_the_figures_say():
    values = (3, 2.6, None, 1.4, 0)
    chart = line(*values)
    height = {value: f"{ABOVE + PLOT * (1 - value / 3):.1f}" for value in (3, 2.6, 1.4, 0)}

    drawn = [one.attrib for one in svg_of(chart).iter(f"{SVG}line") if one.get("class") == "first"]

    # A gap of a week breaks the line: nothing is drawn from or to where nothing is known.
    assert [(one["y1"], one["y2"]) for one in drawn] == [
        (height[3], height[2.6]),
        (height[1.4], height[0]),
    ]
    assert drawn[0]["x2"] != drawn[1]["x1"]
    assert "中位 0" in [one.text for one in svg_of(chart).iter(f"{SVG}text")]


def test_a_week_alone_is_a_point():
    assert len(list(svg_of(line(None, 2.0, None)).iter(f"{SVG}circle"))) == 1
    assert len(list(svg_of(line(2.0)).iter(f"{SVG}circle"))) == 1


def test_names_at_the_ends_of_lines_do_not_lie_on_each_other():
    chart = line(1, 2.0)
    series = (*chart.series, Series("九成", (3, 2.1), end="九成", secondary=True))

    ends = [one for one in svg_of(line(1, 2.0, series=series)).iter(f"{SVG}text")][-2:]

    assert float(ends[1].get("y")) - float(ends[0].get("y")) >= 15
    assert [one.text for one in ends] == ["九成 2.1", "中位 2"]


@pytest.mark.parametrize("kind", ["columns", "rows"])
def test_bars_are_as_long_as_their_figures(kind):
    whole = Series("发布", (10, 4), secondary=True)
    part = Series("按时答复", (5, 0))
    drawn = svg_of(line(0, 0, kind=kind, series=(part, whole)))
    boxes = [one.attrib for one in drawn.iter(f"{SVG}rect")]

    assert [one["class"] for one in boxes][:2] == [
        "second",
        "second" if kind == "columns" else "first",
    ]
    if kind == "columns":
        assert [one["height"] for one in boxes] == [f"{PLOT * n / 10:.1f}" for n in (10, 4, 5)]
    else:
        most = ROW_RIGHT - ROW_LEFT
        assert [one["width"] for one in boxes] == [f"{most * n / 10:.2f}%" for n in (10, 5, 4, 0)]


@pytest.mark.parametrize("kind", ["line", "columns", "rows"])
def test_the_table_says_what_the_script_gets(kind):
    series = (
        Series("中位数", (1.5, None, 3), end="中位"),
        Series("九成", (4.2, 5, None), end="九成", secondary=True),
    )
    page = Page(line(0, 0, 0, kind=kind, series=series, over="发布周"))

    assert page.rows[0] == ["发布周", *(one["name"] for one in page.data["series"])]
    for row, label in enumerate(page.data["labels"]):
        values = [one["values"][row] for one in page.data["series"]]
        told = ["–" if one is None else f"{one} 天" for one in values]
        assert page.rows[row + 1] == [label, *told]
    assert ("details", {"class": "kq-chart-table", "id": "table-first-answer", "open": None}) in (
        page.tags
    )


def test_a_chart_styles_nothing_in_its_markup_and_escapes_what_it_is_told():
    chart = line(1, 2, title='<script>alert("1")</script>', summary='"><b onload=x>')
    page = Page(chart)

    assert page.data["title"] == chart.title
    names = {tag for tag, _attrs in page.tags}
    assert "b" not in names
    assert [tag for tag, _attrs in page.tags].count("script") == 1
    assert not any(
        name == "style" or name.startswith("on") for _tag, attrs in page.tags for name in attrs
    )


def test_a_long_axis_names_at_most_five_of_its_weeks():
    chart = line(*range(60))
    below = [one for one in svg_of(chart).iter(f"{SVG}text") if one.get("text-anchor") == "middle"]

    assert 1 < len(below) <= 5
    assert all(math.isfinite(float(one.get("x").rstrip("%"))) for one in below)
