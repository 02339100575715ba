"""Writing a listing, and what its owner does with it afterwards."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from accounts.http import UserRequest
from accounts.models import Membership, Organization
from accounts.permissions import writable_organizations
from catalog.forms import (
    VALID_AS_PROPOSED,
    CloseForm,
    ConfirmForm,
    IndicatorFormSet,
    ListingForm,
    NoteForm,
    as_typed,
    initial_listing,
    initial_rows,
    leak_sentence,
    problems,
    read_nonce,
    with_more_rows,
)
from catalog.indicators import MAX_INDICATORS
from catalog.leaks import find_leaks
from catalog.models import Listing
from catalog.permissions import can_edit
from catalog.services import publishing
from catalog.views.gate import MODELS, REVIEW_DAYS, answer_due, get_listing, names
from catalog.workflow import IllegalMove, ListingStatus


def _get_own(request: UserRequest, kind: str, number: str) -> Listing:
    """Return a listing this user may write. One that they only may read is a 403."""
    listing = get_listing(request.user, kind, number)
    if not can_edit(request.user, listing):
        raise PermissionDenied(_("Only the owner and the editors of this listing can do that."))
    return listing


@require_http_methods(["GET", "POST"])
def listing_new(request: UserRequest, kind: str) -> HttpResponse:
    """Write a new listing. The same form sent twice creates one."""
    owners = writable_organizations(request.user).order_by("name", "pk")
    if not owners:
        return _without_organization(request)
    if request.method == "POST":
        nonce = read_nonce(request.POST.get("nonce", ""))
        written = _written_before(request, kind, nonce)
        if written is not None:
            return redirect(written)
        return _Page(request, kind, owners, nonce=nonce).post()
    return _Page(request, kind, owners, nonce=read_nonce("")).get()


@require_http_methods(["GET", "POST"])
def listing_edit(request: UserRequest, kind: str, number: str) -> HttpResponse:
    """Change a listing. What somebody else saved meanwhile is not overwritten unseen."""
    listing = _get_own(request, kind, number)
    page = _Page(request, kind, Organization.objects.none(), listing=listing)
    if request.method == "POST":
        return page.post()
    if not listing.is_editable:
        messages.error(
            request,
            _("This listing is “%(status)s”; it cannot be changed now.")
            % {"status": listing.get_status_display()},
        )
        return redirect(listing)
    return page.get()


def _without_organization(request: UserRequest) -> HttpResponse:
    if Membership.objects.active().filter(user=request.user).exists():
        raise PermissionDenied(
            _("Your role in your organization is to read. Ask its owner to let you write.")
        )
    messages.info(
        request,
        _("A listing belongs to an organization. Register yours, or ask to join it."),
    )
    return redirect("organization")


def _mark(nonce: str) -> str:
    """Return the external id of a listing written here: unique within its organization."""
    return f"form:{nonce}"


def _written_before(request: UserRequest, kind: str, nonce: str) -> Listing | None:
    own = MODELS[kind].objects.owned_by(request.user)
    listing: Listing | None = own.filter(external_id=_mark(nonce)).first()
    return listing


class _Page:
    """The form of one listing through a request: shown, filled in, saved or refused."""

    def __init__(
        self,
        request: UserRequest,
        kind: str,
        owners: QuerySet[Organization],
        *,
        listing: Listing | None = None,
        nonce: str = "",
    ) -> None:
        self.request, self.kind, self.owners = request, kind, owners
        self.listing, self.nonce = listing, nonce
        self.data = request.POST
        self.submitting = self.data.get("action") == "submit"

    def get(self) -> HttpResponse:
        organization = self.owners.first() if self.listing is None else None
        form = self._form(initial=initial_listing(self.listing, organization))
        return self._render(form, IndicatorFormSet(initial=initial_rows(self.listing), **_ROWS))

    def post(self) -> HttpResponse:
        if self.data.get("action") == "more":
            # Nothing is judged or saved: the person has only asked for more lines.
            rows = IndicatorFormSet(initial=with_more_rows(self.data), **_ROWS)
            return self._render(self._form(initial=as_typed(self.data)), rows)

        form, rows = self._form(data=self.data), IndicatorFormSet(data=self.data, **_ROWS)
        fits = form.is_valid() & rows.is_valid()
        if self.submitting:
            # Also when a field is wrong: everything to be changed is said at once.
            form.check_submission(rows.rows())
        if fits and form.is_valid():
            return self._save(form, rows, form.content(rows.rows()))
        return self._render(form, rows)

    def _form(self, **kwargs: Any) -> ListingForm:
        return ListingForm(
            model=MODELS[self.kind],
            owners=self.owners,
            listing=self.listing,
            submitting=self.submitting,
            **kwargs,
        )

    def _save(self, form: ListingForm, rows: Any, content: dict[str, Any]) -> HttpResponse:
        if self.listing is not None and self._is_sent_twice(content):
            return redirect(self.listing)
        changed_meanwhile = self._changed_meanwhile()
        if changed_meanwhile:
            return self._render(form, rows, problem=changed_meanwhile, status=409)
        try:
            with transaction.atomic():
                listing = self._store(form.organization(), content)
        except ValidationError as exc:
            form.add_error(None, exc if not hasattr(exc, "error_dict") else exc.messages)
            return self._render(form, rows)
        except IllegalMove as exc:
            return self._render(form, rows, problem=str(exc), status=409)
        except IntegrityError:
            # The other half of a double click has just stored it.
            written = _written_before(self.request, self.kind, self.nonce)
            if written is None:
                raise
            return redirect(written)
        return self._go_on(listing, content)

    def _store(self, owner: Organization, content: dict[str, Any]) -> Listing:
        listing, actor = self.listing, self.request.user
        if listing is None:
            listing = publishing.create_draft(
                model=MODELS[self.kind], owner=owner, actor=actor, content=content
            )
            listing.external_id = _mark(self.nonce)
            listing.save(update_fields=("external_id",))
            content = {}
        if self.submitting:
            return publishing.submit(listing=listing, actor=actor, content=content)
        if content:
            return publishing.save_draft(listing=listing, actor=actor, content=content)
        return listing

    def _is_sent_twice(self, content: dict[str, Any]) -> bool:
        listing = self.listing
        return (
            self.submitting
            and listing is not None
            and listing.status == ListingStatus.SUBMITTED
            and all(getattr(listing, name) == value for name, value in content.items())
        )

    def _changed_meanwhile(self) -> str:
        """Say so when the listing is not any more what this form was filled in from."""
        if self.listing is None or self.data.get("seen") == _seen(self.listing):
            return ""
        return _(
            "Somebody saved this listing at %(time)s, after you had opened it. Your text is below "
            "and nothing is lost; compare, and save again to replace theirs."
        ) % {"time": f"{timezone.localtime(self.listing.updated_at):%H:%M}"}

    def _go_on(self, listing: Listing, content: dict[str, Any]) -> HttpResponse:
        if not self.submitting:
            now = f"{timezone.localtime():%H:%M}"
            messages.success(self.request, _("Draft saved at %(time)s.") % {"time": now})
            return redirect(f"{self.kind}_edit", listing.number)
        due = answer_due(listing)
        if due is None:
            messages.success(self.request, _("Saved. It stays published."))
        else:
            messages.success(
                self.request,
                _("Submitted. You get an answer within %(days)d working days.")
                % {"days": REVIEW_DAYS},
            )
        return redirect(listing)

    def _render(
        self, form: ListingForm, rows: Any, *, problem: str = "", status: int = 200
    ) -> HttpResponse:
        listing = self.listing
        owner = listing.owner if listing is not None else None
        waits = owner if owner is not None else self.owners.first()
        return render(
            self.request,
            "catalog/form.html",
            names(self.kind)
            | {
                "form": form,
                "rows": rows,
                "money": [form["money_min"], form["money_max"]],
                "row_limit": MAX_INDICATORS,
                "problems": list(problems(form, rows)) if form.is_bound else [],
                "problem": problem,
                "listing": listing,
                "nonce": self.nonce,
                "seen": _seen(listing) if listing is not None else "",
                "can_draft": listing is None
                or listing.status in (ListingStatus.DRAFT, ListingStatus.NEEDS_INFO),
                "unverified": waits is not None and not waits.is_verified,
                "leaks": [
                    (leak.field, leak_sentence(leak.snippet, str(leak.kind.label)))
                    for leak in (find_leaks(listing, listing.owner) if listing is not None else [])
                ]
                if not form.is_bound
                else [],
            },
            status=status,
        )


_ROWS: dict[str, Any] = {"prefix": "indicators"}


def _seen(listing: Listing) -> str:
    return listing.updated_at.isoformat()


@require_http_methods(["GET", "POST"])
def listing_withdraw(request: UserRequest, kind: str, number: str) -> HttpResponse:
    """Take a listing back for good, after a page that says what that means."""
    listing = _get_own(request, kind, number)

    def act(form: forms.Form) -> None:
        publishing.withdraw(listing=listing, actor=request.user, note=form.cleaned_data["note"])

    done = _("Withdrawn. It has left the list and the search.")
    return _ask_first(request, kind, listing, "withdraw", NoteForm(request.POST or None), act, done)


@require_http_methods(["GET", "POST"])
def listing_close(request: UserRequest, kind: str, number: str) -> HttpResponse:
    """End a published listing with its result."""
    listing = _get_own(request, kind, number)

    def act(form: forms.Form) -> None:
        publishing.close(listing=listing, actor=request.user, **form.cleaned_data)

    form = CloseForm(request.POST or None, kind=kind)
    done = _("Recorded. It has left the list and the search.")
    return _ask_first(request, kind, listing, "close", form, act, done)


@require_http_methods(["GET", "POST"])
def listing_confirm(request: UserRequest, kind: str, number: str) -> HttpResponse:
    """Take the owner's word that a listing is still true."""
    listing = _get_own(request, kind, number)

    def act(form: forms.Form) -> None:
        publishing.confirm_valid(
            listing=listing, actor=request.user, valid_until=form.cleaned_data["valid_until"]
        )

    proposed = timezone.localdate() + dt.timedelta(days=VALID_AS_PROPOSED)
    form = ConfirmForm(request.POST or None, initial={"valid_until": proposed})
    done = _("Confirmed. It is on the list until the day you chose.")
    return _ask_first(request, kind, listing, "confirm", form, act, done)


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
