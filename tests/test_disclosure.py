"""Nobody learns what their tier does not allow, on any page: a table of pages and readers."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from typing import Any

import pytest
from django.urls import reverse

from accounts.models import (
    ManagerProfile,
    ManagerStatus,
    MembershipRole,
    Organization,
    OrganizationStatus,
)
from accounts.permissions import Tier
from catalog.models import Achievement, Demand, ListingEvent
from matchmaking.models import Consent, Match, MatchEvent, TermFrequency
from matchmaking.retrieval import lexical
from matchmaking.retrieval.statistics import load_statistics
from matchmaking.services import indexing
from matchmaking.workflow import MatchStatus, ReviewStatus
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

# What may be read on a page, each with the words that show it. `D` is the demand's side.
SECRETS: dict[str, tuple[str, ...]] = {
    "D name": ("恒轴精密轴承有限公司", "恒轴精密轴承"),
    "D contact": ("周恒之", "0000-55512345", "zhou@hengzhou.example", "hengzhou.example"),
    "D body": ("铼含量百分之三的配方",),
    "A name": ("云州理工大学",),
    "A contact": ("丁砥中", "0000-55567890", "ding@yunzhou.example", "yunzhou.example"),
    "A body": ("双感应器相向扫描的线速度",),
}
ALL = frozenset(SECRETS)
BODIES = frozenset({"D body", "A body"})
NAMES = frozenset({"D name", "A name"})
CONTACTS = frozenset({"D contact", "A contact"})
DEMAND_SIDE = frozenset({"D name", "D contact", "D body"})
ACHIEVEMENT_SIDE = frozenset({"A name", "A contact", "A body"})
NOTHING: frozenset[str] = frozenset()


@dataclass
class World:
    """One match with everybody who could look at it."""

    demand: Demand
    achievement: Achievement
    match: Match
    readers: dict[str, Any]

    def read(self, client: Any, reader: str, path: str) -> tuple[int, str]:
        """Return the status and all that came back: headers and page, without the form's token."""
        client.logout()
        if self.readers[reader] is not None:
            client.force_login(self.readers[reader])
        response = client.get(path)
        headers = " ".join(f"{name}: {value}" for name, value in sorted(response.items()))
        page = html.unescape(response.content.decode())
        page = re.sub(r'("X-CSRFToken": |csrfmiddlewaretoken" value=)"\w+"', "", page)
        # What a page of an error is found by in the log is made anew for each request.
        page = re.sub(r'(<b class="kq-num">)[0-9a-f]{8}(</b></p>)', r"\1\2", page)
        return response.status_code, headers + page


def shown(page: str) -> frozenset[str]:
    return frozenset(what for what, marks in SECRETS.items() if any(mark in page for mark in marks))


def make_world(status: str, *, review: str = "") -> World:
    """Both texts name their owners: what a form would refuse, an import has brought in."""
    demand_side = make_organization(
        name="恒轴精密轴承有限公司",
        contact_name="周恒之",
        contact_phone="0000-55512345",
        contact_email="zhou@hengzhou.example",
    )
    achievement_side = make_organization(
        name="云州理工大学",
        kind="university",
        field="材料方向",
        contact_name="丁砥中",
        contact_phone="0000-55567890",
        contact_email="ding@yunzhou.example",
    )
    demand = make_demand(owner=demand_side, body="现用铼含量百分之三的配方，套圈淬火后变形。")
    achievement = make_achievement(
        owner=achievement_side, body="双感应器相向扫描的线速度为每秒 8 mm。"
    )
    # A person of a side is called like its contact: who acted must not name them either.
    owner = make_member(demand_side, name="周恒之")
    match = make_match(
        status=status,
        demand=demand,
        achievement=achievement,
        grid=[
            {
                "kind": "indicator",
                "name": "圆度变形",
                "requirement": {"op": "le", "value": "0.35", "high": "", "unit": "mm"},
                "hard": True,
                "verdict": "met",
                "quote": "云州理工大学：双感应器相向扫描的线速度为每秒 8 mm。",
                "marks": [[0, 4]],
                "source": {"kind": "body", "paragraph": 1},
                "gap": None,
            }
        ],
        pairs=[
            {
                "demand": "恒轴精密轴承现用铼含量百分之三的配方",
                "achievement": "丁砥中：双感应器相向扫描的线速度",
                "score": 0.9,
            }
        ],
        terms=["淬火", "恒轴精密轴承"],
    )
    assigned, former = make_manager(name="受派经理"), make_manager(name="上一位经理")
    suspended = make_manager(name="停用经理")
    ManagerProfile.objects.filter(user=suspended).update(status=ManagerStatus.SUSPENDED)
    settled = status not in (MatchStatus.SUGGESTED, MatchStatus.IN_REVIEW)
    if status != MatchStatus.SUGGESTED:
        make_review(match=match, manager=assigned, settled=settled, **_status(review))
        make_review(match=match, manager=former, status=ReviewStatus.DECLINED)
        make_review(match=match, manager=suspended, status=ReviewStatus.SUBMITTED)
        MatchEvent.objects.create(
            match=match,
            actor=former,
            verb="handed_back",
            after="suggested",
            note="内子在云州理工大学任教务处长",
        )
    if status in (MatchStatus.APPROVED, MatchStatus.INTRODUCED):
        Consent.objects.create(match=match, side="demand", agreed=True, user=owner)
        MatchEvent.objects.create(
            match=match, actor=owner, verb="agreed", after=match.status, side="demand"
        )
    for listing in (demand, achievement):
        ListingEvent.objects.create(
            **{listing.kind: listing},
            actor=owner,
            before="submitted",
            after="needs_info",
            version=1,
            note=f"请{listing.owner.contact_name}补充：{listing.owner.name}不应出现",
        )
    deactivated = make_member(demand_side, name="离任者", is_active=False)
    waiting = make_user(name="申请者")
    waiting.memberships.create(organization=demand_side, role=MembershipRole.OWNER, is_active=False)
    return World(
        demand=demand,
        achievement=achievement,
        match=match,
        readers={
            "visitor": None,
            "newcomer": make_user(name="新人"),
            "waiting": waiting,
            "deactivated": deactivated,
            "member": make_member(name="旁人"),
            "unverified": make_member(
                make_organization(status=OrganizationStatus.PENDING), name="待核验者"
            ),
            "demand owner": owner,
            "demand viewer": make_member(demand_side, MembershipRole.VIEWER, name="只读者"),
            "achievement owner": make_member(achievement_side, name="校方"),
            "assigned": assigned,
            "former": former,
            "suspended": suspended,
            "manager": make_manager(name="别的经理"),
            "operator": make_operator(name="运营"),
        },
    )


def _status(review: str) -> dict[str, str]:
    return {"status": review} if review else {}


def may_read_listing(reader: str) -> frozenset[str]:
    """Return what a reader may learn from pages of listings, lists and search."""
    if reader in ("visitor", "newcomer", "waiting", "deactivated", "unverified", "suspended"):
        return NOTHING
    if reader == "operator":
        return ALL
    return BODIES | own_side(reader)


def own_side(reader: str) -> frozenset[str]:
    if reader.startswith("demand"):
        return DEMAND_SIDE
    return ACHIEVEMENT_SIDE if reader.startswith("achievement") else NOTHING


def pages_of_listings(world: World) -> list[str]:
    paths = ["/", "/demands/", "/achievements/", "/managers/"]
    paths += ["/help/visibility/", "/help/figures/", "/help/matching/"]
    for listing in (world.demand, world.achievement):
        plural = f"{listing.kind}s"
        paths += [f"/{plural}/{listing.number}/"]
        paths += [f"/{plural}/?q={words}" for words in ("恒轴精密轴承", "铼含量", "周恒之", "淬火")]
        paths += [f"/{plural}/?industry=C&region=330000&trl=7&mode=license"]
    return paths


def echoed(path: str) -> frozenset[str]:
    """Return what a page repeats because the reader has asked for it."""
    return shown(path.partition("?q=")[2])


READERS = [
    "visitor",
    "newcomer",
    "waiting",
    "deactivated",
    "member",
    "unverified",
    "demand owner",
    "demand viewer",
    "achievement owner",
    "assigned",
    "former",
    "suspended",
    "manager",
    "operator",
]


@pytest.mark.parametrize("reader", READERS)
def test_pages_of_listings_show_nobody_more_than_they_may_read(client, reader):
    world = make_world(MatchStatus.APPROVED)
    allowed = may_read_listing(reader)
    for path in pages_of_listings(world):
        _status_code, page = world.read(client, reader, path)
        too_much = shown(page) - allowed - echoed(path)
        assert not too_much, f"{reader} reads {sorted(too_much)} on {path}"


# The pages that act on a listing: what a reader who may not act gets instead gives nothing away.
@pytest.mark.parametrize("reader", READERS)
def test_pages_that_act_give_nothing_away_to_those_who_may_not(client, reader):
    world = make_world(MatchStatus.APPROVED)
    allowed = may_read_listing(reader)
    sides = {"demand": ("demand owner", "demand viewer"), "achievement": ("achievement owner",)}
    for listing in (world.demand, world.achievement):
        for act in ("edit", "withdraw", "close", "confirm"):
            path = reverse(f"{listing.kind}_{act}", args=[listing.number])
            status, page = world.read(client, reader, path)
            assert shown(page) <= allowed, f"{reader} on {path}"
            if reader not in sides[listing.kind]:
                assert status in (302, 403), f"{reader} gets {status} on {path}"


def test_a_checked_listing_tells_a_manager_no_owner(client):
    """Before publication a manager who checks it sees the owner; afterwards nobody needs to."""
    world = make_world(MatchStatus.APPROVED)
    path = reverse("listing_review", args=[world.achievement.number])
    status, page = world.read(client, "manager", path)
    assert status == 200
    assert not shown(page) & {"A name", "A contact"}


# --- A match ------------------------------------------------------------------------------------

# (status of the match, status of the assigned manager's review): who may read what in it. Whoever
# is not named gets no page at all.
MATCHES: dict[tuple[str, str], dict[str, frozenset[str]]] = {
    (MatchStatus.IN_REVIEW, ReviewStatus.ASSIGNED): {
        "demand owner": DEMAND_SIDE | {"A body"},
        "demand viewer": DEMAND_SIDE | {"A body"},
        "achievement owner": ACHIEVEMENT_SIDE | {"D body"},
        "assigned": BODIES,
        "operator": ALL,
    },
    (MatchStatus.IN_REVIEW, ReviewStatus.ACCEPTED): {
        "demand owner": DEMAND_SIDE | {"A body"},
        "demand viewer": DEMAND_SIDE | {"A body"},
        "achievement owner": ACHIEVEMENT_SIDE | {"D body"},
        "assigned": BODIES | NAMES,
        "operator": ALL,
    },
    (MatchStatus.APPROVED, ReviewStatus.SUBMITTED): {
        "demand owner": DEMAND_SIDE | {"A body"},
        "demand viewer": DEMAND_SIDE | {"A body"},
        "achievement owner": ACHIEVEMENT_SIDE | {"D body"},
        "assigned": BODIES | NAMES,
        "operator": ALL,
    },
    (MatchStatus.DECLINED, ReviewStatus.SUBMITTED): {
        "demand owner": DEMAND_SIDE | {"A body"},
        "demand viewer": DEMAND_SIDE | {"A body"},
        "achievement owner": ACHIEVEMENT_SIDE | {"D body"},
        "assigned": BODIES | NAMES,
        "operator": ALL,
    },
    (MatchStatus.INTRODUCED, ReviewStatus.SUBMITTED): dict.fromkeys(
        ("demand owner", "demand viewer", "achievement owner", "assigned", "operator"), ALL
    ),
}
MATCH_PAGES = ("match_detail", "match_consent", "match_review", "match_conflict", "match_refer")
LISTS = (
    "/my/demands/",
    "/my/achievements/",
    "/my/answers/",
    "/workbench/",
    "/workbench/reviews/",
    "/workbench/listings/",
    "/org/",
)


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("state", MATCHES, ids=lambda state: "-".join(state))
def test_pages_of_a_match_show_nobody_more_than_they_may_read(client, state, reader):
    status, review = state
    world = make_world(status, review=review)
    allowed = MATCHES[state].get(reader, NOTHING)
    paths = [reverse(name, args=[world.match.number]) for name in MATCH_PAGES]
    paths += [
        reverse(f"{listing.kind}_matches", args=[listing.number])
        for listing in (world.demand, world.achievement)
    ]
    # A contact in a quote is the owner's own writing; names are open to these readers.
    if allowed >= NAMES:
        Match.objects.update(pairs=[])
    for path in (*paths, *LISTS):
        code, page = world.read(client, reader, path)
        assert shown(page) <= allowed, f"{reader} reads {sorted(shown(page) - allowed)} on {path}"
        if not allowed and path in paths:
            assert code in (302, 403, 404, 409), f"{reader} gets {code} on {path}"


@pytest.mark.parametrize(
    ("reader", "code"),
    [
        ("visitor", 302),
        ("deactivated", 302),
        ("newcomer", 404),
        ("waiting", 404),
        ("member", 404),
        ("unverified", 404),
        ("former", 404),
        ("manager", 404),
        ("suspended", 403),
        ("assigned", 200),
        ("demand owner", 200),
        ("demand viewer", 200),
        ("achievement owner", 200),
        ("operator", 200),
    ],
)
def test_a_match_exists_for_those_alone_whom_it_concerns(client, reader, code):
    world = make_world(MatchStatus.APPROVED)
    path = reverse("match_detail", args=[world.match.number])
    assert world.read(client, reader, path)[0] == code


def test_a_match_that_is_not_there_and_one_that_is_hidden_look_alike(client):
    world = make_world(MatchStatus.APPROVED)
    hidden = reverse("match_detail", args=[world.match.number])
    stem, _, last = world.match.number.rpartition("-")
    absent = reverse("match_detail", args=[f"{stem}-{int(last) + 1:04d}"])

    one, other = world.read(client, "member", hidden), world.read(client, "member", absent)

    assert one[0] == other[0] == 404
    assert one[1].replace(hidden, absent) == other[1]


def test_an_introduction_shows_both_sides_everything(client):
    world = make_world(MatchStatus.INTRODUCED)
    path = reverse("match_detail", args=[world.match.number])
    for reader in ("demand owner", "achievement owner"):
        other = ACHIEVEMENT_SIDE if reader == "demand owner" else DEMAND_SIDE
        assert other <= shown(world.read(client, reader, path)[1])


def test_why_a_match_was_handed_back_is_told_to_operators_alone(client):
    world = make_world(MatchStatus.IN_REVIEW, review=ReviewStatus.ACCEPTED)
    detail = reverse("match_detail", args=[world.match.number])
    review = reverse("match_review", args=[world.match.number])

    assert "教务处长" in world.read(client, "operator", detail)[1]
    for reader in ("assigned", "demand owner", "achievement owner"):
        assert "教务处长" not in world.read(client, reader, detail)[1]
    assert "教务处长" not in world.read(client, "assigned", review)[1]


def test_while_an_organization_is_verified_again_its_people_read_no_descriptions(client):
    world = make_world(MatchStatus.APPROVED)
    Organization.objects.update(status=OrganizationStatus.PENDING)
    detail = reverse("match_detail", args=[world.match.number])

    theirs = shown(world.read(client, "demand owner", detail)[1])
    ours = shown(world.read(client, "achievement owner", detail)[1])

    assert "D body" in theirs and "A body" not in theirs
    assert "A body" in ours and "D body" not in ours
    assert "你的机构正在核验" in world.read(client, "demand owner", detail)[1]


# --- Operators' pages, and numbers that are guessed ---------------------------------------------


@pytest.mark.parametrize("reader", [one for one in READERS if one != "operator"])
def test_operators_pages_are_closed_to_all_others(client, reader):
    world = make_world(MatchStatus.IN_REVIEW)
    owner, allowed = world.demand.owner, own_side(reader)
    paths = [
        "/ops/",
        "/ops/organizations/",
        f"/ops/organizations/{owner.pk}/",
        "/ops/managers/",
        "/ops/listings/",
        "/ops/assignments/",
        f"/ops/assignments/{world.match.number}/",
        "/ops/audit/",
    ]
    for path in paths:
        status, page = world.read(client, reader, path)
        assert status in (302, 403), f"{reader} gets {status} on {path}"
        assert shown(page) <= allowed


@pytest.mark.parametrize("reader", ["newcomer", "waiting", "member", "manager", "suspended"])
def test_an_organization_is_not_found_by_its_number(client, reader):
    world = make_world(MatchStatus.APPROVED)
    for name in ("organization_edit", "organization_members"):
        hidden = reverse(name, args=[world.demand.owner.pk])
        # A number of as many digits: the page repeats its address, and says how long it is.
        digits = len(str(world.demand.owner.pk))
        absent = reverse(name, args=[10**digits - 1])
        there, nowhere = world.read(client, reader, hidden), world.read(client, reader, absent)
        assert there[0] == nowhere[0] == 404
        assert there[1].replace(hidden, absent) == nowhere[1]


# --- Search -------------------------------------------------------------------------------------


def test_what_a_word_weighs_tells_a_visitor_nothing_of_the_bodies():
    """Padding a query and watching a public hit come and go would tell whether a word is there."""
    secret, public = lexical.term_id("铼"), lexical.term_id("淬火")
    demand = make_demand(body="现用铼含量百分之三的配方，变形大，磨削余量大。", indicators=[])
    indexing.refresh(kind="demand", ids=[demand.pk], encoder=FakeEncoder())
    indexing.rebuild_statistics("demand")
    assert TermFrequency.objects.filter(term=secret, documents=1).exists()

    tokens = ["铼", "淬火"]
    visitor = load_statistics("demand", tokens, tier=Tier.PUBLIC)
    member = load_statistics("demand", tokens)

    assert visitor.frequency.get(secret, 0) == 0
    assert visitor.frequency[public] == 1
    assert member.frequency[secret] == 1


def test_a_visitors_search_weighs_words_by_what_visitors_read(client, monkeypatch):
    asked = []

    def statistics(kind, tokens, *, tier):
        asked.append(tier)
        return load_statistics(kind, tokens, tier=tier)

    monkeypatch.setattr("matchmaking.retrieval.searching.load_statistics", statistics)
    monkeypatch.setattr("matchmaking.retrieval.searching.Question", Unanswered)
    client.get("/demands/", {"q": "淬火"})
    client.force_login(make_member())
    client.get("/demands/", {"q": "淬火"})

    assert asked == [Tier.PUBLIC, Tier.MEMBERS]
