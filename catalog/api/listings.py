"""The two lists: found, read, written, and taken through their life."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any, cast

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from rest_framework import exceptions, serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.exceptions import Exists
from accounts.api.pages import (
    AFTER,
    BEFORE,
    SIZE,
    NextSerializer,
    address,
    newest_first,
    page_of,
    page_size,
)
from accounts.api.permissions import AnybodyReads, SignedIn
from accounts.api.schema import IDEMPOTENCY_KEY, IF_MATCH, IF_MATCH_OPTIONAL, Operation, query
from accounts.models import Membership, Organization
from accounts.permissions import Tier, reader_tier, writable_organizations
from accounts.views.limits import WINDOW_SECONDS, too_often
from catalog.api.serializers import CONTENT, LONG, NEW, ROW, WHOLE
from catalog.api.steps import (
    CloseSerializer,
    ConfirmSerializer,
    DecisionSerializer,
    ListingAppealSerializer,
    WithdrawSerializer,
)
from catalog.api.views import OfListing
from catalog.facets import FACETS, Filters, sorts
from catalog.listing_pages import Catalogue
from catalog.models import CONTENT_FIELDS, Listing
from catalog.permissions import can_decide
from catalog.services import deciding, publishing
from catalog.views.gate import MODELS
from catalog.workflow import ListingStatus

# What stands before the mark of a request that may be repeated, as the key in the owner's system.
REPEATED = "api:"
KEY_LIMIT = 200

FILTERS = (
    query("q", gettext_lazy("Words, by meaning: “induction hardening without a soft zone”.")),
    query(
        "sort",
        gettext_lazy("The order. Without it: best first where words are asked, else newest."),
        enum=sorts(True),
    ),
    *(
        query(
            facet,
            gettext_lazy("Values of this facet, see /facets/. Several widen each other."),
            many=facet not in ("trl", "fresh"),
        )
        for facet in FACETS
    ),
)


class FoundSerializer(NextSerializer):
    """A page of what was found."""

    count = serializers.IntegerField(help_text=gettext_lazy("Of all pages together."))
    order = serializers.CharField()
    by_meaning = serializers.BooleanField(
        help_text=gettext_lazy("The words were understood, not only looked for.")
    )
    previous = serializers.CharField(allow_null=True)


class FinerSerializer(serializers.Serializer[Any]):
    """A value of a facet, and how many rows it would leave."""

    value = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]
    count = serializers.IntegerField()
    at_least = serializers.BooleanField(
        help_text=gettext_lazy("The search did not look at all there is: there may be more.")
    )
    chosen = serializers.BooleanField()


class OptionSerializer(FinerSerializer):
    """A value of a facet; `finer` are the classes within a chosen one."""

    finer = FinerSerializer(many=True)


class FacetSerializer(serializers.Serializer[Any]):
    """One way to narrow the list."""

    name = serializers.CharField()
    legend = serializers.CharField()
    single = serializers.BooleanField(help_text=gettext_lazy("At most one value can be chosen."))
    options = OptionSerializer(many=True)


class FacetsSerializer(serializers.Serializer[Any]):
    """Every facet under the filters of the address."""

    count = serializers.IntegerField()
    facets = FacetSerializer(many=True)


_WHOLE = {200: WHOLE}
_STEP = (404, 409, 412)


class ListingViewSet(OfListing):
    """One of the two lists."""

    operations = {
        "list": Operation(
            gettext_lazy("Search and filter"),
            gettext_lazy(
                "What is published, as the list page shows it: under filters, in an order, and by "
                "words. Each reader sees as much of a row as their tier allows."
            ),
            {200: {kind: page_of(row, FoundSerializer) for kind, row in ROW.items()}},
            parameters=(*FILTERS, SIZE, AFTER, BEFORE),
        ),
        "facets": Operation(
            gettext_lazy("Count by facets"),
            gettext_lazy(
                "How many rows each value of each facet would leave, under all the other filters."
            ),
            {200: FacetsSerializer},
            parameters=FILTERS,
        ),
        "mine": Operation(
            gettext_lazy("Listings of one's own"),
            gettext_lazy("What your organizations have written, in every status, newest first."),
            {200: {kind: page_of(row) for kind, row in ROW.items()}},
            parameters=(
                query(
                    "status",
                    gettext_lazy("Only those in this status."),
                    enum=ListingStatus.values,
                ),
                SIZE,
                AFTER,
            ),
        ),
        "retrieve": Operation(
            gettext_lazy("Read one"),
            gettext_lazy(
                "One listing as far as your tier goes: what stays closed is null and named in "
                "“withheld”. The owner is described, not named. The ETag is for If-Match."
            ),
            _WHOLE,
        ),
        "create": Operation(
            gettext_lazy("Create a draft"),
            gettext_lazy(
                "A draft needs a title and an organization of yours. Sent again with the same "
                "Idempotency-Key it answers with the first one; an external_id is taken once."
            ),
            {201: WHOLE, 200: WHOLE},
            request=NEW,
            parameters=(IDEMPOTENCY_KEY,),
            problems=(409,),
        ),
        "update": Operation(
            gettext_lazy("Replace the content of a draft"),
            gettext_lazy(
                "Stores the whole content; what is not sent becomes empty. For drafts and listings "
                "that need information. A published one is changed by submitting it with its new "
                "content."
            ),
            _WHOLE,
            request=CONTENT,
            parameters=(IF_MATCH,),
            problems=(*_STEP, 428),
        ),
        "partial_update": Operation(
            gettext_lazy("Change a draft"),
            gettext_lazy(
                "Stores the fields that are sent. For drafts and listings that need information."
            ),
            _WHOLE,
            request=CONTENT,
            parameters=(IF_MATCH,),
            problems=(*_STEP, 428),
        ),
        "submit": Operation(
            gettext_lazy("Submit for review"),
            gettext_lazy(
                "Hands a listing in as a new version, with changes if the body has any: then "
                "If-Match is needed. A published listing is reviewed again only if its content "
                "changes; another last day or other tiers take effect at once."
            ),
            _WHOLE,
            request=CONTENT,
            parameters=(IF_MATCH_OPTIONAL,),
            problems=(*_STEP, 428),
        ),
        "withdraw": Operation(
            gettext_lazy("Withdraw"),
            gettext_lazy("Takes a listing back for good. It leaves the list and the search."),
            _WHOLE,
            request=WithdrawSerializer,
            parameters=(IF_MATCH_OPTIONAL,),
            problems=_STEP,
        ),
        "close": Operation(
            gettext_lazy("Close"),
            gettext_lazy("Ends a published listing with its result."),
            _WHOLE,
            request=CloseSerializer,
            parameters=(IF_MATCH_OPTIONAL,),
            problems=_STEP,
        ),
        "confirm": Operation(
            gettext_lazy("Confirm that it is still true"),
            gettext_lazy("Keeps a published or expired listing on the list until another day."),
            _WHOLE,
            request=ConfirmSerializer,
            parameters=(IF_MATCH_OPTIONAL,),
            problems=_STEP,
        ),
        "clone": Operation(
            gettext_lazy("Copy as a new draft"),
            gettext_lazy(
                "Makes a draft with the content of a listing of yours. Its key in your system and "
                "days that have passed stay behind."
            ),
            {201: WHOLE},
            problems=(404,),
        ),
        "appeal": Operation(
            gettext_lazy("Object to a rejection"),
            gettext_lazy(
                "Once, within ten working days: somebody else looks at the same version again, and "
                "that decision is final."
            ),
            _WHOLE,
            request=ListingAppealSerializer,
            parameters=(IF_MATCH_OPTIONAL,),
            problems=_STEP,
        ),
        "decide": Operation(
            gettext_lazy("Decide on a submitted listing"),
            gettext_lazy(
                "For certified technology managers and operators who have no tie to the owner: "
                "publish it, ask for more, or reject it."
            ),
            _WHOLE,
            request=DecisionSerializer,
            problems=_STEP,
        ),
        "by_external_id": Operation(
            gettext_lazy("Read one by its key in your system"),
            gettext_lazy("Like reading one by its number."),
            _WHOLE,
            parameters=(
                query(
                    "organization", gettext_lazy("Id of your organization, if you have several.")
                ),
            ),
        ),
        "put_by_external_id": Operation(
            gettext_lazy("Create or replace one by its key in your system"),
            gettext_lazy(
                "Stores a draft under the key, or replaces the content of the one that is there; "
                "sent twice it changes nothing. If-Match is optional here: the system that owns "
                "the key is right, as in an import."
            ),
            {200: WHOLE, 201: WHOLE},
            request=CONTENT,
            parameters=(
                query(
                    "organization", gettext_lazy("Id of your organization, if you have several.")
                ),
                IF_MATCH_OPTIONAL,
            ),
            problems=_STEP,
        ),
    }

    def get_permissions(self) -> list[Any]:
        private = ("mine", "by_external_id")
        return [SignedIn()] if self.action in private else [AnybodyReads()]

    # --- Finding --------------------------------------------------------------------------------

    def list(self, request: Request) -> Response:
        catalogue = self._catalogue(request)
        parameters = request.query_params
        page = catalogue.page(
            after=parameters.get("after", ""),
            before=parameters.get("before", ""),
            size=page_size(request),
        )
        found = catalogue.found
        return Response(
            {
                "count": page.count,
                "order": catalogue.filters.order,
                "by_meaning": found is not None and found.by_meaning,
                "next": address(request, after=page.after),
                "previous": address(request, before=page.before),
                "results": self._rows(page.rows, catalogue.tier),
            }
        )

    def facets(self, request: Request) -> Response:
        catalogue = self._catalogue(request)
        body = {"count": catalogue.count, "facets": catalogue.facets}
        return Response(FacetsSerializer(body).data)

    def _catalogue(self, request: Request) -> Catalogue:
        filters = Filters.read(self.kind, request.query_params)
        allowed = settings.SEARCHES_PER_MINUTE
        if filters.words and too_often(
            cast(Any, request), "search", visitor=allowed, person=3 * allowed
        ):
            raise exceptions.Throttled(wait=WINDOW_SECONDS)
        return Catalogue(filters, reader_tier(request.user))

    def mine(self, request: Request) -> Response:
        rows = MODELS[self.kind].objects.owned_by(self.user).select_related("owner")
        status = request.query_params.get("status", "")
        if status:
            if status not in ListingStatus.values:
                raise serializers.ValidationError({"status": [_("There is no such status.")]})
            rows = rows.filter(status=status)
        shown, following = newest_first(request, rows.defer(*LONG[self.kind]))
        return Response(
            {"next": following, "results": self._rows(shown, Tier.INTRODUCED, names=True)}
        )

    def _rows(self, rows: Iterable[Any], tier: Tier, *, names: bool = False) -> Any:
        context = {"request": self.request, "tier": tier, "names": names}
        return ROW[self.kind](rows, many=True, context=context).data

    def retrieve(self, request: Request, number: str) -> Response:
        return self.answer(self.found(number))

    # --- Writing --------------------------------------------------------------------------------

    def create(self, request: Request) -> Response:
        self._check_writes()
        data = self.read(NEW[self.kind])
        owner = self._writes_for(data.pop("organization", None))
        external_id = data.pop("external_id", "")
        repeated = _repeated(request)
        mark = external_id or repeated
        written = self._written(owner, mark) if repeated else None
        if written is not None:
            return self.answer(written)
        try:
            listing = self._create(owner, data, mark)
        except IntegrityError:
            # The other one of two that were sent at once.
            written = self._written(owner, mark)
            if written is None:
                raise
            if repeated:
                return self.answer(written)
            raise Exists(
                _("Your organization has a listing with this external id already: %(number)s.")
                % {"number": written.number}
            ) from None
        return self.answer(listing, 201)

    @transaction.atomic
    def _create(self, owner: Organization, content: Mapping[str, Any], mark: str) -> Listing:
        return publishing.create_draft(
            model=MODELS[self.kind],
            owner=owner,
            actor=self.user,
            content=content,
            external_id=mark,
        )

    def _writes_for(self, organization: int | None) -> Organization:
        """Return the organization in whose name a new listing is written."""
        owners = writable_organizations(self.user)
        if organization is not None:
            owner = owners.filter(pk=organization).first()
            if owner is None:
                raise serializers.ValidationError(
                    {"organization": [_("This is no organization that you write for.")]}
                )
            return owner
        found = list(owners.order_by("pk")[:2])
        if len(found) > 1:
            raise serializers.ValidationError(
                {"organization": [_("You write for several organizations. Please name one.")]}
            )
        return found[0]

    def _check_writes(self) -> None:
        """Say it first to those who write for nobody, whatever they send."""
        if writable_organizations(self.user).exists():
            return
        if Membership.objects.active().filter(user=self.user).exists():
            raise PermissionDenied(
                _("Your role in your organization is to read. Ask its owner to let you write.")
            )
        raise PermissionDenied(
            _("A listing belongs to an organization. Register yours, or ask to join it.")
        )

    def _written(self, owner: Organization, mark: str) -> Listing | None:
        rows = MODELS[self.kind].objects.filter(owner=owner, external_id=mark)
        found: Listing | None = rows.select_related("owner").first()
        return found

    def update(self, request: Request, number: str) -> Response:
        return self._save(self.own(number), self._whole_content())

    def partial_update(self, request: Request, number: str) -> Response:
        return self._save(self.own(number), self.read(CONTENT[self.kind], partial=True))

    def _whole_content(self) -> dict[str, Any]:
        """Return the body as a whole content: what was not sent is empty."""
        model = MODELS[self.kind]
        names = (*CONTENT_FIELDS[self.kind], "valid_until")
        empty = {name: model._meta.get_field(name).get_default() for name in names}  # type: ignore[union-attr]
        return empty | self.read(CONTENT[self.kind])

    def _save(
        self, listing: Listing, content: Mapping[str, Any], *, if_match: bool = True
    ) -> Response:
        with self.held(listing, if_match=if_match) as held:
            saved = publishing.save_draft(listing=held, actor=self.user, content=content)
        return self.answer(saved)

    def by_external_id(self, request: Request, external_id: str) -> Response:
        organization = _organization(request)
        self._check_external_id(external_id)
        rows = MODELS[self.kind].objects.owned_by(self.user).filter(external_id=external_id)
        if organization is not None:
            rows = rows.filter(owner=organization)
        found = list(rows.select_related("owner")[:2])
        if not found:
            raise exceptions.NotFound
        if len(found) > 1:
            raise serializers.ValidationError(
                {"organization": [_("Several of your organizations have this id. Name one.")]}
            )
        return self.answer(found[0])

    def put_by_external_id(self, request: Request, external_id: str) -> Response:
        self._check_writes()
        self._check_external_id(external_id)
        content = self._whole_content()
        owner = self._writes_for(_organization(request))
        listing = self._written(owner, external_id)
        if listing is None:
            if request.headers.get("If-Match"):
                raise exceptions.NotFound
            try:
                return self.answer(self._create(owner, content, external_id), 201)
            except IntegrityError:
                listing = self._written(owner, external_id)
                if listing is None:
                    raise
        return self._save(listing, content, if_match=False)

    def _check_external_id(self, external_id: str) -> None:
        reader = NEW[self.kind](data={"title": "-", "external_id": external_id})
        reader.is_valid(raise_exception=True)

    # --- Its life -------------------------------------------------------------------------------

    def submit(self, request: Request, number: str) -> Response:
        listing = self.own(number)
        content = self.read(CONTENT[self.kind], partial=True)
        with self.held(listing, if_match=bool(content)) as held:
            done = publishing.submit(listing=held, actor=self.user, content=content)
        return self.answer(done)

    def withdraw(self, request: Request, number: str) -> Response:
        listing = self.own(number)
        data = self.read(WithdrawSerializer)
        with self.held(listing, if_match=False) as held:
            done = publishing.withdraw(listing=held, actor=self.user, **data)
        return self.answer(done)

    def close(self, request: Request, number: str) -> Response:
        listing = self.own(number)
        data = self.read(CloseSerializer)
        with self.held(listing, if_match=False) as held:
            done = publishing.close(listing=held, actor=self.user, **data)
        return self.answer(done)

    def confirm(self, request: Request, number: str) -> Response:
        listing = self.own(number)
        data = self.read(ConfirmSerializer)
        with self.held(listing, if_match=False) as held:
            done = publishing.confirm_valid(listing=held, actor=self.user, **data)
        return self.answer(done)

    def clone(self, request: Request, number: str) -> Response:
        return self.answer(publishing.clone(listing=self.own(number), actor=self.user), 201)

    def appeal(self, request: Request, number: str) -> Response:
        listing = self.own(number)
        data = self.read(ListingAppealSerializer)
        with self.held(listing, if_match=False) as held:
            done = deciding.appeal(listing=held, actor=self.user, **data)
        return self.answer(done)

    def decide(self, request: Request, number: str) -> Response:
        listing = self.found(number)
        if not can_decide(self.user, listing):
            raise PermissionDenied(
                _("Certified technology managers and operators of no side decide on listings.")
            )
        data = self.read(DecisionSerializer)
        done = deciding.decide(listing=listing, actor=self.user, **data)
        return self.answer(done)


class DemandViewSet(ListingViewSet):
    """Demands: what enterprises want solved."""

    kind = tag = "demand"


class AchievementViewSet(ListingViewSet):
    """Achievements: what universities and institutes offer."""

    kind = tag = "achievement"


VIEWSETS: dict[str, type[ListingViewSet]] = {
    "demand": DemandViewSet,
    "achievement": AchievementViewSet,
}


def _repeated(request: Request) -> str:
    """Return the mark of a request that its sender may repeat, "" where they did not say so."""
    key = request.headers.get("Idempotency-Key", "")
    if len(key) > KEY_LIMIT:
        raise exceptions.ParseError(
            _("An Idempotency-Key has at most %(limit)d characters.") % {"limit": KEY_LIMIT}
        )
    # What is sent need not fit the column, and need not be readable in an export.
    return f"{REPEATED}{hashlib.sha256(key.encode()).hexdigest()[:40]}" if key else ""


def _organization(request: Request) -> int | None:
    text = request.query_params.get("organization", "")
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise serializers.ValidationError({"organization": [_("Please write its id.")]})
    return int(text)
