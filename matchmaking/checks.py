"""System checks: the model is there, and the database can hold what it makes.

They read settings files and the catalog; none loads the model, nor any library of it.
"""

import re
from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.db import connections

LEAST_PGVECTOR = (0, 8)


@register("matchmaking")
def check_model_folder(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """The model is on this machine and makes vectors of EMBEDDING_DIMENSION numbers."""
    from matchmaking.retrieval import encoders

    setting = settings.EMBEDDING_MODEL
    try:
        folder = encoders.model_path(setting)
    except encoders.EncoderUnavailable as exc:
        if encoders.is_hub_name(setting):
            return [
                Warning(
                    str(exc),
                    hint="A worker downloads it when it starts, or do it now:"
                    " python manage.py prepare_model",
                    id="matchmaking.W001",
                )
            ]
        return [Error(str(exc), id="matchmaking.E001")]
    try:
        if wrong := encoders.damage(folder):
            return [_damaged(setting, wrong)]
        dimension = encoders.folder_dimension(folder)
    except OSError as exc:
        return [_damaged(setting, str(exc))]
    except (KeyError, TypeError, ValueError, AttributeError):
        return [_damaged(setting, "its modules.json or a config.json is of no kind known here.")]
    if dimension is not None and dimension != settings.EMBEDDING_DIMENSION:
        return [
            Error(
                f"The model {setting} makes vectors of {dimension} numbers, but"
                f" EMBEDDING_DIMENSION is {settings.EMBEDDING_DIMENSION}.",
                hint="Set both together, and migrate an empty vector table to the new size.",
                id="matchmaking.E002",
            )
        ]
    return []


def _damaged(setting: str, wrong: str) -> Error:
    return Error(
        f"The model {setting} is damaged: {wrong}",
        hint="Copy it again; the one that comes with KeQiao is built anew by:"
        " python manage.py prepare_model --force",
        id="matchmaking.E006",
    )


@register(Tags.database, "matchmaking")
def check_vector_database(
    app_configs: Any, databases: Sequence[str] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """pgvector is new enough."""
    messages: list[CheckMessage] = []
    for alias in databases or ():
        if connections[alias].vendor == "postgresql":
            messages += _check_pgvector(alias)
    return messages


def _check_pgvector(alias: str) -> list[CheckMessage]:
    with connections[alias].cursor() as cursor:
        # Before the first migration it is available and not yet installed: that is fine.
        cursor.execute(
            "SELECT installed_version, default_version"
            " FROM pg_available_extensions WHERE name = 'vector'"
        )
        row: tuple[str | None, str] | None = cursor.fetchone()
    needed = ".".join(map(str, LEAST_PGVECTOR))
    if row is None:
        return [
            Error(
                f"The PostgreSQL server of database {alias} has no extension pgvector;"
                f" version {needed} or newer is needed.",
                hint="Install the package postgresql-NN-pgvector on the server.",
                id="matchmaking.E003",
            )
        ]
    installed, available = row
    version = installed or available
    if _parsed(version) >= LEAST_PGVECTOR:
        return []
    hint = "Install a newer pgvector on the server"
    if _parsed(available) >= LEAST_PGVECTOR:
        hint = "Run in that database: ALTER EXTENSION vector UPDATE"
    return [
        Error(
            f"Database {alias} has pgvector {version}; version {needed} or newer is needed.",
            hint=f"{hint}.",
            id="matchmaking.E004",
        )
    ]


def _parsed(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:2])


@register(Tags.database, "matchmaking")
def check_current_model(
    app_configs: Any, databases: Sequence[str] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """EMBEDDING_MODEL is for a new platform; one that has a model keeps it until it is switched."""
    messages: list[CheckMessage] = []
    for alias in databases or ():
        if connections[alias].vendor != "postgresql":
            continue
        with connections[alias].cursor() as cursor:
            # Before the migration that brings the column there is nothing to say.
            cursor.execute(
                "SELECT EXISTS (SELECT FROM pg_attribute"
                " WHERE attrelid = to_regclass('matchmaking_embeddingmodel')"
                " AND attname = 'source' AND NOT attisdropped)"
            )
            if not cursor.fetchone()[0]:
                continue
            cursor.execute(
                "SELECT name, left(revision, 12), source FROM matchmaking_embeddingmodel"
                " WHERE state = 'current' AND source NOT IN ('', %s)",
                [settings.EMBEDDING_MODEL],
            )
            rows: list[tuple[str, str, str]] = cursor.fetchall()
        for name, revision, source in rows:
            messages.append(
                Warning(
                    f"EMBEDDING_MODEL names {settings.EMBEDDING_MODEL}, but database {alias} works"
                    f" with {name}@{revision} from {source}, and goes on with it.",
                    hint="To go over to the other one: python manage.py embedding_models add"
                    f" {settings.EMBEDDING_MODEL} (docs/operations.md, “Another model”). Otherwise"
                    f" set EMBEDDING_MODEL to {source}.",
                    id="matchmaking.W002",
                )
            )
    return messages
