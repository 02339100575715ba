"""What every view of the two lists shares."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.utils.translation import gettext as _
from rest_framework import exceptions
from rest_framework.response import Response

from accounts.api.exceptions import Conflict
from accounts.api.problems import explain
from accounts.api.views import View
from accounts.permissions import is_operator
from catalog.api.conditions import check_unchanged, etag
from catalog.api.serializers import WHOLE
from catalog.looking import note_look
from catalog.models import Listing
from catalog.permissions import belongs_to_owner, can_edit, listing_tier, may_see_owner
from catalog.services.deciding import JudgedBefore
from catalog.services.moving import OwnSide
from catalog.views.gate import MODELS, get_listing
from catalog.workflow import IllegalMove

explain(IllegalMove, lambda error: Conflict(str(error)))
explain(
    OwnSide,
    lambda error: exceptions.PermissionDenied(
        _("You belong to the side that wrote this listing."), code="own_side"
    ),
)
explain(
    JudgedBefore,
    lambda error: exceptions.PermissionDenied(
        _("You rejected this listing; somebody else looks at what its owner objects."),
        code="judged_before",
    ),
)


class OfListing(View):
    """Operations on the listings of one of the two lists."""

    kind = ""

    def found(self, number: str) -> Listing:
        """Return a listing that the reader may know of, or raise 404."""
        return get_listing(self.user, self.kind, number)

    def own(self, number: str) -> Listing:
        """Return a listing that the reader may write. One they only may read is a 403."""
        listing = self.found(number)
        if not can_edit(self.user, listing):
            raise PermissionDenied(_("Only the owner and the editors of this listing can do that."))
        return listing

    @contextmanager
    def held(self, listing: Listing, *, if_match: bool) -> Iterator[Listing]:
        """Lock a listing that is still what the request's If-Match says."""
        with transaction.atomic():
            locked: Listing = MODELS[self.kind].objects.select_for_update().get(pk=listing.pk)
            check_unchanged(self.request, locked, required=if_match)
            yield locked

    def answer(self, listing: Listing, status: int = 200) -> Response:
        """Return one listing, as far as the reader's tier goes, under its ETag."""
        yours = belongs_to_owner(self.user, listing)
        tier, names = listing_tier(self.user, listing), may_see_owner(self.user, listing)
        context = {
            "request": self.request,
            "tier": tier,
            "names": names,
            "inside": yours or is_operator(self.user),
            "yours": yours,
        }
        note_look(self.user, listing, tier, names=names)
        body = WHOLE[self.kind](listing, context=context).data
        response = Response(body, status=status, headers={"ETag": etag(listing)})
        if status == 201:
            response["Location"] = body["url"]
        return response
