"""A real worker reports its queues while it works, and not when it has no model or is gone."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.core.cache import cache
from structlog.testing import capture_logs

from config import heartbeat
from matchmaking.retrieval.encoders import EncoderUnavailable

ROOT = Path(__file__).resolve().parent.parent.parent
Start = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def start(child_environment: dict[str, str], tmp_path: Path) -> Iterator[Start]:
    started = []

    def start(queues: str, **environment: str) -> subprocess.Popen[bytes]:
        log = (tmp_path / "worker.log").open("wb")
        command = [sys.executable, "-m", "celery", "-A", "config", "worker", "-Q", queues]
        process = subprocess.Popen(
            [*command, "--pool=solo", "--without-gossip", "--without-mingle", "--loglevel=INFO"],
            cwd=ROOT,
            env=child_environment | environment,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()


def wait_for(
    condition: Callable[[], bool], worker: subprocess.Popen[bytes], timeout: float = 60
) -> bool:
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline or worker.poll() is not None:
            return False
        time.sleep(0.1)
    return True


def reported() -> set[str]:
    return {queue for queue in heartbeat.QUEUES if cache.get(heartbeat.key(queue))}


@pytest.mark.django_db(transaction=True)
def test_a_worker_reports_its_own_queues(start):
    worker = start("match,default")

    assert wait_for(lambda: reported() == {"match", "default"}, worker)

    # What it wrote lapses by itself when it is killed, and is not renewed while it shuts down.
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(15) == 0
    cache.clear()
    assert reported() == set()


@pytest.mark.django_db(transaction=True)
def test_a_worker_without_a_model_stays_up_but_is_not_counted(start, tmp_path):
    log = tmp_path / "worker.log"
    worker = start("query,encode", EMBEDDING_MODEL=str(tmp_path / "no-model"))

    assert wait_for(lambda: b"The embedding model cannot be loaded" in log.read_bytes(), worker)

    assert b"prepare_model" in log.read_bytes()
    assert b"Traceback" not in log.read_bytes()
    assert reported() == set()
    assert worker.poll() is None


def test_a_model_that_comes_later_is_counted_from_then_on(monkeypatch):
    answers = iter([EncoderUnavailable("Not yet."), EncoderUnavailable("Not yet."), None])
    waits = []

    def load():
        if answer := next(answers):
            raise answer

    class Stop:
        def wait(self, seconds):
            waits.append(seconds)
            return seconds == heartbeat.INTERVAL

    monkeypatch.setattr("matchmaking.retrieval.encoders.keep_encoders", load)
    monkeypatch.setattr(heartbeat, "_stop", Stop())
    cache.clear()
    with capture_logs() as said:
        heartbeat._beat(["query"], heartbeat._load_model(""))

    assert waits == [heartbeat.MODEL_INTERVAL, heartbeat.MODEL_INTERVAL, heartbeat.INTERVAL]
    assert reported() == {"query"}
    assert [(one["log_level"], one.get("reason")) for one in said] == [
        ("error", "Not yet."),
        ("warning", None),
    ]
