"""Real processes for the tests that need them, and waiting for what they do."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable

# Seconds. Loading the model and encoding a hundred listings take long on a busy machine.
PATIENCE = 180


class Worker:
    """A real Celery worker in a process of its own; with the queue “query”, also the real model."""

    def __init__(
        self, environment: dict[str, str], queues: str = "query,encode,match,default"
    ) -> None:
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-m", "celery", "-A", "config", "worker"),
                *("-Q", queues, "--pool=threads", "--concurrency=2"),
            ],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def kill(self) -> None:
        """As the kernel does when memory runs out: no signal handler, no last words."""
        self._process.kill()
        self._process.wait(timeout=30)

    def pause(self) -> None:
        """Let it stand still between two instructions: what is sent to it waits."""
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._process.send_signal(signal.SIGCONT)


def wait_until(condition: Callable[[], bool], meanwhile: Callable[[], object] | None = None):
    """Return as soon as `condition` holds; fail when it does not within `PATIENCE`.

    `meanwhile` stands for the beat: it is called every second, lest it be all that workers do.
    """
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        if meanwhile is None:
            time.sleep(0.05)
        else:
            meanwhile()
            time.sleep(1)
