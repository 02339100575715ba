"""Tests. tests/conftest.py starts the services and points DATABASES and CACHES at them."""

from config.settings.base import *  # noqa: F403
from config.settings.base import STORAGES, VAR_DIR

DEBUG = False
SECRET_KEY = "only-for-tests"
ALLOWED_HOSTS = ["testserver", "localhost", "127.0.0.1"]
# One round of hashing: a test that logs in must not wait for it.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
ACCOUNT_EMAIL_VERIFICATION = "optional"
ACCOUNT_RATE_LIMITS = False
# What a test has just written is counted.
LISTINGS_REFRESH_SECONDS = 0.0
MODEL_REFRESH_SECONDS = 0.0
# As long as no service changes them, they cost no query, however slow the machine.
REASONS_REFRESH_SECONDS = 3600.0
# Files are served from where they are written; nothing is collected.
STATIC_ROOT = None
WHITENOISE_USE_FINDERS = WHITENOISE_AUTOREFRESH = True
STORAGES["staticfiles"]["BACKEND"] = "django.contrib.staticfiles.storage.StaticFilesStorage"
# In the file system, as a worker that a test starts has to read what the test has stored.
STORAGES["private"]["OPTIONS"] = {"location": VAR_DIR / "test" / "private"}
