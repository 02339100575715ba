"""Checking what was submitted: the queue, and the page where one listing is decided."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import Value
from django.db.models.functions import TruncDate
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from accounts.http import UserRequest
from accounts.models import ManagerInterest, Membership, User
from accounts.permissions import Tier
from accounts.workdays import working_days_left
from catalog.details import detail_groups, has_more
from catalog.disclosure import shown
from catalog.duplicates import find_alike
from catalog.files import file_leaks, files_for, removed_since_check
from catalog.forms import NOTE_LIMIT, DecisionForm
from catalog.leaks import find_leaks
from catalog.looking import note_look
from catalog.models import Listing, ListingEvent
from catalog.permissions import can_decide, may_review_listings, may_see_owner
from catalog.services import publishing
from catalog.timeline import published_before, timeline
from catalog.views.browse import page_of
from catalog.views.gate import MODELS, WORDS, answer_due, get_listing, kind_of, names
from catalog.views.revisions import changes_between
from catalog.workflow import IllegalMove, ListingDecision, ListingStatus


def _only_reviewers(request: UserRequest) -> None:
    if not may_review_listings(request.user):
        raise PermissionDenied(
            _("This page is open to certified technology managers and operators only.")
        )


@require_safe
def listing_queue(request: UserRequest) -> HttpResponse:
    """List what was submitted, oldest first, without the reader's own side."""
    _only_reviewers(request)
    page = page_of(waiting(request.user), request.GET.get("page", "1"))
    return render(
        request,
        "catalog/queue.html",
        {"page": page, "rows": [_row(listing) for listing in load(page.object_list)]},
    )


def waiting(user: User) -> Any:
    """Return (kind, id, time, …) of both lists' submitted listings that this reader may decide."""
    tied = Membership.objects.filter(user=user).values("organization")
    interests = ManagerInterest.objects.filter(profile__user=user).values("organization")
    parts = [
        model.objects.filter(status=ListingStatus.SUBMITTED)
        .exclude(owner__in=tied)
        .exclude(owner__in=interests)
        .order_by()
        .annotate(list=Value(kind), day=TruncDate("submitted_at"))
        .values_list("list", "pk", "submitted_at", "day", "quality")
        for kind, model in MODELS.items()
    ]
    # Of one day's, which are due on one day, those first that are good enough to publish.
    return parts[0].union(*parts[1:], all=True).order_by("day", "-quality", "submitted_at", "pk")


def load(keys: Any) -> list[Listing]:
    keys = list(keys)
    found: dict[tuple[str, int], Listing] = {}
    for kind, model in MODELS.items():
        rows = model.objects.select_related("owner").defer("body")
        wanted = [pk for of, pk, *_rest in keys if of == kind]
        found |= {(kind, pk): listing for pk, listing in rows.in_bulk(wanted).items()}
    return [found[kind, pk] for kind, pk, *_rest in keys if (kind, pk) in found]


def _row(listing: Listing) -> dict[str, Any]:
    since = timezone.localtime(listing.submitted_at).date() if listing.submitted_at else None
    return {
        "listing": listing,
        "one": WORDS[listing.kind].one,
        "due": answer_due(listing),
        "waited": working_days_left(timezone.localdate(), since) if since else 0,
    }


@require_http_methods(["GET", "POST"])
def listing_review(request: UserRequest, number: str) -> HttpResponse:
    """Read one submitted listing whole and decide on it."""
    _only_reviewers(request)
    kind = kind_of(number)
    try:
        listing = get_listing(request.user, kind, number)
    except Http404:
        # Refused by somebody else while this reader had the page open: that is no secret to them.
        if request.method != "POST" or not _was_decided(request, kind, number):
            raise
        gone = {"number": number, "note": request.POST.get("note", "")[:NOTE_LIMIT]}
        return render(request, "catalog/review_gone.html", gone, status=409)
    if not can_decide(request.user, listing):
        raise PermissionDenied(
            _(
                "You belong to the side that wrote this listing, so somebody else checks it. "
                "Your stars are not affected."
            )
        )

    form = DecisionForm(request.POST or None, initial={"version": listing.version})
    problem = ""
    if form.is_valid():
        try:
            publishing.decide(listing=listing, actor=request.user, **form.cleaned_data)
        except IllegalMove as exc:
            problem = str(exc)
            listing.refresh_from_db()
        except publishing.OwnSide:
            raise PermissionDenied(_("You belong to the side that wrote this listing.")) from None
        except ValidationError as exc:
            form.add_error(None, exc.messages)
        else:
            return _next(request, listing)
    sees_owner = may_see_owner(request.user, listing)
    # What may give the owner away, notes of earlier checks too, is for who knows the owner.
    leaks = find_leaks(listing, listing.owner) if sees_owner else []
    is_open = listing.status == ListingStatus.SUBMITTED
    # The version that readers last had, or that was last sent back: what else is new?
    since = published_before(listing) if is_open else 0
    tier = Tier.INTRODUCED if request.user.is_operator else Tier.MANAGERS
    reading = shown(listing, tier, names=sees_owner)
    note_look(request.user, listing, tier, names=sees_owner)
    return render(
        request,
        "catalog/review.html",
        names(kind)
        | {
            "listing": reading,
            "groups": detail_groups(reading),
            "has_more": has_more(reading),
            "form": form,
            "problem": problem,
            "open": is_open,
            "since": since,
            "changes": changes_between(listing, request.user, since, listing.version)
            if since
            else None,
            "due": answer_due(listing),
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


def _was_decided(request: UserRequest, kind: str, number: str) -> bool:
    listing = MODELS[kind].objects.by_number(number).first()
    return (
        listing is not None
        and can_decide(request.user, listing)
        and ListingEvent.objects.filter(
            **{kind: listing}, before=ListingStatus.SUBMITTED, version=listing.version
        ).exists()
    )


def _next(request: UserRequest, listing: Listing) -> HttpResponse:
    """Say what was done, and open the next listing that waits."""
    said = {
        ListingDecision.PUBLISH: _("%(number)s is published."),
        ListingDecision.NEEDS_INFO: _("%(number)s went back to its owner with your note."),
        ListingDecision.REJECT: _("%(number)s is refused; its owner reads the reason."),
    }[ListingDecision(request.POST["decision"])]
    messages.success(request, said % {"number": listing.number})
    following = load(waiting(request.user)[:1])
    return (
        redirect("listing_review", following[0].number) if following else redirect("listing_queue")
    )
