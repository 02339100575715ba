"""A reader's saved searches."""

from __future__ import annotations

from typing import Any

from django.http import Http404
from django.urls import reverse
from django.utils.translation import gettext_lazy
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.pages import AFTER, SIZE, newest_first, page_of
from accounts.api.permissions import SignedIn
from accounts.api.schema import Operation
from accounts.api.views import View
from catalog.api.fields import Line
from catalog.models import NAME_LIMIT, QUERY_STRING_LIMIT, Alert, ListKind, SavedSearch
from catalog.services import watching


class SavedSearchSerializer(serializers.Serializer[SavedSearch]):
    """Filters of a list, kept under a name."""

    id = serializers.IntegerField()
    kind = serializers.ChoiceField(choices=ListKind.choices)
    name = serializers.CharField()
    query = serializers.CharField(
        allow_blank=True, help_text=gettext_lazy("As the address of the list has it.")
    )
    url = serializers.SerializerMethodField(help_text=gettext_lazy("The list under the filters."))
    alert = serializers.ChoiceField(choices=Alert.choices)
    new_count = serializers.IntegerField()
    created_at = serializers.DateTimeField()

    def get_url(self, search: SavedSearch) -> str:
        query = f"?{search.query}" if search.query else ""
        path = f"{reverse(f'api_{search.kind}_list')}{query}"
        address: str = self.context["request"].build_absolute_uri(path)
        return address


class _Told(serializers.Serializer[Any]):
    name = Line(max_length=NAME_LIMIT)
    alert = serializers.ChoiceField(choices=Alert.choices, required=False)


class NewSearchSerializer(_Told):
    """Filters to keep."""

    kind = serializers.ChoiceField(choices=ListKind.choices)
    query = serializers.CharField(
        max_length=QUERY_STRING_LIMIT,
        required=False,
        allow_blank=True,
        help_text=gettext_lazy(
            "Such as “q=hardening&region=330000”; what no facet knows is dropped."
        ),
    )


class SearchChangeSerializer(_Told):
    """Another name, or another way to be told."""

    name = Line(max_length=NAME_LIMIT, required=False)


class SearchViewSet(View):
    """A reader's saved searches."""

    permission_classes = (SignedIn,)
    tag = "search"
    operations = {
        "list": Operation(
            gettext_lazy("Saved searches"),
            gettext_lazy("Your own, the last made first."),
            {200: page_of(SavedSearchSerializer)},
            parameters=(SIZE, AFTER),
        ),
        "create": Operation(
            gettext_lazy("Save a search"),
            gettext_lazy("The same filters saved again are the same search."),
            {201: SavedSearchSerializer},
            request=NewSearchSerializer,
        ),
        "retrieve": Operation(
            gettext_lazy("One saved search"),
            gettext_lazy("With the address of the list under its filters."),
            {200: SavedSearchSerializer},
        ),
        "change": Operation(
            gettext_lazy("Change a saved search"),
            gettext_lazy("Its name, or how you are told what is new."),
            {200: SavedSearchSerializer},
            request=SearchChangeSerializer,
        ),
        "remove": Operation(
            gettext_lazy("Delete a saved search"),
            gettext_lazy("Its alerts end with it."),
            {204: None},
        ),
    }

    def _answer(self, search: Any, *, many: bool = False) -> Any:
        return SavedSearchSerializer(search, many=many, context={"request": self.request}).data

    def _found(self, pk: int) -> SavedSearch:
        search = SavedSearch.objects.owned_by(self.user).filter(pk=pk).first()
        if search is None:
            raise Http404
        return search

    def list(self, request: Request) -> Response:
        shown, following = newest_first(request, SavedSearch.objects.owned_by(self.user))
        return Response({"next": following, "results": self._answer(shown, many=True)})

    def create(self, request: Request) -> Response:
        data = {"query": "", "alert": Alert.PAGE, **self.read(NewSearchSerializer)}
        return Response(self._answer(watching.save_search(user=self.user, **data)), status=201)

    def retrieve(self, request: Request, pk: int) -> Response:
        return Response(self._answer(self._found(pk)))

    def change(self, request: Request, pk: int) -> Response:
        search = self._found(pk)
        told = {"name": search.name, "alert": search.alert} | self.read(SearchChangeSerializer)
        return Response(self._answer(watching.change_search(search=search, **told)))

    def remove(self, request: Request, pk: int) -> Response:
        self._found(pk).delete()
        return Response(status=204)
