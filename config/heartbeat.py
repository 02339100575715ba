"""Workers say every few seconds that they are there and, where it is theirs, that the model works.

/healthz/ reads these notes from the cache. Asking the workers instead (Celery's inspect) takes a
second of silence to learn that nobody answers, and a worker that is busy looks dead.
"""

import threading
from typing import Any

import structlog
from celery.signals import worker_ready, worker_shutting_down

logger = structlog.get_logger(__name__)

INTERVAL = 5.0
# A model that could not be loaded: making it takes a minute of somebody's work.
MODEL_INTERVAL = 30.0
# Three beats missed: the worker is gone, or stands still.
EXPIRY = 15
QUEUES = ("query", "encode", "match", "default")
# Whoever consumes this queue holds the model.
MODEL_QUEUE = "query"

_stop = threading.Event()


def key(queue: str) -> str:
    """Name the cache entry in which a queue's worker reports."""
    return f"worker:{queue}"


@worker_ready.connect
def begin(sender: Any, **kwargs: object) -> None:
    """Load the model where this worker needs it, then report until the worker stops.

    Loading here, before the first message is taken, spares the first visitor the wait. A worker
    that cannot load it stays up, says why, is not counted, and tries again.
    """
    queues = _queues(sender)
    _stop.clear()
    reason = _load_model("") if MODEL_QUEUE in queues else ""
    threading.Thread(target=_beat, args=(queues, reason), name="heartbeat", daemon=True).start()


@worker_shutting_down.connect
def end(**kwargs: object) -> None:
    """Stop reporting: a worker on its way out takes no more work."""
    _stop.set()


def _queues(sender: Any) -> list[str]:
    return sorted(queue.name for queue in sender.task_consumer.queues)


def _load_model(said: str) -> str:
    """Hold the models that the platform works with. Return why the current one cannot be loaded,
    "" if it is. What has been `said` is not repeated.

    Which models these are is said in the database, and changes while workers run.
    """
    from django.utils.module_loading import import_string

    try:
        import_string("matchmaking.retrieval.encoders.keep_encoders")()
    except Exception as exc:
        reason = f"{type(exc).__name__}: {exc}"
        if reason != said:
            logger.error(
                "The embedding model cannot be loaded; it is tried again.", reason=str(exc)
            )
        return reason
    if said:
        logger.warning("The embedding model is loaded now.")
    return ""


def _beat(queues: list[str], reason: str) -> None:
    from django.core.cache import cache
    from django.db import connection

    while True:
        if not reason:
            try:
                cache.set_many({key(queue): True for queue in queues}, timeout=EXPIRY)
            except Exception as exc:
                # The broker restarts; the worker itself will reconnect, and so do we.
                logger.warning("heartbeat failed", reason=type(exc).__name__)
        if _stop.wait(MODEL_INTERVAL if reason else INTERVAL):
            return
        if MODEL_QUEUE in queues:
            reason = _load_model(reason)
            connection.close()  # or a database that restarts would be given up for ever


def main(queues: list[str]) -> int:
    """Answer a container's health check: 0 if each queue's worker has reported lately.

    python -m config.heartbeat query encode
    """
    import django

    django.setup()
    from django.core.cache import cache

    found = cache.get_many([key(queue) for queue in queues])
    missing = [queue for queue in queues if key(queue) not in found]
    if missing:
        print(f"nobody works on: {', '.join(missing)}")
    return 1 if missing else 0


if __name__ == "__main__":
    import sys

    sys.exit(main(sys.argv[1:]))
