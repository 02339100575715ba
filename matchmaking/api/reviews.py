"""A manager's own reviews: the queue, one review with its evidence, and every step of it."""

from __future__ import annotations

from typing import Any, cast

from django.db.models import BooleanField, ExpressionWrapper, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from drf_spectacular.types import OpenApiTypes
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.exceptions import Conflict
from accounts.api.pages import AFTER, SIZE, page_of
from accounts.api.permissions import SignedIn
from accounts.api.schema import Operation, query
from accounts.api.views import View
from accounts.models import ManagerProfile
from accounts.permissions import is_certified_manager
from catalog.api.fields import Text
from matchmaking import permissions, presenting, questions, reasons
from matchmaking.api.ordering import page_in_order
from matchmaking.api.problems import tie
from matchmaking.api.reading import chosen, chosen_manager, errors_of
from matchmaking.api.serializers import (
    AskedSerializer,
    ClockSerializer,
    CodeSerializer,
    EventSerializer,
    EvidenceSerializer,
    GradeSerializer,
    Words,
    clock,
    coded,
    evidence_of,
    grade,
)
from matchmaking.criteria import suggest_criteria
from matchmaking.forms import NOTE_LIMIT, HandBackForm, managers_for
from matchmaking.models import Review
from matchmaking.services import changes, inquiries, queues
from matchmaking.services.overturning import undo_problem, undo_until
from matchmaking.services.reviews import (
    COMMENT_LIMIT,
    REMARK_LIMIT,
    accept_review,
    hand_back,
    refer,
    submit_review,
    undo_review,
)
from matchmaking.views.gates import get_review, note_names, require_manager
from matchmaking.views.matches import evidence
from matchmaking.workflow import Decision, InquiryStatus, ReviewStatus, Side

ORDERS = {
    "clock": ("held", "due_on", "-worth", "pk"),
    "worth": ("-worth", "held", "due_on", "pk"),
}
DUE = ("now", "soon", "later")


# --- What is answered -----------------------------------------------------------------------------


class ReviewRowSerializer(serializers.Serializer[Any]):
    """One open review of the queue. Its titles name nobody."""

    match = serializers.CharField(help_text=gettext_lazy("The number of the match."))
    title = Words()
    status = CodeSerializer()
    clock = ClockSerializer()
    grade = GradeSerializer(allow_null=True)
    needs_second = serializers.BooleanField(
        help_text=gettext_lazy("Worth so much that two managers have to approve it.")
    )
    is_changed = serializers.BooleanField(
        help_text=gettext_lazy("Other than when you read it last.")
    )
    is_appealed = serializers.BooleanField(
        help_text=gettext_lazy("A side objects to a first decision, which was another manager's.")
    )


class ReasonSerializer(CodeSerializer):
    """A reason that a decision can be given."""

    needs_comment = serializers.BooleanField()


class DecidedSerializer(serializers.Serializer[Any]):
    """What you decided."""

    decision = serializers.CharField()
    reasons = serializers.ListField(child=serializers.CharField())
    comment = serializers.CharField(allow_blank=True)
    criteria = serializers.DictField(child=serializers.IntegerField())
    remarks = serializers.DictField(child=serializers.CharField())
    decided_at = serializers.DateTimeField(allow_null=True)
    undo_until = serializers.DateTimeField(
        allow_null=True, help_text=gettext_lazy("Null where it cannot be undone any more.")
    )


class ObjectionSerializer(serializers.Serializer[Any]):
    """What a side said against an earlier rejection."""

    side = serializers.CharField()
    text = Words()


class ReviewSerializer(serializers.Serializer[Any]):
    """A review of yours with all that the decision rests on."""

    match = serializers.CharField(help_text=gettext_lazy("The number of the match."))
    title = Words()
    status = CodeSerializer()
    clock = ClockSerializer()
    needs_second = serializers.BooleanField()
    assigned_because = Words()
    evidence = EvidenceSerializer()
    asked = AskedSerializer(
        many=True, help_text=gettext_lazy("Questions that are about no line of the grid.")
    )
    objections = ObjectionSerializer(many=True)
    suggested = serializers.DictField(
        child=serializers.IntegerField(),
        help_text=gettext_lazy("The points that the evidence alone would give, by criterion."),
    )
    reasons = serializers.DictField(
        child=ReasonSerializer(many=True), help_text=gettext_lazy("By decision.")
    )
    decided = DecidedSerializer(allow_null=True)
    events = EventSerializer(many=True)


class ColleagueSerializer(serializers.Serializer[ManagerProfile]):
    """A manager who may take a match: certified, not away, without a tie, and new to it."""

    id = serializers.IntegerField(source="pk")
    name = serializers.CharField(source="user.name")
    grade = serializers.CharField()
    classes = serializers.ListField(child=serializers.CharField())


class ColleaguesSerializer(serializers.Serializer[Any]):
    """Managers who may take a match, by name."""

    results = ColleagueSerializer(many=True)


class LineSerializer(serializers.Serializer[Any]):
    """Something that a side can be asked about, with words to begin with."""

    field = serializers.CharField(source="key")
    name = Words()
    suggestion = Words(allow_blank=True)


class LinesSerializer(serializers.Serializer[Any]):
    """What each side can be asked about, and what is being asked."""

    demand = LineSerializer(many=True)
    achievement = LineSerializer(many=True)
    waiting = AskedSerializer(many=True)
    answer_due = serializers.DateField(allow_null=True)


# --- What is sent ---------------------------------------------------------------------------------


class PointsSerializer(serializers.Serializer[Any]):
    """Points for each criterion, 0 to 5."""

    fit = serializers.IntegerField(min_value=0, max_value=5)
    maturity = serializers.IntegerField(min_value=0, max_value=5)
    terms = serializers.IntegerField(min_value=0, max_value=5)
    credibility = serializers.IntegerField(min_value=0, max_value=5)


class ReviewDecisionSerializer(serializers.Serializer[Any]):
    """A decision with its reasons and points."""

    decision = serializers.ChoiceField(choices=Decision.choices)
    reasons = serializers.ListField(
        child=serializers.CharField(max_length=24),
        allow_empty=False,
        max_length=20,
        help_text=gettext_lazy("Codes from the review's own “reasons”."),
    )
    criteria = PointsSerializer()
    comment = Text(
        max_length=COMMENT_LIMIT,
        required=False,
        allow_blank=True,
        help_text=gettext_lazy("Both sides read it; it names nobody."),
    )
    remarks = serializers.DictField(
        child=Text(max_length=REMARK_LIMIT, allow_blank=True),
        required=False,
        help_text=gettext_lazy("By the key of a line of the grid."),
    )
    no_interest = serializers.BooleanField(
        help_text=gettext_lazy("You state that you have no interest in either side: true.")
    )


class ReferSerializer(serializers.Serializer[Any]):
    """To whom a review is given, and what they should look at."""

    to = serializers.IntegerField(
        min_value=1, max_value=2**63 - 1, help_text=gettext_lazy("An id from “colleagues”.")
    )
    note = Text(max_length=NOTE_LIMIT)


class HandBackSerializer(serializers.Serializer[Any]):
    """Why a review is handed back."""

    why = serializers.ChoiceField(choices=[HandBackForm.INTEREST, HandBackForm.CAPACITY])
    sides = serializers.ListField(
        child=serializers.ChoiceField(choices=Side.choices),
        required=False,
        max_length=2,
        help_text=gettext_lazy("In whom you have an interest."),
    )
    note = Text(max_length=300, required=False, allow_blank=True)


class QuestionSerializer(serializers.Serializer[Any]):
    """One question, about one line."""

    field = serializers.CharField(max_length=60)
    text = Text(max_length=questions.LONGEST)


class AskSerializer(serializers.Serializer[Any]):
    """Questions to one side."""

    side = serializers.ChoiceField(choices=Side.choices)
    questions: serializers.ListSerializer[Any] = serializers.ListSerializer(
        child=QuestionSerializer(), allow_empty=False, max_length=questions.MOST_QUESTIONS
    )


_STEP = (404, 409)
_WHOLE = {200: ReviewSerializer}


class ReviewViewSet(View):
    """Reviews of matches that the reader has been asked for."""

    permission_classes = (SignedIn,)
    tag = "review"
    operations = {
        "list": Operation(
            gettext_lazy("Your queue"),
            gettext_lazy(
                "For certified technology managers: your open reviews, the earliest deadline "
                "first, of one day the match that is worth most. What waits for a side comes last."
            ),
            {200: page_of(ReviewRowSerializer)},
            parameters=(
                query(
                    "status",
                    gettext_lazy("Only those in this status."),
                    enum=[ReviewStatus.ASSIGNED.value, ReviewStatus.ACCEPTED.value],
                ),
                query(
                    "due",
                    gettext_lazy(
                        "“now”: today or late; “soon”: within 3 working days; “later”: the rest."
                    ),
                    enum=list(DUE),
                ),
                query(
                    "needs_second",
                    gettext_lazy("Whether two managers have to approve."),
                    OpenApiTypes.BOOL,
                ),
                query(
                    "waiting",
                    gettext_lazy("Whether the clock stands still, as a side is asked or writes."),
                    OpenApiTypes.BOOL,
                ),
                query("order", gettext_lazy("By deadline, or by worth."), enum=list(ORDERS)),
                SIZE,
                AFTER,
            ),
        ),
        "retrieve": Operation(
            gettext_lazy("One review"),
            gettext_lazy(
                "The match with its evidence, as far as you may read it: names only once you have "
                "taken the review on, which is noted. What another manager said of it is told "
                "after your own decision."
            ),
            _WHOLE,
        ),
        "accept": Operation(
            gettext_lazy("Take a review on"),
            gettext_lazy("From then on you read both names, which the log notes."),
            _WHOLE,
            problems=_STEP,
        ),
        "decide": Operation(
            gettext_lazy("Decide a match"),
            gettext_lazy(
                "Approve it, and both sides are asked; or reject it. With reasons of the list and "
                "points for each criterion. It can be undone for ten minutes."
            ),
            _WHOLE,
            request=ReviewDecisionSerializer,
            problems=_STEP,
        ),
        "undo": Operation(
            gettext_lazy("Undo your decision"),
            gettext_lazy("Within ten minutes, as long as nobody has acted on it."),
            _WHOLE,
            problems=_STEP,
        ),
        "colleagues": Operation(
            gettext_lazy("Who may take it"),
            gettext_lazy("The managers to whom you can refer this match."),
            {200: ColleaguesSerializer},
        ),
        "refer": Operation(
            gettext_lazy("Refer it to a colleague"),
            gettext_lazy("Gives your review to a manager of “colleagues”, with a note."),
            {204: None},
            request=ReferSerializer,
            problems=_STEP,
        ),
        "hand_back": Operation(
            gettext_lazy("Hand it back"),
            gettext_lazy(
                "For want of time, or because of an interest in a side: that is kept, and you are "
                "not asked about that organization again."
            ),
            {204: None},
            request=HandBackSerializer,
            problems=_STEP,
        ),
        "lines": Operation(
            gettext_lazy("What can be asked"),
            gettext_lazy("The lines and fields that each side can be asked about."),
            {200: LinesSerializer},
        ),
        "ask": Operation(
            gettext_lazy("Ask a side"),
            gettext_lazy("Up to eight questions to one side; your clock stands still meanwhile."),
            _WHOLE,
            request=AskSerializer,
            problems=_STEP,
        ),
        "take_back": Operation(
            gettext_lazy("Take your questions back"),
            gettext_lazy("What is not answered yet is asked no more, and your clock goes on."),
            _WHOLE,
            problems=_STEP,
        ),
    }

    # --- Reading --------------------------------------------------------------------------------

    def list(self, request: Request) -> Response:
        require_manager(self.user)
        order = ORDERS[chosen(request, "order", tuple(ORDERS)) or "clock"]
        keys, following = page_in_order(
            request, self._filtered(request), order, among=_ordered(self.user)
        )
        found = {review.pk: review for review in queues.load(self.user, keys)}
        rows = [_row(found[key]) for key in keys if key in found]
        return Response({"next": following, "results": ReviewRowSerializer(rows, many=True).data})

    def _filtered(self, request: Request) -> QuerySet[Review]:
        rows: QuerySet[Review] = queues.queue_of(self.user)
        open_ones = (ReviewStatus.ASSIGNED.value, ReviewStatus.ACCEPTED.value)
        if status := chosen(request, "status", open_ones):
            rows = rows.filter(status=status)
        if due := chosen(request, "due", DUE):
            rows = rows.filter(_due(due), **{"held": False})
        for name, column in (("needs_second", "second"), ("waiting", "held")):
            if wanted := chosen(request, name, ("true", "false")):
                rows = rows.filter(**{column: wanted == "true"})
        return rows

    def retrieve(self, request: Request, number: str) -> Response:
        return self._answer(self._own(number))

    def _own(self, number: str) -> Review:
        """Return a review of the reader's, or raise 404 or 403: also for a tie that came late."""
        review = get_review(self.user, number)
        if permissions.has_conflict(self.user, review.match) or not is_certified_manager(self.user):
            raise tie()
        return review

    def _answer(self, review: Review) -> Response:
        review = get_review(self.user, review.match.number)
        match = review.match
        reader = presenting.review_reader(review)
        if reader.names:
            note_names(self.user, match, contacts=reader.contacts)
        shown = evidence(match, reader)
        events = list(match.events.select_related("actor", "subject"))
        if review.is_open and self.request.method == "GET":
            changes.remember(review, shown["grid"], events)
        panel = shown["asked"]
        body = {
            "match": match.number,
            "title": presenting.blind_title(match),
            "status": coded(review, "status"),
            "clock": _clock(review),
            "needs_second": match.needs_second,
            "assigned_because": presenting.assigned_because(review),
            "evidence": evidence_of(shown),
            "asked": panel.others,
            "objections": panel.objections,
            "suggested": suggest_criteria(match),
            "reasons": {
                decision.value: [
                    {
                        "code": entry.code,
                        "label": entry.label,
                        "needs_comment": entry.needs_comment,
                    }
                    for entry in reasons.choices(decision)
                ]
                for decision in Decision
            },
            "decided": _decided(review),
            "events": presenting.event_lines(match, reader, events),
        }
        return Response(ReviewSerializer(body).data)

    # --- Steps ----------------------------------------------------------------------------------

    def accept(self, request: Request, number: str) -> Response:
        return self._answer(accept_review(review=self._own(number), actor=self.user))

    def decide(self, request: Request, number: str) -> Response:
        review = self._own(number)
        if review.status == ReviewStatus.ASSIGNED:
            raise Conflict(_("Please take the review on before you decide."))
        data = self.read(ReviewDecisionSerializer)
        submit_review(review=review, actor=self.user, **{"comment": "", **data})
        return self._answer(review)

    def undo(self, request: Request, number: str) -> Response:
        return self._answer(undo_review(review=self._own(number), actor=self.user))

    def colleagues(self, request: Request, number: str) -> Response:
        found = managers_for(self._own(number).match, besides=self.user)
        return Response(ColleaguesSerializer({"results": found}).data)

    def refer(self, request: Request, number: str) -> Response:
        review = self._own(number)
        data = self.read(ReferSerializer)
        refer(
            review=review,
            actor=self.user,
            to=chosen_manager(review.match, data["to"]),
            note=data["note"],
        )
        return Response(status=204)

    def hand_back(self, request: Request, number: str) -> Response:
        # One who has a tie by now must be able to hand back.
        review = get_review(self.user, number)
        form = HandBackForm(self.read(HandBackSerializer))
        if not form.is_valid():
            raise serializers.ValidationError(errors_of(form))
        hand_back(
            review=review,
            actor=self.user,
            note=form.cleaned_data["note"],
            interested_in=form.cleaned_data["sides"],
        )
        return Response(status=204)

    def lines(self, request: Request, number: str) -> Response:
        review = self._own(number)
        match = review.match
        waiting = _waiting(review)
        hidden = presenting.review_reader(review).hidden(match)
        body = {
            **{side.value: questions.lines(match, side) for side in Side},
            "waiting": questions.asked(match, waiting, hidden) if waiting else [],
            "answer_due": waiting.due_on if waiting else None,
        }
        return Response(LinesSerializer(body).data)

    def ask(self, request: Request, number: str) -> Response:
        review = self._own(number)
        data = self.read(AskSerializer)
        inquiries.ask(
            review=review, actor=self.user, side=data["side"], questions=data["questions"]
        )
        return self._answer(review)

    def take_back(self, request: Request, number: str) -> Response:
        review = self._own(number)
        waiting = _waiting(review)
        if waiting is None:
            raise Conflict(_("Nothing is being asked at present; nothing was changed."))
        inquiries.take_back(inquiry=waiting, actor=self.user)
        return self._answer(review)


# --- Parts ----------------------------------------------------------------------------------------


def _ordered(user: Any) -> QuerySet[Review]:
    """Return all reviews of a manager, with what the queue is ordered by."""
    held = Q(paused_on__isnull=False) | Q(match__is_frozen=True)
    return Review.objects.filter(manager=user).annotate(
        worth=queues.worth(), held=ExpressionWrapper(held, output_field=BooleanField())
    )


def _due(group: str) -> Q:
    now, soon = queues.due_bounds(timezone.localdate())
    return {
        "now": Q(due_on__lt=now),
        "soon": Q(due_on__gte=now, due_on__lt=soon),
        "later": Q(due_on__gte=soon),
    }[group]


def _clock(review: Review) -> dict[str, Any]:
    return clock(
        review.due_on if review.is_open else None,
        paused_on=review.paused_on if review.is_open else None,
        days_left=review.days_left,
        is_frozen=review.is_open and review.match.is_frozen,
    )


def _row(review: Review) -> dict[str, Any]:
    found = cast(Any, review)  # annotated by `queues.load`
    return {
        "match": review.match.number,
        "title": presenting.blind_title(review.match),
        "status": coded(review, "status"),
        "clock": _clock(review),
        "grade": grade(presenting.grade_of(review.match)),
        "needs_second": found.is_second,
        "is_changed": found.is_changed,
        "is_appealed": found.is_appealed,
    }


def _decided(review: Review) -> dict[str, Any] | None:
    if review.status != ReviewStatus.SUBMITTED:
        return None
    return {
        "decision": review.decision,
        "reasons": review.reasons,
        "comment": review.comment,
        "criteria": review.criteria,
        "remarks": review.remarks,
        "decided_at": review.closed_at,
        "undo_until": None if undo_problem(review) else undo_until(review),
    }


def _waiting(review: Review) -> Any:
    return review.inquiries.filter(status=InquiryStatus.OPEN).first()
