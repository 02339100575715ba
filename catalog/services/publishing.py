"""The life of a listing: written, submitted, published, changed, withdrawn."""

from __future__ import annotations

import copy
import datetime as dt
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeVar

import pghistory
from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import Organization, User
from accounts.permissions import has_tie
from catalog.classes import Scheme, clean_classes
from catalog.disclosure import clean_disclosure
from catalog.ip import clean_ip_items, clean_orcid
from catalog.leaks import find_leaks
from catalog.models import (
    CONTENT_FIELDS,
    Achievement,
    Demand,
    Listing,
)
from catalog.quality import assess
from catalog.services.moving import OwnSide, announce, lock, log, move
from catalog.services.publication import cancel_check, open_check
from catalog.signals import listings_left, listings_published
from catalog.workflow import (
    EDITABLE,
    END_REASONS,
    EndReason,
    IllegalMove,
    ListingStatus,
)

L = TypeVar("L", bound=Listing)

# What takes effect at once on a published listing: no reviewer has to read anything again.
# (The score follows the content.)
IMMATERIAL = {"valid_until", "disclosure", "quality"}

# How a listing may end on its owner's word: a demand is fulfilled, an achievement transferred.
CLOSING = {
    "demand": (ListingStatus.FULFILLED, ListingStatus.CLOSED),
    "achievement": (ListingStatus.TRANSFERRED, ListingStatus.CLOSED),
}


def create_draft(
    *,
    model: type[L],
    owner: Organization,
    actor: User,
    content: Mapping[str, Any],
    external_id: str = "",
) -> L:
    """Store a draft. Raises `ValidationError` where a field breaks its bounds.

    `IntegrityError`: the owner has a listing with this external id.
    """
    listing = model(owner=owner, created_by=actor, external_id=external_id)
    write_content(listing, content)
    with transaction.atomic():
        listing.save()
        log(listing, actor=actor, before="")
    return listing


def clone(*, listing: L, actor: User) -> L:
    """Make a draft with the content of another listing of the same owner.

    Its key in the owner's own system stays behind, and so does every day that has passed.
    """
    today = timezone.localdate()
    names = (*CONTENT_FIELDS[listing.kind], "valid_until")
    content = {name: copy.deepcopy(getattr(listing, name)) for name in names}
    for name, value in content.items():
        if isinstance(value, dt.date) and value <= today:
            content[name] = None
    return create_draft(model=type(listing), owner=listing.owner, actor=actor, content=content)


@transaction.atomic
def save_draft(*, listing: L, actor: User, content: Mapping[str, Any]) -> L:
    """Store what was written so far. The listing stays a draft, or in need of information.

    Raises `IllegalMove` in any other status, `ValidationError` for fields out of bounds.
    """
    listing = lock(listing)
    if listing.status not in (ListingStatus.DRAFT, ListingStatus.NEEDS_INFO):
        raise IllegalMove(
            _("This listing is “%(status)s”; it can no longer be saved as a draft.")
            % {"status": listing.get_status_display()}
        )
    changed = write_content(listing, content)
    if changed:
        listing.updated_at = timezone.now()
        listing.save(update_fields=(*changed, "updated_at"))
    return listing


@transaction.atomic
def submit(
    *, listing: L, actor: User, content: Mapping[str, Any] | None = None, files: bool = False
) -> L:
    """Hand a listing in for review as a new version.

    A published one is submitted again only if its content changes, or for the sake of `files`
    that wait for the check; a new `valid_until` and other tiers take effect at once. Raises
    `IllegalMove`, or `ValidationError` when it is incomplete, names its owner, or its organization
    is not verified.
    """
    listing = lock(listing)
    if listing.status not in EDITABLE:
        raise IllegalMove(
            _("This listing is “%(status)s”; it cannot be submitted.")
            % {"status": listing.get_status_display()}
        )
    was_live = listing.is_live
    changed = write_content(listing, content or {})
    check_complete(listing)
    check_names(listing)
    if not listing.owner.is_verified:
        raise ValidationError(
            _("Your organization has not been verified yet. Drafts are kept until then.")
        )
    before = listing.status
    if before == ListingStatus.PUBLISHED and not set(changed) - IMMATERIAL and not files:
        if changed:
            _prolong(listing, changed, actor=actor, was_live=was_live)
        return listing

    listing.move_to(ListingStatus.SUBMITTED)
    listing.version += 1
    listing.submitted_at = listing.updated_at = listing.confirmed_at = timezone.now()
    listing.save(
        update_fields=(
            *changed, "status", "version", "submitted_at", "confirmed_at", "updated_at"
        )
    )  # fmt: skip
    pghistory.create_event(listing, label="revision")
    log(listing, actor=actor, before=before)
    open_check(listing)
    if before == ListingStatus.PUBLISHED:
        announce(listings_left, listing.kind, [listing.pk])
    return listing


@transaction.atomic
def withdraw(*, listing: L, actor: User, reason: str = "", note: str = "") -> L:
    """Take a listing back for good.

    Raises `IllegalMove` when it has ended already, `ValidationError` for a reason that is no
    reason to withdraw.
    """
    listing = lock(listing)
    if reason:
        _check_end(listing, ListingStatus.WITHDRAWN, reason, note)
    if listing.status == ListingStatus.SUBMITTED:
        cancel_check(listing)
    return move(listing, ListingStatus.WITHDRAWN, actor=actor, reason=reason, note=note)


@transaction.atomic
def close(*, listing: L, actor: User, status: str, reason: str = "", note: str = "") -> L:
    """End a published listing as fulfilled, transferred or closed without result.

    What ended without a result needs a reason. Raises `ValidationError` or `IllegalMove`.
    """
    if status not in CLOSING[listing.kind]:
        raise ValidationError(_("Please choose how it ended."))
    listing = lock(listing)
    if reason or status == ListingStatus.CLOSED:
        _check_end(listing, status, reason, note)
    return move(listing, ListingStatus(status), actor=actor, reason=reason, note=note)


def _check_end(listing: Listing, status: str, reason: str, note: str) -> None:
    if reason not in END_REASONS[listing.kind][status]:
        raise ValidationError({"reason": _("Please choose a reason.")})
    if reason == EndReason.OTHER and not note.strip():
        raise ValidationError({"note": _("Please say the reason in a sentence.")})


@transaction.atomic
def suspend(*, listing: L, actor: User, note: str) -> L:
    """Take a published listing out of circulation until an operator lets it back.

    Its owner reads the note. Raises `OwnSide`, `ValidationError` without a note, `IllegalMove`.
    """
    listing = lock(listing)
    if has_tie(actor, [listing.owner_id]):
        raise OwnSide
    if not note.strip():
        raise ValidationError({"note": _("Please say the reason in a sentence.")})
    return move(listing, ListingStatus.SUSPENDED, actor=actor, note=note)


@transaction.atomic
def resume(*, listing: L, actor: User, note: str = "") -> L:
    """Let a suspended listing back. Raises `OwnSide`, `IllegalMove`."""
    listing = lock(listing)
    if has_tie(actor, [listing.owner_id]):
        raise OwnSide
    if listing.status != ListingStatus.SUSPENDED:
        raise IllegalMove(_("This listing is not suspended."))
    return move(listing, ListingStatus.PUBLISHED, actor=actor, note=note)


@transaction.atomic
def confirm_valid(*, listing: L, actor: User, valid_until: dt.date) -> L:
    """Take the owner's word that a listing is still true until `valid_until`.

    Raises `ValidationError` for a day that has passed, `IllegalMove` for any but a published or
    expired listing.
    """
    if valid_until <= timezone.localdate():
        raise ValidationError({"valid_until": _("Please choose a day in the future.")})
    listing = lock(listing)
    if listing.status == ListingStatus.EXPIRED:
        listing.valid_until = valid_until
        listing.confirmed_at = timezone.now()
        return move(
            listing,
            ListingStatus.PUBLISHED,
            actor=actor,
            save=("valid_until", "confirmed_at"),
            valid_until=valid_until,
        )
    if listing.status != ListingStatus.PUBLISHED:
        raise IllegalMove(
            _("This listing is “%(status)s”; there is nothing to confirm.")
            % {"status": listing.get_status_display()}
        )
    was_live = listing.is_live
    listing.valid_until = valid_until
    _prolong(listing, ["valid_until"], actor=actor, was_live=was_live)
    return listing


def expire_overdue(*, limit: int = 500) -> int:
    """Move published listings whose last day has passed to expired. Return how many."""
    done = 0
    for model in (Demand, Achievement):
        overdue = model.objects.filter(
            status=ListingStatus.PUBLISHED, valid_until__lt=timezone.localdate()
        ).order_by("valid_until")
        for pk in overdue.values_list("pk", flat=True)[:limit]:
            with transaction.atomic():
                listing = model.objects.select_for_update().get(pk=pk)
                # Confirmed or withdrawn while we were on our way.
                if listing.is_live or listing.status != ListingStatus.PUBLISHED:
                    continue
                move(listing, ListingStatus.EXPIRED, actor=None)
                done += 1
    return done


def check_complete(listing: Listing) -> None:
    """Raise `ValidationError` by field for what a reviewer could not work without."""
    missing: dict[str, str] = {}
    if len(listing.title.strip()) < 4:
        missing["title"] = _("Please write a title of at least 4 characters.")
    if len(listing.summary.strip()) < 10:
        missing["summary"] = _("Please write a public summary of at least 10 characters.")
    if len(listing.body.strip()) < 30:
        missing["body"] = _("Please describe it in at least 30 characters.")
    if not listing.industry:
        missing["industry"] = _("Please choose an industry.")
    if not listing.region:
        missing["region"] = _("Please choose a region.")
    if not listing.modes:
        missing["modes"] = _("Please choose at least one cooperation mode.")
    if listing.valid_until is None or listing.valid_until <= timezone.localdate():
        missing["valid_until"] = _("Please choose a day in the future.")
    if missing:
        raise ValidationError(missing)


def check_names(listing: Listing) -> None:
    """Raise `ValidationError` by field for what gives the owner away before an introduction."""
    found: dict[str, list[str]] = {}
    for leak in find_leaks(listing, listing.owner):
        found.setdefault(leak.field, []).append(leak.sentence())
    if found:
        raise ValidationError(found)


def write_content(listing: Listing, content: Mapping[str, Any]) -> list[str]:
    """Set the given fields after checking them. Return the names of those that changed."""
    unknown = set(content) - {*CONTENT_FIELDS[listing.kind], "valid_until"}
    if unknown:
        raise TypeError(f"not fields of a listing's content: {sorted(unknown)}")
    tidy = {**content, **_tidied(listing.kind, content)}
    changed = [name for name, value in tidy.items() if getattr(listing, name) != value]
    for name in changed:
        setattr(listing, name, tidy[name])
    listing.clean_fields(exclude=("owner", "created_by", *_unchecked(listing)))
    _check_lengths(listing)
    low, high = listing.money_min, listing.money_max
    if low is not None and high is not None and low > high:
        raise ValidationError({"money_max": _("The upper amount is below the lower one.")})
    if isinstance(listing, Achievement):
        start, end = listing.publicity_from, listing.publicity_until
        if start is not None and end is not None and end < start:
            raise ValidationError(
                {"publicity_until": _("The publicity period ends before it begins.")}
            )
    score = assess(listing).score
    if changed and score != listing.quality:
        listing.quality = score
        changed.append("quality")
    return changed


def _tidied(kind: str, content: Mapping[str, Any]) -> dict[str, Any]:
    """Return those of the given fields that have a spelling of their own, in that spelling.

    Raises `ValidationError` by field.
    """
    readers: dict[str, Callable[[Any], Any]] = {
        "disclosure": partial(clean_disclosure, kind),
        "ip_items": clean_ip_items,
        "orcid": clean_orcid,
        "ipc": partial(clean_classes, Scheme.IPC),
        "emerging": partial(clean_classes, Scheme.EMERGING),
    }
    tidy: dict[str, Any] = {}
    for name in readers.keys() & content.keys():
        try:
            tidy[name] = readers[name](content[name])
        except ValidationError as error:
            raise ValidationError({name: error.messages}) from error
    return tidy


def _check_lengths(listing: Listing) -> None:
    # Models do not check the length of a TextField; a body of megabytes would reach the encoder.
    for field in listing._meta.get_fields():
        if not isinstance(field, models.TextField) or field.max_length is None:
            continue
        count = len(getattr(listing, field.name))
        if count > field.max_length:
            raise ValidationError(
                {
                    field.name: _("At most %(limit)d characters; this has %(count)d.")
                    % {"limit": field.max_length, "count": count}
                }
            )


def _unchecked(listing: Listing) -> list[str]:
    # A draft may be saved before it has a title.
    return [] if listing.title else ["title"]


def _prolong(listing: L, changed: list[str], *, actor: User, was_live: bool) -> None:
    """Save a new last day or other tiers of a locked, published listing."""
    listing.updated_at = listing.confirmed_at = timezone.now()
    listing.save(update_fields=(*changed, "confirmed_at", "updated_at"))
    log(
        listing,
        actor=actor,
        before=listing.status,
        valid_until=listing.valid_until if "valid_until" in changed else None,
    )
    if not was_live or "disclosure" in changed:
        # Its day had passed and the clock had not come round yet: runs have left it out since.
        # Other tiers change what may be searched.
        announce(listings_published, listing.kind, [listing.pk])
