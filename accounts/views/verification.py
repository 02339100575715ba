"""Pages of an organization's owners: how it is verified, their evidence, another credit code."""

from __future__ import annotations

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.forms import Form
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.clocks import with_clock
from accounts.evidence import EVIDENCE_AT_MOST, note_read
from accounts.files.inspecting import taken, too_large
from accounts.forms import CodeChangeForm, EvidenceForm
from accounts.http import UserRequest
from accounts.models import CheckPoint, CodeChange, CodeChangeStatus, Evidence, Organization
from accounts.permissions import is_operator, owns
from accounts.services import REQUIRED_POINTS, Refused
from accounts.verification import (
    add_evidence,
    ask_for_code,
    recall_code,
    remove_evidence,
)
from accounts.views.serving import private_file
from accounts.views.sure import asked


def _get_own(request: UserRequest, pk: int) -> Organization:
    """Return an organization whose evidence the user may read: its owners, and operators."""
    rows = with_clock(Organization.objects.all())
    if not is_operator(request.user):
        rows = rows.filter(memberships__user=request.user, memberships__is_active=True)
    organization: Organization = get_object_or_404(rows, pk=pk)
    if not (is_operator(request.user) or owns(request.user, pk)):
        raise PermissionDenied(_("This page is open to the organization's owners only."))
    return organization


def _get_evidence(organization: Organization, pk: int) -> Evidence:
    rows = Evidence.objects.present().filter(organization=organization)
    return get_object_or_404(rows.select_related("organization"), pk=pk)


def _only_owners(request: UserRequest, organization: Organization) -> None:
    if not owns(request.user, organization.pk):
        raise PermissionDenied(_("Only the organization's owners hand in evidence and requests."))


@require_http_methods(["GET", "HEAD", "POST"])
def organization_verification(request: UserRequest, pk: int) -> HttpResponse:
    """Show how far the verification is, and take evidence in."""
    organization = _get_own(request, pk)
    if request.method != "POST":
        return _page(request, organization)
    _only_owners(request, organization)
    form = EvidenceForm(request.POST, request.FILES)
    if _has_file(request, form):
        upload = form.cleaned_data["file"]
        try:
            add_evidence(
                organization=organization,
                actor=request.user,
                purpose=form.cleaned_data["purpose"],
                upload=upload,
                name=upload.name,
            )
        except ValidationError as exc:
            form.add_error("file", exc.messages)
        except Refused as exc:
            return _page(request, organization, problem=str(exc))
        else:
            messages.success(request, _("Uploaded. Only you and the operators can open it."))
            return redirect("organization_verification", pk)
    return _page(request, organization, form=form)


def _has_file(request: UserRequest, form: Form) -> bool:
    """Validate; a file that was dropped while it arrived is told from one that never came."""
    if form.is_valid():
        return True
    if "file" in request.META.get("TOO_LARGE", ()):
        form.errors.pop("file", None)
        form.add_error("file", too_large(settings.ATTACHMENT_BYTES))
    return False


def _page(
    request: UserRequest,
    organization: Organization,
    *,
    form: EvidenceForm | None = None,
    problem: str = "",
) -> HttpResponse:
    ticked = set(organization.checks.values_list("point", flat=True))
    context = {
        "organization": organization,
        "points": [
            (point.label, point in ticked, point in REQUIRED_POINTS) for point in CheckPoint
        ],
        "evidence": Evidence.objects.present().filter(organization=organization),
        "code_changes": organization.code_changes.all()[:5],
        "may_ask": organization.is_verified
        and not organization.code_changes.filter(status=CodeChangeStatus.OPEN).exists(),
        "may_add": owns(request.user, organization.pk),
        "limits": _limits(),
        "evidence_limit": EVIDENCE_AT_MOST,
        "form": form or EvidenceForm(),
        "problem": problem,
    }
    status = 409 if problem else 422 if form is not None else 200
    return render(request, "accounts/organization_verification.html", context, status=status)


def _limits() -> str:
    size = _("At most %(limit)d MB.") % {"limit": settings.ATTACHMENT_BYTES // 1024**2}
    return f"{taken()} {size}"


@require_safe
def evidence_download(request: UserRequest, pk: int, evidence: int) -> HttpResponseBase:
    """Send a file of evidence to an owner or an operator; each opening leaves a row."""
    organization = _get_own(request, pk)
    found = _get_evidence(organization, evidence)
    if found.is_held:
        raise PermissionDenied(_("This file waits for the virus scan; nobody gets it before."))
    response = private_file(found.file, kind=found.kind, name=found.name)
    if request.method == "GET":
        note_read(evidence=found, actor=request.user)
    return response


@require_POST
def evidence_remove(request: UserRequest, pk: int, evidence: int) -> HttpResponse:
    organization = _get_own(request, pk)
    _only_owners(request, organization)
    found = _get_evidence(organization, evidence)
    page = asked(
        request,
        title=_("Remove “%(title)s”?") % {"title": found.name},
        told=_("The file is deleted. This cannot be undone; you can upload it again."),
        act=_("Remove the file"),
        keep=_("Keep the file"),
        back=reverse("organization_verification", args=[pk]),
    )
    if page is not None:
        return page
    try:
        remove_evidence(evidence=found, actor=request.user)
    except Refused as exc:
        return _page(request, organization, problem=str(exc))
    messages.success(request, _("Removed: “%(title)s”.") % {"title": found.name})
    return redirect("organization_verification", pk)


@require_http_methods(["GET", "HEAD", "POST"])
def organization_code(request: UserRequest, pk: int) -> HttpResponse:
    """Ask for another credit code; the old one holds until an operator has confirmed it."""
    organization = _get_own(request, pk)
    _only_owners(request, organization)
    form = CodeChangeForm(request.POST or None, request.FILES or None)
    problem = ""
    if request.method == "POST" and _has_file(request, form):
        upload = form.cleaned_data["file"]
        try:
            ask_for_code(
                organization=organization,
                actor=request.user,
                new_code=form.cleaned_data["credit_code"],
                reason=form.cleaned_data["reason"],
                upload=upload,
                name=upload.name,
            )
        except ValidationError as exc:
            form.add_error("file", exc.messages)
        except Refused as exc:
            problem = str(exc)
        else:
            messages.success(
                request,
                _("Asked. The present code holds until an operator has compared the new one."),
            )
            return redirect("organization_verification", pk)
    context = {
        "organization": organization,
        "form": form,
        "problem": problem,
        "limits": _limits(),
    }
    status = 409 if problem else 422 if form.is_bound else 200
    return render(request, "accounts/organization_code.html", context, status=status)


@require_POST
def organization_code_recall(request: UserRequest, pk: int) -> HttpResponse:
    """Withdraw the open request for another credit code."""
    organization = _get_own(request, pk)
    _only_owners(request, organization)
    change = CodeChange.objects.filter(
        organization=organization, status=CodeChangeStatus.OPEN
    ).first()
    try:
        if change is None:
            raise Refused(_("This request has been answered or withdrawn meanwhile."))
        recall_code(change=change, actor=request.user)
    except Refused as exc:
        return _page(request, organization, problem=str(exc))
    messages.success(request, _("Withdrawn. The present code stays."))
    return redirect("organization_verification", pk)
