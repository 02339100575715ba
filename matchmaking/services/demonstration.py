"""A town to try KeQiao in: organizations, people, listings, and matches in every state.

The texts are in matchmaking/demo/. Everything goes through the same services as in life, so that
the demo cannot show what the platform does not do.
"""

from __future__ import annotations

import datetime as dt
import json
from collections import deque
from collections.abc import Callable, Sequence
from itertools import cycle
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pghistory
import pgtrigger
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
from matchmaking.criteria import suggest_criteria
from matchmaking.models import Match, MatchEvent, Review
from matchmaking.retrieval.encoders import Encoder
from matchmaking.services import assignment, clocks, indexing, matching, stars
from matchmaking.services.consents import answer
from matchmaking.services.reviews import accept_review, submit_review
from matchmaking.workflow import MatchStatus, ReviewStatus, Side

FOLDER = Path(__file__).resolve().parent.parent / "demo"
PASSWORD = "keqiao-demo-2026"
DOMAIN = "demo.keqiao.example"


# Demands whose first match has ended: 6 introduced, 3 declined, 4 not approved, 2 lapsed.
ENDED = 15


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
    """Make the demo in an empty database. All or nothing up to the published listings."""
    remembering = Remembering(encoder)
    with transaction.atomic():
        say("people and organizations")
        town = _people()
        say("listings")
        _publish_all(town)
    if compare:
        say("vectors")
        for kind in ("achievement", "demand"):
            deque(indexing.index_all(kind=kind, encoder=remembering), maxlen=0)
        say("matches")
        match_all(remembering)
        say("decisions")
        _decide(town)
        _leave_drafts(town)
        stars.compute_stars()
    return town


def match_all(encoder: Encoder) -> None:
    """Compare and explain every live demand, then give the best to managers."""
    for pk in Demand.objects.live().order_by("pk").values_list("pk", flat=True):
        matching.match_demand(demand_id=pk)
        matching.explain(demand_id=pk, encoder=encoder)
    matching.mark_offered(
        list(Achievement.objects.live().order_by("pk").values_list("pk", flat=True))
    )


def _people() -> Town:
    operator = _user(f"operator@{DOMAIN}", "何平", is_operator=True)
    organizations: dict[str, Organization] = {}
    people: dict[str, User] = {}
    rows = json.loads((FOLDER / "organizations.json").read_text(encoding="utf8"))
    for number, row in enumerate(rows, start=1):
        key = row["key"]
        # Two are left for the operator to verify.
        waiting = row["kind"] == "agency"
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
            verified_at=None if waiting else timezone.now() - dt.timedelta(days=60),
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
            AccountEvent.objects.create(
                actor=operator, organization=organization, verb=AccountEvent.Verb.VERIFIED
            )
    managers = []
    today = timezone.localdate()
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
            certified_at=timezone.now() - dt.timedelta(days=45),
        )
        AccountEvent.objects.create(actor=operator, subject=user, verb=AccountEvent.Verb.CERTIFIED)
        managers.append(user)
    _lives(managers, organizations)
    return Town(organizations, people, managers, operator, {})


def _lives(managers: list[User], organizations: dict[str, Organization]) -> None:
    """Days off, a past employer and a tie to somebody who is not here, as managers have them."""
    today = timezone.localdate()
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


def _publish_all(town: Town) -> None:
    """Publish the listings over the last four weeks, oldest first.

    Demands whose matches have ended are the older ones; those still under way are a day old, so
    that the demo keeps its promises.
    """
    demands, achievements = demo_listings()
    for model, rows in ((Achievement, achievements), (Demand, demands)):
        # Industries take turns, so that the newest ones are of many kinds.
        rows = sorted(rows, key=lambda row: (row["key"].rsplit("-", 1)[1].zfill(3), row["key"]))
        for number, row in enumerate(rows):
            share = (len(rows) - number) / len(rows)
            if model is Demand and number >= ENDED:
                age = dt.timedelta(hours=30 * share)
            elif model is Demand:
                age = dt.timedelta(days=8 + 20 * (ENDED - number) / ENDED)
            else:
                age = dt.timedelta(days=28 * share)
            published = timezone.now() - age - dt.timedelta(minutes=7 * number % 50)
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


def _publish(town: Town, model: type[Any], row: dict[str, Any], published: dt.datetime) -> Listing:
    prefix = "budget" if model is Demand else "price"
    listing: Listing = model.objects.create(
        owner=town.organizations[row["org"]],
        created_by=town.people[row["org"]],
        external_id=row["key"],
        title=row["title"],
        summary=row["summary"],
        body=row["body"],
        indicators=row["indicators"],
        industry=row["industry"],
        keywords=row["keywords"],
        region=_region(row["region"]),
        modes=row["modes"],
        trl=row["trl"],
        money_min=row.get(f"{prefix}_min"),
        money_max=row.get(f"{prefix}_max"),
        language=row["lang"],
        **_details(model, row),
        valid_until=timezone.localdate() + dt.timedelta(days=row["valid_days"]),
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


_PRAISE = (
    "核心指标都有实测数据，双方条件接近，建议尽快见面谈中试安排。",
    "指标基本满足，差的一项可以在方案里解决，建议先看样件。",
    "团队做过同类项目，价格也在预算之内。",
    "成熟度够，交付周期需要双方当面确认。",
    "主要硬指标满足，装机条件请见面时核对。",
    "数据完整，改造量需要现场确认，建议双方交流一次。",
)
_REFUSALS: tuple[tuple[list[str], str], ...] = (
    (["indicator_gap"], "一项硬指标差距较大，短期内补不上。"),
    (["off_topic", "no_evidence"], "用词相近，要解决的不是同一个问题。"),
    (["immature"], "还在小试阶段，需求要求直接上线。"),
    (["price"], "许可费超出预算较多，双方都不愿让步。"),
)
_EXCUSES = (
    ("timing", "团队本年度排期已满。"),
    ("partner", "已与另一家签订合作意向。"),
    ("price", "改造费用超出预算。"),
)


def _decide(town: Town) -> None:
    """Bring matches into every state, each by the people and services that do it in life."""
    assignment.assign_matches()
    waiting = (
        Review.objects.filter(status=ReviewStatus.ASSIGNED, match__rank=1)
        .select_related(
            "manager", "match__demand_revision", "match__achievement_revision", "match__demand"
        )
        .order_by("match__demand__published_at", "pk")
    )
    reviews = iter([review for review in waiting if not review.match.needs_second])
    large = [review for review in waiting if review.match.needs_second]
    praise = cycle(_PRAISE)

    def review(
        decision: str, reasons: list[str], comment: str, taken: Review | None = None
    ) -> Match:
        taken = taken or next(reviews)
        accept_review(review=taken, actor=taken.manager)
        return submit_review(
            review=taken,
            actor=taken.manager,
            decision=decision,
            reasons=reasons,
            comment=comment,
            no_interest=True,
            criteria=suggest_criteria(taken.match),
        )

    def approve() -> Match:
        return review("approve", ["measured", "negotiable"], next(praise))

    def reply(match: Match, side: Side, agreed: bool, reason: str = "", note: str = "") -> None:
        owner = match.listing(side).owner
        actor = owner.users.order_by("pk").first()
        assert actor is not None, "every demo organization has a person"
        answer(match=match, side=side, actor=actor, agreed=agreed, reason=reason, note=note)

    ended: list[Match] = []
    for _ in range(6):
        match = approve()
        reply(match, Side.DEMAND, True)
        reply(match, Side.ACHIEVEMENT, True)
        ended.append(match)
    for reason, note in _EXCUSES:
        match = approve()
        reply(match, Side.ACHIEVEMENT, False, reason, note)
        ended.append(match)
    for reasons, comment in _REFUSALS:
        ended.append(review("reject", reasons, comment))
    late = [approve() for _ in range(2)]
    Match.objects.filter(pk__in=[match.pk for match in late]).update(
        due_on=timezone.localdate() - dt.timedelta(days=1)
    )
    clocks.run()
    _date_back([*ended, *late])
    # Two wait for one side each, four for both.
    reply(approve(), Side.ACHIEVEMENT, True)
    reply(approve(), Side.DEMAND, True)
    for _ in range(4):
        approve()
    # One is worth so much that a second manager has to approve it as well.
    for taken in large[:1]:
        review("approve", ["measured"], next(praise), taken)
    # Some reviews are under way, the rest wait on the desks.
    for taken in [next(reviews) for _ in range(4)]:
        accept_review(review=taken, actor=taken.manager)


def _date_back(matches: list[Match]) -> None:
    """Let what has ended have happened in the days after its demand was published.

    The demo is made in a minute; the figures of the home page count working days. Only here is
    the history of matches written over, and only that of the demo's own.
    """
    events_of_matches = f"{MatchEvent._meta.label}:match_event_append_only"
    with transaction.atomic(), pgtrigger.ignore(events_of_matches):
        for number, match in enumerate(matches):
            match.refresh_from_db()
            published = match.demand.published_at
            assert published is not None, "it was matched, so it is published"
            first = published + dt.timedelta(hours=5 + 9 * (number % 4))
            steps = list(match.events.order_by("pk"))
            for place, step in enumerate(steps):
                when = min(timezone.now(), first + dt.timedelta(hours=7 * place))
                MatchEvent.objects.filter(pk=step.pk).update(created_at=when)
                steps[place].created_at = when
            at = {step.verb: step.created_at for step in steps}
            decided = at.get("approved") or at["rejected"]
            Match.objects.filter(pk=match.pk).update(
                decided_at=decided, introduced_at=at.get("introduced")
            )
            Review.objects.filter(match=match).update(
                assigned_at=at["assigned"], accepted_at=at["accepted"], closed_at=decided
            )
            match.consents.update(created_at=at.get("agreed") or at.get("declined") or decided)


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
    # A partner of many demands leaves: what was suggested with it is replaced.
    suggested = Match.objects.filter(status=MatchStatus.SUGGESTED, rank__gte=10)
    gone = Achievement.objects.filter(matches__in=suggested).order_by("pk").last()
    if gone is not None:
        leaver = gone.owner.users.order_by("pk").first()
        assert leaver is not None, "every demo organization has a person"
        publishing.withdraw(listing=gone, actor=leaver, note="成果已独家许可。")
        for demand in matching.listing_left(kind="achievement", listing_id=gone.pk):
            matching.match_demand(demand_id=demand)
