"""Import jobs: a file is sent, checked in the background, and stored when somebody says so."""

from __future__ import annotations

from typing import Any, cast

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponseBase
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.exceptions import TooLarge
from accounts.api.pages import AFTER, SIZE, address, newest_first, page_of, page_size
from accounts.api.permissions import SignedIn
from accounts.api.problems import explain
from accounts.api.schema import Operation, query
from accounts.api.views import View
from accounts.files.inspecting import too_large
from accounts.permissions import can_write_for, writable_organizations
from catalog.import_forms import ImportForm
from catalog.models import ImportJob, ImportRow, ImportScope, ImportState, ListKind, RowOutcome
from catalog.services import exporting, import_jobs
from catalog.services.unreadable import UnreadableFile
from catalog.views import imports

explain(UnreadableFile, lambda error: serializers.ValidationError({"file": [str(error)]}))

_TYPES = tuple(exporting.mime(name).partition(";")[0] for name in exporting.FORMATS)


class ImportJobSerializer(serializers.ModelSerializer[ImportJob]):
    """An import job. `total` and `done` count the rows of its present state."""

    kind = serializers.ChoiceField(choices=ListKind.choices)
    state = serializers.ChoiceField(choices=ImportState.choices)
    state_label = serializers.CharField(source="get_state_display")
    scope = serializers.ChoiceField(choices=ImportScope.choices, allow_blank=True)
    unknown_columns = serializers.ListField(child=serializers.CharField())

    class Meta:
        model = ImportJob
        fields = (
            *("id", "kind", "organization", "file_name", "size", "submit", "publish"),
            *("state", "state_label", "problem", "scope", "total", "done"),
            *("new", "changed", "same", "wrong", "noted", "unknown_columns"),
            *("created_at", "confirmed_at", "finished_at"),
        )
        read_only_fields = fields


class CellSerializer(serializers.Serializer[Any]):
    """What is wrong with a cell, and what to do."""

    column = serializers.CharField(allow_blank=True)
    value = serializers.CharField(allow_blank=True)
    problem = serializers.CharField()


class ImportRowSerializer(serializers.Serializer[ImportRow]):
    """One row of the file and what becomes of it."""

    number = serializers.IntegerField(help_text=gettext_lazy("As a spreadsheet counts."))
    external_id = serializers.CharField(allow_blank=True)
    title = serializers.CharField(allow_blank=True)
    outcome = serializers.ChoiceField(choices=RowOutcome.choices)
    is_stored = serializers.BooleanField()
    problems = serializers.SerializerMethodField(help_text=gettext_lazy("They stop the row."))
    notes = serializers.SerializerMethodField(help_text=gettext_lazy("They don't stop it."))

    @extend_schema_field(CellSerializer(many=True))
    def get_problems(self, row: ImportRow) -> Any:
        return _cells(row.problems)

    @extend_schema_field(CellSerializer(many=True))
    def get_notes(self, row: ImportRow) -> Any:
        return _cells(row.notes)


def _cells(found: list[list[str]]) -> Any:
    return [
        {"column": column, "value": value, "problem": problem} for column, value, problem in found
    ]


class NewImportSerializer(serializers.Serializer[Any]):
    """A file for one of the lists of one organization."""

    file = serializers.FileField(help_text=gettext_lazy(".xlsx, .csv or .tsv"))
    kind = serializers.ChoiceField(choices=ListKind.choices)
    organization = serializers.IntegerField(
        required=False, help_text=gettext_lazy("Needed if you write for several.")
    )
    credit_code = serializers.CharField(
        required=False, help_text=gettext_lazy("In its place, for operators.")
    )
    then = serializers.ChoiceField(
        choices=[("draft", "draft"), ("submit", "submit"), ("publish", "publish")],
        required=False,
        help_text=gettext_lazy("What becomes of the good rows; “publish” is for operators."),
    )


class ConfirmImportSerializer(serializers.Serializer[Any]):
    """Which rows are to be stored."""

    scope = serializers.ChoiceField(choices=ImportScope.choices)


class ImportViewSet(View):
    """Import jobs of one's organizations."""

    permission_classes = (SignedIn,)
    tag = "import"
    uploads = ("create",)
    downloads = ("report", "template")
    operations = {
        "list": Operation(
            gettext_lazy("Import jobs"),
            gettext_lazy("The jobs of your organizations, the last first."),
            {200: page_of(ImportJobSerializer)},
            parameters=(SIZE, AFTER),
        ),
        "create": Operation(
            gettext_lazy("Send a file"),
            gettext_lazy(
                "Keeps a file and has it checked in the background: nothing is stored before it is "
                "confirmed. Ask for the job until its state is “checked”. Sent as "
                "multipart/form-data."
            ),
            {201: ImportJobSerializer},
            request=NewImportSerializer,
        ),
        "retrieve": Operation(
            gettext_lazy("State of a job"),
            gettext_lazy("How far it is, and how many rows are good."),
            {200: ImportJobSerializer},
        ),
        "rows": Operation(
            gettext_lazy("Rows of a job"),
            gettext_lazy("What becomes of each row, and every error by row and column."),
            {200: page_of(ImportRowSerializer)},
            parameters=(
                query("outcome", gettext_lazy("Only these."), enum=RowOutcome.values),
                SIZE,
                AFTER,
            ),
        ),
        "confirm": Operation(
            gettext_lazy("Store what was checked"),
            gettext_lazy("All rows, or the good ones where some are wrong."),
            {200: ImportJobSerializer},
            request=ConfirmImportSerializer,
            problems=(409,),
        ),
        "cancel": Operation(
            gettext_lazy("Cancel a job"),
            gettext_lazy("What it has stored so far stays."),
            {200: ImportJobSerializer},
            problems=(409,),
        ),
        "report": Operation(
            gettext_lazy("Report of a job"),
            gettext_lazy("What happened to every row, as a file."),
            {200: OpenApiTypes.BINARY},
            media_types=_TYPES,
        ),
        "template": Operation(
            gettext_lazy("Template"),
            gettext_lazy("The file to fill in, with one example."),
            {200: OpenApiTypes.BINARY},
            media_types=_TYPES,
        ),
    }

    def list(self, request: Request) -> Response:
        shown, following = newest_first(request, ImportJob.objects.visible_to(self.user))
        rows = ImportJobSerializer(shown, many=True).data
        return Response({"next": following, "results": rows})

    def create(self, request: Request) -> Response:
        sent: Any = request.data
        data = sent.dict() | {"then": sent.get("then", "draft")}
        own = writable_organizations(self.user)
        if not self.user.is_operator:
            if "organization" not in data and own.count() == 1:
                data["organization"] = own.values_list("pk", flat=True).get()
            if not own.exists():
                raise PermissionDenied(_("You write for no organization."))
        form = ImportForm(data, request.FILES, user=self.user, limits="")
        if "file" in request.META.get("TOO_LARGE", ()):
            raise TooLarge(too_large(settings.IMPORT_BYTES))
        if not form.is_valid():
            raise serializers.ValidationError(
                {name: [str(text) for text in texts] for name, texts in form.errors.items()}
            )
        job = imports.start(self.user, form.cleaned_data)
        return Response(ImportJobSerializer(job).data, status=201)

    def _found(self, pk: int) -> ImportJob:
        rows = ImportJob.objects.visible_to(self.user).select_related("organization")
        job = rows.filter(pk=pk).first()
        if job is None:
            raise Http404
        return job

    def _own(self, pk: int) -> ImportJob:
        job = self._found(pk)
        if not (self.user.is_operator or can_write_for(self.user, job.organization_id)):
            raise PermissionDenied(_("Only owners and editors of the organization can do that."))
        return job

    def retrieve(self, request: Request, pk: int) -> Response:
        return Response(ImportJobSerializer(self._found(pk)).data)

    def rows(self, request: Request, pk: int) -> Response:
        rows = ImportRow.objects.filter(job=self._found(pk)).defer("content").order_by("number")
        outcome, after = (request.query_params.get(name, "") for name in ("outcome", "after"))
        if outcome:
            if outcome not in RowOutcome.values:
                raise serializers.ValidationError({"outcome": [_("There is no such outcome.")]})
            rows = rows.filter(outcome=outcome)
        if after:
            if not (after.isascii() and after.isdigit() and len(after) < 10):
                raise serializers.ValidationError({"after": [_("This cursor is none of ours.")]})
            rows = rows.filter(number__gt=int(after))
        size = page_size(request)
        found = list(rows[: size + 1])
        more = len(found) > size
        following = address(request, after=str(found[size - 1].number)) if more else None
        shown = ImportRowSerializer(cast(Any, found[:size]), many=True).data
        return Response({"next": following, "results": shown})

    def confirm(self, request: Request, pk: int) -> Response:
        job = self._own(pk)
        data = self.read(ConfirmImportSerializer)
        return Response(ImportJobSerializer(import_jobs.confirm_import(job=job, **data)).data)

    def cancel(self, request: Request, pk: int) -> Response:
        job = import_jobs.cancel_import(job=self._own(pk))
        return Response(ImportJobSerializer(job).data)

    def report(self, request: Request, pk: int, file_format: str) -> HttpResponseBase:
        return imports.import_report(cast(Any, request._request), pk=pk, file_format=file_format)

    def template(
        self, request: Request, kind: str, language: str, file_format: str
    ) -> HttpResponseBase:
        return imports.import_template(
            cast(Any, request._request), kind=kind, language=language, file_format=file_format
        )
