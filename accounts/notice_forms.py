"""How somebody wants to be told: one choice for each kind, and the hours of mails."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.utils.translation import gettext_lazy as _

from accounts.inbox import Choice
from accounts.notices import Kind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from django.forms.boundfield import BoundField

    from accounts.inbox import MailHours
    from accounts.navigation import Role

_HOURS = [(hour, f"{hour:02d}:00") for hour in range(24)]
_HOUR_FIELDS = ("quiet_from", "quiet_until", "daily_at")


def _hour(label: Any, help_text: Any = "") -> forms.TypedChoiceField:
    return forms.TypedChoiceField(label=label, help_text=help_text, choices=_HOURS, coerce=int)


class NotificationsForm(forms.Form):
    """Fields of `kinds` are named by the kind's code; a kind offers what it allows."""

    quiet_from = _hour(_("No mails at once from"))
    quiet_until = _hour(
        _("until"), _("What happens meanwhile is mailed then. The same hour twice: no pause.")
    )
    daily_at = _hour(_("Daily mail at"))

    def __init__(
        self,
        data: Any = None,
        *,
        kinds: Sequence[Kind],
        choices: Mapping[str, Choice],
        hours: MailHours,
    ) -> None:
        initial: dict[str, Any] = {name: getattr(hours, name) for name in _HOUR_FIELDS}
        super().__init__(data, initial=initial | {kind.code: choices[kind.code] for kind in kinds})
        self.kinds = kinds
        for kind in kinds:
            self.fields[kind.code] = forms.TypedChoiceField(
                label=kind.label,
                choices=[(choice.value, choice.label) for choice in kind.choices],
                coerce=Choice,
            )

    def by_role(self) -> list[tuple[Role, list[BoundField]]]:
        """Return the fields of the kinds, in the order and under the roles of the kinds."""
        found: dict[Role, list[BoundField]] = {}
        for kind in self.kinds:
            found.setdefault(kind.role, []).append(self[kind.code])
        return list(found.items())

    def hour_fields(self) -> list[BoundField]:
        return [self[name] for name in _HOUR_FIELDS]

    def chosen(self) -> dict[str, Choice]:
        return {kind.code: self.cleaned_data[kind.code] for kind in self.kinds}

    def hours(self) -> dict[str, int]:
        return {name: self.cleaned_data[name] for name in _HOUR_FIELDS}
