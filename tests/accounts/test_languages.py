"""What people wrote stands on pages of both languages, and says which one it is in."""

import pytest
from django.template import Context, Template
from django.utils import translation

from accounts.languages import language_of


def shown(source, **values):
    return Template("{% load kq %}" + source).render(Context(values))


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("轴承套圈淬火变形", "zh-Hans"),
        ("GCr15 bearing rings, 轴承", "zh-Hans"),
        ("Distortion of bearing rings", "en"),
        ("KeQiao", ""),
        ("D-2026-0001", ""),
        ("≥ 60 HRC", ""),
        ("", ""),
    ],
)
def test_a_text_is_told_by_its_script(text, language):
    assert language_of(text) == language


@pytest.mark.parametrize(
    ("page", "text", "html"),
    [
        ("en", "轴承套圈", '<span lang="zh-Hans">轴承套圈</span>'),
        ("zh-hans", "轴承套圈", "轴承套圈"),
        ("zh-hans", "Bearing rings", '<span lang="en">Bearing rings</span>'),
        ("en", "Bearing rings", "Bearing rings"),
        ("zh-hans", "用 GCr15 steel 做的套圈", "用 GCr15 steel 做的套圈"),
        (
            "en",
            "You asked 恒轴精密轴承有限公司 and 云州理工大学 about it.",
            'You asked <span lang="zh-Hans">恒轴精密轴承有限公司</span> and '
            '<span lang="zh-Hans">云州理工大学</span> about it.',
        ),
        ("en", "淬硬层深度 2.5 mm", '<span lang="zh-Hans">淬硬层深度</span> 2.5 mm'),
        ("en", "D-2026-0001", "D-2026-0001"),
        (
            "zh-hans",
            "“Burner for melting furnaces”有 2 项匹配",
            '“<span lang="en">Burner for melting furnaces</span>”有 2 项匹配',
        ),
    ],
)
def test_what_is_said_in_another_language_is_marked(page, text, html):
    with translation.override(page):
        assert shown("{{ text|said }}", text=text) == html


def test_marking_escapes_and_leaves_html_alone():
    with translation.override("en"):
        assert shown("{{ text|said }}", text="<b>轴承</b>") == (
            '<span lang="zh-Hans">&lt;b&gt;轴承&lt;/b&gt;</span>'
        )
        assert shown("{{ text|said|said }}", text="a <轴承> of ours in there") == shown(
            "{{ text|said }}", text="a <轴承> of ours in there"
        )
        assert shown("{{ text|said }}", text=None) == ""


def test_an_element_says_its_language_only_where_the_page_has_another():
    tag = "<h1{% lang_of text %}>"
    with translation.override("en"):
        assert shown(tag, text="轴承") == '<h1 lang="zh-Hans">'
        assert shown(tag, text="Bearing rings") == "<h1>"
        assert shown(tag, text=None) == "<h1>"
    with translation.override("zh-hans"):
        assert shown(tag, text="轴承") == "<h1>"
        assert shown(tag, text="Bearing rings") == '<h1 lang="en">'


def test_each_paragraph_says_its_own_language():
    text = "现状：套圈变形。\n\nWe tried <salt> baths.\nAnd 油."
    with translation.override("en"):
        assert shown("{{ text|paragraphs }}", text=text) == (
            '<p lang="zh-Hans">现状：套圈变形。</p>\n'
            '<p>We tried &lt;salt&gt; baths.<br>And <span lang="zh-Hans">油</span>.</p>'
        )
    with translation.override("zh-hans"):
        assert shown("{{ text|paragraphs }}", text="Salt baths did not help.") == (
            '<p lang="en">Salt baths did not help.</p>'
        )


@pytest.mark.parametrize("language", ["zh-hans", "en"])
def test_counts_stand_in_groups_of_three_digits(language):
    with translation.override(language):
        assert shown("{{ n|number }}", n=1_234_567) == "1,234,567"
        assert shown("{{ n|number }}", n="1,000+") == "1,000+"


def test_a_title_says_the_language_of_what_it_names():
    source = "{% page_title %}{{ text }} · KeQiao{% endpage_title %}"
    with translation.override("en"):
        assert shown(source, text="轴承 & <套圈>") == (
            '<title lang="zh-Hans">轴承 &amp; &lt;套圈&gt; · KeQiao</title>'
        )
        assert shown(source, text="Demands") == "<title>Demands · KeQiao</title>"
    with translation.override("zh-hans"):
        assert shown(source, text="轴承") == "<title>轴承 · KeQiao</title>"
        assert shown(source, text="Low-NOx burner · 需求").startswith('<title lang="en">')
