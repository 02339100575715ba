"""What search engines ask for before they read a page: /sitemap.xml and /robots.txt."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.contrib.sitemaps import Sitemap, views
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe

from accounts.public_addresses import public_address
from accounts.views.help import PAGES
from catalog.sitemaps import LISTS, ListingSitemap, PublicSitemap

# Seconds. A crawler that comes back sooner is told what it was told before.
FRESH = 3600

# Where somebody has to be logged in, or what is made for programs. The rest of a listing's
# addresses (its form, its matches) lie one step below it.
CLOSED = (
    *("/account/", "/api/", "/dashboard/", "/design/", "/files/", "/i18n/", "/manager/"),
    *("/matches/", "/my/", "/notifications/", "/no-search-mails/", "/org/", "/ops/"),
    *("/classes/", "/figures/", "/quality/", "/settings/", "/still-true/", "/workbench/"),
    *("/demands/new/", "/demands/export/", "/demands/*/*/"),
    *("/achievements/new/", "/achievements/export/", "/achievements/*/*/", "/*.pdf"),
    # A search costs a worker's time.
    "/*?*q=",
)


class PageSitemap(PublicSitemap):
    """The pages that are no listing."""

    def items(self) -> list[str]:
        names = ["home", "demand_list", "achievement_list", "manager_list", "results"]
        return [reverse(name) for name in (*names, *(f"help_{name}" for name in PAGES))]

    def location(self, item: str) -> str:
        return item


def _sections() -> dict[str, type[Sitemap[Any]] | Sitemap[Any]]:
    sections: dict[str, type[Sitemap[Any]] | Sitemap[Any]] = {"pages": PageSitemap()}
    for name in LISTS:
        sections[name] = ListingSitemap(name)
    return sections


@login_not_required
@require_safe
@cache_control(public=True, max_age=FRESH)
def sitemap_index(request: HttpRequest) -> Any:
    """List the sitemaps: of the pages, and of each list as many as it needs."""
    return views.index(request, _sections(), sitemap_url_name="sitemap_section")


@login_not_required
@require_safe
@cache_control(public=True, max_age=FRESH)
def sitemap_section(request: HttpRequest, section: str) -> Any:
    """Show one sitemap; `?p=2` is its second file."""
    return views.sitemap(request, _sections(), section=section)


@login_not_required
@require_safe
@cache_control(public=True, max_age=FRESH)
def robots(request: HttpRequest) -> HttpResponse:
    """Say what crawlers need not ask for. Who may read what is decided elsewhere."""
    lines = [
        "User-agent: *",
        *(f"Disallow: {path}" for path in CLOSED),
        "",
        f"Sitemap: {public_address(reverse('sitemap'))}",
        "",
    ]
    return HttpResponse("\n".join(lines), content_type="text/plain; charset=utf-8")
