"""What the steps of a listing's life take, and what is kept of them."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from catalog.api.fields import Day, Text
from catalog.fields import DayField
from catalog.models import APPEAL_LIMIT
from catalog.services.deciding import APPEAL_LEAST
from catalog.workflow import EndReason, ListingDecision, ListingStatus

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


class ListingAppealSerializer(serializers.Serializer[Any]):
    """What an owner says against the rejection of a listing."""

    text = Text(min_length=APPEAL_LEAST, max_length=APPEAL_LIMIT)


class DecisionSerializer(_Noted):
    """What a reviewer says of a submitted listing."""

    decision = serializers.ChoiceField(choices=ListingDecision.choices)
    reason = serializers.CharField(
        max_length=24,
        required=False,
        allow_blank=True,
        help_text=_(
            "A code of the list of reasons, such as “vague”. Needed unless you publish. The owner "
            "reads it."
        ),
    )
    questions = serializers.DictField(
        child=Text(allow_blank=True),
        required=False,
        help_text=_(
            "What you ask or remark, by field of the list's form, 300 characters each. The owner "
            "reads them."
        ),
    )
    criteria = serializers.DictField(
        child=serializers.IntegerField(),
        required=False,
        help_text=_("0 to 5 points for maturity, terms, credibility. Operators read them."),
    )
    no_interest = serializers.BooleanField(
        help_text=_("You state that you have no interest in the organization that wrote it.")
    )
    version = serializers.IntegerField(
        min_value=0,
        max_value=2**31 - 1,
        help_text=_("The version that you read: another one is not published unseen."),
    )
