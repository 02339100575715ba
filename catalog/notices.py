"""What people are told of listings: their owners, who checks them, and operators.

Owners read their own title; who checks a listing stays unnamed to them. Who checks it and
operators read its number and its class.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.conflicts import tie_kinds
from accounts.inbox import Choice, Group, Notification
from accounts.models import User
from accounts.navigation import Role
from accounts.notices import Kind, Notice, register
from accounts.permissions import is_certified_manager, writable_organizations
from accounts.templatetags.kq import day
from catalog.models import (
    Achievement,
    Attachment,
    Demand,
    ImportJob,
    Listing,
    PublicationReview,
)
from catalog.models.imports import ImportState
from catalog.workflow import ListingStatus, PublicationEscalation

MODELS: dict[str, type[Listing]] = {"demand": Demand, "achievement": Achievement}


@dataclass(frozen=True)
class Known:
    """What one reader's notifications are about."""

    user: User
    listings: dict[tuple[str, int], Listing]
    publications: dict[int, PublicationReview]
    attachments: dict[int, Attachment]
    jobs: dict[int, ImportJob]
    # Organizations in whose name the reader writes.
    writes_for: set[int]
    # Organizations of the publications' listings that the reader has a tie to.
    tied: set[int]
    is_manager: bool

    def own(self, kind: str, pk: int) -> Listing | None:
        listing = self.listings.get((kind, pk))
        return listing if listing is not None and listing.owner_id in self.writes_for else None


def load(user: User, notifications: Sequence[Notification]) -> Known:
    """Read it with one query a table, each only if a notification asks for it."""
    ids: dict[str, set[int]] = defaultdict(set)
    for row in notifications:
        for key in ("publication", "attachment", "job"):
            if key in row.payload:
                ids[key].add(row.payload[key])
        if "listing" in row.payload:
            ids[row.payload["kind"]].add(row.payload["listing"])
    listings = {
        (kind, pk): listing
        for kind, model in MODELS.items()
        if ids[kind]
        for pk, listing in model.objects.select_related("owner").in_bulk(ids[kind]).items()
    }
    publications = (
        PublicationReview.objects.with_listing().in_bulk(ids["publication"])
        if ids["publication"]
        else {}
    )
    owners = {row.listing.owner_id for row in publications.values()}
    attachments = Attachment.objects.select_related("demand", "achievement")
    return Known(
        user=user,
        listings=listings,
        publications=publications,
        attachments=attachments.in_bulk(ids["attachment"]) if ids["attachment"] else {},
        jobs=ImportJob.objects.in_bulk(ids["job"]) if ids["job"] else {},
        writes_for=set(writable_organizations(user).values_list("pk", flat=True)),
        tied=set(tie_kinds(user, owners)) if owners else set(),
        is_manager=is_certified_manager(user),
    )


def _named(listing: Listing) -> dict[str, str]:
    return {"number": listing.number, "title": listing.title}


# --- To the owner -----------------------------------------------------------------------------


def _own_in(notification: Notification, known: Known, *status: ListingStatus) -> Listing | None:
    listing = known.own(notification.payload["kind"], notification.payload["listing"])
    return listing if listing is not None and listing.status in status else None


def published(notification: Notification, known: Known) -> Notice | None:
    listing = _own_in(notification, known, ListingStatus.PUBLISHED)
    if listing is None:
        return None
    return Notice(
        _("Published: “%(title)s”") % _named(listing),
        _("%(number)s is on the list now, and partners are being looked for.") % _named(listing),
        listing.get_absolute_url(),
    )


def needs_info(notification: Notification, known: Known) -> Notice | None:
    listing = _own_in(notification, known, ListingStatus.NEEDS_INFO)
    if listing is None:
        return None
    return Notice(
        _("More is needed: “%(title)s”") % _named(listing),
        _("The check of %(number)s waits for answers; the questions stand at the fields.")
        % _named(listing),
        reverse(f"{listing.kind}_edit", args=[listing.number]),
    )


def rejected(notification: Notification, known: Known) -> Notice | None:
    listing = _own_in(notification, known, ListingStatus.REJECTED)
    if listing is None:
        return None
    return Notice(
        _("Not published: “%(title)s”") % _named(listing),
        _("The page of %(number)s says why, and how to object once.") % _named(listing),
        listing.get_absolute_url(),
    )


def virus(notification: Notification, known: Known) -> Notice | None:
    file = known.attachments.get(notification.payload["attachment"])
    if file is None or file.listing.owner_id not in known.writes_for:
        return None
    return Notice(
        _("A virus was found in “%(file)s”") % {"file": file.title},
        _("The file was taken off %(number)s and deleted. Upload a clean one if it is needed.")
        % {"number": file.listing.number},
        reverse(f"{file.listing.kind}_files", args=[file.listing.number]),
    )


def import_finished(notification: Notification, known: Known) -> Notice | None:
    job = known.jobs.get(notification.payload["job"])
    if job is None or job.organization_id not in known.writes_for:
        return None
    words = {"file": job.file_name, "new": job.new, "changed": job.changed, "wrong": job.wrong}
    url = reverse("import_job", args=[job.pk])
    if job.state == ImportState.CHECKED and notification.payload["state"] == job.state:
        return Notice(
            _("“%(file)s” is checked") % words,
            _(
                "%(new)d new, %(changed)d changed, %(wrong)d to fix. Nothing is stored before "
                "somebody confirms it."
            )
            % words,
            url,
        )
    if job.state == ImportState.DONE and notification.payload["state"] == job.state:
        return Notice(
            _("“%(file)s” is imported") % words,
            _("%(new)d new, %(changed)d changed, %(wrong)d left out.") % words,
            url,
        )
    if job.state == ImportState.FAILED and notification.payload["state"] == job.state:
        return Notice(
            _("“%(file)s” could not be imported") % words,
            _("Nothing more is stored. The page says why."),
            url,
        )
    return None


# --- To who checks listings ---------------------------------------------------------------------


def blind_listing(listing: Listing) -> str:
    """Return a number and a class: a title that nobody has checked may name anybody."""
    return " · ".join(part for part in (listing.number, listing.industry_label()) if part)


def _to_check(notification: Notification, known: Known) -> PublicationReview | None:
    row = known.publications.get(notification.payload["publication"])
    if row is None or not row.is_open or not known.is_manager:
        return None
    if row.manager_id != known.user.pk or row.listing.owner_id in known.tied:
        return None
    return row


def to_review(notification: Notification, known: Known) -> Notice | None:
    row = _to_check(notification, known)
    if row is None:
        return None
    return Notice(
        _("To check: %(listing)s") % {"listing": blind_listing(row.listing)},
        _("Its owner waits for the decision until %(day)s.") % {"day": day(row.due_on)},
        row.get_absolute_url(),
    )


def review_due(notification: Notification, known: Known) -> Notice | None:
    row = _to_check(notification, known)
    if row is None or not is_due(notification.payload, row.due_on):
        return None
    return Notice(
        due_title(notification.payload["stage"]) % {"subject": blind_listing(row.listing)},
        _("Its owner waits for the decision until %(day)s.") % {"day": day(row.due_on)},
        row.get_absolute_url(),
    )


def due_title(stage: str) -> str:
    """Return the title of a reminder: "soon", "today" or "late"."""
    return {
        "soon": _("Due soon: %(subject)s"),
        "today": _("Due today: %(subject)s"),
        "late": _("Overdue: %(subject)s"),
    }[stage]


def is_due(payload: Mapping[str, Any], due_on: dt.date | None) -> bool:
    """Say whether a reminder still says what is: not behind its day, nor after another was set.

    Who was late was given a day more, so that reminder holds through that day.
    """
    if due_on is None or str(due_on) != payload.get("due_on", str(due_on)):
        return False
    today = timezone.localdate()
    return {"soon": due_on > today, "today": due_on == today, "late": due_on >= today}[
        payload["stage"]
    ]


def escalated(notification: Notification, known: Known) -> Notice | None:
    row = known.publications.get(notification.payload["publication"])
    if row is None or row.escalated_at is None or not known.user.is_operator:
        return None
    if row.escalation == PublicationEscalation.CONFLICT:
        if row.listing.status != ListingStatus.PUBLISHED:
            return None
        return Notice(
            _("Published with a conflict of interest: %(listing)s")
            % {"listing": blind_listing(row.listing)},
            _(
                "Who published it turns out to have a tie to its owner, and others have acted on "
                "it since. Please read it; it can be suspended."
            ),
            row.listing.get_absolute_url(),
        )
    if not row.is_open:
        return None
    return Notice(
        _("Nobody checks %(listing)s") % {"listing": blind_listing(row.listing)},
        _("It was to be decided until %(day)s; an operator has to see to it.")
        % {"day": day(row.due_on)},
        row.get_absolute_url(),
    )


def connect() -> None:
    """Make the kinds known. Called from `ready()`."""
    todo, info = Group.TODO, Group.INFO
    operator, manager, member = Role.OPERATOR, Role.MANAGER, Role.MEMBER
    now, digest = Choice.NOW, Choice.DIGEST
    for code, label, role, group, mail, write in (
        (
            "listing.needs_info",
            gettext_lazy("Questions about a listing"),
            member,
            todo,
            now,
            needs_info,
        ),
        ("listing.published", gettext_lazy("Listing published"), member, info, now, published),
        ("listing.rejected", gettext_lazy("Listing not published"), member, info, now, rejected),
        ("file.virus", gettext_lazy("Files with a virus"), member, todo, now, virus),
        ("import.finished", gettext_lazy("Imports"), member, info, now, import_finished),
        ("listing.to_review", gettext_lazy("Listings to check"), manager, todo, digest, to_review),
        (
            "listing.review_due",
            gettext_lazy("Deadlines of checks"),
            manager,
            todo,
            digest,
            review_due,
        ),
        (
            "escalation.listing",
            gettext_lazy("Listings nobody checks"),
            operator,
            todo,
            digest,
            escalated,
        ),
    ):
        register(Kind(code, label, role, group, mail, load, write))
