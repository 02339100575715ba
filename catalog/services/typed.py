"""What somebody had typed when their session was over, until they are back."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping

from django.utils import timezone

from accounts.models import User
from catalog.models import TypedPost

KEPT_FOR = dt.timedelta(hours=24)
# Characters of one form. A body has 20,000 at most, and the whole form under 100,000.
SIZE_LIMIT = 500_000
# Forms of one person: more are not open at once.
COUNT_LIMIT = 20


def keep(*, user: User, path: str, nonce: str, data: Mapping[str, list[str]]) -> bool:
    """Keep a form for its writer. Return False for one that is too long to be one of ours."""
    if len(json.dumps(data)) > SIZE_LIMIT:
        return False
    # JSON of PostgreSQL holds no NUL; the form drops it as well.
    clean = {
        name.replace("\0", ""): [text.replace("\0", "") for text in texts]
        for name, texts in data.items()
    }
    TypedPost.objects.update_or_create(
        user=user,
        path=path,
        nonce=nonce,
        defaults={"data": clean, "created_at": timezone.now()},
    )
    latest = TypedPost.objects.filter(user=user).order_by("-created_at").values("pk")[:COUNT_LIMIT]
    TypedPost.objects.filter(user=user).exclude(
        pk__in=list(latest.values_list("pk", flat=True))
    ).delete()
    return True


def kept_for(*, user: User, path: str) -> TypedPost | None:
    """Return what this person had typed into this form, if that is not too long ago."""
    return (
        TypedPost.objects.filter(user=user, path=path, created_at__gt=timezone.now() - KEPT_FOR)
        .order_by("-created_at")
        .first()
    )


def forget(*, user: User, path: str, nonce: str) -> None:
    """Drop what was typed: it has been saved, or its writer does not want it any more."""
    TypedPost.objects.filter(user=user, path=path, nonce=nonce).delete()


def forget_old() -> int:
    """Drop what nobody came back for. Return how many."""
    count, _by_model = TypedPost.objects.filter(created_at__lte=timezone.now() - KEPT_FOR).delete()
    return count
