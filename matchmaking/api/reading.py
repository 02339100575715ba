"""What addresses and forms bring, or why it is refused."""

from __future__ import annotations

from django import forms
from django.utils.translation import gettext as _
from rest_framework import serializers
from rest_framework.request import Request

from accounts.models import ManagerProfile
from matchmaking.forms import managers_for
from matchmaking.models import Match


def chosen(request: Request, name: str, among: tuple[str, ...]) -> str:
    """Return a value of the address's query, "" where it is not asked for; refuse any other."""
    value = request.query_params.get(name, "")
    if value and value not in among:
        raise serializers.ValidationError(
            {name: [_("Please choose one of: %(values)s.") % {"values": ", ".join(among)}]}
        )
    return value


def errors_of(form: forms.BaseForm) -> dict[str, list[str]]:
    """Return a form's sentences by field."""
    return {str(name): [str(text) for text in texts] for name, texts in form.errors.items()}


def chosen_manager(match: Match, pk: int) -> ManagerProfile:
    """Return a manager who may take the match; others are not told apart from none at all."""
    found: ManagerProfile | None = managers_for(match).filter(pk=pk).first()
    if found is None:
        raise serializers.ValidationError(
            {"to": [_("This manager cannot take the match. Please choose one of the list.")]}
        )
    return found
