"""A worker process that is killed in the middle of an import loses no row and stores none twice."""

import datetime as dt

import pytest
from django.utils import timezone

from catalog.models import Demand, ImportJob, ImportRow, ListingEvent
from catalog.services import import_jobs
from catalog.tasks import sweep_imports
from tests.factories import make_member, make_organization
from tests.processes import wait_until

ROWS = 2000

pytestmark = pytest.mark.django_db(transaction=True)


def age_heartbeat():
    """What a minute of waiting does: a killed run gives no sign of life."""
    before = timezone.now() - dt.timedelta(hours=1)
    ImportJob.objects.filter(heartbeat_at__isnull=False).update(heartbeat_at=before)


@pytest.mark.parametrize("scope", ["good", "all"])
def test_a_killed_import_goes_on_by_itself(tmp_path, start_worker, scope):
    organization = make_organization()
    path = tmp_path / "list.tsv"
    lines = ("\t".join([f"R-{n}", f"第 {n} 号题目", "正文" * 60]) for n in range(ROWS))
    path.write_text("id\ttitle\tbody\n" + "\n".join(lines), encoding="utf-8")

    job = import_jobs.start_import(
        organization=organization,
        actor=make_member(organization),
        kind="demand",
        path=path,
        file_name="list.tsv",
    )
    state = lambda: ImportJob.objects.get(pk=job.pk)  # noqa: E731
    if scope == "good":
        # Killed once while it checks …
        first = start_worker(queues="default")
        wait_until(lambda: state().cursor > 0)
        first.kill()
        assert state().state == "checking", "the worker was too fast to be killed in the middle"
        age_heartbeat()
    second = start_worker(queues="default")
    wait_until(lambda: state().state == "checked", meanwhile=sweep_imports)
    assert (state().new, state().wrong) == (ROWS, 0)
    assert ImportRow.objects.count() == ROWS
    assert not Demand.objects.exists()

    # … and once while it stores.
    import_jobs.confirm_import(job=job, scope=scope)
    wait_until(lambda: state().done > 0)
    second.kill()
    killed = state()
    assert killed.state == "storing", "the worker was too fast to be killed in the middle"
    assert Demand.objects.count() == (killed.done if scope == "good" else 0)
    age_heartbeat()
    start_worker(queues="default")
    wait_until(lambda: state().state == "done", meanwhile=sweep_imports)

    assert (state().new, state().same, state().wrong) == (ROWS, 0, 0)
    assert Demand.objects.count() == ListingEvent.objects.count() == ROWS
    assert Demand.objects.values("external_id").distinct().count() == ROWS
