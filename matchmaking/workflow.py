"""The life of a match and of a review as tables. Touches no database."""

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from catalog.workflow import IllegalMove

__all__ = ["MOVES", "OPEN", "REVIEW_MOVES", "IllegalMove", "MatchStatus", "ReviewStatus"]


class MatchStatus(TextChoices):
    SUGGESTED = "suggested", _("Suggested")
    IN_REVIEW = "in_review", _("In review")
    APPROVED = "approved", _("Approved, awaiting both sides")
    INTRODUCED = "introduced", _("Introduced")
    REJECTED = "rejected", _("Not approved")
    DECLINED = "declined", _("Declined by one side")
    LAPSED = "lapsed", _("Lapsed")
    SUPERSEDED = "superseded", _("Replaced by a newer result")


M = MatchStatus

# The whole workflow. A status that is not a key is final. A referral is no status of its own:
# the match stays in review, and another manager's review opens (see REVIEW_MOVES).
MOVES: dict[str, set[MatchStatus]] = {
    M.SUGGESTED: {M.IN_REVIEW, M.SUPERSEDED},
    M.IN_REVIEW: {M.APPROVED, M.REJECTED, M.SUGGESTED, M.SUPERSEDED},
    # Back in review: undone by its manager. Suggested: an operator, an appeal or a conflict that
    # was found late gives it to somebody else.
    M.APPROVED: {M.INTRODUCED, M.DECLINED, M.LAPSED, M.IN_REVIEW, M.SUGGESTED},
    M.REJECTED: {M.IN_REVIEW, M.SUGGESTED},
    # A later run may find a replaced pair again.
    M.SUPERSEDED: {M.SUGGESTED},
}

OPEN = (M.SUGGESTED, M.IN_REVIEW, M.APPROVED)


class ReviewStatus(TextChoices):
    ASSIGNED = "assigned", _("Assigned")
    ACCEPTED = "accepted", _("Accepted")
    SUBMITTED = "submitted", pgettext_lazy("review", "Submitted")
    DECLINED = "declined", _("Handed back")
    REFERRED = "referred", _("Referred")
    NO_RESPONSE = "no_response", _("No response in time")
    CANCELLED = "cancelled", _("No longer needed")
    REOPENED = "reopened", _("Reopened")
    VOID = "void", _("Void: a conflict of interest")


R = ReviewStatus

REVIEW_MOVES: dict[str, set[ReviewStatus]] = {
    R.ASSIGNED: {R.ACCEPTED, R.DECLINED, R.NO_RESPONSE, R.CANCELLED, R.VOID},
    R.ACCEPTED: {R.SUBMITTED, R.REFERRED, R.DECLINED, R.NO_RESPONSE, R.CANCELLED, R.VOID},
    # Accepted again: undone by its manager within minutes.
    R.SUBMITTED: {R.ACCEPTED, R.REOPENED, R.VOID},
}


class Criterion(TextChoices):
    """What a manager gives 0 to 5 points for."""

    FIT = "fit", _("Technical fit")
    MATURITY = "maturity", _("Maturity and feasibility")
    TERMS = "terms", _("Terms")
    CREDIBILITY = "credibility", _("Credibility and urgency")


LOWEST, HIGHEST = 0, 5


class Escalation(TextChoices):
    """Why a match waits for an operator."""

    NOBODY = "nobody", _("No manager is free to take it")
    NO_RESPONSE = "no_response", _("Two managers have not answered in time")


class InquiryStatus(TextChoices):
    """Questions of a manager to one side."""

    OPEN = "open", pgettext_lazy("inquiry", "Waiting for the answer")
    ANSWERED = "answered", pgettext_lazy("inquiry", "Answered")
    EXPIRED = "expired", pgettext_lazy("inquiry", "Not answered in time")
    CANCELLED = "cancelled", pgettext_lazy("inquiry", "No longer needed")


INQUIRY_MOVES: dict[str, set[InquiryStatus]] = {
    InquiryStatus.OPEN: {InquiryStatus.ANSWERED, InquiryStatus.EXPIRED, InquiryStatus.CANCELLED},
}


class AppealStatus(TextChoices):
    """A side's one objection to a rejection: another manager looks again."""

    OPEN = "open", pgettext_lazy("appeal", "Another manager looks at it again")
    UPHELD = "upheld", pgettext_lazy("appeal", "The first decision stands")
    OVERTURNED = "overturned", pgettext_lazy("appeal", "Decided the other way")
    CANCELLED = "cancelled", pgettext_lazy("appeal", "No longer needed")


APPEAL_MOVES: dict[str, set[AppealStatus]] = {
    AppealStatus.OPEN: {AppealStatus.UPHELD, AppealStatus.OVERTURNED, AppealStatus.CANCELLED},
    # The decision that settled it was undone, reopened, or void.
    AppealStatus.UPHELD: {AppealStatus.OPEN},
    AppealStatus.OVERTURNED: {AppealStatus.OPEN},
}


class ContractState(TextChoices):
    """What came of an introduction, as one side tells it."""

    SIGNED = "signed", _("A contract is signed")
    TALKING = "talking", _("Still talking")
    ENDED = "ended", _("It came to nothing")


class ModelState(TextChoices):
    """What an embedding model is to the platform. Its vectors lie beside those of others."""

    BUILDING = "building", _("Being prepared")
    READY = "ready", _("Ready")
    CURRENT = "current", _("In use")
    RETIRED = "retired", _("Kept to go back to")
    REMOVED = "removed", _("Removed")


# Made by `manage.py embedding_models` alone, but for a platform's first model.
MODEL_MOVES: dict[str, set[ModelState]] = {
    ModelState.BUILDING: {ModelState.READY, ModelState.CURRENT, ModelState.REMOVED},
    ModelState.READY: {ModelState.CURRENT, ModelState.REMOVED},
    ModelState.CURRENT: {ModelState.RETIRED},
    ModelState.RETIRED: {ModelState.READY, ModelState.CURRENT, ModelState.REMOVED},
    ModelState.REMOVED: {ModelState.BUILDING},
}


class Decision(TextChoices):
    APPROVE = "approve", _("Approve and ask both sides")
    REJECT = "reject", _("Reject")


class ReviewReason(TextChoices):
    """Why a manager decided so. The first four go with an approval, the rest with a rejection."""

    MEASURED = "measured", _("Core must-haves are backed by measurements")
    EXPERIENCE = "experience", _("The team has done similar projects")
    NEGOTIABLE = "negotiable", _("The gap can be settled when they meet")
    COMPLEMENT = "complement", _("Different approach, same problem solved")
    INDICATOR_GAP = "indicator_gap", _("A must-have is not met")
    IMMATURE = "immature", _("Not mature enough")
    PRICE = "price", _("Price and budget are too far apart")
    OFF_TOPIC = "off_topic", _("Another problem under similar words")
    NO_EVIDENCE = "no_evidence", _("Results are not backed by evidence")
    OTHER = "other", _("Other, see the comment")


REASONS_FOR: dict[str, tuple[ReviewReason, ...]] = {
    Decision.APPROVE: (
        ReviewReason.MEASURED,
        ReviewReason.EXPERIENCE,
        ReviewReason.NEGOTIABLE,
        ReviewReason.COMPLEMENT,
        ReviewReason.OTHER,
    ),
    Decision.REJECT: (
        ReviewReason.INDICATOR_GAP,
        ReviewReason.IMMATURE,
        ReviewReason.PRICE,
        ReviewReason.OFF_TOPIC,
        ReviewReason.NO_EVIDENCE,
        ReviewReason.OTHER,
    ),
}


class Side(TextChoices):
    DEMAND = "demand", _("Demand side")
    ACHIEVEMENT = "achievement", _("Achievement side")


class DeclineReason(TextChoices):
    INDICATORS = "indicators", _("Indicators fall short")
    PRICE = "price", _("Price")
    TIMING = "timing", _("Timing")
    PARTNER = "partner", _("Already has a partner")
    DIRECTION = "direction", _("Plans have changed")
    OTHER = "other", _("Other")
