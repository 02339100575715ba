"""What the steps of a review share: hold the match, say who may act, write down what happened."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import ManagerProfile, User
from accounts.permissions import is_certified_manager
from matchmaking.models import Match, MatchEvent, Review
from matchmaking.permissions import ConflictOfInterest, has_conflict
from matchmaking.services.inquiries import cancel_inquiries
from matchmaking.services.opening import Opening, open_reviews
from matchmaking.workflow import Decision, IllegalMove, MatchStatus, ReviewStatus


def hold(match_id: int) -> Match:
    """Lock a match, with what is asked of it while it is decided.

    The match is locked, not the review: two people who act at once must agree who was first.
    """
    return (
        Match.objects.select_for_update(of=("self",))
        .select_related(
            "demand__owner", "achievement__owner", "demand_revision", "achievement_revision"
        )
        .get(pk=match_id)
    )


def hold_review(review: Review) -> Review:
    """Lock a review's match, then read the review again."""
    match = hold(review.match_id)
    current = Review.objects.select_related("manager").get(pk=review.pk)
    current.match = match
    return current


def hold_open(review: Review, actor: User) -> Review:
    """Lock a review that is open and `actor`'s. Raises `IllegalMove` when it is not."""
    current = hold_review(review)
    if current.manager_id != actor.pk or not current.is_open:
        if current.manager_id == actor.pk and current.status == ReviewStatus.SUBMITTED:
            raise IllegalMove(_("You have already decided this match; nothing was changed."))
        raise IllegalMove(already_decided(current.match))
    return current


def already_decided(match: Match) -> str:
    """Return the sentence for somebody who comes too late."""
    if match.status in (MatchStatus.IN_REVIEW, MatchStatus.SUGGESTED):
        return _("This match has been given to another manager. Your text was not saved.")
    if match.decided_at is None:  # a listing has left, no person has decided
        return _("This match is “%(status)s” now. Your text was not saved; you can copy it.") % {
            "status": match.get_status_display()
        }
    when = f"{timezone.localtime(match.decided_at):%Y-%m-%d %H:%M}"
    return _(
        "This match has been handled meanwhile (%(when)s, %(status)s). Your text was not saved;"
        " you can copy it."
    ) % {"when": when, "status": match.get_status_display()}


def check_free(review: Review, actor: User) -> None:
    """Raise `ConflictOfInterest` for one who is certified no more, or has a tie to a side."""
    if not is_certified_manager(actor) or has_conflict(actor, review.match):
        raise ConflictOfInterest


def approvals(match: Match) -> list[Review]:
    """Return the approvals that count, the first one first: of two managers at most."""
    return list(
        Review.objects.filter(
            match=match, status=ReviewStatus.SUBMITTED, decision=Decision.APPROVE
        ).order_by("closed_at", "pk")
    )


def open_review(*, match: Match, profile: ManagerProfile, because: dict[str, object]) -> Review:
    """Put a locked match on a manager's desk, with a deadline, and tell them.

    Raises `ConflictOfInterest` for a manager who has decided it: the second opinion is another's.
    """
    [review] = open_reviews([Opening(match, profile, because)])
    return review


def close(review: Review, status: ReviewStatus) -> None:
    """End an open review without a decision. What it still asks a side is asked no more."""
    review.move_to(status)
    review.closed_at = timezone.now()
    review.save(update_fields=("status", "closed_at"))
    cancel_inquiries(review)


def back_to_pool(match: Match) -> None:
    """Let another manager have a match that nobody reviews now.

    With one of two approvals it stays in review: the second one is still to come.
    """
    if match.status != MatchStatus.IN_REVIEW or not approvals(match):
        match.move_to(MatchStatus.SUGGESTED)
    match.due_on = match.decided_at = None
    match.updated_at = timezone.now()
    match.save(update_fields=("status", "due_on", "decided_at", "updated_at"))
    transaction.on_commit(fill_queues)


# Whether desks became free within `filling_once`; None outside of it.
_freed: ContextVar[list[bool] | None] = ContextVar("freed", default=None)


@contextmanager
def filling_once() -> Iterator[None]:
    """Have desks filled once at the end, whatever the number of committed steps within."""
    freed: list[bool] = []
    before = _freed.set(freed)
    try:
        yield
    finally:
        _freed.reset(before)
        if freed:
            fill_queues()


def fill_queues() -> None:
    from matchmaking.tasks import assign, send

    freed = _freed.get()
    if freed is not None:
        freed.append(True)
    else:
        send(assign)


def log(
    match: Match,
    verb: str,
    actor: User | None,
    *,
    before: str | None = None,
    reason: str = "",
    note: str = "",
    subject: User | None = None,
) -> None:
    """Write down a step that led to the match's present status.

    `subject`: the manager whom it is about, where somebody else or the clock makes it.
    """
    MatchEvent.objects.create(
        match=match,
        actor=actor,
        verb=verb,
        before=match.status if before is None else before,
        after=match.status,
        reason=reason,
        note=note,
        subject=subject,
    )
