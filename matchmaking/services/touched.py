"""Whether people have acted on a listing's matches, for who would take its publication back."""

from __future__ import annotations

import datetime as dt

from matchmaking.models import MatchEvent, Review


def touched_since(kind: str, pk: int, since: dt.datetime) -> bool:
    """Say whether a review of a match of this listing was taken on since then, or a person made
    any other step in one."""
    taken = Review.objects.filter(**{f"match__{kind}": pk}, accepted_at__gt=since)
    steps = MatchEvent.objects.filter(
        **{f"match__{kind}": pk}, created_at__gt=since, actor__isnull=False
    )
    return taken.exists() or steps.exists()
