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
    if env.flag("KEQIAO_DEMO", True):
        # The mark tells a demo that was cut off, which is taken up again, from a site in use.
        unfinished = settings.VAR_DIR / "demo.unfinished"
        if unfinished.exists() or not get_user_model().objects.exists():
            _say("demo data (once)")
            unfinished.touch()
            call_command("demo_data")
            unfinished.unlink()
        said = StringIO()
        call_command("demo_data", logins=True, stdout=said)
        logins.touch(mode=0o600)
        logins.write_text(said.getvalue())
    else:
        logins.unlink(missing_ok=True)


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
