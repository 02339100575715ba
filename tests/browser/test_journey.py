"""The main job, as people do it: from a posted demand to two sides who know each other."""

from __future__ import annotations

import re
from collections.abc import Iterable

import pytest
from playwright.sync_api import Page, expect

from accounts.models import AccountEvent, Organization, User
from catalog.models import Achievement, Demand, ListingEvent
from catalog.signals import listings_published
from matchmaking.models import AchievementIndex, Match, MatchEvent
from matchmaking.services import indexing
from matchmaking.workflow import MatchStatus
from tests.browser.steps import (
    DEMAND,
    agree,
    approve,
    choose,
    log_in,
    publish,
    status,
    take_on,
    write_demand,
)
from tests.factories import (
    make_achievement,
    make_credit_code,
    make_manager,
    make_match,
    make_member,
    make_operator,
    make_organization,
)
from tests.fakes import FakeEncoder
from tests.processes import wait_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.xdist_group("browser")]

RIGHT = "大型轴承套圈双感应器同步淬火成套工艺"
OTHERS = (
    ("碳纤维复合材料高压储氢气瓶缠绕工艺", "用于车载储氢的四型瓶，水压爆破压力 164 MPa。"),
    ("印染废水膜法深度处理与回用", "双膜工艺，回用率 70 %，出水电导率低于 200 μS/cm。"),
    ("玉米病虫害无人机图像识别", "巡田影像自动识别 18 种病虫害，准确率 94 %。"),
    ("三维打印多孔钽骨科植入物", "孔隙率 75 %，动物实验 12 周骨长入良好。"),
    ("锂离子电池低温电解液", "零下 40 度容量保持率 72 %，循环 800 次。"),
)


def secrets_of(organization: Organization, member: User) -> tuple[str, ...]:
    """Return everything that tells who a side is."""
    return (
        organization.name,
        organization.credit_code,
        organization.contact_name,
        organization.contact_phone,
        organization.contact_email,
        member.name,
        member.email,
    )


def assert_hidden(page: Page, *paths: str, secrets: Iterable[str]) -> None:
    """Read pages whole, with what only a program sees, and find none of the secrets."""
    for path in paths:
        response = page.goto(path)
        assert response is not None and response.status == 200, f"{path} does not open"
        content = page.content()
        for secret in secrets:
            assert secret not in content, f"{path} tells {secret}"


def verbs(match: Match) -> list[tuple[str, str]]:
    return [(event.verb, event.actor.name if event.actor else "") for event in match.events.all()]


@pytest.fixture
def enterprise() -> Organization:
    return make_organization(
        name="苏州衡川重型轴承有限公司",
        region="320500",
        field="重型轴承",
        contact_name="陆衡川",
        contact_phone="0512-6200 1357",
        contact_email="lu@hengchuan.example",
    )


@pytest.fixture
def university() -> Organization:
    return make_organization(
        name="临江理工大学",
        kind="university",
        size="large",
        region="330100",
        field="金属材料",
        contact_name="唐文渊",
        contact_phone="0571-8700 2468",
        contact_email="tang@linjiang.example",
    )


def list_achievements(university: Organization) -> Achievement:
    """List six achievements of two universities; return the one that fits the demand."""
    right = make_achievement(owner=university, title=RIGHT)
    other = make_organization(kind="university", name="海东科技大学", field="新材料")
    for title, summary in OTHERS:
        make_achievement(
            owner=other, title=title, summary=summary, body=summary, indicators=[], keywords=[]
        )
    return right


def test_a_newcomer_signs_up_and_registers_an_organization_that_an_operator_verifies(visit):
    newcomer, operator = visit(), visit(make_operator(name="方敏"))

    newcomer.goto("/")
    newcomer.get_by_role("banner").get_by_role("link", name="登录").click()
    newcomer.get_by_role("link", name="注册").click()
    newcomer.get_by_label("姓名").fill("周启明")
    newcomer.get_by_label("邮箱").fill("zhou@xinzhou.example")
    newcomer.get_by_label("密码", exact=True).fill("a-long-passphrase-71")
    newcomer.get_by_label("密码（再输一次）").fill("a-long-passphrase-71")
    newcomer.get_by_role("button", name="注册并继续").click()
    newcomer.get_by_role("main").get_by_role("link", name="登记", exact=True).click()
    newcomer.get_by_role("textbox", name="名称", exact=True).fill("无锡新洲精密机械有限公司")
    newcomer.get_by_label("统一社会信用代码").fill(make_credit_code(7311))
    newcomer.get_by_label("类型").select_option("enterprise")
    newcomer.get_by_label("规模").select_option("medium")
    choose(newcomer, "地区", "无锡")
    newcomer.get_by_label("业务领域", exact=True).fill("精密机械")
    newcomer.get_by_label("联系人").fill("周启明")
    newcomer.get_by_label("联系电话").fill("0510-8200 1122")
    newcomer.get_by_label("联系邮箱").fill("office@xinzhou.example")
    newcomer.get_by_role("button", name="提交核验").click()
    expect(newcomer.get_by_role("main")).to_contain_text("核验中")

    operator.goto("/ops/")
    operator.get_by_role("banner").get_by_role("link", name="机构").first.click()
    operator.get_by_role("link", name="无锡新洲精密机械有限公司").click()
    checks = operator.locator("form").filter(has_text="通过核验")
    for tick in checks.get_by_role("checkbox").all():
        tick.check()
    for note in checks.get_by_role("textbox").all():
        note.fill("与登记系统核对一致")
    operator.get_by_role("button", name="通过核验").click()
    expect(operator.get_by_role("status")).to_contain_text("无锡新洲精密机械有限公司")

    newcomer.reload()
    expect(newcomer.get_by_role("main")).to_contain_text("已核验")
    organization = Organization.objects.get(name="无锡新洲精密机械有限公司")
    assert organization.is_verified
    verbs = [event.verb for event in AccountEvent.objects.filter(organization=organization)]
    assert (verbs[0], verbs[-1]) == (AccountEvent.Verb.REGISTERED, AccountEvent.Verb.VERIFIED)
    # Each point that was ticked is an event of its own.
    assert set(verbs[1:-1]) == {AccountEvent.Verb.CHECKED} and len(verbs) > 5


def test_a_demand_is_matched_reviewed_and_both_sides_are_introduced(
    visit, start_worker, enterprise, university
):
    owner = make_member(enterprise, name="陆家豪", email="jiahao@hengchuan.example")
    professor = make_member(university, name="唐晓晴", email="xiaoqing@linjiang.example")
    manager = make_manager(name="何静", classes=["C34"])
    operator = make_operator(name="方敏")
    owner_secrets = secrets_of(enterprise, owner)
    university_secrets = secrets_of(university, professor)
    right = list_achievements(university)
    worker = start_worker()
    ids = list(Achievement.objects.values_list("pk", flat=True))
    listings_published.send(sender=None, kind="achievement", ids=ids)
    at_owner, at_operator, at_manager, at_university = (visit() for _person in range(4))

    # The enterprise writes down what it needs, and submits it.
    log_in(at_owner, owner)
    write_demand(at_owner)
    demand = Demand.objects.get()

    # An operator reads and publishes it. Nothing is matched yet: the worker stands still, so
    # that what appears next has not been there when the page was opened.
    log_in(at_operator, operator)
    wait_until(lambda: AchievementIndex.objects.filter(matched_version=1).count() == len(ids))
    worker.pause()
    publish(at_operator, DEMAND["标题"])
    at_owner.reload()
    at_owner.get_by_role("link", name="查看匹配").click()
    expect(at_owner.get_by_text("正在与全部成果比对")).to_be_visible()

    # Its matches come by themselves.
    worker.resume()
    expect(at_owner.get_by_role("article").filter(has_text=RIGHT)).to_be_visible()
    expect(at_owner.get_by_text("正在与全部成果比对")).to_have_count(0)
    match = Match.objects.get(demand=demand, achievement=right)
    assert match.rank == 1
    wait_until(lambda: Match.objects.get(pk=match.pk).status == MatchStatus.IN_REVIEW)
    match_page, matches_page = match.get_absolute_url(), f"/demands/{demand.number}/matches/"
    consent_page = f"{match_page}consent/"
    one_side = (match_page, consent_page, right.get_absolute_url(), matches_page)
    assert_hidden(at_owner, *one_side, secrets=university_secrets)
    log_in(at_university, professor)
    other_side = (
        match_page,
        consent_page,
        demand.get_absolute_url(),
        f"/achievements/{right.number}/matches/",
        "/my/answers/",
    )
    assert_hidden(at_university, *other_side, secrets=owner_secrets)

    # The manager of that field finds it in the queue, blind until the review is taken on.
    log_in(at_manager, manager)
    everybody = owner_secrets + university_secrets
    assert_hidden(at_manager, "/workbench/", f"{match_page}review/", secrets=everybody)
    take_on(at_manager, RIGHT)
    sides = at_manager.get_by_role("main")
    expect(sides).to_contain_text(enterprise.name)
    expect(sides).to_contain_text(university.name)
    row = at_manager.get_by_role("row").filter(has_text="圆度变形")
    expect(row).to_contain_text("≤ 0.35 mm")
    expect(row).to_contain_text("圆度偏差 ≤ 0.30 mm")
    expect(row).to_contain_text("满足")
    approve(at_manager, "试件数据达到要求，接头无软带，建议当面谈工装。")

    # Each side is asked, and neither knows the other until both have agreed.
    assert_hidden(at_owner, *one_side, secrets=university_secrets)
    assert_hidden(at_university, *other_side, secrets=owner_secrets)
    agree(at_university, DEMAND["标题"])
    expect(at_university.get_by_role("main")).to_contain_text("已记录。对方还没有答复")
    assert_hidden(at_university, *other_side, secrets=owner_secrets)
    assert_hidden(at_owner, *one_side, secrets=university_secrets)
    agree(at_owner, RIGHT)

    # Now both are told who the other is.
    for page, organization in ((at_owner, university), (at_university, enterprise)):
        page.goto(match_page)
        main = page.get_by_role("main")
        expect(main).to_contain_text("双方都已同意")
        expect(status(page)).to_have_text("已引荐")
        for fact in (
            organization.name,
            organization.contact_name,
            organization.contact_phone,
            organization.contact_email,
        ):
            expect(main).to_contain_text(fact)

    verb = MatchEvent.Verb
    assert verbs(match) == [
        (verb.SUGGESTED, ""),
        (verb.ASSIGNED, ""),
        (verb.ACCEPTED, manager.name),
        (verb.VIEWED, manager.name),
        (verb.APPROVED, manager.name),
        (verb.AGREED, professor.name),
        (verb.AGREED, owner.name),
        (verb.INTRODUCED, ""),
    ]
    steps = ListingEvent.objects.filter(demand=demand).order_by("pk")
    assert [(step.after, step.actor.name) for step in steps] == [
        ("draft", owner.name),
        ("submitted", owner.name),
        ("published", operator.name),
    ]


def test_search_posting_decision_and_consent_work_without_javascript(
    visit, settings, enterprise, university
):
    settings.QUERY_ENCODE_TIMEOUT = 0.1  # no worker is there: words alone are searched
    owner = make_member(enterprise, name="陆家豪")
    professor = make_member(university, name="唐晓晴")
    manager = make_manager(name="何静")
    operator = make_operator(name="方敏")
    right = list_achievements(university)
    ids = list(Achievement.objects.values_list("pk", flat=True))
    indexing.refresh(kind="achievement", ids=ids, encoder=FakeEncoder())

    # Search and filter, as a visitor.
    visitor = visit(javascript=False)
    visitor.goto("/")
    visitor.get_by_role("banner").get_by_role("link", name="成果").first.click()
    main = visitor.get_by_role("main")
    expect(main.get_by_role("listitem").filter(has_text="TRL")).to_have_count(6)
    main.get_by_role("searchbox").fill("淬火")
    main.get_by_role("button", name="搜索").click()
    expect(main.get_by_role("link", name=RIGHT)).to_be_visible()
    visitor.goto("/achievements/")
    visitor.get_by_label("成熟度").select_option("7")
    visitor.get_by_role("button", name="应用筛选").click()
    expect(visitor).to_have_url(re.compile("trl=7"))
    expect(main.get_by_role("link", name=RIGHT)).to_be_visible()

    # Post and publish.
    at_owner, at_operator = visit(javascript=False), visit(javascript=False)
    log_in(at_owner, owner)
    write_demand(at_owner)
    log_in(at_operator, operator)
    publish(at_operator, DEMAND["标题"])
    demand = Demand.objects.get()
    assert demand.is_live

    # Decide and agree.
    match = make_match(
        demand=demand, achievement=right, manager=manager, status=MatchStatus.IN_REVIEW
    )
    at_manager, at_university = visit(javascript=False), visit(javascript=False)
    log_in(at_manager, manager)
    take_on(at_manager, RIGHT)
    approve(at_manager, "试件数据达到要求。")
    log_in(at_university, professor)
    agree(at_university, DEMAND["标题"])
    agree(at_owner, RIGHT)
    expect(at_owner.get_by_role("main")).to_contain_text(university.contact_phone)
    match.refresh_from_db()
    assert match.status == MatchStatus.INTRODUCED
    assert [verb for verb, _name in verbs(match)][-4:] == [
        MatchEvent.Verb.APPROVED,
        MatchEvent.Verb.AGREED,
        MatchEvent.Verb.AGREED,
        MatchEvent.Verb.INTRODUCED,
    ]
