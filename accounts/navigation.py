"""What waits for a person, counted by whoever knows.

accounts knows neither listings nor matches, so the apps above it register a function that counts:
`register` is called once, from the app's `ready()`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _

from accounts.models import ManagerProfile, ManagerStatus, Organization, OrganizationStatus, User

# Keys in use: "answers" (of a side), "reviews" and "listings" (on a manager's desk),
# "escalated" (matches), "nobodys" (listings that nobody checks), "organizations" and "managers"
# (for operators). Only what the reader has to act on is counted.
# A provider gets the user and answers with few queries, the same number for any amount of rows.
Provider = Callable[[User], Mapping[str, int]]

_providers: list[Provider] = []


class Role(TextChoices):
    """In whose place somebody looks at the site. It changes the menu, never what is allowed."""

    OPERATOR = "operator", _("Operator")
    MANAGER = "manager", _("Technology manager")
    MEMBER = "member", _("Organization")


def register(provider: Provider) -> Provider:
    """Add a provider of counts. Doing it twice counts once."""
    if provider not in _providers:
        _providers.append(provider)
    return provider


def waiting_for(user: User) -> dict[str, int]:
    """Return how many things wait for `user`, by key. Keys with nothing may be missing."""
    counts: dict[str, int] = {}
    for provider in _providers:
        counts.update(provider(user))
    return counts


@register
def _own(user: User) -> dict[str, int]:
    if not user.is_operator:
        return {}
    return {
        "organizations": Organization.objects.filter(status=OrganizationStatus.PENDING).count(),
        "managers": ManagerProfile.objects.filter(status=ManagerStatus.PENDING).count(),
    }
