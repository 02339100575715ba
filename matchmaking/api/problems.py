"""How the refusals of this app's services are answered."""

from __future__ import annotations

from django.utils.translation import gettext as _
from rest_framework import exceptions

from accounts.api.problems import explain
from matchmaking.permissions import ConflictOfInterest


def install() -> None:
    """Have a tie answered as such. Called when the addresses are read."""
    explain(ConflictOfInterest, lambda _error: tie())


def tie() -> exceptions.PermissionDenied:
    """Return the refusal of somebody who may not decide this match, or may not be given it."""
    return exceptions.PermissionDenied(
        _("A tie to one side, or no certificate that holds: another manager decides this match."),
        code="conflict_of_interest",
    )
