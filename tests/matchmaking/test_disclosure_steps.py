"""The help page's table of who sees what at which step is what the permissions grant."""

import pytest
from django.contrib.auth.models import AnonymousUser
from django.urls import reverse

from catalog.acquaintance import tier_by_match
from catalog.models import Demand
from catalog.permissions import listing_tier, may_see_owner
from matchmaking.disclosure_steps import STEPS, Reader, Sees
from matchmaking.permissions import contacts_visible, names_visible
from matchmaking.workflow import MatchStatus, ReviewStatus
from tests.factories import (
    make_achievement,
    make_demand,
    make_manager,
    make_match,
    make_member,
    make_organization,
    make_review,
)

pytestmark = pytest.mark.django_db

MATCHES = {
    "suggested": (MatchStatus.SUGGESTED, None),
    "accepted": (MatchStatus.IN_REVIEW, ReviewStatus.ACCEPTED),
    "approved": (MatchStatus.APPROVED, ReviewStatus.SUBMITTED),
    "introduced": (MatchStatus.INTRODUCED, ReviewStatus.SUBMITTED),
}


@pytest.fixture
def people():
    university = make_organization(kind="university")
    return {
        Reader.EVERYBODY: AnonymousUser(),
        Reader.MEMBER: make_member(),
        Reader.OTHER: make_member(university),
        Reader.MANAGER: make_manager(),
    }


def _granted(reader, user, listing, match):
    if not Demand.objects.visible_to(user).filter(pk=listing.pk).exists():
        return Sees(None)
    name, contacts = may_see_owner(user, listing), False
    tier = listing_tier(user, listing)
    if match is not None and user.is_authenticated:
        name = name or names_visible(user, match)
        contacts = contacts_visible(user, match)
        if reader == Reader.OTHER:
            tier = max(tier, tier_by_match(user, listing))
    return Sees(tier, name, contacts)


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.key)
def test_each_step_shows_what_the_permissions_grant(people, step):
    match = None
    if step.key in MATCHES:
        status, review = MATCHES[step.key]
        offer = make_achievement(owner=people[Reader.OTHER].organizations.get())
        match = make_match(status=status, demand=make_demand(), achievement=offer)
        if review is not None:
            make_review(match=match, manager=people[Reader.MANAGER], status=review)
        listing = match.demand
    else:
        listing = make_demand(status=step.key)

    granted = {reader: _granted(reader, user, listing, match) for reader, user in people.items()}

    assert granted == dict(step.sees)


@pytest.mark.parametrize("language", ["zh-hans", "en"])
def test_the_page_shows_the_steps_before_the_fields(client, language):
    page = client.get(reverse("help_visibility"), {"lang": language}).content.decode()
    places = [page.index(f'id="step-{step.key}"') for step in STEPS]
    assert places == sorted(places)
    assert places[-1] < page.index('id="who-caption"')
