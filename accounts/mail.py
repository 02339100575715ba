"""Promising a mail. It goes out once the transaction that is its reason is committed."""

from __future__ import annotations

from functools import partial
from typing import Any
from urllib.parse import urljoin

from django.conf import settings
from django.db import transaction

from accounts.broker import send
from accounts.models import OutboxMail, User
from accounts.tasks import deliver_mail


def promise(*, kind: str, user: User, key: str, payload: dict[str, Any]) -> bool:
    """Put a mail into the outbox; call it in the transaction that is the mail's reason.

    Return False when one with this key was promised before: nobody is told twice.
    """
    mail, is_new = OutboxMail.objects.get_or_create(
        key=key, defaults={"kind": kind, "user": user, "payload": payload}
    )
    if is_new:
        transaction.on_commit(partial(send, deliver_mail, mail.pk))
    return is_new


def absolute(path: str) -> str:
    """Return the address of a page for a mail, which no request tells the name of the site."""
    return urljoin(settings.SITE_URL, path)
