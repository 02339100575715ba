"""Development, and `make run`. Services that run embedded are found through var/embedded.json."""

import os
import secrets
from contextlib import suppress
from pathlib import Path

from config import env
from config.embedded import running_urls

env.read_file(Path(__file__).resolve().parent.parent.parent / ".env")

from config.settings.base import *  # noqa: E402, F403
from config.settings.base import CACHES, DATABASES, STORAGES, VAR_DIR  # noqa: E402

DEBUG = env.flag("DEBUG", True)
ALLOWED_HOSTS = env.listing("ALLOWED_HOSTS", ["*"])
SITE_URL = env.text("SITE_URL", f"http://localhost:{env.text('PORT', '8000')}")
ACCOUNT_EMAIL_VERIFICATION = "optional"
if not env.text("EMAIL_HOST", ""):
    EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
    EMAIL_FILE_PATH = VAR_DIR / "mail"


def _kept_secret() -> str:
    """Return this checkout's own key, made at the first start: sessions survive a restart."""
    path = VAR_DIR / "secret_key"
    if not path.exists():
        VAR_DIR.mkdir(parents=True, exist_ok=True)
        draft = path.with_suffix(f".{os.getpid()}")
        draft.touch(mode=0o600)
        draft.write_text(secrets.token_urlsafe(50))
        with suppress(FileExistsError):
            os.link(draft, path)  # whoever is first wins, and nobody reads half a key
        draft.unlink()
    return path.read_text()


SECRET_KEY = env.text("SECRET_KEY", "") or _kept_secret()

# A command in another terminal works on the services that `make run` started.
_urls = running_urls(VAR_DIR)
if _urls and not env.text("DATABASE_URL", ""):
    DATABASES["default"] = env.database(_urls["DATABASE_URL"])
if _urls and not env.text("REDIS_URL", ""):
    REDIS_URL = CELERY_BROKER_URL = CELERY_RESULT_BACKEND = _urls["REDIS_URL"]
    CACHES["default"]["LOCATION"] = REDIS_URL

if DEBUG:
    # runserver finds files where they are written; hashed names need collectstatic.
    STORAGES["staticfiles"]["BACKEND"] = "django.contrib.staticfiles.storage.StaticFilesStorage"
    WHITENOISE_USE_FINDERS = True
