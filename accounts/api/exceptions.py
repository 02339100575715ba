"""Refusals that REST framework has no class for."""

from __future__ import annotations

from django.utils.translation import gettext_lazy
from rest_framework.exceptions import APIException


class Conflict(APIException):
    """Not from this state."""

    status_code = 409
    default_code = "wrong_state"
    default_detail = gettext_lazy("This is not possible any more.")


class Exists(Conflict):
    default_code = "exists"


class Stale(APIException):
    """Somebody else was faster."""

    status_code = 412
    default_code = "stale"
    default_detail = gettext_lazy(
        "Somebody changed it after you had read it. Read it again, then send your change with "
        "its new ETag."
    )


class ConditionMissing(APIException):
    """A change says what it is a change of."""

    status_code = 428
    default_code = "if_match_required"
    default_detail = gettext_lazy(
        "Please send the ETag that you read in the header If-Match, so that nobody's change is "
        "lost."
    )


class TooLarge(APIException):
    status_code = 413
    default_code = "too_large"
    default_detail = gettext_lazy("This is larger than the platform takes.")
