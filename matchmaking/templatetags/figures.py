"""How the dashboards write a figure: linked to its rows for operators, plain for visitors."""

from __future__ import annotations

from django import template
from django.template.context import Context
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from matchmaking.services.insights import Figure

register = template.Library()


@register.simple_tag(takes_context=True)
def rows_url(context: Context, key: str) -> str:
    """Return the address of the rows behind a number; "" where the reader may not see them."""
    if not key or not context.get("linked"):
        return ""
    return f"{reverse('insight_rows', args=[key])}?{context['scope'].query()}"


@register.simple_tag(takes_context=True)
def counted(context: Context, figure: Figure, instead: str = "< 5") -> SafeString:
    """Write a count, linked to its rows if it has any; where it is hidden, what stands for it."""
    text = instead if figure.hidden else str(figure.n)
    url = rows_url(context, figure.rows) if figure.n else ""
    return format_html('<a href="{}">{}</a>', url, text) if url else format_html("{}", text)


@register.filter
def percent(figure: Figure) -> str:
    """Write a share, which stands beside the two counts that it is made of; a dash of nothing."""
    share = None if figure.hidden else figure.share
    return "–" if share is None else f"{round(100 * share)}%"


@register.simple_tag(takes_context=True)
def csv_url(context: Context, table: str) -> str:
    """Return the address of a table as CSV; "" for those who get none."""
    if not context.get("linked"):
        return ""
    return f"{reverse('insight_table', args=[table])}?{context['scope'].query()}"
