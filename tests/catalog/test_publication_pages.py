"""The queue of checks, the page of one, and what its owner reads of it."""

import datetime as dt

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from catalog.models import PublicationReview
from catalog.services import deciding, publication, publishing
from catalog.workflow import ListingStatus
from tests.factories import (
    make_achievement,
    make_demand,
    make_manager,
    make_member,
    make_operator,
)
from tests.speaking import speak

S = ListingStatus
QUEUE = "/workbench/listings/"
pytestmark = pytest.mark.django_db


@pytest.fixture
def manager(client):
    user = make_manager()
    client.force_login(user)
    return user


def check_of(listing):
    return PublicationReview.objects.of(listing).latest("pk")


def titles(client, query=""):
    return [row["listing"].title for row in client.get(f"{QUEUE}{query}").context["rows"]]


def text_of(response):
    return response.content.decode()


def post(client, listing, **data):
    said = {"decision": "publish", "version": listing.version, "no_interest": "on", **data}
    return client.post(f"{QUEUE}{listing.number}/", said)


def ask(demand, actor=None, **said):
    return deciding.decide(
        listing=demand,
        actor=actor or make_manager(),
        decision="needs_info",
        no_interest=True,
        **{"reason": "no_figures", **said},
    )


# --- The queue --------------------------------------------------------------------------------


def test_mine_come_first_then_the_clock(client, manager):
    make_demand(status=S.SUBMITTED, title="不急的")
    late = make_demand(status=S.SUBMITTED, title="已超时的")
    mine = make_achievement(status=S.SUBMITTED, title="我负责的")
    PublicationReview.objects.filter(demand=late).update(
        due_on=timezone.localdate() - dt.timedelta(days=3)
    )
    publication.assign_publication(check_of(mine).pk, manager.manager_profile, {})

    assert titles(client) == ["我负责的", "已超时的", "不急的"]
    assert titles(client, "?show=mine") == ["我负责的"]
    assert titles(client, "?show=late") == ["已超时的"]
    assert titles(client, "?kind=achievement") == ["我负责的"]
    assert titles(client, "?show=mine&kind=demand") == []
    # What is asked wrongly shows everything.
    assert len(titles(client, "?show=%00&kind=' OR 1=1")) == 3
    page = text_of(client.get(QUEUE))
    assert "等待指派经理人" in page and ">你<" in page


def test_operators_read_who_answers_for_a_check(client):
    demand, manager = make_demand(status=S.SUBMITTED), make_manager(name="陈立人")
    publication.assign_publication(check_of(demand).pk, manager.manager_profile, {})

    client.force_login(make_operator())
    assert "陈立人" in text_of(client.get(QUEUE))
    client.force_login(make_manager())
    page = text_of(client.get(QUEUE))
    assert "陈立人" not in page and "另一位经理人" in page


def test_the_queue_costs_the_same_however_much_waits(client, manager):
    def cost():
        with CaptureQueriesContext(connection) as queries:
            client.get(QUEUE)
        return len(queries)

    make_demand(status=S.SUBMITTED)
    once = cost()
    for _number in range(6):
        make_demand(status=S.SUBMITTED)
        row = check_of(make_achievement(status=S.SUBMITTED))
        publication.assign_publication(row.pk, make_manager().manager_profile, {})

    assert cost() == once


# --- One check --------------------------------------------------------------------------------


def test_questions_and_points_go_with_the_decision(client, manager):
    demand = make_demand(status=S.SUBMITTED)
    page = text_of(client.get(f"{QUEUE}{demand.number}/"))
    assert 'name="question_title"' in page and 'form="kq-decide"' in page
    assert 'name="no_interest" value="on"' in page

    said = {"question_body": " 哪种钢？ ", "question_indicators": "单位是什么？"}
    response = post(
        client, demand, decision="needs_info", reason="vague", criterion_terms="4", **said
    )

    assert response.status_code == 302
    row = check_of(demand)
    assert row.questions == {"body": "哪种钢？", "indicators": "单位是什么？"}
    assert row.criteria == {"terms": 4} and row.decided_by == manager


@pytest.mark.parametrize(
    "said",
    [
        {"no_interest": ""},
        {"question_owner": "谁？"},
        {"question_title": "字" * 301},
        {"criterion_terms": "6"},
        {"decision": "reject", "reason": ""},
        {"decision": "reject", "reason": "nonsense"},
        {"decision": "needs_info", "reason": "vague", "question_summary": " "},
        {"decision": ""},
        {"version": "x"},
    ],
)
def test_wrong_input_keeps_what_was_typed_and_changes_nothing(client, manager, said):
    demand = make_demand(status=S.SUBMITTED)

    response = post(client, demand, **{"question_summary": "写明直径", **said})

    assert response.status_code == 200
    assert response.context["form"].errors
    assert said.get("question_summary", "写明直径") in text_of(response)
    assert check_of(demand).is_open


def test_a_double_post_is_told_so(client, manager):
    demand = make_demand(status=S.SUBMITTED)

    assert post(client, demand).status_code == 302
    assert post(client, demand).status_code == 409


def test_a_listing_that_was_withdrawn_meanwhile_is_told_so(client, manager):
    demand = make_demand(status=S.SUBMITTED)
    client.get(f"{QUEUE}{demand.number}/")
    publishing.withdraw(listing=demand, actor=make_member(demand.owner))

    response = post(client, demand, note="我写的说明")

    assert response.status_code == 409
    assert "已撤回" in text_of(response) and "我写的说明" in text_of(response)
    demand.refresh_from_db()
    assert demand.status == S.WITHDRAWN


def test_an_undone_decision_is_where_the_form_begins(client, manager):
    demand = ask(make_demand(status=S.SUBMITTED), manager, questions={"title": "太短"})
    deciding.undo(publication=check_of(demand), actor=manager)

    page = text_of(client.get(f"{QUEUE}{demand.number}/"))

    assert "太短" in page and 'value="no_figures" selected' in page


def test_the_next_reviewer_reads_what_was_asked_and_what_changed(client, manager):
    demand = ask(
        make_demand(status=S.SUBMITTED), questions={"body": "哪种钢？", "title": "写明直径"}
    )
    publishing.submit(
        listing=demand,
        actor=make_member(demand.owner),
        content={"body": demand.body + "材料为 42CrMo，直径 2 m 至 4 m。"},
    )

    response = client.get(f"{QUEUE}{demand.number}/")

    assert [(remark.name, changed) for remark, changed in response.context["asked"]] == [
        ("title", False),
        ("body", True),
    ]
    assert "之后有改动" in text_of(response)
    [row] = client.get(f"{QUEUE}?show=again").context["rows"]
    assert row["listing"] == demand


# --- Its owner --------------------------------------------------------------------------------


@pytest.fixture
def asked(client):
    demand = ask(
        make_demand(status=S.SUBMITTED),
        make_manager(name="陈立人"),
        note="请补充材料。",
        questions={
            "body": "哪种钢？",
            "indicators": "单位是什么？",
            "money_max": "含税吗？",
            "disclosure_body": "为什么不公开？",
        },
    )
    client.force_login(make_member(demand.owner))
    return demand


def test_the_owner_reads_the_questions_on_the_listings_page(client, asked):
    page = text_of(client.get(asked.get_absolute_url()))

    for text in ("哪种钢？", "单位是什么？", "请补充材料。", "缺少数值或单位"):
        assert text in page
    assert f"/demands/{asked.number}/edit/indicators/#indicators" in page
    assert "陈立人" not in page


@pytest.mark.parametrize(
    ("step", "text"),
    [
        ("what", "哪种钢？"),
        ("indicators", "单位是什么？"),
        ("terms", "含税吗？"),
        ("check", "为什么不公开？"),
    ],
)
def test_each_question_stands_at_its_field(client, asked, step, text):
    response = client.get(f"/demands/{asked.number}/edit/{step}/")
    [marks] = [page.split("</p>")[0] for page in text_of(response).split("kq-remark")[1:]]

    assert text in marks
    assert [one.asked for one in response.context["steps"]] == [1, 1, 1, 1]
    assert "1 个问题" in text_of(response)


def test_all_questions_stand_on_the_one_page_form(client, asked):
    page = text_of(client.get(f"/demands/{asked.number}/edit/all/"))

    assert page.count('class="kq-remark"') == 4


def test_they_are_gone_once_it_is_handed_in_again(client, asked):
    owner = asked.owner.memberships.get().user
    publishing.submit(listing=asked, actor=owner)

    page = text_of(client.get(asked.get_absolute_url()))

    assert "哪种钢？" not in page


def test_remarks_are_no_markup(client):
    demand = ask(make_demand(status=S.SUBMITTED), questions={"body": "<script>alert(1)</script>"})
    client.force_login(make_member(demand.owner))

    for address in (demand.get_absolute_url(), f"/demands/{demand.number}/edit/"):
        page = text_of(client.get(address))
        assert "<script>alert(1)" not in page and "&lt;script&gt;alert(1)" in page


def test_operators_read_every_check_with_its_points_and_owners_do_not(client):
    demand = make_demand(status=S.SUBMITTED)
    deciding.decide(
        listing=demand,
        actor=make_manager(name="陈立人"),
        decision="publish",
        no_interest=True,
        criteria={"credibility": 5},
    )

    client.force_login(make_operator())
    page = text_of(client.get(demand.get_absolute_url()))
    assert "陈立人" in page and "5/5" in page
    client.force_login(make_member(demand.owner))
    page = text_of(client.get(demand.get_absolute_url()))
    assert "陈立人" not in page and "5/5" not in page


@pytest.mark.parametrize("language", ["zh-hans", "en"])
def test_the_pages_speak_both_languages(client, manager, language):
    demand = make_demand(status=S.SUBMITTED)
    speak(client, language)

    page = text_of(client.get(f"{QUEUE}{demand.number}/"))
    queue = text_of(client.get(QUEUE))

    english = language == "en"
    assert ("Ask or remark on this part" in page) == english
    assert ("Both lists" in queue) == english
