"""Django's own wiring. Nothing imports it but the entry points (manage, wsgi, celery)."""

from config.celery import app as celery_app

__all__ = ["celery_app"]
