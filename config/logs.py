"""Logging through structlog: readable lines in development, JSON in production."""

from typing import Any

import structlog
from structlog.types import EventDict, Processor


def _without_chatter(logger: Any, method: str, event: EventDict) -> EventDict:
    """Drop what says nothing: that a request began, and every poll of the health check."""
    if event.get("event") == "request_started" or "/healthz/" in str(event.get("request", "")):
        raise structlog.DropEvent
    return event


def _without_refusals_traceback(logger: Any, method: str, event: EventDict) -> EventDict:
    """Leave a refusal (403) its one line: it is an answer, and no place in the code is at fault."""
    if event.get("logger") == "django.request" and event.get("level") == "warning":
        event.pop("exc_info", None)
    return event


def logging_settings(*, json: bool, level: str) -> dict[str, Any]:
    """Return Django's LOGGING; records of libraries take the same way as our own."""
    shared: list[Processor] = [
        _without_chatter,
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso"),
        structlog.processors.StackInfoRenderer(),
        _without_refusals_traceback,
    ]
    if json:
        shared.append(structlog.processors.format_exc_info)
    renderer: Processor = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if json
        # The default prints local variables: passwords, contacts and texts are among them.
        else structlog.dev.ConsoleRenderer(
            colors=False, exception_formatter=structlog.dev.plain_traceback
        )
    )
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "structlog": {
                "()": structlog.stdlib.ProcessorFormatter,
                "processors": [
                    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                    renderer,
                ],
                "foreign_pre_chain": shared,
            }
        },
        "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "structlog"}},
        "root": {"handlers": ["console"], "level": level},
        "loggers": {
            # Django's own handlers would print every line a second time.
            "django": {"handlers": [], "propagate": True},
            "django.server": {"handlers": [], "propagate": True},
            # These tell of every task, and the second one what it returned, which may be a text
            # that somebody typed or a vector of 384 numbers.
            "celery.worker.strategy": {"level": "WARNING"},
            "celery.app.trace": {"level": "WARNING"},
            # One tells of every step of a PDF and of each rule that paper has no use for, the
            # other of each table of a font.
            "weasyprint": {"level": "ERROR"},
            "fontTools": {"level": "ERROR"},
        },
    }
