"""The files of a listing: its owner's page for them, and the way to each file."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import Http404, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.files.inspecting import taken, too_large
from accounts.http import PageRequest, UserRequest
from accounts.permissions import Tier, is_operator
from accounts.views.serving import private_file
from catalog.file_forms import FileDetailsForm, FileForm
from catalog.files import label_of, leaks_in, may_open, plain_name
from catalog.models import Attachment, Listing
from catalog.permissions import belongs_to_owner, can_edit
from catalog.services import attaching, publishing
from catalog.views.gate import MODELS, get_listing, names
from catalog.workflow import IllegalMove, ListingStatus


def _get_own(request: UserRequest, kind: str, number: str) -> Listing:
    """Return a listing this user may write. One that they only may read is a 403."""
    listing = get_listing(request.user, kind, number)
    if not can_edit(request.user, listing):
        raise PermissionDenied(_("Only the owner and the editors of this listing can do that."))
    return listing


def _get_file(listing: Listing, number: int) -> Attachment:
    rows = Attachment.objects.of(listing).present().select_related(f"{listing.kind}__owner")
    return get_object_or_404(rows, number=number)


@require_http_methods(["GET", "HEAD", "POST"])
def listing_files(request: UserRequest, kind: str, number: str) -> HttpResponse:
    """Show the files of one's own listing; add one, or hand new ones in for the check."""
    listing = _get_own(request, kind, number)
    if request.method != "POST":
        return _page(request, listing)
    if request.POST.get("action") == "submit":
        return _hand_in(request, listing)
    form = FileForm(request.POST, request.FILES, limit=_limits())
    if "file" in request.META.get("TOO_LARGE", ()):
        form.is_valid()
        form.errors.pop("file", None)
        form.add_error("file", too_large(settings.ATTACHMENT_BYTES))
    if not form.is_valid():
        return _page(request, listing, form=form, status=422)
    upload = form.cleaned_data["file"]
    try:
        added = attaching.attach(
            listing=listing,
            actor=request.user,
            upload=upload,
            name=upload.name,
            title=form.cleaned_data["title"],
            tier=form.cleaned_data["tier"],
            joins_text=form.cleaned_data["joins_text"],
        )
    except ValidationError as exc:
        if hasattr(exc, "error_dict"):
            form.add_error(None, exc)
        else:
            form.add_error("file", exc.messages)
        return _page(request, listing, form=form, status=422)
    except IllegalMove as exc:
        return _page(request, listing, problem=str(exc), status=409)
    done = _("“%(title)s” is attached.") % {"title": added.title}
    if added.is_held:
        done += " " + _("It is given out as soon as it has been scanned for viruses.")
    if request.htmx:
        return _page(request, listing, done=done)
    messages.success(request, done)
    return redirect(f"{kind}_files", listing.number)


def _hand_in(request: UserRequest, listing: Listing) -> HttpResponse:
    """Submit a published listing for the sake of its files."""
    try:
        publishing.submit(listing=listing, actor=request.user, files=True)
    except IllegalMove as exc:
        return _page(request, listing, problem=str(exc), status=409)
    except ValidationError as exc:
        return _page(request, listing, problem=" ".join(exc.messages), status=409)
    messages.success(request, _("Submitted. A technology manager looks at the files."))
    return redirect(listing)


def _page(
    request: UserRequest,
    listing: Listing,
    *,
    form: FileForm | None = None,
    problem: str = "",
    done: str = "",
    status: int = 200,
) -> HttpResponse:
    if status == 409:
        listing = MODELS[listing.kind].objects.select_related("owner").get(pk=listing.pk)
    rows = list(Attachment.objects.of(listing).present())
    context = names(listing.kind) | {
        "listing": listing,
        "files_url": f"{listing.kind}_files",
        "file_url": f"{listing.kind}_file",
        "remove_url": f"{listing.kind}_file_remove",
        "rows": [_row(attachment, listing) for attachment in rows],
        "form": form or FileForm(limit=_limits()),
        "has_room": len(rows) < settings.ATTACHMENTS_PER_LISTING,
        "editable": listing.is_editable,
        # A draft is checked anyway when it is handed in.
        "waits": listing.status in (ListingStatus.PUBLISHED, ListingStatus.EXPIRED)
        and any(row.waits_for_check for row in rows),
        "problem": problem,
        "done": done,
    }
    template = "catalog/files.html#panel" if request.htmx else "catalog/files.html"
    return render(request, template, context, status=status)


def _row(attachment: Attachment, listing: Listing) -> dict[str, Any]:
    return {
        "file": attachment,
        "label": label_of(attachment),
        "leaks": [leak.sentence() for leak in leaks_in(attachment, listing)],
        "form": FileDetailsForm(
            initial={
                "title": attachment.title,
                "tier": attachment.tier,
                "joins_text": attachment.joins_text,
            },
            auto_id=f"id_{attachment.number}_%s",
        ),
    }


def _limits() -> str:
    size = _("At most %(limit)d MB.") % {"limit": settings.ATTACHMENT_BYTES // 1024**2}
    return f"{taken()} {size}"


@require_POST
def file_change(request: UserRequest, kind: str, number: str, file: int) -> HttpResponse:
    """Save a file's title, its readers, and whether its text is compared."""
    listing = _get_own(request, kind, number)
    attachment = _get_file(listing, file)
    form = FileDetailsForm(request.POST)
    if not form.is_valid():
        return _page(request, listing, problem=_first_error(form), status=422)
    try:
        attaching.change(attachment=attachment, actor=request.user, **form.cleaned_data)
    except ValidationError as exc:
        return _page(request, listing, problem=exc.messages[0], status=422)
    except IllegalMove as exc:
        return _page(request, listing, problem=str(exc), status=409)
    messages.success(request, _("Saved."))
    return redirect(f"{kind}_files", listing.number)


def _first_error(form: FileDetailsForm) -> str:
    name, texts = next(iter(form.errors.items()))
    return f"{form[name].label}: {texts[0]}"


@require_http_methods(["GET", "HEAD", "POST"])
def file_remove(request: UserRequest, kind: str, number: str, file: int) -> HttpResponse:
    """Take a file off a listing, after a page that says what that means."""
    listing = _get_own(request, kind, number)
    attachment = _get_file(listing, file)
    if request.method == "POST":
        try:
            attaching.remove(attachment=attachment, actor=request.user)
        except IllegalMove as exc:
            return _page(request, listing, problem=str(exc), status=409)
        messages.success(request, _("Removed: “%(title)s”.") % {"title": attachment.title})
        return redirect(f"{kind}_files", listing.number)
    context = names(kind) | {
        "listing": listing,
        "file": attachment,
        "label": label_of(attachment),
        "files_url": f"{kind}_files",
    }
    return render(request, "catalog/file_remove.html", context)


@login_not_required
@require_safe
def attachment_download(request: PageRequest, pk: int) -> HttpResponseBase:
    """Send a file to somebody who gets it; for everybody else there is none."""
    rows = Attachment.objects.served().select_related("demand__owner", "achievement__owner")
    attachment = get_object_or_404(rows, pk=pk)
    listing, user = attachment.listing, request.user
    visible = MODELS[listing.kind].objects.filter(pk=listing.pk).visible_to(user).exists()
    if not may_open(user, attachment, sees_listing=visible):
        raise Http404
    own = belongs_to_owner(user, listing)
    response = private_file(
        attachment.file,
        kind=attachment.kind,
        name=attachment.name if own or is_operator(user) else plain_name(attachment),
    )
    # Before the first byte leaves: who got a file that is not for everybody is never in doubt.
    if request.method == "GET" and not own and attachment.audience >= Tier.MANAGERS:
        attaching.note_opened(attachment=attachment, actor=user if user.is_authenticated else None)
    return response
