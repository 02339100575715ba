"""The evidence says what the texts say: right figure, right unit, right place, or nothing."""

import datetime as dt
import re
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.indicators import Indicator, parse_indicator, parse_indicators
from matchmaking.retrieval.explanation import (
    MAX_QUOTE,
    MAX_SENTENCE,
    NAME_FLOOR,
    Side,
    constraint_grid,
    grid_score,
    judge,
    name_similarity,
    sentence_pairs,
    shared_terms,
    split_sentences,
    tally,
    worst_gap,
)


def side(body="", *, indicators="", summary="", title="标题", **fields):
    return Side(
        title=title,
        summary=summary,
        body=body,
        indicators=tuple(parse_indicators(indicators)),
        **fields,
    )


def only(demand, achievement, **options):
    [row] = constraint_grid(demand, achievement, **options)
    return row


def marked(row):
    return [row["quote"][start:end] for start, end in row["marks"]]


DEMAND = side(
    indicators="圆度变形 ≤ 0.35 mm（硬）; 单件节拍 ≤ 90 min; 软带宽度 = 0 mm（硬）;"
    "淬硬层深度 ≥ 6 mm（硬）; 表面硬度 58-62 HRC（硬）",
    trl=7,
    money_max=3_800_000,
    modes=("development", "license"),
    deadline=dt.date(2027, 9, 30),
)
ACHIEVEMENT = side(
    "本成果针对大型轴承套圈。\n\n"
    "双感应器相向扫描，终了处无软带。\n"
    "已完成中试线验证，累计 46 件。\n"
    "直径 3.2 m 套圈试件淬火后圆度偏差 0.41 mm。\n"
    "普通许可 300 万元起，改造费用另计。工艺固化约 8 个月，质保 2 年。",
    indicators="有效硬化层 6.2–8.0 mm; 表面硬度 59–61 HRC",
    trl=6,
    money_min=3_000_000,
    modes=("license", "development"),
)


def test_the_whole_grid_is_in_the_order_a_manager_reads_it():
    grid = constraint_grid(DEMAND, ACHIEVEMENT, start=dt.date(2027, 1, 1))

    assert [(row["kind"], row["name"], row["verdict"]) for row in grid] == [
        ("indicator", "圆度变形", "unmet"),
        ("trl", "", "partly"),
        ("budget", "", "partly"),
        ("indicator", "单件节拍", "unknown"),
        ("indicator", "软带宽度", "met"),
        ("indicator", "淬硬层深度", "met"),
        ("indicator", "表面硬度", "met"),
        ("modes", "", "met"),
        ("deadline", "", "met"),
    ]
    first = grid[0]
    assert first["quote"] == "直径 3.2 m 套圈试件淬火后圆度偏差 0.41 mm。"
    assert marked(first) == ["圆度偏差 0.41 mm"]
    assert first["source"] == {"kind": "body", "paragraph": 4}
    assert first["gap"] == {"value": 0.06, "unit": "mm", "percent": 17.1}
    assert marked(grid[1]) == ["已完成中试线验证"]
    assert marked(grid[2]) == ["300 万元起"]
    assert marked(grid[5]) == ["6.2–8.0\N{NO-BREAK SPACE}mm"]
    assert grid[5]["source"] == {"kind": "indicators", "row": 1}
    assert grid[8]["stated"]["finish"] == "2027-09-02"
    assert tally(grid) == {"unmet": 1, "partly": 2, "unknown": 1, "met": 5}
    assert worst_gap(grid) is first
    assert constraint_grid(DEMAND, ACHIEVEMENT, start=dt.date(2027, 1, 1)) == grid


# requirement, what the achievement writes, verdict, marked words (None: nothing is quoted)
TEXTS = [
    ("圆度变形 ≤ 0.35 mm", "圆度偏差为 0.2 毫米。", "met", "圆度偏差为 0.2 毫米"),
    ("圆度变形 ≤ 0.35 mm", "淬火后圆度变形量控制在350μm以内。", "met", "圆度变形量控制在350μm以内"),
    ("圆度变形 ≤ 0.35 mm", "套圈直径 0.2 m。", "unknown", None),
    ("圆度变形 ≤ 0.35 mm", "圆度偏差在直径 3.2 m 的试件上为 0.41 mm。", "partly", None),
    (
        "圆度变形 ≤ 0.35 mm",
        "传统工艺圆度变形 0.8 mm，本工艺圆度变形 0.3 mm。",
        "met",
        "圆度变形 0.3 mm",
    ),
    (
        "圆度变形 ≤ 0.35 mm",
        "圆度变形由 0.8 mm 降至 0.3 mm。",
        "met",
        "圆度变形由 0.8 mm 降至 0.3 mm",
    ),
    ("圆度变形 ≤ 0.35 mm", "圆度变形减少 40%。", "unknown", None),
    ("废品率 ≤ 2 %", "废品率降低 30%。", "unknown", None),
    ("废品率 ≤ 2 %", "废品率从 6% 降到 1.5%。", "met", None),
    ("能耗降低 ≥ 20 %", "综合能耗降低 25%。", "met", "能耗降低 25%"),
    ("表面硬度 58-62 HRC", "心部硬度 30 HRC。", "unknown", None),
    ("表面硬度 58-62 HRC", "表面硬度 600 HV。", "unknown", None),
    ("抗拉强度 ≥ 1200 MPa", "抗压强度 1300 MPa。", "unknown", None),
    ("最大厚度 ≤ 5 mm", "最小厚度 3 mm，最大厚度 6 mm。", "partly", "最大厚度 6 mm"),
    ("最大厚度 ≤ 5 mm", "最小厚度 3 mm。", "unknown", None),
    ("表面硬度 58-62 HRC", "心部硬度 30 HRC，表面硬度 60 HRC。", "met", "表面硬度 60 HRC"),
    ("表面硬度 58-62 HRC", "表面硬度 55–60 HRC。", "partly", "表面硬度 55–60 HRC"),
    ("表面硬度 58-62 HRC", "表面硬度 40 HRC。", "unmet", "表面硬度 40 HRC"),
    ("氨回收率 ≥ 90 %", "铝回收率 94 %。", "unknown", None),
    ("氯化钠纯度 ≥ 99 %", "氯化钠 TOC 14 ppm。", "unknown", None),
    ("氯化钠纯度 ≥ 99 %", "氯化钠 TOC 14 ppm，纯度 99.3%。", "met", None),
    ("适用幅宽 ≥ 3 m", "适用于各种幅宽，像素分辨 0.12 mm。", "unknown", None),
    ("操作温度 ≤ 45 ℃", "可操作时间 48 h，−40 ℃ 冷藏。", "unknown", None),
    ("操作温度 ≤ 45 ℃", "温度误差 0.5 ℃。", "unknown", None),
    ("清洗时间 ≤ 2 h", "清洗周期由 12 d 延长到 75 d。", "unknown", None),
    ("效率损失 ≤ 0.05 %", "满载效率 82%。", "unknown", None),
    ("掺量波动 ≤ 0.03 %", "掺量在 0.20%～0.225%。", "unknown", None),
    ("工作温度下限 ≤ -25 ℃", "工作温度 −40～65 ℃。", "met", "工作温度 −40～65 ℃"),
    ("工作温度下限 ≤ -25 ℃", "工作温度上限 150 ℃。", "unknown", None),
    ("纯度 ≥ 99.9 %", "产品纯度 99 %。", "unmet", "纯度 99 %"),
    ("纯度 ≥ 99.9 %", "产品纯度 99.85 %。", "partly", "纯度 99.85 %"),
    ("检出率 ≥ 92 %", "检出率 ≥ 95 %。", "met", "检出率 ≥ 95 %"),
    ("检出率 ≥ 92 %", "检出率达到 90 %。", "partly", "检出率达到 90 %"),
    ("检出率 ≥ 92 %", "检出率不足，约 50 %。", "unmet", None),
    ("产能 ≥ 10 万吨/年", "单线产能 300 t/d。", "met", "产能 300 t/d"),
    ("产能 ≥ 10 万吨/年", "单线产能 30 t/d。", "unmet", "产能 30 t/d"),
    ("处理能力 ≥ 100 m³/h", "处理能力 2,000 L/min", "met", "处理能力 2,000 L/min"),
    ("工作温度 -40~85 ℃", "工作温度范围：-45 ℃ 至 125 ℃。", "partly", None),
    ("工作温度 ≥ 300 ℃", "工作温度可达 623 K。", "met", "工作温度可达 623 K"),
    ("控温精度 ≤ 1 ℃", "控温精度 ±0.5 K。", "met", "控温精度 ±0.5 K"),
    ("软带宽度 = 0 mm", "两端无软带。", "met", "无软带"),
    ("软带宽度 = 0 mm", "传统方法难以做到无软带。", "unknown", None),
    ("软带宽度 = 0 mm", "提出了无软带检测方法。", "unknown", None),
    ("软带宽度 = 0 mm", "软带宽度 3 mm。", "unmet", "软带宽度 3 mm"),
    ("循环寿命 ≥ 5 万次", "循环寿命 60000 次。", "met", "循环寿命 60000 次"),
    ("单台成本 ≤ 35 万元", "单台成本约 320000 元。", "met", "单台成本约 320000 元"),
    ("purity ≥ 95 %", "The product has 97% purity.", "met", "97% purity"),
    ("purity ≥ 95 %", "A purity of at least 97 % was reached.", "met", "purity of at least 97 %"),
    ("cycle time ≤ 90 min", "The cycle time is 1.2 hours.", "met", "cycle time is 1.2 hours"),
    ("hardened depth ≥ 6 mm", "Depth of the hardened layer: 7 mm.", "met", None),
    ("energy density ≥ 300 Wh/kg", "Energy density reaches 0.28 kWh/kg", "partly", None),
    ("导热系数 ≤ 0.03 W/(m·K)", "导热系数仅 0.025 W/m·K", "met", None),
    ("pH 6-9", "出水 pH 7.2，氨氮 3 mg/L。", "met", "pH 7.2"),
    ("节拍 ≤ 90 min", "2026 年 3 月投用。", "unknown", None),
    ("节拍 ≤ 90 min", "", "unknown", None),
]


@pytest.mark.parametrize(("requirement", "text", "verdict", "words"), TEXTS)
def test_figures_are_found_in_the_text(requirement, text, verdict, words):
    row = only(side(indicators=requirement), side(text))

    assert row["verdict"] == verdict
    assert row["quote"] in text
    if verdict == "unknown" and not row["note"]:
        assert (row["quote"], row["source"]) == ("", {"kind": "none"})
    if words is not None:
        assert marked(row) == [words]


@pytest.mark.parametrize(
    ("requirement", "stated", "verdict"),
    [
        ("检出率 ≥ 92 %（硬）", "检出率 ≥ 95 %", "met"),
        ("检出率 ≥ 92 %（硬）", "检出率 = 92 %", "met"),
        ("厚度 ≥ 10 mm（硬）", "厚度 9.2 mm", "partly"),
        ("厚度 ≥ 10 mm（硬）", "厚度 8.5 mm", "unmet"),
        ("厚度 ≥ 10 mm（软）", "厚度 8.5 mm", "partly"),
        ("厚度 ≥ 10 mm（软）", "厚度 7.5 mm", "unmet"),
        ("厚度 ≥ 10 mm", "厚度 ≤ 5 mm", "unmet"),
        ("厚度 ≤ 10 mm", "厚度 ≥ 12.5 mm", "unmet"),
        ("厚度 ≤ 10 mm", "厚度 ≥ 5 mm", "partly"),
        ("厚度 ≥ 10 mm", "厚度 8–12 mm", "partly"),
        ("厚度 5-10 mm", "厚度 6–9 mm", "met"),
        ("厚度 5-10 mm", "厚度 20 mm", "unmet"),
        ("厚度 = 5 mm", "厚度 5.05 mm", "met"),
        ("厚度 = 5 mm", "厚度 7 mm", "unmet"),
        ("厚度 = 5 mm", "厚度 0.5 cm", "met"),
        ("厚度 ≥ 10 mm", "重量 12 kg", "unknown"),
        ("厚度 ≥ 10 mm", "厚度 12 kg", "unknown"),
        ("涂层厚度 ≥ 10 μm", "厚度 12 μm", "met"),
        ("样本量 ≥ 100", "样本量 120 例", "met"),
        ("28 d 强度比 ≥ 100 %", "28 d 强度比 106 %", "met"),
        ("28 d 强度比 ≥ 100 %", "3 d 强度比 106 %", "partly"),
    ],
)
def test_indicator_rows_are_compared(requirement, stated, verdict):
    row = only(side(indicators=requirement), side(indicators=stated))
    assert row["verdict"] == verdict
    assert (row["gap"] is None) or row["gap"]["value"] > 0


def test_rows_come_before_texts_and_the_best_name_wins():
    row = only(
        side(indicators="表面硬度 ≥ 58 HRC"),
        side("表面硬度 40 HRC。", indicators="心部硬度 30 HRC; 表面硬度 60 HRC"),
    )
    assert row["source"] == {"kind": "indicators", "row": 2}
    assert row["verdict"] == "met"


def test_the_summary_is_read_and_paragraphs_are_counted_without_blank_lines():
    wanted = side(indicators="节拍 ≤ 90 min")
    assert only(wanted, side(summary="节拍 60 min。"))["source"] == {"kind": "summary"}
    assert only(wanted, side("一\n\n \n二\n节拍 60 min。"))["source"]["paragraph"] == 3


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [
        ("表面硬度", "表面硬度", True),
        ("表面硬度 ", "表面硬度", True),
        ("硬度", "表面硬度", True),
        ("圆度变形", "圆度偏差", True),
        ("淬硬层深度", "有效硬化层", True),
        ("Surface hardness", "hardness of the surface", True),
        ("cycle times", "Cycle time", True),
        ("表面硬度", "心部硬度", False),
        ("单件节拍", "单件处理时间", True),
        ("杂盐率", "杂盐比例", True),
        ("标校周期", "标校间隔", True),
        ("抗拉强度", "抗压强度", False),
        ("圆度", "圆度误差", True),
        ("处理能力", "示范线处理量", True),
        ("单件节拍", "加工时间", False),
        ("冻裂率", "裂缝检出率", False),
        ("一氧化碳浓度", "二氧化碳浓度", False),
        ("清洗时间", "清洗周期", False),
        ("氨回收率", "硫酸回收率", False),
        ("凝结时间差", "初凝时间", False),
        ("掺量波动", "掺量", False),
        ("工作温度", "贮存温度", False),
        ("最大厚度", "最小厚度", False),
        ("surface hardness", "core hardness", False),
        ("厚度", "重量", False),
        ("", "重量", False),
        ("！？", "重量", False),
    ],
)
def test_names_are_compared(left, right, same):
    assert (name_similarity(left, right) >= NAME_FLOOR) == same
    assert name_similarity(left, right) == name_similarity(right, left)


@pytest.mark.parametrize(
    ("required", "reached", "verdict"),
    [(7, 8, "met"), (7, 7, "met"), (7, 6, "partly"), (7, 5, "unmet"), (7, None, "unknown")],
)
def test_readiness(required, reached, verdict):
    row = only(side(trl=required), side("一段话。", trl=reached))
    assert (row["kind"], row["verdict"], row["hard"]) == ("trl", verdict, True)
    assert row["stated"] == ({"trl": reached} if reached else None)


def test_readiness_is_read_from_the_text_where_the_field_is_empty():
    row = only(side(trl=7), side("目前技术成熟度为 6 级。"))
    assert (row["verdict"], marked(row)) == ("partly", ["技术成熟度为 6"])
    assert row["source"]["kind"] == "body"


@pytest.mark.parametrize(
    ("ceiling", "low", "high", "verdict", "gap"),
    [
        (100, 50, 80, "met", None),
        (100, None, 100, "met", None),
        (100, 50, 120, "partly", 20),
        (100, 50, None, "partly", None),
        (100, 105, None, "partly", 5),
        (100, 200, 300, "unmet", 100),
        (0, 200, None, "unmet", 200),
        (100, None, None, "unknown", None),
    ],
)
def test_money(ceiling, low, high, verdict, gap):
    row = only(side(money_min=10, money_max=ceiling), side(money_min=low, money_max=high))
    assert (row["kind"], row["verdict"]) == ("budget", verdict)
    assert (row["gap"] or {}).get("value") == gap


def test_modes_and_region():
    wanted = side(modes=("license",), region="320500")
    near = constraint_grid(wanted, side(modes=("transfer", "license"), region="320100"))
    far = constraint_grid(wanted, side(modes=("transfer",), region="110000"))
    silent = constraint_grid(wanted, side())

    assert [(row["kind"], row["verdict"]) for row in near] == [("modes", "met"), ("region", "met")]
    assert [(row["kind"], row["verdict"]) for row in far] == [
        ("modes", "unmet"),
        ("region", "partly"),
    ]
    assert [(row["kind"], row["verdict"]) for row in silent] == [("modes", "unknown")]
    assert constraint_grid(side(), side(modes=("license",), region="110000", trl=9)) == []


@pytest.mark.parametrize(
    ("text", "start", "verdict"),
    [
        ("交付周期 8 个月。", dt.date(2027, 1, 1), "met"),
        ("交付周期 8 个月。", None, "unknown"),
        ("交付周期 10 个月。", dt.date(2027, 1, 1), "partly"),
        ("交付周期 2 年。", dt.date(2027, 1, 1), "unmet"),
        ("Delivery within 6 months.", dt.date(2027, 1, 1), "met"),
        ("交付周期 6-8 个月", dt.date(2027, 1, 1), "met"),
        ("交付后质保 2 年。", dt.date(2027, 1, 1), "unknown"),
        ("2026 年 8 月交付首台。", dt.date(2027, 1, 1), "unknown"),
        ("单件实施 30 分钟。", dt.date(2027, 1, 1), "unknown"),
        ("", dt.date(2027, 1, 1), "unknown"),
    ],
)
def test_deadlines(text, start, verdict):
    grid = constraint_grid(side(deadline=dt.date(2027, 9, 30)), side(text), start=start)
    assert [row["verdict"] for row in grid] == [verdict]


def test_scores_and_the_worst_gap():
    assert grid_score([]) == pytest.approx(0.4)
    assert worst_gap([]) is None
    grid = constraint_grid(
        side(indicators="厚度 ≥ 10 mm; 宽度 ≥ 10 mm（硬）; 高度 ≥ 10 mm（硬）"),
        side(indicators="厚度 1 mm; 宽度 8 mm; 高度 5 mm"),
    )
    assert [row["name"] for row in grid] == ["宽度", "高度", "厚度"]
    assert (worst_gap(grid) or {})["name"] == "高度"
    assert grid_score(grid) == 0.0


def test_a_row_with_a_unit_that_is_no_longer_known_is_unknown():
    old = Indicator("厚度", "ge", Decimal(1), None, "mmm", True)
    row = only(Side("", "", "", (old,)), side("厚度 5 mm。", indicators="厚度 5 mm"))
    assert row["verdict"] == "unknown"


# --- sentences ------------------------------------------------------------------------------


def test_sentences_are_cut_in_both_languages():
    text = "第一句。第二句！精度 0.35 mm; It works. Version 2.5 is out?\n12345\n  \u202e \n末句"
    assert split_sentences(text) == [
        "第一句。",
        "第二句！",
        "精度 0.35 mm;",
        "It works.",
        "Version 2.5 is out?",
        "末句",
    ]
    assert len(split_sentences("句。" * 100, limit=7)) == 7


def encoder(texts):
    """A vector of character counts: the same text has cosine 1."""
    rows = np.zeros((len(texts), 256), dtype=np.float32)
    for number, text in enumerate(texts):
        for char in text:
            rows[number, ord(char) % 256] += 1
    return rows


def words(text):
    return re.findall("软带|接头区?|硬度|变形|磨削|余量|[a-z]+", text.lower())


def test_the_closest_sentences_are_paired_once_each():
    demand = side("接头区不允许有软带出现。\n磨削余量超过 1.2 mm，变形很大。\n我公司成立于上海。")
    achievement = side("磨削余量与变形都降低。\n接头区不留软带，没有出现。\n完全无关的另外内容。")

    pairs = sentence_pairs(demand, achievement, encoder, words, 3, floor=0.3)

    assert [(p["demand"][:2], p["achievement"][:2]) for p in pairs] == [
        ("接头", "接头"),
        ("磨削", "磨削"),
    ]
    assert pairs[0]["score"] >= pairs[1]["score"] >= 0.3
    assert [pairs[0]["demand"][s:e] for s, e in pairs[0]["demand_marks"]] == ["接头区", "软带"]
    assert [pairs[1]["achievement"][s:e] for s, e in pairs[1]["achievement_marks"]] == [
        "磨削余量",
        "变形",
    ]


@pytest.mark.parametrize("value", [0.0, np.nan, np.inf])
def test_broken_vectors_make_no_pairs(value):
    texts = side("接头区不允许有软带出现。磨削余量超过 1.2 mm。")
    assert sentence_pairs(texts, texts, lambda t: np.full((len(t), 8), value), words) == []


def test_nothing_is_encoded_for_an_empty_side():
    def never(texts):
        raise AssertionError(texts)

    assert sentence_pairs(Side("", "", ""), side("一句足够长的话。"), never, words) == []


def test_shared_terms_are_the_telling_ones():
    weights = {"感应淬火": 5.0, "淬火": 4.0, "轴承": 3.0, "研究": 0.0, "12": 9.0, "硬": 9.0}
    shared = shared_terms(
        ["感应淬火", "淬火", "轴承", "轴承", "研究", "12", "硬", "甲方"],
        ["研究", "轴承", "轴承", "淬火", "感应淬火", "12", "硬", "乙方"],
        lambda word: weights.get(word, 1.0),
    )
    assert shared == ["轴承", "感应淬火"] or shared == ["感应淬火", "轴承"]


# --- hostile --------------------------------------------------------------------------------

HOSTILE = [
    "圆度变形" * 50_000,
    "圆度变形 0.41 mm，" * 20_000,
    "圆度变形 0.41 mm。" * 20_000,
    "1 mm " * 50_000,
    "无软带" * 60_000,
    "\u202e\u200f\x00圆度\u202e变形 0.3 mm" * 10_000,
    "圆" * 200_000,
    "\n" * 200_000,
    "." * 200_000,
    ". " * 100_000,
    "9" * 200_000,
    "İ圆度变形 0.3 mm" * 10_000,
    "已完成" * 70_000,
    "交付 " * 50_000 + "8 个月",
    " " * 200_000,
    "",
]


@pytest.mark.parametrize("text", HOSTILE, ids=lambda t: t[:6].encode("unicode_escape").decode())
def test_a_huge_text_gives_a_bounded_grid(text):
    demand = side(
        text[:5000],
        indicators="圆度变形 ≤ 0.35 mm; 软带宽度 = 0 mm; 节拍 ≤ 90 min",
        trl=7,
        money_max=10,
        deadline=dt.date(2027, 1, 1),
    )
    achievement = side(text, summary=text, title=text, money_min=1)

    grid = constraint_grid(demand, achievement, start=dt.date(2026, 1, 1))

    assert 5 <= len(grid) <= 6
    for row in grid:
        assert row["quote"] in text
        assert len(row["quote"]) <= MAX_QUOTE + 40
        assert all(0 <= start < end <= len(row["quote"]) for start, end in row["marks"])
    sentences = split_sentences(text)
    assert len(sentences) <= 40
    assert all(len(sentence) <= MAX_SENTENCE for sentence in sentences)
    pairs = sentence_pairs(demand, achievement, encoder, words)
    assert len(pairs) <= 3


@settings(deadline=None)
@given(st.text(max_size=300), st.text(max_size=300))
def test_quotes_stand_in_the_text_and_marks_in_the_quotes(summary, body):
    demand = side(indicators="圆度变形 ≤ 0.35 mm; a ≥ 1; 温度 ≤ 5 ℃", trl=5, money_max=5)
    for row in constraint_grid(demand, side(body, summary=summary, trl=3, money_max=9)):
        assert row["quote"] in summary or row["quote"] in body
        assert all(0 <= start < end <= len(row["quote"]) for start, end in row["marks"])


@settings(deadline=None)
@given(
    st.sampled_from(["ge", "le", "eq", "range"]),
    st.floats(-1e6, 1e6),
    st.floats(0, 1e6),
    st.booleans(),
)
def test_what_is_asked_for_is_met_by_itself(op, value, width, hard):
    low = Decimal(str(value))
    high = low + Decimal(str(width)) if op == "range" else None
    required = Indicator("a", op, low, high, "mm", hard)
    stated = judge(required, op, float(low), None if high is None else float(high))
    assert stated.verdict == "met"


@settings(deadline=None)
@given(st.floats(0.001, 1e6), st.floats(0.001, 1e6))
def test_a_softer_wish_is_never_judged_harder(bound, value):
    order = ["unmet", "partly", "met"]
    required = Indicator("a", "ge", Decimal(str(bound)), None, "mm")
    soft = judge(required, "eq", value, None, hard=False).verdict
    hard = judge(required, "eq", value, None, hard=True).verdict
    assert order.index(soft) >= order.index(hard)
    assert (soft == "met") == (hard == "met")


def test_parsing_is_what_the_tables_above_rest_on():
    assert all(parse_indicator(requirement) for requirement, *_ in TEXTS)


# --- Rights and needs ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wish", "offered", "verdict"),
    [
        ("full", {"modes": ("transfer",)}, "met"),
        ("full", {"modes": ("license",)}, "unknown"),
        ("field", {}, "unknown"),
        ("none", {"modes": ("license",)}, None),
        ("", {"modes": ("license",)}, None),
        ("full", {"modes": ("transfer",), "encumbrances": "已许可给华东一家企业使用。"}, "partly"),
        ("field", {"encumbrances": "No pledge. Licensed exclusively in Asia."}, "partly"),
        ("full", {"modes": ("transfer",), "encumbrances": "无质押，未许可给任何人。"}, "met"),
        ("full", {"modes": ("license",), "encumbrances": "不存在独占许可。"}, "unknown"),
    ],
)
def test_who_wants_to_be_the_only_user_is_told_what_others_hold(wish, offered, verdict):
    grid = constraint_grid(side(exclusivity=wish), side(**offered))

    assert [row["verdict"] for row in grid] == ([verdict] if verdict else [])
    if verdict == "partly":
        [row] = grid
        assert row["quote"] in offered["encumbrances"] and row["marks"]
        assert row["source"] == {"kind": "text", "field": "encumbrances", "paragraph": 1}


@pytest.mark.parametrize(
    ("wish", "modes", "verdict"),
    [
        ("own", ("transfer", "license"), "met"),
        ("own", ("license",), "partly"),
        ("own", ("development",), "unknown"),
        ("own", (), "unknown"),
        ("shared", ("development",), "unknown"),
        ("licensed", ("license",), "met"),
        ("licensed", ("development",), "unknown"),
        ("open", ("license",), None),
        ("", ("license",), None),
    ],
)
def test_who_is_to_own_the_result_is_compared_with_what_is_offered(wish, modes, verdict):
    grid = constraint_grid(side(ip_expectation=wish), side(modes=modes))

    assert [row["verdict"] for row in grid] == ([verdict] if verdict else [])


def test_a_level_that_falls_short_is_told_with_what_it_still_needs():
    row = only(side(trl=7), side(trl=5, needs=("pilot", "finance")))

    assert (row["verdict"], row["stated"]) == ("unmet", {"trl": 5, "needs": ["pilot"]})
    assert row["gap"]["value"] == 2


def test_a_need_alone_is_told_and_judges_nothing():
    row = only(side(trl=7), side(needs=("proof",)))

    assert (row["verdict"], row["stated"]) == ("unknown", {"needs": ["proof"]})
    assert row["source"] == {"kind": "field", "field": "needs"}


# --- Where it stands ----------------------------------------------------------------------------


def test_a_figure_of_another_text_is_quoted_with_its_field():
    offered = side(texts=(("novelty", "第一段。"), ("advantages", "好处。\n圆度变形 0.30 mm。")))
    row = only(side(indicators="圆度变形 ≤ 0.35 mm"), offered)

    assert (row["verdict"], row["quote"]) == ("met", "圆度变形 0.30 mm。")
    assert row["source"] == {"kind": "text", "field": "advantages", "paragraph": 2}


def test_a_quote_beside_a_field_says_where_it_stands_itself():
    row = only(side(trl=7), side("已完成中试验证。", trl=7))

    assert row["source"] == {"kind": "field", "field": "trl"}
    assert row["quote"] and row["quoted"] == {"kind": "body", "paragraph": 1}


def test_sentence_pairs_name_the_first_field_that_holds_them():
    ours = side("套圈淬火后圆度变形太大。", texts=(("process", "现用分段中频淬火工艺。"),))
    theirs = side("另有一句话放在正文里。", summary="另有一句话放在正文里。")

    pairs = sentence_pairs(ours, theirs, lambda texts: np.ones((len(texts), 2)), str.split, k=9)

    assert {pair["fields"]["demand"] for pair in pairs} == {"body", "process"}
    assert {pair["fields"]["achievement"] for pair in pairs} == {"title", "summary"}
