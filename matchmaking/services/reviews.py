"""What a technology manager does with a match: take it on, decide it, hand it on."""

from __future__ import annotations

from collections.abc import Sequence

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import InterestKind, ManagerInterest, ManagerProfile, User
from accounts.permissions import is_certified_manager
from accounts.workdays import add_working_days
from matchmaking.models import Match, MatchEvent, Review
from matchmaking.permissions import ConflictOfInterest, has_conflict
from matchmaking.workflow import (
    REASONS_FOR,
    Decision,
    IllegalMove,
    MatchStatus,
    ReviewReason,
    ReviewStatus,
    Side,
)


@transaction.atomic
def accept_review(*, review: Review, actor: User) -> Review:
    """Take a review on. From now on the manager reads both names, which the log says.

    Raises `ConflictOfInterest`, or `IllegalMove` when it is no longer theirs to take.
    """
    review = _lock(review, actor)
    if review.status == ReviewStatus.ACCEPTED:
        return review
    _check_free(review, actor)
    review.move_to(ReviewStatus.ACCEPTED)
    review.accepted_at = timezone.now()
    review.save(update_fields=("status", "accepted_at"))
    match = review.match
    match.is_touched, match.updated_at = True, timezone.now()
    match.save(update_fields=("is_touched", "updated_at"))
    _log(match, MatchEvent.Verb.ACCEPTED, actor)
    _log(match, MatchEvent.Verb.VIEWED, actor)
    return review


@transaction.atomic
def submit_review(
    *,
    review: Review,
    actor: User,
    decision: str,
    reasons: Sequence[str],
    comment: str,
    no_interest: bool,
) -> Match:
    """Decide a match: ask both sides, or end it with a reason.

    Raises `ValidationError` by field for an incomplete form, `ConflictOfInterest`, and
    `IllegalMove` when somebody has decided meanwhile or its texts are being changed.
    """
    review = _lock(review, actor)
    match = review.match
    if match.status != MatchStatus.IN_REVIEW or not review.is_open:
        raise IllegalMove(already_decided(match))
    _check_free(review, actor)
    if match.is_frozen:
        raise IllegalMove(
            _("One side is changing its listing. You can decide once it is published again.")
        )
    if not (match.demand.is_live and match.achievement.is_live):
        raise IllegalMove(_("One of the two listings is no longer published."))
    _check_form(decision, reasons, comment, no_interest)
    review.move_to(ReviewStatus.SUBMITTED)
    review.decision, review.reasons, review.comment = decision, list(reasons), comment.strip()
    review.closed_at = timezone.now()
    review.save(update_fields=("status", "decision", "reasons", "comment", "closed_at"))

    before = match.status
    approved = decision == Decision.APPROVE
    match.move_to(MatchStatus.APPROVED if approved else MatchStatus.REJECTED)
    match.is_touched = True
    match.decided_at = match.updated_at = timezone.now()
    match.due_on = (
        add_working_days(timezone.localdate(), settings.CONSENT_WORKING_DAYS) if approved else None
    )
    match.save(update_fields=("status", "is_touched", "decided_at", "updated_at", "due_on"))
    verb = MatchEvent.Verb.APPROVED if approved else MatchEvent.Verb.REJECTED
    _log(match, verb, actor, before=before, reason=",".join(reasons), note=review.comment)
    transaction.on_commit(_fill_queues)
    return match


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


def _check_form(decision: str, reasons: Sequence[str], comment: str, no_interest: bool) -> None:
    errors: dict[str, str] = {}
    if decision not in Decision.values:
        errors["decision"] = _("Please choose a decision.")
    elif not reasons or not set(reasons) <= set(REASONS_FOR[decision]):
        errors["reasons"] = _("Please choose at least one reason that goes with the decision.")
    if ReviewReason.OTHER in reasons and not comment.strip():
        errors["comment"] = _("Please say the other reason in a sentence.")
    if len(comment) > 2000:
        errors["comment"] = _("Please keep the comment under 2,000 characters.")
    if not no_interest:
        errors["no_interest"] = _(
            "Please confirm that you have no interest in either side, or declare it."
        )
    if errors:
        raise ValidationError(errors)


@transaction.atomic
def hand_back(
    *, review: Review, actor: User, note: str, interested_in: Sequence[str] = ()
) -> Match:
    """Give a review back, for want of time or because of an interest in one or both sides.

    A declared interest is kept: the manager is not asked about that organization again.
    """
    review = _lock(review, actor)
    match = review.match
    profile = ManagerProfile.objects.get(user=actor)
    for side in interested_in:
        ManagerInterest.objects.get_or_create(
            profile=profile,
            organization_id=match.listing(Side(side)).owner_id,
            defaults={"kind": InterestKind.INTEREST, "note": note[:300]},
        )
    _release(review, ReviewStatus.DECLINED)
    reason = "interest" if interested_in else "capacity"
    _log(match, MatchEvent.Verb.HANDED_BACK, actor, reason=reason, note=note)
    _back_to_pool(match)
    return match


@transaction.atomic
def refer(*, review: Review, actor: User, to: ManagerProfile, note: str) -> Review:
    """Give a review to a named colleague. Raises `ConflictOfInterest` if they have a tie."""
    review = _lock(review, actor)
    if review.status == ReviewStatus.ASSIGNED:
        raise IllegalMove(_("Please take the review on before you refer it."))
    if to.user_id == actor.pk:
        raise ValidationError({"to": _("Please choose a colleague.")})
    if not note.strip():
        raise ValidationError({"note": _("Please say in a sentence why you refer it.")})
    if not to.is_certified or has_conflict(to.user, review.match):
        raise ConflictOfInterest
    _release(review, ReviewStatus.REFERRED)
    _log(review.match, MatchEvent.Verb.REFERRED, actor, note=note)
    return open_review(
        match=review.match, profile=to, because={"referred_by": actor.pk, "note": note[:300]}
    )


def open_review(*, match: Match, profile: ManagerProfile, because: dict[str, object]) -> Review:
    """Put a locked match on a manager's desk, with a deadline."""
    due_on = add_working_days(timezone.localdate(), settings.REVIEW_WORKING_DAYS)
    review = Review.objects.create(
        match=match, manager=profile.user, due_on=due_on, assigned_because=because
    )
    before = match.status
    if match.status == MatchStatus.SUGGESTED:
        match.move_to(MatchStatus.IN_REVIEW)
    match.due_on, match.updated_at = due_on, timezone.now()
    match.save(update_fields=("status", "due_on", "updated_at"))
    _log(match, MatchEvent.Verb.ASSIGNED, None, before=before)
    return review


def _lock(review: Review, actor: User) -> Review:
    """Hold the match, then read the review again.

    The match is locked, not the review: two managers who act at once must agree who was first.
    Raises `IllegalMove` when the review is closed or somebody else's.
    """
    match = (
        Match.objects.select_for_update(of=("self",))
        .select_related("demand__owner", "achievement__owner")
        .get(pk=review.match_id)
    )
    current = Review.objects.get(pk=review.pk)
    current.match = match
    if current.manager_id != actor.pk or not current.is_open:
        raise IllegalMove(already_decided(match))
    return current


def _check_free(review: Review, actor: User) -> None:
    if not is_certified_manager(actor) or has_conflict(actor, review.match):
        raise ConflictOfInterest


def _release(review: Review, status: ReviewStatus) -> None:
    review.move_to(status)
    review.closed_at = timezone.now()
    review.save(update_fields=("status", "closed_at"))


def _back_to_pool(match: Match) -> None:
    """Let another manager have a match whose review was given back or ran out."""
    match.move_to(MatchStatus.SUGGESTED)
    match.due_on, match.updated_at = None, timezone.now()
    match.save(update_fields=("status", "due_on", "updated_at"))
    transaction.on_commit(_fill_queues)


def _fill_queues() -> None:
    from matchmaking.tasks import assign, send

    send(assign)


def time_out(*, review_id: int) -> bool:
    """Give a review whose deadline has passed to the next manager. Return whether it was."""
    with transaction.atomic():
        review = Review.objects.select_related("manager").get(pk=review_id)
        match = Match.objects.select_for_update().get(pk=review.match_id)
        review.refresh_from_db()
        late = review.due_on < timezone.localdate()
        if not review.is_open or not late or match.is_frozen:
            return False
        review.match = match
        _release(review, ReviewStatus.NO_RESPONSE)
        _log(match, MatchEvent.Verb.NO_RESPONSE, None)
        _back_to_pool(match)
    return True


def _log(
    match: Match,
    verb: str,
    actor: User | None,
    *,
    before: str | None = None,
    reason: str = "",
    note: str = "",
) -> None:
    MatchEvent.objects.create(
        match=match,
        actor=actor,
        verb=verb,
        before=match.status if before is None else before,
        after=match.status,
        reason=reason,
        note=note,
    )
