"""What happens when a deadline passes. Run by a task; schedules nothing itself."""

from __future__ import annotations

from django.utils import timezone

from catalog.services.publishing import expire_overdue
from matchmaking.models import Match, Review
from matchmaking.services.consents import lapse
from matchmaking.services.reviews import time_out
from matchmaking.workflow import MatchStatus

# More than this is late only after a long outage; the next run takes the rest.
LIMIT = 500


def run() -> dict[str, int]:
    """Act on every deadline that has passed. Return what was done, by kind."""
    today = timezone.localdate()
    reviews = Review.objects.open().filter(due_on__lt=today, match__is_frozen=False)
    waiting = Match.objects.filter(status=MatchStatus.APPROVED, due_on__lt=today, is_frozen=False)
    return {
        "expired": expire_overdue(limit=LIMIT),
        "no_response": sum(
            time_out(review_id=pk) for pk in reviews.values_list("pk", flat=True)[:LIMIT]
        ),
        "lapsed": sum(lapse(match_id=pk) for pk in waiting.values_list("pk", flat=True)[:LIMIT]),
    }
