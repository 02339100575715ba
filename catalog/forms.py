"""The form of a listing, a step or all of it, and the small forms of its life."""

from __future__ import annotations

import copy
import datetime as dt
import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.urls import reverse
from django.utils import timezone
from django.utils.datastructures import MultiValueDict
from django.utils.translation import get_language, gettext_lazy
from django.utils.translation import gettext as _

from accounts.models import Organization
from accounts.regions import region_choices
from catalog import examples, steps
from catalog.disclosure import RULES, TIER_LABELS, clean_disclosure, tier_of
from catalog.fields import (
    ClassesField,
    DayField,
    FactDayField,
    IndustryField,
    KeywordsField,
    LongText,
    OrcidField,
    ShortText,
    TierField,
    WanField,
)
from catalog.industries import division_choices
from catalog.leaks import find_leaks
from catalog.models import (
    BODY_LIMIT,
    DETAIL_LIMIT,
    SUMMARY_LIMIT,
    TITLE_LIMIT,
    AchievementNeed,
    CooperationMode,
    Exclusivity,
    IpExpectation,
    Listing,
    ListingLanguage,
    OwnershipMode,
)
from catalog.pickers import Picker
from catalog.rows import ROW_FIELDS, RowSet

PARTNERS_LIMIT = 1000
VALID_AS_PROPOSED = 180
# The prefix of the fields that say who may read what.
TIERS = "disclosure_"
# Characters of the code of an industry's division.
DIVISION = 3

TRL_WORDS = {
    1: gettext_lazy("basic principles observed and reported"),
    2: gettext_lazy("concept and application formulated"),
    3: gettext_lazy("key function proved by experiment"),
    4: gettext_lazy("prototype validated in the laboratory"),
    5: gettext_lazy("prototype validated in a simulated environment"),
    6: gettext_lazy("pilot line or prototype demonstrated in a simulated environment"),
    7: gettext_lazy("prototype demonstrated in real operation"),
    8: gettext_lazy("complete system tested and qualified"),
    9: gettext_lazy("in stable production or use"),
}


def trl_choices() -> list[tuple[str, str]]:
    return [(str(level), f"TRL {level}　{words}") for level, words in TRL_WORDS.items()]


FUNDED = {"yes": True, "no": False}


class NeededInTheEnd(forms.Form):
    """Fields that the page does not call optional, though not every way through needs them."""

    NEEDED: ClassVar[tuple[str, ...]] = ()
    use_required_attribute = False

    def full_clean(self) -> None:
        # A step of the listing's form holds only some of them.
        needed = [self.fields[name] for name in self.NEEDED if name in self.fields]
        for field in needed:
            field.required = False
        super().full_clean()
        for field in needed:
            field.required = True


class ListingForm(NeededInTheEnd):
    """What both lists ask for, or what one step of it asks for.

    A draft may be saved half written; only its title is needed, to find it again.
    """

    owner = forms.ModelChoiceField(
        label=gettext_lazy("Organization"),
        queryset=Organization.objects.none(),
        empty_label=None,
    )
    title = ShortText(label=gettext_lazy("Title"), max_length=TITLE_LIMIT)
    summary = LongText(label=gettext_lazy("Public summary"), max_length=SUMMARY_LIMIT, rows=3)
    body = LongText(label=gettext_lazy("Description"), max_length=BODY_LIMIT, rows=10)
    process = LongText(
        label=gettext_lazy("Current process"), max_length=DETAIL_LIMIT, rows=4, required=False
    )
    tried = LongText(
        label=gettext_lazy("What was tried"), max_length=DETAIL_LIMIT, rows=4, required=False
    )
    novelty = LongText(
        label=gettext_lazy("What is new over the best alternative"),
        max_length=DETAIL_LIMIT,
        rows=4,
        required=False,
    )
    advantages = LongText(
        label=gettext_lazy("Advantages in figures"), max_length=DETAIL_LIMIT, rows=4, required=False
    )
    scenarios = LongText(
        label=gettext_lazy("Where it is used"), max_length=DETAIL_LIMIT, rows=3, required=False
    )
    keywords = KeywordsField(label=gettext_lazy("Keywords"), required=False, max_length=500)
    language = forms.ChoiceField(
        label=gettext_lazy("Language of this text"), choices=ListingLanguage.choices
    )

    trl = forms.TypedChoiceField(
        label=gettext_lazy("Technology readiness level"),
        coerce=int,
        empty_value=None,
        required=False,
    )
    trl_evidence = LongText(
        label=gettext_lazy("Evidence of the readiness level"),
        max_length=DETAIL_LIMIT,
        rows=3,
        required=False,
    )
    industry = IndustryField(label=gettext_lazy("Industry"))
    ipc = ClassesField("ipc", label=gettext_lazy("Patent classes (IPC)"))
    emerging = ClassesField("emerging", label=gettext_lazy("Strategic emerging industries"))

    ownership = forms.ChoiceField(
        label=gettext_lazy("Ownership"),
        choices=[("", gettext_lazy("Not stated")), *OwnershipMode.choices],
        required=False,
    )
    publicity_from = FactDayField(label=gettext_lazy("Publicity period from"))
    publicity_until = FactDayField(label=gettext_lazy("Publicity period until"))
    encumbrances = LongText(
        label=gettext_lazy("Encumbrances"), max_length=DETAIL_LIMIT, rows=2, required=False
    )
    lead_expert = ShortText(label=gettext_lazy("Lead expert"), max_length=80, required=False)
    orcid = OrcidField(label="ORCID", max_length=60, required=False)

    region = forms.ChoiceField(label=gettext_lazy("Region"))
    modes = forms.MultipleChoiceField(
        label=gettext_lazy("Cooperation modes"),
        choices=CooperationMode.choices,
        widget=forms.CheckboxSelectMultiple,
    )
    money_min = WanField(label=gettext_lazy("From"), required=False)
    money_max = WanField(label=gettext_lazy("To"), required=False)
    funded = forms.TypedChoiceField(
        label=gettext_lazy("Funding"),
        choices=[
            ("", gettext_lazy("Not stated")),
            ("yes", gettext_lazy("The money is approved")),
            ("no", gettext_lazy("Not approved yet")),
        ],
        coerce=FUNDED.get,
        empty_value=None,
        required=False,
    )
    deadline = FactDayField(label=gettext_lazy("Needed by"))
    exclusivity = forms.ChoiceField(
        label=gettext_lazy("Exclusivity"),
        choices=[("", gettext_lazy("Not stated")), *Exclusivity.choices],
        required=False,
    )
    ip_expectation = forms.ChoiceField(
        label=gettext_lazy("Intellectual property expected"),
        choices=[("", gettext_lazy("Not stated")), *IpExpectation.choices],
        required=False,
    )
    partners = LongText(
        label=gettext_lazy("Wished partners or experts"),
        max_length=PARTNERS_LIMIT,
        rows=2,
        required=False,
    )
    needs = forms.MultipleChoiceField(
        label=gettext_lazy("What it still needs"),
        choices=AchievementNeed.choices,
        widget=forms.CheckboxSelectMultiple,
        required=False,
    )
    valid_until = DayField(label=gettext_lazy("Valid until"))

    # Asked for at submission, by `check_complete`, in its own words.
    NEEDED = ("summary", "body", "industry", "region", "modes", "valid_until")

    def __init__(
        self,
        *args: Any,
        model: type[Listing],
        step: str,
        owners: QuerySet[Organization],
        listing: Listing | None = None,
        **kwargs: Any,
    ) -> None:
        self.model, self.listing, self.step = model, listing, step
        self.kind = model._meta.model_name or ""
        super().__init__(*args, **kwargs)
        self._offer_tiers()
        asked = steps.fields_of(self.kind, step)
        self.fields = {name: self.fields[name] for name in asked}
        self._say_what_is_asked()
        self._offer_choices(owners)

    def _offer_tiers(self) -> None:
        stored = self.listing.disclosure if self.listing is not None else {}
        for key, rule in RULES[self.kind].items():
            self.fields[f"{TIERS}{key}"] = TierField(
                label=rule.label,
                choices=[(tier.name.lower(), TIER_LABELS[tier]) for tier in rule.choices()],
                initial=tier_of(self.kind, key, stored).name.lower(),
            )

    def _say_what_is_asked(self) -> None:
        for name, hint in _hints(self.kind).items():
            if name in self.fields:
                self.fields[name].help_text = hint
        for name, example in examples.EXAMPLES[self.kind].items():
            if name in self.fields:
                self.fields[name].example = example  # type: ignore[attr-defined]
        if "title" in self.fields:
            self.fields["title"].error_messages["required"] = _("Please write a title.")

    def _offer_choices(self, owners: QuerySet[Organization]) -> None:
        owner = self.fields.get("owner")
        if isinstance(owner, forms.ModelChoiceField):
            owner.queryset = owners
            if self.listing is not None:
                del self.fields["owner"]
            elif len(owners) == 1:
                owner.widget = forms.HiddenInput()
                self.initial.setdefault("owner", owners[0].pk)

        unset = _("No requirement") if self.kind == "demand" else _("Not stated")
        blank = [("", _("Please choose"))]
        choices: dict[str, list[Any]] = {
            "industry": [*blank, *division_choices()],
            "region": [*blank, *region_choices()],
            "trl": [("", unset), *trl_choices()],
        }
        for name, offered in choices.items():
            field = self.fields.get(name)
            if isinstance(field, forms.ChoiceField):
                field.choices = offered
                if name != "trl":
                    field.widget.attrs["data-choose"] = _("Nothing found")
                if name == "industry":
                    field.widget.attrs["data-choose-from"] = reverse("class_search", args=[name])

    def offer_industries(self, picker: Picker) -> None:
        """Put what is chosen, found and suggested before the divisions."""
        field = self.fields["industry"]
        assert isinstance(field, forms.ChoiceField)
        groups = [
            (_("Chosen"), [one for one in picker.chosen if len(one.code) != DIVISION]),
            (_("Found"), picker.found),
            (_("Suggested from your text"), picker.suggested),
        ]
        field.choices = [
            ("", _("Please choose")),
            *(
                (label, [(one.code, f"{one.code} {one.name}") for one in choices])
                for label, choices in groups
                if choices
            ),
            *division_choices(),
        ]

    def clean_valid_until(self) -> dt.date | None:
        day: dt.date | None = self.cleaned_data["valid_until"]
        if day is not None and day <= timezone.localdate():
            raise ValidationError(_("Please choose a day in the future."))
        return day

    def clean_deadline(self) -> dt.date | None:
        day: dt.date | None = self.cleaned_data["deadline"]
        stored = getattr(self.listing, "deadline", None)
        # One that has passed since may stay: it does not keep anybody from changing the rest.
        if day is not None and day != stored and day <= timezone.localdate():
            raise ValidationError(_("Please choose a day in the future."))
        return day

    def clean(self) -> dict[str, Any]:
        self._in_order("money_min", "money_max", _("The upper amount is below the lower one."))
        self._in_order(
            "publicity_from",
            "publicity_until",
            _("The publicity period ends before it begins."),
        )
        return self.cleaned_data

    def _in_order(self, first: str, last: str, sentence: str) -> None:
        if first not in self.fields:
            return
        low, high = self.cleaned_data.get(first), self.cleaned_data.get(last)
        if low is not None and high is not None and low > high:
            self.add_error(last, sentence)
        if first in self.errors or last in self.errors:
            # Half of a pair would be measured against the stored other half.
            self.cleaned_data.pop(first, None)
            self.cleaned_data.pop(last, None)

    def organization(self) -> Organization:
        organization: Organization = (
            self.listing.owner if self.listing is not None else self.cleaned_data["owner"]
        )
        return organization

    def content(self) -> dict[str, Any]:
        """Return what the services store: of a form with errors, the fields that have none."""
        content = {
            name: value
            for name, value in self.cleaned_data.items()
            if name != "owner" and not name.startswith(TIERS)
        }
        tiers = {
            name.removeprefix(TIERS): value
            for name, value in self.cleaned_data.items()
            if name.startswith(TIERS) and value
        }
        if tiers:
            stored = self.listing.disclosure if self.listing is not None else {}
            content["disclosure"] = clean_disclosure(self.kind, {**stored, **tiers})
        return content

    def tiers(self) -> list[forms.BoundField]:
        return [self[name] for name in self.fields if name.startswith(TIERS)]

    def candidate(self, content: Mapping[str, Any]) -> Listing:
        """Return the listing as it would be with this content. It is not to be saved."""
        listing = copy.copy(self.listing) if self.listing is not None else self.model()
        if self.listing is None and "owner" in self.cleaned_data:
            listing.owner = self.cleaned_data["owner"]
        for name, value in content.items():
            setattr(listing, name, value)
        return listing


def _hints(kind: str) -> dict[str, str]:
    common = {
        "summary": _("Everybody can read it. Two or three sentences, without names or contacts."),
        "keywords": _("Up to 10, divided by commas. Example: %(example)s")
        % {"example": _("induction hardening, slewing bearing, distortion")},
        "valid_until": _("After this day it leaves the list unless you confirm that it is true."),
        "industry": _("Where it is used. Type to search, or choose from the list."),
        "money_min": _("Leave both empty when it is negotiable."),
        "ipc": _("The technology as patent offices sort it. It finds matches that words miss."),
        "emerging": _("For programmes of the state that ask for it."),
    }
    if kind == "demand":
        return common | {
            "title": _("What is to be solved, in one line."),
            "body": _(
                "What the problem is, where it shows, what it costs you, conditions on site."
            ),
            "process": _("How it is done today: equipment, steps, figures."),
            "tried": _("And why that was not enough. It saves others from proposing it again."),
            "region": _("Where it is to be used."),
            "trl": _("The least level you can work with."),
            "deadline": _("The day by which you need a result."),
            "partners": _("Kinds of teams, or names. In the last step you choose who reads it."),
        }
    return common | {
        "title": _("What it is, in one line."),
        "body": _("How it works, what was measured and where, what is still missing."),
        "novelty": _("Name the best alternative, and what this does better."),
        "advantages": _("Figures with units, beside those of the alternative."),
        "scenarios": _("Products, processes and conditions for which it was made or tried."),
        "region": _("Where the team is."),
        "trl": _("The level that you can prove."),
        "trl_evidence": _("A test report, a pilot line, a customer: what shows this level."),
        "ownership": _("Under the rules for job-related achievements of public institutions."),
        "encumbrances": _("Licences already given, pledges, joint owners, disputes. Or: none."),
        "lead_expert": _("Shown to the other side once you are introduced."),
        "orcid": _("16 digits, such as 0000-0002-1825-0097."),
    }


def as_typed(data: MultiValueDict[str, str]) -> dict[str, Any]:
    """Return what was typed into the listing's own fields, not judged yet."""
    lists = ("modes", "needs", "ipc", "emerging")
    names = {name for name in data if name in ListingForm.base_fields or name.startswith(TIERS)}
    # Ticks that were all taken away do not arrive at all.
    names |= set(lists)
    return {name: data.getlist(name) if name in lists else data.get(name, "") for name in names}


def initial_listing(listing: Listing | None, organization: Organization | None) -> dict[str, Any]:
    """Return what a form starts with: a listing's content, or what can be guessed for a new one."""
    guessed = {
        "region": organization.region if organization else "",
        "language": "en" if (get_language() or "").startswith("en") else "zh",
        "valid_until": timezone.localdate() + dt.timedelta(days=VALID_AS_PROPOSED),
    }
    if listing is None:
        return guessed
    names = [name for name in ListingForm.base_fields if hasattr(listing, name) and name != "owner"]
    content = {name: getattr(listing, name) for name in names}
    if "funded" in content:
        words = {value: word for word, value in FUNDED.items()}
        content["funded"] = words.get(content["funded"], "")
    # A draft whose later steps have not been written yet gets the same guesses there.
    return content | {name: value for name, value in guessed.items() if not content[name]}


def read_nonce(text: str) -> str:
    """Return the hidden mark of a form, or a new one. The same mark creates one listing only."""
    return text if re.fullmatch(r"[0-9a-f]{32}", text) else uuid.uuid4().hex


@dataclass(frozen=True)
class Problem:
    """One line of the error summary. `step`: where it can be changed, if on another page."""

    target: str
    label: str
    text: str
    step: str = ""


def problems(form: ListingForm, rows: Sequence[RowSet]) -> Iterator[Problem]:
    """Yield everything to be changed on this page, in its order."""
    for text in form.non_field_errors():
        yield Problem("", "", str(text))
    sets = list(rows)
    for name in form.fields:
        while sets and _ROWS_BEFORE[sets[0].anchor] == name:
            yield from _of_rows(sets.pop(0))
        yield from _of_field(form, name)
    for left in sets:
        yield from _of_rows(left)


# The field of the page that each kind of rows stands before.
_ROWS_BEFORE = {"indicators": "trl", "ip": "ownership"}


def _of_rows(rows: RowSet) -> Iterator[Problem]:
    for text in rows.non_form_errors():
        yield Problem(rows.anchor, "", str(text))
    for number, row in enumerate(rows.forms, 1):
        if row in rows.deleted_forms:
            continue
        for name, errors in row.errors.as_data().items():
            target = row[name].id_for_label if name in row.fields else rows.anchor
            for error in errors:
                # The sentences of `clean_indicators` begin with the row themselves.
                named = "row" in (error.params or {}) and "%(row)" in str(error.message)
                label = "" if named else str(rows.one) % {"number": number}
                yield Problem(target, label, " ".join(error.messages))


def _of_field(form: ListingForm, name: str) -> Iterator[Problem]:
    bound = form[name]
    # A group of ticks has no id of its own: its first one is the place to go.
    target = bound.id_for_label or f"{bound.auto_id}_0"
    for text in bound.errors:
        yield Problem(target, str(bound.label), str(text))


def findings(listing: Listing) -> list[tuple[str, str]]:
    """Return by field of the model what forbids to submit: what is missing, what gives away."""
    found = [(name, text) for name, texts in steps.missing(listing).items() for text in texts]
    found += [(leak.field, leak.sentence()) for leak in find_leaks(listing, listing.owner)]
    order = steps.content_of(listing.kind, steps.WHOLE)
    return sorted(found, key=lambda one: order.index(one[0]))


def finding(listing: Listing, name: str, text: str, here: str) -> Problem:
    """Return a line of the summary for a field that may stand on another step than `here`."""
    on_page = name in steps.content_of(listing.kind, here)
    step = "" if on_page else steps.step_of(listing.kind, name)
    return Problem(target_of(name), label_of(listing, name), text, step)


def target_of(name: str) -> str:
    """Return the anchor of a model's field on its page."""
    if name in ROW_FIELDS.values():
        return next(prefix for prefix, field in ROW_FIELDS.items() if field == name)
    return f"id_{name}_0" if name in ("modes", "needs") else f"id_{name}"


def label_of(listing: Listing, name: str) -> str:
    field = ListingForm.base_fields.get(name)
    if field is not None:
        return str(field.label)
    rule = next(rule for rule in RULES[listing.kind].values() if name in rule.fields)
    return str(rule.label)


class ConfirmForm(forms.Form):
    """Until when a listing stays true."""

    valid_until = DayField(label=gettext_lazy("Valid until"))

    def clean_valid_until(self) -> dt.date:
        day: dt.date = self.cleaned_data["valid_until"]
        if day <= timezone.localdate():
            raise ValidationError(_("Please choose a day in the future."))
        return day
