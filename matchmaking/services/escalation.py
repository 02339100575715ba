"""Handing a match to the operators: where managers stay silent, or nobody may take it."""

from __future__ import annotations

from django.utils import timezone

from accounts.notices import notify, operators
from matchmaking.models import Match, MatchEvent, Review
from matchmaking.workflow import Escalation, ReviewStatus

# So many managers may let the clock of one match run out before the operators are asked.
SILENT_AT_MOST = 2


def escalate(match: Match, why: Escalation) -> bool:
    """Have an operator look at a match; the caller holds its lock. Return whether that is new.

    What is escalated stays so until a review of it opens, whoever opens it.
    """
    if match.escalation == why:
        return False
    match.escalation, match.escalated_at = why, timezone.now()
    match.updated_at = match.escalated_at
    match.save(update_fields=("escalation", "escalated_at", "updated_at"))
    MatchEvent.objects.create(
        match=match,
        actor=None,
        verb=MatchEvent.Verb.ESCALATED,
        before=match.status,
        after=match.status,
        reason=why,
    )
    for operator in operators():
        notify(
            kind="escalation.match",
            user=operator,
            key=f"escalation.match:{match.pk}:{match.escalated_at.isoformat()}:{operator.pk}",
            payload={"match": match.pk, "why": str(why)},
        )
    return True


def escalate_silence(match: Match) -> bool:
    """Ask the operators when two managers have not answered; otherwise the next one gets it."""
    silent = Review.objects.filter(match=match, status=ReviewStatus.NO_RESPONSE)
    if silent.values("manager").distinct().count() < SILENT_AT_MOST:
        return False
    return escalate(match, Escalation.NO_RESPONSE)
