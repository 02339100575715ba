"""What reaches the log: enough to find a failure, and nothing that somebody typed in confidence."""

import io
import logging
import logging.config

import pytest
from django.core.exceptions import PermissionDenied
from django.http import HttpResponseForbidden
from django.test import RequestFactory
from django.utils.log import log_response

from config.logs import logging_settings

SECRET = "a-password-that-was-typed"


@pytest.fixture(params=[False, True], ids=["development", "production"])
def log(request):
    """A logger's output as the settings of one environment write it."""
    settings = logging_settings(json=request.param, level="INFO")
    described = settings["formatters"]["structlog"]
    formatter = described["()"](
        processors=described["processors"], foreign_pre_chain=described["foreign_pre_chain"]
    )
    output = io.StringIO()
    handler = logging.StreamHandler(output)
    handler.setFormatter(formatter)
    logger = logging.getLogger("django.request")
    logger.addHandler(handler)
    yield output
    logger.removeHandler(handler)


def _fail(password: str) -> None:
    raise RuntimeError("the reason")


def test_a_failure_is_logged_with_its_place_and_without_what_was_typed(log):
    try:
        _fail(SECRET)
    except RuntimeError:
        logging.getLogger("django.request").exception("Internal Server Error: /account/login/")
    written = log.getvalue()
    assert "the reason" in written
    assert "_fail" in written
    assert SECRET not in written


def test_a_refusal_is_one_line(log):
    request = RequestFactory().get("/demands/XQ-2026-0001/edit/")
    try:
        raise PermissionDenied("Only its owner")
    except PermissionDenied as refusal:
        log_response(
            "Forbidden (Permission denied): %s",
            request.path,
            response=HttpResponseForbidden(),
            request=request,
            exception=refusal,
        )
    written = log.getvalue()
    assert "Permission denied" in written
    assert "Traceback" not in written
    assert written.count("\n") == 1
