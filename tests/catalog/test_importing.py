"""Spreadsheets in: what is read, what is refused and where, and that nothing is half-saved."""

import datetime as dt
import io
import tracemalloc
import zipfile

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from django.utils.translation import override
from openpyxl import Workbook

from accounts.models import OrganizationStatus
from catalog.models import Achievement, Demand, ListingEvent, revision_model
from catalog.services import publishing
from catalog.services.importing import ImportFailed, import_listings
from catalog.services.reading import open_table
from catalog.services.sheet import headers
from catalog.services.unreadable import UnreadableFile
from catalog.signals import listings_published
from catalog.workflow import ListingStatus
from tests.factories import make_demand, make_operator, make_organization

pytestmark = pytest.mark.django_db

EN = ["id", "title", "summary", "body", "indicators", "industry", "keywords", "region", "modes"]
EN += ["trl", "budget_min", "budget_max", "valid_until", "language"]
ZH = ["编号", "标题", "公开摘要", "正文", "技术指标", "所属行业", "关键词", "所在地区", "合作方式"]
ZH += ["成熟度", "预算下限（元）", "预算上限（元）", "有效期至", "语言"]
FIRST = [
    "R-1",
    "大型轴承套圈淬火变形控制",
    "求减小圆度偏差的工艺",
    "现用分段中频淬火，接头处存在软带。",
    "圆度变形 ≤ 0.35 mm",
    "C3451",
    "淬火；轴承",
    "浙江省杭州市",
    "技术许可、技术开发",
    "TRL 7",
    "1000000",
    "3,800,000",
    "2099-05-09",
    "中文",
]
SECOND = ["R-2", "Sorting of scrap aluminium", *[""] * 11, "en"]


def write_tsv(path, *rows):
    path.write_text("".join("\t".join(row) + "\n" for row in rows), encoding="utf-8")
    return path


def write_csv(path, *rows):
    import csv

    # As Excel does: with a byte order mark.
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        csv.writer(file).writerows(rows)
    return path


def write_xlsx(path, *rows):
    book = Workbook()
    for row in rows:
        book.active.append(list(row))
    book.save(path)
    return path


WRITERS = {"tsv": write_tsv, "csv": write_csv, "xlsx": write_xlsx}


def write(tmp_path, *rows, suffix="tsv"):
    return WRITERS[suffix](tmp_path / f"list.{suffix}", *rows)


def load(path, owner=None, **options):
    return import_listings(model=Demand, path=path, owner=owner or make_organization(), **options)


def problems(path, **options):
    """Return (row, column) of each error, after checking that nothing was stored."""
    before = Demand.objects.count(), ListingEvent.objects.count()
    with pytest.raises(ImportFailed) as failed:
        load(path, **options)
    assert (Demand.objects.count(), ListingEvent.objects.count()) == before
    return [(error.row, error.column) for error in failed.value.report.errors]


# --- What is read -------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", WRITERS)
@pytest.mark.parametrize("header", [EN, ZH], ids=["english", "chinese"])
def test_a_file_becomes_drafts(tmp_path, suffix, header):
    owner, actor = make_organization(), make_operator()

    report = load(write(tmp_path, header, FIRST, SECOND, suffix=suffix), owner, actor=actor)

    assert (report.created, report.updated, report.unchanged, report.errors) == (2, 0, 0, [])
    first, second = Demand.objects.order_by("pk")
    assert first.status == second.status == ListingStatus.DRAFT
    assert (first.external_id, first.title, first.industry) == ("R-1", FIRST[1], "C3451")
    assert (first.region, first.trl, first.language) == ("330100", 7, "zh")
    assert (first.keywords, first.modes) == (["淬火", "轴承"], ["license", "development"])
    assert (first.money_min, first.money_max) == (1_000_000, 3_800_000)
    assert first.valid_until == dt.date(2099, 5, 9)
    [indicator] = first.indicator_rows()
    assert (indicator.op, str(indicator.value), indicator.unit) == ("le", "0.35", "mm")
    assert (second.language, second.money_min, second.trl) == ("en", None, None)
    assert second.valid_until > timezone.localdate()
    event = ListingEvent.objects.get(demand=first)
    assert (event.actor, event.before, event.after) == (actor, "", ListingStatus.DRAFT)


def test_headers_may_differ_in_spaces_case_and_brackets(tmp_path):
    path = write(tmp_path, [" ID ", "TITLE", "预算上限 (万元)"], ["1", "第一个需求", "380"])

    load(path)

    assert Demand.objects.get().money_max == 3_800_000


def test_cells_of_xlsx_are_numbers_and_dates(tmp_path):
    path = write_xlsx(
        tmp_path / "list.xlsx",
        ["id", "title", "trl", "预算上限（万元）", "valid_until"],
        [17, "第一个需求", 6.0, 38.5, dt.datetime(2099, 5, 9, 8, 30)],
    )

    load(path)

    demand = Demand.objects.get()
    assert (demand.external_id, demand.trl, demand.money_max) == ("17", 6, 385_000)
    assert demand.valid_until == dt.date(2099, 5, 9)


def test_columns_that_are_not_known_are_named_and_left_out(tmp_path):
    report = load(write(tmp_path, ["id", "title", "联系人"], ["1", "第一个需求", "张三"]))

    assert (report.created, report.unknown_columns) == (1, ["联系人"])


def test_empty_rows_are_passed_over_and_counted(tmp_path):
    path = write(tmp_path, ["id", "title"], ["", ""], ["1", "第一个需求"], ["", ""], ["2", ""])

    assert problems(path) == [(5, "title")]


def test_a_line_break_inside_a_tsv_cell_is_written_backslash_n(tmp_path):
    load(write(tmp_path, ["id", "title", "body"], ["1", "第一个需求", "第一段\\n第二段"]))

    assert Demand.objects.get().body == "第一段\n第二段"


def test_a_dry_run_says_the_same_and_stores_nothing(tmp_path):
    report = load(write(tmp_path, EN, FIRST, SECOND), dry_run=True)

    assert (report.created, report.errors) == (2, [])
    assert not Demand.objects.exists() and not ListingEvent.objects.exists()


def test_a_dry_run_lists_every_error(tmp_path):
    bad = ["R-3", "", *FIRST[2:]]

    report = load(write(tmp_path, EN, FIRST, bad, SECOND), dry_run=True)

    assert [(error.row, error.column) for error in report.errors] == [(3, "title")]
    assert report.created == 2
    assert not Demand.objects.exists()


# --- Again --------------------------------------------------------------------------------------


@pytest.mark.parametrize("publish", [True, False])
@pytest.mark.parametrize("suffix", WRITERS)
def test_the_same_file_twice_changes_nothing(tmp_path, suffix, publish):
    owner = make_organization()
    path = write(tmp_path, ZH, FIRST, SECOND, suffix=suffix)
    load(path, owner, publish=publish)
    before = list(Demand.objects.order_by("pk").values())

    report = load(path, owner, publish=publish)

    assert (report.created, report.updated, report.unchanged) == (0, 0, 2)
    assert list(Demand.objects.order_by("pk").values()) == before
    assert ListingEvent.objects.count() == 2


def test_the_same_id_of_another_owner_is_another_listing(tmp_path):
    path = write(tmp_path, EN, FIRST)

    load(path)
    report = load(path)

    assert report.created == 1
    assert Demand.objects.count() == 2


def test_a_changed_row_of_a_published_listing_is_a_new_version(
    tmp_path, django_capture_on_commit_callbacks
):
    owner = make_organization()
    load(write(tmp_path, EN, FIRST, SECOND), owner, publish=True)
    heard = []

    def published(kind, ids, **_):
        heard.append((kind, ids))

    listings_published.connect(published)
    changed = ["R-1", "题目改了", *FIRST[2:]]
    with django_capture_on_commit_callbacks(execute=True):
        report = load(write(tmp_path, EN, changed, SECOND), owner, publish=True)
    listings_published.disconnect(published)

    assert (report.updated, report.unchanged) == (1, 1)
    demand = Demand.objects.get(external_id="R-1")
    assert (demand.title, demand.version, demand.status) == ("题目改了", 2, "published")
    revisions = revision_model("demand").objects.filter(pgh_obj=demand.pk).order_by("version")
    assert [row.title for row in revisions] == [FIRST[1], "题目改了"]
    assert heard == [("demand", [demand.pk])]


def test_an_emptied_amount_is_gone(tmp_path):
    owner = make_organization()
    load(write(tmp_path, EN, FIRST), owner)

    load(write(tmp_path, EN, [*FIRST[:10], "", "", *FIRST[12:]]), owner)

    demand = Demand.objects.get()
    assert (demand.money_min, demand.money_max) == (None, None)


def test_a_withdrawn_listing_stays_withdrawn(tmp_path):
    owner = make_organization()
    path = write(tmp_path, EN, FIRST, SECOND)
    load(path, owner, publish=True)
    publishing.withdraw(listing=Demand.objects.get(external_id="R-1"), actor=make_operator())

    report = load(path, owner, publish=True)

    assert report.unchanged == 2
    assert Demand.objects.get(external_id="R-1").status == ListingStatus.WITHDRAWN


def test_a_file_that_changes_what_has_ended_is_refused(tmp_path):
    owner = make_organization()
    load(write(tmp_path, EN, FIRST, SECOND), owner, publish=True)
    publishing.withdraw(listing=Demand.objects.get(external_id="R-1"), actor=make_operator())

    changed = ["R-1", "题目改了", *FIRST[2:]]
    path = write(tmp_path, EN, changed, ["R-2", "another title", *SECOND[2:]])

    assert problems(path, owner=owner, publish=True) == [(2, "")]
    assert Demand.objects.get(external_id="R-2").title == SECOND[1]


def test_without_trust_a_published_listing_is_not_overwritten(tmp_path):
    owner = make_organization()
    load(write(tmp_path, EN, FIRST), owner, publish=True)

    path = write(tmp_path, EN, ["R-1", "题目改了", *FIRST[2:]])

    assert problems(path, owner=owner) == [(2, "")]
    assert Demand.objects.get().title == FIRST[1]


def test_amounts_that_cross_what_is_stored_are_refused(tmp_path):
    owner = make_organization()
    make_demand(owner=owner, status="draft", external_id="R-1", money_min=5_000_000, money_max=None)

    path = write(tmp_path, ["id", "title", "budget_max"], ["R-1", "第一个需求", "300"])

    assert problems(path, owner=owner) == [(2, "budget_max")]


# --- Trusted loads ------------------------------------------------------------------------------


def test_a_trusted_load_is_live_at_once_with_revisions(
    tmp_path, django_capture_on_commit_callbacks
):
    heard = []

    def published(ids, **_):
        heard.extend(ids)

    listings_published.connect(published)
    with django_capture_on_commit_callbacks(execute=True):
        load(write(tmp_path, EN, FIRST, SECOND), publish=True)
    listings_published.disconnect(published)

    live = Demand.objects.live().order_by("pk")
    assert [row.version for row in live] == [1, 1]
    assert heard == [row.pk for row in live]
    assert revision_model("demand").objects.filter(version=1).count() == 2


def test_a_trusted_load_publishes_what_was_a_draft(tmp_path):
    owner = make_organization()
    path = write(tmp_path, EN, FIRST)
    load(path, owner)

    report = load(path, owner, publish=True)

    assert report.updated == 1
    assert Demand.objects.live().get().version == 1


def test_a_day_that_has_passed_is_not_published(tmp_path):
    past = [*FIRST[:12], "2020-01-01", "中文"]

    assert problems(write(tmp_path, ZH, past), publish=True) == [(2, "有效期至")]


def test_an_expired_listing_that_the_file_dates_into_the_past_stays_expired(tmp_path):
    owner = make_organization()
    load(write(tmp_path, EN, FIRST), owner, publish=True)
    Demand.objects.update(status="expired", valid_until=dt.date(2020, 1, 1))
    past = [*FIRST[:12], "2020-01-01", "中文"]

    report = load(write(tmp_path, EN, past), owner, publish=True)

    assert report.unchanged == 1
    assert Demand.objects.get().status == ListingStatus.EXPIRED


def test_an_expired_listing_without_a_date_in_the_file_lives_another_year(tmp_path):
    owner = make_organization()
    path = write(tmp_path, ["id", "title"], ["1", "第一个需求"])
    load(path, owner, publish=True)
    Demand.objects.update(status="expired", valid_until=dt.date(2020, 1, 1))

    load(path, owner, publish=True)

    assert Demand.objects.live().count() == 1


# --- Wrong rows ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("id", ""),
        ("id", "x" * 101),
        ("title", ""),
        ("title", "题" * 201),
        ("title", "看不见\u200b的字"),
        ("title", "从右往左\u202eexe.gnp"),
        ("title", "a\x07b"),
        ("summary", "摘" * 601),
        ("body", "文" * 200_000),
        ("industry", "Z99"),
        ("industry", "不存在的行业"),
        ("keywords", "词" * 41),
        ("keywords", "；".join(str(number) for number in range(21))),
        ("region", "亚特兰蒂斯"),
        ("modes", "以物易物"),
        ("trl", "10"),
        ("trl", "很成熟"),
        ("budget_min", "面议"),
        ("budget_min", "-5"),
        ("budget_min", "nan"),
        ("budget_min", "1e999999"),
        ("budget_max", "99999999999999999999"),
        ("budget_max", "1"),
        ("valid_until", "明年"),
        ("valid_until", "2027-02-30"),
        ("language", "klingon"),
    ],
)
def test_a_wrong_cell_is_named_by_row_and_column(tmp_path, field, value):
    wrong = list(FIRST)
    wrong[EN.index(field)] = value
    right = ["R-9", *FIRST[1:]]

    assert problems(write(tmp_path, EN, right, wrong)) == [(3, field)]


def test_every_wrong_row_is_named_at_once(tmp_path):
    rows = [[f"R-{number}", "题目够长了", "TRL 77"] for number in range(3)]

    assert problems(write(tmp_path, ["编号", "标题", "成熟度"], *rows)) == [
        (2, "成熟度"),
        (3, "成熟度"),
        (4, "成熟度"),
    ]


def test_a_file_wrong_throughout_is_not_explained_line_by_line(tmp_path):
    rows = [[f"R-{number}", ""] for number in range(300)]

    with pytest.raises(ImportFailed) as failed:
        load(write(tmp_path, ["id", "title"], *rows))

    report = failed.value.report
    assert (len(report.errors), report.more_errors) == (200, 100)


def test_a_row_with_fewer_cells_lacks_its_title(tmp_path):
    path = tmp_path / "list.tsv"
    path.write_text("title\tid\n第一个需求\t1\n只有题目\n", encoding="utf-8")
    short = tmp_path / "short.tsv"
    short.write_text("id\ttitle\n1\t第一个需求\n2\n", encoding="utf-8")

    assert problems(path) == [(3, "id")]
    assert problems(short) == [(3, "title")]


def test_an_id_that_stands_twice_is_an_error(tmp_path):
    path = write(tmp_path, EN, FIRST, SECOND, FIRST)

    assert problems(path) == [(4, "id")]


def test_two_rows_without_an_id_are_not_called_doubles(tmp_path):
    path = write(tmp_path, ["id", "title"], ["", "第一个需求"], ["", "第二个需求"])

    assert problems(path) == [(2, "id"), (3, "id")]


def test_two_amounts_that_contradict_each_other_are_an_error(tmp_path):
    header = ["id", "title", "预算上限（元）", "预算上限（万元）"]

    agreeing = write(tmp_path, header, ["1", "第一个需求", "3800000", "380"])
    assert load(agreeing, dry_run=True).errors == []
    path = write(tmp_path, header, ["1", "第一个需求", "3800000", "38"])

    assert problems(path) == [(2, "预算上限（万元）")]


HOSTILE = [
    "<script>alert(1)</script>",
    "'; DROP TABLE catalog_demand; --",
    "{{ settings.SECRET_KEY }} {% debug %}",
    '=HYPERLINK("http://example.org","点我")',
    "../../../../etc/passwd",
    "％ｓ %s %(title)s {0} ${jndi:ldap://x}",
    "🧪" * 50,
]


@pytest.mark.parametrize("suffix", WRITERS)
def test_hostile_texts_are_stored_as_they_are(tmp_path, suffix):
    import unicodedata

    rows = [[f"H{at}", text, text] for at, text in enumerate(HOSTILE)]
    if suffix == "xlsx":  # a spreadsheet would compute it
        rows = [[cell.replace("=HYP", " =HYP") for cell in row] for row in rows]

    load(write(tmp_path, ["id", "title", "body"], *rows, suffix=suffix))

    titles = Demand.objects.order_by("pk").values_list("title", flat=True)
    assert list(titles) == [unicodedata.normalize("NFC", text) for text in HOSTILE]


def test_control_and_direction_marks_in_a_body_are_dropped(tmp_path):
    body = "前\u202e后\u200b缀\x07。"

    load(write(tmp_path, ["id", "title", "body"], ["1", "第一个需求", body]))

    assert Demand.objects.get().body == "前后缀。"


# --- Wrong files --------------------------------------------------------------------------------


def refused(path, **options):
    with override("en"), pytest.raises(UnreadableFile) as error:
        load(path, **options)
    assert not Demand.objects.exists()
    return str(error.value)


@pytest.mark.parametrize("suffix", WRITERS)
@pytest.mark.parametrize("header", [["id", "summary"], ["title", "body"], ["甲", "乙"], [""]])
def test_a_file_without_id_or_title_is_refused(tmp_path, suffix, header):
    assert refused(write(tmp_path, header, ["x"] * len(header), suffix=suffix))


@pytest.mark.parametrize("suffix", WRITERS)
def test_two_columns_with_one_meaning_are_refused_by_name(tmp_path, suffix):
    path = write(tmp_path, ["id", "title", "标题"], ["1", "a title", "题目"], suffix=suffix)

    message = refused(path)

    assert "title" in message and "标题" in message


@pytest.mark.parametrize("suffix", ["tsv", "csv", "xlsx", "txt"])
def test_an_empty_file_is_refused(tmp_path, suffix):
    path = tmp_path / f"empty.{suffix}"
    path.write_bytes(b"")

    assert refused(path)


def test_an_xlsx_with_an_empty_sheet_is_refused(tmp_path):
    assert refused(write_xlsx(tmp_path / "list.xlsx"))


def test_a_header_alone_is_no_error(tmp_path):
    assert load(write(tmp_path, EN)).rows == 0


@pytest.mark.parametrize("suffix", ["tsv", "csv"])
def test_text_with_nul_bytes_is_refused(tmp_path, suffix):
    path = tmp_path / f"list.{suffix}"
    separator = b"," if suffix == "csv" else b"\t"
    path.write_bytes(b"id\ttitle\n1\tab\x00cd\n".replace(b"\t", separator))

    assert "NUL" in refused(path)


def test_a_broken_csv_is_refused(tmp_path):
    path = tmp_path / "list.csv"
    path.write_text('id,title\n1,"not closed\n2,ok\n', encoding="utf-8")

    assert refused(path)


def test_a_line_without_end_is_not_read_whole(tmp_path):
    path = tmp_path / "list.tsv"
    path.write_bytes(b"id\ttitle\n1\t" + b"x" * 20_000_000)

    tracemalloc.start()
    message = refused(path)
    _now, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert message
    assert peak < 10_000_000


def test_another_kind_of_file_is_refused(tmp_path):
    path = tmp_path / "list.pdf"
    path.write_bytes(b"%PDF-1.7")

    assert ".pdf" in refused(path)


@pytest.mark.parametrize("suffix", ["tsv", "csv", "xlsx"])
def test_a_file_that_is_not_there_or_a_folder_is_refused(tmp_path, suffix):
    assert refused(tmp_path / f"nowhere.{suffix}")
    (tmp_path / f"folder.{suffix}").mkdir()
    assert refused(tmp_path / f"folder.{suffix}")


@pytest.mark.parametrize(
    "content",
    [b"id,title\n1,a title\n", b"PK\x03\x04 broken", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" * 99],
    ids=["csv", "zip", "xls"],
)
def test_what_is_only_called_xlsx_is_refused(tmp_path, content):
    path = tmp_path / "list.xlsx"
    path.write_bytes(content)

    assert ".xlsx" in refused(path)


def rewrite(path, change):
    """Put other members into an .xlsx: `change` takes a name and its bytes."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            if (changed := change(name, data)) is not None:
                archive.writestr(name, changed)
    return path


SHEET = "xl/worksheets/sheet1.xml"


@pytest.mark.parametrize(
    "change",
    [
        lambda name, data: b"" if name == SHEET else data,
        lambda name, data: data[: len(data) // 2] if name == SHEET else data,
        lambda name, data: b"<not xml" if name == "xl/workbook.xml" else data,
        lambda name, data: None if name == "[Content_Types].xml" else data,
    ],
    ids=["empty sheet", "half a sheet", "no workbook", "no types"],
)
def test_a_damaged_xlsx_is_refused(tmp_path, change):
    rows = [[f"R{number}", "题目够长了" * 5] for number in range(1500)]
    path = rewrite(write_xlsx(tmp_path / "list.xlsx", ["id", "title"], *rows), change)

    assert ".xlsx" in refused(path)


def test_an_xlsx_with_one_flipped_byte_is_refused(tmp_path):
    rows = [[f"R{number}", f"题目{number * 7919}"] for number in range(1500)]
    path = write_xlsx(tmp_path / "list.xlsx", ["id", "title"], *rows)
    data = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        member = archive.getinfo(SHEET)
    data[member.header_offset + member.compress_size // 2] ^= 0xFF
    path.write_bytes(data)

    assert ".xlsx" in refused(path)


def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path):
    path = write_xlsx(tmp_path / "list.xlsx", ["id", "title"], ["1", "第一个需求"])
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/media/zeros.bin", b"\0" * 60_000_000)

    tracemalloc.start()
    assert refused(path)
    _now, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak < 10_000_000


def test_entities_of_entities_are_not_unfolded(tmp_path):
    entities = "".join(f'<!ENTITY e{level} "{f"&e{level - 1};" * 10}">' for level in range(1, 10))
    bomb = f'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e0 "ha">{entities}]>'

    def change(name, data):
        if name != SHEET:
            return data
        text = data.decode().partition("?>")[2] or data.decode()
        return (
            bomb + text.replace("<sheetData>", "<sheetData><row><c><v>&e9;</v></c></row>")
        ).encode()

    path = rewrite(write_xlsx(tmp_path / "list.xlsx", ["id", "title"], ["1", "甲"]), change)

    assert refused(path)


# --- Size ---------------------------------------------------------------------------------------


def test_six_thousand_rows_are_loaded_in_pieces(tmp_path):
    rows = ([f"R{n}", f"第 {n} 个需求", "正文" * 50] for n in range(6000))
    path = write(tmp_path, ["id", "title", "body"], *rows)
    done = []

    report = load(path, publish=True, progress=done.append)

    assert report.created == Demand.objects.live().count() == 6000
    assert revision_model("demand").objects.count() == 6000
    assert done == list(range(500, 6001, 500))


@pytest.mark.parametrize("suffix", ["tsv", "csv", "xlsx"])
def test_reading_keeps_one_row_in_memory(tmp_path, suffix):
    """20 MB of text; each row of xlsx is parsed as it comes, so shared strings are left out."""
    rows = 2000
    body = "x" * 10_000
    if suffix == "xlsx":
        book = Workbook(write_only=True)
        sheet = book.create_sheet()
        sheet.append(["id", "title", "trl"])
        for number in range(rows * 5):
            sheet.append([number, number, number % 9 + 1])
        book.save(tmp_path / "list.xlsx")
        path, rows = tmp_path / "list.xlsx", rows * 5
    else:
        lines = ([f"R{n}", "a title", f"{n}{body}"] for n in range(rows))
        path = write(tmp_path, ["id", "title", "body"], *lines, suffix=suffix)

    tracemalloc.start()
    count = sum(1 for _row in open_table(path, headers("demand")).rows())
    _now, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert count == rows
    assert peak < 6_000_000


@pytest.mark.django_db(transaction=True)
def test_two_imports_of_one_file_at_once_list_everything_once(tmp_path):
    import threading

    from django.db import connection

    owner = make_organization()
    path = write(tmp_path, ["id", "title"], *([f"R{n}", f"需求 {n} 号"] for n in range(300)))
    start, created = threading.Barrier(2), []

    def run():
        start.wait()
        try:
            created.append(load(path, owner).created)
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(created) == [0, 300]
    assert Demand.objects.count() == 300


# --- The command --------------------------------------------------------------------------------


def run(*arguments):
    out, errors = io.StringIO(), io.StringIO()
    call_command("import_listings", *map(str, arguments), stdout=out, stderr=errors)
    return out.getvalue(), errors.getvalue()


@pytest.mark.parametrize("by", ["name", "credit_code"])
def test_the_command_publishes_for_an_organization(tmp_path, by):
    owner = make_organization()
    path = write(tmp_path, EN, FIRST, SECOND)

    out, errors = run("achievements", path, "--publish", "--organization", getattr(owner, by))

    assert Achievement.objects.live().filter(owner=owner).count() == 2
    assert "2 were created" in out
    assert errors == ""


def test_the_command_checks_without_storing(tmp_path):
    owner = make_organization()

    out, _ = run("demands", write(tmp_path, EN, FIRST), "--dry-run", "--organization", owner.name)

    assert "1 would be created" in out
    assert not Demand.objects.exists()


@pytest.mark.parametrize("options", [[], ["--dry-run"]])
def test_the_command_fails_with_each_error_on_a_line(tmp_path, options):
    owner = make_organization()
    path = write(tmp_path, EN, [*FIRST[:9], "77", *FIRST[10:]])
    errors = io.StringIO()

    with pytest.raises(CommandError):
        call_command(
            "import_listings",
            *("demands", str(path), "--organization", owner.name, *options),
            stdout=io.StringIO(),
            stderr=errors,
        )

    assert "row 2, column trl:" in errors.getvalue()
    assert not Demand.objects.exists()


def test_the_command_needs_a_known_organization(tmp_path):
    with pytest.raises(CommandError, match="无名"):
        run("demands", write(tmp_path, EN, FIRST), "--organization", "无名")

    assert not Demand.objects.exists()


def test_the_command_does_not_guess_between_namesakes(tmp_path):
    make_organization(name="同名公司")
    make_organization(name="同名公司")

    with pytest.raises(CommandError, match="Several"):
        run("demands", write(tmp_path, EN, FIRST), "--organization", "同名公司")

    assert not Demand.objects.exists()


def test_only_a_verified_organization_publishes(tmp_path):
    owner = make_organization(status=OrganizationStatus.PENDING)

    with pytest.raises(CommandError, match="not verified"):
        run("demands", write(tmp_path, EN, FIRST), "--publish", "--organization", owner.name)

    assert not Demand.objects.exists()


def test_the_command_explains_a_file_that_cannot_be_read(tmp_path):
    with pytest.raises(CommandError):
        run("demands", tmp_path / "nowhere.csv", "--organization", make_organization().name)
