"""Pages of one's own organizations: register, join, change, members."""

from __future__ import annotations

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.clocks import with_clock
from accounts.forms import AnswerJoinForm, JoinForm, OrganizationForm, RoleForm
from accounts.http import UserRequest
from accounts.models import Membership, MembershipRole, Organization
from accounts.permissions import is_operator, owns
from accounts.services import (
    Refused,
    answer_join,
    ask_to_join,
    change_organization,
    register_organization,
    remove_member,
    set_role,
)


def _get_organization(request: UserRequest, pk: int) -> Organization:
    """Return an organization whose members the user may see. Every view goes through here.

    Who only asked to join learns nothing about it yet.
    """
    rows = with_clock(Organization.objects.all())
    if not is_operator(request.user):
        rows = rows.filter(memberships__user=request.user, memberships__is_active=True)
    organization: Organization = get_object_or_404(rows, pk=pk)
    return organization


def _get_own(request: UserRequest, pk: int) -> Organization:
    """Return an organization that the user may change: as its owner, or as an operator."""
    organization = _get_organization(request, pk)
    if not (is_operator(request.user) or owns(request.user, pk)):
        raise PermissionDenied(_("This page is open to the organization's owners only."))
    return organization


def _get_membership(request: UserRequest, pk: int, member: int) -> Membership:
    organization = _get_organization(request, pk)
    rows = Membership.objects.select_related("user", "organization")
    return get_object_or_404(rows, pk=member, organization=organization)


@require_safe
def organization(request: UserRequest) -> HttpResponse:
    """Show the user's organizations and requests, or the ways to start."""
    memberships = list(
        Membership.objects.filter(user=request.user).select_related("organization").order_by("pk")
    )
    active = [row.organization_id for row in memberships if row.is_active]
    organizations = {row.pk: row for row in with_clock(Organization.objects.filter(pk__in=active))}
    asking = (
        Membership.objects.filter(
            is_active=False,
            organization__memberships__user=request.user,
            organization__memberships__is_active=True,
            organization__memberships__role=MembershipRole.OWNER,
        )
        .select_related("user", "organization")
        .order_by("created_at")
    )
    return render(
        request,
        "accounts/organization.html",
        {
            "own": [
                {"organization": organizations[row.organization_id], "membership": row}
                for row in memberships
                if row.is_active
            ],
            "waiting": [row for row in memberships if not row.is_active],
            "asking": list(asking),
            "profile": getattr(request.user, "manager_profile", None),
        },
    )


@require_http_methods(["GET", "HEAD", "POST"])
def organization_new(request: UserRequest) -> HttpResponse:
    initial = {
        "contact_name": request.user.name,
        "contact_phone": request.user.phone,
        "contact_email": request.user.email,
    }
    form = OrganizationForm(request.POST or None, initial=initial)
    if request.method == "POST" and form.is_valid():
        try:
            register_organization(actor=request.user, content=form.cleaned_data)
        except Refused as exc:
            form.add_error("credit_code", str(exc))
        else:
            messages.success(
                request,
                _("Registered. We check it within 2 working days; you can write drafts meanwhile."),
            )
            return redirect("organization")
    return render(request, "accounts/organization_form.html", {"form": form})


@require_http_methods(["GET", "HEAD", "POST"])
def organization_join(request: UserRequest) -> HttpResponse:
    form = JoinForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            ask_to_join(actor=request.user, credit_code=form.cleaned_data["credit_code"])
        except Refused as exc:
            form.add_error("credit_code", str(exc))
        else:
            messages.success(
                request, _("Asked. As soon as an owner of the organization agrees, you are in.")
            )
            return redirect("organization")
    return render(request, "accounts/organization_join.html", {"form": form})


@require_http_methods(["GET", "HEAD", "POST"])
def organization_edit(request: UserRequest, pk: int) -> HttpResponse:
    organization = _get_own(request, pk)
    was_verified = organization.is_verified
    form = OrganizationForm(request.POST or None, instance=organization)
    problem = ""
    if request.method == "POST" and form.is_valid():
        try:
            saved = change_organization(
                organization=organization, actor=request.user, content=form.cleaned_data
            )
        except Refused as exc:
            problem = str(exc)
        else:
            if was_verified and not saved.is_verified:
                messages.warning(
                    request,
                    _("Saved. Name or credit code are new, so we check it within 2 working days."),
                )
            else:
                messages.success(request, _("Saved."))
            return redirect("organization")
    if request.method == "POST":
        # The form has written into this object; the page shows what is stored.
        organization = _get_own(request, pk)
    context = {"form": form, "organization": organization, "problem": problem}
    status = 409 if problem else 200
    return render(request, "accounts/organization_form.html", context, status=status)


def _members_page(request: UserRequest, pk: int, problem: str = "") -> HttpResponse:
    organization = _get_organization(request, pk)
    rows = Membership.objects.filter(organization=organization).select_related("user")
    can_change = is_operator(request.user) or owns(request.user, pk)
    return render(
        request,
        "accounts/organization_members.html",
        {
            "organization": organization,
            "members": [row for row in rows if row.is_active],
            "asking": [row for row in rows if not row.is_active] if can_change else [],
            "roles": MembershipRole.choices,
            "can_change": can_change,
            "problem": problem,
        },
        status=409 if problem else 200,
    )


@require_safe
def organization_members(request: UserRequest, pk: int) -> HttpResponse:
    return _members_page(request, pk)


@require_POST
def member_answer(request: UserRequest, pk: int, member: int) -> HttpResponse:
    """Let a person in, or refuse."""
    _get_own(request, pk)
    membership = _get_membership(request, pk, member)
    form = AnswerJoinForm(request.POST)
    if not form.is_valid():
        return _members_page(request, pk, _("Please choose one of the roles."))
    accepted = form.cleaned_data["accept"]
    try:
        answer_join(
            membership=membership,
            actor=request.user,
            accepted=accepted,
            role=form.cleaned_data["role"] or MembershipRole.EDITOR,
        )
    except Refused as exc:
        return _members_page(request, pk, str(exc))
    name = membership.user.name
    if accepted:
        messages.success(request, _("%(name)s is a member now.") % {"name": name})
    else:
        messages.info(request, _("You have refused the request of %(name)s.") % {"name": name})
    return redirect("organization_members", pk)


@require_POST
def member_role(request: UserRequest, pk: int, member: int) -> HttpResponse:
    _get_own(request, pk)
    membership = _get_membership(request, pk, member)
    form = RoleForm(request.POST)
    if not form.is_valid():
        return _members_page(request, pk, _("Please choose one of the roles."))
    try:
        set_role(membership=membership, actor=request.user, role=form.cleaned_data["role"])
    except Refused as exc:
        return _members_page(request, pk, str(exc))
    messages.success(request, _("Saved."))
    return redirect("organization_members", pk)


@require_http_methods(["GET", "HEAD", "POST"])
def member_remove(request: UserRequest, pk: int, member: int) -> HttpResponse:
    """Take a member out, or leave; the page before it says what that means."""
    # One's own request may be withdrawn although its organization cannot be seen yet.
    rows = Membership.objects.select_related("user", "organization")
    membership = rows.filter(pk=member, organization=pk, user=request.user).first()
    if membership is None:
        _get_own(request, pk)
        membership = _get_membership(request, pk, member)
    problem = ""
    if request.method == "POST":
        leaving = membership.user_id == request.user.pk
        try:
            remove_member(membership=membership, actor=request.user)
        except Refused as exc:
            problem = str(exc)
        else:
            messages.success(request, _("Done."))
            return redirect("organization") if leaving else redirect("organization_members", pk)
    return render(
        request,
        "accounts/member_remove.html",
        {
            "membership": membership,
            "leaving": membership.user_id == request.user.pk,
            "problem": problem,
        },
        status=409 if problem else 200,
    )
