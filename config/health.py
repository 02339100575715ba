"""GET /healthz/: whether the parts that KeQiao needs are up, for supervisors and load balancers."""

import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from django.contrib.auth.decorators import login_not_required
from django.core.cache import cache
from django.db import connection
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from config.heartbeat import MODEL_QUEUE, QUEUES, key

Answer = TypeVar("Answer")

# Whoever asks more often gets the same answer: the address is public, the checks are not free.
REUSE_SECONDS = 1.0
# The answer comes within two seconds, though a part of it may hang.
DEADLINE = 1.5

_pool = ThreadPoolExecutor(max_workers=4, thread_name_prefix="health")
_lock = threading.Lock()
_last: tuple[float, dict[str, str]] | None = None


@login_not_required
@never_cache
@require_safe
def healthz(request: HttpRequest) -> JsonResponse:
    """Answer 200 when all is well, else 503 and which part is not."""
    components = _components()
    healthy = all(state == "ok" for state in components.values())
    response = JsonResponse(
        {"status": "ok" if healthy else "error", "components": components},
        status=200 if healthy else 503,
    )
    # A 503 is the message here, not an error of ours: whoever polls would fill the log with it.
    response._has_been_logged = True  # type: ignore[attr-defined]
    return response


def _components() -> dict[str, str]:
    global _last
    with _lock:
        if _last is None or time.monotonic() - _last[0] > REUSE_SECONDS:
            _last = (time.monotonic(), check())
        return _last[1]


def check() -> dict[str, str]:
    """Look at each component now. Texts name the part, never an address or an error's words."""
    database = _pool.submit(_database)
    beats = _pool.submit(_beats)
    deadline = time.monotonic() + DEADLINE
    found = _result(beats, deadline)
    missing = [queue for queue in QUEUES if queue not in (found or ())]
    unknown = "unknown: the broker does not answer"
    return {
        "database": "ok" if _result(database, deadline) else "does not answer",
        "broker": "ok" if found is not None else "does not answer",
        "model": unknown
        if found is None
        else ("no worker has loaded it" if MODEL_QUEUE in missing else "ok"),
        "workers": unknown
        if found is None
        else (f"nobody works on: {', '.join(missing)}" if missing else "ok"),
    }


def _result(future: Future[Answer], deadline: float) -> Answer | None:
    """Return the answer, or None for one that failed or did not come in time."""
    try:
        return future.result(max(0.0, deadline - time.monotonic()))
    except Exception:
        return None


def _database() -> bool:
    """Ask the database. A thread of its own means a connection of its own, closed at once."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
            return cursor.fetchone() is not None
    finally:
        connection.close()


def _beats() -> set[str]:
    """Return the queues whose workers have reported lately."""
    found = cache.get_many([key(queue) for queue in QUEUES])
    return {queue for queue in QUEUES if key(queue) in found}
