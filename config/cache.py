"""The cache in Redis, for pages that go on while it is away."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

from django.core.cache.backends.base import DEFAULT_TIMEOUT
from django.core.cache.backends.redis import RedisCache, RedisCacheClient
from redis.exceptions import ConnectionError as NoConnection
from redis.exceptions import TimeoutError as NoAnswer

Answer = TypeVar("Answer")

# Seconds. A server that hangs costs one page two of them; those after it do not wait again.
REST = 5.0
# allauth counts attempts under such keys, and does not expect the cache to be away: nobody could
# log in. While it is away attempts are not counted; that is nothing a visitor can bring about.
ATTEMPTS = "allauth:"
AWAY = (NoConnection, NoAnswer, OSError)


class Client(RedisCacheClient):
    """Raises at once while the server was away a moment ago."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._away_until = 0.0

    def _ask(self, question: Callable[..., Answer], *args: Any) -> Answer:
        if time.monotonic() < self._away_until:
            raise NoConnection("The cache did not answer a moment ago.")
        try:
            return question(*args)
        except AWAY:
            self._away_until = time.monotonic() + REST
            raise

    def add(self, key: Any, value: Any, timeout: Any) -> Any:
        return self._ask(super().add, key, value, timeout)

    def get(self, key: Any, default: Any) -> Any:
        return self._ask(super().get, key, default)

    def set(self, key: Any, value: Any, timeout: Any) -> Any:
        return self._ask(super().set, key, value, timeout)

    def delete(self, key: Any) -> Any:
        return self._ask(super().delete, key)

    def get_many(self, keys: Any) -> Any:
        return self._ask(super().get_many, keys)

    def set_many(self, data: Any, timeout: Any) -> Any:
        return self._ask(super().set_many, data, timeout)

    def incr(self, key: Any, delta: int) -> Any:
        return self._ask(super().incr, key, delta)


class Cache(RedisCache):
    """Raises Redis's errors, as our own callers expect; counts of attempts are forgiven them."""

    def __init__(self, server: str | list[str], params: dict[str, Any]) -> None:
        super().__init__(server, params)
        self._class = Client

    def add(
        self, key: Any, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None
    ) -> bool:
        return _forgiving(key, True, lambda: super(Cache, self).add(key, value, timeout, version))

    def get(self, key: Any, default: Any = None, version: int | None = None) -> Any:
        return _forgiving(key, default, lambda: super(Cache, self).get(key, default, version))

    def set(
        self, key: Any, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None
    ) -> None:
        _forgiving(key, None, lambda: super(Cache, self).set(key, value, timeout, version))

    def delete(self, key: Any, version: int | None = None) -> bool:
        return _forgiving(key, False, lambda: super(Cache, self).delete(key, version))


def _forgiving(key: Any, otherwise: Answer, question: Callable[[], Answer]) -> Answer:
    try:
        return question()
    except AWAY:
        if not str(key).startswith(ATTEMPTS):
            raise
        return otherwise
