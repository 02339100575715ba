"""Decisions and reviews that do not stand: undone, reopened, void, taken from a manager.

Whatever is taken back stays on record with its review and its events. Nobody who has decided a
match, or held it, gets it again.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.conflicts import TieKind, ties
from accounts.models import ManagerProfile, User
from accounts.permissions import is_operator
from accounts.workdays import add_working_days
from matchmaking.models import Consent, Match, MatchEvent, Review
from matchmaking.permissions import ConflictOfInterest, has_conflict
from matchmaking.services import telling
from matchmaking.services.appeals import unsettle_appeals
from matchmaking.services.review_steps import (
    back_to_pool,
    check_free,
    close,
    hold_review,
    log,
)
from matchmaking.workflow import IllegalMove, MatchStatus, ReviewStatus

NOTE_LIMIT = 1000
# How long ago a rejection may be that a tie, found late, makes void. An approval that still stands
# is void whatever its age.
VOID_DAYS = 90
# Matches whose decision can be taken back; of the rest the sides have met, or it is over.
DECIDED = (MatchStatus.APPROVED, MatchStatus.REJECTED)
# In review: one of two managers has approved.
REOPENABLE = (*DECIDED, MatchStatus.IN_REVIEW)


# --- Undo -------------------------------------------------------------------------------------


def undo_until(review: Review) -> dt.datetime | None:
    """Return until when a decision can be undone if nobody acts on it; None: it cannot."""
    if review.status != ReviewStatus.SUBMITTED or review.closed_at is None:
        return None
    until = review.closed_at + dt.timedelta(minutes=settings.UNDO_MINUTES)
    return until if until > timezone.now() else None


def undo_problem(review: Review) -> str:
    """Return why a decision cannot be undone, "" where it can. Its match is loaded."""
    match = review.match
    if review.status != ReviewStatus.SUBMITTED:
        return _("There is no decision of yours to undo.")
    if undo_until(review) is None:
        return _("A decision can be undone for %(minutes)d minutes; that time has passed.") % {
            "minutes": settings.UNDO_MINUTES
        }
    if Consent.objects.filter(match=match).exists():
        return _("One side has answered already; the decision stands.")
    later = Review.objects.filter(match=match, assigned_at__gte=review.closed_at).exclude(
        pk=review.pk
    )
    if later.exclude(status=ReviewStatus.ASSIGNED).exclude(status=ReviewStatus.CANCELLED).exists():
        return _("Another manager works on this match already; the decision stands.")
    if match.status not in REOPENABLE:
        return _("This match is “%(status)s” now; the decision stands.") % {
            "status": match.get_status_display()
        }
    if match.is_frozen or not (match.demand.is_live and match.achievement.is_live):
        return _("One of the two listings is not published at present.")
    return ""


@transaction.atomic
def undo_review(*, review: Review, actor: User) -> Review:
    """Take one's own decision back within minutes, while nobody has acted on it.

    The review is open again with what was written. Raises `IllegalMove` with a sentence when it is
    too late, `ConflictOfInterest` for a manager who may decide no more.
    """
    review = hold_review(review)
    match = review.match
    if review.manager_id != actor.pk:
        raise IllegalMove(_("There is no decision of yours to undo."))
    if problem := undo_problem(review):
        raise IllegalMove(problem)
    check_free(review, actor)
    for second in Review.objects.open().filter(match=match).select_related("manager"):
        # Assigned a moment ago, and not taken on.
        second.match = match
        close(second, ReviewStatus.CANCELLED)
        telling.taken(second, "reopened")
    assert review.closed_at is not None  # a submitted one has it
    before, decided_at = match.status, review.closed_at
    if match.status in DECIDED:
        match.move_to(MatchStatus.IN_REVIEW)
    review.move_to(ReviewStatus.ACCEPTED)
    review.closed_at = review.stated_at = None
    review.due_on = _due_again(review)
    review.paused_on = review.days_left = None
    review.save(
        update_fields=("status", "closed_at", "stated_at", "due_on", "paused_on", "days_left")
    )
    match.due_on, match.decided_at, match.updated_at = review.due_on, None, timezone.now()
    match.save(update_fields=("status", "due_on", "decided_at", "updated_at"))
    log(match, MatchEvent.Verb.UNDONE, actor, before=before)
    telling.undone(review)
    unsettle_appeals(match, since=decided_at)
    return review


def _due_again(review: Review) -> dt.date:
    """Return the deadline of a review that is open again: no day is lost, none is won."""
    today = timezone.localdate()
    if review.paused_on is not None:
        return add_working_days(today, max(review.days_left or 0, 1))
    return max(review.due_on, today)


# --- Reopened by an operator ------------------------------------------------------------------


@transaction.atomic
def reopen_review(*, review: Review, actor: User, note: str) -> Match:
    """Take a decision back at an operator's word: another manager decides the match anew.

    Answers that sides gave to it are void with it. Raises `ConflictOfInterest` for one who is no
    operator or has a tie to a side, `ValidationError` without a note, `IllegalMove` when there is
    no decision to take back or the sides have met.
    """
    if not is_operator(actor):
        raise ConflictOfInterest
    review = hold_review(review)
    match = review.match
    if has_conflict(actor, match):
        raise ConflictOfInterest
    if not note.strip():
        raise ValidationError({"note": _("Please say in a sentence why you reopen it.")})
    if len(note) > NOTE_LIMIT:
        raise ValidationError({"note": _("Please keep the note under 1,000 characters.")})
    if review.status != ReviewStatus.SUBMITTED:
        raise IllegalMove(_("There is no decision to reopen; nothing was changed."))
    if match.status not in REOPENABLE:
        raise IllegalMove(
            _("This match is “%(status)s”; its decision can be reopened no more.")
            % {"status": match.get_status_display()}
        )
    _take_decision_back(review, ReviewStatus.REOPENED)
    telling.taken(review, "reopened")
    return _free_match(review, MatchEvent.Verb.REOPENED, actor, note=note.strip())


def _take_decision_back(review: Review, status: ReviewStatus) -> None:
    """Let a locked decision stand no more. Its `closed_at` stays: that is when it was made."""
    match = review.match
    review.move_to(status)
    review.save(update_fields=("status",))
    telling.undone(review)
    # They answered an approval that is no more; that they did stays in the history.
    Consent.objects.filter(match=match).delete()
    # And an objection that it settled waits for the next decision.
    assert review.closed_at is not None  # a submitted one has it
    unsettle_appeals(match, since=review.closed_at)


def _free_match(
    review: Review, verb: str, actor: User | None, *, reason: str = "", note: str = ""
) -> Match:
    """Give a locked match, of which one decision was taken back, to the next manager."""
    match, before = review.match, review.match.status
    # With another's review open the match is in good hands already.
    if not Review.objects.open().filter(match=match).exists():
        back_to_pool(match)
    log(match, verb, actor, before=before, reason=reason, note=note, subject=review.manager)
    return match


# --- Void -------------------------------------------------------------------------------------


@transaction.atomic
def void_review(
    *, review: Review, reason_kinds: Collection[str], actor: User | None = None
) -> bool:
    """Make a review void whose manager has a tie to a side. Return whether anything was done.

    `reason_kinds` are codes of `TieKind`. The match goes to somebody else, whether the review was
    open or decided. Once the sides have met nothing is taken back: the operators are told.
    """
    review = hold_review(review)
    match = review.match
    if review.status == ReviewStatus.SUBMITTED and match.status == MatchStatus.INTRODUCED:
        telling.introduced_by_a_tied_manager(review)
        return False
    reason = ",".join(kind for kind in TieKind.values if kind in reason_kinds)
    if review.is_open:
        close(review, ReviewStatus.VOID)
        telling.taken(review, "conflict")
        _free_match(review, MatchEvent.Verb.VOIDED, actor, reason=reason)
        return True
    if review.status != ReviewStatus.SUBMITTED or match.status not in (
        *REOPENABLE,
        MatchStatus.SUGGESTED,
    ):
        return False
    _take_decision_back(review, ReviewStatus.VOID)
    telling.taken(review, "conflict")
    if match.status == MatchStatus.SUGGESTED:  # another decision on it was taken back before
        log(match, MatchEvent.Verb.VOIDED, actor, reason=reason, subject=review.manager)
    else:
        _free_match(review, MatchEvent.Verb.VOIDED, actor, reason=reason)
    return True


def void_conflicted(user_ids: Iterable[int]) -> int:
    """Make void what managers hold or have decided for an organization that they are tied to.

    Safe to call twice. Return how many reviews were made void.
    """
    tied = ties(list(user_ids))
    if not tied:
        return 0
    recent = timezone.now() - dt.timedelta(days=VOID_DAYS)
    standing = Q(
        match__status__in=(MatchStatus.APPROVED, MatchStatus.IN_REVIEW, MatchStatus.SUGGESTED)
    )
    fresh = Q(
        match__status__in=(MatchStatus.REJECTED, MatchStatus.INTRODUCED), closed_at__gte=recent
    )
    held = Q(status__in=(ReviewStatus.ASSIGNED, ReviewStatus.ACCEPTED))
    decided = Q(status=ReviewStatus.SUBMITTED) & (standing | fresh)
    done = 0
    for user, organizations in tied.items():
        of_them = Q(match__demand__owner__in=organizations) | Q(
            match__achievement__owner__in=organizations
        )
        rows = (
            Review.objects.filter(held | decided, of_them, manager=user)
            .select_related("match__demand", "match__achievement")
            .order_by("match", "pk")
        )
        for review in rows:
            owners = (review.match.demand.owner_id, review.match.achievement.owner_id)
            kinds = set().union(*(organizations.get(owner, set()) for owner in owners))
            done += void_review(review=review, reason_kinds=kinds)
    return done


# --- Managers who may decide no more ----------------------------------------------------------


def release_reviews(user_ids: Iterable[int]) -> int:
    """Take the open reviews from those of the managers who are certified no more.

    Safe to call twice. Return how many were taken.
    """
    users = set(user_ids)
    certified = ManagerProfile.objects.certified().filter(user__in=users)
    users -= set(certified.values_list("user", flat=True))
    held = Review.objects.open().filter(manager__in=users).order_by("match")
    return sum(_release(pk) for pk in held.values_list("pk", flat=True))


@transaction.atomic
def _release(review_id: int) -> bool:
    review = hold_review(Review.objects.get(pk=review_id))
    if not review.is_open:
        return False
    match, before = review.match, review.match.status
    close(review, ReviewStatus.CANCELLED)
    back_to_pool(match)
    verb = MatchEvent.Verb.HANDED_BACK
    log(match, verb, None, before=before, reason="suspended", subject=review.manager)
    telling.taken(review, "suspended")
    return True
