"""How often one visitor may ask for what costs a worker's time.

allauth limits log-in, sign-up and passwords by itself; this is for pages of ours.
"""

from __future__ import annotations

import ipaddress
from http import HTTPStatus

from allauth.account.adapter import get_adapter
from django.core.cache import cache
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import render
from redis.exceptions import RedisError

from accounts.http import PageRequest, UserRequest

WINDOW_SECONDS = 60


def too_often(
    request: PageRequest | UserRequest, action: str, *, visitor: int, person: int
) -> bool:
    """Count one `action` and say whether it is one too many within a minute.

    Visitors are counted by address, people who are logged in by themselves: an office behind one
    address must not be locked out by a colleague. Without a cache nobody is refused.
    """
    user = request.user
    limit = person if user.is_authenticated else visitor
    who = f"user:{user.pk}" if user.is_authenticated else f"ip:{_network(request)}"
    key = f"limit:{action}:{who}"
    try:
        if cache.add(key, 1, WINDOW_SECONDS):
            return limit < 1
        return int(cache.incr(key)) > limit
    except ValueError:  # it ran out between the two calls
        return False
    except (RedisError, OSError):
        return False


def _network(request: PageRequest | UserRequest) -> str:
    """Return the visitor's address; of IPv6 the network, of which one person has 2^64 addresses."""
    try:
        text: str = get_adapter(request).get_client_ip(request)
        address = ipaddress.ip_address(text)
    except (PermissionDenied, ValueError):  # behind a Unix socket, with no proxy to be believed
        return "unknown"
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.IPv6Network((address, 64), strict=False))
    return text


def refuse(request: PageRequest | UserRequest) -> HttpResponse:
    """Answer 429. htmx is sent to the page itself, for it shows no answer that is an error."""
    response = render(request, "429.html", status=HTTPStatus.TOO_MANY_REQUESTS)
    response["Retry-After"] = str(WINDOW_SECONDS)
    if request.htmx:
        response["HX-Redirect"] = request.get_full_path()
    return response
