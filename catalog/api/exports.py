"""Lists as files, as the pages hand them out."""

from __future__ import annotations

from typing import Any, cast

from django.conf import settings
from django.http import HttpResponseBase
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from drf_spectacular.types import OpenApiTypes
from rest_framework import exceptions
from rest_framework.request import Request

from accounts.api.exceptions import Conflict
from accounts.api.permissions import SignedIn
from accounts.api.schema import Operation, query
from accounts.views.limits import WINDOW_SECONDS
from catalog.api.listings import FILTERS
from catalog.api.views import OfListing
from catalog.services.exporting import FORMATS, LANGUAGES, mime
from catalog.views import exports

_FORMAT = (
    query("format", gettext_lazy("“xlsx” unless “csv” is asked for."), enum=FORMATS),
    query("headers", gettext_lazy("The language of the headers."), enum=tuple(LANGUAGES)),
)
_TYPES = tuple(mime(name).partition(";")[0] for name in FORMATS)


class ExportViewSet(OfListing):
    """Lists as files."""

    permission_classes = (SignedIn,)
    downloads = ("export", "export_mine")
    operations = {
        "export": Operation(
            gettext_lazy("Export what was found"),
            gettext_lazy(
                "What the list shows under the same filters, as far as your tier goes and blind. "
                "That you took it out is noted."
            ),
            {200: OpenApiTypes.BINARY},
            parameters=(*FILTERS, *_FORMAT),
            media_types=_TYPES,
        ),
        "export_mine": Operation(
            gettext_lazy("Export listings of one's own"),
            gettext_lazy("What your organizations have written, as the import reads it."),
            {200: OpenApiTypes.BINARY},
            parameters=_FORMAT,
            media_types=_TYPES,
            problems=(409,),
        ),
    }

    def export(self, request: Request) -> HttpResponseBase:
        return _handed(exports.export_list(cast(Any, request._request), kind=self.kind))

    def export_mine(self, request: Request) -> HttpResponseBase:
        return _handed(exports.export_own(cast(Any, request._request), kind=self.kind))


def _handed(response: HttpResponseBase) -> HttpResponseBase:
    """Say as a program expects it what the page says in its own way."""
    if response.status_code == 429:
        raise exceptions.Throttled(wait=WINDOW_SECONDS)
    if response.status_code == 302:
        raise Conflict(
            _("As .xlsx at most %(limit)s listings go out. Use CSV.")
            % {"limit": f"{settings.EXPORT_MAX_ROWS:,}"}
        )
    return response


EXPORTS: dict[str, type[ExportViewSet]] = {
    kind: type(f"{kind.title()}ExportViewSet", (ExportViewSet,), {"kind": kind, "tag": kind})
    for kind in ("demand", "achievement")
}
