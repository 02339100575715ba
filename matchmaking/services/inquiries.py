"""Questions of a manager to one side of a match. While they are open, the review's clock waits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import User
from accounts.notices import notify, writers_of
from accounts.permissions import can_write_for, is_certified_manager
from accounts.text import clean_text
from accounts.workdays import add_working_days, working_days_left
from matchmaking import presenting
from matchmaking import questions as asking
from matchmaking.models import Inquiry, Match, MatchEvent, Review
from matchmaking.permissions import ConflictOfInterest, has_conflict, owner_of
from matchmaking.workflow import (
    INQUIRY_MOVES,
    IllegalMove,
    InquiryStatus,
    MatchStatus,
    ReviewStatus,
    Side,
)


@transaction.atomic
def ask(
    *, review: Review, actor: User, side: str, questions: Sequence[Mapping[str, str]]
) -> Inquiry:
    """Ask one side up to eight questions, each about a line or field: {"field", "text"}.

    The deadline of the review stands still until they are answered, taken back, or the side has
    let its own deadline pass. Raises `ConflictOfInterest`; `IllegalMove` when the review is not
    the actor's accepted one, is paused already, or has asked three times; `ValidationError` by
    field ("side", "questions", or the key of a line).
    """
    review = _lock(review.pk)
    match = review.match
    if review.manager_id != actor.pk or review.status != ReviewStatus.ACCEPTED:
        raise IllegalMove(_("Only the manager who has taken the review on can ask; it is closed."))
    if not is_certified_manager(actor) or has_conflict(actor, match):
        raise ConflictOfInterest
    if match.status != MatchStatus.IN_REVIEW:
        raise IllegalMove(
            _("This match is “%(status)s”; nobody can be asked any more.")
            % {"status": match.get_status_display()}
        )
    if match.is_frozen or not (match.demand.is_live and match.achievement.is_live):
        raise IllegalMove(
            _("One side is changing its listing. You can ask once it is published again.")
        )
    earlier = list(review.inquiries.all())
    if any(one.status == InquiryStatus.OPEN for one in earlier):
        raise IllegalMove(
            _("One side is being asked already. Wait for the answer or take it back.")
        )
    if len(earlier) >= asking.MOST_INQUIRIES:
        raise IllegalMove(
            _("You have asked three times in this review; please decide with what you have.")
        )
    checked = _check(match, side, questions)
    today = timezone.localdate()
    inquiry = Inquiry.objects.create(
        review=review,
        side=Side(side),
        questions=checked,
        due_on=add_working_days(today, settings.INQUIRY_WORKING_DAYS),
    )
    review.paused_on, review.days_left = today, working_days_left(review.due_on, today)
    review.save(update_fields=("paused_on", "days_left"))
    match.due_on, match.updated_at = inquiry.due_on, timezone.now()
    match.save(update_fields=("due_on", "updated_at"))
    _log(match, MatchEvent.Verb.ASKED, actor, side=side)
    for user in writers_of(match.listing(side).owner):
        notify(
            kind="match.asked",
            user=user,
            key=f"match.asked:{inquiry.pk}:{user.pk}",
            payload={"inquiry": inquiry.pk, "side": str(side)},
        )
    return inquiry


def _check(match: Match, side: str, questions: Sequence[Mapping[str, str]]) -> list[dict[str, str]]:
    """Return the questions as they are kept. Raises `ValidationError` by field."""
    if side not in Side.values:
        raise ValidationError({"side": _("Please choose the side that you ask.")})
    if not questions:
        raise ValidationError({"questions": _("Please tick at least one line and ask about it.")})
    if len(questions) > asking.MOST_QUESTIONS:
        raise ValidationError(
            {
                "questions": _("Please ask at most %(most)d questions at once.")
                % {"most": asking.MOST_QUESTIONS}
            }
        )
    names = {line.key: line.name for line in asking.lines(match, side)}
    owners = (match.demand.owner, match.achievement.owner)
    errors: dict[str, str] = {}
    kept = []
    for question in questions:
        field, text = str(question.get("field", "")), clean_text(str(question.get("text", "")))
        if field not in names:
            errors["questions"] = _("One of the lines does not belong to this match any more.")
        elif not asking.SHORTEST <= len(text) <= asking.LONGEST:
            errors[field] = _("Please ask in %(least)d to %(most)d characters.") % {
                "least": asking.SHORTEST,
                "most": asking.LONGEST,
            }
        elif presenting.names_any(text, owners):
            errors[field] = _(
                "The question names one of the sides or its contacts; please leave that out."
            )
        else:
            kept.append({"field": field, "name": names[field], "text": text})
    if len({one["field"] for one in kept}) < len(kept):
        errors["questions"] = _("Please ask one question about each line.")
    if errors:
        raise ValidationError(errors)
    return kept


@transaction.atomic
def answer_inquiry(*, inquiry: Inquiry, actor: User, answers: Sequence[str]) -> Inquiry:
    """Record one side's answers, one for each question in their order. The clock goes on.

    Raises `ConflictOfInterest` for somebody who may not write for that side, `IllegalMove` when
    nobody waits for an answer any more, `ValidationError` by the place of a question ("0", "1").
    """
    inquiry = _lock_inquiry(inquiry.pk)
    match = inquiry.review.match
    if not can_write_for(actor, owner_of(match, inquiry.side)):
        raise ConflictOfInterest
    if inquiry.status != InquiryStatus.OPEN:
        raise IllegalMove(closed_text(inquiry))
    texts = [clean_text(str(text)) for text in answers]
    texts += [""] * (len(inquiry.questions) - len(texts))
    errors = {}
    for place, text in enumerate(texts):
        if not text:
            errors[str(place)] = _("Please answer this question; a short sentence will do.")
        elif len(text) > asking.LONGEST_ANSWER:
            errors[str(place)] = _("Please keep the answer under 2,000 characters.")
    if errors or len(texts) != len(inquiry.questions):
        raise ValidationError(errors or {"0": _("Please answer each question once.")})
    inquiry.answers, inquiry.answered_by = texts, actor
    _close(inquiry, InquiryStatus.ANSWERED)
    _resume(inquiry.review)
    _log(match, MatchEvent.Verb.ANSWERED, actor, side=inquiry.side)
    _tell_manager(inquiry)
    return inquiry


def closed_text(inquiry: Inquiry) -> str:
    """Return the sentence for somebody whose answer comes too late."""
    if inquiry.status == InquiryStatus.ANSWERED:
        return _("A colleague of yours has answered already; nothing was changed.")
    if inquiry.status == InquiryStatus.EXPIRED:
        return _("The day for the answer has passed, and the manager decides without it.")
    return _("The manager does not need these answers any more; nothing was changed.")


@transaction.atomic
def take_back(*, inquiry: Inquiry, actor: User) -> Inquiry:
    """Withdraw questions that are not answered yet. Raises `IllegalMove`."""
    inquiry = _lock_inquiry(inquiry.pk)
    if inquiry.review.manager_id != actor.pk or not inquiry.review.is_open:
        raise IllegalMove(_("These are not your questions to take back."))
    if inquiry.status != InquiryStatus.OPEN:
        raise IllegalMove(
            _("These questions are “%(status)s” already; nothing was changed.")
            % {"status": inquiry.get_status_display()}
        )
    _close(inquiry, InquiryStatus.CANCELLED)
    _resume(inquiry.review)
    return inquiry


def expire_inquiry(*, inquiry_id: int) -> bool:
    """Let the manager decide without an answer that did not come in time. Return whether it was.

    Nothing expires while a listing is being changed: its clock stands still as well.
    """
    with transaction.atomic():
        inquiry = _lock_inquiry(inquiry_id)
        match = inquiry.review.match
        late = inquiry.due_on < timezone.localdate()
        if inquiry.status != InquiryStatus.OPEN or not late or match.is_frozen:
            return False
        _close(inquiry, InquiryStatus.EXPIRED)
        _resume(inquiry.review)
        _log(match, MatchEvent.Verb.UNANSWERED, None, side=inquiry.side)
        _tell_manager(inquiry)
    return True


def cancel_inquiries(review: Review, *, side: str = "") -> int:
    """Close what a review still asks: it was decided or handed on, or a listing is being changed.

    The caller holds the match's lock, and has it as `review.match`. With `side`, only what that
    side is asked: its new version is the answer. Return how many were closed.
    """
    waiting = Inquiry.objects.filter(review=review, status=InquiryStatus.OPEN)
    if side:
        waiting = waiting.filter(side=side)
    closed = waiting.update(status=InquiryStatus.CANCELLED, closed_at=timezone.now())
    if closed:
        _resume(review)
    return closed


def prolong_inquiries(review: Review) -> None:
    """Give the side that is asked its full term again, and later the manager theirs.

    For a match that was frozen. The caller holds its lock, and saves `review.match.due_on`.
    """
    today = timezone.localdate()
    inquiry = Inquiry.objects.get(review=review, status=InquiryStatus.OPEN)
    inquiry.due_on = max(inquiry.due_on, add_working_days(today, settings.INQUIRY_WORKING_DAYS))
    inquiry.save(update_fields=("due_on",))
    review.days_left = max(review.days_left or 0, settings.REVIEW_WORKING_DAYS)
    review.save(update_fields=("days_left",))
    review.match.due_on = inquiry.due_on


def _lock(review_id: int) -> Review:
    """Hold the match, then read the review again."""
    pk = Review.objects.values_list("match", flat=True).get(pk=review_id)
    match = (
        Match.objects.select_for_update(of=("self",))
        .select_related(
            "demand__owner", "achievement__owner", "demand_revision", "achievement_revision"
        )
        .get(pk=pk)
    )
    review = Review.objects.select_related("manager").get(pk=review_id)
    review.match = match
    return review


def _lock_inquiry(inquiry_id: int) -> Inquiry:
    review = _lock(Inquiry.objects.values_list("review", flat=True).get(pk=inquiry_id))
    inquiry = Inquiry.objects.get(pk=inquiry_id)
    inquiry.review = review
    return inquiry


def _close(inquiry: Inquiry, status: InquiryStatus) -> None:
    if status not in INQUIRY_MOVES.get(inquiry.status, set()):
        raise IllegalMove(closed_text(inquiry))
    inquiry.status, inquiry.closed_at = status, timezone.now()
    inquiry.save(update_fields=("status", "closed_at", "answers", "answered_by"))


def _resume(review: Review) -> None:
    """Let the review's clock go on: with the working days that were left, one at least."""
    if review.paused_on is None:
        return
    days = max(review.days_left or 0, 1)
    review.due_on = add_working_days(timezone.localdate(), days)
    review.paused_on = review.days_left = None
    review.save(update_fields=("due_on", "paused_on", "days_left"))
    if not review.is_open:
        return
    match = review.match
    match.due_on, match.updated_at = review.due_on, timezone.now()
    match.save(update_fields=("due_on", "updated_at"))


def _tell_manager(inquiry: Inquiry) -> None:
    notify(
        kind="review.answered",
        user=inquiry.review.manager,
        key=f"review.answered:{inquiry.pk}",
        payload={"inquiry": inquiry.pk},
    )


def _log(match: Match, verb: str, actor: User | None, *, side: str) -> None:
    MatchEvent.objects.create(
        match=match, actor=actor, verb=verb, before=match.status, after=match.status, side=side
    )
