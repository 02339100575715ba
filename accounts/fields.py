"""Form fields whose texts are cleaned as accounts/text.py says."""

from typing import Any

from django import forms

from accounts.text import clean_line, clean_text


class LineField(forms.CharField):
    """One line. Invisible characters are refused with a sentence."""

    def to_python(self, value: Any) -> str:
        return clean_line(super().to_python(value) or "")


class TextField(forms.CharField):
    """Many lines. Invisible characters are dropped."""

    widget = forms.Textarea

    def to_python(self, value: Any) -> str:
        return clean_text(super().to_python(value) or "")
