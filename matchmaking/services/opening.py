"""Putting matches on managers' desks, one or hundreds: the same few statements."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from django.conf import settings
from django.utils import timezone

from accounts.models import ManagerProfile
from accounts.notices import notify_many
from accounts.workdays import add_working_days
from matchmaking.models import Match, MatchEvent, Review
from matchmaking.permissions import ConflictOfInterest
from matchmaking.workflow import MatchStatus, ReviewStatus


class Opening(NamedTuple):
    """A match, who gets it, and why: see `Review.assigned_because`."""

    match: Match
    profile: ManagerProfile
    because: dict[str, Any]


def open_reviews(openings: Sequence[Opening]) -> list[Review]:
    """Open reviews of locked matches, with a deadline, and tell their managers.

    Whatever was escalated is in somebody's hands again. Raises `IllegalMove` for a match that
    cannot be reviewed, `ConflictOfInterest` for a manager who has decided it: a second opinion is
    another's.
    """
    if not openings:
        return []
    by_match = {opening.match.pk: opening for opening in openings}
    decided = Review.objects.filter(match__in=by_match, status=ReviewStatus.SUBMITTED)
    for pk, manager in decided.values_list("match", "manager"):
        if by_match[pk].profile.user_id == manager:
            raise ConflictOfInterest
    now = timezone.now()
    due_on = add_working_days(timezone.localdate(), settings.REVIEW_WORKING_DAYS)
    events = []
    for match, profile, _because in openings:
        before = match.status
        if match.status != MatchStatus.IN_REVIEW:
            match.move_to(MatchStatus.IN_REVIEW)
        match.due_on, match.updated_at = due_on, now
        match.escalated_at, match.escalation = None, ""
        events.append(
            MatchEvent(
                match=match,
                verb=MatchEvent.Verb.ASSIGNED,
                before=before,
                after=match.status,
                subject=profile.user,
            )
        )
    reviews = Review.objects.bulk_create(
        Review(match=match, manager=profile.user, due_on=due_on, assigned_because=because)
        for match, profile, because in openings
    )
    Match.objects.filter(pk__in=by_match).update(
        status=MatchStatus.IN_REVIEW,
        due_on=due_on,
        updated_at=now,
        escalated_at=None,
        escalation="",
    )
    MatchEvent.objects.bulk_create(events)
    notify_many(
        "review.assigned",
        [
            (review.manager, f"review.assigned:{review.pk}", {"review": review.pk})
            for review in reviews
        ],
    )
    return reviews
