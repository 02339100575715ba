"""What came of the last check of a listing, and what comes next: for its own side and operators."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from catalog.answers import Answer, status_text
from catalog.models import Listing, ListingEvent
from catalog.reasons import answer
from catalog.remarks import Remark, remarks
from catalog.services.deciding import asked_of, objection_to
from catalog.timeline import DECIDED, reason_label
from catalog.workflow import ListingStatus

_EXPLAINED = (ListingStatus.NEEDS_INFO, ListingStatus.REJECTED, ListingStatus.SUSPENDED)


@dataclass(frozen=True)
class Outcome:
    """`last` is the step that explains the status, `why` its reason in a few words, `said` what was
    asked at single fields, `refusal` why there can be no objection."""

    answer: Answer
    last: ListingEvent | None
    why: str
    said: list[Remark]
    refusal: str


def outcome_of(listing: Listing, *, due_on: dt.date | None) -> Outcome:
    """Say how a listing stands; `due_on`: until when the owner was promised an answer."""
    last, asked, objection = _last_event(listing), asked_of(listing), objection_to(listing)
    given = last is not None and last.after in DECIDED and last.reason
    can_object = objection is not None and not objection.refusal
    return Outcome(
        answer=status_text(
            listing,
            due_on=due_on,
            reasons=[answer("listing", last.reason)] if last is not None and given else [],
            object_until=objection.until if objection is not None and can_object else None,
        ),
        last=last,
        why=reason_label(last) if last is not None else "",
        said=remarks(listing.kind, asked.questions) if asked is not None else [],
        refusal=objection.refusal if objection is not None else "",
    )


def _last_event(listing: Listing) -> ListingEvent | None:
    """Return the step that explains the present status, where one needs explaining."""
    if listing.status not in _EXPLAINED:
        return None
    events = ListingEvent.objects.filter(**{listing.kind: listing}, after=listing.status)
    return events.order_by("-pk").first()
