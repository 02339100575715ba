"""What waits for a person, with its clock: the list that each home page begins with.

Every line is one act and leads to the page of that act. Who asks what of whom, and until when, is
known elsewhere (`matchmaking.answers`, `catalog.answers`, `services.queues`); here it is put into
one order. A source shows so many rows and says how many there are.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.db.models import Case, Count, Exists, OuterRef, Q, TextChoices, Value, When
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from accounts.certification import REMIND_DAYS
from accounts.clocks import answer_due, managers_with_clock, with_clock
from accounts.context import Place
from accounts.models import (
    CodeChange,
    CodeChangeStatus,
    ManagerProfile,
    ManagerStatus,
    Membership,
    MembershipRole,
    Organization,
    OrganizationStatus,
    Renewal,
    RenewalStatus,
    User,
)
from accounts.services import VERIFY_WITHIN
from accounts.templatetags.kq import day
from accounts.workdays import add_working_days
from catalog import answers as listing_answers
from catalog import checking
from catalog.listing_pages import LONG_FIELDS
from catalog.models import ImportJob, PublicationReview
from catalog.models.imports import ImportState
from catalog.notices import blind_listing
from catalog.services.deciding import objections_to
from catalog.services.reminding import AHEAD, EXPIRED_FOR
from catalog.views.gate import MODELS, WORDS
from catalog.views.gate import answer_due as check_due
from catalog.workflow import ListingStatus
from matchmaking import presenting
from matchmaking.answers import MEETING_DAYS, status_text
from matchmaking.models import Appeal, Consent, Feedback, Match
from matchmaking.navigation import awaiting_answer, escalated
from matchmaking.services import appeals, queues
from matchmaking.services.feedback import working_days_ago
from matchmaking.services.queues import Filters, Tally
from matchmaking.views.gates import for_lists
from matchmaking.views.operations import late_matches, unassigned_matches
from matchmaking.views.workbench import rows_of
from matchmaking.workflow import MatchStatus, Side

# Rows that one source gives; of all of them together the page shows so many, and so many of what
# others have to do.
PER_SOURCE, MOST, MOST_OTHERS = 8, 10, 5
# Nobody remembers what came of an introduction that long ago.
FEEDBACK_FOR = dt.timedelta(days=180)


class Turn(TextChoices):
    """How the list is grouped; `LATER` and `ANY` are apart, as only the former runs out."""

    NOW = "now", gettext_lazy("Late or due today")
    SOON = "soon", gettext_lazy("Within 3 working days")
    LATER = "later", gettext_lazy("In more than 3 working days")
    ANY = "any", gettext_lazy("Without a date")
    OTHERS = "others", gettext_lazy("Waiting for others")


@dataclass(frozen=True)
class Item:
    """One line: what to do, with what, and until when. `about` says more of what it is."""

    act: str
    title: str
    url: str
    icon: str
    due_on: dt.date | None = None
    about: tuple[str, ...] = ()
    # Since when it waits; what came after the reader's last visit is new.
    at: dt.datetime | None = None
    # It is somebody else's turn.
    others: bool = False
    # Of two lines of one day the one that must be done comes first.
    optional: bool = False
    # A clock that stands still, as in `Review`.
    paused_on: dt.date | None = None
    days_left: int | None = None

    def turn(self, soon: dt.date, later: dt.date) -> Turn:
        if self.others:
            return Turn.OTHERS
        if self.due_on is None:
            return Turn.ANY
        if self.due_on < soon:
            return Turn.NOW
        return Turn.SOON if self.due_on < later else Turn.LATER


@dataclass(frozen=True)
class Source:
    """Lines of one kind, and how many there are of it in all. `url` leads to all of them."""

    label: str
    url: str
    items: Sequence[Item]
    total: int


@dataclass(frozen=True)
class Agenda:
    groups: list[tuple[Turn, list[Item]]] = field(default_factory=list)
    # How much there is to do; what others have to do is not counted.
    total: int = 0
    # Of what is not all shown: words, how many there are, where.
    more: list[Source] = field(default_factory=list)

    @property
    def first(self) -> Item | None:
        """The most urgent of what the reader has to do."""
        todo = [items for turn, items in self.groups if turn != Turn.OTHERS]
        return todo[0][0] if todo else None


def arrange(sources: Iterable[Source]) -> Agenda:
    """Put what several sources know into one order: by clock, then by what has to be done."""
    soon, later = queues.due_bounds(timezone.localdate())
    kept = [source for source in sources if source.total]
    groups: dict[Turn, list[Item]] = {turn: [] for turn in Turn}
    for source in kept:
        for item in source.items:
            groups[item.turn(soon, later)].append(item)
    room = MOST
    shown: list[tuple[Turn, list[Item]]] = []
    for turn, items in groups.items():
        items.sort(key=lambda one: (one.due_on or dt.date.max, one.optional))
        at_most = MOST_OTHERS if turn == Turn.OTHERS else room
        if items[:at_most]:
            shown.append((turn, items[:at_most]))
        if turn != Turn.OTHERS:
            room = max(room - len(items), 0)
    seen = {id(item) for _turn, items in shown for item in items}
    return Agenda(
        groups=shown,
        total=sum(
            source.total
            for source in kept
            if not (source.items and all(item.others for item in source.items))
        ),
        more=[
            source
            for source in kept
            if source.url and sum(id(item) in seen for item in source.items) < source.total
        ],
    )


# --- One's own organizations ----------------------------------------------------------------------


def of_member(place: Place) -> Agenda:
    """Return what waits for a member: answers, listings, what came of introductions."""
    writes = {
        row.organization_id
        for row in place.memberships
        if row.role in (MembershipRole.OWNER, MembershipRole.EDITOR)
    }
    owned = {row.organization_id for row in place.memberships if row.role == MembershipRole.OWNER}
    return arrange(
        (
            _organizations(place),
            _requests(owned),
            _answers(place, writes),
            *(_listings(kind, writes) for kind in MODELS),
            *(_rejected(kind, writes) for kind in MODELS),
            _objections(writes),
            _outcomes(writes),
            _imports(writes),
            *(_being_checked(kind, writes) for kind in MODELS),
            _answered(writes),
        )
    )


def unverified(place: Place) -> list[Item]:
    """Return the reader's organizations that are not verified: a promise, or what to correct."""
    waiting = {
        row.organization_id: row.role
        for row in place.memberships
        if not row.organization.is_verified
    }
    items = []
    for one in with_clock(Organization.objects.filter(pk__in=waiting)):
        pending = one.status == OrganizationStatus.PENDING
        page = "organization_verification" if pending else "organization_edit"
        items.append(
            Item(
                act=_("Being verified") if pending else _("Correct and submit again"),
                title=one.name,
                url=reverse(page, args=[one.pk])
                if waiting[one.pk] == MembershipRole.OWNER
                else reverse("organization"),
                icon="building",
                due_on=answer_due(one) if pending else None,
                about=(
                    _("Until then nothing of yours can be published.")
                    if pending
                    else one.status_reason,
                ),
                others=pending,
            )
        )
    return items


def _organizations(place: Place) -> Source:
    items = unverified(place)
    return Source(_("Organizations"), reverse("organization"), items, len(items))


def _requests(owned: set[int]) -> Source:
    rows = Membership.objects.filter(is_active=False, organization__in=owned)
    asked = rows.select_related("user", "organization").order_by("created_at", "pk")
    items = [
        Item(
            act=_("Let them in, or refuse"),
            title=_("%(person)s asks to join") % {"person": row.user},
            url=reverse("organization_members", args=[row.organization_id]),
            icon="user-plus",
            about=(row.organization.name,),
            at=row.created_at,
        )
        for row in asked[:PER_SOURCE]
    ]
    return Source(_("Requests to join"), reverse("organization"), items, rows.count())


def _answers(place: Place, writes: set[int]) -> Source:
    items = []
    for match in for_lists(awaiting_answer(place.user)).order_by("due_on", "pk")[:PER_SOURCE]:
        for side in Side:
            if match.listing(side).owner_id not in writes:
                continue
            answer = status_text(match, side)
            if answer.way is not None:
                items.append(
                    Item(
                        act=answer.way.label,
                        title=_other_title(match, side),
                        url=answer.way.url,
                        icon="users",
                        due_on=answer.by,
                        about=(_("for %(listing)s") % {"listing": match.listing(side).title},),
                        at=match.updated_at,
                    )
                )
    return Source(
        _("Matches to answer"), reverse("my_answers"), items, place.waiting.get("answers", 0)
    )


def _other_title(match: Match, side: Side) -> str:
    """Return what the other side's listing is called, without a name before the introduction."""
    hidden = presenting.side_reader(side, match).hidden(match)
    revision = match.achievement_revision if side == Side.DEMAND else match.demand_revision
    return presenting.mask_names(revision.title, *hidden)


def _own(kind: str, organizations: set[int]) -> Any:
    return MODELS[kind].objects.filter(owner__in=organizations)


def _mine_url(kind: str) -> str:
    return reverse("my_demands" if kind == "demand" else "my_achievements")


def _listings(kind: str, writes: set[int]) -> Source:
    """Listings that wait for their owner: sent back, about to run out, run out, not handed in."""
    today = timezone.localdate()
    ending = Q(
        status=ListingStatus.PUBLISHED,
        valid_until__gte=today,
        valid_until__lte=today + dt.timedelta(days=AHEAD),
    )
    expired = Q(
        status=ListingStatus.EXPIRED, valid_until__gte=today - dt.timedelta(days=EXPIRED_FOR)
    )
    asked, draft = Q(status=ListingStatus.NEEDS_INFO), Q(status=ListingStatus.DRAFT)
    rows = _own(kind, writes).filter(ending | expired | asked | draft)
    ordered = rows.annotate(
        turn=Case(
            When(asked, then=Value(0)),
            When(ending, then=Value(1)),
            When(expired, then=Value(2)),
            default=Value(3),
        )
    ).order_by("turn", "valid_until", "-updated_at", "pk")
    items = []
    for listing in ordered.defer(*LONG_FIELDS[kind])[:PER_SOURCE]:
        answer = listing_answers.status_text(listing)
        way = answer.way
        assert way is not None  # each of these has its one act
        items.append(
            Item(
                act=way.label,
                title=listing.title or str(WORDS[kind].new),
                at=None if listing.status == ListingStatus.DRAFT else listing.updated_at,
                url=way.url,
                icon="pencil" if listing.status == ListingStatus.DRAFT else "alert-circle",
                due_on=answer.by,
                about=(listing.get_status_display(),),
                optional=listing.status == ListingStatus.DRAFT,
            )
        )
    url = f"{_mine_url(kind)}?show=todo"
    return Source(str(WORDS[kind].mine), url, items, rows.count())


def _rejected(kind: str, writes: set[int]) -> Source:
    """Listings that were not published, while their owner may still object."""
    # Longer ago than this no working days are left, whatever festivals lie between.
    since = timezone.now() - dt.timedelta(days=3 * settings.APPEAL_DAYS)
    rows = _own(kind, writes).filter(status=ListingStatus.REJECTED, updated_at__gte=since)
    listings = list(rows.defer(*LONG_FIELDS[kind]).order_by("-updated_at", "pk")[:PER_SOURCE])
    items = []
    for pk, objection in objections_to(kind, listings).items():
        if objection.refusal:
            continue
        listing = next(one for one in listings if one.pk == pk)
        items.append(
            Item(
                act=_("Read why, and object if you do not agree"),
                title=listing.title,
                url=reverse(f"{kind}_appeal", args=[listing.number]),
                icon="gavel",
                due_on=objection.until,
                about=(listing.get_status_display(),),
                optional=True,
            )
        )
    return Source("", "", items, len(items))


def _objections(writes: set[int]) -> Source:
    """Matches that were not approved, while a side may still object: a line for each listing."""
    today = timezone.localdate()
    since = timezone.now() - dt.timedelta(days=3 * settings.APPEAL_DAYS)
    found: dict[tuple[str, int], list[Match]] = {}
    for side in Side:
        made = Appeal.objects.filter(match=OuterRef("pk"), side=side)
        rows = Match.objects.filter(
            ~Exists(made),
            status=MatchStatus.REJECTED,
            decided_at__gte=since,
            **{f"{side}__owner__in": writes},
        ).select_related("demand", "achievement")
        for match in rows.defer(*HEAVY).order_by("decided_at", "pk")[: 2 * PER_SOURCE]:
            until = appeals.last_day(match)
            if until is not None and until >= today and _both_live(match):
                found.setdefault((side, match.listing(side).pk), []).append(match)
    items = []
    for (kind, _pk), matches in found.items():
        listing, first = matches[0].listing(kind), matches[0]
        single = len(matches) == 1
        url = reverse(f"{kind}_matches", args=[listing.number]) + "?tab=ended"
        items.append(
            Item(
                act=_("Read why, and object if you do not agree"),
                title=listing.title,
                url=reverse("match_appeal", args=[first.number]) if single else url,
                icon="gavel",
                due_on=appeals.last_day(first),
                about=(
                    ngettext(
                        "%(count)d match not approved",
                        "%(count)d matches not approved",
                        len(matches),
                    )
                    % {"count": len(matches)},
                ),
                optional=True,
            )
        )
    return Source("", "", items, len(items))


# What no line here shows of a match.
HEAVY = tuple(
    (
        *("grid", "advice", "pairs", "terms", "features", "basis", "parts", "added"),
        *("demand__body", "achievement__body", "demand__indicators", "achievement__indicators"),
    )
)


def _both_live(match: Match) -> bool:
    return not match.is_frozen and match.demand.is_live and match.achievement.is_live


def _outcomes(writes: set[int]) -> Source:
    """Introductions whose first meeting should have been, and that this side said nothing of."""
    items: list[Item] = []
    total = 0
    for side in Side:
        said = Feedback.objects.filter(match=OuterRef("pk"), side=side)
        rows = Match.objects.filter(
            ~Exists(said),
            status=MatchStatus.INTRODUCED,
            introduced_at__date__lte=working_days_ago(MEETING_DAYS),
            introduced_at__gte=timezone.now() - FEEDBACK_FOR,
            **{f"{side}__owner__in": writes},
        )
        total += rows.count()
        loaded = rows.select_related("demand", "achievement").defer(*HEAVY)
        items += [
            Item(
                act=_("Say what came of it"),
                title=match.listing(side).title,
                url=reverse("match_feedback", args=[match.number]),
                icon="message",
                about=(_("introduced on %(day)s") % {"day": day(match.introduced_at)},),
                optional=True,
            )
            for match in loaded.order_by("introduced_at", "pk")[:PER_SOURCE]
        ]
    return Source("", "", items, total)


def _imports(writes: set[int]) -> Source:
    rows = ImportJob.objects.filter(organization__in=writes, state=ImportState.CHECKED)
    items = [
        Item(
            act=_("Confirm the import, or cancel it"),
            title=job.file_name,
            url=job.get_absolute_url(),
            icon="upload",
            about=(
                ngettext("%(count)d row is ready", "%(count)d rows are ready", job.good)
                % {"count": job.good},
            ),
        )
        for job in rows.order_by("-pk")[:PER_SOURCE]
    ]
    return Source(_("Imports"), reverse("import_new"), items, len(items))


def _being_checked(kind: str, writes: set[int]) -> Source:
    rows = _own(kind, writes).filter(status=ListingStatus.SUBMITTED)
    ordered = rows.defer(*LONG_FIELDS[kind]).order_by("submitted_at", "pk")
    items = [
        Item(
            act=_("Being checked before publication"),
            title=listing.title,
            url=listing.get_absolute_url(),
            icon="clock",
            due_on=check_due(listing),
            about=(str(WORDS[kind].one),),
            others=True,
        )
        for listing in ordered[:PER_SOURCE]
    ]
    return Source(_("Being checked"), f"{_mine_url(kind)}?show=waiting", items, rows.count())


def _answered(writes: set[int]) -> Source:
    """Approved matches that this side has agreed to: it is the other's turn."""
    items: list[Item] = []
    for side in Side:
        other = presenting.other_side(side)
        rows = (
            Match.objects.filter(
                status=MatchStatus.APPROVED,
                is_frozen=False,
                consents__side=side,
                **{f"{side}__owner__in": writes},
            )
            .exclude(Exists(Consent.objects.filter(match=OuterRef("pk"), side=other)))
            .select_related("demand", "achievement")
            .defer(*HEAVY)
        )
        items += [
            Item(
                act=_("You agreed; it is the other side's turn"),
                title=match.listing(side).title,
                url=match.get_absolute_url(),
                icon="hourglass",
                due_on=match.due_on,
                about=(match.number,),
                others=True,
            )
            for match in rows.order_by("due_on", "pk")[:PER_SOURCE]
        ]
    return Source("", "", items, len(items))


# --- A technology manager -------------------------------------------------------------------------


def of_manager(place: Place) -> Agenda:
    """Return what lies on a manager's desk: reviews, checks, and their own certificate."""
    user, profile = place.user, place.profile
    assert profile is not None
    return arrange((_reviews(user), _checks(user), _certificate(profile)))


def _reviews(user: User) -> Source:
    filters = Filters()
    keys = queues.queue_of(user).values_list("pk", flat=True)[:MOST]
    items = []
    for row in rows_of(user, keys, filters):
        review: Any = row.review  # with what `queues.load` adds
        held = queues.is_held(review)
        notes = [review.match.number]
        if review.is_second:
            notes.append(_("needs two approvals"))
        if review.is_appealed:
            notes.append(_("after an objection"))
        items.append(
            Item(
                act=_review_act(row.is_new, review.is_changed, held=held),
                title=row.title,
                url=row.url,
                icon="hourglass" if held else "scale",
                due_on=review.due_on,
                about=tuple(notes),
                at=review.assigned_at,
                others=held,
                paused_on=review.paused_on,
                days_left=review.days_left,
            )
        )
    tally: Tally = queues.tally(user, filters)
    held_count = tally.groups[queues.Due.HELD]
    return Source(_("Matches to review"), reverse("workbench"), items, tally.open - held_count)


def _review_act(is_new: bool, is_changed: bool, *, held: bool) -> str:
    if held:
        return _("A side is asked, or changes its listing")
    if is_changed:
        return _("It has changed since your last look: decide")
    return _("Take it on, or hand it back") if is_new else _("Decide")


def _checks(user: User) -> Source:
    rows = checking.desk(user)
    items = [
        Item(
            act=_("Check it: publish, ask, or reject"),
            title=blind_listing(row.listing),
            url=row.get_absolute_url(),
            icon="clipboard-check",
            due_on=row.due_on,
            about=(_check_note(row),),
            at=row.assigned_at,
        )
        for row in checking.load(rows.order_by("due_on", "pk")[:PER_SOURCE])
    ]
    return Source(
        _("Listings to check"), f"{reverse('listing_queue')}?show=mine", items, rows.count()
    )


def _check_note(row: PublicationReview) -> str:
    if row.appeal:
        return _("after an objection")
    return _("the owner has answered") if row.again else str(WORDS[row.kind].one)


def _certificate(profile: ManagerProfile) -> Source:
    """The manager's own certificate, while it runs out and no newer one is being checked."""
    until, today = profile.valid_until, timezone.localdate()
    ends = until is not None and until <= today + dt.timedelta(days=REMIND_DAYS)
    renewing = Renewal.objects.filter(profile=profile, status=RenewalStatus.OPEN).exists()
    items = []
    if ends and not renewing:
        items.append(
            Item(
                act=_("Hand in a newer certificate"),
                title=_("Your certificate runs out"),
                url=reverse("manager_renewal"),
                icon="certificate",
                due_on=until,
                about=(profile.certificate_no,),
            )
        )
    return Source("", "", items, len(items))


# --- An operator ----------------------------------------------------------------------------------


def of_operator(place: Place) -> Agenda:
    """Return what the operators have to see to, and what others are late with."""
    today = timezone.localdate()
    return arrange(
        (
            _escalated(place),
            _late(today),
            _nobodys(place),
            _to_verify(place),
            _code_changes(),
            _to_certify(place),
            _renewals(),
            _unassigned(),
        )
    )


def _assignments(state: str) -> str:
    return f"{reverse('ops_assignments')}?state={state}"


def _escalated(place: Place) -> Source:
    rows = escalated().with_listings().defer(*HEAVY).order_by("escalated_at", "pk")
    items = [
        Item(
            act=_("Give it to a manager"),
            title=presenting.blind_title(match),
            url=reverse("ops_reassign", args=[match.number]),
            icon="flag",
            # What was handed to the operators is late for whoever waits for it.
            due_on=match.due_on or timezone.localdate(),
            about=(match.number, match.get_escalation_display()),
            at=match.escalated_at,
        )
        for match in rows[:PER_SOURCE]
    ]
    total = place.waiting.get("escalated", 0)
    return Source(_("Matches handed to the operators"), _assignments("escalated"), items, total)


def _late(today: dt.date) -> Source:
    late = Match.objects.filter(late_matches(today), escalation="")
    rows = late.with_listings().defer(*HEAVY).order_by("due_on", "pk")
    items = [
        Item(
            act=_("See who is late, and give it to another")
            if match.status == MatchStatus.IN_REVIEW
            else _("See which side has not answered"),
            title=presenting.blind_title(match),
            url=reverse("ops_reassign", args=[match.number])
            if match.status == MatchStatus.IN_REVIEW
            else match.get_absolute_url(),
            icon="alarm",
            due_on=match.due_on,
            about=(match.number, match.get_status_display()),
        )
        for match in rows[:PER_SOURCE]
    ]
    return Source(
        _("Reviews and answers past their date"), _assignments("late"), items, late.count()
    )


def _nobodys(place: Place) -> Source:
    rows = checking.nobodys(place.user).order_by("due_on", "pk")
    items = [
        Item(
            act=_("Nobody checks it: decide it yourself"),
            title=blind_listing(row.listing),
            url=row.get_absolute_url(),
            icon="clipboard-check",
            due_on=row.due_on,
            about=(row.get_escalation_display() or _("waits for a manager"),),
            at=row.escalated_at or row.opened_at,
        )
        for row in checking.load(rows[:PER_SOURCE])
    ]
    total = place.waiting.get("nobodys", 0)
    return Source(_("Listings nobody checks"), reverse("listing_queue"), items, total)


def _to_verify(place: Place) -> Source:
    pending = Organization.objects.filter(status=OrganizationStatus.PENDING)
    items = [
        Item(
            act=_("Verify it, or send it back"),
            title=one.name,
            url=reverse("ops_organization", args=[one.pk]),
            icon="building",
            due_on=answer_due(one),
            about=(one.get_kind_display(),),
            at=one.asked_at,
        )
        for one in with_clock(pending).order_by("asked_at", "pk")[:PER_SOURCE]
    ]
    total = place.waiting.get("organizations", 0)
    return Source(_("Organizations to verify"), reverse("ops_organizations"), items, total)


def _code_changes() -> Source:
    rows = CodeChange.objects.filter(status=CodeChangeStatus.OPEN)
    items = [
        Item(
            act=_("Compare the new credit code, and answer"),
            title=change.organization.name,
            url=reverse("ops_organization", args=[change.organization_id]),
            icon="id-badge-2",
            due_on=_promised(change.asked_at),
            about=(str(change),),
            at=change.asked_at,
        )
        for change in rows.select_related("organization").order_by("asked_at")[:PER_SOURCE]
    ]
    return Source(_("Credit codes"), reverse("ops_organizations"), items, rows.count())


def _promised(asked_at: dt.datetime) -> dt.date:
    return add_working_days(timezone.localdate(asked_at), VERIFY_WITHIN)


def _to_certify(place: Place) -> Source:
    pending = ManagerProfile.objects.filter(status=ManagerStatus.PENDING).select_related("user")
    items = [
        Item(
            act=_("Compare the certificate, then certify or turn down"),
            title=str(profile),
            url=reverse("ops_manager", args=[profile.pk]),
            icon="certificate",
            due_on=answer_due(profile),
            about=(profile.get_grade_display(),),
            at=profile.asked_at,
        )
        for profile in managers_with_clock(pending).order_by("asked_at", "pk")[:PER_SOURCE]
    ]
    total = place.waiting.get("managers", 0)
    return Source(_("Managers to certify"), reverse("ops_managers"), items, total)


def _renewals() -> Source:
    rows = Renewal.objects.filter(status=RenewalStatus.OPEN)
    items = [
        Item(
            act=_("Compare the newer certificate"),
            title=str(renewal.profile),
            url=reverse("ops_manager", args=[renewal.profile_id]),
            icon="certificate",
            due_on=_promised(renewal.asked_at),
            about=(renewal.certificate_no,),
            at=renewal.asked_at,
        )
        for renewal in rows.select_related("profile__user").order_by("asked_at")[:PER_SOURCE]
    ]
    return Source(_("Renewals"), reverse("ops_managers"), items, rows.count())


def _unassigned() -> Source:
    """Matches without a manager: one line for all, as the next run may give them one."""
    rows = Match.objects.filter(unassigned_matches(), escalation="")
    found = rows.aggregate(count=Count("pk"))["count"]
    items = (
        [
            Item(
                act=_("See why, and plan who gets them"),
                title=ngettext(
                    "%(count)d match has no manager yet",
                    "%(count)d matches have no manager yet",
                    found,
                )
                % {"count": found},
                url=_assignments("unassigned"),
                icon="users-group",
            )
        ]
        if found
        else []
    )
    return Source("", "", items, len(items))
