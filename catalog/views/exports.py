"""Lists as files: one's own listings, and what a reader finds under the filters in use."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import FileResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from accounts.http import UserRequest
from accounts.permissions import reader_tier
from accounts.views.limits import refuse, too_often
from catalog.facets import Filters
from catalog.listing_pages import Catalogue
from catalog.services import exporting
from catalog.views.gate import MODELS, read_picks

_PAGE = 500


@require_safe
def export_own(request: UserRequest, kind: str) -> HttpResponseBase:
    """Hand out the listings of the reader's organizations, as the import reads them.

    `pick` names some of them, as the ticks of “my listings” do; without it, all go out.
    """
    file_format = _format(request)
    if _asks_too_often(request):
        return refuse(request)
    rows = MODELS[kind].objects.owned_by(request.user)
    if picked := read_picks(request.GET.getlist("pick")):
        rows = rows.filter(pk__in=picked)
    count, limit = rows.count(), settings.IMPORT_MAX_ROWS
    if file_format == "xlsx" and count > settings.EXPORT_MAX_ROWS:
        messages.error(
            request,
            _("You have %(count)s listings; as .xlsx at most %(limit)s go out. Use CSV.")
            % {"count": f"{count:,}", "limit": f"{settings.EXPORT_MAX_ROWS:,}"},
        )
        return redirect(f"my_{_plural(kind)}")
    exporting.note_export(
        actor=request.user,
        kind=kind,
        own=True,
        file_format=file_format,
        query="",
        rows=min(count, limit),
    )
    language = _language(request)
    lines = exporting.own_lines(
        exporting.in_blocks(rows.select_related("owner"), limit), kind, language
    )
    return _answer(lines, kind, language, file_format, own=True)


@require_safe
def export_list(request: UserRequest, kind: str) -> HttpResponseBase:
    """Hand out what the list shows under the filters of the address, as far as the tier goes."""
    file_format = _format(request)
    if _asks_too_often(request):
        return refuse(request)
    tier = reader_tier(request.user)
    filters = Filters.read(kind, request.GET)
    catalogue, limit = Catalogue(filters, tier), settings.EXPORT_MAX_ROWS
    exporting.note_export(
        actor=request.user,
        kind=kind,
        own=False,
        file_format=file_format,
        query=filters.query_string(),
        rows=min(catalogue.count, limit),
    )
    language = _language(request)
    lines = exporting.list_lines(_found(catalogue, kind, limit), kind, language, tier)
    return _answer(lines, kind, language, file_format, own=False)


def _found(catalogue: Catalogue, kind: str, limit: int) -> Iterator[Any]:
    """Yield what the list shows, in its order, page after page."""
    rows = MODELS[kind].objects.select_related("owner")
    after, left = "", limit
    while left > 0:
        page = catalogue.page(after=after, size=min(_PAGE, left), rows=rows)
        yield from page.rows
        left -= len(page.rows)
        after = page.after
        if not after or not page.rows:
            return


def _asks_too_often(request: UserRequest) -> bool:
    allowed = settings.EXPORTS_PER_MINUTE
    return too_often(request, "export", visitor=allowed, person=allowed)


def _format(request: UserRequest) -> str:
    asked = request.GET.get("format", "")
    return asked if asked in exporting.FORMATS else "xlsx"


def _language(request: UserRequest) -> str:
    asked = exporting.LANGUAGES.get(request.GET.get("headers", ""))
    return asked or get_language() or settings.LANGUAGE_CODE


def _plural(kind: str) -> str:
    return "demands" if kind == "demand" else "achievements"


def _answer(
    lines: Iterator[Any], kind: str, language: str, file_format: str, *, own: bool
) -> HttpResponseBase:
    # Nobody's name stands in it: a file is passed on.
    name = f"keqiao-{'my-' if own else ''}{_plural(kind)}-{timezone.localdate():%Y%m%d}"
    response: HttpResponseBase
    if file_format == "csv":
        response = StreamingHttpResponse(
            exporting.csv_blocks(lines), content_type=exporting.mime("csv")
        )
    else:
        columns = exporting.export_columns(kind, language, own=own)
        widths = [column.width for column in columns] + [18, 12]
        file = exporting.xlsx_file(lines, widths, _("Listings"))
        response = FileResponse(file, content_type=exporting.mime("xlsx"))
    response["Content-Disposition"] = f'attachment; filename="{name}.{file_format}"'
    response["X-Content-Type-Options"] = "nosniff"
    response["Cache-Control"] = "private, no-store"
    return response
