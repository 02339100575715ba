"""/healthz/ says in two seconds which part is down, to anybody, and tells nothing else."""

import time

import pytest
from django.core.cache import cache
from django.core.cache.backends.redis import RedisCache
from django.urls import reverse

from config import health, heartbeat


@pytest.fixture(autouse=True)
def _fresh(monkeypatch):
    """Forget the answer that is kept for a second."""
    monkeypatch.setattr(health, "_last", None)


def report(*queues: str) -> None:
    cache.set_many({heartbeat.key(queue): True for queue in queues}, timeout=heartbeat.EXPIRY)


@pytest.mark.django_db(transaction=True)
def test_it_is_ok_when_every_queue_has_a_worker(client):
    report("query", "encode", "match", "default")

    response = client.get(reverse("healthz"))

    assert response.status_code == 200
    assert response.json() == {
        "status": "ok",
        "components": {"database": "ok", "broker": "ok", "model": "ok", "workers": "ok"},
    }
    assert "no-store" in response["Cache-Control"]


@pytest.mark.django_db(transaction=True)
def test_it_names_the_queues_that_nobody_works_on(client):
    report("query", "encode")

    response = client.get(reverse("healthz"))

    assert response.status_code == 503
    assert response.json()["components"]["workers"] == "nobody works on: match, default"
    assert response.json()["components"]["model"] == "ok"


@pytest.mark.django_db(transaction=True)
def test_without_the_encoding_worker_the_model_is_named(client):
    report("match", "default")

    response = client.get(reverse("healthz"))

    assert response.status_code == 503
    assert response.json()["components"]["model"] == "no worker has loaded it"


@pytest.mark.django_db(transaction=True)
def test_a_broken_broker_is_named_and_the_rest_unknown(client, monkeypatch):
    def broken(self: RedisCache, keys: list[str]) -> dict[str, object]:
        raise ConnectionError("redis://:secret@10.0.0.1")

    monkeypatch.setattr(RedisCache, "get_many", broken)

    response = client.get(reverse("healthz"))

    assert response.status_code == 503
    assert response.json()["components"]["broker"] == "does not answer"
    assert response.json()["components"]["database"] == "ok"
    assert b"secret" not in response.content


def test_a_database_that_hangs_does_not_hold_the_answer(client, monkeypatch):
    report("query", "encode", "match", "default")
    monkeypatch.setattr(health, "_database", lambda: time.sleep(3))

    began = time.monotonic()
    response = client.get(reverse("healthz"))

    assert time.monotonic() - began < 2
    assert response.status_code == 503
    assert response.json()["components"]["database"] == "does not answer"


def test_asking_often_costs_one_look(client, monkeypatch):
    looks = []

    def look() -> dict[str, str]:
        looks.append(1)
        return {"database": "ok"}

    monkeypatch.setattr(health, "check", look)

    for _ in range(5):
        client.get(reverse("healthz"))

    assert len(looks) == 1


def test_it_is_read_only(client):
    assert client.post(reverse("healthz")).status_code == 405
