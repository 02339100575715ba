"""The home of who is logged in: one address for all, a page for each role.

What waits comes first, with its clock; then what has changed since the last visit, one thing to do,
and how things stand. Who has several roles reads in one line what waits in the others.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

from django.db.models import Q
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from accounts import notices
from accounts.clocks import managers_with_clock
from accounts.context import Place, place_of
from accounts.http import UserRequest
from accounts.inbox import Notification
from accounts.models import AccountEvent, ManagerProfile, Membership, MembershipRole, User
from accounts.navigation import Role
from accounts.stars import latest_of
from accounts.workdays import unknown_year
from catalog.listing_pages import LONG_FIELDS
from catalog.models import Listing, ListingEvent
from catalog.partners import Standing, standings
from catalog.views.gate import MODELS, WORDS
from catalog.views.mine import group_counts
from catalog.workflow import ListingStatus
from matchmaking import audit, presenting
from matchmaking.figures import cached
from matchmaking.models import Match, Review
from matchmaking.services import upgrading
from matchmaking.services.insights import Scope, headline
from matchmaking.views import agenda
from matchmaking.views.agenda import Agenda, Item
from matchmaking.views.dashboard import Told, told
from matchmaking.views.first_steps import guide_of
from matchmaking.views.operations import busiest
from matchmaking.views.workbench import MONTH_DAYS, record_of
from matchmaking.workflow import Decision, MatchStatus, ReviewStatus

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

# Changes, own listings, managers' desks and outcomes that a home shows.
CHANGES, LISTINGS, DESKS, OUTCOMES = 8, 4, 5, 5
# Who comes back after so long comes anew; while somebody is there, it is noted every few minutes.
VISIT, NOTED_EVERY = dt.timedelta(minutes=30), dt.timedelta(minutes=5)
# What these tell stands in the list of what waits, with its clock, and is marked as new there.
IN_AGENDA = {
    *("match.approved", "match.answer_due", "match.asked", "inquiry.due", "feedback.asked"),
    *("review.assigned", "review.due", "review.answered", "escalation.match"),
    *("listing.needs_info", "listing.to_review", "listing.review_due", "escalation.listing"),
    *("organization.returned", "member.asked", "manager.expiring"),
}


# Steps of an account that are nobody's news.
NO_NEWS = (
    *(AccountEvent.Verb.FILE_READ, AccountEvent.Verb.CHECKED, AccountEvent.Verb.UNCHECKED),
    *(AccountEvent.Verb.TOKEN_MADE, AccountEvent.Verb.TOKEN_GONE),
)


@dataclass(frozen=True)
class Action:
    """The one thing to do from here. `icon` goes with its word."""

    label: str
    url: str
    icon: str = "arrow-right"


@dataclass(frozen=True)
class Elsewhere:
    """How much waits for the reader in another of their roles."""

    role: Role
    count: int


@dataclass(frozen=True)
class Change:
    """Something that has happened: in a sentence, where to read more ("" for nowhere), when."""

    title: str
    url: str
    at: dt.datetime
    who: str = ""


def home_of(request: UserRequest) -> HttpResponse:
    """Show the home of the reader's chosen role."""
    place = place_of(request)
    pages: dict[Role, Callable[[UserRequest, Place], HttpResponse]] = {
        Role.OPERATOR: _operator,
        Role.MANAGER: _manager,
        Role.MEMBER: _member,
    }
    if place.role is None or (place.role == Role.MEMBER and not _has_begun(place)):
        return _newcomer(request, place)
    return pages[place.role](request, place)


def _render(
    request: UserRequest, place: Place, page: str, found: Agenda, **more: Any
) -> HttpResponse:
    since = _last_visit(request.user)
    context = {
        "place": place,
        "agenda": found,
        "today": timezone.localdate(),
        "changes": _doings(request.user)
        if place.role == Role.OPERATOR
        else _changes(request.user, place.role or Role.MEMBER),
        "since": since,
        "guide": guide_of(place),
        "elsewhere": [
            Elsewhere(role, count) for role in place.others if (count := place.waits_as(role))
        ],
        **more,
    }
    return render(request, f"matchmaking/home_{page}.html", context)


# --- What has changed -----------------------------------------------------------------------------


def _last_visit(user: User) -> dt.datetime | None:
    """Return when `user` was here before this visit, and note that they are here now.

    None: never. Written at most every few minutes, so that a page that is opened again and again
    costs nothing.
    """
    now, seen = timezone.now(), user.home_seen_at
    if seen is not None and now - seen < NOTED_EVERY:
        return user.home_seen_before
    before = user.home_seen_before if seen is not None and now - seen < VISIT else seen
    User.objects.filter(pk=user.pk).update(home_seen_at=now, home_seen_before=before)
    return before


def _changes(user: User, role: Role) -> list[tuple[dt.date, list[Change]]]:
    """Return what `user` was told last in this role, by day, the latest first."""
    codes = [
        kind.code for kind in notices.kinds() if kind.role == role and kind.code not in IN_AGENDA
    ]
    rows = notices.visible_to(user).filter(kind__in=codes)

    def fetch() -> list[Notification]:
        return list(rows[:CHANGES])

    return _by_day(
        Change(
            one.notice.title,
            reverse("notification_open", args=[one.row.pk]),
            one.row.visible_from,
        )
        for one in notices.read(user, fetch)
    )


def _doings(user: User) -> list[tuple[dt.date, list[Change]]]:
    """Return what others did last to listings, people and organizations, for an operator."""
    found: list[audit.Place] = []
    for kind, rows in (
        ("account", AccountEvent.objects.exclude(verb__in=NO_NEWS)),
        ("listing", ListingEvent.objects.exclude(after=ListingStatus.DRAFT)),
    ):
        # Rows are only ever added, so that the last keys are the last moments.
        last = rows.exclude(actor=user).order_by("-pk").values_list("created_at", "pk")[:CHANGES]
        found += [(when, kind, pk) for when, pk in last]
    found.sort(reverse=True)
    return _by_day(
        # The trace names people with their addresses; here the name is enough.
        Change(
            f"{line.what}{_(': ')}{line.about}", line.url, line.when, line.who.partition(" <")[0]
        )
        for line in audit.lines(found[:CHANGES])
    )


def _by_day(changes: Iterable[Change]) -> list[tuple[dt.date, list[Change]]]:
    return [
        (day, list(of_day))
        for day, of_day in groupby(changes, lambda one: timezone.localdate(one.at))
    ]


# --- A member -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    """One of the reader's own listings. `url` leads to its matches, where there are any."""

    listing: Listing
    url: str
    standing: Standing | None


@dataclass(frozen=True)
class Shelf:
    """One of the two lists as the reader's organizations have filled it."""

    title: str
    url: str
    # Words, how many, and the address that shows them.
    states: list[tuple[StrOrPromise, int, str]]
    rows: list[Row]
    # Said while there is no row.
    empty: str


@dataclass(frozen=True)
class News:
    """The best that has come of it: introductions, the last of them, one's own listing in it."""

    count: int
    match: Match
    listing: Listing


def _may_write(place: Place) -> bool:
    return any(
        row.role in (MembershipRole.OWNER, MembershipRole.EDITOR) for row in place.memberships
    )


def _has_begun(place: Place) -> bool:
    """Say whether a member is past the beginning: verified, or with listings beyond a draft."""
    if any(row.organization.is_verified for row in place.memberships):
        return True
    own = [row.organization_id for row in place.memberships]
    return any(
        model.objects.filter(owner__in=own).exclude(status=ListingStatus.DRAFT).exists()
        for model in MODELS.values()
    )


def _member(request: UserRequest, place: Place) -> HttpResponse:
    actions = [
        Action(str(WORDS[kind].new), reverse(f"{kind}_new"), "plus")
        for kind in place.brings
        if _may_write(place)
    ]
    shelves = [_shelf(kind, request.user) for kind in place.brings]
    return _render(
        request,
        place,
        "member",
        agenda.of_member(place),
        action=actions[0] if actions else None,
        other_actions=actions[1:],
        shelves=shelves,
        news=_introductions(place),
    )


def _shelf(kind: str, user: User) -> Shelf:
    own = MODELS[kind].objects.owned_by(user)
    listings = list(own.defer(*LONG_FIELDS[kind]).order_by("-updated_at", "-pk")[:LISTINGS])
    found = standings(kind, [listing.pk for listing in listings])
    rows = []
    for listing in listings:
        standing = found.get(listing.pk)
        url = listing.get_absolute_url()
        if standing is not None and standing.state == "found":
            url = reverse(f"{kind}_matches", args=[listing.number])
        rows.append(Row(listing, url, standing))
    url = reverse("my_demands" if kind == "demand" else "my_achievements")
    return Shelf(
        title=str(WORDS[kind].mine),
        url=url,
        states=[
            (label, count, f"{url}?show={group}")
            for group, label, count in group_counts(own)
            if count
        ],
        rows=rows,
        empty=_("No demand yet. Post the first one; a manager answers within three working days.")
        if kind == "demand"
        else _("No achievement yet. List the first one; it is compared with every demand."),
    )


def _introductions(place: Place) -> News | None:
    own = {row.organization_id for row in place.memberships}
    rows = Match.objects.filter(
        Q(demand__owner__in=own) | Q(achievement__owner__in=own), status=MatchStatus.INTRODUCED
    )
    last = (
        rows.select_related("demand", "achievement")
        .only(
            *("created_at", "introduced_at", "status"),
            *("demand__title", "demand__owner", "achievement__title", "achievement__owner"),
        )
        .order_by("-introduced_at", "-pk")
        .first()
    )
    if last is None:
        return None
    mine = last.demand if last.demand.owner_id in own else last.achievement
    return News(rows.count(), last, mine)


# --- A technology manager -------------------------------------------------------------------------


def _manager(request: UserRequest, place: Place) -> HttpResponse:
    profile = place.profile
    assert profile is not None
    found = agenda.of_manager(place)
    action = Action(_("Go to the workbench"), reverse("workbench"))
    if found.first is not None:
        action = Action(_("Open the first"), found.first.url)
    return _render(
        request,
        place,
        "manager",
        found,
        action=action,
        profile=profile,
        open=place.waiting.get("reviews", 0),
        record=record_of(request.user),
        month=MONTH_DAYS,
        stars=latest_of(profile),
        absence=profile.absence_on(timezone.localdate()),
        outcomes=_outcomes(request.user),
    )


def _outcomes(user: User) -> list[tuple[Match, str]]:
    """Return what last became of the matches that a manager approved, with their blind titles."""
    approved = Review.objects.filter(
        manager=user, status=ReviewStatus.SUBMITTED, decision=Decision.APPROVE
    )
    rows = Match.objects.filter(
        pk__in=approved.values("match"),
        status__in=(MatchStatus.INTRODUCED, MatchStatus.DECLINED, MatchStatus.LAPSED),
    )
    found = rows.with_listings().defer(*agenda.HEAVY).order_by("-updated_at", "-pk")
    return [(match, presenting.blind_title(match)) for match in found[:OUTCOMES]]


# --- An operator ----------------------------------------------------------------------------------


def _operator(request: UserRequest, place: Place) -> HttpResponse:
    found = agenda.of_operator(place)
    first: Item | None = found.first
    scope = Scope.of()
    return _render(
        request,
        place,
        "operator",
        found,
        action=Action(_("Open the most urgent"), first.url) if first is not None else None,
        headline=_headline(scope),
        scope=scope,
        # Operators may open the rows behind a number.
        linked=True,
        desks=busiest(DESKS),
        # Deadlines are counted without its festivals until somebody names them.
        unknown_year=unknown_year(),
        other_model=upgrading.setting_differs(),
    )


def _headline(scope: Scope) -> list[Told]:
    """Return the first figures of the dashboard, at most five minutes old."""
    # The words of a figure are kept with it.
    key = f"home-headline:{get_language()}:{scope.until}"
    return [told(one) for one in cached(key, lambda: headline(scope))]


# --- Who has only just come -----------------------------------------------------------------------


def _newcomer(request: UserRequest, place: Place) -> HttpResponse:
    """Show the one next step: an organization, a certificate, or whose answer is waited for."""
    user = request.user
    asked = list(
        Membership.objects.filter(user=user, is_active=False)
        .select_related("organization")
        .order_by("created_at")
    )
    profile = managers_with_clock(ManagerProfile.objects.filter(user=user)).first()
    found = agenda.of_member(place) if place.memberships else Agenda()
    mine = agenda.unverified(place)
    # An organization that was sent back is its owner's turn; one that waits is not.
    item = next((one for one in mine if not one.others), mine[0] if mine else None)
    if item is not None:
        state = "pending" if item.others else "returned"
    elif asked:
        state = "asked"
    else:
        state = "start" if profile is None else "applied"
    return _render(
        request,
        place,
        "newcomer",
        found,
        state=state,
        item=item,
        asked=asked,
        profile=profile,
        may_write=_may_write(place),
        kind=(place.brings or ("demand",))[0],
    )
