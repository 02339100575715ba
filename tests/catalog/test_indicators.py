"""Indicators are read as their writers meant them, and hostile ones harm nobody."""

import math
from decimal import Decimal

import pytest
from django.core.exceptions import ValidationError
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.indicators import (
    Indicator,
    clean_indicators,
    display,
    find_quantities,
    fold,
    parse_indicator,
    parse_indicators,
    read_number,
)
from catalog.units import COMMON_UNITS, comparable, convert, normalize_unit

# text, name, operator, value, upper value, unit
CASES = [
    ("圆度变形 ≤ 0.35 mm", "圆度变形", "le", "0.35", "", "mm"),
    ("圆度变形≤0.35毫米", "圆度变形", "le", "0.35", "", "mm"),
    ("表面硬度 58-62 HRC", "表面硬度", "range", "58", "62", "HRC"),
    ("表面硬度58～62HRC", "表面硬度", "range", "58", "62", "HRC"),
    ("表面硬度 HRC58-62", "表面硬度", "range", "58", "62", "HRC"),
    ("表面硬度（HRC）：58–62", "表面硬度", "range", "58", "62", "HRC"),
    ("淬硬层深度不低于6mm", "淬硬层深度", "ge", "6", "", "mm"),
    ("淬硬层深度不得小于 6 毫米", "淬硬层深度", "ge", "6", "", "mm"),
    ("软带宽度 = 0 mm", "软带宽度", "eq", "0", "", "mm"),
    ("单件节拍：不超过 90 分钟", "单件节拍", "le", "90", "", "min"),
    ("密度在 7.1 至 7.3 克/立方厘米之间", "密度", "range", "7.1", "7.3", "g/cm³"),
    ("年产能达到 5 万吨/年", "年产能", "ge", "5", "", "万吨/年"),
    ("产能≥30万吨/年", "产能", "ge", "30", "", "万吨/年"),
    ("处理量 大于 200 吨/天", "处理量", "ge", "200", "", "吨/天"),
    ("处理能力 >= 5000 m3/h", "处理能力", "ge", "5000", "", "m³/h"),
    ("出水COD≤50mg/L", "出水COD", "le", "50", "", "mg/L"),
    ("盐回收率高于95%", "盐回收率", "ge", "95", "", "%"),
    ("废品率 2% 以下", "废品率", "le", "2", "", "%"),
    ("误差在 5% 以内", "误差", "le", "5", "", "%"),
    ("检出率 99.5 % 以上", "检出率", "ge", "99.5", "", "%"),
    ("工作温度 -40~85℃", "工作温度", "range", "-40", "85", "℃"),
    ("工作温度：-40℃至85℃", "工作温度", "range", "-40", "85", "℃"),
    ("贮存温度 ≤ -20 ℃", "贮存温度", "le", "-20", "", "℃"),
    ("炉温不低于850度", "炉温", "ge", "850", "", "℃"),
    ("倾角小于15度", "倾角", "le", "15", "", "°"),
    ("吨产品用电 ≤ 320 度", "吨产品用电", "le", "320", "", "kWh"),
    ("抗拉强度 ≥ 1,200 MPa", "抗拉强度", "ge", "1200", "", "MPa"),
    ("抗压强度不小于120兆帕", "抗压强度", "ge", "120", "", "MPa"),
    ("吨水电耗 ≤ 3.5 kWh/t", "吨水电耗", "le", "3.5", "", "kWh/t"),
    ("综合能耗不高于 0.8 千瓦时/立方米", "综合能耗", "le", "0.8", "", "kWh/m³"),
    ("导热系数 ≤ 0.025 W/(m·K)", "导热系数", "le", "0.025", "", "W/(m·K)"),
    ("粘度 300–500 mPa·s（25 ℃）", "粘度", "range", "300", "500", "mPa·s"),
    ("使用寿命至少 10 年", "使用寿命", "ge", "10", "", "年"),
    ("循环寿命 ≥ 5 万次", "循环寿命", "ge", "5", "", "万次"),
    ("交付周期 8 个月以内", "交付周期", "le", "8", "", "个月"),
    ("定位精度 ±0.05 mm", "定位精度", "le", "0.05", "", "mm"),
    ("厚度 20±0.5 mm", "厚度", "range", "19.5", "20.5", "mm"),
    ("重复定位精度优于 10 μm", "重复定位精度", "le", "10", "", "μm"),
    ("能量密度优于 300 Wh/kg", "能量密度", "ge", "300", "", "Wh/kg"),
    ("废水pH6~9", "废水pH", "range", "6", "9", ""),
    ("噪声 <55 dB(A)", "噪声", "le", "55", "", "dB(A)"),
    ("转速约 3000 rpm", "转速", "eq", "3000", "", "r/min"),
    ("主轴转速≥12000转/分", "主轴转速", "ge", "12000", "", "r/min"),
    ("响应时间 ≤200ms", "响应时间", "le", "200", "", "ms"),
    ("单台成本不超过 35 万元", "单台成本", "le", "35", "", "万元"),
    ("加工费低于800元/吨", "加工费", "le", "800", "", "元/吨"),
    ("活菌数 ≥ 1×10^9 CFU/g", "活菌数", "ge", "1000000000", "", "CFU/g"),
    ("活菌数≥2.5×10⁸CFU/mL", "活菌数", "ge", "250000000", "", "CFU/mL"),
    ("比容量 ≥ 180 mAh/g", "比容量", "ge", "180", "", "mAh/g"),
    ("pH 6-9", "pH", "range", "6", "9", ""),
    ("PM2.5 排放 ≤ 10 mg/m³", "PM2.5 排放", "le", "10", "", "mg/m³"),
    ("CO2 捕集率 ≥ 90%", "CO2 捕集率", "ge", "90", "", "%"),
    ("Q345 钢焊缝冲击功 ≥ 34 J", "Q345 钢焊缝冲击功", "ge", "34", "", "J"),
    ("样本量不少于 300 例", "样本量", "ge", "300", "", "例"),
    ("目数 200 目", "目数", "eq", "200", "", "目"),
    ("波长 800 nm – 1.2 μm", "波长", "range", "0.8", "1.2", "μm"),
    ("1、涂层厚度：80-120微米", "涂层厚度", "range", "80", "120", "μm"),
    ("直径 3.2 m 套圈圆度变形 ≤ 0.35 mm", "直径 3.2 m 套圈圆度变形", "le", "0.35", "", "mm"),
    ("泄漏率 ≤ 0.1 mL/min（压力 ≥ 5 MPa）", "泄漏率", "le", "0.1", "", "mL/min"),
    ("废水硬度由用户提供，回用率应达到 85%", "废水硬度由用户提供，回用率", "ge", "85", "", "%"),
    ("Purity of at least 95%", "Purity", "ge", "95", "", "%"),
    ("at least 95% purity", "purity", "ge", "95", "", "%"),
    ("Hardened depth: 6 mm or more", "Hardened depth", "ge", "6", "", "mm"),
    ("Cycle time must not exceed 90 min", "Cycle time", "le", "90", "", "min"),
    ("cycle time no more than 90 minutes", "cycle time", "le", "90", "", "min"),
    ("surface hardness between 58 and 62 HRC", "surface hardness", "range", "58", "62", "HRC"),
    ("Operating temperature from -40 to 85 °C", "Operating temperature", "range", "-40", "85", "℃"),
    ("Throughput > 120 L/min", "Throughput", "ge", "120", "", "L/min"),
    ("Thermal conductivity below 0.03 W/m·K", "Thermal conductivity", "le", "0.03", "", "W/(m·K)"),
    ("positioning accuracy within 10 um", "positioning accuracy", "le", "10", "", "μm"),
    ("energy density about 300 Wh/kg", "energy density", "eq", "300", "", "Wh/kg"),
    ("Lifetime: 10 years or more", "Lifetime", "ge", "10", "", "year"),
    ("annual capacity >= 1.5 million t/a", "annual capacity", "ge", "1.5", "", "million t/a"),
    ("Weight (kg): <= 25", "Weight", "le", "25", "", "kg"),
    ("Frequency = 2.4 GHz", "Frequency", "eq", "2.4", "", "GHz"),
]


@pytest.mark.parametrize(("text", "name", "op", "value", "high", "unit"), CASES)
def test_one_cell_is_read(text, name, op, value, high, unit):
    found = parse_indicator(text)

    assert found is not None
    assert (found.name, found.op, found.unit) == (name, op, unit)
    assert found.value == Decimal(value)
    assert found.high == (Decimal(high) if high else None)


@pytest.mark.parametrize(
    ("text", "hard"),
    [
        ("圆度变形 ≤ 0.35 mm（硬）", True),
        ("圆度变形 ≤ 0.35 mm 【硬指标】", True),
        ("单件节拍 ≤ 90 min（软）", False),
        ("单件节拍 ≤ 90 min", False),
        ("Purity ≥ 95 % (must have)", True),
        ("Purity ≥ 95 % (nice to have)", False),
    ],
)
def test_hard_and_soft_are_read(text, hard):
    found = parse_indicator(text)
    assert found is not None
    assert found.hard is hard
    assert "硬" not in found.name


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "不允许有软带",
        "≥ 6 mm",
        "58",
        "2026 年 11 月",
        "GB/T 4754-2017",
        "\x00\x01",
        "。",
    ],
)
def test_what_is_no_indicator_is_none(text):
    assert parse_indicator(text) is None


def test_a_cell_with_several_is_split():
    found = parse_indicators("圆度变形 ≤ 0.35 mm（硬）; 表面硬度 58-62 HRC\n节拍≤90分钟；")
    assert [i.name for i in found] == ["圆度变形", "表面硬度", "节拍"]

    by_commas = parse_indicators("抗拉强度≥1200MPa，延伸率≥8%")
    assert [(i.name, i.unit) for i in by_commas] == [("抗拉强度", "MPa"), ("延伸率", "%")]


def test_a_cell_that_is_not_understood_says_which_part():
    with pytest.raises(ValidationError) as caught:
        parse_indicators("节拍 ≤ 90 min; 越快越好; 便宜")
    assert [e.params["text"] for e in caught.value.error_list if e.params] == ["越快越好", "便宜"]


@pytest.mark.parametrize("text", ["a" * 20_001, ";".join(["厚度 ≥ 1 mm"] * 51)])
def test_a_cell_has_limits(text):
    with pytest.raises(ValidationError):
        parse_indicators(text)


@pytest.mark.parametrize(
    ("indicator", "shown"),
    [
        (Indicator("深", "ge", Decimal("6"), None, "mm"), "≥ 6 mm"),
        (Indicator("硬", "range", Decimal("58"), Decimal("62"), "HRC"), "58–62 HRC"),
        (Indicator("带", "eq", Decimal("0"), None, "mm"), "= 0 mm"),
        (Indicator("温", "range", Decimal("-40"), Decimal("85"), "℃"), "−40–85 ℃"),
        (Indicator("pH", "le", Decimal("1E+3"), None, ""), "≤ 1000"),
    ],
)
def test_it_is_shown_on_one_line(indicator, shown):
    assert display(indicator) == shown.replace(" ", "\N{NO-BREAK SPACE}")


# --- rows -----------------------------------------------------------------------------------


def row(**changes):
    return {"name": "圆度变形", "op": "le", "value": "0.35", "high": "", "unit": "毫米"} | changes


def test_rows_are_cleaned_and_blank_ones_dropped():
    rows = [row(hard="on"), {"name": " ", "op": "ge", "value": "", "unit": ""}]
    assert clean_indicators(rows) == [
        {"name": "圆度变形", "op": "le", "value": "0.35", "high": "", "unit": "mm", "hard": True}
    ]


def test_a_cleaned_row_comes_back_whole():
    [cleaned] = clean_indicators([row(op="区间", value="－１．５", high="２", unit="")])
    assert Indicator.from_json(cleaned).to_json() == cleaned
    assert (cleaned["value"], cleaned["high"], cleaned["unit"]) == ("-1.5", "2", "")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"unit": "mmm"}, "unit"),
        ({"unit": "m**99999999"}, "unit"),
        ({"unit": "x" * 100_000}, "unit"),
        ({"name": ""}, "name"),
        ({"name": "\u202e\u200f"}, "name"),
        ({"name": "长" * 101}, "name"),
        ({"name": "长" * 100_000}, "name"),
        ({"name": ["a"]}, "name"),
        ({"op": "sudo"}, "op"),
        ({"op": None}, "op"),
        ({"value": ""}, "value"),
        ({"value": "NaN"}, "value"),
        ({"value": "inf"}, "value"),
        ({"value": float("nan")}, "value"),
        ({"value": "1e99"}, "value"),
        ({"value": "9" * 100_000}, "value"),
        ({"value": True}, "value"),
        ({"value": {"a": 1}}, "value"),
        ({"value": "٣"}, "value"),
        ({"op": "range", "high": ""}, "high"),
        ({"op": "range", "value": "5", "high": "4"}, "high"),
    ],
)
def test_a_bad_row_gets_a_sentence(changes, field):
    with pytest.raises(ValidationError) as caught:
        clean_indicators([row(), row(**changes)])

    [error] = caught.value.error_list
    assert error.code == field
    assert error.params is not None
    assert error.params["row"] == 2
    [message] = caught.value.messages
    assert "2" in message
    assert len(message) < 300


@pytest.mark.parametrize("rows", ["abc", 5, None, {"a": 1}, ["x"], [None], [row()] * 51])
def test_what_is_no_list_of_rows_is_refused(rows):
    with pytest.raises(ValidationError):
        clean_indicators(rows)


def test_every_bad_row_is_named_at_once():
    with pytest.raises(ValidationError) as caught:
        clean_indicators([row(unit="mmm"), row(), row(value="x")])
    assert [e.params["row"] for e in caught.value.error_list if e.params] == [1, 3]


# --- units ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("毫米", "mm"),
        ("ｍｍ", "mm"),
        ("um", "μm"),
        ("\u00b5m", "μm"),
        ("克/立方厘米", "g/cm³"),
        ("克每立方厘米", "g/cm³"),
        ("g/cm3", "g/cm³"),
        ("万吨/年", "万吨/年"),
        ("吨/天", "吨/天"),
        ("t/d", "t/d"),
        ("°C", "℃"),
        ("Mpa", "MPa"),
        ("KWH", "kWh"),
        ("千瓦时", "kWh"),
        ("W/m·K", "W/(m·K)"),
        ("mg·L⁻¹", "mg/L"),
        ("10^6CFU/mL", "10⁶CFU/mL"),
        ("L/100km", "L/100km"),
        ("HV10", "HV"),
        ("㎡", "m²"),
        ("次/分", "次/分"),
        ("rpm", "r/min"),
        ("", ""),
        ("  ", ""),
        ("mmm", None),
        ("mw", None),
        ("N/A", None),
        ("9**9**9", None),
        ("m**99999999", None),
        ("m" * 10_000, None),
        ("(" * 10_000, None),
        ("m//s", None),
        ("__import__('os')", None),
    ],
)
def test_units_have_one_spelling(text, canonical):
    assert normalize_unit(text) == canonical


@pytest.mark.parametrize(
    ("value", "unit", "to", "result"),
    [
        (0.35, "mm", "μm", 350),
        (25, "℃", "K", 298.15),
        (77, "℉", "℃", 25),
        (12, "个月", "年", 1),
        (1, "g/cm³", "kg/m³", 1000),
        (1, "千瓦时", "MJ", 3.6),
        (1, "万元", "CNY", 10_000),
        (1, "元/kg", "元/吨", 1000),
        (1, "%", "ppm", 10_000),
        (1, "mg/kg", "ppm", 1),
        (6, "L/100km", "L/km", 0.06),
        (3, "次/分", "次/小时", 180),
        (100, "", "件", 100),
        (1, "W/(m·K)", "W/(m·℃)", 1),
        (60, "HRC", "HRC", 60),
        (60, "HRC", "HV", None),
        (3000, "r/min", "Hz", None),
        (1, "件", "台", None),
        (5, "°", "%", None),
        (5, "", "%", None),
        (5, "元", "USD", None),
        (5, "mmm", "mmm", None),
        (math.inf, "mm", "m", None),
        (math.nan, "mm", "m", None),
    ],
)
def test_values_are_converted(value, unit, to, result):
    assert convert(value, unit, to) == (None if result is None else pytest.approx(result))


def test_a_difference_of_temperatures_has_no_zero_point():
    assert convert(2, "K", "℃", difference=True) == 2
    assert convert(2, "K", "℃") == pytest.approx(-271.15)


def test_comparing_is_mutual():
    for unit in COMMON_UNITS:
        assert comparable(unit, unit)
        for to in COMMON_UNITS:
            assert comparable(unit, to) == comparable(to, unit)
            assert comparable(unit, to) == (convert(1, unit, to) is not None)


PAIRS = [(unit, to) for unit in COMMON_UNITS for to in COMMON_UNITS if comparable(unit, to)]


@settings(deadline=None)
@given(st.sampled_from(PAIRS), st.floats(min_value=-1e9, max_value=1e9, allow_nan=False))
def test_a_conversion_leads_back(units, value):
    unit, to = units
    there = convert(value, unit, to)
    assert there is not None
    back = convert(there, to, unit)
    assert back == pytest.approx(value, rel=1e-9, abs=1e-6)


@settings(deadline=None)
@given(st.text(max_size=60))
def test_any_text_has_a_spelling_that_stays(text):
    unit = normalize_unit(text)
    if unit is not None:
        assert normalize_unit(unit) == unit
        assert comparable(unit, text)


@pytest.mark.parametrize("unit", COMMON_UNITS)
def test_the_units_offered_are_written_as_they_are_stored(unit):
    assert normalize_unit(unit) == unit


indicators = st.builds(
    lambda name, op, numbers, unit, hard: Indicator(
        name, op, numbers[0], numbers[1] if op == "range" else None, unit, hard
    ),
    st.sampled_from(["圆度变形", "表面硬度", "Cycle time", "出水COD"]),
    st.sampled_from(["ge", "le", "eq", "range"]),
    st.lists(st.decimals(0, 1_000_000, places=3, allow_nan=False), min_size=2, max_size=2).map(
        sorted
    ),
    st.sampled_from([u for u in COMMON_UNITS if u[0] != "°"]),
    st.booleans(),
)


@settings(deadline=None)
@given(indicators)
def test_what_is_shown_is_read_back(indicator):
    shown = f"{indicator.name} {display(indicator)}" + ("（硬）" if indicator.hard else "")
    assert parse_indicator(shown) == indicator
    assert Indicator.from_json(indicator.to_json()) == indicator


@settings(deadline=None)
@given(st.text(max_size=500))
def test_quantities_lie_where_they_are_said_to_lie(text):
    last = 0
    for quantity in find_quantities(text):
        assert last <= quantity.start < quantity.end <= len(text)
        assert any(char.isdigit() for char in fold(text)[quantity.start : quantity.end])
        last = quantity.end


@pytest.mark.parametrize(
    "text",
    [
        "9" * 200_000,
        "9," * 100_000,
        "1 " * 100_000,
        "1-" * 100_000,
        "1e" * 100_000,
        "≥" * 200_000,
        "不" * 200_000,
        "(1)" * 70_000,
        "5 mm ~ " * 30_000,
        "1×10" * 50_000,
        "第 " * 100_000,
        "2026-" * 40_000,
        " " * 200_000,
        "\u202e\u200f1" * 60_000,
        "5 万" + "万" * 200_000,
        "5 " + "m/" * 100_000,
    ],
    ids=lambda text: text[:6].encode("unicode_escape").decode(),
)
def test_a_huge_text_gives_a_bounded_answer(text):
    assert len(find_quantities(text)) <= 200
    assert parse_indicator(text) is None


@settings(deadline=None)
@given(st.one_of(st.text(max_size=80), st.floats(), st.integers(), st.booleans(), st.none()))
def test_a_number_is_finite_or_none(value):
    number = read_number(value)
    assert number is None or (number.is_finite() and abs(number) <= 10**15)
