"""Forms of a listing's files."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from accounts.fields import LineField
from accounts.files.inspecting import ACCEPT
from accounts.permissions import Tier
from catalog.disclosure import TIER_LABELS
from catalog.models import FILE_TITLE_LIMIT


class FileDetailsForm(forms.Form):
    """What others read of a file, who gets it, and whether its text is compared."""

    title = LineField(
        label=_("Title"),
        max_length=FILE_TITLE_LIMIT,
        help_text=_(
            "Others read this instead of the file's name, such as “Test report, 2 m ring”. Do not "
            "name yourselves."
        ),
    )
    tier = forms.TypedChoiceField(
        label=_("Who gets it"),
        coerce=lambda value: Tier(int(value)),
        choices=[(tier.value, label) for tier, label in TIER_LABELS.items()],
        initial=Tier.MANAGERS.value,
        help_text=_(
            "A letterhead names you: files for managers go only to the one who has taken a match "
            "of this listing on, and to who checks it."
        ),
    )
    joins_text = forms.BooleanField(
        label=_("Its text joins what is compared"),
        required=False,
        help_text=_(
            "For PDF and Word. It is compared for those who get the file, and no sentence of it "
            "is shown to anybody else."
        ),
    )


class FileForm(FileDetailsForm):
    """A new file. What is in it is checked when it is stored."""

    file = forms.FileField(
        label=_("File"),
        allow_empty_file=True,  # a sentence of ours says so
        widget=forms.FileInput(attrs={"accept": ACCEPT}),
        error_messages={"required": _("Please choose a file.")},
    )

    field_order = ("file", "title", "tier", "joins_text")

    def __init__(self, *args: Any, limit: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["file"].help_text = limit
