"""Sending what the outbox holds. Run by tasks; schedules nothing itself.

A mail is marked as sent after the server has taken it, so a worker that is killed between the two
sends it again: mail knows no “exactly once”. Both copies have the same Message-ID, by which
servers and programs recognise them as one.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from email.utils import parseaddr
from smtplib import SMTPException, SMTPRecipientsRefused, SMTPResponseException

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.db.models import F
from django.template.loader import render_to_string
from django.utils import timezone, translation

from accounts.models import MailState, OutboxMail
from accounts.site import site_name, site_operator

logger = logging.getLogger(__name__)

# A mail that a worker has taken up is left to it for so long: ten times what a server may take.
HELD = dt.timedelta(minutes=5)
# After each failure: the pauses of a mail server's own queue, about two days in all.
PAUSES = tuple(dt.timedelta(minutes=minutes) for minutes in (1, 5, 15, 60, 180, 360, 720, 720, 720))
# Kept so long for whoever asks what was sent; then the sweep deletes them.
KEPT = dt.timedelta(days=180)


@dataclass(frozen=True)
class Letter:
    """A mail as it is sent. `template` names `<template>.txt` and `<template>.html`."""

    subject: str
    template: str
    context: dict[str, object]
    # Where one click ends mails of this kind, see RFC 8058. Empty: they cannot be ended.
    unsubscribe: str = ""
    headers: dict[str, str] = field(default_factory=dict)


# Makes the letter out of a stored mail when it is about to go, in the receiver's language. None:
# its reason is gone, or the receiver may not know of it any more.
Writer = Callable[[OutboxMail], Letter | None]

_writers: dict[str, Writer] = {}


def register(kind: str, writer: Writer) -> None:
    """Name the function that writes mails of this kind. Called from an app's `ready()`."""
    _writers[kind] = writer


def deliver(*, mail_id: int) -> MailState | None:
    """Send one mail if it waits and nobody else holds it. Return what became of it."""
    now = timezone.now()
    claimed = OutboxMail.objects.filter(pk=mail_id, state=MailState.WAITING, try_at__lte=now)
    if not claimed.update(try_at=now + HELD, attempts=F("attempts") + 1):
        return None
    mail = OutboxMail.objects.select_related("user").get(pk=mail_id)
    try:
        message = _message(mail)
        if message is None:
            return _settle(mail, MailState.DROPPED)
        message.send()
    except Exception as error:
        # Also a letter that cannot be written: one mail must not be tried every minute for ever.
        return _failed(mail, error)
    return _settle(mail, MailState.SENT)


def _message(mail: OutboxMail) -> EmailMultiAlternatives | None:
    if not mail.user.is_active:
        return None
    with translation.override(mail.user.language):
        letter = _writers[mail.kind](mail)
        if letter is None:
            return None
        context = letter.context | {
            "receiver": mail.user,
            "SITE_NAME": site_name(),
            "SITE_OPERATOR": site_operator(),
            "LANGUAGE_CODE": translation.get_language(),
            "unsubscribe": letter.unsubscribe,
        }
        headers = letter.headers | {
            "Message-ID": _message_id(mail),
            "Auto-Submitted": "auto-generated",
        }
        if letter.unsubscribe:
            headers["List-Unsubscribe"] = f"<{letter.unsubscribe}>"
            headers["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
        message = EmailMultiAlternatives(
            subject=" ".join(letter.subject.split()),
            body=render_to_string(f"{letter.template}.txt", context).strip() + "\n",
            to=[mail.user.email],
            headers=headers,
        )
        message.attach_alternative(
            render_to_string(f"{letter.template}.html", context), "text/html"
        )
    return message


def _message_id(mail: OutboxMail) -> str:
    """The same for every attempt, and for nobody else's mail."""
    digest = hashlib.sha256(f"{settings.SECRET_KEY}:{mail.pk}:{mail.key}".encode()).hexdigest()
    host = parseaddr(settings.DEFAULT_FROM_EMAIL)[1].rpartition("@")[2] or "localhost"
    return f"<{digest[:32]}@{host}>"


def _settle(mail: OutboxMail, state: MailState, error: str = "") -> MailState:
    mail.state, mail.error = state, error[:300]
    mail.sent_at = timezone.now() if state == MailState.SENT else None
    mail.save(update_fields=("state", "error", "sent_at"))
    return state


def _failed(mail: OutboxMail, error: Exception) -> MailState:
    """Try again later, unless the server has said for good that it will not take it."""
    expected = isinstance(error, OSError | SMTPException)
    logger.warning("Mail %d (%s) was not sent.", mail.pk, mail.kind, exc_info=not expected)
    # What servers answer quotes addresses and texts: only its kind and code are kept.
    codes = _codes(error)
    said = " ".join((type(error).__name__, *map(str, codes)))
    if (codes and all(500 <= code < 600 for code in codes)) or mail.attempts > len(PAUSES):
        return _settle(mail, MailState.FAILED, said)
    mail.try_at = timezone.now() + PAUSES[mail.attempts - 1]
    mail.error = said
    mail.save(update_fields=("try_at", "error"))
    return MailState.WAITING


def _codes(error: Exception) -> list[int]:
    if isinstance(error, SMTPRecipientsRefused):
        return [code for code, _text in error.recipients.values()]
    return [error.smtp_code] if isinstance(error, SMTPResponseException) else []


def waiting(*, limit: int = 200) -> list[int]:
    """Return mails whose time has come: messages that were lost, and those to be tried again."""
    rows = OutboxMail.objects.filter(state=MailState.WAITING, try_at__lte=timezone.now())
    return list(rows.order_by("try_at").values_list("pk", flat=True)[:limit])


def forget_old(*, limit: int = 5000) -> int:
    """Delete what was settled long ago. Return how many."""
    old = OutboxMail.objects.exclude(state=MailState.WAITING).filter(
        created_at__lt=timezone.now() - KEPT
    )
    ids = list(old.order_by("created_at").values_list("pk", flat=True)[:limit])
    return OutboxMail.objects.filter(pk__in=ids).delete()[0]
