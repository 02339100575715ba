"""Nothing typed is lost: drafts save themselves, and a form outlives its session."""

import re

import pytest
from django.core import signing
from django.test import Client
from django.utils import timezone

from accounts.unsent import SALT, writer_token
from catalog.models import Demand, TypedPost
from catalog.services import typed
from catalog.workflow import ListingStatus
from tests.catalog.form_data import STEPS, address, marks, rows_data, send
from tests.factories import PASSWORD, make_demand, make_member, make_organization, make_user

pytestmark = pytest.mark.django_db

WHAT = STEPS["demand"]["what"]


@pytest.fixture
def owner():
    return make_organization(name="杭州恒轴轴承有限公司", contact_name="周敏明")


@pytest.fixture
def writer(client, owner):
    user = make_member(owner, role="editor")
    client.force_login(user)
    return user


@pytest.fixture
def demand(owner):
    return make_demand(owner=owner, status=ListingStatus.DRAFT)


def text_of(response):
    return response.content.decode()


def autosave(client, path, data, **extra):
    return send(client, path, data, "autosave", **extra)


# --- Saving by itself -----------------------------------------------------------------------------


def test_a_draft_saves_itself_and_says_when(client, writer, demand):
    response = autosave(client, address(demand, "what"), {**WHAT, "title": "写到一半的标题"})

    demand.refresh_from_db()
    assert demand.title == "写到一半的标题"
    told = response.json()
    assert told["said"] == f"已保存 {timezone.localtime():%H:%M}"
    assert told["seen"] == marks(client, address(demand, "what"))["seen"]


def test_what_is_right_is_saved_and_what_is_wrong_is_named(client, writer, demand):
    data = {**STEPS["demand"]["terms"], "money_max": "很多", "partners": "高校团队"}
    said = autosave(client, address(demand, "terms"), data).json()["said"]
    assert "到" in said.partition("未保存")[2]
    demand.refresh_from_db()
    assert demand.partners == "高校团队"
    assert demand.money_max == 3_800_000


def test_half_a_pair_is_not_measured_against_the_other_half(client, writer, demand):
    data = {**STEPS["demand"]["terms"], "money_min": "9000", "money_max": "很多"}
    assert autosave(client, address(demand, "terms"), data).status_code == 200
    demand.refresh_from_db()
    assert demand.money_min is None


def test_a_wrong_row_leaves_the_stored_rows(client, writer, demand):
    data = {**STEPS["demand"]["indicators"], **rows_data({"name": "硬度", "value": "很硬"})}
    told = autosave(client, address(demand, "indicators"), data).json()
    assert "“很硬”" in told["said"]
    demand.refresh_from_db()
    assert [row["name"] for row in demand.indicators] == ["圆度变形"]
    assert demand.industry == "C3451"


def test_a_new_listing_is_saved_once_it_has_a_title(client, writer, owner):
    data = {**WHAT, "owner": owner.pk, **marks(client, "/demands/new/"), "action": "autosave"}

    first = client.post("/demands/new/", {**data, "title": ""})
    assert "标题" in first.json()["said"]
    assert Demand.objects.count() == 0

    second = client.post("/demands/new/", data).json()
    demand = Demand.objects.get()
    assert second["address"] == address(demand, "what")

    # What is typed next goes to the draft, with the marks that came back.
    later = {**data, "title": "接着写的标题", "seen": second["seen"], "writer": second["writer"]}
    client.post(second["address"], later)
    demand.refresh_from_db()
    assert demand.title == "接着写的标题"
    assert Demand.objects.count() == 1


def test_who_writes_for_two_organizations_says_for_which_first(client, writer, owner):
    other = make_organization(name="另一家机构有限公司")
    other.memberships.create(user=writer, role="editor", is_active=True)
    data = {**WHAT, "owner": other.pk, **marks(client, "/demands/new/")}
    told = client.post("/demands/new/", {**data, "action": "autosave"}).json()
    assert "草稿" in told["said"]
    assert Demand.objects.count() == 0
    client.post("/demands/new/", {**data, "action": "draft"})
    assert Demand.objects.get().owner == other


def test_an_answer_that_was_lost_makes_no_second_listing(client, writer, owner):
    data = {**WHAT, "owner": owner.pk, **marks(client, "/demands/new/"), "action": "autosave"}
    for _try in range(2):
        assert client.post("/demands/new/", data).status_code == 200
    assert Demand.objects.count() == 1


def test_what_a_colleague_saved_meanwhile_is_said_and_kept(client, writer, owner, demand):
    stale = marks(client, address(demand, "what"))
    colleague = Client()
    colleague.force_login(make_member(owner, role="editor"))
    send(colleague, address(demand, "what"), {**WHAT, "title": "同事改过的标题"})

    data = {**WHAT, "title": "我的标题", **stale, "action": "autosave"}
    response = client.post(address(demand, "what"), data)

    assert response.status_code == 409
    assert "保存过" in response.json()["problem"]
    demand.refresh_from_db()
    assert demand.title == "同事改过的标题"


def test_two_people_on_different_steps_do_not_disturb_each_other(client, writer, owner, demand):
    stale = marks(client, address(demand, "what"))
    colleague = Client()
    colleague.force_login(make_member(owner, role="editor"))
    send(colleague, address(demand, "terms"), STEPS["demand"]["terms"])

    data = {**WHAT, "title": "我的标题", **stale, "action": "autosave"}
    assert client.post(address(demand, "what"), data).status_code == 200
    demand.refresh_from_db()
    assert demand.title == "我的标题"
    assert demand.partners == "有中试线的高校团队"


def test_the_same_content_from_an_old_page_is_no_conflict(client, writer, demand):
    stale = marks(client, address(demand, "what"))
    data = {**WHAT, **stale, "action": "autosave"}
    assert client.post(address(demand, "what"), data).status_code == 200
    assert client.post(address(demand, "what"), data).status_code == 200


@pytest.mark.parametrize(
    "status", [ListingStatus.PUBLISHED, ListingStatus.SUBMITTED, ListingStatus.WITHDRAWN]
)
def test_only_drafts_save_themselves(client, writer, owner, status):
    demand = make_demand(owner=owner, status=status)
    before = Demand.objects.values().get()
    data = {**WHAT, "title": "偷偷改的标题", "action": "autosave", "seen": "0" * 32}
    response = client.post(address(demand, "what"), data)
    assert response.status_code == 409
    assert response.json()["problem"]
    assert Demand.objects.values().get() == before


# --- The session is over --------------------------------------------------------------------------


def log_in(client, user, path):
    return client.post(f"/account/login/?next={path}", {"login": user.email, "password": PASSWORD})


@pytest.mark.parametrize("action", ["draft", "go-terms", "submit"])
def test_a_form_sent_after_the_session_comes_back_after_the_log_in(client, writer, demand, action):
    path = address(demand, "what")
    data = {**WHAT, "title": "登录失效时写的标题", **marks(client, path), "action": action}
    client.logout()

    response = client.post(path, data)
    assert response["Location"] == f"/account/login/?next={path}"
    demand.refresh_from_db()
    assert demand.title != "登录失效时写的标题"

    assert log_in(client, writer, path)["Location"] == path
    page = client.get(path)
    assert "登录失效时写的标题" in text_of(page)
    assert "还没有保存" in text_of(page)
    assert page.context["seen"] == data["seen"]

    typed_again = {name: page.context["form"][name].value() for name in page.context["form"].fields}
    assert send(client, path, typed_again).status_code == 302
    demand.refresh_from_db()
    assert demand.title == "登录失效时写的标题"
    assert TypedPost.objects.count() == 0


def test_a_new_listing_survives_the_session_too(client, writer, owner):
    data = {**WHAT, "owner": owner.pk, **marks(client, "/demands/new/"), "action": "draft"}
    client.logout()
    client.post("/demands/new/", data)
    client.force_login(writer)

    page = client.get("/demands/new/")

    assert WHAT["title"] in text_of(page)
    assert page.context["nonce"] == data["nonce"]
    send(client, "/demands/new/", {**WHAT, "owner": owner.pk})
    assert Demand.objects.get().title == WHAT["title"]
    assert WHAT["title"] not in text_of(client.get("/demands/new/"))


def test_ticks_and_rows_survive_as_well(client, writer, demand):
    path = address(demand, "indicators")
    rows = rows_data({"name": "硬度", "op": "range", "value": "58", "high": "62", "unit": "HRC"})
    data = {**STEPS["demand"]["indicators"], **rows, "ipc": ["F16C"], **marks(client, path)}
    client.logout()
    client.post(path, {**data, "action": "draft"})
    client.force_login(writer)

    page = text_of(client.get(path))

    assert 'value="硬度"' in page
    assert 'value="F16C" checked' in page


def test_nobody_else_reads_what_was_typed(client, writer, owner, demand):
    path = address(demand, "what")
    data = {**WHAT, "title": "登录失效时写的标题", **marks(client, path), "action": "draft"}
    client.logout()
    client.post(path, data)
    # The same browser, a colleague with the same rights.
    client.force_login(make_member(owner, role="editor"))
    assert "登录失效时写的标题" not in text_of(client.get(path))


def test_autosaving_after_the_session_says_so_and_keeps_the_text(client, writer, demand):
    path = address(demand, "what")
    data = {**WHAT, "title": "登录失效时写的标题", **marks(client, path), "action": "autosave"}
    client.logout()
    response = client.post(path, data)
    assert response.status_code == 401
    assert "登录已失效" in response.json()["problem"]
    assert TypedPost.objects.get().user == writer


def test_it_can_be_dropped(client, writer, demand):
    path = address(demand, "what")
    data = {**WHAT, "title": "登录失效时写的标题", **marks(client, path), "action": "draft"}
    client.logout()
    client.post(path, data)
    client.force_login(writer)
    assert send(client, path, {}, "forget")["Location"] == path
    assert "登录失效时写的标题" not in text_of(client.get(path))
    assert TypedPost.objects.count() == 0


def test_it_is_forgotten_after_a_day(client, writer, demand):
    path = address(demand, "what")
    typed.keep(user=writer, path=path, nonce="", data={"title": ["昨天写的标题"]})
    TypedPost.objects.update(created_at=timezone.now() - typed.KEPT_FOR)
    assert "昨天写的标题" not in text_of(client.get(path))
    assert typed.forget_old() == 1
    assert TypedPost.objects.count() == 0


@pytest.mark.parametrize("kind", ["none", "forged", "other path", "garbage", "gone", "long"])
def test_a_stranger_stores_nothing(client, writer, owner, demand, kind):
    path = address(demand, "what")
    token = {
        "none": "",
        "forged": signing.dumps([writer.pk, path], salt="another"),
        "other path": writer_token(writer, address(demand, "terms")),
        "garbage": signing.dumps({"a": 1}, salt=SALT),
        "gone": signing.dumps([10**9, path], salt=SALT),
        "long": "x" * 100_000,
    }[kind]
    response = Client().post(path, {**WHAT, "writer": token, "action": "draft"})
    assert response["Location"] == f"/account/login/?next={path}"
    assert TypedPost.objects.count() == 0


def test_too_long_a_form_is_not_kept(client, writer, demand):
    path = address(demand, "what")
    data = {**WHAT, "body": "长" * 200_000, "writer": writer_token(writer, path)}
    assert Client().post(path, {**data, "action": "draft"}).status_code == 302
    assert TypedPost.objects.count() == 0


def test_one_person_fills_no_table(client, writer):
    for number in range(typed.COUNT_LIMIT + 5):
        typed.keep(user=writer, path="/demands/new/", nonce=f"{number:032x}", data={})
    assert TypedPost.objects.count() == typed.COUNT_LIMIT


def test_odd_texts_are_kept_as_texts(client, writer, demand):
    path = address(demand, "what")
    odd = "<script>alert(1)</script>\x00'; --"
    data = {**WHAT, "title": odd, "writer": writer_token(writer, path), "action": "draft"}
    Client().post(path, data)
    page = text_of(client.get(path))
    assert "<script>alert(1)" not in page
    assert "&lt;script&gt;alert(1)" in page


# --- The form's protection has run out ------------------------------------------------------------


@pytest.fixture
def strict(writer):
    client = Client(enforce_csrf_checks=True)
    client.force_login(writer)
    return client


def test_an_expired_form_comes_back_with_what_was_typed(strict, demand):
    path = address(demand, "what")
    data = {**WHAT, "title": "令牌过期时写的标题", **marks(strict, path), "action": "submit"}

    response = strict.post(path, {**data, "csrfmiddlewaretoken": "x" * 64})

    assert response["Location"] == path
    page = strict.get(path)
    assert "令牌过期时写的标题" in text_of(page)
    demand.refresh_from_db()
    assert demand.title != "令牌过期时写的标题"
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', text_of(page))[1]
    again = {**data, "csrfmiddlewaretoken": token, "action": "draft"}
    assert strict.post(path, again).status_code == 302
    demand.refresh_from_db()
    assert demand.title == "令牌过期时写的标题"


def test_a_form_from_elsewhere_is_refused_and_leaves_nothing(strict, demand):
    path = address(demand, "what")
    response = strict.post(path, {**WHAT, "title": "别处来的标题", "action": "submit"})
    assert response.status_code == 403
    assert TypedPost.objects.count() == 0
    assert "别处来的标题" not in text_of(strict.get(path))


def test_anothers_form_is_kept_for_them_alone(strict, writer, demand):
    path = address(demand, "what")
    data = {**WHAT, "title": "前一个人写的标题", **marks(strict, path), "action": "draft"}
    strict.force_login(make_user())

    response = strict.post(path, {**data, "csrfmiddlewaretoken": "x" * 64})

    assert response.status_code == 403
    assert "保留到明天" in text_of(response)
    assert "前一个人写的标题" not in text_of(response)
    assert TypedPost.objects.get().user == writer


def test_autosaving_with_an_expired_form_says_so(strict, demand):
    path = address(demand, "what")
    data = {**WHAT, **marks(strict, path), "action": "autosave", "csrfmiddlewaretoken": "x" * 64}
    response = strict.post(path, data)
    assert response.status_code == 401
    assert response.json()["problem"]


def test_other_forms_get_the_plain_page(strict):
    response = strict.post("/settings/profile/", {"form_name": "person"})
    assert response.status_code == 403
    assert "没有保存" in text_of(response) or "过期" in text_of(response)
