"""Unified social credit codes (统一社会信用代码, GB 32100-2015)."""

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from stdnum.cn import uscc
from stdnum.exceptions import InvalidChecksum, InvalidLength
from stdnum.exceptions import ValidationError as InvalidCode


def clean_credit_code(value: str) -> str:
    """Return the compact upper-case code.

    Raises `ValidationError` with a sentence that says what is wrong with it.
    """
    code = uscc.compact(value).upper()
    try:
        return uscc.validate(code)
    except InvalidLength:
        raise ValidationError(
            _("The credit code has 18 characters; this has %(count)d.") % {"count": len(code)},
            code="length",
        ) from None
    except InvalidChecksum:
        raise ValidationError(
            _("The check character is wrong; please compare the 18th character."), code="checksum"
        ) from None
    except InvalidCode:
        raise ValidationError(
            _("The credit code has only digits and capital letters, without I, O, S, V and Z."),
            code="format",
        ) from None


def validate_credit_code(value: str) -> None:
    """Raise `ValidationError` as `clean_credit_code` does; what a model field wants."""
    clean_credit_code(value)
