"""The form of a saved search."""

from __future__ import annotations

from django import forms
from django.utils.translation import gettext_lazy

from accounts.fields import LineField
from catalog.models import NAME_LIMIT, Alert


class SavedSearchForm(forms.Form):
    name = LineField(label=gettext_lazy("Name"), max_length=NAME_LIMIT)
    alert = forms.ChoiceField(
        label=gettext_lazy("Tell me what is new"), choices=Alert.choices, widget=forms.RadioSelect
    )
