"""Handing tasks to the broker from pages, services and other tasks."""

from __future__ import annotations

import logging
from typing import Any

from celery import Task
from kombu.exceptions import OperationalError as BrokerError
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)


def send(task: Task[Any, Any], *args: Any) -> bool:
    """Queue a task. A broker that is away is no reason to fail: a sweep comes round."""
    try:
        task.apply_async(args=args, retry=False)
    except (BrokerError, RedisError, OSError) as error:
        logger.warning("%s was not queued, the sweep will find it: %s", task.name, error)
        return False
    return True
