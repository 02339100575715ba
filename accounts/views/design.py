"""The page that shows the design system: tokens, and every component in every state.

What it shows is invented here, in the language of the page; nothing is read from the database.
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from functools import lru_cache
from types import SimpleNamespace
from typing import Any

from django import forms
from django.apps import apps
from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import redirect_to_login
from django.contrib.staticfiles import finders
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.safestring import mark_safe
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe

from accounts.http import PageRequest
from accounts.languages import in_english
from accounts.models import Organization, OrganizationKind, OrganizationStatus
from accounts.templatetags.components import Cell, Column
from accounts.workdays import add_working_days, is_working_day

# --- Tokens -------------------------------------------------------------------------------------

SHEET = "kq/app.css"
# Ink, ground, the least contrast, what for. WCAG 2.2: 4.5 for text (1.4.3), 3 for what has to be
# seen of a control (1.4.11).
PAIRS = (
    *((ink, ground, 4.5) for ink in ("ink", "ink-2") for ground in ("card", "bg", "sunk")),
    *(("ink-3", ground, 4.5) for ground in ("card", "bg", "sunk", "hover")),
    *(("accent", ground, 4.5) for ground in ("card", "bg", "accent-t")),
    ("on", "accent", 4.5),
    ("on", "accent-d", 4.5),
    ("accent-d", "accent-t", 4.5),
    *(
        (tone, ground, 4.5)
        for tone in ("met", "part", "unmet", "unk")
        for ground in ("card", f"{tone}-t")
    ),
    ("on", "unmet", 4.5),
    ("ink", "mark", 4.5),
    ("ink", "hard", 4.5),
    *(("ink", f"lv{level}", 4.5) for level in (1, 2, 3)),
    *(("on", f"lv{level}", 4.5) for level in (4, 5)),
    ("field", "card", 3.0),
    ("accent", "sunk", 3.0),
)


@dataclass(frozen=True)
class Pair:
    """Two colours that stand on each other, with the contrast between them."""

    ink: str
    ground: str
    least: float
    contrast: float
    values: str


@lru_cache(maxsize=1)
def colours() -> dict[str, str]:
    """Return the colours of the style sheet by the names of their tokens, as `#rrggbb`."""
    path = finders.find(SHEET)
    with open(str(path), encoding="utf8") as file:
        tokens = file.read().split("}", 1)[0]
    found = dict(re.findall(r"--kq-([\w-]+): (#[0-9a-f]{3,6})\b", tokens))
    return {
        name: value if len(value) == 7 else "#" + "".join(2 * digit for digit in value[1:])
        for name, value in found.items()
    }


def luminance(colour: str) -> float:
    """Return the relative luminance of `#rrggbb`, 0 to 1.

    Source: WCAG 2.2, definition of relative luminance.
    """
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours, 1 to 21. Source: WCAG 2.2, contrast ratio."""
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def token_pairs() -> list[Pair]:
    known = colours()
    return [
        Pair(
            ink,
            ground,
            least,
            contrast(known[ink], known[ground]),
            f"{known[ink]} / {known[ground]}",
        )
        for ink, ground, least in PAIRS
    ]


# --- What the components show -------------------------------------------------------------------


def _say(chinese: str, english: str) -> str:
    return english if in_english() else chinese


# Statuses of every workflow: app, model, and what they are statuses of.
STATUSES = (
    ("catalog", "Demand", gettext_lazy("Listings")),
    ("matchmaking", "Match", gettext_lazy("Matches")),
    ("matchmaking", "Review", gettext_lazy("Reviews")),
    ("accounts", "Organization", gettext_lazy("Organizations")),
    ("accounts", "ManagerProfile", gettext_lazy("Technology managers")),
)


def _statuses() -> list[tuple[Any, list[SimpleNamespace]]]:
    groups = []
    for app, model, label in STATUSES:
        choices = apps.get_model(app, model)._meta.get_field("status").flatchoices
        groups.append((label, [_status(value, str(words)) for value, words in choices]))
    return groups


def _status(value: Any, words: str) -> SimpleNamespace:
    return SimpleNamespace(status=value, get_status_display=lambda: words)


def _late(today: dt.date, days: int) -> dt.date:
    """Return the day from which `days` working days have passed."""
    while days > 0:
        days -= is_working_day(today)
        today -= dt.timedelta(days=1)
    return today


def _verdict(css: str, icon: str, chinese: str, english: str, count: int = 0) -> SimpleNamespace:
    return SimpleNamespace(css=css, icon=icon, label=_say(chinese, english), count=count)


def _verdicts() -> dict[str, SimpleNamespace]:
    return {
        "unmet": _verdict("unmet", "circle-x", "不满足", "Not met", 1),
        "part": _verdict("part", "circle-half-2", "部分满足", "Partly met", 2),
        "unk": _verdict("unk", "help-circle", "未说明", "Not stated", 1),
        "met": _verdict("met", "circle-check", "满足", "Met", 5),
    }


def _grid() -> list[dict[str, Any]]:
    verdicts = _verdicts()
    asked = SimpleNamespace(
        name="",
        to=_say("成果方", "the achievement's side"),
        text=_say("单件节拍是多少？", "What is the cycle time?"),
        answer="",
        is_open=True,
    )
    return [
        {
            "kind": "indicator",
            "name": _say("圆度变形", "Roundness"),
            "hard": True,
            "requirement": "≤ 0.35 mm",
            "quote": mark_safe(
                _say(
                    "直径 3.2 m 套圈试件淬火后<mark>圆度偏差 0.41 mm</mark>",
                    "After quenching a 3.2 m ring the <mark>roundness was off by 0.41 mm</mark>",
                )
            ),
            "source": _say("成果正文第 4 段", "text of the achievement, paragraph 4"),
            "gap": _say("超出 0.06 mm（17%）", "0.06 mm (17%) too much"),
            "verdict": verdicts["unmet"],
            "remarks": [_say("换柔性支承后可以再降。", "Soft supports would bring it down.")],
        },
        {
            "kind": "trl",
            "name": _say("成熟度", "Maturity"),
            "hard": True,
            "requirement": "≥ TRL 7",
            "stated": "TRL 6",
            "source": _say("自评，附检测报告 1 份", "own estimate, one test report"),
            "verdict": verdicts["part"],
        },
        {
            "kind": "indicator",
            "name": _say("单件节拍", "Cycle time"),
            "hard": False,
            "requirement": "≤ 90 min",
            "verdict": verdicts["unk"],
            "asked": [asked],
        },
        {
            "kind": "budget",
            "name": _say("预算", "Budget"),
            "hard": None,
            "requirement": "",
            "closed": _say("引荐后可见", "open once introduced"),
            "verdict": verdicts["met"],
        },
    ]


def _pairs() -> list[dict[str, Any]]:
    return [
        {
            "demand": mark_safe(
                _say(
                    "套圈<mark>整圈淬火后不允许有软带</mark>，接头区硬度与其余位置一致。",
                    "<mark>No soft zone after quenching</mark>; the joint as hard as the rest.",
                )
            ),
            "achievement": mark_safe(
                _say(
                    "两个感应器相向移动后同步汇合，<mark>接头区不留软带</mark>。",
                    "Two inductors meet in step, <mark>leaving no soft zone</mark> at the joint.",
                )
            ),
            "score": 0.91,
        },
        {
            "demand": _say("后续磨削余量不超过 0.8 mm。", "Grinding allowance of 0.8 mm at most."),
            "achievement": _say("磨削余量可减到 0.8 mm。", "Brings the allowance to 0.8 mm."),
            "score": 0.84,
        },
    ]


def _steps() -> list[dict[str, str]]:
    return [
        {"what": _say("发布", "Published"), "state": "done", "detail": _say("11 月 9 日", "9 Nov")},
        {
            "what": _say("经理人评审", "Reviewed by a manager"),
            "state": "done",
            "detail": _say("用时 1 个工作日（承诺 5 日）", "1 working day (5 promised)"),
        },
        {
            "what": _say("双方答复", "Both sides answer"),
            "state": "now",
            "detail": _say("11 月 25 日前", "by 25 Nov"),
        },
        {"what": _say("引荐", "Introduced"), "state": "todo", "detail": ""},
    ]


def _stopped() -> list[dict[str, str]]:
    done, *_rest = _steps()
    return [
        done,
        {
            "what": _say("评审未通过", "Not approved"),
            "state": "stopped",
            "detail": _say("硬指标不满足", "a must-have is not met"),
        },
    ]


def _table() -> dict[str, Any]:
    days = _say("%s 天", "%s days")
    return {
        "columns": [
            Column(_say("环节", "Step")),
            Column(_say("承诺", "Promised"), number=True),
            Column(_say("中位", "Median"), number=True),
            Column(_say("超时中", "Late now"), number=True),
        ],
        "rows": [
            [_say("发布审核", "Publication check"), days % 2, days % "1.4", Cell(0)],
            [
                _say("经理人评审", "Review by a manager"),
                days % 5,
                days % "3.1",
                Cell(6, url="#tables", late=True),
            ],
        ],
    }


def _parts() -> list[dict[str, Any]]:
    return [
        {"label": _say("语义", "Meaning"), "share": 82, "shown": "+41", "less": False},
        {"label": _say("用词", "Words"), "share": 66, "shown": "+12", "less": False},
        {"label": _say("预算", "Budget"), "share": 18, "shown": "−9", "less": True},
    ]


class Sample(forms.Form):
    """Every kind of field, and errors in two of them."""

    title = forms.CharField(label=gettext_lazy("Title"))
    amount = forms.IntegerField(
        label=gettext_lazy("Budget"),
        help_text=gettext_lazy("In ten thousand yuan; leave it empty if you cannot say."),
        required=False,
    )
    status = forms.ChoiceField(
        label=gettext_lazy("Status"),
        choices=[("", "—"), ("a", gettext_lazy("Published")), ("b", gettext_lazy("Draft"))],
        required=False,
    )
    mode = forms.ChoiceField(
        label=gettext_lazy("Cooperation"),
        choices=[("a", gettext_lazy("Licence")), ("b", gettext_lazy("Joint development"))],
        widget=forms.RadioSelect,
    )
    sure = forms.BooleanField(label=gettext_lazy("I have read it"), required=False)


def _sentences() -> dict[str, str]:
    return {
        "sample": _say("桥 0.41 mm", "Bridge 0.41 mm"),
        "evidence": _say("作为依据的原文", "words that are evidence"),
        "info": _say(
            "双方都同意之前，你看不到对方名称。",
            "Until both agree, you do not see the other's name.",
        ),
        "good": _say(
            "已记录。对方最晚 11 月 27 日答复。", "Recorded. The other side has until 27 November."
        ),
        "warn": _say(
            "对方正在修改成果，重新发布后继续。",
            "The other side is changing its listing; this goes on when it is published again.",
        ),
        "bad": _say("出错了，刚才的内容没有保存。", "Something failed and nothing was saved."),
        "in_time": _say("按时答复", "Answered in time"),
        "agreed": _say("双方同意引荐", "Both sides agreed"),
        "signed": _say("签约", "Contracts signed"),
        "late": _say("正在超时", "Running late"),
        "more": _say("比上一期 +4 个百分点", "4 points more than the period before"),
        "written": _say("已写入", "Written"),
    }


def _organization(status: str, when: dt.datetime | None) -> Organization:
    return Organization(
        name=_say("某高校", "A university"),
        kind=OrganizationKind.UNIVERSITY,
        status=status,
        verified_at=when,
    )


def samples(request: PageRequest) -> dict[str, Any]:
    """Return what the page shows, in its language; no row of it is stored."""
    today = timezone.localdate()
    now = timezone.now()
    return {
        "say": _sentences(),
        "pairs_of_colours": token_pairs(),
        "icons": _icons(),
        "statuses": _statuses(),
        "clocks": {
            "left": add_working_days(today, 3),
            "today": today,
            "late": _late(today, 2),
            "since": _late(today, 4),
        },
        "verdicts": list(_verdicts().values()),
        "tally": list(_verdicts().values()),
        "grades": [
            {
                "key": "strong",
                "dots": "●●●",
                "label": _say("很可能合适", "Strong fit"),
                "percent": 74,
            },
            {
                "key": "likely",
                "dots": "●●○",
                "label": _say("可能合适", "Likely fit"),
                "percent": 52,
            },
            {
                "key": "possible",
                "dots": "●○○",
                "label": _say("有点可能", "Possible fit"),
                "percent": None,
            },
        ],
        "grid": _grid(),
        "pairs": _pairs(),
        "terms": _say("淬火 软带 套圈", "quenching ring inductor").split(),
        "match": SimpleNamespace(explained_at=now),
        "steps": _steps(),
        "stopped": _stopped(),
        "table": _table(),
        "parts": _parts(),
        "blind": _say(
            "某高校 · 华东 · 材料方向 12 人团队", "A university · East China · materials"
        ),
        "named": _say("云州理工大学", "Yunzhou University of Technology"),
        "verified_one": _organization(OrganizationStatus.VERIFIED, now),
        "form": Sample({"title": "", "amount": "x", "sure": "on"}, auto_id="id_sample_%s"),
        "plain_form": Sample(auto_id="id_plain_%s"),
        "page": Paginator(range(200), 10).get_page(request.GET.get("page", 4)),
        "kinds": [("demand", _("Demands")), ("achievement", _("Achievements"))],
        "kind": request.GET.get("kind", "demand"),
        "words": request.GET.get("words", _say("淬火", "quenching")),
        "moments": [
            now - dt.timedelta(seconds=20),
            now - dt.timedelta(hours=3),
            now - dt.timedelta(days=30),
        ],
    }


@lru_cache(maxsize=1)
def _icons() -> list[str]:
    """Return the names of the icons in the sprite; none before the assets are built."""
    path = finders.find("vendor/icons.svg")
    if not path:
        return []
    with open(str(path), encoding="utf8") as file:
        return re.findall(r'<symbol id="([\w-]+)"', file.read())


@login_not_required
@require_safe
def design(request: PageRequest) -> HttpResponse:
    """Open to operators; to everybody where the site is being worked on (DEBUG)."""
    if not settings.DEBUG:
        if not request.user.is_authenticated:
            return redirect_to_login(request.get_full_path())
        if not request.user.is_operator:
            raise PermissionDenied(_("This page is open to the platform's operators only."))
    return render(request, "design.html", samples(request))
