"""The form of a listing: four steps or one page, saved at any moment, previewed and handed in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.http import Http404, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.datastructures import MultiValueDict
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.http import UserRequest
from accounts.models import Membership, Organization
from accounts.permissions import Tier, writable_organizations
from accounts.unsent import writer_token
from catalog import steps
from catalog.details import detail_groups, has_more
from catalog.disclosure import TIER_NAMES, shown
from catalog.files import files_at
from catalog.forms import (
    ListingForm,
    Problem,
    as_typed,
    finding,
    findings,
    initial_listing,
    problems,
    read_nonce,
)
from catalog.models import Listing
from catalog.permissions import belongs_to_owner
from catalog.pickers import Picker, picker
from catalog.quality import assess
from catalog.reasons import answer
from catalog.remarks import remarks
from catalog.rows import (
    ROW_FIELDS,
    ROW_SETS,
    RowSet,
    accepted_rows,
    stored_rows,
    typed_rows,
    with_accepted_rows,
    with_blank_rows,
    with_more_rows,
)
from catalog.services import deciding, publishing, typed
from catalog.views.gate import (
    MODELS,
    READERS,
    answer_due,
    get_listing,
    get_own,
    names,
    previews,
)
from catalog.views.panels import found_in, quality_panel
from catalog.views.typed import keeps_what_was_typed
from catalog.workflow import IllegalMove, ListingStatus

DRAFTS = (ListingStatus.DRAFT, ListingStatus.NEEDS_INFO)


@keeps_what_was_typed
@require_http_methods(["GET", "POST"])
def listing_new(request: UserRequest, kind: str, step: str) -> HttpResponse:
    """Begin a listing: its first step, or all of it. The same form sent twice creates one."""
    owners = writable_organizations(request.user).order_by("name", "pk")
    if not owners:
        return _without_organization(request)
    if request.method == "POST":
        nonce = read_nonce(request.POST.get("nonce", ""))
        written = _written_before(request, kind, nonce)
        return _Page(request, kind, step, owners, listing=written, nonce=nonce).post()
    return _Page(request, kind, step, owners, nonce=read_nonce("")).get()


@keeps_what_was_typed
@require_http_methods(["GET", "POST"])
def listing_edit(request: UserRequest, kind: str, number: str, step: str = "") -> HttpResponse:
    """Write one step of a listing. What somebody else saved meanwhile is not overwritten unseen.

    A draft is written in steps, each saved by itself; what is published only as a whole.
    """
    listing = get_own(request.user, kind, number)
    if step not in ("", *steps.STEPS, steps.WHOLE):
        raise Http404
    is_draft = listing.status in DRAFTS
    page = step or (steps.WHAT if is_draft else steps.WHOLE)
    form = _Page(request, kind, page, Organization.objects.none(), listing=listing)
    if request.method == "POST":
        return form.post()
    if not listing.is_editable:
        messages.error(
            request,
            _("This listing is “%(status)s”; it cannot be changed now.")
            % {"status": listing.get_status_display()},
        )
        return redirect(listing)
    if not is_draft and page != steps.WHOLE:
        return redirect(f"{kind}_edit", listing.number)
    return form.get()


@require_safe
def listing_preview(request: UserRequest, kind: str, number: str, tier: str) -> HttpResponse:
    """Show a listing to its own side as readers of a tier would see it."""
    listing = get_listing(request.user, kind, number)
    if not belongs_to_owner(request.user, listing):
        raise PermissionDenied(_("Only the owner and the editors of this listing can do that."))
    if tier not in TIER_NAMES:
        raise Http404
    return _preview(request, listing, TIER_NAMES[tier])


@require_POST
def listing_clone(request: UserRequest, kind: str, number: str) -> HttpResponse:
    """Make a draft with the content of one's own listing. The same button makes one."""
    listing = get_own(request.user, kind, number)
    nonce = read_nonce(request.POST.get("nonce", ""))
    copied = _written_before(request, kind, nonce)
    if copied is None:
        try:
            with transaction.atomic():
                copied = publishing.clone(listing=listing, actor=request.user)
                _mark_as_written(copied, nonce)
        except IntegrityError:
            # The other half of a double click has just made it.
            copied = _written_before(request, kind, nonce)
            if copied is None:
                raise
        except ValidationError as exc:
            messages.error(request, " ".join(exc.messages))
            return redirect(listing)
        messages.success(
            request,
            _("This is a copy of %(number)s, a draft that only your side sees.")
            % {"number": listing.number},
        )
    return redirect(f"{kind}_edit", copied.number)


def _preview(
    request: UserRequest, listing: Listing, tier: Tier, *, unsaved: bool = False
) -> HttpResponse:
    reading = shown(listing, tier, names=tier == Tier.INTRODUCED)
    return render(
        request,
        "catalog/detail.html",
        names(listing.kind)
        | {
            "listing": reading,
            "groups": detail_groups(reading),
            "has_more": has_more(reading),
            "reads_members": tier >= Tier.MEMBERS,
            "own": False,
            "sees_owner": tier == Tier.INTRODUCED,
            "actions": set(),
            "files": files_at(listing, tier),
            "preview": READERS[tier],
            "previews": [] if unsaved else previews(tier),
            "unsaved": unsaved,
        },
    )


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


def _mark_as_written(listing: Listing, nonce: str) -> None:
    listing.external_id = _mark(nonce)
    listing.save(update_fields=("external_id",))


def _written_before(request: UserRequest, kind: str, nonce: str) -> Listing | None:
    own = MODELS[kind].objects.owned_by(request.user).select_related("owner")
    listing: Listing | None = own.filter(external_id=_mark(nonce)).first()
    return listing


class _Stale(Exception):
    """Somebody else has changed what this form was filled in from."""


class _Page:
    """One page of the form through a request: shown, filled in, saved or refused."""

    def __init__(
        self,
        request: UserRequest,
        kind: str,
        step: str,
        owners: QuerySet[Organization],
        *,
        listing: Listing | None = None,
        nonce: str = "",
    ) -> None:
        self.request, self.kind, self.step, self.owners = request, kind, step, owners
        self.listing, self.nonce = listing, nonce
        self.data: MultiValueDict[str, str] = request.POST
        self.action, _minus, self.argument = self.data.get("action", "").partition("-")

    # --- Showing

    def get(self) -> HttpResponse:
        kept = typed.kept_for(user=self.request.user, path=self.request.path)
        if kept is not None:
            self.data = MultiValueDict(kept.data)
            self.nonce = kept.nonce or self.nonce
            return self._as_typed(kept_at=kept.created_at)
        organization = self.owners.first() if self.listing is None else self.listing.owner
        form = self._form(initial=initial_listing(self.listing, organization))
        return self._render(form, self._rows())

    def _as_typed(self, **context: Any) -> HttpResponse:
        """Show what was typed. Nothing is judged or saved."""
        rows = {}
        for prefix in steps.rows_of(self.kind, self.step):
            lines = typed_rows(prefix, self.data)
            if self.action == "more" and self.argument == prefix:
                lines = with_more_rows(prefix, lines)
            if self.action == "accept" and prefix == "indicators":
                lines = with_accepted_rows(lines, accepted_rows(self.data.getlist("accept")))
            rows[prefix] = ROW_SETS[prefix](initial=lines, prefix=prefix)
        form = self._form(initial=as_typed(self.data))
        return self._render(form, rows, seen=self.data.get("seen", ""), **context)

    def _form(self, **kwargs: Any) -> ListingForm:
        return ListingForm(
            model=MODELS[self.kind],
            step=self.step,
            owners=self.owners,
            listing=self.listing,
            **kwargs,
        )

    def _rows(self) -> dict[str, RowSet]:
        return {
            prefix: ROW_SETS[prefix](
                initial=with_blank_rows(prefix, stored_rows(prefix, self.listing)), prefix=prefix
            )
            for prefix in steps.rows_of(self.kind, self.step)
        }

    # --- Saving

    def post(self) -> HttpResponse:
        if self.action in ("more", "find", "accept"):
            # The person has only asked for more lines, for classes or figures to choose from.
            return self._as_typed()
        if self.action == "forget":
            typed.forget(user=self.request.user, path=self.request.path, nonce=self.nonce)
            return redirect(self.request.path)

        form = self._form(data=self.data)
        rows = {
            prefix: ROW_SETS[prefix](data=self.data, prefix=prefix)
            for prefix in steps.rows_of(self.kind, self.step)
        }
        fits = all([form.is_valid(), *(one.is_valid() for one in rows.values())])
        if self.action == "preview" and self.argument in TIER_NAMES and self.listing is not None:
            candidate = form.candidate(_content(form, rows))
            return _preview(self.request, candidate, TIER_NAMES[self.argument], unsaved=True)
        if self.action == "autosave":
            return self._autosave(form, rows)
        elsewhere = self._judge(form, rows) if self.action == "submit" else []
        if fits and not elsewhere and form.is_valid():
            if self.action == "submit" and self.argument != "anyway":
                quality = assess(form.candidate(_content(form, rows)))
                if not quality.is_enough:
                    return self._render(form, rows, thin=True)
            return self._save(form, rows)
        return self._render(form, rows, elsewhere=elsewhere)

    def _judge(self, form: ListingForm, rows: Mapping[str, RowSet]) -> list[Problem]:
        """Add what forbids to submit, also when a field is wrong: everything is said at once.

        Returns what is no field of this page's form.
        """
        if self.listing is None and "owner" not in form.cleaned_data:
            return []
        candidate = form.candidate(_content(form, rows))
        wrong = {ROW_FIELDS[prefix] for prefix, one in rows.items() if not one.is_valid()}
        elsewhere = []
        for name, text in findings(candidate):
            if name in form.fields:
                if name not in form.errors:
                    form.add_error(name, text)
            elif name not in wrong:
                elsewhere.append(finding(candidate, name, text, self.step))
        if not candidate.owner.is_verified:
            form.add_error(
                None,
                _(
                    "Your organization has not been verified yet. Save it as a draft; you can "
                    "submit it after the verification."
                ),
            )
        return elsewhere

    def _save(self, form: ListingForm, rows: Mapping[str, RowSet]) -> HttpResponse:
        content = _content(form, rows)
        if self._is_sent_twice(content):
            assert self.listing is not None
            return redirect(self.listing)
        try:
            listing = self._store(form.organization(), content)
        except _Stale:
            return self._render(form, rows, problem=self._stale_sentence(), status=409)
        except ValidationError as exc:
            form.add_error(None, exc if not hasattr(exc, "error_dict") else exc.messages)
            return self._render(form, rows)
        except IllegalMove as exc:
            return self._render(form, rows, problem=str(exc), status=409)
        except IntegrityError:
            return self._again()
        typed.forget(user=self.request.user, path=self.request.path, nonce=self.nonce)
        return self._go_on(listing)

    def _again(self) -> HttpResponse:
        """Go on from what the other half of a double click has just stored."""
        written = _written_before(self.request, self.kind, self.nonce)
        if written is None or self.listing is not None:
            raise
        return _Page(
            self.request, self.kind, self.step, self.owners, listing=written, nonce=self.nonce
        ).post()

    def _autosave(self, form: ListingForm, rows: Mapping[str, RowSet]) -> HttpResponse:
        """Store of a draft what can be stored, and say in a line what cannot."""
        content = _content(form, rows)
        if self.listing is None and len(self.owners) > 1:
            # The owner cannot be changed later: they say it themselves, by the button.
            return JsonResponse(
                {"said": _("Save it once as a draft; from then on it saves itself.")}
            )
        if self.listing is None and not {"owner", "title"} <= form.cleaned_data.keys():
            return JsonResponse({"said": _("It is saved as soon as it has a title.")})
        try:
            listing = self._store(form.organization(), content)
        except _Stale:
            return JsonResponse({"problem": self._stale_sentence()}, status=409)
        except IllegalMove as exc:
            return JsonResponse({"problem": str(exc)}, status=409)
        except ValidationError as exc:
            return JsonResponse({"problem": " ".join(exc.messages)}, status=422)
        except IntegrityError:
            return self._again()
        typed.forget(user=self.request.user, path=self.request.path, nonce=self.nonce)
        said = _("Saved %(time)s") % {"time": f"{timezone.localtime():%H:%M}"}
        wrong = [problem.label or problem.text for problem in problems(form, list(rows.values()))]
        if wrong:
            said = _("%(saved)s, but not: %(fields)s") % {
                "saved": said,
                "fields": _(", ").join(dict.fromkeys(wrong)),
            }
        return JsonResponse(
            {
                "said": said,
                "seen": self._seen(listing),
                "writer": writer_token(self.request.user, self._address(listing)),
                "address": self._address(listing),
            }
        )

    def _store(self, owner: Organization, content: dict[str, Any]) -> Listing:
        """Write through the services. Raises `_Stale` and what they raise."""
        actor = self.request.user
        submits = self.action == "submit"
        with transaction.atomic():
            if self.listing is None:
                listing = publishing.create_draft(
                    model=MODELS[self.kind], owner=owner, actor=actor, content=content
                )
                _mark_as_written(listing, self.nonce)
                content = {}
            else:
                # Two that save at the same moment: the second sees what the first has stored.
                locked = type(self.listing).objects.select_for_update(of=("self",))
                listing = locked.select_related("owner").get(pk=self.listing.pk)
                differs = any(getattr(listing, name) != value for name, value in content.items())
                if (submits or differs) and self.data.get("seen") != self._seen(listing):
                    self.listing = listing
                    raise _Stale
            if submits:
                return publishing.submit(listing=listing, actor=actor, content=content)
            if content:
                return publishing.save_draft(listing=listing, actor=actor, content=content)
            return listing

    def _is_sent_twice(self, content: dict[str, Any]) -> bool:
        listing = self.listing
        return (
            self.action == "submit"
            and listing is not None
            and listing.status == ListingStatus.SUBMITTED
            and all(getattr(listing, name) == value for name, value in content.items())
        )

    def _stale_sentence(self) -> str:
        assert self.listing is not None
        return _(
            "Somebody saved this listing at %(time)s, after you had opened it. Your text is below "
            "and nothing is lost; compare, and save again to replace theirs."
        ) % {"time": f"{timezone.localtime(self.listing.updated_at):%H:%M}"}

    def _seen(self, listing: Listing) -> str:
        """Return the mark of what this page was filled in from.

        The last step hands in everything, so what it was filled in from is everything.
        """
        page = steps.WHOLE if self.step == steps.CHECK else self.step
        return steps.mark_of(listing, steps.content_of(self.kind, page))

    def _address(self, listing: Listing, step: str = "") -> str:
        return reverse(f"{self.kind}_step", args=[listing.number, step or self.step])

    def _go_on(self, listing: Listing) -> HttpResponse:
        if self.action == "go" and self.argument in (*steps.STEPS, steps.WHOLE):
            return redirect(self._address(listing, self.argument))
        if self.action != "submit":
            now = f"{timezone.localtime():%H:%M}"
            messages.success(self.request, _("Draft saved at %(time)s.") % {"time": now})
            return redirect(self._address(listing))
        if answer_due(listing) is None:
            messages.success(self.request, _("Saved. It stays published."))
        else:
            messages.success(
                self.request,
                _("Submitted. You get an answer within %(days)d working days.")
                % {"days": settings.PUBLICATION_WORKING_DAYS},
            )
        return redirect(listing)

    # --- The page

    def _render(
        self,
        form: ListingForm,
        rows: Mapping[str, RowSet],
        *,
        problem: str = "",
        elsewhere: list[Problem] | None = None,
        seen: str | None = None,
        status: int = 200,
        **context: Any,
    ) -> HttpResponse:
        listing = self.listing
        owner = listing.owner if listing is not None else self.owners.first()
        if seen is None:
            seen = self._seen(listing) if listing is not None else ""
        found = list(problems(form, list(rows.values()))) if form.is_bound else []
        parts = steps.STEPS if self.step == steps.WHOLE else (self.step,)
        candidate = self._candidate(form, rows)
        asked = deciding.asked_of(listing) if listing is not None else None
        said = remarks(self.kind, asked.questions) if asked is not None else []
        for remark in said:
            if remark.name in form.fields:
                form.fields[remark.name].remark = remark.text  # type: ignore[attr-defined]
        todo = []
        if listing is not None and steps.CHECK in parts and not form.is_bound:
            todo = [finding(listing, name, text, self.step) for name, text in findings(listing)]
        return render(
            self.request,
            "catalog/form.html",
            names(self.kind)
            | {
                "form": form,
                "rows": rows,
                "money": [form["money_min"], form["money_max"]] if steps.TERMS in parts else [],
                "publicity": [form["publicity_from"], form["publicity_until"]]
                if "publicity_from" in form.fields
                else [],
                "tiers": form.tiers(),
                "pickers": self._pickers(form),
                "problems": [*found, *(elsewhere or [])],
                "problem": problem,
                "todo": todo,
                "listing": listing,
                "nonce": self.nonce,
                "seen": seen,
                "writer": writer_token(self.request.user, self.request.path),
                "steps": steps.states(
                    self.kind, listing, self.step, asked=Counter(remark.step for remark in said)
                ),
                "asked": asked,
                "asked_because": answer("listing", asked.reason) if asked is not None else "",
                "said": said,
                # Of rows; those of fields stand at the fields.
                "row_remarks": {remark.name: remark.text for remark in said},
                "days": settings.PUBLICATION_WORKING_DAYS,
                "step": self.step,
                "parts": parts,
                "next": steps.after(self.step) if self.step in steps.STEPS else "",
                "can_draft": listing is None or listing.status in DRAFTS,
                "unverified": owner is not None and not owner.is_verified,
                "previews": previews() if listing is not None else [],
                "panel": quality_panel(candidate, self.request.user, self.step),
            }
            | self._found(candidate)
            | context,
            status=status,
        )

    def _candidate(self, form: ListingForm, rows: Mapping[str, RowSet]) -> Listing:
        """Return the listing as it would be with what the page holds."""
        if form.is_bound:
            return form.candidate(_content(form, rows))
        return self.listing if self.listing is not None else MODELS[self.kind]()

    def typed_listing(self) -> Listing:
        """Return the listing as it would be with what was posted. Nothing is stored or refused."""
        form = self._form(data=self.data)
        rows = {
            prefix: ROW_SETS[prefix](data=self.data, prefix=prefix)
            for prefix in steps.rows_of(self.kind, self.step)
        }
        form.is_valid()
        return self._candidate(form, rows)

    def _found(self, candidate: Listing) -> dict[str, Any]:
        """Return the figures found in the text, if they were asked for."""
        if self.action != "find" or self.argument != "indicators":
            return {}
        return found_in(self.typed_listing())

    def _pickers(self, form: ListingForm) -> dict[str, Picker]:
        """Return what there is to choose from for each scheme of classes on the page."""
        schemes = [name for name in ("industry", "ipc", "emerging") if name in form.fields]
        if not schemes:
            return {}
        text = (
            f"{self.listing.title}\n{self.listing.summary}\n{self.listing.body}"
            if self.listing
            else ""
        )
        pickers: dict[str, Picker] = {
            scheme: picker(
                scheme,
                chosen=form[scheme].value(),
                query=self.data.get(f"find_{scheme}", ""),
                searched=self.action == "find" and self.argument == scheme,
                text=text,
                language=get_language() or "zh",
            )
            for scheme in schemes
        }
        form.offer_industries(pickers["industry"])
        return pickers


def typed_listing(request: UserRequest, kind: str, step: str) -> Listing:
    """Return what somebody is writing: the listing named, or the one of this form's mark.

    Raises 404 and 403 as the form itself does.
    """
    owners = writable_organizations(request.user).order_by("name", "pk")
    number = request.GET.get("listing", "")
    if number:
        listing: Listing | None = get_own(request.user, kind, number)
        owners = Organization.objects.none()
    elif owners:
        listing = _written_before(request, kind, read_nonce(request.POST.get("nonce", "")))
    else:
        raise PermissionDenied(_("Your role in your organization is to read."))
    return _Page(request, kind, step, owners, listing=listing).typed_listing()


def _content(form: ListingForm, rows: Mapping[str, RowSet]) -> dict[str, Any]:
    """Return what can be stored of a page: the fields and rows that have no error."""
    content = form.content()
    return content | {
        ROW_FIELDS[prefix]: one.rows() for prefix, one in rows.items() if one.is_valid()
    }
