"""The mails about notifications: one of its own, or all of a day in one.

A mail says no more than the notice does on the page; both are written by `accounts.notices`.
"""

from __future__ import annotations

from typing import Any

from django.core import signing
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import ngettext

from accounts.delivery import Letter
from accounts.inbox import Group, Mailing, Notification
from accounts.mail import absolute
from accounts.models import OutboxMail, User
from accounts.notices import Notice, find_kind, settle
from accounts.site import site_name

_SALT = "accounts.no-mails"
# Stands for the daily mail where the link of one kind has the kind's code.
DAILY = "daily"
# Of each group a daily mail names so many, and says how many more there are.
NAMED = 25


def notice(mail: OutboxMail) -> Letter | None:
    """Tell one thing, if it is still true, wanted and unread."""
    row = Notification.objects.filter(
        pk=mail.payload["notification"], mailing=Mailing.NOW, read_at=None
    ).first()
    written = settle(mail.user, [row]).get(row.pk) if row is not None else None
    if row is None or written is None:
        return None
    return Letter(
        subject=f"{written.title} · {site_name()}",
        template="emails/notice",
        context={"item": _item(row, written), **_pages()},
        unsubscribe=mute_link(mail.user, row.kind),
    )


def digest(mail: OutboxMail) -> Letter | None:
    """Tell what of a day is still true and unread, what waits for the reader first."""
    rows = Notification.objects.filter(
        pk__in=mail.payload["notifications"], mailing=Mailing.DIGESTED, read_at=None
    )
    ordered = list(rows.order_by("-visible_from", "-pk"))
    written = settle(mail.user, ordered)
    found: dict[str, list[dict[str, Any]]] = {group: [] for group in Group}
    for row in ordered:
        kind = find_kind(row.kind)
        if row.pk in written and kind is not None:
            found[kind.group].append(_item(row, written[row.pk]))
    count = len(written) + mail.payload["more"]
    if not written:
        return None
    todo = len(found[Group.TODO])
    if todo:
        subject = ngettext(
            "%(count)d thing waits for you", "%(count)d things wait for you", todo
        ) % {"count": todo}
    else:
        subject = ngettext("%(count)d message", "%(count)d messages", count) % {"count": count}
    return Letter(
        subject=f"{subject} · {site_name()}",
        template="emails/digest",
        context={
            "groups": [
                {"label": group.label, "items": found[group][:NAMED]}
                for group in Group
                if found[group]
            ],
            "more": mail.payload["more"] + sum(len(found[group][NAMED:]) for group in Group),
            **_pages(),
        },
        unsubscribe=mute_link(mail.user, DAILY),
    )


def _item(row: Notification, written: Notice) -> dict[str, Any]:
    return {
        "title": written.title,
        "text": written.text,
        "at": timezone.localtime(row.visible_from),
        "page": absolute(reverse("notification_open", args=[row.pk])),
    }


def _pages() -> dict[str, str]:
    return {
        "all": absolute(reverse("notifications")),
        "manage": absolute(reverse("settings_notifications")),
    }


def mute_link(user: User, about: str) -> str:
    """Return the address at which mails of one kind, or the daily ones, end. It works for good."""
    token = signing.dumps([user.pk, about], salt=_SALT)
    return absolute(reverse("notification_mails_end", args=[token]))


def read_mute(token: str) -> tuple[User, str] | None:
    """Return whose mails a link ends, and of which kind (`DAILY`: the daily one); None: forged."""
    try:
        user_id, about = signing.loads(token, salt=_SALT)
    except (signing.BadSignature, ValueError):
        return None
    user = User.objects.filter(pk=user_id).first()
    if user is None or (about != DAILY and find_kind(about) is None):
        return None
    return user, about
