"""What templates show of money, dates, clocks, statuses and texts."""

import datetime as dt

import pytest
from django.core.paginator import Paginator
from django.template import Context, Template
from django.test import RequestFactory
from django.utils.translation import override

from accounts.models import ManagerStatus, OrganizationStatus
from accounts.templatetags import kq
from catalog.workflow import ListingStatus
from matchmaking.workflow import MatchStatus, ReviewStatus


def draw(text, **context):
    return Template("{% load kq %}" + text).render(Context(context))


@pytest.mark.parametrize(
    ("yuan", "chinese", "english"),
    [
        (3_800_000, "380 万元", "CNY 3.8 million"),
        (1_205_000, "120.5 万元", "CNY 1.21 million"),
        (50_000, "5 万元", "CNY 50,000"),
        (1_234, "0.12 万元", "CNY 1,234"),
        (0, "0 万元", "CNY 0"),
        (250_000_000, "2.5 亿元", "CNY 250 million"),
        (12_345_678_900_000, "123,456.79 亿元", "CNY 12,345,678.9 million"),
        (None, "", ""),
    ],
)
def test_money_is_shown_as_people_say_it(yuan, chinese, english):
    with override("zh-hans"):
        assert kq.wan(yuan).replace("\u00a0", " ") == chinese
    with override("en"):
        assert kq.wan(yuan).replace("\u00a0", " ") == english


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (None, None, "面议"),
        (None, 3_800_000, "≤ 380 万元"),
        (0, 3_800_000, "≤ 380 万元"),
        (3_000_000, None, "≥ 300 万元"),
        (3_000_000, 3_000_000, "300 万元"),
        (3_000_000, 3_800_000, "300 万元–380 万元"),
    ],
)
def test_a_range_of_money(low, high, words):
    with override("zh-hans"):
        assert kq.wan_range(low, high).replace("\u00a0", " ") == words


@pytest.fixture
def today(monkeypatch):
    # Monday; the 23rd of November 2026 is an ordinary working week.
    monkeypatch.setattr("django.utils.timezone.localdate", lambda *args: dt.date(2026, 11, 23))


@pytest.mark.parametrize(
    ("due", "tone", "chinese"),
    [
        (dt.date(2026, 11, 26), "kq-clock", "还剩 3 个工作日（11 月 26 日前）"),
        (dt.date(2026, 11, 30), "kq-clock", "还剩 5 个工作日（11 月 30 日前）"),
        (dt.date(2026, 11, 23), "part", "今天 24:00 前（11 月 23 日）"),
        (dt.date(2026, 11, 22), "unmet", "已超时 1 个工作日（应在 11 月 22 日前）"),
        (dt.date(2026, 11, 19), "unmet", "已超时 2 个工作日（应在 11 月 19 日前）"),
    ],
)
def test_a_clock_shows_the_date_and_the_working_days(today, due, tone, chinese):
    with override("zh-hans"):
        shown = draw("{% clock due %}", due=due).replace("\u00a0", " ")
    assert chinese in shown
    assert tone in shown


def test_a_clock_that_stands_still_says_since_when_and_what_is_left(today):
    since = dt.date(2026, 11, 18)
    with override("zh-hans"):
        shown = draw("{% clock None since 2 %}", since=since).replace("\u00a0", " ")
        assert "自 11 月 18 日起暂停计时，还剩 2 个工作日" in shown
    with override("en"):
        # Whoever had nothing left still gets a day.
        assert "Paused since 18 Nov, 1 working day left" in draw(
            "{% clock None since 0 %}", since=since
        )


def test_english_counts_one_day(today):
    with override("en"):
        assert "1 working day left (by 24 Nov)" in draw(
            "{% clock due %}", due=dt.date(2026, 11, 24)
        )


def test_dates_name_the_year_when_it_is_another(today):
    with override("zh-hans"):
        assert kq.day(dt.date(2026, 5, 9)).replace("\u00a0", " ") == "5 月 9 日"
        assert kq.day(dt.date(2027, 5, 9)).replace("\u00a0", " ") == "2027 年 5 月 9 日"
        # 20:00 in London is tomorrow in Shanghai.
        moment = dt.datetime(2026, 11, 18, 20, 0, tzinfo=dt.UTC)
        assert kq.moment(moment).replace("\u00a0", " ") == "11 月 19 日 04:00"
    with override("en"):
        assert kq.day(dt.date(2027, 5, 9)) == "9 May 2027"
    assert kq.day(None) == kq.moment(None) == draw("{% clock due %}", due=None) == ""


def test_every_status_of_every_workflow_has_an_icon():
    for statuses in (ListingStatus, MatchStatus, ReviewStatus, OrganizationStatus, ManagerStatus):
        assert set(statuses.values) <= set(kq.STATUS_LOOK)


def test_every_icon_that_is_drawn_is_in_the_sprite():
    import re

    from tests.messages import ROOT

    listed = (ROOT / "scripts" / "icons.txt").read_text().split("\n")
    used = {icon for icon, _tone in kq.STATUS_LOOK.values()}
    for path in (ROOT / "templates").rglob("*.html"):
        used |= set(re.findall(r'{% (?:icon|chip) "([a-z0-9-]+)"', path.read_text("utf8")))
    assert used <= set(listed)


def test_plain_text_becomes_paragraphs_and_nothing_else():
    shown = kq.paragraphs("one\ntwo\n\n<script>alert('x')</script>\r\n\r\n\n")
    assert shown == (
        '<p lang="en">one<br>two</p>\n'
        '<p lang="en">&lt;script&gt;alert(&#x27;x&#x27;)&lt;/script&gt;</p>'
    )


@pytest.mark.parametrize(
    ("text", "kept"),
    [("≤ 0.35 mm", "≤~0.35~mm"), ("直径 2 m 以上", "直径 2~m 以上"), ("a b", "a b")],
)
def test_operator_number_and_unit_stay_together(text, kept):
    assert kq.nbsp(text).replace("\u00a0", "~") == kept


def test_page_links_keep_the_other_parameters():
    request = RequestFactory().get("/", {"q": "淬火", "page": "2", "region": ["32", "33"]})
    page = Paginator(range(100), 10).page(2)
    shown = draw("{% page_links page %}", page=page, request=request)
    assert "q=%E6%B7%AC%E7%81%AB" in shown
    assert "region=32&amp;region=33" in shown
    assert shown.count('aria-current="page"') == 1
    assert not draw(
        "{% page_links page %}", page=Paginator([1], 10).page(1), request=request
    ).strip()


def test_query_string_changes_and_takes_out():
    request = RequestFactory().get("/", {"q": "a&b", "page": "2"})
    assert draw('{% query_string q="c" page=None %}', request=request) == "?q=c"
    assert draw("{% query_string q=None page=None %}", request=request) == "?"


NOON = dt.datetime(2026, 11, 23, 12, 0, tzinfo=dt.timezone(dt.timedelta(hours=8)))


@pytest.mark.parametrize(
    ("away", "chinese", "english"),
    [
        (dt.timedelta(seconds=-59), "刚刚", "just now"),
        (dt.timedelta(seconds=30), "刚刚", "just now"),
        (dt.timedelta(minutes=-1), "1 分钟前", "1 minute ago"),
        (dt.timedelta(minutes=-59, seconds=-59), "59 分钟前", "59 minutes ago"),
        (dt.timedelta(minutes=5), "5 分钟后", "in 5 minutes"),
        (dt.timedelta(hours=-1), "1 小时前", "1 hour ago"),
        (dt.timedelta(hours=23, minutes=59), "23 小时后", "in 23 hours"),
        (dt.timedelta(hours=-47), "1 天前", "1 day ago"),
        (dt.timedelta(days=-6, hours=-23), "6 天前", "6 days ago"),
        (dt.timedelta(days=2), "2 天后", "in 2 days"),
        (dt.timedelta(days=-7), "11 月 16 日", "16 Nov"),
        (dt.timedelta(days=400), "2027 年 12 月 28 日", "28 Dec 2027"),
    ],
)
def test_a_moment_is_told_by_how_far_it_is_away(away, chinese, english, monkeypatch, today):
    monkeypatch.setattr("django.utils.timezone.now", lambda: NOON)
    for language, words in (("zh-hans", chinese), ("en", english)):
        with override(language):
            assert f">{words}</time>" in kq.ago(NOON + away).replace("\u00a0", " ")


def test_the_exact_time_is_beside_the_words(monkeypatch, today):
    monkeypatch.setattr("django.utils.timezone.now", lambda: NOON)
    before = NOON - dt.timedelta(hours=2)
    stamp = '<time datetime="2026-11-23T10:00:00+08:00"'
    with override("zh-hans"):
        assert draw("{{ when|ago }}", when=before).replace("\u00a0", " ") == (
            f'{stamp} title="2026 年 11 月 23 日 10:00">2 小时前</time>'
        )
    with override("en"):
        assert draw("{{ when|ago }}", when=before).replace("\u00a0", " ") == (
            f'{stamp} title="23 November 2026 10:00">2 hours ago</time>'
        )


def test_a_date_is_counted_in_days(today):
    with override("en"):
        assert kq.ago(dt.date(2026, 11, 23)).endswith(">today</time>")
        assert kq.ago(dt.date(2026, 11, 22)).endswith(">1 day ago</time>")
        assert kq.ago(dt.date(2026, 11, 25)).endswith(">in 2 days</time>")
        assert kq.ago(dt.date(2026, 11, 1)) == (
            '<time datetime="2026-11-01" title="1 November 2026">1 Nov</time>'
        )
    assert kq.ago(None) == ""
