"""The form in four steps: each saved by itself, and all of them in one listing."""

import datetime as dt
import re

import pytest
from django.utils import timezone

from catalog import steps
from catalog.disclosure import RULES
from catalog.examples import EXAMPLES
from catalog.forms import ListingForm
from catalog.models import CONTENT_FIELDS, Achievement, Demand, ListingEvent
from catalog.workflow import ListingStatus
from tests.catalog.form_data import ROW, STEPS, address, day, marks, rows_data, send
from tests.factories import make_achievement, make_demand, make_member, make_organization
from tests.speaking import speak

pytestmark = pytest.mark.django_db

MODELS = {"demand": Demand, "achievement": Achievement}
KINDS = list(MODELS)


@pytest.fixture
def owner():
    return make_organization(name="杭州恒轴轴承有限公司", contact_name="周敏明")


@pytest.fixture
def writer(client, owner):
    user = make_member(owner, role="editor")
    client.force_login(user)
    return user


def text_of(response):
    return response.content.decode()


def begin(client, owner, kind="demand", action="draft", **changes):
    return send(
        client, f"/{kind}s/new/", {**STEPS[kind]["what"], "owner": owner.pk, **changes}, action
    )


def draft(client, owner, kind="demand"):
    begin(client, owner, kind)
    return MODELS[kind].objects.get()


# --- All of it ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_a_listing_is_written_step_by_step_and_submitted(client, writer, owner, kind):
    response = begin(client, owner, kind, "go-indicators")
    listing = MODELS[kind].objects.get()
    for step, following in (("indicators", "terms"), ("terms", "check")):
        assert response["Location"] == address(listing, step)
        response = send(client, response["Location"], STEPS[kind][step], f"go-{following}")
    assert response["Location"] == address(listing, "check")
    listing.refresh_from_db()
    assert listing.status == ListingStatus.DRAFT

    response = send(client, address(listing, "check"), STEPS[kind]["check"], "submit")

    assert response["Location"] == listing.get_absolute_url()
    listing.refresh_from_db()
    assert listing.status == ListingStatus.SUBMITTED
    assert ListingEvent.objects.count() == 2


def test_every_field_of_a_demand_is_stored(client, writer, owner):
    demand = draft(client, owner)
    for step in ("indicators", "terms", "check"):
        assert send(client, address(demand, step), STEPS["demand"][step]).status_code == 302
    demand.refresh_from_db()
    assert demand.process.startswith("8 kHz")
    assert demand.tried.startswith("柔性支撑")
    assert demand.industry == "C3451"
    assert demand.ipc == ["C21D", "F16C"]
    assert demand.emerging == ["2.1"]
    assert [row["name"] for row in demand.indicators] == ["圆度变形"]
    assert demand.trl == 7
    assert demand.funded is True
    assert demand.deadline.isoformat() == day(120)
    assert demand.exclusivity == "field"
    assert demand.ip_expectation == "shared"
    assert demand.partners == "有中试线的高校团队"
    assert demand.money_max == 3_800_000
    assert demand.disclosure == {"money": "members"}


def test_every_field_of_an_achievement_is_stored(client, writer, owner):
    one = draft(client, owner, "achievement")
    for step in ("indicators", "terms", "check"):
        data = STEPS["achievement"][step]
        assert send(client, address(one, step), data).status_code == 302
    one.refresh_from_db()
    assert one.novelty.startswith("分段淬火")
    assert one.advantages.startswith("单件能耗")
    assert one.scenarios.startswith("风电")
    assert one.trl_evidence.startswith("中试线")
    assert one.ip_items == [
        {"kind": "invention", "number": "ZL202410123456.7", "status": "granted", "family": ""},
        {"kind": "secret", "number": "", "status": "filed", "family": ""},
    ]
    assert one.ownership == "empowered"
    assert one.publicity_from == dt.date(2026, 3, 2)
    assert one.publicity_until == dt.date(2026, 3, 17)
    assert one.encumbrances == "无"
    assert one.lead_expert == "陆知远"
    assert one.orcid == "0000-0002-1825-0097"
    assert one.needs == ["pilot", "finance"]
    assert one.disclosure == {"expert": "managers"}


@pytest.mark.parametrize("kind", KINDS)
def test_each_step_shows_what_it_stored_and_stores_it_again(client, writer, owner, kind):
    listing = draft(client, owner, kind)
    for step in steps.STEPS[1:]:
        send(client, address(listing, step), STEPS[kind][step])
    before = MODELS[kind].objects.values(*CONTENT_FIELDS[kind], "valid_until").get()

    for step in steps.STEPS:
        page = client.get(address(listing, step)).context
        form = page["form"]
        data = {name: form[name].value() for name in form.fields}
        data = {name: "" if value is None else value for name, value in data.items()}
        for prefix, rows in page["rows"].items():
            shown = [
                {name: str(row[name].value() or "") for name in row.fields if name != "DELETE"}
                for row in rows
            ]
            data |= rows_data(*shown, prefix=prefix)
        assert send(client, address(listing, step), data).status_code == 302

    assert MODELS[kind].objects.values(*CONTENT_FIELDS[kind], "valid_until").get() == before


@pytest.mark.parametrize("kind", KINDS)
def test_every_field_of_the_model_has_its_step_and_only_one(kind):
    places = [name for step in steps.STEPS for name in steps.content_of(kind, step)]
    assert sorted(places) == sorted([*CONTENT_FIELDS[kind], "valid_until"])
    asked = [name for step in steps.STEPS for name in steps.fields_of(kind, step)]
    assert len(asked) == len(set(asked))
    assert set(asked) == set(steps.fields_of(kind, steps.WHOLE))
    assert {name for name in asked if name.startswith("disclosure_")} == {
        f"disclosure_{key}" for key in RULES[kind]
    }
    assert (
        set(EXAMPLES[kind])
        <= set(asked)
        <= {*ListingForm.base_fields} | {f"disclosure_{key}" for key in RULES[kind]}
    )


# --- Going about ----------------------------------------------------------------------------------


def test_the_first_save_makes_the_draft_and_the_same_form_no_second_one(client, writer, owner):
    data = {**STEPS["demand"]["what"], "owner": owner.pk, **marks(client, "/demands/new/")}
    answers = [
        client.post("/demands/new/", {**data, "action": "go-indicators"}) for _click in range(2)
    ]
    demand = Demand.objects.get()
    assert [one["Location"] for one in answers] == [address(demand, "indicators")] * 2
    assert ListingEvent.objects.count() == 1


def test_the_first_form_sent_again_later_does_not_undo_what_came_after(client, writer, owner):
    data = {**STEPS["demand"]["what"], "owner": owner.pk, **marks(client, "/demands/new/")}
    client.post("/demands/new/", {**data, "action": "draft"})
    demand = Demand.objects.get()
    send(client, address(demand, "what"), {**STEPS["demand"]["what"], "title": "后来改过的标题"})

    # The browser's “back” leads to the page as it was.
    response = client.post("/demands/new/", {**data, "action": "draft"})

    assert response.status_code == 409
    demand.refresh_from_db()
    assert demand.title == "后来改过的标题"
    assert Demand.objects.count() == 1


def test_a_step_keeps_the_fields_of_the_others(client, writer, owner):
    demand = make_demand(owner=owner, status=ListingStatus.DRAFT)
    before = Demand.objects.values().get()
    send(client, address(demand, "what"), {**STEPS["demand"]["what"], "title": "只改了标题的需求"})
    after = Demand.objects.values().get()
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {"title", "keywords", "process", "tried", "quality", "updated_at"}


def test_the_bar_says_what_is_done_and_what_is_missing(client, writer, owner):
    demand = make_demand(owner=owner, status=ListingStatus.DRAFT, summary="", region="")
    bar = client.get(address(demand, "indicators")).context["steps"]
    assert [(one.todo, one.is_done, one.is_here) for one in bar] == [
        (1, False, False),
        (0, True, True),
        (1, False, False),
        (0, False, False),
    ]
    page = text_of(client.get(address(demand, "indicators")))
    assert 'aria-current="step"' in page
    assert "还有 1 处要做" in page


def test_the_last_step_links_what_is_missing_to_its_step(client, writer, owner):
    demand = make_demand(
        owner=owner,
        status=ListingStatus.DRAFT,
        summary="",
        region="",
        body="现用分段中频淬火，接头处存在软带，磨削余量大，请联系周敏明，电话见下。",
    )
    page = text_of(client.get(address(demand, "check")))
    assert f'href="{address(demand, "what")}#id_summary"' in page
    assert f'href="{address(demand, "what")}#id_body"' in page
    assert f'href="{address(demand, "terms")}#id_region"' in page
    assert "周敏明” 像是" in page or "“周敏明”" in page


def test_submitting_from_the_last_step_needs_the_others_too(client, writer, owner):
    demand = make_demand(owner=owner, status=ListingStatus.DRAFT, summary="", modes=[])
    before = Demand.objects.values().get()

    response = send(client, address(demand, "check"), {}, "submit")

    assert response.status_code == 200
    found = [(one.step, one.target) for one in response.context["problems"]]
    assert found == [("what", "id_summary"), ("terms", "id_modes_0")]
    assert f'href="{address(demand, "terms")}#id_modes_0"' in text_of(response)
    assert Demand.objects.values().get() == before


@pytest.mark.parametrize(
    ("kind", "step", "field"),
    [
        ("demand", "what", "process"),
        ("demand", "what", "tried"),
        ("achievement", "what", "novelty"),
        ("achievement", "what", "advantages"),
        ("achievement", "what", "scenarios"),
        ("achievement", "indicators", "trl_evidence"),
    ],
)
def test_the_new_texts_are_checked_for_names_as_well(client, writer, owner, kind, step, field):
    make = make_demand if kind == "demand" else make_achievement
    listing = make(owner=owner, status=ListingStatus.DRAFT, **{field: "恒轴轴承的中试线上测过。"})

    response = send(client, address(listing, "check"), {}, "submit")

    [problem] = response.context["problems"]
    assert (problem.step, problem.target) == (step, f"id_{field}")
    assert "恒轴轴承" in problem.text
    listing.refresh_from_db()
    assert listing.status == ListingStatus.DRAFT


def test_what_is_published_is_changed_as_a_whole(client, writer, owner):
    demand = make_demand(owner=owner)
    edit = f"{demand.get_absolute_url()}edit/"
    assert client.get(address(demand, "terms"))["Location"] == edit
    page = client.get(edit)
    assert page.context["step"] == "all"
    assert 'data-kq-listing="guard"' in text_of(page)
    refused = send(client, address(demand, "terms"), STEPS["demand"]["terms"])
    assert refused.status_code in (302, 409)
    demand.refresh_from_db()
    assert demand.status == ListingStatus.PUBLISHED
    assert demand.partners == ""


def test_a_change_of_readers_alone_leaves_it_published(client, writer, owner):
    demand = make_demand(owner=owner)
    path = f"{demand.get_absolute_url()}edit/all/"
    form = client.get(path).context["form"]
    data = {name: form[name].value() for name in form.fields}
    data = {name: "" if value is None else value for name, value in data.items()}
    response = send(
        client, path, {**data, **rows_data(ROW), "disclosure_body": "managers"}, "submit"
    )
    assert response.status_code == 302
    demand.refresh_from_db()
    assert demand.status == ListingStatus.PUBLISHED
    assert demand.disclosure == {"body": "managers"}


@pytest.mark.parametrize("step", ["nothing", "WHAT", "all2", "0", "%00", "../new"])
def test_a_step_that_is_none_is_not_found(client, writer, owner, step):
    demand = make_demand(owner=owner, status=ListingStatus.DRAFT)
    assert client.get(f"{demand.get_absolute_url()}edit/{step}/").status_code == 404


# --- What is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "step", "field", "value", "said"),
    [
        ("demand", "what", "process", "长" * 4001, "4000"),
        ("demand", "indicators", "ipc", ["C00X"], "C00X"),
        ("demand", "indicators", "ipc", ["'; DROP"], "DROP"),
        ("demand", "indicators", "emerging", ["99.9"], "99.9"),
        ("demand", "indicators", "industry", "C9999", ""),
        ("demand", "terms", "deadline", "2020-01-01", "以后"),
        ("demand", "terms", "deadline", "9999-12-31", "2027"),
        ("demand", "terms", "deadline", "soon\x00", "2027"),
        ("demand", "terms", "funded", "maybe", ""),
        ("demand", "terms", "exclusivity", "all", ""),
        ("demand", "terms", "ip_expectation", "x" * 9000, ""),
        ("demand", "terms", "partners", "长" * 1001, "1000"),
        ("demand", "check", "disclosure_partners", "public", ""),
        ("demand", "check", "disclosure_money", "nobody", ""),
        ("achievement", "terms", "orcid", "0000-0002-1825-0098", "ORCID"),
        ("achievement", "terms", "orcid", "9" * 500, ""),
        ("achievement", "terms", "publicity_until", "2026-03-01", ""),
        ("achievement", "terms", "needs", ["gold"], ""),
        ("achievement", "terms", "ownership", "mine", ""),
        ("achievement", "terms", "ip-0-kind", "trademark", ""),
        ("achievement", "terms", "ip-0-number", "", "编号"),
        ("achievement", "terms", "ip-0-number", "9" * 41, "40"),
        ("achievement", "terms", "ip-TOTAL_FORMS", "-1", ""),
        ("achievement", "terms", "ip-TOTAL_FORMS", "1000000", ""),
        ("achievement", "check", "disclosure_ip_items", "members", ""),
    ],
)
def test_what_cannot_be_stored_gets_a_sentence_and_saves_nothing(
    client, writer, owner, kind, step, field, value, said
):
    listing = draft(client, owner, kind)
    before = MODELS[kind].objects.values().get()
    for action in ("draft", "go-terms"):
        response = send(client, address(listing, step), {**STEPS[kind][step], field: value}, action)
        assert response.status_code == 200
        found = [one.text for one in response.context["problems"]]
        assert found
        assert any(said in text for text in found), found
        assert 'role="alert"' in text_of(response)
    assert MODELS[kind].objects.values().get() == before


def test_a_deadline_that_has_passed_since_does_not_block_the_rest(client, writer, owner):
    gone = timezone.localdate() - dt.timedelta(days=3)
    demand = make_demand(owner=owner, status=ListingStatus.DRAFT, deadline=gone)
    data = {**STEPS["demand"]["terms"], "deadline": gone.isoformat()}
    assert send(client, address(demand, "terms"), data).status_code == 302
    demand.refresh_from_db()
    assert demand.deadline == gone


# --- Classes, rows, help --------------------------------------------------------------------------


def test_classes_are_found_without_script_and_nothing_typed_is_lost(client, writer, owner):
    demand = draft(client, owner)
    data = {**STEPS["demand"]["indicators"], "ipc": ["F16C"], "find_ipc": "热处理"}

    response = send(client, address(demand, "indicators"), data, "find-ipc")

    picker = response.context["pickers"]["ipc"]
    assert [one.code for one in picker.chosen] == ["F16C"]
    assert "C21D" in [one.code for one in [*picker.found, *picker.suggested]]
    page = text_of(response)
    assert 'value="F16C" checked' in page
    assert 'value="圆度变形"' in page
    demand.refresh_from_db()
    assert demand.ipc == []


def test_a_code_left_in_the_search_counts_as_chosen(client, writer, owner):
    demand = draft(client, owner)
    data = {**STEPS["demand"]["indicators"], "ipc": ["F16C"], "find_ipc": "c21d"}
    assert send(client, address(demand, "indicators"), data).status_code == 302
    demand.refresh_from_db()
    assert demand.ipc == ["F16C", "C21D"]


def test_the_industry_search_goes_below_the_divisions(client, writer, owner):
    demand = draft(client, owner)
    data = {**STEPS["demand"]["indicators"], "industry": "", "find_industry": "滚动轴承"}
    page = text_of(send(client, address(demand, "indicators"), data, "find-industry"))
    assert re.search(r'<option value="C3451"[^>]*>C3451 ', page)


@pytest.mark.parametrize("found", ["", "x" * 5000, "\x00", "'; --", "，，，", "没有这样的词啊"])
def test_a_search_for_anything_gives_a_page(client, writer, owner, found):
    demand = draft(client, owner)
    for scheme in ("ipc", "emerging", "industry"):
        data = {**STEPS["demand"]["indicators"], f"find_{scheme}": found}
        path = address(demand, "indicators")
        assert send(client, path, data, f"find-{scheme}").status_code == 200


def test_classes_are_suggested_from_the_text(client, writer, owner):
    demand = draft(client, owner)
    suggested = client.get(address(demand, "indicators")).context["pickers"]["ipc"].suggested
    assert "C21D" in [one.code for one in suggested]


def test_more_rows_of_intellectual_property_come_without_script(client, writer, owner):
    one = draft(client, owner, "achievement")
    data = {**STEPS["achievement"]["terms"], "orcid": "wrong"}
    response = send(client, address(one, "terms"), data, "more-ip")
    assert response.context["rows"]["ip"].total_form_count() == 5
    assert not response.context["problems"]
    assert 'value="ZL202410123456.7"' in text_of(response)
    one.refresh_from_db()
    assert one.ip_items == []


@pytest.mark.parametrize("language", ["zh-hans", "en"])
@pytest.mark.parametrize("kind", KINDS)
def test_the_main_texts_have_a_good_and_a_poor_example(client, writer, owner, kind, language):
    speak(client, language)
    page = text_of(client.get(f"/{kind}s/new/all/"))
    examples = re.findall(r'<details class="kq-example">(.*?)</details>', page, re.DOTALL)
    assert len(examples) == len(EXAMPLES[kind])
    for example in examples:
        texts = re.findall(r"<dd>(.*?)</dd>", example)
        assert len(texts) == 2
        for text in texts:
            assert bool(re.search("[一-龥]", text)) == (language == "zh-hans")


def test_the_choice_of_readers_offers_only_what_is_allowed(client, writer, owner):
    one = draft(client, owner, "achievement")
    form = client.get(address(one, "check")).context["form"]
    for key, rule in RULES["achievement"].items():
        field = form.fields[f"disclosure_{key}"]
        assert [code for code, _label in field.choices] == [
            tier.name.lower() for tier in rule.choices()
        ]
        assert form[f"disclosure_{key}"].value() == rule.default.name.lower()


def test_a_page_of_the_form_asks_the_database_a_fixed_number_of_times(
    client, writer, owner, django_assert_max_num_queries
):
    demand = make_demand(owner=owner, status=ListingStatus.DRAFT)
    for step in steps.STEPS:
        # Session, user, the listing, may write, what was typed, the top bar.
        with django_assert_max_num_queries(14):
            client.get(address(demand, step))
