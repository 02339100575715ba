"""Links in mails that work without a log-in, each for one purpose and nothing else.

They are signed, not stored: whoever holds one proves no more than that they were sent it.
"""

from __future__ import annotations

import datetime as dt

from django.core import signing
from django.urls import reverse

from accounts.mail import absolute
from accounts.models import User
from accounts.permissions import can_write_for
from catalog.models import ListingReminder
from catalog.workflow import ListingStatus

# From the first reminder, 14 days ahead, to a month after the last day.
STILL_TRUE_AGE = dt.timedelta(days=45)
_STILL_TRUE, _UNSUBSCRIBE = "catalog.still-true", "catalog.no-search-mails"


def still_true_link(reminder: ListingReminder, user: User) -> str:
    """Return the address at which `user` says that the reminder's listing is still true."""
    token = signing.dumps([reminder.pk, user.pk], salt=_STILL_TRUE)
    return absolute(reverse("listing_still_true", args=[token]))


def read_still_true(token: str) -> tuple[ListingReminder, User] | None:
    """Return what a link was made for, or None: forged, too old, or void by now."""
    try:
        reminder_id, user_id = signing.loads(token, salt=_STILL_TRUE, max_age=STILL_TRUE_AGE)
    except (signing.BadSignature, ValueError):
        return None
    rows = ListingReminder.objects.select_related("demand", "achievement")
    reminder = rows.filter(pk=reminder_id).first()
    user = User.objects.filter(pk=user_id).first()
    if reminder is None or user is None or not holds(reminder, user):
        return None
    return reminder, user


def holds(reminder: ListingReminder, user: User) -> bool:
    """Say whether the reminder's question is still open, and `user` is still one to answer it.

    Whatever its owner has said of the listing since, by a link or on a page, closes it.
    """
    return is_open(reminder) and user.is_active and can_write_for(user, reminder.listing.owner_id)


def is_open(reminder: ListingReminder) -> bool:
    listing = reminder.listing
    return (
        listing.status in (ListingStatus.PUBLISHED, ListingStatus.EXPIRED)
        and listing.valid_until == reminder.valid_until
        and (listing.confirmed_at is None or listing.confirmed_at < reminder.created_at)
    )


def unsubscribe_link(user: User) -> str:
    """Return the address at which the mails of saved searches end. It works for good."""
    token = signing.dumps(user.pk, salt=_UNSUBSCRIBE)
    return absolute(reverse("saved_searches_unsubscribe", args=[token]))


def read_unsubscribe(token: str) -> User | None:
    try:
        return User.objects.filter(pk=signing.loads(token, salt=_UNSUBSCRIBE)).first()
    except (signing.BadSignature, ValueError):
        return None
