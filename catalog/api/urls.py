"""Addresses of the API, all under /api/v1/."""

from __future__ import annotations

from collections.abc import Mapping

from django.urls import URLPattern, path

from accounts.api.docs import docs, schema
from accounts.api.views import Me, Nothing
from catalog.api.listings import VIEWSETS


def _listings(kind: str, plural: str) -> list[URLPattern]:
    views = VIEWSETS[kind]

    def at(address: str, name: str, actions: Mapping[str, str]) -> URLPattern:
        return path(
            f"{plural}/{address}", views.as_view(dict(actions)), name=f"api_{kind}_{name}"
        )

    steps = ("submit", "withdraw", "close", "confirm", "decide")
    return [
        at("", "list", {"get": "list", "post": "create"}),
        at("facets/", "facets", {"get": "facets"}),
        at("mine/", "mine", {"get": "mine"}),
        at(
            "by-external-id/<str:external_id>/",
            "by_external_id",
            {"get": "by_external_id", "put": "put_by_external_id"},
        ),
        at(
            "<str:number>/",
            "detail",
            {"get": "retrieve", "put": "update", "patch": "partial_update"},
        ),
        *(at(f"<str:number>/{step}/", step, {"post": step}) for step in steps),
        at("<str:number>/events/", "events", {"get": "events"}),
    ]


urlpatterns = [
    path("schema/", schema, name="api_schema"),
    path("docs/", docs, name="api_docs"),
    path("me/", Me.as_view({"get": "retrieve"}), name="api_me"),
    *_listings("demand", "demands"),
    *_listings("achievement", "achievements"),
    # Whatever else is asked for here is answered as a program expects it.
    path("<path:address>", Nothing.as_view(), name="api_nothing"),
]
