"""The life of a listing as one table. Touches no database."""

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy


class IllegalMove(Exception):
    """A status change that the workflow does not allow. Its text is a sentence for the user."""


class ListingStatus(TextChoices):
    DRAFT = "draft", _("Draft")
    SUBMITTED = "submitted", pgettext_lazy("listing", "Submitted")
    NEEDS_INFO = "needs_info", _("Needs info")
    REJECTED = "rejected", _("Rejected")
    PUBLISHED = "published", _("Published")
    EXPIRED = "expired", _("Expired")
    FULFILLED = "fulfilled", _("Fulfilled")
    TRANSFERRED = "transferred", _("Transferred")
    CLOSED = "closed", pgettext_lazy("listing", "Closed")
    SUSPENDED = "suspended", pgettext_lazy("listing", "Suspended")
    WITHDRAWN = "withdrawn", _("Withdrawn")


S = ListingStatus

# The whole workflow. A status that is not a key is final.
MOVES: dict[str, set[ListingStatus]] = {
    S.DRAFT: {S.SUBMITTED, S.WITHDRAWN},
    S.SUBMITTED: {S.PUBLISHED, S.NEEDS_INFO, S.REJECTED, S.WITHDRAWN},
    S.NEEDS_INFO: {S.SUBMITTED, S.WITHDRAWN},
    # Submitted again: undone within minutes, or its owner objects.
    S.REJECTED: {S.SUBMITTED, S.WITHDRAWN},
    S.PUBLISHED: {
        S.SUBMITTED,
        S.EXPIRED,
        S.FULFILLED,
        S.TRANSFERRED,
        S.CLOSED,
        S.SUSPENDED,
        S.WITHDRAWN,
    },
    S.EXPIRED: {S.PUBLISHED, S.SUBMITTED, S.WITHDRAWN},
    S.SUSPENDED: {S.PUBLISHED, S.WITHDRAWN},
}

# What the owner may still write in.
EDITABLE = (S.DRAFT, S.NEEDS_INFO, S.PUBLISHED, S.EXPIRED)


class ListingDecision(TextChoices):
    """What a manager or an operator says of a submitted listing."""

    PUBLISH = "publish", _("Publish")
    NEEDS_INFO = "needs_info", _("Ask for more")
    REJECT = "reject", _("Reject")


class PublicationStatus(TextChoices):
    """What became of one check of a listing. Open ones wait for a manager or are with one."""

    ASSIGNED = "assigned", pgettext_lazy("publication", "To be checked")
    SUBMITTED = "submitted", pgettext_lazy("publication", "Decided")
    NO_RESPONSE = "no_response", _("No response in time")
    VOID = "void", _("Void: a conflict of interest")
    CANCELLED = "cancelled", _("No longer needed")


P = PublicationStatus

PUBLICATION_MOVES: dict[str, set[PublicationStatus]] = {
    P.ASSIGNED: {P.SUBMITTED, P.NO_RESPONSE, P.VOID, P.CANCELLED},
    # Open again: undone by who decided it.
    P.SUBMITTED: {P.ASSIGNED, P.VOID},
}


class PublicationEscalation(TextChoices):
    """Why the check of a listing waits for an operator."""

    NOBODY = "nobody", _("No manager is free to take it")
    NO_RESPONSE = "no_response", _("Two managers have not answered in time")
    CONFLICT = "conflict", _("Published by somebody with a conflict of interest")


class PublicationCriterion(TextChoices):
    """What one listing by itself can be given 0 to 5 points for."""

    MATURITY = "maturity", _("Maturity and feasibility")
    TERMS = "terms", _("Terms")
    CREDIBILITY = "credibility", _("Credibility and urgency")


LOWEST, HIGHEST = 0, 5


class ListingReason(TextChoices):
    """Why a listing was not published as it stands."""

    VAGUE = "vague", _("The problem or the result is not stated clearly")
    NO_FIGURES = "no_figures", _("Figures or units are missing")
    OUT_OF_SCOPE = "out_of_scope", _("Not a technical matter, or outside this platform")
    DUPLICATE = "duplicate", _("A duplicate of another listing")
    CONFIDENTIAL = "confidential", _("The public part gives away names or confidential facts")
    DOUBTFUL = "doubtful", _("Claims without evidence")
    OTHER = "other", _("Other, see the note")


class EndReason(TextChoices):
    """Why an owner ended a listing, whichever way."""

    HERE = "here", _("Through a partner found on this platform")
    ELSEWHERE = "elsewhere", _("Through a partner found elsewhere")
    ALONE = "alone", _("Solved by ourselves")
    NO_PARTNER = "no_partner", _("No suitable partner was found")
    NO_BUDGET = "no_budget", _("The budget or the project was dropped")
    OBSOLETE = "obsolete", _("Overtaken by newer technology")
    KEPT_BACK = "kept_back", _("It is to stay confidential for now")
    MISTAKE = "mistake", _("Posted by mistake, or posted twice")
    OTHER = "other", _("Other, see the note")


R = EndReason

# Which reasons fit which end, by list. An end that is not a key needs none.
END_REASONS: dict[str, dict[str, tuple[EndReason, ...]]] = {
    "demand": {
        S.FULFILLED: (R.HERE, R.ELSEWHERE, R.ALONE, R.OTHER),
        S.CLOSED: (R.NO_PARTNER, R.NO_BUDGET, R.OBSOLETE, R.OTHER),
        S.WITHDRAWN: (R.MISTAKE, R.KEPT_BACK, R.NO_BUDGET, R.OBSOLETE, R.ELSEWHERE, R.OTHER),
    },
    "achievement": {
        S.TRANSFERRED: (R.HERE, R.ELSEWHERE, R.OTHER),
        S.CLOSED: (R.NO_PARTNER, R.OBSOLETE, R.OTHER),
        S.WITHDRAWN: (R.MISTAKE, R.KEPT_BACK, R.OBSOLETE, R.ELSEWHERE, R.OTHER),
    },
}


class EventVerb(TextChoices):
    """What a step was that its two statuses alone do not tell."""

    UNDONE = "undone", _("A decision was undone")
    APPEALED = "appealed", _("The owner objects to the rejection")
    VOIDED = "voided", _("A decision is void: a conflict of interest")


class Actor(TextChoices):
    """In whose place somebody made a step."""

    OWNER = "owner", pgettext_lazy("actor", "The owner's side")
    REVIEWER = "reviewer", pgettext_lazy("actor", "A reviewer")
    OPERATOR = "operator", pgettext_lazy("actor", "An operator")
    CLOCK = "clock", pgettext_lazy("actor", "Automatically")


# The moves that are not the owner's.
_OTHERS: dict[tuple[str, str], Actor] = {
    (S.SUBMITTED, S.PUBLISHED): Actor.REVIEWER,
    (S.SUBMITTED, S.NEEDS_INFO): Actor.REVIEWER,
    (S.SUBMITTED, S.REJECTED): Actor.REVIEWER,
    (S.PUBLISHED, S.EXPIRED): Actor.CLOCK,
    (S.PUBLISHED, S.SUSPENDED): Actor.OPERATOR,
    (S.SUSPENDED, S.PUBLISHED): Actor.OPERATOR,
}


def actor_of(before: str, after: str, verb: str = "") -> Actor:
    """Say in whose place a move is made. A step that moves nothing is the owner's."""
    if verb == EventVerb.UNDONE:
        return Actor.REVIEWER
    if verb == EventVerb.VOIDED:
        return Actor.CLOCK
    return _OTHERS.get((before, after), Actor.OWNER)
