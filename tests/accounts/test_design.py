"""The page of the design system: it shows every component, and its colours can be read."""

from pathlib import Path

import pytest
from django.db import connection
from django.template import Context, Template, TemplateSyntaxError
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils.translation import override

from accounts.templatetags.components import Cell, Column
from accounts.views.design import contrast, token_pairs
from tests.factories import make_operator, make_user

COMPONENTS = Path("templates/components")


def draw(text, **context):
    context.setdefault("request", RequestFactory().get("/list/", {"kind": "a", "page": "3"}))
    return Template("{% load kq %}" + text).render(Context(context))


@pytest.mark.django_db
@pytest.mark.parametrize(("language", "title"), [("en", "Design system"), ("zh-hans", "设计系统")])
def test_the_page_shows_every_component_in_both_languages(client, language, title):
    client.force_login(make_operator(language=language))
    answer = client.get(reverse("design"), headers={"accept-language": language})
    drawn = {used.name for used in answer.templates}
    missing = {f"components/{path.name}" for path in COMPONENTS.glob("*.html")} - drawn
    assert not missing
    assert f"<h1>{title}</h1>" in answer.text


@pytest.mark.django_db
def test_the_page_is_for_operators_and_for_all_only_while_the_site_is_worked_on(client, settings):
    assert client.get(reverse("design")).status_code == 302
    client.force_login(make_user())
    assert client.get(reverse("design")).status_code == 403
    client.logout()
    settings.DEBUG = True
    assert client.get(reverse("design")).status_code == 200


@pytest.mark.django_db
def test_the_page_reads_nothing_of_its_own_from_the_database(client):
    client.force_login(make_operator())
    client.get(reverse("design"))
    with CaptureQueriesContext(connection) as other:
        client.get(reverse("help_accessibility"))
    with CaptureQueriesContext(connection) as own:
        client.get(reverse("design"))
    # Session, user, and what the header counts.
    assert len(own) <= len(other)


def test_every_component_says_what_it_reads():
    for path in COMPONENTS.glob("*.html"):
        first = path.read_text("utf8").split("\n", 1)[0]
        assert first.startswith("{#") and "Reads " in first, path.name


@pytest.mark.parametrize("pair", token_pairs(), ids=lambda pair: f"{pair.ink} on {pair.ground}")
def test_colours_that_stand_on_each_other_can_be_told_apart(pair):
    assert pair.contrast >= pair.least


def test_contrast_is_computed_as_wcag_says():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.005)
    assert contrast("#ffffff", "#12598c") == pytest.approx(7.41, abs=0.01)


# --- Components ---------------------------------------------------------------------------------


def test_what_people_wrote_is_escaped_in_every_component():
    bad = "<b>&x"
    for text in (
        "{% chip 'x' 'met' bad %}",
        "{% party bad %}",
        "{% note %}{{ bad }}{% endnote %}",
        "{% nothing bad bad '#' %}",
        "{% figure bad 3 4 '#' bad %}",
        "{% meter 1 2 bad %}",
        "{% tabs bad %}{% tab '#' bad %}{% endtabs %}",
        "{% pagehead bad lead=bad %}{{ bad }}{% acts %}{{ bad }}{% endpagehead %}",
        "{% filterbar '/' %}{% filter_input 'w' bad bad %}{% endfilterbar %}",
        "{% filterbar '/' %}{% filter_select 'w' bad options 'a' bad %}{% endfilterbar %}",
        "{% table columns rows bad %}",
    ):
        drawn = draw(text, bad=bad, options=[("a", bad)], columns=[bad], rows=[[bad]])
        assert "&lt;b&gt;&amp;x" in drawn, text
        assert bad not in drawn, text


def test_a_share_stands_with_both_its_counts():
    with override("en"):
        drawn = draw("{% figure 'In time' 203 214 '/rows/' %}")
        assert "95%" in drawn and "203 / 214" in drawn and 'href="/rows/"' in drawn
        # The share of nothing is no number.
        drawn = draw("{% figure 'In time' 0 0 '/rows/' %}")
        assert "%" not in drawn and "0 / 0" in drawn
        drawn = draw("{% figure 'Late' 0 late=True %}")
        assert "late" not in drawn  # nothing is late


def test_a_page_head_leaves_out_what_is_empty():
    assert draw("{% pagehead 'A' %} {% acts %} {% endpagehead %}").count("<div") == 2
    full = draw("{% pagehead 'A' lead='B' count=0 %}C{% acts %}D{% endpagehead %}")
    assert ">0</span></h1>" in full and "kq-meta" in full and "kq-acts" in full
    assert "kq-acts" not in draw("{% pagehead 'A' %}C{% endpagehead %}")
    for wrong in (
        "{% pagehead %}{% endpagehead %}",
        "{% pagehead 'A' leed='B' %}{% endpagehead %}",
    ):
        with pytest.raises(TemplateSyntaxError):
            draw(wrong)


def test_one_tab_is_the_present_one():
    links = "{% for key in keys %}{% tab '#' key 0 key=key here=here %}{% endfor %}"
    drawn = draw("{% tabs 'State' %}" + links + "{% endtabs %}", keys=["", "late"], here="late")
    assert drawn.count("aria-current") == 1 and 'aria-current="page">late' in drawn
    assert 'aria-label="State"' in drawn
    assert 'aria-current="page"' in draw("{% tab '#' 'All' current=True %}")


def test_a_filter_that_is_set_can_be_taken_out_alone():
    bar = (
        "{% filterbar '/list/' %}{% filter_select 'kind' 'Kind' kinds chosen 'Any' %}"
        "{% filter_select 'sort' 'Order' kinds 'b' %}{% filter_input 'words' 'Words' words %}"
        "{% endfilterbar %}"
    )
    kinds = [("a", "Apples"), ("b", "Pears")]
    with override("en"):
        drawn = draw(bar, kinds=kinds, chosen="a", words="")
        assert "Kind · Apples" in drawn
        # An order is always chosen, and is no filter; taking one out goes to the first page.
        assert "Order ·" not in drawn and 'href="?"' in drawn
        assert 'href="/list/"' in drawn and '<option value="a" selected>' in drawn
        assert "kq-chips" not in draw(bar, kinds=kinds, chosen="", words="")
        # A value that is not among them is shown as none.
        assert "kq-chips" not in draw(bar, kinds=kinds, chosen="c", words=None)


def test_cells_of_a_table_name_their_column_on_a_phone():
    drawn = draw(
        "{% table columns rows 'All' %}",
        columns=[Column("Step"), Column("Late", number=True)],
        rows=[["Review", Cell(6, url="/late/", late=True)], ["Check", 0]],
    )
    assert '<th scope="row">Review</th>' in drawn
    assert '<td class="kq-num" data-l="Late"><a class="kq-late" href="/late/">6</a></td>' in drawn
    assert "<span>0</span>" in drawn
