"""Who may come in at all. What somebody may see or do then is for query sets and services."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from accounts.models import TokenScope


class Closed(BasePermission):
    """The default: an address that does not say who may come is for nobody."""

    def has_permission(self, request: Request, view: Any) -> bool:
        return False


class _ByScope(BasePermission):
    message: Any = _("This token may only read. Make one with the scope “read and write”.")
    code = "read_only_token"

    def may_write(self, request: Any) -> bool:
        # Some actions that change nothing are POSTs, for what they read is long.
        return request.auth is None or request.auth.scope == TokenScope.WRITE


class SignedIn(_ByScope):
    """People with an account; a token needs the scope for what it does."""

    def has_permission(self, request: Request, view: Any) -> bool:
        if not request.user.is_authenticated:
            self.message = None  # the answer is 401, in its own words
            return False
        return request.method in SAFE_METHODS or self.may_write(request)


class AnybodyReads(SignedIn):
    """Visitors read what the public pages show; who writes is known."""

    def has_permission(self, request: Request, view: Any) -> bool:
        return request.method in SAFE_METHODS or super().has_permission(request, view)


class SignedInAsks(SignedIn):
    """Like `SignedIn`, for a POST that stores nothing: a token that may only read will do."""

    def may_write(self, request: Any) -> bool:
        return True
