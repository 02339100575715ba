"""Reports as documents: the brief of a match and the progress of a listing, as page and as PDF."""

from __future__ import annotations

import io
import re

import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from pypdf import PdfReader

from accounts import paper
from accounts.models import AccessEvent
from matchmaking.models import Match
from matchmaking.workflow import MatchStatus, ReviewStatus
from tests.factories import make_achievement, make_manager, make_match, make_operator, make_review
from tests.matchmaking.test_pages_matches import (
    ENTERPRISE,
    NAMES,
    UNIVERSITY,
    achievement_side,
    demand_side,
    index_of,
    log_in,
    make_pair,
    page,
)

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _fresh():
    cache.clear()


def address(thing, name: str = "match_brief") -> str:
    return reverse(name, args=[thing.number])


def read(response) -> tuple[str, PdfReader]:
    """Return the text of a PDF, without spaces and line ends, and the PDF itself."""
    assert response.status_code == 200
    assert response["Content-Type"] == "application/pdf"
    pdf = PdfReader(io.BytesIO(response.content))
    return re.sub(r"\s", "", "".join(one.extract_text() for one in pdf.pages)), pdf


def taken(client: Client, thing, name: str = "match_brief") -> tuple[str, PdfReader]:
    return read(client.get(address(thing, f"{name}_pdf")))


def hidden_names(side: str) -> list[str]:
    return [name.replace(" ", "") for name in NAMES[side]]


def all_of(response, text: str, pdf: PdfReader) -> str:
    return "\n".join([text, str(pdf.metadata), response["Content-Disposition"]])


# --- Who reads what -----------------------------------------------------------------------------


@pytest.mark.parametrize("side", ["demand", "achievement"])
def test_the_brief_of_a_side_names_nobody_before_the_introduction(client, side):
    match = make_pair(MatchStatus.APPROVED)
    log_in(client, (demand_side if side == "demand" else achievement_side)(match))
    other = "achievement" if side == "demand" else "demand"

    shown = page(client, address(match))
    response = client.get(address(match, "match_brief_pdf"))
    text, pdf = read(response)

    for name in hidden_names(other):
        assert name not in re.sub(r"\s", "", shown)
        assert name not in all_of(response, text, pdf)
    assert "不含对方名称" in text and "不含对方名称" in shown
    assert "双方都同意之前" in text
    assert response["Content-Disposition"] == (
        f'attachment; filename="keqiao-match-brief-{match.number}-'
        + response["Content-Disposition"].rpartition("-")[2]
    )
    assert pdf.metadata.title == f"匹配简报 {match.number}"


def test_once_introduced_the_brief_names_both_and_tells_the_contact(client):
    match = make_pair(MatchStatus.INTRODUCED)
    log_in(client, demand_side(match))
    text, _pdf = taken(client, match)
    assert UNIVERSITY in text and "李岩岩" in text and "office@ecpu.example" in text
    assert "含双方名称和联系方式" in text


def test_the_manager_reads_both_names_from_when_the_review_is_taken_on(client):
    match = make_match(demand=make_pair().demand, achievement=make_achievement(title="另一项成果"))
    manager = log_in(client, make_manager())
    review = make_review(match=match, manager=manager, status=ReviewStatus.ASSIGNED)
    text, _pdf = taken(client, match)
    assert ENTERPRISE not in text and "接受评审前" in text
    assert not AccessEvent.objects.filter(kind="names").exists()

    review.status = ReviewStatus.ACCEPTED
    review.save()
    text, _pdf = taken(client, match)
    assert ENTERPRISE in text and "含双方名称" in text
    assert "周敏敏" not in text  # a contact, which only an introduction opens
    assert list(AccessEvent.objects.filter(kind="names").values_list("number", flat=True)) == [
        match.number
    ]


def test_each_copy_of_a_pdf_leaves_a_row(client):
    match = make_pair(MatchStatus.APPROVED)
    reader = log_in(client, demand_side(match))
    for _copy in range(2):
        taken(client, match)
    taken(client, match.demand, "demand_report")
    rows = AccessEvent.objects.filter(actor=reader).values_list("kind", "subject", "number")
    assert list(rows) == [
        ("export", "match", match.number),
        ("export", "match", match.number),
        ("export", "listing", match.demand.number),
    ]


def test_a_manager_with_a_tie_takes_no_brief(client):
    match = make_pair(MatchStatus.IN_REVIEW)
    manager = log_in(client, match.reviews.get().manager)
    manager.manager_profile.interests.create(organization=match.demand.owner, kind="employment")
    assert client.get(address(match, "match_brief_pdf")).status_code == 403
    assert not AccessEvent.objects.exists()


def test_what_has_left_the_platform_is_in_no_brief_of_a_side(client):
    match = make_pair(MatchStatus.APPROVED)
    Match.objects.filter(pk=match.pk).update(status=MatchStatus.LAPSED)
    type(match.achievement).objects.filter(pk=match.achievement_id).update(status="withdrawn")
    log_in(client, demand_side(match))
    text, _pdf = taken(client, match)
    assert "其中一方已离开平台" in text
    assert "淬火" not in text


# --- What stands in them ------------------------------------------------------------------------


def test_every_section_of_the_brief_is_in_the_pdf(client):
    match = make_pair(MatchStatus.APPROVED, engine="e5s1")
    log_in(client, make_operator())
    text, pdf = taken(client, match)
    for heading in ("目前状态", "双方", "逐条比对", "最相近的句子", "经理人意见", "比对的版本"):
        assert heading in text
    for said in ("圆度变形", "≤0.35mm", "✓满足", "成果正文第1段", "陈立", "e5s1"):
        assert said in text
    assert match.demand.number in text and match.achievement.number in text
    assert f"1/{len(pdf.pages)}" in text


def test_the_fonts_are_in_the_file_and_the_text_is_tagged(client):
    match = make_pair(MatchStatus.APPROVED)
    log_in(client, make_operator())
    _text, pdf = taken(client, match)
    fonts = [
        font.get_object()
        for one in pdf.pages
        for font in one["/Resources"]["/Font"].get_object().values()
    ]
    assert fonts
    for font in fonts:
        descriptor = font["/DescendantFonts"][0].get_object()["/FontDescriptor"].get_object()
        assert {"/FontFile2", "/FontFile3"} & set(descriptor)
    assert pdf.trailer["/Root"]["/MarkInfo"]["/Marked"]
    assert pdf.trailer["/Root"]["/Lang"] == "zh-hans"


def test_the_report_of_a_demand_counts_by_state_and_tells_the_narrow_one(client):
    match = make_pair(MatchStatus.APPROVED)
    make_match(
        status=MatchStatus.INTRODUCED,
        demand=match.demand,
        achievement=make_achievement(title="已经引荐的成果"),
        grid=[{**match.grid[0], "verdict": "unmet"}],
    )
    index_of(match.demand)
    log_in(client, demand_side(match))
    text, _pdf = taken(client, match.demand, "demand_report")
    shown = page(client, address(match.demand, "demand_report"))
    assert "进展报告" in text and match.demand.number in text
    for state in ("待我答复1/2", "评审中0/2", "已引荐1/2"):
        assert state in text
    assert "完成比对，找到2项" in text and "比对1344项" in text
    assert "圆度变形≤0.35mm硬1/2" in text
    assert match.number in text and match.number in shown
    for name in hidden_names("achievement"):
        assert name not in text  # of the one that waits for an answer
    assert "已经引荐的成果" in text


def test_the_report_of_an_achievement_reads_alike(client):
    match = make_pair(MatchStatus.APPROVED)
    log_in(client, achievement_side(match))
    text, _pdf = taken(client, match.achievement, "achievement_report")
    assert "待我答复1/1" in text
    for name in hidden_names("demand"):
        assert name not in text


def test_the_documents_come_in_the_readers_language(client):
    match = make_pair(MatchStatus.APPROVED)
    reader = demand_side(match)
    reader.language = "en"
    reader.save()
    log_in(client, reader)
    client.cookies["django_language"] = "en"
    text, pdf = taken(client, match)
    assert pdf.metadata.title == f"Match brief {match.number}"
    assert "theothersideisnotnamed" in text and "目前状态" not in text


# --- What a machine or a text may do to them ----------------------------------------------------

HOSTILE = '<img src="file:///etc/passwd"><link rel="attachment" href="file:///etc/passwd">'


def test_markup_in_a_text_is_text(client):
    match = make_pair(MatchStatus.INTRODUCED)
    type(match.achievement).objects.filter(pk=match.achievement_id).update(title=HOSTILE)
    Match.objects.filter(pk=match.pk).update(
        pairs=[{"demand": HOSTILE, "achievement": "。", "score": 0.9}]
    )
    log_in(client, demand_side(match))
    text, pdf = taken(client, match)
    assert HOSTILE.replace(" ", "") in text
    assert not pdf.attachments


def test_nothing_is_fetched_whatever_the_markup_asks_for(tmp_path):
    secret = tmp_path / "secret.css"
    secret.write_text("p::before { content: 'geheim' }", encoding="utf-8")
    near = secret.as_uri()
    html = (
        f'<html><head><link rel="stylesheet" href="{near}"><link rel="attachment" href="{near}">'
        f'<style>@import url("{near}")</style></head><body><p>甲</p><img src="{near}" alt="乙">'
        f'<img src="data:image/svg+xml,<svg></svg>"><object data="{near}"></object></body></html>'
    )
    pdf = PdfReader(io.BytesIO(paper.pdf(html, address="https://keqiao.example/")))
    assert "geheim" not in pdf.pages[0].extract_text()
    assert not pdf.attachments


@pytest.mark.parametrize(
    ("lack", "sentence"), [("libraries", "缺少制作 PDF 的系统库"), ("font", "没有中文字体")]
)
def test_where_no_pdf_can_be_made_the_page_says_so_and_can_be_printed(
    client, monkeypatch, lack, sentence
):
    monkeypatch.setattr("accounts.paper.lacking", lambda: lack)
    match = make_pair(MatchStatus.APPROVED)
    log_in(client, demand_side(match))
    shown = page(client, address(match))
    assert sentence in shown and "逐条比对" in shown
    assert address(match, "match_brief_pdf") not in shown

    refused = page(client, address(match, "match_brief_pdf"), status=503)
    assert sentence in refused and "逐条比对" in refused
    assert not AccessEvent.objects.filter(kind="export").exists()
    with pytest.raises(paper.PaperLacks):
        paper.pdf("<p>甲</p>", address="https://keqiao.example/")


def test_pdfs_are_counted_as_other_files_are(client, settings):
    settings.EXPORTS_PER_MINUTE = 1
    match = make_pair(MatchStatus.APPROVED)
    log_in(client, demand_side(match))
    taken(client, match)
    assert client.get(address(match.demand, "demand_report_pdf")).status_code == 429
    assert client.get(address(match)).status_code == 200


# --- Cost ---------------------------------------------------------------------------------------


def count(client: Client, url: str) -> int:
    with CaptureQueriesContext(
        connection,
    ) as queries:
        assert client.get(url).status_code == 200
    return len(queries)


def test_a_brief_costs_the_same_for_one_line_and_for_ten(client):
    match = make_pair(MatchStatus.APPROVED)
    log_in(client, demand_side(match))
    page(client, address(match))
    few = count(client, address(match))
    Match.objects.filter(pk=match.pk).update(grid=match.grid * 10, pairs=match.pairs * 10)
    assert count(client, address(match)) == few


def test_a_report_costs_the_same_for_one_match_and_for_ten(client):
    match = make_pair(MatchStatus.APPROVED)
    log_in(client, demand_side(match))
    url = address(match.demand, "demand_report")
    page(client, url)
    few = count(client, url)
    for _more in range(9):
        make_match(status=MatchStatus.APPROVED, demand=match.demand, achievement=make_achievement())
    assert count(client, url) == few
