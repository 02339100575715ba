"""A manager's days off and declared ties."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from accounts.absences import add_absence, end_absence
from accounts.http import UserRequest
from accounts.interests import declare_interest
from accounts.manager_forms import AbsenceForm, InterestForm
from accounts.models import Absence, ManagerProfile
from accounts.services import Refused
from accounts.views.gate import own_profile

# Those that are over are shown as far as anybody asks about them.
PAST_SHOWN = 10


@require_http_methods(["GET", "HEAD", "POST"])
def manager_absences(request: UserRequest) -> HttpResponse:
    """List one's days off, and mark some."""
    profile = own_profile(request)
    form = AbsenceForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            add_absence(profile=profile, **form.cleaned_data)
        except Refused as exc:
            form.add_error(None, str(exc))
        else:
            messages.success(request, _("Saved."))
            return redirect("manager_absences")
    return _absences(request, profile, form)


def _absences(
    request: UserRequest, profile: ManagerProfile, form: AbsenceForm, problem: str = ""
) -> HttpResponse:
    today = timezone.localdate()
    coming = profile.absences.from_day(today)
    over = profile.absences.filter(last__lt=today).order_by("-first")
    context = {
        "profile": profile,
        "form": form,
        "coming": coming,
        "over": over[:PAST_SHOWN],
        "today": today,
        "problem": problem,
    }
    status = 409 if problem else 200
    return render(request, "accounts/manager_absences.html", context, status=status)


@require_POST
def manager_absence_end(request: UserRequest, absence: int) -> HttpResponse:
    """Take days off back."""
    profile = own_profile(request)
    found = get_object_or_404(Absence.objects.filter(profile=profile), pk=absence)
    try:
        end_absence(absence=found, actor=request.user)
    except Refused as exc:
        return _absences(request, profile, AbsenceForm(), problem=str(exc))
    messages.success(request, _("Taken back. New reviews come again on these days."))
    return redirect("manager_absences")


@require_http_methods(["GET", "HEAD", "POST"])
def manager_interests(request: UserRequest) -> HttpResponse:
    """List one's declared ties, and declare one."""
    profile = own_profile(request)
    form = InterestForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            declare_interest(profile=profile, **form.cleaned_data)
        except Refused as exc:
            form.add_error(None, str(exc))
        else:
            messages.success(request, _("Saved. Its matches go to others."))
            return redirect("manager_interests")
    context = {
        "profile": profile,
        "form": form,
        "interests": profile.interests.standing().select_related("organization"),
        "memberships": request.user.memberships.select_related("organization"),
    }
    return render(request, "accounts/manager_interests.html", context)
