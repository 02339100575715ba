"""What helps to write a listing: classes to choose from, and what waits for a reviewer."""

from __future__ import annotations

from typing import Any, cast

from django.core.exceptions import PermissionDenied
from django.http import Http404
from django.utils.translation import get_language, gettext_lazy
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema_field
from rest_framework import exceptions, serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.pages import SIZE, page_size
from accounts.api.permissions import SignedIn, SignedInAsks
from accounts.api.schema import Operation, query
from accounts.api.views import View
from accounts.views.limits import WINDOW_SECONDS, too_often
from catalog.api.fields import IndicatorSerializer
from catalog.api.serializers import CONTENT
from catalog.checking import load, waiting
from catalog.classes import (
    QUERY_LIMIT,
    TEXT_LIMIT,
    Entry,
    Scheme,
    class_path,
    search_classes,
    suggest_classes,
)
from catalog.finding import Found, find_indicators
from catalog.models import BODY_LIMIT, ListKind
from catalog.permissions import may_review_listings
from catalog.quality import assess
from catalog.services import publishing
from catalog.views.assist import SEARCHES
from catalog.views.gate import MODELS

SUGGESTIONS_AT_MOST = 10


class ClassSerializer(serializers.Serializer[Any]):
    """A class; `path` names what holds it."""

    code = serializers.CharField()
    name = serializers.CharField()
    path = serializers.CharField(allow_blank=True)


class ClassesSerializer(serializers.Serializer[Any]):
    """Classes, the best first."""

    results = ClassSerializer(many=True)


class PassageSerializer(serializers.Serializer[Any]):
    """What a listing says, its title in the first line."""

    text = serializers.CharField(max_length=TEXT_LIMIT)


class ClassViewSet(View):
    """The three classifications."""

    permission_classes = (SignedInAsks,)
    tag = "class"
    operations = {
        "search": Operation(
            gettext_lazy("Find classes"),
            gettext_lazy(
                "By code or words in Chinese or English. The scheme is “industry” (GB/T 4754), "
                "“ipc” or “emerging” (strategic emerging industries)."
            ),
            {200: ClassesSerializer},
            parameters=(query("q", gettext_lazy("A code or words."), required=True),),
        ),
        "suggest": Operation(
            gettext_lazy("Suggest classes for a text"),
            gettext_lazy("Those that a listing's text speaks of. Nothing is stored."),
            {200: ClassesSerializer},
            request=PassageSerializer,
        ),
    }

    def search(self, request: Request, scheme: str) -> Response:
        self._check(request, scheme)
        words = request.query_params.get("q", "")[: QUERY_LIMIT + 1]
        return _classes(scheme, search_classes(scheme, words))

    def suggest(self, request: Request, scheme: str) -> Response:
        self._check(request, scheme)
        text = self.read(PassageSerializer)["text"]
        return _classes(scheme, suggest_classes(text, scheme, SUGGESTIONS_AT_MOST))

    def _check(self, request: Request, scheme: str) -> None:
        if scheme not in Scheme.values:
            raise Http404
        if too_often(cast(Any, request), "classes", visitor=0, person=SEARCHES):
            raise exceptions.Throttled(wait=WINDOW_SECONDS)


def _classes(scheme: str, found: list[Entry]) -> Response:
    language = get_language() or "zh"
    return Response(
        {
            "results": [
                {
                    "code": entry.code,
                    "name": entry.name(language),
                    "path": class_path(scheme, entry.code, language),
                }
                for entry in found
            ]
        }
    )


class WaitingSerializer(serializers.Serializer[Any]):
    """A submitted listing that you may decide on."""

    kind = serializers.ChoiceField(choices=ListKind.choices)
    number = serializers.CharField()
    title = serializers.CharField()
    version = serializers.IntegerField()
    submitted_at = serializers.DateTimeField()


class QueueSerializer(serializers.Serializer[Any]):
    """What waits for a decision, the longest first."""

    count = serializers.IntegerField()
    results = WaitingSerializer(many=True)


class QueueViewSet(View):
    """Submitted listings that wait for the reader's decision."""

    permission_classes = (SignedIn,)
    tag = "queue"
    operations = {
        "list": Operation(
            gettext_lazy("Listings to check"),
            gettext_lazy(
                "For certified technology managers and operators: what was submitted by others, "
                "the longest waiting first. Decide, then ask again."
            ),
            {200: QueueSerializer},
            parameters=(SIZE,),
        )
    }

    def list(self, request: Request) -> Response:
        if not may_review_listings(self.user):
            raise PermissionDenied(
                _("This page is open to certified technology managers and operators only.")
            )
        rows = waiting(self.user)
        found = load(rows[: page_size(request)])
        body = {"count": rows.count(), "results": [row.listing for row in found]}
        return Response(QueueSerializer(body).data)


class FoundIndicatorSerializer(serializers.Serializer[Any]):
    """An indicator that a text states, and where."""

    indicator = serializers.SerializerMethodField()
    start = serializers.IntegerField()
    end = serializers.IntegerField()
    sentence = serializers.CharField()
    likely = serializers.BooleanField()

    @extend_schema_field(IndicatorSerializer)
    def get_indicator(self, found: Found) -> Any:
        return found.indicator.to_json()


class FoundIndicatorsSerializer(serializers.Serializer[Any]):
    """Indicators in the order of the text."""

    results = FoundIndicatorSerializer(many=True)


class LongPassageSerializer(serializers.Serializer[Any]):
    """The description of a listing."""

    text = serializers.CharField(max_length=BODY_LIMIT)


class IndicatorViewSet(View):
    """Indicators in a text."""

    permission_classes = (SignedInAsks,)
    tag = "indicator"
    operations = {
        "find": Operation(
            gettext_lazy("Find indicators in a text"),
            gettext_lazy("Proposes rows with name, relation, value and unit. Nothing is stored."),
            {200: FoundIndicatorsSerializer},
            request=LongPassageSerializer,
        )
    }

    def find(self, request: Request) -> Response:
        found = find_indicators(self.read(LongPassageSerializer)["text"])
        return Response(FoundIndicatorsSerializer({"results": found}).data)


class AdviceSerializer(serializers.Serializer[Any]):
    """What would make it better, and by how many points."""

    field = serializers.CharField()
    text = serializers.CharField()
    gain = serializers.IntegerField()


class QualitySerializer(serializers.Serializer[Any]):
    """How good a listing is, of 100."""

    score = serializers.IntegerField()
    parts = serializers.DictField(child=serializers.IntegerField())
    advice = AdviceSerializer(many=True)


class QualityViewSet(View):
    """The quality of a content."""

    permission_classes = (SignedInAsks,)
    kind = ""
    operations = {
        "assess": Operation(
            gettext_lazy("Assess a content"),
            gettext_lazy(
                "The score that a listing with this content would have, and what to improve. "
                "Nothing is stored."
            ),
            {200: QualitySerializer},
            request=CONTENT,
        )
    }

    def assess(self, request: Request) -> Response:
        listing = MODELS[self.kind]()
        publishing.write_content(listing, self.read(CONTENT[self.kind]))
        return Response(QualitySerializer(assess(listing)).data)


QUALITIES: dict[str, type[QualityViewSet]] = {
    kind: type(f"{kind.title()}QualityViewSet", (QualityViewSet,), {"kind": kind, "tag": kind})
    for kind in ("demand", "achievement")
}
