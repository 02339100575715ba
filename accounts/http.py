"""Requests whose user is known, for views behind the log-in."""

from django.http import HttpRequest
from django_htmx.middleware import HtmxDetails

from accounts.models import User


class UserRequest(HttpRequest):
    """A request behind `LoginRequiredMiddleware`."""

    user: User
    htmx: HtmxDetails


class PageRequest(HttpRequest):
    """A request to a public page: the user may be anonymous."""

    htmx: HtmxDetails
