"""Figures in other units, signs and spellings: judged by what they mean, or said not to compare.

Each line is read twice: the claim as a sentence of a description, and as a row of indicators.
Requirements without （硬） are wishes: they may be missed by a fifth, a must by a tenth.
"""

from decimal import Decimal

import pytest

from catalog.indicators import find_quantities, parse_indicators
from catalog.units import convert, normalize_unit
from matchmaking.retrieval.explanation import UNITS, Side, constraint_grid


def side(body="", indicators=""):
    return Side(title="", summary="", body=body, indicators=tuple(parse_indicators(indicators)))


def only(requirement, text="", row=""):
    [found] = constraint_grid(side(indicators=requirement), side(text, row))
    return found


MET, PARTLY, UNMET = "met", "partly", "unmet"
BOTH_WAYS = [
    # Temperatures: three scales, signs in words, and a tolerance that is none of the zero point.
    ("工作温度 ≥ 300 ℃", "工作温度 600 K", MET),
    ("工作温度 ≥ 300 ℃", "工作温度 500 K", UNMET),
    ("工作温度 ≥ 300 ℃", "工作温度 572 °F", MET),
    ("工作温度 ≥ 300 ℃", "工作温度 400 °F", UNMET),
    ("工作温度 ≥ 300 ℃", "工作温度 300 摄氏度", MET),
    ("工作温度 ≥ 300 ℃", "工作温度 320 度", MET),
    ("工作温度 ≥ 300 ℃（硬）", "工作温度 280 ℃", PARTLY),
    ("工作温度 ≥ 573.15 K（硬）", "工作温度 280 ℃", PARTLY),
    ("工作温度 ≥ 572 °F（硬）", "工作温度 280 ℃", PARTLY),
    ("工作温度 ≥ 300 ℃（硬）", "工作温度 265 ℃", UNMET),
    ("工作温度 ≥ 573.15 K（硬）", "工作温度 265 ℃", UNMET),
    ("工作温度 ≥ 572 °F（硬）", "工作温度 265 ℃", UNMET),
    ("工作温度 -40~85 ℃", "工作温度 233 K~358 K", PARTLY),
    ("工作温度 -40~85 ℃", "工作温度 -20~60 ℃", MET),
    ("工作温度 -40~85 ℃", "工作温度-40℃~+85℃", MET),
    ("工作温度 -40~85 ℃", "工作温度 −40 ℃～85 ℃", MET),
    ("工作温度 -40~85 ℃", "工作温度零下40至85℃", MET),
    ("最低工作温度 ≤ -40 ℃", "最低工作温度 -45 ℃", MET),
    ("最低工作温度 ≤ -40 ℃", "最低工作温度 −40 °F", MET),
    ("最低工作温度 ≤ -40 ℃", "最低工作温度 -34 ℃", PARTLY),
    ("最低工作温度 ≤ -40 ℃", "最低工作温度 -10 ℃", UNMET),
    ("最低工作温度 ≤ -40 ℃", "最低工作温度零下45℃", MET),
    ("最低工作温度 ≤ -40 ℃", "最低工作温度零下 45 摄氏度", MET),
    ("最低工作温度 ≤ -40 ℃", "最低工作温度零下四十五摄氏度", MET),
    ("贮存温度 ≤ -18 ℃", "贮存温度 -20±2 ℃", MET),
    ("贮存温度 ≤ -18 ℃", "贮存温度零下20度", MET),
    ("贮存温度 ≤ -18 ℃", "贮存温度负20℃", MET),
    ("贮存温度 ≤ -18 ℃", "贮存温度 minus 20 ℃", MET),
    ("温控精度 ≤ 0.5 K", "温控精度 ±0.5 ℃", MET),
    ("温控精度 ≤ 0.5 K", "温控精度 ±0.9 °F", MET),
    ("温控精度 ≤ 0.5 ℃", "温控精度 ±1.8 °F", UNMET),
    # Pressures.
    ("工作压力 ≥ 10 MPa", "工作压力 100 bar", MET),
    ("工作压力 ≥ 10 MPa", "工作压力 9800 kPa", PARTLY),
    ("工作压力 ≥ 10 MPa", "工作压力 12000 kPa", MET),
    ("工作压力 ≥ 10 MPa", "工作压力 1500 psi", MET),
    ("工作压力 ≥ 10 MPa", "工作压力 100 公斤力/平方厘米", PARTLY),
    ("工作压力 ≤ 0.5 bar", "工作压力 400 mmHg", PARTLY),
    ("拉伸强度 ≥ 500 MPa", "拉伸强度 520 N/mm²", MET),
    # Shares and concentrations.
    ("杂质含量 ≤ 50 ppm", "杂质含量 0.004 %", MET),
    ("杂质含量 ≤ 50 ppm", "杂质含量 0.01%", UNMET),
    ("杂质含量 ≤ 50 ppm", "杂质含量 40 mg/kg", MET),
    ("氨氮浓度 ≤ 5 mg/L", "氨氮浓度 0.003 g/L", MET),
    ("氨氮浓度 ≤ 5 mg/L", "氨氮浓度 4 g/m³", MET),
    ("含水率 ≤ 5 ‰", "含水率 0.4%", MET),
    ("含水率 ≤ 5 ‰", "含水率 0.6 %", PARTLY),
    ("含水率 ≤ 0.5 %", "含水率千分之四", MET),
    ("含水率 ≤ 0.5 %", "含水率百分之四", UNMET),
    ("误差 ≤ 1 %", "误差万分之五", MET),
    ("合格率 ≥ 95", "合格率 97%", MET),
    ("合格率 ≥ 95", "合格率 90%", PARTLY),
    ("合格率 ≥ 0.95", "合格率 97%", MET),
    # Money in yuan.
    ("单台成本 ≤ 35 万元", "单台成本 300000 元", MET),
    ("单台成本 ≤ 35 万元", "单台成本 ¥320,000", MET),
    ("单台成本 ≤ 35 万元", "单台成本人民币 32 万元", MET),
    ("单台成本 ≤ 35 万元", "单台成本 0.003 亿元", MET),
    ("产值 ≥ 1 亿元", "产值 12000 万元", MET),
    # Rates: per hour, per day, and where the period stands in the name.
    ("产能 ≥ 24 t/d", "产能 1 t/h", MET),
    ("产能 ≥ 24 t/d", "产能 500 公斤/小时", UNMET),
    ("产能 ≥ 1 万吨/年", "产能 30 吨/天", MET),
    ("产能 ≥ 100 件/小时", "产能 2 件/分钟", MET),
    ("产能 ≥ 100 件/小时", "产能 2000 件/天", PARTLY),
    ("产能 ≥ 100 件/小时", "每小时产能 120 件", MET),
    ("产量 ≥ 2 万件/年", "年产量 2.5 万件", MET),
    ("年产量 ≥ 2 万件", "产量 2000 件/月", MET),
    ("年产量 ≥ 2 万件", "年产量 2.5 万件", MET),
    ("日处理量 ≥ 500 吨/天", "日处理量 600 吨", MET),
    ("处理量 ≥ 3 万吨/年", "处理量 三万五千吨/年", MET),
    ("处理量 ≥ 3 万吨/年", "处理量 3万5千吨/年", MET),
    ("流量 ≥ 100 m³/h", "流量 2500 方/天", MET),
    ("流量 ≥ 100 m³/h", "流量 30 L/s", MET),
    # Decibels: 3 dB is twice the power, whatever share of 65 that may be.
    ("信噪比 ≥ 60 dB", "信噪比 65 分贝", MET),
    ("噪声 ≤ 65 dB(A)", "噪声 62 dBA", MET),
    ("噪声 ≤ 65 dB", "噪声 67.5 dB", PARTLY),
    ("噪声 ≤ 65 dB", "噪声 70 dB", UNMET),
    ("噪声 ≤ 65 dB（硬）", "噪声 67.5 dB", UNMET),
    # One length in many spellings.
    ("膜厚 ≥ 50 微米", "膜厚 60 μm", MET),
    ("膜厚 ≥ 50 um", "膜厚 0.06 毫米", MET),
    ("膜厚 ≥ 50 μm", "膜厚 60 um", MET),
    ("膜厚 ≥ 50 μm", "膜厚 60µm", MET),
    ("膜厚 ≥ 50 μm", "膜厚 60000 nm", MET),
    ("膜厚 ≥ 50 μm", "膜厚 600 埃", UNMET),
    # Powers of ten, words for numbers.
    ("循环寿命 ≥ 10 万次", "循环寿命 10^5 次", MET),
    ("循环寿命 ≥ 10 万次", "循环寿命 1×10⁵ 次", MET),
    ("循环寿命 ≥ 10 万次", "循环寿命 1e5 次", MET),
    ("循环寿命 ≥ 10 万次", "循环寿命 100,000 次", MET),
    ("循环寿命 ≥ 10 万次", "循环寿命 十万次", MET),
    ("循环寿命 ≥ 10 万次", "循环寿命 95000 cycles", PARTLY),
    ("循环寿命 ≥ 10^5 次", "循环寿命 12 万次", MET),
    ("使用寿命 ≥ 3 年", "使用寿命三年", MET),
    ("使用寿命 ≥ 3 年", "使用寿命两年半", PARTLY),
    ("使用寿命 ≥ 3 年", "使用寿命 24 个月", UNMET),
    ("使用寿命 ≥ 10 万小时", "使用寿命十万小时", MET),
    ("使用寿命 ≥ 10 万小时", "使用寿命 12 年", MET),
    ("使用寿命 ≥ 10 万小时（硬）", "使用寿命八万小时", UNMET),
    # Masses.
    ("重量 ≤ 2 吨", "重量 1800 kg", MET),
    ("重量 ≤ 2 tonne", "重量 1.8 t", MET),
    ("重量 ≤ 2 t", "重量 3000 斤", MET),
    ("重量 ≤ 2 吨", "重量 2100 公斤", PARTLY),
    # Ranges and deviations.
    ("尺寸 10±0.1 mm", "尺寸 10.05 mm", MET),
    ("尺寸 10±0.1 mm", "尺寸 10±0.05 mm", MET),
    ("定位精度 ≤ 0.05 mm", "定位精度 ±30 μm", MET),
    ("定位精度 ±0.05 mm", "定位精度 ±0.08 mm", UNMET),
    ("粒径 50-100 nm", "粒径 0.06 μm", MET),
    ("粒径 50-100 nm", "粒径 60~90 纳米", MET),
    # Compounds.
    ("导热系数 ≥ 200 W/(m·K)", "导热系数 220 W/mK", MET),
    ("导热系数 ≥ 200 W/(m·K)", "导热系数 220 W·m⁻¹·K⁻¹", MET),
    ("导热系数 ≥ 200 W/(m·K)", "导热系数 2.2 W/(cm·℃)", MET),
    ("能耗 ≤ 500 kWh/t", "能耗 450 度/吨", MET),
    ("能耗 ≤ 500 kWh/t", "能耗 1.7 GJ/t", MET),
    ("粘度 ≤ 500 mPa·s", "粘度 450 cps", MET),
    ("密度 ≤ 2.7 g/cm³", "密度 2.6 克每立方厘米", MET),
    ("电阻率 ≤ 2 μΩ·cm", "电阻率 1.8×10⁻⁸ Ω·m", MET),
    ("转速 ≥ 3000 r/min", "转速 60 转/秒", MET),
    ("倾角 ≤ 1°", "倾角 30′", MET),
    ("装机 ≥ 1 万千瓦", "装机 12 兆瓦", MET),
    ("热值 ≥ 20 MJ/kg", "热值 5500 大卡/千克", MET),
    ("油耗 ≤ 8 L/100km", "油耗 7.5 升/百公里", MET),
    ("排放浓度 ≤ 10 mg/Nm³", "排放浓度 8 mg/m³", MET),
    ("误码率 ≤ 1e-6", "误码率 5×10⁻⁷", MET),
    ("温升 ≤ 20 K", "温升 36 °F", MET),
    ("产能 ≥ 5000 吨", "年产能 6000 吨", MET),
    # English.
    ("working temperature -40 to 85 °C", "The working temperature is -30 to 70 °C", MET),
    ("operating temperature ≤ -40 °C", "Operating temperature down to -50 °C", MET),
    ("cycle life ≥ 100000 cycles", "The cycle life is 10^5 cycles", MET),
    ("throughput ≥ 100 pcs/h", "The throughput is 2 pcs per minute", MET),
    ("pressure ≥ 10 MPa", "Pressure of 1,500 psi", MET),
    ("lifetime ≥ 3 years", "Lifetime of 40 months", MET),
    ("weight ≤ 2 t", "Weight 4,000 lb", MET),
    ("moisture ≤ 5 ‰", "Moisture of 0.4 %", MET),
    ("accuracy ≤ 0.05 mm", "Accuracy of ±30 μm", MET),
    ("accuracy ≤ 0.05 mm", "Accuracy better than 20 μm", MET),
]


@pytest.mark.parametrize(("requirement", "claim", "verdict"), BOTH_WAYS)
def test_a_figure_means_the_same_in_every_unit(requirement, claim, verdict):
    text, row = only(requirement, f"{claim}。"), only(requirement, row=claim)

    assert (text["verdict"], row["verdict"]) == (verdict, verdict)
    assert text["quote"] in f"{claim}。"
    assert (text["note"], row["note"]) == ("", "")


# What has no fixed factor is quoted and not judged, however near the figures look.
OTHER_UNITS = [
    ("单台成本 ≤ 35 万元", "单台成本 5 万美元", "5", "万美元"),
    ("单台成本 ≤ 35 万元", "单台成本 4 万欧元", "4", "万欧元"),
    ("表面硬度 ≥ 60 HRC", "表面硬度 700 HV", "700", "HV"),
    ("噪声 ≤ 65 dB", "噪声 62 dB(A)", "62", "dB(A)"),
    ("氨氮浓度 ≤ 5 mg/L", "氨氮浓度 0.3 %", "0.3", "%"),
    ("转速 ≥ 3000 r/min", "转速 50 Hz", "50", "Hz"),
    ("厚度 ≥ 10", "厚度 12 mm", "12", "mm"),
    ("unit cost ≤ 10 USD", "The unit cost is 50 yuan", "50", "CNY"),
]


@pytest.mark.parametrize(("requirement", "claim", "value", "unit"), OTHER_UNITS)
def test_what_cannot_be_converted_is_quoted_and_not_judged(requirement, claim, value, unit):
    for found in (only(requirement, f"{claim}。"), only(requirement, row=claim)):
        assert (found["verdict"], found["note"], found["gap"]) == ("unknown", UNITS, None)
        assert (found["stated"]["value"], found["stated"]["unit"]) == (value, unit)
        assert found["quote"]


@pytest.mark.parametrize(
    ("requirement", "claim"),
    [
        ("厚度 ≥ 10 mm", "厚度很大，重 12 kg"),  # another thing, not another unit
        ("厚度 ≥ 10 mm", "厚度 12 kg"),
        ("最低工作温度 ≤ -40 ℃", "最高工作温度 125 ℃"),
        ("最低工作温度 ≤ -40 ℃", "工作温度 25 ℃"),  # of which end nobody says
        ("温升 ≤ 20 K", "环境温度 15 ℃"),
        ("废品率 ≤ 2 %", "废品率 1.5"),  # in a sentence a bare number may count anything
        ("产能 ≥ 100 件/小时", "累计 5000 件"),
    ],
)
def test_a_sentence_about_something_else_is_no_answer(requirement, claim):
    found = only(requirement, f"{claim}。")
    assert (found["verdict"], found["quote"], found["note"]) == ("unknown", "", "")


def test_a_bare_number_of_a_row_is_read_only_where_both_readings_agree():
    assert only("废品率 ≤ 2 %", row="废品率 1.5")["verdict"] == "met"
    assert only("废品率 ≤ 0.5", row="废品率 0.3 %")["verdict"] == "met"
    assert only("废品率 ≤ 0.5", row="废品率 80 %")["verdict"] == "unmet"
    # 0.5 may be a half or half a per cent, and 2 % is met by one of them
    unclear = only("废品率 ≤ 0.5", row="废品率 2 %")
    assert (unclear["verdict"], unclear["note"]) == ("unknown", UNITS)


def test_of_temperatures_and_decibels_no_share_is_told():
    for requirement, claim, gap in (
        ("工作温度 ≥ 300 ℃", "工作温度 200 ℃", {"value": 100, "unit": "℃", "percent": None}),
        ("工作温度 ≥ 573.15 K", "工作温度 200 ℃", {"value": 100, "unit": "K", "percent": None}),
        ("工作温度 ≥ 572 °F", "工作温度 200 ℃", {"value": 180, "unit": "℉", "percent": None}),
        ("噪声 ≤ 65 dB", "噪声 70 dB", {"value": 5, "unit": "dB", "percent": None}),
        ("厚度 ≥ 10 mm", "厚度 0.5 cm", {"value": 5, "unit": "mm", "percent": 50.0}),
        ("年产量 ≥ 2 万件", "产量 1000 件/月", {"value": 0.8, "unit": "万件/年", "percent": 40.0}),
    ):
        assert only(requirement, row=claim)["gap"] == gap


@pytest.mark.parametrize(
    ("text", "value", "unit"),
    [
        ("零下 45 ℃", "-45", "℃"),
        ("负20℃", "-20", "℃"),
        ("minus 20 °C", "-20", "℃"),
        ("零下四十度", "-40", "°"),
        ("正负 0.5 mm", "0.5", "mm"),
        ("三万五千吨", "35000", "t"),
        ("十二万零五百吨", "120500", "t"),
        ("一亿两千万元", "120000000", "元"),
        ("3万5千吨", "35000", "t"),
        ("3 万 500 吨", "30500", "t"),
        ("三万吨", "3", "万吨"),
        ("3.5 万吨", "3.5", "万吨"),
    ],
)
def test_signs_and_numbers_in_words_are_read(text, value, unit):
    [found] = find_quantities(text)
    assert (found.value, found.unit) == (Decimal(value), unit)
    assert text[found.start : found.end] == text


def test_a_load_and_a_pole_are_no_sign():
    for text in ("负荷 20 kN", "负压 5 kPa", "负极 3 片"):
        [found] = find_quantities(text)
        assert found.value > 0


def test_degrees_of_a_metre_are_kilowatt_hours_and_of_a_second_are_not():
    assert convert(1, "度/吨", "kWh/t") == 1
    assert normalize_unit("度/秒") == "°/s"
    assert convert(1, "W/mK", "W/(m·K)") == 1
