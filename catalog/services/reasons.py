"""What operators do with the list of reasons: add one, word it anew, retire it, bring it back."""

from __future__ import annotations

import re
from collections.abc import Sequence

from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from accounts.models import User
from accounts.permissions import is_operator
from accounts.text import clean_line
from catalog import reasons
from catalog.models import Reason, ReasonChange, ReasonSubject
from catalog.models.reasons import ANSWER_LIMIT, CODE_LIMIT, LABEL_LIMIT
from catalog.workflow import IllegalMove

TEXTS = ("label_zh", "label_en", "answer_zh", "answer_en")
_LANGUAGES = {"zh": "zh-hans", "en": "en"}
_CODE = re.compile(rf"[a-z][a-z0-9_]{{1,{CODE_LIMIT - 1}}}")
# As many reasons of one subject as a person still chooses from.
MOST = 60


@transaction.atomic
def add_reason(
    *,
    actor: User,
    subject: str,
    code: str,
    decisions: Sequence[str],
    texts: dict[str, str],
    needs_comment: bool = False,
) -> Reason:
    """Add a reason to the list; `texts` has all of `TEXTS`.

    Raises `PermissionDenied` for one who is no operator, `ValidationError` by field.
    """
    _check_operator(actor)
    errors = _wrong_texts(texts)
    if subject not in ReasonSubject.values:
        errors["subject"] = _("Please choose what the reason is for.")
    if not _CODE.fullmatch(code):
        errors["code"] = _(
            "A code has 2 to %(most)d small letters, digits and underlines, and begins with a "
            "letter."
        ) % {"most": CODE_LIMIT}
    elif reasons.find(subject, code) is not None or _exists(subject, code):
        errors["code"] = _("There is a reason with this code already.")
    if not decisions or not set(decisions) <= {one for one, _label in reasons.decisions(subject)}:
        errors["decisions"] = _("Please choose the decisions that it goes with.")
    if not errors and len(reasons.entries(subject)) >= MOST:
        errors["code"] = _("There are %(most)d reasons already; nobody reads a longer list.") % {
            "most": MOST
        }
    if errors:
        raise ValidationError(errors)
    row, is_new = Reason.objects.get_or_create(
        subject=subject,
        code=code,
        defaults={
            **{name: clean_line(texts[name]) for name in TEXTS},
            "decisions": list(decisions),
            "needs_comment": needs_comment,
        },
    )
    if not is_new:  # another operator was faster
        raise ValidationError({"code": _("There is a reason with this code already.")})
    _note(row, actor, ReasonChange.Verb.ADDED)
    return row


@transaction.atomic
def reword_reason(*, actor: User, subject: str, code: str, texts: dict[str, str]) -> Reason:
    """Change what a reason is called and what the owner reads, in both languages.

    A text of a built-in reason that is left as it is stays the built-in one. Raises
    `PermissionDenied`, `ValidationError` by field, `IllegalMove` when nothing would change.
    """
    _check_operator(actor)
    if errors := _wrong_texts(texts):
        raise ValidationError(errors)
    row = _hold(subject, code)
    wanted = {name: clean_line(texts[name]) for name in TEXTS}
    for name, text in built_in_texts(subject, code).items():
        if wanted[name] == text:
            wanted[name] = ""
    before = {name: getattr(row, name) for name in TEXTS if getattr(row, name) != wanted[name]}
    if not before:
        raise IllegalMove(_("It is worded like this already; nothing was changed."))
    for name in before:
        setattr(row, name, wanted[name])
    row.updated_at = timezone.now()
    row.save(update_fields=(*before, "updated_at"))
    _note(row, actor, ReasonChange.Verb.REWORDED, before)
    return row


@transaction.atomic
def retire_reason(*, actor: User, subject: str, code: str) -> Reason:
    """Let nobody choose a reason any more; old decisions keep it.

    Raises `PermissionDenied`, or `IllegalMove`: it is retired already, or is the one that always
    has to be there.
    """
    _check_operator(actor)
    if code == reasons.OTHER:
        raise IllegalMove(_("“Other” stays: without it, some decision would have no reason."))
    row = _hold(subject, code)
    if row.retired_at is not None:
        raise IllegalMove(_("It is retired already; nothing was changed."))
    _set_retired(row, actor, retired=True)
    return row


@transaction.atomic
def restore_reason(*, actor: User, subject: str, code: str) -> Reason:
    """Let a retired reason be chosen again. Raises `PermissionDenied` or `IllegalMove`."""
    _check_operator(actor)
    row = _hold(subject, code)
    if row.retired_at is None:
        raise IllegalMove(_("It is in use already; nothing was changed."))
    _set_retired(row, actor, retired=False)
    return row


def built_in_texts(subject: str, code: str) -> dict[str, str]:
    """Return the built-in texts of a reason by the names of `TEXTS`; {} for an operator's own."""
    known = reasons.built_in(subject).get(code)
    if known is None:
        return {}
    found = {}
    for short, language in _LANGUAGES.items():
        with translation.override(language):
            found[f"label_{short}"] = str(known.label)
            found[f"answer_{short}"] = str(known.answer)
    return found


def texts_of(subject: str, code: str) -> dict[str, str]:
    """Return the texts of a reason as people read them now, by the names of `TEXTS`."""
    found = {}
    for short, language in _LANGUAGES.items():
        with translation.override(language):
            entry = reasons.find(subject, code)
            if entry is not None:
                found[f"label_{short}"], found[f"answer_{short}"] = entry.label, entry.answer
    return found


def _set_retired(row: Reason, actor: User, *, retired: bool) -> None:
    row.updated_at = timezone.now()
    row.retired_at = row.updated_at if retired else None
    row.save(update_fields=("retired_at", "updated_at"))
    _note(row, actor, ReasonChange.Verb.RETIRED if retired else ReasonChange.Verb.RESTORED)


def _hold(subject: str, code: str) -> Reason:
    """Lock a reason's row, which a built-in one gets with its first change.

    Raises `Reason.DoesNotExist` where nobody knows the code.
    """
    if code in reasons.built_in(subject):
        Reason.objects.get_or_create(subject=subject, code=code)
    return Reason.objects.select_for_update().get(subject=subject, code=code)


def _exists(subject: str, code: str) -> bool:
    return Reason.objects.filter(subject=subject, code=code).exists()


def _wrong_texts(texts: dict[str, str]) -> dict[str, str]:
    errors = {}
    for name in TEXTS:
        limit = LABEL_LIMIT if name.startswith("label") else ANSWER_LIMIT
        text = texts.get(name, "").strip()
        if not text:
            errors[name] = _("Please fill this in; both languages are needed.")
        elif len(text) > limit:
            errors[name] = _("Please keep it under %(limit)d characters.") % {"limit": limit}
    return errors


def _check_operator(actor: User) -> None:
    if not is_operator(actor):
        raise PermissionDenied(_("This page is open to the platform's operators only."))


def _note(row: Reason, actor: User, verb: str, before: dict[str, str] | None = None) -> None:
    ReasonChange.objects.create(reason=row, actor=actor, verb=verb, before=before or {})
    # At once for who reads it in this transaction, and again for what others read meanwhile.
    reasons.forget()
    transaction.on_commit(reasons.forget)
