"""The checks of submitted listings: one's desk, one check, its decision and its undo."""

from __future__ import annotations

import datetime as dt
from typing import Any, cast

from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from drf_spectacular.utils import extend_schema_field
from rest_framework import exceptions, serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.pages import AFTER, SIZE, address, page_of, page_size
from accounts.api.permissions import SignedIn
from accounts.api.schema import Operation, query
from accounts.api.views import View
from accounts.conflicts import ties
from catalog.api.steps import DecisionSerializer
from catalog.checking import LABELS, Filters, waiting
from catalog.models import ListKind, PublicationReview
from catalog.permissions import may_review_listings
from catalog.services import deciding
from catalog.workflow import IllegalMove, ListingDecision, PublicationStatus

DECIDED = "decided"


class PublicationSerializer(serializers.Serializer[PublicationReview]):
    """The check of one version of a listing."""

    id = serializers.IntegerField()
    kind = serializers.ChoiceField(choices=ListKind.choices)
    number = serializers.CharField(source="listing.number")
    title = serializers.SerializerMethodField(
        help_text=gettext_lazy("Of an open check; null once it is over.")
    )
    version = serializers.IntegerField()
    status = serializers.ChoiceField(choices=PublicationStatus.choices)
    mine = serializers.SerializerMethodField(
        help_text=gettext_lazy("You are the one who answers for it.")
    )
    due_on = serializers.DateField()
    again = serializers.BooleanField(help_text=gettext_lazy("Its owner has answered questions."))
    appeal = serializers.CharField(
        help_text=gettext_lazy("What its owner says against a rejection, else empty.")
    )
    escalated = serializers.SerializerMethodField(
        help_text=gettext_lazy("It waits for an operator.")
    )
    decision = serializers.ChoiceField(choices=ListingDecision.choices, allow_blank=True)
    reason = serializers.CharField()
    note = serializers.CharField()
    questions = serializers.DictField(child=serializers.CharField())
    criteria = serializers.DictField(child=serializers.IntegerField())
    decided_at = serializers.DateTimeField(source="closed_at", allow_null=True)
    undo_until = serializers.SerializerMethodField(
        help_text=gettext_lazy("Until when you can undo it, else null.")
    )

    def to_representation(self, instance: PublicationReview) -> dict[str, Any]:
        """Leave out what somebody else has said of the listing; operators read that."""
        data = super().to_representation(instance)
        if not (self._reader.is_operator or instance.decided_by_id == self._reader.pk):
            data |= {"decision": "", "reason": "", "note": "", "questions": {}, "criteria": {}}
        return data

    @property
    def _reader(self) -> Any:
        return self.context["user"]

    @extend_schema_field(serializers.CharField(allow_null=True))
    def get_title(self, row: PublicationReview) -> str | None:
        return row.listing.title if row.is_open else None

    def get_mine(self, row: PublicationReview) -> bool:
        return bool(row.manager_id == self._reader.pk)

    def get_escalated(self, row: PublicationReview) -> bool:
        return row.escalated_at is not None

    def get_undo_until(self, row: PublicationReview) -> dt.datetime | None:
        if row.decided_by_id != self._reader.pk or deciding.why_final(row, row.listing):
            return None
        return deciding.undo_until(row)


class PublicationViewSet(View):
    """Checks of submitted listings."""

    permission_classes = (SignedIn,)
    tag = "publication"
    operations = {
        "list": Operation(
            gettext_lazy("Checks of listings"),
            gettext_lazy(
                "For certified technology managers and operators: the open checks that you may "
                "decide, the most urgent first; or those that you have decided."
            ),
            {200: page_of(PublicationSerializer)},
            parameters=(
                query("show", gettext_lazy("Which ones."), enum=[*LABELS, DECIDED]),
                query("kind", gettext_lazy("Of one list only."), enum=ListKind.values),
                SIZE,
                AFTER,
            ),
        ),
        "retrieve": Operation(
            gettext_lazy("Read one check"),
            gettext_lazy("One that you may decide or have decided; operators read all others."),
            {200: PublicationSerializer},
            problems=(404,),
        ),
        "decide": Operation(
            gettext_lazy("Decide a check"),
            gettext_lazy(
                "Publish the listing, ask for more with questions at fields of its form, or reject "
                "it. It can be undone for ten minutes; its owner is told after that."
            ),
            {200: PublicationSerializer},
            request=DecisionSerializer,
            problems=(404, 409),
        ),
        "undo": Operation(
            gettext_lazy("Undo your decision"),
            gettext_lazy("Within ten minutes, while nobody has acted on it."),
            {200: PublicationSerializer},
            problems=(404, 409),
        ),
    }

    def list(self, request: Request) -> Response:
        self._only_reviewers()
        rows = self._asked_for(request).order_by("due_on", "pk")
        size = page_size(request)
        if after := request.query_params.get("after", ""):
            day, pk = _cursor(after)
            rows = rows.filter(Q(due_on__gt=day) | Q(due_on=day, pk__gt=pk))
        found = list(rows.select_related("demand", "achievement")[: size + 1])
        shown = found[:size]
        following = f"{shown[-1].due_on}.{shown[-1].pk}" if len(found) > size else ""
        return Response({"next": address(request, after=following), "results": self._told(shown)})

    def retrieve(self, request: Request, pk: int) -> Response:
        return Response(self._told([self._found(pk)])[0])

    def decide(self, request: Request, pk: int) -> Response:
        row = self._found(pk)
        data = self.read(DecisionSerializer)
        if not row.is_open:
            raise IllegalMove(_("This check is over: it is “%s”.") % row.get_status_display())
        deciding.decide(listing=row.listing, actor=self.user, **data)
        return self.retrieve(request, pk)

    def undo(self, request: Request, pk: int) -> Response:
        deciding.undo(publication=self._found(pk), actor=self.user)
        return self.retrieve(request, pk)

    def _only_reviewers(self) -> None:
        if not may_review_listings(self.user):
            raise PermissionDenied(
                _("This page is open to certified technology managers and operators only.")
            )

    def _asked_for(self, request: Request) -> QuerySet[PublicationReview]:
        parameters = request.query_params
        show, kind = parameters.get("show", "all"), parameters.get("kind", "")
        if show not in (*LABELS, DECIDED):
            raise serializers.ValidationError({"show": [_("There is no such choice.")]})
        if kind and kind not in ListKind.values:
            raise serializers.ValidationError({"kind": [_("There is no such choice.")]})
        if show == DECIDED:
            rows = self._visible().filter(status=PublicationStatus.SUBMITTED, decided_by=self.user)
            return Filters(kind=kind).of_kind(rows)
        return Filters(show=show, kind=kind).apply(waiting(self.user), self.user)

    def _visible(self) -> QuerySet[PublicationReview]:
        """Return what the reader may know of: open ones they may decide, and what was theirs."""
        if self.user.is_operator:
            return PublicationReview.objects.all()
        tied = list(ties([self.user.pk]).get(self.user.pk, {}))
        mine = PublicationReview.objects.filter(Q(manager=self.user) | Q(decided_by=self.user))
        mine = mine.exclude(Q(demand__owner__in=tied) | Q(achievement__owner__in=tied))
        return PublicationReview.objects.filter(
            Q(pk__in=waiting(self.user).order_by().values("pk")) | Q(pk__in=mine.values("pk"))
        )

    def _found(self, pk: int) -> PublicationReview:
        self._only_reviewers()
        row = self._visible().select_related("demand__owner", "achievement__owner").filter(pk=pk)
        found = row.first()
        if found is None:
            raise exceptions.NotFound
        return found

    def _told(self, rows: Any) -> Any:
        context = {"user": cast(Any, self.user)}
        return PublicationSerializer(rows, many=True, context=context).data


def _cursor(text: str) -> tuple[dt.date, int]:
    day, _dot, pk = text.partition(".")
    try:
        found = dt.date.fromisoformat(day)
    except ValueError:
        found = None
    if found is None or not (pk.isascii() and pk.isdigit() and len(pk) < 19):
        raise serializers.ValidationError({"after": [_("This cursor is none of ours.")]})
    return found, int(pk)
