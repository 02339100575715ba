"""What each side says of an introduction: stars for the manager, and what came of it."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from dataclasses import dataclass

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.inbox import Notification
from accounts.models import Membership, MembershipRole, User
from accounts.notices import notify
from accounts.permissions import can_write_for
from accounts.text import clean_text
from accounts.workdays import is_working_day
from matchmaking.models import Feedback, Match
from matchmaking.permissions import ConflictOfInterest, owner_of
from matchmaking.workflow import ContractState, IllegalMove, MatchStatus, Side

LOWEST, HIGHEST = 1, 5
LONGEST_NOTE = 1000
# Who was introduced longer ago is asked no more: a beat that stood still for two weeks catches up,
# and a platform that begins to ask does not write to all of last year.
ASK_FOR_DAYS = 14


@transaction.atomic
def give_feedback(
    *, match: Match, side: str, actor: User, rating: int, contract: str, note: str = ""
) -> Feedback:
    """Record what one side says; its last answer counts, whoever of its people gave it.

    Raises `ConflictOfInterest` for a person who may not speak for `side`, `IllegalMove` before
    the introduction, `ValidationError` by field.
    """
    match = (
        Match.objects.select_for_update(of=("self",))
        .select_related("demand", "achievement")
        .get(pk=match.pk)
    )
    if side not in Side.values or not can_write_for(actor, owner_of(match, side)):
        raise ConflictOfInterest
    if match.status != MatchStatus.INTRODUCED:
        raise IllegalMove(_("You can say what came of it once both sides are introduced."))
    note = clean_text(note)
    errors = {}
    if isinstance(rating, bool) or not LOWEST <= rating <= HIGHEST:
        errors["rating"] = _("Please choose one to five stars.")
    if contract not in ContractState.values:
        errors["contract"] = _("Please say what came of it.")
    if len(note) > LONGEST_NOTE:
        errors["note"] = _("Please keep this under 1,000 characters.")
    if errors:
        raise ValidationError(errors)
    given, _created = Feedback.objects.update_or_create(
        match=match,
        side=Side(side),
        defaults={
            "rating": rating,
            "contract": contract,
            "note": note,
            "user": actor,
            "updated_at": timezone.now(),
        },
    )
    return given


def feedback_due(limit: int) -> int:
    """Ask the sides that were introduced 20 working days ago what came of it.

    Each person is asked once; who has said so already is not asked. Return how many were told,
    `limit` at most: the next run goes on.
    """
    waiting = _unasked(working_days_ago(settings.FEEDBACK_WORKING_DAYS))
    known = set(
        Notification.objects.filter(key__in=[one.key for one in waiting]).values_list(
            "key", flat=True
        )
    )
    told = 0
    for one in waiting:
        if told >= limit:
            break
        if one.key not in known:
            told += notify(
                kind="feedback.asked",
                user=one.user,
                key=one.key,
                payload={"match": one.match, "side": str(one.side)},
            )
    return told


@dataclass(frozen=True)
class _Unasked:
    match: int
    side: Side
    user: User

    @property
    def key(self) -> str:
        return f"feedback.asked:{self.match}:{self.side}:{self.user.pk}"


def _unasked(up_to: dt.date) -> list[_Unasked]:
    """Return who may be asked about the introductions of the days before, the earliest first."""
    found: list[tuple[dt.datetime, int, Side, int]] = []
    for side in Side:
        answered = Feedback.objects.filter(match=OuterRef("pk"), side=side)
        rows = Match.objects.filter(
            ~Exists(answered),
            status=MatchStatus.INTRODUCED,
            introduced_at__date__lte=up_to,
            introduced_at__date__gt=up_to - dt.timedelta(days=ASK_FOR_DAYS),
        ).values_list("introduced_at", "pk", f"{side}__owner")
        found += [(when, pk, side, owner) for when, pk, owner in rows if when is not None]
    writers: dict[int, list[User]] = defaultdict(list)
    members = Membership.objects.active().filter(
        organization__in={owner for *_rest, owner in found},
        role__in=(MembershipRole.OWNER, MembershipRole.EDITOR),
        user__is_active=True,
    )
    for member in members.select_related("user").order_by("pk"):
        writers[member.organization_id].append(member.user)
    return [
        _Unasked(pk, side, user)
        for _when, pk, side, owner in sorted(found)
        for user in writers[owner]
    ]


def working_days_ago(count: int) -> dt.date:
    """Return the latest day whose `count`-th following working day has come."""
    day = timezone.localdate()
    while count > 0:
        count -= is_working_day(day)
        day -= dt.timedelta(days=1)
    return day
