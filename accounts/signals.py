"""What happened to managers, for whoever has to act on it: sent after the commit.

accounts knows no listener. A receiver gets `user_ids`, a list of the users concerned, and must be
safe to call twice: a change may be told of more than once, never less.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from functools import partial

from django.db import transaction
from django.dispatch import Signal

logger = logging.getLogger(__name__)

# A tie between one of them and some organization was made or changed.
ties_changed = Signal()
# One of them was certified, renewed, suspended, has expired, or marked days off or took them back.
managers_changed = Signal()


def tell(signal: Signal, user_ids: Iterable[int]) -> None:
    """Send `signal` after the commit; nothing is sent for nobody."""
    found = sorted(set(user_ids))
    if found:
        transaction.on_commit(partial(_send, signal, found))


def _send(signal: Signal, user_ids: list[int]) -> None:
    """Send, and keep an error from the person whose change is saved already."""
    for receiver, error in signal.send_robust(sender=None, user_ids=user_ids):
        if isinstance(error, Exception):
            logger.error("A listener failed: %r", receiver, exc_info=error)
