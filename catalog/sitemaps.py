"""What search engines may find of the two lists: live listings, each in both languages."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.contrib.sitemaps import Sitemap
from django.db.models import Max
from django.db.models.functions import Greatest

from accounts.public_addresses import TAGS, alternates, public_address
from catalog.models import Achievement, Demand, Listing

# Each listing has an entry in each language, and each entry names all its addresses.
LISTINGS_PER_FILE = 1_000


class PublicSitemap(Sitemap[Any]):
    """Entries under the site's one address, whatever host name the request came by.

    Django's own makes the languages of a page by prefixes of its path; ours are a parameter.
    """

    limit = LISTINGS_PER_FILE

    def get_urls(
        self, page: int | str = 1, site: Any = None, protocol: str | None = None
    ) -> list[dict[str, Any]]:
        """Return the entries of one file: of each page the address in each language."""
        entries = []
        for item in self.paginator.page(page).object_list:
            path = self.location(item)
            others = [{"lang_code": code, "location": url} for code, url in alternates(path)]
            entries += [
                {
                    "item": item,
                    "location": public_address(path, language),
                    "lastmod": self.changed(item),
                    "changefreq": None,
                    "priority": "",
                    "alternates": others,
                }
                for language in ("", *TAGS)
            ]
        return entries

    def changed(self, item: Any) -> dt.datetime | None:
        """Return when the page last said something new, None where nobody knows."""
        return None


class ListingSitemap(PublicSitemap):
    """The live listings of one list. A count and one query of few columns for each file."""

    def __init__(self, name: str) -> None:
        self.rows = LISTS[name]

    def items(self) -> Any:
        # By key, so that a new listing moves no other from one file to the next.
        return (
            self.rows.live().order_by("pk").only("pk", "created_at", "published_at", "confirmed_at")
        )

    def location(self, item: Listing) -> str:
        return item.get_absolute_url()

    def changed(self, item: Listing) -> dt.datetime | None:
        # Both moments are on the page; that of an edit which nobody sees is not told.
        return max((one for one in (item.published_at, item.confirmed_at) if one), default=None)

    def get_latest_lastmod(self) -> dt.datetime | None:
        # Greatest leaves out what is not known.
        found: dt.datetime | None = self.items().aggregate(
            latest=Max(Greatest("published_at", "confirmed_at"))
        )["latest"]
        return found


LISTS = {"demands": Demand.objects, "achievements": Achievement.objects}
