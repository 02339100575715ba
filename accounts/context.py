"""The top bar, for every template."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import SimpleLazyObject
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from accounts.models import Membership, OrganizationKind
from accounts.navigation import Role, waiting_for
from accounts.notices import unread_count
from accounts.permissions import manager_profile

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

SESSION_KEY = "role"
MOST_UNREAD = 99


@dataclass(frozen=True)
class Entry:
    """One link of the top bar. `also` names the pages below it; `count` is a key of a count."""

    name: str
    label: StrOrPromise
    count: str = ""
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
    # The other roles of this person, to switch to.
    others: list[Role] = field(default_factory=list)


# A context of their own: elsewhere these words mean the things, here the lists of them.
DEMANDS = Entry("demand_list", pgettext_lazy("navigation", "Demands"), also=("demand_detail",))
ACHIEVEMENTS = Entry(
    "achievement_list", pgettext_lazy("navigation", "Achievements"), also=("achievement_detail",)
)
MANAGERS = Entry("manager_list", _("Technology managers"))
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
MY_ANSWERS = Entry("my_answers", _("Waiting for me"), "answers", also=("match_consent",))
LISTING_QUEUE = Entry(
    "listing_queue",
    pgettext_lazy("navigation", "Listings to check"),
    "listings",
    also=("listing_review",),
)

VISITOR = (DEMANDS, ACHIEVEMENTS, MANAGERS)
NEWCOMER = (Entry("organization", _("My organization")), DEMANDS, ACHIEVEMENTS, MANAGERS)
MANAGER = (
    Entry(
        "workbench",
        _("Workbench"),
        "reviews",
        also=("match_review", "match_conflict", "match_refer"),
    ),
    LISTING_QUEUE,
    Entry("review_log", _("Review log")),
    DEMANDS,
    ACHIEVEMENTS,
)
OPERATOR = (
    Entry(
        "ops_home",
        _("Overview"),
        also=(
            *("ops_models", "ops_rankers", "ops_ranker", "ops_ranker_fixed"),
            *("ops_reasons", "ops_reason_new", "ops_reason"),
        ),
    ),
    LISTING_QUEUE,
    Entry("ops_organizations", _("Organizations"), "organizations", also=("ops_organization",)),
    Entry("ops_managers", _("Managers"), "managers", also=("ops_manager",)),
    Entry("ops_assignments", _("Assignments"), also=("ops_reassign", "ops_plans", "ops_plan")),
    Entry("ops_audit", _("Audit")),
)
# Agencies and bureaus bring both kinds of listings.
WRITES_DEMANDS = {OrganizationKind.ENTERPRISE, OrganizationKind.AGENCY, OrganizationKind.BUREAU}
WRITES_ACHIEVEMENTS = set(OrganizationKind) - {OrganizationKind.ENTERPRISE}


def navigation(request: HttpRequest) -> dict[str, object]:
    """Offer `nav`. Nothing is asked of the database unless a template shows the top bar."""
    return {"nav": SimpleLazyObject(lambda: _navigation(request))}


def _navigation(request: HttpRequest) -> Navigation:
    match = getattr(request, "resolver_match", None)
    here = match.url_name if match is not None else ""
    if not getattr(request, "user", None) or not request.user.is_authenticated:
        return Navigation(links=_links(VISITOR, {}, here))

    user = request.user
    unread = _bell(unread_count(user))
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
    if not roles:
        return Navigation(links=_links(NEWCOMER, {}, here), unread=unread)
    chosen = request.session.get(SESSION_KEY)
    role = next((role for role in roles if role == chosen), roles[0])

    entries: tuple[Entry, ...]
    title: StrOrPromise
    if role == Role.OPERATOR:
        entries, title = OPERATOR, role.label
    elif role == Role.MANAGER and profile is not None:
        entries = MANAGER
        title = _("%(grade)s technology manager") % {"grade": profile.get_grade_display()}
    else:
        entries = _member_entries(OrganizationKind(m.organization.kind) for m in memberships)
        title = memberships[0].organization.name
    return Navigation(
        links=_links(entries, waiting_for(user), here),
        title=title,
        role=role,
        unread=unread,
        others=[other for other in roles if other != role],
    )


def _bell(count: int) -> str:
    if count > MOST_UNREAD:
        return f"{MOST_UNREAD}+"
    return str(count) if count else ""


def _member_entries(kinds: Iterable[OrganizationKind]) -> tuple[Entry, ...]:
    held = set(kinds)
    own = []
    if held & WRITES_DEMANDS:
        own.append(MY_DEMANDS)
    if held & WRITES_ACHIEVEMENTS:
        own.append(MY_ACHIEVEMENTS)
    return (*own, MY_ANSWERS, DEMANDS, ACHIEVEMENTS)


def _links(entries: Iterable[Entry], counts: dict[str, int], here: str | None) -> list[Link]:
    links = []
    for entry in entries:
        links.append(
            Link(
                url=reverse(entry.name),
                label=entry.label,
                count=counts.get(entry.count, 0),
                current=here == entry.name or here in entry.also,
            )
        )
    return links
