"""What every template may say about the site itself."""

from django.conf import settings
from django.http import HttpRequest


def site(request: HttpRequest) -> dict[str, str]:
    """Name the site and who runs it; both are settings of the installation."""
    return {"SITE_NAME": settings.SITE_NAME, "SITE_OPERATOR": settings.SITE_OPERATOR}
