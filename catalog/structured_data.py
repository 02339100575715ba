"""A listing as schema.org says it, for search engines: what everybody reads, and no more."""

from __future__ import annotations

from typing import Any

from accounts.permissions import Tier
from accounts.public_addresses import public_address
from catalog.disclosure import shown
from catalog.indicators import display
from catalog.models import Listing

# schema.org's words for what is asked for and what is offered.
TYPES = {"demand": "Demand", "achievement": "Offer"}


def structured_data(listing: Listing) -> dict[str, Any] | None:
    """Return a live listing as a schema.org Demand or Offer, None for one that is not public.

    No organization is named: who seeks or offers is described as on the page. Amounts are CNY.
    """
    if not listing.is_live:
        return None
    public = shown(listing, Tier.PUBLIC)
    data: dict[str, Any] = {
        "@type": TYPES[public.kind],
        "@id": public_address(public.get_absolute_url()),
        "url": public_address(public.get_absolute_url()),
        "identifier": public.number,
        "name": public.title,
        "description": public.summary,
        "areaServed": public.region_label() if public.region else "",
        "availabilityStarts": public.published_at.isoformat() if public.published_at else "",
        "validThrough": public.valid_until.isoformat() if public.valid_until else "",
        "itemOffered": _without_empty(
            {
                "@type": "Service",
                "name": public.title,
                "serviceType": public.industry_label() if public.industry else "",
                "keywords": ", ".join(public.keywords),
            }
        ),
        "priceSpecification": _price(public),
    }
    if public.kind == "achievement":
        data["seller"] = {"@type": "Organization", "description": public.owner.blind()}
        data["additionalProperty"] = [
            {"@type": "PropertyValue", "name": row.name, "value": display(row)}
            for row in public.indicator_rows()
        ]
    return _without_empty(data)


def _price(listing: Listing) -> dict[str, Any]:
    if listing.money_min is None and listing.money_max is None:
        return {}
    amounts = {"minPrice": listing.money_min, "maxPrice": listing.money_max}
    known = {name: amount for name, amount in amounts.items() if amount is not None}
    return {"@type": "PriceSpecification", "priceCurrency": "CNY", **known}


def _without_empty(data: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in data.items() if value not in ("", [], {}, None)}
