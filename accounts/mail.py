"""Promising a mail. It goes out once the transaction that is its reason is committed."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from functools import partial
from typing import Any
from urllib.parse import urljoin

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from accounts.broker import send
from accounts.models import OutboxMail, User
from accounts.tasks import deliver_mail


def promise(
    *, kind: str, user: User, key: str, payload: dict[str, Any], at: dt.datetime | None = None
) -> bool:
    """Put a mail into the outbox; call it in the transaction that is the mail's reason.

    It goes out at once, or by the sweep once it is `at`. Return False when one with this key was
    promised before: nobody is told twice.
    """
    now = timezone.now()
    mail, is_new = OutboxMail.objects.get_or_create(
        key=key,
        defaults={"kind": kind, "user": user, "payload": payload, "try_at": max(at or now, now)},
    )
    if is_new and mail.try_at <= now:
        transaction.on_commit(partial(send, deliver_mail, mail.pk))
    return is_new


def promise_many(kind: str, mails: Iterable[tuple[User, str, dict[str, Any], dt.datetime]]) -> None:
    """Promise many mails in one statement: (user, key, payload, not before). The keys are new ones,
    of rows that this transaction has made."""
    rows = OutboxMail.objects.bulk_create(
        OutboxMail(kind=kind, user=user, key=key, payload=payload, try_at=at)
        for user, key, payload, at in mails
    )
    now = timezone.now()
    due = [row.pk for row in rows if row.try_at <= now]
    if due:
        transaction.on_commit(partial(_send_all, due))


def _send_all(ids: list[int]) -> None:
    for pk in ids:
        if not send(deliver_mail, pk):
            return  # the broker is away; the sweep finds the rest


def absolute(path: str) -> str:
    """Return the address of a page for a mail, which no request tells the name of the site."""
    return urljoin(settings.SITE_URL, path)
