"""The two lists for programs: read as far as the tier goes, written under the same rules."""

import datetime as dt

import pytest
from django.utils import timezone

from accounts.models import TokenScope
from catalog.models import Achievement, Demand, ListingEvent
from tests.api import Program
from tests.factories import (
    make_demand,
    make_manager,
    make_member,
    make_operator,
    make_organization,
    make_user,
)

pytestmark = pytest.mark.django_db

WHOLE = {
    "title": "大型轴承套圈淬火变形控制",
    "summary": "直径 2 m 以上套圈整圈淬火后变形大，求减小圆度偏差的工艺。",
    "body": "现用分段中频淬火，接头处存在软带，淬火后圆度偏差超过 1.2 mm，磨削余量大，急需改进。",
    "indicators": [{"name": "圆度变形", "op": "le", "value": "0.35", "unit": "mm", "hard": True}],
    "industry": "C3451",
    "keywords": ["淬火", "轴承"],
    "region": "330100",
    "modes": ["license", "development"],
    "trl": 7,
    "money_max": 3_800_000,
    "ipc": ["C21D"],
    "deadline": "2027-03-31",
    "funded": True,
}


def whole(**fields):
    day = (timezone.localdate() + dt.timedelta(days=90)).isoformat()
    return {**WHOLE, "valid_until": day, **fields}


def unchanged(listing):
    before = (listing.title, listing.status, listing.version, listing.updated_at)
    listing.refresh_from_db()
    return before == (listing.title, listing.status, listing.version, listing.updated_at)


# --- Reading ------------------------------------------------------------------------------------


def test_a_visitor_finds_what_is_published_and_reads_it_blind():
    demand = make_demand()
    make_demand(status="draft")

    found = Program().get("demands/").json()
    one = Program().get(f"demands/{demand.number}/")

    assert [row["number"] for row in found["results"]] == [demand.number]
    assert found["count"] == 1
    body = one.json()
    assert body["owner"]["name"] is None
    assert body["owner"]["id"] is None
    assert demand.owner.name not in one.content.decode()
    assert body["body"] is None
    assert body["external_id"] is None
    assert "body" in {part["key"] for part in body["withheld"]}
    assert one["ETag"] == body["etag"]


@pytest.mark.parametrize(
    ("make", "reads"),
    [(make_user, False), (make_member, True), (make_manager, True), (make_operator, True)],
)
def test_the_description_is_for_members(make, reads):
    demand = make_demand()

    body = Program(make()).get(f"demands/{demand.number}/").json()

    assert body["body"] == (demand.body if reads else None)


def test_what_the_owner_closed_is_null_on_every_path():
    demand = make_demand(disclosure={"trl": "managers", "money": "introduced", "body": "managers"})
    member = Program(make_member())

    one = member.get(f"demands/{demand.number}/").json()
    [row] = member.get("demands/").json()["results"]

    assert one["trl"] is row["trl"] is None
    assert one["money_max"] is row["money_max"] is None
    assert {part["key"] for part in one["withheld"]} == {"trl", "body"}
    assert one["more_when_introduced"] is True
    assert Program(make_member()).get("demands/?trl=7").json()["count"] == 0
    assert Program(make_manager()).get(f"demands/{demand.number}/").json()["trl"] == 7


def test_the_own_side_reads_everything_and_the_key_of_its_system():
    demand = make_demand(external_id="PLM-7", disclosure={"money": "introduced"})

    body = Program(make_member(demand.owner, role="viewer")).get(f"demands/{demand.number}/").json()

    assert body["yours"] is True
    assert body["external_id"] == "PLM-7"
    assert body["money_max"] == demand.money_max
    assert body["disclosure"] == {"money": "introduced"}
    assert body["owner"]["name"] == demand.owner.name


@pytest.mark.parametrize("status", ["draft", "withdrawn", "rejected"])
def test_what_is_hidden_is_not_there(status):
    demand = make_demand(status=status)

    answer = Program(make_member()).get(f"demands/{demand.number}/")

    assert answer.status_code == 404
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json()["code"] == "not_found"


def test_a_program_walks_through_a_list_without_missing_or_repeating():
    numbers = [make_demand().number for _number in range(5)]
    program, seen, address = Program(), [], "demands/?page_size=2"
    while address:
        page = program.get(address.removeprefix("http://testserver")).json()
        seen += [row["number"] for row in page["results"]]
        address = page["next"]

    assert seen == numbers[::-1]
    assert page["previous"]


@pytest.mark.parametrize("size", ["0", "101", "-1", "x", "9" * 30, "１"])
def test_a_page_is_bounded(size):
    answer = Program().get(f"demands/?page_size={size}")

    assert answer.status_code == 400
    assert "page_size" in answer.json()["errors"]


def test_facets_are_counted_as_on_the_page():
    make_demand()
    make_demand(region="110100", modes=["service"])

    body = Program().get("demands/facets/?region=330000").json()

    assert body["count"] == 1
    facets = {facet["name"]: facet["options"] for facet in body["facets"]}
    counts = {option["value"]: option["count"] for option in facets["region"]}
    assert counts == {"330000": 1, "110000": 1}


@pytest.mark.parametrize("rows", [1, 10])
def test_a_list_costs_the_same_for_one_row_and_for_ten(rows, django_assert_max_num_queries):
    for _row in range(rows):
        make_demand()
    program = Program(make_member())
    program.get("demands/")

    # The token with its user, when it was used last; is the reader a manager, a member; what
    # changed since the snapshot, and the rows of the page.
    with django_assert_max_num_queries(6):
        assert len(program.get("demands/").json()["results"]) == rows


def test_listings_of_ones_own_come_in_every_status():
    member = make_member()
    [organization] = member.organizations.all()
    draft = make_demand(owner=organization, status="draft")
    published = make_demand(owner=organization)
    make_demand()

    rows = Program(member).get("demands/mine/").json()["results"]
    drafts = Program(member).get("demands/mine/?status=draft").json()["results"]

    assert [row["number"] for row in rows] == [published.number, draft.number]
    assert [row["number"] for row in drafts] == [draft.number]
    assert rows[0]["owner"]["name"] == organization.name


# --- Writing ------------------------------------------------------------------------------------


def test_from_a_draft_to_a_published_listing():
    member, manager = make_member(), make_manager()
    program = Program(member)

    created = program.post("demands/", whole())
    assert created.status_code == 201, created.content
    number = created.json()["number"]
    assert created["Location"].endswith(f"/api/v1/demands/{number}/")
    changed = program.patch(f"demands/{number}/", {"trl": 6}, If_Match=created["ETag"])
    assert changed.json()["trl"] == 6
    submitted = program.post(f"demands/{number}/submit/")
    assert submitted.json()["status"] == "submitted"
    decided = Program(manager).post(
        f"demands/{number}/decide/", {"decision": "publish", "version": 1, "no_interest": True}
    )
    assert decided.json()["status"] == "published"

    demand = Demand.objects.get()
    assert demand.created_by == member
    assert demand.deadline == dt.date(2027, 3, 31)
    actors = list(ListingEvent.objects.order_by("pk").values_list("actor", "after"))
    assert actors == [(member.pk, "draft"), (member.pk, "submitted"), (manager.pk, "published")]


def test_an_achievement_has_its_own_fields():
    member = make_member(make_organization(kind="university"))
    body = {
        "title": "双感应器同步淬火成套工艺",
        "novelty": "终了处无软带",
        "ip_items": [{"kind": "invention", "number": "CN 112233445 B", "status": "granted"}],
        "ownership": "unit",
        "needs": ["pilot", "pilot"],
        "orcid": "https://orcid.org/0000-0002-1825-0097",
    }

    created = Program(member).post("achievements/", body)

    assert created.status_code == 201, created.content
    achievement = Achievement.objects.get()
    assert achievement.orcid == "0000-0002-1825-0097"
    assert achievement.needs == ["pilot"]
    assert created.json()["ip_items"][0]["status"] == "granted"


def test_names_of_classes_and_regions_are_understood():
    body = whole(industry="滚动轴承制造", region="浙江省杭州市")

    answer = Program(make_member()).post("demands/", body | {"region": "杭州"})

    assert answer.status_code == 201, answer.content
    assert (answer.json()["industry"], answer.json()["region"]) == ("C3451", "330100")


def test_the_same_key_creates_one_listing():
    program = Program(make_member())

    first = program.post("demands/", whole(), Idempotency_Key="a 1")
    again = program.post("demands/", whole(), Idempotency_Key="a 1")
    other = program.post("demands/", whole(), Idempotency_Key="a 2")

    assert [first.status_code, again.status_code, other.status_code] == [201, 200, 201]
    assert first.json()["number"] == again.json()["number"] != other.json()["number"]
    assert Demand.objects.count() == 2


def test_an_external_id_is_taken_once():
    program = Program(make_member())

    first = program.post("demands/", whole(external_id="PLM-1"))
    again = program.post("demands/", whole(external_id="PLM-1"))

    assert (first.status_code, again.status_code) == (201, 409)
    assert again.json()["code"] == "exists"
    assert first.json()["number"] in again.json()["detail"]
    assert Demand.objects.count() == 1


def test_a_system_puts_its_listings_by_its_own_key():
    program = Program(make_member())
    address = "demands/by-external-id/PLM-1/"

    first = program.put(address, whole())
    again = program.put(address, whole())
    changed = program.put(address, whole(title="另一个题目"))

    assert [first.status_code, again.status_code, changed.status_code] == [201, 200, 200]
    assert first["ETag"] == again["ETag"] != changed["ETag"]
    assert Demand.objects.get().title == "另一个题目"
    assert program.get(address).json()["number"] == first.json()["number"]
    assert program.get("demands/by-external-id/PLM-2/").status_code == 404
    assert Program(make_member()).get(address).status_code == 404


def test_a_put_empties_what_it_does_not_name_and_a_patch_does_not():
    program = Program(make_member())
    created = program.post("demands/", whole())
    address = f"demands/{created.json()['number']}/"

    patched = program.patch(address, {"title": "新的题目"}, If_Match=created["ETag"])
    assert patched.json()["trl"] == 7
    put = program.put(address, {"title": "更新的题目"}, If_Match=patched["ETag"])

    assert put.json()["trl"] is None
    assert put.json()["keywords"] == []
    assert put.json()["body"] == ""


def test_a_change_says_what_it_is_a_change_of():
    member = make_member()
    demand = make_demand(owner=member.organizations.get(), status="draft")
    program, address = Program(member), f"demands/{demand.number}/"
    tag = program.get(address)["ETag"]

    assert program.patch(address, {"trl": 3}).status_code == 428
    assert program.patch(address, {"trl": 3}, If_Match='"1-1"').status_code == 412
    assert program.patch(address, {"trl": 3}, If_Match=f"W/{tag}").status_code == 412
    assert program.patch(address, {"trl": 3}, If_Match="nonsense").status_code == 400
    assert unchanged(demand)
    assert program.patch(address, {"trl": 3}, If_Match=f'"1-1", {tag}').status_code == 200
    assert program.patch(address, {"trl": 4}, If_Match=tag).json()["code"] == "stale"


def test_a_published_listing_is_changed_by_submitting_it_anew():
    member = make_member()
    demand = make_demand(owner=member.organizations.get(), body="说" * 40)
    program, address = Program(member), f"demands/{demand.number}/"
    tag = program.get(address)["ETag"]

    refused = program.patch(address, {"trl": 3}, If_Match=tag)
    assert (refused.status_code, refused.json()["code"]) == (409, "wrong_state")
    assert program.post(f"{address}submit/", {"trl": 3}).status_code == 428
    done = program.post(f"{address}submit/", {"trl": 3}, If_Match=tag)

    assert (done.json()["status"], done.json()["version"]) == ("submitted", 2)


def test_what_a_reviewer_could_not_work_without_is_said_by_field():
    member = make_member()
    demand = make_demand(owner=member.organizations.get(), status="draft", body="太短", modes=[])

    answer = Program(member).post(f"demands/{demand.number}/submit/")

    assert answer.status_code == 400
    assert set(answer.json()["errors"]) == {"body", "modes"}
    assert unchanged(demand)


def test_what_gives_the_owner_away_is_not_submitted():
    member = make_member()
    owner = member.organizations.get()
    demand = make_demand(
        owner=owner, status="draft", body="说" * 40, summary=f"请联系{owner.name}的技术部门。"
    )

    answer = Program(member).post(f"demands/{demand.number}/submit/")

    assert answer.status_code == 400, answer.content
    assert "summary" in answer.json()["errors"]
    assert unchanged(demand)


def test_an_organization_under_check_keeps_drafts_only():
    member = make_member(make_organization(status="pending"))
    program = Program(member)

    created = program.post("demands/", whole())
    submitted = program.post(f"demands/{created.json()['number']}/submit/")

    assert (created.status_code, submitted.status_code) == (201, 400)
    assert Demand.objects.get().status == "draft"


def test_confirm_close_and_withdraw():
    member = make_member()
    owner = member.organizations.get()
    program = Program(member)
    later = (timezone.localdate() + dt.timedelta(days=300)).isoformat()
    address = f"demands/{make_demand(owner=owner).number}/"
    other = f"demands/{make_demand(owner=owner).number}/"

    confirmed = program.post(f"{address}confirm/", {"valid_until": later})
    assert confirmed.json()["valid_until"] == later
    assert program.post(f"{address}confirm/", {"valid_until": "2020-01-01"}).status_code == 400
    closed = program.post(f"{address}close/", {"status": "fulfilled", "reason": "here"})
    assert closed.json()["status"] == "fulfilled"
    assert program.post(f"{address}close/", {"status": "fulfilled"}).status_code == 409
    assert program.post(f"{other}close/", {"status": "transferred"}).status_code == 400
    assert program.post(f"{other}withdraw/").json()["status"] == "withdrawn"
    assert program.post(f"{other}withdraw/").status_code == 409


def test_a_reviewer_does_not_publish_a_version_unseen():
    demand = make_demand(status="submitted", version=2)

    answer = Program(make_manager()).post(
        f"demands/{demand.number}/decide/",
        {"decision": "publish", "version": 1, "no_interest": True},
    )

    assert answer.status_code == 409
    assert unchanged(demand)


def test_nobody_decides_on_their_own_side():
    demand = make_demand(status="submitted")
    manager = make_manager()
    manager.memberships.create(organization=demand.owner, role="viewer", is_active=True)

    answer = Program(manager).post(
        f"demands/{demand.number}/decide/",
        {"decision": "publish", "version": 1, "no_interest": True},
    )

    assert answer.status_code == 403
    assert unchanged(demand)


# --- Who may ------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", ["submit", "withdraw", "close", "confirm", "appeal", "decide"])
def test_a_stranger_changes_nothing(step):
    demand = make_demand()
    body = {"status": "closed", "valid_until": "2099-01-01", "decision": "publish", "version": 1}

    stranger = Program(make_member()).post(f"demands/{demand.number}/{step}/", body)
    visitor = Program().post(f"demands/{demand.number}/{step}/", body)

    assert (stranger.status_code, visitor.status_code) == (403, 401)
    assert visitor["WWW-Authenticate"] == "Bearer"
    assert unchanged(demand)


def test_a_viewer_reads_and_does_not_write():
    demand = make_demand(status="draft")
    viewer = Program(make_member(demand.owner, role="viewer"))

    assert viewer.get(f"demands/{demand.number}/").status_code == 200
    assert viewer.patch(f"demands/{demand.number}/", {"trl": 1}, If_Match="*").status_code == 403
    assert viewer.post("demands/", whole()).status_code == 403
    assert unchanged(demand)


def test_a_token_that_may_read_does_not_write():
    member = make_member()
    program = Program(member, TokenScope.READ)

    answer = program.post("demands/", whole())

    assert answer.status_code == 403
    assert answer.json()["code"] == "read_only_token"
    assert program.get("demands/mine/").status_code == 200


def test_one_writes_for_one_of_several_organizations():
    member, second = make_member(), make_organization()
    member.memberships.create(organization=second, role="editor", is_active=True)
    program = Program(member)

    unnamed = program.post("demands/", whole())
    strange = program.post("demands/", whole(organization=make_organization().pk))
    named = program.post("demands/", whole(organization=second.pk))

    assert (unnamed.status_code, strange.status_code, named.status_code) == (400, 400, 201)
    assert set(unnamed.json()["errors"]) == set(strange.json()["errors"]) == {"organization"}
    assert Demand.objects.get().owner == second


def test_who_belongs_nowhere_is_told_so():
    answer = Program(make_user()).post("demands/", whole())

    assert answer.status_code == 403
    assert "机构" in answer.json()["detail"]


def test_the_history_is_for_its_own_side():
    member = make_member()
    created = Program(member).post("demands/", whole()).json()
    address = f"demands/{created['number']}/events/"

    [step] = Program(member).get(address).json()["results"]
    assert step["who"] == member.name
    assert Program(make_member()).get(address).status_code == 404
    public = f"demands/{make_demand().number}/events/"
    assert Program(make_member()).get(public).status_code == 403
