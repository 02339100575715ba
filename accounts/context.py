"""The top bar, for every template."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import SimpleLazyObject
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from accounts.models import ManagerProfile, Membership, OrganizationKind, User
from accounts.navigation import Role, waiting_for
from accounts.notices import unread_count
from accounts.permissions import manager_profile

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

SESSION_KEY = "role"
MOST_UNREAD = 99


@dataclass(frozen=True)
class Entry:
    """One link of the top bar. `also` names the pages below it; `count` are keys of counts."""

    name: str
    label: StrOrPromise
    count: tuple[str, ...] = ()
    also: tuple[str, ...] = ()


@dataclass(frozen=True)
class Link:
    url: str
    label: StrOrPromise
    count: int
    current: bool


@dataclass
class Navigation:
    links: list[Link] = field(default_factory=list)
    # What stands behind the name: an organization's name, or a manager's grade.
    title: StrOrPromise = ""
    role: str = ""
    # The number beside the bell; more than 99 are "99+".
    unread: str = ""
    # The list that this person would look through: what others have.
    search: str = ""
    # The other roles of this person, to switch to.
    others: list[Role] = field(default_factory=list)


# A context of their own: elsewhere these words mean the things, here the lists of them.
HOME = Entry("home", _("Home"))
DEMANDS = Entry("demand_list", pgettext_lazy("navigation", "Demands"), also=("demand_detail",))
ACHIEVEMENTS = Entry(
    "achievement_list", pgettext_lazy("navigation", "Achievements"), also=("achievement_detail",)
)
MANAGERS = Entry("manager_list", _("Technology managers"))
RESULTS = Entry("results", pgettext_lazy("navigation", "Results"))
MY_DEMANDS = Entry(
    "my_demands",
    _("My demands"),
    also=("demand_new", "demand_new_whole", "demand_edit", "demand_step", "demand_matches"),
)
MY_ACHIEVEMENTS = Entry(
    "my_achievements",
    _("My achievements"),
    also=(
        *("achievement_new", "achievement_new_whole", "achievement_edit", "achievement_step"),
        "achievement_matches",
    ),
)
IMPORT = Entry("import_new", _("Import"), also=("import_job",))
MY_ANSWERS = Entry(
    "my_answers",
    _("Waiting for me"),
    ("answers",),
    also=("match_consent", "match_questions"),
)

VISITOR = (DEMANDS, ACHIEVEMENTS, MANAGERS, RESULTS)
NEWCOMER = (
    HOME,
    Entry("organization", _("My organization"), also=("organization_new", "organization_join")),
    DEMANDS,
    ACHIEVEMENTS,
    MANAGERS,
)
MANAGER = (
    HOME,
    Entry(
        "workbench",
        _("Workbench"),
        ("reviews",),
        also=("match_review", "match_conflict", "match_refer", "match_ask", "triage"),
    ),
    Entry(
        "listing_queue",
        pgettext_lazy("navigation", "Listings to check"),
        ("listings",),
        also=("listing_review",),
    ),
    Entry("review_log", _("Review log")),
    DEMANDS,
    ACHIEVEMENTS,
)
OPERATOR = (
    HOME,
    Entry(
        "dashboard",
        _("Overview"),
        also=(
            *("ops_home", "ops_unmet", "ops_models", "ops_rankers", "ops_ranker"),
            *("ops_ranker_fixed", "ops_reasons", "ops_reason_new", "ops_reason"),
        ),
    ),
    Entry(
        "listing_queue",
        pgettext_lazy("navigation", "Listings"),
        ("nobodys",),
        also=("listing_review", "ops_listings"),
    ),
    Entry(
        "ops_organizations",
        pgettext_lazy("navigation", "Organizations and managers"),
        ("organizations", "managers"),
        also=("ops_organization", "ops_managers", "ops_manager"),
    ),
    Entry(
        "ops_assignments",
        _("Assignments"),
        ("escalated",),
        also=("ops_reassign", "ops_reopen", "ops_plans", "ops_plan"),
    ),
    Entry("ops_audit", _("Audit")),
)
# Which counts of `waiting_for` are whose.
COUNTS: dict[Role, tuple[str, ...]] = {
    Role.OPERATOR: ("escalated", "nobodys", "organizations", "managers"),
    Role.MANAGER: ("reviews", "listings"),
    Role.MEMBER: ("answers",),
}
# Agencies and bureaus bring both kinds of listings.
WRITES_DEMANDS = {OrganizationKind.ENTERPRISE, OrganizationKind.AGENCY, OrganizationKind.BUREAU}
WRITES_ACHIEVEMENTS = set(OrganizationKind) - {OrganizationKind.ENTERPRISE}


@dataclass
class Place:
    """In whose place somebody looks at the site. `role` is None for one who has no role yet."""

    user: User
    roles: list[Role]
    role: Role | None
    # Active ones.
    memberships: list[Membership]
    # Of a certified manager.
    profile: ManagerProfile | None

    @cached_property
    def waiting(self) -> dict[str, int]:
        return waiting_for(self.user) if self.roles else {}

    @property
    def others(self) -> list[Role]:
        return [role for role in self.roles if role != self.role]

    @property
    def kinds(self) -> set[OrganizationKind]:
        return {OrganizationKind(row.organization.kind) for row in self.memberships}

    @property
    def brings(self) -> tuple[str, ...]:
        """Which of the two lists this person's organizations add to."""
        kinds = self.kinds
        demands = ("demand",) if kinds & WRITES_DEMANDS else ()
        return (*demands, "achievement") if kinds & WRITES_ACHIEVEMENTS else demands

    def waits_as(self, role: Role) -> int:
        """Return how much waits for this person in one of their roles."""
        return sum(self.waiting.get(key, 0) for key in COUNTS[role])


def place_of(request: HttpRequest) -> Place:
    """Return in whose place a reader who is logged in looks at the site; asked for once."""
    place: Place | None = getattr(request, "kq_place", None)
    if place is None:
        place = request.kq_place = _place(request)  # type: ignore[attr-defined]
    return place


def _place(request: HttpRequest) -> Place:
    user = request.user
    assert user.is_authenticated
    memberships = list(Membership.objects.active().filter(user=user).select_related("organization"))
    profile = manager_profile(user)
    roles = [
        role
        for role, held in (
            (Role.OPERATOR, user.is_operator),
            (Role.MANAGER, profile is not None),
            (Role.MEMBER, bool(memberships)),
        )
        if held
    ]
    chosen = request.session.get(SESSION_KEY)
    role = next((role for role in roles if role == chosen), roles[0] if roles else None)
    return Place(user, roles, role, memberships, profile)


def navigation(request: HttpRequest) -> dict[str, object]:
    """Offer `nav`. Nothing is asked of the database unless a template shows the top bar."""
    return {"nav": SimpleLazyObject(lambda: _navigation(request))}


def _navigation(request: HttpRequest) -> Navigation:
    match = getattr(request, "resolver_match", None)
    here = match.url_name if match is not None else ""
    if not getattr(request, "user", None) or not request.user.is_authenticated:
        return Navigation(links=_links(VISITOR, {}, here))

    place = place_of(request)
    unread = _bell(unread_count(place.user))
    if place.role is None:
        return Navigation(
            links=_links(NEWCOMER, {}, here), unread=unread, search=reverse("achievement_list")
        )

    entries: tuple[Entry, ...]
    title: StrOrPromise
    if place.role == Role.OPERATOR:
        entries, title = OPERATOR, place.role.label
    elif place.role == Role.MANAGER and place.profile is not None:
        entries = MANAGER
        title = _("%(grade)s technology manager") % {"grade": place.profile.get_grade_display()}
    else:
        entries = _member_entries(place)
        title = place.memberships[0].organization.name
    return Navigation(
        links=_links(entries, place.waiting, here),
        title=title,
        role=place.role,
        unread=unread,
        search=reverse("achievement_list" if "demand" in place.brings else "demand_list"),
        others=place.others,
    )


def _bell(count: int) -> str:
    if count > MOST_UNREAD:
        return f"{MOST_UNREAD}+"
    return str(count) if count else ""


def _member_entries(place: Place) -> tuple[Entry, ...]:
    brings = place.brings
    own = [{"demand": MY_DEMANDS, "achievement": MY_ACHIEVEMENTS}[kind] for kind in brings]
    # Whoever brings achievements alone brings many of them; six entries are as many as fit.
    imports = (IMPORT,) if brings == ("achievement",) else ()
    return (HOME, *own, MY_ANSWERS, *imports, DEMANDS, ACHIEVEMENTS)


def _links(entries: Iterable[Entry], counts: dict[str, int], here: str | None) -> list[Link]:
    links = []
    for entry in entries:
        links.append(
            Link(
                url=reverse(entry.name),
                label=entry.label,
                count=sum(counts.get(key, 0) for key in entry.count),
                current=here == entry.name or here in entry.also,
            )
        )
    return links
