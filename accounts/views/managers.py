"""Technology managers: the public list, and the application."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from accounts.forms import ManagerForm
from accounts.http import PageRequest, UserRequest
from accounts.models import AccountEvent, ManagerProfile
from accounts.permissions import certified_managers
from accounts.services import Refused, apply_as_manager

PAGE_SIZE = 20


@login_not_required
@require_safe
def manager_list(request: PageRequest) -> HttpResponse:
    """Show the certified technology managers: name, grade, what they work in."""
    rows = certified_managers().order_by("user__name", "pk")
    page = Paginator(rows, PAGE_SIZE).get_page(request.GET.get("page"))
    return render(request, "accounts/manager_list.html", {"page": page})


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
    suspended = AccountEvent.objects.filter(
        subject=request.user, verb=AccountEvent.Verb.SUSPENDED
    ).last()
    closed = profile is not None and (
        profile.is_certified or (profile.status == "suspended" and bool(profile.certified_at))
    )
    context = {
        "form": form,
        "profile": profile,
        "closed": closed,
        "reason": suspended.note if suspended and profile and profile.status == "suspended" else "",
        "problem": problem,
    }
    return render(request, "accounts/manager_apply.html", context, status=409 if problem else 200)
