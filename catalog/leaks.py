"""Finds what gives the owner of a listing away: names, contacts and codes in its texts.

Both sides stay blind until they have agreed to meet, and most leaks are honest: a sentence copied
from a brochure. So the form shows where, before anybody else has read it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain
from typing import Any

from django.db.models import TextChoices
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from stdnum.cn import uscc

from accounts.models import Organization
from accounts.permissions import Tier
from accounts.regions import regions
from catalog.disclosure import withheld
from catalog.models import Listing

# Every text of a listing, in the order of its pages; those that the other side reads only once it
# is introduced are left out, and so are those that name (patents, the expert) by what they are.
CHECKED_FIELDS = {
    "demand": (
        *("title", "summary", "body", "keywords", "indicators"),
        *("process", "tried", "partners"),
    ),
    "achievement": (
        *("title", "summary", "body", "keywords", "indicators", "novelty", "advantages"),
        *("scenarios", "trl_evidence", "encumbrances"),
    ),
}


class LeakKind(TextChoices):
    NAME = "name", _("the organization's name")
    PERSON = "person", _("the name of one of its people")
    PHONE = "phone", _("a phone number")
    EMAIL = "email", _("an e-mail address")
    ACCOUNT = "account", _("a chat account")
    SITE = "site", _("a web address")
    CODE = "code", _("a credit code")
    PATENT = "patent", _("a patent number")
    ORCID = "orcid", _("an ORCID")


@dataclass(frozen=True)
class Leak:
    """One place that gives the owner away: the field, the words as written, and what they are."""

    field: str
    snippet: str
    kind: LeakKind

    def sentence(self) -> str:
        """Say to whoever wrote it what is wrong."""
        return gettext(
            "“%(snippet)s” looks like %(kind)s. Others must not see it before the introduction."
        ) % {"snippet": self.snippet, "kind": self.kind.label}


# Every repetition is bounded and starts at the beginning of a run: 20,000 characters of anything
# are read in milliseconds.
_EMAIL = re.compile(
    r"(?<![a-z0-9._+-])[a-z0-9._+-]{1,64}\s?(?:@|\(at\)|\[at\]|#at#)\s?"
    r"[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63}){1,6}",
    re.IGNORECASE,
)
_SITE = re.compile(
    r"(?:https?://|www\.)[^\s,;。，；）)]+"
    r"|(?<![a-z0-9@._-])(?!(?:asp|ado|vb)\.net)[a-z0-9-]{2,63}(?:\.[a-z0-9-]{1,63}){0,4}"
    r"\.(?:com|cn|net|org|edu|gov|tech)(?![a-z0-9_-])",
    re.IGNORECASE,
)
# Mobile numbers however they are grouped, landlines with their area code, 400 numbers.
_PHONE = re.compile(
    r"(?<![\d.])(?:(?:\+|00)?86[\s-]?)?1[3-9]\d(?:[\s-]?\d){8}(?![\d.]?\d)"
    r"|(?<![\d.])\(?0\d{2,3}\)?[\s-]?[1-9]\d{2,3}[\s-]?\d{4}(?![\d.]?\d)"
    r"|(?<![\d.])[48]00[\s-]?\d{3,4}[\s-]?\d{3,4}(?![\d.]?\d)"
)
_ACCOUNT = re.compile(
    r"(?:微信|weixin|wechat|vx|qq|钉钉)\s?(?:号码?|群|id)?\s?[::]?\s?[a-z0-9][a-z0-9_-]{4,}",
    re.IGNORECASE,
)
_CODE = re.compile(r"(?<![0-9a-z])[0-9a-hj-npqrtuwxy]{18}(?![0-9a-z])", re.IGNORECASE)

# Applications and publications in China, international and of the larger offices, and software
# registrations: whoever looks one up reads whose it is.
_PATENT = re.compile(
    r"(?<![0-9a-z])(?:zl|cn)?\s?(?:19[89]\d|20[0-4]\d)[1-3589]\d{7}\.[\dx](?![0-9a-z])"
    r"|(?<![0-9a-z])zl\s?\d{8,12}(?:\.[\dx])?(?![0-9])"
    r"|(?<![0-9a-z])cn\s?\d{7,9}\s?[abcsuy][1-9]?(?![0-9a-z])"
    r"|(?<![0-9a-z])pct\s?/\s?[a-z]{2}\s?\d{4}\s?/\s?\d{5,6}(?![0-9])"
    r"|(?<![0-9a-z])wo\s?\d{4}\s?/\s?\d{6}(?![0-9])"
    r"|(?<![0-9a-z])(?:us|ep|jp|kr)\s?\d{7,11}\s?[ab][1-9](?![0-9a-z])"
    r"|(?<![0-9a-z])20\d{2}sr\d{6,8}(?![0-9])",
    re.IGNORECASE,
)
_ORCID = re.compile(r"(?<![0-9-])\d{4}-\d{4}-\d{4}-\d{3}[\dx](?![0-9a-z-])", re.IGNORECASE)

# The legal tail of a company's name, and the titles that make two characters a person.
_TAILS = (
    "集团股份有限公司", "集团有限责任公司", "科技股份有限公司", "科技有限责任公司",
    "股份有限公司", "有限责任公司", "集团有限公司", "科技有限公司", "有限公司", "集团", "公司",
)  # fmt: skip
_TAILS_EN = re.compile(
    r"[\s,]+(?:co\.?|company|ltd\.?|limited|inc\.?|corp\.?|corporation|group|gmbh|llc)\s*$",
    re.IGNORECASE,
)
_TITLES = r"(?:先生|女士|老师|教授|博士|院士|经理|主任|工程师|总监|总|工|处长|所长|院长)"


def find_leaks(
    listing_or_content: Listing | Mapping[str, Any], organization: Organization
) -> list[Leak]:
    """Return every place in a listing's texts that names `organization` or its contacts.

    At most one for each field and kind: it is the place to look, not a list of all.
    """
    finders = _finders(organization, _people(listing_or_content, organization))
    found: dict[tuple[str, LeakKind], Leak] = {}
    for field in _checked(listing_or_content):
        for text in _texts(listing_or_content, field):
            for kind, finder in finders:
                if (field, kind) in found:
                    continue
                snippet = finder(text)
                if snippet:
                    found[field, kind] = Leak(field, snippet.strip()[:60], kind)
    return list(found.values())


Finder = Callable[[str], str]


def _checked(source: Listing | Mapping[str, Any]) -> list[str]:
    """Return the fields that somebody may read who is not introduced."""
    if isinstance(source, Mapping):
        names = dict.fromkeys(name for of in CHECKED_FIELDS.values() for name in of)
        kinds = [kind for kind, fields in CHECKED_FIELDS.items() if set(source) & set(fields)]
        disclosure = source.get("disclosure") or {}
        named = [name for name in names if name in source]
    else:
        kinds, disclosure = [source.kind], source.disclosure
        named = list(CHECKED_FIELDS[source.kind])
    closed = frozenset[str]().union(
        *(withheld(kind, disclosure, Tier.MANAGERS, names=True) for kind in kinds)
    )
    return [name for name in named if name not in closed]


def _people(source: Listing | Mapping[str, Any], organization: Organization) -> list[str]:
    """Return whose names say which organization it is: contact, leading expert, members."""
    if isinstance(source, Mapping):
        expert = str(source.get("lead_expert") or "")
    else:
        expert = str(getattr(source, "lead_expert", ""))
    # Several experts may share the field.
    names = [organization.contact_name, *re.split(r"[,;/、，；]", expert)]
    return list(dict.fromkeys(name for raw in names if (name := _fold(raw).strip())))


def _texts(source: Listing | Mapping[str, Any], field: str) -> Iterator[str]:
    value = source.get(field) if isinstance(source, Mapping) else getattr(source, field)
    if field == "indicators":
        for row in value or []:
            # A figure of eleven digits is a figure; names and units are free text.
            yield from (_fold(str(row.get(key) or "")) for key in ("name", "unit"))
    elif field == "keywords":
        yield from (_fold(str(word)) for word in value or [])
    else:
        yield _fold(str(value or ""))


def _fold(text: str) -> str:
    """Return the text with full-width letters and digits as ordinary ones."""
    return unicodedata.normalize("NFKC", text)


def _finders(organization: Organization, people: Sequence[str]) -> list[tuple[LeakKind, Finder]]:
    names = [_loose(name) for name in own_names(organization)]
    finders: list[tuple[LeakKind, Finder]] = [
        (LeakKind.NAME, _first(re.compile("|".join(names), re.IGNORECASE) if names else None)),
        (LeakKind.EMAIL, _first(_EMAIL)),
        (LeakKind.SITE, _first(_SITE)),
        (LeakKind.ACCOUNT, _first(_ACCOUNT)),
        (LeakKind.PHONE, _first(_PHONE)),
        (LeakKind.CODE, _find_code),
        (LeakKind.PATENT, _first(_PATENT)),
        (LeakKind.ORCID, _first(_ORCID)),
        *((LeakKind.PERSON, _first(_person(name))) for name in people),
        *((LeakKind.PERSON, finder) for finder in _member_finders(organization)),
    ]
    digits = re.sub(r"\D", "", organization.contact_phone)
    if len(digits) >= 7:
        own = re.compile(r"(?<!\d)" + r"[\s()-]{0,2}".join(digits[-8:]) + r"(?!\d)")
        finders.append((LeakKind.PHONE, _first(own)))
    return finders


def _member_finders(organization: Organization) -> Iterator[Finder]:
    """Look for members by name; two characters and a first name alone may be any word.

    The names are asked for once, though an import looks through thousands of rows.
    """
    if organization._state.adding:
        return
    names: list[str] | None = organization.__dict__.get("_member_names")
    if names is None:
        found = organization.users.filter(memberships__is_active=True).values_list(
            "name", flat=True
        )
        names = sorted({_fold(name).strip() for name in found.distinct()})
        organization.__dict__["_member_names"] = names
    for name in names:
        if pattern := _person(name):
            yield _first(pattern)


def own_names(organization: Organization) -> list[str]:
    """Return the organization's names as people write them: whole, and without the legal tail."""
    whole = _fold(organization.name).strip()
    names = [whole]
    core = whole
    for tail in _TAILS:
        if core.endswith(tail):
            core = core.removesuffix(tail)
            break
    for place in _places():
        if core.startswith(place) and len(core) - len(place) >= 3:
            core = core.removeprefix(place).removeprefix("省").removeprefix("市")
            break
    # What is left must be a name: “轴承” alone is what they make, and two letters are anything.
    if core != whole and len(core) >= 3 and core != organization.field:
        names.append(core)
    english = _fold(organization.name_en).strip()
    while english:
        if len(english) >= 4:
            names.append(english)
        shorter = _TAILS_EN.sub("", english)
        if shorter == english:
            break
        english = shorter
    return [name for name in names if name]


@cache
def _places() -> list[str]:
    names = regions().values()
    short = (name.removesuffix("省").removesuffix("市") for name in names)
    return sorted({name for name in chain(names, short) if len(name) >= 2}, key=len, reverse=True)


def _loose(name: str) -> str:
    """Return a pattern that finds a name though spaces or dots were put between its characters."""
    characters = [re.escape(char) for char in name if not char.isspace()]
    pattern = r"[\s·.]{0,3}".join(characters)
    if name.isascii():
        return rf"(?<![a-z0-9]){pattern}(?![a-z0-9])"
    return pattern


def _person(name: str) -> re.Pattern[str] | None:
    """Return a pattern for a person. A short name (“高峰”, “马力”) may be a word: with a title."""
    if not name:
        return None
    if len(name) >= 3:
        return re.compile(_loose(name), re.IGNORECASE)
    escaped = re.escape(name)
    return re.compile(rf"{escaped}\s?{_TITLES}|(?:联系人|负责人|联络人)\s?[::]?\s?{escaped}")


def _first(pattern: re.Pattern[str] | None) -> Finder:
    def find(text: str) -> str:
        match = pattern.search(text) if pattern is not None else None
        return match[0] if match else ""

    return find


def _find_code(text: str) -> str:
    for match in _CODE.finditer(text):
        if uscc.is_valid(match[0].upper()):
            return match[0]
    return ""


# More different names and numbers than this are in no document that is worth comparing.
_TAKEN_OUT_AT_MOST = 200


def without_names(text: str, organization: Organization) -> str:
    """Return a text without what gives `organization` away: for what is compared, not shown."""
    text = _fold(text)
    taken = 0
    for _kind, finder in _finders(organization, [organization.contact_name]):
        while taken < _TAKEN_OUT_AT_MOST and (snippet := finder(text)):
            text = text.replace(snippet, " ")
            taken += 1
    return text if taken < _TAKEN_OUT_AT_MOST else ""
