"""The rows behind each number of the dashboard, and its tables, on a page and as files."""

from __future__ import annotations

from collections.abc import Iterator

from django.conf import settings
from django.core.paginator import Paginator
from django.http import Http404, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import get_language
from django.views.decorators.http import require_safe

from accounts.http import UserRequest
from accounts.models import AccessEvent
from accounts.trace import record_access
from accounts.views.limits import refuse, too_often
from catalog.services.exporting import Line, csv_blocks, in_language, mime
from matchmaking.services.insights import Scope
from matchmaking.services.insights.lists import LazyList, find
from matchmaking.services.insights.overview import insights
from matchmaking.services.insights.tables import TABLES, lines_of, table
from matchmaking.views.gates import require_operator

PAGE_SIZE = 50


@require_safe
def insight_rows(request: UserRequest, rows: str) -> HttpResponseBase:
    """List exactly the rows that a number of the dashboard counts, or hand them out as CSV."""
    require_operator(request.user)
    found = find(rows)
    if found is None:
        raise Http404
    scope = Scope.read(request.GET.dict())
    if request.GET.get("format") == "csv":
        if _asks_too_often(request):
            return refuse(request)
        lines = lines_of(LazyList(found, scope).in_blocks(settings.TRACE_EXPORT_MAX_ROWS))
        return _file(request, rows, scope, lines)
    page = Paginator(LazyList(found, scope), PAGE_SIZE).get_page(request.GET.get("page"))
    listed = list(page)
    context = {
        "page": page,
        "rows": listed,
        "label": found.label,
        "key": rows,
        "scope": scope,
        "has_clock": any(row.started for row in listed),
        "export_limit": settings.TRACE_EXPORT_MAX_ROWS,
    }
    return render(request, "matchmaking/insight_rows.html", context)


@require_safe
def insight_table(request: UserRequest, table_name: str) -> HttpResponseBase:
    """Hand one table of the dashboard out as CSV, as the page shows it."""
    require_operator(request.user)
    if table_name not in TABLES:
        raise Http404
    if _asks_too_often(request):
        return refuse(request)
    scope = Scope.read(request.GET.dict())
    return _file(request, table_name, scope, table(table_name, insights(scope)))


def _asks_too_often(request: UserRequest) -> bool:
    allowed = settings.EXPORTS_PER_MINUTE
    return too_often(request, "export", visitor=allowed, person=allowed)


def _file(request: UserRequest, name: str, scope: Scope, lines: Iterator[Line]) -> HttpResponseBase:
    """Answer with a file, which leaves its row in the trace."""
    record_access(
        actor=request.user,
        kind=AccessEvent.Kind.EXPORT,
        subject=AccessEvent.Subject.FIGURES,
        note=f"{name}?{scope.query()}",
    )
    spoken = in_language(lines, get_language() or settings.LANGUAGE_CODE)
    response = StreamingHttpResponse(csv_blocks(spoken), content_type=mime("csv"))
    file_name = f"keqiao-{name}-{timezone.localdate():%Y%m%d}.csv"
    response["Content-Disposition"] = f'attachment; filename="{file_name}"'
    response["X-Content-Type-Options"] = "nosniff"
    response["Cache-Control"] = "private, no-store"
    return response
