"""What every template of KeQiao shares: icons, status chips, money, dates, clocks, form fields."""

from __future__ import annotations

import datetime as dt
import re
from decimal import ROUND_HALF_UP, Decimal
from html import unescape
from typing import Any

from django import forms, template
from django.core.paginator import Page
from django.forms.boundfield import BoundField
from django.template.context import Context
from django.template.engine import Engine
from django.templatetags.static import static
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import escape, format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.classes import class_name as name_of_class
from accounts.clocks import answer_due as due_of
from accounts.languages import in_english as _english
from accounts.languages import language_of, page_language
from accounts.languages import parts as language_parts
from accounts.models import ManagerProfile, Organization
from accounts.regions import region_name
from accounts.unsent import BACK, WRITER, fill, writer_token
from accounts.workdays import working_days_left

register = template.Library()

# Icon and tone of every status, whichever app it belongs to. The word is the status' own label.
STATUS_LOOK: dict[str, tuple[str, str]] = {
    # listings
    "draft": ("pencil", "unk"),
    "submitted": ("clock", "now"),
    "needs_info": ("alert-circle", "part"),
    "rejected": ("circle-x", "unmet"),
    "published": ("circle-check", "met"),
    "expired": ("clock-off", "part"),
    "fulfilled": ("circle-check", "met"),
    "transferred": ("circle-check", "met"),
    "closed": ("circle-minus", "unk"),
    "suspended": ("player-pause", "unmet"),
    "withdrawn": ("circle-minus", "unk"),
    # matches and reviews
    "suggested": ("sparkles", "unk"),
    "in_review": ("clock", "now"),
    "approved": ("circle-check", "met"),
    "introduced": ("users", "met"),
    "declined": ("circle-x", "unmet"),
    "lapsed": ("clock-off", "unk"),
    "superseded": ("refresh", "unk"),
    "assigned": ("clock", "now"),
    "accepted": ("user-check", "now"),
    "referred": ("arrow-forward", "unk"),
    "no_response": ("clock-off", "part"),
    "cancelled": ("circle-minus", "unk"),
    "reopened": ("refresh", "part"),
    "void": ("ban", "unmet"),
    # organizations and managers
    "pending": ("clock", "part"),
    "verified": ("circle-check", "met"),
    "certified": ("certificate", "met"),
}


@register.simple_tag
def icon(name: str, extra: str = "") -> SafeString:
    """Draw an icon of the sprite; the word beside it carries the meaning."""
    return format_html(
        '<svg class="kq-i{}" aria-hidden="true"><use href="{}#{}"/></svg>',
        f" {extra}" if extra else "",
        static("vendor/icons.svg"),
        name,
    )


def component(part: str, /, **values: Any) -> SafeString:
    """Draw a component of templates/components/ without the line ends around it."""
    # A page draws hundreds: the engine's template itself, without the backend around it.
    drawn = Engine.get_default().get_template(f"components/{part}.html")
    return mark_safe(drawn.render(Context(values)).strip())


@register.simple_tag
def chip(icon_name: str, tone: str, label: str) -> SafeString:
    """Show a status: icon, word, colour, in that order of trust."""
    return component("chip", icon_name=icon_name, tone=tone, label=label)


@register.simple_tag
def status_chip(thing: Any) -> SafeString:
    """Show the status of a listing, a match, a review, an organization or a manager."""
    icon_name, tone = STATUS_LOOK[str(thing.status)]
    return chip(icon_name, tone, thing.get_status_display())


@register.simple_tag
def verified(organization: Organization) -> SafeString | str:
    """Show that an organization has been verified, and when: also where its name is hidden."""
    if not organization.is_verified:
        return ""
    words = (
        _("Verified on %(day)s") % {"day": day(organization.verified_at)}
        if organization.verified_at
        else organization.get_status_display()
    )
    return format_html('<span class="kq-verified">{}{}</span>', icon("shield-check"), words)


# --- Money --------------------------------------------------------------------------------------


def _short(number: Decimal) -> str:
    """Write at most two decimals, and none that are zero."""
    rounded = number.quantize(Decimal("0.01"), ROUND_HALF_UP).normalize()
    places = max(0, -int(rounded.as_tuple().exponent))
    return f"{rounded:,.{places}f}"


def _amount(yuan: int) -> str:
    """Return the figure with its unit; a space that does not break stands between them."""
    if _english():
        if abs(yuan) >= 1_000_000:
            return f"CNY\u00a0{_short(Decimal(yuan) / 1_000_000)}\u00a0million"
        return f"CNY\u00a0{_short(Decimal(yuan))}"
    if abs(yuan) >= 100_000_000:
        return _("%(figure)s hundred million yuan") % {"figure": _short(Decimal(yuan) / 10**8)}
    return _("%(figure)s ten thousand yuan") % {"figure": _short(Decimal(yuan) / 10_000)}


@register.filter
def wan(yuan: int | None) -> str:
    """Show whole yuan as people say them: “380 万元”, “CNY 3.8 million”. Nothing for None."""
    return "" if yuan is None else _amount(int(yuan))


@register.filter
def wan_range(low: int | None, high: int | None) -> str:
    """Show a budget or a price from `low` to `high`, either of which may be open."""
    if low is None and high is None:
        return _("negotiable")
    if low is None or (low == 0 and high):
        return f"≤\u00a0{_amount(int(high or 0))}"
    if high is None:
        return f"≥\u00a0{_amount(int(low))}"
    if low == high:
        return _amount(int(low))
    return f"{_amount(int(low))}\u2013{_amount(int(high))}"


# --- Numbers ------------------------------------------------------------------------------------


@register.filter
def number(count: object) -> str:
    """Show a count in groups of three digits, as both languages write it: “12,480”."""
    return f"{count:,}" if isinstance(count, int) else str(count)


# --- Dates and clocks ---------------------------------------------------------------------------


@register.filter
def day(value: dt.date | dt.datetime | None) -> str:
    """Show a date: “11 月 18 日”, “18 Nov”; with its year when that is not this year."""
    if value is None:
        return ""
    if isinstance(value, dt.datetime):
        value = timezone.localtime(value).date() if timezone.is_aware(value) else value.date()
    if _english():
        return date_format(value, "j M" if value.year == timezone.localdate().year else "j M Y")
    short = _("%(month)d month %(day)d day") % {"month": value.month, "day": value.day}
    if value.year == timezone.localdate().year:
        return short
    return _("%(year)d year %(date)s") % {"year": value.year, "date": short}


@register.filter
def moment(value: dt.datetime | None) -> str:
    """Show a date with the time of day: “11 月 18 日 14:05”."""
    if value is None:
        return ""
    return f"{day(value)}\u00a0{timezone.localtime(value):%H:%M}"


# Seconds. From a week on the date says more than a count of days.
_MINUTE, _HOUR, _DAY, _WEEK = 60, 3600, 24 * 3600, 7 * 24 * 3600


@register.filter
def ago(value: dt.date | dt.datetime | None) -> SafeString | str:
    """Show how long ago something was, or how soon it is, with the exact time on hover.

    “3 小时前”, “in 2 days”; the date alone for what is a week or more away. A date without a time
    of day is counted in days.
    """
    if value is None:
        return ""
    full = exact(value)
    if not isinstance(value, dt.datetime):
        return _time(value.isoformat(), full, _in_days((value - timezone.localdate()).days, value))
    seconds = int((value - timezone.now()).total_seconds())
    return _time(timezone.localtime(value).isoformat("T", "seconds"), full, _near(seconds, value))


def _time(stamp: str, full: str, words: str) -> SafeString:
    return format_html('<time datetime="{}" title="{}">{}</time>', stamp, full, words)


@register.filter
def exact(value: dt.date | dt.datetime) -> str:
    """Write a date with its year, and with the time of day if it has one."""
    on = timezone.localtime(value) if isinstance(value, dt.datetime) else value
    words = (
        date_format(on, "j F Y")
        if _english()
        else _("%(year)d year %(date)s")
        % {
            "year": on.year,
            "date": _("%(month)d month %(day)d day") % {"month": on.month, "day": on.day},
        }
    )
    return f"{words}\u00a0{on:%H:%M}" if isinstance(on, dt.datetime) else words


def _near(seconds: int, value: dt.datetime) -> str:
    """Say in words how far a moment is away: minus for the past."""
    away = abs(seconds)
    if away < _MINUTE:
        return _("just now")
    if away >= _WEEK:
        return day(value)
    if away >= _DAY:
        return _in_days(away // _DAY * (1 if seconds > 0 else -1), value)
    if away >= _HOUR:
        count = away // _HOUR
        words = (
            ngettext("%(count)d hour ago", "%(count)d hours ago", count)
            if seconds < 0
            else ngettext("in %(count)d hour", "in %(count)d hours", count)
        )
        return words % {"count": count}
    count = away // _MINUTE
    words = (
        ngettext("%(count)d minute ago", "%(count)d minutes ago", count)
        if seconds < 0
        else ngettext("in %(count)d minute", "in %(count)d minutes", count)
    )
    return words % {"count": count}


def _in_days(days: int, value: dt.date | dt.datetime) -> str:
    if abs(days) >= 7:
        return day(value)
    if days == 0:
        return _("today")
    count = abs(days)
    words = (
        ngettext("%(count)d day ago", "%(count)d days ago", count)
        if days < 0
        else ngettext("in %(count)d day", "in %(count)d days", count)
    )
    return words % {"count": count}


@register.simple_tag
def clock(
    due_on: dt.date | None, paused_on: dt.date | None = None, days_left: int | None = None
) -> SafeString | str:
    """Show a deadline with the working days left: “还剩 3 个工作日（11 月 25 日前）”.

    One that stands still since `paused_on` shows since when, and the working days that are left
    when it goes on.
    """
    if paused_on:  # a template says "" where there is no review
        return _paused(paused_on, max(days_left or 0, 1))
    if due_on is None:
        return ""
    today = timezone.localdate()
    left = working_days_left(due_on, today)
    if due_on < today:
        # Overdue since a weekend: no working day is lost yet, but the date has passed.
        late = max(-left, 1)
        words = ngettext(
            "%(count)d working day late (was due %(date)s)",
            "%(count)d working days late (was due %(date)s)",
            late,
        ) % {"count": late, "date": day(due_on)}
        return component("clock", state="late", words=words)
    if due_on == today or left == 0:
        # A day ends at midnight, and with it what was promised for it.
        words = _("Due today by 24:00 (%(date)s)") % {"date": day(due_on)}
        return component("clock", state="today", words=words)
    words = ngettext(
        "%(count)d working day left (by %(date)s)",
        "%(count)d working days left (by %(date)s)",
        left,
    ) % {"count": left, "date": day(due_on)}
    return component("clock", state="left", words=words)


def _paused(since: dt.date, left: int) -> SafeString:
    words = ngettext(
        "Paused since %(date)s, %(count)d working day left",
        "Paused since %(date)s, %(count)d working days left",
        left,
    ) % {"count": left, "date": day(since)}
    return component("clock", state="paused", words=words)


@register.filter
def answer_due(thing: Organization | ManagerProfile) -> dt.date:
    """Return the last day on which an operator has promised to answer."""
    return due_of(thing)


# --- Codes --------------------------------------------------------------------------------------


@register.filter
def region(code: str) -> str:
    """Show a region's code as a place."""
    return region_name(code)


@register.filter
def class_name(code: str) -> str:
    """Show the code of an industry as its name."""
    return name_of_class(code)


# --- Text ---------------------------------------------------------------------------------------


@register.filter
def said(value: object) -> SafeString:
    """Show what a person wrote, or a sentence that names it, with the language of its parts.

    Whatever is in the page's own language stands as it is; the rest is put into a
    `<span lang="…">`. Everything is escaped. What is HTML already is left alone.
    """
    if value is None:
        return SafeString("")
    if isinstance(value, SafeString):
        return value
    return SafeString(
        "".join(
            format_html('<span lang="{}">{}</span>', language, piece) if language else escape(piece)
            for piece, language in language_parts(str(value))
        )
    )


@register.simple_tag
def lang_of(text: object) -> SafeString:
    """Return ` lang="…"` for an element that holds what a person wrote, "" where the page has it.

    `<h1{% lang_of listing.title %}>{{ listing.title }}</h1>`.
    """
    language = language_of(str(text)) if text else ""
    if not language or language == page_language():
        return SafeString("")
    return format_html(' lang="{}"', language)


_BEFORE_FIGURE = re.compile(r"(?<=[≤≥<>=±~～]) (?=[\d+-])")
_AFTER_FIGURE = re.compile(r"(?<=\d) (?=[A-Za-zμµΩ℃°%‰个件台万元年月日天])")


@register.filter
def nbsp(text: object) -> str:
    """Keep operator, number and unit on one line."""
    return _AFTER_FIGURE.sub("\u00a0", _BEFORE_FIGURE.sub("\u00a0", str(text)))


class _Title(template.Node):
    def __init__(self, nodelist: template.NodeList) -> None:
        self.nodelist = nodelist

    def render(self, context: Context) -> SafeString:
        text = " ".join(self.nodelist.render(context).split())
        # What the page is about stands first; the site's own name follows in the page's language.
        subject = unescape(text).partition(" · ")[0]
        return format_html("<title{}>{}</title>", lang_of(subject), mark_safe(text))


@register.tag
def page_title(parser: template.base.Parser, token: template.base.Token) -> _Title:
    """Write the page's `<title>`, with its language where it names what a person wrote.

    A title holds no elements, so that one language has to stand for all of it.
    """
    nodelist = parser.parse(("endpage_title",))
    parser.delete_first_token()
    return _Title(nodelist)


@register.filter
def paragraphs(text: object) -> SafeString:
    """Show a plain text: a paragraph for each block, its line ends kept, everything escaped.

    A paragraph in another language than the page's says so.
    """
    blocks = [block.strip("\n") for block in re.split(r"\n\s*\n", str(text).replace("\r\n", "\n"))]
    return SafeString("\n".join(_paragraph(block) for block in blocks if block.strip()))


def _paragraph(block: str) -> SafeString:
    (piece, language), *more = language_parts(block)
    if language and not more:
        lines = mark_safe("<br>".join(map(escape, piece.split("\n"))))
        return format_html('<p lang="{}">{}</p>', language, lines)
    return format_html("<p>{}</p>", mark_safe("<br>".join(map(said, block.split("\n")))))


# --- Addresses and pages --------------------------------------------------------------------------


@register.simple_tag(takes_context=True)
def query_string(context: Context, **changes: Any) -> str:
    """Return the present query with some parameters changed; None or "" takes one out."""
    query = context["request"].GET.copy()
    for key, value in changes.items():
        if value in (None, ""):
            query.pop(key, None)
        elif isinstance(value, (list, tuple)):
            query.setlist(key, [str(item) for item in value])
        else:
            query[key] = str(value)
    return f"?{query.urlencode()}" if query else "?"


@register.inclusion_tag("components/pagination.html", takes_context=True)
def page_links(context: Context, page: Page[Any]) -> dict[str, Any]:
    """Link the pages by number, keeping every other parameter of the address."""
    numbers = page.paginator.get_elided_page_range(page.number, on_each_side=2, on_ends=1)
    return {
        "page": page,
        "pages": [
            {"number": number, "query": query_string(context, page=number)}
            if isinstance(number, int)
            else {"number": None}
            for number in numbers
        ],
        "previous": query_string(context, page=page.number - 1) if page.has_previous() else "",
        "next": query_string(context, page=page.number + 1) if page.has_next() else "",
    }


# --- Forms ----------------------------------------------------------------------------------------


def _field_kind(widget: forms.Widget) -> str:
    if isinstance(widget, forms.CheckboxInput):
        return "check"
    if isinstance(widget, forms.RadioSelect | forms.CheckboxSelectMultiple):
        return "choices"
    return "input"


@register.inclusion_tag("_field.html", name="field")
def form_field(bound: BoundField, suffix: str = "") -> dict[str, Any]:
    """Show one field: label, hint below it, error, then the control.

    Django itself ties hint and error to the control (`aria-describedby`, `aria-invalid`).
    """
    widget = bound.field.widget
    kind = _field_kind(widget)
    attrs: dict[str, Any] = {}
    if kind == "input":
        css = "form-select" if isinstance(widget, forms.Select) else "form-control"
        own = widget.attrs.get("class", "")
        attrs["class"] = f"{own} {css}".strip() + (" is-invalid" if bound.errors else "")
        if type(bound.field).__module__.startswith("allauth."):
            attrs["placeholder"] = False  # there it only repeats the label
    return {
        "field": bound,
        "kind": kind,
        "control": bound.as_widget(attrs=attrs) if kind != "choices" else "",
        "optional": not bound.field.required and kind == "input",
        "suffix": suffix,
    }


@register.inclusion_tag("_fields.html")
def form_fields(form: forms.BaseForm) -> dict[str, Any]:
    """Show every field of a form, the hidden ones first."""
    return {"form": form}


@register.simple_tag(takes_context=True)
def writer(context: Context, *given: forms.BaseForm | None) -> SafeString:
    """Have a form outlive its session: stands beside `{% csrf_token %}`, before the fields.

    Says in hidden fields whose it is; fills the given forms with what was kept of them.
    """
    request = context["request"]
    if not request.user.is_authenticated:
        return SafeString("")
    marks = format_html(
        '<input type="hidden" name="{}" value="{}">',
        WRITER,
        writer_token(request.user, request.path),
    )
    typed = getattr(request, "typed", None)
    if typed is None and BACK not in request.POST:
        return marks
    for form in given:
        if form is not None and typed is not None:
            fill(form, typed)
    return marks + format_html('<input type="hidden" name="{}" value="1">', BACK)


@register.inclusion_tag("components/error_summary.html")
def error_summary(*given: forms.BaseForm | None) -> dict[str, Any]:
    """List what has to be changed, each a link to its field. Shows nothing when all is well."""
    items: list[dict[str, str]] = []
    for form in given:
        if form is None or not form.is_bound:
            continue
        items += [
            {"target": "", "label": "", "text": str(text)} for text in form.non_field_errors()
        ]
        for bound in form:
            items += [
                {
                    "target": bound.id_for_label or bound.auto_id,
                    "label": str(bound.label),
                    "text": str(text),
                }
                for text in bound.errors
            ]
    return {"items": items}
