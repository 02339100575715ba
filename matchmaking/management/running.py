"""What commands that take their time share: a progress bar, and being stopped half-way."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tqdm import tqdm


def bar(what: str, total: int, initial: int = 0) -> Any:
    return tqdm(total=total, initial=initial, desc=what, unit="", file=sys.stderr, mininterval=0.5)


@contextmanager
def stoppable() -> Iterator[None]:
    """Being asked to stop is no reason to leave a lock or a database behind."""
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
