"""What somebody is told, for programs: the same texts as on the page, in the reader's language."""

from __future__ import annotations

from typing import Any

from django.http import Http404
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from drf_spectacular.types import OpenApiTypes
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import notices
from accounts.api.pages import AFTER, SIZE, newest_first, page_of
from accounts.api.permissions import SignedIn
from accounts.api.schema import Operation, query
from accounts.api.views import View
from accounts.inbox import Group, Notification
from accounts.notices import Shown

UNREAD = query(
    "unread", gettext_lazy("“true”: only what is not marked as read."), OpenApiTypes.BOOL
)
GROUP = query(
    "group",
    gettext_lazy("“todo”: what waits for you; “info”: the rest."),
    OpenApiTypes.STR,
    enum=Group.values,
)
KIND = query("kind", gettext_lazy("One kind alone, by its code."))
READ_AT_MOST = 500


class NotificationSerializer(serializers.Serializer[Shown]):
    """One thing that you are told."""

    id = serializers.IntegerField(source="row.pk")
    kind = serializers.CharField(source="row.kind", help_text=gettext_lazy("Its code."))
    group = serializers.SerializerMethodField()
    title = serializers.CharField(source="notice.title")
    text = serializers.CharField(
        source="notice.text", help_text=gettext_lazy("Who waits for what until when.")
    )
    url = serializers.SerializerMethodField(help_text=gettext_lazy("The page it leads to."))
    at = serializers.DateTimeField(source="row.visible_from")
    read_at = serializers.DateTimeField(source="row.read_at", allow_null=True)

    def get_group(self, shown: Shown) -> str:
        kind = notices.find_kind(shown.row.kind)
        assert kind is not None  # others are not listed
        return kind.group.value

    def get_url(self, shown: Shown) -> str:
        address: str = self.context["request"].build_absolute_uri(shown.notice.url)
        return address


class MarkReadSerializer(serializers.Serializer[Any]):
    """Which notifications to mark as read."""

    ids = serializers.ListField(
        child=serializers.IntegerField(min_value=1, max_value=2**63 - 1),
        required=False,
        max_length=READ_AT_MOST,
        help_text=gettext_lazy("Those of yours among them. Without it: every one."),
    )


class MarkedSerializer(serializers.Serializer[Any]):
    """What was marked."""

    marked = serializers.IntegerField(help_text=gettext_lazy("How many were unread."))
    unread = serializers.IntegerField(help_text=gettext_lazy("How many still are."))


class NotificationViewSet(View):
    """What one is told."""

    permission_classes = (SignedIn,)
    tag = "notification"
    operations = {
        "list": Operation(
            gettext_lazy("Notifications"),
            gettext_lazy("Your own, the last made first. What is no longer true is left out."),
            {200: page_of(NotificationSerializer)},
            parameters=(UNREAD, GROUP, KIND, SIZE, AFTER),
        ),
        "retrieve": Operation(
            gettext_lazy("One notification"),
            gettext_lazy("Reading it here does not mark it as read."),
            {200: NotificationSerializer},
        ),
        "mark": Operation(
            gettext_lazy("Mark notifications as read"),
            gettext_lazy("Some by their ids, or all of them."),
            {200: MarkedSerializer},
            request=MarkReadSerializer,
        ),
    }

    def _rows(self) -> Any:
        asked = self.request.query_params
        rows = notices.visible_to(self.user)
        errors: dict[str, list[str]] = {}
        if (unread := asked.get("unread", "")) not in ("", "true", "false"):
            errors["unread"] = [_("Please write true or false.")]
        elif unread == "true":
            rows = rows.filter(read_at=None)
        if group := asked.get("group", ""):
            if group not in Group.values:
                errors["group"] = [_("There is no such group.")]
            rows = rows.filter(
                kind__in=[kind.code for kind in notices.kinds() if kind.group == group]
            )
        if code := asked.get("kind", ""):
            if notices.find_kind(code) is None:
                errors["kind"] = [_("There is no such kind.")]
            rows = rows.filter(kind=code)
        if errors:
            raise serializers.ValidationError(errors)
        return rows

    def list(self, request: Request) -> Response:
        rows = self._rows()
        following: str | None = None

        def fetch() -> list[Notification]:
            nonlocal following
            found, following = newest_first(request, rows)
            return found

        shown = notices.read(self.user, fetch)
        return Response({"next": following, "results": self._answer(shown, many=True)})

    def retrieve(self, request: Request, pk: int) -> Response:
        row = notices.visible_to(self.user).filter(pk=pk).first()
        notice = notices.settle(self.user, [row]).get(row.pk) if row is not None else None
        if row is None or notice is None:
            raise Http404
        return Response(self._answer(Shown(row, notice)))

    def mark(self, request: Request) -> Response:
        asked = self.read(MarkReadSerializer)
        rows = notices.visible_to(self.user)
        if "ids" in asked:
            rows = rows.filter(pk__in=asked["ids"])
        marked = notices.mark_read(rows)
        return Response({"marked": marked, "unread": notices.unread_count(self.user)})

    def _answer(self, shown: Any, *, many: bool = False) -> Any:
        return NotificationSerializer(shown, many=many, context={"request": self.request}).data
