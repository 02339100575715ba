"""Until when an organization or a technology manager is promised an answer."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.db.models import F, OuterRef, Q, Subquery
from django.db.models.functions import Coalesce
from django.utils import timezone

from accounts.models import (
    AccountEvent,
    ManagerProfile,
    ManagerQuerySet,
    Organization,
    OrganizationQuerySet,
)
from accounts.services import VERIFY_WITHIN
from accounts.workdays import add_working_days

Verb = AccountEvent.Verb


def with_clock(rows: OrganizationQuerySet) -> Any:
    """Add `asked_at`: when the organization was last submitted or changed."""
    asked = AccountEvent.objects.filter(
        Q(verb=Verb.REGISTERED) | Q(verb=Verb.CHANGED, subject=None), organization=OuterRef("pk")
    )
    latest = Subquery(asked.order_by("-created_at").values("created_at")[:1])
    return rows.annotate(asked_at=Coalesce(latest, F("created_at")))


def managers_with_clock(rows: ManagerQuerySet) -> Any:
    """Add `asked_at`: when the person last applied."""
    asked = AccountEvent.objects.filter(verb=Verb.APPLIED, subject=OuterRef("user"))
    latest = Subquery(asked.order_by("-created_at").values("created_at")[:1])
    return rows.annotate(asked_at=Coalesce(latest, F("created_at")))


def answer_due(thing: Organization | ManagerProfile) -> dt.date:
    """Return the last day of the promise. `thing` comes from one of the functions above."""
    asked_at: dt.datetime = getattr(thing, "asked_at", thing.created_at)
    return add_working_days(timezone.localtime(asked_at).date(), VERIFY_WITHIN)
