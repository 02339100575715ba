"""The files of a listing."""

from __future__ import annotations

from typing import Any, cast

from django.conf import settings
from django.core.exceptions import ValidationError
from django.http import Http404, HttpResponseBase
from django.urls import reverse
from django.utils.translation import gettext_lazy
from drf_spectacular.types import OpenApiTypes
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.exceptions import TooLarge
from accounts.api.schema import Operation
from accounts.files.inspecting import FileKind, too_large
from accounts.permissions import is_operator
from catalog.api.serializers import TIERS
from catalog.api.views import OfListing
from catalog.disclosure import TIER_NAMES
from catalog.file_forms import FileDetailsForm, FileForm
from catalog.files import files_for, label_of
from catalog.models import FILE_TITLE_LIMIT, Attachment, Listing
from catalog.permissions import belongs_to_owner
from catalog.services import attaching
from catalog.views.files import attachment_download


class FileSerializer(serializers.Serializer[Attachment]):
    """A file of a listing. Its own name often names its owner: only the own side reads it."""

    number = serializers.IntegerField()
    title = serializers.CharField()
    label = serializers.SerializerMethodField(  # type: ignore[assignment]
        help_text=gettext_lazy("What others call it.")
    )
    kind = serializers.ChoiceField(choices=FileKind.choices)
    size = serializers.IntegerField(help_text=gettext_lazy("In bytes."))
    readers = serializers.SerializerMethodField()
    added_at = serializers.DateTimeField()
    url = serializers.SerializerMethodField(help_text=gettext_lazy("Where it is downloaded."))
    waits = serializers.SerializerMethodField(
        help_text=gettext_lazy("For the check or the virus scan, before its readers get it.")
    )
    name = serializers.SerializerMethodField()
    joins_text = serializers.SerializerMethodField()
    text_state = serializers.SerializerMethodField()

    def get_label(self, attachment: Attachment) -> str:
        return label_of(attachment)

    def get_readers(self, attachment: Attachment) -> str:
        return attachment.audience.name.lower()

    def get_url(self, attachment: Attachment) -> str:
        listing: Listing = self.context["listing"]
        name = f"api_{listing.kind}_file_download"
        path = reverse(name, args=[listing.number, attachment.number])
        address: str = self.context["request"].build_absolute_uri(path)
        return address

    def get_waits(self, attachment: Attachment) -> bool:
        return attachment.is_held or attachment.waits_for_check

    def get_name(self, attachment: Attachment) -> str | None:
        return attachment.name if self.context["inside"] else None

    def get_joins_text(self, attachment: Attachment) -> bool | None:
        return attachment.joins_text if self.context["inside"] else None

    def get_text_state(self, attachment: Attachment) -> str | None:
        return attachment.text_state if self.context["inside"] else None


class FilesSerializer(serializers.Serializer[Any]):
    """The files that you get, and sentences about those that are for others."""

    results = FileSerializer(many=True)
    closed = serializers.ListField(child=serializers.CharField())


class FileDetailsSerializer(serializers.Serializer[Any]):
    """What others read of a file, who gets it, and whether its text is compared."""

    title = serializers.CharField(max_length=FILE_TITLE_LIMIT, required=False)
    readers = serializers.ChoiceField(choices=TIERS, required=False)
    joins_text = serializers.BooleanField(required=False)


class NewFileSerializer(serializers.Serializer[Any]):
    """A file with the title that others read."""

    file = serializers.FileField()
    title = serializers.CharField(max_length=FILE_TITLE_LIMIT)
    readers = serializers.ChoiceField(choices=TIERS, required=False)
    joins_text = serializers.BooleanField(required=False)


class FileViewSet(OfListing):
    """The files of a listing."""

    uploads = ("add",)
    downloads = ("download",)
    operations = {
        "files": Operation(
            gettext_lazy("Files"),
            gettext_lazy("The files of a listing that you get."),
            {200: FilesSerializer},
        ),
        "add": Operation(
            gettext_lazy("Attach a file"),
            gettext_lazy(
                "PDF, Word (DOCX) or a picture; its kind is checked by its content, and it is "
                "scanned for viruses. Sent as multipart/form-data."
            ),
            {201: FileSerializer},
            request=NewFileSerializer,
            problems=(404, 409),
        ),
        "change": Operation(
            gettext_lazy("Change what is said of a file"),
            gettext_lazy(
                "Another title, other readers, or whether its text is compared. For more readers "
                "it is checked again first."
            ),
            {200: FileSerializer},
            request=FileDetailsSerializer,
            problems=(404, 409),
        ),
        "remove": Operation(
            gettext_lazy("Take a file off"),
            gettext_lazy("The file is deleted; that it was there is remembered."),
            {204: None},
            problems=(404, 409),
        ),
        "download": Operation(
            gettext_lazy("Download a file"),
            gettext_lazy("The file itself. Who gets one that is not for everybody is noted."),
            {200: OpenApiTypes.BINARY},
            media_types=("application/octet-stream",),
            problems=(404,),
        ),
    }

    def files(self, request: Request, number: str) -> Response:
        listing = self.found(number)
        found = files_for(self.user, listing)
        rows = [line.attachment for line in found.lines]
        return Response({"results": self._rows(listing, rows, many=True), "closed": found.closed})

    def _rows(self, listing: Listing, rows: Any, *, many: bool = False) -> Any:
        inside = belongs_to_owner(self.user, listing) or is_operator(self.user)
        context = {"request": self.request, "listing": listing, "inside": inside}
        return FileSerializer(rows, many=many, context=context).data

    def add(self, request: Request, number: str) -> Response:
        listing = self.own(number)
        form = FileForm(_as_form(request.data), request.FILES, limit="")
        if "file" in request.META.get("TOO_LARGE", ()):
            raise TooLarge(too_large(settings.ATTACHMENT_BYTES))
        _raise(form)
        upload = form.cleaned_data.pop("file")
        try:
            added = attaching.attach(
                listing=listing,
                actor=self.user,
                upload=upload,
                name=upload.name,
                **form.cleaned_data,
            )
        except ValidationError as error:
            if hasattr(error, "error_dict"):
                raise
            raise serializers.ValidationError({"file": error.messages}) from None
        return Response(self._rows(listing, added), status=201)

    def change(self, request: Request, number: str, file: int) -> Response:
        listing = self.own(number)
        attachment = self._file(listing, file)
        data = self.read(FileDetailsSerializer)
        form = FileDetailsForm(
            {
                "title": data.get("title", attachment.title),
                "tier": TIER_NAMES[data["readers"]] if "readers" in data else attachment.tier,
                "joins_text": data.get("joins_text", attachment.joins_text),
            }
        )
        _raise(form)
        changed = attaching.change(attachment=attachment, actor=self.user, **form.cleaned_data)
        return Response(self._rows(listing, changed))

    def remove(self, request: Request, number: str, file: int) -> Response:
        listing = self.own(number)
        attaching.remove(attachment=self._file(listing, file), actor=self.user)
        return Response(status=204)

    def download(self, request: Request, number: str, file: int) -> HttpResponseBase:
        # By the page's own way to a file, whose gate opens to matches as well.
        rows = Attachment.objects.present().filter(number=file)
        prefix = self.kind
        found = next(
            (
                row
                for row in rows.filter(**{f"{prefix}_id": _key_of(number)})
                if row.listing.number == number and row.listing.kind == prefix
            ),
            None,
        )
        if found is None:
            raise Http404
        return attachment_download(cast(Any, request._request), pk=found.pk)

    def _file(self, listing: Listing, number: int) -> Attachment:
        rows = Attachment.objects.of(listing).present().select_related(f"{self.kind}__owner")
        found: Attachment | None = rows.filter(number=number).first()
        if found is None:
            raise Http404
        return found


def _key_of(number: str) -> int:
    digits = number.rpartition("-")[2]
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 19 else 0


def _as_form(data: Any) -> dict[str, Any]:
    """Return what a program sends under the names of the page's form."""
    values = {name: data.get(name) for name in ("title", "joins_text") if name in data}
    readers = str(data.get("readers", "managers"))
    return values | {"tier": TIER_NAMES.get(readers, readers)}


def _raise(form: Any) -> None:
    """Say what is wrong with a form, under the names of the API."""
    if not form.is_valid():
        errors = {
            "readers" if name == "tier" else name: list(texts)
            for name, texts in form.errors.items()
        }
        raise serializers.ValidationError(errors)


FILES: dict[str, type[FileViewSet]] = {
    kind: type(f"{kind.title()}FileViewSet", (FileViewSet,), {"kind": kind, "tag": kind})
    for kind in ("demand", "achievement")
}
