"""What every test may rely on: real PostgreSQL and Valkey of its own, and no network beyond."""

import datetime as dt
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.conf import settings

from config.embedded import AlreadyLocked, FolderLock, Services
from tests.processes import Worker

ROOT = Path(__file__).resolve().parent.parent
SLOTS = 8

_started: dict[str, Any] = {}


# --- Services: started once for a run, by the process that spreads the tests --------------------


def pytest_sessionstart(session: pytest.Session) -> None:
    """Start the services before xdist starts its workers; they get the addresses from us."""
    config = session.config
    if hasattr(config, "workerinput") or config.option.collectonly:
        return
    if os.environ.get("DATABASE_URL") and os.environ.get("REDIS_URL"):
        _started["urls"] = {name: os.environ[name] for name in ("DATABASE_URL", "REDIS_URL")}
        return
    lock, folder = _free_slot()
    services = Services(folder, durable=False)
    _started.update(lock=lock, services=services)
    _started["urls"] = services.start()


def pytest_unconfigure(config: pytest.Config) -> None:
    if "services" in _started:
        _started.pop("services").stop()
        _started.pop("lock").release()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell an xdist worker where the services are."""
    node.workerinput["urls"] = _started["urls"]


def _free_slot() -> tuple[FolderLock, Path]:
    """Take a folder that no other run of the tests uses; two runs at once must not meet."""
    for number in range(SLOTS):
        folder = ROOT / "var" / "test" / str(number)
        try:
            return FolderLock(folder / "run.lock"), folder
        except AlreadyLocked:
            continue
    raise pytest.UsageError(f"{SLOTS} runs of the tests are going on in this folder already.")


@pytest.fixture(scope="session", autouse=True)
def embedded_services(request: pytest.FixtureRequest) -> dict[str, str]:
    """Point Django and Celery at this run's services; return DATABASE_URL and REDIS_URL.

    Each xdist worker has a Redis database of its own, emptied here. The PostgreSQL database that
    DATABASE_URL names is not the one that tests use: take `database_url` for a process of yours.
    """
    import redis

    from config import env
    from config.celery import app

    worker = getattr(request.config, "workerinput", None)
    urls: dict[str, str] = dict(worker["urls"] if worker else _started["urls"])
    number = int(worker["workerid"].removeprefix("gw")) + 1 if worker else 1
    base, _, _ = urls["REDIS_URL"].rpartition("/")
    urls["REDIS_URL"] = f"{base}/{number % 16}"
    with redis.Redis.from_url(urls["REDIS_URL"]) as client:
        client.flushdb()

    from django.core.cache import caches
    from django.db import connections

    # The dictionary itself is shared by whoever looked at the settings before us.
    connections.settings["default"].update(env.database(urls["DATABASE_URL"]))
    connections["default"].settings_dict.update(env.database(urls["DATABASE_URL"]))
    settings.CACHES["default"]["LOCATION"] = urls["REDIS_URL"]
    with suppress(AttributeError):
        del caches["default"]  # made with the old address while Django was set up
    settings.REDIS_URL = urls["REDIS_URL"]
    settings.CELERY_BROKER_URL = settings.CELERY_RESULT_BACKEND = urls["REDIS_URL"]
    app.conf.update(broker_url=urls["REDIS_URL"], result_backend=urls["REDIS_URL"])
    return urls


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    embedded_services: dict[str, str], django_db_modify_db_settings_parallel_suffix: None
) -> None:
    """Have the addresses before the test database is made; each xdist worker has its own."""


@pytest.fixture
def child_environment(embedded_services: dict[str, str]) -> dict[str, str]:
    """The environment of a process that works on this test's own database and broker.

    Its test must be `django_db(transaction=True)`: another process sees what is committed.
    """
    from urllib.parse import quote

    from django.db import connection

    database = connection.settings_dict
    user, host = quote(str(database["USER"]), safe=""), quote(str(database["HOST"]), safe="")
    secret = f":{quote(str(database['PASSWORD']), safe='')}" if database["PASSWORD"] else ""
    port = f":{database['PORT']}" if database["PORT"] else ""
    return os.environ | {
        "DATABASE_URL": f"postgres://{user}{secret}@{host}{port}/{database['NAME']}",
        "REDIS_URL": embedded_services["REDIS_URL"],
        "DJANGO_SETTINGS_MODULE": "config.settings.test",
    }


@pytest.fixture
def start_worker(child_environment: dict[str, str]) -> Iterator[Callable[..., Worker]]:
    """Return a function that starts a real worker; those that are left are killed at the end."""
    started: list[Worker] = []

    def start(**options: str) -> Worker:
        worker = Worker(child_environment, **options)
        started.append(worker)
        return worker

    yield start
    for worker in started:
        worker.kill()


@pytest.fixture(autouse=True)
def _language() -> None:
    """Begin in the site's language: a request leaves its own behind in the thread."""
    from django.utils import translation

    translation.activate(settings.LANGUAGE_CODE)


@pytest.fixture(autouse=True)
def _empty_cache(embedded_services: dict[str, str]) -> Iterator[None]:
    """Leave no cache entry (rate limits, heartbeats), no listing and no reason in memory to the
    next test. Reasons are taken as read: each test begins without any of an operator's."""
    from django.core.cache import cache

    from catalog import reasons, snapshot

    reasons.remember([])
    yield
    cache.clear()
    snapshot.clear()


# --- Time -----------------------------------------------------------------------------------------


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The time, which a test sets and moves by itself; also the one that new rows are stamped with.

    It begins at ten on a Wednesday morning without a holiday near.
    """
    from django.apps import apps
    from django.utils import timezone

    real = timezone.now
    state = SimpleNamespace(now=real())

    def at(text: str) -> None:
        state.now = timezone.make_aware(dt.datetime.fromisoformat(text))

    def on(day: str, hour: int = 10) -> None:
        at(f"{day} {hour:02}:00")

    def move(**by: float) -> None:
        state.now += dt.timedelta(**by)

    monkeypatch.setattr("django.utils.timezone.now", lambda: state.now)
    for model in apps.get_models():
        for field in model._meta.fields:
            if field.default is real:
                monkeypatch.setattr(field, "_get_default", lambda: state.now)
    on("2026-11-25")
    return SimpleNamespace(at=at, on=on, move=move)


# --- No network ---------------------------------------------------------------------------------


@pytest.fixture(scope="session", autouse=True)
def _no_network() -> Iterator[None]:
    """Refuse connections that leave this machine: a test must not depend on a model hub."""
    connect: Callable[..., Any] = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> Any:
        if self.family in (socket.AF_INET, socket.AF_INET6):
            host = str(address[0])
            if host not in ("localhost", "::1") and not host.startswith("127."):
                raise RuntimeError(f"A test tried to reach {host}. Tests stay on this machine.")
        return connect(self, address)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", guarded)
        patch.setenv("HF_HUB_OFFLINE", "1")
        patch.setenv("TRANSFORMERS_OFFLINE", "1")
        yield
