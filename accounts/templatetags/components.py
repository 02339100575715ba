"""The components of the design system that work something out, or that wrap what a page gives them.

Their markup is in templates/components/, where each file says which values it reads; `/design/`
shows them all. The library is built in (settings.TEMPLATES), so that no page has to load it. What
needs no work is included: `{% include "components/timeline.html" with steps=... %}`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django import template
from django.template.base import FilterExpression, Node, NodeList, Parser, Token, token_kwargs
from django.template.context import Context
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

from accounts.templatetags.kq import component, number, query_string

register = template.Library()

# Icon of each kind of note; the kind is its tone as well.
NOTES = {
    "info": "info-circle",
    "good": "circle-check",
    "warn": "alert-triangle",
    "bad": "alert-circle",
}


# --- Status -------------------------------------------------------------------------------------


@register.simple_tag
def verdict(value: Any, count: int | None = None, plain: bool = False) -> SafeString:
    """Show what a comparison came to: `value` has a label, an icon and a tone (`css`)."""
    label = value.label if count is None else format_html("{} {}", value.label, count)
    return component("chip", icon_name=value.icon, tone=value.css, label=label, plain=plain)


@register.simple_tag
def weight(hard: bool | None) -> SafeString:
    """Say whether a requirement is a must or a nice-to-have; a dash where it is neither."""
    return component("weight", hard=hard)


@register.simple_tag
def party(who: str, named: bool = False, owner: Any = None, icon_name: str = "") -> SafeString:
    """Show a side by its name or by its blind line, and that it has been verified.

    `owner` is the organization, of which nothing but its verification is shown.
    """
    return component(
        "party",
        who=who,
        named=named,
        owner=owner,
        icon_name=icon_name or ("building" if named else "eye-off"),
    )


# --- What a page says ---------------------------------------------------------------------------


@register.simple_block_tag
def note(
    content: str, kind: str = "info", icon_name: str = "", role: str = "", css: str = "kq-mb"
) -> SafeString:
    """Wrap a sentence or two that the reader should not miss: info, good, warn or bad."""
    return component(
        "note",
        content=mark_safe(content.strip()),
        kind=kind,
        icon_name=icon_name or NOTES[kind],
        role=role,
        css=css,
    )


@register.simple_tag
def nothing(text: str, label: str = "", url: str = "", primary: bool = False) -> SafeString:
    """Say why a list is empty, and offer the one thing that can be done about it."""
    return component("empty", text=text, label=label, url=url, primary=primary)


@register.simple_tag
def figure(
    label: str,
    n: int | str,
    of: int | None = None,
    url: str = "",
    note: str = "",
    late: bool = False,
) -> SafeString:
    """Show a number with what it is a part of, linked to the rows behind it.

    With `of` the share comes first, and the two counts it was computed from beside it: a share
    without them says nothing. The share of nothing is no number. Stands in `<dl class="kq-kpis">`.
    """
    shown = number(n) if of is None else f"{round(100 * int(n) / of)}%" if of else "—"
    return component(
        "figure", label=label, shown=shown, n=n, of=of, url=url, note=note, late=late and bool(n)
    )


@register.simple_tag
def meter(value: float, most: float, label: str, css: str = "") -> SafeString:
    """Draw how much of `most` there is; the number itself belongs beside it as text."""
    return component("meter", value=value, most=most or 1, label=label, css=css)


# --- Tabs ---------------------------------------------------------------------------------------


@register.simple_block_tag
def tabs(content: str, label: str) -> SafeString:
    """Wrap links (`{% tab %}`) to other views of the same list; `label` is read out before them."""
    return component("tabs", content=mark_safe(content.strip()), label=label)


@register.simple_tag
def tab(
    url: str, label: str, count: int | None = None, current: bool = False, **pair: Any
) -> SafeString:
    """Link one view. It is the present one if `current`, or if `key` and `here` are the same."""
    current = current or (bool(pair) and pair["key"] == pair["here"])
    return component("tab", url=url, label=label, count=count, current=current)


# --- Page head ----------------------------------------------------------------------------------


class PageHead(Node):
    """The title of a page, what is to be known of it at once, and what can be done there."""

    child_nodelists = ("meta", "lead", "acts")

    def __init__(
        self,
        title: FilterExpression,
        extra: dict[str, FilterExpression],
        parts: dict[str, NodeList],
    ) -> None:
        self.title, self.extra = title, extra
        self.meta, self.lead, self.acts = (parts[name] for name in self.child_nodelists)

    def render(self, context: Context) -> SafeString:
        extra = {name: value.resolve(context) for name, value in self.extra.items()}
        lead = mark_safe(self.lead.render(context).strip())
        return component(
            "head",
            title=self.title.resolve(context),
            count=extra.get("count"),
            meta=mark_safe(self.meta.render(context).strip()),
            lead=lead or extra.get("lead"),
            actions=mark_safe(self.acts.render(context).strip()),
        )


@register.tag
def pagehead(parser: Parser, token: Token) -> PageHead:
    """Read `{% pagehead title %} meta {% lead %} text {% acts %} buttons {% endpagehead %}`.

    Each part may be empty or left out; a lead of words alone is `lead=`, one with a link in it is
    a part. A title that is put together comes from `{% blocktranslate asvar title %}`.
    """
    bits = token.split_contents()[1:]
    if not bits:
        raise template.TemplateSyntaxError("pagehead needs the title of the page")
    title = parser.compile_filter(bits.pop(0))
    extra = token_kwargs(bits, parser)
    if bits or not set(extra) <= {"lead", "count"}:
        raise template.TemplateSyntaxError("pagehead takes a title, lead= and count=")
    parts = {name: NodeList() for name in PageHead.child_nodelists}
    name = "meta"
    while name != "endpagehead":
        parts[name] = parser.parse(("lead", "acts", "endpagehead"))
        name = parser.next_token().contents
    return PageHead(title, extra, parts)


# --- Filters ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Applied:
    """A filter that is set: its words, and the query of the same page without it."""

    label: str
    query: str


class FilterBar(Node):
    """A form of filters that come out in the address, and the filters that are set as links."""

    child_nodelists = ("fields",)

    def __init__(self, clear: FilterExpression, fields: NodeList) -> None:
        self.clear, self.fields = clear, fields

    def render(self, context: Context) -> SafeString:
        applied: list[Applied] = []
        with context.push(_applied=applied):
            content = self.fields.render(context)
        return component(
            "filters",
            content=mark_safe(content.strip()),
            applied=applied,
            clear=self.clear.resolve(context),
        )


@register.tag
def filterbar(parser: Parser, token: Token) -> FilterBar:
    """Read `{% filterbar clear %} fields {% endfilterbar %}`.

    Fields are `{% filter_select %}` and `{% filter_input %}`; `clear` is the address without any.
    """
    bits = token.split_contents()[1:]
    if len(bits) != 1:
        raise template.TemplateSyntaxError("filterbar takes the address without any filter")
    fields = parser.parse(("endfilterbar",))
    parser.delete_first_token()
    return FilterBar(parser.compile_filter(bits[0]), fields)


def _note_applied(context: Context, name: str, label: str, words: str) -> None:
    applied = context.get("_applied")
    if words and applied is not None:
        query = query_string(context, **{name: None, "page": None})
        applied.append(Applied(format_html("{} · {}", label, words), query))


@register.simple_tag(takes_context=True)
def filter_select(
    context: Context,
    name: str,
    label: str,
    options: Iterable[Sequence[Any]],
    chosen: Any = "",
    anything: str = "",
) -> SafeString:
    """Show one filter to choose from: `options` are values with their words, or with a count too.

    `anything` are the words for no filter; without them one value is always chosen, and none of
    them counts as a filter that is set (the order of a list, the rows of a page).
    """
    chosen = "" if chosen is None else str(chosen)
    # What has no value cannot be filtered by: rows that name no region, among those by region.
    rows = [(str(value), words, *more) for value, words, *more in options if value or not anything]
    if anything:
        said = next((str(words) for value, words, *_more in rows if value == chosen), "")
        _note_applied(context, name, label, said)
    return component(
        "filter_select", name=name, label=label, options=rows, chosen=chosen, anything=anything
    )


@register.simple_tag(takes_context=True)
def filter_input(
    context: Context,
    name: str,
    label: str,
    value: Any = "",
    kind: str = "text",
    placeholder: str = "",
) -> SafeString:
    """Show one filter to type in: words, a number, or a day (`kind="date"`, `value` as ISO)."""
    value = "" if value is None else str(value)
    _note_applied(context, name, label, value)
    return component(
        "filter_input", name=name, label=label, value=value, kind=kind, placeholder=placeholder
    )


# --- Tables -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Column:
    """A column of a table of figures: its head, and whether it holds numbers."""

    label: str
    number: bool = False


@dataclass(frozen=True)
class Cell:
    """A cell: what it says, where it leads, and the tone of what is out of order."""

    text: Any
    url: str = ""
    late: bool = False


@register.simple_tag
def table(
    columns: Sequence[Column | str],
    rows: Sequence[Sequence[Cell | Any]],
    caption: str = "",
    shown: bool = False,
) -> SafeString:
    """Draw a table whose first column names its rows; on a phone each row is a card.

    The `caption` is read out and, if `shown`, seen. Cells may be plain values.
    """
    heads = [one if isinstance(one, Column) else Column(one) for one in columns]
    lines = [
        [
            (head, cell if isinstance(cell, Cell) else Cell(cell))
            for head, cell in zip(heads, row, strict=True)
        ]
        for row in rows
    ]
    return component("table", columns=heads, rows=lines, caption=caption, shown=shown)
