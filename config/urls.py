"""Every address of the site, by app."""

from django.urls import include, path

from accounts.views.language import set_language
from config.health import healthz
from config.search_engines import robots, sitemap_index, sitemap_section

urlpatterns = [
    path("healthz/", healthz, name="healthz"),
    path("robots.txt", robots, name="robots"),
    path("sitemap.xml", sitemap_index, name="sitemap"),
    path("sitemap-<slug:section>.xml", sitemap_section, name="sitemap_section"),
    path("i18n/setlang/", set_language, name="set_language"),
    path("account/", include("allauth.urls")),
    # The lists come last: whatever no address is for is answered there.
    path("api/v1/", include("matchmaking.api.urls")),
    path("api/v1/", include("catalog.api.urls")),
    path("", include("accounts.urls")),
    path("", include("catalog.urls")),
    path("", include("matchmaking.urls")),
]

handler400 = "config.errors.bad_request"
handler500 = "config.errors.server_error"
