"""What becomes of a listing after it was written: by its owner, an operator, or a mail's link."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from accounts.http import PageRequest, UserRequest
from accounts.views.gate import operator_only
from accounts.views.limits import refuse, too_often
from catalog.ending import CloseForm, ResumeForm, SuspendForm, WithdrawForm
from catalog.forms import VALID_AS_PROPOSED, ConfirmForm
from catalog.links import read_still_true
from catalog.models import Listing
from catalog.review_forms import AppealForm
from catalog.services import deciding, publishing
from catalog.services.moving import OwnSide
from catalog.services.reminding import PROLONGED_BY, confirm_by_link
from catalog.views.gate import get_listing, get_own, names
from catalog.workflow import MOVES, IllegalMove, ListingStatus

# Of one address, or one person, in a minute: more than anybody's mail programs open by themselves.
LINKS_PER_MINUTE = 30


@require_http_methods(["GET", "POST"])
def listing_withdraw(request: UserRequest, kind: str, number: str) -> HttpResponse:
    """Take a listing back for good, after a page that says what that means."""
    listing = get_own(request.user, kind, number)

    def act(form: forms.Form) -> None:
        publishing.withdraw(listing=listing, actor=request.user, **form.cleaned_data)

    # Of one that cannot be withdrawn at all, that is what to say.
    allowed = ListingStatus.WITHDRAWN in MOVES.get(listing.status, set())
    needed = allowed and listing.status != ListingStatus.DRAFT
    form = WithdrawForm(_posted(request), kind=kind, reason_needed=needed)
    done = _("Withdrawn. It has left the list and the search.")
    return _ask_first(request, kind, listing, "withdraw", form, act, done)


@require_http_methods(["GET", "POST"])
def listing_close(request: UserRequest, kind: str, number: str) -> HttpResponse:
    """End a published listing with its result."""
    listing = get_own(request.user, kind, number)

    def act(form: forms.Form) -> None:
        publishing.close(listing=listing, actor=request.user, **form.cleaned_data)

    form = CloseForm(_posted(request), kind=kind)
    done = _("Recorded. It has left the list and the search.")
    return _ask_first(request, kind, listing, "close", form, act, done)


@require_http_methods(["GET", "POST"])
def listing_confirm(request: UserRequest, kind: str, number: str) -> HttpResponse:
    """Take the owner's word that a listing is still true."""
    listing = get_own(request.user, kind, number)

    def act(form: forms.Form) -> None:
        publishing.confirm_valid(
            listing=listing, actor=request.user, valid_until=form.cleaned_data["valid_until"]
        )

    proposed = timezone.localdate() + dt.timedelta(days=VALID_AS_PROPOSED)
    form = ConfirmForm(_posted(request), initial={"valid_until": proposed})
    done = _("Confirmed. It is on the list until the day you chose.")
    return _ask_first(request, kind, listing, "confirm", form, act, done)


@require_http_methods(["GET", "POST"])
def listing_appeal(request: UserRequest, kind: str, number: str) -> HttpResponse:
    """Object once to a rejection: somebody else looks at it again."""
    listing = get_own(request.user, kind, number)
    objection = deciding.objection_to(listing)
    if request.method != "POST" and (objection is None or objection.refusal):
        sentence = _("This listing is “%(status)s”; there is nothing to object to.")
        messages.error(
            request,
            objection.refusal
            if objection is not None
            else sentence % {"status": listing.get_status_display()},
        )
        return redirect(listing)

    def act(form: forms.Form) -> None:
        deciding.appeal(listing=listing, actor=request.user, text=form.cleaned_data["text"])

    done = _("Your objection is on its way. Somebody else answers it within %(days)d working days.")
    days = settings.PUBLICATION_WORKING_DAYS
    form = AppealForm(_posted(request))
    return _ask_first(request, kind, listing, "appeal", form, act, done % {"days": days})


@operator_only
@require_http_methods(["GET", "POST"])
def listing_suspend(request: UserRequest, kind: str, number: str) -> HttpResponse:
    """Take a published listing out of circulation; its owner reads why."""
    listing = get_listing(request.user, kind, number)

    def act(form: forms.Form) -> None:
        publishing.suspend(listing=listing, actor=request.user, note=form.cleaned_data["note"])

    done = _("Suspended. It has left the list and the search until an operator lets it back.")
    form = SuspendForm(_posted(request))
    return _ask_first(request, kind, listing, "suspend", form, act, done)


@operator_only
@require_http_methods(["GET", "POST"])
def listing_resume(request: UserRequest, kind: str, number: str) -> HttpResponse:
    """Let a suspended listing back."""
    listing = get_listing(request.user, kind, number)

    def act(form: forms.Form) -> None:
        publishing.resume(listing=listing, actor=request.user, note=form.cleaned_data["note"])

    done = _("It is back on the list.")
    form = ResumeForm(_posted(request))
    return _ask_first(request, kind, listing, "resume", form, act, done)


def _posted(request: UserRequest) -> QueryDict | None:
    """Return what was sent. A form without anything filled in is sent all the same."""
    return request.POST if request.method == "POST" else None


def _ask_first(
    request: UserRequest,
    kind: str,
    listing: Listing,
    act_name: str,
    form: forms.Form,
    act: Callable[[forms.Form], None],
    done: str,
) -> HttpResponse:
    """Show the consequence and act on POST; refuse with a sentence, changing nothing."""
    problem, status = "", 200
    if form.is_valid():
        try:
            act(form)
        except IllegalMove as exc:
            problem, status = str(exc), 409
        except OwnSide:
            raise PermissionDenied(
                _("You belong to the side that wrote this listing; another operator does that.")
            ) from None
        except ValidationError as exc:
            form.add_error(None, exc.messages)
        else:
            messages.success(request, done)
            return redirect(listing)
    context = names(kind) | {
        "listing": listing,
        "form": form,
        "act": act_name,
        "problem": problem,
    }
    return render(request, "catalog/act.html", context, status=status)


@login_not_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def listing_still_true(request: PageRequest, token: str) -> HttpResponse:
    """Take the word of who was sent this link, without a log-in and for nothing else.

    Opening it changes nothing: programs that scan mails open every link.
    """
    if too_often(request, "still-true", visitor=LINKS_PER_MINUTE, person=LINKS_PER_MINUTE):
        return refuse(request)
    read = read_still_true(token)
    context: dict[str, object] = {"days": PROLONGED_BY}
    if read is not None:
        reminder, user = read
        context["title"] = reminder.listing.title
        context["valid_until"] = reminder.valid_until
        if request.method != "POST":
            return render(request, "catalog/still_true.html", context)
        until = confirm_by_link(reminder=reminder, user=user)
        if until is not None:
            return render(request, "catalog/still_true.html", context | {"until": until})
    # Forged, used, too old, or somebody else's now: it says the same of all.
    return render(request, "catalog/still_true.html", {"void": True}, status=410)
