"""A person's e-mail addresses are allauth's; a change of them may tie that person to somebody."""

from __future__ import annotations

from typing import Any

from allauth.account.models import EmailAddress
from allauth.account.signals import email_changed, email_confirmed, email_removed

from accounts.models import User
from accounts.services import announce_contact


def connect() -> None:
    """Listen to allauth. Called from `ready()`."""
    email_confirmed.connect(_confirmed, dispatch_uid="ties")
    email_changed.connect(_changed, dispatch_uid="ties")
    email_removed.connect(_changed, dispatch_uid="ties")


def _confirmed(sender: Any, request: Any, email_address: EmailAddress, **kwargs: Any) -> None:
    announce_contact(email_address.user)


def _changed(sender: Any, request: Any, user: User, **kwargs: Any) -> None:
    announce_contact(user)
