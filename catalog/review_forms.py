"""The form in which a submitted listing is decided."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from catalog import remarks
from catalog.fields import LongText
from catalog.forms import NeededInTheEnd
from catalog.models import APPEAL_LIMIT, Listing, PublicationReview
from catalog.reasons import reasons_for
from catalog.services.deciding import APPEAL_LEAST
from catalog.workflow import HIGHEST, LOWEST, ListingDecision, PublicationCriterion

NOTE_LIMIT = 1000
QUESTION = "question_"
CRITERION = "criterion_"


class DecisionForm(NeededInTheEnd):
    """What a reviewer says of a submitted listing, whole and field by field.

    What is allowed together is for the service to say (`catalog.services.deciding.decide`); this
    reads what was typed, and puts the service's sentences at their fields.
    """

    NEEDED = ("reason",)

    decision = forms.ChoiceField(
        label=gettext_lazy("Your decision"),
        choices=ListingDecision.choices,
        widget=forms.RadioSelect,
        error_messages={"required": gettext_lazy("Please choose a decision.")},
    )
    reason = forms.ChoiceField(
        label=gettext_lazy("Reason"),
        required=False,
        help_text=gettext_lazy("Needed unless you publish. The owner reads it."),
        error_messages={"invalid_choice": gettext_lazy("Please choose a reason.")},
    )
    note = LongText(
        label=gettext_lazy("Note to the owner"),
        required=False,
        max_length=NOTE_LIMIT,
        rows=4,
        help_text=gettext_lazy(
            "Say which sentence, and what would do. Example: the hardness has no unit."
        ),
    )
    # The version that was read: another one must not be published unseen.
    version = forms.IntegerField(widget=forms.HiddenInput(), min_value=0, max_value=2**31 - 1)
    # Carried by the button that submits.
    no_interest = forms.BooleanField(required=False, widget=forms.HiddenInput())

    def __init__(self, *args: Any, listing: Listing, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.kind = listing.kind
        self.fields["reason"].choices = self._reasons()  # type: ignore[attr-defined]
        for criterion in PublicationCriterion:
            self.fields[f"{CRITERION}{criterion.value}"] = forms.TypedChoiceField(
                label=criterion.label,
                coerce=int,
                empty_value=None,
                required=False,
                choices=[("", "–"), *((n, str(n)) for n in range(LOWEST, HIGHEST + 1))],
                error_messages={
                    "invalid_choice": _("Please give %(lowest)d to %(highest)d points.")
                    % {"lowest": LOWEST, "highest": HIGHEST}
                },
            )
        for name in remarks.fields_of(self.kind):
            self.fields[f"{QUESTION}{name}"] = LongText(
                label=remarks.label(self.kind, name),
                required=False,
                max_length=remarks.REMARK_LIMIT,
                rows=2,
            )

    @staticmethod
    def _reasons() -> list[tuple[str, str]]:
        decisions = (ListingDecision.NEEDS_INFO, ListingDecision.REJECT)
        offered = {
            entry.code: entry.label
            for decision in decisions
            for entry in reasons_for("listing", decision)
        }
        return [("", _("No reason needed")), *offered.items()]

    @staticmethod
    def begin(listing: Listing, row: PublicationReview | None) -> dict[str, Any]:
        """Return what the form starts with: what an undone decision said, if there was one."""
        begun: dict[str, Any] = {"version": listing.version}
        if row is None:
            return begun
        begun |= {"decision": row.decision, "reason": row.reason, "note": row.note}
        begun |= {f"{CRITERION}{name}": points for name, points in row.criteria.items()}
        return begun | {f"{QUESTION}{name}": text for name, text in row.questions.items()}

    def clean(self) -> dict[str, Any]:
        cleaned = self.cleaned_data
        if cleaned.get("decision") == ListingDecision.PUBLISH:
            cleaned["reason"] = ""
            self.errors.pop("reason", None)
        strange = [
            name.removeprefix(QUESTION)
            for name in self.data
            if name.startswith(QUESTION) and name not in self.fields
        ]
        if strange:
            self.add_error(
                None, _("“%(name)s” is no field of this list's form.") % {"name": strange[0][:40]}
            )
        return cleaned

    def said(self) -> dict[str, Any]:
        """Return what the service takes, of a form without errors."""
        cleaned = self.cleaned_data
        return {
            **{name: cleaned[name] for name in ("decision", "reason", "note", "version")},
            "no_interest": cleaned["no_interest"],
            "questions": self._under(QUESTION),
            "criteria": self._under(CRITERION),
        }

    def _under(self, prefix: str) -> dict[str, Any]:
        return {
            name.removeprefix(prefix): value
            for name, value in self.cleaned_data.items()
            if name.startswith(prefix)
        }

    def refuse(self, error: ValidationError) -> None:
        """Put the service's sentences where they belong."""
        if not hasattr(error, "error_dict"):
            self.add_error(None, error.messages)
            return
        for name, texts in error.message_dict.items():
            self.add_error(name if name in self.fields and name != "no_interest" else None, texts)

    # --- For the page

    @property
    def criteria(self) -> list[forms.BoundField]:
        return [self[f"{CRITERION}{criterion.value}"] for criterion in PublicationCriterion]

    def beside(self) -> dict[str, Beside]:
        """Return the remarks by the part of the page that they stand beside."""
        return {
            part: Beside([self[f"{QUESTION}{name}"] for name in names])
            for part, names in remarks.parts(self.kind).items()
        }

    def rest(self, shown: Collection[str]) -> Beside:
        """Return the remarks on what stands in no part of the page that is `shown`."""
        beside = self.beside()
        always = ("facts", "indicators", "summary")
        left = [part for part in beside if part not in always and part not in shown]
        return Beside([field for part in left for field in beside[part].fields])


class Beside:
    """The remarks that can be made on one part of a listing."""

    def __init__(self, fields: list[forms.BoundField]) -> None:
        self.fields = fields

    @property
    def is_open(self) -> bool:
        """Say whether something is written or wrong there: it must not be folded away."""
        return any(field.value() or field.errors for field in self.fields)


class AppealForm(forms.Form):
    """What an owner says against the rejection of a listing."""

    use_required_attribute = False

    text = LongText(
        label=gettext_lazy("Why it should be looked at again"),
        min_length=APPEAL_LEAST,
        error_messages={
            "min_length": gettext_lazy(
                "At least %(limit_value)d characters; this has %(show_value)d."
            )
        },
        max_length=APPEAL_LIMIT,
        rows=6,
        help_text=gettext_lazy(
            "Say what was overlooked or misunderstood. Whoever looks at it next reads this."
        ),
    )
