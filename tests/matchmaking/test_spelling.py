"""Questions in other words than the texts: plurals, hyphens, codes, slips, Traditional."""

import pytest

from accounts.permissions import Tier
from matchmaking.retrieval import asking
from matchmaking.retrieval.searching import search
from matchmaking.retrieval.spelling import variants
from matchmaking.services import indexing
from matchmaking.tasks import encode_query
from tests.factories import make_achievement, make_organization
from tests.fakes import Unanswered

pytestmark = pytest.mark.django_db


@pytest.fixture
def found(encoder, settings, monkeypatch):
    """Return a function that searches by words alone: no worker answers."""
    monkeypatch.setattr("matchmaking.retrieval.searching.Question", Unanswered)
    owner = make_organization(kind="university")

    def prepare(*texts, **fields):
        listings = [
            make_achievement(owner=owner, title=text, summary="摘要" * 6, keywords=[], **fields)
            for text in texts
        ]
        indexing.refresh(kind="achievement", ids=[one.pk for one in listings], encoder=encoder)
        indexing.rebuild_statistics("achievement")
        return listings

    def ask(words, tier=Tier.PUBLIC):
        return search("achievement", words, tier, 50)

    ask.prepare = prepare
    return ask


@pytest.mark.parametrize(
    ("written", "asked"),
    [
        ("固态電解質膜制備", "固态电解质膜制备"),
        ("固态电解质膜制备", "固態電解質膜製備"),
        ("Solid Electrolyte membranes", "solid electrolytes membrane"),
        ("solid-state batteries", "solid-state battery"),
        ("microstructure control", "micro structure"),
        ("micro-structure control", "microstructure"),
        ("通过 ISO 9001 认证的产线", "ISO9001"),
        ("通过 ISO9001 认证的产线", "iso 9001"),
        ("42CrMo4 齿轮钢", "42crmo4"),
        ("6061-T6 铝合金焊接", "６０６１－Ｔ６"),
        ("依据 GB/T 3451 检测", "GB/T 3451"),
        ("CAS 7440-06-4 铂催化剂", "7440-06-4"),
        ("Ti-6Al-4V 增材制造", "ti-6al-4v"),
    ],
)
def test_a_text_is_found_in_other_words_for_the_same(found, written, asked):
    wanted, _other = found.prepare(written, "水稻育种抗倒伏")
    assert found(asked).ids[:1] == [wanted.pk]


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("electrolye", "electrolyte"), ("membrnae", "membrane"), ("Grahpene", "graphene")],
)
def test_a_slip_is_put_right_and_said(found, typed, meant):
    wanted, _other = found.prepare("electrolyte membrane graphene", "水稻育种抗倒伏")
    result = found(typed)
    assert result.ids == [wanted.pk]
    assert result.corrected == ((typed.lower(), meant),)


@pytest.mark.parametrize("typed", ["xyzzyplugh", "cat", "42crmo5", "electrolyte"])
def test_what_is_no_slip_is_left_as_it_is(found, typed):
    found.prepare("electrolyte membrane car 42CrMo4", "水稻育种抗倒伏")
    assert found(typed).corrected == ()


def test_no_slip_is_put_right_with_a_word_the_reader_may_not_read(found):
    [listing] = found.prepare(
        "普通标题没有秘密", body="配方里用到 perrhenate 作为添加剂，其余见附件说明文字。"
    )
    assert found("perrhenat", Tier.PUBLIC).corrected == ()
    assert found("perrhenat", Tier.PUBLIC).ids == []
    assert found("perrhenat", Tier.MEMBERS).corrected == (("perrhenat", "perrhenate"),)
    assert found("perrhenat", Tier.MEMBERS).ids == [listing.pk]


def test_the_page_says_what_was_put_right(found, client):
    found.prepare("electrolyte membrane", "水稻育种抗倒伏")
    page = client.get("/achievements/", {"q": "electrolye"}).content.decode()
    assert "没有内容写有“electrolye”，已同时按“electrolyte”查找。" in page


def test_the_encoder_is_asked_for_what_was_meant(found, encoder, monkeypatch):
    found.prepare("electrolyte membrane", "水稻育种抗倒伏")
    asked = []

    class Heard(Unanswered):
        def answer(self):
            asked.append(self.text)
            return asking.unpack(encode_query(self.text))

    monkeypatch.setattr("matchmaking.retrieval.searching.Question", Heard)
    found("固态 Electrolye 膜")
    assert asked == ["固态 electrolyte 膜"]


@pytest.mark.parametrize("text", ["-" * 400, "a" * 400, "s", "-s", "es", "iso", "(", "a-" * 99])
def test_strange_words_have_forms_all_the_same(text):
    assert variants([text, text])[0][0] == text
