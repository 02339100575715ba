"""The matches of one's own side: how each stands, and all that a side has to say to it."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet, prefetch_related_objects
from django.http import Http404
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.exceptions import Conflict
from accounts.api.pages import AFTER, SIZE, newest_first, page_of
from accounts.api.permissions import SignedIn
from accounts.api.schema import Operation, query
from accounts.api.views import View
from accounts.models import Membership
from catalog.api.fields import Text
from matchmaking import permissions, presenting, questions
from matchmaking.answers import card_of, status_text
from matchmaking.api.reading import chosen, errors_of
from matchmaking.api.serializers import (
    AskedSerializer,
    ClockSerializer,
    CodeSerializer,
    EventSerializer,
    EvidenceSerializer,
    GradeSerializer,
    OpinionSerializer,
    Words,
    clock,
    coded,
    evidence_of,
    grade,
)
from matchmaking.forms import NOTE_LIMIT, ConsentForm
from matchmaking.models import Inquiry, Match
from matchmaking.services import appeals, consents, feedback, inquiries
from matchmaking.views.gates import ANSWER_PARTS, for_lists, get_own_side, note_names
from matchmaking.views.matches import TABS, evidence, of_tab
from matchmaking.workflow import (
    ContractState,
    DeclineReason,
    InquiryStatus,
    MatchStatus,
    Side,
)

# --- What is answered -----------------------------------------------------------------------------


class AnswerSerializer(serializers.Serializer[Any]):
    """How a match stands for your side, in words: what is the case, what comes next, by when."""

    what = Words()
    next_step = Words()
    by = serializers.DateField(allow_null=True)
    reasons = serializers.ListField(child=Words())


class MatchRowSerializer(serializers.Serializer[Any]):
    """A match of your side, as its list shows it."""

    number = serializers.CharField()
    side = serializers.CharField(help_text=gettext_lazy("Yours: “demand” or “achievement”."))
    listing = serializers.CharField(help_text=gettext_lazy("The number of your listing."))
    status = CodeSerializer()
    answer = AnswerSerializer()
    clock = ClockSerializer()
    waits_for_me = serializers.BooleanField()
    title = Words(help_text=gettext_lazy("Of the other side's listing."))
    who = Words(help_text=gettext_lazy("What the other side is; its name after the introduction."))
    grade = GradeSerializer(allow_null=True)
    gap = Words(allow_blank=True)


class MatchSerializer(serializers.Serializer[Any]):
    """A match of your side. `evidence` is null once a listing has left the platform."""

    number = serializers.CharField()
    side = serializers.CharField()
    status = CodeSerializer()
    answer = AnswerSerializer()
    clock = ClockSerializer()
    may_answer = serializers.BooleanField(
        help_text=gettext_lazy("You are an owner or editor of your organization.")
    )
    my_answer = serializers.BooleanField(allow_null=True)
    evidence = EvidenceSerializer(allow_null=True)
    opinion = OpinionSerializer(allow_null=True)
    events = EventSerializer(many=True)


class QuestionsSerializer(serializers.Serializer[Any]):
    """What the manager asks your side, or has asked last."""

    inquiry = serializers.IntegerField()
    status = serializers.CharField()
    due_on = serializers.DateField()
    questions = AskedSerializer(many=True)


# --- What is sent ---------------------------------------------------------------------------------


class ConsentSerializer(serializers.Serializer[Any]):
    """Whether your side would like to meet."""

    agree = serializers.BooleanField()
    reason = serializers.ChoiceField(
        choices=DeclineReason.choices,
        required=False,
        allow_blank=True,
        help_text=gettext_lazy("Needed for a no; the other side learns it."),
    )
    note = Text(max_length=NOTE_LIMIT, required=False, allow_blank=True)


class AnswersSerializer(serializers.Serializer[Any]):
    """An answer to each question, in their order."""

    inquiry = serializers.IntegerField(
        min_value=1, max_value=2**63 - 1, help_text=gettext_lazy("Which questions you have read.")
    )
    answers = serializers.ListField(
        child=Text(max_length=questions.LONGEST_ANSWER, allow_blank=True),
        max_length=questions.MOST_QUESTIONS,
    )


class AppealSerializer(serializers.Serializer[Any]):
    """What another manager should look at. Name nobody."""

    text = Text(max_length=appeals.LONGEST)


class FeedbackSerializer(serializers.Serializer[Any]):
    """What came of an introduction."""

    rating = serializers.IntegerField(min_value=feedback.LOWEST, max_value=feedback.HIGHEST)
    contract = serializers.ChoiceField(choices=ContractState.choices)
    note = Text(max_length=feedback.LONGEST_NOTE, required=False, allow_blank=True)


_STEP = (404, 409)
_WHOLE = {200: MatchSerializer}


class MatchViewSet(View):
    """Matches of the reader's own organizations."""

    permission_classes = (SignedIn,)
    tag = "match"
    operations = {
        "list": Operation(
            gettext_lazy("Matches of your side"),
            gettext_lazy(
                "What was found for your organizations' listings, the last found first: how it "
                "stands in plain words, what comes next, and by when."
            ),
            {200: page_of(MatchRowSerializer)},
            parameters=(
                query("tab", gettext_lazy("As on the page of a listing."), enum=list(TABS)),
                query("listing", gettext_lazy("The number of one of your listings.")),
                SIZE,
                AFTER,
            ),
        ),
        "retrieve": Operation(
            gettext_lazy("One match"),
            gettext_lazy(
                "With the evidence as far as you may read it. The other side is described, and "
                "named only after the introduction, which is noted."
            ),
            _WHOLE,
        ),
        "consent": Operation(
            gettext_lazy("Answer an approved match"),
            gettext_lazy(
                "Agree to meet, or say why not. The second yes introduces both sides to each other."
            ),
            _WHOLE,
            request=ConsentSerializer,
            problems=_STEP,
        ),
        "questions": Operation(
            gettext_lazy("What the manager asks"),
            gettext_lazy("The questions to your side that wait for an answer, else the last ones."),
            {200: QuestionsSerializer},
        ),
        "answer": Operation(
            gettext_lazy("Answer the manager's questions"),
            gettext_lazy("One answer to each; the manager's clock goes on."),
            {200: QuestionsSerializer},
            request=AnswersSerializer,
            problems=_STEP,
        ),
        "appeal": Operation(
            gettext_lazy("Object to a rejection"),
            gettext_lazy("Once a side: a manager who has not held the match decides anew."),
            _WHOLE,
            request=AppealSerializer,
            problems=_STEP,
        ),
        "feedback": Operation(
            gettext_lazy("Say what came of an introduction"),
            gettext_lazy("Stars for the manager and the state of affairs; the last word counts."),
            {204: None},
            request=FeedbackSerializer,
            problems=_STEP,
        ),
    }

    # --- Reading --------------------------------------------------------------------------------

    def list(self, request: Request) -> Response:
        own = set(
            Membership.objects.active()
            .filter(user=self.user)
            .values_list("organization", flat=True)
        )
        shown, following = newest_first(request, for_lists(self._filtered(request, own)))
        rows = [
            _row(match, Side.DEMAND if match.demand.owner_id in own else Side.ACHIEVEMENT)
            for match in shown
        ]
        return Response({"next": following, "results": MatchRowSerializer(rows, many=True).data})

    def _filtered(self, request: Request, own: set[int]) -> QuerySet[Match]:
        tab = chosen(request, "tab", tuple(TABS))
        listing = request.query_params.get("listing", "")
        wanted = Q()
        for side in Side:
            rows = Match.objects.filter(**{f"{side.value}__owner__in": own})
            if side == Side.ACHIEVEMENT:
                rows = rows.exclude(demand__owner__in=own)
            if listing:
                model = Match._meta.get_field(side.value).related_model
                found = model.objects.by_number(listing)  # type: ignore[union-attr]
                rows = rows.filter(**{f"{side.value}__in": found.values("pk")})
            if tab:
                rows = of_tab(rows, tab, side)  # type: ignore[assignment]
            wanted |= Q(pk__in=rows.values("pk"))
        # What a run replaced before anybody looked at it is no news to the owner.
        return Match.objects.filter(wanted).exclude(status=MatchStatus.SUPERSEDED, is_touched=False)

    def retrieve(self, request: Request, number: str) -> Response:
        return self._answer(number)

    def _answer(self, number: str) -> Response:
        match, side = get_own_side(self.user, number)
        reader = presenting.reader_of(self.user, match)
        prefetch_related_objects([match], *ANSWER_PARTS)
        gone = presenting.is_gone(match)
        given = {consent.side: consent.agreed for consent in match.consents.all()}
        body: dict[str, Any] = {
            "number": match.number,
            "side": side.value,
            "status": coded(match, "status"),
            "answer": status_text(match, side),
            "clock": _clock(match),
            "may_answer": permissions.can_answer(self.user, match),
            "my_answer": given.get(side),
            "evidence": None,
            "opinion": None,
            "events": [],
        }
        if not gone:
            if reader.names:
                note_names(self.user, match, contacts=reader.contacts)
            events = match.events.select_related("actor", "subject")
            body |= {
                "evidence": evidence_of(evidence(match, reader)),
                "opinion": presenting.opinion_of(match, reader),
                "events": presenting.event_lines(match, reader, events),
            }
        return Response(MatchSerializer(body).data)

    # --- Steps ----------------------------------------------------------------------------------

    def _speaks_for(self, number: str) -> tuple[Match, Side]:
        """Return a match and the side that the reader may answer for. A viewer's is a 403."""
        match, side = get_own_side(self.user, number)
        if not permissions.can_answer(self.user, match):
            raise PermissionDenied(_("Only owners and editors of an organization answer for it."))
        return match, side

    def consent(self, request: Request, number: str) -> Response:
        match, side = self._speaks_for(number)
        data = self.read(ConsentSerializer)
        answer = ConsentForm.AGREE if data["agree"] else ConsentForm.DECLINE
        form = ConsentForm({**data, "answer": answer}, match=match)
        if not form.is_valid():
            raise serializers.ValidationError(errors_of(form))
        consents.answer(
            match=match,
            side=side,
            actor=self.user,
            agreed=data["agree"],
            reason=form.cleaned_data["reason"],
            note=form.cleaned_data["note"],
        )
        return self._answer(number)

    def questions(self, request: Request, number: str) -> Response:
        match, _side, inquiry = self._inquiry(number)
        return self._questions(match, inquiry)

    def answer(self, request: Request, number: str) -> Response:
        match, _side, inquiry = self._inquiry(number)
        self._speaks_for(number)
        data = self.read(AnswersSerializer)
        if inquiry.status != InquiryStatus.OPEN or data["inquiry"] != inquiry.pk:
            raise Conflict(inquiries.closed_text(inquiry))
        done = inquiries.answer_inquiry(inquiry=inquiry, actor=self.user, answers=data["answers"])
        return self._questions(match, done)

    def _inquiry(self, number: str) -> tuple[Match, Side, Inquiry]:
        """Return what the reader's side is asked, or was asked last. Others know of nothing."""
        match, side = get_own_side(self.user, number)
        rows = Inquiry.objects.filter(review__match=match, side=side).select_related("review")
        found = list(rows.order_by("-asked_at", "-pk"))
        if not found:
            raise Http404
        waiting = [one for one in found if one.status == InquiryStatus.OPEN]
        return match, side, (waiting or found)[0]

    def _questions(self, match: Match, inquiry: Inquiry) -> Response:
        body = {
            "inquiry": inquiry.pk,
            "status": inquiry.status,
            "due_on": inquiry.due_on,
            "questions": questions.asked(match, inquiry),
        }
        return Response(QuestionsSerializer(body).data)

    def appeal(self, request: Request, number: str) -> Response:
        match, side = self._speaks_for(number)
        data = self.read(AppealSerializer)
        appeals.appeal(match=match, side=side, actor=self.user, text=data["text"])
        return self._answer(number)

    def feedback(self, request: Request, number: str) -> Response:
        match, side = self._speaks_for(number)
        data = self.read(FeedbackSerializer)
        feedback.give_feedback(match=match, side=side, actor=self.user, **data)
        return Response(status=204)


def _clock(match: Match) -> dict[str, Any]:
    return clock(match.due_on, is_frozen=match.is_frozen)


def _row(match: Match, side: Side) -> dict[str, Any]:
    card = card_of(match, side)
    gone = card.is_gone
    return {
        "number": match.number,
        "side": side.value,
        "listing": match.listing(side).number,
        "status": coded(match, "status"),
        "answer": card.answer,
        "clock": _clock(match),
        "waits_for_me": card.waits_for_me,
        # A withdrawn text is not shown to the other side any more.
        "title": "" if gone else card.other.title,
        "who": card.other.who,
        "grade": None if gone else grade(card.grade),
        "gap": "" if gone else card.gap,
    }
