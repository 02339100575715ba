"""Marks of a form that may outlive its session: whose it is, and what they had typed into it.

The text itself waits in `catalog.services.typed`, which this app knows nothing of; a middleware
there stores it and hangs it on the request as `typed` when its writer is back. Forms say that they
want this with `{% writer form %}`.
"""

from __future__ import annotations

from django import forms
from django.core import signing
from django.utils.datastructures import MultiValueDict

from accounts.models import User

SALT = "catalog.typed"
# Seconds. A page may stay open over a holiday.
TOKEN_AGE = 30 * 24 * 3600
# The fields of a form that carry these marks.
WRITER, BACK = "writer", "typed_back"


def writer_token(user: User, path: str) -> str:
    """Return the hidden field of a form that says whose it is. Only its own page holds it."""
    return signing.dumps([user.pk, path], salt=SALT)


def writer_of(token: str, path: str) -> User | None:
    """Return whose form was sent to `path`: the person to whom its page was given."""
    try:
        user_id, signed = signing.loads(token[:1000], salt=SALT, max_age=TOKEN_AGE)
    except (signing.BadSignature, ValueError, TypeError):
        return None
    if signed != path:
        return None
    return User.objects.filter(pk=user_id, is_active=True).first()


def fill(form: forms.BaseForm, typed: MultiValueDict[str, str]) -> None:
    """Put what was typed into a form that nobody has sent yet. Nothing of it is judged."""
    if form.is_bound:
        return
    for name, field in form.fields.items():
        if isinstance(field, forms.FileField) or field.disabled:
            continue
        form.initial[name] = field.widget.value_from_datadict(typed, {}, form.add_prefix(name))
