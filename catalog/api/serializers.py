"""Listings as programs read and write them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.core.validators import RegexValidator
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import OpenApiExample, extend_schema_field, extend_schema_serializer
from rest_framework import serializers

from accounts.models import OrganizationKind
from accounts.permissions import Tier
from accounts.regions import find_region
from catalog.api.conditions import etag
from catalog.api.fields import (
    Code,
    Day,
    Indicators,
    IndicatorSerializer,
    IpItems,
    IpItemSerializer,
    Line,
    Text,
)
from catalog.classes import Scheme, class_name
from catalog.disclosure import RULES, TIER_NAMES, Hidden, shown, withheld
from catalog.fields import KEYWORD_LENGTH, KEYWORD_LIMIT, MONEY_LIMIT, DayField, FactDayField
from catalog.industries import find_industry
from catalog.models import (
    BODY_LIMIT,
    CLASS_LIMIT,
    DETAIL_LIMIT,
    SUMMARY_LIMIT,
    TITLE_LIMIT,
    AchievementNeed,
    CooperationMode,
    Exclusivity,
    IpExpectation,
    Listing,
    ListingLanguage,
    ListKind,
    OwnershipMode,
)
from catalog.workflow import ListingStatus

# What only the owner's side reads beside the content: its own key, choices and score.
INSIDE = ("external_id", "disclosure", "quality", "created_at", "submitted_at")
# Long texts that no row of a list shows.
LONG = {
    "demand": ("body", "process", "tried", "partners"),
    "achievement": (
        *("body", "novelty", "advantages", "scenarios", "trl_evidence", "encumbrances"),
        *("ip_items", "lead_expert", "orcid"),
    ),
}
TIERS = [(name, name) for name in TIER_NAMES]

_DEMAND = {
    "title": "大型轴承套圈淬火变形控制",
    "summary": "直径 2 m 以上套圈整圈淬火后变形大，求减小圆度偏差的工艺。",
    "body": "现用分段中频淬火，接头处存在软带，淬火后圆度偏差超过 1.2 mm，磨削余量大。",
    "indicators": [
        {"name": "圆度变形", "op": "le", "value": "0.35", "high": "", "unit": "mm", "hard": True}
    ],
    "industry": "C3451",
    "keywords": ["淬火", "轴承"],
    "region": "330100",
    "modes": ["license", "development"],
    "trl": 7,
    "money_max": 3_800_000,
    "valid_until": "2027-05-31",
    "ipc": ["C21D"],
    "deadline": "2027-03-31",
    "funded": True,
}
_ACHIEVEMENT = {
    "title": "双感应器同步淬火成套工艺",
    "summary": "大直径套圈整圈感应淬火，无软带，变形小。",
    "body": "双感应器相向扫描，终了处无软带。直径 3.2 m 套圈试件淬火后圆度偏差 0.30 mm。",
    "indicators": [
        {"name": "圆度偏差", "op": "le", "value": "0.30", "high": "", "unit": "mm", "hard": True}
    ],
    "industry": "C3451",
    "keywords": ["淬火", "轴承"],
    "region": "330100",
    "modes": ["license"],
    "trl": 7,
    "money_min": 3_000_000,
    "valid_until": "2027-05-31",
    "ipc": ["C21D"],
    "ownership": "unit",
    "needs": ["pilot"],
}


# --- Writing ------------------------------------------------------------------------------------


def _optional(**kwargs: Any) -> dict[str, Any]:
    return {"required": False, "allow_blank": True, **kwargs}


class _Content(serializers.Serializer[Any]):
    """What both lists hold; a draft needs a title only.

    Types and lengths are checked here, the rest by the service, as for the forms.
    """

    title = Line(max_length=TITLE_LIMIT)
    summary = Text(
        **_optional(max_length=SUMMARY_LIMIT), help_text=_("Everybody reads it: no names.")
    )
    body = Text(**_optional(max_length=BODY_LIMIT))
    indicators = Indicators(required=False)
    industry = Code(
        find=find_industry,
        **_optional(),
        help_text=_("GB/T 4754-2017, such as “C3451”, or its Chinese name."),
    )
    keywords = serializers.ListField(
        child=Line(max_length=KEYWORD_LENGTH), max_length=KEYWORD_LIMIT, required=False
    )
    region = Code(
        find=find_region,
        **_optional(),
        help_text=_("GB/T 2260, such as “330100”, or the name of a province or city."),
    )
    modes = serializers.ListField(
        child=serializers.ChoiceField(choices=CooperationMode.choices),
        max_length=len(CooperationMode),
        required=False,
    )
    trl = serializers.IntegerField(min_value=1, max_value=9, required=False, allow_null=True)
    money_min = serializers.IntegerField(
        min_value=0, max_value=MONEY_LIMIT, required=False, allow_null=True, help_text=_("In CNY.")
    )
    money_max = serializers.IntegerField(
        min_value=0, max_value=MONEY_LIMIT, required=False, allow_null=True, help_text=_("In CNY.")
    )
    valid_until = Day(form_field=lambda: DayField(required=False), required=False, allow_null=True)
    language = serializers.ChoiceField(choices=ListingLanguage.choices, required=False)
    ipc = serializers.ListField(
        child=serializers.CharField(max_length=40),
        max_length=CLASS_LIMIT,
        required=False,
        help_text=_("Subclasses of the patent classification, such as “C21D”."),
    )
    emerging = serializers.ListField(
        child=serializers.CharField(max_length=40),
        max_length=CLASS_LIMIT,
        required=False,
        help_text=_("Strategic emerging industries of 2018, such as “2.1”."),
    )
    disclosure = serializers.DictField(
        child=serializers.ChoiceField(choices=TIERS),
        required=False,
        help_text=_("Who may read which field, where it is not the usual: {“body”: “managers”}."),
    )

    def validate_keywords(self, value: list[str]) -> list[str]:
        return list(dict.fromkeys(word for word in value if word))

    def validate_modes(self, value: list[str]) -> list[str]:
        return list(dict.fromkeys(value))

    def to_internal_value(self, data: Any) -> Any:
        """Refuse what is no field: a misspelled name would silently store nothing."""
        unknown = [str(name) for name in data if name not in self.fields] if data else []
        if unknown:
            raise serializers.ValidationError(
                {name[:60]: [_("There is no such field.")] for name in unknown[:20]}
            )
        return super().to_internal_value(data)


@extend_schema_serializer(examples=[OpenApiExample("demand", _DEMAND, request_only=True)])
class DemandContentSerializer(_Content):
    """The content of a demand."""

    process = Text(**_optional(max_length=DETAIL_LIMIT))
    tried = Text(**_optional(max_length=DETAIL_LIMIT))
    deadline = Day(form_field=FactDayField, required=False, allow_null=True)
    funded = serializers.BooleanField(required=False, allow_null=True)
    exclusivity = serializers.ChoiceField(choices=Exclusivity.choices, **_optional())
    ip_expectation = serializers.ChoiceField(choices=IpExpectation.choices, **_optional())
    partners = Text(**_optional(max_length=1000))


@extend_schema_serializer(examples=[OpenApiExample("achievement", _ACHIEVEMENT, request_only=True)])
class AchievementContentSerializer(_Content):
    """The content of an achievement."""

    novelty = Text(**_optional(max_length=DETAIL_LIMIT))
    advantages = Text(**_optional(max_length=DETAIL_LIMIT))
    scenarios = Text(**_optional(max_length=DETAIL_LIMIT))
    trl_evidence = Text(**_optional(max_length=DETAIL_LIMIT))
    ip_items = IpItems(required=False)
    ownership = serializers.ChoiceField(choices=OwnershipMode.choices, **_optional())
    publicity_from = Day(form_field=FactDayField, required=False, allow_null=True)
    publicity_until = Day(form_field=FactDayField, required=False, allow_null=True)
    encumbrances = Text(**_optional(max_length=DETAIL_LIMIT))
    needs = serializers.ListField(
        child=serializers.ChoiceField(choices=AchievementNeed.choices),
        max_length=len(AchievementNeed),
        required=False,
    )
    lead_expert = Line(**_optional(max_length=80))
    orcid = serializers.CharField(**_optional(max_length=60))

    def validate_needs(self, value: list[str]) -> list[str]:
        return list(dict.fromkeys(value))


_external_id = RegexValidator(
    # What begins like this marks listings that pages and repeated requests made.
    r"^(?!(?:form|api|clone):)[^\x00-\x1f\x7f/]+$",
    _("An external id has no control character, no slash, and does not begin with “form:”."),
)


class _NewFields(serializers.Serializer[Any]):
    organization = serializers.IntegerField(
        required=False,
        min_value=1,
        max_value=2**63 - 1,
        help_text=_("Id of one of your organizations, see /me/; needed if you write for several."),
    )
    external_id = Line(
        max_length=100,
        required=False,
        validators=[_external_id],
        help_text=_("Its key in your own system: one listing for each."),
    )


@extend_schema_serializer(
    examples=[OpenApiExample("demand", {"external_id": "PLM-2048", **_DEMAND}, request_only=True)]
)
class NewDemandSerializer(_NewFields, DemandContentSerializer):
    """A demand to be stored as a draft."""


@extend_schema_serializer(
    examples=[
        OpenApiExample("achievement", {"external_id": "KY-0117", **_ACHIEVEMENT}, request_only=True)
    ]
)
class NewAchievementSerializer(_NewFields, AchievementContentSerializer):
    """An achievement to be stored as a draft."""


CONTENT: dict[str, type[_Content]] = {
    "demand": DemandContentSerializer,
    "achievement": AchievementContentSerializer,
}
NEW: dict[str, type[_Content]] = {
    "demand": NewDemandSerializer,
    "achievement": NewAchievementSerializer,
}


# --- Reading ------------------------------------------------------------------------------------


class OwnerSerializer(serializers.Serializer[Any]):
    """Who a listing is from: blind, unless its name is open to the reader."""

    description = serializers.CharField(help_text=_("Kind, part of the country, field of work."))
    kind = serializers.ChoiceField(choices=OrganizationKind.choices)
    verified = serializers.BooleanField()
    id = serializers.IntegerField(allow_null=True)
    name = serializers.CharField(allow_null=True)


class WithheldSerializer(serializers.Serializer[Any]):
    """Something that is stated and not open to the reader; its fields are null."""

    key = serializers.CharField()
    fields_ = serializers.ListField(child=serializers.CharField())
    label = serializers.CharField()  # type: ignore[assignment]
    readers = serializers.ChoiceField(choices=TIERS)
    readers_label = serializers.CharField()

    def get_fields(self) -> dict[str, Any]:
        # `fields` is the serializer's own attribute.
        found = super().get_fields()
        found["fields"] = found.pop("fields_")
        return found


def _null(field: type[Any], **kwargs: Any) -> Any:
    """Return a field that is null where its tier is above the reader's."""
    return field(allow_null=True, **kwargs)


class _Row(serializers.Serializer[Any]):
    """What a list says of one listing."""

    number = serializers.CharField()
    kind = serializers.ChoiceField(choices=ListKind.choices)
    url = serializers.SerializerMethodField(help_text=_("Its address here."))
    page = serializers.SerializerMethodField(help_text=_("Its page for people."))
    status = serializers.ChoiceField(choices=ListingStatus.choices)
    status_label = serializers.CharField(source="get_status_display")
    version = serializers.IntegerField(help_text=_("Counts what was submitted."))
    etag = serializers.SerializerMethodField(help_text=_("To be sent in If-Match."))
    title = serializers.CharField()
    summary = serializers.CharField(allow_blank=True)
    keywords = serializers.ListField(child=serializers.CharField())
    industry = serializers.CharField(allow_blank=True)
    industry_label = serializers.SerializerMethodField()
    ipc = serializers.ListField(child=serializers.CharField())
    emerging = serializers.ListField(child=serializers.CharField())
    region = serializers.CharField(allow_blank=True)
    region_label = serializers.CharField(allow_blank=True)
    modes = serializers.ListField(child=serializers.ChoiceField(choices=CooperationMode.choices))
    trl = _null(serializers.IntegerField)
    money_min = _null(serializers.IntegerField)
    money_max = _null(serializers.IntegerField)
    indicators = serializers.ListField(child=IndicatorSerializer(), allow_null=True)
    valid_until = serializers.DateField(allow_null=True)
    language = serializers.ChoiceField(choices=ListingLanguage.choices)
    published_at = serializers.DateTimeField(allow_null=True)
    confirmed_at = serializers.DateTimeField(
        allow_null=True, help_text=_("When its owner last said that it is true.")
    )
    updated_at = serializers.DateTimeField()
    owner = serializers.SerializerMethodField()

    def get_url(self, listing: Listing) -> str:
        return self._absolute(reverse(f"api_{listing.kind}_detail", args=[listing.number]))

    def get_page(self, listing: Listing) -> str:
        return self._absolute(listing.get_absolute_url())

    def get_etag(self, listing: Listing) -> str:
        return etag(listing)

    def get_industry_label(self, listing: Listing) -> str:
        return class_name(Scheme.INDUSTRY, listing.industry)

    @extend_schema_field(OwnerSerializer)
    def get_owner(self, listing: Listing) -> dict[str, Any]:
        owner, names = listing.owner, self.context.get("names", False)
        return {
            "description": owner.blind(),
            "kind": owner.kind,
            "verified": owner.is_verified,
            "id": owner.pk if names else None,
            "name": owner.name if names else None,
        }

    def _absolute(self, path: str) -> str:
        request = self.context.get("request")
        return request.build_absolute_uri(path) if request is not None else path

    def to_representation(self, instance: Any) -> dict[str, Any]:
        """Answer what the reader may know: `tier` and `names` of the context say how far."""
        tier, names = self.context.get("tier", Tier.PUBLIC), self.context.get("names", False)
        kind = instance.kind
        data = super().to_representation(shown(instance, tier, names=names))
        for name in withheld(kind, instance.disclosure, tier, names=names):
            if name in data:
                data[name] = None
        return data


class _Whole(_Row):
    """Everything of one listing that the reader may know."""

    body = _null(serializers.CharField, allow_blank=True)
    withheld = serializers.SerializerMethodField()
    more_when_introduced = serializers.SerializerMethodField(
        help_text=_("There is something that only an introduction shows.")
    )
    yours = serializers.SerializerMethodField(help_text=_("You are of the owner's side."))
    external_id = serializers.CharField(
        allow_null=True, allow_blank=True, help_text=_("For the owner's side, like what follows.")
    )
    disclosure = serializers.DictField(
        child=serializers.ChoiceField(choices=TIERS), allow_null=True
    )
    quality = serializers.IntegerField(allow_null=True, min_value=0, max_value=100)
    created_at = serializers.DateTimeField(allow_null=True)
    submitted_at = serializers.DateTimeField(allow_null=True)

    @extend_schema_field(WithheldSerializer(many=True))
    def get_withheld(self, listing: Any) -> list[dict[str, Any]]:
        hidden: Iterable[Hidden] = listing.hidden.values()
        return [
            {
                "key": one.key,
                "fields": list(RULES[listing.kind][one.key].fields),
                "label": str(one.label),
                "readers": one.tier.name.lower(),
                "readers_label": str(one.who),
            }
            for one in hidden
            if one.is_told
        ]

    def get_more_when_introduced(self, listing: Any) -> bool:
        return any(not one.is_told for one in listing.hidden.values())

    def get_yours(self, listing: Any) -> bool:
        return bool(self.context.get("yours", False))

    def to_representation(self, instance: Any) -> dict[str, Any]:
        data = super().to_representation(instance)
        if not self.context.get("inside", False):
            data |= dict.fromkeys(INSIDE)
        return data


class _DemandRowFields(serializers.Serializer[Any]):
    deadline = _null(serializers.DateField)


class _AchievementRowFields(serializers.Serializer[Any]):
    needs = serializers.ListField(
        child=serializers.ChoiceField(choices=AchievementNeed.choices), allow_null=True
    )


class DemandRowSerializer(_DemandRowFields, _Row):
    """One demand in a list."""


class AchievementRowSerializer(_AchievementRowFields, _Row):
    """One achievement in a list."""


class DemandSerializer(_DemandRowFields, _Whole):
    """A demand, as far as the reader's tier goes."""

    process = _null(serializers.CharField, allow_blank=True)
    tried = _null(serializers.CharField, allow_blank=True)
    funded = _null(serializers.BooleanField)
    exclusivity = _null(serializers.ChoiceField, choices=Exclusivity.choices, allow_blank=True)
    ip_expectation = _null(serializers.ChoiceField, choices=IpExpectation.choices, allow_blank=True)
    partners = _null(serializers.CharField, allow_blank=True)


class AchievementSerializer(_AchievementRowFields, _Whole):
    """An achievement, as far as the reader's tier goes."""

    novelty = _null(serializers.CharField, allow_blank=True)
    advantages = _null(serializers.CharField, allow_blank=True)
    scenarios = _null(serializers.CharField, allow_blank=True)
    trl_evidence = _null(serializers.CharField, allow_blank=True)
    ip_items = serializers.ListField(child=IpItemSerializer(), allow_null=True)
    ownership = _null(serializers.ChoiceField, choices=OwnershipMode.choices, allow_blank=True)
    publicity_from = _null(serializers.DateField)
    publicity_until = _null(serializers.DateField)
    encumbrances = _null(serializers.CharField, allow_blank=True)
    lead_expert = _null(serializers.CharField, allow_blank=True)
    orcid = _null(serializers.CharField, allow_blank=True)


ROW: dict[str, type[_Row]] = {
    "demand": DemandRowSerializer,
    "achievement": AchievementRowSerializer,
}
WHOLE: dict[str, type[_Whole]] = {
    "demand": DemandSerializer,
    "achievement": AchievementSerializer,
}
