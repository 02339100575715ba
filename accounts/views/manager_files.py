"""Opening and removing what a manager has handed in: their own files, and for operators."""

from __future__ import annotations

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from accounts.certification import remove_certificate_file
from accounts.evidence import note_read
from accounts.files.inspecting import IMAGES
from accounts.http import UserRequest
from accounts.models import Evidence
from accounts.permissions import is_operator
from accounts.services import Refused
from accounts.views.serving import private_file
from accounts.views.sure import asked


def _get_file(request: UserRequest, pk: int, evidence: int) -> Evidence:
    """Return a file that the user may read: the manager's own, and operators."""
    rows = Evidence.objects.present().filter(profile=pk).select_related("profile__user", "renewal")
    if not is_operator(request.user):
        rows = rows.filter(profile__user=request.user)
    return get_object_or_404(rows, pk=evidence)


@require_safe
def manager_file(request: UserRequest, pk: int, evidence: int) -> HttpResponseBase:
    """Send a file to its manager or an operator; each opening leaves a row.

    With `?show` a picture comes as one, for the page that has it beside the entries.
    """
    found = _get_file(request, pk, evidence)
    if found.is_held:
        raise PermissionDenied(_("This file waits for the virus scan; nobody gets it before."))
    response = private_file(found.file, kind=found.kind, name=found.name)
    if "show" in request.GET and found.kind in IMAGES:
        response["Content-Disposition"] = "inline"
    if request.method == "GET":
        note_read(evidence=found, actor=request.user)
    return response


@require_POST
def manager_file_remove(request: UserRequest, pk: int, evidence: int) -> HttpResponse:
    """Remove one's own file, while nothing was decided by it."""
    found = _get_file(request, pk, evidence)
    if found.added_by_id != request.user.pk:
        raise PermissionDenied(_("Only the technology manager does this."))
    page = asked(
        request,
        title=_("Remove “%(title)s”?") % {"title": found.name},
        told=_("The file is deleted. This cannot be undone; you can upload it again."),
        act=_("Remove the file"),
        keep=_("Keep the file"),
        back=reverse("manager_own"),
    )
    if page is not None:
        return page
    try:
        remove_certificate_file(evidence=found, actor=request.user)
    except Refused as exc:
        messages.error(request, str(exc))
    else:
        messages.success(request, _("Removed: “%(title)s”.") % {"title": found.name})
    return redirect("manager_own")
