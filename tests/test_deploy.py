"""The production settings: safe as they are, and no start without what they need."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SECRET = "only-for-tests-8hV2pQx7_rT4wZy9-KdN3sLfB6mJcE1-GaUoIiYtRqWv"
NEEDED = {
    "SECRET_KEY": SECRET,
    "ALLOWED_HOSTS": "keqiao.example.org",
    "DATABASE_URL": "postgres://keqiao:x@127.0.0.1:1/keqiao",
    "REDIS_URL": "redis://127.0.0.1:1/0",
}


def run(*command: str, **changes: str) -> subprocess.CompletedProcess[str]:
    """Run Python under the production settings; a change to "" leaves the variable out."""
    kept = {key: os.environ[key] for key in ("PATH", "HOME") if key in os.environ}
    values = {**NEEDED, **changes, "DJANGO_SETTINGS_MODULE": "config.settings.prod"}
    return subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env=kept | {key: value for key, value in values.items() if value},
        capture_output=True,
        text=True,
        timeout=180,
    )


def test_the_deployment_check_is_clean():
    done = run("manage.py", "check", "--deploy", "--fail-level", "WARNING")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", ["SECRET_KEY", "DATABASE_URL", "REDIS_URL"])
def test_it_does_not_start_without(name):
    done = run("manage.py", "check", **{name: ""})
    assert done.returncode != 0
    assert f"{name} is not set" in done.stderr


@pytest.mark.parametrize(
    ("name", "value", "warning"),
    [("SECRET_KEY", "short", "W009"), ("ALLOWED_HOSTS", "", "W020"), ("HTTPS", "0", "W008")],
)
def test_the_deployment_check_tells(name, value, warning):
    done = run("manage.py", "check", "--deploy", "--fail-level", "WARNING", **{name: value})
    assert done.returncode != 0
    assert warning in done.stderr


ANSWERS = """
import django
django.setup()
from django.conf import settings
from django.test import Client
# The files themselves are collected when the image is built.
settings.STORAGES["staticfiles"]["BACKEND"] = (
    "django.contrib.staticfiles.storage.StaticFilesStorage"
)
assert not settings.DEBUG
def show(client, path, **extra):
    found = client.get(path, **extra)
    print(path, found.status_code, found.headers.get("Location", ""))
    return found
plain = Client(headers={"host": "keqiao.example.org"})
show(plain, "/account/login/")
show(Client(headers={"host": "evil.example.org"}), "/account/login/", secure=True)
page = show(plain, "/account/login/", secure=True)
print(page.headers["Strict-Transport-Security"])
print(page.headers["Content-Security-Policy"])
print(page.headers["X-Frame-Options"], page.headers["X-Content-Type-Options"])
print(page.cookies["csrftoken"].OutputString())
show(plain, "/healthz/")
print(show(plain, "/nowhere/", secure=True).content.decode())
"""


def test_it_answers_safely():
    """Over HTTPS alone, to its own name alone, with no word of the code in an error."""
    done = run("-c", ANSWERS, DEBUG="1")
    said = done.stdout
    assert done.returncode == 0, done.stderr
    assert "/account/login/ 301 https://keqiao.example.org/account/login/" in said
    assert "/account/login/ 400" in said
    assert "/account/login/ 200" in said
    assert "max-age=31536000; includeSubDomains; preload" in said
    assert "default-src 'none'" in said
    assert "unsafe" not in said
    assert "DENY nosniff" in said
    assert "Secure" in said and "SameSite=Lax" in said
    # Not redirected: the container's own check speaks plain HTTP.
    assert "/healthz/ 503" in said
    assert "URLconf" not in said and "Traceback" not in said
