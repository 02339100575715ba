"""Files that are not what they should be: each gets a sentence, and nothing is stored."""

import datetime as dt
import io
import re
import time
import tracemalloc
import zipfile

import pytest
from django.utils.translation import override
from openpyxl import Workbook
from openpyxl.chart import BarChart, Reference

from catalog.models import Demand
from catalog.services.importing import ImportFailed, import_listings
from catalog.services.reading import check_kind, open_table
from catalog.services.sheet import headers
from catalog.services.unreadable import UnreadableFile
from tests.factories import make_organization

pytestmark = pytest.mark.django_db

TRADITIONAL = (
    "編號,標題,正文\n1,軸承套圈淬火變形控制,現用分段中頻淬火，接頭處存在軟帶，磨削餘量大。\n"
)
JAPANESE = "番号,タイトル,本文\n1,軸受の焼入れひずみの低減,現在は分割焼入れを行っております。\n"
KOREAN = "번호,제목,본문\n1,대형 베어링 담금질 변형 제어,현재는 구간별로 담금질을 하고 있습니다.\n"
SIMPLIFIED = (
    "编号,标题,正文\n1,轴承套圈淬火变形控制,现用分段中频淬火，接头处存在软带；磨削余量大。\n"
)


def refused(path, max_rows=None):
    with override("en"), pytest.raises(UnreadableFile) as error:
        open_table(path, headers("demand"), max_rows=max_rows)
    return str(error.value)


def load(path, **options):
    return import_listings(model=Demand, path=path, owner=make_organization(), **options)


def errors(path):
    with override("en"), pytest.raises(ImportFailed) as failed:
        load(path)
    assert not Demand.objects.exists()
    return [(one.row, one.column, one.problem) for one in failed.value.report.errors]


def book(tmp_path, *rows, name="list.xlsx", change=lambda sheet: None):
    workbook = Workbook()
    for row in rows:
        workbook.active.append(list(row))
    change(workbook.active)
    workbook.save(tmp_path / name)
    return tmp_path / name


def rewrite(path, change=lambda name, data: data, **more):
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, change(name, data))
        for name, data in more.items():
            archive.writestr(name.replace("__", "/"), data)
    return path


SHEET = "xl/worksheets/sheet1.xml"

# --- Encodings ----------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["csv", "tsv"])
@pytest.mark.parametrize("encoding", ["gb18030", "gbk", "utf-8", "utf-8-sig"])
def test_chinese_encodings_are_read(tmp_path, suffix, encoding):
    path = tmp_path / f"list.{suffix}"
    text = SIMPLIFIED if suffix == "csv" else SIMPLIFIED.replace(",", "\t")
    path.write_bytes(text.encode(encoding))

    load(path)

    assert Demand.objects.get().title == "轴承套圈淬火变形控制"


@pytest.mark.parametrize(
    ("text", "encoding", "name"),
    [
        (SIMPLIFIED, "utf-16", "UTF-16"),
        (SIMPLIFIED, "utf-16-le", "UTF-16"),
        (SIMPLIFIED, "utf-32", "UTF-32"),
        (TRADITIONAL, "big5", "Big5"),
        (JAPANESE, "shift_jis", "Shift-JIS"),
        (KOREAN, "euc_kr", "EUC-KR"),
    ],
)
def test_other_encodings_are_named(tmp_path, text, encoding, name):
    path = tmp_path / "list.csv"
    path.write_bytes(text.encode(encoding))

    message = refused(path)

    assert name in message and "UTF-8" in message


def test_an_encoding_that_is_nothing_known_gets_a_sentence(tmp_path):
    path = tmp_path / "list.csv"
    path.write_bytes(b"id,title\n1," + bytes(range(128, 256)) * 5 + b"\n")

    assert "encoding" in refused(path)


# --- What a file really is ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content", "word"),
    [
        ("list.xlsx", b"%PDF-1.7 ...", "PDF"),
        ("list.csv", b"%PDF-1.7 ...", "PDF"),
        ("list.xlsx", b"\x89PNG\r\n\x1a\n...", "picture"),
        ("list.csv", b"PK\x03\x04....", "zip"),
        ("list.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" * 9, ".xls"),
        ("list.xlsx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" * 9, "old Excel"),
        (
            "list.xlsx",
            b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + "EncryptedPackage".encode("utf-16-le"),
            "password",
        ),
        ("list.xlsm", b"PK\x03\x04", "macros"),
        ("list.docx", b"PK\x03\x04", ".docx"),
        ("list", b"id,title\n", "not read"),
        ("list.exe", b"MZ", ".exe"),
    ],
)
def test_what_a_file_really_is_is_said(tmp_path, name, content, word):
    path = tmp_path / name
    path.write_bytes(content)

    with override("en"), pytest.raises(UnreadableFile, match=word):
        check_kind(path, path.suffix)
    assert word in refused(path)


@pytest.mark.parametrize(
    ("members", "word"),
    [
        ({"word/document.xml": "x"}, "Word"),
        ({"xl/workbook.bin": "x"}, ".xlsb"),
        ({"content.xml": "x", "mimetype": "x"}, "OpenDocument"),
        ({"a.txt": "x"}, "zip archive"),
    ],
)
def test_another_archive_is_named(tmp_path, members, word):
    path = tmp_path / "list.xlsx"
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)

    assert word in refused(path)


def test_a_workbook_with_macros_is_refused_whatever_it_is_called(tmp_path):
    path = book(tmp_path, ["id", "title"], ["1", "第一个需求"])

    assert "macros" in refused(rewrite(path, **{"xl__vbaProject.bin": b"x"}))


def test_a_workbook_that_says_it_has_macros_is_refused(tmp_path):
    path = book(tmp_path, ["id", "title"], ["1", "第一个需求"])

    def change(name, data):
        if name == "[Content_Types].xml":
            return data.replace(b"sheet.main+xml", b"sheet.macroEnabled.main+xml")
        return data

    assert "macros" in refused(rewrite(path, change))


@pytest.mark.parametrize("part", [SHEET, "xl/workbook.xml", "xl/_rels/workbook.xml.rels"])
def test_external_entities_are_not_read(tmp_path, part):
    (tmp_path / "secret.txt").write_text("hidden")
    path = book(tmp_path, ["id", "title"], ["1", "第一个需求"])
    entity = f'<!DOCTYPE x [<!ENTITY e SYSTEM "file://{tmp_path}/secret.txt">]>'

    def change(name, data):
        if name != part:
            return data
        text = data.decode()
        head, mark, rest = text.partition("?>")
        return (head + mark + entity + rest if mark else entity + text).encode()

    message = refused(rewrite(path, change))

    assert ".xlsx" in message and "hidden" not in message


def test_links_to_other_workbooks_are_not_followed(tmp_path):
    path = book(tmp_path, ["id", "title"], ["1", "第一个需求"])
    link = (
        b'<externalLink xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
        b' xmlns:r="http://x"><externalBook r:id="rId1"/></externalLink>'
    )

    load(rewrite(path, **{"xl__externalLinks__externalLink1.xml": link}))

    assert Demand.objects.get().title == "第一个需求"


# --- Size ---------------------------------------------------------------------------------------


def many_rows(tmp_path, rows):
    path = book(tmp_path, ["id", "title"])
    line = '<row r="{n}"><c r="A{n}"><v>{n}</v></c><c r="B{n}"><v>{n}</v></c></row>'
    lines = "".join(line.format(n=n) for n in range(2, rows + 2))

    def change(name, data):
        return (
            data.replace(b"</sheetData>", lines.encode() + b"</sheetData>")
            if name == SHEET
            else data
        )

    return rewrite(path, change)


def test_a_million_rows_are_refused_at_once(tmp_path):
    path = many_rows(tmp_path, 1_000_000)
    start = time.perf_counter()
    tracemalloc.start()

    message = refused(path, max_rows=20_000)

    _now, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert "20,000" in message
    assert peak < 10_000_000
    assert time.perf_counter() - start < 10


def test_a_long_csv_is_refused_before_it_is_read_to_its_end(tmp_path):
    path = tmp_path / "list.csv"
    path.write_text("id,title\n" + "".join(f"{n},题目\n" for n in range(60_000)), encoding="utf-8")

    assert "20,000" in refused(path, max_rows=20_000)


def test_empty_rows_to_the_end_of_the_sheet_are_no_rows(tmp_path):
    path = book(tmp_path, ["id", "title"], ["1", "第一个需求"])
    empty = "".join(f'<row r="{n}" s="1" customFormat="1"/>' for n in range(3, 60_000))

    def change(name, data):
        return data.replace(b"</sheetData>", empty.encode() + b"</sheetData>")

    rewrite(path, lambda name, data: change(name, data) if name == SHEET else data)

    table = open_table(path, headers("demand"), max_rows=10)
    assert len(list(table.rows())) == 1


def test_a_row_without_end_is_refused(tmp_path):
    path = book(tmp_path, ["id", "title"], ["1", "第一个需求"])
    huge = b'<row r="3"><c r="A3" t="inlineStr"><is><t>' + bytes(range(65, 91)) * 300_000

    def change(name, data):
        return data.replace(b"</sheetData>", huge) if name == SHEET else data

    tracemalloc.start()
    message = refused(rewrite(path, change))
    _now, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert ".xlsx" in message
    assert peak < 40_000_000


def test_a_huge_cell_is_an_error_of_its_row(tmp_path):
    path = book(tmp_path, ["id", "title", "body"], ["1", "第一个需求", "文" * 30_000])

    [(row, column, problem)] = errors(path)

    assert (row, column) == (2, "body") and "20000" in problem


def test_a_cell_in_the_last_column_does_not_make_rows_wide(tmp_path):
    def change(sheet):
        sheet["XFD2"] = "far"

    path = book(tmp_path, ["id", "title"], ["1", "第一个需求"], change=change)

    assert load(path).created == 1


# --- What a table looks like --------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["xlsx", "csv"])
def test_the_header_may_stand_below_a_title(tmp_path, suffix):
    rows = [
        ["某某大学成果汇总表"],
        ["填报时间：2026年3月"],
        [],
        ["编号*", "标题（必填）"],
        ["1", "第一个需求"],
        ["2", ""],
    ]
    if suffix == "xlsx":
        path = book(tmp_path, *rows)
    else:
        path = tmp_path / "list.csv"
        path.write_text("\n".join(",".join(row) for row in rows), encoding="utf-8")

    assert [(row, column) for row, column, _ in errors(path)] == [(6, "标题（必填）")]


def test_merged_cells_are_named_and_the_title_above_may_be_merged(tmp_path):
    def change(sheet):
        sheet.merge_cells("A1:C1")
        sheet.merge_cells("C3:C4")

    path = book(
        tmp_path,
        ["成果汇总表"],
        ["id", "title", "summary"],
        ["1", "第一个需求", "共用的摘要"],
        ["2", "第二个需求"],
        ["3", "第三个需求"],
        change=change,
    )

    found = errors(path)

    assert [(row, column) for row, column, _ in found] == [(3, "summary"), (4, "summary")]
    assert "C3:C4" in found[0][2]


def test_formulas_give_their_values_and_those_without_one_are_named(tmp_path):
    path = book(tmp_path, ["id", "title", "trl"], ["1", "第一个需求", "=3+4"], ["2", "第二个", 5])

    [(row, column, problem)] = errors(path)
    assert (row, column) == (2, "trl") and "C2" in problem

    def computed(name, data):
        return re.sub(rb"<f>3\+4</f>(<v ?/>|<v></v>)", b"<f>3+4</f><v>7</v>", data)

    load(rewrite(path, computed))
    assert Demand.objects.get(external_id="1").trl == 7


def test_errors_of_the_spreadsheet_are_named_by_row_and_column(tmp_path):
    path = book(tmp_path, ["id", "title", "body"], ["1", "第一个需求", "#REF!"], ["#N/A", "x", ""])

    found = errors(path)

    assert [(row, column) for row, column, _ in found] == [(2, "body"), (3, "id")]
    assert "#REF!" in found[0][2]


def test_days_and_numbers_as_text_are_read(tmp_path):
    rows = [
        ["1", "第一个需求", "2099年3月1日", "7", "3,800,000"],
        ["2", "第二个需求", "2099/3/1", 7.0, "380万元"],
        ["3", "第三个需求", dt.datetime(2099, 3, 1), "TRL 7", 3_800_000.0],
        ["4", "第四个需求", 72_745, "7级", "3800000元"],
    ]
    path = book(tmp_path, ["id", "title", "valid_until", "trl", "budget_max"], *rows)

    load(path)

    found = set(Demand.objects.values_list("valid_until", "trl", "money_max"))
    assert found == {(dt.date(2099, 3, 1), 7, 3_800_000)}


def test_chartsheets_and_hidden_columns_do_no_harm(tmp_path):
    workbook = Workbook()
    workbook.active.append(["id", "title"])
    workbook.active.append(["1", "第一个需求"])
    workbook.active.column_dimensions["B"].hidden = True
    chart = BarChart()
    chart.add_data(Reference(workbook.active, min_col=1, min_row=1, max_row=2))
    workbook.create_chartsheet("chart").add_chart(chart)
    buffer = io.BytesIO()
    workbook.save(buffer)
    path = tmp_path / "list.xlsx"
    path.write_bytes(buffer.getvalue())

    assert load(path).created == 1
