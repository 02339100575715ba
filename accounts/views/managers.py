"""Technology managers: the public list, the application, one's own certificate and stars."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.db.models import Q
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.certification import (
    REMIND_DAYS,
    add_certificate_file,
    apply_as_manager,
    ask_renewal,
    recall_renewal,
    set_capacity,
    why_kept,
)
from accounts.evidence import EVIDENCE_AT_MOST
from accounts.files.inspecting import taken, too_large
from accounts.http import PageRequest, UserRequest
from accounts.manager_forms import CapacityForm, CertificateFileForm, ManagerForm, RenewalForm
from accounts.models import AccountEvent, ManagerProfile, ManagerStatus, RenewalStatus
from accounts.permissions import certified_managers
from accounts.services import Refused
from accounts.stars import latest_of, with_stars
from accounts.views.gate import own_profile

PAGE_SIZE = 20
Verb = AccountEvent.Verb
# Steps of a certification. Not who has opened a file, and nothing of one's organizations.
_OF_A_MANAGER = (
    *(Verb.APPLIED, Verb.CERTIFIED, Verb.SUSPENDED, Verb.LIFTED, Verb.EXPIRED),
    *(Verb.RENEW_ASKED, Verb.RENEWED, Verb.RENEW_REFUSED, Verb.RENEW_RECALLED),
    *(Verb.FILE_ADDED, Verb.FILE_REMOVED, Verb.FILE_REFUSED),
    *(Verb.INTEREST, Verb.STRUCK, Verb.AWAY, Verb.BACK),
)
_NOTED_FOR_OPERATORS = (Verb.LIFTED, Verb.STRUCK)


@login_not_required
@require_safe
def manager_list(request: PageRequest) -> HttpResponse:
    """Show the certified technology managers: name, grade, what they work in, their stars."""
    rows = certified_managers().order_by("user__name", "pk")
    page = Paginator(rows, PAGE_SIZE).get_page(request.GET.get("page"))
    profiles = with_stars(page.object_list)
    return render(request, "accounts/manager_list.html", {"page": page, "profiles": profiles})


@require_http_methods(["GET", "HEAD", "POST"])
def manager_apply(request: UserRequest) -> HttpResponse:
    """Apply for certification, correct the application, or see how it stands."""
    profile: ManagerProfile | None = getattr(request.user, "manager_profile", None)
    form = ManagerForm(request.POST or None, instance=profile)
    problem = ""
    if request.method == "POST" and form.is_valid():
        try:
            apply_as_manager(actor=request.user, content=form.cleaned_data)
        except Refused as exc:
            problem = str(exc)
        else:
            messages.success(
                request, _("Your application is with us. We answer within 2 working days.")
            )
            return redirect("manager_apply")
    if profile is not None and request.method == "POST":
        # The form has written into this object; the page shows what is stored.
        profile = ManagerProfile.objects.get(pk=profile.pk)
    closed = profile is not None and (
        profile.status in (ManagerStatus.CERTIFIED, ManagerStatus.EXPIRED)
        or (profile.status == ManagerStatus.SUSPENDED and profile.certified_at is not None)
    )
    context = {"form": form, "profile": profile, "closed": closed, "problem": problem}
    return render(request, "accounts/manager_apply.html", context, status=409 if problem else 200)


@require_http_methods(["GET", "HEAD", "POST"])
def manager_own(request: UserRequest) -> HttpResponse:
    """One's own certificate, files and stars; also how many reviews one takes."""
    profile = own_profile(request)
    if request.method != "POST":
        return _page(request, profile)
    form = CapacityForm(request.POST, auto_id="id_capacity_%s")
    if not form.is_valid():
        return _page(request, profile, capacity_form=form)
    set_capacity(profile=profile, actor=request.user, capacity=form.cleaned_data["capacity"])
    messages.success(request, _("Saved."))
    return redirect("manager_own")


@require_POST
def manager_file_add(request: UserRequest) -> HttpResponse:
    """Take a file for the operators in."""
    profile = own_profile(request)
    form = CertificateFileForm(request.POST, request.FILES)
    if form.is_valid():
        upload = form.cleaned_data["file"]
        try:
            add_certificate_file(
                profile=profile,
                actor=request.user,
                purpose=form.cleaned_data["purpose"],
                upload=upload,
                name=upload.name,
            )
        except ValidationError as exc:
            form.add_error("file", exc.messages)
        else:
            messages.success(request, _("Uploaded. Only you and the operators can open it."))
            return redirect("manager_own")
    _say_too_large(request, form)
    return _page(request, profile, file_form=form)


def _say_too_large(request: UserRequest, form: Any) -> None:
    """Tell a file that was dropped while it arrived from one that never came."""
    if "file" in request.META.get("TOO_LARGE", ()):
        form.errors.pop("file", None)
        form.add_error("file", too_large(settings.ATTACHMENT_BYTES))


def _limits() -> str:
    size = _("At most %(limit)d MB.") % {"limit": settings.ATTACHMENT_BYTES // 1024**2}
    return f"{taken()} {size}"


def _page(
    request: UserRequest,
    profile: ManagerProfile,
    *,
    capacity_form: CapacityForm | None = None,
    file_form: CertificateFileForm | None = None,
    problem: str = "",
) -> HttpResponse:
    today = timezone.localdate()
    form = capacity_form or file_form
    renewals = list(profile.renewals.all()[:5])
    evidence = list(profile.evidence.present().select_related("renewal"))
    context = {
        "profile": profile,
        "stars": latest_of(profile),
        "days_left": (profile.valid_until - today).days if profile.valid_until else None,
        "remind_days": REMIND_DAYS,
        "absence": profile.absence_on(today),
        "absences": profile.absences.from_day(today),
        "tie_count": profile.interests.standing().count(),
        "renewals": renewals,
        "may_renew": profile.status in (ManagerStatus.CERTIFIED, ManagerStatus.EXPIRED)
        and all(row.status != RenewalStatus.OPEN for row in renewals),
        "evidence": evidence,
        "removable": {file.pk for file in evidence if not why_kept(file, profile)},
        "capacity_form": capacity_form
        or CapacityForm(initial={"capacity": profile.capacity}, auto_id="id_capacity_%s"),
        "file_form": file_form or CertificateFileForm(),
        "form": form,
        "limits": _limits(),
        "evidence_limit": EVIDENCE_AT_MOST,
        "events": _history(profile),
        "problem": problem,
    }
    status = 409 if problem else 422 if file_form is not None else 200
    return render(request, "accounts/manager_own.html", context, status=status)


def _history(profile: ManagerProfile) -> list[AccountEvent]:
    """Return the steps of a certification as its manager may read them.

    Nothing of organizations: who merely asked to join one learns nothing about it. Neither an
    operator's name, nor what operators note for each other.
    """
    rows = AccountEvent.objects.filter(subject=profile.user).filter(
        Q(verb__in=_OF_A_MANAGER) | Q(verb=Verb.CHANGED, organization=None)
    )
    found = list(rows.select_related("actor", "subject").order_by("-created_at", "-pk")[:20])
    for event in found:
        if event.verb in _NOTED_FOR_OPERATORS:
            event.note = ""
        if event.actor_id != profile.user_id:
            event.actor = None
    return found


@require_http_methods(["GET", "HEAD", "POST"])
def manager_renewal(request: UserRequest) -> HttpResponse:
    """Ask for what a newer certificate says; the old one holds until an operator has seen it."""
    profile = own_profile(request)
    fields = ("grade", "certificate_no", "issuer", "classes", "regions")
    form = RenewalForm(
        request.POST or None,
        request.FILES or None,
        initial={name: getattr(profile, name) for name in fields},
    )
    problem = ""
    if request.method == "POST":
        if form.is_valid():
            upload = form.cleaned_data["file"]
            try:
                ask_renewal(
                    profile=profile,
                    actor=request.user,
                    content=form.cleaned_data,
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
                    _("Asked. The present certificate holds until an operator has compared."),
                )
                return redirect("manager_own")
        _say_too_large(request, form)
    context = {"profile": profile, "form": form, "problem": problem, "limits": _limits()}
    status = 409 if problem else 422 if form.is_bound else 200
    return render(request, "accounts/manager_renewal.html", context, status=status)


@require_POST
def manager_renewal_recall(request: UserRequest) -> HttpResponse:
    """Withdraw the open request for a renewal."""
    profile = own_profile(request)
    renewal = profile.renewals.filter(status=RenewalStatus.OPEN).first()
    try:
        if renewal is None:
            raise Refused(_("This request has been answered or withdrawn meanwhile."))
        recall_renewal(renewal=renewal, actor=request.user)
    except Refused as exc:
        return _page(request, profile, problem=str(exc))
    messages.success(request, _("Withdrawn. The present certificate stays."))
    return redirect("manager_own")
