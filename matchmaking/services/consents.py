"""The answers of both sides to an approved match."""

from __future__ import annotations

from collections.abc import Iterable

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import User
from accounts.notices import notify, writers_of
from accounts.permissions import can_write_for
from matchmaking.models import Consent, Match, MatchEvent
from matchmaking.permissions import ConflictOfInterest, owner_of
from matchmaking.services.review_steps import approvals
from matchmaking.workflow import DeclineReason, IllegalMove, MatchStatus, Side


@transaction.atomic
def answer(
    *, match: Match, side: str, actor: User, agreed: bool, reason: str = "", note: str = ""
) -> Match:
    """Record one side's answer. The second yes introduces them; a no ends the match.

    Raises `ConflictOfInterest` for a person who may not speak for `side`, `ValidationError` for a
    no without a reason, `IllegalMove` when it is not open, or this side has answered.
    """
    match = (
        Match.objects.select_for_update(of=("self",))
        .select_related("demand__owner", "achievement__owner")
        .get(pk=match.pk)
    )
    if not can_write_for(actor, owner_of(match, side)):
        raise ConflictOfInterest
    if Consent.objects.filter(match=match, side=side).exists():
        raise IllegalMove(_("Your side has already answered; nothing was changed."))
    if match.status != MatchStatus.APPROVED:
        raise IllegalMove(
            _("This match is “%(status)s”; it takes no answers.")
            % {"status": match.get_status_display()}
        )
    if match.is_frozen:
        raise IllegalMove(
            _("One side is changing its listing. You can answer once it is published again.")
        )
    if not (match.demand.is_live and match.achievement.is_live):
        raise IllegalMove(_("One of the two listings is no longer published."))
    if agreed:
        _check_verified(match, side)
    else:
        if reason not in DeclineReason.values:
            raise ValidationError({"reason": _("Please choose a reason.")})
        if reason == DeclineReason.OTHER and not note.strip():
            raise ValidationError({"note": _("Please say the reason in a sentence.")})
    Consent.objects.create(
        match=match,
        side=Side(side),
        agreed=agreed,
        reason="" if agreed else reason,
        note=note.strip()[:1000],
        user=actor,
    )
    before = match.status
    _log(
        match,
        MatchEvent.Verb.AGREED if agreed else MatchEvent.Verb.DECLINED,
        actor,
        before=before,
        after=before if agreed else MatchStatus.DECLINED,
        side=side,
        reason="" if agreed else reason,
        note=note.strip(),
    )
    if not agreed:
        _end(match, MatchStatus.DECLINED)
        _tell("match.declined", match, [one for one in Side if one != side])
    elif Consent.objects.filter(match=match, agreed=True).count() == 2:
        match.introduced_at = timezone.now()
        _end(match, MatchStatus.INTRODUCED)
        _log(match, MatchEvent.Verb.INTRODUCED, None, before=before, after=MatchStatus.INTRODUCED)
        _tell("match.introduced", match, Side)
    return match


def _check_verified(match: Match, side: str) -> None:
    """Raise `IllegalMove` while either side is under check: a new name may be anybody's.

    Contacts would go to it, or a person who said yes to one organization would meet another.
    """
    if not match.listing(side).owner.is_verified:
        raise IllegalMove(
            _("Your organization is being verified; you can agree as soon as that is done.")
        )
    if not (match.demand.owner.is_verified and match.achievement.owner.is_verified):
        raise IllegalMove(
            _("The other organization is being verified; you can agree as soon as that is done.")
        )


def lapse(*, match_id: int) -> bool:
    """End an approved match whose answers did not come in time. Return whether it was."""
    with transaction.atomic():
        match = (
            Match.objects.select_for_update(of=("self",))
            .select_related("demand", "achievement")
            .get(pk=match_id)
        )
        late = match.due_on is not None and match.due_on < timezone.localdate()
        if match.status != MatchStatus.APPROVED or match.is_frozen or not late:
            return False
        _end(match, MatchStatus.LAPSED)
        _log(
            match,
            MatchEvent.Verb.LAPSED,
            None,
            before=MatchStatus.APPROVED,
            after=MatchStatus.LAPSED,
        )
        _tell("match.lapsed", match, Side)
    return True


def _tell(kind: str, match: Match, sides: Iterable[Side]) -> None:
    """Tell people of these sides, and whoever approved the match, what became of it."""
    payloads: dict[User, dict[str, object]] = {
        review.manager: {"match": match.pk, "review": review.pk} for review in approvals(match)
    }
    for side in sides:
        for user in writers_of(owner_of(match, side)):
            payloads[user] = {"match": match.pk, "side": side.value}
    for user, payload in payloads.items():
        notify(kind=kind, user=user, key=f"{kind}:{match.pk}:{user.pk}", payload=payload)


def _end(match: Match, status: MatchStatus) -> None:
    match.move_to(status)
    match.due_on, match.updated_at = None, timezone.now()
    match.save(update_fields=("status", "due_on", "introduced_at", "updated_at"))


def _log(
    match: Match,
    verb: str,
    actor: User | None,
    *,
    before: str,
    after: str,
    side: str = "",
    reason: str = "",
    note: str = "",
) -> None:
    MatchEvent.objects.create(
        match=match,
        actor=actor,
        verb=verb,
        before=before,
        after=after,
        side=side,
        reason=reason,
        note=note,
    )
