"""What somebody is told: read, marked as read, muted; and how they want to be told."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.core.paginator import Paginator
from django.db.models import Count, Max, Q
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts import notices
from accounts.http import PageRequest, UserRequest
from accounts.inbox import Choice, Group, Notification
from accounts.letters import read_mute
from accounts.notice_forms import NotificationsForm
from accounts.notices import Kind, Shown
from accounts.views.unsubscribing import Ending, end_mails, limited

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

PAGE_SIZE = 30


@dataclass(frozen=True)
class Tab:
    value: str
    label: StrOrPromise
    unread: int
    current: bool


def _chosen_kind(request: UserRequest) -> Kind | None:
    return notices.find_kind(request.GET.get("kind", ""))


@require_safe
def notifications(request: UserRequest) -> HttpResponse:
    """Show one of the two lists, what waits for the reader first, grouped by day."""
    kind = _chosen_kind(request)
    group = kind.group if kind is not None else Group.TODO
    if kind is None and request.GET.get("group") in Group.values:
        group = Group(request.GET["group"])
    visible = notices.visible_to(request.user)
    codes = [kind.code] if kind is not None else _codes(group)
    rows = visible.filter(kind__in=codes)

    # The page is cut anew when some of it turns out to be no longer true.
    found: dict[str, Any] = {}

    def fetch() -> list[Notification]:
        found["page"] = Paginator(rows, PAGE_SIZE).get_page(request.GET.get("page"))
        return list(found["page"].object_list)

    shown = notices.read(request.user, fetch)
    now = timezone.now()
    per_kind = list(
        visible.order_by()
        .values_list("kind")
        .annotate(number=Count("pk"), unread=Count("pk", filter=Q(read_at=None)), newest=Max("pk"))
    )
    counts = {code: (number, unread) for code, number, unread, _newest in per_kind}
    context = {
        "tabs": [
            Tab(
                value=one.value,
                label=one.label,
                unread=sum(counts.get(code, (0, 0))[1] for code in _codes(one)),
                current=one == group,
            )
            for one in Group
        ],
        "group": group,
        "kind": kind.code if kind else "",
        "kinds": [
            (one.code, one.label, counts[one.code][0])
            for one in notices.kinds()
            if one.group == group and one.code in counts
        ],
        "days": _by_day(shown),
        "page": found["page"],
        # What arrives while the page is read stays unread, or what was kept back till then.
        "newest": max(newest for *_, newest in per_kind) if shown else None,
        "made_at": now.isoformat(),
    }
    return render(request, "accounts/notifications.html", context)


def _codes(group: Group) -> list[str]:
    return [kind.code for kind in notices.kinds() if kind.group == group]


def _by_day(shown: list[Shown]) -> list[tuple[dt.date, list[dict[str, Any]]]]:
    def day_of(one: Shown) -> dt.date:
        return timezone.localtime(one.row.visible_from).date()

    return [
        (
            day,
            [
                {
                    "row": one.row,
                    "title": one.notice.title,
                    "text": one.notice.text,
                    "kind": notices.find_kind(one.row.kind),
                }
                for one in rows
            ],
        )
        for day, rows in groupby(shown, key=day_of)
    ]


@require_safe
def notification_open(request: UserRequest, pk: int) -> HttpResponse:
    """Go to what a notification is about, and mark it as read.

    A GET that changes nothing but the reader's own mark, so that a mail can lead here.
    """
    row = get_object_or_404(notices.visible_to(request.user), pk=pk)
    notice = notices.settle(request.user, [row]).get(row.pk)
    if notice is None:
        messages.info(request, _("This has been settled meanwhile."))
        return redirect("notifications")
    notices.mark_read(Notification.objects.filter(pk=row.pk))
    return HttpResponseRedirect(notice.url)


@require_POST
def notifications_read(request: UserRequest) -> HttpResponse:
    """Mark everything as read that was there when the page was shown."""
    newest = request.POST.get("newest", "")
    rows = notices.visible_to(request.user)
    if newest.isascii() and newest.isdigit() and len(newest) < 19:
        rows = rows.filter(pk__lte=int(newest))
    if made_at := _moment(request.POST.get("made_at", "")):
        rows = rows.filter(visible_from__lte=made_at)
    notices.mark_read(rows)
    messages.success(request, _("All marked as read."))
    return redirect("notifications")


def _moment(text: str) -> dt.datetime | None:
    """Return the moment that a page of ours has sent, None for anything else."""
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if timezone.is_aware(moment) else None


@require_POST
def notification_mute(request: UserRequest) -> HttpResponse:
    """Have one kind keep quiet: no mails of what waits for somebody, nothing at all of the rest."""
    kind = notices.find_kind(request.POST.get("kind", ""))
    if kind is None:
        raise Http404
    quietest = kind.choices[-1]
    notices.choose(user=request.user, choices={kind.code: quietest})
    words = {"kind": kind.label}
    messages.success(
        request,
        _("“%(kind)s” arrive as read from now on, without mails. Settings change it back.") % words
        if quietest == Choice.MUTED
        else _("No more mails about “%(kind)s”. They still appear here.") % words,
    )
    return redirect("notifications")


@require_http_methods(["GET", "HEAD", "POST"])
def settings_notifications(request: UserRequest) -> HttpResponse:
    """Choose for each kind how one is told, and at which hours mails come."""
    form = NotificationsForm(
        request.POST if request.method == "POST" else None,
        kinds=notices.kinds_for(request.user),
        choices=notices.choices_of(request.user),
        hours=notices.mail_hours(request.user),
    )
    if form.is_valid():
        notices.choose(user=request.user, choices=form.chosen())
        notices.keep_hours(user=request.user, **form.hours())
        messages.success(request, _("Saved."))
        return redirect("settings_notifications")
    return render(request, "accounts/settings_notifications.html", {"form": form})


@login_not_required
@never_cache
@csrf_exempt  # A mail program posts here by itself (RFC 8058): the token is all that it has.
@require_http_methods(["GET", "HEAD", "POST"])
def notification_mails_end(request: PageRequest, token: str) -> HttpResponse:
    """End the mails of one kind, or the daily one. Opening the link changes nothing."""
    if (refused := limited(request)) is not None:
        return refused
    read = read_mute(token)
    kind = notices.find_kind(read[1]) if read is not None else None
    label = kind.label if kind is not None else _("Daily mail")
    ending = Ending(
        title=_("Mails about “%(kind)s”") % {"kind": label},
        question=_("Shall we stop these mails? On the page of notifications nothing is lost."),
        done=_("No more mails of this kind. What happens still appears under notifications."),
        void=_("This link is not whole. Log in and change your settings instead."),
    )
    stop = partial(notices.stop_mails, user=read[0], kind=kind) if read is not None else None
    return end_mails(request, ending, stop)
