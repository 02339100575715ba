"""Tokens with which a person's programs use the API: made, revoked, never shown again."""

from __future__ import annotations

import datetime as dt
import uuid

from django.db import transaction
from django.utils.translation import gettext as _

from accounts.models import AccountEvent, ApiToken, TokenScope, User
from accounts.services import Refused

# More than this are not one person's programs; somebody has lost count of them.
TOKENS_AT_MOST = 10
# Days that a token can last. None lasts for ever: a forgotten one must end by itself.
LIFETIMES = (30, 90, 180, 365)


@transaction.atomic
def create_token(
    *, user: User, name: str, scope: str, days: int, public_id: uuid.UUID
) -> tuple[ApiToken, str]:
    """Return a new token and its text, which nobody can ask for again.

    `public_id` marks the form: sent twice it makes one token. Raises `Refused`.
    """
    # Held, so that two forms at once don't both find room for one more.
    user = User.objects.select_for_update().get(pk=user.pk)
    if ApiToken.objects.filter(public_id=public_id).exists():
        raise Refused(
            _("This token has been made already. It was shown once; revoke it if you lost it.")
        )
    if ApiToken.objects.filter(user=user).count() >= TOKENS_AT_MOST:
        raise Refused(
            _("You have %(limit)d tokens. Revoke one that you do not use any more.")
            % {"limit": TOKENS_AT_MOST}
        )
    token, text = ApiToken.objects.create(
        user, expiry=dt.timedelta(days=days), name=name, scope=scope, public_id=public_id
    )
    _record(AccountEvent.Verb.TOKEN_MADE, token)
    return token, text


@transaction.atomic
def revoke_token(*, token: ApiToken) -> None:
    """End a token at once. Ending it twice is as good as once."""
    held = ApiToken.objects.select_for_update().filter(pk=token.pk).first()
    if held is not None:
        _record(AccountEvent.Verb.TOKEN_GONE, held)
        held.delete()


def _record(verb: AccountEvent.Verb, token: ApiToken) -> None:
    scope = TokenScope(token.scope).label
    AccountEvent.objects.create(
        verb=verb,
        actor=token.user,
        subject=token.user,
        note=f"{token.name} ({token.token_key}…, {scope})"[:300],
    )
