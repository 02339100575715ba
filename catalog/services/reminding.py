"""Asking owners whether a listing is still true before its last day. Run by a task.

An organization is told of all its listings at once: an office that brought in ten thousand with
the same last day gets one mail, not ten thousand. `ListingReminder` keeps what was asked, so a
clock that stood still for a week asks once when it goes again, and two clocks ask once.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from accounts.mail import promise
from accounts.models import Membership, MembershipRole, Organization, User
from catalog.links import holds
from catalog.models import Achievement, Demand, Listing, ListingReminder, ReminderStage
from catalog.services.publishing import confirm_valid
from catalog.workflow import ListingStatus

MODELS: dict[str, type[Listing]] = {"demand": Demand, "achievement": Achievement}

# Days before the last one; what ran out longer ago than `EXPIRED_FOR` is not dug up.
AHEAD, SOON, EXPIRED_FOR = 14, 3, 30
# An owner who spoke of it so few days ago knows its last day.
QUIET = {ReminderStage.AHEAD: 7, ReminderStage.SOON: 2}
# How long a listing stays when its owner says “still true” without choosing a day.
PROLONGED_BY = 180
# A mail names so many listings, and says how many more there are.
NAMED = 20
# Owners of an organization who are written to where nobody in particular is responsible.
OWNERS = 5
# Listings of one organization that one transaction takes; the next run takes the rest.
BATCH = 5000


def remind(*, limit: int = 200) -> int:
    """Ask what is due to be asked, of at most `limit` organizations a stage. Return how many."""
    today = timezone.localdate()
    asked = 0
    for stage in ReminderStage:
        owners: set[int] = set()
        for kind in MODELS:
            due = _due(kind, stage, today).order_by().values_list("owner", flat=True)
            owners |= set(due.distinct()[:limit])
        asked += sum(_ask(owner, stage, today) for owner in sorted(owners))
    return asked


def _due(kind: str, stage: ReminderStage, today: dt.date) -> QuerySet[Any]:
    """Return the listings of whose last day nobody has been told at this stage."""
    told = ListingReminder.objects.filter(
        **{kind: OuterRef("pk")}, valid_until=OuterRef("valid_until"), stage=stage
    )
    first, last, status = {
        ReminderStage.AHEAD: (SOON + 1, AHEAD, ListingStatus.PUBLISHED),
        ReminderStage.SOON: (0, SOON, ListingStatus.PUBLISHED),
        ReminderStage.EXPIRED: (-EXPIRED_FOR, -1, ListingStatus.EXPIRED),
    }[stage]
    rows = MODELS[kind].objects.filter(
        status=status,
        valid_until__gte=today + dt.timedelta(days=first),
        valid_until__lte=today + dt.timedelta(days=last),
    )
    if stage in QUIET:
        spoke = timezone.now() - dt.timedelta(days=QUIET[stage])
        rows = rows.filter(Q(confirmed_at__isnull=True) | Q(confirmed_at__lt=spoke))
    return rows.filter(~Exists(told))


@transaction.atomic
def _ask(owner_id: int, stage: ReminderStage, today: dt.date) -> int:
    """Note what is asked of one organization, and promise the mails about it."""
    # Another clock that is at this organization now does the same.
    rows = Organization.objects.select_for_update(skip_locked=True, no_key=True)
    if rows.filter(pk=owner_id).first() is None:
        return 0
    reminders: list[ListingReminder] = []
    creators: list[int | None] = []
    for kind in MODELS:
        due = _due(kind, stage, today).filter(owner=owner_id).order_by("valid_until", "pk")
        for pk, day, creator in due.values_list("pk", "valid_until", "created_by")[:BATCH]:
            reminders.append(ListingReminder(**{f"{kind}_id": pk}, valid_until=day, stage=stage))
            creators.append(creator)
    reminders = ListingReminder.objects.bulk_create(reminders)
    for user, of_user in _by_receiver(owner_id, reminders, creators).items():
        of_user.sort(key=lambda reminder: (reminder.valid_until, reminder.pk))
        promise(
            kind="reminder",
            user=user,
            key=f"reminder:{user.pk}:{of_user[0].pk}",
            payload={
                "stage": stage.value,
                "reminders": [reminder.pk for reminder in of_user[:NAMED]],
                "more": len(of_user[NAMED:]),
            },
        )
    return len(reminders)


def _by_receiver(
    owner_id: int, reminders: list[ListingReminder], creators: list[int | None]
) -> dict[User, list[ListingReminder]]:
    """Give each reminder to who wrote the listing, or to the owners when they may write no more."""
    members = Membership.objects.active().filter(
        organization=owner_id,
        role__in=(MembershipRole.OWNER, MembershipRole.EDITOR),
        user__is_active=True,
    )
    people = list(members.select_related("user").order_by("pk"))
    writers = {member.user_id: member.user for member in people}
    owners = [member.user for member in people if member.role == MembershipRole.OWNER][:OWNERS]
    found: dict[User, list[ListingReminder]] = defaultdict(list)
    for reminder, creator in zip(reminders, creators, strict=True):
        for user in [writers[creator]] if creator in writers else owners:
            found[user].append(reminder)
    return found


@transaction.atomic
def confirm_by_link(*, reminder: ListingReminder, user: User) -> dt.date | None:
    """Take the word of who holds a mail's link. Return the new last day; None: the link is void.

    Of two clicks at once the second finds the question answered.
    """
    model = type(reminder.listing)
    locked: Listing = model.objects.select_for_update(of=("self",)).get(pk=reminder.listing.pk)
    setattr(reminder, locked.kind, locked)
    if not holds(reminder, user):
        return None
    until = timezone.localdate() + dt.timedelta(days=PROLONGED_BY)
    confirm_valid(listing=locked, actor=user, valid_until=until)
    return until
