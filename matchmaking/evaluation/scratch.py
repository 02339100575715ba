"""A database of its own for an evaluation, dropped whatever happens."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from django.conf import settings
from django.core.management import call_command
from django.db import OperationalError, connection
from django.utils.crypto import get_random_string
from django.utils.module_loading import import_string
from psycopg import sql


@contextmanager
def scratch_database() -> Iterator[None]:
    """Point Django at a new, migrated database for the time of the block.

    It lies on the configured server; where none answers, on an embedded one that is started for
    this and thrown away.
    """
    with ExitStack() as stack:
        if not _server_answers():
            stack.enter_context(_own_server())
        name = f"keqiao_evaluation_{get_random_string(8, 'abcdefghijklmnopqrstuvwxyz')}"
        _execute("CREATE DATABASE {}", name)
        stack.callback(_execute, "DROP DATABASE IF EXISTS {} WITH (FORCE)", name)
        stack.enter_context(_named(name))
        call_command("migrate", interactive=False, verbosity=0)
        yield


def _server_answers() -> bool:
    try:
        connection.ensure_connection()
    except OperationalError:
        return False
    return True


@contextmanager
def _own_server() -> Iterator[None]:
    services_class = import_string(settings.EMBEDDED_SERVICES)
    parse = import_string(settings.DATABASE_PARSER)
    before = dict(connection.settings_dict)
    settings.VAR_DIR.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=settings.VAR_DIR, prefix="evaluation-") as folder:
        services = services_class(Path(folder), durable=False)
        connection.settings_dict.update(parse(services.start()["DATABASE_URL"]))
        try:
            yield
        finally:
            connection.close()
            connection.settings_dict.clear()
            connection.settings_dict.update(before)
            services.stop()


@contextmanager
def _named(name: str) -> Iterator[None]:
    connection.close()
    before = connection.settings_dict["NAME"]
    connection.settings_dict["NAME"] = name
    try:
        yield
    finally:
        connection.close()
        connection.settings_dict["NAME"] = before


def _execute(statement: str, name: str) -> None:
    """Run a statement about a database, outside of a transaction."""
    connection.ensure_connection()
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL(statement).format(sql.Identifier(name)).as_string(None))
