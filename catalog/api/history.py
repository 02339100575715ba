"""What became of a listing: its steps, its versions, and what changed between two of them."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import PermissionDenied
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from drf_spectacular.types import OpenApiTypes
from rest_framework import exceptions, serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.permissions import SignedIn
from accounts.api.schema import Operation, query
from accounts.permissions import is_operator
from catalog.api.views import OfListing
from catalog.models import Listing, revision_model
from catalog.outcome import outcome_of
from catalog.permissions import belongs_to_owner, may_read_history
from catalog.timeline import timeline, versions
from catalog.views.gate import answer_due
from catalog.views.revisions import changes_between

VERSIONS_AT_MOST = 100


class StepSerializer(serializers.Serializer[Any]):
    """One step in a listing's life. Whoever checks a listing stays unnamed to its owner."""

    what = serializers.CharField()
    who = serializers.CharField()
    when = serializers.DateTimeField()
    reason = serializers.CharField(allow_blank=True)
    note = serializers.CharField(allow_blank=True)
    version = serializers.IntegerField(help_text=gettext_lazy("That was handed in here, else 0."))


class QuestionSerializer(serializers.Serializer[Any]):
    """What a reviewer asked or said of one field of the form."""

    name = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]
    text = serializers.CharField()


class OutcomeSerializer(serializers.Serializer[Any]):
    """How a listing stands, what comes next, and by which day, where there is one."""

    what = serializers.CharField(source="answer.what")
    next_step = serializers.CharField(source="answer.next_step")
    by = serializers.DateField(source="answer.by", allow_null=True)
    reasons = serializers.ListField(child=serializers.CharField(), source="answer.reasons")
    questions = QuestionSerializer(many=True, source="said")


class StepsSerializer(serializers.Serializer[Any]):
    """The steps of a listing so far, and how it stands."""

    results = StepSerializer(many=True)
    outcome = OutcomeSerializer()


class VersionSerializer(serializers.Serializer[Any]):
    """A content that was handed in."""

    number = serializers.IntegerField()
    when = serializers.DateTimeField()
    who = serializers.CharField(allow_blank=True)
    outcome = serializers.CharField(
        allow_blank=True, help_text=gettext_lazy("The status it led to, empty until it is decided.")
    )


class VersionsSerializer(serializers.Serializer[Any]):
    """The versions of a listing, the last first."""

    results = VersionSerializer(many=True)


class PieceSerializer(serializers.Serializer[Any]):
    """A stretch of text: “same”, “ins”, “del”, or “out” where a long one is left out."""

    op = serializers.CharField()
    text = serializers.CharField(trim_whitespace=False)
    count = serializers.IntegerField(help_text=gettext_lazy("Characters left out."))


class ChangedRowSerializer(serializers.Serializer[Any]):
    """A row in both versions: “same”, “changed”, “new” or “gone”."""

    op = serializers.CharField()
    name = serializers.CharField(allow_blank=True)
    before = serializers.CharField(allow_blank=True)
    after = serializers.CharField(allow_blank=True)


class ChangeSerializer(serializers.Serializer[Any]):
    """One thing that differs: a text in pieces, or rows."""

    key = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]
    pieces = PieceSerializer(many=True)
    rows = ChangedRowSerializer(many=True)


class ChangesSerializer(serializers.Serializer[Any]):
    """What changed from one version to another."""

    before = serializers.IntegerField(help_text=gettext_lazy("0: nothing yet."))
    after = serializers.IntegerField()
    changes = ChangeSerializer(many=True)


class HistoryViewSet(OfListing):
    """What became of a listing."""

    permission_classes = (SignedIn,)
    operations = {
        "events": Operation(
            gettext_lazy("Steps so far"),
            gettext_lazy("What became of a listing, when and why: for its own side and operators."),
            {200: StepsSerializer},
        ),
        "revisions": Operation(
            gettext_lazy("Versions"),
            gettext_lazy(
                "Who handed a version in and what became of it: for its own side, operators, and "
                "who checks it now."
            ),
            {200: VersionsSerializer},
        ),
        "changes": Operation(
            gettext_lazy("What changed between two versions"),
            gettext_lazy(
                "The last two unless others are asked for; “from” 0 compares with nothing. What "
                "the reader's tier does not allow is in neither."
            ),
            {200: ChangesSerializer},
            parameters=(
                query("from", gettext_lazy("The older version."), OpenApiTypes.INT),
                query("to", gettext_lazy("The newer version."), OpenApiTypes.INT),
            ),
        ),
    }

    def events(self, request: Request, number: str) -> Response:
        listing = self.found(number)
        if not (belongs_to_owner(self.user, listing) or is_operator(self.user)):
            raise PermissionDenied(_("Its steps are for its own side and operators."))
        outcome = outcome_of(listing, due_on=answer_due(listing))
        body = {"results": timeline(listing, self.user), "outcome": outcome}
        return Response(StepsSerializer(body).data)

    def revisions(self, request: Request, number: str) -> Response:
        listing = self._with_history(number)
        rows = revision_model(self.kind).objects.filter(pgh_obj=listing).order_by("-version")
        shown = rows.only("pk", "version", "pgh_created_at")[:VERSIONS_AT_MOST]
        return Response(VersionsSerializer({"results": versions(listing, self.user, shown)}).data)

    def changes(self, request: Request, number: str) -> Response:
        listing = self._with_history(number)
        new = _version(request, "to", listing.version)
        old, new = sorted((_version(request, "from", max(new - 1, 0)), new))
        found = changes_between(listing, self.user, old, new)
        if found is None:
            raise exceptions.NotFound(_("There is no such version of this listing."))
        return Response(ChangesSerializer({"before": old, "after": new, "changes": found}).data)

    def _with_history(self, number: str) -> Listing:
        listing = self.found(number)
        if not may_read_history(self.user, listing):
            raise PermissionDenied(
                _("Its versions are for its own side and for those who check it.")
            )
        return listing


def _version(request: Request, name: str, otherwise: int) -> int:
    text = request.query_params.get(name, "")
    if not text:
        return otherwise
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise serializers.ValidationError({name: [_("Please write the number of a version.")]})
    return int(text)


HISTORIES: dict[str, type[HistoryViewSet]] = {
    kind: type(f"{kind.title()}HistoryViewSet", (HistoryViewSet,), {"kind": kind, "tag": kind})
    for kind in ("demand", "achievement")
}
