"""Migrations: none is missing, and each app goes back to nothing and forward again."""

import io

import pytest
from django.core.management import call_command
from django.db import connection

from matchmaking.evaluation.scratch import scratch_database

APPS = ("accounts", "catalog", "matchmaking")


@pytest.mark.django_db
def test_no_migration_is_missing():
    out = io.StringIO()
    try:
        call_command("makemigrations", *APPS, check=True, dry_run=True, stdout=out)
    except SystemExit:
        pytest.fail(out.getvalue())


def tables(app):
    return {name for name in connection.introspection.table_names() if name.startswith(f"{app}_")}


def triggers():
    with connection.cursor() as cursor:
        cursor.execute("SELECT tgname FROM pg_trigger WHERE NOT tgisinternal ORDER BY tgname")
        return [name for (name,) in cursor.fetchall()]


@pytest.mark.django_db(transaction=True)
def test_every_app_goes_back_to_nothing_and_forward_again():
    with scratch_database():
        before = {app: tables(app) for app in APPS}
        guards = triggers()
        assert all(before.values()) and guards

        for app in reversed(APPS):
            call_command("migrate", app, "zero", interactive=False, verbosity=0)
            assert tables(app) == set()
        assert triggers() == []
        call_command("migrate", interactive=False, verbosity=0)

        assert {app: tables(app) for app in APPS} == before
        assert triggers() == guards
