"""Production. Secrets have no default: a missing one stops the start with a sentence."""

from config import env
from config.logs import logging_settings
from config.settings.base import *  # noqa: F403
from config.settings.base import LOG_LEVEL

DEBUG = False
SECRET_KEY = env.text("SECRET_KEY")
ALLOWED_HOSTS = env.listing("ALLOWED_HOSTS", [])
# Required here: base has defaults only so that commands without a database can run.
DATABASE_URL = env.text("DATABASE_URL")
REDIS_URL = env.text("REDIS_URL")

# HTTPS=0 is for a trial on one machine without a certificate; nothing else may use it.
_https = env.flag("HTTPS", True)
SECURE_SSL_REDIRECT = _https
_host = next((host for host in ALLOWED_HOSTS if host[0] not in "*."), "localhost")
SITE_URL = env.text("SITE_URL", f"{'https' if _https else 'http'}://{_host}")
# The container's own health check speaks plain HTTP.
SECURE_REDIRECT_EXEMPT = [r"^healthz/$"]
SESSION_COOKIE_SECURE = _https
CSRF_COOKIE_SECURE = _https
LANGUAGE_COOKIE_SECURE = _https
SECURE_HSTS_SECONDS = env.integer("HSTS_SECONDS", 31_536_000) if _https else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = env.flag("HSTS_INCLUDE_SUBDOMAINS", True)
SECURE_HSTS_PRELOAD = env.flag("HSTS_PRELOAD", True)
if env.flag("BEHIND_PROXY", False):
    # Only where a proxy sets this header itself and drops the visitor's own.
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

LOGGING = logging_settings(json=True, level=LOG_LEVEL)
