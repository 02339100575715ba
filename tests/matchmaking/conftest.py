"""What tests of the engine share: the fake encoder, and tasks that run at once."""

import pytest

from tests.fakes import FakeEncoder


@pytest.fixture
def encoder(monkeypatch, settings):
    """The encoder that tasks get; nothing in the test loads the model.

    Its cosines between strangers are 0, the real model's some 0.8: the floor is not for them.
    """
    settings.MATCH_FLOOR = 0.0
    # The factories' achievements read alike, and are meant as several: see test_alike.
    monkeypatch.setattr("matchmaking.retrieval.alike.SAME", 2.0)
    fake = FakeEncoder()
    monkeypatch.setattr("matchmaking.tasks.get_encoder", lambda: fake)
    return fake


@pytest.fixture
def eager(encoder):
    """Run every task where it is sent, as if all workers were there and quick."""
    from config.celery import app

    before = app.conf.task_always_eager, app.conf.task_eager_propagates
    app.conf.task_always_eager, app.conf.task_eager_propagates = True, True
    yield
    app.conf.task_always_eager, app.conf.task_eager_propagates = before


@pytest.fixture
def deaf():
    """Let nobody hear catalog's signals: every message is lost."""
    from catalog.signals import listings_left, listings_published
    from matchmaking.services import listening

    listings_published.disconnect(dispatch_uid="matchmaking")
    listings_left.disconnect(dispatch_uid="matchmaking")
    yield
    listening.connect()
