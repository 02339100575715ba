"""A worker process that dies in the middle of its work loses nothing of it."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest

from catalog.models import Achievement, Demand
from catalog.signals import listings_published
from matchmaking.models import AchievementIndex, DemandIndex, Match
from matchmaking.tasks import sweep
from tests.factories import make_achievement, make_demand, make_organization

LISTINGS = 96
# Seconds. The slowest step here is loading the model on a busy machine.
PATIENCE = 90

pytestmark = pytest.mark.django_db(transaction=True)


class Worker:
    """A real Celery worker with the real model, in a process of its own."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-m", "celery", "-A", "config", "worker"),
                *("-Q", "query,encode,match,default", "--pool=threads", "--concurrency=2"),
            ],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def kill(self) -> None:
        """As the kernel does when memory runs out: no signal handler, no last words."""
        self._process.kill()
        self._process.wait(timeout=30)


@pytest.fixture
def start_worker(child_environment: dict[str, str]) -> Iterator[Callable[[], Worker]]:
    started: list[Worker] = []

    def start() -> Worker:
        worker = Worker(child_environment)
        started.append(worker)
        return worker

    yield start
    for worker in started:
        worker.kill()


def wait_until(condition: Callable[[], bool], meanwhile: Callable[[], object] | None = None):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        if meanwhile is not None:
            meanwhile()
        time.sleep(0.05)


def indexed() -> int:
    return AchievementIndex.objects.count() + DemandIndex.objects.count()


def test_a_worker_killed_in_the_middle_of_a_batch_loses_nothing(start_worker):
    enterprise = make_organization()
    university = make_organization(kind="university")
    body = "试件淬火后圆度偏差小于 0.30 mm，双感应器相向扫描，终了处无软带。" * 30
    achievements = [
        make_achievement(owner=university, title=f"感应淬火成套工艺 {number} 型", body=body)
        for number in range(LISTINGS)
    ]
    demand = make_demand(owner=enterprise)
    ids = [achievement.pk for achievement in achievements]

    first = start_worker()
    for at in range(0, LISTINGS, 32):
        listings_published.send(sender=None, kind="achievement", ids=ids[at : at + 32])
    listings_published.send(sender=None, kind="demand", ids=[demand.pk])
    wait_until(lambda: indexed() > 0)
    first.kill()
    done = indexed()

    assert done < LISTINGS + 1, "the worker was too fast to be killed in the middle"
    start_worker()
    wait_until(
        lambda: (
            indexed() == LISTINGS + 1
            and not Achievement.objects.exclude(search_index__matched_version=1).exists()
            and not Demand.objects.exclude(search_index__matched_version=1).exists()
        ),
        meanwhile=sweep,
    )

    # All of it, and none of it twice: the constraints would have refused, the list is full.
    assert Match.objects.filter(demand=demand).count() == 20
    windows = set(Achievement.objects.values_list("pk", "vectors__window"))
    assert len(windows) == Achievement.objects.filter(vectors__isnull=False).count()
