"""What each reader gets of somebody's listing, from its draft to the introduction.

The help page shows this as a table. Which field belongs to which tier is `catalog.disclosure`'s;
that the steps below are what the permissions really grant is tests/matchmaking/
test_disclosure_steps.py's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _
from django_stubs_ext import StrOrPromise

from accounts.permissions import Tier


class Reader(TextChoices):
    EVERYBODY = "everybody", _("Everybody")
    MEMBER = "member", _("Members of verified organizations")
    OTHER = "other", _("The other side of the match")
    MANAGER = "manager", _("Its technology manager")


@dataclass(frozen=True)
class Sees:
    """The fields up to `tier` (None: nothing), whether the owner's name, whether the contacts."""

    tier: Tier | None
    name: bool = False
    contacts: bool = False

    @property
    def fields(self) -> StrOrPromise:
        return _FIELDS[self.tier]


_FIELDS: Mapping[Tier | None, StrOrPromise] = {
    None: _("nothing"),
    Tier.PUBLIC: _("what is public"),
    Tier.MEMBERS: _("what members may read"),
    Tier.MANAGERS: _("what managers may read"),
    Tier.INTRODUCED: _("every field"),
}


@dataclass(frozen=True)
class Step:
    key: str
    label: StrOrPromise
    sees: Mapping[Reader, Sees]

    @property
    def cells(self) -> list[tuple[Reader, Sees]]:
        return [(reader, self.sees[reader]) for reader in Reader]


_NOTHING = Sees(None)
_ON_THE_LIST = {Reader.EVERYBODY: Sees(Tier.PUBLIC), Reader.MEMBER: Sees(Tier.MEMBERS)}
_BLIND = {**_ON_THE_LIST, Reader.OTHER: Sees(Tier.MEMBERS), Reader.MANAGER: Sees(Tier.MANAGERS)}

STEPS = (
    Step("draft", _("You write it"), dict.fromkeys(Reader, _NOTHING)),
    Step(
        "submitted",
        _("It is checked before publication"),
        {**dict.fromkeys(Reader, _NOTHING), Reader.MANAGER: Sees(Tier.MANAGERS, name=True)},
    ),
    Step("suggested", _("It is published, and matches are found"), _BLIND),
    Step(
        "accepted",
        _("A manager takes on a match"),
        {**_BLIND, Reader.MANAGER: Sees(Tier.MANAGERS, name=True)},
    ),
    Step(
        "approved",
        _("The manager approves, both sides are asked"),
        {**_BLIND, Reader.MANAGER: Sees(Tier.MANAGERS, name=True)},
    ),
    Step(
        "introduced",
        _("Both sides have said yes"),
        {
            **_ON_THE_LIST,
            Reader.OTHER: Sees(Tier.INTRODUCED, name=True, contacts=True),
            Reader.MANAGER: Sees(Tier.MANAGERS, name=True, contacts=True),
        },
    ),
    Step(
        "withdrawn",
        _("You withdraw it before that"),
        dict.fromkeys(Reader, _NOTHING),
    ),
)
