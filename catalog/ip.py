"""Items of intellectual property beside an achievement: kind, number, status, family.

Stored as rows {"kind", "number", "status", "family"}, all text; shown to managers at the earliest,
since a patent's number is a name.
"""

from __future__ import annotations

import re
from typing import Any, ClassVar

from django.core.exceptions import ValidationError
from django.db.models import TextChoices
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy
from stdnum import isni

from accounts.text import clean_line

MAX_ITEMS = 20
MAX_NUMBER = 40
MAX_FAMILY = 200


class IpKind(TextChoices):
    INVENTION = "invention", gettext_lazy("Invention patent")
    UTILITY = "utility", gettext_lazy("Utility model")
    DESIGN = "design", gettext_lazy("Design patent")
    SOFTWARE = "software", gettext_lazy("Software copyright")
    LAYOUT = "layout", gettext_lazy("Layout design of integrated circuits")
    VARIETY = "variety", gettext_lazy("Plant variety")
    SECRET = "secret", gettext_lazy("Technical secret")

    __empty__: ClassVar = gettext_lazy("Choose a kind")


class IpStatus(TextChoices):
    FILED = "filed", pgettext_lazy("patent", "Filed")
    GRANTED = "granted", pgettext_lazy("patent", "Granted")
    LAPSED = "lapsed", pgettext_lazy("patent", "Lapsed")


def clean_ip_items(rows: Any) -> list[dict[str, str]]:
    """Return the rows tidied; blank ones are left out. Raises `ValidationError` with the row."""
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ValidationError(_("The rows of intellectual property have not arrived whole."))
    if len(rows) > MAX_ITEMS:
        raise ValidationError(
            _("Please keep to %(limit)d items of intellectual property.") % {"limit": MAX_ITEMS}
        )
    items = []
    for at, row in enumerate(rows, 1):
        try:
            item = clean_ip_item(row)
        except ValidationError as error:
            raise ValidationError(
                _("Intellectual property, row %(row)d: %(problem)s")
                % {"row": at, "problem": " ".join(error.messages)}
            ) from error
        if item is not None:
            items.append(item)
    return items


def clean_ip_item(row: dict[str, Any]) -> dict[str, str] | None:
    """Return a row tidied, None for a blank one. Raises `ValidationError`, its code the field."""
    item = {
        key: clean_line(str(row.get(key) or "")) for key in ("kind", "number", "status", "family")
    }
    if not (item["kind"] or item["number"] or item["family"]):
        return None
    if item["kind"] not in IpKind.values:
        raise ValidationError(_("please choose a kind."), code="kind")
    if item["status"] and item["status"] not in IpStatus.values:
        raise ValidationError(_("please choose a status."), code="status")
    if not item["number"] and item["kind"] != IpKind.SECRET:
        raise ValidationError(_("please write its number."), code="number")
    for key, limit, sentence in (
        ("number", MAX_NUMBER, _("the number is longer than %(limit)d characters.")),
        ("family", MAX_FAMILY, _("the family is longer than %(limit)d characters.")),
    ):
        if len(item[key]) > limit:
            raise ValidationError(sentence % {"limit": limit}, code=key)
    item["status"] = item["status"] or IpStatus.FILED.value
    return item


def clean_orcid(text: str) -> str:
    """Return an ORCID as 0000-0000-0000-0000. Raises `ValidationError`.

    An ORCID is an ISNI of its own range, with the check digit of ISO 7064 MOD 11-2.
    """
    short = re.sub(r"(?i)^\s*(?:https?://)?(?:www\.)?orcid\.org/", "", text or "").strip()
    if not short:
        return ""
    if not isni.is_valid(short):
        raise ValidationError(
            _("“%(text)s” is not an ORCID; it has 16 digits, such as 0000-0002-1825-0097.")
            % {"text": short[:40]}
        )
    compact = isni.compact(short)
    return "-".join(compact[at : at + 4] for at in range(0, 16, 4))
