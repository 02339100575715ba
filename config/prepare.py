"""What `make run` does between the database's start and the first process, in one Python.

    python -m config.prepare

Each step sees for itself whether there is anything to do, so that a restart takes seconds.
"""

import hashlib
import os
import sys
from io import StringIO
from pathlib import Path

LOGINS = "logins.txt"


def main() -> int:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.dev")
    import django
    from django.core.management.base import CommandError, SystemCheckError

    django.setup()
    try:
        _prepare()
    except (CommandError, SystemCheckError) as exc:
        print(exc, file=sys.stderr)
        return 1
    return 0


def _prepare() -> None:
    from django.conf import settings
    from django.contrib.auth import get_user_model
    from django.core.management import call_command

    from config import env

    demo = env.flag("KEQIAO_DEMO", True)
    # The mark tells a demo that was cut off from a site in use: no process has run since.
    unfinished = settings.VAR_DIR / "demo.unfinished"
    if not demo:
        unfinished.unlink(missing_ok=True)
    if unfinished.exists() and _is_embedded():
        _say("an empty database, for the demo data were cut off")
        _empty_database()
    _say("database")
    call_command("migrate", interactive=False, verbosity=0)
    model = Path(settings.EMBEDDING_MODEL)
    if model.is_relative_to(settings.VAR_DIR) and not model.exists():
        _say("language model (once, some minutes)")
        call_command("prepare_model")
    if not settings.DEBUG:
        _collect_static(settings.VAR_DIR)
    call_command("check", databases=["default"], stdout=StringIO())
    logins = settings.VAR_DIR / LOGINS
    if not demo:
        logins.unlink(missing_ok=True)
        return
    if unfinished.exists() or not get_user_model().objects.exists():
        _say("demo data (once)")
        unfinished.touch()
        call_command("demo_data")
        unfinished.unlink()
    said = StringIO()
    call_command("demo_data", logins=True, stdout=said)
    logins.touch(mode=0o600)
    logins.write_text(said.getvalue())


def _is_embedded() -> bool:
    """Whether the database is this checkout's own, which nobody else fills."""
    from django.conf import settings

    from config.embedded import running_urls

    ours = running_urls(settings.VAR_DIR).get("DATABASE_URL")
    return ours is not None and os.environ.get("DATABASE_URL") == ours


def _empty_database() -> None:
    """Drop all tables; `migrate` makes them anew. History refuses to be deleted row by row."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")


def _collect_static(var: Path) -> None:
    """Collect and compress the static files if one of them changed; it takes seconds."""
    from django.contrib.staticfiles.finders import get_finders
    from django.core.management import call_command

    digest = hashlib.sha256()
    for finder in get_finders():
        for path, storage in finder.list([]):
            found = Path(storage.path(path)).stat()
            digest.update(f"{path}\0{found.st_size}\0{found.st_mtime_ns}\n".encode())
    stamp = var / "static.stamp"
    if stamp.exists() and stamp.read_text() == digest.hexdigest():
        return
    _say("static files")
    call_command("collectstatic", interactive=False, clear=True, verbosity=0)
    stamp.write_text(digest.hexdigest())


def _say(step: str) -> None:
    print(f"preparing: {step}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
