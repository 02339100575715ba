"""What the processes load, and what production refuses."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
PRODUCTION = {
    "DJANGO_SETTINGS_MODULE": "config.settings.prod",
    "SECRET_KEY": "k7TqJ2vXb9LmN4cRz8WfYh5DsGp3AeUt6KxQ1oVnBiMjCrElZwSyHdFg",
    "ALLOWED_HOSTS": "keqiao.example.org",
    "DATABASE_URL": "postgres://keqiao:secret@db.invalid/keqiao",
    "REDIS_URL": "redis://redis.invalid/0",
}
# Starts as gunicorn does: the entry point, then one page, which loads every address and view.
WEB = """
import sys
from config.wsgi import application
from django.test import RequestFactory
from django.urls import get_resolver
get_resolver().url_patterns
heavy = {"torch", "openvino", "sentence_transformers", "transformers", "nncf"}
heavy = (heavy | {"lightgbm", "weasyprint"}) & set(sys.modules)
import psutil
print(sorted(heavy), psutil.Process().memory_info().rss // 1_000_000)
"""


def run(*command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {key: value for key, value in os.environ.items() if key in ("PATH", "HOME", "LANG")}
    return subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env=kept | environment,
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_the_web_process_is_light():
    """No torch, and at most 250 MB resident; encoding is the worker's."""
    done = run("-c", WEB, **PRODUCTION)

    assert done.returncode == 0, done.stderr
    heavy, _, megabytes = done.stdout.strip().rpartition(" ")
    assert heavy == "[]"
    assert int(megabytes) < 250


def test_the_production_settings_pass_the_deployment_check():
    done = run("manage.py", "check", "--deploy", "--fail-level", "WARNING", **PRODUCTION)

    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", ["SECRET_KEY", "DATABASE_URL", "REDIS_URL"])
def test_production_has_no_default_for_secrets_and_services(name):
    done = run("manage.py", "check", **PRODUCTION | {name: ""})

    assert done.returncode != 0
    assert f"{name} is not set" in done.stderr


def test_development_makes_its_own_key_once(tmp_path):
    ask = ("-c", "from django.conf import settings; print(settings.SECRET_KEY)")
    environment = {
        "DJANGO_SETTINGS_MODULE": "config.settings.dev",
        "KEQIAO_VAR": str(tmp_path),
    }

    first, second = run(*ask, **environment), run(*ask, **environment)

    assert first.returncode == 0, first.stderr
    assert len(first.stdout.strip()) > 50
    assert first.stdout == second.stdout
    assert (tmp_path / "secret_key").stat().st_mode & 0o077 == 0
