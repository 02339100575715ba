"""Texts that nobody would write, published, imported, attached and searched with.

Each is compared as it is, or its owner reads that it cannot be; none stops another's way.
"""

from __future__ import annotations

import numpy as np
import pytest
from django.core.cache import cache
from django.db import DataError, transaction
from django.urls import reverse

from accounts.permissions import Tier
from catalog.models import Achievement, Demand, ImportRow
from catalog.services import import_jobs, import_runs, reading_files
from catalog.words import words
from matchmaking import tasks
from matchmaking.models import (
    AchievementIndex,
    AchievementVector,
    DemandIndex,
    DemandVector,
    Match,
    index_model,
)
from matchmaking.retrieval import asking
from matchmaking.retrieval.asking import pack, unpack
from matchmaking.retrieval.encoders import BrokenVector
from matchmaking.retrieval.searching import search
from matchmaking.retrieval.vectors import vector_index
from matchmaking.retrieval.windows import MAX_WINDOWS, speaks
from matchmaking.services import indexing
from tests.factories import (
    make_achievement,
    make_demand,
    make_embedding_model,
    make_member,
    make_organization,
)
from tests.fakes import FakeEncoder
from tests.files import make_docx, upload

pytestmark = pytest.mark.django_db

# What can be compared, though it is short, long or foreign.
ODD = {
    "one word": "轴承",
    "one word of 200,000 letters": "a" * 200_000,
    "one sentence of 200,000 characters": "淬火" * 100_000,
    "Arabic": "مقاومة التآكل في الحلقات الفولاذية الكبيرة",
    "Russian": "Деформация колец подшипников при закалке",
    "Japanese": "大型軸受リングの焼入れ変形を抑える",
    "Korean": "대형 베어링 링의 담금질 변형을 줄이는 공정",
    "Thai": "ลดการบิดเบี้ยวของแหวนแบริ่งขนาดใหญ่",
    "right to left marks": "\u202eabc\u202c \u200fمرحبا",
    "markup": "<script>alert(1)</script> </s><pad>",
}
# What says nothing once it is cleaned.
WORDLESS = {
    "nothing": "",
    "emoji": "👩‍🔬🧪😀" * 20,
    "zero width": "\u200b\ufeff\u2060",
    "control characters": "\x01\x07\x1b\x7f",
    "signs": "！！！？？……———***",
    "figures": "12.5 35 8.8×10^6",
    "figures and units": "≥ 35 MPa, 120 ℃, 8 mm/s, 40 %",
    "200,000 digits": "9" * 200_000,
}


def wordy(text):
    return {"title": text[:200], "summary": text[:500], "body": text, "keywords": []}


def bare(text):
    return wordy(text) | {"indicators": []}


class Failing(FakeEncoder):
    """Has no vector for texts with this word in them."""

    def __init__(self, word="砒"):
        super().__init__()
        self.word = word

    def _encode(self, texts):
        vectors = super()._encode(texts)
        broken = [number for number, text in enumerate(texts) if self.word in text]
        if broken:
            vectors[broken] = 0.0
            raise BrokenVector("No usable vector.", broken, vectors)
        return vectors


def refresh(encoder, *listings):
    kind = listings[0].kind
    ids = [listing.pk for listing in listings]
    return indexing.refresh(kind=kind, ids=ids, encoder=encoder)


def owner_page(client, listing):
    client.force_login(make_member(listing.owner))
    cache.clear()
    return client.get(reverse(f"{listing.kind}_matches", args=[listing.number])).content.decode()


# --- Published ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ODD)
def test_an_odd_text_is_compared_and_finds_its_like(eager, name):
    achievement = make_achievement(**bare(ODD[name]))
    other = make_achievement(**bare("水稻抗倒伏育种"))
    demand = make_demand(**bare(ODD[name]))
    tasks.embed_listings("achievement", [achievement.pk, other.pk])

    tasks.embed_listings("demand", [demand.pk])

    index = DemandIndex.objects.get()
    assert index.problem == "" and index.matched_version == demand.version
    assert 1 <= DemandVector.objects.count() <= MAX_WINDOWS
    best = Match.objects.order_by("rank").first()
    assert best is not None and best.achievement == achievement


@pytest.mark.parametrize("kind", ["demand", "achievement"])
@pytest.mark.parametrize("name", WORDLESS)
def test_a_text_without_a_word_is_noted_and_its_owner_reads_what_to_do(client, eager, kind, name):
    make = make_demand if kind == "demand" else make_achievement
    partner = (make_achievement if kind == "demand" else make_demand)(**bare(WORDLESS[name]))
    listing = make(**bare(WORDLESS[name]))
    tasks.embed_listings(partner.kind, [partner.pk])

    tasks.embed_listings(kind, [listing.pk])

    index = index_model(kind).objects.get(pk=listing.pk)
    assert index.problem == "empty"
    assert not DemandVector.objects.exists() and not AchievementVector.objects.exists()
    assert not Match.objects.exists()
    page = owner_page(client, listing)
    assert "这段文字无法比对" in page and "请用一句话写明" in page
    assert "无法比对" in page and 'hx-trigger="every 1s"' not in page


def test_what_cannot_be_compared_is_left_alone_until_it_changes(encoder, eager):
    demand = make_demand(**bare("！！！"))
    tasks.embed_listings("demand", [demand.pk])
    indexed_at, encoded = DemandIndex.objects.get().indexed_at, len(encoder.encoded)

    cache.clear()
    tasks.sweep()

    assert DemandIndex.objects.get().problem == "empty"
    assert (DemandIndex.objects.get().indexed_at, len(encoder.encoded)) == (indexed_at, encoded)
    Demand.objects.filter(pk=demand.pk).update(version=2, title="轴承淬火")
    refresh(encoder, Demand.objects.get())
    assert DemandIndex.objects.get().problem == ""
    assert DemandVector.objects.count() == 1


def test_counting_words_anew_gives_a_wordless_demand_no_question(encoder):
    demand = make_demand(**bare("35 MPa, 120 ℃"))
    refresh(encoder, demand)

    indexing.rebuild_statistics("achievement")

    assert list(DemandIndex.objects.get().query_terms.indices()) == []


def test_pieces_without_a_word_are_left_out_of_a_long_text(encoder):
    demand = make_demand(**bare("轴承淬火") | {"title": "", "body": "轴承淬火。" + "█" * 5_000})

    refresh(encoder, demand)

    assert all(speaks(text) for text in encoder.encoded)
    assert DemandIndex.objects.get().problem == ""


# --- A model that fails on a text ---------------------------------------------------------------


def test_one_text_the_model_fails_on_stops_none_of_its_batch(client, monkeypatch, eager, caplog):
    encoder = Failing()
    monkeypatch.setattr("matchmaking.tasks.get_encoder", lambda: encoder)
    listings = [make_achievement(title=f"感应淬火工艺 {number} 型") for number in range(31)]
    poison = make_achievement(**bare("砒"))

    tasks.embed_listings("achievement", [poison.pk, *(listing.pk for listing in listings)])

    rows = dict(AchievementIndex.objects.values_list("listing", "problem"))
    assert rows == {poison.pk: "unreadable", **{listing.pk: "" for listing in listings}}
    assert poison.number in caplog.text
    assert not AchievementVector.objects.filter(listing=poison).exists()
    assert "请用通顺的句子重写描述" in owner_page(client, poison)
    done = len(encoder.encoded)
    cache.clear()
    tasks.sweep()
    assert len(encoder.encoded) == done


def test_a_listing_goes_on_with_the_windows_that_have_vectors(caplog):
    demand = make_demand(body="砒" * 400 + "。" + "圆度偏差超过标准。" * 100)

    assert refresh(Failing(), demand) == [demand.pk]

    assert DemandIndex.objects.get().problem == ""
    windows = list(DemandVector.objects.order_by("window").values_list("window", flat=True))
    # The others keep their numbers.
    assert windows[0] == 0 and windows != list(range(len(windows)))
    assert demand.number in caplog.text
    assert np.isfinite(
        vector_index("demand", indexing.current_model().pk).fetch([demand.pk]).vectors
    ).all()


def test_an_error_of_one_listing_does_not_stop_the_others_of_its_message(
    encoder, eager, monkeypatch
):
    first, poison, last = (make_demand(title=title) for title in ("一号", "砒", "二号"))
    windows = indexing._windows

    def failing(listing):
        if listing.pk == poison.pk:
            raise RuntimeError("nobody thought of this text")
        return windows(listing)

    monkeypatch.setattr(indexing, "_windows", failing)
    failed = []

    def send(task, *arguments):
        try:
            task(*arguments)
        except RuntimeError:
            failed.append(arguments)

    monkeypatch.setattr(tasks, "send", send)

    tasks.embed_listings("demand", [first.pk, poison.pk, last.pk])

    assert set(DemandIndex.objects.values_list("pk", flat=True)) == {first.pk, last.pk}
    assert failed == [("demand", [poison.pk])]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_no_table_takes_a_vector_that_is_not_finite(encoder, value):
    demand = make_demand()
    refresh(encoder, demand)
    index = vector_index("demand", indexing.current_model().pk)
    windows = index.fetch([demand.pk])
    row = indexing.Row(0, Tier.PUBLIC, True, "zh", np.full_like(windows.vectors[0], value))

    with pytest.raises(ValueError, match="not finite"):
        index.upsert(demand.pk, [row], section="C", province="33")
    with pytest.raises((DataError, ValueError)), transaction.atomic():
        DemandVector.objects.update(vector=row.vector.tolist())

    assert index.fetch([demand.pk]).vectors.tolist() == windows.vectors.tolist()


# --- Searched -----------------------------------------------------------------------------------


@pytest.fixture
def asked(encoder, monkeypatch):
    """A worker answers at once; returns what it was asked."""
    texts = []

    class Answer:
        def __init__(self, text):
            texts.append(text)
            self.packed = tasks.encode_query(text)

        def get(self, timeout, propagate):
            return self.packed

        def successful(self):
            return True

    monkeypatch.setattr(
        asking.current_app, "send_task", lambda name, args, **_: Answer(*args), raising=False
    )
    return texts


@pytest.mark.parametrize("text", [*ODD.values(), *WORDLESS.values(), "half \ud800 a pair"])
def test_a_reader_may_search_with_anything(client, encoder, asked, text):
    demand = make_demand()
    refresh(encoder, demand)

    result = search("demand", text, Tier.PUBLIC, 50)

    assert set(result.ids) <= {demand.pk}
    response = client.get(reverse("demand_list"), {"q": text.encode("utf-8", "replace")[:3000]})
    assert response.status_code == 200


@pytest.mark.parametrize("name", ["emoji", "zero width", "control characters", "signs", "nothing"])
def test_what_is_no_question_is_asked_of_no_worker_and_finds_nothing(encoder, asked, name):
    refresh(encoder, make_demand())

    assert search("demand", WORDLESS[name], Tier.PUBLIC, 50).ids == []
    assert asked == []


BROKEN = {
    "not a number": lambda model: pack(model, np.full(384, np.nan, np.float32)),
    "infinite": lambda model: pack(model, np.full(384, np.inf, np.float32)),
    "zero": lambda model: pack(model, np.zeros(384, np.float32)),
    "cut off": lambda model: pack(model, np.ones(384, np.float32) / 20)[:-7],
    "of no model": lambda model: "x:" + pack(model, np.ones(384, np.float32)).partition(":")[2],
    "no text": lambda model: {"vector": [1, 2]},
    "empty": lambda model: "",
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_answer_is_no_answer_and_is_not_remembered(encoder, monkeypatch, caplog, name):
    demand = make_demand()
    refresh(encoder, demand)
    broken = BROKEN[name](indexing.current_model().pk)

    class Answer:
        def get(self, timeout, propagate):
            return broken

        def successful(self):
            return True

    monkeypatch.setattr(asking.current_app, "send_task", lambda *_, **__: Answer(), raising=False)

    result = search("demand", "轴承套圈淬火", Tier.MEMBERS, 50)

    assert result.ids == [demand.pk] and result.fallback
    assert "no vector" in caplog.text
    assert unpack(broken) is None


def test_a_broken_note_in_the_cache_is_asked_for_again(encoder, asked):
    asking.encode_in_worker("轴承淬火")
    digest = asking.Question("轴承淬火")._digest
    cache.set(asking._key(indexing.current_model().pk, digest), "1:AAAA")

    answer = asking.encode_in_worker("轴承淬火")

    assert answer is not None and len(asked) == 2


# --- Words of other scripts ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Ванадий для стали", ["ванадий", "для", "стали"]),
        ("Größe der Bögen", ["größe", "der", "bögen"]),
        ("مقاومة التآكل", ["مقاومة", "التآكل"]),
        ("베어링 담금질", ["베어", "어링", "담금", "금질"]),
        ("ベアリング鋼", ["ベア", "アリ", "リン", "ング", "钢"]),
        ("ดิน", ["ดิ", "ิน"]),
        ("5μm α-淀粉酶", ["5", "μm", "α", "淀粉", "淀粉酶"]),
        ("C60混凝土 PM2.5", ["c60", "混凝土", "pm2", "pm2.5"]),
    ],
)
def test_words_are_words_in_every_script(text, expected):
    assert words(text) == expected


def test_texts_of_one_script_share_no_words_for_that_alone(encoder):
    russian = make_demand(**bare("Деформация колец подшипников при закалке"))
    refresh(encoder, russian)

    assert search("demand", "выращивание томатов в теплице", Tier.PUBLIC, 50).ids == []
    assert search("demand", "закалке", Tier.PUBLIC, 50).ids == [russian.pk]


# --- Imported and attached ----------------------------------------------------------------------


HEAD = ["id", "title", "summary", "body", "industry", "region", "modes", "valid_until"]


def test_a_table_of_such_texts_gives_drafts_or_errors_and_no_failure(tmp_path, settings):
    settings.STORAGES = settings.STORAGES | {
        "private": {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": str(tmp_path / "private")},
        }
    }
    texts = {**ODD, **WORDLESS}
    rows = [
        [name, text[:100] or "题", text[:500], text, "C3451", "浙江省", "许可", "2099-01-01"]
        for name, text in texts.items()
    ]
    path = tmp_path / "list.tsv"
    path.write_text("\n".join("\t".join(row) for row in (HEAD, *rows)), encoding="utf-8")
    organization = make_organization()
    job = import_jobs.start_import(
        organization=organization,
        actor=make_member(organization),
        kind="demand",
        path=path,
        file_name="list.tsv",
    )
    assert import_runs.run(job_id=job.pk)
    job.refresh_from_db()
    assert (job.state, job.total) == ("checked", len(rows))

    import_jobs.confirm_import(job=job, scope="good")
    import_runs.run(job_id=job.pk)

    job.refresh_from_db()
    assert job.state == "done" and job.new + job.wrong == len(rows)
    assert Demand.objects.count() == job.new > 0
    assert all(row.problems for row in ImportRow.objects.filter(job=job, outcome="wrong"))


@pytest.mark.parametrize("name", ["one sentence of 200,000 characters", "emoji", "signs", "Thai"])
def test_a_file_of_such_text_is_compared_as_far_as_it_has_words(encoder, name):
    from catalog.services import attaching

    achievement = make_achievement()
    refresh(encoder, achievement)
    before = AchievementVector.objects.count()
    attachment = attaching.attach(
        listing=achievement,
        actor=make_member(achievement.owner),
        upload=upload(make_docx({**ODD, **WORDLESS}[name]), "a.docx"),
        name="a.docx",
        title="报告",
        tier=Tier.PUBLIC,
        joins_text=True,
    )
    reading_files.read(attachment_id=attachment.pk)

    assert refresh(encoder, Achievement.objects.get()) == [achievement.pk]

    index = AchievementIndex.objects.get()
    assert index.problem == ""
    assert AchievementVector.objects.count() <= MAX_WINDOWS
    if name in ODD:
        assert AchievementVector.objects.count() > before


def test_a_model_of_another_width_lies_beside_the_first(encoder):
    demand = make_demand()
    refresh(encoder, demand)
    narrow = make_embedding_model(name="narrow", dimension=8)

    index = vector_index("demand", narrow.pk)
    index.upsert(
        demand.pk,
        [indexing.Row(0, Tier.PUBLIC, True, "zh", np.eye(8, dtype=np.float32)[0])],
        section="C",
        province="33",
    )

    assert index.fetch([demand.pk]).vectors.shape == (1, 8)
    assert vector_index("demand", indexing.current_model().pk).fetch([demand.pk]).vectors.shape[
        1
    ] == len(encoder.encode_queries(["x"])[0])
