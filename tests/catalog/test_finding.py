"""Figures are read from texts in both languages, and proposed with their names."""

import json
import time
from decimal import Decimal
from pathlib import Path

import pytest
from django.urls import reverse

from catalog.finding import find_indicators
from catalog.indicators import clean_indicators, parse_indicator
from catalog.units import convert
from tests.catalog.form_data import rows_data
from tests.catalog.indicator_cases import CASES
from tests.factories import make_demand, make_member

DEMO = Path("matchmaking/demo/listings")


def is_right(found, case):
    _text, name, op, value, high, unit = case
    if not name:
        return found is None
    return (
        found is not None
        and (found.name, found.op, found.unit) == (name, op, unit)
        and found.value == Decimal(value)
        and found.high == (Decimal(high) if high else None)
    )


def test_hand_written_cases_are_read_with_name_relation_value_and_unit():
    """Written before the rules in three rounds. Blind, the second round had 84 % right and the
    third 80 %; what they taught went into the rules, so that all are right now."""
    wrong = [case[0] for case in CASES if not is_right(parse_indicator(case[0]), case)]

    assert len(CASES) >= 250
    assert len(wrong) <= 0.02 * len(CASES), wrong


TEXT_FIELDS = ("body", "process", "tried", "novelty", "advantages", "scenarios", "trl_evidence")
TEXTS = [
    (
        "希望把冻裂率降到 1.5% 以下，通过最大冰晶带的时间不超过 10 min，六个月后煮破率不高于 4%。",
        [
            ("冻裂率", "le", "1.5", "%"),
            ("通过最大冰晶带的时间", "le", "10", "min"),
            ("六个月后煮破率", "le", "4", "%"),
        ],
    ),
    (
        "要求抗拉强度不低于 980 MPa，延伸率≥8%；密度 ≤1.25 克/立方厘米。",
        [
            ("抗拉强度", "ge", "980", "MPa"),
            ("延伸率", "ge", "8", "%"),
            ("密度", "le", "1.25", "g/cm³"),
        ],
    ),
    ("转化率由 62% 提高到 85% 以上。", [("转化率", "ge", "85", "%")]),
    ("每公斤处理成本不超过 0.6 元。", [("处理成本", "le", "0.6", "元/公斤")]),
    (
        "We need a yield above 99.5 % and a cycle time of less than 45 s.",
        [("yield", "ge", "99.5", "%"), ("cycle time", "le", "45", "s")],
    ),
    ("The noise level must not exceed 65 dB.", [("noise level", "le", "65", "dB")]),
    ("现有 3 条生产线，2026 年 5 月投产，按 GB/T 4754-2017 分类。", []),
    ("越快越好，价格便宜。", []),
]


@pytest.mark.parametrize(("text", "expected"), TEXTS)
def test_figures_of_a_text_get_their_names(text, expected):
    found = [
        (one.indicator.name, one.indicator.op, str(one.indicator.value), one.indicator.unit)
        for one in find_indicators(text)
    ]
    assert found == expected


def test_a_proposal_knows_where_it_stands_and_can_be_stored():
    text = "现状如此。\n要求圆度变形不超过 0.35 mm，硬度 58～62 HRC。"
    found = find_indicators(text)
    assert [text[one.start : one.end] for one in found] == ["不超过 0.35 mm", "58～62 HRC"]
    rows = [one.indicator.to_json() for one in found]
    assert clean_indicators(rows) == rows


def test_how_it_is_today_is_proposed_and_not_ticked():
    text = "目前废品率高于 5%，每年损失大。\n\n希望废品率不超过 1%。"
    assert [(one.indicator.value, one.likely) for one in find_indicators(text)] == [
        (Decimal("5"), False),
        (Decimal("1"), True),
    ]


def test_what_is_a_row_already_is_not_proposed_again():
    text = "要求圆度变形不超过 0.35 mm。"
    known = [one.indicator.to_json() for one in find_indicators(text)]
    assert find_indicators(text, known) == []


def test_most_of_the_demos_indicators_are_found_in_its_texts():
    """Measured on the demo: of 798 rows 523 (66 %) are found with value and unit, though their
    writers named many in other units (per tonne) or from a table; 455 of these with their name."""
    found = total = 0
    for path in sorted(DEMO.glob("*.json")):
        part = json.loads(path.read_text(encoding="utf8"))
        for listing in (*part["demands"], *part["achievements"]):
            text = "\n".join(str(listing.get(name) or "") for name in TEXT_FIELDS)
            proposals = [one.indicator for one in find_indicators(text)]
            for row in listing["indicators"]:
                total += 1
                wanted = Decimal(row["value"])
                found += any(
                    (value := convert(one.value, one.unit, row["unit"])) is not None
                    and abs(value - float(wanted)) < 1e-9 * max(1, abs(float(wanted)))
                    for one in proposals
                )
    assert total > 700
    assert found / total >= 0.6


HOSTILE = [
    *("9" * 20_000, "9 " * 10_000, "1-" * 10_000, "需要" * 10_000 + "5 mm", "三" * 20_000),
    *("5 mm ≥ " * 2_500, "从 5 mm 到 " * 2_000, "(" * 20_000 + "5 mm", "每小时" * 6_000 + "5 kg"),
    *("from 5 mm to " * 1_500, "百分之" * 7_000, "用时" * 10_000 + "5 mm", "\u202e1" * 9_000),
]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_texts_cost_a_moment(text):
    start = time.process_time()
    assert len(find_indicators(text)) <= 50
    assert time.process_time() - start < 3  # 0.05 to 0.3 s measured; broken, it never ends


# --- The form -------------------------------------------------------------------------------


@pytest.fixture
def writer(client, db):
    member = make_member()
    client.force_login(member)
    return client, member.memberships.get().organization


def test_figures_are_shown_to_tick_and_become_rows(writer):
    client, organization = writer
    body = "希望圆度变形不超过 0.35 mm，单件节拍不超过 90 分钟。"
    demand = make_demand(owner=organization, status="draft", body=body, indicators=[])
    url = reverse("demand_step", args=[demand.number, "indicators"])

    page = client.post(url, {"action": "find-indicators", **rows_data({})}).content.decode()
    assert "圆度变形" in page
    assert page.count('name="accept"') >= 2

    row = {"name": "圆度变形", "op": "le", "value": "0.35", "high": "", "unit": "mm", "hard": False}
    data = {"action": "accept", "accept": [json.dumps(row)], **rows_data({})}
    page = client.post(url, data).content.decode()
    assert 'value="圆度变形"' in page
    demand.refresh_from_db()
    assert demand.indicators == []  # until it is saved


def test_htmx_gets_the_proposals_alone(writer):
    client, organization = writer
    demand = make_demand(owner=organization, status="draft", body="要求厚度不小于 6 mm。")
    url = reverse("find_indicators", args=["demand", "indicators"]) + f"?listing={demand.number}"
    answer = client.post(url, rows_data({}), headers={"HX-Request": "true"})
    assert answer.status_code == 200
    assert "厚度" in answer.content.decode()
    assert "<html" not in answer.content.decode()


@pytest.mark.parametrize(
    "forged", ["", "x", "[]", "{}", '{"name": 1}', "[" * 5000, '{"name":"a","op":"x","value":"1"}']
)
def test_a_forged_proposal_is_left_out(writer, forged):
    client, organization = writer
    demand = make_demand(owner=organization, status="draft", indicators=[])
    url = reverse("demand_step", args=[demand.number, "indicators"])
    assert client.post(url, {"action": "accept", "accept": [forged]}).status_code == 200


def test_somebody_elses_text_is_not_read(writer):
    client, _organization = writer
    other = make_demand(status="draft", body="要求厚度不小于 6 mm。")
    url = reverse("find_indicators", args=["demand", "what"]) + f"?listing={other.number}"
    assert client.post(url, {}).status_code == 404
    assert client.post(reverse("find_indicators", args=["demand", "nowhere"])).status_code == 404
    assert client.post(reverse("find_indicators", args=["wish", "what"])).status_code == 404
