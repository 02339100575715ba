"""The finder of mixed pages finds them, and nothing else."""

import pytest

from tests.page_languages import strays, strays_in_text


def found(page, language):
    return [str(one) for one in strays(page, language)]


@pytest.mark.parametrize(
    ("page", "place"),
    [
        ("<p>Status: 草稿</p>", "p: Status: 草稿"),
        ("<title>需求 · KeQiao</title>", "title: 需求 · KeQiao"),
        ('<button aria-label="关闭">×</button>', "aria-label of button: 关闭"),
        ('<input placeholder="搜索">', "placeholder of input: 搜索"),
        ('<img alt="标志">', "alt of img: 标志"),
        ('<select><option value="1">机械</option></select>', "option: 机械"),
        ('<select><optgroup label="制造业"></optgroup></select>', "label of optgroup: 制造业"),
        ('<meta name="description" content="清单">', "content of description of meta: 清单"),
        ('<meta property="og:title" content="清单">', "content of og:title of meta: 清单"),
        ('<td data-l="名称">3</td>', "data-l of td: 名称"),
        ('<input type="submit" value="提交">', "value of input: 提交"),
        ("<p>Paid，in full</p>", "p: Paid，in full"),
        ('<p><span lang="zh-Hans">草稿</span> 已保存</p>', "p: 已保存"),
        ('<div lang="zh-Hans"><p lang="en">This is 草稿</p></div>', "p: This is 草稿"),
        ('<br><p lang="zh">好</p><b>坏</b>', "b: 坏"),
    ],
)
def test_chinese_on_an_english_page_is_found(page, place):
    assert found(page, "en") == [place]


@pytest.mark.parametrize(
    "page",
    [
        '<p>Status: <span lang="zh-Hans">草稿</span></p>',
        '<title lang="zh-Hans">轴承 · KeQiao</title>',
        '<h1 lang="zh-Hans" title="轴承">轴承 <b>套圈</b></h1>',
        '<button lang="zh-hans">简体中文</button>',
        "<script>const a = '轴承'</script><textarea>轴承</textarea>",
        '<input name="q" value="轴承"><a href="/demands/?q=轴承">Again</a>',
        "<p>3.5 µm – 20 ℃ “quoted”…</p>",
    ],
)
def test_what_says_its_language_is_left_alone(page):
    assert found(page, "en") == []


@pytest.mark.parametrize(
    ("page", "text"),
    [
        ("<p>Skip to content</p>", "p: Skip to content"),
        ("<p>请先 Skip to content</p>", "p: Skip to content"),
        ("<b>Draft</b>", "b: Draft"),
        ('<a aria-label="Skip to content">×</a>', "aria-label of a: Skip to content"),
        ("<p>Nobody wrote of this anywhere</p>", "p: Nobody wrote of this anywhere"),
        ('<div lang="en"><p lang="zh-Hans">Sign out</p></div>', "p: Sign out"),
    ],
)
def test_english_on_a_chinese_page_is_found(page, text):
    assert found(page, "zh-hans") == [text]


@pytest.mark.parametrize(
    "page",
    [
        "<p>用 GCr15 做的 SUS304 套圈，Ra ≤ 0.8 µm</p>",
        "<p>科桥 KeQiao</p>",
        "<b>答复</b>: <i>, </i>",
        '<p lang="en">Skip to content</p>',
        '<button lang="en">English</button>',
        "<pre>curl -H Accept this is code</pre><code>not found</code>",
        "<p>manager1@demo.keqiao.example https://keqiao.example/this-is-a/path/</p>",
    ],
)
def test_names_units_and_what_says_its_language_stay(page):
    assert found(page, "zh-hans") == []


def test_a_page_that_claims_the_other_language_is_found():
    assert found('<html lang="zh-hans"><p>Hello</p></html>', "en") == ["lang of html: zh-hans"]
    assert found('<html lang="en"><p lang="en">好</p></html>', "en") == ["p: 好"]


def test_a_letter_is_read_line_by_line_without_the_names_in_it():
    text = "恒轴精密轴承有限公司 asks you.\n请回复。"
    assert [one.text for one in strays_in_text(text, "en", ["恒轴精密轴承有限公司"])] == [
        "请回复。"
    ]
    assert strays_in_text("好。", "zh-hans") == []
    assert [one.text for one in strays_in_text("好。\nSign out", "zh-hans")] == ["Sign out"]
