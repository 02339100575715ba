"""Versions of a listing: who handed in what, what changed, and who may read it."""

import datetime as dt
import re
import time

import pghistory
import pytest
from django.db import ProgrammingError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.permissions import Tier
from catalog.disclosure import RULES, shown
from catalog.models import CONTENT_FIELDS, Achievement, Demand, ListingEvent, revision_model
from catalog.revisions import _LABELS, Piece, compare, indicator_rows, shortened, text_pieces
from catalog.services import deciding, publishing
from tests.factories import (
    make_achievement,
    make_demand,
    make_manager,
    make_member,
    make_operator,
    make_organization,
    make_user,
)


def marked(old, new):
    """Return a text with its marks, short to read: [-deleted-] {+inserted+}."""
    marks = {"del": "[-{}-]", "ins": "{{+{}+}}", "same": "{}"}
    return "".join(marks[piece.op].format(piece.text) for piece in text_pieces(old, new))


# --- Words --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("淬火后变形大。", "淬火后变形大。", "淬火后变形大。"),
        (
            "现用分段中频淬火，接头处存在软带。",
            "现用整圈中频淬火，接头处存在软带。",
            "现用[-分段-]{+整圈+}中频淬火，接头处存在软带。",
        ),
        (
            "圆度偏差超过 1.2 mm，磨削余量大。",
            "圆度偏差超过 0.8 mm，磨削余量大。",
            "圆度偏差超过 [-1.2-]{+0.8+} mm，磨削余量大。",
        ),
        ("第一句。第三句。", "第一句。第二句。第三句。", "第一句。{+第二句。+}第三句。"),
        ("第一句。第二句。", "第二句。", "[-第一句。-]第二句。"),
        (
            "The ring warps. It is ground.",
            "The ring warps a lot. It is ground.",
            "The ring warps{+ a lot+}. It is ground.",
        ),
        ("", "新写的。", "{+新写的。+}"),
        ("删掉的。", "", "[-删掉的。-]"),
        ("完全不同的一句话。", "Nothing in common here.", None),
    ],
)
def test_words_that_changed_are_marked_and_the_rest_is_left(old, new, expected):
    if expected is None:
        expected = f"[-{old}-]{{+{new}+}}"
    assert marked(old, new) == expected


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("现用分段中频淬火，接头处存在软带。\n\n第二段。", "第二段。\r\n现用整圈淬火。"),
        ("一。二。三。四。", "四。三。二。一。"),
        ("a" * 50, "a" * 49 + "b"),
        ("😀淬火😀", "淬火😀"),
        ("。。。；；", "；。"),
    ],
)
def test_both_texts_can_be_read_out_of_the_marks(old, new):
    pieces = text_pieces(old, new)

    assert "".join(piece.text for piece in pieces if piece.op != "ins") == old
    assert "".join(piece.text for piece in pieces if piece.op != "del") == new


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("淬火变形控制，" * 2800, "变形淬火控制，" * 2800),  # one sentence, all of it shuffled
        ("。" * 20_000, "；" * 20_000),
        ("一。" * 10_000, "二。" * 10_000),
        (
            "".join(chr(0x4E00 + n) for n in range(19_000)),
            "".join(chr(0x9000 - n) for n in range(9_000)),
        ),
    ],
)
def test_the_longest_texts_are_compared_in_a_moment(old, new):
    begin = time.perf_counter()
    text_pieces(old, new)
    assert time.perf_counter() - begin < 3


def test_long_stretches_that_stayed_are_left_out():
    same = "淬" * 500
    pieces = shortened([Piece("same", same), Piece("ins", "新"), Piece("same", same)])

    assert [piece.op for piece in pieces] == ["out", "same", "ins", "same", "out"]
    assert pieces[0].count + len(pieces[1].text) == 500


# --- Rows ---------------------------------------------------------------------------------------


def indicator(name, value, hard=True, op="le"):
    return {"name": name, "op": op, "value": value, "high": "", "unit": "mm", "hard": hard}


def test_indicators_are_compared_row_by_row():
    old = [indicator("圆度", "0.35"), indicator("平面度", "0.1"), indicator("壁厚", "6", op="ge")]
    new = [indicator("圆度", "0.30"), indicator("壁厚", "6", op="ge"), indicator("直径", "3200")]

    rows = [(row.op, row.name) for row in indicator_rows(old, new)]

    assert rows == [("changed", "圆度"), ("same", "壁厚"), ("new", "直径"), ("gone", "平面度")]


def test_an_indicator_that_became_a_wish_has_changed():
    [row] = indicator_rows([indicator("圆度", "0.35")], [indicator("圆度", "0.35", hard=False)])

    assert row.op == "changed" and row.before != row.after


def test_two_indicators_of_one_name_are_not_mixed_up():
    old = [indicator("壁厚", "6", op="ge"), indicator("壁厚", "9")]

    assert indicator_rows(old, list(reversed(old))) != []
    assert indicator_rows(old, old) == []


# --- Two versions -------------------------------------------------------------------------------


def resubmit(listing, actor, **content):
    publishing.submit(listing=listing, actor=actor, content=content)
    listing.refresh_from_db()


def send_back(world):
    deciding.decide(
        no_interest=True,
        listing=world.listing,
        actor=world.reviewer,
        decision="needs_info",
        reason="vague",
        note="请写清指标。",
    )


@pytest.fixture
def world(db):
    class World:
        owner = make_organization(name="云州理工大学", kind="university", field="材料方向")
        writer = make_member(owner, name="丁砥中")
        reviewer = make_manager(name="审核甲")
        listing = make_achievement(
            owner=owner,
            status="draft",
            lead_expert="周恒之",
            encumbrances="已抵押给某银行",
            trl_evidence="试件报告三份",
        )

    publishing.submit(listing=World.listing, actor=World.writer)
    deciding.decide(
        no_interest=True, listing=World.listing, actor=World.reviewer, decision="publish"
    )
    World.listing.refresh_from_db()
    resubmit(
        World.listing,
        World.writer,
        title="双感应器同步淬火成套工艺与装备",
        body="双感应器相向扫描，终了处无软带。直径 3.2 m 套圈试件淬火后圆度偏差 0.25 mm。",
        keywords=["淬火", "感应加热"],
        trl=8,
        money_min=2_000_000,
        modes=["license"],
        lead_expert="魏长林",
        encumbrances="已解除抵押",
        disclosure={"body": "managers", "money": "introduced"},
        ip_items=[{"kind": "invention", "number": "ZL202310000000.1", "status": "granted"}],
        needs=["pilot"],
        ownership="empowered",
    )
    return World


def both(listing, tier=Tier.INTRODUCED):
    found = revision_model(listing.kind).objects.filter(pgh_obj=listing)
    rows = {row.version: row for row in found}
    old, new = (shown(rows[version], tier, names=tier == Tier.INTRODUCED) for version in (1, 2))
    return {change.key: change for change in compare(old, new, tier=tier)}


def test_every_field_that_changed_is_told_and_no_other(world):
    changes = both(world.listing)

    assert set(changes) == {
        *("title", "body", "keywords", "trl", "money", "modes", "expert", "encumbrances"),
        *("ip_items", "needs", "ownership", "disclosure"),
    }
    assert [(row.op, row.before or row.after) for row in changes["keywords"].rows] == [
        ("same", "淬火"),
        ("gone", "轴承"),
        ("new", "感应加热"),
    ]
    assert [(row.before, row.after) for row in changes["trl"].rows] == [("TRL 7", "TRL 8")]
    tiers = {row.name: row.after for row in changes["disclosure"].rows}
    assert len(tiers) == 2


def test_every_content_field_of_both_kinds_is_compared(db):
    """A field that is added to the model and forgotten here would change unseen."""
    for kind, names in CONTENT_FIELDS.items():
        told = {*_LABELS, *(name for rule in RULES[kind].values() for name in rule.fields)}
        assert set(names) <= told


def get(client, user, listing, query=""):
    if user is None:
        client.logout()
    else:
        client.force_login(user)
    return client.get(reverse(f"{listing.kind}_revisions", args=[listing.number]) + query)


def test_the_page_shows_who_when_and_what_became_of_each_version(client, world):
    page = get(client, world.writer, world.listing).content.decode()

    assert "第 1 版" in page and "第 2 版" in page
    assert page.count("丁砥中") >= 2
    assert "已发布" in page
    assert "<ins>与装备</ins>" in page
    assert "<del>周恒之</del>" in page and "<ins>魏长林</ins>" in page


def test_texts_of_owners_are_no_markup(client, world):
    send_back(world)
    resubmit(world.listing, world.writer, title="<script>alert(1)</script>套圈淬火")

    page = get(client, world.writer, world.listing).content.decode()
    assert "<script>alert" not in page and "&lt;script&gt;" in page


def test_the_first_version_can_be_read_alone(client, world):
    page = get(client, world.writer, world.listing, "?from=0&to=1").content.decode()

    assert "首次提交" in page
    assert "<ins>双感应器同步淬火成套工艺</ins>" in page


def test_versions_are_compared_in_order_however_they_are_asked_for(client, world):
    there = get(client, world.writer, world.listing, "?from=1&to=2").content
    back = get(client, world.writer, world.listing, "?from=2&to=1").content

    changes = re.compile(rb'id="h-changes".*', re.DOTALL)
    assert changes.search(there)[0] == changes.search(back)[0]


@pytest.mark.parametrize("query", ["?from=1&to=3", "?to=99", "?from=7&to=2"])
def test_a_version_that_there_is_not_is_said(client, world, query):
    response = get(client, world.writer, world.listing, query)

    assert response.status_code == 404
    assert "没有这个版本" in response.content.decode()


@pytest.mark.parametrize(
    "query", ["?from=x&to=", "?from=-1", "?to=" + "9" * 40, "?page=x", "?to=²"]
)
def test_nonsense_in_the_address_shows_the_latest_change(client, world, query):
    response = get(client, world.writer, world.listing, query)

    assert response.status_code == 200
    assert "<ins>与装备</ins>" in response.content.decode()


def test_a_draft_has_no_versions_yet(client, world):
    draft = make_achievement(owner=world.owner, status="draft")

    response = get(client, world.writer, draft)
    assert response.status_code == 200
    assert "还没有提交过" in response.content.decode()


# --- Who may read it ----------------------------------------------------------------------------


def test_versions_are_for_the_own_side_operators_and_who_checks_it(client, world):
    """The listing waits for its check: strangers may not know of it."""
    readers = {
        None: 302,
        make_user(): 404,
        make_member(): 404,
        make_member(world.owner, role="viewer"): 200,
        make_operator(): 200,
        world.reviewer: 200,
    }
    for reader, code in readers.items():
        assert get(client, reader, world.listing).status_code == code


def test_versions_of_a_published_listing_are_for_neither_strangers_nor_managers(client, world):
    deciding.decide(
        no_interest=True, listing=world.listing, actor=world.reviewer, decision="publish"
    )

    for reader in (make_user(), make_member(), world.reviewer, make_manager()):
        assert get(client, reader, world.listing).status_code == 403


def test_a_reviewer_with_a_tie_reads_no_versions(client, world):
    tied = make_manager()
    tied.manager_profile.interests.create(organization=world.owner, kind="employment")

    assert get(client, tied, world.listing).status_code == 403


def test_a_reviewer_reads_no_more_than_managers_may(client, world):
    page = get(client, world.reviewer, world.listing).content.decode()

    # For the introduction: the expert by rule, the money by choice of version 2.
    for hidden in ("周恒之", "魏长林", "200", "300"):
        assert f">{hidden}" not in page and f"{hidden}&nbsp;万" not in page
    assert "万元" not in page
    # For managers.
    assert "<ins>解除</ins>" in page or "解除抵押" in page
    assert "0.25" in page


def test_what_is_closed_now_is_closed_in_old_versions_too(client, world):
    """Version 1 showed the evidence to members; its owner has closed it since."""
    Achievement.objects.filter(pk=world.listing.pk).update(
        disclosure={"trl_evidence": "introduced", "encumbrances": "introduced"}
    )

    page = get(client, world.reviewer, world.listing, "?from=0&to=1").content.decode()
    assert "试件报告三份" not in page and "抵押" not in page
    page = get(client, world.writer, world.listing, "?from=0&to=1").content.decode()
    assert "试件报告三份" in page


def test_who_checks_a_listing_stays_unnamed_to_its_owner(client, world):
    deciding.decide(
        no_interest=True, listing=world.listing, actor=world.reviewer, decision="publish"
    )
    client.force_login(world.writer)

    page = client.get(world.listing.get_absolute_url()).content.decode()
    assert "审核人员" in page and "审核甲" not in page
    assert "丁砥中" in page
    client.force_login(make_operator())
    assert "审核甲" in client.get(world.listing.get_absolute_url()).content.decode()


def test_the_timeline_links_each_version_to_its_changes(client, world):
    client.force_login(world.writer)
    page = client.get(world.listing.get_absolute_url()).content.decode()
    path = reverse("achievement_revisions", args=[world.listing.number])

    assert f'href="{path}?to=2"' in page
    assert client.get(f"{path}?to=2").status_code == 200


def test_the_timeline_says_what_a_confirmation_and_an_end_were(client, world):
    deciding.decide(
        no_interest=True, listing=world.listing, actor=world.reviewer, decision="publish"
    )
    day = timezone.localdate() + dt.timedelta(days=99)
    publishing.confirm_valid(listing=world.listing, actor=world.writer, valid_until=day)
    publishing.close(
        listing=world.listing,
        actor=world.writer,
        status="closed",
        reason="no_partner",
        note="三年无人问津",
    )
    client.force_login(world.writer)

    page = client.get(world.listing.get_absolute_url()).content.decode()
    assert "确认仍有效，至" in page
    assert "没有找到合适的合作方" in page and "三年无人问津" in page


# --- On the review page -------------------------------------------------------------------------


def test_a_reviewer_sees_what_changed_since_the_last_published_version(client, world):
    client.force_login(make_manager())
    page = client.get(reverse("listing_review", args=[world.listing.number])).content.decode()

    assert "与第 1 版相比的改动" in page
    assert "<ins>与装备</ins>" in page
    assert "魏长林" not in page


def test_versions_that_were_sent_back_in_between_are_not_what_it_is_compared_with(client, world):
    send_back(world)
    resubmit(world.listing, world.writer, summary="大直径套圈整圈感应淬火，无软带，变形更小。")
    client.force_login(make_manager())

    page = client.get(reverse("listing_review", args=[world.listing.number])).content.decode()
    assert "与第 1 版相比的改动" in page
    assert "<ins>与装备</ins>" in page


def test_a_first_version_has_nothing_to_be_compared_with(client, db):
    demand = make_demand(status="submitted")
    client.force_login(make_manager())

    page = client.get(reverse("listing_review", args=[demand.number])).content.decode()
    assert "相比的改动" not in page


# --- Cost ---------------------------------------------------------------------------------------


def test_the_query_count_is_the_same_for_two_versions_and_for_thirty(client, world):
    def count():
        with CaptureQueriesContext(connection) as queries:
            assert get(client, world.writer, world.listing).status_code == 200
        return len(queries)

    get(client, world.writer, world.listing)
    before = count()
    for version in range(3, 31):
        Achievement.objects.filter(pk=world.listing.pk).update(version=version)
        world.listing.refresh_from_db()
        pghistory.create_event(world.listing, label="revision")
        ListingEvent.objects.create(
            achievement=world.listing, actor=world.writer, after="submitted", version=version
        )

    assert count() == before
    page = get(client, world.writer, world.listing).content.decode()
    assert "第 30 版" in page and "第 10 版" not in page
    page = get(client, world.writer, world.listing, "?page=2").content.decode()
    assert "第 10 版" in page and "第 1 版" in page


def test_a_revision_can_never_be_changed(db):
    demand = make_demand()
    with pytest.raises(ProgrammingError), transaction.atomic():
        revision_model("demand").objects.filter(pgh_obj=demand).update(title="改写历史")
    assert Demand.objects.get().title != "改写历史"
