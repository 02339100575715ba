"""What a benchmark runs on: an embedded PostgreSQL and Valkey of its own, and the site itself."""

import http.client
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from benchmarks.report import FOLDER

ROOT = Path(__file__).resolve().parent.parent
CHROMIUM = Path(os.environ.get("CHROMIUM", "/usr/bin/chromium"))


def own_folder(stack: ExitStack, name: str, keep: Path | None = None) -> Path:
    """Return the folder of one run's data: `keep`, or else one that is removed in the end."""
    if keep is not None:
        return keep.resolve()
    FOLDER.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=FOLDER, prefix=f"{name}-"))
    stack.callback(shutil.rmtree, folder, ignore_errors=True)
    return folder


def start(stack: ExitStack, folder: Path, **environment: str) -> None:
    """Start the services in `folder`, set Django up on them and migrate; `stack` stops them.

    `environment`: variables besides; the settings are those of development without others.
    """
    from config.embedded import Services

    services = Services(folder, durable=False)
    stack.callback(services.stop)
    usual = {"DJANGO_SETTINGS_MODULE": "config.settings.dev", "LOG_LEVEL": "ERROR"}
    os.environ.update({**services.start(), "KEQIAO_VAR": str(folder), **usual, **environment})
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", interactive=False, verbosity=0)


def start_for_production(stack: ExitStack, folder: Path, **environment: str) -> int:
    """As `start`, with production settings and static files; return the port for the site."""
    port = free_port()
    start(
        stack,
        folder,
        DJANGO_SETTINGS_MODULE="config.settings.prod",
        SECRET_KEY=secrets.token_urlsafe(40),
        ALLOWED_HOSTS="127.0.0.1",
        HTTPS="0",
        HOST="127.0.0.1",
        PORT=str(port),
        PATH=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        **environment,
    )
    from django.core.management import call_command

    call_command("collectstatic", interactive=False, verbosity=0)
    return port


def serve(stack: ExitStack, port: int) -> None:
    """Start the web processes of the Procfile, and wait until they answer."""
    lines = (ROOT / "Procfile").read_text().splitlines()
    stack.enter_context(process(dict(line.split(": ", 1) for line in lines if line)["web"]))
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.2)
    raise SystemExit("The site did not start within a minute.")


def cookie_of(user: Any) -> str:
    """Log a person in; return the cookie that says so."""
    from django.conf import settings
    from django.test import Client

    client = Client(headers={"host": "127.0.0.1"})
    client.force_login(user)
    name = settings.SESSION_COOKIE_NAME
    return f"{name}={client.cookies[name].value}"


def get(port: int, cookie: str, path: str) -> bytes:
    """Ask for a page; return its body. Exits where what comes is no page."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", path, headers={"Cookie": cookie})
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    if answer.status != 200 or b"</html>" not in body:
        raise SystemExit(f"{path} answered {answer.status}")
    return body


@contextmanager
def process(command: str) -> Iterator[None]:
    """Run a command line, and stop it with all its children."""
    running = subprocess.Popen(["/bin/sh", "-c", command], cwd=ROOT, start_new_session=True)
    try:
        yield
    finally:
        with suppress(ProcessLookupError):
            os.killpg(running.pid, signal.SIGTERM)
        try:
            running.wait(15)
        except subprocess.TimeoutExpired:
            os.killpg(running.pid, signal.SIGKILL)
            running.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
