"""The Celery application; its settings are Django's, prefixed CELERY_."""

import os

from celery import Celery

from config import heartbeat  # noqa: F401  (its signal handlers)

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.dev")

app = Celery("keqiao")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
