"""A town to try KeQiao in: organizations, people, listings, and matches in every state.

The texts are in matchmaking/demo/. What people do with them goes through the same services as in
life (`demonstration_days`), so that the demo cannot show what the platform does not do. Only the
achievements that were there before are loaded as they stand, as a trusted import would.
"""

from __future__ import annotations

import datetime as dt
import json
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pghistory
from allauth.account.models import EmailAddress
from django.db import transaction
from django.utils import timezone
from numpy.typing import NDArray
from stdnum.cn import uscc

from accounts.absences import add_absence
from accounts.interests import declare_interest
from accounts.models import (
    AccountEvent,
    InterestKind,
    ManagerGrade,
    ManagerProfile,
    ManagerStatus,
    Membership,
    MembershipRole,
    Organization,
    OrganizationStatus,
    User,
)
from accounts.regions import province_code, regions
from catalog.models import Achievement, Demand, Listing, ListingEvent
from catalog.services import deciding, publishing
from catalog.workflow import ListingStatus
from matchmaking.models import Match
from matchmaking.retrieval.encoders import Encoder
from matchmaking.services import assignment, indexing, matching, stars
from matchmaking.services.demonstration_days import DAYS, RECENT, Clock, Days, Draft, moved
from matchmaking.workflow import MatchStatus

FOLDER = Path(__file__).resolve().parent.parent / "demo"
PASSWORD = "keqiao-demo-2026"
DOMAIN = "demo.keqiao.example"

# Achievements that came while the demo's days went by; the others were there before.
SINCE = 16


class Login(NamedTuple):
    email: str
    who: str


LOGINS = (
    Login(f"e01@{DOMAIN}", "企业 enterprise (恒轴轴承, demands)"),
    Login(f"u01@{DOMAIN}", "高校 university (machinery and materials, achievements)"),
    Login(f"manager1@{DOMAIN}", "技术经理人 technology manager (also manager2 to manager6)"),
    Login(f"operator@{DOMAIN}", "平台运营 operator"),
)

# name, grade, industries, provinces
_MANAGERS: tuple[tuple[str, str, list[str], list[str]], ...] = (
    ("陈立", ManagerGrade.SENIOR, ["C34", "C35", "C31", "C32", "C33"], ["410000", "320000"]),
    ("林若溪", ManagerGrade.SENIOR, ["C26", "C30", "C17", "C29"], ["330000", "370000"]),
    ("周以宁", ManagerGrade.INTERMEDIATE, ["C27", "Q", "C13", "C14", "A"], ["330000", "340000"]),
    ("韩拓", ManagerGrade.INTERMEDIATE, ["C38", "C39", "D44", "D"], ["320000", "350000"]),
    ("宋知远", ManagerGrade.SENIOR, ["I", "G", "C36", "C40"], ["350000", "420000"]),
    ("白芷若", ManagerGrade.JUNIOR, ["B", "N", "C46", "E"], ["140000", "130000"]),
)


class Remembering:
    """An encoder that encodes each text once; the demo compares the same sentences often."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self._known: dict[tuple[bool, str], NDArray[np.float32]] = {}
        self.name, self.revision = encoder.name, encoder.revision
        self.dimension = encoder.dimension
        self.count_tokens = encoder.count_tokens

    def encode_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return self._encode(texts, True, self._encoder.encode_queries)

    def encode_passages(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return self._encode(texts, False, self._encoder.encode_passages)

    def _encode(
        self,
        texts: Sequence[str],
        asking: bool,
        encode: Callable[[Sequence[str]], NDArray[np.float32]],
    ) -> NDArray[np.float32]:
        fresh = [text for text in dict.fromkeys(texts) if (asking, text) not in self._known]
        if fresh:
            for text, vector in zip(fresh, encode(fresh), strict=True):
                self._known[asking, text] = vector
        return np.array([self._known[asking, text] for text in texts], dtype=np.float32)


class Town(NamedTuple):
    """What was made, by the keys of the demo files."""

    organizations: dict[str, Organization]
    people: dict[str, User]
    managers: list[User]
    operator: User
    listings: dict[str, Any]


def demo_listings(folder: Path = FOLDER) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the demo's demands and achievements as they stand in the files."""
    demands: list[dict[str, Any]] = []
    achievements: list[dict[str, Any]] = []
    for path in sorted((folder / "listings").glob("*.json")):
        content = json.loads(path.read_text(encoding="utf8"))
        demands += content["demands"]
        achievements += content["achievements"]
    return demands, achievements


def build(
    encoder: Encoder, say: Callable[[str], None] = lambda step: None, *, compare: bool = True
) -> Town:
    """Make the demo in an empty database.

    Without `compare` every listing is published and nothing is matched.
    """
    remembering = Remembering(encoder)
    clock = Clock()
    with transaction.atomic():
        say("people and organizations")
        town = _people(clock)
        say("listings")
        demands, achievements = (_taking_turns(rows) for rows in demo_listings())
        before, since = achievements[:-SINCE], achievements[-SINCE:]
        _publish_all(town, clock, before, DAYS + 50, DAYS + 1)
        if not compare:
            _publish_all(town, clock, [*since, *demands], DAYS, 1)
            return town
    say("vectors")
    deque(indexing.index_all(kind="achievement", encoder=remembering), maxlen=0)
    say(f"{DAYS} days")
    indexing.ensure_centres(remembering)
    days = Days(clock, remembering, [_draft(town, row) for row in _recent_last(demands)])
    days.live()
    town.listings.update(days.demands)
    say("today")
    with transaction.atomic():
        _publish_all(town, clock, since, DAYS - 10, 1)
        _leave_drafts(town)
    for kind in ("achievement", "demand"):
        deque(indexing.index_all(kind=kind, encoder=remembering), maxlen=0)
    match_all(remembering)
    assignment.assign_matches()
    stars.compute_stars()
    return town


def _taking_turns(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Let industries take turns, so that the newest ones are of many kinds."""
    return sorted(rows, key=lambda row: (row["key"].rsplit("-", 1)[1].zfill(3), row["key"]))


def _recent_last(demands: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Put the demand of the first log-in at the head of the recent ones: it waits for answers."""
    own = [row for row in demands if row["org"] == "e01"]
    others = [row for row in demands if row["org"] != "e01"]
    older = len(demands) - RECENT
    return [*others[:older], *own, *others[older:]]


def match_all(encoder: Encoder) -> None:
    """Compare and explain every live demand, then give the best to managers."""
    for pk in Demand.objects.live().order_by("pk").values_list("pk", flat=True):
        matching.match_demand(demand_id=pk)
        matching.explain(demand_id=pk, encoder=encoder)
    matching.mark_offered(
        list(Achievement.objects.live().order_by("pk").values_list("pk", flat=True))
    )


def _people(clock: Clock) -> Town:
    """Register everybody in the week before the demo's days begin, and the agencies yesterday."""
    began = clock.end - dt.timedelta(days=DAYS + 5)
    clock.now = began
    with moved(clock):
        town = _register(clock)
    clock.now = clock.end
    return town


def _register(clock: Clock) -> Town:
    began, today = clock.now, timezone.localdate(clock.end)
    operator = _user(f"operator@{DOMAIN}", "何平", is_operator=True)
    organizations: dict[str, Organization] = {}
    people: dict[str, User] = {}
    rows = json.loads((FOLDER / "organizations.json").read_text(encoding="utf8"))
    for number, row in enumerate(rows, start=1):
        key = row["key"]
        # Two are left for the operator to verify.
        waiting = row["kind"] == "agency"
        checked = began + dt.timedelta(days=1 + number % 3 // 2, hours=number % 5)
        clock.now = clock.end - dt.timedelta(hours=20 + number) if waiting else began
        organization = Organization.objects.create(
            **{name: row[name] for name in ("name", "name_en", "kind", "size", "field")},
            field_en=row["field_en"],
            region=_region(row["region"]),
            summary=row["summary"],
            credit_code=_credit_code(row["kind"], number),
            contact_name=row["contact_name"],
            contact_phone=row["contact_phone"],
            contact_email=f"{key}@{DOMAIN}",
            status=OrganizationStatus.PENDING if waiting else OrganizationStatus.VERIFIED,
            verified_at=None if waiting else checked,
        )
        organizations[key] = organization
        people[key] = _user(f"{key}@{DOMAIN}", row["contact_name"], phone=row["contact_phone"])
        Membership.objects.create(
            user=people[key], organization=organization, role=MembershipRole.OWNER, is_active=True
        )
        AccountEvent.objects.create(
            actor=people[key], organization=organization, verb=AccountEvent.Verb.REGISTERED
        )
        if not waiting:
            clock.now = checked
            AccountEvent.objects.create(
                actor=operator, organization=organization, verb=AccountEvent.Verb.VERIFIED
            )
    clock.now = began
    managers = []
    for number, (name, grade, classes, provinces) in enumerate(_MANAGERS, start=1):
        user = _user(f"manager{number}@{DOMAIN}", name, phone=f"0000-5559{number:04d}")
        ManagerProfile.objects.create(
            user=user,
            grade=grade,
            certificate_no=f"JSJL-2025-{number:04d}",
            issuer="云州市技术转移协会",
            valid_from=today - dt.timedelta(days=1070 if number == len(_MANAGERS) else 200),
            # The last one has to renew soon.
            valid_until=today + dt.timedelta(days=25 if number == len(_MANAGERS) else 895),
            classes=classes,
            regions=provinces,
            capacity=30,
            status=ManagerStatus.CERTIFIED,
            certified_at=began + dt.timedelta(days=2),
        )
        clock.now = began + dt.timedelta(days=2)
        AccountEvent.objects.create(actor=operator, subject=user, verb=AccountEvent.Verb.CERTIFIED)
        managers.append(user)
    _lives(managers, organizations, today)
    return Town(organizations, people, managers, operator, {})


def _lives(managers: list[User], organizations: dict[str, Organization], today: dt.date) -> None:
    """Days off, a past employer and a tie to somebody who is not here, as managers have them."""
    profiles = [user.manager_profile for user in managers]
    add_absence(
        profile=profiles[4],
        first=today + dt.timedelta(days=20),
        last=today + dt.timedelta(days=27),
        note="年休假",
    )
    declare_interest(
        profile=profiles[1],
        kind=InterestKind.EMPLOYMENT,
        credit_code=organizations["u02"].credit_code,
        since=dt.date(2009, 7, 1),
        until=dt.date(2017, 6, 30),
        note="任副教授",
    )
    declare_interest(
        profile=profiles[1],
        kind=InterestKind.INTEREST,
        name="云州精细化工股份有限公司",
        note="配偶持有股份",
    )


def _user(email: str, name: str, **fields: Any) -> User:
    user = User.objects.create_user(email, PASSWORD, name=name, **fields)
    EmailAddress.objects.create(user=user, email=email, verified=True, primary=True)
    return user


def _credit_code(kind: str, number: int) -> str:
    stem = f"{'91' if kind == 'enterprise' else '12'}330100MB{number:07d}"
    return stem + uscc.calc_check_digit(stem)


def _region(code: str) -> str:
    return code if code in regions() else province_code(code)


def _publish_all(
    town: Town, clock: Clock, rows: list[dict[str, Any]], first: int, last: int
) -> None:
    """Load listings that were published between `first` and `last` days ago, oldest first."""
    for number, row in enumerate(rows):
        age = dt.timedelta(days=first - (first - last) * number / len(rows))
        published = clock.end - age - dt.timedelta(minutes=7 * number % 50)
        model = Demand if row["key"].startswith("d-") else Achievement
        town.listings[row["key"]] = _publish(town, model, row, published)


# What only some of the listings say, under the names of the fields.
_DETAILS = {
    "demand": ("process", "tried", "funded", "exclusivity", "ip_expectation", "partners"),
    "achievement": (
        *("novelty", "advantages", "scenarios", "trl_evidence", "ip_items", "ownership"),
        *("encumbrances", "needs", "lead_expert", "orcid"),
    ),
}


def _details(model: type[Any], row: dict[str, Any]) -> dict[str, Any]:
    names = ("ipc", "emerging", "disclosure", *_DETAILS[model._meta.model_name or ""])
    found = {name: row[name] for name in names if name in row}
    if days := row.get("deadline_days"):
        found["deadline"] = timezone.localdate() + dt.timedelta(days=days)
    if row.get("ownership") == "empowered":
        # Shown to everybody inside, as the rules for empowered inventors ask.
        found["publicity_until"] = timezone.localdate() - dt.timedelta(days=20)
        found["publicity_from"] = found["publicity_until"] - dt.timedelta(days=15)
    return found


def _content(model: type[Any], row: dict[str, Any]) -> dict[str, Any]:
    """Return what a listing says, by field, as its file has it."""
    prefix = "budget" if model is Demand else "price"
    names = ("title", "summary", "body", "indicators", "industry", "keywords", "modes", "trl")
    return {
        **{name: row[name] for name in names},
        "region": _region(row["region"]),
        "money_min": row.get(f"{prefix}_min"),
        "money_max": row.get(f"{prefix}_max"),
        "language": row["lang"],
        **_details(model, row),
        "valid_until": timezone.localdate() + dt.timedelta(days=row["valid_days"]),
    }


def _draft(town: Town, row: dict[str, Any]) -> Draft:
    return Draft(
        town.organizations[row["org"]], town.people[row["org"]], row["key"], _content(Demand, row)
    )


def _publish(town: Town, model: type[Any], row: dict[str, Any], published: dt.datetime) -> Listing:
    listing: Listing = model.objects.create(
        owner=town.organizations[row["org"]],
        created_by=town.people[row["org"]],
        external_id=row["key"],
        **_content(model, row),
        status=ListingStatus.PUBLISHED,
        version=1,
        created_at=published - dt.timedelta(days=2),
        submitted_at=published - dt.timedelta(days=1),
        published_at=published,
        updated_at=published,
    )
    pghistory.create_event(listing, label="revision")
    steps = (
        ("", ListingStatus.DRAFT, town.people[row["org"]], listing.created_at),
        (
            ListingStatus.DRAFT,
            ListingStatus.SUBMITTED,
            town.people[row["org"]],
            listing.submitted_at,
        ),
        (ListingStatus.SUBMITTED, ListingStatus.PUBLISHED, town.operator, published),
    )
    ListingEvent.objects.bulk_create(
        ListingEvent(
            **{listing.kind: listing},
            actor=actor,
            before=before,
            after=after,
            version=1,
            created_at=when or published,
        )
        for before, after, actor, when in steps
    )
    return listing


def _leave_drafts(town: Town) -> None:
    """Show listings that are not published: written, waiting, sent back, withdrawn."""
    today = timezone.localdate()
    content = {
        "title": "轴承保持架注塑件翘曲控制",
        "summary": "玻纤增强尼龙保持架注塑后翘曲超差，求模具与工艺方案。",
        "body": "现有保持架外径 180 mm，PA66+GF25，注塑后平面度 0.45 mm，要求 0.2 mm 以内。"
        "试过延长保压和加大冷却水量，节拍变长而变形改善不明显。",
        "indicators": [
            {"name": "平面度", "op": "le", "value": "0.2", "high": "", "unit": "mm", "hard": True}
        ],
        "industry": "C3451",
        "keywords": ["注塑", "翘曲", "保持架"],
        "region": _region("410300"),
        "modes": ["development", "service"],
        "trl": 6,
        "money_max": 900_000,
        "valid_until": today + dt.timedelta(days=150),
    }
    owner, actor = town.organizations["e01"], town.people["e01"]
    waiting = publishing.create_draft(model=Demand, owner=owner, actor=actor, content=content)
    publishing.submit(listing=waiting, actor=actor)
    publishing.create_draft(
        model=Demand,
        owner=owner,
        actor=actor,
        content={**content, "title": "滚子凸度在线检测", "summary": "", "body": ""},
    )
    returned = publishing.create_draft(
        model=Demand,
        owner=owner,
        actor=actor,
        content={
            **content,
            "title": "热处理车间余热利用",
            "summary": "井式炉与清洗槽余热回收，用于前清洗和采暖。",
            "body": "车间有井式渗碳炉六台，烟气与淬火油换热后的余热没有利用，"
            "希望回收后供清洗槽加热。",
            "indicators": [],
        },
    )
    publishing.submit(listing=returned, actor=actor)
    deciding.decide(
        no_interest=True,
        listing=returned,
        actor=town.managers[0],
        decision="needs_info",
        reason="no_figures",
        note="请补充烟气温度、流量和目标节能量。",
    )
    refused = publishing.create_draft(
        model=Demand,
        owner=owner,
        actor=actor,
        content={
            **content,
            "title": "求购二手数控车床两台",
            "summary": "求购 2018 年以后的数控车床，最大加工直径 400 mm。",
            "body": "车间扩产，需要两台二手数控车床，要求精度完好，可上门看机，价格面议。",
            "indicators": [],
        },
    )
    publishing.submit(listing=refused, actor=actor)
    deciding.decide(
        no_interest=True,
        listing=refused,
        actor=town.operator,
        decision="reject",
        reason="out_of_scope",
        note="这里发布技术需求，设备买卖请走二手设备平台。",
    )
    # A partner of many demands leaves: what was suggested with it is replaced.
    suggested = Match.objects.filter(status=MatchStatus.SUGGESTED, rank__gte=10)
    gone = Achievement.objects.filter(matches__in=suggested).order_by("pk").last()
    if gone is not None:
        leaver = gone.owner.users.order_by("pk").first()
        assert leaver is not None, "every demo organization has a person"
        publishing.withdraw(listing=gone, actor=leaver, note="成果已独家许可。")
        for demand in matching.listing_left(kind="achievement", listing_id=gone.pk):
            matching.match_demand(demand_id=demand)
