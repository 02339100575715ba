"""Every tier x role x path: what is closed to a reader is on no page, in no count, file or mail.

Each field of a listing holds a word or figure that stands nowhere else. For each tier there is a
pair of listings that keeps all its fields at that tier, and a match of the two whose evidence was
stored while all was open. Each reader then asks for every address that the site has, by every
listing, and what comes back is searched for what is above the reader's tier. What is not above it
has to be there.
"""

from __future__ import annotations

import datetime as dt
import html
import io
import random
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.core import mail
from django.core.cache import cache
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse
from django.utils import timezone
from stdnum.iso7064 import mod_11_2

from accounts.models import OrganizationStatus, OutboxMail
from accounts.permissions import Tier
from accounts.templatetags.kq import day, wan
from catalog.disclosure import RULES, TIER_NAMES, withheld
from catalog.models import (
    Achievement,
    AchievementNeed,
    Demand,
    Exclusivity,
    IpExpectation,
    OwnershipMode,
)
from catalog.words import words
from matchmaking.models import Match, Review
from matchmaking.questions import lines
from matchmaking.retrieval.explanation import advice, constraint_grid, sentence_pairs
from matchmaking.services import indexing, matching
from matchmaking.workflow import InquiryStatus, MatchStatus, ReviewStatus, Side
from tests.api import Program
from tests.factories import (
    make_achievement,
    make_demand,
    make_manager,
    make_match,
    make_member,
    make_operator,
    make_organization,
    make_review,
    make_user,
)
from tests.fakes import FakeEncoder, Unanswered

pytestmark = pytest.mark.django_db

_LETTERS = "bcdfghklmnprstvwz"


def _words() -> Iterator[str]:
    """Yield words that are in no text and unlike each other."""
    dice = random.Random(20261122)
    while True:
        yield "".join(dice.choice(_LETTERS) + dice.choice("aeiou") for _ in range(5))


# The texts in which a word can be hidden; indicators and items hold theirs in a row.
TEXTS = {
    "demand": ("body", "process", "tried", "partners"),
    "achievement": ("body", "novelty", "advantages", "scenarios", "trl_evidence", "encumbrances"),
}
# What the choices are shown as. They stand on other pages too, so they are looked for only where
# one listing, or one pair, is shown.
LABELS: dict[tuple[str, str], Any] = {
    ("demand", "trl"): "TRL 8",
    ("demand", "funded"): "资金已落实",
    ("demand", "exclusivity"): Exclusivity.FIELD.label,
    ("demand", "ip_expectation"): IpExpectation.SHARED.label,
    ("achievement", "trl"): "TRL 9",
    ("achievement", "ownership"): OwnershipMode.SEPARATE.label,
    ("achievement", "needs"): AchievementNeed.PILOT.label,
}
# A figure of each text of the achievement that the demand asks for: evidence rests on them all.
ASKED = {
    "body": ("圆度变形", "mm"),
    "novelty": ("表面硬度", "HRC"),
    "advantages": ("淬硬层深度", "mm"),
    "scenarios": ("处理温度", "℃"),
    "trl_evidence": ("单件节拍", "min"),
}


@dataclass
class Planted:
    """One listing, and the words and figures that give a field of it away, by key."""

    listing: Any
    tier: Tier
    introduced: bool
    marks: dict[str, list[str]] = field(default_factory=dict)

    def closed(self, tier: Tier, *, names: bool) -> set[str]:
        kind = self.listing.kind
        hidden = withheld(kind, self.listing.disclosure, tier, names=names)
        return {key for key, rule in RULES[kind].items() if hidden & set(rule.fields)}


@dataclass
class World:
    planted: list[Planted]
    matches: dict[str, Match]  # by number
    readers: dict[str, Any]


def _plant(kind: str, tier: Tier, introduced: bool, owner: Any, fresh: Iterator[str]) -> Planted:
    number = next(_serial)
    marks: dict[str, list[str]] = {}
    values: dict[str, Any] = {}
    for key in TEXTS[kind]:
        word = next(fresh)
        marks[key] = [word]
        asked = ASKED.get(key) if kind == "achievement" else None
        figure = f"{asked[0]} 50 {asked[1]}，" if asked else ""
        values[key] = f"{figure}{word} 这一句只给读得到的人看。"
    word = next(fresh)
    marks["indicators"] = [word]
    rows = [
        {"name": f"{word}含量", "op": "ge", "value": "3", "high": "", "unit": "%", "hard": True}
    ]
    money = (7000 + number) * 10_000
    marks["money"] = [wan(money), str(money), f"{money:,}"]
    if kind == "demand":
        last = dt.date(2031, 1, 1) + dt.timedelta(days=number)
        marks["deadline"] = [day(last), last.isoformat()]
        rows += [
            {"name": name, "op": "ge", "value": "40", "high": "", "unit": unit, "hard": True}
            for name, unit in ASKED.values()
        ]
        values |= {
            "deadline": last,
            "funded": True,
            "exclusivity": "field",
            "ip_expectation": "shared",
            "trl": 8,
            "money_max": money,
        }
    else:
        patent, expert = next(fresh), next(fresh)
        stem = f"{number:015d}"
        code = stem + mod_11_2.calc_check_digit(stem)
        orcid = "-".join(code[at : at + 4] for at in range(0, 16, 4))
        marks |= {"ip_items": [patent], "expert": [expert, orcid]}
        values |= {
            "ip_items": [
                {"kind": "invention", "number": f"CN{patent}", "status": "granted", "family": ""}
            ],
            "lead_expert": expert,
            "orcid": orcid,
            "ownership": "separate",
            "needs": ["pilot"],
            "trl": 9,
            "money_min": money,
            "money_max": None,
        }
    chosen = {
        key: max(tier, rule.widest).name.lower()
        for key, rule in RULES[kind].items()
        if max(tier, rule.widest) != rule.default
    }
    make = make_demand if kind == "demand" else make_achievement
    listing = make(
        owner=owner,
        title=f"套圈淬火变形控制 {number}",
        indicators=rows,
        disclosure=chosen,
        external_id=f"row-{number}",
        **values,
    )
    return Planted(listing, tier, introduced, marks)


_serial = iter(range(1, 10_000))


def _evidence(demand: Demand, achievement: Achievement, terms: list[str]) -> dict[str, Any]:
    """Return what a run stored while everything was open to managers."""
    opened = []
    for listing in (demand, achievement):
        whole = type(listing).objects.get(pk=listing.pk)
        whole.disclosure = dict.fromkeys(RULES[listing.kind], "managers")
        opened.append(matching.listing_side(whole))
    encoder = FakeEncoder()
    return {
        "grid": (grid := constraint_grid(*opened, start=timezone.localdate())),
        "advice": advice(grid),
        "pairs": sentence_pairs(*opened, encoder.encode_queries, words, k=20, floor=0.0),
        "terms": terms,
        "confidence": 0.62,
        "parts": {"meaning": 0.8, "words": 0.4, "indicators": 0.7, "trl": 1.0, "money": 0.5},
        "added": {"meaning": 0.5, "words": 0.3, "indicators": 0.03, "trl": 0.04, "money": 0.0},
    }


def _ask_both(review: Review) -> None:
    """Have each side asked, in the words that are suggested, about all that it can be asked."""
    for side in Side:
        review.inquiries.create(
            side=side,
            status=InquiryStatus.ANSWERED,
            questions=[
                {"field": line.key, "name": line.name, "text": line.suggestion or "请补充这一项。"}
                for line in lines(review.match, side)
            ],
            due_on=timezone.localdate(),
        )


@pytest.fixture
def world(monkeypatch) -> World:
    monkeypatch.setattr("matchmaking.retrieval.searching.Question", Unanswered)
    cache.clear()
    fresh = _words()
    demand_side = make_organization(name="恒轴精密轴承有限公司")
    achievement_side = make_organization(name="云州理工大学", kind="university", field="材料方向")
    manager = make_manager(name="受派经理")
    newly = make_manager(name="未接受的经理")
    planted: list[Planted] = []
    matches: dict[str, Match] = {}
    pairs = [(tier, False) for tier in Tier] + [(Tier.INTRODUCED, True)]
    for tier, introduced in pairs:
        ours = _plant("demand", tier, introduced, demand_side, fresh)
        theirs = _plant("achievement", tier, introduced, achievement_side, fresh)
        planted += [ours, theirs]
        terms = [
            word
            for one in (ours, theirs)
            for key in TEXTS[one.listing.kind]
            for word in one.marks[key]
        ]
        status = MatchStatus.INTRODUCED if introduced else MatchStatus.APPROVED
        match = make_match(
            status=status,
            demand=ours.listing,
            achievement=theirs.listing,
            **_evidence(ours.listing, theirs.listing, terms),
        )
        _ask_both(make_review(match=match, manager=manager, settled=True))
        matches[match.number] = match
    waiting = make_match(
        status=MatchStatus.IN_REVIEW,
        demand=planted[6].listing,
        achievement=planted[5].listing,
        **_evidence(planted[6].listing, planted[5].listing, []),
    )
    make_review(match=waiting, manager=newly, status=ReviewStatus.ASSIGNED)
    matches[waiting.number] = waiting
    encoder = FakeEncoder()
    for kind in ("achievement", "demand"):
        ids = [one.listing.pk for one in planted if one.listing.kind == kind]
        indexing.refresh(kind=kind, ids=ids, encoder=encoder)
        indexing.rebuild_statistics(kind)
    unverified = make_member(make_organization(status=OrganizationStatus.PENDING))
    return World(
        planted,
        matches,
        {
            "visitor": None,
            "newcomer": make_user(),
            "unverified": unverified,
            "member": make_member(),
            "demand owner": make_member(demand_side),
            "demand viewer": make_member(demand_side, "viewer"),
            "achievement owner": make_member(achievement_side),
            "manager": make_manager(),
            "assigned": newly,
            "accepted": manager,
            "operator": make_operator(),
        },
    )


TIERS = {"visitor": Tier.PUBLIC, "newcomer": Tier.PUBLIC, "unverified": Tier.PUBLIC}
TIERS |= dict.fromkeys(
    ("member", "demand owner", "demand viewer", "achievement owner"), Tier.MEMBERS
)
TIERS |= dict.fromkeys(("manager", "assigned", "accepted"), Tier.MANAGERS)
TIERS |= {"operator": Tier.INTRODUCED}
SIDES = {"demand owner": "demand", "demand viewer": "demand", "achievement owner": "achievement"}


def closed_to(reader: str, one: Planted, match: Match | None) -> set[str]:
    """Return the keys of a listing that a reader must not learn, on a match's page or elsewhere."""
    tier, names = TIERS[reader], False
    side = SIDES.get(reader)
    if one.listing.kind == side:
        tier = Tier.INTRODUCED
    elif match is not None and one.listing in (match.demand, match.achievement):
        if side and match.status == MatchStatus.INTRODUCED:
            tier = Tier.INTRODUCED
        names = reader == "accepted"
    return one.closed(tier, names=names)


# --- Every address ------------------------------------------------------------------------------

# What an argument may be, where it is no number of a listing or match.
VALUES: dict[str, tuple[Any, ...]] = {
    "tier": tuple(TIER_NAMES),
    "step": ("what", "indicators", "terms", "check"),
    "scheme": ("industry", "ipc", "emerging"),
    "section": ("pages", "demands", "achievements"),
    "kind": ("demand",),
    "language": ("zh",),
    "file_format": ("csv", "xlsx"),
    "token": ("nothing",),
    "file": (1,),
    "member": (1,),
    "evidence": (1,),
    "absence": (1,),
    "external_id": ("row-1",),
    "address": ("nothing",),
    "pk": (1,),
    "version": (1,),
    "subject": ("match",),
    "code": ("off_topic",),
    "rows": ("posted", "late"),
    "table_name": ("gaps",),
}
# Of packages: they hold no listing.
FOREIGN = re.compile(r"^(account|socialaccount|usersessions|mfa|headless|set_language|javascript)")
# The API's description is the same for all, and takes a second.
SAME_FOR_ALL = {"api_schema", "api_docs", "api_root"}


def routes(
    resolver: URLResolver, prefix: str = "", space: str = ""
) -> Iterator[tuple[str, str, list[str]]]:
    for part in resolver.url_patterns:
        route = prefix + str(part.pattern)
        if isinstance(part, URLResolver):
            yield from routes(part, route, space + (f"{part.namespace}:" if part.namespace else ""))
        elif isinstance(part, URLPattern) and part.name and not FOREIGN.match(part.name):
            yield space + part.name, route, list(part.pattern.converters)


def addresses(world: World) -> Iterator[str]:
    """Yield every address of the site, by every listing and match it can be about."""
    for name, route, arguments in routes(get_resolver()):
        if name in SAME_FOR_ALL or name.startswith("admin:jsi18n"):
            continue
        unknown = [one for one in arguments if one not in VALUES and one not in ("number", "uuid")]
        if "token" in arguments and "uuid" in route:
            continue
        assert not unknown, f"{name}: say in VALUES what “{unknown[0]}” may be"
        options: list[dict[str, Any]] = [{}]
        for argument in arguments:
            values = _numbers(world, route) if argument == "number" else VALUES[argument]
            options = [{**chosen, argument: value} for chosen in options for value in values]
        for chosen in options:
            yield reverse(name, kwargs=chosen)


def _numbers(world: World, route: str) -> list[str]:
    if re.search(r"(matches|assignments|reviews)/<", route):
        return list(world.matches)
    kinds = [kind for kind in ("demand", "achievement") if f"{kind}s/" in route]
    # Whole pages by all; the acts on a listing by the two pairs that keep the most closed.
    whole = re.search(r"s/<str:number>/(matches/|revisions/|changes/)?$", route)
    return [
        one.listing.number
        for one in world.planted
        if (not kinds or one.listing.kind in kinds)
        and (whole or (one.tier >= Tier.MANAGERS and not one.introduced))
    ]


def searches(world: World) -> Iterator[str]:
    """Yield questions for every planted word, and filters by what may be closed."""
    for plural in ("demands", "achievements"):
        for level in (8, 9):
            yield f"/{plural}/?trl={level}"
            yield f"/api/v1/{plural}/?trl={level}"
        yield f"/{plural}/?sort=money"


def text_of(response: Any) -> str:
    """Return all that came back as text: headers, page, and the inside of a packed file."""
    body = b"".join(response.streaming_content) if response.streaming else response.content
    parts = [f"{name}: {value}" for name, value in response.items()]
    if body.startswith(b"PK"):
        with zipfile.ZipFile(io.BytesIO(body)) as packed:
            parts += [packed.read(name).decode("utf8", "replace") for name in packed.namelist()]
    else:
        parts.append(body.decode("utf8", "replace"))
    return html.unescape("\n".join(parts))


def found_in(page: str, one: Planted, *, single: bool) -> set[str]:
    """Return the keys of a listing that a page gives away; `single`: it shows one, or one pair."""
    keys = {key for key, marks in one.marks.items() if any(mark in page for mark in marks)}
    if single:
        keys |= {
            key
            for (kind, key), label in LABELS.items()
            if kind == one.listing.kind and str(label) in page
        }
    return keys


def single(path: str, one: Planted, match: Match | None) -> bool:
    """Say whether a page is about this listing alone, or about its match."""
    if match is not None:
        return one.listing in (match.demand, match.achievement)
    return bool(re.fullmatch(rf"/(demands|achievements)/{one.listing.number}/", path))


def match_of(world: World, path: str) -> Match | None:
    return next((match for number, match in world.matches.items() if number in path), None)


class Reading:
    """One person with a browser and a program."""

    def __init__(self, world: World, reader: str) -> None:
        self.user = world.readers[reader]
        self.browser = Client()
        if self.user is not None:
            self.browser.force_login(self.user)
        self.program = Program(self.user)

    def get(self, path: str) -> Any:
        return self.program.get(path) if path.startswith("/api/") else self.browser.get(path)

    def post(self, path: str) -> Any:
        return self.program.post(path) if path.startswith("/api/") else self.browser.post(path)


READERS = list(TIERS)


@pytest.mark.parametrize("reader", READERS)
def test_no_path_shows_a_reader_more_than_their_tier(world, reader, settings, monkeypatch):
    settings.SEARCHES_PER_MINUTE = settings.EXPORTS_PER_MINUTE = 100_000
    # A PDF says what the page says that it is set from, and takes half a second.
    monkeypatch.setattr("accounts.paper.pdf", lambda html, *, address: html.encode())
    reading = Reading(world, reader)
    told: list[str] = []

    def look(path: str, response: Any) -> None:
        match = match_of(world, path)
        page = text_of(response)
        for one in world.planted:
            # Pages of one's own listing's matches tell of the other sides as each match allows.
            of_match = match
            of_pairs = re.search(r"/(matches|report)[/.]", path)
            if (of_match is None and of_pairs) or path.startswith("/my/answers/"):
                of_match = next(
                    m for m in world.matches.values() if one.listing in (m.demand, m.achievement)
                )
            too_much = found_in(page, one, single=single(path, one, match))
            too_much &= closed_to(reader, one, of_match)
            if too_much:
                told.append(f"{path}: {one.listing.kind} at {one.tier.name}: {sorted(too_much)}")

    paths = list(dict.fromkeys([*addresses(world), *searches(world)]))
    for path in paths:
        look(path, reading.get(path))
    # Then what a form answers that was sent empty.
    closed = {one.listing.number for one in world.planted if one.tier < Tier.INTRODUCED}
    for path in paths:
        if path.endswith("/accept/"):
            continue  # no form: it takes a review on, and from then on names are open
        if "?" not in path and not any(number in path for number in closed):
            look(path, reading.post(path))
    letters = [f"{one.subject}\n{one.body}" for one in mail.outbox]
    letters += [str(row) for row in OutboxMail.objects.values_list("payload", flat=True)]
    for one in world.planted:
        for letter in letters:
            assert not found_in(letter, one, single=False)
    assert not told, f"{reader} learns too much on {len(told)} pages:\n" + "\n".join(told[:40])


@pytest.mark.parametrize("reader", READERS)
def test_what_a_readers_tier_allows_is_shown(world, reader):
    """The other way round: a walk that finds nothing would find nothing on an empty page either."""
    reading = Reading(world, reader)
    for one in world.planted:
        every = set(RULES[one.listing.kind])
        page = text_of(reading.get(one.listing.get_absolute_url()))
        assert found_in(page, one, single=True) == every - closed_to(reader, one, None)
        answer = reading.get(f"/api/v1/{one.listing.kind}s/{one.listing.number}/")
        assert {item["key"] for item in answer.json()["withheld"]} <= closed_to(reader, one, None)


@pytest.mark.parametrize("reader", ["demand owner", "achievement owner", "accepted", "operator"])
def test_a_match_shows_what_it_opens_to_each_side(world, reader):
    reading = Reading(world, reader)
    for match in list(world.matches.values())[:5]:
        page = text_of(reading.get(match.get_absolute_url()))
        for one in world.planted:
            if one.listing in (match.demand, match.achievement):
                # Indicators are told by the rows that compare them: the demand's.
                every = set(RULES[one.listing.kind]) - (
                    {"indicators"} if one.listing.kind == "achievement" else set()
                )
                expected = every - closed_to(reader, one, match)
                assert expected <= found_in(page, one, single=True), (match.number, one.tier)


def test_what_is_closed_on_one_side_leaves_no_verdict_and_no_part_of_the_score(world):
    """Who changes what they ask for and looks again would find the figure by its verdict."""
    match = next(m for m in world.matches.values() if m.demand == world.planted[4].listing)
    page = text_of(Reading(world, "demand owner").get(match.get_absolute_url()))

    for name, _unit in ASKED.values():
        row = re.search(rf'<th scope="row">\s*{name}.*?</tr>', page, re.S)
        assert row is not None and "未向你开放" in row[0] and "已满足" not in row[0]
    assert "对技术经理人开放" in page
    score = page[page.index('id="score-title"') :]
    assert "成熟度" not in score and "预算" not in score


@pytest.mark.parametrize("reader", ["visitor", "member", "manager"])
def test_a_question_finds_a_listing_by_what_its_reader_may_read_alone(world, reader, settings):
    settings.SEARCHES_PER_MINUTE = 100_000
    reading = Reading(world, reader)
    searched = {"body", "process", "tried", "partners", "novelty", "advantages", "scenarios"}
    for one in world.planted:
        closed = closed_to(reader, one, None)
        path = reverse(f"{one.listing.kind}_list")
        for key in sorted(searched & set(one.marks)):
            page = text_of(reading.get(f"{path}?q={one.marks[key][0]}"))
            assert (one.listing.get_absolute_url() in page) == (key not in closed), (key, one.tier)


@pytest.mark.parametrize("reader", ["visitor", "member", "manager", "operator"])
def test_a_filter_finds_nothing_by_a_level_that_is_closed(world, reader):
    reading = Reading(world, reader)
    page = text_of(reading.get("/achievements/?trl=9"))
    for one in world.planted:
        if one.listing.kind == "achievement":
            # An operator's list is as a manager's.
            open_to = one.tier <= min(TIERS[reader], Tier.MANAGERS)
            assert (one.listing.get_absolute_url() in page) == open_to
