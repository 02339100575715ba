"""What may be told of an owner who stays blind: how much is published, and how fresh it is."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from django.db.models import Count, Max
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from catalog.models import Achievement, Demand, Listing

# Up to the first exactly. “1,347 listings” would be a name: only one university has so many.
_STEPS = (10, 20, 50, 100, 500, 1000)


@dataclass(frozen=True)
class OwnerFacts:
    published: int
    # When the owner last said of any of them that it is true.
    confirmed_at: dt.datetime | None

    def count(self) -> str:
        """Return the number of published listings in words."""
        if self.published <= _STEPS[0]:
            return ngettext(
                "%(count)d published listing", "%(count)d published listings", self.published
            ) % {"count": self.published}
        step = max(step for step in _STEPS if step < self.published)
        return _("more than %(count)s published listings") % {"count": f"{step:,}"}


def owner_facts(listing: Listing) -> OwnerFacts:
    """Count what the owner of a listing has on both lists now. Two queries."""
    published, confirmed = 0, list[dt.datetime]()
    for model in (Demand, Achievement):
        row = (
            model.objects.live()
            .filter(owner=listing.owner_id)
            .order_by()
            .aggregate(count=Count("pk"), last=Max("confirmed_at"))
        )
        published += row["count"]
        if row["last"] is not None:
            confirmed.append(row["last"])
    return OwnerFacts(published, max(confirmed, default=None))
