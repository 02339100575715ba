"""What a listing's status means for its owner: in plain words, what comes next, and by which day.

No status without a next step: silence is the first complaint about every platform.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.templatetags.kq import day
from catalog.models import Listing
from catalog.services.reminding import AHEAD
from catalog.workflow import ListingStatus


@dataclass(frozen=True)
class Way:
    """A way on: a link that its reader can follow. `primary`: what most people would do."""

    label: str
    url: str
    primary: bool = False


@dataclass(frozen=True)
class Answer:
    """What is the case, what comes next, and by which day, where there is one.

    `reasons`: why, one courteous sentence each. `ways`: for those who may write for the side.
    """

    what: str
    next_step: str
    by: dt.date | None = None
    reasons: tuple[str, ...] = ()
    ways: tuple[Way, ...] = ()

    @property
    def way(self) -> Way | None:
        return next((way for way in self.ways if way.primary), None)


def status_text(
    listing: Listing,
    *,
    due_on: dt.date | None = None,
    reasons: Sequence[str] = (),
    object_until: dt.date | None = None,
) -> Answer:
    """Say to its owner how a listing stands.

    `due_on`: until when the check is to be decided; `reasons`: why it came back, in sentences;
    `object_until`: the last day for an objection to a rejection, None where there can be none.
    """
    status = ListingStatus(listing.status)
    if status == ListingStatus.PUBLISHED:
        if listing.is_live:
            return _published(listing)
        status = ListingStatus.EXPIRED  # the clock has not come round yet
    if status in _ENDED_TEXTS:
        return Answer(str(_ENDED_TEXTS[status]()), _("Nothing is left to do."), ways=())
    if status == ListingStatus.REJECTED:
        return _rejected(listing, reasons, object_until)
    what, next_step = _TEXTS[status]()
    return Answer(
        what,
        next_step,
        by=due_on if status == ListingStatus.SUBMITTED else None,
        reasons=tuple(reasons),
        ways=_ways(listing),
    )


_ENDED_TEXTS = {
    ListingStatus.FULFILLED: lambda: _("You have marked it as solved."),
    ListingStatus.TRANSFERRED: lambda: _("You have marked it as transferred."),
    ListingStatus.CLOSED: lambda: _("You have closed it."),
    ListingStatus.WITHDRAWN: lambda: _("You have withdrawn it."),
}
_TEXTS = {
    ListingStatus.DRAFT: lambda: (
        _("Only your organization sees this draft."),
        _("Complete it and hand it in; then it is checked."),
    ),
    ListingStatus.SUBMITTED: lambda: (
        _("It has been handed in and is being checked."),
        _("You are told whether it is published, what is missing, or why not."),
    ),
    ListingStatus.NEEDS_INFO: lambda: (
        _("The reviewer needs more before it can be published."),
        _("Add what is missing and hand it in again."),
    ),
    ListingStatus.EXPIRED: lambda: (
        _("Its last day has passed, so nobody finds it any more."),
        _("Confirm that it is still true, and it is published again."),
    ),
    ListingStatus.SUSPENDED: lambda: (
        _("An operator has taken it off the list."),
        _("Read the reason. An operator lets it back, or you withdraw it."),
    ),
}


def _rejected(listing: Listing, reasons: Sequence[str], object_until: dt.date | None) -> Answer:
    what = _("It was not published.")
    if object_until is None:
        return Answer(
            what,
            _("This decision is final; you can write a new one from a copy."),
            reasons=tuple(reasons),
        )
    return Answer(
        what,
        _("You can object once: then somebody else looks at it. Or write a new one from a copy."),
        by=object_until,
        reasons=tuple(reasons),
        ways=(
            Way(
                _("Object to this decision"),
                reverse(f"{listing.kind}_appeal", args=[listing.number]),
                primary=True,
            ),
        ),
    )


def _published(listing: Listing) -> Answer:
    until = listing.valid_until
    left = None if until is None else (until - timezone.localdate()).days
    if until is not None and left is not None and left <= AHEAD:
        return Answer(
            _("It is published, and its last day is near."),
            _("Confirm that it is still true, or it leaves the list."),
            by=until,
            ways=_ways(listing),
        )
    what = _("It is published and compared with every new listing of the other list.")
    if until is not None:
        what = _(
            "It is published until %(day)s and compared with every new listing of the other list."
        ) % {"day": day(until)}
    return Answer(what, _("You are asked as soon as a manager approves a match."))


def _ways(listing: Listing) -> tuple[Way, ...]:
    kind, number = listing.kind, listing.number
    labels = {
        ListingStatus.DRAFT: (_("Go on writing"), f"{kind}_edit"),
        ListingStatus.NEEDS_INFO: (_("Add what is missing"), f"{kind}_edit"),
        ListingStatus.EXPIRED: (_("Confirm that it is still true"), f"{kind}_confirm"),
        ListingStatus.PUBLISHED: (_("Confirm that it is still true"), f"{kind}_confirm"),
    }
    found = labels.get(ListingStatus(listing.status))
    if found is None:
        return ()
    return (Way(found[0], reverse(found[1], args=[number]), primary=True),)
