"""How texts are cut: nothing is lost, nothing is too long, and what is public stays apart."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accounts.permissions import Tier
from matchmaking.retrieval.windows import (
    CHINESE_WIDTH,
    MAX_WINDOWS,
    WINDOW_WIDTH,
    Stream,
    language_of,
    listing_windows,
    split_text,
    width,
)


def windows(body="", **fields):
    streams = [Stream(body, Tier.MEMBERS), *fields.pop("more", ())]
    return listing_windows(
        **{"title": "感应淬火", "summary": "", "keywords": [], "streams": streams, **fields}
    )


def test_a_short_listing_is_one_public_window_and_one_of_everything():
    found = windows(summary="无软带。", keywords=["轴承", "套圈"], body="试件圆度偏差 0.30 mm。")

    assert [window.tier for window in found] == [Tier.PUBLIC, Tier.MEMBERS]
    assert found[0].text == "感应淬火\n无软带。\n轴承，套圈"
    assert "0.30" in found[1].text and "0.30" not in found[0].text


def test_the_title_leads_every_piece_of_the_body():
    found = windows(body="圆度偏差超过标准，磨削余量大。" * 100)

    assert len(found) > 3
    assert all(window.text.startswith("感应淬火") for window in found)


def test_a_long_summary_is_public_to_its_end():
    found = windows(title="题" * 200, summary="摘要很长。" * 119 + "末尾五字词", keywords=["词"])

    assert all(window.tier == Tier.PUBLIC for window in found)
    assert any("末尾五字词" in window.text for window in found)


def test_nothing_of_the_body_is_in_a_public_window():
    found = windows(summary="公开", body="机密配方。" * 2000)

    assert not any("机密" in window.text for window in found if window.tier == Tier.PUBLIC)


@pytest.mark.parametrize("body", ["", "   \n ", "。"])
def test_a_listing_without_a_body_has_no_empty_window(body):
    assert all(window.text.strip() for window in windows(body=body))


def test_a_listing_without_any_text_has_no_window():
    assert windows(title="", summary=" ") == []


def test_sentences_stay_whole_where_they_fit():
    pieces = split_text("双感应器相向扫描，终了处无软带。" * 100)

    assert all(piece.endswith("。") for piece in pieces)


@settings(max_examples=100, deadline=None)
@given(st.text(alphabet="淬火a b。.\n，！1", max_size=4000))
def test_pieces_fit_and_nothing_is_lost(text):
    pieces = split_text(text)

    assert all(width(piece) <= WINDOW_WIDTH for piece in pieces)
    assert "".join("".join(pieces).split()) == "".join(text.split())


def test_one_endless_sentence_is_cut_hard():
    pieces = split_text("淬" * 10_000)

    assert "".join(pieces) == "淬" * 10_000
    assert all(len(piece) * CHINESE_WIDTH <= WINDOW_WIDTH for piece in pieces)


@pytest.mark.parametrize("text", ["淬" * 200_000, "a" * 200_000, "a。" * 100_000, "\n" * 200_000])
def test_work_is_bounded(text):
    assert len(windows(body=text)) <= MAX_WINDOWS


def test_the_longest_allowed_body_is_read_to_its_end():
    body = "这道工序的圆度偏差仍然超过图纸要求。" * 1111

    assert len(body) < 20_000
    found = windows(title="大型轴承套圈整圈感应淬火变形控制与软带消除", body=f"{body}末尾")
    assert found[-1].text.endswith("末尾")


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("感应淬火", "zh"),
        ("Induction hardening of rings", "en"),
        ("基于 PLC 的控制系统", "zh"),
        ("Sorting of scrap aluminium (铝)", "en"),
        ("", "en"),
    ],
)
def test_a_text_is_chinese_or_not(text, language):
    assert language_of(text) == language


def test_a_title_that_was_cut_off_the_body_asks_for_nothing_of_its_own():
    body = "现用分段中频淬火，接头处存在软带，淬火后圆度偏差超过 1.2 mm。"

    derived = windows(title=body[:12], body=body)
    own = windows(title="套圈淬火变形", body=body)

    assert [(window.tier, window.asks) for window in derived] == [(0, False), (1, True)]
    assert derived[1].text == body
    assert [(window.tier, window.asks) for window in own] == [(0, True), (1, True)]
    assert own[1].text.startswith("套圈淬火变形\n")


def test_what_different_readers_may_read_shares_no_window():
    found = windows(
        body="会员可读。",
        more=[Stream("经理可读。", Tier.MANAGERS), Stream("试过。", 1, asks=False)],
    )

    assert [(window.tier, window.asks) for window in found] == [
        (0, True),
        (1, True),
        (2, True),
        (1, False),
    ]
    assert all("会员" not in window.text for window in found if window.tier != Tier.MEMBERS)
    assert all(window.text.startswith("感应淬火") for window in found)
