"""Addresses of the API, all under /api/v1/."""

from __future__ import annotations

from typing import Any

from django.urls import URLPattern, path

from accounts.api.docs import docs, schema
from accounts.api.notifications import NotificationViewSet
from accounts.api.views import Me, Nothing
from catalog.api.assist import QUALITIES, ClassViewSet, IndicatorViewSet, QueueViewSet
from catalog.api.exports import EXPORTS
from catalog.api.files import FILES
from catalog.api.history import HISTORIES
from catalog.api.imports import ImportViewSet
from catalog.api.listings import VIEWSETS
from catalog.api.publication import PublicationViewSet
from catalog.api.searches import SearchViewSet


def _at(address: str, views: Any, name: str, **actions: str) -> URLPattern:
    found: URLPattern = path(address, views.as_view(actions), name=f"api_{name}")
    return found


def _listings(kind: str, plural: str) -> list[URLPattern]:
    rows, files, history, exports = VIEWSETS[kind], FILES[kind], HISTORIES[kind], EXPORTS[kind]
    one = f"{plural}/<str:number>"
    steps = ("submit", "withdraw", "close", "confirm", "clone", "appeal", "decide")
    return [
        _at(f"{plural}/", rows, f"{kind}_list", get="list", post="create"),
        _at(f"{plural}/facets/", rows, f"{kind}_facets", get="facets"),
        _at(f"{plural}/assess/", QUALITIES[kind], f"{kind}_assess", post="assess"),
        _at(f"{plural}/export/", exports, f"{kind}_export", get="export"),
        _at(f"{plural}/mine/", rows, f"{kind}_mine", get="mine"),
        _at(f"{plural}/mine/export/", exports, f"{kind}_export_mine", get="export_mine"),
        _at(
            f"{plural}/by-external-id/<str:external_id>/",
            rows,
            f"{kind}_by_external_id",
            get="by_external_id",
            put="put_by_external_id",
        ),
        _at(
            f"{one}/", rows, f"{kind}_detail", get="retrieve", put="update", patch="partial_update"
        ),
        *(_at(f"{one}/{step}/", rows, f"{kind}_{step}", post=step) for step in steps),
        _at(f"{one}/events/", history, f"{kind}_events", get="events"),
        _at(f"{one}/revisions/", history, f"{kind}_revisions", get="revisions"),
        _at(f"{one}/changes/", history, f"{kind}_changes", get="changes"),
        _at(f"{one}/files/", files, f"{kind}_files", get="files", post="add"),
        _at(f"{one}/files/<int:file>/", files, f"{kind}_file", patch="change", delete="remove"),
        _at(f"{one}/files/<int:file>/download/", files, f"{kind}_file_download", get="download"),
    ]


urlpatterns = [
    path("schema/", schema, name="api_schema"),
    path("docs/", docs, name="api_docs"),
    _at("me/", Me, "me", get="retrieve"),
    *_listings("demand", "demands"),
    *_listings("achievement", "achievements"),
    _at("queue/", QueueViewSet, "queue", get="list"),
    _at("publication-reviews/", PublicationViewSet, "publication_list", get="list"),
    _at("publication-reviews/<int:pk>/", PublicationViewSet, "publication", get="retrieve"),
    _at(
        "publication-reviews/<int:pk>/decide/",
        PublicationViewSet,
        "publication_decide",
        post="decide",
    ),
    _at("publication-reviews/<int:pk>/undo/", PublicationViewSet, "publication_undo", post="undo"),
    _at("classes/<str:scheme>/", ClassViewSet, "classes", get="search"),
    _at("classes/<str:scheme>/suggest/", ClassViewSet, "classes_suggest", post="suggest"),
    _at("indicators/find/", IndicatorViewSet, "indicators_find", post="find"),
    _at("imports/", ImportViewSet, "import_list", get="list", post="create"),
    _at(
        "imports/template/<str:kind>-<str:language>.<str:file_format>",
        ImportViewSet,
        "import_template",
        get="template",
    ),
    _at("imports/<int:pk>/", ImportViewSet, "import", get="retrieve"),
    _at("imports/<int:pk>/rows/", ImportViewSet, "import_rows", get="rows"),
    _at("imports/<int:pk>/confirm/", ImportViewSet, "import_confirm", post="confirm"),
    _at("imports/<int:pk>/cancel/", ImportViewSet, "import_cancel", post="cancel"),
    _at("imports/<int:pk>/report.<str:file_format>", ImportViewSet, "import_report", get="report"),
    _at("searches/", SearchViewSet, "search_list", get="list", post="create"),
    _at(
        "searches/<int:pk>/",
        SearchViewSet,
        "search",
        get="retrieve",
        patch="change",
        delete="remove",
    ),
    _at("notifications/", NotificationViewSet, "notification_list", get="list"),
    _at("notifications/read/", NotificationViewSet, "notifications_read", post="mark"),
    _at("notifications/<int:pk>/", NotificationViewSet, "notification", get="retrieve"),
    # Whatever else is asked for here is answered as a program expects it.
    path("<path:address>", Nothing.as_view(), name="api_nothing"),
]
