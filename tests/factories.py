"""Rows that tests need, as plain functions. Whatever is not named is sensible and valid."""

from __future__ import annotations

import datetime as dt
from itertools import count
from typing import Any

import pghistory
from django.utils import timezone
from stdnum.cn import uscc

from accounts.models import (
    ManagerGrade,
    ManagerProfile,
    ManagerStatus,
    Membership,
    MembershipRole,
    Organization,
    OrganizationStatus,
    User,
)
from accounts.services import REQUIRED_POINTS
from catalog.models import Achievement, Demand, Listing, revision_model
from catalog.services.publication import open_check
from catalog.workflow import ListingStatus
from matchmaking.models import EmbeddingModel, Match, RankerVersion, Review
from matchmaking.retrieval.features import FEATURES_VERSION
from matchmaking.workflow import MatchStatus, ReviewStatus

PASSWORD = "only-for-tests-9137"
_numbers = count(1)


def make_credit_code(number: int) -> str:
    """Return a valid unified social credit code of no real organization."""
    stem = f"91330100MA{number:07d}"
    return stem + uscc.calc_check_digit(stem)


def make_user(**fields: Any) -> User:
    number = next(_numbers)
    fields = {"email": f"person{number}@example.org", "name": f"Person {number}", **fields}
    return User.objects.create_user(password=PASSWORD, **fields)


def make_operator(**fields: Any) -> User:
    return make_user(is_operator=True, **fields)


def make_organization(**fields: Any) -> Organization:
    number = next(_numbers)
    values = {
        "name": f"机构{number}有限公司",
        "kind": "enterprise",
        "credit_code": make_credit_code(number),
        "region": "330100",
        "size": "medium",
        "field": "装备制造",
        "contact_name": f"联系人{number}",
        "contact_phone": f"0000-5551{number:04d}",
        "contact_email": f"contact{number}@example.org",
        "status": OrganizationStatus.VERIFIED,
        "verified_at": timezone.now(),
    }
    return Organization.objects.create(**{**values, **fields})


def tick_all(organization: Organization) -> None:
    """Have an operator compared every point that a verification needs."""
    operator = make_operator()
    for point in REQUIRED_POINTS:
        organization.checks.create(point=point, note="原件已核对", checked_by=operator)


def make_member(
    organization: Organization | None = None, role: str = MembershipRole.OWNER, **fields: Any
) -> User:
    """Return a user who is an active member of an organization, a new one if none is given."""
    user = make_user(**fields)
    Membership.objects.create(
        user=user, organization=organization or make_organization(), role=role, is_active=True
    )
    return user


def make_manager(*, classes: list[str] | None = None, capacity: int = 20, **fields: Any) -> User:
    """Return a certified technology manager."""
    user = make_user(**fields)
    ManagerProfile.objects.create(
        user=user,
        grade=ManagerGrade.SENIOR,
        certificate_no=f"JL-{user.pk:06d}",
        classes=classes if classes is not None else ["C"],
        regions=["330000"],
        capacity=capacity,
        status=ManagerStatus.CERTIFIED,
        certified_at=timezone.now(),
    )
    return user


def make_demand(*, status: str = ListingStatus.PUBLISHED, **fields: Any) -> Demand:
    values = {
        "title": "大型轴承套圈淬火变形控制",
        "summary": "直径 2 m 以上套圈整圈淬火后变形大，求减小圆度偏差的工艺。",
        "body": "现用分段中频淬火，接头处存在软带，淬火后圆度偏差超过 1.2 mm，磨削余量大。",
        "indicators": [
            {
                "name": "圆度变形",
                "op": "le",
                "value": "0.35",
                "high": "",
                "unit": "mm",
                "hard": True,
            }
        ],
        "trl": 7,
        "money_max": 3_800_000,
    }
    return _make_listing(Demand, status, {**values, **fields})


def make_achievement(*, status: str = ListingStatus.PUBLISHED, **fields: Any) -> Achievement:
    if "owner" not in fields:
        fields["owner"] = make_organization(kind="university", field="材料方向", size="large")
    values = {
        "title": "双感应器同步淬火成套工艺",
        "summary": "大直径套圈整圈感应淬火，无软带，变形小。",
        "body": "双感应器相向扫描，终了处无软带。直径 3.2 m 套圈试件淬火后圆度偏差 0.30 mm。",
        "indicators": [
            {
                "name": "圆度偏差",
                "op": "le",
                "value": "0.30",
                "high": "",
                "unit": "mm",
                "hard": True,
            }
        ],
        "trl": 7,
        "money_min": 3_000_000,
    }
    return _make_listing(Achievement, status, {**values, **fields})


def _make_listing(model: type[Any], status: str, fields: dict[str, Any]) -> Any:
    values = {
        "industry": "C3451",
        "keywords": ["淬火", "轴承"],
        "region": "330100",
        "modes": ["license", "development"],
        "valid_until": timezone.localdate() + dt.timedelta(days=180),
        **fields,
    }
    if "owner" not in values:
        values["owner"] = make_organization()
    listing = model(status=status, **values)
    if status != ListingStatus.DRAFT:
        listing.version = max(1, listing.version)
        listing.submitted_at = listing.submitted_at or timezone.now()
    if status not in (ListingStatus.DRAFT, ListingStatus.SUBMITTED):
        listing.published_at = listing.published_at or timezone.now()
    listing.save()
    if listing.version:
        pghistory.create_event(listing, label="revision")
    if status == ListingStatus.SUBMITTED:
        open_check(listing)
    return listing


def revision_of(listing: Listing) -> Any:
    return revision_model(listing.kind).objects.get(pgh_obj=listing.pk, version=listing.version)


def make_embedding_model(**fields: Any) -> EmbeddingModel:
    values = {"name": "fake", "revision": "1", "dimension": 384, **fields}
    model, _ = EmbeddingModel.objects.get_or_create(
        name=values["name"], revision=values["revision"], defaults=values
    )
    return model


def make_match(
    *,
    status: str = MatchStatus.SUGGESTED,
    manager: User | None = None,
    demand: Demand | None = None,
    achievement: Achievement | None = None,
    **fields: Any,
) -> Match:
    """Return a match with evidence. With a manager, it comes with a review that fits its status."""
    demand = demand or make_demand()
    achievement = achievement or make_achievement()
    values: dict[str, Any] = {
        "score": 0.93,
        "rank": 1,
        "engine": "test",
        "model": make_embedding_model(),
        "parts": {"meaning": 0.8, "words": 0.4, "indicators": 1.0, "trl": 1.0},
        "demand_revision": revision_of(demand),
        "achievement_revision": revision_of(achievement),
        "grid": [
            {
                "kind": "indicator",
                "name": "圆度变形",
                "requirement": {"op": "le", "value": "0.35", "high": "", "unit": "mm"},
                "hard": True,
                "verdict": "met",
                "quote": "直径 3.2 m 套圈试件淬火后圆度偏差 0.30 mm。",
                "marks": [[15, 27]],
                "source": {"kind": "body", "paragraph": 1},
                "gap": None,
            }
        ],
        "pairs": [
            {
                "demand": "接头处存在软带",
                "achievement": "终了处无软带",
                "score": 0.91,
                "demand_marks": [[5, 7]],
                "achievement_marks": [[4, 6]],
            }
        ],
        "terms": [],
        "explained_at": timezone.now(),
    }
    settled = (
        MatchStatus.APPROVED,
        MatchStatus.INTRODUCED,
        MatchStatus.REJECTED,
        MatchStatus.DECLINED,
        MatchStatus.LAPSED,
    )
    if status in settled:
        values |= {"decided_at": timezone.now(), "is_touched": True}
    if status in (MatchStatus.APPROVED, MatchStatus.IN_REVIEW):
        values["due_on"] = timezone.localdate() + dt.timedelta(days=5)
    if status == MatchStatus.INTRODUCED:
        values["introduced_at"] = timezone.now()
    match = Match.objects.create(
        demand=demand, achievement=achievement, status=status, **{**values, **fields}
    )
    if manager is not None:
        make_review(match=match, manager=manager, settled=status in settled)
    return match


def make_review(
    *,
    match: Match | None = None,
    manager: User | None = None,
    status: str = "",
    settled: bool = False,
    **fields: Any,
) -> Review:
    match = match or make_match(status=MatchStatus.IN_REVIEW)
    values: dict[str, Any] = {
        "due_on": timezone.localdate() + dt.timedelta(days=5),
        "assigned_because": {
            "classes": ["C"],
            "region": True,
            "load": 1,
            "capacity": 20,
            "decided": 0,
        },
    }
    if settled:
        approved = match.status != MatchStatus.REJECTED
        values |= {
            "status": ReviewStatus.SUBMITTED,
            "decision": "approve" if approved else "reject",
            "reasons": ["measured"] if approved else ["immature"],
            "comment": "硬指标已有试件数据，建议见面。",
            "accepted_at": timezone.now(),
            "closed_at": timezone.now(),
        }
    if status:
        values["status"] = status
    return Review.objects.create(
        match=match, manager=manager or make_manager(), **{**values, **fields}
    )


def make_ranker_version(**fields: Any) -> RankerVersion:
    """Return a version that has won and could rank, but for its trees, which are no trees."""
    figure = {"mean": 0.61, "low": 0.55, "high": 0.67}
    values: dict[str, Any] = {
        "number": RankerVersion.objects.count() + 1,
        "features_version": FEATURES_VERSION,
        "model": make_embedding_model(),
        "engine": "test",
        "demands": 40,
        "decisions": 214,
        "report": {
            "measure": "ndcg10",
            "folds": 5,
            "repeats": 3,
            "demands": 38,
            "fixed": figure,
            "learned": {"mean": 0.66, "low": 0.6, "high": 0.72},
            "difference": {"mean": 0.05, "low": 0.02, "high": 0.08},
            "grades": {"0": 60, "1": 70, "2": 50, "3": 34},
            "left_out": 9,
            "gains": {"trl": 0.5, "dense_margin": 0.3, "title_length": 0.2},
        },
        "won": True,
        "trees": "no trees",
    }
    return RankerVersion.objects.create(**{**values, **fields})
