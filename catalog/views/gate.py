"""The one way from an address to a listing, and what every page of a listing says of it."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import PermissionDenied
from django.http import Http404
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from accounts.models import User
from accounts.permissions import Tier
from accounts.workdays import add_working_days
from catalog.models import Achievement, Demand, Listing
from catalog.permissions import can_edit
from catalog.workflow import ListingStatus

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

MODELS: dict[str, type[Listing]] = {"demand": Demand, "achievement": Achievement}


class Words(NamedTuple):
    """What the pages call one of the two lists."""

    one: StrOrPromise
    many: StrOrPromise
    lead: StrOrPromise
    mine: StrOrPromise
    new: StrOrPromise
    edit: StrOrPromise
    money: StrOrPromise
    trl: StrOrPromise
    indicators: StrOrPromise


WORDS = {
    "demand": Words(
        one=_("demand"),
        many=pgettext_lazy("list", "Demands"),
        lead=_(
            "Technical problems that enterprises want solved. "
            "Who asks stays hidden until both sides agree to meet."
        ),
        mine=_("My demands"),
        new=_("Post a demand"),
        edit=_("Edit the demand"),
        money=_("Budget"),
        trl=_("Required TRL"),
        indicators=_("Required indicators"),
    ),
    "achievement": Words(
        one=_("achievement"),
        many=pgettext_lazy("list", "Achievements"),
        lead=_(
            "Results of universities and institutes that look for a user. "
            "Who offers stays hidden until both sides agree to meet."
        ),
        mine=_("My achievements"),
        new=_("List an achievement"),
        edit=_("Edit the achievement"),
        money=_("Price"),
        trl=_("TRL reached"),
        indicators=_("Indicators reached"),
    ),
}


def get_listing(user: User | AnonymousUser, kind: str, number: str) -> Listing:
    """Return a listing this user may know of. Every page of a listing goes through here."""
    rows = MODELS[kind].objects.by_number(number).visible_to(user).select_related("owner")
    listing: Listing | None = rows.first()
    if listing is None:
        raise Http404
    return listing


def get_own(user: User, kind: str, number: str) -> Listing:
    """Return a listing this user may write. One that they only may read is a 403."""
    listing = get_listing(user, kind, number)
    if not can_edit(user, listing):
        raise PermissionDenied(_("Only the owner and the editors of this listing can do that."))
    return listing


def read_picks(texts: Iterable[str]) -> set[int]:
    """Return the keys of ticked rows; what is no key is left out."""
    return {int(text) for text in texts if re.fullmatch(r"[0-9]{1,17}", text)}


def kind_of(number: str) -> str:
    """Return which list a number is of; an unknown prefix is as good as an unknown number."""
    for kind, model in MODELS.items():
        if number.startswith(f"{model.NUMBER_PREFIX}-"):
            return kind
    raise Http404


def answer_due(listing: Listing) -> dt.date | None:
    """Return the day by which a submitted listing is answered."""
    if listing.status != ListingStatus.SUBMITTED or listing.submitted_at is None:
        return None
    handed_in = timezone.localtime(listing.submitted_at).date()
    return add_working_days(handed_in, settings.PUBLICATION_WORKING_DAYS)


def names(kind: str) -> dict[str, Any]:
    """Return the addresses and words of one list for its templates."""
    plural = "demands" if kind == "demand" else "achievements"
    return {
        "kind": kind,
        "words": WORDS[kind],
        "list_url": f"{kind}_list",
        "detail_url": f"{kind}_detail",
        "new_url": f"{kind}_new",
        "edit_url": f"{kind}_edit",
        "step_url": f"{kind}_step",
        "new_whole_url": f"{kind}_new_whole",
        "preview_url": f"{kind}_preview",
        "clone_url": f"{kind}_clone",
        "withdraw_url": f"{kind}_withdraw",
        "close_url": f"{kind}_close",
        "appeal_url": f"{kind}_appeal",
        "confirm_url": f"{kind}_confirm",
        "matches_url": f"{kind}_matches",
        "my_url": f"my_{plural}",
        "bulk_url": f"my_{plural}_bulk",
        "revisions_url": f"{kind}_revisions",
        "suspend_url": f"{kind}_suspend",
        "resume_url": f"{kind}_resume",
    }


# Those through whose eyes its own side may look at a listing.
READERS: dict[Tier, StrOrPromise] = {
    Tier.PUBLIC: pgettext_lazy("preview", "a visitor"),
    Tier.MEMBERS: pgettext_lazy("preview", "a member"),
    Tier.MANAGERS: pgettext_lazy("preview", "a technology manager"),
    Tier.INTRODUCED: pgettext_lazy("preview", "the other side, once introduced"),
}


def previews(here: Tier | None = None) -> list[tuple[str, StrOrPromise, bool]]:
    """Return whom to look at a listing as: their name in the address, label, if it is `here`."""
    return [(tier.name.lower(), label, tier == here) for tier, label in READERS.items()]
