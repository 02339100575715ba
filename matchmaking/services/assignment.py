"""Who reviews what: suggested matches find a manager of their field who has room."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.conflicts import ties
from accounts.models import ManagerProfile, User
from matchmaking.models import Match, MatchEvent, Review
from matchmaking.permissions import ConflictOfInterest, has_conflict
from matchmaking.services.reviews import already_decided, open_review
from matchmaking.workflow import IllegalMove, MatchStatus, ReviewStatus

# How many of a demand's matches are tried beyond those it may have in review.
SPARE = 5


@dataclass
class Desk:
    """A manager as the assignment sees them."""

    profile: ManagerProfile
    load: int
    decided: int
    ties: set[int] = field(default_factory=set)

    @property
    def has_room(self) -> bool:
        return self.load < self.profile.capacity


def assign_matches() -> int:
    """Give suggested matches to managers who have room. Return how many were assigned.

    The best of every demand comes first, so that no demand waits while another has three. Within
    that order each match goes to the manager who knows its industry, then the region, then has
    the lightest desk. Safe to run twice at once: each match is locked before it is given away.
    """
    desks = _desks()
    if not any(desk.has_room for desk in desks):
        return 0
    assigned = 0
    given: Counter[int] = Counter()
    for pk, demand, free in _waiting():
        if given[demand] >= free:
            continue
        with transaction.atomic():
            match = (
                Match.objects.select_for_update(of=("self",), skip_locked=True)
                .select_related("demand", "achievement")
                .filter(pk=pk, status=MatchStatus.SUGGESTED, is_frozen=False)
                .first()
            )
            if match is None:
                continue
            desk = _best_desk(match, desks)
            while desk is not None and not _still_has_room(desk):
                desk = _best_desk(match, desks)
            if desk is None:
                continue
            try:
                with transaction.atomic():
                    open_review(match=match, profile=desk.profile, because=_because(match, desk))
            except IntegrityError:
                continue  # another run was faster: one open review a match
            desk.load += 1
            given[demand] += 1
            assigned += 1
        if not any(desk.has_room for desk in desks):
            break
    return assigned


def reassign(*, match: Match, to: ManagerProfile, actor: User) -> Review:
    """Move a match to another manager's desk at an operator's word.

    Raises `ConflictOfInterest` for a manager with a tie, `IllegalMove` when nothing is open.
    """
    with transaction.atomic():
        match = (
            Match.objects.select_for_update(of=("self",))
            .select_related("demand", "achievement")
            .get(pk=match.pk)
        )
        if match.status not in (MatchStatus.SUGGESTED, MatchStatus.IN_REVIEW):
            raise IllegalMove(already_decided(match))
        if not to.is_certified or has_conflict(to.user, match):
            raise ConflictOfInterest
        for review in Review.objects.open().filter(match=match):
            if review.manager_id == to.user_id:
                raise IllegalMove(_("This manager has the match already."))
            review.move_to(ReviewStatus.CANCELLED)
            review.closed_at = timezone.now()
            review.save(update_fields=("status", "closed_at"))
        MatchEvent.objects.create(
            match=match,
            actor=actor,
            verb=MatchEvent.Verb.REFERRED,
            before=match.status,
            after=match.status,
        )
        return open_review(match=match, profile=to, because={"reassigned_by": actor.pk})


def _desks() -> list[Desk]:
    profiles = list(
        ManagerProfile.objects.available_on(timezone.localdate())
        .select_related("user")
        .order_by("pk")
    )
    users = [profile.user_id for profile in profiles]
    load: Counter[int] = Counter(
        Review.objects.open().filter(manager__in=users).values_list("manager", flat=True)
    )
    decided: Counter[int] = Counter(
        Review.objects.filter(manager__in=users, status=ReviewStatus.SUBMITTED).values_list(
            "manager", flat=True
        )
    )
    tied = ties(users)
    return [
        Desk(
            profile,
            load[profile.user_id],
            decided[profile.user_id],
            set(tied.get(profile.user_id, ())),
        )
        for profile in profiles
    ]


def _still_has_room(desk: Desk) -> bool:
    """Count a desk again under its lock: another run may have filled it since `_desks`.

    The caller holds a match's lock; profiles are locked after matches, never before.
    """
    ManagerProfile.objects.select_for_update(no_key=True).get(pk=desk.profile.pk)
    desk.load = Review.objects.open().filter(manager=desk.profile.user).count()
    return desk.has_room


def _waiting() -> list[tuple[int, int, int]]:
    """Return suggested matches, every demand's next best first: (match, its demand, room).

    Room is how many reviews the demand may still have. Some more matches than that are returned:
    nobody may be free for the first ones, and then the demand must not wait for ever.
    """
    busy = Counter(
        Match.objects.filter(status=MatchStatus.IN_REVIEW).values_list("demand", flat=True)
    )
    suggested = Match.objects.filter(status=MatchStatus.SUGGESTED, is_frozen=False)
    seen: Counter[int] = Counter()
    turns: list[tuple[int, int, int, int]] = []
    rows = suggested.order_by("rank", "-score", "pk").values_list("pk", "demand")
    for order, (pk, demand) in enumerate(rows.iterator()):
        room = settings.REVIEWS_PER_DEMAND - busy[demand]
        if room > 0 and seen[demand] < room + SPARE:
            seen[demand] += 1
            turns.append((busy[demand] + seen[demand], order, pk, demand))
    return [
        (pk, demand, settings.REVIEWS_PER_DEMAND - busy[demand])
        for _turn, _order, pk, demand in sorted(turns)
    ]


def _best_desk(match: Match, desks: list[Desk]) -> Desk | None:
    tried = set(
        Review.objects.filter(match=match)
        .exclude(status=ReviewStatus.CANCELLED)
        .values_list("manager", flat=True)
    )  # handed back, referred, or did not answer
    sides = {match.demand.owner_id, match.achievement.owner_id}
    free = [
        desk
        for desk in desks
        if desk.has_room and not desk.ties & sides and desk.profile.user_id not in tried
    ]
    return min(
        free,
        key=lambda desk: (
            -len(_known_classes(match, desk)),
            not _knows_region(match, desk),
            desk.load / desk.profile.capacity,
            desk.profile.pk,
        ),
        default=None,
    )


def _known_classes(match: Match, desk: Desk) -> list[str]:
    """Return the manager's classes that cover either listing's industry."""
    industries = [code for code in (match.demand.industry, match.achievement.industry) if code]
    return [
        known
        for known in desk.profile.classes
        if any(industry.startswith(known) for industry in industries)
    ]


def _knows_region(match: Match, desk: Desk) -> bool:
    return any(region[:2] == match.demand.region[:2] for region in desk.profile.regions)


def _because(match: Match, desk: Desk) -> dict[str, object]:
    return {
        "classes": _known_classes(match, desk),
        "region": _knows_region(match, desk),
        "load": desk.load,
        "capacity": desk.profile.capacity,
        "decided": desk.decided,
    }
