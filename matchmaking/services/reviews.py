"""What a technology manager does with a match: take it on, decide it, hand it on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.conflicts import announce
from accounts.models import InterestKind, ManagerProfile, User
from accounts.workdays import add_working_days
from matchmaking import presenting
from matchmaking import reasons as reason_list
from matchmaking.criteria import problem_of, suggest_criteria
from matchmaking.models import Match, MatchEvent, Review
from matchmaking.permissions import ConflictOfInterest, has_conflict
from matchmaking.services import telling
from matchmaking.services.appeals import settle_appeals
from matchmaking.services.escalation import escalate_silence
from matchmaking.services.inquiries import cancel_inquiries
from matchmaking.services.overturning import (
    release_reviews,
    reopen_review,
    undo_review,
    void_conflicted,
    void_review,
)
from matchmaking.services.review_steps import (
    already_decided,
    approvals,
    back_to_pool,
    check_free,
    close,
    fill_queues,
    hold,
    hold_open,
    log,
    open_review,
)
from matchmaking.workflow import Decision, IllegalMove, MatchStatus, ReviewStatus, Side

__all__ = [
    "accept_review",
    "already_decided",
    "hand_back",
    "open_review",
    "refer",
    "release_reviews",
    "reopen_review",
    "submit_review",
    "time_out",
    "undo_review",
    "void_conflicted",
    "void_review",
]

COMMENT_LIMIT = 2000
REMARK_LIMIT = 300


@transaction.atomic
def accept_review(*, review: Review, actor: User) -> Review:
    """Take a review on. From now on the manager reads both names, which the log says.

    Raises `ConflictOfInterest`, or `IllegalMove` when it is no longer theirs to take.
    """
    review = hold_open(review, actor)
    if review.status == ReviewStatus.ACCEPTED:
        return review
    check_free(review, actor)
    review.move_to(ReviewStatus.ACCEPTED)
    review.accepted_at = timezone.now()
    review.save(update_fields=("status", "accepted_at"))
    match = review.match
    match.is_touched, match.updated_at = True, timezone.now()
    match.save(update_fields=("is_touched", "updated_at"))
    log(match, MatchEvent.Verb.ACCEPTED, actor)
    log(match, MatchEvent.Verb.VIEWED, actor)
    telling.taken_on(match)
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
    criteria: Mapping[str, int] | None = None,
    remarks: Mapping[str, str] | None = None,
) -> Match:
    """Decide a match: ask both sides, or end it with a reason.

    A match that `needs_second` stays in review after the first of two approvals. `remarks` are by
    line of the grid, see `presenting.row_keys`. Raises `ValidationError` by field for an incomplete
    form, `ConflictOfInterest`, and `IllegalMove` when somebody has decided meanwhile or its texts
    are being changed.
    """
    review = hold_open(review, actor)
    match = review.match
    if match.status != MatchStatus.IN_REVIEW:
        raise IllegalMove(already_decided(match))
    check_free(review, actor)
    if match.is_frozen:
        raise IllegalMove(
            _("One side is changing its listing. You can decide once it is published again.")
        )
    if not (match.demand.is_live and match.achievement.is_live):
        raise IllegalMove(_("One of the two listings is no longer published."))
    points, said = dict(criteria or {}), _remarks(remarks or {})
    _check_form(match, decision, reasons, comment, no_interest, points, said)
    first = decision == Decision.APPROVE and match.needs_second and not approvals(match)
    now = timezone.now()
    review.move_to(ReviewStatus.SUBMITTED)
    review.decision, review.reasons = decision, list(dict.fromkeys(reasons))
    review.comment, review.criteria, review.remarks = comment.strip(), points, said
    review.suggested, review.closed_at, review.stated_at = suggest_criteria(match), now, now
    review.save(
        update_fields=(
            *("status", "decision", "reasons", "comment", "criteria", "remarks", "suggested"),
            *("closed_at", "stated_at"),
        )
    )
    cancel_inquiries(review)

    before = match.status
    approved = decision == Decision.APPROVE
    match.is_touched, match.updated_at = True, now
    if first:
        match.due_on = None
    else:
        match.move_to(MatchStatus.APPROVED if approved else MatchStatus.REJECTED)
        match.decided_at = now
        days = settings.CONSENT_WORKING_DAYS
        match.due_on = add_working_days(timezone.localdate(), days) if approved else None
    match.save(update_fields=("status", "is_touched", "decided_at", "updated_at", "due_on"))
    verb = MatchEvent.Verb.APPROVED if approved else MatchEvent.Verb.REJECTED
    log(
        match,
        MatchEvent.Verb.FIRST_YES if first else verb,
        actor,
        before=before,
        reason=",".join(review.reasons),
        note=review.comment,
    )
    if not first:
        telling.decided(match, review)
        settle_appeals(match)
    transaction.on_commit(fill_queues)
    return match


def _remarks(remarks: Mapping[str, str]) -> dict[str, str]:
    return {key: text.strip() for key, text in remarks.items() if text.strip()}


def _check_form(
    match: Match,
    decision: str,
    reasons: Sequence[str],
    comment: str,
    no_interest: bool,
    criteria: Mapping[str, int],
    remarks: Mapping[str, str],
) -> None:
    """Raise `ValidationError` with a sentence for each field that is wrong."""
    errors: dict[str, str] = {}
    if decision not in Decision.values:
        errors["decision"] = _("Please choose a decision.")
    else:
        known = {entry.code: entry for entry in reason_list.choices(decision)}
        if not reasons or not set(reasons) <= set(known):
            errors["reasons"] = _("Please choose at least one reason that goes with the decision.")
        elif not comment.strip() and any(known[code].needs_comment for code in reasons):
            errors["comment"] = _("Please say the other reason in a sentence.")
    owners = (match.demand.owner, match.achievement.owner)
    if len(comment) > COMMENT_LIMIT:
        errors["comment"] = _("Please keep the comment under 2,000 characters.")
    elif presenting.names_any(comment, owners):
        errors["comment"] = _(
            "The comment names one of the sides or its contacts. Both sides read it "
            "before they are introduced; please leave that out."
        )
    if wrong := problem_of(criteria):
        errors["criteria"] = " ".join(wrong.values())
    if problem := _remark_problem(match, remarks):
        errors["remarks"] = problem
    if not no_interest:
        errors["no_interest"] = _(
            "Please confirm that you have no interest in either side, or declare it."
        )
    if errors:
        raise ValidationError(errors)


def _remark_problem(match: Match, remarks: Mapping[str, str]) -> str:
    if not set(remarks) <= set(presenting.row_keys(match)):
        return _("One of the lines does not belong to this match any more.")
    if any(len(text) > REMARK_LIMIT for text in remarks.values()):
        return _("Please keep each remark under 300 characters.")
    owners = (match.demand.owner, match.achievement.owner)
    if any(presenting.names_any(text, owners) for text in remarks.values()):
        return _(
            "A remark names one of the sides or its contacts. Both sides read it before they are "
            "introduced; please leave that out."
        )
    return ""


@transaction.atomic
def hand_back(
    *, review: Review, actor: User, note: str, interested_in: Sequence[str] = ()
) -> Match:
    """Give a review back, for want of time or because of an interest in one or both sides.

    A declared interest is kept: the manager is not asked about that organization again.
    """
    review = hold_open(review, actor)
    match = review.match
    profile = ManagerProfile.objects.select_for_update().get(user=actor)
    for side in interested_in:
        owner = match.listing(Side(side)).owner_id
        # One that was struck out holds no more.
        if not profile.interests.standing().filter(organization=owner).exists():
            profile.interests.create(
                organization_id=owner, kind=InterestKind.INTEREST, note=note[:300]
            )
    if interested_in:
        announce(users=[actor.pk])
    close(review, ReviewStatus.DECLINED)
    before = match.status
    back_to_pool(match)
    reason = "interest" if interested_in else "capacity"
    log(match, MatchEvent.Verb.HANDED_BACK, actor, before=before, reason=reason, note=note)
    return match


@transaction.atomic
def refer(*, review: Review, actor: User, to: ManagerProfile, note: str) -> Review:
    """Give a review to a named colleague. Raises `ConflictOfInterest` if they have a tie."""
    review = hold_open(review, actor)
    if review.status == ReviewStatus.ASSIGNED:
        raise IllegalMove(_("Please take the review on before you refer it."))
    if to.user_id == actor.pk:
        raise ValidationError({"to": _("Please choose a colleague.")})
    if not note.strip():
        raise ValidationError({"note": _("Please say in a sentence why you refer it.")})
    if not to.is_certified or has_conflict(to.user, review.match):
        raise ConflictOfInterest
    close(review, ReviewStatus.REFERRED)
    log(review.match, MatchEvent.Verb.REFERRED, actor, note=note, subject=to.user)
    return open_review(
        match=review.match, profile=to, because={"referred_by": actor.pk, "note": note[:300]}
    )


def time_out(*, review_id: int) -> bool:
    """Give a review whose deadline has passed to the next manager. Return whether it was.

    While a side is asked, or its listing is being changed, the clock stands still.
    """
    with transaction.atomic():
        match = hold(Review.objects.values_list("match", flat=True).get(pk=review_id))
        review = Review.objects.select_related("manager").get(pk=review_id)
        late = review.due_on < timezone.localdate() and review.paused_on is None
        if not review.is_open or not late or match.is_frozen:
            return False
        review.match = match
        close(review, ReviewStatus.NO_RESPONSE)
        before = match.status
        back_to_pool(match)
        log(match, MatchEvent.Verb.NO_RESPONSE, None, before=before, subject=review.manager)
        telling.taken(review, "no_response")
        escalate_silence(match)
    return True
