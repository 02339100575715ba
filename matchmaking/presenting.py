"""How a match is told to one reader: in words, unmet first, and without names that are not theirs.

Everything that a page shows of the other side passes through here. Each field has its tier, and
evidence knows the field it comes from: a row that rests on a closed one says so and no more, not
even its verdict. Quotes come from texts, and an owner may have written its own name into one, so
every quote, sentence and title is masked for a reader who may not see names.
"""

from __future__ import annotations

import datetime as dt
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from django.utils.html import escape, format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from accounts.conflicts import TieKind
from accounts.models import Organization, User
from accounts.permissions import Tier
from accounts.regions import region_name
from accounts.templatetags.kq import day, wan, wan_range
from catalog.details import Group, detail_groups, has_more
from catalog.disclosure import RULES, Hidden, closed, shown, stricter, tier_of
from catalog.files import FileList, files_for
from catalog.indicators import NBSP, Indicator, display
from catalog.industries import industry_name
from catalog.leaks import own_names
from catalog.models import AchievementNeed, CooperationMode, Exclusivity, IpExpectation
from catalog.words import folded
from catalog.workflow import ListingStatus
from matchmaking import permissions, reasons
from matchmaking.models import Match, MatchEvent, Review
from matchmaking.retrieval.explanation import UNITS
from matchmaking.retrieval.ranking import grade
from matchmaking.workflow import DeclineReason, Escalation, MatchStatus, ReviewStatus, Side

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

    from catalog.answers import Answer
    from catalog.models import Listing
    from matchmaking.questions import Asked

# Shorter contacts and names would black out ordinary words.
_SHORTEST = 3

# --- Names ------------------------------------------------------------------------------------


@lru_cache(maxsize=4096)
def _spellings(name: str, name_en: str, field: str, *contacts: str) -> tuple[str, ...]:
    """Return what gives an organization away: its names, the short forms, and its contacts."""
    names = own_names(Organization(name=name, name_en=name_en, field=field))
    contacts = tuple(contact.strip() for contact in contacts if len(contact.strip()) >= _SHORTEST)
    return (*names, *contacts)


def _all_spellings(organization: Organization) -> tuple[str, ...]:
    address = organization.contact_email
    return _spellings(
        organization.name,
        organization.name_en,
        organization.field,
        organization.contact_phone,
        organization.contact_name if len(organization.contact_name) > 2 else "",
        organization.credit_code,
        address,
        address.rpartition("@")[2],
    )


@lru_cache(maxsize=512)
def _pattern(names: tuple[str, ...]) -> re.Pattern[str] | None:
    """Match any of the names in any case and width, also when spaces stand between the letters."""
    alternatives = []
    for name in sorted(set(names), key=len, reverse=True):
        letters = [
            f"[{re.escape(letter)}{chr(ord(letter) + 0xFEE0)}]"
            if "!" <= letter <= "~"
            else re.escape(letter)
            for letter in unicodedata.normalize("NFKC", name)
            if not letter.isspace()
        ]
        alternatives.append(r"[\s·.\u200b-\u200f\u2060\ufeff]{0,3}".join(letters))
    return re.compile("|".join(alternatives), re.IGNORECASE) if alternatives else None


class _Folding(dict[int, str]):
    """Maps a character to what it is without case, width and marks; a separator to nothing.

    Whatever `_pattern` takes for the same letter is the same here, so a text that holds none of the
    names folded holds none at all. To make a pattern takes 30 ms, and each pair of a queue has one
    of its own; to look for folded names takes a hundredth of one.
    """

    def __missing__(self, code: int) -> str:
        plain = unicodedata.normalize("NFKD", chr(code)).casefold().replace("ı", "i")
        # U+0307: what is left of a dotted capital İ, which counts as an i.
        plain = re.sub(r"[\s·.\u0307\u200b-\u200f\u2060\ufeff]", "", plain)
        self[code] = plain = unicodedata.normalize("NFKD", plain)
        return plain


_FOLDING = _Folding()


@lru_cache(maxsize=4096)
def _folded_names(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple({unicodedata.normalize("NFKC", name).translate(_FOLDING) for name in names})


def _name_spans(text: str, organizations: Iterable[Organization]) -> list[tuple[int, int]]:
    spellings = [_all_spellings(one) for one in organizations]
    flat = text.translate(_FOLDING)
    if not any(name in flat for one in spellings for name in _folded_names(one)):
        return []
    pattern = _pattern(tuple(name for one in spellings for name in one))
    return [found.span() for found in pattern.finditer(text)] if pattern else []


def mask_names(text: str, *organizations: Organization) -> str:
    """Return `text` without the names and contacts of these organizations."""
    return "".join(part.text for part in segments(text, (), organizations))


def names_any(text: str, organizations: Iterable[Organization]) -> bool:
    """Say whether `text` gives one of these organizations away."""
    return bool(_name_spans(text, organizations))


@dataclass(frozen=True)
class Segment:
    """A piece of a quote; `marked` are the words that show it."""

    text: str
    marked: bool = False


def segments(
    text: str, marks: Iterable[Sequence[int]], hidden: Iterable[Organization] = ()
) -> list[Segment]:
    """Cut a quote at its marks (start, end), with hidden names replaced.

    Marks are offsets into the whole text, so names are replaced while cutting, not before.
    """
    spans = _name_spans(text, hidden)
    marked = [False] * len(text)
    for start, end in marks:
        for place in range(max(start, 0), min(end, len(text))):
            marked[place] = True
    pieces: list[Segment] = []
    ends = dict(spans)
    place = 0
    while place < len(text):
        if place in ends:
            pieces.append(Segment(_("[name hidden]")))
            place = ends[place]
            continue
        end = place + 1
        while end < len(text) and marked[end] == marked[place] and end not in ends:
            end += 1
        pieces.append(Segment(text[place:end], marked[place]))
        place = end
    return pieces


def marked(parts: Iterable[Segment]) -> SafeString:
    """Return a quote as HTML, everything escaped, its marks as <mark>."""
    return mark_safe(
        "".join(
            format_html("<mark>{}</mark>", part.text) if part.marked else escape(part.text)
            for part in parts
        )
    )


# --- Who reads --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Reader:
    """What one person may see of one match."""

    side: str  # "" for a manager or an operator
    names: bool
    contacts: bool
    is_manager: bool = False
    is_operator: bool = False
    # A manager whose own decision on it is in. Until then they read nobody else's first one.
    has_decided: bool = False
    # Of the sides that are not the reader's own.
    tier: Tier = Tier.MANAGERS

    @property
    def descriptions(self) -> bool:
        """Descriptions are for members of verified organizations, also in a match."""
        return self.tier >= Tier.MEMBERS

    def hidden(self, match: Match) -> tuple[Organization, ...]:
        """Return the organizations that must not be named to this reader."""
        if self.names:
            return ()
        return tuple(
            match.listing(side).owner
            for side in (Side.DEMAND, Side.ACHIEVEMENT)
            if side != self.side
        )

    def may_name(self, side: str) -> bool:
        return self.names or side == self.side

    def tier_of(self, side: str) -> Tier:
        return Tier.INTRODUCED if side == self.side else self.tier


def reader_of(user: User, match: Match) -> Reader:
    """Ask the rules once for a page about one match."""
    side = permissions.side_of(user, match)
    if user.is_operator:
        tier = Tier.INTRODUCED
    elif side is None:
        tier = Tier.MANAGERS
    else:
        tier = _side_tier(side, match)
    held = set(Review.objects.open_to(user).filter(match=match).values_list("status", flat=True))
    return Reader(
        side=side or "",
        names=permissions.names_visible(user, match),
        contacts=permissions.contacts_visible(user, match),
        is_manager=bool(held),
        has_decided=ReviewStatus.SUBMITTED in held,
        is_operator=user.is_operator,
        tier=tier,
    )


def review_reader(review: Review) -> Reader:
    """Return what a manager may see through a review of theirs: names once it is taken on."""
    accepted = review.status in (ReviewStatus.ACCEPTED, ReviewStatus.SUBMITTED)
    return Reader(
        side="",
        names=accepted,
        contacts=accepted and review.match.status == MatchStatus.INTRODUCED,
        is_manager=True,
        has_decided=review.status == ReviewStatus.SUBMITTED,
    )


def _side_tier(side: str, match: Match) -> Tier:
    """Return what one side may read of the other's listing."""
    if not match.listing(side).owner.is_verified:
        return Tier.PUBLIC
    return Tier.INTRODUCED if match.status == MatchStatus.INTRODUCED else Tier.MEMBERS


def side_reader(side: str, match: Match) -> Reader:
    """Return what a member of one side may see: for lists, where the side is known already."""
    introduced = match.status == MatchStatus.INTRODUCED
    return Reader(
        side=side,
        names=introduced,
        contacts=introduced,
        tier=_side_tier(side, match),
    )


def blind_title(match: Match) -> str:
    """Return both titles, for queues and messages that name nobody."""
    hidden = (match.demand.owner, match.achievement.owner)
    demand = mask_names(match.demand_revision.title, *hidden)
    return f"{demand} × {mask_names(match.achievement_revision.title, *hidden)}"


# --- What is open -----------------------------------------------------------------------------


def _revision(match: Match, side: str) -> Any:
    return match.demand_revision if side == Side.DEMAND else match.achievement_revision


def _tiers(match: Match, side: str) -> dict[str, str]:
    """Return who may read what of a side: what was compared, under the stricter of the tiers
    it had then and those of today."""
    listing = match.listing(side)
    return stricter(listing.kind, _revision(match, side).disclosure, listing.disclosure)


def closed_keys(match: Match, side: str, reader: Reader) -> frozenset[str]:
    """Return the keys of `catalog.disclosure.RULES` that this reader may not learn of a side."""
    return closed(side, _tiers(match, side), reader.tier_of(side), names=reader.names)


# --- Sides ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class SideView:
    """One side of a match as the reader may see it. Contents are those that were compared."""

    side: str
    listing: Listing
    version: int
    title: str
    summary: str
    groups: list[Group]
    has_more: bool
    hidden: Mapping[str, Hidden]
    who: str
    is_named: bool
    is_own: bool
    region: str
    trl: int | None
    money_min: int | None
    money_max: int | None
    modes: list[StrOrPromise]
    organization: Organization | None
    contact: Organization | None

    @property
    def icon(self) -> str:
        return "building-factory-2" if self.side == Side.DEMAND else "school"

    @property
    def label(self) -> str:
        return _("Demand") if self.side == Side.DEMAND else _("Achievement")

    @property
    def length(self) -> int:
        details = (detail for group in self.groups for detail in group.details)
        return len(self.summary) + sum(len(detail.text) for detail in details)


def side_view(match: Match, side: str, reader: Reader) -> SideView:
    listing = match.listing(side)
    reading = shown(
        _revision(match, side),
        reader.tier_of(side),
        names=reader.names,
        under=_tiers(match, side),
    )
    owner = listing.owner
    named = reader.may_name(side)
    hidden = reader.hidden(match)
    return SideView(
        side=side,
        listing=listing,
        version=reading.version,
        title=mask_names(reading.title, *hidden),
        summary=mask_names(reading.summary, *hidden),
        groups=detail_groups(reading, lambda text: mask_names(text, *hidden)),
        has_more=has_more(reading),
        hidden=reading.hidden,
        who=owner.name if named else owner.blind(),
        is_named=named,
        is_own=side == reader.side,
        region=owner.province() if named else "",
        trl=reading.trl,
        money_min=reading.money_min,
        money_max=reading.money_max,
        modes=[CooperationMode(mode).label for mode in reading.modes],
        organization=owner if named else None,
        contact=owner if named and reader.contacts else None,
    )


def both_sides(match: Match, reader: Reader) -> list[SideView]:
    return [side_view(match, side, reader) for side in (Side.DEMAND, Side.ACHIEVEMENT)]


def other_side(side: str) -> Side:
    return Side.ACHIEVEMENT if side == Side.DEMAND else Side.DEMAND


def side_files(user: User, match: Match, reader: Reader) -> list[tuple[StrOrPromise, FileList]]:
    """Return the files of each side that is not the reader's own, as far as they get them."""
    return [
        (side.label, found)
        for side in (Side.DEMAND, Side.ACHIEVEMENT)
        if side != reader.side and (found := files_for(user, match.listing(side)))
    ]


# --- Evidence ---------------------------------------------------------------------------------

VERDICTS = ("unmet", "partly", "unknown", "units", "closed", "met")
# In lists the reader wants to know what speaks against a match, then what for it, then the rest.
_TALLY_ORDER = ("unmet", "partly", "met", "unknown", "units", "closed")

_VERDICT_LABELS = {
    "met": gettext_lazy("Met"),
    "partly": gettext_lazy("Partly met"),
    "unmet": gettext_lazy("Not met"),
    "unknown": gettext_lazy("Not stated"),
    "units": gettext_lazy("Other unit"),
    "closed": gettext_lazy("Closed to you"),
}
_VERDICT_ICONS = {
    "met": "circle-check",
    "partly": "circle-half-2",
    "unmet": "circle-x",
    "unknown": "help-circle",
    "units": "ruler-2",
    "closed": "lock",
}
# Modifiers of the style sheet.
_VERDICT_CLASSES = {
    "met": "met",
    "partly": "part",
    "unmet": "unmet",
    "unknown": "unk",
    "units": "unk",
    "closed": "unk",
}


@dataclass(frozen=True)
class Verdict:
    key: str
    count: int = 0

    @property
    def label(self) -> StrOrPromise:
        return _VERDICT_LABELS[self.key]

    @property
    def icon(self) -> str:
        return _VERDICT_ICONS[self.key]

    @property
    def css(self) -> str:
        return _VERDICT_CLASSES[self.key]


# What the engine stores is neutral of language; the words for it are chosen here.
_CONSTRAINTS = {
    "trl": gettext_lazy("Maturity"),
    "budget": gettext_lazy("Budget"),
    "modes": gettext_lazy("Cooperation"),
    "deadline": gettext_lazy("Deadline"),
    "region": gettext_lazy("Region"),
    "exclusivity": gettext_lazy("Exclusivity"),
    "ip": gettext_lazy("Intellectual property"),
}
# What of the demand a row of each kind is about; what everybody reads is not among them.
_ASKED = {
    "indicator": "indicators",
    "trl": "trl",
    "budget": "money",
    "deadline": "deadline",
    "exclusivity": "exclusivity",
    "ip": "ip_expectation",
}


def _key(source: Mapping[str, Any]) -> str:
    """Return the key of the achievement's field that a source names, "" for what all may read."""
    match source.get("kind"):
        case "body":
            return "body"
        case "indicators":
            return "indicators"
        case "text" | "field":
            field = str(source.get("field", ""))
            return field if field in RULES[Side.ACHIEVEMENT] else ""
    return ""


def closed_by(
    row: Mapping[str, Any], demand: frozenset[str], achievement: frozenset[str]
) -> tuple[str, str] | None:
    """Return the side and the key of a closed field that a row rests on, None where all is open.

    A row that is closed has no verdict either: who changes what they ask for and looks again
    would find the figure by it.
    """
    asked = _ASKED.get(str(row.get("kind")))
    if asked in demand:
        return Side.DEMAND, asked
    key = _key(row.get("source") or {})
    return (Side.ACHIEVEMENT, key) if key in achievement else None


def _open_part(row: dict[str, Any], achievement: frozenset[str]) -> dict[str, Any]:
    """Return a row without a quote and needs that come from closed fields of the achievement."""
    if row.get("quote"):
        source = row.get("source") or {}
        # Rows of an earlier engine do not say where a quote beside a field stands.
        quoted = row.get("quoted") or (
            {"kind": "body"} if source.get("kind") == "field" else source
        )
        if _key(quoted) in achievement:
            row = {**row, "quote": "", "marks": []}
    stated = row.get("stated")
    if stated and "needs" in stated and "needs" in achievement:
        rest = {name: value for name, value in stated.items() if name != "needs"}
        row = {**row, "stated": rest or None}
    return row


def constraint_name(row: dict[str, Any]) -> str:
    return str(_CONSTRAINTS.get(row.get("kind", ""), row.get("name", "")))


def requirement_text(row: dict[str, Any]) -> str:
    """Say what the demand asks for in one row."""
    kind, asked = row.get("kind", ""), row.get("requirement") or {}
    if kind == "trl":
        return f"≥ TRL {asked['trl']}"
    if kind == "budget":
        return wan_range(asked.get("money_min"), asked.get("money_max"))
    if kind == "deadline":
        return _("by %(day)s") % {"day": day(dt.date.fromisoformat(asked["deadline"]))}
    if kind == "exclusivity":
        return str(Exclusivity(asked["exclusivity"]).label)
    if kind == "ip":
        return str(IpExpectation(asked["ip_expectation"]).label)
    return _fact_text(kind, asked)


def stated_text(row: dict[str, Any]) -> str:
    """Say what the achievement states to one row, "" where it says nothing."""
    kind, stated = row.get("kind", ""), row.get("stated")
    if not stated:
        return ""
    if kind == "trl":
        return _maturity_text(stated)
    if kind == "budget":
        return wan_range(stated.get("money_min"), stated.get("money_max"))
    if kind == "deadline":
        days = ngettext("%(days)d day", "%(days)d days", stated["days"]) % {"days": stated["days"]}
        if "finish" not in stated:
            return days
        finish = day(dt.date.fromisoformat(stated["finish"]))
        return _("%(days)s, finished by %(day)s") % {"days": days, "day": finish}
    return _fact_text(kind, stated)


def _maturity_text(stated: dict[str, Any]) -> str:
    level = f"TRL {stated['trl']}" if "trl" in stated else ""
    needs = _(", ").join(str(AchievementNeed(need).label) for need in stated.get("needs", ()))
    if not needs:
        return level
    if not level:
        return _("still needs %(needs)s") % {"needs": needs}
    return _("%(level)s, still needs %(needs)s") % {"level": level, "needs": needs}


def _fact_text(kind: str, fact: dict[str, Any]) -> str:
    """Put a fact that both sides state alike into words."""
    if kind in ("modes", "exclusivity", "ip"):
        labels = [str(CooperationMode(mode).label) for mode in fact["modes"]]
        return _(", ").join(labels)
    if kind == "region":
        return region_name(fact["region"])
    try:
        return display(Indicator.from_json({"name": "", **fact}))
    except ValueError:
        return ""


_FIELDS = {
    "trl": gettext_lazy("maturity as its owner states it"),
    "money": gettext_lazy("its price"),
    "modes": gettext_lazy("its cooperation modes"),
    "region": gettext_lazy("its region"),
    "needs": gettext_lazy("what it still needs"),
}


def source_text(row: dict[str, Any]) -> str:
    """Say where the words of a row stand."""
    source = row.get("source") or {}
    match source.get("kind"):
        case "body":
            return _("paragraph %(number)d of its description") % {"number": source["paragraph"]}
        case "text" if source.get("field") in RULES[Side.ACHIEVEMENT]:
            return str(RULES[Side.ACHIEVEMENT][source["field"]].label)
        case "summary":
            return _("its summary")
        case "indicators":
            return _("row %(number)d of its indicators") % {"number": source["row"]}
        case "field":
            return str(_FIELDS.get(source.get("field", ""), ""))
    return _("the manager can ask for it") if row.get("verdict") == "unknown" else ""


def gap_text(row: dict[str, Any]) -> str:
    """Say by how much a requirement is missed."""
    if row.get("note") == UNITS:
        return _unit_text(row)
    gap = row.get("gap")
    if not gap:
        return ""
    kind, value = row.get("kind"), gap["value"]
    if kind == "trl":
        return ngettext("%(count)d level short", "%(count)d levels short", value) % {"count": value}
    if kind == "deadline":
        return ngettext("%(count)d day late", "%(count)d days late", value) % {"count": value}
    amount = wan(value) if kind == "budget" else f"{_figure(value)} {gap['unit']}".strip()
    if gap.get("percent") is None:
        return _("off by %(amount)s") % {"amount": amount}
    return _("off by %(amount)s (%(percent)s%%)") % {
        "amount": amount,
        "percent": _figure(gap["percent"]),
    }


def _unit_text(row: dict[str, Any]) -> str:
    """Say which units cannot be converted into each other."""
    asked = (row.get("requirement") or {}).get("unit", "")
    stated = (row.get("stated") or {}).get("unit", "")
    if not asked:
        return _("the demand names no unit, this is in %(stated)s") % {"stated": stated}
    if not stated:
        return _("no unit is stated, the demand asks for %(asked)s") % {"asked": asked}
    return _("%(stated)s cannot be converted into %(asked)s") % {"stated": stated, "asked": asked}


def _figure(value: float) -> str:
    """Write a difference with four digits at most: it comes from converted units."""
    if abs(value) >= 10_000:
        return f"{value:,.0f}"
    return f"{value:.4g}"


@dataclass(frozen=True)
class Grade:
    """How sure the engine is of a match: a word, and the figure beside it where it may be told."""

    key: str
    percent: int | None

    @property
    def label(self) -> StrOrPromise:
        return _GRADE_LABELS[self.key]

    @property
    def dots(self) -> str:
        return _GRADE_DOTS[self.key]


_GRADE_LABELS = {
    "strong": gettext_lazy("Strong fit"),
    "likely": gettext_lazy("Likely fit"),
    "possible": gettext_lazy("Possible fit"),
}
_GRADE_DOTS = {"strong": "●●●", "likely": "●●○", "possible": "●○○"}


def grade_of(match: Match, *, exact: bool = True) -> Grade | None:
    """Return how sure the engine is, None where the engine of that day did not say.

    `exact`: with the figure. From the figure and the open parts of the score one could work out
    the closed ones, so it is told to whom all parts are open.
    """
    if not match.confidence:
        return None
    return Grade(grade(match.confidence), round(100 * match.confidence) if exact else None)


def row_keys(match: Match) -> list[str]:
    """Return what each stored row of the grid is called: "trl", "indicator:2" and so on.

    Remarks and questions are kept by these. An indicator is counted as the demand lists it, not
    as the grid sorts it: a later run may judge it otherwise, and what was said stays with it.
    """
    free = list(enumerate(match.demand_revision.indicators, 1))
    keys: list[str] = []
    for row in match.grid:
        if row.get("kind") != "indicator":
            keys.append(str(row.get("kind", "")))
            continue
        asked = row.get("requirement") or {}
        alike = [one for one in free if one[1].get("name") == row.get("name")]
        exact = [one for one in alike if str(one[1].get("value")) == str(asked.get("value"))]
        place = next(iter(exact or alike), None)
        if place is None:  # evidence of an earlier engine, about a text that reads otherwise now
            keys.append(f"indicator:{len(match.demand_revision.indicators) + len(keys) + 1}")
            continue
        free.remove(place)
        keys.append(f"indicator:{place[0]}")
    return keys


@dataclass(frozen=True)
class GridRow:
    kind: str
    name: str
    requirement: str
    hard: bool | None
    verdict: Verdict
    quote: SafeString
    stated: str
    source: str
    gap: str
    closed: str = ""  # to whom it is open, where it is not to this reader
    # See `row_keys`; "" where the reader must not learn how many indicators there are.
    key: str = ""
    # What a manager asked about it, with the answers.
    asked: tuple[Asked, ...] = ()
    # What the deciding managers said of it.
    remarks: tuple[str, ...] = ()


def grid_rows(match: Match, reader: Reader) -> list[GridRow]:
    """Return the constraints of the demand with what the achievement says to them.

    Unmet first, then partly, unknown, closed and met; inside each the must-haves come first.
    """
    hidden = reader.hidden(match)
    closed = {side: closed_keys(match, side, reader) for side in (Side.DEMAND, Side.ACHIEVEMENT)}
    rows: list[GridRow] = []
    for key, stored in zip(row_keys(match), match.grid, strict=True):
        if by := closed_by(stored, closed[Side.DEMAND], closed[Side.ACHIEVEMENT]):
            row = _closed_row(match, stored, key, *by, hidden)
            # How many indicators are asked for is closed with them.
            if row not in rows:
                rows.append(row)
            continue
        open_part = _open_part(stored, closed[Side.ACHIEVEMENT])
        verdict = stored["verdict"] if stored["verdict"] in _VERDICT_LABELS else "unknown"
        if verdict == "unknown" and stored.get("note") == UNITS:
            verdict = "units"
        rows.append(
            GridRow(
                kind=stored.get("kind", ""),
                name=mask_names(constraint_name(stored), *hidden),
                requirement=mask_names(requirement_text(stored), *hidden),
                hard=stored.get("hard"),
                verdict=Verdict(verdict),
                quote=marked(segments(open_part.get("quote", ""), stored.get("marks", ()), hidden)),
                stated=mask_names(stated_text(open_part), *hidden),
                source=source_text(stored),
                gap=mask_names(gap_text(stored), *hidden),
                key=key,
            )
        )
    return sorted(rows, key=lambda row: (VERDICTS.index(row.verdict.key), not row.hard))


def _closed_row(
    match: Match,
    row: dict[str, Any],
    key: str,
    side: str,
    field: str,
    hidden: Iterable[Organization],
) -> GridRow:
    """Say that something is stated, and to whom it is open. The reader's own words stay."""
    asked = side == Side.ACHIEVEMENT
    rule = RULES[side][field]
    tier = tier_of(side, field, _tiers(match, side))
    name = constraint_name(row) if asked else str(rule.label)
    return GridRow(
        kind=row.get("kind", ""),
        name=mask_names(name, *hidden),
        requirement=mask_names(requirement_text(row), *hidden) if asked else "",
        hard=row.get("hard") if asked else None,
        verdict=Verdict("closed"),
        quote=SafeString(""),
        stated="",
        source="",
        gap="",
        closed=Hidden(field, rule.label, tier, rule.names).who,
        key=key if asked else "",
    )


def tally(rows: Iterable[GridRow]) -> list[Verdict]:
    """Count the verdicts, leaving out those that no row has."""
    counts = dict.fromkeys(_TALLY_ORDER, 0)
    for row in rows:
        counts[row.verdict.key] += 1
    return [Verdict(key, count) for key, count in counts.items() if count]


def worst_gap(rows: Sequence[GridRow]) -> str:
    """Say in one line what stands most in the way."""
    for key in ("unmet", "partly"):
        # Another province is no obstacle, and never what a match fails by.
        worst = next((row for row in rows if row.verdict.key == key and row.kind != "region"), None)
        if worst is not None:
            text = _("Falls short: %(name)s, required %(requirement)s") % {
                "name": worst.name,
                "requirement": worst.requirement,
            }
            return _("%(text)s; %(gap)s") % {"text": text, "gap": worst.gap} if worst.gap else text
    silent = [row.name for row in rows if row.verdict.key == "unknown"]
    if silent:
        return _("Not stated: %(names)s") % {"names": _some(silent)}
    if other := [row.name for row in rows if row.verdict.key == "units"]:
        return _("In another unit: %(names)s") % {"names": _some(other)}
    if withheld := [row.name for row in rows if row.verdict.key == "closed"]:
        return _("Closed to you: %(names)s") % {"names": _some(withheld)}
    if any(row.verdict.key != "met" for row in rows):
        return _("Everything is met but the region")
    return _("Every requirement is met") if rows else ""


def _some(names: Sequence[str]) -> str:
    """Join the first few of many names."""
    joined = _(", ").join(names[:4])
    if len(names) <= 4:
        return joined
    return _("%(names)s and %(more)d more") % {"names": joined, "more": len(names) - 4}


# --- What would make it fit ---------------------------------------------------------------------


@dataclass(frozen=True)
class Advice:
    """One thing that would bring the two sides nearer, in words."""

    icon: str
    name: str
    text: str
    hard: bool


_ADVICE_ICONS = {
    "reach": "trending-up",
    "confirm": "clipboard-check",
    "restate": "ruler-2",
    "mature": "flask",
    "fund": "coin",
    "fix_price": "coin",
    "mode": "arrows-left-right",
    "hurry": "hourglass",
    "clear": "key",
    "own": "certificate",
    "ask": "message",
}
_STEPS = {
    "proof": gettext_lazy("a proof of concept"),
    "laboratory": gettext_lazy("a prototype in the laboratory"),
    "pilot": gettext_lazy("pilot scale"),
    "field": gettext_lazy("a trial in real operation"),
    "qualified": gettext_lazy("tests of the complete system"),
    "series": gettext_lazy("stable production"),
}


def advice_lines(match: Match, reader: Reader) -> list[Advice]:
    """Return what would make the pair fit, what matters most first, as far as it is open.

    What rests on a closed field is left out as its row of the grid is. Whatever nobody states is
    one line, where the first of it stands.
    """
    hidden = reader.hidden(match)
    closed = {side: closed_keys(match, side, reader) for side in (Side.DEMAND, Side.ACHIEVEMENT)}
    lines: list[Advice] = []
    silent: list[tuple[str, bool]] = []
    ask_at = 0
    for stored in match.advice:
        row = match.grid[stored["row"]]
        if closed_by(row, closed[Side.DEMAND], closed[Side.ACHIEVEMENT]):
            continue
        name = mask_names(constraint_name(row), *hidden)
        if stored["code"] == "ask":
            ask_at = ask_at if silent else len(lines)
            silent.append((name, bool(stored["hard"])))
            continue
        text = _advice_text(stored, _open_part(row, closed[Side.ACHIEVEMENT]))
        icon = _ADVICE_ICONS[stored["code"]]
        lines.append(Advice(icon, name, mask_names(text, *hidden), bool(stored["hard"])))
    if silent:
        names = _(", ").join(name for name, _hard in silent)
        text = _("nothing is stated; ask the other side before a decision")
        hard = any(hard for _name, hard in silent)
        lines.insert(ask_at, Advice(_ADVICE_ICONS["ask"], names, text, hard))
    return lines


def _advice_text(advice: Mapping[str, Any], row: dict[str, Any]) -> str:
    """Put one remedy into words; `row` is its row of the grid, without what is closed."""
    # "now 0.5 cm", where the table says "= 0.5 cm"
    stated, asked = stated_text(row).removeprefix(f"={NBSP}"), requirement_text(row)
    match advice["code"]:
        case "reach":
            figures = {"stated": stated, "asked": asked, "by": _amount(advice)}
            up, down = _directions(row)
            if up:
                return _("has to rise by %(by)s: now %(stated)s, asked %(asked)s") % figures
            if down:
                return _("has to fall by %(by)s: now %(stated)s, asked %(asked)s") % figures
            return _("is off by %(by)s: now %(stated)s, asked %(asked)s") % figures
        case "confirm":
            return _(
                "covers a part of what is asked: now %(stated)s, asked %(asked)s; ask for proof "
                "over the whole range and under the same conditions"
            ) % {"stated": stated, "asked": asked}
        case "restate":
            return _("%(units)s; ask for the figure in the unit that is asked for") % {
                "units": _unit_text(row)
            }
        case "mature":
            return _mature_text(advice, row)
        case "fund":
            share = advice["percent"]
            return _(
                "the price is %(by)s above the most that the demand pays; talk about scope, "
                "instalments or a subsidy"
            ) % {"by": _with_share(wan(advice["short"]), share)}
        case "fix_price":
            return _("the price has no upper end; ask for a firm one of at most %(money)s") % {
                "money": wan(advice["ceiling"])
            }
        case "mode":
            return _("asked: %(asked)s; offered: %(offered)s; ask whether one can be agreed") % {
                "asked": _fact_text("modes", {"modes": advice["asked"]}),
                "offered": _fact_text("modes", {"modes": advice["offered"]}),
            }
        case "hurry":
            days = ngettext("%(days)d day", "%(days)d days", advice["days"])
            return _("ready %(by)s too late; ask for a shorter schedule or a later date") % {
                "by": _with_share(days % {"days": advice["days"]}, advice["percent"])
            }
        case "clear":
            return _("somebody holds rights already; ask which, and for which field of use")
        case "own":
            return _("asked: %(asked)s; offered: %(offered)s; settle it before a contract") % {
                "asked": IpExpectation(advice["asked"]).label,
                "offered": _fact_text("modes", {"modes": advice["offered"]}),
            }
    return ""


def _mature_text(advice: Mapping[str, Any], row: Mapping[str, Any]) -> str:
    steps = _(", then ").join(str(_STEPS[step]) for step in advice["steps"])
    text = _("TRL %(level)d, the demand asks for %(target)d: still needs %(steps)s") % {
        "level": advice["trl"],
        "target": advice["target"],
        "steps": steps,
    }
    needs = [str(AchievementNeed(need).label) for need in (row["stated"] or {}).get("needs", ())]
    if not needs:
        return text
    return _("%(text)s; its owner looks for: %(needs)s") % {
        "text": text,
        "needs": _(", ").join(needs),
    }


def _directions(row: Mapping[str, Any]) -> tuple[bool, bool]:
    """Say whether a figure has to rise or to fall; for a range it depends on the figure."""
    op = (row.get("requirement") or {}).get("op")
    return op == "ge", op == "le"


def _amount(advice: Mapping[str, Any]) -> str:
    return _with_share(f"{_figure(advice['by'])} {advice['unit']}".strip(), advice["percent"])


def _with_share(amount: str, percent: float | None) -> str:
    if percent is None:
        return amount
    return _("%(amount)s (%(percent)s%%)") % {"amount": amount, "percent": _figure(percent)}


# Pairs that a page shows.
PAIRS = 3


@dataclass(frozen=True)
class Pair:
    demand: SafeString
    achievement: SafeString
    score: float


def sentence_pairs(match: Match, reader: Reader) -> list[Pair]:
    """Return the closest sentences among those that the reader may read."""
    hidden = reader.hidden(match)
    closed = {side: closed_keys(match, side, reader) for side in (Side.DEMAND, Side.ACHIEVEMENT)}
    return [
        Pair(
            marked(segments(pair["demand"], pair.get("demand_marks", ()), hidden)),
            marked(segments(pair["achievement"], pair.get("achievement_marks", ()), hidden)),
            float(pair.get("score", 0)),
        )
        for pair in match.pairs
        # An earlier engine did not note the fields; then it may be the description.
        if not any(pair.get("fields", {}).get(side, "body") in closed[side] for side in closed)
    ][:PAIRS]


@dataclass(frozen=True)
class Part:
    """One thing that the score is made of. `points`: hundredths of a score that it added or took,
    None where they are not told; `share`: how large that is beside the largest, 0 to 100."""

    label: StrOrPromise
    value: int | None  # of 100; None for what has no scale of its own
    points: int | None
    share: int

    @property
    def shown(self) -> str:
        if self.points is None:
            return "" if self.value is None else str(self.value)
        return f"+{self.points}" if self.points > 0 else str(self.points).replace("-", "−")

    @property
    def less(self) -> bool:
        return self.points is not None and self.points < 0


_PART_LABELS: dict[str, StrOrPromise] = {
    "meaning": gettext_lazy("Meaning"),
    "words": gettext_lazy("Words"),
    "indicators": gettext_lazy("Indicators"),
    "industry": gettext_lazy("Industry"),
    "trl": gettext_lazy("Maturity"),
    "money": gettext_lazy("Budget"),
    "modes": gettext_lazy("Cooperation"),
    "region": gettext_lazy("Region"),
    "decisions": gettext_lazy("Past decisions"),
}


# The kinds of rows that a part of the score is made of.
_PART_ROWS = {"indicators": "indicator", "trl": "trl", "money": "budget", "modes": "modes"}


def score_parts(match: Match, reader: Reader) -> list[Part]:
    """Return the parts of the score that either side says anything about, as far as it is open.

    What each added is told to whom all are open: the rest would be what the closed ones added.
    """
    closed = _closed_kinds(match, reader)
    open_keys = [
        key
        for key in _PART_LABELS
        if (key in match.parts or key in match.added) and _PART_ROWS.get(key) not in closed
    ]
    added = match.added if _all_open(match, closed) else {}
    largest = max((abs(float(value)) for value in added.values()), default=0.0) or 1.0
    parts = []
    for key in open_keys:
        if key not in match.parts and key not in added:
            continue
        value = match.parts.get(key)
        scaled = None if value is None else round(100 * min(max(float(value), 0.0), 1.0))
        points = round(100 * float(added[key])) if key in added else None
        share = round(100 * abs(float(added[key])) / largest) if key in added else scaled or 0
        parts.append(Part(_PART_LABELS[key], scaled, points, share))
    return parts


def _closed_kinds(match: Match, reader: Reader) -> set[str]:
    """Return the kinds of rows of the grid of which one is closed to a reader."""
    demand = closed_keys(match, Side.DEMAND, reader)
    achievement = closed_keys(match, Side.ACHIEVEMENT, reader)
    return {str(row.get("kind")) for row in match.grid if closed_by(row, demand, achievement)}


def _all_open(match: Match, closed: set[str]) -> bool:
    return not any(_PART_ROWS.get(key) in closed for key in (*match.parts, *match.added))


def grade_for(match: Match, reader: Reader) -> Grade | None:
    """Return how sure the engine is of a match, as far as one reader may learn it."""
    return grade_of(match, exact=_all_open(match, _closed_kinds(match, reader)))


def shared_terms(match: Match, reader: Reader) -> list[str]:
    """Return the words that both sides use in what the reader may read."""
    hidden = reader.hidden(match)
    texts = [
        _open_words(match, side, reader)
        for side in (Side.DEMAND, Side.ACHIEVEMENT)
        if closed_keys(match, side, reader)
    ]
    return [
        word
        for word in map(str, match.terms)
        if not names_any(word, hidden) and all(folded(word) in text for text in texts)
    ]


def _open_words(match: Match, side: str, reader: Reader) -> str:
    reading = shown(
        _revision(match, side),
        reader.tier_of(side),
        names=reader.names,
        under=_tiers(match, side),
    )
    texts = [reading.title, reading.summary, *reading.keywords]
    texts += [row.get("name", "") for row in reading.indicators]
    texts += [detail.text for group in detail_groups(reading) for detail in group.details]
    return folded("\n".join(texts))


# --- What happened ----------------------------------------------------------------------------

V = MatchEvent.Verb

# Steps between the platform and its managers: how somebody was chosen and why they left is not
# for the sides, and a declared interest would give a name away.
_INTERNAL = (V.ASSIGNED, V.HANDED_BACK, V.NO_RESPONSE, V.REFERRED)
_BY_MANAGERS = (
    *(V.ACCEPTED, V.VIEWED, V.APPROVED, V.REJECTED, V.REFERRED, V.HANDED_BACK),
    *(V.ASKED, V.FIRST_YES, V.UNDONE),
)
# What takes a decision back. While the match is in review there is none that a side knows of.
_TAKEN_BACK = (V.UNDONE, V.REOPENED, V.VOIDED)
_DECISIONS = (V.APPROVED, V.REJECTED, V.FIRST_YES)
# Both managers' opinions are open once both sides are asked, and whatever they then answer.
_BOTH_APPROVED = (
    *(MatchStatus.APPROVED, MatchStatus.INTRODUCED, MatchStatus.DECLINED, MatchStatus.LAPSED),
)
# The side of these is the one that it happens to; who did it is a manager, or the clock.
_ABOUT_A_SIDE = (V.ASKED, V.UNANSWERED)
_TOLD_NOTES = (V.APPROVED, V.REJECTED, V.FIRST_YES, V.DECLINED, V.APPEALED)
_VERB_ICONS = {
    V.SUGGESTED: "sparkles",
    V.ACCEPTED: "user-check",
    V.VIEWED: "eye",
    V.APPROVED: "circle-check",
    V.AGREED: "circle-check",
    V.INTRODUCED: "users",
    V.REJECTED: "circle-x",
    V.DECLINED: "circle-x",
    V.HANDED_BACK: "arrow-left",
    V.REFERRED: "arrow-forward",
    V.LAPSED: "clock-off",
    V.NO_RESPONSE: "clock-off",
    V.FROZEN: "player-pause",
    V.ASKED: "message",
    V.ANSWERED: "message",
    V.UNANSWERED: "clock-off",
    V.APPEALED: "alert-circle",
    V.FIRST_YES: "circle-check",
    V.UNDONE: "arrow-left",
    V.REOPENED: "arrow-left",
    V.VOIDED: "circle-x",
    V.ESCALATED: "alert-circle",
    V.PROLONGED: "alarm",
}


@dataclass(frozen=True)
class EventLine:
    icon: str
    what: StrOrPromise
    who: str
    when: dt.datetime
    reasons: list[StrOrPromise]
    note: str
    # The manager whom a step is about; not for the sides.
    about: str = ""


def reason_labels(codes: Iterable[str]) -> list[StrOrPromise]:
    """Say a review's reasons in words."""
    return [*reasons.labels(codes)]


def decline_labels(codes: Iterable[str]) -> list[StrOrPromise]:
    """Say in words why a side declined."""
    return [DeclineReason(code).label for code in codes if code in DeclineReason.values]


def event_reasons(event: MatchEvent, reader: Reader) -> list[StrOrPromise]:
    """Say the reason of a step in words; each verb has codes of its own."""
    codes = re.split(r"[,\s]+", event.reason) if event.reason else []
    if event.verb == V.DECLINED:
        return decline_labels(codes)
    if event.verb == V.VOIDED:  # what tie somebody has is told to the operators alone
        known = codes if reader.is_operator else []
        return [TieKind(code).label for code in known if code in TieKind.values]
    if event.verb == V.ESCALATED:
        known = codes if reader.is_operator else []
        return [Escalation(code).label for code in known if code in Escalation.values]
    return reason_labels(codes) if event.verb in _DECISIONS else []


def first_is_open(match: Match, reader: Reader) -> bool:
    """Say whether a reader may learn that one of two managers has approved, and what they wrote.

    Operators and a manager whose own decision is in may; the other manager not before that, and
    the sides not before both have approved.
    """
    if reader.is_operator or reader.has_decided:
        return True
    return bool(reader.side) and match.status in _BOTH_APPROVED


def _is_told(event: MatchEvent, match: Match, reader: Reader) -> bool:
    """Say whether a step is the reader's business at all."""
    if event.verb == V.FIRST_YES and not first_is_open(match, reader):
        return False
    if not reader.side:
        return (
            event.verb not in _TAKEN_BACK
            or event.before != MatchStatus.IN_REVIEW
            or first_is_open(match, reader)
        )
    if event.verb in _INTERNAL:
        return False
    if event.verb == V.PROLONGED and event.before != MatchStatus.APPROVED:
        return False  # a manager's deadline
    if event.verb in _TAKEN_BACK and event.before not in (
        MatchStatus.APPROVED,
        MatchStatus.REJECTED,
    ):
        return False
    # That the other side would not take no for an answer is theirs to tell.
    return event.verb != V.APPEALED or reader.side == event.side


def _undone(events: Sequence[MatchEvent]) -> set[int]:
    """Return the keys of decisions that were undone or are void: their text counts no more."""
    found: set[int] = set()
    last: dict[int | None, int] = {}
    for event in events:
        if event.verb in _DECISIONS:
            last[event.actor_id] = event.pk
        elif event.verb in (V.UNDONE, V.VOIDED):
            whose = event.actor_id if event.verb == V.UNDONE else event.subject_id
            if whose in last:
                found.add(last[whose])
    return found


def _who(event: MatchEvent, reader: Reader) -> str:
    if event.actor is None:
        return _("KeQiao")
    if event.side and event.verb not in _ABOUT_A_SIDE:
        side = Side(event.side)
        # A person's name is a contact: not for the other side, nor for a manager, before both met.
        if reader.contacts or reader.is_operator or side == reader.side:
            return f"{event.actor} ({side.label})" if not reader.side else str(event.actor)
        return str(side.label)
    if event.verb in _BY_MANAGERS or not reader.side:
        return str(event.actor)
    return _("KeQiao")


def event_lines(match: Match, reader: Reader, events: Iterable[MatchEvent]) -> list[EventLine]:
    """Tell the history of a match, to a side without what concerns the managers alone."""
    hidden = reader.hidden(match)
    told = list(events)
    reads_all = reader.is_operator or reader.has_decided
    undone = set() if reads_all else _undone(told)
    lines = []
    for event in told:
        if not _is_told(event, match, reader):
            continue
        # What a colleague thought first is no business of one who is still to decide.
        if not reader.side and not reads_all and (event.pk in undone or event.verb == V.UNDONE):
            continue
        # A note of a frozen or replaced match comes from the other side's editing.
        open_note = not reader.side or (event.verb in _TOLD_NOTES and event.pk not in undone)
        if event.verb == V.HANDED_BACK and not reader.is_operator:
            open_note = False  # what tie somebody has is told to the operators alone
        what = event.get_verb_display()
        if event.verb == V.VOIDED and not reader.is_operator:
            what = _("the decision stands no more; another manager decides")
        lines.append(
            EventLine(
                icon=_VERB_ICONS.get(V(event.verb), "circle-dashed"),
                what=what,
                who=_who(event, reader),
                when=event.created_at,
                reasons=event_reasons(event, reader) if event.pk not in undone else [],
                note=mask_names(event.note, *hidden) if open_note else "",
                about=str(event.subject) if event.subject and not reader.side else "",
            )
        )
    return lines


# --- A match in a list ------------------------------------------------------------------------


@dataclass(frozen=True)
class Opinion:
    """What a manager wrote for both sides. `earlier`: the first one's, where two approved."""

    text: str
    manager: User
    grade: StrOrPromise
    reasons: list[StrOrPromise]
    when: dt.datetime | None
    earlier: tuple[Opinion, ...] = ()


def standing_reviews(match: Match) -> list[Review]:
    """Return the reviews by which a match was decided, the deciding one last; none while it is
    not decided. `reviews` should be prefetched with managers."""
    if match.status in (MatchStatus.SUGGESTED, MatchStatus.IN_REVIEW):
        return []
    done = sorted(
        (one for one in match.reviews.all() if one.status == ReviewStatus.SUBMITTED),
        key=lambda one: (one.closed_at is not None, one.closed_at, one.pk),
    )
    return [one for one in done if one.decision == done[-1].decision]


def opinion_of(match: Match, reader: Reader) -> Opinion | None:
    """Return the deciding manager's opinion, with the first one's where there were two."""
    hidden = reader.hidden(match)
    told = [
        Opinion(
            text=mask_names(review.comment, *hidden),
            manager=review.manager,
            grade=profile.get_grade_display() if profile else "",
            reasons=reason_labels(review.reasons),
            when=review.closed_at,
        )
        for review in standing_reviews(match)
        for profile in [getattr(review.manager, "manager_profile", None)]
    ]
    return replace(told[-1], earlier=tuple(told[:-1])) if told else None


def with_remarks(match: Match, rows: Sequence[GridRow], reader: Reader) -> list[GridRow]:
    """Put beside the lines of the grid what the deciding managers remarked on them.

    Nothing beside a line that is closed to the reader: the remark is about what it says.
    """
    hidden = reader.hidden(match)
    found: dict[str, list[str]] = {}
    for review in standing_reviews(match):
        for key, text in review.remarks.items():
            found.setdefault(key, []).append(mask_names(text, *hidden))
    return [
        row if row.closed else replace(row, remarks=tuple(found.get(row.key, ()))) for row in rows
    ]


@dataclass(frozen=True)
class MatchCard:
    """A match as one side finds it in a list."""

    match: Match
    other: SideView
    own: SideView
    grade: Grade | None
    tally: list[Verdict]
    gap: str
    opinion: Opinion | None
    answers: dict[str, bool]  # side -> agreed
    side: str
    is_gone: bool
    # What its status means for the side; see `matchmaking.answers.card_of`.
    answer: Answer | None = None

    @property
    def my_answer(self) -> bool | None:
        return self.answers.get(self.side)

    @property
    def waits_for_me(self) -> bool:
        return self.match.status == MatchStatus.APPROVED and self.my_answer is None


def is_gone(match: Match) -> bool:
    """Say whether a listing has left the platform, so that the other side reads it no more.

    What was shown at an introduction stays: they know each other.
    """
    if match.status == MatchStatus.INTRODUCED:
        return False
    listings = (match.demand, match.achievement)
    if match.status == MatchStatus.SUPERSEDED:
        return not all(listing.is_live for listing in listings)
    return any(
        listing.status in (ListingStatus.WITHDRAWN, ListingStatus.SUSPENDED) for listing in listings
    )


def match_card(match: Match, side: str) -> MatchCard:
    """Prepare one row of a list. Wants listings, `consents` and `reviews` loaded."""
    reader = side_reader(side, match)
    rows = grid_rows(match, reader)
    consents = list(match.consents.all())
    return MatchCard(
        match=match,
        other=side_view(match, other_side(side), reader),
        own=side_view(match, side, reader),
        grade=grade_for(match, reader),
        tally=tally(rows),
        gap=worst_gap(rows),
        opinion=opinion_of(match, reader),
        answers={consent.side: consent.agreed for consent in consents},
        side=side,
        is_gone=is_gone(match),
    )


# --- Why a manager ----------------------------------------------------------------------------


def because_names(reviews: Iterable[Review]) -> dict[int, str]:
    """Return the names of those who referred or reassigned these reviews, in one query."""
    people = set()
    for review in reviews:
        facts = review.assigned_because
        people.add(facts.get("referred_by") or facts.get("reassigned_by"))
    people.discard(None)
    return dict(User.objects.filter(pk__in=people).values_list("pk", "name")) if people else {}


def assigned_because(review: Review, names: Mapping[int, str] | None = None) -> str:
    """Tell why this manager got the match, from what the assignment stored.

    `names` of the people who referred or reassigned, by key; without it they are looked up.
    """
    facts = review.assigned_because
    by = facts.get("referred_by") or facts.get("reassigned_by")
    if by is None:
        return because_text(facts)
    if names is None:
        names = dict(User.objects.filter(pk=by).values_list("pk", "name"))
    name = names.get(by, "")
    if "reassigned_by" in facts:
        text = _("reassigned by the operator %(name)s") % {"name": name}
        # Of a re-assignment in bulk the choice itself was the platform's.
        return (
            _("%(who)s; %(why)s") % {"who": text, "why": because_text(facts)}
            if ("classes" in facts)
            else text
        )
    text = _("referred by %(name)s") % {"name": name}
    if not facts.get("note"):
        return text
    owners = (review.match.demand.owner, review.match.achievement.owner)
    return f"{text}: {mask_names(facts['note'], *owners)}"


def because_text(facts: Mapping[str, Any]) -> str:
    """Put in a sentence why a manager was chosen: see `services.desks.Board.because`."""
    said = []
    classes = [name for code in facts.get("classes", ()) if (name := industry_name(code))]
    if classes:
        said.append(_("works in %(classes)s") % {"classes": _(", ").join(classes)})
    if facts.get("region"):
        said.append(_("works in this region"))
    if facts.get("similar"):
        said.append(
            ngettext(
                "has decided %(count)d match of this industry",
                "has decided %(count)d matches of this industry",
                facts["similar"],
            )
            % {"count": facts["similar"]}
        )
    elif facts.get("decided"):
        said.append(
            ngettext(
                "%(count)d match decided so far",
                "%(count)d matches decided so far",
                facts["decided"],
            )
            % {"count": facts["decided"]}
        )
    if facts.get("capacity"):
        said.append(
            _("%(load)d of %(capacity)d open reviews at that time")
            % {"load": facts.get("load", 0), "capacity": facts["capacity"]}
        )
    said.append(_("no tie to either side"))
    return _("; ").join(said)


def hindered_text(counts: Mapping[str, int]) -> str:
    """Say why managers cannot take a match, in numbers: see `services.desks.Board.hindered`."""
    said = []
    if count := counts.get("tie"):
        said.append(
            ngettext("%(count)d has a tie", "%(count)d have a tie", count) % {"count": count}
        )
    if count := counts.get("tried"):
        said.append(
            ngettext("%(count)d has had it before", "%(count)d have had it before", count)
            % {"count": count}
        )
    if count := counts.get("away"):
        said.append(ngettext("%(count)d is away", "%(count)d are away", count) % {"count": count})
    if count := counts.get("full"):
        said.append(
            ngettext("%(count)d has no room", "%(count)d have no room", count) % {"count": count}
        )
    return _(", ").join(said)
