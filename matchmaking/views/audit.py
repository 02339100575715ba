"""The operators' trace: searched on a page, taken out as a file."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.paginator import Paginator
from django.http import HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from accounts.http import UserRequest
from accounts.models import AccessEvent
from accounts.trace import record_access
from accounts.views.limits import refuse, too_often
from catalog.services.exporting import csv_blocks, mime
from matchmaking import audit
from matchmaking.views.gates import require_operator

PAGE_SIZE = 50


@require_safe
def ops_audit(request: UserRequest) -> HttpResponse:
    """List who did, read and took out what, the latest first."""
    require_operator(request.user)
    filters = audit.Filters.read(request.GET)
    page = Paginator(audit.places(filters), PAGE_SIZE).get_page(request.GET.get("page"))
    context: dict[str, Any] = {
        "page": page,
        "lines": audit.lines(list(page)),
        "filters": filters,
        "kinds": [(code, source.label) for code, source in audit.SOURCES.items()],
        "export_limit": settings.TRACE_EXPORT_MAX_ROWS,
    }
    return render(request, "matchmaking/ops_audit.html", context)


@require_safe
def ops_audit_export(request: UserRequest) -> HttpResponseBase:
    """Hand the trace out as CSV, under the filters of the page. That is traced, too."""
    require_operator(request.user)
    allowed = settings.EXPORTS_PER_MINUTE
    if too_often(request, "export", visitor=allowed, person=allowed):
        return refuse(request)
    filters = audit.Filters.read(request.GET)
    record_access(
        actor=request.user,
        kind=AccessEvent.Kind.EXPORT,
        subject=AccessEvent.Subject.TRACE,
        note=filters.query(),
    )
    rows = audit.table(filters, settings.TRACE_EXPORT_MAX_ROWS)
    response = StreamingHttpResponse(csv_blocks(rows), content_type=mime("csv"))
    name = f"keqiao-trace-{timezone.localdate():%Y%m%d}.csv"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response["X-Content-Type-Options"] = "nosniff"
    response["Cache-Control"] = "private, no-store"
    return response
