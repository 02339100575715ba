"""Listings of the same list that mean the same, by the vectors that are stored."""

from __future__ import annotations

from accounts.permissions import Tier
from catalog.models import Listing
from matchmaking.models import EmbeddingModel
from matchmaking.retrieval.vectors import Where, vector_index

# Of what stands in public windows. Texts about one subject are at 0.85 to 0.93 with this encoder;
# a text and its rewording are above.
SAME = 0.96
WINDOWS = 2  # of the listing; its title and summary are the first
NEAREST = 20


def same_meaning(listing: Listing, limit: int) -> list[tuple[int, float]]:
    """Return (id, cosine) of the listings whose public text means the same, nearest first.

    Nothing is encoded: a listing without vectors, such as a new draft, has no neighbours yet.
    """
    model = EmbeddingModel.objects.current()
    if model is None:
        return []
    index, public = vector_index(listing.kind, model.pk), Where(tier=Tier.PUBLIC)
    best: dict[int, float] = {}
    for vector in index.fetch([listing.pk], public).vectors[:WINDOWS]:
        for pk, cosine in index.search(vector, NEAREST + 1, public):
            if cosine >= SAME and pk != listing.pk:
                best[pk] = max(best.get(pk, 0.0), cosine)
    return sorted(best.items(), key=lambda item: (-item[1], item[0]))[:limit]
