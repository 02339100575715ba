"""What makes two e-mail addresses one house's and two phone numbers one line, as SQL expressions.

Indexes are built on these expressions, so that one query finds whom among thousands of
organizations a person shares a line or a domain with: a change here needs a migration.
"""

from __future__ import annotations

from django.db.models import CharField, F, Func, Value
from django.db.models.functions import Lower, NullIf

# Second-level names under which a country registers, so that “zju.edu.cn” is a house and “edu.cn”
# is not: the usual ones, and those of the Chinese provinces (“bj.cn”, CNNIC's list). Ministries and
# provinces share “gov.cn” two levels deep: there one label more belongs to the name.
_SECOND = (
    "com|edu|ac|gov|org|net|co|mil|bj|sh|tj|cq|he|sx|nm|ln|jl|hl|js|zj|ah|fj|jx|sd|ha|hb|hn|gd|gx|"
    "hi|sc|gz|yn|xz|sn|gs|qh|nx|xj|tw|hk|mo"
)
# The leftmost match that reaches the end is the shortest registered name.
_HOUSE = rf"[^.@]+\.(?:[^.@]+\.gov\.cn|(?:{_SECOND})\.[a-z][a-z]|[^.@]+)$"
# Shorter ones are extensions and mistakes.
_DIGITS_AT_LEAST = 7
_WIDE, _PLAIN = "０１２３４５６７８９", "0123456789"


def domain_key(field: str) -> Func:
    """Return the registered domain of an address in small letters; NULL where there is none."""
    return Func(
        Lower(F(field)), Value(_HOUSE), function="SUBSTRING", output_field=CharField(max_length=254)
    )


def phone_key(field: str) -> Func:
    """Return a number's digits without China's prefix and leading zeros; NULL where there are
    too few: “+86 571-8888 0000” and “0571 88880000” are one line."""

    def without(source: Func, pattern: str, flags: str = "") -> Func:
        return Func(
            source,
            Value(pattern),
            Value(""),
            *([Value(flags)] if flags else []),
            function="REGEXP_REPLACE",
            output_field=CharField(max_length=30),
        )

    plain = Func(F(field), Value(_WIDE), Value(_PLAIN), function="TRANSLATE")
    digits = without(plain, "[^0-9]", "g")
    national = without(digits, "^0*86(?=[0-9]{10})")
    line = without(national, "^0+")
    # Too short becomes empty, and empty becomes NULL, which equals nothing.
    return NullIf(without(line, rf"^.{{1,{_DIGITS_AT_LEAST - 1}}}$"), Value(""))
