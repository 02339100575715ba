"""What gives an owner away is found; what is only a technical text is left alone."""

import pytest

from accounts.models import Organization
from catalog.leaks import LeakKind, find_leaks
from catalog.models import Achievement, Demand

OWNER = Organization(
    name="杭州恒轴轴承有限公司",
    name_en="Hangzhou Hengzhou Bearing Co., Ltd.",
    credit_code="91330100MA0000001T",
    field="装备制造",
    contact_name="周敏明",
    contact_phone="0571-88886666",
    contact_email="zhou@hengzhou.example",
)


def kinds(text, owner=OWNER, field="summary"):
    return {leak.kind for leak in find_leaks({field: text}, owner)}


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("杭州恒轴轴承有限公司的难题", LeakKind.NAME),
        ("我们杭州恒轴轴承的难题", LeakKind.NAME),
        ("杭州 恒轴 轴承有限公司", LeakKind.NAME),
        ("ask HANGZHOU HENGZHOU BEARING about it", LeakKind.NAME),
        ("Hangzhou Hengzhou Bearing Co., Ltd.", LeakKind.NAME),
        ("我们恒轴轴承的难题", LeakKind.NAME),
        ("请找周敏明面谈", LeakKind.PERSON),
        ("电话13800138000", LeakKind.PHONE),
        ("电话 138-0013-8000", LeakKind.PHONE),
        ("+86 138 0013 8000", LeakKind.PHONE),
        ("电话１３８００１３８０００", LeakKind.PHONE),
        ("0571-88886666 转 8", LeakKind.PHONE),
        ("(0571) 88886666", LeakKind.PHONE),
        ("拨 88886666", LeakKind.PHONE),
        ("400-820-8820", LeakKind.PHONE),
        ("写信到 zhou.min@hengzhou.example.cn", LeakKind.EMAIL),
        ("zhou＠hengzhou.cn", LeakKind.EMAIL),
        ("zhou(at)hengzhou.cn", LeakKind.EMAIL),
        ("见 https://hengzhou.example/about", LeakKind.SITE),
        ("见 www.hengzhou.cn", LeakKind.SITE),
        ("微信：hengzhou2026", LeakKind.ACCOUNT),
        ("QQ 12345678", LeakKind.ACCOUNT),
        ("专利 ZL201910123456.7 已授权", LeakKind.PATENT),
        ("申请号 202110123456.X", LeakKind.PATENT),
        ("公开号 CN112345678A", LeakKind.PATENT),
        ("ＣＮ１１２３４５６７８Ｂ", LeakKind.PATENT),
        ("PCT/CN2021/123456", LeakKind.PATENT),
        ("US 10123456 B2", LeakKind.PATENT),
        ("软著 2021SR0123456", LeakKind.PATENT),
        ("0000-0002-1825-0097", LeakKind.ORCID),
    ],
)
def test_it_finds(text, kind):
    assert kind in kinds(text)


@pytest.mark.parametrize(
    "text",
    [
        "直径 2–4 m，淬硬层 ≥ 6 mm，圆度变形 ≤ 0.35 mm，节拍 90 min。",
        "循环 10000000 次后衰减 3.1%，年产 13800000 件。",
        "轴承套圈淬火变形，杭州地区的企业都遇到。",
        "符合 GB/T 28035-2011 和 ISO 9001:2015，温度 0.5–1500 ℃。",
        "TDS 80–120 g/L，COD 去除率 78%，中试连续运行 2,100 h。",
        "电机功率 150 马力，最高峰 3200 rpm。",
        "ASP.NET 和 Node.js 平台，版本 3.11.7。",
        "精度 0.13912345678 mm",
        "产量 202110 件，编号 CN-2021，美标 US 40，日标 JP 3",
        "",
    ],
)
def test_it_leaves_technical_texts_alone(text):
    assert kinds(text) == set()


def test_a_credit_code_is_known_by_its_check_character():
    from tests.factories import make_credit_code

    code = make_credit_code(77)
    wrong = code[:-1] + ("0" if code[-1] != "0" else "1")
    assert LeakKind.CODE in kinds(f"代码 {code}。")
    assert LeakKind.CODE in kinds(code.lower())
    assert kinds(f"编号 {wrong}。") == set()


def test_a_short_name_of_a_person_may_be_a_word():
    owner = Organization(name="某某大学", contact_name="马力", contact_phone="")
    assert kinds("电机功率 150 马力", owner) == set()
    assert kinds("联系马力老师", owner) == {LeakKind.PERSON}
    assert kinds("联系人：马力", owner) == {LeakKind.PERSON}


def test_what_they_make_is_not_their_name():
    owner = Organization(name="杭州轴承有限公司", field="轴承", contact_phone="")
    assert kinds("轴承淬火", owner) == set()
    assert kinds("杭州轴承淬火", owner) == {LeakKind.NAME}


def test_every_text_that_others_read_is_looked_at():
    phone = "电话 13800138000"
    listing = Demand(
        title=phone,
        summary=phone,
        body=phone,
        keywords=[phone],
        indicators=[{"name": phone, "value": "13800138000", "unit": "mm"}],
    )
    fields = [leak.field for leak in find_leaks(listing, OWNER)]
    assert fields == ["title", "summary", "body", "keywords", "indicators"]


@pytest.mark.parametrize(
    ("model", "field"),
    [
        *((Demand, name) for name in ("process", "tried", "partners")),
        *((Achievement, name) for name in ("novelty", "advantages", "scenarios", "trl_evidence")),
        (Achievement, "encumbrances"),
    ],
)
def test_the_texts_beside_the_description_are_looked_at(model, field):
    listing = model(**{field: "电话 13800138000"})
    assert [leak.field for leak in find_leaks(listing, OWNER)] == [field]

    # What only the other side reads, once it knows the name, may say it.
    listing.disclosure = {field: "introduced"}
    assert find_leaks(listing, OWNER) == []


def test_the_experts_name_and_those_of_the_members_are_looked_for():
    listing = Achievement(lead_expert="钱一鸣、Ada Verne", scenarios="由钱一鸣团队完成。")
    assert [leak.snippet for leak in find_leaks(listing, OWNER)] == ["钱一鸣"]
    listing = Achievement(lead_expert="钱一鸣、Ada Verne", novelty="first shown by ada verne")
    assert [leak.kind for leak in find_leaks(listing, OWNER)] == [LeakKind.PERSON]
    assert find_leaks(Achievement(lead_expert="钱一鸣"), OWNER) == []


@pytest.mark.django_db
def test_a_members_name_is_found_and_asked_for_once(django_assert_num_queries):
    from tests.factories import make_member, make_organization

    owner = make_organization()
    make_member(owner, name="欧阳若水")
    with django_assert_num_queries(1):
        assert [leak.snippet for leak in find_leaks({"body": "请找欧阳若水。"}, owner)] == [
            "欧阳若水"
        ]
        assert find_leaks({"body": "请找旁人。"}, owner) == []


def test_a_figure_of_an_indicator_is_no_phone_number():
    listing = Demand(indicators=[{"name": "循环次数", "value": "13800138000", "unit": ""}])
    assert find_leaks(listing, OWNER) == []


@pytest.mark.parametrize("text", ["1" * 200_000, "a" * 200_000, "0571-" * 40_000, "a.b" * 60_000])
def test_long_texts_take_no_time(text):
    import time

    start = time.monotonic()
    kinds(text)
    assert time.monotonic() - start < 2
