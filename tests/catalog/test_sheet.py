"""One table of columns for templates, import and export: what goes out comes back as it was."""

import datetime as dt
import random
from decimal import Decimal

import pytest
from django.core.exceptions import ValidationError
from django.utils.translation import override
from openpyxl import load_workbook

from catalog.disclosure import RULES
from catalog.models import CONTENT_FIELDS, Achievement, Demand
from catalog.services import exporting, sheet
from catalog.services.importing import import_listings
from catalog.services.sheet import guarded, unguarded
from tests.factories import make_achievement, make_demand, make_organization

MODELS = {"demand": Demand, "achievement": Achievement}
LANGUAGES = ["zh-hans", "en"]
FORMATS = ["xlsx", "csv"]

FULL = {
    "title": "=1+1 不是公式",
    "summary": "-5 ℃ 起步，'引号'开头也行。",
    "body": '+第一段\n\n@第二段，含 | 竖线；分号，"引号"。',
    "indicators": [
        {"name": "圆度", "op": "le", "value": "0.35", "high": "", "unit": "mm", "hard": True},
        {"name": "硬度", "op": "range", "value": "58", "high": "62", "unit": "HRC", "hard": False},
        {"name": "温度|壳", "op": "ge", "value": "-40", "high": "", "unit": "℃", "hard": False},
        {"name": "合格率", "op": "eq", "value": "99.50", "high": "", "unit": "%", "hard": True},
        {"name": "批数", "op": "ge", "value": "3", "high": "", "unit": "", "hard": False},
    ],
    "industry": "C3451",
    "ipc": ["C21D", "F16C"],
    "emerging": ["2.1"],
    "keywords": ["淬火", "1,2-二氯乙烷", 'a"b', "甲、乙"],
    "region": "330100",
    "modes": ["license", "joint"],
    "trl": 7,
    "money_min": 1_234_567,
    "money_max": 30_000_000,
    "valid_until": dt.date(2099, 5, 9),
    "language": "en",
}
OF_KIND = {
    "demand": {
        "process": "分段淬火",
        "tried": "=SUM(A1)",
        "deadline": dt.date(2098, 1, 2),
        "funded": False,
        "exclusivity": "field",
        "ip_expectation": "shared",
        "partners": "感应加热团队",
        "disclosure": {"body": "managers", "tried": "introduced"},
    },
    "achievement": {
        "novelty": "取消软带",
        "advantages": "0.6 mm → 0.30 mm",
        "scenarios": "风电",
        "trl_evidence": "中试报告",
        "ip_items": [
            {
                "kind": "invention",
                "number": "ZL202310000000.1",
                "status": "granted",
                "family": "US|1, EP 2",
            },
            {"kind": "software", "number": "2024SR000001", "status": "filed", "family": ""},
        ],
        "ownership": "empowered",
        "publicity_from": dt.date(2026, 1, 1),
        "publicity_until": dt.date(2026, 1, 15),
        "encumbrances": "一项普通许可",
        "needs": ["pilot", "finance"],
        "lead_expert": "某教授",
        "orcid": "0000-0002-1825-0097",
        "disclosure": {"novelty": "public", "encumbrances": "introduced"},
    },
}
MAKERS = {"demand": make_demand, "achievement": make_achievement}


def written(tmp_path, listings, kind, language, file_format):
    lines = exporting.own_lines(listings, kind, language)
    path = tmp_path / f"out.{file_format}"
    if file_format == "csv":
        path.write_bytes(b"".join(exporting.csv_blocks(lines)))
    else:
        with exporting.xlsx_file(lines, [10] * 40, "x") as file:
            path.write_bytes(file.read())
    return path


@pytest.mark.django_db
@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("file_format", FORMATS)
def test_an_export_imported_again_changes_nothing(tmp_path, kind, language, file_format):
    owner = make_organization()
    fields = {**FULL, **OF_KIND[kind]}
    listings = [
        MAKERS[kind](owner=owner, status="draft", external_id="A-1", **fields),
        MAKERS[kind](owner=owner, external_id="form:0123", money_min=None, money_max=None),
        MAKERS[kind](owner=owner, status="withdrawn", valid_until=None),
    ]
    path = written(tmp_path, listings, kind, language, file_format)
    before = list(MODELS[kind].objects.order_by("pk").values())

    report = import_listings(model=MODELS[kind], path=path, owner=owner, submit=True)

    assert report.unknown_columns == []
    assert (report.created, report.updated, report.unchanged) == (0, 0, 3)
    assert list(MODELS[kind].objects.order_by("pk").values()) == before


@pytest.mark.django_db
@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_field_comes_in_from_a_file(tmp_path, kind, language):
    fields = {**FULL, **OF_KIND[kind]}
    source = MAKERS[kind](status="draft", external_id="A-1", **fields)
    path = written(tmp_path, [source], kind, language, "xlsx")
    other = make_organization()

    import_listings(model=MODELS[kind], path=path, owner=other)

    copy = MODELS[kind].objects.get(owner=other)
    for name in (*CONTENT_FIELDS[kind], "valid_until"):
        assert getattr(copy, name) == fields[name], name


@pytest.mark.parametrize("kind", MODELS)
def test_every_content_field_has_a_column(kind):
    held = {name for column in sheet.columns(kind).values() for name in column.fields}

    assert set(CONTENT_FIELDS[kind]) | {"valid_until", "external_id"} == held


@pytest.mark.parametrize("kind", MODELS)
def test_no_header_means_two_columns(kind):
    from catalog.services.reading import fold_header

    seen = {}
    for name, names in sheet.headers(kind).items():
        for header in {fold_header(one) for one in names}:
            assert seen.setdefault(header, name) == name


@pytest.mark.django_db
@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("file_format", FORMATS)
def test_the_template_holds_an_example_that_is_right_and_not_imported(
    tmp_path, kind, language, file_format
):
    path = tmp_path / f"template.{file_format}"
    path.write_bytes(exporting.template(kind, language, file_format))
    owner = make_organization()

    report = import_listings(model=MODELS[kind], path=path, owner=owner)

    assert (report.rows, report.unknown_columns) == (0, [])
    # With an id of its own it is a listing without a fault, complete enough to be handed in.
    path.write_bytes(_renamed(path, file_format, language))
    report = import_listings(model=MODELS[kind], path=path, owner=owner, submit=True)
    assert report.created == 1
    assert MODELS[kind].objects.get().status == "submitted"


def _renamed(path, file_format, language):
    example = "EXAMPLE" if language == "en" else "示例"
    if file_format == "csv":
        return path.read_bytes().replace(f"\r\n{example}".encode(), b"\r\nA-1")
    book = load_workbook(path)
    book.worksheets[0]["A2"] = "A-1"
    book.save(path)
    return path.read_bytes()


def test_the_template_offers_what_may_be_chosen(tmp_path):
    path = tmp_path / "template.xlsx"
    path.write_bytes(exporting.template("achievement", "zh-hans", "xlsx"))
    book = load_workbook(path)
    data, explained, lists = book.worksheets

    offered = {
        column[0].value: [c.value for c in column[1:] if c.value] for column in lists.columns
    }
    assert "C34 通用设备制造业" in offered["所属行业"]
    assert {"浙江省", "浙江省杭州市"} <= set(offered["所在地区"])
    assert offered["成熟度"] == [str(level) for level in range(1, 10)]
    assert len(data.data_validations.dataValidation) == len(offered)
    # Every header is explained.
    headers = [cell.value for cell in data[1]]
    assert [row[0].value for row in explained.iter_rows(min_row=2, max_row=len(headers) + 1)] == (
        headers
    )
    assert not any(cell.data_type == "f" for row in data for cell in row)


# --- Cells --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "=1+1",
        "+1",
        "-1",
        "@x",
        "\tx",
        "\rx",
        "'=1",
        "''=1",
        "'a",
        "a=1",
        "＝1",
        "",
        "'",
        "'-",
        "=\t'",
    ],
)
def test_what_is_guarded_is_no_formula_and_comes_back(text):
    out = guarded(text)

    assert not out.startswith(tuple("=+-@\t\r＝"))
    assert unguarded(out) == text


def test_any_text_survives_guarding():
    chance = random.Random(3)
    for _round in range(2000):
        text = "".join(chance.choice("'=+-@\t\ra1\n") for _ in range(chance.randint(0, 6)))
        assert unguarded(guarded(text)) == text


@pytest.mark.parametrize(
    ("value", "day"),
    [
        ("2026年3月1日", (2026, 3, 1)),
        ("2026/3/1", (2026, 3, 1)),
        ("2026.03.01", (2026, 3, 1)),
        ("20260301", (2026, 3, 1)),
        ("2026-03-01 00:00:00", (2026, 3, 1)),
        ("2026/3/1 8:30", (2026, 3, 1)),
        (46082, (2026, 3, 1)),
        (46082.5, (2026, 3, 1)),
        ("46082", (2026, 3, 1)),
        (dt.datetime(2026, 3, 1, 23, 59), (2026, 3, 1)),
    ],
)
def test_days_are_read_however_excel_leaves_them(value, day):
    assert sheet._date(value) == dt.date(*day)


@pytest.mark.parametrize("value", [7, 12345, 99999, "12345", "2026-13-01", True, "三月", -1])
def test_what_is_no_day_is_not_taken_for_one(value):
    with pytest.raises(ValidationError):
        sheet._date(value)


@pytest.mark.parametrize(
    ("value", "times", "yuan"),
    [
        ("380", 10_000, 3_800_000),
        ("380万", 1, 3_800_000),
        ("380 万元", 10_000, 3_800_000),
        ("1.2亿元", 10_000, 120_000_000),
        ("￥3,800,000", 1, 3_800_000),
        ("5000元", 10_000, 5000),
        (38.5, 10_000, 385_000),
        (Decimal("123.4567"), 10_000, 1_234_567),
        ("", 1, None),
    ],
)
def test_amounts_are_read_with_their_unit(value, times, yuan):
    assert sheet._money(value, times) == yuan


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("发明专利 ZL2023 已授权", [("invention", "ZL2023", "granted", "")]),
        ("发明，ZL2023，有效，US1", [("invention", "ZL2023", "granted", "US1")]),
        (
            "Invention patent | CN1 | Granted | US1 EP2",
            [("invention", "CN1", "granted", "US1 EP2")],
        ),
        (
            "软著 2024SR1\n实用新型 | 2",
            [("software", "2024SR1", "filed", ""), ("utility", "2", "filed", "")],
        ),
    ],
)
def test_intellectual_property_is_read_as_people_write_it(value, expected):
    rows = sheet._ip_items(value)

    assert [(r["kind"], r["number"], r["status"], r["family"]) for r in rows] == expected


def test_classes_are_read_by_code_and_by_name():
    find = lambda text: sheet.find_class("ipc", text)  # noqa: E731

    name = sheet.class_name("ipc", "C21D", "zh-hans")
    assert sheet._classes(find, "C21D；F16C") == ["C21D", "F16C"]
    assert sheet._classes(find, "c21d F16C") == ["C21D", "F16C"]
    assert sheet._classes(find, f"C21D {name}\nF16C") == ["C21D", "F16C"]
    assert sheet._classes(find, name) == ["C21D"]
    with pytest.raises(ValidationError):
        sheet._classes(find, "X99Z")


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", MODELS)
def test_every_tier_of_every_field_is_written_and_read(kind, language):
    with override(language):
        for key, rule in RULES[kind].items():
            for tier in rule.choices():
                chosen = {} if tier == rule.default else {key: tier.name.lower()}
                text = sheet.disclosure_text(kind, chosen)
                assert sheet._disclosure(kind, text) == chosen
    # Nothing written says nothing: what the owner has chosen before must not be opened by it.
    assert sheet._disclosure(kind, "") is None


@pytest.mark.parametrize("value", ["#REF!", "#N/A", "#DIV/0!", " #value! "])
def test_errors_of_a_spreadsheet_are_named(value):
    with override("en"), pytest.raises(ValidationError, match="error of the spreadsheet"):
        sheet.line(value, 100)


@pytest.mark.parametrize("value", [2.0241112233445568e17, 202411122334455667, "2.02411E+17"])
def test_an_id_that_excel_has_rounded_is_refused(value):
    with override("en"), pytest.raises(ValidationError, match="15 digits"):
        sheet.external_id(value)
