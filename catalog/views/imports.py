"""The import pages: template, upload, what the check found, confirm, report."""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path
from typing import Any, TypeVar

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.core.paginator import Page, Paginator
from django.db.models import Case, Q, When
from django.http import FileResponse, Http404, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.files.inspecting import too_large
from accounts.http import UserRequest
from accounts.models import Membership, User
from accounts.permissions import can_write_for, has_tie, writable_organizations
from catalog.import_forms import ConfirmImportForm, ImportForm
from catalog.models import ImportJob, ImportRow, ImportState, RowOutcome
from catalog.services import exporting, import_jobs
from catalog.services.reading import SUFFIXES
from catalog.services.unreadable import UnreadableFile
from catalog.views.gate import MODELS, WORDS
from catalog.workflow import IllegalMove

R = TypeVar("R", bound=HttpResponseBase)

ROWS_OF_A_PAGE = 50
JOBS_SHOWN = 20


def _get_job(request: UserRequest, pk: int) -> ImportJob:
    """Return a job of the reader's organizations. Every page of a job goes through here."""
    jobs = ImportJob.objects.visible_to(request.user).select_related("organization", "created_by")
    return get_object_or_404(jobs, pk=pk)


def _get_own(request: UserRequest, pk: int) -> ImportJob:
    """Return a job this user may act on. One they may only read is a 403."""
    job = _get_job(request, pk)
    if not (request.user.is_operator or can_write_for(request.user, job.organization_id)):
        raise PermissionDenied(_("Only owners and editors of the organization can do that."))
    return job


@require_http_methods(["GET", "HEAD", "POST"])
def import_new(request: UserRequest) -> HttpResponse:
    """Send a file. It is kept and checked in the background; nothing is stored yet."""
    user = request.user
    if not user.is_operator and not writable_organizations(user).exists():
        return _without_organization(request)
    if request.method != "POST":
        kind = request.GET.get("kind", "")
        return _upload(request, _form(request, initial={"kind": kind} if kind in MODELS else {}))
    form = _form(request, data=request.POST, files=request.FILES)
    if "file" in request.META.get("TOO_LARGE", ()):
        form.is_valid()
        form.errors.pop("file", None)
        form.add_error("file", too_large(settings.IMPORT_BYTES))
    if not form.is_valid():
        return _upload(request, form, status=422)
    try:
        job = start(request.user, form.cleaned_data)
    except UnreadableFile as exc:
        form.add_error("file", str(exc))
        return _upload(request, form, status=422)
    except ValidationError as exc:
        form.add_error(None, exc)
        return _upload(request, form, status=422)
    return redirect(job)


def start(user: User, data: dict[str, Any]) -> ImportJob:
    """Start a job with what its form holds. Raises `UnreadableFile` or `ValidationError`."""
    organization, upload = data["organization"], data["file"]
    publish = data["then"] == "publish"
    if publish and has_tie(user, [organization.pk]):
        raise ValidationError(_("Nobody publishes for an organization they have a tie to."))
    suffix = Path(upload.name or "").suffix.lower()[:10]
    with tempfile.NamedTemporaryFile(prefix="keqiao-upload-", suffix=suffix) as local:
        for block in upload.chunks():
            local.write(block)
        local.flush()
        return import_jobs.start_import(
            organization=organization,
            actor=user,
            kind=data["kind"],
            path=Path(local.name),
            file_name=upload.name or "",
            submit=data["then"] == "submit",
            publish=publish,
        )


def _form(request: UserRequest, **kwargs: Any) -> ImportForm:
    limits = _("%(kinds)s, at most %(size)d MB and %(rows)s rows.") % {
        "kinds": ", ".join(suffix for suffix in SUFFIXES if suffix != ".txt"),
        "size": settings.IMPORT_BYTES // 2**20,
        "rows": f"{settings.IMPORT_MAX_ROWS:,}",
    }
    return ImportForm(user=request.user, limits=limits, **kwargs)


def _upload(request: UserRequest, form: ImportForm, status: int = 200) -> HttpResponse:
    jobs = ImportJob.objects.visible_to(request.user).select_related("organization")
    context = {
        "form": form,
        "jobs": jobs[:JOBS_SHOWN],
        "words": WORDS,
        "templates": [
            (kind, words.many, [("zh", _("Chinese headers")), ("en", _("English headers"))])
            for kind, words in WORDS.items()
        ],
        "formats": exporting.FORMATS,
        "keep_days": settings.IMPORT_KEEP_DAYS,
    }
    return render(request, "catalog/import_new.html", context, status=status)


def _without_organization(request: UserRequest) -> HttpResponse:
    if Membership.objects.active().filter(user=request.user).exists():
        raise PermissionDenied(
            _("Your role in your organization is to read. Ask its owner to let you write.")
        )
    messages.info(
        request, _("A listing belongs to an organization. Register yours, or ask to join it.")
    )
    return redirect("organization")


@require_safe
def import_template(
    request: UserRequest, kind: str, language: str, file_format: str
) -> HttpResponse:
    """Hand out the file to fill in."""
    if (
        kind not in MODELS
        or language not in exporting.LANGUAGES
        or file_format not in exporting.FORMATS
    ):
        raise Http404
    data = exporting.template(kind, exporting.LANGUAGES[language], file_format)
    return _as_download(
        HttpResponse(data, content_type=exporting.mime(file_format)),
        f"keqiao-{kind}-{language}.{file_format}",
    )


def _as_download(response: R, name: str) -> R:
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response["X-Content-Type-Options"] = "nosniff"
    response["Cache-Control"] = "private, no-store"
    return response


@require_safe
def import_job(request: UserRequest, pk: int) -> HttpResponse:
    """Show how far a job is and what it found. htmx asks for the same every two seconds."""
    job = _get_job(request, pk)
    return _show(request, job, ConfirmImportForm(job=job))


@require_POST
def import_confirm(request: UserRequest, pk: int) -> HttpResponse:
    """Have the checked rows stored."""
    job = _get_own(request, pk)
    form = ConfirmImportForm(request.POST, job=job)
    if not form.is_valid():
        return _show(request, job, form, status=422)
    try:
        import_jobs.confirm_import(job=job, scope=form.cleaned_data["scope"])
    except ValidationError as exc:
        form.add_error(None, exc)
        return _show(request, job, form, status=422)
    except IllegalMove as exc:
        return _show(request, _get_own(request, pk), form, problem=str(exc), status=409)
    return redirect(job)


@require_POST
def import_cancel(request: UserRequest, pk: int) -> HttpResponse:
    """Stop a job."""
    job = _get_own(request, pk)
    try:
        import_jobs.cancel_import(job=job)
    except IllegalMove as exc:
        form = ConfirmImportForm(job=job)
        return _show(request, _get_own(request, pk), form, problem=str(exc), status=409)
    messages.success(request, _("Cancelled."))
    return redirect(job)


def _show(
    request: UserRequest,
    job: ImportJob,
    form: ConfirmImportForm,
    *,
    problem: str = "",
    status: int = 200,
) -> HttpResponse:
    column = request.GET.get("column", "")
    context = {
        "job": job,
        "form": form,
        "problem": problem,
        "words": WORDS[job.kind],
        "my_url": f"my_{'demands' if job.kind == 'demand' else 'achievements'}",
        "may_act": request.user.is_operator or can_write_for(request.user, job.organization_id),
        "waits": _waits(job),
        "formats": exporting.FORMATS,
        "keep_days": settings.IMPORT_KEEP_DAYS,
        "all_rows": settings.IMPORT_MAX_ROWS,
    }
    if not job.is_running and job.file:
        columns = _columns_with_errors(job)
        known = {name for name, _count in columns}
        context |= {
            "columns": columns,
            "column": column if column in known else "",
            "page": _rows(job, column if column in known else None, request.GET.get("page", "1")),
        }
    template = "catalog/import_job.html"
    if request.htmx:
        template += "#job"
    return render(request, template, context, status=status)


def _waits(job: ImportJob) -> bool:
    """Say whether another import of the organization goes first."""
    if job.token or not job.is_running:
        return False
    others = ImportJob.objects.filter(organization=job.organization_id).exclude(token="")
    running = (ImportState.CHECKING, ImportState.STORING)
    return others.filter(state__in=running).exclude(pk=job.pk).exists()


def _flawed(job: ImportJob) -> Any:
    return (
        ImportRow.objects.filter(job=job)
        .filter(Q(outcome=RowOutcome.WRONG) | ~Q(notes=[]))
        .defer("content")
        # What stops a row before what is only noted.
        .order_by(Case(When(outcome=RowOutcome.WRONG, then=0), default=1), "number")
    )


def _columns_with_errors(job: ImportJob) -> list[tuple[str, int]]:
    """Return the columns in which something is wrong or noted, the worst first."""
    counts: Counter[str] = Counter()
    for problems, notes in _flawed(job).values_list("problems", "notes"):
        counts.update({column for column, _value, _problem in (*problems, *notes)})
    return counts.most_common(60)


def _rows(job: ImportJob, column: str | None, asked: str) -> Page[Any]:
    rows = _flawed(job)
    if column is not None:
        rows = rows.filter(Q(problems__contains=[[column]]) | Q(notes__contains=[[column]]))
    paginator = Paginator(rows, ROWS_OF_A_PAGE)
    number = int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 10 else 1
    return paginator.page(min(max(number, 1), paginator.num_pages))


@require_safe
def import_report(request: UserRequest, pk: int, file_format: str) -> HttpResponseBase:
    """Hand out what happened to every row."""
    job = _get_job(request, pk)
    if file_format not in exporting.FORMATS or job.is_running or not job.file:
        raise Http404
    model: Any = MODELS[job.kind]
    created = dict(
        model.objects.filter(
            pk__in=ImportRow.objects.filter(job=job, is_stored=True).values("listing")
        ).values_list("pk", "created_at")
    )

    def number_of(listing: int) -> str:
        found = created.get(listing)
        return str(model(pk=listing, created_at=found).number) if found else ""

    language = get_language() or settings.LANGUAGE_CODE
    lines = exporting.in_language(exporting.report_lines(job, number_of), language)
    name = f"keqiao-import-{job.pk}.{file_format}"
    if file_format == "csv":
        stream = StreamingHttpResponse(
            exporting.csv_blocks(lines), content_type=exporting.mime("csv")
        )
        return _as_download(stream, name)
    file = exporting.xlsx_file(lines, exporting.REPORT_WIDTHS, _("Report"))
    return _as_download(FileResponse(file, content_type=exporting.mime("xlsx")), name)
