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
    S.REJECTED: {S.WITHDRAWN},
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


class ListingReason(TextChoices):
    """Why a listing was not published as it stands."""

    VAGUE = "vague", _("The problem or the result is not stated clearly")
    NO_FIGURES = "no_figures", _("Figures or units are missing")
    OUT_OF_SCOPE = "out_of_scope", _("Not a technical matter, or outside this platform")
    DUPLICATE = "duplicate", _("A duplicate of another listing")
    CONFIDENTIAL = "confidential", _("The public part gives away names or confidential facts")
    DOUBTFUL = "doubtful", _("Claims without evidence")
    OTHER = "other", _("Other, see the note")
