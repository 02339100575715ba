"""Every address of the site, by app."""

from django.urls import include, path

from accounts.views.language import set_language
from config.health import healthz

urlpatterns = [
    path("healthz/", healthz, name="healthz"),
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
