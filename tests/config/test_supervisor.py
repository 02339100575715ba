"""`make run` starts everything, tells where, and leaves nothing behind, however it ends."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psutil
import psycopg
import pytest

ROOT = Path(__file__).resolve().parent.parent.parent

# Answers /healthz/ as the site does.
WEB = (
    "import http.server, os\n"
    "class H(http.server.BaseHTTPRequestHandler):\n"
    "    def do_GET(self):\n"
    "        self.send_response(200); self.end_headers()\n"
    '        self.wfile.write(b\'{"status": "ok", "components": {}}\')\n'
    "    def log_message(self, *args): pass\n"
    "http.server.ThreadingHTTPServer(('127.0.0.1', int(os.environ['PORT'])), H).serve_forever()\n"
)
# Ignores SIGTERM, and has a child that does so as well.
STUBBORN = "trap '' TERM INT; sleep 600 & while :; do sleep 600; done"


class Run:
    """One supervisor as a process, and what it said."""

    def __init__(self, var: Path, *, port: int | str, procfile: str | None = None) -> None:
        self.var = var
        var.parent.mkdir(exist_ok=True, parents=True)
        web = var.parent / "web.py"
        web.write_text(WEB)
        lines = f'web: exec "{sys.executable}" "{web}"\n' if procfile is None else procfile
        (var.parent / "Procfile").write_text(lines)
        self.log = var.parent / f"log-{time.monotonic_ns()}"
        environment = {
            key: value
            for key, value in os.environ.items()
            if key not in ("DATABASE_URL", "REDIS_URL", "HOST")
        }
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.config.drive_supervisor", var, var.parent / "Procfile"],
            cwd=ROOT,
            env=environment | {"PORT": str(port)},
            # No terminal, as under nohup or a service manager.
            stdin=subprocess.DEVNULL,
            stdout=self.log.open("wb"),
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    @property
    def said(self) -> str:
        return self.log.read_text()

    def wait_for(self, text: str, timeout: float = 30) -> None:
        deadline = time.monotonic() + timeout
        while text not in self.said:
            assert self.process.poll() is None, self.said
            assert time.monotonic() < deadline, self.said
            time.sleep(0.05)

    def family(self) -> list[psutil.Process]:
        found: list[psutil.Process] = psutil.Process(self.process.pid).children(recursive=True)
        return found

    def end(self, signum: signal.Signals = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signum)
        return self.process.wait(40)


@pytest.fixture
def var(tmp_path: Path) -> Path:
    # Far longer than a socket's path may be, and not ASCII.
    return tmp_path / ("long" * 30) / "科桥 var" / "var"


@pytest.fixture
def runs() -> Iterator[list[Run]]:
    started: list[Run] = []
    yield started
    for run in started:
        if run.process.poll() is None:
            run.end()


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def gone(processes: list[psutil.Process], timeout: float = 15) -> bool:
    """Whether all have ended. A zombie has; in a container nobody may come for it."""
    deadline = time.monotonic() + timeout
    while any(is_alive(process) for process in processes):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def is_alive(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_every_process(var, runs, signum):
    runs.append(run := Run(var, port=free_port()))
    run.wait_for("KeQiao is ready")
    names = {process.name() for process in run.family()}
    assert "postgres" in names and "valkey-server" in names
    family = run.family()

    assert run.end(signum) == 0

    assert gone(family, timeout=1), [each for each in family if is_alive(each)]
    assert not (var / "embedded.json").exists()


def test_children_that_ignore_the_signal_are_killed(var, runs):
    runs.append(run := Run(var, port=free_port(), procfile=f"stubborn: {STUBBORN}\n"))
    run.wait_for("prepared")
    deadline = time.monotonic() + 10
    while not any(process.name() == "sleep" for process in run.family()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    family = run.family()

    assert run.end() == 0

    assert gone(family, timeout=1)


def test_a_second_run_is_refused_and_the_first_goes_on(var, runs):
    port = free_port()
    runs.append(first := Run(var, port=port))
    first.wait_for("KeQiao is ready")
    before = sorted(process.pid for process in first.family())

    runs.append(second := Run(var, port=port))

    assert second.process.wait(20) == 1
    assert f"already runs from this folder at http://localhost:{port}/" in second.said
    assert sorted(process.pid for process in first.family()) == before


def test_data_survives_a_restart_and_a_kill(var, runs):
    """kill -9 leaves no owner: the next run must neither be refused nor lose what was committed."""
    runs.append(first := Run(var, port=free_port()))
    first.wait_for("KeQiao is ready")
    url = json.loads((var / "embedded.json").read_text())["DATABASE_URL"]
    with psycopg.connect(url) as connection:
        connection.execute("CREATE EXTENSION vector")
        connection.execute("CREATE TABLE kept AS SELECT '[1,2]'::vector AS value")
    family = first.family()

    first.end(signal.SIGKILL)
    runs.append(second := Run(var, port=free_port()))
    second.wait_for("KeQiao is ready")

    assert gone(family)
    url = json.loads((var / "embedded.json").read_text())["DATABASE_URL"]
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT value::text FROM kept").fetchall() == [("[1,2]",)]
    assert second.end() == 0


def test_a_taken_port_gives_a_sentence_and_the_next_one(var, runs):
    with closing(socket.socket()) as squatter:
        squatter.bind(("127.0.0.1", 0))
        squatter.listen()
        port = squatter.getsockname()[1]
        runs.append(run := Run(var, port=port))
        run.wait_for("KeQiao is ready")

    assert f"Port {port} is taken by another program; using " in run.said
    assert f"http://localhost:{port}/" not in run.said


def test_a_process_that_dies_is_started_again(var, runs):
    runs.append(run := Run(var, port=free_port()))
    run.wait_for("KeQiao is ready")
    [web] = [process for process in run.family() if "web.py" in " ".join(process.cmdline())]

    web.kill()

    run.wait_for("web stopped (exit code -9); starting it again")
    assert run.process.poll() is None


def test_a_process_that_keeps_dying_ends_the_run(var, runs):
    runs.append(
        run := Run(var, port=free_port(), procfile="broken: echo no such setting; exit 3\n")
    )

    assert run.process.wait(40) == 1

    assert "broken keeps stopping (exit code 3)" in run.said
    assert "no such setting" in run.said


def test_a_port_that_is_no_number_is_refused(var, runs):
    runs.append(run := Run(var, port="http"))

    assert run.process.wait(20) == 1
    assert "PORT must be a number from 1 to 65535, not 'http'" in run.said


def test_one_service_of_ones_own_needs_the_other(var):
    environment = os.environ | {"DATABASE_URL": "postgres://localhost/x", "PORT": str(free_port())}
    environment.pop("REDIS_URL", None)
    var.parent.mkdir(parents=True)
    (var.parent / "Procfile").write_text("web: sleep 1\n")

    done = subprocess.run(
        [sys.executable, "-m", "tests.config.drive_supervisor", var, var.parent / "Procfile"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=30,
    )

    assert done.returncode == 1
    assert "Set both DATABASE_URL and REDIS_URL" in done.stdout
    assert not (var / "postgres").exists()
