"""What every template may say about the site itself."""

from collections.abc import Callable

from django.http import HttpRequest

from config.errors import about_site, reference


def site(request: HttpRequest) -> dict[str, str | Callable[[], str]]:
    """Name the site and who runs it, and give the request's reference to a page that refuses."""
    return {**about_site(), "reference": reference}
