"""The Celery application; its settings are Django's, prefixed CELERY_."""

import os
import warnings

from celery import Celery

from config import heartbeat  # noqa: F401  (its signal handlers)

# Celery warns of root because of messages that carry code; ours are JSON (CELERY_ACCEPT_CONTENT).
warnings.filterwarnings("ignore", message="You're running the worker with superuser privileges")

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.dev")

app = Celery("keqiao")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
