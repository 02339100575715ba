"""Several matches turned down at once: for what is plainly unfit, with one reason for all.

Nothing here is a shorter way than one by one: every review is taken on first, which shows both
names and is an event, and every decision is `submit_review`'s own, with its own checks. One that
is refused leaves the others as they are.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from accounts.models import User
from matchmaking.criteria import suggest_criteria
from matchmaking.models import Review
from matchmaking.permissions import ConflictOfInterest
from matchmaking.services.review_steps import filling_once
from matchmaking.services.reviews import accept_review, submit_review
from matchmaking.workflow import Decision, IllegalMove, ReviewStatus

# As many titles as a person reads before one click.
AT_MOST = 50


@dataclass
class Outcome:
    """What became of each: the reviews that went through, and the others with a sentence."""

    done: list[Review] = field(default_factory=list)
    refused: list[tuple[Review, str]] = field(default_factory=list)


def take_on(*, reviews: Iterable[Review], actor: User) -> Outcome:
    """Take each of these reviews on, as `accept_review` does for one."""
    outcome = Outcome()
    for review in reviews:
        try:
            if review.match.is_frozen:
                raise IllegalMove(_("One side is changing its listing; it waits for that."))
            if review.status == ReviewStatus.ASSIGNED:
                accept_review(review=review, actor=actor)
        except IllegalMove as exc:
            outcome.refused.append((review, str(exc)))
        except ConflictOfInterest:
            outcome.refused.append((review, _tied()))
        else:
            outcome.done.append(review)
    return outcome


def reject(
    *, reviews: Iterable[Review], actor: User, reason: str, comment: str, no_interest: bool
) -> Outcome:
    """Turn each of these matches down with the same reason and comment."""
    with filling_once():
        return _reject_each(reviews, actor, reason, comment, no_interest)


def _reject_each(
    reviews: Iterable[Review], actor: User, reason: str, comment: str, no_interest: bool
) -> Outcome:
    outcome = Outcome()
    for review in reviews:
        try:
            submit_review(
                review=review,
                actor=actor,
                decision=Decision.REJECT,
                reasons=[reason],
                comment=comment,
                no_interest=no_interest,
                criteria=suggest_criteria(review.match),
            )
        except IllegalMove as exc:
            outcome.refused.append((review, str(exc)))
        except ValidationError as exc:
            outcome.refused.append((review, " ".join(exc.messages)))
        except ConflictOfInterest:
            outcome.refused.append((review, _tied()))
        else:
            outcome.done.append(review)
    return outcome


def _tied() -> str:
    return _("You have a tie to one of its sides. Please hand it back.")
