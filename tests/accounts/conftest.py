"""What tests of people share."""

from types import SimpleNamespace

import pytest

from accounts import notices
from tests.factories import make_member, make_organization


@pytest.fixture
def queued(monkeypatch):
    """The mails that were handed to the broker, by their key in the outbox."""
    ids = []
    monkeypatch.setattr("accounts.mail.send", lambda task, *args: ids.append(args[0]) or True)
    monkeypatch.setattr("accounts.tasks.send", lambda task, *args: ids.append(args[0]) or True)
    return ids


@pytest.fixture
def office():
    """A verified organization with an owner, and what tells the owner that it is verified."""
    organization = make_organization(name="宁远轴承有限公司")
    owner = make_member(organization, name="宁致远")
    numbers = iter(range(1, 10_000))

    def tell(user=None, key=None, kind="organization.verified", **kwargs):
        return notices.notify(
            kind=kind,
            user=user or owner,
            key=key or f"test:{next(numbers)}",
            payload={"organization": organization.pk},
            **kwargs,
        )

    return SimpleNamespace(organization=organization, owner=owner, tell=tell)
