"""Listings of the same list that mean the same, by the vectors that are stored."""

from __future__ import annotations

from pgvector.django import MaxInnerProduct

from accounts.permissions import Tier
from catalog.models import Listing
from matchmaking.models import vector_model

# Of what stands in public windows. Texts about one subject are at 0.85 to 0.93 with this encoder;
# a text and its rewording are above.
SAME = 0.96
WINDOWS = 2  # of the listing; its title and summary are the first
NEAREST = 20


def same_meaning(listing: Listing, limit: int) -> list[tuple[int, float]]:
    """Return (id, cosine) of the listings whose public text means the same, nearest first.

    Nothing is encoded: a listing without vectors, such as a new draft, has no neighbours yet.
    """
    windows = vector_model(listing.kind).objects
    own = windows.filter(listing=listing.pk, tier=Tier.PUBLIC).order_by("window")[:WINDOWS]
    best: dict[int, float] = {}
    for model, vector in own.values_list("model", "vector"):
        near = (
            windows.filter(tier=Tier.PUBLIC, model=model)
            .exclude(listing=listing.pk)
            .annotate(away=MaxInnerProduct("vector", vector))
            .order_by("away")
            .values_list("listing", "away")[:NEAREST]
        )
        for pk, away in near:
            if -away >= SAME:
                best[pk] = max(best.get(pk, 0.0), -away)
    return sorted(best.items(), key=lambda item: (-item[1], item[0]))[:limit]
