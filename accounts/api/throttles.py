"""How often: the counters of the pages, so that without a cache nobody is refused."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from rest_framework.permissions import SAFE_METHODS
from rest_framework.throttling import BaseThrottle

from accounts.views.limits import WINDOW_SECONDS, too_often


class PerMinute(BaseThrottle):
    """Requests of one person or address in a minute; those that change something count apart."""

    def allow_request(self, request: Any, view: Any) -> bool:
        if request.method in SAFE_METHODS:
            allowed = settings.API_READS_PER_MINUTE
            return not too_often(request, "api", visitor=allowed, person=3 * allowed)
        allowed = settings.API_WRITES_PER_MINUTE
        return not too_often(request, "api-write", visitor=allowed, person=allowed)

    def wait(self) -> float:
        return WINDOW_SECONDS
