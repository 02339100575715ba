"""The steps of a listing's life as a reader may read them: who, what, when, why."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.urls import reverse
from django.utils.translation import gettext as _
from django_stubs_ext import StrOrPromise

from accounts.permissions import is_operator
from accounts.templatetags.kq import day
from catalog.models import Listing, ListingEvent
from catalog.permissions import belongs_to_owner, may_read_history
from catalog.reasons import label
from catalog.templatetags.catalog_text import step
from catalog.workflow import Actor, EndReason, EventVerb, ListingStatus, actor_of

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser

    from accounts.models import User

# Where a reviewer's reason leads.
DECIDED = (ListingStatus.NEEDS_INFO, ListingStatus.REJECTED)
# The latest steps that a page shows; one listing has seldom more than twenty.
STEPS_AT_MOST = 100


@dataclass(frozen=True)
class Step:
    what: str
    who: StrOrPromise
    when: dt.datetime
    reason: str
    note: str
    # Of a version that was handed in here, and where to read what it changed.
    version: int = 0
    changes_url: str = ""


def who(event: ListingEvent, *, own: bool, operator: bool) -> StrOrPromise:
    """Say who made a step. Names are for one's own side; whoever checks it stays unnamed to it."""
    actor = actor_of(event.before, event.after, event.verb)
    if actor == Actor.CLOCK or event.actor is None:
        return Actor.CLOCK.label
    if operator or (own and actor == Actor.OWNER):
        return event.actor.name
    return actor.label


def what(event: ListingEvent) -> str:
    if event.valid_until is not None:
        return _("Confirmed as true until %(day)s") % {"day": day(event.valid_until)}
    if event.verb:
        return event.get_verb_display()
    if event.before == event.after:
        return _("Changed without a new check")
    if event.before == ListingStatus.SUSPENDED and event.after == ListingStatus.PUBLISHED:
        return _("Let back")
    return step(event)


def reason_label(event: ListingEvent) -> str:
    """Say the reason of a step in words: a reviewer's, or the owner's for an end; "" without."""
    if not event.reason:
        return ""
    if event.before == ListingStatus.SUBMITTED and event.after in DECIDED:
        return label("listing", event.reason)
    return str(EndReason(event.reason).label) if event.reason in EndReason.values else event.reason


def timeline(listing: Listing, reader: User | AnonymousUser) -> list[Step]:
    """Return the steps of a listing, the oldest first. The caller has said that `reader` may."""
    own = belongs_to_owner(reader, listing)
    links = may_read_history(reader, listing)
    events = ListingEvent.objects.filter(**{listing.kind: listing}).select_related("actor")
    told = list(reversed(events.order_by("-pk")[:STEPS_AT_MOST]))
    silent = set() if is_operator(reader) else _taken_back(told)
    steps = []
    for event in told:
        handed_in = event.after == ListingStatus.SUBMITTED and not event.verb
        version = event.version if handed_in else 0
        steps.append(
            Step(
                what=what(event),
                who=who(event, own=own, operator=is_operator(reader)),
                when=event.created_at,
                reason=reason_label(event) if event.pk not in silent else "",
                note=event.note if event.pk not in silent else "",
                version=version,
                changes_url=version_url(listing, version) if version and links else "",
            )
        )
    return steps


def _taken_back(events: Iterable[ListingEvent]) -> set[int]:
    """Return the keys of decisions that were undone or are void: their texts count no more."""
    found: set[int] = set()
    last: int | None = None
    for event in events:
        if event.verb in (EventVerb.UNDONE, EventVerb.VOIDED) and last is not None:
            found.add(last)
        elif event.before == ListingStatus.SUBMITTED and not event.verb:
            last = event.pk
    return found


def version_url(listing: Listing, version: int) -> str:
    """Return the page that says what a version changed against the one before it."""
    return f"{reverse(f'{listing.kind}_revisions', args=[listing.number])}?to={version}"


@dataclass
class Version:
    """Who handed a version in, when, and what became of it."""

    number: int
    when: dt.datetime
    who: StrOrPromise = ""
    outcome: str = ""


def versions(
    listing: Listing, reader: User | AnonymousUser, revisions: Iterable[object]
) -> list[Version]:
    """Join revisions with the events that made and judged them; one query for any number."""
    own = belongs_to_owner(reader, listing)
    found = {
        revision.version: Version(revision.version, revision.pgh_created_at)  # type: ignore[attr-defined]
        for revision in revisions
    }
    events = ListingEvent.objects.filter(**{listing.kind: listing}, version__in=found)
    for event in events.select_related("actor").order_by("pk"):
        version = found[event.version]
        # An import publishes at once; everybody else hands in first.
        if not version.who and event.after in (ListingStatus.SUBMITTED, ListingStatus.PUBLISHED):
            version.who = who(event, own=own, operator=is_operator(reader))
        if event.before == ListingStatus.SUBMITTED or event.after == ListingStatus.PUBLISHED:
            version.outcome = event.after
    return list(found.values())


def published_before(listing: Listing) -> int:
    """Return the latest version before the present one that was published, else handed in; or 0."""
    events = ListingEvent.objects.filter(**{listing.kind: listing}, version__lt=listing.version)
    published = events.filter(after=ListingStatus.PUBLISHED).order_by("-version")
    found = published.values_list("version", flat=True).first()
    return found if found is not None else max(0, listing.version - 1)
