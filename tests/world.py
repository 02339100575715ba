"""A little of everything that a page may show: for tests that look at pages, not at behaviour."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import NamedTuple

from django.utils import timezone

from accounts.inbox import Notification
from accounts.models import Membership, Organization, User
from accounts.notices import notify
from catalog.models import Achievement, Demand, ImportJob, SavedSearch
from catalog.workflow import ListingStatus
from matchmaking.models import AssignmentPlan, Match
from matchmaking.workflow import MatchStatus, ReviewStatus
from tests.factories import (
    make_achievement,
    make_demand,
    make_manager,
    make_match,
    make_member,
    make_operator,
    make_organization,
    make_ranker_version,
    make_review,
    make_user,
)


class World(NamedTuple):
    """A little of everything that a page may show."""

    enterprise: Organization
    owner: User
    professor: User
    manager: User
    operator: User
    newcomer: User
    demand: Demand
    achievement: Achievement
    submitted: Demand
    draft: Demand
    asked: Match
    introduced: Match
    offered: Match
    taken_on: Match
    applicant: User
    rejected: Match
    questioned: Match
    colleague: Membership
    search: SavedSearch
    job: ImportJob
    plan: AssignmentPlan


def make_world() -> World:
    enterprise, university = make_organization(), make_organization(kind="university")
    owner, professor = make_member(enterprise), make_member(university)
    manager = make_manager()
    demand, achievement = make_demand(owner=enterprise), make_achievement(owner=university)
    other = make_organization(kind="institute")
    make_organization(status="pending", verified_at=None)
    applicant = make_manager()
    applicant.manager_profile.status = "pending"
    applicant.manager_profile.certified_at = None
    applicant.manager_profile.save()
    taken_on = make_match(
        demand=demand, achievement=make_achievement(owner=other), status=MatchStatus.IN_REVIEW
    )
    make_review(match=taken_on, manager=manager, status=ReviewStatus.ACCEPTED)
    make_ranker_version(is_active=True)
    questioned = make_match(
        demand=demand, achievement=make_achievement(owner=other), status=MatchStatus.IN_REVIEW
    )
    make_review(match=questioned, manager=manager, status=ReviewStatus.ACCEPTED).inquiries.create(
        side="demand",
        questions=[{"field": "trl", "name": "成熟度", "text": "可以低一级吗？"}],
        due_on=timezone.localdate() + dt.timedelta(days=5),
    )
    operator = make_operator()
    reviewed = {"demand": demand, "manager": manager}
    world = World(
        enterprise=enterprise,
        owner=owner,
        professor=professor,
        manager=manager,
        operator=operator,
        newcomer=make_user(),
        demand=demand,
        achievement=achievement,
        submitted=make_demand(status=ListingStatus.SUBMITTED, title="低温电解液配方"),
        draft=make_demand(status=ListingStatus.DRAFT, owner=enterprise, title="草稿"),
        asked=make_match(**reviewed, achievement=achievement, status=MatchStatus.APPROVED),
        introduced=make_match(
            **reviewed,
            achievement=make_achievement(owner=university),
            status=MatchStatus.INTRODUCED,
        ),
        offered=make_match(
            **reviewed,
            achievement=make_achievement(owner=other),
            status=MatchStatus.IN_REVIEW,
        ),
        taken_on=taken_on,
        applicant=applicant,
        rejected=make_match(
            **reviewed,
            achievement=make_achievement(owner=university),
            status=MatchStatus.REJECTED,
        ),
        questioned=questioned,
        colleague=make_member(enterprise, role="viewer").memberships.get(),
        search=owner.saved_searches.create(kind="achievement", name="淬火", query="industry=C34"),
        job=ImportJob.objects.create(
            organization=enterprise, kind="demand", file="gone", size=1, state="checked", new=1
        ),
        plan=AssignmentPlan.objects.create(scope="assigned", asked_by=operator),
    )
    _tell(world)
    return world


def _tell(world: World) -> None:
    """Tell the owner and the manager something of each group, read and unread."""
    asked = {"match": world.asked.pk, "side": "demand"}
    review = world.asked.reviews.get().pk
    of_owner = [
        ("match.approved", asked | {"review": review}),
        ("match.introduced", {"match": world.introduced.pk, "side": "demand"}),
        ("organization.verified", {"organization": world.enterprise.pk}),
    ]
    for kind, payload in of_owner:
        notify(kind=kind, user=world.owner, key=f"page:{kind}", payload=payload)
    for match in (world.offered, world.taken_on):
        notify(
            kind="review.assigned",
            user=world.manager,
            key=f"page:{match.pk}",
            payload={"review": match.reviews.get().pk},
        )
    Notification.objects.filter(kind="organization.verified").update(read_at=timezone.now())


def of(name: str, pages: str = "") -> Callable[[World], str]:
    """Return what tells the address of a row of the world, with `pages` after it."""
    return lambda world: getattr(world, name).get_absolute_url() + pages
