"""What the steps of a listing's life take, and what is kept of them."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from catalog.api.fields import Day, Text
from catalog.fields import DayField
from catalog.workflow import EndReason, ListingDecision, ListingReason, ListingStatus

NOTE_LIMIT = 1000
ENDS = [
    (status.value, status.label)
    for status in (ListingStatus.FULFILLED, ListingStatus.TRANSFERRED, ListingStatus.CLOSED)
]


class _Noted(serializers.Serializer[Any]):
    note = Text(max_length=NOTE_LIMIT, required=False, allow_blank=True)


class WithdrawSerializer(_Noted):
    """Why a listing is taken back."""

    reason = serializers.ChoiceField(choices=EndReason.choices, required=False, allow_blank=True)


class CloseSerializer(_Noted):
    """How a published listing ended, and why."""

    status = serializers.ChoiceField(
        choices=ENDS,
        help_text=_("“fulfilled” of a demand, “transferred” of an achievement, or “closed”."),
    )
    reason = serializers.ChoiceField(
        choices=EndReason.choices,
        required=False,
        allow_blank=True,
        help_text=_("Needed for “closed”."),
    )


class ConfirmSerializer(serializers.Serializer[Any]):
    """Until when a listing stays true."""

    valid_until = Day(form_field=DayField)


class DecisionSerializer(_Noted):
    """What a reviewer says of a submitted listing."""

    decision = serializers.ChoiceField(choices=ListingDecision.choices)
    reason = serializers.ChoiceField(
        choices=ListingReason.choices,
        required=False,
        allow_blank=True,
        help_text=_("Needed unless you publish. The owner reads it."),
    )
    version = serializers.IntegerField(
        min_value=0,
        max_value=2**31 - 1,
        help_text=_("The version that you read: another one is not published unseen."),
    )
