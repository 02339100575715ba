"""A person's own settings: one form for each theme, on one page."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.db import transaction
from django.forms import ModelForm
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST

from accounts.context import SESSION_KEY
from accounts.forms import ProfileForm
from accounts.http import UserRequest
from accounts.models import ManagerProfile, User
from accounts.navigation import Role
from accounts.services import change_person


class ShortcutsForm(ModelForm[User]):
    """Whether single letters press what they stand for in the workbench."""

    class Meta:
        model = User
        fields = ("shortcuts",)
        labels = {"shortcuts": gettext_lazy("Use keyboard shortcuts")}


@require_http_methods(["GET", "HEAD", "POST"])
def settings_profile(request: UserRequest) -> HttpResponse:
    """Show and save the settings. `form_name` says which of the forms was sent."""
    sent = request.POST.get("form_name", "") if request.method == "POST" else ""
    profile: ManagerProfile | None = getattr(request.user, "manager_profile", None)
    # The name in the top bar stays the stored one while the form shows what was typed.
    person = User.objects.get(pk=request.user.pk)

    forms: dict[str, Any] = {
        "person": ProfileForm(request.POST if sent == "person" else None, instance=person)
    }
    if profile is not None:
        typed = request.POST if sent == "shortcuts" else None
        forms["shortcuts"] = ShortcutsForm(typed, instance=person)
    form = forms.get(sent)
    if form is not None and form.is_valid():
        if sent == "person":
            change_person(person=request.user, content=form.cleaned_data)
        else:
            User.objects.filter(pk=person.pk).update(shortcuts=form.cleaned_data["shortcuts"])
        messages.success(request, _("Saved."))
        return redirect("settings_profile")
    context = {
        "forms": forms,
        "form": form,
        "profile": profile,
        "put_away": [one for one in Role if one.value in person.guides_hidden],
    }
    return render(request, "accounts/settings_profile.html", context)


@require_POST
def first_steps(request: UserRequest) -> HttpResponse:
    """Put the first steps of one role away for good, or have them again (`show` is not empty)."""
    role, shown = request.POST.get("role", ""), bool(request.POST.get("show"))
    if role not in Role.values:
        return redirect("home")
    with transaction.atomic():
        person = User.objects.select_for_update(no_key=True).get(pk=request.user.pk)
        hidden = set(person.guides_hidden)
        person.guides_hidden = sorted(hidden - {role} if shown else hidden | {role})
        person.save(update_fields=("guides_hidden",))
    if shown:
        request.session[SESSION_KEY] = role
        messages.success(request, _("The first steps are on the home page until they are done."))
    else:
        messages.success(request, _("Put away. The settings bring the first steps back."))
    return redirect("home")


@require_POST
def switch_role(request: UserRequest) -> HttpResponse:
    """Look at the site in another of one's roles. It changes the menu, nothing else."""
    role = request.POST.get("role", "")
    if role in Role.values:
        request.session[SESSION_KEY] = role
    target = request.POST.get("next", "")
    # An address of ours and nothing else: `redirect` would take a word for the name of a page.
    if target.startswith("/") and url_has_allowed_host_and_scheme(
        target, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    ):
        return HttpResponseRedirect(target)
    return redirect("home")
