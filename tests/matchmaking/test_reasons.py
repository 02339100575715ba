"""The reasons of decisions are a list that operators manage; what was decided stays readable."""

import pytest
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import DatabaseError, transaction
from django.urls import reverse
from django.utils import translation

from catalog import reasons
from catalog.models import Reason, ReasonChange, ReasonSubject
from catalog.services.reasons import (
    MOST,
    TEXTS,
    add_reason,
    restore_reason,
    retire_reason,
    reword_reason,
    texts_of,
)
from catalog.workflow import IllegalMove, ListingReason
from matchmaking import presenting
from matchmaking.services.training import grade
from matchmaking.workflow import Decision, ReviewReason
from tests.factories import make_manager, make_member, make_operator
from tests.matchmaking.test_reviews import make_open, submit

pytestmark = pytest.mark.django_db

MATCH, LISTING = ReasonSubject.MATCH, ReasonSubject.LISTING
OWN = {
    "label_zh": "设备条件不具备",
    "label_en": "The equipment is not there",
    "answer_zh": "现有设备条件暂时不支持试验。清单继续参加匹配。",
    "answer_en": "The equipment at hand does not allow a trial yet. Your listing stays.",
}


def add(**fields):
    values = {
        "actor": make_operator(),
        "subject": MATCH,
        "code": "equipment",
        "decisions": ["reject"],
        "texts": OWN,
    }
    return add_reason(**{**values, **fields})


def codes(decision, subject=MATCH):
    return [entry.code for entry in reasons.reasons_for(subject, decision)]


def nothing_happened():
    return not Reason.objects.exists() and not ReasonChange.objects.exists()


# --- The list -----------------------------------------------------------------------------------


def test_the_built_in_ones_are_there_from_the_start():
    approve, reject = codes("approve"), codes("reject")

    assert {*approve, *reject} == set(ReviewReason.values)
    assert approve[-1] == reject[-1] == "other"
    assert set(codes("reject", LISTING)) == set(codes("needs_info", LISTING))
    assert set(codes("reject", LISTING)) == set(ListingReason.values)


@pytest.mark.parametrize("subject", ReasonSubject)
@pytest.mark.parametrize("language", ["zh-hans", "en"])
def test_every_built_in_reason_has_a_sentence_for_the_owner(subject, language):
    with translation.override(language):
        for code in reasons.built_in(subject):
            answer = reasons.answer(subject, code)
            assert 6 <= len(answer) <= 300
            assert answer != reasons.label(subject, code)


def test_a_code_of_another_installation_says_itself_and_answers_politely():
    assert reasons.label(MATCH, "their_own") == "their_own"
    assert "未能通过" in reasons.answer(MATCH, "their_own")
    assert presenting.reason_labels(["their_own"]) == []


def test_an_operators_reason_can_be_chosen_at_once():
    assert "equipment" not in codes("reject")

    add()

    assert codes("reject")[-2:] == ["equipment", "other"]
    assert "equipment" not in codes("approve")
    assert reasons.label(MATCH, "equipment") == OWN["label_zh"]
    with translation.override("en"):
        assert reasons.answer(MATCH, "equipment") == OWN["answer_en"]
    match = submit(make_open(), decision="reject", reasons=["equipment"])
    assert match.reviews.get().reasons == ["equipment"]
    assert presenting.reason_labels(["equipment"]) == [OWN["label_zh"]]


def test_one_that_needs_a_sentence_is_refused_without():
    add(needs_comment=True)
    review = make_open()

    with pytest.raises(ValidationError) as refused:
        submit(review, decision="reject", reasons=["equipment"], comment=" ")

    assert "comment" in refused.value.message_dict


def test_what_is_reworded_reads_anew_in_one_language_and_stays_in_the_other():
    operator = make_operator()
    texts = texts_of(MATCH, "price")

    reword_reason(
        actor=operator, subject=MATCH, code="price", texts={**texts, "label_zh": "预算差距大"}
    )

    assert reasons.label(MATCH, "price") == "预算差距大"
    row = Reason.objects.get()
    assert [getattr(row, name) for name in TEXTS] == ["预算差距大", "", "", ""]
    with translation.override("en"):
        assert reasons.label(MATCH, "price") == texts["label_en"]
    change = ReasonChange.objects.get()
    assert (change.verb, change.actor) == ("reworded", operator)
    assert change.before == {"label_zh": ""}
    # And back.
    reword_reason(actor=operator, subject=MATCH, code="price", texts=texts)
    assert reasons.label(MATCH, "price") == texts["label_zh"]


def test_what_is_retired_is_chosen_no_more_and_stays_readable():
    review = make_open()
    submit(review, decision="reject", reasons=["off_topic"])

    retire_reason(actor=make_operator(), subject=MATCH, code="off_topic")

    assert "off_topic" not in codes("reject")
    assert presenting.reason_labels(["off_topic"]) == [ReviewReason.OFF_TOPIC.label]
    assert reasons.answer(MATCH, "off_topic") != reasons.answer(MATCH, "unknown")
    with pytest.raises(ValidationError):
        submit(make_open(), decision="reject", reasons=["off_topic"])

    restore_reason(actor=make_operator(), subject=MATCH, code="off_topic")
    submit(make_open(), decision="reject", reasons=["off_topic"])


def test_the_same_code_of_two_subjects_is_two_reasons():
    retire_reason(actor=make_operator(), subject=LISTING, code="duplicate")
    add(subject=LISTING, code="price", decisions=["reject"])

    assert "price" in codes("reject") and "price" in codes("reject", LISTING)
    assert reasons.label(LISTING, "price") != reasons.label(MATCH, "price")


def test_learning_keeps_the_grades_of_built_in_codes_and_learns_nothing_from_others():
    assert grade("rejected", Decision.REJECT, ["off_topic"], None) == 0
    assert grade("rejected", Decision.REJECT, ["equipment"], None) is None
    assert grade("rejected", Decision.REJECT, ["equipment", "price"], None) == 1


# --- Refusals -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("code", {"code": "other"}),
        ("code", {"code": "off_topic"}),
        ("code", {"code": ""}),
        ("code", {"code": "X"}),
        ("code", {"code": "1st"}),
        ("code", {"code": "a" * 25}),
        ("code", {"code": "a b"}),
        ("code", {"code": "设备"}),
        ("code", {"code": "a'; drop"}),
        ("decisions", {"decisions": []}),
        ("decisions", {"decisions": ["publish"]}),
        ("decisions", {"decisions": ["reject", "<b>"]}),
        ("subject", {"subject": "everything"}),
        ("label_zh", {"texts": {**OWN, "label_zh": " "}}),
        ("label_en", {"texts": {**OWN, "label_en": "x" * 81}}),
        ("answer_zh", {"texts": {**OWN, "answer_zh": "长" * 301}}),
        ("answer_en", {"texts": {name: OWN[name] for name in TEXTS if name != "answer_en"}}),
    ],
)
def test_a_reason_that_is_not_whole_is_refused_by_field(field, change):
    with pytest.raises(ValidationError) as refused:
        add(**change)

    assert field in refused.value.message_dict
    assert nothing_happened()


def test_a_code_is_taken_once():
    add()

    with pytest.raises(ValidationError):
        add()

    assert Reason.objects.count() == ReasonChange.objects.count() == 1


def test_the_list_does_not_grow_without_end():
    Reason.objects.bulk_create(
        Reason(subject=MATCH, code=f"own_{n}", decisions=["reject"], **OWN) for n in range(MOST)
    )
    reasons.forget()

    with pytest.raises(ValidationError):
        add()


@pytest.mark.parametrize(
    "step",
    [
        lambda actor: add(actor=actor),
        lambda actor: reword_reason(actor=actor, subject=MATCH, code="price", texts=OWN),
        lambda actor: retire_reason(actor=actor, subject=MATCH, code="price"),
        lambda actor: restore_reason(actor=actor, subject=MATCH, code="price"),
    ],
)
@pytest.mark.parametrize("who", [make_manager, make_member])
def test_only_operators_change_the_list(step, who):
    with pytest.raises(PermissionDenied):
        step(who())

    assert nothing_happened()


def test_steps_that_would_change_nothing_are_said_so():
    operator = make_operator()

    for step in (
        lambda: restore_reason(actor=operator, subject=MATCH, code="price"),
        lambda: retire_reason(actor=operator, subject=MATCH, code="other"),
        lambda: reword_reason(
            actor=operator, subject=MATCH, code="price", texts=texts_of(MATCH, "price")
        ),
    ):
        with pytest.raises(IllegalMove) as refused:
            step()
        assert str(refused.value)
    assert not ReasonChange.objects.exists()
    retire_reason(actor=operator, subject=MATCH, code="price")
    with pytest.raises(IllegalMove):
        retire_reason(actor=operator, subject=MATCH, code="price")
    assert ReasonChange.objects.count() == 1


@pytest.mark.parametrize("action", ["update", "delete"])
def test_the_database_refuses_to_change_who_changed_the_list(action):
    add()

    with pytest.raises(DatabaseError), transaction.atomic():
        changes = ReasonChange.objects.all()
        changes.delete() if action == "delete" else changes.update(verb="retired")

    assert ReasonChange.objects.get().verb == "added"


def test_asking_again_costs_no_query(django_assert_num_queries):
    add()
    with django_assert_num_queries(1):  # what operators have changed
        codes("reject")
    with django_assert_num_queries(0):
        for code in ReviewReason.values:
            reasons.label(MATCH, code)
            reasons.answer(MATCH, code)


# --- Pages --------------------------------------------------------------------------------------


@pytest.fixture
def operator(client):
    found = make_operator()
    client.force_login(found)
    return found


def test_the_page_lists_all_by_subject_and_decision(client, operator):
    add()
    retire_reason(actor=operator, subject=MATCH, code="price")

    html = client.get(reverse("ops_reasons")).content.decode()

    for subject in ReasonSubject:
        for entry in reasons.entries(subject):
            assert entry.label in html and f"<code>{entry.code}</code>" in html
    assert "已停用" in html


def test_a_reason_is_added_reworded_retired_and_brought_back_on_its_pages(client, operator):
    response = client.post(
        reverse("ops_reason_new", args=["match"]),
        {**OWN, "code": "equipment", "decisions": ["approve", "reject"]},
    )
    assert response.status_code == 302
    assert "equipment" in codes("approve") and "equipment" in codes("reject")
    url = reverse("ops_reason", args=["match", "equipment"])
    assert OWN["answer_zh"] in client.get(url).content.decode()

    client.post(url, {**OWN, "step": "reword", "label_zh": "设备不够"})
    assert reasons.label(MATCH, "equipment") == "设备不够"
    client.post(url, {"step": "retire"})
    assert "equipment" not in codes("reject")
    html = client.get(url).content.decode()
    assert OWN["label_zh"] in html and "恢复使用" in html
    client.post(url, {"step": "restore"})
    assert "equipment" in codes("reject")
    verbs = ReasonChange.objects.order_by("pk").values_list("verb", flat=True)
    assert list(verbs) == ["added", "reworded", "retired", "restored"]


@pytest.mark.parametrize(
    ("url", "data", "code"),
    [
        (("ops_reason_new", "match"), {}, 422),
        (("ops_reason_new", "match"), {**OWN, "code": "other", "decisions": ["reject"]}, 422),
        (("ops_reason_new", "match"), {**OWN, "code": "ok", "decisions": ["publish"]}, 422),
        (("ops_reason_new", "nothing"), {}, 404),
        (("ops_reason", "match", "nothing"), {"step": "retire"}, 404),
        (("ops_reason", "nothing", "price"), {"step": "retire"}, 404),
        (("ops_reason", "match", "price"), {"step": "reword", **OWN, "label_zh": ""}, 422),
        (("ops_reason", "match", "price"), {"step": "reword", **OWN, "label_zh": "\u202e甲"}, 422),
        (("ops_reason", "match", "price"), {"step": "restore"}, 409),
        (("ops_reason", "match", "price"), {"step": "burn"}, 409),
        (("ops_reason", "match", "other"), {"step": "retire"}, 409),
    ],
)
def test_what_is_wrong_gets_a_sentence_and_a_code(client, operator, url, data, code):
    response = client.post(reverse(url[0], args=url[1:]), data)

    assert response.status_code == code
    if code != 404:
        assert 'role="alert"' in response.content.decode()
    assert not ReasonChange.objects.exists()


def test_an_operators_words_are_escaped(client, operator):
    add(texts={**OWN, "label_zh": "<script>alert(1)</script>"})

    html = client.get(reverse("ops_reasons")).content.decode()

    assert "<script>alert(1)" not in html and "&lt;script&gt;alert(1)" in html


def test_the_page_costs_the_same_for_one_reason_and_for_ten(client, operator):
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    def cost():
        reasons.forget()
        with CaptureQueriesContext(connection) as queries:
            client.get(reverse("ops_reasons"))
        return len(queries)

    add()
    one = cost()
    for number in range(9):
        add(code=f"own_{number}")
    assert cost() == one
