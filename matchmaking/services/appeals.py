"""One objection of each side to a rejection: a manager who has not held the match decides anew."""

from __future__ import annotations

import datetime as dt

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import User
from accounts.notices import notify, take_back, writers_of
from accounts.permissions import can_write_for
from accounts.templatetags.kq import day
from accounts.text import clean_text
from accounts.workdays import add_working_days
from matchmaking import presenting
from matchmaking.models import Appeal, Match, MatchEvent, Review
from matchmaking.permissions import ConflictOfInterest, owner_of
from matchmaking.services.review_steps import fill_queues
from matchmaking.workflow import (
    APPEAL_MOVES,
    AppealStatus,
    Decision,
    IllegalMove,
    MatchStatus,
    ReviewStatus,
    Side,
)

SHORTEST, LONGEST = 20, 1000


def last_day(match: Match) -> dt.date | None:
    """Return the last day on which a side may object, None where nothing was rejected."""
    if match.status != MatchStatus.REJECTED or match.decided_at is None:
        return None
    return add_working_days(timezone.localdate(match.decided_at), settings.APPEAL_DAYS)


@transaction.atomic
def appeal(*, match: Match, side: str, actor: User, text: str) -> Appeal:
    """Object to a rejection, once a side: the match goes to a manager who has not held it.

    The rejection stays on record with its review, which is reopened. Raises `ConflictOfInterest`
    for a person who may not speak for `side`, `IllegalMove` with a sentence when it is too late
    or the side has objected before, `ValidationError` for a text that says nothing or too much.
    """
    match = (
        Match.objects.select_for_update(of=("self",))
        .select_related("demand__owner", "achievement__owner")
        .get(pk=match.pk)
    )
    if side not in Side.values or not can_write_for(actor, owner_of(match, side)):
        raise ConflictOfInterest
    if refusal := refusal_of(match, side):
        raise IllegalMove(refusal)
    text = clean_text(text)
    if not SHORTEST <= len(text) <= LONGEST:
        raise ValidationError(
            {
                "text": _("Please write %(least)d to %(most)d characters.")
                % {"least": SHORTEST, "most": LONGEST}
            }
        )
    if presenting.names_any(text, (match.demand.owner, match.achievement.owner)):
        raise ValidationError(
            {
                "text": _(
                    "The text names one of the sides or its contacts. The new manager reads it "
                    "before they know who you are; please leave that out."
                )
            }
        )
    made = Appeal.objects.create(match=match, side=Side(side), text=text, user=actor)
    rejections = Review.objects.filter(
        match=match, status=ReviewStatus.SUBMITTED, decision=Decision.REJECT
    )
    for review in rejections:
        review.match = match
        review.move_to(ReviewStatus.REOPENED)
        review.save(update_fields=("status",))
    before = match.status
    match.move_to(MatchStatus.SUGGESTED)
    match.due_on = match.decided_at = None
    match.updated_at = timezone.now()
    match.save(update_fields=("status", "due_on", "decided_at", "updated_at"))
    MatchEvent.objects.create(
        match=match,
        actor=actor,
        verb=MatchEvent.Verb.APPEALED,
        before=before,
        after=match.status,
        side=side,
        note=text,
    )
    transaction.on_commit(fill_queues)
    return made


def refusal_of(match: Match, side: str) -> str:
    """Return why `side` cannot object now, "" where it can."""
    earlier = next((one for one in match.appeals.all() if one.side == side), None)
    if earlier is not None and earlier.status == AppealStatus.OPEN:
        return _("Your side has objected already; another manager looks at it again.")
    if earlier is not None:
        return _("Your side has objected once already; that is as often as it can.")
    until = last_day(match)
    if until is None:
        return _("This match is “%(status)s”; there is no rejection to object to.") % {
            "status": match.get_status_display()
        }
    if until < timezone.localdate():
        return _("An objection was possible until %(day)s.") % {"day": day(until)}
    if match.is_frozen or not (match.demand.is_live and match.achievement.is_live):
        return _("One of the two listings is not published at present.")
    return ""


def settle_appeals(match: Match) -> None:
    """Record what came of the objections now that the match is decided, and tell their sides.

    The caller holds the match's lock and has saved its new status. While a second approval is
    awaited nothing is decided, and nothing happens here.
    """
    if match.status not in (MatchStatus.APPROVED, MatchStatus.REJECTED):
        return
    approved = match.status == MatchStatus.APPROVED
    status = AppealStatus.OVERTURNED if approved else AppealStatus.UPHELD
    for made in match.appeals.filter(status=AppealStatus.OPEN):
        _move(made, status)
        # Told when the decision can no longer be undone; the sides learn of it at that time too.
        at = timezone.now() + dt.timedelta(minutes=settings.UNDO_MINUTES)
        for user in writers_of(match.listing(made.side).owner):
            notify(
                kind="appeal.decided",
                user=user,
                key=f"appeal.decided:{made.pk}:{user.pk}",
                payload={"appeal": made.pk},
                at=at,
            )


def unsettle_appeals(match: Match, *, since: dt.datetime) -> None:
    """Open the objections again that a decision settled which is taken back.

    `since` is when that decision fell: what an earlier one settled stays settled. The caller
    holds the match's lock.
    """
    settled = match.appeals.filter(
        status__in=(AppealStatus.UPHELD, AppealStatus.OVERTURNED), closed_at__gte=since
    )
    for made in settled:
        _move(made, AppealStatus.OPEN)
        take_back(prefix=f"appeal.decided:{made.pk}:")


def _move(made: Appeal, status: AppealStatus) -> None:
    if status not in APPEAL_MOVES.get(made.status, set()):
        raise IllegalMove(
            _("An objection that is “%(before)s” cannot become “%(after)s”.")
            % {"before": made.get_status_display(), "after": status.label}
        )
    made.status = status
    made.closed_at = None if status == AppealStatus.OPEN else timezone.now()
    made.save(update_fields=("status", "closed_at"))
