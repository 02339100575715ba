"""What waits for an operator: matches nobody reviews, late ones, and who may take each."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

from django.db.models import F, QuerySet, Value
from django.db.models.functions import Coalesce
from django.shortcuts import get_object_or_404
from django.utils import timezone
from django.utils.translation import gettext_lazy
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.pages import AFTER, SIZE, page_of
from accounts.api.permissions import SignedIn
from accounts.api.schema import Operation, query
from accounts.api.views import View
from matchmaking import presenting
from matchmaking.api.ordering import page_in_order
from matchmaking.api.reading import chosen, chosen_manager
from matchmaking.api.reviews import ColleagueSerializer
from matchmaking.api.serializers import ClockSerializer, CodeSerializer, Words, clock, coded
from matchmaking.forms import managers_for
from matchmaking.models import Match, Review
from matchmaking.services.assignment import reassign
from matchmaking.views.gates import require_operator
from matchmaking.views.operations import late_matches, unassigned_matches
from matchmaking.workflow import MatchStatus

STATES = ("escalated", "unassigned", "late", "frozen")
OPEN = (MatchStatus.SUGGESTED, MatchStatus.IN_REVIEW)
# What has no deadline comes last.
NEVER = dt.date(9999, 12, 31)
LONG = (
    *("grid", "pairs", "features", "demand__body", "achievement__body"),
    *("demand_revision__body", "achievement_revision__body"),
)


class DeskSerializer(serializers.Serializer[Any]):
    """Who has a match, and why."""

    id = serializers.IntegerField(help_text=gettext_lazy("Of the manager's profile."))
    name = serializers.CharField()
    status = CodeSerializer()
    because = Words()


class EscalationSerializer(CodeSerializer):
    """Why a match waits for an operator, and since when."""

    since = serializers.DateTimeField()


class AssignmentSerializer(serializers.Serializer[Any]):
    """A match that is not decided, and whose desk it lies on. Its titles name nobody."""

    match = serializers.CharField()
    title = Words()
    status = CodeSerializer()
    clock = ClockSerializer()
    escalation = EscalationSerializer(allow_null=True)
    manager = DeskSerializer(allow_null=True)


class AssignmentChoiceSerializer(AssignmentSerializer):
    """A match with the managers who may take it."""

    candidates = ColleagueSerializer(many=True)


class ReassignSerializer(serializers.Serializer[Any]):
    """Whose desk a match is put on."""

    to = serializers.IntegerField(
        min_value=1, max_value=2**63 - 1, help_text=gettext_lazy("An id from “candidates”.")
    )


class AssignmentViewSet(View):
    """Who reviews what, for operators."""

    permission_classes = (SignedIn,)
    tag = "assignment"
    operations = {
        "list": Operation(
            gettext_lazy("Who has what"),
            gettext_lazy(
                "For operators: the matches that are not decided, the earliest deadline first; "
                "among them those that nobody reviews."
            ),
            {200: page_of(AssignmentSerializer)},
            parameters=(
                query("state", gettext_lazy("Only those that are so."), enum=list(STATES)),
                SIZE,
                AFTER,
            ),
        ),
        "retrieve": Operation(
            gettext_lazy("Who may take it"),
            gettext_lazy("One match, with the managers who may take it."),
            {200: AssignmentChoiceSerializer},
        ),
        "reassign": Operation(
            gettext_lazy("Give it to a manager"),
            gettext_lazy("Puts a match on a manager's desk, with a new deadline, and tells both."),
            {200: AssignmentChoiceSerializer},
            request=ReassignSerializer,
            problems=(404, 409),
        ),
    }

    def list(self, request: Request) -> Response:
        require_operator(self.user)
        every = Match.objects.annotate(due=Coalesce(F("due_on"), Value(NEVER)))
        keys, following = page_in_order(
            request, _of_state(every, chosen(request, "state", STATES)), ("due", "pk"), among=every
        )
        matches = Match.objects.with_listings().defer(*LONG).in_bulk(keys)
        desks = _desks(keys)
        names = presenting.because_names(desks.values())
        rows = [_row(matches[key], desks.get(key), names) for key in keys if key in matches]
        return Response({"next": following, "results": AssignmentSerializer(rows, many=True).data})

    def retrieve(self, request: Request, number: str) -> Response:
        return self._answer(self._found(number))

    def reassign(self, request: Request, number: str) -> Response:
        match = self._found(number)
        data = self.read(ReassignSerializer)
        reassign(match=match, to=chosen_manager(match, data["to"]), actor=self.user)
        return self._answer(self._found(number))

    def _found(self, number: str) -> Match:
        require_operator(self.user)
        return get_object_or_404(Match.objects.by_number(number).with_listings())

    def _answer(self, match: Match) -> Response:
        row = _row(match, _desks([match.pk]).get(match.pk), None)
        may_move = match.status in OPEN
        body = row | {"candidates": managers_for(match) if may_move else []}
        return Response(AssignmentChoiceSerializer(body).data)


def _of_state(matches: QuerySet[Match], state: str) -> QuerySet[Match]:
    matches = matches.filter(status__in=OPEN)
    if state == "escalated":
        return matches.filter(escalated_at__isnull=False)
    if state == "unassigned":
        return matches.filter(unassigned_matches())
    if state == "late":
        return matches.filter(late_matches(timezone.localdate()))
    return matches.filter(is_frozen=True) if state == "frozen" else matches


def _desks(matches: list[int]) -> dict[int, Review]:
    rows = Review.objects.open().filter(match__in=matches)
    return {row.match_id: row for row in rows.select_related("manager__manager_profile")}


def _row(match: Match, held: Review | None, names: Mapping[int, str] | None) -> dict[str, Any]:
    manager = None
    if held is not None:
        held.match = match
        manager = {
            "id": held.manager.manager_profile.pk,
            "name": held.manager.name,
            "status": coded(held, "status"),
            "because": presenting.assigned_because(held, names),
        }
    return {
        "match": match.number,
        "title": presenting.blind_title(match),
        "status": coded(match, "status"),
        "clock": clock(
            match.due_on,
            paused_on=held.paused_on if held is not None else None,
            days_left=held.days_left if held is not None else None,
            is_frozen=match.is_frozen,
        ),
        "escalation": (
            coded(match, "escalation") | {"since": match.escalated_at}
            if match.escalated_at is not None
            else None
        ),
        "manager": manager,
    }
