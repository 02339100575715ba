"""Who read what is not for everybody, and who took a file out.

A row is written before the answer leaves. A page that the same person opens again within
`SAME_LOOK` is the same look: a manager goes back and forth between two matches, and a trace of
every reload would hide what it is for.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

from django.utils import timezone

from accounts.models import AccessEvent, User

SAME_LOOK = dt.timedelta(minutes=30)


def record_access(
    *, actor: User, kind: str, subject: str, number: str = "", note: str = ""
) -> bool:
    """Leave a row, unless it is the same look again. Return whether one was written.

    `kind` and `subject` are those of `AccessEvent`. Files that are taken out are never the same
    look: each is another copy. Raises `ValueError` for words that are none of these.
    """
    what, about = AccessEvent.Kind(kind), AccessEvent.Subject(subject)
    row = AccessEvent(actor=actor, kind=what, subject=about, number=number[:40], note=note[:300])
    if what != AccessEvent.Kind.EXPORT:
        same = AccessEvent.objects.filter(
            actor=actor,
            kind=what,
            subject=about,
            number=row.number,
            note=row.note,
            created_at__gt=timezone.now() - SAME_LOOK,
        )
        if same.exists():
            return False
    row.save(force_insert=True)
    return True


def record_looks(*, actor: User, kind: str, subject: str, numbers: Iterable[str]) -> int:
    """Leave a row for each of several things shown at once; return how many were written.

    As `record_access` for each, in two queries.
    """
    what, about = AccessEvent.Kind(kind), AccessEvent.Subject(subject)
    wanted = list(dict.fromkeys(numbers))
    same = set(
        AccessEvent.objects.filter(
            actor=actor,
            kind=what,
            subject=about,
            number__in=wanted,
            note="",
            created_at__gt=timezone.now() - SAME_LOOK,
        ).values_list("number", flat=True)
    )
    rows = [
        AccessEvent(actor=actor, kind=what, subject=about, number=number)
        for number in wanted
        if number not in same
    ]
    return len(AccessEvent.objects.bulk_create(rows))
