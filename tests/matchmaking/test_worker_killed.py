"""A worker process that dies in the middle of its work loses nothing of it."""

import pytest
from django.conf import settings

from catalog.models import Achievement
from catalog.signals import listings_published
from matchmaking.models import AchievementIndex, DemandIndex, Match
from matchmaking.services.indexing import unmatched
from matchmaking.tasks import sweep
from tests.factories import make_achievement, make_demand, make_organization
from tests.processes import wait_until

LISTINGS = 96

pytestmark = pytest.mark.django_db(transaction=True)


def indexed() -> int:
    return AchievementIndex.objects.count() + DemandIndex.objects.count()


def test_a_worker_killed_in_the_middle_of_a_batch_loses_nothing(start_worker, child_environment):
    # Where all texts say one thing, that is what they have in common: little is left to be near by.
    child_environment["MATCH_FLOOR"] = "0"
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
            and not unmatched("achievement", settings.ENGINE_VERSION).exists()
            and not unmatched("demand", settings.ENGINE_VERSION).exists()
        ),
        meanwhile=sweep,
    )

    # All of it, and none of it twice: the constraints would have refused, the list is full.
    # What was found among the first few, and then replaced, stays as history.
    assert Match.objects.filter(demand=demand).open().count() == 20
    windows = set(Achievement.objects.values_list("pk", "vectors__window"))
    assert len(windows) == Achievement.objects.filter(vectors__isnull=False).count()
