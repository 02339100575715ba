"""A match, a review and what speaks for them, as the pages show them to the same reader.

Every text comes out of `matchmaking.presenting`, which knows what the reader may read: nothing is
taken from a row of the database but codes and days.
"""

from __future__ import annotations

import datetime as dt
import html
from typing import Any

from django.utils import timezone
from django.utils.html import strip_tags
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from accounts.workdays import working_days_left
from matchmaking import presenting


class Words(serializers.CharField):
    """A text in the reader's language; a quote without its marks."""

    def to_representation(self, value: Any) -> str:
        text = str(value)
        return html.unescape(strip_tags(text)) if hasattr(value, "__html__") else text


class CodeSerializer(serializers.Serializer[Any]):
    """A code for programs, and its word for people."""

    code = serializers.CharField()
    label = Words()  # type: ignore[assignment]


def coded(thing: Any, field: str) -> dict[str, str]:
    """Return a field of a model with choices as `CodeSerializer` shows it."""
    return {
        "code": str(getattr(thing, field)),
        "label": str(getattr(thing, f"get_{field}_display")()),
    }


class ClockSerializer(serializers.Serializer[Any]):
    """Until when somebody's answer is due. A clock that is paused has no last day."""

    due_on = serializers.DateField(allow_null=True)
    days_left = serializers.IntegerField(
        allow_null=True,
        help_text=_("Working days of the Chinese calendar; 0 on the last day, below 0 when late."),
    )
    is_paused = serializers.BooleanField(
        help_text=_("A side is asked, or is changing its listing: the days that are left wait.")
    )
    paused_on = serializers.DateField(allow_null=True)


def clock(
    due_on: dt.date | None,
    *,
    paused_on: dt.date | None = None,
    days_left: int | None = None,
    is_frozen: bool = False,
) -> dict[str, Any]:
    """Return a deadline as `ClockSerializer` shows it."""
    paused = is_frozen or paused_on is not None
    if paused:
        left = None if paused_on is None else max(days_left or 0, 1)
        return {"due_on": None, "days_left": left, "is_paused": True, "paused_on": paused_on}
    left = working_days_left(due_on, timezone.localdate()) if due_on is not None else None
    return {"due_on": due_on, "days_left": left, "is_paused": False, "paused_on": None}


# --- Evidence -------------------------------------------------------------------------------------


class DetailSerializer(serializers.Serializer[Any]):
    """One thing that a listing says. `closed_to`: who reads it, where you do not."""

    key = serializers.CharField()
    label = Words()  # type: ignore[assignment]
    text = Words(allow_blank=True)
    lines = serializers.ListField(child=Words())
    closed_to = serializers.SerializerMethodField()

    @extend_schema_field(serializers.CharField(allow_blank=True))
    def get_closed_to(self, detail: Any) -> str:
        return str(detail.hidden.who) if detail.hidden is not None else ""


class OrganizationSerializer(serializers.Serializer[Any]):
    """Who a side is, where you may know it."""

    name = serializers.CharField()
    kind = serializers.CharField()
    region = serializers.CharField()


class ContactSerializer(serializers.Serializer[Any]):
    """Whom to call at a side, once both have agreed to meet."""

    name = serializers.CharField(source="contact_name")
    phone = serializers.CharField(source="contact_phone")
    email = serializers.EmailField(source="contact_email")


class SideSerializer(serializers.Serializer[Any]):
    """One side of a match, as it was compared and as far as you may read it."""

    side = serializers.CharField(help_text=_("“demand” or “achievement”."))
    number = serializers.CharField(source="listing.number")
    version = serializers.IntegerField()
    is_own = serializers.BooleanField()
    title = Words()
    summary = Words(allow_blank=True)
    who = Words(help_text=_("The name of the organization, or what it is."))
    organization = OrganizationSerializer(
        allow_null=True, help_text=_("Null while you may not know its name.")
    )
    contact = ContactSerializer(allow_null=True)
    details = serializers.SerializerMethodField()

    @extend_schema_field(DetailSerializer(many=True))
    def get_details(self, side: presenting.SideView) -> Any:
        details = [detail for group in side.groups for detail in group.details]
        return DetailSerializer(details, many=True).data


class AskedSerializer(serializers.Serializer[Any]):
    """A question to one side, with its answer once there is one."""

    field = serializers.CharField(source="key")
    name = Words()
    side = serializers.CharField()
    text = Words()
    answer = Words(allow_blank=True)
    status = serializers.CharField()


class GridRowSerializer(serializers.Serializer[Any]):
    """One requirement of the demand, and what the achievement says to it."""

    key = serializers.CharField(
        allow_blank=True, help_text=_("Names the line in remarks and questions.")
    )
    kind = serializers.CharField()
    name = Words()
    requirement = Words(allow_blank=True)
    hard = serializers.BooleanField(allow_null=True)
    verdict = serializers.SerializerMethodField()
    quote = Words(allow_blank=True)
    stated = Words(allow_blank=True)
    source_of_quote = Words(source="source", allow_blank=True)
    gap = Words(allow_blank=True)
    closed_to = Words(source="closed", allow_blank=True)
    remarks = serializers.ListField(child=Words())
    questions = AskedSerializer(source="asked", many=True)

    @extend_schema_field(CodeSerializer)
    def get_verdict(self, row: presenting.GridRow) -> dict[str, str]:
        return {"code": row.verdict.key, "label": str(row.verdict.label)}


class PairSerializer(serializers.Serializer[Any]):
    """Two sentences that say nearly the same."""

    demand = Words()
    achievement = Words()
    score = serializers.FloatField()


class PartSerializer(serializers.Serializer[Any]):
    """One thing that the score is made of. `points`: hundredths that it added or took."""

    label = Words()  # type: ignore[assignment]
    value = serializers.IntegerField(allow_null=True)
    points = serializers.IntegerField(allow_null=True)


class GradeSerializer(CodeSerializer):
    """How sure the engine is; `percent` where all that it rests on is open to you."""

    percent = serializers.IntegerField(allow_null=True)


def grade(found: presenting.Grade | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {"code": found.key, "label": str(found.label), "percent": found.percent}


class EvidenceSerializer(serializers.Serializer[Any]):
    """What speaks for a match and what against it, unmet first."""

    sides = SideSerializer(many=True)
    grade = GradeSerializer(allow_null=True)
    parts = PartSerializer(many=True)
    gap = Words(allow_blank=True)
    grid = GridRowSerializer(many=True)
    advice = serializers.SerializerMethodField()
    pairs = PairSerializer(many=True)
    terms = serializers.ListField(child=Words())

    @extend_schema_field(serializers.ListField(child=serializers.CharField()))
    def get_advice(self, shown: dict[str, Any]) -> list[str]:
        return [html.unescape(strip_tags(str(one.text))) for one in shown["advice"]]


def evidence_of(shown: dict[str, Any]) -> dict[str, Any]:
    """Return what `views.matches.evidence` found as `EvidenceSerializer` reads it."""
    return shown | {"grade": grade(shown["grade"])}


class EventSerializer(serializers.Serializer[Any]):
    """One step in the life of a match."""

    what = Words()
    who = Words()
    when = serializers.DateTimeField()
    reasons = serializers.ListField(child=Words())
    note = Words(allow_blank=True)


class OpinionSerializer(serializers.Serializer[Any]):
    """What the deciding manager wrote."""

    manager = Words()
    grade = Words(allow_blank=True)
    reasons = serializers.ListField(child=Words())
    text = Words(allow_blank=True)
    when = serializers.DateTimeField(allow_null=True)
