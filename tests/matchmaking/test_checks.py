import json
import subprocess
import sys

import pytest
from django.db import connection

from matchmaking import checks
from matchmaking.models import EmbeddingModel


def make_model_folder(folder, *, hidden=384, pooling=None, dense=None):
    modules = [{"path": "", "type": "sentence_transformers.base.modules.transformer.Transformer"}]
    (folder / "config.json").write_text(json.dumps({"hidden_size": hidden}))
    for name, config in (("Pooling", pooling), ("Dense", dense)):
        if config is not None:
            (folder / name).mkdir()
            (folder / name / "config.json").write_text(json.dumps(config))
            modules.append({"path": name, "type": f"sentence_transformers.models.{name}"})
    (folder / "modules.json").write_text(json.dumps(modules))
    return str(folder)


def weights(folder, *, keep=None):
    """Write weights of one tensor; `keep`: so many bytes of them."""
    head = json.dumps({"a": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}}).encode()
    whole = len(head).to_bytes(8, "little") + head + b"\0" * 16
    (folder / "model.safetensors").write_bytes(whole[:keep])


class FakeDatabase:
    """A PostgreSQL that answers each query with the next of some prepared rows."""

    vendor = "postgresql"

    def __init__(self, *answers):
        self.answers = list(answers)

    def cursor(self):
        return self

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

    def execute(self, sql, params=None):
        self.rows = self.answers.pop(0)

    def fetchone(self):
        return self.rows[0] if self.rows else None

    def fetchall(self):
        return self.rows


def ask(monkeypatch, *answers):
    monkeypatch.setattr(checks, "connections", {"default": FakeDatabase(*answers)})
    return checks.check_vector_database(None, databases=["default"])


@pytest.mark.parametrize("keep", [0, 5, 20, 60, -1])
def test_weights_that_were_not_copied_whole_are_an_error(settings, tmp_path, keep):
    settings.EMBEDDING_MODEL = make_model_folder(tmp_path)
    weights(tmp_path)
    assert checks.check_model_folder(None) == []

    weights(tmp_path, keep=keep)

    [error] = checks.check_model_folder(None)
    assert error.id == "matchmaking.E006" and "model.safetensors" in error.msg
    assert "prepare_model --force" in error.hint


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("modules.json", "[{"),
        ("config.json", '{"hidden_size": 384'),
        ("modules.json", "[1, 2]"),
        ("modules.json", '[{"path": ""}]'),
        ("config.json", '{"hidden_size": "wide"}'),
        ("config.json", "[384]"),
    ],
)
def test_settings_that_cannot_be_read_are_an_error(settings, tmp_path, name, content):
    settings.EMBEDDING_MODEL = make_model_folder(tmp_path)
    (tmp_path / name).write_text(content)

    [error] = checks.check_model_folder(None)

    assert error.id == "matchmaking.E006" and str(tmp_path) in error.msg


def test_a_model_that_fits_passes(settings, tmp_path):
    settings.EMBEDDING_MODEL = make_model_folder(tmp_path, pooling={"embedding_dimension": 384})

    assert checks.check_model_folder(None) == []


def test_an_absent_folder_is_an_error_that_names_the_command(settings, tmp_path):
    settings.EMBEDDING_MODEL = str(tmp_path / "nothing")

    [error] = checks.check_model_folder(None)

    assert error.id == "matchmaking.E001"
    assert error.is_serious()
    assert "prepare_model" in error.msg


def test_a_folder_without_a_model_is_an_error(settings, tmp_path):
    settings.EMBEDDING_MODEL = str(tmp_path)

    [error] = checks.check_model_folder(None)

    assert error.id == "matchmaking.E001"
    assert "holds no model" in error.msg


def test_a_hub_model_that_is_not_here_yet_is_a_warning(settings):
    settings.EMBEDDING_MODEL = "nobody/no-such-model"

    [warning] = checks.check_model_folder(None)

    assert warning.id == "matchmaking.W001"
    assert not warning.is_serious()


@pytest.mark.parametrize(
    ("modules", "dimension"),
    [
        ({"hidden": 768}, 768),
        ({"hidden": 768, "pooling": {"embedding_dimension": 768, "pooling_mode": "mean"}}, 768),
        (
            {
                "hidden": 100,
                "pooling": {"word_embedding_dimension": 100, "pooling_mode": ["cls", "mean"]},
            },
            200,
        ),
        (
            {
                "hidden": 100,
                "pooling": {
                    "word_embedding_dimension": 100,
                    "pooling_mode_cls_token": False,
                    "pooling_mode_mean_tokens": True,
                    "pooling_mode_max_tokens": True,
                },
            },
            200,
        ),
        ({"hidden": 768, "pooling": {}, "dense": {"out_features": 512}}, 512),
    ],
)
def test_another_dimension_is_an_error_that_names_both(settings, tmp_path, modules, dimension):
    settings.EMBEDDING_MODEL = make_model_folder(tmp_path, **modules)

    [error] = checks.check_model_folder(None)

    assert error.id == "matchmaking.E002"
    assert f"vectors of {dimension} numbers" in error.msg
    assert "EMBEDDING_DIMENSION is 384" in error.msg


@pytest.mark.django_db
def test_the_database_of_this_checkout_passes():
    assert checks.check_vector_database(None, databases=["default"]) == []


def test_a_server_without_pgvector_is_an_error(monkeypatch):
    [error] = ask(monkeypatch, [], [])

    assert error.id == "matchmaking.E003"
    assert "0.8 or newer" in error.msg


@pytest.mark.parametrize(
    ("row", "hint"),
    [
        (("0.7.4", "0.8.1"), "ALTER EXTENSION vector UPDATE"),
        (("0.7.4", "0.7.4"), "Install a newer pgvector"),
        ((None, "0.5.0"), "Install a newer pgvector"),
    ],
)
def test_an_old_pgvector_is_an_error_with_the_way_out(monkeypatch, row, hint):
    [error] = ask(monkeypatch, [row], [])

    assert error.id == "matchmaking.E004"
    assert (row[0] or row[1]) in error.msg
    assert hint in error.hint


@pytest.mark.parametrize("row", [("0.8.0", "0.8.0"), (None, "0.8.1"), ("1.0", "1.0")])
def test_a_new_pgvector_passes_installed_or_not(monkeypatch, row):
    assert ask(monkeypatch, [row], []) == []


def test_other_databases_are_left_alone(monkeypatch):
    database = FakeDatabase()
    database.vendor = "sqlite"
    monkeypatch.setattr(checks, "connections", {"default": database})

    assert checks.check_vector_database(None, databases=["default"]) == []
    assert checks.check_vector_database(None) == []


def test_the_checks_load_no_library_of_the_model(settings):
    code = (
        "import sys, django; django.setup()\n"
        "from matchmaking import checks; checks.check_model_folder(None)\n"
        "print({'torch', 'openvino', 'tokenizers', 'transformers'} & set(sys.modules))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code],
        cwd=settings.BASE_DIR,
        capture_output=True,
        text=True,
        check=True,
    )

    assert result.stdout.strip() == "set()"


@pytest.mark.django_db
def test_a_setting_that_names_another_model_than_the_current_one_is_a_warning(settings):
    settings.EMBEDDING_MODEL = "someone/better-model"
    EmbeddingModel.objects.create(
        name="mine", revision="1", dimension=8, source="var/models/mine", state="current"
    )

    [warning] = checks.check_current_model(None, databases=["default"])

    assert warning.id == "matchmaking.W002" and not warning.is_serious()
    assert "works with mine@1 from var/models/mine" in warning.msg
    assert "embedding_models add someone/better-model" in warning.hint


@pytest.mark.django_db
@pytest.mark.parametrize(
    "state_and_source", [("current", "the same"), ("current", ""), ("ready", "another")]
)
def test_a_setting_that_agrees_with_the_current_model_passes(settings, state_and_source):
    settings.EMBEDDING_MODEL = "the same"
    state, source = state_and_source
    EmbeddingModel.objects.create(
        name="mine", revision="1", dimension=8, source=source, state=state
    )

    assert checks.check_current_model(None, databases=["default"]) == []
    assert checks.check_current_model(None) == []


@pytest.mark.django_db
def test_before_its_table_is_migrated_the_current_model_is_not_asked_for():
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE matchmaking_embeddingmodel CASCADE")

    assert checks.check_current_model(None, databases=["default"]) == []
