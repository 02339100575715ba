"""Operators: verify organizations."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

from django import forms
from django.contrib import messages
from django.core.paginator import Paginator
from django.db import transaction
from django.db.models import Count, Q
from django.http import HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from accounts.clocks import answer_due, with_clock
from accounts.forms import (
    ChecksForm,
    ConfirmCodeForm,
    RefuseCodeForm,
    ReturnForm,
)
from accounts.http import UserRequest
from accounts.models import (
    AccountEvent,
    CodeChange,
    CodeChangeStatus,
    Membership,
    Organization,
    OrganizationStatus,
    User,
)
from accounts.services import (
    Refused,
    fingerprint,
    return_organization,
    verify_organization,
)
from accounts.unsent import fill
from accounts.verification import confirm_code, refuse_code, tick
from accounts.views.gate import operator_only

PAGE_SIZE = 20
# What firms have in common says nothing about whether two of them are the same.
_COMMON = re.compile(
    r"股份|有限|责任|公司|集团|\b(?:co|ltd|inc|corp|llc|company|limited|group)\b|[\s()\[\]（）.,·&-]"
)


def tabs(statuses: Any, counts: dict[str, int], chosen: str) -> list[dict[str, Any]]:
    return [
        {
            "value": status.value,
            "label": status.label,
            "count": counts.get(status.value, 0),
            "current": status.value == chosen,
        }
        for status in statuses
    ]


def counts_by_status(rows: Any) -> dict[str, int]:
    return dict(rows.order_by().values_list("status").annotate(number=Count("pk")))


@operator_only
@require_safe
def ops_organizations(request: UserRequest) -> HttpResponse:
    """The queue by clock; also the place to find any organization."""
    words = request.GET.get("q", "").replace("\x00", "").strip()[:100]
    chosen = request.GET.get("status", "")
    if chosen not in OrganizationStatus.values:
        chosen = OrganizationStatus.PENDING
    rows = Organization.objects.all()
    if words:
        rows = rows.filter(
            Q(name__icontains=words) | Q(name_en__icontains=words) | Q(credit_code__iexact=words)
        )
    order = ("asked_at", "pk") if chosen == OrganizationStatus.PENDING else ("-asked_at", "pk")
    page = Paginator(with_clock(rows.filter(status=chosen)).order_by(*order), PAGE_SIZE).get_page(
        request.GET.get("page")
    )
    return render(
        request,
        "accounts/ops_organizations.html",
        {
            "page": page,
            "rows": [{"organization": row, "due_on": answer_due(row)} for row in page],
            "tabs": tabs(OrganizationStatus, counts_by_status(rows), chosen),
            "chosen": chosen,
            "words": words,
            "code_changes": CodeChange.objects.filter(status=CodeChangeStatus.OPEN)
            .select_related("organization")
            .order_by("asked_at")[:PAGE_SIZE],
        },
    )


def _core(name: str) -> str:
    """Return what is left of a name when legal forms, brackets and spaces are taken out."""
    return _COMMON.sub("", unicodedata.normalize("NFKC", name).casefold())


def possible_duplicates(organization: Organization) -> list[Organization]:
    """Return organizations whose name, phone or e-mail suggests that they are the same one."""
    same = Q(contact_email__iexact=organization.contact_email) | Q(
        contact_phone=organization.contact_phone
    )
    core = _core(organization.name)
    if len(core) >= 2:
        # The name as typed may differ in brackets and spaces; its first characters rarely do.
        same |= Q(name__icontains=core[:4])
    found = Organization.objects.filter(same).exclude(pk=organization.pk).order_by("name", "pk")
    return list(found[:10])


@operator_only
@require_http_methods(["GET", "HEAD", "POST"])
def ops_organization(request: UserRequest, pk: int) -> HttpResponse:
    """Check one organization: tick its points, verify it, return it, answer for its code."""
    organization = get_object_or_404(with_clock(Organization.objects.all()), pk=pk)
    page = _Forms(organization, request.POST)
    problem = ""
    try:
        done = page.act(request.user) if request.method == "POST" else ""
    except Refused as exc:
        problem, done = str(exc), ""
        # What is shown below is the present state, so the next click is about that.
        organization = get_object_or_404(with_clock(Organization.objects.all()), pk=pk)
        page = page.again(organization)
    if done:
        messages.success(request, done)
        stays = page.answer in ("check", "code_confirm", "code_refuse")
        return redirect("ops_organization", pk) if stays else redirect("ops_organizations")
    changes = organization.code_changes.select_related("asked_by", "decided_by")
    context = {
        "organization": organization,
        "due_on": answer_due(organization),
        "members": Membership.objects.filter(organization=organization).select_related("user"),
        "duplicates": possible_duplicates(organization),
        "events": AccountEvent.objects.filter(organization=organization).select_related(
            "actor", "subject"
        ),
        "checks": organization.checks.select_related("checked_by").order_by("checked_at"),
        "evidence": organization.evidence.present().select_related("added_by"),
        "code_changes": changes,
        "forms": page,
        "form": page.current(),
        "problem": problem,
    }
    status = 409 if problem else 200
    return render(request, "accounts/ops_organization.html", context, status=status)


class _Forms:
    """The forms of the page of one organization; the one that was sent is bound."""

    def __init__(self, organization: Organization, data: QueryDict) -> None:
        self.organization, self.data = organization, data
        self.answer = data.get("answer", "")
        initial = {"seen": fingerprint(organization)}
        ticked: dict[str, object] = {}
        for check in organization.checks.all():
            ticked |= {f"point_{check.point}": True, f"note_{check.point}": check.note}
        self.checks = ChecksForm(self._sent("check", "verify"), initial=initial | ticked)
        self.giving_back = ReturnForm(self._sent("return"), initial=initial, auto_id="id_return_%s")
        self.code_confirm = ConfirmCodeForm(
            self._sent("code_confirm"), auto_id="id_code_confirm_%s"
        )
        self.code_refuse = RefuseCodeForm(self._sent("code_refuse"), auto_id="id_code_refuse_%s")

    def _sent(self, *answers: str) -> QueryDict | None:
        return self.data if self.answer in answers else None

    def again(self, organization: Organization) -> _Forms:
        """Return the forms for what is stored now; what was typed into one of them is not lost."""
        page = _Forms(organization, QueryDict())
        seen = fingerprint(organization)
        form = page.current_of(self.answer)
        if self.data.get("seen", seen) == seen:
            fill(form, self.data)
        else:  # the ticks were about what is no more so; the words beside them still are words
            typed = [name for name in form.fields if name == "reason" or name.startswith("note_")]
            form.initial.update({name: self.data.get(name, "") for name in typed})
        form.initial["seen"] = seen
        return page

    def current(self) -> forms.Form:
        return self.current_of(self.answer)

    def current_of(self, answer: str) -> forms.Form:
        """Return the form that gives an answer."""
        return {
            "return": self.giving_back,
            "code_confirm": self.code_confirm,
            "code_refuse": self.code_refuse,
        }.get(answer, self.checks)

    def act(self, actor: User) -> str:
        """Do what was sent and return what to say of it; "" when a field is wrong.

        Raises `Refused`.
        """
        form, organization = self.current(), self.organization
        if not form.is_valid():
            return ""
        name = {"name": organization.name}
        if self.answer in ("check", "verify"):
            return self._check(actor, form.cleaned_data["seen"], name)
        if self.answer == "return":
            return_organization(organization=organization, actor=actor, **form.cleaned_data)
            return _("Returned: %(name)s.") % name
        change = organization.code_changes.filter(pk=self._change()).first()
        if change is None:
            raise Refused(_("This request has been answered or withdrawn meanwhile."))
        if self.answer == "code_confirm":
            confirm_code(change=change, actor=actor, **form.cleaned_data)
            return _("The new credit code holds: %(code)s.") % {"code": change.new_code}
        refuse_code(change=change, actor=actor, **form.cleaned_data)
        return _("The old credit code stays: %(code)s.") % {"code": change.old_code}

    def _check(self, actor: User, seen: str, name: dict[str, str]) -> str:
        with transaction.atomic():
            tick(
                organization=self.organization,
                actor=actor,
                seen=seen,
                points=self.checks.points(),
            )
            if self.answer == "check":
                return _("Saved.")
            verify_organization(organization=self.organization, actor=actor, seen=seen)
        return _("Verified: %(name)s.") % name

    def _change(self) -> int:
        text = self.data.get("change", "")
        return int(text) if text.isascii() and text.isdigit() and len(text) < 18 else 0
