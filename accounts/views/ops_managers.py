"""Operators: certify technology managers, renew, suspend, and see what ties them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import F
from django.http import HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from accounts.certification import (
    CERTIFICATE_FIELDS,
    certify_manager,
    confirm_renewal,
    fingerprint,
    lift_suspension,
    refuse_renewal,
    set_capacity,
    suspend_manager,
)
from accounts.clocks import answer_due, managers_with_clock
from accounts.evidence import note_read, text_of
from accounts.files.inspecting import IMAGES
from accounts.http import UserRequest
from accounts.interests import strike_interest
from accounts.manager_forms import (
    CapacityForm,
    CertifyForm,
    ConfirmRenewalForm,
    LiftForm,
    StrikeForm,
    SuspendForm,
)
from accounts.models import (
    AccountEvent,
    Evidence,
    ManagerProfile,
    ManagerStatus,
    Membership,
    Renewal,
    RenewalStatus,
    User,
)
from accounts.services import Refused
from accounts.stars import all_of, with_stars
from accounts.unsent import fill
from accounts.views.gate import operator_only
from accounts.views.ops import PAGE_SIZE, counts_by_status, tabs

EVENTS_SHOWN = 50


@operator_only
@require_safe
def ops_managers(request: UserRequest) -> HttpResponse:
    """Technology managers by status; those who wait for an answer first."""
    chosen = request.GET.get("status", "")
    rows = ManagerProfile.objects.all()
    counts = counts_by_status(rows)
    if chosen not in ManagerStatus.values:
        pending = ManagerStatus.PENDING
        chosen = pending if counts.get(pending) else ManagerStatus.CERTIFIED
    order = ("asked_at", "pk") if chosen == ManagerStatus.PENDING else (F("user__name"), "pk")
    found = managers_with_clock(rows.filter(status=chosen)).select_related("user").order_by(*order)
    page = Paginator(found, PAGE_SIZE).get_page(request.GET.get("page"))
    profiles = with_stars(page.object_list)
    renewals = Renewal.objects.filter(status=RenewalStatus.OPEN).select_related("profile__user")
    return render(
        request,
        "accounts/ops_managers.html",
        {
            "page": page,
            "rows": [{"profile": row, "due_on": answer_due(row)} for row in profiles],
            "tabs": tabs(ManagerStatus, counts, chosen),
            "chosen": chosen,
            "renewals": renewals.order_by("asked_at")[:PAGE_SIZE],
        },
    )


@operator_only
@require_http_methods(["GET", "HEAD", "POST"])
def ops_manager(request: UserRequest, pk: int) -> HttpResponse:
    """One technology manager: the certificate beside the entries, ties, history, decisions."""
    rows = managers_with_clock(ManagerProfile.objects.all()).select_related("user")
    profile = get_object_or_404(rows, pk=pk)
    page = _Forms(profile, request.POST)
    problem = ""
    try:
        done = page.act(request.user) if request.method == "POST" else ""
    except Refused as exc:
        problem, done = str(exc), ""
        # What is shown below is the present state, so the next click is about that.
        profile = get_object_or_404(rows, pk=pk)
        page = page.again(profile)
    if done:
        messages.success(request, done)
        stays = page.answer not in ("certify", "suspend")
        return redirect("ops_manager", pk) if stays else redirect("ops_managers")
    evidence = list(profile.evidence.present().select_related("renewal"))
    document = None
    if page.renewal is not None or profile.certified_at is None:
        document = _document(evidence, request.user)
    context = {
        "profile": profile,
        "due_on": answer_due(profile),
        "memberships": Membership.objects.filter(user=profile.user).select_related("organization"),
        "interests": profile.interests.select_related("organization", "struck_by"),
        "absences": profile.absences.from_day(timezone.localdate()),
        "stars": all_of(profile)[:5],
        "evidence": evidence,
        "document": document,
        "renewal": page.renewal,
        "events": list(
            AccountEvent.objects.filter(subject=profile.user)
            .select_related("actor", "subject", "organization")
            .order_by("-pk")[:EVENTS_SHOWN]
        )[::-1],
        "forms": page,
        "form": page.current(),
        "problem": problem,
    }
    return render(request, "accounts/ops_manager.html", context, status=409 if problem else 200)


def _document(evidence: list[Evidence], reader: User) -> dict[str, Any] | None:
    """Return what can be shown beside the entries: of the newest file, its picture or its words.

    Words that are shown are a file that is opened, and noted as one; a picture's own address does.
    """
    newest = next((file for file in reversed(evidence) if not file.is_held), None)
    if newest is None:
        return None
    text = text_of(newest)
    if text:
        note_read(evidence=newest, actor=reader)
    return {"file": newest, "is_picture": newest.kind in IMAGES, "text": text}


class _Forms:
    """The forms of the page of one manager; the one that was sent is bound."""

    def __init__(self, profile: ManagerProfile, data: QueryDict) -> None:
        self.profile, self.data = profile, data
        self.answer = data.get("answer", "")
        renewals = profile.renewals.filter(status=RenewalStatus.OPEN)
        self.renewal: Renewal | None = renewals.first()
        seen = {"seen": fingerprint(profile)}
        entries = {name: getattr(profile, name) for name in (*CERTIFICATE_FIELDS, "capacity")}
        self.certify = CertifyForm(self._sent("certify"), initial=seen | entries)
        self.suspend = SuspendForm(self._sent("suspend"), auto_id="id_suspend_%s")
        self.lift = LiftForm(self._sent("lift"), auto_id="id_lift_%s")
        self.renew = ConfirmRenewalForm(self._sent("renew"), initial=seen, auto_id="id_renew_%s")
        self.refuse = SuspendForm(self._sent("refuse"), auto_id="id_refuse_%s")
        self.capacity = CapacityForm(
            self._sent("capacity"), initial=entries, auto_id="id_capacity_%s"
        )
        self.strike = StrikeForm(self._sent("strike"), auto_id="id_strike_%s")

    def _sent(self, answer: str) -> QueryDict | None:
        return self.data if self.answer == answer else None

    def again(self, profile: ManagerProfile) -> _Forms:
        """Return the forms for what is stored now; what was typed into one of them is not lost."""
        page = _Forms(profile, QueryDict())
        form: forms.Form = getattr(page, self.answer) if self.answer in _ACTS else page.certify
        seen = form.initial.get("seen", "")
        # Entries that were compared with what is no more so are to be compared anew.
        if self.data.get("seen", seen) == seen:
            fill(form, self.data)
            form.initial["seen"] = seen
        return page

    def current(self) -> forms.Form:
        found: forms.Form = getattr(self, self.answer) if self.answer in _ACTS else self.certify
        return found

    def act(self, actor: User) -> str:
        """Do what was sent and return what to say of it; "" when a field is wrong.

        Raises `Refused`.
        """
        form = self.current()
        if self.answer not in _ACTS or not form.is_valid():
            return ""
        said = _ACTS[self.answer](self, actor, form.cleaned_data)
        return said % {"name": self.profile.user.name}

    def _open_renewal(self) -> Renewal:
        if self.renewal is None:
            raise Refused(_("This request has been answered or withdrawn meanwhile."))
        return self.renewal


def _certify(page: _Forms, actor: User, data: dict[str, Any]) -> str:
    content = {name: data[name] for name in (*CERTIFICATE_FIELDS, "capacity")}
    certify_manager(profile=page.profile, actor=actor, seen=data["seen"], content=content)
    return _("Certified: %(name)s.")


def _suspend(page: _Forms, actor: User, data: dict[str, Any]) -> str:
    suspend_manager(profile=page.profile, actor=actor, reason=data["reason"])
    return _("Suspended: %(name)s.")


def _lift(page: _Forms, actor: User, data: dict[str, Any]) -> str:
    lift_suspension(profile=page.profile, actor=actor, note=data["note"])
    return _("The suspension is lifted: %(name)s.")


def _renew(page: _Forms, actor: User, data: dict[str, Any]) -> str:
    confirm_renewal(renewal=page._open_renewal(), actor=actor, seen=data["seen"])
    return _("Renewed: %(name)s.")


def _refuse(page: _Forms, actor: User, data: dict[str, Any]) -> str:
    refuse_renewal(renewal=page._open_renewal(), actor=actor, reason=data["reason"])
    return _("Not renewed: %(name)s.")


def _capacity(page: _Forms, actor: User, data: dict[str, Any]) -> str:
    set_capacity(profile=page.profile, actor=actor, capacity=data["capacity"])
    return _("Saved.")


def _strike(page: _Forms, actor: User, data: dict[str, Any]) -> str:
    interest = page.profile.interests.filter(pk=data["interest"]).first()
    if interest is None:
        raise Refused(_("This tie has been struck out already."))
    strike_interest(interest=interest, actor=actor, reason=data["reason"])
    return _("Struck out.")


_ACTS: dict[str, Callable[[_Forms, User, dict[str, Any]], str]] = {
    "certify": _certify,
    "suspend": _suspend,
    "lift": _lift,
    "renew": _renew,
    "refuse": _refuse,
    "capacity": _capacity,
    "strike": _strike,
}
