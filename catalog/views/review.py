"""Checking what was submitted: the queue, and the page where one listing is decided."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.http import UserRequest
from accounts.models import User
from accounts.permissions import Tier
from accounts.workdays import working_days_left
from catalog.checking import LABELS, Filters, load, waiting
from catalog.details import detail_groups, has_more
from catalog.disclosure import shown
from catalog.duplicates import find_alike
from catalog.files import file_leaks, files_for, removed_since_check
from catalog.leaks import find_leaks
from catalog.looking import note_look
from catalog.models import Listing, ListingEvent, PublicationReview, revision_model
from catalog.permissions import can_decide, may_review_listings, may_see_owner
from catalog.remarks import TIERS, Remark, remarks
from catalog.review_forms import NOTE_LIMIT, DecisionForm
from catalog.rows import ROW_FIELDS
from catalog.services import deciding
from catalog.services.moving import OwnSide
from catalog.timeline import published_before, timeline
from catalog.views.browse import page_of
from catalog.views.gate import MODELS, WORDS, get_listing, kind_of, names
from catalog.views.revisions import changes_between
from catalog.workflow import IllegalMove, ListingStatus, PublicationStatus

# Decisions that a page offers to undo.
UNDOABLE_AT_MOST = 3
JUDGED_BEFORE = gettext_lazy(
    "You rejected this listing, and its owner objects: somebody else looks at it again."
)


def _only_reviewers(request: UserRequest) -> None:
    if not may_review_listings(request.user):
        raise PermissionDenied(
            _("This page is open to certified technology managers and operators only.")
        )


@require_safe
def listing_queue(request: UserRequest) -> HttpResponse:
    """List what was submitted, the reader's checks first; without their own side's listings."""
    _only_reviewers(request)
    rows, filters = waiting(request.user), Filters.read(request.GET)
    counts = filters.counts(rows, request.user)
    found = filters.apply(rows, request.user)
    page = page_of(found, request.GET.get("page", "1"))
    shown_rows: Any = page.object_list  # a slice of the query set
    return render(
        request,
        "catalog/queue.html",
        {
            "page": page,
            "rows": [_row(row, request.user) for row in load(shown_rows)],
            "filters": filters,
            "tabs": [
                (name, label, counts[name])
                for name, label in LABELS.items()
                if name in ("all", "mine", "late") or counts[name] or filters.show == name
            ],
            "kinds": [(kind, WORDS[kind].many) for kind in MODELS],
            "undoable": undoable(request.user),
            "days": settings.PUBLICATION_WORKING_DAYS,
        },
    )


def _row(row: PublicationReview, reader: User) -> dict[str, Any]:
    listing = row.listing
    since = timezone.localtime(listing.submitted_at or row.opened_at).date()
    return {
        "check": row,
        "listing": listing,
        "one": WORDS[listing.kind].one,
        "waited": working_days_left(timezone.localdate(), since),
        "who": _who(row, reader),
    }


def _who(row: PublicationReview, reader: User) -> str:
    """Say who answers for a check. Operators read the name."""
    if row.manager is None:
        return _("waits for a manager")
    if row.manager_id == reader.pk:
        return _("you")
    return row.manager.name if reader.is_operator else _("a colleague")


@dataclass(frozen=True)
class Undoable:
    """A decision of the reader's that can still be taken back."""

    check: PublicationReview
    until: dt.datetime


def undoable(user: User) -> list[Undoable]:
    """Return the reader's decisions of the last minutes, the latest first."""
    since = timezone.now() - dt.timedelta(minutes=settings.UNDO_MINUTES)
    rows = PublicationReview.objects.filter(
        status=PublicationStatus.SUBMITTED, decided_by=user, closed_at__gt=since
    )
    return [
        Undoable(row, until)
        for row in rows.with_listing().order_by("-closed_at")[:UNDOABLE_AT_MOST]
        if (until := deciding.undo_until(row)) is not None
        and not deciding.why_final(row, row.listing)
    ]


@require_http_methods(["GET", "POST"])
def listing_review(request: UserRequest, number: str) -> HttpResponse:
    """Read one submitted listing whole and decide on it."""
    _only_reviewers(request)
    kind = kind_of(number)
    try:
        listing = get_listing(request.user, kind, number)
    except Http404:
        # Refused by somebody else while this reader had the page open: that is no secret to them.
        problem = _left_meanwhile(request, kind, number) if request.method == "POST" else ""
        if not problem:
            raise
        gone = {
            "title": _("Already decided"),
            "problem": problem,
            "note": request.POST.get("note", "")[:NOTE_LIMIT],
        }
        return render(request, "catalog/review_gone.html", gone, status=409)
    if not can_decide(request.user, listing):
        raise PermissionDenied(
            _(
                "You belong to the side that wrote this listing, so somebody else checks it. "
                "Your stars are not affected."
            )
        )

    is_open = listing.status == ListingStatus.SUBMITTED
    row = PublicationReview.objects.open().of(listing).select_related("manager").first()
    # What a colleague said and took back is no business of who decides next.
    own = row if row is not None and deciding.undone_by(row) == request.user.pk else None
    form = DecisionForm(
        request.POST or None, listing=listing, initial=DecisionForm.begin(listing, own)
    )
    problem = ""
    if form.is_valid():
        try:
            deciding.decide(listing=listing, actor=request.user, **form.said())
        except IllegalMove as exc:
            problem = str(exc)
            listing.refresh_from_db()
            is_open = listing.status == ListingStatus.SUBMITTED
        except OwnSide:
            raise PermissionDenied(_("You belong to the side that wrote this listing.")) from None
        except deciding.JudgedBefore:
            raise PermissionDenied(JUDGED_BEFORE) from None
        except ValidationError as exc:
            form.refuse(exc)
        else:
            return _next(request, listing)
    sees_owner = may_see_owner(request.user, listing)
    # What may give the owner away, notes of earlier checks too, is for who knows the owner.
    leaks = find_leaks(listing, listing.owner) if sees_owner else []
    earlier = deciding.asked_before(listing) if is_open else None
    # The version that readers last had, or that was last sent back: what else is new?
    since = published_before(listing) if is_open else 0
    tier = Tier.INTRODUCED if request.user.is_operator else Tier.MANAGERS
    reading = shown(listing, tier, names=sees_owner)
    # What stands in no group that is shown can be remarked on at the end.
    judged_before = row is not None and deciding.rejected_before(row, request.user)
    decides = is_open and not judged_before
    groups, beside = detail_groups(reading), form.beside() if decides else {}
    note_look(request.user, listing, tier, names=sees_owner)
    return render(
        request,
        "catalog/review.html",
        names(kind)
        | {
            "listing": reading,
            "groups": [(group, beside.get(group.key)) for group in groups],
            "beside": beside,
            "rest": form.rest({group.key for group in groups}) if decides else None,
            "criteria_open": any(one.value() or one.errors for one in form.criteria),
            "has_more": has_more(reading),
            "form": form,
            "problem": problem,
            "open": is_open,
            "since": since,
            "changes": changes_between(listing, request.user, since, listing.version)
            if since
            else None,
            "check": row if is_open else None,
            "who": _who(row, request.user) if row is not None else "",
            "judged_before": judged_before,
            "earlier": earlier,
            "asked": _answers(listing, earlier) if earlier is not None else [],
            "undoable": undoable(request.user),
            "alike": find_alike(listing, request.user),
            "sees_owner": sees_owner,
            "events": timeline(listing, request.user) if sees_owner else [],
            "files": files_for(request.user, listing),
            "removed_files": removed_since_check(listing),
            "show_tiers": True,
            "leaks": [
                (
                    field_label(listing, leak.field),
                    leak.sentence(),
                )
                for leak in leaks
            ]
            + [
                (label, leak.sentence())
                for label, leak in (file_leaks(listing) if sees_owner else [])
            ],
        },
        status=409 if problem else 200,
    )


def field_label(listing: Listing, name: str) -> str:
    field = listing._meta.get_field(name)
    return capfirst(str(getattr(field, "verbose_name", name)))


def _left_meanwhile(request: UserRequest, kind: str, number: str) -> str:
    """Say why a listing that one could decide is gone; "" for what one could never have seen."""
    listing = MODELS[kind].objects.by_number(number).first()
    if listing is None or not can_decide(request.user, listing):
        return ""
    events = ListingEvent.objects.filter(
        **{kind: listing}, before=ListingStatus.SUBMITTED, version=listing.version
    )
    last = events.order_by("-pk").first()
    if last is None:
        return ""
    if last.after == ListingStatus.WITHDRAWN:
        sentence = _("Its owner has withdrawn %(number)s meanwhile. Your decision was not saved.")
    else:
        sentence = _("Somebody else has just decided on %(number)s. Your decision was not saved.")
    return sentence % {"number": number}


def _answers(listing: Listing, earlier: PublicationReview) -> list[tuple[Remark, bool | None]]:
    """Return what was asked of an earlier version, and whether its field has changed since.

    None: nobody can say, as versions do not keep that field.
    """
    kind = listing.kind
    before = (
        revision_model(kind).objects.filter(pgh_obj=listing.pk, version=earlier.version).first()
    )
    return [
        (remark, _has_changed(listing, before, remark.name) if before is not None else None)
        for remark in remarks(kind, earlier.questions)
    ]


def _has_changed(listing: Listing, before: Any, name: str) -> bool | None:
    if name.startswith(TIERS):
        key = name.removeprefix(TIERS)
        return bool(before.disclosure.get(key) != listing.disclosure.get(key))
    field = ROW_FIELDS.get(name, name)
    if not hasattr(before, field):
        return None
    return bool(getattr(before, field) != getattr(listing, field))


def _next(request: UserRequest, listing: Listing) -> HttpResponse:
    """Open the next listing that waits; it says what was done with this one."""
    following = load(waiting(request.user)[:1])
    return redirect(following[0]) if following else redirect("listing_queue")


@require_POST
def listing_undo(request: UserRequest, number: str) -> HttpResponse:
    """Take one's own decision back, and open the listing again."""
    _only_reviewers(request)
    listing = MODELS[kind_of(number)].objects.by_number(number).first()
    row = None
    if listing is not None:
        mine = PublicationReview.objects.of(listing).filter(decided_by=request.user)
        row = mine.with_listing().order_by("-closed_at").first()
    if row is None:
        raise Http404
    try:
        deciding.undo(publication=row, actor=request.user)
    except IllegalMove as exc:
        gone = {"title": _("Too late"), "problem": str(exc), "number": number}
        return render(request, "catalog/review_gone.html", gone, status=409)
    except OwnSide:
        raise PermissionDenied(_("You belong to the side that wrote this listing.")) from None
    messages.success(
        request,
        _("Undone. %(number)s waits for a decision again.") % {"number": number},
    )
    return redirect("listing_review", number)
