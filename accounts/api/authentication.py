"""Who asks: a token of theirs, or the session of the browser that shows the documentation."""

from __future__ import annotations

import datetime as dt
import re
from hmac import compare_digest
from typing import cast

from allauth.account import app_settings as account_settings
from allauth.account.models import EmailAddress
from django.utils import timezone
from django.utils.translation import gettext as _
from knox.auth import TokenAuthentication
from knox.crypto import hash_token
from knox.settings import CONSTANTS
from rest_framework.exceptions import AuthenticationFailed, Throttled
from rest_framework.request import Request

from accounts.http import PageRequest
from accounts.models import ApiToken, User
from accounts.views.limits import WINDOW_SECONDS, too_often

# Wrong tokens of one address in a minute: enough for a program that was set up badly.
WRONG_TOKENS = 30
# What it is made of: whatever else is sent is not looked for.
_TOKEN = re.compile(r"[a-z0-9_]{1,100}")
# How exactly “last used” is kept: writing it down with every request would be a second write each.
LAST_USED = dt.timedelta(minutes=1)


class BearerToken(TokenAuthentication):  # type: ignore[misc]
    """`Authorization: Bearer kq_…`. Every refusal has the same status; the sentence tells which."""

    def authenticate(self, request: Request) -> tuple[User, ApiToken] | None:
        try:
            found: tuple[User, ApiToken] | None = super().authenticate(request)
        except AuthenticationFailed:
            # Not REST framework's request: asked for its user it would come here again.
            page = cast(PageRequest, request._request)
            if too_often(page, "api-token", visitor=WRONG_TOKENS, person=WRONG_TOKENS):
                raise Throttled(wait=WINDOW_SECONDS) from None
            raise
        return found

    def authenticate_credentials(self, token: bytes) -> tuple[User, ApiToken]:
        text = token.decode("ascii", errors="replace")
        if not _TOKEN.fullmatch(text):
            raise AuthenticationFailed(_("This token is not known."))
        digest = hash_token(text)
        known = ApiToken.objects.filter(token_key=text[: CONSTANTS.TOKEN_KEY_LENGTH])
        for found in known.select_related("user"):
            if compare_digest(digest, found.digest):
                return self._check(found)
        raise AuthenticationFailed(_("This token is not known."))

    def _check(self, token: ApiToken) -> tuple[User, ApiToken]:
        user: User = token.user
        if token.has_expired:
            raise AuthenticationFailed(_("This token has expired. Please make another one."))
        if not user.is_active:
            raise AuthenticationFailed(_("This account is closed."))
        # As at the log-in: an address that was never confirmed may be somebody else's.
        if (
            account_settings.EMAIL_VERIFICATION
            == account_settings.EmailVerificationMethod.MANDATORY
            and not EmailAddress.objects.filter(user=user, verified=True).exists()
        ):
            raise AuthenticationFailed(_("Please confirm your e-mail address first."))
        now = timezone.now()
        if token.last_used_at is None or now - token.last_used_at > LAST_USED:
            ApiToken.objects.filter(pk=token.pk).update(last_used_at=now)
        return user, token
