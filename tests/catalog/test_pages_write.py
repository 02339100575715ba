"""Writing a listing and ending it: what is stored, and what each refusal leaves unchanged."""

import datetime as dt
import re
import threading

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from catalog import steps
from catalog.models import Achievement, Demand, ListingEvent
from catalog.workflow import ListingStatus
from tests.factories import (
    make_achievement,
    make_demand,
    make_manager,
    make_member,
    make_operator,
    make_organization,
    make_user,
    revision_of,
)
from tests.speaking import speak

pytestmark = pytest.mark.django_db


def text_of(response):
    return response.content.decode()


def rows_data(*rows, total=None):
    data = {"indicators-TOTAL_FORMS": str(total or len(rows)), "indicators-INITIAL_FORMS": "0"}
    for number, row in enumerate(rows):
        data |= {f"indicators-{number}-{key}": value for key, value in row.items()}
    return data


ROW = {"name": "圆度变形", "op": "le", "value": "0.35", "unit": "mm", "kind": "hard"}


def filled(*rows, **changes):
    """Return a form as somebody would fill it in."""
    data = {
        "title": "大型轴承套圈淬火变形控制",
        "summary": "直径 2 m 以上套圈整圈淬火后变形大，求减小圆度偏差的工艺。",
        "body": "现用分段中频淬火，接头处存在软带，淬火后圆度偏差超过 1.2 mm，磨削余量大。",
        "keywords": "淬火，轴承、变形",
        "language": "zh",
        "industry": "C34",
        "region": "330100",
        "modes": ["license", "development"],
        "trl": "7",
        "money_min": "",
        "money_max": "380",
        "valid_until": (timezone.localdate() + dt.timedelta(days=90)).isoformat(),
        "nonce": "0" * 31 + "a",
        "action": "draft",
        "ip-TOTAL_FORMS": "0",
        "ip-INITIAL_FORMS": "0",
    }
    return {**data, **rows_data(*(rows or (ROW,))), **changes}


@pytest.fixture
def owner():
    return make_organization(name="杭州恒轴轴承有限公司", contact_name="周敏明")


@pytest.fixture
def writer(client, owner):
    user = make_member(owner, role="editor")
    client.force_login(user)
    return user


def new(client, owner, kind="demands", **changes):
    """Send the form that has everything on one page."""
    return client.post(f"/{kind}/new/all/", filled(owner=owner.pk, **changes))


def errors_of(response):
    return [problem.text for problem in response.context["problems"]]


# --- A new listing --------------------------------------------------------------------------------


def test_the_form_offers_five_rows_and_the_owners_region(client, writer, owner):
    page = client.get("/demands/new/all/")
    assert page.context["rows"]["indicators"].total_form_count() == 5
    assert page.context["form"].initial["region"] == owner.region
    assert "maxlength" not in text_of(page)


def test_a_draft_is_stored_as_it_was_written(client, writer, owner):
    response = new(client, owner)

    demand = Demand.objects.get()
    assert response["Location"] == f"/demands/{demand.number}/edit/all/"
    assert demand.status == ListingStatus.DRAFT
    assert demand.owner == owner
    assert demand.created_by == writer
    assert demand.keywords == ["淬火", "轴承", "变形"]
    assert demand.money_min is None
    assert demand.money_max == 3_800_000
    assert demand.trl == 7
    assert demand.modes == ["license", "development"]
    [row] = demand.indicators
    assert row["name"] == "圆度变形"
    assert row["hard"] is True


def test_submitting_makes_a_version_that_waits_for_a_check(client, writer, owner):
    response = new(client, owner, action="submit")

    demand = Demand.objects.get()
    assert response["Location"] == demand.get_absolute_url()
    assert demand.status == ListingStatus.SUBMITTED
    assert revision_of(demand).title == demand.title
    assert "个工作日" in text_of(client.get(demand.get_absolute_url()))


def test_an_achievement_is_written_the_same_way(client, writer, owner):
    assert new(client, owner, "achievements", action="submit").status_code == 302
    achievement = Achievement.objects.get()
    assert achievement.status == ListingStatus.SUBMITTED
    # What was measured is no wish: there is nothing hard or soft about it.
    assert Demand.objects.count() == 0


def test_half_a_form_can_be_saved(client, writer, owner):
    data = {"title": "只有标题", "action": "draft", "owner": owner.pk, "language": "zh"}
    response = client.post("/demands/new/all/", data | rows_data({}, {}, {}))
    assert response.status_code == 302
    assert Demand.objects.get().indicators == []


def test_enter_in_a_field_saves_a_draft(client, writer):
    page = text_of(client.get("/demands/new/"))
    buttons = re.findall(r'<button[^>]*name="action"[^>]*value="(\w+)"', page)
    assert buttons[0] == "draft"


def test_the_same_form_sent_twice_creates_one(client, writer, owner):
    first, second = new(client, owner), new(client, owner)
    assert first.status_code == second.status_code == 302
    assert Demand.objects.count() == 1
    assert Demand.objects.get().number in second["Location"]
    assert ListingEvent.objects.count() == 1


def test_another_form_creates_another(client, writer, owner):
    new(client, owner)
    new(client, owner, nonce="0" * 31 + "b")
    assert Demand.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_two_clicks_at_once_create_one(owner):
    user = make_member(owner)
    ready = threading.Barrier(2)
    answers = []

    def click():
        browser = Client()
        browser.force_login(user)
        ready.wait()
        try:
            answers.append(new(browser, owner, action="submit").status_code)
        finally:
            connection.close()

    clicks = [threading.Thread(target=click) for _number in range(2)]
    for thread in clicks:
        thread.start()
    for thread in clicks:
        thread.join()

    assert answers == [302, 302]
    assert Demand.objects.count() == 1
    assert Demand.objects.get().version == 1


def test_three_more_rows_come_without_script_and_lose_nothing(client, writer, owner):
    broken = {"name": "硬度", "op": "range", "value": "58", "high": "", "unit": "HRC"}
    response = new(
        client, owner, **rows_data(broken, {}), action="more-indicators", title="", trl="99"
    )

    page = text_of(response)
    assert response.context["rows"]["indicators"].total_form_count() == 5
    assert 'value="硬度"' in page
    assert "错误：" not in page
    assert "现用分段中频淬火" in page
    assert Demand.objects.count() == 0


@pytest.mark.parametrize("total", ["1000000", "-1", "x", "", "9" * 400])
def test_a_forged_number_of_rows_gives_a_page(client, writer, owner, total):
    for action in ("more-indicators", "draft"):
        response = new(client, owner, **{"indicators-TOTAL_FORMS": total}, action=action)
        assert response.status_code == 200
        assert response.context["rows"]["indicators"].total_form_count() <= 50
    assert Demand.objects.count() == 0


def test_a_deleted_row_is_left_out_whatever_stands_in_it(client, writer, owner):
    gone = {"name": "坏的", "op": "ge", "value": "很多", "unit": "xyz", "DELETE": "on"}
    assert new(client, owner, **rows_data(ROW, gone)).status_code == 302
    assert [row["name"] for row in Demand.objects.get().indicators] == ["圆度变形"]


# --- What is refused ------------------------------------------------------------------------------


def test_errors_say_where_and_keep_what_was_typed(client, writer, owner):
    response = new(
        client,
        owner,
        action="submit",
        title="",
        summary="短",
        money_min="900",
        industry="Z99",
        valid_until="2020-01-01",
        modes=[],
        **rows_data({"name": "硬度", "op": "ge", "value": "很硬", "unit": "HRC"}),
    )
    page = text_of(response)

    assert Demand.objects.count() == 0
    assert "<title>错误：" in re.sub(r"\s+", " ", page)
    assert 'href="#id_title"' in page
    assert 'href="#id_indicators-0-value"' in page
    assert 'href="#id_money_max"' in page
    assert 'value="很硬"' in page
    assert "现用分段中频淬火" in page


def test_everything_to_be_changed_is_said_at_once(client, writer, owner):
    response = new(
        client,
        owner,
        action="submit",
        title="",
        summary="电话 13800138000，求减小圆度偏差的工艺。",
        industry="",
        **rows_data({"name": "硬度", "op": "ge", "value": "很硬", "unit": "HRC"}),
    )
    targets = [problem.target for problem in response.context["problems"]]
    assert targets == ["id_title", "id_summary", "id_indicators-0-value", "id_industry"]
    assert Demand.objects.count() == 0


def test_submitting_needs_what_a_reviewer_needs(client, writer, owner):
    empty = dict.fromkeys(("summary", "body", "industry", "region", "valid_until"), "")
    response = new(client, owner, action="submit", modes=[], **empty)
    targets = [problem.target for problem in response.context["problems"]]
    assert targets == [
        "id_summary",
        "id_body",
        "id_industry",
        "id_region",
        "id_modes_0",
        "id_valid_until",
    ]
    assert Demand.objects.count() == 0


@pytest.mark.parametrize(
    ("field", "text", "said"),
    [
        ("title", "长" * 201, "200"),
        ("summary", "长" * 601, "600"),
        ("body", "长" * 200_000, "20000"),
        ("keywords", "，".join(f"词{n}" for n in range(11)), "10"),
        ("keywords", "长" * 41, "40"),
        ("title", "控制\x00字符在这里", ""),
        ("title", "反转\u202e字符", "U+202E"),
        ("money_max", "很多", "380"),
        ("money_max", "1e400", "380"),
        ("money_max", "NaN", "380"),
        ("money_max", "-5", "0"),
        ("money_max", "99999999999", "1000 亿"),
        ("money_max", "9" * 5000, "380"),
        ("trl", "11", ""),
        ("trl", "1; DROP TABLE", ""),
        ("industry", "'--", ""),
        ("region", "999999", ""),
        ("modes", "free", ""),
        ("language", "xx", ""),
        ("valid_until", "9999-99-99", "2027"),
        ("valid_until", "3000-01-01", ""),
        ("owner", "999999", ""),
        ("owner", "'x\x00", ""),
        ("owner", "9" * 60, ""),
    ],
)
def test_what_cannot_be_stored_gets_a_sentence(client, writer, owner, field, text, said):
    make_organization()
    response = client.post("/demands/new/all/", filled(**{"owner": owner.pk, field: text}))
    assert response.status_code == 200
    found = [p.text for p in response.context["problems"]]
    assert len(found) == 1
    assert said in found[0]
    assert Demand.objects.count() == 0


def test_hostile_texts_are_stored_as_texts(client, writer, owner):
    hostile = "<script>alert(1)</script>'; DROP TABLE x; --"
    body = hostile + "\x07\u202e 现用分段中频淬火，接头处存在软带，磨削余量大。\r\n第二行"
    new(client, owner, title=hostile, body=body)
    demand = Demand.objects.get()
    assert demand.title == hostile
    assert "\x07" not in demand.body
    assert "\u202e" not in demand.body
    assert demand.body.endswith("\n第二行")
    assert "<script>alert(1)" not in text_of(client.get(f"/demands/{demand.number}/edit/all/"))


def test_nobody_writes_in_anothers_name(client, writer):
    other = make_organization()
    response = new(client, other)
    assert response.status_code == 200
    assert Demand.objects.count() == 0


def test_a_reader_of_an_organization_may_not_write(client, owner):
    client.force_login(make_member(owner, role="viewer"))
    assert client.get("/demands/new/").status_code == 403
    assert new(client, owner).status_code == 403
    assert Demand.objects.count() == 0


def test_without_an_organization_one_is_led_to_it(client):
    client.force_login(make_user())
    response = client.get("/demands/new/")
    assert response.status_code == 302
    assert Demand.objects.count() == 0


def test_a_visitor_logs_in_first(client, owner):
    assert "/account/login/" in client.get("/demands/new/")["Location"]
    assert new(client, owner).status_code == 302
    assert Demand.objects.count() == 0


def test_an_unverified_organization_saves_drafts_but_submits_nothing(client):
    waiting = make_organization(status="pending")
    client.force_login(make_member(waiting))

    refused = new(client, waiting, action="submit")

    assert any("还没有通过核验" in error for error in errors_of(refused))
    assert Demand.objects.count() == 0
    assert new(client, waiting).status_code == 302
    assert Demand.objects.get().status == ListingStatus.DRAFT


@pytest.mark.parametrize(
    ("field", "text", "said"),
    [
        ("title", "恒轴轴承的套圈淬火变形", "恒轴轴承"),
        ("summary", "杭州恒轴轴承有限公司求减小圆度偏差的工艺。", "杭州恒轴轴承有限公司"),
        ("summary", "求减小圆度偏差的工艺，联系 13800138000。", "13800138000"),
        (
            "body",
            "现用分段中频淬火，接头处存在软带，磨削余量大，请联系周敏明，电话见下。",
            "周敏明",
        ),
        (
            "body",
            "现用分段中频淬火，接头处存在软带，磨削余量大，邮箱 zhou@hengzhou.example。",
            "zhou@",
        ),
        ("keywords", "恒轴轴承，淬火", "恒轴轴承"),
    ],
)
def test_a_text_that_names_its_owner_is_not_submitted(client, writer, owner, field, text, said):
    refused = new(client, owner, action="submit", **{field: text})

    [problem] = refused.context["problems"]
    assert said in problem.text
    assert problem.target == f"id_{field}"
    assert Demand.objects.count() == 0

    # It can be saved, and the page says where before anybody submits it.
    saved = new(client, owner, **{field: text})
    assert said in text_of(client.get(saved["Location"]))


def test_an_indicator_that_names_its_owner_is_not_submitted(client, writer, owner):
    row = {**ROW, "name": "恒轴轴承的圆度"}
    refused = new(client, owner, action="submit", **rows_data(row))
    assert any("恒轴轴承" in error for error in errors_of(refused))
    assert Demand.objects.count() == 0


# --- Changing one ---------------------------------------------------------------------------------


def edit(client, listing, **changes):
    address = f"{listing.get_absolute_url()}edit/all/"
    return client.post(address, filled(**{"seen": mark(listing), **changes}))


def mark(listing):
    """Return the mark that the form of a listing carries now."""
    fresh = type(listing).objects.get(pk=listing.pk)
    return steps.mark_of(fresh, steps.content_of(fresh.kind, steps.WHOLE))


def test_a_draft_is_changed_and_submitted(client, writer, owner):
    demand = make_demand(owner=owner, status=ListingStatus.DRAFT)
    edit(client, demand, title="换了一个标题的需求")
    demand.refresh_from_db()
    assert demand.title == "换了一个标题的需求"
    assert demand.status == ListingStatus.DRAFT

    assert edit(client, demand, action="submit").status_code == 302
    demand.refresh_from_db()
    assert demand.status == ListingStatus.SUBMITTED


def test_the_form_shows_what_is_stored(client, writer, owner):
    demand = make_demand(
        owner=owner, status=ListingStatus.DRAFT, money_min=1_234_500, industry="C3451"
    )
    page = text_of(client.get(f"/demands/{demand.number}/edit/all/"))
    assert 'value="123.45"' in page
    assert 'value="380"' in page
    # A class that the list of divisions does not have stays what it is.
    assert '<option value="C3451" selected>' in page
    assert "淬火、轴承" in page


def test_what_a_form_shows_it_stores_again(client, writer, owner):
    demand = make_demand(owner=owner, status=ListingStatus.DRAFT)
    before = {name: getattr(demand, name) for name in ("indicators", "money_max", "industry")}
    form = client.get(f"/demands/{demand.number}/edit/all/").context["form"]
    data = {name: form[name].value() for name in form.fields}
    data = {name: "" if value is None else value for name, value in data.items()}
    data |= rows_data({**ROW, "op": "le"}) | {
        "seen": mark(demand),
        "action": "draft",
    }
    assert client.post(f"/demands/{demand.number}/edit/all/", data).status_code == 302
    demand.refresh_from_db()
    assert {name: getattr(demand, name) for name in before} == before


def test_a_change_of_what_is_published_is_checked_again(client, writer, owner):
    demand = make_demand(owner=owner)
    edit(client, demand, action="submit", title="改过的标题在这里")
    demand.refresh_from_db()
    assert demand.status == ListingStatus.SUBMITTED
    assert demand.version == 2


def test_a_published_listing_has_no_draft(client, writer, owner):
    demand = make_demand(owner=owner)
    response = edit(client, demand, action="draft", title="偷偷改的标题")
    assert response.status_code == 409
    assert "偷偷改的标题" in text_of(response)
    demand.refresh_from_db()
    assert demand.title == "大型轴承套圈淬火变形控制"


def test_two_people_do_not_overwrite_each_other_unseen(client, writer, owner):
    demand = make_demand(owner=owner, status=ListingStatus.DRAFT)
    stale = mark(demand)
    edit(client, demand, title="同事先保存的标题")

    response = edit(client, demand, title="后来的标题", seen=stale)

    assert response.status_code == 409
    assert 'value="后来的标题"' in text_of(response)
    demand.refresh_from_db()
    assert demand.title == "同事先保存的标题"
    # The page that says so carries the new mark: saving again is meant.
    assert edit(client, demand, title="后来的标题").status_code == 302


def test_submitting_twice_is_submitting_once(client, writer, owner):
    demand = make_demand(owner=owner, status=ListingStatus.DRAFT)
    stale = mark(demand)
    first = edit(client, demand, action="submit", seen=stale)
    second = edit(client, demand, action="submit", seen=stale)
    assert first.status_code == second.status_code == 302
    demand.refresh_from_db()
    assert demand.version == 1


@pytest.mark.parametrize(
    "status", [ListingStatus.SUBMITTED, ListingStatus.REJECTED, ListingStatus.WITHDRAWN]
)
def test_what_may_not_be_changed_says_so(client, writer, owner, status):
    demand = make_demand(owner=owner, status=status)
    before = Demand.objects.values().get()
    assert client.get(f"/demands/{demand.number}/edit/all/").status_code == 302
    assert edit(client, demand, action="submit").status_code == 409
    assert Demand.objects.values().get() == before


ACTS = ["edit", "withdraw", "close", "confirm"]


@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize(
    ("who", "code"),
    [("visitor", 302), ("stranger", 403), ("viewer", 403), ("manager", 403), ("operator", 403)],
)
def test_only_the_owner_acts_on_what_all_can_read(client, act, who, code):
    demand = make_demand()
    before = Demand.objects.values().get()
    users = {
        "stranger": make_member,
        "viewer": lambda: make_member(demand.owner, role="viewer"),
        "manager": make_manager,
        "operator": make_operator,
    }
    if who != "visitor":
        client.force_login(users[who]())
    address = f"/demands/{demand.number}/{act}/"
    assert client.get(address).status_code == code
    assert client.post(address, filled(status="closed", action="submit")).status_code == code
    assert Demand.objects.values().get() == before


@pytest.mark.parametrize("act", ACTS)
def test_a_strangers_draft_does_not_exist(client, act):
    demand = make_demand(status=ListingStatus.DRAFT)
    client.force_login(make_member())
    assert client.get(f"/demands/{demand.number}/{act}/").status_code == 404
    assert client.post(f"/demands/{demand.number}/{act}/", filled()).status_code == 404


# --- Its end --------------------------------------------------------------------------------------


def test_withdrawing_asks_first_and_then_acts(client, writer, owner):
    demand = make_demand(owner=owner)
    address = f"/demands/{demand.number}/withdraw/"

    assert "撤回后不能恢复" in text_of(client.get(address))
    demand.refresh_from_db()
    assert demand.status == ListingStatus.PUBLISHED

    assert client.post(address, {"reason": "other", "note": "已经自己解决"}).status_code == 302
    demand.refresh_from_db()
    assert demand.status == ListingStatus.WITHDRAWN
    assert ListingEvent.objects.get(after="withdrawn").note == "已经自己解决"
    client.logout()
    assert client.get(demand.get_absolute_url()).status_code == 404


def test_withdrawing_twice_is_told(client, writer, owner):
    demand = make_demand(owner=owner, status=ListingStatus.WITHDRAWN)
    response = client.post(f"/demands/{demand.number}/withdraw/", {"note": ""})
    assert response.status_code == 409
    assert 'role="alert"' in text_of(response)
    assert ListingEvent.objects.count() == 0


@pytest.mark.parametrize(
    ("kind", "ending", "allowed"),
    [
        ("demand", "fulfilled", True),
        ("demand", "closed", True),
        ("demand", "transferred", False),
        ("achievement", "transferred", True),
        ("achievement", "fulfilled", False),
        ("demand", "withdrawn", False),
        ("demand", "published", False),
        ("demand", "", False),
    ],
)
def test_a_listing_ends_in_its_own_ways(client, writer, owner, kind, ending, allowed):
    listing = (make_demand if kind == "demand" else make_achievement)(owner=owner)
    reason = "no_partner" if ending == "closed" else ""
    data = {"status": ending, "reason": reason, "note": ""}
    response = client.post(f"{listing.get_absolute_url()}close/", data)
    listing.refresh_from_db()
    assert response.status_code == (302 if allowed else 200)
    assert listing.status == (ending if allowed else ListingStatus.PUBLISHED)


def test_a_draft_cannot_be_closed(client, writer, owner):
    demand = make_demand(owner=owner, status=ListingStatus.DRAFT)
    data = {"status": "closed", "reason": "no_partner"}
    response = client.post(f"/demands/{demand.number}/close/", data)
    assert response.status_code == 409
    demand.refresh_from_db()
    assert demand.status == ListingStatus.DRAFT


def test_a_note_of_any_length_is_answered(client, writer, owner):
    demand = make_demand(owner=owner)
    response = client.post(f"/demands/{demand.number}/withdraw/", {"note": "长" * 200_000})
    assert response.status_code == 200
    assert "1000" in text_of(response)
    demand.refresh_from_db()
    assert demand.status == ListingStatus.PUBLISHED


def test_an_expired_listing_comes_back_when_it_is_confirmed(client, writer, owner):
    demand = make_demand(
        owner=owner,
        status=ListingStatus.EXPIRED,
        valid_until=timezone.localdate() - dt.timedelta(days=3),
    )
    day = timezone.localdate() + dt.timedelta(days=60)
    address = f"/demands/{demand.number}/confirm/"
    assert client.get(address).status_code == 200
    assert client.post(address, {"valid_until": day.isoformat()}).status_code == 302
    demand.refresh_from_db()
    assert demand.is_live
    assert demand.valid_until == day


@pytest.mark.parametrize("day", ["", "2020-01-01", "gestern", "9999-12-31", "\x00", "0"])
def test_a_day_that_makes_no_sense_is_refused(client, writer, owner, day):
    demand = make_demand(owner=owner)
    before = demand.valid_until
    response = client.post(f"/demands/{demand.number}/confirm/", {"valid_until": day})
    assert response.status_code == 200
    assert 'role="alert"' in text_of(response)
    demand.refresh_from_db()
    assert demand.valid_until == before


@pytest.mark.parametrize("language", ["zh-hans", "en"])
@pytest.mark.parametrize("kind", ["demands", "achievements"])
def test_the_pages_speak_both_languages(client, writer, owner, kind, language):
    make = make_demand if kind == "demands" else make_achievement
    listing = make(owner=owner, status=ListingStatus.EXPIRED)
    speak(client, language)
    for path in (
        f"/{kind}/new/",
        f"/my/{kind}/",
        listing.get_absolute_url(),
        *(f"{listing.get_absolute_url()}{act}/" for act in ACTS),
    ):
        response = client.get(path)
        assert response.status_code == 200
        [heading] = re.findall(r"<h1[^>]*>(.*?)</h1>", text_of(response), re.DOTALL)
        if path != listing.get_absolute_url():
            assert bool(re.search("[一-龥]", heading)) == (language == "zh-hans")
        assert ("详细说明" in text_of(response)) == (
            language == "zh-hans" and ("edit" in path or "new" in path or heading == listing.title)
        )
