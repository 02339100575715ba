"""Ties that a manager declares: past employers and interests, registered here or not."""

from __future__ import annotations

import datetime as dt

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.conflicts import announce
from accounts.models import (
    AccountEvent,
    InterestKind,
    ManagerInterest,
    ManagerProfile,
    Organization,
    User,
)
from accounts.services import Refused, record

Verb = AccountEvent.Verb
# A long life has fewer; more of them would leave nothing to review.
INTERESTS_AT_MOST = 200


@transaction.atomic
def declare_interest(
    *,
    profile: ManagerProfile,
    kind: str,
    credit_code: str = "",
    name: str = "",
    since: dt.date | None = None,
    until: dt.date | None = None,
    note: str = "",
) -> ManagerInterest:
    """Declare a tie to an organization. Its matches then go to others; stars are not affected.

    It is known by its credit code, or else by its exact name. Of one that is not registered here
    the tie holds as soon as it registers.
    """
    profile = ManagerProfile.objects.select_for_update().get(pk=profile.pk)
    if not credit_code and not name:
        raise Refused(_("Please give the organization's credit code, or its full name."))
    standing = profile.interests.standing()
    if standing.count() >= INTERESTS_AT_MOST:
        raise Refused(
            _("You have declared %(limit)d ties; please write to us.")
            % {"limit": INTERESTS_AT_MOST}
        )
    organization = None
    if credit_code:
        organization = Organization.objects.filter(credit_code=credit_code).first()
        same = standing.filter(credit_code=credit_code)
    else:
        # Of several with one name none is meant more than another: the tie holds to all of them.
        named = list(Organization.objects.filter(name=name)[:2])
        organization = named[0] if len(named) == 1 else None
        same = standing.filter(credit_code="", name=name)
    if organization is not None:
        same |= standing.filter(organization=organization)
    if same.filter(kind=kind).exists():
        raise Refused(_("You have declared this organization already."))
    interest: ManagerInterest = profile.interests.create(
        organization=organization,
        name=name,
        credit_code=credit_code,
        kind=InterestKind(kind),
        since=since,
        until=until,
        note=note,
    )
    record(
        Verb.INTEREST,
        actor=profile.user,
        organization=organization,
        subject=profile.user,
        note=f"{interest.get_kind_display()}: {interest.own_title}",
    )
    announce(users=[profile.user_id])
    return interest


@transaction.atomic
def strike_interest(*, interest: ManagerInterest, actor: User, reason: str) -> ManagerInterest:
    """Strike out a tie that was declared by mistake. An operator's act; the row stays."""
    profile = ManagerProfile.objects.select_for_update().get(pk=interest.profile_id)
    if not actor.is_operator:
        raise Refused(_("Only operators strike out a declared tie."))
    if profile.user_id == actor.pk:
        raise Refused(_("Nobody decides on themselves; another operator has to."))
    found = profile.interests.standing().select_related("organization").filter(pk=interest.pk)
    tie = found.first()
    if tie is None:
        raise Refused(_("This tie has been struck out already."))
    if not reason:
        raise Refused(_("Please write why it is struck out."))
    tie.struck_at, tie.struck_by = timezone.now(), actor
    tie.save(update_fields=("struck_at", "struck_by"))
    record(
        Verb.STRUCK,
        actor=actor,
        organization=tie.organization,
        subject=profile.user,
        note=f"{tie.title}: {reason}",
    )
    announce(users=[profile.user_id])
    return tie
